package e2e_test

import (
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// Amounts of these tests end in digits that no sample payment has, so that each can be found at the provider.

const (
	owner     = "olive@harbour.example"
	duneOwner = "noura@dune.example"
)

// takeForm opens the sale form of one of the merchant's connections.
func (v *visitor) takeForm(connection string) {
	v.t.Helper()
	v.goTo("/payments/new")
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

// choose clicks the words beside a radio or a check box, as people do.
func (v *visitor) choose(words string) {
	v.t.Helper()
	v.click(v.page.Locator("label:visible").Filter(playwright.LocatorFilterOptions{HasText: words}))
}

// box is the provider's frame with the card fields.
func (v *visitor) box() playwright.FrameLocator {
	return v.page.FrameLocator(`iframe[title^="Card details"]`)
}

type fields interface {
	GetByLabel(text interface{}, options ...playwright.FrameLocatorGetByLabelOptions) playwright.Locator
}

func (v *visitor) typeCard(in fields, number string) {
	v.t.Helper()
	must(v.t, in.GetByLabel("Card number").Fill(number))
	must(v.t, in.GetByLabel("Expiry (MM/YY)").Fill("12/30"))
	must(v.t, in.GetByLabel("Security code").Fill("123"))
}

const paymentPage = `/payments/[0-9a-f-]{36}(\?.*)?`

// saleByFrame takes a sale through the token frame up to its result page, and gives that page's path.
func (v *visitor) saleByFrame(amount, order, card string) string {
	v.t.Helper()
	v.takeForm("Card by phone")
	v.fill(v.amount(), amount)
	v.fill(v.order(), order)
	v.typeCard(v.box(), card)
	v.click(v.charge())
	v.at(paymentPage)
	return v.path()
}

// saleByCard fills in the form of a sale with the first stored card.
func (v *visitor) fillSavedCard(amount, order string) {
	v.t.Helper()
	v.takeForm("Saved cards")
	v.fill(v.amount(), amount)
	v.fill(v.order(), order)
	v.choose("0936")
}

func (v *visitor) saleByCard(amount, order string) string {
	v.t.Helper()
	v.fillSavedCard(amount, order)
	v.click(v.charge())
	v.at(paymentPage)
	return v.path()
}

func onlyOnce(t *testing.T, provider, kind string, minor int64) {
	t.Helper()
	if n := len(shop.emulator(provider).charges(t, kind, minor)); n != 1 {
		t.Errorf("%s has %d approved lines of kind %s over %d, not one", provider, n, kind, minor)
	}
}

func TestSaleThroughTheTokenFrameIsTakenListedAndHasAReceipt(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.goTo("/payments/new")
	v.look("which connection")
	v.takeForm("Card by phone")
	v.look("form")
	v.fill(v.amount(), "41.2")
	must(t, expect.Locator(v.charge()).ToHaveText("Charge"))
	v.fill(v.amount(), "41.27")
	must(t, expect.Locator(v.charge()).ToHaveText("Charge 41.27 GBP"))
	v.fill(v.order(), "FRAME-1")
	v.typeCard(v.box(), "4111 1111 1111 1111")
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
	must(t, expect.Locator(row).ToContainText("Approved"))
	v.look("found")
	v.goTo(payment)
	v.follow("Receipt")
	v.at(payment + "/receipt")
	v.sees("41.27", "TEST", "CUSTOMER COPY", "MERCHANT COPY")
	v.look("receipt")
	onlyOnce(t, "cardflo", "sale", 4127)
}

func TestAWrongCardInTheFrameKeepsTheFormAndChargesNothing(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("422")
	v.takeForm("Card by phone")
	v.fill(v.amount(), "41.28")
	v.fill(v.order(), "FRAME-2")
	v.typeCard(v.box(), "4111 1111 1111 1112")
	v.click(v.charge())
	v.sees("Nothing was charged.")
	v.value(v.amount(), "41.28")
	v.look("wrong card number")
	v.typeCard(v.box(), "4111 1111 1111 1111")
	v.click(v.charge())
	v.at(paymentPage)
	v.sees("41.28 GBP taken")
	onlyOnce(t, "cardflo", "sale", 4128)
}

func TestSaleOnTheProvidersOwnPageInsideOursFollowsByItself(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.takeForm("Card by phone")
	v.fill(v.amount(), "42.31")
	v.fill(v.order(), "PAGE-1")
	v.choose("Provider’s own page")
	v.look("own page chosen")
	v.click(v.charge())
	v.at(paymentPage)
	v.sees("Waiting for the card")
	v.typeCard(v.box(), "5555 5555 5555 4444")
	v.look("waiting for the card")
	v.run(`window.sameDocument = true`)
	must(t, v.box().GetByRole("button", playwright.FrameLocatorGetByRoleOptions{Name: regexp.MustCompile("^Pay ")}).Click())
	v.sees("Sale approved", "Mastercard ending 4444")
	v.hides("Waiting for the card")
	if v.run(`window.sameDocument`) != true {
		t.Error("the page was loaded again")
	}
	v.look("approved")
	onlyOnce(t, "cardflo", "sale", 4231)
}

func TestSaleOnTheProvidersOwnPageWorksByLinkWithoutScript(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner, noJS: true})
	v.takeForm("Card by phone")
	v.look("form")
	v.fill(v.amount(), "42.32")
	v.fill(v.order(), "PAGE-2")
	v.choose("Provider’s own page")
	v.click(v.charge())
	v.at(paymentPage)
	payment := v.path()
	v.look("waiting for the card")
	tab, err := v.ctx.ExpectPage(func() error { return v.role("link", "Open it in a new tab").Click() })
	must(t, err)
	must(t, tab.GetByLabel("Card number").Fill("4111 1111 1111 1111"))
	must(t, tab.GetByLabel("Expiry (MM/YY)").Fill("12/30"))
	must(t, tab.GetByLabel("Security code").Fill("123"))
	must(t, tab.GetByRole("button", playwright.PageGetByRoleOptions{Name: regexp.MustCompile("^Pay ")}).Click())
	must(t, expect.Page(tab).ToHaveURL(regexp.MustCompile(`/payments/card-entry`)))
	first := v.page
	v.page = tab
	v.look("afterwards")
	v.page = first
	must(t, tab.Close())
	v.goTo(payment)
	if n, err := v.role("button", "Ask the provider now").Count(); err != nil || n > 0 {
		must(t, err)
		v.press("Ask the provider now")
	}
	v.sees("Sale approved")
	v.look("approved")
	onlyOnce(t, "cardflo", "sale", 4232)
}

func TestDeclinedSaleSaysSoInPlainWordsAndWhatToDo(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.saleByFrame("43.17", "DECLINED-1", "4000 0000 0000 9995")
	v.sees("Declined. Nothing was taken.", "insufficient funds", "Ask for another card")
	v.hides("Refund…")
	v.has(v.role("link", "Receipt"), 0)
	v.shows(v.role("link", "Take a new payment"))
	v.look("declined")
	payment := v.path()
	v.goTo(payment + "/receipt")
	v.sees("Nothing was taken, so there is no receipt.")
	v.look("no receipt")
	v.goTo(payment + "/refund")
	v.sees("This cannot be refunded")
	v.look("no refund")
	if n := len(shop.emulator("cardflo").charges(t, "sale", 4317)); n != 0 {
		t.Errorf("the provider took it %d times", n)
	}
}

func TestSavedCardIsCharged(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.fillSavedCard("23.41", "SAVED-1")
	v.look("saved card chosen")
	v.click(v.charge())
	v.at(paymentPage)
	v.sees("23.41 GBP taken", "Visa ending 0936")
	v.look("taken")
	onlyOnce(t, "handpoint", "sale", 2341)
}

func TestUnknownOutcomeForbidsTheRepeatAndResolvesByItself(t *testing.T) {
	t.Parallel()
	e := shop.emulator("cardflo")
	// The provider would tell the outcome by itself, sooner than we could look.
	e.post(t, "callbacks", map[string]any{"enabled": false})
	defer e.post(t, "callbacks", map[string]any{"enabled": true})
	// The sale is charged and its answer lost; the first question about it waits until we have looked.
	e.post(t, "fault", map[string]any{"kind": "drop_after", "method": "POST", "path": "cf-sandbox-key/debit"})
	e.post(t, "fault", map[string]any{"kind": "delay", "method": "GET", "path": "status/cf-sandbox-key/", "count": 1})
	v := visit(t, shop, options{as: duneOwner})
	v.saleByFrame("3.217", "UNKNOWN-1", "4111 1111 1111 1111")
	v.run(`window.sameDocument = true`)
	v.sees("Outcome unknown", "Do not charge again", "3.217 KWD is not counted")
	v.has(v.charge(), 0)
	for _, repeat := range []string{"Take a new payment", "New payment", "Receipt"} {
		v.has(v.page.Locator("main").GetByRole("link", playwright.LocatorGetByRoleOptions{Name: repeat}), 0)
	}
	v.has(v.roleLike("button", "(?i)retry|again"), 0)
	v.everyWidth("outcome unknown")

	other := visit(t, shop, options{as: duneOwner})
	other.goTo("/")
	other.sees("Needs you")
	other.look("overview with an unknown outcome")
	other.goTo("/payments")
	other.follow("Needs review")
	other.sees("UNKNOWN-1", "Outcome unknown")
	other.look("needs review")

	eventually(t, "the product asks for the outcome", func() bool {
		var now struct {
			Held int `json:"held"`
		}
		getJSON(t, e.url+"held", &now)
		return now.Held > 0
	})
	e.post(t, "release", map[string]any{})
	v.sees("Sale approved")
	v.hides("Do not charge again")
	if v.run(`window.sameDocument`) != true {
		t.Error("the page was loaded again")
	}
	v.look("resolved")
	onlyOnce(t, "cardflo", "sale", 3217)
}

func TestWrongAmountsComeBackWithEverythingKept(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("422")
	for _, wrong := range []string{"1,5", "1.5", "0", "0.00", "1e3", "-5", "１２", "1.234", ""} {
		v.takeForm("Card by phone")
		v.choose("Provider’s own page")
		v.fill(v.amount(), wrong)
		v.fill(v.order(), "WRONG-1")
		v.fill(v.labelLike("^Email"), "someone@example.com")
		res, err := v.page.ExpectResponse(regexp.MustCompile(`/payments$`), func() error { return v.charge().Click() })
		must(t, err)
		if res.Status() != 422 {
			t.Errorf("%q was answered %d", wrong, res.Status())
		}
		summary := v.page.GetByRole("alert").Filter(playwright.LocatorFilterOptions{HasText: "Nothing was charged."})
		v.shows(summary)
		v.focused(summary)
		kept := wrong
		if wrong == "0" {
			kept = "0.00" // what can be read is written out when one leaves the field
		}
		v.value(v.amount(), kept)
		v.value(v.order(), "WRONG-1")
		v.value(v.labelLike("^Email"), "someone@example.com")
		must(t, expect.Locator(v.amount()).ToHaveAttribute("aria-invalid", "true"))
		by, err := v.amount().GetAttribute("aria-describedby")
		must(t, err)
		var said string
		for _, id := range strings.Fields(by) {
			if text, err := v.page.Locator("#" + id + ":visible").AllInnerTexts(); err == nil && strings.HasSuffix(id, "-err") {
				said = strings.Join(text, "")
			}
		}
		if said == "" {
			t.Errorf("%q: the field is not told what is wrong", wrong)
		}
		checked, err := v.page.GetByRole("radio", playwright.PageGetByRoleOptions{Name: regexp.MustCompile("Provider’s own page")}).IsChecked()
		must(t, err)
		if !checked {
			t.Errorf("%q: the way to pay was forgotten", wrong)
		}
		if wrong == "1.5" {
			v.sees("1.50")
			v.look("wrong amount")
		}
	}
	v.fill(v.order(), "")
	v.click(v.charge())
	v.sees("2 things to fix. Nothing was charged.")
	v.look("two wrong fields")
	v.click(v.page.GetByRole("alert").GetByRole("link").First())
	v.focused(v.amount())
}

// The answer to a form gets lost on its way, and the person presses the button again: that is a replay, and so is a
// double click where no script holds the second one back.
func TestReplayedFormGivesTheFirstResultAndChargesOnce(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner, noJS: true})
	v.fillSavedCard("24.13", "REPLAY-1")
	var first string
	lost := make(chan struct{})
	must(t, v.page.Route(regexp.MustCompile(`/payments$`), func(r playwright.Route) {
		res, err := r.Fetch(playwright.RouteFetchOptions{MaxRedirects: playwright.Int(0)})
		if err != nil {
			v.note("the form did not arrive: " + err.Error())
			_ = r.Abort()
			return
		}
		first, _, _ = strings.Cut(res.Headers()["location"], "?")
		// The browser stays where it is.
		_ = r.Fulfill(playwright.RouteFulfillOptions{Status: playwright.Int(204)})
		close(lost)
	}, 1))
	must(t, v.charge().Focus())
	v.key("Enter")
	<-lost
	v.value(v.order(), "REPLAY-1")
	v.click(v.charge())
	v.at(paymentPage)
	if v.path() != first {
		t.Errorf("the second press leads to %s and the first to %s", v.path(), first)
	}
	v.sees("24.13 GBP taken")
	v.look("first result")
	onlyOnce(t, "handpoint", "sale", 2413)
}

func TestDoubleClickChargesOnce(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]struct {
		noJS   bool
		amount string
		minor  int64
	}{"with script": {false, "24.17", 2417}, "without script": {true, "24.18", 2418}} {
		t.Run(name, func(t *testing.T) {
			v := visit(t, shop, options{as: owner, noJS: o.noJS})
			v.fillSavedCard(o.amount, "DOUBLE-1")
			must(t, v.charge().Dblclick())
			v.at(paymentPage)
			v.sees("Sale approved")
			onlyOnce(t, "handpoint", "sale", o.minor)
			v.goTo("/payments?q=DOUBLE-1&min=" + o.amount + "&max=" + o.amount + "&currency=GBP")
			v.has(v.page.GetByRole("row").Filter(playwright.LocatorFilterOptions{HasText: "DOUBLE-1"}), 1)
		})
	}
}

func TestBackAfterASaleDoesNotChargeAgain(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	payment := v.saleByCard("24.19", "BACK-1")
	v.sees("24.19 GBP taken")
	_, err := v.page.GoBack()
	must(t, err)
	// The form's address knows what became of it.
	v.at(paymentPage)
	v.shows(v.page.GetByRole("heading", playwright.PageGetByRoleOptions{Name: "Timeline"}))
	if v.path() != payment {
		t.Errorf("Back leads to %s, want %s", v.path(), payment)
	}
	v.look("back after a sale")
	_, err = v.page.Reload()
	must(t, err)
	v.at(paymentPage)
	onlyOnce(t, "handpoint", "sale", 2419)
}

func TestSessionThatEndsInTheMiddleOfAFormChargesNothingAndComesBack(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("401")
	v.takeForm("Card by phone")
	v.choose("Provider’s own page")
	v.fill(v.amount(), "44.71")
	v.fill(v.order(), "EXPIRED-1")
	must(t, v.ctx.ClearCookies())
	v.click(v.charge())
	v.sees("Sign in again", "Nothing was charged.", "44.71", "EXPIRED-1")
	v.look("session ended")
	v.follow("Sign in")
	v.at(`/signin\?next=.*`)
	v.look("sign in again")
	v.signIn("tom@harbour.example")
	v.at(`/payments/new\?.*`)
	v.value(v.amount(), "44.71")
	v.value(v.order(), "EXPIRED-1")
	v.look("form is back")
	if n := len(shop.emulator("cardflo").charges(t, "sale", 4471)); n != 0 {
		t.Errorf("the provider charged %d times", n)
	}
	// Tom is a cashier: he may charge, and is not offered a refund.
	v.goTo("/payments?status=approved")
	v.click(v.page.GetByRole("table").GetByRole("link").First())
	v.at(paymentPage)
	v.sees("Timeline")
	v.has(v.role("link", "Refund…"), 0)
	v.look("payment as a cashier")
}

func TestCardFrameStaysWhileThePageAsksForNews(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.takeForm("Card by phone")
	v.fill(v.amount(), "42.33")
	v.fill(v.order(), "PAGE-3")
	v.choose("Provider’s own page")
	v.click(v.charge())
	v.at(paymentPage)
	must(t, v.box().GetByLabel("Card number").Fill("4111 1111"))
	var polls atomic.Int32
	v.page.OnRequestFinished(func(r playwright.Request) {
		if r.Headers()["x-background"] == "1" {
			polls.Add(1)
		}
	})
	eventually(t, "the page asks twice", func() bool { return polls.Load() > 1 })
	must(t, expect.Locator(v.box().GetByLabel("Card number")).ToHaveValue("4111 1111"))
	v.typeCard(v.box(), "4111 1111 1111 1111")
	must(t, v.box().GetByRole("button", playwright.FrameLocatorGetByRoleOptions{Name: regexp.MustCompile("^Pay ")}).Click())
	v.sees("Sale approved")
	onlyOnce(t, "cardflo", "sale", 4233)
}
