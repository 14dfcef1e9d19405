package sandbox

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

//go:embed assets
var assets embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"args": formOf}).ParseFS(assets, "assets/*.html"))

// actionForm is what the template of an action is given.
type actionForm struct {
	Base   string
	Action actionView
}

func formOf(base string, a actionView) actionForm { return actionForm{base, a} }

// policy: the page has no script, no picture and no style but its own file.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// How much of a ledger is on one page, and how much of a journal is shown; the
// control API has the rest.
const (
	shownCharges = 50
	shownEntries = 50
	maxForm      = 8 << 10
)

const (
	pagePath  = kit.ControlPrefix
	stylePath = kit.ControlPrefix + "page.css"
)

// labels are the emulators' names for a person; one that has none is shown by
// its own.
var labels = map[string]string{
	"handpoint": "Handpoint", "cardflo": "Cardflo", "cashflows": "Cashflows", "cloudflow": "CloudFlow", "cloudpayments": "Cloud Payments",
}

func label(name string) string {
	if l, ok := labels[name]; ok {
		return l
	}
	return name
}

// pages is training mode: what every emulator holds, and what a person can make
// it do next. It works without JavaScript and knows nothing of a provider.
type pages struct {
	emulators map[string]kit.Emulator
	names     []string
}

// Pages serves the pages of the named emulators, and the redirect to them from
// the root, without the emulators themselves and without the control API.
func Pages(emulators map[string]kit.Emulator) http.Handler {
	mux := http.NewServeMux()
	mountPages(mux, emulators)
	return mux
}

// mountPages adds the pages to the sandbox's routes, beside the control API.
func mountPages(mux *http.ServeMux, emulators map[string]kit.Emulator) {
	p := &pages{emulators: emulators}
	for name := range emulators {
		p.names = append(p.names, name)
	}
	slices.Sort(p.names)
	mux.Handle("GET /{$}", http.RedirectHandler(pagePath, http.StatusSeeOther))
	mux.HandleFunc("GET "+pagePath+"{$}", p.overview)
	mux.HandleFunc("GET "+stylePath, style)
	// A form of a foreign page could be sent here without asking; the JSON of the
	// control API could not.
	guard := http.NewCrossOriginProtection()
	for _, name := range p.names {
		mux.HandleFunc("GET "+pagePath+name+"/{$}", func(w http.ResponseWriter, r *http.Request) { p.emulator(w, r, name) })
		mux.Handle("POST "+pagePath+name+"/page/{action}", guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.act(w, r, name) })))
	}
}

func style(w http.ResponseWriter, _ *http.Request) {
	body, err := assets.ReadFile("assets/page.css")
	if err != nil {
		panic(err) // it is embedded
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body)
}

// render writes a page whole or not at all.
func render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, data); err != nil {
		panic(err) // the templates are embedded and fed with plain values
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	// With "no-referrer" a browser would send the forms with Origin: null.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

type link struct {
	Name, Label, Href string
	Here              bool
}

func (p *pages) links(here string) []link {
	out := make([]link, 0, len(p.names))
	for _, name := range p.names {
		out = append(out, link{Name: name, Label: label(name), Href: pagePath + name + "/", Here: name == here})
	}
	return out
}

type overviewView struct {
	Title, Style string
	Links        []link
	Emulators    []summary
}

type summary struct {
	link
	Charges, Approved, Requests, Waiting, Held int
	Now                                        string
}

func (p *pages) overview(w http.ResponseWriter, _ *http.Request) {
	v := overviewView{Title: "Sandbox", Style: stylePath, Links: p.links("")}
	for _, l := range p.links("") {
		e := p.emulators[l.Name]
		k, state := e.Kit(), e.State()
		s := summary{
			link: l, Charges: len(state.Charges), Requests: len(k.Journal.Entries()), Held: k.Faults.Held(),
			Waiting: len(k.Faults.Queued()) + len(k.Outcomes.Queued()), Now: k.Clock.Now().Format(timeForm),
		}
		for _, c := range state.Charges {
			if c.Approved {
				s.Approved++
			}
		}
		v.Emulators = append(v.Emulators, s)
	}
	render(w, http.StatusOK, "overview.html", v)
}

const timeForm = "2 Jan 2006, 15:04:05"

type emulatorView struct {
	Title, Style, Name, Label, Base string
	Links                           []link
	Did, Wrong                      string
	Waiting                         []string
	Held                            int
	Faults, Outcomes, Clocks        []choice
	Methods                         []choice
	Now, Ahead                      string
	Callbacks                       bool
	Actions                         []actionView
	Charges                         []chargeView
	// Lines says which lines of the ledger these are, Opens that some of them
	// can be acted on; Newer and Older are the pages beside this one, 0 for none.
	Lines        string
	Opens        bool
	Newer, Older int
	Deliveries   []deliveryView
	Entries      []entryView
	MoreEntries  int
}

type chargeView struct {
	At, Reference, ID, Kind, Amount, Status, Card string
	Approved                                      bool
	Actions                                       []actionView
	// Open says that one of its actions was refused a moment ago.
	Open bool
}

// Offers names the line's actions.
func (c chargeView) Offers() string {
	var labels []string
	for _, a := range c.Actions {
		labels = append(labels, a.Label)
	}
	return strings.Join(labels, " · ")
}

type deliveryView struct {
	At, URL, Result string
	Attempt         int
}

type entryView struct {
	At, Method, URL, Result, Fault, Body, Reply string
	Headers                                     []string
	Unprocessed                                 bool
}

func (p *pages) emulator(w http.ResponseWriter, r *http.Request, name string) {
	q := r.URL.Query()
	said := did[q.Get("did")]
	if said == "" {
		said = doneAction(p.emulators[name], q.Get("did"))
	}
	p.show(w, http.StatusOK, name, moment{did: said, page: pageOf(q)})
}

// moment is what a page shows beside the emulator's state: what was just done,
// what was not, the action that was refused, and which page of the ledger.
type moment struct {
	did, wrong string
	failed     *attempt
	page       int
}

// pageOf reads a page of the ledger; what is none is the first.
func pageOf(q url.Values) int {
	n, err := strconv.Atoi(q.Get("page"))
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// show renders an emulator's page.
func (p *pages) show(w http.ResponseWriter, status int, name string, m moment) {
	e := p.emulators[name]
	k, state := e.Kit(), e.State()
	v := emulatorView{
		Title: label(name) + " · Sandbox", Style: stylePath, Name: name, Label: label(name), Base: pagePath + name + "/",
		Links: p.links(name), Did: m.did, Wrong: m.wrong, Held: k.Faults.Held(), Methods: methods,
		Now: k.Clock.Now().Format(timeForm) + " UTC", Callbacks: k.Callbacks.Enabled(),
	}
	if ahead := k.Clock.Ahead(); ahead > 0 {
		v.Ahead = ahead.String()
	}
	for _, f := range k.Faults.Queued() {
		v.Waiting = append(v.Waiting, describeFault(f))
	}
	for _, o := range k.Outcomes.Queued() {
		v.Waiting = append(v.Waiting, describeOutcome(o))
	}
	for _, c := range faultMenu {
		v.Faults = append(v.Faults, c.choice)
	}
	for _, c := range outcomeMenu {
		v.Outcomes = append(v.Outcomes, c.choice)
	}
	for _, c := range clockMenu {
		v.Clocks = append(v.Clocks, c.choice)
	}
	actions := actionsOf(e)
	v.Actions = ownActions(actions, m.failed)
	v.ledger(e, actions, state.Charges, m)
	for _, d := range slices.Backward(k.Callbacks.Deliveries()) {
		v.Deliveries = append(v.Deliveries, deliveryView{At: d.At.Format(timeForm), URL: d.URL, Attempt: d.Attempt, Result: deliveryResult(d)})
		if len(v.Deliveries) == shownEntries {
			break
		}
	}
	entries := k.Journal.Entries()
	for _, e := range slices.Backward(entries) {
		if len(v.Entries) == shownEntries {
			v.MoreEntries = len(entries) - shownEntries
			break
		}
		v.Entries = append(v.Entries, entryOf(e))
	}
	render(w, status, "emulator.html", v)
}

// ledger fills in one page of the ledger, the newest line first.
func (v *emulatorView) ledger(e kit.Emulator, actions []kit.Action, charges []kit.Charge, m moment) {
	pages := max(1, (len(charges)+shownCharges-1)/shownCharges)
	page := min(max(m.page, 1), pages)
	// The line of an action that was refused is shown, whatever came after it.
	if m.failed != nil && m.failed.line != "" {
		if i := slices.IndexFunc(charges, func(c kit.Charge) bool { return c.ID == m.failed.line }); i >= 0 {
			page = (len(charges)-1-i)/shownCharges + 1
		}
	}
	end := len(charges) - (page-1)*shownCharges
	begin := max(0, end-shownCharges)
	for i, c := range slices.Backward(charges[begin:end]) {
		row := chargeView{
			At: c.At.Format(timeForm), Reference: c.Reference, ID: c.ID, Kind: c.Kind, Amount: amount(c.AmountMinor, c.Currency), Status: c.Status, Card: c.Card, Approved: c.Approved,
			Actions: lineActions(e, actions, c, "line"+strconv.Itoa(i), page, m.failed),
			Open:    m.failed != nil && m.failed.line != "" && m.failed.line == c.ID,
		}
		v.Opens = v.Opens || len(row.Actions) > 0
		v.Charges = append(v.Charges, row)
	}
	if pages == 1 {
		return
	}
	v.Lines = fmt.Sprintf("Lines %s to %s of %s, the newest first.", counted(len(charges)-end+1), counted(len(charges)-begin), counted(len(charges)))
	v.Newer = page - 1
	if page < pages {
		v.Older = page + 1
	}
}

func deliveryResult(d kit.Delivery) string {
	switch {
	case d.Delivered:
		return fmt.Sprintf("taken (%d)", d.Status)
	case d.Error != "":
		return "not taken: " + d.Error
	}
	return fmt.Sprintf("not taken (%d)", d.Status)
}

func entryOf(e kit.Entry) entryView {
	v := entryView{
		At: e.At.Format(timeForm), Method: e.Method, URL: e.URL, Body: e.Body, Reply: e.Reply, Result: strconv.Itoa(e.Status), Unprocessed: !e.Processed,
	}
	if e.Status == 0 {
		v.Result = "line cut"
	}
	if e.Fault != "" {
		v.Fault = strings.ReplaceAll(e.Fault, "_", " ")
	}
	for name, value := range e.Headers {
		v.Headers = append(v.Headers, name+": "+value)
	}
	slices.Sort(v.Headers)
	return v
}

// did are the sentences that a page may open with after a click; the address
// only chooses one of them.
var did = func() map[string]string {
	m := map[string]string{
		"release": "What was held goes on.", "reset": "Everything is as it was at the start.",
		"callbacks_on": "Callbacks are on.", "callbacks_off": "Callbacks are off.",
	}
	for _, c := range faultMenu {
		m["fault_"+c.Key] = "Waiting for a request: " + strings.ToLower(c.Label[:1]) + c.Label[1:] + "."
	}
	for _, c := range outcomeMenu {
		m["outcome_"+c.Key] = "Waiting for an operation: " + strings.ToLower(c.Label[:1]) + c.Label[1:] + "."
	}
	for _, c := range clockMenu {
		m["clock_"+c.Key] = "The clock was moved by " + c.Label + "."
	}
	return m
}()

// errNoAction is a form that this page does not have.
var errNoAction = errors.New("there is no such action")

// act does what a form asks for and answers 303 to the page.
func (p *pages) act(w http.ResponseWriter, r *http.Request, name string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, name, moment{wrong: "The form could not be read, and nothing was changed."})
		return
	}
	var failed *attempt
	var done string
	var err error
	if r.PathValue("action") == "act" {
		done, failed, err = doAction(p.emulators[name], r.PostForm)
	} else {
		done, err = p.do(p.emulators[name], r.PathValue("action"), r.PostForm)
	}
	switch page := pageOf(r.PostForm); {
	case errors.Is(err, errNoAction):
		p.show(w, http.StatusNotFound, name, moment{wrong: "This page has no such button, and nothing was changed.", page: page})
	case err != nil:
		p.show(w, http.StatusUnprocessableEntity, name, moment{wrong: "Nothing was changed: " + err.Error() + ".", failed: failed, page: page})
	default:
		address := pagePath + name + "/?did=" + url.QueryEscape(done)
		if page > 1 {
			address += "&page=" + strconv.Itoa(page)
		}
		http.Redirect(w, r, address, http.StatusSeeOther)
	}
}

// do changes one thing and says which.
func (p *pages) do(e kit.Emulator, action string, form url.Values) (string, error) {
	k := e.Kit()
	key := form.Get("choose")
	switch action {
	case "fault":
		for _, c := range faultMenu {
			if c.Key != key {
				continue
			}
			f := c.fault
			var err error
			if f.Count, err = times(form); err != nil {
				return "", err
			}
			if f.Method = form.Get("method"); !slices.ContainsFunc(methods, func(m choice) bool { return m.Key == f.Method }) {
				return "", fmt.Errorf("the kind of request is not one of the list")
			}
			f.Path = strings.TrimSpace(form.Get("path"))
			return "fault_" + key, k.Faults.Push(f)
		}
	case "outcome":
		for _, c := range outcomeMenu {
			if c.Key != key {
				continue
			}
			o := c.outcome
			var err error
			if o.Count, err = times(form); err != nil {
				return "", err
			}
			o.Path = strings.TrimSpace(form.Get("path"))
			if o.Result == kit.Decline || o.Result == kit.Reject {
				o.Code = strings.TrimSpace(form.Get("code"))
			}
			if o.Result == kit.Reject && o.Code == "" {
				return "", fmt.Errorf("a refusal needs the provider’s code")
			}
			return "outcome_" + key, k.Outcomes.Push(o)
		}
	case "clock":
		for _, c := range clockMenu {
			if c.Key == key {
				k.Clock.Advance(c.by)
				kit.Pump(e)
				return "clock_" + key, nil
			}
		}
	case "callbacks":
		if key == "on" || key == "off" {
			k.Callbacks.Enable(key == "on")
			return "callbacks_" + key, nil
		}
	case "release":
		k.Faults.Release()
		return "release", nil
	case "reset":
		e.Reset()
		return "reset", nil
	}
	return "", errNoAction
}

// times reads for how many requests a click holds; empty is once.
func times(form url.Values) (int, error) {
	text := strings.TrimSpace(form.Get("times"))
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxTimes {
		return 0, fmt.Errorf("the number of requests must lie between 1 and %d", maxTimes)
	}
	return n, nil
}
