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
	"net/mail"
	"slices"
	"strings"
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

// Opener opens what was sealed under the same associated parts.
type Opener interface {
	Open(sealed []byte, associated ...string) ([]byte, error)
}

// Config is what the service is made from.
type Config struct {
	Store     *store.Store
	Registry  *providers.Registry
	Secrets   Opener
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

// TakeInput is a telephone sale as the form sends it.
type TakeInput struct {
	Key            string // minted with the form
	ConnectionID   domain.ConnectionID
	Method         domain.Method
	Amount         money.Amount
	OrderReference string
	Email          string
	CardToken      string      // MethodFrame: one-use token from the provider's frame
	Card           domain.Card // MethodFrame: what the frame told of the card
	CardID         domain.CardID
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

// CheckTake is every rule of the sale form that needs no database, one sentence
// per field, for a handler that already knows that another field is wrong.
func (s *Service) CheckTake(in TakeInput) map[string]string { return checkTake(&in) }

// checkTake is every rule of the sale form that needs no database.
func checkTake(in *TakeInput) map[string]string {
	fields := map[string]string{}
	in.OrderReference = strings.TrimSpace(in.OrderReference)
	in.Email = strings.TrimSpace(in.Email)
	if !in.Amount.IsPositive() {
		fields["amount"] = "Enter an amount above " + money.Zero(in.Amount.Currency()).Format() + "."
	}
	switch {
	case in.OrderReference == "":
		fields["order_reference"] = "Enter the order reference, for example “Hamper 2261”."
	case len([]rune(in.OrderReference)) > 50:
		fields["order_reference"] = "Use at most 50 characters."
	case domain.LooksLikeCardNumber(in.OrderReference):
		fields["order_reference"] = "This looks like a card number. Type it only into the provider’s box."
	}
	if in.Email != "" {
		if a, err := mail.ParseAddress(in.Email); err != nil || a.Address != in.Email || len(in.Email) > 254 {
			fields["email"] = "Enter an e-mail address, for example name@example.com, or leave it empty."
		}
	}
	if in.Method == domain.MethodFrame {
		switch {
		case in.CardToken == "":
			fields["method"] = "The provider’s box has not given us the card yet. Fill it in, then charge."
		case len(in.CardToken) > 512 || domain.LooksLikeCardNumber(in.CardToken):
			fields["method"] = "The provider’s box gave something that is not a card token. Nothing was charged."
		}
	}
	if in.Method == domain.MethodCard && in.CardID.IsZero() {
		fields["card"] = "Choose a stored card."
	}
	return fields
}

// saneCard keeps of a frame's message only what may be shown.
func saneCard(c domain.Card) domain.Card {
	if len(c.Last4) != 4 || strings.Trim(c.Last4, "0123456789") != "" {
		return domain.Card{}
	}
	c.Brand = domain.CardBrand(c.Brand)
	if len(c.Expiry) != 5 || c.Expiry[2] != '/' {
		c.Expiry = ""
	}
	return c
}

// Take charges a card by telephone. It needs payments:take. It writes the
// pending payment, its audit row and the resolve job, then calls the provider,
// then settles. The same key with the same content gives the first result; with
// another content Duplicate. Invalid carries one sentence per field. A decline
// is a Taken, not an error. It moves money at the provider.
func (s *Service) Take(ctx context.Context, actor domain.Actor, in TakeInput) (Taken, error) {
	if err := actor.Require(domain.PaymentsTake); err != nil {
		return Taken{}, err
	}
	if !validKey(in.Key) {
		return Taken{}, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was charged. Open a new one.")
	}
	fields := checkTake(&in)
	var l link
	var token string
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		conn, err := tx.Connection(ctx, in.ConnectionID)
		if err != nil {
			return err
		}
		merchant, err := tx.MerchantRow(ctx)
		if err != nil {
			return err
		}
		if l, err = s.link(ctx, tx, conn); err != nil {
			return err
		}
		for k, v := range s.checkConnection(l, merchant, in) {
			fields[k] = v
		}
		if in.Method != domain.MethodCard || in.CardID.IsZero() {
			return nil
		}
		card, sealed, err := tx.Card(ctx, conn.ID, in.CardID)
		if err != nil {
			return err
		}
		plain, err := s.Secrets.Open(sealed, domain.CardContext(actor.MerchantID, card.ID)...)
		if err != nil {
			return fmt.Errorf("payments: token of card %s: %w", card.ID, err)
		}
		token, in.Card = string(plain), card.Card
		return nil
	})
	if err != nil {
		return Taken{}, err
	}
	if len(fields) > 0 {
		return Taken{}, domain.InvalidFields(fields)
	}
	if in.Method == domain.MethodFrame {
		token, in.Card = in.CardToken, saneCard(in.Card)
	}
	failpoint.Hit(string(domain.Sale), failpoint.Checked)
	x, taken, err := s.openSale(ctx, actor, in, l)
	if err != nil || taken.Replayed {
		return taken, err
	}
	req := providers.SaleRequest{Amount: in.Amount, AttemptRef: x.AttemptRef, Token: token, OrderReference: in.OrderReference, Email: in.Email,
		ReturnURL: s.PublicURL + "/payments/card-entry"}
	status, err := s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) {
		if in.Method == domain.MethodPage {
			return l.provider.(providers.PageSeller).SellByPage(ctx, req)
		}
		return l.provider.(providers.TokenSeller).SellByToken(ctx, req)
	})
	taken.Status = status
	return taken, err
}

const notInUse = "This connection is not in use. Choose another one."

// checkConnection is every rule of the sale form that the connection decides.
func (s *Service) checkConnection(l link, merchant domain.Merchant, in TakeInput) map[string]string {
	fields := map[string]string{}
	if !l.conn.Active || l.conn.Mode != merchant.Mode {
		fields["connection"] = notInUse
	}
	want := map[domain.Method]domain.Capability{domain.MethodFrame: domain.CanTokenizeInFrame, domain.MethodPage: domain.CanSellByPage, domain.MethodCard: domain.CanSellByToken}[in.Method]
	if want == "" || !l.caps.Has(want) {
		fields["method"] = "This connection does not offer that way to pay."
	}
	if !slices.Contains(providers.Currencies(l.reg, l.conn, merchant.Currencies), in.Amount.Currency()) {
		fields["currency"] = fmt.Sprintf("%s cannot be charged through %s.", in.Amount.Currency().Code(), l.conn.Name)
	}
	return fields
}

// openSale is transaction 1: the rows exist before anything leaves.
func (s *Service) openSale(ctx context.Context, actor domain.Actor, in TakeInput, l link) (domain.Transaction, Taken, error) {
	now := s.now()
	p := domain.Payment{
		ID: domain.NewPaymentID(), MerchantID: actor.MerchantID, ConnectionID: l.conn.ID, Kind: domain.Sale, Status: domain.PaymentProcessing, Method: in.Method,
		Amount: in.Amount, Captured: money.Zero(in.Amount.Currency()), Refunded: money.Zero(in.Amount.Currency()), Held: money.Zero(in.Amount.Currency()),
		OrderReference: in.OrderReference, Email: in.Email, Card: in.Card, CreatedBy: actor.UserID, CreatedByName: actor.Name, CreatedAt: now,
	}
	x := s.newTransaction(actor, domain.Sale, p, in.Amount, l, now)
	taken := Taken{PaymentID: p.ID, TransactionID: x.ID, Status: x.Status}
	hash := requestHash("sale", l.conn.ID.String(), string(in.Method), in.Amount.String(), in.OrderReference, in.Email, in.CardToken, in.CardID.String())
	for try := 0; ; try++ {
		p.Reference = domain.NewReference()
		x.Reference = p.Reference
		err := s.write(ctx, actor.MerchantID, opening, string(domain.Sale), func(tx *store.Tx) error {
			first, fresh, err := tx.ClaimKey(ctx, in.Key, hash, store.KeyClaim{PaymentID: p.ID, TransactionID: x.ID}, now)
			if err != nil {
				return err
			}
			if !fresh {
				was, err := tx.Transaction(ctx, first.TransactionID)
				taken = Taken{PaymentID: first.PaymentID, TransactionID: first.TransactionID, Status: was.Status, Replayed: true}
				return err
			}
			// Somebody may have paused or removed it since it was looked at.
			if active, _, err := tx.HoldConnection(ctx, l.conn.ID); err != nil || !active {
				if err == nil {
					err = domain.InvalidFields(map[string]string{"connection": notInUse})
				}
				return err
			}
			if err := tx.InsertPayment(ctx, p); err != nil {
				return err
			}
			if err := tx.InsertTransaction(ctx, x); err != nil {
				return err
			}
			tx.Audit(s.entry(actor, x, "requested", "ok", map[string]any{"method": string(in.Method), "order_reference": in.OrderReference}))
			return tx.Enqueue(ctx, resolveJob(x), now.Add(FirstAsk))
		})
		if domain.CodeOf(err) == domain.Conflict && try < 3 {
			continue // the eight characters were taken; nothing was written
		}
		return x, taken, err
	}
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
