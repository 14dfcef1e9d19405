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

// Binder binds connections to their adapters, within a unit of work.
type Binder interface {
	Bind(ctx context.Context, tx *store.Tx, conn domain.Connection) (providers.Provider, providers.Registration, domain.Capabilities, error)
	// Offering lists the connections that offer a capability.
	Offering(ctx context.Context, tx *store.Tx, c domain.Capability) ([]domain.Connection, error)
}

// Config is what the service is made from.
type Config struct {
	Store  *store.Store
	Binder Binder
	Now    func() time.Time
	Log    *slog.Logger
	// Pause waits between two questions for one answer; nil: by the wall clock.
	Pause func(ctx context.Context, d time.Duration)
}

// Service is the use case. It is safe for use by many goroutines.
type Service struct{ Config }

// New makes the service.
func New(cfg Config) *Service {
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	return &Service{cfg}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// now is the clock at the database's precision.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// link is a connection with its adapter, or why there is none.
type link struct {
	conn     domain.Connection
	reg      providers.Registration
	provider providers.Provider
	caps     domain.Capabilities
	unusable error
}

// link binds a connection. One whose credentials do not open is a link that can
// do nothing and says why.
func (s *Service) link(ctx context.Context, tx *store.Tx, conn domain.Connection) (link, error) {
	p, reg, caps, err := s.Binder.Bind(ctx, tx, conn)
	l := link{conn: conn, reg: reg, provider: p, caps: caps}
	switch {
	case domain.CodeOf(err) == domain.Unavailable:
		l.unusable, err = err, nil
	case conn.Removed() && err == nil:
		l.unusable = domain.Errorf(domain.Unavailable, "The connection “%s” was removed.", conn.Name)
	}
	return l, err
}

func (s *Service) linkOf(ctx context.Context, tx *store.Tx, id domain.ConnectionID) (link, error) {
	conn, err := tx.Connection(ctx, id)
	if err != nil {
		return link{}, err
	}
	return s.link(ctx, tx, conn)
}

// label is the provider's name in a sentence.
func (l link) label() string {
	if l.reg.Label != "" {
		return l.reg.Label
	}
	return l.conn.Name
}

func ref(d domain.Device) providers.DeviceRef {
	return providers.DeviceRef{Ref: d.Ref, Serial: d.Serial, Type: d.Type}
}

// Wall is one page of the fleet.
type Wall struct {
	Rows           []domain.Device
	Before, Behind domain.DevicePlace // zero: there are none
	Counts         domain.DeviceCounts
	Locations      []domain.Location
	Connections    []domain.Connection // that list terminals
	Silent         []domain.Device     // used daily and not heard of for a day, at most 20
}

// Detail is one terminal with its past.
type Detail struct {
	Device   domain.Device
	Provider string                 // its provider's name on pages
	Commands []domain.DeviceCommand // newest first, at most 50
	Payments []domain.Payment       // newest first, at most 10
	// Why says of each command why it is not offered; empty: it is.
	Why map[domain.DeviceCommandName]string
	// Hints says of a command that is offered what makes it doubtful.
	Hints     map[domain.DeviceCommandName]string
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
	Changed    int    // names, places and accounts that the provider changed
	Why        string // a sentence, when the list could not be read
	Later      bool   // the provider asked for patience
}
