package payments

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// granted is an approval that another person gave to one operation.
type granted struct{}

// withinLimits judges an operation that is about to be written by the thresholds
// of its action: under the payment's lock, or, of a payout, before its own
// payment exists (in.PaymentID is zero, in.Payout is what is asked for, and x has
// the id of the payment that it would make).
func (s *Service) withinLimits(ctx context.Context, tx *store.Tx, actor domain.Actor, in ActInput, x domain.Transaction, now time.Time) error {
	return nil
}
