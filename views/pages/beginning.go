package pages

import (
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// BeginningView is what a payment's page shows of how the payment began: its
// link while it can be paid on, and what else can be done with its card.
type BeginningView struct {
	Root       domain.Transaction
	LinkURL    string        // empty: there is none, or not yet
	CancelLink domain.Denial // Possible, or why the link cannot be cancelled
	StoreCard  domain.Denial
	Payout     bool // money can be paid out to this payment's card
}

// CancelLinkView is /payments/{id}/link-cancel.
type CancelLinkView struct {
	Layout    layouts.Model
	Payment   domain.Payment
	Root      domain.Transaction
	Denied    domain.Denial
	FormError string
}

// StoreCardView is /payments/{id}/store-card: its form has customer.
type StoreCardView struct {
	Layout    layouts.Model
	Payment   domain.Payment
	Customer  string
	Denied    domain.Denial
	Errors    map[string]string
	FormError string
}

// storable says that the card of the payment can be kept.
func storable(v PaymentView) bool {
	return v.Begin.StoreCard == domain.Possible && !v.Begin.Root.ID.IsZero()
}

// linkNote are the notes of a link that nobody has paid on yet. mine is false
// for everything else.
func linkNote(v PaymentView, t domain.Transaction) (n note, mine bool) {
	amount, provider, at := v.Layout.Money(t.Amount), providerWord(v.Payment), eventTime(v, t.CreatedAt)
	if !t.Link() {
		return note{}, false
	}
	switch t.Status {
	case domain.TxProcessing:
		return note{tone: "info", icon: "link", title: "Waiting for the customer to pay " + amount, text: "Nothing is taken before. This page follows what happens."}, true
	case domain.TxPending:
		return note{tone: "info", icon: "loader-circle", title: "Making a link for " + amount, text: "Sent at " + at + ". This page follows what happens.", forbid: "Do not make another one."}, true
	case domain.TxUnknown:
		n := openNote(v, t, note{tone: "unknown", icon: "circle-question-mark", title: "We do not know yet whether the link was made", forbid: "Do not make another one."})
		n.text = "We sent it at " + at + " and " + provider + " did not answer. " + asking(v, t)
		n.after = amount + " stays out of every total until we know." + takesOver(v, t)
		return n, true
	}
	return note{}, false
}

// beganTitle is the timeline's title of what has a word of its own; empty for
// everything else.
func beganTitle(t domain.Transaction) string {
	if t.Link() && t.Status == domain.TxProcessing {
		return "Link sent"
	}
	titles, ok := map[domain.TransactionType]struct{ doing, unknown, done, not, person string }{
		domain.Register:   {"Storing the card", "Card sent to be stored, outcome unknown", "Card stored", "Card not stored", "Storing the card needs a person"},
		domain.Deregister: {"Forgetting the card", "Card sent to be forgotten, outcome unknown", "Card forgotten", "Card not forgotten", "Forgetting the card needs a person"},
		domain.Payout:     {"Paying out", "Payout sent, outcome unknown", "Paid out", "Not paid out", "Payout needs a person"},
	}[t.Type]
	switch {
	case !ok:
		return ""
	case t.Status == domain.TxProcessing && t.RedirectURL != "":
		return "Waiting for the card"
	}
	return map[domain.TransactionStatus]string{domain.TxPending: titles.doing, domain.TxProcessing: titles.doing, domain.TxUnknown: titles.unknown, domain.TxApproved: titles.done,
		domain.TxDeclined: titles.not, domain.TxFailed: titles.not, domain.TxNeedsPerson: titles.person}[t.Status]
}

// howItBegan is what kind of payment it is, where it is no plain sale; empty for
// that.
func howItBegan(p domain.Payment) string {
	switch p.Kind {
	case domain.Preauth, domain.Payout, domain.Register:
		return p.Kind.Label()
	}
	return ""
}

// beganWith are the facts of how a payment began.
func beganWith(v PaymentView) []components.Line {
	var facts []components.Line
	root := v.Begin.Root
	if kind := howItBegan(v.Payment); kind != "" {
		facts = append(facts, components.Line{Label: "Kind", Value: kind})
	}
	if root.Surcharge.IsPositive() {
		facts = append(facts, components.Line{Label: "Surcharge", Value: v.Layout.Money(root.Surcharge) + " of it"})
	}
	if !root.CapturesAt.IsZero() {
		facts = append(facts, components.Line{Label: "Captured by itself", Value: v.Layout.Zone().Full(root.CapturesAt)})
	}
	if root.Link() {
		facts = append(facts, components.Line{Label: "Link ends", Value: v.Layout.Zone().Full(root.ExpiresAt)})
	}
	return facts
}

// signedAmount is a payment's amount with the direction that its money goes in.
func signedAmount(m layouts.Model, p domain.Payment) string {
	if p.Kind == domain.Payout {
		return m.Money(negative(p.Amount))
	}
	return m.Money(p.Amount)
}
