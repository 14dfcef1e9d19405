package domain

import (
	"time"

	"github.com/counterfoil/counterfoil/services/money"
)

// ApprovalFor is how long a request waits for another person before it expires.
const ApprovalFor = 24 * time.Hour

// MinApprovalNote is how long the note of a request is at least, in characters.
const MinApprovalNote = 10

// ApprovalStatus is where a request stands. Everything but waiting is for ever.
type ApprovalStatus string

// The statuses.
const (
	ApprovalWaiting   ApprovalStatus = "waiting"
	ApprovalApproved  ApprovalStatus = "approved"
	ApprovalRefused   ApprovalStatus = "refused"
	ApprovalWithdrawn ApprovalStatus = "withdrawn"
	ApprovalExpired   ApprovalStatus = "expired"
)

// Label is the status's word on a page.
func (s ApprovalStatus) Label() string {
	switch s {
	case ApprovalWaiting:
		return "Waiting"
	case ApprovalApproved:
		return "Approved"
	case ApprovalRefused:
		return "Refused"
	case ApprovalWithdrawn:
		return "Withdrawn"
	case ApprovalExpired:
		return "Expired"
	}
	return string(s)
}

// Approval is one operation that a person wants to do and another must approve.
// It is good for one operation, and for nothing else.
type Approval struct {
	ID               ApprovalID
	MerchantID       MerchantID
	Action           TransactionType
	PaymentID        PaymentID // zero: it changes no payment that exists
	PaymentReference string    // for the page
	Payload          []byte    // what was asked for, field by field, as JSON
	Amount           money.Amount
	Status           ApprovalStatus
	RequestedBy      UserID
	RequestedByName  string
	RequestedAt      time.Time
	ExpiresAt        time.Time
	Note             string // why it is needed
	DecidedBy        UserID
	DecidedByName    string
	DecidedAt        time.Time
	DecisionNote     string
	TransactionID    TransactionID // what it became
}

// At is the status at a moment: a request that nobody decided expires by itself.
func (a Approval) At(now time.Time) ApprovalStatus {
	if a.Status == ApprovalWaiting && !now.Before(a.ExpiresAt) {
		return ApprovalExpired
	}
	return a.Status
}

// Own says that a person had a hand in the request: as themself, or through
// somebody for whom they act.
func (a Approval) Own(actor Actor) bool {
	return a.RequestedBy == actor.UserID || !actor.OnBehalfOf.IsZero() && a.RequestedBy == actor.OnBehalfOf
}

// Undecidable is why a person may not decide a request, as a sentence; empty
// when they may.
func (a Approval) Undecidable(actor Actor, now time.Time) string {
	switch status := a.At(now); {
	case status == ApprovalExpired:
		return "This request has expired. It must be asked for again."
	case status == ApprovalApproved:
		return a.DecidedByName + " approved this already."
	case status == ApprovalRefused:
		return a.DecidedByName + " refused this already."
	case status == ApprovalWithdrawn:
		return a.RequestedByName + " took this request back."
	case !actor.OnBehalfOf.IsZero():
		return "Nobody can approve or refuse while acting for somebody else."
	case a.Own(actor):
		return "You asked for this yourself, so another person must decide."
	case !actor.Role.May(ApprovalsDecide):
		return "Your role, " + actor.Role.Label() + ", does not decide on requests."
	}
	return ""
}

// Purpose is what a step-up of an approver is bound to: this operation and this
// amount.
func (a Approval) Purpose() string {
	return "approve " + a.ID.String() + " " + string(a.Action) + " " + a.Amount.FormatCode()
}

// Proof is that a person proved both factors for one purpose just now. It is
// worth something only in the call that it was made for.
type Proof struct {
	UserID  UserID
	Purpose string
	At      time.Time
}
