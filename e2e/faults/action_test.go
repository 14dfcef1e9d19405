package faults

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

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
	// silent says that the provider cannot tell that it did not arrive, so that a
	// person has to find out.
	silent bool
	// after is what must have gone well before, on the same payment; nil for
	// what begins one.
	after *action
	// waits says that what began it has its outcome later, so that its payment is
	// followed until then; brief that the short form kills it at few lines, since it
	// takes the same steps as another one.
	waits, brief bool
	begins       bool // what it does is a payment of its own, all the same
	// fill opens the form and fills it in.
	fill filler
	// rival is a form that has no room beside it; nil where there is none.
	rival filler
	// share is a form for a tenth of what there is, or for all of it, and most how
	// many of them there is room for, 0 for any number; nil where the action takes
	// nothing of a payment.
	share filler
	most  int
}

// What begins a payment.
var (
	sellCard     = &action{name: "sale, stored card, Handpoint", typ: "sale", provider: "handpoint", path: "/moto/sale", fill: begin("sale", "card")}
	sellToken    = &action{name: "sale, card frame, Cardflo", typ: "sale", provider: "cardflo", path: "/debit", fill: begin("sale", "frame")}
	sellPage     = &action{name: "sale, provider's page, Cardflo", typ: "sale", provider: "cardflo", path: "/debit", page: true, fill: begin("sale", "page")}
	sellLink     = &action{name: "payment link, Cardflo", typ: "sale", provider: "cardflo", path: "/debit", page: true, fill: begin("link", "")}
	hold         = &action{name: "pre-authorisation, card frame, Cardflo", typ: "preauth", provider: "cardflo", path: "/preauthorize", fill: begin("preauth", "frame")}
	holdPage     = &action{name: "pre-authorisation, provider's page, Cardflo", typ: "preauth", provider: "cardflo", path: "/preauthorize", page: true, fill: begin("preauth", "page")}
	register     = &action{name: "storing a card, card frame, Cardflo", typ: "register", provider: "cardflo", path: "/register", fill: storeCard("frame")}
	registerPage = &action{name: "storing a card, provider's page, Cardflo", typ: "register", provider: "cardflo", path: "/register", page: true, fill: storeCard("page")}
	payout       = &action{name: "payout, Cardflo", typ: "payout", provider: "cardflo", path: "/payout", after: register, begins: true, fill: payOut}
)

// On a terminal. What follows up begins without one where it can, so that its
// outcome is known at once.
var (
	sellTerminal   = &action{name: "sale, terminal", typ: "sale", provider: "handpoint", path: onTerminals, fill: begin("sale", "terminal")}
	sellTip        = &action{name: "sale with a tip, terminal", typ: "sale", provider: "handpoint", path: onTerminals, brief: true, fill: beginWithTip}
	holdTerminal   = &action{name: "pre-authorisation, terminal", typ: "preauth", provider: "handpoint", path: onTerminals, brief: true, fill: begin("preauth", "terminal")}
	payoutTerminal = &action{name: "refund of no payment, terminal", typ: "payout", provider: "handpoint", path: onTerminals, brief: true, fill: payOutOnTerminal}

	refundTerminal     = &action{name: "refund, terminal", typ: "refund", provider: "handpoint", path: onTerminals, brief: true, after: sellCard, fill: part(there(refund)), rival: more(refund), share: tenth(there(refund)), most: 10}
	voidSaleTerminal   = &action{name: "void of a sale, terminal", typ: "void", provider: "handpoint", path: onTerminals, brief: true, after: sellCard, fill: whole(there(voidOf)), rival: part(refund)}
	voidRefundTerminal = &action{name: "void of a refund, terminal", typ: "void", provider: "handpoint", path: onTerminals, brief: true, after: refundHandpoint, fill: voidRefund}
	captureTerminal    = &action{name: "capture, terminal", typ: "capture", provider: "handpoint", path: onTerminals, brief: true, after: holdTerminal, waits: true, fill: part(there(capture)), rival: part(capture)}
	increaseTerminal   = &action{name: "increase, terminal", typ: "increment", provider: "handpoint", path: onTerminals, brief: true, after: holdTerminal, waits: true, fill: part(there(changeBy("increase"))), rival: over(capture)}
	decreaseTerminal   = &action{name: "decrease, terminal", typ: "decrement", provider: "handpoint", path: onTerminals, brief: true, after: holdTerminal, waits: true, fill: part(there(changeBy("decrease"))), rival: original(capture)}
	voidHoldTerminal   = &action{name: "void of a hold, terminal", typ: "void", provider: "handpoint", path: onTerminals, brief: true, after: holdTerminal, waits: true, fill: whole(there(voidOf)), rival: part(capture)}
)

// onTerminals is where every operation on a terminal is sent.
const onTerminals = "/handpoint/transactions"

// What is done to a payment.
var (
	refundHandpoint = &action{name: "refund, Handpoint", typ: "refund", provider: "handpoint", path: "/moto/refund", after: sellCard, fill: part(refund), rival: more(refund), share: tenth(refund), most: 10}
	refundCardflo   = &action{name: "refund, Cardflo", typ: "refund", provider: "cardflo", path: "/refund", after: sellToken, fill: part(refund), rival: more(refund), share: tenth(refund), most: 10}

	capturePart = &action{name: "capture of a part, Cardflo", typ: "capture", provider: "cardflo", path: "/capture", after: hold, fill: part(capture), rival: more(capture), share: tenth(capture), most: 10}
	captureAll  = &action{name: "capture of all, Cardflo", typ: "capture", provider: "cardflo", path: "/capture", after: hold, fill: whole(capture), rival: part(capture)}
	captureTip  = &action{name: "capture with a tip, Cardflo", typ: "capture", provider: "cardflo", path: "/capture", after: hold, fill: captureWithTip, rival: part(capture)}
	increase    = &action{name: "increase, Cardflo", typ: "increment", provider: "cardflo", path: "/incrementalAuthorization", after: hold, fill: part(changeBy("increase")), rival: over(capture)}
	decrease    = &action{name: "decrease, Cardflo", typ: "decrement", provider: "cardflo", path: "/void", after: hold, fill: part(changeBy("decrease")), rival: original(capture)}
	voidHold    = &action{name: "void of a hold, Cardflo", typ: "void", provider: "cardflo", path: "/void", after: hold, fill: whole(voidOf), rival: part(capture), share: whole(voidOf), most: 1}
	voidSale    = &action{name: "void of a sale, Handpoint", typ: "void", provider: "handpoint", path: "/moto/reversal", after: sellCard, fill: whole(voidOf), rival: part(refund), share: whole(voidOf), most: 1}
	forget      = &action{name: "forgetting a card, Cardflo", typ: "deregister", provider: "cardflo", path: "/deregister", after: register, fill: forgetCard}
	tip         = &action{name: "tip, Handpoint", typ: "tip_adjustment", provider: "handpoint", path: "/tip-adjustment", silent: true, after: sellCard, fill: part(tipOf), share: part(tipOf)}

	refundCapture = &action{name: "refund of a capture, Cardflo", typ: "refund", provider: "cardflo", path: "/refund", after: captureAll, fill: part(refund), rival: more(refund), share: tenth(refund), most: 10}
)

var actions = []*action{sellCard, sellToken, sellPage, sellLink, hold, holdPage, register, registerPage, payout, forget, refundHandpoint, refundCardflo, capturePart, captureAll, captureTip, increase, decrease, voidHold, voidSale, tip, refundCapture,
	sellTerminal, sellTip, holdTerminal, payoutTerminal, refundTerminal, voidSaleTerminal, voidRefundTerminal, captureTerminal, increaseTerminal, decreaseTerminal, voidHoldTerminal}

func (a *action) control(h *house) sandbox.Control {
	if a.provider == "cardflo" {
		return h.cf
	}
	return h.hp
}

// over is how far ahead the rules' clock is when what is not known to the
// provider never arrived.
func (a *action) over() time.Duration {
	if a.silent {
		return givenUp
	}
	return windowsOver
}

// lost is how a transaction ends whose request never arrived.
func (a *action) lost() string {
	if a.silent {
		return "needs_person"
	}
	return "failed"
}

// filler opens a form for a payment and fills it in.
type filler func(h *house, payment string) (form, error)

// begin fills in the form that begins a payment. Its amount and its order
// reference are nobody else's in this house.
func begin(kind, method string) filler {
	return func(h *house, _ string) (form, error) {
		n := h.serial.Add(1)
		connection := h.cardflo.String()
		if method == "card" || method == "terminal" {
			connection = h.handpoint.String()
		}
		f := form{typ: map[string]string{"sale": "sale", "link": "sale", "preauth": "preauth"}[kind], path: "/payments", order: fmt.Sprintf("Hamper %d", n)}
		f.fields = url.Values{"kind": {kind}, "connection": {connection}, "amount": {major(100_000 + n)}, "currency": {"GBP"}, "order_reference": {f.order}, "email": {""}}
		switch method {
		case "":
			f.fields.Set("expires", "30")
		case "card":
			f.fields.Set("card", h.card.String())
		case "frame":
			framed(f.fields)
		case "terminal":
			f.fields.Set("terminal", h.device.String())
		}
		if method != "" {
			f.fields.Set("method", method)
		}
		return h.open("/payments/new?kind="+kind+"&connection="+connection, f)
	}
}

// beginWithTip is a sale whose terminal asks for a tip; a virtual one asks nobody.
func beginWithTip(h *house, payment string) (form, error) {
	f, err := begin("sale", "terminal")(h, payment)
	if !h.virtual {
		f.fields.Set("tip_percents", "10, 20")
	}
	return f, err
}

// payOutOnTerminal fills in a payout to the card that is shown.
func payOutOnTerminal(h *house, _ string) (form, error) {
	f := form{typ: "payout", path: "/payouts"}
	f.fields = url.Values{"connection": {h.handpoint.String()}, "terminal": {h.device.String()}, "amount": {major(5_000 + h.serial.Add(1))}, "currency": {"GBP"}, "note": {"The raffle"}}
	return h.open("/payouts/new?connection="+h.handpoint.String(), f)
}

// there is a form that is done on the terminal.
func there(of amountForm) amountForm {
	return func(h *house, payment, amount string) (form, error) {
		f, err := of(h, payment, amount)
		f.fields.Set("terminal", h.device.String())
		return f, err
	}
}

// voidRefund is the form that voids a payment's refund on the terminal.
func voidRefund(h *house, payment string) (form, error) {
	var refunded int64
	if err := h.owner.QueryRow(`select amount_minor from transactions where payment_id = $1 and type = 'refund' and status = 'approved' order by created_at desc limit 1`, payment).Scan(&refunded); err != nil {
		return form{}, errNotOffered
	}
	return h.change(payment, "void", "void-refund", url.Values{"shown": {major(refunded)}, "terminal": {h.device.String()}})
}

// framed is what the provider's frame gives a form.
func framed(fields url.Values) {
	fields.Set("card_token", sandboxcardflo.TokenApprove)
	fields.Set("card_brand", "Visa")
	fields.Set("card_last4", "1111")
	fields.Set("card_expiry", "12/30")
}

// storeCard fills in the form that stores a card at Cardflo.
func storeCard(method string) filler {
	return func(h *house, _ string) (form, error) {
		n := h.serial.Add(1)
		f := form{typ: "register", path: "/cards", order: fmt.Sprintf("Customer %d", n)}
		f.fields = url.Values{"connection": {h.cardflo.String()}, "customer": {f.order}, "email": {""}, "method": {method}}
		if method == "frame" {
			framed(f.fields)
		}
		return h.open("/cards/new?connection="+h.cardflo.String(), f)
	}
}

// cardOf is the card that a payment stored.
func (h *house) cardOf(payment string) (card string, err error) {
	err = h.owner.QueryRow(`select id from cards where payment_id = $1`, payment).Scan(&card)
	return card, err
}

// payOut fills in a payout to the card that a payment stored.
func payOut(h *house, payment string) (form, error) {
	card, err := h.cardOf(payment)
	if err != nil {
		return form{}, err
	}
	f := form{typ: "payout", path: "/payouts"}
	f.fields = url.Values{"connection": {h.cardflo.String()}, "card": {card}, "amount": {major(5_000 + h.serial.Add(1))}, "currency": {"GBP"}, "note": {"The raffle"}}
	return h.open("/payouts/new?connection="+h.cardflo.String()+"&card="+card, f)
}

// forgetCard is the form that forgets the card that a payment stored. It has no
// key: the card is the key, since it can be forgotten only once.
func forgetCard(h *house, payment string) (form, error) {
	card, err := h.cardOf(payment)
	if err != nil {
		return form{}, err
	}
	page := "/cards/" + card + "/forget"
	f, err := h.open(page, form{typ: "deregister", path: page, fields: url.Values{}, keyless: payment})
	return f, err
}

// part is a form for an amount that no other has; tenth is one for a tenth of
// what a payment began with, whole for all that there is, and more for more than
// is left beside a part.
func part(of amountForm) filler {
	return func(h *house, payment string) (form, error) { return of(h, payment, major(1_000+h.serial.Add(1))) }
}

func tenth(of amountForm) filler {
	return func(h *house, payment string) (form, error) { return of(h, payment, major(10_000)) }
}

func more(of amountForm) filler {
	return func(h *house, payment string) (form, error) { return of(h, payment, major(100_000)) }
}

func whole(of amountForm) filler {
	return func(h *house, payment string) (form, error) {
		var there int64
		if err := h.owner.QueryRow(`select greatest(authorised_minor, captured_minor) from payments where id = $1`, payment).Scan(&there); err != nil {
			return form{}, err
		}
		return of(h, payment, major(there))
	}
}

// over is a form for more than any hold, original one for what a payment began
// with.
func over(of amountForm) filler {
	return func(h *house, payment string) (form, error) { return of(h, payment, major(900_000)) }
}

func original(of amountForm) filler {
	return func(h *house, payment string) (form, error) {
		var began int64
		if err := h.owner.QueryRow(`select amount_minor from payments where id = $1`, payment).Scan(&began); err != nil {
			return form{}, err
		}
		return of(h, payment, major(began))
	}
}

// amountForm is a form for an amount.
type amountForm func(h *house, payment, amount string) (form, error)

func refund(h *house, payment, amount string) (form, error) {
	f := form{typ: "refund", path: "/payments/" + payment + "/refunds"}
	f.fields = url.Values{"kind": {"part"}, "amount": {amount}, "reason": {"returned"}, "note": {""}}
	return h.open("/payments/"+payment+"/refund", f)
}

// change opens the form of a change of a payment.
func (h *house) change(payment, typ, word string, fields url.Values) (form, error) {
	fields.Set("note", "")
	page := "/payments/" + payment + "/" + word
	return h.open(page, form{typ: typ, path: page, fields: fields})
}

func capture(h *house, payment, amount string) (form, error) {
	return h.change(payment, "capture", "capture", url.Values{"amount": {amount}})
}

func captureWithTip(h *house, payment string) (form, error) {
	amount := 20_000 + h.serial.Add(1)
	return h.change(payment, "capture", "capture", url.Values{"amount": {major(amount)}, "tip": {"15.00"}, "final": {"yes"}})
}

func changeBy(word string) amountForm {
	return func(h *house, payment, amount string) (form, error) {
		return h.change(payment, map[string]string{"increase": "increment", "decrease": "decrement"}[word], word, url.Values{"amount": {amount}})
	}
}

func voidOf(h *house, payment, amount string) (form, error) {
	return h.change(payment, "void", "void", url.Values{"shown": {amount}})
}

func tipOf(h *house, payment, amount string) (form, error) {
	return h.change(payment, "tip_adjustment", "tip", url.Values{"amount": {amount}, "confirm_tip": {"yes"}})
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
	f, err := a.after.fill(h, payment)
	if err != nil {
		return "", err
	}
	status, payment, err := h.post(f)
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("the %s before was answered %d", a.after.typ, status)
	}
	if err == nil && a.waits {
		err = h.ended(payment)
	}
	return payment, err
}

// ended waits until nothing of a payment is open.
func (h *house) ended(payment string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var open int
		if err := h.owner.QueryRow(`select count(*) from transactions where payment_id = $1 and status not in ('approved', 'declined', 'failed')`, payment).Scan(&open); err != nil || open == 0 {
			return err
		}
		if _, err := h.owner.Exec(hurries[h.patient]); err != nil {
			return err
		}
	}
	return fmt.Errorf("payment %s has no outcome within %s", payment, patience)
}

// shut says that a form is not there for a person now: its page does not offer
// it, or it is refused as out of date.
func shut(status int, err error) bool {
	return errors.Is(err, errNotOffered) || err == nil && status == http.StatusConflict
}
