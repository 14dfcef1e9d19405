package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// Steps leads to the pages before and behind this one of a worklist. An empty
// URL means that there is none.
type Steps struct {
	BeforeURL, BehindURL     string
	BeforeLabel, BehindLabel string
	Words                    string // what this page holds
}

// TipsView is /tips: one form over the sales of a day. Its buttons are named
// "do": total works out the sums, paste reads the text field, set sends.
type TipsView struct {
	Layout layouts.Model
	Day    time.Time // the first moment of the day
	Date   string    // YYYY-MM-DD
	Key    string    // the id of the next press
	// Earlier and Later lead to the days beside; Later is empty for today.
	EarlierURL, LaterURL string
	Connections          []components.Option
	Devices              []components.Option
	After                string // where this page of the list begins
	Rows                 []TipRow
	Totals               []TipTotal
	Steps                Steps
	// Problem is what is wrong with the form as a whole; Wrong how many rows
	// need another look.
	Problem string
	Wrong   []components.FieldError
	// Filled says that what was pasted is in the fields; nothing was sent.
	Filled   string
	Paste    string
	Problems []PasteLine
	// Results are the outcomes of a press, in words; empty when none is shown.
	Results []string
	Errors  map[string]string // of the filter
}

// PasteLine is one line of what was pasted that was not taken.
type PasteLine struct {
	Line int
	Text string
}

// TipRow is one sale of the worksheet.
type TipRow struct {
	ID        domain.PaymentID
	Reference string
	At        time.Time
	Card      domain.Card
	Status    domain.PaymentStatus
	Sale      money.Amount // without its tip
	Tip       money.Amount // as it is
	Total     money.Amount // with the tip that is typed, or is
	Counted   bool         // its sale was taken, so it is in the sums
	Key       string       // empty: its tip cannot be set
	Typed     string
	Err       string
	Large     string // the tip is more than a fifth, in words
	Confirmed bool
	Denied    string
	Result    *TipResult
}

// TipResult is what became of a tip.
type TipResult struct {
	Status components.Status
	Words  string
}

// TipTotal is one currency's sums over the rows that count.
type TipTotal struct {
	Currency money.Currency
	Tips     int
	Changed  int
	Sales    money.Amount
	Now      money.Amount // tips as they are
	Then     money.Amount // tips as they will be
	Total    money.Amount // sales with these
	// FixedTips, FixedThen and FixedTotal are of the rows without a field.
	FixedTips             int
	FixedThen, FixedTotal money.Amount
	// Out are sales in no sum.
	Out    int
	OutSum money.Amount
}

// HoldsView is /preauths.
type HoldsView struct {
	Layout      layouts.Model
	Rows        []HoldRow
	Totals      []domain.HoldTotals
	Steps       Steps
	Within      string // days, as typed
	Currencies  []components.Option
	Connections []components.Option
	Errors      map[string]string
	Narrowed    bool
	ExportURL   string
	// Alerts says how many holds somebody was not told of yet; CanSee that this
	// person may say that they have seen them.
	Alerts int
	CanSee bool
}

// HoldRow is one open hold with what can be done to it here.
type HoldRow struct {
	Payment domain.Payment
	Actions []RowAction
	Why     string // why nothing can be done, when there is nothing
}

// RowAction is a link in a row that opens a form.
type RowAction struct {
	Label string // "Capture"
	URL   string
}

// UnendedView is /payments/open.
type UnendedView struct {
	Layout layouts.Model
	Rows   []UnendedRow
	Steps  Steps
	Counts map[domain.TransactionStatus]int
}

// UnendedRow is one transaction without an outcome.
type UnendedRow struct {
	Transaction domain.Transaction
	Payment     domain.Payment
	CanAsk      bool // the provider can be asked, and this person may
	NoQuestion  bool // the provider offers no such question
	GivesUpAt   time.Time
}

// ReviewsView is /reviews.
type ReviewsView struct {
	Layout layouts.Model
	Rows   []ReviewRow
	Steps  Steps
}

// ReviewRow is one payment that the risk check left for a person.
type ReviewRow struct {
	Payment domain.Payment
	Said    string
	Actions []RowAction
}

// ReviewView is the form that keeps such a payment.
type ReviewView struct {
	Layout  layouts.Model
	Payment domain.Payment
	Said    string
	Note    string
	Next    string
	Errors  map[string]string
	Problem string
	// Denied is why it cannot be kept; empty: it can.
	Denied string
}
