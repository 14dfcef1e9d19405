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
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// contentType is sent and signed in this exact spelling (seed 003, "Request
// format").
const contentType = "application/json; charset=utf-8"

// The values of transactionIndicator that are sent (seed 003, "Debit").
const (
	// indicatorMOTO marks a telephone sale.
	indicatorMOTO = "MOTO"
	// indicatorStored marks a sale on a stored card that its holder asks for.
	indicatorStored = "CARDONFILE"
	// indicatorSingle marks a payment that the customer makes by itself.
	indicatorSingle = "SINGLE"
)

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

// SellByToken debits with a token of payment.js or the card frame, or with a
// card that Register stored. It moves money.
func (a *Adapter) SellByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return a.takeByToken(ctx, "sale", "debit", req)
}

// SellByPage debits without a token, which the provider answers with the page
// on which the card is typed (seed 003, "Debit", REDIRECT).
func (a *Adapter) SellByPage(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return a.takeByPage(ctx, "sale_by_page", "debit", req)
}

// PreauthorizeByToken is SellByToken that only holds the amount (seed 003,
// "Preauthorize").
func (a *Adapter) PreauthorizeByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return a.takeByToken(ctx, "preauthorize", "preauthorize", req)
}

// PreauthorizeByPage is SellByPage that only holds the amount.
func (a *Adapter) PreauthorizeByPage(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return a.takeByPage(ctx, "preauthorize_by_page", "preauthorize", req)
}

// holdsFor is the longest that a hold lasts (seed 003, "Preauthorize": "up to 7
// days until you must Capture").
const holdsFor = 7 * 24 * time.Hour

// HoldsFor is how long a preauthorization is held at most.
func (a *Adapter) HoldsFor() time.Duration { return holdsFor }

// TakesSurcharge says that a surcharge is sent as surchargeAmount.
func (a *Adapter) TakesSurcharge() {}

// MailsLinks says that the gateway writes to the customer (seed 003,
// "PayByLink", sendByEmail).
func (a *Adapter) MailsLinks() {}

// CapturesByItself says that captureInMinutes is sent.
func (a *Adapter) CapturesByItself() {}

func (a *Adapter) takeByToken(ctx context.Context, op, tail string, req providers.SaleRequest) (providers.Result, error) {
	if req.Token == "" {
		return providers.Result{}, a.unsent(op, domain.ReasonCardToken, "the card token is missing")
	}
	return a.take(ctx, op, tail, req)
}

func (a *Adapter) takeByPage(ctx context.Context, op, tail string, req providers.SaleRequest) (providers.Result, error) {
	req.Token = ""
	return a.take(ctx, op, tail, req)
}

func (a *Adapter) take(ctx context.Context, op, tail string, req providers.SaleRequest) (providers.Result, error) {
	if err := a.sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	body, err := a.sale(op, req, indicatorMOTO)
	if err != nil {
		return providers.Result{}, err
	}
	return a.post(ctx, op, tail, body)
}

// sale is the body of a debit or a preauthorization.
func (a *Adapter) sale(op string, req providers.SaleRequest, indicator string) (transactionRequest, error) {
	body := transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.Amount.Major(),
		Currency:              req.Amount.Currency().Code(),
		TransactionIndicator:  indicator,
		Description:           providers.AtMost(req.OrderReference, 255),
		SuccessURL:            req.ReturnURL,
		CancelURL:             req.ReturnURL,
		ErrorURL:              req.ReturnURL,
		CallbackURL:           a.callbackURL,
		Details:               a.details,
	}
	body.Details.Customer = a.customer(req.Email)
	if req.Surcharge.IsPositive() {
		if req.Surcharge.Currency() != req.Amount.Currency() || req.Surcharge.Minor() >= req.Amount.Minor() {
			return body, a.unsent(op, domain.ReasonInvalidRequest, "the surcharge is no part of the amount")
		}
		body.Details.SurchargeAmount = req.Surcharge.Major()
	}
	if req.CaptureAfter != 0 {
		if !strings.HasPrefix(op, "preauthorize") || req.CaptureAfter < time.Minute || req.CaptureAfter%time.Minute != 0 || req.CaptureAfter > holdsFor {
			return body, a.unsent(op, domain.ReasonInvalidRequest, "a preauthorization is captured by itself after whole minutes, within seven days")
		}
		body.Details.CaptureInMinutes = strconv.Itoa(int(req.CaptureAfter / time.Minute))
	}
	if req.Token != "" {
		if err := a.byToken(op, &body, req.Token); err != nil {
			return body, err
		}
		if body.ReferenceUUID != "" {
			body.TransactionIndicator = indicatorStored
		}
	}
	return body, nil
}

// customer is that of the details, with an address to write to.
func (a *Adapter) customer(email string) *Customer {
	if a.details.Customer == nil && email == "" {
		return nil
	}
	var c Customer
	if a.details.Customer != nil {
		c = *a.details.Customer
	}
	if c.Email == "" {
		c.Email = email
	}
	return &c
}

// byToken names the card in a body: a stored one by its registration's uuid,
// any other by its token.
func (a *Adapter) byToken(op string, body *transactionRequest, token string) error {
	uuid, stored := strings.CutPrefix(token, storedPrefix)
	switch {
	case !stored:
		body.TransactionToken = token
	case uuid == "" || !httpclient.Reference(uuid):
		return a.unsent(op, domain.ReasonCardToken, "the stored card's reference cannot be one")
	default:
		body.ReferenceUUID = uuid
	}
	return nil
}

// Refund gives back a part or the whole of a debit or a capture (seed 003,
// "Refund"). It moves money.
func (a *Adapter) Refund(ctx context.Context, req providers.RefundRequest) (providers.Result, error) {
	if err := a.followable("refund", &req.Amount, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	return a.post(ctx, "refund", "refund", transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.Amount.Major(),
		Currency:              req.Amount.Currency().Code(),
		ReferenceUUID:         req.OriginalRef,
		CallbackURL:           a.callbackURL,
		Description:           providers.AtMost(req.Note, 255),
	})
}

// Capture takes a held amount or a part of it (seed 003, "Capture"). Whatever
// was added to the hold, it refers to the first preauthorization ("Incremental
// Authorization"). isFinalCapture is of newer material than seed 003, so it is
// sent only where it says something: that the rest is given back. A tip is a
// part of the amount and has no field. It moves money.
func (a *Adapter) Capture(ctx context.Context, req providers.CaptureRequest) (providers.Result, error) {
	if err := a.followable("capture", &req.Amount, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	return a.post(ctx, "capture", "capture", transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.Amount.Major(),
		Currency:              req.Amount.Currency().Code(),
		ReferenceUUID:         req.OriginalRef,
		IsFinalCapture:        req.Final,
	})
}

// VoidPreauth releases a hold (seed 003, "Void"). The document voids
// preauthorizations only; of another original nothing is sent.
func (a *Adapter) VoidPreauth(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	if err := a.followable("void", nil, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	if req.OriginalType != "" && req.OriginalType != domain.Preauth {
		return providers.Result{}, a.unsent("void", domain.ReasonNotAllowed, "only a preauthorization can be voided")
	}
	return a.post(ctx, "void", "void", transactionRequest{MerchantTransactionID: req.AttemptRef, ReferenceUUID: req.OriginalRef})
}

// Decrease releases a part of a hold: a void with an amount, where the acquirer
// takes one (seed 003, "Void").
func (a *Adapter) Decrease(ctx context.Context, req providers.ChangeRequest) (providers.Result, error) {
	if err := a.followable("decrease", &req.By, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	return a.post(ctx, "decrease", "void", transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.By.Major(),
		Currency:              req.By.Currency().Code(),
		ReferenceUUID:         req.OriginalRef,
	})
}

// Increase adds to a hold (seed 003, "Incremental Authorization").
func (a *Adapter) Increase(ctx context.Context, req providers.ChangeRequest) (providers.Result, error) {
	if err := a.followable("increase", &req.By, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	return a.post(ctx, "increase", "incrementalAuthorization", transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.By.Major(),
		Currency:              req.By.Currency().Code(),
		ReferenceUUID:         req.OriginalRef,
		CallbackURL:           a.callbackURL,
	})
}

// Payout sends money to a card (seed 003, "Payout"), named by a token, a stored
// card or an earlier transaction. It moves money.
func (a *Adapter) Payout(ctx context.Context, req providers.PayoutRequest) (providers.Result, error) {
	const op = "payout"
	if err := a.sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if (req.Token == "") == (req.OriginalRef == "") {
		return providers.Result{}, a.unsent(op, domain.ReasonInvalidRequest, "a payout names its card by exactly one of a token and a transaction")
	}
	body := transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		Amount:                req.Amount.Major(),
		Currency:              req.Amount.Currency().Code(),
		ReferenceUUID:         req.OriginalRef,
		CallbackURL:           a.callbackURL,
		Description:           providers.AtMost(req.Note, 255),
	}
	if req.Token != "" {
		if err := a.byToken(op, &body, req.Token); err != nil {
			return providers.Result{}, err
		}
	}
	return a.post(ctx, op, "payout", body)
}

// Register stores a card without taking money (seed 003, "Register"): with a
// token of payment.js, or on the provider's page. Result.Token is the stored
// card.
func (a *Adapter) Register(ctx context.Context, req providers.RegisterRequest) (providers.Result, error) {
	const op = "register"
	if err := a.referable(op, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if strings.HasPrefix(req.Token, storedPrefix) {
		return providers.Result{}, a.unsent(op, domain.ReasonCardToken, "the card is stored already")
	}
	d := a.details
	// These belong to an amount.
	d.SurchargeAmount, d.CaptureInMinutes, d.Items, d.WithRegister = "", "", nil, false
	d.Customer = a.customer(req.Email)
	return a.post(ctx, op, "register", transactionRequest{
		MerchantTransactionID: req.AttemptRef,
		TransactionToken:      req.Token,
		Description:           providers.AtMost(req.OrderReference, 255),
		SuccessURL:            req.ReturnURL,
		CancelURL:             req.ReturnURL,
		ErrorURL:              req.ReturnURL,
		CallbackURL:           a.callbackURL,
		Details:               d,
	})
}

// Deregister makes the provider forget a stored card, its network token too
// (seed 003, "Deregister").
func (a *Adapter) Deregister(ctx context.Context, req providers.DeregisterRequest) (providers.Result, error) {
	const op = "deregister"
	if err := a.referable(op, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	body := transactionRequest{MerchantTransactionID: req.AttemptRef}
	if err := a.byToken(op, &body, req.Token); err != nil {
		return providers.Result{}, err
	}
	if body.ReferenceUUID == "" {
		return providers.Result{}, a.unsent(op, domain.ReasonCardToken, "the token is not of a stored card")
	}
	return a.post(ctx, op, "deregister", body)
}

// referable refuses a reference that has no form: 1 to 50 characters (README,
// Answers).
func (a *Adapter) referable(op, ref string) error {
	if ref == "" || len(ref) > 50 {
		return a.unsent(op, domain.ReasonInvalidRequest, "the attempt's reference cannot be written in the provider's form")
	}
	return nil
}

// followable refuses what cannot follow an earlier transaction; amount is nil
// where none belongs to it.
func (a *Adapter) followable(op string, amount *money.Amount, ref, original string) error {
	if amount != nil {
		if err := a.sendable(op, *amount, ref); err != nil {
			return err
		}
	}
	if err := a.referable(op, ref); err != nil {
		return err
	}
	if original == "" || len(original) > 50 {
		return a.unsent(op, domain.ReasonInvalidRequest, "the uuid of the transaction that it follows is missing")
	}
	return nil
}

// sendable refuses, before anything is sent, what the document has no form
// for: amounts are 1 to 10 digits before the point (README, Amounts).
func (a *Adapter) sendable(op string, amount money.Amount, ref string) error {
	if err := a.payable(op, amount); err != nil {
		return err
	}
	return a.referable(op, ref)
}

func (a *Adapter) payable(op string, amount money.Amount) error {
	whole, _, _ := strings.Cut(amount.Major(), ".")
	switch {
	case !hasRule(amount.Currency()):
		e := a.unsent(op, domain.ReasonNotAllowed, "no rule for this currency")
		e.Kind = providers.KindUnsupported
		return e
	case !amount.IsPositive() || len(whole) > 10:
		return a.unsent(op, domain.ReasonInvalidRequest, "the amount cannot be written in the provider's form")
	}
	return nil
}

func (a *Adapter) unsent(op string, reason domain.Reason, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, NotDone: true, Reason: reason, Text: text}
}

func (a *Adapter) post(ctx context.Context, op, tail string, body transactionRequest) (providers.Result, error) {
	res, _, err := a.transact(ctx, op, tail, body)
	return res, err
}

// transact sends a transaction once and classes its answer.
func (a *Adapter) transact(ctx context.Context, op, tail string, body transactionRequest) (providers.Result, answer, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return providers.Result{}, answer{}, a.unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
	}
	token := body.TransactionToken
	resp, err := a.call(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, "transaction", a.apiKey, tail),
		LogPath: a.base.Path + "/transaction/{apiKey}/" + tail, Body: raw, Secrets: []string{token},
	})
	if err != nil {
		return providers.Result{}, answer{}, err
	}
	res, ans, err := a.readTransaction(op, resp, token)
	switch {
	case err != nil:
		return providers.Result{}, ans, err
	case body.ReferenceUUID != "" && res.ProviderRef == body.ReferenceUUID:
		return providers.Result{}, ans, a.garbage(op, resp, token, "the answer is about the transaction that this one follows")
	case res.Outcome == providers.Approved && (tail == "register" || body.WithRegister):
		res.Token = storedCard(res.ProviderRef)
	}
	return res, ans, nil
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
	if q.ProviderRef != "" {
		// It has an uuid, so that it did arrive there: that it is not found now,
		// say by another connector's key, proves nothing.
		res.Outcome, res.Text = providers.Pending, "the provider gave this a uuid, and now does not know it"
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

// storedCard is the token of the card that the transaction of that uuid stored;
// empty without one.
func storedCard(uuid string) string {
	if uuid == "" {
		return ""
	}
	return storedPrefix + uuid
}
