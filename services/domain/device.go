package domain

import (
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/money"
)

// DeviceState is what the wall says of a terminal.
type DeviceState string

// The states, as the wall counts and filters them.
const (
	DeviceOffline   DeviceState = "offline"
	DeviceAttention DeviceState = "attention"
	DeviceBusy      DeviceState = "busy" // in a payment, ours or its own
	DeviceOnline    DeviceState = "online"
	DeviceUnchecked DeviceState = "unchecked" // nobody has asked it yet, or its provider cannot be asked
	DeviceRemoved   DeviceState = "removed"   // its provider lists it no more
)

// DeviceStates lists them in the order of the filter chips.
var DeviceStates = []DeviceState{DeviceOffline, DeviceAttention, DeviceBusy, DeviceOnline, DeviceUnchecked, DeviceRemoved}

// ParseDeviceState reads a filter's value.
func ParseDeviceState(s string) (DeviceState, bool) {
	d := DeviceState(s)
	return d, slices.Contains(DeviceStates, d)
}

// Label is the state's word on a page.
func (s DeviceState) Label() string {
	switch s {
	case DeviceOffline:
		return "Offline"
	case DeviceAttention:
		return "Needs attention"
	case DeviceBusy:
		return "In a payment"
	case DeviceOnline:
		return "Online"
	case DeviceUnchecked:
		return "Not checked"
	case DeviceRemoved:
		return "Removed"
	}
	return string(s)
}

// Reach is what a terminal's provider last said about reaching it.
type Reach string

// The kinds of reach.
const (
	ReachUnknown Reach = ""
	ReachOnline  Reach = "online"
	ReachBusy    Reach = "busy" // it runs something (seed 004, error 1001)
	ReachOffline Reach = "offline"
)

// LowBattery is the percentage from which on a terminal that is not charging
// needs attention.
const LowBattery = 15

// Device is a terminal, the virtual one included. It never holds the terminal's
// shared secret.
type Device struct {
	ID             DeviceID
	MerchantID     MerchantID
	ConnectionID   ConnectionID
	ConnectionName string
	Provider       string
	Ref            string // the provider's own id, where it has one
	Serial         string
	Type           string // the provider's word for the model
	Account        string // the account that it belongs to, as the provider names it
	Virtual        bool   // no hardware: payments by telephone
	ProviderName   string
	ProviderPlace  string
	Name           string // the merchant's own name for it
	LocationID     LocationID
	Location       string

	State   DeviceState // as Standing computed it when it was last written
	StateAt time.Time   // since when
	Reach   Reach
	Code    string // the provider's code of its last answer about it: "1002", "connectionLost"
	Said    string

	FirstListedAt, ListedAt time.Time
	RemovedAt               time.Time // since when its provider lists it no more; zero: it does
	SeenAt                  time.Time // the last sign of life; zero: none yet
	CheckedAt               time.Time // when it was last asked
	CheckAt                 time.Time // when it is asked next; zero: not by itself
	// PingedAt is when it last answered a check of ours, which shows that it
	// takes commands from afar (seed 004, "Device Control Commands").
	PingedAt time.Time

	Report DeviceReport

	Running        TransactionID // what was sent to it from here and has no end; zero: nothing
	RunningPayment PaymentID
	Doing          DeviceDoing // what that is

	Last DeviceLast

	Recovered   int // results that it delivered late, from its own memory
	RecoveredAt time.Time
}

// DeviceReport is what a terminal tells of itself with each result (seed 004,
// "deviceStatus").
type DeviceReport struct {
	Battery    *int   // percent; nil: not told
	Charging   string // "yes", "no" or "" where it is not told
	Power      string // where its power comes from, in the provider's word
	AppName    string
	AppVersion string
	At         time.Time
}

// DeviceDoing is the transaction that runs on a terminal, as far as a list tells
// it. The zero value: nothing was sent to it from here.
type DeviceDoing struct {
	Type   TransactionType
	Amount money.Amount
	Phase  Phase
}

// DeviceLast is the last result of a payment on a terminal.
type DeviceLast struct {
	PaymentID PaymentID
	Type      TransactionType
	Status    TransactionStatus
	Amount    money.Amount
	At        time.Time // zero: there was none
}

// Label is what staff call the terminal.
func (d Device) Label() string {
	switch {
	case d.Name != "":
		return d.Name
	case d.ProviderName != "":
		return d.ProviderName
	}
	return d.Type + " " + d.Serial
}

// Removed says that its provider lists it no more.
func (d Device) Removed() bool { return !d.RemovedAt.IsZero() }

// Standing computes the state from what is known.
func (d Device) Standing() DeviceState {
	switch {
	case d.Removed():
		return DeviceRemoved
	case !d.Running.IsZero():
		return DeviceBusy
	case d.Reach == ReachOffline:
		return DeviceOffline
	case d.Reach == ReachBusy:
		return DeviceBusy
	case d.Virtual:
		return DeviceOnline
	case d.Reach == ReachUnknown:
		return DeviceUnchecked
	case d.LowBattery():
		return DeviceAttention
	}
	return DeviceOnline
}

// LowBattery says that it runs out of power soon.
func (d Device) LowBattery() bool {
	return d.Report.Battery != nil && *d.Report.Battery <= LowBattery && d.Report.Charging != "yes"
}

// Hear takes in a sign of life with what the terminal told of itself. A report
// that is older than the one that is known changes nothing of it.
func (d *Device) Hear(r DeviceReport, at time.Time) {
	if at.After(d.SeenAt) {
		d.SeenAt = at
		d.Reach, d.Code, d.Said = ReachOnline, "", ""
	}
	if r == (DeviceReport{}) || r.At.Before(d.Report.At) {
		return
	}
	d.Report = r
}

// DeviceFilter is which terminals a list holds.
type DeviceFilter struct {
	State      DeviceState // empty: all but the removed ones
	Location   LocationID
	Connection ConnectionID
	// Serial is the last digits of a serial number.
	Serial string
	After  DevicePlace
	Limit  int // at most 200; zero: 50
}

// DevicePlace is a place in a list of terminals, which is in the order of their
// names. The zero place is the beginning.
type DevicePlace struct {
	Name string // Device.Label
	ID   DeviceID
	Back bool
}

// DeviceCounts is how many terminals are in each state.
type DeviceCounts map[DeviceState]int

// Location is a place of the merchant's where terminals stand.
type Location struct {
	ID   LocationID
	Name string
}

// DeviceCommandName is what can be sent to a terminal and is no payment.
type DeviceCommandName string

// The commands: seed 004's six under their own last path segments, and what runs
// as an operation on the terminal.
const (
	CommandPing       DeviceCommandName = "ping"
	CommandUnattended DeviceCommandName = "set-unattended-mode"
	CommandLocale     DeviceCommandName = "set-locale"
	CommandPassword   DeviceCommandName = "set-password-protected"
	CommandReboot     DeviceCommandName = "reboot"
	CommandBrightness DeviceCommandName = "set-screen-brightness"
	CommandRebootHour DeviceCommandName = "set-reboot-time"
	CommandUpdate     DeviceCommandName = "update"
	CommandPrint      DeviceCommandName = "print-receipt"
	CommandStop       DeviceCommandName = "stop"
)

// Label is the command as a button has it.
func (c DeviceCommandName) Label() string {
	switch c {
	case CommandPing:
		return "Check now"
	case CommandUnattended:
		return "Unattended mode"
	case CommandLocale:
		return "Language"
	case CommandPassword:
		return "Password protection"
	case CommandReboot:
		return "Restart"
	case CommandBrightness:
		return "Screen brightness"
	case CommandRebootHour:
		return "Daily restart"
	case CommandUpdate:
		return "Update"
	case CommandPrint:
		return "Print receipt"
	case CommandStop:
		return "Stop the payment"
	}
	return string(c)
}

// CommandStatus is how far a command is. "Sent" is not "done": its provider
// accepted it, and only the terminal's next sign of life says more.
type CommandStatus string

// The states of a command.
const (
	CommandQueued      CommandStatus = "queued"
	CommandSending     CommandStatus = "sending"
	CommandSent        CommandStatus = "sent"
	CommandConfirmed   CommandStatus = "confirmed"   // the terminal has answered since
	CommandUnconfirmed CommandStatus = "unconfirmed" // it has not, in time
	CommandRefused     CommandStatus = "refused"     // certainly not done
	CommandUnknown     CommandStatus = "unknown"     // no answer
)

// Open says that more is still to come.
func (s CommandStatus) Open() bool {
	return s == CommandQueued || s == CommandSending || s == CommandSent
}

// Label is the status' word on a page.
func (s CommandStatus) Label() string {
	switch s {
	case CommandQueued:
		return "Waiting"
	case CommandSending:
		return "Sending"
	case CommandSent:
		return "Sent"
	case CommandConfirmed:
		return "Confirmed"
	case CommandUnconfirmed:
		return "Not confirmed"
	case CommandRefused:
		return "Refused"
	case CommandUnknown:
		return "No answer"
	}
	return string(s)
}

// DeviceCommand is something sent to a terminal that is no payment.
type DeviceCommand struct {
	ID          CommandID
	SheetID     SheetID // one press for several terminals
	DeviceID    DeviceID
	Name        DeviceCommandName
	On          bool   // unattended mode, password protection; force of a restart
	Text        string // locale
	Low, High   int    // brightness in percent; Low: hour of the daily restart
	PaymentID   PaymentID
	Status      CommandStatus
	Code, Said  string // the provider's
	Why         string // a sentence of ours
	ResultRef   string
	CreatedBy   UserID
	CreatedName string
	CreatedAt   time.Time
	SentAt      time.Time
	EndedAt     time.Time
}

// Phase is how far a payment on a terminal is, while it has no end.
type Phase string

// The phases. A provider that tells less stays at an earlier one.
const (
	PhaseNone Phase = ""
	PhaseSent Phase = "sent" // the provider accepted it
	PhaseCard Phase = "card" // the terminal waits for the card or the PIN
	PhaseBank Phase = "bank" // the gateway has it and asks the bank
)

// OnTerminal is how a payment runs on a terminal. It holds no money. The zero
// value: it does not.
type OnTerminal struct {
	DeviceID DeviceID `json:"-"`
	// TipPercents are what the terminal offers the customer; empty: it does not
	// ask for a tip. At most five, each 0 to 100.
	TipPercents []int `json:"tip_percents,omitempty"`
	TipAmount   bool  `json:"tip_amount,omitempty"` // the customer may type a tip
	TipSkip     bool  `json:"tip_skip,omitempty"`   // the customer may go on without one
	// Metadata is at most five texts of at most 250 characters.
	Metadata         []string `json:"metadata,omitempty"`
	SkipSignature    bool     `json:"skip_signature,omitempty"`
	SkipPIN          bool     `json:"skip_pin,omitempty"`
	NoDuplicateCheck bool     `json:"no_duplicate_check,omitempty"`
	// StoreCard keeps the card's token with the sale.
	StoreCard bool `json:"store_card,omitempty"`
}

// IsZero says that nothing runs on a terminal.
func (o OnTerminal) IsZero() bool { return o.DeviceID.IsZero() }
