package e2e_test

import (
	"testing"

	"github.com/playwright-community/playwright-go"
)

func (v *visitor) refundAmount() playwright.Locator { return v.labelLike("^Amount to refund, in ") }

func (v *visitor) teamNote() playwright.Locator { return v.labelLike("^Note") }

func (v *visitor) refundButton() playwright.Locator {
	return v.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Refund ", Exact: playwright.Bool(false)}).Last()
}

func TestPartRefundThenTooMuchThenTheRest(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("409", "422")
	payment := v.saleByFrame("40.03", "REFUND-1", "4111 1111 1111 1111")
	v.sees("40.03 GBP taken")

	v.follow("Refund…")
	dialog := v.page.GetByRole("dialog")
	v.shows(dialog)
	v.sees("A refund cannot be undone.")
	must(t, expect.Locator(v.refundButton()).ToHaveText("Refund 40.03 GBP"))
	v.look("refund dialog")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "10.01")
	must(t, expect.Locator(v.refundButton()).ToHaveText("Refund 10.01 GBP"))
	v.fill(v.teamNote(), "one of two came broken")
	v.look("part of it")
	v.click(v.refundButton())
	v.sees("Refund approved", "Part refunded", "one of two came broken", "30.02 GBP")
	v.at(paymentPage)
	v.look("part refunded")
	onlyOnce(t, "cardflo", "refund", 1001)

	// Too much, in the dialog: the dialog stays, and what was typed stays in it.
	v.follow("Refund…")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "30.03")
	v.fill(v.teamNote(), "the other one too")
	v.click(v.refundButton())
	v.shows(dialog.GetByRole("alert").Filter(playwright.LocatorFilterOptions{HasText: "Nothing was refunded."}))
	v.value(v.refundAmount(), "30.03")
	v.value(v.teamNote(), "the other one too")
	v.shows(dialog)
	v.look("too much, in the dialog")
	v.key("Escape")
	must(t, expect.Locator(dialog).ToBeHidden())

	// Too much, on the page without script.
	w := visit(t, shop, options{as: owner, noJS: true})
	w.brings("409", "422")
	w.goTo(payment)
	w.follow("Refund…")
	w.at(payment + "/refund")
	w.look("refund page")
	w.choose("A part of it")
	w.fill(w.refundAmount(), "30.03")
	w.fill(w.teamNote(), "the other one too")
	w.click(w.refundButton())
	w.sees("Nothing was refunded.")
	w.value(w.refundAmount(), "30.03")
	w.value(w.teamNote(), "the other one too")
	w.look("too much, on the page")
	w.choose("All that is left")
	w.click(w.refundButton())
	w.at(paymentPage)
	w.sees("Refunded", "−30.02 GBP", "the other one too")
	w.look("refunded")
	onlyOnce(t, "cardflo", "refund", 3002)
	w.goTo(payment + "/refund")
	w.sees("This cannot be refunded")
	w.look("nothing left to refund")
}
