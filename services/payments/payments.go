// Package payments is the use case that takes a payment and follows it through
// its life: sale, refund, and the resolution of unknown outcomes. It holds the
// rules of docs/how-money-moves.md: a pending row first, the provider
// called outside any database transaction, a conditional settlement, and
// "unknown" on every doubt. It imports store, providers, secrets, jobs/args,
// domain and money, and failpoint, by which tests kill it between two steps.
package payments

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// The resolver's patience. They are variables of the package and not settings:
// they are promises that the pages make.
const (
	// FirstAsk is how long after the pending row the first status question is
	// asked, whether the call has come back or not: a question is harmless.
	FirstAsk = 4 * time.Second
	// GiveUpAfter is when a person takes over.
	GiveUpAfter = 24 * time.Hour
	// AskPersonEvery is how often the provider is asked about what waits for a
	// person: it may find out before the person does.
	AskPersonEvery = 24 * time.Hour
	// sendMargin covers what lies between the deadline of a call and the last
	// byte that a kernel may still have sent.
	sendMargin = 5 * time.Second
	// checkEvery is the least time between two questions by hand.
	checkEvery = 2 * time.Second
	// settleTimeout bounds one try to write the provider's answer down.
	settleTimeout = 10 * time.Second
)

// AskDelay is the pause before the next status question, by the age of the
// transaction.
func AskDelay(age time.Duration) time.Duration {
	switch {
	case age < time.Minute:
		return 3 * time.Second
	case age < 10*time.Minute:
		return 30 * time.Second
	case age < time.Hour:
		return 2 * time.Minute
	}
	return 15 * time.Minute
}

// Sealer seals, and opens what was sealed under the same associated parts.
type Sealer interface {
	Seal(plain []byte, associated ...string) ([]byte, error)
	Open(sealed []byte, associated ...string) ([]byte, error)
}

// Config is what the service is made from.
type Config struct {
	Store     *store.Store
	Registry  *providers.Registry
	Secrets   Sealer
	Transport http.RoundTripper // how adapters reach providers
	Now       func() time.Time
	Log       *slog.Logger
	PublicURL string // where the provider's page sends the browser back to
}

// Service is the use case. It is safe for use by many goroutines.
type Service struct {
	Config
	mu       sync.Mutex
	adapters map[domain.ConnectionID]adapter
}

type adapter struct {
	fingerprint [sha256.Size]byte
	provider    providers.Provider
}

// New makes the service.
func New(cfg Config) *Service {
	return &Service{Config: cfg, adapters: map[domain.ConnectionID]adapter{}}
}

// now is the clock at the database's precision, so that what was written
// compares equal to what is read.
func (s *Service) now() time.Time { return failpoint.Now(s.Now()).UTC().Truncate(time.Microsecond) }

// The two database transactions of an operation.
const (
	opening  = failpoint.First
	settling = failpoint.Second
)

// write runs f as one unit of work that moves a transaction along.
func (s *Service) write(ctx context.Context, m domain.MerchantID, at failpoint.Transaction, what string, f func(*store.Tx) error) error {
	err := s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		failpoint.Inside(what, at)
		return nil
	})
	if err == nil {
		failpoint.Behind(what, at)
	}
	return err
}

// link is a connection with its adapter.
type link struct {
	conn     domain.Connection
	reg      providers.Registration
	provider providers.Provider
	caps     domain.Capabilities
}

// link binds a connection to its adapter. The adapter is kept while the
// connection's settings and secrets stay the same, so that its breaker and its
// open lines last. It sends one statement.
func (s *Service) link(ctx context.Context, tx *store.Tx, conn domain.Connection) (link, error) {
	slots, err := tx.SecretSlots(ctx, conn.ID)
	if err != nil {
		return link{}, err
	}
	return s.bind(conn, slots)
}

// bind is link with the connection's sealed credentials, by slot and field.
func (s *Service) bind(conn domain.Connection, slots map[string]map[string][]byte) (link, error) {
	reg, ok := s.Registry.Get(conn.Provider)
	if !ok {
		return link{}, fmt.Errorf("payments: connection %s names the unknown provider %q", conn.ID, conn.Provider)
	}
	l := link{conn: conn, reg: reg}
	fp := fingerprint(conn, slots)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.adapters[conn.ID]; ok && a.fingerprint == fp {
		l.provider = a.provider
	} else {
		opened := map[string]map[string]string{}
		for slot, sealed := range slots {
			opened[slot] = map[string]string{}
			for field, blob := range sealed {
				plain, err := s.Secrets.Open(blob, domain.SecretContext(conn.MerchantID, conn.ID, field)...)
				if err != nil {
					return link{}, domain.Wrap(fmt.Errorf("payments: secret %q of connection %s cannot be opened: %w", field, conn.ID, err),
						domain.Unavailable, "The connection “%s” cannot be used: its credentials do not open. Tell whoever runs this copy of Counterfoil.", conn.Name)
				}
				opened[slot][field] = string(plain)
			}
		}
		cfg := providers.Config{BaseURL: conn.BaseURL, Settings: conn.Settings, Secrets: opened["current"], HTTP: s.Transport, Now: s.Now,
			CallbackURL: s.PublicURL + domain.CallbackPath(conn.Provider, conn.ID)}
		for _, slot := range []string{"next", "previous"} {
			if opened[slot] != nil {
				cfg.Also = append(cfg.Also, opened[slot])
			}
		}
		if cfg.Secrets == nil {
			cfg.Secrets = map[string]string{}
		}
		cfg.Timeout, cfg.PerMinute = providers.Limits(reg, conn.Settings)
		p, err := reg.New(cfg)
		if err != nil {
			return link{}, domain.Wrap(err, domain.Unavailable, "The connection “%s” is not set up completely.", conn.Name)
		}
		s.adapters[conn.ID] = adapter{fp, p}
		l.provider = p
	}
	l.caps = providers.CapabilitiesOf(l.provider, reg, conn.Settings, s.PublicURL)
	return l, nil
}

func fingerprint(c domain.Connection, slots map[string]map[string][]byte) [sha256.Size]byte {
	h := sha256.New()
	part := func(b []byte) { fmt.Fprintf(h, "%d:", len(b)); h.Write(b) }
	part([]byte(c.BaseURL))
	for _, k := range slices.Sorted(maps.Keys(c.Settings)) {
		part([]byte(k))
		part([]byte(c.Settings[k]))
	}
	for _, slot := range slices.Sorted(maps.Keys(slots)) {
		part([]byte(slot))
		for _, k := range slices.Sorted(maps.Keys(slots[slot])) {
			part([]byte(k))
			part(slots[slot][k])
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Taken says which payment a form made. Replayed is true when the form had been
// posted before: nothing was done again.
type Taken struct {
	PaymentID     domain.PaymentID
	TransactionID domain.TransactionID
	Status        domain.TransactionStatus
	Replayed      bool
}

// NewKey mints an idempotency key for a form.
func NewKey() string { return uuid.NewString() }

func validKey(k string) bool {
	_, err := uuid.Parse(k)
	return err == nil && len(k) == 36
}

func (s *Service) newTransaction(actor domain.Actor, typ domain.TransactionType, p domain.Payment, amount money.Amount, l link, now time.Time) domain.Transaction {
	return domain.Transaction{
		ID: domain.NewTransactionID(), MerchantID: p.MerchantID, PaymentID: p.ID, ConnectionID: p.ConnectionID, Reference: domain.NewReference(),
		Type: typ, Status: domain.TxPending, Amount: amount, AttemptRef: uuid.NewString(), CreatedBy: actor.UserID, CreatedName: actor.Name,
		CreatedAt: now, LastSendAt: now.Add(l.reg.Timeout + sendMargin), NextAskAt: now.Add(FirstAsk),
	}
}

func requestHash(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

// entry is the audit row of a transaction's event.
func (s *Service) entry(actor domain.Actor, x domain.Transaction, event, result string, detail map[string]any) store.AuditEntry {
	if detail == nil {
		detail = map[string]any{}
	}
	detail["transaction"] = x.ID.String()
	detail["reference"] = x.Reference
	detail["amount_minor"] = x.Amount.Minor()
	detail["currency"] = x.Amount.Currency().Code()
	return store.AuditEntry{At: s.now(), Actor: actor, Action: "payment." + string(x.Type) + "." + event, ObjectType: "payment", ObjectID: x.PaymentID.String(), Result: result, Detail: detail}
}
