package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// TruthPageView is /payments/{id}/provider: our record of each operation beside
// the provider's last answer. Posting to it asks the provider again.
type TruthPageView struct {
	Layout       layouts.Model
	Payment      domain.Payment
	Transactions []domain.Transaction // newest first
	MayAsk       bool
	CSRF         string
}

// SettleFormView is /payments/{id}/settle, by which a person writes down what
// became of an operation. It is posted to the same address as _csrf,
// transaction, happened (yes or no), provider_ref and note.
type SettleFormView struct {
	Layout  layouts.Model
	Payment domain.Payment
	// Open are the operations that wait for a person; with several, the form asks
	// which one is meant.
	Open        []domain.Transaction
	Transaction string // the chosen one's id
	Happened    string // HappenedYes, HappenedNo, or empty
	ProviderRef string
	Note        string
	Errors      map[string]string
	FormError   string
	// Denied is why nothing can be written down; the page then has no form.
	Denied string
}

// What a person found out.
const (
	HappenedYes = "yes"
	HappenedNo  = "no"
)

// latest is when the provider last said anything about the payment; zero: never.
func latest(txs []domain.Transaction) time.Time {
	var at time.Time
	for _, t := range txs {
		if t.Said.At.After(at) {
			at = t.Said.At
		}
	}
	return at
}
