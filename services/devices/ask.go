package devices

import (
	"context"
	"errors"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
)

// The patience of a check. A check is a question: it may be asked again.
const (
	// CheckEvery is how often a terminal is asked for a sign of life by itself.
	CheckEvery = 10 * time.Minute
	// askEvery, which doubles up to askMost, and askFor bound the wait for the
	// answer to one check.
	askEvery = time.Second
	askFor   = 12 * time.Second
	askMost  = 5 * time.Second
	// staleAfter is how long what was known of a terminal stands when its provider
	// does not answer.
	staleAfter = 30 * time.Minute
)

// asking is how a terminal can be asked for a sign of life.
type asking int

const (
	cannotAsk asking = iota
	byCheck          // its provider says whether it is connected
	byPing           // an operation on it has a result
)

func (l link) how(virtual bool) asking {
	if l.unusable != nil || virtual {
		return cannotAsk
	}
	if _, ok := providers.As[providers.DeviceChecker](l.provider); ok && l.caps.Has(domain.CanCheckDevice) {
		return byCheck
	}
	if l.operation(providers.OpPing, virtual) != "" {
		return byPing
	}
	return cannotAsk
}

// operation is the provider's name of an operation that this connection offers;
// empty: it does not.
func (l link) operation(op providers.TerminalOp, virtual bool) string {
	if _, ok := providers.As[providers.TerminalOperator](l.provider); !ok || l.unusable != nil || !l.caps.Has(domain.CanUseTerminal) {
		return ""
	}
	namer, ok := providers.As[providers.TerminalNamer](l.provider)
	if !ok {
		return ""
	}
	return namer.TerminalOperation(op, virtual)
}

// start runs an operation on a terminal whose result is polled.
func (l link) start(ctx context.Context, d domain.Device, op providers.TerminalOp, receipt string) (providers.TerminalStart, error) {
	operator, ok := providers.As[providers.TerminalOperator](l.provider)
	if !ok {
		return providers.TerminalStart{}, errors.New("devices: the adapter runs nothing on a terminal")
	}
	ctx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	defer cancel()
	return operator.StartOnTerminal(ctx, providers.TerminalRequest{Device: ref(d), Operation: l.operation(op, d.Virtual), Receipt: receipt, Polled: true})
}

// result asks once for the result of what was started.
func (l link) result(ctx context.Context, resultRef string) (providers.TerminalResult, bool, error) {
	operator, ok := providers.As[providers.TerminalOperator](l.provider)
	if !ok || resultRef == "" {
		return providers.TerminalResult{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	defer cancel()
	return operator.TerminalResult(ctx, providers.TerminalStart{ResultRef: resultRef})
}

// heard is what asking a terminal told.
type heard struct {
	alive  bool // it gave a sign of life
	report domain.DeviceReport
	reach  domain.Reach // when it gave none: what its provider says; empty: nothing
	code   string
	said   string // for staff
	later  bool   // its provider asks for patience
	wait   time.Duration
	err    error // why nothing was learned
}

// ask asks a terminal for a sign of life and waits a little for the answer. It
// is a question: nothing is done by it.
func (s *Service) ask(ctx context.Context, l link, d domain.Device) heard {
	switch l.how(d.Virtual) {
	case byCheck:
		checker, _ := providers.As[providers.DeviceChecker](l.provider)
		callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
		defer cancel()
		state, err := checker.Connected(callCtx, ref(d))
		if err != nil {
			return l.notHeard(err)
		}
		return connected(l, state)
	case byPing:
		begun := s.now()
		start, err := l.start(ctx, d, providers.OpPing, "")
		if err != nil {
			return l.notHeard(err)
		}
		for wait := askEvery; s.now().Sub(begun) < askFor && ctx.Err() == nil; wait = min(2*wait, askMost) {
			res, done, err := l.result(ctx, start.ResultRef)
			if done {
				return heard{alive: true, report: res.Report}
			}
			if err != nil {
				s.Log.WarnContext(ctx, "the answer to a check cannot be asked for", "connection", l.conn.ID.String(), "error", err)
			}
			s.Pause(ctx, wait)
		}
		return heard{reach: domain.ReachOffline, code: codeNoAnswer, said: "It took a check and did not answer it."}
	}
	return heard{err: errors.New("devices: this terminal cannot be asked")}
}

// codeNoAnswer is ours, for a check that was accepted and has no answer.
const codeNoAnswer = "noAnswer"

func connected(l link, state providers.DeviceState) heard {
	if state.Connected {
		return heard{alive: true}
	}
	said := state.Meaning
	if said == "" {
		said = l.label() + " says that it is not connected."
	}
	return heard{reach: domain.ReachOffline, code: state.Code, said: said}
}

// notHeard reads a fault. A terminal that is busy is a terminal that is there.
func (l link) notHeard(err error) heard {
	h := heard{err: err, said: faultWords(l, err, "It could not be checked.")}
	e, ok := providers.AsError(err)
	if !ok {
		return h
	}
	h.code, h.wait = e.Code, e.RetryAfter
	switch {
	case e.Reason == domain.ReasonDeviceBusy:
		h.reach = domain.ReachBusy
	case e.Reason == domain.ReasonDeviceOffline:
		h.reach = domain.ReachOffline
	case e.Kind == providers.KindRateLimited:
		h.later = true
	}
	if h.code == "" {
		h.code = string(e.Kind)
	}
	return h
}

func isRateLimited(err error) bool {
	e, ok := providers.AsError(err)
	return ok && e.Kind == providers.KindRateLimited
}

// faultWords is one sentence for staff about a call that failed.
func faultWords(l link, err error, otherwise string) string {
	e, ok := providers.AsError(err)
	switch {
	case !ok:
		return otherwise
	case e.Meaning != "":
		return e.Meaning
	case e.Kind == providers.KindRateLimited:
		return l.label() + " takes no more questions at the moment."
	case e.Kind == providers.KindCredentials:
		return l.label() + " does not accept the credentials of this connection."
	case e.Kind == providers.KindUnreachable:
		return l.label() + " cannot be reached."
	case e.Kind == providers.KindUnsupported:
		return l.label() + " does not offer this."
	case e.Kind == providers.KindRefused && e.Text != "":
		return l.label() + " refused it: “" + e.Text + "”."
	}
	return otherwise
}

// apply notes on a locked terminal what asking it told.
func (h heard) apply(d *domain.Device, at time.Time) {
	d.CheckedAt = at
	switch {
	case h.alive:
		r := h.report
		if r != (domain.DeviceReport{}) {
			r.At = at
		}
		d.Hear(r, at)
		d.PingedAt = at
		if !at.Before(d.SeenAt) {
			d.Reach, d.Code, d.Said = domain.ReachOnline, "", "" // two answers of one moment
		}
	case h.reach == domain.ReachBusy:
		if at.After(d.SeenAt) {
			d.SeenAt = at
		}
		d.Reach, d.Code, d.Said = h.reach, h.code, h.said
	case h.reach == domain.ReachOffline:
		d.Reach, d.Code, d.Said = h.reach, h.code, h.said
	default:
		// Nothing was learned of the terminal itself. What was known grows old.
		if h.said != "" {
			d.Code, d.Said = h.code, h.said
		}
		if at.Sub(d.SeenAt) > staleAfter {
			d.Reach = domain.ReachUnknown
		}
	}
}
