package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Approvals answers the pages of what another person must approve.
type Approvals struct {
	Service *payments.Service
	SignIn  *signin.Service // asks for both factors
}

// Routes lists the pages with what each asks of who calls it. Asking needs the
// operation's own permission too, which the use case checks.
func (h *Approvals) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/approvals", Permission: domain.ApprovalsRead, Handler: h.list},
		{Method: http.MethodPost, Path: "/approvals", Permission: domain.ApprovalsRead, Handler: h.ask},
		{Method: http.MethodGet, Path: "/approvals/:id", Permission: domain.ApprovalsRead, Handler: h.detail},
		{Method: http.MethodPost, Path: "/approvals/:id/approve", Permission: domain.ApprovalsDecide, Handler: h.approve},
		{Method: http.MethodPost, Path: "/approvals/:id/refuse", Permission: domain.ApprovalsDecide, Handler: h.refuse},
		{Method: http.MethodPost, Path: "/approvals/:id/withdraw", Permission: domain.ApprovalsRead, Handler: h.withdraw},
	}
}

// approvalPage is the page that a form below it belongs to.
func approvalPage(path string) string {
	return "/approvals/" + strings.SplitN(path, "/", 4)[2]
}

func approvalID(c echo.Context) (domain.ApprovalID, error) {
	id, err := domain.ParseApprovalID(c.Param("id"))
	if err != nil {
		return id, domain.Errorf(domain.NotFound, "There is no request with that id.")
	}
	return id, nil
}

func (h *Approvals) list(c echo.Context) error {
	after, err := domain.ParseCursor(c.QueryParam("after"))
	if err != nil {
		return err
	}
	decided := c.QueryParam("show") == "decided"
	l, err := h.Service.Approvals(c.Request().Context(), web.Actor(c), decided, after)
	if err != nil {
		return err
	}
	v := pages.ApprovalsView{Layout: layout(c, layouts.NavApprovals, "Approvals"), Decided: decided, First: after.IsZero(), Waiting: l.Waiting.Approvals, Over: l.Decided.Approvals}
	next := l.Waiting.Next
	if decided {
		next = l.Decided.Next
	} else if !l.Decided.Next.IsZero() {
		v.OverURL = "/approvals?show=decided"
	}
	if !next.IsZero() {
		q := url.Values{"after": {next.String()}}
		if decided {
			q.Set("show", "decided")
		}
		v.NextURL = listURL("/approvals", q)
	}
	return web.Render(c, http.StatusOK, pages.Approvals(v))
}

// askFields are all that the form of a request may carry.
var askFields = []string{"terminal", "action", "payment", "connection", "card", "amount", "currency", "reason", "note", "why"}

// ask writes a request. The form was made by needsMore, and everything in it is
// judged again.
func (h *Approvals) ask(c echo.Context) error {
	form, err := web.Form(c, askFields...)
	if err != nil {
		return err
	}
	currency, err := money.ParseCurrency(form.Get("currency"))
	if err != nil {
		return web.BadRequest("The form named no currency. Nothing was done.")
	}
	amount, err := money.ParseMajor(form.Get("amount"), currency)
	if err != nil {
		return web.BadRequest("The form named no amount. Nothing was done.")
	}
	in := payments.ActInput{Key: form.Key(), Action: domain.Action(form.Get("action")), Amount: amount, Reason: form.Get("reason"), Note: form.Get("note")}
	in.Terminal.DeviceID, _ = domain.ParseDeviceID(form.Get("terminal"))
	back := "/payments/new"
	switch in.Action {
	case domain.ActRefund, domain.ActVoid, domain.ActVoidRefund:
		if in.PaymentID, err = domain.ParsePaymentID(form.Get("payment")); err != nil {
			return domain.Errorf(domain.NotFound, "There is no payment with that id.")
		}
		back = "/payments/" + in.PaymentID.String()
	case domain.ActPayout:
		p := &payments.PayoutInput{Amount: amount, Note: in.Note}
		if p.ConnectionID, err = domain.ParseConnectionID(form.Get("connection")); err != nil {
			return err
		}
		p.CardID, _ = domain.ParseCardID(form.Get("card"))
		p.To, _ = domain.ParsePaymentID(form.Get("payment"))
		p.Terminal, in.Terminal = in.Terminal, domain.OnTerminal{}
		in.Payout, back = p, "/payouts/new"
	default:
		return web.BadRequest("The form did not say what is asked for. Nothing was done.")
	}
	id, err := h.Service.AskApproval(c.Request().Context(), web.Actor(c), in, form.Get("why"))
	switch code := domain.CodeOf(err); code {
	case "":
		web.Flash(c, "info", "Asked. Nothing is sent before another person approves.")
		return web.Redirect(c, "/approvals/"+id.String())
	case domain.Invalid, domain.Conflict:
		v := pages.AskView{Key: form.Key(), Action: in.Action.Makes(), Amount: amount, BackURL: back, Why: form.Get("why"), Errors: domain.FieldsOf(err),
			Because: "Your limit asks for the approval of another person."}
		if code == domain.Conflict {
			v.FormError = domain.MessageOf(err)
		}
		for _, name := range askFields {
			if form.Get(name) != "" && name != "why" {
				v.Hidden = append(v.Hidden, components.Line{Label: name, Value: form.Get(name)})
			}
		}
		return askPage(c, web.StatusOf(code), v)
	}
	return err
}

func (h *Approvals) detail(c echo.Context) error {
	id, err := approvalID(c)
	if err != nil {
		return err
	}
	return h.page(c, http.StatusOK, id, nil)
}

// page shows a request, with what a refused form brought.
func (h *Approvals) page(c echo.Context, status int, id domain.ApprovalID, edit func(*pages.ApprovalView)) error {
	actor := web.Actor(c)
	d, err := h.Service.Approval(c.Request().Context(), actor, id)
	if err != nil {
		return err
	}
	v := pages.ApprovalView{Layout: layout(c, layouts.NavApprovals, ""), Approval: d.Approval, Reason: d.Reason, OwnNote: d.OwnNote, Impossible: d.Impossible,
		Undecidable: d.Undecidable, Own: d.RequestedBy == actor.UserID, Card: d.Card, Through: d.Through}
	if !d.Of.Payment.ID.IsZero() {
		v.Payment, v.Transactions = &d.Of.Payment, d.Of.Transactions
	}
	if edit != nil {
		edit(&v)
	}
	return web.Render(c, status, pages.Approval(v))
}

// refusal shows the request again with why its form was refused.
func (h *Approvals) refusal(c echo.Context, id domain.ApprovalID, err error, edit func(*pages.ApprovalView, map[string]string)) error {
	switch code := domain.CodeOf(err); code {
	case domain.Invalid, domain.Conflict, domain.Duplicate, domain.TooMany, domain.Forbidden:
		return h.page(c, web.StatusOf(code), id, func(v *pages.ApprovalView) {
			fields := domain.FieldsOf(err)
			if why := fields["amount"]; why != "" && code == domain.Conflict {
				v.FormError = domain.MessageOf(err) + " " + why
				return
			}
			if len(fields) == 0 {
				v.FormError = domain.MessageOf(err)
			}
			edit(v, fields)
		})
	}
	return err
}

func (h *Approvals) approve(c echo.Context) error {
	form, err := web.Form(c, "amount", "note", "password", "code")
	if err != nil {
		return err
	}
	id, err := approvalID(c)
	if err != nil {
		return err
	}
	ctx, actor := c.Request().Context(), web.Actor(c)
	d, err := h.Service.Approval(ctx, actor, id)
	if err != nil {
		return err
	}
	in := payments.ApproveInput{ID: id, Note: form.Get("note")}
	if in.Amount, err = money.ParseMajor(form.Get("amount"), d.Amount.Currency()); err != nil {
		in.Amount = money.Zero(d.Amount.Currency()) // no request is for nothing
	}
	again := func(err error) error {
		return h.refusal(c, id, err, func(v *pages.ApprovalView, fields map[string]string) { v.Note, v.Errors = form.Get("note"), fields })
	}
	a, err := h.Service.CheckApprove(ctx, actor, in)
	if err != nil {
		return again(err)
	}
	if in.Proof, err = h.SignIn.StepUp(ctx, actor, form.Get("password"), form.Get("code"), a.Purpose()); err != nil {
		return again(err)
	}
	done, err := h.Service.Approve(ctx, actor, in)
	if err != nil {
		return again(err)
	}
	return web.Redirect(c, "/payments/"+done.PaymentID.String())
}

func (h *Approvals) refuse(c echo.Context) error {
	form, err := web.Form(c, "note")
	if err != nil {
		return err
	}
	id, err := approvalID(c)
	if err != nil {
		return err
	}
	if err := h.Service.RefuseApproval(c.Request().Context(), web.Actor(c), id, form.Get("note")); err != nil {
		return h.refusal(c, id, err, func(v *pages.ApprovalView, fields map[string]string) {
			v.RefuseNote, v.RefuseError = form.Get("note"), fields["note"]
		})
	}
	web.Flash(c, "good", "Refused. Nothing was sent.")
	return web.Redirect(c, "/approvals/"+id.String())
}

func (h *Approvals) withdraw(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	id, err := approvalID(c)
	if err != nil {
		return err
	}
	if err := h.Service.WithdrawApproval(c.Request().Context(), web.Actor(c), id); err != nil {
		return h.refusal(c, id, err, func(*pages.ApprovalView, map[string]string) {})
	}
	web.Flash(c, "good", "Taken back. Nothing was sent.")
	return web.Redirect(c, "/approvals/"+id.String())
}

// approvalsWaiting is what waits in a few words: "2 refunds wait for approval".
func approvalsWaiting(by map[domain.TransactionType]int) string {
	n, what := 0, ""
	for t, count := range by {
		n += count
		what = strings.ToLower(t.Label())
	}
	if len(by) > 1 {
		what = "operation"
	}
	verb := "wait"
	if n == 1 {
		verb = "waits"
	}
	switch {
	case n == 0:
		return ""
	case n > payments.UncertainCap:
		return "More than " + strconv.Itoa(payments.UncertainCap) + " operations wait for approval"
	}
	return components.Count(n, what, what+"s") + " " + verb + " for approval"
}
