package handlers

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

var gbp = money.MustCurrency("GBP")

// shop is a site with the payment pages and both emulators behind it.
type shop struct {
	*site
	sandbox   *sandbox.Sandbox
	origin    string // of the emulators
	svc       *payments.Service
	handpoint domain.ConnectionID
	cardflo   domain.ConnectionID
	card      domain.CardID
	user      domain.UserID
	orders    int // sales that were filled in: each has a reference of its own
}

func newShop(t *testing.T) *shop {
	t.Helper()
	sh := &shop{sandbox: sandbox.New(sandbox.Config{})}
	server := httptest.NewServer(sh.sandbox.Handler())
	t.Cleanup(func() { sh.sandbox.Reset(); server.Close() })
	sh.origin = server.URL
	h, lists := &Payments{}, &Worklists{}
	sh.site = newSite(t, slices.Concat(h.Routes(), lists.Routes())...)
	host, err := url.Parse(server.URL)
	must(t, err)
	registry := providers.NewRegistry(cardflo.Registration(), handpoint.Registration())
	sh.svc = payments.New(payments.Config{Store: sh.store, Registry: registry, Secrets: sh.sealer, Now: sh.clock.Now, Log: slog.New(slog.DiscardHandler),
		Transport: httpclient.Transport(httpclient.Options{AllowHosts: []string{host.Host}}), PublicURL: "https://pay.example.com"})
	h.Service, lists.Service = sh.svc, sh.svc
	h.Devices = devices.New(devices.Config{Store: sh.store, Binder: sh.svc, Now: sh.clock.Now, Log: quiet})
	conns := &connections.Service{Store: sh.store, Registry: registry, Secrets: sh.sealer, Now: sh.clock.Now}
	actor := domain.Actor{MerchantID: sh.merchant}
	hp, err := conns.Create(t.Context(), actor, connections.NewConnection{Provider: "handpoint", Name: "Saved cards", BaseURL: server.URL + sandboxhandpoint.BasePath,
		Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}})
	must(t, err)
	cf, err := conns.Create(t.Context(), actor, connections.NewConnection{Provider: "cardflo", Name: "Card by phone", BaseURL: server.URL + sandboxcardflo.BasePath,
		Settings: map[string]string{cardflo.SettingCardFrame: server.URL + "/cardflo/frame/" + sandboxcardflo.SandboxKey},
		Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SandboxKey, cardflo.SecretUsername: sandboxcardflo.SandboxUser,
			cardflo.SecretPassword: sandboxcardflo.SandboxPassword}})
	must(t, err)
	card, err := conns.AddCard(t.Context(), actor, hp.ID, sandboxhandpoint.TokenVisa, domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}, "Imogen Ware")
	must(t, err)
	sh.handpoint, sh.cardflo, sh.card = hp.ID, cf.ID, card.ID
	sh.user = sh.addUser("maya@example.com", domain.Manager)
	return sh
}

// form opens a form that has its key from its own address, which it is led to.
func (b *browser) form(path string) answer {
	b.s.t.Helper()
	a := b.get(path)
	if a.StatusCode == http.StatusSeeOther && strings.Contains(a.Header.Get("Location"), "attempt=") {
		return b.get(a.Header.Get("Location"))
	}
	return a
}

// saleForm opens the form of the saved-card connection and fills it.
func (sh *shop) saleForm(b *browser, amount string) url.Values {
	sh.t.Helper()
	doc := b.form("/payments/new?connection="+sh.handpoint.String()).wants(sh.t, http.StatusOK).doc(sh.t)
	form := doc.Find(`form[action="/payments"][method="post"]`)
	value := func(name string) string {
		v, _ := form.Find(`input[name="` + name + `"]`).Attr("value")
		return v
	}
	sh.orders++
	return url.Values{"_csrf": {value("_csrf")}, "_key": {value("_key")}, "connection": {sh.handpoint.String()}, "amount": {amount}, "currency": {"GBP"},
		"order_reference": {fmt.Sprintf("Hamper %d", 2260+sh.orders)}, "email": {""}, "method": {"card"}, "card": {sh.card.String()}}
}

func (sh *shop) sell(b *browser, amount string) string {
	sh.t.Helper()
	a := b.post("/payments", sh.saleForm(b, amount)).wants(sh.t, http.StatusSeeOther)
	path, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	return path
}

func (sh *shop) refundForm(b *browser, payment string, edit url.Values) url.Values {
	sh.t.Helper()
	doc := b.get(payment+"/refund").wants(sh.t, http.StatusOK).doc(sh.t)
	out := url.Values{"kind": {"part"}, "reason": {"returned"}, "note": {""}}
	for _, name := range []string{"_csrf", "_key"} {
		v, _ := doc.Find(`form[action="` + payment + `/refunds"] input[name="` + name + `"]`).Attr("value")
		out.Set(name, v)
	}
	maps.Copy(out, edit)
	return out
}

// paymentRoutes are who may call the payment pages.
var paymentRoutes = map[string]access{
	"GET /":                      {roles: everybody},
	"GET /payments":              {roles: everybody},
	"GET /payments.csv":          {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Analyst}},
	"GET /payments/new":          {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /payments":             {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /payments/card-entry":   {public: true, anonymous: http.StatusOK},
	"GET /payments/:id":          {roles: everybody},
	"POST /payments/:id/check":   {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /payments/:id/refund":   {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"POST /payments/:id/refunds": {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"GET /payments/:id/receipt":  {roles: everybody},
	"POST /payments/:id/stop":    {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /payments/:id/print":   {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},

	"GET /payments/:id/link.png":     {roles: everybody},
	"GET /payments/:id/link-cancel":  {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /payments/:id/link-cancel": {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /payments/:id/store-card":   {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /payments/:id/store-card":  {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /payouts/new":               {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"POST /payouts":                  {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"GET /cards":                     {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /cards/new":                 {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /cards":                    {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /cards/:id/forget":          {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /cards/:id/forget":         {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
}

func TestEveryPaymentRouteAsEveryRole(t *testing.T) {
	sh := newShop(t)
	payment := sh.sell(sh.browser().signIn("maya@example.com"), "42.00")
	table := maps.Clone(platformRoutes)
	rows := maps.Clone(paymentRoutes)
	maps.Copy(rows, worklistRoutes)
	for name, row := range rows {
		if _, path, _ := strings.Cut(name, " "); strings.Contains(path, ":id") {
			row.path = strings.Replace(path, "/payments/:id", payment, 1)
		}
		table[name] = row
	}
	checkMatrix(t, sh.site, table)
}

func TestAForeignPaymentIsAnsweredLikeOneThatIsNotThere(t *testing.T) {
	sh := newShop(t)
	payment := sh.sell(sh.browser().signIn("maya@example.com"), "42.00")
	ours := sh.merchant
	sh.merchant = sh.addMerchant("Market Hall")
	sh.addUser("thief@example.com", domain.Owner)
	sh.merchant = ours
	thief := sh.browser().signIn("thief@example.com")
	none := "/payments/" + domain.NewPaymentID().String()
	for _, tail := range []string{"", "/refund", "/receipt"} {
		foreign, missing := thief.get(payment+tail).wants(t, http.StatusNotFound), thief.get(none+tail).wants(t, http.StatusNotFound)
		if a, b := withoutIDs(foreign), withoutIDs(missing); a != b {
			t.Errorf("%q differs from one that is not there: %d and %d bytes", tail, len(a), len(b))
		}
	}
	csrf := thief.token("/account")
	for _, tail := range []string{"/refunds", "/check"} {
		form := url.Values{"_csrf": {csrf}, "_key": {payments.NewKey()}}
		if tail == "/refunds" {
			form.Set("kind", "full")
			form.Set("reason", "returned")
		}
		thief.post(payment+tail, form).wants(t, http.StatusNotFound)
	}
	if strings.Contains(thief.get("/payments").body, strings.TrimPrefix(payment, "/payments/")) || strings.Contains(thief.get("/payments.csv").body, "Hamper 2261") {
		t.Error("the list shows another merchant's payment")
	}
	form := sh.saleForm(sh.browser().signIn("maya@example.com"), "1.00")
	form.Set("_csrf", csrf)
	thief.post("/payments", form).wants(t, http.StatusNotFound) // our connection and card
}

// withoutIDs is a page without what differs on each answer.
func withoutIDs(a answer) string {
	s := strings.ReplaceAll(a.body, a.Header.Get("X-Request-Id"), "")
	if i := strings.Index(s, `name="_csrf"`); i >= 0 {
		s = s[:i]
	}
	return s
}

func TestAWrongSaleFormComesBackWithItsValues(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for _, amount := range []string{"1,5", "1.5", "0", "0.00", "1e3", "-5", "１２", "1.234", "99999999999999999999", ""} {
		form := sh.saleForm(b, amount)
		form.Set("email", "imogen@example.com")
		a := b.post("/payments", form).wants(t, http.StatusUnprocessableEntity)
		doc := a.doc(t)
		field := doc.Find(`input[name="amount"]`)
		if v, _ := field.Attr("value"); v != amount {
			t.Errorf("%q comes back as %q", amount, v)
		}
		described, _ := field.Attr("aria-describedby")
		sentence := ""
		for _, id := range strings.Fields(described) {
			sentence += doc.Find("#" + id).Text()
		}
		if bad, _ := field.Attr("aria-invalid"); bad != "true" || strings.TrimSpace(sentence) == "" {
			t.Errorf("%q: aria-invalid %q, described by %q", amount, bad, sentence)
		}
		if v, _ := doc.Find(`input[name="email"]`).Attr("value"); v != "imogen@example.com" {
			t.Errorf("the e-mail comes back as %q", v)
		}
		if key, _ := doc.Find(`input[name="_key"]`).Attr("value"); key != form.Get("_key") {
			t.Errorf("the form has another key: %q", key)
		}
	}
	if n := sh.count(`select count(*) from payments`); n != 0 {
		t.Errorf("%d payments were written", n)
	}
}

func TestAReplayedSaleFormLeadsToTheFirstResult(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	form := sh.saleForm(b, "42.00")
	first := b.post("/payments", form).wants(t, http.StatusSeeOther).Header.Get("Location")
	again := b.post("/payments", form).wants(t, http.StatusSeeOther).Header.Get("Location")
	if first != again {
		t.Errorf("the second post leads to %s, the first to %s", again, first)
	}
	form.Set("amount", "43.00")
	b.post("/payments", form).wants(t, http.StatusConflict)
	if n := sh.count(`select count(*) from payments`); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
	form.Set("_key", "not-a-key")
	a := b.post("/payments", form).wants(t, http.StatusConflict)
	if key, _ := a.doc(t).Find(`input[name="_key"]`).Attr("value"); key == "" || key == "not-a-key" {
		t.Errorf("the form that comes back has the key %q", key)
	}
}

func TestAFormWithAForeignOrDoubledFieldIsABadRequest(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for _, name := range []string{"merchant_id", "role", "status", "amount_refunded", "provider_fee", "captured_minor"} {
		form := sh.saleForm(b, "42.00")
		form.Set(name, "1")
		b.post("/payments", form).wants(t, http.StatusBadRequest)
	}
	form := sh.saleForm(b, "42.00")
	form.Add("amount", "100.00")
	b.post("/payments", form).wants(t, http.StatusBadRequest)
	if n := sh.count(`select count(*) from payments`); n != 0 {
		t.Errorf("%d payments were written", n)
	}
}

func TestAnOverRefundIsRefusedWithTheFormKept(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	form := sh.refundForm(b, payment, url.Values{"amount": {"42.01"}, "reason": {"other"}, "note": {"Two jars were broken"}})
	for _, how := range []struct {
		name string
		b    *browser
	}{{"page", b}, {"fragment", b.with("HX-Request", "true")}} {
		a := how.b.post(payment+"/refunds", form).wants(t, http.StatusConflict)
		doc := a.doc(t)
		if v, _ := doc.Find(`input[name="amount"]`).Attr("value"); v != "42.01" {
			t.Errorf("%s: the amount comes back as %q", how.name, v)
		}
		if !strings.Contains(a.body, "Two jars were broken") || !strings.Contains(a.body, "£42.00") {
			t.Errorf("%s: the note or the most that can be refunded is missing", how.name)
		}
		if full := strings.Contains(a.body, "<html"); full != (how.name == "page") {
			t.Errorf("%s: a whole document: %v", how.name, full)
		}
	}
	form = sh.refundForm(b, payment, url.Values{"amount": {"12.50"}})
	b.post(payment+"/refunds", form).wants(t, http.StatusSeeOther)
	b.post(payment+"/refunds", form).wants(t, http.StatusSeeOther) // a replay
	if n := sh.count(`select refunded_minor from payments`); n != 1250 {
		t.Errorf("%d minor units refunded, want 1250", n)
	}
	page := b.get(payment).wants(t, http.StatusOK).doc(t).Find("main").Text()
	for _, want := range []string{"Part refunded", "£29.50", "£12.50"} {
		if !strings.Contains(page, want) {
			t.Errorf("the payment's page does not say %q", want)
		}
	}
}

// TestAllOfItMeansTheSumThatThePageShowed: when somebody else refunded a part
// meanwhile, "all of it" must not quietly become less.
func TestAllOfItMeansTheSumThatThePageShowed(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	doc := b.get(payment+"/refund").wants(t, http.StatusOK).doc(t)
	form := url.Values{"kind": {"full"}, "reason": {"returned"}, "note": {""}, "amount": {"1.00"}}
	for _, name := range []string{"_csrf", "_key", "full_amount"} {
		v, ok := doc.Find(`form[action="` + payment + `/refunds"] input[name="` + name + `"]`).Attr("value")
		if !ok {
			t.Fatalf("the form has no %s", name)
		}
		form.Set(name, v)
	}
	b.post(payment+"/refunds", sh.refundForm(b, payment, url.Values{"amount": {"2.00"}})).wants(t, http.StatusSeeOther)
	b.post(payment+"/refunds", form).wants(t, http.StatusConflict)
	if n := sh.count(`select refunded_minor from payments`); n != 200 {
		t.Errorf("%d minor units refunded, want the 200 of the other form", n)
	}
}

func TestOnlyTheCardEntryPagesNameTheProvidersOrigin(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	frameSrc := func(path string) string {
		csp := b.form(path).wants(t, http.StatusOK).Header.Get("Content-Security-Policy")
		for part := range strings.SplitSeq(csp, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(part), "frame-src "); ok {
				return v
			}
		}
		return "(missing)"
	}
	// 'self' is for the page that the provider's page returns to, inside its frame.
	cardEntry := "'self' " + sh.origin
	for path, want := range map[string]string{
		"/": "'none'", "/payments": "'none'", payment: "'none'", payment + "/receipt": "'none'", payment + "/refund": "'none'", "/account": "'none'",
		"/payments/new": "'none'", "/payments/new?connection=" + sh.handpoint.String(): "'none'",
		"/payments/new?connection=" + sh.cardflo.String(): cardEntry,
	} {
		if got := frameSrc(path); got != want {
			t.Errorf("%s: frame-src %s, want %s", path, got, want)
		}
	}
	form := sh.saleForm(b, "42.00")
	form.Set("connection", sh.cardflo.String())
	form.Set("method", "page")
	form.Del("card")
	open, _, _ := strings.Cut(b.post("/payments", form).wants(t, http.StatusSeeOther).Header.Get("Location"), "?")
	if got := frameSrc(open); got != cardEntry {
		t.Errorf("the payment whose card is to be typed: frame-src %s, want %s", got, cardEntry)
	}
	a := b.get(open)
	if !strings.Contains(a.body, `target="_blank"`) || !strings.Contains(a.body, sh.origin+"/cardflo/pay/") {
		t.Error("there is no link to the provider's page for a browser without frames or script")
	}
}

func TestTheCardEntryReturnPageKnowsNobodyAndBelievesNothing(t *testing.T) {
	sh := newShop(t)
	a := sh.browser().get("/payments/card-entry?outcome=success&uuid=x").wants(t, http.StatusOK)
	if len(a.Cookies()) != 0 {
		t.Error("it sets a cookie")
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'self'") {
		t.Errorf("policy %q: our own page cannot show it in the provider's frame", csp)
	}
	if n := sh.count(`select count(*) from transactions`); n != 0 {
		t.Errorf("%d transactions", n)
	}
}

func TestAnUnknownOutcomeForbidsTheRepeat(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	must(t, sh.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter}))
	payment := sh.sell(b, "42.00")
	a := b.get(payment+"?new=1").wants(t, http.StatusOK)
	for _, want := range []string{"Outcome unknown", "Do not charge again", "Ask the provider now"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(strings.ToLower(a.body), "retry") || strings.Contains(a.body, "Try again") {
		t.Error("the page offers to repeat the charge")
	}
	// A page that refreshes itself asks in the background and gets a part only.
	part := b.with("HX-Request", "true").with("X-Background", "1").get(payment).wants(t, http.StatusOK)
	if strings.Contains(part.body, "<html") || !strings.Contains(part.body, "Outcome unknown") {
		t.Error("the background refresh is not the part of the page with the outcome")
	}
	b.post(payment+"/check", url.Values{"_csrf": {b.token("/account")}}).wants(t, http.StatusSeeOther)
	if a := b.get(payment); !strings.Contains(a.doc(t).Find("main").Text(), "Approved") {
		t.Error("after the check the page does not say Approved")
	}
}

func TestADeclineSaysWhyAndWhatToTellTheCustomer(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	must(t, sh.sandbox.Handpoint.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "51"}))
	page := b.get(sh.sell(b, "42.00")+"?new=1").wants(t, http.StatusOK).doc(t).Find("main").Text()
	e := domain.ReasonInsufficientFunds.Explain()
	for _, want := range []string{"Declined", "Nothing was taken", e.What, e.Do, e.Say, e.Advice.Words()} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// A code that no table translates is quoted on the page as it came, and the list
// says whose words they are.
func TestAnUnmappedCodeShowsTheProvidersOwnWords(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	must(t, sh.sandbox.Handpoint.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "ZZ", Message: "Ask again on Friday"}))
	payment := sh.sell(b, "42.00")
	page := b.get(payment+"?new=1").wants(t, http.StatusOK).doc(t).Find("main").Text()
	for _, want := range []string{"Declined", "Nothing was taken", "The provider said “Ask again on Friday” (code “ZZ”).", domain.RetryNotKnown.Words()} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if bare, _ := domain.ReasonDeclined.Words(); strings.Contains(page, bare) {
		t.Errorf("the page invents %q", bare)
	}
	if list := b.get("/payments").wants(t, http.StatusOK).doc(t).Find("table").Text(); !strings.Contains(list, domain.ReasonUnmapped.Label()) {
		t.Error("the list does not say that the reason is the provider's own")
	}
}

// seed writes payments straight into the store.
func (sh *shop) seed(n int, edit func(i int, p *domain.Payment)) {
	sh.t.Helper()
	at := time.Date(2026, 11, 19, 9, 0, 0, 0, time.UTC)
	must(sh.t, sh.store.InTenant(context.Background(), sh.merchant, func(tx *store.Tx) error {
		for i := range n {
			amount := money.FromMinor(int64(1000+i), gbp)
			p := domain.Payment{ID: domain.NewPaymentID(), ConnectionID: sh.handpoint, Reference: domain.NewReference(), Status: domain.PaymentApproved, Method: domain.MethodCard,
				Amount: amount, Captured: amount, Refunded: money.Zero(gbp), Held: money.Zero(gbp), OrderReference: fmt.Sprintf("Order %d", i),
				Card: domain.Card{Brand: "Visa", Last4: "1881"}, CreatedBy: sh.user, CreatedByName: "Maya", CreatedAt: at.Add(time.Duration(i) * time.Minute)}
			if edit != nil {
				edit(i, &p)
			}
			if err := tx.InsertPayment(context.Background(), p); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestAListSendsAsManyStatementsForFiftyRowsAsForOne(t *testing.T) {
	counts := map[int]map[string]int{}
	for _, n := range []int{1, 50} {
		sh := newShop(t)
		sh.seed(n, nil)
		b := sh.browser().signIn("maya@example.com")
		counts[n] = map[string]int{}
		for _, path := range []string{"/", "/payments", "/payments?status=approved&q=order"} {
			b.get(path).wants(t, http.StatusOK)
			sent := 0
			sh.store.OnStatement(func(string) { sent++ })
			b.get(path).wants(t, http.StatusOK)
			sh.store.OnStatement(nil)
			counts[n][path] = sent
		}
	}
	for path, one := range counts[1] {
		if fifty := counts[50][path]; fifty != one || one == 0 || one > 8 {
			t.Errorf("%s sends %d statements for 1 row and %d for 50, want the same and at most 8", path, one, fifty)
		}
	}
}

func TestTheCSVIsTheListAndRunsNoFormula(t *testing.T) {
	sh := newShop(t)
	evil := []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx", "a,b \"c\"", "plain"}
	sh.seed(len(evil), func(i int, p *domain.Payment) {
		p.OrderReference = evil[i]
		if i == 7 {
			p.Status, p.Captured = domain.PaymentDeclined, money.Zero(gbp)
		}
	})
	b := sh.browser().signIn("maya@example.com")
	a := b.get("/payments.csv").wants(t, http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	if len(rows) != len(evil)+1 || strings.Join(rows[0], ",") != strings.Join(csvHeader, ",") {
		t.Fatalf("%d rows under %v", len(rows), rows[0])
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for i, row := range rows[1:] {
		want := evil[len(evil)-1-i]
		if len(want) > 1 && i >= 2 || strings.HasPrefix(want, "a,b") {
			if strings.ContainsRune("=+-@\t\r", rune(want[0])) {
				want = "'" + want
			}
		}
		if got := row[column["order_reference"]]; got != strings.ReplaceAll(want, "\r\n", "\n") && got != strings.ReplaceAll(want, "\r", "\n") {
			t.Errorf("order reference %q, want %q", got, want)
		}
		if got := row[column["amount"]]; !strings.HasPrefix(got, "10.0") {
			t.Errorf("the amount %q is not a number any more", got)
		}
		if at := row[column["created_at"]]; !strings.HasSuffix(at, "Z") {
			t.Errorf("the time %q is not in London's winter offset", at)
		}
	}
	a = b.get("/payments.csv?status=declined").wants(t, http.StatusOK)
	if rows, err = csv.NewReader(strings.NewReader(a.body)).ReadAll(); err != nil || len(rows) != 2 {
		t.Errorf("the filtered file has %d rows (%v), want 2", len(rows), err)
	}
	if d := a.Header.Get("Content-Disposition"); !strings.Contains(d, "payments-2026-11-20.csv") {
		t.Errorf("it is named %q", d)
	}
	if n := sh.count(`select count(*) from audit_log where action = 'payments.exported'`); n != 2 {
		t.Errorf("%d audit rows for 2 exports", n)
	}
}

func TestAFilterThatCannotBeMeantIsSaid(t *testing.T) {
	sh := newShop(t)
	sh.seed(1, nil)
	b := sh.browser().signIn("maya@example.com")
	for _, q := range []string{"status=paid", "from=yesterday", "to=2026-02-31", "from=2026-11-20&to=2026-11-19", "min=1,5", "max=x", "min=20.00&max=10.00",
		"currency=XXX", "connection=1", "after=zzz", "limit=201", "limit=0", "type=gift", "method=cash"} {
		a := b.get("/payments?" + q)
		if a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s is answered %d, want 422", q, a.StatusCode)
		}
		if a := b.get("/payments.csv?" + q); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("the CSV of %s is answered %d, want 422", q, a.StatusCode)
		}
	}
	for _, q := range []string{"", "status=approved", "status=approved&status=refunded", "from=2026-11-19&to=2026-11-19", "min=10.00&max=10.00", "q=1881", "limit=200", "type=refund", "type=sale", "method=card"} {
		b.get("/payments?"+q).wants(t, http.StatusOK)
	}
}

func TestAReferenceJumpsToItsPayment(t *testing.T) {
	sh := newShop(t)
	reference := ""
	sh.seed(3, func(i int, p *domain.Payment) {
		if i == 1 {
			reference = p.Reference
		}
	})
	b := sh.browser().signIn("maya@example.com")
	if to := b.get("/payments?q="+strings.ToLower(reference)).wants(t, http.StatusSeeOther).Header.Get("Location"); !strings.HasPrefix(to, "/payments/") {
		t.Errorf("leads to %q", to)
	}
}

func TestADatabaseThatGoesAwayIsACalmPage(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	form := sh.saleForm(b, "42.00")
	must(t, sh.store.Close())
	for _, path := range []string{"/payments", "/payments/new"} {
		a := b.get(path).wants(t, http.StatusServiceUnavailable)
		if !strings.Contains(a.body, a.Header.Get("X-Request-Id")) || strings.Contains(a.body, "sql") {
			t.Errorf("%s: the page lacks the request id or says too much", path)
		}
	}
	b.post("/payments", form).wants(t, http.StatusServiceUnavailable)
	b.get("/readyz").wants(t, http.StatusServiceUnavailable)
	b.get("/healthz").wants(t, http.StatusOK)
}

func TestTheCSVHasWhatBanksTookBackInAColumnOfItsOwn(t *testing.T) {
	sh := newShop(t)
	sh.seed(1, nil)
	sh.exec(`update payments set charged_back_minor = 250, refunded_minor = 100, status = 'disputed'`)
	a := sh.browser().signIn("maya@example.com").get("/payments.csv?status=disputed").wants(t, http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	if got["status"] != "disputed" || got["captured"] != "10.00" || got["refunded"] != "1.00" || got["charged_back"] != "2.50" {
		t.Errorf("the row is %v", got)
	}
}
