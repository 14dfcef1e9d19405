package cardflo_test

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*cardflo.Server
	root string
}

func newFixture(t *testing.T, cfg cardflo.Config) fixture {
	t.Helper()
	s := cardflo.New(cfg, kit.New(func() time.Time { return start }))
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return fixture{Server: s, root: srv.URL}
}

type answer struct {
	status int
	raw    string
	json   map[string]any
	header http.Header
}

// call is one request to the API; a test changes what it wants to be wrong.
type call struct {
	method, path, user, password, contentType, body string
	header                                          http.Header
}

func debit(body string) call {
	return call{method: http.MethodPost, path: "/transaction/" + cardflo.SandboxKey + "/debit", user: cardflo.SandboxUser,
		password: cardflo.SandboxPassword, contentType: "application/json; charset=utf-8", body: body}
}

func refund(body string) call {
	c := debit(body)
	c.path = "/transaction/" + cardflo.SandboxKey + "/refund"
	return c
}

func status(path string) call {
	return call{method: http.MethodGet, path: "/status/" + cardflo.SandboxKey + path, user: cardflo.SandboxUser, password: cardflo.SandboxPassword}
}

func (f fixture) do(t *testing.T, c call) answer {
	t.Helper()
	req, err := http.NewRequest(c.method, f.root+cardflo.BasePath+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	if c.contentType != "" {
		req.Header.Set("Content-Type", c.contentType)
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
	a := answer{status: res.StatusCode, raw: string(raw), header: res.Header}
	if err := json.Unmarshal(raw, &a.json); err != nil {
		t.Fatalf("%s: %d %q: %v", c.path, res.StatusCode, raw, err)
	}
	return a
}

func sale(id, amount, currency, token string) string {
	return fmt.Sprintf(`{"merchantTransactionId":%q,"amount":%q,"currency":%q,"transactionToken":%q,"transactionIndicator":"MOTO"}`, id, amount, currency, token)
}

func back(id, uuid, amount, currency string) string {
	return fmt.Sprintf(`{"merchantTransactionId":%q,"referenceUuid":%q,"amount":%q,"currency":%q}`, id, uuid, amount, currency)
}

func want(t *testing.T, a answer, fields map[string]any) {
	t.Helper()
	for name, value := range fields {
		if a.json[name] != value {
			t.Errorf("%s = %v, want %v\n%s", name, a.json[name], value, a.raw)
		}
	}
}

func refused(t *testing.T, what string, a answer, httpStatus int, code any, message string) {
	t.Helper()
	if a.status != httpStatus || a.json["success"] != false || a.json["errorCode"] != code || !strings.Contains(fmt.Sprint(a.json["errorMessage"]), message) {
		t.Errorf("%s: %d %s, want %d with code %v and %q", what, a.status, a.raw, httpStatus, code, message)
	}
	if _, made := a.json["uuid"]; made {
		t.Errorf("%s: a refusal made a transaction: %s", what, a.raw)
	}
}

func uuid(t *testing.T, a answer) string {
	t.Helper()
	s, _ := a.json["uuid"].(string)
	if len(s) != 20 {
		t.Fatalf("uuid in %s", a.raw)
	}
	return s
}

func TestADebitWithATokenIsFinishedAndItsStatusFoundBothWays(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	a := f.do(t, debit(sale("s-1", "9.99", "EUR", cardflo.TokenApprove)))
	id := uuid(t, a)
	want(t, a, map[string]any{"success": true, "returnType": "FINISHED", "paymentMethod": "Creditcard", "purchaseId": "20260301-" + id})
	data, _ := a.json["returnData"].(map[string]any)
	if a.status != 200 || data["_TYPE"] != "cardData" || data["lastFourDigits"] != "1111" || data["expiryMonth"] != 12.0 {
		t.Error(a.raw)
	}
	for _, path := range []string{"/getByUuid/" + id, "/getByMerchantTransactionId/s-1"} {
		s := f.do(t, status(path))
		want(t, s, map[string]any{"success": true, "transactionStatus": "SUCCESS", "uuid": id, "merchantTransactionId": "s-1",
			"transactionType": "DEBIT", "amount": "9.99", "currency": "EUR"})
		data, _ := s.json["returnData"].(map[string]any)
		if nested, _ := data["creditcardData"].(map[string]any); nested["lastFourDigits"] != "1111" {
			t.Error(s.raw)
		}
	}
}

func TestAmountsComeBackInTheCurrencysDecimals(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	for i, tc := range []struct{ sent, currency, kept string }{{"1500", "JPY", "1500"}, {"14.200", "KWD", "14.200"}, {"14.2", "KWD", "14.200"}, {"7", "GBP", "7.00"}} {
		id := fmt.Sprintf("a-%d", i)
		if a := f.do(t, debit(sale(id, tc.sent, tc.currency, cardflo.TokenApprove))); a.json["success"] != true {
			t.Error(a.raw)
		}
		want(t, f.do(t, status("/getByMerchantTransactionId/"+id)), map[string]any{"amount": tc.kept})
	}
}

func TestEveryPublishedTokenEndsAsItSays(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	for i, tc := range []struct {
		token  string
		code   float64
		status string
	}{
		{cardflo.TokenDecline, 2003, "ERROR"}, {cardflo.TokenInsufficientFunds, 2006, "ERROR"},
		{cardflo.TokenExpired, 2009, "ERROR"}, {cardflo.TokenStolen, 2016, "ERROR"},
	} {
		id := fmt.Sprintf("d-%d", i)
		a := f.do(t, debit(sale(id, "5.00", "EUR", tc.token)))
		want(t, a, map[string]any{"success": false, "returnType": "ERROR"})
		errs, _ := a.json["errors"].([]any)
		first, _ := errs[0].(map[string]any)
		if a.status != 200 || first["errorCode"] != tc.code || first["errorMessage"] == "" {
			t.Error(a.raw)
		}
		s := f.do(t, status("/getByMerchantTransactionId/"+id))
		want(t, s, map[string]any{"success": true, "transactionStatus": tc.status})
		errs, _ = s.json["errors"].([]any)
		first, _ = errs[0].(map[string]any)
		if first["code"] != fmt.Sprint(tc.code) || first["message"] == "" || first["errorCode"] != nil {
			t.Error(s.raw)
		}
	}
	decline := f.do(t, debit(sale("d-x", "5.00", "EUR", cardflo.TokenDecline)))
	for _, part := range []string{`"errorMessage":"The transaction was declined"`, `"adapterMessage":"Test decline"`, `"adapterCode":"transaction_declined"`} {
		if !strings.Contains(decline.raw, part) {
			t.Errorf("%s is missing in %s", part, decline.raw)
		}
	}
}

func TestAPendingDebitEndsByTheClock(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	want(t, f.do(t, debit(sale("p-1", "5.00", "EUR", cardflo.TokenPending))), map[string]any{"success": true, "returnType": "PENDING"})
	want(t, f.do(t, status("/getByMerchantTransactionId/p-1")), map[string]any{"transactionStatus": "PENDING"})
	f.Kit().Clock.Advance(time.Minute)
	want(t, f.do(t, status("/getByMerchantTransactionId/p-1")), map[string]any{"transactionStatus": "SUCCESS"})
}

func TestCredentialsAreChecked(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	body := sale("c-1", "5.00", "EUR", cardflo.TokenApprove)
	for name, change := range map[string]func(*call){
		"no credentials":     func(c *call) { c.user = "" },
		"wrong user":         func(c *call) { c.user = "somebody" },
		"wrong password":     func(c *call) { c.password = "wrong" },
		"encoded newline":    func(c *call) { c.password += "\n" },
		"unknown key":        func(c *call) { c.path = "/transaction/nobody/debit" },
		"another connector":  func(c *call) { c.path = "/transaction/" + cardflo.SignedKey + "/debit" },
		"status unsigned in": func(c *call) { *c = status("/getByUuid/x"); c.password = "wrong" },
	} {
		c := debit(body)
		change(&c)
		refused(t, name, f.do(t, c), 401, nil, "Unauthorized")
	}
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d charges", n)
	}
}

// signature is a second writing of the recipe, from the document.
func signature(secret, method, contentType, date, uri, bodyHash string) string {
	mac := hmac.New(sha512.New, []byte(secret))
	_, _ = io.WriteString(mac, method+"\n"+bodyHash+"\n"+contentType+"\n"+date+"\n"+uri)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func signed(method, tail, body string) call {
	sum := sha512.Sum512([]byte(body))
	date := start.Format(http.TimeFormat)
	c := call{method: method, path: tail, user: cardflo.SignedUser, password: cardflo.SignedPassword, body: body, header: http.Header{"Date": {date}}}
	if method == http.MethodPost {
		c.contentType = "application/json; charset=utf-8"
	}
	c.header.Set("X-Signature", signature(cardflo.SignedSecret, method, c.contentType, date, cardflo.BasePath+tail, hex.EncodeToString(sum[:])))
	return c
}

func TestAConnectorThatDemandsSignaturesRefusesEveryOther(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	tail := "/transaction/" + cardflo.SignedKey + "/debit"
	body := sale("g-1", "5.00", "EUR", cardflo.TokenApprove)
	for name, change := range map[string]func(*call){
		"no signature":         func(c *call) { c.header.Del("X-Signature") },
		"no date":              func(c *call) { c.header.Del("Date") },
		"another date":         func(c *call) { c.header.Set("Date", start.Add(time.Second).Format(http.TimeFormat)) },
		"another body":         func(c *call) { c.body += " " },
		"another content type": func(c *call) { c.contentType = "application/json" },
		"another address":      func(c *call) { c.path += "?x=1" },
		"unparseable date": func(c *call) {
			sum := sha512.Sum512([]byte(body))
			c.header.Set("Date", "today")
			c.header.Set("X-Signature", signature(cardflo.SignedSecret, "POST", c.contentType, "today", cardflo.BasePath+tail, hex.EncodeToString(sum[:])))
		},
		"another secret": func(c *call) {
			sum := sha512.Sum512([]byte(body))
			c.header.Set("X-Signature", signature("wrong", "POST", c.contentType, c.header.Get("Date"), cardflo.BasePath+tail, hex.EncodeToString(sum[:])))
		},
		"MD5 of older clients": func(c *call) {
			sum := md5.Sum([]byte(body))
			c.header.Set("X-Signature", signature(cardflo.SignedSecret, "POST", c.contentType, c.header.Get("Date"), cardflo.BasePath+tail, hex.EncodeToString(sum[:])))
		},
	} {
		c := signed(http.MethodPost, tail, body)
		change(&c)
		refused(t, name, f.do(t, c), 401, 1004.0, "Signature invalid")
	}
	if n := len(f.State().Charges); n != 0 {
		t.Fatalf("%d charges", n)
	}
	want(t, f.do(t, signed(http.MethodPost, tail, body)), map[string]any{"success": true, "returnType": "FINISHED"})
	get := signed(http.MethodGet, "/status/"+cardflo.SignedKey+"/getByMerchantTransactionId/g-1", "")
	want(t, f.do(t, get), map[string]any{"transactionStatus": "SUCCESS"})
	get.header.Del("X-Signature")
	refused(t, "unsigned status", f.do(t, get), 401, 1004.0, "Signature invalid")
}

func TestLegacySignaturesAndStrictDatesAreSwitches(t *testing.T) {
	cfg := cardflo.DefaultConfig()
	cfg.LegacySignatures, cfg.StrictDate = true, time.Minute
	f := newFixture(t, cfg)
	tail := "/transaction/" + cardflo.SignedKey + "/debit"
	body := sale("g-2", "5.00", "EUR", cardflo.TokenApprove)
	c := signed(http.MethodPost, tail, body)
	sum := md5.Sum([]byte(body))
	c.header.Set("X-Signature", signature(cardflo.SignedSecret, "POST", c.contentType, c.header.Get("Date"), cardflo.BasePath+tail, hex.EncodeToString(sum[:])))
	want(t, f.do(t, c), map[string]any{"success": true})
	f.Kit().Clock.Advance(2 * time.Minute)
	refused(t, "old date", f.do(t, signed(http.MethodPost, tail, body)), 401, 1004.0, "Signature invalid")
}

func TestAnIllFormedDebitIs1002AndMakesNothing(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	good := func(name, value string) string {
		fields := map[string]string{"merchantTransactionId": `"x-1"`, "amount": `"5.00"`, "currency": `"EUR"`, "transactionToken": `"` + cardflo.TokenApprove + `"`}
		fields[name] = value
		var parts []string
		for k, v := range fields {
			if v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for _, tc := range []struct{ name, body, message string }{
		{"missing amount", good("amount", ""), "root: 'amount' is required"},
		{"missing id", good("merchantTransactionId", ""), "root: 'merchantTransactionId' is required"},
		{"long id", good("merchantTransactionId", `"`+strings.Repeat("x", 51)+`"`), "merchantTransactionId"},
		{"empty id", good("merchantTransactionId", `""`), "merchantTransactionId"},
		{"number amount", good("amount", "5"), "amount: must be a string"},
		{"comma", good("amount", `"5,00"`), "amount"},
		{"four decimals", good("amount", `"5.0000"`), "amount"},
		{"exponent", good("amount", `"1e3"`), "amount"},
		{"negative", good("amount", `"-5"`), "amount"},
		{"zero", good("amount", `"0.00"`), "above 0"},
		{"more decimals than the currency", good("amount", `"5.001"`), "2 decimals"},
		{"lower-case currency", good("currency", `"eur"`), "currency"},
		{"currency that is not enabled", good("currency", `"XTS"`), "not enabled"},
		{"unknown field", good("tip", `"1"`), "additional property 'tip'"},
		{"wrong case", good("Currency", `"EUR"`), "additional property 'Currency'"},
		{"unknown indicator", good("transactionIndicator", `"moto"`), "transactionIndicator"},
		{"script as URL", good("successUrl", `"javascript:alert(1)"`), "successUrl"},
		{"extraData with a number", good("extraData", `{"a":1}`), "extraData.a"},
		{"unknown customer field", good("customer", `{"age":"7"}`), "additional property 'age'"},
		{"long postcode", good("customer", `{"billingPostcode":"12345678901234567"}`), "billingPostcode"},
		{"withRegister as text", good("withRegister", `"true"`), "withRegister"},
		{"unknown token", good("transactionToken", `"ix::nope"`), "transactionToken"},
		{"unknown reference", `{"merchantTransactionId":"x-1","amount":"5.00","currency":"EUR","referenceUuid":"nope"}`, "not found"},
		{"array", `[]`, "root"},
		{"two values", good("amount", `"5.00"`) + "{}", "root"},
		{"broken", `{"a":`, "root"},
	} {
		refused(t, tc.name, f.do(t, debit(tc.body)), 400, 1002.0, tc.message)
	}
	c := debit(good("amount", `"5.00"`))
	c.contentType = "text/plain"
	refused(t, "content type", f.do(t, c), 400, 1002.0, "Content-Type")
	refused(t, "schedule", f.do(t, debit(good("schedule", `{}`))), 400, 1002.0, "schedule: 'amount' is required")
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d charges", n)
	}
	if a := f.do(t, debit(good("amount", `"5.00"`))); a.json["success"] != true {
		t.Errorf("a refused request took the transaction id: %s", a.raw)
	}
}

func TestATransactionIDIsTakenOnce(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	f.do(t, debit(sale("once", "5.00", "EUR", cardflo.TokenApprove)))
	refused(t, "second debit", f.do(t, debit(sale("once", "5.00", "EUR", cardflo.TokenApprove))), 400, 3004.0, "The transaction ID 'once' already exists!")
	f.do(t, debit(sale("no", "5.00", "EUR", cardflo.TokenDecline)))
	refused(t, "after a decline", f.do(t, debit(sale("no", "5.00", "EUR", cardflo.TokenApprove))), 400, 3004.0, "already exists")
	if n := f.State().Approved["once"]; n != 1 {
		t.Errorf("charged %d times", n)
	}
}

func TestTwentyParallelDebitsOfOneIDChargeOnce(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f.do(t, debit(sale("par", "5.00", "EUR", cardflo.TokenApprove)))
		}()
	}
	wg.Wait()
	if n := f.State().Approved["par"]; n != 1 {
		t.Errorf("charged %d times", n)
	}
}

func TestErrorsCanComeWithHTTP200(t *testing.T) {
	cfg := cardflo.DefaultConfig()
	cfg.ErrorsAs200 = true
	f := newFixture(t, cfg)
	f.do(t, debit(sale("once", "5.00", "EUR", cardflo.TokenApprove)))
	refused(t, "duplicate", f.do(t, debit(sale("once", "5.00", "EUR", cardflo.TokenApprove))), 200, 3004.0, "already exists")
	refused(t, "empty", f.do(t, debit(`{}`)), 200, 1002.0, "required")
}

func TestAnUnknownTransactionIs8001(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	for _, path := range []string{"/getByUuid/nope", "/getByMerchantTransactionId/nope"} {
		refused(t, path, f.do(t, status(path)), 200, 8001.0, "Transaction not found")
	}
}

func TestRefundsAddUpToTheSaleAndNoFurther(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	paid := f.do(t, debit(sale("s", "10.00", "EUR", cardflo.TokenApprove)))
	declined := f.do(t, debit(sale("d", "10.00", "EUR", cardflo.TokenDecline)))
	first := f.do(t, refund(back("r-1", uuid(t, paid), "4.00", "EUR")))
	want(t, first, map[string]any{"success": true, "returnType": "FINISHED", "purchaseId": paid.json["purchaseId"]})
	if extra, _ := first.json["extraData"].(map[string]any); extra["remainingAmount"] != "6.00" {
		t.Error(first.raw)
	}
	for _, tc := range []struct {
		name, body string
		code       float64
		message    string
	}{
		{"above the rest", back("r-x", uuid(t, paid), "6.01", "EUR"), 1006, "greater than the remaining"},
		{"another currency", back("r-x", uuid(t, paid), "1.00", "USD"), 1002, "currency"},
		{"unknown sale", back("r-x", "nope", "1.00", "EUR"), 1002, "not found"},
		{"declined sale", back("r-x", uuid(t, declined), "1.00", "EUR"), 1006, "not successful"},
		{"refund of a refund", back("r-x", uuid(t, first), "1.00", "EUR"), 1006, "not a debit"},
		{"the sale's id again", back("s", uuid(t, paid), "1.00", "EUR"), 3004, "already exists"},
		{"no reference", `{"merchantTransactionId":"r-x","amount":"1.00","currency":"EUR"}`, 1002, "root: 'referenceUuid' is required"},
		{"field of a debit", `{"merchantTransactionId":"r-x","amount":"1.00","currency":"EUR","referenceUuid":"x","successUrl":"https://a.example"}`, 1002, "additional property"},
	} {
		refused(t, tc.name, f.do(t, refund(tc.body)), 400, tc.code, tc.message)
	}
	want(t, f.do(t, refund(back("r-2", uuid(t, paid), "6.00", "EUR"))), map[string]any{"success": true})
	refused(t, "one cent more", f.do(t, refund(back("r-3", uuid(t, paid), "0.01", "EUR"))), 400, 1006.0, "remaining")
	want(t, f.do(t, status("/getByMerchantTransactionId/r-1")), map[string]any{
		"transactionStatus": "SUCCESS", "transactionType": "REFUND", "amount": "4.00", "referenceUuid": uuid(t, paid)})
}

func TestADebitWithoutATokenIsRedirectedToTheHostedPage(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	a := f.do(t, debit(`{"merchantTransactionId":"h-1","amount":"12.50","currency":"GBP"}`))
	want(t, a, map[string]any{"success": true, "returnType": "REDIRECT", "redirectType": "iframe"})
	link, _ := a.json["redirectUrl"].(string)
	if !strings.HasPrefix(link, f.root+"/cardflo/pay/") {
		t.Fatal(a.raw)
	}
	want(t, f.do(t, status("/getByMerchantTransactionId/h-1")), map[string]any{"transactionStatus": "REDIRECT"})
	res, doc := f.page(t, link)
	if res.Header.Get("X-Frame-Options") != "" || strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors") {
		t.Error("the hosted page refuses to be framed")
	}
	if got := doc.Find("h1").Text(); got != "Card details" || !strings.Contains(doc.Find(".who").Text(), "Cardflo sandbox") {
		t.Errorf("heading %q", got)
	}
	if n := doc.Find("script").Length(); n != 0 {
		t.Errorf("%d scripts on a page that works without", n)
	}
	for name, label := range map[string]string{"card_number": "Card number", "expiry": "Expiry (MM/YY)", "security_code": "Security code"} {
		id, _ := doc.Find("input[name=" + name + "]").Attr("id")
		if got := doc.Find("label[for=" + id + "]").Text(); got != label {
			t.Errorf("label of %s = %q", name, got)
		}
	}
}

// page gets an HTML page.
func (f fixture) page(t *testing.T, link string) (*http.Response, *goquery.Document) {
	t.Helper()
	res, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, doc
}

// fill posts the hosted page's form as a browser without JavaScript does, and
// does not follow the redirect.
func (f fixture) fill(t *testing.T, link, number, expiry, code, action string) (*http.Response, *goquery.Document) {
	t.Helper()
	_, doc := f.page(t, link)
	target, _ := doc.Find("form").Attr("action")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(f.root+target, url.Values{"card_number": {number}, "expiry": {expiry}, "security_code": {code}, "action": {action}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answered, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, answered
}

func (f fixture) redirect(t *testing.T, id, urls string) string {
	t.Helper()
	a := f.do(t, debit(fmt.Sprintf(`{"merchantTransactionId":%q,"amount":"12.50","currency":"GBP"%s}`, id, urls)))
	link, _ := a.json["redirectUrl"].(string)
	if link == "" {
		t.Fatal(a.raw)
	}
	return link
}

const returns = `,"successUrl":"http://shop.example/ok?a=1","errorUrl":"http://shop.example/no","cancelUrl":"http://shop.example/back"`

func TestTheHostedPageWorksWithoutJavaScript(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	for i, tc := range []struct{ number, action, status, next, heading string }{
		{cardflo.CardApprove, "pay", "SUCCESS", "http://shop.example/ok?a=1", "Payment approved"},
		{"4111 1111 1111 1111", "pay", "SUCCESS", "http://shop.example/ok?a=1", "Payment approved"},
		{cardflo.CardMastercard, "pay", "SUCCESS", "http://shop.example/ok?a=1", "Payment approved"},
		{cardflo.CardPending, "pay", "PENDING", "http://shop.example/ok?a=1", "Payment in progress"},
		{cardflo.CardDecline, "pay", "ERROR", "http://shop.example/no", "Payment declined"},
		{cardflo.CardInsufficientFunds, "pay", "ERROR", "http://shop.example/no", "Payment declined"},
		{"4242424242424242", "pay", "ERROR", "http://shop.example/no", "Payment declined"},
		{"", "cancel", "CANCELLED", "http://shop.example/back", "Payment cancelled"},
	} {
		for j, urls := range []string{returns, ""} {
			id := fmt.Sprintf("w-%d-%d", i, j)
			res, doc := f.fill(t, f.redirect(t, id, urls), tc.number, "12/30", "123", tc.action)
			if urls != "" && (res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != tc.next) {
				t.Errorf("%s: %d to %s, want %s", tc.number, res.StatusCode, res.Header.Get("Location"), tc.next)
			}
			if urls == "" && (res.StatusCode != 200 || doc.Find("h1").Text() != tc.heading) {
				t.Errorf("%s: %d %q, want %q", tc.number, res.StatusCode, doc.Find("h1").Text(), tc.heading)
			}
			want(t, f.do(t, status("/getByMerchantTransactionId/"+id)), map[string]any{"transactionStatus": tc.status})
		}
	}
}

func TestWhatWasTypedWronglyIsSaidBesideItsField(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	link := f.redirect(t, "v-1", returns)
	for _, tc := range []struct{ number, expiry, code, field string }{
		{"4111111111111112", "12/30", "123", "card_number"},
		{"41111111", "12/30", "123", "card_number"},
		{cardflo.CardApprove, "13/30", "123", "expiry"},
		{cardflo.CardApprove, "02/26", "123", "expiry"},
		{cardflo.CardApprove, "", "123", "expiry"},
		{cardflo.CardApprove, "12/30", "12", "security_code"},
		{cardflo.CardApprove, "12/30", "abc", "security_code"},
	} {
		res, doc := f.fill(t, link, tc.number, tc.expiry, tc.code, "pay")
		input := doc.Find("input[name=" + tc.field + "]")
		describedBy, _ := input.Attr("aria-describedby")
		if res.StatusCode != 422 || input.AttrOr("aria-invalid", "") != "true" || doc.Find("#"+describedBy).Text() == "" {
			t.Errorf("%+v: %d", tc, res.StatusCode)
		}
		for _, typed := range []string{"card_number", "security_code"} {
			if value, sent := doc.Find("input[name=" + typed + "]").Attr("value"); sent {
				t.Errorf("%s was sent back: %q", typed, value)
			}
		}
	}
	want(t, f.do(t, status("/getByMerchantTransactionId/v-1")), map[string]any{"transactionStatus": "REDIRECT"})
	if res, _ := f.fill(t, link, cardflo.CardApprove, "03/26", "123", "pay"); res.StatusCode != http.StatusSeeOther {
		t.Error("a card is refused in the month it expires")
	}
}

func TestAPageIsUsedOnce(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	link := f.redirect(t, "o-1", "")
	f.fill(t, link, cardflo.CardDecline, "12/30", "123", "pay")
	res, err := http.PostForm(link, url.Values{"card_number": {cardflo.CardApprove}, "expiry": {"12/30"}, "security_code": {"123"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	want(t, f.do(t, status("/getByMerchantTransactionId/o-1")), map[string]any{"transactionStatus": "ERROR"})
	if _, doc := f.page(t, link); doc.Find("form").Length() != 0 {
		t.Error("the form is shown again")
	}
	if res, _ := f.page(t, f.root+"/cardflo/pay/nope"); res.StatusCode != 404 {
		t.Errorf("an unknown page: %d", res.StatusCode)
	}
}

func TestAPageNobodyUsesExpires(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	link := f.redirect(t, "e-1", "")
	f.Kit().Clock.Advance(30 * time.Minute)
	s := f.do(t, status("/getByMerchantTransactionId/e-1"))
	want(t, s, map[string]any{"transactionStatus": "ERROR"})
	if !strings.Contains(s.raw, `"code":"2005"`) {
		t.Error(s.raw)
	}
	if _, doc := f.page(t, link); doc.Find("form").Length() != 0 {
		t.Error("the form is still shown")
	}
}

func TestTheTokenFrameServesOnlyTheOriginItWasOpenedFor(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	base := f.root + "/cardflo/frame/" + cardflo.SandboxKey
	res, doc := f.page(t, base+"?origin="+url.QueryEscape("http://localhost:8080"))
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors http://localhost:8080") {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Content-Security-Policy"))
	}
	if got := doc.Find("body").AttrOr("data-origin", ""); got != "http://localhost:8080" {
		t.Errorf("origin %q", got)
	}
	for _, origin := range []string{"", "*", "null", "localhost", "ftp://a.example", "http://a.example/path", "http://a.example/", "https://*.example", "http://u:p@a.example", "http://a.example;script-src *"} {
		if res, _ := f.page(t, base+"?origin="+url.QueryEscape(origin)); res.StatusCode != 400 {
			t.Errorf("origin %q: %d", origin, res.StatusCode)
		}
	}
	if res, _ := f.page(t, f.root+"/cardflo/frame/nobody?origin=http://a.example"); res.StatusCode != 404 {
		t.Errorf("unknown key: %d", res.StatusCode)
	}
}

func (f fixture) tokenize(t *testing.T, key, number string) (int, map[string]any) {
	t.Helper()
	res, err := http.Post(f.root+"/cardflo/frame/"+key+"/tokens", "application/json",
		strings.NewReader(fmt.Sprintf(`{"cardNumber":%q,"expiry":"12/30","securityCode":"987"}`, number)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

func TestATokenOfTheFrameIsGoodForOneDebitOfItsConnector(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	code, reply := f.tokenize(t, cardflo.SandboxKey, "4111 1111 1111 1111")
	token, _ := reply["token"].(string)
	if code != 200 || !strings.HasPrefix(token, "ix::") || reply["brand"] != "VISA" || reply["last4"] != "1111" || reply["expiry"] != "12/30" {
		t.Fatal(code, reply)
	}
	foreign := signed(http.MethodPost, "/transaction/"+cardflo.SignedKey+"/debit", sale("t-0", "5.00", "EUR", token))
	refused(t, "another connector", f.do(t, foreign), 400, 1002.0, "transactionToken")
	want(t, f.do(t, debit(sale("t-1", "5.00", "EUR", token))), map[string]any{"success": true, "returnType": "FINISHED"})
	refused(t, "second use", f.do(t, debit(sale("t-2", "5.00", "EUR", token))), 400, 1002.0, "transactionToken")

	_, reply = f.tokenize(t, cardflo.SandboxKey, cardflo.CardInsufficientFunds)
	token, _ = reply["token"].(string)
	want(t, f.do(t, debit(sale("t-3", "5.00", "EUR", token))), map[string]any{"success": false, "returnType": "ERROR"})

	_, reply = f.tokenize(t, cardflo.SandboxKey, cardflo.CardApprove)
	token, _ = reply["token"].(string)
	f.Kit().Clock.Advance(16 * time.Minute)
	refused(t, "old token", f.do(t, debit(sale("t-4", "5.00", "EUR", token))), 400, 1002.0, "transactionToken")

	if code, reply := f.tokenize(t, cardflo.SandboxKey, "4111111111111112"); code != 422 || reply["errors"] == nil {
		t.Error(code, reply)
	}
	if code, _ := f.tokenize(t, "nobody", cardflo.CardApprove); code != 404 {
		t.Error(code)
	}
}

func TestAForeignSiteCannotAskForTokens(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	req, err := http.NewRequest(http.MethodPost, f.root+"/cardflo/frame/"+cardflo.SandboxKey+"/tokens", strings.NewReader(`{"cardNumber":"4111111111111111","expiry":"12/30","securityCode":"123"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", "http://evil.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("answered %d", res.StatusCode)
	}
}

func TestNoCardNumberAndNoSecretEntersJournalOrLedger(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	f.fill(t, f.redirect(t, "j-1", ""), "4111 1111 1111 1111", "12/30", "987", "pay")
	f.fill(t, f.redirect(t, "j-2", ""), "4111-1111-1111-1111", "12/30", "987", "pay")
	f.fill(t, f.redirect(t, "j-3", ""), "41111 1111 1111 111", "12/30", "987", "pay")
	f.fill(t, f.redirect(t, "j-4", ""), "4111111111111112", "12/30", "987", "pay")
	f.tokenize(t, cardflo.SandboxKey, "4111 1111 1111 1111")
	f.do(t, signed(http.MethodPost, "/transaction/"+cardflo.SignedKey+"/debit", sale("j-5", "5.00", "EUR", cardflo.TokenApprove)))
	journal, err := json.Marshal(f.Kit().Journal.Entries())
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := json.Marshal(f.State())
	if err != nil {
		t.Fatal(err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte(cardflo.SandboxUser + ":" + cardflo.SandboxPassword))
	for _, text := range []string{string(journal), string(ledger)} {
		for _, secret := range []string{"411111111111", "4111 1111", "4111+1111", "4111-1111", "41111+1111", "=987", `"987`, basic, cardflo.SignedSecret} {
			if strings.Contains(text, secret) {
				t.Errorf("%q was kept", secret)
			}
		}
	}
	if !strings.Contains(string(ledger), "************1111") || !strings.Contains(string(journal), "j-1") {
		t.Error("the records lost what they should keep")
	}
}

func TestQueuedOutcomesAndFaults(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	push := func(o kit.Outcome) {
		t.Helper()
		if err := f.Kit().Outcomes.Push(o); err != nil {
			t.Fatal(err)
		}
	}
	push(kit.Outcome{Result: kit.Decline, Code: "2005"})
	if a := f.do(t, debit(sale("q-1", "5.00", "EUR", cardflo.TokenApprove))); !strings.Contains(a.raw, `"errorCode":2005`) {
		t.Error(a.raw)
	}
	push(kit.Outcome{Result: kit.Reject, Code: "1000", Message: "Request failed"})
	refused(t, "rejected", f.do(t, debit(sale("q-2", "5.00", "EUR", cardflo.TokenApprove))), 400, 1000.0, "Request failed")
	refused(t, "the rejected id", f.do(t, status("/getByMerchantTransactionId/q-2")), 200, 8001.0, "not found")
	push(kit.Outcome{Result: kit.Decline, Path: "/cardflo/pay/"})
	f.fill(t, f.redirect(t, "q-3", ""), cardflo.CardApprove, "12/30", "123", "pay")
	want(t, f.do(t, status("/getByMerchantTransactionId/q-3")), map[string]any{"transactionStatus": "ERROR"})

	for _, tc := range []struct {
		fault   kit.Fault
		message string
		code    any
	}{
		{kit.Fault{Kind: kit.FaultStatus, Status: 401}, "Unauthorized", nil},
		{kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 3}, "Too Many Requests", nil},
		{kit.Fault{Kind: kit.FaultStatus, Status: 500}, "System Error occurred", 1008.0},
		{kit.Fault{Kind: kit.FaultStatus, Status: 503}, "maintenance", 1010.0},
	} {
		if err := f.Kit().Faults.Push(tc.fault); err != nil {
			t.Fatal(err)
		}
		refused(t, fmt.Sprint(tc.fault.Status), f.do(t, debit(sale("q-4", "5.00", "EUR", cardflo.TokenApprove))), tc.fault.Status, tc.code, tc.message)
	}
	if err := f.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}); err != nil {
		t.Fatal(err)
	}
	f.do(t, debit(sale("q-5", "5.00", "EUR", cardflo.TokenApprove)))
	if n := f.State().Approved["q-5"]; n != 1 {
		t.Errorf("500 after charging charged %d times", n)
	}
}

func TestAStoredCardCanBeChargedByReference(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	first := f.do(t, debit(`{"merchantTransactionId":"i-1","amount":"5.00","currency":"EUR","withRegister":true,"transactionToken":"`+cardflo.TokenApprove+`"}`))
	again := `{"merchantTransactionId":"i-2","amount":"5.00","currency":"EUR","transactionIndicator":"CARDONFILE","referenceUuid":"` + uuid(t, first) + `"}`
	want(t, f.do(t, debit(again)), map[string]any{"success": true, "returnType": "FINISHED"})
	plain := f.do(t, debit(sale("i-3", "5.00", "EUR", cardflo.TokenApprove)))
	refused(t, "unregistered", f.do(t, debit(strings.NewReplacer("i-2", "i-4", uuid(t, first), uuid(t, plain)).Replace(again))), 400, 1006.0, "registered")
}

func TestCallbacksAreSignedLikeRequestsAndRepeatedUntilOK(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	type received struct {
		uri, signature, date, contentType, body string
	}
	var mu sync.Mutex
	var got []received
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, received{r.RequestURI, r.Header.Get("X-Signature"), r.Header.Get("Date"), r.Header.Get("Content-Type"), string(body)})
		if len(got) > 1 {
			_, _ = io.WriteString(w, "OK")
		}
	}))
	t.Cleanup(receiver.Close)
	body := func(id string) string {
		return fmt.Sprintf(`{"merchantTransactionId":%q,"amount":"5.00","currency":"EUR","transactionToken":%q,"callbackUrl":%q}`, id, cardflo.TokenApprove, receiver.URL+"/hook?x=1")
	}
	f.do(t, debit(body("n-0")))
	f.Kit().Callbacks.Wait()
	if len(got) != 0 {
		t.Fatal("sent while switched off")
	}
	f.Kit().Callbacks.Enable(true)
	f.do(t, debit(body("n-1")))
	f.Kit().Callbacks.Wait()
	f.Kit().Clock.Advance(time.Minute)
	kit.Pump(f.Server)
	f.Kit().Callbacks.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 2 {
		t.Fatalf("%d callbacks", len(got))
	}
	for _, r := range got {
		sum := sha512.Sum512([]byte(r.body))
		if want := signature(cardflo.SandboxSecret, "POST", r.contentType, r.date, "/hook?x=1", hex.EncodeToString(sum[:])); r.signature != want {
			t.Errorf("signature %s, want %s", r.signature, want)
		}
		for _, part := range []string{`"result":"OK"`, `"merchantTransactionId":"n-1"`, `"transactionType":"DEBIT"`, `"expiryMonth":"12"`} {
			if !strings.Contains(r.body, part) {
				t.Errorf("%s is missing in %s", part, r.body)
			}
		}
	}
	if got[0].date == got[1].date {
		t.Error("the second attempt carries the first one's date")
	}
}

func TestResetForgetsTransactionsAndTokens(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	f.do(t, debit(sale("z-1", "5.00", "EUR", cardflo.TokenApprove)))
	_, reply := f.tokenize(t, cardflo.SandboxKey, cardflo.CardApprove)
	f.Reset()
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d charges", n)
	}
	token, _ := reply["token"].(string)
	refused(t, "old token", f.do(t, debit(sale("z-2", "5.00", "EUR", token))), 400, 1002.0, "transactionToken")
}
