package cardflo

import (
	"errors"
	"fmt"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Adopter = (*Server)(nil)

// adoptable are the kinds of charge that can be adopted. An adjustment changes
// the amount of its original by its own, which may be negative, and is no
// transaction of the gateway's.
var adoptable = map[string]string{
	"sale": typeDebit, "refund": typeRefund, "preauth": typePreauthorize, "capture": typeCapture, "void": typeVoid, "decrement": typeVoid,
	"increment": typeIncrement, "payout": typePayout, "register": typeRegister, "deregister": typeDeregister,
	"chargeback": typeChargeback, "chargeback_reversal": typeChargebackReversal, "adjustment": "",
}

// Adopt adds approved charges of the connector with that key to the ledger, as
// if they had been made here. What follows another charge comes behind it.
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
		typ, may := adoptable[in.Kind]
		decimals, enabled := c.Currencies[in.Currency]
		original := known[in.OriginalID]
		// These need no amount; a whole void may tell one.
		plain := in.Kind == "register" || in.Kind == "deregister" || (in.Kind == "void" && in.AmountMinor == 0)
		switch {
		case !may, in.ID == "":
			return fmt.Errorf("charge %q is no transaction of this connector", in.ID)
		case in.Kind == "adjustment":
			if original != nil && !original.adopted[in.Reference] {
				original.minor += in.AmountMinor
				original.adopt(in.Reference)
			}
			continue
		case !plain && (!enabled || in.AmountMinor <= 0):
			return fmt.Errorf("charge %q has no amount that this connector takes", in.ID)
		case in.CallbackURL != "" && !isHTTPURL(in.CallbackURL):
			return fmt.Errorf("charge %q has an address for callbacks that is none", in.ID)
		case known[in.ID] != nil:
			continue
		}
		t := &transaction{connector: c, typ: typ, uuid: in.ID, purchaseID: in.At.Format("20060102") + "-" + in.ID, merchantID: in.Reference,
			referenceUUID: in.OriginalID, original: original, status: statusSuccess, at: in.At, callbackURL: in.CallbackURL,
			card: card{brand: "VISA", last4: "1111", month: 12, year: 2030, outcome: approve()}}
		if !plain {
			t.minor, t.decimals, t.currency = in.AmountMinor, decimals, in.Currency
		}
		t.registered = in.Kind == "register"
		t.partialVoid = in.Kind == "decrement"
		if in.Kind == "preauth" {
			t.heldMinor = t.minor
		}
		if original != nil {
			follow(t, original)
		}
		s.record(t)
		known[in.ID] = t
	}
	return nil
}

// adopt remembers that a change of its amount was adopted.
func (t *transaction) adopt(reference string) {
	if t.adopted == nil {
		t.adopted = map[string]bool{}
	}
	t.adopted[reference] = true
}

// follow does what an adopted charge did to the one that it follows.
func follow(t, original *transaction) {
	switch t.typ {
	case typeRefund:
		original.refundedMinor += t.minor
		t.purchaseID = original.purchaseID
	case typeCapture:
		applyCapture(t)
	case typeVoid:
		applyVoid(t)
	case typeIncrement:
		original.heldMinor += t.minor
	case typeDeregister:
		applyDeregister(t)
	case typeChargeback:
		original.chargedBackMinor += t.minor
	case typeChargebackReversal:
		original.reversed = true
		if sale := original.original; sale != nil {
			sale.chargedBackMinor -= t.minor
		}
	}
}
