package pages

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
)

// actionWords is everything that the actions' forms do not have in common.
type actionWords struct {
	button string // in the row of the payment: "Capture…"
	icon   string
	title  string // of the dialog
	denied string // the title over why it is not possible
	verb   string // on the button that does it, before the amount
	busy   string
	done   string // before the amount, once it is done
	keep   string // the safe button of a form without fields; empty: "Cancel"
	red    bool   // it cannot be undone and gives money away
	amount string // the amount's label; empty: there is no such field
}

// actionTable is every action that the generic form carries out, and refund,
// whose form is its own, for its button.
var actionTable = map[domain.Action]actionWords{
	domain.ActRefund:     {button: "Refund…", icon: "undo-2"},
	domain.ActCapture:    {button: "Capture…", icon: "check", title: "Capture what is held", denied: "This cannot be captured", verb: "Capture ", busy: "Capturing", done: "Captured ", amount: "Amount to capture"},
	domain.ActIncrease:   {button: "Increase hold…", icon: "plus", title: "Increase the hold", denied: "This hold cannot be increased", verb: "Increase hold by ", busy: "Increasing", done: "The hold was increased by ", amount: "Amount to add"},
	domain.ActDecrease:   {button: "Decrease hold…", icon: "minus", title: "Decrease the hold", denied: "This hold cannot be decreased", verb: "Decrease hold by ", busy: "Decreasing", done: "The hold was decreased by ", amount: "Amount to release"},
	domain.ActVoid:       {button: "Void…", icon: "ban", title: "Void this payment?", denied: "This cannot be voided", verb: "Void ", busy: "Voiding", done: "Voided ", keep: "Keep payment", red: true},
	domain.ActVoidRefund: {button: "Void refund…", icon: "ban", title: "Void the refund?", denied: "The refund cannot be voided", verb: "Void refund of ", busy: "Voiding", done: "Voided the refund of ", keep: "Keep refund", red: true},
	domain.ActTip:        {button: "Tip…", icon: "hand-coins", title: "Set the tip", denied: "No tip can be set here", verb: "Set tip of ", busy: "Setting", done: "The tip is now ", amount: "Tip"},
}

func actionWordsOf(a domain.Action, kind domain.TransactionType) actionWords {
	w := actionTable[a]
	if a == domain.ActVoid && kind == domain.Preauth {
		w.button, w.title, w.denied, w.keep = "Void hold…", "Void this hold?", "This hold cannot be voided", "Keep hold"
	}
	return w
}

func actionURL(id domain.PaymentID, a domain.Action) templ.SafeURL {
	return paymentURL(id) + "/" + templ.SafeURL(ActionPath(a))
}

func (v ActionFormView) words() actionWords { return actionWordsOf(v.Action, v.Payment.Kind) }

func (v ActionFormView) money(a money.Amount) string { return components.Format(a, v.ManyCurrencies) }

// id is an element's id within this action's form.
func (v ActionFormView) id(part string) string { return ActionPath(v.Action) + "-" + part }

// actionLead says, in this order: where the money goes, when, and what cannot
// be undone.
func actionLead(v ActionFormView) string {
	card, sum := v.Payment.Card.Prose(), v.money(v.Sum)
	if !v.Payment.Card.Known() {
		card = "the card"
	}
	switch v.Action {
	case domain.ActCapture:
		return "Taken from " + card + ", in place of the " + sum + " that is held. The customer usually sees it within 1 to 2 working days. A capture cannot be undone; a refund gives money back."
	case domain.ActIncrease:
		return "Held on " + card + ", on top of " + sum + ". The bank decides at once, and nothing is taken before you capture. The hold can be made smaller again until something is captured."
	case domain.ActDecrease:
		return "Released on " + card + ", which holds " + sum + " now. The customer’s bank usually frees it within a few days. What is released can only be held again if the bank agrees."
	case domain.ActVoid:
		if v.Payment.Kind == domain.Preauth {
			return "All that is held on " + card + ", " + sum + ", is released. The customer’s bank usually frees it within a few days. A void cannot be undone."
		}
		return sum + " goes back to " + card + ", before the payment is settled. The charge usually disappears within a few days. A void cannot be undone."
	case domain.ActVoidRefund:
		return "The refund of " + sum + " to " + card + " is taken back, before its batch is settled. It no longer reaches the customer. A void cannot be undone."
	case domain.ActTip:
		return "Added to the " + v.money(v.bare()) + " sale on " + card + ". It is taken with the sale when the batch closes. It takes the place of any tip set before, and can be set again until then."
	}
	return ""
}

// bare is what was taken without its tip.
func (v ActionFormView) bare() money.Amount {
	if left, err := v.Payment.Captured.Sub(v.Payment.Tip); err == nil {
		return left
	}
	return v.Payment.Captured
}

// buttonWords is the button as the server writes it: with the typed amount when
// it can be read.
func buttonWords(v ActionFormView) string {
	w := v.words()
	if w.amount == "" || v.WholeOnly != "" {
		return w.verb + v.money(v.Sum)
	}
	if a, err := money.ParseMajor(strings.TrimSpace(v.Amount), v.Sum.Currency()); err == nil && (a.IsPositive() || v.Action == domain.ActTip) {
		return w.verb + v.money(a)
	}
	return bareVerb(w)
}

// bareVerb is the button while no amount can be read: "Increase hold".
func bareVerb(w actionWords) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(w.verb), " by"), " of")
}

// actionSettings are what the script needs to keep the button in step.
func actionSettings(v ActionFormView) templ.Attributes {
	most, words := money.Zero(v.Sum.Currency()), ""
	switch v.Action {
	case domain.ActCapture, domain.ActDecrease:
		most, words = v.Sum, "At most this is held: "
	}
	a := currencySettings(v.Sum.Currency(), most, v.ManyCurrencies, words)
	if v.Action == domain.ActTip {
		a["data-tip-on"] = strconv.FormatInt(v.bare().Minor(), 10)
	}
	return a
}

func amountHint(v ActionFormView) string {
	switch v.Action {
	case domain.ActCapture:
		if v.Again {
			return "Up to " + v.money(v.Sum) + ", tip included. What you leave stays held and can be captured later."
		}
		return "Up to " + v.money(v.Sum) + ", tip included. What you leave is given back."
	case domain.ActDecrease:
		return "Less than " + v.money(v.Sum) + ". To release all of it, void the hold."
	case domain.ActIncrease:
		return v.money(v.Sum) + " is held now."
	case domain.ActTip:
		if v.Payment.Tip.IsPositive() {
			return "It is " + v.money(v.Payment.Tip) + " now. Enter " + money.Zero(v.Sum.Currency()).Major() + " to take it away."
		}
		return "No tip is set."
	}
	return ""
}

func actionErrors(v ActionFormView) []components.FieldError {
	var errs []components.FieldError
	for _, f := range []string{"amount", "tip", "final", "confirm", "terminal", "note"} {
		name := f
		if f == "confirm" {
			name = "confirm_tip"
		}
		if text := v.Errors[name]; text != "" {
			id := v.id(f)
			if f == "amount" && (v.words().amount == "" || v.WholeOnly != "") {
				id = "" // There is no such field to lead to.
			}
			errs = append(errs, components.FieldError{Field: id, Text: text})
		}
	}
	return errs
}

// nothingDone is what certainly did not happen, over a form that came back.
func nothingDone(a domain.Action) string {
	switch a {
	case domain.ActCapture:
		return "Nothing was captured."
	case domain.ActIncrease, domain.ActDecrease:
		return "The hold was not changed."
	case domain.ActVoid:
		return "Nothing was voided."
	case domain.ActVoidRefund:
		return "The refund was not voided."
	case domain.ActTip:
		return "The tip was not changed."
	}
	return "Nothing was done."
}

// mostButtons is how many actions stand in the row; the others are behind
// "More".
const mostButtons = 3

// shownActions divides a payment's actions into the row and the menu: what can
// never be done here goes into the menu, and so does what has no room.
func shownActions(all []ActionButton) (row, menu []ActionButton) {
	var later []ActionButton
	for _, b := range all {
		switch {
		case b.Denied == domain.DeniedCapability || b.Denied == domain.DeniedRole || b.Denied == domain.DeniedRemoved:
			menu = append(menu, b)
		case b.Denied == domain.Possible:
			row = append(row, b)
		default:
			later = append(later, b)
		}
	}
	row = append(row, later...)
	if len(row) > mostButtons {
		menu = append(append([]ActionButton{}, row[mostButtons:]...), menu...)
		row = row[:mostButtons]
	}
	return row, menu
}

// deadWords are the reasons of the dead buttons of a row, each said once with
// the buttons that it is about.
func deadWords(kind domain.TransactionType, row []ActionButton) []components.Line {
	var out []components.Line
	for _, b := range row {
		if b.Denied == domain.Possible {
			continue
		}
		name := strings.TrimSuffix(actionWordsOf(b.Action, kind).button, "…")
		if n := len(out); n > 0 && out[n-1].Value == b.Denied.Words() {
			out[n-1].Label += ", " + strings.ToLower(name)
			continue
		}
		out = append(out, components.Line{Label: name, Value: b.Denied.Words()})
	}
	return out
}

// whyID is the element that says why a button of the row is dead.
func whyID(kind domain.TransactionType, row []ActionButton, b ActionButton) string {
	for i, l := range deadWords(kind, row) {
		if l.Value == b.Denied.Words() {
			return "no-action-" + strconv.Itoa(i)
		}
	}
	return ""
}

func keepWords(v ActionFormView) string {
	if k := v.words().keep; k != "" {
		return k
	}
	return "Cancel"
}

// zeroToo: a tip of nothing is an amount too.
func zeroToo(v ActionFormView) templ.Attributes {
	if v.Action != domain.ActTip {
		return nil
	}
	return templ.Attributes{"data-zero-too": true}
}

// askTip is the warning over a large tip.
func askTip(v ActionFormView) string {
	if v.AskTip != "" {
		return v.AskTip
	}
	return "This tip is more than 20 % of the amount without it."
}

// dialogOf makes a link open the dialog that the page holds for it.
func dialogOf(v PaymentView, b ActionButton) templ.Attributes {
	if b.Action == domain.ActRefund {
		if v.RefundForm == nil {
			return nil
		}
		return templ.Attributes{"data-dialog": "refund"}
	}
	for _, f := range v.Forms {
		if f.Action == b.Action {
			return templ.Attributes{"data-dialog": f.id("dialog")}
		}
	}
	return nil
}
