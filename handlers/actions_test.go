package handlers

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

// actionMatrix are who may call the forms of the actions.
var actionMatrix = func() map[string]access {
	till, back := []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Cashier}, []domain.Role{domain.Owner, domain.Admin, domain.Manager}
	out := map[string]access{"GET /payments/:id/provider": {roles: everybody}, "POST /payments/:id/provider": {roles: till},
		"GET /payments/:id/settle": {roles: back}, "POST /payments/:id/settle": {roles: back}}
	for path, roles := range map[string][]domain.Role{"capture": till, "increase": till, "decrease": till, "tip": till, "void": back, "void-refund": back} {
		out["GET /payments/:id/"+path], out["POST /payments/:id/"+path] = access{roles: roles}, access{roles: roles}
	}
	return out
}()

func init() { maps.Copy(paymentRoutes, actionMatrix) }

// offers changes a connection's settings, as its form would.
func (sh *shop) offers(id domain.ConnectionID, settings string) {
	sh.t.Helper()
	sh.exec(`update connections set settings = settings || $2::jsonb where id = $1`, id.String(), settings)
}

// heldAt is a payment that holds a sum at Cardflo: there and in our books.
func (sh *shop) heldAt(minor int64) string {
	sh.t.Helper()
	ctx, now, amount := context.Background(), sh.clock.Now(), money.FromMinor(minor, gbp)
	attempt, ref := uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", "")[:20]
	must(sh.t, sh.sandbox.Cardflo.Adopt(sandboxcardflo.SandboxKey, []kit.Charge{{Kind: "preauth", ID: ref, Reference: attempt, AmountMinor: minor, Currency: "GBP", At: time.Now()}}))
	zero := money.Zero(gbp)
	p := domain.Payment{ID: domain.NewPaymentID(), ConnectionID: sh.cardflo, Reference: domain.NewReference(), Kind: domain.Preauth, Status: domain.PaymentProcessing, Method: domain.MethodPage,
		Amount: amount, Captured: zero, Refunded: zero, Held: zero, OrderReference: "Room 12", Card: domain.Card{Brand: "Visa", Last4: "1111"}, CreatedBy: sh.user, CreatedByName: "Maya",
		CreatedAt: now, ExpiresAt: now.Add(5 * 24 * time.Hour)}
	x := domain.Transaction{ID: domain.NewTransactionID(), PaymentID: p.ID, ConnectionID: sh.cardflo, Reference: p.Reference, Type: domain.Preauth, Status: domain.TxApproved, Amount: amount,
		AttemptRef: attempt, ProviderRef: ref, CreatedBy: sh.user, CreatedName: "Maya", CreatedAt: now, LastSendAt: now, SettledAt: now, ExpiresAt: p.ExpiresAt}
	must(sh.t, sh.store.InTenant(ctx, sh.merchant, func(tx *store.Tx) error {
		if err := tx.InsertPayment(ctx, p); err != nil {
			return err
		}
		if err := tx.InsertTransaction(ctx, x); err != nil {
			return err
		}
		return tx.KeepBooks(ctx, p.ID, now)
	}))
	return "/payments/" + p.ID.String()
}

// actionOf opens an action's page and fills its form.
func (sh *shop) actionOf(b *browser, payment, act string, edit url.Values) url.Values {
	sh.t.Helper()
	doc := b.get(payment+"/"+act).wants(sh.t, http.StatusOK).doc(sh.t)
	out := url.Values{}
	for _, n := range doc.Find("#" + act + "-form input").EachIter() {
		if kind := n.AttrOr("type", ""); kind != "checkbox" {
			out.Set(n.AttrOr("name", ""), n.AttrOr("value", ""))
		}
	}
	if out.Get("_key") == "" {
		sh.t.Fatalf("%s/%s has no form", payment, act)
	}
	maps.Copy(out, edit)
	return out
}

// forged is a form that no page offers, with a key of the right shape.
func forged(b *browser, edit url.Values) url.Values {
	out := url.Values{"_csrf": {b.token("/account")}, "_key": {uuid.NewString()}}
	maps.Copy(out, edit)
	return out
}

// charges counts what an emulator booked of one kind.
func charges(e interface{ State() kit.State }, kind string) (n int, minor int64) {
	for _, c := range e.State().Charges {
		if c.Kind == kind && c.Approved {
			n, minor = n+1, minor+c.AmountMinor
		}
	}
	return n, minor
}

func TestEveryActionOfAHoldGoesThroughOnce(t *testing.T) {
	sh := newShop(t)
	sh.offers(sh.cardflo, `{"partialVoid": "yes"}`)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.heldAt(9260)
	for _, tt := range []struct {
		act  string
		edit url.Values
		says []string
	}{
		{"increase", url.Values{"amount": {"20.00"}, "note": {"one more night"}}, []string{"The hold was increased by £20.00.", "Hold increased", "one more night", "Authorised, not taken£112.60"}},
		{"decrease", url.Values{"amount": {"12.60"}}, []string{"Hold decreased", "Authorised, not taken£100.00", "5 days left"}},
		{"capture", url.Values{"amount": {"70.00"}, "tip": {"5.00"}}, []string{"Captured £70.00.", "£5.00 of it is a tip.", "Authorised, not taken£30.00", "Captured£70.00", "Tip in it£5.00", "Can be refunded now£70.00"}},
		{"capture", url.Values{"amount": {"10.00"}, "final": {"yes"}}, []string{"Captured£80.00", "Authorised, not taken£0.00", "What was left of the hold was given back."}},
	} {
		form := sh.actionOf(b, payment, tt.act, tt.edit)
		for range 2 {
			if to := b.post(payment+"/"+tt.act, form).wants(t, http.StatusSeeOther).Header.Get("Location"); to != payment {
				t.Errorf("%s leads to %s", tt.act, to)
			}
		}
		page := strings.Join(strings.Fields(b.get(payment).body), " ")
		words := mainText(t, b.get(payment))
		for _, want := range tt.says {
			if !strings.Contains(words, want) && !strings.Contains(page, want) {
				t.Errorf("after %s %v the page does not say %q: %s", tt.act, tt.edit, want, words)
			}
		}
	}
	for kind, want := range map[string]struct {
		n     int
		minor int64
	}{"increment": {1, 2000}, "capture": {2, 8000}} {
		if n, minor := charges(sh.sandbox.Cardflo, kind); n != want.n || minor != want.minor {
			t.Errorf("the provider made %d of %s, %d minor units in all", n, kind, minor)
		}
	}
	if n := sh.count(`select count(*) from audit_log where action like 'payment.%.settled' and result = 'approved'`); n != 4 {
		t.Errorf("%d settlements were audited, want 4", n)
	}
	receipt := mainText(t, b.get(payment+"/receipt"))
	for _, want := range []string{"Sale£75.00", "Tip£5.00", "TOTAL£80.00"} {
		if !strings.Contains(receipt, want) {
			t.Errorf("the receipt does not say %q: %s", want, receipt)
		}
	}
}

func TestAHoldIsReleasedByOneVoid(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.heldAt(9260)
	if words := mainText(t, b.get(payment+"/receipt")); !strings.Contains(words, "AUTHORISED, NOT CHARGED") {
		t.Errorf("the receipt of a hold says %q", words)
	}
	doc := b.get(payment + "/void").doc(t)
	if got := strings.TrimSpace(doc.Find("#void-go").Text()); got != "Void £92.60" || !doc.Find("#void-go").HasClass("btn-bad") {
		t.Errorf("the button says %q, or is not red", got)
	}
	form := sh.actionOf(b, payment, "void", nil)
	// Somebody else made the hold bigger: this form's sum is not what would go.
	b.post(payment+"/increase", sh.actionOf(b, payment, "increase", url.Values{"amount": {"10.00"}})).wants(t, http.StatusSeeOther)
	if a := b.post(payment+"/void", form).wants(t, http.StatusConflict); !strings.Contains(a.body, "It is £102.60 by now, not £92.60.") {
		t.Error("the sum that changed is not named")
	}
	form = sh.actionOf(b, payment, "void", nil)
	b.post(payment+"/void", form).wants(t, http.StatusSeeOther)
	b.post(payment+"/void", form).wants(t, http.StatusSeeOther)
	words := mainText(t, b.get(payment))
	for _, want := range []string{"Voided", "Hold released", "Authorised, not taken£0.00"} {
		if !strings.Contains(words, want) {
			t.Errorf("the page does not say %q: %s", want, words)
		}
	}
	if n, _ := charges(sh.sandbox.Cardflo, "void"); n != 1 {
		t.Errorf("the provider voided %d times, want 1", n)
	}
	if words := mainText(t, b.get(payment+"/receipt")); !strings.Contains(words, "VOID ") {
		t.Errorf("the receipt of a voided hold says %q", words)
	}
}

func TestATipIsSetOverAndOverAndALargeOneIsAskedAbout(t *testing.T) {
	sh := newShop(t)
	sh.offers(sh.handpoint, `{"acquirer": "TSYS"}`)
	b := sh.browser().signIn("maya@example.com")
	payment := sh.sell(b, "42.00")
	set := func(amount string, edit url.Values) answer {
		form := sh.actionOf(b, payment, "tip", url.Values{"amount": {amount}})
		maps.Copy(form, edit)
		return b.post(payment+"/tip", form)
	}
	set("3.00", nil).wants(t, http.StatusSeeOther)
	set("5.00", nil).wants(t, http.StatusSeeOther)
	words := mainText(t, b.get(payment))
	for _, want := range []string{"Tip set to £5.00 (was £3.00)", "Tip set to £3.00 (was £0.00)", "Tip in it£5.00", "Taken£47.00"} {
		if !strings.Contains(words, want) {
			t.Errorf("the page does not say %q: %s", want, words)
		}
	}
	a := set("8.41", nil).wants(t, http.StatusUnprocessableEntity)
	if !strings.Contains(a.body, "£8.41 is more than 20 % of the £42.00") || a.doc(t).Find("#tip-ask[hidden]").Length() != 0 {
		t.Error("a tip above a fifth is not asked about")
	}
	if v, _ := a.doc(t).Find("#tip-amount").Attr("value"); v != "8.41" {
		t.Errorf("the tip comes back as %q", v)
	}
	set("8.41", url.Values{"confirm_tip": {"yes"}}).wants(t, http.StatusSeeOther)
	set("8.40", nil).wants(t, http.StatusSeeOther) // a fifth is none too many
	set("0.00", nil).wants(t, http.StatusSeeOther)
	if n := sh.count(`select captured_minor from payments`); n != 4200 {
		t.Errorf("%d minor units are taken once the tip is taken away, want 4200", n)
	}
}

func TestAWrongActionFormComesBackWithItsValues(t *testing.T) {
	sh := newShop(t)
	sh.offers(sh.handpoint, `{"acquirer": "TSYS"}`)
	sh.offers(sh.cardflo, `{"partialVoid": "yes"}`)
	b := sh.browser().signIn("maya@example.com")
	hold, sale := sh.heldAt(9260), sh.sell(b, "42.00")
	before := sh.count(`select count(*) from transactions`)
	for payment, acts := range map[string][]string{hold: {"capture", "increase", "decrease"}, sale: {"tip"}} {
		for _, act := range acts {
			for _, amount := range []string{"", "0", "-5", "1,5", "1.5", "1e3", "１２", "1.234", "99999999999999999999"} {
				if act == "tip" && amount == "0" {
					continue // takes the tip away
				}
				form := sh.actionOf(b, payment, act, url.Values{"amount": {amount}, "note": {"for table 7"}})
				for _, how := range []*browser{b, b.with("HX-Request", "true")} {
					a := how.post(payment+"/"+act, form).wants(t, http.StatusUnprocessableEntity)
					doc := a.doc(t)
					field := doc.Find("#" + act + "-amount")
					if v, _ := field.Attr("value"); v != amount || field.AttrOr("aria-invalid", "") != "true" {
						t.Errorf("%s %q comes back as %q, or is not called invalid", act, amount, v)
					}
					for name, want := range map[string]string{"note": "for table 7", "_key": form.Get("_key")} {
						if v, _ := doc.Find("#" + act + `-form input[name="` + name + `"]`).Attr("value"); v != want {
							t.Errorf("%s %q: %s comes back as %q", act, amount, name, v)
						}
					}
					if full := strings.Contains(a.body, "<html"); full != (how == b) {
						t.Errorf("%s: a whole document: %v", act, full)
					}
				}
			}
			long := sh.actionOf(b, payment, act, url.Values{"amount": {"1.00"}, "note": {strings.Repeat("x", 201)}})
			b.post(payment+"/"+act, long).wants(t, http.StatusUnprocessableEntity)
			card := sh.actionOf(b, payment, act, url.Values{"amount": {"1.00"}, "note": {"4111 1111 1111 1111"}})
			b.post(payment+"/"+act, card).wants(t, http.StatusUnprocessableEntity)
			foreign := sh.actionOf(b, payment, act, url.Values{"amount": {"1.00"}, "merchant_id": {"1"}})
			b.post(payment+"/"+act, foreign).wants(t, http.StatusBadRequest)
		}
	}
	b.post(hold+"/capture", sh.actionOf(b, hold, "capture", url.Values{"amount": {"10.00"}, "tip": {"x"}})).wants(t, http.StatusUnprocessableEntity)
	void := sh.actionOf(b, hold, "void", nil)
	void.Del("shown")
	b.post(hold+"/void", void).wants(t, http.StatusUnprocessableEntity)
	old := sh.actionOf(b, hold, "void", url.Values{"_key": {"not-a-key"}})
	b.post(hold+"/void", old).wants(t, http.StatusConflict)
	if n := sh.count(`select count(*) from transactions`); n != before {
		t.Errorf("%d transactions, want %d", n, before)
	}
}

// TestADisallowedActionChangesNothingAndSaysWhy posts what no page offers.
func TestADisallowedActionChangesNothingAndSaysWhy(t *testing.T) {
	sh := newShop(t)
	sh.offers(sh.handpoint, `{"acquirer": "TSYS"}`)
	b := sh.browser().signIn("maya@example.com")
	sale := func() string { return sh.sell(b, "42.00") }
	sql := func(payment, query string) string {
		sh.exec(query, strings.TrimPrefix(payment, "/payments/"))
		return payment
	}
	void, amount := url.Values{"shown": {"42.00"}}, func(s string) url.Values { return url.Values{"amount": {s}} }
	holdVoid := url.Values{"shown": {"92.60"}}
	cardfloSale := func() string {
		form := sh.saleForm(b, "42.00")
		form.Set("connection", sh.cardflo.String())
		form.Set("method", "page")
		form.Del("card")
		path, _, _ := strings.Cut(b.post("/payments", form).wants(t, http.StatusSeeOther).Header.Get("Location"), "?")
		return path
	}
	const open = `insert into transactions (merchant_id, id, payment_id, connection_id, reference, type, status, currency, amount_minor, attempt_ref, created_by_name, created_at, last_send_at)
		select merchant_id, gen_random_uuid(), id, connection_id, upper(substr(md5(random()::text), 1, 8)), $TYPE, 'unknown', 'GBP', 100, gen_random_uuid(), 'Maya', now(), now() from payments where id = $1`
	doneBy := func(payment, act string, edit url.Values) string {
		b.post(payment+"/"+act, sh.actionOf(b, payment, act, edit)).wants(t, http.StatusSeeOther)
		return payment
	}
	unknown := func() string {
		must(t, sh.sandbox.Handpoint.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter}))
		return sale()
	}
	declined := func() string {
		must(t, sh.sandbox.Handpoint.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "51"}))
		return sale()
	}
	refunded := func(s string) string {
		p := sale()
		b.post(p+"/refunds", sh.refundForm(b, p, url.Values{"amount": {s}})).wants(t, http.StatusSeeOther)
		return p
	}
	removed := func() string {
		return sql(sale(), `update connections set removed_at = now(), active = false where id = (select connection_id from payments where id = $1)`)
	}
	for _, tt := range []struct {
		name, act string
		payment   func() string
		form      url.Values
		says      string
	}{
		{"a tip where the provider has none", "tip", cardfloSale, amount("1.00"), domain.DeniedCapability.Words()},
		{"a void of a declined sale", "void", declined, void, domain.DeniedNotApproved.Words()},
		{"a tip on a declined sale", "tip", declined, amount("1.00"), domain.DeniedNotApproved.Words()},
		{"a void while the sale has no outcome", "void", unknown, void, domain.DeniedOutcomeOpen.Words()},
		{"a tip while the sale has no outcome", "tip", unknown, amount("1.00"), domain.DeniedOutcomeOpen.Words()},
		{"a capture of a sale", "capture", sale, amount("1.00"), domain.DeniedCapability.Words()},
		{"a capture of a Cardflo sale", "capture", cardfloSale, amount("1.00"), domain.DeniedNoHold.Words()},
		{"a tip on a hold", "tip", func() string { return sh.heldAt(9260) }, amount("1.00"), domain.DeniedCapability.Words()},
		{"a void while a refund has no outcome", "void", func() string { return sql(sale(), strings.ReplaceAll(open, "$TYPE", "'refund'")) }, void, domain.DeniedBusy.Words()},
		{"a capture while an increase has no outcome", "capture", func() string { return sql(sh.heldAt(9260), strings.ReplaceAll(open, "$TYPE", "'increment'")) }, amount("1.00"), domain.DeniedBusy.Words()},
		{"a second void", "void", func() string { return doneBy(sale(), "void", nil) }, void, domain.DeniedVoided.Words()},
		{"a tip after a void", "tip", func() string { return doneBy(sale(), "void", nil) }, amount("1.00"), domain.DeniedVoided.Words()},
		{"a void of what was refunded", "void", func() string { return refunded("1.00") }, void, domain.DeniedRefunded.Words()},
		{"a tip on what was refunded", "tip", func() string { return refunded("1.00") }, amount("1.00"), domain.DeniedRefunded.Words()},
		{"a void after the batch closed", "void", func() string { return sql(sale(), `update payments set batch_closed_at = now() where id = $1`) }, void, domain.DeniedBatchClosed.Words()},
		{"a tip after the batch closed", "tip", func() string { return sql(sale(), `update payments set batch_closed_at = now() where id = $1`) }, amount("1.00"), domain.DeniedBatchClosed.Words()},
		{"a void of what the bank took back", "void", func() string { return sql(sale(), `update payments set charged_back_minor = 4200 where id = $1`) }, void, domain.DeniedDisputed.Words()},
		{"a capture of a released hold", "capture", func() string { return doneBy(sh.heldAt(9260), "void", nil) }, amount("1.00"), domain.DeniedReleased.Words()},
		{"a second void of a hold", "void", func() string { return doneBy(sh.heldAt(9260), "void", nil) }, holdVoid, domain.DeniedReleased.Words()},
		{"an increase after a capture", "increase", func() string { return doneBy(sh.heldAt(9260), "capture", amount("10.00")) }, amount("1.00"), domain.DeniedCaptured.Words()},
		{"a void of a hold after a capture", "void", func() string { return doneBy(sh.heldAt(9260), "capture", amount("10.00")) }, holdVoid, domain.DeniedCaptured.Words()},
		{"a capture of more than is held", "capture", func() string { return sh.heldAt(9260) }, amount("92.61"), "At most £92.60 is held. Increase the hold first."},
		{"a capture whose tip is more than it", "capture", func() string { return sh.heldAt(9260) }, url.Values{"amount": {"10.00"}, "tip": {"10.01"}, "confirm_tip": {"yes"}}, domain.DeniedTipTooLarge.Words()},
		{"a capture of a part where only the whole is taken", "capture", func() string { sh.offers(sh.cardflo, `{"partialCapture": "no"}`); return sh.heldAt(9260) }, amount("10.00"), domain.DeniedPartCapture.Words()},
		{"a decrease where the provider has none", "decrease", func() string { return sh.heldAt(9260) }, amount("10.00"), domain.DeniedCapability.Words()},
		{"a decrease by all that is held", "decrease", func() string { sh.offers(sh.cardflo, `{"partialVoid": "yes"}`); return sh.heldAt(9260) }, amount("92.60"), domain.DeniedWholeHold.Words()},
		{"a decrease by more than is held", "decrease", func() string { return sh.heldAt(9260) }, amount("92.61"), "At most £92.60 is held."},
		{"a word about what waits for nobody", "settle", sale, url.Values{"happened": {"yes"}, "note": {"I looked and it is there"}}, domain.DeniedNoPerson.Words()},
		{"a void through a removed connection", "void", removed, void, domain.DeniedRemoved.Words()},
	} {
		payment := tt.payment()
		form := forged(b, tt.form)
		if tt.act == "settle" {
			form.Del("_key")
			var id string
			must(t, sh.db.Owner(t).QueryRow(`select id from transactions where payment_id = $1`, strings.TrimPrefix(payment, "/payments/")).Scan(&id))
			form.Set("transaction", id)
		}
		before := []int{sh.count(`select count(*) from transactions`), sh.count(`select count(*) from audit_log`), sh.count(`select count(*) from provider_messages`)}
		a := b.post(payment+"/"+tt.act, form)
		if a.StatusCode != http.StatusConflict || !strings.Contains(a.doc(t).Find("main").Text(), tt.says) {
			t.Errorf("%s is answered %d, without %q: %s", tt.name, a.StatusCode, tt.says, strings.Join(strings.Fields(a.doc(t).Find("main").Text()), " "))
		}
		after := []int{sh.count(`select count(*) from transactions`), sh.count(`select count(*) from audit_log`), sh.count(`select count(*) from provider_messages`)}
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("%s changed something: %v, then %v", tt.name, before, after)
			}
		}
	}
}

// TestThePageOffersWhatFitsAndSaysWhyNot: a dead button has its reason, and what
// can never be is not there.
func TestThePageOffersWhatFitsAndSaysWhyNot(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	sh.addUser("nia@example.com", domain.Analyst)
	reader := sh.browser().signIn("nia@example.com")
	hold, sale := sh.heldAt(9260), sh.sell(b, "42.00")
	doc := b.get(hold).wants(t, http.StatusOK).doc(t)
	for _, id := range []string{"capture", "void", "increase"} {
		if doc.Find("#"+id+"-open").Length() != 1 || doc.Find("dialog#"+id+"-dialog form").Length() != 1 {
			t.Errorf("a hold has no %s, or no dialog for it", id)
		}
	}
	if doc.Find("#tip-open, #tip-dialog").Length() != 0 {
		t.Error("a hold offers a tip")
	}
	if more := strings.Join(strings.Fields(doc.Find("#more-actions li").Text()), " "); !strings.Contains(more, "Decrease hold…"+domain.DeniedCapability.Words()) {
		t.Errorf("the menu says %q", more)
	}
	doc = b.get(sale).doc(t)
	if doc.Find("#capture-dialog, #increase-dialog").Length() != 0 || doc.Find("#refund-open").Length() != 1 || doc.Find("#void-open").Length() != 1 {
		t.Error("a sale offers what belongs to a hold, or lacks what is its own")
	}
	for _, n := range reader.get(sale).doc(t).Find("#payment-live button[disabled]").EachIter() {
		if n.AttrOr("aria-describedby", "") == "" {
			t.Errorf("%q is dead and says nothing", n.Text())
		}
	}
}

func TestThePaymentPageSendsAsManyStatementsForFiftyOperationsAsForOne(t *testing.T) {
	sh := newShop(t)
	b := sh.browser().signIn("maya@example.com")
	one, many := sh.sell(b, "42.00"), sh.sell(b, "42.01")
	sh.exec(`insert into transactions (merchant_id, id, payment_id, connection_id, reference, type, status, currency, amount_minor, attempt_ref, created_by_name, created_at, last_send_at, said)
		select p.merchant_id, gen_random_uuid(), p.id, p.connection_id, 'R' || lpad(n::text, 7, '0'), 'refund', 'declined', 'GBP', 1, gen_random_uuid(), 'Maya', now(), now(), '{"at": "2026-11-20T09:00:00Z", "verdict": "declined"}'
		from payments p, generate_series(1, 49) n where p.id = $1`, strings.TrimPrefix(many, "/payments/"))
	for _, tail := range []string{"", "/provider", "/void", "/settle"} {
		counts := map[string]int{}
		for _, payment := range []string{one, many} {
			b.get(payment+tail).wants(t, http.StatusOK)
			sh.store.OnStatement(func(string) { counts[payment]++ })
			b.get(payment+tail).wants(t, http.StatusOK)
			sh.store.OnStatement(nil)
		}
		if counts[one] != counts[many] || counts[one] == 0 || counts[one] > 9 {
			t.Errorf("%q sends %d statements for one operation and %d for fifty", tail, counts[one], counts[many])
		}
	}
}
