package handpoint_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func yes() *bool { b := true; return &b }
func no() *bool  { return new(bool) }

func TestDevicesAreListedWithoutTheirSharedSecret(t *testing.T) {
	l := start(t, options{})
	devices, err := l.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []providers.Device{
		{Serial: emulator.TerminalSerial, Type: emulator.TerminalType, Merchant: "sandboxmerchant"},
	}
	for _, d := range emulator.OtherTerminals {
		want = append(want, providers.Device{Serial: d.Serial, Type: d.Type, Merchant: "sandboxmerchant"})
	}
	want = append(want, providers.Device{Serial: emulator.VirtualSerial, Type: "VT", Merchant: "sandboxmerchant", Virtual: true})
	if !slices.Equal(devices, want) {
		t.Errorf("%+v", devices)
	}
	if strings.Contains(l.log.String(), "SANDBOX-SSK") {
		t.Error("the transcript holds a shared secret")
	}
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Body: `[{"serial_number":"1","ssk":"PLANTED"`})
	_, err = l.Devices(t.Context())
	if e := wantRefused(t, err, providers.KindGarbage, false, ""); strings.Contains(e.Error()+string(e.Raw), "PLANTED") {
		t.Error("an unreadable list is kept")
	}
}

func TestTheConnectionIsTestedByTheListOfTerminals(t *testing.T) {
	for _, c := range []struct {
		name, key string
		devices   []emulator.Device
		ok        bool
		means     string
	}{
		{"terminal and virtual terminal", "k", []emulator.Device{{Serial: "1", Type: "PAXA920"}, {Serial: "2", Type: "VT"}}, true, "lists one terminal and the virtual terminal"},
		{"two terminals", "k", []emulator.Device{{Serial: "1", Type: "PAXA920"}, {Serial: "2", Type: "PAXA920"}}, true, "lists 2 terminals, and no virtual one"},
		{"virtual terminal only", "k", []emulator.Device{{Serial: "2", Type: "VT"}}, true, "lists the virtual terminal"},
		{"nothing", "k", nil, true, "lists no terminal"},
		{"another key", "other", nil, false, "refused the key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, options{key: c.key, config: emulator.Config{Merchants: []emulator.Merchant{{APIKey: "k", ID: "m", Devices: c.devices}}}})
			p, err := l.TestConnection(t.Context())
			if err != nil || p.OK != c.ok || !strings.Contains(p.Meaning, c.means) || (p.ToDo == "") != c.ok {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	l := start(t, options{})
	l.fault(kit.Fault{Kind: kit.FaultStatus, Status: 401})
	if p, err := l.TestConnection(t.Context()); err != nil || p.OK || p.Code != "401" || p.ToDo == "" {
		t.Errorf("%+v, %v", p, err)
	}
	l.fault(kit.Fault{Kind: kit.FaultStatus, Status: 503})
	_, err := l.TestConnection(t.Context())
	wantRefused(t, err, providers.KindServer, false, "")
}

func TestDeviceCommandsAreAcceptedInTheirRangesOnly(t *testing.T) {
	for _, c := range []struct {
		name string
		cmd  providers.DeviceCommand
		ok   bool
	}{
		{"unattended", providers.DeviceCommand{Name: "set-unattended-mode", On: true}, true},
		{"attended", providers.DeviceCommand{Name: "set-unattended-mode"}, true},
		{"locale", providers.DeviceCommand{Name: "set-locale", Text: "en_CA"}, true},
		{"locale with a hyphen", providers.DeviceCommand{Name: "set-locale", Text: "en-CA"}, false},
		{"no locale", providers.DeviceCommand{Name: "set-locale"}, false},
		{"password", providers.DeviceCommand{Name: "set-password-protected", On: true}, true},
		{"reboot", providers.DeviceCommand{Name: "reboot"}, true},
		{"forced reboot", providers.DeviceCommand{Name: "reboot", On: true}, true},
		{"brightness", providers.DeviceCommand{Name: "set-screen-brightness", Low: 0, High: 100}, true},
		{"brightness above", providers.DeviceCommand{Name: "set-screen-brightness", Low: 0, High: 101}, false},
		{"brightness below", providers.DeviceCommand{Name: "set-screen-brightness", Low: -1, High: 50}, false},
		{"brightness crossed", providers.DeviceCommand{Name: "set-screen-brightness", Low: 60, High: 50}, false},
		{"hour", providers.DeviceCommand{Name: "set-reboot-time", Low: 23}, true},
		{"midnight", providers.DeviceCommand{Name: "set-reboot-time", Low: 0}, true},
		{"hour above", providers.DeviceCommand{Name: "set-reboot-time", Low: 24}, false},
		{"hour below", providers.DeviceCommand{Name: "set-reboot-time", Low: -1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, options{})
			err := l.CommandDevice(t.Context(), terminal, c.cmd)
			if !c.ok {
				wantRefused(t, err, providers.KindRefused, true, domain.ReasonInvalidRequest)
				if len(*l.requests) != 0 {
					t.Errorf("sent %v", *l.requests)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := l.emulator.Commands(); len(got) != 1 || got[0].Name != c.cmd.Name {
				t.Errorf("%+v", got)
			}
		})
	}
	l := start(t, options{})
	wantRefused(t, l.CommandDevice(t.Context(), terminal, providers.DeviceCommand{Name: "self-destruct"}), providers.KindUnsupported, true, domain.ReasonNotAllowed)
	wantRefused(t, l.CommandDevice(t.Context(), providers.DeviceRef{Serial: "1"}, providers.DeviceCommand{Name: "reboot"}), providers.KindRefused, true, domain.ReasonInvalidRequest)
	wantRefused(t, l.CommandDevice(t.Context(), providers.DeviceRef{Serial: "1", Type: "PAXA920"}, providers.DeviceCommand{Name: "reboot"}), providers.KindRefused, true, domain.ReasonInvalidRequest)
	l.fault(kit.Fault{Kind: kit.FaultStatusAfter, Status: 502})
	wantRefused(t, l.CommandDevice(t.Context(), terminal, providers.DeviceCommand{Name: "reboot"}), providers.KindServer, false, "")
}

func TestAcceptedCommandsOfATerminalThatIsOffLineAreNotDone(t *testing.T) {
	l := start(t, options{})
	l.set(emulator.Setting{Online: no()})
	if err := l.CommandDevice(t.Context(), terminal, providers.DeviceCommand{Name: "reboot"}); err != nil {
		t.Fatal(err)
	}
	if got := l.emulator.Commands(); len(got) != 1 || got[0].Done {
		t.Errorf("%+v", got)
	}
}

func TestATerminalsSaleIsPolledUntilItsResult(t *testing.T) {
	l := start(t, options{})
	ref := uuid.NewString()
	begun, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(10000), AttemptRef: ref, OrderReference: "table 7"})
	if err != nil || begun.ResultRef == "" || begun.AttemptRef != ref || begun.Said != "Operation Accepted" {
		t.Fatalf("%+v, %v", begun, err)
	}
	if got := l.find(providers.Lookup{Type: domain.Sale, AttemptRef: ref}); got.Outcome != providers.Absent {
		t.Errorf("before the card: %+v", got)
	}
	if _, done, err := l.TerminalResult(t.Context(), begun); done || err != nil {
		t.Errorf("done %v, %v", done, err)
	}
	l.pass(500 * time.Millisecond)
	if got := l.find(providers.Lookup{Type: domain.Sale, AttemptRef: ref}); got.Outcome != providers.Pending {
		t.Errorf("while the gateway works: %+v", got)
	}
	l.pass(500 * time.Millisecond)
	res, done, err := l.TerminalResult(t.Context(), begun)
	if !done || err != nil || res.Outcome != providers.Approved || *res.Amount != euros(10000) || res.Operation != "SALE" || res.Device != terminal ||
		res.Card != (domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}) || res.AuthCode == "" || res.Recovered {
		t.Errorf("%+v, done %v, %v", res, done, err)
	}
	if len(res.Receipts) != 2 || res.Receipts[0].Kind != "url" || res.Receipts[0].Copy != "customer" {
		t.Errorf("%+v", res.Receipts)
	}
	if got := l.find(providers.Lookup{Type: domain.Sale, AttemptRef: ref}); got.Outcome != providers.Approved || got.ProviderRef != res.ProviderRef {
		t.Errorf("%+v", got)
	}
	if pan := emulator.UnmaskedPAN("0936"); strings.Contains(string(res.Raw)+l.log.String(), pan) {
		t.Error("the unmasked number is kept")
	}
}

func TestAResultThatNobodyKnowsIsNoVerdict(t *testing.T) {
	l := start(t, options{})
	_, done, err := l.TerminalResult(t.Context(), providers.TerminalStart{ResultRef: "1850025030-1"})
	if done {
		t.Error("done")
	}
	wantRefused(t, err, providers.KindRefused, false, "")
	for _, status := range []int{500, 401, 429} {
		l.fault(kit.Fault{Kind: kit.FaultStatus, Status: status})
		if _, done, err = l.TerminalResult(t.Context(), providers.TerminalStart{ResultRef: "1850025030-1"}); done {
			t.Error("done")
		}
		if e, ok := providers.AsError(err); !ok || e.NotDone {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestEveryOperationOfTheDocumentRunsOnATerminal(t *testing.T) {
	l := start(t, options{})
	sale := func(op string) providers.TerminalResult {
		return l.run(providers.TerminalRequest{Operation: op, Amount: euros(2000), AttemptRef: uuid.NewString()})
	}
	approvedAs := func(t *testing.T, res providers.TerminalResult, word string, minor int64) {
		t.Helper()
		if res.Outcome != providers.Approved || res.Operation != word || (minor != 0) != (res.Amount != nil) || (minor != 0 && *res.Amount != euros(minor)) {
			t.Errorf("%+v", res)
		}
	}
	t.Run("sale", func(t *testing.T) { approvedAs(t, sale("sale"), "SALE", 2000) })
	t.Run("saleAndTokenizeCard", func(t *testing.T) {
		res := sale("saleAndTokenizeCard")
		if approvedAs(t, res, "SALE", 2000); res.Token != emulator.TokenVisa || strings.Contains(string(res.Raw), emulator.TokenVisa) {
			t.Errorf("%+v", res)
		}
	})
	t.Run("tokenizeCard", func(t *testing.T) {
		if res := l.run(providers.TerminalRequest{Operation: "tokenizeCard"}); res.Outcome != providers.Approved || res.Token != emulator.TokenVisa {
			t.Errorf("%+v", res)
		}
	})
	t.Run("refund, linked", func(t *testing.T) {
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "refund", Amount: euros(500), OriginalRef: sale("sale").ProviderRef}), "REFUND", 500)
	})
	t.Run("refund, unlinked", func(t *testing.T) { approvedAs(t, sale("refund"), "REFUND", 2000) })
	t.Run("refundReversal", func(t *testing.T) {
		refund := l.run(providers.TerminalRequest{Operation: "refund", Amount: euros(500), OriginalRef: sale("sale").ProviderRef})
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "refundReversal", Amount: euros(500), OriginalRef: refund.ProviderRef}), "VOID_REFUND", 500)
	})
	t.Run("saleReversal", func(t *testing.T) {
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "saleReversal", Amount: euros(2000), OriginalRef: sale("sale").ProviderRef}), "VOID_SALE", 2000)
	})
	t.Run("printReceipt", func(t *testing.T) {
		if res := l.run(providers.TerminalRequest{Operation: "printReceipt", Receipt: "<p>Thank you</p>"}); res.Outcome != providers.Approved || res.Code != "PROCESSED" {
			t.Errorf("%+v", res)
		}
	})
	t.Run("update", func(t *testing.T) {
		if res := l.run(providers.TerminalRequest{Operation: "update"}); res.Outcome != providers.Approved {
			t.Errorf("%+v", res)
		}
	})
	t.Run("pingDevice", func(t *testing.T) {
		if res := l.run(providers.TerminalRequest{Operation: "pingDevice"}); res.Outcome != providers.Approved || res.Device != terminal {
			t.Errorf("%+v", res)
		}
	})
	t.Run("moToSale", func(t *testing.T) {
		approvedAs(t, l.run(providers.TerminalRequest{Device: virtual, Operation: "moToSale", Amount: euros(2000), AttemptRef: uuid.NewString()}), "MOTO_SALE", 2000)
	})
	t.Run("moToRefund", func(t *testing.T) {
		_, s := l.sold(900)
		approvedAs(t, l.run(providers.TerminalRequest{Device: virtual, Operation: "moToRefund", Amount: euros(900), OriginalRef: s.ProviderRef}), "MOTO_REFUND", 900)
		approvedAs(t, l.run(providers.TerminalRequest{Device: virtual, Operation: "moToRefund", Amount: euros(900), AttemptRef: uuid.NewString()}), "MOTO_REFUND", 900)
	})
	t.Run("moToReversal", func(t *testing.T) {
		_, s := l.sold(900)
		approvedAs(t, l.run(providers.TerminalRequest{Device: virtual, Operation: "moToReversal", OriginalRef: s.ProviderRef}), "MOTO_REVERSAL", 900)
	})
	t.Run("moToPreAuthorization", func(t *testing.T) {
		approvedAs(t, l.run(providers.TerminalRequest{Device: virtual, Operation: "moToPreAuthorization", Amount: euros(900), AttemptRef: uuid.NewString()}), "PRE_AUTHORIZATION", 900)
	})
	t.Run("preAuthorization and what follows", func(t *testing.T) {
		_, held := l.held(10000)
		approvedAs(t, held, "PRE_AUTHORIZATION", 10000)
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "preAuthorizationIncrease", Amount: euros(500), OriginalRef: held.ProviderRef}), "PRE_AUTHORIZATION_INCREASE", 500)
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "preAuthorizationIncrease", Amount: euros(-200), OriginalRef: held.ProviderRef}), "PRE_AUTHORIZATION_INCREASE", 200)
		captured := l.run(providers.TerminalRequest{Operation: "preAuthorizationCapture", Amount: euros(10300), OriginalRef: held.ProviderRef})
		if approvedAs(t, captured, "PRE_AUTHORIZATION_CAPTURE", 10300); captured.Code != "CAPTURED" {
			t.Errorf("%+v", captured)
		}
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "preAuthorizationReversal", OriginalRef: captured.ProviderRef}), "REVERSAL", 10300)
		approvedAs(t, l.run(providers.TerminalRequest{Operation: "preAuthorizationReversal", OriginalRef: held.ProviderRef}), "REVERSAL", 10300)
	})
}

func TestTheCardNumbersOperationIsRefused(t *testing.T) {
	l := start(t, options{})
	_, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "cardPan", AttemptRef: uuid.NewString()})
	if e := wantRefused(t, err, providers.KindUnsupported, true, domain.ReasonNotAllowed); !strings.Contains(e.Text, "card number") {
		t.Error(e)
	}
	for _, name := range []string{"", "motoSale", "SALE", "financial"} {
		_, err = l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: name, AttemptRef: uuid.NewString()})
		wantRefused(t, err, providers.KindUnsupported, true, domain.ReasonNotAllowed)
	}
	if len(*l.requests) != 0 {
		t.Errorf("sent %v", *l.requests)
	}
}

func TestWhatAnOperationNeedsIsCheckedBeforeItIsSent(t *testing.T) {
	ref, guid := uuid.NewString(), uuid.NewString()
	for _, c := range []struct {
		name string
		req  providers.TerminalRequest
	}{
		{"no device", providers.TerminalRequest{Operation: "sale", Amount: euros(1), AttemptRef: ref}},
		{"no type", providers.TerminalRequest{Device: providers.DeviceRef{Serial: "1"}, Operation: "sale", Amount: euros(1), AttemptRef: ref}},
		{"no amount", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(0), AttemptRef: ref}},
		{"below zero", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(-1), AttemptRef: ref}},
		{"too much", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1_000_000_000_000), AttemptRef: ref}},
		{"no reference", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1)}},
		{"an unlinked refund without a reference", providers.TerminalRequest{Device: terminal, Operation: "refund", Amount: euros(1)}},
		{"a reversal of nothing", providers.TerminalRequest{Device: terminal, Operation: "saleReversal", Amount: euros(1)}},
		{"a capture of nothing", providers.TerminalRequest{Device: terminal, Operation: "preAuthorizationCapture", Amount: euros(1)}},
		{"an increase by nothing", providers.TerminalRequest{Device: terminal, Operation: "preAuthorizationIncrease", Amount: euros(0), OriginalRef: guid}},
		{"a decrease beyond bounds", providers.TerminalRequest{Device: terminal, Operation: "preAuthorizationIncrease", Amount: euros(-1_000_000_000_000), OriginalRef: guid}},
		{"no receipt", providers.TerminalRequest{Device: terminal, Operation: "printReceipt"}},
		{"a tip prompt without percentages", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1), AttemptRef: ref, Tip: &providers.TipPrompt{}}},
		{"a tip of 101 per cent", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1), AttemptRef: ref, Tip: &providers.TipPrompt{Percentages: []int{101}}}},
		{"six metadata", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1), AttemptRef: ref, Metadata: []string{"1", "2", "3", "4", "5", "6"}}},
		{"long metadata", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1), AttemptRef: ref, Metadata: []string{strings.Repeat("x", 251)}}},
		{"metadata with other signs", providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1), AttemptRef: ref, Metadata: []string{"50 €"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, options{})
			_, err := l.StartOnTerminal(t.Context(), c.req)
			wantRefused(t, err, providers.KindRefused, true, domain.ReasonInvalidRequest)
			if len(*l.requests) != 0 {
				t.Errorf("sent %v", *l.requests)
			}
		})
	}
}

func TestABusyAndASilentTerminalAreCertainNoes(t *testing.T) {
	sale := func() providers.TerminalRequest {
		return providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: uuid.NewString()}
	}
	l := start(t, options{})
	if _, err := l.StartOnTerminal(t.Context(), sale()); err != nil {
		t.Fatal(err)
	}
	_, err := l.StartOnTerminal(t.Context(), sale())
	if e := wantRefused(t, err, providers.KindRefused, true, domain.ReasonDeviceBusy); e.Code != "1001" {
		t.Error(e)
	}
	l.pass(time.Second)
	l.set(emulator.Setting{Busy: yes()})
	_, err = l.StartOnTerminal(t.Context(), sale())
	wantRefused(t, err, providers.KindRefused, true, domain.ReasonDeviceBusy)
	l.set(emulator.Setting{Busy: no(), Online: no()})
	_, err = l.StartOnTerminal(t.Context(), sale())
	if e := wantRefused(t, err, providers.KindRefused, true, domain.ReasonDeviceOffline); e.Code != "1002" {
		t.Error(e)
	}
	l.set(emulator.Setting{Online: yes()})
	for kind, notDone := range map[string]bool{kit.FaultDropAfter: false, kit.FaultGarbage: false, kit.FaultStatusAfter: false, kit.FaultStatus: false} {
		l.fault(kit.Fault{Kind: kind, Status: map[string]int{kit.FaultStatus: 500, kit.FaultStatusAfter: 504}[kind]})
		_, err = l.StartOnTerminal(t.Context(), sale())
		if e, ok := providers.AsError(err); !ok || e.NotDone != notDone {
			t.Errorf("%s: %v", kind, err)
		}
		l.pass(time.Second)
	}
}

func TestAnOperationCanBeStoppedUntilTheCardIsRead(t *testing.T) {
	stop := providers.TerminalRequest{Device: terminal, Operation: "stopCurrentTransaction"}
	l := start(t, options{})
	_, err := l.StartOnTerminal(t.Context(), stop)
	if e := wantRefused(t, err, providers.KindRefused, true, domain.ReasonNotCancellable); e.Code != "1003" {
		t.Error(e)
	}
	begin := func() (string, providers.TerminalStart) {
		t.Helper()
		ref := uuid.NewString()
		begun, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: ref})
		if err != nil {
			t.Fatal(err)
		}
		return ref, begun
	}
	ref, begun := begin()
	stopped, err := l.StartOnTerminal(t.Context(), stop)
	if err != nil || stopped.ResultRef != "" {
		t.Fatalf("%+v, %v", stopped, err)
	}
	if _, done, err := l.TerminalResult(t.Context(), stopped); done || err != nil {
		t.Errorf("the stop has a result of its own: %v, %v", done, err)
	}
	res, done, err := l.TerminalResult(t.Context(), begun)
	if !done || err != nil || res.Outcome != providers.Declined || res.Reason != domain.ReasonCustomerCancelled || res.Operation != "CANCEL_SALE" {
		t.Errorf("%+v, %v, %v", res, done, err)
	}
	if n := l.emulator.State().Approved[ref]; n != 0 {
		t.Errorf("charged %d times", n)
	}

	ref, begun = begin()
	l.pass(500 * time.Millisecond)
	_, err = l.StartOnTerminal(t.Context(), stop)
	wantRefused(t, err, providers.KindRefused, true, domain.ReasonNotCancellable)
	l.pass(500 * time.Millisecond)
	if res, _, err = l.TerminalResult(t.Context(), begun); err != nil || res.Outcome != providers.Approved {
		t.Errorf("%+v, %v", res, err)
	}
	if n := l.emulator.State().Approved[ref]; n != 1 {
		t.Errorf("charged %d times", n)
	}
}

func TestTriggerAmountsEndATerminalsSaleAsDocumented(t *testing.T) {
	for _, c := range []struct {
		minor   int64
		outcome providers.Outcome
		reason  domain.Reason
		code    string
	}{
		{3779, providers.Declined, domain.ReasonCallBank, "DECLINED"},
		{3784, providers.Declined, domain.ReasonDeclined, "DECLINED"},
		{3793, providers.Declined, domain.ReasonPickUp, "DECLINED"},
		{3757, providers.Pending, "", "PARTIAL_APPROVAL"},
		{3768, providers.Declined, domain.ReasonUnmapped, "FAILED"},
	} {
		l := start(t, options{})
		ref := uuid.NewString()
		res := l.run(providers.TerminalRequest{Operation: "sale", Amount: euros(c.minor), AttemptRef: ref})
		if res.Outcome != c.outcome || res.Reason != c.reason || res.Code != c.code {
			t.Errorf("%d: %+v", c.minor, res)
		}
		if got := l.find(providers.Lookup{Type: domain.Sale, AttemptRef: ref}); got.Outcome != c.outcome || got.Code != c.code {
			t.Errorf("%d, status: %+v", c.minor, got)
		}
	}
}

func TestAPartialApprovalTellsItsAmount(t *testing.T) {
	l := start(t, options{})
	res := l.run(providers.TerminalRequest{Operation: "sale", Amount: euros(3757), AttemptRef: uuid.NewString()})
	if res.Amount == nil || *res.Amount != euros(1879) || !strings.Contains(res.Text, "another amount") {
		t.Errorf("%+v", res)
	}
}

func TestATipIsTold(t *testing.T) {
	l := start(t, options{})
	res := l.run(providers.TerminalRequest{Operation: "sale", Amount: euros(2000), AttemptRef: uuid.NewString(),
		Tip: &providers.TipPrompt{Base: euros(1000), Header: "Tip", Footer: "Thank you", Percentages: []int{10, 15}, EnterAmount: true}})
	if res.Tip == nil || *res.Tip != euros(100) || *res.Amount != euros(2100) {
		t.Errorf("%+v", res)
	}
}

func TestReceiptsComeAsAddressesOrInline(t *testing.T) {
	for _, c := range []struct {
		receipts, signature string
		kinds               []string
	}{
		{"url", "none", []string{"url", "url"}},
		{"html", "url", []string{"html", "html", "url"}},
		{"html", "image", []string{"html", "html", "image"}},
	} {
		l := start(t, options{})
		l.set(emulator.Setting{Receipts: c.receipts, Signature: c.signature})
		res := l.run(providers.TerminalRequest{Operation: "sale", Amount: euros(2000), AttemptRef: uuid.NewString()})
		var kinds []string
		for _, r := range res.Receipts {
			kinds = append(kinds, r.Kind)
			if r.Body == "" || (r.Kind == "html") != strings.HasPrefix(r.Body, "<html>") {
				t.Errorf("%+v", r)
			}
		}
		if strings.Join(kinds, " ") != strings.Join(c.kinds, " ") {
			t.Errorf("%v, want %v", kinds, c.kinds)
		}
	}
}

func TestALinkedOperationThatFailsAtTheGatewayIsNotDone(t *testing.T) {
	l := start(t, options{})
	sale := l.run(providers.TerminalRequest{Operation: "sale", Amount: euros(1000), AttemptRef: uuid.NewString()})
	for name, req := range map[string]providers.TerminalRequest{
		"too large": {Operation: "refund", Amount: euros(1001), OriginalRef: sale.ProviderRef},
		"unknown":   {Operation: "refund", Amount: euros(1), OriginalRef: uuid.NewString()},
		"no hold":   {Operation: "preAuthorizationCapture", Amount: euros(1), OriginalRef: sale.ProviderRef},
	} {
		req.AttemptRef = uuid.NewString()
		if res := l.run(req); res.Outcome != providers.Declined || res.Code != "FAILED" || res.Text == "" {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

// A refund on a terminal carries no reference of its own; ours goes as
// customerReference, by which it is found under its sale.
func TestALostTerminalRefundIsFoundUnderItsSale(t *testing.T) {
	l := start(t, options{})
	saleRef, refundRef := uuid.NewString(), uuid.NewString()
	sale := l.run(providers.TerminalRequest{Operation: "sale", Amount: euros(1000), AttemptRef: saleRef})
	q := providers.Lookup{Type: domain.Refund, AttemptRef: refundRef, OriginalRef: sale.ProviderRef, OriginalAttempt: saleRef, Amount: euros(400)}
	if got := l.find(q); got.Outcome != providers.Absent {
		t.Errorf("before: %+v", got)
	}
	refund := l.run(providers.TerminalRequest{Operation: "refund", Amount: euros(400), OriginalRef: sale.ProviderRef, AttemptRef: refundRef})
	if got := l.find(q); got.Outcome != providers.Approved || got.ProviderRef != refund.ProviderRef {
		t.Errorf("after: %+v", got)
	}
	q.AttemptRef = uuid.NewString()
	if got := l.find(q); got.Outcome != providers.Absent {
		t.Errorf("the other one of the same amount is known to be another's: %+v", got)
	}
	l.run(providers.TerminalRequest{Operation: "refund", Amount: euros(400), OriginalRef: sale.ProviderRef})
	if got := l.find(q); got.Outcome != providers.Pending {
		t.Errorf("one of the same amount without a reference: %+v", got)
	}
}

func TestResultsOfAnotherTransactionAreNotBelieved(t *testing.T) {
	l := start(t, options{})
	begun, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	l.pass(time.Second)
	begun.AttemptRef = uuid.NewString()
	_, done, err := l.TerminalResult(t.Context(), begun)
	if done {
		t.Error("done")
	}
	wantRefused(t, err, providers.KindGarbage, false, "")
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/transactions", Body: `{"transactionResultId":"x-1","statusMessage":"Operation Accepted","transactionReference":"` + uuid.NewString() + `"}`})
	_, err = l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: uuid.NewString()})
	wantRefused(t, err, providers.KindGarbage, false, "")
	l.pass(time.Second)
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/transactions", Body: `{"statusMessage":"Operation Accepted"}`})
	_, err = l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: uuid.NewString()})
	wantRefused(t, err, providers.KindGarbage, false, "")
	l.pass(time.Second)
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/transactions", Body: `{"transactionResultId":"x-1","statusMessage":"Operation Accepted","transactionReference":"00000000-0000-0000-0000-000000000000"}`})
	if _, err = l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: uuid.NewString()}); err != nil {
		t.Errorf("the sample's zeros: %v", err)
	}
}
