// Package webhooks takes the calls that providers make to us: verified before
// anything is parsed, stored and committed before it is acknowledged, translated
// by a job, and applied by the same settle function as the resolver's answers.
// A call that cannot be verified is only ever a hint to ask the provider. It
// imports the payments use case, store, providers, jobs/args, domain, and
// failpoint, by which tests kill it between two steps.
package webhooks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unicode"

	"golang.org/x/time/rate"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// The bounds of calls that prove nothing: hints a second and connection, and
// how long one may be.
const (
	hintsPerSecond = 2
	hintsBurst     = 20
	maxHintRef     = 200
)

// point is what passes the points at which a test may kill the receiver; the
// points of settling are the payment rules' own.
const point = "callback"

// refusedAction is the audit row of a call that is not the provider's; there is
// at most one per connection and minute.
const refusedAction = "callback.refused"

// Service is the receiver. Make it with New.
type Service struct {
	store    *store.Store
	payments *payments.Service
	now      func() time.Time
	log      *slog.Logger
	// began: what arrived before could not become known while we were down.
	began time.Time

	mu    sync.Mutex
	hints map[domain.ConnectionID]*rate.Limiter
	// refused is when this process last wrote down a refusal, so that a flood
	// does not queue for the lock under which that is decided.
	refused map[domain.ConnectionID]time.Time
}

// New makes a receiver.
func New(st *store.Store, p *payments.Service, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: st, payments: p, now: now, log: log, began: now(), hints: map[domain.ConnectionID]*rate.Limiter{}, refused: map[domain.ConnectionID]time.Time{}}
}

// Call is a call as it came over the wire.
type Call struct {
	Method, URI string
	Header      map[string][]string
	Body        []byte
}

// Reply is what the provider is answered. Its status is 200 where none is set.
type Reply struct {
	Status int
	Body   string
	JSON   bool
}

// Receive takes one call. NotFound: there is no such address. Unauthorized: it
// is not the provider's; it leaves nothing but an audit row. Invalid: it can be
// no hint. TooMany: too many hints. Otherwise the call is committed when Receive
// returns, and the reply is what the provider takes for "received".
func (s *Service) Receive(ctx context.Context, provider, connection string, call Call) (Reply, error) {
	id, err := domain.ParseConnectionID(connection)
	if err != nil {
		return Reply{}, err
	}
	m, err := s.store.ConnectionMerchant(ctx, id)
	if err != nil {
		return Reply{}, err
	}
	p, err := s.bind(ctx, m, id, provider)
	if err != nil {
		return Reply{}, err
	}
	c := providers.Callback{Method: call.Method, URI: call.URI, Header: call.Header, Body: call.Body, At: s.now()}
	switch r := p.(type) {
	case providers.CallbackReceiver:
		return s.verified(ctx, m, id, r, c)
	case providers.HintReceiver:
		return s.hint(ctx, m, id, r, c)
	}
	return Reply{}, domain.Errorf(domain.NotFound, "There is nothing here with that id.")
}

// bind finds the adapter of a connection. A paused one is still told about what
// it took. NotFound for one that was removed: its credentials are gone.
func (s *Service) bind(ctx context.Context, m domain.MerchantID, id domain.ConnectionID, provider string) (providers.Provider, error) {
	var p providers.Provider
	err := s.store.ReadTenant(ctx, m, func(tx *store.Tx) error {
		conn, err := tx.Connection(ctx, id)
		if err != nil {
			return err
		}
		if conn.Removed() || provider != "" && conn.Provider != provider {
			return domain.Errorf(domain.NotFound, "There is nothing here with that id.")
		}
		p, err = s.payments.Provider(ctx, tx, conn)
		return err
	})
	return p, err
}

func (s *Service) verified(ctx context.Context, m domain.MerchantID, id domain.ConnectionID, r providers.CallbackReceiver, call providers.Callback) (Reply, error) {
	if err := r.VerifyCallback(call); err != nil {
		return Reply{}, s.refuse(ctx, m, id, err)
	}
	hash := sha256.Sum256(call.Body)
	c := store.Callback{ID: domain.NewCallbackID(), ConnectionID: id, BodyHash: hash[:], ReceivedAt: call.At.UTC().Truncate(time.Microsecond)}
	kept, unreadable := r.CleanCallback(call.Body)
	if unreadable == nil {
		c.Body = string(kept)
	}
	err := s.store.InTenant(ctx, m, func(tx *store.Tx) error {
		fresh, err := tx.AddCallback(ctx, c)
		switch {
		case err != nil || !fresh:
		case unreadable != nil:
			err = s.end(ctx, tx, c, payments.Told{Status: domain.CallbackQuarantined, Why: "Its body cannot be read."})
		default:
			err = tx.Enqueue(ctx, args.HandleCallback{MerchantID: m, CallbackID: c.ID}, call.At)
		}
		if err == nil {
			failpoint.Hit(point, failpoint.Opening)
		}
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	failpoint.Hit(point, failpoint.Opened)
	status, body := r.CallbackReply()
	return Reply{Status: status, Body: body}, nil
}

// refuse leaves at most one audit row per connection and minute, however many
// such calls come.
func (s *Service) refuse(ctx context.Context, m domain.MerchantID, id domain.ConnectionID, why error) error {
	if !errors.Is(why, providers.ErrNotVerified) {
		return fmt.Errorf("webhooks: verify: %w", why)
	}
	s.log.WarnContext(ctx, "a callback was refused", "connection", id.String(), "why", why.Error())
	now := s.now().UTC().Truncate(time.Microsecond)
	refused := domain.Wrap(why, domain.Unauthorized, "This call is not proved to be the provider’s.")
	s.mu.Lock()
	last := s.refused[id]
	s.mu.Unlock()
	if age := now.Sub(last); age >= 0 && age < time.Minute {
		return refused
	}
	err := s.store.InTenant(ctx, m, func(tx *store.Tx) error {
		before, err := tx.AuditedSince(ctx, refusedAction, "connection", id.String(), now.Add(-time.Minute))
		if err != nil || before {
			return err
		}
		tx.Audit(store.AuditEntry{At: now, Actor: domain.Actor{MerchantID: m}, Anonymous: true, Action: refusedAction, ObjectType: "connection", ObjectID: id.String(),
			Result: "denied", Detail: map[string]any{"why": why.Error()}})
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.refused[id] = now
	s.mu.Unlock()
	return refused
}

func (s *Service) hint(ctx context.Context, m domain.MerchantID, id domain.ConnectionID, r providers.HintReceiver, call providers.Callback) (Reply, error) {
	h, err := r.ReadHint(call.Body)
	if err != nil || !printable(h.ProviderRef) {
		return Reply{}, domain.Wrap(err, domain.Invalid, "This names nothing that could be asked about.")
	}
	if !s.hintAllowed(id) {
		return Reply{}, domain.Errorf(domain.TooMany, "Too many calls.")
	}
	err = s.store.InTenant(ctx, m, func(tx *store.Tx) error {
		at := call.At.UTC().Truncate(time.Second).Add(time.Second)
		return tx.Enqueue(ctx, args.FollowHint{MerchantID: m, ConnectionID: id, ProviderRef: h.ProviderRef, At: at}, at)
	})
	return Reply{Body: string(h.Reply), JSON: true}, err
}

func printable(ref string) bool {
	if ref == "" || len(ref) > maxHintRef {
		return false
	}
	for _, r := range ref {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func (s *Service) hintAllowed(id domain.ConnectionID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.hints[id]
	if l == nil {
		l = rate.NewLimiter(hintsPerSecond, hintsBurst)
		s.hints[id] = l
	}
	return l.AllowN(s.now(), 1)
}

// Handle applies a stored callback. It may run more than once: what was applied
// changes nothing, and a handled callback is left alone. A positive time says
// when to look again at one whose payment is not known yet.
func (s *Service) Handle(ctx context.Context, m domain.MerchantID, id domain.CallbackID) (time.Duration, error) {
	var c store.Callback
	err := s.store.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
		c, err = tx.Callback(ctx, id)
		return err
	})
	if err != nil || c.Status != domain.CallbackReceived {
		return 0, err
	}
	p, err := s.bind(ctx, m, c.ConnectionID, "")
	if domain.CodeOf(err) == domain.NotFound {
		return 0, s.quarantine(ctx, m, c, "Its connection was removed before it could be applied.")
	}
	if err != nil {
		return 0, err
	}
	r, ok := p.(providers.CallbackReceiver)
	if !ok {
		return 0, s.quarantine(ctx, m, c, "This copy of Counterfoil no longer reads such calls.")
	}
	events, err := r.TranslateCallback([]byte(c.Body))
	if err != nil {
		s.log.ErrorContext(ctx, "a callback cannot be read", "connection", c.ConnectionID.String(), "callback", id.String(), "error", err)
		return 0, s.quarantine(ctx, m, c, "It cannot be read as the provider’s document describes it.")
	}
	since := c.ReceivedAt
	if since.Before(s.began) {
		since = s.began
	}
	told, err := s.payments.Apply(ctx, m, c.ConnectionID, since, []byte(c.Body), events, func(tx *store.Tx, t payments.Told) error { return s.end(ctx, tx, c, t) })
	return told.Again, err
}

// quarantine ends a callback that was not applied at all.
func (s *Service) quarantine(ctx context.Context, m domain.MerchantID, c store.Callback, why string) error {
	return s.store.InTenant(ctx, m, func(tx *store.Tx) error {
		return s.end(ctx, tx, c, payments.Told{Status: domain.CallbackQuarantined, Why: why})
	})
}

// end records what a callback led to; one that waits stays as it is. A
// quarantined one is an alert: an audit row, an error in the log, and a count on
// the pages until somebody looks.
func (s *Service) end(ctx context.Context, tx *store.Tx, c store.Callback, t payments.Told) error {
	if t.Status == domain.CallbackReceived {
		return nil
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	changed, err := tx.EndCallback(ctx, c.ID, t.Status, t.Why, t.TransactionID, now)
	if err != nil || !changed || t.Status != domain.CallbackQuarantined {
		return err
	}
	s.log.ErrorContext(ctx, "a callback needs a person", "connection", c.ConnectionID.String(), "callback", c.ID.String(), "why", t.Why)
	tx.Audit(store.AuditEntry{At: now, Action: "callback.quarantined", ObjectType: "connection", ObjectID: c.ConnectionID.String(), Result: "needs_person",
		Detail: map[string]any{"callback": c.ID.String(), "why": t.Why}})
	return nil
}

// Follow asks the provider, as ourselves, what there is to a hint, and applies
// its answer. What it says that cannot be booked is kept like a callback that
// needs a person.
func (s *Service) Follow(ctx context.Context, m domain.MerchantID, id domain.ConnectionID, ref string) error {
	p, err := s.bind(ctx, m, id, "")
	if err != nil {
		return err
	}
	r, ok := p.(providers.HintReceiver)
	if !ok {
		return fmt.Errorf("webhooks: %s takes no hints", p.Name())
	}
	events, err := r.FollowHint(ctx, providers.Hint{ProviderRef: ref})
	if err != nil {
		return fmt.Errorf("webhooks: follow: %w", err)
	}
	for _, e := range events {
		// One answer can tell several things that do not fit, and the next one can
		// tell them again in other bytes: whoever sends hints must not make a new
		// row each time.
		amount := ""
		if e.Result.Amount != nil {
			amount = e.Result.Amount.FormatCode()
		}
		hash := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s %s %s", e.Kind, e.Type, e.ProviderRef, e.AttemptRef, e.Result.Outcome, amount))
		now := s.now().UTC().Truncate(time.Microsecond)
		c := store.Callback{ID: domain.NewCallbackID(), ConnectionID: id, BodyHash: hash[:], Body: string(e.Result.Raw), ReceivedAt: now}
		// A hint comes again and again by the provider's own plan, so nothing is
		// waited for, and one that finds nothing of ours is left alone.
		_, err := s.payments.Apply(ctx, m, id, time.Time{}, e.Result.Raw, []providers.Event{e}, func(tx *store.Tx, t payments.Told) error {
			if t.Status != domain.CallbackQuarantined || t.Foreign {
				return nil
			}
			if fresh, err := tx.AddCallback(ctx, c); err != nil || !fresh {
				return err
			}
			return s.end(ctx, tx, c, t)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
