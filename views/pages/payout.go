package pages

import (
	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// PayoutView is /payouts/new, posted to /payouts as _csrf, _key, connection,
// payment, card or terminal, amount, currency and note.
type PayoutView struct {
	Layout      layouts.Model
	Connections []ConnectionChoice

	ConnectionID   domain.ConnectionID // zero: the page only chooses the connection
	ConnectionName string
	ProviderName   string
	Key            string
	To             domain.Payment // the earlier payment whose card it is; zero: a stored card
	Cards          []CardChoice
	Amount         string
	Currency       money.Currency
	Currencies     []CurrencyChoice
	Note           string
	Terminal       TerminalForm // where a card can be shown; with an earlier payment none

	Errors    map[string]string
	FormError string
}

func payoutSummary(v PayoutView) (string, []components.FieldError) {
	return formSummary(v.FormError, v.Errors, "Nothing was paid out.", "connection", "amount", "currency", "card", "terminal", "note")
}

// formSummary is the summary above a form that came back; empty for one that is
// shown for the first time.
func formSummary(formError string, all map[string]string, nothing string, names ...string) (title string, errs []components.FieldError) {
	for _, name := range names {
		if text := all[name]; text != "" {
			errs = append(errs, components.FieldError{Field: name, Text: text})
		}
	}
	switch {
	case formError != "":
		return formError, errs
	case len(errs) == 1:
		return "One thing to fix. " + nothing, errs
	case len(errs) > 1:
		return components.Count(len(errs), "thing", "things") + " to fix. " + nothing, errs
	}
	return "", nil
}

func payoutURL(id domain.ConnectionID) templ.SafeURL {
	return templ.SafeURL("/payouts/new?connection=" + id.String())
}

func payoutPossible(v PayoutView) bool {
	return !v.To.ID.IsZero() || len(v.Cards) > 0 || v.Terminal.Offered()
}

// PayoutOnTerminal is the value of card where it is shown at a terminal.
const PayoutOnTerminal = "terminal"

// payoutOnTerminal says that a terminal was chosen, or that there is no other way.
func payoutOnTerminal(v PayoutView) bool { return len(v.Cards) == 0 || v.Terminal.Chosen != "" }

// payoutLabels are the places that show the typed amount.
func payoutLabels(v PayoutView) string {
	if payoutPossible(v) {
		return "go total"
	}
	return "total"
}

func payoutWords(v PayoutView) string {
	a, err := money.ParseMajor(v.Amount, v.Currency)
	if err != nil {
		return "–"
	}
	return components.Format(a, v.Layout.ManyCurrencies)
}
