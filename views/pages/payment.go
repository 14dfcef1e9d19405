package pages

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

func receiptURL(id domain.PaymentID) templ.SafeURL { return paymentURL(id) + "/receipt" }

// liveAttributes make the fragment ask for itself while it may change. The
// header tells the server that nobody clicked, so the session does not last
// longer for it.
func liveAttributes(v PaymentView) templ.Attributes {
	if !v.Live {
		return nil
	}
	return templ.Attributes{
		"hx-get":          liveURL(v),
		"hx-trigger":      "every 3s, refresh",
		"hx-target":       "#payment-live",
		"hx-select":       "#payment-live",
		"hx-swap":         "outerMorph",
		"hx-headers":      `{"X-Background":"1"}`,
		"data-background": true,
	}
}

// liveURL tells the server whether the loaded page may hold the provider's
// frame: its frame-src was fixed when it was loaded.
func liveURL(v PaymentView) string {
	if v.FrameNow {
		return string(paymentURL(v.Payment.ID)) + "?frame=1"
	}
	return string(paymentURL(v.Payment.ID))
}

func checkURL(v PaymentView) string {
	if v.FrameNow {
		return string(paymentURL(v.Payment.ID)) + "/check?frame=1"
	}
	return string(paymentURL(v.Payment.ID)) + "/check"
}

// liveWords is what a reader is told when a poll brings a change.
func liveWords(v PaymentView) string {
	return "Payment " + v.Payment.Reference + ": " + v.Payment.Status.Label() + "."
}

// headWords is the line under the amount: the card, and how it was taken.
func headWords(p domain.Payment) string {
	switch p.Method {
	case domain.MethodFrame:
		return p.Card.Prose() + ", by phone"
	case domain.MethodPage:
		return p.Card.Prose() + ", by phone on the provider’s page"
	case domain.MethodCard:
		return p.Card.Prose() + ", saved card"
	case domain.MethodTerminal:
		return p.Card.Prose() + ", on a terminal"
	case domain.MethodSchedule:
		return p.Card.Prose() + ", by a schedule"
	case domain.MethodLink:
		return p.Card.Prose() + ", on a payment link"
	}
	return p.Card.Prose()
}

func providerWord(p domain.Payment) string {
	if p.Provider != "" {
		return p.Provider
	}
	return "the provider"
}

// showDeadRefund: a dead button says why, but only where a refund could ever
// be thought of.
func showDeadRefund(v PaymentView) bool {
	return v.Refund != domain.DeniedNotApproved && v.Refund != domain.DeniedRole
}

// note is one result at the top of the page.
type note struct {
	id, tone, icon, title, text, forbid, after, tell, say string
	retry                                                 domain.RetryAdvice
	again                                                 bool
}

// resultNotes says what happened last, and everything that is still open:
// the newest first.
func resultNotes(v PaymentView) []note {
	var notes []note
	for i, t := range v.Transactions {
		n, ok := noteOf(v, t, i == 0)
		if ok {
			n.id = t.Reference
			notes = append(notes, n)
		}
	}
	return notes
}

func noteOf(v PaymentView, t domain.Transaction, newest bool) (note, bool) {
	if n, show, mine := beginsOtherwise(v, t, newest); mine {
		return n, show
	}
	switch t.Type {
	case domain.Sale, domain.Refund:
	case domain.Chargeback:
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
	default:
		return followUpNote(v, t)
	}
	amount, sale := v.Layout.Money(t.Amount), t.Type == domain.Sale
	provider := providerWord(v.Payment)
	at := eventTime(v, t.CreatedAt)
	switch t.Status {
	case domain.TxUnknown:
		n := note{tone: "unknown", icon: "circle-question-mark"}
		n.text = "We sent it at " + at + " and " + provider + " did not answer, so it may or may not have gone through. " + asking(v, t)
		if sale {
			n.title = "We do not know yet whether " + amount + " was taken"
			n.forbid = "Do not charge again."
			n.after = amount + " stays out of every total until we know." + takesOver(v, t)
		} else {
			n.title = "A refund of " + amount + " has no outcome yet"
			n.forbid = "Do not refund again or give cash."
			n.after = amount + " stays held until we know." + takesOver(v, t)
		}
		return n, true
	case domain.TxNeedsPerson:
		n := note{tone: "warn", icon: "user-round-search"}
		n.text = "We asked " + provider + " " + components.Count(t.Asked, "time", "times") + " since " + at + " and stopped asking. A person must find it at the provider: its reference there is " + t.AttemptRef + "."
		if sale {
			n.title, n.forbid = "A person must find out whether "+amount+" was taken", "Do not charge again until then."
		} else {
			n.title, n.forbid = "A person must find out whether "+amount+" was refunded", "Do not refund again or give cash until then."
		}
		return n, true
	case domain.TxPending, domain.TxProcessing:
		n := note{tone: "info", icon: "loader-circle"}
		switch {
		case sale && v.FrameURL != "":
			n.title = "Waiting for the card"
			n.text = "Nothing is charged before the card is typed on " + possessive(provider) + " page. This page follows what happens."
		case sale:
			n.title = "Charging " + amount
			n.text = "Sent at " + at + ". This page follows what happens."
			n.forbid = "Do not charge again."
		default:
			n.title = "Refunding " + amount
			n.text = "Sent at " + at + ". This page follows what happens."
			n.forbid = "Do not refund again."
		}
		return n, true
	case domain.TxDeclined:
		if !newest {
			return note{}, false
		}
		n := note{tone: "bad", icon: "circle-x", title: "Declined. Nothing was taken."}
		if !sale {
			n.title = "The refund of " + amount + " was declined. Nothing was given back."
		}
		return explained(n, t), true
	case domain.TxFailed:
		if !newest {
			return note{}, false
		}
		n := note{tone: "quiet", icon: "circle-x", title: "Not charged. Nothing was taken."}
		if !sale {
			n.title = "The refund of " + amount + " did not happen. Nothing was given back."
		}
		return explained(n, t), true
	case domain.TxApproved:
		if !newest || !v.JustTaken {
			return note{}, false
		}
		if sale {
			n := note{tone: "good", icon: "circle-check", title: amount + " taken", text: v.Payment.Card.Prose() + "."}
			if t.AuthCode != "" {
				n.text += " Auth code " + t.AuthCode + "."
			}
			n.after = "The receipt is on this page."
			return n, true
		}
		return note{tone: "good", icon: "circle-check", title: amount + " refunded", text: "To " + v.Payment.Card.Prose() + ". The customer usually sees it in 3 to 5 working days."}, true
	}
	return note{}, false
}

// followUpNote says what is open about an operation that has no words of its
// own.
func followUpNote(v PaymentView, t domain.Transaction) (note, bool) {
	what := strings.ToLower(t.Type.Label())
	switch t.Status {
	case domain.TxUnknown:
		return note{tone: "unknown", icon: "circle-question-mark", title: "The " + what + " has no outcome yet", text: "We sent it at " + eventTime(v, t.CreatedAt) + " and " +
			providerWord(v.Payment) + " did not answer. " + asking(v, t), forbid: "Do not do it again.", after: takesOver(v, t)}, true
	case domain.TxNeedsPerson:
		return note{tone: "warn", icon: "user-round-search", title: "A person must find out about the " + what, text: "We stopped asking " + providerWord(v.Payment) +
			". Its reference there is " + t.AttemptRef + ".", forbid: "Do not do it again until then."}, true
	case domain.TxPending, domain.TxProcessing:
		return note{tone: "info", icon: "loader-circle", title: t.Type.Label() + " in progress", text: "Begun at " + eventTime(v, t.CreatedAt) + ". This page follows what happens."}, true
	}
	return note{}, false
}

func asking(v PaymentView, t domain.Transaction) string {
	if !t.NextAskAt.After(v.Layout.Now) {
		return "We are asking them now."
	}
	return "We are asking them; the next check is at " + eventTime(v, t.NextAskAt) + "."
}

func takesOver(v PaymentView, t domain.Transaction) string {
	at, ok := v.GivesUpAt[t.ID]
	if !ok || at.IsZero() {
		return ""
	}
	return " If there is no answer by " + eventTime(v, at) + ", a person takes over."
}

// eventTime writes the clock alone on the payment's own day, which the
// timeline names once, and the date too on any other.
func eventTime(v PaymentView, t time.Time) string {
	z := v.Layout.Zone()
	if z.Day(t) == z.Day(v.Payment.CreatedAt) {
		return z.Clock(t)
	}
	return z.Day(t) + ", " + z.Clock(t)
}

// timelineStatus is a transaction's entry: what a bank takes back is a fact, and
// not good.
func timelineStatus(t domain.Transaction) components.Status {
	if t.Type == domain.Chargeback && t.Status == domain.TxApproved {
		return components.Status{Word: t.Type.Label(), Tone: "warn", Icon: "scale"}
	}
	return components.TransactionStatus(t.Status)
}

func timelineTitle(t domain.Transaction) string {
	if title := beganTitle(t); title != "" {
		return title
	}
	name := t.Type.Label()
	switch t.Status {
	case domain.TxPending:
		return name + " being sent"
	case domain.TxProcessing:
		if t.Type.Begins() && t.RedirectURL != "" {
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
			return "Voided"
		case domain.Capture:
			return "Captured"
		}
		return name + " approved"
	case domain.TxDeclined:
		return name + " declined"
	case domain.TxFailed:
		if t.Type == domain.Refund {
			return "Refund did not happen"
		}
		return name + " not charged"
	case domain.TxNeedsPerson:
		return name + " needs a person"
	}
	return name
}

func timelineAmount(m layouts.Model, t domain.Transaction) string {
	switch t.Type {
	case domain.Refund, domain.Chargeback, domain.Void, domain.Decrement, domain.Payout:
		return m.Money(negative(t.Amount))
	}
	return m.Money(t.Amount)
}

func timelineWords(t domain.Transaction) string { return t.Explain().What }

// openFacts are what is being done about an open outcome.
func openFacts(v PaymentView, t domain.Transaction) []components.Line {
	if !t.Status.Open() {
		if !t.SettledAt.IsZero() && t.SettledAt.Sub(t.CreatedAt) >= 2*time.Second {
			return []components.Line{{Label: "Settled", Value: eventTime(v, t.SettledAt)}}
		}
		return nil
	}
	var facts []components.Line
	if t.Asked > 0 {
		value := components.Count(t.Asked, "time", "times")
		if !t.LastAskedAt.IsZero() {
			value += ", last at " + eventTime(v, t.LastAskedAt)
		}
		facts = append(facts, components.Line{Label: "Checked", Value: value})
	}
	if t.Status.Asking() && t.NextAskAt.After(v.Layout.Now) {
		facts = append(facts, components.Line{Label: "Next check", Value: eventTime(v, t.NextAskAt)})
	}
	if at := v.GivesUpAt[t.ID]; t.Status.Asking() && !at.IsZero() {
		facts = append(facts, components.Line{Label: "Gives up", Value: eventTime(v, at) + ", then a person takes over"})
	}
	return facts
}

func hasMessages(v PaymentView, t domain.Transaction) bool {
	return len(v.Messages[t.ID]) > 0 || len(providerFacts(t)) > 0
}

func providerFacts(t domain.Transaction) []components.Line {
	var facts []components.Line
	for _, l := range []components.Line{
		{Label: "Their reference", Value: t.ProviderRef},
		{Label: "Our reference", Value: t.AttemptRef},
		{Label: "Code", Value: t.ProviderCode},
		{Label: "Words", Value: t.ProviderText},
	} {
		if l.Value != "" {
			facts = append(facts, l)
		}
	}
	return facts
}

func messageText(v PaymentView, t domain.Transaction) string {
	var b strings.Builder
	for _, m := range v.Messages[t.ID] {
		b.WriteString(v.Layout.Zone().Clock(m.At))
		b.WriteString("  ")
		b.WriteString(m.Text)
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n")
}

// takenBy: nobody here took what a provider told of.
func takenBy(p domain.Payment) string {
	if p.CreatedBy.IsZero() {
		return "Told by"
	}
	return "Taken by"
}

func paymentFacts(v PaymentView) []components.Line {
	p := v.Payment
	facts := []components.Line{
		{Label: "Order", Value: p.OrderReference},
		{Label: "Email", Value: p.Email},
	}
	facts = append(facts, beganWith(v)...)
	if p.Card.Known() {
		facts = append(facts, components.Line{Label: "Card", Value: cardWords(p.Card)})
	}
	facts = append(facts,
		components.Line{Label: "How", Value: p.Method.Label()},
		components.Line{Label: "Through", Value: join(p.ConnectionName, providerWord(p))},
	)
	for i := len(v.Transactions) - 1; i >= 0; i-- {
		if t := v.Transactions[i]; (t.Type == domain.Sale || t.Type == domain.Preauth) && t.ProviderRef != "" {
			facts = append(facts, components.Line{Label: "Their reference", Value: t.ProviderRef, Mono: true},
				components.Line{Label: "Schedule", Value: t.ScheduleRef, Mono: true}, components.Line{Label: "Terminal", Value: t.DeviceRef, Mono: true})
			break
		}
	}
	facts = append(facts,
		components.Line{Label: "Auth code", Value: p.AuthCode, Mono: true},
		components.Line{Label: takenBy(p), Value: p.CreatedByName},
	)
	kept := facts[:0]
	for _, l := range facts {
		if l.Value != "" {
			kept = append(kept, l)
		}
	}
	return kept
}
