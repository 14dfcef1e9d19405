// Package args holds the names and arguments of background jobs: ids only,
// never an amount, a card or a secret, since they are kept in clear in River's
// tables. It imports domain.
package args

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

// ResolveTransaction asks the provider for the outcome of a transaction until
// it is known. It is inserted in the same database transaction as the pending
// row, so that a crash cannot lose it.
type ResolveTransaction struct {
	MerchantID    domain.MerchantID    `json:"merchant_id" river:"unique"`
	TransactionID domain.TransactionID `json:"transaction_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (ResolveTransaction) Kind() string { return "resolve_transaction" }

// HandleCallback applies a stored callback of a provider's. It is inserted in the
// same database transaction as the callback.
type HandleCallback struct {
	MerchantID domain.MerchantID `json:"merchant_id" river:"unique"`
	CallbackID domain.CallbackID `json:"callback_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (HandleCallback) Kind() string { return "handle_callback" }

// FollowHint asks a provider about a reference that an unverified caller named.
type FollowHint struct {
	MerchantID   domain.MerchantID   `json:"merchant_id" river:"unique"`
	ConnectionID domain.ConnectionID `json:"connection_id" river:"unique"`
	ProviderRef  string              `json:"provider_ref" river:"unique"`
	// At is the second from which on it is asked: hints of one second are one
	// question, put after all of them. One that comes while a question is being
	// put is not answered by it.
	At time.Time `json:"at" river:"unique"`
}

// Kind is the job's name in River's tables.
func (FollowHint) Kind() string { return "follow_hint" }

// SweepOpen looks for transactions whose next question is long overdue and puts
// their resolve job back. There should never be one.
type SweepOpen struct{}

// Kind is the job's name in River's tables.
func (SweepOpen) Kind() string { return "sweep_open" }

// AlertHolds looks for holds that lapse soon and writes what the overview then
// says of them.
type AlertHolds struct{}

// Kind is the job's name in River's tables.
func (AlertHolds) Kind() string { return "alert_holds" }

// SendDeviceCommand sends a queued command to a terminal. It is inserted in the
// same database transaction as the command.
type SendDeviceCommand struct {
	MerchantID domain.MerchantID `json:"merchant_id" river:"unique"`
	CommandID  domain.CommandID  `json:"command_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (SendDeviceCommand) Kind() string { return "send_device_command" }

// FollowDeviceCommand looks for what confirms a command that was accepted.
type FollowDeviceCommand struct {
	MerchantID domain.MerchantID `json:"merchant_id" river:"unique"`
	CommandID  domain.CommandID  `json:"command_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (FollowDeviceCommand) Kind() string { return "follow_device_command" }

// SyncDevices reads the lists of a merchant's terminals anew.
type SyncDevices struct {
	MerchantID domain.MerchantID `json:"merchant_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (SyncDevices) Kind() string { return "sync_devices" }

// CheckDevices asks a merchant's terminals whose check is due for a sign of life.
type CheckDevices struct {
	MerchantID domain.MerchantID `json:"merchant_id" river:"unique"`
}

// Kind is the job's name in River's tables.
func (CheckDevices) Kind() string { return "check_devices" }

// DeviceRound looks at every merchant's terminals for what is due: checks,
// commands that were lost, and terminals that are silent.
type DeviceRound struct{}

// Kind is the job's name in River's tables.
func (DeviceRound) Kind() string { return "device_round" }

// DeviceLists puts the reading of every merchant's list in the queue.
type DeviceLists struct{}

// Kind is the job's name in River's tables.
func (DeviceLists) Kind() string { return "device_lists" }
