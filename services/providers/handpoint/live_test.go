package handpoint_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

const callbackToken = "a-callback-token-that-nobody-guesses"

var (
	eur      = money.MustCurrency("EUR")
	began    = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	terminal = providers.DeviceRef{Serial: emulator.TerminalSerial, Type: emulator.TerminalType}
	virtual  = providers.DeviceRef{Serial: emulator.VirtualSerial, Type: emulator.VirtualType}
)

func euros(minor int64) money.Amount { return money.FromMinor(minor, eur) }

// live is the emulator with an adapter bound to it, and a server that takes the
// callbacks.
type live struct {
	*handpoint.Adapter
	t        *testing.T
	emulator *emulator.Server
	requests *[]string // method and path with the body
	log      *strings.Builder
	callback *sink
}

type options struct {
	key       string
	callbacks bool
	settings  map[string]string
	config    emulator.Config
}

func start(t *testing.T, o options) live {
	t.Helper()
	if o.key == "" {
		o.key = emulator.SandboxKey
	}
	e := emulator.New(o.config, kit.New(func() time.Time { return began }))
	l := live{t: t, emulator: e, requests: &[]string{}, log: &strings.Builder{}}
	var mu sync.Mutex
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		*l.requests = append(*l.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body)))
		mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		e.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{srv.Listener.Addr().String()}, BreakAfter: 1000,
		Transcript: func(x httpclient.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			l.log.WriteString(x.String() + "\n")
		}})
	t.Cleanup(tr.CloseIdle)
	c := providers.Config{BaseURL: srv.URL + emulator.BasePath, HTTP: tr, Settings: o.settings, Secrets: map[string]string{handpoint.SecretAPIKey: o.key}}
	if o.callbacks {
		l.callback = newSink(t)
		c.CallbackURL, c.Secrets[handpoint.SecretCallbackToken] = l.callback.URL, callbackToken
		e.Kit().Callbacks.Enable(true)
	}
	a, err := handpoint.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l.Adapter = a
	return l
}

// pass moves the emulator's clock and waits for the callbacks of it.
func (l live) pass(d time.Duration) {
	l.emulator.Kit().Clock.Advance(d)
	kit.Pump(l.emulator)
	l.emulator.Kit().Callbacks.Wait()
}

func (l live) set(s emulator.Setting) {
	l.t.Helper()
	if s.Serial == "" {
		s.Serial = emulator.TerminalSerial
	}
	if err := l.emulator.Set(s); err != nil {
		l.t.Fatal(err)
	}
}

func (l live) outcome(o kit.Outcome) {
	l.t.Helper()
	if err := l.emulator.Kit().Outcomes.Push(o); err != nil {
		l.t.Fatal(err)
	}
}

func (l live) fault(f kit.Fault) {
	l.t.Helper()
	if err := l.emulator.Kit().Faults.Push(f); err != nil {
		l.t.Fatal(err)
	}
}

// run starts an operation and reads its result.
func (l live) run(req providers.TerminalRequest) providers.TerminalResult {
	l.t.Helper()
	if req.Device == (providers.DeviceRef{}) {
		req.Device = terminal
	}
	begun, err := l.StartOnTerminal(l.t.Context(), req)
	if err != nil {
		l.t.Fatalf("%s: %v", req.Operation, err)
	}
	if _, done, err := l.TerminalResult(l.t.Context(), begun); done || err != nil {
		l.t.Fatalf("%s: done %v, %v before its time", req.Operation, done, err)
	}
	l.pass(time.Second)
	res, done, err := l.TerminalResult(l.t.Context(), begun)
	if !done || err != nil {
		l.t.Fatalf("%s: done %v, %v", req.Operation, done, err)
	}
	return res
}

// sold makes an approved telephone sale.
func (l live) sold(minor int64) (string, providers.Result) {
	l.t.Helper()
	ref := uuid.NewString()
	res, err := l.SellByToken(l.t.Context(), providers.SaleRequest{Amount: euros(minor), AttemptRef: ref, Token: emulator.TokenVisa})
	if err != nil || res.Outcome != providers.Approved {
		l.t.Fatalf("sale: %+v, %v", res, err)
	}
	return ref, res
}

// held makes an approved preauthorization.
func (l live) held(minor int64) (string, providers.TerminalResult) {
	l.t.Helper()
	ref := uuid.NewString()
	res := l.run(providers.TerminalRequest{Operation: "preAuthorization", Amount: euros(minor), AttemptRef: ref})
	if res.Outcome != providers.Approved {
		l.t.Fatalf("preauthorization: %+v", res)
	}
	return ref, res
}

func (l live) find(q providers.Lookup) providers.Result {
	l.t.Helper()
	res, err := l.FindStatus(l.t.Context(), q)
	if err != nil {
		l.t.Fatalf("status: %v", err)
	}
	return res
}

func wantRefused(t *testing.T, err error, kind providers.ErrorKind, notDone bool, reason domain.Reason) *providers.Error {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok {
		t.Fatalf("%v, want a refusal", err)
	}
	if e.Kind != kind || e.NotDone != notDone || e.Reason != reason {
		t.Errorf("%v (not done %v, reason %q), want %s, %v, %q", e, e.NotDone, e.Reason, kind, notDone, reason)
	}
	return e
}

// sink takes callbacks, and answers what it is told to.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	calls  []providers.Callback
}

func newSink(t *testing.T) *sink {
	s := &sink{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, providers.Callback{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: body, At: time.Now()})
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *sink) got() []providers.Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]providers.Callback{}, s.calls...)
}

// forward is a transport that gives every request to the emulator.
type forward struct {
	t *testing.T
	l live
}

func (f forward) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	*f.l.requests = append(*f.l.requests, r.Method+" "+r.URL.Path+" "+string(body))
	rec := httptest.NewRecorder()
	in := httptest.NewRequest(r.Method, emulator.BasePath+r.URL.Path, strings.NewReader(string(body)))
	in.Header = r.Header.Clone()
	in.Header.Set("ApiKeyCloud", emulator.SandboxKey)
	f.l.emulator.Handler().ServeHTTP(rec, in)
	return rec.Result(), nil
}

func goldenFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
