package connections_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

var gbp = money.MustCurrency("GBP")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asked is a system whose adapter asks a harmless question: the status of an
// attempt that was never made. Everything else is the adapter's own.
type asked struct{ *cardflo.Adapter }

func (a asked) TestConnection(ctx context.Context) (providers.Probe, error) {
	_, err := a.FindStatus(ctx, providers.Lookup{Type: domain.Sale, AttemptRef: uuid.NewString(), Amount: money.FromMinor(100, gbp)})
	if e, ok := providers.AsError(err); ok && e.Kind == providers.KindCredentials {
		return providers.Probe{Code: e.Code, Said: e.Text, Meaning: "Cardflo refused these credentials.", ToDo: "Copy them from its portal again."}, nil
	}
	if err != nil {
		return providers.Probe{}, err
	}
	return providers.Probe{OK: true, Code: "8001", Said: "Transaction not found", Meaning: "Cardflo accepts these credentials."}, nil
}

// testable is Cardflo as a system that can be tested and calls back.
func testable() providers.Registration {
	reg := cardflo.Registration()
	reg.Addresses = []providers.Address{
		{URL: "https://gateway.cardflo.io/api/v3", Label: "Live", Mode: domain.Live},
		{URL: "https://sandbox.cardflo.io/api/v3", Label: "Tests", Mode: domain.Test},
	}
	reg.New = func(c providers.Config) (providers.Provider, error) {
		a, err := cardflo.New(c)
		if err != nil {
			return nil, err
		}
		return asked{a}, nil
	}
	return reg
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type bench struct {
	*connections.Service
	t       *testing.T
	db      *storetest.DB
	st      *store.Store
	clock   *clock
	origin  string
	sandbox *sandbox.Sandbox
	actor   domain.Actor
	shop    domain.Merchant
}

func newBench(t *testing.T, mode domain.Mode) *bench {
	t.Helper()
	b := &bench{t: t, db: storetest.New(t), clock: &clock{t: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}, sandbox: sandbox.New(sandbox.Config{})}
	b.st = b.db.Open(t)
	server := httptest.NewServer(b.sandbox.Handler())
	t.Cleanup(func() { b.sandbox.Reset(); server.Close() })
	b.origin = server.URL
	host, err := url.Parse(server.URL)
	must(t, err)
	raw, err := secrets.Generate()
	must(t, err)
	sealer, err := secrets.FromJSON(raw)
	must(t, err)
	b.Service = &connections.Service{Store: b.st, Registry: providers.NewRegistry(testable(), handpoint.Registration()), Secrets: sealer, Now: b.clock.now,
		Transport: httpclient.Transport(httpclient.Options{AllowHosts: []string{host.Host}}), PublicURL: "https://pay.example.com"}
	b.shop, b.actor = b.merchant(mode)
	return b
}

func (b *bench) merchant(mode domain.Mode) (domain.Merchant, domain.Actor) {
	b.t.Helper()
	m := domain.Merchant{ID: domain.NewMerchantID(), Name: "Quay Street Books", TimeZone: "Europe/London", Mode: mode, Currencies: []money.Currency{gbp}, CreatedAt: b.clock.now()}
	must(b.t, b.st.InsertMerchant(b.t.Context(), m))
	user := domain.NewUserID()
	_, err := b.db.Owner(b.t).Exec(`insert into users (id, email, name, created_at) values ($1, $2, 'Ada Marsh', now())`, user, user.String()+"@example.com")
	must(b.t, err)
	return m, domain.Actor{UserID: user, Name: "Ada Marsh", MerchantID: m.ID, Role: domain.Owner}
}

func (b *bench) cardflo(name string) connections.NewConnection {
	return connections.NewConnection{ID: domain.NewConnectionID(), Provider: "cardflo", Name: name, BaseURL: b.origin + sandboxcardflo.BasePath,
		Settings: map[string]string{cardflo.SettingCardFrame: b.origin + "/cardflo/frame/" + sandboxcardflo.SandboxKey},
		Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SandboxKey, cardflo.SecretUsername: sandboxcardflo.SandboxUser,
			cardflo.SecretPassword: sandboxcardflo.SandboxPassword, cardflo.SecretSharedSecret: sandboxcardflo.SandboxSecret}}
}

// signed are the emulator's other credentials: the new ones of a rotation.
func signed() map[string]string {
	return map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SignedKey, cardflo.SecretUsername: sandboxcardflo.SignedUser,
		cardflo.SecretPassword: sandboxcardflo.SignedPassword, cardflo.SecretSharedSecret: sandboxcardflo.SignedSecret}
}

func (b *bench) add(name string) domain.ConnectionID {
	b.t.Helper()
	c, err := b.Add(b.t.Context(), b.actor, b.cardflo(name))
	must(b.t, err)
	return c.ID
}

func (b *bench) get(id domain.ConnectionID) connections.Connection {
	b.t.Helper()
	c, err := b.Get(b.t.Context(), b.actor, b.shop, id)
	must(b.t, err)
	return c
}

func (b *bench) count(query string, args ...any) int {
	b.t.Helper()
	var n int
	must(b.t, b.db.Owner(b.t).QueryRow(query, args...).Scan(&n))
	return n
}

func (b *bench) exec(query string, args ...any) {
	b.t.Helper()
	_, err := b.db.Owner(b.t).Exec(query, args...)
	must(b.t, err)
}

func (b *bench) audits(action string) int {
	b.t.Helper()
	return b.count(`select count(*) from audit_log where action = $1 and object_type = 'connection'`, action)
}

// inUse is what the sealed credentials of a slot open to.
func (b *bench) inUse(id domain.ConnectionID, slot store.Slot) map[string]string {
	b.t.Helper()
	out := map[string]string{}
	err := b.st.ReadTenant(b.t.Context(), b.shop.ID, func(tx *store.Tx) error {
		rows, err := tx.SecretRows(b.t.Context(), id)
		for _, r := range rows {
			if r.Slot != slot {
				continue
			}
			plain, err := b.Secrets.Open(r.Sealed, domain.SecretContext(b.shop.ID, id, r.Field)...)
			if err != nil {
				return err
			}
			out[r.Field] = string(plain)
		}
		return err
	})
	must(b.t, err)
	return out
}

func wants(t *testing.T, what string, err error, code domain.Code) {
	t.Helper()
	if domain.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestAddSealsTheCredentialsAndShowsTheirEnd(t *testing.T) {
	b := newBench(t, domain.Test)
	id := b.add("Card by phone")
	c := b.get(id)
	if c.State != connections.Active || c.Mode != domain.Test || !c.Known || c.Label != "Cardflo" || !strings.HasPrefix(c.Summary, "Card by phone, saved cards") {
		t.Errorf("%s %s %s %q", c.State, c.Mode, c.Label, c.Summary)
	}
	if len(c.Credentials) != 4 || c.Credentials[0].Current.Last4 != "-key" || !c.Credentials[0].Current.At.Equal(b.clock.now()) {
		t.Errorf("credentials %+v", c.Credentials)
	}
	if c.CallbackURL != "" && c.CallbackURL != "https://pay.example.com/webhooks/cardflo/"+id.String() {
		t.Errorf("callbacks go to %q", c.CallbackURL)
	}
	if n := b.count(`select count(*) from connection_secrets where position('cf-sandbox'::bytea in sealed) > 0`); n != 0 {
		t.Error("a credential is stored in clear")
	}
	if n := b.audits("connection.created"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	if b.inUse(id, store.SlotCurrent)[cardflo.SecretPassword] != sandboxcardflo.SandboxPassword {
		t.Error("the credentials do not open")
	}
}

func TestAFormThatIsSentTwiceMakesOneConnection(t *testing.T) {
	b := newBench(t, domain.Test)
	in := b.cardflo("Card by phone")
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 8 {
		wg.Go(func() {
			if c, err := b.Add(context.Background(), b.actor, in); err != nil || c.ID != in.ID {
				failed.Add(1)
				t.Log(err)
			}
		})
	}
	wg.Wait()
	if n := b.count(`select count(*) from connections`); n != 1 || failed.Load() != 0 || b.audits("connection.created") != 1 {
		t.Errorf("%d connections, %d failures, %d audit rows", n, failed.Load(), b.audits("connection.created"))
	}
	changed := in
	changed.Name = "Another name"
	_, err := b.Add(t.Context(), b.actor, changed)
	wants(t, "the same form with another name", err, domain.Duplicate)
	changed = in
	changed.Secrets = signed()
	_, err = b.Add(t.Context(), b.actor, changed)
	wants(t, "the same form with other credentials", err, domain.Duplicate)
	// A form's id that another merchant has used tells nothing of it.
	_, other := b.merchant(domain.Test)
	_, err = b.Add(t.Context(), other, in)
	wants(t, "another merchant's id", err, domain.Conflict)
	if strings.Contains(domain.MessageOf(err), "Card by phone") {
		t.Error(err)
	}
	in.ID = domain.ConnectionID{}
	_, err = b.Add(t.Context(), b.actor, in)
	wants(t, "no id", err, domain.Conflict)
}

func TestWhatAConnectionMayNotBe(t *testing.T) {
	b := newBench(t, domain.Test)
	b.add("Taken")
	for _, c := range []struct {
		name  string
		field string
		edit  func(*connections.NewConnection)
	}{
		{"no name", "name", func(n *connections.NewConnection) { n.Name = " " }},
		{"a name that is taken", "name", func(n *connections.NewConnection) { n.Name = "taken" }},
		{"a card number as its name", "name", func(n *connections.NewConnection) { n.Name = "Card 4111 1111 1111 1111" }},
		{"a control character", "name", func(n *connections.NewConnection) { n.Name = "a\x01b" }},
		{"too long a name", "name", func(n *connections.NewConnection) { n.Name = strings.Repeat("a", 61) }},
		{"no address", "base_url", func(n *connections.NewConnection) { n.BaseURL = "" }},
		{"no web address", "base_url", func(n *connections.NewConnection) { n.BaseURL = "ftp://gateway.cardflo.io" }},
		{"a script", "base_url", func(n *connections.NewConnection) { n.BaseURL = "javascript:alert(1)" }},
		{"without TLS", "base_url", func(n *connections.NewConnection) { n.BaseURL = "http://gateway.cardflo.io/api/v3" }},
		{"another port", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://gateway.example.com:8443" }},
		{"a user in it", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://me:secret@gateway.example.com" }},
		{"a query", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://gateway.example.com/?key=1" }},
		{"loopback", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://127.0.0.1" }},
		{"any address", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://0.0.0.0" }},
		{"loopback of IPv6", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://[::1]/" }},
		{"mapped loopback", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://[::ffff:127.0.0.1]/" }},
		{"10/8", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://10.1.2.3/" }},
		{"172.16/12", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://172.20.0.1/" }},
		{"192.168/16", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://192.168.1.1/" }},
		{"metadata", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://169.254.169.254/latest" }},
		{"unique local", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://[fd00::1]/" }},
		{"shared", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://100.64.0.1/" }},
		{"a number", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://2130706433/" }},
		{"octal", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://0177.0.0.1/" }},
		{"localhost", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://localhost/" }},
		{"a name of this network", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://router/" }},
		{"below localhost, with a dot", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://a.localhost./" }},
		{"two dots", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://a../" }},
		{"the live address", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://gateway.cardflo.io/api/v3" }},
		{"the live host in capitals", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://GATEWAY.cardflo.io./other" }},
		{"the live host with its port", "base_url", func(n *connections.NewConnection) { n.BaseURL = "https://gateway.cardflo.io:443/api/v3/" }},
		{"a private address in a setting", cardflo.SettingCardFrame, func(n *connections.NewConnection) { n.Settings[cardflo.SettingCardFrame] = "https://10.0.0.1/frame" }},
		{"the live host in a setting", cardflo.SettingPageOrigin, func(n *connections.NewConnection) {
			n.Settings[cardflo.SettingPageOrigin] = "https://gateway.cardflo.io"
		}},
		{"a longer wait than the system's", providers.SettingTimeout, func(n *connections.NewConnection) { n.Settings[providers.SettingTimeout] = "600" }},
		{"no number of calls", providers.SettingPerMinute, func(n *connections.NewConnection) { n.Settings[providers.SettingPerMinute] = "many" }},
		{"a missing credential", cardflo.SecretPassword, func(n *connections.NewConnection) { n.Secrets[cardflo.SecretPassword] = "  " }},
		{"too long a credential", cardflo.SecretPassword, func(n *connections.NewConnection) { n.Secrets[cardflo.SecretPassword] = strings.Repeat("a", 1025) }},
		{"a credential that nobody asked for", "other", func(n *connections.NewConnection) { n.Secrets["other"] = "x" }},
		{"a setting that nobody asked for", "other", func(n *connections.NewConnection) { n.Settings["other"] = "x" }},
	} {
		in := b.cardflo("New")
		c.edit(&in)
		_, err := b.Add(t.Context(), b.actor, in)
		if domain.FieldsOf(err)[c.field] == "" {
			t.Errorf("%s: %v %v", c.name, err, domain.FieldsOf(err))
		}
		for _, said := range domain.FieldsOf(err) {
			if strings.Contains(said, "secret@") || strings.Contains(said, "4111") {
				t.Errorf("%s repeats a value: %s", c.name, said)
			}
		}
	}
	if n := b.count(`select count(*) from connections`); n != 1 {
		t.Errorf("%d connections", n)
	}
	in := b.cardflo("Documented")
	in.BaseURL = "https://sandbox.cardflo.io/api/v3"
	if _, err := b.Add(t.Context(), b.actor, in); err != nil {
		t.Errorf("the documented address of this mode: %v", err)
	}
}

func TestALiveMerchantMayNotUseTheAddressForTests(t *testing.T) {
	b := newBench(t, domain.Live)
	in := b.cardflo("Card by phone")
	in.BaseURL = "https://sandbox.cardflo.io/api/v3"
	_, err := b.Add(t.Context(), b.actor, in)
	if domain.FieldsOf(err)["base_url"] == "" {
		t.Errorf("as a person: %v", err)
	}
	_, err = b.Create(t.Context(), domain.Actor{MerchantID: b.shop.ID}, in)
	if domain.FieldsOf(err)["base_url"] == "" {
		t.Errorf("as the operator: %v", err)
	}
	in.BaseURL = "https://gateway.cardflo.io/api/v3"
	c, err := b.Add(t.Context(), b.actor, in)
	if err != nil || c.Mode != domain.Live {
		t.Errorf("%s %v", c.Mode, err)
	}
}

func TestATestKeepsWhatTheProviderSaid(t *testing.T) {
	b := newBench(t, domain.Test)
	id := b.add("Card by phone")
	v, err := b.Test(t.Context(), b.actor, id)
	must(t, err)
	if c := b.get(id); !v.OK || !c.TestOK || !c.TestedAt.Equal(b.clock.now()) || c.TestMeaning != "Cardflo accepts these credentials." || !strings.Contains(c.TestSaid, "8001") {
		t.Errorf("%+v, kept %+v", v, c.ConnectionState)
	}
	if _, err := b.Test(t.Context(), b.actor, id); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("a second test at once: %v", err)
	}
	if n := b.audits("connection.tested"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	b.clock.add(5 * time.Second)
	bad := b.cardflo("Wrong password")
	bad.Secrets[cardflo.SecretPassword] = "canary-of-a-password"
	wrong, err := b.Add(t.Context(), b.actor, bad)
	must(t, err)
	v, err = b.Test(t.Context(), b.actor, wrong.ID)
	must(t, err)
	c := b.get(wrong.ID)
	if v.OK || c.State != connections.Attention || c.TestMeaning != "Cardflo refused these credentials. Copy them from its portal again." || strings.Contains(c.TestSaid, "canary") {
		t.Errorf("%+v, kept %+v", v, c.ConnectionState)
	}
	if c := b.get(id); c.State != connections.Active {
		t.Errorf("the other one is %s", c.State)
	}
	// Nothing answers there.
	gone := b.cardflo("Gone")
	gone.BaseURL = "https://nothing.invalid/api/v3"
	nowhere, err := b.Add(t.Context(), b.actor, gone)
	must(t, err)
	v, err = b.Test(t.Context(), b.actor, nowhere.ID)
	must(t, err)
	if v.OK || !strings.Contains(v.Meaning, "could not be reached") {
		t.Errorf("%+v", v)
	}
}

func TestASystemWithoutAQuestionSaysSo(t *testing.T) {
	b := newBench(t, domain.Test)
	b.Registry = providers.NewRegistry(withoutQuestion())
	in := b.cardflo("Card by phone")
	c, err := b.Add(t.Context(), b.actor, in)
	must(t, err)
	_, err = b.Test(t.Context(), b.actor, c.ID)
	wants(t, "a test", err, domain.Invalid)
	if b.get(c.ID).CanTest() {
		t.Error("it claims that it can be tested")
	}
	// A person confirms instead.
	must(t, b.Rotate(t.Context(), b.actor, c.ID, signed()))
	_, err = b.Confirm(t.Context(), b.actor, c.ID, false)
	if domain.FieldsOf(err)["checked"] == "" {
		t.Errorf("confirmed by nobody: %v", err)
	}
	_, err = b.Confirm(t.Context(), b.actor, c.ID, true)
	must(t, err)
	must(t, b.Switch(t.Context(), b.actor, c.ID))
}

// withoutQuestion is a system whose adapter cannot be tested, whatever
// Cardflo's own can.
func withoutQuestion() providers.Registration {
	reg := testable()
	reg.Narrow = func(_ map[string]string, c domain.Capability) string {
		if c == domain.CanTestConnection {
			return "This account has no question that is safe to ask."
		}
		return ""
	}
	return reg
}

func TestRotationGoesStepByStepAndNeverHalf(t *testing.T) {
	b := newBench(t, domain.Test)
	ctx, id := t.Context(), b.add("Card by phone")
	old := b.inUse(id, store.SlotCurrent)
	wants(t, "switch before anything", b.Switch(ctx, b.actor, id), domain.Conflict)
	_, err := b.Confirm(ctx, b.actor, id, true)
	wants(t, "confirm before anything", err, domain.Conflict)
	wants(t, "nothing new", b.Rotate(ctx, b.actor, id, map[string]string{cardflo.SecretAPIKey: " "}), domain.Invalid)
	wants(t, "an unknown credential", b.Rotate(ctx, b.actor, id, map[string]string{"other": "x"}), domain.Invalid)

	b.clock.add(time.Hour)
	must(t, b.Rotate(ctx, b.actor, id, map[string]string{cardflo.SecretPassword: "not-the-password"}))
	c := b.get(id)
	if c.Rotation != connections.Beside || b.inUse(id, store.SlotCurrent)[cardflo.SecretPassword] != old[cardflo.SecretPassword] {
		t.Fatalf("after the first step: %s", c.Rotation)
	}
	for _, s := range c.Credentials {
		if s.Field.Name == cardflo.SecretPassword && (s.Next.Last4 != "word" || !s.Next.At.Equal(b.clock.now())) || s.Field.Name == cardflo.SecretAPIKey && !s.Next.At.Equal(s.Current.At) {
			t.Errorf("%s: %+v", s.Field.Name, s.Next)
		}
	}
	wants(t, "a second rotation", b.Rotate(ctx, b.actor, id, signed()), domain.Conflict)
	v, err := b.Confirm(ctx, b.actor, id, true) // a person cannot confirm what can be asked
	must(t, err)
	if v.OK || b.get(id).Rotation != connections.Beside || b.get(id).State != connections.Active {
		t.Errorf("a wrong password is confirmed: %+v", v)
	}
	wants(t, "switch unconfirmed", b.Switch(ctx, b.actor, id), domain.Conflict)
	wants(t, "retire too early", b.Retire(ctx, b.actor, id), domain.Conflict)
	must(t, b.CancelRotation(ctx, b.actor, id))
	if c := b.get(id); c.Rotation != connections.NotRotating || len(b.inUse(id, store.SlotNext)) != 0 {
		t.Errorf("after cancelling: %s", c.Rotation)
	}

	must(t, b.Rotate(ctx, b.actor, id, signed()))
	b.clock.add(time.Minute)
	if v, err = b.Confirm(ctx, b.actor, id, false); err != nil || !v.OK {
		t.Fatalf("%+v %v", v, err)
	}
	if c := b.get(id); c.Rotation != connections.Confirmed || !c.NextConfirmedAt.Equal(b.clock.now()) {
		t.Errorf("after confirming: %s", c.Rotation)
	}
	must(t, b.Switch(ctx, b.actor, id))
	must(t, b.Switch(ctx, b.actor, id)) // sent twice
	if now, before := b.inUse(id, store.SlotCurrent), b.inUse(id, store.SlotPrevious); now[cardflo.SecretAPIKey] != sandboxcardflo.SignedKey || before[cardflo.SecretAPIKey] != old[cardflo.SecretAPIKey] || len(b.inUse(id, store.SlotNext)) != 0 {
		t.Errorf("after switching: %v, before %v", now, before)
	}
	if c := b.get(id); c.Rotation != connections.Switched || !c.TestOK {
		t.Errorf("after switching: %s %v", c.Rotation, c.TestOK)
	}
	wants(t, "cancel what is in use", b.CancelRotation(ctx, b.actor, id), domain.Conflict)
	b.clock.add(time.Minute)
	if v, err = b.Test(ctx, b.actor, id); err != nil || !v.OK {
		t.Errorf("the new credentials do not work: %+v %v", v, err)
	}
	must(t, b.Retire(ctx, b.actor, id))
	must(t, b.Retire(ctx, b.actor, id))
	if c := b.get(id); c.Rotation != connections.NotRotating || len(b.inUse(id, store.SlotPrevious)) != 0 {
		t.Errorf("after retiring: %s", c.Rotation)
	}
	for action, want := range map[string]int{"started": 2, "confirmed": 2, "cancelled": 1, "switched": 1, "retired": 1} {
		if n := b.audits("connection.rotation." + action); n != want {
			t.Errorf("%s: %d audit rows, want %d", action, n, want)
		}
	}
	if n := b.count(`select count(*) from audit_log where detail::text like '%cf-sandbox%' or detail::text like '%not-the-password%'`); n != 0 {
		t.Error("a credential is in the audit chain")
	}
}

// meanwhile is a system at which something happens while it is asked.
type meanwhile struct {
	asked
	happens func()
}

func (m meanwhile) TestConnection(ctx context.Context) (providers.Probe, error) {
	m.happens()
	return m.asked.TestConnection(ctx)
}

func TestAnAnswerIsNotKeptWhenTheConnectionWasChangedWhileItWasAsked(t *testing.T) {
	b := newBench(t, domain.Test)
	ctx, id := t.Context(), b.add("Card by phone")
	var happens func()
	reg := testable()
	reg.New = func(c providers.Config) (providers.Provider, error) {
		a, err := cardflo.New(c)
		return meanwhile{asked{a}, func() { happens() }}, err
	}
	b.Registry = providers.NewRegistry(reg)
	for name, f := range map[string]func(){
		"settings": func() {
			settings := maps.Clone(b.get(id).Settings)
			settings[cardflo.SettingPageOrigin] = "https://pages.example"
			must(t, b.Change(ctx, b.actor, id, "Card by phone", settings))
		},
		"credentials": func() {
			happens = func() {}
			must(t, b.Rotate(ctx, b.actor, id, signed()))
			b.clock.add(time.Minute)
			if v, err := b.Confirm(ctx, b.actor, id, false); err != nil || !v.OK {
				t.Fatalf("%+v %v", v, err)
			}
			must(t, b.Switch(ctx, b.actor, id))
		},
	} {
		b.clock.add(time.Hour)
		happens = f
		_, err := b.Test(ctx, b.actor, id)
		wants(t, name, err, domain.Conflict)
		if c := b.get(id); name == "settings" && !c.TestedAt.IsZero() {
			t.Errorf("%s: tested %v", name, c.TestedAt)
		}
	}
}

// What was confirmed at one address is not confirmed for another.
func TestAChangeOfTheSettingsTakesConfirmationAndTestBack(t *testing.T) {
	b := newBench(t, domain.Test)
	ctx, id := t.Context(), b.add("Card by phone")
	must(t, b.Rotate(ctx, b.actor, id, signed()))
	if v, err := b.Confirm(ctx, b.actor, id, false); err != nil || !v.OK {
		t.Fatalf("%+v %v", v, err)
	}
	b.clock.add(5 * time.Second)
	if v, err := b.Test(ctx, b.actor, id); err != nil || !v.OK {
		t.Fatalf("%+v %v", v, err)
	}
	// A value that is kept as empty is the same as none.
	if _, err := b.db.Owner(t).Exec(`update connections set settings = settings || '{"pageOrigin": ""}' where id = $1`, id); err != nil {
		t.Fatal(err)
	}
	settings := maps.Clone(b.get(id).Settings)
	must(t, b.Change(ctx, b.actor, id, "Another name", settings))
	if c := b.get(id); c.Rotation != connections.Confirmed || c.TestedAt.IsZero() || !c.TestOK {
		t.Errorf("after another name: %s, tested %v with %v", c.Rotation, c.TestedAt, c.TestOK)
	}
	settings[cardflo.SettingPageOrigin] = "https://pages.example"
	must(t, b.Change(ctx, b.actor, id, "Another name", settings))
	if c := b.get(id); c.Rotation != connections.Beside || !c.TestedAt.IsZero() || c.TestOK {
		t.Errorf("after other settings: %s, tested %v with %v", c.Rotation, c.TestedAt, c.TestOK)
	}
	wants(t, "switch", b.Switch(ctx, b.actor, id), domain.Conflict)
}

func TestASwitchThatFailsHalfWayChangesNothing(t *testing.T) {
	b := newBench(t, domain.Test)
	ctx, id := t.Context(), b.add("Card by phone")
	must(t, b.Rotate(ctx, b.actor, id, signed()))
	_, err := b.Confirm(ctx, b.actor, id, false)
	must(t, err)
	now, next := b.inUse(id, store.SlotCurrent), b.inUse(id, store.SlotNext)
	// The audit row is the last statement of the unit of work.
	b.exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	b.exec(`create trigger refuse before insert on audit_log for each row when (new.action = 'connection.rotation.switched') execute function refuse()`)
	if err := b.Switch(ctx, b.actor, id); err == nil {
		t.Fatal("switched without an audit row")
	}
	if c := b.get(id); c.Rotation != connections.Confirmed || b.inUse(id, store.SlotCurrent)[cardflo.SecretAPIKey] != now[cardflo.SecretAPIKey] || b.inUse(id, store.SlotNext)[cardflo.SecretAPIKey] != next[cardflo.SecretAPIKey] {
		t.Errorf("half a switch: %s", c.Rotation)
	}
	b.exec(`drop trigger refuse on audit_log`)
	must(t, b.Switch(ctx, b.actor, id))
}

func TestWhatWasChangedMeanwhileIsNotConfirmed(t *testing.T) {
	b := newBench(t, domain.Test)
	ctx, id := t.Context(), b.add("Card by phone")
	must(t, b.Rotate(ctx, b.actor, id, signed()))
	// While the provider is asked, the credentials are replaced by others.
	reg := testable()
	made := reg.New
	var swap sync.Once
	reg.New = func(c providers.Config) (providers.Provider, error) {
		p, err := made(c)
		if err != nil {
			return nil, err
		}
		return meddling{p.(asked), func() {
			swap.Do(func() {
				must(t, b.CancelRotation(ctx, b.actor, id))
				must(t, b.Rotate(ctx, b.actor, id, map[string]string{cardflo.SecretPassword: "quite-another-password"}))
			})
		}}, nil
	}
	b.Registry = providers.NewRegistry(reg)
	_, err := b.Confirm(ctx, b.actor, id, false)
	wants(t, "confirm", err, domain.Conflict)
	if c := b.get(id); c.Rotation != connections.Beside {
		t.Errorf("credentials that were never asked with are %s", c.Rotation)
	}
}

type meddling struct {
	asked
	before func()
}

func (m meddling) TestConnection(ctx context.Context) (providers.Probe, error) {
	m.before()
	return m.asked.TestConnection(ctx)
}

func TestTwoRowsWithTheirCiphertextSwappedDoNotOpen(t *testing.T) {
	b := newBench(t, domain.Test)
	id, other := b.add("Card by phone"), b.add("Second")
	b.exec(`update connection_secrets a set sealed = b.sealed from connection_secrets b
		where a.connection_id = $1 and b.connection_id = $2 and a.field = 'username' and b.field = 'username'`, id, other)
	b.exec(`update connection_secrets a set sealed = b.sealed from connection_secrets b
		where a.connection_id = $1 and b.connection_id = $1 and a.field = 'password' and b.field = 'apiKey'`, other)
	for _, id := range []domain.ConnectionID{id, other} {
		c := b.get(id)
		if c.State != connections.Attention || !strings.Contains(c.Why, "do not open") {
			t.Errorf("%s: %s %q", c.Name, c.State, c.Why)
		}
		for _, o := range c.Offers {
			if o.Offered {
				t.Errorf("it still offers %s", o.Capability)
			}
		}
		v, err := b.Test(t.Context(), b.actor, id)
		must(t, err)
		if v.OK {
			t.Error("a test with foreign credentials is fine")
		}
	}
}

func TestPauseAndRemove(t *testing.T) {
	b := newBench(t, domain.Test)
	ctx, id := t.Context(), b.add("Card by phone")
	must(t, b.Pause(ctx, b.actor, id))
	must(t, b.Pause(ctx, b.actor, id))
	if c := b.get(id); c.State != connections.Paused || c.Active {
		t.Errorf("paused: %s", c.State)
	}
	must(t, b.Resume(ctx, b.actor, id))
	if n, m := b.audits("connection.paused"), b.audits("connection.resumed"); n != 1 || m != 1 {
		t.Errorf("%d and %d audit rows", n, m)
	}
	// While a payment of it is open it stays.
	p := domain.Payment{ID: domain.NewPaymentID(), ConnectionID: id, Reference: domain.NewReference(), Status: domain.PaymentUnknown, Method: domain.MethodPage,
		Amount: money.FromMinor(4200, gbp), Captured: money.Zero(gbp), Refunded: money.Zero(gbp), Held: money.Zero(gbp), OrderReference: "Hamper", CreatedBy: b.actor.UserID, CreatedByName: "Ada", CreatedAt: b.clock.now()}
	b.exec(`insert into payments (merchant_id, id, connection_id, reference, status, method, currency, amount_minor, created_by, created_by_name, created_at, updated_at)
		values ($1, $2, $3, $4, 'unknown', 'page', 'GBP', 4200, $5, 'Ada', now(), now())`, b.shop.ID, p.ID, id, p.Reference, b.actor.UserID)
	b.exec(`insert into transactions (merchant_id, id, payment_id, connection_id, reference, type, status, currency, amount_minor, attempt_ref, created_by, created_by_name, created_at, last_send_at)
		values ($1, $2, $3, $4, $5, 'sale', 'unknown', 'GBP', 4200, $6, $7, 'Ada', now(), now())`, b.shop.ID, domain.NewTransactionID(), p.ID, id, domain.NewReference(), uuid.New(), b.actor.UserID)
	for _, status := range []string{"pending", "processing", "unknown", "needs_person"} {
		b.exec(`update transactions set status = $1`, status)
		err := b.Remove(ctx, b.actor, id)
		if domain.CodeOf(err) != domain.Conflict || !strings.Contains(domain.MessageOf(err), "no outcome") {
			t.Errorf("%s: %v", status, err)
		}
	}
	if len(b.inUse(id, store.SlotCurrent)) == 0 {
		t.Fatal("its credentials are gone")
	}
	b.exec(`update transactions set status = 'declined'`)
	must(t, b.Rotate(ctx, b.actor, id, signed()))
	must(t, b.Remove(ctx, b.actor, id))
	must(t, b.Remove(ctx, b.actor, id))
	if n := b.count(`select count(*) from connection_secrets`); n != 0 {
		t.Errorf("%d sealed credentials are left", n)
	}
	if n := b.count(`select count(*) from directory where kind = 'connection'`); n != 0 {
		t.Error("callbacks still find it")
	}
	list, err := b.List(ctx, b.actor, b.shop)
	must(t, err)
	if len(list) != 0 {
		t.Errorf("the list still has %s", list[0].Name)
	}
	c := b.get(id)
	if c.State != connections.Removed || c.Name != "Card by phone" || c.Active {
		t.Errorf("%s %q", c.State, c.Name)
	}
	// Payments still resolve its name.
	err = b.st.ReadTenant(ctx, b.shop.ID, func(tx *store.Tx) error {
		all, err := tx.Connections(ctx)
		if len(all) != 1 || all[0].Name != "Card by phone" || !all[0].Removed() {
			t.Errorf("connections %+v", all)
		}
		return err
	})
	must(t, err)
	for what, err := range map[string]error{"pause": b.Pause(ctx, b.actor, id), "resume": b.Resume(ctx, b.actor, id), "rotate": b.Rotate(ctx, b.actor, id, signed()),
		"switch": b.Switch(ctx, b.actor, id), "retire": b.Retire(ctx, b.actor, id)} {
		wants(t, what, err, domain.Conflict)
	}
	_, err = b.Test(ctx, b.actor, id)
	wants(t, "test", err, domain.Conflict)
	// Its name is free again.
	b.add("Card by phone")
}

func TestOnlyWhoMayManageChangesAnything(t *testing.T) {
	b := newBench(t, domain.Test)
	id := b.add("Card by phone")
	_, stranger := b.merchant(domain.Test)
	before := b.count(`select count(*) from audit_log`)
	for _, role := range domain.Roles {
		actor := b.actor
		actor.Role = role
		if role.May(domain.ConnectionsManage) {
			actor, role = stranger, "owner of another merchant"
		}
		want := domain.Forbidden
		if actor.MerchantID != b.actor.MerchantID {
			want = domain.NotFound
		}
		ctx := t.Context()
		_, test := b.Test(ctx, actor, id)
		_, confirm := b.Confirm(ctx, actor, id, true)
		for what, err := range map[string]error{"test": test, "confirm": confirm, "rotate": b.Rotate(ctx, actor, id, signed()), "switch": b.Switch(ctx, actor, id),
			"cancel": b.CancelRotation(ctx, actor, id), "retire": b.Retire(ctx, actor, id), "pause": b.Pause(ctx, actor, id), "resume": b.Resume(ctx, actor, id), "remove": b.Remove(ctx, actor, id)} {
			wants(t, string(role)+" "+what, err, want)
		}
		_, err := b.Get(ctx, actor, b.shop, id)
		switch {
		case want == domain.NotFound:
			wants(t, "foreign get", err, domain.NotFound)
		case actor.Role.May(domain.ConnectionsRead):
			must(t, err)
		default:
			wants(t, string(role)+" get", err, domain.Forbidden)
		}
	}
	if n := b.count(`select count(*) from audit_log`); n != before {
		t.Errorf("%d rows were written", n-before)
	}
}

func TestTheListSendsAsManyStatementsForOneAsForMany(t *testing.T) {
	b := newBench(t, domain.Test)
	b.add("First")
	statements := 0
	b.st.OnStatement(func(string) { statements++ })
	_, err := b.List(t.Context(), b.actor, b.shop)
	must(t, err)
	one := statements
	for i := range 20 {
		b.add("Another " + string(rune('a'+i)))
	}
	statements = 0
	list, err := b.List(t.Context(), b.actor, b.shop)
	must(t, err)
	if len(list) != 21 || statements != one {
		t.Errorf("%d connections, %d statements, one connection %d", len(list), statements, one)
	}
}

func TestAnIncompleteConnectionNeedsAttention(t *testing.T) {
	b := newBench(t, domain.Test)
	id := b.add("Card by phone")
	b.exec(`delete from connection_secrets where field = 'password'`)
	if c := b.get(id); c.State != connections.Attention || !strings.Contains(c.Why, "not set up completely") || c.Summary != "Nothing at the moment" {
		t.Errorf("%s %q %q", c.State, c.Why, c.Summary)
	}
	b.Registry = providers.NewRegistry(handpoint.Registration())
	if c := b.get(id); c.State != connections.Attention || c.Known {
		t.Errorf("a system that this build does not have: %s %q", c.State, c.Why)
	}
}

func TestQuarantinedCallbacksAreCounted(t *testing.T) {
	b := newBench(t, domain.Test)
	id := b.add("Card by phone")
	for range 3 {
		hash := make([]byte, 32)
		_, _ = rand.Read(hash)
		b.exec(`insert into callbacks (merchant_id, id, connection_id, body_hash, body, received_at, last_at, status) values ($1, $2, $3, $4, '', now(), now(), 'quarantined')`, b.shop.ID, uuid.New(), id, hash)
	}
	if c := b.get(id); c.Quarantined != 3 || c.State != connections.Attention {
		t.Errorf("%d, %s", c.Quarantined, c.State)
	}
}

func TestTheMatrixIsWhatTheAdaptersImplement(t *testing.T) {
	reg := providers.NewRegistry(testable(), handpoint.Registration())
	systems, err := connections.Systems(reg)
	must(t, err)
	if len(systems) != 2 {
		t.Fatalf("%d systems", len(systems))
	}
	for _, c := range []struct {
		system int
		what   domain.Capability
		want   connections.Reach
	}{
		{0, domain.CanRefund, connections.Always}, {0, domain.CanTokenizeInFrame, connections.Sometimes}, {0, domain.CanTestConnection, connections.Always},
		{1, domain.CanSellByToken, connections.Always}, {1, domain.CanSellByPage, connections.Never}, {1, domain.CanTokenizeInFrame, connections.Never},
	} {
		if got := systems[c.system].Reach[c.what]; got != c.want {
			t.Errorf("%s, %s: %s, want %s", systems[c.system].Label, c.what, got, c.want)
		}
	}
	var out bytes.Buffer
	must(t, connections.WriteSystems(&out, systems))
	if lines := strings.Count(out.String(), "\n"); lines != len(domain.AllCapabilities)+3 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

func TestForeignWordsAreMadeFitToShow(t *testing.T) {
	b := newBench(t, domain.Test)
	reg := testable()
	made := reg.New
	said := ""
	var fault error
	reg.New = func(c providers.Config) (providers.Provider, error) {
		p, err := made(c)
		if err != nil {
			return nil, err
		}
		return saying{p.(asked), &said, &fault}, nil
	}
	b.Registry = providers.NewRegistry(reg)
	in := b.cardflo("Card by phone")
	in.Secrets[cardflo.SecretPassword] = "canary-password"
	c, err := b.Add(t.Context(), b.actor, in)
	must(t, err)
	for _, s := range []string{"you sent canary-password", "card 4111111111111111 is unknown", "a\x00b\x1b[31m", strings.Repeat("x", 2000), "\xff\xfe"} {
		said = s
		b.clock.add(time.Minute)
		v, err := b.Test(t.Context(), b.actor, c.ID)
		must(t, err)
		kept := b.get(c.ID).TestSaid
		if kept != v.Said || strings.Contains(kept, "canary") || strings.Contains(kept, "4111") || strings.ContainsAny(kept, "\x00\x1b") || len(kept) > 400 {
			t.Errorf("%q is kept as %q", s, kept)
		}
	}
	for _, kind := range []providers.ErrorKind{providers.KindUnreachable, providers.KindNoAnswer, providers.KindGarbage, providers.KindServer, providers.KindRefused,
		providers.KindCredentials, providers.KindRateLimited, providers.KindUnsupported, "another"} {
		fault = &providers.Error{Kind: kind, Provider: "cardflo", Op: "test", Text: "canary-password", Err: errors.New("canary-password")}
		b.clock.add(time.Minute)
		v, err := b.Test(t.Context(), b.actor, c.ID)
		must(t, err)
		if v.OK || v.Meaning == "" || strings.Contains(v.Said+v.Meaning, "canary") {
			t.Errorf("%s: %+v", kind, v)
		}
	}
}

type saying struct {
	asked
	said  *string
	fault *error
}

func (s saying) TestConnection(context.Context) (providers.Probe, error) {
	return providers.Probe{Said: *s.said}, *s.fault
}
