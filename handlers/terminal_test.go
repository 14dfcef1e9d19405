package handlers

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/store"
)

// till is the emulator's terminal as the shop knows it, and what it is called.
func (sh *shop) till() (domain.DeviceID, string) {
	sh.t.Helper()
	fleet := devices.New(devices.Config{Store: sh.store, Binder: sh.svc, Now: sh.clock.Now, Log: quiet})
	_, err := fleet.Sync(sh.t.Context(), domain.Actor{MerchantID: sh.merchant, Role: domain.Owner}, sh.handpoint)
	must(sh.t, err)
	var d domain.Device
	must(sh.t, sh.store.ReadTenant(sh.t.Context(), sh.merchant, func(tx *store.Tx) error {
		all, err := tx.DevicesOf(sh.t.Context(), sh.handpoint)
		for _, one := range all {
			if one.Serial == sandboxhandpoint.TerminalSerial {
				d = one
			}
		}
		return err
	}))
	if d.ID.IsZero() {
		sh.t.Fatal("the list has no such terminal")
	}
	return d.ID, d.Label()
}

func (sh *shop) takes(seconds int) {
	sh.t.Helper()
	must(sh.t, sh.sandbox.Handpoint.Set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: &seconds}))
}

// onTill is the form of a sale on the terminal, filled in.
func (sh *shop) onTill(b *browser, till domain.DeviceID, amount string) url.Values {
	form := sh.saleForm(b, amount)
	form.Del("card")
	form.Set("method", "terminal")
	form.Set("terminal", till.String())
	return form
}

func TestTheFormOffersTheConnectionsTerminals(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	address := "/payments/new?connection=" + sh.handpoint.String()
	if doc := b.form(address).doc(t); doc.Find(`input[name=method][value=terminal]`).Length() != 0 {
		t.Error("a terminal is offered before there is one")
	}
	till, name := sh.till()
	doc := b.form(address+"&terminal="+till.String()).wants(t, http.StatusOK).doc(t)
	if _, on := doc.Find(`input[name=method][value=terminal]`).Attr("checked"); !on {
		t.Error("the way to pay that the address asks for is not chosen")
	}
	choice := doc.Find(`input[name=terminal][value="` + till.String() + `"]`)
	if _, on := choice.Attr("checked"); !on || choice.AttrOr("data-tail", "") != " to "+name {
		t.Errorf("the terminal is offered as %q", choice.AttrOr("data-tail", ""))
	}
	if words := doc.Find(`input[name=terminal]`).Closest("fieldset").Text(); !strings.Contains(words, "(by telephone)") {
		t.Error("the virtual terminal does not say that it is for the telephone")
	}

	// What cannot be read comes back as it was typed, with a sentence.
	form := sh.onTill(b, till, "42.00")
	for k, v := range map[string]string{"tip_percents": "10, ten", "metadata": "table 12\nTom", "store_card": "yes", "customer": "Imogen Ware"} {
		form.Set(k, v)
	}
	doc = b.post("/payments", form).wants(t, http.StatusUnprocessableEntity).doc(t)
	if got := doc.Find("#tip_percents").AttrOr("value", ""); got != "10, ten" || doc.Find("#metadata").Text() != "table 12\nTom" {
		t.Errorf("typed percentages come back as %q, notes as %q", got, doc.Find("#metadata").Text())
	}
	if got := doc.Find("#tip_percents-err").Text(); !strings.Contains(got, "whole number") {
		t.Errorf("the sentence is %q", got)
	}
	if _, open := doc.Find("details.fold").Attr("open"); !open {
		t.Error("what is wrong is folded away")
	}
	form.Set("terminal", "")
	form.Set("tip_percents", "10 15")
	if got := b.post("/payments", form).wants(t, http.StatusUnprocessableEntity).doc(t).Find("#terminal-err").Text(); !strings.Contains(got, "Choose a terminal") {
		t.Errorf("without a terminal: %q", got)
	}
}

func TestAPaymentOnATerminalIsFollowedOnItsPage(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	till, name := sh.till()
	sh.takes(300)
	form := sh.onTill(b, till, "42.00")
	// Of several terminals none is guessed.
	empty := "/payments/new?connection=" + sh.handpoint.String() + "&method=terminal"
	if doc := b.form(empty).doc(t); doc.Find("input[name=terminal]").Length() < 2 || doc.Find("input[name=terminal][checked]").Length() != 0 {
		t.Error("a terminal is chosen that nobody chose")
	}
	a := b.post("/payments", form).wants(t, http.StatusSeeOther)
	for _, cookie := range a.Cookies() {
		if cookie.Name == terminalCookie && (!cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "") {
			t.Errorf("the terminal is remembered by %v", cookie)
		}
	}
	if got := b.form(empty).doc(t).Find("input[name=terminal][checked]").AttrOr("value", ""); got != till.String() {
		t.Errorf("this browser's terminal is %q", got)
	}
	if doc := sh.browser().signIn("maya@example.com").form(empty).doc(t); doc.Find("input[name=terminal][checked]").Length() != 0 {
		t.Error("another browser has it chosen too")
	}
	if again := b.post("/payments", form).wants(t, http.StatusSeeOther).Header.Get("Location"); again != a.Header.Get("Location") {
		t.Errorf("the same form leads to %s and %s", a.Header.Get("Location"), again)
	}
	payment, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	follows := func(doc *goquery.Document) {
		t.Helper()
		live := doc.Find("#payment-live")
		id := strings.TrimPrefix(payment, "/payments/")
		if got := live.AttrOr("hx-trigger", ""); !strings.Contains(got, "payment-"+id+" from:#stream, resync from:#stream") || live.AttrOr("hx-headers", "") != `{"X-Background":"1"}` {
			t.Errorf("it asks for itself on %q", got)
		}
		if words := strings.Join(strings.Fields(doc.Find(".progress").Text()), " "); !strings.Contains(words, "Waiting for card or PIN on "+name) || !strings.Contains(words, "Stop on "+name) {
			t.Errorf("the steps say %q", words)
		}
		if now := doc.Find(`.steps [aria-current="step"]`).Text(); now != "Waiting for card or PIN" {
			t.Errorf("the step is %q", now)
		}
		if said := doc.Find(`[role="status"]#payment-status`).Text(); !strings.Contains(said, "Waiting for card or PIN on "+name) {
			t.Errorf("a reader is told %q", said)
		}
	}
	doc := b.get(payment).wants(t, http.StatusOK).doc(t)
	if at := doc.Find("#stream").AttrOr("hx-sse:connect", ""); at != "/events" {
		t.Errorf("the page hears %q", at)
	}
	follows(doc)
	follows(b.with("HX-Request", "true").with("X-Background", "1").get(payment+"?new=1").wants(t, http.StatusOK).doc(t))

	// Stopping is asked of the terminal; the payment says what came of it.
	token := b.token("/account")
	b.post(payment+"/stop", url.Values{"_csrf": {token}}).wants(t, http.StatusSeeOther)
	if n := sh.count(`select count(*) from device_commands where name = 'stop'`); n != 1 {
		t.Errorf("%d commands were written", n)
	}
	other := sh.sell(b, "17.00")
	if a := b.post(other+"/stop", url.Values{"_csrf": {token}}).wants(t, http.StatusConflict); !strings.Contains(a.body, "nothing to stop") {
		t.Errorf("a payment that runs nowhere: %s", clipped(a.body))
	}
}

func TestWhatCanBeDoneOnATerminalIsOfferedThere(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	till, name := sh.till()
	sh.takes(0)
	a := b.post("/payments", sh.onTill(b, till, "42.00")).wants(t, http.StatusSeeOther)
	payment, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	token := b.token("/account")
	b.post(payment+"/check", url.Values{"_csrf": {token}}).wants(t, http.StatusSeeOther)
	doc := b.get(payment).doc(t)
	if words := doc.Find("#payment-live").Text(); !strings.Contains(words, "Sale approved") || !strings.Contains(words, "On "+name) {
		t.Fatalf("the payment says %s", clipped(words))
	}
	if trigger, _ := doc.Find("#payment-live").Attr("hx-trigger"); doc.Find(".progress").Length() != 0 || strings.Contains(trigger, "every") || !strings.Contains(trigger, "from:#stream") {
		t.Errorf("a payment with an end is asked for by %q", trigger)
	}
	if got := doc.Find("#print-again").Text(); !strings.Contains(got, "Print again on "+name) {
		t.Errorf("the receipt is printed by %q", got)
	}
	b.post(payment+"/print", url.Values{"_csrf": {token}, "terminal": {till.String()}, "copy": {"customer"}}).wants(t, http.StatusSeeOther)
	if n := sh.count(`select count(*) from device_commands where name = 'print-receipt'`); n != 1 {
		t.Errorf("%d commands were written", n)
	}

	// The list can be narrowed to one terminal.
	sh.sell(b, "17.00")
	list := b.get("/payments?device="+till.String()).wants(t, http.StatusOK).doc(t)
	if rows := list.Find("tbody .rowlink").Length(); rows != 1 || !strings.Contains(list.Find(".chips, main").Text(), "Terminal: "+name) {
		t.Errorf("%d payments of one terminal", rows)
	}
	b.get("/payments?device=x").wants(t, http.StatusUnprocessableEntity)

	// A refund goes through the provider, or to the terminal that is chosen.
	form := sh.refundForm(b, payment, url.Values{"amount": {"12.00"}, "terminal": {till.String()}})
	if doc := b.get(payment + "/refund").doc(t); doc.Find(`#refund-terminal option[value="`+till.String()+`"]`).Length() != 1 {
		t.Error("the refund is not offered on the terminal")
	}
	b.post(payment+"/refunds", form).wants(t, http.StatusSeeOther)
	if n := sh.count(`select count(*) from transactions where type = 'refund' and device_id = $1`, till.String()); n != 1 {
		t.Errorf("%d refunds run on the terminal", n)
	}
	b.post(payment+"/check", url.Values{"_csrf": {token}}).wants(t, http.StatusSeeOther)

	// Its void is possible on a terminal only.
	void := b.get(payment+"/void-refund").wants(t, http.StatusOK).doc(t)
	if got := void.Find("#void-refund-go").Text(); !strings.Contains(got, "£12.00") {
		t.Errorf("the button says %q", got)
	}
	value := func(name string) string {
		return void.Find(`form[action$="/void-refund"] input[name="`+name+`"]`).AttrOr("value", "")
	}
	post := url.Values{"_csrf": {value("_csrf")}, "_key": {value("_key")}, "shown": {value("shown")}, "note": {""}, "terminal": {""}}
	if a := b.post(payment+"/void-refund", post).wants(t, http.StatusConflict); !strings.Contains(a.body, "terminal") {
		t.Errorf("without a terminal: %s", clipped(a.body))
	}
	post.Set("terminal", till.String())
	b.post(payment+"/void-refund", post).wants(t, http.StatusSeeOther)
}

var quiet = slog.New(slog.DiscardHandler)
