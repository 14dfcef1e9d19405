package faults

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/failpoint"
)

// A job can be lost, the row cannot: the sweep of a product that starts finds
// every transaction without an outcome whose question is overdue.
func TestALostQuestionIsPutBackByTheSweep(t *testing.T) {
	t.Parallel()
	h := newHouse(t, site{patient: true})
	defer scores.count(t, sellCard.name, "the question's job is lost")
	h.start(t, sellCard.typ+" "+failpoint.Answered, 0)
	f, err := sellCard.fill(h, "")
	must(t, err)
	if _, _, err := h.post(f); err == nil || !dies(h) {
		t.Fatalf("the product lives: %v", err)
	}
	for _, q := range []string{
		`delete from river.river_job where kind = 'resolve_transaction'`,
		`update transactions set next_ask_at = now() - interval '10 minutes' where status not in ('approved', 'declined', 'failed')`,
	} {
		_, err := h.owner.Exec(q)
		must(t, err)
	}
	h.start(t, "", 0)
	h.answered.add(f) // nobody sends it again
	h.follow(t)
	h.check(t)
	if got := h.status(t, f); got != "approved" {
		t.Errorf("the sale ends %s", got)
	}
}

// dies waits a moment for a process that has been told to.
func dies(h *house) bool {
	select {
	case <-h.product.ended:
		return h.product.wasKilled()
	case <-time.After(patience):
		return false
	}
}
