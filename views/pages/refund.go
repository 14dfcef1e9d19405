package pages

import (
	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
)

func refundsURL(id domain.PaymentID) templ.SafeURL { return paymentURL(id) + "/refunds" }

func kindOf(v RefundFormView) string {
	if v.Kind == RefundPart && v.PartRefused == "" {
		return RefundPart
	}
	return RefundFull
}

func refundErrors(v RefundFormView) []components.FieldError {
	var errs []components.FieldError
	for _, f := range []components.FieldError{{Field: "amount"}, {Field: "kind"}, {Field: "reason"}, {Field: "terminal"}, {Field: "note"}} {
		if text := v.Errors[f.Field]; text != "" {
			id := "refund-" + f.Field
			if f.Field == "kind" {
				id = "kind-part"
			}
			errs = append(errs, components.FieldError{Field: id, Text: text})
		}
	}
	return errs
}

func refundHint(v RefundFormView) string {
	s := "Up to " + components.Format(v.Refundable, v.ManyCurrencies) + "."
	if v.Held.IsPositive() {
		s += " " + components.Format(v.Held, v.ManyCurrencies) + " of this payment is held until an earlier refund has an outcome."
	}
	return s
}
