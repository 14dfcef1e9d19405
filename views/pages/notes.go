package pages

import (
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// note is one result at the top of the page.
type note struct {
	id, tone, icon, title, text, forbid, after, tell, say string
	retry                                                 domain.RetryAdvice
	again                                                 bool
	// known is what is known of an operation without an outcome.
	known   []components.Line
	decides *Deciding
	byHand  domain.TransactionID // zero: no person can end it now
}

// opWords are what a page says of one type of operation; %s is its amount.
type opWords struct {
	unsure  string // after "We do not know yet whether "
	forbid  string // the repeat that must not be
	kept    string // what happens to its amount until then
	doing   string
	before  string // what is not done before a card is typed on the provider's page
	nothing string // what a "no" leaves as it was
	done    string
	then    string // after done
}

var operations = map[domain.TransactionType]opWords{
	domain.Sale: {unsure: "%s was taken", forbid: "Do not charge again.", kept: "%s stays out of every total until we know.", doing: "Charging %s",
		before: "Nothing is charged", nothing: "Nothing was taken.", done: "%s taken"},
	domain.Refund: {unsure: "%s was refunded", forbid: "Do not refund again or give cash.", kept: "%s stays held until we know.", doing: "Refunding %s",
		nothing: "Nothing was given back.", done: "%s refunded", then: "The customer usually sees it in 3 to 5 working days."},
	domain.Preauth: {unsure: "%s is held", forbid: "Do not hold it again.", kept: "It is in no total until we know.", doing: "Holding %s",
		before: "Nothing is held", nothing: "Nothing is held.", done: "%s held", then: "Nothing is taken before you capture it."},
	domain.Capture: {unsure: "%s was captured", forbid: "Do not capture again.", kept: "%s stays out of every total until we know.", doing: "Capturing %s",
		nothing: "Nothing was captured.", done: "%s captured"},
	domain.Increment: {unsure: "the hold was increased by %s", forbid: "Do not increase it again.", kept: "Everything else about the hold is off until we know.",
		doing: "Increasing the hold by %s", nothing: "The hold is as it was.", done: "The hold was increased by %s"},
	domain.Decrement: {unsure: "the hold was decreased by %s", forbid: "Do not decrease it again.", kept: "Everything else about the hold is off until we know.",
		doing: "Decreasing the hold by %s", nothing: "The hold is as it was.", done: "The hold was decreased by %s"},
	domain.Void: {unsure: "%s was voided", forbid: "Do not void it again or give cash.", kept: "Everything else about this payment is off until we know.",
		doing: "Voiding %s", nothing: "Nothing was voided.", done: "%s voided", then: "The customer’s bank usually frees it within a few days."},
	domain.TipAdjustment: {unsure: "the tip was set to %s", forbid: "Do not set it again.", kept: "The old tip counts until we know.", doing: "Setting the tip to %s",
		nothing: "The tip is as it was.", done: "Tip set to %s", then: "It is taken with the sale when the batch closes."},
	domain.Payout: {unsure: "%s was paid out", forbid: "Do not pay it out again or give cash.", kept: "It is in no total until we know.", doing: "Paying out %s",
		before: "Nothing is paid out", nothing: "Nothing was paid out.", done: "%s paid out", then: "The customer usually sees it in 3 to 5 working days."},
	domain.Register: {unsure: "the card was stored", forbid: "Do not store it again.", doing: "Storing the card", before: "Nothing is stored", nothing: "Nothing was stored.",
		done: "Card stored", then: "It stands under Stored cards."},
	domain.Deregister: {unsure: "the card was forgotten", forbid: "Do not do it again.", doing: "Forgetting the card", nothing: "The card is still stored.", done: "Card forgotten"},
}

func (w opWords) with(text, amount string) string { return strings.ReplaceAll(text, "%s", amount) }

// resultNotes says what happened last, everything that is still open, and every
// contradiction: the newest first.
func resultNotes(v PaymentView) []note {
	var notes []note
	for i, t := range v.Transactions {
		for n, one := range []func(PaymentView, domain.Transaction, bool) (note, bool){noteOf, stillAskingNote, lateNote, recoveredNote, differenceNote} {
			if made, ok := one(v, t, i == 0); ok {
				made.id = t.Reference + "-" + strconv.Itoa(n)
				notes = append(notes, made)
			}
		}
	}
	return notes
}

func noteOf(v PaymentView, t domain.Transaction, newest bool) (note, bool) {
	if n, mine := linkNote(v, t); mine {
		if v.ForPerson[t.ID] && t.Status != domain.TxProcessing {
			n.byHand = t.ID
		}
		return n, true
	}
	w, known := operations[t.Type]
	switch {
	case t.Type == domain.Chargeback:
		return chargebackNote(v, t)
	case !known:
		return note{}, false
	}
	amount, provider, at := v.Layout.Money(t.Amount), providerWord(v.Payment), eventTime(v, t.CreatedAt)
	sale := t.Type == domain.Sale
	switch t.Status {
	case domain.TxUnknown:
		n := openNote(v, t, note{tone: "unknown", icon: "circle-question-mark", title: "We do not know yet whether " + w.with(w.unsure, amount), forbid: w.forbid})
		n.text = "We sent it at " + at + " and " + provider + " did not answer, so it may or may not have gone through. " + asking(v, t)
		n.after = w.with(w.kept, amount) + takesOver(v, t)
		return n, true
	case domain.TxNeedsPerson:
		n := openNote(v, t, note{tone: "warn", icon: "user-round-search", title: "A person must find out whether " + w.with(w.unsure, amount)})
		n.text = "We asked " + provider + " " + components.Count(t.Asked, "time", "times") + " since " + at + " and have no outcome. We go on asking once a day"
		if t.NextAskAt.After(v.Layout.Now) {
			n.text += ", next at " + eventTime(v, t.NextAskAt)
		}
		n.text += "."
		if t.ProviderText != "" {
			n.text += " The last that is known: “" + strings.TrimRight(t.ProviderText, ".") + "”."
		}
		n.forbid = strings.TrimSuffix(w.forbid, ".") + " until then."
		n.tell = "Look for our reference in " + possessive(provider) + " own pages, or call them."
		return n, true
	case domain.TxPending, domain.TxProcessing:
		if r, ok := running(v); ok && r.ID == t.ID && !v.ForPerson[t.ID] {
			return note{}, false // the steps say it
		}
		n := note{tone: "info", icon: "loader-circle", title: w.with(w.doing, amount), text: "Sent at " + at + ". This page follows what happens.", forbid: w.forbid}
		switch {
		case t.Type.Begins() && v.FrameURL != "":
			n.title, n.forbid = "Waiting for the card", ""
			n.text = w.before + " before the card is typed on " + possessive(provider) + " page. This page follows what happens."
		case t.Status == domain.TxProcessing || t.Asked > 0:
			n = openNote(v, t, n)
			n.text = "Sent at " + at + "; " + provider + " has it and says that it is not final. " + asking(v, t)
		}
		if v.ForPerson[t.ID] {
			n.byHand = t.ID
		}
		return n, true
	case domain.TxDeclined, domain.TxFailed:
		if !newest {
			return note{}, false
		}
		n := note{tone: "bad", icon: "circle-x", title: "The " + lowerLabel(t.Type) + " was declined. " + w.nothing}
		if t.Type.Begins() {
			n.title = "Declined. " + w.nothing
		}
		if t.Status == domain.TxFailed {
			n.tone, n.title = "quiet", "The "+lowerLabel(t.Type)+" did not happen. "+w.nothing
			switch {
			case sale:
				n.title = "Not charged. " + w.nothing
			case t.Type.Begins():
				n.title = "It did not happen. " + w.nothing
			}
		}
		return explained(n, t), true
	case domain.TxApproved:
		if !newest || !v.JustTaken && t.Type != domain.Register {
			return note{}, false
		}
		n := note{tone: "good", icon: "circle-check", title: w.with(w.done, amount), text: v.Payment.Card.Prose() + ".", after: w.then}
		if t.AuthCode != "" {
			n.text += " Auth code " + t.AuthCode + "."
		}
		if t.Type == domain.Register && t.Note != "" {
			n.text = v.Payment.Card.Prose() + ", " + t.Note + "."
		}
		if sale {
			n.after = "The receipt is on this page."
		}
		return n, true
	}
	return note{}, false
}

// openNote adds what is known of an operation without an outcome, and what can
// end it.
func openNote(v PaymentView, t domain.Transaction, n note) note {
	n.known = []components.Line{{Label: "Sent", Value: t.Type.Label() + " of " + v.Layout.Money(t.Amount) + ", " + v.Layout.Zone().Event(t.CreatedAt)},
		{Label: "Through", Value: join(v.Payment.ConnectionName, providerWord(v.Payment))},
		{Label: "Our reference there", Value: t.AttemptRef, Mono: true}}
	if t.ProviderRef != "" {
		n.known = append(n.known, components.Line{Label: "Their reference", Value: t.ProviderRef, Mono: true})
	}
	if t.Said.Known() {
		n.known = append(n.known, components.Line{Label: "Their last answer", Value: t.Said.Verdict.Label() + ", " + eventTime(v, t.Said.At)})
	}
	if d, ok := v.Decides[t.ID]; ok && t.Status != domain.TxNeedsPerson {
		n.decides = &d
	}
	if v.ForPerson[t.ID] {
		n.byHand = t.ID
	}
	return n
}

func chargebackNote(v PaymentView, t domain.Transaction) (note, bool) {
	if t.Status != domain.TxApproved || !v.Payment.ChargedBack.IsPositive() {
		return note{}, false
	}
	n := note{tone: "warn", icon: "scale", title: "The bank took " + v.Layout.Money(t.Amount) + " back"}
	n.text = providerWord(v.Payment) + " told us at " + eventTime(v, t.CreatedAt) + "."
	if t.Note != "" {
		n.text += " The bank’s reason: “" + t.Note + "”."
	}
	n.forbid = "Do not refund it as well."
	return n, true
}

// lateNote says that a "no" became a "yes" afterwards.
func lateNote(v PaymentView, t domain.Transaction, _ bool) (note, bool) {
	if t.Status != domain.TxApproved || t.Before.Status == "" {
		return note{}, false
	}
	n := note{tone: "warn", icon: "triangle-alert", title: "The provider said later that it did go through"}
	n.text = "At " + eventTime(v, t.Before.At) + " "
	if t.Before.Reason == domain.ReasonByHand && t.Hand.ByName != "" {
		n.text += t.Hand.ByName + " wrote down that the " + lowerLabel(t.Type) + " of " + v.Layout.Money(t.Amount) + " had not happened."
	} else {
		what, _ := t.Before.Reason.Words()
		n.text += "the " + lowerLabel(t.Type) + " of " + v.Layout.Money(t.Amount) + " counted as “" + strings.ToLower(t.Before.Status.Label()) + "”: " + what
	}
	n.text += " At " + eventTime(v, t.SettledAt) + " " + providerWord(v.Payment) + " approved it, and it counts."
	switch t.Type {
	case domain.Sale, domain.Capture:
		n.after = "If it was charged once more meanwhile, refund one of the two."
	case domain.Refund, domain.Void, domain.Payout:
		n.after = "If the customer was given the money in another way meanwhile, it left twice."
	}
	return n, true
}

// differenceNote says that the provider's last answer contradicts a record that
// is final here.
func differenceNote(v PaymentView, t domain.Transaction, _ bool) (note, bool) {
	fields := domain.Differences(v.Payment, v.Transactions, t)
	if len(fields) == 0 {
		return note{}, false
	}
	provider := providerWord(v.Payment)
	n := note{tone: "bad", icon: "equal-not", title: "Our record and " + possessive(provider) + " differ"}
	switch {
	case t.Hand.Status == domain.TxApproved && t.Status == domain.TxApproved && fields[0] == "Outcome":
		n.title = "A person said yes and the provider says no"
		n.text = t.Hand.ByName + " wrote down at " + eventTime(v, t.Hand.At) + " that the " + lowerLabel(t.Type) + " went through. At " + eventTime(v, t.Said.At) + " " + provider +
			" answered “" + strings.ToLower(t.Said.Verdict.Label()) + "”. Nothing was changed by that: a person must find out who is right."
	case fields[0] == "Outcome":
		n.text = "Of the " + lowerLabel(t.Type) + " of " + v.Layout.Money(t.Amount) + " we say “" + strings.ToLower(t.Status.Label()) + "”, and " + provider + " answered “" +
			strings.ToLower(t.Said.Verdict.Label()) + "” at " + eventTime(v, t.Said.At) + ". Nothing was changed by that: a person must find out who is right."
	default:
		n.text = "About the " + lowerLabel(t.Type) + " of " + v.Layout.Money(t.Amount) + " " + provider + " tells another " + strings.ToLower(inARow(fields)) + " at " +
			eventTime(v, t.Said.At) + ". Nothing was changed by that: a person must find out who is right."
	}
	n.tell = "Compare both below, under “Our record and the provider’s”, and ask " + provider + "."
	return n, true
}

// inARow is a list in a sentence: "amount, tip and auth code".
func inARow(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// lowerLabel is a type's word inside a sentence.
func lowerLabel(t domain.TransactionType) string { return strings.ToLower(t.Label()) }

func decidesBefore(v PaymentView, d Deciding) string {
	if d.Wants > 1 {
		return "From"
	}
	return "If it never arrived, " + providerWord(v.Payment) + " can say so from"
}

func decidesAfter(v PaymentView, d Deciding) string {
	if d.Wants > 1 {
		return "on, " + strconv.Itoa(d.Wants) + " answers “not known” in a row mean that " + providerWord(v.Payment) + " never charged it. There were " + strconv.Itoa(d.Has) + " so far."
	}
	return "on. Before that, “not known” means nothing."
}

func secondsLeft(v PaymentView, at time.Time) string {
	return strconv.Itoa(int(max(0, at.Sub(v.Layout.Now)) / time.Second))
}

// leftWords is the time that is left, as the script writes it too.
func leftWords(d time.Duration) string {
	s := int(d / time.Second)
	switch {
	case s <= 0:
		return "now"
	case s < 60:
		return strconv.Itoa(s) + " s left"
	case s < 3600:
		return strconv.Itoa(s/60) + " min " + strconv.Itoa(s%60) + " s left"
	}
	return strconv.Itoa(s/3600) + " h " + strconv.Itoa(s%3600/60) + " min left"
}

func timelineTitle(v PaymentView, t domain.Transaction) string {
	if title := beganTitle(t); title != "" {
		return title
	}
	name, amount := t.Type.Label(), v.Layout.Money(t.Amount)
	switch t.Status {
	case domain.TxPending:
		return name + " being sent"
	case domain.TxProcessing:
		if t.RedirectURL != "" && t.Type.Begins() {
			return "Waiting for the card"
		}
		return name + " in progress"
	case domain.TxUnknown:
		return name + " sent, outcome unknown"
	case domain.TxApproved:
		switch t.Type {
		case domain.Chargeback:
			return "Charged back by the bank"
		case domain.ChargebackReversal:
			return "Chargeback reversed"
		case domain.Adjustment:
			return "Amount changed by the provider"
		case domain.Void:
			if v.Payment.Kind == domain.Preauth {
				return "Hold released"
			}
			return "Voided"
		case domain.Capture:
			return "Captured"
		case domain.Preauth:
			return "Held on the card"
		case domain.Increment:
			return "Hold increased"
		case domain.Decrement:
			return "Hold decreased"
		case domain.TipAdjustment:
			return "Tip set to " + amount + " (was " + v.Layout.Money(tipBefore(v, t)) + ")"
		}
		return name + " approved"
	case domain.TxDeclined:
		return name + " declined"
	case domain.TxFailed:
		if t.Type == domain.Sale {
			return "Sale not charged"
		}
		return name + " did not happen"
	case domain.TxNeedsPerson:
		return name + " needs a person"
	}
	return name
}

// tipBefore is the tip that an approved one took the place of.
func tipBefore(v PaymentView, t domain.Transaction) money.Amount {
	seen := false
	for _, x := range v.Transactions { // newest first
		switch {
		case x.ID == t.ID:
			seen = true
		case seen && x.Type == domain.TipAdjustment && x.Status == domain.TxApproved:
			return x.Amount
		case seen && x.Type == domain.Sale && x.Tip != (money.Amount{}):
			return x.Tip
		}
	}
	return money.Zero(t.Amount.Currency())
}

func timelineAmount(m layouts.Model, t domain.Transaction) string {
	switch t.Type {
	case domain.Refund, domain.Chargeback, domain.Void, domain.Decrement, domain.Payout:
		return m.Money(negative(t.Amount))
	case domain.Register, domain.Deregister:
		return ""
	case domain.Increment:
		return "+" + m.Money(t.Amount)
	}
	return m.Money(t.Amount)
}

func timelineWords(v PaymentView, t domain.Transaction) []string {
	var out []string
	if what := t.Explain().What; what != "" {
		out = append(out, what)
	}
	if t.Tip != (money.Amount{}) && t.Tip.IsPositive() && t.Type != domain.TipAdjustment {
		out = append(out, v.Layout.Money(t.Tip)+" of it is a tip.")
	}
	if !t.DeviceID.IsZero() {
		where := "On " + onDevice(v, t)
		if t.Recovered {
			where += "; the result came late, from its own memory"
		}
		out = append(out, where+".")
	}
	if t.Type == domain.Capture && t.Final && t.Status == domain.TxApproved {
		out = append(out, "What was left of the hold was given back.")
	}
	if t.Hand.Status != "" {
		verb := " wrote down that it did not happen: “"
		if t.Hand.Status == domain.TxApproved {
			verb = " wrote down that it went through: “"
		}
		out = append(out, eventTime(v, t.Hand.At)+": "+t.Hand.ByName+verb+t.Hand.Note+"”")
	}
	if t.Before.Status != "" && t.Status == domain.TxApproved {
		out = append(out, "Counted as “"+strings.ToLower(t.Before.Status.Label())+"” from "+eventTime(v, t.Before.At)+" until "+eventTime(v, t.SettledAt)+".")
	}
	return out
}
