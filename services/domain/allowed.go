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

// The actions on a payment that exists. Taking one is not among them.
const (
	ActRefund     Action = "refund"
	ActCapture    Action = "capture"
	ActIncrease   Action = "increase"
	ActDecrease   Action = "decrease"
	ActVoid       Action = "void"        // of a sale before its batch is settled, or of a hold
	ActVoidRefund Action = "void_refund" // of the newest refund, before its batch is settled
	ActTip        Action = "tip"
	ActCheck      Action = "check"       // ask the provider for the outcome now
	ActSettle     Action = "settle"      // write down by hand what a person found out
	ActCancelLink Action = "cancel_link" // end a link that nobody has paid on
	ActStoreCard  Action = "store_card"  // keep the card of a past payment as a token
	ActReview     Action = "review"      // clear what the risk check left for a person
	// ActPayout makes a payment of its own, so it is no button on one: it is here
	// for the thresholds.
	ActPayout Action = "payout"
)

// Actions lists them in the order of the page.
var Actions = []Action{ActCapture, ActIncrease, ActDecrease, ActVoid, ActTip, ActRefund, ActVoidRefund, ActCheck, ActSettle, ActCancelLink, ActStoreCard, ActReview}

// actions holds what each asks for before the payment is looked at.
var actions = map[Action]struct {
	permission Permission
	// capability is empty where the payment decides which it is, or none is
	// needed.
	capability Capability
	makes      TransactionType // empty: it makes none
}{
	ActRefund:     {PaymentsRefund, CanRefund, Refund},
	ActCapture:    {PaymentsCapture, CanCapture, Capture},
	ActIncrease:   {PaymentsCapture, CanIncrease, Increment},
	ActDecrease:   {PaymentsCapture, CanDecrease, Decrement},
	ActVoid:       {PaymentsVoid, "", Void},
	ActVoidRefund: {PaymentsVoid, "", Void},
	ActTip:        {PaymentsTip, CanAdjustTip, TipAdjustment},
	ActCheck:      {PaymentsCheck, CanLookUp, ""},
	ActSettle:     {PaymentsSettle, "", ""},
	ActCancelLink: {PaymentsTake, CanPayByLink, ""},
	ActStoreCard:  {CardsManage, CanTokenFromPast, ""},
	ActReview:     {PaymentsReview, "", ""},
	ActPayout:     {PaymentsPayout, CanPayout, Payout},
}

// Permission is what an action asks of who does it.
func (a Action) Permission() Permission { return actions[a].permission }

// Makes is the type of the transaction that an action writes; empty when it
// writes none.
func (a Action) Makes() TransactionType { return actions[a].makes }

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
	DeniedBusy         Denial = "busy"
	DeniedHeld         Denial = "held"
	DeniedNothingToAsk Denial = "nothing_to_ask"
	DeniedTooMuch      Denial = "too_much"
	DeniedPartRefund   Denial = "part_refund"
	DeniedDisputed     Denial = "disputed"
	DeniedRemoved      Denial = "removed"

	DeniedNoHold      Denial = "no_hold"
	DeniedReleased    Denial = "released"
	DeniedCaptured    Denial = "captured"
	DeniedVoided      Denial = "voided"
	DeniedRefunded    Denial = "refunded"
	DeniedBatchClosed Denial = "batch_closed"
	DeniedOverHold    Denial = "over_hold"
	DeniedWholeHold   Denial = "whole_hold"
	DeniedPartCapture Denial = "part_capture"
	DeniedCurrency    Denial = "currency"
	DeniedAmount      Denial = "amount"
	DeniedTipTooLarge Denial = "tip_too_large"
	DeniedNotASale    Denial = "not_a_sale"
	DeniedNoPerson    Denial = "no_person"
	DeniedNoLink      Denial = "no_link"
	DeniedLinkEnded   Denial = "link_ended"
	DeniedTooOld      Denial = "too_old"
	DeniedNoReview    Denial = "no_review"
	DeniedNoCancel    Denial = "no_cancel"
	DeniedNoRefund    Denial = "no_refund"
	DeniedTerminal    Denial = "terminal"
)

// denialWords says each as a sentence beside the dead button.
var denialWords = map[Denial]string{
	DeniedRole:         "Your role does not allow this.",
	DeniedCapability:   "This provider does not offer it.",
	DeniedNotApproved:  "Nothing was taken, so there is nothing to do this to.",
	DeniedNothingLeft:  "All of it has been refunded.",
	DeniedOutcomeOpen:  "This is off while the payment has no outcome.",
	DeniedBusy:         "This is off while another change of this payment has no outcome.",
	DeniedHeld:         "What is left is held by a refund that has no outcome yet.",
	DeniedNothingToAsk: "The outcome is known.",
	DeniedTooMuch:      "That is more than can be refunded now.",
	DeniedPartRefund:   "This provider refunds only the whole amount.",
	DeniedDisputed:     "The bank has already taken money back; a refund now would pay it twice.",
	DeniedRemoved:      "The connection that took this payment was removed, and its credentials with it.",
	DeniedNoHold:       "Nothing is held on the card.",
	DeniedReleased:     "The hold was released.",
	DeniedCaptured:     "Something was captured already, so this is no longer possible. A refund gives money back.",
	DeniedVoided:       "It was voided.",
	DeniedRefunded:     "A part of it was refunded, so this is no longer possible. Refund the rest instead.",
	DeniedBatchClosed:  "Its batch is closed. A refund gives money back.",
	DeniedOverHold:     "That is more than is held. Increase the hold first.",
	DeniedWholeHold:    "That is all that is held. Void the hold instead.",
	DeniedPartCapture:  "This provider captures only the whole amount.",
	DeniedCurrency:     "The payment is in another currency.",
	DeniedAmount:       "Enter an amount above zero.",
	DeniedTipTooLarge:  "The tip is a part of the amount and cannot be more than it.",
	DeniedNotASale:     "This is possible for a sale only.",
	DeniedNoPerson:     "Nothing here waits for a person.",
	DeniedNoLink:       "This payment has no link that could still be paid.",
	DeniedLinkEnded:    "The link has ended.",
	DeniedTooOld:       "The provider gives a card’s token for twelve months, and this payment is older.",
	DeniedNoCancel:     "The provider has not told yet how this link is cancelled. It ends by itself.",
	DeniedNoRefund:     "There is no refund that could be voided.",
	DeniedTerminal:     "This is possible on a terminal only. Choose one.",
	DeniedNoReview:     "No risk check waits for a person here.",
}

// Denials lists every one that has words.
func Denials() []Denial {
	out := make([]Denial, 0, len(denialWords))
	for d := range denialWords {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

// Words is the denial as a sentence beside the dead button; empty for Possible.
func (d Denial) Words() string {
	if w, ok := denialWords[d]; ok || d == Possible {
		return w
	}
	return string(d)
}

// Standing is everything that decides whether an action is possible: the
// payment with its transactions, and what its connection offers.
type Standing struct {
	Payment
	Transactions []Transaction // newest first
	Caps         Capabilities
	Removed      bool // the connection was removed
	// TokenTooOld: the provider no longer gives the token of this payment's card
	// (twelve months; seed 004, "/transactions/{guid}/token").
	TokenTooOld bool
	// OnTerminal are the actions that a terminal of the connection can do.
	OnTerminal []Action
}

// NeedsTerminal says that an action can be done on a terminal only.
func (s Standing) NeedsTerminal(act Action) bool {
	return slices.Contains(s.OnTerminal, act) && !s.Caps.Has(s.capability(act))
}

// capability is what an action asks of a connection that does it without a
// terminal; empty where none is needed. The void of a refund is done on terminals
// only.
func (s Standing) capability(act Action) Capability {
	switch {
	case act == ActVoid && s.Root().Type == Preauth:
		return CanVoidPreauth
	case act == ActVoid:
		return CanVoidSale
	case act == ActVoidRefund:
		return terminalOnly
	}
	return actions[act].capability
}

// terminalOnly is a capability that no connection has.
const terminalOnly Capability = "terminal_only"

// open says that a transaction of one of the types has no outcome; of any type
// when none is named.
func (s Standing) open(types ...TransactionType) bool {
	return slices.ContainsFunc(s.Transactions, func(t Transaction) bool {
		return t.Status.Open() && (len(types) == 0 || slices.Contains(types, t.Type))
	})
}

func (s Standing) approved(t TransactionType) bool {
	return slices.ContainsFunc(s.Transactions, func(x Transaction) bool { return x.Type == t && x.Status == TxApproved })
}

// Root is the transaction that began the payment.
func (s Standing) Root() Transaction {
	root, _ := Root(s.Transactions)
	return root
}

// Charge is the transaction that took the payment's money and that a refund
// follows up: its sale, or the newest capture of what was held.
func (s Standing) Charge() Transaction {
	root := s.Root()
	if root.Type == Preauth {
		for _, t := range s.Transactions {
			if t.Type == Capture && t.Status == TxApproved {
				return t
			}
		}
	}
	return root
}

// LastRefund is the newest refund that went through and was not voided; its id is
// zero when there is none.
func (s Standing) LastRefund() Transaction {
	for _, t := range s.Transactions {
		if t.Type == Refund && t.Status == TxApproved && !s.voided(t) {
			return t
		}
	}
	return Transaction{}
}

// voided says that a void of that very operation went through. One that names
// nothing is of what began the payment.
func (s Standing) voided(o Transaction) bool {
	return slices.ContainsFunc(s.Transactions, func(t Transaction) bool {
		return t.Type == Void && t.Status == TxApproved && (t.OriginalRef == o.ProviderRef && o.ProviderRef != "" || t.OriginalRef == "" && o.Type.Begins())
	})
}

// AllowedOnTerminal is Allowed for an action that is done on a terminal.
func AllowedOnTerminal(actor Actor, s Standing, act Action) Denial {
	d := Allowed(actor, s, act)
	if d == Possible && !slices.Contains(s.OnTerminal, act) {
		return DeniedCapability
	}
	return d
}

// Allowed is the one answer to "may this person do this to this payment, and
// can the provider do it?", on a terminal or without one. Pages, the JSON API, the use cases and tests all ask
// it. It is pure; the use case asks it again under the payment's lock. The
// amount is judged by AllowedAmount.
func Allowed(actor Actor, s Standing, act Action) Denial {
	rule, known := actions[act]
	if !known {
		return DeniedCapability
	}
	// A question that has no answer to give is no matter of who asks.
	if act == ActCheck && !s.open() {
		return DeniedNothingToAsk
	}
	if !actor.Role.May(rule.permission) {
		return DeniedRole
	}
	if c := s.capability(act); c != "" && !s.Caps.Has(c) && !slices.Contains(s.OnTerminal, act) {
		if s.Removed {
			return DeniedRemoved
		}
		return DeniedCapability
	}
	switch act {
	case ActRefund:
		return s.refund()
	case ActCapture, ActIncrease, ActDecrease:
		return s.changeHold(act)
	case ActVoid:
		return s.void()
	case ActVoidRefund:
		return s.voidRefund()
	case ActTip:
		return s.tip()
	case ActSettle:
		if !s.person() {
			return DeniedNoPerson
		}
	case ActCancelLink:
		switch root := s.Root(); {
		case !root.Link():
			return DeniedNoLink
		case !root.Status.Open():
			return DeniedLinkEnded
		case root.CancelRef == "":
			return DeniedNoCancel
		}
	case ActStoreCard:
		switch charge := s.Charge(); {
		case charge.Status.Open():
			return DeniedOutcomeOpen
		case charge.Status != TxApproved || charge.ProviderRef == "":
			return DeniedNotApproved
		case s.TokenTooOld:
			return DeniedTooOld
		}
	case ActPayout:
		// To the card of this payment, which its provider knows.
		switch charge := s.Charge(); {
		case charge.Status.Open():
			return DeniedOutcomeOpen
		case charge.Status != TxApproved || charge.ProviderRef == "":
			return DeniedNotApproved
		}
	case ActReview:
		if s.Review.State != ReviewWaiting {
			return DeniedNoReview
		}
	}
	return Possible
}

// person says that an outcome waits for a person: nobody asks the provider any
// more, or there is nothing to ask it by.
func (s Standing) person() bool {
	return slices.ContainsFunc(s.Transactions, s.WaitsForPerson)
}

func (s Standing) refund() Denial {
	switch {
	case s.Kind == Payout || s.Kind == Register:
		return DeniedNotASale
	case s.Captured.IsZero() && s.Root().Status.Open():
		return DeniedOutcomeOpen
	case s.Captured.IsZero() && s.approved(Void):
		return DeniedVoided
	case s.Captured.IsZero():
		return DeniedNotApproved
	case s.ChargedBack.IsPositive():
		return DeniedDisputed
	case s.open(Void, TipAdjustment):
		return DeniedBusy
	case s.Refundable().IsZero() && !s.Held.IsZero():
		return DeniedHeld
	case s.Refundable().IsZero():
		return DeniedNothingLeft
	}
	return Possible
}

func (s Standing) changeHold(act Action) Denial {
	switch root := s.Root(); {
	case root.Type != Preauth:
		return DeniedNoHold
	case root.Status.Open():
		return DeniedOutcomeOpen
	case root.Status != TxApproved:
		return DeniedNoHold
	case s.approved(Void) && s.Authorised.IsZero() && s.Captured.IsZero():
		return DeniedReleased
	case s.approved(Capture) && (act != ActCapture || !s.Caps.Has(CanCaptureAgain)):
		return DeniedCaptured
	case s.Authorised.IsZero():
		return DeniedNoHold
	case s.open():
		return DeniedBusy
	}
	return Possible
}

func (s Standing) void() Denial {
	root := s.Root()
	switch {
	case root.Type != Sale && root.Type != Preauth:
		return DeniedNotASale
	case root.Status.Open():
		return DeniedOutcomeOpen
	case root.Status != TxApproved:
		return DeniedNotApproved
	case s.open():
		return DeniedBusy
	case root.Type == Preauth && s.approved(Capture):
		return DeniedCaptured
	case root.Type == Preauth && s.Authorised.IsZero():
		return DeniedReleased
	case root.Type == Preauth:
		return Possible
	case s.voided(root):
		return DeniedVoided
	case s.ChargedBack.IsPositive():
		return DeniedDisputed
	case s.approved(Refund):
		return DeniedRefunded
	case !s.BatchClosedAt.IsZero():
		return DeniedBatchClosed
	}
	return Possible
}

func (s Standing) voidRefund() Denial {
	switch {
	case s.Kind == Payout || s.Kind == Register:
		return DeniedNotASale
	case s.open():
		return DeniedBusy
	case s.LastRefund().ID.IsZero():
		return DeniedNoRefund
	case !s.BatchClosedAt.IsZero():
		return DeniedBatchClosed
	}
	return Possible
}

func (s Standing) tip() Denial {
	root := s.Root()
	switch {
	case root.Type != Sale:
		return DeniedNotASale
	case root.Status.Open():
		return DeniedOutcomeOpen
	case root.Status != TxApproved:
		return DeniedNotApproved
	case !s.BatchClosedAt.IsZero():
		return DeniedBatchClosed
	case s.voided(root):
		return DeniedVoided
	case s.ChargedBack.IsPositive():
		return DeniedDisputed
	case s.approved(Refund):
		return DeniedRefunded
	case s.open():
		return DeniedBusy
	}
	return Possible
}

// AllowedAmount judges the sum of an action that Allowed calls possible. Of a
// capture, tip is the part of the amount that is a tip. A void takes no amount.
func AllowedAmount(s Standing, act Action, amount, tip money.Amount) Denial {
	if act == ActVoid || act == ActVoidRefund {
		return Possible
	}
	if amount.Currency() != s.Amount.Currency() || tip != (money.Amount{}) && tip.Currency() != s.Amount.Currency() {
		return DeniedCurrency
	}
	if amount.IsNegative() || amount.IsZero() && act != ActTip || tip.IsNegative() {
		return DeniedAmount
	}
	than := func(limit money.Amount) int {
		c, err := amount.Cmp(limit)
		if err != nil {
			return 1
		}
		return c
	}
	switch act {
	case ActRefund:
		switch {
		case than(s.Refundable()) > 0:
			return DeniedTooMuch
		case !s.Caps.Has(CanPartRefund) && than(s.Captured) != 0:
			return DeniedPartRefund
		}
	case ActCapture:
		switch {
		case tip != (money.Amount{}) && than(tip) < 0:
			return DeniedTipTooLarge
		case than(s.Authorised) > 0:
			return DeniedOverHold
		case !s.Caps.Has(CanPartCapture) && than(s.Authorised) != 0:
			return DeniedPartCapture
		}
	case ActDecrease:
		switch {
		case than(s.Authorised) > 0:
			return DeniedOverHold
		case than(s.Authorised) == 0:
			return DeniedWholeHold
		}
	}
	return Possible
}
