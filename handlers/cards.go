package handlers

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// cards lists the stored cards.
func (h *Payments) cards(c echo.Context) error {
	q, merchant := c.QueryParams(), web.Merchant(c)
	f := domain.CardFilter{Query: q.Get("q")}
	bad := func(sentence string) error {
		return &domain.Error{Code: domain.Invalid, Message: sentence}
	}
	if !web.IsText(f.Query) || len([]rune(f.Query)) > 80 {
		return bad("That search cannot be read. Use at most 80 characters.")
	}
	var err error
	if s := q.Get("connection"); s != "" {
		if f.Connection, err = domain.ParseConnectionID(s); err != nil {
			return bad("There is no connection with that id.")
		}
	}
	if f.After, err = domain.ParseCursor(q.Get("after")); err != nil {
		return err
	}
	if s := q.Get("limit"); s != "" {
		if f.Limit, err = strconv.Atoi(s); err != nil || f.Limit < 1 || f.Limit > domain.MaxPage {
			return bad("A page has 1 to " + strconv.Itoa(domain.MaxPage) + " rows.")
		}
	}
	l, err := h.Service.Cards(c.Request().Context(), web.Actor(c), merchant, f)
	if err != nil {
		return err
	}
	model := layout(c, layouts.NavCards, "Stored cards")
	role := web.Actor(c).Role
	v := pages.CardsView{Layout: model, Q: f.Query, Connection: q.Get("connection"), FirstDay: l.None, Manage: role.May(domain.CardsManage)}
	for _, conn := range l.Connections {
		v.CanStore = v.CanStore || l.Stores[conn.ID]
		v.CanPayOut = v.CanPayOut || l.Pays[conn.ID] && role.May(domain.PaymentsPayout)
		if !conn.Removed() || conn.ID == f.Connection {
			v.Connections = append(v.Connections, components.Option{Value: conn.ID.String(), Label: conn.Name, Chosen: conn.ID == f.Connection})
		}
	}
	for _, card := range l.CardPage.Cards {
		row := pages.CardRow{Card: card}
		if card.Usable() && l.Charges[card.ConnectionID] && role.May(domain.PaymentsTake) {
			row.ChargeURL = with("/payments/new", "connection", card.ConnectionID.String(), "card", card.ID.String())
		}
		if card.Usable() && l.Pays[card.ConnectionID] && role.May(domain.PaymentsPayout) {
			row.PayoutURL = with("/payouts/new", "connection", card.ConnectionID.String(), "card", card.ID.String())
		}
		v.Rows = append(v.Rows, row)
	}
	page := func(at domain.Cursor) string {
		if at.IsZero() {
			return ""
		}
		return with("/cards", "q", f.Query, "connection", v.Connection, "limit", q.Get("limit"), "after", at.String())
	}
	v.Pager.NewerURL, v.Pager.OlderURL = page(l.Newer), page(l.Older)
	if n := len(v.Rows); n > 0 {
		z := model.Zone()
		v.Pager.Words = z.Day(v.Rows[0].Card.CreatedAt) + " back to " + z.Day(v.Rows[n-1].Card.CreatedAt)
	}
	return web.Render(c, http.StatusOK, pages.Cards(v))
}

// newCard is the form that stores a card at a provider.
func (h *Payments) newCard(c echo.Context) error {
	a, err := asked(c.QueryParams())
	if err != nil {
		return err
	}
	o, err := h.cardOptions(c, a)
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
	return h.newCardPage(c, http.StatusOK, o, typedIn(c.QueryParams(), "method", "terminal"), key, nil, "")
}

func (h *Payments) cardOptions(c echo.Context, a payments.Asked) (payments.Options, error) {
	return h.Service.FormOptions(c.Request().Context(), web.Actor(c), web.Merchant(c), payments.ForCard, a)
}

func (h *Payments) newCardPage(c echo.Context, status int, o payments.Options, typed web.Values, key string, errs map[string]string, sentence string) error {
	v := pages.NewCardView{Layout: layout(c, layouts.NavCards, "Store a card"), Key: key, Errors: errs, FormError: sentence, Customer: typed.Get("customer"), Email: typed.Get("email"),
		ConnectionID: o.Chosen.ID, ConnectionName: o.Chosen.Name, ProviderName: o.Label}
	for _, conn := range o.Connections {
		v.Connections = append(v.Connections, pages.ConnectionChoice{ID: conn.ID, Name: conn.Name, Provider: h.Service.ProviderLabel(conn.Provider), How: "Stores cards"})
	}
	if o.Caps.Has(domain.CanTokenizeInFrame) && o.Frame.URL != "" {
		v.Frame = &pages.CardFrame{URL: o.Frame.URL, Origin: o.Frame.Origin}
		web.AllowFrame(c, o.Frame.Origin)
	}
	v.Page = o.Caps.Has(domain.CanRegisterCard)
	v.Terminal = terminalForm(c, o.Terminals, typed)
	if m, ok := domain.ParseMethod(typed.Get("method")); ok {
		v.Method = m
	}
	return web.Render(c, status, pages.NewCard(v))
}

func (h *Payments) registerCard(c echo.Context) error {
	form, err := web.Form(c, "connection", "customer", "email", "method", "terminal", "card_token", "card_brand", "card_last4", "card_expiry")
	if err != nil {
		return err
	}
	connection, err := domain.ParseConnectionID(form.Get("connection"))
	if err != nil {
		return err
	}
	in := payments.RegisterInput{Key: form.Key(), ConnectionID: connection, CardToken: form.Get("card_token"), Customer: form.Get("customer"), Email: form.Get("email"),
		Card: domain.Card{Brand: form.Get("card_brand"), Last4: form.Get("card_last4"), Expiry: form.Get("card_expiry")}}
	in.Method, _ = domain.ParseMethod(form.Get("method"))
	if in.Method == domain.MethodTerminal {
		in.Terminal.DeviceID, _ = domain.ParseDeviceID(form.Get("terminal"))
	}
	again := func(status int, key string, errs map[string]string, sentence string) error {
		o, err := h.cardOptions(c, payments.Asked{Connection: connection})
		if err != nil {
			return err
		}
		return h.newCardPage(c, status, o, form, key, errs, sentence)
	}
	taken, err := h.Service.RegisterCard(c.Request().Context(), web.Actor(c), in)
	switch domain.CodeOf(err) {
	case "":
		rememberTerminal(c, in.Terminal.DeviceID)
		return web.Redirect(c, "/payments/"+taken.PaymentID.String()+"?new=1")
	case domain.Invalid:
		return again(http.StatusUnprocessableEntity, form.Key(), domain.FieldsOf(err), "")
	case domain.Conflict:
		return again(http.StatusConflict, payments.NewKey(), nil, domain.MessageOf(err))
	}
	return err
}

func (h *Payments) storeCardForm(c echo.Context) error {
	return h.storeCardPage(c, http.StatusOK, web.Values{}, nil, "")
}

func (h *Payments) storeCardPage(c echo.Context, status int, typed web.Values, errs map[string]string, sentence string) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	return web.Render(c, status, pages.StoreCard(pages.StoreCardView{Layout: layout(c, layouts.NavPayments, "Store the card of "+d.Payment.Reference), Payment: d.Payment,
		Customer: typed.Get("customer"), Denied: d.Why[domain.ActStoreCard], Errors: errs, FormError: sentence}))
}

func (h *Payments) storeCard(c echo.Context) error {
	form, err := web.Form(c, "customer")
	if err != nil {
		return err
	}
	id, err := paymentID(c)
	if err != nil {
		return err
	}
	kept, err := h.Service.StoreCard(c.Request().Context(), web.Actor(c), id, form.Get("customer"))
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "good", "Stored: "+kept.Card.Prose()+", "+kept.Customer+".")
		return web.Redirect(c, "/cards")
	case domain.Invalid:
		return h.storeCardPage(c, http.StatusUnprocessableEntity, form, domain.FieldsOf(err), "")
	case domain.Conflict, domain.Unavailable:
		return h.storeCardPage(c, http.StatusConflict, form, nil, domain.MessageOf(err))
	}
	return err
}

func cardID(c echo.Context) (domain.CardID, error) {
	id, err := domain.ParseCardID(c.Param("id"))
	if err != nil {
		return id, domain.Errorf(domain.NotFound, "There is no stored card with that id.")
	}
	return id, nil
}

func (h *Payments) forgetForm(c echo.Context) error { return h.forgetPage(c, http.StatusOK, "") }

func (h *Payments) forgetPage(c echo.Context, status int, sentence string) error {
	id, err := cardID(c)
	if err != nil {
		return err
	}
	f, err := h.Service.ForgetWords(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	return web.Render(c, status, pages.ForgetCard(pages.ForgetCardView{Layout: layout(c, layouts.NavCards, "Forget a card"), Card: f.Card, AtProvider: f.AtProvider, Why: f.Why, FormError: sentence}))
}

// forgetCard forgets a card. Where the provider is told, the payment that stored
// it shows the outcome.
func (h *Payments) forgetCard(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	id, err := cardID(c)
	if err != nil {
		return err
	}
	at, status, err := h.Service.ForgetCard(c.Request().Context(), web.Actor(c), id)
	switch domain.CodeOf(err) {
	case "":
	case domain.Conflict:
		return h.forgetPage(c, http.StatusConflict, domain.MessageOf(err))
	default:
		return err
	}
	if status == domain.TxApproved {
		web.Flash(c, "good", "The card was forgotten.")
		return web.Redirect(c, "/cards")
	}
	return web.Redirect(c, "/payments/"+at.String())
}
