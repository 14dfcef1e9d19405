package payments

import (
	"context"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// withinLimits judges an operation that is about to be written by the limits of
// whoever makes it, under the payment's lock where it changes one; a payout has
// no payment to lock. Of in, only approval is read for the judgement: the
// operation is x. NeedsStepUp and NeedsApproval name the threshold; the latter is
// a *Beyond, from which a request can be made. An approval is used up here, in
// the unit of work that writes what it allowed.
func (s *Service) withinLimits(ctx context.Context, tx *store.Tx, actor domain.Actor, in ActInput, x domain.Transaction, now time.Time) error {
	if !domain.CountsAgainstLimits(x) {
		return nil
	}
	if in.approval != nil {
		return s.useApproval(ctx, tx, actor, *in.approval, x, now)
	}
	v, merchant, err := s.judge(ctx, tx, actor, x, now)
	if err != nil {
		return err
	}
	switch v.Need {
	case domain.NeedStepUp:
		if !actor.SteppedUp(now) {
			return domain.Errorf(domain.NeedsStepUp, "%s %s", nothing(x.Type), v.Words(merchant))
		}
	case domain.NeedApproval:
		if in.Action == domain.ActVoid {
			in.Amount = x.Amount
		}
		return &Beyond{Err: domain.Errorf(domain.NeedsApproval, "%s %s", nothing(x.Type), v.Words(merchant)), Wanted: in, Action: x.Type, Amount: x.Amount}
	}
	return nil
}

// judge sends one statement where there is no limit, and three more where one
// holds for the day.
func (s *Service) judge(ctx context.Context, tx *store.Tx, actor domain.Actor, x domain.Transaction, now time.Time) (domain.Verdict, domain.Merchant, error) {
	cur := x.Amount.Currency()
	limits, err := tx.LimitsFor(ctx, actor, x.Type, cur)
	if err != nil || len(limits) == 0 {
		return domain.Verdict{}, domain.Merchant{}, err
	}
	merchant, err := tx.MerchantRow(ctx)
	if err != nil {
		return domain.Verdict{}, merchant, err
	}
	day := x.Amount
	if _, daily := domain.LimitFor(limits, actor, x.Type, cur, domain.PerDay); daily {
		from, to, err := lockDay(ctx, tx, actor, x, merchant, now)
		if err != nil {
			return domain.Verdict{}, merchant, err
		}
		before, err := tx.SumOfDay(ctx, actor.UserID, x.Type, cur, from, to)
		if err != nil {
			return domain.Verdict{}, merchant, err
		}
		if day, err = before.Add(x.Amount); err != nil {
			return domain.Verdict{}, merchant, err
		}
	}
	return domain.Judge(limits, actor, x.Type, x.Amount, day), merchant, nil
}

// lockDay holds a person's day until the operation is written, and says when it
// begins and ends.
func lockDay(ctx context.Context, tx *store.Tx, actor domain.Actor, x domain.Transaction, merchant domain.Merchant, now time.Time) (from, to time.Time, err error) {
	y, m, d := now.In(merchant.Location()).Date()
	from, to = domain.StartOfDay(y, m, d, merchant.Location()), domain.StartOfDay(y, m, d+1, merchant.Location())
	return from, to, tx.LockDay(ctx, actor.UserID, x.Type, from)
}

// LimitsView is the table of limits, and who they can be for.
type LimitsView struct {
	Limits  []domain.Limit
	Members []store.Member
}

// Limits lists the merchant's limits. It needs limits:manage. It sends two
// statements.
func (s *Service) Limits(ctx context.Context, actor domain.Actor) (LimitsView, error) {
	var v LimitsView
	if err := actor.Require(domain.LimitsManage); err != nil {
		return v, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if v.Limits, err = tx.Limits(ctx); err != nil {
			return err
		}
		v.Members, err = tx.Members(ctx)
		return err
	})
	return v, err
}

// CheckLimit is every rule of the form of a limit that needs no database, one
// sentence per field.
func CheckLimit(l domain.Limit) map[string]string {
	fields := map[string]string{}
	if !slices.Contains(domain.Limited, l.Action) {
		fields["action"] = "Choose what the limit is for."
	}
	if !slices.Contains(domain.Pers, l.Per) {
		fields["per"] = "Choose what the amounts are held against."
	}
	switch {
	case !l.StepUpAbove.Set && !l.ApprovalAbove.Set:
		fields["step_up"] = "Enter at least one of the two amounts."
	case l.StepUpAbove.Set && l.ApprovalAbove.Set && l.ApprovalAbove.Minor < l.StepUpAbove.Minor:
		fields["approval"] = "This cannot be less than the amount above it: whatever needs another person is asked for first."
	}
	if l.StepUpAbove.Minor < 0 {
		fields["step_up"] = "Enter an amount, or leave it empty."
	}
	if l.ApprovalAbove.Minor < 0 {
		fields["approval"] = "Enter an amount, or leave it empty."
	}
	return fields
}

// notAlone is the rule of ADR 0017 in a sentence.
const notAlone = "You cannot raise or remove a limit that holds for yourself. Another owner or administrator can."

// AddLimit adds a limit. It needs limits:manage. Invalid carries one sentence per
// field; Duplicate says that there is one for exactly this. The same id
// again is one too. Whoever would be allowed more by it cannot do it, unless nobody else could:
// Forbidden.
func (s *Service) AddLimit(ctx context.Context, actor domain.Actor, l domain.Limit) error {
	return s.changeLimits(ctx, actor, l.ID, func(tx *store.Tx, before []domain.Limit, was *domain.Limit) (*domain.Limit, error) {
		if was != nil {
			return nil, domain.Errorf(domain.Duplicate, "This form was used already. The limit is in the list.")
		}
		fields := CheckLimit(l)
		merchant, err := tx.MerchantRow(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(merchant.Currencies, l.Currency) {
			fields["currency"] = "Choose a currency."
		}
		who := l.Role.Label()
		role := l.Role
		if l.OfOnePerson() {
			m, err := tx.Member(ctx, l.UserID)
			if err != nil && domain.CodeOf(err) != domain.NotFound {
				return nil, err
			}
			l.Role, l.UserName, role, who = "", m.Name, m.Role, m.Name
		}
		switch {
		case !slices.Contains(domain.Roles, role):
			fields["who"] = "Choose whom the limit is for."
		case fields["action"] == "" && !role.May(domain.LimitedPermission(l.Action)):
			fields["who"] = "The role of " + who + " does not allow this anyway."
			if !l.OfOnePerson() {
				fields["who"] = "The role " + who + " does not allow this anyway."
			}
		}
		if len(fields) > 0 {
			return nil, domain.InvalidFields(fields)
		}
		if len(before) >= store.MaxLimits {
			return nil, domain.Errorf(domain.Conflict, "There are too many limits. Remove some first.")
		}
		l.ChangedAt = s.now()
		return &l, tx.PutLimit(ctx, l, actor)
	})
}

// ChangeLimit sets the two amounts of a limit; whose it is and what it is for
// stays. It needs limits:manage. Errors as of AddLimit; NotFound when there is
// none of that id.
func (s *Service) ChangeLimit(ctx context.Context, actor domain.Actor, l domain.Limit) error {
	return s.changeLimits(ctx, actor, l.ID, func(tx *store.Tx, _ []domain.Limit, was *domain.Limit) (*domain.Limit, error) {
		if was == nil {
			return nil, domain.Errorf(domain.NotFound, "There is no limit with that id.")
		}
		is := *was
		is.StepUpAbove, is.ApprovalAbove, is.ChangedAt = l.StepUpAbove, l.ApprovalAbove, s.now()
		if fields := CheckLimit(is); len(fields) > 0 {
			return nil, domain.InvalidFields(fields)
		}
		return &is, tx.PutLimit(ctx, is, actor)
	})
}

// RemoveLimit takes a limit away. It needs limits:manage; the same rule as for a
// change holds. NotFound when there is none of that id.
func (s *Service) RemoveLimit(ctx context.Context, actor domain.Actor, id domain.LimitID) error {
	return s.changeLimits(ctx, actor, id, func(tx *store.Tx, _ []domain.Limit, was *domain.Limit) (*domain.Limit, error) {
		if was == nil {
			return nil, domain.Errorf(domain.NotFound, "There is no limit with that id.")
		}
		return nil, tx.DeleteLimit(ctx, id)
	})
}

// changeLimits runs one change of the limit of that id, judges what it does to
// whoever makes it, and writes the audit row with what was and what is.
func (s *Service) changeLimits(ctx context.Context, actor domain.Actor, id domain.LimitID, change func(tx *store.Tx, before []domain.Limit, was *domain.Limit) (*domain.Limit, error)) error {
	if err := actor.Require(domain.LimitsManage); err != nil {
		return err
	}
	if !actor.OnBehalfOf.IsZero() {
		return domain.Errorf(domain.Forbidden, "Limits cannot be changed while acting for somebody else.")
	}
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if err := tx.LockLimits(ctx); err != nil {
			return err
		}
		before, err := tx.Limits(ctx)
		if err != nil {
			return err
		}
		var was *domain.Limit
		after := make([]domain.Limit, 0, len(before)+1)
		for _, l := range before {
			if l.ID == id {
				was = &l
			} else {
				after = append(after, l)
			}
		}
		is, err := change(tx, before, was)
		if err != nil {
			return err
		}
		if is != nil {
			after = append(after, *is)
		}
		detail := map[string]any{"before": limitDetail(was), "after": limitDetail(is)}
		if domain.Loosens(before, after, actor) {
			members, err := tx.Members(ctx)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(members, func(m store.Member) bool { return m.ID != actor.UserID && m.Role.May(domain.LimitsManage) }) {
				return domain.Errorf(domain.Forbidden, notAlone)
			}
			detail["alone"] = true
		}
		action := "limit.changed"
		switch {
		case was == nil:
			action = "limit.added"
		case is == nil:
			action = "limit.removed"
		}
		tx.Audit(store.AuditEntry{At: s.now(), Actor: actor, Action: action, ObjectType: "limit", ObjectID: id.String(), Result: "ok", Detail: detail})
		return nil
	})
}

// limitDetail is a limit in an audit row; nil where there is none.
func limitDetail(l *domain.Limit) map[string]any {
	if l == nil {
		return nil
	}
	threshold := func(t domain.Threshold) any {
		if !t.Set {
			return nil
		}
		return t.Minor
	}
	d := map[string]any{"action": string(l.Action), "currency": l.Currency.Code(), "per": string(l.Per),
		"step_up_above_minor": threshold(l.StepUpAbove), "approval_above_minor": threshold(l.ApprovalAbove)}
	if l.OfOnePerson() {
		d["user"], d["user_name"] = l.UserID.String(), l.UserName
	} else {
		d["role"] = string(l.Role)
	}
	return d
}
