package handpoint_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var update = flag.Bool("update", false, "write testdata/requests.txt anew")

// every calls each method of the adapter that sends a body, with an amount.
func every(l live, amount money.Amount) map[string]func() error {
	const original, ref = "0c9d9df0-48ec-11eb-81a1-470a19c80d3a", "b7b2360d-3e9e-4b62-9a3a-2e6ef6c5cd01"
	ctx := l.t.Context()
	m := map[string]func() error{
		"moto/sale": func() error {
			_, err := l.SellByToken(ctx, providers.SaleRequest{Amount: amount, AttemptRef: ref, Token: "665630867", OrderReference: "order-12345"})
			return err
		},
		"moto/refund": func() error {
			_, err := l.Refund(ctx, providers.RefundRequest{Amount: amount, AttemptRef: ref, OriginalRef: original})
			return err
		},
		"moto/reversal": func() error {
			_, err := l.VoidSale(ctx, providers.FollowUp{Amount: amount, AttemptRef: ref, OriginalRef: original, OriginalType: domain.Sale})
			return err
		},
		"preauthorization/increase": func() error {
			_, err := l.Increase(ctx, providers.ChangeRequest{By: amount, AttemptRef: ref, OriginalRef: original})
			return err
		},
		"preauthorization/increase, subtract": func() error {
			_, err := l.Decrease(ctx, providers.ChangeRequest{By: amount, AttemptRef: ref, OriginalRef: original})
			return err
		},
		"preauthorization/capture": func() error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: amount, AttemptRef: ref, OriginalRef: original, Final: true})
			return err
		},
		"preauthorization/capture, tip": func() error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: amount, Tip: money.FromMinor(amount.Minor()/4, amount.Currency()), AttemptRef: ref, OriginalRef: original})
			return err
		},
		"tip-adjustment": func() error {
			_, err := l.AdjustTip(ctx, providers.TipRequest{Tip: amount, AttemptRef: ref, OriginalRef: original})
			return err
		},
		"batch/close": func() error {
			_, err := l.CloseBatch(ctx, providers.BatchRequest{Device: terminal, Number: "77", Currency: amount.Currency(), AttemptRef: ref})
			return err
		},
		"batch/summary": func() error {
			_, err := l.BatchSummary(ctx, providers.BatchRequest{Device: terminal, Number: "77", Currency: amount.Currency()})
			return err
		},
		"batch/detail": func() error {
			_, err := l.BatchDetail(ctx, providers.BatchRequest{Device: terminal, Number: "77", Currency: amount.Currency(), After: "RRN08236"})
			return err
		},
	}
	for _, op := range []struct {
		name   string
		linked bool
	}{{"sale", false}, {"saleAndTokenizeCard", false}, {"refund", false}, {"refund", true}, {"saleReversal", true}, {"refundReversal", true}, {"moToSale", false},
		{"moToRefund", false}, {"moToRefund", true}, {"moToPreAuthorization", false}, {"preAuthorization", false}, {"preAuthorizationIncrease", true}, {"preAuthorizationCapture", true}} {
		req := providers.TerminalRequest{Device: terminal, Operation: op.name, Amount: amount, AttemptRef: ref, OrderReference: "op15248"}
		name := "transactions " + op.name
		if op.linked {
			req.OriginalRef, name = original, name+", linked"
		}
		m[name] = func() error {
			l.set(emulator.Setting{Seconds: new(int)})
			_, err := l.StartOnTerminal(ctx, req)
			return err
		}
	}
	return m
}

// Each endpoint has its own unit, and no rule for another exponent than two:
// yen and dinars are refused by each before anything leaves.
func TestEveryEndpointRefusesCurrenciesWithoutARule(t *testing.T) {
	for _, code := range []string{"JPY", "KWD"} {
		l := start(t, options{})
		for name, call := range every(l, money.FromMinor(1000, money.MustCurrency(code))) {
			err := call()
			if e, ok := providers.AsError(err); !ok || e.Kind != providers.KindUnsupported || !e.NotDone {
				t.Errorf("%s in %s: %v", name, code, err)
			}
		}
		if len(*l.requests) != 0 {
			t.Errorf("%s: sent %v", code, *l.requests)
		}
	}
}

// The bodies as they leave, in EUR: the one place where a factor of 100 shows.
func TestRequestBodies(t *testing.T) {
	l := start(t, options{settings: map[string]string{handpoint.SettingMID: "1111", handpoint.SettingTID: "2222", handpoint.SettingMCC: "3333",
		handpoint.SettingExternalID: "4444", handpoint.SettingAcquirer: "TSYS"}})
	calls := every(l, euros(2000))
	add := func(name string, req providers.TerminalRequest) {
		req.Device = terminal
		calls[name] = func() error {
			l.set(emulator.Setting{Seconds: new(int)})
			_, err := l.StartOnTerminal(t.Context(), req)
			return err
		}
	}
	const ref = "b7b2360d-3e9e-4b62-9a3a-2e6ef6c5cd01"
	add("transactions sale, all options", providers.TerminalRequest{Operation: "sale", Amount: euros(10000), AttemptRef: ref, OrderReference: "storeSale12548",
		Tip: &providers.TipPrompt{Base: euros(2000), Footer: "Thank you!!! ;)", Percentages: []int{5, 10, 15}, EnterAmount: true}, SkipSignature: true, SkipPIN: true,
		NoDuplicateCheck: true, Metadata: []string{"data1", "data2"}, Receipt: "not sent", OriginalRef: "not sent"})
	add("transactions moToReversal", providers.TerminalRequest{Operation: "moToReversal", OriginalRef: ref, Amount: euros(1), SkipPIN: true, Tip: &providers.TipPrompt{}})
	add("transactions preAuthorizationReversal", providers.TerminalRequest{Operation: "preAuthorizationReversal", OriginalRef: ref})
	add("transactions preAuthorizationIncrease, below zero", providers.TerminalRequest{Operation: "preAuthorizationIncrease", Amount: euros(-500), OriginalRef: ref})
	add("transactions tokenizeCard", providers.TerminalRequest{Operation: "tokenizeCard", AttemptRef: ref})
	add("transactions printReceipt", providers.TerminalRequest{Operation: "printReceipt", Receipt: "<p>Thank you</p>"})
	add("transactions update", providers.TerminalRequest{Operation: "update"})
	add("transactions pingDevice", providers.TerminalRequest{Operation: "pingDevice"})
	add("transactions stopCurrentTransaction", providers.TerminalRequest{Operation: "stopCurrentTransaction"})
	for name, c := range map[string]providers.DeviceCommand{
		"unattended": {Name: "set-unattended-mode"}, "locale": {Name: "set-locale", Text: "en_CA"}, "password": {Name: "set-password-protected", On: true},
		"reboot": {Name: "reboot"}, "brightness": {Name: "set-screen-brightness", Low: 20, High: 100}, "hour": {Name: "set-reboot-time", Low: 22},
	} {
		calls["command "+name] = func() error { return l.CommandDevice(t.Context(), terminal, c) }
	}
	names := make([]string, 0, len(calls))
	for name := range calls {
		names = append(names, name)
	}
	slices.Sort(names)
	var got strings.Builder
	for _, name := range names {
		before := len(*l.requests)
		_ = calls[name]() // The emulator knows none of the originals.
		l.pass(time.Second)
		if len(*l.requests) != before+1 {
			t.Fatalf("%s made %d requests", name, len(*l.requests)-before)
		}
		fmt.Fprintf(&got, "%s\n\t%s\n", name, strings.Replace((*l.requests)[before], emulator.BasePath, "", 1))
	}
	if *update {
		if err := os.WriteFile("testdata/requests.txt", []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := goldenFile(t, "requests.txt"); got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestNothingLeavesWithoutWhatItNeeds(t *testing.T) {
	l := start(t, options{})
	ctx, ref, guid := t.Context(), uuid.NewString(), uuid.NewString()
	over := euros(1_000_000_000_000)
	for name, call := range map[string]func() error{
		"a reversal of nothing": func() error {
			_, err := l.VoidSale(ctx, providers.FollowUp{Amount: euros(1), AttemptRef: ref})
			return err
		},
		"a reversal without a reference": func() error {
			_, err := l.VoidSale(ctx, providers.FollowUp{Amount: euros(1), OriginalRef: guid})
			return err
		},
		"a reversal of no amount": func() error {
			_, err := l.VoidSale(ctx, providers.FollowUp{Amount: euros(0), AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"an increase by nothing": func() error {
			_, err := l.Increase(ctx, providers.ChangeRequest{By: euros(0), AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"an increase below zero": func() error {
			_, err := l.Increase(ctx, providers.ChangeRequest{By: euros(-1), AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"a decrease of nothing held": func() error {
			_, err := l.Decrease(ctx, providers.ChangeRequest{By: euros(1), AttemptRef: ref})
			return err
		},
		"a decrease without a reference": func() error {
			_, err := l.Decrease(ctx, providers.ChangeRequest{By: euros(1), OriginalRef: guid})
			return err
		},
		"a capture out of range": func() error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: over, AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"a capture whose tip is above it": func() error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: euros(1), Tip: euros(2), AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"a capture with a tip in pounds": func() error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: euros(9), Tip: money.FromMinor(1, money.MustCurrency("GBP")), AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"a tip below zero": func() error {
			_, err := l.AdjustTip(ctx, providers.TipRequest{Tip: euros(-1), AttemptRef: ref, OriginalRef: guid})
			return err
		},
		"a tip on nothing": func() error {
			_, err := l.AdjustTip(ctx, providers.TipRequest{Tip: euros(1), AttemptRef: ref})
			return err
		},
		"a guid with a line break": func() error {
			_, err := l.AdjustTip(ctx, providers.TipRequest{Tip: euros(1), AttemptRef: ref, OriginalRef: "a\nb"})
			return err
		},
		"a batch of no terminal": func() error {
			_, err := l.CloseBatch(ctx, providers.BatchRequest{Number: "1", Currency: eur, AttemptRef: ref})
			return err
		},
		"a batch without a number": func() error {
			_, err := l.CloseBatch(ctx, providers.BatchRequest{Device: terminal, Currency: eur, AttemptRef: ref})
			return err
		},
		"a batch without our own reference": func() error {
			_, err := l.CloseBatch(ctx, providers.BatchRequest{Device: terminal, Number: "1", Currency: eur})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, call(), providers.KindRefused, true, domain.ReasonInvalidRequest)
		})
	}
	if _, err := l.TokenOf(ctx, ""); err == nil {
		t.Error("a token of nothing")
	}
	if len(*l.requests) != 0 {
		t.Errorf("sent %v", *l.requests)
	}
}

func TestASaleAndARefundAreVoidedWholeAndOnce(t *testing.T) {
	l := start(t, options{})
	saleRef, sale := l.sold(2000)
	ref := uuid.NewString()
	res, err := l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(2000), AttemptRef: ref, OriginalRef: sale.ProviderRef, OriginalType: domain.Sale})
	if err != nil || res.Outcome != providers.Approved || *res.Amount != euros(2000) || res.ProviderRef == sale.ProviderRef {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := l.find(providers.Lookup{Type: domain.Void, AttemptRef: ref, OriginalRef: sale.ProviderRef}); got.Outcome != providers.Approved || got.ProviderRef != res.ProviderRef {
		t.Errorf("%+v", got)
	}
	if got := l.find(providers.Lookup{Type: domain.Void, AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef, OriginalAttempt: saleRef}); got.Outcome != providers.Pending {
		t.Errorf("voided by another attempt: %+v", got)
	}
	_, err = l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(2000), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
	if e := wantRefused(t, err, providers.KindRefused, true, domain.ReasonWrongState); e.Code != "3153" {
		t.Error(e)
	}
	_, sale = l.sold(2000)
	refund, err := l.Refund(t.Context(), providers.RefundRequest{Amount: euros(500), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
	if err != nil {
		t.Fatal(err)
	}
	if res, err = l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(500), AttemptRef: uuid.NewString(), OriginalRef: refund.ProviderRef, OriginalType: domain.Refund}); err != nil || res.Outcome != providers.Approved {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestALostVoidIsFound(t *testing.T) {
	l := start(t, options{})
	saleRef, sale := l.sold(2000)
	ref := uuid.NewString()
	q := providers.Lookup{Type: domain.Void, AttemptRef: ref, OriginalRef: sale.ProviderRef, OriginalAttempt: saleRef, Amount: euros(2000)}
	l.fault(kit.Fault{Kind: kit.FaultDropBefore, Path: "/moto/reversal"})
	_, err := l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(2000), AttemptRef: ref, OriginalRef: sale.ProviderRef})
	wantRefused(t, err, providers.KindNoAnswer, false, "")
	if got := l.find(q); got.Outcome != providers.Absent {
		t.Errorf("%+v", got)
	}
	l.fault(kit.Fault{Kind: kit.FaultStatusAfter, Status: 504, Path: "/moto/reversal"})
	_, err = l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(2000), AttemptRef: ref, OriginalRef: sale.ProviderRef})
	wantRefused(t, err, providers.KindServer, false, "")
	if got := l.find(q); got.Outcome != providers.Approved {
		t.Errorf("%+v", got)
	}
}

func TestAnAnswerAboutTheOriginalIsNotBelieved(t *testing.T) {
	const another = "22222222-38ad-11f1-909c-f50efeae2190"
	l := start(t, options{})
	void := func(guid string) error {
		_, err := l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(2000), AttemptRef: uuid.NewString(), OriginalRef: guid})
		return err
	}
	capture := func(guid string) error {
		_, err := l.Capture(t.Context(), providers.CaptureRequest{Amount: euros(2000), AttemptRef: uuid.NewString(), OriginalRef: guid})
		return err
	}
	for _, c := range []struct {
		name, body string // ORIGINAL stands for the original's guid
		call       func(guid string) error
	}{
		{"a reversal with the original's guid", `{"httpStatus":200,"guid":"ORIGINAL","amount":"20.00","currency":"EUR","issuerResponseCode":"00"}`, void},
		{"a reversal of another original", `{"httpStatus":200,"guid":"g","originalGuid":"` + another + `","amount":"20.00","currency":"EUR","issuerResponseCode":"00"}`, void},
		{"a reversal without a guid", `{"httpStatus":200,"issuerResponseCode":"00"}`, void},
		{"a reversal with another status", `{"httpStatus":504,"guid":"g","issuerResponseCode":"00"}`, void},
		{"a reversal that is no JSON", `<p>`, void},
		{"a capture with the original's guid", `{"httpStatus":200,"preAuthorizationCaptureGuid":"ORIGINAL","issuerResponseCode":"00"}`, capture},
		{"a capture of another hold", `{"httpStatus":200,"preAuthorizationGuid":"` + another + `","preAuthorizationCaptureGuid":"g","issuerResponseCode":"00"}`, capture},
		{"a capture without a guid", `{"httpStatus":200,"issuerResponseCode":"00"}`, capture},
		{"a capture with another status", `{"httpStatus":504,"preAuthorizationCaptureGuid":"g","issuerResponseCode":"00"}`, capture},
		{"a capture whose amount cannot be read", `{"httpStatus":200,"preAuthorizationCaptureGuid":"g","issuerResponseCode":"00","capturedAmount":"20.005","currency":"EUR"}`, capture},
		{"a capture in yen", `{"httpStatus":200,"preAuthorizationCaptureGuid":"g","issuerResponseCode":"00","capturedAmount":"20","currency":"JPY"}`, capture},
		{"a capture with a tip that cannot be read", `{"httpStatus":200,"preAuthorizationCaptureGuid":"g","issuerResponseCode":"00","tipAmount":"x","currency":"EUR"}`, capture},
		{"a capture that is no JSON", `<p>`, capture},
	} {
		_, sale := l.sold(2000)
		guid := sale.ProviderRef
		if strings.HasPrefix(c.name, "a capture") {
			_, held := l.held(2000)
			guid = held.ProviderRef
		}
		l.fault(kit.Fault{Kind: kit.FaultGarbage, Body: strings.ReplaceAll(c.body, "ORIGINAL", guid)})
		if e, ok := providers.AsError(c.call(guid)); !ok || e.NotDone || e.Kind != providers.KindGarbage {
			t.Errorf("%s: %v", c.name, e)
		}
	}
}

func TestAnAnswerWithoutACodeOfTheIssuersIsPending(t *testing.T) {
	l := start(t, options{})
	for _, code := range []string{"", "10"} {
		_, held := l.held(2000)
		// customFields has a code of its own, which is not the issuer's.
		l.fault(kit.Fault{Kind: kit.FaultGarbage, Body: `{"httpStatus":200,"customFields":{"issuerResponseCode":"00"},"preAuthorizationCaptureGuid":"g","issuerResponseCode":"` + code + `"}`})
		res, err := l.Capture(t.Context(), providers.CaptureRequest{Amount: euros(2000), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
		if err != nil || res.Outcome != providers.Pending {
			t.Errorf("%q: %+v, %v", code, res, err)
		}
	}
}

func TestAHoldIsIncreasedDecreasedAndCapturedOnce(t *testing.T) {
	l := start(t, options{})
	ref, held := l.held(10000)
	ctx := t.Context()
	up, err := l.Increase(ctx, providers.ChangeRequest{By: euros(2000), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	if err != nil || up.Outcome != providers.Approved || *up.Amount != euros(2000) || up.ProviderRef == "" || up.ProviderRef == held.ProviderRef || up.Code != "00" {
		t.Fatalf("%+v, %v", up, err)
	}
	down, err := l.Decrease(ctx, providers.ChangeRequest{By: euros(500), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	if err != nil || down.Outcome != providers.Approved || *down.Amount != euros(500) {
		t.Fatalf("%+v, %v", down, err)
	}
	_, err = l.Capture(ctx, providers.CaptureRequest{Amount: euros(11501), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	wantRefused(t, err, providers.KindRefused, true, domain.ReasonInvalidRequest)
	capture := uuid.NewString()
	got, err := l.Capture(ctx, providers.CaptureRequest{Amount: euros(11500), Tip: euros(500), AttemptRef: capture, OriginalRef: held.ProviderRef, Final: true})
	if err != nil || got.Outcome != providers.Approved || *got.Amount != euros(11500) || *got.Tip != euros(500) || got.AuthCode == "" || got.Card.Last4 != "0936" {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, call := range map[string]func() error{
		"capture": func() error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: euros(1), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
			return err
		},
		"increase": func() error {
			_, err := l.Increase(ctx, providers.ChangeRequest{By: euros(1), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
			return err
		},
		"decrease": func() error {
			_, err := l.Decrease(ctx, providers.ChangeRequest{By: euros(1), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
			return err
		},
	} {
		if e := wantRefused(t, call(), providers.KindRefused, true, domain.ReasonWrongState); e.Code != "3211" {
			t.Errorf("%s: %v", name, e)
		}
	}
	if first := l.find(providers.Lookup{Type: domain.Preauth, AttemptRef: ref}); first.Outcome != providers.Approved || first.Code != "CAPTURED" {
		t.Errorf("%+v", first)
	}
	for _, c := range []struct {
		typ  domain.TransactionType
		want providers.Result
	}{{domain.Increment, up}, {domain.Decrement, down}, {domain.Capture, got}} {
		q := providers.Lookup{Type: c.typ, AttemptRef: uuid.NewString(), ProviderRef: c.want.ProviderRef, OriginalRef: held.ProviderRef, OriginalAttempt: ref}
		if found := l.find(q); found.Outcome != providers.Approved || found.ProviderRef != c.want.ProviderRef {
			t.Errorf("%s: %+v", c.typ, found)
		}
	}
}

// The endpoints of preauthorizations take no reference of ours: what was lost
// is found by customerReference among what is logged under the first one's.
func TestALostChangeOfAHoldIsFoundUnderIt(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		typ  domain.TransactionType
		path string
		call func(l live, ref, original string) error
	}{
		{domain.Increment, "/preauthorization/increase", func(l live, ref, original string) error {
			_, err := l.Increase(ctx, providers.ChangeRequest{By: euros(700), AttemptRef: ref, OriginalRef: original})
			return err
		}},
		{domain.Decrement, "/preauthorization/increase", func(l live, ref, original string) error {
			_, err := l.Decrease(ctx, providers.ChangeRequest{By: euros(700), AttemptRef: ref, OriginalRef: original})
			return err
		}},
		{domain.Capture, "/preauthorization/capture", func(l live, ref, original string) error {
			_, err := l.Capture(ctx, providers.CaptureRequest{Amount: euros(700), AttemptRef: ref, OriginalRef: original})
			return err
		}},
	} {
		t.Run(string(c.typ), func(t *testing.T) {
			l := start(t, options{})
			ref, held := l.held(10000)
			attempt := uuid.NewString()
			q := providers.Lookup{Type: c.typ, AttemptRef: attempt, OriginalRef: held.ProviderRef, OriginalAttempt: ref, Amount: euros(700)}
			l.fault(kit.Fault{Kind: kit.FaultDropBefore, Path: c.path})
			if e, ok := providers.AsError(c.call(l, attempt, held.ProviderRef)); !ok || e.NotDone {
				t.Fatal(e)
			}
			if got := l.find(q); got.Outcome != providers.Absent {
				t.Errorf("never arrived: %+v", got)
			}
			l.fault(kit.Fault{Kind: kit.FaultDropAfter, Path: c.path})
			if e, ok := providers.AsError(c.call(l, attempt, held.ProviderRef)); !ok || e.NotDone {
				t.Fatal(e)
			}
			if got := l.find(q); got.Outcome != providers.Approved || got.ProviderRef == "" {
				t.Errorf("the answer was lost: %+v", got)
			}
			q.AttemptRef = uuid.NewString()
			want := providers.Absent
			if c.typ == domain.Capture {
				want = providers.Pending // it is captured, and cannot be twice
			}
			if got := l.find(q); got.Outcome != want {
				t.Errorf("of another attempt: %+v", got)
			}
			q.OriginalAttempt = ""
			if _, err := l.FindStatus(ctx, q); err == nil {
				t.Error("asked by nothing")
			}
			q.OriginalAttempt = uuid.NewString()
			_, err := l.FindStatus(ctx, q)
			wantRefused(t, err, providers.KindRefused, false, "")
		})
	}
}

func TestADeclinedCaptureIsADecline(t *testing.T) {
	l := start(t, options{})
	_, held := l.held(1000)
	l.outcome(kit.Outcome{Result: kit.Decline, Code: "51", Path: "/preauthorization/capture"})
	res, err := l.Capture(t.Context(), providers.CaptureRequest{Amount: euros(1000), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	if err != nil || res.Outcome != providers.Declined || res.Reason != domain.ReasonInsufficientFunds {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err = l.Capture(t.Context(), providers.CaptureRequest{Amount: euros(1000), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef}); err != nil || res.Outcome != providers.Approved {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestAPartnersKeyIsRefusedForPreauthorizations(t *testing.T) {
	l := start(t, options{key: emulator.PartnerSandboxKey})
	_, held := l.held(1000)
	_, err := l.Capture(t.Context(), providers.CaptureRequest{Amount: euros(1000), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	if e := wantRefused(t, err, providers.KindCredentials, true, domain.ReasonCredentials); !strings.Contains(e.Text, "partner") {
		t.Error(e)
	}
	_, err = l.Increase(t.Context(), providers.ChangeRequest{By: euros(1), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
	wantRefused(t, err, providers.KindCredentials, true, domain.ReasonCredentials)
}

func TestTheLastTipWinsUntilTheBatchCloses(t *testing.T) {
	l := start(t, options{})
	ref, sale := l.sold(2000)
	adjust := func(minor int64) (providers.Result, error) {
		return l.AdjustTip(t.Context(), providers.TipRequest{Tip: euros(minor), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
	}
	total := func(want int64) {
		t.Helper()
		if got := l.find(providers.Lookup{Type: domain.Sale, AttemptRef: ref}); *got.Amount != euros(want) {
			t.Errorf("%+v, want %d", got.Amount, want)
		}
	}
	for _, tip := range []int64{525, 300, 0, 100} {
		if res, err := adjust(tip); err != nil || res.Outcome != providers.Approved || res.Text != "tip adjusted" {
			t.Errorf("%d: %+v, %v", tip, res, err)
		}
		total(2000 + tip)
	}
	q := providers.Lookup{Type: domain.TipAdjustment, AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef, OriginalAttempt: ref, Amount: euros(100)}
	if got := l.find(q); got.Outcome != providers.Approved || *got.Tip != euros(100) {
		t.Errorf("%+v", got)
	}
	q.Amount = euros(101)
	if got := l.find(q); got.Outcome != providers.Pending {
		t.Errorf("another tip: %+v", got)
	}
	if res, err := adjust(0); err != nil || res.Outcome != providers.Approved {
		t.Errorf("%+v, %v", res, err)
	}
	q.Amount = euros(0)
	if got := l.find(q); got.Outcome != providers.Pending {
		t.Errorf("no tip is no proof: %+v", got)
	}
	if _, err := l.CloseBatch(t.Context(), providers.BatchRequest{Device: virtual, Number: "1", Currency: eur, AttemptRef: uuid.NewString()}); err != nil {
		t.Fatal(err)
	}
	_, err := adjust(500)
	wantRefused(t, err, providers.KindRefused, true, domain.ReasonInvalidRequest)
	total(2000)
	_, err = l.AdjustTip(t.Context(), providers.TipRequest{Tip: euros(1), AttemptRef: uuid.NewString(), OriginalRef: "fake-guid"})
	if e := wantRefused(t, err, providers.KindRefused, true, domain.ReasonInvalidRequest); e.Text != "Invalid guid [fake-guid]" {
		t.Error(e)
	}
	l.fault(kit.Fault{Kind: kit.FaultStatusAfter, Status: 500, Path: "tip-adjustment"})
	_, err = adjust(1)
	wantRefused(t, err, providers.KindServer, false, "")
}

func TestOnlyTheDocumentsWordsAdjustATip(t *testing.T) {
	l := start(t, options{})
	_, sale := l.sold(2000)
	for body, want := range map[string]providers.Outcome{`{"statusMessage":"tip adjusted"}`: providers.Approved, `{"statusMessage":"queued"}`: providers.Pending} {
		l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "tip-adjustment", Body: body})
		res, err := l.AdjustTip(t.Context(), providers.TipRequest{Tip: euros(1), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
		if err != nil || res.Outcome != want {
			t.Errorf("%s: %+v, %v", body, res, err)
		}
	}
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "tip-adjustment", Body: `{}`})
	_, err := l.AdjustTip(t.Context(), providers.TipRequest{Tip: euros(1), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
	wantRefused(t, err, providers.KindGarbage, false, "")
}

func TestAnEarlierTransactionGivesItsCardToken(t *testing.T) {
	l := start(t, options{})
	_, sale := l.sold(2000)
	res, err := l.TokenOf(t.Context(), sale.ProviderRef)
	if err != nil || res.Outcome != providers.Approved || res.Token != emulator.TokenVisa || res.Card.Last4 != "0936" || res.Card.Expiry != "10/30" || res.ProviderRef == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	if strings.Contains(string(res.Raw)+l.log.String(), `"cardToken":"`+emulator.TokenVisa) {
		t.Error("the token is kept in the open")
	}
	void, err := l.VoidSale(t.Context(), providers.FollowUp{Amount: euros(2000), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.TokenOf(t.Context(), void.ProviderRef)
	if e := wantRefused(t, err, providers.KindRefused, false, domain.ReasonNotAllowed); e.Code != "3112" || e.Text != "Transaction type is not eligible for deferred tokenization" {
		t.Error(e)
	}
	_, err = l.TokenOf(t.Context(), uuid.NewString())
	wantRefused(t, err, providers.KindRefused, false, domain.ReasonInvalidRequest)
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/token", Body: `{"cardToken":"hp_tok_planted","httpStatus":"200","transactionReference":"` + uuid.NewString() + `"}`})
	_, err = l.TokenOf(t.Context(), sale.ProviderRef)
	if e := wantRefused(t, err, providers.KindGarbage, false, ""); strings.Contains(e.Error()+string(e.Raw), "hp_tok_planted") {
		t.Error("the token is kept in the open")
	}
}

func TestABatchIsReadAndClosed(t *testing.T) {
	l := start(t, options{config: emulator.Config{BatchPage: 2}})
	_, sale := l.sold(10000)
	l.sold(5000)
	if _, err := l.SellByToken(t.Context(), providers.SaleRequest{Amount: euros(3000), AttemptRef: uuid.NewString(), Token: emulator.TokenAmex}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Refund(t.Context(), providers.RefundRequest{Amount: euros(2500), AttemptRef: uuid.NewString(), OriginalRef: sale.ProviderRef}); err != nil {
		t.Fatal(err)
	}
	req := providers.BatchRequest{Device: virtual, Number: "1", Currency: eur}
	b, err := l.BatchSummary(t.Context(), req)
	if err != nil || b.Number != "1" || b.Status != "OPEN" || b.Counts["transactionCount"] != 4 || b.Counts["salesCount"] != 3 || b.Counts["refundsCount"] != 1 ||
		b.Totals["netAmount"] != euros(15500) || b.Said != "DATA RETRIEVED" {
		t.Fatalf("%+v, %v", b, err)
	}
	var lines []providers.BatchLine
	detail := req
	for pages := 0; ; pages++ {
		b, err := l.BatchDetail(t.Context(), detail)
		if err != nil || pages > 3 {
			t.Fatalf("%+v, %v", b, err)
		}
		lines = append(lines, b.Lines...)
		if !b.More {
			break
		}
		detail.After = b.Lines[len(b.Lines)-1].Retrieval
	}
	var told []string
	for _, line := range lines {
		told = append(told, fmt.Sprintf("%s %s %v", line.Type, line.Amount.Major(), line.Retrieval != ""))
	}
	if got, want := strings.Join(told, ", "), "SALE 100.00 true, SALE 50.00 true, SALE 30.00 false, REFUND 25.00 true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	req.AttemptRef = uuid.NewString()
	if b, err = l.CloseBatch(t.Context(), req); err != nil || b.Number != "1" || b.Said != "ACCEPTED" {
		t.Errorf("%+v, %v", b, err)
	}
	if b, err = l.BatchSummary(t.Context(), req); err != nil || b.Status != "CLOSED" {
		t.Errorf("%+v, %v", b, err)
	}
	_, err = l.CloseBatch(t.Context(), req)
	wantRefused(t, err, providers.KindRefused, false, "")
	req.Number = "9"
	_, err = l.BatchSummary(t.Context(), req)
	wantRefused(t, err, providers.KindRefused, false, "")
}

func TestABatchMayOweMoney(t *testing.T) {
	l := start(t, options{})
	l.run(providers.TerminalRequest{Operation: "refund", Amount: euros(500), AttemptRef: uuid.NewString()})
	b, err := l.BatchSummary(t.Context(), providers.BatchRequest{Device: terminal, Number: "1", Currency: eur})
	if err != nil || b.Totals["netAmount"] != euros(-500) {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestALostBatchCloseIsUnknownAndTheSummaryTells(t *testing.T) {
	req := providers.BatchRequest{Device: virtual, Number: "1", Currency: eur, AttemptRef: uuid.NewString()}
	for kind, status := range map[string]string{kit.FaultDropAfter: "CLOSED", kit.FaultStatusAfter: "CLOSED", kit.FaultStatus: "OPEN", kit.FaultDropBefore: "OPEN", kit.FaultGarbage: "CLOSED"} {
		l := start(t, options{})
		l.fault(kit.Fault{Kind: kind, Path: "/batch/close", Status: map[bool]int{true: 503}[strings.HasPrefix(kind, kit.FaultStatus)]})
		_, err := l.CloseBatch(t.Context(), req)
		if e, ok := providers.AsError(err); !ok || e.NotDone {
			t.Errorf("%s: %v", kind, err)
		}
		if n := len(*l.requests); n != 1 {
			t.Errorf("%s: sent %d times", kind, n)
		}
		if b, err := l.BatchSummary(t.Context(), req); err != nil || b.Status != status {
			t.Errorf("%s: %+v, %v", kind, b, err)
		}
	}
}

func TestBatchAnswersOfOtherShapes(t *testing.T) {
	l := start(t, options{})
	req := providers.BatchRequest{Device: virtual, Number: "1", Currency: eur, AttemptRef: uuid.NewString()}
	head := `{"httpStatus":"200","batchNumber":"1","issuerResponseCode":"00","batchStatus":"CLOSED"`
	for _, c := range []struct {
		name, body string
		lines      int
		ok         bool
	}{
		{"the sample's list", head + `,"details":[{"transactionType":"SALE","amount":"100.00","batchDetailElementGuid":"g"}]}`, 1, true},
		{"an entry", head + `,"details":{"entry":[{"transactionType":"SALE","amount":"100.00","batchDetailElementGuid":"g"}]}}`, 1, true},
		{"no details", head + `}`, 0, true},
		{"a customer reference that is an object", head + `,"customerReference":{}}`, 0, true},
		{"custom fields of another shape", head + `,"customFields":"x"}`, 0, true},
		{"a signed amount", head + `,"details":[{"amount":"-1.00"}]}`, 0, false},
		{"a third decimal", head + `,"details":[{"amount":"1.005"}]}`, 0, false},
		{"no amount", head + `,"details":[{"transactionType":"SALE"}]}`, 0, false},
		{"another batch", strings.Replace(head, `"1"`, `"2"`, 1) + `}`, 0, false},
		{"another code", strings.Replace(head, `"00"`, `"96"`, 1) + `}`, 0, false},
		{"another status", strings.Replace(head, `"200"`, `"500"`, 1) + `}`, 0, false},
		{"no code", `{"batchNumber":"1"}`, 0, false},
		{"a list", `[]`, 0, false},
	} {
		l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/batch/detail", Body: c.body})
		b, err := l.BatchDetail(t.Context(), req)
		if (err == nil) != c.ok || len(b.Lines) != c.lines {
			t.Errorf("%s: %+v, %v", c.name, b, err)
		}
		if e, ok := providers.AsError(err); ok && e.NotDone {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	again := head + `,"details":[{"transactionType":"SALE","amount":"1.00","retrievalReferenceNumber":"R1"},{"transactionType":"SALE","amount":"2.00","retrievalReferenceNumber":"R2"}]}`
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/batch/detail", Body: again})
	req.After = ""
	if b, err := l.BatchDetail(t.Context(), req); err != nil || !b.More || len(b.Lines) != 2 {
		t.Errorf("%+v, %v", b, err)
	}
}

// Whether rrn continues or filters is an assumption: an answer that repeats the
// line must not be read a second time, or for ever.
func TestADetailThatDoesNotContinueEnds(t *testing.T) {
	l := start(t, options{})
	if _, err := l.SellByToken(t.Context(), providers.SaleRequest{Amount: euros(1), AttemptRef: uuid.NewString(), Token: emulator.TokenVisa}); err != nil {
		t.Fatal(err)
	}
	req := providers.BatchRequest{Device: virtual, Number: "1", Currency: eur}
	b, err := l.BatchDetail(t.Context(), req)
	if err != nil || len(b.Lines) != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	req.After = b.Lines[0].Retrieval
	l.fault(kit.Fault{Kind: kit.FaultGarbage, Path: "/batch/detail",
		Body: `{"httpStatus":"200","batchNumber":"1","issuerResponseCode":"00","details":[{"transactionType":"SALE","amount":"0.01","retrievalReferenceNumber":"` + req.After + `"}]}`})
	if b, err = l.BatchDetail(t.Context(), req); err != nil || b.More || len(b.Lines) != 0 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestUndefinedIsAbsentAtAnyAge(t *testing.T) {
	// The adapter tells what the provider says; that it is believed 90 seconds
	// after the last sending only is the registration's rule.
	l := start(t, options{})
	for _, typ := range []domain.TransactionType{domain.Sale, domain.Refund, domain.Preauth} {
		q := providers.Lookup{Type: typ, AttemptRef: uuid.NewString()}
		for _, age := range []time.Duration{0, 89 * time.Second, 2 * time.Second, 24 * time.Hour} {
			l.pass(age)
			if got := l.find(q); got.Outcome != providers.Absent {
				t.Errorf("%s, %v later: %+v", typ, age, got)
			}
		}
	}
	// A void follows something up, which is logged under the original's reference.
	if got := l.find(providers.Lookup{Type: domain.Void, AttemptRef: uuid.NewString()}); got.Outcome != providers.Pending {
		t.Errorf("void: %+v", got)
	}
	for _, typ := range []domain.TransactionType{domain.Register, domain.TipAdjustment, domain.Increment, domain.Decrement, domain.Capture} {
		_, err := l.FindStatus(t.Context(), providers.Lookup{Type: typ, AttemptRef: uuid.NewString()})
		wantRefused(t, err, providers.KindRefused, false, "")
	}
	if a := handpoint.Registration().Absence; a.After != 90*time.Second || a.Asks != 1 {
		t.Errorf("%+v", a)
	}
}

func TestWhatAConnectionOffersFollowsItsAcquirerAndKey(t *testing.T) {
	reg := handpoint.Registration()
	a := start(t, options{}).Adapter
	always := []domain.Capability{domain.CanSellByToken, domain.CanRefund, domain.CanPartRefund, domain.CanVoidSale, domain.CanTokenFromPast, domain.CanListDevices,
		domain.CanCommandDevice, domain.CanUseTerminal, domain.CanLookUp, domain.CanTestConnection} // and no callbacks, without a token that proves them
	holds := []domain.Capability{domain.CanCapture, domain.CanPartCapture, domain.CanIncrease, domain.CanDecrease}
	for _, c := range []struct {
		name     string
		settings map[string]string
		more     []domain.Capability
	}{
		{"nothing is set", nil, nil},
		{"TSYS", map[string]string{handpoint.SettingAcquirer: "TSYS"}, []domain.Capability{domain.CanAdjustTip}},
		{"Vantiv", map[string]string{handpoint.SettingAcquirer: "VANTIV"}, []domain.Capability{domain.CanAdjustTip}},
		{"another acquirer", map[string]string{handpoint.SettingAcquirer: "OMNIPAY"}, nil},
		{"preauthorizations", map[string]string{handpoint.SettingPreauthorizations: "yes"}, holds},
		{"preauthorizations with a partner's key", map[string]string{handpoint.SettingPreauthorizations: "yes", handpoint.SettingPartnerKey: "yes"}, nil},
		{"batches", map[string]string{handpoint.SettingBatches: "yes"}, []domain.Capability{domain.CanKeepBatches}},
	} {
		want := append(slices.Clone(always), c.more...)
		for _, o := range providers.Offers(a, reg, c.settings, "") {
			if o.Offered != slices.Contains(want, o.Capability) || o.Offered != (o.Why == "") {
				t.Errorf("%s: %+v", c.name, o)
			}
			if o.Why != "" && !strings.HasSuffix(o.Why, ".") {
				t.Errorf("%q is no sentence", o.Why)
			}
		}
	}
}

func TestTheTimeOfACallIsTheConnections(t *testing.T) {
	l := start(t, options{})
	a, err := handpoint.New(providers.Config{BaseURL: "https://cloud.handpoint.com", HTTP: forward{t, l}, Timeout: time.Nanosecond, Secrets: map[string]string{handpoint.SecretAPIKey: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: uuid.NewString()})
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Errorf("%v", err)
	}
}

// Whatever goes wrong with one answer: what is certain afterwards, that it was
// sent once, and what the emulator did.
func TestOperationsThatTheSuiteCannotDrive(t *testing.T) {
	for _, op := range []struct {
		name, path string
		prepare    func(l live) func(ref string) (providers.Result, error)
	}{
		{"capture", "/preauthorization/capture", func(l live) func(string) (providers.Result, error) {
			_, held := l.held(1250)
			return func(ref string) (providers.Result, error) {
				return l.Capture(l.t.Context(), providers.CaptureRequest{Amount: euros(1250), AttemptRef: ref, OriginalRef: held.ProviderRef})
			}
		}},
		{"increase", "/preauthorization/increase", func(l live) func(string) (providers.Result, error) {
			_, held := l.held(1250)
			return func(ref string) (providers.Result, error) {
				return l.Increase(l.t.Context(), providers.ChangeRequest{By: euros(300), AttemptRef: ref, OriginalRef: held.ProviderRef})
			}
		}},
		{"tip", "/tip-adjustment", func(l live) func(string) (providers.Result, error) {
			_, sale := l.sold(1250)
			return func(ref string) (providers.Result, error) {
				return l.AdjustTip(l.t.Context(), providers.TipRequest{Tip: euros(200), AttemptRef: ref, OriginalRef: sale.ProviderRef})
			}
		}},
	} {
		for _, c := range []struct {
			name    string
			fault   kit.Fault
			kind    providers.ErrorKind
			notDone bool
			moved   int
		}{
			{"answered", kit.Fault{}, "", false, 1},
			{"dropped after", kit.Fault{Kind: kit.FaultDropAfter}, providers.KindNoAnswer, false, 1},
			{"dropped before", kit.Fault{Kind: kit.FaultDropBefore}, providers.KindNoAnswer, false, 0},
			{"garbage", kit.Fault{Kind: kit.FaultGarbage}, providers.KindGarbage, false, 1},
			{"wrong content type", kit.Fault{Kind: kit.FaultWrongContentType}, providers.KindGarbage, false, 1},
			{"oversize", kit.Fault{Kind: kit.FaultOversize}, providers.KindGarbage, false, 1},
			{"500 after", kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}, providers.KindServer, false, 1},
			{"503 before", kit.Fault{Kind: kit.FaultStatus, Status: 503}, providers.KindServer, false, 0},
			{"401", kit.Fault{Kind: kit.FaultStatus, Status: 401}, providers.KindCredentials, true, 0},
			{"403", kit.Fault{Kind: kit.FaultStatus, Status: 403}, providers.KindCredentials, true, 0},
			{"404", kit.Fault{Kind: kit.FaultStatus, Status: 404}, providers.KindRefused, true, 0},
			{"409", kit.Fault{Kind: kit.FaultStatus, Status: 409}, providers.KindRefused, false, 0},
			{"429", kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 7}, providers.KindRateLimited, true, 0},
		} {
			t.Run(op.name+", "+c.name, func(t *testing.T) {
				l := start(t, options{})
				call := op.prepare(l)
				count := func() int {
					n := 0
					for _, charge := range l.emulator.State().Charges {
						if charge.Approved {
							n++
						}
					}
					return n
				}
				moved, sent := count(), len(*l.requests)
				if c.fault.Kind != "" {
					c.fault.Path = op.path
					l.fault(c.fault)
				}
				res, err := call(uuid.NewString())
				if c.kind == "" {
					if err != nil || res.Outcome != providers.Approved {
						t.Errorf("%+v, %v", res, err)
					}
				} else if e, ok := providers.AsError(err); !ok || e.Kind != c.kind || e.NotDone != c.notDone || (c.fault.RetryAfter > 0) != (e.RetryAfter > 0) {
					t.Errorf("%+v, %v", res, err)
				}
				if n := count() - moved; n != c.moved {
					t.Errorf("the emulator did it %d times, want %d", n, c.moved)
				}
				if n := len(*l.requests) - sent; n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		}
	}
}

// Whatever is done to a hold, in whatever order: the adapter says yes exactly
// when the sum allows it, and what it says is what the emulator holds.
func TestAnySequenceOnAHoldAgreesWithItsSum(t *testing.T) {
	l := start(t, options{})
	rapid.Check(t, func(rt *rapid.T) {
		_, held := l.held(10000)
		sum, captured := int64(10000), false
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			by := rapid.Int64Range(1, 15000).Draw(rt, "by")
			what := rapid.SampledFrom([]string{"increase", "decrease", "capture"}).Draw(rt, "what")
			allowed := !captured
			var res providers.Result
			var err error
			switch change := (providers.ChangeRequest{By: euros(by), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef}); what {
			case "increase":
				res, err = l.Increase(t.Context(), change)
			case "decrease":
				allowed = allowed && by < sum
				res, err = l.Decrease(t.Context(), change)
			default:
				allowed = allowed && by <= sum
				res, err = l.Capture(t.Context(), providers.CaptureRequest{Amount: euros(by), AttemptRef: uuid.NewString(), OriginalRef: held.ProviderRef})
			}
			if (err == nil && res.Outcome == providers.Approved && *res.Amount == euros(by)) != allowed {
				rt.Fatalf("%s by %d of %d (captured %v): %+v, %v", what, by, sum, captured, res, err)
			}
			if e, ok := providers.AsError(err); ok && !e.NotDone {
				rt.Fatalf("%s by %d: %v is no certain no", what, by, err)
			}
			if !allowed {
				continue
			}
			switch what {
			case "increase":
				sum += by
			case "decrease":
				sum -= by
			default:
				captured = true
			}
		}
		var ledger int64
		for _, c := range l.emulator.State().Charges {
			if c.OriginalID == held.ProviderRef && c.Approved {
				ledger += map[string]int64{"increment": c.AmountMinor, "decrement": -c.AmountMinor}[c.Kind]
			}
		}
		if ledger+10000 != sum {
			rt.Fatalf("the emulator's changes come to %d, the model has %d", ledger, sum-10000)
		}
	})
}
