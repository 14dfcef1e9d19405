package web

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	cspReportPath  = "/csp-report"
	cspReportLimit = 8 << 10
	cspLogPerMin   = 20
)

// CSPReports is how many policy violations browsers have reported since the
// start.
func (s *Server) CSPReports() int64 { return s.cspReports.Load() }

// cspReport counts a violation and logs the first few of each minute. A report
// comes from a browser, so every part of it may be made up: only short, named
// parts are logged, without queries.
func (s *Server) cspReport(c echo.Context) error {
	raw, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return err
	}
	s.cspReports.Add(1)
	if s.cspLogged.take(s.opt.Now(), cspLogPerMin) {
		var body struct {
			Report struct {
				Document  string `json:"document-uri"`
				Directive string `json:"effective-directive"`
				Violated  string `json:"violated-directive"`
				Blocked   string `json:"blocked-uri"`
			} `json:"csp-report"`
		}
		_ = json.Unmarshal(raw, &body) // what cannot be read is still counted
		directive := body.Report.Directive
		if directive == "" {
			directive = body.Report.Violated
		}
		s.opt.Log.LogAttrs(c.Request().Context(), slog.LevelWarn, "content security policy violated",
			slog.String("request_id", RequestID(c)),
			slog.String("page", pathOnly(body.Report.Document)),
			slog.String("directive", clip(directive, 100)),
			slog.String("blocked", originOnly(body.Report.Blocked)))
	}
	return c.NoContent(http.StatusNoContent)
}

func pathOnly(raw string) string {
	u, err := url.Parse(clip(raw, 2048))
	if err != nil {
		return ""
	}
	return clip(redactPath(u.Path), 200)
}

func originOnly(raw string) string {
	u, err := url.Parse(clip(raw, 2048))
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return clip(u.Path, 40) // "inline", "eval"
	}
	return clip(u.Scheme+"://"+u.Host, 200)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// window lets a number of things through per minute.
type window struct {
	mu    sync.Mutex
	start time.Time
	n     int
}

func (w *window) take(now time.Time, most int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := now.Sub(w.start); d >= time.Minute || d < 0 {
		w.start, w.n = now, 0
	}
	w.n++
	return w.n <= most
}
