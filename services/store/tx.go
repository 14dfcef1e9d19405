package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
)

// querier is what both kinds of unit of work offer.
type querier interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

// Tx is one unit of work inside one merchant. Its methods are the only way to
// the tenant tables.
type Tx struct {
	q      querier
	sqltx  *sql.Tx // nil in a read
	m      domain.MerchantID
	store  *Store
	audits []AuditEntry
}

// Merchant is the tenant of this unit of work.
func (t *Tx) Merchant() domain.MerchantID { return t.m }

// The ends of a unit of work: one that is stuck must not hold a lock, or a
// connection of the pool, that every other merchant waits for. They are set in
// each transaction, so that they hold behind a pooler too.
const (
	lockTimeout      = "5s"
	statementTimeout = "15s"
	idleTimeout      = "15s"
)

// Settings reads the three time-outs as the server sees them in this unit of
// work, for the test that none of them is endless.
func (t *Tx) Settings(ctx context.Context, lock, statement, idle *string) error {
	err := t.q.QueryRowxContext(ctx, `select current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')`).
		Scan(lock, statement, idle)
	return dbError("settings", err)
}

// PlatformChain is the "merchant" of audit rows that belong to none: sign-in
// attempts for unknown people, and the operator's own commands.
var PlatformChain = domain.MerchantID{UUID: uuid.Nil}

// InTenant runs f in one read-write transaction with the merchant set, appends
// the audit rows that f asked for as the last statements, and commits. An error
// of f rolls everything back. Side effects that cannot be rolled back do not
// belong in f.
func (s *Store) InTenant(ctx context.Context, m domain.MerchantID, f func(*Tx) error) (err error) {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return dbError("begin", err)
	}
	defer func() {
		if p := recover(); p != nil {
			_ = tx.Rollback()
			panic(p)
		}
	}()
	t := &Tx{q: s.counted(tx), sqltx: tx.Tx, m: m, store: s}
	if _, err := t.q.ExecContext(ctx, `select set_config('app.merchant_id', $1, true), set_config('lock_timeout', '`+lockTimeout+`', true),
		set_config('statement_timeout', '`+statementTimeout+`', true), set_config('idle_in_transaction_session_timeout', '`+idleTimeout+`', true)`, m.String()); err != nil {
		_ = tx.Rollback()
		return dbError("set merchant", err)
	}
	if err := f(t); err != nil {
		_ = tx.Rollback()
		return err
	}
	for _, a := range t.audits {
		if err := t.appendAudit(ctx, a); err != nil {
			_ = tx.Rollback()
			return err
		}
	}
	// Whether a COMMIT without an answer took effect is not known; the caller
	// re-reads by its idempotency key, and the resolve job finds the row if it
	// is there.
	return dbError("commit", tx.Commit())
}

// ReadTenant runs f in one read-only transaction with the merchant set. BEGIN
// and the setting travel in one round trip, the merchant formatted from a typed
// UUID (the one exception of docs/adr/0005).
func (s *Store) ReadTenant(ctx context.Context, m domain.MerchantID, f func(*Tx) error) error {
	return s.readOn(ctx, s.db, m, f)
}

func (s *Store) readOn(ctx context.Context, db *sqlx.DB, m domain.MerchantID, f func(*Tx) error) (err error) {
	conn, err := db.Connx(ctx)
	if err != nil {
		return dbError("connect", err)
	}
	defer conn.Close()
	done := false
	// A connection that is not known to be outside a transaction must not go
	// back to the pool for the next user.
	defer func() {
		if done {
			return
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if _, rerr := conn.ExecContext(end, `rollback`); rerr != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
	}()
	begin := fmt.Sprintf(`begin read only; set local app.merchant_id = '%s'; set local lock_timeout = '%s'; set local statement_timeout = '%s'; set local idle_in_transaction_session_timeout = '%s'`,
		m.UUID.String(), lockTimeout, statementTimeout, idleTimeout)
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return dbError("begin read", err)
	}
	if err := f(&Tx{q: s.counted(conn), m: m, store: s}); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `commit`); err != nil {
		return dbError("end read", err)
	}
	done = true
	return nil
}

// CallbackQueue holds what needs the database alone, so that a provider that is
// slow to answer questions does not hold up what others tell.
const CallbackQueue = "callbacks"

// DeviceQueue holds what waits for terminals, so that a slow one never holds up
// the question about a payment.
const DeviceQueue = "devices"

// Enqueue inserts the job in this unit of work: it exists if and only if the
// commit does. It starts at the given time.
func (t *Tx) Enqueue(ctx context.Context, job river.JobArgs, at time.Time) error {
	queue := river.QueueDefault
	switch job.(type) {
	case args.HandleCallback:
		queue = CallbackQueue
	case args.SendDeviceCommand, args.FollowDeviceCommand, args.SyncDevices, args.CheckDevices:
		queue = DeviceQueue
	}
	_, err := t.store.jobs.InsertTx(ctx, t.sqltx, job, &river.InsertOpts{
		Queue:       queue,
		ScheduledAt: at,
		MaxAttempts: 1000,
		// One live job per set of arguments. A completed or discarded one does not
		// stand in the way of the sweep.
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}},
	})
	return dbError("enqueue", err)
}

// Notify tells the processes that listen that an object changed. Ids only: the
// browser fetches the row again, so the ordinary GET authorises.
func (t *Tx) Notify(ctx context.Context, object, id string) error {
	_, err := t.q.ExecContext(ctx, `select pg_notify('counterfoil', $1)`, t.m.String()+" "+object+" "+id)
	return dbError("notify", err)
}

// AuditEntry is one row of the audit chain before it has its number.
type AuditEntry struct {
	At         time.Time
	Actor      domain.Actor // the zero UserID is "system", or "anonymous" with Anonymous
	Anonymous  bool
	Action     string // "payment.sale.requested"
	ObjectType string
	ObjectID   string
	Result     string // "ok", "denied", "approved", "declined", "unknown" …
	Detail     map[string]any
}

// Audit writes the entry in this unit of work, at its end: the row and the
// event commit together or not at all.
func (t *Tx) Audit(a AuditEntry) { t.audits = append(t.audits, a) }

func (t *Tx) appendAudit(ctx context.Context, a AuditEntry) error {
	actor, name := a.Actor.UserID.String(), a.Actor.Name
	switch {
	case a.Anonymous:
		actor, name = "anonymous", "Not signed in"
	case a.Actor.UserID.IsZero():
		actor, name = "system", "Counterfoil"
	}
	behalf := ""
	if !a.Actor.OnBehalfOf.IsZero() {
		behalf = a.Actor.OnBehalfOf.String()
	}
	detail := a.Detail
	if detail == nil {
		detail = map[string]any{}
	}
	raw, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("store: audit detail: %w", err)
	}
	_, err = t.q.ExecContext(ctx, `select audit_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb)`,
		a.At.UTC(), actor, name, behalf, a.Action, a.ObjectType, a.ObjectID, a.Result, a.Actor.IP, a.Actor.RequestID, string(raw))
	return dbError("audit", err)
}

// counted lets tests see each statement that a unit of work sends.
func (s *Store) counted(q querier) querier {
	if s.onStatement == nil {
		return q
	}
	return &countingQuerier{q, s.onStatement}
}

// OnStatement calls f with each statement of every unit of work that starts
// from now on. It exists for the tests that hold a screen to a bounded number
// of statements; set it before the store is shared.
func (s *Store) OnStatement(f func(sql string)) { s.onStatement = f }

type countingQuerier struct {
	querier
	f func(string)
}

func (c *countingQuerier) QueryContext(ctx context.Context, q string, a ...any) (*sql.Rows, error) {
	c.f(q)
	return c.querier.QueryContext(ctx, q, a...)
}

func (c *countingQuerier) QueryxContext(ctx context.Context, q string, a ...any) (*sqlx.Rows, error) {
	c.f(q)
	return c.querier.QueryxContext(ctx, q, a...)
}

func (c *countingQuerier) QueryRowxContext(ctx context.Context, q string, a ...any) *sqlx.Row {
	c.f(q)
	return c.querier.QueryRowxContext(ctx, q, a...)
}

func (c *countingQuerier) ExecContext(ctx context.Context, q string, a ...any) (sql.Result, error) {
	c.f(q)
	return c.querier.ExecContext(ctx, q, a...)
}
