package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// Emulator is what the control API needs to know of an emulator.
type Emulator interface {
	// Handler serves the emulator's absolute paths (/handpoint/…).
	Handler() http.Handler
	// Kit returns the emulator's controls.
	Kit() *Kit
	// State returns the ledger.
	State() State
	// Reset empties the ledger and resets the kit.
	Reset()
}

// Adopter is an emulator that can be told of charges made before it started:
// the ledger is kept in memory, and a refund needs its sale.
type Adopter interface {
	// Adopt adds approved charges of an account, named by its key. It is
	// idempotent by the charge's ID.
	Adopt(account string, charges []Charge) error
}

// Controlled is an emulator with controls of its own, such as making a
// chargeback.
type Controlled interface {
	// Controls are the handlers of POST /_sandbox/{provider}/{name}; Command
	// makes one.
	Controls() map[string]http.Handler
}

// Pump brings an emulator up to its clock: what was pending ends, and callbacks
// that are due are sent again.
func Pump(e Emulator) {
	e.State()
	e.Kit().Callbacks.Pump()
}

// ControlPrefix is where the control API is mounted.
const ControlPrefix = "/_sandbox/"

// ControlHandler serves the control API of the named emulators:
// POST outcome, fault, adopt, release, clock/advance, callbacks, reset; GET journal,
// state, deliveries. Bodies are documented in the README of the sandbox.
func ControlHandler(emulators map[string]Emulator) http.Handler {
	mux := http.NewServeMux()
	for name, e := range emulators {
		base, k := ControlPrefix+name+"/", e.Kit()
		mux.Handle("POST "+base+"outcome", Command(func(o Outcome) (any, error) { return nil, k.Outcomes.Push(o) }))
		mux.Handle("POST "+base+"fault", Command(func(f Fault) (any, error) { return nil, k.Faults.Push(f) }))
		mux.Handle("POST "+base+"release", Command(func(struct{}) (any, error) { k.Faults.Release(); return nil, nil }))
		if a, ok := e.(Adopter); ok {
			mux.Handle("POST "+base+"adopt", Command(func(in adoption) (any, error) { return nil, a.Adopt(in.Account, in.Charges) }))
		}
		if c, ok := e.(Controlled); ok {
			for command, h := range c.Controls() {
				mux.Handle("POST "+base+command, h)
			}
		}
		mux.Handle("POST "+base+"reset", Command(func(struct{}) (any, error) { e.Reset(); return nil, nil }))
		mux.Handle("POST "+base+"clock/advance", Command(func(a advance) (any, error) {
			if a.Seconds <= 0 {
				return nil, errors.New("seconds must be above 0")
			}
			k.Clock.Advance(time.Duration(a.Seconds) * time.Second)
			Pump(e)
			return clockReply{Now: k.Clock.Now()}, nil
		}))
		mux.Handle("POST "+base+"callbacks", Command(func(s callbackSwitch) (any, error) {
			if s.Enabled == nil {
				return nil, errors.New("enabled must be true or false")
			}
			k.Callbacks.Enable(*s.Enabled)
			return nil, nil
		}))
		mux.HandleFunc("GET "+base+"journal", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, 200, k.Journal.Entries()) })
		mux.HandleFunc("GET "+base+"state", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, 200, e.State()) })
		mux.HandleFunc("GET "+base+"deliveries", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, 200, k.Callbacks.Deliveries()) })
		mux.HandleFunc("GET "+base+"held", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, 200, heldReply{Held: k.Faults.Held()}) })
	}
	mux.HandleFunc(ControlPrefix, func(w http.ResponseWriter, r *http.Request) {
		WriteJSON(w, http.StatusNotFound, controlError{Error: "no control at " + r.URL.Path})
	})
	return mux
}

type (
	advance struct {
		Seconds int `json:"seconds"`
	}
	clockReply struct {
		Now time.Time `json:"now"`
	}
	callbackSwitch struct {
		Enabled *bool `json:"enabled"`
	}
	heldReply struct {
		Held int `json:"held"`
	}
	adoption struct {
		Account string   `json:"account"`
		Charges []Charge `json:"charges"`
	}
	controlError struct {
		Error string `json:"error"`
	}
)

// Command is a control with a strict JSON body: it answers 204, 200 with what do
// returns, or 400 with its error. It insists on the JSON content type, which a
// form of a foreign web page cannot send without asking first.
func Command[T any](do func(T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
			WriteJSON(w, http.StatusUnsupportedMediaType, controlError{Error: "send application/json"})
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			WriteJSON(w, http.StatusBadRequest, controlError{Error: "the body is too long or broke off"})
			return
		}
		if len(bytes.TrimSpace(body)) == 0 {
			body = []byte("{}")
		}
		var in T
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			WriteJSON(w, http.StatusBadRequest, controlError{Error: err.Error()})
			return
		}
		out, err := do(in)
		switch {
		case err != nil:
			WriteJSON(w, http.StatusBadRequest, controlError{Error: err.Error()})
		case out == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			WriteJSON(w, http.StatusOK, out)
		}
	})
}

// Control drives a running sandbox through its control API, for tests.
type Control struct {
	// BaseURL is the sandbox's address, e.g. http://127.0.0.1:9090.
	BaseURL string
	// Provider is the emulator's name, for example handpoint.
	Provider string
	// Client is the HTTP client; nil means http.DefaultClient.
	Client *http.Client
}

// For returns the same control aimed at another emulator.
func (c Control) For(provider string) Control {
	c.Provider = provider
	return c
}

// Outcome queues an outcome.
func (c Control) Outcome(ctx context.Context, o Outcome) error {
	return c.call(ctx, http.MethodPost, "outcome", o, nil)
}

// Fault queues a fault.
func (c Control) Fault(ctx context.Context, f Fault) error {
	return c.call(ctx, http.MethodPost, "fault", f, nil)
}

// Release lets the requests go on that a delay is holding.
func (c Control) Release(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "release", struct{}{}, nil)
}

// Held returns how many requests a delay is holding.
func (c Control) Held(ctx context.Context) (int, error) {
	var reply heldReply
	err := c.call(ctx, http.MethodGet, "held", nil, &reply)
	return reply.Held, err
}

// Advance moves the emulator's clock forward by whole seconds, at least one,
// and returns its new time.
func (c Control) Advance(ctx context.Context, d time.Duration) (time.Time, error) {
	var reply clockReply
	err := c.call(ctx, http.MethodPost, "clock/advance", advance{Seconds: int(d / time.Second)}, &reply)
	return reply.Now, err
}

// Callbacks switches callbacks on or off.
func (c Control) Callbacks(ctx context.Context, on bool) error {
	return c.call(ctx, http.MethodPost, "callbacks", callbackSwitch{Enabled: &on}, nil)
}

// Deliveries returns the callback attempts made so far.
func (c Control) Deliveries(ctx context.Context) ([]Delivery, error) {
	var out []Delivery
	err := c.call(ctx, http.MethodGet, "deliveries", nil, &out)
	return out, err
}

// Journal returns the scrubbed requests and answers.
func (c Control) Journal(ctx context.Context) ([]Entry, error) {
	var out []Entry
	err := c.call(ctx, http.MethodGet, "journal", nil, &out)
	return out, err
}

// State returns the ledger.
func (c Control) State(ctx context.Context) (State, error) {
	var out State
	err := c.call(ctx, http.MethodGet, "state", nil, &out)
	return out, err
}

// Command calls a control of the emulator's own: in is its body, and its answer
// is decoded into out unless that is nil.
func (c Control) Command(ctx context.Context, name string, in, out any) error {
	return c.call(ctx, http.MethodPost, name, in, out)
}

// Reset empties the ledger, the queues and the journal, and puts the clock back.
func (c Control) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "reset", struct{}{}, nil)
}

func (c Control) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("sandbox control %s: %w", path, err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.BaseURL, "/")+ControlPrefix+c.Provider+"/"+path, body)
	if err != nil {
		return fmt.Errorf("sandbox control %s: %w", path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := c.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("sandbox control %s: %w", path, err)
	}
	defer func() { _ = res.Body.Close() }()
	reply, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("sandbox control %s: %w", path, err)
	}
	if res.StatusCode/100 != 2 {
		var e controlError
		if json.Unmarshal(reply, &e) != nil || e.Error == "" {
			e.Error = string(reply)
		}
		return fmt.Errorf("sandbox control %s: %d: %s", path, res.StatusCode, e.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("sandbox control %s: %w", path, err)
	}
	return nil
}
