package providertest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// read is one capability that changes nothing for money, or whose answer is no
// Result.
type read struct {
	capability domain.Capability
	// prepare gives the call. It returns an error for a fault.
	prepare func(h *harness) func(context.Context) error
	// probe says that a refusal of the credentials is an answer, not a fault.
	probe bool
	// sells says that a sale by token comes first.
	sells bool
}

var readsOf = []read{
	{domain.CanTestConnection, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error {
			p, err := on[providers.ConnectionTester](h).TestConnection(ctx)
			if err == nil && (p.Meaning == "" || p.OK == (p.ToDo != "")) {
				h.t.Errorf("a test's answer must say what it means, and what to do if and only if it failed: %+v", p)
			}
			return err
		}
	}, true, false},
	{domain.CanListDevices, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error { _, err := on[providers.DeviceLister](h).Devices(ctx); return err }
	}, false, false},
	{domain.CanCheckDevice, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := on[providers.DeviceChecker](h).Connected(ctx, h.s.Device)
			return err
		}
	}, false, false},
	{domain.CanCommandDevice, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error {
			return on[providers.DeviceCommander](h).CommandDevice(ctx, h.s.Device, providers.DeviceCommand{Name: "set-locale", Text: "en_US"})
		}
	}, false, false},
	{domain.CanKeepBatches, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := on[providers.BatchKeeper](h).BatchSummary(ctx, h.s.Batch)
			return err
		}
	}, false, false},
	{domain.CanReadOptions, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := on[providers.OptionsReader](h).Options(ctx, "issuers", nil)
			return err
		}
	}, false, false},
	{domain.CanSchedule, func(h *harness) func(context.Context) error {
		card := h.registered()
		return func(ctx context.Context) error {
			_, err := on[providers.Scheduler](h).StartSchedule(ctx, providers.ScheduleRequest{RegistrationRef: card.ProviderRef, Amount: h.amount(990), Every: 1, Unit: "MONTH",
				StartAt: h.emulator.Kit().Clock.Now().Add(48 * time.Hour)})
			return err
		}
	}, false, false},
	{domain.CanTokenFromPast, func(h *harness) func(context.Context) error {
		_, sold := h.sold(1250)
		return func(ctx context.Context) error {
			res, err := on[providers.PastTokenFinder](h).TokenOf(ctx, sold.ProviderRef)
			if err == nil && res.Outcome == providers.Approved && res.Token == "" {
				h.t.Error("a token that is empty")
			}
			return err
		}
	}, false, true},
	{domain.CanUseTerminal, func(h *harness) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := on[providers.TerminalOperator](h).StartOnTerminal(ctx, providers.TerminalRequest{Device: h.s.Device, Operation: "sale",
				Amount: h.amount(1250), AttemptRef: uuid.NewString(), OrderReference: "order 7"})
			return err
		}
	}, false, false},
}

// reads drives what answers with something else than a Result through every
// fault: each is an *Error, and none passes for an answer.
func (s Subject) reads(t *testing.T) {
	p := s.start(t).provider
	caps := providers.CapabilitiesOf(p, s.Registration, s.Settings, "https://shop.example")
	_, seller := p.(providers.TokenSeller)
	for _, r := range readsOf {
		if !caps.Has(r.capability) || r.sells && !seller {
			continue
		}
		t.Run(string(r.capability), func(t *testing.T) {
			t.Run("answered", func(t *testing.T) {
				h := s.start(t)
				if err := r.prepare(h)(t.Context()); err != nil {
					t.Error(err)
				}
			})
			for _, c := range spoiled {
				t.Run(c.name, func(t *testing.T) {
					h := s.start(t)
					call := r.prepare(h)
					f := c.fault
					f.Count = 5 // net/http may ask again by itself after a cut: a question may
					if r.capability == domain.CanUseTerminal {
						f.Method = http.MethodPost // a question may come first
					}
					h.fault(f)
					err := call(t.Context())
					if r.probe && err == nil && (f.Status == 401 || f.Status == 403) {
						return
					}
					e, ok := providers.AsError(err)
					if !ok {
						t.Fatalf("error = %v, want a *providers.Error", err)
					}
					if !c.notDone && e.NotDone {
						t.Errorf("%v: it says that nothing can have happened", e)
					}
					if f.RetryAfter > 0 && e.RetryAfter != time.Duration(f.RetryAfter)*time.Second {
						t.Errorf("retry after %v", e.RetryAfter)
					}
				})
			}
			t.Run("slow", func(t *testing.T) {
				h := s.start(t)
				call := r.prepare(h)
				h.fault(kit.Fault{Kind: kit.FaultDelayReply})
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				defer cancel()
				if _, ok := providers.AsError(call(ctx)); !ok {
					t.Error("no *providers.Error")
				}
			})
			t.Run("TLS refused", func(t *testing.T) {
				h := s.start(t)
				call := r.prepare(h)
				h.provider = h.connect("https://"+h.server.Listener.Addr().String(), s.Secrets)
				wantFaultOf(t, call(t.Context()), providers.KindUnreachable)
			})
		})
	}
}

func wantFaultOf(t *testing.T, err error, kind providers.ErrorKind) {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok || e.Kind != kind {
		t.Errorf("error = %v, want the kind %s", err, kind)
	}
}
