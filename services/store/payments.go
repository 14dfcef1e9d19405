package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// KeyClaim is what an idempotency key stands for.
type KeyClaim struct {
	PaymentID     domain.PaymentID
	TransactionID domain.TransactionID
}

// ClaimKey ties a form's key to what is about to be written. fresh is true for
// the first claim. A second claim waits for the first to commit, then gets the
// first one's ids; with another request it is a Duplicate error.
func (t *Tx) ClaimKey(ctx context.Context, key string, requestHash []byte, c KeyClaim, at time.Time) (first KeyClaim, fresh bool, err error) {
	res, err := t.q.ExecContext(ctx, `insert into idempotency_keys (merchant_id, key, request_hash, payment_id, transaction_id, created_at)
		values ($1, $2, $3, $4, $5, $6) on conflict do nothing`, t.m, key, requestHash, c.PaymentID, c.TransactionID, at)
	if err != nil {
		return first, false, dbError("claim key", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return c, true, dbError("claim key", err)
	}
	var hash []byte
	err = t.q.QueryRowxContext(ctx, `select request_hash, payment_id, transaction_id from idempotency_keys where merchant_id = $1 and key = $2`, t.m, key).
		Scan(&hash, &first.PaymentID, &first.TransactionID)
	if err != nil {
		return first, false, dbError("claim key", err)
	}
	if !bytes.Equal(hash, requestHash) {
		return first, false, domain.Errorf(domain.Duplicate, "This form was already used for something else. Nothing more was done. Open a new form.")
	}
	return first, false, nil
}

const paymentColumns = `p.id, p.connection_id, p.reference, p.status, p.method, p.currency, p.amount_minor, p.captured_minor, p.refunded_minor, p.held_minor, p.charged_back_minor,
	p.order_reference, p.email, p.card_brand, p.card_last4, p.card_expiry, p.auth_code, p.reason, coalesce(p.created_by, '00000000-0000-0000-0000-000000000000'), p.created_by_name, p.created_at,
	p.kind, p.authorised_minor, p.tip_minor, p.expires_at, p.batch_closed_at, p.review, p.reviewed_by_name, p.reviewed_at, p.review_note`

// currencyCache spares the parse of a three-letter code per row.
type currencyCache map[string]money.Currency

func (c currencyCache) get(code string) (money.Currency, error) {
	if cur, ok := c[code]; ok {
		return cur, nil
	}
	cur, err := money.ParseCurrency(code)
	if err == nil {
		c[code] = cur
	}
	return cur, err
}

func scanPayment(row interface{ Scan(...any) error }, m domain.MerchantID, seen currencyCache) (domain.Payment, error) {
	p := domain.Payment{MerchantID: m}
	var code string
	var amount, captured, refunded, held, chargedBack, authorised, tip int64
	var expires, closed, reviewed sql.NullTime
	err := row.Scan(&p.ID, &p.ConnectionID, &p.Reference, &p.Status, &p.Method, &code, &amount, &captured, &refunded, &held, &chargedBack,
		&p.OrderReference, &p.Email, &p.Card.Brand, &p.Card.Last4, &p.Card.Expiry, &p.AuthCode, &p.Reason, &p.CreatedBy, &p.CreatedByName, &p.CreatedAt,
		&p.Kind, &authorised, &tip, &expires, &closed, &p.Review.State, &p.Review.ByName, &reviewed, &p.Review.Note)
	if err != nil {
		return p, err
	}
	cur, err := seen.get(code)
	if err != nil {
		return p, err
	}
	p.Amount, p.Captured = money.FromMinor(amount, cur), money.FromMinor(captured, cur)
	p.Refunded, p.Held, p.ChargedBack = money.FromMinor(refunded, cur), money.FromMinor(held, cur), money.FromMinor(chargedBack, cur)
	p.Authorised, p.Tip = money.FromMinor(authorised, cur), money.FromMinor(tip, cur)
	p.ExpiresAt, p.BatchClosedAt, p.Review.At = expires.Time, closed.Time, reviewed.Time
	return p, nil
}

// InsertPayment writes a payment. A reference that is taken is a Conflict; the
// caller starts its unit of work again with a fresh one.
func (t *Tx) InsertPayment(ctx context.Context, p domain.Payment) error {
	_, err := t.q.ExecContext(ctx, `insert into payments (merchant_id, id, connection_id, reference, status, method, currency, amount_minor,
		captured_minor, refunded_minor, held_minor, order_reference, email, card_brand, card_last4, card_expiry, auth_code, reason, created_by, created_by_name, created_at, updated_at, kind, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21, $22, $23)`,
		t.m, p.ID, p.ConnectionID, p.Reference, p.Status, p.Method, p.Amount.Currency().Code(), p.Amount.Minor(),
		p.Captured.Minor(), p.Refunded.Minor(), p.Held.Minor(), p.OrderReference, p.Email, p.Card.Brand, p.Card.Last4, p.Card.Expiry,
		p.AuthCode, p.Reason, nullUser(p.CreatedBy), p.CreatedByName, p.CreatedAt,
		cmp.Or(p.Kind, domain.Sale), nullTime(p.ExpiresAt))
	if isUnique(err, "payments_reference") {
		return domain.Errorf(domain.Conflict, "That reference is taken.")
	}
	return dbError("insert payment", err)
}

// Payment reads one payment; NotFound when the merchant has none of that id.
func (t *Tx) Payment(ctx context.Context, id domain.PaymentID) (domain.Payment, error) {
	return t.payment(ctx, id, "")
}

// LockPayment reads one payment and holds its row until the unit of work ends.
// Every change of a payment's money takes this lock first.
func (t *Tx) LockPayment(ctx context.Context, id domain.PaymentID) (domain.Payment, error) {
	return t.payment(ctx, id, " for no key update of p")
}

func (t *Tx) payment(ctx context.Context, id domain.PaymentID, lock string) (domain.Payment, error) {
	row := t.q.QueryRowxContext(ctx, `select `+paymentColumns+` from payments p where p.merchant_id = $1 and p.id = $2`+lock, t.m, id)
	p, err := scanPayment(row, t.m, currencyCache{})
	if errors.Is(err, sql.ErrNoRows) {
		return p, domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	return p, dbError("get payment", err)
}

// PaymentIDByReference finds a payment by the serial that staff read out.
func (t *Tx) PaymentIDByReference(ctx context.Context, reference string) (domain.PaymentID, error) {
	var id domain.PaymentID
	err := t.q.QueryRowxContext(ctx, `select id from payments where merchant_id = $1 and reference = $2`, t.m, reference).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return id, domain.Errorf(domain.NotFound, "There is no payment with that reference.")
	}
	return id, dbError("find reference", err)
}

const transactionColumns = `t.id, t.payment_id, t.connection_id, t.reference, t.type, t.status, t.currency, t.amount_minor, t.reason, t.attempt_ref,
	t.original_ref, coalesce(t.provider_ref, ''), t.provider_code, t.provider_text, t.auth_code, t.redirect_url, t.note, t.schedule_ref, t.device_ref,
	coalesce(t.created_by, '00000000-0000-0000-0000-000000000000'), t.created_by_name,
	t.created_at, t.last_send_at, t.asked, t.absent, t.last_asked_at, t.next_ask_at, t.settled_at, t.tip_minor, t.final, t.expires_at, t.cancel_ref,
	t.said, t.before_status, t.before_reason, t.before_at, t.hand_status, t.hand_by_name, t.hand_at, t.hand_note,
	t.surcharge_minor, t.captures_at,
	coalesce(t.device_id, '00000000-0000-0000-0000-000000000000'), t.result_ref, t.phase, t.recovered, t.terminal,
	coalesce((select a.decided_by_name from approvals a where a.merchant_id = t.merchant_id and a.transaction_id = t.id), '')`

func scanTransaction(row interface{ Scan(...any) error }, m domain.MerchantID, seen currencyCache) (domain.Transaction, error) {
	x := domain.Transaction{MerchantID: m}
	var code string
	var amount, tip, surcharge int64
	var asked, next, settled, expires, before, hand, captures sql.NullTime
	var said, terminal []byte
	err := row.Scan(&x.ID, &x.PaymentID, &x.ConnectionID, &x.Reference, &x.Type, &x.Status, &code, &amount, &x.Reason, &x.AttemptRef,
		&x.OriginalRef, &x.ProviderRef, &x.ProviderCode, &x.ProviderText, &x.AuthCode, &x.RedirectURL, &x.Note, &x.ScheduleRef, &x.DeviceRef, &x.CreatedBy, &x.CreatedName,
		&x.CreatedAt, &x.LastSendAt, &x.Asked, &x.Absent, &asked, &next, &settled,
		&tip, &x.Final, &expires, &x.CancelRef,
		&said, &x.Before.Status, &x.Before.Reason, &before, &x.Hand.Status, &x.Hand.ByName, &hand, &x.Hand.Note,
		&surcharge, &captures, &x.DeviceID, &x.ResultRef, &x.Phase, &x.Recovered, &terminal, &x.ApprovedBy)
	if err != nil {
		return x, err
	}
	if len(said) > 0 {
		if err := json.Unmarshal(said, &x.Said); err != nil {
			return x, fmt.Errorf("store: what was said about transaction %s: %w", x.ID, err)
		}
	}
	if len(terminal) > 0 {
		if err := json.Unmarshal(terminal, &x.Terminal); err != nil {
			return x, fmt.Errorf("store: how transaction %s runs on a terminal: %w", x.ID, err)
		}
	}
	x.Terminal.DeviceID = x.DeviceID
	x.Before.At, x.Hand.At = before.Time, hand.Time
	cur, err := seen.get(code)
	if err != nil {
		return x, err
	}
	x.Amount = money.FromMinor(amount, cur)
	x.Tip, x.Surcharge = money.FromMinor(tip, cur), money.FromMinor(surcharge, cur)
	x.CapturesAt = captures.Time
	x.LastAskedAt, x.NextAskAt, x.SettledAt, x.ExpiresAt = asked.Time, next.Time, settled.Time, expires.Time
	return x, nil
}

// InsertTransaction writes a transaction as it is before anything has left the
// building.
func (t *Tx) InsertTransaction(ctx context.Context, x domain.Transaction) error {
	var terminal sql.NullString
	if !x.DeviceID.IsZero() {
		b, err := json.Marshal(x.Terminal)
		if err != nil {
			return fmt.Errorf("store: insert transaction: %w", err)
		}
		terminal = sql.NullString{String: string(b), Valid: true}
	}
	_, err := t.q.ExecContext(ctx, `insert into transactions (merchant_id, id, payment_id, connection_id, reference, type, status, currency, amount_minor,
		reason, attempt_ref, original_ref, provider_ref, provider_code, provider_text, auth_code, note, created_by, created_by_name, created_at, last_send_at, next_ask_at, settled_at, schedule_ref, device_ref,
		tip_minor, final, expires_at, cancel_ref, surcharge_minor, captures_at, device_id, result_ref, phase, recovered, terminal)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36::jsonb)`,
		t.m, x.ID, x.PaymentID, x.ConnectionID, x.Reference, x.Type, x.Status, x.Amount.Currency().Code(), x.Amount.Minor(),
		x.Reason, x.AttemptRef, x.OriginalRef, nullString(x.ProviderRef), x.ProviderCode, x.ProviderText, x.AuthCode, x.Note, nullUser(x.CreatedBy), x.CreatedName,
		x.CreatedAt, x.LastSendAt, nullTime(x.NextAskAt), nullTime(x.SettledAt), x.ScheduleRef, x.DeviceRef,
		x.Tip.Minor(), x.Final, nullTime(x.ExpiresAt), x.CancelRef, x.Surcharge.Minor(), nullTime(x.CapturesAt),
		uuid.NullUUID{UUID: x.DeviceID.UUID, Valid: !x.DeviceID.IsZero()}, x.ResultRef, x.Phase, x.Recovered, terminal)
	return dbError("insert transaction", err)
}

func nullUser(id domain.UserID) uuid.NullUUID {
	return uuid.NullUUID{UUID: id.UUID, Valid: !id.IsZero()}
}
func nullString(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
func nullAmount(a *money.Amount) sql.NullInt64 {
	if a == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: a.Minor(), Valid: true}
}
func nullTime(at time.Time) sql.NullTime { return sql.NullTime{Time: at, Valid: !at.IsZero()} }

// Transaction reads one transaction; NotFound when the merchant has none of
// that id.
func (t *Tx) Transaction(ctx context.Context, id domain.TransactionID) (domain.Transaction, error) {
	x, err := scanTransaction(t.q.QueryRowxContext(ctx, `select `+transactionColumns+` from transactions t where t.merchant_id = $1 and t.id = $2`, t.m, id), t.m, currencyCache{})
	if errors.Is(err, sql.ErrNoRows) {
		return x, domain.Errorf(domain.NotFound, "There is no transaction with that id.")
	}
	return x, dbError("get transaction", err)
}

// Transactions lists a payment's transactions, newest first.
func (t *Tx) Transactions(ctx context.Context, payment domain.PaymentID) ([]domain.Transaction, error) {
	rows, err := t.q.QueryContext(ctx, `select `+transactionColumns+` from transactions t where t.merchant_id = $1 and t.payment_id = $2
		order by t.created_at desc, t.id desc`, t.m, payment)
	seen := currencyCache{}
	return collect("list transactions", rows, err, func() (domain.Transaction, error) { return scanTransaction(rows, t.m, seen) })
}

// Settlement is what a provider's answer does to a transaction. Empty texts
// leave what is there.
type Settlement struct {
	To           domain.TransactionStatus
	Reason       domain.Reason
	ProviderRef  string
	ProviderCode string
	ProviderText string
	AuthCode     string
	Card         domain.Card
	RedirectURL  string
	NextAskAt    time.Time // while it stays open
	// Tip is the part of the amount that is a tip, where the provider tells it;
	// ExpiresAt when the hold lapses or the link ends, and CancelRef what ends the
	// link. Review says that the risk check wants a person to look.
	Tip       *money.Amount
	ExpiresAt time.Time
	CancelRef string
	Review    bool
	// Reopen lets To (unknown) follow "failed, never arrived": the call itself
	// came back with a doubt after that verdict.
	Reopen bool
	// Said is the answer itself, kept for the comparison with our record; nil
	// when nobody answered.
	Said *domain.Said
	// Amount is what was really taken where a terminal asked for a tip: it becomes
	// the transaction's amount. Nil leaves what is there.
	Amount *money.Amount
	// ResultRef is what a terminal's result is asked by, and Phase how far the
	// payment on it is; empty leaves what is there, and an end empties Phase.
	// Recovered says that the terminal delivered the result late.
	ResultRef string
	Phase     domain.Phase
	Recovered bool
	// Hand is what a person wrote down, when a person settles it.
	Hand *domain.ByHand
	At   time.Time
}

// Settle moves a transaction to a new status if the table of transitions allows
// it from the status that it has now, and brings the payment's books in step.
// changed is false when a replay finds nothing to do. The payment is locked
// first. A provider reference that another transaction of the connection holds
// is a Conflict.
func (t *Tx) Settle(ctx context.Context, payment domain.PaymentID, id domain.TransactionID, s Settlement) (changed bool, err error) {
	if _, err := t.LockPayment(ctx, payment); err != nil {
		return false, err
	}
	var taken bool
	if s.ProviderRef != "" {
		err := t.q.QueryRowxContext(ctx, `select exists (select 1 from transactions o join transactions x on x.merchant_id = o.merchant_id and x.connection_id = o.connection_id
			where x.merchant_id = $1 and x.id = $2 and o.id <> x.id and o.provider_ref = $3)`, t.m, id, s.ProviderRef).Scan(&taken)
		if err != nil {
			return false, dbError("settle", err)
		}
		if taken {
			return false, domain.Errorf(domain.Conflict, "The provider gave this transaction the reference of another one.")
		}
	}
	final := !s.To.Open()
	before := pq.StringArray{}
	for _, from := range s.To.Before() {
		before = append(before, string(from))
	}
	if s.To == domain.TxProcessing {
		// A provider may say "not final yet" again with more to tell.
		before = append(before, string(domain.TxProcessing))
	}
	said, err := saidJSON(s.Said)
	if err != nil {
		return false, err
	}
	var hand domain.ByHand
	if s.Hand != nil {
		hand = *s.Hand
	}
	res, err := t.q.ExecContext(ctx, `update transactions set status = $3, reason = $4,
			provider_ref = coalesce(provider_ref, $5), provider_code = case when $6 = '' then provider_code else $6 end,
			provider_text = case when $7 = '' then provider_text else $7 end, auth_code = case when $8 = '' then auth_code else $8 end,
			redirect_url = case when $9 then '' when $10 = '' then redirect_url else $10 end,
			next_ask_at = $11, settled_at = case when $9 then $12::timestamptz else null end,
			tip_minor = coalesce($15, tip_minor), expires_at = coalesce($16, expires_at), cancel_ref = case when $17 = '' then cancel_ref else $17 end,
			said = coalesce($18::jsonb, said),
			before_status = case when status in ('declined', 'failed') then status else before_status end,
			before_reason = case when status in ('declined', 'failed') then reason else before_reason end,
			before_at = case when status in ('declined', 'failed') then settled_at else before_at end,
			hand_status = case when $19 = '' then hand_status else $19 end, hand_by_name = case when $19 = '' then hand_by_name else $20 end,
			hand_at = case when $19 = '' then hand_at else $12::timestamptz end, hand_note = case when $19 = '' then hand_note else $21 end,
			result_ref = case when $22 = '' then result_ref else $22 end, phase = case when $9 then '' when $23 = '' then phase else $23 end,
			recovered = recovered or $24, amount_minor = coalesce($25, amount_minor)
		where merchant_id = $1 and id = $2 and (status = any($13) or $14 and status = 'failed' and reason = 'never_arrived')`,
		t.m, id, s.To, s.Reason, nullString(s.ProviderRef), s.ProviderCode, s.ProviderText, s.AuthCode, final, s.RedirectURL,
		nullTime(s.NextAskAt), s.At, before, s.Reopen && s.To == domain.TxUnknown, nullAmount(s.Tip), nullTime(s.ExpiresAt), s.CancelRef,
		said, hand.Status, hand.ByName, hand.Note, asText(s.ResultRef), s.Phase, s.Recovered, nullAmount(s.Amount))
	if err != nil {
		return false, dbError("settle", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, dbError("settle", err)
	}
	return true, t.keepBooks(ctx, payment, id, s)
}

// keepBooks writes what domain.BooksOf computes from the rows as they are now,
// so that applying an answer twice cannot count it twice.
// Only the sale tells which card paid: a refund may be answered with another. A
// payment that was voided, or refunded in full, has nothing left for the review
// of its risk check.
func (t *Tx) keepBooks(ctx context.Context, payment domain.PaymentID, settled domain.TransactionID, s Settlement) error {
	txs, err := t.Transactions(ctx, payment)
	if err != nil {
		return err
	}
	sale, ok := domain.Root(txs)
	if !ok {
		return fmt.Errorf("store: payment %s has no transaction that began it", payment)
	}
	books, err := domain.BooksOf(sale.Amount.Currency(), txs)
	if err != nil {
		return fmt.Errorf("store: books of payment %s: %w", payment, err)
	}
	if settled != sale.ID {
		s.Card = domain.Card{}
	}
	_, err = t.q.ExecContext(ctx, `update payments set status = $3, captured_minor = $4, refunded_minor = $5, held_minor = $6, charged_back_minor = $13, authorised_minor = $14, tip_minor = $15,
			expires_at = $16, reason = $7, auth_code = $8,
			review = case when $17 and review = '' then 'waiting' when review = 'waiting' and $3 in ('voided', 'refunded') then 'cleared' else review end,
			reviewed_at = case when review = 'waiting' and $3 in ('voided', 'refunded') then $12 else reviewed_at end,
			review_note = case when review = 'waiting' and $3 = 'voided' then 'It was voided.' when review = 'waiting' and $3 = 'refunded' then 'All of it was refunded.' else review_note end,
			card_brand = case when $9 = '' then card_brand else $9 end, card_last4 = case when $10 = '' then card_last4 else $10 end,
			card_expiry = case when $11 = '' then card_expiry else $11 end, updated_at = $12
		where merchant_id = $1 and id = $2`,
		t.m, payment, books.Status, books.Captured.Minor(), books.Refunded.Minor(), books.Held.Minor(), sale.Reason, sale.AuthCode,
		s.Card.Brand, s.Card.Last4, s.Card.Expiry, s.At, books.ChargedBack.Minor(),
		books.Authorised.Minor(), books.Tip.Minor(), nullTime(sale.ExpiresAt), s.Review)
	if err != nil {
		return dbError("books", err)
	}
	return t.Notify(ctx, "payment", payment.String())
}

// KeepBooks brings the books in step after a transaction was inserted as
// pending: what it may take is held from this commit on.
func (t *Tx) KeepBooks(ctx context.Context, payment domain.PaymentID, at time.Time) error {
	return t.keepBooks(ctx, payment, domain.TransactionID{}, Settlement{At: at})
}

// saidJSON is an answer as its column keeps it; NULL for none.
func saidJSON(s *domain.Said) (sql.NullString, error) {
	if s == nil {
		return sql.NullString{}, nil
	}
	clean := *s
	clean.Text, clean.Code, clean.Ref = asText(s.Text), asText(s.Code), asText(s.Ref)
	clean.AuthCode, clean.Brand = asText(s.AuthCode), asText(s.Brand)
	b, err := json.Marshal(clean)
	return sql.NullString{String: string(b), Valid: true}, err
}

// NoteSaid keeps an answer that settles nothing, unless a newer one is kept
// already. It locks the transaction, so it comes after Settle.
func (t *Tx) NoteSaid(ctx context.Context, id domain.TransactionID, s domain.Said) error {
	said, err := saidJSON(&s)
	if err != nil {
		return err
	}
	_, err = t.q.ExecContext(ctx, `update transactions set said = $3::jsonb
		where merchant_id = $1 and id = $2 and (said is null or (said ->> 'at')::timestamptz <= $4)`, t.m, id, said, s.At)
	return dbError("note said", err)
}

// NoteAsk records a status question. absent counts the answers "not known" that
// came after the provider's window; any other answer starts that count again. It
// locks the transaction, so it comes after Settle, which locks the payment first.
func (t *Tx) NoteAsk(ctx context.Context, id domain.TransactionID, at, next time.Time, absent bool) error {
	_, err := t.q.ExecContext(ctx, `update transactions set asked = asked + 1, last_asked_at = $3, next_ask_at = $4,
		absent = case when $5 then absent + 1 else 0 end where merchant_id = $1 and id = $2`, t.m, id, at, nullTime(next), absent)
	return dbError("note ask", err)
}

// NoteSent narrows the last moment at which the request can have left, once the
// call has come back. It comes after Settle, as NoteAsk.
func (t *Tx) NoteSent(ctx context.Context, id domain.TransactionID, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `update transactions set last_send_at = $3 where merchant_id = $1 and id = $2`, t.m, id, at)
	return dbError("note sent", err)
}

// Message is one thing said between us and a provider, scrubbed.
type Message struct {
	TransactionID domain.TransactionID
	At            time.Time
	Op, Outcome   string
	Body          string
}

// messageLimit bounds what is kept of one answer, in bytes.
const messageLimit = 16 << 10

// AddMessage keeps a provider's answer beside the transaction, cut at 16 KiB.
func (t *Tx) AddMessage(ctx context.Context, msg Message) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("store: message id: %w", err)
	}
	if len(msg.Body) > messageLimit {
		msg.Body = msg.Body[:messageLimit] + "… (cut)"
	}
	_, err = t.q.ExecContext(ctx, `insert into provider_messages (merchant_id, id, transaction_id, at, op, outcome, body) values ($1, $2, $3, $4, $5, $6, $7)`,
		t.m, id, msg.TransactionID, msg.At, msg.Op, msg.Outcome, asText(msg.Body))
	return dbError("add message", err)
}

// asText is a foreign text without what a text column does not hold.
func asText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// Messages lists what was said about a payment's transactions, newest first, at
// most limit for all of them together.
func (t *Tx) Messages(ctx context.Context, payment domain.PaymentID, limit int) ([]Message, error) {
	rows, err := t.q.QueryContext(ctx, `select m.transaction_id, m.at, m.op, m.outcome, m.body from provider_messages m
		join transactions t on t.merchant_id = m.merchant_id and t.id = m.transaction_id
		where m.merchant_id = $1 and t.payment_id = $2 order by m.at desc, m.id desc limit $3`, t.m, payment, limit)
	return collect("list messages", rows, err, func() (msg Message, err error) {
		err = rows.Scan(&msg.TransactionID, &msg.At, &msg.Op, &msg.Outcome, &msg.Body)
		return msg, err
	})
}

// OpenTransactions lists transactions whose resolver should have asked long
// ago, for the sweep that puts lost jobs back: none should ever be there.
func (t *Tx) OpenTransactions(ctx context.Context, overdue time.Time, limit int) ([]domain.TransactionID, error) {
	rows, err := t.q.QueryContext(ctx, `select id from transactions where merchant_id = $1 and status in ('pending', 'processing', 'unknown')
		and next_ask_at < $2 order by next_ask_at limit $3`, t.m, overdue, limit)
	return collect("open transactions", rows, err, func() (id domain.TransactionID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// WaitingForPerson lists transactions that wait for a person and that nobody has
// asked the provider about for long enough.
func (t *Tx) WaitingForPerson(ctx context.Context, due time.Time, limit int) ([]domain.TransactionID, error) {
	rows, err := t.q.QueryContext(ctx, `select id from transactions where merchant_id = $1 and status = 'needs_person'
		and (next_ask_at is null or next_ask_at <= $2) order by next_ask_at nulls first limit $3`, t.m, due, limit)
	return collect("waiting for a person", rows, err, func() (id domain.TransactionID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}
