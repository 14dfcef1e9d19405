package devices_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcloudflow "github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

const callbackToken = "a-token-that-the-terminal-repeats"

// watched is the line to the providers: a test may look at the world just before
// a request leaves.
type watched struct {
	inner  http.RoundTripper
	mu     sync.Mutex
	before func(*http.Request)
	// also reaches alsoHost.
	also     http.RoundTripper
	alsoHost string
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	before, line := w.before, w.inner
	if w.also != nil && r.URL.Host == w.alsoHost {
		line = w.also
	}
	w.mu.Unlock()
	if before != nil {
		before(r)
	}
	return line.RoundTrip(r)
}

// house is a shop with a fleet: a real Postgres, and the emulators behind real
// HTTP.
type house struct {
	t        testing.TB
	db       *storetest.DB
	owner    *sql.DB
	store    *store.Store
	svc      *devices.Service
	pay      *payments.Service
	sandbox  *sandbox.Sandbox
	line     *watched
	log      *bytes.Buffer
	merchant domain.Merchant
	actor    domain.Actor
	base     string
	conns    *connections.Service

	handpoint, cloudflow domain.ConnectionID

	mu sync.Mutex
	at time.Time
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logs is a log that several goroutines write.
type logs struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func newHouse(t testing.TB) *house { return newHouseWith(t, sandbox.Config{}) }

// serve serves a handler until the test ends, and lets the product reach it.
func (h *house) serve(handler http.Handler) string {
	server := httptest.NewServer(handler)
	h.t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	must(h.t, err)
	transport := httpclient.Transport(httpclient.Options{AllowHosts: []string{base.Host}, BreakAfter: 1_000_000})
	h.t.Cleanup(transport.CloseIdle)
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.also, h.line.alsoHost = transport, base.Host
	return server.URL
}

// newHouseWith is newHouse with emulators that are set up in another way.
func newHouseWith(t testing.TB, cfg sandbox.Config) *house {
	t.Helper()
	db := storetest.New(t)
	st, err := store.Open(t.Context(), store.Config{URL: db.AppURL, MaxOpen: 16})
	must(t, err)
	t.Cleanup(func() { _ = st.Close() })
	h := &house{t: t, db: db, store: st, owner: db.Owner(t), log: &bytes.Buffer{}, at: time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)}
	cfg.Now = h.now
	h.sandbox = sandbox.New(cfg)
	server := httptest.NewServer(h.sandbox.Handler())
	t.Cleanup(func() { h.sandbox.Reset(); server.Close() })
	base, err := url.Parse(server.URL)
	must(t, err)
	h.base = server.URL
	keyset, err := secrets.Generate()
	must(t, err)
	sealer, err := secrets.FromJSON(keyset)
	must(t, err)
	registry := providers.NewRegistry(cardflo.Registration(), handpoint.Registration(), cloudflow.Registration())
	h.merchant = domain.Merchant{ID: domain.NewMerchantID(), Name: "Harbour & Rye", TimeZone: "Europe/London", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: h.now()}
	must(t, st.InsertMerchant(t.Context(), h.merchant))
	h.actor = domain.Actor{UserID: domain.NewUserID(), Name: "Maya Okafor", MerchantID: h.merchant.ID, Role: domain.Owner}
	_, err = h.owner.Exec(`insert into users (id, email, name, created_at) values ($1, 'maya@example.com', 'Maya Okafor', now())`, h.actor.UserID)
	must(t, err)
	transport := httpclient.Transport(httpclient.Options{AllowHosts: []string{base.Host}, BreakAfter: 1_000_000})
	t.Cleanup(transport.CloseIdle)
	h.line = &watched{inner: transport}
	log := slog.New(slog.NewTextHandler(&logs{b: h.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.conns = &connections.Service{Store: st, Registry: registry, Secrets: sealer, Transport: transport, Now: h.now}
	h.handpoint = h.connect(connections.NewConnection{Provider: "handpoint", Name: "Terminals", BaseURL: h.base + sandboxhandpoint.BasePath,
		Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey, handpoint.SecretCallbackToken: callbackToken}})
	h.cloudflow = h.connect(connections.NewConnection{Provider: "cloudflow", Name: "Older terminals", BaseURL: h.base + sandboxcloudflow.BasePath,
		Settings: map[string]string{cloudflow.SettingAccountID: sandboxcloudflow.SandboxAccountID}, Secrets: map[string]string{cloudflow.SecretAPIToken: sandboxcloudflow.SandboxAPIToken}})
	h.pay = payments.New(payments.Config{Store: st, Registry: registry, Secrets: sealer, Transport: h.line, Now: h.now, Log: log, PublicURL: "http://localhost:8080"})
	h.svc = devices.New(devices.Config{Store: st, Binder: h.pay, Now: h.now, Log: log, Pause: func(_ context.Context, d time.Duration) { h.advance(d) }})
	return h
}

func (h *house) connect(in connections.NewConnection) domain.ConnectionID {
	h.t.Helper()
	c, err := h.conns.Create(h.t.Context(), h.actor, in)
	must(h.t, err)
	return c.ID
}

func (h *house) sync() []devices.Synced {
	h.t.Helper()
	out, err := h.svc.Sync(h.t.Context(), h.actor, domain.ConnectionID{})
	must(h.t, err)
	return out
}

func (h *house) list(f domain.DeviceFilter) devices.Wall {
	h.t.Helper()
	w, err := h.svc.List(h.t.Context(), h.actor, f)
	must(h.t, err)
	return w
}

// device finds a terminal by its serial number.
func (h *house) device(serial string) domain.Device {
	h.t.Helper()
	for _, state := range []domain.DeviceState{"", domain.DeviceRemoved} {
		for _, d := range h.list(domain.DeviceFilter{Serial: serial, State: state}).Rows {
			if d.Serial == serial {
				return d
			}
		}
	}
	h.t.Fatalf("there is no terminal %s", serial)
	return domain.Device{}
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	must(h.t, h.owner.QueryRow(query, args...).Scan(&n))
	return n
}

// actions are the audit rows of terminals, in their order.
func (h *house) actions() []string {
	h.t.Helper()
	rows, err := h.owner.Query(`select action || ':' || result from audit_log where merchant_id = $1 and action like 'device%' order by seq`, h.merchant.ID)
	must(h.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var a string
		must(h.t, rows.Scan(&a))
		out = append(out, a)
	}
	return out
}

func TestTheListIsTakenInWithTheVirtualTerminal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	got := h.sync()
	if len(got) != 2 || got[0].Listed != 6 || got[0].Added != 6 || got[1].Listed != 3 || got[1].Added != 3 || got[0].Why+got[1].Why != "" {
		t.Fatalf("synced %+v", got)
	}
	w := h.list(domain.DeviceFilter{})
	if len(w.Rows) != 9 || w.Counts[domain.DeviceUnchecked] != 8 || w.Counts[domain.DeviceOnline] != 1 || len(w.Connections) != 2 {
		t.Errorf("%d rows, counts %v, %d connections", len(w.Rows), w.Counts, len(w.Connections))
	}
	virtual := h.device(sandboxhandpoint.VirtualSerial)
	if !virtual.Virtual || virtual.State != domain.DeviceOnline || !virtual.CheckAt.IsZero() {
		t.Errorf("the virtual terminal is %+v", virtual)
	}
	counter := h.device("SN-0001")
	if counter.Label() != "Counter" || counter.ProviderPlace != "Shop" || counter.Ref != sandboxcloudflow.DeviceOnline || counter.ConnectionName != "Older terminals" {
		t.Errorf("CloudFlow's terminal is %+v", counter)
	}
	again := h.sync()
	if again[0].Added+again[0].Changed+again[0].Removed != 0 || h.count(`select count(*) from devices`) != 9 {
		t.Errorf("a second reading changed something: %+v", again)
	}
}

func TestAPageOfTheFleetSendsTheSameStatementsForOneTerminalAndForFifty(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	count := func() int {
		n := 0
		h.store.OnStatement(func(string) { n++ })
		h.list(domain.DeviceFilter{})
		h.store.OnStatement(nil)
		return n
	}
	h.add(1)
	one := count()
	h.add(60)
	w := h.list(domain.DeviceFilter{})
	if many := count(); many != one || one > 7 || len(w.Rows) != 50 {
		t.Errorf("%d statements for one, %d for fifty; %d rows", one, many, len(w.Rows))
	}
	n := 0
	h.store.OnStatement(func(string) { n++ })
	_, err := h.svc.Row(t.Context(), h.actor, w.Rows[0].ID)
	must(t, err)
	if h.store.OnStatement(nil); n != 1 {
		t.Errorf("a row took %d statements", n)
	}
}

// add writes terminals as if the provider had listed them.
func (h *house) add(n int) []domain.Device {
	h.t.Helper()
	var out []domain.Device
	must(h.t, h.store.InTenant(h.t.Context(), h.merchant.ID, func(tx *store.Tx) error {
		have := h.count(`select count(*) from devices`)
		for i := range n {
			d := domain.Device{ID: domain.NewDeviceID(), ConnectionID: h.handpoint, Serial: fmt.Sprintf("70%08d", have+i), Type: "PAXA920", FirstListedAt: h.now()}
			if err := tx.InsertDevice(h.t.Context(), d); err != nil {
				return err
			}
			out = append(out, d)
		}
		return nil
	}))
	return out
}

func TestTheFleetIsPagedByNameAndSearchedByTheLastDigits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := h.add(120)
	must(t, h.svc.Edit(t.Context(), h.actor, all[7].ID, devices.EditInput{Name: "Über der Theke", Location: "Quay Street"}))
	must(t, h.svc.Edit(t.Context(), h.actor, all[9].ID, devices.EditInput{Name: "ärmel"}))
	var seen []domain.DeviceID
	f := domain.DeviceFilter{}
	for pages := 0; pages < 5; pages++ {
		w := h.list(f)
		for _, d := range w.Rows {
			seen = append(seen, d.ID)
		}
		if w.Behind.ID.IsZero() {
			break
		}
		f.After = w.Behind
	}
	slices.SortFunc(seen, func(a, b domain.DeviceID) int { return strings.Compare(a.String(), b.String()) })
	if n := len(slices.Compact(seen)); n != 120 || len(seen) != 120 {
		t.Errorf("%d rows, %d of them different, of 120", len(seen), n)
	}
	if w := h.list(domain.DeviceFilter{Serial: "0019"}); len(w.Rows) != 1 || w.Rows[0].ID != all[19].ID {
		t.Errorf("by the last digits: %d rows", len(w.Rows))
	}
	placed := h.list(domain.DeviceFilter{})
	if len(placed.Locations) != 1 {
		t.Fatalf("places %v", placed.Locations)
	}
	if w := h.list(domain.DeviceFilter{Location: placed.Locations[0].ID}); len(w.Rows) != 1 || w.Rows[0].Location != "Quay Street" || w.Counts[domain.DeviceUnchecked] != 1 {
		t.Errorf("at a place: %d rows, %v", len(w.Rows), w.Counts)
	}
	var exported []string
	must(t, h.svc.Export(t.Context(), h.actor, domain.DeviceFilter{}, func(d domain.Device) error { exported = append(exported, d.Serial); return nil }))
	if len(exported) != 120 || !slices.Contains(h.actions(), "devices.exported:ok") {
		t.Errorf("exported %d", len(exported))
	}
}

func TestANameIsAtMostSixtyCharactersAndNoCardNumber(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.add(1)[0]
	for _, tt := range []struct {
		in    devices.EditInput
		field string
	}{
		{devices.EditInput{Name: strings.Repeat("é", 61)}, "name"},
		{devices.EditInput{Name: "4111 1111 1111 1111"}, "name"},
		{devices.EditInput{Location: "Shop 5500-0000-0000-0004"}, "location"},
		{devices.EditInput{Location: strings.Repeat("x", 61)}, "location"},
		{devices.EditInput{Name: "bell\x07"}, "name"},
	} {
		err := h.svc.Edit(t.Context(), h.actor, d.ID, tt.in)
		if domain.CodeOf(err) != domain.Invalid || domain.FieldsOf(err)[tt.field] == "" {
			t.Errorf("%+v: %v %v", tt.in, err, domain.FieldsOf(err))
		}
	}
	must(t, h.svc.Edit(t.Context(), h.actor, d.ID, devices.EditInput{Name: "  Till   1 ", Location: "Quay Street"}))
	must(t, h.svc.Edit(t.Context(), h.actor, d.ID, devices.EditInput{Name: "Till 1", Location: "Quay Street"}))
	if got := h.device(d.Serial); got.Label() != "Till 1" || got.Location != "Quay Street" {
		t.Errorf("named %q at %q", got.Label(), got.Location)
	}
	if got := h.actions(); !slices.Equal(got, []string{"device.edited:ok"}) {
		t.Errorf("audit %v", got)
	}
	must(t, h.svc.Edit(t.Context(), h.actor, d.ID, devices.EditInput{}))
	if got := h.device(d.Serial); got.Location != "" || got.Label() != "PAXA920 "+d.Serial {
		t.Errorf("without a name: %q at %q", got.Label(), got.Location)
	}
}

func TestAListThatCannotBeReadChangesNothingAndSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	before := h.count(`select count(*) from devices where removed_at is null`)
	for _, f := range []kit.Fault{{Kind: kit.FaultStatus, Status: 503}, {Kind: kit.FaultGarbage}, {Kind: kit.FaultStatus, Status: 401}} {
		must(t, h.sandbox.Handpoint.Kit().Faults.Push(f))
		got, err := h.svc.Sync(t.Context(), h.actor, h.handpoint)
		must(t, err)
		if len(got) != 1 || got[0].Why == "" || !strings.HasSuffix(got[0].Why, ".") || got[0].Removed != 0 {
			t.Errorf("%s: %+v", f.Kind, got)
		}
	}
	if n := h.count(`select count(*) from devices where removed_at is null`); n != before {
		t.Errorf("%d terminals left of %d", n, before)
	}
	if !slices.Contains(h.actions(), "devices.synced:failed") {
		t.Errorf("audit %v", h.actions())
	}
}

func TestTheListIsReadOutsideAnyDatabaseTransaction(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	open := -1
	h.line.before = func(*http.Request) {
		open = h.count(`select count(*) from pg_stat_activity where datname = current_database() and usename = $1 and state like 'idle in transaction%'`, store.AppRole)
	}
	h.sync()
	if open != 0 {
		t.Errorf("%d transactions were open while the provider was asked", open)
	}
}

func TestTheSharedSecretOfATerminalIsKeptNowhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	must(t, h.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultGarbage, Body: `[{"serial_number": 7, "ssk": "SANDBOX-SSK-garbage"`}))
	h.sync()
	rows, err := h.owner.Query(`select table_schema || '.' || quote_ident(table_name) from information_schema.tables where table_type = 'BASE TABLE' and table_schema in ('public', 'river')`)
	must(t, err)
	var tables []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	must(t, rows.Close())
	if len(tables) < 20 {
		t.Fatalf("only %d tables", len(tables))
	}
	for _, table := range tables {
		if n := h.count(`select count(*) from ` + table + ` x where x::text like '%SANDBOX-SSK%'`); n > 0 {
			t.Errorf("%d rows of %s hold a shared secret", n, table)
		}
	}
	if strings.Contains(h.log.String(), "SANDBOX-SSK") {
		t.Error("the log holds a shared secret")
	}
}

func TestATerminalOfAnotherMerchantIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.add(1)[0]
	other := domain.Merchant{ID: domain.NewMerchantID(), Name: "Quay Street Books", TimeZone: "UTC", Mode: domain.Test, Currencies: h.merchant.Currencies, CreatedAt: h.now()}
	must(t, h.store.InsertMerchant(t.Context(), other))
	stranger := h.actor
	stranger.MerchantID = other.ID
	_, rowErr := h.svc.Row(t.Context(), stranger, d.ID)
	_, getErr := h.svc.Get(t.Context(), stranger, d.ID)
	_, commandErr := h.svc.Command(t.Context(), stranger, devices.CommandInput{Key: payments.NewKey(), Name: domain.CommandPing, Devices: []domain.DeviceID{d.ID}})
	_, syncErr := h.svc.Sync(t.Context(), stranger, h.handpoint)
	for name, err := range map[string]error{"row": rowErr, "get": getErr, "command": commandErr, "sync": syncErr, "edit": h.svc.Edit(t.Context(), stranger, d.ID, devices.EditInput{Name: "x"})} {
		if domain.CodeOf(err) != domain.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEachCallAsksForItsOwnPermission(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.add(1)[0]
	may := map[string][]domain.Role{
		"read":    {domain.Owner, domain.Admin, domain.Manager, domain.Cashier, domain.Developer, domain.Analyst},
		"check":   {domain.Owner, domain.Admin, domain.Manager, domain.Cashier},
		"command": {domain.Owner, domain.Admin, domain.Manager},
		"manage":  {domain.Owner, domain.Admin, domain.Manager},
	}
	for _, role := range domain.Roles {
		actor := h.actor
		actor.Role = role
		send := func(name domain.DeviceCommandName) error {
			_, err := h.svc.Command(t.Context(), actor, devices.CommandInput{Key: payments.NewKey(), Name: name, Devices: []domain.DeviceID{d.ID}})
			return err
		}
		_, list := h.svc.List(t.Context(), actor, domain.DeviceFilter{})
		_, sheet := h.svc.Sheet(t.Context(), actor, domain.NewSheetID())
		_, synced := h.svc.Sync(t.Context(), actor, h.handpoint)
		_, stopped := h.svc.Stop(t.Context(), actor, domain.NewPaymentID())
		_, printed := h.svc.Print(t.Context(), actor, domain.NewPaymentID(), d.ID, "customer")
		for _, one := range []struct {
			need string
			err  error
		}{{"read", list}, {"read", sheet}, {"check", send(domain.CommandPing)}, {"command", send(domain.CommandReboot)}, {"manage", synced}, {"check", printed}, {"check", stopped},
			{"manage", h.svc.Edit(t.Context(), actor, d.ID, devices.EditInput{Name: "Till"})}} {
			if denied := domain.CodeOf(one.err) == domain.Forbidden; denied == slices.Contains(may[one.need], role) {
				t.Errorf("%s, %s: %v", role, one.need, one.err)
			}
		}
	}
}
