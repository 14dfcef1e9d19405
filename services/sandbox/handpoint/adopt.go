package handpoint

import (
	"errors"
	"fmt"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Adopter = (*Server)(nil)

// Adopt adds approved sales and refunds of the merchant with that key to the
// ledger, and sets the tips of sales, as if it had been done here.
func (s *Server) Adopt(account string, charges []kit.Charge) error {
	merchant, ok := s.merchants[account]
	if !ok {
		return errors.New("there is no merchant with that key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make(map[string]*record, len(s.records))
	for _, r := range s.records {
		known[r.guid] = r
	}
	for _, c := range charges {
		if sale := known[c.OriginalID]; c.Kind == "tip_adjustment" && c.AmountMinor >= 0 {
			if sale != nil && sale.kind == kindSale {
				sale.approvedMinor += c.AmountMinor - sale.tipMinor
				sale.tipMinor = c.AmountMinor
			}
			continue
		}
		if c.Kind != kindSale && c.Kind != kindRefund || c.ID == "" || c.AmountMinor <= 0 {
			return fmt.Errorf("charge %q is no approved sale or refund", c.ID)
		}
		if known[c.ID] != nil {
			continue
		}
		r := &record{merchant: merchant.ID, kind: c.Kind, word: map[string]string{kindSale: "MOTO_SALE", kindRefund: "MOTO_REFUND"}[c.Kind], terminal: s.virtual(merchant), guid: c.ID, reference: c.Reference, originalGUID: c.OriginalID, requestedMinor: c.AmountMinor,
			approvedMinor: c.AmountMinor, currency: c.Currency, card: Card{Token: TokenVisa, Scheme: "VISA", Last4: "0936", ExpiryMMYY: "1030", IssuerCode: issuerApproved},
			issuerCode: issuerApproved, issuerText: issuerTexts[issuerApproved], approvalCode: "ADOPT1", rrn: "000000000000", at: c.At}
		if sale := known[c.OriginalID]; sale != nil && c.Kind == kindRefund {
			sale.refundedMinor += c.AmountMinor
		}
		s.enter(r)
		known[c.ID] = r
	}
	return nil
}
