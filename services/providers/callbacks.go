package providers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// Callback is a call of a provider's to us, as it came.
type Callback struct {
	Method string
	URI    string // path and query as they stood in the request line
	Header http.Header
	Body   []byte
	At     time.Time // when it arrived
}

// ErrNotVerified is what VerifyCallback's errors wrap: the call is not the
// provider's, or cannot be proved to be.
var ErrNotVerified = errors.New("the callback is not proved to be the provider's")

// CallbackReceiver reads the provider's own calls to us, where the provider
// proves that they are its own. The steps are apart so that nothing is parsed
// before it is verified and nothing is applied before it is stored.
type CallbackReceiver interface {
	// VerifyCallback judges the raw call, in constant time, against every valid
	// secret (Config.Secrets and Config.Also); it parses nothing of the body.
	VerifyCallback(call Callback) error
	// CleanCallback gives the body as it may be kept: without whatever the
	// house must never hold (an unmasked card number, a terminal's shared
	// secret). It is deterministic, and TranslateCallback reads its result.
	CleanCallback(body []byte) ([]byte, error)
	// TranslateCallback says what a kept body tells. An error means that it
	// cannot be read; it is quarantined.
	TranslateCallback(kept []byte) ([]Event, error)
	// CallbackReply is what the provider takes for "received".
	CallbackReply() (status int, body string)
}

// CallbackProver says whether a connection has what its provider's calls are
// proved with; without it each is refused.
type CallbackProver interface{ ProvesCallbacks() bool }

// HintReceiver reads calls that cannot be verified: each is only a reason to ask
// the provider (seed 001).
type HintReceiver interface {
	// ReadHint says which attempt to ask about, and what to answer the caller. It
	// believes nothing: a body that can be no hint is an error.
	ReadHint(body []byte) (Hint, error)
	// FollowHint asks the provider, as itself, what there is to the hint. The
	// events are the provider's own answer and as good as a verified callback;
	// none when the provider does not know the reference. It reads only.
	FollowHint(ctx context.Context, h Hint) ([]Event, error)
}

// Hint names an attempt that the provider may have news of. Reply is the JSON
// that confirms it.
type Hint struct {
	ProviderRef string // at most 200 printable characters; it is kept in a job
	Reply       []byte
}

// EventKind is what an event of a provider's tells.
type EventKind string

// The kinds.
const (
	// EventOutcome: an attempt ended, or is still not final (Result.Outcome).
	EventOutcome EventKind = "outcome"
	// EventAdjustment: the provider changed an amount after the fact
	// (notificationSource, seed 003). Result.Amount is the new one.
	EventAdjustment EventKind = "adjustment"
	// EventChargeback: the bank took money back; OriginalRef names the sale.
	EventChargeback EventKind = "chargeback"
	// EventChargebackReversal: the bank gave it again; OriginalRef names the
	// chargeback, or the sale.
	EventChargebackReversal EventKind = "chargeback_reversal"
	// EventCard: a stored card was renewed, replaced or tokenized by its network.
	EventCard EventKind = "card"
)

// Event is one thing that a provider tells by itself.
type Event struct {
	Kind EventKind
	Type domain.TransactionType // of the attempt that it is about
	// AttemptRef is ours, ProviderRef the provider's; either may be empty, not
	// both.
	AttemptRef, ProviderRef string
	OriginalRef             string // the provider's id of what this follows up
	ScheduleRef             string // the series that made it
	Device                  DeviceRef
	Report                  domain.DeviceReport // what the terminal told of itself; zero value: nothing
	// Account is the account that the body names, when it names one: it must be
	// the connection's.
	Account string
	// OriginalAmount is what the amount was before an adjustment, or the amount
	// of the sale that a chargeback is about.
	OriginalAmount *money.Amount
	Result         Result
	Recovered      bool
	At             time.Time // the provider's own time of it; zero: not told
	Note           string    // the reason of a chargeback, what changed of a card
}

// AccountChecker says which account a connection is, for callbacks that name
// one; empty: the connection cannot tell.
type AccountChecker interface {
	IsAccount(name string) bool
}

// OrderFinder tells only whether an order has arrived, where a lost answer
// cannot be looked up (seed 001). It decides nothing.
type OrderFinder interface {
	OrderArrived(ctx context.Context, attemptRef string) (bool, error)
}
