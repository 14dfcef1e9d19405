package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

// Slot says which set of a connection's credentials one belongs to.
type Slot string

// The slots. A rotation puts the new set in SlotNext, beside the one in use;
// switching moves each one on, and SlotPrevious still proves callbacks until it
// is retired.
const (
	SlotCurrent  Slot = "current"
	SlotNext     Slot = "next"
	SlotPrevious Slot = "previous"
)

// ConnectionState is a connection with what only its own pages show.
type ConnectionState struct {
	domain.Connection
	// TestedAt is when it was last tested; zero: never.
	TestedAt              time.Time
	TestOK                bool
	TestSaid, TestMeaning string
	// NextConfirmedAt is when the credentials in SlotNext were confirmed; zero:
	// they were not.
	NextConfirmedAt time.Time
	// Quarantined counts its callbacks that nobody could apply, up to
	// QuarantinedCap.
	Quarantined int
}

// QuarantinedCap bounds the count of quarantined callbacks.
const QuarantinedCap = 100

const stateColumns = connectionColumns + `, tested_at, test_ok, test_said, test_meaning, next_confirmed_at,
	(select count(*) from (select 1 from callbacks k where k.merchant_id = connections.merchant_id and k.connection_id = connections.id
		and k.status = 'quarantined' limit 100) quarantined)`

func (t *Tx) scanState(row interface{ Scan(...any) error }) (ConnectionState, error) {
	var s ConnectionState
	var tested, confirmed sql.NullTime
	var err error
	s.Connection, err = t.scanConnection(row, &tested, &s.TestOK, &s.TestSaid, &s.TestMeaning, &confirmed, &s.Quarantined)
	s.TestedAt, s.NextConfirmedAt = tested.Time, confirmed.Time
	return s, err
}

// ConnectionStates lists the merchant's connections that were not removed,
// oldest first.
func (t *Tx) ConnectionStates(ctx context.Context) ([]ConnectionState, error) {
	rows, err := t.q.QueryContext(ctx, `select `+stateColumns+` from connections where merchant_id = $1 and removed_at is null order by created_at, id`, t.m)
	return collect("list connections", rows, err, func() (ConnectionState, error) { return t.scanState(rows) })
}

// ConnectionState reads one connection, a removed one too; NotFound when the
// merchant has none of that id.
func (t *Tx) ConnectionState(ctx context.Context, id domain.ConnectionID) (ConnectionState, error) {
	return t.connectionState(ctx, id, "")
}

// LockConnection is ConnectionState with the row held until the end of this unit
// of work: one change of a connection at a time, and no payment begins on it
// meanwhile, since a payment's row refers to the connection's.
func (t *Tx) LockConnection(ctx context.Context, id domain.ConnectionID) (ConnectionState, error) {
	return t.connectionState(ctx, id, " for update")
}

func (t *Tx) connectionState(ctx context.Context, id domain.ConnectionID, lock string) (ConnectionState, error) {
	s, err := t.scanState(t.q.QueryRowxContext(ctx, `select `+stateColumns+` from connections where merchant_id = $1 and id = $2`+lock, t.m, id))
	if errors.Is(err, sql.ErrNoRows) {
		return s, domain.Errorf(domain.NotFound, "There is no connection with that id.")
	}
	return s, dbError("get connection", err)
}

// SecretRow is one sealed credential with what pages may show of it.
type SecretRow struct {
	ConnectionID domain.ConnectionID
	Slot         Slot
	Field        string
	Sealed       []byte
	Last4        string
	SetAt        time.Time
}

const secretColumns = `connection_id, slot, field, sealed, last4, set_at`

func scanSecret(rows *sql.Rows) (r SecretRow, err error) {
	err = rows.Scan(&r.ConnectionID, &r.Slot, &r.Field, &r.Sealed, &r.Last4, &r.SetAt)
	return r, err
}

// SecretRows reads a connection's sealed credentials of all slots.
func (t *Tx) SecretRows(ctx context.Context, id domain.ConnectionID) ([]SecretRow, error) {
	rows, err := t.q.QueryContext(ctx, `select `+secretColumns+` from connection_secrets where merchant_id = $1 and connection_id = $2 order by slot, field`, t.m, id)
	return collect("secrets", rows, err, func() (SecretRow, error) { return scanSecret(rows) })
}

// AllSecretRows is SecretRows of every connection of the merchant.
func (t *Tx) AllSecretRows(ctx context.Context) ([]SecretRow, error) {
	rows, err := t.q.QueryContext(ctx, `select `+secretColumns+` from connection_secrets where merchant_id = $1 order by connection_id, slot, field`, t.m)
	return collect("secrets", rows, err, func() (SecretRow, error) { return scanSecret(rows) })
}

// PutSecretIn stores a sealed credential in a slot, replacing an earlier one.
func (t *Tx) PutSecretIn(ctx context.Context, slot Slot, id domain.ConnectionID, field string, sealed []byte, last4 string, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `insert into connection_secrets (merchant_id, connection_id, slot, field, sealed, last4, set_at) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (merchant_id, connection_id, slot, field) do update set sealed = excluded.sealed, last4 = excluded.last4, set_at = excluded.set_at`,
		t.m, id, slot, field, sealed, last4, at)
	return dbError("put secret", err)
}

// DropSecrets forgets the credentials of one slot. Those of SlotNext take their
// confirmation with them.
func (t *Tx) DropSecrets(ctx context.Context, id domain.ConnectionID, slot Slot) error {
	if _, err := t.q.ExecContext(ctx, `delete from connection_secrets where merchant_id = $1 and connection_id = $2 and slot = $3`, t.m, id, slot); err != nil {
		return dbError("drop secrets", err)
	}
	if slot != SlotNext {
		return nil
	}
	return t.ConfirmNext(ctx, id, time.Time{})
}

// ConfirmNext records that the credentials in SlotNext were confirmed; the zero
// time takes that back.
func (t *Tx) ConfirmNext(ctx context.Context, id domain.ConnectionID, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `update connections set next_confirmed_at = $3 where merchant_id = $1 and id = $2`, t.m, id, sql.NullTime{Time: at, Valid: !at.IsZero()})
	return dbError("confirm secrets", err)
}

// SwitchSecrets moves every credential on by one slot: next becomes current,
// current becomes previous, and what was previous is forgotten.
func (t *Tx) SwitchSecrets(ctx context.Context, id domain.ConnectionID) error {
	if err := t.DropSecrets(ctx, id, SlotPrevious); err != nil {
		return err
	}
	for _, move := range [][2]Slot{{SlotCurrent, SlotPrevious}, {SlotNext, SlotCurrent}} {
		if _, err := t.q.ExecContext(ctx, `update connection_secrets set slot = $4 where merchant_id = $1 and connection_id = $2 and slot = $3`, t.m, id, move[0], move[1]); err != nil {
			return dbError("switch secrets", err)
		}
	}
	return t.ConfirmNext(ctx, id, time.Time{})
}

// SaveTest keeps the result of a connection's last test; the zero time forgets
// it.
func (t *Tx) SaveTest(ctx context.Context, id domain.ConnectionID, at time.Time, ok bool, said, meaning string) error {
	_, err := t.q.ExecContext(ctx, `update connections set tested_at = $3, test_ok = $4, test_said = $5, test_meaning = $6 where merchant_id = $1 and id = $2`,
		t.m, id, nullTime(at), ok, said, meaning)
	return dbError("save test", err)
}

// ChangeConnection gives a connection another name and other public values. Its
// address stays: credentials are sent there.
func (t *Tx) ChangeConnection(ctx context.Context, id domain.ConnectionID, name string, settings map[string]string) error {
	raw, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("store: settings: %w", err)
	}
	_, err = t.q.ExecContext(ctx, `update connections set name = $3, settings = $4 where merchant_id = $1 and id = $2`, t.m, id, name, string(raw))
	return dbError("change connection", err)
}

// SetConnectionActive pauses a connection or takes it into use again.
func (t *Tx) SetConnectionActive(ctx context.Context, id domain.ConnectionID, active bool) error {
	_, err := t.q.ExecContext(ctx, `update connections set active = $3 where merchant_id = $1 and id = $2`, t.m, id, active)
	return dbError("set connection active", err)
}

// CountOpenAt counts a connection's transactions whose outcome is still to
// come, those that need a person too.
func (t *Tx) CountOpenAt(ctx context.Context, id domain.ConnectionID) (int, error) {
	var n int
	err := t.q.QueryRowxContext(ctx, `select count(*) from transactions where merchant_id = $1 and connection_id = $2
		and status in ('pending', 'processing', 'unknown', 'needs_person')`, t.m, id).Scan(&n)
	return n, dbError("count open transactions", err)
}

// RemoveConnection takes a connection out of use for good: its credentials are
// deleted and callbacks no longer find it. The row stays for its payments.
func (t *Tx) RemoveConnection(ctx context.Context, id domain.ConnectionID, at time.Time) error {
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`update connections set active = false, removed_at = $3, next_confirmed_at = null where merchant_id = $1 and id = $2`, []any{t.m, id, at}},
		{`delete from connection_secrets where merchant_id = $1 and connection_id = $2`, []any{t.m, id}},
		{`delete from directory where kind = $1 and key_hash = sha256($2::text::bytea) and merchant_id = $3`, []any{connectionKind, id.String(), t.m}},
	} {
		if _, err := t.q.ExecContext(ctx, q.sql, q.args...); err != nil {
			return dbError("remove connection", err)
		}
	}
	return nil
}
