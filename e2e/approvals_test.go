package e2e_test

import (
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"
)

// freshCode waits for a code that was not shown when the test began: each is good once.
func freshCode(t *testing.T, email, used string) string {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(40 * time.Second); time.Now().Before(until); <-tick.C {
		if code := shop.person(t, email).Code; code != used {
			return code
		}
	}
	t.Fatalf("%s has no new code within 40 s", email)
	return ""
}

// factors fills in the password and a code.
func (v *visitor) factors(email, code string) {
	v.t.Helper()
	v.fill(v.label("Your password"), shop.person(v.t, email).Password)
	v.fill(v.label("6 digit code"), code)
}

func TestALargeRefundIsConfirmedAndALargerOneIsApprovedByAnotherPerson(t *testing.T) {
	t.Parallel()
	const bader = "bader@dune.example"
	boss := visit(t, shop, options{as: duneOwner})
	boss.goTo("/approvals")
	boss.sees("Approvals")
	boss.follow("Limits")
	boss.sees("Every manager", "Above 100.000 KWD")
	boss.look("limits")
	boss.follow("Add a limit")
	_, err := boss.label("Who").SelectOption(playwright.SelectOptionValues{Labels: playwright.StringSlice("Bader Karim, administrator")})
	must(t, err)
	boss.fill(boss.label("Password and code above"), "10")
	boss.fill(boss.label("Another person above"), "20")
	boss.fill(boss.label("Your password"), shop.person(t, duneOwner).Password)
	boss.look("a new limit")
	boss.press("Add limit")
	boss.sees("Added.", "Bader Karim")

	v := visit(t, shop, options{})
	v.brings("409")
	v.goTo("/signin")
	used := shop.person(t, bader).Code
	bossUsed := shop.person(t, duneOwner).Code
	v.signIn(bader)
	v.sees("Overview")
	payment := v.saleByFrame("61.250", "LIMITS-1", "4111 1111 1111 1111")

	// Above the first threshold: out of the dialog, to the step-up, and back to the form with what was typed.
	v.follow("Refund…")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "15.500")
	v.fill(v.teamNote(), "one of two came broken")
	v.click(v.refundButton())
	v.at(`/confirm\?next=.*`)
	v.sees("Nothing was refunded. Refunds above 10.000 KWD need your password and a code again.")
	v.look("confirm")
	v.factors(bader, freshCode(t, bader, used))
	v.press("Confirm")
	v.at(payment + `/refund\?.*`)
	v.sees("Confirmed for five minutes.")
	v.value(v.refundAmount(), "15.500")
	v.value(v.teamNote(), "one of two came broken")
	v.look("back on the form")
	v.click(v.refundButton())
	v.at(paymentPage)
	v.sees("Refund approved", "−15.500 KWD")
	onlyOnce(t, "cardflo", "refund", 15500)

	// Above the second: out of the dialog, to the page that asks.
	v.follow("Refund…")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "25.750")
	v.click(v.refundButton())
	v.shows(v.role("heading", "Another person must approve 25.750 KWD"))
	v.has(v.page.Locator("main"), 1)
	v.look("ask for approval")
	v.fill(v.label("Why it is needed"), "Returned unopened")
	v.press("Ask for approval")
	v.at(`/approvals/[0-9a-f-]{36}`)
	v.sees("Waiting", "You asked for this yourself")
	v.look("own request")
	if n := len(shop.emulator("cardflo").charges(t, "refund", 25750)); n != 0 {
		t.Fatalf("asking refunded")
	}

	boss.goTo("/")
	boss.sees("1 refund waits for approval")
	boss.look("overview with a request")
	boss.follow("See requests")
	boss.look("approvals")
	boss.click(boss.page.Locator(`a[href="` + v.path() + `"]`))
	boss.sees("twenty-five Kuwaiti dinars and seven hundred and fifty fils", "Returned unopened", "Bader Karim")
	boss.look("request")
	boss.factors(duneOwner, freshCode(t, duneOwner, bossUsed))
	boss.click(boss.roleLike("button", "^Approve refund of 25.750"))
	boss.at(paymentPage)
	boss.sees("−25.750 KWD", "by Bader Karim, approved by Noura Salem")
	boss.look("approved refund")
	onlyOnce(t, "cardflo", "refund", 25750)
}
