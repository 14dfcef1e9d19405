package faults

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// crash is one death, and what must come of the operation.
type crash struct {
	name  string
	armed string // the line at which the process dies; empty: it is killed from outside
	fault string // what the provider does to the request meanwhile
	slow  bool   // the customer has not typed the card yet when the process dies
	lost  bool   // the request never arrived: the provider's window must pass
	again string // the line at which the next process dies too
	want  string // the transaction's last status
}

// crashes are all the deaths of one action: at each point once, and where there
// is time by each road that leads there.
func crashes(a *action) []crash {
	var out []crash
	want := "approved"
	if a.page {
		// Nobody ever saw the page whose address died with the process.
		want = "failed"
	}
	at := func(point, want string, lost bool) {
		out = append(out, crash{name: word(point), armed: a.typ + " " + point, want: want, lost: lost})
	}
	if a.brief && runs == 0 {
		at(failpoint.Opened, a.lost(), true)
		at(failpoint.Answered, want, false)
		at(failpoint.Settled, "approved", false)
		return out
	}
	at(failpoint.Checked, "approved", false)
	at(failpoint.Opening, "approved", false)
	at(failpoint.Opened, a.lost(), true)
	at(failpoint.Sending, a.lost(), true)
	out = append(out, crash{name: "on its way", fault: kit.FaultDelay, want: want}, crash{name: "processed", fault: kit.FaultDelayReply, want: want})
	at(failpoint.Answered, want, false)
	at(failpoint.Judged, want, false)
	at(failpoint.Settling, want, false)
	at(failpoint.Settled, "approved", false)

	resolver := []string{failpoint.Asking, failpoint.Told, failpoint.Settling, failpoint.Settled}
	for _, point := range resolver {
		c := crash{name: "resolver " + word(point), armed: "status " + point, want: "approved"}
		if a.waits {
			c.armed += "#2" // the first one was about what began its payment
		}
		if !a.page {
			c.fault = kit.FaultDropAfter // or there is nothing to resolve
		}
		out = append(out, c)
		if a.page && (a == sellPage || runs > 0) {
			c.name, c.slow = "resolver "+word(point)+" before the customer", true
			out = append(out, c)
		}
		if a.page || a == forget || a != sellCard && a != sellToken && runs == 0 {
			// The resolver takes the same steps whatever it asks about. A card that
			// was certainly not forgotten can be forgotten by the same form again.
			continue
		}
		c = crash{name: "lost and resolver " + word(point), armed: a.typ + " " + failpoint.Opened, lost: true, again: "status " + point, want: a.lost()}
		if a.provider == "cardflo" {
			c.again += "#2" // the second "not known" is the one that counts
		}
		out = append(out, c)
	}
	return out
}

// pool hands out houses; a house in which something went wrong does not return.
type pool struct {
	owner testing.TB
	free  chan *house
}

func newPool(owner testing.TB) *pool {
	p := &pool{owner, make(chan *house, houses)}
	for range houses {
		p.free <- nil
	}
	return p
}

func (p *pool) with(t *testing.T, f func(h *house)) {
	h := <-p.free
	defer func() {
		if t.Failed() && h != nil {
			h.product.kill() // its database stays until the end, its sessions do not
			h = nil
		}
		p.free <- h
	}()
	if h == nil {
		h = newHouse(p.owner, site{})
	}
	f(h)
}

// close judges the audit chains, which only the end shows.
func (p *pool) close(t testing.TB) {
	t.Helper()
	for range houses {
		if h := <-p.free; h != nil {
			h.verifyAudit(t)
		}
	}
}

func TestACrashBetweenAnyTwoLinesLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	type run struct {
		a *action
		c crash
		n int // the how manieth time
	}
	var once, all []run
	for _, a := range actions {
		for _, c := range crashes(a) {
			once = append(once, run{a: a, c: c})
		}
	}
	for n := 1; n == 1 || len(all) < runs; n++ {
		for _, r := range once {
			r.n = n
			all = append(all, r)
		}
	}
	random(0).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	p := newPool(t)
	t.Run("crash", func(t *testing.T) {
		for _, r := range all {
			t.Run(strings.NewReplacer(" ", "-", ",", "").Replace(fmt.Sprintf("%s/%s/%d", r.a.name, r.c.name, r.n)), func(t *testing.T) {
				t.Parallel()
				p.with(t, func(h *house) {
					defer scores.count(t, r.a.name, "killed: "+r.c.name)
					h.survive(t, r.a, r.c)
				})
			})
		}
	})
	p.close(t)
}

// survive takes an action through a crash and judges what is left.
func (h *house) survive(t *testing.T, a *action, c crash) {
	h.forgetTheLate(t)
	h.start(t, c.armed, 0)
	payment, err := h.prepare(a)
	must(t, err)
	f, err := a.fill(h, payment)
	must(t, err)
	if c.fault != "" {
		must(t, a.control(h).Fault(t.Context(), kit.Fault{Kind: c.fault, Method: http.MethodPost, Path: a.path}))
	}
	first := make(chan string, 1) // where the form led, if there was an answer
	go func() {
		status, id, err := h.post(f)
		if err == nil && status != http.StatusSeeOther {
			t.Errorf("the form was answered %d", status)
		}
		first <- id
	}()

	led := ""
	if c.armed == "" {
		until(t, "the provider holds the request", 10*time.Millisecond, func() bool {
			n, err := a.control(h).Held(t.Context())
			must(t, err)
			return n == 1
		})
		h.product.kill()
		led = <-first
	} else {
		led = h.awaitDeath(t, a, c, f, first)
	}
	if !h.product.wasKilled() {
		t.Fatalf("ended with %s instead of by SIGKILL:\n%s", h.product.cmd.ProcessState, h.product.text())
	}

	var ahead time.Duration
	if c.lost {
		ahead = a.over()
	}
	if c.again != "" {
		h.start(t, c.again, ahead)
		until(t, "the next process dies at "+c.again, 50*time.Millisecond, func() bool { h.hurry(t); return !h.product.alive() })
		if !h.product.wasKilled() {
			t.Fatalf("ended with %s instead of by SIGKILL:\n%s", h.product.cmd.ProcessState, h.product.text())
		}
	}
	h.start(t, "", ahead)
	// Somebody who saw no answer sends the same form again.
	status, again, err := h.post(f)
	must(t, err)
	if !h.done(f, status) {
		t.Fatalf("the form sent again was answered %d", status)
	}
	if again != "" && (led != "" && led != again || payment != "" && !a.begins && payment != again) {
		t.Fatalf("the form led to %q, then to %q", led+payment, again)
	}
	if a.rival != nil && !c.lost {
		// Known or not, what was asked for counts as done.
		rival, err := a.rival(h, payment)
		status := 0
		if err == nil {
			status, _, err = h.post(rival)
		}
		if !shut(status, err) {
			t.Errorf("there is room for another %s beside the %s: answered %d, %v", rival.typ, a.typ, status, err)
		}
	}
	if c.armed == "" {
		// The request may still arrive, so "not known" is no verdict yet.
		until(t, "the resolver has asked", 50*time.Millisecond, func() bool {
			h.hurry(t)
			return h.asked(t, f) > 0
		})
		must(t, a.control(h).Release(t.Context()))
	}
	h.follow(t)
	h.check(t)
	if got := h.status(t, f); got != c.want {
		t.Errorf("the %s ends %s, want %s", a.typ, got, c.want)
	}
	if c.want == "needs_person" {
		h.writeDown(t, f)
		h.check(t)
		if got := h.status(t, f); got != "failed" {
			t.Errorf("a person wrote down that nothing happened, and the %s is %s", a.typ, got)
		}
	}
}

// forgetTheLate lets the quarter of an hour pass in which a terminal is asked for
// what never arrived, so that no earlier operation's question meets the line that
// kills the process.
func (h *house) forgetTheLate(t testing.TB) {
	t.Helper()
	_, err := h.owner.Exec(`update transactions set last_send_at = last_send_at - interval '1 hour' where status = 'failed' and reason = 'never_arrived' and device_id is not null`)
	must(t, err)
}

// writeDown is a person who found out that an operation did not happen.
func (h *house) writeDown(t testing.TB, f form) {
	t.Helper()
	var id, payment string
	must(t, h.owner.QueryRow(`select t.id, t.payment_id from idempotency_keys k join transactions t on t.id = k.transaction_id where k.key = $1`, f.key()).Scan(&id, &payment))
	page := "/payments/" + payment + "/settle"
	_, text, err := h.request(http.MethodGet, page+"?transaction="+id, nil)
	must(t, err)
	res, _, err := h.request(http.MethodPost, page, url.Values{"_csrf": {hidden(text, "_csrf")}, "transaction": {id}, "happened": {"no"}, "provider_ref": {""}, "note": {"It is not in the portal."}})
	must(t, err)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("what a person found out was answered %s", res.Status)
	}
}

// made is the transaction that a form made.
func (h *house) made(t testing.TB, f form) (status, attempt, original string, minor int64, asked int) {
	t.Helper()
	query, of := `select t.status, t.attempt_ref, t.original_ref, t.amount_minor, t.asked from idempotency_keys k join transactions t on t.id = k.transaction_id where k.key = $1`, f.key()
	if f.keyless != "" {
		query, of = `select t.status, t.attempt_ref, t.original_ref, t.amount_minor, t.asked from transactions t where t.payment_id = $1 and t.type = '`+f.typ+`'`, f.keyless
	}
	must(t, h.owner.QueryRow(query, of).Scan(&status, &attempt, &original, &minor, &asked))
	return status, attempt, original, minor, asked
}

func (h *house) status(t testing.TB, f form) string {
	t.Helper()
	status, _, _, _, _ := h.made(t, f)
	return status
}

// asked is how often its outcome was asked for.
func (h *house) asked(t testing.TB, f form) int {
	t.Helper()
	_, _, _, _, asked := h.made(t, f)
	return asked
}

// awaitDeath waits for the process to die at its line and does meanwhile what
// the customer does and what time does.
func (h *house) awaitDeath(t *testing.T, a *action, c crash, f form, first chan string) (led string) {
	answered, typed := false, false
	until(t, "the process dies at "+c.armed, 50*time.Millisecond, func() bool {
		select {
		case led = <-first:
			answered = true
		default:
		}
		if led != "" && a.page && !c.slow && !typed {
			must(t, h.typeCards(f.order))
			typed = true
		}
		// The next question is hastened only after the answer, so that the
		// resolver's part comes after the request's own.
		if led != "" {
			h.hurry(t)
		}
		return !h.product.alive()
	})
	if !answered {
		led = <-first
	}
	return led
}
