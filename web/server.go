// Package web is the plumbing under every page: the server and the order of
// its middleware, sessions, cross-site protection, security headers, forms,
// rendering and errors. It knows no payment word. Of ours it imports domain
// (who may do what, which errors there are) and static (the assets it serves).
package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/static"
)

// FormLimit is the largest body of a form, in bytes.
const FormLimit = 64 << 10

// Options is what a Server needs. Store, ErrorPage and Expired are required.
type Options struct {
	// Store keeps the sessions and knows who a session belongs to.
	Store Store
	// Now is the clock of every limit here; time.Now when nil.
	Now func() time.Time
	// Log gets one line per request and every internal error; slog's default
	// when nil.
	Log *slog.Logger
	// PublicURL is the address that browsers use, for example
	// "https://pay.example.com". With https, browsers are told to stay on it.
	PublicURL string
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	// ErrorPage answers an error. Its own error is logged and answered in plain
	// text.
	ErrorPage func(c echo.Context, status int, err error) error
	// Expired answers a form that came without a complete session. Nothing of
	// it was done. The status is 401.
	Expired func(c echo.Context) error
	// WriteTimeout is how long an answer may take in all; two minutes when 0.
	// Longer streams move their own deadline.
	WriteTimeout time.Duration
	// Mark is called before each request is handled; MarkOf gives what it said.
	// nil: nothing. It is where the stream of changes is before a page reads what
	// it shows.
	Mark func() string
}

// Route is one address of the product and what it asks of who calls it. A
// Route without a Permission is always answered 403: forgetting is safe.
type Route struct {
	Method     string
	Path       string // echo's form, for example "/payments/:id"
	Permission domain.Permission
	Handler    echo.HandlerFunc
	// Sessionless routes neither read nor make a session and carry no form
	// token: callbacks of providers, health checks, pages inside a frame. They
	// must be Public.
	Sessionless bool
	// Background routes are asked by pages and never by a person: they do not keep
	// a session alive, whatever the request says of itself.
	Background bool
	// BodyLimit is the largest body in bytes; FormLimit when 0.
	BodyLimit int64
}

// Server answers HTTP. Make it with New, give it routes with Add, then serve
// Handler.
type Server struct {
	opt        Options
	echo       *echo.Echo
	sessions   *sessions
	cross      *http.CrossOriginProtection
	https      bool
	routes     []Route
	notFound   echo.HandlerFunc
	cspReports atomic.Int64
	cspLogged  window
}

// New makes a server with the routes that every installation has: assets and
// the address that browsers report policy violations to.
func New(opt Options) (*Server, error) {
	if opt.Store == nil || opt.ErrorPage == nil || opt.Expired == nil {
		return nil, errors.New("web: Store, ErrorPage and Expired are required")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.WriteTimeout == 0 {
		opt.WriteTimeout = 2 * time.Minute
	}
	s := &Server{opt: opt, echo: echo.New(), cross: http.NewCrossOriginProtection()}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = s.clientIP
	s.echo.HTTPErrorHandler = s.handleError
	s.sessions = newSessions(opt.Store, opt.Now)
	if opt.PublicURL != "" {
		u, err := url.Parse(opt.PublicURL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, domain.Errorf(domain.Invalid, "COUNTERFOIL_PUBLIC_URL must be an address such as https://pay.example.com.")
		}
		s.https = u.Scheme == "https"
		if err := s.cross.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("web: public URL: %w", err)
		}
	}
	s.cross.AddInsecureBypassPattern("POST /webhooks/")
	s.cross.AddInsecureBypassPattern("POST " + cspReportPath)
	s.echo.Use(s.outermost)
	s.notFound = s.guard(Route{Permission: domain.Public, Handler: func(echo.Context) error { return echo.ErrNotFound }})
	s.Add(
		Route{Method: http.MethodGet, Path: static.Prefix + "*", Permission: domain.Public, Sessionless: true, Handler: echo.WrapHandler(static.Handler())},
		Route{Method: http.MethodPost, Path: cspReportPath, Permission: domain.Public, Sessionless: true, BodyLimit: cspReportLimit, Handler: s.cspReport},
	)
	return s, nil
}

// Add registers routes. A GET answers HEAD too. It panics on a programming
// mistake: the same route twice, or a sessionless route that is not public.
func (s *Server) Add(routes ...Route) {
	for _, r := range routes {
		if r.Sessionless && r.Permission != domain.Public {
			panic("web: " + r.Method + " " + r.Path + " has no session and is not public")
		}
		if slices.ContainsFunc(s.routes, func(o Route) bool { return o.Method == r.Method && o.Path == r.Path }) {
			panic("web: " + r.Method + " " + r.Path + " is registered twice")
		}
		s.routes = append(s.routes, r)
		s.echo.Add(r.Method, r.Path, s.guard(r))
		if r.Method == http.MethodGet {
			s.echo.Add(http.MethodHead, r.Path, s.guard(r))
		}
	}
}

// Routes lists what was added, for the test that walks every route as every
// role.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// Handler is the whole server as an http.Handler.
func (s *Server) Handler() http.Handler { return s.echo }

// HTTPServer is an http.Server around Handler with every time limit set.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      s.opt.WriteTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
}

// outermost numbers the request, sets the headers that every answer carries,
// turns a panic into a 500 and writes the access log.
func (s *Server) outermost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		start := s.opt.Now()
		id := newRequestID()
		c.Set(keyServer, s)
		c.Set(keyRequestID, id)
		if s.opt.Mark != nil {
			c.Set(keyMark, s.opt.Mark())
		}
		c.Response().Header().Set("X-Request-Id", id)
		s.setHeaders(c)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the documented sentinel, compared as net/http does
					panic(p)
				}
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			if err != nil {
				c.Error(err)
				err = nil
			}
			s.logRequest(c, start)
		}()
		err = next(c)
		// No route: a reader who is signed in gets the page in the usual shell.
		// (A catch-all route would take the place of 405.)
		if errors.Is(err, echo.ErrNotFound) && isSafe(c.Request().Method) && visitOf(c) == nil {
			err = s.notFound(c)
		}
		return err
	}
}

func (s *Server) logRequest(c echo.Context, start time.Time) {
	attrs := []slog.Attr{
		slog.String("request_id", RequestID(c)),
		slog.String("method", c.Request().Method),
		slog.String("path", redactPath(c.Request().URL.Path)),
		slog.Int("status", c.Response().Status),
		slog.Int64("bytes", c.Response().Size),
		slog.Duration("took", s.opt.Now().Sub(start)),
		slog.String("ip", c.RealIP()),
	}
	if a := Actor(c); !a.UserID.IsZero() {
		attrs = append(attrs, slog.String("user", a.UserID.String()), slog.String("merchant", a.MerchantID.String()))
	}
	s.opt.Log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request", attrs...)
}

// redactPath drops every part of a path that is long enough to be a secret,
// such as a one-time link's token. Ids are UUIDs, which are none.
func redactPath(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		if len(part) >= 32 && !isUUID(part) {
			parts[i] = "[redacted]"
		}
	}
	return strings.Join(parts, "/")
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hexDigit := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f' || s[i] >= 'A' && s[i] <= 'F'
		if dash != (s[i] == '-') || !dash && !hexDigit {
			return false
		}
	}
	return true
}

func newRequestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// guard is what stands before every handler, in this order: cross-site
// protection, body limit, session, permission, form token.
func (s *Server) guard(r Route) echo.HandlerFunc {
	limit := r.BodyLimit
	if limit == 0 {
		limit = FormLimit
	}
	return func(c echo.Context) error {
		if err := s.checkOrigin(c.Request()); err != nil {
			return err
		}
		if c.Request().Body != nil {
			c.Request().Body = http.MaxBytesReader(c.Response().Writer, c.Request().Body, limit)
		}
		if r.Permission == "" {
			return domain.Errorf(domain.Forbidden, "This address is not open to anyone.")
		}
		if r.Sessionless {
			return r.Handler(c)
		}
		if err := s.sessions.load(c); err != nil {
			return err
		}
		safe := isSafe(c.Request().Method)
		if r.Permission != domain.Public {
			if !SignedIn(c) {
				return s.refuseAnonymous(c, safe)
			}
			if err := Actor(c).Require(r.Permission); err != nil {
				return err
			}
		}
		if !safe {
			if err := checkCSRF(c); err != nil {
				return err
			}
		}
		if !r.Background {
			if err := s.sessions.touch(c); err != nil {
				return err
			}
		}
		if err := r.Handler(c); err != nil {
			return err
		}
		return s.sessions.commit(c)
	}
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// refuseAnonymous leads a reader to the sign-in page and tells whoever sent a
// form that nothing was done with it.
func (s *Server) refuseAnonymous(c echo.Context, safe bool) error {
	if !safe {
		return s.opt.Expired(c)
	}
	next := c.Request().URL.RequestURI()
	if IsFragment(c) {
		next = currentPage(c)
	}
	return SendToSignIn(c, next)
}

// SendToSignIn leads somebody without a session to the sign-in page and from
// there to next. For htmx the status is 401 and the browser leaves the page,
// whose content is nobody's any more.
func SendToSignIn(c echo.Context, next string) error {
	target := SignInURL(next, endedBecause(c))
	if !IsFragment(c) {
		return Redirect(c, target)
	}
	if err := serverOf(c).sessions.commit(c); err != nil {
		return err
	}
	c.Response().Header().Set("HX-Redirect", target)
	return c.NoContent(http.StatusUnauthorized)
}

// currentPage is the path of the page that a fragment is asked for from.
func currentPage(c echo.Context) string {
	u, err := url.Parse(c.Request().Header.Get("HX-Current-URL"))
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

// SignInURL is the sign-in page that leads to next afterwards, if next is a
// local page, and says why: "idle", "ended" or nothing.
func SignInURL(next, why string) string {
	q := url.Values{}
	if n := SafeNext(next); n != "" && n != "/" {
		q.Set("next", n)
	}
	if why != "" {
		q.Set("why", why)
	}
	if len(q) == 0 {
		return "/signin"
	}
	return "/signin?" + q.Encode()
}

// SafeNext gives the path and query of a local page, or "" for anything that
// could lead elsewhere.
func SafeNext(next string) string {
	if len(next) > 2048 || !strings.HasPrefix(next, "/") || strings.Contains(next, `\`) {
		return ""
	}
	for _, r := range next {
		if r < 0x20 || r == 0x7f {
			return ""
		}
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return ""
	}
	if strings.Contains(u.Path, "//") || strings.Contains(u.Path, `\`) {
		return ""
	}
	for _, r := range u.Path {
		if r < 0x20 || r == 0x7f {
			return ""
		}
	}
	for _, own := range []string{"/signin", "/signout", "/setup"} {
		if u.Path == own || strings.HasPrefix(u.Path, own+"/") {
			return ""
		}
	}
	return next
}

const (
	keyServer    = "web.server"
	keyRequestID = "web.request"
	keySession   = "web.session"
	keyMark      = "web.mark"
)

// RequestID is the number of this request: on the error page, in the log and in
// audit rows.
func RequestID(c echo.Context) string {
	id, _ := c.Get(keyRequestID).(string)
	return id
}

// MarkOf is what Options.Mark said when this request came.
func MarkOf(c echo.Context) string {
	mark, _ := c.Get(keyMark).(string)
	return mark
}

// Now is the server's clock.
func Now(c echo.Context) time.Time { return serverOf(c).opt.Now() }

func serverOf(c echo.Context) *Server { return c.Get(keyServer).(*Server) }

// clientIP believes X-Forwarded-For only as far as it was written by proxies
// that the operator trusts, from the nearest outwards.
func (s *Server) clientIP(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.String()
}

func (s *Server) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.opt.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ParseProxies reads COUNTERFOIL_TRUSTED_PROXIES: addresses or prefixes,
// separated by commas. Invalid names the entry that cannot be read.
func ParseProxies(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, item := range strings.Split(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		if p, err := netip.ParsePrefix(item); err == nil {
			out = append(out, p.Masked())
		} else if a, err := netip.ParseAddr(item); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		} else {
			return nil, domain.Errorf(domain.Invalid, "COUNTERFOIL_TRUSTED_PROXIES: %q is neither an address nor a network.", item)
		}
	}
	return out, nil
}

// detached is for work that must end even when the browser has gone.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
