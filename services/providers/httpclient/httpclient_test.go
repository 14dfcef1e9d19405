package httpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
)

func hostOf(url string) string {
	_, host, _ := strings.Cut(url, "://")
	return host
}

// clientFor makes a client that may call the given address.
func clientFor(t *testing.T, url string, o Options, co ClientOptions) *Client {
	t.Helper()
	o.AllowHosts = append(o.AllowHosts, hostOf(url))
	tr := Transport(o)
	t.Cleanup(tr.CloseIdle)
	co.Provider, co.HTTP = "test", tr
	return New(co)
}

func post(url string) Call {
	return Call{Op: "sale", Method: http.MethodPost, URL: url, Body: []byte(`{"amount":"1"}`), Header: http.Header{"Content-Type": {"application/json"}}}
}

func wantFault(t *testing.T, err error, kind providers.ErrorKind, notDone bool) *providers.Error {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok {
		t.Fatalf("error = %v, want a *providers.Error of kind %s", err, kind)
	}
	if e.Kind != kind || e.NotDone != notDone {
		t.Fatalf("error = %v (not done %v), want %s, not done %v", err, e.NotDone, kind, notDone)
	}
	return e
}

func TestAConnectionThatFailsIsCertainlyNotDone(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	refused := "http://" + closed.Addr().String()

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	quiet := log.New(io.Discard, "", 0)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	defer untrusted.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog = quiet
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	roots := x509.NewCertPool()
	roots.AddCert(old.Certificate())

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	for name, c := range map[string]struct {
		url string
		o   Options
	}{
		"refused":                  {refused, Options{}},
		"no such name":             {"http://nowhere.invalid:80", Options{}},
		"TLS spoken to plain HTTP": {"https://" + hostOf(plain.URL), Options{}},
		"untrusted certificate":    {untrusted.URL, Options{}},
		"TLS 1.1":                  {old.URL, Options{RootCAs: roots}},
		"silent TLS handshake":     {"https://" + silent.Addr().String(), Options{TLSTimeout: 50 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := clientFor(t, c.url, c.o, ClientOptions{}).Do(t.Context(), post(c.url))
			e := wantFault(t, err, providers.KindUnreachable, true)
			if e.Reason != domain.ReasonUnreachable {
				t.Errorf("reason = %q", e.Reason)
			}
		})
	}
}

func TestAHandshakeCutByTheCallersTimeoutIsCertainlyNotDone(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	url := "https://" + silent.Addr().String()
	_, err = clientFor(t, url, Options{}, ClientOptions{Timeout: 50 * time.Millisecond}).Do(t.Context(), post(url))
	wantFault(t, err, providers.KindUnreachable, true)
}

func TestACallThatNeverStartedIsCertainlyNotDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(ClientOptions{}).Do(ctx, post("https://example.com/"))
	wantFault(t, err, providers.KindUnreachable, true)
}

// scripted is a TCP server that hands every request it has read whole to a
// script, which answers or does not.
type scripted struct {
	net.Listener
	requests atomic.Int64
}

func serveScript(t *testing.T, script func(n int64, conn net.Conn)) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l}
	var done sync.WaitGroup
	t.Cleanup(func() { l.Close(); done.Wait() })
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, req.Body); err != nil {
						return
					}
					n := s.requests.Add(1)
					script(n, conn)
				}
			})
		}
	})
	return s
}

func (s *scripted) URL() string { return "http://" + s.Addr().String() }

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

func TestACutAfterTheRequestIsAnUnknownOutcomeAndIsNotRepeated(t *testing.T) {
	for name, script := range map[string]func(int64, net.Conn){
		"no answer":      func(_ int64, c net.Conn) { c.Close() },
		"half a header":  func(_ int64, c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nConte"); c.Close() },
		"half a body":    func(_ int64, c net.Conn) { io.WriteString(c, strings.TrimSuffix(okAnswer, "}")); c.Close() },
		"something else": func(_ int64, c net.Conn) { io.WriteString(c, "220 mail ready\r\n\r\n"); c.Close() },
		"reset":          func(_ int64, c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"cut on a reused connection": func(n int64, c net.Conn) {
			if n == 1 {
				io.WriteString(c, okAnswer)
				return
			}
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveScript(t, script)
			c := clientFor(t, s.URL(), Options{}, ClientOptions{})
			sent := int64(1)
			if strings.Contains(name, "reused") {
				if _, err := c.Do(t.Context(), post(s.URL())); err != nil {
					t.Fatal(err)
				}
				sent = 2
			}
			_, err := c.Do(t.Context(), post(s.URL()))
			wantFault(t, err, providers.KindNoAnswer, false)
			if n := s.requests.Load(); n != sent {
				t.Errorf("the server read %d requests, want %d", n, sent)
			}
		})
	}
}

// A server that closes an idle connection at the moment of the next request is
// the case in which net/http likes to send again by itself.
func TestAStaleConnectionNeverSendsAPostTwice(t *testing.T) {
	s := serveScript(t, func(_ int64, c net.Conn) { io.WriteString(c, okAnswer); c.Close() })
	c := clientFor(t, s.URL(), Options{BreakAfter: 1 << 30}, ClientOptions{})
	tally := map[string]int{}
	for range 500 {
		before := s.requests.Load()
		_, err := c.Do(t.Context(), post(s.URL()))
		after := s.requests.Load() - before
		e, _ := providers.AsError(err)
		switch {
		case err == nil && after == 1:
			tally["done"]++
		case err != nil && e.NotDone && after == 0:
			tally["certainly not"]++
		case err != nil && !e.NotDone && after <= 1:
			tally["unknown"]++
		default:
			t.Fatalf("error %v while the server read %d requests", err, after)
		}
	}
	t.Logf("%v", tally)
	if tally["done"] == 0 {
		t.Error("no request ever arrived")
	}
}

func TestTimeoutsAfterSendingAreUnknown(t *testing.T) {
	for name, script := range map[string]func(stop chan struct{}, c net.Conn){
		"before the first byte": func(stop chan struct{}, _ net.Conn) { <-stop },
		"in the body": func(stop chan struct{}, c net.Conn) {
			io.WriteString(c, strings.TrimSuffix(okAnswer, "}"))
			<-stop
		},
	} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			s := serveScript(t, func(_ int64, c net.Conn) { script(stop, c) })
			t.Cleanup(func() { close(stop) })
			c := clientFor(t, s.URL(), Options{}, ClientOptions{Timeout: 100 * time.Millisecond})
			_, err := c.Do(t.Context(), post(s.URL()))
			e := wantFault(t, err, providers.KindNoAnswer, false)
			if !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("the chain does not show the time-out: %v", e)
			}
		})
	}
}

func TestTheFirstByteHasATimeoutOfItsOwn(t *testing.T) {
	stop := make(chan struct{})
	s := serveScript(t, func(int64, net.Conn) { <-stop })
	t.Cleanup(func() { close(stop) })
	_, err := clientFor(t, s.URL(), Options{FirstByteTimeout: 50 * time.Millisecond}, ClientOptions{}).Do(t.Context(), post(s.URL()))
	wantFault(t, err, providers.KindNoAnswer, false)
	if n := s.requests.Load(); n != 1 {
		t.Errorf("the server read %d requests", n)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer target.Close()
	from := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer from.Close()
	resp, err := clientFor(t, from.URL, Options{AllowHosts: []string{hostOf(target.URL)}}, ClientOptions{}).Do(t.Context(), post(from.URL))
	if err != nil || resp.Status != http.StatusTemporaryRedirect || elsewhere.Load() != 0 {
		t.Fatalf("status %v, error %v, %d requests elsewhere", resp, err, elsewhere.Load())
	}
}

func TestALongAnswerIsGarbageOfUnknownOutcome(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, DefaultMaxBody+1))
	}))
	defer srv.Close()
	_, err := clientFor(t, srv.URL, Options{}, ClientOptions{}).Do(t.Context(), post(srv.URL))
	wantFault(t, err, providers.KindGarbage, false)
}

func TestAConnectionIsReusedAndSaysWhoWeAre(t *testing.T) {
	var from sync.Map
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		from.Store(r.RemoteAddr, r.UserAgent())
		if body, _ := io.ReadAll(r.Body); string(body) != `{"amount":"1"}` || r.ContentLength != int64(len(body)) {
			t.Errorf("body %q of declared length %d", body, r.ContentLength)
		}
	}))
	defer srv.Close()
	c := clientFor(t, srv.URL, Options{}, ClientOptions{})
	for range 5 {
		if _, err := c.Do(t.Context(), post(srv.URL)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	from.Range(func(_, agent any) bool {
		n++
		if agent != UserAgent {
			t.Errorf("user agent %q", agent)
		}
		return true
	})
	if n != 1 {
		t.Errorf("%d connections for 5 calls, want 1", n)
	}
}

func TestOnlyPublicHTTPSOnPort443IsCalled(t *testing.T) {
	var accepted atomic.Int64
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("not listening on %s: %v", addr, err)
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted.Add(1)
				c.Close()
			}
		}()
		t.Cleanup(func() { l.Close() })
		c := New(ClientOptions{Provider: "test", HTTP: Transport(Options{})})
		for _, host := range []string{"127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0177.0.0.1", "127.1"} {
			for _, scheme := range []string{"http", "https"} {
				_, err := c.Do(t.Context(), post(fmt.Sprintf("%s://%s:%d/", scheme, host, port)))
				wantFault(t, err, providers.KindUnreachable, true)
			}
		}
	}
	for _, url := range []string{
		"https://127.0.0.1/", "https://[::1]/", "https://0.0.0.0/", "https://[::ffff:127.0.0.1]/", "https://10.1.2.3/", "https://172.16.0.1/",
		"https://192.168.1.1/", "https://169.254.169.254/", "https://[fd00::1]/", "https://[fe80::1]/", "https://100.64.0.1/", "https://localhost/",
		"https://2130706433/", "https://0177.0.0.1/", "http://example.com/", "https://example.com:8443/", "https://user@example.com/",
		"https://user:pass@127.0.0.1/", "ftp://example.com/", "https:///x",
	} {
		tr := Transport(Options{DialTimeout: time.Second})
		_, err := New(ClientOptions{Provider: "test", HTTP: tr}).Do(t.Context(), post(url))
		wantFault(t, err, providers.KindUnreachable, true)
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("%d connections were accepted", n)
	}
}

// The rule holds at the dial itself, after the name was resolved: here for every
// way of writing this machine's own address, with a listener that must not hear
// of it.
func TestTheAddressIsCheckedWhenItIsDialled(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("not listening on %s: %v", addr, err)
			continue
		}
		accepted := make(chan net.Conn, 100)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- c
			}
		}()
		tr := Transport(Options{DialTimeout: time.Second})
		for _, host := range []string{"127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "localhost"} {
			conn, err := tr.dial(t.Context(), "tcp", net.JoinHostPort(host, fmt.Sprint(l.Addr().(*net.TCPAddr).Port)))
			var refused *RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%s: %v", host, err)
			}
			if conn != nil {
				conn.Close()
			}
		}
		l.Close()
		for c := range accepted {
			t.Errorf("a connection from %s was accepted", c.RemoteAddr())
			c.Close()
		}
	}
}

func TestAnAddressIsRefusedBeforeItsNameIsResolved(t *testing.T) {
	tr := Transport(Options{AllowHosts: []string{"LAN.example:8080", "[::1]:9090", "tls.example:443"}})
	for url, want := range map[string]bool{
		"https://example.com/": true, "https://example.com:443/": true, "http://lan.example:8080/": true, "https://lan.EXAMPLE:8080/": true,
		"http://[::1]:9090/": true, "https://tls.example/": true,
		"http://example.com/": false, "http://example.com:443/": false, "https://example.com:444/": false, "https://u@example.com/": false,
		"https://u:p@lan.example:8080/": false, "http://lan.example:8081/": false, "http://lan.example/": false, "http://tls.example/": false,
		"ftp://example.com:443/": false, "https:///": false, "https://:443/": false,
	} {
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.check(req); (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "8.8.8.8": true,
		"127.0.0.1": false, "10.0.0.1": false, "100.127.255.255": false, "169.254.169.254": false, "172.31.0.1": false, "192.168.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.19.0.1": false, "::": false, "::1": false, "fe80::1": false,
		"fd12::1": false, "ff02::1": false, "::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001:db8::1": false, "2001::1": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Public(%s) = %v", addr, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestTheBreakerOpensPerConnectionAndSendsNothing(t *testing.T) {
	var requests atomic.Int64
	var healthy atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		if !healthy.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer srv.Close()
	tr := Transport(Options{AllowHosts: []string{hostOf(srv.URL)}, BreakAfter: 3, BreakFor: 50 * time.Millisecond})
	defer tr.CloseIdle()
	// A client is made anew for every call, as an adapter may be.
	client := func(conn string) *Client {
		return New(ClientOptions{Provider: "test", Connection: []string{conn}, HTTP: tr})
	}
	for range 3 {
		if _, err := client("a").Do(t.Context(), post(srv.URL)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := client("a").Do(t.Context(), post(srv.URL))
	wantFault(t, err, providers.KindUnreachable, true)
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests went out, want 3", n)
	}
	if _, err := client("b").Do(t.Context(), post(srv.URL)); err != nil {
		t.Errorf("another connection is stopped too: %v", err)
	}
	healthy.Store(true)
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, err := client("a").Do(t.Context(), post(srv.URL)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the breaker never closed again")
		}
	}
}

func TestTheBreakerIgnoresTheCallersOwnLeaving(t *testing.T) {
	stop := make(chan struct{})
	arrived := make(chan struct{}, 10)
	s := serveScript(t, func(n int64, c net.Conn) {
		arrived <- struct{}{}
		if n <= 2 {
			<-stop
			return
		}
		io.WriteString(c, okAnswer)
	})
	t.Cleanup(func() { close(stop) })
	c := clientFor(t, s.URL(), Options{BreakAfter: 1}, ClientOptions{})
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		_, err := c.Do(ctx, post(s.URL()))
		wantFault(t, err, providers.KindNoAnswer, false)
	}
	if _, err := c.Do(t.Context(), post(s.URL())); err != nil {
		t.Errorf("the breaker opened: %v", err)
	}
}

func TestRetryAfterInSecondsAndAsADate(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, "": 0, "soon": 0, "-5": 0, "1.5": 0, "99999999": 24 * time.Hour,
		"Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Sun, 01 Mar 2037 11:00:00 GMT": 24 * time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestStatusFaultsSayWhatIsCertain(t *testing.T) {
	c := New(ClientOptions{Provider: "test"})
	for status, want := range map[int]struct {
		kind    providers.ErrorKind
		notDone bool
	}{
		401: {providers.KindCredentials, true}, 403: {providers.KindCredentials, true}, 429: {providers.KindRateLimited, true},
		500: {providers.KindServer, false}, 503: {providers.KindServer, false}, 522: {providers.KindServer, false},
	} {
		if f := c.StatusFault("sale", &Response{Status: status}); f == nil || f.Kind != want.kind || f.NotDone != want.notDone {
			t.Errorf("%d: %+v", status, f)
		}
	}
	for _, status := range []int{200, 204, 302, 400, 404, 422} {
		if f := c.StatusFault("sale", &Response{Status: status}); f != nil {
			t.Errorf("%d says something: %v", status, f)
		}
	}
}

func TestTheTranscriptAndTheErrorsHoldNoSecret(t *testing.T) {
	const key, token, pan = "key-0123456789", "tok_abcdef", "4111111111111111"
	s := serveScript(t, func(n int64, c net.Conn) {
		if n > 1 {
			c.Close()
			return
		}
		body := `{"echo":"` + key + `","pan":"` + pan + `","text":"` + token + ` ` + pan + `"}`
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	var seen []Exchange
	c := clientFor(t, s.URL(), Options{Transcript: func(x Exchange) { seen = append(seen, x) }}, ClientOptions{Secrets: []string{key}})
	call := Call{
		Op: "sale", Method: http.MethodPost, URL: s.URL() + "/v1/" + key + "/sale", Secrets: []string{token},
		Body: []byte(`{"cardToken":"` + token + `","note":"` + token + ` ` + pan + `"}`), Header: http.Header{"Authorization": {key}},
	}
	if _, err := c.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	_, err := c.Do(t.Context(), call)
	if err == nil {
		t.Fatal("the second call did not fail")
	}
	if len(seen) != 2 || seen[0].Status != 200 || seen[0].Op != "sale" || seen[0].Fault != "" || seen[1].Fault == "" {
		t.Fatalf("transcript: %+v", seen)
	}
	all := fmt.Sprintf("%s %+v", err, err)
	for _, x := range seen {
		all += x.Path + string(x.RequestBody) + string(x.ResponseBody) + x.Fault
	}
	for _, secret := range []string{key, token, pan} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
	if !strings.Contains(seen[0].Path, "/v1/"+Redacted+"/sale") {
		t.Errorf("path = %s", seen[0].Path)
	}
}

func TestAConnectionsCallsInAMinuteAreBoundedAndNothingMoreIsSent(t *testing.T) {
	var served atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { served.Add(1) }))
	defer srv.Close()
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	tr := Transport(Options{AllowHosts: []string{srv.Listener.Addr().String()}})
	defer tr.CloseIdle()
	connect := func(perMinute int) *Client {
		return New(ClientOptions{Provider: "x", Connection: []string{"one"}, HTTP: tr, PerMinute: perMinute, Now: func() time.Time { return now }})
	}
	call := func(c *Client) error {
		_, err := c.Do(t.Context(), Call{Op: "sale", Method: http.MethodPost, URL: srv.URL})
		return err
	}
	c := connect(20) // two may come at once
	for i := range 2 {
		if err := call(c); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	// Another client of the connection shares the bound.
	err := call(connect(20))
	e, ok := providers.AsError(err)
	if !ok || e.Kind != providers.KindRateLimited || !e.NotDone || e.Reason != domain.ReasonRateLimited || e.RetryAfter <= 0 {
		t.Fatalf("error = %v", err)
	}
	if served.Load() != 2 {
		t.Errorf("%d calls were sent", served.Load())
	}
	now = now.Add(3 * time.Second)
	if err := call(c); err != nil {
		t.Errorf("a minute's twentieth later: %v", err)
	}
	if err := call(connect(0)); err != nil {
		t.Errorf("without a bound: %v", err)
	}
}

func TestAnAddressIsJudgedBeforeItIsDialled(t *testing.T) {
	tr := Transport(Options{AllowHosts: []string{"terminal.lan:8443", "127.0.0.1:9090"}})
	for address, ok := range map[string]bool{
		"https://gateway.example/api/v3": true, "https://terminal.lan:8443/api": true, "http://127.0.0.1:9090/cardflo": true,
		"http://gateway.example": false, "https://gateway.example:8443": false, "https://127.0.0.1": false, "https://10.0.0.1": false,
		"https://[::1]": false, "https://[::ffff:127.0.0.1]": false, "https://169.254.169.254/latest": false, "https://100.64.0.1": false, "https://[fd00::1]": false,
		"https://user@gateway.example": false, "https://0.0.0.0": false, "https://2130706433": false, "https://0177.1": false, "https://localhost": false, "https://terminal": false, "ftp://gateway.example": false, "gateway.example": false, "": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.CheckAddress(u); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
