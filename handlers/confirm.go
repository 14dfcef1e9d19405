package handlers

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Confirm is /confirm: both factors again, for what is above the first limit.
type Confirm struct {
	Service *signin.Service
}

// Routes are the addresses of the step-up.
func (h Confirm) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/confirm", Permission: domain.SignedIn, Handler: h.show},
		{Method: http.MethodPost, Path: "/confirm", Permission: domain.SignedIn, Handler: h.confirm},
	}
}

func (h Confirm) show(c echo.Context) error {
	return h.page(c, http.StatusOK, c.QueryParam("next"), nil, "")
}

func (h Confirm) page(c echo.Context, status int, next string, errs map[string]string, sentence string) error {
	return web.Render(c, status, pages.Confirm(pages.ConfirmView{Layout: layout(c, layouts.NavNone, "Confirm that it is you"),
		Next: web.SafeNext(next), For: domain.StepUpFor, Errors: errs, FormError: sentence}))
}

func (h Confirm) confirm(c echo.Context) error {
	form, err := web.Form(c, "next", "password", "code")
	if err != nil {
		return err
	}
	next := web.SafeNext(form.Get("next"))
	proof, err := h.Service.StepUp(c.Request().Context(), web.Actor(c), form.Get("password"), form.Get("code"), "what is above the first limit")
	switch domain.CodeOf(err) {
	case "":
	case domain.Invalid:
		fields, sentence := domain.FieldsOf(err), ""
		if len(fields) == 0 {
			sentence = domain.MessageOf(err)
		}
		return h.page(c, http.StatusUnprocessableEntity, next, fields, sentence)
	case domain.TooMany:
		return h.page(c, http.StatusTooManyRequests, next, nil, domain.MessageOf(err))
	default:
		return err
	}
	if err := web.SteppedUp(c, proof.At); err != nil {
		return err
	}
	if next == "" {
		next = "/"
	}
	web.Flash(c, "good", "Confirmed for five minutes. Look at the form once more, then press its button.")
	return web.Redirect(c, next)
}

// needsMore answers a money form that the limits hold up: the step-up, which
// leads back to the form with what was typed, or the page that asks for another
// person's approval. It says whether the error was one of these.
func needsMore(c echo.Context, err error) (bool, error) {
	var beyond *payments.Beyond
	switch {
	case errors.As(err, &beyond):
		return true, askPage(c, http.StatusConflict, askOf(c, beyond))
	case domain.CodeOf(err) == domain.NeedsStepUp && c.Request().Method == http.MethodPost:
		form := refused(c)
		if form.back == "" {
			return false, nil
		}
		web.Flash(c, "info", domain.MessageOf(err))
		return true, web.Redirect(c, "/confirm?"+url.Values{"next": {form.back}}.Encode())
	}
	return false, nil
}

// askOf is the page of an operation that another person must approve.
func askOf(c echo.Context, b *payments.Beyond) pages.AskView {
	in := b.Wanted
	v := pages.AskView{Key: domain.NewApprovalID().String(), Action: b.Action, Amount: b.Amount, Because: domain.MessageOf(b), BackURL: "/payments/" + in.PaymentID.String()}
	if form := refused(c); form.back != "" {
		v.BackURL = form.back
	}
	hide := func(name, value string) {
		if value != "" {
			v.Hidden = append(v.Hidden, components.Line{Label: name, Value: value})
		}
	}
	payment, on := in.PaymentID, in.Terminal
	if in.Payout != nil {
		on = in.Payout.Terminal
		hide("connection", in.Payout.ConnectionID.String())
		if !in.Payout.CardID.IsZero() {
			hide("card", in.Payout.CardID.String())
		}
		payment = in.Payout.To
	}
	if !payment.IsZero() {
		hide("payment", payment.String())
	}
	if !on.IsZero() {
		hide("terminal", on.DeviceID.String())
	}
	hide("action", string(in.Action))
	hide("amount", b.Amount.Major())
	hide("currency", b.Amount.Currency().Code())
	hide("reason", in.Reason)
	hide("note", in.Note)
	return v
}

func askPage(c echo.Context, status int, v pages.AskView) error {
	v.Layout = layout(c, layouts.NavPayments, "Another person must approve")
	v.MinNote, v.For = domain.MinApprovalNote, domain.ApprovalFor
	if web.IsFragment(c) {
		// Out of the dialog and into the page: there is something to read.
		h := c.Response().Header()
		h.Set("HX-Retarget", "#main")
		h.Set("HX-Reselect", "#main")
		h.Set("HX-Reswap", "outerHTML show:window:top")
	}
	return web.Render(c, status, pages.Ask(v))
}
