package cloudflow_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

const attempt = "b7b2360d-3e9e-4b62-9a3a-2e6ef6c5cd01"

// sent is a request as it left.
type sent struct {
	method, uri, contentType, authorization string
	body                                    []byte
}

type room struct {
	*emulator.Server
	srv     *httptest.Server
	adapter *cloudflow.Adapter

	mu    sync.Mutex
	sent  []sent
	lines []string
}

type option func(*providers.Config)

func with(settings map[string]string) option {
	return func(c *providers.Config) {
		for k, v := range settings {
			c.Settings[k] = v
		}
	}
}

var offered = with(map[string]string{
	cloudflow.SettingAsyncRequests: emulator.RequestsPath, cloudflow.SettingAsyncForm: "yes",
})

func open(t *testing.T, options ...option) *room {
	t.Helper()
	r := &room{Server: emulator.New(emulator.Config{}, nil)}
	r.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(req.Body); err != nil {
			t.Error(err)
		}
		req.Body = http.NoBody
		if body.Len() > 0 {
			req.Body = readCloser{bytes.NewReader(body.Bytes())}
		}
		r.mu.Lock()
		r.sent = append(r.sent, sent{req.Method, req.RequestURI, req.Header.Get("Content-Type"), req.Header.Get("Authorization"), body.Bytes()})
		r.mu.Unlock()
		r.Handler().ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		r.Kit().Faults.Reset()
		r.srv.Close()
	})
	r.adapter = r.connect(t, r.srv.URL, options...)
	return r
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func (r *room) connect(t *testing.T, origin string, options ...option) *cloudflow.Adapter {
	t.Helper()
	_, host, _ := strings.Cut(origin, "://")
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = append(r.lines, x.String())
	}})
	t.Cleanup(tr.CloseIdle)
	c := providers.Config{
		BaseURL: origin + emulator.BasePath, HTTP: tr, Now: time.Now,
		Settings: map[string]string{cloudflow.SettingAccountID: emulator.SandboxAccountID},
		Secrets:  map[string]string{cloudflow.SecretAPIToken: emulator.SandboxAPIToken},
	}
	for _, o := range options {
		o(&c)
	}
	a, err := cloudflow.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *room) requests() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sent{}, r.sent...)
}

func (r *room) fault(t *testing.T, f kit.Fault) {
	t.Helper()
	if err := r.Kit().Faults.Push(f); err != nil {
		t.Fatal(err)
	}
}

func saleOn(device string) providers.TerminalRequest {
	return providers.TerminalRequest{
		Device: providers.DeviceRef{Ref: device}, Operation: "sale", Amount: money.FromMinor(2000, money.MustCurrency("EUR")), AttemptRef: attempt,
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

func TestTheBearerIsBase64OfTheTwoCredentials(t *testing.T) {
	r := open(t)
	if err := r.adapter.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := r.requests()[0]
	text, ok := strings.CutPrefix(got.authorization, "Bearer ")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || string(raw) != `{"accountId":"Sandbox-Account","apiToken":"Sandbox-Api-Token"}` {
		t.Errorf("%q %v", raw, err)
	}
	if got.method != http.MethodGet || got.uri != "/cloudflow/token" {
		t.Errorf("%+v", got)
	}
}

func TestCredentialsInTheWrongCaseAreRefused(t *testing.T) {
	for name, c := range map[string]option{
		"account": with(map[string]string{cloudflow.SettingAccountID: strings.ToLower(emulator.SandboxAccountID)}),
		"token": func(c *providers.Config) {
			c.Secrets = map[string]string{cloudflow.SecretAPIToken: strings.ToUpper(emulator.SandboxAPIToken)}
		},
	} {
		p, err := open(t, c).adapter.TestConnection(t.Context())
		if err != nil || p.OK || p.Code != "unauthorized" || p.ToDo == "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestDevices(t *testing.T) {
	r := open(t)
	all, err := r.adapter.Devices(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	want := providers.Device{Ref: emulator.DeviceOnline, Serial: "SN-0001", Type: "Albert", Name: "Counter", Location: "Shop", Merchant: emulator.SandboxAccountID}
	if all[0] != want {
		t.Errorf("%+v", all[0])
	}
	for _, tt := range []struct {
		filter cloudflow.DeviceFilter
		uri    string
		found  int
	}{
		{cloudflow.DeviceFilter{Model: "Albert"}, "/cloudflow/devices?model=Albert", 2},
		{cloudflow.DeviceFilter{SerialNumber: "SN-0003"}, "/cloudflow/devices?serialNumber=SN-0003", 1},
		{cloudflow.DeviceFilter{Location: "Shop"}, "/cloudflow/devices?location=Shop", 2},
		{cloudflow.DeviceFilter{Model: "Albert", Location: "Shop"}, "/cloudflow/devices?location=Shop&model=Albert", 1},
		{cloudflow.DeviceFilter{Model: "albert"}, "/cloudflow/devices?model=albert", 0},
	} {
		got, err := r.adapter.FindDevices(t.Context(), tt.filter)
		if err != nil || got == nil || len(got) != tt.found {
			t.Errorf("%+v: %+v, %v", tt.filter, got, err)
		}
		if last := r.requests()[len(r.requests())-1]; last.uri != tt.uri {
			t.Errorf("%+v: asked for %s", tt.filter, last.uri)
		}
	}
}

func TestOneDevice(t *testing.T) {
	r := open(t)
	d, err := r.adapter.Device(t.Context(), emulator.DeviceSecond)
	if err != nil || d.Serial != "SN-0003" {
		t.Errorf("%+v, %v", d, err)
	}
	for _, ref := range []string{"no-such-terminal", emulator.OtherDevice, "../token", "a/connected"} {
		_, err := r.adapter.Device(t.Context(), ref)
		if e := fault(t, err); e.Code != "notFound" {
			t.Errorf("%s: %v", ref, e)
		}
	}
	before := len(r.requests())
	for _, ref := range []string{"", ".", "..", "a\nb", strings.Repeat("x", 201)} {
		_, err := r.adapter.Device(t.Context(), ref)
		if e := fault(t, err); !e.NotDone {
			t.Errorf("%q: %v", ref, e)
		}
	}
	if len(r.requests()) != before {
		t.Error("a reference that cannot be one was sent")
	}
}

func TestConnectedReadsBoth404And410AsNotConnected(t *testing.T) {
	r := open(t)
	for ref, want := range map[string]providers.DeviceState{
		emulator.DeviceOnline: {Connected: true, Code: "200"},
		emulator.DeviceOffline: {Code: "connectionLost", Said: "The target the request was intended for is not available",
			Meaning: "The terminal is not connected, and nothing was sent to it."},
		"no-such-terminal": {Code: "notFound", Said: "The item requested or referenced does not exist", Meaning: "CloudFlow does not know this terminal."},
	} {
		got, err := r.adapter.Connected(t.Context(), providers.DeviceRef{Ref: ref})
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
	if err := r.SetConnected(emulator.DeviceOnline, false); err != nil {
		t.Fatal(err)
	}
	if got, err := r.adapter.Connected(t.Context(), providers.DeviceRef{Ref: emulator.DeviceOnline}); err != nil || got.Connected {
		t.Errorf("after it went: %+v, %v", got, err)
	}
	// The same two words under the other's status are still "not connected".
	for _, f := range []kit.Fault{
		{Kind: kit.FaultStatus, Status: 404, Body: `{"errorMessage":"gone","errorCode":"connectionLost"}`},
		{Kind: kit.FaultStatus, Status: 410, Body: `{"errorMessage":"none","errorCode":"notFound"}`},
	} {
		r.fault(t, f)
		if got, err := r.adapter.Connected(t.Context(), providers.DeviceRef{Ref: emulator.DeviceSecond}); err != nil || got.Connected {
			t.Errorf("%+v: %+v, %v", f, got, err)
		}
	}
	// A page of somebody else's is no word of CloudFlow's.
	r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: 404, Body: `<html>not here</html>`})
	if _, err := r.adapter.Connected(t.Context(), providers.DeviceRef{Ref: emulator.DeviceSecond}); fault(t, err).Kind != providers.KindGarbage {
		t.Errorf("%v", err)
	}
}

// TestErrorCodes is the whole table of seed 000, on a question and on a request
// that may move money.
func TestErrorCodes(t *testing.T) {
	for _, tt := range []struct {
		code    string
		status  int
		kind    providers.ErrorKind
		notDone bool
		reason  domain.Reason
		probe   bool
	}{
		{"failed", 400, providers.KindServer, false, domain.ReasonNone, false},
		{"unauthorized", 401, providers.KindCredentials, true, domain.ReasonCredentials, true},
		{"forbidden", 403, providers.KindCredentials, true, domain.ReasonNotAllowed, true},
		{"notFound", 404, providers.KindRefused, true, domain.ReasonInvalidRequest, true},
		{"duplicateItem", 409, providers.KindRefused, false, domain.ReasonNone, true},
		{"connectionLost", 410, providers.KindRefused, true, domain.ReasonDeviceOffline, true},
		{"preconditionFailed", 412, providers.KindRefused, true, domain.ReasonWrongState, true},
		{"storageFailed", 417, providers.KindServer, false, domain.ReasonNone, false},
		{"invalidData", 422, providers.KindRefused, true, domain.ReasonInvalidRequest, true},
		{"tooManyConnections", 429, providers.KindRateLimited, true, domain.ReasonRateLimited, false},
	} {
		t.Run(tt.code, func(t *testing.T) {
			r := open(t, offered)
			for name, ask := range map[string]func() error{
				"devices": func() error { _, err := r.adapter.Devices(t.Context()); return err },
				"start": func() error {
					_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
					return err
				},
			} {
				f := kit.Fault{Kind: kit.FaultStatus, Status: tt.status, RetryAfter: 7}
				if name == "start" {
					f.Method = http.MethodPost
				}
				r.fault(t, f)
				e := fault(t, ask())
				if e.Code != tt.code || e.Kind != tt.kind || e.NotDone != tt.notDone || e.Reason != tt.reason || e.Text == "" || len(e.Raw) == 0 {
					t.Errorf("%s: %+v", name, e)
				}
				if want := 7 * time.Second; tt.status == 429 && e.RetryAfter != want {
					t.Errorf("%s: Retry-After %s", name, e.RetryAfter)
				}
			}
			r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: tt.status})
			p, err := r.adapter.TestConnection(t.Context())
			if tt.probe != (err == nil) || p.OK || (tt.probe && (p.Code != tt.code || p.Said == "" || p.Meaning == "" || p.ToDo == "")) {
				t.Errorf("probe: %+v, %v", p, err)
			}
			if n := len(r.State().Charges); n != 0 {
				t.Errorf("%d requests were taken", n)
			}
		})
	}
}

func TestACodeUnderAnotherStatusOrAnUnknownOneIsNoNo(t *testing.T) {
	r := open(t, offered)
	for _, f := range []kit.Fault{
		{Status: 400, Body: `{"errorMessage":"m","errorCode":"invalidData"}`},
		{Status: 418, Body: `{"errorMessage":"m","errorCode":"teapot"}`},
		{Status: 410, Body: `{"errorMessage":"m","errorCode":"ConnectionLost"}`},
		{Status: 410, Body: `{"errorMessage":"m","ErrorCode":"connectionLost"}`},
		{Status: 410, Body: `gone`},
		{Status: 500, Body: `{"errorMessage":"m","errorCode":"invalidData"}`},
	} {
		f.Kind, f.Method = kit.FaultStatusAfter, http.MethodPost
		r.Reset()
		r.fault(t, f)
		_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
		if e := fault(t, err); e.NotDone || e.Reason != domain.ReasonNone {
			t.Errorf("%+v: %+v", f, e)
		}
	}
}

func TestProbe(t *testing.T) {
	r := open(t)
	p, err := r.adapter.TestConnection(t.Context())
	if err != nil || !p.OK || p.ToDo != "" || p.Meaning != "CloudFlow accepts the account, which has 3 terminals." {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = open(t, func(c *providers.Config) {
		c.Settings[cloudflow.SettingAccountID] = emulator.ForbiddenAccountID
		c.Secrets = map[string]string{cloudflow.SecretAPIToken: emulator.ForbiddenAPIToken}
	}).adapter.TestConnection(t.Context())
	if err != nil || p.OK || p.Code != "forbidden" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAnAnswerOfAnotherFormIsGarbage(t *testing.T) {
	const (
		token  = `{"connectionType":"websocket","connectionUrl":"wss://x","tokenType":"jwt","accessToken":"a.b.c"}`
		device = `{"clientAccountId":"a","referenceId":"dev-online-0001","serialNumber":"s","model":"m","name":"n","location":"l"}`
	)
	r := open(t, offered)
	asks := map[string]func() error{
		"token":   func() error { return r.adapter.Token(t.Context()) },
		"devices": func() error { _, err := r.adapter.Devices(t.Context()); return err },
		"device":  func() error { _, err := r.adapter.Device(t.Context(), emulator.DeviceOnline); return err },
		"connected": func() error {
			_, err := r.adapter.Connected(t.Context(), providers.DeviceRef{Ref: emulator.DeviceOnline})
			return err
		},
		"start": func() error {
			_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
			return err
		},
	}
	for _, tt := range []struct{ ask, name, body string }{
		{"token", "another type", strings.Replace(token, "jwt", "opaque", 1)},
		{"token", "no websocket", strings.Replace(token, `"websocket"`, `"pigeon"`, 1)},
		{"token", "no access token", strings.Replace(token, "a.b.c", "", 1)},
		{"token", "a name in another case", strings.Replace(token, "accessToken", "AccessToken", 1)},
		{"token", "a list", "[]"},
		{"devices", "an object", device},
		{"devices", "null", "null"},
		{"devices", "no reference", `[` + strings.Replace(device, "dev-online-0001", "", 1) + `]`},
		{"devices", "a reference in another case", `[` + strings.Replace(device, "referenceId", "referenceID", 1) + `]`},
		{"devices", "a number", `[7]`},
		{"device", "another terminal", strings.Replace(device, "0001", "0002", 1)},
		{"device", "a list", "[" + device + "]"},
		{"connected", "a list", "[]"},
		{"connected", "a text", `"yes"`},
		{"connected", "null", "null"},
		{"start", "another request", `{"requestId":"c0ffee00-0000-4000-8000-000000000000"}`},
		{"start", "no request", `{}`},
		{"start", "a name in another case", `{"RequestId":"` + attempt + `"}`},
	} {
		r.Reset()
		f := kit.Fault{Kind: kit.FaultGarbage, Body: tt.body}
		if tt.ask == "start" {
			f.Method = http.MethodPost
		}
		r.fault(t, f)
		if e := fault(t, asks[tt.ask]()); e.Kind != providers.KindGarbage || e.NotDone {
			t.Errorf("%s, %s: %+v", tt.ask, tt.name, e)
		}
	}
}

func TestFaultsOfTheLine(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   kit.Fault
		kind    providers.ErrorKind
		notDone bool
		done    int // requests that the terminal has
	}{
		{"dropped before", kit.Fault{Kind: kit.FaultDropBefore}, providers.KindNoAnswer, false, 0},
		{"dropped after", kit.Fault{Kind: kit.FaultDropAfter}, providers.KindNoAnswer, false, 1},
		{"slow", kit.Fault{Kind: kit.FaultDelayReply}, providers.KindNoAnswer, false, 1},
		{"garbage", kit.Fault{Kind: kit.FaultGarbage}, providers.KindGarbage, false, 1},
		{"wrong content type", kit.Fault{Kind: kit.FaultWrongContentType}, providers.KindGarbage, false, 1},
		{"oversize", kit.Fault{Kind: kit.FaultOversize, Size: 2 << 20}, providers.KindGarbage, false, 1},
		{"401", kit.Fault{Kind: kit.FaultStatus, Status: 401}, providers.KindCredentials, true, 0},
		{"403", kit.Fault{Kind: kit.FaultStatus, Status: 403}, providers.KindCredentials, true, 0},
		{"429", kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 7}, providers.KindRateLimited, true, 0},
		{"500", kit.Fault{Kind: kit.FaultStatus, Status: 500}, providers.KindServer, false, 0},
		{"500 after it was taken", kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}, providers.KindServer, false, 1},
		{"503 after it was taken", kit.Fault{Kind: kit.FaultStatusAfter, Status: 503, RetryAfter: 7}, providers.KindServer, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, offered, func(c *providers.Config) { c.Timeout = 2 * time.Second })
			if tt.fault.Kind == kit.FaultDelayReply {
				r.adapter = r.connect(t, r.srv.URL, offered, func(c *providers.Config) { c.Timeout = 300 * time.Millisecond })
			}
			f := tt.fault
			f.Method = http.MethodPost
			r.fault(t, f)
			_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
			if e := fault(t, err); e.Kind != tt.kind || e.NotDone != tt.notDone {
				t.Errorf("start: %+v", e)
			}
			if n := len(r.State().Charges); n != tt.done {
				t.Errorf("%d requests, want %d", n, tt.done)
			}
			if n := posts(r); n != 1 {
				t.Errorf("sent %d times", n)
			}
			r.fault(t, tt.fault)
			_, err = r.adapter.Devices(t.Context())
			if e := fault(t, err); e.Kind != tt.kind {
				t.Errorf("devices: %+v", e)
			}
			// A fault of the question before: the request itself never left.
			f = tt.fault
			f.Path = "/connected"
			r.fault(t, f)
			_, err = r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceSecond))
			if e := fault(t, err); !e.NotDone || e.Reason == domain.ReasonNone || posts(r) != 1 {
				t.Errorf("the question before: %+v, sent %d times", e, posts(r))
			}
		})
	}
}

func posts(r *room) int {
	n := 0
	for _, s := range r.requests() {
		if s.method == http.MethodPost {
			n++
		}
	}
	return n
}

func TestTLSRefusedMeansThatNothingWasSent(t *testing.T) {
	r := open(t)
	srv := httptest.NewUnstartedServer(r.Handler())
	srv.Config.ErrorLog = quiet()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	a := r.connect(t, srv.URL, offered)
	for name, ask := range map[string]func() error{
		"probe": func() error { _, err := a.TestConnection(t.Context()); return err },
		"start": func() error { _, err := a.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline)); return err },
	} {
		if e := fault(t, ask()); e.Kind != providers.KindUnreachable || !e.NotDone {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestARequestToATerminalIsOfferedOnlyWhereTheConnectionSaysSo(t *testing.T) {
	for name, tt := range map[string]struct {
		settings map[string]string
		offered  bool
		why      string
	}{
		"no path":        {nil, false, "names no path"},
		"not confirmed":  {map[string]string{cloudflow.SettingAsyncRequests: "/x"}, false, "nobody has confirmed"},
		"confirmed only": {map[string]string{cloudflow.SettingAsyncForm: "yes"}, false, "names no path"},
		"both":           {map[string]string{cloudflow.SettingAsyncRequests: emulator.RequestsPath, cloudflow.SettingAsyncForm: "yes"}, true, ""},
	} {
		r := open(t, with(tt.settings))
		offers := map[domain.Capability]providers.Offer{}
		for _, o := range providers.Offers(r.adapter, cloudflow.Registration(), tt.settings, "") {
			offers[o.Capability] = o
		}
		if o := offers[domain.CanUseTerminal]; o.Offered != tt.offered || !strings.Contains(o.Why, tt.why) {
			t.Errorf("%s: %+v", name, o)
		}
		for _, c := range []domain.Capability{domain.CanListDevices, domain.CanCheckDevice, domain.CanTestConnection} {
			if !offers[c].Offered {
				t.Errorf("%s: %+v", name, offers[c])
			}
		}
		for _, c := range []domain.Capability{domain.CanReceiveCallbacks, domain.CanReceiveHints, domain.CanLookUp, domain.CanRefund, domain.CanSellByToken, domain.CanCommandDevice} {
			if offers[c].Offered {
				t.Errorf("%s: %+v", name, offers[c])
			}
		}
		_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
		if !tt.offered && (fault(t, err).Kind != providers.KindUnsupported || !fault(t, err).NotDone || len(r.requests()) != 0) {
			t.Errorf("%s: %v, %d requests left", name, err, len(r.requests()))
		}
		if tt.offered && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStartOnTerminal(t *testing.T) {
	r := open(t, offered)
	start, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
	if err != nil || start.AttemptRef != attempt || start.ResultRef != "" || start.Said == "" {
		t.Fatalf("%+v, %v", start, err)
	}
	got := r.requests()
	if len(got) != 2 || got[0].uri != "/cloudflow/devices/dev-online-0001/connected" || got[1].uri != "/cloudflow/x-emulator/requests" || got[1].contentType != "application/json" {
		t.Fatalf("%+v", got)
	}
	golden, err := os.ReadFile("testdata/start.json")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, golden); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[1].body, want.Bytes()) {
		t.Errorf("\n got %s\nwant %s", got[1].body, want.Bytes())
	}
	if c := r.State().Charges; len(c) != 1 || c[0].AmountMinor != 2000 || c[0].Currency != "EUR" || c[0].Reference != attempt {
		t.Errorf("%+v", c)
	}
	// The result is told by a callback that nobody can verify: there is nothing
	// to ask, and it is never "done".
	res, done, err := r.adapter.TerminalResult(t.Context(), start)
	if done || err != nil || res.Outcome != providers.Pending || len(r.requests()) != 2 {
		t.Errorf("%+v, %t, %v", res, done, err)
	}
	// The same reference again is refused by the emulator, and is no verdict on
	// the first one.
	_, err = r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
	if e := fault(t, err); e.Code != "duplicateItem" || e.NotDone {
		t.Errorf("%+v", e)
	}
}

func TestNothingIsSentToATerminalThatIsNotConnected(t *testing.T) {
	r := open(t, offered)
	for ref, code := range map[string]string{emulator.DeviceOffline: "connectionLost", "no-such-terminal": "notFound"} {
		_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(ref))
		if e := fault(t, err); !e.NotDone || e.Reason != domain.ReasonDeviceOffline || e.Code != code || posts(r) != 0 {
			t.Errorf("%s: %+v", ref, e)
		}
	}
	// It goes between the question and the request: 410 means not delivered.
	r.fault(t, kit.Fault{Kind: kit.FaultStatus, Status: 410, Method: http.MethodPost})
	_, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline))
	if e := fault(t, err); !e.NotDone || e.Reason != domain.ReasonDeviceOffline || len(r.State().Charges) != 0 {
		t.Errorf("%+v", e)
	}
}

func TestWhatHasNoRuleIsRefusedBeforeItIsSent(t *testing.T) {
	change := func(f func(*providers.TerminalRequest)) providers.TerminalRequest {
		q := saleOn(emulator.DeviceOnline)
		f(&q)
		return q
	}
	amount := func(minor int64, code string) func(*providers.TerminalRequest) {
		return func(q *providers.TerminalRequest) { q.Amount = money.FromMinor(minor, money.MustCurrency(code)) }
	}
	r := open(t, offered)
	for name, q := range map[string]providers.TerminalRequest{
		"JPY":              change(amount(2000, "JPY")),
		"KWD":              change(amount(2000, "KWD")),
		"zero":             change(amount(0, "EUR")),
		"negative":         change(amount(-1, "EUR")),
		"above the bound":  change(amount(1_000_000_000_000, "EUR")),
		"no amount":        change(func(q *providers.TerminalRequest) { q.Amount = money.Amount{} }),
		"no reference":     change(func(q *providers.TerminalRequest) { q.AttemptRef = "" }),
		"no device":        change(func(q *providers.TerminalRequest) { q.Device = providers.DeviceRef{} }),
		"no operation":     change(func(q *providers.TerminalRequest) { q.Operation = "" }),
		"reversal":         change(func(q *providers.TerminalRequest) { q.Operation = "reversal" }),
		"another spelling": change(func(q *providers.TerminalRequest) { q.Operation = "Sale" }),
		"linked":           change(func(q *providers.TerminalRequest) { q.OriginalRef = "x" }),
		"tip":              change(func(q *providers.TerminalRequest) { q.Tip = &providers.TipPrompt{} }),
		"metadata":         change(func(q *providers.TerminalRequest) { q.Metadata = []string{"x"} }),
		"receipt":          change(func(q *providers.TerminalRequest) { q.Receipt = "x" }),
		"no signature":     change(func(q *providers.TerminalRequest) { q.SkipSignature = true }),
		"no PIN":           change(func(q *providers.TerminalRequest) { q.SkipPIN = true }),
		"no check":         change(func(q *providers.TerminalRequest) { q.NoDuplicateCheck = true }),
	} {
		_, err := r.adapter.StartOnTerminal(t.Context(), q)
		if e := fault(t, err); !e.NotDone || e.Reason == domain.ReasonNone {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d requests left", n)
	}
	currency := cloudflow.Registration().Currency
	for code, want := range map[string]bool{"EUR": true, "GBP": true, "JPY": false, "KWD": false} {
		if currency(money.MustCurrency(code)) != want {
			t.Errorf("%s: %t", code, !want)
		}
	}
}

func TestAmountsLeaveInMinorUnits(t *testing.T) {
	r := open(t, offered)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		minor := rapid.Int64Range(1, 999_999_999_999).Draw(rt, "minor")
		n++
		q := saleOn(emulator.DeviceOnline)
		q.Amount, q.AttemptRef = money.FromMinor(minor, money.MustCurrency("EUR")), fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
		if _, err := r.adapter.StartOnTerminal(t.Context(), q); err != nil {
			rt.Fatal(err)
		}
		if c := r.State().Charges[n-1]; c.AmountMinor != minor {
			rt.Fatalf("%d arrived as %d", minor, c.AmountMinor)
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	const secret = "Planted-Secret-Token"
	good := func() providers.Config {
		return providers.Config{
			BaseURL: "https://cloudflow.example", Settings: map[string]string{cloudflow.SettingAccountID: "a"},
			Secrets: map[string]string{cloudflow.SecretAPIToken: secret},
		}
	}
	if _, err := cloudflow.New(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*providers.Config){
		"no address": func(c *providers.Config) { c.BaseURL = "" },
		"no web":     func(c *providers.Config) { c.BaseURL = "ftp://x" },
		"no account": func(c *providers.Config) { delete(c.Settings, cloudflow.SettingAccountID) },
		"no token":   func(c *providers.Config) { delete(c.Secrets, cloudflow.SecretAPIToken) },
		"an address": func(c *providers.Config) {
			c.Settings[cloudflow.SettingAsyncRequests] = "https://evil.example/requests"
		},
		"another host":  func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "//evil.example" },
		"a user":        func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "@evil.example" },
		"a query":       func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/requests?x=1" },
		"a way up":      func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/../requests" },
		"an escape":     func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/%2e%2e/requests" },
		"no path":       func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "requests" },
		"a line's end":  func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/a\r\nb" },
		"a fragment":    func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/a#b" },
		"too long":      func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/" + strings.Repeat("a", 200) },
		"a blank":       func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = "/a b" },
		"a back stroke": func(c *providers.Config) { c.Settings[cloudflow.SettingAsyncRequests] = `/a\b` },
	} {
		c := good()
		change(&c)
		_, err := cloudflow.New(c)
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "evil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoSecretIsWrittenDown(t *testing.T) {
	r := open(t, offered)
	bearer := base64.StdEncoding.EncodeToString([]byte(`{"accountId":"Sandbox-Account","apiToken":"Sandbox-Api-Token"}`))
	const pan = "4111111111111111"
	words := `{"errorMessage":"you sent ` + emulator.SandboxAPIToken + ` and ` + bearer + ` and ` + pan + `","errorCode":"invalidData"}`
	var seen []string
	for _, f := range []kit.Fault{{Status: 401}, {Status: 422}, {Status: 429}, {Status: 500}} {
		f.Kind, f.Body = kit.FaultStatus, words
		r.fault(t, f)
		_, err := r.adapter.Devices(t.Context())
		e := fault(t, err)
		seen = append(seen, e.Error(), string(e.Raw), e.Text, e.Code)
		r.fault(t, f)
		p, err := r.adapter.TestConnection(t.Context())
		seen = append(seen, fmt.Sprintf("%+v %v", p, err))
	}
	if err := r.adapter.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.adapter.StartOnTerminal(t.Context(), saleOn(emulator.DeviceOnline)); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	seen = append(seen, r.lines...)
	r.mu.Unlock()
	for _, e := range r.Kit().Journal.Entries() {
		seen = append(seen, fmt.Sprintf("%v", e.Headers))
	}
	if len(seen) < 20 {
		t.Fatalf("only %d texts were looked at", len(seen))
	}
	jwt := regexp.MustCompile(`ey[A-Za-z0-9_-]+\.ey[A-Za-z0-9_-]+`)
	for _, s := range seen {
		for _, secret := range []string{emulator.SandboxAPIToken, bearer, pan} {
			if strings.Contains(s, secret) {
				t.Errorf("%s is in %s", secret, s)
			}
		}
		if jwt.MatchString(s) {
			t.Errorf("a websocket token is in %s", s)
		}
	}
}

func TestRegistration(t *testing.T) {
	reg := cloudflow.Registration()
	if len(reg.Addresses) != 0 {
		t.Error("there is no public address to name")
	}
	var fields []string
	for _, f := range reg.Fields {
		fields = append(fields, fmt.Sprintf("%s %t %t", f.Name, f.Secret, f.Required))
	}
	if got := strings.Join(fields, ", "); got != "accountId false true, apiToken true true, asyncRequests false false, asyncFormConfirmed false false" {
		t.Error(got)
	}
	if reg.PartRefund || reg.Idempotency != (providers.Idempotency{}) || reg.Absence != (providers.Absence{}) {
		t.Errorf("%+v", reg)
	}
	p, err := reg.New(providers.Config{})
	if p, ok := p.(*cloudflow.Adapter); err == nil || (ok && p != nil) {
		t.Error("an adapter was made of nothing")
	}
	for _, f := range reg.Fields {
		if f.Label == "" || strings.ContainsAny(f.Label+f.Hint, "!") {
			t.Errorf("%+v", f)
		}
	}
	if a, ok := reg.New(providers.Config{
		BaseURL: "https://x.example/", Settings: map[string]string{"accountId": "a"}, Secrets: map[string]string{"apiToken": "t"},
	}); ok != nil || a.Name() != cloudflow.Name {
		t.Errorf("%v", ok)
	}
}
