package cashflows_test

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*cashflows.Server
	t    *testing.T
	root string
}

func newFixture(t *testing.T, cfg cashflows.Config) fixture {
	t.Helper()
	s := cashflows.New(cfg, kit.New(func() time.Time { return begin }))
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return fixture{s, t, srv.URL}
}

type answer struct {
	status int
	raw    string
	json   map[string]any
}

// call is one request to the Gateway; a test changes what it wants to be wrong.
type call struct {
	method, path, body  string
	configuration, hash string
	contentType         string
}

func hash(parts ...string) string {
	sum := sha512.Sum512([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

func request(method, path, body string) call {
	return call{method, path, body, cashflows.ConfigurationID, hash(cashflows.APIKey, body), "application/json"}
}

func reserving(method, path, body string) call {
	return call{method, path, body, cashflows.ReservingConfigurationID, hash(cashflows.ReservingAPIKey, body), "application/json"}
}

func (f fixture) do(c call) answer {
	f.t.Helper()
	req, err := http.NewRequest(c.method, f.root+"/cashflows/api/gateway"+c.path, strings.NewReader(c.body))
	if err != nil {
		f.t.Fatal(err)
	}
	for name, v := range map[string]string{"ConfigurationId": c.configuration, "Hash": c.hash, "Content-Type": c.contentType} {
		if v != "" {
			req.Header.Set(name, v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, raw: string(raw)}
	if c.method != http.MethodHead {
		if err := json.Unmarshal(raw, &a.json); err != nil {
			f.t.Fatalf("%s: %d %q: %v", c.path, res.StatusCode, raw, err)
		}
	}
	return a
}

// at reads a value of the answer by its path: "data.payments.0.status".
func (a answer) at(path string) any {
	var v any = a.json
	for _, name := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func (f fixture) want(a answer, status int, fields map[string]any) {
	f.t.Helper()
	if a.status != status {
		f.t.Errorf("status %d, want %d: %s", a.status, status, a.raw)
	}
	for path, v := range fields {
		if a.at(path) != v {
			f.t.Errorf("%s = %v, want %v: %s", path, a.at(path), v, a.raw)
		}
	}
}

func (f fixture) wantError(a answer, status int, message string) {
	f.t.Helper()
	f.want(a, status, map[string]any{"errorReport.errors.0.message": message, "data": nil})
}

// job writes a payment job; extra are more of its fields.
func job(order, amount, token string, extra ...string) string {
	params := ""
	if token != "" {
		params = `"token":"` + token + `"`
	}
	body := `{"currency":"GBP","amountToCollect":"` + amount + `","parameters":{` + params + `},"order":{"orderNumber":"` + order + `"},"options":["IsMoto"]`
	for _, e := range extra {
		body += "," + e
	}
	return body + "}"
}

func sale(order, amount, token string) call {
	return request(http.MethodPost, "/payment-jobs", job(order, amount, token))
}

// paid makes a payment and gives the path of it.
func (f fixture) paid(order string) string {
	f.t.Helper()
	return f.made(f.do(sale(order, "10.00", cashflows.TokenApprove)), "Paid")
}

func (f fixture) made(a answer, status string) string {
	f.t.Helper()
	f.want(a, http.StatusCreated, map[string]any{"data.paymentStatus": status, "data.payments.0.status": status})
	return fmt.Sprintf("/payment-jobs/%v/payments/%v", a.at("data.reference"), a.at("data.payments.0.reference"))
}

func jobPath(payment string) string {
	before, _, _ := strings.Cut(payment, "/payments/")
	return before
}

func refund(payment, amount, number string) call {
	return request(http.MethodPost, payment+"/refunds", `{"amountToRefund":"`+amount+`","refundNumber":"`+number+`"}`)
}

func capture(payment, body string) call {
	return reserving(http.MethodPost, payment+"/captures", body)
}

func (f fixture) outcome(o kit.Outcome) {
	f.t.Helper()
	if err := f.Kit().Outcomes.Push(o); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) charges(kind string) (n int) {
	for _, c := range f.State().Charges {
		if c.Kind == kind && c.Approved {
			n++
		}
	}
	return n
}

func TestASaleIsPaidAndFound(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	a := f.do(sale("o-1", "9.99", cashflows.TokenApprove))
	payment := f.made(a, "Paid")
	f.want(a, 201, map[string]any{
		"data.amountToCollect": "9.99", "data.currency": "GBP", "data.type": "Payment", "data.order.orderNumber": "o-1", "data.payments.0.paidAmount": "9.99",
		"data.payments.0.attributes.truncatedCardNumber": "411111****1111", "links.action": nil, "errorReport": nil,
	})
	if ref, _ := a.at("data.reference").(string); len(ref) != 18 || !strings.HasPrefix(ref, "260301") {
		t.Errorf("reference %q", ref)
	}
	f.want(f.do(request("GET", jobPath(payment), "")), 200, map[string]any{"data.paymentStatus": "Paid", "data.order.orderNumber": "o-1"})
	f.want(f.do(request("GET", payment, "")), 200, map[string]any{"data.status": "Paid", "data.amountToCollect": "9.99"})
	f.want(f.do(request("GET", jobPath(payment)+"/payments/1", "")), 404, nil)
	f.want(f.do(request("GET", "/payment-jobs/1", "")), 404, nil)
	f.want(f.do(reserving("GET", jobPath(payment), "")), 404, nil)
	for order, status := range map[string]int{"o-1": 200, "o-2": 404} {
		if a := f.do(request("HEAD", "/orders/"+order, "")); a.status != status || a.raw != "" {
			t.Errorf("%s: %d %q", order, a.status, a.raw)
		}
	}
	charges := f.State().Charges
	if len(charges) != 1 || charges[0].Reference != "o-1" || charges[0].AmountMinor != 999 || charges[0].Kind != "sale" || !charges[0].Approved ||
		"/payment-jobs/"+strings.Replace(charges[0].ID, "/", "/payments/", 1) != payment {
		t.Errorf("%+v", charges)
	}
}

func TestTheHashIsOfTheKeyAndThenTheExactBody(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	body := job("o-1", "1.00", cashflows.TokenApprove)
	right := sale("o-1", "1.00", cashflows.TokenApprove)
	for name, c := range map[string]struct {
		hash   string
		status int
	}{
		"body first":      {hash(body, cashflows.APIKey), 401},
		"another key":     {hash("x", body), 401},
		"another body":    {hash(cashflows.APIKey, body, " "), 401},
		"the key alone":   {hash(cashflows.APIKey), 401},
		"missing":         {"", 401},
		"base64":          {"aGFzaA==", 401},
		"capital letters": {strings.ToUpper(hash(cashflows.APIKey, body)), 201},
	} {
		call := right
		call.hash = c.hash
		if a := f.do(call); a.status != c.status {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	get := request("GET", "/supported-payment-methods", "")
	if a := f.do(get); a.status != 200 || get.hash != hash(cashflows.APIKey) {
		t.Errorf("a request without a body: %d", a.status)
	}
	missing, unknown, plain := right, right, right
	missing.configuration, unknown.configuration, plain.contentType = "", "another", "text/plain"
	for _, c := range []struct {
		call   call
		status int
	}{{missing, 401}, {unknown, 404}, {plain, 400}} {
		if a := f.do(c.call); a.status != c.status {
			t.Errorf("%+v: %d", c.call, a.status)
		}
	}
}

// Seed 001 shows the hash inside a body as an older interface has it.
func TestTheEnvelopeFormIsRefused(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	body := `{"ConfigurationID":"` + cashflows.ConfigurationID + `","Hash":"3CDF","Request":{"type":"Payment","currency":"GBP","amountToCollect":"10.00"}}`
	f.wantError(f.do(request("POST", "/payment-jobs", body)), 400, "Send the request itself, with ConfigurationId and Hash as headers.")
}

func TestTenWrongSignaturesInARowLockTheConfiguration(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	wrong := request("GET", "/supported-payment-methods", "")
	wrong.hash = hash("x")
	right := request("GET", "/supported-payment-methods", "")
	for range cashflows.LockAfter - 1 {
		f.want(f.do(wrong), 401, nil)
	}
	f.want(f.do(right), 200, nil) // which begins the row anew
	for range cashflows.LockAfter {
		f.want(f.do(wrong), 401, nil)
	}
	f.wantError(f.do(right), 403, "Too many attempts.")
	f.want(f.do(reserving("GET", "/supported-payment-methods", "")), 200, nil)
	f.Reset()
	f.want(f.do(right), 200, nil)
}

func TestRequestsAreStrict(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	for name, body := range map[string]string{
		"no JSON":               `{`,
		"more behind it":        `{"currency":"GBP","amountToCollect":"1.00"}{}`,
		"a list":                `[]`,
		"no currency":           `{"amountToCollect":"1.00"}`,
		"an unknown field":      `{"currency":"GBP","amountToCollect":"1.00","reference":"x"}`,
		"another case":          `{"Currency":"GBP","amountToCollect":"1.00"}`,
		"an unknown parameter":  `{"currency":"GBP","amountToCollect":"1.00","parameters":{"cardToken":"x"}}`,
		"an unknown order part": `{"currency":"GBP","amountToCollect":"1.00","order":{"number":"x"}}`,
		"an unknown option":     `{"currency":"GBP","amountToCollect":"1.00","options":["isMoto"]}`,
		"an unknown type":       `{"currency":"GBP","amountToCollect":"1.00","type":"Refund"}`,
		"three decimals":        `{"currency":"GBP","amountToCollect":"1.000"}`,
		"a comma":               `{"currency":"GBP","amountToCollect":"1,00"}`,
		"a negative amount":     `{"currency":"GBP","amountToCollect":"-1.00"}`,
		"a currency as number":  `{"currency":826,"amountToCollect":"1.00"}`,
		"an options object":     `{"currency":"GBP","amountToCollect":"1.00","options":{}}`,
		"a parent as number":    `{"currency":"GBP","amountToCollect":"1.00","parentPaymentJobReference":190721000461508616}`,
		"a token of 51":         job("o", "1.00", strings.Repeat("x", 51)),
		"an address that is no": `{"currency":"GBP","amountToCollect":"1.00","parameters":{"webhookUrl":"x"}}`,
		"a time that is none":   `{"currency":"GBP","amountToCollect":"1.00","expirationDateTimeUtc":"tomorrow"}`,
	} {
		if a := f.do(request("POST", "/payment-jobs", body)); a.status != 400 || a.at("errorReport.errors.0.code") != nil {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	payment := f.paid("o-1")
	for path, body := range map[string]string{"/refunds": `{"amount":"1.00"}`, "/captures": `{"amountToCapture":"1.00","isFinalCapture":"true"}`} {
		if a := f.do(request("POST", payment+path, body)); a.status != 400 {
			t.Errorf("%s: %d %s", path, a.status, a.raw)
		}
	}
	// An amount may be a number: the provider's older clients type it so.
	f.made(f.do(request("POST", "/payment-jobs", strings.Replace(job("o-2", "1.00", cashflows.TokenApprove), `"1.00"`, `1.5`, 1))), "Paid")
	if n := f.charges("sale"); n != 2 {
		t.Errorf("%d charges", n)
	}
}

// What takes a card number is refused or is not there.
func TestCardNumbersAreNotTaken(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	body := `{"currency":"GBP","amountToCollect":"1.00","parameters":{"cardNumber":"4111111111111111","cardCvc":"123"}}`
	f.wantError(f.do(request("POST", "/payment-jobs", body)), 400, "Direct card payments are not allowed.")
	f.want(f.do(request("POST", "/card-tokenisation", `{"cardNumber":"4111111111111111"}`)), 404, nil)
	f.want(f.do(request("POST", "/payment-intents/", `{}`)), 404, nil)
	journal := fmt.Sprint(f.Kit().Journal.Entries())
	if strings.Contains(journal, "4111111111111111") || strings.Contains(journal, `"123"`) || strings.Contains(journal, hash(cashflows.APIKey, body)) {
		t.Errorf("the journal holds a card: %s", journal)
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// reached are requests that end with each of the document's thirty messages, by
// themselves.
var reached = []struct {
	message, code string
	status        int
	do            func(f fixture) answer
}{
	{"Cannot recur on a non recurring parent.", "", 400, func(f fixture) answer {
		parent := strings.TrimPrefix(jobPath(f.paid("p")), "/payment-jobs/")
		return f.do(request("POST", "/payment-jobs", job("o", "1.00", "", `"parentPaymentJobReference":"`+parent+`"`)))
	}},
	{"The total capture amount exceeds original authorised amount.", "CaptureAmountExceedsOriginalAuthorisation", 400, func(f fixture) answer {
		return f.do(capture(f.held("o"), `{"amountToCapture":"10.01"}`))
	}},
	{"Payment has been refused.", "", 201, func(f fixture) answer { return f.do(sale("o", "1.00", cashflows.TokenDecline)) }},
	{"Refund has been refused.", "GenericRejectionOfRefund", 200, func(f fixture) answer {
		payment := f.paid("o")
		f.outcome(kit.Outcome{Result: kit.Decline})
		return f.do(refund(payment, "1.00", "r"))
	}},
	{"Credit payment has been refused.", "", 201, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", job("o", "1.00", cashflows.TokenDecline, `"type":"Credit"`)))
	}},
	{"Capture has an invalid status.", "InvalidCaptureStatus", 400, func(f fixture) answer {
		payment := f.held("o")
		f.outcome(kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: 60})
		f.want(f.do(capture(payment, `{"amountToCapture":"1.00","isFinalCapture":false}`)), 200, map[string]any{"data.status": "Pending"})
		return f.do(capture(payment, `{"amountToCapture":"1.00"}`))
	}},
	{"Unable to refund this payment.", "InvalidPaymentForRefund", 400, func(f fixture) answer {
		return f.do(reserving("POST", f.held("o")+"/refunds", `{"amountToRefund":"1.00"}`))
	}},
	{"Unable to perform credit payment.", "InvalidPaymentForCredit", 400, func(f fixture) answer {
		parent := strings.TrimPrefix(jobPath(f.made(f.do(sale("p", "1.00", cashflows.TokenDecline)), "Declined")), "/payment-jobs/")
		return f.do(request("POST", "/payment-jobs", job("o", "1.00", "", `"type":"Credit"`, `"parentPaymentJobReference":"`+parent+`"`)))
	}},
	{"Payment has an invalid status.", "InvalidPaymentStatus", 400, func(f fixture) answer {
		return f.do(request("PATCH", f.made(f.do(sale("o", "1.00", cashflows.TokenDecline)), "Declined")+"/cancel", ""))
	}},
	{"Refund has an invalid status.", "InvalidRefundStatus", 400, func(f fixture) answer {
		payment := f.paid("o")
		f.outcome(kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: 60})
		f.want(f.do(refund(payment, "1.00", "r1")), 200, map[string]any{"data.status": "Pending"})
		return f.do(refund(payment, "1.00", "r2"))
	}},
	{"Card payments without 3D Secure are not allowed.", "NonThreeDSecureNotAllowed", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1.00", cashflows.TokenApprove), "IsMoto", "Frictionless", 1)))
	}},
	{"No payment method selected.", "", 400, func(f fixture) answer { return f.do(sale("o", "1.00", "no-such-token")) }},
	{"The supplied order reference is not unique.", "", 400, func(f fixture) answer {
		f.paid("o")
		return f.do(sale("o", "1.00", cashflows.TokenApprove))
	}},
	{"Payment has already been fully refunded.", "PaymentAlreadyFullyRefunded", 400, func(f fixture) answer {
		payment := f.paid("o")
		f.want(f.do(refund(payment, "10.00", "r1")), 200, map[string]any{"data.status": "Completed"})
		return f.do(refund(payment, "0.01", "r2"))
	}},
	{"Payment job is already final.", "", 400, func(f fixture) answer {
		payment := f.held("o")
		f.want(f.do(capture(payment, `{"amountToCapture":"1.00","isFinalCapture":true}`)), 200, map[string]any{"data.status": "Completed"})
		return f.do(capture(payment, `{"amountToCapture":"1.00"}`))
	}},
	{"Payment job can not be cancelled.", "", 400, func(f fixture) answer {
		payment := f.paid("o")
		f.Kit().Clock.Advance(24 * time.Hour)
		return f.do(request("PATCH", payment+"/cancel", ""))
	}},
	{"Error while communicating.", "", 400, func(f fixture) answer { return f.do(sale("o", "1.00", cashflows.TokenLost)) }},
	{"Payment method not allowed.", "", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", job("o", "1.00", cashflows.TokenApprove, `"paymentMethodsToUse":["ideal"]`)))
	}},
	{"The payment method rejected the request.", "", 201, func(f fixture) answer { return f.do(sale("o", "1.00", cashflows.TokenRejected)) }},
	{"Invalid amount for payment method.", "", 400, func(f fixture) answer { return f.do(sale("o", "0.00", cashflows.TokenApprove)) }},
	{"The validation for recipient detail fields failed.", "", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1.00", cashflows.TokenApprove), `"token"`, `"recipientDetails":"x","token"`, 1)))
	}},
	{"The total refund amount exceeds original paid amount.", "RefundAmountExceedsOriginalAmount", 400, func(f fixture) answer {
		return f.do(refund(f.paid("o"), "10.01", "r"))
	}},
	{"3DSecure Authentication Failed - Payment cannot proceed.", "ThreeDSecureFailed", 200, func(f fixture) answer { return f.typed(cashflows.HolderFailed) }},
	{"3DSecure Authentication Unavailable - Payment cannot proceed.", "ThreeDSecureUnavailable", 200, func(f fixture) answer { return f.typed(cashflows.HolderUnavailable) }},
	{"3DSecure Authentication Unavailable - Payment cannot proceed.", "ThreeDSecureMethodPostCallbackConflict", 201, func(f fixture) answer {
		f.outcome(kit.Outcome{Result: kit.Decline, Code: "ThreeDSecureMethodPostCallbackConflict"})
		return f.do(sale("o", "1.00", cashflows.TokenApprove))
	}},
	{"Invalid customer reference provided.", "InvalidCustomerReference", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1.00", cashflows.TokenApprove), `"orderNumber"`, `"customerReference":"190729000042078200","orderNumber"`, 1)))
	}},
	{"Direct card payments are not allowed.", "", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1.00", "x"), `"token"`, `"cardExpiryYear"`, 1)))
	}},
	{"Too many attempts.", "", 403, func(f fixture) answer {
		c := sale("o", "1.00", cashflows.TokenApprove)
		c.hash = ""
		for range cashflows.LockAfter {
			f.do(c)
		}
		return f.do(sale("o", "1.00", cashflows.TokenApprove))
	}},
	{"It is not allowed to set parent frame domains for embedding the payment page.", "", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1.00", cashflows.TokenApprove), `"token"`, `"allowedParentFrameDomains":"shop.example","token"`, 1)))
	}},
	{"Unable to create paymentjob without payment methods available.", "", 400, func(f fixture) answer {
		return f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1", cashflows.TokenApprove), "GBP", "JPY", 1)))
	}},
}

// held makes a reserved payment of 10.00.
func (f fixture) held(order string) string {
	f.t.Helper()
	return f.made(f.do(reserving("POST", "/payment-jobs", job(order, "10.00", cashflows.TokenApprove))), "Reserved")
}

// typed pays a page under a holder's name and gives the job's status.
func (f fixture) typed(holder string) answer {
	f.t.Helper()
	a := f.do(sale("o", "1.00", ""))
	f.post(a, card(holder, cashflows.CardApprove))
	return f.do(request("GET", "/payment-jobs/"+a.at("data.reference").(string), ""))
}

func TestEachOfTheThirtyMessagesIsReached(t *testing.T) {
	all := lines(t, "messages.txt")
	if len(all) != 30 || len(reached) != 30 {
		t.Fatalf("the document has %d messages, %d are reached", len(all), len(reached))
	}
	for i, c := range reached {
		t.Run(c.message, func(t *testing.T) {
			if c.message != all[i] {
				t.Fatalf("the document's message is %q", all[i])
			}
			f := newFixture(t, cashflows.Config{})
			a := c.do(f)
			want := any(c.code)
			if c.code == "" {
				want = nil
			}
			f.want(a, c.status, map[string]any{"errorReport.errors.0.message": c.message, "errorReport.errors.0.code": want})
		})
	}
}

// A queued outcome answers any of them to any operation, and then nothing is
// made.
func TestAQueuedOutcomeAnswersAnyMessage(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	payment := f.paid("first")
	before := fmt.Sprint(f.State())
	for i, c := range reached {
		for _, o := range []kit.Outcome{{Result: kit.Reject, Message: c.message}, {Result: kit.Reject, Code: c.code}} {
			if o.Message == "" && o.Code == "" {
				continue
			}
			for _, do := range []call{sale(fmt.Sprint("o-", i), "1.00", cashflows.TokenApprove), refund(payment, "1.00", "r"), request("PATCH", payment+"/cancel", "")} {
				f.outcome(o)
				f.wantError(f.do(do), 400, c.message)
			}
		}
	}
	if after := fmt.Sprint(f.State()); after != before {
		t.Errorf("the ledger changed: %s", after)
	}
	// The emulator invents no code.
	f.outcome(kit.Outcome{Result: kit.Reject, Message: "other words"})
	f.want(f.do(sale("o", "1.00", cashflows.TokenApprove)), 400, map[string]any{"errorReport.errors.0.message": "other words", "errorReport.errors.0.code": nil})
}

func TestEachWarningIsReached(t *testing.T) {
	f := newFixture(t, cashflows.Config{MaxTokens: 1})
	f.outcome(kit.Outcome{Result: kit.Approve, Message: "Payment has an unexpected status."})
	got := []answer{f.do(sale("o-1", "1.00", cashflows.TokenApprove))}
	for i := range 2 {
		a := f.do(request("POST", "/payment-jobs", strings.Replace(job(fmt.Sprint("t-", i), "1.00", ""), "IsMoto", `GenerateToken","IsMoto`, 1)))
		f.post(a, card("Ada", cashflows.CardApprove))
		if a = f.do(request("GET", "/payment-jobs/"+a.at("data.reference").(string), "")); i == 1 {
			got = append(got, a)
		} else if token, _ := a.at("data.payments.0.attributes.token").(string); token == "" || a.at("errorReport") != nil {
			t.Errorf("no token: %s", a.raw)
		}
	}
	got = append(got, f.do(request("POST", "/payment-jobs", strings.Replace(job("o-2", "1.00", cashflows.TokenApprove), `"token"`, `"paymentPageReference":"x","token"`, 1))))
	codes := []any{"UnexpectedPaymentStatus", "MaximunNumberOfTokensReached", nil}
	for i, message := range lines(t, "warnings.txt") {
		f.want(got[i], got[i].status, map[string]any{"data.paymentStatus": "Paid", "errorReport.warnings.0.message": message, "errorReport.warnings.0.code": codes[i]})
	}
}

func TestTokensEndPaymentsInTheirOwnWay(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	for token, status := range map[string]string{
		cashflows.TokenApprove: "Paid", cashflows.TokenMastercard: "Paid", cashflows.TokenDecline: "Declined", cashflows.TokenBlocked: "Blocked",
		cashflows.TokenFailed: "Failed", cashflows.TokenRejected: "Rejected", cashflows.TokenPending: "Pending",
	} {
		f.made(f.do(sale(token, "1.00", token)), status)
	}
	if n := f.charges("sale"); n != 2 {
		t.Errorf("%d paid", n)
	}
	f.Kit().Clock.Advance(time.Minute)
	if n := f.charges("sale"); n != 3 {
		t.Errorf("%d paid a minute later", n)
	}
}

// simulatedStatus exists; its values are assumed to be the words of the status.
func TestEveryStatusWordCanBeMade(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	for _, word := range []string{"Pending", "Reserved", "Commissioned", "Paid", "Verified", "Cancelled", "Failed", "Rejected", "Expired", "Blocked", "Declined"} {
		f.made(f.do(request("POST", "/payment-jobs", strings.Replace(job(word, "1.00", cashflows.TokenApprove), `"token"`, `"simulatedStatus":"`+word+`","token"`, 1))), word)
	}
}

func TestRefundsStayWithinThePayment(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	payment := f.paid("o")
	for i, amount := range []string{"0.01", "3.00", "6.99"} {
		f.want(f.do(refund(payment, amount, fmt.Sprint("r-", i))), 200, map[string]any{"data.status": "Completed", "data.amountToRefund": amount, "data.refundNumber": fmt.Sprint("r-", i)})
	}
	f.want(f.do(request("GET", payment, "")), 200, map[string]any{"data.status": "Paid", "data.refunds.2.refundNumber": "r-2", "data.refunds.2.status": "Completed"})
	// Without an amount it is all that is left.
	payment = f.paid("o-2")
	f.want(f.do(request("POST", payment+"/refunds", `{}`)), 200, map[string]any{"data.amountToRefund": "10.00"})
	if n := f.charges("refund"); n != 4 {
		t.Errorf("%d refunds", n)
	}
	// One in progress ends by the clock.
	payment = f.paid("o-3")
	f.outcome(kit.Outcome{Result: kit.InProgress, Then: kit.Decline, AfterSeconds: 60})
	f.want(f.do(refund(payment, "1.00", "late")), 200, map[string]any{"data.status": "Pending"})
	f.Kit().Clock.Advance(time.Minute)
	f.want(f.do(request("GET", payment, "")), 200, map[string]any{"data.refunds.0.status": "Failed"})
}

func TestCapturesStayWithinTheHold(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	payment := f.held("o")
	f.want(f.do(capture(payment, `{"amountToCapture":"4.00","isFinalCapture":false}`)), 200, map[string]any{"data.status": "Completed", "data.amountToCapture": "4.00", "data.isFinalCapture": false})
	f.want(f.do(reserving("GET", payment, "")), 200, map[string]any{"data.status": "Reserved", "data.paidAmount": "4.00"})
	f.want(f.do(capture(payment, `{"amountToCapture":"6.01"}`)), 400, nil)
	f.want(f.do(capture(payment, `{}`)), 200, map[string]any{"data.amountToCapture": "6.00"})
	f.want(f.do(reserving("GET", payment, "")), 200, map[string]any{"data.status": "Paid", "data.captures.1.status": "Completed"})
	// The last one gives back what is left, and only what is taken can be refunded.
	payment = f.held("o-2")
	f.want(f.do(capture(payment, `{"amountToCapture":"4.00","isFinalCapture":true}`)), 200, nil)
	f.want(f.do(reserving("POST", payment+"/refunds", `{"amountToRefund":"4.01"}`)), 400, nil)
	f.want(f.do(reserving("POST", payment+"/refunds", `{"amountToRefund":"4.00"}`)), 200, nil)
	// A capture that the acquirer refuses leaves the hold.
	payment = f.held("o-3")
	f.outcome(kit.Outcome{Result: kit.Decline})
	f.want(f.do(capture(payment, `{"amountToCapture":"4.00"}`)), 200, map[string]any{"data.status": "Failed"})
	f.want(f.do(capture(payment, `{"amountToCapture":"10.00"}`)), 200, map[string]any{"data.status": "Completed"})
	// Within seven days.
	payment = f.held("o-4")
	f.Kit().Clock.Advance(7*24*time.Hour + time.Second)
	f.wantError(f.do(capture(payment, `{"amountToCapture":"4.00"}`)), 400, "Capture has an invalid status.")
}

func TestCancellationIsWholeAndSameDay(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	payment := f.paid("o")
	f.want(f.do(request("PATCH", payment+"/cancel", "")), 200, map[string]any{"data.status": "Cancelled"})
	f.want(f.do(request("PATCH", payment+"/cancel", "")), 400, nil)
	f.want(f.do(request("GET", jobPath(payment), "")), 200, map[string]any{"data.paymentStatus": "Cancelled"})
	held := f.held("h")
	f.want(f.do(reserving("PATCH", held+"/cancel", "")), 200, map[string]any{"data.status": "Cancelled"})
	f.want(f.do(capture(held, `{}`)), 400, nil)
	payment = f.paid("declined")
	f.outcome(kit.Outcome{Result: kit.Decline})
	f.want(f.do(request("PATCH", payment+"/cancel", "")), 200, map[string]any{"data.status": "Paid", "errorReport.errors.0.message": "The payment method rejected the request."})
	payment = f.paid("refunded")
	f.want(f.do(refund(payment, "1.00", "r")), 200, nil)
	f.want(f.do(request("PATCH", payment+"/cancel", "")), 400, nil)
	if f.charges("void") != 2 {
		t.Errorf("%+v", f.State().Charges)
	}
	// A job that nobody has paid is cancelled as a job.
	a := f.do(sale("page", "1.00", ""))
	open := "/payment-jobs/" + a.at("data.reference").(string)
	f.want(f.do(request("PATCH", open+"/cancel", "")), 200, map[string]any{"data.paymentStatus": "Cancelled", "links.action": nil})
	f.wantError(f.do(request("PATCH", open+"/cancel", "")), 400, "Payment job is already final.")
	f.want(f.do(request("PATCH", "/payment-jobs/1/cancel", "")), 404, nil)
}

func TestAJobExpires(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	usual := f.do(sale("usual", "1.00", ""))
	short := f.do(request("POST", "/payment-jobs", job("short", "1.00", "", `"expirationDateTimeUtc":"2026-03-01T13:00:00Z"`)))
	status := func(a answer) any {
		return f.do(request("GET", "/payment-jobs/"+a.at("data.reference").(string), "")).at("data.paymentStatus")
	}
	f.want(usual, 201, map[string]any{"data.expirationDateTimeUtc": "2026-09-01T12:00:00.000Z"})
	f.Kit().Clock.Advance(time.Hour)
	if status(usual) != "Pending" || status(short) != "Expired" {
		t.Errorf("%v, %v", status(usual), status(short))
	}
	f.Kit().Clock.Advance(184 * 24 * time.Hour)
	if status(usual) != "Expired" {
		t.Errorf("%v", status(usual))
	}
	f.want(f.do(request("PATCH", "/payment-jobs/"+short.at("data.reference").(string)+"/cancel", "")), 400, nil)
}

func TestChildJobsChargeTheirParentsCard(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	// A parent may be for nothing; the card is then verified.
	parent := f.do(request("POST", "/payment-jobs", strings.Replace(job("parent", "0.00", ""), "IsMoto", "IsRecurringPaymentJobParent", 1)))
	ref := parent.at("data.reference").(string)
	child := func(order, extra string) answer {
		return f.do(request("POST", "/payment-jobs", job(order, "5.00", "", `"parentPaymentJobReference":"`+ref+`"`+extra)))
	}
	f.wantError(child("early", ""), 400, "Cannot recur on a non recurring parent.")
	f.post(parent, card("Luke Skywalker", cashflows.CardMastercard))
	f.want(f.do(request("GET", "/payment-jobs/"+ref, "")), 200, map[string]any{"data.paymentStatus": "Verified"})
	f.want(child("c-1", ""), 201, map[string]any{"data.paymentStatus": "Paid", "data.parentPaymentJobReference": ref, "data.payments.0.attributes.truncatedCardNumber": "555555****4444"})
	f.want(child("c-2", `,"type":"Credit"`), 201, map[string]any{"data.paymentStatus": "Paid", "data.type": "Credit"})
	f.want(f.do(request("POST", "/payment-jobs", job("c-3", "5.00", "", `"parentPaymentJobReference":"190721000461508616"`))), 404, nil)
	if f.charges("sale") != 1 || f.charges("payout") != 1 || f.charges("register") != 1 {
		t.Errorf("%+v", f.State().Charges)
	}
}

func card(holder, number string) url.Values {
	return url.Values{"card_holder": {holder}, "card_number": {number}, "expiry": {"12/40"}, "security_code": {"123"}}
}

// post sends a form to a job's page and gives where it leads.
func (f fixture) post(a answer, form url.Values) *http.Response {
	f.t.Helper()
	to, _ := a.at("links.action.url").(string)
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.PostForm(to, form)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestThePageIsAPlainFormWithoutScript(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	body := strings.Replace(job("o 1", "10.00", ""), `"parameters":{}`,
		`"parameters":{"returnUrlSuccess":"https://shop.example/back?a=1","returnUrlFailed":"https://shop.example/failed","returnUrlCancelled":"https://shop.example/cancelled"}`, 1)
	a := f.do(request("POST", "/payment-jobs", body))
	to := a.at("links.action.url").(string)
	res, err := http.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if p := res.Header.Get("Content-Security-Policy"); p != "default-src 'none'; style-src 'self'; base-uri 'none'" || doc.Find("script, [style], [onclick]").Length() != 0 {
		t.Errorf("policy %q", p)
	}
	if doc.Find("form[method=post] label").Length() != 4 || doc.Find("html[lang=en] main h1").Length() != 1 || !strings.Contains(doc.Find(".sum").Text(), "GBP 10.00") {
		t.Error("the form is not whole")
	}
	doc.Find("label").Each(func(_ int, l *goquery.Selection) {
		if doc.Find("#"+l.AttrOr("for", "?")).Length() != 1 {
			t.Errorf("label %q has no field", l.Text())
		}
	})
	css, err := http.Get(f.root + "/cashflows/assets/sandbox.css")
	if err != nil || css.StatusCode != 200 {
		t.Errorf("style: %v", err)
	}
	_ = css.Body.Close()
	// Mistakes keep what was typed, but for the number and the code.
	wrong := f.post(a, url.Values{"card_holder": {"Ada"}, "card_number": {"4111111111111112"}, "expiry": {"12/20"}, "security_code": {"1"}})
	page, err := goquery.NewDocumentFromReader(wrong.Body)
	if err != nil || wrong.StatusCode != 422 || page.Find(".error").Length() != 3 || page.Find("#card-holder").AttrOr("value", "") != "Ada" {
		t.Errorf("%d, %d errors, %v", wrong.StatusCode, page.Find(".error").Length(), err)
	}
	if html, _ := page.Html(); strings.Contains(html, "4111111111111112") {
		t.Error("the number came back")
	}
	done := f.post(a, card("Luke Skywalker", cashflows.CardApprove))
	back, err := url.Parse(done.Header.Get("Location"))
	if err != nil || done.StatusCode != 303 || back.Host != "shop.example" || back.Query().Get("a") != "1" || back.Query().Get("status") != "success" ||
		back.Query().Get("paymentjobref") != a.at("data.reference") || back.Query().Get("ordernumber") != "o 1" {
		t.Errorf("%d %s", done.StatusCode, back)
	}
	// A second post changes nothing.
	before := fmt.Sprint(f.State())
	f.post(a, url.Values{"action": {"cancel"}})
	if after := fmt.Sprint(f.State()); after != before {
		t.Error(after)
	}
	for _, seen := range []string{fmt.Sprint(f.Kit().Journal.Entries()), fmt.Sprint(f.State())} {
		if strings.Contains(seen, "4111111111111111") {
			t.Errorf("a card number was kept: %s", seen)
		}
	}
	for name, form := range map[string]url.Values{"failed": card("Ada", cashflows.CardDecline), "cancelled": {"action": {"cancel"}}} {
		a := f.do(request("POST", "/payment-jobs", strings.Replace(body, "o 1", name, 1)))
		if to := f.post(a, form).Header.Get("Location"); !strings.HasPrefix(to, "https://shop.example/"+name+"?") {
			t.Errorf("%s leads to %s", name, to)
		}
	}
	lost, err := http.Get(f.root + "/cashflows/payment?ref=x")
	if err != nil || lost.StatusCode != 404 {
		t.Errorf("%v", err)
	}
	_ = lost.Body.Close()
}

func TestThePageDecidesByNumberAndName(t *testing.T) {
	for name, c := range map[string]struct {
		forms  []url.Values
		status string
	}{
		"Luke Skywalker":   {[]url.Values{card("Luke Skywalker", cashflows.CardApprove)}, "Paid"},
		"Han Solo, open":   {[]url.Values{card("Han Solo", cashflows.CardApprove)}, "Pending"},
		"Han Solo, passed": {[]url.Values{card("Han Solo", cashflows.CardApprove), {"action": {"pass"}}}, "Paid"},
		"Han Solo, failed": {[]url.Values{card("Han Solo", cashflows.CardApprove), {"action": {"fail"}}}, "Declined"},
		"Han Solo, away":   {[]url.Values{card("Han Solo", cashflows.CardApprove), {"action": {"cancel"}}}, "Cancelled"},
		"Leia Skywalker":   {[]url.Values{card("Leia Skywalker", cashflows.CardApprove)}, "Pending"},
		"Lando Calrissian": {[]url.Values{card("Lando Calrissian", cashflows.CardApprove)}, "Declined"},
		"Darth Maul":       {[]url.Values{card("Darth Maul", cashflows.CardApprove)}, "Declined"},
		"declined":         {[]url.Values{card("Ada", cashflows.CardDecline)}, "Declined"},
		"blocked":          {[]url.Values{card("Ada", cashflows.CardBlocked)}, "Blocked"},
		"rejected":         {[]url.Values{card("Ada", cashflows.CardRejected)}, "Rejected"},
		"pending":          {[]url.Values{card("Ada", cashflows.CardPending)}, "Pending"},
		"another number":   {[]url.Values{card("Ada", "4012888888881881")}, "Declined"},
		"cancelled":        {[]url.Values{{"action": {"cancel"}}}, "Cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cashflows.Config{})
			a := f.do(sale("o", "1.00", ""))
			for _, form := range c.forms {
				f.post(a, form)
			}
			f.want(f.do(request("GET", "/payment-jobs/"+a.at("data.reference").(string), "")), 200, map[string]any{"data.paymentStatus": c.status})
			res, err := http.Get(a.at("links.action.url").(string))
			if err != nil || res.StatusCode != 200 {
				t.Errorf("the page afterwards: %v", err)
			}
			_ = res.Body.Close()
		})
	}
	// A queued outcome is taken by the page, not by the job.
	f := newFixture(t, cashflows.Config{})
	f.outcome(kit.Outcome{Result: kit.Decline, Code: "Failed", Path: "/cashflows/payment"})
	a := f.do(sale("o", "1.00", ""))
	f.post(a, card("Ada", cashflows.CardApprove))
	f.want(f.do(request("GET", "/payment-jobs/"+a.at("data.reference").(string), "")), 200, map[string]any{"data.paymentStatus": "Failed"})
}

// receiver takes webhooks and answers as a test wants.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	header http.Header
	reply  func(body string) (int, string)
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{reply: func(body string) (int, string) { return 200, body }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.header = append(r.bodies, string(b)), req.Header
		status, body := r.reply(string(b))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func TestWebhooksNameThePaymentAndAreNotSigned(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	f.Kit().Callbacks.Enable(true)
	r := receive(t)
	hooked := func(order, token string) string {
		return strings.Replace(job(order, "1.00", token), `"parameters":{`, `"parameters":{"webhookUrl":"`+r.URL+`",`, 1)
	}
	a := f.do(request("POST", "/payment-jobs", hooked("o", cashflows.TokenApprove)))
	f.Kit().Callbacks.Wait()
	want := fmt.Sprintf(`{"paymentJobReference":"%v","paymentReference":"%v"}`, a.at("data.reference"), a.at("data.payments.0.reference"))
	if r.count() != 1 || r.bodies[0] != want || r.header.Get("Hash") != "" || r.header.Get("X-Signature") != "" || r.header.Get("Authorization") != "" {
		t.Errorf("%v %v", r.bodies, r.header)
	}
	// Each change of the status is told once it is confirmed.
	f.want(f.do(request("PATCH", f.made(a, "Paid")+"/cancel", "")), 200, nil)
	f.Kit().Callbacks.Wait()
	pend := f.do(request("POST", "/payment-jobs", hooked("p", cashflows.TokenPending)))
	f.Kit().Clock.Advance(time.Minute)
	kit.Pump(f)
	f.Kit().Callbacks.Wait()
	f.want(f.do(request("GET", "/payment-jobs/"+pend.at("data.reference").(string), "")), 200, map[string]any{"data.paymentStatus": "Paid"})
	if r.count() != 4 { // paid, cancelled, pending, paid
		t.Errorf("%d webhooks", r.count())
	}
	// A recurring job uses its parent's address.
	parent := f.do(request("POST", "/payment-jobs", strings.Replace(hooked("parent", cashflows.TokenApprove), "IsMoto", `IsMoto","IsRecurringPaymentJobParent`, 1)))
	f.want(f.do(request("POST", "/payment-jobs", job("child", "1.00", "", `"parentPaymentJobReference":"`+parent.at("data.reference").(string)+`"`))), 201, nil)
	f.Kit().Callbacks.Wait()
	if r.count() != 6 {
		t.Errorf("%d webhooks", r.count())
	}
	f.paid("nobody is told")
	f.Kit().Callbacks.Wait()
	if r.count() != 6 {
		t.Errorf("%d webhooks", r.count())
	}
}

// Each minute, then daily, then weekly, up to a month.
func TestWebhooksAreRepeatedUntilBothReferencesAreEchoed(t *testing.T) {
	f := newFixture(t, cashflows.Config{Accounts: []cashflows.Account{{ConfigurationID: cashflows.ConfigurationID, APIKey: cashflows.APIKey, AutoCapture: true}}})
	f.Kit().Callbacks.Enable(true)
	r := receive(t)
	replies := []func(string) (int, string){
		func(string) (int, string) { return 500, "" }, func(string) (int, string) { return 200, "OK" }, func(string) (int, string) { return 200, "{}" },
		func(b string) (int, string) { return 201, b }, func(b string) (int, string) { return 200, strings.Replace(b, "26", "27", 1) },
	}
	r.reply = func(b string) (int, string) { return replies[min(len(r.bodies), len(replies))-1](b) }
	f.do(request("POST", "/payment-jobs", strings.Replace(job("o", "1.00", cashflows.TokenApprove), `"parameters":{`, `"parameters":{"webhookUrl":"`+r.URL+`",`, 1)))
	f.Kit().Callbacks.Wait()
	for i, wait := range append(append(times(10, time.Minute), times(7, 24*time.Hour)...), times(3, 7*24*time.Hour)...) {
		f.Kit().Clock.Advance(wait - time.Second)
		kit.Pump(f)
		f.Kit().Callbacks.Wait()
		if r.count() != i+1 {
			t.Fatalf("attempt %d came early", i+2)
		}
		f.Kit().Clock.Advance(time.Second)
		kit.Pump(f)
		f.Kit().Callbacks.Wait()
		if r.count() != i+2 {
			t.Fatalf("attempt %d did not come", i+2)
		}
	}
	f.Kit().Clock.Advance(60 * 24 * time.Hour)
	kit.Pump(f)
	f.Kit().Callbacks.Wait()
	if r.count() != 21 {
		t.Errorf("%d attempts", r.count())
	}
	r.mu.Lock()
	r.reply = func(b string) (int, string) { return 200, b }
	r.mu.Unlock()
	f.do(request("POST", "/payment-jobs", strings.Replace(job("o-2", "1.00", cashflows.TokenApprove), `"parameters":{`, `"parameters":{"webhookUrl":"`+r.URL+`",`, 1)))
	f.Kit().Callbacks.Wait()
	f.Kit().Clock.Advance(time.Hour)
	kit.Pump(f)
	f.Kit().Callbacks.Wait()
	if r.count() != 22 {
		t.Errorf("a confirmed webhook was repeated: %d", r.count())
	}
}

func times(n int, d time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

func TestFaultsSpoilAnswersInTheGatewaysShape(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	for _, status := range []int{401, 403, 404, 429, 500, 503} {
		if err := f.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: status}); err != nil {
			t.Fatal(err)
		}
		f.want(f.do(sale("o", "1.00", cashflows.TokenApprove)), status, map[string]any{"errorReport.errors.0.message": http.StatusText(status)})
	}
	if len(f.State().Charges) != 0 {
		t.Error("something was charged")
	}
}

func TestNumbersInPlaceOfTexts(t *testing.T) {
	f := newFixture(t, cashflows.Config{NumberAmounts: true})
	a := f.do(sale("o", "9.90", cashflows.TokenApprove))
	if !strings.Contains(a.raw, `"amountToCollect":9.90`) {
		t.Error(a.raw)
	}
}

func TestAdoptedChargesCanBeRefunded(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	const id = "190721000461508616/190721100444600320"
	charges := []kit.Charge{
		{Reference: "o", ID: id, Kind: "sale", AmountMinor: 1000, Currency: "GBP", At: begin},
		{Reference: "r", ID: id + "/190721100444600321", Kind: "refund", AmountMinor: 400, Currency: "GBP", At: begin},
	}
	for range 2 {
		if err := f.Adopt(cashflows.ConfigurationID, charges); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.State().Charges; len(got) != 2 || got[0].ID != id || got[1].OriginalID != id || !got[0].Approved || !got[1].Approved {
		t.Errorf("%+v", got)
	}
	payment := "/payment-jobs/190721000461508616/payments/190721100444600320"
	f.want(f.do(refund(payment, "6.01", "x")), 400, nil)
	f.want(f.do(refund(payment, "6.00", "x")), 200, nil)
	for name, c := range map[string]kit.Charge{
		"a hold": {ID: id, Kind: "preauth", AmountMinor: 1, Currency: "GBP"}, "one reference": {ID: "1", Kind: "sale", AmountMinor: 1, Currency: "GBP"},
		"a currency without a rule": {ID: "1/2", Kind: "sale", AmountMinor: 1, Currency: "JPY"}, "a refund of nothing": {ID: "1/2/3", Kind: "refund", AmountMinor: 1, Currency: "GBP"},
	} {
		if err := f.Adopt(cashflows.ConfigurationID, []kit.Charge{c}); err == nil {
			t.Errorf("%s was adopted", name)
		}
	}
	if err := f.Adopt("another", nil); err == nil {
		t.Error("another configuration adopted")
	}
}

// remoteCall sends a form to Remote Authentication; change edits its fields.
func (f fixture) remoteCall(change map[string]string) []string {
	f.t.Helper()
	form := url.Values{
		"auth_id": {cashflows.RemoteID}, "auth_pass": {cashflows.RemotePassword}, "card_token": {cashflows.RemoteTokenApprove}, "tran_ref": {fmt.Sprint("t-", len(f.Kit().Journal.Entries()))},
		"tran_amount": {"10.00"}, "tran_currency": {"GBP"}, "tran_testmode": {"0"}, "tran_type": {"sale"}, "tran_class": {"moto"},
	}
	for k, v := range change {
		if form.Set(k, v); v == "" {
			form.Del(k)
		}
	}
	res, err := http.PostForm(f.root+"/cashflows/gateway/remote_auth", form)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		f.t.Errorf("%d %s, %v", res.StatusCode, b, err)
	}
	return strings.Split(string(b), "|")
}

func (f fixture) wantRemote(got []string, letter, code string) {
	f.t.Helper()
	if letter == "A" {
		if len(got) != 6 || got[0] != "A" || !strings.HasPrefix(got[1], "01S") || got[3] != "AUTHOK" || got[4] != "Authorised" {
			f.t.Errorf("%q", got)
		}
		return
	}
	if len(got) != 5 || got[0] != letter || got[3] != code {
		f.t.Errorf("%q, want %s", got, code)
	}
}

// Every code of the document's table, by token and by outcome, for a sale and
// for a refund.
func TestEveryRemoteCodeCanBeMade(t *testing.T) {
	all := lines(t, "remote_codes.txt")
	if len(all) != 85 {
		t.Fatalf("%d codes", len(all))
	}
	f := newFixture(t, cashflows.Config{})
	sold := f.remoteCall(nil)
	for _, line := range all {
		row := strings.SplitN(line, "|", 3)
		code, written := row[0], strings.Replace(row[0], "x", "0", 1)
		got := f.remoteCall(map[string]string{"card_token": cashflows.RemoteTokenPrefix + code})
		f.wantRemote(got, code[:1], written)
		if got[4] != row[1] {
			t.Errorf("%s: %q, want %q", code, got[4], row[1])
		}
		for _, change := range []map[string]string{nil, {"tran_type": "refund", "tran_orig_id": sold[1], "card_token": "", "tran_amount": "0.01"}} {
			f.outcome(kit.Outcome{Result: kit.Decline, Code: code})
			f.wantRemote(f.remoteCall(change), code[:1], written)
		}
	}
	f.wantRemote(f.remoteCall(map[string]string{"card_token": cashflows.RemoteTokenPrefix + "Bx01"}), "B", "B001")
	for result, code := range map[string]string{kit.Decline: "D001", kit.Reject: "V026"} {
		f.outcome(kit.Outcome{Result: result})
		f.wantRemote(f.remoteCall(nil), code[:1], code)
	}
	f.outcome(kit.Outcome{Result: kit.InProgress, Then: kit.Approve})
	f.wantRemote(f.remoteCall(nil), "S", "S003")
}

func TestRemoteRequestsAreStrict(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	for name, c := range map[string]struct {
		change map[string]string
		code   string
	}{
		"another password":   {map[string]string{"auth_pass": "x"}, "V001"},
		"another profile":    {map[string]string{"auth_id": "7654321"}, "V001"},
		"a short profile":    {map[string]string{"auth_id": "123"}, "V001"},
		"an unknown field":   {map[string]string{"amount": "x"}, "V026"},
		"a card number":      {map[string]string{"card_num": "4111111111111111", "card_token": ""}, "V026"},
		"test mode":          {map[string]string{"tran_testmode": "1"}, "D007"},
		"no test mode":       {map[string]string{"tran_testmode": ""}, "D007"},
		"an unknown type":    {map[string]string{"tran_type": "credit"}, "V018"},
		"an unknown class":   {map[string]string{"tran_class": "cont"}, "V037"},
		"an internet sale":   {map[string]string{"tran_class": "ecom"}, "V059"},
		"no reference":       {map[string]string{"tran_ref": ""}, "V010"},
		"a long description": {map[string]string{"tran_desc": strings.Repeat("x", 100)}, "V010"},
		"one decimal":        {map[string]string{"tran_amount": "1.0"}, "V013"},
		"nothing":            {map[string]string{"tran_amount": "0.00"}, "V013"},
		"a currency unknown": {map[string]string{"tran_currency": "JPY"}, "V014"},
		"an unknown token":   {map[string]string{"card_token": "x"}, "V006"},
		"no token":           {map[string]string{"card_token": ""}, "V006"},
		"refund of nothing":  {map[string]string{"tran_type": "refund"}, "V021"},
		"refund of unknown":  {map[string]string{"tran_type": "refund", "tran_orig_id": "x"}, "V016"},
	} {
		t.Run(name, func(t *testing.T) {
			f.wantRemote(f.remoteCall(c.change), c.code[:1], c.code)
		})
	}
	if len(f.State().Charges) != 0 {
		t.Errorf("%+v", f.State().Charges)
	}
	if strings.Contains(fmt.Sprint(f.Kit().Journal.Entries()), "4111111111111111") {
		t.Error("the journal holds a card number")
	}
	res, err := http.Post(f.root+"/cashflows/gateway/remote_auth", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), "V026") {
		t.Errorf("%s", b)
	}
}

func TestRemoteFollowUpsHaveRules(t *testing.T) {
	f := newFixture(t, cashflows.Config{})
	follow := func(kind, original, amount string, more ...string) []string {
		m := map[string]string{"tran_type": kind, "tran_orig_id": original, "tran_amount": amount, "card_token": ""}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return f.remoteCall(m)
	}
	sold := f.remoteCall(map[string]string{"tran_ref": "once"})
	f.wantRemote(sold, "A", "")
	f.wantRemote(f.remoteCall(map[string]string{"tran_ref": "once"}), "V", "V033")
	f.wantRemote(follow("refund", sold[1], "10.01"), "V", "V022")
	f.wantRemote(follow("refund", sold[1], "1.00", "tran_currency", "EUR"), "V", "V020")
	f.wantRemote(follow("refund", sold[1], "4.00"), "A", "")
	f.wantRemote(follow("refund", sold[1], "6.01"), "V", "V022")
	f.wantRemote(follow("void", sold[1], "10.00"), "V", "V041")
	f.wantRemote(follow("capture", sold[1], "1.00"), "V", "V027")

	sold = f.remoteCall(nil)
	f.wantRemote(follow("void", sold[1], "9.00"), "V", "V024")
	f.wantRemote(follow("void", sold[1], "10.00"), "A", "")
	f.wantRemote(follow("void", sold[1], "10.00"), "V", "V042")
	f.wantRemote(follow("refund", sold[1], "10.00"), "V", "V042")

	held := f.remoteCall(map[string]string{"tran_type": "hold"})
	f.wantRemote(follow("refund", held[1], "1.00"), "V", "V023")
	f.wantRemote(follow("capture", held[1], "10.01"), "V", "V022")
	captured := follow("capture", held[1], "10.00")
	f.wantRemote(captured, "A", "")
	f.wantRemote(follow("capture", held[1], "10.00"), "V", "V041")
	f.wantRemote(follow("void", captured[1], "10.00"), "V", "V034")
	f.wantRemote(follow("refund", captured[1], "10.00"), "A", "")

	declined := f.remoteCall(map[string]string{"card_token": cashflows.RemoteTokenPrefix + "Dx01"})
	f.wantRemote(follow("refund", declined[1], "1.00"), "V", "V035")
	f.wantRemote(f.remoteCall(map[string]string{"tran_type": "verify", "tran_amount": "0.00"}), "A", "")
	late := f.remoteCall(nil)
	f.Kit().Clock.Advance(24 * time.Hour)
	f.wantRemote(follow("void", late[1], "10.00"), "V", "V041")
	for kind, n := range map[string]int{"sale": 3, "refund": 2, "void": 1, "preauth": 1, "capture": 1} {
		if f.charges(kind) != n {
			t.Errorf("%d of %s: %+v", f.charges(kind), kind, f.State().Charges)
		}
	}
}
