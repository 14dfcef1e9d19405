package handlers

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

// listParams are the parts of the query string that narrow the list. "after"
// and "limit" are not among them: a link to another filter starts at the newest.
var listParams = []string{"q", "status", "type", "method", "from", "to", "min", "max", "currency", "connection", "device"}

// parseFilter reads the list's filter from the query string. errs holds one
// sentence per parameter that cannot be meant; none of them is quietly dropped.
func parseFilter(q url.Values, merchant domain.Merchant) (f domain.PaymentFilter, errs map[string]string) {
	errs = map[string]string{}
	f.Query = strings.TrimSpace(q.Get("q"))
	if len([]rune(f.Query)) > 80 {
		errs["q"] = "Search for at most 80 characters."
	}
	if !web.IsText(f.Query) {
		errs["q"] = "Search for letters, digits and signs only."
	}
	for _, s := range q["status"] {
		if st, ok := domain.ParsePaymentStatus(s); ok {
			f.Statuses = append(f.Statuses, st)
		} else {
			errs["status"] = "There is no such status."
		}
	}
	for _, s := range q["method"] {
		if m, ok := domain.ParseMethod(s); ok {
			f.Methods = append(f.Methods, m)
		} else {
			errs["method"] = "There is no such way to pay."
		}
	}
	switch t := q.Get("type"); domain.TransactionType(t) {
	case "", domain.Sale: // every payment begins with a sale
	case domain.Refund:
		f.Type = domain.Refund
	default:
		errs["type"] = "There is no such type."
	}
	for _, s := range q["currency"] {
		cur, err := money.ParseCurrency(s)
		if err != nil {
			errs["currency"] = "There is no such currency."
			continue
		}
		f.Currencies = append(f.Currencies, cur)
	}
	for _, s := range q["connection"] {
		id, err := domain.ParseConnectionID(s)
		if err != nil {
			errs["connection"] = "There is no such connection."
			continue
		}
		f.Connections = append(f.Connections, id)
	}
	if s := q.Get("device"); s != "" {
		var err error
		if f.Device, err = domain.ParseDeviceID(s); err != nil {
			errs["device"] = "There is no such terminal."
		}
	}
	parseDays(q, merchant.Location(), &f, errs)
	parseBounds(q, merchant, &f, errs)
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > domain.MaxPage {
			errs["limit"] = "The limit is a number from 1 to 200."
		} else {
			f.Limit = n
		}
	}
	after, err := domain.ParseCursor(q.Get("after"))
	if err != nil {
		errs["after"] = domain.MessageOf(err)
	}
	f.After = after
	return f, errs
}

// parseDays reads from and to as days of the merchant's own calendar, both
// included.
func parseDays(q url.Values, loc *time.Location, f *domain.PaymentFilter, errs map[string]string) {
	read := func(name string) time.Time {
		s := q.Get(name)
		if s == "" {
			return time.Time{}
		}
		d, err := time.Parse(time.DateOnly, s)
		if err != nil || d.Year() < 1970 || d.Year() > 9999 {
			errs[name] = "Enter a date such as 2026-11-20."
			return time.Time{}
		}
		return d
	}
	from, to := read("from"), read("to")
	if y, m, d := from.Date(); !from.IsZero() {
		f.From = domain.StartOfDay(y, m, d, loc)
	}
	if y, m, d := to.Date(); !to.IsZero() {
		f.To = domain.StartOfDay(y, m, d+1, loc)
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		errs["to"] = "The last day must not be before the first."
	}
}

// parseBounds reads min and max. An amount is only a number of minor units once
// its currency's exponent is known.
func parseBounds(q url.Values, merchant domain.Merchant, f *domain.PaymentFilter, errs map[string]string) {
	if q.Get("min") == "" && q.Get("max") == "" {
		return
	}
	among := f.Currencies
	if len(among) == 0 {
		among = merchant.Currencies
	}
	for _, c := range among[1:] {
		if c.Exponent() != among[0].Exponent() {
			errs["min"] = "Choose one currency as well: these have different decimals."
			return
		}
	}
	read := func(name string) int64 {
		s := q.Get(name)
		if s == "" {
			return 0
		}
		a, err := money.ParseMajor(s, among[0])
		if err != nil {
			errs[name] = err.Error()
			return 0
		}
		return a.Minor()
	}
	f.MinMinor, f.MaxMinor = read("min"), read("max")
	if f.MaxMinor > 0 && f.MinMinor > f.MaxMinor {
		errs["max"] = "The most must not be below the least."
	}
}

func (h *Payments) list(c echo.Context) error {
	q, merchant := c.QueryParams(), web.Merchant(c)
	f, errs := parseFilter(q, merchant)
	kept := url.Values{}
	for _, name := range listParams {
		for _, v := range q[name] {
			if v != "" {
				kept.Add(name, v)
			}
		}
	}
	var l payments.Listing
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	} else {
		var err error
		if l, err = h.Service.List(c.Request().Context(), web.Actor(c), merchant, f); err != nil {
			return err
		}
		if !l.Jump.IsZero() {
			return web.Redirect(c, "/payments/"+l.Jump.String())
		}
	}
	model := layout(c, layouts.NavPayments, "Payments")
	v := pages.PaymentsListView{Layout: model, Rows: l.Payments, Tabs: tabs(kept, now(c)), Filter: filterView(kept, f, errs, merchant, l, model)}
	switch {
	case len(errs) > 0, len(l.Payments) == 0 && !l.FirstDay:
		v.State = pages.ListNoMatch
	case l.FirstDay:
		v.State = pages.ListFirstDay
	}
	if web.Actor(c).Role.May(domain.PaymentsExport) && len(errs) == 0 {
		v.ExportURL = listURL("/payments.csv", kept)
	}
	if n := len(l.Payments); n > 0 {
		z := model.Zone()
		v.Pager.Words = z.Event(l.Payments[0].CreatedAt) + " back to " + z.Event(l.Payments[n-1].CreatedAt)
	}
	page := func(at domain.Cursor) string {
		if at.IsZero() {
			return ""
		}
		p := url.Values{"after": {at.String()}}
		for k, vs := range kept {
			p[k] = vs
		}
		if f.Limit > 0 {
			p.Set("limit", strconv.Itoa(f.Limit))
		}
		return listURL("/payments", p)
	}
	v.Pager.NewerURL, v.Pager.OlderURL = page(l.Newer), page(l.Older)
	return web.Render(c, status, pages.PaymentsList(v))
}

// tabs are the views that everybody has. A tab is current when the filter is
// exactly its own.
func tabs(kept url.Values, now time.Time) []components.Tab {
	today := now.Format(time.DateOnly)
	all := []struct {
		label string
		q     url.Values
	}{
		{"All", url.Values{}},
		{"Today", url.Values{"from": {today}}},
		{"Needs review", url.Values{"status": {string(domain.PaymentUnknown), string(domain.PaymentNeedsPerson)}}},
		{"Declined", url.Values{"status": {string(domain.PaymentDeclined)}}},
		{"Refunds", url.Values{"type": {string(domain.Refund)}}},
	}
	out := make([]components.Tab, len(all))
	for i, t := range all {
		out[i] = components.Tab{Label: t.label, URL: listURL("/payments", t.q), Active: t.q.Encode() == kept.Encode()}
	}
	return out
}

// filterView is the filter as typed, with a removable chip for each condition:
// nothing narrows the list that is not in sight.
func filterView(kept url.Values, f domain.PaymentFilter, errs map[string]string, merchant domain.Merchant, l payments.Listing, m layouts.Model) pages.PaymentsFilter {
	v := pages.PaymentsFilter{
		Q: kept.Get("q"), From: kept.Get("from"), To: kept.Get("to"), Min: kept.Get("min"), Max: kept.Get("max"), Errors: errs, ClearURL: "/payments",
		Type: kept.Get("type"), Device: kept.Get("device"), Statuses: pages.StatusOptions(f.Statuses), Methods: pages.MethodOptions(f.Methods),
	}
	chip := func(label string, names ...string) {
		rest := url.Values{}
		for k, vs := range kept {
			if !slices.Contains(names, k) {
				rest[k] = vs
			}
		}
		v.Chips = append(v.Chips, components.Chip{Label: label, RemoveURL: listURL("/payments", rest)})
	}
	if v.Q != "" {
		chip("Search: "+v.Q, "q")
	}
	if len(f.Statuses) > 0 {
		chip("Status: "+join(f.Statuses, domain.PaymentStatus.Label), "status")
	}
	if f.Type == domain.Refund {
		chip("With refunds", "type")
	}
	if len(f.Methods) > 0 {
		chip("How: "+join(f.Methods, domain.Method.Label), "method")
	}
	if name := l.Device.Label(); !l.Device.ID.IsZero() {
		chip("Terminal: "+name, "device")
	} else if v.Device != "" {
		chip("Terminal: not known", "device")
	}
	z := m.Zone()
	switch last := f.To.Add(-time.Nanosecond); { // an instant of the last day
	case !f.From.IsZero() && !f.To.IsZero() && z.Day(last) == z.Day(f.From):
		chip("Date: "+z.Day(f.From), "from", "to")
	case !f.From.IsZero() && !f.To.IsZero():
		chip("Date: "+z.Day(f.From)+" to "+z.Day(last), "from", "to")
	case !f.From.IsZero():
		chip("From "+z.Day(f.From), "from")
	case !f.To.IsZero():
		chip("Up to "+z.Day(last), "to")
	}
	if v.Min != "" {
		chip("At least "+v.Min, "min")
	}
	if v.Max != "" {
		chip("At most "+v.Max, "max")
	}
	if len(f.Currencies) > 0 {
		chip("Currency: "+join(f.Currencies, money.Currency.Code), "currency")
	}
	if len(f.Connections) > 0 {
		names := map[domain.ConnectionID]string{}
		for _, c := range l.Connections {
			names[c.ID] = c.Name
		}
		chip("Connection: "+join(f.Connections, func(id domain.ConnectionID) string {
			if n, ok := names[id]; ok {
				return n
			}
			return "not known"
		}), "connection")
	}
	for _, c := range merchant.Currencies {
		v.Currencies = append(v.Currencies, components.Option{Value: c.Code(), Label: c.Code(), Chosen: slices.Contains(f.Currencies, c)})
	}
	for _, c := range l.Connections {
		if c.Removed() && !slices.Contains(f.Connections, c.ID) {
			continue
		}
		v.Connections = append(v.Connections, components.Option{Value: c.ID.String(), Label: c.Name, Chosen: slices.Contains(f.Connections, c.ID)})
	}
	return v
}

func join[v any](vs []v, label func(v) string) string {
	out := make([]string, len(vs))
	for i, x := range vs {
		out[i] = label(x)
	}
	return strings.Join(out, ", ")
}

// exportStall is how long a download may make no progress before it is cut.
const exportStall = 30 * time.Second

var csvHeader = []string{"reference", "created_at", "status", "method", "currency", "amount", "captured", "refunded", "held", "charged_back", "order_reference",
	"card_brand", "card_last4", "auth_code", "connection", "taken_by", "payment_id", "kind"}

// export streams the list's filter as CSV. Text cells are neutralised against
// formulas; numbers stay numbers. Times are the merchant's, with their offset.
func (h *Payments) export(c echo.Context) error {
	q, merchant := c.QueryParams(), web.Merchant(c)
	f, errs := parseFilter(q, merchant)
	if len(errs) > 0 {
		return &domain.Error{Code: domain.Invalid, Message: "This filter cannot be exported. Open the list and mend it there.", Fields: errs}
	}
	loc := merchant.Location()
	res := c.Response()
	deadline := http.NewResponseController(res.Writer)
	var w *csv.Writer
	begin := func() error {
		res.Header().Set("Content-Type", "text/csv; charset=utf-8")
		res.Header().Set("Content-Disposition", `attachment; filename="payments-`+now(c).Format(time.DateOnly)+`.csv"`)
		res.WriteHeader(http.StatusOK)
		w = csv.NewWriter(res)
		return w.Write(csvHeader)
	}
	row := make([]string, len(csvHeader))
	err := h.Service.Export(c.Request().Context(), web.Actor(c), merchant, f, func(ps []domain.Payment) error {
		if w == nil {
			if err := begin(); err != nil {
				return err
			}
		}
		if err := deadline.SetWriteDeadline(time.Now().Add(exportStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		for i := range ps {
			p := &ps[i]
			row = append(row[:0], p.Reference, p.CreatedAt.In(loc).Format(time.RFC3339), string(p.Status), string(p.Method), p.Amount.Currency().Code(),
				p.Amount.Major(), p.Captured.Major(), p.Refunded.Major(), p.Held.Major(), p.ChargedBack.Major(), cell(p.OrderReference),
				cell(p.Card.Brand), p.Card.Last4, cell(p.AuthCode), cell(p.ConnectionName), cell(p.CreatedByName), p.ID.String(), string(p.Kind))
			if err := w.Write(row); err != nil {
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

// cell neutralises a text that a spreadsheet would run as a formula (SECURITY
// 46, CWE-1236).
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\x00", rune(s[0])) {
		return "'" + s
	}
	return s
}
