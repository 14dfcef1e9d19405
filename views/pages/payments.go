package pages

import (
	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// swap makes a link of the list replace the list alone when htmx is there.
func swap(url string) templ.Attributes {
	return templ.Attributes{
		"hx-get":      url,
		"hx-target":   "#payments",
		"hx-select":   "#payments",
		"hx-swap":     "outerHTML",
		"hx-push-url": "true",
	}
}

func tabSwap(t components.Tab) templ.Attributes { return swap(t.URL) }

func paymentURL(id domain.PaymentID) templ.SafeURL {
	return templ.SafeURL("/payments/" + id.String())
}

// isHeld says that some of the payment's money has no outcome.
func isHeld(p domain.Payment) bool {
	return p.Status == domain.PaymentUnknown || p.Status == domain.PaymentNeedsPerson || p.Held.IsPositive()
}

// phoneLine stands under the reference where the columns do not fit.
func phoneLine(m layouts.Model, p domain.Payment) string {
	at := m.Zone().Full(p.CreatedAt)
	if m.Zone().IsToday(p.CreatedAt) {
		at = m.Zone().Minute(p.CreatedAt)
	}
	if p.Card.Known() {
		return at + " · " + p.Card.Last4
	}
	return at
}

// severalConnections says that the table must name the connection.
func severalConnections(v PaymentsListView) bool { return len(v.Filter.Connections) > 1 }

// howListed is what kind of payment it is, or how the card was taken.
func howListed(p domain.Payment) string {
	if kind := howItBegan(p); kind != "" {
		return kind
	}
	return howShort(p.Method)
}

// howShort is the method's word where a column is narrow.
func howShort(m domain.Method) string {
	if m == domain.MethodPage {
		return "Phone, page"
	}
	return m.Label()
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func clearURL(f PaymentsFilter) string {
	if f.ClearURL == "" {
		return "/payments"
	}
	return f.ClearURL
}

func fieldsWrong(f PaymentsFilter, names ...string) bool {
	for _, n := range names {
		if f.Errors[n] != "" {
			return true
		}
	}
	return false
}

func inputMode(kind string) string {
	if kind == "text" {
		return "decimal"
	}
	return "numeric"
}

// noMatchWords says what was searched and how to widen it.
func noMatchTitle(f PaymentsFilter) string {
	if len(f.Errors) > 0 {
		return "Nothing was looked for"
	}
	return "No payment matches"
}

func noMatchWords(f PaymentsFilter) string {
	if len(f.Errors) > 0 {
		return "One of the filters cannot be read. Change it, or clear them all."
	}
	if f.Q != "" {
		return "Nothing was found for “" + f.Q + "” with these filters. References have eight characters; a card is found by its last four digits; an amount is written like 12.50."
	}
	return "Nothing was found with these filters. Take one away, or widen the dates."
}
