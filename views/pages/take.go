package pages

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
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
	for _, name := range []string{"kind", "amount", "surcharge", "currency", "order_reference", "email", "capture_after", "expires", "send_by_email", "method", "card_token", "card", "terminal", "tip_percents", "metadata", "skip_signature", "store_card", "customer"} {
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
func amountWords(v TakePaymentView) string { return typedWords(v, v.Amount) }

func typedWords(v TakePaymentView, typed string) string {
	a, err := money.ParseMajor(typed, v.Currency)
	if err != nil {
		return "–"
	}
	return components.Format(a, v.Layout.ManyCurrencies)
}

// totalWords is the amount with its surcharge.
func totalWords(v TakePaymentView) string {
	a, err := money.ParseMajor(v.Amount, v.Currency)
	if extra, bad := money.ParseMajor(v.Surcharge, v.Currency); err == nil && bad == nil && v.CanSurcharge {
		a, err = a.Add(extra)
	}
	if err != nil {
		return "–"
	}
	return components.Format(a, v.Layout.ManyCurrencies)
}

// kindWords are a kind's words on the form: its name and what it does, what
// stands before the amount, on the button, and on the button while it works.
var kindWords = map[string]struct{ icon, name, does, field, total, verb, busy, bare string }{
	KindSale:    {"credit-card", "Sale", "Takes the money now", "Charge, in ", "Total to charge", "Charge ", "Charging", "Charge"},
	KindPreauth: {"hourglass", "Pre-authorisation", "Holds it; you capture it later", "Hold, in ", "Total to hold", "Hold ", "Holding", "Hold"},
	KindLink:    {"link", "Payment link", "The customer types the card", "Amount, in ", "Total to ask for", "Create link for ", "Creating link for", "Create link"},
}

// kindOrSale is the view's kind, a sale where none is named.
func kindOrSale(v TakePaymentView) string {
	if v.Kind == "" {
		return KindSale
	}
	return v.Kind
}

func currentKind(v TakePaymentView, k KindChoice) templ.Attributes {
	if k.Kind == kindOrSale(v) {
		return templ.Attributes{"aria-current": "true"}
	}
	return nil
}

// captureTimes and linkTimes are the choices of a time, in minutes.
var (
	captureTimes = []components.Option{{Value: "", Label: "When a person captures it"}, {Value: "60", Label: "After 1 hour"}, {Value: "720", Label: "After 12 hours"},
		{Value: "1440", Label: "After 1 day"}, {Value: "2880", Label: "After 2 days"}, {Value: "4320", Label: "After 3 days"}, {Value: "7200", Label: "After 5 days"}}
	linkTimes = []components.Option{{Value: "60", Label: "1 hour"}, {Value: "240", Label: "4 hours"}, {Value: "1440", Label: "1 day"}, {Value: "4320", Label: "3 days"},
		{Value: "10080", Label: "7 days"}, {Value: "43200", Label: "30 days"}}
)

func expiresOr(v TakePaymentView) string {
	if v.Expires == "" {
		return "1440"
	}
	return v.Expires
}

// DuplicateWords is a payment in one line, for whoever may be about to take it a
// second time.
func DuplicateWords(m layouts.Model, p domain.Payment) string {
	s := components.Format(p.Amount, m.ManyCurrencies)
	if p.OrderReference != "" {
		s += " · " + p.OrderReference
	}
	if p.Card.Known() {
		s += " · " + p.Card.Prose()
	}
	word := " at "
	switch p.Status {
	case domain.PaymentProcessing, domain.PaymentUnknown, domain.PaymentNeedsPerson:
		word = " since "
	}
	s += " · " + strings.ToLower(p.Status.Label()) + word + m.Zone().Minute(p.CreatedAt)
	if p.CreatedByName != "" {
		s += " by " + p.CreatedByName
	}
	return s + ", reference " + p.Reference
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
	return kindOrSale(v) == KindLink || v.Frame != nil || v.Page || (v.CardsOffered && usable(v.Cards) > 0) || v.Terminal.Offered()
}

// onlyTerminals says that the form takes cards on a terminal and no other way.
func onlyTerminals(v TakePaymentView) bool {
	return kindOrSale(v) != KindLink && v.Terminal.Offered() && v.Frame == nil && !v.Page && !(v.CardsOffered && usable(v.Cards) > 0)
}

// presentWords says whether the card is there.
func presentWords(v TakePaymentView) string {
	switch {
	case onlyTerminals(v):
		return "Card present"
	case v.Terminal.Offered():
		return ""
	}
	return "Card not present"
}

// sendsTo are the button's words for a payment on a terminal: it is sent there.
func sendsTo(v TakePaymentView) templ.Attributes {
	if kindOrSale(v) == KindLink || !v.Terminal.Offered() {
		return nil
	}
	return templ.Attributes{"data-terminal-verb": "Send ", "data-terminal-busy": "Sending"}
}

// goWords is the button as the server writes it.
func goWords(v TakePaymentView) string {
	if onlyTerminals(v) {
		return "Send to a terminal"
	}
	return kindWords[kindOrSale(v)].bare
}

func noMethodWords(v TakePaymentView) string {
	if why := v.Unavailable[domain.MethodTerminal]; why != "" {
		return why
	}
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
	case v.Method == domain.MethodTerminal && v.Terminal.Offered():
		return domain.MethodTerminal
	case v.Page:
		return domain.MethodPage
	case cards:
		return domain.MethodCard
	case v.Terminal.Offered():
		return domain.MethodTerminal
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
	cards := v.CardsOffered && !v.Page
	if v.Frame == nil && ((v.Page && m == domain.MethodPage) || (cards && m == domain.MethodCard) || (!v.Page && !cards && m == domain.MethodTerminal)) {
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
