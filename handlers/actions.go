package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// actionFields are the actions with a form of one kind, each with all that its
// form may carry.
var actionFields = map[domain.Action][]string{
	domain.ActCapture:    {"amount", "tip", "final", "confirm_tip", "note", "terminal"},
	domain.ActIncrease:   {"amount", "note", "terminal"},
	domain.ActDecrease:   {"amount", "note", "terminal"},
	domain.ActVoid:       {"shown", "note", "terminal"},
	domain.ActVoidRefund: {"shown", "note", "terminal"},
	domain.ActTip:        {"amount", "confirm_tip", "note"},
}

// pageActions lists the actions of a payment's page in their order.
var pageActions = []domain.Action{domain.ActCapture, domain.ActRefund, domain.ActVoid, domain.ActVoidRefund, domain.ActIncrease, domain.ActDecrease, domain.ActTip}

// actionRoutes are the forms that change a payment, what a person writes down
// about one, and the provider's own record.
func (h *Payments) actionRoutes() []web.Route {
	routes := []web.Route{
		{Method: http.MethodGet, Path: "/payments/:id/provider", Permission: domain.PaymentsRead, Handler: h.truth},
		{Method: http.MethodPost, Path: "/payments/:id/provider", Permission: domain.PaymentsCheck, Handler: h.ask},
		{Method: http.MethodGet, Path: "/payments/:id/settle", Permission: domain.PaymentsSettle, Handler: h.settleForm},
		{Method: http.MethodPost, Path: "/payments/:id/settle", Permission: domain.PaymentsSettle, Handler: h.settle},
	}
	for _, act := range pageActions {
		if actionFields[act] == nil {
			continue
		}
		path := "/payments/:id/" + pages.ActionPath(act)
		routes = append(routes,
			web.Route{Method: http.MethodGet, Path: path, Permission: act.Permission(), Handler: func(c echo.Context) error { return h.actionForm(c, act) }},
			web.Route{Method: http.MethodPost, Path: path, Permission: act.Permission(), Handler: func(c echo.Context) error { return h.act(c, act) }})
	}
	return routes
}

// actionsOf are the buttons of a payment's page: what its kind can ever have,
// unless it certainly never took place.
func actionsOf(d payments.Detail) []pages.ActionButton {
	root := d.Sale()
	if root.Status == domain.TxDeclined || root.Status == domain.TxFailed {
		return nil
	}
	var out []pages.ActionButton
	for _, act := range pageActions {
		why := d.Why[act]
		if !act.Fits(d.Payment.Kind) || why == domain.DeniedNotApproved {
			continue
		}
		// Few connections void a refund: it is offered where it can be, and said of
		// where it could be.
		if act == domain.ActVoidRefund && (lastRefund(d).ID.IsZero() || d.OnTerminal[act] == domain.DeniedCapability || why == domain.DeniedCapability) {
			continue
		}
		out = append(out, pages.ActionButton{Action: act, Denied: why})
	}
	return out
}

// actionFormOf is an action's form as typed, or as it begins.
func (h *Payments) actionFormOf(c echo.Context, d payments.Detail, act domain.Action, typed web.Values) pages.ActionFormView {
	v := pages.ActionFormView{
		Action: act, Payment: d.Payment, CSRF: web.CSRF(c), Key: d.Keys[act], Sum: d.Payment.Authorised,
		Again: d.Caps.Has(domain.CanCaptureAgain), Amount: typed.Get("amount"), Tip: typed.Get("tip"), Note: typed.Get("note"),
		Final: typed.Get("final") == yes, ConfirmTip: typed.Get("confirm_tip") == yes, ManyCurrencies: len(web.Merchant(c).Currencies) > 1,
		Dialog: web.IsFragment(c),
	}
	if d.Payment.Kind != domain.Preauth {
		v.Sum = d.Payment.Captured
	}
	if act == domain.ActVoidRefund {
		v.Sum = money.Zero(d.Payment.Amount.Currency())
		if x := lastRefund(d); !x.ID.IsZero() {
			v.Sum = x.Amount
		}
	}
	v.Where = whereForm(d, act, typed)
	if act == domain.ActCapture && !d.Caps.Has(domain.CanPartCapture) {
		v.WholeOnly = domain.DeniedPartCapture.Words()
	}
	if _, given := typed["amount"]; !given {
		switch {
		case act == domain.ActCapture:
			v.Amount = v.Sum.Major()
		case act == domain.ActTip && d.Payment.Tip.IsPositive():
			v.Amount = d.Payment.Tip.Major()
		}
	}
	return v
}

// lastRefund is the newest refund that went through; its id is zero when there is
// none.
func lastRefund(d payments.Detail) domain.Transaction {
	return domain.Standing{Transactions: d.Transactions}.LastRefund()
}

const yes = "yes"

func (h *Payments) actionForm(c echo.Context, act domain.Action) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	// An expired session leads back here with what was typed.
	typed := web.Values{}
	for _, name := range []string{"amount", "tip", "terminal"} {
		if s := c.QueryParam(name); s != "" {
			typed[name] = clip(s)
		}
	}
	return h.actionPage(c, http.StatusOK, d, h.actionFormOf(c, d, act, typed))
}

func (h *Payments) actionPage(c echo.Context, status int, d payments.Detail, v pages.ActionFormView) error {
	if web.IsFragment(c) {
		return web.Render(c, status, pages.ActionForm(v))
	}
	title := pages.ActionTitle(v.Action, d.Payment.Kind) + " " + d.Payment.Reference
	return web.Render(c, status, pages.ActionPage(pages.ActionPageView{Layout: layout(c, layouts.NavPayments, title), Form: v, Denied: d.Why[v.Action]}))
}

// readAct reads an action's form; errs holds one sentence per field, and ask
// why its tip wants a second look.
func readAct(c echo.Context, d payments.Detail, act domain.Action, form web.Values) (in payments.ActInput, errs map[string]string, ask string) {
	cur, merchant := d.Payment.Amount.Currency(), web.Merchant(c)
	in = payments.ActInput{Key: form.Key(), PaymentID: d.Payment.ID, Action: act, Note: form.Get("note"), Amount: money.Zero(cur)}
	errs = map[string]string{}
	in.Terminal.DeviceID, _ = domain.ParseDeviceID(form.Get("terminal"))
	var err error
	read := func(field string) money.Amount {
		a, err := parseAmount(form.Get(field), cur, merchant)
		if err != nil {
			errs[field] = domain.MessageOf(err)
		}
		return a
	}
	large := func(bare, tip money.Amount) {
		if domain.LargeTip(bare, tip) && form.Get("confirm_tip") != yes {
			ask = merchant.Format(tip) + " is more than 20 % of the " + merchant.Format(bare) + " that it is given on."
			errs["confirm_tip"] = "Tick this if the tip is right, or change it."
		}
	}
	switch act {
	case domain.ActVoid, domain.ActVoidRefund:
		// A void is of the sum that the page showed: when it is another one by now,
		// the person decides again.
		if in.Shown, err = money.ParseMajor(form.Get("shown"), cur); err != nil || !in.Shown.IsPositive() {
			errs["amount"] = "Look at the sum again: the form did not say what would be voided."
		}
	case domain.ActTip:
		typed := strings.TrimSpace(form.Get("amount"))
		in.Amount, err = money.ParseMajor(typed, cur)
		switch {
		case typed == "":
			errs["amount"] = "Enter the tip, or " + money.Zero(cur).Major() + " to take it away."
		case err != nil:
			errs["amount"] = err.Error()
		default:
			if bare, err := d.Payment.Captured.Sub(d.Payment.Tip); err == nil {
				large(bare, in.Amount)
			}
		}
	case domain.ActCapture:
		in.Amount, in.Final = read("amount"), form.Get("final") == yes
		if typed := strings.TrimSpace(form.Get("tip")); typed != "" {
			if in.Tip, err = money.ParseMajor(typed, cur); err != nil {
				errs["tip"] = err.Error()
			} else if bare, err := in.Amount.Sub(in.Tip); err == nil && errs["amount"] == "" && !bare.IsNegative() {
				large(bare, in.Tip)
			}
		}
	default:
		in.Amount = read("amount")
	}
	return in, errs, ask
}

func (h *Payments) act(c echo.Context, act domain.Action) error {
	form, err := web.Form(c, actionFields[act]...)
	if err != nil {
		return err
	}
	d, err := h.get(c)
	if err != nil {
		return err
	}
	in, errs, ask := readAct(c, d, act, form)
	again := func(status int, errs map[string]string, sentence string) error {
		v := h.actionFormOf(c, d, act, form)
		v.Errors, v.FormError, v.AskTip = errs, sentence, ask
		return h.actionPage(c, status, d, v)
	}
	if len(errs) > 0 {
		if why := d.Why[act]; why != domain.Possible {
			return again(http.StatusConflict, map[string]string{"amount": why.Words()}, payments.Nothing(act))
		}
		if in.Amount.IsZero() && act != domain.ActTip {
			in.Amount = money.FromMinor(1, in.Amount.Currency()) // so that the rest is judged too
		}
		for field, sentence := range h.Service.CheckAct(in) {
			if errs[field] == "" {
				errs[field] = sentence
			}
		}
		return again(http.StatusUnprocessableEntity, errs, "")
	}
	done, err := h.Service.Act(c.Request().Context(), web.Actor(c), in)
	switch domain.CodeOf(err) {
	case "":
		if done.Status == domain.TxApproved {
			sum := in.Amount
			if act == domain.ActVoid || act == domain.ActVoidRefund {
				sum = in.Shown
			}
			web.Flash(c, "good", pages.ActionDone(act, d.Payment.Kind, web.Merchant(c).Format(sum)))
		}
		return web.Redirect(c, "/payments/"+d.Payment.ID.String())
	case domain.Invalid:
		return again(http.StatusUnprocessableEntity, domain.FieldsOf(err), "")
	case domain.Conflict, domain.Duplicate:
		// Look again: what is possible now is what the page must say.
		if d, err = h.fresh(c, d, err); err != nil && domain.CodeOf(err) != domain.Conflict && domain.CodeOf(err) != domain.Duplicate {
			return err
		}
		return again(http.StatusConflict, domain.FieldsOf(err), domain.MessageOf(err))
	}
	return err
}

// fresh reads the payment again after a refusal; the refusal stays the error
// unless reading failed.
func (h *Payments) fresh(c echo.Context, was payments.Detail, refusal error) (payments.Detail, error) {
	d, err := h.get(c)
	if err != nil {
		return was, err
	}
	return d, refusal
}

// truth is the provider's record beside ours.
func (h *Payments) truth(c echo.Context) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.TruthPage(pages.TruthPageView{
		Layout: layout(c, layouts.NavPayments, "Provider’s record "+d.Payment.Reference), Payment: d.Payment, Transactions: d.Transactions,
		MayAsk: mayAsk(c, d), CSRF: web.CSRF(c),
	}))
}

// mayAsk says that the provider can be asked about the whole payment, and by
// whoever looks at it.
func mayAsk(c echo.Context, d payments.Detail) bool {
	return web.Actor(c).Role.May(domain.PaymentsCheck) && d.Caps.Has(domain.CanLookUp)
}

func (h *Payments) ask(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	id, err := domain.ParsePaymentID(c.Param("id"))
	if err != nil {
		return domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	if err := h.Service.Ask(c.Request().Context(), web.Actor(c), id); err != nil {
		return err
	}
	return web.Redirect(c, "/payments/"+id.String()+"/provider")
}

func (h *Payments) settleForm(c echo.Context) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	return h.settlePage(c, http.StatusOK, d, web.Values{"transaction": c.QueryParam("transaction")}, nil, "")
}

func (h *Payments) settlePage(c echo.Context, status int, d payments.Detail, typed web.Values, errs map[string]string, sentence string) error {
	v := pages.SettleFormView{Layout: layout(c, layouts.NavPayments, "Settle by hand "+d.Payment.Reference), Payment: d.Payment,
		Transaction: typed.Get("transaction"), Happened: typed.Get("happened"), ProviderRef: typed.Get("provider_ref"), Note: typed.Get("note"),
		Errors: errs, FormError: sentence}
	for _, t := range d.Transactions {
		if d.ForPerson[t.ID] {
			v.Open = append(v.Open, t)
		}
	}
	switch why := d.Why[domain.ActSettle]; {
	case why != domain.Possible:
		v.Denied = why.Words()
	case len(v.Open) == 0:
		v.Denied = "It may still be on its way to the provider. Wait a minute, then look again."
	}
	return web.Render(c, status, pages.SettlePage(v))
}

// settle writes down what a person found out.
func (h *Payments) settle(c echo.Context) error {
	form, err := web.Form(c, "transaction", "happened", "provider_ref", "note")
	if err != nil {
		return err
	}
	d, err := h.get(c)
	if err != nil {
		return err
	}
	in := payments.ByHandInput{PaymentID: d.Payment.ID, Happened: form.Get("happened") == pages.HappenedYes,
		Known: slices.Contains([]string{pages.HappenedYes, pages.HappenedNo}, form.Get("happened")), ProviderRef: form.Get("provider_ref"), Note: form.Get("note")}
	if in.TransactionID, err = domain.ParseTransactionID(form.Get("transaction")); err != nil {
		return h.settlePage(c, http.StatusUnprocessableEntity, d, form, map[string]string{"transaction": "Choose which operation this is about."}, "")
	}
	_, err = h.Service.SettleByHand(c.Request().Context(), web.Actor(c), in)
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "good", "Written down.")
		return web.Redirect(c, "/payments/"+d.Payment.ID.String())
	case domain.Invalid:
		return h.settlePage(c, http.StatusUnprocessableEntity, d, form, domain.FieldsOf(err), "")
	case domain.Conflict:
		if d, err = h.fresh(c, d, err); domain.CodeOf(err) != domain.Conflict {
			return err
		}
		return h.settlePage(c, http.StatusConflict, d, form, domain.FieldsOf(err), domain.MessageOf(err))
	}
	return err
}
