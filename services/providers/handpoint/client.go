package handpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// SellByToken takes a telephone sale with a stored card token (seed 004,
// "/moto/sale"). It moves money.
func (a *Adapter) SellByToken(ctx context.Context, req providers.SaleRequest) (providers.Result, error) {
	if err := sendable("sale", req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if req.Token == "" {
		return providers.Result{}, unsent("sale", domain.ReasonCardToken, "the card token is missing")
	}
	return a.post(ctx, "sale", "sale", saleRequest{
		Amount: motoSaleUnit.write(req.Amount), Currency: req.Amount.Currency().Code(), CardToken: req.Token,
		CustomerReference: providers.AtMost(req.OrderReference, maxReference), TransactionReference: req.AttemptRef,
	}, req.AttemptRef, "", req.Token)
}

// Refund gives back a part or the whole of a sale (seed 004, "/moto/refund").
// It moves money. The document's overview says that linked operations carry no
// transactionReference while its own sample sends one: a fresh one is sent, so
// that the attempt can be asked for, and again as customerReference, by which it
// is told apart where the sale's reference is kept.
func (a *Adapter) Refund(ctx context.Context, req providers.RefundRequest) (providers.Result, error) {
	if err := sendable("refund", req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if req.OriginalRef == "" {
		return providers.Result{}, unsent("refund", domain.ReasonInvalidRequest, "the sale's guid is missing")
	}
	res, err := a.post(ctx, "refund", "refund", refundRequest{
		OriginalGUID: req.OriginalRef, Amount: motoRefundUnit.write(req.Amount), Currency: req.Amount.Currency().Code(),
		CustomerReference: req.AttemptRef, TransactionReference: req.AttemptRef,
	}, req.AttemptRef, req.OriginalRef, "")
	return a.notTheOriginal("refund", req.OriginalRef, res, err)
}

// VoidSale takes back the whole of a telephone sale, or of a refund, before it is
// settled (seed 004, "/moto/reversal"; within 24 hours or until the day's batch,
// by the public document). It moves money. Amount is the original's whole
// amount: what a part would do depends on the acquirer. A fresh
// transactionReference is sent, as the endpoint's sample does, and again as
// customerReference.
func (a *Adapter) VoidSale(ctx context.Context, req providers.FollowUp) (providers.Result, error) {
	const op = "reversal"
	if err := linkable(op, req.Amount, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	res, err := a.post(ctx, op, "reversal", reversalRequest{
		OriginalGUID: req.OriginalRef, Amount: motoReversalUnit.write(req.Amount), Currency: req.Amount.Currency().Code(),
		CustomerReference: req.AttemptRef, TransactionReference: req.AttemptRef,
	}, req.AttemptRef, req.OriginalRef, "")
	return a.notTheOriginal(op, req.OriginalRef, res, err)
}

// notTheOriginal does not believe an answer that is about what was followed up.
func (a *Adapter) notTheOriginal(op, original string, res providers.Result, err error) (providers.Result, error) {
	if err == nil && strings.EqualFold(res.ProviderRef, original) {
		return providers.Result{}, &providers.Error{
			Provider: Name, Op: op, Kind: providers.KindGarbage, Text: "the answer is about the sale", Raw: res.Raw,
		}
	}
	return res, err
}

// maxReference is how many characters of a customerReference are sent.
const maxReference = 255

// maxMinor is the document's bound of an amount (README, Amounts).
const maxMinor = 999_999_999_999

func sendable(op string, amount money.Amount, ref string) error {
	switch {
	case !hasRule(amount.Currency()):
		return unsupported(op, "no rule for this currency")
	case !amount.IsPositive() || amount.Minor() > maxMinor:
		return unsent(op, domain.ReasonInvalidRequest, "the amount cannot be written in the provider's form")
	case ref == "":
		return unsent(op, domain.ReasonInvalidRequest, "the attempt's reference is missing")
	}
	return nil
}

// linkable is sendable for what follows an earlier operation up.
func linkable(op string, amount money.Amount, ref, original string) error {
	if err := sendable(op, amount, ref); err != nil {
		return err
	}
	if original == "" || !httpclient.Reference(original) {
		return unsent(op, domain.ReasonInvalidRequest, "the original's guid is missing")
	}
	return nil
}

func unsupported(op, text string) *providers.Error {
	e := unsent(op, domain.ReasonNotAllowed, text)
	e.Kind = providers.KindUnsupported
	return e
}

func unsent(op string, reason domain.Reason, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, NotDone: true, Reason: reason, Text: text}
}

func (a *Adapter) post(ctx context.Context, op, tail string, body any, ref, original, token string) (providers.Result, error) {
	resp, err := a.send(ctx, op, body, []string{token}, "moto", tail)
	if err != nil {
		return providers.Result{}, err
	}
	return a.readMoto(op, resp, ref, original, token)
}

// send posts a body to the cloud, once.
func (a *Adapter) send(ctx context.Context, op string, body any, secrets []string, path ...string) (*httpclient.Response, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
	}
	return a.http.Do(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, path...), Header: a.header(), Body: raw, Secrets: secrets,
	})
}

// get asks the cloud.
func (a *Adapter) get(ctx context.Context, op string, path ...string) (*httpclient.Response, error) {
	return a.http.Do(ctx, httpclient.Call{Op: op, Method: http.MethodGet, URL: providers.Endpoint(a.base, path...), Header: a.header()})
}

// asked makes an error a question's: one that failed says nothing of what it
// was about. What we do not ask at all stays as it is.
func asked(err error) error {
	if e, ok := providers.AsError(err); ok && e.Kind != providers.KindUnsupported {
		e.NotDone, e.Reason = false, domain.ReasonNone
	}
	return err
}

const opStatus = "status"

// FindStatus asks for an attempt (seed 004, "/transactions/{transactionReference}
// /status" and "…/status/{selector}"). What carries a transactionReference of its
// own is asked for by it; a linked operation that it does not find, or that has
// none, is looked for among its original's, when OriginalAttempt is told: for a
// linked operation on a terminal, which carries none, it has to be. A tip is read
// off its sale; a tokenization cannot be asked for. What the provider gave a
// reference to is never Absent. Its errors never say NotDone: a question that failed says
// nothing of the attempt.
func (a *Adapter) FindStatus(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	res, err := a.findStatus(ctx, q)
	if err == nil && res.Outcome == providers.Absent && q.ProviderRef != "" {
		res.Outcome, res.Text = providers.Pending, "the provider gave this a reference, and now does not know it"
	}
	return res, asked(err)
}

func (a *Adapter) findStatus(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	switch {
	case q.Type == domain.TipAdjustment && q.OriginalAttempt != "":
		return a.findTip(ctx, q)
	case holds(q.Type) && q.OriginalAttempt != "":
		resp, err := a.ask(ctx, q.OriginalAttempt, "status", "all")
		if err != nil {
			return providers.Result{}, err
		}
		return a.readLinked(resp, q, nil)
	case q.AttemptRef == "" || holds(q.Type) || q.Type == domain.TipAdjustment || q.Type == domain.Register:
		// None of these carries a reference of ours, so that not to be found by it
		// would say nothing.
		return providers.Result{}, &providers.Error{Provider: Name, Op: opStatus, Kind: providers.KindRefused, Text: "there is nothing to ask by"}
	}
	resp, err := a.ask(ctx, q.AttemptRef, "status")
	if err != nil {
		return providers.Result{}, err
	}
	res, err := a.readStatus(resp, q)
	if strings.EqualFold(q.OriginalAttempt, q.AttemptRef) {
		q.OriginalAttempt = "" // It follows nothing up.
	}
	follows := q.Type == domain.Void || q.Type == domain.Refund && (q.OriginalRef != "" || q.OriginalAttempt != "")
	if err != nil || res.Outcome != providers.Absent || !follows {
		return res, err
	}
	if q.OriginalAttempt == "" {
		// Linked operations "will be automatically logged under the
		// transactionReference of the original" (seed 004, "Transactions"), so that
		// not to be found by another says nothing.
		res.Outcome, res.Text = providers.Pending, "it may be listed under the reference of what it follows, which is not known"
		return res, nil
	}
	resp, err = a.ask(ctx, q.OriginalAttempt, "status", "all")
	if err != nil {
		return providers.Result{}, err
	}
	return a.readLinked(resp, q, &res)
}

// findTip reads a tip off its sale. That the status tells an adjusted tip is an
// ASSUMPTION, so that only the very tip is a yes and nothing is a no.
func (a *Adapter) findTip(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	resp, err := a.ask(ctx, q.OriginalAttempt, "status")
	if err != nil {
		return providers.Result{}, err
	}
	ans, err := a.readFirst(resp)
	if err != nil {
		return providers.Result{}, err
	}
	res := providers.Result{Code: a.http.Words(string(ans.FinStatus)), Raw: a.http.Scrub(resp.Body)}
	if !strings.EqualFold(string(ans.TransactionReference), q.OriginalAttempt) || (q.OriginalRef != "" && !strings.EqualFold(string(ans.ref()), q.OriginalRef)) {
		return providers.Result{}, a.garbage(opStatus, resp, "", "the answer is about another transaction")
	}
	tip, err := readAmount(statusUnit, ans.TipAmount, ans.Currency)
	if err == nil && tip.IsPositive() && *tip == q.Amount {
		res.Outcome, res.Tip, res.Amount = providers.Approved, tip, tip
		return res, nil
	}
	res.Text = "the sale does not show this tip"
	return res, nil
}

func (a *Adapter) ask(ctx context.Context, ref string, tail ...string) (*httpclient.Response, error) {
	return a.http.Do(ctx, httpclient.Call{
		Op: opStatus, Method: http.MethodGet, URL: providers.Endpoint(a.status, append([]string{"transactions", ref}, tail...)...), Header: a.header(),
	})
}

// garbage is an answer that cannot be read; the outcome stays unknown.
func (a *Adapter) garbage(op string, resp *httpclient.Response, secret, format string, args ...any) *providers.Error {
	return &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindGarbage, Code: strconv.Itoa(resp.Status),
		Text: fmt.Sprintf(format, args...), Raw: a.http.Scrub(resp.Body, secret),
	}
}
