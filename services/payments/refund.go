package payments

import (
	"context"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// RefundInput is a refund as the form sends it.
type RefundInput struct {
	Key       string
	PaymentID domain.PaymentID
	Amount    money.Amount
	Reason    string // one of domain.RefundReasons' values
	Note      string // needed with "other"
}

// Refunded says which transaction a refund form made.
type Refunded struct {
	TransactionID domain.TransactionID
	Status        domain.TransactionStatus
	Replayed      bool
}

// checkRefund is every rule of the refund form that needs no database.
func checkRefund(in *RefundInput) (note string, fields map[string]string) {
	fields = map[string]string{}
	in.Note = strings.TrimSpace(in.Note)
	if !in.Amount.IsPositive() {
		fields["amount"] = "Enter an amount above " + money.Zero(in.Amount.Currency()).Format() + "."
	}
	label, known := domain.RefundReasonLabel(in.Reason)
	switch {
	case !known:
		fields["reason"] = "Choose why you refund."
	case in.Reason == "other" && in.Note == "":
		fields["note"] = "Say why, in a few words."
	case len([]rune(in.Note)) > 200:
		fields["note"] = "Use at most 200 characters."
	case domain.LooksLikeCardNumber(in.Note):
		fields["note"] = "This looks like a card number. Do not write card numbers here."
	}
	if note = label; in.Note != "" {
		note += ": " + in.Note
	}
	return note, fields
}

// Refund gives back a part or the whole of a payment. It needs payments:refund.
// What is left is judged under the payment's lock, with pending and unknown
// refunds counted as used; the amount is held from the first commit on. The
// same key with the same content gives the first result. Invalid carries one
// sentence per field; Conflict says that the payment changed meanwhile. It
// moves money at the provider.
func (s *Service) Refund(ctx context.Context, actor domain.Actor, in RefundInput) (Refunded, error) {
	if err := actor.Require(domain.PaymentsRefund); err != nil {
		return Refunded{}, err
	}
	if !validKey(in.Key) {
		return Refunded{}, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was refunded. Open a new one.")
	}
	note, fields := checkRefund(&in)
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
		return Refunded{}, err
	}
	if len(fields) > 0 {
		return Refunded{}, domain.InvalidFields(fields)
	}
	failpoint.Hit(string(domain.Refund), failpoint.Checked)
	x, done, err := s.openRefund(ctx, actor, in, note, l, merchant)
	if err != nil || done.Replayed {
		return done, err
	}
	status, err := s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) {
		return l.provider.(providers.Refunder).Refund(ctx, providers.RefundRequest{Amount: x.Amount, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef, Note: note})
	})
	done.Status = status
	return done, err
}

// openRefund is transaction 1 of a refund: rule, row, hold, audit and job under
// the payment's lock.
func (s *Service) openRefund(ctx context.Context, actor domain.Actor, in RefundInput, note string, l link, merchant domain.Merchant) (domain.Transaction, Refunded, error) {
	now := s.now()
	var x domain.Transaction
	var done Refunded
	hash := requestHash("refund", in.PaymentID.String(), in.Amount.String(), in.Reason, in.Note)
	err := s.write(ctx, actor.MerchantID, opening, string(domain.Refund), func(tx *store.Tx) error {
		p, err := tx.LockPayment(ctx, in.PaymentID)
		if err != nil {
			return err
		}
		x = s.newTransaction(actor, domain.Refund, p, in.Amount, l, now)
		x.Note = note
		done = Refunded{TransactionID: x.ID, Status: x.Status}
		first, fresh, err := tx.ClaimKey(ctx, in.Key, hash, store.KeyClaim{PaymentID: p.ID, TransactionID: x.ID}, now)
		if err != nil {
			return err
		}
		if !fresh {
			was, err := tx.Transaction(ctx, first.TransactionID)
			done = Refunded{TransactionID: first.TransactionID, Status: was.Status, Replayed: true}
			return err
		}
		// Only the connection's credentials can ask what became of it.
		if _, removed, err := tx.HoldConnection(ctx, p.ConnectionID); err != nil {
			return err
		} else if removed {
			return domain.Errorf(domain.Conflict, "The connection of this payment was removed. Nothing was refunded.")
		}
		txs, err := tx.Transactions(ctx, p.ID)
		if err != nil {
			return err
		}
		sale, open := chargedBy(txs)
		if d := domain.Allowed(actor, p, open, domain.ActRefund, l.caps); d != domain.Possible {
			return &domain.Error{Code: domain.Conflict, Message: "Nothing was refunded.", Fields: map[string]string{"amount": d.Words()}}
		}
		if d := domain.RefundDenial(p, in.Amount, l.caps); d != domain.Possible {
			words := d.Words()
			if d == domain.DeniedTooMuch {
				words = "The most that can be refunded now is " + merchant.Format(p.Refundable()) + "."
			}
			return &domain.Error{Code: domain.Conflict, Message: "Nothing was refunded.", Fields: map[string]string{"amount": words}}
		}
		x.OriginalRef = sale.ProviderRef
		if err := tx.InsertTransaction(ctx, x); err != nil {
			return err
		}
		if err := tx.HoldRefund(ctx, p.ID, now); err != nil {
			return err
		}
		tx.Audit(s.entry(actor, x, "requested", "ok", map[string]any{"reason": in.Reason}))
		return tx.Enqueue(ctx, resolveJob(x), now.Add(FirstAsk))
	})
	return x, done, err
}

// chargedBy finds the transaction that took a payment's money and that a refund
// follows up: its sale, or the capture of what was held. open says that the
// outcome of what began the payment is still to come.
func chargedBy(txs []domain.Transaction) (charge domain.Transaction, open bool) {
	root, _ := domain.Root(txs)
	if root.Type == domain.Preauth {
		for _, t := range txs {
			if t.Type == domain.Capture && t.Status == domain.TxApproved {
				return t, root.Status.Open()
			}
		}
	}
	return root, root.Status.Open()
}
