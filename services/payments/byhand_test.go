package payments_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"

	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

// waiting is a sale that nobody had an answer about for a day. lost says that the
// provider did carry it out.
func (h *house) waiting(t *testing.T, in payments.TakeInput, lost bool) payments.Taken {
	t.Helper()
	emulator := interface{ Kit() *kit.Kit }(h.sandbox.Handpoint)
	if in.ConnectionID == h.cardflo {
		emulator = h.sandbox.Cardflo
	}
	kind := kit.FaultDropBefore
	if lost {
		kind = kit.FaultDropAfter
	}
	h.fault(emulator, kit.Fault{Kind: kind})
	taken := h.take(in)
	h.clock.advance(payments.GiveUpAfter)
	h.fault(emulator, kit.Fault{Kind: kit.FaultStatus, Status: 503})
	if r := h.resolve(taken.TransactionID); r.Status != domain.TxNeedsPerson || r.Again != 0 {
		t.Fatalf("after a day: %+v", r)
	}
	return taken
}

func hand(taken payments.Taken, yes bool) payments.ByHandInput {
	return payments.ByHandInput{PaymentID: taken.PaymentID, TransactionID: taken.TransactionID, Happened: yes, Known: true, Note: "Called them, Priya sees it in their list"}
}

func (h *house) sale(id domain.PaymentID) (domain.Payment, domain.Transaction) {
	d := h.get(id)
	return d.Payment, d.Sale()
}

func TestAPersonsWordIsBookedWithTheirNameAndNote(t *testing.T) {
	for _, yes := range []bool{true, false} {
		h := newHouse(t)
		taken := h.waiting(t, h.cardSale(4200), false)
		if d := h.get(taken.PaymentID); d.Why[domain.ActSettle] != domain.Possible || !d.ForPerson[taken.TransactionID] {
			t.Fatalf("settling by hand: %q, %v", d.Why[domain.ActSettle], d.ForPerson)
		}
		in := hand(taken, yes)
		in.ProviderRef = "hp-77213"
		status, err := h.svc.SettleByHand(t.Context(), h.actor, in)
		if err != nil {
			t.Fatal(err)
		}
		p, x := h.sale(taken.PaymentID)
		want, captured := domain.TxFailed, int64(0)
		if yes {
			want, captured = domain.TxApproved, 4200
		}
		if status != want || x.Status != want || x.Reason != domain.ReasonByHand || p.Captured.Minor() != captured || x.ProviderRef != "hp-77213" {
			t.Errorf("yes %v: %s, %s because %s, captured %s, reference %q", yes, status, x.Status, x.Reason, p.Captured, x.ProviderRef)
		}
		if x.Hand.Status != want || x.Hand.ByName != h.actor.Name || x.Hand.Note != in.Note || !x.Hand.At.Equal(h.clock.now()) {
			t.Errorf("what was written down: %+v", x.Hand)
		}
		var n int
		if err := h.owner.QueryRow(`select count(*) from audit_log where action = 'payment.sale.settled' and result = $1 and detail ->> 'by' = 'person' and detail ->> 'note' = $2 and actor = $3`,
			string(want), in.Note, h.actor.UserID.String()).Scan(&n); err != nil || n != 1 {
			t.Errorf("%d audit rows (%v), want 1", n, err)
		}
		if _, err := h.svc.SettleByHand(t.Context(), h.actor, in); domain.CodeOf(err) != domain.Conflict {
			t.Errorf("a second word: %v", err)
		}
	}
}

func TestAPersonsWordIsRefusedWhereTheProviderCanStillBeAsked(t *testing.T) {
	h := newHouse(t)
	h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropBefore})
	open := h.take(h.cardSale(4200))
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, hand(open, true)); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("while we are asking: %v", err)
	}
	// Credentials that were taken away leave nothing to ask by, but what was sent a
	// moment ago may still be on its way.
	if _, err := h.owner.Exec(`delete from connection_secrets where connection_id = $1`, h.handpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := h.owner.Exec(`update transactions set last_send_at = $1`, h.clock.now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, hand(open, false)); domain.CodeOf(err) != domain.Conflict || !strings.Contains(domain.FieldsOf(err)["transaction"], "on its way") {
		t.Errorf("before the last moment of sending: %v", err)
	}
	h.clock.advance(time.Second)
	cashier := h.actor
	cashier.Role = domain.Cashier
	if _, err := h.svc.SettleByHand(t.Context(), cashier, hand(open, false)); domain.CodeOf(err) != domain.Forbidden {
		t.Errorf("as a cashier: %v", err)
	}
	for name, edit := range map[string]func(*payments.ByHandInput){
		"note":         func(in *payments.ByHandInput) { in.Note = "  fourteen chars  " },
		"happened":     func(in *payments.ByHandInput) { in.Known = false },
		"provider_ref": func(in *payments.ByHandInput) { in.ProviderRef = "two words" },
	} {
		in := hand(open, false)
		edit(&in)
		if name == "note" {
			in.Note = "fourteen chars"
		}
		if _, err := h.svc.SettleByHand(t.Context(), h.actor, in); domain.FieldsOf(err)[name] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := hand(open, false)
	in.Note = "customer read out 4111 1111 1111 1111 to me"
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, in); domain.FieldsOf(err)["note"] == "" {
		t.Errorf("a card number in the note: %v", err)
	}
	in = hand(open, false)
	in.TransactionID = domain.NewTransactionID()
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, in); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("of nothing: %v", err)
	}
	if _, x := h.sale(open.PaymentID); !x.Status.Open() {
		t.Fatalf("something was written down: %s", x.Status)
	}
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, hand(open, false)); err != nil {
		t.Errorf("where nothing can be asked any more: %v", err)
	}
}

func TestAReferenceOfAnotherOperationIsNotTaken(t *testing.T) {
	h := newHouse(t)
	_, first := h.sale(h.take(h.cardSale(100)).PaymentID)
	taken := h.waiting(t, h.cardSale(4200), false)
	in := hand(taken, true)
	in.ProviderRef = first.ProviderRef
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, in); domain.FieldsOf(err)["provider_ref"] == "" {
		t.Errorf("got %v", err)
	}
	if _, x := h.sale(taken.PaymentID); x.Status != domain.TxNeedsPerson {
		t.Errorf("it is %s", x.Status)
	}
}

func TestALateApprovalWinsOverAPersonsNoAndBothAreKept(t *testing.T) {
	h := newHouse(t)
	taken := h.waiting(t, h.cardSale(4200), true)
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, hand(taken, false)); err != nil {
		t.Fatal(err)
	}
	said := h.clock.now()
	h.clock.advance(time.Hour)
	if err := h.svc.Ask(t.Context(), h.actor, taken.PaymentID); err != nil {
		t.Fatal(err)
	}
	p, x := h.sale(taken.PaymentID)
	if x.Status != domain.TxApproved || p.Captured.Minor() != 4200 || x.Reason != domain.ReasonNone {
		t.Errorf("%s because %q, captured %s", x.Status, x.Reason, p.Captured)
	}
	if x.Before.Status != domain.TxFailed || x.Before.Reason != domain.ReasonByHand || !x.Before.At.Equal(said) || !x.SettledAt.Equal(h.clock.now()) || x.Hand.Status != domain.TxFailed {
		t.Errorf("before: %+v, by hand: %+v, settled at %s", x.Before, x.Hand, x.SettledAt)
	}
	if n := approved(h.sandbox.Handpoint); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

func TestAProvidersNoAfterAPersonsYesIsShownAndOverwritesNothing(t *testing.T) {
	h := newHouse(t)
	taken := h.waiting(t, h.tokenSale(4200, sandboxcardflo.TokenApprove), false)
	if _, err := h.svc.SettleByHand(t.Context(), h.actor, hand(taken, true)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.clock.advance(time.Hour)
		if err := h.svc.Ask(t.Context(), h.actor, taken.PaymentID); err != nil {
			t.Fatal(err)
		}
	}
	d := h.get(taken.PaymentID)
	x := d.Sale()
	if x.Status != domain.TxApproved || d.Payment.Captured.Minor() != 4200 || x.Said.Verdict != domain.SaidAbsent {
		t.Errorf("%s, captured %s, the provider said %q", x.Status, d.Payment.Captured, x.Said.Verdict)
	}
	if diff := domain.Differences(d.Payment, d.Transactions, x); len(diff) != 1 || diff[0] != "Outcome" {
		t.Errorf("the differences are %v", diff)
	}
	var n int
	if err := h.owner.QueryRow(`select count(*) from audit_log where action = 'payment.sale.differs' and result = 'absent'`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d audit rows (%v) for one difference that was seen twice, want 1", n, err)
	}
}

func TestAskComparesWhatIsFinalAndAdoptsNothing(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.cardSale(4200))
	h.clock.advance(time.Minute)
	d := h.get(taken.PaymentID)
	if s := d.Sale().Said; s.Verdict != domain.SaidApproved || s.Op != "sale" || s.Amount == nil || *s.Amount != 4200 || s.Ref != d.Sale().ProviderRef || s.Last4 == "" {
		t.Errorf("after the sale the provider said %+v", s)
	}
	if err := h.svc.Ask(t.Context(), h.actor, taken.PaymentID); err != nil {
		t.Fatal(err)
	}
	d = h.get(taken.PaymentID)
	if s := d.Sale().Said; s.Op != "status" || !s.At.Equal(h.clock.now()) || len(domain.Differences(d.Payment, d.Transactions, d.Sale())) != 0 {
		t.Errorf("asked again it said %+v, which differs in %v", s, domain.Differences(d.Payment, d.Transactions, d.Sale()))
	}
	// Our own record is wrong by ten pence.
	if _, err := h.owner.Exec(`update transactions set amount_minor = 4210, said = null`); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Minute)
	if err := h.svc.Ask(t.Context(), h.actor, taken.PaymentID); err != nil {
		t.Fatal(err)
	}
	d = h.get(taken.PaymentID)
	if diff := domain.Differences(d.Payment, d.Transactions, d.Sale()); len(diff) != 1 || diff[0] != "Amount" {
		t.Errorf("the differences are %v", diff)
	}
	if d.Sale().Amount.Minor() != 4210 || d.Sale().Status != domain.TxApproved || d.Payment.Status != domain.PaymentApproved {
		t.Errorf("the record became %s, %s", d.Sale().Amount, d.Sale().Status)
	}
	if got := h.auditActions(); got[len(got)-1] != "payment.sale.differs:approved" {
		t.Errorf("audit %v", got)
	}
	analyst := h.actor
	analyst.Role = domain.Analyst
	if err := h.svc.Ask(t.Context(), analyst, taken.PaymentID); domain.CodeOf(err) != domain.Forbidden {
		t.Errorf("as an analyst: %v", err)
	}
	if err := h.svc.Ask(t.Context(), h.actor, domain.PaymentID{UUID: uuid.New()}); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("of nothing: %v", err)
	}
}

func TestAnAnswerThatIsLateDoesNotHideANewerOne(t *testing.T) {
	h := newHouse(t)
	taken := h.take(h.cardSale(4200))
	now := h.clock.now()
	h.clock.advance(-time.Minute)
	h.clock.advance(0)
	if err := h.svc.Ask(t.Context(), h.actor, taken.PaymentID); err != nil {
		t.Fatal(err)
	}
	if _, x := h.sale(taken.PaymentID); !x.Said.At.Equal(now) || x.Said.Op != "sale" {
		t.Errorf("what was said at %s is gone: %+v", now, x.Said)
	}
}

// TestWhatWaitsForAPersonIsAskedAboutOnceADay: the provider may find out before
// the person does.
func TestWhatWaitsForAPersonIsAskedAboutOnceADay(t *testing.T) {
	h := newHouse(t)
	taken := h.waiting(t, h.cardSale(4200), true)
	queued := func() (n int) {
		t.Helper()
		if err := jobs.Sweep(t.Context(), h.store, h.svc.Log, h.clock.now()); err != nil {
			t.Fatal(err)
		}
		if err := h.owner.QueryRow(`select count(*) from river.river_job where kind = 'resolve_transaction' and state in ('available', 'scheduled')`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := h.owner.Exec(`delete from river.river_job`); err != nil {
		t.Fatal(err)
	}
	if n := queued(); n != 0 {
		t.Errorf("%d jobs at once, want none", n)
	}
	for day := range 3 {
		h.clock.advance(payments.AskPersonEvery)
		if n := queued(); n != 1 {
			t.Fatalf("day %d: %d jobs, want 1", day, n)
		}
		if n := queued(); n != 1 {
			t.Fatalf("day %d: a second sweep makes it %d jobs", day, n)
		}
		if _, err := h.owner.Exec(`delete from river.river_job`); err != nil {
			t.Fatal(err)
		}
		if day < 2 {
			h.fault(h.sandbox.Handpoint, kit.Fault{Kind: kit.FaultStatus, Status: 503})
		}
		r := h.resolve(taken.TransactionID)
		if want := map[bool]domain.TransactionStatus{true: domain.TxNeedsPerson, false: domain.TxApproved}[day < 2]; r.Status != want || r.Again != 0 {
			t.Fatalf("day %d: %+v, want %s", day, r, want)
		}
		if n := queued(); n != 0 {
			t.Errorf("day %d: %d jobs after the question, want none", day, n)
		}
	}
}
