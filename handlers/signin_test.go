package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/web"
)

func TestBothFactorsSignInAndEachStepHasANewToken(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser()

	first := b.get("/account")
	first.wants(t, http.StatusSeeOther)
	if got := first.Header.Get("Location"); got != "/signin?next=%2Faccount" {
		t.Fatalf("leads to %q", got)
	}
	csrf := b.token("/signin?next=/account")
	planted := b.cookie()
	if planted == "" {
		t.Fatal("the sign-in page has no session")
	}
	a := b.post("/signin", url.Values{"email": {"ADA@example.com"}, "password": {testPassword}, "next": {"/account"}, "_csrf": {csrf}})
	a.wants(t, http.StatusSeeOther)
	half := b.cookie()
	if a.Header.Get("Location") != "/signin/totp?next=%2Faccount" || half == planted {
		t.Fatalf("location %q, token changed: %v", a.Header.Get("Location"), half != planted)
	}
	b.get("/account").wants(t, http.StatusSeeOther) // one factor is not enough
	a = b.post("/signin/totp", url.Values{"code": {s.code()}, "next": {"/account"}, "_csrf": {b.token("/signin/totp")}})
	a.wants(t, http.StatusSeeOther)
	whole := b.cookie()
	if a.Header.Get("Location") != "/account" || whole == half {
		t.Fatalf("location %q, token changed: %v", a.Header.Get("Location"), whole != half)
	}
	page := b.get("/account").wants(t, http.StatusOK)
	if !strings.Contains(page.body, "ada@example.com") {
		t.Fatal("the account page does not say who is signed in")
	}
	for name, old := range map[string]string{"before the password": planted, "before the second factor": half} {
		s.browser().plant(old).get("/account").wants(t, http.StatusSeeOther)
		if n := s.count(`select count(*) from sessions where token_hash = sha256(convert_to($1, 'UTF8'))`, old); n != 0 {
			t.Errorf("the token from %s is still stored", name)
		}
	}
	if n := s.count(`select count(*) from sessions where token_hash = sha256(convert_to($1, 'UTF8'))`, whole); n != 1 {
		t.Error("the session is not stored under its token's hash")
	}
	if n := s.count(`select count(*) from sessions where encode(token_hash, 'escape') like '%' || $1 || '%' or position(convert_to($1, 'UTF8') in data) > 0`, whole); n != 0 {
		t.Error("the token itself is stored")
	}
}

func TestSessionCookieIsBoundToThisHostAndUnreadable(t *testing.T) {
	s := newSite(t)
	a := s.browser().get("/signin").wants(t, http.StatusOK)
	cookies := a.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	c := cookies[0]
	if n := s.count(`select count(*) from sessions`); n != 0 {
		t.Errorf("a visitor has %d rows in the database", n)
	}
	if c.Name != "__Host-counterfoil" || c.MaxAge != 0 || !c.Expires.IsZero() || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 26+8 {
		t.Fatalf("%s", a.Header.Get("Set-Cookie"))
	}
	if got := a.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "no-store" {
		t.Fatalf("Cache-Control %q", got)
	}
}

func TestSignOutEndsTheSessionOnTheServer(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	stolen := b.cookie()
	a := b.post("/signout", url.Values{"_csrf": {b.token("/account")}})
	a.wants(t, http.StatusSeeOther)
	if a.Header.Get("Clear-Site-Data") != `"cache", "storage"` || a.Header.Get("Location") != "/signin?why=signed_out" {
		t.Fatalf("%v", a.Header)
	}
	if b.cookie() != "" {
		t.Error("the browser keeps the cookie")
	}
	s.browser().plant(stolen).get("/account").wants(t, http.StatusSeeOther)
	b.post("/signout", url.Values{}).wants(t, http.StatusSeeOther) // again: already out
}

func TestIdleSessionDiesWhileItsPageKeepsPolling(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	poll := b.with("HX-Request", "true").with("X-Background", "1").with("HX-Current-URL", s.http.URL+"/account?tab=1")
	for range 14 {
		s.clock.Advance(time.Minute)
		poll.get("/account").wants(t, http.StatusOK)
	}
	s.clock.Advance(time.Minute)
	a := poll.get("/account").wants(t, http.StatusUnauthorized)
	if got := a.Header.Get("HX-Redirect"); got != "/signin?next=%2Faccount%3Ftab%3D1&why=idle" {
		t.Fatalf("HX-Redirect %q", got)
	}
	if !strings.Contains(b.get("/signin?why=idle").body, "away for a while") {
		t.Error("the sign-in page does not say why")
	}
}

func TestAPersonsClicksKeepTheSessionAliveUntilTwelveHours(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	for elapsed := 14 * time.Minute; elapsed < web.Lifetime; elapsed += 14 * time.Minute {
		s.clock.Advance(14 * time.Minute)
		b.get("/account").wants(t, http.StatusOK)
	}
	s.clock.Advance(14 * time.Minute)
	b.get("/account").wants(t, http.StatusSeeOther)
	// A clock that steps back does not bring it to life again.
	s.clock.Advance(-time.Hour)
	b.get("/account").wants(t, http.StatusSeeOther)
}

func TestAnOrdinaryReadWritesNothing(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	b.get("/account").wants(t, http.StatusOK)
	var mu sync.Mutex
	var seen []string
	s.store.OnStatement(func(q string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, strings.Join(strings.Fields(q), " "))
	})
	b.get("/account").wants(t, http.StatusOK)
	if len(seen) != 2 || !strings.HasPrefix(seen[0], "select data") || !strings.HasPrefix(seen[1], "select u.id") {
		t.Fatalf("a page of the account sends %d statements: %q", len(seen), seen)
	}
	seen = nil
	s.clock.Advance(time.Minute)
	b.get("/account").wants(t, http.StatusOK)
	b.get("/account").wants(t, http.StatusOK)
	if len(seen) != 5 || !strings.HasPrefix(seen[2], "update sessions set last_seen_at") {
		t.Fatalf("after a minute: %q", seen)
	}
}

func TestTenFailuresLockForThirtyMinutesWithTheSameWords(t *testing.T) {
	s := newSite(t)
	id := s.addUser("ada@example.com", domain.Owner)
	b := s.browser()
	var words string
	for i := range signin.MaxFailures {
		a := b.password("ada@example.com", "not the password").wants(t, http.StatusUnprocessableEntity)
		if said := alert(t, a); i > 0 && said != words {
			t.Fatalf("attempt %d says %q, the one before %q", i+1, said, words)
		} else {
			words = said
		}
	}
	if !strings.Contains(words, "10 wrong tries") {
		t.Errorf("the rule is not named: %q", words)
	}
	if said := alert(t, b.password("ada@example.com", testPassword).wants(t, http.StatusUnprocessableEntity)); said != words {
		t.Errorf("the right password says %q", said)
	}
	if said := alert(t, b.password("nobody@example.com", testPassword).wants(t, http.StatusUnprocessableEntity)); said != words {
		t.Errorf("an unknown e-mail says %q", said)
	}
	// A restart forgets nothing: another process, the same database.
	other, err := signin.New(signin.Options{Store: s.store, Sealer: s.sealer, Now: s.clock.Now})
	must(t, err)
	if _, err := other.Password(t.Context(), "ada@example.com", testPassword, signin.From{IP: "192.0.2.1"}); domain.CodeOf(err) != domain.Unauthorized {
		t.Errorf("after a restart: %v", err)
	}
	s.clock.Advance(signin.LockFor - time.Second)
	b.password("ada@example.com", testPassword).wants(t, http.StatusUnprocessableEntity)
	s.clock.Advance(time.Second)
	b.password("ada@example.com", testPassword).wants(t, http.StatusSeeOther)
	if n := s.count(`select count(*) from audit_log where action = 'signin.lockout' and object_id = $1`, id.String()); n != 1 {
		t.Errorf("%d audit rows of the lock-out", n)
	}
}

func alert(t *testing.T, a answer) string {
	t.Helper()
	said := strings.Join(strings.Fields(a.doc(t).Find("[role=alert]").First().Text()), " ")
	if said == "" {
		t.Fatalf("no alert in\n%s", clipped(a.body))
	}
	return said
}

func TestWrongCodesCountTowardsTheLock(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser()
	for range 4 {
		b.password("ada@example.com", "not the password").wants(t, http.StatusUnprocessableEntity)
	}
	// A right password does not wipe the count: it may be stolen.
	b.password("ada@example.com", testPassword).wants(t, http.StatusSeeOther)
	csrf := b.token("/signin/totp")
	for range 6 {
		b.post("/signin/totp", url.Values{"code": {"000000"}, "_csrf": {csrf}}).wants(t, http.StatusUnprocessableEntity)
	}
	b.post("/signin/totp", url.Values{"code": {s.code()}, "_csrf": {csrf}}).wants(t, http.StatusUnprocessableEntity)
	b.get("/account").wants(t, http.StatusSeeOther)
	s.browser().password("ada@example.com", testPassword).wants(t, http.StatusUnprocessableEntity)
}

func TestKnownAndUnknownEmailsGetTheSameAnswer(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	s.addUser("off@example.com", domain.Owner)
	s.exec(`update users set disabled_at = now() where email = 'off@example.com'`)
	_, _, err := s.signin.CreateUser(t.Context(), s.merchant, signin.NewPerson{Email: "new@example.com", Name: "New", Role: domain.Analyst})
	must(t, err)
	var first string
	for _, email := range []string{"ada@example.com", "off@example.com", "new@example.com", "not@example.com"} {
		a := s.browser().password(email, "some wrong password").wants(t, http.StatusUnprocessableEntity)
		doc := a.doc(t)
		doc.Find("input[name=_csrf]").SetAttr("value", "")
		html, err := doc.Html()
		must(t, err)
		html = strings.ReplaceAll(html, email, "somebody@example.com")
		if first == "" {
			first = html
		} else if html != first {
			t.Errorf("%s gets another page", email)
		}
		if a.ContentLength != -1 && int(a.ContentLength) == 0 {
			t.Errorf("%s gets an empty page", email)
		}
	}
	for _, email := range []string{"off@example.com", "new@example.com"} {
		s.browser().password(email, testPassword).wants(t, http.StatusUnprocessableEntity)
	}
}

func TestOneCodeSentTwentyTimesTogetherSignsInOnce(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	const n = 20
	type ready struct {
		b    *browser
		csrf string
	}
	var all []ready
	for range n {
		b := s.browser()
		b.password("ada@example.com", testPassword).wants(t, http.StatusSeeOther)
		all = append(all, ready{b, b.token("/signin/totp")})
	}
	code := s.code()
	statuses := make(chan int, n)
	var start, done sync.WaitGroup
	start.Add(1)
	for _, r := range all {
		done.Go(func() {
			start.Wait()
			statuses <- r.b.post("/signin/totp", url.Values{"code": {code}, "_csrf": {r.csrf}}).StatusCode
		})
	}
	start.Done()
	done.Wait()
	close(statuses)
	got := map[int]int{}
	for st := range statuses {
		got[st]++
	}
	if got[http.StatusSeeOther] != 1 || got[http.StatusUnprocessableEntity] != n-1 {
		t.Fatalf("statuses %v", got)
	}
}

func TestDisabledUserAndChangedRoleCountFromTheNextRequest(t *testing.T) {
	s := newSite(t, web.Route{Method: http.MethodGet, Path: "/export", Permission: domain.PaymentsExport, Handler: okHandler})
	id := s.addUser("ada@example.com", domain.Manager)
	b := s.browser().signIn("ada@example.com")
	b.get("/export").wants(t, http.StatusOK)
	s.exec(`update memberships set role = 'cashier' where user_id = $1`, id)
	a := b.get("/export").wants(t, http.StatusForbidden)
	if !strings.Contains(a.body, "Cashier") {
		t.Error("the page does not say which role is missing what")
	}
	s.exec(`update users set disabled_at = now() where id = $1`, id)
	b.get("/account").wants(t, http.StatusSeeOther)
	s.exec(`update users set disabled_at = null where id = $1`, id)
	b.get("/account").wants(t, http.StatusSeeOther) // the session is gone for good
}

func TestFirstFactorWaitsTenMinutes(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Manager)
	b := s.browser()
	b.password("ada@example.com", testPassword).wants(t, http.StatusSeeOther)
	csrf := b.token("/signin/totp")
	s.clock.Advance(web.FirstFactorFor)
	b.post("/signin/totp", url.Values{"code": {s.code()}, "_csrf": {csrf}}).wants(t, http.StatusSeeOther)
	b.get("/account").wants(t, http.StatusSeeOther)
	b.get("/signin/totp").wants(t, http.StatusSeeOther)
}

func TestNextLeadsOnlyToLocalPages(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Manager)
	for next, want := range map[string]string{
		"/account?tab=1": "/account?tab=1", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "/\t/evil.example": "/",
		"javascript:alert(1)": "/", "/signout": "/", "evil": "/", "": "/",
	} {
		b := s.browser()
		s.clock.Advance(30 * time.Second)
		b.post("/signin", url.Values{"email": {"ada@example.com"}, "password": {testPassword}, "next": {next}, "_csrf": {b.token("/signin")}}).wants(t, http.StatusSeeOther)
		a := b.post("/signin/totp", url.Values{"code": {s.code()}, "next": {next}, "_csrf": {b.token("/signin/totp")}}).wants(t, http.StatusSeeOther)
		if got := a.Header.Get("Location"); got != want {
			t.Errorf("next=%q leads to %q", next, got)
		}
		if got := b.get("/signin?next=" + url.QueryEscape(next)).Header.Get("Location"); got != want {
			t.Errorf("signed in, next=%q leads to %q", next, got)
		}
	}
}

func TestEachSignInEventHasOneAuditRow(t *testing.T) {
	s := newSite(t)
	id := s.addUser("ada@example.com", domain.Manager)
	b := s.browser()
	b.password("ada@example.com", "wrong wrong wrong").wants(t, http.StatusUnprocessableEntity)
	b.password("typed-my-password-here", testPassword).wants(t, http.StatusUnprocessableEntity)
	b.signIn("ada@example.com")
	b.post("/signout", url.Values{"_csrf": {b.token("/account")}}).wants(t, http.StatusSeeOther)
	rows, err := s.db.Owner(t).Query(`
		select case when merchant_id = '00000000-0000-0000-0000-000000000000' then 'platform' else 'merchant' end, action, result, actor, object_id, ip <> '' and request_id <> '', detail::text
		from audit_log where action like 'signin.%' order by at, merchant_id, seq`)
	must(t, err)
	defer rows.Close()
	var got []string
	for rows.Next() {
		var chain, action, result, actor, object, detail string
		var placed bool
		must(t, rows.Scan(&chain, &action, &result, &actor, &object, &placed, &detail))
		if strings.Contains(detail, "typed-my") {
			t.Error("what was typed is kept in clear")
		}
		if !placed {
			t.Errorf("%s has no address or request id", action)
		}
		who := actor
		if actor == id.String() {
			who = "ada"
		}
		got = append(got, fmt.Sprint(chain, " ", action, " ", result, " ", who, " ", object == id.String()))
	}
	must(t, rows.Err())
	want := []string{
		"platform signin.password denied anonymous false",
		"merchant signin.password denied anonymous true",
		"merchant signin.password ok ada true",
		"merchant signin.code ok ada true",
		"merchant signin.out ok ada true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(s.log.String(), testPassword) || strings.Contains(s.log.String(), "typed-my") {
		t.Error("the log holds what was typed")
	}
}

func TestVisitorsFormTokenIsBoundToItsBrowser(t *testing.T) {
	s := newSite(t)
	s.addUser("ada@example.com", domain.Owner)
	a, b := s.browser(), s.browser()
	mine, his := a.token("/signin"), b.token("/signin")
	form := url.Values{"email": {"ada@example.com"}, "password": {testPassword}}
	for name, token := range map[string]string{"another browser's": his, "none": ""} {
		form.Set("_csrf", token)
		if got := a.post("/signin", form); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	form.Set("_csrf", mine)
	s.browser().post("/signin", form).wants(t, http.StatusForbidden) // no cookie at all
	if again := a.token("/signin"); again == mine {
		t.Error("two pages carry the same token")
	}
	a.post("/signin", form).wants(t, http.StatusSeeOther)
	// A visitor's cookie is never a session, whatever it is followed by.
	for _, planted := range []string{"visitor.", "visitor." + a.cookie(), a.cookie() + "x"} {
		s.browser().plant(planted).get("/account").wants(t, http.StatusSeeOther)
	}
}

func TestTooManyAttemptsFromOneAddressAreRefused(t *testing.T) {
	s := newSiteWith(t, signin.Options{PerMinute: 6, Burst: 3})
	s.addUser("ada@example.com", domain.Owner)
	b := s.browser()
	for range 3 {
		b.password("ada@example.com", "wrong").wants(t, http.StatusUnprocessableEntity)
	}
	a := b.password("ada@example.com", testPassword).wants(t, http.StatusTooManyRequests)
	if value, _ := a.doc(t).Find("input[name=email]").Attr("value"); value != "ada@example.com" || !strings.Contains(alert(t, a), "Wait a minute") {
		t.Errorf("%q, %q", value, alert(t, a))
	}
	if _, err := s.signin.Password(t.Context(), "ada@example.com", "wrong", signin.From{IP: "192.0.2.8"}); domain.CodeOf(err) != domain.Unauthorized {
		t.Errorf("another address: %v", err)
	}
	s.clock.Advance(10 * time.Second)
	b.password("ada@example.com", testPassword).wants(t, http.StatusSeeOther)
}
