package handlers

import (
	"net/http"
	"net/url"
	"testing"
)

// TestARefundFormThatDoesNotSayHowMuchRefundsNothing: "all of it" is never what
// an unclear form means.
func TestARefundFormThatDoesNotSayHowMuchRefundsNothing(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	for _, tt := range []struct {
		name string
		edit url.Values
	}{
		{"no kind", url.Values{"kind": nil, "full_amount": {"42.00"}}},
		{"an empty kind", url.Values{"kind": {""}, "full_amount": {"42.00"}}},
		{"an unknown kind", url.Values{"kind": {"half"}, "full_amount": {"42.00"}}},
		{"another case", url.Values{"kind": {"Part"}, "full_amount": {"42.00"}}},
		{"all of it without the sum", url.Values{"kind": {"full"}}},
		{"all of it with an empty sum", url.Values{"kind": {"full"}, "full_amount": {""}}},
		{"all of it with a sum that cannot be read", url.Values{"kind": {"full"}, "full_amount": {"42,00"}}},
		{"all of it with nothing", url.Values{"kind": {"full"}, "full_amount": {"0.00"}}},
	} {
		form := sh.refundForm(b, payment, url.Values{"amount": {"5.00"}, "note": {"Two jars were broken"}})
		for field, values := range tt.edit {
			form[field] = values
		}
		a := b.post(payment+"/refunds", form)
		if a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s is answered %d, want 422", tt.name, a.StatusCode)
			continue
		}
		doc := a.doc(t)
		if doc.Find("[data-error-summary]").Length() == 0 {
			t.Errorf("%s: the page does not say what is wrong", tt.name)
		}
		for field, want := range map[string]string{"amount": "5.00", "note": "Two jars were broken", "_key": form.Get("_key")} {
			if got, _ := doc.Find(`#refund-form input[name="` + field + `"]`).Attr("value"); got != want {
				t.Errorf("%s: %s comes back as %q, want %q", tt.name, field, got, want)
			}
		}
	}
	if n := sh.count(`select refunded_minor + held_minor from payments`); n != 0 {
		t.Errorf("%d minor units were refunded", n)
	}
}

// TestTextThatNoDatabaseStoresIsTheAskersMistake: it is refused at the door and
// not answered 500.
func TestTextThatNoDatabaseStoresIsTheAskersMistake(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	for _, q := range []string{"%00", "Hamper%00", "%1b", "%7f", "%c2%9b", "%ff"} {
		for _, path := range []string{"/payments?q=", "/payments.csv?q="} {
			if a := b.get(path + q); a.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%s%s is answered %d, want 422", path, q, a.StatusCode)
			}
		}
	}
	b.get("/payments?q=a%09b").wants(t, http.StatusOK)
	sale := sh.saleForm(b, "42.00")
	sale.Set("order_reference", "Hamper\x002261")
	b.post("/payments", sale).wants(t, http.StatusBadRequest)
	b.post(payment+"/refunds", sh.refundForm(b, payment, url.Values{"amount": {"1.00"}, "note": {"a\x00b"}})).wants(t, http.StatusBadRequest)
	sh.browser().password("maya@example.com\x00", testPassword).wants(t, http.StatusBadRequest)
	if n := sh.count(`select count(*) from transactions`); n != 1 {
		t.Errorf("%d transactions, want the first sale alone", n)
	}
}
