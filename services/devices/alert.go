package devices

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// A terminal is used daily when it had something done on it on so many of the
// last full days of the merchant's own calendar, and silent after so long
// without a sign of life.
const (
	usedDays    = 7
	usedAtLeast = 5
	silentFor   = 24 * time.Hour
)

// AlertSilent writes one alert for each terminal that is used daily and has been
// silent for a day, ends those of terminals that were heard again, and says how
// many it wrote. The periodic job calls it; it moves nothing.
func (s *Service) AlertSilent(ctx context.Context, m domain.MerchantID) (int, error) {
	now := s.now()
	written := 0
	err := s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		merchant, err := tx.MerchantRow(ctx)
		if err != nil {
			return err
		}
		loc := merchant.Location()
		y, month, day := now.In(loc).Date()
		var days []time.Time
		for i := usedDays; i >= 0; i-- {
			days = append(days, domain.StartOfDay(y, month, day-i, loc))
		}
		ended, err := tx.EndSilenceAlerts(ctx, now)
		if err != nil {
			return err
		}
		silent, err := tx.WriteSilenceAlerts(ctx, days, usedAtLeast, now.Add(-silentFor), now)
		if err != nil {
			return err
		}
		written = len(silent)
		for action, ids := range map[string][]domain.DeviceID{"device.silent": silent, "device.heard_again": ended} {
			for _, id := range ids {
				tx.Audit(store.AuditEntry{At: now, Actor: domain.Actor{MerchantID: m}, Action: action, ObjectType: "device", ObjectID: id.String(), Result: "ok"})
				if err := tx.Notify(ctx, "device", id.String()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return written, err
}
