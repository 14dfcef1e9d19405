package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
)

// Callback is a provider's own call as it is kept: verified, and without what
// may not be kept.
type Callback struct {
	ID            domain.CallbackID
	ConnectionID  domain.ConnectionID
	BodyHash      []byte // SHA-256 of the raw body
	Body          string
	ReceivedAt    time.Time
	LastAt        time.Time
	Times         int // how often the same body came
	Status        domain.CallbackStatus
	Why           string
	TransactionID domain.TransactionID // zero: it led to none
	PaymentID     domain.PaymentID     // of that transaction
	HandledAt     time.Time
	// DealtBy, DealtAt and Note say who looked at one that was quarantined.
	DealtBy, Note string
	DealtAt       time.Time
}

// ConnectionMerchant finds whose connection this is, for a caller who names
// nothing but the connection; NotFound for an id that nobody has.
func (s *Store) ConnectionMerchant(ctx context.Context, id domain.ConnectionID) (domain.MerchantID, error) {
	var m domain.MerchantID
	err := s.db.QueryRowContext(ctx, `select merchant_id from directory where kind = 'connection' and key_hash = sha256($1::text::bytea)`, id.String()).Scan(&m)
	if errors.Is(err, sql.ErrNoRows) {
		return m, domain.Errorf(domain.NotFound, "There is nothing here with that id.")
	}
	return m, dbError("connection's merchant", err)
}

// AddCallback keeps a callback unless the connection has the same body already:
// then it counts the delivery. fresh says which.
func (t *Tx) AddCallback(ctx context.Context, c Callback) (fresh bool, err error) {
	err = t.q.QueryRowxContext(ctx, `insert into callbacks (merchant_id, id, connection_id, body_hash, body, received_at, last_at) values ($1, $2, $3, $4, $5, $6, $6)
		on conflict (merchant_id, connection_id, body_hash) do update set times = callbacks.times + 1, last_at = greatest(callbacks.last_at, excluded.last_at)
		returning id = $2`, t.m, c.ID, c.ConnectionID, c.BodyHash, asText(c.Body), c.ReceivedAt).Scan(&fresh)
	return fresh, dbError("add callback", err)
}

const callbackColumns = `c.id, c.connection_id, c.body, c.received_at, c.last_at, c.times, c.status, c.why, c.transaction_id, t.payment_id, c.handled_at,
	c.dealt_by, c.dealt_at, c.note from callbacks c left join transactions t on t.merchant_id = c.merchant_id and t.id = c.transaction_id`

func scanCallback(row interface{ Scan(...any) error }) (Callback, error) {
	var c Callback
	var x, p uuid.NullUUID
	var handled, dealt sql.NullTime
	err := row.Scan(&c.ID, &c.ConnectionID, &c.Body, &c.ReceivedAt, &c.LastAt, &c.Times, &c.Status, &c.Why, &x, &p, &handled, &c.DealtBy, &dealt, &c.Note)
	c.TransactionID.UUID, c.PaymentID.UUID, c.HandledAt, c.DealtAt = x.UUID, p.UUID, handled.Time, dealt.Time
	return c, err
}

// Callback reads one callback; NotFound when the merchant has none of that id.
func (t *Tx) Callback(ctx context.Context, id domain.CallbackID) (Callback, error) {
	c, err := scanCallback(t.q.QueryRowxContext(ctx, `select `+callbackColumns+` where c.merchant_id = $1 and c.id = $2`, t.m, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, domain.Errorf(domain.NotFound, "There is no callback with that id.")
	}
	return c, dbError("get callback", err)
}

// EndCallback says what a callback led to. One that has been handled stays as
// it is; changed says whether this call did it.
func (t *Tx) EndCallback(ctx context.Context, id domain.CallbackID, to domain.CallbackStatus, why string, x domain.TransactionID, at time.Time) (changed bool, err error) {
	res, err := t.q.ExecContext(ctx, `update callbacks set status = $3, why = $4, transaction_id = $5, handled_at = $6
		where merchant_id = $1 and id = $2 and status = 'received'`, t.m, id, to, why, uuid.NullUUID{UUID: x.UUID, Valid: !x.IsZero()}, at)
	if err != nil {
		return false, dbError("end callback", err)
	}
	n, err := res.RowsAffected()
	return n == 1, dbError("end callback", err)
}

// UnhandledCallbacks lists callbacks that should have been handled by the given
// time, for the sweep that puts lost jobs back.
func (t *Tx) UnhandledCallbacks(ctx context.Context, before time.Time, limit int) ([]domain.CallbackID, error) {
	rows, err := t.q.QueryContext(ctx, `select id from callbacks where merchant_id = $1 and status = 'received' and received_at < $2 order by received_at limit $3`, t.m, before, limit)
	return collect("unhandled callbacks", rows, err, func() (id domain.CallbackID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// ListCallbacks lists a connection's callbacks, newest first, at most limit of
// them: those older than before, or the newest when it is the zero id. The id is
// a time, so that it is the whole of the keyset.
func (t *Tx) ListCallbacks(ctx context.Context, conn domain.ConnectionID, before domain.CallbackID, limit int) ([]Callback, error) {
	if before.IsZero() {
		// One condition, so that a kept plan can begin at it in the index.
		before.UUID = uuid.Max
	}
	rows, err := t.q.QueryContext(ctx, `select `+callbackColumns+` where c.merchant_id = $1 and c.connection_id = $2 and c.id < $3
		order by c.id desc limit $4`, t.m, conn, before, limit)
	return collect("list callbacks", rows, err, func() (Callback, error) { return scanCallback(rows) })
}

// DealWithCallback ends a quarantined callback by a person's word; changed is
// false when it is not quarantined (any more).
func (t *Tx) DealWithCallback(ctx context.Context, conn domain.ConnectionID, id domain.CallbackID, by, note string, at time.Time) (changed bool, err error) {
	res, err := t.q.ExecContext(ctx, `update callbacks set status = 'dealt_with', dealt_by = $4, note = $5, dealt_at = $6
		where merchant_id = $1 and connection_id = $2 and id = $3 and status = 'quarantined'`, t.m, conn, id, by, note, at)
	if err != nil {
		return false, dbError("deal with callback", err)
	}
	n, err := res.RowsAffected()
	return n == 1, dbError("deal with callback", err)
}

// CountQuarantined counts the merchant's callbacks that need a person, by
// connection, up to QuarantinedCap of each.
func (t *Tx) CountQuarantined(ctx context.Context) (map[domain.ConnectionID]int, error) {
	rows, err := t.q.QueryContext(ctx, `select c.id, q.n from connections c, lateral (select count(*) n from (select 1 from callbacks k
		where k.merchant_id = c.merchant_id and k.connection_id = c.id and k.status = 'quarantined' limit $2) few) q where c.merchant_id = $1 and q.n > 0`, t.m, QuarantinedCap)
	if err != nil {
		return nil, dbError("count quarantined", err)
	}
	defer rows.Close()
	out := map[domain.ConnectionID]int{}
	for rows.Next() {
		var id domain.ConnectionID
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, dbError("count quarantined", err)
		}
		out[id] = n
	}
	return out, dbError("count quarantined", rows.Err())
}

// AuditedSince says whether an action on an object has an audit row since a
// time. It serializes its callers per object until their unit of work ends, so
// that "at most one a minute" holds under a flood.
func (t *Tx) AuditedSince(ctx context.Context, action, objectType, objectID string, since time.Time) (bool, error) {
	if err := t.LockName(ctx, action+" "+objectID); err != nil {
		return false, err
	}
	var is bool
	err := t.q.QueryRowxContext(ctx, `select coalesce((select at > $5 from audit_log where merchant_id = $1 and object_type = $2 and object_id = $3 and action = $4
		order by seq desc limit 1), false)`,
		t.m, objectType, objectID, action, since).Scan(&is)
	return is, dbError("audited since", err)
}

// LockName holds a name of the caller's choice until the unit of work ends, so
// that those who take the same name come one after the other. It is taken
// before any row's lock, save by LockDay.
func (t *Tx) LockName(ctx context.Context, name string) error {
	_, err := t.q.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, t.m.String()+" "+name)
	return dbError("lock name", err)
}

// TransactionByAttempt finds a connection's transaction by our own reference;
// NotFound when there is none.
func (t *Tx) TransactionByAttempt(ctx context.Context, conn domain.ConnectionID, attempt string) (domain.Transaction, error) {
	return t.transactionBy(ctx, `t.attempt_ref = $3::uuid`, conn, attempt)
}

// AttemptElsewhere says whether our own reference is one of a transaction that
// was made through another of the merchant's connections.
func (t *Tx) AttemptElsewhere(ctx context.Context, conn domain.ConnectionID, attempt string) (bool, error) {
	var is bool
	err := t.q.QueryRowxContext(ctx, `select exists (select 1 from transactions where merchant_id = $1 and attempt_ref = $2::uuid and connection_id <> $3)`, t.m, attempt, conn).Scan(&is)
	return is, dbError("find attempt", err)
}

// TransactionByProviderRef finds a connection's transaction by the provider's
// reference; NotFound when there is none.
func (t *Tx) TransactionByProviderRef(ctx context.Context, conn domain.ConnectionID, ref string) (domain.Transaction, error) {
	return t.transactionBy(ctx, `t.provider_ref = $3`, conn, ref)
}

func (t *Tx) transactionBy(ctx context.Context, condition string, conn domain.ConnectionID, value string) (domain.Transaction, error) {
	x, err := scanTransaction(t.q.QueryRowxContext(ctx, `select `+transactionColumns+` from transactions t where t.merchant_id = $1 and t.connection_id = $2 and `+condition, t.m, conn, value), t.m, currencyCache{})
	if errors.Is(err, sql.ErrNoRows) {
		return x, domain.Errorf(domain.NotFound, "There is no transaction with that reference.")
	}
	return x, dbError("find transaction", err)
}

// UpdateCardByToken brings a stored card in step with what its network says,
// found by the SHA-256 of its token. changed is false when the connection has no
// such card, or it says so already.
func (t *Tx) UpdateCardByToken(ctx context.Context, conn domain.ConnectionID, tokenHash []byte, c domain.Card) (changed bool, err error) {
	res, err := t.q.ExecContext(ctx, `update cards set brand = case when $4 = '' then brand else $4 end, last4 = case when $5 = '' then last4 else $5 end,
			expiry = case when $6 = '' then expiry else $6 end
		where merchant_id = $1 and connection_id = $2 and token_hash = $3
			and (($4 <> '' and brand <> $4) or ($5 <> '' and last4 <> $5) or ($6 <> '' and expiry <> $6))`, t.m, conn, tokenHash, c.Brand, c.Last4, c.Expiry)
	if err != nil {
		return false, dbError("update card", err)
	}
	n, err := res.RowsAffected()
	return n > 0, dbError("update card", err)
}

// SecretSlots reads all of a connection's sealed credentials: by slot
// ("current", "next", "previous"), then by field.
func (t *Tx) SecretSlots(ctx context.Context, id domain.ConnectionID) (map[string]map[string][]byte, error) {
	rows, err := t.q.QueryContext(ctx, `select slot, field, sealed from connection_secrets where merchant_id = $1 and connection_id = $2`, t.m, id)
	if err != nil {
		return nil, dbError("secrets", err)
	}
	defer rows.Close()
	out := map[string]map[string][]byte{}
	for rows.Next() {
		var slot, field string
		var sealed []byte
		if err := rows.Scan(&slot, &field, &sealed); err != nil {
			return nil, dbError("secrets", err)
		}
		if out[slot] == nil {
			out[slot] = map[string][]byte{}
		}
		out[slot][field] = sealed
	}
	return out, dbError("secrets", rows.Err())
}
