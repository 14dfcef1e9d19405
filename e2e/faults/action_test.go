package faults

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

// action is one thing that a person does with money. Every kind of fault goes
// through the same list.
type action struct {
	name     string
	typ      string // of the transaction that it makes; also its name in the points
	provider string
	path     string // of the request that moves the money, at the provider
	page     bool   // the customer types the card on the provider's page
	// after is what must have gone well before, on the same payment; nil for
	// what begins one.
	after *action
	// fill opens the form and fills it in.
	fill func(h *house, a *action, payment string) (form, error)
	// rival is a form that has no room beside it; nil where there is none.
	rival func(h *house, payment string) (form, error)
	// share is a form for a tenth of what there is, and most how many of them
	// there is room for; nil where the action takes no part of anything.
	share func(h *house, payment string) (form, error)
	most  int
}

// The sales.
var (
	sellCard  = &action{name: "sale, stored card, Handpoint", typ: "sale", provider: "handpoint", path: "/moto/sale", fill: saleWith("card")}
	sellToken = &action{name: "sale, card frame, Cardflo", typ: "sale", provider: "cardflo", path: "/debit", fill: saleWith("frame")}
	sellPage  = &action{name: "sale, provider's page, Cardflo", typ: "sale", provider: "cardflo", path: "/debit", page: true, fill: saleWith("page")}

	refundHandpoint = &action{name: "refund, Handpoint", typ: "refund", provider: "handpoint", path: "/moto/refund", after: sellCard, fill: refundPart, rival: refundAll, share: refundTenth, most: 10}
	refundCardflo   = &action{name: "refund, Cardflo", typ: "refund", provider: "cardflo", path: "/refund", after: sellToken, fill: refundPart, rival: refundAll, share: refundTenth, most: 10}
)

var actions = []*action{sellCard, sellToken, sellPage, refundHandpoint, refundCardflo}

func (a *action) connection(h *house) domain.ConnectionID {
	if a.provider == "cardflo" {
		return h.cardflo
	}
	return h.handpoint
}

func (a *action) control(h *house) sandbox.Control {
	if a.provider == "cardflo" {
		return h.cf
	}
	return h.hp
}

func saleWith(method string) func(*house, *action, string) (form, error) {
	return func(h *house, a *action, _ string) (form, error) {
		n := h.serial.Add(1)
		f := form{typ: a.typ, path: "/payments", order: fmt.Sprintf("Hamper %d", n)}
		f.fields = url.Values{"connection": {a.connection(h).String()}, "amount": {major(100_000 + n)}, "currency": {"GBP"}, "order_reference": {f.order}, "email": {""}, "method": {method}}
		switch method {
		case "card":
			f.fields.Set("card", h.card.String())
		case "frame":
			f.fields.Set("card_token", sandboxcardflo.TokenApprove)
			f.fields.Set("card_brand", "Visa")
			f.fields.Set("card_last4", "1111")
			f.fields.Set("card_expiry", "12/30")
		}
		return h.open("/payments/new?connection="+a.connection(h).String(), f)
	}
}

func refundPart(h *house, _ *action, payment string) (form, error) {
	return h.refund(payment, major(1_000+h.serial.Add(1)))
}

// refundAll gives back all of a sale, and more than is left beside a part of it.
func refundAll(h *house, payment string) (form, error) { return h.refund(payment, major(100_000)) }

// refundTenth gives back a tenth of a sale, or a little less.
func refundTenth(h *house, payment string) (form, error) { return h.refund(payment, major(10_000)) }

func (h *house) refund(payment, amount string) (form, error) {
	f := form{typ: "refund", path: "/payments/" + payment + "/refunds"}
	f.fields = url.Values{"kind": {"part"}, "amount": {amount}, "reason": {"returned"}, "note": {""}}
	return h.open("/payments/"+payment+"/refund", f)
}

// prepare does what must have gone well before the action, and gives the
// payment; empty for what begins one.
func (h *house) prepare(a *action) (payment string, err error) {
	if a.after == nil {
		return "", nil
	}
	payment, err = h.prepare(a.after)
	if err != nil {
		return "", err
	}
	f, err := a.after.fill(h, a.after, payment)
	if err != nil {
		return "", err
	}
	status, payment, err := h.post(f)
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("the %s before was answered %d", a.after.typ, status)
	}
	return payment, err
}

// shut says that a form is not there for a person now: its page does not offer
// it, or it is refused as out of date.
func shut(status int, err error) bool {
	return errors.Is(err, errNotOffered) || err == nil && status == http.StatusConflict
}
