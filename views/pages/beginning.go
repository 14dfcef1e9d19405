package pages

import (
	"strings"

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

// beginsOtherwise are the notes of what began as something else than a sale: a
// link, a hold, a payout, a stored card. mine is false for everything else.
func beginsOtherwise(v PaymentView, t domain.Transaction, newest bool) (n note, show, mine bool) {
	amount, provider, at := v.Layout.Money(t.Amount), providerWord(v.Payment), eventTime(v, t.CreatedAt)
	switch {
	case t.Link() && t.Status == domain.TxProcessing:
		n = note{tone: "info", icon: "link", title: "Waiting for the customer to pay " + amount, text: "Nothing is taken before. This page follows what happens."}
		return n, true, true
	case t.Link() && t.Status == domain.TxPending:
		return note{tone: "info", icon: "loader-circle", title: "Making a link for " + amount, text: "Sent at " + at + ". This page follows what happens.", forbid: "Do not make another one."}, true, true
	case t.Link() && t.Status == domain.TxUnknown:
		n = note{tone: "unknown", icon: "circle-question-mark", title: "We do not know yet whether the link was made", text: "We sent it at " + at + " and " + provider + " did not answer. " + asking(v, t),
			forbid: "Do not make another one.", after: amount + " stays out of every total until we know." + takesOver(v, t)}
		return n, true, true
	}
	words, mine := beginnings[t.Type]
	if !mine {
		return note{}, false, false
	}
	fill := strings.NewReplacer("{amount}", amount).Replace
	switch t.Status {
	case domain.TxPending, domain.TxProcessing:
		n = note{tone: "info", icon: "loader-circle", title: fill(words.doing), text: "Sent at " + at + ". This page follows what happens.", forbid: words.forbid}
		if v.FrameURL != "" {
			n.title, n.forbid = "Waiting for the card", ""
			n.text = words.before + " before the card is typed on " + possessive(provider) + " page. This page follows what happens."
		}
	case domain.TxUnknown:
		n = note{tone: "unknown", icon: "circle-question-mark", title: fill(words.unknown), text: "We sent it at " + at + " and " + provider + " did not answer, so it may or may not have gone through. " + asking(v, t),
			forbid: words.forbid, after: takesOver(v, t)}
	case domain.TxNeedsPerson:
		n = note{tone: "warn", icon: "user-round-search", title: fill(words.person), forbid: words.forbid,
			text: "We asked " + provider + " " + components.Count(t.Asked, "time", "times") + " since " + at + " and stopped asking. A person must find it at the provider: its reference there is " + t.AttemptRef + "."}
	case domain.TxDeclined:
		n = explained(note{tone: "bad", icon: "circle-x", title: "Declined. " + words.nothing}, t)
	case domain.TxFailed:
		n = explained(note{tone: "quiet", icon: "circle-x", title: words.failed + " " + words.nothing}, t)
	case domain.TxApproved:
		n = note{tone: "good", icon: "circle-check", title: fill(words.done), text: v.Payment.Card.Prose() + "."}
		if t.AuthCode != "" {
			n.text += " Auth code " + t.AuthCode + "."
		}
		n.after = fill(words.after)
		if t.Type == domain.Deregister {
			n.text = v.Payment.Card.Prose() + ". " + providerWord(v.Payment) + " forgot it too."
		}
		if t.Type == domain.Register && t.Note != "" {
			n.text = v.Payment.Card.Prose() + ", " + t.Note + "."
		}
	}
	settled := !t.Status.Open()
	return n, !settled || newest && (t.Status != domain.TxApproved || v.JustTaken || t.Amount.IsZero()), true
}

// beginnings are the words of each.
var beginnings = map[domain.TransactionType]struct{ doing, before, unknown, person, forbid, nothing, failed, done, after string }{
	domain.Preauth: {"Holding {amount}", "Nothing is held", "We do not know yet whether {amount} is held", "A person must find out whether {amount} is held",
		"Do not hold it again.", "Nothing is held.", "It did not happen.", "{amount} held", "Nothing is taken before you capture it."},
	domain.Payout: {"Paying out {amount}", "Nothing is paid out", "We do not know yet whether {amount} was paid out", "A person must find out whether {amount} was paid out",
		"Do not pay it out again or give cash.", "Nothing was paid out.", "It did not happen.", "{amount} paid out", "The customer usually sees it in 3 to 5 working days."},
	domain.Register: {"Storing the card", "Nothing is stored", "We do not know yet whether the card was stored", "A person must find out whether the card was stored",
		"Do not store it again.", "Nothing was stored.", "It did not happen.", "Card stored", "It stands under Stored cards."},
	domain.Deregister: {"Forgetting the card", "", "We do not know yet whether the card was forgotten", "A person must find out whether the card was forgotten",
		"It is not charged meanwhile.", "The card is still stored.", "It did not happen.", "Card forgotten", ""},
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
