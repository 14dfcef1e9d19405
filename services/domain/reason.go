package domain

// Reason is why a transaction was declined or did not happen, in our words:
// every code of a provider's documents is translated into one of these
// (docs/decline-reasons.md). What none of them says is ReasonUnmapped, never the
// nearest one.
type Reason string

// The reasons. ReasonNone goes with an approval, and with what is not decided.
const (
	ReasonNone Reason = ""
	// ReasonUnmapped: the provider's own words are shown as they came.
	ReasonUnmapped          Reason = "provider_words"
	ReasonDeclined          Reason = "declined" // documented as a no without a reason
	ReasonInsufficientFunds Reason = "insufficient_funds"
	ReasonLimitExceeded     Reason = "limit_exceeded"
	ReasonTooManyAttempts   Reason = "too_many_attempts"
	ReasonExpiredCard       Reason = "expired_card"
	ReasonCardDetails       Reason = "card_details" // a date or another detail of the card is wrong
	ReasonSecurityCode      Reason = "security_code"
	ReasonWrongPIN          Reason = "wrong_pin"
	ReasonPINLocked         Reason = "pin_locked"
	ReasonInvalidCard       Reason = "invalid_card"
	ReasonUnsupportedCard   Reason = "unsupported_card"
	ReasonClosedAccount     Reason = "closed_account"
	ReasonPickUp            Reason = "pick_up" // the bank wants the card back and does not say why
	ReasonLostOrStolen      Reason = "lost_or_stolen"
	ReasonSuspectedFraud    Reason = "suspected_fraud"
	ReasonPaymentsStopped   Reason = "payments_stopped" // the agreement to charge the card again was ended
	ReasonCallBank          Reason = "call_bank"
	ReasonBankUnavailable   Reason = "bank_unavailable"
	ReasonAuthentication    Reason = "authentication_failed"
	ReasonConfirmation      Reason = "confirmation_needed" // the bank wants the cardholder's confirmation
	ReasonAddressMismatch   Reason = "address_mismatch"
	ReasonCustomerDetails   Reason = "customer_details"
	ReasonBankAccount       Reason = "bank_account" // the IBAN or BIC was refused
	ReasonCustomerCancelled Reason = "customer_cancelled"
	ReasonLinkExpired       Reason = "link_expired"
	ReasonLinkCancelled     Reason = "link_cancelled" // a person here ended it
	ReasonCardToken         Reason = "card_token"     // the stored card is no longer known
	ReasonAmount            Reason = "amount_refused"
	ReasonRefundTooLarge    Reason = "refund_too_large"
	ReasonCaptureTooLarge   Reason = "capture_too_large" // more than is held
	ReasonCurrencyMismatch  Reason = "currency_mismatch"
	ReasonMerchantFunds     Reason = "merchant_funds" // the merchant's own account cannot cover it
	ReasonWrongState        Reason = "wrong_state"    // captured, voided, refunded or closed already
	ReasonNotAllowed        Reason = "not_allowed"    // the provider refuses this kind of operation
	ReasonTestMismatch      Reason = "test_mismatch"  // live and test were mixed
	ReasonInvalidRequest    Reason = "invalid_request"
	ReasonSchedule          Reason = "schedule_refused"
	ReasonCredentials       Reason = "credentials"    // the connection's keys were refused
	ReasonAccountLocked     Reason = "account_locked" // the provider locked the connection's account
	ReasonRateLimited       Reason = "rate_limited"   // too many requests; it was not processed
	ReasonUnreachable       Reason = "unreachable"    // nothing was sent
	ReasonMaintenance       Reason = "maintenance"    // the provider says it is closed
	ReasonNeverArrived      Reason = "never_arrived"  // the provider does not know it after its window
	ReasonDuplicate         Reason = "duplicate"      // the provider has this reference already
	ReasonConcurrent        Reason = "concurrent"     // the provider is working on the same thing
	ReasonDeviceBusy        Reason = "device_busy"
	ReasonDeviceOffline     Reason = "device_offline"
	ReasonNotCancellable    Reason = "not_cancellable"
	ReasonByHand            Reason = "by_hand" // a person wrote down what became of it
)

// RetryAdvice says whether the same thing may be tried once more. It follows the
// card schemes' practice: what the issuer will never approve must not be sent
// again, what it cannot approve now may be on another day, and what was typed
// wrong may be once it is put right.
type RetryAdvice string

// The advices. The zero value is no advice, of a reason that is none.
const (
	MayRetry        RetryAdvice = "may_retry"
	MayRetryOnce    RetryAdvice = "may_retry_once"
	RetrySoon       RetryAdvice = "retry_soon"
	RetryAnotherDay RetryAdvice = "retry_another_day"
	RetryAfterFix   RetryAdvice = "retry_after_fix"
	// FindOutFirst: money may have moved by another attempt.
	FindOutFirst RetryAdvice = "find_out_first"
	MustNotRetry RetryAdvice = "must_not_retry"
	// MustNotRetryCard: not with this card, which does not speak against another.
	MustNotRetryCard RetryAdvice = "must_not_retry_card"
	// RetryNotKnown goes with the provider's own words: nobody has judged them.
	RetryNotKnown RetryAdvice = "not_known"
)

var adviceWords = map[RetryAdvice]string{
	MayRetry:         "It may be tried again.",
	MayRetryOnce:     "It may be tried once more, and not a second time.",
	RetrySoon:        "It may be tried again in a few minutes.",
	RetryAnotherDay:  "This card may be tried again on another day, not today.",
	RetryAfterFix:    "It may be tried again once this is put right.",
	FindOutFirst:     "It must not be tried again before you know what became of it.",
	MustNotRetry:     "It must not be tried again.",
	MustNotRetryCard: "This card must not be tried again.",
	RetryNotKnown:    "We do not know whether it may be tried again.",
}

// RetryAdvices lists every advice in the order of a table.
var RetryAdvices = []RetryAdvice{MayRetry, MayRetryOnce, RetrySoon, RetryAnotherDay, RetryAfterFix, FindOutFirst, MustNotRetry, MustNotRetryCard, RetryNotKnown}

// Words is the advice as a sentence for staff; empty for no advice.
func (a RetryAdvice) Words() string { return adviceWords[a] }

// Allows says that trying again is allowed now or later.
func (a RetryAdvice) Allows() bool {
	switch a {
	case MayRetry, MayRetryOnce, RetrySoon, RetryAnotherDay, RetryAfterFix:
		return true
	}
	return false
}

// Explanation is what a page says of a transaction that was declined or did not
// happen.
type Explanation struct {
	What string // what happened, for staff
	Do   string // what to do, for staff
	// Say is what a person can read out to the customer, in the shop's name. It
	// never tells of theft or suspicion. Empty where no customer waits.
	Say    string
	Advice RetryAdvice
}

// meaning is a reason's line of the table. refund is what to do instead when
// money was on its way to the customer; empty: the same.
type meaning struct {
	reason           Reason
	advice           RetryAdvice
	label            string
	what, do, refund string
	say              string
}

// Sentences that many lines share.
const (
	notToThisCard   = "Nothing went back to this card. Give the money back in another way, and keep a note of it."
	askAnotherCard  = "Say only that the card was declined, and ask for another one."
	sayAnotherCard  = "Your bank did not approve this card. Would you like to use another one?"
	sayNotYourCard  = "The payment did not go through, and the reason is not your card. Would you like to pay in another way?"
	sayInAMoment    = "The payment did not go through, and nothing was taken. We will try again in a moment."
	sayWeSeeToIt    = "That did not go through. We will see to it and tell you."
	sayRefundCard   = "The refund could not go back to this card. We will find another way to pay you back."
	sayRefundOpen   = "Your refund has not gone through yet. We will see to it and tell you."
	tellTheKeeper   = "Tell whoever looks after the connection; no payment can go through until it is mended."
	noReasonGiven   = "It was declined, and no reason was given."
	providersReason = "The provider gave a reason of its own."
)

// meanings is the table of docs/decline-reasons.md, in its order. The advice of
// reasons that come from an issuer is the card schemes' practice for the response
// codes of ISO 8583 behind them (services/providers/handpoint, issuerReasons).
var meanings = []meaning{
	{ReasonDeclined, MayRetryOnce, "No reason given", noReasonGiven,
		"Try once more at most, then ask for another card. Only the customer’s bank can say why.", "Try once more at most, then give the money back in another way.",
		"The payment was declined and we were not told why. Would you like to use another card?"},
	{ReasonInsufficientFunds, RetryAnotherDay, "Insufficient funds", "The bank said “insufficient funds”.",
		"Ask for another card; trying this one again today is likely to be declined.", notToThisCard,
		"Your bank did not approve the payment today. Would you like to use another card?"},
	{ReasonLimitExceeded, RetryAnotherDay, "Limit exceeded", "A limit of the card or of the account was reached.",
		"Ask for another card, or try a smaller amount.", notToThisCard,
		"Your bank did not approve this amount. Would you like to use another card?"},
	{ReasonTooManyAttempts, RetryAnotherDay, "Tried too often", "The card was tried too often.",
		"Leave this card for today and ask for another one.", notToThisCard,
		"We cannot try this card again today. Would you like to use another one?"},
	{ReasonExpiredCard, RetryAfterFix, "Expired card", "The card has expired.",
		"Ask for the replacement card, or another one.", notToThisCard,
		"This card has expired. Do you have the new one, or another card?"},
	{ReasonCardDetails, RetryAfterFix, "Card details wrong", "A detail of the card was missing or wrong.",
		"Ask the customer to check the card’s number and dates, then start again.", notToThisCard,
		"Something in the card’s details was not right. Could you check its number and dates?"},
	{ReasonSecurityCode, RetryAfterFix, "Security code", "The security code was missing or did not match.",
		"Ask the customer to check the code and start again, or ask for another card.", notToThisCard,
		"The security code of the card was missing or not right. Could you check it, or use another card?"},
	{ReasonWrongPIN, RetryAfterFix, "Wrong PIN", "The PIN was wrong.",
		"Let the customer type the PIN again, or ask for another card.", notToThisCard,
		"The PIN was not right. Would you like to type it again, or use another card?"},
	{ReasonPINLocked, RetryAfterFix, "PIN locked", "The PIN was wrong too often, and the bank has locked it.",
		"Ask for another card. Only the customer’s bank can unlock the PIN.", notToThisCard,
		"The PIN of this card is locked, and only your bank can unlock it. Would you like to use another card?"},
	{ReasonInvalidCard, MustNotRetryCard, "Invalid card", "The card number is not one that the bank or the provider knows.",
		"Ask the customer to check the number. If it was right, ask for another card.", notToThisCard,
		"The number of this card was not recognised. Could you check it, or use another card?"},
	{ReasonUnsupportedCard, MustNotRetryCard, "Unsupported card", "This card cannot be used for this kind of payment.",
		"Ask for another card.", notToThisCard,
		"This card cannot be used for this payment. Would you like to use another one?"},
	{ReasonClosedAccount, MustNotRetryCard, "Account closed", "The account of this card is closed.",
		"Ask for another card.", notToThisCard,
		"Your bank no longer accepts this card. Would you like to use another one?"},
	{ReasonPickUp, MustNotRetryCard, "Card stopped by the bank", "The bank has stopped this card and wants it back.",
		askAnotherCard, notToThisCard, sayAnotherCard},
	{ReasonLostOrStolen, MustNotRetryCard, "Lost or stolen", "The bank has stopped this card: it was reported lost or stolen.",
		askAnotherCard, notToThisCard, sayAnotherCard},
	{ReasonSuspectedFraud, MustNotRetryCard, "Stopped by a risk check", "It was stopped by a risk check.",
		"Say only that the card was declined. Check who you are speaking to before you take another card.", "Check who asked for the money before you give it back in another way.",
		"The payment was declined. Would you like to pay in another way?"},
	{ReasonPaymentsStopped, MustNotRetryCard, "Payments stopped", "The agreement to charge this card again was ended, by the cardholder or their bank.",
		"Agree with the customer how they will pay, and end what charges this card by itself.", notToThisCard,
		"Your bank no longer lets us charge this card by itself. How would you like to pay?"},
	{ReasonCallBank, RetryAfterFix, "Bank wants a call", "The bank wants to speak to the cardholder.",
		"Ask the customer to call the number on their card, or for another card.", notToThisCard,
		"Your bank wants you to call them first; the number is on your card. Or would you like to use another card?"},
	{ReasonBankUnavailable, RetrySoon, "Bank not reached", "The systems of the customer’s bank could not answer, and it was declined for that.",
		"Wait a few minutes and start again, or ask for another card.", "Wait a few minutes and start again.",
		"Your bank cannot be reached at the moment. Shall we try again shortly, or would you like to use another card?"},
	{ReasonAuthentication, MayRetryOnce, "Authentication failed", "The check that this is the cardholder failed.",
		"Start again once at most, then ask for another card. Their bank can tell them more.", notToThisCard,
		"Your bank could not confirm that it is you. Would you like to try once more, or use another card?"},
	{ReasonConfirmation, RetryAfterFix, "Confirmation needed", "It needs the cardholder’s confirmation (3-D Secure), and nobody asked for it.",
		"Take it in a way in which the customer can confirm it, or ask for another card.", notToThisCard,
		"This payment needs your confirmation with your bank, which is not possible here. Would you like to use another card?"},
	{ReasonAddressMismatch, RetryAfterFix, "Address mismatch", "The address did not match the card’s.",
		"Check the address with the customer, or ask for another card.", notToThisCard,
		"The address is not the one that your bank has. Could you check it, or use another card?"},
	{ReasonCustomerDetails, RetryAfterFix, "Customer’s details", "The provider did not accept the customer’s details.",
		"Check the name, address and email with the customer, then start again.", "",
		"Some of your details were not accepted. Could we go through your name and address once more?"},
	{ReasonBankAccount, RetryAfterFix, "Bank account", "The bank account was not accepted.",
		"Check the account with the customer, or ask for another way to pay.", "Check the account with the customer, then start again.",
		"The account details were not accepted. Could you check them, or pay in another way?"},
	{ReasonCustomerCancelled, MayRetry, "Cancelled", "It was cancelled before it was completed.",
		"Start again when the customer is ready.", "",
		"The payment was not completed, and nothing was taken. Shall we start again?"},
	{ReasonLinkExpired, MayRetry, "Expired", "The time for paying ran out before the card was typed.",
		"Start again when the customer is ready.", "",
		"The time for paying ran out, and nothing was taken. Shall we start again?"},
	{ReasonLinkCancelled, MayRetry, "Link cancelled", "The payment link was cancelled before anybody paid on it.",
		"Make a new link when the customer is ready.", "",
		"We ended that payment link, and nothing was taken. Shall we send you a new one?"},
	{ReasonCardToken, MustNotRetryCard, "Stored card not known", "The provider no longer knows this stored card.",
		"Ask for the card again, and do not use the stored one.", notToThisCard,
		"The card we had stored for you no longer works. Could you give us the card once more?"},
	{ReasonAmount, RetryAfterFix, "Amount refused", "The amount was not accepted.",
		"Check the amount, then start again.", "",
		"This amount was not accepted. We will check it and try again."},
	{ReasonRefundTooLarge, RetryAfterFix, "Refund too large", "The provider says that less is left to refund.",
		"Check the refunds of this payment at the provider.", "", sayWeSeeToIt},
	{ReasonCaptureTooLarge, RetryAfterFix, "Capture too large", "The provider holds less than this.",
		"Check what is held before you try again.", "", sayWeSeeToIt},
	{ReasonCurrencyMismatch, RetryAfterFix, "Currency mismatch", "The provider holds this payment in another currency.",
		"Check the payment at the provider before you try again.", "", sayNotYourCard},
	{ReasonMerchantFunds, RetryAfterFix, "Your account is too low", "Your own account at the provider does not hold enough for this.",
		"Pay money in, or wait until sales have been added, then start again.", "", sayWeSeeToIt},
	{ReasonWrongState, MustNotRetry, "Wrong state", "The provider says that this is no longer possible for this payment.",
		"Ask the provider for the payment’s state before you try anything else.", "", sayWeSeeToIt},
	{ReasonNotAllowed, MustNotRetry, "Not allowed", "The provider does not allow this for this payment.",
		"Ask the provider why.", "", sayNotYourCard},
	{ReasonTestMismatch, RetryAfterFix, "Test and live mixed", "The provider says that test and live were mixed.",
		"Use real cards on live connections only and test cards on test connections only.", "", sayNotYourCard},
	{ReasonInvalidRequest, RetryAfterFix, "Request refused", "The provider refused the request itself.",
		"Check what was entered and start again; if it stays, tell whoever looks after Counterfoil.", "", sayNotYourCard},
	{ReasonSchedule, RetryAfterFix, "Schedule refused", "The provider refused this change of the schedule.",
		"Check the schedule’s state and dates before you try again.", "", sayWeSeeToIt},
	{ReasonCredentials, RetryAfterFix, "Connection’s keys refused", "The provider refused this connection’s keys.",
		tellTheKeeper, "", sayNotYourCard},
	{ReasonAccountLocked, RetryAfterFix, "Account locked", "The provider has locked this connection’s account.",
		"Tell whoever looks after the connection; only the provider can unlock it.", "", sayNotYourCard},
	{ReasonRateLimited, RetrySoon, "Rate limited", "The provider asked us to slow down and did not process it.",
		"Wait a minute, then start again.", "", sayInAMoment},
	{ReasonUnreachable, RetrySoon, "Provider not reached", "The provider could not be reached, and nothing was sent.",
		"Wait a minute, then start again.", "", sayInAMoment},
	{ReasonMaintenance, RetrySoon, "Maintenance", "The provider is closed for maintenance and did not process it.",
		"Try again later.", "", "Card payments are not possible for the moment, and nothing was taken. Would you like to pay in another way?"},
	{ReasonNeverArrived, MayRetry, "Never arrived", "The provider confirms that it never charged this.",
		"It is safe to start again.", "", "The payment did not go through, and nothing was taken. Shall we start again?"},
	{ReasonDuplicate, FindOutFirst, "Duplicate", "The provider already has an operation with our reference.",
		"Open Payments and look for it before you try again.", "", "We have to check whether it has gone through already. We will tell you as soon as we know."},
	{ReasonConcurrent, FindOutFirst, "Concurrent", "The provider is already working on this.",
		"Wait for the outcome before you try anything else.", "", "It is still being worked on. We will tell you as soon as we know."},
	{ReasonDeviceBusy, RetryAfterFix, "Device busy", "The terminal is busy with something else.",
		"Finish or cancel what is on the terminal, then start again.", "", sayInAMoment},
	{ReasonDeviceOffline, RetryAfterFix, "Device offline", "The terminal is not connected, and nothing was sent to it.",
		"Check that it is switched on and connected, then start again.", "", sayInAMoment},
	{ReasonNotCancellable, MustNotRetry, "Not cancellable", "The payment on the terminal can no longer be stopped.",
		"Wait for its outcome; it can be refunded afterwards.", "", "The payment can no longer be stopped. If it goes through, we can pay it back afterwards."},
	{ReasonByHand, MayRetry, "Written down by a person", "A person found out at the provider that it did not happen.",
		"Read in the timeline what was found out. It is safe to start again.", "", "The payment did not go through, and nothing was taken. Shall we start again?"},
	{ReasonUnmapped, RetryNotKnown, "Provider’s own words", providersReason,
		"Ask the provider what it means before you try again, or ask for another card.", "Ask the provider what it means before you try again.",
		"The payment was declined. Would you like to use another card?"},
}

var meaningOf = func() map[Reason]meaning {
	m := make(map[Reason]meaning, len(meanings))
	for _, line := range meanings {
		m[line.reason] = line
	}
	return m
}()

// meaning of a reason that this version does not know is that of the provider's
// own words.
func (r Reason) meaning() meaning {
	if m, ok := meaningOf[r]; ok {
		return m
	}
	return meaningOf[ReasonUnmapped]
}

// Label is the reason in a few words, for a row of a list: "Insufficient
// funds". Empty for ReasonNone.
func (r Reason) Label() string {
	if r == ReasonNone {
		return ""
	}
	return r.meaning().label
}

// Reasons lists every reason with words, in the order of the documentation.
func Reasons() []Reason {
	rs := make([]Reason, 0, len(meanings))
	for _, m := range meanings {
		rs = append(rs, m.reason)
	}
	return rs
}

// Words says in plain English what happened and what to do.
func (r Reason) Words() (what, do string) {
	m := r.meaning()
	return m.what, m.do
}

// Advice says whether a payment that ended for the reason may be tried again.
func (r Reason) Advice() RetryAdvice { return r.meaning().advice }

// Explain gives the texts of a sale that ended for the reason. For the
// provider's own words, which a reason does not hold, there is
// Transaction.Explain.
func (r Reason) Explain() Explanation {
	m := r.meaning()
	return Explanation{What: m.what, Do: m.do, Say: m.say, Advice: m.advice}
}

// Explain says why a transaction was declined or did not happen, for its kind: a
// card that the money cannot go back to is no card that "another one" helps.
// It is empty while there is nothing to explain.
func (t Transaction) Explain() Explanation {
	if t.Status != TxDeclined && t.Status != TxFailed {
		return Explanation{}
	}
	m := t.Reason.meaning()
	e := t.Reason.Explain()
	if m.reason == ReasonUnmapped {
		e.What = providersWords(t.ProviderText, t.ProviderCode)
	}
	switch t.Type {
	case Refund, Payout:
		if m.refund != "" {
			e.Do = m.refund
		}
		e.Say = sayRefundOpen
		if m.refund == notToThisCard {
			e.Say = sayRefundCard
		}
	case Sale, Preauth, Increment, Register:
	default:
		// Nobody stands at the counter for it.
		e.Say = ""
	}
	return e
}

// providersWords quotes the provider, adding nothing.
func providersWords(words, code string) string {
	switch {
	case words != "" && code != "":
		return "The provider said “" + words + "” (code “" + code + "”)."
	case words != "":
		return "The provider said “" + words + "”."
	case code != "":
		return "The provider gave the code “" + code + "” and no words."
	}
	return "The provider gave neither a code nor words."
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
