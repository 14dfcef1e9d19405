package payments

import (
	"context"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// RefundInput is a refund as the form sends it.
type RefundInput struct {
	Key       string
	PaymentID domain.PaymentID
	Amount    money.Amount
	Reason    string // one of domain.RefundReasons' values
	Note      string // needed with "other"
	// Terminal is the terminal that it is done on; zero: it is done without one.
	Terminal domain.OnTerminal
}

// Refund gives back a part or the whole of a payment. It is Act with ActRefund,
// and needs payments:refund.
func (s *Service) Refund(ctx context.Context, actor domain.Actor, in RefundInput) (Acted, error) {
	return s.Act(ctx, actor, ActInput{Key: in.Key, PaymentID: in.PaymentID, Action: domain.ActRefund, Amount: in.Amount, Reason: in.Reason, Note: in.Note, Terminal: in.Terminal})
}
