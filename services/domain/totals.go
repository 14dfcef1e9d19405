package domain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/services/money"
)

// Books are a payment's totals and status, computed from its transactions.
type Books struct {
	Status PaymentStatus
	// Captured, Refunded and Held are what Payment's fields of these names say.
	// ChargedBack is what banks took back and have not given again.
	Captured, Refunded, Held, ChargedBack money.Amount
	// Open says that an outcome of any of the transactions is still to come.
	Open bool
}

// ErrBooks is what BooksOf's error wraps when the transactions cannot all be
// true: more was undone than was done.
var ErrBooks = errors.New("more is undone than was done")

// Root is the transaction that began a payment: its sale, its
// pre-authorisation, or its payout. By its type and not by its place: a clock
// may go back.
func Root(txs []Transaction) (Transaction, bool) {
	i := slices.IndexFunc(txs, func(t Transaction) bool { return t.Type == Sale || t.Type == Preauth || t.Type == Payout })
	if i < 0 {
		return Transaction{}, false
	}
	return txs[i], true
}

// BooksOf adds up a payment's transactions. It is the one place where a
// transaction's status becomes money: approved sales and captures are captured,
// approved refunds are refunded, open refunds are held; an approved void takes
// its original out again, an adjustment moves its original's amount, and a
// chargeback is counted by itself. The most uncertain fact gives the payment its
// word. It errs only when an amount overflows, a transaction has another
// currency, or a sum would be below zero (ErrBooks).
func BooksOf(currency money.Currency, txs []Transaction) (Books, error) {
	zero := money.Zero(currency)
	b := Books{Captured: zero, Refunded: zero, Held: zero, ChargedBack: zero}
	var err error
	add := func(to *money.Amount, a money.Amount) {
		if err == nil {
			*to, err = to.Add(a)
		}
	}
	take := func(from *money.Amount, a money.Amount) {
		if err == nil {
			*from, err = from.Sub(a)
		}
	}
	root, _ := Root(txs)
	// original is what a follow-up follows; the root where nothing else is named.
	original := func(t Transaction) Transaction {
		for _, o := range txs {
			if t.OriginalRef != "" && o.ProviderRef == t.OriginalRef && o.ID != t.ID {
				return o
			}
		}
		return root
	}
	var unknown, person, released bool
	for _, t := range txs {
		b.Open = b.Open || t.Status.Open()
		unknown = unknown || t.Status == TxUnknown
		person = person || t.Status == TxNeedsPerson
		if t.Type == Refund && t.Status.Open() {
			add(&b.Held, t.Amount)
		}
		if t.Status != TxApproved {
			continue
		}
		switch t.Type {
		case Sale, Capture:
			add(&b.Captured, t.Amount)
		case Refund:
			add(&b.Refunded, t.Amount)
		case Chargeback:
			add(&b.ChargedBack, t.Amount)
		case ChargebackReversal:
			take(&b.ChargedBack, t.Amount)
		case Adjustment:
			if original(t).Type == Refund {
				add(&b.Refunded, t.Amount)
			} else {
				add(&b.Captured, t.Amount)
			}
		case Void:
			switch o := original(t); {
			case o.Status != TxApproved:
			case o.Type == Refund:
				take(&b.Refunded, t.Amount)
			case o.Type == Preauth:
				released = true
			case o.Type == Sale, o.Type == Capture:
				take(&b.Captured, t.Amount)
				released = true
			}
		}
	}
	if err != nil {
		return Books{}, err
	}
	for _, sum := range []money.Amount{b.Captured, b.Refunded, b.ChargedBack} {
		if sum.IsNegative() {
			return Books{}, fmt.Errorf("domain: %w: %s", ErrBooks, sum.FormatCode())
		}
	}
	refundedAll, err := b.Refunded.Cmp(b.Captured)
	if err != nil {
		return Books{}, err
	}
	switch {
	case person:
		b.Status = PaymentNeedsPerson
	case unknown:
		b.Status = PaymentUnknown
	case root.Status.Open() || root.Status == "":
		b.Status = PaymentProcessing
	case root.Status == TxDeclined:
		b.Status = PaymentDeclined
	case root.Status == TxFailed:
		b.Status = PaymentNotCharged
	case b.ChargedBack.IsPositive():
		b.Status = PaymentDisputed
	case b.Captured.IsZero() && released:
		b.Status = PaymentVoided
	case root.Type == Preauth && b.Captured.IsZero():
		b.Status = PaymentAuthorised
	case b.Refunded.IsZero():
		b.Status = PaymentApproved
	case refundedAll >= 0:
		b.Status = PaymentRefunded
	default:
		b.Status = PaymentPartRefunded
	}
	return b, nil
}
