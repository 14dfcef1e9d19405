package domain

import "strings"

// Reason is why a transaction was declined or did not happen, in our words:
// every provider's codes are translated into these.
type Reason string

// The reasons. ReasonNone goes with an approval.
const (
	ReasonNone              Reason = ""
	ReasonDeclined          Reason = "declined" // the bank gave no more than no
	ReasonInsufficientFunds Reason = "insufficient_funds"
	ReasonExpiredCard       Reason = "expired_card"
	ReasonInvalidCard       Reason = "invalid_card"
	ReasonUnsupportedCard   Reason = "unsupported_card"
	ReasonSecurityCode      Reason = "security_code"
	ReasonLostOrStolen      Reason = "lost_or_stolen"
	ReasonSuspectedFraud    Reason = "suspected_fraud"
	ReasonCallBank          Reason = "call_bank"
	ReasonLimitExceeded     Reason = "limit_exceeded"
	ReasonCustomerCancelled Reason = "customer_cancelled"
	ReasonLinkExpired       Reason = "link_expired"
	ReasonAuthentication    Reason = "authentication_failed"
	ReasonRefundTooLarge    Reason = "refund_too_large"
	ReasonCurrencyMismatch  Reason = "currency_mismatch"
	ReasonNotAllowed        Reason = "not_allowed"     // the provider refuses this kind of operation
	ReasonInvalidRequest    Reason = "invalid_request" // the provider refused our request as such
	ReasonCredentials       Reason = "credentials"     // the connection's keys were refused
	ReasonRateLimited       Reason = "rate_limited"    // too many requests; it was not processed
	ReasonUnreachable       Reason = "unreachable"     // nothing was sent
	ReasonMaintenance       Reason = "maintenance"     // the provider says it is closed
	ReasonNeverArrived      Reason = "never_arrived"   // the provider does not know it after its window
	ReasonDuplicate         Reason = "duplicate"       // the provider has this reference already
	ReasonCardToken         Reason = "card_token"      // the stored card is no longer known
	ReasonAddressMismatch   Reason = "address_mismatch"
	ReasonBankAccount       Reason = "bank_account"      // the IBAN or BIC was refused
	ReasonCaptureTooLarge   Reason = "capture_too_large" // more than is held
	ReasonWrongState        Reason = "wrong_state"       // captured, voided, refunded or closed already
	ReasonConcurrent        Reason = "concurrent"        // the provider is working on the same thing
	ReasonAccountLocked     Reason = "account_locked"    // the provider locked the connection's account
	ReasonDeviceBusy        Reason = "device_busy"
	ReasonDeviceOffline     Reason = "device_offline"
	ReasonNotCancellable    Reason = "not_cancellable"
	ReasonSchedule          Reason = "schedule_refused"
	ReasonByHand            Reason = "by_hand" // a person wrote down what became of it
)

// reasonWords holds, per reason, what happened and what to tell the customer.
var reasonWords = map[Reason][2]string{
	ReasonDeclined:          {"The bank declined it and gave no reason.", "Ask for another card. Their bank can tell them more."},
	ReasonInsufficientFunds: {"The bank said “insufficient funds”.", "Ask for another card; trying this one again today is likely to be declined."},
	ReasonExpiredCard:       {"The card has expired.", "Ask for the replacement card, or another one."},
	ReasonInvalidCard:       {"The card number is not one the bank knows.", "Read the number back to the customer, or ask for another card."},
	ReasonUnsupportedCard:   {"This kind of card cannot be used here.", "Ask for another card."},
	ReasonSecurityCode:      {"The security code did not match.", "Ask the customer to read the code again, or for another card."},
	ReasonLostOrStolen:      {"The bank has stopped this card.", "Say only that the card was declined and ask for another one."},
	ReasonSuspectedFraud:    {"The payment was stopped by a risk check.", "Say only that the card was declined. Check who you are speaking to before you take another card."},
	ReasonCallBank:          {"The bank wants to speak to the cardholder.", "Ask the customer to call the number on their card, or for another card."},
	ReasonLimitExceeded:     {"The card’s limit was reached.", "Ask for another card, or try a smaller amount."},
	ReasonCustomerCancelled: {"The card details were not completed.", "Start again when the customer is ready."},
	ReasonLinkExpired:       {"The provider’s page expired before the card was typed.", "Start again when the customer is ready."},
	ReasonAuthentication:    {"The cardholder check failed.", "Ask for another card. Their bank can tell them more."},
	ReasonRefundTooLarge:    {"The provider says that less is left to refund.", "Check the refunds of this payment at the provider."},
	ReasonCurrencyMismatch:  {"The provider holds this payment in another currency.", "Check the payment at the provider before you try again."},
	ReasonNotAllowed:        {"The provider does not allow this for this payment.", "Ask the provider why."},
	ReasonInvalidRequest:    {"The provider refused the request itself.", "Try again in a moment; if it stays, tell whoever looks after Counterfoil."},
	ReasonCredentials:       {"The provider refused this connection’s keys.", "Tell whoever looks after the connection; no payment can go through until it is mended."},
	ReasonRateLimited:       {"The provider asked us to slow down and did not process it.", "Wait a minute, then start again."},
	ReasonUnreachable:       {"The provider could not be reached, and nothing was sent.", "Wait a minute, then start again."},
	ReasonMaintenance:       {"The provider is closed for maintenance and did not process it.", "Try again later."},
	ReasonNeverArrived:      {"The provider confirms that it never charged this.", "It is safe to start again."},
	ReasonDuplicate:         {"The provider already has an operation with our reference.", "Open Payments and look for it before you try again."},
	ReasonAddressMismatch:   {"The address did not match the card’s.", "Check the address with the customer, or ask for another card."},
	ReasonBankAccount:       {"The bank account was not accepted.", "Check the account with the customer, or ask for another way to pay."},
	ReasonCaptureTooLarge:   {"The provider holds less than this.", "Check what is held before you try again."},
	ReasonWrongState:        {"The provider says that this is no longer possible for this payment.", "Ask the provider for the payment’s state before you try anything else."},
	ReasonConcurrent:        {"The provider is already working on this.", "Wait for the outcome before you try anything else."},
	ReasonAccountLocked:     {"The provider has locked this connection’s account.", "Tell whoever looks after the connection; only the provider can unlock it."},
	ReasonDeviceBusy:        {"The terminal is busy with something else.", "Finish or cancel what is on the terminal, then start again."},
	ReasonDeviceOffline:     {"The terminal does not answer, and nothing was sent to it.", "Check that it is switched on and connected, then start again."},
	ReasonNotCancellable:    {"The payment on the terminal can no longer be stopped.", "Wait for its outcome; it can be refunded afterwards."},
	ReasonSchedule:          {"The provider refused this change of the schedule.", "Check the schedule’s state and dates before you try again."},
	ReasonByHand:            {"A person found out at the provider that it did not happen.", "It is safe to start again."},
	ReasonCardToken:         {"The provider no longer knows this stored card.", "Ask for the card again."},
}

// Label is the reason in a few words, for a row of a list: "Insufficient
// funds". Empty for ReasonNone.
func (r Reason) Label() string {
	if r == ReasonNone {
		return ""
	}
	words := strings.ReplaceAll(string(r), "_", " ")
	switch r {
	case ReasonDeclined:
		return "No reason given"
	case ReasonByHand:
		return "Written down by a person"
	case ReasonCallBank:
		return "Bank wants a call"
	case ReasonNeverArrived:
		return "Never arrived"
	case ReasonCardToken:
		return "Stored card not known"
	case ReasonCredentials:
		return "Connection’s keys refused"
	case ReasonInvalidRequest:
		return "Request refused"
	case ReasonUnreachable:
		return "Provider not reached"
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// Reasons lists every reason with words.
func Reasons() []Reason {
	rs := make([]Reason, 0, len(reasonWords))
	for r := range reasonWords {
		rs = append(rs, r)
	}
	return rs
}

// Words says in plain English what happened, and what to do or to tell the
// customer. An unknown reason gets the words of a bare decline.
func (r Reason) Words() (what, next string) {
	w, ok := reasonWords[r]
	if !ok {
		w = reasonWords[ReasonDeclined]
	}
	return w[0], w[1]
}

// RefundReason is why a person gives money back: the value of a form and its
// label, which is what is kept and shown.
type RefundReason struct{ Value, Label string }

// RefundReasons lists the choices in the order of the form. "other" needs a note.
var RefundReasons = []RefundReason{
	{"returned", "Item returned"},
	{"error", "Charged in error"},
	{"not_delivered", "Not delivered"},
	{"goodwill", "Goodwill"},
	{"other", "Other"},
}

// RefundReasonLabel finds a choice's label by its value.
func RefundReasonLabel(value string) (string, bool) {
	for _, r := range RefundReasons {
		if r.Value == value {
			return r.Label, true
		}
	}
	return "", false
}
