package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// notTakenYet says that what began the payment is itself still open.
func notTakenYet(p domain.Payment) bool {
	if p.Amount.IsZero() {
		return false // a card that is stored takes nothing
	}
	switch p.Status {
	case domain.PaymentProcessing, domain.PaymentUnknown, domain.PaymentNeedsPerson:
		return p.Captured.IsZero() && p.Authorised.IsZero()
	}
	return false
}

// soon is when a hold's end takes the warning colour.
const soon = 3 * 24 * time.Hour

func lapsesSoon(m layouts.Model, p domain.Payment) bool { return p.ExpiresAt.Sub(m.Now) <= soon }

// daysLeft is the time until a hold lapses: "5 days left".
func daysLeft(m layouts.Model, p domain.Payment) string {
	left := p.ExpiresAt.Sub(m.Now)
	switch {
	case left <= 0:
		return "which is over"
	case left < time.Hour:
		return "less than an hour left"
	case left < 24*time.Hour:
		return components.Count(int(left/time.Hour), "hour", "hours") + " left"
	}
	return components.Count(int(left/(24*time.Hour)), "day", "days") + " left"
}

// HasReceipt says that there is something to give the customer on paper: money
// was taken, is held, was and is voided, or was paid out.
func HasReceipt(p domain.Payment) bool {
	return p.Captured.IsPositive() || p.Authorised.IsPositive() || p.Status == domain.PaymentVoided || p.Kind == domain.Payout && p.Status == domain.PaymentApproved
}
