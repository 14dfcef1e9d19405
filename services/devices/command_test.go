package devices_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

const till = sandboxhandpoint.TerminalSerial

// press sends a command to terminals by their serial numbers.
func (h *house) press(in devices.CommandInput, serials ...string) domain.SheetID {
	h.t.Helper()
	if in.Key == "" {
		in.Key = payments.NewKey()
	}
	for _, s := range serials {
		in.Devices = append(in.Devices, h.device(s).ID)
	}
	sheet, err := h.svc.Command(h.t.Context(), h.actor, in)
	must(h.t, err)
	return sheet
}

func (h *house) sheet(id domain.SheetID) []devices.SheetRow {
	h.t.Helper()
	rows, err := h.svc.Sheet(h.t.Context(), h.actor, id)
	must(h.t, err)
	return rows
}

// send does what the job does for each row of a sheet.
func (h *house) send(sheet domain.SheetID) []devices.SheetRow {
	h.t.Helper()
	for _, row := range h.sheet(sheet) {
		_, err := h.svc.Send(h.t.Context(), h.merchant.ID, row.Command.ID)
		must(h.t, err)
	}
	return h.sheet(sheet)
}

// follow does what the job does for the only row of a sheet, to its end, by the
// test's clock.
func (h *house) follow(sheet domain.SheetID) domain.DeviceCommand {
	h.t.Helper()
	id := h.sheet(sheet)[0].Command.ID
	for range 1000 {
		again, err := h.svc.Follow(h.t.Context(), h.merchant.ID, id)
		must(h.t, err)
		if again == 0 {
			return h.sheet(sheet)[0].Command
		}
		h.advance(again)
	}
	h.t.Fatal("a command has no end")
	return domain.DeviceCommand{}
}

func (h *house) set(s sandboxhandpoint.Setting) {
	h.t.Helper()
	if s.Serial == "" {
		s.Serial = till
	}
	must(h.t, h.sandbox.Handpoint.Set(s))
}

func ptr[T any](v T) *T { return &v }

func TestACheckTellsWhatTheTerminalSaysOfItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	h.set(sandboxhandpoint.Setting{Battery: ptr(8), App: "20.5.0.2"})
	sheet := h.press(devices.CommandInput{Name: domain.CommandPing}, till)
	if row := h.sheet(sheet)[0]; row.Command.Status != domain.CommandQueued || row.Command.CreatedName != "Maya Okafor" {
		t.Fatalf("%+v", row.Command)
	}
	if row := h.send(sheet)[0]; row.Command.Status != domain.CommandSent || row.Command.ResultRef == "" {
		t.Fatalf("%+v", row.Command)
	}
	k := h.follow(sheet)
	if k.Status != domain.CommandConfirmed || k.Why != "The terminal answered at 14:00." {
		t.Errorf("%s: %s", k.Status, k.Why)
	}
	d := h.device(till)
	if d.State != domain.DeviceAttention || d.Report.Battery == nil || *d.Report.Battery != 8 || d.Report.Charging != "no" || d.Report.AppVersion != "20.5.0.2" || d.PingedAt.IsZero() || d.SeenAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if got := h.actions()[len(h.actions())-3:]; !slices.Equal(got, []string{"device.ping.requested:queued", "device.ping.settled:sent", "device.ping.settled:confirmed"}) {
		t.Errorf("audit %v", got)
	}
}

func TestAcceptedIsSentAndTheNextAnswerConfirmsIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := h.owner.Exec(`update connections set mode = 'live' where id = $1`, h.handpoint)
	must(t, err)
	h.sync()
	for _, tt := range []struct {
		in   devices.CommandInput
		want map[string]any
	}{
		{devices.CommandInput{Name: domain.CommandUnattended, On: true}, map[string]any{"status": true}},
		{devices.CommandInput{Name: domain.CommandLocale, Text: "en_US"}, map[string]any{"locale": "en_US"}},
		{devices.CommandInput{Name: domain.CommandPassword}, map[string]any{"status": false}},
		{devices.CommandInput{Name: domain.CommandReboot}, map[string]any{"force": false}},
		{devices.CommandInput{Name: domain.CommandBrightness, Low: 10, High: 90}, map[string]any{"minimumBrightnessLevel": 10.0, "maximumBrightnessLevel": 90.0}},
		{devices.CommandInput{Name: domain.CommandRebootHour, Low: 4}, map[string]any{"hour": 4.0}},
		{devices.CommandInput{Name: domain.CommandUpdate}, nil},
	} {
		before := len(h.sandbox.Handpoint.Commands())
		sheet := h.press(tt.in, till)
		row := h.send(sheet)[0]
		if row.Command.Status != domain.CommandSent {
			t.Errorf("%s: %s %s", tt.in.Name, row.Command.Status, row.Command.Why)
			continue
		}
		if tt.want != nil {
			got := h.sandbox.Handpoint.Commands()
			if len(got) != before+1 || got[before].Name != string(tt.in.Name) || got[before].Serial != till {
				t.Errorf("%s: the provider got %+v", tt.in.Name, got)
				continue
			}
			for name, want := range tt.want {
				if v := got[before].Values[name]; toFloat(v) != toFloat(want) {
					t.Errorf("%s: %s is %v, want %v", tt.in.Name, name, v, want)
				}
			}
		}
		k := h.follow(sheet)
		if k.Status != domain.CommandConfirmed || !strings.HasPrefix(k.Why, "The terminal has answered since, at 14:") || !strings.HasSuffix(k.Why, "Handpoint does not tell whether it carried the command out.") {
			t.Errorf("%s: %s: %s", tt.in.Name, k.Status, k.Why)
		}
	}
}

// toFloat lets a json.Number, a float and an int compare.
func toFloat(v any) any {
	if s, ok := v.(interface{ Float64() (float64, error) }); ok {
		f, _ := s.Float64()
		return f
	}
	return v
}

func TestValuesAreCheckedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ids := []domain.DeviceID{h.add(1)[0].ID}
	many := make([]domain.DeviceID, 0, 51)
	for _, d := range h.add(51) {
		many = append(many, d.ID)
	}
	for _, tt := range []struct {
		in    devices.CommandInput
		field string
	}{
		{devices.CommandInput{Name: domain.CommandLocale, Text: "en-US", Devices: ids}, "text"},
		{devices.CommandInput{Name: domain.CommandLocale, Text: "english", Devices: ids}, "text"},
		{devices.CommandInput{Name: domain.CommandBrightness, Low: -1, High: 5, Devices: ids}, "low"},
		{devices.CommandInput{Name: domain.CommandBrightness, Low: 5, High: 101, Devices: ids}, "high"},
		{devices.CommandInput{Name: domain.CommandBrightness, Low: 60, High: 40, Devices: ids}, "high"},
		{devices.CommandInput{Name: domain.CommandRebootHour, Low: 24, Devices: ids}, "low"},
		{devices.CommandInput{Name: domain.CommandRebootHour, Low: -1, Devices: ids}, "low"},
		{devices.CommandInput{Name: domain.CommandPing}, "devices"},
		{devices.CommandInput{Name: domain.CommandPing, Devices: many}, "devices"},
		{devices.CommandInput{Name: domain.CommandStop, Devices: ids}, "name"},
		{devices.CommandInput{Name: domain.CommandPrint, Devices: ids}, "name"},
		{devices.CommandInput{Name: "format-disk", Devices: ids}, "name"},
	} {
		tt.in.Key = payments.NewKey()
		_, err := h.svc.Command(t.Context(), h.actor, tt.in)
		if domain.CodeOf(err) != domain.Invalid || domain.FieldsOf(err)[tt.field] == "" {
			t.Errorf("%s %q %d %d: %v %v", tt.in.Name, tt.in.Text, tt.in.Low, tt.in.High, err, domain.FieldsOf(err))
		}
	}
	_, err := h.svc.Command(t.Context(), h.actor, devices.CommandInput{Key: "x", Name: domain.CommandPing, Devices: ids})
	if domain.CodeOf(err) != domain.Invalid {
		t.Errorf("a key that is none: %v", err)
	}
	if n := h.count(`select count(*) from device_commands`); n != 0 {
		t.Errorf("%d commands were written", n)
	}
}

func TestThePressOfOneFormSendsOnceHoweverOftenItIsPosted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	in := devices.CommandInput{Key: payments.NewKey(), Name: domain.CommandReboot, Devices: []domain.DeviceID{h.device(till).ID}}
	sheets := make([]domain.SheetID, 10)
	done := make(chan error, len(sheets))
	for i := range sheets {
		go func() {
			var err error
			sheets[i], err = h.svc.Command(t.Context(), h.actor, in)
			done <- err
		}()
	}
	for range sheets {
		must(t, <-done)
	}
	h.send(sheets[0])
	h.send(sheets[0])
	if len(slices.Compact(sheets)) != 1 || len(h.sandbox.Handpoint.Commands()) != 1 {
		t.Errorf("%d sheets, %d commands", len(slices.Compact(sheets)), len(h.sandbox.Handpoint.Commands()))
	}
	for what, change := range map[string]func(*devices.CommandInput){
		"another command":  func(c *devices.CommandInput) { c.Name = domain.CommandUpdate },
		"forced":           func(c *devices.CommandInput) { c.On = true },
		"another terminal": func(c *devices.CommandInput) { c.Devices = []domain.DeviceID{h.device("1640013848").ID} },
		"one more":         func(c *devices.CommandInput) { c.Devices = append(slices.Clone(c.Devices), h.device("1640013848").ID) },
	} {
		changed := in
		change(&changed)
		if _, err := h.svc.Command(t.Context(), h.actor, changed); domain.CodeOf(err) != domain.Duplicate {
			t.Errorf("%s under the same key: %v", what, err)
		}
	}
	other := h.actor
	other.UserID = domain.NewUserID()
	sheet, err := h.svc.Command(t.Context(), other, in)
	must(t, err)
	if sheet == sheets[0] {
		t.Error("another person got the same sheet")
	}
}

func TestEachTerminalHasItsOwnResultAndWhatCannotBeSentIsRefusedInItsRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	gone := h.add(1)[0]
	_, err := h.owner.Exec(`update devices set removed_at = now(), state = 'removed' where id = $1`, gone.ID)
	must(t, err)
	running := h.run("2740013262")
	rows := h.send(h.press(devices.CommandInput{Name: domain.CommandReboot, On: true}, till, gone.Serial, sandboxhandpoint.VirtualSerial, "SN-0001", running.Serial))
	want := []struct {
		status domain.CommandStatus
		why    string
	}{
		{domain.CommandSent, "Integrated Mode"},
		{domain.CommandRefused, "Handpoint lists this terminal no more."},
		{domain.CommandRefused, "A virtual terminal is no device that could do this."},
		{domain.CommandRefused, "CloudFlow does not offer this."},
		{domain.CommandRefused, "A payment runs on this terminal"},
	}
	for i, w := range want {
		if k := rows[i].Command; k.Status != w.status || !strings.Contains(k.Why, w.why) {
			t.Errorf("row %d (%s): %s %q", i, rows[i].Device.Serial, k.Status, k.Why)
		}
	}
	if got := h.sandbox.Handpoint.Commands(); len(got) != 1 {
		t.Errorf("the provider got %d commands", len(got))
	}
	rows = h.send(h.press(devices.CommandInput{Name: domain.CommandReboot}, running.Serial))
	if rows[0].Command.Status != domain.CommandSent {
		t.Errorf("a restart that is not forced: %+v", rows[0].Command)
	}
	rows = h.sheet(h.press(devices.CommandInput{Name: domain.CommandRebootHour, Low: 4}, till))
	if k := rows[0].Command; k.Status != domain.CommandRefused || !strings.Contains(k.Why, "production terminals only") {
		t.Errorf("the daily restart on a test connection: %+v", k)
	}
	rows = h.sheet(h.press(devices.CommandInput{Name: domain.CommandPing}, sandboxhandpoint.VirtualSerial))
	if k := rows[0].Command; k.Status != domain.CommandRefused {
		t.Errorf("a check of the virtual terminal: %+v", k)
	}
}

func TestAForcedRestartIsLookedAtAgainWhenItIsSent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	sheet := h.press(devices.CommandInput{Name: domain.CommandReboot, On: true}, till)
	h.run(till)
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandRefused || !strings.Contains(k.Why, "A payment runs on this terminal") {
		t.Errorf("%s %s", k.Status, k.Why)
	}
	if n := len(h.sandbox.Handpoint.Commands()); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}

// payment writes an approved payment with its sale on a terminal.
func (h *house) payment(d domain.Device, at time.Time, status string) (domain.PaymentID, domain.TransactionID) {
	h.t.Helper()
	p, x := domain.NewPaymentID(), domain.NewTransactionID()
	of := "processing"
	if status == "approved" {
		of = status
	}
	exec := func(query string, args ...any) {
		_, err := h.owner.Exec(query, args...)
		must(h.t, err)
	}
	exec(`insert into payments (merchant_id, id, connection_id, reference, status, method, currency, amount_minor, created_by, created_by_name, created_at, updated_at)
		values ($1, $2, $3, $4, $5, 'card', 'GBP', 1250, $6, 'Maya Okafor', $7, $7)`, h.merchant.ID, p, d.ConnectionID, domain.NewReference(), of, h.actor.UserID, at)
	exec(`insert into transactions (merchant_id, id, payment_id, connection_id, reference, type, status, currency, amount_minor, attempt_ref, created_by, created_by_name, created_at, last_send_at, device_id)
		values ($1, $2, $3, $4, $5, 'sale', $6, 'GBP', 1250, gen_random_uuid(), $7, 'Maya Okafor', $8, $8, $9)`, h.merchant.ID, x, p, d.ConnectionID, domain.NewReference(), status, h.actor.UserID, at, d.ID)
	return p, x
}

// run has a payment run on a terminal.
func (h *house) run(serial string) domain.Device {
	h.t.Helper()
	d := h.device(serial)
	p, x := h.payment(d, h.now(), "processing")
	must(h.t, h.store.InTenant(h.t.Context(), h.merchant.ID, func(tx *store.Tx) error {
		locked, err := tx.LockDevice(h.t.Context(), d.ID)
		if err != nil {
			return err
		}
		locked.Running, locked.RunningPayment = x, p
		return tx.SaveDevice(h.t.Context(), locked, h.now())
	}))
	return h.device(serial)
}

func TestACommandThatWasInterruptedIsUnknownAndNeverSentAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	sheet := h.press(devices.CommandInput{Name: domain.CommandReboot}, till)
	id := h.sheet(sheet)[0].Command.ID
	// The process ends when the request has left: its row says "sending", as
	// another process sees it.
	var seen string
	h.line.before = func(r *http.Request) {
		must(t, h.owner.QueryRow(`select status from device_commands where id = $1`, id).Scan(&seen))
		panic(errGone)
	}
	func() {
		defer func() {
			if p := recover(); p != nil && !errors.Is(p.(error), errGone) {
				panic(p)
			}
		}()
		_, _ = h.svc.Send(t.Context(), h.merchant.ID, id)
	}()
	h.line.before = nil
	if seen != "sending" {
		t.Fatalf("the row was %q while the request left", seen)
	}
	_, err := h.svc.Send(t.Context(), h.merchant.ID, id)
	must(t, err)
	must(t, h.svc.Sweep(t.Context(), h.merchant.ID))
	if k := h.sheet(sheet)[0].Command; k.Status != domain.CommandSending {
		t.Errorf("at once it is %s", k.Status)
	}
	h.advance(2*time.Minute + time.Second)
	must(t, h.svc.Sweep(t.Context(), h.merchant.ID))
	_, err = h.svc.Send(t.Context(), h.merchant.ID, id)
	must(t, err)
	k := h.sheet(sheet)[0].Command
	if k.Status != domain.CommandUnknown || k.EndedAt.IsZero() || !strings.Contains(k.Why, "not sent again") || len(h.sandbox.Handpoint.Commands()) != 0 {
		t.Errorf("%s %s, %d sent", k.Status, k.Why, len(h.sandbox.Handpoint.Commands()))
	}
}

var errGone = errors.New("the process is gone")

func TestAnAnswerThatWasLostLeavesTheCommandUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	for _, f := range []kit.Fault{{Kind: kit.FaultDropAfter, Method: "POST"}, {Kind: kit.FaultStatusAfter, Status: 502, Method: "POST"}, {Kind: kit.FaultGarbage, Method: "POST"}} {
		before := len(h.sandbox.Handpoint.Commands())
		must(t, h.sandbox.Handpoint.Kit().Faults.Push(f))
		sheet := h.press(devices.CommandInput{Name: domain.CommandLocale, Text: "en_GB"}, till)
		h.send(sheet)
		if k := h.send(sheet)[0].Command; k.Status != domain.CommandUnknown || len(h.sandbox.Handpoint.Commands()) != before+1 {
			t.Errorf("%s: %s %s, sent %d times", f.Kind, k.Status, k.Why, len(h.sandbox.Handpoint.Commands())-before)
		}
	}
	must(t, h.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 403}))
	if k := h.send(h.press(devices.CommandInput{Name: domain.CommandLocale, Text: "en_GB"}, till))[0].Command; k.Status != domain.CommandRefused || k.Why != "Handpoint does not accept the credentials of this connection." {
		t.Errorf("403: %s %s", k.Status, k.Why)
	}
}

func TestATerminalThatDoesNotAnswerWithinTenMinutesConfirmsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	h.set(sandboxhandpoint.Setting{Integrated: ptr(false)})
	sheet := h.press(devices.CommandInput{Name: domain.CommandPassword, On: true}, till)
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandSent || !strings.Contains(k.Why, "may do nothing") {
		t.Fatalf("%s %s", k.Status, k.Why)
	}
	k := h.follow(sheet)
	if k.Status != domain.CommandUnconfirmed || k.Code != "1002" || k.EndedAt.Sub(k.SentAt) < devices.FollowFor || k.EndedAt.Sub(k.SentAt) > devices.FollowFor+time.Minute {
		t.Errorf("%s %s %s after %s", k.Status, k.Code, k.Why, k.EndedAt.Sub(k.SentAt))
	}
	if d := h.device(till); d.State != domain.DeviceOffline || d.Code != "1002" {
		t.Errorf("the terminal is %s, code %s", d.State, d.Code)
	}
	if n := len(h.sandbox.Handpoint.Commands()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestBusyAndSilentTerminalsSayWhyACheckWasRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	for _, tt := range []struct {
		set   sandboxhandpoint.Setting
		state domain.DeviceState
		code  string
	}{
		{sandboxhandpoint.Setting{Busy: ptr(true)}, domain.DeviceBusy, "1001"},
		{sandboxhandpoint.Setting{Busy: ptr(false), Online: ptr(false)}, domain.DeviceOffline, "1002"},
	} {
		h.set(tt.set)
		k := h.send(h.press(devices.CommandInput{Name: domain.CommandPing}, till))[0].Command
		d := h.device(till)
		if k.Status != domain.CommandRefused || k.Code != tt.code || d.State != tt.state || d.Code != tt.code || d.Said != k.Why {
			t.Errorf("%s: %s %q; the terminal is %s, %s %q", tt.code, k.Status, k.Why, d.State, d.Code, d.Said)
		}
	}
	if d := h.device(till); d.SeenAt.IsZero() {
		t.Error("a busy terminal gave no sign of life")
	}
	rows := h.sheet(h.press(devices.CommandInput{Name: domain.CommandReboot, On: true}, till))
	if rows[0].Command.Status != domain.CommandQueued {
		t.Errorf("a forced restart of an offline terminal: %+v", rows[0].Command)
	}
	h.set(sandboxhandpoint.Setting{Online: ptr(true)})
	h.follow(func() domain.SheetID {
		s := h.press(devices.CommandInput{Name: domain.CommandPing}, till)
		h.send(s)
		return s
	}())
	if d := h.device(till); d.State != domain.DeviceOnline || d.Code != "" || d.Said != "" {
		t.Errorf("when it is back it is %s %q", d.State, d.Said)
	}
}

func TestARunningPaymentIsStoppedUntilTheCardIsRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	_, err := h.svc.Stop(t.Context(), h.actor, func() domain.PaymentID { p, _ := h.payment(h.device(till), h.now(), "approved"); return p }())
	if domain.CodeOf(err) != domain.Conflict {
		t.Errorf("with nothing that runs: %v", err)
	}
	d := h.run(till)
	sheet, err := h.svc.Stop(t.Context(), h.actor, d.RunningPayment)
	must(t, err)
	again, err := h.svc.Stop(t.Context(), h.actor, d.RunningPayment)
	must(t, err)
	if again != sheet {
		t.Error("a second press made another stop")
	}
	// Nothing runs at the provider: it refuses as it does when the card is read.
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandRefused || k.Code != "1003" || k.Why != "It cannot be stopped any more: the card is being authorised." {
		t.Errorf("%s %s %q", k.Status, k.Code, k.Why)
	}
	// Now something does.
	h.starts(till)
	sheet, err = h.svc.Stop(t.Context(), h.actor, d.RunningPayment)
	must(t, err)
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandSent {
		t.Fatalf("%s %s", k.Status, k.Why)
	}
	id := h.sheet(sheet)[0].Command.ID
	if wait, err := h.svc.Follow(t.Context(), h.merchant.ID, id); err != nil || wait == 0 {
		t.Errorf("while it runs: %s, %v", wait, err)
	}
	_, err = h.owner.Exec(`update transactions set status = 'failed' where payment_id = $1`, d.RunningPayment)
	must(t, err)
	if k := h.follow(sheet); k.Status != domain.CommandConfirmed {
		t.Errorf("%s %s", k.Status, k.Why)
	}
	sheet, err = h.svc.Stop(t.Context(), h.actor, d.RunningPayment)
	must(t, err)
	_, err = h.owner.Exec(`update devices set running_id = null, running_payment = null where id = $1`, d.ID)
	must(t, err)
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandRefused || !strings.Contains(k.Why, "nothing to stop") {
		t.Errorf("when it has ended meanwhile: %s %s", k.Status, k.Why)
	}
}

// starts has an operation wait for a card at the emulator.
func (h *house) starts(serial string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.base+sandboxhandpoint.BasePath+"/transactions",
		strings.NewReader(`{"operation":"sale","amount":"1250","currency":"GBP","terminal_type":"`+h.device(serial).Type+`","serial_number":"`+serial+`"}`))
	must(h.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("ApiKeyCloud", sandboxhandpoint.SandboxKey)
	res, err := http.DefaultClient.Do(r)
	must(h.t, err)
	must(h.t, res.Body.Close())
	if res.StatusCode != http.StatusAccepted {
		h.t.Fatal(res.Status)
	}
}

func TestAPaymentThatWasTakenOnATerminalIsStoppedAndAnotherOnesReceiptPrintedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	h.sandbox.Handpoint.Kit().Callbacks.Enable(false)
	// Without a callback token the results are polled.
	_, err := h.owner.Exec(`delete from connection_secrets where connection_id = $1 and field = 'callbackToken'`, h.handpoint)
	must(t, err)
	d := h.device(till)
	take := func() (payments.Taken, domain.Transaction) {
		t.Helper()
		taken, err := h.pay.Take(t.Context(), h.actor, payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.handpoint, Method: domain.MethodTerminal,
			Amount: money.FromMinor(1250, money.MustCurrency("GBP")), OrderReference: "Table " + payments.NewKey()[:4], Terminal: domain.OnTerminal{DeviceID: d.ID}})
		must(t, err)
		got, err := h.pay.Get(t.Context(), h.actor, taken.PaymentID)
		must(t, err)
		return taken, got.Sale()
	}
	settle := func(id domain.TransactionID) domain.TransactionStatus {
		t.Helper()
		for range 20 {
			r, err := h.pay.Resolve(t.Context(), h.merchant.ID, id)
			must(t, err)
			if r.Again == 0 {
				return r.Status
			}
			h.advance(r.Again)
		}
		t.Fatal("a payment has no end")
		return ""
	}
	taken, x := take()
	if got := h.device(till); got.State != domain.DeviceBusy || got.RunningPayment != taken.PaymentID {
		t.Fatalf("while it runs the terminal is %s", got.State)
	}
	refused := h.sheet(h.press(devices.CommandInput{Name: domain.CommandReboot, On: true}, till))[0].Command
	if refused.Status != domain.CommandRefused || !strings.Contains(refused.Why, "A payment runs") {
		t.Errorf("a forced restart meanwhile: %s %s", refused.Status, refused.Why)
	}
	sheet, err := h.svc.Stop(t.Context(), h.actor, taken.PaymentID)
	must(t, err)
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandSent {
		t.Fatalf("%s %s", k.Status, k.Why)
	}
	if status := settle(x.ID); status != domain.TxFailed && status != domain.TxDeclined {
		t.Errorf("the stopped payment is %s", status)
	}
	if k := h.follow(sheet); k.Status != domain.CommandConfirmed {
		t.Errorf("%s %s", k.Status, k.Why)
	}
	taken, x = take()
	h.advance(2 * time.Second)
	if status := settle(x.ID); status != domain.TxApproved {
		t.Fatalf("%s", status)
	}
	if got := h.device(till); got.State != domain.DeviceOnline || !got.Running.IsZero() {
		t.Errorf("afterwards the terminal is %s", got.State)
	}
	sheet, err = h.svc.Print(t.Context(), h.actor, taken.PaymentID, d.ID, "merchant")
	must(t, err)
	h.send(sheet)
	if k := h.follow(sheet); k.Status != domain.CommandConfirmed {
		t.Errorf("%s %s", k.Status, k.Why)
	}
	got, err := h.svc.Get(t.Context(), h.actor, d.ID)
	must(t, err)
	if len(got.Payments) != 2 || got.Payments[0].ID != taken.PaymentID {
		t.Errorf("%d payments", len(got.Payments))
	}
}

func TestAReceiptIsPrintedAgainAsTheTerminalBroughtIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	d := h.device(till)
	p, x := h.payment(d, h.now(), "approved")
	_, err := h.svc.Print(t.Context(), h.actor, p, d.ID, "customer")
	if domain.CodeOf(err) != domain.NotFound {
		t.Errorf("without a receipt: %v", err)
	}
	_, err = h.owner.Exec(`insert into receipts (merchant_id, transaction_id, copy, kind, body, created_at) values ($1, $2, 'customer', 'html', '<p>Customer copy</p>', now())`, h.merchant.ID, x)
	must(t, err)
	if _, err := h.svc.Print(t.Context(), h.actor, p, h.device("SN-0001").ID, "customer"); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("on a terminal of another connection: %v", err)
	}
	if _, err := h.svc.Print(t.Context(), h.actor, p, h.device(sandboxhandpoint.VirtualSerial).ID, "customer"); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("on the virtual terminal: %v", err)
	}
	sheet, err := h.svc.Print(t.Context(), h.actor, p, d.ID, "customer")
	must(t, err)
	again, err := h.svc.Print(t.Context(), h.actor, p, d.ID, "customer")
	must(t, err)
	if again != sheet || len(h.sheet(sheet)) != 1 {
		t.Error("a second press prints a second time")
	}
	if k := h.send(sheet)[0].Command; k.Status != domain.CommandSent {
		t.Fatalf("%s %s", k.Status, k.Why)
	}
	entries := h.sandbox.Handpoint.Kit().Journal.Entries()
	body := entries[len(entries)-1].Body
	if !strings.Contains(body, "Customer copy") || strings.Contains(body, "callbackUrl") {
		t.Errorf("sent %s", body)
	}
	if k := h.follow(sheet); k.Status != domain.CommandConfirmed || !strings.Contains(k.Why, "printed") {
		t.Errorf("%s %s", k.Status, k.Why)
	}
	third, err := h.svc.Print(t.Context(), h.actor, p, d.ID, "customer")
	must(t, err)
	if third == sheet {
		t.Error("what was printed cannot be printed again")
	}
}

func TestTheDetailOfATerminalSaysWhatIsOfferedAndWhatIsDoubtful(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	d := h.device(till)
	h.payment(d, h.now(), "approved")
	h.press(devices.CommandInput{Name: domain.CommandPing}, till)
	got, err := h.svc.Get(t.Context(), h.actor, d.ID)
	must(t, err)
	if len(got.Commands) != 1 || len(got.Payments) != 1 || got.Payments[0].ConnectionName != "Terminals" {
		t.Errorf("%d commands, %d payments", len(got.Commands), len(got.Payments))
	}
	if got.Why[domain.CommandPing]+got.Why[domain.CommandReboot] != "" || !strings.Contains(got.Why[domain.CommandRebootHour], "production") || !strings.Contains(got.Hints[domain.CommandReboot], "7.1006.0") {
		t.Errorf("why %v, hints %v", got.Why, got.Hints)
	}
	cloud, err := h.svc.Get(t.Context(), h.actor, h.device("SN-0001").ID)
	must(t, err)
	if cloud.Provider != "CloudFlow" || cloud.Why[domain.CommandPing] != "" || cloud.Why[domain.CommandReboot] != "CloudFlow does not offer this." || cloud.Why[domain.CommandUpdate] == "" {
		t.Errorf("CloudFlow: %v", cloud.Why)
	}
}
