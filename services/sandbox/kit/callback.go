package kit

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Callback is one message that an emulator owes to the merchant's server.
type Callback struct {
	URL string
	// Header and Body are made anew for each attempt, since a signature
	// covers the date of the attempt.
	Build func(now time.Time) (http.Header, []byte)
	// Accepted says whether the answer counts as delivered.
	Accepted func(status int, body []byte) bool
	// Retry holds the waits between attempts; after the last one the
	// callback is given up.
	Retry []time.Duration
	// Attempt is how many attempts the emulator made itself before this one,
	// when it keeps the loop and gives no Retry.
	Attempt int
}

// Delivery is the record of one attempt.
type Delivery struct {
	URL       string    `json:"url"`
	At        time.Time `json:"at"`
	Attempt   int       `json:"attempt"`
	Status    int       `json:"status"`
	Delivered bool      `json:"delivered"`
	Error     string    `json:"error,omitempty"`
}

// Callbacks sends callbacks and repeats them by the emulator's clock. It is off
// until Enable(true).
type Callbacks struct {
	mu         sync.Mutex
	clock      *Clock
	client     *http.Client
	enabled    bool
	epoch      int
	waiting    []*pendingCallback
	deliveries []Delivery
	inFlight   sync.WaitGroup
}

type pendingCallback struct {
	callback Callback
	attempt  int
	due      time.Time
}

func newCallbacks(clock *Clock) *Callbacks {
	return &Callbacks{clock: clock, client: &http.Client{
		Timeout: 10 * time.Second,
		// A redirect is not a confirmation.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Enable switches callbacks on or off. Switching off also forgets those that
// wait for another attempt.
func (c *Callbacks) Enable(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enabled = on
	if !on {
		c.waiting = nil
		c.epoch++
	}
}

// Enabled says whether callbacks are on.
func (c *Callbacks) Enabled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enabled
}

// Send makes the first attempt at once, in the background. It does nothing
// while callbacks are off.
func (c *Callbacks) Send(callback Callback) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.enabled {
		return
	}
	c.start(&pendingCallback{callback: callback, attempt: callback.Attempt})
}

// Pump starts every repetition that has become due. Whoever moves the clock
// calls it.
func (c *Callbacks) Pump() {
	now := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := c.waiting[:0]
	for _, p := range c.waiting {
		if p.due.After(now) {
			keep = append(keep, p)
			continue
		}
		c.start(p)
	}
	c.waiting = keep
}

// Wait returns when no attempt is under way.
func (c *Callbacks) Wait() { c.inFlight.Wait() }

// Deliveries returns the attempts made so far, in the order of their end.
func (c *Callbacks) Deliveries() []Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Delivery{}, c.deliveries...)
}

// Reset forgets the record and everything that waits.
func (c *Callbacks) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.deliveries = nil, nil
	c.epoch++
}

// start runs one attempt. The caller holds the lock.
func (c *Callbacks) start(p *pendingCallback) {
	epoch := c.epoch
	c.inFlight.Add(1)
	go func() {
		defer c.inFlight.Done()
		d := c.attempt(p)
		c.mu.Lock()
		defer c.mu.Unlock()
		if epoch != c.epoch {
			return
		}
		c.deliveries = append(c.deliveries, d)
		if d.Delivered || p.attempt > len(p.callback.Retry) {
			return
		}
		p.due = d.At.Add(p.callback.Retry[p.attempt-1])
		c.waiting = append(c.waiting, p)
	}()
}

func (c *Callbacks) attempt(p *pendingCallback) Delivery {
	p.attempt++
	now := c.clock.Now()
	d := Delivery{URL: Scrub(p.callback.URL), At: now, Attempt: p.attempt}
	header, body := p.callback.Build(now)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.callback.URL, bytes.NewReader(body))
	if err != nil {
		d.Error = "the callback URL cannot be called"
		return d
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := c.client.Do(req)
	if err != nil {
		d.Error = strings.ReplaceAll(Scrub(err.Error()), "\n", " ")
		return d
	}
	defer func() { _ = res.Body.Close() }()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	d.Status = res.StatusCode
	if err != nil {
		d.Error = "the answer broke off"
		return d
	}
	d.Delivered = p.callback.Accepted(res.StatusCode, reply)
	return d
}
