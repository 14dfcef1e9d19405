package handlers

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

// twoPeople is a shop whose managers have limits: a step-up above 100.00, another
// person above 400.00 and above 1,000.00 on a day.
type twoPeople struct {
	*shop
	maya, mara *browser
}

// newGuarded is a shop with every page of limits and approvals, and no limit yet.
func newGuarded(t *testing.T) *shop {
	t.Helper()
	sh := newShop(t)
	sh.web.Add(Confirm{Service: sh.signin}.Routes()...)
	sh.web.Add((&Approvals{Service: sh.svc, SignIn: sh.signin}).Routes()...)
	sh.web.Add((&Limits{Service: sh.svc, SignIn: sh.signin}).Routes()...)
	return sh
}

func newTwoPeople(t *testing.T) *twoPeople {
	t.Helper()
	sh := newGuarded(t)
	sh.exec(`update users set name = 'Maya Okafor' where id = $1`, sh.user)
	mara := sh.addUser("mara@example.com", domain.Manager)
	sh.exec(`update users set name = 'Mara Quill' where id = $1`, mara)
	for _, row := range []string{`'item', 10000, 40000`, `'day', null, 100000`} {
		sh.exec(`insert into limits (merchant_id, id, role, action, currency, per, step_up_minor, approval_minor, changed_at, changed_by, changed_by_name)
			values ($1, $2, 'manager', 'refund', 'GBP', `+row+`, now(), $3, 'Olive')`, sh.merchant, domain.NewLimitID(), sh.user)
	}
	return &twoPeople{shop: sh, maya: sh.browser().signIn("maya@example.com"), mara: sh.browser().signIn("mara@example.com")}
}

// refundOf posts a refund of a part.
func (s *twoPeople) refundOf(b *browser, payment, amount string) answer {
	s.t.Helper()
	return b.post(payment+"/refunds", s.refundForm(b, payment, url.Values{"amount": {amount}, "note": {"one came broken"}}))
}

// factors is what a form with both factors carries. The clock moves on first,
// since a code works once.
func (s *twoPeople) factors(b *browser, more url.Values) url.Values {
	s.t.Helper()
	s.clock.Advance(30 * time.Second)
	out := url.Values{"_csrf": {b.token("/account")}, "password": {testPassword}, "code": {s.code()}}
	maps.Copy(out, more)
	return out
}

// hidden reads the hidden fields of a form.
func (s *twoPeople) hidden(a answer, action string) url.Values {
	s.t.Helper()
	out := url.Values{}
	for _, el := range a.doc(s.t).Find(`form[action="` + action + `"] input[type=hidden]`).EachIter() {
		out.Set(el.AttrOr("name", ""), el.AttrOr("value", ""))
	}
	if len(out) == 0 {
		s.t.Fatalf("no form to %s\n%s", action, clipped(a.body))
	}
	return out
}

// ask goes the whole way to a request and gives its address.
func (s *twoPeople) ask(payment, amount string) string {
	s.t.Helper()
	form := s.hidden(s.refundOf(s.maya, payment, amount).wants(s.t, http.StatusConflict), "/approvals")
	form.Set("why", "Returned unopened")
	return s.maya.post("/approvals", form).wants(s.t, http.StatusSeeOther).Header.Get("Location")
}

func (s *twoPeople) refunds() int {
	return s.count(`select count(*) from transactions where type = 'refund'`)
}

var deciders = []domain.Role{domain.Owner, domain.Admin, domain.Manager}

func TestEveryRouteOfLimitsAndApprovalsAsEveryRole(t *testing.T) {
	s := newTwoPeople(t)
	payment := s.sell(s.maya, "600.00")
	request := s.ask(payment, "480.00")
	limit := domain.NewLimitID()
	s.exec(`insert into limits (merchant_id, id, role, action, currency, per, step_up_minor, changed_at, changed_by, changed_by_name)
		values ($1, $2, 'manager', 'void', 'GBP', 'item', 1, now(), $3, 'Olive')`, s.merchant, limit, s.user)
	table := maps.Clone(platformRoutes)
	rows := maps.Clone(paymentRoutes)
	maps.Copy(rows, worklistRoutes)
	for name, row := range rows {
		if _, path, _ := strings.Cut(name, " "); strings.Contains(path, ":id") {
			row.path = strings.Replace(path, "/payments/:id", payment, 1)
		}
		table[name] = row
	}
	managers := []domain.Role{domain.Owner, domain.Admin}
	maps.Copy(table, map[string]access{
		"GET /confirm":                     {roles: everybody},
		"POST /confirm":                    {roles: everybody},
		"GET /approvals":                   {roles: deciders},
		"POST /approvals":                  {roles: deciders},
		"GET /approvals/:id":               {path: request, roles: deciders},
		"POST /approvals/:id/approve":      {path: request + "/approve", roles: deciders},
		"POST /approvals/:id/refuse":       {path: request + "/refuse", roles: deciders},
		"POST /approvals/:id/withdraw":     {path: request + "/withdraw", roles: deciders},
		"GET /settings/limits":             {roles: managers},
		"GET /settings/limits/new":         {roles: managers},
		"POST /settings/limits":            {roles: managers},
		"GET /settings/limits/:id":         {path: "/settings/limits/" + limit.String(), roles: managers},
		"POST /settings/limits/:id":        {path: "/settings/limits/" + limit.String(), roles: managers},
		"POST /settings/limits/:id/remove": {path: "/settings/limits/" + limit.String() + "/remove", roles: managers},
	})
	checkMatrix(t, s.site, table)
}

func TestAStepUpLeadsBackToTheFormWithWhatWasTyped(t *testing.T) {
	s := newTwoPeople(t)
	payment := s.sell(s.maya, "600.00")
	away := s.refundOf(s.maya, payment, "150.00").wants(t, http.StatusSeeOther).Header.Get("Location")
	to, err := url.Parse(away)
	must(t, err)
	back, err := url.Parse(to.Query().Get("next"))
	must(t, err)
	if to.Path != "/confirm" || back.Path != payment+"/refund" || back.Query().Get("amount") != "150.00" || back.Query().Get("note") != "one came broken" {
		t.Fatalf("the refund leads to %s", away)
	}
	for name := range back.Query() {
		switch name {
		case "amount", "kind", "reason", "note":
		default:
			t.Errorf("the address carries %q", name)
		}
	}
	if htmx := s.maya.with("HX-Request", "true"); !strings.HasPrefix(s.refundOf(htmx, payment, "150.00").wants(t, http.StatusOK).Header.Get("HX-Redirect"), "/confirm?") {
		t.Error("the dialog does not lead to the step-up")
	}
	page := s.maya.get(away).wants(t, http.StatusOK)
	if text := page.doc(t).Find("main").Text(); !strings.Contains(text, "Refunds above £100.00 need your password and a code again") {
		t.Errorf("the page does not name the threshold: %s", text)
	}
	before := s.maya.cookie()
	for name, edit := range map[string]url.Values{"password": {"password": {"wrong"}}, "code": {"code": {"000000"}}, "nothing": {"password": {""}, "code": {""}}} {
		s.maya.post("/confirm", s.factors(s.maya, leadingTo(edit, back.String()))).wants(t, http.StatusUnprocessableEntity)
		if s.maya.cookie() != before || s.count(`select count(*) from transactions where type = 'refund'`) != 0 {
			t.Errorf("a wrong %s changes something", name)
		}
	}
	s.refundOf(s.maya, payment, "150.00").wants(t, http.StatusSeeOther)
	ends := s.count(`select extract(epoch from max(expires_at))::bigint from sessions where user_id = $1`, s.user)
	s.clock.Advance(time.Minute)
	got := s.maya.post("/confirm", s.factors(s.maya, url.Values{"next": {back.String()}})).wants(t, http.StatusSeeOther)
	if got.Header.Get("Location") != back.String() {
		t.Errorf("it leads to %q", got.Header.Get("Location"))
	}
	if s.maya.cookie() == before {
		t.Error("the session keeps its id")
	}
	s.browser().plant(before).get("/account").wants(t, http.StatusSeeOther)
	if now := s.count(`select extract(epoch from max(expires_at))::bigint from sessions where user_id = $1`, s.user); now != ends {
		t.Errorf("the session now ends %d s later", now-ends)
	}
	form := s.maya.get(back.String()).wants(t, http.StatusOK).doc(t)
	if v := form.Find(`input[name=amount]`).AttrOr("value", ""); v != "150.00" {
		t.Errorf("the form comes back with %q", v)
	}
	if v := form.Find(`input[name=note]`).AttrOr("value", ""); v != "one came broken" {
		t.Errorf("the note comes back as %q", v)
	}
	if n := s.refunds(); n != 0 {
		t.Fatalf("%d refunds before the button was pressed again", n)
	}
	if to := s.refundOf(s.maya, payment, "150.00").wants(t, http.StatusSeeOther).Header.Get("Location"); to != payment || s.refunds() != 1 {
		t.Errorf("after it: %q, %d refunds", to, s.refunds())
	}
	// Five minutes and no more; another person's session is not opened by it.
	s.clock.Advance(domain.StepUpFor + time.Second)
	if to := s.refundOf(s.maya, payment, "150.00").wants(t, http.StatusSeeOther).Header.Get("Location"); !strings.HasPrefix(to, "/confirm") || s.refunds() != 1 {
		t.Errorf("after five minutes: %q, %d refunds", to, s.refunds())
	}
}

func leadingTo(v url.Values, next string) url.Values {
	v.Set("next", next)
	return v
}

func TestAStepUpLeadsNowhereElse(t *testing.T) {
	s := newTwoPeople(t)
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/signout", ""} {
		if to := s.maya.post("/confirm", s.factors(s.maya, url.Values{"next": {next}})).wants(t, http.StatusSeeOther).Header.Get("Location"); to != "/" {
			t.Errorf("%q leads to %q", next, to)
		}
	}
}

func TestALargeRefundGoesThroughTwoPeople(t *testing.T) {
	s := newTwoPeople(t)
	payment := s.sell(s.maya, "600.00")
	page := s.refundOf(s.maya, payment, "480.00").wants(t, http.StatusConflict)
	if text := page.doc(t).Find("h1").Text(); !strings.Contains(text, "Another person must approve £480.00") {
		t.Errorf("the page says %q", text)
	}
	if a := s.refundOf(s.maya.with("HX-Request", "true"), payment, "480.00").wants(t, http.StatusConflict); a.Header.Get("HX-Retarget") != "#main" || a.doc(t).Find("main#main form[action='/approvals']").Length() != 1 {
		t.Error("the dialog does not give way to the page")
	}
	form := s.hidden(page, "/approvals")
	form.Set("why", "too short")
	again := s.maya.post("/approvals", form).wants(t, http.StatusUnprocessableEntity)
	if v := again.doc(t).Find("#why").Text(); v != "too short" || s.count(`select count(*) from approvals`) != 0 {
		t.Errorf("the note comes back as %q", v)
	}
	form.Set("why", "Returned unopened")
	request := s.maya.post("/approvals", form).wants(t, http.StatusSeeOther).Header.Get("Location")
	if to := s.maya.post("/approvals", form).wants(t, http.StatusSeeOther).Header.Get("Location"); to != request || s.refunds() != 0 {
		t.Errorf("the same form again leads to %q; %d refunds", to, s.refunds())
	}
	if text := s.mara.get(payment).wants(t, http.StatusOK).doc(t).Find("main").Text(); !strings.Contains(text, "A refund of £480.00 waits for approval") {
		t.Error("the payment does not say that a request waits")
	}
	if text := s.mara.get("/").wants(t, http.StatusOK).doc(t).Find("main").Text(); !strings.Contains(text, "1 refund waits for approval") {
		t.Error("the overview does not count it")
	}
	if text := s.maya.get("/").wants(t, http.StatusOK).doc(t).Find("main").Text(); strings.Contains(text, "waits for approval") {
		t.Error("one's own request waits for oneself")
	}
	if a := s.mara.get("/approvals").wants(t, http.StatusOK); a.doc(t).Find(`a[href="`+request+`"]`).Length() != 1 {
		t.Error("it is not in the list")
	}
	doc := s.mara.get(request).wants(t, http.StatusOK).doc(t)
	for _, want := range []string{"£480.00", "four hundred and eighty pounds", "Maya Okafor", "Returned unopened", "one came broken", "Sale approved"} {
		if !strings.Contains(doc.Find("main").Text(), want) {
			t.Errorf("the approver does not read %q", want)
		}
	}
	if s.maya.get(request).doc(t).Find(`form[action$="/approve"]`).Length() != 0 {
		t.Error("who asked is offered to approve")
	}
	if to := s.mara.post(request+"/approve", s.factors(s.mara, url.Values{"amount": {"480.00"}, "note": {""}})).wants(t, http.StatusSeeOther).Header.Get("Location"); to != payment {
		t.Errorf("it leads to %q", to)
	}
	if text := s.maya.get(payment).doc(t).Find(".timeline").Text(); !strings.Contains(text, "Refund approved") || !strings.Contains(text, "by Maya Okafor, approved by Mara Quill") {
		t.Errorf("the timeline reads %q", text)
	}
	s.mara.get("/approvals?show=decided").wants(t, http.StatusOK)
	s.mara.get(request).wants(t, http.StatusOK)
}

func TestForgedApprovalsChangeNothingAndSayWhy(t *testing.T) {
	s := newTwoPeople(t)
	payment := s.sell(s.maya, "2000.00")
	request := s.ask(payment, "480.00")
	s.addUser("tom@example.com", domain.Cashier)
	tom := s.browser().signIn("tom@example.com")
	approve := url.Values{"amount": {"480.00"}, "note": {""}}
	with := func(edit url.Values) url.Values { v := maps.Clone(approve); maps.Copy(v, edit); return v }
	for _, c := range []struct {
		name   string
		who    *browser
		form   url.Values
		status int
		says   string
	}{
		{"one's own", s.maya, approve, http.StatusForbidden, "You asked for this yourself"},
		{"a cashier", tom, approve, http.StatusForbidden, "approvals:decide"},
		{"another amount", s.mara, with(url.Values{"amount": {"48.00"}}), http.StatusConflict, "another amount"},
		{"no amount", s.mara, with(url.Values{"amount": {""}}), http.StatusConflict, "another amount"},
		{"a wrong password", s.mara, with(url.Values{"password": {"wrong"}}), http.StatusUnprocessableEntity, "not right"},
		{"a wrong code", s.mara, with(url.Values{"code": {"000000"}}), http.StatusUnprocessableEntity, "not right"},
		{"no factors", s.mara, with(url.Values{"password": {""}, "code": {""}}), http.StatusUnprocessableEntity, "Enter your password."},
		{"a field of its own", s.mara, with(url.Values{"requested_by": {"x"}}), http.StatusBadRequest, "does not belong"},
	} {
		a := c.who.post(request+"/approve", s.factors(c.who, c.form)).wants(t, c.status)
		if !strings.Contains(a.doc(t).Text(), c.says) {
			t.Errorf("%s: the page does not say %q", c.name, c.says)
		}
		if s.refunds() != 0 || s.count(`select count(*) from approvals where status <> 'waiting'`) != 0 {
			t.Fatalf("%s changes something", c.name)
		}
	}
	// Both factors a moment ago are no approval: the form has none of them.
	s.mara.post("/confirm", s.factors(s.mara, url.Values{"next": {request}})).wants(t, http.StatusSeeOther)
	s.mara.post(request+"/approve", url.Values{"_csrf": {s.mara.token("/account")}, "amount": {"480.00"}, "note": {""}}).wants(t, http.StatusUnprocessableEntity)
	form := s.factors(s.mara, approve)
	s.mara.post(request+"/approve", form).wants(t, http.StatusSeeOther)
	// The same again, and with another code.
	for _, replay := range []url.Values{form, s.factors(s.mara, approve)} {
		if a := s.mara.post(request+"/approve", replay).wants(t, http.StatusConflict); !strings.Contains(a.doc(t).Text(), "approved this already") {
			t.Error("a replay does not say that it was approved")
		}
	}
	if n := s.refunds(); n != 1 {
		t.Fatalf("%d refunds", n)
	}
	late := s.ask(payment, "500.00")
	s.clock.Advance(domain.ApprovalFor)
	mara := s.browser().signIn("mara@example.com")
	if a := mara.post(late+"/approve", s.factors(mara, url.Values{"amount": {"500.00"}, "note": {""}})).wants(t, http.StatusConflict); !strings.Contains(a.doc(t).Text(), "has expired") {
		t.Error("an expired one does not say so")
	}
	if n := s.refunds(); n != 1 {
		t.Errorf("%d refunds after an expired approval", n)
	}
}

func TestARequestIsRefusedOrTakenBack(t *testing.T) {
	s := newTwoPeople(t)
	payment := s.sell(s.maya, "600.00")
	request := s.ask(payment, "480.00")
	csrf := func(b *browser) url.Values { return url.Values{"_csrf": {b.token("/account")}} }
	s.mara.post(request+"/withdraw", csrf(s.mara)).wants(t, http.StatusConflict)
	form := csrf(s.mara)
	form.Set("note", " ")
	s.mara.post(request+"/refuse", form).wants(t, http.StatusUnprocessableEntity)
	form.Set("note", "Ask the customer first")
	s.mara.post(request+"/refuse", form).wants(t, http.StatusSeeOther)
	if text := s.maya.get(request).doc(t).Find("main").Text(); !strings.Contains(text, "Mara Quill refused it") || !strings.Contains(text, "Ask the customer first") {
		t.Error("who asked does not read why")
	}
	request = s.ask(payment, "480.00")
	s.maya.post(request+"/withdraw", csrf(s.maya)).wants(t, http.StatusSeeOther)
	if text := s.mara.get(request).doc(t).Find("main").Text(); !strings.Contains(text, "Maya Okafor took it back") {
		t.Error("the page does not say that it was taken back")
	}
	if s.refunds() != 0 {
		t.Error("something was refunded")
	}
}

func TestAnotherMerchantsRequestsAndLimitsAreNotThere(t *testing.T) {
	s := newTwoPeople(t)
	request := s.ask(s.sell(s.maya, "600.00"), "480.00")
	var limit domain.LimitID
	must(t, s.db.Owner(t).QueryRow(`select id from limits limit 1`).Scan(&limit))
	ours := s.merchant
	s.merchant = s.addMerchant("Market Hall")
	s.addUser("thief@example.com", domain.Owner)
	s.merchant = ours
	thief := s.browser().signIn("thief@example.com")
	thief.get(request).wants(t, http.StatusNotFound)
	thief.get("/settings/limits/"+limit.String()).wants(t, http.StatusNotFound)
	for _, tail := range []string{"/approve", "/refuse", "/withdraw"} {
		form := url.Values{"_csrf": {thief.token("/account")}}
		if tail == "/refuse" {
			form.Set("note", "Not mine")
		}
		thief.post(request+tail, form).wants(t, http.StatusNotFound)
	}
	thief.post("/settings/limits/"+limit.String()+"/remove", url.Values{"_csrf": {thief.token("/account")}, "password": {testPassword}}).wants(t, http.StatusNotFound)
	if strings.Contains(thief.get("/approvals").body, request) || strings.Contains(thief.get("/settings/limits").body, limit.String()) {
		t.Error("a list shows another merchant's rows")
	}
	if s.count(`select count(*) from limits`) != 2 || s.count(`select count(*) from approvals where status = 'waiting'`) != 1 {
		t.Error("another merchant changed something")
	}
}

func TestLimitsAreAddedChangedAndRemoved(t *testing.T) {
	sh := newGuarded(t)
	sh.addUser("olive@example.com", domain.Owner)
	sh.addUser("adam@example.com", domain.Admin)
	olive := sh.browser().signIn("olive@example.com")
	fill := func(edit url.Values) url.Values {
		doc := olive.get("/settings/limits/new").wants(t, http.StatusOK).doc(t)
		out := url.Values{"who": {"role:manager"}, "action": {"refund"}, "currency": {"GBP"}, "per": {"item"}, "step_up": {"100"}, "approval": {"400.00"}, "password": {testPassword}}
		for _, name := range []string{"_csrf", "_key"} {
			out.Set(name, doc.Find(`form[action="/settings/limits"] input[name="`+name+`"]`).AttrOr("value", ""))
		}
		maps.Copy(out, edit)
		return out
	}
	for name, edit := range map[string]url.Values{
		"password": {"password": {"wrong"}}, "step_up": {"step_up": {"1e3"}}, "approval": {"approval": {"99.99"}}, "who": {"who": {"role:cashier"}},
		"currency": {"currency": {"EUR"}}, "action": {"action": {"capture"}}, "per": {"per": {"year"}},
	} {
		a := olive.post("/settings/limits", fill(edit)).wants(t, http.StatusUnprocessableEntity).doc(t)
		if a.Find("#"+name+"-err").Text() == "" || a.Find(`#`+name).AttrOr("aria-invalid", "") != "true" {
			t.Errorf("%s is not named", name)
		}
		if v := a.Find("#approval").AttrOr("value", ""); name != "approval" && v != "400.00" {
			t.Errorf("%s: the amount comes back as %q", name, v)
		}
		if a.Find("#password").AttrOr("value", "") != "" {
			t.Error("the password comes back")
		}
	}
	if n := sh.count(`select count(*) from limits`); n != 0 {
		t.Fatalf("%d limits", n)
	}
	form := fill(nil)
	olive.post("/settings/limits", form).wants(t, http.StatusSeeOther)
	olive.post("/settings/limits", form).wants(t, http.StatusConflict)
	olive.post("/settings/limits", fill(url.Values{"who": {"user:" + sh.user.String()}, "step_up": {""}, "approval": {"50"}})).wants(t, http.StatusSeeOther)
	list := olive.get("/settings/limits").wants(t, http.StatusOK).doc(t)
	if text := list.Find("main").Text(); !strings.Contains(text, "Every manager") || !strings.Contains(text, "Above £400.00") || list.Find("tbody tr").Length() != 2 {
		t.Errorf("the table reads %q", text)
	}
	row := list.Find("tbody a").First().AttrOr("href", "")
	edit := func(stepUp string) url.Values {
		return url.Values{"_csrf": {olive.token("/account")}, "step_up": {stepUp}, "approval": {"400"}, "password": {testPassword}}
	}
	olive.post(row, edit("0")).wants(t, http.StatusSeeOther)
	olive.post(row, edit("401")).wants(t, http.StatusUnprocessableEntity)
	if n := sh.count(`select step_up_minor from limits where user_id is null`); n != 0 {
		t.Errorf("the first threshold is %d", n)
	}
	// A limit that holds for oneself is raised by another.
	olive.post("/settings/limits", fill(url.Values{"who": {"role:owner"}})).wants(t, http.StatusSeeOther)
	var own domain.LimitID
	must(t, sh.db.Owner(t).QueryRow(`select id from limits where role = 'owner'`).Scan(&own))
	if a := olive.post("/settings/limits/"+own.String(), edit("101")).wants(t, http.StatusForbidden); !strings.Contains(a.doc(t).Text(), "You cannot raise or remove a limit that holds for yourself") {
		t.Error("the page does not say why")
	}
	remove := url.Values{"_csrf": {olive.token("/account")}, "password": {testPassword}}
	olive.post("/settings/limits/"+own.String()+"/remove", remove).wants(t, http.StatusForbidden)
	remove.Set("password", "wrong")
	olive.post(row+"/remove", remove).wants(t, http.StatusUnprocessableEntity)
	remove.Set("password", testPassword)
	olive.post(row+"/remove", remove).wants(t, http.StatusSeeOther)
	olive.get(row).wants(t, http.StatusNotFound)
	adam := sh.browser().signIn("adam@example.com")
	adam.post("/settings/limits/"+own.String()+"/remove", url.Values{"_csrf": {adam.token("/account")}, "password": {testPassword}}).wants(t, http.StatusSeeOther)
	for action, want := range map[string]int{"limit.added": 3, "limit.changed": 1, "limit.removed": 2} {
		if n := sh.count(`select count(*) from audit_log where action = $1 and detail ? 'before' and detail ? 'after'`, action); n != want {
			t.Errorf("%d audit rows %s, want %d", n, action, want)
		}
	}
}

func TestALargePayoutGoesThroughTwoPeople(t *testing.T) {
	s := newTwoPeople(t)
	s.exec(`update limits set action = 'payout' where per = 'item'`)
	sale := s.maya.made("/payments", s.keyed(s.maya, "sale", nil))
	open := "/payouts/new?payment=" + strings.TrimPrefix(sale, "/payments/")
	pay := func(amount string) answer {
		return s.maya.post("/payouts", s.fill(s.maya, open, "/payouts", map[string]string{"amount": amount, "note": "Raffle, first prize"}))
	}
	away, err := url.Parse(pay("150.00").wants(t, http.StatusSeeOther).Header.Get("Location"))
	must(t, err)
	back := away.Query().Get("next")
	if away.Path != "/confirm" || !strings.HasPrefix(back, "/payouts/new?") {
		t.Fatalf("it leads to %s", away)
	}
	s.maya.post("/confirm", s.factors(s.maya, url.Values{"next": {back}})).wants(t, http.StatusSeeOther)
	form := s.maya.get(back).wants(t, http.StatusOK).doc(t)
	if v, note := form.Find(`input[name=amount]`).AttrOr("value", ""), form.Find(`[name=note]`); v != "150.00" || note.AttrOr("value", note.Text()) != "Raffle, first prize" {
		t.Errorf("the form comes back with %q", v)
	}
	ask := s.hidden(pay("480.00").wants(t, http.StatusConflict), "/approvals")
	ask.Set("why", "The prize of the raffle")
	request := s.maya.post("/approvals", ask).wants(t, http.StatusSeeOther).Header.Get("Location")
	if n := s.count(`select count(*) from transactions where type = 'payout'`); n != 0 {
		t.Fatalf("%d payouts", n)
	}
	if text := s.mara.get(request).wants(t, http.StatusOK).doc(t).Find("main").Text(); !strings.Contains(text, "Raffle, first prize") || !strings.Contains(text, "The prize of the raffle") {
		t.Errorf("the approver reads %q", text)
	}
	made := s.mara.post(request+"/approve", s.factors(s.mara, url.Values{"amount": {"480.00"}, "note": {""}})).wants(t, http.StatusSeeOther).Header.Get("Location")
	if text := s.maya.get(made).wants(t, http.StatusOK).doc(t).Find("main").Text(); !strings.Contains(text, "approved by Mara Quill") || !strings.Contains(text, "−£480.00") {
		t.Errorf("the payout reads %q", text)
	}
}
