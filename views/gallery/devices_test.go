package gallery

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
)

// The addresses of terminals.
var (
	deviceLinks   = regexp.MustCompile(`^(/devices(\?.*)?|/devices\.csv(\?.*)?|/devices/head(\?.*)?|/devices/[0-9a-f-]{36}(/row)?|/devices/command\?.*|/devices/commands/[0-9a-f-]{36})$`)
	deviceActions = regexp.MustCompile(`^(/devices|/devices/sync|/devices/command|/devices/[0-9a-f-]{36})$`)
)

// followed is the shell of a page that follows what it shows.
func followed() layouts.Model {
	m := layout()
	m.Live = true
	return m
}

func deviceID(n byte) domain.DeviceID { return domain.DeviceID{UUID: uuidOf(n)} }

func terminal(n byte, name string, state domain.DeviceState, since time.Duration) domain.Device {
	battery := 86
	return domain.Device{ID: deviceID(n), ConnectionID: domain.ConnectionID{UUID: uuidOf(1)}, ConnectionName: "Card by phone", Provider: "handpoint", Serial: "154785" + strconv.Itoa(4700+int(n)), Type: "PAXA920",
		Name: name, Location: "Quay Street", State: state, StateAt: now.Add(-since), SeenAt: now.Add(-20 * time.Second), CheckedAt: now.Add(-20 * time.Second), CheckAt: now.Add(4 * time.Minute),
		FirstListedAt: now.Add(-90 * 24 * time.Hour), ListedAt: now.Add(-2 * time.Hour), Reach: domain.ReachOnline, Account: "4242424242",
		Report: domain.DeviceReport{Battery: &battery, Charging: "no", AppName: "Handpoint Payments", AppVersion: "3.4.1", Power: "battery", At: now.Add(-20 * time.Second)},
		Last:   domain.DeviceLast{PaymentID: domain.PaymentID{UUID: uuidOf(n + 100)}, Type: domain.Sale, Status: domain.TxApproved, Amount: pounds(4250), At: now.Add(-4 * time.Minute)}}
}

func fleet() []domain.Device {
	offline, low, busy := terminal(1, "Kitchen bar", domain.DeviceOffline, 23*time.Minute), terminal(2, "Terrace", domain.DeviceAttention, 2*time.Hour), terminal(3, "Till 2", domain.DeviceBusy, 28*time.Second)
	offline.SeenAt, offline.Reach, offline.Code, offline.Said = now.Add(-24*time.Minute), domain.ReachOffline, "1002", "Device offline"
	offline.Last.Status = domain.TxDeclined
	eight := 8
	low.Report.Battery = &eight
	low.Recovered, low.RecoveredAt = 2, now.Add(-time.Hour)
	busy.Running, busy.RunningPayment = domain.TransactionID{UUID: uuidOf(90)}, domain.PaymentID{UUID: uuidOf(91)}
	busy.Doing = domain.DeviceDoing{Type: domain.Sale, Amount: pounds(3600), Phase: domain.PhaseCard}
	busy.Report.Charging = "yes"
	other := terminal(4, "Till 3", domain.DeviceBusy, 3*time.Minute)
	other.Code, other.Reach, other.Last = "1001", domain.ReachBusy, domain.DeviceLast{}
	till := terminal(5, "Till 1", domain.DeviceOnline, 5*time.Hour)
	till.Last.Type, till.Last.Amount = domain.Refund, pounds(1234567)
	virtual := terminal(6, "Telephone", domain.DeviceOnline, 30*24*time.Hour)
	virtual.Virtual, virtual.Type, virtual.Serial, virtual.Report, virtual.Location = true, "VIRTUAL", "virtual-4706", domain.DeviceReport{}, ""
	unchecked := terminal(7, "", domain.DeviceUnchecked, time.Hour)
	unchecked.SeenAt, unchecked.CheckedAt, unchecked.Report, unchecked.Last, unchecked.Location = time.Time{}, time.Time{}, domain.DeviceReport{}, domain.DeviceLast{}, ""
	long := terminal(8, "The summer terrace behind the harbour office, by the fountain", domain.DeviceOnline, 26*time.Hour)
	long.Location, long.Last.Status = "Market Hall, upper floor", domain.TxUnknown
	gone := terminal(9, "Old till", domain.DeviceRemoved, 40*24*time.Hour)
	gone.RemovedAt, gone.SeenAt = now.Add(-40*24*time.Hour), now.Add(-41*24*time.Hour)
	return []domain.Device{offline, low, busy, other, till, virtual, unchecked, long, gone}
}

func chips(active domain.DeviceState) []pages.StateChip {
	counts := domain.DeviceCounts{domain.DeviceOffline: 1, domain.DeviceAttention: 1, domain.DeviceBusy: 2, domain.DeviceOnline: 37, domain.DeviceUnchecked: 4, domain.DeviceRemoved: 3}
	out := []pages.StateChip{{Count: 45, URL: "/devices", Active: active == ""}}
	for _, s := range domain.DeviceStates {
		out = append(out, pages.StateChip{State: s, Count: counts[s], URL: "/devices?state=" + string(s), Active: s == active})
	}
	return out
}

func theWall() pages.DevicesView {
	return pages.DevicesView{Layout: followed(), SelfURL: "/devices", Head: pages.DevicesHead{Layout: followed(), States: chips(""), Total: 45, SelfURL: "/devices/head"}, Rows: fleet()[:8],
		Locations:   []components.Option{{Value: uuidOf(1).String(), Label: "Quay Street"}, {Value: uuidOf(2).String(), Label: "Market Hall, upper floor"}},
		Connections: []components.Option{{Value: uuidOf(1).String(), Label: "Card by phone"}, {Value: uuidOf(2).String(), Label: "CloudFlow"}},
		ExportURL:   "/devices.csv", CanSelect: true, CanManage: true,
		Steps: pages.Steps{Words: "8 terminals on this page", BeforeLabel: "Previous", BehindLabel: "Next", BehindURL: "/devices?after=x"}}
}

func command(n byte, name domain.DeviceCommandName, s domain.CommandStatus) domain.DeviceCommand {
	k := domain.DeviceCommand{ID: domain.CommandID{UUID: uuidOf(n)}, SheetID: domain.SheetID{UUID: uuidOf(n + 50)}, Name: name, Status: s, CreatedName: "Maya Okafor", CreatedAt: now.Add(-time.Duration(n) * time.Minute)}
	if s != domain.CommandQueued && s != domain.CommandRefused {
		k.SentAt = k.CreatedAt.Add(time.Second)
	}
	if !s.Open() {
		k.EndedAt = k.CreatedAt.Add(8 * time.Second)
	}
	return k
}

func onePage(d domain.Device) pages.DeviceView {
	v := pages.DeviceView{Layout: followed(), Device: d, Provider: "Handpoint", CanCheck: true, CheckKey: uuidOf(77).String(), CanManage: true, Name: d.Name, Place: d.Location,
		Locations: []domain.Location{{Name: "Quay Street"}, {Name: "Market Hall"}}}
	for _, name := range []domain.DeviceCommandName{domain.CommandReboot, domain.CommandUnattended, domain.CommandPassword, domain.CommandLocale, domain.CommandBrightness, domain.CommandRebootHour, domain.CommandUpdate} {
		v.Offers = append(v.Offers, pages.CommandOffer{Name: name, URL: pages.CommandURL(name, d.ID)})
	}
	v.Offers[3].Hint = "It has not answered a check today, so it may not take commands from afar."
	v.Offers[5].URL, v.Offers[5].Why = "", "The provider does this on production terminals only; this connection is a test one."
	return v
}

func deviceSamples(add func(string, templ.Component)) {
	add("devices", pages.Devices(theWall()))
	silent := theWall()
	silent.Layout.Mode = domain.Test
	silent.Silent, silent.Rows = fleet()[:2], fleet()[:1]
	add("devices-silent", pages.Devices(silent))
	none := theWall()
	none.Rows, none.State, none.Head.States, none.Head.Total = nil, pages.ListFirstDay, nil, 0
	add("devices-none", pages.Devices(none))
	miss := theWall()
	miss.Rows, miss.State, miss.Q, miss.Narrowed = nil, pages.ListNoMatch, "9999", true
	add("devices-no-match", pages.Devices(miss))
	wrong := theWall()
	wrong.Rows, wrong.State, wrong.Q, wrong.Narrowed, wrong.Errors = nil, pages.ListNoMatch, "47 57", true, map[string]string{"q": "Enter digits and letters only, without spaces."}
	add("devices-bad-filter", pages.Devices(wrong))
	removed := theWall()
	removed.Rows, removed.Narrow, removed.Narrowed, removed.Head.States = fleet()[8:], "removed", true, chips(domain.DeviceRemoved)
	removed.Steps = pages.Steps{Words: "1 terminal on this page"}
	add("devices-removed", pages.Devices(removed))
	analyst := theWall()
	analyst.Layout.Can, analyst.CanSelect, analyst.CanManage = layouts.CanOf(domain.Analyst), false, false
	add("devices-reader", pages.Devices(analyst))

	busy := onePage(fleet()[2])
	busy.Commands = []domain.DeviceCommand{command(1, domain.CommandPing, domain.CommandConfirmed), command(2, domain.CommandReboot, domain.CommandRefused), command(3, domain.CommandLocale, domain.CommandSent),
		command(4, domain.CommandBrightness, domain.CommandUnconfirmed), command(5, domain.CommandPassword, domain.CommandUnknown), command(6, domain.CommandUpdate, domain.CommandQueued), command(7, domain.CommandUnattended, domain.CommandSending)}
	busy.Commands[1].On, busy.Commands[1].Why = true, "A payment runs on it. A forced restart would interrupt it."
	busy.Commands[2].Text, busy.Commands[3].Low, busy.Commands[3].High = "en_GB", 20, 90
	p := payment(21, "5H8QW2TN", domain.PaymentProcessing, 3600, 67*time.Second)
	busy.Payments = []domain.Payment{p, payment(22, "WGCNG4FW", domain.PaymentApproved, 4840, 5*time.Minute), payment(23, "R4D0XJ6B", domain.PaymentUnknown, 1250, 26*time.Hour)}
	busy.CheckWhy = "A payment runs on it. It is asked again when that has ended."
	add("device-busy", pages.DevicePage(busy))
	off := onePage(fleet()[0])
	off.Name, off.Errors, off.Problem = "Kitchen", map[string]string{"device_name": "Another terminal has this name.", "place": "Use at most 80 characters."}, "2 things to fix. Nothing was changed."
	add("device-offline", pages.DevicePage(off))
	seen := onePage(fleet()[6])
	seen.Layout.Can, seen.CanCheck, seen.CanManage, seen.Offers = layouts.CanOf(domain.Analyst), false, false, nil
	add("device-reader", pages.DevicePage(seen))

	quiet := overview()
	quiet.Silent = fleet()[:1]
	add("overview-silent", pages.Overview(quiet))

	form := pages.CommandForm{Layout: layout(), Devices: fleet()[:3], Key: uuidOf(70).String(), BackURL: "/devices"}
	ids := []domain.DeviceID{deviceID(1), deviceID(2), deviceID(3)}
	for _, name := range []domain.DeviceCommandName{domain.CommandPing, domain.CommandReboot, domain.CommandUnattended, domain.CommandPassword, domain.CommandLocale, domain.CommandBrightness, domain.CommandRebootHour, domain.CommandUpdate} {
		form.Choices = append(form.Choices, components.Option{Value: pages.CommandURL(name, ids...), Label: name.Label()})
	}
	add("command-choose", pages.Command(form))
	for i, c := range []domain.DeviceCommandName{domain.CommandPing, domain.CommandReboot, domain.CommandUnattended, domain.CommandPassword, domain.CommandLocale, domain.CommandBrightness} {
		if c == domain.CommandPing || c == domain.CommandPassword || c == domain.CommandLocale {
			continue // as plain as the others
		}
		f := form
		f.Command, f.Choices = c, append([]components.Option(nil), form.Choices...)
		f.Choices[i].Chosen = true
		switch c {
		case domain.CommandReboot:
			f.On, f.Devices, f.BackURL = "yes", fleet()[2:3], pages.DeviceURL(deviceID(3))
		case domain.CommandBrightness:
			f.Low, f.High, f.Problem, f.Errors = "120", "", "2 things to fix. Nothing was sent.", map[string]string{"low": "Enter a number from 0 to 100.", "high": "Enter a number from 0 to 100."}
		case domain.CommandUnattended:
			f.Problem, f.Errors = "One thing to fix. Nothing was sent.", map[string]string{"on": "Choose on or off."}
		}
		add("command-"+string(c), pages.Command(f))
	}

	sheet := pages.SheetView{Layout: followed(), SelfURL: "/devices/commands/" + uuidOf(80).String()}
	for i, s := range []domain.CommandStatus{domain.CommandConfirmed, domain.CommandRefused, domain.CommandSent, domain.CommandUnconfirmed, domain.CommandUnknown, domain.CommandQueued} {
		k := command(byte(40+i), domain.CommandReboot, s)
		k.On, k.CreatedAt = true, now.Add(-20*time.Second)
		if s == domain.CommandRefused {
			k.Why = "A payment runs on it. A forced restart would interrupt it."
		}
		if s == domain.CommandUnknown {
			k.Code = "502"
		}
		sheet.Rows = append(sheet.Rows, pages.SheetRow{Command: k, Device: fleet()[i]})
	}
	add("command-sheet", pages.Sheet(sheet))

}

// What was ticked and where the focus is outlive the terminal's change; what is
// selected is counted; without a script the same form leads on.
func TestACardOfTheWallChangesUnderWhatWasSelected(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	changed := fleet()[0]
	s.fragment = func() []byte {
		var buf bytes.Buffer
		d := changed
		d.State, d.Code, d.Said = domain.DeviceOnline, "", ""
		must(t, pages.Device(pages.DeviceRow{Layout: followed(), Device: d}).Render(t.Context(), &buf))
		return buf.Bytes()
	}
	page := look(t, s, "/g/devices", playwright.BrowserNewContextOptions{})
	card, bulk := page.Locator("#device-"+changed.ID.String()), page.Locator(".bulk")
	must(t, expect.Locator(bulk).Not().ToBeVisible())
	must(t, page.Keyboard().Press("j"))
	must(t, page.Keyboard().Press("x"))
	must(t, expect.Locator(bulk).ToBeVisible())
	must(t, expect.Locator(page.Locator("[data-bulk-words]")).ToHaveText("1 selected"))
	s.events <- "event: device-" + changed.ID.String() + "\ndata: 1\nid: 0a-9\n\n"
	select {
	case h := <-s.polls:
		if h.Get("X-Background") != "1" || h.Get("HX-Request") != "true" {
			t.Errorf("the card was asked for with %v", h)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the card was not asked for")
	}
	must(t, expect.Locator(card.Locator(".tag")).ToHaveText("Online"))
	must(t, expect.Locator(card.Locator(".rowlink")).ToBeFocused())
	must(t, expect.Locator(page.Locator("[name=device]").First()).ToBeChecked())
	must(t, page.Locator("[data-bulk-all]").Click())
	must(t, expect.Locator(page.Locator("[data-bulk-words]")).ToHaveText("8 selected"))
	must(t, expect.Locator(page.Locator("[data-bulk-all]")).ToBeHidden())
	asked, err := page.ExpectRequest(regexp.MustCompile(`/devices/command\?`), func() error { return page.GetByText("Send a command…").Click() })
	must(t, err)
	if n := strings.Count(asked.URL(), "device="); n != 8 {
		t.Errorf("%d terminals go along: %s", n, asked.URL())
	}

	plain := look(t, s, "/g/devices", playwright.BrowserNewContextOptions{JavaScriptEnabled: playwright.Bool(false)})
	must(t, plain.GetByRole("checkbox", playwright.PageGetByRoleOptions{Name: "Select Terrace"}).Check())
	must(t, expect.Locator(plain.Locator(".bulk")).ToBeVisible())
	must(t, expect.Locator(plain.Locator("[data-bulk-all]")).ToBeHidden())
	form := look(t, s, "/g/command-reboot", playwright.BrowserNewContextOptions{JavaScriptEnabled: playwright.Bool(false)})
	force, quiet := form.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Force Till 2 to restart"}), form.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Restart Till 2", Exact: playwright.Bool(true)})
	must(t, expect.Locator(force).ToBeVisible())
	must(t, expect.Locator(quiet).ToBeHidden())
	must(t, form.Locator("#on").Uncheck())
	must(t, expect.Locator(force).ToBeHidden())
	must(t, expect.Locator(quiet).ToBeVisible())
}
