package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// ask posts to one of an emulator's own controls and reads its answer.
func (e emulator) ask(t *testing.T, call string, body any) map[string]string {
	t.Helper()
	raw, err := json.Marshal(body)
	must(t, err)
	res, err := client.Post(e.url+call, "application/json", bytes.NewReader(raw))
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode >= 300 {
		t.Fatalf("emulator %s: %s %s", call, res.Status, answer)
	}
	out := map[string]string{}
	must(t, json.Unmarshal(answer, &out))
	return out
}

func TestTheProviderTellsOfAChargebackAndOfItsEndByItself(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.saleByFrame("61.11", "TOLD-1", "4111 1111 1111 1111")
	v.sees("61.11 GBP taken")
	payment := v.path()
	e := shop.emulator("cardflo")
	sale := e.charges(t, "sale", 6111)
	if len(sale) != 1 {
		t.Fatalf("the provider holds %+v", sale)
	}
	back := e.ask(t, "chargeback", map[string]string{"uuid": sale[0].ID, "amount": "61.11", "reason": "Unauthorized payment"})
	eventually(t, "the payment is disputed", func() bool {
		v.goTo(payment)
		return v.there(v.page.Locator("main").GetByText("Disputed"))
	})
	v.sees("The bank took 61.11 GBP back", "Unauthorized payment", "Charged back by the bank", "The bank has already taken money back")
	v.everyWidth("charged back")
	v.goTo(payment + "/refund")
	v.sees("This cannot be refunded")
	e.ask(t, "chargeback-reversal", map[string]string{"uuid": back["uuid"]})
	eventually(t, "the payment is no longer disputed", func() bool {
		v.goTo(payment)
		return !v.there(v.page.Locator("main").GetByText("Disputed"))
	})
	v.sees("Chargeback reversed", "Refund…")
	v.look("chargeback reversed")
	v.goTo("/connections")
	v.follow("Card by phone")
	v.follow("What Cardflo has told so far")
	v.sees("Chargeback booked.", "Applied")
	v.everyWidth("calls of a provider")
}

func TestATelephoneSaleThroughCashflowsEndsByItsHintAndItsOwnAnswer(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.takeForm("Web and phone")
	v.fill(v.amount(), "62.22")
	v.fill(v.order(), "CASHFLOWS-1")
	v.look("form of Cashflows")
	v.click(v.charge())
	v.at(paymentPage)
	v.sees("Waiting for the card")
	must(t, v.box().GetByLabel("Name on the card").Fill("Luke Skywalker"))
	v.typeCard(v.box(), "4111 1111 1111 1111")
	v.look("waiting for the card at Cashflows")
	must(t, v.box().GetByRole("button", playwright.FrameLocatorGetByRoleOptions{Name: regexp.MustCompile("^Pay ")}).Click())
	v.sees("Sale approved", "Visa ending 1111")
	v.look("approved by Cashflows")
	onlyOnce(t, "cashflows", "sale", 6222)

	v.goTo(v.path() + "/refund")
	v.choose("A part of it")
	v.fill(v.refundAmount(), "12.22")
	v.click(v.refundButton())
	v.sees("Part refunded", "12.22")
	onlyOnce(t, "cashflows", "refund", 1222)
}

func TestEverySystemsConnectionIsTestedAndSaysWhatItOffers(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	for _, c := range []struct{ name, offers, not string }{
		{"Card by phone", "Schedules", "Batches"},
		{"Saved cards", "Payments on a terminal", "Schedules"},
		{"Web and phone", "Unverified callbacks, as a hint to ask", "Tip adjustment"},
		{"Counter terminals", "Is a terminal connected", "Refund"},
		{"Loyalty partner", "Sign-in at the provider", "Sale with a card token"},
	} {
		v.goTo("/connections")
		v.follow(c.name)
		v.press("Test the connection")
		v.sees("Last test")
		v.look("tested " + c.name)
		for capability, offered := range map[string]string{c.offers: "Yes", c.not: "No"} {
			row := v.page.Locator("#offers tr").Filter(playwright.LocatorFilterOptions{Has: v.page.Locator("th", playwright.PageLocatorOptions{HasText: regexp.MustCompile("^\\s*" + regexp.QuoteMeta(capability))})})
			text, err := row.First().InnerText()
			must(t, err)
			if cells := strings.Split(text, "\t"); len(cells) < 2 || strings.TrimSpace(cells[1]) != offered {
				t.Errorf("%s, %s: the page says %q", c.name, capability, text)
			}
		}
	}
}

func TestACallThatDoesNotFitWaitsForAPersonWhoSaysWhatCameOfIt(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("422")
	v.goTo("/connections")
	v.follow("Saved cards")
	v.at(connectionPage)
	connection := v.path()
	tell := func(result map[string]any) {
		body, err := json.Marshal(result)
		must(t, err)
		req, err := http.NewRequest(http.MethodPost, shop.url+"/webhooks/handpoint/"+strings.TrimPrefix(connection, "/connections/"), bytes.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("AUTH-TOKEN", "hp-sandbox-callback-token")
		res, err := client.Do(req)
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("the call is answered %s", res.Status)
		}
	}
	sale := func(guid, reference, currency string, amount int) map[string]any {
		return map[string]any{"finStatus": "AUTHORISED", "type": "SALE", "currency": currency, "requestedAmount": amount, "totalAmount": amount, "tipAmount": 0,
			"transactionID": guid, "efttransactionID": guid, "transactionReference": reference, "cardSchemeName": "Visa", "maskedCardNumber": "************0936",
			"expiryDateMMYY": "1030", "deviceStatus": map[string]any{"serialNumber": "0821099999"}} // a terminal that no list has
	}

	// A payment on a terminal, of which nobody here knew, stands among the payments.
	tell(sale("11236fc0-8192-11eb-9aca-ad4b0e95f241", "8b0a8b38-8a3e-4f7b-9d8e-3a7e2b1c6a01", "GBP", 6444))
	eventually(t, "the terminal's payment is there", func() bool {
		v.goTo("/payments?method=terminal")
		return v.there(v.page.Locator("main").GetByText("64.44 GBP"))
	})
	v.click(v.page.Locator("main tbody tr").Filter(playwright.LocatorFilterOptions{HasText: "64.44 GBP"}).Locator("a.rowlink"))
	v.at(paymentPage)
	v.sees("64.44 GBP", "0821099999", "Told by")
	v.everyWidth("payment on a terminal")

	tell(sale("21236fc0-8192-11eb-9aca-ad4b0e95f242", "8b0a8b38-8a3e-4f7b-9d8e-3a7e2b1c6a02", "USD", 6555))
	eventually(t, "the call waits", func() bool {
		v.goTo("/")
		return v.there(v.page.Locator("main").GetByText("could not be applied"))
	})
	v.everyWidth("overview with a call that waits")
	v.follow("See calls about Saved cards")
	v.sees("It is in USD, which this connection does not use.", "Needs a person")
	v.click(v.summary("Note what you found out"))
	v.press("Note it")
	v.sees("Write what you found out, in a few words.")
	v.everyWidth("calls with one that waits")
	v.fill(v.labelLike("^What you found out"), "The terminal was set to dollars by mistake.")
	v.press("Note it")
	v.sees("The terminal was set to dollars by mistake.", "Dealt with")
	v.goTo("/")
	v.hides("could not be applied")
}
