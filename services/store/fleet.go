package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
)

func deviceIDs(ids []domain.DeviceID) pq.StringArray {
	all := make(pq.StringArray, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}

// DevicesByID reads several terminals in no order, in one statement; one that is
// not the merchant's is left out.
func (t *Tx) DevicesByID(ctx context.Context, ids []domain.DeviceID) ([]domain.Device, error) {
	rows, err := t.q.QueryContext(ctx, `select `+deviceColumns+deviceTables+`where d.merchant_id = $1 and d.id = any($2::uuid[])`, t.m, deviceIDs(ids))
	seen := currencyCache{}
	return collect("devices by id", rows, err, func() (domain.Device, error) { return scanDevice(rows, t.m, seen) })
}

// DeviceRunning finds the terminal on which a payment runs now; NotFound when it
// runs on none.
func (t *Tx) DeviceRunning(ctx context.Context, payment domain.PaymentID) (domain.Device, error) {
	d, err := t.device(ctx, "d.running_payment = $2", " limit 1", payment)
	if domain.CodeOf(err) == domain.NotFound {
		return d, domain.Errorf(domain.NotFound, "No terminal runs this payment at the moment.")
	}
	return d, err
}

// TouchListed notes that a connection's list was read: what is not marked as
// removed was on it.
func (t *Tx) TouchListed(ctx context.Context, conn domain.ConnectionID, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `update devices set listed_at = $3 where merchant_id = $1 and connection_id = $2 and removed_at is null`, t.m, conn, at)
	return dbError("touch listed", err)
}

// PaymentsOn lists the payments that had something done on a terminal, newest
// first, in one statement.
func (t *Tx) PaymentsOn(ctx context.Context, id domain.DeviceID, limit int) ([]domain.Payment, error) {
	c := &conditions{}
	c.add("p.merchant_id = %s", t.m)
	c.add(`p.id in (select x.payment_id from (select t.payment_id from transactions t where t.merchant_id = %s and t.device_id = %s
		order by t.created_at desc, t.id desc limit 100) x)`, t.m, id)
	return t.selectPayments(ctx, c, "p.created_at desc, p.id desc", limit)
}

// ExportDevices hands the filter's terminals to yield in the order of their
// names, in pages of 200, each in its own short read-only transaction. One
// export too many is TooMany. An error of yield stops it.
func (s *Store) ExportDevices(ctx context.Context, m domain.MerchantID, f domain.DeviceFilter, yield func([]domain.Device) error) error {
	select {
	case s.exportSlots <- struct{}{}:
		defer func() { <-s.exportSlots }()
	default:
		return domain.Errorf(domain.TooMany, "Other downloads are running. Try again in a minute.")
	}
	f.After, f.Limit = domain.DevicePlace{}, domain.MaxPage
	for {
		var page []domain.Device
		var behind domain.DevicePlace
		err := s.readOn(ctx, s.exports, m, func(t *Tx) (err error) {
			page, _, behind, err = t.ListDevices(ctx, f)
			return err
		})
		if err != nil {
			return err
		}
		if err := yield(page); err != nil || behind.ID.IsZero() {
			return err
		}
		f.After = behind
	}
}

// ClaimDevicesToCheck gives the terminals whose next check is due and moves that
// check on, so that two rounds never ask the same one at once. A connection
// gives at most per of them, the one that has waited longest first.
func (t *Tx) ClaimDevicesToCheck(ctx context.Context, now, next time.Time, per int) ([]domain.Device, error) {
	rows, err := t.q.QueryContext(ctx, `with due as (
			select d.id, d.check_at, row_number() over (partition by d.connection_id order by d.check_at, d.id) as place from devices d
			where d.merchant_id = $1 and d.check_at <= $2 and d.removed_at is null),
		held as (select d.id from devices d join due on due.id = d.id where d.merchant_id = $1 and due.place <= $4 for no key update of d skip locked)
		update devices d set check_at = $3 from held where d.merchant_id = $1 and d.id = held.id returning d.id`, t.m, now, next, per)
	ids, err := collect("claim devices", rows, err, func() (id domain.DeviceID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return t.DevicesByID(ctx, ids)
}

// HasDevices says whether the merchant has terminals, and whether the check of
// one is due, in one statement.
func (t *Tx) HasDevices(ctx context.Context, now time.Time) (any, due bool, err error) {
	err = t.q.QueryRowxContext(ctx, `select exists (select 1 from devices where merchant_id = $1), exists (select 1 from devices where merchant_id = $1 and check_at <= $2)`, t.m, now).Scan(&any, &due)
	return any, due, dbError("has devices", err)
}

// Command reads one command; NotFound when the merchant has none of that id.
func (t *Tx) Command(ctx context.Context, id domain.CommandID) (domain.DeviceCommand, error) {
	k, err := scanCommand(t.q.QueryRowxContext(ctx, `select `+commandColumns+` from device_commands k where k.merchant_id = $1 and k.id = $2`, t.m, id))
	if errors.Is(err, sql.ErrNoRows) {
		return k, domain.Errorf(domain.NotFound, "There is no command with that id.")
	}
	return k, dbError("get command", err)
}

// Receipt reads the newest receipt of a payment, the copy "customer" or
// "merchant": its kind ("url" or "html") and what it is. NotFound when no
// terminal has brought one.
func (t *Tx) Receipt(ctx context.Context, payment domain.PaymentID, copy string) (kind, body string, err error) {
	err = t.q.QueryRowxContext(ctx, `select r.kind, r.body from receipts r join transactions t on t.merchant_id = r.merchant_id and t.id = r.transaction_id
		where r.merchant_id = $1 and t.payment_id = $2 and r.copy = $3 order by r.created_at desc, r.transaction_id desc limit 1`, t.m, payment, copy).Scan(&kind, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", domain.Errorf(domain.NotFound, "No terminal has brought a receipt of this payment.")
	}
	return kind, body, dbError("receipt", err)
}

// WriteSilenceAlerts writes an alert for each terminal that took payments on at
// least so many of the days that begin at days (the last entry is their end) and
// has given no sign of life since the given time, unless one is there that
// nobody has ended. It gives the terminals.
func (t *Tx) WriteSilenceAlerts(ctx context.Context, days []time.Time, least int, since, now time.Time) ([]domain.DeviceID, error) {
	bounds := make(pq.StringArray, len(days))
	for i, d := range days {
		bounds[i] = d.UTC().Format(time.RFC3339Nano)
	}
	rows, err := t.q.QueryContext(ctx, `insert into alerts (merchant_id, id, kind, device_id, due_at, created_at)
		select d.merchant_id, gen_random_uuid(), 'device_silent', d.id, coalesce(d.seen_at, d.first_listed_at), $5
		from devices d
		where d.merchant_id = $1 and not d.virtual and d.removed_at is null and coalesce(d.seen_at, d.first_listed_at) <= $4
			and (select count(distinct width_bucket(t.created_at, $2::timestamptz[])) from transactions t
				where t.merchant_id = d.merchant_id and t.device_id = d.id and t.created_at >= ($2::timestamptz[])[1] and t.created_at < ($2::timestamptz[])[cardinality($2::timestamptz[])]) >= $3
		on conflict (merchant_id, device_id, kind) where device_id is not null and seen_at is null do nothing
		returning device_id`, t.m, bounds, least, since, now)
	return collect("silence alerts", rows, err, func() (id domain.DeviceID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// EndSilenceAlerts ends the alerts of terminals that were heard again or that
// their provider lists no more. It gives the terminals.
func (t *Tx) EndSilenceAlerts(ctx context.Context, now time.Time) ([]domain.DeviceID, error) {
	rows, err := t.q.QueryContext(ctx, `update alerts a set seen_at = $2 from devices d
		where a.merchant_id = $1 and a.device_id is not null and a.seen_at is null and d.merchant_id = a.merchant_id and d.id = a.device_id
			and (d.removed_at is not null or d.seen_at > a.created_at)
		returning a.device_id`, t.m, now)
	return collect("end silence alerts", rows, err, func() (id domain.DeviceID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

// SilentDevices lists the terminals that an alert tells of and that have not been
// heard since, the one that was silent first at the top, in one statement.
func (t *Tx) SilentDevices(ctx context.Context, limit int) ([]domain.Device, error) {
	rows, err := t.q.QueryContext(ctx, `select `+deviceColumns+deviceTables+`join alerts a on a.merchant_id = d.merchant_id and a.device_id = d.id
		where a.merchant_id = $1 and a.device_id is not null and a.seen_at is null and d.removed_at is null and (d.seen_at is null or d.seen_at <= a.created_at)
		order by a.created_at, a.id limit $2`, t.m, limit)
	seen := currencyCache{}
	return collect("silent devices", rows, err, func() (domain.Device, error) { return scanDevice(rows, t.m, seen) })
}
