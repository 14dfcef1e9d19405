package payments_test

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

func (h *house) hold(amount int64) payments.TakeInput {
	in := h.tokenSale(amount, sandboxcardflo.TokenApprove)
	in.Kind = domain.Preauth
	return in
}

func (h *house) paymentLink(amount int64, lives time.Duration) payments.TakeInput {
	return payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodLink, Amount: money.FromMinor(amount, gbp),
		OrderReference: h.order(), Expires: lives}
}

// payOn types a card on a provider's page.
func (h *house) payOn(page, number string) {
	h.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(page, url.Values{"card_number": {number}, "expiry": {"12/30"}, "security_code": {"123"}, "action": {"pay"}})
	if err != nil {
		h.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 400 {
		h.t.Fatalf("the provider's page answers %d", res.StatusCode)
	}
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	if err := h.owner.QueryRow(query, args...).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) totals() domain.DayTotals {
	h.t.Helper()
	o, err := h.svc.Overview(h.t.Context(), h.actor, h.merchant)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, d := range o.Today {
		if d.Currency == gbp {
			return d
		}
	}
	return domain.DayTotals{Taken: money.Zero(gbp), PaidOut: money.Zero(gbp), OpenPayout: money.Zero(gbp)}
}

func TestAHoldTakesNothingAndKnowsWhenItLapses(t *testing.T) {
	for _, page := range []bool{false, true} {
		t.Run(fmt.Sprintf("on the provider's page %v", page), func(t *testing.T) {
			h := newHouse(t)
			in := h.hold(4200)
			if page {
				in.Method, in.CardToken, in.Card = domain.MethodPage, "", domain.Card{}
			}
			taken := h.take(in)
			if page {
				x := h.get(taken.PaymentID).Sale()
				if x.Status != domain.TxProcessing || x.RedirectURL == "" {
					t.Fatalf("%s, page %q", x.Status, x.RedirectURL)
				}
				h.payOn(x.RedirectURL, sandboxcardflo.CardApprove)
				h.resolve(taken.TransactionID)
			}
			d := h.get(taken.PaymentID)
			p := d.Payment
			if p.Kind != domain.Preauth || p.Status != domain.PaymentAuthorised || !p.Captured.IsZero() || p.Authorised != in.Amount {
				t.Errorf("%s %s, captured %s, held %s", p.Kind, p.Status, p.Captured, p.Authorised)
			}
			if want := p.CreatedAt.Add(7 * 24 * time.Hour); !p.ExpiresAt.Equal(want) {
				t.Errorf("it lapses at %s, want %s", p.ExpiresAt, want)
			}
			if d.Why[domain.ActCapture] != domain.Possible || d.Why[domain.ActRefund] == domain.Possible {
				t.Errorf("capture %q, refund %q", d.Why[domain.ActCapture], d.Why[domain.ActRefund])
			}
			charges := h.sandbox.Cardflo.State().Charges
			if len(charges) != 1 || charges[0].Kind != "preauth" || charges[0].AmountMinor != 4200 {
				t.Errorf("the provider has %+v", charges)
			}
			if today := h.totals(); !today.Taken.IsZero() {
				t.Errorf("%s counts as taken", today.Taken)
			}
		})
	}
}

func TestAHoldThatIsNotAnsweredIsAskedForUntilItIsKnown(t *testing.T) {
	h := newHouse(t)
	h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropAfter})
	taken := h.take(h.hold(4200))
	if taken.Status != domain.TxUnknown {
		t.Fatalf("it is %s", taken.Status)
	}
	h.resolve(taken.TransactionID)
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentAuthorised || p.Authorised.Minor() != 4200 {
		t.Errorf("%s, held %s", p.Status, p.Authorised)
	}
	if n := approved(h.sandbox.Cardflo); n != 1 {
		t.Errorf("the provider holds it %d times", n)
	}
}

func TestASurchargeAndATimeOfCaptureAreKeptAndSent(t *testing.T) {
	h := newHouse(t)
	in := h.hold(4260)
	in.Surcharge, in.CaptureAfter = money.FromMinor(60, gbp), 2*time.Hour
	x := h.get(h.take(in).PaymentID).Sale()
	if x.Surcharge != in.Surcharge || x.Amount != in.Amount || !x.CapturesAt.Equal(x.CreatedAt.Add(2*time.Hour)) {
		t.Errorf("surcharge %s of %s, captured at %s", x.Surcharge, x.Amount, x.CapturesAt)
	}
	h.clock.advance(2 * time.Hour)
	charges := h.sandbox.Cardflo.State().Charges
	if len(charges) != 2 || charges[1].Kind != "capture" || charges[1].AmountMinor != 4260 || charges[1].OriginalID != x.ProviderRef {
		t.Errorf("the provider has %+v", charges)
	}
}

func TestWhatAFormOrItsConnectionDoesNotAllowIsSaidBesideItsField(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		name  string
		from  payments.TakeInput
		edit  func(*payments.TakeInput)
		field string
	}{
		{"a hold where none is offered", h.cardSale(100), func(in *payments.TakeInput) { in.Kind = domain.Preauth }, "method"},
		{"a link where none is offered", h.cardSale(100), func(in *payments.TakeInput) { in.Method, in.Expires = domain.MethodLink, time.Hour }, "kind"},
		{"a surcharge where none is offered", h.cardSale(100), func(in *payments.TakeInput) { in.Surcharge = money.FromMinor(1, gbp) }, "surcharge"},
		{"a surcharge in another currency", h.hold(100), func(in *payments.TakeInput) { in.Surcharge = money.FromMinor(1, eur) }, "surcharge"},
		{"a surcharge below zero", h.hold(100), func(in *payments.TakeInput) { in.Surcharge = money.FromMinor(-1, gbp) }, "surcharge"},
		{"a surcharge that is all of it", h.hold(100), func(in *payments.TakeInput) { in.Surcharge = money.FromMinor(100, gbp) }, "surcharge"},
		{"a sale that is captured later", h.hold(100), func(in *payments.TakeInput) { in.Kind, in.CaptureAfter = domain.Sale, time.Hour }, "capture_after"},
		{"a capture after half a minute", h.hold(100), func(in *payments.TakeInput) { in.CaptureAfter = 30 * time.Second }, "capture_after"},
		{"a capture after a minute and a second", h.hold(100), func(in *payments.TakeInput) { in.CaptureAfter = 61 * time.Second }, "capture_after"},
		{"a capture after the hold has lapsed", h.hold(100), func(in *payments.TakeInput) { in.CaptureAfter = 8 * 24 * time.Hour }, "capture_after"},
		{"a sale that ends by itself", h.hold(100), func(in *payments.TakeInput) { in.Kind, in.Expires = domain.Sale, time.Hour }, "expires"},
		{"a link without an end", h.paymentLink(100, 0), func(*payments.TakeInput) {}, "expires"},
		{"a link of a minute", h.paymentLink(100, time.Minute), func(*payments.TakeInput) {}, "expires"},
		{"a link of a year", h.paymentLink(100, 365*24*time.Hour), func(*payments.TakeInput) {}, "expires"},
		{"a link that holds", h.paymentLink(100, time.Hour), func(in *payments.TakeInput) { in.Kind = domain.Preauth }, "kind"},
		{"a link to nobody", h.paymentLink(100, time.Hour), func(in *payments.TakeInput) { in.SendByEmail = true }, "email"},
		{"a kind that begins nothing", h.hold(100), func(in *payments.TakeInput) { in.Kind = domain.Refund }, "kind"},
		{"a method of a terminal", h.hold(100), func(in *payments.TakeInput) { in.Method = domain.MethodTerminal }, "method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.edit(&tt.from)
			_, err := h.svc.Take(t.Context(), h.actor, tt.from)
			if domain.CodeOf(err) != domain.Invalid || domain.FieldsOf(err)[tt.field] == "" {
				t.Errorf("%v, fields %v", err, domain.FieldsOf(err))
			}
		})
	}
	if n := h.count(`select count(*) from payments`); n != 0 {
		t.Errorf("%d payments were written", n)
	}
}

func TestALinkIsPaidOnceByWhoeverHasIt(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.paymentLink(4200, 24*time.Hour))
	d := h.get(taken.PaymentID)
	x := d.Sale()
	if d.Payment.Status != domain.PaymentLinkSent || x.RedirectURL == "" || x.CancelRef == "" || d.FrameOrigin != "" {
		t.Fatalf("%s, link %q, cancelled by %q, framed from %q", d.Payment.Status, x.RedirectURL, x.CancelRef, d.FrameOrigin)
	}
	if left := d.Payment.ExpiresAt.Sub(h.clock.now()); left > 24*time.Hour || left < 24*time.Hour-time.Minute {
		t.Errorf("it can be paid on for %s", left)
	}
	if d.Why[domain.ActCancelLink] != domain.Possible {
		t.Errorf("cancelling: %s", d.Why[domain.ActCancelLink])
	}
	picture, err := h.svc.LinkQR(t.Context(), h.actor, taken.PaymentID)
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() < 100 {
		t.Errorf("the picture: %v", err)
	}
	h.payOn(x.RedirectURL, sandboxcardflo.CardApprove)
	h.resolve(taken.TransactionID)
	d = h.get(taken.PaymentID)
	if d.Payment.Status != domain.PaymentApproved || d.Payment.Captured.Minor() != 4200 || d.Payment.Card.Last4 != "1111" || d.Why[domain.ActCancelLink] != domain.DeniedLinkEnded {
		t.Errorf("%s, captured %s, card %q, cancelling %q", d.Payment.Status, d.Payment.Captured, d.Payment.Card.Last4, d.Why[domain.ActCancelLink])
	}
	if _, err := h.svc.LinkQR(t.Context(), h.actor, taken.PaymentID); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a link that was paid still has a picture: %v", err)
	}
}

func TestALinkIsAskedForUntilItsEndAndEndsByTheProvidersWord(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.paymentLink(4200, 72*time.Hour))
	for _, age := range []time.Duration{2 * time.Hour, 30 * time.Hour, 71 * time.Hour} {
		h.clock.advance(age - h.clock.now().Sub(h.get(taken.PaymentID).Payment.CreatedAt))
		if r := h.resolve(taken.TransactionID); r.Status != domain.TxProcessing || r.Again != 15*time.Minute {
			t.Errorf("after %s it is %s, asked again in %s", age, r.Status, r.Again)
		}
	}
	h.clock.advance(2 * time.Hour)
	h.resolve(taken.TransactionID)
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentNotCharged || p.Reason != domain.ReasonLinkExpired || !p.Captured.IsZero() {
		t.Errorf("%s %s, captured %s", p.Status, p.Reason, p.Captured)
	}
}

func TestALinkWithoutAnAnswerGoesToAPersonAnHourAfterItsEnd(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.paymentLink(4200, 48*time.Hour))
	h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropBefore, Count: 1000})
	ends := h.get(taken.PaymentID).Payment.ExpiresAt
	h.clock.advance(ends.Sub(h.clock.now()) + 59*time.Minute)
	if r := h.resolve(taken.TransactionID); !r.Status.Asking() {
		t.Errorf("a minute before it is %s", r.Status)
	}
	h.clock.advance(2 * time.Minute)
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxNeedsPerson {
		t.Errorf("an hour after its end it is %s", r.Status)
	}
}

func TestACancelledLinkCannotBePaid(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.paymentLink(4200, 24*time.Hour))
	page := h.get(taken.PaymentID).Sale().RedirectURL
	for range 2 { // a second press finds it done
		if err := h.svc.CancelLink(t.Context(), h.actor, taken.PaymentID); err != nil {
			t.Fatal(err)
		}
	}
	p := h.get(taken.PaymentID).Payment
	if p.Status != domain.PaymentNotCharged || p.Reason != domain.ReasonLinkCancelled {
		t.Errorf("%s %s", p.Status, p.Reason)
	}
	h.payOn(page, sandboxcardflo.CardApprove)
	if n := approved(h.sandbox.Cardflo); n != 0 {
		t.Errorf("it was paid %d times", n)
	}
	actions := strings.Join(h.auditActions(), " ")
	if !strings.Contains(actions, "payment.sale.cancel_requested:ok") || !strings.Contains(actions, "payment.sale.settled:failed") {
		t.Errorf("audit %s", actions)
	}
}

func TestADoubtAboutACancellationChangesNothing(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.paymentLink(4200, 24*time.Hour))
	h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropAfter, Path: "/cancel"})
	err := h.svc.CancelLink(t.Context(), h.actor, taken.PaymentID)
	if domain.CodeOf(err) != domain.Unavailable || !strings.Contains(domain.MessageOf(err), "may still be paid") {
		t.Errorf("%v", err)
	}
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentLinkSent {
		t.Errorf("it is %s", p.Status)
	}
	// The provider did cancel it, and says so when it is asked.
	h.resolve(taken.TransactionID)
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentNotCharged {
		t.Errorf("it ends as %s", p.Status)
	}
}

func TestAPaymentThatArrivesBeforeTheCancellationWins(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.paymentLink(4200, 24*time.Hour))
	page := h.get(taken.PaymentID).Sale().RedirectURL
	h.transport.before = func(*http.Request) { h.payOn(page, sandboxcardflo.CardApprove) }
	if err := h.svc.CancelLink(t.Context(), h.actor, taken.PaymentID); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("%v", err)
	}
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentApproved || p.Captured.Minor() != 4200 {
		t.Errorf("%s, captured %s", p.Status, p.Captured)
	}
}

func (h *house) register(in payments.RegisterInput) payments.Taken {
	h.t.Helper()
	taken, err := h.svc.RegisterCard(h.t.Context(), h.actor, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return taken
}

func (h *house) registration() payments.RegisterInput {
	return payments.RegisterInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodFrame, CardToken: sandboxcardflo.TokenApprove,
		Card: domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}, Customer: "Imogen Ware"}
}

func (h *house) stored(conn domain.ConnectionID) []domain.StoredCard {
	h.t.Helper()
	l, err := h.svc.Cards(h.t.Context(), h.actor, h.merchant, domain.CardFilter{Connection: conn})
	if err != nil {
		h.t.Fatal(err)
	}
	return l.CardPage.Cards
}

func TestAStoredCardIsKeptOnceAndCanBeCharged(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*house, *payments.RegisterInput)
		end  func(*house, payments.Taken)
	}{
		{"in the frame", func(*house, *payments.RegisterInput) {}, func(*house, payments.Taken) {}},
		{"on the provider's page", func(_ *house, in *payments.RegisterInput) {
			in.Method, in.CardToken, in.Card = domain.MethodPage, "", domain.Card{}
		}, func(h *house, taken payments.Taken) {
			if n := len(h.stored(h.cardflo)); n != 0 {
				h.t.Errorf("%d cards before the card was typed", n)
			}
			h.payOn(h.get(taken.PaymentID).Sale().RedirectURL, sandboxcardflo.CardApprove)
			h.resolve(taken.TransactionID)
		}},
		{"with the answer lost", func(h *house, _ *payments.RegisterInput) {
			h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropAfter})
		},
			func(h *house, taken payments.Taken) { h.resolve(taken.TransactionID) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			in := h.registration()
			tt.edit(h, &in)
			taken := h.register(in)
			tt.end(h, taken)
			if again := h.register(in); again.PaymentID != taken.PaymentID || !again.Replayed {
				t.Errorf("the same form stored it again")
			}
			h.resolve(taken.TransactionID)
			cards := h.stored(h.cardflo)
			if len(cards) != 1 || cards[0].Card.Last4 != "1111" || cards[0].Customer != "Imogen Ware" {
				t.Fatalf("stored: %+v", cards)
			}
			if n := h.count(`select count(*) from cards where position(convert_to($1, 'UTF8') in token_sealed) > 0`, h.get(taken.PaymentID).Sale().ProviderRef); n != 0 {
				t.Error("the token is stored as it came")
			}
			if p := h.get(taken.PaymentID).Payment; p.Kind != domain.Register || !p.Amount.IsZero() || p.Status != domain.PaymentApproved {
				t.Errorf("%s of %s is %s", p.Kind, p.Amount, p.Status)
			}
			sale := payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodCard, Amount: money.FromMinor(4200, gbp), OrderReference: h.order(), CardID: cards[0].ID}
			if sold := h.take(sale); sold.Status != domain.TxApproved {
				t.Errorf("charging it: %s", sold.Status)
			}
			sale.Key, sale.Kind, sale.OrderReference = payments.NewKey(), domain.Preauth, h.order()
			if held := h.take(sale); held.Status != domain.TxApproved {
				t.Errorf("holding on it: %s", held.Status)
			}
		})
	}
}

func TestTheCardOfAPastPaymentIsStoredOnceForTwelveMonths(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.cardSale(4200))
	before := len(h.stored(h.handpoint))
	if _, err := h.svc.StoreCard(t.Context(), h.actor, taken.PaymentID, " "); domain.FieldsOf(err)["customer"] == "" {
		t.Errorf("without a name: %v", err)
	}
	var first domain.CardID
	for i := range 2 {
		kept, err := h.svc.StoreCard(t.Context(), h.actor, taken.PaymentID, "Imogen Ware")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = kept.ID
		} else if kept.ID != first {
			t.Error("the same card is stored twice")
		}
	}
	// The sale was made with this very token, which is stored already.
	if n := len(h.stored(h.handpoint)); n != before {
		t.Errorf("%d cards, want %d", n, before)
	}
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropBefore, Path: "/token", Count: 10})
	if _, err := h.svc.StoreCard(t.Context(), h.actor, taken.PaymentID, "Imogen Ware"); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("without an answer: %v", err)
	}
	h.clock.advance(366 * 24 * time.Hour)
	if _, err := h.svc.StoreCard(t.Context(), h.actor, taken.PaymentID, "Imogen Ware"); domain.CodeOf(err) != domain.Conflict || domain.MessageOf(err) != domain.DeniedTooOld.Words() {
		t.Errorf("a year later: %v", err)
	}
}

func TestForgettingACardIsAnOperationWithAnOutcome(t *testing.T) {
	h := newHouse(t)
	h.register(h.registration())
	card := h.stored(h.cardflo)[0]
	charge := func() error {
		_, err := h.svc.Take(t.Context(), h.actor, payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodCard, Amount: money.FromMinor(100, gbp), OrderReference: h.order(), CardID: card.ID})
		return err
	}
	if err := h.sandbox.Cardflo.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline}); err != nil {
		t.Fatal(err)
	}
	if _, status, err := h.svc.ForgetCard(t.Context(), h.actor, card.ID); err != nil || status.Open() || status == domain.TxApproved {
		t.Fatalf("refused by the provider: %s, %v", status, err)
	}
	if err := charge(); err != nil {
		t.Errorf("a card that was not forgotten cannot be charged: %v", err)
	}
	h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropAfter})
	at, status, err := h.svc.ForgetCard(t.Context(), h.actor, card.ID)
	if err != nil || status != domain.TxUnknown {
		t.Fatalf("%s, %v", status, err)
	}
	if cards := h.stored(h.cardflo); len(cards) != 1 || cards[0].Usable() {
		t.Errorf("while that has no outcome: %+v", cards)
	}
	if err := charge(); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a card that is being forgotten was charged: %v", err)
	}
	if _, _, err := h.svc.ForgetCard(t.Context(), h.actor, card.ID); err != nil {
		t.Errorf("a second press: %v", err)
	}
	if err := h.svc.Check(t.Context(), h.actor, at); err != nil {
		t.Fatal(err)
	}
	if cards := h.stored(h.cardflo); len(cards) != 0 {
		t.Errorf("forgotten, and still there: %+v", cards)
	}
	if n := h.count(`select count(*) from cards where id = $1 and length(token_sealed) = 0 and token_hash is null`, card.ID); n != 1 {
		t.Error("the token is kept")
	}
	if n := h.count(`select count(*) from transactions where type = 'deregister'`); n != 2 {
		t.Errorf("%d deregistrations, want 2", n)
	}
	if _, _, err := h.svc.ForgetCard(t.Context(), h.actor, card.ID); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("again: %v", err)
	}
}

func TestACardThatItsProviderCannotForgetIsForgottenHere(t *testing.T) {
	h := newHouse(t)
	id := h.cards[sandboxhandpoint.TokenVisa]
	f, err := h.svc.ForgetWords(t.Context(), h.actor, id)
	if err != nil || f.AtProvider || !strings.Contains(f.Why, "keeps its token") {
		t.Errorf("%+v, %v", f, err)
	}
	if _, status, err := h.svc.ForgetCard(t.Context(), h.actor, id); err != nil || status != domain.TxApproved {
		t.Fatalf("%s, %v", status, err)
	}
	if _, err := h.svc.Take(t.Context(), h.actor, h.cardSale(100)); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a forgotten card was charged: %v", err)
	}
}

func (h *house) payout(amount int64) payments.PayoutInput {
	h.t.Helper()
	if len(h.stored(h.cardflo)) == 0 {
		h.register(h.registration())
	}
	return payments.PayoutInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Amount: money.FromMinor(amount, gbp), CardID: h.stored(h.cardflo)[0].ID, Note: "Raffle, first prize"}
}

func TestAPayoutIsNeitherTakenNorLost(t *testing.T) {
	h := newHouse(t)
	sale := h.take(h.tokenSale(4200, sandboxcardflo.TokenApprove))
	toCard := h.payout(5000)
	toPayment := h.payout(1500)
	toPayment.CardID, toPayment.To = domain.CardID{}, sale.PaymentID
	for _, in := range []payments.PayoutInput{toCard, toPayment} {
		taken, err := h.svc.Payout(t.Context(), h.actor, in)
		if err != nil || taken.Status != domain.TxApproved {
			t.Fatalf("%s, %v", taken.Status, err)
		}
		if again, err := h.svc.Payout(t.Context(), h.actor, in); err != nil || again.PaymentID != taken.PaymentID || !again.Replayed {
			t.Errorf("the same form again: %+v, %v", again, err)
		}
		d := h.get(taken.PaymentID)
		if p := d.Payment; p.Kind != domain.Payout || p.Status != domain.PaymentApproved || !p.Captured.IsZero() || p.Card.Last4 != "1111" {
			t.Errorf("%s %s, captured %s, card %q", p.Kind, p.Status, p.Captured, p.Card.Last4)
		}
		if d.Sale().Note != in.Note || d.Why[domain.ActRefund] == domain.Possible || d.Why[domain.ActVoid] == domain.Possible {
			t.Errorf("note %q, refund %q, void %q", d.Sale().Note, d.Why[domain.ActRefund], d.Why[domain.ActVoid])
		}
	}
	h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropAfter})
	open, err := h.svc.Payout(t.Context(), h.actor, h.payout(700))
	if err != nil || open.Status != domain.TxUnknown {
		t.Fatalf("%s, %v", open.Status, err)
	}
	today := h.totals()
	if today.Taken.Minor() != 4200 || today.Sales != 1 || !today.Refunded.IsZero() || today.PaidOut.Minor() != 6500 || today.Payouts != 2 || today.OpenPayouts != 1 || today.OpenPayout.Minor() != 700 {
		t.Errorf("%+v", today)
	}
	h.resolve(open.TransactionID)
	if today = h.totals(); today.PaidOut.Minor() != 7200 || today.OpenPayouts != 0 {
		t.Errorf("once it is known: %+v", today)
	}
	if p := h.get(sale.PaymentID).Payment; p.Captured.Minor() != 4200 || !p.Refunded.IsZero() {
		t.Errorf("the payment whose card it was: captured %s, refunded %s", p.Captured, p.Refunded)
	}
}

func TestAPayoutThatIsNotRightIsRefusedInWords(t *testing.T) {
	h := newHouse(t)
	declined := h.take(h.tokenSale(100, sandboxcardflo.TokenDecline))
	elsewhere := h.take(h.cardSale(100))
	for _, tt := range []struct {
		name, field string
		edit        func(*payments.PayoutInput)
	}{
		{"nothing", "amount", func(in *payments.PayoutInput) { in.Amount = money.Zero(gbp) }},
		{"less than nothing", "amount", func(in *payments.PayoutInput) { in.Amount = money.FromMinor(-1, gbp) }},
		{"without a note", "note", func(in *payments.PayoutInput) { in.Note = "  " }},
		{"with a card number for a note", "note", func(in *payments.PayoutInput) { in.Note = "to 4111 1111 1111 1111" }},
		{"with a long note", "note", func(in *payments.PayoutInput) { in.Note = strings.Repeat("x", 201) }},
		{"to no card", "card", func(in *payments.PayoutInput) { in.CardID = domain.CardID{} }},
		{"to two cards", "card", func(in *payments.PayoutInput) { in.To = elsewhere.PaymentID }},
		{"to a card that was declined", "card", func(in *payments.PayoutInput) { in.CardID, in.To = domain.CardID{}, declined.PaymentID }},
		{"to a card of another connection", "card", func(in *payments.PayoutInput) { in.CardID, in.To = domain.CardID{}, elsewhere.PaymentID }},
		{"through a connection that pays nothing out", "connection", func(in *payments.PayoutInput) {
			in.ConnectionID, in.CardID = h.handpoint, h.cards[sandboxhandpoint.TokenVisa]
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := h.payout(100)
			tt.edit(&in)
			if _, err := h.svc.Payout(t.Context(), h.actor, in); domain.CodeOf(err) != domain.Invalid || domain.FieldsOf(err)[tt.field] == "" {
				t.Errorf("%v, fields %v", err, domain.FieldsOf(err))
			}
		})
	}
	cashier := h.actor
	cashier.Role = domain.Cashier
	if _, err := h.svc.Payout(t.Context(), cashier, h.payout(100)); domain.CodeOf(err) != domain.Forbidden {
		t.Errorf("a cashier: %v", err)
	}
	if n := h.count(`select count(*) from payments where kind = 'payout'`); n != 0 {
		t.Errorf("%d payouts were written", n)
	}
}

// TestOfFiftyPaymentsAlikeAtOnceOneIsTaken: each has a key of its own, as fifty
// tabs would.
func TestOfFiftyPaymentsAlikeAtOnceOneIsTaken(t *testing.T) {
	h := newHouse(t)
	one := h.cardSale(4200)
	var mu sync.Mutex
	var took []payments.Taken
	var told []domain.PaymentID
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			in := one
			in.Key = payments.NewKey()
			taken, err := h.svc.Take(t.Context(), h.actor, in)
			mu.Lock()
			defer mu.Unlock()
			var like *payments.Alike
			switch {
			case err == nil:
				took = append(took, taken)
			case errors.As(err, &like) && domain.CodeOf(err) == domain.Conflict:
				told = append(told, like.First.ID)
			default:
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if len(took) != 1 || len(told) != 49 {
		t.Fatalf("%d were taken and %d told of the first", len(took), len(told))
	}
	for _, id := range told {
		if id != took[0].PaymentID {
			t.Errorf("told of %s, the first is %s", id, took[0].PaymentID)
		}
	}
	if n := approved(h.sandbox.Handpoint); n != 1 {
		t.Errorf("the provider charged %d times", n)
	}
}

func TestWhatCountsAsTheSamePayment(t *testing.T) {
	for _, tt := range []struct {
		name   string
		second func(*house, payments.TakeInput) payments.TakeInput
		after  time.Duration
		first  func(*house, *payments.TakeInput)
		same   bool
	}{
		{name: "the same again", same: true},
		{name: "nine minutes later", after: 9 * time.Minute, same: true},
		{name: "eleven minutes later", after: 11 * time.Minute},
		{name: "in capitals with spaces around", same: true, second: func(_ *house, in payments.TakeInput) payments.TakeInput {
			in.OrderReference = "  " + strings.ToUpper(in.OrderReference) + " "
			return in
		}},
		{name: "another reference", second: func(h *house, in payments.TakeInput) payments.TakeInput { in.OrderReference = h.order(); return in }},
		{name: "a penny more", second: func(_ *house, in payments.TakeInput) payments.TakeInput {
			in.Amount = money.FromMinor(4201, gbp)
			return in
		}},
		{name: "in euros", second: func(_ *house, in payments.TakeInput) payments.TakeInput {
			in.Amount = money.FromMinor(4200, eur)
			return in
		}},
		{name: "another card", second: func(h *house, in payments.TakeInput) payments.TakeInput {
			in.Card = domain.Card{Brand: "Visa", Last4: "4242", Expiry: "12/30"}
			return in
		}},
		{name: "a hold of the same", same: true, second: func(_ *house, in payments.TakeInput) payments.TakeInput { in.Kind = domain.Preauth; return in }},
		{name: "a link, whose card is not known", same: true, second: func(_ *house, in payments.TakeInput) payments.TakeInput {
			in.Method, in.CardToken, in.Card, in.Expires = domain.MethodLink, "", domain.Card{}, time.Hour
			return in
		}},
		{name: "through another connection with another card", second: func(h *house, in payments.TakeInput) payments.TakeInput {
			out := h.cardSale(4200)
			out.OrderReference = in.OrderReference
			return out
		}},
		{name: "after a decline", first: func(_ *house, in *payments.TakeInput) { in.CardToken = sandboxcardflo.TokenDecline }},
		{name: "after one without an outcome", same: true, first: func(h *house, _ *payments.TakeInput) {
			h.fault(h.sandbox.Cardflo, kit.Fault{Kind: kit.FaultDropAfter})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			in := h.tokenSale(4200, sandboxcardflo.TokenApprove)
			if tt.first != nil {
				tt.first(h, &in)
			}
			first := h.take(in)
			h.clock.advance(tt.after)
			again := in
			again.CardToken = sandboxcardflo.TokenApprove
			if tt.second != nil {
				again = tt.second(h, again)
			}
			again.Key = payments.NewKey()
			_, err := h.svc.Take(t.Context(), h.actor, again)
			var like *payments.Alike
			if same := errors.As(err, &like); same != tt.same || !same && err != nil {
				t.Fatalf("%v", err)
			}
			if !tt.same {
				return
			}
			if like.First.ID != first.PaymentID {
				t.Errorf("told of %s", like.First.ID)
			}
			// Naming another payment confirms nothing; naming the first does.
			again.ConfirmDuplicate = domain.NewPaymentID()
			if _, err := h.svc.Take(t.Context(), h.actor, again); !errors.As(err, &like) {
				t.Errorf("another payment was named: %v", err)
			}
			again.ConfirmDuplicate = first.PaymentID
			second := h.take(again)
			again.Key = payments.NewKey()
			if _, err := h.svc.Take(t.Context(), h.actor, again); !errors.As(err, &like) || like.First.ID != second.PaymentID {
				t.Errorf("a third must name the second: %v", err)
			}
		})
	}
}

func TestAKeyOfSomebodyElseMakesNothing(t *testing.T) {
	h := newHouse(t)
	in := h.cardSale(4200)
	first := h.take(in)
	other := h.actor
	other.UserID, other.Name = domain.NewUserID(), "Tom Birch"
	if _, err := h.owner.Exec(`insert into users (id, email, name, created_at) values ($1, 'tom@example.com', 'Tom Birch', now())`, other.UserID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Take(t.Context(), other, in); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("%v", err)
	}
	for _, tt := range []struct {
		name  string
		actor domain.Actor
		key   string
		made  domain.PaymentID
		fresh bool
	}{
		{"who used it", h.actor, in.Key, first.PaymentID, false},
		{"somebody else", other, in.Key, domain.PaymentID{}, false},
		{"a key that nobody used", h.actor, payments.NewKey(), domain.PaymentID{}, true},
		{"what is no key", h.actor, "1", domain.PaymentID{}, false},
	} {
		made, fresh, err := h.svc.Attempt(t.Context(), tt.actor, tt.key)
		if err != nil || made != tt.made || fresh != tt.fresh {
			t.Errorf("%s: %s, fresh %v, %v", tt.name, made, fresh, err)
		}
	}
}

func TestTheListOfCardsIsPagedByKeyset(t *testing.T) {
	h := newHouse(t)
	err := h.store.InTenant(t.Context(), h.merchant.ID, func(tx *store.Tx) error {
		for i := range 7 {
			c := domain.StoredCard{ID: domain.NewCardID(), ConnectionID: h.cardflo, Card: domain.Card{Brand: "Visa", Last4: fmt.Sprintf("%04d", i)}, Customer: fmt.Sprintf("Customer %d", i), CreatedAt: h.clock.now().Add(time.Duration(i) * time.Second)}
			if err := tx.InsertCard(t.Context(), c, []byte("sealed"), domain.TokenHash(c.ID.String())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	list := func(f domain.CardFilter) domain.CardPage {
		f.Connection, f.Limit = h.cardflo, 3
		l, err := h.svc.Cards(t.Context(), h.actor, h.merchant, f)
		if err != nil {
			t.Fatal(err)
		}
		return l.CardPage
	}
	names := func(p domain.CardPage) (s string) {
		for _, c := range p.Cards {
			s += c.Card.Last4 + " "
		}
		return s
	}
	first := list(domain.CardFilter{})
	second := list(domain.CardFilter{After: first.Older})
	last := list(domain.CardFilter{After: second.Older})
	back := list(domain.CardFilter{After: last.Newer})
	if names(first) != "0006 0005 0004 " || names(second) != "0003 0002 0001 " || names(last) != "0000 " || names(back) != names(second) || !first.Newer.IsZero() || !last.Older.IsZero() {
		t.Errorf("%s| %s| %s| %s", names(first), names(second), names(last), names(back))
	}
	if got := names(list(domain.CardFilter{Query: "0004"})); got != "0004 " {
		t.Errorf("by the last four: %s", got)
	}
	if got := names(list(domain.CardFilter{Query: "customer 2"})); got != "0002 " {
		t.Errorf("by the name: %s", got)
	}
}
