package handlers

import (
	"bufio"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/events"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/web"
)

// liveSite is a site with a hub that listens to its database.
type liveSite struct {
	*site
	hub *events.Hub
}

func newLiveSite(t *testing.T) *liveSite {
	t.Helper()
	s := newSite(t)
	l := &liveSite{site: s, hub: events.New(events.Options{Store: s.store, DirectURL: s.db.AppURL, Idle: web.Idle, Now: s.clock.Now})}
	s.web.Add((&Events{Hub: l.hub, Beat: 400 * time.Millisecond}).Routes()...)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); l.hub.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return l
}

// told is one event of a stream.
type told struct{ name, data, id string }

// listening is an open stream.
type listening struct {
	t      *testing.T
	res    *http.Response
	events chan told
	beats  chan struct{} // filled when the stream says that it is still there
	end    chan struct{}
}

func (b *browser) listen(path string) *listening {
	b.s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.s.http.URL+path, nil)
	must(b.s.t, err)
	for name, values := range b.header {
		req.Header[name] = values
	}
	res, err := b.client.Do(req)
	must(b.s.t, err)
	l := &listening{t: b.s.t, res: res, events: make(chan told, 1000), beats: make(chan struct{}, 1), end: make(chan struct{})}
	b.s.t.Cleanup(func() { cancel(); <-l.end })
	go func() {
		defer close(l.end)
		defer res.Body.Close()
		var e told
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			if field == "" && value != "" {
				select {
				case l.beats <- struct{}{}:
				default:
				}
				continue
			}
			switch field {
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "id":
				e.id = value
			case "":
				if e != (told{}) {
					select {
					case l.events <- e:
					case <-ctx.Done(): // nobody reads any more
						return
					}
				}
				e = told{}
			}
		}
	}()
	return l
}

// next waits for the next event with a name.
func (l *listening) next() told {
	l.t.Helper()
	for {
		select {
		case e := <-l.events:
			if e.name != "" {
				return e
			}
		case <-l.end:
			l.t.Fatal("the stream has ended")
		case <-time.After(20 * time.Second):
			l.t.Fatal("the stream says nothing")
		}
	}
}

func (l *listening) ended() {
	l.t.Helper()
	select {
	case <-l.end:
	case <-time.After(20 * time.Second):
		l.t.Fatal("the stream goes on")
	}
}

func (l *liveSite) tell(m domain.MerchantID, object, id string) {
	l.t.Helper()
	must(l.t, l.store.InTenant(context.Background(), m, func(tx *store.Tx) error { return tx.Notify(context.Background(), object, id) }))
}

func TestTheStreamAsEveryRole(t *testing.T) {
	t.Parallel()
	table := maps.Clone(platformRoutes)
	table["GET /events"] = access{roles: everybody, stream: true}
	checkMatrix(t, newLiveSite(t).site, table)
}

func TestTheStreamNamesWhatChangedAndGivesNothingAway(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	l := b.with("HX-Request", "true").with("Origin", "https://pay.example.com").listen("/events")
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "Content-Encoding": "", "Access-Control-Allow-Origin": "", "Set-Cookie": ""} {
		if got := l.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if e := l.next(); e.name != events.Resync || e.data != "" {
		t.Errorf("a stream without a position begins with %+v", e)
	}
	p, d := domain.NewPaymentID().String(), domain.NewDeviceID().String()
	s.tell(s.merchant, "payment", p)
	first := l.next()
	if first.name == events.Resync { // the hub's own line came up after ours
		first = l.next()
	}
	if first.name != "payment-"+p || first.data != p || first.id == "" {
		t.Errorf("told %+v", first)
	}
	s.tell(s.addMerchant("Another shop"), "payment", domain.NewPaymentID().String())
	s.tell(s.merchant, "device", d)
	if e := l.next(); e.name != "device-"+d || e.data != d {
		t.Errorf("told %+v", e)
	}
	if e := l.next(); e.name != "devices" || e.data != "" {
		t.Errorf("told %+v", e)
	}
	// Who comes back hears what was said meanwhile.
	again := b.with("Last-Event-ID", first.id).listen("/events?after=nonsense")
	if e := again.next(); e.name != "device-"+d {
		t.Errorf("told %+v", e)
	}
	if e := b.listen("/events?after=" + url.QueryEscape(first.id)).next(); e.name != "device-"+d {
		t.Errorf("told %+v", e)
	}
	if res := b.do(http.MethodHead, "/events", nil, ""); res.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %d", res.StatusCode)
	}
	if res := s.browser().with("HX-Request", "true").get("/events"); res.StatusCode != http.StatusUnauthorized || res.Header.Get("Content-Type") == "text/event-stream" {
		t.Errorf("without a session: %d", res.StatusCode)
	}
	if strings.Contains(s.log.String(), p) {
		t.Error("the log names what was told")
	}
}

// A page that is left open ends with its session, whatever it asks for by
// itself; a person's own requests keep it, whatever htmx adds to them.
func TestAStreamDoesNotKeepASessionAlive(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	seen := func() int {
		return s.count(`select extract(epoch from last_seen_at)::bigint from sessions where user_id is not null`)
	}
	htmx := b.with("HX-Request", "true").with("Accept", "text/html, text/event-stream")
	before := seen()
	for range 7 {
		s.clock.Advance(2 * time.Minute)
		l := htmx.listen("/events")
		l.next()
		htmx.with("X-Background", "1").get("/account").wants(t, http.StatusOK)
		if now := seen(); now != before {
			t.Fatalf("the idle clock moved by %d s", now-before)
		}
	}
	l := htmx.listen("/events")
	l.next()
	s.clock.Advance(time.Minute)
	s.hub.Check(t.Context())
	l.ended()
	if res := htmx.get("/events"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after 15 idle minutes: %d", res.StatusCode)
	}

	b = s.browser().signIn("ada@example.com")
	l = b.listen("/events")
	l.next()
	for range 10 {
		s.clock.Advance(2 * time.Minute)
		b.with("HX-Request", "true").with("Accept", "text/html, text/event-stream").get("/account").wants(t, http.StatusOK)
	}
	s.hub.Check(t.Context())
	s.tell(s.merchant, "payment", domain.NewPaymentID().String())
	l.next()
}

func TestSigningOutEndsTheStreamsOfThatSession(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	here, there := s.browser().signIn("ada@example.com"), s.browser().signIn("ada@example.com")
	mine, other := here.listen("/events"), there.listen("/events")
	mine.next()
	other.next()
	here.post("/signout", url.Values{web.FieldCSRF: {here.token("/account")}}).wants(t, http.StatusSeeOther)
	mine.ended() // by the hub's own check
	s.tell(s.merchant, "payment", domain.NewPaymentID().String())
	other.next()
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	for range events.PerUser {
		b.listen("/events").next()
	}
	res := b.with("HX-Request", "true").get("/events").wants(t, http.StatusTooManyRequests)
	if res.Header.Get("Retry-After") == "" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("refused with %v", res.Header)
	}
}

// The server's limits for a request and its answer are shorter than a stream.
// When it stops, the streams end at once.
func TestAStreamOutlivesTheServersLimitsAndEndsWithIt(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t)
	s.addUser("ada@example.com", domain.Cashier)
	b := s.browser().signIn("ada@example.com")
	server := httptest.NewUnstartedServer(nil)
	server.Config = s.web.HTTPServer()
	server.Config.ReadTimeout, server.Config.ReadHeaderTimeout, server.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	server.Config.RegisterOnShutdown(s.hub.Close)
	server.StartTLS()
	defer server.Close()
	s.http = server // only the stream is opened there: signing in may take longer
	l := b.listen("/events")
	for l.next().name != events.Resync {
	}
	for range 3 { // the second and the third come after the limits
		select {
		case <-l.beats:
		case <-l.end:
			t.Fatal("the stream has ended")
		case <-time.After(20 * time.Second):
			t.Fatal("the stream says nothing")
		}
	}
	id := uuid.NewString()
	s.tell(s.merchant, "payment", id)
	for e := l.next(); e.data != id; e = l.next() {
		if e.name != events.Resync {
			t.Fatalf("told %+v", e)
		}
	}
	within, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	must(t, server.Config.Shutdown(within))
	l.ended()
}

// Ten thousand changes of two merchants, through the database and two open
// streams: none is told to the other.
func TestOneMerchantsChangesNeverReachAnothersPage(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t)
	s.addUser("ada@example.com", domain.Owner)
	one := s.browser().signIn("ada@example.com").listen("/events")
	first := s.merchant
	s.merchant = s.addMerchant("Another shop")
	s.addUser("bea@example.com", domain.Owner)
	two := s.browser().signIn("bea@example.com").listen("/events")
	one.next()
	two.next()
	// The first digit of an id says whose it is.
	s.exec(`select count(pg_notify('counterfoil', (case when i % 2 = 0 then $1 else $2 end) || ' payment ' || overlay(gen_random_uuid()::text placing (case when i % 2 = 0 then 'a' else 'b' end) from 1 for 1))) from generate_series(1, 10000) i`,
		first.String(), s.merchant.String())
	for l, of := range map[*listening]domain.MerchantID{one: first, two: s.merchant} {
		last := uuid.NewString()
		s.tell(of, "payment", last)
		own := "a"
		if l == two {
			own = "b"
		}
		for {
			e := l.next()
			if e.data == last {
				break
			}
			if e.name == events.Resync { // which may have swallowed it
				s.tell(of, "payment", last)
			}
			if e.name != events.Resync && !strings.HasPrefix(e.data, own) {
				t.Fatalf("the stream of %s is told %+v", own, e)
			}
		}
	}
}
