package handlers

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
	"github.com/counterfoil/counterfoil/web"
)

// clock is the time of a test; it moves only when it is told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// site is the product's real server on a real database, over TLS, with the
// sign-in routes and whatever routes a test adds.
type site struct {
	t        *testing.T
	db       *storetest.DB
	store    *store.Store
	clock    *clock
	sealer   *secrets.Sealer
	signin   *signin.Service
	web      *web.Server
	http     *httptest.Server
	log      *syncBuffer
	merchant domain.MerchantID
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const (
	testPassword = "tangerine rowing boat"
	testSecret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// newSite starts a site with one merchant, which has no people yet.
func newSite(t *testing.T, more ...web.Route) *site {
	t.Helper()
	return newSiteWith(t, signin.Options{PerMinute: 600, Burst: 600}, more...)
}

// newSiteWith is newSite with other limits of signing in.
func newSiteWith(t *testing.T, limits signin.Options, more ...web.Route) *site {
	t.Helper()
	s := &site{t: t, db: storetest.New(t), clock: &clock{t: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}, log: &syncBuffer{}}
	s.store = s.db.Open(t)
	raw, err := secrets.Generate()
	must(t, err)
	s.sealer, err = secrets.FromJSON(raw)
	must(t, err)
	s.signin, err = signin.New(signin.Options{Store: s.store, Sealer: s.sealer, Now: s.clock.Now, PerMinute: limits.PerMinute, Burst: limits.Burst})
	must(t, err)
	s.web, err = web.New(web.Options{
		Store: s.store, Now: s.clock.Now, ErrorPage: ErrorPage, Expired: Expired, PublicURL: "https://pay.example.com",
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	must(t, err)
	s.web.Add(SignIn{Service: s.signin}.Routes()...)
	s.web.Add(Setup{Service: s.signin}.Routes()...)
	s.web.Add(Account{Service: s.signin}.Routes()...)
	s.web.Add(Health{Ready: s.store.Ready}.Routes()...)
	s.web.Add(more...)
	s.http = httptest.NewTLSServer(s.web.Handler())
	t.Cleanup(s.http.Close)
	s.merchant = s.addMerchant("Quay Street Books")
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) addMerchant(name string) domain.MerchantID {
	s.t.Helper()
	m := domain.Merchant{
		ID: domain.NewMerchantID(), Name: name, Place: "Quay Street, Bristol", TimeZone: "Europe/London", Mode: domain.Test,
		Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: s.clock.Now(),
	}
	must(s.t, s.store.InsertMerchant(context.Background(), m))
	return m.ID
}

// addUser adds somebody who signs in with testPassword and testSecret.
func (s *site) addUser(email string, role domain.Role) domain.UserID {
	s.t.Helper()
	id, err := s.signin.CreateUserWithPassword(context.Background(), s.merchant,
		signin.NewPerson{Email: email, Name: "Ada Marsh", Role: role}, testPassword, testSecret)
	must(s.t, err)
	return id
}

// exec changes the database behind the product's back, as its owner.
func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.db.Owner(s.t).Exec(query, args...)
	must(s.t, err)
}

// count asks the database for one number, as its owner.
func (s *site) count(query string, args ...any) int {
	s.t.Helper()
	var n int
	must(s.t, s.db.Owner(s.t).QueryRow(query, args...).Scan(&n))
	return n
}

// code is what the authenticator app shows now.
func (s *site) code() string {
	s.t.Helper()
	code, err := signin.CodeAt(testSecret, s.clock.Now())
	must(s.t, err)
	return code
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	s      *site
	client *http.Client
	header http.Header // sent with every request
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	must(s.t, err)
	return &browser{s: s, header: http.Header{}, client: &http.Client{
		Transport: s.http.Client().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// with is the same browser sending one more header.
func (b *browser) with(name, value string) *browser {
	h := b.header.Clone()
	h.Set(name, value)
	return &browser{s: b.s, client: b.client, header: h}
}

// answer is a response that has been read to its end.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, body io.Reader, kind string) answer {
	b.s.t.Helper()
	req, err := http.NewRequest(method, b.s.http.URL+path, body)
	must(b.s.t, err)
	for name, values := range b.header {
		req.Header[name] = values
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := b.client.Do(req)
	must(b.s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(b.s.t, err)
	return answer{res, string(raw)}
}

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, nil, "") }

func (b *browser) post(path string, form url.Values) answer {
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
}

// token is the form token of the first form on a page.
func (b *browser) token(path string) string {
	b.s.t.Helper()
	token, ok := b.get(path).doc(b.s.t).Find(`input[name=_csrf]`).First().Attr("value")
	if !ok || token == "" {
		b.s.t.Fatalf("%s has no form token", path)
	}
	return token
}

func (a answer) doc(t testing.TB) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(a.body))
	must(t, err)
	return doc
}

// wants fails the test unless the answer has this status.
func (a answer) wants(t testing.TB, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s answers %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, clipped(a.body))
	}
	return a
}

func clipped(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}

// password takes the first step of signing in.
func (b *browser) password(email, password string) answer {
	b.s.t.Helper()
	return b.post("/signin", url.Values{"email": {email}, "password": {password}, "next": {""}, "_csrf": {b.token("/signin")}})
}

// signIn takes both steps. The clock moves on by one step of the second factor,
// since a code works once.
func (b *browser) signIn(email string) *browser {
	b.s.t.Helper()
	b.s.clock.Advance(30 * time.Second)
	b.password(email, testPassword).wants(b.s.t, http.StatusSeeOther)
	b.post("/signin/totp", url.Values{"code": {b.s.code()}, "next": {""}, "_csrf": {b.token("/signin/totp")}}).wants(b.s.t, http.StatusSeeOther)
	return b
}

// cookie is the session cookie as this browser holds it.
func (b *browser) cookie() string {
	u, err := url.Parse(b.s.http.URL)
	must(b.s.t, err)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == web.SessionCookie {
			return c.Value
		}
	}
	return ""
}

// plant makes a browser send a session token that it was not given.
func (b *browser) plant(token string) *browser {
	u, err := url.Parse(b.s.http.URL)
	must(b.s.t, err)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: web.SessionCookie, Value: token, Path: "/", Secure: true}})
	return b
}

func okHandler(c echo.Context) error { return c.String(http.StatusOK, "ok") }

func newPerson(email string) signin.NewPerson {
	return signin.NewPerson{Email: email, Name: "Nia Okafor", Role: domain.Manager}
}

func (s *site) codeOf(t testing.TB, secret string) string {
	t.Helper()
	code, err := signin.CodeAt(secret, s.clock.Now())
	must(t, err)
	return code
}
