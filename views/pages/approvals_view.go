package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// ConfirmView is /confirm, posted as _csrf, next, password and code.
type ConfirmView struct {
	Layout    layouts.Model
	Next      string
	For       time.Duration
	Errors    map[string]string
	FormError string
}

// AskView is the page that a money form leads to when another person must
// approve. It is posted to /approvals as _csrf, _key, Hidden and why.
type AskView struct {
	Layout layouts.Model
	Key    string
	Action domain.TransactionType
	Amount money.Amount
	// Because is the limit in a sentence.
	Because string
	BackURL string // the payment, or the form
	// Hidden are the operation's own fields.
	Hidden    []components.Line
	Why       string // as typed
	MinNote   int
	For       time.Duration
	Errors    map[string]string
	FormError string
}

// ApprovalsView is /approvals.
type ApprovalsView struct {
	Layout  layouts.Model
	Decided bool // only what is over
	First   bool // the first page of it
	Waiting []domain.Approval
	Over    []domain.Approval
	// NextURL is the next page; empty: there is none. OverURL leads from the first
	// page to all that is over.
	NextURL, OverURL string
}

// ApprovalView is /approvals/{id}. Its forms are posted to /approvals/{id}/approve
// (_csrf, amount, note, password, code), /refuse (_csrf, note) and /withdraw
// (_csrf).
type ApprovalView struct {
	Layout   layouts.Model
	Approval domain.Approval
	// Payment is nil when the operation changes no payment that exists.
	Payment      *domain.Payment
	Transactions []domain.Transaction
	// Card and Through are where a payout goes, while there is no payment of it.
	Card        domain.Card
	Through     string
	Reason      string
	OwnNote     string
	Impossible  string // why the payment does not allow it; empty while it does
	Undecidable string // why this person cannot decide; empty when they can
	Own         bool   // this person asked for it

	Note        string // as typed with the approval
	Errors      map[string]string
	FormError   string
	RefuseNote  string
	RefuseError string
}

// LimitsView is /settings/limits.
type LimitsView struct {
	Layout layouts.Model
	Rows   []domain.Limit
}

// LimitFormView is the form of one limit: /settings/limits/new, posted to
// /settings/limits as _csrf, _key, who, action, currency, per, step_up, approval
// and password; or /settings/limits/{id}, posted there without who, action,
// currency and per, and to its /remove as _csrf and password.
type LimitFormView struct {
	Layout layouts.Model
	// Limit is the one that is changed; with a zero ID it is a new one.
	Limit      domain.Limit
	Key        string
	Roles      []components.Option
	People     []components.Option
	Actions    []components.Option
	Currencies []components.Option
	Pers       []components.Option
	StepUp     string // as typed
	Approval   string
	Errors     map[string]string
	FormError  string
	// RemoveError is the password's sentence in the form that removes.
	RemoveError string
}
