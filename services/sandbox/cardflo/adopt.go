package cardflo

import (
	"errors"
	"fmt"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Adopter = (*Server)(nil)

// Adopt adds approved debits and refunds of the connector with that key to the
// ledger, as if they had been made here.
func (s *Server) Adopt(account string, charges []kit.Charge) error {
	c, ok := s.connectors[account]
	if !ok {
		return errors.New("there is no connector with that key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make(map[string]*transaction, len(s.transactions))
	for _, t := range s.transactions {
		known[t.uuid] = t
	}
	for _, in := range charges {
		decimals, enabled := c.Currencies[in.Currency]
		if in.Kind != "sale" && in.Kind != "refund" || in.ID == "" || in.AmountMinor <= 0 || !enabled {
			return fmt.Errorf("charge %q is no approved sale or refund of this connector", in.ID)
		}
		if known[in.ID] != nil {
			continue
		}
		t := &transaction{connector: c, typ: typeDebit, uuid: in.ID, purchaseID: in.At.Format("20060102") + "-" + in.ID, merchantID: in.Reference,
			referenceUUID: in.OriginalID, minor: in.AmountMinor, decimals: decimals, currency: in.Currency, status: statusSuccess,
			card: card{brand: "VISA", last4: "1111", month: 12, year: 2030, outcome: approve()}, at: in.At}
		if in.Kind == "refund" {
			t.typ = typeRefund
			if sale := known[in.OriginalID]; sale != nil {
				t.original, sale.refundedMinor = sale, sale.refundedMinor+in.AmountMinor
				t.purchaseID = sale.purchaseID
			}
		}
		s.record(t)
		known[in.ID] = t
	}
	return nil
}
