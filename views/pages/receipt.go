package pages

import (
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

func receiptOf(m layouts.Model, merchant domain.Merchant, p domain.Payment) components.Receipt {
	r := components.Receipt{Merchant: merchant.Name, Test: merchant.Mode == domain.Test, Words: "Card not present"}
	if p.Method == domain.MethodTerminal {
		r.Words = "Card present"
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(merchant.Address, "\r", ""), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			r.Address = append(r.Address, line)
		}
	}
	r.Facts = append(r.Facts, components.Line{Label: "Sale", Value: strings.ReplaceAll(m.Zone().Full(p.CreatedAt), ",", "")})
	if p.Card.Known() {
		brand := p.Card.Brand
		if brand == "" {
			brand = "Card"
		}
		r.Facts = append(r.Facts, components.Line{Label: brand, Value: ending(p.Card)})
	}
	r.Facts = append(r.Facts, components.Line{Label: "Taken by", Value: p.Method.Label()})
	if p.AuthCode != "" {
		r.Facts = append(r.Facts, components.Line{Label: "Auth code", Value: p.AuthCode})
	}
	r.Facts = append(r.Facts, components.Line{Label: "Reference", Value: p.Reference})
	if p.OrderReference != "" {
		r.Facts = append(r.Facts, components.Line{Label: "Order", Value: p.OrderReference})
	}
	r.Outcome = strings.ToUpper(p.Status.Label())
	total := p.Amount
	switch {
	case p.Status == domain.PaymentVoided:
		r.Outcome = "VOID"
		r.TotalWord = "VOIDED"
		r.Amounts = append(r.Amounts, components.Line{Label: "Amount", Value: m.Money(total)}, components.Line{Label: "Voided", Value: m.Money(negative(total))})
		r.Total = m.Money(money.Zero(total.Currency()))
		if p.Kind == domain.Preauth {
			r.Words = "The hold was released. Nothing was charged"
		}
		return r
	case p.Kind == domain.Preauth && p.Captured.IsZero():
		r.Facts[0].Label = "Held"
		r.Outcome, r.Words, r.TotalWord = "AUTHORISED, NOT CHARGED", "Held on the card; nothing was taken", "HELD"
		total = p.Authorised
		r.Amounts = append(r.Amounts, components.Line{Label: "Authorised", Value: m.Money(total)})
		r.Total = m.Money(total)
		return r
	case p.Kind == domain.Payout:
		r.Facts[0].Label = "Payout"
		r.Words, r.TotalWord = "Sent to the card", "PAID OUT"
		r.Amounts = append(r.Amounts, components.Line{Label: "Amount", Value: m.Money(total)})
		r.Total = m.Money(total)
		return r
	case p.Captured.IsPositive():
		total = p.Captured // an adjustment or a capture may have changed it
	}
	bare, err := total.Sub(p.Tip)
	if p.Tip.IsPositive() && err == nil {
		r.Amounts = append(r.Amounts, components.Line{Label: "Sale", Value: m.Money(bare)}, components.Line{Label: "Tip", Value: m.Money(p.Tip)})
	} else {
		r.Amounts = append(r.Amounts, components.Line{Label: "Amount", Value: m.Money(total)})
	}
	if p.Refunded.IsPositive() {
		r.Amounts = append(r.Amounts, components.Line{Label: "Refunded", Value: m.Money(negative(p.Refunded))})
		if left, err := p.Captured.Sub(p.Refunded); err == nil {
			total = left
		}
	}
	r.Total = m.Money(total)
	return r
}

// ending is a card's number as a receipt may show it; what is no card, and has
// another number or none, shows its end alone.
func ending(c domain.Card) string {
	switch {
	case c.Last4 == "":
		return "used"
	case c.Brand == "Bank account" || c.Brand == "Telephone":
		return "ending " + c.Last4
	}
	return "**** **** **** " + c.Last4
}

// negative writes money that goes back. An amount that has no negative does
// not occur: totals are never the least 64-bit number.
func negative(a money.Amount) money.Amount {
	n, err := a.Neg()
	if err != nil {
		return a
	}
	return n
}
