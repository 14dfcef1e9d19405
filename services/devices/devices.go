// Package devices is the use case of the fleet: it keeps the merchant's list of
// terminals in step with the providers', asks terminals for signs of life, and
// sends them what is no payment. Payments on a terminal are the business of
// services/payments. It imports store, providers, jobs/args, domain and money.
package devices

import (
	"context"
	"log/slog"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// Bound is a connection with its adapter.
type Bound struct {
	Connection   domain.Connection
	Registration providers.Registration
	Provider     providers.Provider
	Caps         domain.Capabilities
}

// Binder binds a connection to its adapter, within a unit of work.
type Binder interface {
	Bind(ctx context.Context, tx *store.Tx, conn domain.Connection) (providers.Provider, providers.Registration, domain.Capabilities, error)
}

// Config is what the service is made from.
type Config struct {
	Store  *store.Store
	Binder Binder
	Now    func() time.Time
	Log    *slog.Logger
}

// Service is the use case. It is safe for use by many goroutines.
type Service struct{ Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg} }

// Wall is one page of the fleet.
type Wall struct {
	Rows           []domain.Device
	Before, Behind domain.DevicePlace // zero: there are none
	Counts         domain.DeviceCounts
	Locations      []domain.Location
	Connections    []domain.Connection // that list terminals
}

// Detail is one terminal with its past.
type Detail struct {
	Device   domain.Device
	Commands []domain.DeviceCommand // newest first, at most 50
	Payments []domain.Payment       // newest first, at most 10
	// Why says of each command why it is not offered; empty: it is.
	Why       map[domain.DeviceCommandName]string
	Locations []domain.Location
}

// EditInput is what the merchant calls a terminal and where it stands. An empty
// Location takes it away from its place.
type EditInput struct{ Name, Location string }

// CommandInput is one press of a command for one terminal or several.
type CommandInput struct {
	Key       string // minted with the form: the same key sends nothing again
	Devices   []domain.DeviceID
	Name      domain.DeviceCommandName
	On        bool   // unattended mode, password protection; force of a restart
	Text      string // locale, for example en_US
	Low, High int    // brightness in percent; Low: hour of the daily restart
}

// SheetRow is what one press did to one terminal.
type SheetRow struct {
	Command domain.DeviceCommand
	Device  domain.Device
}

// Synced says what reading a provider's list changed.
type Synced struct {
	Connection domain.Connection
	Listed     int // terminals that the provider lists
	Added      int
	Removed    int
	Returned   int
	Why        string // a sentence, when the list could not be read
}
