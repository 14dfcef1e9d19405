// Package providertest is the behaviour that every adapter owes, as one suite:
// each adapter runs it against its emulator, over real sockets, capability by
// capability. The emulator is the truth: what it holds is compared with what
// the adapter says. It is imported by tests only, and of ours it may import
// providers, domain, money and the sandbox.
package providertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Decline is a card token that the emulator declines, and how the adapter must
// tell it.
type Decline struct {
	Token  string
	Code   string
	Reason domain.Reason
}

// Subject is an adapter with its emulator.
type Subject struct {
	Registration providers.Registration
	// Emulator makes a fresh emulator.
	Emulator func() kit.Emulator
	// BasePath is where the emulator is mounted.
	BasePath string
	// Transport makes the transport that the product would give the adapter. It
	// may call host ("127.0.0.1:1234"), its breaker stays closed, and it records
	// its transcript.
	Transport func(host string, record func(string)) http.RoundTripper
	Settings  map[string]string
	// Secrets are credentials that the emulator knows; WrongSecrets lists sets
	// that it refuses.
	Secrets      map[string]string
	WrongSecrets map[string]map[string]string
	// Token is approved. Declines are not.
	Token    string
	Declines []Decline
	// Currency and Other are both accepted by the emulator's account.
	Currency, Other money.Currency
	// StatusWord finds the outcome's word in a status answer; its first group is
	// the word.
	StatusWord *regexp.Regexp
	// AmountField is the name of the amount in a status answer, as a regular
	// expression; empty: "amount|totalAmount".
	AmountField string
	// NoCard says that the document's answers tell nothing of the card.
	NoCard bool
	// Hold makes a hold where the adapter takes none by token, and gives the
	// provider's id of it. Nil: TokenPreauthorizer is used.
	Hold func(t *testing.T, p providers.Provider, a money.Amount) string
	// Blind lists the operations whose attempts cannot be asked for afterwards,
	// because the document gives the request no reference of ours.
	Blind []domain.TransactionType
	// Device is a terminal of the emulator that is connected; Batch one of its
	// open batches.
	Device providers.DeviceRef
	Batch  providers.BatchRequest
	// Trigger makes an approved sale about which the provider calls us, and gives
	// our reference of it, where a sale by token is not one.
	Trigger func(t *testing.T, p providers.Provider, a money.Amount) string
	// CallbackSecret names the secret that proves callbacks.
	CallbackSecret string
}

// pan is planted wherever a provider's own words can carry it.
const pan = "4111111111111111"

// Run runs the parts of the suite that the adapter's type asks for.
func Run(t *testing.T, s Subject) {
	p := s.start(t).provider
	_, seller := p.(providers.TokenSeller)
	_, refunder := p.(providers.Refunder)
	_, finder := p.(providers.StatusFinder)
	_, page := p.(providers.PageSeller)
	_, receiver := p.(providers.CallbackReceiver)
	for _, part := range []struct {
		name string
		has  bool
		run  func(*testing.T)
	}{
		{"registration", true, s.registration},
		{"sale", seller, s.sale},
		{"refund", seller && refunder, s.refund},
		{"currencies", seller, s.currencies},
		{"status", seller && finder, s.status},
		{"page", page, s.page},
		{"faults", seller, s.faults},
		{"exactness", seller, s.exactness},
		{"parallel", seller, s.parallel},
		{"secrets", seller, s.secrets},
		{"storable", seller, s.storable},
		{"operations", true, s.operations},
		{"reads", true, s.reads},
		{"callbacks", receiver, s.callbacks},
	} {
		if part.has {
			t.Run(part.name, part.run)
		}
	}
}

// harness is one emulator behind a real listener, and an adapter bound to it.
type harness struct {
	t        *testing.T
	s        Subject
	emulator kit.Emulator
	server   *httptest.Server
	provider providers.Provider

	callbackURL string

	mu         sync.Mutex
	rewrite    func([]byte) []byte
	transcript []string
}

func (s Subject) start(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, s: s, emulator: s.Emulator()}
	h.server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(func() {
		// A request that a fault still holds would keep the server from closing.
		h.emulator.Kit().Faults.Reset()
		h.server.Close()
	})
	h.provider = h.connect(h.server.URL, s.Secrets)
	return h
}

// serve is the emulator, with its answers rewritten while a test wants that.
func (h *harness) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	rewrite := h.rewrite
	h.mu.Unlock()
	if rewrite == nil {
		h.emulator.Handler().ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	h.emulator.Handler().ServeHTTP(rec, r)
	for k, vs := range rec.Header() {
		w.Header()[k] = vs
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rewrite(rec.Body.Bytes()))
}

func (h *harness) setRewrite(f func([]byte) []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rewrite = f
}

func (h *harness) connect(origin string, secrets map[string]string) providers.Provider {
	h.t.Helper()
	_, host, _ := strings.Cut(origin, "://")
	tr := h.s.Transport(host, func(line string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.transcript = append(h.transcript, line)
	})
	if c, ok := tr.(interface{ CloseIdle() }); ok {
		h.t.Cleanup(c.CloseIdle)
	}
	p, err := h.s.Registration.New(providers.Config{
		BaseURL: origin + h.s.BasePath, Settings: h.s.Settings, Secrets: secrets, HTTP: tr, Now: time.Now, CallbackURL: h.callbackURL,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *harness) fault(f kit.Fault) {
	h.t.Helper()
	if err := h.emulator.Kit().Faults.Push(f); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) outcome(o kit.Outcome) {
	h.t.Helper()
	if err := h.emulator.Kit().Outcomes.Push(o); err != nil {
		h.t.Fatal(err)
	}
}

// charges are the emulator's records of one attempt that moved money.
func (h *harness) charges(ref string) []kit.Charge {
	var out []kit.Charge
	for _, c := range h.emulator.State().Charges {
		if c.Reference == ref && c.Approved {
			out = append(out, c)
		}
	}
	return out
}

func (h *harness) wantCharges(ref string, n int) {
	h.t.Helper()
	if got := h.charges(ref); len(got) != n {
		h.t.Errorf("the provider holds %d charges of the attempt, want %d: %+v", len(got), n, got)
	}
}

func (h *harness) amount(minor int64) money.Amount { return money.FromMinor(minor, h.s.Currency) }

func (h *harness) saleRequest(minor int64) providers.SaleRequest {
	return providers.SaleRequest{
		Amount: h.amount(minor), AttemptRef: uuid.NewString(), Token: h.s.Token,
		OrderReference: "order 7", Email: "ada@example.com", ReturnURL: "https://shop.example/payments/1",
	}
}

func (h *harness) seller() providers.TokenSeller {
	h.t.Helper()
	return on[providers.TokenSeller](h)
}

func (h *harness) refunder() providers.Refunder {
	h.t.Helper()
	return on[providers.Refunder](h)
}

func (h *harness) finder() providers.StatusFinder {
	h.t.Helper()
	return on[providers.StatusFinder](h)
}

// sold makes an approved sale.
func (h *harness) sold(minor int64) (providers.SaleRequest, providers.Result) {
	h.t.Helper()
	req := h.saleRequest(minor)
	res, err := h.seller().SellByToken(h.t.Context(), req)
	if err != nil || res.Outcome != providers.Approved {
		h.t.Fatalf("sale: %+v, %v", res, err)
	}
	return req, res
}

// lookup says that an attempt can be asked for by our own reference.
func (h *harness) lookup() bool { return h.s.Registration.Idempotency.Lookup }

// askable gives the provider's reference to a question where ours is not enough.
func (h *harness) askable(q providers.Lookup, res providers.Result) providers.Lookup {
	if !h.lookup() {
		q.ProviderRef = res.ProviderRef
	}
	return q
}

// asks says that the adapter answers status questions at all.
func (h *harness) asks() bool {
	_, ok := h.provider.(providers.StatusFinder)
	return ok
}

// truth asks for an attempt whose answer was lost: the provider's own word, or,
// where it cannot be asked by our reference, nothing that could pass for one.
func (h *harness) truth(q providers.Lookup, want providers.Outcome) {
	h.t.Helper()
	if !h.asks() || slices.Contains(h.s.Blind, q.Type) {
		return
	}
	if !h.lookup() && q.ProviderRef == "" {
		want = providers.Pending
	}
	if found := h.find(q); found.Outcome != want {
		h.t.Errorf("status: %+v, want %s", found, want)
	}
}

func (h *harness) find(q providers.Lookup) providers.Result {
	h.t.Helper()
	res, err := h.finder().FindStatus(h.t.Context(), q)
	if err != nil {
		h.t.Fatalf("status: %v", err)
	}
	return res
}

// eventually asks until the outcome is the wanted one.
func (h *harness) eventually(q providers.Lookup, want providers.Outcome) providers.Result {
	h.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		res := h.find(q)
		if res.Outcome == want {
			return res
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("status: %s, want %s", res.Outcome, want)
		}
	}
}

// eventuallyCharged waits until a request that was held has been processed.
func (h *harness) eventuallyCharged(ref string) {
	h.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(h.charges(ref)) == 0 && time.Now().Before(deadline); {
		runtime.Gosched()
	}
}

func wantFault(t *testing.T, err error, notDone bool, kinds ...providers.ErrorKind) *providers.Error {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok {
		t.Fatalf("error = %v, want a *providers.Error", err)
	}
	if e.NotDone != notDone {
		t.Fatalf("%v: not done = %v, want %v", e, e.NotDone, notDone)
	}
	if notDone && e.Reason == domain.ReasonNone {
		t.Errorf("%v: a certain no without a reason", e)
	}
	if !notDone && e.Reason != domain.ReasonNone {
		t.Errorf("%v: an unknown outcome with a reason, %s", e, e.Reason)
	}
	if e.Provider == "" || e.Op == "" {
		t.Errorf("%v: provider or operation is missing", e)
	}
	for _, k := range kinds {
		if e.Kind == k {
			return e
		}
	}
	if len(kinds) > 0 {
		t.Errorf("%v: kind %s, want one of %v", e, e.Kind, kinds)
	}
	return e
}

func (s Subject) registration(t *testing.T) {
	r := s.Registration
	if r.Name == "" || r.Label == "" || r.New == nil || r.Currency == nil || len(r.Secrets()) == 0 {
		t.Errorf("incomplete registration: %+v", r)
	}
	if r.Timeout <= 0 || r.Timeout > time.Minute {
		t.Errorf("a call may take %v", r.Timeout)
	}
	if r.Idempotency.Lookup && (r.Absence.After <= 0 || r.Absence.Asks < 1) {
		t.Errorf("an attempt can be looked up, but no rule says when absence counts: %+v", r.Absence)
	}
	for name := range s.Secrets {
		if !slices.Contains(r.Secrets(), name) {
			t.Errorf("%s is not among the registration's secrets", name)
		}
	}
	h := s.start(t)
	if h.provider.Name() != r.Name {
		t.Errorf("the adapter calls itself %q, the registration %q", h.provider.Name(), r.Name)
	}
	_, err := r.New(providers.Config{BaseURL: "not a url", Secrets: s.Secrets})
	if err == nil {
		t.Error("a base URL that is none was accepted")
	}
	if _, err := r.New(providers.Config{BaseURL: "https://provider.example"}); err == nil {
		t.Error("missing credentials were accepted")
	}
	seen := map[string]bool{}
	for _, f := range r.Fields {
		if f.Name == "" || f.Label == "" || f.Kind == "" || seen[f.Name] || (f.Kind == providers.FieldChoice) != (len(f.Options) > 0) {
			t.Errorf("incomplete or repeated field: %+v", f)
		}
		seen[f.Name] = true
	}
	for _, o := range providers.Offers(h.provider, r, s.Settings, "https://shop.example") {
		if o.Offered != (o.Why == "") {
			t.Errorf("%s: offered %v with the reason %q", o.Capability, o.Offered, o.Why)
		}
	}
}

func (s Subject) sale(t *testing.T) {
	t.Run("approved", func(t *testing.T) {
		h := s.start(t)
		req, res := h.sold(1250)
		if res.ProviderRef == "" || res.Reason != domain.ReasonNone || len(res.Raw) == 0 {
			t.Errorf("result: %+v", res)
		}
		if !s.NoCard && (len(res.Card.Last4) != 4 || res.Card.Brand == "" || !regexp.MustCompile(`^[01][0-9]/[0-9]{2}$`).MatchString(res.Card.Expiry)) {
			t.Errorf("card: %+v", res.Card)
		}
		if res.Amount != nil && *res.Amount != req.Amount {
			t.Errorf("amount: %v, want %v", res.Amount, req.Amount)
		}
		got := h.charges(req.AttemptRef)
		if len(got) != 1 || got[0].AmountMinor != 1250 || got[0].Currency != s.Currency.Code() || got[0].ID != res.ProviderRef || got[0].Kind != "sale" {
			t.Errorf("the provider holds %+v", got)
		}
	})
	for _, d := range s.Declines {
		t.Run("declined "+d.Code, func(t *testing.T) {
			h := s.start(t)
			req := h.saleRequest(500)
			req.Token = d.Token
			res, err := h.seller().SellByToken(t.Context(), req)
			if err != nil {
				t.Fatalf("a decline is not an error: %v", err)
			}
			if res.Outcome != providers.Declined || res.Reason != d.Reason || res.Code != d.Code || res.Text == "" {
				t.Errorf("result: %+v", res)
			}
			h.wantCharges(req.AttemptRef, 0)
			if h.asks() {
				found := h.find(h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, Amount: req.Amount}, res))
				if found.Outcome != providers.Declined || found.Reason != d.Reason {
					t.Errorf("status: %+v", found)
				}
			}
		})
	}
	t.Run("the same attempt twice", func(t *testing.T) {
		h := s.start(t)
		req, first := h.sold(900)
		res, err := h.seller().SellByToken(t.Context(), req)
		if !s.Registration.Idempotency.Key {
			// The registration declares that a repeated attempt charges again; the
			// suite holds it to that, since callers rely on the declaration.
			if err != nil || res.Outcome != providers.Approved {
				t.Fatalf("%+v, %v", res, err)
			}
			h.wantCharges(req.AttemptRef, 2)
			return
		}
		h.wantCharges(req.AttemptRef, 1)
		if err != nil {
			// "Already there" is no proof that nothing happened.
			wantFault(t, err, false)
		}
		h.truth(h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, first), providers.Approved)
	})
	for name, wrong := range s.WrongSecrets {
		t.Run("wrong "+name, func(t *testing.T) {
			h := s.start(t)
			h.provider = h.connect(h.server.URL, wrong)
			req := h.saleRequest(500)
			_, err := h.seller().SellByToken(t.Context(), req)
			wantFault(t, err, true, providers.KindCredentials)
			h.wantCharges(req.AttemptRef, 0)
		})
	}
	t.Run("without a token nothing is sent", func(t *testing.T) {
		h := s.start(t)
		req := h.saleRequest(500)
		req.Token = ""
		_, err := h.seller().SellByToken(t.Context(), req)
		wantFault(t, err, true)
		h.wantNothingSent()
	})
	t.Run("an amount that is none is not sent", func(t *testing.T) {
		h := s.start(t)
		for _, minor := range []int64{0, -1, 1 << 62} {
			_, err := h.seller().SellByToken(t.Context(), h.saleRequest(minor))
			wantFault(t, err, true)
		}
		h.wantNothingSent()
	})
	t.Run("an unknown token", func(t *testing.T) {
		h := s.start(t)
		req := h.saleRequest(500)
		req.Token = "no-such-token"
		_, err := h.seller().SellByToken(t.Context(), req)
		wantFault(t, err, true, providers.KindRefused)
		h.wantCharges(req.AttemptRef, 0)
	})
}

func (h *harness) wantNothingSent() {
	h.t.Helper()
	if seen := h.emulator.Kit().Journal.Entries(); len(seen) != 0 {
		h.t.Errorf("%d requests were sent, the first: %+v", len(seen), seen[0])
	}
}

func (s Subject) refund(t *testing.T) {
	t.Run("in parts up to the whole", func(t *testing.T) {
		h := s.start(t)
		_, sale := h.sold(1000)
		for _, minor := range []int64{1, 300, 699} {
			req := providers.RefundRequest{Amount: h.amount(minor), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef, Note: "returned goods"}
			res, err := h.refunder().Refund(t.Context(), req)
			if err != nil || res.Outcome != providers.Approved || res.ProviderRef == "" || res.ProviderRef == sale.ProviderRef {
				t.Fatalf("refund of %d: %+v, %v", minor, res, err)
			}
			got := h.charges(req.AttemptRef)
			if len(got) != 1 || got[0].AmountMinor != minor || got[0].Kind != "refund" || got[0].OriginalID != sale.ProviderRef {
				t.Errorf("the provider holds %+v", got)
			}
			if h.asks() {
				found := h.find(h.askable(providers.Lookup{Type: domain.Refund, AttemptRef: req.AttemptRef, OriginalRef: sale.ProviderRef, Amount: req.Amount}, res))
				if found.Outcome != providers.Approved || found.ProviderRef != res.ProviderRef || found.Amount == nil || *found.Amount != req.Amount {
					t.Errorf("status: %+v", found)
				}
			}
		}
	})
	refused := func(name string, change func(h *harness, req *providers.RefundRequest), reasons ...domain.Reason) {
		t.Run(name, func(t *testing.T) {
			h := s.start(t)
			_, sale := h.sold(1000)
			req := providers.RefundRequest{Amount: h.amount(400), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef}
			change(h, &req)
			_, err := h.refunder().Refund(t.Context(), req)
			e := wantFault(t, err, true, providers.KindRefused)
			h.wantCharges(req.AttemptRef, 0)
			for _, r := range reasons {
				if e.Reason == r {
					return
				}
			}
			t.Errorf("reason %s, want one of %v", e.Reason, reasons)
		})
	}
	refused("more than the sale", func(h *harness, req *providers.RefundRequest) { req.Amount = h.amount(1001) },
		domain.ReasonRefundTooLarge, domain.ReasonNotAllowed)
	refused("more than is left", func(h *harness, req *providers.RefundRequest) {
		first := *req
		first.AttemptRef, first.Amount = uuid.NewString(), h.amount(700)
		if _, err := h.refunder().Refund(h.t.Context(), first); err != nil {
			h.t.Fatal(err)
		}
	}, domain.ReasonRefundTooLarge, domain.ReasonNotAllowed)
	refused("another currency", func(h *harness, req *providers.RefundRequest) { req.Amount = money.FromMinor(400, s.Other) },
		domain.ReasonCurrencyMismatch, domain.ReasonInvalidRequest)
	refused("a sale that is not there", func(_ *harness, req *providers.RefundRequest) { req.OriginalRef = "0123456789abcdef0123" },
		domain.ReasonInvalidRequest)
	refused("no sale named", func(_ *harness, req *providers.RefundRequest) { req.OriginalRef = "" }, domain.ReasonInvalidRequest)
	t.Run("declined", func(t *testing.T) {
		h := s.start(t)
		_, sale := h.sold(1000)
		h.outcome(kit.Outcome{Result: kit.Decline})
		req := providers.RefundRequest{Amount: h.amount(400), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef}
		res, err := h.refunder().Refund(t.Context(), req)
		if err != nil || res.Outcome != providers.Declined || res.Reason == domain.ReasonNone {
			t.Fatalf("%+v, %v", res, err)
		}
		h.wantCharges(req.AttemptRef, 0)
	})
}

// currencies sends one sale in each exponent: either the document has a rule
// and the provider gets exactly our minor units, or nothing is sent at all.
func (s Subject) currencies(t *testing.T) {
	for _, code := range []string{"EUR", "JPY", "KWD"} {
		t.Run(code, func(t *testing.T) {
			h := s.start(t)
			c := money.MustCurrency(code)
			req := h.saleRequest(0)
			req.Amount = money.FromMinor(14200, c)
			res, err := h.seller().SellByToken(t.Context(), req)
			refund := providers.RefundRequest{Amount: money.FromMinor(4205, c), AttemptRef: uuid.NewString(), OriginalRef: res.ProviderRef}
			if !s.Registration.Currency(c) {
				wantFault(t, err, true, providers.KindUnsupported)
				refund.OriginalRef = "some-sale"
				_, err = h.refunder().Refund(t.Context(), refund)
				wantFault(t, err, true, providers.KindUnsupported)
				h.wantNothingSent()
				return
			}
			if err != nil || res.Outcome != providers.Approved {
				t.Fatalf("%+v, %v", res, err)
			}
			if got := h.charges(req.AttemptRef); len(got) != 1 || got[0].AmountMinor != 14200 || got[0].Currency != code {
				t.Errorf("the provider holds %+v", got)
			}
			if h.asks() {
				found := h.find(h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, res))
				if found.Amount == nil || *found.Amount != req.Amount {
					t.Errorf("status tells %v, want %v", found.Amount, req.Amount)
				}
			}
			if _, err = h.refunder().Refund(t.Context(), refund); err != nil {
				t.Fatal(err)
			}
			if got := h.charges(refund.AttemptRef); len(got) != 1 || got[0].AmountMinor != 4205 || got[0].Currency != code {
				t.Errorf("the provider holds %+v", got)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		h := s.start(t)
		req := h.saleRequest(0)
		req.Amount = money.Amount{}
		_, err := h.seller().SellByToken(t.Context(), req)
		wantFault(t, err, true)
		h.wantNothingSent()
	})
}

func (s Subject) status(t *testing.T) {
	t.Run("approved, by either reference", func(t *testing.T) {
		h := s.start(t)
		req, res := h.sold(1250)
		for _, q := range []providers.Lookup{
			h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, Amount: req.Amount}, res),
			{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: res.ProviderRef, Amount: req.Amount},
		} {
			found := h.find(q)
			if found.Outcome != providers.Approved || found.ProviderRef != res.ProviderRef || found.Amount == nil || *found.Amount != req.Amount || !s.NoCard && !found.Card.Known() {
				t.Errorf("status: %+v", found)
			}
		}
	})
	t.Run("absent", func(t *testing.T) {
		h := s.start(t)
		if !h.lookup() {
			if found := h.find(providers.Lookup{Type: domain.Sale, AttemptRef: uuid.NewString()}); found.Outcome != providers.Pending {
				t.Errorf("what cannot be asked for is no verdict: %+v", found)
			}
			return
		}
		sale, sold := h.sold(1250)
		for _, q := range []providers.Lookup{
			{Type: domain.Sale, AttemptRef: uuid.NewString()},
			{Type: domain.Refund, AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef, OriginalAttempt: sale.AttemptRef, Amount: sale.Amount},
		} {
			if found := h.find(q); found.Outcome != providers.Absent || found.ProviderRef != "" {
				t.Errorf("status: %+v", found)
			}
		}
	})
	for then, want := range map[string]providers.Outcome{kit.Approve: providers.Approved, kit.Decline: providers.Declined} {
		t.Run("in progress, then "+then, func(t *testing.T) {
			h := s.start(t)
			h.outcome(kit.Outcome{Result: kit.InProgress, Then: then, AfterSeconds: 60})
			req := h.saleRequest(700)
			res, err := h.seller().SellByToken(t.Context(), req)
			if err != nil {
				wantFault(t, err, false)
			} else if res.Outcome != providers.Pending {
				t.Fatalf("sale: %+v", res)
			}
			q := h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, Amount: req.Amount}, res)
			if found := h.find(q); found.Outcome != providers.Pending {
				t.Errorf("status: %+v", found)
			}
			h.emulator.Kit().Clock.Advance(2 * time.Minute)
			if found := h.find(q); found.Outcome != want {
				t.Errorf("status later: %+v", found)
			}
		})
	}
	t.Run("an unknown word stays pending", func(t *testing.T) {
		h := s.start(t)
		req, sold := h.sold(1250)
		hits := 0
		h.setRewrite(func(b []byte) []byte {
			if m := s.StatusWord.FindSubmatchIndex(b); m != nil {
				hits++
				return bytes.Join([][]byte{b[:m[2]], []byte("SOMETHING_NEW"), b[m[3]:]}, nil)
			}
			return b
		})
		if found := h.find(h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold)); found.Outcome != providers.Pending || hits != 1 {
			t.Errorf("status: %+v, %d words replaced", found, hits)
		}
	})
	if s.Registration.Idempotency.Lookup {
		t.Run("an answer about another attempt is not believed", func(t *testing.T) {
			h := s.start(t)
			req, sold := h.sold(1250)
			other := uuid.NewString()
			h.setRewrite(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(req.AttemptRef), []byte(other)) })
			_, err := h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold))
			wantFault(t, err, false, providers.KindGarbage)
		})
	}
	if s.Registration.Idempotency.Lookup {
		t.Run("an approval without the provider's reference is not believed", func(t *testing.T) {
			h := s.start(t)
			req, sold := h.sold(1250)
			h.setRewrite(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"`+sold.ProviderRef+`"`), []byte(`""`)) })
			_, err := h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold))
			wantFault(t, err, false, providers.KindGarbage)
		})
	}
	if s.Registration.Idempotency.Lookup {
		t.Run("a record of the other type, or of the sale, is not the refund", func(t *testing.T) {
			h := s.start(t)
			sale, sold := h.sold(1250)
			refund := providers.RefundRequest{Amount: h.amount(400), AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef}
			back, err := h.refunder().Refund(t.Context(), refund)
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.finder().FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: refund.AttemptRef})
			wantFault(t, err, false, providers.KindGarbage)
			_, err = h.finder().FindStatus(t.Context(), providers.Lookup{Type: domain.Refund, AttemptRef: sale.AttemptRef})
			wantFault(t, err, false, providers.KindGarbage)
			h.setRewrite(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(back.ProviderRef), []byte(sold.ProviderRef)) })
			_, err = h.finder().FindStatus(t.Context(), providers.Lookup{Type: domain.Refund, AttemptRef: refund.AttemptRef, OriginalRef: sold.ProviderRef})
			wantFault(t, err, false, providers.KindGarbage)
		})
	}
	t.Run("an amount that cannot be read is not believed", func(t *testing.T) {
		h := s.start(t)
		req, sold := h.sold(1250)
		field := s.AmountField
		if field == "" {
			field = "amount|totalAmount"
		}
		amount := regexp.MustCompile(`"(` + field + `)":("?)[0-9.]+`)
		h.setRewrite(func(b []byte) []byte { return amount.ReplaceAll(b, []byte(`"$1":${2}12.3456`)) })
		_, err := h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold))
		wantFault(t, err, false, providers.KindGarbage)
	})
	t.Run("asking changes nothing", func(t *testing.T) {
		h := s.start(t)
		req, sold := h.sold(1250)
		before := fmt.Sprint(h.emulator.State())
		for range 5 {
			h.find(h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold))
		}
		if after := fmt.Sprint(h.emulator.State()); after != before {
			t.Errorf("the ledger changed from %s to %s", before, after)
		}
	})
	// A question that failed says nothing of the attempt, however certain it is
	// that the question itself was not answered.
	for name, f := range map[string]kit.Fault{
		"cut before": {Kind: kit.FaultDropBefore}, "cut after": {Kind: kit.FaultDropAfter}, "garbage": {Kind: kit.FaultGarbage},
		"wrong content type": {Kind: kit.FaultWrongContentType}, "oversize": {Kind: kit.FaultOversize}, "401": {Kind: kit.FaultStatus, Status: 401},
		"403": {Kind: kit.FaultStatus, Status: 403}, "404": {Kind: kit.FaultStatus, Status: 404}, "429": {Kind: kit.FaultStatus, Status: 429},
		"500": {Kind: kit.FaultStatus, Status: 500}, "503": {Kind: kit.FaultStatus, Status: 503},
	} {
		t.Run("a failed question, "+name, func(t *testing.T) {
			h := s.start(t)
			req, sold := h.sold(1250)
			// net/http may ask again by itself after a cut: a question may.
			f.Count = 3
			f.Method = http.MethodGet
			h.fault(f)
			_, err := h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold))
			wantFault(t, err, false)
		})
	}
	t.Run("a question that cannot be sent", func(t *testing.T) {
		h := s.start(t)
		req, sold := h.sold(1250)
		h.provider = h.connect(closedOrigin(t), s.Secrets)
		_, err := h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, sold))
		wantFault(t, err, false, providers.KindUnreachable)
	})
}

func closedOrigin(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return "http://" + l.Addr().String()
}

func (s Subject) page(t *testing.T) {
	h := s.start(t)
	seller, ok := h.provider.(providers.PageSeller)
	if !ok {
		t.Skip("the adapter opens no page")
	}
	origin, ok := h.provider.(providers.PageOrigin)
	if !ok {
		t.Fatal("the adapter opens pages but names no origin for them")
	}
	req := h.saleRequest(1250)
	res, err := seller.SellByPage(t.Context(), req)
	if err != nil || res.Outcome != providers.Pending || res.ProviderRef == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	if !strings.HasPrefix(res.RedirectURL, origin.CardPageOrigin()+"/") {
		t.Errorf("the page is %q, the origin %q", res.RedirectURL, origin.CardPageOrigin())
	}
	if found := h.find(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: res.ProviderRef}); found.Outcome != providers.Pending {
		t.Errorf("status while the page is open: %+v", found)
	}
	h.wantCharges(req.AttemptRef, 0)
}

// faults spoils a sale and a refund in every way and compares with the
// emulator's ledger.
func (s Subject) faults(t *testing.T) {
	type op struct {
		name string
		typ  domain.TransactionType
		// prepare gives the attempt's reference and the call.
		prepare func(h *harness) (providers.Lookup, func(context.Context) (providers.Result, error))
	}
	ops := []op{
		{"sale", domain.Sale, func(h *harness) (providers.Lookup, func(context.Context) (providers.Result, error)) {
			req := h.saleRequest(1250)
			p := h.seller()
			return providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, Amount: req.Amount},
				func(ctx context.Context) (providers.Result, error) { return p.SellByToken(ctx, req) }
		}},
		{"refund", domain.Refund, func(h *harness) (providers.Lookup, func(context.Context) (providers.Result, error)) {
			sale, res := h.sold(1250)
			req := providers.RefundRequest{Amount: h.amount(400), AttemptRef: uuid.NewString(), OriginalRef: res.ProviderRef}
			p := h.refunder()
			return providers.Lookup{
					Type: domain.Refund, AttemptRef: req.AttemptRef, OriginalRef: res.ProviderRef, OriginalAttempt: sale.AttemptRef, Amount: req.Amount,
				},
				func(ctx context.Context) (providers.Result, error) { return p.Refund(ctx, req) }
		}},
	}
	for _, c := range []struct {
		name    string
		fault   kit.Fault
		notDone bool
		kinds   []providers.ErrorKind
		truth   providers.Outcome
		charges int
	}{
		{"cut after processing", kit.Fault{Kind: kit.FaultDropAfter}, false, []providers.ErrorKind{providers.KindNoAnswer}, providers.Approved, 1},
		{"cut before processing", kit.Fault{Kind: kit.FaultDropBefore}, false, []providers.ErrorKind{providers.KindNoAnswer}, providers.Absent, 0},
		{"garbage", kit.Fault{Kind: kit.FaultGarbage}, false, []providers.ErrorKind{providers.KindGarbage}, providers.Approved, 1},
		{"an empty object", kit.Fault{Kind: kit.FaultGarbage, Body: `{}`}, false, nil, providers.Approved, 1},
		{"a list", kit.Fault{Kind: kit.FaultGarbage, Body: `[1]`}, false, []providers.ErrorKind{providers.KindGarbage}, providers.Approved, 1},
		{"null", kit.Fault{Kind: kit.FaultGarbage, Body: `null`}, false, nil, providers.Approved, 1},
		{"wrong content type", kit.Fault{Kind: kit.FaultWrongContentType}, false, []providers.ErrorKind{providers.KindGarbage}, providers.Approved, 1},
		{"oversize", kit.Fault{Kind: kit.FaultOversize}, false, []providers.ErrorKind{providers.KindGarbage}, providers.Approved, 1},
		{"500 after charging", kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}, false, []providers.ErrorKind{providers.KindServer}, providers.Approved, 1},
		{"502 after charging", kit.Fault{Kind: kit.FaultStatusAfter, Status: 502, Body: "<h1>Bad gateway</h1>"}, false, []providers.ErrorKind{providers.KindServer}, providers.Approved, 1},
		{"408 after charging", kit.Fault{Kind: kit.FaultStatusAfter, Status: 408}, false, nil, providers.Approved, 1},
		{"409 after charging", kit.Fault{Kind: kit.FaultStatusAfter, Status: 409}, false, nil, providers.Approved, 1},
		{"500 before", kit.Fault{Kind: kit.FaultStatus, Status: 500}, false, []providers.ErrorKind{providers.KindServer}, providers.Absent, 0},
		{"504 before", kit.Fault{Kind: kit.FaultStatus, Status: 504}, false, []providers.ErrorKind{providers.KindServer}, providers.Absent, 0},
		{"401", kit.Fault{Kind: kit.FaultStatus, Status: 401}, true, []providers.ErrorKind{providers.KindCredentials}, providers.Absent, 0},
		{"403", kit.Fault{Kind: kit.FaultStatus, Status: 403}, true, []providers.ErrorKind{providers.KindCredentials}, providers.Absent, 0},
		{"429", kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 7}, true, []providers.ErrorKind{providers.KindRateLimited}, providers.Absent, 0},
	} {
		for _, o := range ops {
			t.Run(c.name+", "+o.name, func(t *testing.T) {
				h := s.start(t)
				q, call := o.prepare(h)
				f := c.fault
				f.Method = http.MethodPost
				h.fault(f)
				res, err := call(t.Context())
				if err == nil && res.Outcome == providers.Pending && !c.notDone && c.kinds == nil {
					// Not final is as honest as an error: the resolver asks.
				} else {
					e := wantFault(t, err, c.notDone, c.kinds...)
					if c.fault.RetryAfter > 0 && e.RetryAfter != time.Duration(c.fault.RetryAfter)*time.Second {
						t.Errorf("retry after %v", e.RetryAfter)
					}
				}
				h.truth(q, c.truth)
				h.wantCharges(q.AttemptRef, c.charges)
				if n := h.posts(o.name); n != 1 {
					t.Errorf("the provider received the request %d times", n)
				}
			})
		}
	}
	for _, o := range ops {
		t.Run("approved without the provider's reference, "+o.name, func(t *testing.T) {
			h := s.start(t)
			q, call := o.prepare(h)
			h.setRewrite(func(b []byte) []byte {
				for _, c := range h.emulator.State().Charges {
					// Where an id has parts, each stands by itself in the answer.
					for part := range strings.SplitSeq(c.ID, "/") {
						b = bytes.ReplaceAll(b, []byte(`"`+part+`"`), []byte(`""`))
						b = bytes.ReplaceAll(b, []byte("|"+part+"|"), []byte("||"))
					}
				}
				return b
			})
			_, err := call(t.Context())
			wantFault(t, err, false, providers.KindGarbage)
			h.setRewrite(nil)
			h.truth(q, providers.Approved)
			h.wantCharges(q.AttemptRef, 1)
		})
	}
	for _, kind := range []string{kit.FaultDelay, kit.FaultDelayReply} {
		for _, o := range ops {
			t.Run("slow, "+kind+", "+o.name, func(t *testing.T) {
				h := s.start(t)
				q, call := o.prepare(h)
				h.fault(kit.Fault{Kind: kind, Method: http.MethodPost})
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				defer cancel()
				_, err := call(ctx)
				wantFault(t, err, false, providers.KindNoAnswer)
				h.emulator.Kit().Faults.Release()
				if h.lookup() {
					h.eventually(q, providers.Approved)
				} else {
					h.eventuallyCharged(q.AttemptRef)
				}
				h.wantCharges(q.AttemptRef, 1)
			})
		}
	}
	for _, o := range ops {
		t.Run("connection refused, "+o.name, func(t *testing.T) {
			h := s.start(t)
			_, sale := h.sold(1250)
			h.provider = h.connect(closedOrigin(t), s.Secrets)
			wantFault(t, h.try(o.typ, sale), true, providers.KindUnreachable)
		})
		t.Run("TLS refused, "+o.name, func(t *testing.T) {
			h := s.start(t)
			_, sale := h.sold(1250)
			h.provider = h.connect("https://"+h.server.Listener.Addr().String(), s.Secrets)
			wantFault(t, h.try(o.typ, sale), true, providers.KindUnreachable)
		})
	}
}

// try makes one operation and gives its error.
func (h *harness) try(typ domain.TransactionType, sale providers.Result) error {
	h.t.Helper()
	if typ == domain.Sale {
		_, err := h.seller().SellByToken(h.t.Context(), h.saleRequest(100))
		return err
	}
	_, err := h.refunder().Refund(h.t.Context(), providers.RefundRequest{Amount: h.amount(100), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
	return err
}

// posts counts the money requests that the emulator received; a refund is
// preceded by its sale.
func (h *harness) posts(op string) int {
	n := 0
	for _, e := range h.emulator.Kit().Journal.Entries() {
		if e.Method == http.MethodPost {
			n++
		}
	}
	if op == "refund" {
		n--
	}
	return n
}

// exactness: whatever the amount, the provider gets exactly it, and tells it
// back.
func (s Subject) exactness(t *testing.T) {
	h := s.start(t)
	rapid.Check(t, func(rt *rapid.T) {
		req := h.saleRequest(rapid.Int64Range(1, 9_999_999_99).Draw(rt, "minor"))
		h.outcome(kit.Outcome{Result: kit.Approve})
		res, err := h.seller().SellByToken(t.Context(), req)
		if err != nil || res.Outcome != providers.Approved || (res.Amount != nil && *res.Amount != req.Amount) {
			rt.Fatalf("%v: %+v, %v", req.Amount, res, err)
		}
		if got := h.charges(req.AttemptRef); len(got) != 1 || got[0].AmountMinor != req.Amount.Minor() {
			rt.Fatalf("%v: the provider holds %+v", req.Amount, got)
		}
		if !h.asks() {
			return
		}
		if found := h.find(h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, res)); found.Amount == nil || *found.Amount != req.Amount {
			rt.Fatalf("%v: status tells %v", req.Amount, found.Amount)
		}
	})
}

func (s Subject) parallel(t *testing.T) {
	h := s.start(t)
	seller := h.seller()
	var wg sync.WaitGroup
	for range 20 {
		req := h.saleRequest(1250)
		wg.Go(func() {
			res, err := seller.SellByToken(t.Context(), req)
			if err != nil || res.Outcome != providers.Approved || len(h.charges(req.AttemptRef)) != 1 {
				t.Errorf("%+v, %v, %+v", res, err, h.charges(req.AttemptRef))
			}
		})
	}
	wg.Wait()
}

// secrets plants a card number in the provider's words and the credentials and
// the token in its answers, then looks for all of them in everything that the
// adapter gives away.
func (s Subject) secrets(t *testing.T) {
	h := s.start(t)
	var seen strings.Builder
	show := func(res providers.Result, err error) {
		fmt.Fprintf(&seen, "%s %s %s %s %s\n", res.Code, res.Text, res.AuthCode, res.RedirectURL, res.Raw)
		if e, ok := providers.AsError(err); ok {
			fmt.Fprintf(&seen, "%s %s %s %s\n", e, e.Code, e.Text, e.Raw)
		}
	}
	planted := []string{pan, "4111 1111 1111 1111", s.Token}
	for _, v := range s.Secrets {
		planted = append(planted, v)
	}
	words := strings.Join(planted, " and ")
	h.outcome(kit.Outcome{Result: kit.Decline, Message: words})
	show(h.seller().SellByToken(t.Context(), h.saleRequest(500)))
	// A status question does not know the token, so the provider's words hold
	// none here.
	req := h.saleRequest(500)
	h.outcome(kit.Outcome{Result: kit.Decline, Message: strings.ReplaceAll(words, s.Token, "")})
	res, err := h.seller().SellByToken(t.Context(), req)
	show(res, err)
	asked := 0
	if h.asks() {
		asked++
		show(h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, res)))
	}
	h.outcome(kit.Outcome{Result: kit.Reject, Message: words})
	show(h.seller().SellByToken(t.Context(), h.saleRequest(500)))
	for _, f := range []kit.Fault{
		{Kind: kit.FaultGarbage, Body: "<p>" + words}, {Kind: kit.FaultGarbage, Body: `{"a":` + pan + `,"cut":"` + words},
		{Kind: kit.FaultStatusAfter, Status: 500, Body: words}, {Kind: kit.FaultStatus, Status: 401, Body: words},
		{Kind: kit.FaultStatus, Status: 429, Body: words}, {Kind: kit.FaultDropAfter},
	} {
		h.fault(f)
		show(h.seller().SellByToken(t.Context(), h.saleRequest(500)))
	}
	h.provider = h.connect(closedOrigin(t), s.Secrets)
	show(h.seller().SellByToken(t.Context(), h.saleRequest(500)))

	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.transcript) < 8+asked {
		t.Errorf("only %d exchanges in the transcript", len(h.transcript))
	}
	for _, line := range h.transcript {
		fmt.Fprintln(&seen, line)
	}
	for _, secret := range planted {
		for line := range strings.Lines(seen.String()) {
			if strings.Contains(line, secret) {
				t.Errorf("%q was given away in %s", secret, line)
				break
			}
		}
	}
}

// storable: whatever a provider writes, what the adapter gives on can be put in
// a database and a log line. An answer that cannot be stored is never settled.
func (s Subject) storable(t *testing.T) {
	check := func(t *testing.T, res providers.Result, err error) {
		t.Helper()
		all := map[string]string{
			"reference": res.ProviderRef, "code": res.Code, "text": res.Text, "auth code": res.AuthCode, "brand": res.Card.Brand,
			"last4": res.Card.Last4, "expiry": res.Card.Expiry, "page": res.RedirectURL,
		}
		raw := res.Raw
		if e, ok := providers.AsError(err); ok {
			all["error code"], all["error text"], all["error"], raw = e.Code, e.Text, e.Error(), e.Raw
		}
		for what, v := range all {
			if !utf8.ValidString(v) || strings.ContainsAny(v, "\x00\x1b\r\n") || len(v) > 8192 {
				t.Errorf("%s is %.100q of %d bytes", what, v, len(v))
			}
		}
		if !utf8.Valid(raw) || bytes.ContainsRune(raw, 0) || bytes.Contains(raw, []byte(`\u0000`)) {
			t.Errorf("raw answer: %.200q", raw)
		}
	}
	for name, words := range map[string]string{
		"control characters": "a\x00b\x1b[31m\r\nfake log line", "long": strings.Repeat("ü", 50_000), "spaces": " \t\n ",
	} {
		t.Run(name, func(t *testing.T) {
			h := s.start(t)
			req := h.saleRequest(500)
			h.outcome(kit.Outcome{Result: kit.Decline, Message: words})
			res, err := h.seller().SellByToken(t.Context(), req)
			if err != nil || res.Outcome != providers.Declined {
				t.Fatalf("%+v, %v", res, err)
			}
			check(t, res, err)
			if h.asks() {
				res, err = h.finder().FindStatus(t.Context(), h.askable(providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef}, res))
				check(t, res, err)
			}
			h.outcome(kit.Outcome{Result: kit.Reject, Message: words})
			res, err = h.seller().SellByToken(t.Context(), h.saleRequest(500))
			check(t, res, err)
		})
	}
	for name, body := range map[string]string{"bytes": "\x00\xff\xfe\x1b", "bytes in JSON": "{\"a\":\"\xff\xfe\"}", "NUL in JSON": `{"\u0000":"\u0000","success":false,"errorMessage":"\u0000"}`} {
		t.Run(name, func(t *testing.T) {
			h := s.start(t)
			for _, kind := range []string{kit.FaultGarbage, kit.FaultStatusAfter} {
				h.fault(kit.Fault{Kind: kind, Status: 500, Body: body})
				res, err := h.seller().SellByToken(t.Context(), h.saleRequest(500))
				wantFault(t, err, false)
				check(t, res, err)
			}
		})
	}
	if s.Registration.Idempotency.Lookup {
		t.Run("a reference that can be none", func(t *testing.T) {
			for _, ref := range []string{strings.Repeat("a", 5000), `a\u0000b`, "a b"} {
				h := s.start(t)
				req, sold := h.sold(500)
				h.setRewrite(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(sold.ProviderRef), []byte(ref)) })
				_, err := h.finder().FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef})
				if e := wantFault(t, err, false, providers.KindGarbage); e != nil {
					check(t, providers.Result{}, e)
				}
			}
		})
	}
}
