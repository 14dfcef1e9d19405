package cashflows

import (
	"errors"
	"fmt"
	"strings"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Adopter = (*Server)(nil)

// Adopt adds paid payments and completed refunds of the configuration with that
// id to the ledger, as if they had been made here. IDs are those of State.
func (s *Server) Adopt(configuration string, charges []kit.Charge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[configuration]
	if !ok {
		return errors.New("there is no configuration with that id")
	}
	for _, in := range charges {
		parts := strings.Split(in.ID, "/")
		known := map[string]int{"sale": 2, "refund": 3}
		if known[in.Kind] == 0 || len(parts) != known[in.Kind] || in.AmountMinor <= 0 || !a.takes(in.Currency) {
			return fmt.Errorf("charge %q is no approved sale or refund of this configuration", in.ID)
		}
		j := s.jobOf(a, parts[0])
		switch {
		case in.Kind == "sale" && j == nil:
			j = &job{
				account: a, ref: parts[0], typ: "Payment", currency: in.Currency, minor: in.AmountMinor, created: in.At, expires: in.At.AddDate(0, 6, 0),
				request: request{"order": map[string]any{"orderNumber": in.Reference}}, webhookURL: a.WebhookURL,
				payment: &payment{ref: parts[1], status: statusPaid, paid: in.AmountMinor, card: publishedTokens[TokenApprove]},
			}
			s.jobs = append(s.jobs, j)
			s.ledger(j)
		case in.Kind == "refund" && j == nil:
			return fmt.Errorf("charge %q refunds a payment that is not here", in.ID)
		case in.Kind == "refund":
			if p := j.payment; !has(p.refunds, parts[2]) {
				r := s.newPart(j, "refund", in.Reference, in.AmountMinor, approve())
				r.ref, r.created = parts[2], in.At
				s.entries[len(s.entries)-1].ID = in.ID
				p.refunds = append(p.refunds, r)
			}
		}
	}
	return nil
}

func has(parts []*part, ref string) bool {
	for _, p := range parts {
		if p.ref == ref {
			return true
		}
	}
	return false
}
