package connections_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/cloudpayments"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/store"
)

// systems are all five, each with the emulator's published credentials, and one
// credential that the emulator refuses.
var systems = []struct {
	reg               providers.Registration
	basePath          string
	settings, secrets map[string]string
	spoilt            string // the field that bad replaces
	bad               string
}{
	{cardflo.Registration(), "/cardflo/api/v3", nil, map[string]string{"apiKey": "cf-sandbox-key", "username": "cf-sandbox-user", "password": "cf-sandbox-password", "sharedSecret": "cf-sandbox-shared-secret"}, "password", "canary-password"},
	{handpoint.Registration(), "/handpoint", nil, map[string]string{"apiKey": "hp-sandbox-key"}, "apiKey", "canary-api-key"},
	{cashflows.Registration(), "/cashflows", map[string]string{"configurationId": "c0ffee00-0000-4000-8000-000000000001"}, map[string]string{"apiKey": "cashflows-sandbox-api-key"}, "apiKey", "canary-api-key"},
	{cloudflow.Registration(), "/cloudflow", map[string]string{"accountId": "Sandbox-Account"}, map[string]string{"apiToken": "Sandbox-Api-Token"}, "apiToken", "canary-api-token"},
	{cloudpayments.Registration(), "/cloudpayments", nil, map[string]string{"apiKey": "cp-sandbox-key-valid"}, "apiKey", "cp-sandbox-key-revoked"},
}

// Every system can be added, tells what it thinks of good and of bad
// credentials in words, and has its credentials replaced.
func TestEverySystemIsAddedTestedAndRotated(t *testing.T) {
	b := newBench(t, domain.Test)
	var regs []providers.Registration
	for _, s := range systems {
		regs = append(regs, s.reg)
	}
	b.Registry = providers.NewRegistry(regs...)
	for _, s := range systems {
		t.Run(s.reg.Name, func(t *testing.T) {
			in := connections.NewConnection{ID: domain.NewConnectionID(), Provider: s.reg.Name, Name: s.reg.Label, BaseURL: b.origin + s.basePath, Settings: s.settings, Secrets: s.secrets}
			c, err := b.Add(t.Context(), b.actor, in)
			must(t, err)
			b.clock.add(time.Minute)
			v, err := b.Test(t.Context(), b.actor, c.ID)
			must(t, err)
			if !v.OK || v.Meaning == "" {
				t.Errorf("good credentials: %+v", v)
			}
			got := b.get(c.ID)
			if got.State != connections.Active || got.Summary == "" || len(got.Offers) != len(domain.AllCapabilities) || !got.CanTest() {
				t.Errorf("%s %q", got.State, got.Summary)
			}
			must(t, b.Rotate(t.Context(), b.actor, c.ID, map[string]string{s.spoilt: s.bad}))
			b.clock.add(time.Minute)
			v, err = b.Confirm(t.Context(), b.actor, c.ID, true)
			must(t, err)
			if v.OK || v.Meaning == "" || strings.Contains(v.Said+v.Meaning, s.bad) || b.get(c.ID).Rotation != connections.Beside {
				t.Errorf("bad credentials: %+v", v)
			}
			t.Logf("%s says %q: %s", s.reg.Label, v.Said, v.Meaning)
			must(t, b.CancelRotation(t.Context(), b.actor, c.ID))
			must(t, b.Rotate(t.Context(), b.actor, c.ID, map[string]string{s.spoilt: s.secrets[s.spoilt]}))
			b.clock.add(time.Minute)
			if v, err = b.Confirm(t.Context(), b.actor, c.ID, false); err != nil || !v.OK {
				t.Fatalf("%+v %v", v, err)
			}
			must(t, b.Switch(t.Context(), b.actor, c.ID))
			if len(b.inUse(c.ID, store.SlotPrevious)) != len(s.secrets) {
				t.Error("the credentials of before are gone")
			}
			must(t, b.Retire(t.Context(), b.actor, c.ID))
		})
	}
}

// A required value that is missing is named by its label, at its field.
func TestWhatAnAdapterRefusesStandsAtItsField(t *testing.T) {
	b := newBench(t, domain.Test)
	b.Registry = providers.NewRegistry(cashflows.Registration(), handpoint.Registration())
	in := connections.NewConnection{ID: domain.NewConnectionID(), Provider: "cashflows", Name: "Web", BaseURL: b.origin + "/cashflows", Secrets: map[string]string{"apiKey": "cashflows-sandbox-api-key"}}
	_, err := b.Add(t.Context(), b.actor, in)
	if words := domain.FieldsOf(err)["configurationId"]; !strings.HasPrefix(words, "“Configuration ID” is missing") {
		t.Errorf("%v %v", err, domain.FieldsOf(err))
	}
	in = connections.NewConnection{ID: domain.NewConnectionID(), Provider: "handpoint", Name: "Till", BaseURL: b.origin + "/handpoint", Secrets: map[string]string{"apiKey": "hp-sandbox-key", "callbackToken": "x y"}}
	_, err = b.Add(t.Context(), b.actor, in)
	if words := domain.FieldsOf(err)["callbackToken"]; words == "" || strings.Contains(words, "x y") {
		t.Errorf("%v %v", err, domain.FieldsOf(err))
	}
}

func TestEveryDocumentedAddressIsOfItsModeOnly(t *testing.T) {
	for _, mode := range []domain.Mode{domain.Live, domain.Test} {
		b := newBench(t, mode)
		for _, s := range systems {
			b.Registry = providers.NewRegistry(s.reg)
			for _, a := range s.reg.Addresses {
				in := connections.NewConnection{ID: domain.NewConnectionID(), Provider: s.reg.Name, Name: s.reg.Label + " " + a.URL, BaseURL: a.URL, Settings: s.settings, Secrets: s.secrets}
				_, err := b.Add(t.Context(), b.actor, in)
				if refused := domain.FieldsOf(err)["base_url"] != ""; refused != (a.Mode != mode) {
					t.Errorf("%s, %s in %s mode: %v %v", s.reg.Label, a.URL, mode, err, domain.FieldsOf(err))
				}
			}
		}
	}
}
