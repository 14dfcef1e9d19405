package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// PaymentView is /payments/{id}. PaymentLive is its fragment: the whole of the
// page below the breadcrumb, answered when HX-Target is "div#payment-live".
// While Live is true it asks for itself when the stream names it, every three
// seconds where there is no stream, with the header X-Background: 1, which must
// not extend the session.
type PaymentView struct {
	Layout  layouts.Model
	Payment domain.Payment
	// Transactions are newest first.
	Transactions []domain.Transaction
	// Messages are the provider's redacted messages of a transaction, oldest
	// first.
	Messages map[domain.TransactionID][]ProviderMessage
	// Live says that something may still change by itself.
	Live bool
	// MayComeLate says that a terminal may still deliver a result: the page asks
	// only when the stream names the payment.
	MayComeLate bool
	// JustTaken says that the form led here (?new=1): the result is said in full.
	JustTaken bool
	// Actions are what can be done to a payment like this one, in the order of
	// the page, each with its reason when it cannot be done now.
	Actions []ActionButton
	// Check is Possible or why not.
	Check domain.Denial
	// RefundForm is the refund dialog's form; nil when a refund is not possible.
	RefundForm *RefundFormView
	// Forms are the dialogs of the other actions that are possible.
	Forms []ActionFormView
	// Decides says per open transaction when the provider's "not known" begins to
	// count.
	Decides map[domain.TransactionID]Deciding
	// ForPerson are the transactions that a person may settle by hand; MaySettle
	// says that this one may.
	ForPerson map[domain.TransactionID]bool
	MaySettle bool
	// MayAsk says that the provider can be asked about every operation of the
	// payment by whoever looks at it.
	MayAsk bool
	// FrameURL is the provider's page while a card is to be typed; FrameNow
	// says that this page's frame-src names its origin, so that the frame may
	// be shown. The link is always shown.
	FrameURL string
	FrameNow bool
	// GivesUpAt is when a person takes over, per open transaction.
	GivesUpAt map[domain.TransactionID]time.Time
	Receipt   components.Receipt
	Begin     BeginningView
	// Devices are the terminals that the operations ran on.
	Devices map[domain.DeviceID]domain.Device
	// MayStop says that the reader may stop what runs on a terminal, MayPrint that
	// they may have a receipt printed on one.
	MayStop, MayPrint bool
	// Requests wait for another person's approval.
	Requests []domain.Approval
}

// Deciding is a provider's rule about "not known": from At on it counts, and
// Wants such answers are needed, of which there were Has.
type Deciding struct {
	At         time.Time
	Wants, Has int
}

// ProviderMessage is one line of what was said between us and a provider,
// already redacted.
type ProviderMessage struct {
	At   time.Time
	Text string
}

// RefundFormView is the form of a refund, posted to /payments/{id}/refunds as
// _csrf, _key, kind (full or part), amount, full_amount (the sum that "all" showed), reason, terminal and note. In the dialog it
// is sent by htmx: answer a bad form with RefundForm and 422 (409 when the
// maximum changed), a good one with HX-Redirect to the payment.
type RefundFormView struct {
	PaymentID  domain.PaymentID
	CSRF       string
	Key        string
	Refundable money.Amount
	Held       money.Amount // zero: nothing is held
	Card       domain.Card
	// PartRefused is why only the whole can be refunded; empty when a part can.
	PartRefused string
	Kind        string // RefundFull or RefundPart; empty means full
	Amount      string
	Reason      string // one of domain.RefundReasons' values
	Note        string
	Errors      map[string]string
	FormError   string
	Dialog      bool // in the dialog: Cancel closes it; otherwise it is a link back
	// ManyCurrencies is the layout's: a fragment has no layout.
	ManyCurrencies bool
	Where          TerminalForm // the terminals that it can be done on
}

// The kinds of a refund.
const (
	RefundFull = "full"
	RefundPart = "part"
)

// RefundPageView is /payments/{id}/refund, the same form as a page of its own.
type RefundPageView struct {
	Layout  layouts.Model
	Payment domain.Payment
	Form    RefundFormView
	Denied  domain.Denial // not Possible: the page says why and has no form
}

// ReceiptView is /payments/{id}/receipt, both copies, made for printing.
type ReceiptView struct {
	Layout    layouts.Model
	PaymentID domain.PaymentID
	Receipt   components.Receipt
	// Note says why there is nothing to print yet; empty when there is.
	Note string
}

// ReceiptOf makes the receipt of a payment from its own record. now and loc
// decide nothing but the way its time is written.
func ReceiptOf(m layouts.Model, merchant domain.Merchant, p domain.Payment) components.Receipt {
	return receiptOf(m, merchant, p)
}
