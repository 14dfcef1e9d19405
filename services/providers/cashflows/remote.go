package cashflows

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// Remote is a connection to Remote Authentication. It is safe for concurrent
// use. There is no question by which an outcome could be found, and none by
// which a connection could be tested.
type Remote struct {
	endpoint     *url.URL
	id, password string
	http         *httpclient.Client
}

var (
	_ providers.TokenSeller        = (*Remote)(nil)
	_ providers.TokenPreauthorizer = (*Remote)(nil)
	_ providers.Capturer           = (*Remote)(nil)
	_ providers.PreauthVoider      = (*Remote)(nil)
	_ providers.SaleVoider         = (*Remote)(nil)
	_ providers.Refunder           = (*Remote)(nil)
)

// remotePath is the endpoint's path (README, Remote Authentication). Older clients call
// /gateway/remote.
const remotePath = "/gateway/remote_auth"

// The field names and fixed values of a request (README, Remote Authentication). Seed 001 puts
// the two credentials into headers whose names it lost; the current reference
// and every client have them in the body, where their names are known.
const (
	fieldID       = "auth_id"
	fieldPassword = "auth_pass"
	classMOTO     = "moto"
	testModeNone  = "0"
	descLength    = 99
	tokenLength   = 50
)

// remoteURL is the address of Remote Authentication that belongs to a Gateway
// address: each of Cashflows' own has its pair, any other is both.
func remoteURL(base *url.URL, setting string) (*url.URL, error) {
	pairs := map[string]string{liveURL: liveRemoteURL, testURL: testRemoteURL}
	pair := pairs[providers.OriginOf(base)]
	if setting == "" {
		if pair == "" {
			return base, nil
		}
		return providers.WebURL(pair)
	}
	u, err := providers.WebURL(setting)
	if err != nil {
		return nil, err
	}
	// A connection of one mode must not reach the other's money.
	for _, known := range pairs {
		if pair != "" && providers.OriginOf(u) == known && known != pair {
			return nil, fmt.Errorf("the address belongs to the other environment")
		}
	}
	return u, nil
}

func newRemote(c providers.Config, base *url.URL) (*Remote, error) {
	at, err := remoteURL(base, c.Settings[SettingRemoteBaseURL])
	if err != nil {
		return nil, fmt.Errorf("cashflows: %s cannot be used", SettingRemoteBaseURL)
	}
	r := &Remote{endpoint: at.JoinPath(remotePath), id: c.Secrets[SecretRemoteAuthID], password: c.Secrets[SecretRemoteAuthPassword]}
	switch {
	case len(r.id) != 7 || strings.Trim(r.id, "0123456789") != "":
		return nil, fmt.Errorf("cashflows: %s is missing or has not seven digits", SecretRemoteAuthID)
	case r.password == "":
		return nil, fmt.Errorf("cashflows: %s is missing", SecretRemoteAuthPassword)
	}
	r.http = httpclient.New(options(c, []string{r.endpoint.String(), r.id, r.password},
		[]string{r.id, r.password, url.QueryEscape(r.password)}))
	return r, nil
}

// Name is the registration's name.
func (r *Remote) Name() string { return Name }

// remoteCodes is the whole table of seed 001, "Acquirer Response Codes - Remote
// Auth". D, R, C and E or B are answers of whoever decides about the card; V
// refuses the request as such; S is the system's own trouble, after which only
// Sx00 and Sx07 say that nothing was tried. A code stands without its internal
// digit, which the table writes as x.
var remoteCodes = map[string]meaning{
	"D01": {declined, domain.ReasonDeclined},
	"D02": {declined, domain.ReasonInsufficientFunds},
	"D03": {declined, domain.ReasonPickUp},
	"D05": {declined, domain.ReasonSuspectedFraud},
	"D07": {declined, domain.ReasonTestMismatch},
	"D08": {declined, domain.ReasonMerchantFunds},
	"D10": {declined, domain.ReasonTooManyAttempts},
	"D11": {declined, domain.ReasonTooManyAttempts},
	"D40": {declined, domain.ReasonPaymentsStopped},
	"D41": {declined, domain.ReasonPaymentsStopped},
	"D43": {declined, domain.ReasonPaymentsStopped},
	"D49": {declined, domain.ReasonConfirmation},
	"D90": {declined, domain.ReasonSuspectedFraud},
	"D91": {declined, domain.ReasonSuspectedFraud},
	"R01": {declined, domain.ReasonCallBank},
	"E01": {declined, domain.ReasonUnmapped}, // "Transaction error" and "Blocked" is all that is said
	"C01": {declined, domain.ReasonCustomerCancelled},
	"C02": {declined, domain.ReasonLinkExpired},

	"S00": {refused, domain.ReasonInvalidRequest},
	"S01": {lost, domain.ReasonNone},
	"S02": {lost, domain.ReasonNone},
	"S03": {lost, domain.ReasonNone},
	"S04": {lost, domain.ReasonNone},
	"S05": {lost, domain.ReasonNone},
	"S06": {lost, domain.ReasonNone},
	"S07": {refused, domain.ReasonMaintenance},
	"S99": {lost, domain.ReasonNone},

	"V01": {refused, domain.ReasonCredentials},
	"V02": {refused, domain.ReasonCardDetails},
	"V03": {refused, domain.ReasonCardDetails},
	"V04": {refused, domain.ReasonCardDetails},
	"V05": {refused, domain.ReasonSecurityCode},
	"V06": {refused, domain.ReasonInvalidCard},
	"V07": {refused, domain.ReasonCustomerDetails},
	"V08": {refused, domain.ReasonCustomerDetails},
	"V09": {refused, domain.ReasonCustomerDetails},
	"V10": {refused, domain.ReasonInvalidRequest},
	"V11": {refused, domain.ReasonCustomerDetails},
	"V12": {refused, domain.ReasonCustomerDetails},
	"V13": {refused, domain.ReasonAmount},
	"V14": {refused, domain.ReasonInvalidRequest},
	"V15": {refused, domain.ReasonInvalidRequest},
	"V16": {refused, domain.ReasonInvalidRequest},
	"V17": {refused, domain.ReasonNotAllowed},
	"V18": {refused, domain.ReasonNotAllowed},
	"V19": {refused, domain.ReasonInvalidRequest},
	"V20": {refused, domain.ReasonCurrencyMismatch},
	"V21": {refused, domain.ReasonInvalidRequest},
	"V22": {refused, domain.ReasonRefundTooLarge},
	"V23": {refused, domain.ReasonNotAllowed},
	"V24": {refused, domain.ReasonAmount},
	"V25": {refused, domain.ReasonCredentials},
	"V26": {refused, domain.ReasonInvalidRequest},
	"V27": {refused, domain.ReasonWrongState},
	"V28": {refused, domain.ReasonTestMismatch},
	"V29": {refused, domain.ReasonUnsupportedCard},
	"V30": {refused, domain.ReasonUnsupportedCard},
	"V31": {refused, domain.ReasonCardDetails},
	"V32": {refused, domain.ReasonCardDetails},
	"V33": {duplicate, domain.ReasonNone},
	"V34": {refused, domain.ReasonWrongState},
	"V35": {refused, domain.ReasonWrongState},
	"V36": {refused, domain.ReasonWrongPIN},
	"V37": {refused, domain.ReasonNotAllowed},
	"V38": {refused, domain.ReasonNotAllowed},
	"V39": {refused, domain.ReasonExpiredCard},
	"V40": {refused, domain.ReasonSecurityCode},
	"V41": {refused, domain.ReasonWrongState},
	"V42": {refused, domain.ReasonWrongState},
	"V43": {refused, domain.ReasonUnsupportedCard},
	"V44": {refused, domain.ReasonInvalidRequest},
	"V48": {refused, domain.ReasonCredentials},
	"V52": {refused, domain.ReasonNotAllowed},
	"V53": {refused, domain.ReasonAuthentication},
	// Two authorisations at once: one of them may be this one.
	"V54": {duplicate, domain.ReasonNone},
	"V55": {refused, domain.ReasonInvalidRequest},
	"V56": {refused, domain.ReasonNotAllowed},
	"V57": {refused, domain.ReasonUnsupportedCard},
	"V58": {refused, domain.ReasonConfirmation},
	"V59": {refused, domain.ReasonConfirmation},
	"V60": {refused, domain.ReasonUnsupportedCard},
	"V61": {refused, domain.ReasonInvalidRequest},
	"V62": {refused, domain.ReasonInvalidRequest},
	"V63": {refused, domain.ReasonNotAllowed},
	"V64": {refused, domain.ReasonExpiredCard},
}

// letters are the statuses of the legend; the table has E where the legend has
// B, so both are one.
const letters = "AVDRBCSE"

// remoteCode gives the table's name of a code: D202 is D02, and B is E.
func remoteCode(letter, code string) (string, bool) {
	if len(code) != 4 || strings.Trim(code[1:], "0123456789") != "" {
		return "", false
	}
	same := strings.NewReplacer("B", "E")
	if same.Replace(letter) != same.Replace(code[:1]) {
		return "", false
	}
	return same.Replace(code[:1]) + code[2:], true
}

// SellByToken takes a telephone sale with a stored card. It moves money.
func (r *Remote) SellByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return r.byToken(ctx, "sale", "sale", req)
}

// PreauthorizeByToken holds an amount on a stored card.
func (r *Remote) PreauthorizeByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return r.byToken(ctx, "preauth", "hold", req)
}

func (r *Remote) byToken(ctx context.Context, op, tranType string, req providers.SaleRequest) (providers.Result, error) {
	if err := sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	switch {
	case req.Token == "":
		return providers.Result{}, unsent(op, domain.ReasonCardToken, "the card token is missing")
	case len(req.Token) > tokenLength:
		return providers.Result{}, unsent(op, domain.ReasonCardToken, "the card token cannot be written in the provider's form")
	}
	f := r.form(tranType, req.Amount, req.AttemptRef, req.OrderReference)
	f.Set("card_token", req.Token)
	if req.Email != "" {
		f.Set("cust_email", req.Email)
	}
	return r.send(ctx, op, f, req.Token)
}

// Refund gives back a part or the whole of a sale. It moves money.
func (r *Remote) Refund(ctx context.Context, req providers.RefundRequest) (providers.Result, error) {
	return r.follow(ctx, "refund", "refund", req.Amount, req.AttemptRef, req.OriginalRef, req.Note)
}

// Capture takes a held amount as a whole. It moves money.
func (r *Remote) Capture(ctx context.Context, req providers.CaptureRequest) (providers.Result, error) {
	if !req.Final {
		return providers.Result{}, unsupported("capture", "the document has no rule for a capture that is not the last")
	}
	return r.follow(ctx, "capture", "capture", req.Amount, req.AttemptRef, req.OriginalRef, "")
}

// VoidSale undoes a sale as a whole. It moves money back.
func (r *Remote) VoidSale(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	if req.OriginalType != domain.Sale {
		return providers.Result{}, unsupported("void", "the document has no rule for undoing this")
	}
	return r.follow(ctx, "void", "void", req.Amount, req.AttemptRef, req.OriginalRef, "")
}

// VoidPreauth releases a held amount as a whole.
func (r *Remote) VoidPreauth(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	return r.follow(ctx, "void", "void", req.Amount, req.AttemptRef, req.OriginalRef, "")
}

// follow sends an operation on an earlier transaction. ASSUMPTION: beside
// tran_orig_id it has the fields of a sale; only the names of these operations
// are known (README, Remote Authentication).
func (r *Remote) follow(ctx context.Context, op, tranType string, amount money.Amount, attempt, original, note string) (providers.Result, error) {
	if err := sendable(op, amount, attempt); err != nil {
		return providers.Result{}, err
	}
	if original == "" || !httpclient.Reference(original) {
		return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the original transaction's id is missing or is none of the provider's")
	}
	f := r.form(tranType, amount, attempt, note)
	f.Set("tran_orig_id", original)
	res, err := r.send(ctx, op, f, "")
	if err == nil && res.Outcome == providers.Approved && res.ProviderRef == original {
		return providers.Result{}, &providers.Error{
			Provider: Name, Op: op, Kind: providers.KindGarbage, Text: "the answer is about the original transaction", Raw: res.Raw,
		}
	}
	return res, err
}

// form has the fields that every request has; amounts have two decimals.
func (r *Remote) form(tranType string, amount money.Amount, attempt, note string) url.Values {
	f := url.Values{
		fieldID: {r.id}, fieldPassword: {r.password}, "tran_ref": {attempt}, "tran_amount": {amount.Major()},
		"tran_currency": {amount.Currency().Code()}, "tran_testmode": {testModeNone}, "tran_type": {tranType}, "tran_class": {classMOTO},
	}
	if note != "" {
		f.Set("tran_desc", providers.AtMost(note, descLength))
	}
	return f
}

func (r *Remote) send(ctx context.Context, op string, f url.Values, token string) (providers.Result, error) {
	resp, err := r.http.Do(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: r.endpoint.String(), Body: []byte(f.Encode()),
		Header:  http.Header{"Accept": {"text/plain"}, "Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
		Secrets: []string{token, url.QueryEscape(token)},
	})
	if err != nil {
		return providers.Result{}, err
	}
	return r.result(op, resp, token)
}

// result reads the line: status letter, transaction id, check digits, code,
// message and, in newer answers, one field more.
func (r *Remote) result(op string, resp *httpclient.Response, token string) (providers.Result, error) {
	if f := r.http.StatusFault(op, resp); f != nil {
		f.Raw = r.http.Scrub(resp.Body, token)
		return providers.Result{}, f
	}
	bad := func(text string) (providers.Result, error) {
		return providers.Result{}, garbage(r.http, op, resp, token, "%s", text)
	}
	line := strings.TrimRight(string(resp.Body), "\r\n")
	fields := strings.Split(line, "|")
	if resp.Status != http.StatusOK || (len(fields) != 5 && len(fields) != 6) || strings.ContainsAny(line, "\r\n") {
		return bad("the answer is not a line of five or six fields")
	}
	letter, id, code := fields[0], fields[1], fields[3]
	if len(letter) != 1 || !strings.Contains(letters, letter) || !httpclient.Reference(id) {
		return bad("the answer's status or transaction id cannot be read")
	}
	res := providers.Result{
		ProviderRef: id, Code: r.http.Words(code, token), Text: r.http.Words(fields[4], token), Raw: r.http.Scrub(resp.Body, token),
	}
	if letter == "A" {
		if id == "" {
			return bad("the answer says authorised without a transaction id")
		}
		res.Outcome, res.AuthCode, res.Code = providers.Approved, res.Code, ""
		return res, nil
	}
	name, ok := remoteCode(letter, code)
	m := remoteCodes[name]
	e := &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, Code: res.Code, Text: res.Text, Raw: res.Raw}
	switch {
	case !ok || m.class == unlisted:
		// A code that the table does not have is no verdict, whatever its letter.
		e.Kind = providers.KindServer
	case m.class == declined:
		res.Outcome, res.Reason = providers.Declined, m.reason
		return res, nil
	case m.class == lost:
		e.Kind = providers.KindServer
	case m.class == refused:
		e.NotDone, e.Reason = true, m.reason
		switch {
		case m.reason == domain.ReasonCredentials:
			e.Kind = providers.KindCredentials
		case m.reason == domain.ReasonMaintenance:
			e.Kind = providers.KindServer
		case m.reason == domain.ReasonRefundTooLarge && op == "capture":
			e.Reason = domain.ReasonCaptureTooLarge
		}
	}
	return providers.Result{}, e
}
