package handlers

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// newPayout is the form of a payout: to a stored card of a connection
// (?connection=, ?card=), or to the card of an earlier payment (?payment=).
func (h *Payments) newPayout(c echo.Context) error {
	a, err := asked(c.QueryParams())
	if err != nil {
		return err
	}
	o, err := h.payoutOptions(c, a)
	if err != nil {
		return err
	}
	key := ""
	if !o.Chosen.ID.IsZero() {
		var done bool
		if key, done, err = h.attempt(c); done {
			return err
		}
	}
	return h.payoutPage(c, http.StatusOK, o, typedIn(c.QueryParams(), "amount", "currency", "card", "note", "terminal"), key, nil, "")
}

func (h *Payments) payoutOptions(c echo.Context, a payments.Asked) (payments.Options, error) {
	return h.Service.FormOptions(c.Request().Context(), web.Actor(c), web.Merchant(c), payments.ForPayout, a)
}

func (h *Payments) payoutPage(c echo.Context, status int, o payments.Options, typed web.Values, key string, errs map[string]string, sentence string) error {
	v := pages.PayoutView{Layout: layout(c, layouts.NavCards, "Pay out"), Key: key, Errors: errs, FormError: sentence, Amount: typed.Get("amount"), Note: typed.Get("note"),
		ConnectionID: o.Chosen.ID, ConnectionName: o.Chosen.Name, ProviderName: o.Label, To: o.To}
	for _, conn := range o.Connections {
		v.Connections = append(v.Connections, pages.ConnectionChoice{ID: conn.ID, Name: conn.Name, Provider: h.Service.ProviderLabel(conn.Provider), How: "Payouts"})
	}
	v.Currencies, v.Currency = currencyChoices(o.Currencies, typed.Get("currency"))
	if typed.Get("currency") == "" && !o.To.ID.IsZero() {
		v.Currency = o.To.Amount.Currency()
	}
	for i, card := range o.Cards {
		v.Cards = append(v.Cards, pages.CardChoice{Card: card, Chosen: card.ID.String() == typed.Get("card") || len(o.Cards) == 1 && i == 0})
	}
	if o.To.ID.IsZero() {
		v.Terminal = terminalForm(c, o.Terminals, typed)
		v.Terminal.Only = !o.Caps.Has(domain.CanPayout)
		if v.Terminal.Only {
			v.Cards = nil
		}
	}
	return web.Render(c, status, pages.Payout(v))
}

func (h *Payments) payOut(c echo.Context) error {
	form, err := web.Form(c, "connection", "payment", "card", "terminal", "amount", "currency", "note")
	if err != nil {
		return err
	}
	connection, err := domain.ParseConnectionID(form.Get("connection"))
	if err != nil {
		return err
	}
	in := payments.PayoutInput{Key: form.Key(), ConnectionID: connection, Note: form.Get("note")}
	if form.Get("payment") != "" {
		if in.To, err = domain.ParsePaymentID(form.Get("payment")); err != nil {
			return err
		}
	} else if form.Get("card") == pages.PayoutOnTerminal || form.Get("card") == "" {
		in.Terminal.DeviceID, _ = domain.ParseDeviceID(form.Get("terminal"))
	} else {
		in.CardID, _ = domain.ParseCardID(form.Get("card"))
	}
	errs := map[string]string{}
	currency, err := money.ParseCurrency(form.Get("currency"))
	if err != nil {
		errs["currency"] = "Choose a currency."
		currency = web.Merchant(c).Currencies[0]
	}
	if in.Amount, err = parseAmount(form.Get("amount"), currency, web.Merchant(c)); err != nil {
		errs["amount"] = domain.MessageOf(err)
		in.Amount = money.FromMinor(1, currency)
	}
	again := func(status int, key string, more map[string]string, sentence string) error {
		for k, v := range more {
			if _, have := errs[k]; !have {
				errs[k] = v
			}
		}
		o, err := h.payoutOptions(c, payments.Asked{Connection: connection, Card: in.CardID, Payment: in.To})
		if err != nil {
			return err
		}
		return h.payoutPage(c, status, o, form, key, errs, sentence)
	}
	if len(errs) > 0 {
		return again(http.StatusUnprocessableEntity, form.Key(), h.Service.CheckPayout(in), "")
	}
	taken, err := h.Service.Payout(c.Request().Context(), web.Actor(c), in)
	switch domain.CodeOf(err) {
	case "":
		rememberTerminal(c, in.Terminal.DeviceID)
		return web.Redirect(c, "/payments/"+taken.PaymentID.String()+"?new=1")
	case domain.Invalid:
		return again(http.StatusUnprocessableEntity, form.Key(), domain.FieldsOf(err), "")
	case domain.Conflict:
		return again(http.StatusConflict, payments.NewKey(), domain.FieldsOf(err), domain.MessageOf(err))
	}
	return err
}

// with is an address with more in its query.
func with(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return listURL(path, q)
}
