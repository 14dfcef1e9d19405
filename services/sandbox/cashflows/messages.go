package cashflows

// message is one of the document's error messages (seed 001, "Cashflows Gateway
// Error Responses"), with its code where that is recovered (a digest
// of the portal).
type message struct{ code, text string }

var (
	cannotRecur           = message{"", "Cannot recur on a non recurring parent."}
	captureTooLarge       = message{"CaptureAmountExceedsOriginalAuthorisation", "The total capture amount exceeds original authorised amount."}
	paymentRefused        = message{"", "Payment has been refused."}
	refundRefused         = message{"GenericRejectionOfRefund", "Refund has been refused."}
	creditRefused         = message{"", "Credit payment has been refused."}
	captureStatus         = message{"InvalidCaptureStatus", "Capture has an invalid status."}
	cannotRefund          = message{"InvalidPaymentForRefund", "Unable to refund this payment."}
	cannotCredit          = message{"InvalidPaymentForCredit", "Unable to perform credit payment."}
	paymentStatus         = message{"InvalidPaymentStatus", "Payment has an invalid status."}
	refundStatus          = message{"InvalidRefundStatus", "Refund has an invalid status."}
	threeDSNeeded         = message{"NonThreeDSecureNotAllowed", "Card payments without 3D Secure are not allowed."}
	noMethodSelected      = message{"", "No payment method selected."}
	orderNotUnique        = message{"", "The supplied order reference is not unique."}
	fullyRefunded         = message{"PaymentAlreadyFullyRefunded", "Payment has already been fully refunded."}
	jobFinal              = message{"", "Payment job is already final."}
	jobNotCancellable     = message{"", "Payment job can not be cancelled."}
	communicating         = message{"", "Error while communicating."}
	methodNotAllowed      = message{"", "Payment method not allowed."}
	methodRejected        = message{"", "The payment method rejected the request."}
	invalidAmount         = message{"", "Invalid amount for payment method."}
	recipientDetails      = message{"", "The validation for recipient detail fields failed."}
	refundTooLarge        = message{"RefundAmountExceedsOriginalAmount", "The total refund amount exceeds original paid amount."}
	threeDSFailed         = message{"ThreeDSecureFailed", "3DSecure Authentication Failed - Payment cannot proceed."}
	threeDSUnavailable    = message{"ThreeDSecureUnavailable", "3DSecure Authentication Unavailable - Payment cannot proceed."}
	threeDSConflict       = message{"ThreeDSecureMethodPostCallbackConflict", "3DSecure Authentication Unavailable - Payment cannot proceed."}
	customerReference     = message{"InvalidCustomerReference", "Invalid customer reference provided."}
	directCardsNotAllowed = message{"", "Direct card payments are not allowed."}
	tooManyAttempts       = message{"", "Too many attempts."}
	frameDomains          = message{"", "It is not allowed to set parent frame domains for embedding the payment page."}
	noMethodsAvailable    = message{"", "Unable to create paymentjob without payment methods available."}
)

// messages lists the thirty in the document's order.
var messages = []message{
	cannotRecur, captureTooLarge, paymentRefused, refundRefused, creditRefused, captureStatus, cannotRefund, cannotCredit, paymentStatus,
	refundStatus, threeDSNeeded, noMethodSelected, orderNotUnique, fullyRefunded, jobFinal, jobNotCancellable, communicating,
	methodNotAllowed, methodRejected, invalidAmount, recipientDetails, refundTooLarge, threeDSFailed, threeDSUnavailable, threeDSConflict,
	customerReference, directCardsNotAllowed, tooManyAttempts, frameDomains, noMethodsAvailable,
}

// The document's warnings. "Maximun" is the provider's own spelling.
var (
	unexpectedStatus = message{"UnexpectedPaymentStatus", "Payment has an unexpected status."}
	maximumTokens    = message{"MaximunNumberOfTokensReached", "The maximum number of stored tokens for a customer has been reached"}
	pageReference    = message{"", "Supplied payment page reference does not exists"}

	warnings = []message{unexpectedStatus, maximumTokens, pageReference}
)

// find looks an outcome's code or words up among the documented ones; other
// words stand without a code, since the emulator invents none.
func find(list []message, code, text string) (message, bool) {
	for _, m := range list {
		if (code != "" && m.code == code && (text == "" || text == m.text)) || (code == "" && text == m.text) {
			return m, true
		}
	}
	return message{}, false
}

// worded gives an outcome's words: the documented message of its code, its own
// text, or the usual one.
func worded(code, text string, usual message) message {
	switch m, ok := find(messages, code, text); {
	case ok:
		return m
	case text != "":
		return message{code, text}
	case code != "":
		return message{code, usual.text}
	}
	return usual
}
