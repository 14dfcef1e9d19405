package handlers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/events"
	"github.com/counterfoil/counterfoil/web"
)

const (
	// heartbeatEvery keeps proxies from taking a stream for dead, and lets us see
	// that the browser has gone.
	heartbeatEvery = 15 * time.Second
	// streamWriteWithin is how long a browser may take for what it is told.
	streamWriteWithin = 20 * time.Second
	// gatherFor is the shortest time between two tellings: what happens within it
	// is told once.
	gatherFor = 200 * time.Millisecond
	// lookAgainIn is when a refused stream may be asked for again, in seconds.
	lookAgainIn = "30"
)

// Events is the stream by which open pages hear that something changed.
type Events struct {
	Hub *events.Hub
	// Beat is how long a stream says nothing at most; heartbeatEvery when 0.
	Beat time.Duration
}

// Routes lists the resource's addresses.
func (h *Events) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/events", Permission: domain.SignedIn, Background: true, Handler: h.stream},
	}
}

// stream tells names of what changed until the browser goes, the session ends
// or the process stops. It carries ids and nothing of the objects: the page
// asks for what it shows, and that request is authorised like any other.
func (h *Events) stream(c echo.Context) error {
	header := c.Response().Header()
	if c.Request().Method == http.MethodHead {
		header.Set("Content-Type", "text/event-stream")
		return c.NoContent(http.StatusOK)
	}
	after := c.Request().Header.Get("Last-Event-ID")
	if after == "" {
		after = c.QueryParam("after")
	}
	stream, err := h.Hub.Subscribe(events.Who{Actor: web.Actor(c), Session: web.SessionToken(c), Objects: objectsOf(web.Actor(c))}, after)
	if err != nil {
		header.Set("Retry-After", lookAgainIn)
		return err
	}
	defer stream.Close()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // a proxy that gathers would hold back the news
	c.Response().WriteHeader(http.StatusOK)
	out := teller{control: http.NewResponseController(c.Response()), c: c}
	// The server's limit for reading a request would end the connection, for which
	// it keeps waiting.
	if err := out.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if out.tell(stream.Take()) != nil {
		return nil
	}
	beat := time.NewTicker(cmp.Or(h.Beat, heartbeatEvery))
	defer beat.Stop()
	ctx := c.Request().Context()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stream.Done():
			return nil
		case <-beat.C:
			if out.tell(stream.Take()) != nil {
				return nil
			}
		case <-stream.Changed():
			if out.tell(stream.Take()) != nil || !rest(ctx, stream, gatherFor) {
				return nil
			}
		}
	}
}

// rest waits before the next telling; false when the stream has ended.
func rest(ctx context.Context, stream *events.Stream, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-stream.Done():
	}
	return false
}

// objectsOf are the objects whose changes somebody is told of.
func objectsOf(a domain.Actor) []string {
	var out []string
	if a.Role.May(domain.PaymentsRead) {
		out = append(out, "payment")
	}
	if a.Role.May(domain.DevicesRead) {
		out = append(out, "device")
	}
	return out
}

// teller writes to one stream. An error says that the browser has gone.
type teller struct {
	control *http.ResponseController
	c       echo.Context
}

// tell writes what changed; with nothing to tell, a comment that keeps the line.
// The position comes with the last name, since a browser that comes back says
// from where on it has heard nothing.
func (t teller) tell(told []events.Event, at string) error {
	var text strings.Builder
	if len(told) == 0 {
		text.WriteString(": still here\n")
	}
	for i, e := range told {
		if i > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "event: %s\ndata: %s\n", e.Name, e.ID)
	}
	if at != "" {
		text.WriteString("id: " + at + "\n")
	}
	text.WriteString("\n")
	if err := t.control.SetWriteDeadline(time.Now().Add(streamWriteWithin)); err != nil {
		return err
	}
	if _, err := t.c.Response().Write([]byte(text.String())); err != nil {
		return err
	}
	return t.control.Flush()
}
