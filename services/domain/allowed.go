package domain

import (
	"slices"

	"github.com/counterfoil/counterfoil/services/money"
)

// Capability is something a provider can do. The set is computed from what an
// adapter implements and narrowed by the connection; nobody lists it by hand.
type Capability string

// Capabilities is a set of them.
type Capabilities []Capability

// Has says whether the set holds a capability.
func (c Capabilities) Has(want Capability) bool { return slices.Contains(c, want) }

// Action is a button on a payment.
type Action string

// The actions of this release.
const (
	ActRefund Action = "refund"
	ActCheck  Action = "check" // ask the provider for the outcome now
)

// Denial is why an action is not possible.
type Denial string

// The denials.
const (
	Possible           Denial = ""
	DeniedRole         Denial = "role"
	DeniedCapability   Denial = "capability"
	DeniedNotApproved  Denial = "not_approved"
	DeniedNothingLeft  Denial = "nothing_left"
	DeniedOutcomeOpen  Denial = "outcome_open"
	DeniedHeld         Denial = "held"
	DeniedNothingToAsk Denial = "nothing_to_ask"
	DeniedTooMuch      Denial = "too_much"
	DeniedPartRefund   Denial = "part_refund"
	DeniedDisputed     Denial = "disputed"
	DeniedRemoved      Denial = "removed"
)

// Words is the denial as a sentence beside the dead button.
func (d Denial) Words() string {
	switch d {
	case Possible:
		return ""
	case DeniedRole:
		return "Your role does not allow this."
	case DeniedCapability:
		return "This provider does not offer it."
	case DeniedNotApproved:
		return "Nothing was taken, so there is nothing to refund."
	case DeniedNothingLeft:
		return "All of it has been refunded."
	case DeniedOutcomeOpen:
		return "Refund is off while the sale has no outcome."
	case DeniedHeld:
		return "What is left is held by a refund that has no outcome yet."
	case DeniedNothingToAsk:
		return "The outcome is known."
	case DeniedTooMuch:
		return "That is more than can be refunded now."
	case DeniedRemoved:
		return "The connection that took this payment was removed, and its credentials with it."
	case DeniedDisputed:
		return "The bank has already taken money back; a refund now would pay it twice."
	case DeniedPartRefund:
		return "This provider refunds only the whole amount."
	}
	return string(d)
}

// Allowed is the one answer to "may this person do this to this payment, and
// can the provider do it?". Pages, the API and the use cases all ask it. It is
// pure; the use case asks it again under the payment's lock.
func Allowed(actor Actor, p Payment, open bool, act Action, caps Capabilities) Denial {
	switch act {
	case ActRefund:
		switch {
		case !actor.Role.May(PaymentsRefund):
			return DeniedRole
		case !caps.Has(CanRefund):
			return DeniedCapability
		case p.Captured.IsZero() && open:
			return DeniedOutcomeOpen
		case p.Captured.IsZero():
			return DeniedNotApproved
		case p.ChargedBack.IsPositive():
			return DeniedDisputed
		case p.Refundable().IsZero() && !p.Held.IsZero():
			return DeniedHeld
		case p.Refundable().IsZero():
			return DeniedNothingLeft
		}
		return Possible
	case ActCheck:
		switch {
		case !open:
			return DeniedNothingToAsk
		case !actor.Role.May(PaymentsCheck):
			return DeniedRole
		case !caps.Has(CanLookUp):
			return DeniedCapability
		}
		return Possible
	}
	return DeniedCapability
}

// RefundDenial judges an amount: at most what is left, and the whole of it
// where the provider cannot refund a part.
func RefundDenial(p Payment, amount money.Amount, caps Capabilities) Denial {
	c, err := amount.Cmp(p.Refundable())
	switch {
	case err != nil || c > 0:
		return DeniedTooMuch
	case !caps.Has(CanPartRefund):
		if whole, err := amount.Cmp(p.Captured); err != nil || whole != 0 {
			return DeniedPartRefund
		}
	}
	return Possible
}
