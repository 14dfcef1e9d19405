package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

const approvalColumns = `a.id, a.action, coalesce(a.payment_id, '00000000-0000-0000-0000-000000000000'), coalesce(p.reference, ''), a.payload, a.currency, a.amount_minor, a.status,
	a.requested_by, a.requested_by_name, a.requested_at, a.expires_at, a.note, coalesce(a.decided_by, '00000000-0000-0000-0000-000000000000'), a.decided_by_name, a.decided_at,
	a.decision_note, coalesce(a.transaction_id, '00000000-0000-0000-0000-000000000000')`

const approvalTables = ` from approvals a left join payments p on p.merchant_id = a.merchant_id and p.id = a.payment_id `

func scanApproval(row interface{ Scan(...any) error }, m domain.MerchantID, seen currencyCache) (domain.Approval, error) {
	a := domain.Approval{MerchantID: m}
	var code string
	var minor int64
	var decided sql.NullTime
	err := row.Scan(&a.ID, &a.Action, &a.PaymentID, &a.PaymentReference, &a.Payload, &code, &minor, &a.Status,
		&a.RequestedBy, &a.RequestedByName, &a.RequestedAt, &a.ExpiresAt, &a.Note, &a.DecidedBy, &a.DecidedByName, &decided, &a.DecisionNote, &a.TransactionID)
	if err != nil {
		return a, err
	}
	cur, err := seen.get(code)
	a.Amount, a.DecidedAt = money.FromMinor(minor, cur), decided.Time
	return a, err
}

// InsertApproval writes a request. fresh is false when the same person has
// written the same request under this id before; another one of that id is a
// Duplicate.
func (t *Tx) InsertApproval(ctx context.Context, a domain.Approval) (fresh bool, err error) {
	res, err := t.q.ExecContext(ctx, `insert into approvals (merchant_id, id, action, payment_id, payload, currency, amount_minor, requested_by, requested_by_name, requested_at, expires_at, note)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (merchant_id, id) do nothing`,
		t.m, a.ID, a.Action, uuidOrNull(a.PaymentID.UUID), string(a.Payload), a.Amount.Currency().Code(), a.Amount.Minor(), a.RequestedBy, a.RequestedByName, a.RequestedAt, a.ExpiresAt, a.Note)
	if err != nil {
		return false, dbError("insert approval", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return true, dbError("insert approval", err)
	}
	was, err := t.Approval(ctx, a.ID)
	if err != nil {
		return false, err
	}
	same, err := sameJSON(was.Payload, a.Payload)
	if err != nil {
		return false, err
	}
	if !same || was.RequestedBy != a.RequestedBy || was.Amount != a.Amount || was.Action != a.Action || was.PaymentID != a.PaymentID {
		return false, domain.Errorf(domain.Duplicate, "This form was already used for something else. Nothing more was done. Open a new form.")
	}
	return false, nil
}

// sameJSON compares two documents by content: jsonb keeps no spaces and no
// order.
func sameJSON(a, b []byte) (bool, error) {
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		return false, fmt.Errorf("store: payload of an approval: %w", err)
	}
	ra, errA := json.Marshal(x)
	rb, errB := json.Marshal(y)
	return bytes.Equal(ra, rb), errors.Join(errA, errB)
}

// Approval reads one request; NotFound when the merchant has none of that id.
func (t *Tx) Approval(ctx context.Context, id domain.ApprovalID) (domain.Approval, error) {
	return t.approval(ctx, id, "")
}

// LockApproval reads one request and holds its row until the unit of work ends.
func (t *Tx) LockApproval(ctx context.Context, id domain.ApprovalID) (domain.Approval, error) {
	return t.approval(ctx, id, " for update of a")
}

func (t *Tx) approval(ctx context.Context, id domain.ApprovalID, lock string) (domain.Approval, error) {
	a, err := scanApproval(t.q.QueryRowxContext(ctx, `select `+approvalColumns+approvalTables+`where a.merchant_id = $1 and a.id = $2`+lock, t.m, id), t.m, currencyCache{})
	if errors.Is(err, sql.ErrNoRows) {
		return a, domain.Errorf(domain.NotFound, "There is no request with that id.")
	}
	return a, dbError("get approval", err)
}

// WaitingFor finds a person's request for the same operation on a payment that
// still waits; the zero id when there is none.
func (t *Tx) WaitingFor(ctx context.Context, payment domain.PaymentID, action domain.TransactionType, user domain.UserID, now time.Time) (domain.ApprovalID, error) {
	var id domain.ApprovalID
	err := t.q.QueryRowxContext(ctx, `select id from approvals where merchant_id = $1 and payment_id = $2 and status = 'waiting' and action = $3 and requested_by = $4 and expires_at > $5
		order by requested_at limit 1`, t.m, payment, action, user, now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return id, nil
	}
	return id, dbError("waiting approval", err)
}

// WaitingOf lists the requests about a payment that wait, the oldest first, at
// most limit.
func (t *Tx) WaitingOf(ctx context.Context, payment domain.PaymentID, now time.Time, limit int) ([]domain.Approval, error) {
	rows, err := t.q.QueryContext(ctx, `select `+approvalColumns+approvalTables+`where a.merchant_id = $1 and a.payment_id = $2 and a.status = 'waiting' and a.expires_at > $3
		order by a.requested_at, a.id limit $4`, t.m, payment, now, limit)
	seen := currencyCache{}
	return collect("approvals of a payment", rows, err, func() (domain.Approval, error) { return scanApproval(rows, t.m, seen) })
}

// Decide ends a request that waits. changed is false when it did not wait any
// more: only one decision ever counts.
func (t *Tx) Decide(ctx context.Context, a domain.Approval) (changed bool, err error) {
	res, err := t.q.ExecContext(ctx, `update approvals set status = $3, decided_by = $4, decided_by_name = $5, decided_at = $6, decision_note = $7, transaction_id = $8
		where merchant_id = $1 and id = $2 and status = 'waiting'`,
		t.m, a.ID, a.Status, nullUser(a.DecidedBy), a.DecidedByName, a.DecidedAt, a.DecisionNote, uuidOrNull(a.TransactionID.UUID))
	if err != nil {
		return false, dbError("decide approval", err)
	}
	n, err := res.RowsAffected()
	return n == 1, dbError("decide approval", err)
}

// ApprovalPage is one page of requests.
type ApprovalPage struct {
	Approvals []domain.Approval
	Next      domain.Cursor // zero: there are no more
}

// WaitingApprovals reads one page of what waits, the oldest first, by keyset. A
// request whose time is over is among them until something marks it.
func (t *Tx) WaitingApprovals(ctx context.Context, after domain.Cursor, limit int) (ApprovalPage, error) {
	c := &conditions{}
	c.add("a.merchant_id = %s and a.status = 'waiting'", t.m)
	if !after.IsZero() {
		c.add("(a.requested_at, a.id) > (%s, %s)", after.At, after.ID)
	}
	return t.approvals(ctx, c, "a.requested_at, a.id", limit, func(a domain.Approval) time.Time { return a.RequestedAt })
}

// DecidedApprovals reads one page of what is over, the newest first, by keyset.
func (t *Tx) DecidedApprovals(ctx context.Context, after domain.Cursor, limit int) (ApprovalPage, error) {
	c := &conditions{}
	c.add("a.merchant_id = %s and a.status <> 'waiting'", t.m)
	if !after.IsZero() {
		c.add("(a.decided_at, a.id) < (%s, %s)", after.At, after.ID)
	}
	return t.approvals(ctx, c, "a.decided_at desc, a.id desc", limit, func(a domain.Approval) time.Time { return a.DecidedAt })
}

func (t *Tx) approvals(ctx context.Context, c *conditions, order string, limit int, at func(domain.Approval) time.Time) (ApprovalPage, error) {
	where := ""
	for i, s := range c.sql {
		if i > 0 {
			where += " and "
		}
		where += s
	}
	rows, err := t.q.QueryContext(ctx, `select `+approvalColumns+approvalTables+`where `+where+` order by `+order+fmt.Sprintf(` limit %d`, limit+1), c.args...)
	seen := currencyCache{}
	all, err := collect("list approvals", rows, err, func() (domain.Approval, error) { return scanApproval(rows, t.m, seen) })
	if err != nil {
		return ApprovalPage{}, err
	}
	page := ApprovalPage{Approvals: all}
	if len(all) > limit {
		page.Approvals = all[:limit]
		last := page.Approvals[limit-1]
		page.Next = domain.Cursor{At: at(last), ID: last.ID.UUID}
	}
	return page, nil
}

// OverdueApprovals lists requests whose time is over and that nothing marked
// yet.
func (t *Tx) OverdueApprovals(ctx context.Context, now time.Time, limit int) ([]domain.ApprovalID, error) {
	rows, err := t.q.QueryContext(ctx, `select id from approvals where merchant_id = $1 and status = 'waiting' and expires_at <= $2 order by requested_at, id limit $3`, t.m, now, limit)
	return collect("overdue approvals", rows, err, func() (id domain.ApprovalID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// CountWaiting counts, by operation, what waits for a person who did not ask for
// it; at most limit in all.
func (t *Tx) CountWaiting(ctx context.Context, user domain.UserID, now time.Time, limit int) (map[domain.TransactionType]int, error) {
	rows, err := t.q.QueryContext(ctx, `select action, count(*) from (
			select action from approvals where merchant_id = $1 and status = 'waiting' and expires_at > $2 and requested_by <> $3 limit $4) w group by action`, t.m, now, user, limit)
	if err != nil {
		return nil, dbError("count approvals", err)
	}
	defer rows.Close()
	out := map[domain.TransactionType]int{}
	for rows.Next() {
		var action domain.TransactionType
		var n int
		if err := rows.Scan(&action, &n); err != nil {
			return nil, dbError("count approvals", err)
		}
		out[action] = n
	}
	return out, dbError("count approvals", rows.Err())
}
