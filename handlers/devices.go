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

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Devices answers the pages of the merchant's terminals.
type Devices struct {
	Service *devices.Service
}

// Routes lists the terminals' pages with what each asks of who calls it. A
// command asks for more than the route does; the use case decides.
func (h *Devices) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/devices", Permission: domain.DevicesRead, Handler: h.wall},
		{Method: http.MethodGet, Path: "/devices.csv", Permission: domain.DevicesRead, Handler: h.export},
		{Method: http.MethodGet, Path: "/devices/head", Permission: domain.DevicesRead, Handler: h.head},
		{Method: http.MethodPost, Path: "/devices/sync", Permission: domain.DevicesManage, Handler: h.sync},
		{Method: http.MethodGet, Path: "/devices/command", Permission: domain.DevicesCheck, Handler: h.commandForm},
		{Method: http.MethodPost, Path: "/devices/command", Permission: domain.DevicesCheck, Handler: h.command},
		{Method: http.MethodGet, Path: "/devices/commands/:sheet", Permission: domain.DevicesRead, Handler: h.sheet},
		{Method: http.MethodGet, Path: "/devices/:id", Permission: domain.DevicesRead, Handler: h.detail},
		{Method: http.MethodPost, Path: "/devices/:id", Permission: domain.DevicesManage, Handler: h.edit},
		{Method: http.MethodGet, Path: "/devices/:id/row", Permission: domain.DevicesRead, Handler: h.row},
	}
}

// deviceParams are the parts of the query string that narrow the wall.
var deviceParams = []string{"q", "state", "location", "connection"}

// maxSerial is the longest end of a serial number that is looked for.
const maxSerial = 40

// parseDevices reads the wall's filter. errs holds one sentence per parameter
// that cannot be meant.
func parseDevices(q url.Values) (f domain.DeviceFilter, errs map[string]string) {
	errs = map[string]string{}
	f.Serial = strings.TrimSpace(q.Get("q"))
	if len([]rune(f.Serial)) > maxSerial || !web.IsText(f.Serial) {
		errs["q"] = "Enter at most 40 letters and digits."
	}
	if s := q.Get("state"); s != "" {
		state, ok := domain.ParseDeviceState(s)
		if !ok {
			errs["state"] = "There is no such state."
		}
		f.State = state
	}
	var err error
	if s := q.Get("location"); s != "" {
		if f.Location, err = domain.ParseLocationID(s); err != nil {
			errs["location"] = "There is no such place."
		}
	}
	if s := q.Get("connection"); s != "" {
		if f.Connection, err = domain.ParseConnectionID(s); err != nil {
			errs["connection"] = "There is no such connection."
		}
	}
	if f.After, err = domain.ParseDevicePlace(q.Get("after")); err != nil {
		errs["after"] = domain.MessageOf(err)
	}
	return f, errs
}

// devicesHead is what the wall says of all terminals of a filter.
func devicesHead(m layouts.Model, kept url.Values, f domain.DeviceFilter, counts domain.DeviceCounts) pages.DevicesHead {
	to := func(state domain.DeviceState) string {
		q := url.Values{}
		for k, v := range kept {
			q[k] = v
		}
		q.Del("state")
		if state != "" {
			q.Set("state", string(state))
		}
		return listURL("/devices", q)
	}
	h := pages.DevicesHead{Layout: m, SelfURL: listURL("/devices/head", kept)}
	for _, s := range domain.DeviceStates {
		if s != domain.DeviceRemoved {
			h.Total += counts[s]
		}
	}
	h.States = append(h.States, pages.StateChip{Count: h.Total, URL: to(""), Active: f.State == ""})
	for _, s := range domain.DeviceStates {
		// What is rare stands there only when there is one.
		if rare := s == domain.DeviceUnchecked || s == domain.DeviceRemoved; rare && counts[s] == 0 && f.State != s {
			continue
		}
		h.States = append(h.States, pages.StateChip{State: s, Count: counts[s], URL: to(s), Active: f.State == s})
	}
	return h
}

func (h *Devices) wall(c echo.Context) error {
	q, role := c.QueryParams(), web.Actor(c).Role
	f, errs := parseDevices(q)
	kept := keptParams(q, deviceParams...)
	v := pages.DevicesView{Layout: followed(layout(c, layouts.NavDevices, "Devices")), Q: clip(q.Get("q")), Errors: errs, Narrow: string(f.State), Narrowed: len(kept) > 0,
		CanSelect: role.May(domain.DevicesCheck), CanManage: role.May(domain.DevicesManage), SelfURL: listURL("/devices", q)}
	if len(errs) > 0 {
		v.State, v.Head = pages.ListNoMatch, pages.DevicesHead{Layout: v.Layout}
		return web.Render(c, http.StatusUnprocessableEntity, pages.Devices(v))
	}
	w, err := h.Service.List(c.Request().Context(), web.Actor(c), f)
	if err != nil {
		return err
	}
	v.Rows, v.Silent, v.Head = w.Rows, w.Silent, devicesHead(v.Layout, kept, f, w.Counts)
	switch {
	case len(w.Rows) > 0:
	case len(kept) == 0 && f.After.IsZero() && w.Counts[domain.DeviceRemoved] == 0:
		v.State = pages.ListFirstDay
	default:
		v.State = pages.ListNoMatch
	}
	for _, l := range w.Locations {
		v.Locations = append(v.Locations, components.Option{Value: l.ID.String(), Label: l.Name, Chosen: l.ID == f.Location})
	}
	v.Connections = connectionOptions(w.Connections, []domain.ConnectionID{f.Connection})
	if len(w.Rows) > 0 {
		v.ExportURL = listURL("/devices.csv", kept)
	}
	page := func(at domain.DevicePlace) string {
		if at.IsZero() {
			return ""
		}
		q := url.Values{"after": {at.String()}}
		for k, value := range kept {
			q[k] = value
		}
		return listURL("/devices", q)
	}
	v.Steps = pages.Steps{BeforeURL: page(w.Before), BehindURL: page(w.Behind), BeforeLabel: "Previous", BehindLabel: "Next",
		Words: components.Count(len(w.Rows), "terminal", "terminals") + " on this page"}
	return web.Render(c, http.StatusOK, pages.Devices(v))
}

// followed makes a page hear of changes.
func followed(m layouts.Model) layouts.Model {
	m.Live = true
	return m
}

// head answers the counts of a wall alone.
func (h *Devices) head(c echo.Context) error {
	f, errs := parseDevices(c.QueryParams())
	if len(errs) > 0 {
		return &domain.Error{Code: domain.Invalid, Message: "This filter cannot be read.", Fields: errs}
	}
	counts, err := h.Service.Counts(c.Request().Context(), web.Actor(c), f)
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.DevicesCounts(devicesHead(followed(fragmentLayout(c, "Devices")), keptParams(c.QueryParams(), deviceParams...), f, counts)))
}

// row answers one terminal's card alone.
func (h *Devices) row(c echo.Context) error {
	id, err := domain.ParseDeviceID(c.Param("id"))
	if err != nil {
		return noTerminal()
	}
	d, err := h.Service.Row(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.Device(pages.DeviceRow{Layout: followed(fragmentLayout(c, d.Label())), Device: d}))
}

func noTerminal() error {
	return domain.Errorf(domain.NotFound, "There is no terminal with that id.")
}

func (h *Devices) detail(c echo.Context) error {
	return h.detailPage(c, http.StatusOK, nil, nil)
}

// detailPage is a terminal's page; typed are the values of its form when they
// come back, problem why.
func (h *Devices) detailPage(c echo.Context, status int, typed web.Values, problem error) error {
	id, err := domain.ParseDeviceID(c.Param("id"))
	if err != nil {
		return noTerminal()
	}
	actor := web.Actor(c)
	d, err := h.Service.Get(c.Request().Context(), actor, id)
	if err != nil {
		return err
	}
	v := pages.DeviceView{Layout: followed(layout(c, layouts.NavDevices, d.Device.Label())), Device: d.Device, Provider: d.Provider, Commands: d.Commands, Payments: d.Payments, Locations: d.Locations,
		CanCheck: actor.Role.May(domain.DevicesCheck), CheckKey: uuid.NewString(), CheckWhy: d.Why[domain.CommandPing], CanManage: actor.Role.May(domain.DevicesManage), Name: d.Device.Name, Place: d.Device.Location}
	if typed != nil {
		v.Name, v.Place = typed.Get("device_name"), typed.Get("place")
	} else if q := c.QueryParams(); q.Has("device_name") || q.Has("place") {
		// Somebody signed in again and came back with what was typed.
		v.Name, v.Place = clip(q.Get("device_name")), clip(q.Get("place"))
	}
	if problem != nil {
		v.Errors = fieldsAs(problem, map[string]string{"name": "device_name", "location": "place"})
		v.Problem = "Nothing was changed."
	}
	if actor.Role.May(domain.DevicesCommand) {
		for _, name := range devices.Commands {
			if name == domain.CommandPing {
				continue
			}
			v.Offers = append(v.Offers, pages.CommandOffer{Name: name, URL: pages.CommandURL(name, id), Why: d.Why[name], Hint: d.Hints[name]})
		}
	}
	return web.Render(c, status, pages.DevicePage(v))
}

// fieldsAs are an error's sentences under the names that the form's fields have.
func fieldsAs(err error, names map[string]string) map[string]string {
	out := map[string]string{}
	for field, words := range domain.FieldsOf(err) {
		if as, ok := names[field]; ok {
			field = as
		}
		out[field] = words
	}
	return out
}

func (h *Devices) edit(c echo.Context) error {
	form, err := web.Form(c, "device_name", "place")
	if err != nil {
		return err
	}
	id, err := domain.ParseDeviceID(c.Param("id"))
	if err != nil {
		return noTerminal()
	}
	err = h.Service.Edit(c.Request().Context(), web.Actor(c), id, devices.EditInput{Name: form.Get("device_name"), Location: form.Get("place")})
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "good", "The name and the place are saved.")
		return web.Redirect(c, pages.DeviceURL(id))
	case domain.Invalid:
		return h.detailPage(c, http.StatusUnprocessableEntity, form, err)
	}
	return err
}

func (h *Devices) sync(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	read, err := h.Service.Sync(c.Request().Context(), web.Actor(c), domain.ConnectionID{})
	if err != nil {
		return err
	}
	tone, words := syncWords(read)
	web.Flash(c, tone, words)
	return web.Redirect(c, "/devices")
}

// syncWords says what reading the lists changed, connection by connection.
func syncWords(read []devices.Synced) (tone, words string) {
	if len(read) == 0 {
		return "info", "No connection lists terminals."
	}
	tone = "good"
	var said []string
	for _, s := range read {
		if s.Why != "" {
			tone = "warn"
			said = append(said, s.Connection.Name+": "+s.Why)
			continue
		}
		one := s.Connection.Name + ": " + components.Count(s.Listed, "terminal", "terminals")
		var changed []string
		for _, part := range []struct {
			n     int
			words string
		}{{s.Added, "new"}, {s.Removed, "not listed any more"}, {s.Returned, "listed again"}, {s.Changed, "changed at the provider"}} {
			if part.n > 0 {
				changed = append(changed, strconv.Itoa(part.n)+" "+part.words)
			}
		}
		if len(changed) == 0 {
			changed = []string{"nothing changed"}
		}
		said = append(said, one+", "+strings.Join(changed, ", ")+".")
	}
	return tone, strings.Join(said, " ")
}

// commandTyped is a form of a command as it was typed.
type commandTyped struct {
	devices                     []domain.DeviceID
	name                        domain.DeviceCommandName
	key                         string
	on, locale, low, high, hour string
}

func (h *Devices) commandForm(c echo.Context) error {
	q := c.QueryParams()
	in := commandTyped{name: domain.DeviceCommandName(q.Get("command")), key: uuid.NewString(), on: q.Get("on"), locale: clip(q.Get("locale")), low: clip(q.Get("low")), high: clip(q.Get("high")), hour: q.Get("hour")}
	for _, s := range q["device"] {
		id, err := domain.ParseDeviceID(s)
		if err != nil {
			return noTerminal()
		}
		if !slices.Contains(in.devices, id) {
			in.devices = append(in.devices, id)
		}
	}
	if len(in.devices) > devices.MaxCommanded {
		return web.BadRequest("A command goes to at most 50 terminals at once.")
	}
	return h.commandPage(c, http.StatusOK, in, "", nil)
}

// commandPage is the form of a command for the terminals that were chosen.
func (h *Devices) commandPage(c echo.Context, status int, in commandTyped, problem string, errs map[string]string) error {
	actor := web.Actor(c)
	v := pages.CommandForm{Layout: layout(c, layouts.NavDevices, "Send a command"), Key: in.key, On: in.on, Locale: in.locale, Low: in.low, High: in.high, Hour: in.hour, Errors: errs, Problem: problem, BackURL: "/devices"}
	offered := []domain.DeviceCommandName{domain.CommandPing}
	if actor.Role.May(domain.DevicesCommand) {
		offered = devices.Commands
	}
	if len(in.devices) > 0 {
		found, err := h.Service.Some(c.Request().Context(), actor, in.devices)
		if err != nil {
			return err
		}
		v.Devices = found
	}
	if len(v.Devices) == 1 {
		v.BackURL = pages.DeviceURL(in.devices[0])
	}
	switch {
	case slices.Contains(offered, in.name):
		v.Command = in.name
	case in.name != "" && slices.Contains(devices.Commands, in.name):
		return domain.Errorf(domain.Forbidden, "Your role may not send this command.")
	case in.name != "":
		return domain.Errorf(domain.NotFound, "There is no such command.")
	case len(offered) == 1:
		v.Command = offered[0]
	}
	for _, name := range offered {
		v.Choices = append(v.Choices, components.Option{Value: pages.CommandURL(name, in.devices...), Label: name.Label(), Chosen: name == v.Command})
	}
	if v.Command != "" {
		v.Layout.Title = v.Command.Label()
	}
	return web.Render(c, status, pages.Command(v))
}

// commandRows is what the form of a command may carry: its rows are the
// terminals.
var commandRows = web.RowForm{Fields: pages.CommandFormFields, Row: []string{"device"}, Max: devices.MaxCommanded}

func (h *Devices) command(c echo.Context) error {
	form, rows, err := web.FormRows(c, commandRows)
	if err != nil {
		return err
	}
	in := commandTyped{name: domain.DeviceCommandName(form.Get("command")), key: form.Key(), on: form.Get("on"), locale: strings.TrimSpace(form.Get("locale")), low: strings.TrimSpace(form.Get("low")), high: strings.TrimSpace(form.Get("high")), hour: form.Get("hour")}
	for _, r := range rows {
		id, err := domain.ParseDeviceID(r.Name)
		if err != nil {
			return noTerminal()
		}
		in.devices = append(in.devices, id)
	}
	send, errs := in.read()
	if len(errs) > 0 {
		return h.commandPage(c, http.StatusUnprocessableEntity, in, nothingSent(errs), errs)
	}
	if len(in.devices) == 0 || in.name == "" {
		return h.commandPage(c, http.StatusUnprocessableEntity, in, "Nothing was sent.", nil)
	}
	sheet, err := h.Service.Command(c.Request().Context(), web.Actor(c), send)
	switch {
	case err == nil:
		return web.Redirect(c, pages.SheetURL(sheet))
	case domain.CodeOf(err) == domain.Invalid && len(domain.FieldsOf(err)) > 0:
		names := map[string]string{"text": "locale"}
		if in.name == domain.CommandRebootHour {
			names["low"] = "hour"
		}
		errs := fieldsAs(err, names)
		return h.commandPage(c, http.StatusUnprocessableEntity, in, nothingSent(errs), errs)
	case domain.CodeOf(err) == domain.Invalid:
		in.key = uuid.NewString()
		return h.commandPage(c, http.StatusUnprocessableEntity, in, domain.MessageOf(err)+" Nothing was sent.", nil)
	}
	return err
}

func nothingSent(errs map[string]string) string {
	if len(errs) == 1 {
		return "One thing to fix. Nothing was sent."
	}
	return strconv.Itoa(len(errs)) + " things to fix. Nothing was sent."
}

// read judges what was typed for the command that it belongs to.
func (t commandTyped) read() (in devices.CommandInput, errs map[string]string) {
	errs = map[string]string{}
	number := func(field, typed string, most int, words string) int {
		n, err := strconv.Atoi(typed)
		if err != nil || n < 0 || n > most {
			errs[field] = words
		}
		return n
	}
	in = devices.CommandInput{Key: t.key, Devices: t.devices, Name: t.name}
	switch t.name {
	case domain.CommandUnattended, domain.CommandPassword:
		if t.on != "yes" && t.on != "no" {
			errs["on"] = "Choose on or off."
		}
		in.On = t.on == "yes"
	case domain.CommandReboot:
		in.On = t.on == "yes"
	case domain.CommandLocale:
		in.Text = t.locale
	case domain.CommandBrightness:
		in.Low = number("low", t.low, 100, "Enter a number from 0 to 100.")
		in.High = number("high", t.high, 100, "Enter a number from 0 to 100.")
	case domain.CommandRebootHour:
		in.Low = number("hour", t.hour, 23, "Choose an hour.")
	}
	return in, errs
}

func (h *Devices) sheet(c echo.Context) error {
	id, err := domain.ParseSheetID(c.Param("sheet"))
	if err != nil {
		return err
	}
	rows, err := h.Service.Sheet(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	v := pages.SheetView{Layout: followed(layout(c, layouts.NavDevices, "")), SelfURL: pages.SheetURL(id)}
	for _, r := range rows {
		v.Rows = append(v.Rows, pages.SheetRow{Command: r.Command, Device: r.Device})
	}
	return web.Render(c, http.StatusOK, pages.Sheet(v))
}

var devicesHeader = []string{"name", "state", "state_since", "type", "serial", "virtual", "location", "connection", "provider", "account", "provider_id", "provider_name", "provider_place",
	"last_seen", "last_seen_utc", "last_checked", "provider_code", "provider_said", "battery_percent", "charging", "power", "app_name", "app_version", "reported_at",
	"doing", "doing_amount", "doing_currency", "doing_phase", "doing_payment_id", "last_type", "last_status", "last_amount", "last_currency", "last_at", "last_payment_id",
	"late_results", "late_result_at", "first_listed", "last_listed", "removed_at", "terminal_id"}

// export streams the wall's filter as CSV. Times are the merchant's, with their
// offset; the last sign of life is there in UTC too.
func (h *Devices) export(c echo.Context) error {
	f, errs := parseDevices(c.QueryParams())
	if len(errs) > 0 {
		return &domain.Error{Code: domain.Invalid, Message: "This filter cannot be exported. Open the list and mend it there.", Fields: errs}
	}
	f.After = domain.DevicePlace{}
	loc := web.Merchant(c).Location()
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(loc).Format(time.RFC3339)
	}
	res := c.Response()
	deadline := http.NewResponseController(res.Writer)
	var w *csv.Writer
	begin := func() error {
		res.Header().Set("Content-Type", "text/csv; charset=utf-8")
		res.Header().Set("Content-Disposition", `attachment; filename="terminals-`+now(c).Format(time.DateOnly)+`.csv"`)
		res.WriteHeader(http.StatusOK)
		w = csv.NewWriter(res)
		return w.Write(devicesHeader)
	}
	n := 0
	err := h.Service.Export(c.Request().Context(), web.Actor(c), f, func(d domain.Device) error {
		if w == nil {
			if err := begin(); err != nil {
				return err
			}
		}
		if n%50 == 0 {
			if err := deadline.SetWriteDeadline(time.Now().Add(exportStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
			w.Flush()
		}
		n++
		return w.Write(deviceRecord(d, at))
	})
	if err == nil {
		if w == nil {
			err = begin()
		}
		if err == nil {
			w.Flush()
			err = w.Error()
		}
	}
	if err != nil && w != nil {
		// Half a file must not look like a whole one: cut the line.
		panic(http.ErrAbortHandler)
	}
	return err
}

func deviceRecord(d domain.Device, at func(time.Time) string) []string {
	battery, seen, virtual := "", "", "no"
	if b := d.Report.Battery; b != nil {
		battery = strconv.Itoa(*b)
	}
	if !d.SeenAt.IsZero() {
		seen = d.SeenAt.UTC().Format(time.RFC3339)
	}
	if d.Virtual {
		virtual = "yes"
	}
	doing := make([]string, 5)
	if !d.Running.IsZero() {
		doing = []string{string(d.Doing.Type), d.Doing.Amount.Major(), d.Doing.Amount.Currency().Code(), string(d.Doing.Phase), d.RunningPayment.String()}
	}
	last := make([]string, 6)
	if !d.Last.At.IsZero() {
		last = []string{string(d.Last.Type), string(d.Last.Status), d.Last.Amount.Major(), d.Last.Amount.Currency().Code(), at(d.Last.At), d.Last.PaymentID.String()}
	}
	return slices.Concat([]string{cell(d.Label()), string(d.State), at(d.StateAt), cell(d.Type), cell(d.Serial), virtual, cell(d.Location), cell(d.ConnectionName), cell(d.Provider), cell(d.Account), cell(d.Ref), cell(d.ProviderName), cell(d.ProviderPlace),
		at(d.SeenAt), seen, at(d.CheckedAt), cell(d.Code), cell(d.Said), battery, d.Report.Charging, cell(d.Report.Power), cell(d.Report.AppName), cell(d.Report.AppVersion), at(d.Report.At)},
		doing, last, []string{strconv.Itoa(d.Recovered), at(d.RecoveredAt), at(d.FirstListedAt), at(d.ListedAt), at(d.RemovedAt), d.ID.String()})
}
