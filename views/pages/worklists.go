package pages

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// AgeWords is a duration as a person says it: the largest unit that it has.
func AgeWords(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "under a minute"
	case d < time.Hour:
		return components.Count(int(d/time.Minute), "minute", "minutes")
	case d < 48*time.Hour:
		return components.Count(int(d/time.Hour), "hour", "hours")
	}
	return components.Count(int(d/(24*time.Hour)), "day", "days")
}

// lapseWords says how much time a hold has left, and whether that is little.
func lapseWords(m layouts.Model, p domain.Payment) (words string, urgent bool) {
	left := p.ExpiresAt.Sub(m.Now)
	switch {
	case p.ExpiresAt.IsZero():
		return "Not known", false
	case left <= 0:
		return "lapsed", true
	case left < 24*time.Hour:
		return AgeWords(left) + " left", true
	}
	return components.Count(int(left/(24*time.Hour)), "day", "days") + " left", left <= domain.HoldWarning
}

// heldFor is a hold's age in days.
func heldFor(m layouts.Model, p domain.Payment) string {
	days := int(m.Now.Sub(p.CreatedAt) / (24 * time.Hour))
	if days < 1 {
		return "Today"
	}
	return components.Count(days, "day", "days")
}

// holdsNotCounted names what a total of holds leaves out.
func holdsNotCounted(m layouts.Model, t domain.HoldTotals) string {
	var parts []string
	if t.Open > 0 {
		parts = append(parts, components.Count(t.Open, "hold", "holds")+" of "+m.Money(t.OpenSum)+" with no outcome yet")
	}
	if t.Lapsed > 0 {
		parts = append(parts, components.Count(t.Lapsed, "hold", "holds")+" of "+m.Money(t.LapsedSum)+" whose time has lapsed")
	}
	if len(parts) == 0 {
		return ""
	}
	return "Not counted: " + strings.Join(parts, " and ") + "."
}

// tipsNotCounted names what the sums of a worksheet leave out.
func tipsNotCounted(m layouts.Model, t TipTotal) string {
	if t.Out == 0 {
		return ""
	}
	return "Not counted: " + components.Count(t.Out, "sale", "sales") + " of " + m.Money(t.OutSum) + " of which nothing is taken now."
}

func tipLine(m layouts.Model, r TipRow) string {
	parts := []string{m.Zone().Minute(r.At)}
	if r.Card.Known() {
		parts = append(parts, r.Card.Last4)
	}
	line := strings.Join(append(parts, m.Money(r.Sale)), " · ")
	if r.Tip.IsPositive() {
		line += " + " + m.Money(r.Tip)
	}
	return line
}

func changedRows(v TipsView) int {
	n := 0
	for _, t := range v.Totals {
		n += t.Changed
	}
	return n
}

// setLabel is the label of the button that sends: it says how much.
func setLabel(v TipsView) string {
	n := changedRows(v)
	if n == 0 {
		return "Set tips"
	}
	return "Set " + components.Count(n, "tip", "tips")
}

// numbers are what the worksheet's script adds up: minor units as text.
func tipData(v TipsView, r TipRow) templ.Attributes {
	c := r.Sale.Currency()
	return templ.Attributes{
		"data-tip": true, "data-sale": minor(r.Sale), "data-now": minor(r.Tip), "data-code": c.Code(), "data-exponent": strconv.Itoa(c.Exponent()),
		"data-sign": sign(c, v.Layout.ManyCurrencies),
	}
}

func totalData(v TipsView, t TipTotal) templ.Attributes {
	return templ.Attributes{
		"data-tips-of": t.Currency.Code(), "data-fixed-tips": strconv.Itoa(t.FixedTips), "data-fixed-then": minor(t.FixedThen), "data-fixed-total": minor(t.FixedTotal),
		"data-exponent": strconv.Itoa(t.Currency.Exponent()), "data-code": t.Currency.Code(), "data-sign": sign(t.Currency, v.Layout.ManyCurrencies),
	}
}

func minor(a money.Amount) string { return strconv.FormatInt(a.Minor(), 10) }

// nextWords says what is being done about an operation without an end.
func nextWords(m layouts.Model, r UnendedRow) string {
	x, z := r.Transaction, m.Zone()
	by := providerWord(r.Payment)
	asked := ""
	if x.Asked > 0 {
		asked = " Asked " + components.Count(x.Asked, "time", "times") + "."
	}
	switch {
	case x.Status == domain.TxNeedsPerson:
		return "We ask " + by + " once a day now. Find out there what became of it, then write it down on the payment’s page." + asked
	case r.NoQuestion:
		return by + " offers no question about it. It ends when " + by + " tells us, or a person writes down what became of it."
	case x.Link():
		return "The customer has not paid on the link. It ends at " + z.Full(x.ExpiresAt) + "." + asked
	case x.NextAskAt.IsZero():
		return "We wait for " + by + "." + asked
	}
	when := "We ask " + by + " again at " + z.Row(x.NextAskAt)
	if !x.NextAskAt.After(m.Now) {
		when = "We are asking " + by + " now"
	}
	if !r.GivesUpAt.IsZero() {
		when += "; a person takes over at " + z.Full(r.GivesUpAt)
	}
	return when + "." + asked
}

// unendedRank lists the states of an operation without an end, the most urgent
// first.
var unendedRank = []domain.TransactionStatus{domain.TxNeedsPerson, domain.TxUnknown, domain.TxProcessing, domain.TxPending}

func unendedCounts(v UnendedView) string {
	var parts []string
	for _, s := range unendedRank {
		n := v.Counts[s]
		if n == 0 {
			continue
		}
		switch s {
		case domain.TxNeedsPerson:
			parts = append(parts, components.Count(n, "needs a person", "need a person"))
		case domain.TxUnknown:
			parts = append(parts, strconv.Itoa(n)+" with an unknown outcome")
		case domain.TxProcessing:
			parts = append(parts, strconv.Itoa(n)+" in progress there")
		case domain.TxPending:
			parts = append(parts, strconv.Itoa(n)+" just sent")
		}
	}
	return strings.Join(parts, ", ")
}

// unendedHeld says that the row's money is held out of every balance.
func unendedHeld(x domain.Transaction) bool {
	return x.Status == domain.TxUnknown || x.Status == domain.TxNeedsPerson
}

func withNext(id domain.PaymentID, act, next string) string {
	return "/payments/" + id.String() + "/" + act + "?next=" + url.QueryEscape(next)
}

// ReviewURL is the form that keeps a payment which its risk check left.
func ReviewURL(id domain.PaymentID, next string) string { return withNext(id, "review", next) }

// ActionURL is the form of an action on a payment that leads back to next.
func ActionURL(id domain.PaymentID, act domain.Action, next string) string {
	return withNext(id, string(act), next)
}

func reviewSaid(said string) string {
	if said == "" {
		return "It gave no more words than “review”."
	}
	return "It said “" + said + "”."
}

func clearedWords(m layouts.Model, r domain.Review) string {
	by := ""
	if r.ByName != "" {
		by = r.ByName + " kept it at " + m.Zone().Full(r.At) + ": "
	}
	return by + r.Note
}
