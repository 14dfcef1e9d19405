package cloudpayments_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cloudpayments"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cloudpayments"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sent is a request as it left.
type sent struct {
	method, uri, body string
	header            http.Header
}

type room struct {
	*emulator.Server
	srv *httptest.Server

	mu    sync.Mutex
	sent  []sent
	lines []string
}

func open(t *testing.T, cfg emulator.Config) *room {
	t.Helper()
	r := &room{Server: emulator.New(cfg, kit.New(func() time.Time { return start }))}
	r.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.mu.Lock()
		r.sent = append(r.sent, sent{req.Method, req.RequestURI, string(body), req.Header.Clone()})
		r.mu.Unlock()
		r.Handler().ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		r.Kit().Faults.Reset()
		r.srv.Close()
	})
	return r
}

type option func(*providers.Config)

func key(value string) option {
	return func(c *providers.Config) { c.Secrets = map[string]string{cloudpayments.SecretAPIKey: value} }
}

func (r *room) connect(t *testing.T, origin string, options ...option) *cloudpayments.Adapter {
	t.Helper()
	_, host, _ := strings.Cut(origin, "://")
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = append(r.lines, x.String())
	}})
	t.Cleanup(tr.CloseIdle)
	c := providers.Config{
		BaseURL: origin + emulator.BasePath, HTTP: tr, Now: func() time.Time { return start },
		Settings: map[string]string{}, Secrets: map[string]string{cloudpayments.SecretAPIKey: emulator.KeyValid},
	}
	for _, o := range options {
		o(&c)
	}
	a, err := cloudpayments.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *room) last() sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[len(r.sent)-1]
}

func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent)
}

func (r *room) fault(t *testing.T, f kit.Fault) {
	t.Helper()
	if err := r.Kit().Faults.Push(f); err != nil {
		t.Fatal(err)
	}
}

func fault(t *testing.T, err error) *providers.Error {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok {
		t.Fatalf("not a *providers.Error: %v", err)
	}
	return e
}

func TestTheKeyIsAskedForWithTheDocumentsRequest(t *testing.T) {
	r := open(t, emulator.Config{})
	p, err := r.connect(t, r.srv.URL).TestConnection(t.Context())
	if err != nil || !p.OK || p.Code != "OK" || p.Said != "Your APP Key is valid" || p.Meaning == "" || p.ToDo != "" {
		t.Errorf("%+v, %v", p, err)
	}
	got := r.last()
	if got.method != http.MethodGet || got.uri != "/cloudpayments/dummyapi/status" || got.body != "" || got.header.Get("api-key") != emulator.KeyValid {
		t.Errorf("%+v", got)
	}
}

func TestTheDocumentsSampleIsAYes(t *testing.T) {
	sample, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL)
	r.fault(t, kit.Fault{Kind: kit.FaultGarbage, Body: string(sample)})
	if p, err := a.TestConnection(t.Context()); err != nil || !p.OK {
		t.Errorf("%+v, %v", p, err)
	}
	for _, body := range []string{
		`{"status":"ok","message":"Your APP Key is valid"}`, `{"status":"OK","message":"Your APP Key is not valid"}`, `{"status":"OK"}`, `{}`,
	} {
		r.fault(t, kit.Fault{Kind: kit.FaultGarbage, Body: body})
		if p, err := a.TestConnection(t.Context()); err != nil || p.OK || p.Meaning == "" || p.ToDo == "" {
			t.Errorf("%s: %+v, %v", body, p, err)
		}
	}
}

// TestKeyErrors holds the four errors of the document and those that are
// inferred from the gateway behind them, each as the emulator says it and each
// with words of its own.
func TestKeyErrors(t *testing.T) {
	closed := emulator.DefaultConfig()
	closed.Closed = []string{emulator.StatusPath}
	for _, tt := range []struct {
		name    string
		cfg     emulator.Config
		key     string
		status  int
		said    string
		meaning string
		todo    string
	}{
		{"expired", emulator.Config{}, emulator.KeyExpired, 401, "Key has expired, please renew", "has expired", "new key"},
		{"disallowed", emulator.Config{}, emulator.KeyDisallowed, 403, "Access to this API has been disallowed", "may not use", "admin for access"},
		{"closed", closed, emulator.KeyValid, 403, "Requested endpoint is forbidden", "has closed", "newer version"},
		{"missing", emulator.Config{}, "", 401, "Authorization field missing", "did not arrive", "Enter the key again"},
		{"inferred: unknown", emulator.Config{}, "no-such-key", 403, "Access to this API has been disallowed", "does not know the key", "copied whole"},
		{"inferred: revoked", emulator.Config{}, emulator.KeyRevoked, 403, "Access to this API has been disallowed", "does not know the key", "copied whole"},
		{"inferred: inactive", emulator.Config{}, emulator.KeyInactive, 403, "Key is inactive, please renew", "switched off", "new key"},
		{"inferred: quota", emulator.Config{}, emulator.KeyNoQuota, 403, "Quota exceeded", "used up", "higher limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, tt.cfg)
			a := r.connect(t, r.srv.URL, key("x"))
			if tt.key != "" {
				a = r.connect(t, r.srv.URL, key(tt.key))
			} else {
				// The adapter never leaves the header away; something on the way might.
				r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: tt.status, Body: `{"error":"` + tt.said + `"}`, Count: 2})
			}
			p, err := a.TestConnection(t.Context())
			if err != nil || p.OK || p.Code != fmt.Sprint(tt.status) || p.Said != tt.said || !strings.Contains(p.Meaning, tt.meaning) || !strings.Contains(p.ToDo, tt.todo) {
				t.Errorf("%+v, %v", p, err)
			}
			if tt.name == "closed" {
				return // the sign-in is open there
			}
			_, err = a.SignIn(t.Context(), emulator.Username, emulator.Password)
			want := domain.ReasonCredentials
			if tt.said == "Quota exceeded" {
				want = domain.ReasonRateLimited
			}
			if e := fault(t, err); e.Kind != providers.KindCredentials || !e.NotDone || e.Reason != want || e.Text != tt.said {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestARefusalThatIsNotListedIsStillARefusal(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL)
	for _, f := range []kit.Fault{
		{Status: 401, Body: `{"error":"Something new"}`}, {Status: 403, Body: "<html>no</html>"},
		{Status: 403, Body: `{"error":"Key has expired, please renew"}`}, // another status than the document's
	} {
		f.Kind = kit.FaultStatus
		r.fault(t, f)
		p, err := a.TestConnection(t.Context())
		if err != nil || p.OK || !strings.Contains(p.Meaning, "does not list") || p.ToDo == "" {
			t.Errorf("%+v: %+v, %v", f, p, err)
		}
	}
	if p, err := r.connect(t, r.srv.URL, func(c *providers.Config) { c.BaseURL += "/elsewhere" }).TestConnection(t.Context()); err != nil || p.OK || p.Code != "404" {
		t.Errorf("a wrong address: %+v, %v", p, err)
	}
}

func TestAKeyThatExpiresAndOneThatIsRevoked(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL, key(emulator.KeyExpiring))
	if p, err := a.TestConnection(t.Context()); err != nil || !p.OK {
		t.Fatalf("%+v, %v", p, err)
	}
	r.Kit().Clock.Advance(24 * time.Hour)
	if p, err := a.TestConnection(t.Context()); err != nil || p.OK || p.Said != "Key has expired, please renew" {
		t.Errorf("%+v, %v", p, err)
	}
	a = r.connect(t, r.srv.URL)
	if err := r.Revoke(emulator.KeyValid); err != nil {
		t.Fatal(err)
	}
	if p, err := a.TestConnection(t.Context()); err != nil || p.OK {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestSignIn(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL, func(c *providers.Config) { c.Settings[cloudpayments.SettingTenantID] = emulator.TenantID })
	s, err := a.SignIn(t.Context(), emulator.Username, emulator.Password)
	if err != nil || s.AccessToken == "" || s.RefreshToken == "" || s.TokenType != "Bearer" || s.ExpiresAt != start.Add(30*time.Minute) ||
		s.Tenant != emulator.TenantID || s.User == "" || s.MustChangePassword {
		t.Errorf("%+v, %v", s, err)
	}
	got := r.last()
	if got.method != http.MethodPost || got.uri != "/cloudpayments/auth/oauth/token" || got.body != "grant_type=password&password=sandbox-admin-password&username=sandbox-admin" ||
		got.header.Get("Content-Type") != "application/x-www-form-urlencoded" || got.header.Get("api-key") != emulator.KeyValid || got.header.Get("tenantName") != emulator.TenantID {
		t.Errorf("%+v", got)
	}
	if _, err := r.connect(t, r.srv.URL).SignIn(t.Context(), emulator.Username, emulator.Password); err != nil || len(r.last().header.Values("tenantName")) != 0 {
		t.Errorf("without a tenant: %v, %v", r.last().header, err)
	}
	if s, err := a.SignIn(t.Context(), emulator.NewcomerUsername, emulator.NewcomerPassword); err != nil || !s.MustChangePassword {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSignInRefused(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL)
	for name, ask := range map[string]func() error{
		"wrong password":  func() error { _, err := a.SignIn(t.Context(), emulator.Username, "no"); return err },
		"unknown person":  func() error { _, err := a.SignIn(t.Context(), "nobody", emulator.Password); return err },
		"unknown refresh": func() error { _, err := a.RefreshSession(t.Context(), "nothing"); return err },
		"another tenant": func() error {
			_, err := r.connect(t, r.srv.URL, func(c *providers.Config) { c.Settings[cloudpayments.SettingTenantID] = "other" }).SignIn(t.Context(), emulator.Username, emulator.Password)
			return err
		},
	} {
		if e := fault(t, ask()); e.Kind != providers.KindCredentials || !e.NotDone || e.Reason != domain.ReasonCredentials || e.Code != "invalid_grant" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for code, reason := range map[string]domain.Reason{
		"invalid_request": domain.ReasonInvalidRequest, "invalid_client": domain.ReasonCredentials, "unauthorized_client": domain.ReasonNotAllowed,
		"unsupported_grant_type": domain.ReasonNotAllowed, "invalid_scope": domain.ReasonInvalidRequest, "something_else": domain.ReasonNone,
	} {
		r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: 400, Body: `{"error":"` + code + `","error_description":"words"}`})
		_, err := a.SignIn(t.Context(), emulator.Username, emulator.Password)
		if e := fault(t, err); e.Reason != reason || e.NotDone != (reason != domain.ReasonNone) {
			t.Errorf("%s: %+v", code, e)
		}
	}
	before := r.count()
	for _, ask := range []func() error{
		func() error { _, err := a.SignIn(t.Context(), "", "x"); return err },
		func() error { _, err := a.SignIn(t.Context(), "x", ""); return err },
		func() error { _, err := a.RefreshSession(t.Context(), ""); return err },
	} {
		if e := fault(t, ask()); !e.NotDone {
			t.Errorf("%+v", e)
		}
	}
	if r.count() != before {
		t.Error("something was sent")
	}
}

func TestRefreshTokensLastThreeMonthsAndAreGoodForOneUse(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL)
	first, err := a.SignIn(t.Context(), emulator.Username, emulator.Password)
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.RefreshSession(t.Context(), first.RefreshToken)
	if err != nil || second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken {
		t.Fatalf("%+v, %v", second, err)
	}
	if got := r.last().body; got != "grant_type=refresh_token&refresh_token="+first.RefreshToken {
		t.Error(got)
	}
	if _, err := a.RefreshSession(t.Context(), first.RefreshToken); fault(t, err).Code != "invalid_grant" {
		t.Errorf("used twice: %v", err)
	}
	end := start.AddDate(0, 3, 0)
	r.Kit().Clock.Advance(end.Sub(start) - time.Second)
	third, err := a.RefreshSession(t.Context(), second.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	r.Kit().Clock.Advance(93 * 24 * time.Hour)
	if _, err := a.RefreshSession(t.Context(), third.RefreshToken); fault(t, err).Code != "invalid_grant" {
		t.Errorf("after three months: %v", err)
	}
}

func TestASessionIsReadWithCare(t *testing.T) {
	const good = `{"access_token":"at-1","expires_in":1800,"refresh_token":"rt-1","token_type":"Bearer","tenant_name":"t","uuid":"u","need_change_password":false}`
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL)
	for body, ok := range map[string]bool{
		good: true,
		strings.Replace(good, "1800", `"1800"`, 1):                  true,
		strings.Replace(good, "Bearer", "bearer", 1):                true,
		strings.Replace(good, "false", `"true"`, 1):                 true,
		strings.Replace(good, `"refresh_token":"rt-1",`, "", 1):     true,
		strings.Replace(good, "at-1", "", 1):                        false,
		strings.Replace(good, "Bearer", "mac", 1):                   false,
		strings.Replace(good, "1800", "0", 1):                       false,
		strings.Replace(good, "1800", "-5", 1):                      false,
		strings.Replace(good, "1800", "1800.5", 1):                  false,
		strings.Replace(good, "1800", "1e3", 1):                     false,
		strings.Replace(good, `"expires_in":1800,`, "", 1):          false,
		strings.Replace(good, "false", "7", 1):                      false,
		strings.Replace(good, "1800", "99999999999999999999999", 1): false,
		`[]`:                        false,
		`{"error":"invalid_grant"}`: false,
		strings.Replace(good, `"at-1"`, `12345`, 1):                      false,
		strings.Replace(good, `"tenant_name":"t"`, `"tenant_name":1`, 1): false,
	} {
		r.fault(t, kit.Fault{Kind: kit.FaultGarbage, Body: body})
		s, err := a.SignIn(t.Context(), emulator.Username, emulator.Password)
		if (err == nil) != ok || (ok && (s.AccessToken != "at-1" || s.ExpiresAt != start.Add(30*time.Minute))) {
			t.Errorf("%s: %+v, %v", body, s, err)
		}
		if !ok && fault(t, err).Kind != providers.KindGarbage {
			t.Errorf("%s: %v", body, err)
		}
	}
	r.fault(t, kit.Fault{Kind: kit.FaultGarbage, Body: strings.Replace(good, "1800", "2000000000", 1)})
	if s, err := a.SignIn(t.Context(), emulator.Username, emulator.Password); err != nil || s.ExpiresAt.After(start.AddDate(1, 1, 0)) {
		t.Errorf("a session without end: %+v, %v", s, err)
	}
}

func TestFaultsOfTheLine(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   kit.Fault
		kind    providers.ErrorKind
		notDone bool
		probe   bool // the test of the connection has words for it
	}{
		{"dropped before", kit.Fault{Kind: kit.FaultDropBefore}, providers.KindNoAnswer, false, false},
		{"dropped after", kit.Fault{Kind: kit.FaultDropAfter}, providers.KindNoAnswer, false, false},
		{"slow", kit.Fault{Kind: kit.FaultDelay}, providers.KindNoAnswer, false, false},
		{"garbage", kit.Fault{Kind: kit.FaultGarbage}, providers.KindGarbage, false, false},
		{"wrong content type", kit.Fault{Kind: kit.FaultWrongContentType}, providers.KindGarbage, false, false},
		{"oversize", kit.Fault{Kind: kit.FaultOversize, Size: 2 << 20}, providers.KindGarbage, false, false},
		{"401", kit.Fault{Kind: kit.FaultStatus, Status: 401}, providers.KindCredentials, true, true},
		{"403", kit.Fault{Kind: kit.FaultStatus, Status: 403}, providers.KindCredentials, true, true},
		{"429", kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 7, Body: `{"error":"Rate Limit Exceeded"}`}, providers.KindRateLimited, true, false},
		{"500", kit.Fault{Kind: kit.FaultStatus, Status: 500}, providers.KindServer, false, false},
		{"500 after", kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}, providers.KindServer, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, emulator.Config{})
			a := r.connect(t, r.srv.URL, func(c *providers.Config) {
				if tt.fault.Kind == kit.FaultDelay {
					c.Timeout = 200 * time.Millisecond
				}
			})
			r.fault(t, tt.fault)
			p, err := a.TestConnection(t.Context())
			if tt.probe {
				if err != nil || p.OK || p.Meaning == "" {
					t.Errorf("%+v, %v", p, err)
				}
			} else if e := fault(t, err); e.Kind != tt.kind || e.NotDone != tt.notDone {
				t.Errorf("%+v", e)
			}
			for name, ask := range map[string]func() error{
				"sign in": func() error { _, err := a.SignIn(t.Context(), emulator.Username, emulator.Password); return err },
				"refresh": func() error { _, err := a.RefreshSession(t.Context(), "some-refresh-token"); return err },
			} {
				r.fault(t, tt.fault)
				e := fault(t, ask())
				if e.Kind != tt.kind || e.NotDone != tt.notDone {
					t.Errorf("%s: %+v", name, e)
				}
				if want := 7 * time.Second; tt.fault.Status == 429 && e.RetryAfter != want {
					t.Errorf("%s: Retry-After %s", name, e.RetryAfter)
				}
			}
			if n := r.count(); n != 3 {
				t.Errorf("%d requests for three questions", n)
			}
		})
	}
}

func TestALowLimitIsToldAsRateLimited(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL, key(emulator.KeyLowLimit))
	for range 2 {
		if p, err := a.TestConnection(t.Context()); err != nil || !p.OK {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	_, err := a.TestConnection(t.Context())
	if e := fault(t, err); e.Kind != providers.KindRateLimited || !e.NotDone || e.Text != "Rate Limit Exceeded" {
		t.Errorf("%+v", e)
	}
	r.Kit().Clock.Advance(time.Minute)
	if p, err := a.TestConnection(t.Context()); err != nil || !p.OK {
		t.Errorf("a minute later: %+v, %v", p, err)
	}
}

func TestTLSRefusedMeansThatNothingWasSent(t *testing.T) {
	r := open(t, emulator.Config{})
	srv := httptest.NewUnstartedServer(r.Handler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	a := r.connect(t, srv.URL)
	for name, ask := range map[string]func() error{
		"test":    func() error { _, err := a.TestConnection(t.Context()); return err },
		"sign in": func() error { _, err := a.SignIn(t.Context(), emulator.Username, emulator.Password); return err },
	} {
		if e := fault(t, ask()); e.Kind != providers.KindUnreachable || !e.NotDone {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestNoSecretIsWrittenDown(t *testing.T) {
	const password, pan = "pass word&with=marks%", "4111111111111111"
	cfg := emulator.DefaultConfig()
	cfg.People = append(cfg.People, emulator.Person{Username: "planted", Password: password, UUID: "u", Tenant: "t"})
	r := open(t, cfg)
	a := r.connect(t, r.srv.URL)
	s, err := a.SignIn(t.Context(), "planted", password)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.RefreshSession(t.Context(), s.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	words := `{"error":"you sent ` + password + ` with ` + emulator.KeyValid + ` and ` + pan + `"}`
	for _, status := range []int{400, 401, 403, 429, 500} {
		r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: status, Body: words})
		_, err := a.SignIn(t.Context(), "planted", password)
		e := fault(t, err)
		seen = append(seen, e.Error(), e.Text, e.Code, string(e.Raw))
		r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: status, Body: `{"error":"` + emulator.KeyValid + ` ` + pan + `"}`})
		p, err := a.TestConnection(t.Context())
		seen = append(seen, fmt.Sprintf("%+v %v", p, err))
	}
	r.mu.Lock()
	seen = append(seen, r.lines...)
	r.mu.Unlock()
	journal := []string{}
	for _, e := range r.Kit().Journal.Entries() {
		journal = append(journal, fmt.Sprint(e.Headers), e.Body, e.URL)
		if e.Status == http.StatusOK {
			journal = append(journal, e.Reply)
		}
	}
	if len(seen) < 30 || len(journal) < 30 {
		t.Fatalf("only %d and %d texts were looked at", len(seen), len(journal))
	}
	for _, text := range append(seen, journal...) {
		for _, secret := range []string{
			emulator.KeyValid, password, "pass+word%26with%3Dmarks%25", pan, s.AccessToken, s.RefreshToken, again.AccessToken, again.RefreshToken,
		} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", secret, text)
			}
		}
	}
}

func TestItOffersTheTestAndTheSignInAndNothingElse(t *testing.T) {
	r := open(t, emulator.Config{})
	a := r.connect(t, r.srv.URL)
	for _, o := range providers.Offers(a, cloudpayments.Registration(), nil, "https://shop.example") {
		if want := o.Capability == domain.CanTestConnection || o.Capability == domain.CanSignIn; o.Offered != want {
			t.Errorf("%+v", o)
		}
	}
}

func TestEveryCurrencyIsRefused(t *testing.T) {
	for _, c := range []string{"EUR", "JPY", "KWD", "GBP", "USD"} {
		if cloudpayments.Registration().Currency(money.MustCurrency(c)) {
			t.Errorf("%s is offered", c)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	const secret = "Planted-Secret-Key"
	for name, c := range map[string]providers.Config{
		"no address": {Secrets: map[string]string{cloudpayments.SecretAPIKey: secret}},
		"no web":     {BaseURL: "ftp://x", Secrets: map[string]string{cloudpayments.SecretAPIKey: secret}},
		"no key":     {BaseURL: "https://x.example"},
	} {
		if _, err := cloudpayments.New(c); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	reg := cloudpayments.Registration()
	p, err := reg.New(providers.Config{BaseURL: reg.Addresses[0].URL, Secrets: map[string]string{cloudpayments.SecretAPIKey: secret}})
	if err != nil || p.Name() != cloudpayments.Name {
		t.Errorf("%v", err)
	}
	var fields []string
	for _, f := range reg.Fields {
		fields = append(fields, fmt.Sprintf("%s %t %t", f.Name, f.Secret, f.Required))
	}
	if got := strings.Join(fields, ", "); got != "apiKey true true, tenantId false false, businessCode false false" {
		t.Error(got)
	}
}
