package webhooks_test

import (
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/webhooks"
)

// quarantined fails unless every callback waits for a person, and gives the
// reason of the newest.
func (h *house) quarantined() string {
	h.t.Helper()
	why := ""
	for _, c := range h.callbacks() {
		if c.Status != domain.CallbackQuarantined {
			h.t.Errorf("a callback is %s: %s", c.Status, c.Why)
		}
		why = c.Why
	}
	return why
}

func followUp(kind, uuid, of string, change map[string]any) map[string]any {
	n := notice(map[string]any{"uuid": uuid, "merchantTransactionId": "portal-" + uuid, "transactionType": kind, "referenceUuid": of})
	maps.Copy(n, change)
	return n
}

func chargebackOf(sale, uuid, amount string) map[string]any {
	return notice(map[string]any{"uuid": uuid, "merchantTransactionId": "auto-" + uuid, "transactionType": "CHARGEBACK", "amount": amount,
		"chargebackData": map[string]any{"originalUuid": sale, "amount": amount, "currency": "GBP"}})
}

// What the database cannot hold must reach a person, and not be tried for ever.
func TestAFollowUpThatTheBooksCannotHoldNeedsAPerson(t *testing.T) {
	for name, tell := range map[string]func(h *house, sale string) map[string]any{
		"a refund of nothing": func(h *house, sale string) map[string]any {
			return followUp("REFUND", "rf0000000000000000aa", sale, map[string]any{"amount": "0.00"})
		},
		"a capture of nothing": func(h *house, sale string) map[string]any {
			return followUp("CAPTURE", "ca0000000000000000aa", sale, map[string]any{"amount": "0.00"})
		},
		"a second void": func(h *house, sale string) map[string]any {
			h.tell(followUp("VOID", "vo0000000000000000aa", sale, map[string]any{"amount": nil, "currency": nil}))
			return followUp("VOID", "vo0000000000000000ab", sale, map[string]any{"amount": nil, "currency": nil})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			x := h.sale(10000)
			told := tell(h, x.ProviderRef)
			_, err := h.owner.Exec(`delete from callbacks`)
			must(t, err)
			before := h.money()
			h.tell(told)
			h.advance(11 * time.Minute)
			h.handle()
			if why := h.quarantined(); why == "" {
				t.Error("it is quarantined without a reason")
			}
			if now := h.money(); now != before {
				t.Errorf("the books changed:\n%s\nbefore:\n%s", now, before)
			}
		})
	}
}

func TestAVoidTakesOutWhatTheSettlementLeft(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	h.tell(h.about(x, map[string]any{"notificationSource": "settlement", "amount": "90.00", "originalAmount": "100.00", "originalCurrency": "GBP"}))
	h.tell(followUp("VOID", "vo0000000000000000aa", x.ProviderRef, map[string]any{"amount": nil, "currency": nil}))
	if d := h.get(x.PaymentID); !d.Payment.Captured.IsZero() || d.Payment.Status != domain.PaymentVoided {
		t.Errorf("captured %s, %s", d.Payment.Captured, d.Payment.Status)
	}
}

// A second chargeback after a reversal may arrive before the reversal does.
func TestAChargebackWaitsForTheReversalThatMakesRoomForIt(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	h.tell(chargebackOf(x.ProviderRef, "cb0000000000000000aa", "100.00"))
	h.tell(chargebackOf(x.ProviderRef, "cb0000000000000000ab", "100.00"))
	h.tell(notice(map[string]any{"uuid": "cr0000000000000000aa", "merchantTransactionId": "auto-r", "transactionType": "CHARGEBACK-REVERSAL", "amount": "100.00",
		"chargebackReversalData": map[string]any{"originalUuid": x.ProviderRef, "chargebackUuid": "cb0000000000000000aa", "amount": 100, "currency": "GBP"}}))
	h.handle()
	if d := h.get(x.PaymentID); d.Payment.ChargedBack != money.FromMinor(10000, gbp) || d.Payment.Status != domain.PaymentDisputed {
		t.Errorf("charged back %s, %s", d.Payment.ChargedBack, d.Payment.Status)
	}
}

// A refund may arrive before the void of the refund that used up what was left.
func TestARefundWaitsForTheVoidThatMakesRoomForIt(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	h.tell(followUp("REFUND", "rf0000000000000000aa", x.ProviderRef, map[string]any{"amount": "100.00"}))
	h.tell(followUp("REFUND", "rf0000000000000000ab", x.ProviderRef, map[string]any{"amount": "60.00"}))
	h.tell(followUp("VOID", "vo0000000000000000aa", "rf0000000000000000aa", map[string]any{"amount": nil, "currency": nil}))
	h.handle()
	if d := h.get(x.PaymentID); d.Payment.Refunded != money.FromMinor(6000, gbp) {
		t.Errorf("refunded %s, %s", d.Payment.Refunded, d.Payment.Status)
	}
}

// "We knew it already" is said of the same thing only.
func TestAChargebackUnderAKnownReferenceIsNotTakenForKnown(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	h.tell(chargebackOf(x.ProviderRef, x.ProviderRef, "100.00")) // the sale's own uuid
	h.quarantined()
	h.tell(chargebackOf(x.ProviderRef, "cb0000000000000000aa", "30.00"))
	h.tell(chargebackOf(x.ProviderRef, "cb0000000000000000aa", "40.00"))
	h.tell(notice(map[string]any{"uuid": "cb0000000000000000aa", "merchantTransactionId": "auto-r", "transactionType": "CHARGEBACK-REVERSAL", "amount": "30.00",
		"chargebackReversalData": map[string]any{"originalUuid": x.ProviderRef, "amount": 30, "currency": "GBP"}}))
	if n := h.count(`select count(*) from callbacks where status = 'quarantined'`); n != 3 {
		t.Errorf("%d callbacks wait for a person, want 3", n)
	}
	if d := h.get(x.PaymentID); d.Payment.ChargedBack != money.FromMinor(3000, gbp) {
		t.Errorf("charged back %s", d.Payment.ChargedBack)
	}
}

// Two connections to one account: the terminal's call about the one's payment
// reaches the address of the other.
func TestACallAboutAnotherConnectionsAttemptIsNotBookedAgain(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	must(t, h.receive("handpoint", h.handpoint, h.result(map[string]any{"transactionReference": x.AttemptRef})))
	h.handle()
	h.quarantined()
	if n := h.count(`select count(*) from payments`); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
}

// A run names what began its schedule, which may well be known here.
func TestARunThatNamesTheBeginningOfItsScheduleIsAPayment(t *testing.T) {
	h := newHouse(t)
	x := h.sale(990)
	h.tell(notice(map[string]any{"uuid": "sc0000000000000000ab", "merchantTransactionId": "auto-run-1", "amount": "9.90", "referenceUuid": x.ProviderRef,
		"scheduleData": map[string]any{"scheduleId": "SC-1234-1234"}}))
	if n := h.count(`select count(*) from payments where method = 'schedule' and status = 'approved'`); n != 1 {
		t.Errorf("%d payments of the schedule, want 1", n)
	}
}

// Its credentials are gone, so a call that still waited can never be read.
func TestACallThatWaitsWhenItsConnectionIsRemovedNeedsAPerson(t *testing.T) {
	h := newHouse(t)
	h.tell(notice(map[string]any{"uuid": "no0000000000000000ff"}))
	if n := len(h.unhandled()); n != 1 {
		t.Fatalf("%d callbacks wait, want 1", n)
	}
	must(t, h.conns.Remove(t.Context(), h.actor, h.cardflo))
	h.handle()
	if why := h.quarantined(); !strings.Contains(why, "removed") {
		t.Errorf("reason %q", why)
	}
}

// The provider told of it, so that it cannot have "never arrived", whatever a
// question by a reference that we made up is answered.
func TestWhatAProviderToldOfIsNeverNotCharged(t *testing.T) {
	h := newHouse(t)
	must(t, h.receive("handpoint", h.handpoint, h.result(map[string]any{"finStatus": "IN_PROGRESS"})))
	h.handle()
	var id domain.TransactionID
	must(t, h.owner.QueryRow(`select id from transactions`).Scan(&id))
	for range 5 {
		h.advance(3 * time.Minute)
		r, err := h.payments.Resolve(t.Context(), h.merchant, id)
		must(t, err)
		if !r.Status.Open() || r.Again == 0 {
			t.Fatalf("it became %s, again after %s", r.Status, r.Again)
		}
	}
	h.advance(payments.GiveUpAfter)
	if r, err := h.payments.Resolve(t.Context(), h.merchant, id); err != nil || r.Status != domain.TxNeedsPerson {
		t.Errorf("after a day: %s (%v)", r.Status, err)
	}
}

// A flood of calls that prove nothing must not queue for one lock, each with a
// connection of the pool in hand.
func TestAFloodOfRefusalsWaitsForNobody(t *testing.T) {
	h := newHouse(t)
	call := h.result(nil)
	call.Header["Auth-Token"] = []string{"wrong"}
	locks := 0
	refuse := func() {
		t.Helper()
		if err := h.receive("handpoint", h.handpoint, call); domain.CodeOf(err) != domain.Unauthorized {
			t.Error(err)
		}
	}
	h.store.OnStatement(func(q string) {
		if strings.Contains(q, "advisory") {
			locks++
		}
	})
	defer h.store.OnStatement(nil)
	for range 10 {
		refuse()
	}
	if locks != 1 {
		t.Errorf("%d refusals of ten waited for a lock, want 1", locks)
	}
	h.advance(61 * time.Second)
	refuse()
	if n := h.count(`select count(*) from audit_log where action = 'callback.refused'`); n != 2 {
		t.Errorf("%d audit rows, want 2", n)
	}
}

// While we were down nothing could become known, so that time is not waited.
func TestWhatWaitedWhileWeWereDownWaitsAnew(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(10000)
	id := h.uuidOf(x)
	must(t, h.receive("cardflo", h.cardflo, h.signed(chargebackOf(id, "cb0000000000000000aa", "30.00"))))
	h.advance(time.Hour)
	h.hooks = webhooks.New(h.store, h.payments, h.now, slog.New(slog.DiscardHandler))
	h.handle()
	h.tell(h.about(x, nil))
	if d := h.get(x.PaymentID); d.Payment.ChargedBack != money.FromMinor(3000, gbp) {
		t.Errorf("charged back %s", d.Payment.ChargedBack)
	}
}

// Only what money came in or went out by has an amount that a settlement can
// change, or that a bank can take back.
func TestWhatBroughtNoMoneyIsNeitherAdjustedNorChargedBack(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	h.tell(chargebackOf(x.ProviderRef, "cb0000000000000000aa", "30.00"))
	h.tell(followUp("REFUND", "rf0000000000000000aa", x.ProviderRef, map[string]any{"amount": "20.00"}))
	_, err := h.owner.Exec(`delete from callbacks`)
	must(t, err)
	before := h.money()
	changed := chargebackOf(x.ProviderRef, "cb0000000000000000aa", "25.00")
	maps.Copy(changed, map[string]any{"notificationSource": "settlement", "originalAmount": "30.00", "originalCurrency": "GBP"})
	h.tell(changed)
	h.tell(chargebackOf("rf0000000000000000aa", "cb0000000000000000ab", "10.00"))
	h.quarantined()
	if now := h.money(); now != before {
		t.Errorf("the books changed:\n%s\nbefore:\n%s", now, before)
	}
}

// A part of a hold is released by a void too, and the notification says no more
// than its amount.
func TestAVoidOfAPartReleasesAPartAndAVoidOfAllReleasesTheHold(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	// Pre-authorisations are not taken here yet: the sale becomes one.
	for _, q := range []string{`update transactions set type = 'preauth'`, `update payments set captured_minor = 0, status = 'authorised'`} {
		_, err := h.owner.Exec(q)
		must(t, err)
	}
	void := func(uuid, amount string) map[string]any {
		return notice(map[string]any{"uuid": uuid, "merchantTransactionId": "portal-" + uuid, "transactionType": "VOID", "amount": amount, "referenceUuid": x.ProviderRef})
	}
	h.tell(void("vo0000000000000000aa", "40.00"))
	d := h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentAuthorised || d.Transactions[0].Type != domain.Decrement || d.Transactions[0].Amount != money.FromMinor(4000, gbp) {
		t.Errorf("%s, %s of %s", d.Payment.Status, d.Transactions[0].Type, d.Transactions[0].Amount)
	}
	h.tell(void("vo0000000000000000ab", "60.00"))
	d = h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentVoided || d.Transactions[0].Type != domain.Void {
		t.Errorf("%s, %s", d.Payment.Status, d.Transactions[0].Type)
	}
	if n := h.count(`select count(*) from callbacks where status <> 'applied'`); n != 0 {
		t.Errorf("%d calls were not applied", n)
	}
}
