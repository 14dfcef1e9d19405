package e2e_test

import (
	"regexp"
	"testing"

	"github.com/playwright-community/playwright-go"
)

const (
	owner     = "olive@harbour.example"
	duneOwner = "noura@dune.example"
)

// takeForm opens the sale form of one of the merchant's connections.
func (v *visitor) takeForm(connection string) {
	v.t.Helper()
	v.goTo("/payments/new?choose=1")
	link := v.roleLike("link", "^"+connection)
	n, err := link.Count()
	must(v.t, err)
	if n > 0 { // a merchant with one connection comes straight to its form
		v.click(link)
	}
	v.shows(v.amount())
}

func (v *visitor) amount() playwright.Locator { return v.labelLike("^Charge, in ") }

func (v *visitor) order() playwright.Locator { return v.labelLike("^Order reference") }

// charge is the button that charges.
func (v *visitor) charge() playwright.Locator { return v.roleLike("button", "^Charg(e|ing)") }

// box is the provider's frame with the card fields.
func (v *visitor) box() playwright.FrameLocator {
	return v.page.FrameLocator(`iframe[title^="Card details"]`)
}

func (v *visitor) typeCard(number string) {
	v.t.Helper()
	b := v.box()
	must(v.t, b.GetByLabel("Card number").Fill(number))
	must(v.t, b.GetByLabel("Expiry (MM/YY)").Fill("12/30"))
	must(v.t, b.GetByLabel("Security code").Fill("123"))
}

var paymentPage = `/payments/[0-9a-f-]{36}(\?.*)?`

// saleByFrame takes a sale through the token frame up to its result page.
func (v *visitor) saleByFrame(amount, order, card string) {
	v.t.Helper()
	v.takeForm("Card by phone")
	v.fill(v.amount(), amount)
	v.fill(v.order(), order)
	v.typeCard(card)
	v.click(v.charge())
	v.at(paymentPage)
}

func TestSaleThroughTheTokenFrameIsTakenListedAndHasAReceipt(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.takeForm("Card by phone")
	v.fill(v.amount(), "41.2")
	must(t, expect.Locator(v.charge()).ToHaveText("Charge"))
	v.fill(v.amount(), "41.27")
	must(t, expect.Locator(v.charge()).ToHaveText(regexp.MustCompile(`^Charge .*41\.27`)))
	v.fill(v.order(), "FRAME-1")
	v.typeCard("4111 1111 1111 1111")
	v.look("form filled")
	v.click(v.charge())
	v.at(paymentPage)
	v.sees("41.27 GBP taken", "Visa ending 1111", "Sale approved")
	v.look("taken")
	payment := v.path()

	v.goTo("/payments?q=FRAME-1")
	row := v.page.GetByRole("row", playwright.PageGetByRoleOptions{Name: regexp.MustCompile(`41\.27`)})
	v.shows(row)
	must(t, expect.Locator(row).ToContainText("1111"))
	v.look("found")
	v.goTo(payment)
	v.click(v.page.GetByRole("link", playwright.PageGetByRoleOptions{Name: "Receipt", Exact: playwright.Bool(true)}))
	v.at(payment + "/receipt")
	v.sees("41.27", "TEST", "CUSTOMER COPY", "MERCHANT COPY")
	v.look("receipt")
	if n := len(shop.emulator("cardflo").charges(t, "sale", 4127)); n != 1 {
		t.Errorf("the provider charged %d times", n)
	}
}
