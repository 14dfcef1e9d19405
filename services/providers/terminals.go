package providers

import (
	"context"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// DeviceLister lists the merchant's terminals at the provider.
type DeviceLister interface {
	Devices(ctx context.Context) ([]Device, error)
}

// Device is a terminal as the provider lists it. Its shared secret stays behind.
type Device struct {
	Ref      string // the provider's own id, where it has one
	Serial   string
	Type     string // the provider's word for the model
	Name     string
	Location string
	Merchant string // the account that it belongs to, as the provider names it
	Virtual  bool   // a virtual terminal: no hardware
}

// DeviceRef names a terminal in a call.
type DeviceRef struct{ Ref, Serial, Type string }

// DeviceChecker asks whether a terminal is connected now.
type DeviceChecker interface {
	Connected(ctx context.Context, d DeviceRef) (DeviceState, error)
}

// DeviceState is what the provider says of a terminal.
type DeviceState struct {
	Connected  bool
	Code, Said string // the provider's own
	Meaning    string // a sentence for staff, where the code has one
}

// DeviceCommander sends a command to a terminal. "Accepted" is not "done".
type DeviceCommander interface {
	CommandDevice(ctx context.Context, d DeviceRef, c DeviceCommand) error
}

// DeviceCommand is one of seed 004's six commands with its one value or two.
type DeviceCommand struct {
	Name string // the document's last path segment, for example "set-locale"
	On   bool   // set-unattended-mode, set-password-protected; force of reboot
	Text string // set-locale: "en_US"
	Low  int    // set-screen-brightness, percent; set-reboot-time, hour
	High int    // set-screen-brightness, percent
}

// CommandAdviser says what the provider's document asks of a command beyond its
// values. It sends nothing.
type CommandAdviser interface {
	// CommandAdvice gives a sentence why the command cannot work, or what makes it
	// doubtful that it does; both empty: nothing is known against it.
	CommandAdvice(name string, d CommandFacts) (why, hint string)
}

// CommandFacts is what is known of a terminal before a command is sent to it.
type CommandFacts struct {
	Live       bool   // a connection for real money
	Answered   bool   // it has answered a ping of ours lately
	AppVersion string // of the payment application, as it reported it
}

// TerminalOperator starts an operation on a terminal and reads its result. The
// start may move money; the answer says only that it was accepted.
type TerminalOperator interface {
	StartOnTerminal(ctx context.Context, req TerminalRequest) (TerminalStart, error)
	// TerminalResult reads the result; done is false while there is none.
	TerminalResult(ctx context.Context, start TerminalStart) (res TerminalResult, done bool, err error)
}

// TerminalOp is what the product asks of a terminal, whatever its provider calls
// it.
type TerminalOp string

// The operations.
const (
	OpSale         TerminalOp = "sale"
	OpSaleAndStore TerminalOp = "sale_and_store" // and keep the card's token
	OpStoreCard    TerminalOp = "store_card"
	OpRefund       TerminalOp = "refund" // of no payment: the card is shown
	OpLinkedRefund TerminalOp = "linked_refund"
	OpVoidSale     TerminalOp = "void_sale"
	OpVoidRefund   TerminalOp = "void_refund"
	OpPreauth      TerminalOp = "preauth"
	OpIncrease     TerminalOp = "increase" // an amount below zero decreases
	OpCapture      TerminalOp = "capture"
	OpVoidPreauth  TerminalOp = "void_preauth"
	OpPrint        TerminalOp = "print"
	OpPing         TerminalOp = "ping"
	OpUpdate       TerminalOp = "update"
	OpStop         TerminalOp = "stop"
)

// TerminalNamer gives the provider's own name of an operation, on a virtual
// terminal or a real one; empty: it has none. It sends nothing.
type TerminalNamer interface {
	TerminalOperation(op TerminalOp, virtual bool) string
}

// TerminalRequest is an operation on a terminal, by the provider's own name of
// it ("sale", "saleReversal", "pingDevice"). Only the fields that the operation
// takes are sent; a missing one is refused before anything leaves.
type TerminalRequest struct {
	Device         DeviceRef
	Operation      string
	Amount         money.Amount
	AttemptRef     string // on operations that start a chain
	OriginalRef    string // on linked ones
	OrderReference string
	Receipt        string // printReceipt
	Tip            *TipPrompt
	Metadata       []string // at most five of at most 250 characters
	SkipSignature  bool
	SkipPIN        bool
	// NoDuplicateCheck keeps the terminal from asking about a same card and
	// amount within five minutes.
	NoDuplicateCheck bool
	// Polled asks for a result that is polled for, even where the connection has
	// its results sent to it: what moves no money is nobody's callback.
	Polled bool
}

// TipPrompt is what the terminal asks the customer.
type TipPrompt struct {
	Base        money.Amount
	Header      string
	Footer      string
	Percentages []int
	EnterAmount bool
	Skip        bool
}

// TerminalStart is an accepted operation: what its result is asked by.
type TerminalStart struct {
	ResultRef  string // empty when the result comes by callback only
	AttemptRef string
	Said       string
}

// TerminalResult is a Result with what only a terminal knows.
type TerminalResult struct {
	Result
	Operation string // the provider's word for what was done
	// Type is what was done; empty: the provider does not say, and then the result
	// is no approval of anything.
	Type   domain.TransactionType
	Device DeviceRef
	Report domain.DeviceReport // what the terminal told of itself; zero value: nothing
	// Recovered says that the terminal delivered it late, from its own memory.
	Recovered bool
}

// BatchKeeper closes and reads a terminal's batches.
type BatchKeeper interface {
	CloseBatch(ctx context.Context, req BatchRequest) (Batch, error)
	BatchSummary(ctx context.Context, req BatchRequest) (Batch, error)
	BatchDetail(ctx context.Context, req BatchRequest) (Batch, error)
}

// BatchRequest names a batch. After continues a detail behind a retrieval
// reference number.
type BatchRequest struct {
	Device     DeviceRef
	Number     string
	Currency   money.Currency // the answer's amounts carry none
	AttemptRef string         // CloseBatch only
	After      string         // BatchDetail only
}

// Batch is a batch as the provider tells it.
type Batch struct {
	Number, Status, Said string
	Counts               map[string]int          // by the provider's own names
	Totals               map[string]money.Amount // by the provider's own names
	Lines                []BatchLine
	More                 bool // detail only: there are further lines
	Raw                  []byte
}

// BatchLine is one transaction of a batch. Its amount is unsigned as it came.
type BatchLine struct {
	Type, Reference, ProviderRef, Retrieval, Last4 string
	Amount                                         money.Amount
	Tip                                            *money.Amount
}
