package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// UsedKey says what a form's key was used for, and by whom; NotFound when it was
// not used.
func (t *Tx) UsedKey(ctx context.Context, key string) (KeyClaim, domain.UserID, error) {
	var c KeyClaim
	var by domain.UserID
	err := t.q.QueryRowxContext(ctx, `select k.payment_id, k.transaction_id, coalesce(x.created_by, '00000000-0000-0000-0000-000000000000')
		from idempotency_keys k join transactions x on x.merchant_id = k.merchant_id and x.id = k.transaction_id
		where k.merchant_id = $1 and k.key = $2`, t.m, key).Scan(&c.PaymentID, &c.TransactionID, &by)
	if errors.Is(err, sql.ErrNoRows) {
		return c, by, domain.Errorf(domain.NotFound, "That key was not used.")
	}
	return c, by, dbError("used key", err)
}

// alikeLimit bounds what Alike reads: more payments of one amount and reference
// in a few minutes than this are all somebody's doubt.
const alikeLimit = 50

// Alike lists the payments since a moment that took, hold or may still take the
// same amount for the same order reference, in whatever case it is written: the
// newest first. Which card paid is the caller's to compare.
func (t *Tx) Alike(ctx context.Context, amount money.Amount, orderReference string, since time.Time) ([]domain.Payment, error) {
	c := &conditions{}
	c.add("p.merchant_id = %s", t.m)
	c.add("p.currency = %s", amount.Currency().Code())
	c.add("p.amount_minor = %s", amount.Minor())
	c.add("lower(p.order_reference) = lower(%s)", orderReference)
	c.add("p.created_at >= %s", since)
	c.sql = append(c.sql, "p.kind in ('sale', 'preauth')", "p.status not in ('declined', 'not_charged', 'voided')")
	return t.selectPayments(ctx, c, "p.created_at desc, p.id desc", alikeLimit)
}

// NameLinkCancelled gives a link that ended unpaid the reason that a person here
// cancelled it, when its provider's own news of that came first and called it
// something else.
func (t *Tx) NameLinkCancelled(ctx context.Context, payment domain.PaymentID, id domain.TransactionID, at time.Time) error {
	if _, err := t.LockPayment(ctx, payment); err != nil {
		return err
	}
	if _, err := t.q.ExecContext(ctx, `update transactions set reason = $3 where merchant_id = $1 and id = $2 and status = 'failed' and reason in ($4, $5)`,
		t.m, id, domain.ReasonLinkCancelled, domain.ReasonCustomerCancelled, domain.ReasonLinkExpired); err != nil {
		return dbError("name cancelled", err)
	}
	return t.KeepBooks(ctx, payment, at)
}
