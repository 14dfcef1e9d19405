package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/sandbox"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// operation is one way in which money moves.
type operation struct {
	name     string
	provider string
	method   string // of the sale
	refund   bool   // of a sale that goes well first
	path     string // of the request that moves the money, at the provider
}

var operations = []operation{
	{name: "stored card at Handpoint", provider: "handpoint", method: "card", path: "/moto/sale"},
	{name: "token at Cardflo", provider: "cardflo", method: "frame", path: "/debit"},
	{name: "page at Cardflo", provider: "cardflo", method: "page", path: "/debit"},
	{name: "refund at Handpoint", provider: "handpoint", method: "card", refund: true, path: "/moto/refund"},
	{name: "refund at Cardflo", provider: "cardflo", method: "frame", refund: true, path: "/refund"},
}

func (op operation) connection(h *house) domain.ConnectionID {
	if op.provider == "cardflo" {
		return h.cardflo
	}
	return h.handpoint
}

func (op operation) control(h *house) sandbox.Control {
	if op.provider == "cardflo" {
		return h.cf
	}
	return h.hp
}

// what is the operation's name in the points.
func (op operation) what() string {
	if op.refund {
		return "refund"
	}
	return "sale"
}

func (op operation) page() bool { return op.method == "page" }

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

// crashes are all the deaths of one operation.
func crashes(op operation) []crash {
	var out []crash
	want := "approved"
	if op.page() {
		// Nobody ever saw the page whose address died with the process.
		want = "failed"
	}
	at := func(point, want string, lost bool) {
		out = append(out, crash{name: point, armed: op.what() + " " + point, want: want, lost: lost})
	}
	at(failpoint.Checked, "approved", false)
	at(failpoint.Opening, "approved", false)
	at(failpoint.Opened, "failed", true)
	at(failpoint.Sending, "failed", true)
	out = append(out, crash{name: "on its way", fault: kit.FaultDelay, want: want}, crash{name: "processed", fault: kit.FaultDelayReply, want: want})
	at(failpoint.Answered, want, false)
	at(failpoint.Judged, want, false)
	at(failpoint.Settling, want, false)
	at(failpoint.Settled, "approved", false)

	resolver := []string{failpoint.Asking, failpoint.Told, failpoint.Settling, failpoint.Settled}
	for _, point := range resolver {
		c := crash{name: "resolver " + point, armed: "status " + point, want: "approved"}
		if !op.page() {
			c.fault = kit.FaultDropAfter // or there is nothing to resolve
		}
		out = append(out, c)
		if op.page() {
			c.name, c.slow = "resolver "+point+" before the customer", true
			out = append(out, c)
		}
		if op.refund || op.page() {
			continue
		}
		c = crash{name: "lost and resolver " + point, armed: op.what() + " " + failpoint.Opened, lost: true, again: "status " + point, want: "failed"}
		if op.provider == "cardflo" {
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
		if t.Failed() {
			h = nil
		}
		p.free <- h
	}()
	if h == nil {
		h = newHouse(p.owner)
	}
	f(h)
}

func TestACrashBetweenAnyTwoLinesLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	p := newPool(t)
	t.Run("crash", func(t *testing.T) {
		for _, op := range operations {
			for _, c := range crashes(op) {
				t.Run(strings.ReplaceAll(op.name+"/"+c.name, " ", "-"), func(t *testing.T) {
					t.Parallel()
					p.with(t, func(h *house) { h.survive(t, op, c) })
				})
			}
		}
	})
	for range houses {
		if h := <-p.free; h != nil {
			h.verifyAudit(t)
		}
	}
}

// survive takes an operation through a crash and judges what is left.
func (h *house) survive(t *testing.T, op operation, c crash) {
	h.start(t, c.armed, 0)
	var f, sale form
	var err error
	payment := ""
	if op.refund {
		sale, err = h.saleForm(op)
		must(t, err)
		status, id, err := h.post(sale)
		must(t, err)
		if status != http.StatusSeeOther {
			t.Fatalf("the sale before was answered %d", status)
		}
		h.sales.Add(1)
		payment = id
		f, err = h.refundForm(payment)
		must(t, err)
	} else {
		f, err = h.saleForm(op)
		must(t, err)
	}
	if c.fault != "" {
		must(t, op.control(h).Fault(t.Context(), kit.Fault{Kind: c.fault, Method: http.MethodPost, Path: op.path}))
	}
	first := make(chan string, 1) // where the form led, if there was an answer
	go func() {
		_, id, _ := h.post(f)
		first <- id
	}()

	led := ""
	if c.armed == "" {
		until(t, "the provider holds the request", 10*time.Millisecond, func() bool {
			n, err := op.control(h).Held(t.Context())
			must(t, err)
			return n == 1
		})
		h.product.kill()
		led = <-first
	} else {
		led = h.awaitDeath(t, op, c, f, first)
	}
	if !h.product.wasKilled() {
		t.Fatalf("ended with %s instead of by SIGKILL:\n%s", h.product.cmd.ProcessState, h.product.text())
	}

	var ahead time.Duration
	if c.lost {
		ahead = windowsOver
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
	if status != http.StatusSeeOther {
		t.Fatalf("the form sent again was answered %d", status)
	}
	if led != "" && led != again || payment != "" && payment != again {
		t.Fatalf("the form led to %q, then to %q", led+payment, again)
	}
	if op.refund && !c.lost {
		// Known or not, the refund counts as used.
		whole, err := h.refundForm(payment)
		must(t, err)
		whole.fields.Set("amount", major(sale.minor))
		status, _, err := h.post(whole)
		must(t, err)
		if status != http.StatusConflict {
			t.Errorf("the whole sale may be given back beside a part of it: answered %d", status)
		}
	}
	if c.armed == "" {
		// The request may still arrive, so "not known" is no verdict yet.
		until(t, "the resolver has asked", 100*time.Millisecond, func() bool {
			h.hurry(t)
			asked := 0
			must(t, h.owner.QueryRow(`select t.asked from idempotency_keys k join transactions t on t.id = k.transaction_id where k.key = $1`, f.fields.Get("_key")).Scan(&asked))
			return asked > 0
		})
		must(t, op.control(h).Release(t.Context()))
	}
	if op.refund {
		h.refunds.Add(1)
	} else {
		h.sales.Add(1)
	}
	h.follow(t)
	h.check(t)

	var got string
	must(t, h.owner.QueryRow(`select t.status from idempotency_keys k join transactions t on t.id = k.transaction_id where k.key = $1`, f.fields.Get("_key")).Scan(&got))
	if got != c.want {
		t.Errorf("the %s ends %s, want %s", op.what(), got, c.want)
	}
}

// awaitDeath waits for the process to die at its line and does meanwhile what
// the customer does and what time does.
func (h *house) awaitDeath(t *testing.T, op operation, c crash, f form, first chan string) (led string) {
	answered, typed := false, false
	until(t, "the process dies at "+c.armed, 50*time.Millisecond, func() bool {
		select {
		case led = <-first:
			answered = true
		default:
		}
		if led != "" && op.page() && !c.slow && !typed {
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
