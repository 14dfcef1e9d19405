package faults

import (
	"context"
	"database/sql"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// ours is a transaction as our books have it.
type ours struct {
	id, payment, typ, status, provider, attempt, currency string
	ref, original                                         string // the provider's
	minor, tip                                            int64
	final                                                 bool
	created                                               time.Time
}

// sums are what a payment's operations come to.
type sums struct{ captured, refunded, held, authorised int64 }

// check holds the books, the audit chain and both providers' ledgers against
// each other (SECURITY.md, I1 to I7). Every outcome must be known by now, or wait
// for a person. It computes everything anew and shares no code with the rules.
func (h *house) check(t testing.TB) {
	t.Helper()
	rows := h.rows(t)
	h.checkLedgers(t, rows)
	h.checkBooks(t, rows)
	h.checkForms(t)
	h.checkRows(t)
	for page, text := range h.broken.all() {
		t.Errorf("answered 500: %s: %.300s", page, text)
	}
}

func (h *house) rows(t testing.TB) []ours {
	t.Helper()
	found, err := h.owner.Query(`select t.id, t.payment_id, t.type, t.status, c.provider, t.attempt_ref, t.currency, coalesce(t.provider_ref, ''), t.original_ref, t.amount_minor,
			coalesce((to_jsonb(t) ->> 'tip_minor')::bigint, 0), coalesce((to_jsonb(t) ->> 'final')::boolean, false), t.created_at
		from transactions t join connections c on c.id = t.connection_id order by t.created_at, t.id`)
	must(t, err)
	defer func() { _ = found.Close() }()
	var out []ours
	for found.Next() {
		var r ours
		must(t, found.Scan(&r.id, &r.payment, &r.typ, &r.status, &r.provider, &r.attempt, &r.currency, &r.ref, &r.original, &r.minor, &r.tip, &r.final, &r.created))
		out = append(out, r)
	}
	must(t, found.Err())
	return out
}

// kinds are the ledgers' words for our types, where they are others.
var kinds = map[string]string{"reversal": "void", "tip": "tip_adjustment"}

// checkLedgers compares what each provider did with what we say it did: nothing
// is there that we know nothing of (I2), nothing was done twice (I1), and what we
// call approved took effect and nothing else did (I3). What the providers took
// and gave back is added up from their ledgers alone (I4).
func (h *house) checkLedgers(t testing.TB, rows []ours) {
	t.Helper()
	byAttempt := map[string]ours{}
	for _, r := range rows {
		byAttempt[r.provider+" "+r.attempt] = r
	}
	moved := map[string]bool{}
	theirs := map[string]*sums{}
	for name, control := range map[string]kit.Control{"handpoint": h.hp, "cardflo": h.cf} {
		state, err := control.State(context.Background())
		must(t, err)
		byID := map[string]ours{}
		voids := map[string]int{}
		tips := map[string]kit.Charge{}
		for _, c := range state.Charges {
			if c.Kind == "tip" && c.Reference == "" {
				tips[c.OriginalID] = c // the last one stands
			}
		}
		for _, c := range state.Charges {
			kind := strings.ToLower(c.Kind)
			if word, other := kinds[kind]; other {
				kind = word
			}
			if tip, tipped := tips[c.ID]; tipped {
				c.AmountMinor -= tip.AmountMinor // the ledger's sale is with its tip
			}
			if kind == "tip_adjustment" && c.Reference == "" {
				continue
			}
			r, known := byAttempt[name+" "+c.Reference]
			// A part that is voided of a hold is a decrease to us.
			// On a terminal a payout is a refund of nothing.
			same := kind == r.typ || kind == "void" && r.typ == "decrement" || kind == "refund" && r.typ == "payout"
			switch {
			case !known:
				t.Errorf("I2: %s has a %s of %d that we know nothing of: %s", name, c.Kind, c.AmountMinor, c.Reference)
				continue
			case !same:
				t.Errorf("I2: %s has a %s where we have a %s: %s", name, c.Kind, r.typ, r.id)
			case c.AmountMinor != r.minor && c.AmountMinor != 0 || c.Currency != "" && c.Currency != r.currency:
				t.Errorf("I2: %s has a %s of %d %s where we have one of %d %s: %s", name, c.Kind, c.AmountMinor, c.Currency, r.minor, r.currency, r.id)
			}
			if c.Approved != (r.status == "approved") {
				t.Errorf("I3: %s says %s of our %s %s, approved %t; we say %s", name, c.Status, r.typ, r.id, c.Approved, r.status)
			}
			if !c.Approved {
				continue
			}
			moved[name+" "+c.Reference] = true
			byID[c.ID] = r
			s := theirs[r.payment]
			if s == nil {
				s = &sums{}
				theirs[r.payment] = s
			}
			switch r.typ {
			case "sale", "capture":
				s.captured += r.minor
				if r.typ == "capture" {
					s.authorised -= r.minor
				}
			case "refund":
				s.refunded += r.minor
			case "preauth", "increment":
				s.authorised += r.minor
			case "decrement":
				s.authorised -= r.minor
			case "void":
				if voids[c.OriginalID]++; voids[c.OriginalID] > 1 {
					t.Errorf("I1: %s voided the same twice: %s", name, r.id)
				}
				// What was voided stands before its void in the ledger.
				if o := byID[c.OriginalID]; o.typ == "sale" || o.typ == "capture" {
					s.captured -= o.minor
				} else if o.typ == "refund" {
					s.refunded -= o.minor
				}
			}
		}
		for reference, n := range state.Approved {
			if n > 1 && reference != "" {
				t.Errorf("I1: %s moved money %d times for the attempt %s", name, n, reference)
			}
		}
		for original, c := range tips {
			o, known := byID[original]
			if !known {
				t.Errorf("I2: %s has a tip on something that we know nothing of: %s", name, original)
				continue
			}
			theirs[o.payment].captured += c.AmountMinor - o.tip
		}
	}
	for _, r := range rows {
		if r.status == "approved" && !moved[r.provider+" "+r.attempt] && !(r.typ == "tip_adjustment" && r.provider == "handpoint") {
			t.Errorf("I3: our %s %s is approved, %s did nothing", r.typ, r.id, r.provider)
		}
	}
	for payment, want := range h.payments(t) {
		got := sums{}
		if theirs[payment] != nil {
			got = *theirs[payment]
		}
		if got.captured != want.captured || got.refunded != want.refunded {
			t.Errorf("I3: the provider took %d and gave back %d of payment %s; our books say %d and %d", got.captured, got.refunded, payment, want.captured, want.refunded)
		}
		if got.refunded > got.captured {
			t.Errorf("I4: the provider gave back %d of the %d that it took: payment %s", got.refunded, got.captured, payment)
		}
		if got.authorised < 0 {
			t.Errorf("I4: the provider took %d more than was held: payment %s", -got.authorised, payment)
		}
	}
}

// payments are the totals as they stand beside each payment.
func (h *house) payments(t testing.TB) map[string]sums {
	t.Helper()
	found, err := h.owner.Query(`select id, captured_minor, refunded_minor, held_minor, coalesce((to_jsonb(p) ->> 'authorised_minor')::bigint, 0) from payments p`)
	must(t, err)
	defer func() { _ = found.Close() }()
	out := map[string]sums{}
	for found.Next() {
		var id string
		var s sums
		must(t, found.Scan(&id, &s.captured, &s.refunded, &s.held, &s.authorised))
		out[id] = s
	}
	must(t, found.Err())
	return out
}

// open says that an outcome is still to come.
func open(status string) bool {
	return !slices.Contains([]string{"approved", "declined", "failed"}, status)
}

// checkBooks adds up each payment's rows.
func (h *house) checkBooks(t testing.TB, rows []ours) {
	t.Helper()
	payments := map[string][]ours{}
	for _, r := range rows {
		payments[r.payment] = append(payments[r.payment], r)
	}
	for id, have := range h.payments(t) {
		want := sums{}
		var included, tip int64
		tipped, ended := false, false
		byRef := map[string]ours{}
		for _, r := range payments[id] {
			byRef[r.ref] = r
		}
		for _, r := range payments[id] { // the oldest first
			switch {
			case open(r.status) && r.typ == "refund":
				want.held += r.minor
			case r.status != "approved":
			case r.typ == "sale":
				want.captured += r.minor
				included += r.tip
			case r.typ == "capture":
				want.captured += r.minor
				want.authorised -= r.minor
				included += r.tip
				ended = ended || r.final
			case r.typ == "preauth", r.typ == "increment":
				want.authorised += r.minor
			case r.typ == "decrement":
				want.authorised -= r.minor
			case r.typ == "tip_adjustment":
				tip, tipped = r.minor, true
			case r.typ == "refund":
				want.refunded += r.minor
			case r.typ == "void":
				switch o := byRef[r.original]; o.typ {
				case "sale", "capture":
					want.captured -= o.minor
					included -= o.tip
				case "preauth":
					ended = true
				case "refund":
					want.refunded -= o.minor
				default:
					t.Errorf("the void %s follows up a %q", r.id, o.typ)
				}
			}
		}
		if tipped && want.captured > 0 {
			want.captured += tip - included
		}
		if ended {
			want.authorised = 0
		}
		if have != want {
			t.Errorf("the books of payment %s say %+v, its rows %+v", id, have, want)
		}
		if have.refunded+have.held > have.captured {
			t.Errorf("I4: more is refunded than captured: payment %s: %+v", id, have)
		}
	}
}

// checkForms holds what people were answered against what was done: each form
// made one transaction of its type, and there is no other.
func (h *house) checkForms(t testing.TB) {
	t.Helper()
	answered := h.answered.all()
	found, err := h.owner.Query(`
		select k.key, t.type from idempotency_keys k join transactions t on t.id = k.transaction_id and t.payment_id = k.payment_id
		union select 'deregister ' || t.payment_id, t.type from transactions t where t.type = 'deregister'`)
	must(t, err)
	defer func() { _ = found.Close() }()
	for found.Next() {
		var key, typ string
		must(t, found.Scan(&key, &typ))
		if answered[key] != typ {
			t.Errorf("I1: a %s came of a form for %q that was answered", typ, answered[key])
		}
		delete(answered, key)
	}
	must(t, found.Err())
	for key, typ := range answered {
		t.Errorf("I2: a form for a %s was answered and is not there: %s", typ, key)
	}
}

// rules are questions that have no row for an answer.
var rules = map[string]string{
	"I6: an outcome is open and waits for nobody": `select id from transactions where status not in ('approved', 'declined', 'failed', 'needs_person')`,
	"a payment's word is not that of what was done": `
		select p.id || ' ' || p.status from payments p left join transactions t on t.payment_id = p.id and t.type in ('sale', 'preauth', 'payout', 'register')
		where p.status is distinct from case
			when exists (select 1 from transactions w where w.payment_id = p.id and w.status = 'needs_person') then 'needs_person'
			when t.status = 'declined' then 'declined'
			when t.status = 'failed' then 'not_charged'
			when t.status = 'approved' and p.captured_minor = 0 and exists (select 1 from transactions v where v.payment_id = p.id and v.type = 'void' and v.status = 'approved') then 'voided'
			when t.status = 'approved' and t.type = 'preauth' and p.captured_minor = 0 then 'authorised'
			when t.status = 'approved' and p.refunded_minor = 0 and t.type = 'preauth' then 'captured'
			when t.status = 'approved' and p.refunded_minor = 0 then 'approved'
			when t.status = 'approved' and p.refunded_minor < p.captured_minor then 'part_refunded'
			when t.status = 'approved' then 'refunded' end`,
	"I1: a payment has no beginning, or two": `select p.id from payments p where 1 <> (select count(*) from transactions t where t.payment_id = p.id and t.type in ('sale', 'preauth', 'payout', 'register'))`,
	"I1: a transaction belongs to no form":   `select t.id from transactions t where t.type <> 'deregister' and 1 <> (select count(*) from idempotency_keys k where k.transaction_id = t.id)`,
	"I1: a card is forgotten twice":          `select payment_id from transactions where type = 'deregister' and status <> 'failed' group by payment_id having count(*) > 1`,
	"I3: a card that was stored is not there, or one that was forgotten is": `
		select t.id from transactions t where t.type = 'register' and (t.status = 'approved') is distinct from exists (select 1 from cards c where c.payment_id = t.payment_id)
		union all
		select t.id from transactions t join cards c on c.payment_id = t.payment_id where t.type = 'deregister' and t.status = 'approved' and c.forgotten_at is null`,
	"I2: a form has no transaction":     `select k.key from idempotency_keys k where not exists (select 1 from transactions t where t.id = k.transaction_id and t.payment_id = k.payment_id)`,
	"I1: two payments come of one form": `select order_reference from payments where order_reference <> '' group by order_reference having count(*) > 1`,
	"I5: a request is not audited once": `
		select t.id from transactions t where 1 <> (select count(*) from audit_log a
			where a.action = 'payment.' || t.type || '.requested' and a.object_id = t.payment_id::text and a.detail ->> 'transaction' = t.id::text)`,
	"I5: an outcome is not audited once": `
		select t.id from transactions t where t.status in ('approved', 'declined', 'failed') and array[t.status] is distinct from (select array_agg(a.result) from audit_log a
			where a.action = 'payment.' || t.type || '.settled' and a.object_id = t.payment_id::text and a.detail ->> 'transaction' = t.id::text
			and a.result in ('approved', 'declined', 'failed'))`,
	"I5: something is audited that is not there": `
		select a.seq::text from audit_log a where a.object_type = 'payment'
			and not exists (select 1 from transactions t where t.id::text = a.detail ->> 'transaction' and t.payment_id::text = a.object_id)`,
	"the queue gave a question up": `select id::text from river.river_job where kind = 'resolve_transaction' and state in ('discarded', 'cancelled')`,
}

// checkRows asks the database what SQL asks best.
func (h *house) checkRows(t testing.TB) {
	t.Helper()
	for what, query := range rules {
		h.none(t, what, query)
	}
	for what, query := range h.crossings(t) {
		h.none(t, what, query)
	}
}

func (h *house) none(t testing.TB, what, query string) {
	t.Helper()
	bad, err := h.owner.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer func() { _ = bad.Close() }()
	for bad.Next() {
		var id string
		must(t, bad.Scan(&id))
		t.Errorf("%s: %s", what, id)
	}
	must(t, bad.Err())
}

// crossings ask of every table that names a merchant and something of a
// merchant's whether both are the same one's (I7). The tables are found by their
// columns, so that a new one is asked too.
func (h *house) crossings(t testing.TB) map[string]string {
	t.Helper()
	if h.crossed != nil {
		return h.crossed
	}
	found, err := h.owner.Query(`
		select c.table_name, c.column_name from information_schema.columns c
		join information_schema.columns m on m.table_schema = c.table_schema and m.table_name = c.table_name and m.column_name = 'merchant_id'
		where c.table_schema = 'public' and c.column_name in ('payment_id', 'transaction_id', 'connection_id', 'card_id')`)
	must(t, err)
	defer func() { _ = found.Close() }()
	of := map[string]string{"payment_id": "payments", "transaction_id": "transactions", "connection_id": "connections", "card_id": "cards"}
	out := map[string]string{}
	for found.Next() {
		var table, column string
		must(t, found.Scan(&table, &column))
		out["I7: "+table+"."+column+" leads to another merchant"] =
			`select x.` + column + `::text from ` + table + ` x join ` + of[column] + ` o on o.id = x.` + column + ` where o.merchant_id <> x.merchant_id`
	}
	must(t, found.Err())
	if len(out) < 4 {
		t.Fatalf("only %d columns lead from one table of a merchant's to another", len(out))
	}
	out["I7: an audit row is in another merchant's chain"] = `
		select a.seq::text from audit_log a join payments p on a.object_type = 'payment' and p.id::text = a.object_id where a.merchant_id <> p.merchant_id`
	h.crossed = out
	return out
}

// verifyAudit asks the operator's own command whether the chain is whole.
func (h *house) verifyAudit(t testing.TB) {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "counterfoil"), "admin", "verify-audit")
	cmd.Env = append(cmd.Environ(), h.env...)
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "as they were written") {
		t.Errorf("I5: verify-audit: %v\n%s", err, text)
	}
}

// ledger is what a provider has done.
func ledger(t testing.TB, c kit.Control) []kit.Charge {
	t.Helper()
	s, err := c.State(context.Background())
	must(t, err)
	return s.Charges
}

// found says whether a query has a row.
func (h *house) found(t testing.TB, query string, args ...any) bool {
	t.Helper()
	var one int
	err := h.owner.QueryRow(query, args...).Scan(&one)
	if err != nil && err != sql.ErrNoRows {
		t.Fatal(err)
	}
	return err == nil
}
