package cardflo_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// listening is the emulator, an adapter bound to it, and the receiver of its
// notifications, which believes only what the adapter verifies.
type listening struct {
	t        *testing.T
	emulator *emulator.Server
	control  kit.Control
	adapter  *cardflo.Adapter
	events   chan providers.Event
}

func listen(t *testing.T, secrets map[string]string) listening {
	t.Helper()
	l := listening{t: t, emulator: emulator.New(emulator.Config{}, nil), events: make(chan providers.Event, 64)}
	l.emulator.Kit().Callbacks.Enable(true)
	mux := http.NewServeMux()
	mux.Handle("/cardflo/", l.emulator.Handler())
	mux.Handle(kit.ControlPrefix, kit.ControlHandler(map[string]kit.Emulator{emulator.Name: l.emulator}))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	l.control = kit.Control{BaseURL: srv.URL, Provider: emulator.Name}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		// The emulator's clock may be ahead of the system's.
		call := providers.Callback{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: body, At: l.emulator.Kit().Clock.Now()}
		if err := l.adapter.VerifyCallback(call); err != nil {
			t.Error(err)
			return
		}
		kept, err := l.adapter.CleanCallback(body)
		if err != nil {
			t.Error(err)
			return
		}
		events, err := l.adapter.TranslateCallback(kept)
		if err != nil {
			t.Errorf("%v: %s", err, kept)
		}
		for _, e := range events {
			l.events <- e
		}
		status, reply := l.adapter.CallbackReply()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(receiver.Close)
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{srv.Listener.Addr().String()}})
	t.Cleanup(tr.CloseIdle)
	var err error
	l.adapter, err = cardflo.New(providers.Config{BaseURL: srv.URL + emulator.BasePath, Secrets: secrets, HTTP: tr, CallbackURL: receiver.URL + "/webhooks/cardflo/7?k=v"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// told waits for the next event.
func (l listening) told() providers.Event {
	l.t.Helper()
	l.emulator.Kit().Callbacks.Wait()
	select {
	case e := <-l.events:
		return e
	case <-time.After(10 * time.Second):
		l.t.Fatal("nothing was told")
		return providers.Event{}
	}
}

// fire calls one of the emulator's own controls and gives the uuid it tells.
func (l listening) fire(name string, e emulator.Event) string {
	l.t.Helper()
	var told emulator.Told
	if err := l.control.Command(l.t.Context(), name, e, &told); err != nil {
		l.t.Fatal(err)
	}
	return told.UUID
}

func (l listening) must(res providers.Result, err error) providers.Result {
	l.t.Helper()
	if err != nil || res.Outcome != providers.Approved {
		l.t.Fatalf("%+v, %v", res, err)
	}
	return res
}

func euros(cents int64) money.Amount { return money.FromMinor(cents, money.MustCurrency("EUR")) }

func byToken(cents int64, token string) providers.SaleRequest {
	return providers.SaleRequest{Amount: euros(cents), AttemptRef: uuid.NewString(), Token: token, OrderReference: "order 7", Email: "ada@example.com", ReturnURL: "https://shop.example/back"}
}

// outcome checks an event of the kind outcome against the attempt.
func (l listening) outcome(typ domain.TransactionType, ref, providerRef string, want providers.Outcome) providers.Event {
	l.t.Helper()
	e := l.told()
	if e.Kind != providers.EventOutcome || e.Type != typ || e.AttemptRef != ref || e.ProviderRef != providerRef || e.Result.Outcome != want {
		l.t.Fatalf("%+v, want %s of %s %s: %s", e, typ, ref, providerRef, want)
	}
	return e
}

func TestAHoldIsIncreasedDecreasedAndCapturedInParts(t *testing.T) {
	l := listen(t, signed())
	req := byToken(10_00, emulator.TokenApprove)
	hold := l.must(l.adapter.PreauthorizeByToken(t.Context(), req))
	l.outcome(domain.Preauth, req.AttemptRef, hold.ProviderRef, providers.Approved)
	ref := uuid.NewString()
	up := l.must(l.adapter.Increase(t.Context(), providers.ChangeRequest{By: euros(5_00), AttemptRef: ref, OriginalRef: hold.ProviderRef}))
	if e := l.outcome(domain.Increment, ref, up.ProviderRef, providers.Approved); *e.Result.Amount != euros(5_00) {
		t.Errorf("%+v", e)
	}
	ref = uuid.NewString()
	down := l.must(l.adapter.Decrease(t.Context(), providers.ChangeRequest{By: euros(3_00), AttemptRef: ref, OriginalRef: hold.ProviderRef}))
	l.outcome(domain.Void, ref, down.ProviderRef, providers.Approved)
	capture := func(cents int64, final bool) (providers.Result, error) {
		ref = uuid.NewString()
		return l.adapter.Capture(t.Context(), providers.CaptureRequest{Amount: euros(cents), AttemptRef: ref, OriginalRef: hold.ProviderRef, Final: final})
	}
	first := l.must(capture(4_00, false))
	l.outcome(domain.Capture, ref, first.ProviderRef, providers.Approved)
	if _, err := capture(8_01, false); err == nil {
		t.Error("more was captured than is held")
	}
	second := l.must(capture(2_00, true))
	l.outcome(domain.Capture, ref, second.ProviderRef, providers.Approved)
	if _, err := capture(1, false); err == nil {
		t.Error("something was captured after the last capture")
	}
	refund := l.must(l.adapter.Refund(t.Context(), providers.RefundRequest{Amount: euros(1_00), AttemptRef: uuid.NewString(), OriginalRef: first.ProviderRef}))
	if e := l.told(); e.Type != domain.Refund || e.ProviderRef != refund.ProviderRef {
		t.Errorf("%+v", e)
	}
}

func TestAHoldIsVoidedOnceAndThenNothingIsLeft(t *testing.T) {
	l := listen(t, signed())
	hold := l.must(l.adapter.PreauthorizeByToken(t.Context(), byToken(10_00, emulator.TokenApprove)))
	void := providers.FollowUp{Amount: euros(10_00), AttemptRef: uuid.NewString(), OriginalRef: hold.ProviderRef, OriginalType: domain.Preauth}
	l.must(l.adapter.VoidPreauth(t.Context(), void))
	found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Void, AttemptRef: void.AttemptRef, OriginalRef: hold.ProviderRef})
	if err != nil || found.Outcome != providers.Approved {
		t.Errorf("%+v, %v", found, err)
	}
	void.AttemptRef = uuid.NewString()
	if _, err := l.adapter.VoidPreauth(t.Context(), void); err == nil {
		t.Error("voided twice")
	}
}

func TestAStoredCardIsChargedPaidAndForgotten(t *testing.T) {
	l := listen(t, signed())
	req := providers.RegisterRequest{AttemptRef: uuid.NewString(), Token: emulator.TokenApprove, ReturnURL: "https://shop.example/back"}
	card := l.must(l.adapter.Register(t.Context(), req))
	e := l.outcome(domain.Register, req.AttemptRef, card.ProviderRef, providers.Approved)
	if card.Token == "" || e.Result.Token != card.Token || e.Result.Amount != nil || e.Result.Card.Last4 != "1111" {
		t.Errorf("%+v, told %+v", card, e)
	}
	found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Register, AttemptRef: req.AttemptRef})
	if err != nil || found.Token != card.Token {
		t.Errorf("%+v, %v", found, err)
	}
	sale := byToken(5_00, card.Token)
	l.must(l.adapter.SellByToken(t.Context(), sale))
	l.must(l.adapter.PreauthorizeByToken(t.Context(), byToken(5_00, card.Token)))
	l.must(l.adapter.Payout(t.Context(), providers.PayoutRequest{Amount: euros(2_00), AttemptRef: uuid.NewString(), Token: card.Token}))
	l.must(l.adapter.Deregister(t.Context(), providers.DeregisterRequest{AttemptRef: uuid.NewString(), Token: card.Token}))
	if _, err := l.adapter.SellByToken(t.Context(), byToken(5_00, card.Token)); err == nil {
		t.Error("a forgotten card was charged")
	}
}

func TestACardIsStoredOnThePage(t *testing.T) {
	l := listen(t, signed())
	req := providers.RegisterRequest{AttemptRef: uuid.NewString(), ReturnURL: "https://shop.example/back"}
	opened, err := l.adapter.Register(t.Context(), req)
	if err != nil || opened.Outcome != providers.Pending || opened.RedirectURL == "" || opened.Token != "" {
		t.Fatalf("%+v, %v", opened, err)
	}
	fill(t, opened.RedirectURL, emulator.CardMastercard)
	e := l.outcome(domain.Register, req.AttemptRef, opened.ProviderRef, providers.Approved)
	l.must(l.adapter.SellByToken(t.Context(), byToken(5_00, e.Result.Token)))
}

func fill(t *testing.T, page, card string) {
	t.Helper()
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.PostForm(page, url.Values{"card_number": {card}, "expiry": {"12/40"}, "security_code": {"123"}, "action": {"pay"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// press posts one of a page's buttons.
func press(t *testing.T, page, action string) {
	t.Helper()
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.PostForm(page, url.Values{"action": {action}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestAPageSaleIsToldWhenItEnds(t *testing.T) {
	for card, want := range map[string]providers.Outcome{emulator.CardApprove: providers.Approved, emulator.CardStolen: providers.Declined, emulator.CardPending: providers.Pending} {
		l := listen(t, signed())
		req := byToken(5_00, "")
		opened, err := l.adapter.SellByPage(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, opened.RedirectURL, card)
		l.outcome(domain.Sale, req.AttemptRef, opened.ProviderRef, want)
		if want != providers.Pending {
			continue
		}
		l.emulator.Kit().Clock.Advance(time.Minute)
		kit.Pump(l.emulator)
		l.outcome(domain.Sale, req.AttemptRef, opened.ProviderRef, providers.Approved)
	}
}

func TestACardholderCheckEndsTheSale(t *testing.T) {
	for action, want := range map[string]struct {
		outcome providers.Outcome
		reason  domain.Reason
	}{
		"confirm": {providers.Approved, domain.ReasonNone}, "refuse": {providers.Declined, domain.ReasonAuthentication}, "cancel": {providers.Declined, domain.ReasonCustomerCancelled},
	} {
		l := listen(t, signed())
		req := byToken(5_00, emulator.Token3DS)
		opened, err := l.adapter.SellByToken(t.Context(), req)
		if err != nil || opened.Outcome != providers.Pending || opened.RedirectURL == "" {
			t.Fatalf("%+v, %v", opened, err)
		}
		press(t, opened.RedirectURL, action)
		if e := l.outcome(domain.Sale, req.AttemptRef, opened.ProviderRef, want.outcome); e.Result.Reason != want.reason {
			t.Errorf("%s: %+v", action, e)
		}
	}
}

func TestEveryReturnTypeOfTheGateway(t *testing.T) {
	l := listen(t, signed())
	for token, want := range map[string]struct {
		outcome providers.Outcome
		text    string
		review  bool
	}{
		emulator.TokenApprove: {outcome: providers.Approved},
		emulator.TokenPending: {outcome: providers.Pending},
		emulator.TokenDecline: {outcome: providers.Declined, text: "The transaction was declined"},
		emulator.TokenHTML:    {outcome: providers.Pending, text: "the provider wants its own HTML shown, which is never done"},
		emulator.TokenReview:  {outcome: providers.Approved, review: true},
		emulator.TokenIBAN:    {outcome: providers.Approved, text: "Paid from the bank account ending 5678, ABC Bank."},
		emulator.TokenPhone:   {outcome: providers.Approved, text: "Paid by the telephone ending 7890, OperatorXy."},
		emulator.TokenWallet:  {outcome: providers.Approved, text: "Paid from a wallet, someType."},
	} {
		req := byToken(5_00, token)
		res, err := l.adapter.SellByToken(t.Context(), req)
		if err != nil || res.Outcome != want.outcome || res.Text != want.text || res.Review != want.review {
			t.Errorf("%s: %+v, %v", token, res, err)
		}
		if res.Outcome != providers.Approved {
			continue
		}
		found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: res.ProviderRef})
		if err != nil || found.Outcome != providers.Approved || found.Text != want.text {
			t.Errorf("%s: status %+v, %v", token, found, err)
		}
	}
}

func TestAPaymentLinkIsPaidOrCancelledOrExpires(t *testing.T) {
	create := func(l listening) (providers.SaleRequest, providers.Link) {
		req := byToken(5_00, "")
		link, err := l.adapter.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: req, Expires: 90 * time.Minute, SendByEmail: true})
		if err != nil || link.RedirectURL == "" || link.CancelRef == "" || link.Outcome != providers.Pending {
			t.Fatalf("%+v, %v", link, err)
		}
		if d := link.ExpiresAt.Sub(l.emulator.Kit().Clock.Now()); d > 90*time.Minute || d < 89*time.Minute {
			t.Errorf("it expires in %v", d)
		}
		return req, link
	}
	t.Run("paid", func(t *testing.T) {
		l := listen(t, signed())
		req, link := create(l)
		fill(t, link.RedirectURL, emulator.CardApprove)
		l.outcome(domain.Sale, req.AttemptRef, link.ProviderRef, providers.Approved)
		if _, err := l.adapter.CancelLink(t.Context(), link); err == nil {
			t.Error("a paid link was cancelled")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		l := listen(t, signed())
		req, link := create(l)
		l.must(l.adapter.CancelLink(t.Context(), link))
		l.must(l.adapter.CancelLink(t.Context(), link))
		l.outcome(domain.Sale, req.AttemptRef, link.ProviderRef, providers.Declined)
		fill(t, link.RedirectURL, emulator.CardApprove)
		found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef})
		if err != nil || found.Outcome != providers.Declined || found.Reason != domain.ReasonCustomerCancelled {
			t.Errorf("%+v, %v", found, err)
		}
	})
	t.Run("expired", func(t *testing.T) {
		l := listen(t, signed())
		req, link := create(l)
		l.emulator.Kit().Clock.Advance(91 * time.Minute)
		kit.Pump(l.emulator)
		if e := l.outcome(domain.Sale, req.AttemptRef, link.ProviderRef, providers.Declined); e.Result.Reason != domain.ReasonLinkExpired {
			t.Errorf("%+v", e)
		}
	})
	t.Run("without a word about e-mail", func(t *testing.T) {
		l := listen(t, signed())
		link, err := l.adapter.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: byToken(5_00, "")})
		if err != nil || link.RedirectURL == "" {
			t.Errorf("%+v, %v", link, err)
		}
	})
}

func TestAScheduleIsStartedChangedPausedAndCancelled(t *testing.T) {
	l := listen(t, signed())
	card := l.must(l.adapter.Register(t.Context(), providers.RegisterRequest{AttemptRef: uuid.NewString(), Token: emulator.TokenApprove}))
	l.told()
	start := l.emulator.Kit().Clock.Now().Add(48 * time.Hour).Truncate(time.Second)
	s, err := l.adapter.StartSchedule(t.Context(), providers.ScheduleRequest{RegistrationRef: card.ProviderRef, Amount: euros(9_99), Every: 1, Unit: "WEEK", StartAt: start, Note: "box 7"})
	if err != nil || s.Before != "NON-EXISTING" || s.Status != "ACTIVE" || !s.NextAt.Equal(start) || s.RegistrationRef != card.ProviderRef {
		t.Fatalf("%+v, %v", s, err)
	}
	ref := s.Ref
	l.emulator.Kit().Clock.Advance(48 * time.Hour)
	kit.Pump(l.emulator)
	run := l.told()
	if run.Kind != providers.EventOutcome || run.Type != domain.Sale || run.ScheduleRef != ref || run.Result.Outcome != providers.Approved || *run.Result.Amount != euros(9_99) {
		t.Errorf("%+v", run)
	}
	step := func(name, before, after string, call func() (providers.Schedule, error)) {
		t.Helper()
		s, err := call()
		if err != nil || s.Ref != ref || s.Before != before || s.Status != after {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	step("get", "ACTIVE", "ACTIVE", func() (providers.Schedule, error) { return l.adapter.GetSchedule(t.Context(), ref) })
	step("update", "ACTIVE", "ACTIVE", func() (providers.Schedule, error) {
		return l.adapter.UpdateSchedule(t.Context(), ref, providers.ScheduleRequest{Amount: euros(5_00), Unit: "DAY"})
	})
	step("pause", "ACTIVE", "PAUSED", func() (providers.Schedule, error) { return l.adapter.PauseSchedule(t.Context(), ref) })
	_, err = l.adapter.PauseSchedule(t.Context(), ref)
	if e, ok := providers.AsError(err); !ok || e.Code != "7070" || !e.NotDone || e.Reason != domain.ReasonWrongState {
		t.Errorf("paused twice: %v", err)
	}
	again := l.emulator.Kit().Clock.Now().Add(24 * time.Hour).Truncate(time.Second)
	step("continue", "PAUSED", "ACTIVE", func() (providers.Schedule, error) { return l.adapter.ContinueSchedule(t.Context(), ref, again) })
	step("cancel", "ACTIVE", "CANCELLED", func() (providers.Schedule, error) { return l.adapter.CancelSchedule(t.Context(), ref) })
	l.emulator.Kit().Clock.Advance(30 * 24 * time.Hour)
	kit.Pump(l.emulator)
	l.emulator.Kit().Callbacks.Wait()
	if n := len(l.events); n != 0 {
		t.Errorf("%d events after the end", n)
	}
	if _, err := l.adapter.GetSchedule(t.Context(), "SC-none"); err == nil {
		t.Error("an unknown schedule was read")
	}
}

func TestChargebacksAndTheirReversalsAreTold(t *testing.T) {
	l := listen(t, signed())
	sale := l.must(l.adapter.SellByToken(t.Context(), byToken(9_99, emulator.TokenApprove)))
	l.told()
	back := l.fire("chargeback", emulator.Event{UUID: sale.ProviderRef, Amount: "4.99", Reason: "Unauthorized payment"})
	e := l.told()
	if e.Kind != providers.EventChargeback || e.ProviderRef != back || e.OriginalRef != sale.ProviderRef || *e.Result.Amount != euros(4_99) || e.Note != "Unauthorized payment" || e.At.IsZero() {
		t.Errorf("%+v", e)
	}
	found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Chargeback, ProviderRef: back})
	if err != nil || found.Outcome != providers.Approved || *found.Amount != euros(4_99) {
		t.Errorf("%+v, %v", found, err)
	}
	reversal := l.fire("chargeback-reversal", emulator.Event{UUID: back})
	if e := l.told(); e.Kind != providers.EventChargebackReversal || e.ProviderRef != reversal || e.OriginalRef != back || *e.Result.Amount != euros(4_99) {
		t.Errorf("%+v", e)
	}
	if err := l.control.Command(t.Context(), "chargeback-reversal", emulator.Event{UUID: back}, nil); err == nil {
		t.Error("reversed twice")
	}
	if err := l.control.Command(t.Context(), "chargeback", emulator.Event{UUID: sale.ProviderRef, Amount: "10.00"}, nil); err == nil {
		t.Error("more was charged back than was paid")
	}
}

func TestAnAdjustmentIsTold(t *testing.T) {
	l := listen(t, signed())
	req := byToken(9_99, emulator.TokenApprove)
	sale := l.must(l.adapter.SellByToken(t.Context(), req))
	l.told()
	for _, source := range []string{"settlement", "reconciliation"} {
		l.fire("adjustment", emulator.Event{UUID: sale.ProviderRef, Amount: "9.50", Source: source})
		e := l.told()
		if e.Kind != providers.EventAdjustment || e.Type != domain.Sale || e.AttemptRef != req.AttemptRef || *e.Result.Amount != euros(9_50) {
			t.Errorf("%+v", e)
		}
	}
}

func TestCardUpdatesAndNetworkTokensAreTold(t *testing.T) {
	l := listen(t, signed())
	card := l.must(l.adapter.Register(t.Context(), providers.RegisterRequest{AttemptRef: uuid.NewString(), Token: emulator.TokenApprove}))
	l.told()
	l.fire("account-update", emulator.Event{UUID: card.ProviderRef, Result: "updated", Last4: "4444", Expiry: "12/50"})
	if e := l.told(); e.Kind != providers.EventCard || e.ProviderRef != card.ProviderRef || e.Result.Card.Last4 != "4444" || e.Result.Card.Expiry != "12/50" || e.Note == "" || e.Result.Token != card.Token {
		t.Errorf("%+v", e)
	}
	l.fire("network-token", emulator.Event{UUID: card.ProviderRef, Status: "suspended", Result: "suspended"})
	if e := l.told(); e.Kind != providers.EventCard || e.Note == "" {
		t.Errorf("%+v", e)
	}
	l.fire("network-token", emulator.Event{UUID: card.ProviderRef, Status: "active"})
	if first, second := l.told(), l.told(); first.Kind != providers.EventOutcome || second.Kind != providers.EventCard {
		t.Errorf("%+v, %+v", first, second)
	}
}

func TestANotificationCanBeHadAgain(t *testing.T) {
	l := listen(t, signed())
	req := byToken(9_99, emulator.TokenApprove)
	sale := l.must(l.adapter.SellByToken(t.Context(), req))
	for range 3 {
		l.outcome(domain.Sale, req.AttemptRef, sale.ProviderRef, providers.Approved)
		l.fire("notify", emulator.Event{UUID: sale.ProviderRef})
	}
}

func TestAnAcquirerThatOffersLittleRefusesTheRest(t *testing.T) {
	l := listen(t, map[string]string{
		cardflo.SecretAPIKey: emulator.BasicKey, cardflo.SecretUsername: emulator.BasicUser, cardflo.SecretPassword: emulator.BasicPassword, cardflo.SecretSharedSecret: emulator.BasicSecret,
	})
	hold := l.must(l.adapter.PreauthorizeByToken(t.Context(), byToken(10_00, emulator.TokenApprove)))
	change := providers.ChangeRequest{By: euros(1_00), AttemptRef: uuid.NewString(), OriginalRef: hold.ProviderRef}
	card := l.must(l.adapter.Register(t.Context(), providers.RegisterRequest{AttemptRef: uuid.NewString(), Token: emulator.TokenApprove}))
	for name, call := range map[string]func() error{
		"increase": func() error { return no(l.adapter.Increase(t.Context(), change)) },
		"decrease": func() error { return no(l.adapter.Decrease(t.Context(), change)) },
		"part": func() error {
			return no(l.adapter.Capture(t.Context(), providers.CaptureRequest{Amount: euros(1_00), AttemptRef: uuid.NewString(), OriginalRef: hold.ProviderRef}))
		},
		"payout": func() error {
			return no(l.adapter.Payout(t.Context(), providers.PayoutRequest{Amount: euros(1_00), AttemptRef: uuid.NewString(), Token: emulator.TokenApprove}))
		},
		"link": func() error {
			link, err := l.adapter.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: byToken(1_00, "")})
			return no(link.Result, err)
		},
		"schedule": func() error {
			_, err := l.adapter.StartSchedule(t.Context(), providers.ScheduleRequest{RegistrationRef: card.ProviderRef, Amount: euros(1_00), Every: 1, Unit: "DAY", StartAt: time.Now().Add(48 * time.Hour)})
			if e, ok := providers.AsError(err); !ok || e.Code != "7003" || !e.NotDone {
				return fmt.Errorf("%v", err)
			}
			return nil
		},
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// no wants a decline for a reason that is the acquirer's.
func no(res providers.Result, err error) error {
	if err != nil || res.Outcome != providers.Declined || res.Reason != domain.ReasonNotAllowed {
		return fmt.Errorf("%+v, %v", res, err)
	}
	return nil
}

func TestAConnectionWithoutASharedSecretSellsAndBelievesNoCallback(t *testing.T) {
	l := listen(t, with(unsigned(), cardflo.SecretSharedSecret, ""))
	l.emulator.Kit().Callbacks.Enable(false)
	l.must(l.adapter.SellByToken(t.Context(), byToken(9_99, emulator.TokenApprove)))
	if p, err := l.adapter.TestConnection(t.Context()); err != nil || !p.OK || p.Meaning != "The address and the credentials are right. Without a shared secret no callback is believed." {
		t.Errorf("%+v, %v", p, err)
	}
	if err := l.adapter.VerifyCallback(providers.Callback{}); err == nil {
		t.Error("a callback was believed")
	}
}

// The emulator takes the optional objects field by field.
func TestTheGatewayTakesEveryOptionalObject(t *testing.T) {
	l := listen(t, signed())
	verified := false
	d := cardflo.Details{
		AdditionalID1: "x0001", ExtraData: cardflo.RiskTransaction{Type: "PHONE"}.Extra(), MerchantMetaData: "m", SurchargeAmount: "0.9", Language: "en",
		Items: []cardflo.Item{{Identification: "i1", Quantity: "2", Price: "4.50", Currency: "EUR", ExtraData: cardflo.RiskItem{ProductID: "7"}.Extra(),
			L2L3Data: &cardflo.ItemL2L3Data{UnitPrice: "4.50", ShippingAmount: "3", TaxDetails: []cardflo.TaxDetail{{Type: "VAT", Amount: "0.72"}}}}},
		Customer:            &cardflo.Customer{Identification: "c1", EmailVerified: &verified, ExtraData: cardflo.RiskCustomer{PastOrdersCount: "0"}.Extra(), PaymentData: &cardflo.PaymentData{WalletData: &cardflo.WalletData{WalletType: "paypal"}}},
		CustomerProfileData: &cardflo.CustomerProfileData{ProfileGUID: "PG-1"},
		ThreeDSecureData:    &cardflo.ThreeDSecureData{ThreeDSecure: "OPTIONAL", BrowserScreenHeight: "1080", BrowserTimezone: "-60", BrowserJavaEnabled: &verified},
		L2L3Data:            &cardflo.L2L3Data{TaxAmount: "10.10", NationalTaxIncluded: "Y"},
	}
	a := l.adapter.WithDetails(d)
	l.must(a.SellByToken(t.Context(), byToken(9_99, emulator.TokenApprove)))
	l.must(a.PreauthorizeByToken(t.Context(), byToken(9_99, emulator.TokenApprove)))
	l.must(a.Register(t.Context(), providers.RegisterRequest{AttemptRef: uuid.NewString(), Token: emulator.TokenApprove}))
	d.WithRegister = true
	d.Schedule = &cardflo.ScheduleTerms{Amount: "9.99", Currency: "EUR", PeriodLength: "1", PeriodUnit: "MONTH"}
	l.must(l.adapter.WithDetails(d).SellByToken(t.Context(), byToken(9_99, emulator.TokenApprove)))
}
