package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store/storetest"
	"github.com/counterfoil/counterfoil/static"
)

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server on a real database; routes answer without a session
// unless they say otherwise.
func serve(t *testing.T, opt Options, routes ...Route) (*httptest.Server, *Server, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	opt.Store = storetest.New(t).Open(t)
	opt.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if opt.ErrorPage == nil {
		opt.ErrorPage = func(c echo.Context, status int, err error) error { return c.String(status, domain.MessageOf(err)) }
	}
	opt.Expired = func(c echo.Context) error { return c.String(http.StatusUnauthorized, "expired") }
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	s.Add(routes...)
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.Config = s.HTTPServer()
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, s, log
}

func public(method, path string, h echo.HandlerFunc) Route {
	return Route{Method: method, Path: path, Permission: domain.Public, Sessionless: true, Handler: h}
}

func ask(t *testing.T, method, url string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}

var formHeader = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

func TestSafeNextIsALocalPageOrNothing(t *testing.T) {
	for next, safe := range map[string]bool{
		"/": true, "/payments": true, "/payments?status=approved&from=2026-10-01": true, "/payments/new?amount=12.50&order_reference=A%261": true, "/a%20b": true,
		"": false, "payments": false, "//evil.example": false, "///evil.example": false, `/\evil.example`: false, `\\evil.example`: false, "/a//b": false,
		"https://evil.example/": false, "http:evil.example": false, "javascript:alert(1)": false, "/\tevil": false, "/\r\nSet-Cookie: a=b": false, "/%0d%0aX: y": false,
		"/%5cevil.example": false, "/%2f/evil.example": false, "/a#b": false, "/%zz": false, "/signin": false, "/signin/totp": false, "/signout": false, "/setup/abc": false,
		"/" + strings.Repeat("a", 3000): false, "\x00/": false, "?x": false, "/.//evil.example": false, "@evil.example": false,
	} {
		if got := SafeNext(next); (got != "") != safe || safe && got != next {
			t.Errorf("%q gives %q", next, got)
		}
	}
}

func TestSafeNextNeverLeavesTheHost(t *testing.T) {
	base, err := url.Parse("https://pay.example.com/signin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.StringMatching(`[/\\.:@a%0-9?#&=\t \r\n-]{0,24}`).Draw(t, "next")
		safe := SafeNext(next)
		if safe == "" {
			return
		}
		// A browser drops tabs and line ends and reads \ as /.
		u, err := base.Parse(strings.NewReplacer("\t", "", "\r", "", "\n", "", `\`, "/").Replace(safe))
		if err != nil || u.Host != base.Host || u.Scheme != "https" {
			t.Fatalf("%q leads to %v, %v", next, u, err)
		}
	})
}

func TestRedirectRefusesOtherHosts(t *testing.T) {
	srv, _, _ := serve(t, Options{}, public(http.MethodGet, "/go", func(c echo.Context) error { return Redirect(c, c.QueryParam("to")) }))
	for to, want := range map[string]int{"/here": 303, "//evil": 500, "https://evil": 500, `/\evil`: 500, "": 500} {
		if res, _ := ask(t, http.MethodGet, srv.URL+"/go?to="+url.QueryEscape(to), nil, nil); res.StatusCode != want {
			t.Errorf("%q: %d", to, res.StatusCode)
		}
	}
	res, _ := ask(t, http.MethodGet, srv.URL+"/go?to=/here", http.Header{"Hx-Request": {"true"}}, nil)
	if res.StatusCode != 200 || res.Header.Get("HX-Redirect") != "/here" {
		t.Errorf("htmx: %d %v", res.StatusCode, res.Header)
	}
}

func TestOnlyTheNamedPageMayShowAForeignFrame(t *testing.T) {
	srv, _, _ := serve(t, Options{},
		public(http.MethodGet, "/frame", func(c echo.Context) error {
			AllowFrame(c, c.QueryParam("origin"))
			return c.String(200, "")
		}),
		public(http.MethodGet, "/framed", func(c echo.Context) error {
			FramableBySelf(c)
			return c.String(200, "")
		}))
	for origin, want := range map[string]string{
		"https://cards.example.com":           "frame-src 'self' https://cards.example.com;",
		"http://127.0.0.1:9090":               "frame-src 'self' http://127.0.0.1:9090;",
		"https://evil.example; script-src *":  "frame-src 'none';",
		"https://a.example https://b.example": "frame-src 'none';",
		"https://*":                           "frame-src 'none';",
		"https://a.example/path":              "frame-src 'none';",
		"javascript:":                         "frame-src 'none';",
		"*":                                   "frame-src 'none';",
		"https://":                            "frame-src 'none';",
		"https://a.example\r\nX: y":           "frame-src 'none';",
		"data:":                               "frame-src 'none';",
		"":                                    "frame-src 'none';",
	} {
		res, _ := ask(t, http.MethodGet, srv.URL+"/frame?origin="+url.QueryEscape(origin), nil, nil)
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, want) || strings.Count(csp, "script-src") != 1 || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%q: %s", origin, csp)
		}
	}
	res, _ := ask(t, http.MethodGet, srv.URL+"/framed", nil, nil)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'self';") || !strings.Contains(csp, "frame-src 'none'") {
		t.Error(csp)
	}
	if res.Header.Get("Strict-Transport-Security") != "" {
		t.Error("a server without an https address demands https")
	}
}

func TestFormAcceptsOnlyItsOwnFieldsOnce(t *testing.T) {
	srv, _, _ := serve(t, Options{}, public(http.MethodPost, "/form", func(c echo.Context) error {
		v, err := Form(c, "amount", "note")
		if err != nil {
			return err
		}
		return c.String(200, v.Get("amount")+"|"+v.Get("note")+"|"+v.Key())
	}))
	for body, want := range map[string]struct {
		status int
		said   string
	}{
		"amount=1&note=x&_key=k&_csrf=c":        {200, "1|x|k"},
		"":                                      {200, "||"},
		"amount=1&amount=100":                   {400, ""},
		"amount=1&merchant_id=2":                {400, ""},
		"amount=1&status=approved":              {400, ""},
		"amount=%zz":                            {400, ""},
		"amount=%ff":                            {400, ""},
		"note=" + strings.Repeat("x", MaxValue): {200, "|" + strings.Repeat("x", MaxValue) + "|"},
		"note=" + strings.Repeat("x", MaxValue+1):    {400, ""},
		"note=" + strings.Repeat("%C3%A9", MaxValue): {200, "|" + strings.Repeat("é", MaxValue) + "|"},
		"note=" + strings.Repeat("x", FormLimit):     {413, ""},
	} {
		res, got := ask(t, http.MethodPost, srv.URL+"/form?amount=999", formHeader, strings.NewReader(body))
		if res.StatusCode != want.status || want.status == 200 && got != want.said {
			t.Errorf("%.60q: %d %.60q", body, res.StatusCode, got)
		}
	}
	for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", ""} {
		if res, _ := ask(t, http.MethodPost, srv.URL+"/form", http.Header{"Content-Type": {kind}}, strings.NewReader("amount=1")); res.StatusCode != 415 {
			t.Errorf("%q: %d", kind, res.StatusCode)
		}
	}
}

func TestForwardedAddressIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	proxies, err := ParseProxies("127.0.0.1, 10.0.0.0/8 ,::1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseProxies("10.0.0.0/8, proxy.local"); domain.CodeOf(err) != domain.Invalid || !strings.Contains(err.Error(), "proxy.local") {
		t.Errorf("a name: %v", err)
	}
	for _, c := range []struct {
		trusted bool
		peer    string
		header  []string
		want    string
	}{
		{false, "127.0.0.1:5", []string{"203.0.113.9"}, "127.0.0.1"},
		{true, "127.0.0.1:5", nil, "127.0.0.1"},
		{true, "127.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{true, "127.0.0.1:5", []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{true, "127.0.0.1:5", []string{"6.6.6.6, 203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		{true, "127.0.0.1:5", []string{"6.6.6.6", "203.0.113.9"}, "203.0.113.9"},
		{true, "198.51.100.1:5", []string{"203.0.113.9"}, "198.51.100.1"},
		{true, "127.0.0.1:5", []string{"nonsense"}, "127.0.0.1"},
		{true, "[::ffff:127.0.0.1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
	} {
		s := &Server{}
		if c.trusted {
			s.opt.TrustedProxies = proxies
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for _, h := range c.header {
			r.Header.Add("X-Forwarded-For", h)
		}
		if got := s.clientIP(r); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestAccessLogHasNoQueryAndNoLongSecret(t *testing.T) {
	srv, _, log := serve(t, Options{}, public(http.MethodGet, "/setup/:token", func(c echo.Context) error { return c.String(200, "") }))
	token := strings.Repeat("Ab9_", 11)
	for _, path := range []string{"/setup/" + token, "/setup/" + token + "/extra?q=4111111111111111", "/x?token=" + token} {
		ask(t, http.MethodGet, srv.URL+path, nil, nil)
	}
	id := domain.NewPaymentID().String()
	ask(t, http.MethodGet, srv.URL+"/payments/"+id, nil, nil)
	ask(t, http.MethodGet, srv.URL+"/line%0afeed%1b[31m", nil, nil)
	got := log.String()
	if strings.Contains(got, token) || strings.Contains(got, "4111") || strings.Contains(got, "line\nfeed") || strings.Contains(got, "\x1b") {
		t.Errorf("the log holds what it must not:\n%s", got)
	}
	if !strings.Contains(got, "/setup/[redacted]") || !strings.Contains(got, "/payments/"+id) {
		t.Errorf("the log does not say what was asked for:\n%s", got)
	}
}

func TestPanicIsA500AndTheServerLives(t *testing.T) {
	srv, _, log := serve(t, Options{}, public(http.MethodGet, "/panics", func(echo.Context) error { panic("inside") }), public(http.MethodGet, "/fine", func(c echo.Context) error { return c.String(200, "fine") }))
	res, body := ask(t, http.MethodGet, srv.URL+"/panics", nil, nil)
	if res.StatusCode != 500 || strings.Contains(body, "inside") || !strings.Contains(log.String(), "inside") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if res, _ := ask(t, http.MethodGet, srv.URL+"/fine", nil, nil); res.StatusCode != 200 {
		t.Error("the server is gone")
	}
}

func TestABrowserThatWentAwayIsNoErrorOfOurs(t *testing.T) {
	inside, done := make(chan struct{}), make(chan struct{})
	srv, _, log := serve(t, Options{}, Route{Method: http.MethodGet, Path: "/slow", Permission: domain.Public, Handler: func(c echo.Context) error {
		defer close(done)
		close(inside)
		<-c.Request().Context().Done()
		// What a driver makes of a query that was cut off.
		return domain.Wrap(driver.ErrBadConn, domain.Unavailable, "The database does not answer at the moment.")
	}})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-inside; cancel() }()
	if res, err := srv.Client().Do(req); err == nil {
		res.Body.Close()
	}
	<-done
	srv.Close() // waits for the request's last line
	if strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("the log holds an error:\n%s", log.String())
	}
}

func TestErrorPageThatFailsIsPlainTextWithTheRequestID(t *testing.T) {
	srv, _, log := serve(t, Options{ErrorPage: func(echo.Context, int, error) error { return errors.New("template broke") }},
		public(http.MethodGet, "/gone", func(echo.Context) error { return domain.Errorf(domain.NotFound, "It is gone.") }))
	res, body := ask(t, http.MethodGet, srv.URL+"/gone", nil, nil)
	if res.StatusCode != 404 || !strings.Contains(body, "It is gone.") || !strings.Contains(body, res.Header.Get("X-Request-Id")) || !strings.Contains(log.String(), "template broke") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

func TestEachCodeHasOneStatus(t *testing.T) {
	for code, want := range map[domain.Code]int{
		"": 200, domain.Invalid: 422, domain.Unauthorized: 401, domain.Forbidden: 403, domain.NotFound: 404, domain.Conflict: 409,
		domain.Duplicate: 409, domain.TooMany: 429, domain.Unavailable: 503, domain.Internal: 500, "never heard of": 500,
	} {
		if got := StatusOf(code); got != want {
			t.Errorf("%q: %d", code, got)
		}
	}
}

func TestComponentThatFailsLeavesNoHalfPage(t *testing.T) {
	half := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, "<h1>half")
		return errors.New("broke off")
	})
	srv, _, _ := serve(t, Options{}, public(http.MethodGet, "/half", func(c echo.Context) error { return Render(c, 200, half) }))
	if res, body := ask(t, http.MethodGet, srv.URL+"/half", nil, nil); res.StatusCode != 500 || strings.Contains(body, "half") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

func TestLargePagesAreCompressedForWhoTakesIt(t *testing.T) {
	text := strings.Repeat("<p>one more row</p>", 500)
	page := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	srv, _, _ := serve(t, Options{}, public(http.MethodGet, "/page", func(c echo.Context) error { return Render(c, 200, page) }))
	for accept, want := range map[string]bool{"gzip": true, "br, gzip;q=0.8": true, "": false, "identity": false, "gzip;q=0": false, "gzip; q=0.0": false, "br": false} {
		res, body := ask(t, http.MethodGet, srv.URL+"/page", http.Header{"Accept-Encoding": {accept}}, nil)
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: compressed %v", accept, got)
		} else if got {
			r, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(r)
			if err != nil || string(raw) != text {
				t.Errorf("%q: %v", accept, err)
			}
		} else if body != text {
			t.Errorf("%q: another page", accept)
		}
		if res.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%v", res.Header)
		}
	}
	res, body := ask(t, http.MethodHead, srv.URL+"/page", nil, nil)
	if res.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d %d", res.StatusCode, len(body))
	}
}

func TestPolicyViolationsAreCountedAndLoggedSparingly(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	srv, s, log := serve(t, Options{Now: func() time.Time { return now }})
	report := `{"csp-report":{"document-uri":"https://pay.example.com/payments?q=secret","effective-directive":"script-src","blocked-uri":"https://evil.example/x.js?leak=1"}}`
	for range cspLogPerMin + 30 {
		res, _ := ask(t, http.MethodPost, srv.URL+"/csp-report", http.Header{"Content-Type": {"application/csp-report"}, "Sec-Fetch-Site": {"cross-site"}}, strings.NewReader(report))
		if res.StatusCode != 204 {
			t.Fatal(res.StatusCode)
		}
	}
	if s.CSPReports() != cspLogPerMin+30 {
		t.Errorf("%d counted", s.CSPReports())
	}
	got := log.String()
	if n := strings.Count(got, "content security policy violated"); n != cspLogPerMin {
		t.Errorf("%d logged", n)
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "leak") || !strings.Contains(got, "https://evil.example") || !strings.Contains(got, "script-src") {
		t.Errorf("the log says %s", clip(got, 500))
	}
	if res, _ := ask(t, http.MethodPost, srv.URL+"/csp-report", nil, strings.NewReader(strings.Repeat("x", cspReportLimit+1))); res.StatusCode != 413 {
		t.Errorf("a report that is too large: %d", res.StatusCode)
	}
	if res, _ := ask(t, http.MethodPost, srv.URL+"/csp-report", nil, strings.NewReader("not JSON")); res.StatusCode != 204 {
		t.Errorf("not JSON: %d", res.StatusCode)
	}
}

func TestWebhooksMayComeFromAnywhereAndFormsMayNot(t *testing.T) {
	srv, _, _ := serve(t, Options{},
		public(http.MethodPost, "/webhooks/:provider/:id", func(c echo.Context) error { return c.String(200, "") }),
		public(http.MethodPost, "/form", func(c echo.Context) error { return c.String(200, "") }))
	foreign := http.Header{"Origin": {"https://provider.example"}, "Sec-Fetch-Site": {"cross-site"}}
	if res, _ := ask(t, http.MethodPost, srv.URL+"/webhooks/x/1", foreign, nil); res.StatusCode != 200 {
		t.Errorf("webhook: %d", res.StatusCode)
	}
	if res, _ := ask(t, http.MethodPost, srv.URL+"/form", foreign, nil); res.StatusCode != 403 {
		t.Errorf("form: %d", res.StatusCode)
	}
}

func TestAssetsAreServedForEver(t *testing.T) {
	srv, _, _ := serve(t, Options{})
	res, body := ask(t, http.MethodGet, srv.URL+static.URL("app.css"), nil, nil)
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || len(body) < 1000 {
		t.Errorf("%d %q %d bytes", res.StatusCode, res.Header.Values("Cache-Control"), len(body))
	}
	if len(res.Header.Values("Set-Cookie")) != 0 {
		t.Error("an asset sets a cookie")
	}
}

func TestEveryTimeLimitIsSet(t *testing.T) {
	_, s, _ := serve(t, Options{})
	h := s.HTTPServer()
	for name, d := range map[string]time.Duration{"ReadHeader": h.ReadHeaderTimeout, "Read": h.ReadTimeout, "Write": h.WriteTimeout, "Idle": h.IdleTimeout} {
		if d <= 0 {
			t.Errorf("%s has no limit", name)
		}
	}
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	_, s, _ := serve(t, Options{})
	h := s.HTTPServer()
	h.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go h.Serve(l) //nolint:errcheck // ends with Close
	defer h.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(conn)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Error("the connection stays open")
	}
}

func TestMistakesInTheRouteTablePanicAtStart(t *testing.T) {
	_, s, _ := serve(t, Options{}, public(http.MethodGet, "/a", nil))
	for name, r := range map[string]Route{
		"twice":                      public(http.MethodGet, "/a", nil),
		"no session, but permission": {Method: http.MethodGet, Path: "/b", Permission: domain.PaymentsRead, Sessionless: true},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			s.Add(r)
		}()
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a server without a store starts")
	}
	if _, err := New(Options{Store: s.opt.Store, ErrorPage: s.opt.ErrorPage, Expired: s.opt.Expired, PublicURL: "pay.example.com"}); domain.CodeOf(err) != domain.Invalid {
		t.Error("a public address without a scheme is accepted")
	}
}

func TestIdleOfASessionIsNotProlongedByScs(t *testing.T) {
	_, s, _ := serve(t, Options{})
	if s.sessions.scs.IdleTimeout != 0 {
		t.Error("scs would write every session on every request")
	}
}

func TestFormTokensOfOneSessionDifferAndAllCount(t *testing.T) {
	secret := newSecret()
	nonceA, nonceB := bytes.Repeat([]byte{1}, csrfNonce), bytes.Repeat([]byte{2}, csrfNonce)
	a, b := csrfMAC(secret, nonceA), csrfMAC(secret, nonceB)
	if bytes.Equal(a[csrfNonce:], b[csrfNonce:]) || len(a) != csrfNonce+32 {
		t.Error("the token does not depend on its nonce")
	}
	if bytes.Equal(a, csrfMAC(newSecret(), nonceA)) {
		t.Error("the token does not depend on the session")
	}
}
