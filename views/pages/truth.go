package pages

import (
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
)

func truthURL(id domain.PaymentID) templ.SafeURL { return paymentURL(id) + "/provider" }

func settleURL(id domain.PaymentID, t domain.TransactionID) templ.SafeURL {
	u := paymentURL(id) + "/settle"
	if !t.IsZero() {
		u += templ.SafeURL("?transaction=" + t.String())
	}
	return u
}

// truthStatus is how our record and the provider's answer compare.
func truthStatus(p domain.Payment, txs []domain.Transaction, t domain.Transaction) components.Status {
	switch {
	case !t.Said.Known():
		return components.Status{Word: "No answer yet", Tone: "quiet", Icon: "circle-question-mark"}
	case t.Status.Open():
		return components.Status{Word: "Open here", Tone: "info", Icon: "hourglass"}
	case len(domain.Differences(p, txs, t)) > 0:
		return components.Status{Word: "Difference", Tone: "bad", Icon: "equal-not"}
	}
	return components.Status{Word: "Same", Tone: "good", Icon: "equal"}
}

func noAnswerWords(p domain.Payment, t domain.Transaction) string {
	switch t.Type {
	case domain.Chargeback, domain.ChargebackReversal, domain.Adjustment:
		return providerWord(p) + " told us of it by itself and cannot be asked about it."
	}
	return providerWord(p) + " has not answered anything about it yet."
}

// ourTime is when our record of an operation last changed.
func ourTime(t domain.Transaction) time.Time {
	if !t.SettledAt.IsZero() {
		return t.SettledAt
	}
	return t.CreatedAt
}

func settleErrors(v SettleFormView) []components.FieldError {
	var errs []components.FieldError
	for _, f := range []struct{ field, id string }{{"transaction", "settle-transaction"}, {"happened", "settle-yes"}, {"provider_ref", "settle-ref"}, {"note", "settle-note"}} {
		if text := v.Errors[f.field]; text != "" {
			if f.field == "transaction" && len(v.Open) < 2 {
				f.id = ""
			}
			errs = append(errs, components.FieldError{Field: f.id, Text: text})
		}
	}
	return errs
}

// chosen is the operation that the form is about.
func (v SettleFormView) chosen() domain.Transaction {
	for _, t := range v.Open {
		if t.ID.String() == v.Transaction {
			return t
		}
	}
	if len(v.Open) > 0 {
		return v.Open[0]
	}
	return domain.Transaction{}
}
