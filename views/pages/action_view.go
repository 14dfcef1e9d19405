package pages

import (
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// ActionButton is one thing that can be done to a payment like this one, or why
// it cannot be done now.
type ActionButton struct {
	Action domain.Action
	Denied domain.Denial // Possible: it can
}

// ActionFormView is the form of a change of a payment: capture, increase,
// decrease, void or tip. It is posted to /payments/{id}/{action} as _csrf, _key
// and the fields that the action has: amount, tip, final, confirm_tip, terminal, note and,
// of a void, shown (the sum that the form showed). In the dialog it is sent by
// htmx: answer a bad form with ActionForm and 422, or 409 when the payment
// changed, a good one with HX-Redirect to the payment.
type ActionFormView struct {
	Action  domain.Action
	Payment domain.Payment
	CSRF    string
	Key     string
	// Sum is what the action is about: the held sum, or what was taken.
	Sum money.Amount
	// Again says that the provider captures again what a capture leaves, so that
	// the form asks whether to give it back.
	Again bool
	// WholeOnly is why only the whole can be captured; empty when a part can.
	WholeOnly string
	// AskTip is why the tip wants a second look; empty: it does not.
	AskTip string

	Amount, Tip, Note string // as typed
	Final, ConfirmTip bool
	Errors            map[string]string
	FormError         string
	Dialog            bool
	ManyCurrencies    bool
	Where             TerminalForm // the terminals that it can be done on
}

// ActionPageView is /payments/{id}/{action}, the same form as a page of its own.
type ActionPageView struct {
	Layout layouts.Model
	Form   ActionFormView
	Denied domain.Denial // not Possible: the page says why and has no form
}

// ActionPath is an action's last part of the address.
func ActionPath(a domain.Action) string { return strings.ReplaceAll(string(a), "_", "-") }

// ActionTitle names an action's dialog: "Increase the hold".
func ActionTitle(a domain.Action, kind domain.TransactionType) string {
	return actionWordsOf(a, kind).title
}

// ActionDone is what the flash says of an approved action.
func ActionDone(a domain.Action, kind domain.TransactionType, sum string) string {
	return actionWordsOf(a, kind).done + sum + "."
}
