package cashflows

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

var gbp = money.MustCurrency("GBP")

// script answers every request with the same thing and keeps what it got; a
// GET of a job may be answered apart.
type script struct {
	*httptest.Server
	status      int
	contentType string
	body        string
	job         string
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
		if s.job != "" && r.Method == http.MethodGet {
			_, _ = io.WriteString(w, s.job)
			return
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

// connect makes an adapter on the script; change edits what it is made from.
func connect[T providers.Provider](t *testing.T, s *script, change ...func(*providers.Config)) T {
	t.Helper()
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{s.Listener.Addr().String()}})
	t.Cleanup(tr.CloseIdle)
	c := providers.Config{
		BaseURL: s.URL, HTTP: tr, CallbackURL: "https://shop.example/webhooks/cashflows/1",
		Settings: map[string]string{SettingConfigurationID: "12345678-ABCD-ABCD-ABCD-12345678ABCD"},
		Secrets:  map[string]string{SecretAPIKey: "planted key", SecretRemoteAuthID: "1234567", SecretRemoteAuthPassword: "planted&päss word"},
		Now:      func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
	}
	switch any(*new(T)).(type) {
	case Reserving:
		c.Settings[SettingAutoCapture] = AutoCaptureOff
	case *Remote:
		c.Settings[SettingProduct] = ProductRemote
	}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := p.(T)
	if !ok {
		t.Fatalf("the settings make a %T", p)
	}
	return a
}

const (
	attempt     = "7b6dd4b5-1b8b-4b7e-9d3f-0a8a3c1b6a01"
	jobRef      = "190721000461508616"
	payRef      = "190721100444600320"
	partRef     = "190721100444600399"
	paymentPath = jobRef + "/" + payRef
)

func saleRequest() providers.SaleRequest {
	return providers.SaleRequest{
		Amount: money.FromMinor(1250, gbp), AttemptRef: attempt, Token: "a-stored-token",
		OrderReference: "order 7", Email: "ada@example.com", ReturnURL: "https://shop.example/payments/1",
	}
}

// jobAnswer is an answer about a job of one payment.
func jobAnswer(word string) string {
	return `{"data":{"reference":"` + jobRef + `","type":"Payment","currency":"GBP","amountToCollect":"12.50","order":{"orderNumber":"` + attempt + `"},` +
		`"paymentStatus":"` + word + `","payments":[{"reference":"` + payRef + `","status":"` + word + `","amountToCollect":"12.50"}]},"links":{}}`
}

func errorAnswer(code, message string) string {
	e := map[string]any{"message": message, "parameters": []string{}}
	if code != "" {
		e["code"] = code
	}
	b, err := json.Marshal(map[string]any{"errorReport": map[string]any{"errors": []any{e}, "isFatalError": true}, "links": map[string]any{}})
	if err != nil {
		panic(err)
	}
	return string(b)
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
		if e.Kind != v.kind || e.NotDone != v.notDone || e.Reason != v.reason || e.Provider != Name || e.Op == "" {
			t.Errorf("%v (not done %v, reason %q), want %+v", e, e.NotDone, e.Reason, v)
		}
		return
	}
	if err != nil || v.kind != "" || res.Outcome != v.outcome || res.Reason != v.reason {
		t.Errorf("%+v, %v, want %+v", res, err, v)
	}
}

var (
	approved = verdict{outcome: providers.Approved}
	pending  = verdict{outcome: providers.Pending}
	unknown  = verdict{kind: providers.KindServer}
	unread   = verdict{kind: providers.KindGarbage}
	doubtful = verdict{kind: providers.KindRefused}
)

func declinedFor(r domain.Reason) verdict { return verdict{outcome: providers.Declined, reason: r} }
func refusedFor(r domain.Reason) verdict {
	return verdict{kind: providers.KindRefused, notDone: true, reason: r}
}

// The expected values were made with sha512sum over the key followed by the
// body.
func TestTheHashIsOfTheKeyAndThenTheBody(t *testing.T) {
	const body = `{"amountToCollect":"12.00","currency":"GBP"}`
	for in, want := range map[string]string{
		body: hashOfBody,
		"":   hashOfKey,
	} {
		if got := sign("secret", []byte(in)); got != strings.ToUpper(want) {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestWhatIsHashedIsWhatIsSent(t *testing.T) {
	s := serve(t, 200, jobAnswer("Paid"))
	g := connect[Gateway](t, s)
	ctx := t.Context()
	_, _ = g.SellByToken(ctx, saleRequest())
	_, _ = g.FindStatus(ctx, providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath})
	_, _ = g.VoidSale(ctx, providers.FollowUp{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath, OriginalType: domain.Sale})
	_, _ = g.OrderArrived(ctx, attempt)
	want := []string{http.MethodPost, http.MethodGet, http.MethodPatch, http.MethodHead}
	if len(s.requests) != len(want) {
		t.Fatalf("%d requests", len(s.requests))
	}
	for i, r := range s.requests {
		if r.Method != want[i] || r.Header.Get("Hash") != sign("planted key", s.bodies[i]) || r.Header.Get("ConfigurationId") != "12345678-ABCD-ABCD-ABCD-12345678ABCD" {
			t.Errorf("%s %s: %v", r.Method, r.RequestURI, r.Header)
		}
		if (r.Method == http.MethodPost) != (len(s.bodies[i]) > 0) {
			t.Errorf("%s has the body %q", r.Method, s.bodies[i])
		}
	}
}

func TestRequestBodies(t *testing.T) {
	s := serve(t, 200, jobAnswer("Pending"))
	s.job = jobAnswer("Paid")
	tokens := func(c *providers.Config) { c.Settings[SettingGenerateToken] = "yes" }
	quiet := func(c *providers.Config) { c.CallbackURL = "" }
	plain := saleRequest()
	plain.OrderReference, plain.Email, plain.ReturnURL = "", "", ""
	ctx, amount := t.Context(), saleRequest().Amount
	for _, c := range []struct {
		file, method, path string
		call               func() error
	}{
		{"sale_by_token.json", "POST", "/payment-jobs", func() error { _, err := connect[Gateway](t, s).SellByToken(ctx, saleRequest()); return err }},
		{"sale_by_token_plain.json", "POST", "/payment-jobs", func() error { _, err := connect[Gateway](t, s, quiet).SellByToken(ctx, plain); return err }},
		{"sale_by_page.json", "POST", "/payment-jobs", func() error { _, err := connect[Gateway](t, s).SellByPage(ctx, saleRequest()); return err }},
		{"sale_by_page_token.json", "POST", "/payment-jobs", func() error { _, err := connect[Gateway](t, s, tokens).SellByPage(ctx, saleRequest()); return err }},
		{"link.json", "POST", "/payment-jobs", func() error {
			_, err := connect[Gateway](t, s).CreateLink(ctx, providers.LinkRequest{SaleRequest: saleRequest(), Expires: time.Hour})
			return err
		}},
		// A hold is the same request as a sale: the configuration decides.
		{"sale_by_token.json", "POST", "/payment-jobs", func() error { _, err := connect[Reserving](t, s).PreauthorizeByToken(ctx, saleRequest()); return err }},
		{"sale_by_page.json", "POST", "/payment-jobs", func() error { _, err := connect[Reserving](t, s).PreauthorizeByPage(ctx, saleRequest()); return err }},
		{"capture.json", "POST", "/payment-jobs/" + jobRef + "/payments/" + payRef + "/captures", func() error {
			s.body = `{"data":{"reference":"` + partRef + `","status":"Completed"}}`
			_, err := connect[Reserving](t, s).Capture(ctx, providers.CaptureRequest{Amount: amount, AttemptRef: attempt, OriginalRef: paymentPath, Final: true})
			return err
		}},
		{"capture_part.json", "POST", "/payment-jobs/" + jobRef + "/payments/" + payRef + "/captures", func() error {
			_, err := connect[Reserving](t, s).Capture(ctx, providers.CaptureRequest{Amount: amount, AttemptRef: attempt, OriginalRef: paymentPath})
			return err
		}},
		// A refund of a captured hold may be asked for by the capture's reference.
		{"refund.json", "POST", "/payment-jobs/" + jobRef + "/payments/" + payRef + "/refunds", func() error {
			_, err := connect[Reserving](t, s).Refund(ctx, providers.RefundRequest{Amount: amount, AttemptRef: attempt, OriginalRef: paymentPath + "/190721100444600388", Note: "returned goods"})
			return err
		}},
		{"payout_by_token.json", "POST", "/payment-jobs", func() error {
			s.body = strings.Replace(jobAnswer("Pending"), `"Payment"`, `"Credit"`, 1)
			_, err := connect[Gateway](t, s).Payout(ctx, providers.PayoutRequest{Amount: amount, AttemptRef: attempt, Token: "a-stored-token", Note: "winnings"})
			return err
		}},
		{"payout_by_payment.json", "POST", "/payment-jobs", func() error {
			_, err := connect[Gateway](t, s).Payout(ctx, providers.PayoutRequest{Amount: amount, AttemptRef: attempt, OriginalRef: paymentPath})
			return err
		}},
		{"", "PATCH", "/payment-jobs/" + jobRef + "/payments/" + payRef + "/cancel", func() error {
			s.body = `{"data":{"reference":"` + payRef + `","status":"Cancelled"}}`
			_, err := connect[Gateway](t, s).VoidSale(ctx, providers.FollowUp{Amount: amount, AttemptRef: attempt, OriginalRef: paymentPath, OriginalType: domain.Sale})
			return err
		}},
		{"", "PATCH", "/payment-jobs/" + jobRef + "/payments/" + payRef + "/cancel", func() error {
			_, err := connect[Reserving](t, s).VoidPreauth(ctx, providers.FollowUp{Amount: amount, AttemptRef: attempt, OriginalRef: paymentPath, OriginalType: domain.Preauth})
			return err
		}},
		{"", "PATCH", "/payment-jobs/" + jobRef + "/cancel", func() error {
			s.body = jobAnswer("Cancelled")
			_, err := connect[Gateway](t, s).CancelLink(ctx, providers.Link{Result: providers.Result{CancelRef: jobRef}})
			return err
		}},
		{"", "GET", "/payment-jobs/" + jobRef, func() error {
			_, err := connect[Gateway](t, s).FindStatus(ctx, providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath})
			return err
		}},
		{"", "GET", "/payment-jobs/" + jobRef + "/payments/" + payRef, func() error {
			s.job = `{"data":{"reference":"` + payRef + `","status":"Paid","attributes":{"token":"t"}}}`
			_, err := connect[Gateway](t, s).TokenOf(ctx, paymentPath)
			return err
		}},
		{"", "GET", "/supported-payment-methods", func() error {
			s.job = `{"data":[{"paymentMethod":"Card"}]}`
			_, err := connect[Gateway](t, s).TestConnection(ctx)
			return err
		}},
		{"", "HEAD", "/orders/" + attempt, func() error { _, err := connect[Gateway](t, s).OrderArrived(ctx, attempt); return err }},
	} {
		if err := c.call(); err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		r, got := s.requests[len(s.requests)-1], s.bodies[len(s.bodies)-1]
		if r.Method != c.method || r.RequestURI != "/api/gateway"+c.path {
			t.Errorf("%s went to %s %s", c.file, r.Method, r.RequestURI)
		}
		if c.file == "" {
			if len(got) != 0 {
				t.Errorf("%s %s has the body %s", r.Method, r.RequestURI, got)
			}
			continue
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

func lines(t *testing.T, file string) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(string(golden(t, file))), "\n")
}

// Only the listed word is a yes and only the listed ones are a no; a word to
// come is neither.
func TestStatusWords(t *testing.T) {
	words := map[string][3]verdict{ // of a sale, a hold, a payout
		"Pending":      {pending, pending, pending},
		"Reserved":     {pending, approved, pending},
		"Commissioned": {pending, pending, pending},
		"Paid":         {approved, pending, approved},
		"Verified":     {pending, pending, pending},
		"Cancelled":    repeat(declinedFor(domain.ReasonCustomerCancelled)),
		"Failed":       repeat(declinedFor(domain.ReasonUnmapped)),
		"Rejected":     repeat(declinedFor(domain.ReasonUnmapped)),
		"Expired":      repeat(declinedFor(domain.ReasonLinkExpired)),
		"Blocked":      repeat(declinedFor(domain.ReasonUnmapped)),
		"Declined":     repeat(declinedFor(domain.ReasonDeclined)),
		"SomethingNew": {pending, pending, pending},
		"paid":         {pending, pending, pending},
		"":             {pending, pending, pending},
	}
	for word, want := range words {
		t.Run(word, func(t *testing.T) {
			s := serve(t, 201, jobAnswer(word))
			g, r := connect[Gateway](t, s), connect[Reserving](t, s)
			res, err := g.SellByToken(t.Context(), saleRequest())
			want[0].check(t, res, err)
			res, err = r.PreauthorizeByToken(t.Context(), saleRequest())
			want[1].check(t, res, err)
			s.status = 200
			res, err = g.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath})
			want[0].check(t, res, err)
			res, err = r.FindStatus(t.Context(), providers.Lookup{Type: domain.Preauth, AttemptRef: attempt, ProviderRef: paymentPath})
			want[1].check(t, res, err)
			s.body = strings.Replace(jobAnswer(word), `"Payment"`, `"Credit"`, 1)
			res, err = g.FindStatus(t.Context(), providers.Lookup{Type: domain.Payout, AttemptRef: attempt, ProviderRef: paymentPath})
			want[2].check(t, res, err)
		})
	}
}

func repeat(v verdict) [3]verdict { return [3]verdict{v, v, v} }

func TestWordsOfCapturesAndRefunds(t *testing.T) {
	for word, want := range map[string]verdict{
		"Completed": approved, "Failed": declinedFor(domain.ReasonUnmapped), "Pending": pending, "SomethingNew": pending, "": pending, "completed": pending,
	} {
		s := serve(t, 200, `{"data":{"reference":"`+partRef+`","status":"`+word+`"}}`)
		s.job = jobAnswer("Reserved")
		r := connect[Reserving](t, s)
		res, err := r.Capture(t.Context(), providers.CaptureRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath})
		want.check(t, res, err)
		res, err = r.Refund(t.Context(), providers.RefundRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath})
		want.check(t, res, err)
		if err == nil && res.ProviderRef != paymentPath+"/"+partRef {
			t.Errorf("reference %s", res.ProviderRef)
		}
	}
}

func TestJobAnswers(t *testing.T) {
	paid := jobAnswer("Paid")
	credentials := verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}
	two := func(job, first, second string) string {
		return strings.Replace(jobAnswer(job), `"payments":[{"reference":"`+payRef+`","status":"`+job+`","amountToCollect":"12.50"}]`,
			`"payments":[{"reference":"`+partRef+`","status":"`+first+`","amountToCollect":"12.50"},{"reference":"`+payRef+`","status":"`+second+`","amountToCollect":"12.50"}]`, 1)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"paid", 201, paid, approved},
		{"paid under 200", 200, paid, approved},
		{"paid with new fields", 201, strings.Replace(paid, `{"data":{`, `{"new":[1],"data":{"newField":{"a":[1]},`, 1), approved},
		{"references and amounts as numbers", 201, strings.NewReplacer(`"`+jobRef+`"`, jobRef, `"`+payRef+`"`, payRef, `"12.50"`, `12.5`).Replace(paid), approved},
		{"capitals, as older samples have", 201, strings.NewReplacer(`"data"`, `"Data"`, `"reference"`, `"Reference"`, `"paymentStatus"`, `"PaymentStatus"`, `"payments"`, `"Payments"`, `"status"`, `"Status"`).Replace(paid), approved},
		{"no job status, one payment", 201, strings.Replace(paid, `"paymentStatus":"Paid",`, ``, 1), approved},
		{"a first try that failed", 201, two("Paid", "Failed", "Paid"), approved},
		{"a try that failed while the page is open", 201, two("Pending", "Failed", "Pending"), pending},
		{"a job that ended with an open payment", 201, two("Failed", "Failed", "Pending"), pending},
		{"a job that ended with a paid payment", 201, two("Expired", "Paid", "Expired"), pending},
		{"job and payment disagree", 201, strings.Replace(paid, `"status":"Paid"`, `"status":"Pending"`, 1), pending},
		{"paid without a payment", 201, strings.Replace(paid, `[{"reference":"`+payRef+`","status":"Paid","amountToCollect":"12.50"}]`, `[]`, 1), unread},
		{"a payment without a reference", 201, strings.Replace(paid, payRef, "", 1), unread},
		{"no job reference", 201, strings.Replace(paid, jobRef, "", 1), unread},
		{"a job reference that is none", 201, strings.Replace(paid, jobRef, "a/../b", 1), unread},
		{"another order", 201, strings.Replace(paid, attempt, "another", 1), unread},
		{"a job of another type", 201, strings.Replace(paid, `"Payment"`, `"Credit"`, 1), unread},
		{"a currency that is none", 201, strings.Replace(paid, "GBP", "gbp", 1), unread},
		{"an amount that cannot be read", 201, strings.ReplaceAll(paid, "12.50", "12.505"), unread},
		{"warnings beside a yes", 201, strings.Replace(paid, `"links"`, `"errorReport":{"warnings":[{"code":"UnexpectedPaymentStatus","message":"Payment has an unexpected status."}]},"links"`, 1), approved},
		{"a report that is none", 201, strings.Replace(paid, `"links"`, `"errorReport":[7],"links"`, 1), approved},
		{"declined, the provider itself unsure", 201, strings.Replace(jobAnswer("Failed"), `"links"`, `"errorReport":{"errors":[{"message":"Error while communicating."}]},"links"`, 1), pending},
		{"failed for 3DS", 201, strings.Replace(jobAnswer("Failed"), `"links"`, `"errorReport":{"errors":[{"code":"ThreeDSecureFailed","message":"x"}]},"links"`, 1), declinedFor(domain.ReasonAuthentication)},
		{"ended by a listed refusal", 201, strings.Replace(jobAnswer("Failed"), `"status":"Failed"`, `"status":"Failed","lastErrorReport":{"errors":[{"message":"Invalid amount for payment method."}]}`, 1), declinedFor(domain.ReasonAmount)},
		{"declined with an error that is not listed", 201, strings.Replace(jobAnswer("Declined"), `"status":"Declined"`, `"status":"Declined","lastErrorReport":{"errors":[{"message":"Try on Friday."}]}`, 1), declinedFor(domain.ReasonUnmapped)},
		{"a bare refusal", 201, strings.Replace(jobAnswer("Declined"), `"status":"Declined"`, `"status":"Declined","lastErrorReport":{"errors":[{"message":"Payment has been refused."}]}`, 1), declinedFor(domain.ReasonDeclined)},
		{"a payment's own last error", 201, strings.Replace(jobAnswer("Failed"), `"status":"Failed"`, `"status":"Failed","lastErrorReport":{"errors":[{"code":"ThreeDSecureFailed_1"}]}`, 1), declinedFor(domain.ReasonAuthentication)},
		{"no data and no errors", 201, `{"links":{}}`, unread},
		{"data is a list", 201, `{"data":[]}`, unread},
		{"a list", 200, `[]`, unread},
		{"cut", 201, paid[:60], unread},
		{"more behind it", 201, paid + "{}", unread},
		{"empty", 200, ``, unread},
		{"no content", 204, ``, unread},
		{"redirected", 302, ``, unread},
		{"not found", 404, errorAnswer("", "There is nothing here."), refusedFor(domain.ReasonInvalidRequest)},
		{"not found, no JSON", 404, `<h1>`, unread},
		{"words that no list has", 400, errorAnswer("", "The field 'x' is not known."), doubtful},
		{"a code that no list has", 400, errorAnswer("SomethingNew", ""), doubtful},
		{"a bad request without errors", 400, `{"links":{}}`, unread},
		{"a bad request, no JSON", 400, `<h1>`, unread},
		{"paid under an HTTP error", 400, paid, unread},
		{"one listed no and one unlisted", 400, `{"errorReport":{"errors":[{"message":"Payment method not allowed."},{"message":"and more"}]}}`, doubtful},
		{"a no and a duplicate", 400, `{"errorReport":{"errors":[{"message":"Payment method not allowed."},{"message":"The supplied order reference is not unique."}]}}`, doubtful},
		{"method not allowed", 405, errorAnswer("", "x"), doubtful},
		{"time-out", 408, errorAnswer("", "x"), doubtful},
		{"conflict", 409, errorAnswer("", "x"), doubtful},
		{"unauthorized", 401, errorAnswer("", "x"), credentials},
		{"unauthorized without a body", 401, ``, credentials},
		{"forbidden", 403, errorAnswer("", "x"), credentials},
		{"locked", 403, errorAnswer("", "Too many attempts."), verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonAccountLocked}},
		{"too many requests", 429, ``, verdict{kind: providers.KindRateLimited, notDone: true, reason: domain.ReasonRateLimited}},
		{"internal error", 500, errorAnswer("", "x"), unknown},
		{"internal error with a listed no", 500, errorAnswer("", "Payment has been refused."), unknown},
		{"internal error with a paid job", 500, paid, unknown},
		{"unavailable", 503, `<h1>`, unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := connect[Gateway](t, serve(t, c.status, c.body)).SellByToken(t.Context(), saleRequest())
			c.want.check(t, res, err)
			if err == nil && res.Outcome == providers.Approved && res.ProviderRef != paymentPath {
				t.Errorf("reference %s", res.ProviderRef)
			}
		})
	}
}

// ofMessage is what each of the document's thirty messages means for money.
var ofMessage = map[string]verdict{
	"Cannot recur on a non recurring parent.":                                       refusedFor(domain.ReasonNotAllowed),
	"The total capture amount exceeds original authorised amount.":                  refusedFor(domain.ReasonCaptureTooLarge),
	"Payment has been refused.":                                                     declinedFor(domain.ReasonDeclined),
	"Refund has been refused.":                                                      declinedFor(domain.ReasonDeclined),
	"Credit payment has been refused.":                                              declinedFor(domain.ReasonDeclined),
	"Capture has an invalid status.":                                                refusedFor(domain.ReasonWrongState),
	"Unable to refund this payment.":                                                refusedFor(domain.ReasonNotAllowed),
	"Unable to perform credit payment.":                                             refusedFor(domain.ReasonNotAllowed),
	"Payment has an invalid status.":                                                refusedFor(domain.ReasonWrongState),
	"Refund has an invalid status.":                                                 refusedFor(domain.ReasonWrongState),
	"Card payments without 3D Secure are not allowed.":                              refusedFor(domain.ReasonNotAllowed),
	"No payment method selected.":                                                   refusedFor(domain.ReasonInvalidRequest),
	"The supplied order reference is not unique.":                                   doubtful,
	"Payment has already been fully refunded.":                                      refusedFor(domain.ReasonRefundTooLarge),
	"Payment job is already final.":                                                 refusedFor(domain.ReasonWrongState),
	"Payment job can not be cancelled.":                                             refusedFor(domain.ReasonWrongState),
	"Error while communicating.":                                                    unknown,
	"Payment method not allowed.":                                                   refusedFor(domain.ReasonNotAllowed),
	"The payment method rejected the request.":                                      declinedFor(domain.ReasonDeclined),
	"Invalid amount for payment method.":                                            refusedFor(domain.ReasonAmount),
	"The validation for recipient detail fields failed.":                            refusedFor(domain.ReasonCustomerDetails),
	"The total refund amount exceeds original paid amount.":                         refusedFor(domain.ReasonRefundTooLarge),
	"3DSecure Authentication Failed - Payment cannot proceed.":                      declinedFor(domain.ReasonAuthentication),
	"3DSecure Authentication Unavailable - Payment cannot proceed.":                 declinedFor(domain.ReasonAuthentication),
	"Invalid customer reference provided.":                                          refusedFor(domain.ReasonInvalidRequest),
	"Direct card payments are not allowed.":                                         refusedFor(domain.ReasonNotAllowed),
	"Too many attempts.":                                                            {kind: providers.KindRateLimited, notDone: true, reason: domain.ReasonRateLimited},
	"It is not allowed to set parent frame domains for embedding the payment page.": refusedFor(domain.ReasonInvalidRequest),
	"Unable to create paymentjob without payment methods available.":                refusedFor(domain.ReasonNotAllowed),
}

// The file is the document's own list. Every message is classed, under a 400 and
// under a 2xx without data, for a sale and for a refund.
func TestEveryMessageOfTheDocumentIsClassed(t *testing.T) {
	all := lines(t, "messages.txt")
	if len(all) != 30 {
		t.Fatalf("%d messages", len(all))
	}
	for _, message := range all {
		want, ok := ofMessage[message]
		if !ok {
			t.Errorf("%q is not classed", message)
			continue
		}
		for _, said := range []string{message, strings.ToUpper(strings.TrimSuffix(message, "."))} {
			for _, status := range []int{400, 200} {
				s := serve(t, status, errorAnswer("", said))
				s.job = jobAnswer("Paid")
				g := connect[Gateway](t, s)
				res, err := g.SellByToken(t.Context(), saleRequest())
				want.check(t, res, err)
				res, err = g.Refund(t.Context(), providers.RefundRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath})
				want.check(t, res, err)
			}
		}
	}
}

func TestEveryRecoveredCodeIsClassedWhateverItsWords(t *testing.T) {
	ofCode := map[string]string{
		"CaptureAmountExceedsOriginalAuthorisation": "The total capture amount exceeds original authorised amount.",
		"GenericRejectionOfRefund":                  "Refund has been refused.",
		"InvalidCaptureStatus":                      "Capture has an invalid status.",
		"InvalidPaymentForRefund":                   "Unable to refund this payment.",
		"InvalidPaymentForCredit":                   "Unable to perform credit payment.",
		"InvalidPaymentStatus":                      "Payment has an invalid status.",
		"InvalidRefundStatus":                       "Refund has an invalid status.",
		"NonThreeDSecureNotAllowed":                 "Card payments without 3D Secure are not allowed.",
		"PaymentAlreadyFullyRefunded":               "Payment has already been fully refunded.",
		"RefundAmountExceedsOriginalAmount":         "The total refund amount exceeds original paid amount.",
		"ThreeDSecureFailed":                        "3DSecure Authentication Failed - Payment cannot proceed.",
		"ThreeDSecureUnavailable":                   "3DSecure Authentication Unavailable - Payment cannot proceed.",
		"ThreeDSecureMethodPostCallbackConflict":    "3DSecure Authentication Unavailable - Payment cannot proceed.",
		"InvalidCustomerReference":                  "Invalid customer reference provided.",
	}
	for code, message := range ofCode {
		for _, written := range []string{code, code + "_1"} {
			res, err := connect[Gateway](t, serve(t, 400, errorAnswer(written, "in other words"))).SellByToken(t.Context(), saleRequest())
			ofMessage[message].check(t, res, err)
		}
	}
	if len(ofCode) != len(byCode) {
		t.Errorf("%d codes are classed, %d are expected", len(byCode), len(ofCode))
	}
}

// A warning changes no verdict, and its words are kept.
func TestWarningsChangeNoVerdict(t *testing.T) {
	all := lines(t, "warnings.txt")
	if len(all) != 3 {
		t.Fatalf("%d warnings", len(all))
	}
	for _, message := range all {
		for word, want := range map[string]verdict{"Paid": approved, "Declined": declinedFor(domain.ReasonDeclined), "Pending": pending} {
			body := strings.Replace(jobAnswer(word), `"links"`, `"errorReport":{"warnings":[{"message":"`+message+`"}]},"links"`, 1)
			res, err := connect[Gateway](t, serve(t, 201, body)).SellByToken(t.Context(), saleRequest())
			want.check(t, res, err)
			if res.Text != message {
				t.Errorf("%s: text %q", word, res.Text)
			}
		}
	}
}

func TestAmountsAreWhatThePayerPaid(t *testing.T) {
	for _, c := range []struct {
		name, extra string
		want        int64
	}{
		{"collected", ``, 1250},
		{"paid", `,"paidAmount":"12.50"`, 1250},
		{"with a surcharge", `,"paidAmount":12.75`, 1275},
		{"a zero beside it", `,"paidAmount":"0.00"`, 1250},
	} {
		body := strings.Replace(jobAnswer("Paid"), `"amountToCollect":"12.50"}]`, `"amountToCollect":"12.50"`+c.extra+`}]`, 1)
		res, err := connect[Gateway](t, serve(t, 201, body)).SellByToken(t.Context(), saleRequest())
		if err != nil || res.Amount == nil || *res.Amount != money.FromMinor(c.want, gbp) {
			t.Errorf("%s: %+v, %v", c.name, res.Amount, err)
		}
	}
}

// operations are all that send something with an amount, by endpoint.
func operations(t *testing.T, s *script) map[string]func(money.Amount) (providers.Result, error) {
	g, r, m := connect[Gateway](t, s), connect[Reserving](t, s), connect[*Remote](t, s)
	sale := func(a money.Amount) providers.SaleRequest { q := saleRequest(); q.Amount = a; return q }
	type do = func(money.Amount) (providers.Result, error)
	follow := func(f func(ctx context.Context, q providers.FollowUp) (providers.Result, error), original string) do {
		return func(a money.Amount) (providers.Result, error) {
			return f(t.Context(), providers.FollowUp{Amount: a, AttemptRef: attempt, OriginalRef: original, OriginalType: domain.Sale})
		}
	}
	refund := func(f func(ctx context.Context, q providers.RefundRequest) (providers.Result, error), original string) do {
		return func(a money.Amount) (providers.Result, error) {
			return f(t.Context(), providers.RefundRequest{Amount: a, AttemptRef: attempt, OriginalRef: original})
		}
	}
	capture := func(f func(ctx context.Context, q providers.CaptureRequest) (providers.Result, error), original string) do {
		return func(a money.Amount) (providers.Result, error) {
			return f(t.Context(), providers.CaptureRequest{Amount: a, AttemptRef: attempt, OriginalRef: original, Final: true})
		}
	}
	sell := func(f func(ctx context.Context, q providers.SaleRequest) (providers.Result, error)) do {
		return func(a money.Amount) (providers.Result, error) { return f(t.Context(), sale(a)) }
	}
	return map[string]do{
		"sale by token": sell(g.SellByToken), "sale by page": sell(g.SellByPage),
		"hold by token": sell(r.PreauthorizeByToken), "hold by page": sell(r.PreauthorizeByPage),
		"link": func(a money.Amount) (providers.Result, error) {
			l, err := g.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: sale(a)})
			return l.Result, err
		},
		"capture": capture(r.Capture, paymentPath), "refund": refund(g.Refund, paymentPath),
		"void of a sale": follow(g.VoidSale, paymentPath), "void of a hold": follow(r.VoidPreauth, paymentPath),
		"payout": func(a money.Amount) (providers.Result, error) {
			return g.Payout(t.Context(), providers.PayoutRequest{Amount: a, AttemptRef: attempt, Token: "t"})
		},
		"remote sale": sell(m.SellByToken), "remote hold": sell(m.PreauthorizeByToken),
		"remote refund": refund(m.Refund, "01S0135FD47"), "remote capture": capture(m.Capture, "01S0135FD47"),
		"remote void of a sale": follow(m.VoidSale, "01S0135FD47"), "remote void of a hold": follow(m.VoidPreauth, "01S0135FD47"),
	}
}

func TestACurrencyWithoutARuleIsNotSent(t *testing.T) {
	s := serve(t, 200, jobAnswer("Paid"))
	for name, do := range operations(t, s) {
		for _, code := range []string{"JPY", "KWD"} {
			_, err := do(money.FromMinor(1250, money.MustCurrency(code)))
			verdict{kind: providers.KindUnsupported, notDone: true, reason: domain.ReasonNotAllowed}.check(t, providers.Result{}, err)
			if err == nil {
				t.Errorf("%s was sent in %s", name, code)
			}
		}
		for _, minor := range []int64{0, -1, largest + 1, 1 << 62} {
			_, err := do(money.FromMinor(minor, gbp))
			refusedFor(domain.ReasonInvalidRequest).check(t, providers.Result{}, err)
		}
		_, err := do(money.Amount{})
		verdict{kind: providers.KindUnsupported, notDone: true, reason: domain.ReasonNotAllowed}.check(t, providers.Result{}, err)
	}
	if len(s.requests) != 0 {
		t.Errorf("%d requests went out, the first %s", len(s.requests), s.requests[0].RequestURI)
	}
	reg := Registration()
	for code, want := range map[string]bool{"EUR": true, "GBP": true, "JPY": false, "KWD": false} {
		if reg.Currency(money.MustCurrency(code)) != want {
			t.Errorf("%s: %v", code, !want)
		}
	}
}

// Every endpoint that has an amount gets it in major units with two decimals.
func TestUnitsOfEveryEndpoint(t *testing.T) {
	s := serve(t, 200, strings.Replace(jobAnswer("Pending"), "GBP", "EUR", 1))
	s.job = strings.Replace(jobAnswer("Paid"), "GBP", "EUR", 1)
	for name, do := range operations(t, s) {
		before := len(s.requests)
		_, _ = do(money.FromMinor(120005, money.MustCurrency("EUR")))
		if len(s.requests) == before {
			t.Errorf("%s sent nothing", name)
			continue
		}
		last, body := s.requests[len(s.requests)-1], string(s.bodies[len(s.bodies)-1])
		if last.Method == http.MethodPatch {
			continue // the whole amount, which the request does not name
		}
		if !strings.Contains(body, `"1200.05"`) && !strings.Contains(body, "tran_amount=1200.05&") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestAnyAmountIsWrittenExactly(t *testing.T) {
	s := serve(t, 201, jobAnswer("Pending"))
	g := connect[Gateway](t, s)
	rapid.Check(t, func(rt *rapid.T) {
		minor := rapid.Int64Range(1, largest).Draw(rt, "minor")
		req := saleRequest()
		req.Amount = money.FromMinor(minor, gbp)
		_, _ = g.SellByToken(t.Context(), req)
		var sent struct{ AmountToCollect string }
		if err := json.Unmarshal(s.bodies[len(s.bodies)-1], &sent); err != nil {
			rt.Fatal(err)
		}
		if want := fmt.Sprintf("%d.%02d", minor/100, minor%100); sent.AmountToCollect != want {
			rt.Fatalf("%d was sent as %s", minor, sent.AmountToCollect)
		}
	})
}

// An answer without a currency is about the one that was asked for: its amount
// is told all the same, so that another one is seen.
func TestAnAmountWithoutACurrencyIsTold(t *testing.T) {
	body := strings.NewReplacer(`"currency":"GBP",`, ``, "12.50", "1250.00").Replace(jobAnswer("Paid"))
	g := connect[Gateway](t, serve(t, 200, body))
	res, err := g.SellByToken(t.Context(), saleRequest())
	if err != nil || res.Outcome != providers.Approved || res.Amount == nil || *res.Amount != money.FromMinor(125000, gbp) {
		t.Errorf("a sale: %+v, %v", res, err)
	}
	res, err = g.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath, Amount: saleRequest().Amount})
	if err != nil || res.Outcome != providers.Approved || res.Amount == nil || *res.Amount != money.FromMinor(125000, gbp) {
		t.Errorf("a question: %+v, %v", res, err)
	}
}

// A refund's and a capture's request name no currency, so that of the payment
// job is asked for first.
func TestAnotherCurrencyThanThePaymentsIsNotSent(t *testing.T) {
	s := serve(t, 200, `{"data":{"reference":"`+partRef+`","status":"Completed"}}`)
	s.job = jobAnswer("Reserved")
	eur := money.FromMinor(100, money.MustCurrency("EUR"))
	r := connect[Reserving](t, s)
	_, err := r.Refund(t.Context(), providers.RefundRequest{Amount: eur, AttemptRef: attempt, OriginalRef: paymentPath})
	refusedFor(domain.ReasonCurrencyMismatch).check(t, providers.Result{}, err)
	_, err = r.Capture(t.Context(), providers.CaptureRequest{Amount: eur, AttemptRef: attempt, OriginalRef: paymentPath})
	refusedFor(domain.ReasonCurrencyMismatch).check(t, providers.Result{}, err)
	if len(s.requests) != 1 || s.requests[0].Method != http.MethodGet {
		t.Errorf("%d requests", len(s.requests))
	}
}

// When the question for the currency fails, the operation was not sent, and that
// is certain.
func TestAFailedQuestionBeforeARefundIsACertainNo(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		reason domain.Reason
	}{
		{500, ``, domain.ReasonUnreachable}, {401, ``, domain.ReasonCredentials}, {404, errorAnswer("", "x"), domain.ReasonInvalidRequest},
		{200, `{`, domain.ReasonUnreachable}, {200, strings.Replace(jobAnswer("Paid"), "GBP", "", 1), domain.ReasonUnreachable},
		{200, strings.Replace(jobAnswer("Paid"), jobRef, partRef, 1), domain.ReasonUnreachable},
	} {
		s := serve(t, c.status, c.body)
		_, err := connect[Gateway](t, s).Refund(t.Context(), providers.RefundRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath})
		e, ok := providers.AsError(err)
		if !ok || !e.NotDone || e.Reason != c.reason || len(s.requests) != 1 || s.requests[0].Method != http.MethodGet {
			t.Errorf("%d %s: %v after %d requests", c.status, c.body, err, len(s.requests))
		}
	}
}

func TestWhatHasNoFormIsNotSent(t *testing.T) {
	s := serve(t, 200, jobAnswer("Paid"))
	g, r, m, ctx := connect[Gateway](t, s), connect[Reserving](t, s), connect[*Remote](t, s), t.Context()
	a := saleRequest().Amount
	sale := func(change func(*providers.SaleRequest)) providers.SaleRequest {
		q := saleRequest()
		change(&q)
		return q
	}
	noRef := sale(func(q *providers.SaleRequest) { q.AttemptRef = "" })
	longRef := sale(func(q *providers.SaleRequest) { q.AttemptRef = strings.Repeat("x", 51) })
	noToken := sale(func(q *providers.SaleRequest) { q.Token = "" })
	longToken := sale(func(q *providers.SaleRequest) { q.Token = strings.Repeat("x", 51) })
	for name, do := range map[string]func() error{
		"no attempt":     func() error { _, err := g.SellByToken(ctx, noRef); return err },
		"a long attempt": func() error { _, err := g.SellByPage(ctx, longRef); return err },
		"no token":       func() error { _, err := g.SellByToken(ctx, noToken); return err },
		"no token, hold": func() error { _, err := r.PreauthorizeByToken(ctx, noToken); return err },
		"no sale": func() error {
			_, err := g.Refund(ctx, providers.RefundRequest{Amount: a, AttemptRef: attempt})
			return err
		},
		"a sale that is none": func() error {
			_, err := g.Refund(ctx, providers.RefundRequest{Amount: a, AttemptRef: attempt, OriginalRef: "0123456789abcdef0123"})
			return err
		},
		"a job without its payment": func() error {
			_, err := g.Refund(ctx, providers.RefundRequest{Amount: a, AttemptRef: attempt, OriginalRef: jobRef})
			return err
		},
		"no hold": func() error {
			_, err := r.Capture(ctx, providers.CaptureRequest{Amount: a, AttemptRef: attempt})
			return err
		},
		"no payment to void": func() error {
			_, err := g.VoidSale(ctx, providers.FollowUp{Amount: a, AttemptRef: attempt, OriginalType: domain.Sale, OriginalRef: jobRef})
			return err
		},
		"void of a refund": func() error {
			_, err := g.VoidSale(ctx, providers.FollowUp{Amount: a, AttemptRef: attempt, OriginalType: domain.Refund, OriginalRef: paymentPath})
			return err
		},
		"a payout to nobody": func() error {
			_, err := g.Payout(ctx, providers.PayoutRequest{Amount: a, AttemptRef: attempt})
			return err
		},
		"a payout to two": func() error {
			_, err := g.Payout(ctx, providers.PayoutRequest{Amount: a, AttemptRef: attempt, Token: "t", OriginalRef: paymentPath})
			return err
		},
		"a payout to a payment that is none": func() error {
			_, err := g.Payout(ctx, providers.PayoutRequest{Amount: a, AttemptRef: attempt, OriginalRef: "x"})
			return err
		},
		"a link by mail": func() error {
			_, err := g.CreateLink(ctx, providers.LinkRequest{SaleRequest: saleRequest(), SendByEmail: true})
			return err
		},
		"a link that is none": func() error {
			_, err := g.CancelLink(ctx, providers.Link{Result: providers.Result{CancelRef: "x"}})
			return err
		},
		"remote, no attempt":   func() error { _, err := m.SellByToken(ctx, noRef); return err },
		"remote, no token":     func() error { _, err := m.SellByToken(ctx, noToken); return err },
		"remote, a long token": func() error { _, err := m.SellByToken(ctx, longToken); return err },
		"remote, no sale": func() error {
			_, err := m.Refund(ctx, providers.RefundRequest{Amount: a, AttemptRef: attempt})
			return err
		},
		"remote, a part of a hold": func() error {
			_, err := m.Capture(ctx, providers.CaptureRequest{Amount: a, AttemptRef: attempt, OriginalRef: "01S"})
			return err
		},
		"remote, void of a refund": func() error {
			_, err := m.VoidSale(ctx, providers.FollowUp{Amount: a, AttemptRef: attempt, OriginalRef: "01S", OriginalType: domain.Refund})
			return err
		},
	} {
		e, ok := providers.AsError(do())
		if !ok || !e.NotDone || e.Reason == domain.ReasonNone {
			t.Errorf("%s: %v", name, e)
		}
	}
	if len(s.requests) != 0 {
		t.Errorf("%d requests went out, the first %s", len(s.requests), s.requests[0].RequestURI)
	}
}

func TestStatusQuestions(t *testing.T) {
	withRefund := strings.Replace(jobAnswer("Paid"), `"amountToCollect":"12.50"}]`,
		`"amountToCollect":"12.50","refunds":[{"reference":"`+partRef+`","refundNumber":"ours","status":"Completed","amountToRefund":"4.00"}],`+
			`"captures":[{"reference":"190721100444600388","status":"Completed","amountToCapture":"5.00"}]}]`, 1)
	payment := func(word string) string { return `{"data":{"reference":"` + payRef + `","status":"` + word + `"}}` }
	for _, c := range []struct {
		name string
		q    providers.Lookup
		body string
		want verdict
		ref  string
		sent int
	}{
		{"a sale without the provider's reference", providers.Lookup{Type: domain.Sale, AttemptRef: attempt}, ``, pending, "", 0},
		{"a hold without one", providers.Lookup{Type: domain.Preauth, AttemptRef: attempt}, ``, pending, "", 0},
		{"a payout without one", providers.Lookup{Type: domain.Payout, AttemptRef: attempt}, ``, pending, "", 0},
		{"a capture without one", providers.Lookup{Type: domain.Capture, AttemptRef: attempt, OriginalRef: paymentPath}, ``, pending, "", 0},
		{"a type that there is not", providers.Lookup{Type: domain.Register, AttemptRef: attempt, ProviderRef: paymentPath}, ``, pending, "", 0},
		{"a reference that is none", providers.Lookup{Type: domain.Sale, ProviderRef: "a b"}, ``, doubtful, "", 0},
		{"by the job alone", providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: jobRef}, jobAnswer("Paid"), approved, paymentPath, 1},
		{"another job", providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath}, strings.Replace(jobAnswer("Paid"), jobRef, partRef, 1), unread, "", 1},
		{"another order", providers.Lookup{Type: domain.Sale, AttemptRef: "another", ProviderRef: paymentPath}, jobAnswer("Paid"), unread, "", 1},
		{"no order named", providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath}, strings.Replace(jobAnswer("Paid"), attempt, "", 1), unread, "", 1},
		{"a refund by its reference", providers.Lookup{Type: domain.Refund, AttemptRef: "ours", ProviderRef: paymentPath + "/" + partRef}, withRefund, approved, paymentPath + "/" + partRef, 1},
		{"a refund by our number", providers.Lookup{Type: domain.Refund, AttemptRef: "ours", OriginalRef: paymentPath}, withRefund, approved, paymentPath + "/" + partRef, 1},
		{"a refund under another number", providers.Lookup{Type: domain.Refund, AttemptRef: "another", ProviderRef: paymentPath + "/" + partRef}, withRefund, unread, "", 1},
		{"a refund that is not listed", providers.Lookup{Type: domain.Refund, AttemptRef: "another", OriginalRef: paymentPath}, withRefund, pending, "", 1},
		{"a capture by its reference", providers.Lookup{Type: domain.Capture, AttemptRef: "x", ProviderRef: paymentPath + "/190721100444600388"}, withRefund, approved, paymentPath + "/190721100444600388", 1},
		{"a void that happened", providers.Lookup{Type: domain.Void, AttemptRef: "x", OriginalRef: paymentPath}, payment("Cancelled"), approved, paymentPath + "/cancel", 1},
		{"a void that has not", providers.Lookup{Type: domain.Void, AttemptRef: "x", OriginalRef: paymentPath}, payment("Paid"), pending, "", 1},
		{"a void by its own reference", providers.Lookup{Type: domain.Void, AttemptRef: "x", ProviderRef: paymentPath + "/cancel"}, payment("Cancelled"), approved, paymentPath + "/cancel", 1},
		{"a void of a job alone", providers.Lookup{Type: domain.Void, AttemptRef: "x", OriginalRef: jobRef}, ``, pending, "", 0},
		{"a void, another payment", providers.Lookup{Type: domain.Void, AttemptRef: "x", OriginalRef: jobRef + "/" + partRef}, payment("Cancelled"), unread, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, 200, c.body)
			res, err := connect[Reserving](t, s).FindStatus(t.Context(), c.q)
			if c.q.Type == domain.Sale || c.q.Type == domain.Payout {
				s.requests = nil
				res, err = connect[Gateway](t, s).FindStatus(t.Context(), c.q)
			}
			c.want.check(t, res, err)
			if err == nil && (res.ProviderRef != c.ref || (res.Outcome == providers.Pending && res.Text == "")) {
				t.Errorf("%+v", res)
			}
			if len(s.requests) != c.sent {
				t.Errorf("%d questions", len(s.requests))
			}
		})
	}
}

// A question that failed says nothing of the attempt.
func TestAFailedQuestionIsNoVerdict(t *testing.T) {
	for status, kind := range map[int]providers.ErrorKind{
		400: providers.KindRefused, 401: providers.KindCredentials, 403: providers.KindCredentials, 404: providers.KindRefused,
		429: providers.KindRateLimited, 500: providers.KindServer, 503: providers.KindServer,
	} {
		s := serve(t, status, errorAnswer("", "Payment method not allowed."))
		g := connect[Gateway](t, s)
		for _, typ := range []domain.TransactionType{domain.Sale, domain.Refund, domain.Void} {
			res, err := g.FindStatus(t.Context(), providers.Lookup{Type: typ, AttemptRef: attempt, ProviderRef: paymentPath, OriginalRef: paymentPath})
			verdict{kind: kind}.check(t, res, err)
		}
		_, err := g.TokenOf(t.Context(), paymentPath)
		verdict{kind: kind}.check(t, providers.Result{}, err)
	}
	res, err := connect[Gateway](t, serve(t, 200, errorAnswer("", "Payment has been refused."))).
		FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath})
	unread.check(t, res, err)
}

func TestThePageIsOpenedOnItsOriginOnly(t *testing.T) {
	s := serve(t, 201, "")
	for to, open := range map[string]bool{
		s.URL + "/payment?ref=4d28": true, "https://evil.example/": false, "javascript:alert(1)": false, "//evil.example/": false,
		"http://user@" + s.Listener.Addr().String() + "/": false, s.URL + "/" + strings.Repeat("x", 3000): false, "": false,
	} {
		s.body = strings.Replace(jobAnswer("Pending"), `"links":{}`, `"links":{"action":{"url":"`+to+`","type":"text/html"}}`, 1)
		res, err := connect[Gateway](t, s).SellByPage(t.Context(), saleRequest())
		if err != nil || res.Outcome != providers.Pending || (res.RedirectURL == to && to != "") != open || (!open && res.RedirectURL != "") {
			t.Errorf("%.60q: %+v, %v", to, res, err)
		}
	}
	s.body = strings.Replace(jobAnswer("Pending"), `"links":{}`, `"links":{"action":{"url":"https://pay.example/x"}}`, 1)
	g := connect[Gateway](t, s, func(c *providers.Config) { c.Settings[SettingPageOrigin] = "https://PAY.example:443" })
	if res, err := g.SellByPage(t.Context(), saleRequest()); err != nil || res.RedirectURL != "https://pay.example/x" || g.CardPageOrigin() != "https://pay.example" {
		t.Errorf("%+v, %v", res, err)
	}
	// A payment that is over has a link too; it is not opened.
	s.body = strings.Replace(jobAnswer("Paid"), `"links":{}`, `"links":{"action":{"url":"`+s.URL+`/x"}}`, 1)
	if res, err := connect[Gateway](t, s).SellByToken(t.Context(), saleRequest()); err != nil || res.RedirectURL != "" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestTokensAreKeptOnlyWhereTheConnectionAsksForThem(t *testing.T) {
	body := strings.Replace(jobAnswer("Paid"), `"status":"Paid"`, `"status":"Paid","attributes":{"token":"made-by-the-page","truncatedCardNumber":"411111****1111","cardExpiryMonth":"12","cardExpiryYear":"30"}`, 1)
	s := serve(t, 200, body)
	q := providers.Lookup{Type: domain.Sale, AttemptRef: attempt, ProviderRef: paymentPath}
	on := func(c *providers.Config) { c.Settings[SettingGenerateToken] = "yes" }
	res, err := connect[Gateway](t, s, on).FindStatus(t.Context(), q)
	if err != nil || res.Token != "made-by-the-page" || res.Card != (domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}) || bytes.Contains(res.Raw, []byte("made-by")) {
		t.Errorf("%+v, %v, raw %s", res, err, res.Raw)
	}
	if res, err = connect[Gateway](t, s).FindStatus(t.Context(), q); err != nil || res.Token != "" {
		t.Errorf("%+v, %v", res, err)
	}
	s.body = `{"data":{"reference":"` + payRef + `","status":"Paid","attributes":{"token":"of-the-past"}}}`
	if res, err = connect[Gateway](t, s).TokenOf(t.Context(), paymentPath); err != nil || res.Outcome != providers.Approved || res.Token != "of-the-past" {
		t.Errorf("%+v, %v", res, err)
	}
	s.body = `{"data":{"reference":"` + payRef + `","status":"Paid"}}`
	if res, err = connect[Gateway](t, s).TokenOf(t.Context(), paymentPath); err != nil || res.Outcome != providers.Declined || res.Reason != domain.ReasonCardToken {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestCardsAreReadAsFarAsTheyAreTold(t *testing.T) {
	for in, want := range map[string]domain.Card{
		`{"truncatedCardNumber":"400000****0002","cardExpiryMonth":"10","cardExpiryYear":"21"}`: {Brand: "Visa", Last4: "0002", Expiry: "10/21"},
		`{"truncatedCardNumber":"555555xxxxxx4444","cardExpiryMonth":1,"cardExpiryYear":2031}`:  {Brand: "Mastercard", Last4: "4444", Expiry: "01/31"},
		`{"truncatedCardNumber":"371449*****8431"}`:                                             {Brand: "American Express", Last4: "8431"},
		`{"truncatedCardNumber":"900000****0002","cardExpiryMonth":"13","cardExpiryYear":"30"}`: {Last4: "0002"},
		// A number that is not truncated is not taken.
		`{"truncatedCardNumber":"4111111111111111"}`: {},
		`{"truncatedCardNumber":"****x"}`:            {}, `{}`: {}, `[]`: {}, `null`: {},
	} {
		body := strings.Replace(jobAnswer("Paid"), `"status":"Paid"`, `"status":"Paid","attributes":`+in, 1)
		res, err := connect[Gateway](t, serve(t, 201, body)).SellByToken(t.Context(), saleRequest())
		if err != nil || res.Card != want {
			t.Errorf("%s: %+v, %v, want %+v", in, res.Card, err, want)
		}
	}
}

func TestCancellations(t *testing.T) {
	answer := func(word, report string) string {
		return `{"data":{"reference":"` + payRef + `","status":"` + word + `"}` + report + `}`
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"cancelled", 200, answer("Cancelled", ""), approved},
		{"still paid", 200, answer("Paid", ""), pending},
		{"a word to come", 200, answer("CancelPending", ""), pending},
		{"refused by the acquirer", 200, answer("Paid", `,"errorReport":{"errors":[{"message":"The payment method rejected the request."}]}`), declinedFor(domain.ReasonDeclined)},
		{"unsure", 200, answer("Paid", `,"errorReport":{"errors":[{"message":"Error while communicating."}]}`), pending},
		{"too late", 400, errorAnswer("", "Payment job can not be cancelled."), refusedFor(domain.ReasonWrongState)},
		{"another payment", 200, strings.Replace(answer("Cancelled", ""), payRef, partRef, 1), unread},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.status, c.body)
			res, err := connect[Gateway](t, s).VoidSale(t.Context(), providers.FollowUp{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath, OriginalType: domain.Sale})
			c.want.check(t, res, err)
			res, err = connect[Reserving](t, s).VoidPreauth(t.Context(), providers.FollowUp{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath, OriginalType: domain.Preauth})
			c.want.check(t, res, err)
		})
	}
	res, err := connect[Gateway](t, serve(t, 200, jobAnswer("Cancelled"))).CancelLink(t.Context(), providers.Link{Result: providers.Result{CancelRef: jobRef}})
	approved.check(t, res, err)
	res, err = connect[Gateway](t, serve(t, 200, jobAnswer("Cancelled"))).CancelLink(t.Context(), providers.Link{Result: providers.Result{CancelRef: partRef}})
	unread.check(t, res, err)
}

func TestARefundUnderAnotherNumberOrItsPaymentsReferenceIsNotBelieved(t *testing.T) {
	for _, data := range []string{
		`{"reference":"` + partRef + `","refundNumber":"another","status":"Completed"}`, `{"reference":"` + payRef + `","status":"Completed"}`,
		`{"reference":"` + jobRef + `","status":"Completed"}`, `{"reference":"","status":"Completed"}`, `{"status":"Completed"}`,
		`{"reference":"` + partRef + `","status":"Completed","amountToRefund":"1.005"}`,
	} {
		s := serve(t, 200, `{"data":`+data+`}`)
		s.job = jobAnswer("Paid")
		res, err := connect[Gateway](t, s).Refund(t.Context(), providers.RefundRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: paymentPath})
		unread.check(t, res, err)
	}
}

func TestReferencesOfOurs(t *testing.T) {
	for in, ok := range map[string]bool{
		jobRef: true, paymentPath: true, paymentPath + "/" + partRef: true, paymentPath + "/cancel": true,
		"": false, "/": false, "a": false, jobRef + "/": false, "/" + payRef: false, paymentPath + "/x": false, paymentPath + "/1/2": false,
		jobRef + "//" + partRef: false, strings.Repeat("1", 21): false, "１": false,
	} {
		if r, got := parseRef(in); got != ok || (ok && r.String() != in) {
			t.Errorf("%q: %+v, %v", in, r, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.String().Draw(rt, "reference")
		if r, ok := parseRef(s); ok && (r.String() != s || len(s) > 64 || url.PathEscape(r.job) != r.job) {
			rt.Fatalf("%q: %+v", s, r)
		}
	})
}

func TestWebhooksAreReadAsHints(t *testing.T) {
	g := connect[Gateway](t, serve(t, 200, ""))
	for _, c := range []struct{ body, ref, reply string }{
		{`{"paymentJobReference":"` + jobRef + `","paymentReference":"` + payRef + `"}`, paymentPath, `{"paymentJobReference":"` + jobRef + `","paymentReference":"` + payRef + `"}`},
		{`{"PaymentJobReference":"` + jobRef + `","PaymentReference":"` + payRef + `"}`, paymentPath, `{"PaymentJobReference":"` + jobRef + `","PaymentReference":"` + payRef + `"}`},
		{`{"notifyType":"x","paymentJobReference":` + jobRef + `,"paymentReference":` + payRef + `}`, paymentPath, `{"paymentJobReference":"` + jobRef + `","paymentReference":"` + payRef + `"}`},
		{``, "", ""}, {`[]`, "", ""}, {`null`, "", ""}, {`{}`, "", ""}, {`{"paymentJobReference":"` + jobRef + `"}`, "", ""},
		{`{"paymentJobReference":"../x","paymentReference":"` + payRef + `"}`, "", ""},
		{`{"paymentJobReference":{},"paymentReference":"` + payRef + `"}`, "", ""},
		{`{"paymentJobReference":"1","PaymentJobReference":"2","paymentReference":"` + payRef + `"}`, "", ""},
	} {
		h, err := g.ReadHint([]byte(c.body))
		if (err == nil) != (c.ref != "") || h.ProviderRef != c.ref || string(h.Reply) != c.reply {
			t.Errorf("%s: %+v %s, %v", c.body, h, h.Reply, err)
		}
	}
}

func TestAHintIsFollowedByAsking(t *testing.T) {
	body := strings.Replace(jobAnswer("Paid"), `"amountToCollect":"12.50"}]`,
		`"amountToCollect":"12.50","refunds":[{"reference":"`+partRef+`","refundNumber":"ours","status":"Completed","amountToRefund":"4.00"},`+
			`{"reference":"190721100444600377","status":"Completed","amountToRefund":"1.00"}]}]`, 1)
	s := serve(t, 200, body)
	events, err := connect[Gateway](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: paymentPath})
	if err != nil || len(events) != 2 || s.requests[0].RequestURI != "/api/gateway/payment-jobs/"+jobRef {
		t.Fatalf("%+v, %v", events, err)
	}
	sale, back := events[0], events[1]
	if sale.Kind != providers.EventOutcome || sale.Type != domain.Sale || sale.AttemptRef != attempt || sale.ProviderRef != paymentPath ||
		sale.Result.Outcome != providers.Approved || *sale.Result.Amount != money.FromMinor(1250, gbp) {
		t.Errorf("%+v", sale)
	}
	if back.Type != domain.Refund || back.AttemptRef != "ours" || back.ProviderRef != paymentPath+"/"+partRef || back.OriginalRef != paymentPath ||
		back.Result.Outcome != providers.Approved || *back.Result.Amount != money.FromMinor(400, gbp) {
		t.Errorf("%+v", back)
	}
	s.body = jobAnswer("Reserved")
	if events, err = connect[Reserving](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: paymentPath}); err != nil || events[0].Type != domain.Preauth || events[0].Result.Outcome != providers.Approved {
		t.Errorf("%+v, %v", events, err)
	}
	s.body = strings.Replace(jobAnswer("Paid"), `"Payment"`, `"Credit"`, 1)
	if events, err = connect[Gateway](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: paymentPath}); err != nil || events[0].Type != domain.Payout {
		t.Errorf("%+v, %v", events, err)
	}
	// A payment that the job does not have, and a job that there is not.
	if events, err = connect[Gateway](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: jobRef + "/" + partRef}); err != nil || len(events) != 0 {
		t.Errorf("%+v, %v", events, err)
	}
	s.status, s.body = 404, errorAnswer("", "x")
	if events, err = connect[Gateway](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: paymentPath}); err != nil || len(events) != 0 {
		t.Errorf("%+v, %v", events, err)
	}
	for status, kind := range map[int]providers.ErrorKind{401: providers.KindCredentials, 500: providers.KindServer} {
		s.status = status
		_, err = connect[Gateway](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: paymentPath})
		verdict{kind: kind}.check(t, providers.Result{}, err)
	}
	if _, err = connect[Gateway](t, s).FollowHint(t.Context(), providers.Hint{ProviderRef: "x"}); err == nil {
		t.Error("a hint about nothing was followed")
	}
}

func TestAnOrderTellsOnlyWhetherItArrived(t *testing.T) {
	for status, want := range map[int]any{200: true, 404: false, 401: providers.KindCredentials, 403: providers.KindCredentials,
		429: providers.KindRateLimited, 500: providers.KindServer, 503: providers.KindServer, 302: providers.KindGarbage, 400: providers.KindGarbage} {
		arrived, err := connect[Gateway](t, serve(t, status, "")).OrderArrived(t.Context(), attempt)
		if kind, fault := want.(providers.ErrorKind); fault {
			verdict{kind: kind}.check(t, providers.Result{}, err)
		} else if err != nil || arrived != want {
			t.Errorf("%d: %v, %v", status, arrived, err)
		}
	}
	if _, err := connect[Gateway](t, serve(t, 200, "")).OrderArrived(t.Context(), ""); err == nil {
		t.Error("a question about nothing was answered")
	}
}

func TestATestOfTheConnectionSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		ok     bool
		says   string
	}{
		{200, `{"data":[{"paymentMethod":"Card"}]}`, true, "knows this configuration"},
		{200, `{"data":[]}`, false, "no payment methods"},
		{401, errorAnswer("", "x"), false, "refused the API key"},
		{403, errorAnswer("", "x"), false, "refused the API key"},
		{403, errorAnswer("", "Too many attempts."), false, "locked"},
		{404, errorAnswer("", "x"), false, "does not know this configuration"},
	} {
		p, err := connect[Gateway](t, serve(t, c.status, c.body)).TestConnection(t.Context())
		if err != nil || p.OK != c.ok || !strings.Contains(p.Meaning, c.says) || (p.ToDo == "") != c.ok {
			t.Errorf("%d %s: %+v, %v", c.status, c.body, p, err)
		}
	}
	for _, status := range []int{400, 429, 500, 503} {
		if p, err := connect[Gateway](t, serve(t, status, errorAnswer("", "x"))).TestConnection(t.Context()); err == nil {
			t.Errorf("%d: %+v", status, p)
		}
	}
}

func TestTheTypeIsWhatTheSettingsAskFor(t *testing.T) {
	s := serve(t, 200, "")
	for _, c := range []struct {
		p    providers.Provider
		has  []domain.Capability
		hasn []domain.Capability
	}{
		{connect[Gateway](t, s),
			[]domain.Capability{domain.CanSellByToken, domain.CanSellByPage, domain.CanRefund, domain.CanPartRefund, domain.CanVoidSale, domain.CanPayout,
				domain.CanPayByLink, domain.CanTokenFromPast, domain.CanReceiveHints, domain.CanTestConnection},
			[]domain.Capability{domain.CanPreauthByToken, domain.CanCapture, domain.CanVoidPreauth, domain.CanLookUp, domain.CanReceiveCallbacks, domain.CanRegisterCard, domain.CanSchedule}},
		{connect[Reserving](t, s),
			[]domain.Capability{domain.CanPreauthByToken, domain.CanPreauthByPage, domain.CanCapture, domain.CanPartCapture, domain.CanCaptureAgain, domain.CanVoidPreauth, domain.CanRefund},
			[]domain.Capability{domain.CanSellByToken, domain.CanSellByPage, domain.CanVoidSale, domain.CanPayByLink}},
		{connect[*Remote](t, s),
			[]domain.Capability{domain.CanSellByToken, domain.CanPreauthByToken, domain.CanCapture, domain.CanVoidPreauth, domain.CanVoidSale, domain.CanRefund},
			[]domain.Capability{domain.CanSellByPage, domain.CanPartCapture, domain.CanCaptureAgain, domain.CanLookUp, domain.CanReceiveHints, domain.CanTestConnection, domain.CanPayout}},
	} {
		settings := map[string]string{}
		if _, remote := c.p.(*Remote); remote {
			settings[SettingProduct] = ProductRemote
		}
		caps := providers.CapabilitiesOf(c.p, Registration(), settings, "https://shop.example")
		for _, want := range c.has {
			if !caps.Has(want) {
				t.Errorf("%T does not offer %s", c.p, want)
			}
		}
		for _, not := range c.hasn {
			if caps.Has(not) {
				t.Errorf("%T offers %s", c.p, not)
			}
		}
		if c.p.Name() != Name {
			t.Errorf("%T calls itself %q", c.p, c.p.Name())
		}
	}
}

func TestConfigurationsThatCannotWorkAreRefusedWithoutRepeatingThem(t *testing.T) {
	good := func() providers.Config {
		return providers.Config{
			BaseURL: testURL + "/", Settings: map[string]string{SettingConfigurationID: "planted-id"},
			Secrets: map[string]string{SecretAPIKey: "planted-key", SecretRemoteAuthID: "7654321", SecretRemoteAuthPassword: "planted-password"},
		}
	}
	remote := func(c *providers.Config) { c.Settings[SettingProduct] = ProductRemote }
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*providers.Config){
		"no base":                  func(c *providers.Config) { c.BaseURL = "" },
		"a path":                   func(c *providers.Config) { c.BaseURL = "/planted" },
		"another scheme":           func(c *providers.Config) { c.BaseURL = "ftp://planted.example" },
		"a user":                   func(c *providers.Config) { c.BaseURL = "https://planted:planted@gateway.cashflows.com" },
		"no configuration":         func(c *providers.Config) { c.Settings[SettingConfigurationID] = "" },
		"a configuration line":     func(c *providers.Config) { c.Settings[SettingConfigurationID] = "planted\r\nHash: x" },
		"no key":                   func(c *providers.Config) { c.Secrets[SecretAPIKey] = "" },
		"an unknown product":       func(c *providers.Config) { c.Settings[SettingProduct] = "planted" },
		"an unknown capture":       func(c *providers.Config) { c.Settings[SettingAutoCapture] = "planted" },
		"a page path":              func(c *providers.Config) { c.Settings[SettingPageOrigin] = "/planted" },
		"remote, no id":            func(c *providers.Config) { remote(c); c.Secrets[SecretRemoteAuthID] = "" },
		"remote, a short id":       func(c *providers.Config) { remote(c); c.Secrets[SecretRemoteAuthID] = "planted" },
		"remote, no password":      func(c *providers.Config) { remote(c); c.Secrets[SecretRemoteAuthPassword] = "" },
		"remote, not an address":   func(c *providers.Config) { remote(c); c.Settings[SettingRemoteBaseURL] = "planted" },
		"remote, the other's mode": func(c *providers.Config) { remote(c); c.Settings[SettingRemoteBaseURL] = liveRemoteURL },
	} {
		c := good()
		spoil(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEachGatewayAddressHasItsRemoteAddress(t *testing.T) {
	for base, want := range map[string]string{
		liveURL: liveRemoteURL + remotePath, testURL: testRemoteURL + remotePath, "http://127.0.0.1:9090/cashflows": "http://127.0.0.1:9090/cashflows" + remotePath,
	} {
		p, err := New(providers.Config{BaseURL: base, Settings: map[string]string{SettingProduct: ProductRemote},
			Secrets: map[string]string{SecretRemoteAuthID: "1234567", SecretRemoteAuthPassword: "p"}})
		if err != nil || p.(*Remote).endpoint.String() != want {
			t.Errorf("%s: %v, %v", base, p, err)
		}
	}
	reg := Registration()
	for _, a := range reg.Addresses {
		if (a.Mode == domain.Live) != (a.URL == liveURL) {
			t.Errorf("%+v", a)
		}
	}
	if want := []string{SecretAPIKey, SecretRemoteAuthID, SecretRemoteAuthPassword}; !reflect.DeepEqual(reg.Secrets(), want) {
		t.Errorf("secrets %v", reg.Secrets())
	}
	if !slices.Contains(reg.Settings(), SettingConfigurationID) {
		t.Errorf("settings %v", reg.Settings())
	}
}

const (
	hashOfBody = "687db1f9621bbda4f151688ad16b293e7369082822f59f7ad2e4fd2dc2a0d753cf9b9b6b798c06c1128c08abbdcff68f974384ec82800533b67eec70def72cc8"
	hashOfKey  = "bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d682ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"
)
