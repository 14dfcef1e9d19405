package handlers

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/domain"
)

// moneyForm is a form that asks for a sum.
type moneyForm struct {
	name  string
	path  string     // where it is posted to
	form  url.Values // right but for what a test changes
	field string     // of the sum
	zero  bool       // nothing is a sum too
	empty bool       // the field may be left out
}

// bills are sums that no form takes, and why.
var bills = []struct{ why, typed string }{
	{"nothing typed", ""}, {"spaces", "   "}, {"no number", "abc"}, {"not a number", "NaN"}, {"infinity", "Inf"}, {"below zero", "-1.00"}, {"minus sign of typographers", "−1.00"},
	{"zero", "0"}, {"zero with decimals", "0.00"}, {"half a penny", "1.005"}, {"three decimals", "12.345"}, {"an exponent", "1e3"}, {"hexadecimal", "0x10"},
	{"full-width digits", "１２.００"}, {"Arabic digits", "١٢"}, {"a thousands comma", "1,000.00"}, {"a thousands space", "1 000.00"}, {"an apostrophe", "1'000.00"}, {"a decimal comma", "12,50"},
	{"two points", "1.2.3"}, {"a point and nothing", "12."}, {"nothing and a point", ".50"}, {"one decimal", "12.5"}, {"a plus sign", "+12.00"},
	{"more than fits", "99999999999999999999"}, {"more than fits, with decimals", "92233720368547758.08"}, {"a currency code", "12.50 GBP"}, {"a formula", "=1+1"}, {"markup", "<b>1</b>"},
}

// smuggled are fields that no form of ours has (SECURITY.md, 25).
var smuggled = []string{"merchant_id", "role", "status", "amount_refunded", "refunded_minor", "provider_fee", "created_by", "actor", "connection_id", "attempt_ref", "original_ref", "approval"}

// held takes a hold and gives its page.
func (sh *shop) held(b *browser) string {
	sh.t.Helper()
	return b.made("/payments", sh.keyed(b, "preauth", map[string]string{"amount": "50.00"}))
}

// moneyForms opens every form that asks for a sum.
func moneyForms(t *testing.T, sh *shop, b *browser) []moneyForm {
	t.Helper()
	sale, hold := sh.sell(b, "40.00"), sh.held(b)
	on := func(payment, action string, edit map[string]string) url.Values {
		return sh.fill(b, payment+"/"+action, payment+"/"+action, edit)
	}
	card := b.made("/payments", sh.keyed(b, "sale", nil))
	forms := []moneyForm{
		{name: "sale", path: "/payments", form: sh.keyed(b, "sale", nil), field: "amount"},
		{name: "surcharge of a sale", path: "/payments", form: sh.keyed(b, "sale", map[string]string{"surcharge": "1.00"}), field: "surcharge", zero: true, empty: true},
		{name: "pre-authorisation", path: "/payments", form: sh.keyed(b, "preauth", nil), field: "amount"},
		{name: "payment link", path: "/payments", form: sh.keyed(b, "link", nil), field: "amount"},
		{name: "refund", path: sale + "/refunds", form: sh.refundForm(b, sale, url.Values{"amount": {"1.00"}}), field: "amount"},
		{name: "tip", path: sale + "/tip", form: on(sale, "tip", map[string]string{"amount": "1.00"}), field: "amount", zero: true},
		{name: "capture", path: hold + "/capture", form: on(hold, "capture", map[string]string{"amount": "1.00"}), field: "amount"},
		{name: "tip of a capture", path: hold + "/capture", form: on(hold, "capture", map[string]string{"amount": "1.00", "tip": "0.10"}), field: "tip", zero: true, empty: true},
		{name: "increase", path: hold + "/increase", form: on(hold, "increase", map[string]string{"amount": "1.00"}), field: "amount"},
		{name: "void", path: hold + "/void", form: on(hold, "void", nil), field: "shown"},
		{name: "payout", path: "/payouts", form: sh.fill(b, "/payouts/new?payment="+strings.TrimPrefix(card, "/payments/"), "/payouts", map[string]string{"amount": "1.00", "note": "Deposit given back"}), field: "amount"},
	}
	worksheet := tipForm(t, b, "/tips")
	for name := range worksheet {
		if strings.HasPrefix(name, "tip.") {
			forms = append(forms, moneyForm{name: "row of the tip worksheet", path: "/tips", form: worksheet, field: name, zero: true, empty: true})
			break
		}
	}
	return forms
}

// books is everything about money that the database says, in one line.
func (sh *shop) books() string {
	sh.t.Helper()
	var out string
	must(sh.t, sh.db.Owner(sh.t).QueryRow(`select (select count(*) from payments) || ' payments, ' || (select count(*) from transactions) || ' transactions, ' ||
		(select count(*) from idempotency_keys) || ' keys, ' || (select coalesce(sum(captured_minor + 3 * refunded_minor + 5 * held_minor + 7 * authorised_minor + 11 * tip_minor), 0) from payments)`).Scan(&out))
	return out
}

// TestNoFormTakesASumThatIsNone is the table of SECURITY.md, 43 and 25, over every
// form that asks for a sum: refused in words with the right status, the form
// kept, and nothing written or sent.
func TestNoFormTakesASumThatIsNone(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	forms := moneyForms(t, sh, b)
	if len(forms) < 12 {
		t.Errorf("only %d forms ask for a sum", len(forms))
	}
	before := sh.books()
	moved := len(sh.sandbox.Handpoint.State().Charges) + len(sh.sandbox.Cardflo.State().Charges)
	for _, f := range forms {
		post := func(edit url.Values) answer {
			form := maps.Clone(f.form)
			maps.Copy(form, edit)
			return b.post(f.path, form)
		}
		for _, bill := range bills {
			empty := strings.TrimSpace(bill.typed) == ""
			if f.zero && strings.HasPrefix(bill.why, "zero") || f.empty && empty {
				continue
			}
			a := post(url.Values{f.field: {bill.typed}})
			if a.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%s, %s (%q): %d, want 422", f.name, bill.why, bill.typed, a.StatusCode)
				continue
			}
			doc := a.doc(t)
			field := doc.Find(`[name="` + f.field + `"]`)
			if got := field.AttrOr("value", ""); f.field != "shown" && got != bill.typed {
				t.Errorf("%s, %s: the form comes back with %q", f.name, bill.why, got)
			}
			if words := refusal(doc, field); words == "" {
				t.Errorf("%s, %s: the page does not say what is wrong", f.name, bill.why)
			}
		}
		for _, name := range smuggled {
			if a := post(url.Values{name: {"1"}}); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s with %s: %d, want 400", f.name, name, a.StatusCode)
			}
		}
		if a := post(url.Values{f.field: {"1.00", "2.00"}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with two sums: %d, want 400", f.name, a.StatusCode)
		}
		if a := post(url.Values{f.field: {strings.Repeat("1", 2000)}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with a sum of 2,000 digits: %d, want 400", f.name, a.StatusCode)
		}
		if a := post(url.Values{f.field: {"1.00\x00"}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with a NUL: %d, want 400", f.name, a.StatusCode)
		}
		if f.form.Has("currency") {
			for _, code := range []string{"", "XXX", "EUR", "gbp", "GBPX"} {
				if a := post(url.Values{"currency": {code}}); a.StatusCode != http.StatusUnprocessableEntity {
					t.Errorf("%s in %q: %d, want 422", f.name, code, a.StatusCode)
				}
			}
		}
		if key := f.form.Get("_key"); key != "" && f.path != "/tips" {
			for _, bad := range []string{"", "1", strings.Repeat("a", 36)} {
				if a := post(url.Values{"_key": {bad}}); a.StatusCode != http.StatusConflict {
					t.Errorf("%s with the key %q: %d, want 409", f.name, bad, a.StatusCode)
				}
			}
		}
	}
	if after := sh.books(); after != before {
		t.Errorf("the books went from %s to %s", before, after)
	}
	if n := len(sh.sandbox.Handpoint.State().Charges) + len(sh.sandbox.Cardflo.State().Charges); n != moved {
		t.Errorf("the providers were asked %d times", n-moved)
	}
}

// refusal is what a page says about a field, or over the form.
func refusal(doc *goquery.Document, field *goquery.Selection) string {
	for _, id := range strings.Fields(field.AttrOr("aria-describedby", "")) {
		if el := doc.Find("#" + strings.ReplaceAll(id, ".", `\.`)); el.HasClass("err") || strings.HasSuffix(id, "-err") || strings.HasPrefix(id, "say-") {
			if words := strings.TrimSpace(el.Text()); words != "" {
				return words
			}
		}
	}
	return strings.TrimSpace(doc.Find("[data-error-summary]").Text())
}

// TestAnActionThatThePaymentDoesNotAllowIsRefusedInWords: the form is right, and
// the payment is not in the state for it (SECURITY.md, 44).
func TestAnActionThatThePaymentDoesNotAllowIsRefusedInWords(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	form := func(payment, action string, edit map[string]string) url.Values {
		out := url.Values{"_csrf": {b.token("/account")}, "_key": {b.get(payment).doc(t).Find(`input[name="_key"]`).First().AttrOr("value", newKey())}}
		for k, v := range edit {
			out.Set(k, v)
		}
		return out
	}
	act := func(payment, action string, edit map[string]string) answer {
		return b.post(payment+"/"+action, form(payment, action, edit))
	}
	refund := func(payment, amount string) answer {
		return act(payment, "refunds", map[string]string{"kind": "part", "amount": amount, "reason": "returned"})
	}
	voided, captured, refunded, closed := sh.sell(b, "40.00"), sh.held(b), sh.sell(b, "40.00"), sh.sell(b, "40.00")
	act(voided, "void", map[string]string{"shown": "40.00"}).wants(t, http.StatusSeeOther)
	act(captured, "capture", map[string]string{"amount": "50.00", "final": "yes"}).wants(t, http.StatusSeeOther)
	refund(refunded, "40.00").wants(t, http.StatusSeeOther)
	sh.exec(`update payments set batch_closed_at = now() where id = $1`, strings.TrimPrefix(closed, "/payments/"))
	hold, sale := sh.held(b), sh.sell(b, "40.00")
	before := sh.books()
	for _, tt := range []struct {
		name   string
		answer answer
		words  string
	}{
		{"over-refund", refund(sale, "40.01"), "The most that can be refunded now is £40.00."},
		{"refund of what was refunded", refund(refunded, "1.00"), domain.DeniedNothingLeft.Words()},
		{"refund of what was voided", refund(voided, "1.00"), domain.DeniedVoided.Words()},
		{"refund of a hold", refund(hold, "1.00"), domain.DeniedNotApproved.Words()},
		{"over-capture", act(hold, "capture", map[string]string{"amount": "50.01"}), "At most £50.00 is held."},
		{"capture of what was captured", act(captured, "capture", map[string]string{"amount": "1.00"}), domain.DeniedNoHold.Words()},
		{"capture of a sale", act(sale, "capture", map[string]string{"amount": "1.00"}), domain.DeniedCapability.Words()},
		{"increase of what was captured", act(captured, "increase", map[string]string{"amount": "1.00"}), domain.DeniedCaptured.Words()},
		{"void of what was captured", act(captured, "void", map[string]string{"shown": "50.00"}), domain.DeniedCaptured.Words()},
		{"void of what was voided", act(voided, "void", map[string]string{"shown": "40.00"}), domain.DeniedVoided.Words()},
		{"void of what was refunded", act(refunded, "void", map[string]string{"shown": "40.00"}), domain.DeniedRefunded.Words()},
		{"void after the batch was closed", act(closed, "void", map[string]string{"shown": "40.00"}), domain.DeniedBatchClosed.Words()},
		{"void of another sum than was shown", act(sale, "void", map[string]string{"shown": "39.00"}), "£40.00"},
		{"tip after the batch was closed", act(closed, "tip", map[string]string{"amount": "1.00"}), domain.DeniedBatchClosed.Words()},
		{"tip on what was refunded", act(refunded, "tip", map[string]string{"amount": "1.00"}), domain.DeniedRefunded.Words()},
		{"tip on a hold", act(hold, "tip", map[string]string{"amount": "1.00"}), domain.DeniedCapability.Words()},
	} {
		text := strings.Join(strings.Fields(tt.answer.doc(t).Find("main").Text()), " ")
		if tt.answer.StatusCode != http.StatusConflict || !strings.Contains(text, tt.words) {
			t.Errorf("%s: %d, want 409 and %q in: %s", tt.name, tt.answer.StatusCode, tt.words, clipped(text))
		}
	}
	// Another merchant's payment is answered like one that is not there.
	other := sh.addMerchant("Another shop")
	_, err := sh.signin.CreateUserWithPassword(t.Context(), other, newPerson("nia@other.example"), testPassword, testSecret)
	must(t, err)
	thief := sh.browser().signIn("nia@other.example")
	for _, action := range []string{"refunds", "capture", "increase", "decrease", "void", "tip", "settle", "check", "provider", "link-cancel", "store-card", "review"} {
		values := url.Values{"_csrf": {thief.token("/account")}, "_key": {newKey()}, "amount": {"1.00"}, "kind": {"part"}, "reason": {"returned"}, "shown": {"40.00"}}
		there, nowhere := "/payments/"+strings.TrimPrefix(sale, "/payments/"), "/payments/"+domain.NewPaymentID().String()
		for field := range values {
			if !slices.Contains(fieldsFor(action), field) {
				values.Del(field)
			}
		}
		a, none := thief.post(there+"/"+action, values), thief.post(nowhere+"/"+action, values)
		if a.StatusCode != http.StatusNotFound || none.StatusCode != http.StatusNotFound {
			t.Errorf("%s of somebody else's payment: %d, of none: %d; want 404 for both", action, a.StatusCode, none.StatusCode)
		}
	}
	if after := sh.books(); after != before {
		t.Errorf("the books went from %s to %s", before, after)
	}
}

// fieldsFor are the fields of the above that an action's form has.
func fieldsFor(action string) []string {
	common := []string{"_csrf", "_key"}
	switch action {
	case "refunds":
		return append(common, "amount", "kind", "reason")
	case "capture", "increase", "decrease", "tip":
		return append(common, "amount")
	case "void":
		return append(common, "shown")
	}
	return common
}

func newKey() string { return domain.NewPaymentID().String() }
