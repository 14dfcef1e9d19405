package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/views/layouts"
)

// AccountView is /account: who is signed in, and how pages look. The form is
// posted to /account/theme as _csrf, theme (system, light or dark) and
// shortcuts (on, or absent).
type AccountView struct {
	Layout     layouts.Model
	Name       string
	Email      string
	Role       string // domain.Role's label
	SignedInAt time.Time
	EndsAt     time.Time // when this session ends at the latest
	IdleFor    time.Duration
}

// CardReturnView is the page inside the provider's frame after the card was
// typed. It knows no session and no payment.
type CardReturnView struct {
	// Outcome is what the provider's link said: "success", "error", "cancel".
	// It is only words; the truth comes from the provider's status.
	Outcome string
}
