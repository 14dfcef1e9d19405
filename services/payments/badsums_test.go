package payments_test

import (
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
)

// TestNoUseCaseTakesASumThatIsNone: what a form cannot send, a JSON body can. The
// use cases are asked with the plain data that both lead to (SECURITY.md, 43).
func TestNoUseCaseTakesASumThatIsNone(t *testing.T) {
	h := newHouse(t)
	sale, hold := h.take(h.cardSale(4000)).PaymentID, h.take(h.hold(5000)).PaymentID
	before := h.count(`select count(*) from transactions`)
	most := money.FromMinor(1<<63-1, gbp)
	sums := []struct {
		name string
		sum  money.Amount
	}{{"nothing", money.Zero(gbp)}, {"below nothing", minor(-1)}, {"as little as there is", money.FromMinor(-1<<63, gbp)}, {"as much as there is", most}, {"another currency", money.FromMinor(100, eur)},
		{"no currency", money.Amount{}}}
	refused := func(what, name string, err error) {
		t.Helper()
		switch domain.CodeOf(err) {
		case domain.Invalid, domain.Conflict:
			if len(domain.FieldsOf(err)) == 0 {
				t.Errorf("%s of %s is refused without a sentence beside the sum: %v", what, name, err)
			}
		default:
			t.Errorf("%s of %s: %v, want it refused in words", what, name, err)
		}
	}
	for _, s := range sums {
		for _, act := range []domain.Action{domain.ActRefund, domain.ActCapture, domain.ActIncrease, domain.ActDecrease, domain.ActTip} {
			if act == domain.ActTip && s.sum == money.Zero(gbp) || act == domain.ActIncrease && s.sum == most {
				continue // a tip may be taken away; how much may be held is for the bank to say
			}
			id := hold
			if act == domain.ActRefund || act == domain.ActTip {
				id = sale
			}
			_, err := h.svc.Act(t.Context(), h.actor, payments.ActInput{Key: payments.NewKey(), PaymentID: id, Action: act, Amount: s.sum, Reason: "returned"})
			refused(string(act), s.name, err)
		}
		if s.sum == most {
			continue
		}
		in := h.cardSale(100)
		in.Amount = s.sum
		if s.name != "another currency" { // the merchant has euros
			_, err := h.svc.Take(t.Context(), h.actor, in)
			refused("sale", s.name, err)
		}
		out := payments.PayoutInput{Key: payments.NewKey(), ConnectionID: h.cardflo, To: sale, Amount: s.sum, Note: "Deposit given back"}
		if _, err := h.svc.Payout(t.Context(), h.actor, out); err == nil {
			t.Errorf("a payout of %s is made", s.name)
		}
	}
	for name, tip := range map[string]money.Amount{"a tip above the sum": minor(1001), "a tip below nothing": minor(-1), "a tip in another currency": money.FromMinor(1, eur)} {
		_, err := h.svc.Act(t.Context(), h.actor, payments.ActInput{Key: payments.NewKey(), PaymentID: hold, Action: domain.ActCapture, Amount: minor(1000), Tip: tip})
		refused("capture", name, err)
	}
	if after := h.count(`select count(*) from transactions`); after != before {
		t.Errorf("%d transactions were written", after-before)
	}
}
