package handlers

import (
	"context"
	"encoding/csv"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
)

// terminals is a site with the terminals' pages and Handpoint's emulator behind
// it.
type terminals struct {
	*site
	sandbox *sandbox.Sandbox
	svc     *devices.Service
	conn    domain.ConnectionID
}

func newTerminals(t *testing.T) *terminals {
	t.Helper()
	ts := &terminals{}
	h := &Devices{}
	ts.site = newSite(t, h.Routes()...)
	ts.sandbox = sandbox.New(sandbox.Config{Now: ts.clock.Now})
	server := httptest.NewServer(ts.sandbox.Handler())
	t.Cleanup(func() { ts.sandbox.Reset(); server.Close() })
	host, err := url.Parse(server.URL)
	must(t, err)
	registry := providers.NewRegistry(handpoint.Registration())
	transport := httpclient.Transport(httpclient.Options{AllowHosts: []string{host.Host}})
	pay := payments.New(payments.Config{Store: ts.store, Registry: registry, Secrets: ts.sealer, Now: ts.clock.Now, Log: slog.New(slog.DiscardHandler), Transport: transport, PublicURL: "https://pay.example.com"})
	ts.svc = devices.New(devices.Config{Store: ts.store, Binder: pay, Now: ts.clock.Now, Log: slog.New(slog.DiscardHandler), Pause: func(_ context.Context, d time.Duration) { ts.clock.Advance(d) }})
	h.Service = ts.svc
	conns := &connections.Service{Store: ts.store, Registry: registry, Secrets: ts.sealer, Now: ts.clock.Now, Transport: transport}
	c, err := conns.Create(t.Context(), domain.Actor{MerchantID: ts.merchant}, connections.NewConnection{Provider: "handpoint", Name: "Terminals", BaseURL: server.URL + sandboxhandpoint.BasePath,
		Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey, handpoint.SecretCallbackToken: "a-token-that-the-terminal-repeats"}})
	must(t, err)
	ts.conn = c.ID
	ts.addUser("maya@example.com", domain.Manager)
	return ts
}

// add writes a terminal that no list was read for.
func (ts *terminals) add(name, serial string, state domain.DeviceState) domain.DeviceID {
	ts.t.Helper()
	id := domain.NewDeviceID()
	var removed *time.Time
	if at := ts.clock.Now(); state == domain.DeviceRemoved {
		removed = &at
	}
	reach := map[domain.DeviceState]domain.Reach{domain.DeviceOffline: domain.ReachOffline, domain.DeviceBusy: domain.ReachBusy, domain.DeviceOnline: domain.ReachOnline, domain.DeviceAttention: domain.ReachOnline}[state]
	ts.exec(`insert into devices (merchant_id, id, connection_id, serial, type, name, state, state_at, reach, first_listed_at, listed_at, removed_at, seen_at) values ($1, $2, $3, $4, 'PAXA920', $5, $6, $7, $8, $7, $7, $9, $7)`,
		ts.merchant, id, ts.conn, serial, name, state, ts.clock.Now(), reach, removed)
	return id
}

func (ts *terminals) idOf(serial string) string {
	ts.t.Helper()
	var id string
	must(ts.t, ts.db.Owner(ts.t).QueryRow(`select id from devices where serial = $1`, serial).Scan(&id))
	return id
}

// sendAll does what the queue would: every command that waits is sent.
func (ts *terminals) sendAll() {
	ts.t.Helper()
	rows, err := ts.db.Owner(ts.t).Query(`select id from device_commands where status = 'queued' order by id`)
	must(ts.t, err)
	var ids []domain.CommandID
	for rows.Next() {
		var id domain.CommandID
		must(ts.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	must(ts.t, rows.Close())
	for _, id := range ids {
		_, err := ts.svc.Send(ts.t.Context(), ts.merchant, id)
		must(ts.t, err)
	}
}

// deviceRoutes are who may call the terminals' pages.
var deviceRoutes = map[string]access{
	"GET /devices":                 {roles: everybody},
	"GET /devices.csv":             {roles: everybody},
	"GET /devices/head":            {roles: everybody},
	"POST /devices/sync":           {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"GET /devices/command":         {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /devices/command":        {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /devices/commands/:sheet": {roles: everybody},
	"GET /devices/:id":             {roles: everybody},
	"POST /devices/:id":            {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"GET /devices/:id/row":         {roles: everybody},
}

func (ts *terminals) press(b *browser, command string, values url.Values, ids ...string) answer {
	ts.t.Helper()
	form := url.Values{"_csrf": {b.token("/account")}, "_key": {uuid.NewString()}, "command": {command}}
	for _, id := range ids {
		form.Set("device."+id, "yes")
	}
	maps.Copy(form, values)
	return b.post("/devices/command", form)
}

func TestEveryTerminalRouteAsEveryRole(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	id := ts.add("Till 1", "1850025030", domain.DeviceOnline).String()
	sheet := ts.press(ts.browser().signIn("maya@example.com"), "ping", nil, id).wants(t, http.StatusSeeOther).Header.Get("Location")
	table := maps.Clone(platformRoutes)
	for name, row := range deviceRoutes {
		_, path, _ := strings.Cut(name, " ")
		row.path = strings.NewReplacer("/devices/commands/:sheet", sheet, ":id", id).Replace(path)
		table[name] = row
	}
	checkMatrix(t, ts.site, table)
}

func TestAForeignTerminalIsAnsweredLikeOneThatIsNotThere(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	id := ts.add("Till 1", "1850025030", domain.DeviceOnline).String()
	sheet := ts.press(ts.browser().signIn("maya@example.com"), "ping", nil, id).wants(t, http.StatusSeeOther).Header.Get("Location")
	ours := ts.merchant
	ts.merchant = ts.addMerchant("Market Hall")
	ts.addUser("thief@example.com", domain.Owner)
	ts.merchant = ours
	thief := ts.browser().signIn("thief@example.com")
	none := domain.NewDeviceID().String()
	for foreign, missing := range map[string]string{"/devices/" + id: "/devices/" + none, "/devices/" + id + "/row": "/devices/" + none + "/row", "/devices/command?device=" + id: "/devices/command?device=" + none,
		sheet: "/devices/commands/" + none} {
		if a, b := withoutIDs(thief.get(foreign).wants(t, http.StatusNotFound)), withoutIDs(thief.get(missing).wants(t, http.StatusNotFound)); a != b {
			t.Errorf("%s differs from one that is not there: %d and %d bytes", foreign, len(a), len(b))
		}
	}
	ts.press(thief, "ping", nil, id).wants(t, http.StatusNotFound)
	thief.post("/devices/"+id, url.Values{"_csrf": {thief.token("/account")}, "device_name": {"Mine"}, "place": {""}}).wants(t, http.StatusNotFound)
	if body := thief.get("/devices").wants(t, http.StatusOK).body + thief.get("/devices.csv").wants(t, http.StatusOK).body; strings.Contains(body, "Till 1") || strings.Contains(body, "1850025030") {
		t.Error("the wall shows another merchant's terminal")
	}
	for _, bad := range []string{"/devices/1", "/devices/1/row", "/devices/commands/1", "/devices/command?device=1"} {
		thief.get(bad).wants(t, http.StatusNotFound)
	}
}

func TestTheWallCountsFiltersSearchesAndPages(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	b := ts.browser().signIn("maya@example.com")
	if said := said(b.get("/devices").wants(t, http.StatusOK).doc(t).Find("main")); !strings.Contains(said, "No terminals yet") {
		t.Errorf("the first day says %q", said)
	}
	for i := range 60 {
		ts.add("Till "+strconv.Itoa(100+i), "18500"+strconv.Itoa(25000+i), domain.DeviceOnline)
	}
	ts.add("Kitchen bar", "777", domain.DeviceOffline)
	ts.add("Old till", "888", domain.DeviceRemoved)
	doc := b.get("/devices").wants(t, http.StatusOK).doc(t)
	var chips []string
	doc.Find(".chip.state").Each(func(_ int, s *goquery.Selection) { chips = append(chips, strings.Join(strings.Fields(s.Text()), " ")) })
	if got, want := strings.Join(chips, "|"), "All 61|Offline 1|Needs attention 0|In a payment 0|Online 60|Removed 1"; got != want {
		t.Errorf("the chips are %q, want %q", got, want)
	}
	if n := doc.Find(".device").Length(); n != 50 {
		t.Errorf("%d terminals on the first page", n)
	}
	next, _ := doc.Find(`a[rel=next]`).Attr("href")
	second := b.get(next).wants(t, http.StatusOK).doc(t)
	if n := second.Find(".device").Length(); n != 11 || second.Find("a[rel=next]").Length() != 0 {
		t.Errorf("%d terminals on the second page", n)
	}
	before, _ := second.Find(`a[rel=prev]`).Attr("href")
	if n := b.get(before).wants(t, http.StatusOK).doc(t).Find(".device").Length(); n != 50 {
		t.Errorf("%d terminals on the way back", n)
	}
	for query, want := range map[string]int{"?q=25007": 1, "?q=7": 7, "?state=offline": 1, "?state=removed": 1, "?state=busy": 0, "?q=%25": 0, "?connection=" + ts.conn.String() + "&state=offline&q=777": 1} {
		page := b.get("/devices"+query).wants(t, http.StatusOK).doc(t)
		if n := page.Find(".device").Length(); n != want {
			t.Errorf("%s shows %d terminals, want %d", query, n, want)
		}
		if want == 0 && !strings.Contains(said(page.Find("main")), "No terminal matches") {
			t.Errorf("%s does not say that nothing matches", query)
		}
	}
	// Where a filter is kept, the states count what it leaves.
	if got := strings.Join(strings.Fields(b.get("/devices/head?q=777").wants(t, http.StatusOK).doc(t).Find(".chip.state").First().Text()), " "); got != "All 1" {
		t.Errorf("the counts of a search say %q", got)
	}
	for _, query := range []string{"?state=late", "?location=1", "?connection=x", "?after=zzz", "?q=%00"} {
		b.get("/devices"+query).wants(t, http.StatusUnprocessableEntity)
		if query != "?after=zzz" {
			b.get("/devices.csv"+query).wants(t, http.StatusUnprocessableEntity)
		}
	}
}

func TestAnOpenWallFollowsItsTerminalsAsNobodysRequest(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	id := ts.add("Kitchen bar", "777", domain.DeviceOffline).String()
	ts.exec(`update devices set code = '1002', said = 'Device offline' where id = $1`, id)
	b := ts.browser().signIn("maya@example.com")
	card := b.get("/devices").doc(t).Find("#device-" + id)
	for attr, want := range map[string]string{"hx-get": "/devices/" + id + "/row", "hx-trigger": "device-" + id + " from:#stream", "hx-headers": `{"X-Background":"1"}`} {
		if got, _ := card.Attr(attr); got != want {
			t.Errorf("%s is %q, want %q", attr, got, want)
		}
	}
	if got := said(card); !strings.Contains(got, "The terminal does not answer (1002)") || !strings.Contains(got, "Offline") || !strings.Contains(got, "Since 09:0") {
		t.Errorf("the card says %q", got)
	}
	row := b.with("HX-Request", "true").with("X-Background", "1").get("/devices/"+id+"/row").wants(t, http.StatusOK)
	if doc := row.doc(t); doc.Find(".device").Length() != 1 || doc.Find("main, input").Length() != 0 {
		t.Errorf("the row is %s", row.body)
	}
}

func TestOnePressForSeveralTerminalsHasARowForEach(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	b := ts.browser().signIn("maya@example.com")
	doc := b.get(b.post("/devices/sync", url.Values{"_csrf": {b.token("/devices")}}).wants(t, http.StatusSeeOther).Header.Get("Location")).wants(t, http.StatusOK).doc(t)
	if got := said(doc.Find("#flash")); !strings.Contains(got, "Terminals: 6 terminals, 6 new.") {
		t.Errorf("reading the list says %q", got)
	}
	till, gone, busy := ts.idOf(sandboxhandpoint.TerminalSerial), ts.add("Gone", "999", domain.DeviceRemoved).String(), ts.add("Busy", "998", domain.DeviceBusy).String()
	form := b.get("/devices/command?command=reboot&device="+till+"&device="+busy).wants(t, http.StatusOK).doc(t)
	if n := form.Find(`form[action="/devices/command"] input[name^="device."]`).Length(); n != 2 {
		t.Fatalf("the form is for %d terminals", n)
	}
	key, _ := form.Find("input[name=_key]").Attr("value")
	sheet := ts.press(b, "reboot", url.Values{"on": {"yes"}, "_key": {key}}, till, gone, busy).wants(t, http.StatusSeeOther).Header.Get("Location")
	ts.sendAll()
	page := b.get(sheet).wants(t, http.StatusOK).doc(t)
	for label, want := range map[string]string{"Gone": "lists this terminal no more", "Busy": "a forced restart would break off", "PAXA920PRO 1850025030": "Sent"} {
		row := page.Find("tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Find(".rowlink").Text() == label })
		if got := said(row); !strings.Contains(got, want) {
			t.Errorf("the row of %s says %q, want %q", label, got, want)
		}
	}
	if again := ts.press(b, "reboot", url.Values{"on": {"yes"}, "_key": {key}}, till, gone, busy).wants(t, http.StatusSeeOther).Header.Get("Location"); again != sheet || ts.count(`select count(*) from device_commands`) != 3 {
		t.Errorf("the same press again leads to %s", again)
	}
	sent := ts.sandbox.Handpoint.Commands()
	if len(sent) != 1 || sent[0].Name != "reboot" {
		t.Errorf("the terminals were sent %+v", sent)
	}
	if history := said(b.get("/devices/"+till).wants(t, http.StatusOK).doc(t).Find(".timeline")); !strings.Contains(history, "Restart, forced") || !strings.Contains(history, "Ada Marsh") || !strings.Contains(history, "Sent") {
		t.Errorf("the history says %q", history)
	}
}

func TestACommandThatCannotBeMeantComesBackAndSendsNothing(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	b := ts.browser().signIn("maya@example.com")
	id := ts.add("Till 1", sandboxhandpoint.TerminalSerial, domain.DeviceOnline).String()
	for _, c := range []struct {
		command string
		values  url.Values
		field   string
	}{
		{"set-locale", url.Values{"locale": {"english"}}, "locale"},
		{"set-screen-brightness", url.Values{"low": {"-1"}, "high": {"50"}}, "low"},
		{"set-screen-brightness", url.Values{"low": {"60"}, "high": {"50"}}, "high"},
		{"set-screen-brightness", url.Values{"low": {"1.5"}, "high": {""}}, "low"},
		{"set-reboot-time", url.Values{"hour": {"24"}}, "hour"},
		{"set-unattended-mode", nil, "on"},
	} {
		doc := ts.press(b, c.command, c.values, id).wants(t, http.StatusUnprocessableEntity).doc(t)
		if bad, _ := doc.Find("#" + c.field).Attr("aria-invalid"); bad != "true" {
			t.Errorf("%s %v: %s is not marked", c.command, c.values, c.field)
		}
		if got := said(doc.Find("[data-error-summary]")); !strings.Contains(got, "Nothing was sent.") {
			t.Errorf("%s %v: the summary says %q", c.command, c.values, got)
		}
		for name, value := range c.values {
			if got, _ := doc.Find("input#" + name).Attr("value"); name != "hour" && got != value[0] {
				t.Errorf("%s: %s came back as %q", c.command, name, got)
			}
		}
		if doc.Find(`input[name="device.`+id+`"]`).Length() != 1 {
			t.Errorf("%s: the terminal is lost", c.command)
		}
	}
	ts.press(b, "ping", nil).wants(t, http.StatusUnprocessableEntity)
	ts.press(b, "stop", nil, id).wants(t, http.StatusNotFound)
	ts.press(b, "ping", url.Values{"merchant": {"1"}}, id).wants(t, http.StatusBadRequest)
	many := make([]string, 51)
	for i := range many {
		many[i] = uuid.NewString()
	}
	ts.press(b, "ping", nil, many...).wants(t, http.StatusBadRequest)
	b.get("/devices/command?device="+strings.Join(many, "&device=")).wants(t, http.StatusBadRequest)
	if n := ts.count(`select count(*) from device_commands`); n != 0 {
		t.Errorf("%d commands were written", n)
	}
}

func TestACashierMayCheckATerminalAndNothingElse(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	id := ts.add("Till 1", sandboxhandpoint.TerminalSerial, domain.DeviceOnline).String()
	ts.addUser("tom@example.com", domain.Cashier)
	b := ts.browser().signIn("tom@example.com")
	page := b.get("/devices/"+id).wants(t, http.StatusOK).doc(t)
	if page.Find(`form[action="/devices/command"]`).Length() != 1 || page.Find(".offers, #device_name").Length() != 0 {
		t.Error("the cashier's page offers something else than a check")
	}
	ts.press(b, "ping", nil, id).wants(t, http.StatusSeeOther)
	ts.press(b, "reboot", nil, id).wants(t, http.StatusForbidden)
	b.get("/devices/command?command=reboot&device="+id).wants(t, http.StatusForbidden)
	if choices := said(b.get("/devices/command?device="+id).wants(t, http.StatusOK).doc(t).Find(".kinds")); choices != "Check now" {
		t.Errorf("the choices are %q", choices)
	}
	if n := ts.count(`select count(*) from device_commands`); n != 1 {
		t.Errorf("%d commands were written", n)
	}
}

func TestATerminalIsNamedAndPlacedAndAWrongNameComesBack(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	b := ts.browser().signIn("maya@example.com")
	path := "/devices/" + ts.add("", "1850025030", domain.DeviceOnline).String()
	form := url.Values{"_csrf": {b.token(path)}, "device_name": {"Kitchen bar"}, "place": {"Quay Street"}}
	if to := b.post(path, form).wants(t, http.StatusSeeOther).Header.Get("Location"); to != path {
		t.Errorf("it leads to %s", to)
	}
	doc := b.get(path).doc(t)
	if h := doc.Find("h1").Text(); h != "Kitchen bar" || doc.Find(`#places option[value="Quay Street"]`).Length() != 1 || !strings.Contains(said(doc.Find("#flash")), "saved") {
		t.Errorf("the page is headed %q", h)
	}
	form.Set("device_name", strings.Repeat("x", 61))
	form.Set("place", "Market <Hall>")
	doc = b.post(path, form).wants(t, http.StatusUnprocessableEntity).doc(t)
	if bad, _ := doc.Find("#device_name").Attr("aria-invalid"); bad != "true" {
		t.Error("the name is not marked")
	}
	if place, _ := doc.Find("#place").Attr("value"); place != "Market <Hall>" {
		t.Errorf("the place came back as %q", place)
	}
	place := ts.count(`select count(*) from locations where name = 'Quay Street'`)
	list := b.get("/devices").doc(t)
	location, _ := list.Find("select#location option").Last().Attr("value")
	if n := b.get("/devices?location=" + location).doc(t).Find(".device").Length(); place != 1 || n != 1 {
		t.Errorf("%d places, %d terminals in it", place, n)
	}
}

func TestAFormThatCameTooLateLeadsBackToTheSameTerminals(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	b := ts.browser().signIn("maya@example.com")
	one, two := ts.add("Till 1", "1", domain.DeviceOnline).String(), ts.add("Till 2", "2", domain.DeviceOnline).String()
	token := b.token("/account")
	b.plant("")
	a := b.post("/devices/command", url.Values{"_csrf": {token}, "_key": {uuid.NewString()}, "command": {"set-locale"}, "locale": {"en_GB"}, "device." + one: {"yes"}, "device." + two: {"yes"}}).wants(t, http.StatusUnauthorized)
	if !strings.Contains(a.body, "Nothing was sent.") {
		t.Error("it does not say that nothing was sent")
	}
	link, _ := a.doc(t).Find(`a[href^="/signin"]`).Attr("href")
	u, err := url.Parse(link)
	must(t, err)
	back, err := url.Parse(u.Query().Get("next"))
	must(t, err)
	q := back.Query()
	got := q["device"]
	slices.Sort(got)
	want := []string{one, two}
	slices.Sort(want)
	if back.Path != "/devices/command" || !slices.Equal(got, want) || q.Get("command") != "set-locale" || q.Get("locale") != "en_GB" {
		t.Errorf("it leads back to %s", back)
	}
}

func TestTheTerminalsPagesSendAsManyStatementsForFiftyAsForOne(t *testing.T) {
	t.Parallel()
	counts := map[int]map[string]int{}
	for _, n := range []int{1, 50} {
		ts := newTerminals(t)
		b := ts.browser().signIn("maya@example.com")
		var ids []string
		for i := range n {
			ids = append(ids, ts.add("Till "+strconv.Itoa(i), strconv.Itoa(1000+i), domain.DeviceOnline).String())
		}
		sheet := ts.press(b, "ping", nil, ids...).wants(t, http.StatusSeeOther).Header.Get("Location")
		for range n - 1 {
			ts.press(b, "ping", nil, ids[0]).wants(t, http.StatusSeeOther)
		}
		counts[n] = map[string]int{}
		for name, path := range map[string]string{"wall": "/devices", "head": "/devices/head?state=online", "row": "/devices/" + ids[0] + "/row", "detail": "/devices/" + ids[0], "sheet": sheet, "form": "/devices/command?command=reboot&device=" + strings.Join(ids, "&device=")} {
			b.get(path).wants(t, http.StatusOK)
			sent := 0
			ts.store.OnStatement(func(string) { sent++ })
			b.get(path).wants(t, http.StatusOK)
			ts.store.OnStatement(nil)
			counts[n][name] = sent
		}
	}
	for name, one := range counts[1] {
		if fifty := counts[50][name]; fifty != one || one == 0 || one > 10 || (name == "row" || name == "head") && one > 4 {
			t.Errorf("the %s sends %d statements for 1 terminal and %d for 50", name, one, fifty)
		}
	}
}

func TestTheFleetAsCSVIsTheWallAndRunsNoFormula(t *testing.T) {
	t.Parallel()
	ts := newTerminals(t)
	b := ts.browser().signIn("maya@example.com")
	ts.add("=1+1", "1850025030", domain.DeviceOffline)
	ts.add("Till 2", "2", domain.DeviceOnline)
	ts.add("Old", "3", domain.DeviceRemoved)
	ts.exec(`update devices set battery = 8, charging = 'no', recovered = 2, recovered_at = seen_at, last_payment = gen_random_uuid(), last_type = 'sale', last_status = 'approved', last_currency = 'GBP', last_minor = 4250, last_at = seen_at where serial = '2'`)
	a := b.get("/devices.csv").wants(t, http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	if len(rows) != 3 || !slices.Equal(rows[0], devicesHeader) {
		t.Fatalf("%d rows under %v", len(rows), rows[0])
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for row, want := range map[int]map[string]string{
		1: {"name": "'=1+1", "state": "offline", "serial": "1850025030", "battery_percent": ""},
		2: {"name": "Till 2", "state": "online", "battery_percent": "8", "charging": "no", "last_amount": "42.50", "last_currency": "GBP", "late_results": "2", "connection": "Terminals"},
	} {
		for name, value := range want {
			if got := rows[row][column[name]]; got != value {
				t.Errorf("row %d: %s is %q, want %q", row, name, got, value)
			}
		}
	}
	if seen := rows[2][column["last_seen"]]; !strings.HasPrefix(seen, "2026-11-20T09:0") {
		t.Errorf("last seen is %q", seen)
	}
	if kind := a.Header.Get("Content-Disposition"); !strings.Contains(kind, `terminals-2026-11-20.csv`) {
		t.Errorf("the file is %q", kind)
	}
	if body := b.get("/devices.csv?state=removed").wants(t, http.StatusOK).body; strings.Count(body, "\n") != 2 || !strings.Contains(body, "Old") {
		t.Errorf("the removed ones are %q", body)
	}
	if body := b.get("/devices.csv?state=busy").wants(t, http.StatusOK).body; strings.Count(body, "\n") != 1 {
		t.Errorf("an empty list is %q", body)
	}
}

func TestTheOverviewNamesTerminalsThatAreUsedDailyAndSilent(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	if said := said(b.get("/").wants(t, http.StatusOK).doc(t).Find(".todo")); strings.Contains(said, "silent") {
		t.Errorf("without a silent terminal it says %q", said)
	}
	id := domain.NewDeviceID()
	sh.exec(`insert into devices (merchant_id, id, connection_id, serial, type, name, state, state_at, first_listed_at, listed_at, seen_at) values ($1, $2, $3, '1', 'PAXA920', 'Kitchen bar', 'offline', $4, $4, $4, $4)`,
		sh.merchant, id, sh.handpoint, sh.clock.Now().Add(-26*time.Hour))
	sh.exec(`insert into alerts (merchant_id, id, kind, device_id, due_at, created_at) values ($1, gen_random_uuid(), 'device_silent', $2, $3, $3)`, sh.merchant, id, sh.clock.Now())
	todo := b.get("/").wants(t, http.StatusOK).doc(t).Find(".todo")
	if got := said(todo); !strings.Contains(got, "Kitchen bar is used daily and has been silent for 26 hours") || todo.Find(`a[href="/devices"]`).Length() != 1 {
		t.Errorf("the overview says %q", got)
	}
}
