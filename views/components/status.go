package components

import "github.com/counterfoil/counterfoil/services/domain"

// Status is one entry of the status vocabulary: a word is never shown without
// its icon, and colour never stands alone.
type Status struct {
	Word string
	Tone string // good info warn bad unknown quiet
	Icon string // a lucide name
	Spin bool   // the icon turns while something is going on
	Loud bool   // an exception: a tinted tag even in a table
}

// PaymentStatus is the entry of a payment's status.
func PaymentStatus(s domain.PaymentStatus) Status {
	st := Status{Word: s.Label(), Tone: "quiet", Icon: "circle-dot"}
	switch s {
	case domain.PaymentProcessing:
		st.Tone, st.Icon, st.Spin = "info", "loader-circle", true
	case domain.PaymentUnknown:
		st.Tone, st.Icon, st.Loud = "unknown", "circle-question-mark", true
	case domain.PaymentNeedsPerson:
		st.Tone, st.Icon, st.Loud = "warn", "user-round-search", true
	case domain.PaymentApproved:
		st.Tone, st.Icon = "good", "circle-check"
	case domain.PaymentPartRefunded, domain.PaymentRefunded:
		st.Icon = "undo-2"
	case domain.PaymentDeclined:
		st.Tone, st.Icon, st.Loud = "bad", "circle-x", true
	case domain.PaymentNotCharged:
		st.Icon = "circle-x"
	case domain.PaymentAuthorised:
		st.Tone, st.Icon = "info", "hourglass"
	case domain.PaymentCaptured:
		st.Tone, st.Icon = "good", "circle-check"
	case domain.PaymentLinkSent:
		st.Tone, st.Icon = "info", "link"
	case domain.PaymentVoided:
		st.Icon = "ban"
	case domain.PaymentDisputed:
		st.Tone, st.Icon, st.Loud = "warn", "scale", true
	}
	return st
}

// TransactionStatus is the entry of a transaction’s status. A timeline’s titles
// say more than the word, for example that a refund did not happen.
func TransactionStatus(s domain.TransactionStatus) Status {
	st := Status{Word: s.Label(), Tone: "quiet", Icon: "circle-dot"}
	switch s {
	case domain.TxPending, domain.TxProcessing:
		st.Tone, st.Icon, st.Spin = "info", "loader-circle", true
	case domain.TxUnknown:
		st.Tone, st.Icon, st.Loud = "unknown", "circle-question-mark", true
	case domain.TxApproved:
		st.Tone, st.Icon = "good", "circle-check"
	case domain.TxDeclined:
		st.Tone, st.Icon, st.Loud = "bad", "circle-x", true
	case domain.TxFailed:
		st.Icon = "circle-x"
	case domain.TxNeedsPerson:
		st.Tone, st.Icon, st.Loud = "warn", "user-round-search", true
	}
	return st
}

// Struck says that an amount was not taken, so that a table strikes it and no
// total counts it.
func Struck(s domain.PaymentStatus) bool {
	return s == domain.PaymentDeclined || s == domain.PaymentNotCharged || s == domain.PaymentVoided
}
