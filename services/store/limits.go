package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

const limitColumns = `l.id, l.role, coalesce(l.user_id, '00000000-0000-0000-0000-000000000000'), coalesce(u.name, ''), l.action, l.currency, l.per,
	l.step_up_minor, l.approval_minor, l.changed_at, l.changed_by_name`

func scanLimit(row interface{ Scan(...any) error }, seen currencyCache) (domain.Limit, error) {
	var l domain.Limit
	var code string
	var stepUp, approval sql.NullInt64
	err := row.Scan(&l.ID, &l.Role, &l.UserID, &l.UserName, &l.Action, &code, &l.Per, &stepUp, &approval, &l.ChangedAt, &l.ChangedByName)
	if err != nil {
		return l, err
	}
	l.StepUpAbove = domain.Threshold{Set: stepUp.Valid, Minor: stepUp.Int64}
	l.ApprovalAbove = domain.Threshold{Set: approval.Valid, Minor: approval.Int64}
	l.Currency, err = seen.get(code)
	return l, err
}

// MaxLimits bounds the rows of a merchant's table of limits.
const MaxLimits = 500

// Limits lists every limit: the roles' first, then people's own.
func (t *Tx) Limits(ctx context.Context) ([]domain.Limit, error) {
	rows, err := t.q.QueryContext(ctx, `select `+limitColumns+` from limits l left join users u on u.id = l.user_id where l.merchant_id = $1
		order by l.user_id is not null, u.name, l.role, l.action, l.currency, l.per desc, l.id limit $2`, t.m, MaxLimits)
	seen := currencyCache{}
	return collect("list limits", rows, err, func() (domain.Limit, error) { return scanLimit(rows, seen) })
}

// LimitsFor lists what can hold for one person's operation of a kind: their own
// rows and their role's, at most four.
func (t *Tx) LimitsFor(ctx context.Context, actor domain.Actor, action domain.TransactionType, c money.Currency) ([]domain.Limit, error) {
	rows, err := t.q.QueryContext(ctx, `select `+limitColumns+` from limits l left join users u on u.id = l.user_id
		where l.merchant_id = $1 and l.action = $2 and l.currency = $3 and (l.user_id = $4 or l.user_id is null and l.role = $5)`,
		t.m, action, c.Code(), actor.UserID, actor.Role)
	seen := currencyCache{}
	return collect("limits of a person", rows, err, func() (domain.Limit, error) { return scanLimit(rows, seen) })
}

// LockLimits makes changes of the limits come one after the other, so that each
// is judged by what it really changes.
func (t *Tx) LockLimits(ctx context.Context) error { return t.LockName(ctx, "limits") }

// PutLimit adds a limit, or changes the row of that id. Duplicate when another
// row is for the same person or role, operation, currency and period.
func (t *Tx) PutLimit(ctx context.Context, l domain.Limit, by domain.Actor) error {
	_, err := t.q.ExecContext(ctx, `insert into limits (merchant_id, id, role, user_id, action, currency, per, step_up_minor, approval_minor, changed_at, changed_by, changed_by_name)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (merchant_id, id) do update set step_up_minor = excluded.step_up_minor, approval_minor = excluded.approval_minor,
			changed_at = excluded.changed_at, changed_by = excluded.changed_by, changed_by_name = excluded.changed_by_name`,
		t.m, l.ID, l.Role, nullUser(l.UserID), l.Action, l.Currency.Code(), l.Per, nullThreshold(l.StepUpAbove), nullThreshold(l.ApprovalAbove), l.ChangedAt, by.UserID, by.Name)
	if isUnique(err, "limits_of_role") || isUnique(err, "limits_of_user") {
		return domain.Errorf(domain.Duplicate, "There is a limit for exactly this already. Change that one.")
	}
	return dbError("put limit", err)
}

func nullThreshold(t domain.Threshold) sql.NullInt64 {
	return sql.NullInt64{Int64: t.Minor, Valid: t.Set}
}

// DeleteLimit takes a limit away.
func (t *Tx) DeleteLimit(ctx context.Context, id domain.LimitID) error {
	_, err := t.q.ExecContext(ctx, `delete from limits where merchant_id = $1 and id = $2`, t.m, id)
	return dbError("delete limit", err)
}

// LockDay makes one person's operations of a kind on one day come one after the
// other, so that their sum is right however many are sent at once. It is taken
// after the payment's lock, and nothing but the audit chain after it.
func (t *Tx) LockDay(ctx context.Context, user domain.UserID, action domain.TransactionType, day time.Time) error {
	return t.LockName(ctx, "limit "+user.String()+" "+string(action)+" "+day.UTC().Format(time.RFC3339))
}

// SumOfDay is what a person did of a kind between two moments, in minor units:
// what is approved and what has no outcome yet. Of voids, only those of sales.
func (t *Tx) SumOfDay(ctx context.Context, user domain.UserID, action domain.TransactionType, c money.Currency, from, to time.Time) (money.Amount, error) {
	var sum int64
	err := t.q.QueryRowxContext(ctx, `select coalesce(sum(t.amount_minor), 0)::bigint from transactions t
		join payments p on p.merchant_id = t.merchant_id and p.id = t.payment_id
		where t.merchant_id = $1 and t.created_by = $2 and t.type in ('refund', 'void', 'payout') and t.type = $3 and t.created_at >= $5 and t.created_at < $6
			and t.currency = $4 and t.status not in ('declined', 'failed') and (t.type <> 'void' or p.kind = 'sale')`,
		t.m, user, action, c.Code(), from, to).Scan(&sum)
	return money.FromMinor(sum, c), dbError("sum of day", err)
}

// Member is somebody who works at this merchant.
type Member struct {
	ID   domain.UserID
	Name string
	Role domain.Role
}

// MaxMembers bounds the list of people.
const MaxMembers = 500

// Members lists the people who work at this merchant and can sign in, by name.
func (t *Tx) Members(ctx context.Context) ([]Member, error) {
	rows, err := t.q.QueryContext(ctx, `select u.id, u.name, s.role from memberships s join users u on u.id = s.user_id
		where s.merchant_id = $1 and u.disabled_at is null order by lower(u.name), u.id limit $2`, t.m, MaxMembers)
	return collect("list members", rows, err, func() (m Member, err error) {
		err = rows.Scan(&m.ID, &m.Name, &m.Role)
		return m, err
	})
}

// Member reads one of them; NotFound when nobody of that id works here and can
// sign in.
func (t *Tx) Member(ctx context.Context, id domain.UserID) (Member, error) {
	m := Member{ID: id}
	err := t.q.QueryRowxContext(ctx, `select u.name, s.role from memberships s join users u on u.id = s.user_id
		where s.merchant_id = $1 and s.user_id = $2 and u.disabled_at is null`, t.m, id).Scan(&m.Name, &m.Role)
	if errors.Is(err, sql.ErrNoRows) {
		return m, domain.Errorf(domain.NotFound, "Nobody of that id works here.")
	}
	return m, dbError("get member", err)
}

func uuidOrNull(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }
