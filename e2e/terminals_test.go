package e2e_test

import (
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// The emulator's terminals that these tests have for themselves, one each; the
// wall's test has the others.
const (
	slowTill = "1850025041"
	busyTill = "1850025030" // and away, after that
)

// till chooses a terminal by its serial number, and gives the words that the button has for it.
func (v *visitor) till(serial string) string {
	v.t.Helper()
	v.choose("On a terminal")
	// Its name, or the line under it, has the last digits.
	label := v.page.Locator("label:visible").Filter(playwright.LocatorFilterOptions{HasText: serial[len(serial)-4:]})
	v.click(label)
	radio := label.Locator("input[name=terminal]")
	tail, err := radio.GetAttribute("data-tail")
	must(v.t, err)
	return tail
}

// sendTo sends a sale to a terminal and comes to its page.
func (v *visitor) sendTo(serial, amount, order string) string {
	v.t.Helper()
	v.takeForm("Saved cards")
	v.fill(v.amount(), amount)
	v.fill(v.order(), order)
	tail := v.till(serial)
	button := v.page.Locator("#go")
	must(v.t, expect.Locator(button).ToHaveText("Send "+amount+" GBP"+tail))
	v.click(button)
	v.at(paymentPage)
	return strings.TrimPrefix(tail, " to ")
}

// A sale on a terminal is followed live, step by step, by two people; who leaves the page and comes back sees the same,
// and so does who has no script.
func TestASaleOnATerminalIsFollowedLive(t *testing.T) {
	t.Parallel()
	hp := shop.emulator("handpoint")
	hp.post(t, "device", map[string]any{"serial": slowTill, "seconds": 12, "twice": true})
	v := visit(t, shop, options{as: owner})
	v.goTo("/devices")
	v.click(v.roleLike("button", "^Read the lists anew").First())
	v.at(`/devices.*`)

	name := v.sendTo(slowTill, "40.27", "TILL-1")
	v.sees("Waiting for card or PIN on "+name, "Leaving this page changes nothing.")
	v.look("waiting for the card")
	payment := v.path()

	w, n := visit(t, shop, options{as: owner}), visit(t, shop, options{as: owner, noJS: true})
	// Without its timer the second one can only know from the stream.
	must(t, w.page.AddInitScript(playwright.Script{Content: playwright.String(`addEventListener("htmx:config:request", (e) => { if (e.detail.ctx.sourceEvent?.type === "every") e.preventDefault(); }, true);`)}))
	w.goTo(payment)
	w.sees("on " + name)
	n.goTo(payment)
	n.sees("on "+name, "Look again")
	v.goTo("/payments")
	v.page.GoBack() //nolint:errcheck // what it shows is looked at

	w.sees("Sale approved", "Visa ending")
	w.look("approved, seen by the other one")
	v.sees("Sale approved", "40.27 GBP taken")
	n.follow("Look again")
	eventually(t, "the page without script shows the result", func() bool {
		n.goTo(payment)
		count, err := n.page.GetByText("Sale approved").Count()
		must(t, err)
		return count > 0
	})
	n.sees("Print again on " + name)
	onlyOnce(t, "handpoint", "sale", 4027)

	// The gateway may tell of the sale before the terminal's own result, which
	// brings the receipt.
	v.brings("409")
	eventually(t, "the receipt that the terminal brought is sent to it again", func() bool {
		v.goTo(payment)
		v.click(v.page.Locator("#print-again"))
		must(t, v.page.WaitForLoadState())
		sent, err := v.page.GetByText("The receipt was sent to the terminal.").Count()
		must(t, err)
		return sent > 0
	})
}

// A terminal that is busy or away is said at once, and nothing was charged; one that waits can be stopped.
func TestATerminalThatIsBusyAwayOrStopped(t *testing.T) {
	t.Parallel()
	hp := shop.emulator("handpoint")
	v := visit(t, shop, options{as: owner, width: 360, height: 780, dark: true})
	v.goTo("/devices")
	v.click(v.roleLike("button", "^Read the lists anew").First())
	v.at(`/devices.*`)

	t.Cleanup(func() {
		hp.post(t, "device", map[string]any{"serial": busyTill, "online": true, "busy": false, "seconds": 1})
	})
	hp.post(t, "device", map[string]any{"serial": busyTill, "busy": true})
	v.sendTo(busyTill, "40.37", "TILL-2")
	v.sees("Nothing was taken.", "The terminal is busy with something else.")
	v.look("busy")
	hp.post(t, "device", map[string]any{"serial": busyTill, "busy": false, "online": false})
	v.sendTo(busyTill, "40.47", "TILL-3")
	v.sees("Nothing was taken.", "The terminal is not connected, and nothing was sent to it.")
	v.look("away")

	hp.post(t, "device", map[string]any{"serial": busyTill, "online": true, "seconds": 90})
	name := v.sendTo(busyTill, "40.57", "TILL-4")
	v.sees("Waiting for card or PIN on " + name)
	v.click(v.page.Locator("#stop"))
	v.sees("The terminal was asked to stop.")
	v.look("asked to stop")
	v.sees("Nothing was taken.")
	v.look("stopped")
	for _, minor := range []int64{4037, 4047, 4057} {
		if n := len(hp.charges(t, "sale", minor)); n != 0 {
			t.Errorf("the emulator charged %d.%02d %d times", minor/100, minor%100, n)
		}
	}
}
