package kit_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed() time.Time { return start }

// counter is the smallest emulator: it counts what it processed.
type counter struct {
	kit       *kit.Kit
	processed atomic.Int64
}

func newCounter(t *testing.T) (*counter, *httptest.Server) {
	t.Helper()
	c := &counter{kit: kit.New(fixed)}
	mux := http.NewServeMux()
	mux.Handle("/counter/", c.Handler())
	mux.Handle(kit.ControlPrefix, kit.ControlHandler(map[string]kit.Emulator{"counter": c}))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Cleanup(c.kit.Faults.Reset)
	return c, srv
}

func (c *counter) Handler() http.Handler {
	return c.kit.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.processed.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	}), func(int) []byte { return []byte(`{"its":"own"}`) })
}
func (c *counter) Kit() *kit.Kit    { return c.kit }
func (c *counter) State() kit.State { return kit.NewState(nil) }
func (c *counter) Reset()           { c.kit.Reset(); c.processed.Store(0) }

func post(t *testing.T, url, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	reply, err := io.ReadAll(res.Body)
	return res, string(reply), err
}

func TestEachFaultSpoilsExactlyWhatItNames(t *testing.T) {
	for _, tc := range []struct {
		name      string
		fault     kit.Fault
		processed int64
		cut       bool
		status    int
		body      string
		header    [2]string
	}{
		{name: "drop before", fault: kit.Fault{Kind: kit.FaultDropBefore}, cut: true},
		{name: "drop after", fault: kit.Fault{Kind: kit.FaultDropAfter}, cut: true, processed: 1},
		{name: "401", fault: kit.Fault{Kind: kit.FaultStatus, Status: 401}, status: 401, body: `{"its":"own"}`},
		{name: "403", fault: kit.Fault{Kind: kit.FaultStatus, Status: 403}, status: 403, body: `{"its":"own"}`},
		{name: "429", fault: kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 7}, status: 429, header: [2]string{"Retry-After", "7"}, body: `{"its":"own"}`},
		{name: "500", fault: kit.Fault{Kind: kit.FaultStatus, Status: 500, Body: "oops"}, status: 500, body: "oops"},
		{name: "500 after charging", fault: kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}, status: 500, body: `{"its":"own"}`, processed: 1},
		{name: "garbage", fault: kit.Fault{Kind: kit.FaultGarbage}, status: 200, body: `{"success": tru`, processed: 1},
		{name: "wrong content type", fault: kit.Fault{Kind: kit.FaultWrongContentType}, status: 200, header: [2]string{"Content-Type", "text/html; charset=utf-8"}, processed: 1,
			body: "<!doctype html><title>Welcome</title><p>Please sign in to the network.</p>"},
		{name: "delay", fault: kit.Fault{Kind: kit.FaultDelay, DelayMS: 1}, status: 200, body: `{"a":1}`, processed: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, srv := newCounter(t)
			control := kit.Control{BaseURL: srv.URL, Provider: "counter"}
			if err := control.Fault(context.Background(), tc.fault); err != nil {
				t.Fatal(err)
			}
			res, body, err := post(t, srv.URL+"/counter/x", `{"a":1}`)
			if tc.cut != (err != nil) {
				t.Fatalf("cut = %v, want %v (%v)", err != nil, tc.cut, err)
			}
			if got := c.processed.Load(); got != tc.processed {
				t.Errorf("processed %d times, want %d", got, tc.processed)
			}
			entries := c.kit.Journal.Entries()
			if len(entries) != 1 || entries[0].Fault != tc.fault.Kind || entries[0].Processed != (tc.processed == 1) {
				t.Errorf("journal = %+v", entries)
			}
			if !tc.cut {
				if res.StatusCode != tc.status || body != tc.body {
					t.Errorf("answer = %d %q, want %d %q", res.StatusCode, body, tc.status, tc.body)
				}
				if tc.header[0] != "" && res.Header.Get(tc.header[0]) != tc.header[1] {
					t.Errorf("%s = %q, want %q", tc.header[0], res.Header.Get(tc.header[0]), tc.header[1])
				}
			}
			if _, body, err := post(t, srv.URL+"/counter/x", `{"a":2}`); err != nil || body != `{"a":2}` {
				t.Errorf("the request after the fault: %q, %v", body, err)
			}
		})
	}
}

func TestAFaultWaitsForItsMethodAndPath(t *testing.T) {
	c, srv := newCounter(t)
	if err := c.kit.Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 500, Method: http.MethodPost, Path: "/refund", Count: 2}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		path   string
		status int
	}{{"/counter/sale", 200}, {"/counter/refund", 500}, {"/counter/refund", 500}, {"/counter/refund", 200}} {
		res, _, err := post(t, srv.URL+want.path, "{}")
		if err != nil || res.StatusCode != want.status {
			t.Errorf("%s = %v %v, want %d", want.path, res, err, want.status)
		}
	}
}

func TestAHeldRequestIsProcessedEvenWhenItsSenderIsGone(t *testing.T) {
	c, srv := newCounter(t)
	control := kit.Control{BaseURL: srv.URL, Provider: "counter"}
	if err := control.Fault(t.Context(), kit.Fault{Kind: kit.FaultDelay}); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/counter/sale", strings.NewReader("{}"))
		if err != nil {
			done <- err
			return
		}
		_, err = http.DefaultClient.Do(req)
		done <- err
	}()
	eventually(t, "the request is held", func() bool {
		held, err := control.Held(t.Context())
		return err == nil && held == 1
	})
	giveUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("the sender got %v", err)
	}
	if got := c.processed.Load(); got != 0 {
		t.Fatalf("processed %d times while held", got)
	}
	if err := control.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the request is processed", func() bool { return c.processed.Load() == 1 })
}

func TestAnOversizeAnswerHasTheSizeAskedFor(t *testing.T) {
	c, srv := newCounter(t)
	if err := c.kit.Faults.Push(kit.Fault{Kind: kit.FaultOversize, Size: 100_000}); err != nil {
		t.Fatal(err)
	}
	_, body, err := post(t, srv.URL+"/counter/x", "{}")
	if err != nil || len(body) != 100_000 {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if entry := c.kit.Journal.Entries()[0]; len(entry.Reply) > 20<<10 {
		t.Errorf("the journal keeps %d bytes of it", len(entry.Reply))
	}
}

func TestABodyAboveTheLimitIsRefusedUnprocessed(t *testing.T) {
	c, srv := newCounter(t)
	res, _, err := post(t, srv.URL+"/counter/x", strings.Repeat("x", kit.MaxBody+1))
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("%v, %v", res, err)
	}
	if c.processed.Load() != 0 {
		t.Error("it was processed")
	}
}

func TestControlRefusesWhatItDoesNotKnow(t *testing.T) {
	_, srv := newCounter(t)
	base := srv.URL + kit.ControlPrefix + "counter/"
	for _, tc := range []struct{ path, body, want string }{
		{"fault", `{"kind":"explode"}`, "unknown fault kind"},
		{"fault", `{"kind":"status","status":200}`, "between 400 and 599"},
		{"fault", `{"kind":"drop_after","typo":1}`, "unknown field"},
		{"fault", `{"kind":"drop_after","count":-1}`, "cannot be negative"},
		{"outcome", `{"result":"maybe"}`, "result must be"},
		{"outcome", `{"result":"in_progress"}`, "needs then"},
		{"outcome", `{"result":"approve","then":"decline"}`, "in_progress only"},
		{"clock/advance", `{"seconds":0}`, "above 0"},
		{"callbacks", `{}`, "true or false"},
	} {
		res, body, err := post(t, base+tc.path, tc.body)
		if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(body, tc.want) {
			t.Errorf("%s %s = %v %s %v, want 400 with %q", tc.path, tc.body, res, body, err, tc.want)
		}
	}
	res, err := http.Post(base+"reset", "text/plain", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form's content type is answered %d", res.StatusCode)
	}
	if err := (kit.Control{BaseURL: srv.URL, Provider: "nobody"}).Reset(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an unknown emulator: %v", err)
	}
}

func TestTheClockMovesForwardOnlyAndResets(t *testing.T) {
	c, srv := newCounter(t)
	control := kit.Control{BaseURL: srv.URL}.For("counter")
	now, err := control.Advance(t.Context(), 90*time.Second)
	if err != nil || !now.Equal(start.Add(90*time.Second)) {
		t.Fatalf("%v, %v", now, err)
	}
	c.kit.Clock.Advance(-time.Hour)
	if got := c.kit.Clock.Now(); !got.Equal(start.Add(90 * time.Second)) {
		t.Errorf("moved back to %v", got)
	}
	if err := control.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.kit.Clock.Now(); !got.Equal(start) {
		t.Errorf("after reset %v", got)
	}
}

func TestSecretsAndCardsNeverEnterTheJournal(t *testing.T) {
	c, srv := newCounter(t)
	req, err := http.NewRequest(http.MethodPost, srv.URL+"/counter/x?card_number=4111111111111111&cvc=987",
		strings.NewReader(`{"pan":"4111 1111 1111 1111","securityCode":"987","other":"3782-822463-10005","run":"x4000300011112220y","two":"2223000048400011","access_token":"top-secret","refreshToken":"top-secret","apiToken":"top-secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Authorization", "ApiKeyCloud", "X-Signature", "Cookie"} {
		req.Header.Set(name, "top-secret")
	}
	req.Header.Set("X-Note", "card 5555555555554444")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	raw := journalText(t, kit.Control{BaseURL: srv.URL, Provider: "counter"})
	for _, secret := range []string{"top-secret", "4111111111111111", "4111 1111", "987", "822463", "4000300011112220", "2223000048400011", "5555555555554444"} {
		if strings.Contains(raw, secret) {
			t.Errorf("the journal holds %q:\n%s", secret, raw)
		}
	}
	if got := c.kit.Journal.Entries()[0].Headers["Authorization"]; got != "[redacted]" {
		t.Errorf("Authorization = %q", got)
	}
}

func TestScrubLeavesReferencesAlone(t *testing.T) {
	for _, s := range []string{
		"b25381cc-2396-42b5-94cd-8f8b3112de0e",
		"12345678-1234-4234-9123-123456789012",
		`{"efttimestamp":1776238711661}`,
		"20260301120000123",
		`{"amount":"999999999999"}`,
		"0123456789012345678901234567890",
	} {
		if got := kit.Scrub(s); got != s {
			t.Errorf("Scrub(%q) = %q", s, got)
		}
	}
}

func TestScrubRemovesEveryCardNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[3-6][0-9]{12,18}`).Draw(t, "number")
		before := rapid.StringMatching(`[a-z"=: ]{0,9}`).Draw(t, "before")
		after := rapid.StringMatching(`[a-z",& ]{0,9}`).Draw(t, "after")
		if got := kit.Scrub(before + digits + after); strings.Contains(got, digits) {
			t.Fatalf("Scrub left %q in %q", digits, got)
		}
	})
}

func TestCallbacksRepeatByTheClockUntilConfirmed(t *testing.T) {
	var calls atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !bytes.Equal(body, []byte("news")) || r.Header.Get("Signed") == "" {
			t.Errorf("received %q %v", body, r.Header)
		}
		if calls.Add(1) == 3 {
			_, _ = io.WriteString(w, "OK")
		}
	}))
	t.Cleanup(receiver.Close)
	k := kit.New(fixed)
	callback := kit.Callback{
		URL:   receiver.URL + "/hook",
		Retry: []time.Duration{time.Minute, 5 * time.Minute, time.Hour},
		Build: func(now time.Time) (http.Header, []byte) {
			return http.Header{"Signed": {now.String()}}, []byte("news")
		},
		Accepted: func(status int, body []byte) bool { return status == 200 && string(body) == "OK" },
	}
	k.Callbacks.Send(callback)
	k.Callbacks.Wait()
	if calls.Load() != 0 {
		t.Fatal("sent while switched off")
	}
	k.Callbacks.Enable(true)
	k.Callbacks.Send(callback)
	for _, step := range []struct {
		advance time.Duration
		want    int64
	}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {5 * time.Minute, 3}, {24 * time.Hour, 3}} {
		k.Clock.Advance(step.advance)
		k.Callbacks.Pump()
		k.Callbacks.Wait()
		if got := calls.Load(); got != step.want {
			t.Fatalf("after %v more: %d calls, want %d", step.advance, got, step.want)
		}
	}
	d := k.Callbacks.Deliveries()
	if len(d) != 3 || d[0].Delivered || !d[2].Delivered || d[2].Attempt != 3 {
		t.Errorf("deliveries = %+v", d)
	}
}

func TestCallbacksGiveUpAfterTheLastWait(t *testing.T) {
	k := kit.New(fixed)
	k.Callbacks.Enable(true)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	k.Callbacks.Send(kit.Callback{
		URL: closed.URL, Retry: []time.Duration{time.Second},
		Build:    func(time.Time) (http.Header, []byte) { return nil, nil },
		Accepted: func(int, []byte) bool { return true },
	})
	for range 4 {
		k.Callbacks.Wait()
		k.Clock.Advance(time.Hour)
		k.Callbacks.Pump()
	}
	k.Callbacks.Wait()
	if d := k.Callbacks.Deliveries(); len(d) != 2 || d[1].Error == "" {
		t.Errorf("deliveries = %+v", d)
	}
}

func journalText(t *testing.T, c kit.Control) string {
	t.Helper()
	res, err := http.Get(c.BaseURL + kit.ControlPrefix + c.Provider + "/journal")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestWhatWaitsCanBeReadWithoutTakingIt(t *testing.T) {
	k := kit.New(fixed)
	for _, f := range []kit.Fault{{Kind: kit.FaultDropAfter, Count: 2}, {Kind: kit.FaultStatus, Status: 503}} {
		if err := k.Faults.Push(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "51"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		faults, outcomes := k.Faults.Queued(), k.Outcomes.Queued()
		if len(faults) != 2 || faults[0].Kind != kit.FaultDropAfter || faults[0].Count != 2 || faults[1].Status != 503 || len(outcomes) != 1 || outcomes[0].Code != "51" {
			t.Fatalf("%+v %+v", faults, outcomes)
		}
		faults[0].Kind, outcomes[0].Code = "changed", "changed"
	}
	k.Faults.Take(http.MethodPost, "/")
	k.Outcomes.Take("/")
	if faults := k.Faults.Queued(); len(faults) != 2 || faults[0].Count != 1 || len(k.Outcomes.Queued()) != 0 {
		t.Errorf("%+v %+v", faults, k.Outcomes.Queued())
	}
}

// lamp is an emulator with a control of its own.
type lamp struct {
	counter
	on atomic.Bool
}

func (l *lamp) Controls() map[string]http.Handler {
	return map[string]http.Handler{"lamp": kit.Command(func(in struct {
		On *bool `json:"on"`
	}) (any, error) {
		if in.On == nil {
			return nil, errors.New("on must be true or false")
		}
		l.on.Store(*in.On)
		return nil, nil
	})}
}

func TestAnEmulatorMayHaveControlsOfItsOwn(t *testing.T) {
	l := &lamp{counter: counter{kit: kit.New(fixed)}}
	srv := httptest.NewServer(kit.ControlHandler(map[string]kit.Emulator{"lamp": l}))
	t.Cleanup(srv.Close)
	control := kit.Control{BaseURL: srv.URL, Provider: "lamp"}
	if err := control.Command(t.Context(), "lamp", map[string]bool{"on": true}, nil); err != nil || !l.on.Load() {
		t.Errorf("%v", err)
	}
	for _, bad := range []any{nil, map[string]bool{}, map[string]bool{"On": true, "x": true}, map[string]string{"on": "yes"}} {
		if err := control.Command(t.Context(), "lamp", bad, nil); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if err := control.Release(t.Context()); err != nil {
		t.Errorf("the common controls: %v", err)
	}
	res, err := http.Post(srv.URL+kit.ControlPrefix+"lamp/lamp", "text/plain", strings.NewReader(`{"on":false}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnsupportedMediaType || !l.on.Load() {
		t.Errorf("a form of another page: %d", res.StatusCode)
	}
}
