package e2e_test

import (
	"testing"

	"github.com/playwright-community/playwright-go"
)

// focusShows tells whether a person can see where the focus is: the focused element, or the label that stands for it, has
// an outline or a ring.
const focusShows = `() => {
	const el = document.activeElement;
	if (!el || el === document.body) return "nothing has the focus";
	if (el.tagName === "IFRAME") return "";
	const ringed = (e) => { const s = getComputedStyle(e); return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none"; };
	const box = el.getBoundingClientRect();
	const around = [el, el.closest("label"), el.parentElement].filter(Boolean);
	if (!around.some(ringed)) return "no ring on " + el.outerHTML.slice(0, 200);
	if (box.bottom < 0 || box.top > innerHeight) return "out of sight: " + el.outerHTML.slice(0, 200);
	return "";
}`

// tabTo goes on with Tab until the element has the focus, and looks at every stop on the way.
func (v *visitor) tabTo(to playwright.Locator) {
	v.t.Helper()
	v.shows(to)
	for range 80 {
		v.key("Tab")
		if odd := v.run(focusShows); odd != "" && odd != "nothing has the focus" {
			v.t.Errorf("%s: %v", v.path(), odd)
		}
		there, err := to.Evaluate(`(e) => e === document.activeElement`, nil)
		must(v.t, err)
		if there == true {
			return
		}
	}
	v.t.Fatalf("Tab does not lead there on %s", v.path())
}

func (v *visitor) types(text string) {
	v.t.Helper()
	must(v.t, v.page.Keyboard().Type(text))
}

func TestKeyboardAloneSignsInSellsAndRefunds(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{})
	who := shop.person(t, "maya@harbour.example")
	v.goTo("/signin")
	v.tabTo(v.label("Email"))
	v.types(who.Email)
	v.tabTo(v.label("Password"))
	v.types(who.Password)
	v.key("Enter")
	v.focused(v.label("6 digit code"))
	v.types(shop.person(t, who.Email).Code)
	v.key("Enter")
	v.at("/")

	v.key("Tab")
	v.focused(v.role("link", "Skip to content"))
	v.look("skip link")
	v.key("Enter")
	v.focused(v.page.Locator("main"))

	v.key("n")
	v.at(`/payments/new(\?.*)?`)
	v.tabTo(v.roleLike("link", "^Saved cards"))
	v.key("Enter")
	v.at(`/payments/new\?attempt=.*&connection=.*`)
	v.shows(v.amount())
	if there, err := v.amount().Evaluate(`(e) => e === document.activeElement`, nil); err != nil || there != true {
		v.tabTo(v.amount())
	}
	v.types("25.31")
	v.tabTo(v.order())
	v.types("KEYS-1/n?g") // letters of shortcuts are letters in a field
	v.tabTo(v.page.GetByRole("group", playwright.PageGetByRoleOptions{Name: "Card on file"}).GetByRole("radio").First())
	v.key("Space")
	card := v.roleLike("radio", "0936")
	for range 5 {
		if on, err := card.IsChecked(); err != nil || on {
			must(t, err)
			break
		}
		v.key("ArrowDown")
	}
	must(t, expect.Locator(card).ToBeChecked())
	v.tabTo(v.charge())
	v.look("ready to charge")
	v.key("Enter")
	v.at(paymentPage)
	v.sees("25.31 GBP taken", "KEYS-1/n?g")

	v.tabTo(v.role("link", "Refund…"))
	v.key("Enter")
	dialog := v.page.GetByRole("dialog")
	v.shows(dialog)
	v.focused(dialog.GetByRole("radio").First())
	v.key("ArrowDown")
	v.focused(v.refundAmount())
	v.types("1.01")
	v.key("Enter") // moves to the button and confirms nothing
	v.focused(v.refundButton())
	v.look("about to refund")
	if n := len(shop.emulator("handpoint").charges(t, "refund", 101)); n != 0 {
		t.Fatalf("Enter in a field refunded")
	}
	v.key("Enter")
	v.sees("Refund approved", "−1.01 GBP")
	onlyOnce(t, "handpoint", "sale", 2531)
	onlyOnce(t, "handpoint", "refund", 101)
	v.look("refunded")

	v.key("g", "p")
	v.at("/payments")
	v.key("/")
	search := v.label("Quick search")
	v.focused(search)
	v.types("KEYS-1")
	v.key("Enter")
	v.at(`/payments\?q=KEYS-1`)
	v.sees("Part refunded")
	v.run(`document.activeElement.blur()`)
	v.key("j")
	v.focused(v.page.GetByRole("table").GetByRole("link").First())
	v.look("row chosen")
	v.key("Enter")
	v.at(paymentPage)
	v.key("?")
	v.shows(v.page.GetByRole("dialog"))
	v.sees("Keyboard shortcuts", "No shortcut moves money.")
	v.look("shortcuts")
	v.key("Escape")
	must(t, expect.Locator(v.page.GetByRole("dialog")).ToBeHidden())
	v.key("g", "o")
	v.at("/")
	v.key("/")
	v.focused(v.role("searchbox", "Search payments"))
	v.key("g", "p")
	v.value(v.role("searchbox", "Search payments"), "gp")
	v.at("/")
}

func TestShortcutsCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.goTo("/account")
	v.look("account")
	v.choose("Keyboard shortcuts")
	v.press("Save")
	v.sees("Saved.")
	v.key("g", "p")
	v.key("n")
	v.at("/account")
	v.hides("g p")
	v.choose("Keyboard shortcuts")
	v.press("Save")
	v.sees("g p")
	v.key("g", "p")
	v.at("/payments")
}
