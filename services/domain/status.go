package domain

import "slices"

// TransactionType says what a transaction does to its payment's money.
type TransactionType string

// The transaction types. This release makes sales and refunds by itself; the
// others come from what a provider tells, or are an adapter's to carry out.
const (
	Sale               TransactionType = "sale"
	Preauth            TransactionType = "preauth"
	Increment          TransactionType = "increment"
	Decrement          TransactionType = "decrement"
	Capture            TransactionType = "capture"
	Void               TransactionType = "void"
	Refund             TransactionType = "refund"
	TipAdjustment      TransactionType = "tip_adjustment"
	Payout             TransactionType = "payout"
	Register           TransactionType = "register"
	Deregister         TransactionType = "deregister"
	Chargeback         TransactionType = "chargeback"
	ChargebackReversal TransactionType = "chargeback_reversal"
	// Adjustment is a change that the provider made to a sale's or a refund's
	// amount after the fact; its amount is the difference.
	Adjustment TransactionType = "adjustment"
)

// TransactionTypes lists every type.
var TransactionTypes = []TransactionType{Sale, Preauth, Increment, Decrement, Capture, Void, Refund, TipAdjustment, Payout, Register, Deregister, Chargeback, ChargebackReversal, Adjustment}

// Label is the type's word on a page.
func (t TransactionType) Label() string {
	switch t {
	case Sale:
		return "Sale"
	case Preauth:
		return "Pre-authorisation"
	case Increment:
		return "Increase"
	case Decrement:
		return "Decrease"
	case Capture:
		return "Capture"
	case Void:
		return "Void"
	case Refund:
		return "Refund"
	case TipAdjustment:
		return "Tip"
	case Payout:
		return "Payout"
	case Register:
		return "Card stored"
	case Deregister:
		return "Card forgotten"
	case Chargeback:
		return "Chargeback"
	case ChargebackReversal:
		return "Chargeback reversal"
	case Adjustment:
		return "Adjustment"
	}
	return string(t)
}

// TransactionStatus is how certain we are of one operation.
type TransactionStatus string

// The transaction statuses. Only Approved moves money in our books.
const (
	// TxPending: written down, being sent, or sent and not answered yet.
	TxPending TransactionStatus = "pending"
	// TxProcessing: the provider has it and says that it is not final, for
	// example while the customer's card is typed on the provider's page.
	TxProcessing TransactionStatus = "processing"
	// TxUnknown: we asked and have no answer. Never a failure.
	TxUnknown TransactionStatus = "unknown"
	// TxApproved: the provider says that the money moved.
	TxApproved TransactionStatus = "approved"
	// TxDeclined: the provider or the bank said no.
	TxDeclined TransactionStatus = "declined"
	// TxFailed: it certainly did not happen: never sent, refused as a request,
	// or not charged by the provider's own word after its window.
	TxFailed TransactionStatus = "failed"
	// TxNeedsPerson: we stopped asking; a person must find out.
	TxNeedsPerson TransactionStatus = "needs_person"
)

// transitions is the whole table of what may become what. A late approval wins
// over an earlier no (docs/how-money-moves.md, 7), and nothing leaves
// Approved.
var transitions = map[TransactionStatus][]TransactionStatus{
	TxPending:     {TxProcessing, TxUnknown, TxApproved, TxDeclined, TxFailed, TxNeedsPerson},
	TxProcessing:  {TxUnknown, TxApproved, TxDeclined, TxFailed, TxNeedsPerson},
	TxUnknown:     {TxProcessing, TxApproved, TxDeclined, TxFailed, TxNeedsPerson},
	TxNeedsPerson: {TxApproved, TxDeclined, TxFailed},
	TxFailed:      {TxApproved},
	TxDeclined:    {TxApproved},
	TxApproved:    nil,
}

// TransactionStatuses lists every status.
var TransactionStatuses = []TransactionStatus{TxPending, TxProcessing, TxUnknown, TxApproved, TxDeclined, TxFailed, TxNeedsPerson}

// CanBecome says whether a transaction may go from one status to another.
func (s TransactionStatus) CanBecome(to TransactionStatus) bool {
	return slices.Contains(transitions[s], to)
}

// Before lists the statuses that may become s, for the conditional update that
// settles a transaction.
func (s TransactionStatus) Before() []TransactionStatus {
	var from []TransactionStatus
	for _, f := range TransactionStatuses {
		if f.CanBecome(s) {
			from = append(from, f)
		}
	}
	return from
}

// Open says that the outcome is still to come, so that the amount is held out
// of every balance.
func (s TransactionStatus) Open() bool {
	switch s {
	case TxPending, TxProcessing, TxUnknown, TxNeedsPerson:
		return true
	}
	return false
}

// Asking says that the resolver still asks the provider.
func (s TransactionStatus) Asking() bool { return s.Open() && s != TxNeedsPerson }

// PaymentStatus is the one word that a list shows for a payment.
type PaymentStatus string

// The payment statuses.
const (
	PaymentProcessing   PaymentStatus = "processing"
	PaymentUnknown      PaymentStatus = "unknown"
	PaymentNeedsPerson  PaymentStatus = "needs_person"
	PaymentApproved     PaymentStatus = "approved"
	PaymentPartRefunded PaymentStatus = "part_refunded"
	PaymentRefunded     PaymentStatus = "refunded"
	PaymentDeclined     PaymentStatus = "declined"
	PaymentNotCharged   PaymentStatus = "not_charged"
	PaymentAuthorised   PaymentStatus = "authorised"
	PaymentVoided       PaymentStatus = "voided"
	PaymentDisputed     PaymentStatus = "disputed"
	// PaymentCaptured: a hold of which something was taken.
	PaymentCaptured PaymentStatus = "captured"
	// PaymentLinkSent: the customer has not paid on the link yet.
	PaymentLinkSent PaymentStatus = "link_sent"
)

// PaymentStatuses lists them in the order of the filter menu.
var PaymentStatuses = []PaymentStatus{PaymentApproved, PaymentProcessing, PaymentUnknown, PaymentNeedsPerson, PaymentDeclined, PaymentNotCharged, PaymentPartRefunded, PaymentRefunded,
	PaymentAuthorised, PaymentCaptured, PaymentLinkSent, PaymentVoided, PaymentDisputed}

// ParsePaymentStatus reads a filter's value.
func ParsePaymentStatus(s string) (PaymentStatus, bool) {
	p := PaymentStatus(s)
	return p, slices.Contains(PaymentStatuses, p)
}

// Label is the status in the one vocabulary of all pages, "Not charged" added
// (ADR: a request that certainly did not happen is not a decline).
func (s PaymentStatus) Label() string {
	switch s {
	case PaymentProcessing:
		return "Processing"
	case PaymentUnknown:
		return "Outcome unknown"
	case PaymentNeedsPerson:
		return "Needs a person"
	case PaymentApproved:
		return "Approved"
	case PaymentPartRefunded:
		return "Part refunded"
	case PaymentRefunded:
		return "Refunded"
	case PaymentDeclined:
		return "Declined"
	case PaymentNotCharged:
		return "Not charged"
	case PaymentAuthorised:
		return "Authorised"
	case PaymentVoided:
		return "Voided"
	case PaymentDisputed:
		return "Disputed"
	case PaymentCaptured:
		return "Captured"
	case PaymentLinkSent:
		return "Link sent"
	}
	return string(s)
}

// Label is the transaction's status in the same words.
func (s TransactionStatus) Label() string {
	switch s {
	case TxPending, TxProcessing:
		return "Processing"
	case TxUnknown:
		return "Outcome unknown"
	case TxApproved:
		return "Approved"
	case TxDeclined:
		return "Declined"
	case TxFailed:
		return "Not charged"
	case TxNeedsPerson:
		return "Needs a person"
	}
	return string(s)
}
