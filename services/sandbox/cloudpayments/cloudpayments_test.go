package cloudpayments_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/cloudpayments"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*cloudpayments.Server
	origin, base string
}

func newFixture(t *testing.T, cfg cloudpayments.Config) fixture {
	t.Helper()
	s := cloudpayments.New(cfg, kit.New(func() time.Time { return start }))
	mux := http.NewServeMux()
	mux.Handle(cloudpayments.BasePath+"/", s.Handler())
	mux.Handle(kit.ControlPrefix, kit.ControlHandler(map[string]kit.Emulator{cloudpayments.Name: s}))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return fixture{s, srv.URL, srv.URL + cloudpayments.BasePath}
}

// do gives the answer as "status body".
func (f fixture) do(t *testing.T, method, path, key, body string, header ...string) string {
	t.Helper()
	req, err := http.NewRequest(method, f.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("api-key", key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, raw)
}

func (f fixture) check(t *testing.T, key string) string {
	t.Helper()
	return f.do(t, http.MethodGet, cloudpayments.StatusPath, key, "")
}

const formType = "application/x-www-form-urlencoded"

func (f fixture) token(t *testing.T, form string, header ...string) string {
	t.Helper()
	return f.do(t, http.MethodPost, cloudpayments.TokenPath, cloudpayments.KeyValid, form, append([]string{"Content-Type", formType}, header...)...)
}

const (
	valid       = `200 {"status":"OK","message":"Your APP Key is valid"}`
	expired     = `401 {"error":"Key has expired, please renew"}`
	disallowed  = `403 {"error":"Access to this API has been disallowed"}`
	closed      = `403 {"error":"Requested endpoint is forbidden"}`
	missing     = `401 {"error":"Authorization field missing"}`
	inactive    = `403 {"error":"Key is inactive, please renew"}`
	quota       = `403 {"error":"Quota exceeded"}`
	tooFast     = `429 {"error":"Rate Limit Exceeded"}`
	invalid     = `400 {"error":"invalid_grant"}`
	wrong       = `400 {"error":"invalid_request"}`
	otherGrant  = `400 {"error":"unsupported_grant_type"}`
	nothingHere = `404 {"error":"Not found"}`
)

func TestKeyErrors(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	for key, want := range map[string]string{
		cloudpayments.KeyValid:      valid,
		cloudpayments.KeyExpiring:   valid,
		cloudpayments.KeyCheckOnly:  valid,
		cloudpayments.KeyExpired:    expired,
		cloudpayments.KeyDisallowed: disallowed,
		"":                          missing,
		// Inferred from the gateway behind the document's four texts.
		cloudpayments.KeyRevoked:                  disallowed,
		"no-such-key":                             disallowed,
		strings.ToUpper(cloudpayments.KeyValid):   disallowed,
		cloudpayments.KeyInactive:                 inactive,
		cloudpayments.KeyNoQuota:                  quota,
		cloudpayments.KeyValid + "-and-something": disallowed,
	} {
		if got := f.check(t, key); got != want {
			t.Errorf("%q: %s", key, got)
		}
	}
	if got := f.do(t, http.MethodPost, cloudpayments.TokenPath, cloudpayments.KeyCheckOnly, "", "Content-Type", formType); got != disallowed {
		t.Errorf("a key that may not sign in: %s", got)
	}
}

func TestAClosedPathIsClosedForEveryKey(t *testing.T) {
	cfg := cloudpayments.DefaultConfig()
	cfg.Closed = []string{cloudpayments.StatusPath}
	f := newFixture(t, cfg)
	for _, key := range []string{cloudpayments.KeyValid, "no-such-key", ""} {
		if got := f.check(t, key); got != closed {
			t.Errorf("%q: %s", key, got)
		}
	}
}

func TestAKeyExpiresByTheClockAndIsRevokedByControl(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	control := kit.Control{BaseURL: f.origin, Provider: cloudpayments.Name}
	f.Kit().Clock.Advance(24*time.Hour - time.Second)
	if got := f.check(t, cloudpayments.KeyExpiring); got != valid {
		t.Error(got)
	}
	f.Kit().Clock.Advance(time.Second)
	if got := f.check(t, cloudpayments.KeyExpiring); got != expired {
		t.Error(got)
	}
	if err := control.Command(t.Context(), "revoke", map[string]string{"key": cloudpayments.KeyValid}, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.check(t, cloudpayments.KeyValid); got != disallowed {
		t.Error(got)
	}
	for _, bad := range []any{map[string]string{"key": "no-such-key"}, map[string]string{"x": "y"}, nil} {
		if err := control.Command(t.Context(), "revoke", bad, nil); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if err := control.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{cloudpayments.KeyValid, cloudpayments.KeyExpiring} {
		if got := f.check(t, key); got != valid {
			t.Errorf("%s after a reset: %s", key, got)
		}
	}
}

func TestALowLimit(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	for i, want := range []string{valid, valid, tooFast, tooFast} {
		if got := f.check(t, cloudpayments.KeyLowLimit); got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
	f.Kit().Clock.Advance(time.Minute)
	if got := f.check(t, cloudpayments.KeyLowLimit); got != valid {
		t.Error(got)
	}
}

func password(user, word string) string {
	return url.Values{"grant_type": {"password"}, "username": {user}, "password": {word}}.Encode()
}

func refreshForm(token string) string {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode()
}

func TestSignIn(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	got := f.token(t, password(cloudpayments.Username, cloudpayments.Password), "tenantName", cloudpayments.TenantID)
	var body map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "200 ")), &body); err != nil {
		t.Fatal(got)
	}
	for name, want := range map[string]string{
		"token_type": "Bearer", "scope": "read write", "tenant_name": cloudpayments.TenantID, "need_change_password": "false", "last_signon_timestamp": "2026-03-01T12:00:00Z",
	} {
		if fmt.Sprint(body[name]) != want {
			t.Errorf("%s: %v", name, body[name])
		}
	}
	for _, name := range []string{"access_token", "expires_in", "jti", "appName", "refresh_token", "user_type", "uuid"} {
		if body[name] == nil || body[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if len(body) != 12 {
		t.Errorf("%d fields", len(body))
	}
	if got := f.token(t, password(cloudpayments.NewcomerUsername, cloudpayments.NewcomerPassword)); !strings.Contains(got, `"need_change_password":true`) {
		t.Error(got)
	}
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d charges", n)
	}
}

func TestSignInIsReadStrictly(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	good := password(cloudpayments.Username, cloudpayments.Password)
	for form, want := range map[string]string{
		password(cloudpayments.Username, "no"):                  invalid,
		password(strings.ToUpper(cloudpayments.Username), "no"): invalid,
		password("nobody", cloudpayments.Password):              invalid,
		refreshForm("nothing"):                                  invalid,
		"":                                                      wrong,
		"grant_type=password":                                   wrong,
		"grant_type=password&username=x":                        wrong,
		"grant_type=password&username=x&password=":              wrong,
		good + "&x=y":                                           wrong,
		good + "&username=again":                                wrong,
		strings.Replace(good, "grant_type", "Grant_type", 1):    wrong,
		"grant_type=refresh_token":                              wrong,
		refreshForm("x") + "&username=x":                        wrong,
		"%zz":                                                   wrong,
		strings.Replace(good, "=password", "=Password", 1):      otherGrant,
		"grant_type=client_credentials":                         otherGrant,
	} {
		if got := f.token(t, form); got != want {
			t.Errorf("%s: %s", form, got)
		}
	}
	if got := f.token(t, good, "tenantName", "other"); got != invalid {
		t.Errorf("another tenant: %s", got)
	}
	if got := f.token(t, `{"grant_type":"password"}`, "Content-Type", "application/json"); got != wrong {
		t.Errorf("JSON: %s", got)
	}
	if got := f.do(t, http.MethodPost, cloudpayments.TokenPath+"?"+good, cloudpayments.KeyValid, good, "Content-Type", formType); got != wrong {
		t.Errorf("in the address: %s", got)
	}
	if got := f.do(t, http.MethodPost, cloudpayments.TokenPath, "", good, "Content-Type", formType); got != missing {
		t.Errorf("without a key: %s", got)
	}
}

func TestRefreshTokensLastThreeMonthsAndAreGoodForOneUse(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	next := func(form string) string {
		t.Helper()
		got := f.token(t, form)
		var body struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "200 ")), &body); err != nil || body.RefreshToken == "" {
			t.Fatal(got)
		}
		return body.RefreshToken
	}
	first := next(password(cloudpayments.Username, cloudpayments.Password))
	second := next(refreshForm(first))
	if got := f.token(t, refreshForm(first)); got != invalid {
		t.Errorf("used twice: %s", got)
	}
	f.Kit().Clock.Advance(start.AddDate(0, 3, 0).Sub(start) - time.Second)
	third := next(refreshForm(second))
	from := f.Kit().Clock.Now()
	f.Kit().Clock.Advance(from.AddDate(0, 3, 0).Sub(from))
	if got := f.token(t, refreshForm(third)); got != invalid {
		t.Errorf("after three months: %s", got)
	}
}

func TestWhatIsNotPublicIsNotThere(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	for _, call := range []string{
		"POST " + cloudpayments.StatusPath, "GET " + cloudpayments.TokenPath, "GET /", "GET /dummyapi", "GET /DummyApi/status", "POST /payments", "POST /transactions/sale",
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := f.do(t, method, path, cloudpayments.KeyValid, ""); got != nothingHere {
			t.Errorf("%s: %s", call, got)
		}
	}
}

func TestTheJournalHoldsNoSecret(t *testing.T) {
	f := newFixture(t, cloudpayments.Config{})
	f.token(t, password(cloudpayments.Username, cloudpayments.Password))
	entries := f.Kit().Journal.Entries()
	if len(entries) != 1 {
		t.Fatal(entries)
	}
	all := fmt.Sprintf("%+v", entries[0])
	for _, secret := range []string{cloudpayments.KeyValid, cloudpayments.Password} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is in %s", secret, all)
		}
	}
	for _, field := range []string{`"access_token":"[redacted]"`, `"refresh_token":"[redacted]"`} {
		if !strings.Contains(entries[0].Reply, field) {
			t.Errorf("%s is not in %s", field, entries[0].Reply)
		}
	}
}
