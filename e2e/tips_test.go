package e2e_test

import (
	"testing"

	"github.com/playwright-community/playwright-go"
)

// tipOf is the field of the sale of so many minor units.
func (v *visitor) tipOf(sale string) playwright.Locator {
	return v.page.Locator(`input[data-tip][data-sale="` + sale + `"]`).First()
}

func TestKeyboardAloneSetsTips(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: "tom@harbour.example"})
	v.goTo("/")
	v.key("g", "t")
	v.at("/tips")
	v.look("worksheet")
	first, second := v.tipOf("2375"), v.tipOf("11940")
	v.tabTo(first)
	v.types("3")
	v.shows(v.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Set 1 tip", Exact: playwright.Bool(true)}))
	v.sees("26.75 GBP")
	v.key("Enter") // goes down and sends nothing
	v.focused(second)
	v.value(first, "3.00")
	v.types("30")
	v.sees("30.00 GBP is more than 20 % of 119.40 GBP.")
	v.look("worksheet with a large tip")
	v.key("Escape")
	v.value(second, "")
	v.hides("30.00 GBP is more than 20 % of 119.40 GBP.")
	v.key("ArrowUp")
	v.focused(first)
	v.key("ArrowDown")
	v.types("25.00")
	v.key("Tab")
	v.focused(v.page.GetByRole("checkbox", playwright.PageGetByRoleOptions{Name: "It is meant"}).First())
	v.key("Space")
	v.tabTo(v.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Set 2 tips", Exact: playwright.Bool(true)}))
	v.key("Enter")
	v.at(`/tips\?date=.*sheet=.*`)
	v.sees("2 tips are set.")
	v.look("worksheet with its results")
	onlyOnce(t, "handpoint", "tip", 300)
	onlyOnce(t, "handpoint", "tip", 2500)

	// Cells that are pasted into a field go down the rows from there, and nothing is sent.
	v.run(`(() => { const d = new DataTransfer(); d.setData("text/plain", "1.00\n2,00\n"); const i = document.querySelector('input[data-tip][data-sale="2375"]');
		i.dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true})); })()`)
	v.sees("1 tip was put into its field.", "Line 2: Write the amount with digits and a point, without commas or spaces")
	v.value(v.tipOf("2375"), "1.00")
	v.look("worksheet with pasted tips")

	v.key("g", "h")
	v.at("/preauths")
	v.sees("Room 12 deposit", "within 3 days")
	v.look("pre-authorisations")
}

func TestTheOtherWorklistsOfTheDemoAreNotEmpty(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.goTo("/payments/open")
	v.sees("Operations without an end", "Needs a person", "61.20 GBP")
	v.look("operations without an end")
	v.goTo("/reviews")
	v.sees("349.00 GBP", "Keep payment")
	v.look("reviews")
	v.goTo("/")
	v.sees("within 3 days", "to review")
}
