package cashflows_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var gbp = money.MustCurrency("GBP")

// live is the emulator with an adapter bound to it.
type live[T providers.Provider] struct {
	t        *testing.T
	emulator *emulator.Server
	adapter  T
	url      string
	config   providers.Config
}

func start[T providers.Provider](t *testing.T, cfg emulator.Config, settings map[string]string, secrets map[string]string, callback string) live[T] {
	t.Helper()
	e := emulator.New(cfg, nil)
	srv := httptest.NewServer(e.Handler())
	t.Cleanup(srv.Close)
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{srv.Listener.Addr().String()}})
	t.Cleanup(tr.CloseIdle)
	l := live[T]{t: t, emulator: e, url: srv.URL, config: providers.Config{
		BaseURL: srv.URL + emulator.BasePath, Settings: settings, Secrets: secrets, HTTP: tr, CallbackURL: callback, Now: e.Kit().Clock.Now,
	}}
	l.adapter = l.again()
	return l
}

// again makes the adapter anew, as the product does for every call.
func (l live[T]) again() T {
	l.t.Helper()
	p, err := cashflows.New(l.config)
	if err != nil {
		l.t.Fatal(err)
	}
	return p.(T)
}

func onGateway(t *testing.T) live[cashflows.Gateway] {
	s := subject()
	return start[cashflows.Gateway](t, emulator.Config{}, s.Settings, s.Secrets, "")
}

func onReserving(t *testing.T) live[cashflows.Reserving] {
	s := reserving()
	return start[cashflows.Reserving](t, emulator.Config{}, s.Settings, s.Secrets, "")
}

func onRemote(t *testing.T) live[*cashflows.Remote] {
	s := remote()
	return start[*cashflows.Remote](t, emulator.Config{}, s.Settings, s.Secrets, "")
}

func (l live[T]) fault(f kit.Fault) {
	l.t.Helper()
	if err := l.emulator.Kit().Faults.Push(f); err != nil {
		l.t.Fatal(err)
	}
}

func (l live[T]) approved() (n int) {
	for _, c := range l.emulator.State().Charges {
		if c.Approved {
			n++
		}
	}
	return n
}

func sale(minor int64) providers.SaleRequest {
	return providers.SaleRequest{Amount: money.FromMinor(minor, gbp), AttemptRef: uuid.NewString(), Token: emulator.TokenApprove, ReturnURL: "https://shop.example/back"}
}

func must(t *testing.T) func(providers.Result, error) providers.Result {
	t.Helper()
	return func(res providers.Result, err error) providers.Result {
		t.Helper()
		if err != nil || res.Outcome != providers.Approved || res.ProviderRef == "" {
			t.Fatalf("%+v, %v", res, err)
		}
		return res
	}
}

func wantNo(t *testing.T, err error, reason domain.Reason) {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok || !e.NotDone || e.Reason != reason {
		t.Errorf("error = %v, want a certain no for %s", err, reason)
	}
}

func wantUnknown(t *testing.T, err error) {
	t.Helper()
	e, ok := providers.AsError(err)
	if !ok || e.NotDone || e.Reason != domain.ReasonNone {
		t.Errorf("error = %v, want an unknown outcome", err)
	}
}

// lostAnswers are the ways in which an answer gets lost after the provider did
// what was asked.
var lostAnswers = map[string]kit.Fault{
	"dropped": {Kind: kit.FaultDropAfter}, "garbage": {Kind: kit.FaultGarbage}, "wrong content type": {Kind: kit.FaultWrongContentType},
	"oversize": {Kind: kit.FaultOversize}, "500 after charging": {Kind: kit.FaultStatusAfter, Status: 500},
}

// A lost create is found by nothing of ours: only the webhook's references lead
// to it, and the order number shows whose it is.
func TestALostCreateEndsByTheWebhook(t *testing.T) {
	for name, f := range lostAnswers {
		t.Run(name, func(t *testing.T) {
			hooks := make(chan []byte, 8)
			var reply func([]byte) []byte
			receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = w.Write(reply(body))
				hooks <- body
			}))
			t.Cleanup(receiver.Close)
			s := subject()
			l := start[cashflows.Gateway](t, emulator.Config{}, s.Settings, s.Secrets, receiver.URL+"/webhooks/cashflows/1")
			reply = func(body []byte) []byte {
				h, err := l.adapter.ReadHint(body)
				if err != nil {
					t.Error(err)
				}
				return h.Reply
			}
			l.emulator.Kit().Callbacks.Enable(true)
			req := sale(1250)
			arrived, err := l.adapter.OrderArrived(t.Context(), req.AttemptRef)
			if err != nil || arrived {
				t.Errorf("before: %v, %v", arrived, err)
			}
			f.Method = http.MethodPost
			l.fault(f)
			_, err = l.adapter.SellByToken(t.Context(), req)
			wantUnknown(t, err)
			found, err := l.again().FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, Amount: req.Amount})
			if err != nil || found.Outcome != providers.Pending || found.Text == "" {
				t.Errorf("%+v, %v", found, err)
			}
			if arrived, err = l.adapter.OrderArrived(t.Context(), req.AttemptRef); err != nil || !arrived {
				t.Errorf("after: %v, %v", arrived, err)
			}
			h, err := l.adapter.ReadHint(<-hooks)
			if err != nil {
				t.Fatal(err)
			}
			events, err := l.again().FollowHint(t.Context(), h)
			if err != nil || len(events) != 1 || events[0].AttemptRef != req.AttemptRef || events[0].Result.Outcome != providers.Approved ||
				events[0].ProviderRef != h.ProviderRef || *events[0].Result.Amount != req.Amount || events[0].Result.Card.Last4 != "1111" {
				t.Errorf("%+v, %v", events, err)
			}
			l.emulator.Kit().Callbacks.Wait()
			if d := l.emulator.Kit().Callbacks.Deliveries(); len(d) != 1 || !d[0].Delivered {
				t.Errorf("the reply does not confirm the webhook: %+v", d)
			}
			if l.approved() != 1 {
				t.Errorf("%d charges", l.approved())
			}
		})
	}
}

// The same order number a second time is refused, and that is no proof that
// nothing happened.
func TestADuplicateIsAReasonToAsk(t *testing.T) {
	l := onGateway(t)
	req := sale(1250)
	must(t)(l.adapter.SellByToken(t.Context(), req))
	_, err := l.adapter.SellByToken(t.Context(), req)
	wantUnknown(t, err)
	if e, _ := providers.AsError(err); e.Kind != providers.KindRefused {
		t.Errorf("%v", err)
	}
	if l.approved() != 1 {
		t.Errorf("%d charges", l.approved())
	}
}

func TestALostRefundIsFoundByItsNumber(t *testing.T) {
	for name, f := range lostAnswers {
		t.Run(name, func(t *testing.T) {
			l := onGateway(t)
			sold := must(t)(l.adapter.SellByToken(t.Context(), sale(1250)))
			req := providers.RefundRequest{Amount: money.FromMinor(400, gbp), AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef}
			q := providers.Lookup{Type: domain.Refund, AttemptRef: req.AttemptRef, OriginalRef: req.OriginalRef, Amount: req.Amount}
			if found, err := l.adapter.FindStatus(t.Context(), q); err != nil || found.Outcome != providers.Pending || found.Text == "" {
				t.Errorf("before: %+v, %v", found, err)
			}
			f.Method = http.MethodPost
			l.fault(f)
			_, err := l.adapter.Refund(t.Context(), req)
			wantUnknown(t, err)
			found := must(t)(l.again().FindStatus(t.Context(), q))
			if *found.Amount != req.Amount || !strings.HasPrefix(found.ProviderRef, sold.ProviderRef+"/") {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestALostVoidIsSeenOnItsPayment(t *testing.T) {
	for name, f := range lostAnswers {
		t.Run(name, func(t *testing.T) {
			l := onGateway(t)
			sold := must(t)(l.adapter.SellByToken(t.Context(), sale(1250)))
			q := providers.Lookup{Type: domain.Void, AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef}
			if found, err := l.adapter.FindStatus(t.Context(), q); err != nil || found.Outcome != providers.Pending || found.ProviderRef != "" {
				t.Errorf("before: %+v, %v", found, err)
			}
			f.Method = http.MethodPatch
			l.fault(f)
			_, err := l.adapter.VoidSale(t.Context(), providers.FollowUp{Amount: sale(1250).Amount, AttemptRef: q.AttemptRef, OriginalRef: sold.ProviderRef, OriginalType: domain.Sale})
			wantUnknown(t, err)
			found := must(t)(l.again().FindStatus(t.Context(), q))
			if found.ProviderRef == sold.ProviderRef {
				t.Errorf("a void under its sale's reference: %+v", found)
			}
		})
	}
}

// The worst that "Error while communicating." can mean is that the card was
// charged.
func TestErrorWhileCommunicatingIsNoNo(t *testing.T) {
	l := onGateway(t)
	req := sale(1250)
	req.Token = emulator.TokenLost
	_, err := l.adapter.SellByToken(t.Context(), req)
	wantUnknown(t, err)
	if l.approved() != 1 {
		t.Errorf("%d charges", l.approved())
	}
}

func TestAVoidIsForTheWholePaymentOnItsDay(t *testing.T) {
	void := func(l live[cashflows.Gateway], ref string) (providers.Result, error) {
		return l.again().VoidSale(t.Context(), providers.FollowUp{Amount: sale(1250).Amount, AttemptRef: uuid.NewString(), OriginalRef: ref, OriginalType: domain.Sale})
	}
	l := onGateway(t)
	sold := must(t)(l.adapter.SellByToken(t.Context(), sale(1250)))
	must(t)(void(l, sold.ProviderRef))
	_, err := void(l, sold.ProviderRef)
	wantNo(t, err, domain.ReasonWrongState)
	_, err = l.adapter.Refund(t.Context(), providers.RefundRequest{Amount: sale(1250).Amount, AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef})
	wantNo(t, err, domain.ReasonNotAllowed)

	l = onGateway(t)
	sold = must(t)(l.adapter.SellByToken(t.Context(), sale(1250)))
	l.emulator.Kit().Clock.Advance(24 * time.Hour)
	_, err = void(l, sold.ProviderRef)
	wantNo(t, err, domain.ReasonWrongState)

	l = onGateway(t)
	sold = must(t)(l.adapter.SellByToken(t.Context(), sale(1250)))
	must(t)(l.adapter.Refund(t.Context(), providers.RefundRequest{Amount: sale(1).Amount, AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef}))
	_, err = void(l, sold.ProviderRef)
	wantNo(t, err, domain.ReasonWrongState)
}

// The adapter is made anew for each call, so that the payment's currency is
// asked for each time.
func TestCapturesAndRefundsOfAHold(t *testing.T) {
	l := onReserving(t)
	held := must(t)(l.adapter.PreauthorizeByToken(t.Context(), sale(1000)))
	capture := func(minor int64, final bool) (providers.Result, error) {
		return l.again().Capture(t.Context(), providers.CaptureRequest{Amount: money.FromMinor(minor, gbp), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef, Final: final})
	}
	_, err := capture(1001, true)
	wantNo(t, err, domain.ReasonCaptureTooLarge)
	_, err = l.again().Capture(t.Context(), providers.CaptureRequest{Amount: money.FromMinor(1, money.MustCurrency("EUR")), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	wantNo(t, err, domain.ReasonCurrencyMismatch)
	_, err = l.again().Refund(t.Context(), providers.RefundRequest{Amount: money.FromMinor(1, gbp), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	wantNo(t, err, domain.ReasonNotAllowed)
	first := must(t)(capture(300, false))
	if *first.Amount != money.FromMinor(300, gbp) {
		t.Errorf("%+v", first)
	}
	found := must(t)(l.again().FindStatus(t.Context(), providers.Lookup{Type: domain.Capture, AttemptRef: "x", ProviderRef: first.ProviderRef, OriginalRef: held.ProviderRef}))
	if found.ProviderRef != first.ProviderRef || *found.Amount != *first.Amount {
		t.Errorf("%+v", found)
	}
	_, err = capture(701, true)
	wantNo(t, err, domain.ReasonCaptureTooLarge)
	second := must(t)(capture(600, true))
	_, err = capture(1, true)
	wantNo(t, err, domain.ReasonWrongState)
	refund := func(minor int64, of string) (providers.Result, error) {
		return l.again().Refund(t.Context(), providers.RefundRequest{Amount: money.FromMinor(minor, gbp), AttemptRef: uuid.NewString(), OriginalRef: of})
	}
	_, err = refund(901, second.ProviderRef)
	wantNo(t, err, domain.ReasonRefundTooLarge)
	_, err = l.again().Refund(t.Context(), providers.RefundRequest{Amount: money.FromMinor(1, money.MustCurrency("EUR")), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	wantNo(t, err, domain.ReasonCurrencyMismatch)
	must(t)(refund(900, second.ProviderRef))
	_, err = refund(1, second.ProviderRef)
	wantNo(t, err, domain.ReasonRefundTooLarge)
	// The hold is a sale by now; as a hold it is no verdict any more.
	res, err := l.again().FindStatus(t.Context(), providers.Lookup{Type: domain.Preauth, ProviderRef: held.ProviderRef})
	if err != nil || res.Outcome != providers.Pending || res.Text == "" {
		t.Errorf("%+v, %v", res, err)
	}
}

// A lost capture is listed, but not under a reference of ours.
func TestALostCaptureStaysOpen(t *testing.T) {
	l := onReserving(t)
	held := must(t)(l.adapter.PreauthorizeByToken(t.Context(), sale(1000)))
	l.fault(kit.Fault{Kind: kit.FaultDropAfter, Method: http.MethodPost})
	req := providers.CaptureRequest{Amount: money.FromMinor(1000, gbp), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef, Final: true}
	_, err := l.adapter.Capture(t.Context(), req)
	wantUnknown(t, err)
	found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Capture, AttemptRef: req.AttemptRef, OriginalRef: held.ProviderRef})
	if err != nil || found.Outcome != providers.Pending || found.Text == "" {
		t.Errorf("%+v, %v", found, err)
	}
}

// What the connection says of Auto Capture must be so: a sale that is only held
// is no sale, and a hold that is taken is no hold.
func TestAWrongAutoCaptureSettingIsSeen(t *testing.T) {
	for _, c := range []struct{ configuration, key, setting string }{
		{emulator.ReservingConfigurationID, emulator.ReservingAPIKey, cashflows.AutoCaptureOn},
		{emulator.ConfigurationID, emulator.APIKey, cashflows.AutoCaptureOff},
	} {
		l := start[providers.Provider](t, emulator.Config{}, map[string]string{cashflows.SettingConfigurationID: c.configuration, cashflows.SettingAutoCapture: c.setting},
			map[string]string{cashflows.SecretAPIKey: c.key}, "")
		var res providers.Result
		var err error
		if p, ok := l.adapter.(providers.TokenSeller); ok {
			res, err = p.SellByToken(t.Context(), sale(1000))
		} else {
			res, err = l.adapter.(providers.TokenPreauthorizer).PreauthorizeByToken(t.Context(), sale(1000))
		}
		if err != nil || res.Outcome != providers.Pending || !strings.Contains(res.Text, "Auto Capture") {
			t.Errorf("%s: %+v, %v", c.setting, res, err)
		}
	}
}

// A page sale gets its outcome from the status alone: nothing is read from the
// browser's way back.
func TestAPageSaleEndsAsItsPageDoes(t *testing.T) {
	card := func(holder, number string) url.Values {
		return url.Values{"card_holder": {holder}, "card_number": {number}, "expiry": {"12/40"}, "security_code": {"123"}}
	}
	later := time.Hour
	for _, c := range []struct {
		name    string
		forms   []url.Values
		wait    time.Duration
		outcome providers.Outcome
		reason  domain.Reason
		card    domain.Card
	}{
		{"Luke Skywalker", []url.Values{card("Luke Skywalker", emulator.CardApprove)}, 0, providers.Approved, "", domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"American Express", []url.Values{card("Ada", emulator.CardAmex)}, 0, providers.Approved, "", domain.Card{Brand: "American Express", Last4: "0005", Expiry: "12/40"}},
		{"Han Solo, passed", []url.Values{card("Han Solo", emulator.CardApprove), {"action": {"pass"}}}, 0, providers.Approved, "", domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"Han Solo, failed", []url.Values{card("Han Solo", emulator.CardApprove), {"action": {"fail"}}}, 0, providers.Declined, domain.ReasonAuthentication, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"Han Solo, waiting", []url.Values{card("Han Solo", emulator.CardApprove)}, 0, providers.Pending, "", domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"Leia Skywalker", []url.Values{card("Leia Skywalker", emulator.CardMastercard)}, 0, providers.Pending, "", domain.Card{Brand: "Mastercard", Last4: "4444", Expiry: "12/40"}},
		{"Leia Skywalker, later", []url.Values{card("Leia Skywalker", emulator.CardMastercard)}, later, providers.Approved, "", domain.Card{Brand: "Mastercard", Last4: "4444", Expiry: "12/40"}},
		{"Lando Calrissian", []url.Values{card("Lando Calrissian", emulator.CardApprove)}, 0, providers.Declined, domain.ReasonAuthentication, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"Darth Maul", []url.Values{card("Darth Maul", emulator.CardApprove)}, 0, providers.Declined, domain.ReasonAuthentication, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"declined", []url.Values{card("Ada", emulator.CardDecline)}, 0, providers.Declined, domain.ReasonDeclined, domain.Card{Brand: "Visa", Last4: "0002", Expiry: "12/40"}},
		{"blocked", []url.Values{card("Ada", emulator.CardBlocked)}, 0, providers.Declined, domain.ReasonUnmapped, domain.Card{Brand: "Visa", Last4: "9979", Expiry: "12/40"}},
		{"cancelled", []url.Values{{"action": {"cancel"}}}, 0, providers.Declined, domain.ReasonCustomerCancelled, domain.Card{}},
		{"left alone", nil, 200 * 24 * time.Hour, providers.Declined, domain.ReasonLinkExpired, domain.Card{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := onGateway(t)
			req := sale(1250)
			opened, err := l.adapter.SellByPage(t.Context(), req)
			if err != nil || opened.Outcome != providers.Pending || !strings.HasPrefix(opened.RedirectURL, l.adapter.CardPageOrigin()+"/") || opened.ProviderRef == "" {
				t.Fatalf("%+v, %v", opened, err)
			}
			browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			for _, form := range c.forms {
				resp, err := browser.PostForm(opened.RedirectURL, form)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			l.emulator.Kit().Clock.Advance(c.wait)
			found, err := l.again().FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: opened.ProviderRef, Amount: req.Amount})
			if err != nil || found.Outcome != c.outcome || found.Reason != c.reason || found.Card != c.card || found.ProviderRef != opened.ProviderRef {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestAPageCanLeaveATokenThatIsChargedAgain(t *testing.T) {
	s := subject()
	l := start[cashflows.Gateway](t, emulator.Config{}, with(s.Settings, cashflows.SettingGenerateToken, "yes"), s.Secrets, "")
	req := sale(1250)
	opened, err := l.adapter.SellByPage(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.PostForm(opened.RedirectURL, url.Values{"card_holder": {"Ada"}, "card_number": {emulator.CardApprove}, "expiry": {"12/40"}, "security_code": {"123"}})
	if err == nil {
		resp.Body.Close()
	}
	found := must(t)(l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: opened.ProviderRef}))
	if found.Token == "" || bytes.Contains(found.Raw, []byte(found.Token)) {
		t.Fatalf("%+v", found)
	}
	past := must(t)(l.adapter.TokenOf(t.Context(), opened.ProviderRef))
	again := sale(500)
	again.Token = past.Token
	if past.Token != found.Token {
		t.Errorf("%q and %q", past.Token, found.Token)
	}
	must(t)(l.adapter.SellByToken(t.Context(), again))
	// A payout goes to the token, or to the card of an earlier payment.
	must(t)(l.adapter.Payout(t.Context(), providers.PayoutRequest{Amount: again.Amount, AttemptRef: uuid.NewString(), Token: past.Token}))
	paid := must(t)(l.adapter.Payout(t.Context(), providers.PayoutRequest{Amount: again.Amount, AttemptRef: uuid.NewString(), OriginalRef: opened.ProviderRef}))
	_, err = l.adapter.Payout(t.Context(), providers.PayoutRequest{Amount: again.Amount, AttemptRef: uuid.NewString(), OriginalRef: paid.ProviderRef})
	wantNo(t, err, domain.ReasonNotAllowed)
}

func TestLinksArePaidCancelledOrExpire(t *testing.T) {
	link := func(l live[cashflows.Gateway]) (providers.LinkRequest, providers.Link) {
		req := providers.LinkRequest{SaleRequest: sale(1250), Expires: time.Hour}
		made, err := l.adapter.CreateLink(t.Context(), req)
		if err != nil || made.Outcome != providers.Pending || made.RedirectURL == "" || made.CancelRef == "" ||
			made.ExpiresAt.Sub(l.emulator.Kit().Clock.Now()).Round(time.Minute) != time.Hour {
			t.Fatalf("%+v, %v", made, err)
		}
		return req, made
	}
	find := func(l live[cashflows.Gateway], req providers.LinkRequest, made providers.Link) providers.Result {
		res, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: made.ProviderRef})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	l := onGateway(t)
	req, made := link(l)
	must(t)(l.adapter.CancelLink(t.Context(), made))
	if res := find(l, req, made); res.Outcome != providers.Declined || res.Reason != domain.ReasonCustomerCancelled {
		t.Errorf("%+v", res)
	}
	_, err := l.adapter.CancelLink(t.Context(), made)
	wantNo(t, err, domain.ReasonWrongState)

	l = onGateway(t)
	req, made = link(l)
	l.emulator.Kit().Clock.Advance(2 * time.Hour)
	if res := find(l, req, made); res.Outcome != providers.Declined || res.Reason != domain.ReasonLinkExpired {
		t.Errorf("%+v", res)
	}
}

func TestATestOfALiveConnection(t *testing.T) {
	l := onGateway(t)
	p, err := l.adapter.TestConnection(t.Context())
	if err != nil || !p.OK {
		t.Errorf("%+v, %v", p, err)
	}
	l.config.Secrets = map[string]string{cashflows.SecretAPIKey: "another key"}
	for range emulator.LockAfter {
		if p, err = l.again().TestConnection(t.Context()); err != nil || p.OK || !strings.Contains(p.Meaning, "API key") {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if p, err = l.again().TestConnection(t.Context()); err != nil || p.OK || !strings.Contains(p.Meaning, "locked") {
		t.Errorf("%+v, %v", p, err)
	}
	// Locked means that nothing was done, with the right key too.
	_, err = l.adapter.SellByToken(t.Context(), sale(100))
	wantNo(t, err, domain.ReasonAccountLocked)
	l.config.Settings = map[string]string{cashflows.SettingConfigurationID: "another"}
	if p, err = l.again().TestConnection(t.Context()); err != nil || p.OK || !strings.Contains(p.Meaning, "does not know") {
		t.Errorf("%+v, %v", p, err)
	}
	if l.approved() != 0 {
		t.Errorf("%d charges", l.approved())
	}
}

// After each system error but two the emulator may hold the charge.
func TestRemoteSystemErrorsAreUnknown(t *testing.T) {
	for code, charged := range map[string]int{"Sx01": 0, "Sx02": 1, "Sx03": 1, "Sx04": 0, "Sx05": 0, "Sx06": 1, "Sx99": 1} {
		l := onRemote(t)
		req := sale(1250)
		req.Token = emulator.RemoteTokenPrefix + code
		_, err := l.adapter.SellByToken(t.Context(), req)
		wantUnknown(t, err)
		if l.approved() != charged {
			t.Errorf("%s: %d charges", code, l.approved())
		}
		_, err = l.adapter.SellByToken(t.Context(), req)
		wantUnknown(t, err) // Vx33: the reference is there already
	}
	for code, reason := range map[string]domain.Reason{"Sx00": domain.ReasonInvalidRequest, "Sx07": domain.ReasonMaintenance} {
		l := onRemote(t)
		req := sale(1250)
		req.Token = emulator.RemoteTokenPrefix + code
		_, err := l.adapter.SellByToken(t.Context(), req)
		wantNo(t, err, reason)
		if l.approved() != 0 {
			t.Errorf("%s: %d charges", code, l.approved())
		}
	}
}

func TestRemoteFollowUps(t *testing.T) {
	l := onRemote(t)
	req := sale(1000)
	req.Token = emulator.RemoteTokenApprove
	sold := must(t)(l.adapter.SellByToken(t.Context(), req))
	refund := func(minor int64, c money.Currency, of string) (providers.Result, error) {
		return l.adapter.Refund(t.Context(), providers.RefundRequest{Amount: money.FromMinor(minor, c), AttemptRef: uuid.NewString(), OriginalRef: of})
	}
	_, err := refund(1001, gbp, sold.ProviderRef)
	wantNo(t, err, domain.ReasonRefundTooLarge)
	_, err = refund(100, money.MustCurrency("EUR"), sold.ProviderRef)
	wantNo(t, err, domain.ReasonCurrencyMismatch)
	_, err = refund(100, gbp, "01S00000000")
	wantNo(t, err, domain.ReasonInvalidRequest)
	must(t)(refund(400, gbp, sold.ProviderRef))
	_, err = refund(601, gbp, sold.ProviderRef)
	wantNo(t, err, domain.ReasonRefundTooLarge)
	void := providers.FollowUp{Amount: req.Amount, AttemptRef: uuid.NewString(), OriginalRef: sold.ProviderRef, OriginalType: domain.Sale}
	_, err = l.adapter.VoidSale(t.Context(), void)
	wantNo(t, err, domain.ReasonWrongState)

	hold := req
	hold.AttemptRef = uuid.NewString()
	held := must(t)(l.adapter.PreauthorizeByToken(t.Context(), hold))
	capture := func(minor int64) (providers.Result, error) {
		return l.adapter.Capture(t.Context(), providers.CaptureRequest{Amount: money.FromMinor(minor, gbp), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef, Final: true})
	}
	_, err = capture(1001)
	wantNo(t, err, domain.ReasonCaptureTooLarge)
	must(t)(capture(1000))
	_, err = capture(1)
	wantNo(t, err, domain.ReasonWrongState)

	// What nothing followed up yet can be undone, and once only.
	for typ, undo := range map[domain.TransactionType]func(context.Context, providers.FollowUp) (providers.Result, error){
		domain.Sale: l.adapter.VoidSale, domain.Preauth: l.adapter.VoidPreauth,
	} {
		req.AttemptRef = uuid.NewString()
		take := l.adapter.SellByToken
		if typ == domain.Preauth {
			take = l.adapter.PreauthorizeByToken
		}
		void := providers.FollowUp{Amount: req.Amount, AttemptRef: uuid.NewString(), OriginalRef: must(t)(take(t.Context(), req)).ProviderRef, OriginalType: typ}
		must(t)(undo(t.Context(), void))
		void.AttemptRef = uuid.NewString()
		_, err = undo(t.Context(), void)
		wantNo(t, err, domain.ReasonWrongState)
	}
}
