package domain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/services/money"
)

// Begins says that a payment can begin with a transaction of this type.
func (t TransactionType) Begins() bool {
	return t == Sale || t == Preauth || t == Payout || t == Register
}

// Link says that the transaction is a sale that a customer pays on a link.
func (t Transaction) Link() bool { return t.Type == Sale && !t.ExpiresAt.IsZero() }

// tip is the included tip, zero in the currency where none is known.
func (t Transaction) tip(currency money.Currency) money.Amount {
	if t.Tip == (money.Amount{}) {
		return money.Zero(currency)
	}
	return t.Tip
}

// Books are a payment's totals and status, computed from its transactions.
type Books struct {
	Status PaymentStatus
	// Captured, Refunded, Held, Authorised and Tip are what Payment's fields of
	// these names say. ChargedBack is what banks took back and have not given
	// again.
	Captured, Refunded, Held, ChargedBack, Authorised, Tip money.Amount
	// Open says that an outcome of any of the transactions is still to come.
	Open bool
}

// ErrBooks is what BooksOf's error wraps when the transactions cannot all be
// true: more was undone than was done.
var ErrBooks = errors.New("more is undone than was done")

// Root is the transaction that began a payment: its sale, its
// pre-authorisation, its payout, or the storing of a card. By its type and not
// by its place: a clock may go back.
func Root(txs []Transaction) (Transaction, bool) {
	i := slices.IndexFunc(txs, func(t Transaction) bool { return t.Type.Begins() })
	if i < 0 {
		return Transaction{}, false
	}
	return txs[i], true
}

// BooksOf adds up a payment's transactions. It is the one place where a
// transaction's status becomes money: approved sales and captures are captured,
// approved refunds are refunded, open refunds are held; an approved void takes
// its original out again, an adjustment moves its original's amount, the newest
// approved tip stands in place of every earlier one, what is held on the card is
// the hold with its changes less what was captured of it, and a chargeback is
// counted by itself. The most uncertain fact gives the payment its word. It errs only when an amount overflows, a transaction has another
// currency, or a sum would be below zero (ErrBooks).
func BooksOf(currency money.Currency, txs []Transaction) (Books, error) {
	zero := money.Zero(currency)
	b := Books{Captured: zero, Refunded: zero, Held: zero, ChargedBack: zero, Authorised: zero, Tip: zero}
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
	// holdEnds: nothing can be left of the hold, whatever the sums say.
	var holdEnds bool
	included := zero // tips that are a part of the amounts counted below
	var tip Transaction
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
		case Sale:
			add(&b.Captured, t.Amount)
			add(&included, t.tip(currency))
		case Capture:
			add(&b.Captured, t.Amount)
			add(&included, t.tip(currency))
			take(&b.Authorised, t.Amount)
			holdEnds = holdEnds || t.Final
		case Preauth, Increment:
			add(&b.Authorised, t.Amount)
		case Decrement:
			take(&b.Authorised, t.Amount)
		case TipAdjustment:
			if tip.ID.IsZero() || t.CreatedAt.After(tip.CreatedAt) || t.CreatedAt.Equal(tip.CreatedAt) && t.ID.String() > tip.ID.String() {
				tip = t
			}
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
				released, holdEnds = true, true
			case o.Type == Increment:
				take(&b.Authorised, t.Amount)
			case o.Type == Decrement:
				add(&b.Authorised, t.Amount)
			case o.Type == Sale, o.Type == Capture:
				take(&b.Captured, t.Amount)
				take(&included, o.tip(currency))
				released = true
			}
		}
	}
	b.Tip = included
	// A tip goes with the sale that it was given on.
	if !tip.ID.IsZero() && b.Captured.IsPositive() {
		add(&b.Captured, tip.Amount)
		take(&b.Captured, included)
		b.Tip = tip.Amount
	}
	if err != nil {
		return Books{}, err
	}
	// A provider may take more than was held, where its rules allow for a tip.
	if holdEnds || b.Authorised.IsNegative() {
		b.Authorised = zero
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
	case root.Status == TxProcessing && root.Link():
		b.Status = PaymentLinkSent
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
	case b.Refunded.IsZero() && root.Type == Preauth:
		b.Status = PaymentCaptured
	case b.Refunded.IsZero():
		b.Status = PaymentApproved
	case refundedAll >= 0:
		b.Status = PaymentRefunded
	default:
		b.Status = PaymentPartRefunded
	}
	return b, nil
}
