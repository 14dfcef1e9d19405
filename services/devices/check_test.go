package devices_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcloudflow "github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

func (h *house) checkDue() int {
	h.t.Helper()
	n, err := h.svc.CheckDue(h.t.Context(), h.merchant.ID)
	must(h.t, err)
	return n
}

// pings counts the checks that left.
func (h *house) pings(e interface{ Kit() *kit.Kit }, what string) int {
	n := 0
	for _, one := range e.Kit().Journal.Entries() {
		if strings.Contains(one.URL+one.Body, what) {
			n++
		}
	}
	return n
}

func TestEachTerminalIsAskedAboutEveryTenMinutesAndNotInBetween(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	h.set(sandboxhandpoint.Setting{Serial: "0821032398", Online: ptr(false)})
	h.set(sandboxhandpoint.Setting{Serial: "1640013848", Busy: ptr(true)})
	h.advance(time.Minute)
	if n := h.checkDue(); n != 8 {
		t.Errorf("the first round asked %d terminals, want the 8 that are no virtual ones", n)
	}
	for serial, want := range map[string]domain.DeviceState{till: domain.DeviceOnline, "0821032398": domain.DeviceOffline, "1640013848": domain.DeviceBusy,
		"SN-0001": domain.DeviceOnline, "SN-0002": domain.DeviceOffline, sandboxhandpoint.VirtualSerial: domain.DeviceOnline} {
		if d := h.device(serial); d.State != want || !d.Virtual && d.CheckedAt.IsZero() {
			t.Errorf("%s is %s, want %s (%s)", serial, d.State, want, d.Said)
		}
	}
	if n := h.checkDue(); n != 0 {
		t.Errorf("a second round at once asked %d", n)
	}
	h.advance(devices.CheckEvery + time.Minute)
	if n := h.checkDue(); n != 8 {
		t.Errorf("ten minutes later %d were asked", n)
	}
	running := h.run(till)
	h.advance(devices.CheckEvery + time.Minute)
	before := h.pings(h.sandbox.Handpoint, running.Serial+`"`)
	if n := h.checkDue(); n != 7 || h.pings(h.sandbox.Handpoint, running.Serial+`"`) != before {
		t.Errorf("with a payment on one of them %d were asked", n)
	}
	if n := h.count(`select count(*) from device_commands`); n != 0 {
		t.Errorf("checks left %d commands", n)
	}
}

func TestARoundAsksAtMostTwentyTerminalsOfAConnection(t *testing.T) {
	t.Parallel()
	h := newHouseWith(t, sandbox.Config{Handpoint: sandboxhandpoint.Config{MoreDevices: 100}})
	h.sync()
	h.advance(devices.CheckEvery)
	// CloudFlow's three come with the twenty of Handpoint's 105.
	for round, want := range []int{23, 20, 20, 20, 20, 5, 0} {
		if n := h.checkDue(); n != want {
			t.Errorf("round %d asked %d, want %d", round, n, want)
		}
	}
}

func TestChecksLeaveAConnectionsOwnBoundOnCallsToPayments(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	_, err := h.owner.Exec(`update connections set settings = settings || '{"`+providers.SettingPerMinute+`": "30"}' where id = $1`, h.handpoint)
	must(t, err)
	h.advance(devices.CheckEvery)
	// Two of Handpoint's five, and CloudFlow's three.
	if n := h.checkDue(); n != 5 {
		t.Errorf("%d were asked", n)
	}
	h.advance(time.Minute)
	if n := h.checkDue(); n != 2 {
		t.Errorf("a minute later %d were asked", n)
	}
}

func TestAThousandTerminalsAreTakenInCountedAndShownFiftyAPage(t *testing.T) {
	t.Parallel()
	h := newHouseWith(t, sandbox.Config{Handpoint: sandboxhandpoint.Config{MoreDevices: 1000}})
	if got := h.sync(); got[0].Added != 1006 {
		t.Fatalf("%+v", got[0])
	}
	w := h.list(domain.DeviceFilter{})
	if len(w.Rows) != 50 || w.Counts[domain.DeviceUnchecked] != 1008 || w.Counts[domain.DeviceOnline] != 1 || w.Behind.ID.IsZero() {
		t.Errorf("%d rows, %v", len(w.Rows), w.Counts)
	}
	if w := h.list(domain.DeviceFilter{Serial: "0999"}); len(w.Rows) != 1 || w.Rows[0].Serial != "3000000999" {
		t.Errorf("%d rows by the last digits", len(w.Rows))
	}
	n := 0
	h.store.OnStatement(func(sql string) {
		if strings.HasPrefix(sql, "update devices set ref") {
			n++
		}
	})
	h.sync()
	if h.store.OnStatement(nil); n != 0 {
		t.Errorf("reading the same list wrote %d terminals", n)
	}
}

func TestTenErrorsOfCloudFlowAreToldInWordsOnTheRowOfTheTerminalAndOfTheCheck(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync()
	for _, tt := range []struct {
		status     int
		code, said string
		state      domain.DeviceState // of a terminal that was seen just now
		ends       domain.CommandStatus
	}{
		{400, "failed", "CloudFlow had a failure that it did not expect.", domain.DeviceOnline, domain.CommandUnconfirmed},
		{401, "unauthorized", "CloudFlow does not accept the account id and API token.", domain.DeviceOnline, domain.CommandRefused},
		{403, "forbidden", "CloudFlow does not allow this account to do that.", domain.DeviceOnline, domain.CommandRefused},
		{404, "notFound", "CloudFlow does not know this terminal.", domain.DeviceOffline, domain.CommandRefused},
		{409, "duplicateItem", "CloudFlow has this already, so it did not make it again.", domain.DeviceOnline, domain.CommandUnconfirmed},
		{410, "connectionLost", "The terminal is not connected, and nothing was sent to it.", domain.DeviceOffline, domain.CommandRefused},
		{412, "preconditionFailed", "CloudFlow cannot do this in the present state.", domain.DeviceOnline, domain.CommandRefused},
		{417, "storageFailed", "CloudFlow could not store this.", domain.DeviceOnline, domain.CommandUnconfirmed},
		{422, "invalidData", "CloudFlow says that something is missing or wrong in what was sent.", domain.DeviceOnline, domain.CommandRefused},
		{429, "tooManyConnections", "The account has as many connections to CloudFlow as it may have.", domain.DeviceOnline, domain.CommandQueued},
	} {
		t.Run(tt.code, func(t *testing.T) {
			h.send(h.press(devices.CommandInput{Name: domain.CommandPing}, "SN-0001"))
			if d := h.device("SN-0001"); d.State != domain.DeviceOnline {
				t.Fatalf("before it is %s, %q", d.State, d.Said)
			}
			must(t, h.sandbox.CloudFlow.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: tt.status}))
			sheet := h.press(devices.CommandInput{Name: domain.CommandPing}, "SN-0001")
			k := h.send(sheet)[0].Command
			d := h.device("SN-0001")
			if k.Status != tt.ends || k.Code != tt.code || !strings.HasPrefix(k.Why, tt.said) {
				t.Errorf("the check is %s, %s: %q", k.Status, k.Code, k.Why)
			}
			if d.State != tt.state || d.Code != tt.code || d.Said != tt.said {
				t.Errorf("the terminal is %s, %s: %q", d.State, d.Code, d.Said)
			}
			if tt.code == "tooManyConnections" {
				if k := h.send(sheet)[0].Command; k.Status != domain.CommandConfirmed {
					t.Errorf("asked again it is %s: %s", k.Status, k.Why)
				}
			}
			// The list of terminals has the same errors.
			must(t, h.sandbox.CloudFlow.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: tt.status}))
			got, err := h.svc.Sync(t.Context(), h.actor, h.cloudflow)
			must(t, err)
			said := tt.said
			if tt.code == "notFound" {
				said = "CloudFlow does not know what was asked for."
			}
			if tt.code == "connectionLost" {
				said = "The terminal is not connected, and nothing was sent to it."
			}
			if got[0].Why != said || got[0].Later != (tt.status == 429) || got[0].Removed != 0 {
				t.Errorf("the list: %+v", got[0])
			}
		})
	}
}

func TestAProviderThatAsksForPatienceIsLeftAloneLongerEachTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	must(t, h.sandbox.CloudFlow.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 429}))
	if err := h.svc.SyncMerchant(t.Context(), h.merchant.ID); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("the list: %v", err)
	}
	must(t, h.svc.SyncMerchant(t.Context(), h.merchant.ID))
	must(t, h.sandbox.CloudFlow.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 429}))
	h.sync()
	if n := h.count(`select count(*) from river.river_job where kind = 'sync_devices' and queue = 'devices' and state = 'scheduled'`); n != 1 {
		t.Errorf("%d readings wait for later after a person's was refused", n)
	}
	h.advance(time.Minute)
	must(t, h.sandbox.CloudFlow.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 429, Count: 1000}))
	h.checkDue()
	asked := func() int { return h.pings(h.sandbox.CloudFlow, "/connected") }
	if n := asked(); n == 0 || n > 3 {
		t.Fatalf("%d questions in the first round", n)
	}
	waits := []time.Duration{}
	for range 4 {
		var next time.Time
		must(t, h.owner.QueryRow(`select max(check_at) from devices where connection_id = $1 and code = 'tooManyConnections'`, h.cloudflow).Scan(&next))
		waits = append(waits, next.Sub(h.now()).Round(time.Minute))
		h.advance(next.Sub(h.now()) - time.Second)
		before := asked()
		h.advance(2 * time.Second)
		h.checkDue()
		if asked() == before {
			t.Error("nothing was asked when the wait was over")
		}
	}
	if !slices.IsSorted(waits) || waits[0] < 2*time.Minute || waits[3] < 2*waits[1] {
		t.Errorf("waits %v", waits)
	}
	if d := h.device("SN-0001"); d.Code != "tooManyConnections" || d.Said == "" {
		t.Errorf("%+v", d)
	}
	// A check by hand waits as well, and ends by itself.
	sheet := h.press(devices.CommandInput{Name: domain.CommandPing}, "SN-0001")
	id := h.sheet(sheet)[0].Command.ID
	var again []time.Duration
	for range 100 {
		wait, err := h.svc.Send(t.Context(), h.merchant.ID, id)
		must(t, err)
		if wait == 0 {
			break
		}
		again = append(again, wait)
		h.advance(wait)
	}
	if k := h.sheet(sheet)[0].Command; k.Status != domain.CommandRefused || len(again) < 3 || len(again) > 12 || !slices.IsSorted(again) {
		t.Errorf("%s %q after %v", k.Status, k.Why, again)
	}
}

func TestTerminalsThatAreListedNoMoreAreKeptAndComeBack(t *testing.T) {
	t.Parallel()
	all := sandboxcloudflow.DefaultConfig()
	h := newHouse(t)
	h.sync()
	must(t, h.svc.Edit(t.Context(), h.actor, h.device("SN-0001").ID, devices.EditInput{Name: "Till 1", Location: "Quay Street"}))
	first := h.device("SN-0001").ID
	// The provider's list changes: one is gone, one has another name and place.
	all.Accounts[0].Devices = slices.Clone(all.Accounts[0].Devices[1:])
	all.Accounts[0].Devices[0].Name, all.Accounts[0].Devices[0].Location = "Garden", "Yard"
	back := h.replaceCloudFlow(all)
	got, err := h.svc.Sync(t.Context(), h.actor, h.cloudflow)
	must(t, err)
	if got[0].Removed != 1 || got[0].Changed != 1 || got[0].Added != 0 || got[0].Listed != 2 {
		t.Errorf("%+v", got[0])
	}
	d := h.device("SN-0001")
	if d.State != domain.DeviceRemoved || d.Name != "Till 1" || !d.CheckAt.IsZero() || d.RemovedAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if g := h.device("SN-0002"); g.ProviderName != "Garden" || g.ProviderPlace != "Yard" {
		t.Errorf("%+v", g)
	}
	if w := h.list(domain.DeviceFilter{Connection: h.cloudflow}); len(w.Rows) != 2 || w.Counts[domain.DeviceRemoved] != 1 {
		t.Errorf("%d rows, %v", len(w.Rows), w.Counts)
	}
	back()
	if got, err = h.svc.Sync(t.Context(), h.actor, h.cloudflow); err != nil || got[0].Returned != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if d := h.device("SN-0001"); d.ID != first || d.Removed() || d.Name != "Till 1" || d.Location != "Quay Street" || d.CheckAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if got := h.actions(); !slices.Contains(got, "device.removed:ok") || !slices.Contains(got, "device.returned:ok") {
		t.Errorf("audit %v", got)
	}
	// What belonged to a connection that is gone is gone with it.
	must(t, h.conns.Remove(t.Context(), h.actor, h.cloudflow))
	h.sync()
	if n := h.count(`select count(*) from devices where connection_id = $1 and removed_at is null`, h.cloudflow); n != 0 {
		t.Errorf("%d terminals of a removed connection are still listed", n)
	}
}

// replaceCloudFlow has the connection point at an emulator with another list; the
// function that it gives points it back.
func (h *house) replaceCloudFlow(cfg sandboxcloudflow.Config) func() {
	h.t.Helper()
	var was string
	must(h.t, h.owner.QueryRow(`select base_url from connections where id = $1`, h.cloudflow).Scan(&was))
	point := func(to string) {
		_, err := h.owner.Exec(`update connections set base_url = $2 where id = $1`, h.cloudflow, to)
		must(h.t, err)
	}
	other := h.serve(sandboxcloudflow.New(cfg, kit.New(h.now)).Handler())
	point(other + sandboxcloudflow.BasePath)
	return func() { point(was) }
}

func TestAConnectionThatListsNothingSaysSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	cards := h.connect(connections.NewConnection{Provider: "cardflo", Name: "Phone cards", BaseURL: h.base + "/cardflo",
		Secrets: map[string]string{"apiKey": "k", "username": "u", "password": "p"}})
	if _, err := h.svc.Sync(t.Context(), h.actor, cards); domain.CodeOf(err) != domain.Conflict || !strings.Contains(domain.MessageOf(err), "lists no terminals") {
		t.Errorf("%v", err)
	}
	if w := h.list(domain.DeviceFilter{}); len(w.Connections) != 2 {
		t.Errorf("%d connections list terminals", len(w.Connections))
	}
	if _, err := h.svc.Sync(t.Context(), h.actor, domain.NewConnectionID()); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a connection that is none: %v", err)
	}
}

func TestATerminalThatIsUsedDailyAndSilentForADayHasOneAlert(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	day := 24 * time.Hour
	now := h.now()
	silent := func(id domain.DeviceID) bool {
		return slices.ContainsFunc(h.list(domain.DeviceFilter{}).Silent, func(d domain.Device) bool { return d.ID == id })
	}
	for _, tt := range []struct {
		name  string
		zone  string
		days  []int // days ago, or below zero hours ago, each half an hour earlier
		hours int   // since the last sign of life
		want  int
	}{
		{"used on seven days and silent for a day", "Europe/London", []int{1, 2, 3, 4, 5, 6, 7}, 25, 1},
		{"used on five days", "Europe/London", []int{1, 2, 4, 6, 7}, 24, 1},
		{"used on four days", "Europe/London", []int{1, 2, 4, 6}, 48, 0},
		{"five payments on one day", "Europe/London", []int{3, 3, 3, 3, 3}, 48, 0},
		{"today does not count, nor does the eighth day", "Europe/London", []int{0, 1, 2, 3, 4, 8}, 48, 0},
		{"heard of within the day", "Europe/London", []int{1, 2, 3, 4, 5, 6, 7}, 23, 0},
		// Now is 03:00 of the 27th in Auckland (UTC+13): half an hour ago is today
		// there, three hours and a half ago is yesterday.
		{"the merchant's night belongs to its next day", "Pacific/Auckland", []int{0, 1, 2, 3, 4}, 48, 0},
		{"the merchant's evening belongs to its own day", "Pacific/Auckland", []int{-3, 2, 3, 4, 5}, 48, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.at = now
			_, err := h.owner.Exec(`update merchants set time_zone = $1`, tt.zone)
			must(t, err)
			d := h.add(1)[0]
			_, err = h.owner.Exec(`update devices set seen_at = $2, first_listed_at = $3 where id = $1`, d.ID, now.Add(-time.Duration(tt.hours)*time.Hour), now.Add(-30*day))
			must(t, err)
			for _, n := range tt.days {
				at := now.Add(-time.Duration(n) * day).Add(-30 * time.Minute)
				if n < 0 {
					at = now.Add(time.Duration(n) * time.Hour).Add(-30 * time.Minute)
				}
				h.payment(h.device(d.Serial), at, "approved")
			}
			for range 2 {
				_, err := h.svc.AlertSilent(t.Context(), h.merchant.ID)
				must(t, err)
			}
			if n := h.count(`select count(*) from alerts where kind = 'device_silent' and device_id = $1`, d.ID); n != tt.want {
				t.Fatalf("%d alerts, want %d", n, tt.want)
			}
			if silent(d.ID) != (tt.want == 1) {
				t.Error("the wall says something else")
			}
			if tt.want == 0 {
				return
			}
			// It ends by itself when the terminal is heard again, and a second silence is
			// a second alert.
			h.advance(time.Hour)
			must(t, h.store.InTenant(t.Context(), h.merchant.ID, func(tx *store.Tx) error {
				locked, err := tx.LockDevice(t.Context(), d.ID)
				if err != nil {
					return err
				}
				locked.Hear(domain.DeviceReport{}, h.now())
				return tx.SaveDevice(t.Context(), locked, h.now())
			}))
			if silent(d.ID) {
				t.Error("what was heard again is shown as silent")
			}
			_, err = h.svc.AlertSilent(t.Context(), h.merchant.ID)
			must(t, err)
			if n := h.count(`select count(*) from alerts where device_id = $1 and seen_at is null`, d.ID); n != 0 {
				t.Errorf("%d alerts are open", n)
			}
			_, err = h.owner.Exec(`update devices set seen_at = $2 where id = $1`, d.ID, h.now().Add(-25*time.Hour))
			must(t, err)
			_, err = h.svc.AlertSilent(t.Context(), h.merchant.ID)
			must(t, err)
			if n := h.count(`select count(*) from alerts where device_id = $1`, d.ID); n != 2 {
				t.Errorf("%d alerts in all", n)
			}
		})
	}
}

func TestAnAlertOfATerminalIsNotSeenWithThoseOfHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.add(1)[0]
	_, err := h.owner.Exec(`insert into alerts (merchant_id, id, kind, device_id, due_at, created_at) values ($1, gen_random_uuid(), 'device_silent', $2, $3, $3)`, h.merchant.ID, d.ID, h.now())
	must(t, err)
	must(t, h.store.InTenant(t.Context(), h.merchant.ID, func(tx *store.Tx) error {
		n, err := tx.SeeAlerts(t.Context(), "Maya", h.now())
		if n != 0 {
			t.Errorf("%d were seen", n)
		}
		return err
	}))
	if w := h.list(domain.DeviceFilter{}); len(w.Silent) != 1 {
		t.Errorf("%d silent", len(w.Silent))
	}
}
