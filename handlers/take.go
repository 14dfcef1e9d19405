package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// beginRoutes are the pages that begin a payment, and what belongs to them.
func (h *Payments) beginRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/payments/new", Permission: domain.PaymentsTake, Handler: h.newForm},
		{Method: http.MethodPost, Path: "/payments", Permission: domain.PaymentsTake, Handler: h.take},
		{Method: http.MethodGet, Path: "/payments/:id/link.png", Permission: domain.PaymentsRead, Handler: h.linkQR},
		{Method: http.MethodGet, Path: "/payments/:id/link-cancel", Permission: domain.PaymentsTake, Handler: h.cancelLinkForm},
		{Method: http.MethodPost, Path: "/payments/:id/link-cancel", Permission: domain.PaymentsTake, Handler: h.cancelLink},
		{Method: http.MethodGet, Path: "/payments/:id/store-card", Permission: domain.CardsManage, Handler: h.storeCardForm},
		{Method: http.MethodPost, Path: "/payments/:id/store-card", Permission: domain.CardsManage, Handler: h.storeCard},
		{Method: http.MethodGet, Path: "/payouts/new", Permission: domain.PaymentsPayout, Handler: h.newPayout},
		{Method: http.MethodPost, Path: "/payouts", Permission: domain.PaymentsPayout, Handler: h.payOut},
		{Method: http.MethodGet, Path: "/cards", Permission: domain.CardsRead, Handler: h.cards},
		{Method: http.MethodGet, Path: "/cards/new", Permission: domain.CardsManage, Handler: h.newCard},
		{Method: http.MethodPost, Path: "/cards", Permission: domain.CardsManage, Handler: h.registerCard},
		{Method: http.MethodGet, Path: "/cards/:id/forget", Permission: domain.CardsManage, Handler: h.forgetForm},
		{Method: http.MethodPost, Path: "/cards/:id/forget", Permission: domain.CardsManage, Handler: h.forgetCard},
	}
}

// attempt is the key of a form that is about to be shown, from its own address:
// a reload, Back and a session that ended keep it. An address without one leads
// to itself with a fresh one, and one that was used leads to what it made. done
// says that the answer was given.
func (h *Payments) attempt(c echo.Context) (key string, done bool, err error) {
	key = c.QueryParam("attempt")
	made, fresh, err := h.Service.Attempt(c.Request().Context(), web.Actor(c), key)
	switch {
	case err != nil:
		return "", true, err
	case !made.IsZero():
		return "", true, web.Redirect(c, "/payments/"+made.String())
	case fresh:
		return key, false, nil
	}
	q := url.Values{}
	for name, values := range c.QueryParams() {
		q[name] = values
	}
	q.Set("attempt", payments.NewKey())
	return "", true, web.Redirect(c, c.Request().URL.Path+"?"+q.Encode())
}

// asked reads which connection, card and payment a form's address asks for.
func asked(q url.Values) (payments.Asked, error) {
	var a payments.Asked
	var err error
	if s := q.Get("connection"); s != "" {
		if a.Connection, err = domain.ParseConnectionID(s); err != nil {
			return a, err
		}
	}
	if s := q.Get("payment"); s != "" {
		if a.Payment, err = domain.ParsePaymentID(s); err != nil {
			return a, err
		}
	}
	if s := q.Get("card"); s != "" {
		a.Card, err = domain.ParseCardID(s)
	}
	return a, err
}

// typedIn are the values that an address carries into a form: an expired session
// leads back to it with what was typed.
func typedIn(q url.Values, names ...string) web.Values {
	v := web.Values{}
	for _, name := range names {
		if s := q.Get(name); s != "" && web.IsText(s) {
			v[name] = clip(s)
		}
	}
	return v
}

func clip(s string) string {
	if r := []rune(s); len(r) > 254 {
		return string(r[:254])
	}
	return s
}

// newForm chooses the connection by a GET, because its origin goes into this
// page's frame-src, and shows that connection's form.
func (h *Payments) newForm(c echo.Context) error {
	q := c.QueryParams()
	a, err := asked(q)
	if err != nil {
		return err
	}
	typed := typedIn(q, append([]string{"amount", "order_reference", "currency", "method", "card", "kind", "surcharge", "capture_after", "expires", "send_by_email"}, terminalFields...)...)
	if typed["terminal"] != "" && typed["method"] == "" {
		typed["method"] = string(domain.MethodTerminal)
	}
	if !a.Card.IsZero() && typed["method"] == "" {
		typed["method"] = string(domain.MethodCard)
	}
	o, err := h.takeOptions(c, a, typed)
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
	return h.takePage(c, http.StatusOK, o, typed, key, nil, "", nil)
}

func (h *Payments) takeOptions(c echo.Context, a payments.Asked, typed web.Values) (payments.Options, error) {
	a.Kind = typed.Get("kind")
	return h.Service.FormOptions(c.Request().Context(), web.Actor(c), web.Merchant(c), payments.ForPayment, a)
}

// kindOf is the kind of payment that a form is for: the one asked for, or the
// first that the connection offers.
func kindOf(o payments.Options, asked string) string {
	for _, k := range []string{payments.KindSale, payments.KindPreauth, payments.KindLink} {
		if k == asked && o.Why.Kinds[k] == "" {
			return k
		}
	}
	for _, k := range []string{payments.KindSale, payments.KindPreauth, payments.KindLink} {
		if o.Why.Kinds[k] == "" {
			return k
		}
	}
	return payments.KindSale
}

func (h *Payments) takePage(c echo.Context, status int, o payments.Options, typed web.Values, key string, errs map[string]string, formError string, like *pages.DuplicateView) error {
	v := pages.TakePaymentView{Layout: layout(c, layouts.NavTake, "Take a payment"), Key: key, Errors: errs, FormError: formError, Duplicate: like,
		Amount: typed.Get("amount"), OrderReference: typed.Get("order_reference"), OrderRequired: true, Email: typed.Get("email"),
		Surcharge: typed.Get("surcharge"), CaptureAfter: typed.Get("capture_after"), Expires: typed.Get("expires"), SendByEmail: typed.Get("send_by_email") == "yes"}
	for _, conn := range o.Connections {
		v.Connections = append(v.Connections, pages.ConnectionChoice{ID: conn.ID, Name: conn.Name, Provider: h.Service.ProviderLabel(conn.Provider), How: o.How[conn.ID]})
	}
	if len(o.Connections) == 0 {
		v.None = "No connection to a payment provider is set up yet. Whoever runs this copy of Counterfoil can add one."
		return web.Render(c, status, pages.TakePayment(v))
	}
	if o.Chosen.ID.IsZero() {
		return web.Render(c, status, pages.TakePayment(v))
	}
	v.ConnectionID, v.ConnectionName, v.ProviderName = o.Chosen.ID, o.Chosen.Name, o.Label
	v.Currencies, v.Currency = currencyChoices(o.Currencies, typed.Get("currency"))
	v.Kind = kindOf(o, typed.Get("kind"))
	for _, k := range []string{payments.KindSale, payments.KindPreauth, payments.KindLink} {
		v.Kinds = append(v.Kinds, pages.KindChoice{Kind: k, Reason: o.Why.Kinds[k], URL: kindURL(o.Chosen.ID, k, key)})
	}
	v.CanSurcharge, v.CanAutoCapture, v.MailsLinks = o.Caps.Has(domain.CanSurcharge), o.Caps.Has(domain.CanAutoCapture), o.MailsLinks
	if v.Kind != payments.KindLink {
		if o.Why.Ways[domain.MethodFrame] == "" && o.Frame.URL != "" {
			v.Frame = &pages.CardFrame{URL: o.Frame.URL, Origin: o.Frame.Origin}
			web.AllowFrame(c, o.Frame.Origin)
		}
		v.Page = o.Why.Ways[domain.MethodPage] == ""
		v.CardsOffered = o.Why.Ways[domain.MethodCard] == "" && len(o.Cards) > 0
		if o.Why.Ways[domain.MethodTerminal] == "" {
			v.Terminal = terminalForm(c, o.Terminals, typed)
			v.Terminal.Asks = v.Kind == payments.KindSale
			if len(o.Terminals) == 0 {
				v.Unavailable = map[domain.Method]string{domain.MethodTerminal: "No terminal of this connection is listed yet. Read the list anew under Devices."}
			}
		}
	}
	for _, card := range o.Cards {
		v.Cards = append(v.Cards, pages.CardChoice{Card: card, Chosen: card.ID.String() == typed.Get("card")})
	}
	if m, ok := domain.ParseMethod(typed.Get("method")); ok {
		v.Method = m
	}
	return web.Render(c, status, pages.TakePayment(v))
}

func kindURL(id domain.ConnectionID, kind, key string) string {
	q := url.Values{"connection": {id.String()}, "kind": {kind}}
	if key != "" {
		q.Set("attempt", key)
	}
	return "/payments/new?" + q.Encode()
}

func currencyChoices(all []money.Currency, typed string) (choices []pages.CurrencyChoice, chosen money.Currency) {
	for _, cur := range all {
		choices = append(choices, pages.CurrencyChoice{Currency: cur, Limit: money.Zero(cur)})
		if cur.Code() == typed {
			chosen = cur
		}
	}
	if chosen.IsZero() && len(all) > 0 {
		chosen = all[0]
	}
	return choices, chosen
}

// takeFields are all that the sale form may carry.
var takeFields = []string{"connection", "kind", "amount", "surcharge", "capture_after", "expires", "send_by_email", "currency", "order_reference", "email", "method",
	"card", "card_token", "card_brand", "card_last4", "card_expiry", "confirm_duplicate",
	"terminal", "tip_percents", "tip_amount", "tip_skip", "metadata", "skip_signature", "skip_pin", "no_duplicate_check", "store_card", "customer"}

func (h *Payments) take(c echo.Context) error {
	form, err := web.Form(c, takeFields...)
	if err != nil {
		return err
	}
	connection, err := domain.ParseConnectionID(form.Get("connection"))
	if err != nil {
		return err
	}
	in, errs := h.takeInput(c, form, connection)
	again := func(status int, key string, more map[string]string, sentence string, like *pages.DuplicateView) error {
		for k, v := range more {
			if _, have := errs[k]; !have {
				errs[k] = v
			}
		}
		o, err := h.takeOptions(c, payments.Asked{Connection: connection, Card: in.CardID}, form)
		if err != nil {
			return err
		}
		return h.takePage(c, status, o, form, key, errs, sentence, like)
	}
	if len(errs) > 0 {
		return again(http.StatusUnprocessableEntity, form.Key(), h.Service.CheckTake(in), "", nil)
	}
	taken, err := h.Service.Take(c.Request().Context(), web.Actor(c), in)
	var like *payments.Alike
	if errors.As(err, &like) {
		return again(http.StatusConflict, form.Key(), nil, domain.MessageOf(err), duplicateView(c, like.First))
	}
	switch domain.CodeOf(err) {
	case "":
		rememberTerminal(c, in.Terminal.DeviceID)
		return web.Redirect(c, "/payments/"+taken.PaymentID.String()+"?new=1")
	case domain.Invalid:
		return again(http.StatusUnprocessableEntity, form.Key(), domain.FieldsOf(err), "", nil)
	case domain.Conflict:
		return again(http.StatusConflict, payments.NewKey(), nil, domain.MessageOf(err), nil)
	}
	return err
}

// takeInput reads the form; errs says what cannot be read, one sentence per
// field.
func (h *Payments) takeInput(c echo.Context, form web.Values, connection domain.ConnectionID) (payments.TakeInput, map[string]string) {
	merchant, errs := web.Merchant(c), map[string]string{}
	in := payments.TakeInput{
		Key: form.Key(), ConnectionID: connection, OrderReference: form.Get("order_reference"), Email: form.Get("email"), CardToken: form.Get("card_token"),
		Card: domain.Card{Brand: form.Get("card_brand"), Last4: form.Get("card_last4"), Expiry: form.Get("card_expiry")}, SendByEmail: form.Get("send_by_email") == "yes",
	}
	currency, err := money.ParseCurrency(form.Get("currency"))
	if err != nil {
		errs["currency"] = "Choose a currency."
		currency = merchant.Currencies[0]
	}
	in.Amount, err = parseAmount(form.Get("amount"), currency, merchant)
	if err != nil {
		errs["amount"] = domain.MessageOf(err)
		// The rest of the form is judged all the same, so that one answer names
		// everything there is to mend.
		in.Amount = money.FromMinor(1, currency)
	}
	if s := strings.TrimSpace(form.Get("surcharge")); s != "" {
		// What is typed stands beside the amount; what is charged is the whole.
		in.Surcharge, err = money.ParseMajor(s, currency)
		whole := in.Amount
		if err == nil {
			whole, err = in.Amount.Add(in.Surcharge)
		}
		if err != nil {
			errs["surcharge"] = domain.Errorf(domain.Invalid, "%s", err.Error()).Message
			in.Surcharge = money.Zero(currency)
		} else if errs["amount"] == "" {
			in.Amount = whole
		}
	}
	var known bool
	switch form.Get("kind") {
	case "", payments.KindSale:
		in.Kind = domain.Sale
	case payments.KindPreauth:
		in.Kind = domain.Preauth
		if in.CaptureAfter, known = minutes(form.Get("capture_after")); !known {
			errs["capture_after"] = "Choose after how long the provider captures it, in whole minutes."
		}
	case payments.KindLink:
		in.Kind, in.Method = domain.Sale, domain.MethodLink
		if in.Expires, known = minutes(form.Get("expires")); !known {
			errs["expires"] = "Choose how long the link can be paid on."
		}
	default:
		errs["kind"] = "Choose what to do: a sale, a pre-authorisation or a payment link."
	}
	if in.Method != domain.MethodLink {
		if in.Method, known = domain.ParseMethod(form.Get("method")); !known || in.Method == domain.MethodLink {
			errs["method"] = "Choose how the card is taken."
		}
	}
	if in.Method == domain.MethodCard {
		in.CardID, _ = domain.ParseCardID(form.Get("card"))
	}
	if in.Method == domain.MethodTerminal {
		in.Terminal, in.Customer = readTerminal(form, errs), form.Get("customer")
	}
	in.ConfirmDuplicate, _ = domain.ParsePaymentID(form.Get("confirm_duplicate"))
	return in, errs
}

// minutes reads a time as the form's choices write it; empty is none.
func minutes(s string) (time.Duration, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 366*24*60 || strconv.Itoa(n) != s {
		return 0, false
	}
	return time.Duration(n) * time.Minute, true
}

// duplicateView shows the payment that is there already.
func duplicateView(c echo.Context, first domain.Payment) *pages.DuplicateView {
	return &pages.DuplicateView{Payment: first, Words: pages.DuplicateWords(fragmentLayout(c, ""), first)}
}
