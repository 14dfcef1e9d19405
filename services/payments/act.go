package payments

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// ActInput is a change of a payment that exists: a refund, a capture, a change
// or a void of a hold, a void of a sale, or a tip. It is plain data, so that a
// form and a JSON body lead to the same call.
type ActInput struct {
	Key       string // minted with the form: see ActionKey
	PaymentID domain.PaymentID
	// Action is one that makes a transaction.
	Action domain.Action
	// Amount is in minor units of the payment's currency: what is refunded,
	// captured (tip included), added or taken away, or the new tip, which may be
	// zero. A void takes none.
	Amount money.Amount
	// Shown is the sum that the form of a void showed: when it is another one by
	// now, that is a Conflict. Zero value: nobody looked.
	Shown  money.Amount
	Tip    money.Amount // ActCapture: the part of Amount that is a tip; zero value: none
	Final  bool         // ActCapture: give back what is left of the hold
	Reason string       // ActRefund: one of domain.RefundReasons' values
	Note   string       // at most 200 characters, for the team only
	// Terminal is the terminal that it is done on; zero: it is done without one.
	// Its tip and card options are for a sale only.
	Terminal domain.OnTerminal
	// Payout is what is asked for where Action is ActPayout, for the thresholds
	// alone: Payout makes it, and not Act. PaymentID is zero then.
	Payout *PayoutInput
	// approval is set when another person approved this very operation.
	approval *granted
}

// Acted says which transaction a change made. Replayed is true when its form had
// been posted before: nothing was done again.
type Acted struct {
	TransactionID domain.TransactionID
	Status        domain.TransactionStatus
	Replayed      bool
}

// actionSpace is the name space of ActionKey.
var actionSpace = uuid.MustParse("7b0c5c7e-6a0b-4f3e-9a37-0d5a4f8e1c52")

// ActionKey is the attempt key of a form that changes a payment. It is the same
// for one person, payment and action until something happens to the payment: a
// reload, the back button, a second tab and a new session cannot make a second
// attempt of what was sent already.
func ActionKey(actor domain.Actor, p domain.PaymentID, act domain.Action, txs []domain.Transaction) string {
	return uuid.NewSHA1(actionSpace, fmt.Appendf(nil, "%s %s %s %d", actor.UserID, p, act, len(txs))).String()
}

// tokenFor is how long after a payment its card's token is given (seed 004,
// "/transactions/{guid}/token": twelve months).
const tokenFor = 365 * 24 * time.Hour

// standing gathers what Allowed asks.
func (s *Service) standing(p domain.Payment, txs []domain.Transaction, caps domain.Capabilities, conn domain.Connection) domain.Standing {
	return domain.Standing{Payment: p, Transactions: txs, Caps: caps, Removed: conn.Removed(), TokenTooOld: s.now().Sub(p.CreatedAt) > tokenFor}
}

// did is what certainly did not happen, for the sentence over a refused form.
var did = map[domain.Action]string{
	domain.ActRefund: "Nothing was refunded.", domain.ActCapture: "Nothing was captured.", domain.ActIncrease: "The hold was not changed.",
	domain.ActDecrease: "The hold was not changed.", domain.ActVoid: "Nothing was voided.", domain.ActVoidRefund: "The refund was not voided.", domain.ActTip: "The tip was not changed.",
}

// Nothing is what did not happen when an action is refused: "Nothing was
// refunded."
func Nothing(act domain.Action) string {
	if w, ok := did[act]; ok {
		return w
	}
	return "Nothing was done."
}

// CheckAct is every rule of a change that needs no database, one sentence per
// field, for a handler that already knows that another field is wrong.
func (s *Service) CheckAct(in ActInput) map[string]string {
	_, fields := checkAct(&in)
	return fields
}

// checkAct also gives the note as it is kept.
func checkAct(in *ActInput) (note string, fields map[string]string) {
	fields = map[string]string{}
	in.Note = strings.TrimSpace(in.Note)
	switch {
	case in.Action == domain.ActVoid, in.Action == domain.ActVoidRefund:
	case in.Amount.IsNegative(), in.Amount.IsZero() && in.Action != domain.ActTip:
		fields["amount"] = "Enter an amount above " + money.Zero(in.Amount.Currency()).Format() + "."
	}
	switch {
	case len([]rune(in.Note)) > 200:
		fields["note"] = "Use at most 200 characters."
	case domain.LooksLikeCardNumber(in.Note):
		fields["note"] = "This looks like a card number. Do not write card numbers here."
	}
	if !in.Terminal.IsZero() {
		checkTerminal(in.Terminal, actOp(in.Action, ""), fields)
	}
	note = in.Note
	if in.Action == domain.ActRefund {
		label, known := domain.RefundReasonLabel(in.Reason)
		switch {
		case !known:
			fields["reason"] = "Choose why you refund."
		case in.Reason == "other" && in.Note == "":
			fields["note"] = "Say why, in a few words."
		}
		if note = label; in.Note != "" {
			note += ": " + in.Note
		}
	}
	return note, fields
}

// Act changes a payment. It needs the action's permission, and below the
// thresholds of domain.Limits nothing more. domain.Allowed and AllowedAmount are
// asked under the payment's lock, so that what is pending or unknown counts as
// used. The same key with the same content gives the first result; with another
// content Duplicate. Invalid carries one sentence per field; Conflict says that
// the payment does not allow it (now), with the reason in Fields["amount"];
// NeedsStepUp and NeedsApproval say what more it takes. It moves money at the
// provider.
func (s *Service) Act(ctx context.Context, actor domain.Actor, in ActInput) (Acted, error) {
	typ := in.Action.Makes()
	if typ == "" {
		return Acted{}, fmt.Errorf("payments: %q makes no transaction", in.Action)
	}
	if err := actor.Require(in.Action.Permission()); err != nil {
		return Acted{}, err
	}
	if !validKey(in.Key) {
		return Acted{}, domain.Errorf(domain.Conflict, "This form is too old to use. %s Open a new one.", Nothing(in.Action))
	}
	note, fields := checkAct(&in)
	var l link
	var merchant domain.Merchant
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if merchant, err = tx.MerchantRow(ctx); err != nil {
			return err
		}
		p, err := tx.Payment(ctx, in.PaymentID)
		if err != nil {
			return err
		}
		conn, err := tx.Connection(ctx, p.ConnectionID)
		if err != nil {
			return err
		}
		l, err = s.link(ctx, tx, conn)
		return err
	})
	if err != nil {
		return Acted{}, err
	}
	if len(fields) > 0 {
		return Acted{}, domain.InvalidFields(fields)
	}
	failpoint.Hit(string(typ), failpoint.Checked)
	x, on, done, err := s.openAct(ctx, actor, in, note, l, merchant)
	if err != nil || done.Replayed {
		return done, err
	}
	if !in.Terminal.IsZero() {
		done.Status, err = s.sendToTerminal(ctx, actor, l, x, on, x.Reference)
		return done, err
	}
	status, err := s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) { return perform(ctx, l, in.Action, x) })
	done.Status = status
	return done, err
}

// perform calls the provider. What the connection offers was asked under the
// payment's lock, and it is computed from these very interfaces.
func perform(ctx context.Context, l link, act domain.Action, x domain.Transaction) (providers.Result, error) {
	change := providers.ChangeRequest{By: x.Amount, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef}
	switch act {
	case domain.ActRefund:
		if p, ok := providers.As[providers.Refunder](l.provider); ok {
			return p.Refund(ctx, providers.RefundRequest{Amount: x.Amount, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef, Note: x.Note})
		}
	case domain.ActCapture:
		if p, ok := providers.As[providers.Capturer](l.provider); ok {
			return p.Capture(ctx, providers.CaptureRequest{Amount: x.Amount, Tip: x.Tip, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef, Final: x.Final})
		}
	case domain.ActIncrease:
		if p, ok := providers.As[providers.Increaser](l.provider); ok {
			return p.Increase(ctx, change)
		}
	case domain.ActDecrease:
		if p, ok := providers.As[providers.Decreaser](l.provider); ok {
			return p.Decrease(ctx, change)
		}
	case domain.ActVoid:
		follow := providers.FollowUp{Amount: x.Amount, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef, OriginalType: x.OriginalType}
		if p, ok := providers.As[providers.PreauthVoider](l.provider); ok && x.OriginalType == domain.Preauth {
			return p.VoidPreauth(ctx, follow)
		}
		if p, ok := providers.As[providers.SaleVoider](l.provider); ok && x.OriginalType == domain.Sale {
			return p.VoidSale(ctx, follow)
		}
	case domain.ActTip:
		if p, ok := providers.As[providers.TipAdjuster](l.provider); ok {
			return p.AdjustTip(ctx, providers.TipRequest{Tip: x.Amount, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef})
		}
	}
	return providers.Result{}, &providers.Error{Provider: l.reg.Name, Op: string(act), Kind: providers.KindUnsupported, NotDone: true,
		Reason: domain.ReasonNotAllowed, Text: "The connection no longer offers it."}
}

// refusedAct is a change that the payment does not allow.
func refusedAct(act domain.Action, words string) error {
	return &domain.Error{Code: domain.Conflict, Message: Nothing(act), Fields: map[string]string{"amount": words}}
}

// openAct is transaction 1 of a change: rule, row, hold, audit and job under the
// payment's lock.
func (s *Service) openAct(ctx context.Context, actor domain.Actor, in ActInput, note string, l link, merchant domain.Merchant) (domain.Transaction, terminal, Acted, error) {
	now := s.now()
	typ := in.Action.Makes()
	var x domain.Transaction
	var done Acted
	var on terminal
	hash := requestHash(string(in.Action), in.PaymentID.String(), in.Amount.String(), in.Tip.String(), fmt.Sprint(in.Final), in.Reason, in.Note)
	if !in.Terminal.IsZero() {
		hash = requestHash(string(hash), terminalHash(in.Terminal))
	}
	err := s.write(ctx, actor.MerchantID, opening, string(typ), func(tx *store.Tx) error {
		p, err := tx.LockPayment(ctx, in.PaymentID)
		if err != nil {
			return err
		}
		x = s.newTransaction(actor, typ, p, in.Amount, l, now)
		x.Note = note
		done = Acted{TransactionID: x.ID, Status: x.Status}
		first, fresh, err := tx.ClaimKey(ctx, in.Key, hash, store.KeyClaim{PaymentID: p.ID, TransactionID: x.ID}, now)
		if err != nil {
			return err
		}
		if !fresh {
			was, err := tx.Transaction(ctx, first.TransactionID)
			done = Acted{TransactionID: first.TransactionID, Status: was.Status, Replayed: true}
			return err
		}
		// Only the connection's credentials can ask what became of it.
		if _, removed, err := tx.HoldConnection(ctx, p.ConnectionID); err != nil {
			return err
		} else if removed {
			return refusedAct(in.Action, domain.DeniedRemoved.Words())
		}
		txs, err := tx.Transactions(ctx, p.ID)
		if err != nil {
			return err
		}
		if on, err = s.actTerminal(ctx, tx, in, l, txs); err != nil {
			return err
		}
		if err := s.permit(actor, in, &x, p, txs, l, merchant, on); err != nil {
			return err
		}
		if err := s.withinLimits(ctx, tx, actor, in, x, now); err != nil {
			return err
		}
		if err := tx.InsertTransaction(ctx, x); err != nil {
			return err
		}
		if err := tx.KeepBooks(ctx, p.ID, now); err != nil {
			return err
		}
		if err := s.occupy(ctx, tx, x); err != nil {
			return err
		}
		detail := in.approval.detail(map[string]any{"reason": in.Reason})
		if !x.DeviceID.IsZero() {
			detail["device"] = x.DeviceID.String()
		}
		tx.Audit(s.entry(actor, x, "requested", "ok", detail))
		return tx.Enqueue(ctx, resolveJob(x), now.Add(FirstAsk))
	})
	return x, on, done, err
}

// actTerminal is where a change of a payment runs; the zero terminal when it runs
// on none.
func (s *Service) actTerminal(ctx context.Context, tx *store.Tx, in ActInput, l link, txs []domain.Transaction) (terminal, error) {
	if in.Terminal.IsZero() {
		return terminal{}, nil
	}
	root, _ := domain.Root(txs)
	op := actOp(in.Action, root.Type)
	if op == "" {
		return terminal{}, domain.InvalidFields(map[string]string{"terminal": notOnTerminal})
	}
	on, why, err := s.findTerminal(ctx, tx, l, in.Terminal.DeviceID, op)
	fields := map[string]string{}
	if why != "" {
		fields["terminal"] = why
	}
	if checkVirtual(on, in.Terminal, fields); err == nil && len(fields) > 0 {
		err = domain.InvalidFields(fields)
	}
	return on, err
}

// permit asks whether the payment allows the change as it is now, and fills in
// what follows from it: a void's amount, and what the change follows up.
func (s *Service) permit(actor domain.Actor, in ActInput, x *domain.Transaction, p domain.Payment, txs []domain.Transaction, l link, merchant domain.Merchant, on terminal) error {
	st := s.standing(p, txs, l.caps, l.conn)
	if !in.Terminal.IsZero() {
		st.OnTerminal = []domain.Action{in.Action}
		onDevice(x, in.Terminal, on)
	}
	d := domain.Allowed(actor, st, in.Action)
	if d == domain.Possible {
		d = domain.AllowedAmount(st, in.Action, in.Amount, in.Tip)
	}
	switch d {
	case domain.Possible:
	case domain.DeniedTooMuch:
		return refusedAct(in.Action, "The most that can be refunded now is "+merchant.Format(p.Refundable())+".")
	case domain.DeniedOverHold:
		return refusedAct(in.Action, "At most "+merchant.Format(p.Authorised)+" is held. Increase the hold first.")
	default:
		return refusedAct(in.Action, d.Words())
	}
	original := st.Root()
	switch in.Action {
	case domain.ActRefund:
		original = st.Charge()
	case domain.ActVoidRefund:
		original = st.LastRefund()
		x.Amount = original.Amount
		if in.Shown.IsPositive() && in.Shown != x.Amount {
			return refusedAct(in.Action, "It is "+merchant.Format(x.Amount)+" by now, not "+merchant.Format(in.Shown)+". Look at it again.")
		}
	case domain.ActVoid:
		if x.Amount = p.Authorised; original.Type == domain.Sale {
			var err error
			if x.Amount, err = adjusted(original, txs); err != nil {
				return err
			}
		}
		if in.Shown.IsPositive() && in.Shown != x.Amount {
			return refusedAct(in.Action, "It is "+merchant.Format(x.Amount)+" by now, not "+merchant.Format(in.Shown)+". Look at it again.")
		}
	case domain.ActCapture:
		x.Tip, x.Final = in.Tip, in.Final || !l.caps.Has(domain.CanCaptureAgain)
	}
	if original.ProviderRef == "" {
		return refusedAct(in.Action, "The provider gave no reference for this payment, so it cannot be told which one is meant.")
	}
	x.OriginalRef, x.OriginalType = original.ProviderRef, original.Type
	return nil
}

// adjusted is what a transaction's amount is after what its provider changed.
func adjusted(x domain.Transaction, txs []domain.Transaction) (money.Amount, error) {
	sum := x.Amount
	var err error
	for _, t := range txs {
		if t.Type == domain.Adjustment && t.Status == domain.TxApproved && t.OriginalRef == x.ProviderRef && err == nil {
			sum, err = sum.Add(t.Amount)
		}
	}
	return sum, err
}

// holdUntil is when a hold that begins now lapses at the latest; zero when the
// provider's document does not say, or it is no hold.
func holdUntil(l link, t domain.TransactionType, now time.Time) time.Time {
	keeper, ok := providers.As[providers.HoldKeeper](l.provider)
	if !ok || t != domain.Preauth {
		return time.Time{}
	}
	return now.Add(keeper.HoldsFor())
}
