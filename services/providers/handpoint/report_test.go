package handpoint

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
)

func TestWhatATerminalTellsOfItselfIsReadAsItIs(t *testing.T) {
	a := serve(t, nil).adapter(t)
	percent := func(n int) *int { return &n }
	for _, c := range []struct {
		name, status string
		want         domain.DeviceReport
	}{
		{"the document's sample", `{"applicationName":"Payments","applicationVersion":"20.4.12.1","batteryCharging":"Not Charging","batteryStatus":"80","batterymV":"3922","bluetoothName":"PAXA920PRO","externalPower":"USB","serialNumber":"1850025030","statusMessage":""}`,
			domain.DeviceReport{Battery: percent(80), Charging: "no", Power: "USB", AppName: "Payments", AppVersion: "20.4.12.1"}},
		{"charging", `{"batteryCharging":"Charging","batteryStatus":"7"}`, domain.DeviceReport{Battery: percent(7), Charging: "yes"}},
		{"full", `{"batteryCharging":"Full","batteryStatus":"100"}`, domain.DeviceReport{Battery: percent(100), Charging: "yes"}},
		{"a number", `{"batteryStatus":42}`, domain.DeviceReport{Battery: percent(42)}},
		{"empty", `{"batteryCharging":"","batteryStatus":"","externalPower":""}`, domain.DeviceReport{}},
		{"more than full", `{"batteryStatus":"101"}`, domain.DeviceReport{}},
		{"below empty", `{"batteryStatus":"-1"}`, domain.DeviceReport{}},
		{"a word", `{"batteryStatus":"high"}`, domain.DeviceReport{}},
		{"not there", `{}`, domain.DeviceReport{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ans statusAnswer
			if err := json.Unmarshal([]byte(`{"deviceStatus":`+c.status+`}`), &ans); err != nil {
				t.Fatal(err)
			}
			got := a.report(ans)
			same := got.Battery == nil && c.want.Battery == nil || got.Battery != nil && c.want.Battery != nil && *got.Battery == *c.want.Battery
			got.Battery, c.want.Battery = nil, nil
			if !same || got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestACallbackKeepsWhatATerminalTellsOfItselfAndNotItsSecret(t *testing.T) {
	a := serve(t, nil).adapter(t)
	kept, err := a.CleanCallback([]byte(`{"finStatus":"AUTHORISED","type":"SALE","transactionID":"t1","deviceStatus":{"serialNumber":"1850025030","batteryStatus":"12",
		"batteryCharging":"Not Charging","applicationVersion":"20.4.12.1","applicationName":"Payments","externalPower":"USB","ssk":"PLANTED","batterymV":"3922"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"batteryStatus":"12"`, `"batteryCharging":"Not Charging"`, `"applicationVersion":"20.4.12.1"`, `"externalPower":"USB"`} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("%s is not kept: %s", want, kept)
		}
	}
	if strings.Contains(string(kept), "PLANTED") {
		t.Errorf("a secret is kept: %s", kept)
	}
}

func TestEveryOperationHasTheDocumentsName(t *testing.T) {
	a := serve(t, nil).adapter(t)
	used := map[string]bool{}
	for op, both := range names {
		for i, virtual := range []bool{false, true} {
			name := a.TerminalOperation(op, virtual)
			if name != both[i] {
				t.Errorf("%s: %q", op, name)
			}
			if _, known := operations[name]; name != "" && !known {
				t.Errorf("%s is called %q, which the document does not have", op, name)
			}
			used[name] = true
		}
	}
	for name := range operations {
		if !used[name] {
			t.Errorf("the document's %q is asked for by nothing", name)
		}
	}
	if got := a.TerminalOperation("self-destruct", false); got != "" {
		t.Errorf("an operation that nobody knows is called %q", got)
	}
	if got := a.TerminalOperation(providers.OpPrint, true); got != "" {
		t.Errorf("a virtual terminal prints by %q", got)
	}
}
