package payments_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/store"
)

// person adds somebody who works at the shop.
func (h *house) person(name string, role domain.Role) domain.Actor {
	h.t.Helper()
	a := domain.Actor{UserID: domain.NewUserID(), Name: name, MerchantID: h.merchant.ID, Role: role, IP: "192.0.2.2", RequestID: "req-2"}
	h.exec(`insert into users (id, email, name, created_at) values ($1, $2, $3, now())`, a.UserID, a.UserID.String()+"@example.com", name)
	h.join(a)
	return a
}

func (h *house) join(a domain.Actor) {
	h.t.Helper()
	h.exec(`insert into memberships (merchant_id, user_id, role, created_at) values ($1, $2, $3, now())`, h.merchant.ID, a.UserID, a.Role)
}

func (h *house) exec(q string, args ...any) {
	h.t.Helper()
	if _, err := h.owner.Exec(q, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) number(q string, args ...any) int {
	h.t.Helper()
	var n int
	if err := h.owner.QueryRow(q, args...).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

var none = domain.Threshold{}

// limit puts a limit on managers.
func (h *house) limit(action domain.TransactionType, per domain.Per, stepUp, approval domain.Threshold) {
	h.t.Helper()
	l := domain.Limit{ID: domain.NewLimitID(), Role: domain.Manager, Action: action, Currency: gbp, Per: per, StepUpAbove: stepUp, ApprovalAbove: approval, ChangedAt: h.clock.now()}
	err := h.store.InTenant(h.t.Context(), h.merchant.ID, func(tx *store.Tx) error { return tx.PutLimit(h.t.Context(), l, h.actor) })
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) refundOf(p domain.PaymentID, minor int64) payments.ActInput {
	return payments.ActInput{Key: payments.NewKey(), PaymentID: p, Action: domain.ActRefund, Amount: money.FromMinor(minor, gbp), Reason: "returned"}
}

const why = "Returned unopened"

func (h *house) ask(p domain.PaymentID, minor int64) domain.ApprovalID {
	h.t.Helper()
	id, err := h.svc.AskApproval(h.t.Context(), h.actor, h.refundOf(p, minor), why)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// approval is what the approver's form sends, with both factors proven for it.
func (h *house) approval(actor domain.Actor, id domain.ApprovalID) payments.ApproveInput {
	h.t.Helper()
	var a domain.Approval
	err := h.store.ReadTenant(h.t.Context(), h.merchant.ID, func(tx *store.Tx) (err error) {
		a, err = tx.Approval(h.t.Context(), id)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return payments.ApproveInput{ID: id, Amount: a.Amount, Proof: domain.Proof{UserID: actor.UserID, Purpose: a.Purpose(), At: h.clock.now()}}
}

func TestTheFirstThresholdOpensForFiveMinutesUpToTheSecond(t *testing.T) {
	h := newHouse(t)
	h.limit(domain.Refund, domain.PerItem, domain.Above(10000), domain.Above(40000))
	sold := h.take(h.cardSale(200000))
	for _, c := range []struct {
		name   string
		minor  int64
		ago    time.Duration
		never  bool
		code   domain.Code
		naming string
	}{
		{"at the first, never stepped up", 10000, 0, true, "", ""},
		{"above the first, never stepped up", 10001, 0, true, domain.NeedsStepUp, "Refunds above 100.00"},
		{"above the first, just stepped up", 10001, 0, false, "", ""},
		{"at the second, five minutes ago", 40000, 5 * time.Minute, false, "", ""},
		{"above the first, a moment more than five minutes ago", 10001, 5*time.Minute + time.Microsecond, false, domain.NeedsStepUp, ""},
		{"above the second, just stepped up", 40001, 0, false, domain.NeedsApproval, "Refunds above 400.00"},
	} {
		actor := h.actor
		if !c.never {
			actor.SteppedUpAt = h.clock.now().Add(-c.ago)
		}
		before := len(h.get(sold.PaymentID).Transactions)
		_, err := h.svc.Act(t.Context(), actor, h.refundOf(sold.PaymentID, c.minor))
		words := strings.ReplaceAll(domain.MessageOf(err), "\u00a0", " ")
		if domain.CodeOf(err) != c.code || err != nil && (!strings.HasPrefix(words, "Nothing was refunded. ") || !strings.Contains(words, c.naming)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if made := len(h.get(sold.PaymentID).Transactions) - before; (made == 1) != (c.code == "") {
			t.Errorf("%s: %d transactions were written", c.name, made)
		}
		var beyond *payments.Beyond
		if errors.As(err, &beyond) != (c.code == domain.NeedsApproval) {
			t.Errorf("%s: %T does not say what was wanted", c.name, err)
		}
	}
}

func TestAFormThatNeededMoreCanBeSentAgainWithTheSameKey(t *testing.T) {
	h := newHouse(t)
	h.limit(domain.Refund, domain.PerItem, domain.Above(10000), none)
	sold := h.take(h.cardSale(20000))
	in, actor := h.refundOf(sold.PaymentID, 15000), h.actor
	if _, err := h.svc.Act(t.Context(), actor, in); domain.CodeOf(err) != domain.NeedsStepUp {
		t.Fatal(err)
	}
	actor.SteppedUpAt = h.clock.now()
	for i := range 2 {
		if done, err := h.svc.Act(t.Context(), actor, in); err != nil || done.Status != domain.TxApproved || done.Replayed != (i == 1) {
			t.Errorf("time %d: %+v, %v", i, done, err)
		}
	}
}

func TestVoidsOfSalesHaveLimitsAndVoidsOfHoldsHaveNone(t *testing.T) {
	h := newHouse(t)
	h.limit(domain.Void, domain.PerItem, none, domain.Above(1000))
	sold := h.take(h.cardSale(4200))
	in := payments.ActInput{Key: payments.NewKey(), PaymentID: sold.PaymentID, Action: domain.ActVoid}
	_, err := h.svc.Act(t.Context(), h.actor, in)
	var beyond *payments.Beyond
	if !errors.As(err, &beyond) || beyond.Amount != money.FromMinor(4200, gbp) {
		t.Fatalf("void of a sale above the limit: %v", err)
	}
	h.join(h.actor)
	mara := h.person("Mara Quill", domain.Manager)
	beyond.Wanted.Key = domain.NewApprovalID().String()
	id, err := h.svc.AskApproval(t.Context(), h.actor, beyond.Wanted, why)
	if err != nil {
		t.Fatal(err)
	}
	done, err := h.svc.Approve(t.Context(), mara, h.approval(mara, id))
	if err != nil || done.Status != domain.TxApproved {
		t.Errorf("approved: %+v, %v", done, err)
	}
	if d := h.get(sold.PaymentID); d.Payment.Status != domain.PaymentVoided {
		t.Errorf("the payment is %s", d.Payment.Status)
	}
}

func TestFiftyRefundsAtOnceKeepWithinTheDay(t *testing.T) {
	h := newHouse(t)
	h.limit(domain.Refund, domain.PerDay, none, domain.Above(100000))
	var sold []domain.PaymentID
	for range 50 {
		sold = append(sold, h.take(h.cardSale(6000)).PaymentID)
	}
	var wg sync.WaitGroup
	var through, asked atomic.Int64
	for _, p := range sold {
		wg.Go(func() {
			switch _, err := h.svc.Act(t.Context(), h.actor, h.refundOf(p, 5000)); domain.CodeOf(err) {
			case "":
				through.Add(1)
			case domain.NeedsApproval:
				asked.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if through.Load() != 20 || asked.Load() != 30 {
		t.Errorf("%d went through and %d need approval, want 20 and 30", through.Load(), asked.Load())
	}
	if n := h.number(`select coalesce(sum(amount_minor), 0) from transactions where type = 'refund'`); n != 100000 {
		t.Errorf("%d was refunded on the day", n)
	}
}

// The day is the merchant's own: London's clocks go back on 25 October 2026, so
// that day has 25 hours, and forward on 29 March 2026, which has 23.
func TestTheDayIsTheMerchantsOwn(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second time.Time
		same          bool
	}{
		{"an ordinary day", time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC), true},
		{"over midnight", time.Date(2026, 11, 20, 23, 59, 59, 999_000_000, time.UTC), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), false},
		{"summer: midnight is 23:00 UTC", time.Date(2026, 7, 1, 22, 59, 59, 0, time.UTC), time.Date(2026, 7, 1, 23, 0, 0, 0, time.UTC), false},
		{"summer: one day over midnight UTC", time.Date(2026, 7, 1, 23, 30, 0, 0, time.UTC), time.Date(2026, 7, 2, 22, 30, 0, 0, time.UTC), true},
		{"25 hours", time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 23, 59, 59, 0, time.UTC), true},
		{"and no more", time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC), time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC), false},
		{"23 hours", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 29, 22, 59, 59, 0, time.UTC), true},
		{"and no more than those", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 29, 23, 0, 0, 0, time.UTC), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.limit(domain.Refund, domain.PerDay, domain.Above(5000), none)
			h.clock.mu.Lock()
			h.clock.at = c.first
			h.clock.mu.Unlock()
			sold := h.take(h.cardSale(20000))
			if _, err := h.svc.Act(t.Context(), h.actor, h.refundOf(sold.PaymentID, 3000)); err != nil {
				t.Fatal(err)
			}
			h.clock.advance(c.second.Sub(c.first))
			_, err := h.svc.Act(t.Context(), h.actor, h.refundOf(sold.PaymentID, 3000))
			if needs := domain.CodeOf(err) == domain.NeedsStepUp; needs != c.same || err != nil && !needs {
				t.Errorf("the second one: %v", err)
			}
		})
	}
}

func TestWhatOthersDidIsNotInMyDay(t *testing.T) {
	h := newHouse(t)
	h.limit(domain.Refund, domain.PerDay, none, domain.Above(5000))
	mara := h.person("Mara Quill", domain.Manager)
	sold := h.take(h.cardSale(20000))
	for _, actor := range []domain.Actor{h.actor, mara} {
		if _, err := h.svc.Act(t.Context(), actor, h.refundOf(sold.PaymentID, 5000)); err != nil {
			t.Errorf("%s: %v", actor.Name, err)
		}
		if _, err := h.svc.Act(t.Context(), actor, h.refundOf(sold.PaymentID, 1)); domain.CodeOf(err) != domain.NeedsApproval {
			t.Errorf("%s, one penny more: %v", actor.Name, err)
		}
	}
}

func TestAnApprovedOperationIsDoneAtOnceInTheNameOfWhoAsked(t *testing.T) {
	h := newHouse(t)
	h.join(h.actor)
	mara := h.person("Mara Quill", domain.Manager)
	h.limit(domain.Refund, domain.PerItem, domain.Above(10000), domain.Above(40000))
	sold := h.take(h.cardSale(60000))
	id := h.ask(sold.PaymentID, 48000)
	if n := len(h.get(sold.PaymentID).Transactions); n != 1 {
		t.Fatalf("asking made %d transactions", n-1)
	}
	if asked := h.get(sold.PaymentID).Requests; len(asked) != 1 || asked[0].ID != id {
		t.Errorf("the payment's page shows the requests %+v", asked)
	}
	o, err := h.svc.Overview(t.Context(), mara, h.merchant)
	if err != nil || o.Approvals[domain.Refund] != 1 {
		t.Errorf("the approver's overview counts %v (%v)", o.Approvals, err)
	}
	if o, err := h.svc.Overview(t.Context(), h.actor, h.merchant); err != nil || len(o.Approvals) != 0 {
		t.Errorf("one's own request is counted: %v (%v)", o.Approvals, err)
	}
	done, err := h.svc.Approve(t.Context(), mara, h.approval(mara, id))
	if err != nil || done.Status != domain.TxApproved {
		t.Fatalf("%+v, %v", done, err)
	}
	d := h.get(sold.PaymentID)
	x := d.Transactions[0]
	if x.ID != done.TransactionID || x.Amount != money.FromMinor(48000, gbp) || x.CreatedBy != h.actor.UserID || x.CreatedName == mara.Name || x.ApprovedBy != "Mara Quill" {
		t.Errorf("the refund is %+v", x)
	}
	if len(d.Requests) != 0 {
		t.Errorf("the payment's page still shows %+v", d.Requests)
	}
	if d.Payment.Refunded != money.FromMinor(48000, gbp) {
		t.Errorf("refunded %s", d.Payment.Refunded)
	}
	a, err := h.svc.Approval(t.Context(), mara, id)
	if err != nil || a.Status != domain.ApprovalApproved || a.DecidedBy != mara.UserID || a.TransactionID != x.ID {
		t.Errorf("the request is %+v (%v)", a.Approval, err)
	}
	for q, want := range map[string]int{
		`select count(*) from audit_log where action = 'approval.requested' and actor = '` + h.actor.UserID.String() + `'`:                                                      1,
		`select count(*) from audit_log where action = 'approval.approved' and actor = '` + mara.UserID.String() + `' and detail->>'transaction' = '` + x.ID.String() + `'`:     1,
		`select count(*) from audit_log where action = 'payment.refund.requested' and actor = '` + h.actor.UserID.String() + `' and detail->>'approved_by_name' = 'Mara Quill'`: 1,
		`select count(*) from audit_log where action = 'payment.refund.requested' and ip = '` + mara.IP + `'`:                                                                   0,
		`select count(*) from audit_log where action = 'payment.refund.settled' and result = 'approved'`:                                                                        1,
		`select count(*) from idempotency_keys where key = '` + id.String() + `' and transaction_id = '` + x.ID.String() + `'`:                                                  1,
	} {
		if n := h.number(q); n != want {
			t.Errorf("%s: %d, want %d", q, n, want)
		}
	}
	// It counts in the day of who asked.
	h.limit(domain.Refund, domain.PerDay, none, domain.Above(48000))
	if _, err := h.svc.Act(t.Context(), h.actor, h.refundOf(sold.PaymentID, 1)); domain.CodeOf(err) != domain.NeedsApproval {
		t.Errorf("one penny more on that day: %v", err)
	}
}

func TestTwentyApproversAtOnceMakeOneTransaction(t *testing.T) {
	h := newHouse(t)
	h.join(h.actor)
	h.limit(domain.Refund, domain.PerItem, none, domain.Above(1000))
	sold := h.take(h.cardSale(60000))
	id := h.ask(sold.PaymentID, 2000)
	before := approved(h.sandbox.Handpoint)
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range 20 {
		actor := h.person(fmt.Sprintf("Approver %d", i), domain.Manager)
		in := h.approval(actor, id)
		wg.Go(func() {
			switch _, err := h.svc.Approve(t.Context(), actor, in); domain.CodeOf(err) {
			case "":
				won.Add(1)
			case domain.Conflict:
				if !strings.Contains(domain.MessageOf(err), "approved this already") {
					t.Error(err)
				}
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || len(h.get(sold.PaymentID).Transactions) != 2 || approved(h.sandbox.Handpoint)-before != 1 {
		t.Errorf("%d were told that they approved, %d transactions, %d at the provider", won.Load(), len(h.get(sold.PaymentID).Transactions)-1, approved(h.sandbox.Handpoint)-before)
	}
	if n := h.number(`select count(*) from audit_log where action = 'approval.approved'`); n != 1 {
		t.Errorf("%d audit rows of the approval", n)
	}
}

func TestWhatCannotBeApprovedChangesNothingAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  domain.Code
		words string
		try   func(h *house, mara domain.Actor, id domain.ApprovalID, sold domain.PaymentID) (domain.Actor, payments.ApproveInput)
	}{
		{"one's own", domain.Forbidden, "You asked for this yourself", func(h *house, _ domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			return h.actor, h.approval(h.actor, id)
		}},
		{"acting for who asked", domain.Forbidden, "while acting for somebody else", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			mara.OnBehalfOf = h.actor.UserID
			return mara, h.approval(mara, id)
		}},
		{"who asked, acting for another", domain.Forbidden, "while acting for somebody else", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			actor := h.actor
			actor.OnBehalfOf = mara.UserID
			return actor, h.approval(actor, id)
		}},
		{"a cashier", domain.Forbidden, "Cashier", func(h *house, _ domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			tom := h.person("Tom Birch", domain.Cashier)
			return tom, h.approval(tom, id)
		}},
		{"another amount", domain.Conflict, "another amount", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			in := h.approval(mara, id)
			in.Amount = money.FromMinor(47999, gbp)
			return mara, in
		}},
		{"no proof", domain.NeedsStepUp, "password and a code", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			in := h.approval(mara, id)
			in.Proof = domain.Proof{}
			mara.SteppedUpAt = h.clock.now() // five minutes for refunds are not enough
			return mara, in
		}},
		{"proof for another request", domain.NeedsStepUp, "password and a code", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			in := h.approval(mara, id)
			in.Proof.Purpose = "approve " + domain.NewApprovalID().String() + " refund 480.00 GBP"
			return mara, in
		}},
		{"somebody else's proof", domain.NeedsStepUp, "password and a code", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			in := h.approval(mara, id)
			in.Proof.UserID = h.actor.UserID
			return mara, in
		}},
		{"old proof", domain.NeedsStepUp, "password and a code", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			in := h.approval(mara, id)
			in.Proof.At = h.clock.now().Add(-2 * time.Minute)
			return mara, in
		}},
		{"expired", domain.Conflict, "expired", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			h.clock.advance(24 * time.Hour)
			return mara, h.approval(mara, id)
		}},
		{"refused", domain.Conflict, "Mara Quill refused", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			if err := h.svc.RefuseApproval(h.t.Context(), mara, id, "Ask the customer first"); err != nil {
				h.t.Fatal(err)
			}
			return mara, h.approval(mara, id)
		}},
		{"withdrawn", domain.Conflict, "took this request back", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			if err := h.svc.WithdrawApproval(h.t.Context(), h.actor, id); err != nil {
				h.t.Fatal(err)
			}
			return mara, h.approval(mara, id)
		}},
		{"the payment has too little left", domain.Conflict, "more than can be refunded", func(h *house, mara domain.Actor, id domain.ApprovalID, sold domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			if _, err := h.svc.Act(h.t.Context(), mara, h.refundOf(sold, 20000)); err != nil {
				h.t.Fatal(err)
			}
			return mara, h.approval(mara, id)
		}},
		{"who asked no longer works here", domain.Conflict, "no longer works here", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			h.exec(`delete from memberships where user_id = $1`, h.actor.UserID)
			return mara, h.approval(mara, id)
		}},
		{"who asked may no longer refund", domain.Conflict, "no longer allows this", func(h *house, mara domain.Actor, id domain.ApprovalID, _ domain.PaymentID) (domain.Actor, payments.ApproveInput) {
			h.exec(`update memberships set role = 'cashier' where user_id = $1`, h.actor.UserID)
			return mara, h.approval(mara, id)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.join(h.actor)
			mara := h.person("Mara Quill", domain.Manager)
			h.limit(domain.Refund, domain.PerItem, none, domain.Above(40000))
			sold := h.take(h.cardSale(60000))
			id := h.ask(sold.PaymentID, 48000)
			actor, in := c.try(h, mara, id, sold.PaymentID)
			_, err := h.svc.Approve(t.Context(), actor, in)
			said := domain.MessageOf(err) + " " + domain.FieldsOf(err)["amount"]
			if domain.CodeOf(err) != c.code || !strings.Contains(said, c.words) {
				t.Errorf("%v, want %s with %q", err, c.code, c.words)
			}
			if n := h.number(`select count(*) from transactions where type = 'refund' and amount_minor = 48000`); n != 0 {
				t.Errorf("%d refunds", n)
			}
			if n := h.number(`select count(*) from approvals where status = 'approved'`); n != 0 {
				t.Error("the request counts as approved")
			}
		})
	}
}

func TestARequestExpiresAfterADayAndIsMarkedOnce(t *testing.T) {
	h := newHouse(t)
	mara := h.person("Mara Quill", domain.Manager)
	h.limit(domain.Refund, domain.PerItem, none, domain.Above(1000))
	sold := h.take(h.cardSale(60000))
	id := h.ask(sold.PaymentID, 2000)
	h.clock.advance(24*time.Hour - time.Microsecond)
	if d, err := h.svc.Approval(t.Context(), mara, id); err != nil || d.Status != domain.ApprovalWaiting || d.Undecidable != "" {
		t.Errorf("a moment before: %s, %q (%v)", d.Status, d.Undecidable, err)
	}
	h.clock.advance(time.Microsecond)
	l, err := h.svc.Approvals(t.Context(), mara, false, domain.Cursor{})
	if err != nil || len(l.Waiting.Approvals) != 1 || l.Waiting.Approvals[0].At(h.clock.now()) != domain.ApprovalExpired {
		t.Errorf("the list: %+v (%v)", l, err)
	}
	if o, err := h.svc.Overview(t.Context(), mara, h.merchant); err != nil || len(o.Approvals) != 0 {
		t.Errorf("the overview still counts it: %v (%v)", o.Approvals, err)
	}
	for range 2 {
		if d, err := h.svc.Approval(t.Context(), mara, id); err != nil || d.Status != domain.ApprovalExpired {
			t.Errorf("%s (%v)", d.Status, err)
		}
	}
	if n := h.number(`select count(*) from audit_log where action = 'approval.expired' and actor = 'system'`); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	// What expired can be asked for again.
	if h.ask(sold.PaymentID, 2000) == id {
		t.Error("the same request came back")
	}
}

func TestWhoAsksAndForWhat(t *testing.T) {
	h := newHouse(t)
	h.limit(domain.Refund, domain.PerItem, none, domain.Above(1000))
	sold := h.take(h.cardSale(60000))
	ask := func(actor domain.Actor, in payments.ActInput, note string) error {
		_, err := h.svc.AskApproval(t.Context(), actor, in, note)
		return err
	}
	acting := h.actor
	acting.OnBehalfOf = domain.NewUserID()
	cashier := h.person("Tom Birch", domain.Cashier)
	for name, c := range map[string]struct {
		err  error
		want domain.Code
	}{
		"a short note":          {ask(h.actor, h.refundOf(sold.PaymentID, 2000), "  Returned "), domain.Invalid},
		"a card number":         {ask(h.actor, h.refundOf(sold.PaymentID, 2000), "Card 4111 1111 1111 1111"), domain.Invalid},
		"below the limit":       {ask(h.actor, h.refundOf(sold.PaymentID, 1000), why), domain.Conflict},
		"more than was taken":   {ask(h.actor, h.refundOf(sold.PaymentID, 60001), why), domain.Conflict},
		"while acting":          {ask(acting, h.refundOf(sold.PaymentID, 2000), why), domain.Forbidden},
		"a cashier":             {ask(cashier, h.refundOf(sold.PaymentID, 2000), why), domain.Forbidden},
		"no such payment":       {ask(h.actor, h.refundOf(domain.NewPaymentID(), 2000), why), domain.NotFound},
		"no reason of a refund": {ask(h.actor, payments.ActInput{Key: payments.NewKey(), PaymentID: sold.PaymentID, Action: domain.ActRefund, Amount: money.FromMinor(2000, gbp)}, why), domain.Invalid},
	} {
		if domain.CodeOf(c.err) != c.want {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
		}
	}
	if n := h.number(`select count(*) from approvals`); n != 0 {
		t.Fatalf("%d requests were written", n)
	}
	in := h.refundOf(sold.PaymentID, 2000)
	for range 2 {
		if err := ask(h.actor, in, why); err != nil {
			t.Error(err)
		}
	}
	if n := h.number(`select count(*) from approvals`) + h.number(`select count(*) from audit_log where action = 'approval.requested'`); n != 2 {
		t.Errorf("one form made %d rows, want one request and one audit row", n)
	}
	if err := ask(h.actor, h.refundOf(sold.PaymentID, 2000), why); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("a second request for the same: %v", err)
	}
	other := in
	other.Amount = money.FromMinor(3000, gbp)
	if err := ask(h.actor, other, why); domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("the same form with another amount: %v", err)
	}
}

func TestOnlyWhoAskedTakesItBackAndOnlyAnotherRefuses(t *testing.T) {
	h := newHouse(t)
	mara := h.person("Mara Quill", domain.Manager)
	h.limit(domain.Refund, domain.PerItem, none, domain.Above(1000))
	sold := h.take(h.cardSale(60000))
	id := h.ask(sold.PaymentID, 2000)
	if err := h.svc.WithdrawApproval(t.Context(), mara, id); domain.CodeOf(err) != domain.Conflict || !strings.Contains(domain.MessageOf(err), "Only") {
		t.Errorf("another takes it back: %v", err)
	}
	if err := h.svc.RefuseApproval(t.Context(), h.actor, id, "No"); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("who asked refuses: %v", err)
	}
	if err := h.svc.RefuseApproval(t.Context(), mara, id, "  "); domain.FieldsOf(err)["note"] == "" {
		t.Errorf("without a note: %v", err)
	}
	if err := h.svc.RefuseApproval(t.Context(), mara, id, "Ask the customer first"); err != nil {
		t.Error(err)
	}
	if err := h.svc.WithdrawApproval(t.Context(), h.actor, id); domain.CodeOf(err) != domain.Conflict || !strings.Contains(domain.MessageOf(err), "refused") {
		t.Errorf("a refused one is taken back: %v", err)
	}
	id = h.ask(sold.PaymentID, 2000)
	if err := h.svc.WithdrawApproval(t.Context(), h.actor, id); err != nil {
		t.Error(err)
	}
	for _, event := range []string{"approval.refused", "approval.withdrawn"} {
		if n := h.number(`select count(*) from audit_log where action = $1`, event); n != 1 {
			t.Errorf("%d audit rows %s", n, event)
		}
	}
	if _, err := h.owner.Exec(`update approvals set decided_by = requested_by where status = 'refused'`); err == nil {
		t.Error("the database lets who asked decide")
	}
}

func TestRequestsAreReadInPagesByABoundedNumberOfStatements(t *testing.T) {
	h := newHouse(t)
	mara := h.person("Mara Quill", domain.Manager)
	h.limit(domain.Refund, domain.PerItem, none, domain.Above(10))
	fill := func(n int) {
		for range n {
			sold := h.take(h.cardSale(1000))
			h.ask(sold.PaymentID, 100)
			h.clock.advance(time.Second)
		}
	}
	count := func(f func()) int {
		n := 0
		h.store.OnStatement(func(string) { n++ })
		f()
		h.store.OnStatement(nil)
		return n
	}
	list := func(after domain.Cursor, decided bool) payments.ApprovalList {
		l, err := h.svc.Approvals(t.Context(), mara, decided, after)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	fill(1)
	one := count(func() { list(domain.Cursor{}, false) })
	fill(49)
	var first payments.ApprovalList
	if many := count(func() { first = list(domain.Cursor{}, false) }); one != many || many > 2 {
		t.Errorf("%d statements for one request and %d for fifty", one, many)
	}
	second := list(first.Waiting.Next, false)
	if len(first.Waiting.Approvals) != 25 || len(second.Waiting.Approvals) != 25 || !second.Waiting.Next.IsZero() {
		t.Errorf("pages of %d and %d", len(first.Waiting.Approvals), len(second.Waiting.Approvals))
	}
	seen := map[domain.ApprovalID]bool{}
	last := time.Time{}
	for _, a := range append(first.Waiting.Approvals, second.Waiting.Approvals...) {
		if seen[a.ID] || a.RequestedAt.Before(last) {
			t.Errorf("%s is there twice, or in the wrong place", a.ID)
		}
		seen[a.ID], last = true, a.RequestedAt
		if err := h.svc.RefuseApproval(t.Context(), mara, a.ID, "All of them"); err != nil {
			t.Fatal(err)
		}
		h.clock.advance(time.Second)
	}
	over := list(domain.Cursor{}, true)
	if rest := list(over.Decided.Next, true); len(over.Decided.Approvals)+len(rest.Decided.Approvals) != 50 {
		t.Errorf("decided: %d and %d", len(over.Decided.Approvals), len(rest.Decided.Approvals))
	}
	if n := count(func() {
		if _, err := h.svc.Approval(t.Context(), mara, over.Decided.Approvals[0].ID); err != nil {
			t.Error(err)
		}
	}); n > 8 {
		t.Errorf("a request's page sends %d statements", n)
	}
}

func TestALimitsTableIsKeptByTwo(t *testing.T) {
	h := newHouse(t)
	olive, adam := h.person("Olive Mercer", domain.Owner), h.person("Adam Frost", domain.Admin)
	ctx := t.Context()
	mine := domain.Limit{ID: domain.NewLimitID(), Role: domain.Owner, Action: domain.Refund, Currency: gbp, Per: domain.PerItem, StepUpAbove: domain.Above(10000), ApprovalAbove: domain.Above(40000)}
	if err := h.svc.AddLimit(ctx, olive, mine); err != nil {
		t.Fatal(err)
	}
	if err := h.svc.AddLimit(ctx, olive, mine); domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("the same form again: %v", err)
	}
	twin := mine
	twin.ID = domain.NewLimitID()
	if err := h.svc.AddLimit(ctx, olive, twin); domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("a second row for the same: %v", err)
	}
	looser := mine
	looser.ApprovalAbove = domain.Above(50000)
	own := mine
	own.ID, own.Role, own.UserID, own.StepUpAbove, own.ApprovalAbove = domain.NewLimitID(), "", olive.UserID, domain.Above(90000), none
	for name, err := range map[string]error{
		"raise":                     h.svc.ChangeLimit(ctx, olive, looser),
		"remove":                    h.svc.RemoveLimit(ctx, olive, mine.ID),
		"a looser row of one's own": h.svc.AddLimit(ctx, olive, own),
		"a manager":                 h.svc.AddLimit(ctx, h.actor, twin),
		"acting for somebody else":  h.svc.RemoveLimit(ctx, domain.Actor{UserID: adam.UserID, OnBehalfOf: olive.UserID, MerchantID: h.merchant.ID, Role: domain.Owner}, mine.ID),
	} {
		if domain.CodeOf(err) != domain.Forbidden {
			t.Errorf("%s: %v, want Forbidden", name, err)
		}
	}
	stricter := mine
	stricter.ApprovalAbove = domain.Above(30000)
	if err := h.svc.ChangeLimit(ctx, olive, stricter); err != nil {
		t.Errorf("stricter for oneself: %v", err)
	}
	if err := h.svc.ChangeLimit(ctx, adam, looser); err != nil {
		t.Errorf("another raises it: %v", err)
	}
	var before, after, by string
	err := h.owner.QueryRow(`select detail->'before'->>'approval_above_minor', detail->'after'->>'approval_above_minor', actor_name from audit_log where action = 'limit.changed' order by seq desc limit 1`).Scan(&before, &after, &by)
	if err != nil || before != "30000" || after != "50000" || by != "Adam Frost" {
		t.Errorf("the audit row says %s, %s by %s (%v)", before, after, by, err)
	}
	// Where there is nobody else, it is done alone and the audit row says so.
	h.exec(`delete from memberships where user_id = $1`, adam.UserID)
	if err := h.svc.RemoveLimit(ctx, olive, mine.ID); err != nil {
		t.Errorf("alone: %v", err)
	}
	if n := h.number(`select count(*) from audit_log where action = 'limit.removed' and detail->>'alone' = 'true'`); n != 1 {
		t.Errorf("%d audit rows say that it was done alone", n)
	}
	for name, l := range map[string]domain.Limit{
		"no amount":                      {Role: domain.Manager, Action: domain.Refund, Currency: gbp, Per: domain.PerItem},
		"the second below the first":     {Role: domain.Manager, Action: domain.Refund, Currency: gbp, Per: domain.PerItem, StepUpAbove: domain.Above(2), ApprovalAbove: domain.Above(1)},
		"a role that may not":            {Role: domain.Cashier, Action: domain.Refund, Currency: gbp, Per: domain.PerItem, StepUpAbove: domain.Above(1)},
		"nobody":                         {UserID: domain.NewUserID(), Action: domain.Refund, Currency: gbp, Per: domain.PerItem, StepUpAbove: domain.Above(1)},
		"another merchant's currency":    {Role: domain.Manager, Action: domain.Refund, Currency: money.MustCurrency("KWD"), Per: domain.PerItem, StepUpAbove: domain.Above(1)},
		"an operation that has no limit": {Role: domain.Manager, Action: domain.Capture, Currency: gbp, Per: domain.PerItem, StepUpAbove: domain.Above(1)},
	} {
		l.ID = domain.NewLimitID()
		if err := h.svc.AddLimit(ctx, olive, l); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}

func TestAPayoutAboveTheLimitIsApprovedLikeARefund(t *testing.T) {
	h := newHouse(t)
	h.join(h.actor)
	mara := h.person("Mara Quill", domain.Manager)
	h.limit(domain.Payout, domain.PerItem, domain.Above(1000), domain.Above(4000))
	h.limit(domain.Payout, domain.PerDay, none, domain.Above(9000))
	in := h.payout(2000)
	if _, err := h.svc.Payout(t.Context(), h.actor, in); domain.CodeOf(err) != domain.NeedsStepUp || !strings.HasPrefix(domain.MessageOf(err), "Nothing was paid out.") {
		t.Fatalf("above the first: %v", err)
	}
	actor := h.actor
	actor.SteppedUpAt = h.clock.now()
	if taken, err := h.svc.Payout(t.Context(), actor, in); err != nil || taken.Status != domain.TxApproved {
		t.Fatalf("stepped up: %+v, %v", taken, err)
	}
	_, err := h.svc.Payout(t.Context(), actor, h.payout(5000))
	var beyond *payments.Beyond
	if !errors.As(err, &beyond) || beyond.Action != domain.Payout || beyond.Amount != money.FromMinor(5000, gbp) {
		t.Fatalf("above the second: %v", err)
	}
	ask := func(in payments.ActInput) (domain.ApprovalID, error) {
		in.Key = domain.NewApprovalID().String()
		return h.svc.AskApproval(t.Context(), h.actor, in, why)
	}
	wrong := *beyond.Wanted.Payout
	wrong.CardID = domain.NewCardID()
	if _, err := ask(payments.ActInput{Action: domain.ActPayout, Payout: &wrong}); err == nil {
		t.Error("a payout to a card that is not there was asked for")
	}
	if _, err := ask(payments.ActInput{Action: domain.ActPayout, Payout: &in}); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("a payout that needs nobody: %v", err)
	}
	id, err := ask(beyond.Wanted)
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.svc.Approval(t.Context(), mara, id)
	if err != nil || d.Impossible != "" || !d.Card.Known() || d.Through == "" || d.OwnNote == "" {
		t.Errorf("the approver sees %+v (%v)", d, err)
	}
	before := approved(h.sandbox.Cardflo)
	var wg sync.WaitGroup
	var won atomic.Int64
	for range 5 {
		other := h.person("Another", domain.Owner)
		form := h.approval(other, id)
		wg.Go(func() {
			if taken, err := h.svc.Approve(t.Context(), other, form); err == nil && taken.Status == domain.TxApproved && !taken.PaymentID.IsZero() {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || approved(h.sandbox.Cardflo)-before != 1 {
		t.Errorf("%d approved it, %d at the provider", won.Load(), approved(h.sandbox.Cardflo)-before)
	}
	if d, err = h.svc.Approval(t.Context(), mara, id); err != nil || d.Of.Payment.Kind != domain.Payout || d.Of.Payment.CreatedBy != h.actor.UserID || d.Of.Transactions[0].ApprovedBy != "Another" {
		t.Errorf("it became %+v (%v)", d.Of.Payment, err)
	}
	if n := h.number(`select count(*) from audit_log where action = 'payment.payout.requested' and detail->>'approved_by_name' = 'Another'`); n != 1 {
		t.Errorf("%d audit rows name the approver", n)
	}
	// 20.00 and 50.00 are in the day.
	actor.SteppedUpAt = h.clock.now()
	if _, err := h.svc.Payout(t.Context(), actor, h.payout(2001)); domain.CodeOf(err) != domain.NeedsApproval || !strings.Contains(domain.MessageOf(err), "in one day") {
		t.Errorf("above the day: %v", err)
	}
	if _, err := h.svc.Payout(t.Context(), actor, h.payout(2000)); err != nil {
		t.Errorf("exactly the day: %v", err)
	}
}
