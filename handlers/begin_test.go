package handlers

import (
	"bytes"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/web"
)

// fill opens a form and gives its hidden fields, its first radio and select
// values, with changes; an empty value takes a field away.
func (sh *shop) fill(b *browser, path, action string, edit map[string]string) url.Values {
	sh.t.Helper()
	doc := b.form(path).wants(sh.t, http.StatusOK).doc(sh.t)
	form := doc.Find(`form[action="` + action + `"][method="post"]`)
	if form.Length() != 1 {
		sh.t.Fatalf("%s has %d forms for %s", path, form.Length(), action)
	}
	out := url.Values{}
	form.Find(`input[type="hidden"]`).Each(func(_ int, el *goquery.Selection) { out.Set(el.AttrOr("name", ""), el.AttrOr("value", "")) })
	form.Find("select").Each(func(_ int, el *goquery.Selection) {
		out.Set(el.AttrOr("name", ""), el.Find("option[selected]").AttrOr("value", ""))
	})
	for k, v := range edit {
		out.Set(k, v)
	}
	return out
}

// keyed opens the card form of a kind and fills it.
func (sh *shop) keyed(b *browser, kind string, edit map[string]string) url.Values {
	sh.t.Helper()
	sh.orders++
	v := map[string]string{"amount": "42.00", "order_reference": "Basket " + string(rune('A'+sh.orders)), "method": "frame", "card_token": sandboxcardflo.TokenApprove,
		"card_brand": "Visa", "card_last4": "1111", "card_expiry": "12/30"}
	if kind == payments.KindLink {
		for _, name := range []string{"method", "card_token", "card_brand", "card_last4", "card_expiry"} {
			delete(v, name)
		}
	}
	for name, value := range edit {
		v[name] = value
	}
	return sh.fill(b, "/payments/new?kind="+kind+"&connection="+sh.cardflo.String(), "/payments", v)
}

// made is the payment that a form led to.
func (b *browser) made(path string, form url.Values) string {
	b.s.t.Helper()
	at := b.post(path, form).wants(b.s.t, http.StatusSeeOther).Header.Get("Location")
	at, _, _ = strings.Cut(at, "?")
	return at
}

func mainText(t testing.TB, a answer) string {
	return strings.Join(strings.Fields(a.wants(t, http.StatusOK).doc(t).Find("main").Text()), " ")
}

func TestTheFormOffersWhatItsConnectionDoesAndSaysWhyNot(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for _, tt := range []struct {
		kind, button, has, hasNot string
	}{
		{"sale", "Charge", `input[name="surcharge"]`, `select[name="capture_after"], select[name="expires"]`},
		{"preauth", "Hold", `select[name="capture_after"]`, `select[name="expires"]`},
		{"link", "Create link", `select[name="expires"]`, `input[name="method"], iframe, select[name="capture_after"]`},
		{"nonsense", "Charge", `input[name="surcharge"]`, `select[name="expires"]`},
	} {
		doc := b.form("/payments/new?kind="+tt.kind+"&connection="+sh.cardflo.String()).wants(t, http.StatusOK).doc(t)
		if got := strings.TrimSpace(doc.Find("#go").Text()); got != tt.button {
			t.Errorf("%s: the button says %q, want %q", tt.kind, got, tt.button)
		}
		if doc.Find(tt.has).Length() == 0 || doc.Find(tt.hasNot).Length() > 0 {
			t.Errorf("%s: the form lacks %s or has %s", tt.kind, tt.has, tt.hasNot)
		}
		if n := doc.Find(".kinds a").Length(); n != 3 {
			t.Errorf("%s: %d kinds can be chosen, want 3", tt.kind, n)
		}
	}
	doc := b.form("/payments/new?kind=preauth&connection="+sh.handpoint.String()).wants(t, http.StatusOK).doc(t)
	if v := doc.Find(`input[name="kind"]`).AttrOr("value", ""); v != "sale" {
		t.Errorf("a kind that is not offered is shown as %q", v)
	}
	off := doc.Find(".kinds .off")
	if off.Length() != 2 || !strings.Contains(off.Text(), "Handpoint") || doc.Find(`input[name="surcharge"]`).Length() != 0 {
		t.Errorf("what is not offered: %q", off.Text())
	}
}

func TestAHoldASurchargeAndALinkAreWhatTheFormSaid(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for _, tt := range []struct {
		name, kind string
		edit       map[string]string
		says       []string
	}{
		{"a sale with a surcharge", "sale", map[string]string{"surcharge": "0.60"}, []string{"Approved", "£42.60", "Surcharge", "£0.60 of it"}},
		{"a hold", "preauth", nil, []string{"Authorised", "£42.00", "Pre-authorisation"}},
		{"a hold that is captured by itself", "preauth", map[string]string{"capture_after": "1440"}, []string{"Authorised", "Captured by itself"}},
		{"a link", "link", map[string]string{"expires": "60"}, []string{"Link sent", "Waiting for the customer", "It can be paid on until", "London time"}},
	} {
		page := mainText(t, b.get(b.made("/payments", sh.keyed(b, tt.kind, tt.edit))))
		for _, want := range tt.says {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the payment's page does not say %q: %s", tt.name, want, clipped(page))
			}
		}
	}
}

func TestAWrongSurchargeOrTimeComesBackWithItsValues(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for _, tt := range []struct{ name, kind, field, value string }{
		{"letters", "sale", "surcharge", "abc"},
		{"one decimal", "sale", "surcharge", "0.5"},
		{"below zero", "sale", "surcharge", "-1.00"},
		{"more than fits", "sale", "surcharge", "99999999999999999999"},
		{"half a minute", "preauth", "capture_after", "0.5"},
		{"a time with a sign", "preauth", "capture_after", "+60"},
		{"nine days", "preauth", "capture_after", "12960"},
		{"no end", "link", "expires", ""},
		{"a minute", "link", "expires", "1"},
		{"a year", "link", "expires", "525600"},
	} {
		form := sh.keyed(b, tt.kind, map[string]string{tt.field: tt.value})
		a := b.post("/payments", form).wants(t, http.StatusUnprocessableEntity)
		doc := a.doc(t)
		if text := strings.TrimSpace(doc.Find("#" + tt.field + "-err span").Text()); text == "" {
			t.Errorf("%s: nothing is said beside %s", tt.name, tt.field)
		}
		for _, name := range []string{"amount", "order_reference", "_key", "kind"} {
			if got := doc.Find(`form[action="/payments"] input[name="`+name+`"]`).AttrOr("value", ""); got != form.Get(name) {
				t.Errorf("%s: %s comes back as %q", tt.name, name, got)
			}
		}
		if tt.field == "surcharge" && doc.Find("#surcharge").AttrOr("value", "") != tt.value {
			t.Errorf("%s: the surcharge comes back as %q", tt.name, doc.Find("#surcharge").AttrOr("value", ""))
		}
	}
	if n := sh.count(`select count(*) from payments`); n != 0 {
		t.Errorf("%d payments were written", n)
	}
}

func TestASecondPaymentAlikeShowsTheFirstAndAsks(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	form := sh.saleForm(b, "42.00")
	first := b.made("/payments", form)
	again := sh.saleForm(b, "42.00")
	again.Set("order_reference", strings.ToUpper(form.Get("order_reference")))
	a := b.post("/payments", again).wants(t, http.StatusConflict)
	doc := a.doc(t)
	note := doc.Find(".note.warn")
	words := strings.Join(strings.Fields(note.Text()), " ")
	for _, want := range []string{"£42.00", form.Get("order_reference"), "approved", "Ada Marsh", "This is a second payment, take it"} {
		if !strings.Contains(words, want) {
			t.Errorf("the first payment is shown without %q: %s", want, words)
		}
	}
	if href := note.Find("a").AttrOr("href", ""); href != first {
		t.Errorf("it leads to %s, the first is %s", href, first)
	}
	if key := doc.Find(`input[name="_key"]`).AttrOr("value", ""); key != again.Get("_key") {
		t.Errorf("the form has another key: %q", key)
	}
	box := doc.Find(`form[action="/payments"] input[name="confirm_duplicate"]`)
	again.Set("confirm_duplicate", domain.NewPaymentID().String())
	b.post("/payments", again).wants(t, http.StatusConflict)
	again.Set("confirm_duplicate", box.AttrOr("value", ""))
	if second := b.made("/payments", again); second == first {
		t.Error("a second payment led to the first")
	}
	if n := sh.count(`select count(*) from payments`); n != 2 {
		t.Errorf("%d payments, want 2", n)
	}
}

// TestAFormKeepsItsKeyInItsAddress: a reload, Back and a session that ended lead
// to the same attempt, and once it was used to what it made.
func TestAFormKeepsItsKeyInItsAddress(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for _, tt := range []struct{ open, post string }{
		{"/payments/new?connection=" + sh.cardflo.String(), "/payments"},
		{"/payouts/new?connection=" + sh.cardflo.String(), "/payouts"},
		{"/cards/new?connection=" + sh.cardflo.String(), "/cards"},
	} {
		at := b.get(tt.open).wants(t, http.StatusSeeOther).Header.Get("Location")
		if !strings.HasPrefix(at, tt.open[:strings.Index(tt.open, "?")]+"?attempt=") || !strings.Contains(at, "connection=") {
			t.Fatalf("%s leads to %s", tt.open, at)
		}
		key := func() string {
			return b.get(at).wants(t, http.StatusOK).doc(t).Find(`form[action="`+tt.post+`"] input[name="_key"]`).AttrOr("value", "")
		}
		u, err := url.Parse(at)
		must(t, err)
		if first := key(); first != u.Query().Get("attempt") || key() != first {
			t.Errorf("%s: a reload changes the key", tt.open)
		}
		for _, bad := range []string{"1", "not-a-key", strings.ToUpper(u.Query().Get("attempt")) + "x"} {
			if loc := b.get(tt.open+"&attempt="+url.QueryEscape(bad)).wants(t, http.StatusSeeOther).Header.Get("Location"); strings.Contains(loc, "attempt="+url.QueryEscape(bad)+"&") {
				t.Errorf("%s: the key %q is taken", tt.open, bad)
			}
		}
	}
	form := sh.keyed(b, "sale", nil)
	payment := b.made("/payments", form)
	used := "/payments/new?connection=" + sh.cardflo.String() + "&attempt=" + form.Get("_key")
	for range 2 {
		if to := b.get(used).wants(t, http.StatusSeeOther).Header.Get("Location"); to != payment {
			t.Errorf("Back leads to %s, want %s", to, payment)
		}
	}
	// Somebody else's key is not theirs to see: they are given one of their own.
	sh.addUser("tom@example.com", domain.Cashier)
	tom := sh.browser().signIn("tom@example.com")
	if to := tom.get(used).wants(t, http.StatusSeeOther).Header.Get("Location"); !strings.HasPrefix(to, "/payments/new?attempt=") || strings.Contains(to, form.Get("_key")) {
		t.Errorf("somebody else is led to %s", to)
	}
	form.Set("_csrf", tom.token("/account"))
	a := tom.post("/payments", form).wants(t, http.StatusConflict)
	if k := a.doc(t).Find(`input[name="_key"]`).AttrOr("value", ""); k == "" || k == form.Get("_key") {
		t.Errorf("somebody else's form has the key %q", k)
	}
	if n := sh.count(`select count(*) from payments`); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
}

func TestAnEndedSessionLeadsBackToTheSameAttempt(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	form := sh.keyed(b, "preauth", map[string]string{"capture_after": "60"})
	sh.clock.Advance(web.Idle + time.Minute)
	a := b.post("/payments", form).wants(t, http.StatusUnauthorized)
	u, err := url.Parse(a.doc(t).Find(`a[href^="/signin"]`).First().AttrOr("href", ""))
	must(t, err)
	back, err := url.Parse(u.Query().Get("next"))
	must(t, err)
	for name, want := range map[string]string{"attempt": form.Get("_key"), "kind": "preauth", "amount": "42.00", "capture_after": "60", "connection": sh.cardflo.String()} {
		if got := back.Query().Get(name); got != want {
			t.Errorf("it leads back with %s %q, want %q", name, got, want)
		}
	}
	b.signIn("maya@example.com")
	doc := b.get(back.String()).wants(t, http.StatusOK).doc(t)
	if key := doc.Find(`input[name="_key"]`).AttrOr("value", ""); key != form.Get("_key") {
		t.Errorf("the form has another key: %q", key)
	}
	if v := doc.Find(`#capture_after option[selected]`).AttrOr("value", ""); v != "60" {
		t.Errorf("the time comes back as %q", v)
	}
}

func TestALinkIsShownWithItsPictureAndCancelled(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := b.made("/payments", sh.keyed(b, "link", map[string]string{"expires": "1440"}))
	doc := b.get(payment).wants(t, http.StatusOK).doc(t)
	link := strings.TrimSpace(doc.Find("#link-text").Text())
	if !strings.HasPrefix(link, sh.origin) || doc.Find("iframe").Length() != 0 {
		t.Errorf("the link is %q", link)
	}
	if button := doc.Find(`button[data-copy="link-text"]`); button.Length() != 1 {
		t.Error("there is no button that copies it")
	}
	src := doc.Find("#pay-link img").AttrOr("src", "")
	a := b.get(src).wants(t, http.StatusOK)
	if a.Header.Get("Content-Type") != "image/png" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, %s", a.Header.Get("Content-Type"), a.Header.Get("Cache-Control"))
	}
	if _, err := png.Decode(bytes.NewReader([]byte(a.body))); err != nil {
		t.Error(err)
	}
	if words := mainText(t, b.get(payment+"/link-cancel")); !strings.Contains(words, "Keep link") || !strings.Contains(words, "£42.00") {
		t.Errorf("before it is cancelled: %s", words)
	}
	form := sh.fill(b, payment+"/link-cancel", payment+"/link-cancel", nil)
	must(t, sh.sandbox.Cardflo.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropBefore, Path: "/cancel"}))
	doubt := b.post(payment+"/link-cancel", form).wants(t, http.StatusConflict)
	if !strings.Contains(doubt.body, "may still be paid") || sh.count(`select count(*) from payments where status = 'link_sent'`) != 1 {
		t.Error("a doubt changed the link, or was not said")
	}
	b.post(payment+"/link-cancel", form).wants(t, http.StatusSeeOther)
	if words := mainText(t, b.get(payment)); !strings.Contains(words, "Not charged") || !strings.Contains(words, "was cancelled before anybody paid") {
		t.Errorf("after it was cancelled: %s", clipped(words))
	}
	b.get(src).wants(t, http.StatusNotFound)
	sale := sh.sell(b, "42.00")
	b.get(sale+"/link.png").wants(t, http.StatusNotFound)
	b.post(sale+"/link-cancel", form).wants(t, http.StatusConflict)
}

func TestAPayoutGoesOutOnceAndIsShownNegative(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	sale := b.made("/payments", sh.keyed(b, "sale", nil))
	open := "/payouts/new?payment=" + strings.TrimPrefix(sale, "/payments/")
	form := sh.fill(b, open, "/payouts", map[string]string{"amount": "50.00", "note": ""})
	a := b.post("/payouts", form).wants(t, http.StatusUnprocessableEntity)
	if doc := a.doc(t); doc.Find("#note-err span").Text() == "" || doc.Find("#amount").AttrOr("value", "") != "50.00" || doc.Find(`input[name="_key"]`).AttrOr("value", "") != form.Get("_key") {
		t.Error("a payout without a note comes back without a word or its values")
	}
	form.Set("note", "Raffle, first prize")
	payout := b.made("/payouts", form)
	if again := b.made("/payouts", form); again != payout {
		t.Errorf("the same form led to %s", again)
	}
	words := mainText(t, b.get(payout))
	for _, want := range []string{"−£50.00", "Payout", "Raffle, first prize"} {
		if !strings.Contains(words, want) {
			t.Errorf("its page does not say %q: %s", want, clipped(words))
		}
	}
	if list := mainText(t, b.get("/payments")); !strings.Contains(list, "−£50.00") {
		t.Error("the list does not show it negative")
	}
	overview := mainText(t, b.get("/"))
	for _, want := range []string{"1 sale£42.00", "1 payout−£50.00", "Net so far−£8.00"} {
		if !strings.Contains(overview, want) {
			t.Errorf("the overview does not say %q: %s", want, clipped(overview))
		}
	}
}

func TestACardIsStoredListedChargedAndForgotten(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	form := sh.fill(b, "/cards/new?connection="+sh.cardflo.String(), "/cards", map[string]string{"customer": "", "method": "frame", "card_token": sandboxcardflo.TokenApprove,
		"card_brand": "Visa", "card_last4": "1111", "card_expiry": "12/30"})
	a := b.post("/cards", form).wants(t, http.StatusUnprocessableEntity)
	if strings.Contains(a.body, sandboxcardflo.TokenApprove) || a.doc(t).Find("#customer-err span").Text() == "" {
		t.Error("the form repeats the token, or does not say what is missing")
	}
	form.Set("customer", "Theo Birch")
	if words := mainText(t, b.get(b.made("/cards", form))); !strings.Contains(words, "Card stored") {
		t.Errorf("the result: %s", clipped(words))
	}
	list := b.get("/cards?q=theo").wants(t, http.StatusOK).doc(t)
	row := list.Find("tbody tr")
	if row.Length() != 1 || !strings.Contains(row.Text(), "Theo Birch") || !strings.Contains(row.Text(), "Visa ·· 1111") {
		t.Fatalf("the list: %s", row.Text())
	}
	charge, _ := row.Find(`a[href^="/payments/new"]`).Attr("href")
	doc := b.form(charge).wants(t, http.StatusOK).doc(t)
	if doc.Find(`input[name="card"][checked]`).Length() != 1 || doc.Find(`input[name="method"][value="card"][checked]`).Length() != 1 {
		t.Error("“Charge” does not lead to the form with this card")
	}
	forget, _ := row.Find(`a[href$="/forget"]`).Attr("href")
	b.post(forget, sh.fill(b, forget, forget, nil)).wants(t, http.StatusSeeOther)
	if n := b.get("/cards?q=theo").wants(t, http.StatusOK).doc(t).Find("tbody tr").Length(); n != 0 {
		t.Error("a forgotten card is listed")
	}
	b.get(forget).wants(t, http.StatusNotFound)
	b.get("/cards/none/forget").wants(t, http.StatusNotFound)
	for _, q := range []string{"?after=x", "?limit=0", "?limit=1000", "?connection=x", "?q=%00"} {
		b.get("/cards"+q).wants(t, http.StatusUnprocessableEntity)
	}
}

func TestTheCardOfAPaymentIsStoredFromItsPage(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	sale := sh.sell(b, "42.00")
	if b.get(sale).doc(t).Find(`a[href$="/store-card"]`).Length() != 1 {
		t.Error("the payment's page does not offer it")
	}
	form := sh.fill(b, sale+"/store-card", sale+"/store-card", map[string]string{"customer": "4111 1111 1111 1111"})
	b.post(sale+"/store-card", form).wants(t, http.StatusUnprocessableEntity)
	form.Set("customer", "Imogen Ware")
	if to := b.post(sale+"/store-card", form).wants(t, http.StatusSeeOther).Header.Get("Location"); to != "/cards" {
		t.Errorf("it leads to %s", to)
	}
	// Cardflo gives no token of a past payment: said, and a forged post changes nothing.
	other := b.made("/payments", sh.keyed(b, "sale", nil))
	if words := mainText(t, b.get(other+"/store-card")); !strings.Contains(words, domain.DeniedCapability.Words()) {
		t.Errorf("where it is not offered: %s", words)
	}
	b.post(other+"/store-card", form).wants(t, http.StatusConflict)
}

func TestTheListOfCardsSendsTheSameStatementsForOneAndForFifty(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	b.get("/cards").wants(t, http.StatusOK)
	statements := 0
	sh.store.OnStatement(func(string) { statements++ })
	b.get("/cards").wants(t, http.StatusOK)
	one := statements
	sh.exec(`insert into cards (merchant_id, id, connection_id, token_sealed, brand, last4, customer, created_at)
		select $1, gen_random_uuid(), $2, 'x', 'Visa', lpad(n::text, 4, '0'), 'Customer ' || n, now() from generate_series(1, 49) n`, sh.merchant, sh.handpoint)
	statements = 0
	if n := b.get("/cards").wants(t, http.StatusOK).doc(t).Find("tbody tr").Length(); n != 50 {
		t.Errorf("%d rows, want 50", n)
	}
	if statements != one {
		t.Errorf("%d statements for fifty cards, %d for one", statements, one)
	}
}
