// Package providers is the port to the payment systems: small capability
// interfaces, the request and result types they share, one typed error, and
// the registry. An adapter lives in a package below it and knows neither the
// database nor another adapter. It may import domain and money.
package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// Provider is an adapter bound to one connection. What it can do is found by
// asking which of the interfaces below it implements.
type Provider interface {
	// Name is the registration's name, for example "cardflo".
	Name() string
}

// TokenSeller takes a telephone (MOTO) sale with a card token. It moves money.
// A decline is a Result; an error is an *Error that says whether the sale
// certainly did not happen.
type TokenSeller interface {
	SellByToken(ctx context.Context, req SaleRequest) (Result, error)
}

// PageSeller opens a telephone sale whose card is typed on the provider's own
// page. The result is normally Processing with a RedirectURL.
type PageSeller interface {
	SellByPage(ctx context.Context, req SaleRequest) (Result, error)
}

// Refunder gives back a part or the whole of an approved sale.
type Refunder interface {
	Refund(ctx context.Context, req RefundRequest) (Result, error)
}

// StatusFinder asks for the provider's truth about one attempt. It changes
// nothing and may be repeated.
type StatusFinder interface {
	FindStatus(ctx context.Context, q Lookup) (Result, error)
}

// FrameTokenizer names the provider's frame that turns a typed card into a
// token, for the page at parentOrigin ("https://shop.example").
type FrameTokenizer interface {
	CardFrame(parentOrigin string) (Frame, bool)
}

// PageOrigin names the origin of the pages that SellByPage redirects to, for
// the payment page's frame-src.
type PageOrigin interface {
	CardPageOrigin() string
}

// Frame is a card-entry frame: where it is, and the only origin whose messages
// count.
type Frame struct{ URL, Origin string }

// SaleRequest is what a sale needs. Amount is in minor units of its currency;
// the adapter turns it into the endpoint's own unit.
type SaleRequest struct {
	Amount         money.Amount
	AttemptRef     string // UUID version 4, fresh for every attempt
	Token          string // SellByToken only
	OrderReference string
	Email          string
	// ReturnURL, where the provider's page sends the browser afterwards; the
	// outcome is never read from it.
	ReturnURL string
	// Surcharge is the part of Amount that is added for the way of paying; zero
	// value: none. Only a SurchargeTaker is given one.
	Surcharge money.Amount
	// CaptureAfter asks the provider to capture a preauthorization by itself, in
	// whole minutes; zero: it does not. Only an AutoCapturer is given one.
	CaptureAfter time.Duration
}

// RefundRequest is what a refund needs.
type RefundRequest struct {
	Amount      money.Amount
	AttemptRef  string
	OriginalRef string // the provider's id of the sale
	Note        string
}

// Lookup names an attempt in a status question.
type Lookup struct {
	Type        domain.TransactionType
	AttemptRef  string
	ProviderRef string // when an earlier answer told it
	OriginalRef string // the sale's provider id, for a refund
	// OriginalAttempt is the sale's own AttemptRef, for a refund that may be
	// listed only under the sale (seed 004).
	OriginalAttempt string
	Amount          money.Amount
}

// Outcome is what the provider says of an attempt.
type Outcome int

// The outcomes. The zero value is Pending: only an explicit yes or no is final.
const (
	// Pending: not final, or a word that we do not know.
	Pending Outcome = iota
	// Approved: the money moved.
	Approved
	// Declined: the bank or the provider said no to this card.
	Declined
	// Absent: the provider does not know the attempt. Only a status question
	// answers it, and it is no verdict before the Absence rule is met.
	Absent
)

// String names the outcome for logs.
func (o Outcome) String() string {
	return [...]string{"pending", "approved", "declined", "absent"}[o]
}

// Result is the provider's answer, translated.
type Result struct {
	Outcome     Outcome
	ProviderRef string
	// Amount is what the provider says it processed, when it says so.
	Amount      *money.Amount
	Reason      domain.Reason
	Code        string // the provider's own code
	Text        string // the provider's own words
	AuthCode    string
	Card        domain.Card
	RedirectURL string
	// Token is what a later SellByToken of the same connection takes; opaque,
	// and sealed before it is stored.
	Token string
	// Tip is the part of Amount that is a tip, when the provider tells it.
	Tip *money.Amount
	// Receipts are the provider's own, as they came; they are foreign markup.
	Receipts []Receipt
	// ExpiresAt is when a hold lapses or a link ends, when the provider tells it,
	// and CancelRef what CancelLink needs, opaque.
	ExpiresAt time.Time
	CancelRef string
	// Review says that the provider's risk check wants a person to look.
	Review bool
	// Raw is the answer's body, scrubbed of secrets and card data.
	Raw []byte
}

// Receipt is one that a provider or its terminal made: an address, inline HTML,
// or a picture of a signature. It is never shown in our own origin.
type Receipt struct {
	Copy string // "merchant", "customer" or "signature"
	Kind string // "url", "html" or "image"
	Body string
}

// ErrorKind classes a fault; a decline is not a fault.
type ErrorKind string

// The kinds.
const (
	KindUnreachable ErrorKind = "unreachable"  // no connection, TLS refused, breaker open: nothing was sent
	KindNoAnswer    ErrorKind = "no_answer"    // sent, and then time-out or a cut line
	KindGarbage     ErrorKind = "garbage"      // an answer that cannot be read
	KindServer      ErrorKind = "server"       // 5xx
	KindRefused     ErrorKind = "refused"      // the request was refused as such
	KindCredentials ErrorKind = "credentials"  // 401, 403 or a signature refused
	KindRateLimited ErrorKind = "rate_limited" // 429
	KindUnsupported ErrorKind = "unsupported"  // the document gives no rule, so we did not send
)

// Error is a fault at a provider. NotDone is the field that money hangs on: it
// is true only when the operation certainly did not happen; everything else is
// an unknown outcome.
type Error struct {
	Provider, Op string
	Kind         ErrorKind
	NotDone      bool
	Reason       domain.Reason // when NotDone
	Code, Text   string        // the provider's own
	Meaning      string        // a sentence for staff, where the code has one
	RetryAfter   time.Duration
	Raw          []byte // scrubbed
	Err          error
}

// Error describes the fault for logs; it holds no secret.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %s", e.Provider, e.Op, e.Kind)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the transport's error.
func (e *Error) Unwrap() error { return e.Err }

// AsError finds the *Error in a chain.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Absence says when "the provider does not know it" may be believed
// (docs/how-money-moves.md, 7).
type Absence struct {
	// After the last moment at which the request can have left.
	After time.Duration
	// Asks is how many such answers are needed at or beyond After.
	Asks int
}

// Idempotency is what an adapter declares about repeated requests.
type Idempotency struct {
	// Key says that the provider refuses or replays a repeated AttemptRef.
	Key bool
	// Lifetime of the key; zero: no end is documented.
	Lifetime time.Duration
	// ErrorsReplayed says that a failed answer is kept under the key.
	ErrorsReplayed bool
	// Lookup says that an attempt can be found by our own reference.
	Lookup bool
}

// Config is what an adapter is made from.
type Config struct {
	BaseURL  string
	Settings map[string]string // public values
	Secrets  map[string]string // opened credentials; never logged
	// Also are other sets of credentials that count while a rotation is under
	// way, for verifying callbacks only; nothing is sent with them.
	Also []map[string]string
	// CallbackURL is where the provider may call us about this connection;
	// empty: it is not asked to.
	CallbackURL string
	HTTP        http.RoundTripper // nil: a transport with our time-outs
	Now         func() time.Time
	// Timeout bounds one call of this connection; zero: the registration's.
	Timeout time.Duration
	// PerMinute is how many calls this connection may make; zero: no bound.
	PerMinute int
}

// Registration is one adapter as the product knows it.
type Registration struct {
	Name  string // in URLs and rows
	Label string // on pages
	New   func(Config) (Provider, error)
	// Fields are the values that a connection needs, in the order of the form.
	Fields []Field
	// Addresses are the base URLs that the document names, each for one mode. A
	// merchant of the other mode may not use them. Another address may be typed.
	Addresses []Address
	// Narrow says why a connection does not offer a capability that the adapter
	// has, as a whole sentence; empty: it does. Nil: all are offered.
	Narrow func(settings map[string]string, c domain.Capability) string
	// Currency says whether the document gives a rule for a currency's
	// exponent; an adapter refuses the others.
	Currency    func(money.Currency) bool
	PartRefund  bool
	Absence     Absence
	Idempotency Idempotency
	// Timeout is the longest that one call may take, from first byte to last.
	Timeout time.Duration
}

// Registry holds the registrations. It is built in cmd, by hand, so that it can
// be read.
type Registry struct{ byName map[string]Registration }

// NewRegistry makes a registry; two of one name are a programming error.
func NewRegistry(regs ...Registration) *Registry {
	r := &Registry{byName: map[string]Registration{}}
	for _, reg := range regs {
		if _, twice := r.byName[reg.Name]; twice {
			panic("providers: registered twice: " + reg.Name)
		}
		r.byName[reg.Name] = reg
	}
	return r
}

// Get finds a registration by name.
func (r *Registry) Get(name string) (Registration, bool) {
	reg, ok := r.byName[name]
	return reg, ok
}

// All lists the registrations by name.
func (r *Registry) All() []Registration {
	all := make([]Registration, 0, len(r.byName))
	for _, reg := range r.byName {
		all = append(all, reg)
	}
	slices.SortFunc(all, func(a, b Registration) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Currencies narrows the merchant's currencies to those that the adapter has a
// rule for and the connection's contract names.
func Currencies(reg Registration, conn domain.Connection, wanted []money.Currency) []money.Currency {
	var out []money.Currency
	for _, c := range wanted {
		if reg.Currency != nil && !reg.Currency(c) {
			continue
		}
		if len(conn.Currencies) > 0 && !slices.Contains(conn.Currencies, c) {
			continue
		}
		out = append(out, c)
	}
	return out
}
