package pages

import (
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
)

func takeURL(id domain.ConnectionID) templ.SafeURL {
	return templ.SafeURL("/payments/new?connection=" + url.QueryEscape(id.String()))
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + " · " + b
}

// takeSummary is the summary above the form: nothing for a form that is shown
// for the first time.
func takeSummary(v TakePaymentView) (title string, errs []components.FieldError) {
	for _, name := range []string{"amount", "currency", "order_reference", "email", "method", "card_token", "card"} {
		if text := v.Errors[name]; text != "" {
			field := name
			if name == "card_token" {
				field = "method"
			}
			errs = append(errs, components.FieldError{Field: field, Text: text})
		}
	}
	switch {
	case v.FormError != "":
		return v.FormError, errs
	case len(errs) == 1:
		return "One thing to fix. Nothing was charged.", errs
	case len(errs) > 1:
		return strconv.Itoa(len(errs)) + " things to fix. Nothing was charged.", errs
	}
	return "", nil
}

// limitOf is the most that may be charged at once; zero means no limit.
func limitOf(v TakePaymentView, c money.Currency) money.Amount {
	for _, choice := range v.Currencies {
		if choice.Currency == c {
			return choice.Limit
		}
	}
	return money.Zero(c)
}

// amountSettings tells the script how this currency is written. It decides
// nothing: the server reads the amount again.
func amountSettings(v TakePaymentView, c money.Currency) templ.Attributes {
	return currencySettings(c, limitOf(v, c), v.Layout.ManyCurrencies, "The most that can be charged at once is ")
}

func currencySettings(c money.Currency, most money.Amount, many bool, limitWords string) templ.Attributes {
	a := templ.Attributes{
		"data-exponent": strconv.Itoa(c.Exponent()),
		"data-code":     c.Code(),
		"data-sign":     sign(c, many),
		"data-zero":     "Enter an amount above " + components.Format(money.Zero(c), many) + ".",
		"data-bad":      "Write the amount like " + money.FromMinor(4200, c).Major() + ", with digits and a point.",
	}
	if c.Exponent() == 0 {
		a["data-bad"] = "Write the amount in whole " + c.Code() + ", like 4200."
	}
	if most.IsPositive() {
		a["data-max"] = strconv.FormatInt(most.Minor(), 10)
		a["data-max-words"] = limitWords + components.Format(most, many) + "."
	}
	return a
}

func limitHint(v TakePaymentView) string {
	if l := limitOf(v, v.Currency); l.IsPositive() && len(v.Currencies) <= 1 {
		return "Up to " + components.Format(l, v.Layout.ManyCurrencies) + " at once."
	}
	if v.Currency.Exponent() == 0 {
		return v.Currency.Code() + " has no decimals."
	}
	return "For example " + money.FromMinor(4250, v.Currency).Major() + "."
}

func currencyName(c money.Currency) string {
	if name := inWords(c); name != c.Code() {
		return ", " + name
	}
	return ""
}

// amountWords is the typed amount as pages write it, or a dash.
func amountWords(v TakePaymentView) string {
	a, err := money.ParseMajor(v.Amount, v.Currency)
	if err != nil {
		return "–"
	}
	return components.Format(a, v.Layout.ManyCurrencies)
}

func usable(cards []CardChoice) int {
	n := 0
	for _, c := range cards {
		if c.Reason == "" {
			n++
		}
	}
	return n
}

func canPay(v TakePaymentView) bool {
	return v.Frame != nil || v.Page || (v.CardsOffered && usable(v.Cards) > 0)
}

func noMethodWords(v TakePaymentView) string {
	if v.CardsOffered {
		return "This connection charges saved cards only, and none is stored yet."
	}
	return "This connection has no way to take a card by phone."
}

// firstWithoutScript is the method that is checked when no script runs.
func firstWithoutScript(v TakePaymentView) domain.Method {
	cards := v.CardsOffered && usable(v.Cards) > 0
	switch {
	case v.Method == domain.MethodPage && v.Page:
		return domain.MethodPage
	case v.Method == domain.MethodCard && cards:
		return domain.MethodCard
	case v.Page:
		return domain.MethodPage
	case cards:
		return domain.MethodCard
	}
	return ""
}

// firstMark lets the script check the frame's radio: it was chosen, or nothing
// was.
func firstMark(v TakePaymentView) templ.Attributes {
	if v.Method == domain.MethodFrame || v.Method == "" {
		return templ.Attributes{"data-first": true}
	}
	return nil
}

// methodID gives the first usable radio the id that an error links to.
func methodID(v TakePaymentView, m domain.Method) templ.Attributes {
	if v.Frame == nil && ((v.Page && m == domain.MethodPage) || (!v.Page && m == domain.MethodCard)) {
		return templ.Attributes{"id": "method"}
	}
	return nil
}

func cardsWords(cards []CardChoice) string {
	if len(cards) == 0 {
		return "None on file"
	}
	return strconv.Itoa(len(cards)) + " on file"
}

func cardWords(c domain.Card) string {
	if c.Expiry == "" {
		return c.Prose()
	}
	return c.Prose() + ", expires " + c.Expiry
}

func cardNote(c CardChoice) string {
	s := ""
	for _, part := range []string{c.Card.Customer, c.Note, c.Reason} {
		if part != "" {
			s += " · " + part
		}
	}
	return s
}

// amountLabels are the places that show the typed amount.
func amountLabels(v TakePaymentView) string {
	if canPay(v) {
		return "go total line"
	}
	return "total line"
}
