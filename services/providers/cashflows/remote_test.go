package cashflows

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// ofCode is what each code of the document's table means for money, of a refund.
var ofCode = map[string]verdict{
	"Dx01": declinedFor(domain.ReasonDeclined), "Dx02": declinedFor(domain.ReasonInsufficientFunds), "Dx03": declinedFor(domain.ReasonPickUp),
	"Dx05": declinedFor(domain.ReasonSuspectedFraud), "Dx07": declinedFor(domain.ReasonTestMismatch), "Dx08": declinedFor(domain.ReasonMerchantFunds),
	"Dx10": declinedFor(domain.ReasonTooManyAttempts), "Dx11": declinedFor(domain.ReasonTooManyAttempts), "Dx40": declinedFor(domain.ReasonPaymentsStopped),
	"Dx41": declinedFor(domain.ReasonPaymentsStopped), "Dx43": declinedFor(domain.ReasonPaymentsStopped), "Dx49": declinedFor(domain.ReasonConfirmation),
	"Dx90": declinedFor(domain.ReasonSuspectedFraud), "Dx91": declinedFor(domain.ReasonSuspectedFraud),
	"Rx01": declinedFor(domain.ReasonCallBank), "Ex01": declinedFor(domain.ReasonUnmapped),
	"Cx01": declinedFor(domain.ReasonCustomerCancelled), "Cx02": declinedFor(domain.ReasonLinkExpired),

	"Sx00": refusedFor(domain.ReasonInvalidRequest),
	"Sx01": unknown, "Sx02": unknown, "Sx03": unknown, "Sx04": unknown, "Sx05": unknown, "Sx06": unknown, "Sx99": unknown,
	"Sx07": {kind: providers.KindServer, notDone: true, reason: domain.ReasonMaintenance},

	"Vx01": {kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials},
	"Vx02": refusedFor(domain.ReasonCardDetails), "Vx03": refusedFor(domain.ReasonCardDetails), "Vx04": refusedFor(domain.ReasonCardDetails),
	"Vx05": refusedFor(domain.ReasonSecurityCode), "Vx06": refusedFor(domain.ReasonInvalidCard), "Vx07": refusedFor(domain.ReasonCustomerDetails),
	"Vx08": refusedFor(domain.ReasonCustomerDetails), "Vx09": refusedFor(domain.ReasonCustomerDetails), "Vx10": refusedFor(domain.ReasonInvalidRequest),
	"Vx11": refusedFor(domain.ReasonCustomerDetails), "Vx12": refusedFor(domain.ReasonCustomerDetails), "Vx13": refusedFor(domain.ReasonAmount),
	"Vx14": refusedFor(domain.ReasonInvalidRequest), "Vx15": refusedFor(domain.ReasonInvalidRequest), "Vx16": refusedFor(domain.ReasonInvalidRequest),
	"Vx17": refusedFor(domain.ReasonNotAllowed), "Vx18": refusedFor(domain.ReasonNotAllowed), "Vx19": refusedFor(domain.ReasonInvalidRequest),
	"Vx20": refusedFor(domain.ReasonCurrencyMismatch), "Vx21": refusedFor(domain.ReasonInvalidRequest), "Vx22": refusedFor(domain.ReasonRefundTooLarge),
	"Vx23": refusedFor(domain.ReasonNotAllowed), "Vx24": refusedFor(domain.ReasonAmount),
	"Vx25": {kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials},
	"Vx26": refusedFor(domain.ReasonInvalidRequest), "Vx27": refusedFor(domain.ReasonWrongState), "Vx28": refusedFor(domain.ReasonTestMismatch),
	"Vx29": refusedFor(domain.ReasonUnsupportedCard), "Vx30": refusedFor(domain.ReasonUnsupportedCard), "Vx31": refusedFor(domain.ReasonCardDetails),
	"Vx32": refusedFor(domain.ReasonCardDetails), "Vx33": doubtful, "Vx34": refusedFor(domain.ReasonWrongState), "Vx35": refusedFor(domain.ReasonWrongState),
	"Vx36": refusedFor(domain.ReasonWrongPIN), "Vx37": refusedFor(domain.ReasonNotAllowed), "Vx38": refusedFor(domain.ReasonNotAllowed),
	"Vx39": refusedFor(domain.ReasonExpiredCard), "Vx40": refusedFor(domain.ReasonSecurityCode), "Vx41": refusedFor(domain.ReasonWrongState),
	"Vx42": refusedFor(domain.ReasonWrongState), "Vx43": refusedFor(domain.ReasonUnsupportedCard), "Vx44": refusedFor(domain.ReasonInvalidRequest),
	"Vx48": {kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials},
	"Vx52": refusedFor(domain.ReasonNotAllowed), "Vx53": refusedFor(domain.ReasonAuthentication), "Vx54": doubtful,
	"Vx55": refusedFor(domain.ReasonInvalidRequest), "Vx56": refusedFor(domain.ReasonNotAllowed), "Vx57": refusedFor(domain.ReasonUnsupportedCard),
	"Vx58": refusedFor(domain.ReasonConfirmation), "Vx59": refusedFor(domain.ReasonConfirmation), "Vx60": refusedFor(domain.ReasonUnsupportedCard),
	"Vx61": refusedFor(domain.ReasonInvalidRequest), "Vx62": refusedFor(domain.ReasonInvalidRequest), "Vx63": refusedFor(domain.ReasonNotAllowed),
	"Vx64": refusedFor(domain.ReasonExpiredCard),
}

func remoteRefund(t *testing.T, body string) (providers.Result, error) {
	t.Helper()
	return connect[*Remote](t, serve(t, 200, body)).Refund(t.Context(), providers.RefundRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: "01S0135FD47"})
}

// The file is the document's own table: code, words, status. x is an internal
// digit, so every digit must do, in five fields and in six.
func TestEveryRemoteCodeOfTheDocumentIsClassed(t *testing.T) {
	all := lines(t, "remote_codes.txt")
	if len(all) != 85 || len(ofCode) != 85 || len(remoteCodes) != 85 {
		t.Fatalf("the document has %d codes, %d are expected, %d are classed", len(all), len(ofCode), len(remoteCodes))
	}
	for _, line := range all {
		code, rest, _ := strings.Cut(line, "|")
		words, status, _ := strings.Cut(rest, "|")
		t.Run(code, func(t *testing.T) {
			want, ok := ofCode[code]
			if !ok {
				t.Fatal("not expected")
			}
			for digit := range 10 {
				written := strings.Replace(code, "x", strconv.Itoa(digit), 1)
				for _, tail := range []string{"", "|MCC0000001101", "\r\n"} {
					res, err := remoteRefund(t, code[:1]+"|01S0000AAAA|000|"+written+"|"+words+tail)
					want.check(t, res, err)
					if err == nil && (res.Code != written || res.Text != words) {
						t.Errorf("%+v", res)
					}
				}
			}
			// Only a listed no of the table's own status is one.
			if want.kind == "" && status == "System Error" {
				t.Error("a system error is no decline")
			}
		})
	}
}

// The legend has B for blocked, the table E: both are read, together too.
func TestBlockedIsReadWithBothLetters(t *testing.T) {
	for _, line := range []string{"E|01S|000|E001|Transaction error", "B|01S|000|B001|Transaction error", "B|01S|000|E001|Transaction error", "E|01S|000|B101|Transaction error"} {
		res, err := remoteRefund(t, line)
		declinedFor(domain.ReasonUnmapped).check(t, res, err)
	}
}

func TestRemoteAnswers(t *testing.T) {
	const ok = "A|01S0000AAAA|200|AUTHOK|Authorised|MCC0000001101"
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"authorised", 200, ok, approved},
		{"in five fields", 200, "A|01S0000AAAA|200|AUTHOK|Authorised", approved},
		{"with a line end", 200, ok + "\r\n", approved},
		{"without a transaction id", 200, "A||200|AUTHOK|Authorised", unread},
		{"under the original's id", 200, "A|01S0135FD47|200|AUTHOK|Authorised", unread},
		{"an id that is none", 200, "A|a b|200|AUTHOK|Authorised", unread},
		{"four fields", 200, "A|01S0000AAAA|200|AUTHOK", unread},
		{"seven fields", 200, ok + "|x", unread},
		{"two lines", 200, ok + "\n" + ok, unread},
		{"a letter to come", 200, "X|01S|200|X001|x", unread},
		{"a small letter", 200, "a|01S0000AAAA|200|AUTHOK|Authorised", unread},
		{"a code to come", 200, "D|01S|000|D077|x", unknown},
		{"a refusal's code to come", 200, "V|01S|000|V099|x", unknown},
		{"a code of another letter", 200, "D|01S|000|V006|x", unknown},
		{"no code", 200, "D|01S|000||x", unknown},
		{"a code that is none", 200, "D|01S|000|D0x1|x", unknown},
		{"a page", 200, "<!doctype html><title>Welcome</title>", unread},
		{"empty", 200, "", unread},
		{"authorised under an HTTP error", 400, ok, unread},
		{"not found", 404, "", unread},
		{"redirected", 302, ok, unread},
		{"unauthorized", 401, "", verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}},
		{"forbidden", 403, "", verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}},
		{"too many requests", 429, "", verdict{kind: providers.KindRateLimited, notDone: true, reason: domain.ReasonRateLimited}},
		{"internal error", 500, ok, unknown},
		{"unavailable", 503, "V|01S|000|V026|x", unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.status, c.body)
			s.contentType = "text/plain"
			res, err := connect[*Remote](t, s).Refund(t.Context(), providers.RefundRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: "01S0135FD47"})
			c.want.check(t, res, err)
			if err == nil && (res.ProviderRef != "01S0000AAAA" || res.AuthCode != "AUTHOK") {
				t.Errorf("%+v", res)
			}
		})
	}
}

// Whatever else a code says, it is no verdict.
func TestACodeThatTheTableDoesNotHaveIsNoVerdict(t *testing.T) {
	s := serve(t, 200, "")
	r := connect[*Remote](t, s)
	rapid.Check(t, func(rt *rapid.T) {
		letter := rapid.SampledFrom([]string{"D", "R", "C", "S", "V", "E", "B"}).Draw(rt, "letter")
		code := rapid.StringMatching(`[A-Z0-9]{0,5}`).Draw(rt, "code")
		if len(code) == 4 {
			if _, listed := ofCode[strings.Replace(code[:1], "B", "E", 1)+"x"+code[2:]]; listed {
				return
			}
		}
		s.body = letter + "|01S|000|" + code + "|words"
		_, err := r.SellByToken(t.Context(), saleRequest())
		if e, ok := providers.AsError(err); !ok || e.NotDone {
			rt.Fatalf("%s: %v", s.body, err)
		}
	})
}

func TestRemoteRequests(t *testing.T) {
	s := serve(t, 200, "A|01S0000AAAA|200|AUTHOK|Authorised")
	r, ctx, a := connect[*Remote](t, s), t.Context(), saleRequest().Amount
	base := url.Values{
		"auth_id": {"1234567"}, "auth_pass": {"planted&päss word"}, "tran_ref": {attempt}, "tran_amount": {"12.50"}, "tran_currency": {"GBP"},
		"tran_testmode": {"0"}, "tran_class": {"moto"},
	}
	follow := map[string]string{"tran_orig_id": "01S0135FD47"}
	long := saleRequest()
	long.OrderReference, long.Email = strings.Repeat("ü", 150), ""
	for _, c := range []struct {
		tranType string
		extra    map[string]string
		call     func() error
	}{
		{"sale", map[string]string{"card_token": "a-stored-token", "tran_desc": "order 7", "cust_email": "ada@example.com"},
			func() error { _, err := r.SellByToken(ctx, saleRequest()); return err }},
		{"hold", map[string]string{"card_token": "a-stored-token", "tran_desc": strings.Repeat("ü", 99)},
			func() error { _, err := r.PreauthorizeByToken(ctx, long); return err }},
		{"refund", map[string]string{"tran_orig_id": "01S0135FD47", "tran_desc": "returned"}, func() error {
			_, err := r.Refund(ctx, providers.RefundRequest{Amount: a, AttemptRef: attempt, OriginalRef: "01S0135FD47", Note: "returned"})
			return err
		}},
		{"capture", follow, func() error {
			_, err := r.Capture(ctx, providers.CaptureRequest{Amount: a, AttemptRef: attempt, OriginalRef: "01S0135FD47", Final: true})
			return err
		}},
		{"void", follow, func() error {
			_, err := r.VoidSale(ctx, providers.FollowUp{Amount: a, AttemptRef: attempt, OriginalRef: "01S0135FD47", OriginalType: domain.Sale})
			return err
		}},
		{"void", follow, func() error {
			_, err := r.VoidPreauth(ctx, providers.FollowUp{Amount: a, AttemptRef: attempt, OriginalRef: "01S0135FD47", OriginalType: domain.Preauth})
			return err
		}},
	} {
		if err := c.call(); err != nil {
			t.Fatal(err)
		}
		req, body := s.requests[len(s.requests)-1], s.bodies[len(s.bodies)-1]
		want := url.Values{"tran_type": {c.tranType}}
		for k, v := range base {
			want[k] = v
		}
		for k, v := range c.extra {
			want.Set(k, v)
		}
		if req.Method != "POST" || req.RequestURI != remotePath || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded; charset=utf-8" || string(body) != want.Encode() {
			t.Errorf("%s %s\n got %s\nwant %s", req.Method, req.RequestURI, body, want.Encode())
		}
	}
}

// An amount that exceeds the original is too much to refund or too much to
// capture.
func TestRemoteSaysWhatIsTooMuch(t *testing.T) {
	s := serve(t, 200, "V|01S|000|V022|Amount exceeds original")
	_, err := connect[*Remote](t, s).Capture(t.Context(), providers.CaptureRequest{Amount: saleRequest().Amount, AttemptRef: attempt, OriginalRef: "01S0135FD47", Final: true})
	refusedFor(domain.ReasonCaptureTooLarge).check(t, providers.Result{}, err)
}

// A form writes secrets escaped, so they are looked for in that spelling too.
func TestRemoteSecretsAreInNoTranscript(t *testing.T) {
	s := serve(t, 200, "D|01S|000|D001|planted&päss word 1234567 to/ken+1 4111111111111111")
	var seen bytes.Buffer
	r := connect[*Remote](t, s, func(c *providers.Config) {
		c.HTTP = httpclient.Transport(httpclient.Options{AllowHosts: []string{s.Listener.Addr().String()}, Transcript: func(x httpclient.Exchange) { seen.WriteString(x.String()) }})
	})
	req := saleRequest()
	req.Token, req.Amount = "to/ken+1", money.FromMinor(100, gbp)
	res, err := r.SellByToken(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	seen.WriteString(res.Text + " " + string(res.Raw))
	for _, secret := range []string{"planted&päss word", url.QueryEscape("planted&päss word"), "1234567", "to/ken+1", url.QueryEscape("to/ken+1"), "4111111111111111"} {
		if strings.Contains(seen.String(), secret) {
			t.Errorf("%q was given away in %s", secret, seen.String())
		}
	}
}
