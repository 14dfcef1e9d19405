package handlers

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

// worklistRoutes are who may call the worklists.
var worklistRoutes = map[string]access{
	"GET /tips":                  {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"POST /tips":                 {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /preauths":              {roles: everybody},
	"GET /preauths.csv":          {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Analyst}},
	"POST /preauths/alerts/seen": {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}},
	"GET /payments/open":         {roles: everybody},
	"GET /reviews":               {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"GET /payments/:id/review":   {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
	"POST /payments/:id/review":  {roles: []domain.Role{domain.Owner, domain.Admin, domain.Manager}},
}

// newTipShop is a shop whose saved cards go through an acquirer that adjusts
// tips.
func newTipShop(t *testing.T) *shop {
	t.Helper()
	sh := newShop(t)
	conns := &connections.Service{Store: sh.store, Registry: providers.NewRegistry(handpoint.Registration()), Secrets: sh.sealer, Now: sh.clock.Now}
	actor := domain.Actor{MerchantID: sh.merchant}
	hp, err := conns.Create(t.Context(), actor, connections.NewConnection{Provider: "handpoint", Name: "Restaurant", BaseURL: sh.origin + sandboxhandpoint.BasePath,
		Settings: map[string]string{handpoint.SettingAcquirer: "TSYS"}, Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}})
	must(t, err)
	card, err := conns.AddCard(t.Context(), actor, hp.ID, sandboxhandpoint.TokenVisa, domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}, "Imogen Ware")
	must(t, err)
	sh.handpoint, sh.card = hp.ID, card.ID
	return sh
}

// sales takes some sales, a minute apart, and gives their references.
func (sh *shop) sales(b *browser, amounts ...string) []string {
	sh.t.Helper()
	var refs []string
	for _, a := range amounts {
		payment := sh.sell(b, a)
		refs = append(refs, strings.TrimSpace(b.get(payment).doc(sh.t).Find(".serial").First().Text()))
		sh.clock.Advance(time.Minute)
	}
	return refs
}

// tipForm opens the worksheet and gives its form as a browser would send it.
func tipForm(t *testing.T, b *browser, path string) url.Values {
	t.Helper()
	form := url.Values{}
	b.get(path).wants(t, http.StatusOK).doc(t).Find("form#tips").Find("input, textarea").Each(func(_ int, el *goquery.Selection) {
		name, _ := el.Attr("name")
		value, _ := el.Attr("value")
		if kind, _ := el.Attr("type"); kind != "checkbox" {
			form.Set(name, value)
		}
	})
	form.Set("do", "set")
	return form
}

// said is the text of a part of a page, its pieces parted by spaces.
func said(s *goquery.Selection) string {
	var out []string
	s.Each(func(_ int, one *goquery.Selection) {
		for n := range one.Nodes[0].Descendants() {
			if n.Type == 1 { // a text
				out = append(out, strings.Fields(n.Data)...)
			}
		}
	})
	return strings.Join(out, " ")
}

// rowOf is what the worksheet says in a sale's row, and in the line below it.
func rowOf(doc *goquery.Document, ref string) string {
	row := doc.Find("tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Find(".rowlink").Text() == ref })
	say := doc.Find("#say-" + ref)
	text := said(row)
	if _, hidden := say.Attr("hidden"); !hidden {
		text += " " + said(say)
	}
	return text
}

func (sh *shop) tipOf(ref string) int {
	return sh.count(`select tip_minor from payments where reference = $1`, ref)
}

func TestOnePressSetsManyTipsAndAgainMakesNothingTwice(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00", "30.00", "10.00")
	form := tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "5.00")
	form.Set("tip."+refs[1], "4.00")
	form.Set("tip."+refs[2], "0") // is none already: not sent
	a := b.post("/tips", form).wants(t, http.StatusSeeOther)
	doc := b.get(a.Header.Get("Location")).wants(t, http.StatusOK).doc(t)
	if got := strings.Join(strings.Fields(doc.Find("#results").Text()), " "); !strings.Contains(got, "2 tips are set.") {
		t.Errorf("the results say %q", got)
	}
	for i, want := range []string{"£5.00 £45.00 Set", "£4.00 £24.00 Set", "£0.00", "£0.00"} {
		if got := rowOf(doc, refs[i]); !strings.Contains(strings.ReplaceAll(got, "New tip of "+refs[i]+" ", ""), want) {
			t.Errorf("%s: the row says %q, want %q", refs[i], got, want)
		}
	}
	if foot := said(doc.Find("tfoot")); foot != "2 tips £100.00 £9.00 £9.00 £109.00" {
		t.Errorf("the sums are %q", foot)
	}
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 2 {
		t.Errorf("%d tips were sent, want 2", n)
	}
	again := b.post("/tips", form).wants(t, http.StatusSeeOther)
	if again.Header.Get("Location") != a.Header.Get("Location") {
		t.Errorf("the second press leads to %s", again.Header.Get("Location"))
	}
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 2 {
		t.Errorf("after the second press %d tips were sent, want 2", n)
	}
	// The last one wins, and an untouched row is not sent.
	form = tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "3.00")
	b.post("/tips", form).wants(t, http.StatusSeeOther)
	if one, two := sh.tipOf(refs[0]), sh.tipOf(refs[1]); one != 300 || two != 400 {
		t.Errorf("the tips are %d and %d, want 300 and 400", one, two)
	}
	if n := sh.count(`select captured_minor from payments where reference = $1`, refs[0]); n != 4300 {
		t.Errorf("captured %d, want 4300", n)
	}
}

func TestEachRowOfAPressHasItsOwnOutcome(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00", "30.00")
	form := tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "5.00")
	form.Set("tip."+refs[1], "2.00")
	form.Set("tip."+refs[2], "1.00")
	// One batch is closed behind the page's back, one answer is lost.
	sh.exec(`update payments set batch_closed_at = now() where reference = $1`, refs[1])
	guid := ""
	must(t, sh.db.Owner(t).QueryRow(`select x.provider_ref from transactions x join payments p on p.id = x.payment_id where p.reference = $1`, refs[2]).Scan(&guid))
	must(t, sh.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter, Path: guid}))
	a := b.post("/tips", form).wants(t, http.StatusSeeOther)
	doc := b.get(a.Header.Get("Location")).wants(t, http.StatusOK).doc(t)
	for i, want := range []string{"Set", "Not sent " + domain.DeniedBatchClosed.Words(), "Being checked"} {
		if got := rowOf(doc, refs[i]); !strings.Contains(got, want) {
			t.Errorf("%s: the row says %q, want %q", refs[i], got, want)
		}
	}
	results := strings.Join(strings.Fields(doc.Find("#results").Text()), " ")
	for _, want := range []string{"1 tip is set.", "1 tip is being checked", "1 tip was not sent"} {
		if !strings.Contains(results, want) {
			t.Errorf("the results %q do not say %q", results, want)
		}
	}
	// Its batch is closed, so the row stays in sight and has no field any more.
	if doc.Find("#tip-"+refs[1]).Length() != 0 {
		t.Error("a sale whose batch is closed still has a field")
	}
	// The same press again sends nothing.
	b.post("/tips", form).wants(t, http.StatusSeeOther)
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 2 {
		t.Errorf("%d tips were sent, want 2", n)
	}
}

func TestATipIsRefusedOnceItsBatchIsClosed(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00")
	form := tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "5.00")
	var marked int
	must(t, sh.store.InTenant(t.Context(), sh.merchant, func(tx *store.Tx) error {
		id, err := tx.PaymentIDByReference(t.Context(), refs[0])
		if err != nil {
			return err
		}
		for range 2 {
			n, err := tx.MarkBatchClosed(t.Context(), []domain.PaymentID{id}, sh.clock.Now())
			if err != nil {
				return err
			}
			marked += n
		}
		return nil
	}))
	if marked != 1 {
		t.Errorf("%d payments were marked, want 1", marked)
	}
	b.post("/tips", form).wants(t, http.StatusSeeOther)
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 0 {
		t.Errorf("%d tips were sent after the batch was closed", n)
	}
	doc := b.get("/tips").doc(t)
	if got := rowOf(doc, refs[0]); !strings.Contains(got, "Its batch is closed") {
		t.Errorf("the row says %q", got)
	}
	if doc.Find("#tip-"+refs[0]).Length() != 0 || doc.Find("#tip-"+refs[1]).Length() != 1 {
		t.Error("the wrong rows have fields")
	}
}

func TestALargeTipMustBeMeant(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00")
	form := tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "8.01")
	form.Set("tip."+refs[1], "4.00") // a fifth exactly
	a := b.post("/tips", form).wants(t, http.StatusUnprocessableEntity)
	doc := a.doc(t)
	if got := rowOf(doc, refs[0]); !strings.Contains(got, "£8.01 is more than 20 % of £40.00.") || !strings.Contains(got, "It is meant") {
		t.Errorf("the row says %q", got)
	}
	if got := rowOf(doc, refs[1]); strings.Contains(got, "20 %") {
		t.Errorf("a fifth is called large: %q", got)
	}
	if v, _ := doc.Find("#tip-" + refs[1]).Attr("value"); v != "4.00" {
		t.Errorf("the other row came back with %q", v)
	}
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 0 {
		t.Errorf("%d tips were sent with a wrong form", n)
	}
	form.Set("confirm."+refs[0], "yes")
	b.post("/tips", form).wants(t, http.StatusSeeOther)
	if one, two := sh.tipOf(refs[0]), sh.tipOf(refs[1]); one != 801 || two != 400 {
		t.Errorf("the tips are %d and %d", one, two)
	}
}

func TestAWorksheetThatCannotBeMeantIsSentBackWhole(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00")
	for _, typed := range []string{"1,50", "1.5", "-1.00", "1e2", "£", "99999999999999999999"} {
		form := tipForm(t, b, "/tips")
		form.Set("tip."+refs[0], typed)
		form.Set("tip."+refs[1], "1.00")
		doc := b.post("/tips", form).wants(t, http.StatusUnprocessableEntity).doc(t)
		field := doc.Find("#tip-" + refs[0])
		if v, _ := field.Attr("value"); v != typed {
			t.Errorf("%q comes back as %q", typed, v)
		}
		if bad, _ := field.Attr("aria-invalid"); bad != "true" {
			t.Errorf("%q: the field is not marked", typed)
		}
		if !strings.Contains(doc.Find("[data-error-summary]").Text(), "Nothing was sent.") {
			t.Errorf("%q: the summary says %q", typed, doc.Find("[data-error-summary]").Text())
		}
	}
	form := tipForm(t, b, "/tips")
	b.post("/tips", form).wants(t, http.StatusUnprocessableEntity) // nothing changed
	form.Set("tip.ZZZZZZZZ", "1.00")
	b.post("/tips", form).wants(t, http.StatusUnprocessableEntity)
	form = tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "1.00")
	form.Set("key."+refs[0], "none")
	b.post("/tips", form).wants(t, http.StatusUnprocessableEntity)
	form.Set("merchant_id."+refs[0], "1")
	b.post("/tips", form).wants(t, http.StatusBadRequest)
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 0 {
		t.Errorf("%d tips were sent", n)
	}
	for _, q := range []string{"date=yesterday", "connection=1", "after=zzz"} {
		b.get("/tips?"+q).wants(t, http.StatusUnprocessableEntity)
	}
	b.get("/tips?sheet=1").wants(t, http.StatusNotFound)
}

func TestPastedCellsArePutIntoTheFieldsAndNothingIsSent(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00", "30.00")
	form := tipForm(t, b, "/tips")
	form.Set("do", "paste")
	form.Set("tip."+refs[2], "2.50")
	form.Set("paste", "Reference\tTip\n"+refs[1]+"\t£3.00\n"+strings.ToLower(refs[0])+"\t4,00\nZZZZZZZZ\t1.00\n")
	doc := b.post("/tips", form).wants(t, http.StatusOK).doc(t)
	for i, want := range []string{"", "3.00", "2.50"} {
		if got, _ := doc.Find("#tip-" + refs[i]).Attr("value"); got != want {
			t.Errorf("%s holds %q, want %q", refs[i], got, want)
		}
	}
	page := strings.Join(strings.Fields(doc.Find("main").Text()), " ")
	for _, want := range []string{"1 tip was put into its field.", "nothing was sent yet", "2 lines were not taken", "Line 3: " + refs[0] + ": Write the amount with digits and a point, without commas", "Line 4: There is no sale “ZZZZZZZZ”", "Set 2 tips"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 0 {
		t.Errorf("%d tips were sent", n)
	}
	// One column goes down the rows from where it was pasted.
	form = tipForm(t, b, "/tips")
	form.Set("do", "paste")
	form.Set("paste", "1.00\n2.00\n")
	form.Set("paste_at", refs[1])
	doc = b.post("/tips", form).wants(t, http.StatusOK).doc(t)
	for i, want := range []string{"", "1.00", "2.00"} {
		if got, _ := doc.Find("#tip-" + refs[i]).Attr("value"); got != want {
			t.Errorf("%s holds %q, want %q", refs[i], got, want)
		}
	}
}

func TestTheWorksheetIsOfItsDayItsConnectionAndItsMerchant(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00")
	ours := sh.merchant
	sh.merchant = sh.addMerchant("Market Hall")
	sh.addUser("thief@example.com", domain.Owner)
	sh.merchant = ours
	thief := sh.browser().signIn("thief@example.com")
	if a := thief.get("/tips"); strings.Contains(a.body, refs[0]) {
		t.Error("another merchant's worksheet shows our sale")
	}
	form := tipForm(t, b, "/tips")
	form.Set("tip."+refs[0], "1.00")
	form.Set("_csrf", thief.token("/account"))
	thief.post("/tips", form).wants(t, http.StatusUnprocessableEntity)
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 0 {
		t.Errorf("%d tips were sent for another merchant", n)
	}
	if a := b.get("/tips?date=2026-11-19"); strings.Contains(a.body, refs[0]) {
		t.Error("yesterday's worksheet shows today's sale")
	}
	if a := b.get("/tips?connection=" + sh.cardflo.String()); strings.Contains(a.body, refs[0]) {
		t.Error("another connection's worksheet shows it")
	}
	if a := b.get("/tips?date=2026-11-20&connection="+sh.handpoint.String()).wants(t, http.StatusOK); !strings.Contains(a.body, refs[0]) {
		t.Error("its own worksheet does not show it")
	}
	// A sale that another system took stands there with the reason.
	cardflo := strings.TrimPrefix(sh.seedWith(domain.Payment{ConnectionID: sh.cardflo, CreatedAt: sh.clock.Now()}, domain.Sale), "/payments/")
	if got := b.get("/tips").doc(t).Find(`a[href="/payments/` + cardflo + `"]`).Closest("tr").Text(); !strings.Contains(got, domain.DeniedCapability.Words()) {
		t.Errorf("the row of a system without tips says %q", got)
	}
}

// seedWith writes one approved payment with its first transaction into the
// store, and gives its address.
func (sh *shop) seedWith(p domain.Payment, kind domain.TransactionType) string {
	sh.t.Helper()
	amount := money.FromMinor(5000, gbp)
	p.ID, p.Reference, p.Kind, p.Status, p.Method, p.Amount = domain.NewPaymentID(), domain.NewReference(), kind, domain.PaymentApproved, domain.MethodCard, amount
	if p.ConnectionID.IsZero() {
		p.ConnectionID = sh.handpoint
	}
	p.Captured, p.Refunded, p.Held = amount, money.Zero(gbp), money.Zero(gbp)
	p.OrderReference, p.Card, p.CreatedBy, p.CreatedByName = "Room 12", domain.Card{Brand: "Visa", Last4: "1881"}, sh.user, "Maya"
	x := domain.Transaction{ID: domain.NewTransactionID(), PaymentID: p.ID, ConnectionID: p.ConnectionID, Reference: p.Reference, Type: kind, Status: domain.TxApproved, Amount: amount,
		AttemptRef: uuid.NewString(), ProviderRef: uuid.NewString(), CreatedBy: sh.user, CreatedName: "Maya", CreatedAt: p.CreatedAt, LastSendAt: p.CreatedAt, SettledAt: p.CreatedAt, ExpiresAt: p.ExpiresAt}
	must(sh.t, sh.store.InTenant(context.Background(), sh.merchant, func(tx *store.Tx) error {
		if err := tx.InsertPayment(context.Background(), p); err != nil {
			return err
		}
		if err := tx.InsertTransaction(context.Background(), x); err != nil {
			return err
		}
		return tx.KeepBooks(context.Background(), p.ID, p.CreatedAt)
	}))
	return "/payments/" + p.ID.String()
}

// hold writes an open hold that lapses after some time; zero: nobody knows when.
func (sh *shop) hold(left time.Duration) string {
	p := domain.Payment{ConnectionID: sh.cardflo, CreatedAt: sh.clock.Now().Add(-48 * time.Hour)}
	if left != 0 {
		p.ExpiresAt = sh.clock.Now().Add(left)
	}
	return sh.seedWith(p, domain.Preauth)
}

// rowPaths are the payments of a list in the order of its rows.
func rowPaths(doc *goquery.Document) []string {
	return doc.Find("tbody .rowlink").Map(func(_ int, s *goquery.Selection) string { href, _ := s.Attr("href"); return href })
}

func TestTheRadarShowsWhatLapsesFirstAtTheTop(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	never, week, hours, gone := sh.hold(0), sh.hold(7*24*time.Hour), sh.hold(5*time.Hour), sh.hold(-time.Hour)
	sh.sell(b, "42.00") // no hold
	doc := b.get("/preauths").wants(t, http.StatusOK).doc(t)
	if got, want := fmt.Sprint(rowPaths(doc)), fmt.Sprint([]string{gone, hours, week, never}); got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
	rows := doc.Find("tbody tr")
	for i, want := range []string{"lapsed", "5 hours left", "7 days left", "Not known"} {
		if got := rows.Eq(i).Text(); !strings.Contains(got, want) || !strings.Contains(got, "2 days") {
			t.Errorf("row %d says %q, want %q", i, got, want)
		}
		if urgent := rows.Eq(i).Find("td .urgent").Length() > 0; urgent != (i < 2) {
			t.Errorf("row %d has the warning colour: %v", i, urgent)
		}
	}
	if links := rows.Eq(1).Find(".rowacts a").Map(func(_ int, s *goquery.Selection) string { href, _ := s.Attr("href"); return s.Text() + " " + href }); len(links) < 2 ||
		links[0] != "Capture "+hours+"/capture?next=%2Fpreauths" {
		t.Errorf("the row's links are %v", links)
	}
	// What has lapsed is in no sum and is named.
	sums := said(doc.Find("[aria-label='Held in all']"))
	if !strings.Contains(sums, "Held on 3 cards £150.00") || !strings.Contains(sums, "Not counted: 1 hold of £50.00 whose time has lapsed.") {
		t.Errorf("the sums say %q", sums)
	}
	// So is what has no outcome.
	sh.exec(`update payments set status = 'unknown' where id = $1`, strings.TrimPrefix(never, "/payments/"))
	if sums = b.get("/preauths").doc(t).Find("[aria-label='Held in all']").Text(); !strings.Contains(sums, "£100.00") || !strings.Contains(sums, "1 hold of £50.00 with no outcome yet") {
		t.Errorf("the sums say %q", sums)
	}
	for q, want := range map[string]int{"within=1": 2, "within=30": 3, "connection=" + sh.handpoint.String(): 0, "currency=GBP": 4, "currency=EUR": 0} {
		if got := len(rowPaths(b.get("/preauths?"+q).wants(t, http.StatusOK).doc(t))); got != want {
			t.Errorf("%s shows %d holds, want %d", q, got, want)
		}
	}
	for _, q := range []string{"within=soon", "within=-1", "within=366", "connection=1", "currency=XXX", "after=zzz"} {
		b.get("/preauths?"+q).wants(t, http.StatusUnprocessableEntity)
		b.get("/preauths.csv?"+q).wants(t, http.StatusUnprocessableEntity)
	}
	rows2, err := csv.NewReader(strings.NewReader(b.get("/preauths.csv").wants(t, http.StatusOK).body)).ReadAll()
	must(t, err)
	if len(rows2) != 5 || rows2[1][4] != "50.00" || rows2[4][6] != "" {
		t.Errorf("the file has the rows %v", rows2)
	}
	if n := sh.count(`select count(*) from audit_log where action = 'holds.exported'`); n != 1 {
		t.Errorf("%d audit rows for one export", n)
	}
}

// TestAnalystsLookAndTouchNothing: no door that would be answered 403.
func TestTheRadarOffersNothingToWhoMayOnlyLook(t *testing.T) {
	sh := newShop(t)
	sh.hold(5 * time.Hour)
	sh.addUser("ana@example.com", domain.Analyst)
	doc := sh.browser().signIn("ana@example.com").get("/preauths").wants(t, http.StatusOK).doc(t)
	if n := doc.Find(".rowacts a").Length(); n != 0 {
		t.Errorf("%d links to forms", n)
	}
	if got := doc.Find("tbody").Text(); !strings.Contains(got, domain.DeniedRole.Words()) {
		t.Errorf("the row does not say why: %q", got)
	}
}

// walk follows a list's pages to its end and back, and fails unless both ways
// show every row once.
func walk(t *testing.T, b *browser, path string, want int) {
	t.Helper()
	seen := map[string]int{}
	pages, last := 0, ""
	for next := path; next != ""; pages++ {
		doc := b.get(next).wants(t, http.StatusOK).doc(t)
		for _, p := range rowPaths(doc) {
			seen[p]++
		}
		last = next
		next, _ = doc.Find(".pager a[rel=next]").Attr("href")
	}
	if len(seen) != want || pages < 2 {
		t.Errorf("%s: %d different rows on %d pages, want %d", path, len(seen), pages, want)
	}
	for p, n := range seen {
		if n != 1 {
			t.Errorf("%s: %s stands there %d times", path, p, n)
		}
	}
	back := 1
	for at := last; at != ""; back++ {
		at, _ = b.get(at).wants(t, http.StatusOK).doc(t).Find(".pager a[rel=prev]").Attr("href")
	}
	if back-1 != pages {
		t.Errorf("%s: %d pages forth, %d back", path, pages, back-1)
	}
}

func TestTheWorklistsPageByPlace(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	for i := range 101 {
		left := time.Duration(1+i/2) * time.Hour // two of each moment
		if i%10 == 9 {
			left = 0
		}
		sh.hold(left)
	}
	walk(t, b, "/preauths", 101)
	sh.exec(`update payments set review = 'waiting'`)
	walk(t, b, "/reviews", 101)
	sh.exec(`update transactions set status = case when attempt_ref::text < '8' then 'needs_person' else 'unknown' end, settled_at = null, next_ask_at = now()`)
	walk(t, b, "/payments/open", 101)
	doc := b.get("/payments/open").doc(t)
	people := true
	doc.Find("tbody tr").Each(func(_ int, row *goquery.Selection) {
		person := strings.Contains(row.Text(), "Needs a person")
		if person && !people {
			t.Error("what needs a person stands below what does not")
		}
		people = person
	})
	for range 203 {
		sh.seedWith(domain.Payment{CreatedAt: sh.clock.Now()}, domain.Sale) // all of one moment
	}
	walk(t, b, "/tips", 203)
}

func TestAWorklistSendsAsManyStatementsForManyRowsAsForOne(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	count := func() map[string]int {
		out := map[string]int{}
		for _, path := range []string{"/tips", "/preauths", "/payments/open", "/reviews"} {
			b.get(path).wants(t, http.StatusOK)
			sent := 0
			sh.store.OnStatement(func(string) { sent++ })
			doc := b.get(path).wants(t, http.StatusOK).doc(t)
			sh.store.OnStatement(nil)
			out[path] = sent
			if len(rowPaths(doc)) == 0 {
				t.Errorf("%s has no rows", path)
			}
		}
		return out
	}
	fill := func(n int) {
		for range n {
			sh.seedWith(domain.Payment{CreatedAt: sh.clock.Now()}, domain.Sale)
			sh.hold(time.Hour)
		}
		sh.exec(`update payments set review = 'waiting' where kind = 'preauth'`)
		sh.exec(`update transactions set status = 'unknown', settled_at = null where type = 'preauth'`)
	}
	fill(1)
	one := count()
	fill(199)
	many := count()
	for path := range one {
		if one[path] != many[path] || one[path] == 0 || one[path] > 8 {
			t.Errorf("%s sends %d statements for 1 row and %d for many", path, one[path], many[path])
		}
	}
}

func TestAHoldIsToldOfOnceThreeDaysAndOnceOneDayBeforeItLapses(t *testing.T) {
	sh := newShop(t)
	soon, captured := sh.hold(4*24*time.Hour), sh.hold(4*24*time.Hour)
	sh.hold(0)
	alert := func() {
		for range 2 { // once, however often it is looked for
			if _, err := sh.svc.AlertHolds(t.Context(), sh.merchant); err != nil {
				t.Fatal(err)
			}
		}
	}
	alerts := func() string {
		rows, err := sh.db.Owner(t).Query(`select kind || ' ' || count(*) from alerts group by kind order by kind`)
		must(t, err)
		defer rows.Close()
		var out []string
		for rows.Next() {
			var s string
			must(t, rows.Scan(&s))
			out = append(out, s)
		}
		return strings.Join(out, ", ")
	}
	alert()
	if got := alerts(); got != "" {
		t.Errorf("four days before: %s", got)
	}
	sh.clock.Advance(25 * time.Hour)
	b := sh.browser().signIn("maya@example.com")
	alert()
	if got := alerts(); got != "hold_lapses_3d 2" {
		t.Errorf("within three days: %s", got)
	}
	if page := b.get("/").doc(t).Find("main").Text(); !strings.Contains(page, "2 holds lapse within 3 days") {
		t.Error("the overview does not tell of them")
	}
	// One that was captured is no news any more.
	sh.exec(`update payments set authorised_minor = 0 where id = $1`, strings.TrimPrefix(captured, "/payments/"))
	if page := b.get("/preauths").doc(t).Find("main").Text(); !strings.Contains(page, "1 hold lapses within 3 days.") {
		t.Error("the radar does not tell of the one that is left")
	}
	b.post("/preauths/alerts/seen", url.Values{"_csrf": {b.token("/account")}}).wants(t, http.StatusSeeOther)
	if page := b.get("/").doc(t).Find("main").Text(); strings.Contains(page, "within 3 days") {
		t.Error("the overview still tells of what somebody has seen")
	}
	sh.clock.Advance(49 * time.Hour)
	b = sh.browser().signIn("maya@example.com")
	alert()
	if got := alerts(); got != "hold_lapses_1d 1, hold_lapses_3d 2" {
		t.Errorf("within a day: %s", got)
	}
	if page := b.get("/").doc(t).Find("main").Text(); !strings.Contains(page, "1 hold lapses within 3 days") {
		t.Error("the last call does not bring it back")
	}
	sh.clock.Advance(48 * time.Hour)
	alert()
	if n := sh.count(`select count(*) from alerts where payment_id = $1`, strings.TrimPrefix(soon, "/payments/")); n != 2 {
		t.Errorf("%d alerts of one hold, want 2", n)
	}
}

func TestAnOperationWithoutAnEndSaysWhatIsDoneAndCanBeAskedFor(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	must(t, sh.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter}))
	payment := sh.sell(b, "42.00")
	sh.clock.Advance(5 * time.Minute)
	doc := b.get("/payments/open").wants(t, http.StatusOK).doc(t)
	row := strings.Join(strings.Fields(doc.Find("tbody tr").Text()), " ")
	for _, want := range []string{"Outcome unknown", "5 minutes", "Sale", "£42.00", "a person takes over at 21 Nov 2026"} {
		if !strings.Contains(row, want) {
			t.Errorf("the row %q does not say %q", row, want)
		}
	}
	if head := doc.Find(".head").Text(); !strings.Contains(head, "1 with an unknown outcome") {
		t.Errorf("the head says %q", head)
	}
	if href, _ := b.get("/").doc(t).Find(`a[href="/payments/open"]`).Attr("href"); href == "" {
		t.Error("the overview does not lead there")
	}
	form := doc.Find(`tbody form[action="` + payment + `/check"]`)
	value := func(name string) string {
		v, _ := form.Find(`input[name="` + name + `"]`).Attr("value")
		return v
	}
	a := b.post(payment+"/check", url.Values{"_csrf": {value("_csrf")}, "next": {value("next")}}).wants(t, http.StatusSeeOther)
	if to := a.Header.Get("Location"); to != "/payments/open" {
		t.Errorf("asking leads to %s", to)
	}
	if page := b.get("/payments/open").doc(t).Find("main").Text(); !strings.Contains(page, "Everything has an outcome") {
		t.Error("the outcome is known and the operation still stands there")
	}
	a = b.post(payment+"/check", url.Values{"_csrf": {value("_csrf")}, "next": {"//evil.example"}}).wants(t, http.StatusSeeOther)
	if to := a.Header.Get("Location"); to != payment {
		t.Errorf("a foreign address leads to %s", to)
	}
}

// review sells through the system whose risk check says REVIEW.
func (sh *shop) review(b *browser) string {
	sh.t.Helper()
	taken, err := sh.svc.Take(context.Background(), domain.Actor{UserID: sh.user, Name: "Maya", MerchantID: sh.merchant, Role: domain.Manager},
		payments.TakeInput{Key: payments.NewKey(), ConnectionID: sh.cardflo, Method: domain.MethodFrame, Amount: money.FromMinor(9900, gbp), OrderReference: "Hamper 2261",
			CardToken: sandboxcardflo.TokenReview, Card: domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}})
	must(sh.t, err)
	return "/payments/" + taken.PaymentID.String()
}

func TestAReviewWaitsForAPersonWhoSaysWhyItIsKept(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.review(b)
	sh.sell(b, "42.00")
	if page := b.get("/").doc(t).Find("main").Text(); !strings.Contains(page, "1 payment to review") {
		t.Error("the overview does not tell of it")
	}
	if got := rowPaths(b.get("/reviews").wants(t, http.StatusOK).doc(t)); fmt.Sprint(got) != "["+payment+"]" {
		t.Errorf("the queue holds %v", got)
	}
	if page := b.get(payment).doc(t).Find("main").Text(); !strings.Contains(page, "A person must look at this payment") {
		t.Error("the payment's page says nothing of it")
	}
	post := func(note, next string) answer {
		return b.post(payment+"/review", url.Values{"_csrf": {b.token("/account")}, "note": {note}, "next": {next}})
	}
	for _, note := range []string{"", "  ok      ", "123456789", strings.Repeat("x", 501), "Card 4111 1111 1111 1111"} {
		doc := post(note, "/reviews").wants(t, http.StatusUnprocessableEntity).doc(t)
		if len(note) < 400 && doc.Find("textarea[name=note]").Text() != note {
			t.Errorf("%q comes back as %q", note, doc.Find("textarea[name=note]").Text())
		}
		if v, _ := doc.Find("input[name=next]").Attr("value"); v != "/reviews" {
			t.Errorf("where it came from is lost: %q", v)
		}
	}
	if to := post("Known customer, called back", "/reviews").wants(t, http.StatusSeeOther).Header.Get("Location"); to != "/reviews" {
		t.Errorf("leads to %s", to)
	}
	if got := rowPaths(b.get("/reviews").doc(t)); len(got) != 0 {
		t.Errorf("the queue still holds %v", got)
	}
	if page := b.get(payment).doc(t).Find("main").Text(); !strings.Contains(page, "Known customer, called back") || strings.Contains(page, "must look") {
		t.Error("the payment's page does not say who kept it and why")
	}
	post("Known customer, called back", "").wants(t, http.StatusConflict)
	if n := sh.count(`select count(*) from audit_log where action = 'payment.review.cleared'`); n != 1 {
		t.Errorf("%d audit rows, want 1", n)
	}
	if n := sh.count(`select captured_minor from payments where id = $1`, strings.TrimPrefix(payment, "/payments/")); n != 9900 {
		t.Errorf("captured %d", n)
	}
}

func TestGivingAllOfItBackEndsItsReview(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	actor := domain.Actor{UserID: sh.user, Name: "Maya", MerchantID: sh.merchant, Role: domain.Manager}
	act := func(payment string, act domain.Action, minor int64) {
		id, err := domain.ParsePaymentID(strings.TrimPrefix(payment, "/payments/"))
		must(t, err)
		_, err = sh.svc.Act(t.Context(), actor, payments.ActInput{Key: payments.NewKey(), PaymentID: id, Action: act, Amount: money.FromMinor(minor, gbp), Reason: "goodwill"})
		if err != nil {
			t.Fatal(err, domain.FieldsOf(err))
		}
	}
	state := func(payment string) (s string) {
		must(t, sh.db.Owner(t).QueryRow(`select review from payments where id = $1`, strings.TrimPrefix(payment, "/payments/")).Scan(&s))
		return s
	}
	refunded, voided := sh.review(b), sh.sell(b, "42.00")
	sh.exec(`update payments set review = 'waiting' where id = $1`, strings.TrimPrefix(voided, "/payments/")) // only the other system can void
	act(refunded, domain.ActRefund, 900)
	if got := state(refunded); got != "waiting" {
		t.Errorf("after a part was refunded: %q", got)
	}
	act(refunded, domain.ActRefund, 9000)
	act(voided, domain.ActVoid, 0)
	for name, p := range map[string]string{"refunded": refunded, "voided": voided} {
		if got := state(p); got != "cleared" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if page := b.get(voided).doc(t).Find("main").Text(); !strings.Contains(page, "It was voided.") {
		t.Error("the page does not say why nobody needs to look")
	}
}

func TestAForeignReviewIsAnsweredLikeOneThatIsNotThere(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.review(b)
	ours := sh.merchant
	sh.merchant = sh.addMerchant("Market Hall")
	sh.addUser("thief@example.com", domain.Owner)
	sh.merchant = ours
	thief := sh.browser().signIn("thief@example.com")
	thief.get(payment+"/review").wants(t, http.StatusNotFound)
	thief.post(payment+"/review", url.Values{"_csrf": {thief.token("/account")}, "note": {"It is fine with me"}}).wants(t, http.StatusNotFound)
	for _, path := range []string{"/reviews", "/payments/open", "/preauths"} {
		if strings.Contains(thief.get(path).wants(t, http.StatusOK).body, payment) {
			t.Errorf("%s shows another merchant's payment", path)
		}
	}
}

// TestParallelPressesOfOneWorksheetSetEachTipOnce: two tabs, a double press, a
// browser that sends again.
func TestParallelPressesOfOneWorksheetSetEachTipOnce(t *testing.T) {
	sh := newTipShop(t)
	b := sh.browser().signIn("maya@example.com")
	refs := sh.sales(b, "40.00", "20.00", "30.00")
	form := tipForm(t, b, "/tips")
	for i, ref := range refs {
		form.Set("tip."+ref, fmt.Sprintf("%d.00", i+1))
	}
	other := tipForm(t, b, "/tips") // another tab: another press, the same keys of rows
	for i, ref := range refs {
		other.Set("tip."+ref, fmt.Sprintf("%d.00", i+1))
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			b.post("/tips", []url.Values{form, other}[i%2])
		})
	}
	wg.Wait()
	if n := sh.count(`select count(*) from transactions where type = 'tip_adjustment'`); n != 3 {
		t.Errorf("%d tips were sent, want 3", n)
	}
	for i, ref := range refs {
		if got := sh.tipOf(ref); got != (i+1)*100 {
			t.Errorf("the tip of %s is %d", ref, got)
		}
	}
}
