package kit

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Results that an Outcome may ask for.
const (
	Approve    = "approve"
	Decline    = "decline"
	InProgress = "in_progress"
	Reject     = "reject"
)

// Outcome decides how the next matching financial request ends, in place of
// what its card token or amount would decide. It is used up only by a request
// that passed the checks of authentication and form.
type Outcome struct {
	// Result is one of approve, decline, in_progress, reject. A rejected
	// request moves no money and is answered with the provider's own error
	// shape and the code below.
	Result string `json:"result"`
	// Code is the provider's reason: an issuer response code or gateway code
	// at Handpoint, an error code at Cardflo. Empty means the provider's
	// ordinary decline.
	Code string `json:"code,omitempty"`
	// Message is the provider's text for the code, empty for the usual one.
	Message string `json:"message,omitempty"`
	// Then is approve or decline: how an in_progress transaction ends.
	Then string `json:"then,omitempty"`
	// AfterSeconds is when it ends, by the emulator's clock.
	AfterSeconds int `json:"after_seconds,omitempty"`
	// Path limits the outcome to requests whose path contains it.
	Path string `json:"path,omitempty"`
	// Count is for how many requests it holds; 0 means one.
	Count int `json:"count,omitempty"`
}

// Validate returns an error that says which field is wrong.
func (o Outcome) Validate() error {
	switch o.Result {
	case Approve, Decline, Reject:
		if o.Then != "" || o.AfterSeconds != 0 {
			return fmt.Errorf("then and after_seconds belong to result in_progress only")
		}
	case InProgress:
		if o.Then != Approve && o.Then != Decline {
			return fmt.Errorf("result in_progress needs then: approve or decline")
		}
	default:
		return fmt.Errorf("result must be approve, decline, in_progress or reject, not %q", o.Result)
	}
	if o.Count < 0 || o.AfterSeconds < 0 {
		return fmt.Errorf("count and after_seconds cannot be negative")
	}
	return nil
}

// Outcomes is a queue of outcomes.
type Outcomes struct {
	mu    sync.Mutex
	queue []Outcome
}

// Push adds an outcome at the end of the queue.
func (q *Outcomes) Push(o Outcome) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if o.Count == 0 {
		o.Count = 1
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, o)
	return nil
}

// Take removes and returns the first outcome that matches the path.
func (q *Outcomes) Take(path string) (Outcome, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.queue {
		if !strings.Contains(path, q.queue[i].Path) {
			continue
		}
		o := q.queue[i]
		q.queue[i].Count--
		if q.queue[i].Count == 0 {
			q.queue = append(q.queue[:i], q.queue[i+1:]...)
		}
		return o, true
	}
	return Outcome{}, false
}

// Queued returns a copy of what waits, the next one first.
func (q *Outcomes) Queued() []Outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Outcome{}, q.queue...)
}

// Reset empties the queue.
func (q *Outcomes) Reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = nil
}

// Kinds of fault. "Before" and "after" are always seen from the processing of
// the request: after a fault of the second sort the money has moved.
const (
	// FaultDelay waits before processing. The request is processed even when
	// its sender has gone away meanwhile, as a late packet would be.
	FaultDelay = "delay"
	// FaultDelayReply processes, then waits before answering.
	FaultDelayReply = "delay_reply"
	// FaultDropBefore closes the connection without processing.
	FaultDropBefore = "drop_before"
	// FaultDropAfter processes, then closes the connection without a reply.
	FaultDropAfter = "drop_after"
	// FaultStatus answers an HTTP status without processing.
	FaultStatus = "status"
	// FaultStatusAfter processes, then answers an HTTP status.
	FaultStatusAfter = "status_after"
	// FaultGarbage processes, then answers something that is no JSON.
	FaultGarbage = "garbage"
	// FaultWrongContentType processes, then answers an HTML page with 200.
	FaultWrongContentType = "wrong_content_type"
	// FaultOversize processes, then answers Size bytes.
	FaultOversize = "oversize"
)

const (
	defaultOversize = 16 << 20
	maxOversize     = 256 << 20
	maxDelay        = 10 * time.Minute
)

// Fault spoils the next matching requests.
type Fault struct {
	Kind string `json:"kind"`
	// Method and Path limit the fault to requests of that method whose path
	// contains Path. Empty matches everything.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Count is for how many requests it holds; 0 means one.
	Count int `json:"count,omitempty"`
	// DelayMS is the wait of delay and delay_reply in milliseconds; 0 holds
	// the request until the faults are released.
	DelayMS int `json:"delay_ms,omitempty"`
	// Status is the HTTP status of status and status_after.
	Status int `json:"status,omitempty"`
	// RetryAfter is the Retry-After header in seconds, for statuses.
	RetryAfter int `json:"retry_after,omitempty"`
	// Body replaces the provider's error body, for statuses and garbage.
	Body string `json:"body,omitempty"`
	// Size is the length of an oversize answer in bytes; 0 means 16 MiB.
	Size int `json:"size,omitempty"`
}

// Validate returns an error that says which field is wrong.
func (f Fault) Validate() error {
	switch f.Kind {
	case FaultDelay, FaultDelayReply:
		if f.DelayMS < 0 || time.Duration(f.DelayMS)*time.Millisecond > maxDelay {
			return fmt.Errorf("delay_ms must lie between 0 (until released) and %d", maxDelay.Milliseconds())
		}
	case FaultStatus, FaultStatusAfter:
		if f.Status < 400 || f.Status > 599 {
			return fmt.Errorf("status must lie between 400 and 599, not %d", f.Status)
		}
	case FaultOversize:
		if f.Size < 0 || f.Size > maxOversize {
			return fmt.Errorf("size must lie between 0 and %d", maxOversize)
		}
	case FaultDropBefore, FaultDropAfter, FaultGarbage, FaultWrongContentType:
	default:
		return fmt.Errorf("unknown fault kind %q", f.Kind)
	}
	if f.Count < 0 || f.RetryAfter < 0 {
		return fmt.Errorf("count and retry_after cannot be negative")
	}
	return nil
}

// Faults is a queue of faults.
type Faults struct {
	mu      sync.Mutex
	queue   []Fault
	held    int
	release chan struct{}
}

func newFaults() *Faults { return &Faults{release: make(chan struct{})} }

// Push adds a fault at the end of the queue.
func (q *Faults) Push(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Count == 0 {
		f.Count = 1
	}
	if f.Size == 0 {
		f.Size = defaultOversize
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, f)
	return nil
}

// Take removes and returns the first fault that matches.
func (q *Faults) Take(method, path string) (Fault, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.queue {
		f := q.queue[i]
		if (f.Method != "" && f.Method != method) || !strings.Contains(path, f.Path) {
			continue
		}
		q.queue[i].Count--
		if q.queue[i].Count == 0 {
			q.queue = append(q.queue[:i], q.queue[i+1:]...)
		}
		return f, true
	}
	return Fault{}, false
}

// Queued returns a copy of what waits, the next one first.
func (q *Faults) Queued() []Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Fault{}, q.queue...)
}

// Held returns how many requests a delay is holding at this moment.
func (q *Faults) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held
}

// Release lets every held request go on. Later ones are held again.
func (q *Faults) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.release)
	q.release = make(chan struct{})
}

// Reset empties the queue and releases what is held.
func (q *Faults) Reset() {
	q.mu.Lock()
	q.queue = nil
	q.mu.Unlock()
	q.Release()
}

// wait holds the caller for the fault's delay or until the faults are released.
func (q *Faults) wait(f Fault) {
	q.mu.Lock()
	q.held++
	release := q.release
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.held--
		q.mu.Unlock()
	}()
	if f.DelayMS == 0 {
		<-release
		return
	}
	timer := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-release:
	}
}
