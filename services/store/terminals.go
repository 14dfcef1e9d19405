package store

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

// Receipt is one that a terminal's result brought: an address, or markup that is
// foreign and never shown in our own origin.
type Receipt struct {
	Copy string // "customer" or "merchant"
	Kind string // "url" or "html"
	Body string
}

// maxReceipt bounds what is kept of one, in bytes: one that is longer is left
// out, since half of a receipt is none.
const maxReceipt = 256 << 10

// AddReceipts keeps the receipts of a transaction; those of a copy that is there
// already stay as they are. It comes after Settle.
func (t *Tx) AddReceipts(ctx context.Context, id domain.TransactionID, rs []Receipt, at time.Time) error {
	for _, r := range rs {
		if r.Body == "" || len(r.Body) > maxReceipt || r.Copy != "customer" && r.Copy != "merchant" || r.Kind != "url" && r.Kind != "html" {
			continue
		}
		_, err := t.q.ExecContext(ctx, `insert into receipts (merchant_id, transaction_id, copy, kind, body, created_at) values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
			t.m, id, r.Copy, r.Kind, asText(r.Body), at)
		if err != nil {
			return dbError("add receipt", err)
		}
	}
	return nil
}

// NoteRecovered notes that a terminal delivered a transaction's result late, from
// its own memory, and tells the pages that show its payment. first is false when
// that was known. It locks the transaction, so the payment's lock comes before
// it.
func (t *Tx) NoteRecovered(ctx context.Context, x domain.Transaction) (first bool, err error) {
	res, err := t.q.ExecContext(ctx, `update transactions set recovered = true where merchant_id = $1 and id = $2 and not recovered`, t.m, x.ID)
	if err != nil {
		return false, dbError("note recovered", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, dbError("note recovered", err)
	}
	return true, t.Notify(ctx, "payment", x.PaymentID.String())
}
