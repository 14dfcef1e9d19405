// Package kit is what every emulator of the sandbox is built from: a clock that
// can be moved, queues of outcomes and faults, a scrubbed journal of requests,
// a sender of callbacks, and the control API with its Go client.
//
// It exists so that an emulator's own package holds nothing but its provider's
// rules. It imports the standard library only, and nothing of the product: the
// emulators and the adapters must stay two independent readings of a document.
package kit

import (
	"sync"
	"time"
)

// Kit is the set of controls of one emulator. All its parts are safe for
// concurrent use.
type Kit struct {
	Clock     *Clock
	Journal   *Journal
	Faults    *Faults
	Outcomes  *Outcomes
	Callbacks *Callbacks
}

// New returns a Kit on the given clock source; nil means the system clock.
// Callbacks are off until they are switched on.
func New(now func() time.Time) *Kit {
	clock := NewClock(now)
	return &Kit{
		Clock:     clock,
		Journal:   &Journal{},
		Faults:    newFaults(),
		Outcomes:  &Outcomes{},
		Callbacks: newCallbacks(clock),
	}
}

// Reset empties the queues and the journal, drops undelivered callbacks,
// releases every request that a fault is holding, and puts the clock back.
// Whether callbacks are on is configuration and survives.
func (k *Kit) Reset() {
	k.Clock.Reset()
	k.Journal.Reset()
	k.Faults.Reset()
	k.Outcomes.Reset()
	k.Callbacks.Reset()
}

// Clock is a clock that runs with its source and can be moved forward.
type Clock struct {
	mu     sync.Mutex
	source func() time.Time
	ahead  time.Duration
}

// NewClock returns a clock on the given source; nil means time.Now.
func NewClock(source func() time.Time) *Clock {
	if source == nil {
		source = time.Now
	}
	return &Clock{source: source}
}

// Now returns the emulator's time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source().Add(c.ahead).UTC()
}

// Advance moves the clock forward. A negative duration moves nothing: provider
// time never runs backwards.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d > 0 {
		c.ahead += d
	}
}

// Ahead returns how far the clock was moved before its source.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

// Reset puts the clock back to its source.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = 0
}

// Charge is one movement of money that an emulator holds, in the words of the
// emulator's provider.
type Charge struct {
	// Reference is the caller's own reference (transactionReference at
	// Handpoint, merchantTransactionId at Cardflo).
	Reference string `json:"reference"`
	// ID is the reference that the provider gave.
	ID string `json:"id"`
	// OriginalID is the provider's reference of the sale that a refund or
	// reversal belongs to.
	OriginalID string `json:"original_id,omitempty"`
	// Kind is sale, preauth, increment, decrement, capture, void, reversal,
	// refund, payout, tip, register, deregister, chargeback or
	// chargeback_reversal.
	Kind string `json:"kind"`
	// AmountMinor is in the currency's minor units; 0 where no amount belongs
	// to it.
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
	// Status is the provider's own word for it at this moment.
	Status string `json:"status"`
	// Approved says whether it took effect.
	Approved bool      `json:"approved"`
	Card     string    `json:"card,omitempty"`
	At       time.Time `json:"at"`
	// CallbackURL is where the caller wants to be told of what happens to it.
	// Only Adopt reads it; a ledger does not tell it.
	CallbackURL string `json:"callback_url,omitempty"`
}

// State is the ledger of an emulator.
type State struct {
	Charges []Charge `json:"charges"`
	// Approved counts the charges that moved money, by the caller's reference.
	Approved map[string]int `json:"approved"`
}

// NewState counts the approved charges of a ledger.
func NewState(charges []Charge) State {
	state := State{Charges: charges, Approved: map[string]int{}}
	if state.Charges == nil {
		state.Charges = []Charge{}
	}
	for _, c := range charges {
		if c.Approved {
			state.Approved[c.Reference]++
		}
	}
	return state
}
