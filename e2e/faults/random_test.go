package faults

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

const (
	tills      = 4  // people at work, of two merchants
	formsEach  = 60 // at most, by each of them
	killingFor = 12 * time.Second
	minKills   = 10
	minForms   = 24
)

// work fills in one form after the other. Whoever gets no answer sends the same
// form again until there is one, however often the product dies meanwhile.
func (h *house) work(t *testing.T, luck *rand.Rand, stop <-chan struct{}) {
	done := map[*action][]string{} // payments, by what was done to them last
	insist := func(try func() error) bool {
		deadline := time.Now().Add(patience)
		for err := try(); err != nil; err = try() {
			if time.Now().After(deadline) {
				t.Errorf("no answer within %s: %v", patience, err)
				return false
			}
			time.Sleep(20 * time.Millisecond) // a person's finger, not a wait for something
		}
		return true
	}
	for range formsEach {
		select {
		case <-stop:
			return
		default:
		}
		a := actions[luck.IntN(len(actions))]
		payment := ""
		if a.after != nil {
			if len(done[a.after]) == 0 {
				a = root(a)
			} else {
				payment = done[a.after][luck.IntN(len(done[a.after]))]
			}
		}
		var f form
		offered := true
		opened := insist(func() (err error) {
			f, err = a.fill(h, payment)
			if errors.Is(err, errNotOffered) {
				offered, err = false, nil
			}
			return err
		})
		if !opened {
			return
		}
		if !offered && a.after != nil {
			continue
		}
		var status int
		if !insist(func() (err error) {
			if status, payment, err = h.post(f); status == http.StatusServiceUnavailable {
				err = errors.New("the database is away")
			}
			return err
		}) {
			return
		}
		switch {
		case h.done(f, status):
			if !a.page {
				done[a] = append(done[a], payment)
			} else if luck.IntN(3) > 0 {
				if err := h.typeCards(f.order); err != nil {
					t.Errorf("a customer: %v", err)
					return
				}
			}
		case a.after != nil && status == http.StatusConflict:
			// What began it has no outcome yet, or something else was done to it.
		case a == payout && status == http.StatusNotFound:
			// The card that it was to go to was forgotten meanwhile.
		default:
			t.Errorf("a form of %s was answered %d", a.name, status)
			return
		}
	}
}

// root is what begins the payment of an action.
func root(a *action) *action {
	for a.after != nil {
		a = a.after
	}
	return a
}

func TestProcessesKilledAtRandomMomentsLoseNothingAndDoubleNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, site{patient: true})
	next := h.neighbour(t)
	// The provider has a bad day too.
	for _, f := range []kit.Fault{{Kind: kit.FaultDropAfter, Path: "sale"}, {Kind: kit.FaultGarbage, Path: "debit"}, {Kind: kit.FaultDropBefore, Path: "refund"}, {Kind: kit.FaultStatusAfter, Path: "refund", Status: http.StatusBadGateway}} {
		f.Method = http.MethodPost
		must(t, h.hp.Fault(t.Context(), f))
		must(t, h.cf.Fault(t.Context(), f))
	}
	// And it is never fast, so that many a kill meets a call under way.
	delay := kit.Fault{Kind: kit.FaultDelayReply, Method: http.MethodPost, DelayMS: 100, Count: tills * formsEach}
	must(t, h.hp.Fault(t.Context(), delay))
	must(t, h.cf.Fault(t.Context(), delay))
	stop := make(chan struct{})
	var people sync.WaitGroup
	for i := range tills {
		people.Go(func() { []*house{h, next}[i%2].work(t, random(uint64(100+i)), stop) })
	}
	done := make(chan struct{})
	go func() { people.Wait(); close(done) }()

	luck := random(99)
	kills, slow := 0, time.Duration(0)
	began := time.Now()
	for working := true; working; {
		select {
		case <-done:
			working = false
		case <-time.After(time.Duration(luck.IntN(400))*time.Millisecond + time.Duration(luck.IntN(4))*slow):
			h.product.kill()
			if !h.product.wasKilled() {
				t.Fatalf("ended with %s instead of by SIGKILL:\n%s", h.product.cmd.ProcessState, h.product.text())
			}
			kills++
			starting := time.Now()
			h.start(t, "", 0)
			slow = time.Since(starting) // a busy machine gets the more time to work
			working = time.Since(began) < killingFor || (kills < minKills || len(h.answered.all()) < minForms) && time.Since(began) < 2*patience
		}
	}
	close(stop)
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the tills did not finish")
	}
	// What never arrived is told from what is late once the windows are over.
	h.start(t, "", windowsOver)
	h.follow(t)
	h.check(t)
	h.verifyAudit(t)
	h.strangers(t, next)
	next.strangers(t, h)
	forms := len(h.answered.all())
	t.Logf("%d kills, %d forms, seed %d", kills, forms, seed)
	if kills < minKills || forms < minForms/2 {
		t.Error("too few kills or forms to show anything")
	}
}

// strangers sees that a merchant's person gets nothing of another merchant's,
// whatever they ask for (I7).
func (h *house) strangers(t *testing.T, other *house) {
	t.Helper()
	rows, err := h.owner.Query(`select id, reference, order_reference from payments where merchant_id = $1 order by created_at limit 15`, other.merchant.String())
	must(t, err)
	defer func() { _ = rows.Close() }()
	type payment struct{ id, reference, order string }
	var theirs []payment
	for rows.Next() {
		var p payment
		must(t, rows.Scan(&p.id, &p.reference, &p.order))
		theirs = append(theirs, p)
	}
	must(t, rows.Err())
	if len(theirs) == 0 {
		t.Fatal("the other merchant has no payments to ask for")
	}
	lists := []string{"/", "/payments?limit=200", "/payments.csv", "/preauths", "/tips", "/reviews", "/payments/open", "/cards", "/approvals"}
	for _, p := range theirs {
		lists = append(lists, "/payments?q="+p.reference)
		for _, page := range []string{"", "/refund", "/capture", "/increase", "/decrease", "/void", "/tip", "/settle", "/provider", "/receipt", "/store-card", "/link-cancel"} {
			res, text, err := h.request(http.MethodGet, "/payments/"+p.id+page, nil)
			must(t, err)
			if res.StatusCode != http.StatusNotFound || strings.Contains(text, p.reference) {
				t.Errorf("I7: another merchant's %s was answered %s", page, res.Status)
			}
		}
		f, err := sellCard.fill(h, "") // for its hidden fields
		must(t, err)
		f.fields = url.Values{"_csrf": f.fields["_csrf"], "_key": f.fields["_key"], "kind": {"part"}, "amount": {"1.00"}, "reason": {"returned"}, "note": {""}}
		for _, path := range []string{"/refunds", "/capture", "/increase", "/decrease", "/void", "/tip"} {
			f := f
			f.path = "/payments/" + p.id + path
			f.fields = maps.Clone(f.fields)
			switch path {
			case "/void":
				f.fields = url.Values{"_csrf": f.fields["_csrf"], "_key": f.fields["_key"], "shown": {"1.00"}, "note": {""}}
			case "/refunds":
			default:
				f.fields.Del("kind")
				f.fields.Del("reason")
			}
			if status, _, err := h.post(f); status != http.StatusNotFound {
				t.Errorf("I7: %s of another merchant's payment was answered %d, %v", path, status, err)
			}
		}
	}
	for _, page := range lists {
		res, text, err := h.request(http.MethodGet, page, nil)
		must(t, err)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s was answered %s", page, res.Status)
		}
		for _, p := range theirs {
			if strings.Contains(text, p.id) || strings.Contains(text, p.reference) && !strings.HasSuffix(page, p.reference) || p.order != "" && strings.Contains(text, p.order+"<") {
				t.Errorf("I7: %s shows another merchant's %s", page, p.reference)
			}
		}
	}
}
