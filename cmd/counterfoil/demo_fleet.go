package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
)

// demoTerminal is one of the emulators' published terminals as the shop knows it.
type demoTerminal struct {
	serial, name, place string
	sales               int           // a day, on each of the last ten full days
	quiet               time.Duration // since its last sign of life
	battery             int           // percent, on battery power; zero: it charges
	offline             bool
}

// demoFleet is the first shop's: a terminal that runs low and one that has been
// off line for more than a day, though it is used daily.
var demoFleet = []demoTerminal{
	{serial: "1850025030", name: "Till 1", place: "Quay Street", sales: 3, quiet: 2 * time.Minute},
	{serial: "1850025041", name: "Till 2", place: "Quay Street", sales: 2, quiet: 4 * time.Minute},
	{serial: "2740013262", name: "Terrace", place: "Quay Street", sales: 2, quiet: 3 * time.Minute, battery: 8},
	{serial: "1640013848", name: "Kitchen bar", place: "Quay Street", sales: 1, quiet: 27 * time.Hour, offline: true},
	{serial: "0821032398", name: "Market 1", place: "Market Hall", sales: 1, quiet: time.Minute, battery: 86},
}

// seedFleet reads the terminals' lists, names and places them, and gives those of
// the emulator of Handpoint a past.
func seedFleet(ctx context.Context, h *house, m domain.Merchant, owner domain.Actor, order []domain.UserID, staff map[domain.UserID]string, now time.Time) error {
	synced, err := h.devices.Sync(ctx, owner, domain.ConnectionID{})
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(20261126, 5))
	for _, one := range synced {
		if one.Why != "" {
			return fmt.Errorf("terminals of %s: %s", one.Connection.Name, one.Why)
		}
		if one.Connection.Provider != "handpoint" {
			continue
		}
		for i, dt := range demoFleet {
			var d domain.Device
			err := h.store.ReadTenant(ctx, m.ID, func(tx *store.Tx) (err error) {
				found, _, _, err := tx.ListDevices(ctx, domain.DeviceFilter{Serial: dt.serial, Connection: one.Connection.ID, Limit: 1})
				if len(found) == 1 {
					d = found[0]
				}
				return err
			})
			if err != nil {
				return err
			}
			if d.ID.IsZero() {
				return fmt.Errorf("the emulator lists no terminal %s", dt.serial)
			}
			if err := h.devices.Edit(ctx, owner, d.ID, devices.EditInput{Name: dt.name, Location: dt.place}); err != nil {
				return err
			}
			err = h.store.InTenant(ctx, m.ID, func(tx *store.Tx) error {
				last, err := seedSales(ctx, tx, m, d, dt, order, staff, r, now)
				if err != nil {
					return err
				}
				if d, err = tx.LockDevice(ctx, d.ID); err != nil {
					return err
				}
				d.Last = last
				seen := now.Add(-dt.quiet)
				report := domain.DeviceReport{Charging: "yes", Power: "USB", AppName: "Payments", AppVersion: "20.4.12.1", At: seen}
				full := 100
				if report.Battery = &full; dt.battery > 0 {
					report.Battery, report.Charging, report.Power = &dt.battery, "no", ""
				}
				d.Hear(report, seen)
				d.PingedAt, d.CheckedAt = seen, seen
				d.CheckAt = seen.Add(devices.CheckEvery + time.Duration(i)*20*time.Second)
				if dt.offline {
					d.Reach, d.Code, d.Said = domain.ReachOffline, "1002", "The terminal does not respond: it is switched off or has no connection."
					d.CheckedAt, d.CheckAt = now, now.Add(devices.CheckEvery)
				}
				return tx.SaveDevice(ctx, d, now)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// seedSales writes what was sold on a terminal before today and gives the last
// of it.
func seedSales(ctx context.Context, tx *store.Tx, m domain.Merchant, d domain.Device, dt demoTerminal, order []domain.UserID, staff map[domain.UserID]string, r *rand.Rand, now time.Time) (domain.DeviceLast, error) {
	var last domain.DeviceLast
	y, mo, day := now.In(m.Location()).Date()
	for back := 10; back >= 1; back-- {
		date := domain.StartOfDay(y, mo, day-back, m.Location())
		for n := range dt.sales {
			at := date.Add(10*time.Hour + time.Duration(n)*150*time.Minute + time.Duration(r.IntN(7200))*time.Second).UTC()
			if at.After(now.Add(-dt.quiet)) {
				continue
			}
			by := order[r.IntN(len(order))]
			cur := m.Currencies[0]
			amount := money.FromMinor(demoMinor(r, cur), cur)
			p := domain.Payment{
				ID: domain.NewPaymentID(), MerchantID: m.ID, ConnectionID: d.ConnectionID, Reference: domain.NewReference(), Kind: domain.Sale, Method: domain.MethodTerminal, Amount: amount,
				Captured: money.Zero(cur), Refunded: money.Zero(cur), Held: money.Zero(cur), OrderReference: fmt.Sprintf("Table %d", 1+r.IntN(24)),
				Card:      domain.Card{Brand: demoBrands[r.IntN(len(demoBrands))], Last4: fmt.Sprintf("%04d", r.IntN(10000)), Expiry: fmt.Sprintf("%02d/%02d", 1+r.IntN(12), 27+r.IntN(4))},
				CreatedBy: by, CreatedByName: staff[by], CreatedAt: at,
			}
			x := seedTransaction(p, domain.Sale, amount, at)
			x.Reference, x.DeviceID, x.DeviceRef = p.Reference, d.ID, d.Serial
			x.Terminal = domain.OnTerminal{DeviceID: d.ID}
			x.AuthCode = domain.NewReference()[:6]
			if r.IntN(12) == 0 {
				x.Status, x.Reason, x.ProviderRef, x.AuthCode = domain.TxDeclined, domain.ReasonInsufficientFunds, "", ""
			}
			books, err := domain.BooksOf(cur, []domain.Transaction{x})
			if err != nil {
				return last, err
			}
			p.Status, p.Captured, p.Refunded, p.Held, p.Reason, p.AuthCode = books.Status, books.Captured, books.Refunded, books.Held, x.Reason, x.AuthCode
			if err := tx.InsertPayment(ctx, p); err != nil {
				return last, err
			}
			if err := tx.InsertTransaction(ctx, x); err != nil {
				return last, err
			}
			last = domain.DeviceLast{PaymentID: p.ID, Type: x.Type, Status: x.Status, Amount: amount, At: at.Add(40 * time.Second)}
		}
	}
	return last, nil
}

// setFleet has the emulator's terminals be as the sample data tells of them: it
// keeps nothing over a restart.
func setFleet(ctx context.Context, address string) error {
	for _, dt := range demoFleet {
		set := map[string]any{"serial": dt.serial, "online": !dt.offline, "battery": 100, "charging": true}
		if dt.battery > 0 {
			set["battery"], set["charging"] = dt.battery, false
		}
		if err := command(ctx, address+"/_sandbox/handpoint/device", set); err != nil {
			return fmt.Errorf("demo: terminal %s: %w", dt.serial, err)
		}
	}
	return nil
}
