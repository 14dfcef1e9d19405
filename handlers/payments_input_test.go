package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
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

// TestADayWithoutMidnightIsWhole: in Santiago the clock goes from the end of
// 5 September 2026 to 01:00 of the 6th.
func TestADayWithoutMidnightIsWhole(t *testing.T) {
	sh := newShop(t)
	sh.exec(`update merchants set time_zone = 'America/Santiago'`)
	sale := func(order, at string, minor int64) {
		created, err := time.Parse(time.RFC3339, at)
		must(t, err)
		amount := money.FromMinor(minor, gbp)
		p := domain.Payment{ID: domain.NewPaymentID(), ConnectionID: sh.handpoint, Reference: domain.NewReference(), Status: domain.PaymentApproved, Method: domain.MethodCard,
			Amount: amount, Captured: amount, Refunded: money.Zero(gbp), Held: money.Zero(gbp), OrderReference: order, CreatedBy: sh.user, CreatedByName: "Maya", CreatedAt: created}
		x := domain.Transaction{ID: domain.NewTransactionID(), PaymentID: p.ID, ConnectionID: sh.handpoint, Reference: domain.NewReference(), Type: domain.Sale, Status: domain.TxApproved,
			Amount: amount, AttemptRef: uuid.NewString(), CreatedBy: sh.user, CreatedName: "Maya", CreatedAt: created, LastSendAt: created}
		must(t, sh.store.InTenant(context.Background(), sh.merchant, func(tx *store.Tx) error {
			return errors.Join(tx.InsertPayment(context.Background(), p), tx.InsertTransaction(context.Background(), x))
		}))
	}
	sale("first of the 5th", "2026-09-05T00:00:00-04:00", 50)
	sale("last of the 5th", "2026-09-05T23:59:59-04:00", 100)
	sale("first of the 6th", "2026-09-06T01:00:00-03:00", 1000)
	sale("last of the 6th", "2026-09-06T23:59:59-03:00", 10000)
	sale("first of the 7th", "2026-09-07T00:00:00-03:00", 100000)
	for _, tt := range []struct{ now, taken string }{{"2026-09-05T12:00:00-04:00", "£1.50"}, {"2026-09-06T12:00:00-03:00", "£110.00"}} {
		now, err := time.Parse(time.RFC3339, tt.now)
		must(t, err)
		sh.clock.Advance(now.Sub(sh.clock.Now()))
		if page := sh.browser().signIn("maya@example.com").get("/").wants(t, http.StatusOK).doc(t).Find("main").Text(); !strings.Contains(page, tt.taken) {
			t.Errorf("at %s the overview does not say %s", tt.now, tt.taken)
		}
	}
	b := sh.browser().signIn("maya@example.com")
	for _, tt := range []struct {
		query, chip string
		want        []string
	}{
		{"from=2026-09-06&to=2026-09-06", "Date: 6 Sep 2026", []string{"first of the 6th", "last of the 6th"}},
		{"from=2026-09-05&to=2026-09-05", "Date: 5 Sep 2026", []string{"first of the 5th", "last of the 5th"}},
		{"from=2026-09-05&to=2026-09-06", "Date: 5 Sep 2026 to 6 Sep 2026", []string{"first of the 5th", "last of the 5th", "first of the 6th", "last of the 6th"}},
		{"to=2026-09-05", "Up to 5 Sep 2026", []string{"first of the 5th", "last of the 5th"}},
		{"to=2026-09-06", "Up to 6 Sep 2026", []string{"first of the 5th", "last of the 5th", "first of the 6th", "last of the 6th"}},
		{"from=2026-09-06", "From 6 Sep 2026", []string{"first of the 6th", "last of the 6th", "first of the 7th"}},
	} {
		page := b.get("/payments?"+tt.query).wants(t, http.StatusOK).doc(t).Find("main").Text()
		if n := strings.Count(page, " of the "); n != len(tt.want) {
			t.Errorf("%s lists %d payments, want %d", tt.query, n, len(tt.want))
		}
		for _, order := range tt.want {
			if !strings.Contains(page, order) {
				t.Errorf("%s does not list the %s", tt.query, order)
			}
		}
		if !strings.Contains(page, tt.chip) {
			t.Errorf("%s does not say %q", tt.query, tt.chip)
		}
	}
	b.get("/payments?from=2026-09-06&to=2026-09-05").wants(t, http.StatusUnprocessableEntity)
}
