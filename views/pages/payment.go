package pages

import (
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
)

func receiptURL(id domain.PaymentID) templ.SafeURL { return paymentURL(id) + "/receipt" }

// liveAttributes make the fragment ask for itself while it may change. The
// header tells the server that nobody clicked, so the session does not last
// longer for it.
func liveAttributes(v PaymentView) templ.Attributes {
	if !v.Live && !v.MayComeLate {
		return nil
	}
	trigger := "refresh, payment-" + v.Payment.ID.String() + " from:#stream, resync from:#stream"
	if v.Live {
		trigger = "every 3s, " + trigger
	}
	return templ.Attributes{
		"hx-get":          liveURL(v),
		"hx-trigger":      trigger,
		"hx-target":       "#payment-live",
		"hx-select":       "#payment-live",
		"hx-swap":         "outerMorph",
		"hx-headers":      `{"X-Background":"1"}`,
		"data-background": true,
	}
}

// liveURL tells the server whether the loaded page may hold the provider's
// frame, whose frame-src was fixed when it was loaded, and that the form led here.
func liveURL(v PaymentView) string {
	q := url.Values{}
	if v.FrameNow {
		q.Set("frame", "1")
	}
	// Who was led here by the form is told the result in full, whenever it comes.
	if v.JustTaken {
		q.Set("new", "1")
	}
	if len(q) == 0 {
		return string(paymentURL(v.Payment.ID))
	}
	return string(paymentURL(v.Payment.ID)) + "?" + q.Encode()
}

func checkURL(v PaymentView) string {
	if v.FrameNow {
		return string(paymentURL(v.Payment.ID)) + "/check?frame=1"
	}
	return string(paymentURL(v.Payment.ID)) + "/check"
}

// liveWords is what a reader is told when a poll brings a change.
func liveWords(v PaymentView) string {
	words := v.Payment.Status.Label()
	if t, ok := running(v); ok {
		words = progressWords(v, t)
	}
	return "Payment " + v.Payment.Reference + ": " + words + "."
}

// headWords is the line under the amount: the card, and how it was taken.
func headWords(v PaymentView) string {
	p := v.Payment
	switch p.Method {
	case domain.MethodFrame:
		return p.Card.Prose() + ", by phone"
	case domain.MethodPage:
		return p.Card.Prose() + ", by phone on the provider’s page"
	case domain.MethodCard:
		return p.Card.Prose() + ", saved card"
	case domain.MethodTerminal:
		for _, t := range v.Transactions {
			if d, ok := deviceOf(v, t); ok && t.Type.Begins() {
				return p.Card.Prose() + ", on " + d.Label()
			}
		}
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
		if t := v.Transactions[i]; (t.Type == domain.Sale || t.Type == domain.Preauth) && (t.ProviderRef != "" || !t.DeviceID.IsZero()) {
			facts = append(facts, components.Line{Label: "Their reference", Value: t.ProviderRef, Mono: true},
				components.Line{Label: "Schedule", Value: t.ScheduleRef, Mono: true}, terminalFact(v, t))
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
