package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

// waiting is a shop with one call that could not be applied.
func waiting(t *testing.T) (*shop, string, domain.CallbackID) {
	t.Helper()
	sh, id := hooked(t)
	conns := &connections.Service{Store: sh.store, Registry: providers.NewRegistry(cardflo.Registration()), Secrets: sh.sealer, Now: sh.clock.Now}
	sh.web.Add((&Callbacks{Service: conns}).Routes()...)
	sh.addUser("olive@example.com", domain.Owner)
	sh.notify(domain.CallbackPath("cardflo", id), aNotice, sandboxcardflo.SignedSecret).wants(t, http.StatusOK)
	// What the worker does once the payment stayed unknown for ten minutes.
	sh.exec(`update callbacks set status = 'quarantined', why = 'It is about something that is not known here.', handled_at = now()`)
	var callback domain.CallbackID
	must(t, sh.db.Owner(t).QueryRow(`select id from callbacks`).Scan(&callback))
	return sh, "/connections/" + id.String() + "/callbacks", callback
}

func TestACallThatWaitsIsListedAndDealtWithInWords(t *testing.T) {
	sh, page, id := waiting(t)
	olive := sh.browser().signIn("olive@example.com")
	a := olive.get(page).wants(t, http.StatusOK)
	if text := a.doc(t).Find("main").Text(); !strings.Contains(text, "It is about something that is not known here.") || !strings.Contains(text, "Needs a person") {
		t.Errorf("the page says %s", clipped(text))
	}
	form := url.Values{"_csrf": {olive.token(page)}, "note": {"  "}}
	refused := olive.post(page+"/"+id.String(), form).wants(t, http.StatusUnprocessableEntity)
	if text := refused.doc(t).Find(".err").Text(); !strings.Contains(text, "Write what you found out") {
		t.Errorf("the error is %q", text)
	}
	for _, bad := range []string{"4111 1111 1111 1111", strings.Repeat("a", 201)} {
		form.Set("note", bad)
		olive.post(page+"/"+id.String(), form).wants(t, http.StatusUnprocessableEntity)
	}
	form.Set("note", "A test of the provider’s, says its help desk.")
	olive.post(page+"/"+id.String(), form).wants(t, http.StatusSeeOther)
	if text := olive.get(page).doc(t).Find("main").Text(); !strings.Contains(text, "A test of the provider’s") || !strings.Contains(text, "Dealt with") || !strings.Contains(text, "Ada Marsh") {
		t.Errorf("the page says %s", clipped(text))
	}
	// Once is enough, and the money is as it was.
	olive.post(page+"/"+id.String(), form).wants(t, http.StatusConflict)
	if n := sh.count(`select count(*) from audit_log where action = 'callback.dealt_with'`); n != 1 {
		t.Errorf("%d audit rows, want 1", n)
	}
	if n := sh.count(`select count(*) from payments`); n != 0 {
		t.Errorf("%d payments, want none", n)
	}
}

func TestWhoMayOnlyReadConnectionsSeesNoBodyAndNoForm(t *testing.T) {
	sh, page, id := waiting(t)
	maya := sh.browser().signIn("maya@example.com")
	a := maya.get(page).wants(t, http.StatusOK)
	if strings.Contains(a.body, "abcde12345abcde12345") || a.doc(t).Find("main form").Length() != 0 {
		t.Error("a manager sees what only those who manage connections may")
	}
	maya.post(page+"/"+id.String(), url.Values{"_csrf": {maya.token(page)}, "note": {"x"}}).wants(t, http.StatusForbidden)
	sh.addUser("tom@example.com", domain.Cashier)
	sh.browser().signIn("tom@example.com").get(page).wants(t, http.StatusForbidden)
}

func TestCallsAreListedPageByPage(t *testing.T) {
	sh, page, _ := waiting(t)
	sh.exec(`insert into callbacks (merchant_id, id, connection_id, body_hash, body, received_at, last_at, status)
		select merchant_id, gen_random_uuid(), connection_id, sha256(n::text::bytea), '{}', received_at, last_at, 'applied' from callbacks, generate_series(1, 120) n`)
	olive := sh.browser().signIn("olive@example.com")
	seen, at := 0, page
	for range 5 {
		doc := olive.get(at).wants(t, http.StatusOK).doc(t)
		seen += doc.Find("tbody tr").Length()
		next, more := doc.Find(`.pager a[href*="after="]`).Attr("href")
		if !more {
			break
		}
		at = next
	}
	if seen != 121 {
		t.Errorf("%d calls were listed, want 121", seen)
	}
	olive.get(page+"?after=nonsense").wants(t, http.StatusNotFound)
}

func TestAnotherMerchantsCallsAreNotThere(t *testing.T) {
	sh, page, id := waiting(t)
	other := sh.addMerchant("Dune Supply")
	mine := sh.merchant
	sh.merchant = other
	sh.addUser("noura@example.com", domain.Owner)
	sh.merchant = mine
	noura := sh.browser().signIn("noura@example.com")
	noura.get(page).wants(t, http.StatusNotFound)
	noura.post(page+"/"+id.String(), url.Values{"_csrf": {noura.token("/account")}, "note": {"mine now"}}).wants(t, http.StatusNotFound)
}
