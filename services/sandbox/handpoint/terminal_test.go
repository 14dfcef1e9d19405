package handpoint_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// raw makes a call whose answer may be empty.
func (f fixture) raw(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, f.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("ApiKeyCloud", handpoint.SandboxKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// operate is a body of POST /transactions on the published terminal.
func operate(operation string, more ...string) string {
	return `{"operation":"` + operation + `","serial_number":"` + handpoint.TerminalSerial + `","terminal_type":"` + handpoint.TerminalType + `"` +
		strings.Join(append([]string{""}, more...), ",") + `}`
}

const euro = `"currency":"EUR"`

func (f fixture) pass(d time.Duration) {
	f.Kit().Clock.Advance(d)
	kit.Pump(f.Server)
	f.Kit().Callbacks.Wait()
}

// begin starts an operation and returns its result's id.
func (f fixture) begin(t *testing.T, body string) string {
	t.Helper()
	a := f.post(t, "/transactions", body)
	id, _ := a.json["transactionResultId"].(string)
	if a.status != http.StatusAccepted || id == "" {
		t.Fatal(a.raw)
	}
	return id
}

// run starts an operation and returns its result.
func (f fixture) run(t *testing.T, body string) answer {
	t.Helper()
	id := f.begin(t, body)
	f.pass(time.Second)
	a := f.get(t, "/transaction-result/"+id)
	if a.status != http.StatusOK {
		t.Fatal(a.raw)
	}
	return a
}

// deviceCode is the number of the error family whose message is an object.
func (a answer) deviceCode() any {
	e, _ := a.json["error"].(map[string]any)
	message, _ := e["message"].(map[string]any)
	return message["error"]
}

func TestAnAcceptedSaleHasItsResultAfterAWhile(t *testing.T) {
	f := newFixture(t)
	a := f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"transactionReference":"`+ref(1)+`"`, `"customerReference":"table 7"`))
	id, _ := a.json["transactionResultId"].(string)
	want(t, a, map[string]any{"statusMessage": "Operation Accepted", "transactionReference": ref(1)})
	if a.status != 202 || !strings.HasPrefix(id, handpoint.TerminalSerial+"-") {
		t.Fatal(a.raw)
	}
	if status, body := f.raw(t, "GET", "/transaction-result/"+id, ""); status != 204 || body != "" {
		t.Errorf("%d %q", status, body)
	}
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "UNDEFINED"})
	f.pass(500 * time.Millisecond)
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "IN_PROGRESS", "type": "SALE"})
	f.pass(500 * time.Millisecond)
	want(t, f.get(t, "/transaction-result/"+id), map[string]any{
		"finStatus": "AUTHORISED", "type": "SALE", "totalAmount": 300.0, "requestedAmount": 300.0, "currency": "EUR", "transactionReference": ref(1),
		"customerReference": "table 7", "maskedCardNumber": "************0936", "recoveredTransaction": false, "unMaskedPan": handpoint.UnmaskedPAN("0936"),
		"paymentScenario": "CHIPCONTACTLESS", "batchNumber": "1",
	})
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "AUTHORISED", "type": "SALE", "totalAmount": 300.0, "unMaskedPan": "", "customerReceipt": ""})
	if a := f.get(t, "/transaction-result/1850025030-1"); a.status != 404 {
		t.Error(a.raw)
	}
	if a := f.do(t, "GET", "/transaction-result/"+id, handpoint.OtherSandboxKey, "", ""); a.status != 404 {
		t.Errorf("another merchant's result: %s", a.raw)
	}
	if f.State().Approved[ref(1)] != 1 {
		t.Errorf("%+v", f.State())
	}
	journal, err := json.Marshal(f.Kit().Journal.Entries())
	if err != nil || strings.Contains(string(journal), handpoint.UnmaskedPAN("0936")) {
		t.Errorf("the journal holds the unmasked number, %v", err)
	}
}

func TestTheTestNumberIsACardNumberInItsForm(t *testing.T) {
	for _, last4 := range []string{"0936", "4444", "0005", "9995"} {
		if pan := handpoint.UnmaskedPAN(last4); len(pan) != 16 || !kit.Luhn(pan) || !strings.HasSuffix(pan, last4) {
			t.Errorf("%s", pan)
		}
	}
}

func TestATerminalIsBusyOffLineOrCannotStop(t *testing.T) {
	f := newFixture(t)
	yes, no := true, false
	sale := operate("sale", `"amount":"300"`, euro)
	code := func(name, body string, want any) {
		t.Helper()
		if a := f.post(t, "/transactions", body); a.status != 400 || a.deviceCode() != want {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	code("nothing to stop", operate("stopCurrentTransaction"), 1003.0)
	id := f.begin(t, sale)
	code("busy with a sale", sale, 1001.0)
	code("busy, pinged", operate("pingDevice"), 1001.0)
	if a := f.post(t, "/transactions", operate("stopCurrentTransaction")); a.status != 202 || a.json["transactionResultId"] != nil {
		t.Error(a.raw)
	}
	want(t, f.get(t, "/transaction-result/"+id), map[string]any{"finStatus": "CANCELLED", "type": "CANCEL_SALE"})
	f.begin(t, sale)
	f.pass(500 * time.Millisecond)
	code("the card is read", operate("stopCurrentTransaction"), 1003.0)
	f.pass(time.Second)
	for _, s := range []handpoint.Setting{{Busy: &yes}, {Busy: &no}, {Online: &no}} {
		s.Serial = handpoint.TerminalSerial
		if err := f.Set(s); err != nil {
			t.Fatal(err)
		}
		switch {
		case s.Busy == &yes:
			code("made busy", sale, 1001.0)
		case s.Online == &no:
			code("off line", sale, 1002.0)
		default:
			f.run(t, sale)
		}
	}
	code("another's terminal", strings.Replace(sale, handpoint.TerminalSerial, "42", 1), 1002.0)
	code("of another type", strings.Replace(sale, handpoint.TerminalType, "PAXA920", 1), 1002.0)
}

func TestBodiesOfOperationsAreStrict(t *testing.T) {
	f := newFixture(t)
	for _, tc := range []struct{ name, body, path, code string }{
		{"no operation", `{"serial_number":"1","terminal_type":"x"}`, "", "required"},
		{"unknown operation", operate("motoSale", `"amount":"1"`, euro), "", "additionalProperties"},
		{"card numbers are not built", operate("cardPan"), "/operation", "enum"},
		{"an operation that is none", operate("dance"), "/operation", "enum"},
		{"an operation that is a number", `{"operation":1,"serial_number":"1","terminal_type":"x"}`, "/operation", "type"},
		{"no serial number", `{"operation":"pingDevice","terminal_type":"x"}`, "", "required"},
		{"no amount", operate("sale", euro), "", "required"},
		{"no currency", operate("sale", `"amount":"1"`), "", "required"},
		{"number amount", operate("sale", `"amount":1`, euro), "/amount", "type"},
		{"major units", operate("sale", `"amount":"1.00"`, euro), "/amount", "pattern"},
		{"negative sale", operate("sale", `"amount":"-1"`, euro), "/amount", "pattern"},
		{"no original", operate("saleReversal", `"amount":"1"`, euro), "", "required"},
		{"a linked refund with a reference", operate("refund", `"amount":"1"`, euro, `"originalTransactionId":"x"`, `"transactionReference":"`+ref(1)+`"`), "", "additionalProperties"},
		{"a reversal with a reference", operate("saleReversal", `"amount":"1"`, euro, `"originalTransactionId":"x"`, `"transactionReference":"`+ref(1)+`"`), "", "additionalProperties"},
		{"a callback without its token", operate("pingDevice", `"callbackUrl":"https://shop.example/"`), "", "required"},
		{"a token without its callback", operate("pingDevice", `"token":"t"`), "", "required"},
		{"a callback that is no address", operate("pingDevice", `"callbackUrl":"shop"`, `"token":"t"`), "/callbackUrl", "pattern"},
		{"no receipt", operate("printReceipt"), "", "required"},
		{"a tip with a refund", operate("refund", `"amount":"1"`, euro, `"tipConfiguration":{"tipPercentages":[5]}`), "", "additionalProperties"},
		{"a tip without percentages", operate("sale", `"amount":"1"`, euro, `"tipConfiguration":{}`), "/tipConfiguration", "required"},
		{"a percentage that is a text", operate("sale", `"amount":"1"`, euro, `"tipConfiguration":{"tipPercentages":["5"]}`), "/tipConfiguration/tipPercentages/0", "type"},
		{"a percentage with a fraction", operate("sale", `"amount":"1"`, euro, `"tipConfiguration":{"tipPercentages":[5.5]}`), "/tipConfiguration/tipPercentages/0", "type"},
		{"percentages that are none", operate("sale", `"amount":"1"`, euro, `"tipConfiguration":{"tipPercentages":5}`), "/tipConfiguration/tipPercentages", "type"},
		{"a flag that is a text", operate("sale", `"amount":"1"`, euro, `"duplicate_check":"false"`), "/duplicate_check", "type"},
		{"a bypass that is none", operate("sale", `"amount":"1"`, euro, `"bypassOptions":{"pin":true}`), "/bypassOptions", "additionalProperties"},
		{"merchantAuth that is an object", operate("sale", `"amount":"1"`, euro, `"merchantAuth":{"mid":"1"}`), "/merchantAuth", "type"},
		{"merchantAuth with nothing", operate("sale", `"amount":"1"`, euro, `"merchantAuth":[]`), "/merchantAuth", "minItems"},
		{"a sixth metadata", operate("sale", `"amount":"1"`, euro, `"metadata":{"metadata6":"x"}`), "/metadata", "additionalProperties"},
		{"long metadata", operate("sale", `"amount":"1"`, euro, `"metadata":{"metadata1":"`+strings.Repeat("x", 251)+`"}`), "/metadata/metadata1", "maxLength"},
		{"metadata with other signs", operate("sale", `"amount":"1"`, euro, `"metadata":{"metadata1":"€"}`), "/metadata/metadata1", "pattern"},
		{"another field", operate("pingDevice", `"amount":"1"`), "", "additionalProperties"},
		{"a list", `[]`, "", "type"},
	} {
		a := f.post(t, "/transactions", tc.body)
		e, _ := a.json["error"].(map[string]any)
		details, _ := e["details"].([]any)
		if a.status != 422 || e["code"] != "VALIDATION_FAILED" || !slices.ContainsFunc(details, func(d any) bool {
			m, _ := d.(map[string]any)
			return m["path"] == tc.path && m["code"] == tc.code
		}) {
			t.Errorf("%s: %d %s", tc.name, a.status, a.raw)
		}
	}
	for _, currency := range []string{"JPY", "KWD"} {
		if a := f.post(t, "/transactions", operate("sale", `"amount":"1"`, `"currency":"`+currency+`"`)); a.status != 400 {
			t.Errorf("%s: %s", currency, a.raw)
		}
	}
	if len(f.State().Charges) != 0 {
		t.Error("a refused operation was carried out")
	}
}

func TestEveryOptionOfASaleIsTaken(t *testing.T) {
	f := newFixture(t)
	a := f.run(t, operate("sale", `"amount":"2000"`, euro, `"tipConfiguration":{"baseAmount":"1000","headerName":"Tip","tipPercentages":[10,20],"enterAmountEnabled":true,"skipEnabled":false,"footer":"!"}`,
		`"bypassOptions":{"signatureBypass":true,"pinBypass":true}`, `"merchantAuth":[{"acquirer":"TSYS","mid":"1","tid":"2","mcc":"3","externalId":"4"}]`,
		`"duplicate_check":false`, `"metadata":{"metadata1":"data1","metadata5":"a-z (b) @:%_\\+.~#?&/={}\"',"}`))
	want(t, a, map[string]any{"tipAmount": 100.0, "totalAmount": 2100.0, "requestedAmount": 2000.0, "dueAmount": 0.0})
	if m, _ := a.json["metadata"].(map[string]any); m["metadata1"] != "data1" {
		t.Error(a.raw)
	}
}

func TestEveryOperationHasItsWord(t *testing.T) {
	f := newFixture(t)
	guid := func(a answer) string { s, _ := a.json["efttransactionID"].(string); return s }
	original := func(id string) string { return `"originalTransactionId":"` + id + `"` }
	sale := func() string { return guid(f.run(t, operate("sale", `"amount":"1000"`, euro))) }
	is := func(a answer, word, fin string) answer {
		t.Helper()
		want(t, a, map[string]any{"type": word, "finStatus": fin})
		return a
	}
	refund := is(f.run(t, operate("refund", `"amount":"400"`, euro, original(sale()))), "REFUND", "AUTHORISED")
	is(f.run(t, operate("refundReversal", `"amount":"400"`, euro, original(guid(refund)))), "VOID_REFUND", "AUTHORISED")
	is(f.run(t, operate("refund", `"amount":"400"`, euro)), "REFUND", "AUTHORISED")
	is(f.run(t, operate("saleReversal", `"amount":"1000"`, euro, original(sale()))), "VOID_SALE", "AUTHORISED")
	want(t, is(f.run(t, operate("saleAndTokenizeCard", `"amount":"1000"`, euro)), "SALE", "AUTHORISED"), map[string]any{"cardToken": handpoint.TokenVisa})
	want(t, is(f.run(t, operate("tokenizeCard")), "TOKENIZE_CARD", "AUTHORISED"), map[string]any{"cardToken": handpoint.TokenVisa})
	is(f.run(t, operate("printReceipt", `"receipt":"<p>x</p>"`)), "UNDEFINED", "PROCESSED")
	is(f.run(t, operate("update")), "UNDEFINED", "PROCESSED")
	ping := is(f.run(t, operate("pingDevice")), "UNDEFINED", "")
	if device, _ := ping.json["deviceStatus"].(map[string]any); device["serialNumber"] != handpoint.TerminalSerial {
		t.Error(ping.raw)
	}
	moto := is(f.run(t, operate("moToSale", `"amount":"1000"`, euro)), "MOTO_SALE", "AUTHORISED")
	is(f.run(t, operate("moToRefund", `"amount":"100"`, euro, original(guid(moto)))), "MOTO_REFUND", "AUTHORISED")
	is(f.run(t, operate("moToReversal", original(guid(f.run(t, operate("moToSale", `"amount":"1000"`, euro)))))), "MOTO_REVERSAL", "AUTHORISED")
	is(f.run(t, operate("moToPreAuthorization", `"amount":"1000"`, euro)), "PRE_AUTHORIZATION", "AUTHORISED")
	held := is(f.run(t, operate("preAuthorization", `"amount":"1000"`, euro, `"transactionReference":"`+ref(1)+`"`)), "PRE_AUTHORIZATION", "AUTHORISED")
	is(f.run(t, operate("preAuthorizationIncrease", `"amount":"500"`, euro, original(guid(held)))), "PRE_AUTHORIZATION_INCREASE", "AUTHORISED")
	is(f.run(t, operate("preAuthorizationIncrease", `"amount":"-200"`, euro, original(guid(held)))), "PRE_AUTHORIZATION_INCREASE", "AUTHORISED")
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "AUTHORISED", "holdAmount": 1300.0, "increaseAmount": 300.0, "capturedAmount": 0.0})
	is(f.run(t, operate("preAuthorizationCapture", `"amount":"1301"`, euro, original(guid(held)))), "PRE_AUTHORIZATION_CAPTURE", "FAILED")
	captured := is(f.run(t, operate("preAuthorizationCapture", `"amount":"1300"`, euro, original(guid(held)))), "PRE_AUTHORIZATION_CAPTURE", "CAPTURED")
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "CAPTURED", "capturedAmount": 1300.0})
	is(f.run(t, operate("preAuthorizationCapture", `"amount":"1"`, euro, original(guid(held)))), "PRE_AUTHORIZATION_CAPTURE", "FAILED")
	is(f.run(t, operate("preAuthorizationReversal", original(guid(captured)))), "REVERSAL", "AUTHORISED")
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "AUTHORISED", "capturedAmount": 0.0})
	is(f.run(t, operate("preAuthorizationReversal", original(guid(held)))), "REVERSAL", "AUTHORISED")
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "CANCELLED"})
	if list := f.get(t, "/transactions/"+ref(1)+"/status/all").list; len(list) != 6 || list[3]["type"] != "PRE_AUTHORIZATION_CAPTURE" || list[5]["type"] != "REVERSAL" {
		t.Errorf("%d: %v", len(list), list)
	}
}

func TestTriggerAmountsOfATerminal(t *testing.T) {
	f := newFixture(t)
	for minor, fields := range map[string]map[string]any{
		"3779": {"finStatus": "DECLINED", "issuerResponseCode": "01"},
		"3784": {"finStatus": "DECLINED", "issuerResponseCode": "05"},
		"3793": {"finStatus": "DECLINED", "issuerResponseCode": "04"},
		"3757": {"finStatus": "PARTIAL_APPROVAL", "totalAmount": 1879.0, "dueAmount": 1878.0},
		"3768": {"finStatus": "FAILED", "errorMessage": "Request timeout"},
	} {
		want(t, f.run(t, operate("sale", `"amount":"`+minor+`"`, euro)), fields)
	}
}

func TestAQueuedOutcomeDecidesATerminalsOperation(t *testing.T) {
	f := newFixture(t)
	push := func(o kit.Outcome) {
		t.Helper()
		if err := f.Kit().Outcomes.Push(o); err != nil {
			t.Fatal(err)
		}
	}
	sale := operate("sale", `"amount":"300"`, euro, `"transactionReference":"`+ref(1)+`"`)
	push(kit.Outcome{Result: kit.Reject, Code: "1001"})
	if a := f.post(t, "/transactions", sale); a.deviceCode() != 1001.0 {
		t.Error(a.raw)
	}
	push(kit.Outcome{Result: kit.Reject, Code: "3107"})
	if code, _ := f.post(t, "/transactions", sale).errorCode(); code != "3107" {
		t.Error(code)
	}
	push(kit.Outcome{Result: kit.Decline, Code: "51"})
	want(t, f.run(t, sale), map[string]any{"finStatus": "DECLINED", "issuerResponseCode": "51"})
	push(kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: 60})
	id := f.begin(t, operate("sale", `"amount":"300"`, euro, `"transactionReference":"`+ref(2)+`"`))
	f.pass(59 * time.Second)
	want(t, f.get(t, "/transactions/"+ref(2)+"/status"), map[string]any{"finStatus": "IN_PROGRESS"})
	f.pass(time.Second)
	want(t, f.get(t, "/transaction-result/"+id), map[string]any{"finStatus": "AUTHORISED"})
}

func TestACardIsShownAsItIsSet(t *testing.T) {
	f := newFixture(t)
	if err := f.Set(handpoint.Setting{Serial: handpoint.TerminalSerial, Card: handpoint.TokenStolen}); err != nil {
		t.Fatal(err)
	}
	want(t, f.run(t, operate("sale", `"amount":"300"`, euro)), map[string]any{"finStatus": "DECLINED", "issuerResponseCode": "43", "maskedCardNumber": "************9979"})
	for _, s := range []handpoint.Setting{{Serial: "42"}, {Serial: handpoint.TerminalSerial, Card: "x"}, {Serial: handpoint.TerminalSerial, Receipts: "x"}, {Serial: handpoint.TerminalSerial, Signature: "x"}} {
		if err := f.Set(s); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}

func TestReceiptsAndSignaturesOfBothKinds(t *testing.T) {
	f := newFixture(t)
	sale := operate("sale", `"amount":"300"`, euro)
	for _, s := range []handpoint.Setting{{Receipts: "url", Signature: "url"}, {Receipts: "html", Signature: "image"}, {Signature: "none"}} {
		s.Serial = handpoint.TerminalSerial
		if err := f.Set(s); err != nil {
			t.Fatal(err)
		}
		a := f.run(t, sale)
		receipt, _ := a.json["customerReceipt"].(string)
		signature, _ := a.json["signatureUrl"].(string)
		if strings.HasPrefix(receipt, "<html>") != (s.Receipts != "url") || strings.HasPrefix(signature, "https://") != (s.Signature == "url") || (signature == "") != (s.Signature == "none") {
			t.Errorf("%+v: %s", s, a.raw)
		}
	}
}

// collector takes callbacks.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	tokens []string
	bodies []map[string]any
}

func collect(t *testing.T) *collector {
	c := &collector{status: 200}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tokens, c.bodies = append(c.tokens, r.Header.Get("AUTH-TOKEN")), append(c.bodies, body)
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) set(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *collector) got() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.bodies)
}

func TestAResultGoesToItsCallbackWithItsToken(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.Kit().Callbacks.Enable(true)
	c.set(299) // any 2xx acknowledges
	a := f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"the-token-of-the-request"`, `"transactionReference":"`+ref(1)+`"`))
	if a.status != 202 || a.json["transactionResultId"] != nil {
		t.Fatal(a.raw)
	}
	f.pass(time.Second)
	f.pass(24 * time.Hour)
	if c.got() != 1 || c.tokens[0] != "the-token-of-the-request" || c.bodies[0]["transactionReference"] != ref(1) || c.bodies[0]["recoveredTransaction"] != false ||
		c.bodies[0]["unMaskedPan"] != handpoint.UnmaskedPAN("0936") {
		t.Errorf("%v %v", c.tokens, c.bodies)
	}
	raw, err := json.Marshal(f.Kit().Journal.Entries())
	if err != nil || strings.Contains(string(raw), "the-token-of-the-request") {
		t.Errorf("the journal holds the token, %v", err)
	}
}

// Every 5 s for 100 s, then after 8, 16, 32 s and so on; anew when the
// application restarts (seed 004, TransactionResultRecovery).
func TestTheRecoveryLoopIsTheDocuments(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.Kit().Callbacks.Enable(true)
	c.set(500)
	f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"the-token-of-the-request"`))
	f.pass(time.Second)
	attempts := func() []string {
		var out []string
		for _, d := range f.Kit().Callbacks.Deliveries() {
			out = append(out, fmt.Sprint(int(d.At.Sub(start.Add(time.Second))/time.Second)))
		}
		return out
	}
	for range 300 {
		f.pass(time.Second)
	}
	want := []string{}
	for s := 0; s <= 100; s += 5 {
		want = append(want, fmt.Sprint(s))
	}
	want = append(want, "108", "124", "156", "220")
	if got := attempts(); !slices.Equal(got, want) {
		t.Fatalf("%v\nwant %v", got, want)
	}
	for i, b := range c.bodies {
		if b["recoveredTransaction"] != (i > 0) {
			t.Errorf("attempt %d: %v", i, b["recoveredTransaction"])
		}
	}
	before := c.got()
	if err := f.Restart(handpoint.TerminalSerial); err != nil {
		t.Fatal(err)
	}
	f.Kit().Callbacks.Wait()
	f.pass(5 * time.Second)
	if c.got() != before+2 {
		t.Errorf("%d attempts after the restart", c.got()-before)
	}
	c.set(204)
	f.pass(5 * time.Second)
	if err := f.Restart(handpoint.TerminalSerial); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour)
	if c.got() != before+3 {
		t.Errorf("%d attempts after the acknowledgement", c.got()-before)
	}
	if err := f.Restart("42"); err == nil {
		t.Error("a device that is none was restarted")
	}
}

func TestATerminalGivesUpAndARestartBringsItBack(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.Kit().Callbacks.Enable(true)
	c.set(500)
	f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"t"`))
	f.pass(time.Second)
	f.pass(2 * time.Hour)
	given := c.got()
	f.pass(24 * time.Hour)
	if c.got() != given {
		t.Errorf("%d attempts after it gave up", c.got()-given)
	}
	c.set(200)
	if err := f.Restart(handpoint.TerminalSerial); err != nil {
		t.Fatal(err)
	}
	f.Kit().Callbacks.Wait()
	if c.got() != given+1 || c.bodies[given]["recoveredTransaction"] != true {
		t.Errorf("%d", c.got()-given)
	}
}

func TestATerminalThatIsOffLineDeliversWhenItIsBack(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.Kit().Callbacks.Enable(true)
	f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"t"`))
	yes, no := true, false
	if err := f.Set(handpoint.Setting{Serial: handpoint.TerminalSerial, Online: &no}); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Minute)
	if c.got() != 0 {
		t.Error("sent without a line")
	}
	if err := f.Set(handpoint.Setting{Serial: handpoint.TerminalSerial, Online: &yes}); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Second)
	if c.got() != 1 {
		t.Errorf("%d", c.got())
	}
}

func TestAResultOwedWhileCallbacksAreOffWaitsForARestart(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"t"`))
	f.pass(time.Minute)
	f.Kit().Callbacks.Enable(true)
	f.pass(time.Minute)
	if c.got() != 0 {
		t.Error("sent while off")
	}
	if err := f.Restart(handpoint.TerminalSerial); err != nil {
		t.Fatal(err)
	}
	f.Kit().Callbacks.Wait()
	if c.got() != 1 {
		t.Errorf("%d", c.got())
	}
}

func TestDeviceCommandsAreCheckedAndKept(t *testing.T) {
	f := newFixture(t)
	base := "/devices/" + handpoint.TerminalType + "/" + handpoint.TerminalSerial + "/"
	for _, tc := range []struct {
		command, body string
		status        int
	}{
		{"set-unattended-mode", `{"status":false}`, 202}, {"set-unattended-mode", `{}`, 422}, {"set-unattended-mode", `{"status":"false"}`, 422},
		{"set-locale", `{"locale":"en_CA"}`, 202}, {"set-locale", `{"locale":"english"}`, 422}, {"set-locale", `{"locale":"en-CA"}`, 422},
		{"set-password-protected", `{"status":true}`, 202}, {"set-password-protected", `{"status":1}`, 422},
		{"reboot", `{"force":false}`, 202}, {"reboot", `{"force":null}`, 422},
		{"set-screen-brightness", `{"minimumBrightnessLevel":0,"maximumBrightnessLevel":100}`, 202},
		{"set-screen-brightness", `{"minimumBrightnessLevel":0,"maximumBrightnessLevel":101}`, 400},
		{"set-screen-brightness", `{"minimumBrightnessLevel":-1,"maximumBrightnessLevel":100}`, 400},
		{"set-screen-brightness", `{"minimumBrightnessLevel":20}`, 422}, {"set-screen-brightness", `{"minimumBrightnessLevel":1.5,"maximumBrightnessLevel":2}`, 422},
		{"set-reboot-time", `{"hour":22}`, 202}, {"set-reboot-time", `{"hour":24}`, 400}, {"set-reboot-time", `{"hour":"22"}`, 422},
		{"set-fire", `{}`, 404},
	} {
		if status, body := f.raw(t, "POST", base+tc.command, tc.body); status != tc.status || (status == 202) != (body == "") {
			t.Errorf("%s %s: %d %s", tc.command, tc.body, status, body)
		}
	}
	if n := len(f.Commands()); n != 6 {
		t.Errorf("%d commands", n)
	}
	if a := f.post(t, "/devices/PAXA920/1/reboot", `{"force":true}`); a.status != 404 {
		t.Error(a.raw)
	}
	if a := f.do(t, "POST", base+"reboot", handpoint.OtherSandboxKey, "application/json", `{"force":true}`); a.status != 404 {
		t.Error(a.raw)
	}
}

func TestAForcedRebootEndsWhatRuns(t *testing.T) {
	f := newFixture(t)
	path := "/devices/" + handpoint.TerminalType + "/" + handpoint.TerminalSerial + "/reboot"
	id := f.begin(t, operate("sale", `"amount":"300"`, euro))
	f.raw(t, "POST", path, `{"force":false}`)
	if c := f.Commands(); c[0].Done {
		t.Errorf("%+v", c)
	}
	f.raw(t, "POST", path, `{"force":true}`)
	want(t, f.get(t, "/transaction-result/"+id), map[string]any{"finStatus": "FAILED"})
	for _, c := range f.State().Charges {
		if c.Approved {
			t.Errorf("%+v", c)
		}
	}
}

func TestTheOlderNameOfTheListOfDevicesAnswersTheSame(t *testing.T) {
	f := newFixture(t)
	if a, b := f.get(t, "/devices"), f.get(t, "/initialize"); a.raw != b.raw {
		t.Errorf("%s\n%s", a.raw, b.raw)
	}
}

func TestItsOwnControlsAreMounted(t *testing.T) {
	f := newFixture(t)
	srv := httptest.NewServer(kit.ControlHandler(map[string]kit.Emulator{handpoint.Name: f.Server}))
	t.Cleanup(srv.Close)
	for _, tc := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"device", "application/json", `{"serial":"1850025030","online":false,"busy":true,"seconds":30,"card":"665630867","receipts":"html","signature":"image"}`, 204},
		{"device", "application/json", `{"serial":"1850025030","colour":"red"}`, 400},
		{"device", "application/json", `{"serial":"42"}`, 400},
		{"device", "application/json", `{"serial":"1850025030","seconds":-1}`, 400},
		{"device", "text/plain", `{"serial":"1850025030"}`, 415},
		{"restart", "application/json", `{"serial":"1850025030"}`, 204},
		{"restart", "application/json", `{"serial":"42"}`, 400},
		{"nothing", "application/json", `{}`, 404},
	} {
		res, err := http.Post(srv.URL+"/_sandbox/handpoint/"+tc.name, tc.contentType, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tc.status {
			t.Errorf("%s %s: %d", tc.name, tc.body, res.StatusCode)
		}
	}
	if a := f.post(t, "/transactions", operate("pingDevice")); a.deviceCode() != 1002.0 {
		t.Error(a.raw)
	}
}
