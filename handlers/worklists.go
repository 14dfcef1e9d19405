package handlers

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Worklists answers the lists of what waits for somebody: tips, open holds,
// operations without an end, and reviews.
type Worklists struct {
	Service *payments.Service
}

// Routes lists the worklists with what each asks of who calls it.
func (h *Worklists) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/tips", Permission: domain.PaymentsTip, Handler: h.tips},
		{Method: http.MethodPost, Path: "/tips", Permission: domain.PaymentsTip, Handler: h.postTips, BodyLimit: 256 << 10},
		{Method: http.MethodGet, Path: "/preauths", Permission: domain.PaymentsRead, Handler: h.holds},
		{Method: http.MethodGet, Path: "/preauths.csv", Permission: domain.PaymentsExport, Handler: h.exportHolds},
		{Method: http.MethodPost, Path: "/preauths/alerts/seen", Permission: domain.PaymentsCapture, Handler: h.seeAlerts},
		{Method: http.MethodGet, Path: "/payments/open", Permission: domain.PaymentsRead, Handler: h.unended},
		{Method: http.MethodGet, Path: "/reviews", Permission: domain.PaymentsReview, Handler: h.reviews},
		{Method: http.MethodGet, Path: "/payments/:id/review", Permission: domain.PaymentsReview, Handler: h.reviewForm},
		{Method: http.MethodPost, Path: "/payments/:id/review", Permission: domain.PaymentsReview, Handler: h.review},
	}
}

// steps makes the links to the pages beside this one.
func steps(path string, kept url.Values, before, behind domain.Place, labels [2]string, words string) pages.Steps {
	page := func(at domain.Place) string {
		if at.IsZero() {
			return ""
		}
		q := url.Values{"after": {at.String()}}
		for k, v := range kept {
			q[k] = v
		}
		return listURL(path, q)
	}
	return pages.Steps{BeforeURL: page(before), BehindURL: page(behind), BeforeLabel: labels[0], BehindLabel: labels[1], Words: words}
}

// kept is the part of a query string that narrows a list.
func keptParams(q url.Values, names ...string) url.Values {
	out := url.Values{}
	for _, name := range names {
		if v := q.Get(name); v != "" {
			out.Set(name, v)
		}
	}
	return out
}

func connectionOptions(conns []domain.Connection, chosen []domain.ConnectionID) []components.Option {
	var out []components.Option
	for _, c := range conns {
		if c.Removed() && !slices.Contains(chosen, c.ID) {
			continue
		}
		out = append(out, components.Option{Value: c.ID.String(), Label: c.Name, Chosen: slices.Contains(chosen, c.ID)})
	}
	return out
}

// maxWithin is the most days that the radar looks ahead.
const maxWithin = 365

// holdParams are the parts of the query string that narrow the radar.
var holdParams = []string{"within", "connection", "currency"}

func parseHolds(q url.Values, now time.Time) (f domain.HoldFilter, errs map[string]string) {
	errs = map[string]string{}
	if s := q.Get("within"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxWithin {
			errs["within"] = "Enter a number of days from 0 to 365."
		} else {
			f.Before = now.AddDate(0, 0, n)
		}
	}
	if s := q.Get("connection"); s != "" {
		id, err := domain.ParseConnectionID(s)
		if err != nil {
			errs["connection"] = "There is no such connection."
		}
		f.Connections = []domain.ConnectionID{id}
	}
	if s := q.Get("currency"); s != "" {
		cur, err := money.ParseCurrency(s)
		if err != nil {
			errs["currency"] = "There is no such currency."
		}
		f.Currencies = []money.Currency{cur}
	}
	var err error
	if f.After, err = domain.ParsePlace(q.Get("after")); err != nil {
		errs["after"] = domain.MessageOf(err)
	}
	return f, errs
}

// holdLabels are the actions' words on the radar.
var holdLabels = map[domain.Action]string{domain.ActCapture: "Capture", domain.ActIncrease: "Increase", domain.ActDecrease: "Decrease", domain.ActVoid: "Void", domain.ActRefund: "Refund"}

func rowActions(w payments.Worked, acts []domain.Action, next string) (links []pages.RowAction, why string) {
	for _, act := range acts {
		if d := w.Why[act]; d != domain.Possible {
			if why == "" {
				why = d.Words()
			}
			continue
		}
		links = append(links, pages.RowAction{Label: holdLabels[act], URL: pages.ActionURL(w.Payment.ID, act, next)})
	}
	return links, why
}

func (h *Worklists) holds(c echo.Context) error {
	q, merchant := c.QueryParams(), web.Merchant(c)
	f, errs := parseHolds(q, now(c))
	kept := keptParams(q, holdParams...)
	v := pages.HoldsView{Layout: layout(c, layouts.NavHolds, "Pre-authorisations"), Within: clip(q.Get("within")), Errors: errs, Narrowed: len(kept) > 0}
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
		return web.Render(c, status, pages.Holds(v))
	}
	l, err := h.Service.ListHolds(c.Request().Context(), web.Actor(c), f)
	if err != nil {
		return err
	}
	here := listURL("/preauths", kept)
	for _, w := range l.Rows {
		row := pages.HoldRow{Payment: w.Payment}
		row.Actions, row.Why = rowActions(w, payments.HoldActions, here)
		v.Rows = append(v.Rows, row)
	}
	v.Totals, v.Alerts, v.CanSee = l.Totals, l.Alerts, web.Actor(c).Role.May(domain.PaymentsCapture)
	v.Connections = connectionOptions(l.Connections, f.Connections)
	for _, cur := range merchant.Currencies {
		v.Currencies = append(v.Currencies, components.Option{Value: cur.Code(), Label: cur.Code(), Chosen: slices.Contains(f.Currencies, cur)})
	}
	if web.Actor(c).Role.May(domain.PaymentsExport) {
		v.ExportURL = listURL("/preauths.csv", kept)
	}
	v.Steps = steps("/preauths", kept, l.Before, l.Behind, [2]string{"Sooner", "Later"}, components.Count(len(l.Rows), "hold", "holds")+" on this page")
	return web.Render(c, status, pages.Holds(v))
}

var holdsHeader = []string{"reference", "created_at", "status", "currency", "held", "captured", "expires_at", "order_reference", "card_brand", "card_last4", "connection", "taken_by", "payment_id"}

// exportHolds streams the radar's filter as CSV.
func (h *Worklists) exportHolds(c echo.Context) error {
	f, errs := parseHolds(c.QueryParams(), now(c))
	if len(errs) > 0 {
		return &domain.Error{Code: domain.Invalid, Message: "This filter cannot be exported. Open the list and mend it there.", Fields: errs}
	}
	loc := web.Merchant(c).Location()
	res := c.Response()
	deadline := http.NewResponseController(res.Writer)
	var w *csv.Writer
	err := h.Service.ExportHolds(c.Request().Context(), web.Actor(c), f, func(ps []domain.Payment) error {
		if w == nil {
			res.Header().Set("Content-Type", "text/csv; charset=utf-8")
			res.Header().Set("Content-Disposition", `attachment; filename="preauths-`+now(c).Format(time.DateOnly)+`.csv"`)
			res.WriteHeader(http.StatusOK)
			w = csv.NewWriter(res)
			if err := w.Write(holdsHeader); err != nil {
				return err
			}
		}
		if err := deadline.SetWriteDeadline(time.Now().Add(exportStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		for _, p := range ps {
			lapses := ""
			if !p.ExpiresAt.IsZero() {
				lapses = p.ExpiresAt.In(loc).Format(time.RFC3339)
			}
			if err := w.Write([]string{p.Reference, p.CreatedAt.In(loc).Format(time.RFC3339), string(p.Status), p.Amount.Currency().Code(), p.Authorised.Major(), p.Captured.Major(),
				lapses, cell(p.OrderReference), cell(p.Card.Brand), p.Card.Last4, cell(p.ConnectionName), cell(p.CreatedByName), p.ID.String()}); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
	if err != nil && w != nil {
		// Half a file must not look like a whole one: cut the line.
		panic(http.ErrAbortHandler)
	}
	return err
}

func (h *Worklists) seeAlerts(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	if err := h.Service.SeeAlerts(c.Request().Context(), web.Actor(c)); err != nil {
		return err
	}
	return web.Redirect(c, "/preauths")
}

func (h *Worklists) unended(c echo.Context) error {
	after, err := domain.ParsePlace(c.QueryParam("after"))
	if err != nil {
		return err
	}
	l, err := h.Service.ListUnended(c.Request().Context(), web.Actor(c), after, 0)
	if err != nil {
		return err
	}
	v := pages.UnendedView{Layout: layout(c, layouts.NavPayments, "Operations without an end"), Counts: l.Counts}
	may := web.Actor(c).Role.May(domain.PaymentsCheck)
	for _, r := range l.Rows {
		v.Rows = append(v.Rows, pages.UnendedRow{Transaction: r.Transaction, Payment: r.Payment, CanAsk: r.CanAsk && may, NoQuestion: !r.CanAsk, GivesUpAt: r.GivesUpAt})
	}
	v.Steps = steps("/payments/open", nil, l.Before, l.Behind, [2]string{"Older", "Newer"}, components.Count(len(l.Rows), "operation", "operations")+" on this page")
	return web.Render(c, http.StatusOK, pages.Unended(v))
}

func (h *Worklists) reviews(c echo.Context) error {
	after, err := domain.ParsePlace(c.QueryParam("after"))
	if err != nil {
		return err
	}
	l, err := h.Service.ListReviews(c.Request().Context(), web.Actor(c), after, 0)
	if err != nil {
		return err
	}
	v := pages.ReviewsView{Layout: layout(c, layouts.NavPayments, "Reviews")}
	for _, w := range l.Rows {
		row := pages.ReviewRow{Payment: w.Payment, Said: w.Root.ProviderText}
		if w.Why[domain.ActReview] == domain.Possible {
			row.Actions = append(row.Actions, pages.RowAction{Label: "Keep payment", URL: pages.ReviewURL(w.Payment.ID, "/reviews")})
		}
		more, _ := rowActions(w, []domain.Action{domain.ActVoid, domain.ActRefund}, "/reviews")
		row.Actions = append(row.Actions, more...)
		v.Rows = append(v.Rows, row)
	}
	v.Steps = steps("/reviews", nil, l.Before, l.Behind, [2]string{"Newer", "Older"}, components.Count(len(l.Rows), "payment", "payments")+" on this page")
	return web.Render(c, http.StatusOK, pages.Reviews(v))
}

func (h *Worklists) reviewForm(c echo.Context) error {
	return h.reviewPage(c, http.StatusOK, "", c.QueryParam("next"), nil, "")
}

func (h *Worklists) reviewPage(c echo.Context, status int, note, next string, errs map[string]string, problem string) error {
	id, err := domain.ParsePaymentID(c.Param("id"))
	if err != nil {
		return domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	d, err := h.Service.Get(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	v := pages.ReviewView{Layout: layout(c, layouts.NavPayments, "Review "+d.Payment.Reference), Payment: d.Payment, Said: d.Sale().ProviderText, Note: note,
		Next: web.SafeNext(next), Errors: errs, Problem: problem, Denied: d.Why[domain.ActReview].Words()}
	if v.Next == "" {
		v.Next = "/payments/" + id.String()
	}
	return web.Render(c, status, pages.Review(v))
}

func (h *Worklists) review(c echo.Context) error {
	form, err := web.Form(c, "note", "next")
	if err != nil {
		return err
	}
	id, err := domain.ParsePaymentID(c.Param("id"))
	if err != nil {
		return domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	err = h.Service.ClearReview(c.Request().Context(), web.Actor(c), id, form.Get("note"))
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "good", "The payment is kept and off the list.")
		next := web.SafeNext(form.Get("next"))
		if next == "" {
			next = "/payments/" + id.String()
		}
		return web.Redirect(c, next)
	case domain.Invalid:
		return h.reviewPage(c, http.StatusUnprocessableEntity, form.Get("note"), form.Get("next"), domain.FieldsOf(err), "Nothing was changed.")
	case domain.Conflict:
		return h.reviewPage(c, http.StatusConflict, form.Get("note"), form.Get("next"), nil, domain.MessageOf(err))
	}
	return err
}
