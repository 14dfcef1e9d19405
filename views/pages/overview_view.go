package pages

import (
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// OverviewView is today at one merchant.
type OverviewView struct {
	Layout layouts.Model
	// Days has one entry per currency in which something happened today, in
	// the merchant's order; empty on a day without payments.
	Days []OverviewDay
	// Waiting are the payments with an open outcome, most urgent first: they
	// stand under "Needs you". More is how many are not in the list.
	Waiting []domain.Payment
	More    int
	Latest  []domain.Payment // newest first, five or so
	// FirstDay says that the merchant has no payment at all.
	FirstDay bool
}

// OverviewDay is one currency's figures of today. Net is Taken minus Refunded.
type OverviewDay struct {
	Currency money.Currency
	Sales    int
	Taken    money.Amount
	Refunds  int
	Refunded money.Amount
	Net      money.Amount
	Declined int
	// Open sales and refunds are counted in no figure above; the page names them.
	OpenSales   int
	OpenSale    money.Amount
	OpenRefunds int
	OpenRefund  money.Amount
}
