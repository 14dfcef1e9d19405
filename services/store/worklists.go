package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// placed cuts what was read for one page (one row more than its limit) and says
// what lies before and behind it.
func placed[T any](rows []T, limit int, after domain.Place, at func(T) domain.Place) (page []T, before, behind domain.Place) {
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	if after.Back {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	if len(rows) == 0 {
		return rows, domain.Place{}, domain.Place{}
	}
	if after.Back && more || !after.Back && !after.IsZero() {
		before = at(rows[0])
		before.Back = true
	}
	if after.Back || more {
		behind = at(rows[len(rows)-1])
	}
	return rows, before, behind
}

func pageLimit(limit, usual int) int {
	if limit <= 0 {
		limit = usual
	}
	return min(limit, domain.MaxPage)
}

// backwards turns an order round.
func backwards(order string) string { return strings.ReplaceAll(order, ",", " desc,") + " desc" }

// TipSales reads one page of a day's sales in the order of their receipts:
// everything but what certainly took nothing. It sends one statement.
func (t *Tx) TipSales(ctx context.Context, f domain.TipFilter) (ps []domain.Payment, before, behind domain.Place, err error) {
	limit := pageLimit(f.Limit, domain.MaxTips)
	c := &conditions{}
	c.add("p.merchant_id = %s", t.m)
	c.add("p.kind = 'sale' and p.status not in ('declined', 'not_charged', 'link_sent') and p.created_at >= %s and p.created_at < %s", f.From, f.To)
	anyOf(c, "p.connection_id", f.Connections, func(v domain.ConnectionID) string { return v.String() })
	if f.Device != "" {
		c.add(`exists (select 1 from transactions d where d.merchant_id = p.merchant_id and d.payment_id = p.id and d.type = 'sale' and d.device_ref = %s)`, f.Device)
	}
	order := "p.created_at, p.reference"
	if !f.After.IsZero() {
		// The receipt's own reference decides between two of one moment.
		sign := ">"
		if f.After.Back {
			sign = "<"
		}
		c.add("(p.created_at, p.reference) "+sign+" (%s, (select o.reference from payments o where o.merchant_id = %s and o.id = %s))", f.After.At, t.m, f.After.ID)
		if f.After.Back {
			order = backwards(order)
		}
	}
	if ps, err = t.selectPayments(ctx, c, order, limit+1); err != nil {
		return nil, before, behind, err
	}
	ps, before, behind = placed(ps, limit, f.After, func(p domain.Payment) domain.Place { return domain.Place{At: p.CreatedAt, ID: p.ID.UUID} })
	return ps, before, behind, nil
}

// SaleDevices lists the terminals that a time's sales were made on, at most 100.
func (t *Tx) SaleDevices(ctx context.Context, from, to time.Time) ([]string, error) {
	rows, err := t.q.QueryContext(ctx, `select distinct t.device_ref from transactions t where t.merchant_id = $1 and t.created_at >= $2 and t.created_at < $3
		and t.type = 'sale' and t.device_ref <> '' order by t.device_ref limit 100`, t.m, from, to)
	return collect("sale devices", rows, err, func() (s string, err error) {
		err = rows.Scan(&s)
		return s, err
	})
}

func paymentIDs(ids []domain.PaymentID) pq.StringArray {
	all := make(pq.StringArray, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}

// TransactionsOf lists the transactions of several payments, each payment's
// newest first, in one statement.
func (t *Tx) TransactionsOf(ctx context.Context, ids []domain.PaymentID) (map[domain.PaymentID][]domain.Transaction, error) {
	rows, err := t.q.QueryContext(ctx, `select `+transactionColumns+` from transactions t where t.merchant_id = $1 and t.payment_id = any($2::uuid[])
		order by t.payment_id, t.created_at desc, t.id desc`, t.m, paymentIDs(ids))
	seen := currencyCache{}
	all, err := collect("transactions of payments", rows, err, func() (domain.Transaction, error) { return scanTransaction(rows, t.m, seen) })
	out := make(map[domain.PaymentID][]domain.Transaction, len(ids))
	for _, x := range all {
		out[x.PaymentID] = append(out[x.PaymentID], x)
	}
	return out, err
}

// PaymentsOf reads several payments by their ids, in no order.
func (t *Tx) PaymentsOf(ctx context.Context, ids []domain.PaymentID) ([]domain.Payment, error) {
	c := &conditions{}
	c.add("p.merchant_id = %s", t.m)
	c.add("p.id = any(%s::uuid[])", paymentIDs(ids))
	return t.selectPayments(ctx, c, "p.id", len(ids))
}

// MarkBatchClosed notes that the batch of these payments was closed: no tip of
// them can be set and none can be voided from this commit on. Whoever closes
// batches calls it. It gives how many it marked; one that is marked stays as it
// is.
func (t *Tx) MarkBatchClosed(ctx context.Context, ids []domain.PaymentID, at time.Time) (int, error) {
	res, err := t.q.ExecContext(ctx, `update payments set batch_closed_at = $3, updated_at = $3 where merchant_id = $1 and id = any($2::uuid[]) and batch_closed_at is null`,
		t.m, paymentIDs(ids), at)
	if err != nil {
		return 0, dbError("mark batch closed", err)
	}
	n, err := res.RowsAffected()
	return int(n), dbError("mark batch closed", err)
}

// TipRow is one row of a press on the tip worksheet. Status is empty until its
// transaction exists.
type TipRow struct {
	PaymentID domain.PaymentID
	Tip       money.Amount
	Key       string
	Refused   string // why it was not sent
	Status    domain.TransactionStatus
	Reason    domain.Reason
	Text      string // the provider's words
	Code      string // and code
}

// Transaction is the row as far as it explains why its tip was not taken.
func (r TipRow) Transaction() domain.Transaction {
	return domain.Transaction{Type: domain.TipAdjustment, Status: r.Status, Amount: r.Tip, Reason: r.Reason, ProviderText: r.Text, ProviderCode: r.Code}
}

// SaveTipSheet writes what one press on the worksheet asks for, before anything
// is sent. The same sheet again adds rows, and rows that were refused stand open
// again. Another person's sheet is Duplicate.
func (t *Tx) SaveTipSheet(ctx context.Context, id string, by domain.Actor, rows []TipRow, at time.Time) error {
	var owner domain.UserID
	_, err := t.q.ExecContext(ctx, `insert into tip_sheets (merchant_id, id, created_by, created_by_name, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing`,
		t.m, id, by.UserID, by.Name, at)
	if err == nil {
		err = t.q.QueryRowxContext(ctx, `select created_by from tip_sheets where merchant_id = $1 and id = $2`, t.m, id).Scan(&owner)
	}
	if err != nil {
		return dbError("save tip sheet", err)
	}
	if owner != by.UserID {
		return domain.Errorf(domain.Duplicate, "This worksheet was sent by somebody else. Nothing was done. Open a new one.")
	}
	var ids, keys, currencies pq.StringArray
	var tips pq.Int64Array
	for _, r := range rows {
		ids, keys = append(ids, r.PaymentID.String()), append(keys, r.Key)
		currencies, tips = append(currencies, r.Tip.Currency().Code()), append(tips, r.Tip.Minor())
	}
	_, err = t.q.ExecContext(ctx, `insert into tip_sheet_rows (merchant_id, sheet_id, payment_id, currency, tip_minor, key)
		select $1, $2, r.id, r.currency, r.tip, r.key from unnest($3::uuid[], $4::text[], $5::bigint[], $6::text[]) as r (id, currency, tip, key)
		on conflict (merchant_id, sheet_id, payment_id) do update set currency = excluded.currency, tip_minor = excluded.tip_minor, key = excluded.key, refused = ''`,
		t.m, id, ids, currencies, tips, keys)
	return dbError("save tip rows", err)
}

// RefuseTips writes down why rows of a sheet were not sent.
func (t *Tx) RefuseTips(ctx context.Context, sheet string, why map[domain.PaymentID]string) error {
	var ids, words pq.StringArray
	for id, w := range why {
		ids, words = append(ids, id.String()), append(words, w)
	}
	_, err := t.q.ExecContext(ctx, `update tip_sheet_rows r set refused = w.words from unnest($3::uuid[], $4::text[]) as w (id, words)
		where r.merchant_id = $1 and r.sheet_id = $2 and r.payment_id = w.id`, t.m, sheet, ids, words)
	return dbError("refuse tips", err)
}

// TipSheet reads what became of a sheet's rows, in one statement. A sheet that
// is not there has none.
func (t *Tx) TipSheet(ctx context.Context, id string) (map[domain.PaymentID]TipRow, error) {
	rows, err := t.q.QueryContext(ctx, `select r.payment_id, r.currency, r.tip_minor, r.key, r.refused, coalesce(x.status, ''), coalesce(x.reason, ''), coalesce(x.provider_text, ''), coalesce(x.provider_code, '')
		from tip_sheet_rows r
		left join idempotency_keys k on k.merchant_id = r.merchant_id and k.key = r.key and k.payment_id = r.payment_id
		left join transactions x on x.merchant_id = r.merchant_id and x.id = k.transaction_id and x.type = 'tip_adjustment'
		where r.merchant_id = $1 and r.sheet_id = $2 limit 1000`, t.m, id)
	seen := currencyCache{}
	all, err := collect("tip sheet", rows, err, func() (TipRow, error) {
		var r TipRow
		var code string
		var minor int64
		if err := rows.Scan(&r.PaymentID, &code, &minor, &r.Key, &r.Refused, &r.Status, &r.Reason, &r.Text, &r.Code); err != nil {
			return r, err
		}
		cur, err := seen.get(code)
		r.Tip = money.FromMinor(minor, cur)
		return r, err
	})
	out := make(map[domain.PaymentID]TipRow, len(all))
	for _, r := range all {
		out[r.PaymentID] = r
	}
	return out, err
}

// lapses is the time by which holds are ordered, as their index has it.
const lapses = "coalesce(p.expires_at, 'infinity'::timestamptz)"

func holdConditions(m domain.MerchantID, f domain.HoldFilter) *conditions {
	c := &conditions{}
	c.add("p.merchant_id = %s", m)
	anyOf(c, "p.connection_id", f.Connections, func(v domain.ConnectionID) string { return v.String() })
	anyOf(c, "p.currency", f.Currencies, money.Currency.Code)
	if !f.Before.IsZero() {
		c.add(lapses+" < %s", f.Before)
	}
	return c
}

func (c *conditions) afterHold(p domain.Place) {
	sign := ">"
	if p.Back {
		sign = "<"
	}
	c.add("("+lapses+", p.id) "+sign+" (coalesce(%s::timestamptz, 'infinity'), %s)", nullTime(p.At), p.ID)
}

func holdPlace(p domain.Payment) domain.Place { return domain.Place{At: p.ExpiresAt, ID: p.ID.UUID} }

// ListHolds reads one page of open holds, the one that lapses first at the top;
// one of which that is not known comes last. It sends one statement.
func (t *Tx) ListHolds(ctx context.Context, f domain.HoldFilter) (ps []domain.Payment, before, behind domain.Place, err error) {
	limit := pageLimit(f.Limit, domain.DefaultPage)
	c := holdConditions(t.m, f)
	c.add("p.authorised_minor > 0")
	order := lapses + " asc, p.id asc"
	if !f.After.IsZero() {
		c.afterHold(f.After)
		if f.After.Back {
			order = lapses + " desc, p.id desc"
		}
	}
	if ps, err = t.selectPayments(ctx, c, order, limit+1); err != nil {
		return nil, before, behind, err
	}
	ps, before, behind = placed(ps, limit, f.After, holdPlace)
	return ps, before, behind, nil
}

// ExportHolds hands the filter's holds to yield in the order of the list, as
// ExportPayments does.
func (s *Store) ExportHolds(ctx context.Context, m domain.MerchantID, f domain.HoldFilter, yield func([]domain.Payment) error) error {
	select {
	case s.exportSlots <- struct{}{}:
		defer func() { <-s.exportSlots }()
	default:
		return domain.Errorf(domain.TooMany, "Other downloads are running. Try again in a minute.")
	}
	f.After = domain.Place{}
	for {
		var page []domain.Payment
		err := s.readOn(ctx, s.exports, m, func(t *Tx) (err error) {
			c := holdConditions(m, f)
			c.add("p.authorised_minor > 0")
			if !f.After.IsZero() {
				c.afterHold(f.After)
			}
			page, err = t.selectPayments(ctx, c, lapses+" asc, p.id asc", exportPage)
			return err
		})
		if err != nil {
			return err
		}
		if err := yield(page); err != nil || len(page) < exportPage {
			return err
		}
		f.After = holdPlace(page[len(page)-1])
	}
}

// HoldTotals adds up the filter's holds per currency, in one statement. What has
// lapsed by now and what has no outcome is counted apart.
func (t *Tx) HoldTotals(ctx context.Context, f domain.HoldFilter, now time.Time) ([]domain.HoldTotals, error) {
	c := holdConditions(t.m, f)
	c.add("p.kind = 'preauth' and (p.authorised_minor > 0 or p.status in ('processing', 'unknown', 'needs_person'))")
	c.args = append(c.args, now)
	rows, err := t.q.QueryContext(ctx, `select h.currency,
			count(*) filter (where not h.open and not h.lapsed), coalesce(sum(h.amount) filter (where not h.open and not h.lapsed), 0)::bigint,
			count(*) filter (where not h.open and h.lapsed), coalesce(sum(h.amount) filter (where not h.open and h.lapsed), 0)::bigint,
			count(*) filter (where h.open), coalesce(sum(h.amount) filter (where h.open), 0)::bigint
		from (select p.currency, p.status in ('processing', 'unknown', 'needs_person') as open, `+lapses+` <= `+mark(len(c.args))+` as lapsed,
				case when p.authorised_minor > 0 then p.authorised_minor else p.amount_minor end as amount
			from payments p where `+strings.Join(c.sql, " and ")+`) h group by h.currency order by h.currency`, c.args...)
	return collect("hold totals", rows, err, func() (domain.HoldTotals, error) {
		var h domain.HoldTotals
		var code string
		var held, lapsed, open int64
		if err := rows.Scan(&code, &h.Holds, &held, &h.Lapsed, &lapsed, &h.Open, &open); err != nil {
			return h, err
		}
		cur, err := money.ParseCurrency(code)
		h.Currency = cur
		h.Held, h.LapsedSum, h.OpenSum = money.FromMinor(held, cur), money.FromMinor(lapsed, cur), money.FromMinor(open, cur)
		return h, err
	})
}

// WriteHoldAlerts writes an alert for each hold that lapses within three days,
// and another within one, unless it is there: once per hold and kind, whenever
// and however often it is called. A hold that is seen first within its last day
// gets that alert alone; one that has lapsed gets none. It gives how many it
// wrote.
func (t *Tx) WriteHoldAlerts(ctx context.Context, now time.Time) (int, error) {
	res, err := t.q.ExecContext(ctx, `insert into alerts (merchant_id, id, kind, payment_id, due_at, created_at)
		select p.merchant_id, gen_random_uuid(), case when `+lapses+` <= $3 then $5 else $6 end, p.id, p.expires_at, $2
		from payments p where p.merchant_id = $1 and p.authorised_minor > 0 and `+lapses+` > $2 and `+lapses+` <= $4
		on conflict (merchant_id, payment_id, kind) do nothing`,
		t.m, now, now.Add(domain.HoldLastCall), now.Add(domain.HoldWarning), string(domain.HoldLapsesIn1Day), string(domain.HoldLapsesIn3Days))
	if err != nil {
		return 0, dbError("hold alerts", err)
	}
	n, err := res.RowsAffected()
	return int(n), dbError("hold alerts", err)
}

// Waiting is what waits for somebody, each counted up to a limit.
type Waiting struct {
	Holds   int // open ones that an unseen alert tells of
	Reviews int // payments that a risk check left
	Silent  int // terminals that an unseen alert tells of
}

// Waiting counts what the overview says waits for somebody. It sends one
// statement.
func (t *Tx) Waiting(ctx context.Context, now time.Time, limit int) (w Waiting, err error) {
	err = t.q.QueryRowxContext(ctx, `select
		(select count(*) from (select distinct a.payment_id from alerts a join payments p on p.merchant_id = a.merchant_id and p.id = a.payment_id
			where a.merchant_id = $1 and a.seen_at is null and a.due_at > $2 and p.authorised_minor > 0 limit $3) h),
		(select count(*) from (select 1 from payments p where p.merchant_id = $1 and p.review = 'waiting' limit $3) r),
		(select count(*) from (select 1 from alerts a where a.merchant_id = $1 and a.device_id is not null and a.seen_at is null limit $3) d)`, t.m, now, limit).Scan(&w.Holds, &w.Reviews, &w.Silent)
	return w, dbError("waiting", err)
}

// SeeAlerts notes that somebody has seen the alerts about payments that were
// written until now; what is about a terminal ends by itself.
// It gives how many.
func (t *Tx) SeeAlerts(ctx context.Context, by string, now time.Time) (int, error) {
	res, err := t.q.ExecContext(ctx, `update alerts set seen_at = $2, seen_by_name = $3 where merchant_id = $1 and seen_at is null and payment_id is not null and created_at <= $2`, t.m, now, by)
	if err != nil {
		return 0, dbError("see alerts", err)
	}
	n, err := res.RowsAffected()
	return int(n), dbError("see alerts", err)
}

// openStatuses are those of an operation without an end, as its index has them.
const openStatuses = "t.status in ('pending', 'processing', 'unknown', 'needs_person')"

func openPlace(x domain.Transaction) domain.Place {
	p := domain.Place{At: x.CreatedAt, ID: x.ID.UUID}
	if x.Status != domain.TxNeedsPerson {
		p.Rank = 1
	}
	return p
}

// ListOpen reads one page of the transactions without an outcome: what needs a
// person first, then the oldest. It sends one statement.
func (t *Tx) ListOpen(ctx context.Context, after domain.Place, limit int) (xs []domain.Transaction, before, behind domain.Place, err error) {
	limit = pageLimit(limit, domain.DefaultPage)
	c := &conditions{}
	c.add("t.merchant_id = %s", t.m)
	c.sql = append(c.sql, openStatuses)
	order := "(t.status <> 'needs_person'), t.created_at, t.id"
	if !after.IsZero() {
		sign := ">"
		if after.Back {
			sign, order = "<", backwards(order)
		}
		c.add("((t.status <> 'needs_person'), t.created_at, t.id) "+sign+" (%s, %s, %s)", after.Rank == 1, after.At, after.ID)
	}
	c.args = append(c.args, limit+1)
	rows, err := t.q.QueryContext(ctx, `select `+transactionColumns+` from transactions t where `+strings.Join(c.sql, " and ")+` order by `+order+` limit `+mark(len(c.args)), c.args...)
	seen := currencyCache{}
	if xs, err = collect("list open", rows, err, func() (domain.Transaction, error) { return scanTransaction(rows, t.m, seen) }); err != nil {
		return nil, before, behind, err
	}
	xs, before, behind = placed(xs, limit, after, openPlace)
	return xs, before, behind, nil
}

// CountOpen counts the transactions without an outcome by their status.
func (t *Tx) CountOpen(ctx context.Context) (map[domain.TransactionStatus]int, error) {
	rows, err := t.q.QueryContext(ctx, `select t.status, count(*) from transactions t where t.merchant_id = $1 and `+openStatuses+` group by t.status`, t.m)
	type count struct {
		status domain.TransactionStatus
		n      int
	}
	all, err := collect("count open", rows, err, func() (c count, err error) {
		err = rows.Scan(&c.status, &c.n)
		return c, err
	})
	out := map[domain.TransactionStatus]int{}
	for _, c := range all {
		out[c.status] = c.n
	}
	return out, err
}

// ListReviews reads one page of the payments whose risk check waits for a
// person, newest first. It sends one statement.
func (t *Tx) ListReviews(ctx context.Context, after domain.Place, limit int) (ps []domain.Payment, before, behind domain.Place, err error) {
	limit = pageLimit(limit, domain.DefaultPage)
	c := &conditions{}
	c.add("p.merchant_id = %s", t.m)
	c.sql = append(c.sql, "p.review = 'waiting'")
	order := "p.created_at desc, p.id desc"
	if !after.IsZero() {
		sign := "<"
		if after.Back {
			sign, order = ">", "p.created_at, p.id"
		}
		c.add("(p.created_at, p.id) "+sign+" (%s, %s)", after.At, after.ID)
	}
	if ps, err = t.selectPayments(ctx, c, order, limit+1); err != nil {
		return nil, before, behind, err
	}
	ps, before, behind = placed(ps, limit, after, func(p domain.Payment) domain.Place { return domain.Place{At: p.CreatedAt, ID: p.ID.UUID} })
	return ps, before, behind, nil
}

// ClearReview notes who kept a payment that the risk check wanted looked at, and
// why. changed is false when it does not wait any more.
func (t *Tx) ClearReview(ctx context.Context, id domain.PaymentID, by, note string, at time.Time) (changed bool, err error) {
	var was string
	err = t.q.QueryRowxContext(ctx, `update payments set review = 'cleared', reviewed_by_name = $3, reviewed_at = $4, review_note = $5, updated_at = $4
		where merchant_id = $1 and id = $2 and review = 'waiting' returning review`, t.m, id, by, at, note).Scan(&was)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, dbError("clear review", err)
	}
	return true, t.Notify(ctx, "payment", id.String())
}

// mark is the n-th parameter of a statement.
func mark(n int) string { return "$" + strconv.Itoa(n) }
