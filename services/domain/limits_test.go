package domain

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/money"
)

func TestWhatAnOperationNeeds(t *testing.T) {
	gbp, eur := money.MustCurrency("GBP"), money.MustCurrency("EUR")
	maya, tom := NewUserID(), NewUserID()
	none := Threshold{}
	role := func(r Role, per Per, stepUp, approval Threshold) Limit {
		return Limit{Role: r, Action: Refund, Currency: gbp, Per: per, StepUpAbove: stepUp, ApprovalAbove: approval}
	}
	own := func(u UserID, per Per, stepUp, approval Threshold) Limit {
		l := role("", per, stepUp, approval)
		l.UserID = u
		return l
	}
	shop := []Limit{role(Manager, PerItem, Above(10000), Above(40000)), role(Manager, PerDay, none, Above(100000)), role(Owner, PerItem, Above(50000), none)}
	manager, owner := Actor{UserID: maya, Role: Manager}, Actor{UserID: tom, Role: Owner}
	for _, c := range []struct {
		name        string
		limits      []Limit
		actor       Actor
		action      TransactionType
		amount, day int64
		currency    money.Currency
		need        Need
		per         Per
		threshold   int64
	}{
		{"no limits", nil, manager, Refund, 1 << 40, 1 << 40, gbp, NeedNothing, "", 0},
		{"below the first", shop, manager, Refund, 9999, 9999, gbp, NeedNothing, "", 0},
		{"exactly the first", shop, manager, Refund, 10000, 10000, gbp, NeedNothing, "", 0},
		{"just above the first", shop, manager, Refund, 10001, 10001, gbp, NeedStepUp, PerItem, 10000},
		{"exactly the second", shop, manager, Refund, 40000, 40000, gbp, NeedStepUp, PerItem, 10000},
		{"just above the second", shop, manager, Refund, 40001, 40001, gbp, NeedApproval, PerItem, 40000},
		{"small, but the day is full", shop, manager, Refund, 1, 100001, gbp, NeedApproval, PerDay, 100000},
		{"small, and the day is just full", shop, manager, Refund, 1, 100000, gbp, NeedNothing, "", 0},
		{"above the first on a full day", shop, manager, Refund, 10001, 100001, gbp, NeedApproval, PerDay, 100000},
		{"above both seconds names the one for each", shop, manager, Refund, 50000, 150000, gbp, NeedApproval, PerItem, 40000},
		{"another role", shop, owner, Refund, 50000, 500000, gbp, NeedNothing, "", 0},
		{"another role, above its own", shop, owner, Refund, 50001, 50001, gbp, NeedStepUp, PerItem, 50000},
		{"another action", shop, manager, Void, 500000, 500000, gbp, NeedNothing, "", 0},
		{"another currency", shop, manager, Refund, 500000, 500000, eur, NeedNothing, "", 0},
		{"a person's own row stands in place of the role's", append(shop, own(maya, PerItem, none, Above(90000))), manager, Refund, 90000, 90000, gbp, NeedNothing, "", 0},
		{"and is the stricter one too", append(shop, own(maya, PerItem, Above(0), Above(100))), manager, Refund, 101, 101, gbp, NeedApproval, PerItem, 100},
		{"and leaves the role's other row", append(shop, own(maya, PerItem, none, Above(900000))), manager, Refund, 90000, 100001, gbp, NeedApproval, PerDay, 100000},
		{"another person's own row", append(shop, own(tom, PerItem, none, Above(1))), manager, Refund, 100, 100, gbp, NeedNothing, "", 0},
		{"a threshold of nothing", []Limit{role(Manager, PerItem, Above(0), none)}, manager, Refund, 1, 1, gbp, NeedStepUp, PerItem, 0},
	} {
		v := Judge(c.limits, c.actor, c.action, money.FromMinor(c.amount, c.currency), money.FromMinor(c.day, c.currency))
		if v.Need != c.need || v.Per != c.per || c.need != NeedNothing && v.Threshold != money.FromMinor(c.threshold, c.currency) {
			t.Errorf("%s: need %d per %q above %v, want %d per %q above %d", c.name, v.Need, v.Per, v.Threshold, c.need, c.per, c.threshold)
		}
	}
}

func TestAVerdictNamesItsThreshold(t *testing.T) {
	gbp := money.MustCurrency("GBP")
	m := Merchant{Currencies: []money.Currency{gbp}}
	for _, c := range []struct {
		v    Verdict
		want string
	}{
		{Verdict{}, ""},
		{Verdict{Need: NeedStepUp, Action: Refund, Per: PerItem, Threshold: money.FromMinor(10000, gbp)}, "Refunds above £100.00 need your password and a code again."},
		{Verdict{Need: NeedApproval, Action: Payout, Per: PerItem, Threshold: money.FromMinor(40000, gbp)}, "Payouts above £400.00 need the approval of another person."},
		{Verdict{Need: NeedApproval, Action: Void, Per: PerDay, Threshold: money.FromMinor(100000, gbp), Day: money.FromMinor(120050, gbp)},
			"Voids of more than £1,000.00 in one day need the approval of another person. This one would make it £1,200.50."},
	} {
		if got := c.v.Words(m); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestALargerAmountNeverNeedsLess(t *testing.T) {
	gbp := money.MustCurrency("GBP")
	actor := Actor{UserID: NewUserID(), Role: Manager}
	threshold := rapid.Custom(func(t *rapid.T) Threshold {
		if rapid.Bool().Draw(t, "none") {
			return Threshold{}
		}
		return Above(rapid.Int64Range(0, 1000).Draw(t, "above"))
	})
	rapid.Check(t, func(rt *rapid.T) {
		var limits []Limit
		for _, per := range Pers {
			for _, own := range []bool{false, true} {
				if !rapid.Bool().Draw(rt, "row") {
					continue
				}
				l := Limit{Role: Manager, Action: Refund, Currency: gbp, Per: per, StepUpAbove: threshold.Draw(rt, "step up"), ApprovalAbove: threshold.Draw(rt, "approval")}
				if own {
					l.Role, l.UserID = "", actor.UserID
				}
				limits = append(limits, l)
			}
		}
		before := rapid.Int64Range(0, 2000).Draw(rt, "done before")
		a := rapid.Int64Range(1, 2000).Draw(rt, "amount")
		b := rapid.Int64Range(a, 2001).Draw(rt, "larger amount")
		judge := func(n int64) Need {
			return Judge(limits, actor, Refund, money.FromMinor(n, gbp), money.FromMinor(before+n, gbp)).Need
		}
		if judge(b) < judge(a) {
			rt.Fatalf("%d needs %d and %d needs only %d", a, judge(a), b, judge(b))
		}
	})
}

func TestWhichChangesOfLimitsLoosenThem(t *testing.T) {
	gbp := money.MustCurrency("GBP")
	me, other := NewUserID(), NewUserID()
	actor := Actor{UserID: me, Role: Admin}
	role := Limit{Role: Admin, Action: Refund, Currency: gbp, Per: PerItem, StepUpAbove: Above(100), ApprovalAbove: Above(400)}
	with := func(l Limit, stepUp, approval Threshold) Limit {
		l.StepUpAbove, l.ApprovalAbove = stepUp, approval
		return l
	}
	of := func(u UserID, l Limit) Limit { l.Role, l.UserID = "", u; return l }
	managers := role
	managers.Role = Manager
	for _, c := range []struct {
		name          string
		before, after []Limit
		want          bool
	}{
		{"a first limit", nil, []Limit{role}, false},
		{"the same", []Limit{role}, []Limit{role}, false},
		{"stricter", []Limit{role}, []Limit{with(role, Above(99), Above(400))}, false},
		{"a higher first threshold", []Limit{role}, []Limit{with(role, Above(101), Above(400))}, true},
		{"a higher second threshold", []Limit{role}, []Limit{with(role, Above(50), Above(401))}, true},
		{"no second threshold", []Limit{role}, []Limit{with(role, Above(50), Threshold{})}, true},
		{"removed", []Limit{role}, nil, true},
		{"a looser row of one's own", []Limit{role}, []Limit{role, of(me, with(role, Above(100), Above(500)))}, true},
		{"a stricter row of one's own", []Limit{role}, []Limit{role, of(me, with(role, Above(0), Above(1)))}, false},
		{"a stricter row of one's own removed", []Limit{role, of(me, with(role, Above(0), Above(1)))}, []Limit{role}, true},
		{"somebody else's row", []Limit{role}, []Limit{role, of(other, with(role, Threshold{}, Above(1<<40)))}, false},
		{"another role's row", []Limit{managers}, nil, false},
	} {
		if got := Loosens(c.before, c.after, actor); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestWhoMayDecideOnARequest(t *testing.T) {
	at := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	maya, mara, agent := NewUserID(), NewUserID(), NewUserID()
	a := Approval{Status: ApprovalWaiting, RequestedBy: maya, RequestedByName: "Maya", ExpiresAt: at.Add(ApprovalFor)}
	over := func(s ApprovalStatus) Approval { b := a; b.Status, b.DecidedByName = s, "Mara"; return b }
	for _, c := range []struct {
		name  string
		a     Approval
		actor Actor
		now   time.Time
		may   bool
	}{
		{"another manager", a, Actor{UserID: mara, Role: Manager}, at, true},
		{"just in time", a, Actor{UserID: mara, Role: Manager}, at.Add(ApprovalFor - time.Microsecond), true},
		{"as it expires", a, Actor{UserID: mara, Role: Manager}, at.Add(ApprovalFor), false},
		{"who asked", a, Actor{UserID: maya, Role: Owner}, at, false},
		{"support acting for who asked", a, Actor{UserID: agent, OnBehalfOf: maya, Role: Manager}, at, false},
		{"who asked, acting for another", a, Actor{UserID: maya, OnBehalfOf: mara, Role: Manager}, at, false},
		{"support acting for another", a, Actor{UserID: agent, OnBehalfOf: mara, Role: Manager}, at, false},
		{"a cashier", a, Actor{UserID: mara, Role: Cashier}, at, false},
		{"approved", over(ApprovalApproved), Actor{UserID: mara, Role: Manager}, at, false},
		{"refused", over(ApprovalRefused), Actor{UserID: mara, Role: Manager}, at, false},
		{"withdrawn", over(ApprovalWithdrawn), Actor{UserID: mara, Role: Manager}, at, false},
		{"expired", over(ApprovalExpired), Actor{UserID: mara, Role: Manager}, at, false},
	} {
		if why := c.a.Undecidable(c.actor, c.now); (why == "") != c.may {
			t.Errorf("%s: %q", c.name, why)
		}
	}
	if !a.Own(Actor{UserID: agent, OnBehalfOf: maya}) || !a.Own(Actor{UserID: maya, OnBehalfOf: mara}) || a.Own(Actor{UserID: mara}) {
		t.Error("whose request it is")
	}
}

func TestAStepUpCountsForFiveMinutes(t *testing.T) {
	at := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		stepped time.Time
		want    bool
	}{
		{"never", time.Time{}, false},
		{"now", at, true},
		{"five minutes ago", at.Add(-StepUpFor), true},
		{"a moment more", at.Add(-StepUpFor - time.Microsecond), false},
		{"in the future", at.Add(time.Second), false},
	} {
		if got := (Actor{SteppedUpAt: c.stepped}).SteppedUp(at); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
