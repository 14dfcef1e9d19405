package httpclient

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// Options is what the shared transport is made from.
type Options struct {
	// AllowHosts is the operator's list of host:port pairs that are exempt from
	// the rule https, port 443, public address.
	AllowHosts []string
	// RootCAs replaces the system's roots; nil keeps them.
	RootCAs *x509.CertPool
	// DialTimeout, TLSTimeout and FirstByteTimeout bound the parts of a call;
	// each adapter's own time-out bounds the whole.
	DialTimeout, TLSTimeout, FirstByteTimeout time.Duration
	// BreakAfter consecutive faults a connection's breaker opens, for BreakFor.
	BreakAfter int
	BreakFor   time.Duration
	// Transcript, when set, is told of every call, scrubbed. It is called on the
	// caller's goroutine and must not block.
	Transcript func(Exchange)
}

const (
	defaultBreakAfter = 5
	defaultBreakFor   = 15 * time.Second
)

// Shared is the transport of all connections: connection reuse, the rule of
// where we may call, the breakers and the transcript. It is an
// http.RoundTripper, made once by Transport and passed as Config.HTTP.
type Shared struct {
	opts     Options
	http     *http.Transport
	allowed  map[string]bool
	mu       sync.Mutex
	breakers map[[sha256.Size]byte]*gobreaker.TwoStepCircuitBreaker[struct{}]
	paces    map[[sha256.Size]byte]*rate.Limiter
}

// Transport makes the shared transport. It uses no proxy from the environment:
// behind one, the address rule could not be kept.
func Transport(o Options) *Shared {
	s := &Shared{opts: o, allowed: map[string]bool{}, breakers: map[[sha256.Size]byte]*gobreaker.TwoStepCircuitBreaker[struct{}]{},
		paces: map[[sha256.Size]byte]*rate.Limiter{}}
	for _, h := range o.AllowHosts {
		s.allowed[strings.ToLower(strings.TrimSpace(h))] = true
	}
	orElse := func(d, other time.Duration) time.Duration {
		if d > 0 {
			return d
		}
		return other
	}
	s.http = &http.Transport{
		DialContext:           s.dial,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:   orElse(o.TLSTimeout, 5*time.Second),
		ResponseHeaderTimeout: orElse(o.FirstByteTimeout, DefaultTimeout),
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   16,
		// Shorter than the keep-alive of common servers: a request that meets a
		// connection just closed by the other side may have left, and then its
		// outcome is unknown.
		IdleConnTimeout:        20 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		// HTTP/2 has retry rules of its own (GOAWAY, REFUSED_STREAM); HTTP/1.1
		// alone keeps "was anything sent?" a question about one connection.
		Protocols: http1(),
	}
	s.opts.DialTimeout = orElse(o.DialTimeout, 5*time.Second)
	if s.opts.BreakAfter <= 0 {
		s.opts.BreakAfter = defaultBreakAfter
	}
	s.opts.BreakFor = orElse(o.BreakFor, defaultBreakFor)
	return s
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// RefusedError says that a call was refused here, before any connection.
type RefusedError struct{ Why string }

// Error tells why.
func (e *RefusedError) Error() string { return e.Why }

// RoundTrip makes one request, after the address rule: https, port 443 and a
// public address, unless the operator allows the host and port.
func (s *Shared) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := s.check(req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return s.http.RoundTrip(req)
}

func (s *Shared) check(req *http.Request) error {
	u := req.URL
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	switch {
	case u.Hostname() == "":
		return &RefusedError{"the provider's address names no host"}
	case u.User != nil:
		return &RefusedError{"the provider's address must not hold a user name"}
	case s.allowed[strings.ToLower(net.JoinHostPort(u.Hostname(), port))]:
		return nil
	case u.Scheme != "https" || port != "443":
		return &RefusedError{"the provider's address must be https on port 443"}
	}
	return nil
}

// CheckAddress says why an address may not be called, as far as that can be told
// without asking a name server: what it lets through is judged again when it is
// dialled. It exists for forms, so that a person hears of it before the first
// call does. The error is a *RefusedError.
func (s *Shared) CheckAddress(u *url.URL) error {
	if err := s.check(&http.Request{URL: u}); err != nil {
		return err
	}
	// What is neither https nor on port 443 got here by the operator's list.
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || s.allowed[strings.ToLower(net.JoinHostPort(u.Hostname(), "443"))] {
		return nil
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	// A last part that begins with a digit is an address in one of its old
	// spellings (0177.1, 2130706433), never a name of the public internet.
	if a, err := netip.ParseAddr(host); err == nil && Public(a) {
		return nil
	} else if err == nil || !strings.Contains(host, ".") || last == "" || last == "localhost" || last[0] >= '0' && last[0] <= '9' {
		return &RefusedError{"the provider's address is not a public one"}
	}
	return nil
}

// CloseIdle closes the connections that no call is using.
func (s *Shared) CloseIdle() { s.http.CloseIdleConnections() }

func (s *Shared) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: s.opts.DialTimeout, KeepAlive: 30 * time.Second}
	if !s.allowed[strings.ToLower(addr)] {
		// Control runs after the name was resolved, on the very address that is
		// about to be dialled, so a name that flips between answers gains nothing.
		d.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !Public(ap.Addr()) {
				return &RefusedError{"the provider's address is not a public one"}
			}
			return nil
		}
	}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn}, nil
}

// countedConn counts the bytes that a write was attempted for, so that "nothing
// left" can be proved and never merely hoped.
type countedConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	return c.Conn.Write(b)
}

var notPublic = func() []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}()

var globalV6 = netip.MustParsePrefix("2000::/3")

// Public says that an address is one of the public internet's: not loopback,
// private, link-local, shared, reserved, documentation or a tunnel's.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || (a.Is6() && !globalV6.Contains(a)) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

func newBreaker(name string, after int, open time.Duration) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        name,
		Timeout:     open,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= after },
		IsExcluded:  func(err error) bool { return errors.Is(err, errExcluded) },
	})
}

// newPace bounds the calls in a minute; a tenth of them may come at once.
func newPace(perMinute int) *rate.Limiter {
	if perMinute <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Every(time.Minute/time.Duration(perMinute)), max(1, perMinute/10))
}

// guardsOf gives the breaker and the pace of a connection, which outlive the
// adapters that are made for it.
func (s *Shared) guardsOf(provider string, connection []string, perMinute int) (*gobreaker.TwoStepCircuitBreaker[struct{}], *rate.Limiter) {
	h := sha256.New()
	for _, part := range append([]string{provider}, connection...) {
		n := sha256.Sum256([]byte(part))
		h.Write(n[:])
	}
	key := [sha256.Size]byte(h.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.breakers[key]
	if !ok {
		b = newBreaker(provider, s.opts.BreakAfter, s.opts.BreakFor)
		s.breakers[key] = b
	}
	p := s.paces[key]
	switch fresh := newPace(perMinute); {
	case fresh == nil:
		delete(s.paces, key)
		p = nil
	case p == nil || p.Limit() != fresh.Limit():
		p, s.paces[key] = fresh, fresh
	}
	return b, p
}
