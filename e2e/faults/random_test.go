package faults

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

const (
	tills      = 4  // people at work
	formsEach  = 60 // at most, by each of them
	killingFor = 12 * time.Second
	minKills   = 10
)

// work fills in one form after the other. Whoever gets no answer sends the same
// form again until there is one, however often the product dies meanwhile.
func (h *house) work(t *testing.T, random *rand.Rand, stop <-chan struct{}) {
	sold := map[string][]string{} // payments that money may be given back from, by provider
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
		op := operations[random.IntN(len(operations))]
		if op.refund && len(sold[op.provider]) == 0 {
			continue
		}
		var f form
		offered := true
		opened := insist(func() (err error) {
			if op.refund {
				f, err = h.refundForm(sold[op.provider][random.IntN(len(sold[op.provider]))])
			} else {
				f, err = h.saleForm(op)
			}
			if op.refund && errors.Is(err, errNotOffered) {
				offered, err = false, nil
			}
			return err
		})
		if !opened {
			return
		}
		if !offered {
			continue
		}
		var status int
		var payment string
		if !insist(func() (err error) { status, payment, err = h.post(f); return err }) {
			return
		}
		switch {
		case status == http.StatusSeeOther && op.refund:
			h.refunds.Add(1)
		case status == http.StatusSeeOther:
			h.sales.Add(1)
			if !op.page() {
				sold[op.provider] = append(sold[op.provider], payment)
			}
			if op.page() && random.IntN(3) > 0 {
				if err := h.typeCards(f.order); err != nil {
					t.Errorf("a customer: %v", err)
					return
				}
			}
		case op.refund && status == http.StatusConflict:
			// The sale's own outcome is still open: nothing may be given back yet.
		default:
			t.Errorf("a form of %s was answered %d", op.name, status)
			return
		}
	}
}

func TestProcessesKilledAtRandomMomentsLoseNothingAndDoubleNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := newHouse(t)
	// The provider has a bad day too.
	for _, f := range []kit.Fault{{Kind: kit.FaultDropAfter, Path: "sale"}, {Kind: kit.FaultGarbage, Path: "debit"}, {Kind: kit.FaultDropBefore, Path: "refund"}, {Kind: kit.FaultStatusAfter, Path: "refund", Status: http.StatusBadGateway}} {
		f.Method = http.MethodPost
		must(t, h.hp.Fault(t.Context(), f))
		must(t, h.cf.Fault(t.Context(), f))
	}
	// And it is never fast, so that many a kill meets a call under way.
	slow := kit.Fault{Kind: kit.FaultDelayReply, Method: http.MethodPost, DelayMS: 100, Count: tills * formsEach}
	must(t, h.hp.Fault(t.Context(), slow))
	must(t, h.cf.Fault(t.Context(), slow))
	stop := make(chan struct{})
	var people sync.WaitGroup
	for i := range tills {
		people.Go(func() { h.work(t, rand.New(rand.NewPCG(seed, uint64(i))), stop) })
	}
	done := make(chan struct{})
	go func() { people.Wait(); close(done) }()

	random := rand.New(rand.NewPCG(seed, 1_000))
	kills := 0
	began := time.Now()
	for working := true; working; {
		select {
		case <-done:
			working = false
		case <-time.After(time.Duration(random.IntN(400)) * time.Millisecond):
			h.product.kill()
			if !h.product.wasKilled() {
				t.Fatalf("ended with %s instead of by SIGKILL:\n%s", h.product.cmd.ProcessState, h.product.text())
			}
			kills++
			h.start(t, "", 0)
			working = time.Since(began) < killingFor || kills < minKills && time.Since(began) < patience
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
	t.Logf("%d kills, %d sales, %d refunds", kills, h.sales.Load(), h.refunds.Load())
	if kills < minKills || h.sales.Load() < tills {
		t.Error("too few kills or sales to show anything")
	}
}
