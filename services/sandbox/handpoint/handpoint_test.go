package handpoint_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*handpoint.Server
	base string
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	s := handpoint.New(handpoint.Config{}, kit.New(func() time.Time { return start }))
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return fixture{Server: s, base: srv.URL + handpoint.BasePath}
}

type answer struct {
	status int
	raw    string
	json   map[string]any
	list   []map[string]any
}

func (f fixture) do(t *testing.T, method, path, key, contentType, body string) answer {
	t.Helper()
	req, err := http.NewRequest(method, f.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("ApiKeyCloud", key)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, raw: string(raw)}
	if strings.HasPrefix(a.raw, "[") {
		err = json.Unmarshal(raw, &a.list)
	} else {
		err = json.Unmarshal(raw, &a.json)
	}
	if err != nil {
		t.Fatalf("%s %s: %d %q: %v", method, path, res.StatusCode, raw, err)
	}
	return a
}

func (f fixture) post(t *testing.T, path, body string) answer {
	t.Helper()
	return f.do(t, http.MethodPost, path, handpoint.SandboxKey, "application/json", body)
}

func (f fixture) get(t *testing.T, path string) answer {
	t.Helper()
	return f.do(t, http.MethodGet, path, handpoint.SandboxKey, "", "")
}

func (f fixture) sale(t *testing.T, amount, token, reference string) answer {
	t.Helper()
	return f.post(t, "/moto/sale", fmt.Sprintf(`{"amount":%q,"currency":"EUR","cardToken":%q,"transactionReference":%q}`, amount, token, reference))
}

func (f fixture) refund(t *testing.T, guid, amount, reference string) answer {
	t.Helper()
	return f.post(t, "/moto/refund", fmt.Sprintf(`{"originalGuid":%q,"amount":%q,"currency":"EUR","transactionReference":%q}`, guid, amount, reference))
}

func (a answer) guid(t *testing.T) string {
	t.Helper()
	guid, _ := a.json["guid"].(string)
	if guid == "" {
		t.Fatalf("no guid in %s", a.raw)
	}
	return guid
}

// errorCode returns error.code and error.details.httpStatus.
func (a answer) errorCode() (string, any) {
	e, _ := a.json["error"].(map[string]any)
	code, _ := e["code"].(string)
	details, _ := e["details"].(map[string]any)
	return code, details["httpStatus"]
}

func ref(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func want(t *testing.T, a answer, fields map[string]any) {
	t.Helper()
	for name, value := range fields {
		if a.json[name] != value {
			t.Errorf("%s = %v, want %v\n%s", name, a.json[name], value, a.raw)
		}
	}
}

func TestASaleAnswersInMajorUnitsAndItsStatusInMinorUnits(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "2005", handpoint.TokenVisa, ref(1))
	if sale.status != 200 {
		t.Fatal(sale.raw)
	}
	want(t, sale, map[string]any{
		"type": "motoSaleResponse", "httpStatus": 200.0, "amount": "20.05", "currency": "EUR", "issuerResponseCode": "00",
		"issuerResponseText": "Successful", "maskedCardNumber": "************0936", "transactionReference": ref(1),
		"serverDateTime": "20260301120000000", "expiryDateMMYY": "1030",
	})
	status := f.get(t, "/transactions/"+ref(1)+"/status")
	want(t, status, map[string]any{
		"type": "MOTO_SALE", "finStatus": "AUTHORISED", "totalAmount": 2005.0, "requestedAmount": 2005.0, "dueAmount": 0.0,
		"efttransactionID": sale.guid(t), "transactionReference": ref(1), "unMaskedPan": "", "efttimestamp": float64(start.UnixMilli()),
	})
}

func TestEveryPublishedTokenEndsAsItSays(t *testing.T) {
	f := newFixture(t)
	for i, card := range handpoint.DefaultCards() {
		a := f.sale(t, "1000", card.Token, ref(i))
		fin := "DECLINED"
		switch {
		case card.GatewayCode != "":
			if code, inner := a.errorCode(); a.status != 400 || code != card.GatewayCode || inner != 400.0 {
				t.Errorf("%s: %d %s", card.Token, a.status, a.raw)
			}
			fin = "UNDEFINED"
		case card.IssuerCode == "00":
			fin = "AUTHORISED"
			fallthrough
		default:
			want(t, a, map[string]any{"issuerResponseCode": card.IssuerCode})
			if a.status != 200 || a.json["issuerResponseText"] == "" {
				t.Errorf("%s: %d %s", card.Token, a.status, a.raw)
			}
		}
		want(t, f.get(t, "/transactions/"+ref(i)+"/status"), map[string]any{"finStatus": fin})
	}
}

func TestTriggerAmountsDecideTheIssuersAnswer(t *testing.T) {
	f := newFixture(t)
	for i, tc := range []struct{ amount, code, fin, approved string }{
		{"3779", "01", "DECLINED", "37.79"},
		{"3784", "05", "DECLINED", "37.84"},
		{"3793", "04", "DECLINED", "37.93"},
		{"3757", "10", "PARTIAL_APPROVAL", "18.79"},
	} {
		a := f.sale(t, tc.amount, handpoint.TokenVisa, ref(i))
		want(t, a, map[string]any{"issuerResponseCode": tc.code, "amount": tc.approved})
		want(t, f.get(t, "/transactions/"+ref(i)+"/status"), map[string]any{"finStatus": tc.fin})
	}
	want(t, f.get(t, "/transactions/"+ref(3)+"/status"), map[string]any{"totalAmount": 1879.0, "requestedAmount": 3757.0, "dueAmount": 1878.0})
}

func TestATimedOutSaleIsInProgressFor90SecondsThenFailedAndNeverCharged(t *testing.T) {
	f := newFixture(t)
	if a := f.sale(t, "3768", handpoint.TokenVisa, ref(1)); a.status != http.StatusGatewayTimeout {
		t.Fatal(a.raw)
	}
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "IN_PROGRESS"})
	f.Kit().Clock.Advance(89 * time.Second)
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "IN_PROGRESS"})
	f.Kit().Clock.Advance(time.Second)
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "FAILED"})
	if n := f.State().Approved[ref(1)]; n != 0 {
		t.Errorf("charged %d times", n)
	}
}

func TestAnUnknownReferenceIsUndefinedWith200(t *testing.T) {
	f := newFixture(t)
	a := f.get(t, "/transactions/"+ref(9)+"/status")
	if a.status != 200 {
		t.Fatal(a.raw)
	}
	want(t, a, map[string]any{"finStatus": "UNDEFINED", "transactionReference": ref(9)})
}

func TestKeysAreCheckedFirst(t *testing.T) {
	f := newFixture(t)
	f.sale(t, "100", handpoint.TokenVisa, ref(1))
	for _, tc := range []struct {
		name, method, path, key string
		status                  int
	}{
		{"missing", "POST", "/moto/sale", "", 403},
		{"unknown", "POST", "/moto/sale", "nobody", 403},
		{"missing on status", "GET", "/transactions/" + ref(1) + "/status", "", 403},
		{"missing on devices", "GET", "/devices", "", 403},
		{"another merchant's reference", "GET", "/transactions/" + ref(1) + "/status", handpoint.OtherSandboxKey, 401},
		{"another merchant's reference, selected", "GET", "/transactions/" + ref(1) + "/status/all", handpoint.OtherSandboxKey, 404},
	} {
		if a := f.do(t, tc.method, tc.path, tc.key, "application/json", "not even JSON"); a.status != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, a.status, tc.status)
		}
	}
	sale := f.sale(t, "100", handpoint.TokenVisa, ref(2))
	a := f.do(t, "POST", "/moto/refund", handpoint.OtherSandboxKey, "application/json", fmt.Sprintf(`{"originalGuid":%q,"amount":"100","currency":"EUR"}`, sale.guid(t)))
	if a.status != 400 {
		t.Errorf("another merchant's sale can be refunded: %s", a.raw)
	}
}

func TestDevicesListTheTerminalsAndTheVirtualTerminal(t *testing.T) {
	f := newFixture(t)
	a := f.get(t, "/devices")
	if a.status != 200 || len(a.list) != 6 || a.list[0]["terminal_type"] != "PAXA920PRO" || a.list[5]["terminal_type"] != "VT" {
		t.Fatal(a.raw)
	}
	for _, name := range []string{"merchant_id_alpha", "serial_number", "ssk"} {
		if a.list[0][name] == "" || a.list[0][name] == nil {
			t.Errorf("%s is missing in %s", name, a.raw)
		}
	}
}

func TestAnIllFormedBodyIsRefusedInTheDocumentedShape(t *testing.T) {
	f := newFixture(t)
	good := func(name, value string) string {
		fields := map[string]string{"amount": `"2000"`, "currency": `"EUR"`, "cardToken": `"` + handpoint.TokenVisa + `"`}
		fields[name] = value
		var parts []string
		for k, v := range fields {
			if v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for _, tc := range []struct{ name, body, path, code string }{
		{"missing amount", good("amount", ""), "", "required"},
		{"missing currency", good("currency", ""), "", "required"},
		{"missing token", good("cardToken", ""), "", "required"},
		{"number amount", good("amount", "2000"), "/amount", "type"},
		{"null amount", good("amount", "null"), "/amount", "type"},
		{"major units", good("amount", `"20.00"`), "/amount", "pattern"},
		{"zero", good("amount", `"0"`), "/amount", "pattern"},
		{"leading zero", good("amount", `"02000"`), "/amount", "pattern"},
		{"negative", good("amount", `"-1"`), "/amount", "pattern"},
		{"exponent", good("amount", `"1e3"`), "/amount", "pattern"},
		{"full-width digits", good("amount", `"２０００"`), "/amount", "pattern"},
		{"trailing newline", good("amount", `"2000\n"`), "/amount", "pattern"},
		{"thirteen digits", good("amount", `"1000000000000"`), "/amount", "maxLength"},
		{"short currency", good("currency", `"EU"`), "/currency", "minLength"},
		{"long currency", good("currency", `"EURO"`), "/currency", "maxLength"},
		{"unknown field", good("tip", `"1"`), "", "additionalProperties"},
		{"wrong case", good("Amount", `"1"`), "", "additionalProperties"},
		{"array", `[]`, "", "type"},
		{"reference that is no UUID", good("transactionReference", `"order-1"`), "/transactionReference", "pattern"},
	} {
		a := f.post(t, "/moto/sale", tc.body)
		e, _ := a.json["error"].(map[string]any)
		details, _ := e["details"].([]any)
		if a.status != 422 || e["code"] != "VALIDATION_FAILED" || e["name"] != "UnprocessableEntityError" || len(details) == 0 {
			t.Errorf("%s: %d %s", tc.name, a.status, a.raw)
			continue
		}
		detail, _ := details[0].(map[string]any)
		if detail["path"] != tc.path || detail["code"] != tc.code {
			t.Errorf("%s: %v, want %s %s", tc.name, detail, tc.path, tc.code)
		}
	}
	if a := f.post(t, "/moto/sale", `{"amount":`); a.status != 400 {
		t.Errorf("broken JSON: %d", a.status)
	}
	if a := f.do(t, "POST", "/moto/sale", handpoint.SandboxKey, "text/plain", good("amount", `"1"`)); a.status != 415 {
		t.Errorf("wrong content type: %d", a.status)
	}
	if a := f.post(t, "/Moto/Sale", good("amount", `"1"`)); a.status != 404 {
		t.Errorf("wrong case of the path: %d", a.status)
	}
	if a := f.get(t, "/moto/sale"); a.status != 404 {
		t.Errorf("wrong method: %d", a.status)
	}
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d charges from refused requests", n)
	}
}

func TestAmountsAreAcceptedExactlyByThePattern(t *testing.T) {
	f := newFixture(t)
	pattern := regexp.MustCompile(`^[1-9][0-9]{0,11}$`)
	rapid.Check(t, func(rt *rapid.T) {
		amount := rapid.StringMatching(`[0-9.,eE+ -]{0,14}`).Draw(rt, "amount")
		body, err := json.Marshal(map[string]string{"amount": amount, "currency": "EUR", "cardToken": handpoint.TokenVisa})
		if err != nil {
			rt.Fatal(err)
		}
		a := f.post(t, "/moto/sale", string(body))
		if ok := a.status != 422; ok != pattern.MatchString(amount) {
			rt.Fatalf("%q answered %d", amount, a.status)
		}
	})
}

func TestBusinessErrorsCarryTheDocumentedCodes(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "1000", handpoint.TokenVisa, ref(1)).guid(t)
	declined := f.sale(t, "1000", handpoint.TokenInsufficientFunds, ref(2)).guid(t)
	for _, tc := range []struct {
		name, path, body, code string
		inner                  any
	}{
		{"unknown token", "/moto/sale", `{"amount":"1","currency":"EUR","cardToken":"nope"}`, "5252", 404.0},
		{"refund above the sale", "/moto/refund", `{"originalGuid":"` + sale + `","amount":"1001","currency":"EUR"}`, "3209", 400.0},
		{"refund in another currency", "/moto/refund", `{"originalGuid":"` + sale + `","amount":"1","currency":"USD"}`, "3210", 400.0},
		{"refund of nothing", "/moto/refund", `{"originalGuid":"nope","amount":"1","currency":"EUR"}`, "", nil},
		{"refund of a declined sale", "/moto/refund", `{"originalGuid":"` + declined + `","amount":"1","currency":"EUR"}`, "", nil},
		{"reversal of nothing", "/moto/reversal", `{"originalGuid":"nope","amount":"1"}`, "3153", 404.0},
		{"reversal of a declined sale", "/moto/reversal", `{"originalGuid":"` + declined + `","amount":"1000"}`, "3153", 404.0},
		{"yen", "/moto/sale", `{"amount":"1","currency":"JPY","cardToken":"` + handpoint.TokenVisa + `"}`, "", nil},
	} {
		a := f.post(t, tc.path, tc.body)
		if code, inner := a.errorCode(); a.status != 400 || code != tc.code || inner != tc.inner {
			t.Errorf("%s: %d %s", tc.name, a.status, a.raw)
		}
	}
}

func TestRefundsAddUpToTheSaleAndNoFurther(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "1000", handpoint.TokenVisa, ref(1)).guid(t)
	first := f.refund(t, sale, "400", ref(2))
	want(t, first, map[string]any{"type": "motoRefundResponse", "amount": "4.00", "originalGuid": sale, "issuerResponseCode": "00"})
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "AUTHORISED", "type": "MOTO_SALE"})
	if code, _ := f.refund(t, sale, "601", ref(3)).errorCode(); code != "3209" {
		t.Error("601 of the remaining 600 was refunded")
	}
	f.refund(t, sale, "600", ref(4))
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "REFUNDED"})
	want(t, f.get(t, "/transactions/"+ref(2)+"/status"), map[string]any{"finStatus": "AUTHORISED", "type": "MOTO_REFUND", "totalAmount": 400.0, "originalEFTTransactionID": sale})
	if code, _ := f.refund(t, sale, "1", ref(5)).errorCode(); code != "3209" {
		t.Error("a refunded sale was refunded again")
	}
}

func TestParallelRefundsNeverExceedTheSale(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "1000", handpoint.TokenVisa, ref(1)).guid(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f.refund(t, sale, "300", ref(100+i))
		}()
	}
	wg.Wait()
	var refunded int64
	for _, c := range f.State().Charges {
		if c.Kind == "refund" && c.Approved {
			refunded += c.AmountMinor
		}
	}
	if refunded != 900 {
		t.Errorf("refunded %d of 1000", refunded)
	}
}

func TestSelectorsWalkTheTransactionsOfAReference(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "1000", handpoint.TokenVisa, ref(1)).guid(t)
	f.refund(t, sale, "1000", ref(2))
	base := "/transactions/" + ref(1) + "/status/"
	all := f.get(t, base+"all")
	if len(all.list) != 2 || all.list[0]["finStatus"] != "REFUNDED" || all.list[1]["type"] != "MOTO_REFUND" {
		t.Fatal(all.raw)
	}
	want(t, f.get(t, base+"first"), map[string]any{"type": "MOTO_SALE"})
	want(t, f.get(t, base+"last"), map[string]any{"type": "MOTO_REFUND", "finStatus": "AUTHORISED"})
	want(t, f.get(t, base+"2"), map[string]any{"type": "MOTO_REFUND"})
	for _, selector := range []string{"0", "3", "-1", "LAST", "x"} {
		if a := f.get(t, base+selector); a.status != 404 {
			t.Errorf("selector %s: %d", selector, a.status)
		}
	}
	if a := f.get(t, "/transactions/"+ref(8)+"/status/all"); a.status != 404 {
		t.Errorf("unknown reference: %d", a.status)
	}
}

func TestAReferenceIsNotCheckedForUniqueness(t *testing.T) {
	f := newFixture(t)
	f.sale(t, "100", handpoint.TokenVisa, ref(1))
	f.sale(t, "100", handpoint.TokenVisa, ref(1))
	if n := f.State().Approved[ref(1)]; n != 2 {
		t.Errorf("%d charges", n)
	}
}

func TestAReversalGivesBackTheWholeSaleOnce(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "2000", handpoint.TokenVisa, ref(1)).guid(t)
	body := `{"originalGuid":"` + sale + `","amount":"500","currency":"EUR"}`
	want(t, f.post(t, "/moto/reversal", body), map[string]any{"type": "motoReversalResponse", "amount": "20.00", "issuerResponseCode": "00", "f25": "4000"})
	if code, _ := f.post(t, "/moto/reversal", body).errorCode(); code != "3153" {
		t.Error("reversed twice")
	}
	if a := f.refund(t, sale, "1", ref(2)); a.status != 400 {
		t.Error("a reversed sale was refunded")
	}
	late := f.sale(t, "2000", handpoint.TokenVisa, ref(3)).guid(t)
	f.Kit().Clock.Advance(24*time.Hour + time.Second)
	if code, _ := f.post(t, "/moto/reversal", `{"originalGuid":"`+late+`","amount":"2000"}`).errorCode(); code != "3153" {
		t.Error("reversed after a day")
	}
}

func TestAReversedRefundCanBeMadeAgain(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "1000", handpoint.TokenVisa, ref(1)).guid(t)
	refund := f.refund(t, sale, "1000", ref(2)).guid(t)
	if a := f.post(t, "/moto/reversal", `{"originalGuid":"`+refund+`","amount":"1000"}`); a.status != 200 {
		t.Fatal(a.raw)
	}
	if a := f.refund(t, sale, "1000", ref(3)); a.status != 200 {
		t.Error(a.raw)
	}
}

func TestAQueuedOutcomeDecidesTheNextRequestThatPassesTheChecks(t *testing.T) {
	f := newFixture(t)
	push := func(o kit.Outcome) {
		t.Helper()
		if err := f.Kit().Outcomes.Push(o); err != nil {
			t.Fatal(err)
		}
	}
	push(kit.Outcome{Result: kit.Decline, Code: "61", Path: "/moto/sale"})
	f.post(t, "/moto/sale", `{}`)
	want(t, f.sale(t, "100", handpoint.TokenVisa, ref(1)), map[string]any{"issuerResponseCode": "61", "issuerResponseText": "Exceeds withdrawal amount limit"})
	push(kit.Outcome{Result: kit.Reject, Code: "3107"})
	if code, _ := f.sale(t, "100", handpoint.TokenVisa, ref(2)).errorCode(); code != "3107" {
		t.Error("not rejected")
	}
	push(kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: 30})
	if a := f.sale(t, "100", handpoint.TokenVisa, ref(3)); a.status != 504 {
		t.Error(a.raw)
	}
	want(t, f.get(t, "/transactions/"+ref(3)+"/status"), map[string]any{"finStatus": "IN_PROGRESS"})
	f.Kit().Clock.Advance(30 * time.Second)
	want(t, f.get(t, "/transactions/"+ref(3)+"/status"), map[string]any{"finStatus": "AUTHORISED"})
}

func TestALostReplyLeavesTheSaleChargedOnce(t *testing.T) {
	f := newFixture(t)
	if err := f.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter, Path: "/moto/sale"}); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, f.base+"/moto/sale", strings.NewReader(`{"amount":"100","currency":"EUR","cardToken":"`+handpoint.TokenVisa+`","transactionReference":"`+ref(1)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("ApiKeyCloud", handpoint.SandboxKey)
	req.Header.Set("Content-Type", "application/json")
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Fatal("the reply arrived")
	}
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"finStatus": "AUTHORISED"})
	if n := f.State().Approved[ref(1)]; n != 1 {
		t.Errorf("charged %d times", n)
	}
}

func TestAnErrorStatusHasTheProvidersShape(t *testing.T) {
	f := newFixture(t)
	if err := f.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 503}); err != nil {
		t.Fatal(err)
	}
	a := f.sale(t, "100", handpoint.TokenVisa, ref(1))
	e, _ := a.json["error"].(map[string]any)
	if a.status != 503 || e["statusCode"] != 503.0 || e["name"] != "ServiceUnavailableError" {
		t.Error(a.raw)
	}
}

func TestTheJournalHoldsNoKey(t *testing.T) {
	f := newFixture(t)
	f.sale(t, "100", handpoint.TokenVisa, ref(1))
	f.get(t, "/devices")
	raw, err := json.Marshal(f.Kit().Journal.Entries())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{handpoint.SandboxKey, "SANDBOX-SSK"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the journal holds %s", secret)
		}
	}
	if !strings.Contains(string(raw), ref(1)) {
		t.Error("the journal lost the reference")
	}
}

func TestResetEmptiesTheLedger(t *testing.T) {
	f := newFixture(t)
	f.sale(t, "100", handpoint.TokenVisa, ref(1))
	f.Reset()
	if s := f.State(); len(s.Charges) != 0 || len(f.Kit().Journal.Entries()) != 0 {
		t.Errorf("%+v", s)
	}
}
