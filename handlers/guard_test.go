package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/web"
)

func TestRouteWithoutAPermissionIsClosedToEverybody(t *testing.T) {
	s := newSite(t,
		web.Route{Method: http.MethodGet, Path: "/forgotten", Handler: okHandler},
		web.Route{Method: http.MethodPost, Path: "/forgotten", Handler: okHandler})
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser().signIn("ada@example.com")
	for _, who := range []*browser{b, s.browser()} {
		who.get("/forgotten").wants(t, http.StatusForbidden)
		who.post("/forgotten", url.Values{}).wants(t, http.StatusForbidden)
	}
}

func TestFormNeedsItsTokenAndItsOwnSite(t *testing.T) {
	changed := 0
	s := newSite(t, web.Route{Method: http.MethodPost, Path: "/change", Permission: domain.SignedIn, Handler: func(c echo.Context) error {
		changed++
		return c.String(http.StatusOK, "changed")
	}})
	s.addUser("ada@example.com", domain.Owner)
	s.addUser("bob@example.com", domain.Owner)
	b := s.browser().signIn("ada@example.com")
	bob := s.browser().signIn("bob@example.com")
	mine, his := b.token("/account"), bob.token("/account")
	own, err := url.Parse(s.http.URL)
	must(t, err)
	flipped := mine[:len(mine)-2] + "AA"
	if flipped == mine {
		flipped = mine[:len(mine)-2] + "BB"
	}
	for _, c := range []struct {
		name   string
		token  string
		header http.Header
		want   int
	}{
		{"own page", mine, http.Header{"Origin": {s.http.URL}, "Sec-Fetch-Site": {"same-origin"}}, http.StatusOK},
		{"public address behind a proxy", mine, http.Header{"Origin": {"https://pay.example.com"}}, http.StatusOK},
		{"neither Origin nor Sec-Fetch-Site, with the token", mine, nil, http.StatusOK},
		{"typed address", mine, http.Header{"Sec-Fetch-Site": {"none"}}, http.StatusOK},
		{"no token", "", nil, http.StatusForbidden},
		{"no token on our own page", "", http.Header{"Sec-Fetch-Site": {"same-origin"}}, http.StatusForbidden},
		{"another session's token", his, nil, http.StatusForbidden},
		{"changed token", flipped, nil, http.StatusForbidden},
		{"short token", mine[:20], nil, http.StatusForbidden},
		{"not base64", "!!!", nil, http.StatusForbidden},
		{"cross-site", mine, http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		{"same-site", mine, http.Header{"Sec-Fetch-Site": {"same-site"}}, http.StatusForbidden},
		{"null Origin", mine, http.Header{"Origin": {"null"}}, http.StatusForbidden},
		{"other host", mine, http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		{"sub-domain", mine, http.Header{"Origin": {"https://a." + own.Host}}, http.StatusForbidden},
		{"other port", mine, http.Header{"Origin": {"https://" + own.Hostname() + ":1"}}, http.StatusForbidden},
		{"plain http of the same host", mine, http.Header{"Origin": {"http://" + own.Host}}, http.StatusForbidden},
	} {
		before := changed
		who := &browser{s: s, client: b.client, header: c.header}
		a := who.post("/change", url.Values{"_csrf": {c.token}})
		if a.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, a.StatusCode, c.want)
		}
		if (changed > before) != (c.want == http.StatusOK) {
			t.Errorf("%s: changed %v", c.name, changed > before)
		}
	}
	// A token in the address is no token.
	b.post("/change?_csrf="+mine, url.Values{}).wants(t, http.StatusForbidden)
	// A token of before the last sign-in is none either.
	b.post("/signout", url.Values{"_csrf": {mine}}).wants(t, http.StatusSeeOther)
	b.signIn("ada@example.com").post("/change", url.Values{"_csrf": {mine}}).wants(t, http.StatusForbidden)
}

func TestIdentityHeadersHaveNoEffect(t *testing.T) {
	s := newSite(t)
	id := s.addUser("ada@example.com", domain.Owner)
	for _, name := range []string{
		"X-User", "X-User-Id", "X-User-Email", "X-User-Name", "X-User-Role", "X-Username", "X-Remote-User", "Remote-User", "X-Forwarded-User",
		"X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Auth-User", "X-Auth-Request-User", "X-Auth-Request-Email",
		"X-Authenticated-User", "X-Authenticated-Userid", "X-Webauth-User", "X-Wcpay-Platform-Checkout-User", "X-Tenant-Id", "X-Merchant-Id",
		"X-Account-Id", "X-Role", "X-Roles", "X-Admin", "X-Impersonate-User", "Impersonate-User", "X-On-Behalf-Of", "X-Original-User", "X-Identity",
		"Cf-Access-Authenticated-User-Email", "X-Goog-Authenticated-User-Email", "X-Ms-Client-Principal-Name", "Authorization",
	} {
		for _, value := range []string{"ada@example.com", id.String(), "owner"} {
			a := s.browser().with(name, value).get("/account")
			if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
				t.Errorf("%s: %s answers %d", name, value, a.StatusCode)
			}
		}
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	s := newSite(t,
		web.Route{Method: http.MethodGet, Path: "/panics", Permission: domain.Public, Handler: func(echo.Context) error { panic("secret detail") }},
		web.Route{Method: http.MethodGet, Path: "/fails", Permission: domain.Public, Handler: func(echo.Context) error { return fmt.Errorf("secret detail") }})
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser().signIn("ada@example.com")
	for path, status := range map[string]int{
		"/signin": 303, "/account": 200, "/healthz": 200, "/nothing": 404, "/panics": 500, "/fails": 500, "/static/none": 404, "/setup/none": 404,
	} {
		a := b.get(path).wants(t, status)
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Strict-Transport-Security":    "max-age=63072000; includeSubDomains",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "object-src 'none'",
			"frame-src 'none'", "frame-ancestors 'none'", "report-uri /csp-report",
		} {
			if !strings.Contains(csp+";", part+";") {
				t.Errorf("%s: the policy has no %s", path, part)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: %s", path, csp)
		}
		if a.Header.Get("X-Request-Id") == "" || a.Header.Get("Permissions-Policy") == "" {
			t.Errorf("%s has no request id or permissions policy", path)
		}
		if !strings.HasPrefix(path, "/static/") && a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, a.Header.Values("Cache-Control"))
		}
		if strings.Contains(a.body, "secret detail") || strings.Contains(a.body, "goroutine") {
			t.Errorf("%s shows what is inside", path)
		}
		if status == 500 {
			if id := a.Header.Get("X-Request-Id"); !strings.Contains(a.body, id) || strings.Count(s.log.String(), id) < 2 {
				t.Errorf("%s: page and log do not share the request id", path)
			}
		}
	}
	if !strings.Contains(s.log.String(), "secret detail") {
		t.Error("the log does not hold what went wrong")
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser().signIn("ada@example.com")
	for _, method := range []string{http.MethodTrace, http.MethodPut, http.MethodDelete, http.MethodPatch, "FOO"} {
		for _, path := range []string{"/account", "/signin", "/healthz", "/account/theme"} {
			if a := b.do(method, path, nil, ""); a.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, a.StatusCode)
			}
		}
	}
	if a := b.do(http.MethodHead, "/account", nil, ""); a.StatusCode != http.StatusOK || a.body != "" {
		t.Errorf("HEAD /account: %d, %d bytes", a.StatusCode, len(a.body))
	}
}

func TestFormOutlivingItsSessionKeepsWhatWasTypedAndLeadsBack(t *testing.T) {
	reached := false
	s := newSite(t, web.Route{Method: http.MethodPost, Path: "/payments", Permission: domain.PaymentsTake, Handler: func(echo.Context) error {
		reached = true
		return nil
	}})
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	form := url.Values{
		"_csrf": {b.token("/account")}, "_key": {"a-key-that-is-kept-by-nobody"}, "amount": {"12.50"}, "currency": {"GBP"}, "order_reference": {`A&1"<b>`},
		"connection": {"0190b6a0-0000-7000-8000-000000000001"}, "method": {"frame"}, "card_token": {"tok_secret"}, "card_last4": {"4242"},
		"password": {"hunter22hunter22"}, "code": {"123456"},
	}
	s.clock.Advance(web.Idle)
	a := b.post("/payments", form).wants(t, http.StatusUnauthorized)
	if reached {
		t.Fatal("the form was acted upon")
	}
	doc := a.doc(t)
	text := doc.Text()
	for _, want := range []string{"Nothing was charged.", "12.50", "GBP", `A&1"<b>`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, secret := range []string{"tok_secret", "hunter22", "123456", "4242", "a-key-that", form.Get("_csrf")} {
		if strings.Contains(a.body, secret) {
			t.Errorf("the page repeats %q", secret)
		}
	}
	href, _ := doc.Find(`a[href^="/signin"]`).First().Attr("href")
	u, err := url.Parse(href)
	must(t, err)
	back, err := url.Parse(u.Query().Get("next"))
	must(t, err)
	q := back.Query()
	if back.Path != "/payments/new" || q.Get("amount") != "12.50" || q.Get("order_reference") != `A&1"<b>` || q.Get("connection") == "" || q.Get("method") != "frame" || len(q) != 5 {
		t.Errorf("leads back to %s", back)
	}
	// The same by htmx leaves the page.
	h := b.with("HX-Request", "true").post("/payments", form).wants(t, http.StatusUnauthorized)
	if !strings.HasPrefix(h.Header.Get("HX-Redirect"), "/signin?next=%2Fpayments%2Fnew") {
		t.Errorf("HX-Redirect %q", h.Header.Get("HX-Redirect"))
	}
	refund := b.post("/payments", url.Values{"amount": {strings.Repeat("9", 5000)}}).wants(t, http.StatusUnauthorized)
	if strings.Contains(refund.body, "9999999") {
		t.Error("a value of 5000 characters is repeated")
	}
}

func TestFormOfBeforeTheLastSignInIsOfferedAnew(t *testing.T) {
	s := newSite(t, web.Route{Method: http.MethodPost, Path: "/payments", Permission: domain.PaymentsTake, Handler: okHandler})
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	old := b.token("/account")
	s.clock.Advance(web.Idle)
	b.signIn("ada@example.com") // in another tab
	a := b.post("/payments", url.Values{"_csrf": {old}, "amount": {"12.50"}, "card_token": {"tok_secret"}}).wants(t, http.StatusForbidden)
	if href, _ := a.doc(t).Find(`a.btn-main`).Attr("href"); href != "/payments/new?amount=12.50" {
		t.Errorf("offers %q", href)
	}
	if !strings.Contains(a.body, "Nothing was charged.") || strings.Contains(a.body, "tok_secret") {
		t.Error(clipped(a.body))
	}
}

func TestErrorsByHtmxAreANoteBesideThePage(t *testing.T) {
	s := newSite(t, web.Route{Method: http.MethodGet, Path: "/refused", Permission: domain.Public, Handler: func(echo.Context) error {
		return domain.Errorf(domain.Conflict, "It changed a moment ago.")
	}})
	a := s.browser().with("HX-Request", "true").get("/refused").wants(t, http.StatusConflict)
	if a.Header.Get("HX-Reswap") != "none" || !strings.Contains(a.body, `hx-swap-oob="true"`) || strings.Contains(a.body, "<html") || !strings.Contains(a.body, "It changed a moment ago.") {
		t.Errorf("%v\n%s", a.Header, a.body)
	}
	back := s.browser().with("HX-Request", "true").with("HX-History-Restore-Request", "true").get("/refused").wants(t, http.StatusConflict)
	if !strings.Contains(back.body, "<html") {
		t.Error("after Back there is no whole page")
	}
	if vary := strings.Join(a.Header.Values("Vary"), ","); !strings.Contains(vary, "HX-Request") || !strings.Contains(vary, "HX-History-Restore-Request") {
		t.Errorf("Vary %q", vary)
	}
}

func TestThemeAndShortcutsAreKept(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Analyst)
	b := s.browser().signIn("ada@example.com")
	a := b.post("/account/theme", url.Values{"_csrf": {b.token("/account")}, "theme": {"dark"}}).wants(t, http.StatusSeeOther)
	for _, c := range a.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s", c)
		}
	}
	page := b.get("/account")
	doc := page.doc(t)
	if doc.Find(`input[name=theme][value=dark][checked]`).Length() != 1 || doc.Find(`input[name=shortcuts][checked]`).Length() != 0 {
		t.Error("the choice is not shown")
	}
	if !strings.Contains(doc.Find("#flash").Text(), "Saved.") {
		t.Error("the page does not say that it was saved")
	}
	if strings.Contains(b.get("/account").doc(t).Find("#flash").Text(), "Saved.") {
		t.Error("it says so twice")
	}
	b.post("/account/theme", url.Values{"_csrf": {b.token("/account")}, "theme": {"system"}, "shortcuts": {"on"}}).wants(t, http.StatusSeeOther)
	if b.get("/account").doc(t).Find(`input[name=shortcuts][checked]`).Length() != 1 {
		t.Error("shortcuts stay off")
	}
	b.post("/account/theme", url.Values{"_csrf": {b.token("/account")}, "theme": {"pink"}}).wants(t, http.StatusUnprocessableEntity)
	b.post("/account/theme", url.Values{"_csrf": {b.token("/account")}, "theme": {"dark", "light"}}).wants(t, http.StatusBadRequest)
	b.post("/account/theme", url.Values{"_csrf": {b.token("/account")}, "theme": {"dark"}, "role": {"owner"}}).wants(t, http.StatusBadRequest)
}

func TestReadinessFollowsTheDatabase(t *testing.T) {
	s := newSite(t)
	s.browser().get("/readyz").wants(t, http.StatusOK)
	s.exec(`update goose_db_version set version_id = version_id - 100000 where version_id > 0`)
	s.browser().get("/readyz").wants(t, http.StatusServiceUnavailable)
	s.browser().get("/healthz").wants(t, http.StatusOK)
}

func TestDatabaseGoneIsACalm503AndNothingIsLost(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser().signIn("ada@example.com")
	must(t, s.store.Close())
	a := b.get("/account").wants(t, http.StatusServiceUnavailable)
	if strings.Contains(a.body, "sql:") || !strings.Contains(a.body, a.Header.Get("X-Request-Id")) {
		t.Error("the page shows the inside, or no request id")
	}
}

func TestSetupLinkWorksOnceForItsPerson(t *testing.T) {
	s := newSite(t)
	_, token, err := s.signin.CreateUser(t.Context(), s.merchant, newPerson("new@example.com"))
	must(t, err)
	at := "/setup/" + token
	b := s.browser()
	page := b.get(at).wants(t, http.StatusOK)
	if !strings.Contains(page.body, "new@example.com") || page.doc(t).Find("input[name=password]").Length() != 1 {
		t.Fatal("the page does not ask for a password")
	}
	b.get(at+"/qr.png").wants(t, http.StatusNotFound)
	for bad, want := range map[string]string{
		"short": "at least 12", "passwordpassword": "many people", "quaystreetbooks1": "your name", "aaaaaaaaaaaaaaaa": "repeats",
	} {
		a := b.post(at, url.Values{"_csrf": {b.token(at)}, "step": {"password"}, "password": {bad}, "username": {"new@example.com"}}).wants(t, http.StatusUnprocessableEntity)
		if !strings.Contains(alert(t, a), want) {
			t.Errorf("%q: %q", bad, alert(t, a))
		}
	}
	b.post(at, url.Values{"_csrf": {b.token(at)}, "step": {"password"}, "password": {testPassword}}).wants(t, http.StatusSeeOther)
	// The password alone does not sign in, and this step does not come back.
	s.browser().password("new@example.com", testPassword).wants(t, http.StatusUnprocessableEntity)
	b.post(at, url.Values{"_csrf": {b.token(at)}, "step": {"password"}, "password": {"another good passphrase"}}).wants(t, http.StatusNotFound)
	page = b.get(at).wants(t, http.StatusOK)
	secret := strings.ReplaceAll(page.doc(t).Find("#secret").Text(), " ", "")
	if again := b.get(at).doc(t).Find("#secret").Text(); strings.ReplaceAll(again, " ", "") != secret || len(secret) != 32 {
		t.Fatalf("the key is %q, then %q", secret, again)
	}
	png := b.get(at+"/qr.png").wants(t, http.StatusOK)
	if png.Header.Get("Content-Type") != "image/png" || !strings.HasPrefix(png.body, "\x89PNG") {
		t.Error("no picture of the key")
	}
	b.post(at, url.Values{"_csrf": {b.token(at)}, "step": {"factor"}, "code": {"000000"}}).wants(t, http.StatusUnprocessableEntity)
	s.codeOf(t, secret)
	b.post(at, url.Values{"_csrf": {b.token(at)}, "step": {"factor"}, "code": {s.codeOf(t, secret)}}).wants(t, http.StatusSeeOther)

	b.get(at).wants(t, http.StatusNotFound)
	b.get(at+"/qr.png").wants(t, http.StatusNotFound)
	never := s.browser().get("/setup/"+strings.Repeat("x", len(token))).wants(t, http.StatusNotFound)
	used := s.browser().get(at).wants(t, http.StatusNotFound)
	if withoutTokens(t, never) != withoutTokens(t, used) {
		t.Error("a used link and one that never was have different pages")
	}
	b.post(at, url.Values{"_csrf": {b.token("/signin")}, "step": {"password"}, "password": {"another good passphrase"}}).wants(t, http.StatusNotFound)
	// The code that confirmed is used up; the next one signs in.
	c := s.browser()
	c.password("new@example.com", testPassword).wants(t, http.StatusSeeOther)
	c.post("/signin/totp", url.Values{"code": {s.codeOf(t, secret)}, "_csrf": {c.token("/signin/totp")}}).wants(t, http.StatusUnprocessableEntity)
	s.clock.Advance(30 * time.Second)
	c.post("/signin/totp", url.Values{"code": {s.codeOf(t, secret)}, "_csrf": {c.token("/signin/totp")}}).wants(t, http.StatusSeeOther)
	c.get("/account").wants(t, http.StatusOK)
	if strings.Contains(s.log.String(), token) || strings.Contains(s.log.String(), secret) {
		t.Error("the log holds the link or the key")
	}
	if n := s.count(`select count(*) from users where email = 'new@example.com' and password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'`); n != 1 {
		t.Error("the password is not stored as Argon2id with 19 MiB, two passes and one lane")
	}
}

func withoutTokens(t *testing.T, a answer) string {
	t.Helper()
	doc := a.doc(t)
	doc.Find("input[name=_csrf]").Remove()
	html, err := doc.Html()
	must(t, err)
	return html
}

func TestSetupLinkEndsAfterADayAndWithTheNext(t *testing.T) {
	s := newSite(t)
	id, first, err := s.signin.CreateUser(t.Context(), s.merchant, newPerson("new@example.com"))
	must(t, err)
	s.clock.Advance(24*time.Hour - time.Second)
	s.browser().get("/setup/"+first).wants(t, http.StatusOK)
	s.clock.Advance(time.Second)
	s.browser().get("/setup/"+first).wants(t, http.StatusNotFound)
	second, err := s.signin.CreateSetupLink(t.Context(), s.merchant, id, "sign_in")
	must(t, err)
	third, err := s.signin.CreateSetupLink(t.Context(), s.merchant, id, "sign_in")
	must(t, err)
	s.browser().get("/setup/"+second).wants(t, http.StatusNotFound)
	s.browser().get("/setup/"+third).wants(t, http.StatusOK)
	other := s.addMerchant("Other Shop")
	if _, err := s.signin.CreateSetupLink(t.Context(), other, id, "sign_in"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another merchant makes a link for this person: %v", err)
	}
}

func TestResetOfTheSecondFactorEndsSessionsAndTheOldFactor(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser().signIn("ada@example.com")
	token, err := s.signin.ResetSecondFactor(t.Context(), "ada@example.com")
	must(t, err)
	b.get("/account").wants(t, http.StatusSeeOther)
	s.browser().password("ada@example.com", testPassword).wants(t, http.StatusUnprocessableEntity) // not enrolled
	n := s.browser()
	at := "/setup/" + token
	secret := strings.ReplaceAll(n.get(at).wants(t, http.StatusOK).doc(t).Find("#secret").Text(), " ", "")
	n.post(at, url.Values{"_csrf": {n.token(at)}, "step": {"factor"}, "code": {s.codeOf(t, secret)}}).wants(t, http.StatusSeeOther)
	s.clock.Advance(30 * time.Second)
	n.password("ada@example.com", testPassword).wants(t, http.StatusSeeOther)
	n.post("/signin/totp", url.Values{"code": {s.code()}, "_csrf": {n.token("/signin/totp")}}).wants(t, http.StatusUnprocessableEntity)
	n.post("/signin/totp", url.Values{"code": {s.codeOf(t, secret)}, "_csrf": {n.token("/signin/totp")}}).wants(t, http.StatusSeeOther)
}
