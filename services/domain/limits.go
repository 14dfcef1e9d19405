package domain

import (
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/money"
)

// StepUpFor is how long a step-up sign-in opens what lies above the first
// threshold.
const StepUpFor = 5 * time.Minute

// Limited lists the operations that can have limits, in the order of the form: a
// refund, the void of a sale, a payout. The void of a hold gives nothing back
// that was taken, and a capture takes no more than the customer agreed to.
var Limited = []TransactionType{Refund, Void, Payout}

// CountsAgainstLimits says whether a transaction is one of Limited.
func CountsAgainstLimits(t Transaction) bool {
	if t.Type == Void {
		return t.OriginalType == Sale
	}
	return slices.Contains(Limited, t.Type)
}

// limitedWords are the operations of one kind in a sentence.
var limitedWords = map[TransactionType]struct{ many, one string }{
	Refund: {"Refunds", "A refund"}, Void: {"Voids", "A void"}, Payout: {"Payouts", "A payout"},
}

// LimitedPermission is the permission that an operation of a limited type asks
// for.
func LimitedPermission(t TransactionType) Permission {
	switch t {
	case Refund:
		return PaymentsRefund
	case Void:
		return PaymentsVoid
	case Payout:
		return PaymentsPayout
	}
	return ""
}

// Per is what a limit's thresholds are held against.
type Per string

// What they are held against: one operation, or everything of that kind that
// one person did on the merchant's own day.
const (
	PerItem Per = "item"
	PerDay  Per = "day"
)

// Pers lists them in the order of the form.
var Pers = []Per{PerItem, PerDay}

// Label is it in words.
func (p Per) Label() string {
	if p == PerDay {
		return "All on one day"
	}
	return "Each one"
}

// Threshold is an amount in minor units of the limit's currency above which more
// is needed, or none at all. The zero value is none.
type Threshold struct {
	Set   bool
	Minor int64
}

// Above is a threshold of so many minor units.
func Above(minor int64) Threshold { return Threshold{Set: true, Minor: minor} }

// exceeded says that an amount lies above it.
func (t Threshold) exceeded(minor int64) bool { return t.Set && minor > t.Minor }

// looser says that it lets more through than another one.
func (t Threshold) looser(than Threshold) bool {
	return than.Set && (!t.Set || t.Minor > than.Minor)
}

// Limit is one row of the table of limits: two thresholds of one operation in
// one currency, for a role or for one person.
type Limit struct {
	ID ID[limitKind]
	// Role is whose it is, unless UserID names one person: then it stands in place
	// of the row of that person's role.
	Role     Role
	UserID   UserID
	UserName string // for the page
	Action   TransactionType
	Currency money.Currency
	Per      Per
	// StepUpAbove: both factors must be proven again. ApprovalAbove: another
	// person must approve.
	StepUpAbove   Threshold
	ApprovalAbove Threshold
	ChangedAt     time.Time
	ChangedByName string
}

// OfOnePerson says that the limit is one person's own.
func (l Limit) OfOnePerson() bool { return !l.UserID.IsZero() }

// Amount is one of the limit's thresholds as money.
func (l Limit) Amount(t Threshold) money.Amount { return money.FromMinor(t.Minor, l.Currency) }

// LimitFor finds the limit that holds for a person: their own, or else their
// role's; false when there is none.
func LimitFor(limits []Limit, actor Actor, action TransactionType, c money.Currency, per Per) (Limit, bool) {
	var found Limit
	have := false
	for _, l := range limits {
		if l.Action != action || l.Currency != c || l.Per != per {
			continue
		}
		switch {
		case l.OfOnePerson() && l.UserID == actor.UserID:
			return l, true
		case !l.OfOnePerson() && l.Role == actor.Role:
			found, have = l, true
		}
	}
	return found, have
}

// Need is what an operation needs beside its permission.
type Need int

// The needs, from least to most.
const (
	NeedNothing  Need = iota
	NeedStepUp        // both factors again, at most StepUpFor ago
	NeedApproval      // another person
)

// Verdict is what Judge finds: what is needed, and which threshold says so.
type Verdict struct {
	Need      Need
	Action    TransactionType
	Per       Per
	Threshold money.Amount
	Day       money.Amount // the day's sum, this operation included; with PerDay
}

// Judge says what an operation needs. day is the sum of what the person did of
// that kind on the merchant's day, approved and open, this operation included. A
// larger amount never needs less. Where both limits ask for the same, the one
// for each operation is named.
func Judge(limits []Limit, actor Actor, action TransactionType, amount, day money.Amount) Verdict {
	v := Verdict{Action: action}
	for _, per := range Pers {
		l, ok := LimitFor(limits, actor, action, amount.Currency(), per)
		if !ok {
			continue
		}
		sum := amount
		if per == PerDay {
			sum = day
		}
		need, at := NeedNothing, Threshold{}
		switch {
		case l.ApprovalAbove.exceeded(sum.Minor()):
			need, at = NeedApproval, l.ApprovalAbove
		case l.StepUpAbove.exceeded(sum.Minor()):
			need, at = NeedStepUp, l.StepUpAbove
		}
		if need > v.Need {
			v.Need, v.Per, v.Threshold, v.Day = need, per, l.Amount(at), day
		}
	}
	return v
}

// Words is why, as a sentence that names the threshold; empty when nothing is
// needed.
func (v Verdict) Words(m Merchant) string {
	what := "need your password and a code again"
	switch v.Need {
	case NeedNothing:
		return ""
	case NeedApproval:
		what = "need the approval of another person"
	}
	many := limitedWords[v.Action].many
	if v.Per == PerDay {
		return many + " of more than " + m.Format(v.Threshold) + " in one day " + what + ". This one would make it " + m.Format(v.Day) + "."
	}
	return many + " above " + m.Format(v.Threshold) + " " + what + "."
}

// SteppedUp says that the actor proved both factors again at most StepUpFor ago.
func (a Actor) SteppedUp(now time.Time) bool {
	return !a.SteppedUpAt.IsZero() && !now.Before(a.SteppedUpAt) && now.Sub(a.SteppedUpAt) <= StepUpFor
}

// Loosens says that a change of the limits would let a person do more alone
// than before.
func Loosens(before, after []Limit, actor Actor) bool {
	for _, l := range before {
		was, applies := LimitFor(before, actor, l.Action, l.Currency, l.Per)
		if !applies {
			continue
		}
		is, _ := LimitFor(after, actor, l.Action, l.Currency, l.Per)
		if is.StepUpAbove.looser(was.StepUpAbove) || is.ApprovalAbove.looser(was.ApprovalAbove) {
			return true
		}
	}
	return false
}
