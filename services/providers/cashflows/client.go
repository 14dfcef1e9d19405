package cashflows

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// apiPath is the Gateway's path below its host (README, Access).
var apiPath = []string{"api", "gateway"}

// sign makes the Hash header: the hex SHA-512 of the API key followed by exactly
// the body that is sent, and of the key alone when there is none (README,
// Access; seed 001 words it both ways round, and a published vector shows the
// key first). Capital letters, as in the provider's own examples.
func sign(apiKey string, body []byte) string {
	sum := sha512.Sum512(append([]byte(apiKey), body...))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// call sends one request, once.
func (g *gateway) call(ctx context.Context, op, method string, body any, secret string, segments ...string) (*httpclient.Response, error) {
	// The name stands as the document spells it.
	header := http.Header{"Accept": {"application/json"}, "ConfigurationId": {g.configuration}}
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
		}
		header.Set("Content-Type", "application/json; charset=utf-8")
	}
	header.Set("Hash", sign(g.apiKey, raw))
	return g.http.Do(ctx, httpclient.Call{
		Op: op, Method: method, URL: providers.Endpoint(g.base, append(apiPath[:len(apiPath):len(apiPath)], segments...)...),
		Header: header, Body: raw, Secrets: []string{secret},
	})
}

func paths(r ref, tail ...string) []string {
	return append([]string{"payment-jobs", r.job, "payments", r.payment}, tail...)
}

// jobOf is the request that all payment jobs have in common.
func (g *gateway) jobOf(typ string, amount money.Amount, attempt, note, email string) jobRequest {
	body := jobRequest{
		Type: typ, Currency: amount.Currency().Code(), AmountToCollect: amount.Major(), PaymentMethodsToUse: []string{paymentMethod},
		Parameters: parameters{WebhookURL: g.callbackURL},
		Order:      order{OrderNumber: attempt, Note: providers.AtMost(note, 255)},
	}
	if email != "" {
		body.Order.BillingIdentity = &identity{EmailAddress: email}
	}
	return body
}

// byToken makes a telephone payment with a card token: a sale or, with Auto
// Capture off, a hold.
func (g *gateway) byToken(ctx context.Context, op string, req providers.SaleRequest) (providers.Result, error) {
	if err := sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if req.Token == "" {
		return providers.Result{}, unsent(op, domain.ReasonCardToken, "the card token is missing")
	}
	body := g.jobOf(typePayment, req.Amount, req.AttemptRef, req.OrderReference, req.Email)
	body.Parameters.Token, body.Options = req.Token, []string{optionMOTO}
	return g.create(ctx, op, body, wanted{typ: g.sale, order: req.AttemptRef, currency: req.Amount.Currency(), secret: req.Token})
}

// onPage makes of a job one whose card is typed on the provider's page
// (links.action.url).
func (g *gateway) onPage(body jobRequest, req providers.SaleRequest) jobRequest {
	p := &body.Parameters
	p.ReturnURLSuccess, p.ReturnURLFailed, p.ReturnURLCancelled = req.ReturnURL, req.ReturnURL, req.ReturnURL
	if g.tokens {
		body.Options = append(body.Options, optionGenerateToken)
	}
	return body
}

// byPage opens a telephone payment on the provider's page.
func (g *gateway) byPage(ctx context.Context, op string, req providers.SaleRequest) (providers.Result, error) {
	if err := sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	body := g.jobOf(typePayment, req.Amount, req.AttemptRef, req.OrderReference, req.Email)
	body.Options = []string{optionMOTO}
	return g.create(ctx, op, g.onPage(body, req), wanted{typ: g.sale, order: req.AttemptRef, currency: req.Amount.Currency()})
}

// create sends POST /payment-jobs.
func (g *gateway) create(ctx context.Context, op string, body jobRequest, w wanted) (providers.Result, error) {
	res, _, err := g.created(ctx, op, body, w)
	return res, err
}

func (g *gateway) created(ctx context.Context, op string, body jobRequest, w wanted) (providers.Result, *jobData, error) {
	resp, err := g.call(ctx, op, http.MethodPost, body, w.secret, "payment-jobs")
	if err != nil {
		return providers.Result{}, nil, err
	}
	ans, no, err := read[jobData](g, op, resp, w.secret)
	if err != nil {
		return providers.Result{}, nil, err
	}
	if no != nil {
		return *no, nil, nil
	}
	res, err := g.jobResult(op, resp, ans, w)
	return res, ans.Data, err
}

// SellByToken takes a telephone sale with a stored card. It moves money.
func (g Gateway) SellByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return g.byToken(ctx, "sale", req)
}

// SellByPage opens a telephone sale on the provider's page.
func (g Gateway) SellByPage(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return g.byPage(ctx, "sale_by_page", req)
}

// PreauthorizeByToken holds an amount on a stored card.
func (r Reserving) PreauthorizeByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return r.byToken(ctx, "preauth", req)
}

// PreauthorizeByPage opens a hold on the provider's page.
func (r Reserving) PreauthorizeByPage(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	return r.byPage(ctx, "preauth_by_page", req)
}

// CreateLink makes a job whose page the customer opens later. It is no telephone
// payment: the customer types the card.
func (g Gateway) CreateLink(ctx context.Context, req providers.LinkRequest) (providers.Link, error) {
	const op = "link"
	if err := sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Link{}, err
	}
	if req.SendByEmail {
		return providers.Link{}, unsupported(op, "the provider sends no mail with a link")
	}
	body := g.jobOf(typePayment, req.Amount, req.AttemptRef, req.OrderReference, req.Email)
	if req.Expires > 0 {
		body.ExpirationDateTimeUTC = g.now().Add(req.Expires).UTC().Format(time.RFC3339)
	}
	res, d, err := g.created(ctx, op, g.onPage(body, req.SaleRequest), wanted{typ: domain.Sale, order: req.AttemptRef, currency: req.Amount.Currency()})
	if err != nil || d == nil {
		return providers.Link{Result: res}, err
	}
	link := providers.Link{Result: res}
	link.CancelRef = string(d.Reference)
	if at, err := time.Parse(time.RFC3339, string(d.ExpirationDateTimeUTC)); err == nil {
		link.ExpiresAt = at
	} else if req.Expires > 0 {
		link.ExpiresAt = g.now().Add(req.Expires)
	}
	return link, nil
}

// CancelLink ends a job that nobody has paid (PATCH /payment-jobs/…/cancel).
func (g Gateway) CancelLink(ctx context.Context, link providers.Link) (providers.Result, error) {
	const op = "cancel_link"
	if !digits(link.CancelRef) {
		return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the link's payment job is missing")
	}
	resp, err := g.call(ctx, op, http.MethodPatch, nil, "", "payment-jobs", link.CancelRef, "cancel")
	if err != nil {
		return providers.Result{}, err
	}
	ans, no, err := read[jobData](g.gateway, op, resp, "")
	if err != nil {
		return providers.Result{}, err
	}
	if no != nil {
		return *no, nil
	}
	if string(ans.Data.Reference) != link.CancelRef {
		return providers.Result{}, garbage(g.http, op, resp, "", "the answer is about another payment job")
	}
	return g.cancelResult(resp, link.CancelRef+"/"+cancelled, string(ans.Data.PaymentStatus), ans.ErrorReport)
}

// Refund gives back a part or the whole of a payment. It moves money. The
// request names no currency, so the job's is asked for where it is not known.
func (g *gateway) Refund(ctx context.Context, req providers.RefundRequest) (providers.Result, error) {
	const op = "refund"
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := g.onPayment(ctx, op, req.Amount, req.AttemptRef, req.OriginalRef)
	if err != nil {
		return providers.Result{}, err
	}
	resp, err := g.call(ctx, op, http.MethodPost, refundRequest{AmountToRefund: req.Amount.Major(), RefundNumber: req.AttemptRef}, "", paths(r, "refunds")...)
	if err != nil {
		return providers.Result{}, err
	}
	ans, no, err := read[partData](g, op, resp, "")
	switch {
	case err != nil:
		return providers.Result{}, err
	case no != nil:
		return *no, nil
	case ans.Data.RefundNumber != "" && string(ans.Data.RefundNumber) != req.AttemptRef:
		return providers.Result{}, garbage(g.http, op, resp, "", "the answer is about another refund")
	}
	return g.partResult(op, resp, r, *ans.Data, ans.Data.AmountToRefund, req.Amount.Currency(), ans.ErrorReport)
}

// Capture takes a held amount, or a part of it, within seven days of the hold.
// The request has no field for our reference, so a capture whose answer is lost
// cannot be told from another of the same amount.
func (r Reserving) Capture(ctx context.Context, req providers.CaptureRequest) (providers.Result, error) {
	const op = "capture"
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	on, err := r.onPayment(ctx, op, req.Amount, req.AttemptRef, req.OriginalRef)
	if err != nil {
		return providers.Result{}, err
	}
	resp, err := r.call(ctx, op, http.MethodPost, captureRequest{AmountToCapture: req.Amount.Major(), IsFinalCapture: req.Final}, "", paths(on, "captures")...)
	if err != nil {
		return providers.Result{}, err
	}
	ans, no, err := read[partData](r.gateway, op, resp, "")
	if err != nil {
		return providers.Result{}, err
	}
	if no != nil {
		return *no, nil
	}
	return r.partResult(op, resp, on, *ans.Data, ans.Data.AmountToCapture, req.Amount.Currency(), ans.ErrorReport)
}

// onPayment checks a follow-up that has an amount and gives the payment that it
// is about. Its errors say NotDone: nothing but a question was sent.
func (g *gateway) onPayment(ctx context.Context, op string, amount money.Amount, attempt, original string) (ref, error) {
	if err := sendable(op, amount, attempt); err != nil {
		return ref{}, err
	}
	r, ok := parseRef(original)
	if !ok || r.payment == "" {
		return ref{}, unsent(op, domain.ReasonInvalidRequest, "the payment's reference is missing or is none of the provider's")
	}
	c, err := g.currencyOf(ctx, op, r.job)
	if err != nil {
		if e, ok := providers.AsError(err); ok && !e.NotDone {
			e.NotDone, e.Reason = true, domain.ReasonUnreachable
		}
		return ref{}, err
	}
	if c != amount.Currency() {
		return ref{}, unsent(op, domain.ReasonCurrencyMismatch, "the payment is in "+c.Code())
	}
	return r, nil
}

// currencyOf gives a job's currency, asking for it once.
func (g *gateway) currencyOf(ctx context.Context, op, job string) (money.Currency, error) {
	g.mu.Lock()
	c, known := g.currencies[job]
	g.mu.Unlock()
	if known {
		return c, nil
	}
	ans, resp, err := g.askJob(ctx, op, job)
	if err != nil {
		return c, err
	}
	c, known, err = g.currencyIn(ans.Data)
	if err != nil || !known {
		return c, garbage(g.http, op, resp, "", "the payment job's currency is not told")
	}
	return c, nil
}

// askJob is GET /payment-jobs/{reference}.
func (g *gateway) askJob(ctx context.Context, op, job string) (answer[jobData], *httpclient.Response, error) {
	resp, err := g.call(ctx, op, http.MethodGet, nil, "", "payment-jobs", job)
	if err != nil {
		return answer[jobData]{}, nil, err
	}
	ans, no, err := read[jobData](g, op, resp, "")
	switch {
	case err != nil:
		return ans, resp, err
	case no != nil:
		return ans, resp, garbage(g.http, op, resp, "", "a question was answered with a decline")
	case string(ans.Data.Reference) != job:
		return ans, resp, garbage(g.http, op, resp, "", "the answer is about another payment job")
	}
	return ans, resp, nil
}

// askPayment is GET /payment-jobs/{reference}/payments/{reference}.
func (g *gateway) askPayment(ctx context.Context, op string, r ref) (answer[paymentData], *httpclient.Response, error) {
	resp, err := g.call(ctx, op, http.MethodGet, nil, "", paths(r)...)
	if err != nil {
		return answer[paymentData]{}, nil, err
	}
	ans, no, err := read[paymentData](g, op, resp, "")
	switch {
	case err != nil:
		return ans, resp, err
	case no != nil:
		return ans, resp, garbage(g.http, op, resp, "", "a question was answered with a decline")
	case string(ans.Data.Reference) != r.payment:
		return ans, resp, garbage(g.http, op, resp, "", "the answer is about another payment")
	}
	return ans, resp, nil
}

// VoidSale cancels a payment as a whole, until midnight of its day. It moves
// money back.
func (g Gateway) VoidSale(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	if req.OriginalType != domain.Sale {
		return providers.Result{}, unsupported("void", "the document cancels payments only")
	}
	return g.cancel(ctx, req)
}

// VoidPreauth cancels a reserved payment as a whole, until midnight of its day.
func (r Reserving) VoidPreauth(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	return r.cancel(ctx, req)
}

// cancel is PATCH …/payments/{reference}/cancel, without a body.
func (g *gateway) cancel(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	const op = "void"
	if err := sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	r, ok := parseRef(req.OriginalRef)
	if !ok || r.payment == "" {
		return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the payment's reference is missing or is none of the provider's")
	}
	resp, err := g.call(ctx, op, http.MethodPatch, nil, "", paths(r, "cancel")...)
	if err != nil {
		return providers.Result{}, err
	}
	ans, no, err := read[paymentData](g, op, resp, "")
	switch {
	case err != nil:
		return providers.Result{}, err
	case no != nil:
		return *no, nil
	case string(ans.Data.Reference) != r.payment:
		return providers.Result{}, garbage(g.http, op, resp, "", "the answer is about another payment")
	}
	return g.cancelResult(resp, ref{r.job, r.payment, cancelled}.String(), string(ans.Data.Status), ans.ErrorReport)
}

// cancelResult classes the answer to a cancellation: only Cancelled is a yes,
// only a listed error a no.
func (g *gateway) cancelResult(resp *httpclient.Response, reference, word string, report errorReport) (providers.Result, error) {
	res := providers.Result{ProviderRef: reference, Code: g.http.Words(word), Text: g.http.Words(report.words()), Raw: g.http.Scrub(resp.Body)}
	if word == statusCancelled {
		res.Outcome = providers.Approved
		return res, nil
	}
	if m := report.meaning(); m.class == declined || m.class == refused {
		res.Outcome, res.Reason = providers.Declined, m.reason
	}
	return res, nil
}

// Payout sends money to a card: a job of the type Credit, with a token or with
// the job of an earlier payment as its parent. It moves money.
func (g *gateway) Payout(ctx context.Context, req providers.PayoutRequest) (providers.Result, error) {
	const op = "payout"
	if err := sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	body := g.jobOf(typeCredit, req.Amount, req.AttemptRef, req.Note, "")
	switch {
	case (req.Token == "") == (req.OriginalRef == ""):
		return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the card is to be named by a token or by an earlier payment")
	case req.Token != "":
		body.Parameters.Token = req.Token
	default:
		r, ok := parseRef(req.OriginalRef)
		if !ok {
			return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the earlier payment's reference is none of the provider's")
		}
		body.ParentPaymentJobReference = r.job
	}
	return g.create(ctx, op, body, wanted{typ: domain.Payout, order: req.AttemptRef, currency: req.Amount.Currency(), secret: req.Token})
}

// TokenOf gives the token that an earlier payment was made with, or that it
// made.
func (g *gateway) TokenOf(ctx context.Context, providerRef string) (providers.Result, error) {
	const op = "token"
	r, ok := parseRef(providerRef)
	if !ok || r.payment == "" {
		return providers.Result{}, question(unsent(op, domain.ReasonInvalidRequest, "the payment's reference is missing or is none of the provider's"))
	}
	ans, resp, err := g.askPayment(ctx, op, r)
	if err != nil {
		return providers.Result{}, question(err)
	}
	res := providers.Result{ProviderRef: providerRef, Card: ans.Data.Attributes.card(), Token: token(ans.Data.Attributes), Raw: g.http.Scrub(resp.Body)}
	if res.Outcome = providers.Approved; res.Token == "" {
		res.Outcome, res.Reason, res.Text = providers.Declined, domain.ReasonCardToken, "The provider keeps no card token of this payment."
	}
	return res, nil
}

// FindStatus asks for an attempt by the provider's reference. There is no
// question by ours: without a reference the answer is Pending and says why, but
// for a refund, which its payment lists under our number, and a void, which its
// payment shows. Its errors never say NotDone.
func (g *gateway) FindStatus(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	const op = "status"
	by := q.ProviderRef
	if by == "" && (q.Type == domain.Refund || q.Type == domain.Void) {
		by = q.OriginalRef
	}
	if by == "" {
		return providers.Result{Text: "Cashflows cannot be asked by our own reference; it tells the outcome by its webhook, or in its portal."}, nil
	}
	r, ok := parseRef(by)
	if !ok {
		return providers.Result{}, &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, Text: "the reference is none of the provider's"}
	}
	var res providers.Result
	var err error
	switch q.Type {
	case domain.Void:
		res, err = g.voided(ctx, op, r)
	case domain.Refund, domain.Capture:
		res, err = g.partOf(ctx, op, r, q)
	default:
		if paid[q.Type] == "" {
			return providers.Result{Text: "Cashflows has no such operation."}, nil
		}
		var ans answer[jobData]
		var resp *httpclient.Response
		if ans, resp, err = g.askJob(ctx, op, r.job); err == nil {
			res, err = g.jobResult(op, resp, ans, wanted{typ: q.Type, job: r.job, payment: r.payment, order: q.AttemptRef, currency: q.Amount.Currency(), asked: true})
		}
	}
	return res, question(err)
}

// voided looks whether a payment is cancelled.
func (g *gateway) voided(ctx context.Context, op string, r ref) (providers.Result, error) {
	if r.payment == "" {
		return providers.Result{Text: "The payment’s own reference is not known, so Cashflows cannot be asked whether it was cancelled."}, nil
	}
	ans, resp, err := g.askPayment(ctx, op, r)
	if err != nil {
		return providers.Result{}, err
	}
	res, err := g.cancelResult(resp, ref{r.job, r.payment, cancelled}.String(), string(ans.Data.Status), errorReport{})
	if res.Outcome == providers.Pending {
		// Not cancelled yet is no verdict: the request may still be on its way.
		res.ProviderRef, res.Text = "", "The provider’s payment still has the status "+res.Code+"."
	}
	return res, err
}

// partOf finds a capture or a refund in its payment's list: by its reference,
// and a refund by our number too.
func (g *gateway) partOf(ctx context.Context, op string, r ref, q providers.Lookup) (providers.Result, error) {
	ans, resp, err := g.askJob(ctx, op, r.job)
	if err != nil {
		return providers.Result{}, err
	}
	currency, known, err := g.currencyIn(ans.Data)
	if err != nil || !known {
		return providers.Result{}, garbage(g.http, op, resp, "", "the answer's currency is not one")
	}
	for _, p := range ans.Data.Payments {
		if r.payment != "" && string(p.Reference) != r.payment {
			continue
		}
		parts := p.Captures
		if q.Type == domain.Refund {
			parts = p.Refunds
		}
		for _, part := range parts {
			number := string(part.RefundNumber)
			ours := q.Type == domain.Refund && q.AttemptRef != "" && number == q.AttemptRef
			named := r.part != "" && r.part != cancelled && string(part.Reference) == r.part
			switch {
			case named && q.AttemptRef != "" && number != "" && !ours:
				return providers.Result{}, garbage(g.http, op, resp, "", "the answer is about another refund")
			case named || (ours && q.ProviderRef == ""):
				told := part.AmountToCapture
				if q.Type == domain.Refund {
					told = part.AmountToRefund
				}
				return g.partResult(op, resp, ref{job: r.job, payment: string(p.Reference)}, part, told, currency, errorReport{})
			}
		}
	}
	return providers.Result{
		Text: fmt.Sprintf("The provider’s payment does not list this %s. That is no verdict: the request may still be on its way.", q.Type),
		Raw:  g.http.Scrub(resp.Body),
	}, nil
}

// OrderArrived tells whether a job with our order number exists (HEAD
// /orders/{orderNumber}), and nothing of how it ended.
func (g *gateway) OrderArrived(ctx context.Context, attemptRef string) (bool, error) {
	const op = "order"
	if attemptRef == "" {
		return false, &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, Text: "there is nothing to ask by"}
	}
	resp, err := g.call(ctx, op, http.MethodHead, nil, "", "orders", attemptRef)
	if err != nil {
		return false, question(err)
	}
	switch {
	case resp.Status == http.StatusOK:
		return true, nil
	case resp.Status == http.StatusNotFound:
		return false, nil
	}
	if f := g.http.StatusFault(op, resp); f != nil {
		return false, question(f)
	}
	return false, garbage(g.http, op, resp, "", "the answer says neither yes nor no")
}

// ReadHint reads the body of a webhook, which nobody signs. Names are read in
// any case and answered in the same, since the provider's clients have met both.
func (g *gateway) ReadHint(body []byte) (providers.Hint, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return providers.Hint{}, fmt.Errorf("cashflows: the webhook cannot be read")
	}
	echo := map[string]string{}
	var r ref
	for name, raw := range fields {
		to := map[string]*string{"paymentjobreference": &r.job, "paymentreference": &r.payment}[strings.ToLower(name)]
		if to == nil {
			continue
		}
		var v providers.Text
		if *to != "" || json.Unmarshal(raw, &v) != nil || !digits(string(v)) {
			return providers.Hint{}, fmt.Errorf("cashflows: the webhook names no payment")
		}
		*to, echo[name] = string(v), string(v)
	}
	if r.job == "" || r.payment == "" {
		return providers.Hint{}, fmt.Errorf("cashflows: the webhook names no payment")
	}
	reply, err := json.Marshal(echo)
	return providers.Hint{ProviderRef: r.String(), Reply: reply}, err
}

// FollowHint asks for the job that a webhook named and tells its payment and its
// refunds, each under our own reference. Captures carry none and are left out.
func (g *gateway) FollowHint(ctx context.Context, h providers.Hint) ([]providers.Event, error) {
	const op = "hint"
	r, ok := parseRef(h.ProviderRef)
	if !ok {
		return nil, &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, Text: "the reference is none of the provider's"}
	}
	ans, resp, err := g.askJob(ctx, op, r.job)
	if err != nil {
		if resp != nil && resp.Status == http.StatusNotFound {
			return nil, nil
		}
		return nil, question(err)
	}
	if r.payment != "" && !slices.ContainsFunc(ans.Data.Payments, func(p paymentData) bool { return string(p.Reference) == r.payment }) {
		return nil, nil
	}
	typ := g.sale
	if ans.Data.Type == typeCredit {
		typ = domain.Payout
	}
	res, err := g.jobResult(op, resp, ans, wanted{typ: typ, job: r.job, payment: r.payment})
	if err != nil {
		return nil, question(err)
	}
	events := []providers.Event{{
		Kind: providers.EventOutcome, Type: typ, AttemptRef: string(ans.Data.Order.OrderNumber), ProviderRef: res.ProviderRef, Result: res,
	}}
	currency, known, _ := g.currencyIn(ans.Data)
	for _, p := range ans.Data.Payments {
		for _, part := range p.Refunds {
			if part.RefundNumber == "" || !known {
				continue
			}
			on := ref{job: r.job, payment: string(p.Reference)}
			res, err := g.partResult("refund", resp, on, part, part.AmountToRefund, currency, errorReport{})
			if err != nil {
				return nil, question(err)
			}
			events = append(events, providers.Event{
				Kind: providers.EventOutcome, Type: domain.Refund, AttemptRef: string(part.RefundNumber), ProviderRef: res.ProviderRef,
				OriginalRef: on.String(), Result: res,
			})
		}
	}
	return events, nil
}

// TestConnection asks for the payment methods, which changes nothing.
func (g *gateway) TestConnection(ctx context.Context) (providers.Probe, error) {
	const op = "test"
	resp, err := g.call(ctx, op, http.MethodGet, nil, "", "supported-payment-methods")
	if err != nil {
		return providers.Probe{}, question(err)
	}
	ans, no, err := read[[]methodData](g, op, resp, "")
	if err == nil && no == nil {
		if len(*ans.Data) == 0 {
			return providers.Probe{Code: fmt.Sprint(resp.Status), Meaning: "Cashflows knows this configuration, but it has no payment methods.",
				ToDo: "Ask Cashflows to switch card payments on for this configuration."}, nil
		}
		return providers.Probe{OK: true, Code: fmt.Sprint(resp.Status), Meaning: "Cashflows knows this configuration and its API key."}, nil
	}
	e, ok := providers.AsError(err)
	if !ok {
		return providers.Probe{}, garbage(g.http, op, resp, "", "a question was answered with a decline")
	}
	p := providers.Probe{Code: fmt.Sprint(resp.Status), Said: e.Text}
	switch {
	case e.Reason == domain.ReasonAccountLocked:
		p.Meaning, p.ToDo = "Cashflows has locked this configuration after too many wrong signatures.", "Ask Cashflows to unlock it, then check the API key here."
	case e.Kind == providers.KindCredentials:
		p.Meaning, p.ToDo = "Cashflows refused the API key.", "Copy the configuration ID and the current API key again from the portal, under Configuration, API Data."
	case resp.Status == http.StatusNotFound:
		p.Meaning, p.ToDo = "Cashflows does not know this configuration.", "Check the configuration ID, and that the address is the one of its environment."
	default:
		return providers.Probe{}, question(err)
	}
	return p, nil
}
