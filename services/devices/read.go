package devices

import (
	"context"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// The lengths of what a page shows beside its rows.
const (
	shownSilent   = 20
	shownCommands = 50
	shownPayments = 10
)

// List reads one page of the fleet with what its filters offer. It needs
// devices:read and sends the same number of statements however many terminals
// there are.
func (s *Service) List(ctx context.Context, actor domain.Actor, f domain.DeviceFilter) (Wall, error) {
	var w Wall
	if err := actor.Require(domain.DevicesRead); err != nil {
		return w, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		if w.Rows, w.Before, w.Behind, err = tx.ListDevices(ctx, f); err != nil {
			return err
		}
		if w.Counts, err = tx.CountDevices(ctx, f); err != nil {
			return err
		}
		if w.Locations, err = tx.Locations(ctx); err != nil {
			return err
		}
		if w.Connections, err = s.Binder.Offering(ctx, tx, domain.CanListDevices); err != nil {
			return err
		}
		w.Silent, err = tx.SilentDevices(ctx, shownSilent)
		return err
	})
	return w, err
}

// Row reads one terminal as a list shows it, in one statement. It needs
// devices:read.
func (s *Service) Row(ctx context.Context, actor domain.Actor, id domain.DeviceID) (domain.Device, error) {
	var d domain.Device
	if err := actor.Require(domain.DevicesRead); err != nil {
		return d, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		d, err = tx.Device(ctx, id)
		return err
	})
	return d, err
}

// Get reads one terminal with its past and what can be sent to it. It needs
// devices:read; NotFound when the merchant has none of that id.
func (s *Service) Get(ctx context.Context, actor domain.Actor, id domain.DeviceID) (Detail, error) {
	var out Detail
	if err := actor.Require(domain.DevicesRead); err != nil {
		return out, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		if out.Device, err = tx.Device(ctx, id); err != nil {
			return err
		}
		if out.Commands, err = tx.CommandsOf(ctx, id, shownCommands); err != nil {
			return err
		}
		if out.Payments, err = tx.PaymentsOn(ctx, id, shownPayments); err != nil {
			return err
		}
		for i := range out.Payments {
			out.Payments[i].ConnectionName, out.Payments[i].Provider = out.Device.ConnectionName, out.Device.Provider
		}
		if out.Locations, err = tx.Locations(ctx); err != nil {
			return err
		}
		l, err := s.linkOf(ctx, tx, out.Device.ConnectionID)
		if err != nil {
			return err
		}
		out.Provider = l.label()
		out.Why, out.Hints = map[domain.DeviceCommandName]string{}, map[domain.DeviceCommandName]string{}
		for _, name := range Commands {
			out.Why[name], out.Hints[name] = s.judge(l, out.Device, domain.DeviceCommand{Name: name})
		}
		return nil
	})
	return out, err
}

// Export hands the filter's terminals to yield in the order of their names. It
// needs devices:read and leaves one audit row before the first.
func (s *Service) Export(ctx context.Context, actor domain.Actor, f domain.DeviceFilter, yield func(domain.Device) error) error {
	if err := actor.Require(domain.DevicesRead); err != nil {
		return err
	}
	err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		tx.Audit(store.AuditEntry{At: s.now(), Actor: actor, Action: "devices.exported", ObjectType: "list", ObjectID: "devices", Result: "ok",
			Detail: map[string]any{"state": string(f.State), "narrowed": f.State != "" || f.Serial != "" || !f.Location.IsZero() || !f.Connection.IsZero()}})
		return nil
	})
	if err != nil {
		return err
	}
	return s.Store.ExportDevices(ctx, actor.MerchantID, f, func(page []domain.Device) error {
		for _, d := range page {
			if err := yield(d); err != nil {
				return err
			}
		}
		return nil
	})
}
