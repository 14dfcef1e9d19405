package devices

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// syncLater is when the lists are read again by themselves after a provider asked
// a person for patience.
const syncLater = time.Minute

// firstChecks is the pause between the first checks of new terminals.
const firstChecks = 3 * time.Second

// Sync reads the lists of the merchant's terminals anew, of one connection or of
// all. It needs devices:manage. A list that cannot be read changes nothing, and
// Synced.Why says why; when its provider asked for patience, a job reads it again.
// NotFound for a connection that is not the merchant's, Conflict for one that
// lists no terminals.
func (s *Service) Sync(ctx context.Context, actor domain.Actor, conn domain.ConnectionID) ([]Synced, error) {
	if err := actor.Require(domain.DevicesManage); err != nil {
		return nil, err
	}
	return s.sync(ctx, actor, conn)
}

// SyncMerchant is Sync of all connections for the periodic job. TooMany when a
// provider asks for patience: the job comes back later.
func (s *Service) SyncMerchant(ctx context.Context, m domain.MerchantID) error {
	all, err := s.sync(ctx, domain.Actor{MerchantID: m}, domain.ConnectionID{})
	for _, one := range all {
		if err == nil && one.Later {
			err = domain.Errorf(domain.TooMany, "%s", one.Why)
		}
	}
	return err
}

func (s *Service) sync(ctx context.Context, actor domain.Actor, only domain.ConnectionID) ([]Synced, error) {
	var links []link
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		conns, err := tx.Connections(ctx)
		if err != nil {
			return err
		}
		found := only.IsZero()
		for _, c := range conns {
			if !only.IsZero() && c.ID != only {
				continue
			}
			found = true
			if !c.Active && !c.Removed() && only.IsZero() {
				continue // paused: it is left alone until it is in use again
			}
			l, err := s.link(ctx, tx, c)
			if err != nil {
				return err
			}
			links = append(links, l)
		}
		if !found {
			return domain.Errorf(domain.NotFound, "There is no connection with that id.")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Synced
	for _, l := range links {
		one := Synced{Connection: l.conn}
		var list []providers.Device
		lister, lists := providers.As[providers.DeviceLister](l.provider)
		switch {
		case l.conn.Removed():
			// Nobody can be asked any more: what it listed is gone with it.
		case l.unusable != nil:
			if only.IsZero() {
				continue
			}
			one.Why = domain.MessageOf(l.unusable)
		case !lists || !l.caps.Has(domain.CanListDevices):
			if !only.IsZero() {
				return nil, domain.Errorf(domain.Conflict, "%s lists no terminals.", l.label())
			}
			continue
		default:
			callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
			list, err = lister.Devices(callCtx)
			cancel()
			if err != nil {
				one.Why, one.Later = faultWords(l, err, "The list of terminals could not be read."), isRateLimited(err)
				s.Log.WarnContext(ctx, "the list of terminals cannot be read", "connection", l.conn.ID.String(), "error", err)
			}
		}
		if one.Why == "" {
			if err := s.takeIn(ctx, actor, l, list, &one); err != nil {
				return out, err
			}
		} else if !actor.UserID.IsZero() {
			err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
				tx.Audit(s.syncEntry(actor, one, "failed"))
				if one.Later {
					return tx.Enqueue(ctx, args.SyncDevices{MerchantID: actor.MerchantID}, s.now().Add(syncLater))
				}
				return nil
			})
			if err != nil {
				return out, err
			}
		}
		if !l.conn.Removed() {
			out = append(out, one)
		}
	}
	return out, nil
}

func (s *Service) syncEntry(actor domain.Actor, one Synced, result string) store.AuditEntry {
	return store.AuditEntry{At: s.now(), Actor: actor, Action: "devices.synced", ObjectType: "connection", ObjectID: one.Connection.ID.String(), Result: result,
		Detail: map[string]any{"listed": one.Listed, "added": one.Added, "removed": one.Removed, "returned": one.Returned, "changed": one.Changed, "why": one.Why}}
}

type deviceKey struct{ serial, typ string }

// takeIn brings what is kept of a connection's terminals in step with its list,
// in one unit of work.
func (s *Service) takeIn(ctx context.Context, actor domain.Actor, l link, list []providers.Device, out *Synced) error {
	now := s.now()
	listed := map[deviceKey]providers.Device{}
	var order []deviceKey
	for _, p := range list {
		key := deviceKey{p.Serial, p.Type}
		if _, twice := listed[key]; !twice {
			order = append(order, key)
		}
		listed[key] = p
	}
	slices.SortFunc(order, func(a, b deviceKey) int { return cmp.Or(cmp.Compare(a.serial, b.serial), cmp.Compare(a.typ, b.typ)) })
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		*out = Synced{Connection: l.conn, Listed: len(order)}
		if err := tx.LockName(ctx, "devices "+l.conn.ID.String()); err != nil {
			return err
		}
		known, err := tx.DevicesOf(ctx, l.conn.ID)
		if err != nil {
			return err
		}
		have := map[deviceKey]bool{}
		for _, d := range known {
			key := deviceKey{d.Serial, d.Type}
			have[key] = true
			p, there := listed[key]
			if d.Removed() && !there || !d.Removed() && there && same(d, p) {
				continue
			}
			if d, err = tx.LockDevice(ctx, d.ID); err != nil {
				return err
			}
			event := ""
			switch {
			case !there:
				event, d.RemovedAt, d.CheckAt = "removed", now, time.Time{}
				out.Removed++
			case d.Removed():
				event, d.RemovedAt, d.CheckAt = "returned", time.Time{}, s.firstCheck(l, p, now, out.Returned)
				out.Returned++
			default:
				out.Changed++
			}
			if there {
				d.Ref, d.Account, d.Virtual, d.ProviderName, d.ProviderPlace = p.Ref, p.Merchant, p.Virtual, p.Name, p.Location
			}
			if event != "" {
				tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "device." + event, ObjectType: "device", ObjectID: d.ID.String(), Result: "ok",
					Detail: map[string]any{"serial": d.Serial, "type": d.Type, "connection": l.conn.ID.String()}})
			}
			if err := tx.SaveDevice(ctx, d, now); err != nil {
				return err
			}
		}
		for _, key := range order {
			if have[key] {
				continue
			}
			p := listed[key]
			err := tx.InsertDevice(ctx, domain.Device{ID: domain.NewDeviceID(), ConnectionID: l.conn.ID, Ref: p.Ref, Serial: p.Serial, Type: p.Type, Account: p.Merchant,
				Virtual: p.Virtual, ProviderName: p.Name, ProviderPlace: p.Location, FirstListedAt: now, CheckAt: s.firstCheck(l, p, now, out.Added)})
			if err != nil {
				return err
			}
			out.Added++
		}
		if len(order) > 0 {
			if err := tx.TouchListed(ctx, l.conn.ID, now); err != nil {
				return err
			}
		}
		if !actor.UserID.IsZero() || out.Added+out.Removed+out.Returned+out.Changed > 0 {
			tx.Audit(s.syncEntry(actor, *out, "ok"))
		}
		return nil
	})
}

func same(d domain.Device, p providers.Device) bool {
	return d.Ref == p.Ref && d.Account == p.Merchant && d.Virtual == p.Virtual && d.ProviderName == p.Name && d.ProviderPlace == p.Location
}

// firstCheck is when a terminal that appears is asked first; zero when nobody
// can ask it.
func (s *Service) firstCheck(l link, p providers.Device, now time.Time, nth int) time.Time {
	if l.how(p.Virtual) == cannotAsk {
		return time.Time{}
	}
	return now.Add(time.Duration(nth) * firstChecks % CheckEvery)
}
