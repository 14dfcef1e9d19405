package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// looks are every width in both schemes. axe reads the page once at each width, and in both schemes; the gallery has it
// read every page at 360 light and at 1440 dark.
var looks = []struct {
	width, height int
	scheme        *playwright.ColorScheme
	name          string
	axe           bool
}{
	{360, 740, playwright.ColorSchemeLight, "360 light", false}, {360, 740, playwright.ColorSchemeDark, "360 dark", true},
	{768, 1024, playwright.ColorSchemeDark, "768 dark", false}, {768, 1024, playwright.ColorSchemeLight, "768 light", true},
	{1440, 900, playwright.ColorSchemeLight, "1440 light", true}, {1440, 900, playwright.ColorSchemeDark, "1440 dark", false},
}

// everyWidth looks at the page as it is now at each width and in both schemes: it does not scroll sideways, is
// accessible, and its picture is kept.
func (v *visitor) everyWidth(name string) {
	v.t.Helper()
	was := v.page.ViewportSize()
	for _, l := range looks {
		must(v.t, v.page.SetViewportSize(l.width, l.height))
		must(v.t, v.page.EmulateMedia(playwright.PageEmulateMediaOptions{ColorScheme: l.scheme}))
		at := name + ", " + l.name
		if wide := v.run(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide != 0 {
			v.t.Errorf("%s: the page scrolls sideways by %v px", at, wide)
		}
		if l.axe {
			v.look(at)
		} else {
			v.picture(at)
		}
	}
	must(v.t, v.page.SetViewportSize(was.Width, was.Height))
	must(v.t, v.page.EmulateMedia(playwright.PageEmulateMediaOptions{ColorScheme: playwright.ColorSchemeLight}))
}

func TestPagesOfSigningInFitEveryWidthAndScheme(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{})
	v.brings("422", "404", "401")
	v.goTo("/signin")
	v.everyWidth("sign in")
	v.fill(v.label("Email"), "nobody@harbour.example")
	v.fill(v.label("Password"), "not the password")
	v.press("Continue")
	v.shows(v.page.GetByRole("alert"))
	v.everyWidth("wrong password")
	who := shop.person(t, "dee@harbour.example")
	v.fill(v.label("Email"), who.Email)
	v.fill(v.label("Password"), who.Password)
	v.press("Continue")
	v.shows(v.label("6 digit code"))
	v.everyWidth("code")
	v.goTo("/setup/" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	v.sees("This link no longer works")
	v.everyWidth("used link")
	v.goTo("/payments/card-entry?outcome=success")
	v.everyWidth("back from the card page")

	w := visit(t, shop, options{as: owner})
	w.brings("401")
	w.takeForm("Saved cards")
	w.fill(w.amount(), "1.00")
	w.fill(w.order(), "WIDTHS-0")
	must(t, w.ctx.ClearCookies())
	w.choose("0936")
	w.click(w.charge())
	w.sees("Sign in again")
	w.everyWidth("session ended")
}

func TestPagesOfListsFitEveryWidthAndScheme(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("404", "422")
	for _, p := range []struct{ name, path, says string }{
		{"overview", "/", "Needs you"},
		{"payments", "/payments", "Export CSV"},
		{"declined payments", "/payments?status=declined&limit=12", "Export CSV"},
		{"no match", "/payments?q=nothing+is+called+this", "No payment matches"},
		{"filter that cannot be meant", "/payments?currency=GBP&min=1%2C5", "Clear the filter"},
		{"account", "/account", "Appearance"},
		{"no such payment", "/payments/00000000-0000-7000-8000-000000000000", "There is"},
		{"which connection", "/payments/new", "Which connection?"},
	} {
		v.goTo(p.path)
		v.sees(p.says)
		v.everyWidth(p.name)
	}
	v.goTo("/payments?limit=12")
	v.click(v.page.Locator("summary:visible").Filter(playwright.LocatorFilterOptions{HasText: "Status"}))
	v.everyWidth("filter open")
	v.key("Escape")
	v.key("?")
	v.shows(v.page.GetByRole("dialog"))
	v.everyWidth("shortcuts")
	v.key("Escape")
	must(t, v.page.SetViewportSize(360, 740))
	v.press("Menu")
	v.shows(v.role("navigation", "Main"))
	v.look("menu, 360 light")
}

func TestPagesOfASaleFitEveryWidthAndScheme(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("422")
	v.takeForm("Saved cards")
	v.everyWidth("saved cards")
	v.takeForm("Card by phone")
	v.shows(v.box().GetByLabel("Card number"))
	v.everyWidth("card by phone")
	// A picture of the whole page leaves out what a frame of another site shows below the fold.
	must(t, v.page.SetViewportSize(360, 740))
	must(t, v.page.Locator(`iframe[title^="Card details"]`).ScrollIntoViewIfNeeded())
	must(t, v.box().GetByLabel("Security code").Fill("123"))
	v.shows(v.box().GetByLabel("Security code"))
	file := filepath.Join(artefacts, "card-frame-360.png")
	_, err := v.page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(file)})
	must(t, err)
	if wide, err := v.box().Locator("html").Evaluate(`(e) => e.scrollWidth - e.clientWidth`, nil); err != nil || wide != 0 {
		t.Errorf("the card frame scrolls sideways by %v px (%v)", wide, err)
	}
	must(t, v.page.SetViewportSize(1280, 900))
	v.choose("Provider’s own page")
	v.fill(v.amount(), "1,5")
	v.click(v.charge())
	v.sees("2 things to fix")
	v.everyWidth("two things to fix")
	v.fill(v.amount(), "45.11")
	v.fill(v.order(), "WIDTHS-1 with a reference that is rather long 234")
	v.click(v.charge())
	v.at(paymentPage)
	v.shows(v.box().GetByLabel("Card number"))
	v.everyWidth("waiting for the card")
	must(t, v.box().GetByRole("button", playwright.FrameLocatorGetByRoleOptions{Name: "Cancel payment"}).Click())
	v.sees("Nothing was taken.", "It was cancelled before it was completed.")
	v.everyWidth("cancelled")
	v.saleByFrame("45.12", "WIDTHS-2", "4000 3000 1111 2220")
	v.sees("Declined. Nothing was taken.")
	v.everyWidth("declined")
}

func TestPagesOfARefundFitEveryWidthAndScheme(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("409", "422")
	payment := v.saleByFrame("1234.56", "WIDTHS-3", "4111 1111 1111 1111")
	v.sees("1,234.56 GBP taken")
	v.everyWidth("taken")
	v.follow("Refund…")
	v.shows(v.page.GetByRole("dialog"))
	v.choose("A part of it")
	v.fill(v.refundAmount(), "1034.51")
	v.everyWidth("refund dialog")
	v.click(v.refundButton())
	v.sees("Refund approved")
	v.click(v.page.GetByText("Provider messages").First())
	v.everyWidth("part refunded")
	v.goTo(payment + "/refund")
	v.everyWidth("refund page")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "1034.51")
	v.click(v.refundButton())
	v.sees("Nothing was refunded.")
	v.everyWidth("refund too much")
	v.goTo(payment + "/receipt")
	v.everyWidth("receipt")
	must(t, v.page.EmulateMedia(playwright.PageEmulateMediaOptions{Media: playwright.MediaPrint}))
	v.picture("receipt, printed")
	must(t, v.page.EmulateMedia(playwright.PageEmulateMediaOptions{Media: playwright.MediaScreen}))
	v.goTo(payment + "/refund")
	v.choose("All that is left")
	v.click(v.refundButton())
	v.at(paymentPage)
	v.goTo(payment + "/refund")
	v.sees("This cannot be refunded")
	v.everyWidth("nothing left to refund")
}

// With COUNTERFOIL_E2E_DOCS=1 the pictures of README are taken anew, from the real pages.
func TestPicturesForTheReadme(t *testing.T) {
	if os.Getenv("COUNTERFOIL_E2E_DOCS") != "1" {
		t.Skip("only with COUNTERFOIL_E2E_DOCS=1, because it writes into docs/screenshots")
	}
	folder := filepath.Join(rootDir, "docs", "screenshots")
	must(t, os.MkdirAll(folder, 0o755))
	v := visit(t, shop, options{as: owner, width: 1440, height: 900})
	take := func(name string) {
		_, err := v.page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(filepath.Join(folder, name+".png"))})
		must(t, err)
	}
	v.goTo("/payments")
	v.sees("Export CSV")
	take("payments")
	v.takeForm("Card by phone")
	v.fill(v.amount(), "42.00")
	v.fill(v.order(), "Hamper 2261")
	v.typeCard(v.box(), "4111 1111 1111 1111")
	take("take-payment")
	v.click(v.charge())
	v.at(paymentPage)
	v.sees("42.00 GBP taken")
	v.follow("Refund…")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "12.50")
	v.click(v.refundButton())
	v.sees("Refund approved")
	v.goTo(v.path())
	take("payment")
	v.goTo("/connections")
	v.follow("Web and phone")
	v.press("Test the connection")
	v.sees("Last test")
	v.goTo(v.path())
	take("connection")
	v.goTo("/devices")
	v.sees("Kitchen bar")
	take("devices")
	hp := shop.emulator("handpoint")
	hp.post(t, "device", map[string]any{"serial": busyTill, "seconds": 60})
	defer hp.post(t, "device", map[string]any{"serial": busyTill, "seconds": 1})
	name := v.sendTo(busyTill, "42.00", "Table 7")
	v.sees("Waiting for card or PIN on " + name)
	take("terminal")
	v.click(v.page.Locator("#stop"))
	v.sees("Nothing was taken.")
	for _, name := range []string{"payments", "payment", "take-payment", "connection", "devices", "terminal"} {
		info, err := os.Stat(filepath.Join(folder, name+".png"))
		must(t, err)
		fmt.Printf("docs/screenshots/%s.png, %d KB\n", name, info.Size()/1024)
	}
}
