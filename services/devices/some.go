package devices

import (
	"context"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// Counts says how many of the filter's terminals are in each state, in one
// statement; the filter's own state does not count. It needs devices:read.
func (s *Service) Counts(ctx context.Context, actor domain.Actor, f domain.DeviceFilter) (domain.DeviceCounts, error) {
	if err := actor.Require(domain.DevicesRead); err != nil {
		return nil, err
	}
	var out domain.DeviceCounts
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		out, err = tx.CountDevices(ctx, f)
		return err
	})
	return out, err
}

// Some reads these terminals in the order in which they are named, in one
// statement. It needs devices:read; NotFound when one is not the merchant's.
func (s *Service) Some(ctx context.Context, actor domain.Actor, ids []domain.DeviceID) ([]domain.Device, error) {
	if err := actor.Require(domain.DevicesRead); err != nil {
		return nil, err
	}
	var found []domain.Device
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		found, err = tx.DevicesByID(ctx, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	byID := map[domain.DeviceID]domain.Device{}
	for _, d := range found {
		byID[d.ID] = d
	}
	out := make([]domain.Device, 0, len(ids))
	for _, id := range ids {
		d, ok := byID[id]
		if !ok {
			return nil, domain.Errorf(domain.NotFound, "There is no terminal with that id.")
		}
		out = append(out, d)
	}
	return out, nil
}
