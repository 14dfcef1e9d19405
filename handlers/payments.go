package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Payments answers the payment pages: take, list, detail, the actions on a
// payment, receipt.
type Payments struct {
	Service *payments.Service
	// Devices stops what runs on a terminal and prints receipts there.
	Devices *devices.Service
}

// Routes lists the payment pages with what each asks of who calls it.
func (h *Payments) Routes() []web.Route {
	return append([]web.Route{
		{Method: http.MethodGet, Path: "/", Permission: domain.OverviewRead, Handler: h.overview},
		{Method: http.MethodGet, Path: "/payments", Permission: domain.PaymentsRead, Handler: h.list},
		{Method: http.MethodGet, Path: "/payments.csv", Permission: domain.PaymentsExport, Handler: h.export},
		{Method: http.MethodGet, Path: "/payments/card-entry", Permission: domain.Public, Sessionless: true, Handler: h.cardEntryReturn},
		{Method: http.MethodGet, Path: "/payments/:id", Permission: domain.PaymentsRead, Handler: h.detail},
		{Method: http.MethodPost, Path: "/payments/:id/check", Permission: domain.PaymentsCheck, Handler: h.check},
		{Method: http.MethodGet, Path: "/payments/:id/refund", Permission: domain.PaymentsRefund, Handler: h.refundForm},
		{Method: http.MethodPost, Path: "/payments/:id/refunds", Permission: domain.PaymentsRefund, Handler: h.refund},
		{Method: http.MethodGet, Path: "/payments/:id/receipt", Permission: domain.PaymentsRead, Handler: h.receipt},
	}, slices.Concat(h.beginRoutes(), h.actionRoutes(), h.terminalRoutes())...)
}

func (h *Payments) overview(c echo.Context) error {
	merchant := web.Merchant(c)
	o, err := h.Service.Overview(c.Request().Context(), web.Actor(c), merchant)
	if err != nil {
		return err
	}
	v := pages.OverviewView{Layout: layout(c, layouts.NavOverview, "Overview"), Waiting: o.Waiting, Latest: o.Latest, FirstDay: len(o.Latest) == 0, Silent: o.Silent}
	v.Approvals = approvalsWaiting(o.Approvals)
	v.More = max(0, o.Uncertain-len(o.Waiting))
	v.Holds = o.Holds
	if web.Actor(c).Role.May(domain.PaymentsReview) {
		v.Reviews = o.Reviews
	}
	for _, w := range o.Calls {
		v.Calls = append(v.Calls, pages.CallsWaiting{ConnectionID: w.ConnectionID, Connection: w.Name, Count: w.Count, More: w.More})
	}
	for _, cur := range merchant.Currencies {
		for _, d := range o.Today {
			if d.Currency != cur {
				continue
			}
			net, err := d.Taken.Sub(d.Refunded)
			if err == nil {
				net, err = net.Add(d.Otherwise)
			}
			if err == nil {
				net, err = net.Sub(d.PaidOut)
			}
			if err != nil {
				return err
			}
			v.Days = append(v.Days, pages.OverviewDay{Currency: cur, Sales: d.Sales, Taken: d.Taken, Refunds: d.Refunds, Refunded: d.Refunded, Others: d.Others, Otherwise: d.Otherwise, Net: net,
				Declined: d.Declined, OpenSales: d.OpenSales, OpenSale: d.OpenSale, OpenRefunds: d.OpenRefunds, OpenRefund: d.OpenRefund,
				Payouts: d.Payouts, PaidOut: d.PaidOut, OpenPayouts: d.OpenPayouts, OpenPayout: d.OpenPayout})
		}
	}
	return web.Render(c, http.StatusOK, pages.Overview(v))
}

// parseAmount reads an amount as people type it; the error's message is a
// sentence for the field.
func parseAmount(s string, cur money.Currency, merchant domain.Merchant) (money.Amount, error) {
	if strings.TrimSpace(s) == "" {
		return money.Zero(cur), domain.Errorf(domain.Invalid, "Enter an amount, for example %s.", money.FromMinor(int64(4200), cur).Major())
	}
	a, err := money.ParseMajor(s, cur)
	if err != nil {
		return a, domain.Errorf(domain.Invalid, "%s", err.Error())
	}
	if !a.IsPositive() {
		return a, domain.Errorf(domain.Invalid, "Enter an amount above %s.", merchant.Format(money.Zero(cur)))
	}
	return a, nil
}

// cardEntryReturn is where the provider's page sends the frame (or the tab)
// afterwards. It knows no session, changes nothing and believes nothing: the
// outcome comes from the provider's status.
func (h *Payments) cardEntryReturn(c echo.Context) error {
	web.FramableBySelf(c)
	outcome := c.QueryParam("outcome")
	switch outcome {
	case "success", "error", "cancel":
	default:
		outcome = ""
	}
	return web.Render(c, http.StatusOK, pages.CardReturn(pages.CardReturnView{Outcome: outcome}))
}

func (h *Payments) detail(c echo.Context) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	v := h.detailView(c, d)
	if d.FrameOrigin != "" {
		// A fragment keeps the frame where the loaded page has it (?frame=1), or
		// the card that somebody is typing would be taken away; into a page whose
		// frame-src does not name the origin it brings none.
		v.FrameNow = !web.IsFragment(c) || c.QueryParam("frame") == "1"
		if !web.IsFragment(c) {
			web.AllowFrame(c, d.FrameOrigin)
		}
	}
	if web.IsFragment(c) {
		return web.Render(c, http.StatusOK, pages.PaymentLive(v))
	}
	return web.Render(c, http.StatusOK, pages.Payment(v))
}

func (h *Payments) get(c echo.Context) (payments.Detail, error) {
	id, err := domain.ParsePaymentID(c.Param("id"))
	if err != nil {
		return payments.Detail{}, domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	return h.Service.Get(c.Request().Context(), web.Actor(c), id)
}

func (h *Payments) detailView(c echo.Context, d payments.Detail) pages.PaymentView {
	merchant := web.Merchant(c)
	title := "Payment " + d.Payment.Reference
	model := fragmentLayout(c, title)
	if !web.IsFragment(c) {
		model = layout(c, layouts.NavPayments, title)
	}
	v := pages.PaymentView{
		Layout: model, Payment: d.Payment, Transactions: d.Transactions, Requests: d.Requests, Live: d.Asking(), JustTaken: c.QueryParam("new") == "1",
		Actions: actionsOf(d), Check: d.Why[domain.ActCheck], Decides: map[domain.TransactionID]pages.Deciding{}, ForPerson: d.ForPerson,
		MaySettle: web.Actor(c).Role.May(domain.PaymentsSettle), MayAsk: mayAsk(c, d), Messages: map[domain.TransactionID][]pages.ProviderMessage{}, GivesUpAt: map[domain.TransactionID]time.Time{},
	}
	if web.Actor(c).Role.May(domain.PaymentsTake) && !d.Sale().Link() {
		v.FrameURL = d.Sale().RedirectURL
	}
	v.Begin, v.MayComeLate = beginningView(c, d), d.MayComeLate(web.Now(c))
	v.Devices, v.MayPrint = d.Devices, web.Actor(c).Role.May(domain.DevicesCheck)
	for id, device := range d.Devices {
		v.MayStop = v.MayStop || device.RunningPayment == d.Payment.ID && !id.IsZero() && web.Actor(c).Role.May(domain.PaymentsTake)
	}
	for i := len(d.Messages) - 1; i >= 0; i-- {
		m := d.Messages[i]
		text := m.Op + ": " + m.Outcome
		if m.Body != "" {
			text += "\n" + m.Body
		}
		v.Messages[m.TransactionID] = append(v.Messages[m.TransactionID], pages.ProviderMessage{At: m.At, Text: text})
	}
	for _, t := range d.Transactions {
		if t.Status.Asking() {
			v.GivesUpAt[t.ID] = payments.GivesUpAt(t)
		}
	}
	for id, rule := range d.Verdicts {
		v.Decides[id] = pages.Deciding{At: rule.At, Wants: rule.Wants, Has: rule.Has}
	}
	for _, b := range v.Actions {
		if b.Denied == domain.Possible && actionFields[b.Action] != nil && !web.IsFragment(c) {
			form := h.actionFormOf(c, d, b.Action, web.Values{})
			form.Dialog = true
			v.Forms = append(v.Forms, form)
		}
	}
	if d.Why[domain.ActRefund] == domain.Possible {
		form := refundFormView(c, d, web.Values{}, nil, "")
		form.Dialog = true
		v.RefundForm = &form
	}
	v.Receipt = pages.ReceiptOf(model, merchant, d.Payment)
	return v
}

// check asks the provider now and shows the payment again.
func (h *Payments) check(c echo.Context) error {
	form, err := web.Form(c, "next")
	if err != nil {
		return err
	}
	id, err := domain.ParsePaymentID(c.Param("id"))
	if err != nil {
		return domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	if err := h.Service.Check(c.Request().Context(), web.Actor(c), id); err != nil {
		return err
	}
	if web.IsFragment(c) {
		return h.detail(c)
	}
	if next := web.SafeNext(form.Get("next")); next != "" {
		return web.Redirect(c, next)
	}
	return web.Redirect(c, "/payments/"+id.String())
}

func (h *Payments) receipt(c echo.Context) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	model := layout(c, layouts.NavPayments, "Receipt "+d.Payment.Reference)
	v := pages.ReceiptView{Layout: model, PaymentID: d.Payment.ID, Receipt: pages.ReceiptOf(model, web.Merchant(c), d.Payment)}
	if !pages.HasReceipt(d.Payment) {
		v.Note = "Nothing was taken, so there is no receipt."
		if d.Open {
			v.Note = "The outcome is not known yet, so there is no receipt yet."
		}
	}
	return web.Render(c, http.StatusOK, pages.Receipt(v))
}

func refundFormView(c echo.Context, d payments.Detail, typed web.Values, errs map[string]string, sentence string) pages.RefundFormView {
	v := pages.RefundFormView{
		PaymentID: d.Payment.ID, CSRF: web.CSRF(c), Key: d.Keys[domain.ActRefund], Refundable: d.Payment.Refundable(), Held: d.Payment.Held, Card: d.Payment.Card,
		Kind: typed.Get("kind"), Amount: typed.Get("amount"), Reason: typed.Get("reason"), Note: typed.Get("note"), Errors: errs, FormError: sentence,
		Dialog: web.IsFragment(c), ManyCurrencies: len(web.Merchant(c).Currencies) > 1, Where: whereForm(d, domain.ActRefund, typed),
	}
	if !d.PartRefund {
		v.PartRefused = domain.DeniedPartRefund.Words()
	}
	return v
}

func (h *Payments) refundForm(c echo.Context) error {
	q := c.QueryParams()
	return h.refundPage(c, http.StatusOK, web.Values{"kind": q.Get("kind"), "amount": clip(q.Get("amount")), "reason": q.Get("reason"), "note": clip(q.Get("note")), "terminal": clip(q.Get("terminal"))}, nil, "")
}

func (h *Payments) refundPage(c echo.Context, status int, typed web.Values, errs map[string]string, sentence string) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	form := refundFormView(c, d, typed, errs, sentence)
	if web.IsFragment(c) {
		return web.Render(c, status, pages.RefundForm(form))
	}
	return web.Render(c, status, pages.RefundPage(pages.RefundPageView{Layout: layout(c, layouts.NavPayments, "Refund "+d.Payment.Reference), Payment: d.Payment, Form: form, Denied: d.Why[domain.ActRefund]}))
}

func (h *Payments) refund(c echo.Context) error {
	form, err := web.Form(c, "kind", "amount", "full_amount", "reason", "note", "terminal")
	if err != nil {
		return err
	}
	d, err := h.get(c)
	if err != nil {
		return err
	}
	in := payments.RefundInput{Key: form.Key(), PaymentID: d.Payment.ID, Reason: form.Get("reason"), Note: form.Get("note")}
	in.Terminal.DeviceID, _ = domain.ParseDeviceID(form.Get("terminal"))
	again := func(field, sentence string) error {
		return h.refundPage(c, http.StatusUnprocessableEntity, form, map[string]string{field: sentence}, "")
	}
	// Only a form that says how much refunds anything.
	switch form.Get("kind") {
	case pages.RefundPart:
		if in.Amount, err = parseAmount(form.Get("amount"), d.Payment.Amount.Currency(), web.Merchant(c)); err != nil {
			return again("amount", domain.MessageOf(err))
		}
	case pages.RefundFull:
		// "All of it" is the sum that the page showed: when less is left by now,
		// the person decides again.
		if in.Amount, err = money.ParseMajor(form.Get("full_amount"), d.Payment.Amount.Currency()); err != nil {
			return again("kind", "Choose again how much to refund: the form did not say what “all of it” is.")
		}
	default:
		return again("kind", "Choose how much to refund.")
	}
	done, err := h.Service.Refund(c.Request().Context(), web.Actor(c), in)
	switch domain.CodeOf(err) {
	case "":
		if done.Status == domain.TxApproved {
			web.Flash(c, "good", "Refunded "+web.Merchant(c).Format(in.Amount)+".")
		}
		return web.Redirect(c, "/payments/"+d.Payment.ID.String())
	case domain.Invalid:
		return h.refundPage(c, http.StatusUnprocessableEntity, form, domain.FieldsOf(err), "")
	case domain.Conflict:
		return h.refundPage(c, http.StatusConflict, form, domain.FieldsOf(err), domain.MessageOf(err))
	}
	return err
}

// listURL is a list's address with its filter.
func listURL(path string, q url.Values) string {
	if s := q.Encode(); s != "" {
		return path + "?" + s
	}
	return path
}
