package cardflo

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// contentType is sent and signed in this exact spelling (seed 003, "Request
// format").
const contentType = "application/json; charset=utf-8"

// indicatorMOTO marks a telephone sale (seed 003, "Debit").
const indicatorMOTO = "MOTO"

// basicAuth is the credential of RFC 7617, without any line end (seed 003,
// "Authentication").
func basicAuth(user, pass string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
}

// sign makes X-Signature (seed 003, "Signature"): the base64 of the binary
// HMAC-SHA512 over method, hash of the body, content type, date and request
// URI, joined by single line feeds.
func sign(secret, method, bodyHash, contentType, date, requestURI string) string {
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{method, bodyHash, contentType, date, requestURI}, "\n")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// bodyHash is the lower-case hex SHA-512 of the body as sent; of a GET, that of
// nothing.
func bodyHash(body []byte) string {
	sum := sha512.Sum512(body)
	return hex.EncodeToString(sum[:])
}

// SellByToken debits with a token of payment.js or the card frame. It moves
// money.
func (a *Adapter) SellByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	if req.Token == "" {
		return providers.Result{}, a.unsent("sale", domain.ReasonCardToken, "the card token is missing")
	}
	return a.debit(ctx, "sale", req)
}

// SellByPage debits without a token, which the provider answers with the page
// on which the card is typed (seed 003, "Debit", REDIRECT).
func (a *Adapter) SellByPage(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	req.Token = ""
	return a.debit(ctx, "sale_by_page", req)
}

func (a *Adapter) debit(ctx context.Context, op string, req providers.SaleRequest) (providers.Result, error) {
	if err := a.sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	body := debitRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.Amount.Major(),
		Currency:              req.Amount.Currency().Code(),
		TransactionToken:      req.Token,
		TransactionIndicator:  indicatorMOTO,
		Description:           providers.AtMost(req.OrderReference, 255),
		SuccessURL:            req.ReturnURL,
		CancelURL:             req.ReturnURL,
		ErrorURL:              req.ReturnURL,
		CallbackURL:           a.callbackURL,
	}
	if req.Email != "" {
		body.Customer = &customer{Email: req.Email}
	}
	return a.post(ctx, op, "debit", body, req.Token)
}

// Refund gives back a part or the whole of a debit (seed 003, "Refund"). It
// moves money.
func (a *Adapter) Refund(ctx context.Context, req providers.RefundRequest) (providers.Result, error) {
	if err := a.sendable("refund", req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if req.OriginalRef == "" {
		return providers.Result{}, a.unsent("refund", domain.ReasonInvalidRequest, "the sale's uuid is missing")
	}
	res, err := a.post(ctx, "refund", "refund", refundRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.Amount.Major(),
		Currency:              req.Amount.Currency().Code(),
		ReferenceUUID:         req.OriginalRef,
		CallbackURL:           a.callbackURL,
		Description:           providers.AtMost(req.Note, 255),
	}, "")
	if err == nil && res.ProviderRef == req.OriginalRef {
		return providers.Result{}, &providers.Error{
			Provider: Name, Op: "refund", Kind: providers.KindGarbage, Text: "the answer is about the sale", Raw: res.Raw,
		}
	}
	return res, err
}

// sendable refuses, before anything is sent, what the document has no form
// for: amounts are 1 to 10 digits before the point (README, Amounts), references
// 1 to 50 characters (README, Answers).
func (a *Adapter) sendable(op string, amount money.Amount, ref string) error {
	whole, _, _ := strings.Cut(amount.Major(), ".")
	switch {
	case !hasRule(amount.Currency()):
		e := a.unsent(op, domain.ReasonNotAllowed, "no rule for this currency")
		e.Kind = providers.KindUnsupported
		return e
	case !amount.IsPositive() || len(whole) > 10:
		return a.unsent(op, domain.ReasonInvalidRequest, "the amount cannot be written in the provider's form")
	case ref == "" || len(ref) > 50:
		return a.unsent(op, domain.ReasonInvalidRequest, "the attempt's reference cannot be written in the provider's form")
	}
	return nil
}

func (a *Adapter) unsent(op string, reason domain.Reason, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, NotDone: true, Reason: reason, Text: text}
}

func (a *Adapter) post(ctx context.Context, op, tail string, body any, token string) (providers.Result, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return providers.Result{}, a.unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
	}
	resp, err := a.call(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, "transaction", a.apiKey, tail),
		LogPath: a.base.Path + "/transaction/{apiKey}/" + tail, Body: raw, Secrets: []string{token},
	})
	if err != nil {
		return providers.Result{}, err
	}
	return a.readTransaction(op, resp, token)
}

// FindStatus asks for an attempt by the provider's uuid when it is known, and
// by our own reference otherwise (seed 003, "transactionStatusByUuid",
// "transactionStatusByMerchantTransactionId"). Its errors never say NotDone: a
// question that failed says nothing of the attempt.
func (a *Adapter) FindStatus(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	var ways [][2]string
	if q.ProviderRef != "" {
		ways = append(ways, [2]string{"getByUuid", q.ProviderRef})
	}
	if q.AttemptRef != "" {
		ways = append(ways, [2]string{"getByMerchantTransactionId", q.AttemptRef})
	}
	if len(ways) == 0 {
		return providers.Result{}, &providers.Error{Provider: Name, Op: "status", Kind: providers.KindRefused, Text: "there is nothing to ask by"}
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var res providers.Result
	for _, way := range ways {
		resp, err := a.call(ctx, httpclient.Call{
			Op: "status", Method: http.MethodGet, URL: providers.Endpoint(a.base, "status", a.apiKey, way[0], way[1]),
			LogPath: a.base.Path + "/status/{apiKey}/" + way[0] + "/" + way[1],
		})
		if err == nil {
			res, err = a.readStatus(resp, q)
		}
		if err != nil {
			if e, ok := providers.AsError(err); ok {
				e.NotDone, e.Reason = false, domain.ReasonNone
			}
			return providers.Result{}, err
		}
		// An uuid that is not known is asked for by our reference as well:
		// Absent must mean that neither name is.
		if res.Outcome != providers.Absent {
			return res, nil
		}
	}
	return res, nil
}

func (a *Adapter) call(ctx context.Context, c httpclient.Call) (*httpclient.Response, error) {
	h, err := a.header(c.Method, c.URL, c.Body)
	if err != nil {
		return nil, a.unsent(c.Op, domain.ReasonInvalidRequest, "the address cannot be written")
	}
	c.Header = h
	return a.http.Do(ctx, c)
}

// garbage is an answer that cannot be read; the outcome stays unknown.
func (a *Adapter) garbage(op string, resp *httpclient.Response, secret, format string, args ...any) *providers.Error {
	return &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindGarbage, Code: fmt.Sprint(resp.Status),
		Text: fmt.Sprintf(format, args...), Raw: a.http.Scrub(resp.Body, secret),
	}
}

// storedPrefix marks a token that names a card stored at the gateway by the
// uuid of its registration, for SellByToken and the others that take a token;
// what has it not is a token of payment.js.
const storedPrefix = "register:"

// storedCard is the token of a card that a registration stored.
func storedCard(uuid string) string { return storedPrefix + uuid }
