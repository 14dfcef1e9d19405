package e2e_test

import (
	"encoding/csv"
	"os"
	"testing"

	"github.com/playwright-community/playwright-go"
)

func TestWithoutScriptOneSignsInFiltersSellsRefundsAndPrints(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{noJS: true})
	v.goTo("/")
	v.at(`/signin.*`)
	v.signIn("adam@harbour.example")
	v.at("/")
	v.look("overview")

	v.goTo("/payments")
	v.look("payments")
	menu := func(name, choice string) {
		v.click(v.page.Locator("summary:visible").Filter(playwright.LocatorFilterOptions{HasText: name}))
		v.choose(choice)
		v.click(v.page.Locator("details[open]").GetByRole("button", playwright.LocatorGetByRoleOptions{Name: "Apply"}))
	}
	menu("Status", "Approved")
	v.at(`/payments\?.*status=approved.*`)
	v.shows(v.role("link", "Remove filter Status: Approved"))
	menu("How", "Saved card")
	v.at(`/payments\?.*card.*`)
	v.shows(v.role("link", "Remove filter How: Saved card"))
	rows := v.page.GetByRole("table").GetByRole("row")
	n, err := rows.Count()
	must(t, err)
	if n < 2 {
		t.Errorf("the filter leaves %d rows", n)
	}
	v.look("filtered")
	download, err := v.page.ExpectDownload(func() error { return v.role("link", "Export CSV").Click() })
	must(t, err)
	file, err := download.Path()
	must(t, err)
	f, err := os.Open(file)
	must(t, err)
	defer func() { _ = f.Close() }()
	lines, err := csv.NewReader(f).ReadAll()
	must(t, err)
	if len(lines) < n {
		t.Errorf("the file has %d lines, the page %d rows", len(lines), n)
	}
	for _, l := range lines[1:] {
		if l[2] != "approved" || l[3] != "card" {
			t.Errorf("the file has a row that the filter leaves out: %v", l)
		}
	}
	v.follow("Remove filter How: Saved card")
	v.follow("Remove filter Status: Approved")
	v.at(`/payments`)
	v.fill(v.label("Quick search"), "nothing is called this")
	v.key("Enter")
	v.sees("No payment matches")
	v.look("no match")

	payment := v.saleByCard("26.11", "NOSCRIPT-1")
	v.sees("26.11 GBP taken")
	v.follow("Refund…")
	v.at(payment + "/refund")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "6.11")
	v.click(v.refundButton())
	v.at(paymentPage)
	v.sees("Part refunded", "−6.11 GBP", "20.00 GBP")
	v.look("part refunded")
	v.follow("Receipt")
	v.at(payment + "/receipt")
	v.sees("26.11", "CUSTOMER COPY")
	v.look("receipt")
	onlyOnce(t, "handpoint", "sale", 2611)
	onlyOnce(t, "handpoint", "refund", 611)

	v.goTo("/account")
	v.look("account")
	v.click(v.page.Locator("main").GetByRole("button", playwright.LocatorGetByRoleOptions{Name: "Sign out"}))
	v.at(`/signin.*`)
}
