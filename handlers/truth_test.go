package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// unknownSale is a sale whose answer was lost; it went through if after says so.
func (sh *shop) unknownSale(b *browser, kind string) string {
	sh.t.Helper()
	must(sh.t, sh.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kind}))
	return sh.sell(b, "42.00")
}

// giveUp lets a day pass without an answer.
func (sh *shop) giveUp(payment string) {
	sh.t.Helper()
	sh.clock.Advance(payments.GiveUpAfter)
	must(sh.t, sh.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 503}))
	_, err := sh.svc.Resolve(sh.t.Context(), sh.merchant, sh.transaction(payment))
	must(sh.t, err)
}

// transaction is the id of a payment's only operation.
func (sh *shop) transaction(payment string) (id domain.TransactionID) {
	sh.t.Helper()
	var s string
	must(sh.t, sh.db.Owner(sh.t).QueryRow(`select id from transactions where payment_id = $1`, strings.TrimPrefix(payment, "/payments/")).Scan(&s))
	id, err := domain.ParseTransactionID(s)
	must(sh.t, err)
	return id
}

func TestAnUnknownOutcomeLocksThePageAndCountsDown(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.unknownSale(b, kit.FaultDropAfter)
	doc := b.get(payment).wants(t, http.StatusOK).doc(t)
	if doc.Find("#refund-open, #void-open, dialog form[action^=\"/payments/\"]").Length() != 0 {
		t.Error("something can be done to a payment without an outcome")
	}
	if words := strings.Join(strings.Fields(doc.Find("#payment-live").Text()), " "); !strings.Contains(words, domain.DeniedOutcomeOpen.Words()) {
		t.Error("the reason is missing: ", words)
	}
	// Handpoint decides 90 seconds after the last moment at which it can have left,
	// which is when the call came back.
	until := doc.Find("[data-until]")
	if at, err := time.Parse(time.RFC3339, until.AttrOr("data-until", "")); err != nil || !at.Equal(sh.clock.Now().Add(90*time.Second)) || until.AttrOr("data-left", "") != "90" || until.Text() != "1 min 30 s left" {
		t.Errorf("it counts down to %s (%v), with %s seconds, and says %q", at, err, until.AttrOr("data-left", ""), until.Text())
	}
	sh.clock.Advance(31 * time.Second)
	if left := b.get(payment).doc(t).Find("[data-until]"); left.Text() != "59 s left" {
		t.Errorf("half a minute later it says %q", left.Text())
	}
	b.post(payment+"/check", url.Values{"_csrf": {b.token("/account")}}).wants(t, http.StatusSeeOther)
	doc = b.get(payment).doc(t)
	if doc.Find("[data-until]").Length() != 0 || doc.Find("#refund-open").Length() != 1 {
		t.Error("the answer did not open the page again")
	}
}

func TestAPersonWritesDownWhatBecameOfIt(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.unknownSale(b, kit.FaultDropAfter)
	if words := mainText(t, b.get(payment+"/settle")); !strings.Contains(words, domain.DeniedNoPerson.Words()) {
		t.Errorf("while we are asking, the form says %q", words)
	}
	sh.giveUp(payment)
	b = sh.browser().signIn("maya@example.com")
	sh.addUser("cass@example.com", domain.Cashier)
	words := mainText(t, b.get(payment))
	for _, want := range []string{"A person must find out whether £42.00 was taken", "once a day", "Write down what you found"} {
		if !strings.Contains(words, want) {
			t.Errorf("the page does not say %q: %s", want, words)
		}
	}
	if words := mainText(t, sh.browser().signIn("cass@example.com").get(payment)); strings.Contains(words, "Write down what you found") || !strings.Contains(words, "can write down what was found out") {
		t.Errorf("a cashier is told: %s", words)
	}
	form := url.Values{"_csrf": {b.token("/account")}, "transaction": {sh.transaction(payment).String()}, "happened": {"no"}, "provider_ref": {"x y"}, "note": {"too short"}}
	a := b.post(payment+"/settle", form).wants(t, http.StatusUnprocessableEntity)
	doc := a.doc(t)
	if doc.Find("#settle-note").Text() != "too short" || doc.Find("#settle-ref").AttrOr("value", "") != "x y" || doc.Find("[data-error-summary] li").Length() != 2 {
		t.Error("the form does not come back with its values and a sentence for each")
	}
	for name, edit := range map[string]url.Values{"nothing chosen": {"happened": {""}}, "maybe": {"happened": {"maybe"}}, "no operation": {"transaction": {"x"}}} {
		wrong := url.Values{"_csrf": form["_csrf"], "transaction": form["transaction"], "happened": {"no"}, "note": {"Called them, it is not in their list"}}
		for k, v := range edit {
			wrong[k] = v
		}
		if a := b.post(payment+"/settle", wrong); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s is answered %d", name, a.StatusCode)
		}
	}
	form.Set("provider_ref", "")
	form.Set("note", "Called them, it is not in their list")
	b.post(payment+"/settle", form).wants(t, http.StatusSeeOther)
	words = mainText(t, b.get(payment))
	for _, want := range []string{"Written down.", "Not charged", "Ada Marsh wrote down that it did not happen: “Called them, it is not in their list”"} {
		if !strings.Contains(words, want) {
			t.Errorf("the page does not say %q: %s", want, words)
		}
	}
	b.post(payment+"/settle", form).wants(t, http.StatusConflict)
	// It did happen, and the provider's later word wins in sight of everybody.
	sh.clock.Advance(time.Minute)
	b.post(payment+"/provider", url.Values{"_csrf": form["_csrf"]}).wants(t, http.StatusSeeOther)
	words = mainText(t, b.get(payment))
	for _, want := range []string{"The provider said later that it did go through", "Ada Marsh wrote down that the sale of £42.00 had not happened", "Counted as “not charged” from", "Approved", "Taken£42.00"} {
		if !strings.Contains(words, want) {
			t.Errorf("after the late approval the page does not say %q: %s", want, words)
		}
	}
}

func TestTheProvidersRecordStandsBesideOurs(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	csrf := url.Values{"_csrf": {b.token("/account")}}
	sh.clock.Advance(time.Minute)
	if to := b.post(payment+"/provider", csrf).wants(t, http.StatusSeeOther).Header.Get("Location"); to != payment+"/provider" {
		t.Errorf("leads to %s", to)
	}
	doc := b.get(payment+"/provider").wants(t, http.StatusOK).doc(t)
	rows := map[string]string{}
	for _, r := range doc.Find("table.truth tbody tr").EachIter() {
		rows[strings.TrimSpace(r.Find("th").Text())] = strings.Join(strings.Fields(r.Find("td").First().Text()), " ") + " | " + strings.Join(strings.Fields(r.Find("td").Last().Text()), " ")
	}
	for field, want := range map[string]string{"Outcome": "Approved | Approved", "Amount": "£42.00 | £42.00", "Currency": "GBP | GBP", "Card’s last four": "0936 | 0936", "Card brand": "Visa | Visa"} {
		if rows[field] != want {
			t.Errorf("%s: %q, want %q", field, rows[field], want)
		}
	}
	for _, field := range []string{"Tip", "Their reference", "Auth code", "Reason", "Code", "Time"} {
		if rows[field] == "" {
			t.Errorf("there is no %s", field)
		}
	}
	if doc.Find("tr.diff").Length() != 0 || !strings.Contains(doc.Find("main").Text(), "As of ") {
		t.Error("a difference is marked, or no time is named")
	}
	// Our record says something else from now on.
	sh.exec(`update transactions set status = 'declined', reason = 'declined', said = null`)
	sh.exec(`update transactions set amount_minor = 4300, status = 'approved', reason = ''`)
	sh.clock.Advance(time.Minute)
	b.post(payment+"/provider", csrf).wants(t, http.StatusSeeOther)
	for _, path := range []string{payment, payment + "/provider"} {
		doc := b.get(path).doc(t)
		diff := doc.Find("tr.diff")
		if diff.Length() != 1 || diff.Find("svg").Length() != 1 || strings.Join(strings.Fields(diff.Text()), " ") != "Amount Differs£43.00£42.00" {
			t.Errorf("%s marks %d rows: %q", path, diff.Length(), diff.Text())
		}
	}
	if !strings.Contains(mainText(t, b.get(payment)), "Our record and Handpoint’s differ") {
		t.Error("the payment's page says nothing of the difference")
	}
	if n := sh.count(`select count(*) from audit_log where action = 'payment.sale.differs'`); n != 1 {
		t.Errorf("%d audit rows, want 1", n)
	}
	if n := sh.count(`select count(*) from transactions where amount_minor = 4300 and status = 'approved'`); n != 1 {
		t.Error("the provider's record was adopted")
	}
}

func TestAProviderThatCannotBeAskedIsSaid(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	sh.exec(`update connections set removed_at = now(), active = false where id = $1`, sh.handpoint.String())
	sh.exec(`delete from connection_secrets where connection_id = $1`, sh.handpoint.String())
	a := b.post(payment+"/provider", url.Values{"_csrf": {b.token("/account")}}).wants(t, http.StatusConflict)
	if !strings.Contains(a.body, domain.DeniedRemoved.Words()) {
		t.Error("the reason is missing")
	}
	if doc := b.get(payment+"/provider").wants(t, http.StatusOK).doc(t); doc.Find(`form[action$="/provider"]`).Length() != 0 {
		t.Error("a button offers what cannot be")
	}
}

// TestAskingAfterEveryActionFindsNoDifference: a comparison that cries wolf is
// not looked at.
func TestAskingAfterEveryActionFindsNoDifference(t *testing.T) {
	sh := newShop(t)
	sh.offers(sh.handpoint, `{"acquirer": "TSYS"}`)
	sh.offers(sh.cardflo, `{"partialVoid": "yes"}`)
	b := sh.browser().signIn("maya@example.com")
	do := func(payment, act string, edit url.Values) {
		b.post(payment+"/"+act, sh.actionOf(b, payment, act, edit)).wants(t, http.StatusSeeOther)
	}
	tipped, voided, refunded, declined := sh.sell(b, "42.00"), sh.sell(b, "42.01"), sh.sell(b, "42.02"), ""
	do(tipped, "tip", url.Values{"amount": {"3.00"}})
	do(tipped, "tip", url.Values{"amount": {"5.00"}})
	do(voided, "void", nil)
	b.post(refunded+"/refunds", sh.refundForm(b, refunded, url.Values{"amount": {"2.02"}})).wants(t, http.StatusSeeOther)
	must(t, sh.sandbox.Handpoint.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "51"}))
	declined = sh.sell(b, "42.03")
	captured, released := sh.heldAt(9260), sh.heldAt(9261)
	do(captured, "increase", url.Values{"amount": {"20.00"}})
	do(captured, "decrease", url.Values{"amount": {"12.60"}})
	do(captured, "capture", url.Values{"amount": {"70.00"}, "tip": {"5.00"}})
	do(released, "void", nil)
	sh.clock.Advance(time.Minute)
	for name, payment := range map[string]string{"tipped": tipped, "voided": voided, "refunded": refunded, "declined": declined, "captured": captured, "released": released} {
		b.post(payment+"/provider", url.Values{"_csrf": {b.token("/account")}}).wants(t, http.StatusSeeOther)
		doc := b.get(payment+"/provider").wants(t, http.StatusOK).doc(t)
		if diff := doc.Find("tr.diff"); diff.Length() != 0 {
			t.Errorf("%s: %q", name, strings.Join(strings.Fields(diff.Text()), " "))
		}
		if doc.Find("table.truth").Length() == 0 {
			t.Errorf("%s: nothing is compared", name)
		}
	}
	if n := sh.count(`select count(*) from audit_log where action like 'payment.%.differs'`); n != 0 {
		t.Errorf("%d differences were audited", n)
	}
}
