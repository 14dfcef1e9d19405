package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// Three of the demo's terminals, one for each thing that happens to it here; other tests leave them alone.
const (
	goesOffline = "2740013262" // Terrace
	isBusy      = "1640013848" // Kitchen bar, which the demo begins with off line
	runsLow     = "0821032398" // Market 1
)

// card is a terminal on the wall.
func (v *visitor) card(serial string) playwright.Locator {
	return v.page.Locator(".terminal").Filter(playwright.LocatorFilterOptions{HasText: serial})
}

// command sends what the form of a command is for, to the terminals of these serial numbers.
func (v *visitor) command(name, button string, serials ...string) {
	v.t.Helper()
	for _, s := range serials {
		must(v.t, v.card(s).GetByRole("checkbox").Check())
	}
	v.shows(v.role("button", "Send a command…"))
	v.picture("selected for " + name)
	v.press("Send a command…")
	v.at(`/devices/command\?.*`)
	v.follow(name)
	v.at(`/devices/command\?command=.*`)
	if strings.HasPrefix(button, "Force") {
		v.choose("Force it, even in the middle of a payment")
	}
	v.look("form, " + name)
	v.press(button)
	v.at(`/devices/commands/[0-9a-f-]{36}`)
}

// result is the row of a terminal on the page of a press.
func (v *visitor) result(serial string) playwright.Locator {
	return v.page.Locator("tbody tr").Filter(playwright.LocatorFilterOptions{HasText: serial})
}

func TestTheWallFollowsTerminalsAndACommandHasAResultForEach(t *testing.T) {
	t.Parallel()
	hp := shop.emulator("handpoint")
	happen := func(serial string, online, busy bool) {
		t.Helper()
		hp.post(t, "device", map[string]any{"serial": serial, "online": online, "busy": busy})
	}
	happen(goesOffline, false, false)
	happen(isBusy, true, true)
	hp.post(t, "device", map[string]any{"serial": runsLow, "battery": 8, "charging": false})
	t.Cleanup(func() { happen(goesOffline, true, false); happen(isBusy, false, false) })

	v := visit(t, shop, options{as: owner})
	v.goTo("/devices")
	v.press("Read the lists anew")
	v.at("/devices")
	v.has(v.card(goesOffline), 1)
	wall := visit(t, shop, options{as: owner})
	wall.goTo("/devices")
	must(t, expect.Locator(wall.page.Locator("[data-not-live]")).ToBeHidden())

	v.command("Check now", "Check 3 terminals", goesOffline, isBusy, runsLow)
	must(t, expect.Locator(v.result(runsLow)).ToContainText("Confirmed"))
	must(t, expect.Locator(v.result(goesOffline)).ToContainText("(1002)"))
	must(t, expect.Locator(v.result(isBusy)).ToContainText("(1001)"))
	v.look("results of a check")

	// The page that was open all the time shows it without being loaded again.
	must(t, expect.Locator(wall.card(goesOffline)).ToContainText("Offline"))
	must(t, expect.Locator(wall.card(goesOffline)).ToContainText("The terminal does not answer (1002)"))
	must(t, expect.Locator(wall.card(isBusy)).ToContainText("In a payment"))
	must(t, expect.Locator(wall.card(runsLow)).ToContainText("Battery 8%, not charging"))
	must(t, expect.Locator(wall.page.Locator("#devices-head")).ToContainText(regexp.MustCompile(`In a payment\s+[1-9]`)))
	wall.everyWidth("wall")

	wall.command("Restart", "Force 2 terminals to restart", isBusy, runsLow)
	must(t, expect.Locator(wall.result(isBusy)).ToContainText("Refused"))
	must(t, expect.Locator(wall.result(isBusy)).ToContainText("a forced restart would break off"))
	must(t, expect.Locator(wall.result(runsLow)).ToContainText("Sent"))
	wall.look("results of a restart")
	wall.follow("Market 1")
	wall.at(`/devices/[0-9a-f-]{36}`)
	wall.sees("Restart, forced", "8%, not charging")
	wall.fill(wall.label("Name that staff see"), "Garden till")
	wall.fill(wall.label("Place"), "Garden")
	wall.press("Save")
	wall.shows(wall.page.GetByRole("heading", playwright.PageGetByRoleOptions{Name: "Garden till"}))
	wall.look("terminal")

	// Without a script the same is done by plain forms.
	plain := visit(t, shop, options{as: owner, noJS: true})
	plain.goTo("/devices")
	plain.fill(plain.label("Serial number ends in"), goesOffline[6:])
	plain.press("Apply")
	plain.at(`/devices\?.*`)
	plain.has(plain.page.Locator(".terminal"), 1)
	plain.command("Check now", "Check Terrace", goesOffline)
	eventually(t, "the check has its result", func() bool {
		_, err := plain.page.Reload()
		must(t, err)
		return plain.there(plain.result(goesOffline).GetByText("(1002)"))
	})
	plain.look("results without script")
}
