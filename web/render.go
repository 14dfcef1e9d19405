package web

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

// gzipFrom is the size below which compressing costs more than it saves.
const gzipFrom = 1 << 10

var gzips = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("web: gzip: " + err.Error())
	}
	return w
}}

// Render writes a component as a whole answer: into a buffer first, so that a
// component that fails leaves no half page behind.
func Render(c echo.Context, status int, component templ.Component) error {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	if err := component.Render(c.Request().Context(), buf); err != nil {
		return fmt.Errorf("web: render: %w", err)
	}
	if err := serverOf(c).sessions.commit(c); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	for _, name := range []string{"HX-Request", "HX-History-Restore-Request", "Accept-Encoding"} {
		h.Add("Vary", name)
	}
	if buf.Len() < gzipFrom || !acceptsGzip(c.Request()) {
		c.Response().WriteHeader(status)
		_, err := c.Response().Write(buf.Bytes())
		return err
	}
	h.Set("Content-Encoding", "gzip")
	c.Response().WriteHeader(status)
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	w.Reset(c.Response())
	if _, err := w.Write(buf.Bytes()); err != nil {
		return err
	}
	return w.Close()
}

func acceptsGzip(r *http.Request) bool {
	for _, item := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(item), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			weight = strings.ReplaceAll(weight, " ", "")
			return weight != "q=0" && strings.TrimRight(weight, "0") != "q=0."
		}
	}
	return false
}

// IsFragment says that htmx asks for a part of a page. After "Back" it asks for
// a whole one.
func IsFragment(c echo.Context) bool {
	h := c.Request().Header
	return h.Get("HX-Request") == "true" && h.Get("HX-History-Restore-Request") != "true"
}

// Background says that no person made this request, but a page that refreshes
// itself. It does not keep a session alive. On a page with a stream htmx adds
// text/event-stream behind text/html in what it accepts, for a person's requests
// too, so only who wants nothing but a stream is known by it.
func Background(c echo.Context) bool {
	h := c.Request().Header
	return h.Get("X-Background") == "1" || strings.HasPrefix(h.Get("Accept"), "text/event-stream")
}

// Redirect leads to a local page after a form (303), also when htmx sent it.
// A path that is not local is an error: nothing of a request may choose another
// host.
func Redirect(c echo.Context, path string) error {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return fmt.Errorf("web: %q is not a local path", path)
	}
	if err := serverOf(c).sessions.commit(c); err != nil {
		return err
	}
	if IsFragment(c) {
		c.Response().Header().Set("HX-Redirect", path)
		return c.NoContent(http.StatusOK)
	}
	return c.Redirect(http.StatusSeeOther, path)
}

// PopFlash gives the sentence that Flash kept, once; empty when there is none.
func PopFlash(c echo.Context) (kind, text string) {
	if visitOf(c) == nil {
		return "", ""
	}
	s := serverOf(c).sessions
	ctx := c.Request().Context()
	if !s.scs.Exists(ctx, valueFlash) {
		return "", ""
	}
	kind, text, _ = strings.Cut(s.scs.PopString(ctx, valueFlash), "\x00")
	return kind, text
}
