package cardflo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

var eur = money.MustCurrency("EUR")

// script answers every request with the same thing and keeps what it got.
type script struct {
	*httptest.Server
	status      int
	contentType string
	body        string
	requests    []*http.Request
	bodies      [][]byte
}

func serve(t *testing.T, status int, body string) *script {
	t.Helper()
	s := &script{status: status, contentType: "application/json; charset=utf-8", body: body}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, b)
		w.Header().Set("Content-Type", s.contentType)
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *script) adapter(t *testing.T, change ...func(*providers.Config)) *Adapter {
	t.Helper()
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{s.Listener.Addr().String()}})
	t.Cleanup(tr.CloseIdle)
	c := providers.Config{
		BaseURL: s.URL + "/api/v3", HTTP: tr, Settings: map[string]string{},
		Secrets: map[string]string{SecretAPIKey: "my-api-key", SecretUsername: "anyApiUser", SecretPassword: "myPassword", SecretSharedSecret: "my-shared-secret"},
		Now:     func() time.Time { return time.Date(2020, 7, 21, 13, 15, 3, 0, time.FixedZone("", 3600)) },
	}
	for _, f := range change {
		f(&c)
	}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func saleRequest() providers.SaleRequest {
	return providers.SaleRequest{
		Amount: money.FromMinor(1250, eur), AttemptRef: "7b6dd4b5-1b8b-4b7e-9d3f-0a8a3c1b6a01", Token: "ix::tRaNsAcT1OnToK3N",
		OrderReference: "order 7", Email: "ada@example.com", ReturnURL: "https://shop.example/payments/1",
	}
}

const finished = `{"success":true,"uuid":"abcde12345abcde12345","purchaseId":"20190927-abcde12345abcde12345","returnType":"FINISHED","paymentMethod":"Creditcard"}`

// The inputs are those that seed 003 prints, but for the key: only the literal
// my-api-key in the path reproduces its printed signature.
func TestTheDocumentsSignatureIsReproduced(t *testing.T) {
	got := sign("my-shared-secret", "POST",
		"efe0b7cd39d6904dc90924b1a89629b14f11082ed2178cff562364ca0172318e1535bb8766fbe66e8cc44d311eba806349bfe185607eca12d9d0f377a03ee617",
		"application/json; charset=utf-8", "Tue, 21 Jul 2020 13:15:03 UTC", "/api/v3/transaction/my-api-key/debit")
	if want := "nL+8FBKWx4/pahYScKs/dRYPBEWjiBalRaWKHGtxLpELmLrgJ/+dSWjt6dZNuu6oF18NyWEU8tXLEVm2mtEapg=="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestTheDocumentsBasicCredentialIsReproduced(t *testing.T) {
	if got := basicAuth("anyApiUser", "myPassword"); got != "YW55QXBpVXNlcjpteVBhc3N3b3Jk" {
		t.Errorf("credential %s", got)
	}
}

func TestWhatIsSignedIsWhatIsSent(t *testing.T) {
	s := serve(t, 200, finished)
	a := s.adapter(t, func(c *providers.Config) { c.Secrets[SecretAPIKey] = "key /ü" })
	if _, err := a.SellByToken(t.Context(), saleRequest()); err != nil {
		t.Fatal(err)
	}
	s.body = `{"success":false,"errorMessage":"Transaction not found","errorCode":8001}`
	if _, err := a.FindStatus(t.Context(), providers.Lookup{AttemptRef: "a b"}); err != nil {
		t.Fatal(err)
	}
	for i, r := range s.requests {
		h := r.Header
		want := sign("my-shared-secret", r.Method, bodyHash(s.bodies[i]), h.Get("Content-Type"), h.Get("Date"), r.RequestURI)
		if h.Get("X-Signature") != want {
			t.Errorf("%s %s: signature does not match", r.Method, r.RequestURI)
		}
		if h.Get("Date") != "Tue, 21 Jul 2020 12:15:03 GMT" || h.Get("Content-Type") != contentType {
			t.Errorf("headers: %v", h)
		}
	}
	if p := s.requests[0].RequestURI; p != "/api/v3/transaction/key%20%2F%C3%BC/debit" {
		t.Errorf("path %s", p)
	}
	if p := s.requests[1].RequestURI; p != "/api/v3/status/key%20%2F%C3%BC/getByMerchantTransactionId/a%20b" || len(s.bodies[1]) != 0 {
		t.Errorf("path %s, body %q", p, s.bodies[1])
	}
}

func TestWithoutASharedSecretNothingIsSigned(t *testing.T) {
	s := serve(t, 200, finished)
	if _, err := s.adapter(t, func(c *providers.Config) { c.Secrets[SecretSharedSecret] = "" }).SellByToken(t.Context(), saleRequest()); err != nil {
		t.Fatal(err)
	}
	if _, there := s.requests[0].Header["X-Signature"]; there {
		t.Error("a signature was sent")
	}
}

func TestRequestBodies(t *testing.T) {
	s := serve(t, 200, finished)
	a := s.adapter(t)
	page := saleRequest()
	page.Amount, page.OrderReference, page.Email = money.FromMinor(1250, money.MustCurrency("JPY")), "", ""
	for _, c := range []struct {
		file, tail string
		call       func() error
	}{
		{"debit_by_token.json", "debit", func() error { _, err := a.SellByToken(t.Context(), saleRequest()); return err }},
		{"debit_by_page.json", "debit", func() error { _, err := a.SellByPage(t.Context(), page); return err }},
		{"refund.json", "refund", func() error {
			s.body = strings.Replace(finished, "abcde12345abcde12345", "fghij67890fghij67890", 1)
			_, err := a.Refund(t.Context(), providers.RefundRequest{
				Amount: money.FromMinor(1250, money.MustCurrency("KWD")), AttemptRef: "7b6dd4b5-1b8b-4b7e-9d3f-0a8a3c1b6a02",
				OriginalRef: "abcde12345abcde12345", Note: "returned goods",
			})
			return err
		}},
	} {
		if err := c.call(); err != nil {
			t.Fatal(err)
		}
		r, got := s.requests[len(s.requests)-1], s.bodies[len(s.bodies)-1]
		if r.Method != http.MethodPost || r.RequestURI != "/api/v3/transaction/my-api-key/"+c.tail {
			t.Errorf("%s went to %s %s", c.file, r.Method, r.RequestURI)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, golden(t, c.file)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s:\n got %s\nwant %s", c.file, got, want.Bytes())
		}
	}
}

func golden(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestALongDescriptionIsCutBetweenCharacters(t *testing.T) {
	s := serve(t, 200, finished)
	req := saleRequest()
	req.OrderReference = strings.Repeat("ü", 300)
	if _, err := s.adapter(t).SellByToken(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var sent struct{ Description string }
	if err := json.Unmarshal(s.bodies[0], &sent); err != nil || sent.Description != strings.Repeat("ü", 255) {
		t.Errorf("description %q, %v", sent.Description, err)
	}
}

// verdict is what a row of the tables below expects: an outcome, or a fault.
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
	unknown  = verdict{kind: providers.KindServer}
	garbage  = verdict{kind: providers.KindGarbage}
)

func declined(r domain.Reason) verdict { return verdict{outcome: providers.Declined, reason: r} }
func refused(r domain.Reason) verdict {
	return verdict{kind: providers.KindRefused, notDone: true, reason: r}
}

// failed is a transaction that was made and failed (seed 003, "Debit",
// errors).
func failed(code string) string {
	return `{"success":false,"uuid":"abcde12345abcde12345","returnType":"ERROR","errors":[{"errorMessage":"m","errorCode":` + code + `}]}`
}

// system is an error that made no transaction (seed 003, "Error handling").
func system(code string) string {
	if code == "" {
		return `{"success":false,"errorMessage":"m"}`
	}
	return `{"success":false,"errorMessage":"m","errorCode":` + code + `}`
}

func TestTransactionAnswers(t *testing.T) {
	credentials := verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"finished", 200, finished, approved},
		{"finished without a uuid", 200, `{"success":true,"returnType":"FINISHED"}`, garbage},
		{"finished with new fields", 200, strings.Replace(finished, `{`, `{"newField":{"a":[1]},"extraData":[{"a":"b"}],`, 1), approved},
		{"success under an HTTP error", 400, finished, garbage},
		{"success under 500", 500, finished, garbage},
		{"pending", 200, `{"success":true,"uuid":"u","returnType":"PENDING"}`, pending},
		{"html", 200, `{"success":true,"uuid":"u","returnType":"HTML","htmlContent":"<script>"}`, pending},
		{"a word to come", 200, `{"success":true,"uuid":"u","returnType":"PENDING_DCC"}`, pending},
		{"no word", 200, `{"success":true,"uuid":"u"}`, pending},
		{"error that calls itself success", 200, `{"success":true,"uuid":"u","returnType":"ERROR"}`, pending},
		{"redirect elsewhere", 200, `{"success":true,"uuid":"u","returnType":"REDIRECT","redirectUrl":"https://evil.example/"}`, pending},

		{"the document's error sample", 200, string(golden(t, "debit_error.json")), unknown},
		{"declined", 200, failed("2003"), declined(domain.ReasonDeclined)},
		{"declined, code as text", 200, failed(`"2003"`), declined(domain.ReasonDeclined)},
		{"declined without a transaction", 200, system("2006"), declined(domain.ReasonInsufficientFunds)},
		{"declined under 4xx", 400, failed("2003"), declined(domain.ReasonDeclined)},
		{"declined under 5xx", 502, failed("2003"), unknown},
		{"not allowed", 200, failed("3002"), declined(domain.ReasonNotAllowed)},
		{"provider error", 200, failed("1000"), unknown},
		{"unreadable provider", 200, failed("1001"), unknown},
		{"processing error", 200, failed("1003"), unknown},
		{"system error", 200, failed("1008"), unknown},
		{"time-out", 200, failed("3001"), unknown},
		{"temporarily unavailable", 200, failed("3003"), unknown},
		{"communication error", 200, failed("3005"), unknown},
		{"an unknown code", 200, failed("9999"), unknown},
		{"a code to come", 400, system("1234"), unknown},
		{"a decline beside a time-out", 200, `{"success":false,"uuid":"u","returnType":"ERROR","errors":[{"errorMessage":"m","errorCode":2003},{"errorMessage":"m","errorCode":3001}]}`, unknown},
		{"a refusal beside a code to come", 200, `{"success":false,"uuid":"u","returnType":"ERROR","errors":[{"errorMessage":"m","errorCode":1002},{"errorMessage":"m","errorCode":1234}]}`, unknown},
		{"a decline beside a repeated reference", 200, `{"success":false,"uuid":"u","returnType":"ERROR","errors":[{"errorMessage":"m","errorCode":2003},{"errorMessage":"m","errorCode":3004}]}`, unknown},
		{"two declines", 200, `{"success":false,"uuid":"u","returnType":"ERROR","errors":[{"errorMessage":"m","errorCode":2006},{"errorMessage":"m","errorCode":2003}]}`, declined(domain.ReasonInsufficientFunds)},
		{"a decline that calls itself pending", 200, strings.Replace(failed("2003"), "ERROR", "PENDING", 1), unknown},
		{"a decline that calls itself finished", 200, strings.Replace(failed("2003"), "ERROR", "FINISHED", 1), unknown},
		{"a refusal that calls itself redirected", 200, strings.Replace(failed("1002"), "ERROR", "REDIRECT", 1), unknown},
		{"a decline without a return type", 200, strings.Replace(failed("2003"), `"returnType":"ERROR",`, "", 1), declined(domain.ReasonDeclined)},
		{"an error without a code", 200, `{"success":false,"uuid":"u","errors":[{"errorMessage":"m"}]}`, unknown},

		{"duplicate", 400, system("3004"), verdict{kind: providers.KindRefused}},
		{"duplicate under 200", 200, system("3004"), verdict{kind: providers.KindRefused}},
		{"invalid data", 400, system("1002"), refused(domain.ReasonInvalidRequest)},
		{"invalid data under 200", 200, system("1002"), refused(domain.ReasonInvalidRequest)},
		{"logical error", 400, system("1006"), refused(domain.ReasonNotAllowed)},
		{"configuration", 200, system("1007"), refused(domain.ReasonNotAllowed)},
		{"no such sale", 200, system("8001"), refused(domain.ReasonInvalidRequest)},
		{"signature", 401, system("1004"), credentials},
		{"signature under 200", 200, system("1004"), credentials},
		{"signature, code as text", 401, system(`"1004"`), credentials},
		{"credentials without a code", 401, system(""), credentials},
		{"credentials without a body", 401, ``, credentials},
		{"forbidden with a code to come", 403, system("1234"), credentials},
		{"an unknown path", 404, system(""), refused(domain.ReasonInvalidRequest)},
		{"a time-out without a code", 408, system(""), garbage},
		{"refused without a word", 200, system(""), garbage},
		{"maintenance", 503, system("1010"), unknown},
		{"maintenance under another status", 500, system("1010"), unknown},
		{"unavailable", 503, system("1008"), unknown},
		{"unavailable, no JSON", 503, `<h1>`, unknown},
		{"time-out of a proxy", 522, ``, unknown},
		{"no success field", 200, `{"uuid":"u","returnType":"FINISHED"}`, garbage},
		{"success is no boolean", 200, `{"success":"true","uuid":"u","returnType":"FINISHED"}`, garbage},
		{"a list", 200, `[]`, garbage},
		{"cut", 200, finished[:40], garbage},
		{"more behind it", 200, finished + "{}", garbage},
		{"redirected", 302, ``, garbage},
		{"empty", 200, ``, garbage},
		{"no content", 204, ``, garbage},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := serve(t, c.status, c.body).adapter(t)
			res, err := a.SellByToken(t.Context(), saleRequest())
			c.want.check(t, res, err)
			res, err = a.Refund(t.Context(), providers.RefundRequest{Amount: money.FromMinor(1, eur), AttemptRef: "r", OriginalRef: "sale"})
			c.want.check(t, res, err)
		})
	}
}

func TestEveryPaymentCodeIsADeclineWithItsReason(t *testing.T) {
	for code := 2001; code <= 2021; code++ {
		reason, ok := declines[strconv.Itoa(code)]
		if !ok {
			t.Errorf("%d has no reason", code)
			continue
		}
		declined(reason).check(t, mustSell(t, failed(strconv.Itoa(code))), nil)
	}
	known := map[domain.Reason]bool{}
	for _, r := range domain.Reasons() {
		known[r] = true
	}
	for code, r := range declines {
		if !known[r] {
			t.Errorf("%s: %q has no words", code, r)
		}
	}
}

func mustSell(t *testing.T, body string) providers.Result {
	t.Helper()
	res, err := serve(t, 200, body).adapter(t).SellByToken(t.Context(), saleRequest())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestAWrongContentTypeIsNotRead(t *testing.T) {
	s := serve(t, 200, finished)
	s.contentType = "text/html"
	_, err := s.adapter(t).SellByToken(t.Context(), saleRequest())
	garbage.check(t, providers.Result{}, err)
}

func TestOnlyThePagesOriginIsOpened(t *testing.T) {
	s := serve(t, 200, "")
	host := s.Listener.Addr().String()
	for _, c := range []struct {
		url, pageOrigin string
		ok              bool
	}{
		{"http://" + host + "/pay/1", "", true},
		{"HTTP://" + host + "/pay/1?a=b#c", "", true},
		{"https://" + host + "/pay/1", "", false},
		{"http://" + host + ".evil.example/pay", "", false},
		{"http://user@" + host + "/pay", "", false},
		{"http://evil.example/" + host, "", false},
		{"//" + host + "/pay", "", false},
		{"/pay", "", false},
		{"javascript:alert(1)", "", false},
		{"http://" + host + "\n/pay", "", false},
		{"", "", false},
		{"https://pay.example/1", "https://pay.example", true},
		{"https://PAY.example:443/1", "https://pay.example/", true},
		{"https://pay.example:8443/1", "https://pay.example", false},
		{"http://pay.example/1", "https://pay.example", false},
		{"http://" + host + "/pay/1", "https://pay.example", false},
	} {
		body, err := json.Marshal(map[string]any{"success": true, "uuid": "u", "returnType": "REDIRECT", "redirectUrl": c.url})
		if err != nil {
			t.Fatal(err)
		}
		s.body = string(body)
		a := s.adapter(t, func(cfg *providers.Config) { cfg.Settings[SettingPageOrigin] = c.pageOrigin })
		res, err := a.SellByPage(t.Context(), saleRequest())
		switch {
		case err != nil || res.Outcome != providers.Pending:
			t.Errorf("%q: %+v, %v", c.url, res, err)
		case c.ok && (res.RedirectURL != c.url || res.Text != ""):
			t.Errorf("%q is not opened: %q", c.url, res.Text)
		case !c.ok && (res.RedirectURL != "" || !strings.Contains(res.Text, a.CardPageOrigin())):
			t.Errorf("%q is opened, or its refusal does not say why: %q, %q", c.url, res.RedirectURL, res.Text)
		}
	}
}

func TestStatusAnswers(t *testing.T) {
	const ref = "2019-09-02-0001"
	with := func(status, more string) string {
		return `{"success":true,"transactionStatus":"` + status + `","uuid":"u","merchantTransactionId":"` + ref + `","transactionType":"DEBIT","amount":"9.99","currency":"EUR"` + more + `}`
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"the document's success", 200, string(golden(t, "status_success.json")), approved},
		{"the document's error", 200, string(golden(t, "status_error.json")), declined(domain.ReasonUnmapped)},
		{"absent", 200, system("8001"), verdict{outcome: providers.Absent}},
		{"absent under 404", 404, system("8001"), verdict{outcome: providers.Absent}},
		{"absent under 500", 500, system("8001"), unknown},
		{"pending", 200, with("PENDING", ""), pending},
		{"redirect", 200, with("REDIRECT", ""), pending},
		{"cancelled", 200, with("CANCELLED", ""), declined(domain.ReasonCustomerCancelled)},
		{"cancelled with a code", 200, with("CANCELLED", `,"errors":[{"message":"m","code":2005}]`), declined(domain.ReasonLinkExpired)},
		{"error with a code", 200, with("ERROR", `,"errors":[{"message":"m","code":"2006"}]`), declined(domain.ReasonInsufficientFunds)},
		{"error with the other names", 200, with("ERROR", `,"errors":[{"errorMessage":"m","errorCode":2006}]`), declined(domain.ReasonInsufficientFunds)},
		{"error with one error", 200, with("ERROR", `,"errors":{"message":"m","code":2006}`), declined(domain.ReasonInsufficientFunds)},
		{"a word to come", 200, with("DISPUTED", ""), pending},
		{"a word in small letters", 200, with("success", ""), pending},
		{"no word", 200, `{"success":true}`, pending},
		{"success without a uuid", 200, strings.Replace(with("SUCCESS", ""), `"uuid":"u",`, "", 1), garbage},
		{"success alone", 200, `{"success":true,"transactionStatus":"SUCCESS"}`, garbage},
		{"error without a uuid", 200, strings.Replace(with("ERROR", ""), `"uuid":"u",`, "", 1), declined(domain.ReasonUnmapped)},
		{"error alone", 200, `{"success":true,"transactionStatus":"ERROR"}`, garbage},
		{"cancelled alone", 200, `{"success":true,"transactionStatus":"CANCELLED"}`, garbage},
		{"another attempt", 200, strings.Replace(with("SUCCESS", ""), ref, "another", 1), garbage},
		{"another type", 200, strings.Replace(with("SUCCESS", ""), "DEBIT", "REFUND", 1), garbage},
		{"an amount as a number", 200, strings.Replace(with("SUCCESS", ""), `"9.99"`, `9.99`, 1), approved},
		{"an amount in another currency", 200, strings.Replace(with("SUCCESS", ""), "EUR", "USD", 1), approved},
		{"an amount that is none", 200, strings.Replace(with("SUCCESS", ""), "9.99", "9,99", 1), garbage},
		{"a currency that is none", 200, strings.Replace(with("SUCCESS", ""), "EUR", "eur", 1), garbage},
		{"success under an HTTP error", 404, with("SUCCESS", ""), garbage},
		{"credentials", 401, system(""), verdict{kind: providers.KindCredentials}},
		{"signature", 401, system("1004"), verdict{kind: providers.KindCredentials}},
		{"rate", 429, system(""), verdict{kind: providers.KindRateLimited}},
		{"a decline", 200, system("2003"), garbage},
		{"maintenance", 503, system("1010"), unknown},
		{"garbage", 200, `<p>`, garbage},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := serve(t, c.status, c.body).adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: ref})
			c.want.check(t, res, err)
		})
	}
}

func TestAnAnswerUnderAnotherUUIDThanTheOneAskedByIsNotBelieved(t *testing.T) {
	for _, status := range []string{"SUCCESS", "ERROR", "CANCELLED", "PENDING"} {
		s := serve(t, 200, `{"success":true,"transactionStatus":"`+status+`","uuid":"another","merchantTransactionId":"ours","transactionType":"DEBIT"}`)
		res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: "ours", ProviderRef: "theirs"})
		garbage.check(t, res, err)
	}
}

func TestARefundUnderItsSalesUUIDIsNotBelieved(t *testing.T) {
	s := serve(t, 200, `{"success":true,"transactionStatus":"SUCCESS","uuid":"sale"}`)
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Refund, AttemptRef: "ours", OriginalRef: "sale"})
	garbage.check(t, res, err)
	for _, body := range []string{
		`{"success":true,"uuid":"sale","returnType":"FINISHED"}`, `{"success":true,"uuid":"sale","returnType":"PENDING"}`,
		`{"success":false,"uuid":"sale","returnType":"ERROR","errors":[{"errorMessage":"m","errorCode":2003}]}`,
	} {
		s.body = body
		res, err = s.adapter(t).Refund(t.Context(), providers.RefundRequest{Amount: money.FromMinor(1, eur), AttemptRef: "ours", OriginalRef: "sale"})
		garbage.check(t, res, err)
	}
}

func TestStatusTellsAmountCardAndReference(t *testing.T) {
	s := serve(t, 200, string(golden(t, "status_success.json")))
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: "2019-09-02-0001", ProviderRef: "abcde12345abcde12345"})
	if err != nil {
		t.Fatal(err)
	}
	if res.Amount == nil || *res.Amount != money.FromMinor(999, eur) || res.ProviderRef != "abcde12345abcde12345" {
		t.Errorf("%+v", res)
	}
	if want := (domain.Card{Brand: "Visa", Last4: "4321", Expiry: "12/30"}); res.Card != want {
		t.Errorf("card %+v", res.Card)
	}
	if len(s.requests) != 1 || s.requests[0].RequestURI != "/api/v3/status/my-api-key/getByUuid/abcde12345abcde12345" || s.requests[0].Method != http.MethodGet {
		t.Errorf("asked %d times, first %s", len(s.requests), s.requests[0].RequestURI)
	}
}

func TestAbsentMeansThatNeitherReferenceIsKnown(t *testing.T) {
	s := serve(t, 200, system("8001"))
	// The provider gave it a uuid, so that it did arrive there: that neither is
	// found now is no proof of the contrary. The key may be another connector's.
	res, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: "ours", ProviderRef: "theirs"})
	if err != nil || res.Outcome != providers.Pending || res.Text == "" || len(s.requests) != 2 {
		t.Errorf("%+v, %v after %d questions", res, err, len(s.requests))
	}
	res, err = s.adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: "ours"})
	if err != nil || res.Outcome != providers.Absent || len(s.requests) != 3 {
		t.Errorf("%+v, %v after %d questions", res, err, len(s.requests))
	}
	if _, err := s.adapter(t).FindStatus(t.Context(), providers.Lookup{}); err == nil {
		t.Error("a question about nothing was answered")
	}
}

func TestCardsAreReadInBothShapes(t *testing.T) {
	visa := domain.Card{Brand: "Visa", Last4: "4321", Expiry: "12/30"}
	for in, want := range map[string]domain.Card{
		`{"_TYPE":"cardData","type":"visa","expiryMonth":12,"expiryYear":2030,"lastFourDigits":"4321"}`:     visa,
		`{"creditcardData":{"type":"VISA","expiryMonth":"12","expiryYear":"2030","lastFourDigits":"4321"}}`: visa,
		`{"binBrand":"VISA","type":"","expiryMonth":12,"expiryYear":2030,"lastFourDigits":"4321"}`:          visa,
		`{"type":"master_card","expiryMonth":3,"expiryYear":2009,"lastFourDigits":"0001"}`:                  {Brand: "Mastercard", Last4: "0001", Expiry: "03/09"},
		`{"type":"newscheme","lastFourDigits":"4321"}`:                                                      {Last4: "4321"},
		`{"type":"visa","expiryMonth":13,"expiryYear":2030,"lastFourDigits":"4321"}`:                        {Brand: "Visa", Last4: "4321"},
		`{"type":"visa","lastFourDigits":"4111111111111111"}`:                                               {},
		`{"type":"visa","lastFourDigits":"43x1"}`:                                                           {},
		`{"_TYPE":"ibanData","iban":"AT123456789012345678"}`:                                                {Brand: "Bank account", Last4: "5678"},
		`[]`: {}, `"x"`: {}, `null`: {}, `{"creditcardData":7}`: {},
	} {
		res := mustSell(t, strings.TrimSuffix(finished, "}")+`,"returnData":`+in+`}`)
		if res.Outcome != providers.Approved || res.Card != want {
			t.Errorf("%s: %+v, want %+v", in, res.Card, want)
		}
	}
}

func TestWhatHasNoFormIsNotSent(t *testing.T) {
	s := serve(t, 200, finished)
	a := s.adapter(t)
	long := saleRequest()
	long.AttemptRef = strings.Repeat("x", 51)
	none := saleRequest()
	none.AttemptRef = ""
	big := saleRequest()
	big.Amount = money.FromMinor(1_000_000_000_000, eur)
	for _, req := range []providers.SaleRequest{long, none, big} {
		_, err := a.SellByToken(t.Context(), req)
		refused(domain.ReasonInvalidRequest).check(t, providers.Result{}, err)
	}
	if len(s.requests) != 0 {
		t.Errorf("%d requests went out", len(s.requests))
	}
}

func TestTheFrameIsOfferedOnlyWhereItIsConfigured(t *testing.T) {
	s := serve(t, 200, "")
	if _, ok := s.adapter(t).CardFrame("https://shop.example"); ok {
		t.Error("a frame without an address")
	}
	a := s.adapter(t, func(c *providers.Config) {
		c.Settings[SettingCardFrame] = "http://127.0.0.1:9090/cardflo/frame/key?a=b"
	})
	f, ok := a.CardFrame("https://shop.example:8443")
	if !ok || f.URL != "http://127.0.0.1:9090/cardflo/frame/key?a=b&origin=https%3A%2F%2Fshop.example%3A8443" || f.Origin != "http://127.0.0.1:9090" {
		t.Errorf("%+v", f)
	}
	if caps := providers.CapabilitiesOf(a, Registration(), nil, ""); !caps.Has(domain.CanTokenizeInFrame) || !caps.Has(domain.CanSellByPage) {
		t.Errorf("capabilities %v", caps)
	}
	if caps := providers.CapabilitiesOf(s.adapter(t), Registration(), nil, ""); caps.Has(domain.CanTokenizeInFrame) {
		t.Errorf("capabilities without a frame %v", caps)
	}
}

func TestConfigurationsThatCannotWorkAreRefusedWithoutRepeatingThem(t *testing.T) {
	good := func() providers.Config {
		return providers.Config{
			BaseURL: "https://gateway.cardflo.io/api/v3/", Settings: map[string]string{},
			Secrets: map[string]string{SecretAPIKey: "planted-key", SecretUsername: "planted-user", SecretPassword: "planted-password"},
		}
	}
	a, err := New(good())
	if err != nil || a.CardPageOrigin() != "https://gateway.cardflo.io" || providers.Endpoint(a.base, "x") != "https://gateway.cardflo.io/api/v3/x" {
		t.Fatalf("%+v, %v", a, err)
	}
	for name, spoil := range map[string]func(*providers.Config){
		"no base":        func(c *providers.Config) { c.BaseURL = "" },
		"a path":         func(c *providers.Config) { c.BaseURL = "/api/v3" },
		"another scheme": func(c *providers.Config) { c.BaseURL = "ftp://gateway.cardflo.io" },
		"a user":         func(c *providers.Config) { c.BaseURL = "https://planted-user:planted-password@gateway.cardflo.io" },
		"a query":        func(c *providers.Config) { c.BaseURL += "?planted-key" },
		"no key":         func(c *providers.Config) { c.Secrets[SecretAPIKey] = "" },
		"no user":        func(c *providers.Config) { c.Secrets[SecretUsername] = "" },
		"no password":    func(c *providers.Config) { delete(c.Secrets, SecretPassword) },
		"a page path":    func(c *providers.Config) { c.Settings[SettingPageOrigin] = "/pay" },
		"a frame script": func(c *providers.Config) { c.Settings[SettingCardFrame] = "javascript:planted-key" },
	} {
		c := good()
		spoil(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheEightSpellingsOfAnOddErrorListDoNotHideTheVerdict(t *testing.T) {
	for _, errs := range []string{`null`, `[]`, `{}`, `"x"`, `7`, `[7]`, `[{"errorCode":{}}]`, `[[]]`} {
		body := `{"success":true,"transactionStatus":"SUCCESS","uuid":"u","errors":` + errs + `}`
		res, err := serve(t, 200, body).adapter(t).FindStatus(t.Context(), providers.Lookup{AttemptRef: "r"})
		if err != nil || res.Outcome != providers.Approved {
			t.Errorf("%s: %+v, %v", errs, res, err)
		}
	}
}
