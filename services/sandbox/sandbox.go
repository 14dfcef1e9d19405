// Package sandbox mounts the provider emulators on one address, with the
// control API that tests use to steer them and the pages that a person does.
//
// It exists for tests and for the demonstration mode, which runs it as a process
// of its own. It imports the emulators and their kit; the product's binary
// never imports it.
package sandbox

import (
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	"github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	"github.com/counterfoil/counterfoil/services/sandbox/cloudpayments"
	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Config is the fixed data of the sandbox. The zero value is what README
// documents: the published keys, cards and tokens.
type Config struct {
	Handpoint     handpoint.Config
	Cardflo       cardflo.Config
	Cashflows     cashflows.Config
	CloudFlow     cloudflow.Config
	CloudPayments cloudpayments.Config
	// Now is the clock of all emulators; nil means the system clock. Each
	// emulator's clock is moved separately.
	Now func() time.Time
}

// Control is the Go client of the control API.
type Control = kit.Control

// Sandbox is the set of emulators.
type Sandbox struct {
	Handpoint     *handpoint.Server
	Cardflo       *cardflo.Server
	Cashflows     *cashflows.Server
	CloudFlow     *cloudflow.Server
	CloudPayments *cloudpayments.Server
	handler       http.Handler
}

// New returns a sandbox with empty ledgers.
func New(cfg Config) *Sandbox {
	s := &Sandbox{
		Handpoint:     handpoint.New(cfg.Handpoint, kit.New(cfg.Now)),
		Cardflo:       cardflo.New(cfg.Cardflo, kit.New(cfg.Now)),
		Cashflows:     cashflows.New(cfg.Cashflows, kit.New(cfg.Now)),
		CloudFlow:     cloudflow.New(cfg.CloudFlow, kit.New(cfg.Now)),
		CloudPayments: cloudpayments.New(cfg.CloudPayments, kit.New(cfg.Now)),
	}
	mux := http.NewServeMux()
	for name, e := range s.emulators() {
		mux.Handle("/"+name+"/", e.Handler())
	}
	mux.Handle(kit.ControlPrefix, kit.ControlHandler(s.emulators()))
	mountPages(mux, s.emulators())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	s.handler = mux
	return s
}

// Handler serves the emulators, the control API with its pages, and /healthz.
func (s *Sandbox) Handler() http.Handler { return s.handler }

// Reset resets every emulator, which also releases the requests they hold.
func (s *Sandbox) Reset() {
	for _, e := range s.emulators() {
		e.Reset()
	}
}

// Pump ends what was pending and repeats the callbacks that have become due. The
// process calls it now and then; tests move the clock instead.
func (s *Sandbox) Pump() {
	for _, e := range s.emulators() {
		kit.Pump(e)
	}
}

func (s *Sandbox) emulators() map[string]kit.Emulator {
	return map[string]kit.Emulator{
		handpoint.Name:     s.Handpoint,
		cardflo.Name:       s.Cardflo,
		cashflows.Name:     s.Cashflows,
		cloudflow.Name:     s.CloudFlow,
		cloudpayments.Name: s.CloudPayments,
	}
}
