package web

import (
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	keyFrameSrc  = "web.frame-src"
	keyAncestors = "web.frame-ancestors"
)

// setHeaders sets what every answer carries; a handler loosens single lines of
// the policy with AllowFrame and FramableBySelf.
func (s *Server) setHeaders(c echo.Context) {
	h := c.Response().Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if s.https {
		h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
	setPolicy(c)
}

func setPolicy(c echo.Context) {
	frames, ancestors := "'none'", "'none'"
	if origin, ok := c.Get(keyFrameSrc).(string); ok {
		frames = origin
	}
	if who, ok := c.Get(keyAncestors).(string); ok {
		ancestors = who
	}
	c.Response().Header().Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"font-src 'self'",
		"connect-src 'self'",
		"form-action 'self'",
		"base-uri 'none'",
		"object-src 'none'",
		"frame-src " + frames,
		"frame-ancestors " + ancestors,
		"report-uri " + cspReportPath,
	}, "; "))
}

// AllowFrame lets this one page show a frame of origin, which is
// "scheme://host" or "scheme://host:port" and nothing else; other text is
// ignored and the frame stays forbidden. Our own origin is allowed beside it,
// for the return page inside the frame.
func AllowFrame(c echo.Context, origin string) {
	if !isOrigin(origin) {
		return
	}
	c.Set(keyFrameSrc, "'self' "+origin)
	setPolicy(c)
}

// FramableBySelf lets pages of our own origin show this one in a frame.
func FramableBySelf(c echo.Context) {
	c.Set(keyAncestors, "'self'")
	setPolicy(c)
}

// isOrigin refuses whatever could end the directive or widen it.
func isOrigin(s string) bool {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	if !ok || rest == "" {
		return false
	}
	for i := range len(rest) {
		b := rest[i]
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '-' || b == ':' || b == '[' || b == ']') {
			return false
		}
	}
	return true
}
