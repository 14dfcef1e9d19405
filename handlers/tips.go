package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// tipParams are the parts of the query string that narrow the worksheet.
var tipParams = []string{"date", "connection", "device"}

// worksheet is one request for the tip worksheet: which sales, and what was
// typed into which row.
type worksheet struct {
	kept     url.Values
	filter   domain.TipFilter
	day      time.Time // its first moment
	errs     map[string]string
	typed    map[string]string // by reference
	meant    map[string]bool   // by reference: a large tip was confirmed
	wrong    map[string]string // by reference: a sentence
	problem  string
	filled   string
	paste    string
	problems []pages.PasteLine
	sheet    string // whose outcomes are shown
	key      string
}

// parseWorksheet reads which sales a worksheet is about. The day is one of the
// merchant's own calendar, today unless another is asked for.
func parseWorksheet(get func(string) string, now time.Time) *worksheet {
	w := &worksheet{kept: url.Values{}, errs: map[string]string{}, typed: map[string]string{}, meant: map[string]bool{}, wrong: map[string]string{}, key: payments.NewSheet()}
	for _, name := range tipParams {
		if v := get(name); v != "" {
			w.kept.Set(name, v)
		}
	}
	y, m, d := now.Date()
	if s := get("date"); s != "" {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil || at.Year() < 1970 || at.Year() > 9999 {
			w.errs["date"] = "Enter a date such as 2026-11-20."
		} else {
			y, m, d = at.Date()
		}
	}
	w.day = domain.StartOfDay(y, m, d, now.Location())
	w.filter.From, w.filter.To = w.day, domain.StartOfDay(y, m, d+1, now.Location())
	if s := get("connection"); s != "" {
		id, err := domain.ParseConnectionID(s)
		if err != nil {
			w.errs["connection"] = "There is no such connection."
		}
		w.filter.Connections = []domain.ConnectionID{id}
	}
	if w.filter.Device = get("device"); len(w.filter.Device) > 80 || !web.IsText(w.filter.Device) {
		w.errs["device"], w.filter.Device = "There is no such terminal.", ""
	}
	after, err := domain.ParsePlace(get("after"))
	if err != nil {
		w.errs["after"] = domain.MessageOf(err)
	}
	w.filter.After = after
	return w
}

// date is the worksheet's day as its address has it.
func (w *worksheet) date() string { return w.day.Format(time.DateOnly) }

func (h *Worklists) tips(c echo.Context) error {
	w := parseWorksheet(c.QueryParam, now(c))
	if s := c.QueryParam("sheet"); s != "" {
		if _, err := uuid.Parse(s); err != nil || len(s) != 36 {
			return domain.Errorf(domain.NotFound, "There is no worksheet with that id.")
		}
		w.sheet = s
	}
	return h.tipsPage(c, http.StatusOK, w)
}

func (h *Worklists) tipsPage(c echo.Context, status int, w *worksheet) error {
	var t payments.Tips
	if len(w.errs) > 0 {
		status = http.StatusUnprocessableEntity
	} else {
		var err error
		if t, err = h.Service.ListTips(c.Request().Context(), web.Actor(c), w.filter, w.sheet); err != nil {
			return err
		}
	}
	return web.Render(c, status, pages.Tips(h.tipsView(c, w, t)))
}

// tipsForm is what the worksheet's form may carry.
var tipsForm = web.RowForm{Fields: []string{"date", "connection", "device", "after", "do", "paste", "paste_at"}, Row: []string{"tip", "key", "confirm"},
	Max: domain.MaxTips, Long: map[string]int{"paste": 16_000}}

func (h *Worklists) postTips(c echo.Context) error {
	form, rows, err := web.FormRows(c, tipsForm)
	if err != nil {
		return err
	}
	w := parseWorksheet(form.Get, now(c))
	w.kept.Set("date", w.date())
	w.key, w.paste = form.Key(), form.Get("paste")
	if len(w.errs) > 0 {
		return web.BadRequest("The worksheet does not say which sales it is about. Nothing was sent.")
	}
	keys := map[string]string{}
	for _, r := range rows {
		w.typed[r.Name], w.meant[r.Name], keys[r.Name] = strings.TrimSpace(r.Values.Get("tip")), r.Values.Get("confirm") == "yes", r.Values.Get("key")
	}
	// The same press again leads to what became of the first.
	if _, err := uuid.Parse(form.Key()); err == nil && form.Get("do") == "set" {
		w.sheet = form.Key()
	}
	t, err := h.Service.ListTips(c.Request().Context(), web.Actor(c), w.filter, w.sheet)
	if err != nil {
		return err
	}
	results := func() error {
		q := keptParams(w.kept, tipParams...)
		q.Set("sheet", form.Key())
		if after := form.Get("after"); after != "" {
			q.Set("after", after)
		}
		return web.Redirect(c, listURL("/tips", q))
	}
	if form.Get("do") == "paste" {
		w.fill(t, form.Get("paste_at"))
		return web.Render(c, http.StatusOK, pages.Tips(h.tipsView(c, w, t)))
	}
	inputs, refs := w.read(t, keys)
	if form.Get("do") != "set" {
		return web.Render(c, http.StatusOK, pages.Tips(h.tipsView(c, w, t)))
	}
	switch {
	case len(w.wrong) > 0:
		w.problem = "Nothing was sent. " + components.Count(len(w.wrong), "row needs another look.", "rows need another look.")
		return web.Render(c, http.StatusUnprocessableEntity, pages.Tips(h.tipsView(c, w, t)))
	case len(inputs) == 0 && len(t.Sheet) > 0:
		return results()
	case len(inputs) == 0:
		w.problem = "Nothing was sent: no tip was changed."
		return web.Render(c, http.StatusUnprocessableEntity, pages.Tips(h.tipsView(c, w, t)))
	}
	err = h.Service.SetTips(c.Request().Context(), web.Actor(c), form.Key(), inputs)
	switch domain.CodeOf(err) {
	case "":
		return results()
	case domain.Invalid:
		for id, words := range domain.FieldsOf(err) {
			w.wrong[refs[id]] = words
		}
		w.problem = "Nothing was sent. " + components.Count(len(w.wrong), "row needs another look.", "rows need another look.")
		return web.Render(c, http.StatusUnprocessableEntity, pages.Tips(h.tipsView(c, w, t)))
	case domain.Conflict, domain.Duplicate:
		w.problem, w.key = domain.MessageOf(err), payments.NewSheet()
		return web.Render(c, http.StatusConflict, pages.Tips(h.tipsView(c, w, t)))
	}
	return err
}

// read judges what was typed. inputs are the rows that ask for a change, refs
// their references by payment id.
func (w *worksheet) read(t payments.Tips, keys map[string]string) (inputs []payments.TipInput, refs map[string]string) {
	refs = map[string]string{}
	known := map[string]bool{}
	for _, r := range t.Rows {
		ref := r.Payment.Reference
		known[ref] = true
		typed := w.typed[ref]
		if typed == "" {
			continue
		}
		tip, err := money.ParseMajor(typed, r.Payment.Amount.Currency())
		switch {
		case err != nil:
			w.wrong[ref] = err.Error()
		case tip == r.Payment.Tip:
			// It is what is there: a form that is posted again.
		case r.Denied != domain.Possible && keys[ref] == "":
			w.wrong[ref] = r.Denied.Words()
		default:
			inputs = append(inputs, payments.TipInput{PaymentID: r.Payment.ID, Key: keys[ref], Tip: tip, Confirmed: w.meant[ref]})
			refs[r.Payment.ID.String()] = ref
		}
	}
	for ref, typed := range w.typed {
		if typed != "" && !known[ref] {
			w.wrong[ref] = "There is no such sale on this page of the worksheet."
		}
	}
	return inputs, refs
}

// fill puts what was pasted into the rows. Nothing is sent.
func (w *worksheet) fill(t payments.Tips, at string) {
	rows := make([]payments.PasteRow, len(t.Rows))
	from, field := 0, 0
	currency := map[string]money.Currency{}
	for i, r := range t.Rows {
		ref := r.Payment.Reference
		rows[i] = payments.PasteRow{Reference: ref, Currency: r.Payment.Amount.Currency(), Denied: r.Denied.Words()}
		currency[ref] = rows[i].Currency
		if ref == at {
			from = field
		}
		if r.Denied == domain.Possible {
			field++
		}
	}
	tips, problems := payments.ReadTips(w.paste, rows, from)
	for ref, tip := range tips {
		w.typed[ref] = tip.Major()
	}
	for _, p := range problems {
		w.problems = append(w.problems, pages.PasteLine{Line: p.Line, Text: p.Text})
	}
	w.filled = components.Count(len(tips), "tip was put into its field.", "tips were put into their fields.") + " Look at them, then set them; nothing was sent yet."
	if len(problems) == 0 {
		w.paste = ""
	}
}

// tipsView is the worksheet as it is shown: each row with what is typed into it,
// its warning and its outcome, and the sums of all that count.
func (h *Worklists) tipsView(c echo.Context, w *worksheet, t payments.Tips) pages.TipsView {
	merchant, today := web.Merchant(c), now(c)
	v := pages.TipsView{Layout: layout(c, layouts.NavTips, "Tips"), Day: w.day, Date: w.date(), Key: w.key, Errors: w.errs, Problem: w.problem, Filled: w.filled, Paste: w.paste,
		Problems: w.problems, Connections: connectionOptions(t.Connections, w.filter.Connections), After: w.filter.After.String()}
	if !w.filter.After.IsZero() {
		w.kept.Set("after", w.filter.After.String())
	}
	for _, d := range t.Devices {
		v.Devices = append(v.Devices, components.Option{Value: d, Label: d, Chosen: d == w.filter.Device})
	}
	beside := func(days int) string {
		q := keptParams(w.kept, "connection", "device")
		q.Set("date", w.day.AddDate(0, 0, days).Format(time.DateOnly))
		return listURL("/tips", q)
	}
	v.EarlierURL = beside(-1)
	if w.filter.To.Before(today) {
		v.LaterURL = beside(1)
	}
	v.Steps = steps("/tips", keptParams(w.kept, tipParams...), t.Before, t.Behind, [2]string{"Earlier", "Later"}, components.Count(len(t.Rows), "sale", "sales")+" on this page")
	totals := map[money.Currency]*pages.TipTotal{}
	var counts tipCounts
	for _, r := range t.Rows {
		row := w.row(merchant, r, t)
		cur := r.Payment.Amount.Currency()
		if totals[cur] == nil {
			zero := money.Zero(cur)
			totals[cur] = &pages.TipTotal{Currency: cur, Sales: zero, Now: zero, Then: zero, Total: zero, FixedThen: zero, FixedTotal: zero, OutSum: zero}
		}
		tally(totals[cur], row, r.Payment)
		if s, sent := t.Sheet[r.Payment.ID]; sent {
			counts.add(s.Refused, s.Status)
		}
		if row.Err != "" {
			words := row.Reference + ": " + row.Err
			if row.Large != "" {
				words = row.Reference + ": " + row.Large + " " + row.Err
			}
			v.Wrong = append(v.Wrong, components.FieldError{Field: "tip-" + row.Reference, Text: words})
		}
		v.Rows = append(v.Rows, row)
	}
	for ref, words := range w.wrong {
		if !hasRow(t, ref) {
			v.Wrong = append(v.Wrong, components.FieldError{Text: ref + ": " + words})
		}
	}
	for _, cur := range merchant.Currencies {
		if totals[cur] != nil {
			v.Totals = append(v.Totals, *totals[cur])
		}
	}
	v.Results = counts.words()
	return v
}

func hasRow(t payments.Tips, ref string) bool {
	for _, r := range t.Rows {
		if r.Payment.Reference == ref {
			return true
		}
	}
	return false
}

// row is one sale as it is shown.
func (w *worksheet) row(merchant domain.Merchant, r payments.TipRow, t payments.Tips) pages.TipRow {
	p := r.Payment
	row := pages.TipRow{ID: p.ID, Reference: p.Reference, At: p.CreatedAt, Card: p.Card, Status: p.Status, Sale: p.WithoutTip(), Tip: p.Tip, Counted: p.Captured.IsPositive(), Key: r.Key,
		Denied: r.Denied.Words(), Typed: clip(w.typed[p.Reference]), Err: w.wrong[p.Reference], Confirmed: w.meant[p.Reference]}
	if !row.Counted {
		row.Sale = p.Amount
	}
	if s, sent := t.Sheet[p.ID]; sent && w.wrong[p.Reference] == "" {
		row.Result = tipResult(s.Refused, s.Transaction())
		if row.Typed == "" && (s.Refused != "" || s.Status == "") {
			row.Typed = s.Tip.Major()
		}
	} else if !r.Last.ID.IsZero() {
		row.Result = tipResult("", r.Last)
	}
	row.Total = row.Sale
	tip := p.Tip
	if typed, err := money.ParseMajor(row.Typed, p.Amount.Currency()); row.Typed != "" && err == nil {
		tip = typed
		if tip != p.Tip && domain.LargeTip(row.Sale, tip) {
			row.Large = payments.LargeTipWords(merchant, row.Sale, tip)
		}
	}
	if total, err := row.Sale.Add(tip); err == nil {
		row.Total = total
	}
	return row
}

// tally adds a row to its currency's sums. What nothing was taken of is named
// and in no sum; a typed tip that cannot be read leaves the row as it is.
func tally(t *pages.TipTotal, r pages.TipRow, p domain.Payment) {
	add := func(to *money.Amount, a money.Amount) {
		if sum, err := to.Add(a); err == nil {
			*to = sum
		}
	}
	if !r.Counted {
		t.Out++
		add(&t.OutSum, r.Sale)
		return
	}
	then, err := r.Total.Sub(r.Sale)
	if err != nil {
		then = r.Tip
	}
	add(&t.Sales, r.Sale)
	add(&t.Now, r.Tip)
	add(&t.Then, then)
	add(&t.Total, r.Total)
	if then.IsPositive() {
		t.Tips++
	}
	if then != r.Tip {
		t.Changed++
	}
	if r.Key == "" {
		add(&t.FixedThen, then)
		add(&t.FixedTotal, r.Total)
		if then.IsPositive() {
			t.FixedTips++
		}
	}
}

// tipResult is what became of a tip, in a word and a sentence. A transaction
// without a status was never made.
func tipResult(refused string, x domain.Transaction) *pages.TipResult {
	notSent := components.Status{Word: "Not sent", Tone: "warn", Icon: "triangle-alert", Loud: true}
	st := components.TransactionStatus(x.Status)
	switch {
	case refused != "":
		return &pages.TipResult{Status: notSent, Words: refused}
	case x.Status == "":
		// Its turn is still to come, or whatever sent them was stopped.
		return &pages.TipResult{Status: notSent, Words: "Not sent so far. If this stays, send it again; nothing is set twice."}
	case x.Status == domain.TxApproved:
		st.Word = "Set"
		return &pages.TipResult{Status: st}
	case x.Status.Asking():
		st = components.TransactionStatus(domain.TxUnknown)
		st.Word = "Being checked"
		return &pages.TipResult{Status: st, Words: "Do not set it again; we ask the provider."}
	case x.Status == domain.TxFailed:
		st.Word = "Not set"
	}
	return &pages.TipResult{Status: st, Words: x.Explain().What}
}

// tipCounts counts the outcomes of a press.
type tipCounts struct{ set, checked, declined, refused, person int }

func (n *tipCounts) add(refused string, status domain.TransactionStatus) {
	switch {
	case refused != "" || status == "":
		n.refused++
	case status == domain.TxApproved:
		n.set++
	case status == domain.TxNeedsPerson:
		n.person++
	case status.Open():
		n.checked++
	default:
		n.declined++
	}
}

func (n tipCounts) words() []string {
	var out []string
	for _, w := range []struct {
		n    int
		one  string
		many string
	}{
		{n.set, "tip is set.", "tips are set."},
		{n.declined, "tip was not accepted; the sale stays as it was.", "tips were not accepted; their sales stay as they were."},
		{n.checked, "tip is being checked: the provider has not answered. Do not set it again.", "tips are being checked: the provider has not answered. Do not set them again."},
		{n.person, "tip needs a person: open its payment.", "tips need a person: open their payments."},
		{n.refused, "tip was not sent; its row says why.", "tips were not sent; their rows say why."},
	} {
		if w.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", w.n, map[bool]string{true: w.one, false: w.many}[w.n == 1]))
		}
	}
	return out
}
