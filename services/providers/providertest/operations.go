package providertest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// attempt is one operation that is ready to be sent.
type attempt struct {
	lookup providers.Lookup
	call   func(context.Context) (providers.Result, error)
	// again is the same operation with an amount that is too much, and with
	// another currency; nil where the operation has no amount of its own.
	tooMuch, otherCurrency func(context.Context) (providers.Result, error)
	// lost is the same operation on something that the provider does not have.
	lost func(context.Context) (providers.Result, error)
	// page says that success is a page to open, and no money moves by itself.
	page bool
}

// operation is one capability that changes something at the provider.
type operation struct {
	capability domain.Capability
	typ        domain.TransactionType
	prepare    func(h *harness) attempt
}

type do = func(context.Context) (providers.Result, error)

// hold makes an open pre-authorisation and gives its provider id.
func (h *harness) hold(minor int64) string {
	h.t.Helper()
	if h.s.Hold != nil {
		return h.s.Hold(h.t, h.provider, h.amount(minor))
	}
	p, ok := h.provider.(providers.TokenPreauthorizer)
	if !ok {
		h.t.Skip("no way to make a hold")
	}
	res, err := p.PreauthorizeByToken(h.t.Context(), h.saleRequest(minor))
	if err != nil || res.Outcome != providers.Approved || res.ProviderRef == "" {
		h.t.Fatalf("hold: %+v, %v", res, err)
	}
	return res.ProviderRef
}

// on is the adapter as it is when the operation is sent.
func on[T any](h *harness) T { return h.provider.(T) }

const missing = "0123456789abcdef0123"

// operationsOf is the table of what the suite drives. Sale and refund have
// sections of their own.
var operationsOf = []operation{
	{domain.CanPreauthByToken, domain.Preauth, func(h *harness) attempt {
		req := h.saleRequest(1250)
		return attempt{lookup: providers.Lookup{Type: domain.Preauth, AttemptRef: req.AttemptRef, Amount: req.Amount},
			call: func(ctx context.Context) (providers.Result, error) {
				return on[providers.TokenPreauthorizer](h).PreauthorizeByToken(ctx, req)
			}}
	}},
	{domain.CanPreauthByPage, domain.Preauth, func(h *harness) attempt {
		req := h.saleRequest(1250)
		return attempt{page: true, lookup: providers.Lookup{Type: domain.Preauth, AttemptRef: req.AttemptRef, Amount: req.Amount},
			call: func(ctx context.Context) (providers.Result, error) {
				return on[providers.PagePreauthorizer](h).PreauthorizeByPage(ctx, req)
			}}
	}},
	{domain.CanCapture, domain.Capture, func(h *harness) attempt {
		ref := h.hold(1250)
		with := func(a money.Amount, original, try string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.Capturer](h).Capture(ctx, providers.CaptureRequest{Amount: a, AttemptRef: try, OriginalRef: original, Final: true})
			}
		}
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Capture, AttemptRef: try, OriginalRef: ref, Amount: h.amount(1250)},
			call: with(h.amount(1250), ref, try), tooMuch: with(h.amount(9_999_99), ref, try),
			otherCurrency: with(money.FromMinor(400, h.s.Other), ref, try), lost: with(h.amount(400), missing, try)}
	}},
	{domain.CanVoidPreauth, domain.Void, func(h *harness) attempt {
		ref := h.hold(1250)
		with := func(original, try string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.PreauthVoider](h).VoidPreauth(ctx, providers.FollowUp{Amount: h.amount(1250), AttemptRef: try, OriginalRef: original, OriginalType: domain.Preauth})
			}
		}
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Void, AttemptRef: try, OriginalRef: ref, Amount: h.amount(1250)},
			call: with(ref, try), lost: with(missing, try)}
	}},
	{domain.CanVoidSale, domain.Void, func(h *harness) attempt {
		sale, sold := h.sold(1250)
		with := func(original, try string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.SaleVoider](h).VoidSale(ctx, providers.FollowUp{Amount: h.amount(1250), AttemptRef: try, OriginalRef: original, OriginalType: domain.Sale})
			}
		}
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Void, AttemptRef: try, OriginalRef: sold.ProviderRef, OriginalAttempt: sale.AttemptRef, Amount: h.amount(1250)},
			call: with(sold.ProviderRef, try), lost: with(missing, try)}
	}},
	{domain.CanIncrease, domain.Increment, func(h *harness) attempt {
		ref := h.hold(1250)
		with := func(a money.Amount, original, try string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.Increaser](h).Increase(ctx, providers.ChangeRequest{By: a, AttemptRef: try, OriginalRef: original})
			}
		}
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Increment, AttemptRef: try, OriginalRef: ref, Amount: h.amount(300)},
			call: with(h.amount(300), ref, try), otherCurrency: with(money.FromMinor(400, h.s.Other), ref, try), lost: with(h.amount(300), missing, try)}
	}},
	{domain.CanDecrease, domain.Decrement, func(h *harness) attempt {
		ref := h.hold(1250)
		with := func(a money.Amount, original, try string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.Decreaser](h).Decrease(ctx, providers.ChangeRequest{By: a, AttemptRef: try, OriginalRef: original})
			}
		}
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Decrement, AttemptRef: try, OriginalRef: ref, Amount: h.amount(300)},
			call: with(h.amount(300), ref, try), tooMuch: with(h.amount(9_999_99), ref, try), lost: with(h.amount(300), missing, try)}
	}},
	{domain.CanAdjustTip, domain.TipAdjustment, func(h *harness) attempt {
		sale, sold := h.sold(1250)
		with := func(a money.Amount, original, try string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.TipAdjuster](h).AdjustTip(ctx, providers.TipRequest{Tip: a, AttemptRef: try, OriginalRef: original})
			}
		}
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.TipAdjustment, AttemptRef: try, OriginalRef: sold.ProviderRef, OriginalAttempt: sale.AttemptRef, Amount: h.amount(200)},
			call: with(h.amount(200), sold.ProviderRef, try), lost: with(h.amount(200), missing, try)}
	}},
	{domain.CanPayout, domain.Payout, func(h *harness) attempt {
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Payout, AttemptRef: try, Amount: h.amount(700)},
			call: func(ctx context.Context) (providers.Result, error) {
				return on[providers.PayoutMaker](h).Payout(ctx, providers.PayoutRequest{Amount: h.amount(700), AttemptRef: try, Token: h.s.Token})
			}}
	}},
	{domain.CanRegisterCard, domain.Register, func(h *harness) attempt {
		try := uuid.NewString()
		return attempt{lookup: providers.Lookup{Type: domain.Register, AttemptRef: try},
			call: func(ctx context.Context) (providers.Result, error) {
				return on[providers.CardRegistrar](h).Register(ctx, providers.RegisterRequest{AttemptRef: try, Token: h.s.Token, Email: "ada@example.com", ReturnURL: "https://shop.example/return"})
			}}
	}},
	{domain.CanForgetCard, domain.Deregister, func(h *harness) attempt {
		try := uuid.NewString()
		card := h.registered()
		with := func(token string) do {
			return func(ctx context.Context) (providers.Result, error) {
				return on[providers.CardForgetter](h).Deregister(ctx, providers.DeregisterRequest{AttemptRef: try, Token: token})
			}
		}
		return attempt{lookup: providers.Lookup{Type: domain.Deregister, AttemptRef: try}, call: with(card.Token)}
	}},
	{domain.CanPayByLink, domain.Sale, func(h *harness) attempt {
		req := h.saleRequest(1250)
		return attempt{page: true, lookup: providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, Amount: req.Amount},
			call: func(ctx context.Context) (providers.Result, error) {
				link, err := on[providers.LinkMaker](h).CreateLink(ctx, providers.LinkRequest{SaleRequest: req, Expires: time.Hour})
				return link.Result, err
			}}
	}},
}

// registered stores a card and gives what the provider answered.
func (h *harness) registered() providers.Result {
	h.t.Helper()
	p, ok := h.provider.(providers.CardRegistrar)
	if !ok {
		h.t.Skip("the adapter stores no card")
	}
	res, err := p.Register(h.t.Context(), providers.RegisterRequest{AttemptRef: uuid.NewString(), Token: h.s.Token, ReturnURL: "https://shop.example/return"})
	if err != nil || res.Outcome != providers.Approved || res.Token == "" {
		h.t.Fatalf("register: %+v, %v", res, err)
	}
	return res
}

func (h *harness) moved() int {
	n := 0
	for _, c := range h.emulator.State().Charges {
		if c.Approved {
			n++
		}
	}
	return n
}

// sent counts the requests that may change something.
func (h *harness) sent() int {
	n := 0
	for _, e := range h.emulator.Kit().Journal.Entries() {
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			n++
		}
	}
	return n
}

// spoiled are the ways in which one answer can go wrong, and what is certain
// afterwards.
var spoiled = []struct {
	name      string
	fault     kit.Fault
	notDone   bool
	kinds     []providers.ErrorKind
	processed bool
}{
	{"dropped after processing", kit.Fault{Kind: kit.FaultDropAfter}, false, []providers.ErrorKind{providers.KindNoAnswer}, true},
	{"dropped before processing", kit.Fault{Kind: kit.FaultDropBefore}, false, []providers.ErrorKind{providers.KindNoAnswer}, false},
	{"garbage answer", kit.Fault{Kind: kit.FaultGarbage}, false, []providers.ErrorKind{providers.KindGarbage}, true},
	{"wrong content type", kit.Fault{Kind: kit.FaultWrongContentType}, false, []providers.ErrorKind{providers.KindGarbage}, true},
	{"oversize answer", kit.Fault{Kind: kit.FaultOversize}, false, []providers.ErrorKind{providers.KindGarbage}, true},
	{"500 after charging", kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}, false, []providers.ErrorKind{providers.KindServer}, true},
	{"401", kit.Fault{Kind: kit.FaultStatus, Status: 401}, true, []providers.ErrorKind{providers.KindCredentials}, false},
	{"403", kit.Fault{Kind: kit.FaultStatus, Status: 403}, true, []providers.ErrorKind{providers.KindCredentials}, false},
	{"429 with Retry-After", kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 7}, true, []providers.ErrorKind{providers.KindRateLimited}, false},
}

// operations drives every operation that the adapter implements through every
// behaviour, and compares with the emulator's ledger.
func (s Subject) operations(t *testing.T) {
	probe := s.start(t)
	caps := providers.CapabilitiesOf(probe.provider, s.Registration, s.Settings, "https://shop.example")
	for _, o := range operationsOf {
		if !caps.Has(o.capability) {
			continue
		}
		t.Run(string(o.capability), func(t *testing.T) { s.operation(t, o) })
	}
}

func (s Subject) operation(t *testing.T, o operation) {
	forms := o.prepare(s.start(t)) // to see which forms the operation has
	t.Run("approve", func(t *testing.T) {
		h := s.start(t)
		a := o.prepare(h)
		before, sent := h.moved(), h.sent()
		res, err := a.call(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case a.page && (res.Outcome != providers.Pending || res.RedirectURL == "" || h.moved() != before):
			t.Fatalf("%+v, moved %d", res, h.moved()-before)
		case !a.page && (res.Outcome != providers.Approved || h.moved() != before+1):
			t.Fatalf("%+v, moved %d", res, h.moved()-before)
		}
		if n := h.sent() - sent; n != 1 {
			t.Errorf("the provider received the request %d times", n)
		}
		if !a.page {
			h.truth(h.askable(a.lookup, res), providers.Approved)
		}
	})
	decline := func(t *testing.T) {
		h := s.start(t)
		a := o.prepare(h)
		before := h.moved()
		h.outcome(kit.Outcome{Result: kit.Decline})
		res, err := a.call(t.Context())
		if err != nil || res.Outcome != providers.Declined || res.Reason == domain.ReasonNone {
			t.Errorf("%+v, %v", res, err)
		}
		if h.moved() != before {
			t.Error("money moved")
		}
	}
	if !forms.page { // there the card is typed later
		t.Run("decline", decline)
	}
	refused := func(name string, pick func(attempt) do) {
		if pick(forms) == nil {
			return
		}
		t.Run(name, func(t *testing.T) {
			h := s.start(t)
			a := o.prepare(h)
			call := pick(a)
			before := h.moved()
			wantNo(t, call)
			if h.moved() != before {
				t.Error("money moved")
			}
		})
	}
	refused("over-amount", func(a attempt) do { return a.tooMuch })
	refused("wrong currency", func(a attempt) do { return a.otherCurrency })
	refused("on something that is not there", func(a attempt) do { return a.lost })
	duplicate := func(t *testing.T) {
		h := s.start(t)
		a := o.prepare(h)
		before := h.moved()
		if _, err := a.call(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.call(t.Context()); err != nil && !a.page {
			e, ok := providers.AsError(err)
			if !ok {
				t.Fatal(err)
			}
			if e.NotDone && e.Reason == domain.ReasonNone {
				t.Errorf("%v: a certain no without a reason", e)
			}
		}
		if n := h.moved() - before; n > 1 {
			t.Errorf("the provider did it %d times", n)
		}
	}
	if s.Registration.Idempotency.Key {
		t.Run("duplicate", duplicate)
	}
	for _, c := range spoiled {
		t.Run(c.name, func(t *testing.T) {
			h := s.start(t)
			a := o.prepare(h)
			before, sent := h.moved(), h.sent()
			h.fault(c.fault)
			res, err := a.call(t.Context())
			if err == nil {
				t.Fatalf("%+v", res)
			}
			e := wantFault(t, err, c.notDone, c.kinds...)
			if c.fault.RetryAfter > 0 && e.RetryAfter != time.Duration(c.fault.RetryAfter)*time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			want := before
			if c.processed && !a.page {
				want++
			}
			if h.moved() != want {
				t.Errorf("the provider's ledger has %d movements, want %d", h.moved(), want)
			}
			if n := h.sent() - sent; n != 1 {
				t.Errorf("the provider received the request %d times", n)
			}
			if !a.page {
				truth := providers.Absent
				if c.processed {
					truth = providers.Approved
				}
				h.truth(a.lookup, truth)
			}
		})
	}
	t.Run("slow", func(t *testing.T) {
		h := s.start(t)
		a := o.prepare(h)
		h.fault(kit.Fault{Kind: kit.FaultDelayReply})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		_, err := a.call(ctx)
		wantFault(t, err, false, providers.KindNoAnswer)
	})
	t.Run("TLS refused", func(t *testing.T) {
		h := s.start(t)
		a := o.prepare(h)
		h.provider = h.connect("https://"+h.server.Listener.Addr().String(), s.Secrets)
		_, err := a.call(t.Context())
		wantFault(t, err, true, providers.KindUnreachable)
	})
}

// wantNo: a certain no, as a decline or as a refusal of the request.
func wantNo(t *testing.T, call do) {
	t.Helper()
	res, err := call(t.Context())
	if err == nil {
		if res.Outcome != providers.Declined || res.Reason == domain.ReasonNone {
			t.Errorf("%+v", res)
		}
		return
	}
	wantFault(t, err, true, providers.KindRefused, providers.KindUnsupported)
}
