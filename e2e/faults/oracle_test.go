package faults

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// row is a transaction of ours.
type row struct{ id, payment, typ, status, provider, attempt string }

// check holds the books, the audit chain and both providers' ledgers against
// each other. Every outcome must be known by now. It computes everything anew
// and shares no code with the rules.
func (h *house) check(t testing.TB) {
	t.Helper()
	rows, err := h.owner.Query(`select t.id, t.payment_id, t.type, t.status, c.provider, t.attempt_ref, t.amount_minor, t.currency
		from transactions t join connections c on c.id = t.connection_id`)
	must(t, err)
	defer func() { _ = rows.Close() }()
	type known struct {
		row
		minor    int64
		currency string
	}
	byAttempt := map[string]known{}
	for rows.Next() {
		var k known
		must(t, rows.Scan(&k.id, &k.payment, &k.typ, &k.status, &k.provider, &k.attempt, &k.minor, &k.currency))
		byAttempt[k.provider+" "+k.attempt] = k
	}
	must(t, rows.Err())

	moved := map[string]bool{}
	for name, control := range map[string]interface {
		state(testing.TB) kit.State
	}{"handpoint": ledger{h.hp}, "cardflo": ledger{h.cf}} {
		state := control.state(t)
		forms := map[string]int{} // a form has an amount of its own
		sold, refunded := map[string]int64{}, map[string]int64{}
		for _, c := range state.Charges {
			k, ours := byAttempt[name+" "+c.Reference]
			switch {
			case !ours:
				t.Errorf("%s has a %s of %d that we know nothing of: %s", name, c.Kind, c.AmountMinor, c.Reference)
				continue
			case !strings.EqualFold(c.Kind, k.typ) || c.AmountMinor != k.minor || c.Currency != k.currency:
				t.Errorf("%s has a %s of %d %s where we have a %s of %d %s", name, c.Kind, c.AmountMinor, c.Currency, k.typ, k.minor, k.currency)
			case c.Approved != (k.status == "approved"):
				t.Errorf("%s says %s of our %s %s, approved %t; we say %s", name, c.Status, k.typ, k.id, c.Approved, k.status)
			}
			if !c.Approved {
				continue
			}
			moved[name+" "+c.Reference] = true
			if key := k.typ + " " + major(c.AmountMinor); forms[key] == 0 {
				forms[key]++
			} else {
				t.Errorf("%s moved money twice for one form: %s", name, key)
			}
			if k.typ == "refund" {
				refunded[c.OriginalID] += c.AmountMinor
			} else {
				sold[c.ID] = c.AmountMinor
			}
		}
		for reference, n := range state.Approved {
			if n > 1 {
				t.Errorf("%s moved money %d times for the attempt %s", name, n, reference)
			}
		}
		for id, sum := range refunded {
			if sum > sold[id] {
				t.Errorf("%s gave back %d of %d", name, sum, sold[id])
			}
		}
	}
	for attempt, k := range byAttempt {
		if k.status == "approved" && !moved[attempt] {
			t.Errorf("our %s %s is approved, the provider moved nothing", k.typ, k.id)
		}
	}

	for what, query := range map[string]string{
		"an outcome is open": `select id from transactions where status not in ('approved', 'declined', 'failed')`,
		"a payment's books are not the sum of its rows": `
			select p.id from payments p left join lateral (
				select coalesce(sum(amount_minor) filter (where type = 'sale' and status = 'approved'), 0) captured,
					coalesce(sum(amount_minor) filter (where type = 'refund' and status = 'approved'), 0) refunded
				from transactions t where t.payment_id = p.id) s on true
			where (p.captured_minor, p.refunded_minor, p.held_minor) is distinct from (s.captured, s.refunded, 0::bigint)`,
		"more is refunded than captured": `select id from payments where refunded_minor + held_minor > captured_minor`,
		"a payment's word is not that of its sale": `
			select p.id from payments p left join transactions t on t.payment_id = p.id and t.type = 'sale'
			where p.status is distinct from case
				when t.status = 'approved' and p.refunded_minor = 0 then 'approved'
				when t.status = 'approved' and p.refunded_minor < p.captured_minor then 'part_refunded'
				when t.status = 'approved' then 'refunded'
				when t.status = 'declined' then 'declined'
				when t.status = 'failed' then 'not_charged' end`,
		"a payment has no sale, or two":    `select p.id from payments p where 1 <> (select count(*) from transactions t where t.payment_id = p.id and t.type = 'sale')`,
		"a transaction belongs to no form": `select t.id from transactions t where 1 <> (select count(*) from idempotency_keys k where k.transaction_id = t.id)`,
		"a form has no transaction":        `select k.key from idempotency_keys k where not exists (select 1 from transactions t where t.id = k.transaction_id and t.payment_id = k.payment_id)`,
		"two payments come of one form":    `select order_reference from payments group by order_reference having count(*) > 1`,
		"a request is not audited once": `
			select t.id from transactions t where 1 <> (select count(*) from audit_log a
				where a.action = 'payment.' || t.type || '.requested' and a.object_id = t.payment_id::text and a.detail ->> 'transaction' = t.id::text)`,
		"an outcome is not audited once": `
			select t.id from transactions t where array[t.status] is distinct from (select array_agg(a.result) from audit_log a
				where a.action = 'payment.' || t.type || '.settled' and a.object_id = t.payment_id::text and a.detail ->> 'transaction' = t.id::text
				and a.result in ('approved', 'declined', 'failed'))`,
		"something is audited that is not there": `
			select a.seq::text from audit_log a where a.object_type = 'payment'
				and not exists (select 1 from transactions t where t.id::text = a.detail ->> 'transaction' and t.payment_id::text = a.object_id)`,
		"the queue gave a question up": `select id::text from river.river_job where kind = 'resolve_transaction' and state in ('discarded', 'cancelled')`,
	} {
		bad, err := h.owner.Query(query)
		must(t, err)
		for bad.Next() {
			var id string
			must(t, bad.Scan(&id))
			t.Errorf("%s: %s", what, id)
		}
		must(t, bad.Err())
		must(t, bad.Close())
	}
	var sales, refunds int64
	must(t, h.owner.QueryRow(`select count(*) filter (where type = 'sale'), count(*) filter (where type = 'refund') from transactions`).Scan(&sales, &refunds))
	if sales != h.sales.Load() || refunds != h.refunds.Load() {
		t.Errorf("%d sales and %d refunds came of %d and %d forms", sales, refunds, h.sales.Load(), h.refunds.Load())
	}
}

// verifyAudit asks the operator's own command whether the chain is whole.
func (h *house) verifyAudit(t testing.TB) {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "counterfoil"), "admin", "verify-audit")
	cmd.Env = append(cmd.Environ(), h.env...)
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "as they were written") {
		t.Errorf("verify-audit: %v\n%s", err, text)
	}
}

type ledger struct{ kit.Control }

func (l ledger) state(t testing.TB) kit.State {
	t.Helper()
	s, err := l.State(t.Context())
	must(t, err)
	return s
}
