package gallery

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/static"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// stream is a page that is live and the server that it hears.
type stream struct {
	url     string
	status  atomic.Int32     // of the next streams; 0 is well
	opened  chan http.Header // one for each try
	say     chan string      // to the open stream; "" ends it
	row     chan http.Header // the part that asks for itself
	person  chan http.Header // what a person asks for
	fetched atomic.Int32
}

func serveStream(t *testing.T) *stream {
	t.Helper()
	s := &stream{opened: make(chan http.Header, 100), say: make(chan string), row: make(chan http.Header, 100), person: make(chan http.Header, 100)}
	part := func(n int32) string {
		return fmt.Sprintf(`<p id="row" hx-get="/row" hx-trigger="device-1 from:#stream, resync from:#stream" hx-swap="outerHTML">Row %d</p>`, n)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", static.Handler())
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; frame-src 'none'")
		inside := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, `<h1>Terminals</h1>`+part(1)+`<button class="btn" type="button" hx-get="/person" hx-swap="none">Look</button>`)
			return err
		})
		if err := layouts.App(layouts.Model{Title: "Terminals", SignedIn: true, UserName: "Maya Okafor", Live: true, Since: "0a-7"}).Render(templ.WithChildren(r.Context(), inside), w); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /row", func(w http.ResponseWriter, r *http.Request) {
		s.row <- r.Header.Clone()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, part(1+s.fetched.Add(1)))
	})
	mux.HandleFunc("GET /person", func(w http.ResponseWriter, r *http.Request) {
		s.person <- r.Header.Clone()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		h.Set("After", r.URL.Query().Get("after"))
		s.opened <- h
		if status := s.status.Load(); status != 0 {
			http.Error(w, "refused", int(status))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case text := <-s.say:
				if text == "" {
					return
				}
				_, _ = io.WriteString(w, text)
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func heard(t *testing.T, what string, c <-chan http.Header) http.Header {
	t.Helper()
	select {
	case h := <-c:
		return h
	case <-time.After(15 * time.Second):
		t.Fatalf("%s did not come", what)
		return nil
	}
}

// lookLive is look for a page whose stream breaks: htmx writes that down.
func lookLive(t *testing.T, s *stream) playwright.Page {
	t.Helper()
	ctx, err := needBrowser(t).NewContext()
	must(t, err)
	t.Cleanup(func() { _ = ctx.Close() })
	page, err := ctx.NewPage()
	must(t, err)
	page.OnPageError(func(err error) { t.Errorf("uncaught: %v", err) })
	page.OnConsole(func(m playwright.ConsoleMessage) {
		if m.Type() == "error" && !strings.Contains(m.Text(), "Failed to load resource") && !strings.Contains(m.Text(), "htmx:sse:error") && !strings.Contains(m.Text(), "htmx:response:error") {
			t.Errorf("console: %s", m.Text())
		}
	})
	_, err = page.Goto(s.url + "/page")
	must(t, err)
	return page
}

// A live page asks again for the part that the stream names, in the background;
// without a stream it says so and works on.
func TestALivePageAsksForWhatTheStreamNames(t *testing.T) {
	t.Parallel()
	s := serveStream(t)
	page := lookLive(t, s)
	note, row := page.Locator("[data-not-live]"), page.Locator("#row")
	first := heard(t, "the stream", s.opened)
	if first.Get("After") != "0a-7" || first.Get("HX-Request") != "true" || first.Get("X-Background") != "1" {
		t.Errorf("the stream was asked for with %v", first)
	}
	s.say <- ": still here\nid: 0a-8\n\n"
	s.say <- "event: device-1\ndata: 1\nid: 0a-9\n\n"
	if h := heard(t, "the part", s.row); h.Get("X-Background") != "1" || h.Get("HX-Request") != "true" {
		t.Errorf("the part was asked for with %v", h)
	}
	must(t, expect.Locator(row).ToHaveText("Row 2"))
	s.say <- "event: device-2\ndata: 2\n\nevent: resync\ndata: \nid: 0a-11\n\n"
	heard(t, "the part after resync", s.row)
	must(t, expect.Locator(row).ToHaveText("Row 3"))
	must(t, page.GetByText("Look").Click())
	if h := heard(t, "a person's request", s.person); h.Get("X-Background") != "" {
		t.Errorf("a person's request came with %v", h)
	}
	must(t, expect.Locator(note).ToBeHidden())

	// It breaks and is refused for a while.
	s.status.Store(http.StatusTooManyRequests)
	s.say <- ""
	if h := heard(t, "the second try", s.opened); h.Get("Last-Event-ID") != "0a-11" {
		t.Errorf("the stream was asked for again with %v", h)
	}
	must(t, expect.Locator(note).ToHaveText("Not live: reload to see changes."))
	must(t, expect.Locator(note).ToBeVisible())
	s.status.Store(0)
	must(t, expect.Locator(note).ToBeHidden())
	s.say <- "event: device-1\ndata: 1\n\n"
	must(t, expect.Locator(row).ToHaveText("Row 4"))

	// The session has ended: nobody asks any more.
	s.status.Store(http.StatusUnauthorized)
	s.say <- ""
	must(t, expect.Locator(note).ToBeVisible())
	for len(s.opened) > 0 {
		<-s.opened
	}
	select {
	case <-s.opened:
		t.Error("the page asks for a stream that it may not have")
	case <-time.After(3 * time.Second):
	}
	must(t, page.GetByText("Look").Click())
	heard(t, "a person's request", s.person)

	s.status.Store(http.StatusTooManyRequests)
	refused := lookLive(t, s)
	must(t, expect.Locator(refused.Locator("[data-not-live]")).ToBeVisible())
	must(t, expect.Locator(refused.Locator("#stream")).ToHaveText("Not live: reload to see changes."))
}
