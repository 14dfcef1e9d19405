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
	// Holds are open holds that lapse within three days, Reviews payments that a
	// risk check left for a person.
	Holds, Reviews int
	// Calls are providers' own calls that could not be applied.
	Calls []CallsWaiting
	// Approvals says how many requests wait for this person's decision: "2 refunds
	// wait for approval". Empty: none.
	Approvals string
	Latest    []domain.Payment // newest first, five or so
	// Silent are terminals that are used daily and were not heard.
	Silent []domain.Device
	// FirstDay says that the merchant has no payment at all.
	FirstDay bool
}

// CallsWaiting is how many of a connection's callbacks need a person; More says
// that there may be more.
type CallsWaiting struct {
	ConnectionID domain.ConnectionID
	Connection   string
	Count        int
	More         bool
}

// OverviewDay is one currency's figures of today. Net is Taken minus Refunded and
// PaidOut plus Otherwise: voids, adjustments and chargebacks, signed.
type OverviewDay struct {
	Currency  money.Currency
	Sales     int
	Taken     money.Amount
	Refunds   int
	Refunded  money.Amount
	Others    int
	Otherwise money.Amount
	Net       money.Amount
	Declined  int
	// Open sales and refunds are counted in no figure above; the page names them.
	OpenSales   int
	OpenSale    money.Amount
	OpenRefunds int
	OpenRefund  money.Amount
	// Payouts went to cards without being refunds; they are in Net.
	Payouts     int
	PaidOut     money.Amount
	OpenPayouts int
	OpenPayout  money.Amount
}
