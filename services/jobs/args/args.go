// Package args holds the names and arguments of background jobs: ids only,
// never an amount, a card or a secret, since they are kept in clear in River's
// tables. It imports domain.
package args

import "github.com/counterfoil/counterfoil/services/domain"

// ResolveTransaction asks the provider for the outcome of a transaction until
// it is known. It is inserted in the same database transaction as the pending
// row, so that a crash cannot lose it.
type ResolveTransaction struct {
	MerchantID    domain.MerchantID    `json:"merchant_id" river:"unique"`
	TransactionID domain.TransactionID `json:"transaction_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (ResolveTransaction) Kind() string { return "resolve_transaction" }

// SweepOpen looks for transactions whose next question is long overdue and puts
// their resolve job back. There should never be one.
type SweepOpen struct{}

// Kind is the job's name in River's tables.
func (SweepOpen) Kind() string { return "sweep_open" }
