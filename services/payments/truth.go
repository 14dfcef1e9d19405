package payments

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// saidOf is a provider's answer as it is kept beside our record.
func saidOf(res providers.Result, at time.Time) *domain.Said {
	s := &domain.Said{At: at, Ref: res.ProviderRef, AuthCode: res.AuthCode, Brand: res.Card.Brand, Last4: res.Card.Last4,
		Reason: res.Reason, Code: res.Code, Text: res.Text}
	switch res.Outcome {
	case providers.Approved:
		s.Verdict = domain.SaidApproved
	case providers.Declined:
		s.Verdict = domain.SaidDeclined
	case providers.Absent:
		s.Verdict = domain.SaidAbsent
	default:
		s.Verdict = domain.SaidPending
	}
	if res.Amount != nil {
		minor := res.Amount.Minor()
		s.Amount, s.Currency = &minor, res.Amount.Currency().Code()
	}
	if res.Tip != nil {
		minor := res.Tip.Minor()
		s.Tip, s.Currency = &minor, res.Tip.Currency().Code()
	}
	return s
}

// lookup is the question about a transaction; root is what began its payment.
func lookup(x, root domain.Transaction) providers.Lookup {
	q := providers.Lookup{Type: x.Type, AttemptRef: x.AttemptRef, ProviderRef: x.ProviderRef, OriginalRef: x.OriginalRef, Amount: x.Amount}
	if x.Type == domain.Payout && !x.DeviceID.IsZero() {
		// On a terminal it is a refund of nothing.
		q.Type, q.OriginalRef = domain.Refund, ""
	}
	if !x.Type.Begins() {
		q.OriginalAttempt = root.AttemptRef
	}
	return q
}

// askPersonAt is when to ask next about a transaction that was just judged; zero
// when its outcome is known.
func askPersonAt(status domain.TransactionStatus, now time.Time) time.Time {
	if status != domain.TxNeedsPerson {
		return time.Time{}
	}
	return now.Add(AskPersonEvery)
}

// maxAsks bounds the questions of one press: the newest operations count.
const maxAsks = 20

// askable says that the provider can be asked about a transaction of this type.
// What a bank or a provider did by itself has no status of its own.
func askable(t domain.TransactionType) bool {
	switch t {
	case domain.Chargeback, domain.ChargebackReversal, domain.Adjustment:
		return false
	}
	return true
}

// Ask asks the provider about every operation of a payment, also those whose
// outcome is known, and keeps the answers beside our record. It needs
// payments:check and sends no money. What is open is settled, and a late
// approval wins; any other difference from what is final here is audited and
// shown, never adopted. NotFound when the payment is not the merchant's;
// Unavailable when its connection cannot be used; Conflict when its provider
// cannot be asked.
func (s *Service) Ask(ctx context.Context, actor domain.Actor, id domain.PaymentID) error {
	if err := actor.Require(domain.PaymentsCheck); err != nil {
		return err
	}
	var txs []domain.Transaction
	var l link
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		if txs, err = tx.Transactions(ctx, id); err != nil {
			return err
		}
		conn, err := tx.Connection(ctx, p.ConnectionID)
		if err != nil {
			return err
		}
		if conn.Removed() {
			return domain.Errorf(domain.Conflict, "%s", domain.DeniedRemoved.Words())
		}
		l, err = s.link(ctx, tx, conn)
		return err
	})
	if err != nil {
		return err
	}
	finder, can := providers.As[providers.StatusFinder](l.provider)
	if !can {
		return domain.Errorf(domain.Conflict, "%s cannot be asked what became of a payment.", l.reg.Label)
	}
	root, _ := domain.Root(txs)
	var errs []error
	asked := 0
	for _, x := range txs {
		switch {
		case !askable(x.Type) || asked >= maxAsks, s.now().Sub(x.LastAskedAt) < checkEvery:
			continue
		case x.Status.Open():
			_, err = s.resolve(ctx, actor, x.ID)
		default:
			err = s.confirm(ctx, actor, l, finder, x, root)
		}
		asked++
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// confirm asks about what is final here.
func (s *Service) confirm(ctx context.Context, actor domain.Actor, l link, finder providers.StatusFinder, x, root domain.Transaction) error {
	callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	failpoint.Hit(question, failpoint.Asking)
	res, err := finder.FindStatus(callCtx, lookup(x, root))
	failpoint.Hit(question, failpoint.Told)
	cancel()
	now := s.now()
	return s.write(ctx, x.MerchantID, settling, question, func(tx *store.Tx) error {
		if _, lockErr := tx.LockPayment(ctx, x.PaymentID); lockErr != nil {
			return lockErr
		}
		if err != nil {
			// A question that failed tells nothing about the money.
			msg := store.Message{TransactionID: x.ID, At: now, Op: question, Outcome: "no answer to the status question"}
			if e, ok := providers.AsError(err); ok {
				msg.Outcome, msg.Body = "status question: "+string(e.Kind), string(e.Raw)
			}
			if err := tx.AddMessage(ctx, msg); err != nil {
				return err
			}
			return tx.NoteAsk(ctx, x.ID, now, time.Time{}, false)
		}
		a := s.translate(l, x, res, nil, now)
		if a.to == domain.TxProcessing {
			// "Not final" and "not known" settle nothing that is final here.
			a.set.Said.Op = question
			if err := tx.NoteSaid(ctx, x.ID, *a.set.Said); err != nil {
				return err
			}
			if len(a.raw) > 0 {
				if err := tx.AddMessage(ctx, store.Message{TransactionID: x.ID, At: now, Op: question, Outcome: a.outcome, Body: string(a.raw)}); err != nil {
					return err
				}
			}
		} else if _, err := s.settle(ctx, tx, actor, x, a, question); err != nil {
			return err
		}
		if err := tx.NoteAsk(ctx, x.ID, now, time.Time{}, false); err != nil {
			return err
		}
		return s.auditDifference(ctx, tx, actor, x, question)
	})
}

// auditDifference leaves an audit row when the provider's last answer differs
// from a record that is final here, in other fields than it did before. was is
// the transaction as it was before the answer was kept.
func (s *Service) auditDifference(ctx context.Context, tx *store.Tx, actor domain.Actor, was domain.Transaction, by string) error {
	p, err := tx.Payment(ctx, was.PaymentID)
	if err != nil {
		return err
	}
	txs, err := tx.Transactions(ctx, was.PaymentID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(txs, func(t domain.Transaction) bool { return t.ID == was.ID })
	if i < 0 {
		return nil
	}
	now := domain.Differences(p, txs, txs[i])
	if len(now) == 0 || slices.Equal(now, domain.Differences(p, txs, was)) {
		return nil
	}
	said := txs[i].Said
	tx.Audit(s.entry(actor, txs[i], "differs", string(said.Verdict), map[string]any{"fields": now, "ours": string(txs[i].Status), "provider_code": said.Code, "provider_ref": said.Ref, "by": by}))
	return nil
}

// Verdict is when the provider's "not known" about an open transaction begins to
// count, and how many such answers its rule wants.
type Verdict struct {
	At    time.Time
	Wants int // in all
	Has   int // so far
}

// verdictOf is the rule for an open transaction of ours; the zero Verdict when
// there is none.
func verdictOf(l link, t domain.Transaction) Verdict {
	if !t.Status.Open() || t.Told() || t.ProviderRef != "" || t.RedirectURL != "" || !l.caps.Has(domain.CanLookUp) || l.reg.Absence.Asks == 0 {
		return Verdict{}
	}
	return Verdict{At: t.LastSendAt.Add(l.reg.Absence.After), Wants: l.reg.Absence.Asks, Has: t.Absent}
}
