package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// conditions collects the WHERE clause of a list. Texts come from this file
// alone; what people type is always a parameter.
type conditions struct {
	sql  []string
	args []any
}

func (c *conditions) add(format string, args ...any) {
	marks := make([]any, len(args))
	for i, a := range args {
		c.args = append(c.args, a)
		marks[i] = fmt.Sprintf("$%d", len(c.args))
	}
	c.sql = append(c.sql, fmt.Sprintf(format, marks...))
}

func paymentConditions(m domain.MerchantID, f domain.PaymentFilter) *conditions {
	c := &conditions{}
	c.add("p.merchant_id = %s", m)
	anyOf(c, "p.status", f.Statuses, func(v domain.PaymentStatus) string { return string(v) })
	anyOf(c, "p.method", f.Methods, func(v domain.Method) string { return string(v) })
	anyOf(c, "p.connection_id", f.Connections, func(v domain.ConnectionID) string { return v.String() })
	anyOf(c, "p.currency", f.Currencies, money.Currency.Code)
	if !f.Device.IsZero() {
		c.add("exists (select 1 from transactions x where x.merchant_id = %s and x.device_id = %s and x.payment_id = p.id)", m, f.Device)
	}
	if f.Type == domain.Refund {
		c.add("(p.refunded_minor > 0 or p.held_minor > 0)")
	}
	if f.MinMinor > 0 {
		c.add("p.amount_minor >= %s", f.MinMinor)
	}
	if f.MaxMinor > 0 {
		c.add("p.amount_minor <= %s", f.MaxMinor)
	}
	if !f.From.IsZero() {
		c.add("p.created_at >= %s", f.From)
	}
	if !f.To.IsZero() {
		c.add("p.created_at < %s", f.To)
	}
	if q := strings.TrimSpace(f.Query); q != "" {
		any := &conditions{args: c.args}
		if ref, ok := domain.CanonicalReference(q); ok {
			any.add("p.reference = %s", ref)
		}
		if len(q) == 4 && strings.Trim(q, "0123456789") == "" {
			any.add("p.card_last4 = %s", q)
		}
		for _, a := range f.QueryAmounts {
			any.add("(p.amount_minor = %s and p.currency = %s)", a.Minor(), a.Currency().Code())
		}
		any.add("lower(p.order_reference) like %s", likePrefix(q))
		c.args = any.args
		c.sql = append(c.sql, "("+strings.Join(any.sql, " or ")+")")
	}
	return c
}

// anyOf adds "one of these". A single value is compared with =, which is what
// lets the index give the list's order as well.
func anyOf[v any](c *conditions, column string, values []v, text func(v) string) {
	switch len(values) {
	case 0:
	case 1:
		c.add(column+" = %s", text(values[0]))
	default:
		all := pq.StringArray{}
		for _, one := range values {
			all = append(all, text(one))
		}
		kind := "text[]"
		if column == "p.connection_id" {
			kind = "uuid[]"
		}
		c.add(column+" = any(%s::"+kind+")", all)
	}
}

// likePrefix is the pattern for "begins with q", with the wildcards that people
// type taken literally.
func likePrefix(q string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q)) + "%"
}

// ListPayments reads one page, newest first, by keyset: its cost does not grow
// with the number of rows before it. It sends one statement.
func (t *Tx) ListPayments(ctx context.Context, f domain.PaymentFilter) (domain.PaymentPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = domain.DefaultPage
	}
	limit = min(limit, domain.MaxPage)
	c := paymentConditions(t.m, f)
	newer := f.After.Newer
	order := "p.created_at desc, p.id desc"
	if !f.After.IsZero() {
		if newer {
			c.add("(p.created_at, p.id) > (%s, %s)", f.After.At, f.After.ID)
			order = "p.created_at, p.id"
		} else {
			c.add("(p.created_at, p.id) < (%s, %s)", f.After.At, f.After.ID)
		}
	}
	ps, err := t.selectPayments(ctx, c, order, limit+1)
	if err != nil {
		return domain.PaymentPage{}, err
	}
	more := len(ps) > limit
	if more {
		ps = ps[:limit]
	}
	if newer {
		for i, j := 0, len(ps)-1; i < j; i, j = i+1, j-1 {
			ps[i], ps[j] = ps[j], ps[i]
		}
	}
	page := domain.PaymentPage{Payments: ps}
	if len(ps) == 0 {
		return page, nil
	}
	first, last := ps[0], ps[len(ps)-1]
	if newer && more || !newer && !f.After.IsZero() {
		page.Newer = domain.Cursor{At: first.CreatedAt, ID: first.ID.UUID, Newer: true}
	}
	if !newer && more || newer {
		page.Older = domain.Cursor{At: last.CreatedAt, ID: last.ID.UUID}
	}
	return page, nil
}

func (t *Tx) selectPayments(ctx context.Context, c *conditions, order string, limit int) ([]domain.Payment, error) {
	rows, err := t.q.QueryContext(ctx, `select `+paymentColumns+` from payments p where `+strings.Join(c.sql, " and ")+
		` order by `+order+fmt.Sprintf(` limit %d`, limit), c.args...)
	if err != nil {
		return nil, dbError("list payments", err)
	}
	defer rows.Close()
	out := make([]domain.Payment, 0, min(limit, 256))
	seen := currencyCache{}
	for rows.Next() {
		p, err := scanPayment(rows, t.m, seen)
		if err != nil {
			return nil, dbError("list payments", err)
		}
		out = append(out, p)
	}
	return out, dbError("list payments", rows.Err())
}

// exportPage is how many rows an export reads in one short transaction.
const exportPage = 5000

// ExportPayments hands the filter's payments to yield, newest first, in keyset
// pages of 5,000, each in its own short read-only transaction on a pool of its
// own. One export too many is TooMany. An error of yield stops it.
func (s *Store) ExportPayments(ctx context.Context, m domain.MerchantID, f domain.PaymentFilter, yield func([]domain.Payment) error) error {
	select {
	case s.exportSlots <- struct{}{}:
		defer func() { <-s.exportSlots }()
	default:
		return domain.Errorf(domain.TooMany, "Other downloads are running. Try again in a minute.")
	}
	f.After = domain.Cursor{}
	for {
		var page []domain.Payment
		err := s.readOn(ctx, s.exports, m, func(t *Tx) error {
			c := paymentConditions(m, f)
			if !f.After.IsZero() {
				c.add("(p.created_at, p.id) < (%s, %s)", f.After.At, f.After.ID)
			}
			var err error
			page, err = t.selectPayments(ctx, c, "p.created_at desc, p.id desc", exportPage)
			return err
		})
		if err != nil {
			return err
		}
		if err := yield(page); err != nil {
			return err
		}
		if len(page) < exportPage {
			return nil
		}
		last := page[len(page)-1]
		f.After = domain.Cursor{At: last.CreatedAt, ID: last.ID.UUID}
	}
}

// Totals adds up the transactions created in [from, to) per currency, in one
// statement.
func (t *Tx) Totals(ctx context.Context, from, to time.Time) ([]domain.DayTotals, error) {
	rows, err := t.q.QueryContext(ctx, `select t.currency,
			count(*) filter (where t.type in ('sale', 'capture') and t.status = 'approved'),
			coalesce(sum(t.amount_minor) filter (where t.type in ('sale', 'capture') and t.status = 'approved'), 0)::bigint,
			count(*) filter (where t.type = 'refund' and t.status = 'approved'),
			coalesce(sum(t.amount_minor) filter (where t.type = 'refund' and t.status = 'approved'), 0)::bigint,
			count(*) filter (where t.status = 'approved' and (t.type in ('adjustment', 'chargeback', 'chargeback_reversal') or t.type = 'void' and o.type in ('sale', 'capture', 'refund'))),
			coalesce(sum(case when t.type = 'chargeback' or t.type = 'void' and o.type in ('sale', 'capture') or t.type = 'adjustment' and o.type = 'refund' then -t.amount_minor
				when t.type in ('adjustment', 'chargeback_reversal') or t.type = 'void' and o.type = 'refund' then t.amount_minor end) filter (where t.status = 'approved'), 0)::bigint,
			count(*) filter (where t.type in ('sale', 'preauth') and t.status in ('declined', 'failed')),
			count(*) filter (where t.type = 'sale' and t.status in ('pending', 'processing', 'unknown', 'needs_person')),
			coalesce(sum(t.amount_minor) filter (where t.type = 'sale' and t.status in ('pending', 'processing', 'unknown', 'needs_person')), 0)::bigint,
			count(*) filter (where t.type = 'refund' and t.status in ('pending', 'processing', 'unknown', 'needs_person')),
			coalesce(sum(t.amount_minor) filter (where t.type = 'refund' and t.status in ('pending', 'processing', 'unknown', 'needs_person')), 0)::bigint,
			count(*) filter (where t.type = 'payout' and t.status = 'approved'),
			coalesce(sum(t.amount_minor) filter (where t.type = 'payout' and t.status = 'approved'), 0)::bigint,
			count(*) filter (where t.type = 'payout' and t.status in ('pending', 'processing', 'unknown', 'needs_person')),
			coalesce(sum(t.amount_minor) filter (where t.type = 'payout' and t.status in ('pending', 'processing', 'unknown', 'needs_person')), 0)::bigint
		from transactions t left join transactions o on t.original_ref <> '' and t.type in ('void', 'adjustment') and o.merchant_id = t.merchant_id
			and o.connection_id = t.connection_id and o.provider_ref = t.original_ref and (t.type = 'adjustment' or o.status = 'approved')
		where t.merchant_id = $1 and t.created_at >= $2 and t.created_at < $3 group by t.currency order by t.currency`, t.m, from, to)
	if err != nil {
		return nil, dbError("totals", err)
	}
	defer rows.Close()
	var out []domain.DayTotals
	for rows.Next() {
		var d domain.DayTotals
		var code string
		var taken, refunded, otherwise, openSale, openRefund, paidOut, openPayout int64
		if err := rows.Scan(&code, &d.Sales, &taken, &d.Refunds, &refunded, &d.Others, &otherwise, &d.Declined, &d.OpenSales, &openSale, &d.OpenRefunds, &openRefund,
			&d.Payouts, &paidOut, &d.OpenPayouts, &openPayout); err != nil {
			return nil, dbError("totals", err)
		}
		if d.Currency, err = money.ParseCurrency(code); err != nil {
			return nil, dbError("totals", err)
		}
		d.Taken, d.Refunded = money.FromMinor(taken, d.Currency), money.FromMinor(refunded, d.Currency)
		d.Otherwise = money.FromMinor(otherwise, d.Currency)
		d.OpenSale, d.OpenRefund = money.FromMinor(openSale, d.Currency), money.FromMinor(openRefund, d.Currency)
		d.PaidOut, d.OpenPayout = money.FromMinor(paidOut, d.Currency), money.FromMinor(openPayout, d.Currency)
		out = append(out, d)
	}
	return out, dbError("totals", rows.Err())
}

// CountUncertain counts payments whose outcome is unknown or needs a person, at
// most limit of them: the navigation's counter never costs more than that.
func (t *Tx) CountUncertain(ctx context.Context, limit int) (int, error) {
	var n int
	err := t.q.QueryRowxContext(ctx, `select count(*) from (select 1 from payments p where p.merchant_id = $1
		and p.status in ('unknown', 'needs_person') limit $2) few`, t.m, limit).Scan(&n)
	return n, dbError("count uncertain", err)
}

// MerchantIDs lists every merchant after the given one, for sweeps that walk
// the merchants one tenant transaction at a time.
func (s *Store) MerchantIDs(ctx context.Context, after domain.MerchantID, limit int) ([]domain.MerchantID, error) {
	rows, err := s.db.QueryContext(ctx, `select id from merchants where id > $1 order by id limit $2`, uuid.UUID(after.UUID), limit)
	return collect("list merchants", rows, err, func() (id domain.MerchantID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// InsertMerchant adds a tenant in a unit of work of its own.
func (s *Store) InsertMerchant(ctx context.Context, m domain.Merchant) error {
	return s.InTenant(ctx, m.ID, func(tx *Tx) error { return tx.InsertMerchant(ctx, m) })
}
