package payments_test

import (
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

var (
	gbp = money.MustCurrency("GBP")
	eur = money.MustCurrency("EUR")
	jpy = money.MustCurrency("JPY")
)

// clock is the product's clock, moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lossy is the line to the providers. A test may look at the world just before
// a request leaves, and lose its reply.
type lossy struct {
	inner  http.RoundTripper
	before func(*http.Request)
	lose   bool
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	before, lose := l.before, l.lose
	if r.Method != http.MethodPost {
		return l.inner.RoundTrip(r)
	}
	l.before, l.lose = nil, false
	if before != nil {
		before(r)
	}
	res, err := l.inner.RoundTrip(r)
	if err == nil && lose {
		res.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return res, err
}

// house is a shop on a real Postgres with both emulators behind real HTTP.
type house struct {
	t         *testing.T
	transport *lossy
	db        *storetest.DB
	owner     *sql.DB
	store     *store.Store
	svc       *payments.Service
	clock     *clock
	sandbox   *sandbox.Sandbox
	actor     domain.Actor
	merchant  domain.Merchant
	handpoint domain.ConnectionID
	cardflo   domain.ConnectionID
	cards     map[string]domain.CardID // by token
	// also is one connection more, with a card, that some tables set up.
	also     domain.ConnectionID
	alsoCard domain.CardID
	// connect adds a connection to an emulator; storeCard a card token to one.
	connect   func(in connections.NewConnection, path string) domain.ConnectionID
	storeCard func(conn domain.ConnectionID, token string) domain.CardID
	orders    int // sales that were filled in: each has a reference of its own
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db := storetest.New(t)
	return houseOn(t, db, db.AppURL)
}

// houseOn is newHouse on a database that is there, reached by an address.
func houseOn(t *testing.T, db *storetest.DB, address string) *house {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{URL: address, MaxOpen: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	owner, err := sql.Open("postgres", db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	h := &house{t: t, db: db, owner: owner, store: st, clock: &clock{at: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)}, cards: map[string]domain.CardID{}}
	h.sandbox = sandbox.New(sandbox.Config{Now: h.clock.now})
	server := httptest.NewServer(h.sandbox.Handler())
	t.Cleanup(func() { h.sandbox.Reset(); server.Close() })
	host, _ := url.Parse(server.URL)

	keyset, err := secrets.Generate()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secrets.FromJSON(keyset)
	if err != nil {
		t.Fatal(err)
	}
	registry := providers.NewRegistry(cardflo.Registration(), handpoint.Registration(), cashflows.Registration(), cloudflow.Registration())
	h.merchant = domain.Merchant{ID: domain.NewMerchantID(), Name: "Harbour & Rye", TimeZone: "Europe/London", Mode: domain.Test, Currencies: []money.Currency{gbp, eur, jpy}, CreatedAt: h.clock.now()}
	if err := st.InsertMerchant(t.Context(), h.merchant); err != nil {
		t.Fatal(err)
	}
	h.actor = domain.Actor{UserID: domain.NewUserID(), Name: "Maya Okafor", MerchantID: h.merchant.ID, Role: domain.Manager, RequestID: "req-1", IP: "192.0.2.1"}
	if _, err := owner.Exec(`insert into users (id, email, name, created_at) values ($1, 'maya@example.com', 'Maya Okafor', now())`, h.actor.UserID); err != nil {
		t.Fatal(err)
	}
	conns := &connections.Service{Store: st, Registry: registry, Secrets: sealer, Now: h.clock.now}
	h.connect = func(in connections.NewConnection, path string) domain.ConnectionID {
		t.Helper()
		in.BaseURL = server.URL + path
		c, err := conns.Create(t.Context(), h.actor, in)
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	h.storeCard = func(conn domain.ConnectionID, token string) domain.CardID {
		t.Helper()
		c, err := conns.AddCard(t.Context(), h.actor, conn, token, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}, "Imogen Ware")
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	add := func(in connections.NewConnection) domain.ConnectionID {
		c, err := conns.Create(t.Context(), h.actor, in)
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	h.handpoint = add(connections.NewConnection{Provider: "handpoint", Name: "Phone tokens", BaseURL: server.URL + sandboxhandpoint.BasePath, Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}})
	h.cardflo = add(connections.NewConnection{Provider: "cardflo", Name: "Phone cards", BaseURL: server.URL + sandboxcardflo.BasePath,
		Settings: map[string]string{cardflo.SettingCardFrame: server.URL + "/cardflo/frame/" + sandboxcardflo.SignedKey},
		Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SignedKey, cardflo.SecretUsername: sandboxcardflo.SignedUser,
			cardflo.SecretPassword: sandboxcardflo.SignedPassword, cardflo.SecretSharedSecret: sandboxcardflo.SignedSecret}})
	for _, token := range []string{sandboxhandpoint.TokenVisa, sandboxhandpoint.TokenInsufficientFunds} {
		c, err := conns.AddCard(t.Context(), h.actor, h.handpoint, token, domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}, "Imogen Ware")
		if err != nil {
			t.Fatal(err)
		}
		h.cards[token] = c.ID
	}
	h.transport = &lossy{inner: httpclient.Transport(httpclient.Options{AllowHosts: []string{host.Host}})}
	h.svc = payments.New(payments.Config{Store: st, Registry: registry, Secrets: sealer,
		Transport: h.transport, Now: h.clock.now,
		Log: slog.New(slog.DiscardHandler), PublicURL: "http://localhost:8080"})
	return h
}

func (h *house) order() string {
	h.orders++
	return fmt.Sprintf("Hamper %d", 2260+h.orders)
}

func (h *house) cardSale(amount int64) payments.TakeInput {
	return payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.handpoint, Method: domain.MethodCard, Amount: money.FromMinor(amount, gbp),
		OrderReference: h.order(), Email: "imogen@example.com", CardID: h.cards[sandboxhandpoint.TokenVisa]}
}

func (h *house) tokenSale(amount int64, token string) payments.TakeInput {
	return payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodFrame, Amount: money.FromMinor(amount, gbp),
		OrderReference: h.order(), CardToken: token, Card: domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}}
}

func (h *house) take(in payments.TakeInput) payments.Taken {
	h.t.Helper()
	taken, err := h.svc.Take(h.t.Context(), h.actor, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return taken
}

func (h *house) get(id domain.PaymentID) payments.Detail {
	h.t.Helper()
	d, err := h.svc.Get(h.t.Context(), h.actor, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func (h *house) resolve(id domain.TransactionID) payments.Resolved {
	h.t.Helper()
	r, err := h.svc.Resolve(h.t.Context(), h.merchant.ID, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *house) fault(e interface{ Kit() *kit.Kit }, f kit.Fault) {
	h.t.Helper()
	if err := e.Kit().Faults.Push(f); err != nil {
		h.t.Fatal(err)
	}
}

// approved counts what the provider says that it moved.
func approved(e interface{ State() kit.State }) int {
	n := 0
	for _, count := range e.State().Approved {
		n += count
	}
	return n
}

func (h *house) auditActions() []string {
	h.t.Helper()
	rows, err := h.owner.Query(`select action || ':' || result from audit_log where merchant_id = $1 and action like 'payment.%' order by seq`, h.merchant.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var a string
		if err := rows.Scan(&a); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func TestAnApprovedSaleIsBookedOnceAndAudited(t *testing.T) {
	for _, tt := range []struct {
		name string
		sale func(*house) payments.TakeInput
		ask  func(*house) int
	}{
		{"handpoint, stored card", func(h *house) payments.TakeInput { return h.cardSale(4200) }, func(h *house) int { return approved(h.sandbox.Handpoint) }},
		{"cardflo, token of the frame", func(h *house) payments.TakeInput { return h.tokenSale(4200, sandboxcardflo.TokenApprove) }, func(h *house) int { return approved(h.sandbox.Cardflo) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			taken := h.take(tt.sale(h))
			d := h.get(taken.PaymentID)
			if taken.Status != domain.TxApproved || d.Payment.Status != domain.PaymentApproved || d.Payment.Captured != money.FromMinor(4200, gbp) {
				t.Errorf("status %s, payment %s, captured %s", taken.Status, d.Payment.Status, d.Payment.Captured)
			}
			if d.Payment.Refundable() != money.FromMinor(4200, gbp) || d.Payment.Card.Last4 == "" || d.Sale().ProviderRef == "" {
				t.Errorf("refundable %s, card %q, provider reference %q", d.Payment.Refundable(), d.Payment.Card.Prose(), d.Sale().ProviderRef)
			}
			if n := tt.ask(h); n != 1 {
				t.Errorf("the provider charged %d times, want 1", n)
			}
			if got, want := h.auditActions(), []string{"payment.sale.requested:ok", "payment.sale.settled:approved"}; !slices.Equal(got, want) {
				t.Errorf("audit %v, want %v", got, want)
			}
		})
	}
}

func TestADeclineIsAResultWithPlainWords(t *testing.T) {
	h := newHouse(t)
	in := h.cardSale(4200)
	in.CardID = h.cards[sandboxhandpoint.TokenInsufficientFunds]
	for name, in := range map[string]payments.TakeInput{"handpoint": in, "cardflo": h.tokenSale(4200, sandboxcardflo.TokenInsufficientFunds)} {
		taken := h.take(in)
		d := h.get(taken.PaymentID)
		if d.Payment.Status != domain.PaymentDeclined || d.Payment.Reason != domain.ReasonInsufficientFunds || !d.Payment.Captured.IsZero() {
			t.Errorf("%s: %s because %s, captured %s", name, d.Payment.Status, d.Payment.Reason, d.Payment.Captured)
		}
		if d.Why[domain.ActRefund] != domain.DeniedNotApproved {
			t.Errorf("%s: refund of a declined payment: %q", name, d.Why[domain.ActRefund])
		}
	}
}

func TestTwentyParallelPostsOfOneFormMakeOneSale(t *testing.T) {
	h := newHouse(t)
	in := h.cardSale(4200)
	results := make([]payments.Taken, 20)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = h.svc.Take(t.Context(), h.actor, in); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range results {
		if r.PaymentID != results[0].PaymentID {
			t.Fatalf("two payments: %s and %s", r.PaymentID, results[0].PaymentID)
		}
		if !r.Replayed {
			fresh++
		}
	}
	if n := approved(h.sandbox.Handpoint); fresh != 1 || n != 1 {
		t.Errorf("%d fresh results and %d charges, want 1 and 1", fresh, n)
	}
	var rows int
	if err := h.owner.QueryRow(`select count(*) from payments`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d payments (%v), want 1", rows, err)
	}
}

func TestAKeyWithAnotherContentIsADuplicateAndChargesNothing(t *testing.T) {
	h := newHouse(t)
	in := h.cardSale(4200)
	h.take(in)
	in.Amount = money.FromMinor(9900, gbp)
	_, err := h.svc.Take(t.Context(), h.actor, in)
	if domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("error %v, want Duplicate", err)
	}
	if n := approved(h.sandbox.Handpoint); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

func TestAReplyLostAfterChargingIsUnknownUntilTheProviderTells(t *testing.T) {
	for _, name := range []string{"handpoint", "cardflo"} {
		for _, kind := range []string{kit.FaultDropAfter, kit.FaultStatusAfter, kit.FaultGarbage} {
			t.Run(name+" "+kind, func(t *testing.T) {
				h := newHouse(t)
				in, charged := h.cardSale(4200), func() int { return approved(h.sandbox.Handpoint) }
				f := kit.Fault{Kind: kind}
				if kind == kit.FaultStatusAfter {
					f.Status = 500
				}
				if name == "handpoint" {
					h.fault(h.sandbox.Handpoint, f)
				} else {
					in, charged = h.tokenSale(4200, sandboxcardflo.TokenApprove), func() int { return approved(h.sandbox.Cardflo) }
					h.fault(h.sandbox.Cardflo, f)
				}
				taken := h.take(in)
				d := h.get(taken.PaymentID)
				if taken.Status != domain.TxUnknown || d.Payment.Status != domain.PaymentUnknown || !d.Payment.Captured.IsZero() {
					t.Fatalf("after the lost reply: %s, payment %s, captured %s; want unknown and nothing booked", taken.Status, d.Payment.Status, d.Payment.Captured)
				}
				if r := h.resolve(taken.TransactionID); r.Status != domain.TxApproved || r.Again != 0 {
					t.Errorf("resolved to %s, again %s; want approved", r.Status, r.Again)
				}
				for range 3 { // replays change nothing
					h.resolve(taken.TransactionID)
				}
				d = h.get(taken.PaymentID)
				if d.Payment.Status != domain.PaymentApproved || d.Payment.Captured != money.FromMinor(4200, gbp) || charged() != 1 {
					t.Errorf("payment %s, captured %s, %d charges", d.Payment.Status, d.Payment.Captured, charged())
				}
				want := []string{"payment.sale.requested:ok", "payment.sale.settled:unknown", "payment.sale.settled:approved"}
				if got := h.auditActions(); !slices.Equal(got, want) {
					t.Errorf("audit %v, want %v", got, want)
				}
			})
		}
	}
}

// TestUnknownEndsInNotChargedOnlyByTheProvidersWordAfterItsWindow is
// docs/how-money-moves.md, 7, with each provider's own numbers.
func TestUnknownEndsInNotChargedOnlyByTheProvidersWordAfterItsWindow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window time.Duration
		asks   int
	}{{"handpoint", 90 * time.Second, 1}, {"cardflo", 5 * time.Minute, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			in := h.cardSale(4200)
			if tt.name == "handpoint" {
				h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropBefore})
			} else {
				in = h.tokenSale(4200, sandboxcardflo.TokenApprove)
				h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropBefore})
			}
			taken := h.take(in)
			h.clock.advance(tt.window - time.Second)
			for range 4 {
				if r := h.resolve(taken.TransactionID); r.Status != domain.TxUnknown || r.Again == 0 {
					t.Fatalf("inside the window: %s, again %s; want unknown and another question", r.Status, r.Again)
				}
			}
			h.clock.advance(time.Second)
			for i := 1; i < tt.asks; i++ {
				if r := h.resolve(taken.TransactionID); r.Status != domain.TxUnknown {
					t.Fatalf("answer %d of %d settled it as %s", i, tt.asks, r.Status)
				}
			}
			if r := h.resolve(taken.TransactionID); r.Status != domain.TxFailed {
				t.Fatalf("after the window: %s, want failed", r.Status)
			}
			d := h.get(taken.PaymentID)
			if d.Payment.Status != domain.PaymentNotCharged || d.Payment.Reason != domain.ReasonNeverArrived {
				t.Errorf("payment %s because %s", d.Payment.Status, d.Payment.Reason)
			}
		})
	}
}

func TestACrashBeforeTheCallIsFoundByTheResolver(t *testing.T) {
	h := newHouse(t)
	in := h.cardSale(4200)
	// A process that dies between the first commit and the call leaves this
	// row: take a sale whose request never leaves, then put its row back to
	// what transaction 1 wrote.
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropBefore})
	taken := h.take(in)
	at := h.clock.now()
	if _, err := h.owner.Exec(`update transactions set status = 'pending', settled_at = null, last_send_at = $1`, at.Add(35*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.owner.Exec(`update payments set status = 'processing'`); err != nil {
		t.Fatal(err)
	}
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxPending || r.Again == 0 {
		t.Errorf("while the request can still leave: %s", r.Status)
	}
	h.clock.advance(40 * time.Second)
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxUnknown {
		t.Errorf("once it cannot leave any more: %s, want unknown", r.Status)
	}
	h.clock.advance(90 * time.Second)
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxFailed {
		t.Errorf("after the window: %s, want failed", r.Status)
	}
}

func TestAfterADayAPersonTakesOver(t *testing.T) {
	h := newHouse(t)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	taken := h.take(h.cardSale(4200))
	h.clock.advance(payments.GiveUpAfter)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultStatus, Status: 503, Path: "/status"})
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxNeedsPerson || r.Again != 0 {
		t.Fatalf("%s, again %s; want needs_person and no more questions", r.Status, r.Again)
	}
	// A person may still ask, and the provider's late word wins.
	h.clock.advance(time.Minute)
	if err := h.svc.Check(t.Context(), h.actor, taken.PaymentID); err != nil {
		t.Fatal(err)
	}
	if d := h.get(taken.PaymentID); d.Payment.Status != domain.PaymentApproved {
		t.Errorf("after the check: %s, want approved", d.Payment.Status)
	}
}

func TestNothingSentIsNotChargedAtOnce(t *testing.T) {
	h := newHouse(t)
	if _, err := h.owner.Exec(`update connections set base_url = 'http://127.0.0.1:1/handpoint' where id = $1`, h.handpoint); err != nil {
		t.Fatal(err)
	}
	taken := h.take(h.cardSale(4200))
	d := h.get(taken.PaymentID)
	if d.Payment.Status != domain.PaymentNotCharged || d.Payment.Reason != domain.ReasonUnreachable {
		t.Errorf("payment %s because %s, want not charged because unreachable", d.Payment.Status, d.Payment.Reason)
	}
}

func TestPartRefundsAddUpAndNeverPassWhatWasTaken(t *testing.T) {
	for _, name := range []string{"handpoint", "cardflo"} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			in := h.cardSale(4200)
			if name == "cardflo" {
				in = h.tokenSale(4200, sandboxcardflo.TokenApprove)
			}
			id := h.take(in).PaymentID
			refund := func(minor int64) (payments.Acted, error) {
				return h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: money.FromMinor(minor, gbp), Reason: "returned"})
			}
			if r, err := refund(1250); err != nil || r.Status != domain.TxApproved {
				t.Fatalf("first refund: %s, %v", r.Status, err)
			}
			if d := h.get(id); d.Payment.Status != domain.PaymentPartRefunded || d.Payment.Refundable() != money.FromMinor(2950, gbp) {
				t.Errorf("after 12.50 of 42.00: %s, refundable %s", d.Payment.Status, d.Payment.Refundable())
			}
			if _, err := refund(2951); domain.CodeOf(err) != domain.Conflict || !strings.Contains(domain.FieldsOf(err)["amount"], "29.50 GBP") {
				t.Errorf("over-refund: %v, fields %v; want Conflict that names 29.50 GBP", err, domain.FieldsOf(err))
			}
			if r, err := refund(2950); err != nil || r.Status != domain.TxApproved {
				t.Fatalf("last refund: %s, %v", r.Status, err)
			}
			d := h.get(id)
			if d.Payment.Status != domain.PaymentRefunded || d.Why[domain.ActRefund] != domain.DeniedNothingLeft {
				t.Errorf("after all of it: %s, refund %q", d.Payment.Status, d.Why[domain.ActRefund])
			}
			if _, err := refund(1); domain.CodeOf(err) != domain.Conflict {
				t.Errorf("refund of nothing left: %v", err)
			}
		})
	}
}

func TestARefundWithoutAnOutcomeHoldsItsAmount(t *testing.T) {
	h := newHouse(t)
	id := h.take(h.cardSale(4200)).PaymentID
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter, Path: "/moto/refund"})
	r, err := h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: money.FromMinor(4000, gbp), Reason: "error"})
	if err != nil || r.Status != domain.TxUnknown {
		t.Fatalf("refund: %s, %v; want unknown", r.Status, err)
	}
	d := h.get(id)
	if d.Payment.Held != money.FromMinor(4000, gbp) || d.Payment.Refundable() != money.FromMinor(200, gbp) || d.Payment.Status != domain.PaymentUnknown {
		t.Errorf("held %s, refundable %s, %s", d.Payment.Held, d.Payment.Refundable(), d.Payment.Status)
	}
	if _, err := h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: money.FromMinor(201, gbp), Reason: "error"}); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("refund beyond what is held: %v, want Conflict", err)
	}
	if r := h.resolve(r.TransactionID); r.Status != domain.TxApproved {
		t.Errorf("resolved to %s", r.Status)
	}
	if d := h.get(id); d.Payment.Refunded != money.FromMinor(4000, gbp) || !d.Payment.Held.IsZero() || d.Payment.Status != domain.PaymentPartRefunded {
		t.Errorf("refunded %s, held %s, %s", d.Payment.Refunded, d.Payment.Held, d.Payment.Status)
	}
}

// TestFiftyRefundsAtOnceNeverPassWhatWasTaken: different forms, one payment.
func TestFiftyRefundsAtOnceNeverPassWhatWasTaken(t *testing.T) {
	h := newHouse(t)
	id := h.take(h.cardSale(1000)).PaymentID
	var wg sync.WaitGroup
	var mu sync.Mutex
	ok := 0
	for range 50 {
		wg.Go(func() {
			r, err := h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: money.FromMinor(300, gbp), Reason: "returned"})
			if err == nil && r.Status == domain.TxApproved {
				mu.Lock()
				ok++
				mu.Unlock()
			} else if domain.CodeOf(err) != domain.Conflict {
				t.Errorf("%s, %v", r.Status, err)
			}
		})
	}
	wg.Wait()
	if d := h.get(id); ok != 3 || d.Payment.Refunded != money.FromMinor(900, gbp) {
		t.Errorf("%d refunds went through, %s refunded; want 3 and 9.00", ok, d.Payment.Refunded)
	}
	if n := approved(h.sandbox.Handpoint); n != 4 {
		t.Errorf("the provider moved money %d times, want 4 (a sale and three refunds)", n)
	}
}

func TestTheProvidersPageIsOpenedAndItsOutcomeAsked(t *testing.T) {
	h := newHouse(t)
	in := h.tokenSale(4200, "")
	in.Method, in.Card = domain.MethodPage, domain.Card{}
	taken := h.take(in)
	d := h.get(taken.PaymentID)
	page := d.Sale().RedirectURL
	if taken.Status != domain.TxProcessing || page == "" || d.FrameOrigin == "" || !strings.HasPrefix(page, d.FrameOrigin+"/") {
		t.Fatalf("%s, page %q, origin %q", taken.Status, page, d.FrameOrigin)
	}
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxProcessing || r.Again == 0 {
		t.Errorf("before the card is typed: %s, again %s", r.Status, r.Again)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(page, url.Values{"card_number": {sandboxcardflo.CardApprove}, "expiry": {"12/30"}, "security_code": {"123"}, "action": {"pay"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxApproved {
		t.Fatalf("after the card was typed (%s): %s, want approved", res.Status, r.Status)
	}
	d = h.get(taken.PaymentID)
	if d.Sale().RedirectURL != "" || d.FrameOrigin != "" || d.Payment.Card.Last4 != "1111" {
		t.Errorf("redirect %q, frame origin %q, card %q", d.Sale().RedirectURL, d.FrameOrigin, d.Payment.Card.Prose())
	}
}

func TestWrongSalesAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		name  string
		wrong func(*payments.TakeInput)
		field string
		code  domain.Code
	}{
		{"no amount", func(in *payments.TakeInput) { in.Amount = money.Zero(gbp) }, "amount", domain.Invalid},
		{"no order reference", func(in *payments.TakeInput) { in.OrderReference = "  " }, "order_reference", domain.Invalid},
		{"a card number as reference", func(in *payments.TakeInput) { in.OrderReference = "4111 1111 1111 1111" }, "order_reference", domain.Invalid},
		{"a bad e-mail", func(in *payments.TakeInput) { in.Email = "imogen" }, "email", domain.Invalid},
		{"a currency without a rule", func(in *payments.TakeInput) { in.Amount = money.FromMinor(4200, jpy) }, "currency", domain.Invalid},
		{"a method that the provider lacks", func(in *payments.TakeInput) { in.Method = domain.MethodPage }, "method", domain.Invalid},
		{"a stored card that is not there", func(in *payments.TakeInput) { in.CardID = domain.NewCardID() }, "", domain.NotFound},
		{"a foreign connection", func(in *payments.TakeInput) { in.ConnectionID = domain.NewConnectionID() }, "", domain.NotFound},
		{"a form without a key", func(in *payments.TakeInput) { in.Key = "" }, "", domain.Conflict},
	} {
		in := h.cardSale(4200)
		tt.wrong(&in)
		_, err := h.svc.Take(t.Context(), h.actor, in)
		if domain.CodeOf(err) != tt.code || tt.field != "" && domain.FieldsOf(err)[tt.field] == "" {
			t.Errorf("%s: %v, fields %v", tt.name, err, domain.FieldsOf(err))
		}
	}
	var rows int
	if err := h.owner.QueryRow(`select (select count(*) from payments) + (select count(*) from transactions) + (select count(*) from idempotency_keys)`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows were written (%v)", rows, err)
	}
}

func TestARoleWithoutThePermissionIsRefused(t *testing.T) {
	h := newHouse(t)
	id := h.take(h.cardSale(4200)).PaymentID
	for _, role := range domain.Roles {
		a := h.actor
		a.Role = role
		_, err := h.svc.Take(t.Context(), a, h.cardSale(100))
		if got, want := domain.CodeOf(err) == domain.Forbidden, !role.May(domain.PaymentsTake); got != want {
			t.Errorf("%s takes a payment: forbidden %v, want %v", role, got, want)
		}
		_, err = h.svc.Refund(t.Context(), a, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: money.FromMinor(1, gbp), Reason: "returned"})
		if got, want := domain.CodeOf(err) == domain.Forbidden, !role.May(domain.PaymentsRefund); got != want {
			t.Errorf("%s refunds: forbidden %v, want %v", role, got, want)
		}
	}
}

func TestAnotherMerchantsPaymentIsNotThere(t *testing.T) {
	h := newHouse(t)
	id := h.take(h.cardSale(4200)).PaymentID
	other := domain.Merchant{ID: domain.NewMerchantID(), Name: "Other", TimeZone: "UTC", Mode: domain.Test, Currencies: []money.Currency{gbp}, CreatedAt: h.clock.now()}
	if err := h.store.InsertMerchant(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	thief := h.actor
	thief.MerchantID = other.ID
	_, err := h.svc.Get(t.Context(), thief, id)
	_, none := h.svc.Get(t.Context(), thief, domain.NewPaymentID())
	if domain.CodeOf(err) != domain.NotFound || err.Error() != none.Error() {
		t.Errorf("get: %v; want the same words as for an id that does not exist: %v", err, none)
	}
	if _, err := h.svc.Refund(t.Context(), thief, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: money.FromMinor(1, gbp), Reason: "returned"}); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("refund: %v, want NotFound", err)
	}
	if err := h.svc.Check(t.Context(), thief, id); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("check: %v, want NotFound", err)
	}
}

func TestNoCredentialIsReadableInTheDatabase(t *testing.T) {
	h := newHouse(t)
	h.take(h.cardSale(4200))
	h.take(h.tokenSale(100, sandboxcardflo.TokenApprove))
	planted := []string{sandboxhandpoint.SandboxKey, sandboxcardflo.SignedKey, sandboxcardflo.SignedPassword, sandboxcardflo.SignedSecret, sandboxhandpoint.TokenVisa, sandboxcardflo.TokenApprove}
	tables, err := h.owner.Query(`select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables where schemaname in ('public', 'river')`)
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	searched := 0
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			t.Fatal(err)
		}
		searched++
		for _, secret := range planted {
			var n int
			if err := h.owner.QueryRow(`select count(*) from `+name+` x where position($1 in x::text) > 0 or position(encode($1::bytea, 'hex') in x::text) > 0`, secret).Scan(&n); err != nil {
				t.Fatal(err)
			}
			// The connector's key is a part of the frame's address, which is a
			// public setting of the sandbox's connection.
			if n > 0 && !(name == "public.connections" && secret == sandboxcardflo.SignedKey) {
				t.Errorf("%s holds %d rows with a planted secret ending …%s", name, n, secret[len(secret)-4:])
			}
		}
	}
	if searched < 15 {
		t.Errorf("searched %d tables, want all of them", searched)
	}
}

func TestALostResolveJobIsPutBack(t *testing.T) {
	h := newHouse(t)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	taken := h.take(h.cardSale(4200))
	jobsOf := func() int {
		var n int
		if err := h.owner.QueryRow(`select count(*) from river.river_job where kind = 'resolve_transaction' and args ->> 'transaction_id' = $1
			and state in ('available', 'scheduled')`, taken.TransactionID.String()).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	log := slog.New(slog.DiscardHandler)
	for _, tt := range []struct {
		name string
		lose string
		at   time.Duration
		want int
	}{
		{"with its job, overdue", ``, time.Hour, 1},
		{"lost, not yet overdue", `update river.river_job set state = 'discarded', finalized_at = now()`, time.Minute, 0},
		{"lost and overdue", ``, time.Hour, 1},
		{"completed by mistake and overdue", `update river.river_job set state = 'completed', finalized_at = now()`, time.Hour, 1},
	} {
		if tt.lose != "" {
			if _, err := h.owner.Exec(tt.lose); err != nil {
				t.Fatal(err)
			}
		}
		if err := jobs.Sweep(t.Context(), h.store, log, h.clock.now().Add(tt.at)); err != nil {
			t.Fatal(err)
		}
		if n := jobsOf(); n != tt.want {
			t.Errorf("%s: %d live jobs, want %d", tt.name, n, tt.want)
		}
	}
}

// TestARequestThatWaitedTooLongToLeaveIsNotSent: the resolver judges "never
// arrived" by the last moment at which a request can leave, so none may leave
// after it.
func TestARequestThatWaitedTooLongToLeaveIsNotSent(t *testing.T) {
	h := newHouse(t)
	h.take(h.cardSale(100)) // makes the audit head
	lock, err := h.owner.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(`select 1 from audit_heads where merchant_id = $1 for update`, h.merchant.ID); err != nil {
		t.Fatal(err)
	}
	done := make(chan payments.Taken, 1)
	go func() {
		taken, err := h.svc.Take(t.Context(), h.actor, h.cardSale(4200))
		if err != nil {
			t.Error(err)
		}
		done <- taken
	}()
	for waiting := 0; waiting == 0; {
		if err := h.owner.QueryRow(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	h.clock.advance(6 * time.Second)
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	taken := <-done
	if d := h.get(taken.PaymentID); taken.Status != domain.TxFailed || d.Payment.Reason != domain.ReasonUnreachable {
		t.Errorf("%s because %s, want failed because nothing was sent", taken.Status, d.Payment.Reason)
	}
	if n := approved(h.sandbox.Handpoint); n != 1 {
		t.Errorf("%d charges, want the 1 before", n)
	}
}

// TestDoubtAfterNeverArrivedOpensTheQuestionAgain is the second wall: a clock
// that jumped while the call was on the line.
func TestDoubtAfterNeverArrivedOpensTheQuestionAgain(t *testing.T) {
	h := newHouse(t)
	h.transport.lose = true
	h.transport.before = func(*http.Request) {
		var id string
		if err := h.owner.QueryRow(`select id from transactions`).Scan(&id); err != nil {
			t.Error(err)
		}
		tx, err := domain.ParseTransactionID(id)
		if err != nil {
			t.Error(err)
		}
		h.clock.advance(3 * time.Minute)
		if r := h.resolve(tx); r.Status != domain.TxFailed {
			t.Errorf("while the request is on the line: %s", r.Status)
		}
	}
	taken := h.take(h.cardSale(4200))
	if d := h.get(taken.PaymentID); taken.Status != domain.TxUnknown || d.Payment.Status != domain.PaymentUnknown || d.Payment.Reason != domain.ReasonNone {
		t.Errorf("after the lost reply: %s, payment %s because %q; want unknown", taken.Status, d.Payment.Status, d.Payment.Reason)
	}
	var jobs int
	if err := h.owner.QueryRow(`select count(*) from river.river_job where kind = 'resolve_transaction' and state in ('available', 'scheduled')`).Scan(&jobs); err != nil || jobs != 1 {
		t.Errorf("%d live jobs (%v), want 1", jobs, err)
	}
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxApproved || approved(h.sandbox.Handpoint) != 1 {
		t.Errorf("resolved to %s with %d charges", r.Status, approved(h.sandbox.Handpoint))
	}
}

func TestAConnectionThatCannotBeUsedStillEndsWithAPerson(t *testing.T) {
	h := newHouse(t)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	taken := h.take(h.cardSale(4200))
	if _, err := h.owner.Exec(`update connection_secrets set sealed = 'broken'`); err != nil {
		t.Fatal(err)
	}
	if d := h.get(taken.PaymentID); d.Why[domain.ActRefund] == domain.Possible || d.Payment.Status != domain.PaymentUnknown {
		t.Errorf("the payment can still be looked at: %s, refund %q", d.Payment.Status, d.Why[domain.ActRefund])
	}
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxUnknown || r.Again == 0 {
		t.Errorf("%s, again %s; want unknown and another question", r.Status, r.Again)
	}
	h.clock.advance(payments.GiveUpAfter)
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxNeedsPerson {
		t.Errorf("after a day: %s, want needs_person", r.Status)
	}
	if _, err := h.svc.Take(t.Context(), h.actor, h.cardSale(4200)); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("a new sale: %v, want Unavailable", err)
	}
}

func TestOneStuckSessionDoesNotStopTheOtherMerchants(t *testing.T) {
	h := newHouse(t)
	h.take(h.cardSale(100))
	lock, err := h.owner.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	if _, err := lock.Exec(`select 1 from audit_heads where merchant_id = $1 for update`, h.merchant.ID); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = h.svc.Take(t.Context(), h.actor, h.cardSale(4200))
	if domain.CodeOf(err) != domain.Unavailable || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v, want Unavailable within the lock's time-out", time.Since(began), err)
	}
	var lockTimeout, statementTimeout, idleTimeout string
	for _, unit := range []func(func(*store.Tx) error) error{
		func(f func(*store.Tx) error) error { return h.store.InTenant(t.Context(), h.merchant.ID, f) },
		func(f func(*store.Tx) error) error { return h.store.ReadTenant(t.Context(), h.merchant.ID, f) },
	} {
		err = unit(func(tx *store.Tx) error {
			return tx.Settings(t.Context(), &lockTimeout, &statementTimeout, &idleTimeout)
		})
		if err != nil || lockTimeout == "0" || statementTimeout == "0" || idleTimeout == "0" {
			t.Errorf("lock %s, statement %s, idle %s (%v); want none without an end", lockTimeout, statementTimeout, idleTimeout, err)
		}
	}
}

// Whoever pauses or removes a connection holds its row; a sale that was checked
// a moment earlier must see it.
func TestASaleThatWasCheckedBeforeItsConnectionWasPausedIsNotSent(t *testing.T) {
	h := newHouse(t)
	if _, err := h.owner.Exec(`create function pause() returns trigger language plpgsql as $$ begin update connections set active = false; return new; end $$`); err != nil {
		t.Fatal(err)
	}
	// The first row that the sale writes stands for the moment between its check
	// and its payment.
	if _, err := h.owner.Exec(`create trigger pause before insert on idempotency_keys for each row execute function pause()`); err != nil {
		t.Fatal(err)
	}
	_, err := h.svc.Take(t.Context(), h.actor, h.cardSale(4200))
	if domain.CodeOf(err) != domain.Invalid || domain.FieldsOf(err)["connection"] == "" {
		t.Errorf("error %v, want a sentence about the connection", err)
	}
	if n := approved(h.sandbox.Handpoint); n != 0 {
		t.Errorf("%d charges, want none", n)
	}
	var rows int
	if err := h.owner.QueryRow(`select count(*) from payments`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d payments (%v), want none", rows, err)
	}
}

// Once its credentials are deleted nobody can ask for the outcome of a refund.
func TestARefundThatWasCheckedBeforeItsConnectionWasRemovedIsNotSent(t *testing.T) {
	h := newHouse(t)
	sold := h.take(h.cardSale(4200))
	for _, q := range []string{`create function remove() returns trigger language plpgsql as $$ begin update connections set active = false, removed_at = now(); return new; end $$`,
		`create trigger remove before insert on idempotency_keys for each row execute function remove()`} {
		if _, err := h.owner.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: sold.PaymentID, Amount: money.FromMinor(100, gbp), Reason: "returned"})
	if domain.CodeOf(err) != domain.Conflict {
		t.Errorf("error %v, want a conflict", err)
	}
	if d := h.get(sold.PaymentID); len(d.Transactions) != 1 {
		t.Errorf("%d transactions, want the sale alone", len(d.Transactions))
	}
	// Through a paused one it can be given back.
	for _, q := range []string{`drop trigger remove on idempotency_keys`, `update connections set active = false, removed_at = null`} {
		if _, err := h.owner.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: sold.PaymentID, Amount: money.FromMinor(100, gbp), Reason: "returned"}); err != nil || r.Status != domain.TxApproved {
		t.Errorf("through a paused connection: %s (%v)", r.Status, err)
	}
}

// A provider calls at the very moment at which it answers. Whoever settles locks
// the payment before its transaction, or two that settle lock each other out and
// the answer is lost.
func TestWhoeverSettlesLocksThePaymentBeforeItsTransaction(t *testing.T) {
	h := newHouse(t)
	var mu sync.Mutex
	var locked, touched bool
	h.store.OnStatement(func(q string) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case strings.Contains(q, "set_config('app.merchant_id'"):
			locked, touched = false, false
		case strings.Contains(q, "for no key update of p"):
			if touched && !locked {
				t.Errorf("the payment is locked after its transaction")
			}
			locked = true
		case strings.Contains(q, "update transactions"):
			touched = true
		}
	})
	defer h.store.OnStatement(nil)
	h.take(h.cardSale(4200))
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	lost := h.take(h.cardSale(4300))
	h.resolve(lost.TransactionID)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropBefore})
	never := h.take(h.cardSale(4400))
	h.clock.advance(10 * time.Minute)
	h.resolve(never.TransactionID)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	old := h.take(h.cardSale(4500))
	h.clock.advance(payments.GiveUpAfter)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	h.resolve(old.TransactionID)
}

func TestARefundThroughARemovedConnectionSaysThatItWasRemoved(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.cardSale(4200))
	for _, q := range []string{`update connections set active = false, removed_at = now() where provider = 'handpoint'`, `delete from connection_secrets where connection_id in (select id from connections where provider = 'handpoint')`} {
		if _, err := h.owner.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	d := h.get(taken.PaymentID)
	if d.Why[domain.ActRefund] != domain.DeniedRemoved || !strings.Contains(d.Why[domain.ActRefund].Words(), "was removed") {
		t.Errorf("refund is %q: %s", d.Why[domain.ActRefund], d.Why[domain.ActRefund].Words())
	}
}
