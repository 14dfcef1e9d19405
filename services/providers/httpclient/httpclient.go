// Package httpclient is the one HTTP client of the adapters. It exists because
// money hangs on one question that net/http does not answer by itself: was
// anything sent? It classes every transport fault by that, never repeats a
// request, follows no redirect, bounds time and size, opens a breaker per
// connection, and scrubs what it shows. Of ours it may import providers and
// domain.
package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
)

// The limits that hold when nothing else is said.
const (
	DefaultTimeout = 30 * time.Second
	DefaultMaxBody = 1 << 20
	UserAgent      = "Counterfoil"
)

// ClientOptions is what an adapter makes its client from.
type ClientOptions struct {
	// Provider is the registration's name; it is written into every error.
	Provider string
	// Connection tells the breakers of two connections apart. It is hashed, so
	// it may hold secrets.
	Connection []string
	// HTTP is the adapter's Config.HTTP; nil gets Transport(Options{}).
	HTTP http.RoundTripper
	// Timeout bounds one call from dialling to the last byte.
	Timeout time.Duration
	// PerMinute bounds the calls of the connection; zero: no bound. A call above
	// it is not sent.
	PerMinute int
	// MaxBody is the longest answer that is read; a longer one is garbage.
	MaxBody int64
	// Secrets are values that must not appear in a transcript, an error or a
	// Scrub; the empty string is ignored.
	Secrets []string
	// Now is the clock for Retry-After dates and transcripts.
	Now func() time.Time
}

// Client makes an adapter's calls. It is safe for concurrent use.
type Client struct {
	opts    ClientOptions
	rt      http.RoundTripper
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	pace    *rate.Limiter // nil: no bound
	shared  *Shared
}

// New makes a client. Clients of one connection that share a transport made by
// Transport share one breaker, so an adapter may be built anew for every call.
func New(o ClientOptions) *Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{opts: o, rt: o.HTTP}
	if c.rt == nil {
		c.rt = Transport(Options{})
	}
	if s, ok := c.rt.(*Shared); ok {
		c.shared = s
		c.breaker, c.pace = s.guardsOf(o.Provider, o.Connection, o.PerMinute)
	} else {
		c.breaker = newBreaker(o.Provider, defaultBreakAfter, defaultBreakFor)
		c.pace = newPace(o.PerMinute)
	}
	return c
}

// Call is one request.
type Call struct {
	Op     string // for errors and transcripts: "sale", "refund", "status"
	Method string
	URL    string
	// LogPath stands for the URL's path in transcripts, so that a path that
	// holds a key can be shown without it. Empty: the path itself, scrubbed.
	LogPath string
	Header  http.Header
	Body    []byte
	// Secrets are this call's own secret values, for example a card token.
	Secrets []string
}

// Response is an answer that was read whole. Body is not scrubbed.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// IsJSON says that the answer calls itself JSON.
func (r *Response) IsJSON() bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// Exchange is one call as a transcript shows it: scrubbed, whatever happened.
type Exchange struct {
	Provider, Op, Method, Path string
	Status                     int // zero when there was no answer
	RequestBody, ResponseBody  []byte
	Started                    time.Time
	Took                       time.Duration
	Fault                      string // empty when an answer was read
}

// String is the exchange as one line for a log.
func (x Exchange) String() string {
	s := fmt.Sprintf("%s %s: %s %s %s", x.Provider, x.Op, x.Method, x.Path, x.RequestBody)
	if x.Fault != "" {
		return s + ": " + x.Fault
	}
	return fmt.Sprintf("%s: %d %s", s, x.Status, x.ResponseBody)
}

// Do makes the call once and reads the answer whole, whatever its status. The
// error is always a *providers.Error: KindUnreachable with NotDone when not
// one byte of the request can have left, KindNoAnswer or KindGarbage without
// it otherwise.
func (c *Client) Do(ctx context.Context, call Call) (*Response, error) {
	started := c.opts.Now()
	resp, fault := c.guarded(ctx, call)
	c.record(call, started, resp, fault)
	if fault != nil {
		return nil, fault
	}
	return resp, nil
}

func (c *Client) guarded(ctx context.Context, call Call) (*Response, *providers.Error) {
	if c.pace != nil {
		now := c.opts.Now()
		if r := c.pace.ReserveN(now, 1); r.DelayFrom(now) > 0 {
			wait := r.DelayFrom(now)
			r.CancelAt(now)
			f := c.fault(call, providers.KindRateLimited, true, errPace)
			f.Reason, f.RetryAfter = domain.ReasonRateLimited, wait.Round(time.Second)+time.Second
			return nil, f
		}
	}
	report, err := c.breaker.Allow()
	if err != nil {
		return nil, c.fault(call, providers.KindUnreachable, true, errBreakerOpen)
	}
	resp, fault := c.send(ctx, call)
	switch {
	case fault != nil && errors.Is(ctx.Err(), context.Canceled):
		// The caller went away, which says nothing of the provider.
		report(errExcluded)
	case fault != nil && (fault.Kind == providers.KindUnreachable || fault.Kind == providers.KindNoAnswer):
		report(fault)
	case resp != nil && resp.Status >= 500:
		report(errServer)
	default:
		report(nil)
	}
	return resp, fault
}

func (c *Client) send(ctx context.Context, call Call) (*Response, *providers.Error) {
	if err := ctx.Err(); err != nil {
		return nil, c.fault(call, providers.KindUnreachable, true, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	watch := &sentWatch{}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, watch.trace()), call.Method, call.URL, nil)
	if err != nil {
		return nil, c.fault(call, providers.KindUnreachable, true, errors.New("the address is not a URL"))
	}
	for k, vs := range call.Header {
		req.Header[k] = vs
	}
	req.Header.Set("User-Agent", UserAgent)
	if call.Body != nil {
		// onceReader hides the body's kind from net/http, which would otherwise
		// set GetBody and feel free to send a POST twice on a stale connection.
		req.Body = io.NopCloser(onceReader{bytes.NewReader(call.Body)})
		req.ContentLength = int64(len(call.Body))
		req.GetBody = nil
	}
	resp, err := c.rt.RoundTrip(req)
	if err != nil {
		if watch.nothingSent(err) {
			return nil, c.fault(call, providers.KindUnreachable, true, err)
		}
		return nil, c.fault(call, providers.KindNoAnswer, false, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.opts.MaxBody+1))
	switch {
	case err != nil:
		return nil, c.fault(call, providers.KindNoAnswer, false, err)
	case int64(len(body)) > c.opts.MaxBody:
		return nil, c.fault(call, providers.KindGarbage, false, fmt.Errorf("the answer is longer than %d bytes", c.opts.MaxBody))
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

type onceReader struct{ io.Reader }

var (
	errBreakerOpen = errors.New("the provider has not been answering; nothing was sent")
	errPace        = errors.New("this connection's calls in a minute are used up; nothing was sent")
	errServer      = errors.New("the provider answered 5xx")
	errExcluded    = errors.New("not the provider's doing")
)

func (c *Client) fault(call Call, kind providers.ErrorKind, notDone bool, err error) *providers.Error {
	f := &providers.Error{Provider: c.opts.Provider, Op: call.Op, Kind: kind, NotDone: notDone, Err: c.quiet(err, call.Secrets)}
	if notDone {
		f.Reason = domain.ReasonUnreachable
	}
	return f
}

// Scrub is the package's Scrub, with this client's and the given secret values
// taken out as well.
func (c *Client) Scrub(b []byte, secrets ...string) []byte {
	return scrubberOf(c.opts.Secrets, secrets).body(b)
}

// ScrubText is the package's ScrubText, with this client's and the given
// secret values taken out as well.
func (c *Client) ScrubText(s string, secrets ...string) string {
	return scrubberOf(c.opts.Secrets, secrets).text(s)
}

// maxWords is how many characters of a provider's own words are kept.
const maxWords = 500

// Words makes a provider's own words fit for a column, a log line and a page:
// scrubbed, without control characters, and cut to 500 characters.
func (c *Client) Words(s string, secrets ...string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, c.ScrubText(s, secrets...))
	if r := []rune(s); len(r) > maxWords {
		s = string(r[:maxWords-1]) + "…"
	}
	return strings.TrimSpace(s)
}

// maxReference is how long a provider's own reference of a transaction may be:
// seed 003 has 20 characters, seed 004 a GUID of at most 64.
const maxReference = 64

// Reference says that a provider's reference can be one: short, and without
// spaces or control characters. The empty one is no reference, and right.
func Reference(s string) bool {
	return len(s) <= maxReference && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func (c *Client) record(call Call, started time.Time, resp *Response, fault *providers.Error) {
	if c.shared == nil || c.shared.opts.Transcript == nil {
		return
	}
	x := Exchange{
		Provider: c.opts.Provider, Op: call.Op, Method: call.Method, Path: call.LogPath,
		RequestBody: c.Scrub(call.Body, call.Secrets...), Started: started, Took: c.opts.Now().Sub(started),
	}
	if u, err := url.Parse(call.URL); x.Path == "" && err == nil {
		x.Path = u.Path
	}
	x.Path = c.ScrubText(x.Path, call.Secrets...)
	if resp != nil {
		x.Status, x.ResponseBody = resp.Status, c.Scrub(resp.Body, call.Secrets...)
	}
	if fault != nil {
		x.Fault = fault.Error()
	}
	c.shared.opts.Transcript(x)
}

// quietError is a transport error whose words are scrubbed and whose chain
// can still be asked with errors.Is and errors.As.
type quietError struct {
	text string
	err  error
}

func (e quietError) Error() string { return e.text }
func (e quietError) Unwrap() error { return e.err }

func (c *Client) quiet(err error, secrets []string) error {
	return quietError{text: c.Words(err.Error(), secrets...), err: err}
}

// sentWatch learns from the transport whether a byte of the request can have
// left. net/http waits for its writing goroutine before it gives back an error
// of a connection, so what was counted by then is all that there will be.
type sentWatch struct {
	asked  atomic.Bool // the transport went looking for a connection
	got    atomic.Bool // and has handed one to the request
	before atomic.Int64
	conn   atomic.Pointer[countedConn]
	twice  atomic.Bool
}

func (w *sentWatch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { w.asked.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			if w.got.Swap(true) {
				w.twice.Store(true)
			}
			conn := info.Conn
			if t, ok := conn.(*tls.Conn); ok {
				conn = t.NetConn()
			}
			if counted, ok := conn.(*countedConn); ok {
				w.before.Store(counted.written.Load())
				w.conn.Store(counted)
			}
		},
	}
}

// nothingSent is true only on proof: no connection was ever handed to the
// request, or the one that was saw no write from then on. A transport that
// does not take part in tracing proves it by a dial or refusal error only.
func (w *sentWatch) nothingSent(err error) bool {
	if !w.got.Load() {
		var dial *net.OpError
		var refused *RefusedError
		return w.asked.Load() || errors.As(err, &refused) || (errors.As(err, &dial) && dial.Op == "dial")
	}
	conn := w.conn.Load()
	return conn != nil && !w.twice.Load() && conn.written.Load() == w.before.Load()
}

// StatusFault classes an answer by its HTTP status alone, for answers whose
// body says nothing better; nil for a status that says nothing either.
// 401, 403 and 429 are certain noes, 5xx is an unknown outcome.
func (c *Client) StatusFault(op string, r *Response) *providers.Error {
	f := &providers.Error{Provider: c.opts.Provider, Op: op, Code: strconv.Itoa(r.Status)}
	switch {
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden:
		f.Kind, f.NotDone, f.Reason = providers.KindCredentials, true, domain.ReasonCredentials
	case r.Status == http.StatusTooManyRequests:
		f.Kind, f.NotDone, f.Reason = providers.KindRateLimited, true, domain.ReasonRateLimited
		f.RetryAfter = RetryAfter(r.Header, c.opts.Now())
	case r.Status >= 500:
		f.Kind = providers.KindServer
	default:
		return nil
	}
	return f
}

// RetryAfter reads a Retry-After header, in seconds or as a date; zero when
// there is none, it cannot be read, or it lies in the past. A wish of more
// than a day is cut to a day.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	const most = 24 * time.Hour
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, most)
	}
	at, err := http.ParseTime(v)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), most)
}
