package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

const connectionColumns = `id, provider, name, mode, base_url, settings, currencies, active, created_at, removed_at`

// scanConnection reads connectionColumns, and whatever columns of the caller's
// follow them into more.
func (t *Tx) scanConnection(row interface{ Scan(...any) error }, more ...any) (domain.Connection, error) {
	c := domain.Connection{MerchantID: t.m}
	var settings []byte
	var currencies pq.StringArray
	var removed sql.NullTime
	if err := row.Scan(append([]any{&c.ID, &c.Provider, &c.Name, &c.Mode, &c.BaseURL, &settings, &currencies, &c.Active, &c.CreatedAt, &removed}, more...)...); err != nil {
		return c, err
	}
	c.RemovedAt = removed.Time
	if err := json.Unmarshal(settings, &c.Settings); err != nil {
		return c, fmt.Errorf("settings of connection %s: %w", c.ID, err)
	}
	var err error
	c.Currencies, err = parseCurrencies(currencies)
	return c, err
}

func parseCurrencies(codes []string) ([]money.Currency, error) {
	var out []money.Currency
	for _, code := range codes {
		c, err := money.ParseCurrency(code)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func currencyCodes(cs []money.Currency) pq.StringArray {
	out := pq.StringArray{}
	for _, c := range cs {
		out = append(out, c.Code())
	}
	return out
}

// InsertConnection adds a connection; its secrets follow with PutSecret.
// Duplicate when its id is taken, by whichever merchant.
func (t *Tx) InsertConnection(ctx context.Context, c domain.Connection) error {
	settings := c.Settings
	if settings == nil {
		settings = map[string]string{}
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("store: settings: %w", err)
	}
	_, err = t.q.ExecContext(ctx, `insert into connections (merchant_id, id, provider, name, mode, base_url, settings, currencies, active, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.m, c.ID, c.Provider, c.Name, c.Mode, c.BaseURL, string(raw), currencyCodes(c.Currencies), c.Active, c.CreatedAt)
	if err == nil {
		_, err = t.q.ExecContext(ctx, `insert into directory (kind, key_hash, merchant_id) values ($1, sha256($2::text::bytea), $3)`, connectionKind, c.ID.String(), t.m)
	}
	if isUnique(err, "connections_pkey") || isUnique(err, "directory_pkey") {
		return domain.Errorf(domain.Duplicate, "There is already a connection with this id.")
	}
	return dbError("insert connection", err)
}

// connectionKind is the directory's kind for callbacks, whose address names a
// connection only.
const connectionKind = "connection"

// Connections lists the merchant's connections, oldest first, the removed ones
// too: their payments still show their names. There are few.
func (t *Tx) Connections(ctx context.Context) ([]domain.Connection, error) {
	rows, err := t.q.QueryContext(ctx, `select `+connectionColumns+` from connections where merchant_id = $1 order by created_at, id`, t.m)
	return collect("list connections", rows, err, func() (domain.Connection, error) { return t.scanConnection(rows) })
}

// Connection reads one connection; NotFound when the merchant has none of that id.
func (t *Tx) Connection(ctx context.Context, id domain.ConnectionID) (domain.Connection, error) {
	c, err := t.scanConnection(t.q.QueryRowxContext(ctx, `select `+connectionColumns+` from connections where merchant_id = $1 and id = $2`, t.m, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, domain.Errorf(domain.NotFound, "There is no connection with that id.")
	}
	return c, dbError("get connection", err)
}

// HoldConnection says whether a connection is in use and whether it was removed,
// and keeps it so until the unit of work ends: who pauses or removes it locks its
// row first. NotFound when the merchant has none of that id.
func (t *Tx) HoldConnection(ctx context.Context, id domain.ConnectionID) (active, removed bool, err error) {
	err = t.q.QueryRowxContext(ctx, `select active, removed_at is not null from connections where merchant_id = $1 and id = $2 for key share`, t.m, id).Scan(&active, &removed)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, domain.Errorf(domain.NotFound, "There is no connection with that id.")
	}
	return active, removed, dbError("hold connection", err)
}

// PutSecret stores a sealed credential in the slot in use, replacing an earlier
// one. last4 is what pages may show of it.
func (t *Tx) PutSecret(ctx context.Context, id domain.ConnectionID, field string, sealed []byte, last4 string, at time.Time) error {
	return t.PutSecretIn(ctx, SlotCurrent, id, field, sealed, last4, at)
}

// Secrets reads a connection's sealed credentials in use by field.
func (t *Tx) Secrets(ctx context.Context, id domain.ConnectionID) (map[string][]byte, error) {
	rows, err := t.q.QueryContext(ctx, `select field, sealed from connection_secrets where merchant_id = $1 and connection_id = $2 and slot = $3`, t.m, id, SlotCurrent)
	if err != nil {
		return nil, dbError("secrets", err)
	}
	defer rows.Close()
	out := map[string][]byte{}
	for rows.Next() {
		var field string
		var sealed []byte
		if err := rows.Scan(&field, &sealed); err != nil {
			return nil, dbError("secrets", err)
		}
		out[field] = sealed
	}
	return out, dbError("secrets", rows.Err())
}

// Merchant reads the merchant of this unit of work.
func (t *Tx) MerchantRow(ctx context.Context) (domain.Merchant, error) {
	m := domain.Merchant{}
	var currencies pq.StringArray
	err := t.q.QueryRowxContext(ctx, `select id, name, place, address, time_zone, mode, currencies, created_at from merchants where id = $1`, t.m).
		Scan(&m.ID, &m.Name, &m.Place, &m.Address, &m.TimeZone, &m.Mode, &currencies, &m.CreatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return m, domain.Errorf(domain.NotFound, "There is no such merchant.")
	}
	if err != nil {
		return m, dbError("get merchant", err)
	}
	m.Currencies, err = parseCurrencies(currencies)
	return m, err
}

// MoveConnection changes where a connection's provider is reached: the demo
// does it when its emulators come up on another port.
func (t *Tx) MoveConnection(ctx context.Context, id domain.ConnectionID, baseURL string, settings map[string]string) error {
	raw, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("store: settings: %w", err)
	}
	_, err = t.q.ExecContext(ctx, `update connections set base_url = $3, settings = $4 where merchant_id = $1 and id = $2`, t.m, id, baseURL, string(raw))
	return dbError("move connection", err)
}

// DemoState says what a database is to the demo.
type DemoState string

// The states: nobody's yet, the demo's, somebody's.
const (
	DemoEmpty   DemoState = "empty"
	DemoMade    DemoState = "demo"
	DemoForeign DemoState = "foreign"
)

// demoKind marks the demo's merchants in the directory. Their accounts are
// published, so a real server refuses a database that has the mark.
const demoKind = "demo"

// DemoState tells whose database this is.
func (s *Store) DemoState(ctx context.Context) (DemoState, error) {
	var merchants, marked bool
	err := s.db.QueryRowContext(ctx, `select exists (select 1 from merchants), exists (select 1 from directory where kind = $1)`, demoKind).Scan(&merchants, &marked)
	switch {
	case err != nil:
		return "", dbError("demo state", err)
	case marked:
		return DemoMade, nil
	case merchants:
		return DemoForeign, nil
	}
	return DemoEmpty, nil
}

// DemoStateBefore tells whose database this is before anything is migrated: a
// database with tables that the demo did not make is somebody's, even while it
// has no merchant yet.
func DemoStateBefore(ctx context.Context, ownerURL string) (DemoState, error) {
	db, err := openPool(ownerURL, 1)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var tables int
	var ours bool
	err = db.QueryRowContext(ctx, `select (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'),
		to_regclass('public.directory') is not null`).Scan(&tables, &ours)
	if err != nil {
		return "", dbError("demo state", err)
	}
	if tables == 0 {
		return DemoEmpty, nil
	}
	marked := false
	if ours {
		if err := db.QueryRowContext(ctx, `select exists (select 1 from directory where kind = $1)`, demoKind).Scan(&marked); err != nil {
			return "", dbError("demo state", err)
		}
	}
	if marked {
		return DemoMade, nil
	}
	return DemoForeign, nil
}

// MarkDemo marks the merchant of this unit of work as the demo's.
func (t *Tx) MarkDemo(ctx context.Context) error {
	_, err := t.q.ExecContext(ctx, `insert into directory (kind, key_hash, merchant_id) values ($1, sha256($2::text::bytea), $2::uuid) on conflict do nothing`, demoKind, t.m.String())
	return dbError("mark demo", err)
}

// DemoMerchants lists the demo's merchants.
func (s *Store) DemoMerchants(ctx context.Context) ([]domain.MerchantID, error) {
	rows, err := s.db.QueryContext(ctx, `select merchant_id from directory where kind = $1 order by merchant_id`, demoKind)
	return collect("demo merchants", rows, err, func() (id domain.MerchantID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// Ledger lists a connection's approved transactions that the provider gave an
// id, oldest first: what the demo's emulators must know of after a restart.
func (t *Tx) Ledger(ctx context.Context, connection domain.ConnectionID) ([]domain.Transaction, error) {
	rows, err := t.q.QueryContext(ctx, `select `+transactionColumns+` from transactions t where t.merchant_id = $1 and t.connection_id = $2
		and t.status = 'approved' and t.provider_ref is not null order by t.created_at, t.id`, t.m, connection)
	seen := currencyCache{}
	return collect("ledger", rows, err, func() (domain.Transaction, error) { return scanTransaction(rows, t.m, seen) })
}
