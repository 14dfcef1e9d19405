package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

const deviceColumns = `d.id, d.connection_id, d.ref, d.serial, d.type, d.account, d.virtual, d.provider_name, d.provider_place, d.name,
	coalesce(d.location_id, '00000000-0000-0000-0000-000000000000'), coalesce(l.name, ''), d.state, d.state_at, d.reach, d.code, d.said,
	d.first_listed_at, d.listed_at, d.removed_at, d.seen_at, d.checked_at, d.check_at, d.battery, d.charging, d.power, d.app_name, d.app_version, d.reported_at,
	coalesce(d.running_id, '00000000-0000-0000-0000-000000000000'), coalesce(d.running_payment, '00000000-0000-0000-0000-000000000000'),
	coalesce(d.last_payment, '00000000-0000-0000-0000-000000000000'), d.last_type, d.last_status, coalesce(d.last_currency, ''), coalesce(d.last_minor, 0), d.last_at,
	d.recovered, d.recovered_at, d.pinged_at, c.name, c.provider,
	coalesce(x.type, ''), coalesce(x.currency, ''), coalesce(x.amount_minor, 0), coalesce(x.phase, '')`

const deviceTables = ` from devices d join connections c on c.merchant_id = d.merchant_id and c.id = d.connection_id
	left join locations l on l.merchant_id = d.merchant_id and l.id = d.location_id
	left join transactions x on x.merchant_id = d.merchant_id and x.id = d.running_id `

// deviceName is the order of every list of terminals, as its indexes have it.
const deviceName = `lower(case when d.name <> '' then d.name when d.provider_name <> '' then d.provider_name else d.type || ' ' || d.serial end)`

func scanDevice(row interface{ Scan(...any) error }, m domain.MerchantID, seen currencyCache) (domain.Device, error) {
	d := domain.Device{MerchantID: m}
	var removed, seenAt, checked, check, reported, last, recovered, pinged sql.NullTime
	var battery sql.NullInt16
	var code, doing string
	var minor, doingMinor int64
	err := row.Scan(&d.ID, &d.ConnectionID, &d.Ref, &d.Serial, &d.Type, &d.Account, &d.Virtual, &d.ProviderName, &d.ProviderPlace, &d.Name,
		&d.LocationID, &d.Location, &d.State, &d.StateAt, &d.Reach, &d.Code, &d.Said,
		&d.FirstListedAt, &d.ListedAt, &removed, &seenAt, &checked, &check, &battery, &d.Report.Charging, &d.Report.Power, &d.Report.AppName, &d.Report.AppVersion, &reported,
		&d.Running, &d.RunningPayment, &d.Last.PaymentID, &d.Last.Type, &d.Last.Status, &code, &minor, &last,
		&d.Recovered, &recovered, &pinged, &d.ConnectionName, &d.Provider,
		&d.Doing.Type, &doing, &doingMinor, &d.Doing.Phase)
	if err != nil {
		return d, err
	}
	d.RemovedAt, d.SeenAt, d.CheckedAt, d.CheckAt, d.Report.At = removed.Time, seenAt.Time, checked.Time, check.Time, reported.Time
	d.Last.At, d.RecoveredAt, d.PingedAt = last.Time, recovered.Time, pinged.Time
	if battery.Valid {
		n := int(battery.Int16)
		d.Report.Battery = &n
	}
	if code = strings.TrimSpace(code); code != "" {
		cur, err := seen.get(code)
		if err != nil {
			return d, err
		}
		d.Last.Amount = money.FromMinor(minor, cur)
	}
	if doing = strings.TrimSpace(doing); doing != "" {
		cur, err := seen.get(doing)
		if err != nil {
			return d, err
		}
		d.Doing.Amount = money.FromMinor(doingMinor, cur)
	}
	return d, nil
}

func nullID[kind any](id domain.ID[kind]) uuid.NullUUID {
	return uuid.NullUUID{UUID: id.UUID, Valid: !id.IsZero()}
}

// Device reads one terminal; NotFound when the merchant has none of that id.
func (t *Tx) Device(ctx context.Context, id domain.DeviceID) (domain.Device, error) {
	return t.device(ctx, "d.id = $2", "", id)
}

// LockDevice reads one terminal and holds its row until the unit of work ends.
// Whoever locks a payment too locks the payment first.
func (t *Tx) LockDevice(ctx context.Context, id domain.DeviceID) (domain.Device, error) {
	return t.device(ctx, "d.id = $2", " for no key update of d", id)
}

// LockDeviceBySerial is LockDevice by the serial number that a result names, of
// the connection that told it.
func (t *Tx) LockDeviceBySerial(ctx context.Context, conn domain.ConnectionID, serial string) (domain.Device, error) {
	return t.device(ctx, "d.connection_id = $2 and d.serial = $3", " limit 1 for no key update of d", conn, serial)
}

func (t *Tx) device(ctx context.Context, where, lock string, args ...any) (domain.Device, error) {
	row := t.q.QueryRowxContext(ctx, `select `+deviceColumns+deviceTables+`where d.merchant_id = $1 and `+where+lock, append([]any{t.m}, args...)...)
	d, err := scanDevice(row, t.m, currencyCache{})
	if errors.Is(err, sql.ErrNoRows) {
		return d, domain.Errorf(domain.NotFound, "There is no terminal with that id.")
	}
	return d, dbError("get device", err)
}

// InsertDevice writes a terminal that its provider lists for the first time. One
// with the same serial number and type at the same connection is a Conflict.
func (t *Tx) InsertDevice(ctx context.Context, d domain.Device) error {
	d.State = d.Standing()
	_, err := t.q.ExecContext(ctx, `insert into devices (merchant_id, id, connection_id, ref, serial, type, account, virtual, provider_name, provider_place, name,
		state, state_at, reach, first_listed_at, listed_at, check_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16)`,
		t.m, d.ID, d.ConnectionID, d.Ref, d.Serial, d.Type, d.Account, d.Virtual, d.ProviderName, d.ProviderPlace, d.Name,
		d.State, d.FirstListedAt, d.Reach, d.FirstListedAt, nullTime(d.CheckAt))
	if isUnique(err, "devices_merchant_id_connection_id_serial_type_key") {
		return domain.Errorf(domain.Conflict, "That terminal is listed already.")
	}
	if err != nil {
		return dbError("insert device", err)
	}
	return t.Notify(ctx, "device", d.ID.String())
}

// SaveDevice writes a locked terminal as it is now, its state computed by
// domain.Device.Standing.
func (t *Tx) SaveDevice(ctx context.Context, d domain.Device, at time.Time) error {
	if state := d.Standing(); state != d.State {
		d.State, d.StateAt = state, at
	}
	battery := sql.NullInt16{}
	if b := d.Report.Battery; b != nil {
		battery = sql.NullInt16{Int16: int16(*b), Valid: true}
	}
	currency, minor := sql.NullString{}, sql.NullInt64{}
	if !d.Last.At.IsZero() && d.Last.Amount != (money.Amount{}) {
		currency, minor = sql.NullString{String: d.Last.Amount.Currency().Code(), Valid: true}, sql.NullInt64{Int64: d.Last.Amount.Minor(), Valid: true}
	}
	_, err := t.q.ExecContext(ctx, `update devices set ref = $3, account = $4, virtual = $5, provider_name = $6, provider_place = $7, name = $8, location_id = $9,
			state = $10, state_at = $11, reach = $12, code = $13, said = $14, listed_at = $15, removed_at = $16, seen_at = $17, checked_at = $18, check_at = $19,
			battery = $20, charging = $21, power = $22, app_name = $23, app_version = $24, reported_at = $25, running_id = $26, running_payment = $27,
			last_payment = $28, last_type = $29, last_status = $30, last_currency = $31, last_minor = $32, last_at = $33, recovered = $34, recovered_at = $35, pinged_at = $36
		where merchant_id = $1 and id = $2`,
		t.m, d.ID, asText(d.Ref), asText(d.Account), d.Virtual, asText(d.ProviderName), asText(d.ProviderPlace), d.Name, nullID(d.LocationID),
		d.State, d.StateAt, d.Reach, asText(d.Code), asText(d.Said), d.ListedAt, nullTime(d.RemovedAt), nullTime(d.SeenAt), nullTime(d.CheckedAt), nullTime(d.CheckAt),
		battery, d.Report.Charging, asText(d.Report.Power), asText(d.Report.AppName), asText(d.Report.AppVersion), nullTime(d.Report.At), nullID(d.Running), nullID(d.RunningPayment),
		nullID(d.Last.PaymentID), d.Last.Type, d.Last.Status, currency, minor, nullTime(d.Last.At), d.Recovered, nullTime(d.RecoveredAt), nullTime(d.PingedAt))
	if err != nil {
		return dbError("save device", err)
	}
	return t.Notify(ctx, "device", d.ID.String())
}

// DevicesOf lists every terminal of a connection, removed ones included, by
// serial number.
func (t *Tx) DevicesOf(ctx context.Context, conn domain.ConnectionID) ([]domain.Device, error) {
	rows, err := t.q.QueryContext(ctx, `select `+deviceColumns+deviceTables+`where d.merchant_id = $1 and d.connection_id = $2 order by d.serial, d.type`, t.m, conn)
	seen := currencyCache{}
	return collect("devices of", rows, err, func() (domain.Device, error) { return scanDevice(rows, t.m, seen) })
}

// UsableDevices lists the terminals of a connection that its provider lists, in
// the order of their names, at most 200, for a form to choose from.
func (t *Tx) UsableDevices(ctx context.Context, conn domain.ConnectionID) ([]domain.Device, error) {
	rows, err := t.q.QueryContext(ctx, `select `+deviceColumns+deviceTables+`where d.merchant_id = $1 and d.connection_id = $2 and d.removed_at is null order by `+deviceName+`, d.id limit 200`, t.m, conn)
	seen := currencyCache{}
	return collect("usable devices", rows, err, func() (domain.Device, error) { return scanDevice(rows, t.m, seen) })
}

func (t *Tx) deviceConditions(f domain.DeviceFilter) *conditions {
	c := &conditions{}
	c.add("d.merchant_id = %s", t.m)
	if !f.Location.IsZero() {
		c.add("d.location_id = %s", f.Location)
	}
	if !f.Connection.IsZero() {
		c.add("d.connection_id = %s", f.Connection)
	}
	if f.Serial != "" {
		runes := []rune(f.Serial)
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		c.add("reverse(d.serial) like %s", escapeLike(string(runes))+"%")
	}
	return c
}

// escapeLike makes a text mean itself in a LIKE pattern.
func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// ListDevices reads one page of the terminals in the order of their names. It
// sends one statement.
func (t *Tx) ListDevices(ctx context.Context, f domain.DeviceFilter) (ds []domain.Device, before, behind domain.DevicePlace, err error) {
	limit := pageLimit(f.Limit, domain.DefaultPage)
	c := t.deviceConditions(f)
	if f.State != "" {
		c.add("d.state = %s", f.State)
	} else {
		c.sql = append(c.sql, "d.state <> 'removed'")
	}
	order := deviceName + ", d.id"
	if !f.After.ID.IsZero() {
		sign := ">"
		if f.After.Back {
			sign, order = "<", deviceName+" desc, d.id desc"
		}
		// The database lowers both: it need not know the letters that Go knows.
		c.add("("+deviceName+", d.id) "+sign+" (lower(%s), %s)", f.After.Name, f.After.ID)
	}
	c.args = append(c.args, limit+1)
	rows, err := t.q.QueryContext(ctx, `select `+deviceColumns+deviceTables+`where `+strings.Join(c.sql, " and ")+` order by `+order+` limit `+mark(len(c.args)), c.args...)
	seen := currencyCache{}
	if ds, err = collect("list devices", rows, err, func() (domain.Device, error) { return scanDevice(rows, t.m, seen) }); err != nil {
		return nil, before, behind, err
	}
	more := len(ds) > limit
	if more {
		ds = ds[:limit]
	}
	if f.After.Back {
		for i, j := 0, len(ds)-1; i < j; i, j = i+1, j-1 {
			ds[i], ds[j] = ds[j], ds[i]
		}
	}
	if len(ds) == 0 {
		return ds, before, behind, nil
	}
	place := func(d domain.Device) domain.DevicePlace {
		return domain.DevicePlace{Name: d.Label(), ID: d.ID}
	}
	if f.After.Back && more || !f.After.Back && !f.After.ID.IsZero() {
		before = place(ds[0])
		before.Back = true
	}
	if f.After.Back || more {
		behind = place(ds[len(ds)-1])
	}
	return ds, before, behind, nil
}

// CountDevices counts the terminals of a filter by their state; the filter's own
// state does not count.
func (t *Tx) CountDevices(ctx context.Context, f domain.DeviceFilter) (domain.DeviceCounts, error) {
	c := t.deviceConditions(f)
	rows, err := t.q.QueryContext(ctx, `select d.state, count(*) from devices d where `+strings.Join(c.sql, " and ")+` group by d.state`, c.args...)
	out := domain.DeviceCounts{}
	_, err = collect("count devices", rows, err, func() (struct{}, error) {
		var state domain.DeviceState
		var n int
		err := rows.Scan(&state, &n)
		out[state] = n
		return struct{}{}, err
	})
	return out, err
}

// Locations lists the merchant's places by name.
func (t *Tx) Locations(ctx context.Context) ([]domain.Location, error) {
	rows, err := t.q.QueryContext(ctx, `select id, name from locations where merchant_id = $1 order by name limit 500`, t.m)
	return collect("locations", rows, err, func() (l domain.Location, err error) {
		err = rows.Scan(&l.ID, &l.Name)
		return l, err
	})
}

// EnsureLocation gives the place of that name, made when there is none.
func (t *Tx) EnsureLocation(ctx context.Context, name string, at time.Time) (domain.LocationID, error) {
	var id domain.LocationID
	err := t.q.QueryRowxContext(ctx, `insert into locations (merchant_id, id, name, created_at) values ($1, $2, $3, $4)
		on conflict (merchant_id, name) do update set name = excluded.name returning id`, t.m, domain.NewLocationID(), name, at).Scan(&id)
	return id, dbError("ensure location", err)
}

// DevicesToCheck lists the terminals whose next question is due, the one that
// has waited longest first.
func (t *Tx) DevicesToCheck(ctx context.Context, now time.Time, limit int) ([]domain.DeviceID, error) {
	rows, err := t.q.QueryContext(ctx, `select id from devices where merchant_id = $1 and check_at <= $2 and removed_at is null order by check_at limit $3`, t.m, now, limit)
	return collect("devices to check", rows, err, func() (id domain.DeviceID, err error) {
		err = rows.Scan(&id)
		return id, err
	})
}

const commandColumns = `k.id, k.sheet_id, k.device_id, k.name, k.on_value, k.text_value, k.low, k.high, coalesce(k.payment_id, '00000000-0000-0000-0000-000000000000'),
	k.status, k.code, k.said, k.why, k.result_ref, coalesce(k.created_by, '00000000-0000-0000-0000-000000000000'), k.created_by_name, k.created_at, k.sent_at, k.ended_at`

func scanCommand(row interface{ Scan(...any) error }) (domain.DeviceCommand, error) {
	var k domain.DeviceCommand
	var sent, ended sql.NullTime
	err := row.Scan(&k.ID, &k.SheetID, &k.DeviceID, &k.Name, &k.On, &k.Text, &k.Low, &k.High, &k.PaymentID,
		&k.Status, &k.Code, &k.Said, &k.Why, &k.ResultRef, &k.CreatedBy, &k.CreatedName, &k.CreatedAt, &sent, &ended)
	k.SentAt, k.EndedAt = sent.Time, ended.Time
	return k, err
}

// InsertCommand writes a command as it is before anything has left.
func (t *Tx) InsertCommand(ctx context.Context, k domain.DeviceCommand) error {
	_, err := t.q.ExecContext(ctx, `insert into device_commands (merchant_id, id, sheet_id, device_id, name, on_value, text_value, low, high, payment_id, status, why, created_by, created_by_name, created_at, ended_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		t.m, k.ID, k.SheetID, k.DeviceID, k.Name, k.On, k.Text, k.Low, k.High, nullID(k.PaymentID), k.Status, k.Why, nullUser(k.CreatedBy), k.CreatedName, k.CreatedAt, nullTime(k.EndedAt))
	return dbError("insert command", err)
}

// LockCommand reads one command and holds its row; NotFound when there is none.
// Whoever locks its terminal too locks the terminal first.
func (t *Tx) LockCommand(ctx context.Context, id domain.CommandID) (domain.DeviceCommand, error) {
	k, err := scanCommand(t.q.QueryRowxContext(ctx, `select `+commandColumns+` from device_commands k where k.merchant_id = $1 and k.id = $2 for no key update of k`, t.m, id))
	if errors.Is(err, sql.ErrNoRows) {
		return k, domain.Errorf(domain.NotFound, "There is no command with that id.")
	}
	return k, dbError("lock command", err)
}

// SaveCommand writes how far a locked command is.
func (t *Tx) SaveCommand(ctx context.Context, k domain.DeviceCommand) error {
	_, err := t.q.ExecContext(ctx, `update device_commands set status = $3, code = $4, said = $5, why = $6, result_ref = $7, sent_at = $8, ended_at = $9 where merchant_id = $1 and id = $2`,
		t.m, k.ID, k.Status, asText(k.Code), asText(k.Said), k.Why, asText(k.ResultRef), nullTime(k.SentAt), nullTime(k.EndedAt))
	if err != nil {
		return dbError("save command", err)
	}
	return t.Notify(ctx, "device", k.DeviceID.String())
}

// CommandsOf lists a terminal's commands, newest first.
func (t *Tx) CommandsOf(ctx context.Context, id domain.DeviceID, limit int) ([]domain.DeviceCommand, error) {
	rows, err := t.q.QueryContext(ctx, `select `+commandColumns+` from device_commands k where k.merchant_id = $1 and k.device_id = $2 order by k.created_at desc, k.id desc limit $3`, t.m, id, limit)
	return collect("commands of", rows, err, func() (domain.DeviceCommand, error) { return scanCommand(rows) })
}

// CommandsOfSheet lists what one press sent, in the order in which it was
// chosen.
func (t *Tx) CommandsOfSheet(ctx context.Context, sheet domain.SheetID) ([]domain.DeviceCommand, error) {
	rows, err := t.q.QueryContext(ctx, `select `+commandColumns+` from device_commands k where k.merchant_id = $1 and k.sheet_id = $2 order by k.id limit 500`, t.m, sheet)
	return collect("commands of sheet", rows, err, func() (domain.DeviceCommand, error) { return scanCommand(rows) })
}

// OpenCommands lists the terminal's commands that have no end yet, oldest first.
func (t *Tx) OpenCommands(ctx context.Context, id domain.DeviceID) ([]domain.DeviceCommand, error) {
	rows, err := t.q.QueryContext(ctx, `select `+commandColumns+` from device_commands k where k.merchant_id = $1 and k.device_id = $2 and k.status in ('queued', 'sending', 'sent')
		order by k.created_at, k.id limit 100`, t.m, id)
	return collect("open commands", rows, err, func() (domain.DeviceCommand, error) { return scanCommand(rows) })
}

// LateCommands lists the commands without an end that were made before the given
// time, for the sweep.
func (t *Tx) LateCommands(ctx context.Context, before time.Time, limit int) ([]domain.DeviceCommand, error) {
	rows, err := t.q.QueryContext(ctx, `select `+commandColumns+` from device_commands k where k.merchant_id = $1 and k.status in ('queued', 'sending', 'sent') and k.created_at < $2
		order by k.created_at limit $3`, t.m, before, limit)
	return collect("late commands", rows, err, func() (domain.DeviceCommand, error) { return scanCommand(rows) })
}

// NotePhase notes how far a payment on a terminal is, while it has no end, and
// tells the pages that show it. It locks the transaction, so it comes after
// Settle.
func (t *Tx) NotePhase(ctx context.Context, x domain.Transaction, phase domain.Phase) error {
	res, err := t.q.ExecContext(ctx, `update transactions set phase = $3 where merchant_id = $1 and id = $2 and phase <> $3 and status in ('pending', 'processing', 'unknown', 'needs_person')`, t.m, x.ID, phase)
	if err != nil {
		return dbError("note phase", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return dbError("note phase", err)
	}
	return t.Notify(ctx, "payment", x.PaymentID.String())
}
