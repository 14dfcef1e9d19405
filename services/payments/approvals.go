package payments

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
)

// Beyond is the error of an operation that needs another person: what was
// wanted, so that a page can ask for it. Its code is NeedsApproval.
type Beyond struct {
	Err    *domain.Error
	Wanted ActInput
	Action domain.TransactionType
	Amount money.Amount
}

// Error gives the code and the message, for logs.
func (b *Beyond) Error() string { return b.Err.Error() }

// Unwrap gives the error that a person may read.
func (b *Beyond) Unwrap() error { return b.Err }

// granted is an approval that another person gave to one operation.
type granted struct {
	approval domain.Approval
	by       domain.Actor
	note     string
}

// detail adds to an audit row who approved.
func (g *granted) detail(d map[string]any) map[string]any {
	if g != nil {
		d["approval"], d["approved_by"], d["approved_by_name"] = g.approval.ID.String(), g.by.UserID.String(), g.by.Name
	}
	return d
}

// useApproval uses an approval up for the transaction that is about to be
// written. It counts in the day of whoever asked, so it takes that day's lock.
func (s *Service) useApproval(ctx context.Context, tx *store.Tx, actor domain.Actor, g granted, x domain.Transaction, now time.Time) error {
	merchant, err := tx.MerchantRow(ctx)
	if err != nil {
		return err
	}
	a, err := tx.LockApproval(ctx, g.approval.ID)
	if err != nil {
		return err
	}
	if why := a.Undecidable(g.by, now); why != "" {
		return domain.Errorf(domain.Conflict, "%s", why)
	}
	if a.Amount != x.Amount || a.Action != x.Type || a.RequestedBy != x.CreatedBy || !a.PaymentID.IsZero() && a.PaymentID != x.PaymentID {
		return domain.Errorf(domain.Conflict, "The payment has changed, so this is no longer what was asked for. Refuse it, and let it be asked for again.")
	}
	if _, _, err := lockDay(ctx, tx, actor, x, merchant, now); err != nil {
		return err
	}
	a.Status, a.DecidedBy, a.DecidedByName, a.DecidedAt, a.DecisionNote, a.TransactionID = domain.ApprovalApproved, g.by.UserID, g.by.Name, now, g.note, x.ID
	if _, err := tx.Decide(ctx, a); err != nil {
		return err
	}
	tx.Audit(s.approvalEntry(g.by, a, "approved", map[string]any{"transaction": x.ID.String()}))
	return nil
}

// approvalEntry is the audit row of what happened to a request.
func (s *Service) approvalEntry(actor domain.Actor, a domain.Approval, event string, detail map[string]any) store.AuditEntry {
	if detail == nil {
		detail = map[string]any{}
	}
	detail["action"], detail["amount_minor"], detail["currency"] = string(a.Action), a.Amount.Minor(), a.Amount.Currency().Code()
	detail["requested_by"] = a.RequestedBy.String()
	if !a.PaymentID.IsZero() {
		detail["payment"] = a.PaymentID.String()
	}
	return store.AuditEntry{At: s.now(), Actor: actor, Action: "approval." + event, ObjectType: "approval", ObjectID: a.ID.String(), Result: "ok", Detail: detail}
}

// payload is an operation as it is kept until somebody approves it.
type payload struct {
	Action     domain.Action        `json:"action"`
	PaymentID  *domain.PaymentID    `json:"payment,omitempty"`
	Minor      int64                `json:"amount_minor"`
	Currency   string               `json:"currency"`
	TipMinor   int64                `json:"tip_minor,omitempty"`
	Final      bool                 `json:"final,omitempty"`
	Reason     string               `json:"reason,omitempty"`
	Note       string               `json:"note,omitempty"`
	Connection *domain.ConnectionID `json:"connection,omitempty"` // a payout's
	Card       *domain.CardID       `json:"card,omitempty"`
	To         *domain.PaymentID    `json:"to,omitempty"`
	Device     *domain.DeviceID     `json:"device,omitempty"`   // the terminal that it is done on
	Terminal   *domain.OnTerminal   `json:"terminal,omitempty"` // and how
}

// terminal is where a kept operation runs.
func (p payload) terminal() domain.OnTerminal {
	var o domain.OnTerminal
	if p.Device != nil {
		if p.Terminal != nil {
			o = *p.Terminal
		}
		o.DeviceID = *p.Device
	}
	return o
}

func payloadOf(in ActInput) ([]byte, error) {
	p := payload{Action: in.Action, Minor: in.Amount.Minor(), Currency: in.Amount.Currency().Code(), TipMinor: in.Tip.Minor(), Final: in.Final, Reason: in.Reason, Note: in.Note}
	on := in.Terminal
	if in.Payout != nil {
		on = in.Payout.Terminal
	}
	if !on.IsZero() {
		p.Device, p.Terminal = &on.DeviceID, &on
	}
	if in.Payout == nil {
		p.PaymentID = &in.PaymentID
		return json.Marshal(p)
	}
	p.Connection = &in.Payout.ConnectionID
	if !in.Payout.CardID.IsZero() {
		p.Card = &in.Payout.CardID
	}
	if !in.Payout.To.IsZero() {
		p.To = &in.Payout.To
	}
	return json.Marshal(p)
}

// inputOf is the operation that a request asks for.
func inputOf(a domain.Approval) (ActInput, error) {
	var p payload
	if err := json.Unmarshal(a.Payload, &p); err != nil {
		return ActInput{}, fmt.Errorf("payments: payload of approval %s: %w", a.ID, err)
	}
	cur, err := money.ParseCurrency(p.Currency)
	if err != nil {
		return ActInput{}, fmt.Errorf("payments: payload of approval %s: %w", a.ID, err)
	}
	in := ActInput{Key: a.ID.String(), Action: p.Action, Amount: money.FromMinor(p.Minor, cur), Final: p.Final, Reason: p.Reason, Note: p.Note, Terminal: p.terminal()}
	if p.TipMinor != 0 {
		in.Tip = money.FromMinor(p.TipMinor, cur)
	}
	switch {
	case p.Action == domain.ActPayout && p.Connection != nil:
		in.Payout = &PayoutInput{Key: in.Key, ConnectionID: *p.Connection, Amount: in.Amount, Note: in.Note, Terminal: p.terminal()}
		if p.Card != nil {
			in.Payout.CardID = *p.Card
		}
		if p.To != nil {
			in.Payout.To = *p.To
		}
	case p.Action != domain.ActPayout && p.PaymentID != nil:
		in.PaymentID = *p.PaymentID
	default:
		return ActInput{}, fmt.Errorf("payments: payload of approval %s names nothing that it is about", a.ID)
	}
	return in, nil
}

// notWhileActing keeps support staff out: whoever acts for somebody else neither
// asks nor decides.
func notWhileActing(actor domain.Actor) error {
	if actor.OnBehalfOf.IsZero() {
		return nil
	}
	return domain.Errorf(domain.Forbidden, "Nobody can ask for an approval, approve or refuse while acting for somebody else. Nothing was done.")
}

// AskApproval asks another person to approve an operation that the actor may do,
// a change of a payment or a payout, that is possible now, and whose limits ask for it. in.Key is
// the request's id and was minted with the form: the same form asks once. It
// needs the operation's permission. Invalid carries one sentence per field
// ("why" is the request's note); Conflict says that it is not possible, or needs
// no approval. It moves no money.
func (s *Service) AskApproval(ctx context.Context, actor domain.Actor, in ActInput, why string) (domain.ApprovalID, error) {
	var none domain.ApprovalID
	if err := actor.Require(in.Action.Permission()); err != nil {
		return none, err
	}
	if err := notWhileActing(actor); err != nil {
		return none, err
	}
	id, err := domain.ParseApprovalID(in.Key)
	if err != nil {
		return none, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was asked for. Open a new one.")
	}
	var fields map[string]string
	if in.Payout != nil {
		in.Amount, in.Note = in.Payout.Amount, in.Payout.Note
		fields = checkPayout(in.Payout)
	} else {
		_, fields = checkAct(&in)
	}
	why = strings.TrimSpace(why)
	switch n := len([]rune(why)); {
	case n < domain.MinApprovalNote:
		fields["why"] = fmt.Sprintf("Say in at least %d characters why this is needed.", domain.MinApprovalNote)
	case n > 500:
		fields["why"] = "Use at most 500 characters."
	case domain.LooksLikeCardNumber(why):
		fields["why"] = "This looks like a card number. Do not write card numbers here."
	}
	if len(fields) > 0 {
		return none, domain.InvalidFields(fields)
	}
	raw, err := payloadOf(in)
	if err != nil {
		return none, err
	}
	now := s.now()
	err = s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		x, err := s.asked(ctx, tx, actor, in, now)
		if err != nil {
			return err
		}
		a := domain.Approval{ID: id, Action: x.Type, PaymentID: in.PaymentID, Payload: raw, Amount: x.Amount, Status: domain.ApprovalWaiting,
			RequestedBy: actor.UserID, RequestedByName: actor.Name, RequestedAt: now, ExpiresAt: now.Add(domain.ApprovalFor), Note: why}
		if !in.PaymentID.IsZero() {
			other, err := tx.WaitingFor(ctx, in.PaymentID, x.Type, actor.UserID, now)
			if err != nil {
				return err
			}
			if !other.IsZero() && other != id {
				return domain.Errorf(domain.Conflict, "You asked for this on the same payment before, and it still waits. Take that request back first.")
			}
		}
		fresh, err := tx.InsertApproval(ctx, a)
		if err != nil || !fresh {
			return err
		}
		v := domain.Verdict{}
		if domain.CountsAgainstLimits(x) {
			if v, _, err = s.judge(ctx, tx, actor, x, now); err != nil {
				return err
			}
		}
		if v.Need != domain.NeedApproval {
			return domain.Errorf(domain.Conflict, "This needs nobody’s approval any more. Go back to the form and press its button again.")
		}
		tx.Audit(s.approvalEntry(actor, a, "requested", map[string]any{"note": why, "threshold_minor": v.Threshold.Minor(), "per": string(v.Per)}))
		return nil
	})
	return id, err
}

// asked is the transaction that an operation would write now, if it is possible.
// The payment that it changes is locked.
func (s *Service) asked(ctx context.Context, tx *store.Tx, actor domain.Actor, in ActInput, now time.Time) (domain.Transaction, error) {
	if in.Payout != nil {
		to, err := s.payoutTo(ctx, tx, in.Payout)
		if err == nil && len(to.fields) > 0 {
			err = domain.InvalidFields(to.fields)
		}
		return domain.Transaction{Type: domain.Payout, Amount: in.Amount}, err
	}
	merchant, err := tx.MerchantRow(ctx)
	if err != nil {
		return domain.Transaction{}, err
	}
	p, err := tx.LockPayment(ctx, in.PaymentID)
	if err != nil {
		return domain.Transaction{}, err
	}
	conn, err := tx.Connection(ctx, p.ConnectionID)
	if err != nil {
		return domain.Transaction{}, err
	}
	l, err := s.link(ctx, tx, conn)
	if err != nil {
		return domain.Transaction{}, err
	}
	txs, err := tx.Transactions(ctx, p.ID)
	if err != nil {
		return domain.Transaction{}, err
	}
	x := s.newTransaction(actor, in.Action.Makes(), p, in.Amount, l, now)
	on, err := s.actTerminal(ctx, tx, in, l, txs)
	if err != nil {
		return x, err
	}
	return x, s.permit(actor, in, &x, p, txs, l, merchant, on)
}

// approvalsPerPage is how many requests a page lists.
const approvalsPerPage = 25

// ApprovalList is a page of requests.
type ApprovalList struct {
	Waiting store.ApprovalPage
	Decided store.ApprovalPage
}

// Approvals lists requests: with decided those that are over, newest first, from
// after on; otherwise those that wait, the oldest first, and on the first page
// the latest that are over too. It needs approvals:read. It sends one statement,
// at most two.
func (s *Service) Approvals(ctx context.Context, actor domain.Actor, decided bool, after domain.Cursor) (ApprovalList, error) {
	var out ApprovalList
	if err := actor.Require(domain.ApprovalsRead); err != nil {
		return out, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if !decided {
			if out.Waiting, err = tx.WaitingApprovals(ctx, after, approvalsPerPage); err != nil {
				return err
			}
			if !after.IsZero() {
				return nil
			}
		}
		out.Decided, err = tx.DecidedApprovals(ctx, after, approvalsPerPage)
		return err
	})
	return out, err
}

// ApprovalDetail is everything that the one who decides looks at.
type ApprovalDetail struct {
	domain.Approval
	// Of is the payment with its life: the one that is changed, or that was made;
	// its id is zero when there is none yet.
	Of Detail
	// Card and Through are where a payout goes, and through which connection.
	Card    domain.Card
	Through string
	// Reason is why a refund is asked for, and OwnNote what its form said.
	Reason, OwnNote string
	// Impossible is why the payment does not allow the operation any more; empty
	// while it does.
	Impossible string
	// Undecidable is why this person cannot decide; empty when they can.
	Undecidable string
}

// Approval reads a request for the one who decides. It needs approvals:read. A
// request whose time is over is marked as expired first. It sends at most nine
// statements.
func (s *Service) Approval(ctx context.Context, actor domain.Actor, id domain.ApprovalID) (ApprovalDetail, error) {
	var d ApprovalDetail
	if err := actor.Require(domain.ApprovalsRead); err != nil {
		return d, err
	}
	now := s.now()
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		d.Approval, err = tx.Approval(ctx, id)
		return err
	})
	if err != nil {
		return d, err
	}
	if d.Status == domain.ApprovalWaiting && d.At(now) == domain.ApprovalExpired {
		if d.Approval, err = s.expire(ctx, actor.MerchantID, id, now); err != nil {
			return d, err
		}
	}
	d.Undecidable = d.Approval.Undecidable(actor, now)
	in, err := inputOf(d.Approval)
	if err != nil {
		return d, err
	}
	d.Reason, _ = domain.RefundReasonLabel(in.Reason)
	d.OwnNote = in.Note
	about := d.PaymentID
	err = s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if !d.TransactionID.IsZero() {
			x, err := tx.Transaction(ctx, d.TransactionID)
			about = x.PaymentID
			return err
		}
		if in.Payout == nil {
			return nil
		}
		to, err := s.payoutTo(ctx, tx, in.Payout)
		d.Card, d.Through = to.card, join(to.link.conn.Name, s.ProviderLabel(to.link.conn.Provider))
		for _, field := range slices.Sorted(maps.Keys(to.fields)) {
			d.Impossible = to.fields[field]
		}
		if code := domain.CodeOf(err); code == domain.NotFound || code == domain.Unavailable {
			d.Impossible, err = domain.MessageOf(err), nil
		}
		return err
	})
	if err != nil || about.IsZero() {
		return d, err
	}
	if d.Of, err = s.Get(ctx, actor, about); err != nil {
		return d, err
	}
	if d.Status == domain.ApprovalWaiting {
		st := s.standing(d.Of.Payment, d.Of.Transactions, d.Of.Caps, d.Of.Connection)
		st.OnTerminal = d.Of.acts
		why := domain.Allowed(actor, st, in.Action)
		if why == domain.Possible {
			why = domain.AllowedAmount(st, in.Action, in.Amount, in.Tip)
		}
		d.Impossible = why.Words()
	}
	return d, nil
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + " · " + b
}

// expire marks a request whose time is over. It is nobody's act.
func (s *Service) expire(ctx context.Context, m domain.MerchantID, id domain.ApprovalID, now time.Time) (domain.Approval, error) {
	var a domain.Approval
	err := s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		var err error
		if a, err = tx.LockApproval(ctx, id); err != nil {
			return err
		}
		if a.Status != domain.ApprovalWaiting || a.At(now) != domain.ApprovalExpired {
			return nil
		}
		a.Status, a.DecidedAt = domain.ApprovalExpired, a.ExpiresAt
		if _, err := tx.Decide(ctx, a); err != nil {
			return err
		}
		tx.Audit(s.approvalEntry(domain.Actor{MerchantID: m}, a, "expired", nil))
		return nil
	})
	return a, err
}

// ApproveInput is an approver's decision as the form sends it.
type ApproveInput struct {
	ID     domain.ApprovalID
	Amount money.Amount // as the page showed it
	Note   string       // optional
	Proof  domain.Proof // both factors, for this operation and this amount
}

// CheckApprove says whether a request can be approved by this person with this
// amount, before a code is used up for it; of in, Proof is not looked at.
// Forbidden and Conflict say why not; Invalid is about the note.
func (s *Service) CheckApprove(ctx context.Context, actor domain.Actor, in ApproveInput) (domain.Approval, error) {
	if _, err := decisionNote(in.Note, false); err != nil {
		return domain.Approval{}, err
	}
	d, err := s.Approval(ctx, actor, in.ID)
	switch {
	case err != nil:
	case notWhileActing(actor) != nil:
		err = notWhileActing(actor)
	case d.Status == domain.ApprovalWaiting && d.Own(actor):
		err = domain.Errorf(domain.Forbidden, "%s %s", nothing(d.Action), d.Undecidable)
	case d.Undecidable != "":
		err = domain.Errorf(domain.Conflict, "%s %s", nothing(d.Action), d.Undecidable)
	case d.Impossible != "":
		err = domain.Errorf(domain.Conflict, "%s %s", nothing(d.Action), d.Impossible)
	case in.Amount != d.Amount:
		err = domain.Errorf(domain.Conflict, "%s The form was for another amount than the request. Look at it again.", nothing(d.Action))
	}
	return d.Approval, err
}

// nothing is what did not happen to an operation of a type.
func nothing(t domain.TransactionType) string {
	switch t {
	case domain.Refund:
		return Nothing(domain.ActRefund)
	case domain.Void:
		return Nothing(domain.ActVoid)
	}
	return "Nothing was paid out."
}

// Approve does what was asked for, at once: as the one who asked for it, with
// the approver in its audit row and its timeline. It needs approvals:decide, both
// factors for this very operation and amount, and that the approver is not who
// asked. A request is good for one operation however many approve it at once: the
// others get Conflict. It moves money at the provider.
func (s *Service) Approve(ctx context.Context, actor domain.Actor, in ApproveInput) (Taken, error) {
	if err := actor.Require(domain.ApprovalsDecide); err != nil {
		return Taken{}, err
	}
	a, err := s.CheckApprove(ctx, actor, in)
	if err != nil {
		return Taken{}, err
	}
	now := s.now()
	if in.Proof.UserID != actor.UserID || in.Proof.Purpose != a.Purpose() || now.Sub(in.Proof.At) > time.Minute {
		return Taken{}, domain.Errorf(domain.NeedsStepUp, "%s Enter your password and a code for this very request.", nothing(a.Action))
	}
	note, err := decisionNote(in.Note, false)
	if err != nil {
		return Taken{}, err
	}
	requester, err := s.requester(ctx, actor, a)
	if err != nil {
		return Taken{}, err
	}
	op, err := inputOf(a)
	if err != nil {
		return Taken{}, err
	}
	done, err := s.carryOut(ctx, requester, op, &granted{approval: a, by: actor, note: note})
	if err == nil && done.Replayed {
		// Somebody was quicker.
		d, err := s.Approval(ctx, actor, in.ID)
		if err != nil {
			return Taken{}, err
		}
		if d.DecidedBy != actor.UserID {
			return done, domain.Errorf(domain.Conflict, "%s", d.Undecidable)
		}
	}
	return done, err
}

// carryOut does an operation with its approval.
func (s *Service) carryOut(ctx context.Context, requester domain.Actor, in ActInput, g *granted) (Taken, error) {
	if in.Payout != nil {
		in.Payout.approval = g
		return s.Payout(ctx, requester, *in.Payout)
	}
	in.approval = g
	done, err := s.Act(ctx, requester, in)
	return Taken{PaymentID: in.PaymentID, TransactionID: done.TransactionID, Status: done.Status, Replayed: done.Replayed}, err
}

// requester is the one who asked, with the role of today. The address of the
// request is the approver's and is in the approval's own audit row.
func (s *Service) requester(ctx context.Context, approver domain.Actor, a domain.Approval) (domain.Actor, error) {
	p, err := s.Store.PersonOf(ctx, a.RequestedBy, approver.MerchantID)
	switch {
	case domain.CodeOf(err) == domain.NotFound:
		return domain.Actor{}, domain.Errorf(domain.Conflict, "%s %s no longer works here.", nothing(a.Action), a.RequestedByName)
	case err != nil:
		return domain.Actor{}, err
	case !p.Actor.Role.May(domain.LimitedPermission(a.Action)):
		return domain.Actor{}, domain.Errorf(domain.Conflict, "%s %s’s role, %s, no longer allows this.", nothing(a.Action), p.Actor.Name, p.Actor.Role.Label())
	}
	p.Actor.RequestID = approver.RequestID
	return p.Actor, nil
}

// decisionNote is what a decision says beside it.
func decisionNote(note string, needed bool) (string, error) {
	note = strings.TrimSpace(note)
	switch {
	case needed && note == "":
		return "", domain.InvalidFields(map[string]string{"note": "Say why, so that it can be asked for differently."})
	case len([]rune(note)) > 500:
		return "", domain.InvalidFields(map[string]string{"note": "Use at most 500 characters."})
	case domain.LooksLikeCardNumber(note):
		return "", domain.InvalidFields(map[string]string{"note": "This looks like a card number. Do not write card numbers here."})
	}
	return note, nil
}

// RefuseApproval ends a request with a note. It needs approvals:decide, and that
// it is another person's. Conflict says that it no longer waits.
func (s *Service) RefuseApproval(ctx context.Context, actor domain.Actor, id domain.ApprovalID, note string) error {
	if err := actor.Require(domain.ApprovalsDecide); err != nil {
		return err
	}
	note, err := decisionNote(note, true)
	if err != nil {
		return err
	}
	return s.end(ctx, actor, id, domain.ApprovalRefused, note, func(a domain.Approval, now time.Time) string {
		return a.Undecidable(actor, now)
	})
}

// WithdrawApproval takes a request back. Only who asked can. Conflict says that
// it no longer waits.
func (s *Service) WithdrawApproval(ctx context.Context, actor domain.Actor, id domain.ApprovalID) error {
	if err := actor.Require(domain.ApprovalsRead); err != nil {
		return err
	}
	return s.end(ctx, actor, id, domain.ApprovalWithdrawn, "", func(a domain.Approval, now time.Time) string {
		switch {
		case a.At(now) != domain.ApprovalWaiting:
			return a.Undecidable(actor, now)
		case a.RequestedBy != actor.UserID:
			return "Only " + a.RequestedByName + " can take this request back."
		}
		return ""
	})
}

func (s *Service) end(ctx context.Context, actor domain.Actor, id domain.ApprovalID, to domain.ApprovalStatus, note string, why func(domain.Approval, time.Time) string) error {
	if err := notWhileActing(actor); err != nil {
		return err
	}
	now := s.now()
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		a, err := tx.LockApproval(ctx, id)
		if err != nil {
			return err
		}
		if words := why(a, now); words != "" {
			return domain.Errorf(domain.Conflict, "%s", words)
		}
		a.Status, a.DecidedBy, a.DecidedByName, a.DecidedAt, a.DecisionNote = to, actor.UserID, actor.Name, now, note
		if _, err := tx.Decide(ctx, a); err != nil {
			return err
		}
		tx.Audit(s.approvalEntry(actor, a, string(to), map[string]any{"note": note}))
		return nil
	})
}
