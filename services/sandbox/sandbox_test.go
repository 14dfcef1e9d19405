package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox"
	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func start(t *testing.T) (sandbox.Control, string) {
	t.Helper()
	box := sandbox.New(sandbox.Config{})
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(box.Reset)
	return sandbox.Control{BaseURL: srv.URL}, srv.URL
}

func send(t *testing.T, url, body string, header map[string]string) map[string]any {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func handpointSale(t *testing.T, base string) map[string]any {
	t.Helper()
	return send(t, base+handpoint.BasePath+"/moto/sale",
		`{"amount":"2000","currency":"EUR","cardToken":"`+handpoint.TokenVisa+`","transactionReference":"00000000-0000-4000-8000-000000000001"}`,
		map[string]string{"ApiKeyCloud": handpoint.SandboxKey})
}

func cardfloSale(t *testing.T, base, id string) map[string]any {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(cardflo.SandboxUser, cardflo.SandboxPassword)
	return send(t, base+cardflo.BasePath+"/transaction/"+cardflo.SandboxKey+"/debit",
		fmt.Sprintf(`{"merchantTransactionId":%q,"amount":"9.99","currency":"EUR","transactionToken":%q}`, id, cardflo.TokenApprove),
		map[string]string{"Authorization": req.Header.Get("Authorization")})
}

func TestBothProvidersAnswerOnOneAddressWithTheirOwnLedgers(t *testing.T) {
	control, base := start(t)
	if got := handpointSale(t, base); got["issuerResponseCode"] != "00" {
		t.Error(got)
	}
	if got := cardfloSale(t, base, "one"); got["returnType"] != "FINISHED" {
		t.Error(got)
	}
	for provider, reference := range map[string]string{handpoint.Name: "00000000-0000-4000-8000-000000000001", cardflo.Name: "one"} {
		state, err := control.For(provider).State(t.Context())
		if err != nil || len(state.Charges) != 1 || state.Approved[reference] != 1 {
			t.Errorf("%s: %+v, %v", provider, state, err)
		}
		journal, err := control.For(provider).Journal(t.Context())
		if err != nil || len(journal) != 1 || journal[0].Method != http.MethodPost {
			t.Errorf("%s: %+v, %v", provider, journal, err)
		}
	}
}

func TestControlOfOneProviderLeavesTheOtherAlone(t *testing.T) {
	control, base := start(t)
	cf := control.For(cardflo.Name)
	if err := cf.Outcome(t.Context(), kit.Outcome{Result: kit.Decline}); err != nil {
		t.Fatal(err)
	}
	if got := handpointSale(t, base); got["issuerResponseCode"] != "00" {
		t.Error(got)
	}
	if got := cardfloSale(t, base, "one"); got["returnType"] != "ERROR" {
		t.Error(got)
	}
	if err := cf.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, err := control.For(handpoint.Name).State(t.Context()); err != nil || len(state.Charges) != 1 {
		t.Errorf("%+v, %v", state, err)
	}
	if state, err := cf.State(t.Context()); err != nil || len(state.Charges) != 0 {
		t.Errorf("%+v, %v", state, err)
	}
	now, err := cf.Advance(t.Context(), time.Hour)
	if err != nil || time.Until(now) < 59*time.Minute {
		t.Errorf("%v, %v", now, err)
	}
}

func TestCallbacksAreSwitchedThroughTheControl(t *testing.T) {
	control, _ := start(t)
	cf := control.For(cardflo.Name)
	for _, on := range []bool{true, false} {
		if err := cf.Callbacks(t.Context(), on); err != nil {
			t.Error(err)
		}
	}
	if d, err := cf.Deliveries(t.Context()); err != nil || len(d) != 0 {
		t.Errorf("%v, %v", d, err)
	}
}

// The emulators must stay an independent reading of the documents: a type
// shared with an adapter, or with the product's money or domain, would let one
// misreading pass on both sides.
func TestTheEmulatorsShareNothingWithTheProduct(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const ours, sandboxPath = "github.com/counterfoil/counterfoil/", "github.com/counterfoil/counterfoil/services/sandbox"
	allowed := map[string][]string{sandboxPath: {sandboxPath + "/kit"}, sandboxPath + "/kit": nil}
	for _, emulator := range []string{"handpoint", "cardflo", "cashflows", "cloudflow", "cloudpayments"} {
		allowed[sandboxPath] = append(allowed[sandboxPath], sandboxPath+"/"+emulator)
		allowed[sandboxPath+"/"+emulator] = []string{sandboxPath + "/kit"}
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		fields := strings.Fields(line)
		permitted, known := allowed[fields[0]]
		if !known {
			t.Errorf("%s is not in the list of this test", fields[0])
		}
		for _, imported := range fields[1:] {
			if !strings.HasPrefix(imported, ours) {
				continue
			}
			ok := false
			for _, p := range permitted {
				ok = ok || p == imported
			}
			if !ok {
				t.Errorf("%s imports %s", fields[0], imported)
			}
		}
	}
}
