package handpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

var eur = money.MustCurrency("EUR")

// answer is what a path of the script gets.
type answer struct {
	status      int
	contentType string
	body        string
}

// script answers by path and keeps what it got.
type script struct {
	*httptest.Server
	answers  map[string]answer
	requests []*http.Request
	bodies   [][]byte
}

func serve(t *testing.T, answers map[string]answer) *script {
	t.Helper()
	s := &script{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, b)
		a, ok := s.answers[r.URL.Path]
		if !ok {
			t.Errorf("nothing is scripted for %s", r.URL.Path)
		}
		if a.contentType == "" {
			a.contentType = "application/json"
		}
		w.Header().Set("Content-Type", a.contentType)
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *script) adapter(t *testing.T) *Adapter {
	t.Helper()
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{s.Listener.Addr().String()}})
	t.Cleanup(tr.CloseIdle)
	a, err := New(providers.Config{BaseURL: s.URL, HTTP: tr, Secrets: map[string]string{SecretAPIKey: "MeRcHaNt-ApIkEy"}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	saleRef   = "b7b2360d-3e9e-4b62-9a3a-2e6ef6c5cd01"
	refundRef = "a1fe8db5-69a4-4b4d-a704-94ac2570f9b0"
	saleGUID  = "1a41d9f0-cf72-11f0-95b2-770b7d1d8e67"
)

func saleOf(minor int64) providers.SaleRequest {
	return providers.SaleRequest{Amount: money.FromMinor(minor, eur), AttemptRef: saleRef, Token: "665630867", OrderReference: "order-12345"}
}

func refundOf(minor int64) providers.RefundRequest {
	return providers.RefundRequest{Amount: money.FromMinor(minor, eur), AttemptRef: refundRef, OriginalRef: saleGUID, Note: "returned goods"}
}

func moto(code, amount string) string {
	return `{"type":"motoSaleResponse","httpStatus":200,"guid":"3f7772a0-cf88-11f0-b588-a122fae316de","amount":"` + amount + `","currency":"EUR",` +
		`"issuerResponseCode":"` + code + `","issuerResponseText":"words","approvalCode":"123456","maskedCardNumber":"************3555","cardTypeName":"VISA","expiryDateMMYY":"0930"}`
}

func golden(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRequests(t *testing.T) {
	s := serve(t, map[string]answer{"/moto/sale": {status: 200, body: moto("00", "20.00")}, "/moto/refund": {status: 200, body: moto("00", "5.00")}})
	a := s.adapter(t)
	if _, err := a.SellByToken(t.Context(), saleOf(2000)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refund(t.Context(), refundOf(500)); err != nil {
		t.Fatal(err)
	}
	for i, file := range []string{"sale.json", "refund.json"} {
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(golden(t, file))); err != nil {
			t.Fatal(err)
		}
		if got := s.bodies[i]; !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s:\n got %s\nwant %s", file, got, want.Bytes())
		}
		r := s.requests[i]
		if r.Method != http.MethodPost || r.Header.Get("ApiKeyCloud") != "MeRcHaNt-ApIkEy" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %v", file, r.Method, r.Header)
		}
	}
}

// The endpoints write amounts in different units; this is the one place where
// a factor of 100 would show.
func TestEachEndpointHasItsOwnUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := money.FromMinor(rapid.Int64Range(1, maxMinor).Draw(t, "minor"), eur)
		if got := motoSaleUnit.write(a); got != fmt.Sprint(a.Minor()) {
			t.Fatalf("sale request: %s", got)
		}
		if got := motoRefundUnit.write(a); got != fmt.Sprint(a.Minor()) {
			t.Fatalf("refund request: %s", got)
		}
		if got, err := motoAnswerUnit.read(fmt.Sprintf("%d.%02d", a.Minor()/100, a.Minor()%100), eur); err != nil || got != a {
			t.Fatalf("moto answer: %v, %v", got, err)
		}
		if got, err := statusUnit.read(fmt.Sprint(a.Minor()), eur); err != nil || got != a {
			t.Fatalf("status: %v, %v", got, err)
		}
	})
	for _, bad := range []string{"", "1.5", "-1", "1e3", "+1 ", " 1", "99999999999999999999"} {
		if got, err := statusUnit.read(bad, eur); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestAnAnswerInTheOtherUnitIsToldAsItStands(t *testing.T) {
	for body, want := range map[string]int64{"20.00": 2000, "20": 2000, "2000": 200000} {
		s := serve(t, map[string]answer{"/moto/sale": {status: 200, body: moto("00", body)}})
		res, err := s.adapter(t).SellByToken(t.Context(), saleOf(2000))
		if err != nil || res.Amount == nil || res.Amount.Minor() != want {
			t.Errorf("%s: %+v, %v", body, res, err)
		}
	}
}

type verdict struct {
	outcome providers.Outcome
	reason  domain.Reason
	kind    providers.ErrorKind
	notDone bool
}

func (v verdict) check(t *testing.T, res providers.Result, err error) {
	t.Helper()
	var e *providers.Error
	if errors.As(err, &e) {
		if e.Kind != v.kind || e.NotDone != v.notDone || e.Reason != v.reason {
			t.Errorf("%v (not done %v, reason %q), want %+v", e, e.NotDone, e.Reason, v)
		}
		return
	}
	if v.kind != "" || res.Outcome != v.outcome || res.Reason != v.reason {
		t.Errorf("%+v, want %+v", res, v)
	}
}

var (
	approved = verdict{outcome: providers.Approved}
	pending  = verdict{outcome: providers.Pending}
	absent   = verdict{outcome: providers.Absent}
	unknown  = verdict{kind: providers.KindServer}
	garbage  = verdict{kind: providers.KindGarbage}
)

func declined(r domain.Reason) verdict { return verdict{outcome: providers.Declined, reason: r} }
func refused(r domain.Reason) verdict {
	return verdict{kind: providers.KindRefused, notDone: true, reason: r}
}

func TestMotoAnswers(t *testing.T) {
	credentials := verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}
	loopback := func(status int, more string) string {
		return fmt.Sprintf(`{"error":{"statusCode":%d,"name":"SomeError","message":"words"%s}}`, status, more)
	}
	for _, c := range []struct {
		name string
		a    answer
		want verdict
	}{
		{"approved", answer{status: 200, body: moto("00", "20.00")}, approved},
		{"approved, status as text", answer{status: 200, body: strings.Replace(moto("00", "20.00"), `:200,`, `:"200",`, 1)}, approved},
		{"approved with new fields", answer{status: 200, body: strings.Replace(moto("00", "20.00"), `{`, `{"x":{"y":[]},`, 1)}, approved},
		{"approved without a guid", answer{status: 200, body: `{"issuerResponseCode":"00"}`}, garbage},
		{"approved, amount unreadable", answer{status: 200, body: moto("00", "20,00")}, garbage},
		{"approved, currency unreadable", answer{status: 200, body: strings.Replace(moto("00", "20.00"), "EUR", "978", 1)}, garbage},
		{"another status within", answer{status: 200, body: strings.Replace(moto("00", "20.00"), `:200,`, `:504,`, 1)}, garbage},
		{"insufficient funds", answer{status: 200, body: moto("51", "20.00")}, declined(domain.ReasonInsufficientFunds)},
		{"expired", answer{status: 200, body: moto("54", "20.00")}, declined(domain.ReasonExpiredCard)},
		{"no such card", answer{status: 200, body: moto("14", "20.00")}, declined(domain.ReasonInvalidCard)},
		{"do not honour", answer{status: 200, body: moto("05", "20.00")}, declined(domain.ReasonDeclined)},
		{"call", answer{status: 200, body: moto("01", "20.00")}, declined(domain.ReasonCallBank)},
		{"lost", answer{status: 200, body: moto("41", "20.00")}, declined(domain.ReasonLostOrStolen)},
		{"limit", answer{status: 200, body: moto("61", "20.00")}, declined(domain.ReasonLimitExceeded)},
		{"count limit", answer{status: 200, body: moto("65", "20.00")}, declined(domain.ReasonLimitExceeded)},
		{"security code", answer{status: 200, body: moto("N7", "20.00")}, declined(domain.ReasonSecurityCode)},
		{"an unknown code", answer{status: 200, body: moto("ZZ", "20.00")}, declined(domain.ReasonUnmapped)},
		{"in progress at the issuer's", answer{status: 200, body: moto("09", "20.00")}, pending},
		{"the issuer's answer came too late", answer{status: 200, body: moto("68", "20.00")}, pending},
		{"the host has it already", answer{status: 200, body: moto("94", "20.00")}, pending},
		{"a code of another form", answer{status: 200, body: moto("000", "20.00")}, pending},
		{"a word for a code", answer{status: 200, body: moto("APPROVED", "20.00")}, pending},
		{"no code", answer{status: 200, body: moto("", "20.00")}, pending},
		{"a part of the amount", answer{status: 200, body: moto("10", "10.00")}, pending},
		{"approved, VIP", answer{status: 200, body: moto("11", "20.00")}, pending},

		{"3107", answer{status: 400, body: golden(t, "refusal_3107.json")}, refused(domain.ReasonSecurityCode)},
		{"5252", answer{status: 400, body: golden(t, "refusal_5252.json")}, refused(domain.ReasonCardToken)},
		{"3209", answer{status: 400, body: golden(t, "refusal_3209.json")}, refused(domain.ReasonRefundTooLarge)},
		{"3210", answer{status: 400, body: golden(t, "refusal_3210.json")}, refused(domain.ReasonCurrencyMismatch)},
		{"422", answer{status: 422, body: golden(t, "refusal_422.json")}, refused(domain.ReasonInvalidRequest)},
		{"a code in the details alone", answer{status: 400, body: loopback(400, `,"details":{"errorCode":"3209","httpStatus":400}`)}, refused(domain.ReasonRefundTooLarge)},
		{"a message that is an object", answer{status: 400, body: `{"error":{"statusCode":400,"name":"BadRequestError","message":{"error":1001,"message":"busy"}}}`}, refused(domain.ReasonDeviceBusy)},
		{"400 with a code to come", answer{status: 400, body: loopback(400, `,"code":"9999"`)}, verdict{kind: providers.KindRefused}},
		{"400 with a terminal's code to come", answer{status: 400, body: `{"error":{"statusCode":400,"name":"BadRequestError","message":{"error":1004,"message":"words"}}}`}, verdict{kind: providers.KindRefused}},
		{"400 of the schema", answer{status: 400, body: loopback(400, `,"code":"VALIDATION_FAILED"`)}, refused(domain.ReasonInvalidRequest)},
		{"400 without a code", answer{status: 400, body: loopback(400, "")}, refused(domain.ReasonInvalidRequest)},
		{"400 that says only that the gateway failed", answer{status: 400, body: `{"error":{"statusCode":400,"name":"BadRequestError","message":"Viscus operation failed"}}`}, verdict{kind: providers.KindRefused}},
		{"400 that wraps a gateway's failure as a status", answer{status: 400, body: `{"error":{"statusCode":400,"name":"BadRequestError","message":"Viscus operation failed","details":{"status":504}}}`}, unknown},
		{"400 that wraps an unlisted code", answer{status: 400, body: loopback(400, `,"code":"9999","details":{"errorCode":"9999","httpStatus":400}`)}, verdict{kind: providers.KindRefused}},
		{"400 that wraps an unlisted number", answer{status: 400, body: loopback(400, `,"details":{"errorCode":9999}`)}, verdict{kind: providers.KindRefused}},
		{"400 that wraps an unlisted code under a listed one", answer{status: 400, body: loopback(400, `,"code":"3107","details":{"errorCode":"9999"}`)}, verdict{kind: providers.KindRefused}},
		{"400 that wraps a listed code under an unlisted one", answer{status: 400, body: loopback(400, `,"code":"9999","details":{"errorCode":"3107"}`)}, refused(domain.ReasonSecurityCode)},
		{"400 that wraps an unlisted code and a failure", answer{status: 400, body: loopback(400, `,"details":{"errorCode":"9999","httpStatus":504}`)}, unknown},
		{"400 with details that hold no code", answer{status: 400, body: loopback(400, `,"details":{"httpStatus":400}`)}, refused(domain.ReasonInvalidRequest)},
		{"404 that wraps an unlisted code", answer{status: 404, body: loopback(404, `,"details":{"errorCode":"9999"}`)}, verdict{kind: providers.KindRefused}},
		{"422 with an unlisted code", answer{status: 422, body: loopback(422, `,"code":"VALIDATION_FAILED","details":{"errorCode":"9999"}`)}, refused(domain.ReasonInvalidRequest)},
		{"400 that wraps a gateway's failure", answer{status: 400, body: loopback(400, `,"code":"9999","details":{"httpStatus":500}`)}, unknown},
		{"400 that wraps a time-out", answer{status: 400, body: loopback(400, `,"details":{"httpStatus":"408"}`)}, unknown},
		{"400 of something else", answer{status: 400, contentType: "text/html", body: "<h1>Bad request</h1>"}, garbage},
		{"400 without an envelope", answer{status: 400, body: `{}`}, garbage},
		{"404", answer{status: 404, body: loopback(404, "")}, refused(domain.ReasonInvalidRequest)},
		{"408", answer{status: 408, body: loopback(408, "")}, verdict{kind: providers.KindRefused}},
		{"409", answer{status: 409, body: loopback(409, "")}, verdict{kind: providers.KindRefused}},
		{"401", answer{status: 401, body: loopback(401, "")}, credentials},
		{"403", answer{status: 403, body: loopback(403, "")}, credentials},
		{"403 without a body", answer{status: 403}, credentials},
		{"500", answer{status: 500, body: loopback(500, "")}, unknown},
		{"503", answer{status: 503, body: loopback(503, "")}, unknown},
		{"504", answer{status: 504, body: moto("00", "20.00")}, unknown},
		{"redirected", answer{status: 307}, garbage},
		{"202", answer{status: 202, body: moto("00", "20.00")}, garbage},
		{"wrong content type", answer{status: 200, contentType: "text/plain", body: moto("00", "20.00")}, garbage},
		{"cut", answer{status: 200, body: moto("00", "20.00")[:60]}, garbage},
		{"empty", answer{status: 200}, garbage},
		{"null", answer{status: 200, body: `null`}, garbage},
		{"a list", answer{status: 200, body: `[]`}, garbage},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := serve(t, map[string]answer{"/moto/sale": c.a, "/moto/refund": c.a}).adapter(t)
			res, err := a.SellByToken(t.Context(), saleOf(2000))
			c.want.check(t, res, err)
			res, err = a.Refund(t.Context(), refundOf(2000))
			c.want.check(t, res, err)
		})
	}
}

// "Business rule error or generic gateway error" (seed 004, "/batch/close", 400).
func TestA400WithoutACodeDoesNotSayThatABatchIsOpen(t *testing.T) {
	body := `{"error":{"statusCode":400,"name":"BadRequestError","message":"words"}}`
	a := serve(t, map[string]answer{"/batch/close": {status: 400, body: body}, "/preauthorization/increase": {status: 400, body: body}}).adapter(t)
	_, err := a.CloseBatch(t.Context(), providers.BatchRequest{Device: providers.DeviceRef{Serial: "1", Type: "VT"}, Number: "1", Currency: eur, AttemptRef: saleRef})
	verdict{kind: providers.KindRefused}.check(t, providers.Result{}, err)
	_, err = a.Increase(t.Context(), providers.ChangeRequest{By: money.FromMinor(100, eur), AttemptRef: refundRef, OriginalRef: saleGUID})
	refused(domain.ReasonInvalidRequest).check(t, providers.Result{}, err)
}

func TestARefusalsCodeIsScrubbedWhereverItStands(t *testing.T) {
	const planted = `\u0000\u001b[31m 4111111111111111 MeRcHaNt-ApIkEy 665630867`
	for name, body := range map[string]string{
		"code":    `{"error":{"statusCode":400,"message":"words","code":"` + planted + `"}}`,
		"details": `{"error":{"statusCode":400,"message":"words","details":{"errorCode":"` + planted + `"}}}`,
		"message": `{"error":{"statusCode":400,"message":{"error":"` + planted + `","message":"words"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, map[string]answer{"/moto/sale": {status: 400, body: body}}).adapter(t)
			_, err := a.SellByToken(t.Context(), saleOf(2000))
			e, ok := providers.AsError(err)
			if !ok || e.Code == "" || e.Code == "400" {
				t.Fatalf("%v", err)
			}
			for _, secret := range []string{"4111111111111111", "MeRcHaNt-ApIkEy", "665630867", "\x00", "\x1b"} {
				if strings.Contains(e.Code+e.Text+e.Error()+string(e.Raw), secret) {
					t.Errorf("%q was given away in %q, %q", secret, e.Code, e.Raw)
				}
			}
		})
	}
}

func TestAnAnswerAboutAnotherReferenceIsNotBelieved(t *testing.T) {
	body := strings.Replace(moto("00", "20.00"), `{`, `{"transactionReference":"`+refundRef+`",`, 1)
	_, err := serve(t, map[string]answer{"/moto/sale": {status: 200, body: body}}).adapter(t).SellByToken(t.Context(), saleOf(2000))
	garbage.check(t, providers.Result{}, err)
}

func TestApprovalTellsCodeAndCard(t *testing.T) {
	res, err := serve(t, map[string]answer{"/moto/sale": {status: 200, body: moto("00", "20.00")}}).adapter(t).SellByToken(t.Context(), saleOf(2000))
	if err != nil {
		t.Fatal(err)
	}
	if res.AuthCode != "123456" || res.Card != (domain.Card{Brand: "Visa", Last4: "3555", Expiry: "09/30"}) || res.ProviderRef != "3f7772a0-cf88-11f0-b588-a122fae316de" {
		t.Errorf("%+v", res)
	}
}

func TestACardIsReadOnlyInItsShape(t *testing.T) {
	for _, c := range []struct {
		masked, scheme, expiry text
		want                   domain.Card
	}{
		{"************0936", "VISA", "1027", domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/27"}},
		{"0936", "Mastercard", "", domain.Card{Brand: "Mastercard", Last4: "0936"}},
		{"************0936", "NEW SCHEME", "x", domain.Card{Last4: "0936"}},
		{"4111111111111111", "VISA", "1027", domain.Card{}},
		{"", "VISA", "1027", domain.Card{}}, {"***", "VISA", "1027", domain.Card{}}, {"****09x6", "VISA", "1027", domain.Card{}},
	} {
		if got := card(c.masked, c.scheme, c.expiry); got != c.want {
			t.Errorf("card(%s) = %+v", c.masked, got)
		}
	}
}

func statusOf(fin string) string {
	return `{"finStatus":"` + fin + `","type":"MOTO_SALE","currency":"EUR","totalAmount":2000,"efttransactionID":"` + saleGUID + `","transactionReference":"` + saleRef +
		`","issuerResponseCode":"51","statusMessage":"words","maskedCardNumber":"************0936","cardSchemeName":"VISA","expiryDateMMYY":"1027","unMaskedPan":"4111111111111111"}`
}

// Every listed response code is a decline with its reason, wherever it is told;
// the issuer's code is kept where the page has to quote it.
func TestEveryIssuerCodeIsADeclineWithItsReason(t *testing.T) {
	for _, c := range Codes() {
		if c.List != "issuer" {
			continue
		}
		a := serve(t, map[string]answer{"/moto/sale": {status: 200, body: moto(c.Code, "20.00")}}).adapter(t)
		res, err := a.SellByToken(t.Context(), saleOf(2000))
		want := declined(c.Reason)
		if undecided[c.Code] {
			want = pending
		}
		want.check(t, res, err)
		s, _ := a.describe(statusAnswer{FinStatus: "DECLINED", IssuerResponseCode: text(c.Code), TransactionReference: "r"}, nil)
		if s.Outcome != providers.Declined || s.Reason != c.Reason || s.Code != "DECLINED" {
			t.Errorf("%s behind DECLINED: %+v", c.Code, s)
		}
	}
	a := serve(t, nil).adapter(t)
	if s, _ := a.describe(statusAnswer{FinStatus: "DECLINED", IssuerResponseCode: "ZZ", TransactionReference: "r"}, nil); s.Reason != domain.ReasonUnmapped || s.Code != "ZZ" {
		t.Errorf("an unknown code behind DECLINED: %+v", s)
	}
}

func TestStatusAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		a    answer
		want verdict
	}{
		{"authorised", answer{status: 200, body: statusOf("AUTHORISED")}, approved},
		{"refunded later", answer{status: 200, body: statusOf("REFUNDED")}, approved},
		{"captured", answer{status: 200, body: statusOf("CAPTURED")}, approved},
		{"declined", answer{status: 200, body: statusOf("DECLINED")}, declined(domain.ReasonInsufficientFunds)},
		{"failed", answer{status: 200, body: statusOf("FAILED")}, declined(domain.ReasonUnmapped)},
		{"cancelled", answer{status: 200, body: statusOf("CANCELLED")}, declined(domain.ReasonCustomerCancelled)},
		{"declined, an unknown code", answer{status: 200, body: strings.Replace(statusOf("DECLINED"), `"51"`, `"ZZ"`, 1)}, declined(domain.ReasonUnmapped)},
		{"declined, words alone", answer{status: 200, body: strings.Replace(statusOf("DECLINED"), `"51"`, `""`, 1)}, declined(domain.ReasonUnmapped)},
		{"declined, neither", answer{status: 200, body: strings.Replace(strings.Replace(statusOf("DECLINED"), `"51"`, `""`, 1), `"words"`, `""`, 1)}, declined(domain.ReasonDeclined)},
		{"declined, the host has it already", answer{status: 200, body: strings.Replace(statusOf("DECLINED"), `"51"`, `"94"`, 1)}, declined(domain.ReasonDuplicate)},
		{"a part", answer{status: 200, body: statusOf("PARTIAL_APPROVAL")}, pending},
		{"in progress", answer{status: 200, body: statusOf("IN_PROGRESS")}, pending},
		{"undefined", answer{status: 200, body: statusOf("UNDEFINED")}, absent},
		{"processed", answer{status: 200, body: statusOf("PROCESSED")}, pending},
		{"a word to come", answer{status: 200, body: statusOf("SETTLED")}, pending},
		{"no word", answer{status: 200, body: statusOf("")}, garbage},
		{"authorised alone", answer{status: 200, body: `{"finStatus":"AUTHORISED"}`}, garbage},
		{"authorised without the provider's reference", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), saleGUID, "", 1)}, garbage},
		{"refunded without the provider's reference", answer{status: 200, body: strings.Replace(statusOf("REFUNDED"), saleGUID, "", 1)}, garbage},
		{"declined alone", answer{status: 200, body: `{"finStatus":"DECLINED"}`}, garbage},
		{"declined without the provider's reference", answer{status: 200, body: strings.Replace(statusOf("DECLINED"), saleGUID, "", 1)}, declined(domain.ReasonInsufficientFunds)},
		{"undefined alone", answer{status: 200, body: `{"finStatus":"UNDEFINED"}`}, absent},
		{"a sale with a reader", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "SALE", 1)}, approved},
		{"a sale that kept the card", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "SALE_AND_TOKENIZE_CARD", 1)}, approved},
		{"a type that says nothing", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "UNDEFINED", 1)}, approved},
		{"no type", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "", 1)}, approved},
		{"a refund", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "MOTO_REFUND", 1)}, garbage},
		{"a declined refund", answer{status: 200, body: strings.Replace(statusOf("DECLINED"), "MOTO_SALE", "REFUND", 1)}, garbage},
		{"a void", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "VOID_SALE", 1)}, garbage},
		{"a cancellation", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "CANCEL_SALE", 1)}, garbage},
		{"a reversal", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "MOTO_SALE", "MOTO_REVERSAL", 1)}, garbage},
		{"another transaction", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), saleRef, refundRef, 1)}, garbage},
		{"an amount with a fraction", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "2000", "20.00", 1)}, garbage},
		{"a currency that is none", answer{status: 200, body: strings.Replace(statusOf("AUTHORISED"), "EUR", "", 1)}, garbage},
		{"a list", answer{status: 200, body: "[" + statusOf("AUTHORISED") + "]"}, garbage},
		{"401", answer{status: 401}, verdict{kind: providers.KindCredentials}},
		{"403", answer{status: 403}, verdict{kind: providers.KindCredentials}},
		{"404", answer{status: 404, body: `{"error":{"statusCode":404,"name":"NotFoundError","message":"no"}}`}, verdict{kind: providers.KindRefused}},
		{"500", answer{status: 500}, unknown},
		{"wrong content type", answer{status: 200, contentType: "text/html", body: statusOf("AUTHORISED")}, garbage},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, map[string]answer{"/transactions/" + saleRef + "/status": c.a})
			res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: saleRef})
			c.want.check(t, res, err)
			if strings.Contains(string(res.Raw), "4111111111111111") {
				t.Errorf("the raw answer keeps the card number: %s", res.Raw)
			}
			if s.requests[0].Header.Get("ApiKeyCloud") == "" || s.requests[0].Method != http.MethodGet {
				t.Errorf("%s %v", s.requests[0].Method, s.requests[0].Header)
			}
		})
	}
}

func TestARefundsQuestionIsNotAnsweredByItsSale(t *testing.T) {
	record := func(typ, ref, guid string) string {
		return `{"finStatus":"AUTHORISED","type":"` + typ + `","transactionReference":"` + ref + `","efttransactionID":"` + guid + `"}`
	}
	for _, c := range []struct {
		name, body, known string
		want              verdict
	}{
		{"the refund", record("MOTO_REFUND", refundRef, "g2"), "", approved},
		{"the refund without our reference", record("MOTO_REFUND", "", "g2"), "g2", approved},
		{"the sale's record", record("MOTO_SALE", "", saleGUID), "", garbage},
		{"the sale's record under our reference", record("MOTO_SALE", refundRef, "g2"), "", garbage},
		{"the sale's id", record("MOTO_REFUND", refundRef, strings.ToUpper(saleGUID)), "", garbage},
		{"neither our reference nor the known id", record("MOTO_REFUND", "", "g3"), "g2", garbage},
		{"a reversal", record("MOTO_REVERSAL", refundRef, "g2"), "", garbage},
		{"a void", record("VOID_REFUND", refundRef, "g2"), "", garbage},
	} {
		t.Run(c.name, func(t *testing.T) {
			undefined := `{"finStatus":"UNDEFINED"}`
			q := providers.Lookup{Type: domain.Refund, AttemptRef: refundRef, ProviderRef: c.known, OriginalRef: saleGUID}
			s := serve(t, map[string]answer{
				"/transactions/" + refundRef + "/status":   {status: 200, body: c.body},
				"/transactions/" + saleRef + "/status/all": {status: 200, body: "[" + c.body + "]"},
			})
			res, err := s.adapter(t).FindStatus(t.Context(), q)
			c.want.check(t, res, err)

			s.answers["/transactions/"+refundRef+"/status"] = answer{status: 200, body: undefined}
			q.OriginalAttempt = saleRef
			if res, _ = s.adapter(t).FindStatus(t.Context(), q); (res.Outcome == providers.Approved) != (c.want == approved) {
				t.Errorf("among the sale's transactions: %+v", res)
			}
		})
	}
}

func TestARefundAnsweredWithItsSalesGUIDIsUnknown(t *testing.T) {
	for _, code := range []string{"00", "05", ""} {
		body := strings.Replace(moto(code, "5.00"), "3f7772a0-cf88-11f0-b588-a122fae316de", saleGUID, 1)
		res, err := serve(t, map[string]answer{"/moto/refund": {status: 200, body: body}}).adapter(t).Refund(t.Context(), refundOf(500))
		garbage.check(t, res, err)
	}
}

func TestAPartialApprovalIsExplained(t *testing.T) {
	s := serve(t, map[string]answer{"/transactions/" + saleRef + "/status": {status: 200, body: strings.Replace(statusOf("PARTIAL_APPROVAL"), "2000", "1000", 1)}})
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: saleRef, Amount: money.FromMinor(2000, eur)})
	if err != nil || res.Amount == nil || *res.Amount != money.FromMinor(1000, eur) || !strings.Contains(res.Text, "another amount") {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestTheDocumentsStatusSampleIsRead(t *testing.T) {
	const ref = "b25381cc-2396-42b5-94cd-8f8b3112de0e"
	s := serve(t, map[string]answer{"/transactions/" + ref + "/status": {status: 200, body: golden(t, "status.json")}})
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: ref})
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != providers.Approved || *res.Amount != money.FromMinor(3000, money.MustCurrency("USD")) || res.AuthCode != "010119" ||
		res.ProviderRef != "605597c0-2dc7-11f1-af50-e16c4b0ae383" || res.Card != (domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/27"}) {
		t.Errorf("%+v", res)
	}
}

// A refund that its own reference does not find is looked for among the
// transactions of its sale.
func TestALostRefundIsLookedForUnderItsSale(t *testing.T) {
	undefined := `{"finStatus":"UNDEFINED","type":"UNDEFINED","currency":"","totalAmount":0,"transactionReference":"` + refundRef + `"}`
	list := func(records ...string) answer {
		return answer{status: 200, body: "[" + strings.Join(records, ",") + "]"}
	}
	record := func(typ, ref, guid, amount, fin string) string {
		return `{"type":"` + typ + `","transactionReference":"` + ref + `","efttransactionID":"` + guid + `","totalAmount":` + amount + `,"currency":"EUR","finStatus":"` + fin + `"}`
	}
	sale := record("MOTO_SALE", saleRef, saleGUID, "2000", "AUTHORISED")
	for _, c := range []struct {
		name string
		a    answer
		want verdict
	}{
		{"the sale alone", list(sale), absent},
		// Linked operations are logged under the original's reference: without the
		// original there is no list that could prove anything.
		{"unknown sale", answer{status: 404, body: `{"error":{"statusCode":404,"name":"NotFoundError","message":"no"}}`}, pending},
		{"an empty list", list(), garbage},
		{"the list of another sale", list(strings.ReplaceAll(record("MOTO_SALE", "8d7a1c11-4b4d-4704-94ac-2570f9b00001", "g1", "2000", "AUTHORISED"), saleGUID, "g1")), garbage},
		{"by its reference", list(sale, record("MOTO_REFUND", refundRef, "g2", "500", "AUTHORISED")), approved},
		{"by its reference, declined", list(sale, record("MOTO_REFUND", refundRef, "g2", "500", "DECLINED")), declined(domain.ReasonDeclined)},
		{"by the provider's id", list(sale, record("REFUND", saleRef, "known", "500", "AUTHORISED")), approved},
		{"a twin of the same amount", list(sale, record("REFUND", saleRef, "g2", "500", "AUTHORISED")), pending},
		{"a twin whose amount cannot be read", list(sale, record("REFUND", saleRef, "g2", "5.00", "AUTHORISED")), pending},
		{"a twin with a reference of its own", list(sale, record("REFUND", "8d7a1c11-4b4d-4704-94ac-2570f9b00001", "g2", "500", "AUTHORISED")), absent},
		{"a refund of another amount", list(sale, record("REFUND", saleRef, "g2", "501", "AUTHORISED")), absent},
		{"a reversal of a refund", list(sale, record("VOID_REFUND", saleRef, "g2", "500", "AUTHORISED")), absent},
		{"500", answer{status: 500}, unknown},
		{"not a list", answer{status: 200, body: sale}, garbage},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, map[string]answer{
				"/transactions/" + refundRef + "/status":   {status: 200, body: undefined},
				"/transactions/" + saleRef + "/status/all": c.a,
			})
			q := providers.Lookup{Type: domain.Refund, AttemptRef: refundRef, OriginalRef: saleGUID, OriginalAttempt: saleRef, Amount: money.FromMinor(500, eur)}
			if c.name == "by the provider's id" {
				q.ProviderRef = "known"
			}
			res, err := s.adapter(t).FindStatus(t.Context(), q)
			c.want.check(t, res, err)
			// Its own reference alone proves nothing of a linked one.
			q.OriginalAttempt = ""
			res, err = s.adapter(t).FindStatus(t.Context(), q)
			pending.check(t, res, err)
			// One that follows nothing has a list of its own, or none.
			q.OriginalRef, q.OriginalAttempt = "", strings.ToUpper(refundRef)
			if res, err = s.adapter(t).FindStatus(t.Context(), q); q.ProviderRef == "" {
				absent.check(t, res, err)
			}
			q.OriginalAttempt = ""
			if res, err = s.adapter(t).FindStatus(t.Context(), q); q.ProviderRef == "" {
				absent.check(t, res, err)
			}
		})
	}
	t.Run("the document's list", func(t *testing.T) {
		const original = "f147c2e7-f445-4af8-9e11-ae035320ade3"
		s := serve(t, map[string]answer{
			"/transactions/" + refundRef + "/status":    {status: 200, body: undefined},
			"/transactions/" + original + "/status/all": {status: 200, body: golden(t, "status_all.json")},
		})
		res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{
			Type: domain.Refund, AttemptRef: refundRef, ProviderRef: "e3dbda50-38ad-11f1-909c-f50efeae2190", OriginalAttempt: original,
		})
		if approved.check(t, res, err); res.Amount == nil || *res.Amount != money.FromMinor(300, eur) {
			t.Errorf("%+v", res)
		}
	})
}

// If the gateway keeps to "should not include a transactionReference", a refund
// is listed under its sale's alone: what we sent beside it tells whose it is.
func TestARefundThatIsLoggedUnderItsSaleIsFoundByWhatWasSentBeside(t *testing.T) {
	s := serve(t, map[string]answer{"/moto/refund": {status: 504}, "/moto/reversal": {status: 504}})
	a := s.adapter(t)
	if _, err := a.Refund(t.Context(), refundOf(500)); err == nil {
		t.Fatal("a lost answer was read")
	}
	if _, err := a.VoidSale(t.Context(), providers.FollowUp{Amount: money.FromMinor(2000, eur), AttemptRef: refundRef, OriginalRef: saleGUID}); err == nil {
		t.Fatal("a lost answer was read")
	}
	for i, c := range []struct {
		typ  domain.TransactionType
		word string
	}{{domain.Refund, "REFUND"}, {domain.Void, "REVERSAL"}} {
		var sent struct {
			CustomerReference string `json:"customerReference"`
		}
		if err := json.Unmarshal(s.bodies[i], &sent); err != nil {
			t.Fatal(err)
		}
		record := func(guid, word, beside string) string {
			return `{"type":"` + word + `","transactionReference":"` + saleRef + `","customerReference":"` + beside + `","efttransactionID":"` + guid + `","originalEFTTransactionID":"` + saleGUID +
				`","totalAmount":500,"currency":"EUR","finStatus":"AUTHORISED"}`
		}
		other := record("g9", "REFUND", "8d7a1c11-4b4d-4704-94ac-2570f9b00001")
		s.answers["/transactions/"+refundRef+"/status"] = answer{status: 200, body: `{"finStatus":"UNDEFINED"}`}
		s.answers["/transactions/"+saleRef+"/status/all"] = answer{status: 200, body: "[" + other + "," + record("g2", c.word, sent.CustomerReference) + "]"}
		q := providers.Lookup{Type: c.typ, AttemptRef: refundRef, OriginalRef: saleGUID, OriginalAttempt: saleRef, Amount: money.FromMinor(500, eur)}
		res, err := a.FindStatus(t.Context(), q)
		if approved.check(t, res, err); res.ProviderRef != "g2" || sent.CustomerReference != refundRef {
			t.Errorf("%s: %+v, sent %q", c.typ, res, sent.CustomerReference)
		}
	}
}

// The provider gave it a reference, so that it did arrive there: "unknown" is
// no proof of the contrary.
func TestWhatTheProviderHasAReferenceForIsNeverAbsent(t *testing.T) {
	sale := `{"type":"MOTO_SALE","transactionReference":"` + saleRef + `","efttransactionID":"` + saleGUID + `","totalAmount":2000,"currency":"EUR","finStatus":"AUTHORISED"}`
	for _, q := range []providers.Lookup{
		{Type: domain.Sale, AttemptRef: refundRef, ProviderRef: "known"},
		{Type: domain.Refund, AttemptRef: refundRef, ProviderRef: "known", OriginalRef: saleGUID, OriginalAttempt: saleRef, Amount: money.FromMinor(500, eur)},
		{Type: domain.Capture, AttemptRef: refundRef, ProviderRef: "known", OriginalRef: saleGUID, OriginalAttempt: saleRef, Amount: money.FromMinor(500, eur)},
	} {
		s := serve(t, map[string]answer{
			"/transactions/" + refundRef + "/status":   {status: 200, body: `{"finStatus":"UNDEFINED","transactionReference":"` + refundRef + `"}`},
			"/transactions/" + saleRef + "/status/all": {status: 200, body: "[" + sale + "]"},
		})
		res, err := s.adapter(t).FindStatus(t.Context(), q)
		if pending.check(t, res, err); res.Text == "" {
			t.Errorf("%s: it is not said why", q.Type)
		}
		q.ProviderRef = ""
		res, err = s.adapter(t).FindStatus(t.Context(), q)
		absent.check(t, res, err)
	}
}

// A receipt that comes as markup is the provider's own, but for what nobody may
// hold.
func TestAPolledReceiptHoldsNoCardNumber(t *testing.T) {
	const pan = "4111111111111111"
	body := strings.Replace(statusOf("AUTHORISED"), "{", `{"customerReceipt":"<p>Card `+pan+`</p>","signatureUrl":"`+pan+`",`, 1)
	s := serve(t, map[string]answer{"/transaction-result/1-2": {status: 200, body: body}})
	res, done, err := s.adapter(t).TerminalResult(t.Context(), providers.TerminalStart{ResultRef: "1-2", AttemptRef: saleRef})
	if err != nil || !done || len(res.Receipts) != 1 || res.Receipts[0].Kind != "html" || strings.Contains(fmt.Sprint(res.Receipts), pan) {
		t.Errorf("%+v, %v, %v", res, done, err)
	}
}

// An amount of nothing is an amount, and not the one that was asked for.
func TestAnApprovalOfNothingTellsItsAmount(t *testing.T) {
	s := serve(t, map[string]answer{"/transactions/" + saleRef + "/status": {status: 200, body: strings.Replace(statusOf("AUTHORISED"), "2000", "0", 1)}})
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: saleRef})
	if err != nil || res.Outcome != providers.Approved || res.Amount == nil || !res.Amount.IsZero() {
		t.Errorf("%+v, %v", res, err)
	}
}

// What can be done once only is ours when the list has it and names nobody's
// attempt.
func TestALostVoidOrCaptureIsTheOnlyOneOfItsList(t *testing.T) {
	const guid = "g2"
	record := func(typ, more string) string {
		return `{"type":"` + typ + `","efttransactionID":"` + guid + `","transactionReference":"` + saleRef + `","originalEFTTransactionID":"` + saleGUID + `","totalAmount":2000,"currency":"EUR","finStatus":"AUTHORISED"` + more + `}`
	}
	first := `{"type":"SALE","efttransactionID":"` + saleGUID + `","transactionReference":"` + saleRef + `","totalAmount":2000,"currency":"EUR","finStatus":"AUTHORISED","increaseAmount":0,"capturedAmount":0}`
	for _, c := range []struct {
		name, list string
		typ        domain.TransactionType
		want       verdict
	}{
		{"the void", record("REVERSAL", ""), domain.Void, approved},
		{"ours by customerReference", record("REVERSAL", `,"customerReference":"`+refundRef+`"`), domain.Void, approved},
		{"a void of another attempt", record("REVERSAL", `,"customerReference":"`+saleGUID+`"`), domain.Void, pending},
		{"a void with a reference of its own", strings.Replace(record("MOTO_REVERSAL", ""), saleRef, saleGUID, 1), domain.Void, pending},
		{"a void that was declined", strings.Replace(record("VOID_SALE", ""), "AUTHORISED", "DECLINED", 1), domain.Void, pending},
		{"a void of something else", strings.Replace(record("VOID_SALE", ""), `"originalEFTTransactionID":"`+saleGUID, `"originalEFTTransactionID":"other`, 1), domain.Void, absent},
		{"no void", record("REFUND", ""), domain.Void, absent},
		{"the capture", record("PRE_AUTHORIZATION_CAPTURE", ""), domain.Capture, approved},
		{"a capture of another attempt", record("PRE_AUTHORIZATION_CAPTURE", `,"customerReference":"folio 7"`), domain.Capture, pending},
		{"a capture of another amount", strings.Replace(record("PRE_AUTHORIZATION_CAPTURE", ""), "2000", "1999", 1), domain.Capture, pending},
		{"a capture that was declined", strings.Replace(record("PRE_AUTHORIZATION_CAPTURE", ""), "AUTHORISED", "DECLINED", 1), domain.Capture, pending},
		{"an operation of a type to come", record("A_WORD_TO_COME", ""), domain.Capture, pending},
		{"an increase", record("PRE_AUTHORIZATION_INCREASE", ""), domain.Increment, pending},
		{"an increase, and a decrease was lost", record("PRE_AUTHORIZATION_INCREASE", ""), domain.Decrement, pending},
		{"an increase of another attempt", record("PRE_AUTHORIZATION_INCREASE", `,"customerReference":"`+saleGUID+`"`), domain.Increment, absent},
		{"an increase, and a capture was lost", record("PRE_AUTHORIZATION_INCREASE", ""), domain.Capture, absent},
		{"no change", record("REFUND", ""), domain.Increment, absent},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, map[string]answer{
				"/transactions/" + refundRef + "/status":   {status: 200, body: `{"finStatus":"UNDEFINED"}`},
				"/transactions/" + saleRef + "/status/all": {status: 200, body: "[" + first + "," + c.list + "]"},
			})
			res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: c.typ, AttemptRef: refundRef, OriginalRef: saleGUID, OriginalAttempt: saleRef, Amount: money.FromMinor(2000, eur)})
			c.want.check(t, res, err)
		})
	}
	for changed, want := range map[string]map[domain.TransactionType]verdict{
		`"increaseAmount":0,"capturedAmount":2000`: {domain.Increment: pending, domain.Capture: pending},
		`"increaseAmount":500,"capturedAmount":0`:  {domain.Increment: pending, domain.Capture: absent},
	} {
		s := serve(t, map[string]answer{"/transactions/" + saleRef + "/status/all": {status: 200, body: "[" + strings.Replace(first, `"increaseAmount":0,"capturedAmount":0`, changed, 1) + "]"}})
		for typ, v := range want {
			res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: typ, AttemptRef: refundRef, OriginalAttempt: saleRef, Amount: money.FromMinor(500, eur)})
			v.check(t, res, err)
		}
	}
	s := serve(t, map[string]answer{"/transactions/" + saleRef + "/status/all": {status: 200, body: "[]"}})
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Increment, AttemptRef: refundRef, OriginalAttempt: saleRef, Amount: money.FromMinor(500, eur)})
	garbage.check(t, res, err)
}

func TestTheStatusServiceHasItsOwnHost(t *testing.T) {
	for base, want := range map[string]string{
		"https://cloud.handpoint.com":      "https://transactions.handpoint.com/transactions/r/status",
		"https://CLOUD.handpoint.io/":      "https://transactions.handpoint.io/transactions/r/status",
		"http://127.0.0.1:9090/handpoint/": "http://127.0.0.1:9090/handpoint/transactions/r/status",
	} {
		a, err := New(providers.Config{BaseURL: base, Secrets: map[string]string{SecretAPIKey: "k"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := providers.Endpoint(a.status, "transactions", "r", "status"); got != want {
			t.Errorf("%s: %s", base, got)
		}
	}
	a, err := New(providers.Config{
		BaseURL: "https://cloud.handpoint.com", Secrets: map[string]string{SecretAPIKey: "k"},
		Settings: map[string]string{SettingStatusBase: "https://status.example/x/"},
	})
	if err != nil || providers.Endpoint(a.status, "a b/c") != "https://status.example/x/a%20b%2Fc" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestConfigurationsThatCannotWorkAreRefusedWithoutRepeatingThem(t *testing.T) {
	key := map[string]string{SecretAPIKey: "planted"}
	for name, c := range map[string]providers.Config{
		"no base":        {Secrets: key},
		"a path":         {BaseURL: "/planted", Secrets: key},
		"a user":         {BaseURL: "https://planted@cloud.handpoint.com", Secrets: key},
		"another scheme": {BaseURL: "file:///planted", Secrets: key},
		"no key":         {BaseURL: "https://cloud.handpoint.com"},
		"a bad status":   {BaseURL: "https://cloud.handpoint.com", Secrets: key, Settings: map[string]string{SettingStatusBase: "planted"}},
	} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	known := map[domain.Reason]bool{}
	for _, r := range domain.Reasons() {
		known[r] = true
	}
	for _, table := range []map[string]domain.Reason{issuerReasons, gatewayReasons} {
		for code, r := range table {
			if !known[r] {
				t.Errorf("%s: %q has no words", code, r)
			}
		}
	}
}
