package gallery

import (
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
)

func manager() layouts.Model {
	m := testMode()
	m.Can = layouts.CanOf(domain.Owner)
	return m
}

func connectionList() pages.ConnectionsView {
	return pages.ConnectionsView{Layout: manager(), Rows: []pages.ConnectionRow{
		{ID: domain.ConnectionID{UUID: uuidOf(1)}, Name: "Card by phone", System: "Cardflo", Mode: domain.Test, State: pages.ConnectionActive, Offers: "Card by phone, saved cards, refunds", TestedAt: now.Add(-time.Hour), TestOK: true, CanTest: true, Rotating: true},
		{ID: domain.ConnectionID{UUID: uuidOf(2)}, Name: "Till", System: "Handpoint", Mode: domain.Test, State: pages.ConnectionAttention, Why: "The last test failed.", Offers: "Saved cards, terminals, refunds, batches", TestedAt: now.Add(-48 * time.Hour), CanTest: true},
		{ID: domain.ConnectionID{UUID: uuidOf(3)}, Name: "The old account of before the move to Quay Street", System: "Cashflows", Mode: domain.Test, State: pages.ConnectionPaused, Offers: "Card by phone, refunds"},
	}}
}

func connectionFields() []pages.ConnectionField {
	return []pages.ConnectionField{
		{Name: "apiKey", Label: "API key", Hint: "The connector’s key, a part of every address.", Kind: "text", Secret: true, Required: true},
		{Name: "password", Label: "API password", Kind: "text", Secret: true, Required: true},
		{Name: "sharedSecret", Label: "Shared secret", Hint: "Leave it empty if the connector asks for no signature.", Kind: "text", Secret: true},
		{Name: "acquirer", Label: "Acquirer", Kind: "choice", Required: true, Options: []pages.FieldOption{{Value: "a", Label: "First"}, {Value: "b", Label: "Second"}}, Value: "b"},
		{Name: "frame", Label: "Card frame’s address", Hint: "Leave it empty unless the provider gave you one.", Kind: "url"},
		{Name: "async", Label: "Terminals answer later", Hint: "Ask the provider before you tick it.", Kind: "yes_no"},
	}
}

func connectionForm() pages.ConnectionFormView {
	return pages.ConnectionFormView{Layout: manager(), Provider: "cardflo", Label: "Cardflo", Key: uuidOf(9).String(), Addresses: []string{"https://sandbox.cardflo.io/api/v3 – tests"}, Fields: connectionFields()}
}

func connectionDetail() pages.ConnectionView {
	v := pages.ConnectionView{Layout: manager(), ID: domain.ConnectionID{UUID: uuidOf(1)}, Name: "Card by phone", System: "Cardflo", Mode: domain.Test, State: pages.ConnectionActive,
		CreatedAt: now.Add(-900 * time.Hour), Currencies: []money.Currency{gbp, jpy}, CanTest: true, TestedAt: now.Add(-time.Hour), TestOK: true, TestSaid: "Transaction not found (8001)",
		TestMeaning: "Cardflo accepts these credentials.", CallbackURL: "https://pay.example.com/webhooks/cardflo/" + uuidOf(1).String(),
		Values: [][2]string{{"Address", "https://gateway.cardflo.io/api/v3"}, {"Acquirer", "Second"}, {"Card frame’s address", "https://gateway.cardflo.io/frame/0123456789abcdef0123456789abcdef"}}}
	for _, f := range connectionFields()[:3] {
		v.Credentials = append(v.Credentials, pages.CredentialRow{Field: f, Current: pages.CredentialShown{Set: true, Last4: "9f3a", At: now.Add(-900 * time.Hour)}})
	}
	v.Credentials[1].Current.Last4 = ""
	v.Credentials[2].Current = pages.CredentialShown{}
	for i, c := range domain.AllCapabilities {
		o := pages.OfferRow{Capability: c, Offered: i%3 != 2}
		if !o.Offered {
			o.Why = "Cardflo does not offer it."
		}
		v.Offers = append(v.Offers, o)
	}
	return v
}

func connectionSamples(add func(string, templ.Component)) {
	add("connections", pages.Connections(connectionList()))
	none := connectionList()
	none.Rows = nil
	add("connections-none", pages.Connections(none))
	none.Layout.Can = layouts.CanOf(domain.Developer)
	add("connections-none-reader", pages.Connections(none))
	add("connection-choose", pages.NewConnection(pages.ConnectionFormView{Layout: manager(), Systems: []pages.SystemChoice{{Name: "cardflo", Label: "Cardflo", Where: "Card by phone, saved cards, refunds"}, {Name: "cloud", Label: "Cloud Payments"}}}))
	add("connection-form", pages.NewConnection(connectionForm()))
	bad := connectionForm()
	bad.Addresses, bad.Name, bad.BaseURL = nil, "Card by phone", "https://10.0.0.1"
	bad.Errors = map[string]string{"base_url": "The provider’s address is not a public one.", "apiKey": "Enter this value: the connection does not work without it.", "acquirer": "Choose one of these.", "async": "Tick it or leave it empty."}
	add("connection-form-invalid", pages.NewConnection(bad))
	old := connectionForm()
	old.FormError = "This form has made the connection “Card by phone” already. Open a new form to add another one."
	add("connection-form-old", pages.NewConnection(old))

	change := connectionForm()
	change.ID, change.Name, change.BaseURL, change.Fields = domain.ConnectionID{UUID: uuidOf(1)}, "Card by phone", "https://sandbox.cardflo.io/api/v3", change.Fields[3:]
	add("connection-edit", pages.EditConnection(change))
	change.Errors, change.PasswordError = map[string]string{"name": "Give the connection a name."}, "Enter your password."
	add("connection-edit-invalid", pages.EditConnection(change))

	add("connection", pages.Connection(connectionDetail()))
	reader := connectionDetail()
	reader.Layout.Can, reader.Rotation, reader.HintsOnly = layouts.CanOf(domain.Developer), pages.RotationBeside, true
	add("connection-reader", pages.Connection(reader))
	fresh := connectionDetail()
	fresh.TestedAt, fresh.CallbackURL = time.Time{}, ""
	add("connection-fresh", pages.Connection(fresh))
	failed := connectionDetail()
	failed.State, failed.Why, failed.TestOK, failed.TestSaid, failed.TestMeaning = pages.ConnectionAttention, "The last test failed.", false, "Invalid credentials (1004)", "Cardflo refused these credentials. Check them in its portal, then replace them here."
	add("connection-failed", pages.Connection(failed))
	attention := connectionDetail()
	attention.State, attention.Why, attention.Quarantined = pages.ConnectionAttention, "Some of its callbacks could not be applied.", "3 callbacks"
	add("connection-attention", pages.Connection(attention))
	wrong := connectionDetail()
	wrong.PasswordError = "That is not your password. After 10 wrong tries in a row an account is locked for 30 minutes."
	add("connection-wrong-password", pages.Connection(wrong))
	paused := connectionDetail()
	paused.State, paused.CanTest, paused.TestedAt, paused.WhyNoTest = pages.ConnectionPaused, false, time.Time{}, "It cannot be tested: Cardflo does not offer it."
	add("connection-paused", pages.Connection(paused))
	for _, step := range []pages.RotationStep{pages.RotationBeside, pages.RotationConfirmed, pages.RotationSwitched} {
		v := connectionDetail()
		v.Rotation, v.ConfirmedAt = step, now.Add(-time.Minute)
		for i := range v.Credentials[:2] {
			v.Credentials[i].Next = pages.CredentialShown{Set: true, Last4: "77aa", At: now.Add(-time.Minute)}
			v.Credentials[i].Previous = v.Credentials[i].Next
		}
		add("connection-"+string(step), pages.Connection(v))
		if step == pages.RotationBeside {
			v.ConfirmSaid, v.ConfirmMeaning = "Invalid credentials (1004)", "Cardflo refused these credentials. Check them in its portal, then cancel and enter them again."
			add("connection-unconfirmed", pages.Connection(v))
			v.ConfirmSaid, v.ConfirmMeaning, v.CanTest = "", "", false
			v.CheckedError = "Tick that you have checked them: this system cannot be asked."
			add("connection-by-hand", pages.Connection(v))
		}
	}
	open := connectionDetail()
	open.FormError = "“Card by phone” cannot be removed yet: a payment or refund taken through it has no outcome, and only its credentials can ask for it. Pause it, and remove it when the outcome is known."
	add("connection-cannot-remove", pages.Connection(open))
	removed := connectionDetail()
	removed.State, removed.RemovedAt = pages.ConnectionRemoved, now.Add(-time.Hour)
	add("connection-removed", pages.Connection(removed))
}

func TestAConnectionsPageOffersOnlyTheNextStep(t *testing.T) {
	for step, want := range map[pages.RotationStep]string{pages.RotationNone: "/rotate", pages.RotationBeside: "/rotate/confirm /rotate/cancel",
		pages.RotationConfirmed: "/rotate/switch /rotate/cancel", pages.RotationSwitched: "/rotate/retire"} {
		v := connectionDetail()
		v.Rotation = step
		var got []string
		for _, n := range render(t, pages.Connection(v)).Find("#rotation form").Nodes {
			for _, a := range n.Attr {
				if a.Key == "action" {
					got = append(got, strings.TrimPrefix(a.Val, "/connections/"+v.ID.String()))
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q offers %v", step, got)
		}
	}
}

func TestAReaderSeesNoFormOfAConnection(t *testing.T) {
	v := connectionDetail()
	v.Layout.Can = layouts.CanOf(domain.Developer)
	doc := render(t, pages.Connection(v))
	if n := doc.Find(`main form`).Length(); n != 0 {
		t.Errorf("%d forms", n)
	}
	for _, role := range domain.Roles {
		l := list()
		l.Layout.Can = layouts.CanOf(role)
		if got := render(t, pages.PaymentsList(l)).Find(`nav a[href="/connections"]`).Length() > 0; got != role.May(domain.ConnectionsRead) {
			t.Errorf("%s sees Connections: %v", role, got)
		}
	}
}

func TestAConnectionFormRepeatsNoSecret(t *testing.T) {
	v := connectionForm()
	for i := range v.Fields {
		v.Fields[i].Value = "canary"
	}
	doc := render(t, pages.NewConnection(v))
	doc.Find("input[type=password]").Each(func(_ int, el *goquery.Selection) {
		if _, has := el.Attr("value"); has {
			t.Errorf("%s has a value", el.AttrOr("name", ""))
		}
	})
	if n := doc.Find(`input[name^="f-"][type=password]`).Length(); n != 3 {
		t.Errorf("%d secret fields", n)
	}
}
