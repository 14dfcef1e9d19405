package handlers

import (
	"bytes"
	"context"
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

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

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
	"github.com/counterfoil/counterfoil/services/signin"
)

// canary marks every secret of these tests: it may be nowhere but sealed.
const canary = "CANARY"

// The emulator's accounts, with credentials that are looked for in every answer.
var (
	oldSet = map[string]string{cardflo.SecretAPIKey: canary + "-key-of-before-aaaa", cardflo.SecretUsername: canary + "-user-of-before-aaab",
		cardflo.SecretPassword: canary + "-password-of-before-aaac", cardflo.SecretSharedSecret: canary + "-shared-of-before-aaad"}
	newSet = map[string]string{cardflo.SecretAPIKey: canary + "-key-of-after-bbba", cardflo.SecretUsername: canary + "-user-of-after-bbbb",
		cardflo.SecretPassword: canary + "-password-of-after-bbbc", cardflo.SecretSharedSecret: canary + "-shared-of-after-bbbd"}
)

func connector(set map[string]string) sandboxcardflo.Connector {
	return sandboxcardflo.Connector{APIKey: set[cardflo.SecretAPIKey], User: set[cardflo.SecretUsername], Password: set[cardflo.SecretPassword], SharedSecret: set[cardflo.SecretSharedSecret]}
}

// questioned is Cardflo's adapter with a question that is safe to ask, and a
// place for hints.
type questioned struct{ *cardflo.Adapter }

func (q questioned) TestConnection(ctx context.Context) (providers.Probe, error) {
	_, err := q.FindStatus(ctx, providers.Lookup{Type: domain.Sale, AttemptRef: uuid.NewString(), Amount: money.FromMinor(100, gbp)})
	if e, ok := providers.AsError(err); ok && e.Kind == providers.KindCredentials {
		return providers.Probe{Code: e.Code, Said: e.Text, Meaning: "Cardflo refused these credentials.", ToDo: "Copy them from its portal again."}, nil
	}
	return providers.Probe{OK: err == nil, Said: "Transaction not found", Meaning: "Cardflo accepts these credentials."}, err
}

func (q questioned) ReadHint([]byte) (providers.Hint, error) { return providers.Hint{}, nil }

func questionedRegistration() providers.Registration {
	reg := cardflo.Registration()
	reg.New = func(c providers.Config) (providers.Provider, error) {
		a, err := cardflo.New(c)
		if err != nil {
			return nil, err
		}
		return questioned{a}, nil
	}
	return reg
}

// desk is a site with the connection and payment pages, its owner, and an
// emulator whose accounts have the credentials above.
type desk struct {
	*site
	origin string
	svc    *connections.Service
	owner  *browser
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{}
	box := sandbox.New(sandbox.Config{Cardflo: sandboxcardflo.Config{Connectors: []sandboxcardflo.Connector{connector(oldSet), connector(newSet)}}})
	server := httptest.NewServer(box.Handler())
	t.Cleanup(func() { box.Reset(); server.Close() })
	d.origin = server.URL
	host, err := url.Parse(server.URL)
	must(t, err)
	h, p := &Connections{}, &Payments{}
	d.site = newSite(t, slices.Concat(h.Routes(), p.Routes())...)
	registry := providers.NewRegistry(questionedRegistration(), handpoint.Registration())
	transport := httpclient.Transport(httpclient.Options{AllowHosts: []string{host.Host}})
	d.svc = &connections.Service{Store: d.store, Registry: registry, Secrets: d.sealer, Now: d.clock.Now, Transport: transport, PublicURL: "https://pay.example.com"}
	h.Service, h.SignIn = d.svc, d.signin
	p.Service = payments.New(payments.Config{Store: d.store, Registry: registry, Secrets: d.sealer, Now: d.clock.Now, Log: slog.New(slog.NewTextHandler(d.log, nil)), Transport: transport, PublicURL: d.svc.PublicURL})
	p.Devices = devices.New(devices.Config{Store: d.store, Binder: p.Service, Now: d.clock.Now, Log: quiet})
	d.addUser("olive@example.com", domain.Owner)
	d.owner = d.browser().signIn("olive@example.com")
	return d
}

// form opens the form of a system and fills it.
func (d *desk) form(b *browser, name string, edit url.Values) url.Values {
	d.t.Helper()
	doc := b.get("/connections/new?provider=cardflo").wants(d.t, http.StatusOK).doc(d.t)
	out := url.Values{"provider": {"cardflo"}, "name": {name}, "base_url": {d.origin + sandboxcardflo.BasePath}, "f-cardFrameURL": {""}, "f-pageOrigin": {""}}
	for _, hidden := range []string{"_csrf", "_key"} {
		v, _ := doc.Find(`form[action="/connections"] input[name="` + hidden + `"]`).Attr("value")
		out.Set(hidden, v)
	}
	for field, value := range oldSet {
		out.Set("f-"+field, value)
	}
	maps.Copy(out, edit)
	return out
}

func (d *desk) add(name string) string {
	d.t.Helper()
	return d.owner.post("/connections", d.form(d.owner, name, nil)).wants(d.t, http.StatusSeeOther).Header.Get("Location")
}

// step posts one of a connection's forms.
func (d *desk) step(at, tail string, more url.Values) answer {
	d.t.Helper()
	form := url.Values{"_csrf": {d.owner.token("/account")}}
	maps.Copy(form, more)
	return d.owner.post(at+tail, form)
}

func rotation(password string, set map[string]string) url.Values {
	out := url.Values{"password": {password}}
	for field, value := range set {
		out.Set("f-"+field, value)
	}
	return out
}

var (
	readers  = []domain.Role{domain.Owner, domain.Admin, domain.Manager, domain.Developer}
	managers = []domain.Role{domain.Owner, domain.Admin}
)

// connectionRoutes are who may call the connection pages.
var connectionRoutes = map[string]access{
	"GET /connections":                     {roles: readers},
	"GET /connections/new":                 {roles: managers},
	"GET /connections/:id":                 {roles: readers},
	"POST /connections":                    {roles: managers},
	"GET /connections/:id/edit":            {roles: managers},
	"POST /connections/:id/edit":           {roles: managers},
	"POST /connections/:id/test":           {roles: managers},
	"POST /connections/:id/rotate":         {roles: managers},
	"POST /connections/:id/rotate/confirm": {roles: managers},
	"POST /connections/:id/rotate/switch":  {roles: managers},
	"POST /connections/:id/rotate/cancel":  {roles: managers},
	"POST /connections/:id/rotate/retire":  {roles: managers},
	"POST /connections/:id/pause":          {roles: managers},
	"POST /connections/:id/resume":         {roles: managers},
	"POST /connections/:id/remove":         {roles: managers},
}

func TestEveryConnectionRouteAsEveryRole(t *testing.T) {
	d := newDesk(t)
	at := d.add("Card by phone")
	table := maps.Clone(platformRoutes)
	for _, rows := range []map[string]access{connectionRoutes, paymentRoutes} {
		for name, row := range rows {
			if _, path, _ := strings.Cut(name, " "); strings.HasPrefix(path, "/connections/:id") {
				row.path = strings.Replace(path, "/connections/:id", at, 1)
			} else if strings.Contains(path, ":id") {
				row.path = strings.Replace(path, ":id", uuid.NewString(), 1)
			}
			table[name] = row
		}
	}
	checkMatrix(t, d.site, table)
}

func TestAConnectionFromTheFormToItsRemoval(t *testing.T) {
	d := newDesk(t)
	if words := d.owner.get("/connections").wants(t, http.StatusOK).body; !strings.Contains(words, "No connection yet") {
		t.Error("the first day says nothing")
	}
	choose := d.owner.get("/connections/new").wants(t, http.StatusOK).doc(t)
	if got := choose.Find(`main a[href^="/connections/new?provider="]`).Length(); got != 2 {
		t.Errorf("%d systems to choose from", got)
	}
	at := d.add("Card by phone")
	doc := d.owner.get(at).wants(t, http.StatusOK).doc(t)
	if !strings.Contains(doc.Find("#flash").Text(), "Added.") || doc.Find("h1").Text() != "Card by phone" || !strings.Contains(doc.Find(".head").Text(), "Active") {
		t.Errorf("the page says %q", doc.Find("main").Text())
	}
	if got := doc.Find("#callback-url").Text(); got != "https://pay.example.com/webhooks/cardflo/"+strings.TrimPrefix(at, "/connections/") {
		t.Errorf("callbacks go to %q", got)
	}
	if !strings.Contains(doc.Find("table").First().Text(), "•••• aaaa") {
		t.Errorf("the credentials are shown as %q", doc.Find("table").First().Text())
	}
	d.clock.Advance(time.Minute)
	d.step(at, "/test", nil).wants(t, http.StatusSeeOther)
	if words := d.owner.get(at).doc(t).Find("main").Text(); !strings.Contains(words, "Transaction not found") || !strings.Contains(words, "Cardflo accepts these credentials.") {
		t.Errorf("after the test: %s", words)
	}
	d.step(at, "/test", nil).wants(t, http.StatusTooManyRequests)
	row := d.owner.get("/connections").doc(t).Find("tbody tr").First().Text()
	for _, want := range []string{"Card by phone", "Cardflo", "Test", "Accepted", "Active", "refunds"} {
		if !strings.Contains(row, want) {
			t.Errorf("the list's row does not say %q: %s", want, row)
		}
	}

	d.step(at, "/rotate", rotation(testPassword, newSet)).wants(t, http.StatusSeeOther)
	d.step(at, "/rotate/switch", nil).wants(t, http.StatusConflict)
	d.clock.Advance(time.Minute)
	d.step(at, "/rotate/confirm", nil).wants(t, http.StatusSeeOther)
	d.step(at, "/rotate/switch", nil).wants(t, http.StatusSeeOther)
	words := d.owner.get(at).doc(t).Find("table").First().Text()
	if !strings.Contains(words, "•••• bbba") || !strings.Contains(words, "•••• aaaa") {
		t.Errorf("after the switch: %s", words)
	}
	d.step(at, "/rotate/retire", nil).wants(t, http.StatusSeeOther)
	if words := d.owner.get(at).doc(t).Find("table").First().Text(); strings.Contains(words, "aaaa") {
		t.Errorf("after retiring: %s", words)
	}

	d.step(at, "/pause", nil).wants(t, http.StatusSeeOther)
	if words := d.owner.get("/payments/new").doc(t).Find("main").Text(); strings.Contains(words, "Card by phone") {
		t.Error("a paused connection is offered for a payment")
	}
	d.step(at, "/resume", nil).wants(t, http.StatusSeeOther)
	if words := d.owner.form("/payments/new").doc(t).Find("main").Text(); !strings.Contains(words, "Card by phone") {
		t.Error("a resumed connection is not offered for a payment")
	}
	d.step(at, "/remove", nil).wants(t, http.StatusSeeOther)
	d.step(at, "/remove", nil).wants(t, http.StatusSeeOther) // sent twice
	d.step(at, "/resume", nil).wants(t, http.StatusConflict)
	if words := d.owner.get("/connections").body; !strings.Contains(words, "No connection yet") {
		t.Error("a removed connection is listed")
	}
	gone := d.owner.get(at).wants(t, http.StatusOK).doc(t)
	if !strings.Contains(gone.Find("main").Text(), "This connection was removed") || gone.Find("main form").Length() != 0 {
		t.Error("the page of a removed connection")
	}
}

func TestAWrongConnectionFormComesBackWithItsValuesAndNoSecret(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		name, field string
		edit        url.Values
	}{
		{"no name", "name", url.Values{"name": {""}}},
		{"a card number as name", "name", url.Values{"name": {"4111 1111 1111 1111"}}},
		{"a private address", "base_url", url.Values{"base_url": {"https://192.168.0.1/api"}}},
		{"a password in the address", "base_url", url.Values{"base_url": {"https://me:" + canary + "@example.com/api"}}},
		{"a password in an address that is none", "base_url", url.Values{"base_url": {"me:" + canary + "@exa mple"}}},
		{"the live address", "base_url", url.Values{"base_url": {"https://gateway.cardflo.io/api/v3"}}},
		{"a missing credential", "f-password", url.Values{"f-password": {""}}},
		{"a private address in a setting", "f-cardFrameURL", url.Values{"f-cardFrameURL": {"https://10.0.0.1/"}}},
		{"a password in a setting's address", "f-pageOrigin", url.Values{"f-pageOrigin": {"https://me:" + canary + "@example.com"}}},
	} {
		form := d.form(d.owner, "Card by phone", c.edit)
		a := d.owner.post("/connections", form).wants(t, http.StatusUnprocessableEntity)
		doc := a.doc(t)
		field := doc.Find("#" + c.field)
		sentence := strings.TrimSpace(doc.Find("#" + c.field + "-err").Text())
		if bad, _ := field.Attr("aria-invalid"); bad != "true" || sentence == "" || doc.Find(`[data-error-summary] a[href="#`+c.field+`"]`).Length() != 1 {
			t.Errorf("%s: aria-invalid %q, %q", c.name, bad, sentence)
		}
		if !strings.Contains(c.name, "password") {
			if v, _ := field.Attr("value"); v != form.Get(c.field) && !strings.HasPrefix(c.field, "f-password") {
				t.Errorf("%s: %q comes back as %q", c.name, form.Get(c.field), v)
			}
		}
		if key, _ := doc.Find(`input[name="_key"]`).Attr("value"); key != form.Get("_key") {
			t.Errorf("%s: the form's key is another", c.name)
		}
		if strings.Contains(a.body, canary) {
			t.Errorf("%s: a secret comes back", c.name)
		}
	}
	if n := d.count(`select count(*) from connections`); n != 0 {
		t.Errorf("%d connections", n)
	}
	d.owner.post("/connections", d.form(d.owner, "X", url.Values{"f-other": {"x"}})).wants(t, http.StatusBadRequest)
	d.owner.post("/connections", d.form(d.owner, "X", url.Values{"provider": {"other"}})).wants(t, http.StatusUnprocessableEntity)
	d.owner.post("/connections", d.form(d.owner, "X", url.Values{"_key": {"not-a-key"}})).wants(t, http.StatusConflict)
	d.owner.get("/connections/new?provider=other").wants(t, http.StatusNotFound)
}

func TestAConnectionFormThatIsSentTwiceMakesOne(t *testing.T) {
	d := newDesk(t)
	form := d.form(d.owner, "Card by phone", nil)
	first := d.owner.post("/connections", form).wants(t, http.StatusSeeOther).Header.Get("Location")
	second := d.owner.post("/connections", form).wants(t, http.StatusSeeOther).Header.Get("Location")
	if n := d.count(`select count(*) from connections`); first != second || n != 1 {
		t.Errorf("%s, %s, %d connections", first, second, n)
	}
	form.Set("name", "Another name")
	d.owner.post("/connections", form).wants(t, http.StatusConflict)
	form = d.form(d.owner, "No token", nil)
	form.Del("_csrf")
	d.owner.post("/connections", form).wants(t, http.StatusForbidden)
	d.owner.post(first+"/remove", url.Values{}).wants(t, http.StatusForbidden)
	if n := d.count(`select count(*) from connections where removed_at is null`); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestReplacingCredentialsNeedsThePassword(t *testing.T) {
	d := newDesk(t)
	at := d.add("Card by phone")
	for _, password := range []string{"", "not the password"} {
		a := d.step(at, "/rotate", rotation(password, newSet)).wants(t, http.StatusUnprocessableEntity)
		doc := a.doc(t)
		if doc.Find("#password").AttrOr("aria-invalid", "") != "true" || doc.Find("details.fold[open] #password").Length() != 1 || doc.Find("#f-password").AttrOr("aria-invalid", "") != "" {
			t.Errorf("%q: the form does not say what is wrong", password)
		}
		if strings.Contains(a.body, canary) || strings.Contains(a.body, "not the password") {
			t.Errorf("%q: a secret comes back", password)
		}
	}
	if n := d.count(`select count(*) from connection_secrets where slot <> 'current'`); n != 0 {
		t.Errorf("%d credentials were changed", n)
	}
	if n := d.count(`select count(*) from audit_log where action = 'signin.confirmed' and result = 'denied'`); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	// Nothing new.
	d.step(at, "/rotate", rotation(testPassword, nil)).wants(t, http.StatusUnprocessableEntity)
	d.step(at, "/rotate", rotation(testPassword, newSet)).wants(t, http.StatusSeeOther)
	d.step(at, "/rotate", rotation(testPassword, newSet)).wants(t, http.StatusConflict) // sent twice
	if n := d.count(`select count(*) from connection_secrets where slot = 'next'`); n != 4 {
		t.Errorf("%d new credentials", n)
	}
	d.step(at, "/rotate/cancel", nil).wants(t, http.StatusSeeOther)
	// It is one count with signing in: the lock holds here too.
	for range signin.MaxFailures {
		d.step(at, "/rotate", rotation("wrong", newSet)).wants(t, http.StatusUnprocessableEntity)
	}
	d.step(at, "/rotate", rotation(testPassword, newSet)).wants(t, http.StatusUnprocessableEntity)
	d.browser().password("olive@example.com", testPassword).wants(t, http.StatusUnprocessableEntity)
	d.clock.Advance(signin.LockFor + time.Second)
	d.owner.signIn("olive@example.com")
	d.step(at, "/rotate", rotation(testPassword, newSet)).wants(t, http.StatusSeeOther)
}

func TestARefusalOfTheNewCredentialsIsShownInWords(t *testing.T) {
	d := newDesk(t)
	at := d.add("Card by phone")
	d.step(at, "/rotate", rotation(testPassword, map[string]string{cardflo.SecretPassword: canary + "-wrong"})).wants(t, http.StatusSeeOther)
	a := d.step(at, "/rotate/confirm", nil).wants(t, http.StatusUnprocessableEntity)
	words := a.doc(t).Find("#rotation .note").Text()
	if !strings.Contains(words, "Cardflo refused these credentials. Copy them from its portal again.") || strings.Contains(a.body, canary) {
		t.Errorf("the page says %q", words)
	}
	d.step(at, "/rotate/switch", nil).wants(t, http.StatusConflict)
}

func TestAForeignConnectionIsAnsweredLikeOneThatIsNotThere(t *testing.T) {
	d := newDesk(t)
	at := d.add("Card by phone")
	ours := d.merchant
	d.merchant = d.addMerchant("Market Hall")
	d.addUser("thief@example.com", domain.Owner)
	d.merchant = ours
	thief := d.browser().signIn("thief@example.com")
	none := "/connections/" + domain.NewConnectionID().String()
	foreign, missing := thief.get(at).wants(t, http.StatusNotFound), thief.get(none).wants(t, http.StatusNotFound)
	if withoutIDs(foreign) != withoutIDs(missing) {
		t.Error("a foreign connection is answered in another way than one that is not there")
	}
	before := d.count(`select count(*) from audit_log where object_type = 'connection'`)
	thief.get(at+"/edit").wants(t, http.StatusNotFound)
	for _, tail := range []string{"/edit", "/test", "/rotate", "/rotate/confirm", "/rotate/switch", "/rotate/cancel", "/rotate/retire", "/pause", "/resume", "/remove"} {
		form := url.Values{"_csrf": {thief.token("/account")}}
		for _, path := range []string{at, none, "/connections/none"} {
			thief.post(path+tail, form).wants(t, http.StatusNotFound)
		}
	}
	if words := thief.get("/connections").body; strings.Contains(words, "Card by phone") {
		t.Error("the list shows another merchant's connection")
	}
	// A form's id that another merchant has used.
	form := d.form(thief, "Mine", url.Values{"_key": {strings.TrimPrefix(at, "/connections/")}})
	thief.post("/connections", form).wants(t, http.StatusConflict)
	if n := d.count(`select count(*) from audit_log where object_type = 'connection'`); n != before {
		t.Errorf("%d audit rows", n-before)
	}
}

func TestRemovingWaitsForOpenPayments(t *testing.T) {
	d := newDesk(t)
	at := d.add("Card by phone")
	b := d.owner
	doc := b.form("/payments/new?connection="+strings.TrimPrefix(at, "/connections/")).wants(t, http.StatusOK).doc(t)
	form := url.Values{"connection": {strings.TrimPrefix(at, "/connections/")}, "amount": {"42.00"}, "currency": {"GBP"}, "order_reference": {"Hamper"}, "email": {""}, "method": {"page"}}
	for _, name := range []string{"_csrf", "_key"} {
		form.Set(name, doc.Find(`form[action="/payments"] input[name="`+name+`"]`).AttrOr("value", ""))
	}
	payment, _, _ := strings.Cut(b.post("/payments", form).wants(t, http.StatusSeeOther).Header.Get("Location"), "?")
	a := d.step(at, "/remove", nil).wants(t, http.StatusConflict)
	if !strings.Contains(a.doc(t).Find("[data-error-summary]").Text(), "no outcome") {
		t.Error("the page does not say why")
	}
	d.exec(`update transactions set status = 'declined'`)
	d.exec(`update payments set status = 'declined'`)
	d.step(at, "/remove", nil).wants(t, http.StatusSeeOther)
	if words := b.get(payment).wants(t, http.StatusOK).body; !strings.Contains(words, "Card by phone") {
		t.Error("the payment has lost its connection's name")
	}
	if words := b.get("/payments").wants(t, http.StatusOK).doc(t); words.Find(`main input[name="connection"]`).Length() != 0 {
		t.Error("the filter offers a removed connection")
	}
}

func TestAnEndedSessionKeepsWhatWasTypedButNoSecret(t *testing.T) {
	d := newDesk(t)
	form := d.form(d.owner, "Card by phone", nil)
	a := d.browser().post("/connections", form).wants(t, http.StatusUnauthorized)
	if !strings.Contains(a.body, "Nothing was added.") || !strings.Contains(a.body, "Card by phone") || strings.Contains(a.body, canary) {
		t.Errorf("it says %s", clipped(a.body))
	}
	a = d.browser().post("/connections/"+uuid.NewString()+"/rotate", rotation(canary, newSet)).wants(t, http.StatusUnauthorized)
	if !strings.Contains(a.body, "Nothing was changed.") || strings.Contains(a.body, canary) {
		t.Errorf("it says %s", clipped(a.body))
	}
}

// TestNoSecretOfAConnectionLeaves walks all pages and forms with planted
// credentials and looks for them in every answer, the log and the database.
func TestNoSecretOfAConnectionLeaves(t *testing.T) {
	d := newDesk(t)
	look := func(what string, a answer) {
		t.Helper()
		headers := fmt.Sprint(a.Header)
		if strings.Contains(a.body, canary) || strings.Contains(headers, canary) {
			t.Errorf("%s gives a secret away", what)
		}
	}
	form := d.form(d.owner, "Card by phone", nil)
	made := d.owner.post("/connections", form).wants(t, http.StatusSeeOther)
	at := made.Header.Get("Location")
	look("adding", made)
	all := func(when string) {
		for _, role := range domain.Roles {
			email := string(role) + "@look.example.com"
			if d.count(`select count(*) from users where email = $1`, email) == 0 {
				d.addUser(email, role)
			}
			b := d.browser().signIn(email)
			for _, path := range []string{"/connections", "/connections/new", "/connections/new?provider=cardflo", at, at + "/edit", "/", "/payments", "/payments/new"} {
				look(when+", "+path+" as "+string(role), b.get(path))
				look(when+", fragment of "+path, b.with("HX-Request", "true").get(path))
			}
		}
	}
	all("new")
	for _, s := range []struct {
		tail string
		more url.Values
	}{
		{"/test", nil}, {"/edit", url.Values{"name": {"Card by phone"}, "password": {"wrong-" + canary}, "f-pageOrigin": {"https://me:" + canary + "@example.com"}}},
		{"/edit", url.Values{"name": {"Card by phone"}, "password": {testPassword}, "f-pageOrigin": {"https://me:" + canary + "@example.com"}}},
		{"/rotate", rotation("wrong-"+canary, newSet)}, {"/rotate", rotation(testPassword, map[string]string{cardflo.SecretAPIKey: strings.Repeat(canary, 200)})},
		{"/rotate", rotation(testPassword, map[string]string{cardflo.SecretPassword: canary + "-no-such-password"})}, {"/rotate/confirm", nil}, {"/rotate/cancel", nil},
		{"/rotate", rotation(testPassword, newSet)}, {"/rotate/confirm", nil}, {"/rotate/switch", nil}, {"/test", nil}, {"/rotate/retire", nil},
	} {
		d.clock.Advance(time.Minute)
		look(s.tail, d.step(at, s.tail, s.more))
		look("after "+s.tail, d.owner.get(at))
	}
	all("rotated")
	look("removing", d.step(at, "/remove", nil))
	if strings.Contains(d.log.String(), canary) {
		t.Error("a secret is in the log")
	}
	for _, table := range []string{"connections", "audit_log", "sessions", "connection_secrets"} {
		if n := d.count(`select count(*) from ` + table + ` r where r::text like '%` + canary + `%' or r::text like '%' || encode('` + canary + `', 'hex') || '%'`); n != 0 {
			t.Errorf("%s holds a secret in clear", table)
		}
	}
}

func TestAConnectionsSettingsAreChangedWithThePassword(t *testing.T) {
	d := newDesk(t)
	at := d.add("Card by phone")
	d.add("Taken")
	frame := d.origin + "/cardflo/frame/x"
	for _, c := range []struct {
		name, field string
		edit        url.Values
	}{
		{"no password", "password", url.Values{"password": {""}}},
		{"a wrong password", "password", url.Values{"password": {"wrong"}}},
		{"no name", "name", url.Values{"name": {""}}},
		{"a name that is taken", "name", url.Values{"name": {"taken"}}},
		{"a private address", "f-pageOrigin", url.Values{"f-pageOrigin": {"https://10.0.0.1"}}},
		{"the live address", "f-pageOrigin", url.Values{"f-pageOrigin": {"https://gateway.cardflo.io"}}},
	} {
		form := url.Values{"name": {"Another name"}, "password": {testPassword}, "f-cardFrameURL": {frame}}
		maps.Copy(form, c.edit)
		a := d.step(at, "/edit", form).wants(t, http.StatusUnprocessableEntity)
		doc := a.doc(t)
		if doc.Find("#"+c.field).AttrOr("aria-invalid", "") != "true" || strings.TrimSpace(doc.Find("#"+c.field+"-err").Text()) == "" {
			t.Errorf("%s: the form does not say what is wrong", c.name)
		}
		if doc.Find("#f-cardFrameURL").AttrOr("value", "") != frame || doc.Find("#password").AttrOr("value", "") != "" {
			t.Errorf("%s: the values come back wrong", c.name)
		}
	}
	if n := d.count(`select count(*) from audit_log where action = 'connection.changed'`); n != 0 {
		t.Errorf("%d audit rows", n)
	}
	d.step(at, "/edit", url.Values{"password": {testPassword}, "name": {"X"}, "base_url": {"https://evil.example"}}).wants(t, http.StatusBadRequest)
	d.step(at, "/edit", url.Values{"password": {testPassword}, "name": {"X"}, "f-password": {"x"}}).wants(t, http.StatusBadRequest)
	form := url.Values{"name": {"Another name"}, "password": {testPassword}, "f-cardFrameURL": {frame}, "f-timeoutSeconds": {"10"}}
	for range 2 {
		d.step(at, "/edit", form).wants(t, http.StatusSeeOther)
	}
	if got := d.owner.get(at+"/edit").doc(t).Find("#f-timeoutSeconds").AttrOr("value", ""); got != "10" {
		t.Errorf("the wait comes back as %q", got)
	}
	doc := d.owner.get(at).wants(t, http.StatusOK).doc(t)
	if doc.Find("h1").Text() != "Another name" || !strings.Contains(doc.Find("aside").Text(), frame) || !strings.Contains(doc.Find("#offers tr:nth-child(3)").Text(), "Yes") {
		t.Error("the page does not show the change")
	}
	if n := d.count(`select count(*) from audit_log where action = 'connection.changed' and detail->'changed' = '["name", "cardFrameURL", "timeoutSeconds"]'`); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	d.step(at, "/remove", nil).wants(t, http.StatusSeeOther)
	d.owner.get(at+"/edit").wants(t, http.StatusConflict)
	d.step(at, "/edit", form).wants(t, http.StatusConflict)
}

// The emulator's card frame has the connector's key in its address.
func TestAKeyInsideAPublicAddressIsNotShown(t *testing.T) {
	d := newDesk(t)
	form := d.form(d.owner, "Card by phone", url.Values{"f-cardFrameURL": {d.origin + "/cardflo/frame/" + oldSet[cardflo.SecretAPIKey]}})
	at := d.owner.post("/connections", form).wants(t, http.StatusSeeOther).Header.Get("Location")
	a := d.owner.get(at).wants(t, http.StatusOK)
	if strings.Contains(a.body, canary) || !strings.Contains(a.body, "/cardflo/frame/••••") {
		t.Error("the page shows the key")
	}
}

func TestTheCommandPrintsWhatThePagesShow(t *testing.T) {
	d := newDesk(t)
	paths := []string{d.add("Card by phone")}
	framed := d.form(d.owner, "With a frame", url.Values{"f-cardFrameURL": {d.origin + "/cardflo/frame/x"}})
	paths = append(paths, d.owner.post("/connections", framed).wants(t, http.StatusSeeOther).Header.Get("Location"))
	saved, err := d.svc.Create(t.Context(), domain.Actor{MerchantID: d.merchant}, connections.NewConnection{Provider: "handpoint", Name: "Saved cards",
		BaseURL: d.origin + sandboxhandpoint.BasePath, Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}})
	must(t, err)
	paths = append(paths, "/connections/"+saved.ID.String())
	d.exec(`delete from connection_secrets where connection_id = $1`, strings.TrimPrefix(paths[0], "/connections/")) // one that offers nothing

	list, err := d.svc.Connections(t.Context(), d.merchant)
	must(t, err)
	var printed bytes.Buffer
	must(t, connections.WriteOffers(&printed, list))
	var shown []string
	for _, path := range paths {
		doc := d.owner.get(path).wants(t, http.StatusOK).doc(t)
		shown = append(shown, doc.Find("h1").Text())
		doc.Find("#offers tbody tr").Each(func(_ int, row *goquery.Selection) {
			name := row.Find("th").Clone()
			name.Find(".sub").Remove()
			shown = append(shown, squeezed(name.Text()+" "+strings.ToLower(row.Find("td").Eq(0).Text())+" "+row.Find("td").Eq(1).Text()))
		})
	}
	var lines []string
	for _, line := range strings.Split(printed.String(), "\n") {
		if line = squeezed(line); line != "" {
			name, _, _ := strings.Cut(line, " (Cardflo, test) ")
			name, _, _ = strings.Cut(name, " (Handpoint, test) ")
			lines = append(lines, name)
		}
	}
	if len(lines) != 3*(1+len(domain.AllCapabilities)) || !slices.Equal(lines, shown) {
		t.Errorf("the command prints\n%s\nthe pages show\n%s", strings.Join(lines, "\n"), strings.Join(shown, "\n"))
	}
}

func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }
