package handpoint_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// held makes a preauthorization of 100.00 and returns its guid.
func (f fixture) held(t *testing.T, reference string) string {
	t.Helper()
	guid, _ := f.run(t, operate("preAuthorization", `"amount":"10000"`, euro, `"transactionReference":"`+reference+`"`)).json["efttransactionID"].(string)
	return guid
}

func TestAHoldIsChangedInMajorUnits(t *testing.T) {
	f := newFixture(t)
	guid := f.held(t, ref(1))
	a := f.post(t, "/preauthorization/increase", `{"originalGuid":"`+guid+`","increaseAmount":"10.00","customerReference":"table-12"}`)
	want(t, a, map[string]any{"httpStatus": 200.0, "holdAmount": "110.00", "originalAmount": "100.00", "increaseAmount": "10.00", "issuerResponseCode": "00",
		"issuerResponseText": "COMPLETED", "preAuthorizationGuid": guid, "currency": "EUR"})
	if custom, _ := a.json["customFields"].(map[string]any); custom["issuerResponseCode"] != "200" || a.json["preAuthorizationIncreaseGuid"] == nil {
		t.Error(a.raw)
	}
	want(t, f.post(t, "/preauthorization/increase", `{"originalGuid":"`+guid+`","increaseAmount":"5.00","subtract":"1"}`), map[string]any{"holdAmount": "105.00"})
	want(t, f.post(t, "/preauthorization/increase", `{"originalGuid":"`+guid+`","increaseAmount":"10.00","tipAmount":"2.00"}`), map[string]any{"holdAmount": "117.00", "tipAmount": "2.00"})
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"holdAmount": 11700.0, "increaseAmount": 1700.0, "finStatus": "AUTHORISED"})
	if a := f.post(t, "/preauthorization/increase", `{"originalGuid":"`+guid+`","increaseAmount":"117.00","subtract":"1"}`); a.status != 400 {
		t.Errorf("the whole hold was taken away: %s", a.raw)
	}
	if a := f.post(t, "/preauthorization/capture", `{"originalGuid":"`+guid+`","capturedAmount":"117.01"}`); a.status != 400 {
		t.Errorf("more than is held: %s", a.raw)
	}
	captured := f.post(t, "/preauthorization/capture", `{"originalGuid":"`+guid+`","capturedAmount":"117.00","tipAmount":"5.00"}`)
	want(t, captured, map[string]any{"capturedAmount": "117.00", "tipAmount": "5.00", "holdAmount": "117.00"})
	for _, path := range []string{"increase", "capture"} {
		body := strings.Replace(`{"originalGuid":"`+guid+`","XAmount":"1.00"}`, "XAmount", map[string]string{"increase": "increaseAmount", "capture": "capturedAmount"}[path], 1)
		a := f.post(t, "/preauthorization/"+path, body)
		e, _ := a.json["error"].(map[string]any)
		details, _ := e["details"].(map[string]any)
		if code, inner := a.errorCode(); a.status != 400 || code != "3211" || inner != 403.0 || details["reason"] != e["message"] {
			t.Errorf("%s after the capture: %s", path, a.raw)
		}
	}
	all := f.get(t, "/transactions/"+ref(1)+"/status/all").list
	if len(all) != 5 || all[0]["finStatus"] != "CAPTURED" || all[4]["finStatus"] != "CAPTURED" || all[4]["tipAmount"] != 500.0 || all[4]["originalEFTTransactionID"] != guid {
		t.Errorf("%v", all)
	}
	want(t, f.refund(t, captured.json["preAuthorizationCaptureGuid"].(string), "11700", ref(2)), map[string]any{"amount": "117.00"})
}

func TestBodiesOfTheOtherEndpointsAreStrict(t *testing.T) {
	f := newFixture(t)
	for _, tc := range []struct{ path, body, code string }{
		{"/preauthorization/increase", `{"originalGuid":"x"}`, "required"},
		{"/preauthorization/increase", `{"increaseAmount":"1.00"}`, "required"},
		{"/preauthorization/increase", `{"originalGuid":"x","increaseAmount":"100"}`, "pattern"},
		{"/preauthorization/increase", `{"originalGuid":"x","increaseAmount":1.00}`, "type"},
		{"/preauthorization/increase", `{"originalGuid":"x","increaseAmount":"-1.00"}`, "pattern"},
		{"/preauthorization/increase", `{"originalGuid":"x","increaseAmount":"1.00","subtract":1}`, "type"},
		{"/preauthorization/increase", `{"originalGuid":"x","increaseAmount":"1.00","subtract":"yes"}`, "pattern"},
		{"/preauthorization/increase", `{"originalGuid":"x","increaseAmount":"1.00","transactionReference":"` + ref(1) + `"}`, "additionalProperties"},
		{"/preauthorization/capture", `{"originalGuid":"x"}`, "required"},
		{"/preauthorization/capture", `{"originalGuid":"x","capturedAmount":"1.000"}`, "pattern"},
		{"/preauthorization/capture", `{"originalGuid":"x","amount":"1.00"}`, "additionalProperties"},
		{"/transactions/x/tip-adjustment", `{}`, "required"},
		{"/transactions/x/tip-adjustment", `{"amount":5.25}`, "type"},
		{"/transactions/x/tip-adjustment", `{"amount":"5.25"}`, "pattern"},
		{"/transactions/x/tip-adjustment", `{"amount":"-1"}`, "pattern"},
		{"/batch/close", `{"deviceType":"VT","serialNumber":"1"}`, "required"},
		{"/batch/summary", `{"deviceType":"VT","batchNumber":"1"}`, "required"},
		{"/batch/detail", `{"serialNumber":"1","batchNumber":"1"}`, "required"},
		{"/batch/close", `{"deviceType":"VT","serialNumber":"1","batchNumber":1}`, "type"},
		{"/batch/close", `{"deviceType":"VT","serialNumber":"1","batchNumber":"1","rrn":"1"}`, "additionalProperties"},
	} {
		a := f.post(t, tc.path, tc.body)
		if a.status != 422 || !strings.Contains(a.raw, `"code":"VALIDATION_FAILED"`) || !strings.Contains(a.raw, `"code":"`+tc.code+`"`) {
			t.Errorf("%s %s: %d %s", tc.path, tc.body, a.status, a.raw)
		}
	}
	if a := f.post(t, "/preauthorization/capture", `{"originalGuid":"`+ref(1)+`","capturedAmount":"1.00"}`); a.status != 400 {
		t.Errorf("an unknown hold: %s", a.raw)
	}
}

func TestAPartnersKeyDoesNotReachPreauthorizations(t *testing.T) {
	f := newFixture(t)
	guid := f.held(t, ref(1))
	for path, body := range map[string]string{"increase": `{"originalGuid":"` + guid + `","increaseAmount":"1.00"}`, "capture": `{"originalGuid":"` + guid + `","capturedAmount":"1.00"}`} {
		if a := f.do(t, "POST", "/preauthorization/"+path, handpoint.PartnerSandboxKey, "application/json", body); a.status != 403 {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	if a := f.do(t, "GET", "/devices", handpoint.PartnerSandboxKey, "", ""); a.status != 200 || len(a.list) != 6 {
		t.Error(a.raw)
	}
}

func TestATipOverridesTheOneBefore(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "2000", handpoint.TokenVisa, ref(1)).guid(t)
	path := "/transactions/" + sale + "/tip-adjustment"
	for _, amount := range []string{"525", "300"} {
		if a := f.post(t, path, `{"amount":"`+amount+`"}`); a.status != 200 || a.json["statusMessage"] != "tip adjusted" {
			t.Error(a.raw)
		}
	}
	want(t, f.get(t, "/transactions/"+ref(1)+"/status"), map[string]any{"tipAmount": 300.0, "totalAmount": 2300.0, "requestedAmount": 2000.0})
	if a := f.post(t, path, `{"amount":"1","currency":"USD"}`); a.status != 400 {
		t.Error(a.raw)
	}
	a := f.post(t, "/transactions/fake-guid/tip-adjustment", `{"amount":"525"}`)
	if e, _ := a.json["error"].(map[string]any); a.status != 400 || e["message"] != "Invalid guid [fake-guid]" {
		t.Error(a.raw)
	}
	other := f.do(t, "POST", "/moto/sale", handpoint.OtherSandboxKey, "application/json", `{"amount":"1","currency":"EUR","cardToken":"`+handpoint.TokenVisa+`"}`).guid(t)
	if a := f.do(t, "POST", "/transactions/"+other+"/tip-adjustment", handpoint.OtherSandboxKey, "application/json", `{"amount":"1"}`); a.status != 400 {
		t.Errorf("an acquirer without tips: %s", a.raw)
	}
	f.post(t, "/batch/close", `{"deviceType":"VT","serialNumber":"9000000001","batchNumber":"1"}`)
	if a := f.post(t, path, `{"amount":"1"}`); a.status != 400 {
		t.Errorf("after the batch: %s", a.raw)
	}
}

func TestATokenIsGivenForEligibleTypesWithinAYear(t *testing.T) {
	f := newFixture(t)
	sale := f.sale(t, "2000", handpoint.TokenMastercard, ref(1)).guid(t)
	want(t, f.get(t, "/transactions/"+sale+"/token"), map[string]any{"cardToken": handpoint.TokenMastercard, "httpStatus": "200", "transactionReference": sale,
		"maskedCardNumber": "************4444", "expiryDateMMYY": "1230", "agreementNumber": "123456789010102"})
	held := f.held(t, ref(2))
	a := f.get(t, "/transactions/"+held+"/token")
	if a.status != 400 || !strings.Contains(a.raw, `"errorCode":"3112"`) || !strings.Contains(a.raw, `"message":"Viscus operation failed"`) || !strings.Contains(a.raw, `"status":403`) {
		t.Error(a.raw)
	}
	f.Kit().Clock.Advance(366 * 24 * time.Hour)
	if a := f.get(t, "/transactions/"+sale+"/token"); a.status != 400 {
		t.Errorf("after a year: %s", a.raw)
	}
	if a := f.get(t, "/transactions/nope/token"); a.status != 400 {
		t.Error(a.raw)
	}
}

func TestBatchesHoldWhatTheirTerminalTook(t *testing.T) {
	f := newFixture(t)
	batch := func(what, number string) answer {
		return f.post(t, "/batch/"+what, fmt.Sprintf(`{"deviceType":"VT","serialNumber":"9000000001","batchNumber":%q}`, number))
	}
	sale := f.sale(t, "10000", handpoint.TokenVisa, ref(1)).guid(t)
	f.sale(t, "5000", handpoint.TokenAmex, ref(2))
	f.sale(t, "700", handpoint.TokenStolen, ref(3))
	undone := f.sale(t, "900", handpoint.TokenVisa, ref(4)).guid(t)
	f.post(t, "/moto/reversal", `{"originalGuid":"`+undone+`","amount":"900"}`)
	f.refund(t, sale, "2500", ref(5))
	f.run(t, operate("sale", `"amount":"100"`, euro)) // on another terminal
	summary := batch("summary", "1")
	want(t, summary, map[string]any{"httpStatus": "200", "batchStatus": "OPEN", "netAmount": "125.00", "transactionCount": "3", "issuerResponseText": "DATA RETRIEVED"})
	if !strings.Contains(summary.raw, `{"key":"salesCount","value":"2"}`) || !strings.Contains(summary.raw, `{"key":"refundsCount","value":"1"}`) {
		t.Error(summary.raw)
	}
	detail := batch("detail", "1")
	lines, _ := detail.json["details"].([]any)
	if len(lines) != 3 || detail.json["closedAt"] != nil {
		t.Fatal(detail.raw)
	}
	second, _ := lines[1].(map[string]any)
	third, _ := lines[2].(map[string]any)
	if second["retrievalReferenceNumber"] != nil || third["amount"] != "25.00" || third["transactionType"] != "REFUND" {
		t.Error(detail.raw)
	}
	closed := batch("close", "1")
	want(t, closed, map[string]any{"batchNumber": "1", "httpStatus": "200", "issuerResponseCode": "00", "issuerResponseText": "ACCEPTED"})
	if reference, ok := closed.json["customerReference"].(map[string]any); !ok || len(reference) != 0 {
		t.Error(closed.raw)
	}
	want(t, batch("summary", "1"), map[string]any{"batchStatus": "CLOSED"})
	want(t, batch("summary", "2"), map[string]any{"batchStatus": "OPEN", "transactionCount": "0", "netAmount": "0.00"})
	for name, a := range map[string]answer{"closed twice": batch("close", "1"), "unknown": batch("close", "7"), "no number": batch("summary", "x"),
		"another terminal": f.post(t, "/batch/summary", `{"deviceType":"VT","serialNumber":"9000000002","batchNumber":"1"}`)} {
		if a.status != 400 {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	if code, _ := f.post(t, "/moto/reversal", `{"originalGuid":"`+sale+`","amount":"10000"}`).errorCode(); code != "3153" {
		t.Error("reversed after its batch closed")
	}
}

func TestABatchDetailContinuesBehindARetrievalReferenceNumber(t *testing.T) {
	s := handpoint.New(handpoint.Config{BatchPage: 2}, kit.New(func() time.Time { return start }))
	f := fixture{Server: s, base: serve(t, s)}
	for i := range 5 {
		f.sale(t, fmt.Sprint(100+i), handpoint.TokenVisa, ref(i))
	}
	body := func(rrn string) string {
		if rrn != "" {
			rrn = `,"rrn":"` + rrn + `"`
		}
		return `{"deviceType":"VT","serialNumber":"9000000001","batchNumber":"1"` + rrn + `}`
	}
	rrn, seen := "", []string{}
	for range 4 {
		lines, _ := f.post(t, "/batch/detail", body(rrn)).json["details"].([]any)
		for _, l := range lines {
			line, _ := l.(map[string]any)
			seen = append(seen, fmt.Sprint(line["amount"]))
			rrn, _ = line["retrievalReferenceNumber"].(string)
		}
	}
	if got := strings.Join(seen, " "); got != "1.00 1.01 1.02 1.03 1.04" {
		t.Error(got)
	}
	if a := f.post(t, "/batch/detail", body("nope")); a.status != 400 {
		t.Error(a.raw)
	}
}

func TestALostBatchCloseMayHaveClosedIt(t *testing.T) {
	f := newFixture(t)
	if err := f.Kit().Outcomes.Push(kit.Outcome{Result: kit.InProgress, Then: kit.Approve, Path: "/batch/close"}); err != nil {
		t.Fatal(err)
	}
	if a := f.post(t, "/batch/close", `{"deviceType":"VT","serialNumber":"9000000001","batchNumber":"1"}`); a.status != 504 {
		t.Error(a.raw)
	}
	want(t, f.post(t, "/batch/summary", `{"deviceType":"VT","serialNumber":"9000000001","batchNumber":"1"}`), map[string]any{"batchStatus": "CLOSED"})
}

func serve(t *testing.T, s *handpoint.Server) string {
	t.Helper()
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return srv.URL + handpoint.BasePath
}
