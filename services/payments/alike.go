package payments

import (
	"context"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// AlikeFor is how long a payment of the same card, amount and order reference
// counts as the same one.
const AlikeFor = 10 * time.Minute

// Alike is Take's answer to a payment like one that was taken, held or offered on
// a link a moment ago: a Conflict. Nothing was done. Whoever wants a second one
// names the first in TakeInput.ConfirmDuplicate.
type Alike struct{ First domain.Payment }

const alikeWords = "There is a payment like this already. Nothing was charged."

// Error gives the sentence and the first payment's reference.
func (a *Alike) Error() string { return alikeWords + " First: " + a.First.Reference }

// Unwrap gives the Conflict that it is.
func (a *Alike) Unwrap() error { return domain.Errorf(domain.Conflict, alikeWords) }

// alikeName is what two posts of the same payment hold one after the other,
// whatever their keys, ways and connections.
func alikeName(in TakeInput) string {
	return "alike " + in.Amount.FormatCode() + " " + strings.ToLower(in.OrderReference)
}

// alike finds the newest payment that this one may be a second one of. A card
// that is not known, on either side, may be the same.
func (s *Service) alike(ctx context.Context, tx *store.Tx, in TakeInput, now time.Time) (domain.Payment, error) {
	before, err := tx.Alike(ctx, in.Amount, in.OrderReference, now.Add(-AlikeFor))
	for _, p := range before {
		if sameCard(p.Card, in.Card) {
			return p, err
		}
	}
	return domain.Payment{}, err
}

func sameCard(a, b domain.Card) bool {
	return a.Last4 == "" || b.Last4 == "" || a.Last4 == b.Last4 && (a.Brand == b.Brand || a.Brand == "" || b.Brand == "")
}
