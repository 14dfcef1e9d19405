package domain

import "github.com/counterfoil/counterfoil/services/money"

// Books are a payment's totals and status, computed from its transactions.
type Books struct {
	Status                   PaymentStatus
	Captured, Refunded, Held money.Amount
	// Open says that an outcome of any of the transactions is still to come.
	Open bool
}

// BooksOf adds up a payment's transactions. It is the one place where a
// transaction's status becomes money: approved sales are captured, approved
// refunds are refunded, open refunds are held. The most uncertain fact gives
// the payment its word. It errs only when an amount overflows or a transaction
// has another currency.
func BooksOf(currency money.Currency, txs []Transaction) (Books, error) {
	b := Books{Captured: money.Zero(currency), Refunded: money.Zero(currency), Held: money.Zero(currency)}
	var err error
	add := func(to *money.Amount, a money.Amount) {
		if err == nil {
			*to, err = to.Add(a)
		}
	}
	var unknown, person bool
	sale := TxPending
	for _, t := range txs {
		b.Open = b.Open || t.Status.Open()
		unknown = unknown || t.Status == TxUnknown
		person = person || t.Status == TxNeedsPerson
		switch t.Type {
		case Sale:
			sale = t.Status
			if t.Status == TxApproved {
				add(&b.Captured, t.Amount)
			}
		case Refund:
			switch {
			case t.Status == TxApproved:
				add(&b.Refunded, t.Amount)
			case t.Status.Open():
				add(&b.Held, t.Amount)
			}
		}
	}
	if err != nil {
		return Books{}, err
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
	case sale.Open():
		b.Status = PaymentProcessing
	case sale == TxDeclined:
		b.Status = PaymentDeclined
	case sale == TxFailed:
		b.Status = PaymentNotCharged
	case b.Refunded.IsZero():
		b.Status = PaymentApproved
	case refundedAll >= 0:
		b.Status = PaymentRefunded
	default:
		b.Status = PaymentPartRefunded
	}
	return b, nil
}
