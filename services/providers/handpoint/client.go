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
		CustomerReference: atMost(req.OrderReference, 255), TransactionReference: req.AttemptRef,
	}, req.AttemptRef, req.Token)
}

// Refund gives back a part or the whole of a sale (seed 004, "/moto/refund").
// It moves money. The document's overview says that linked operations carry no
// transactionReference while its own sample sends one: a fresh one is sent, so
// that the attempt can be asked for.
func (a *Adapter) Refund(ctx context.Context, req providers.RefundRequest) (providers.Result, error) {
	if err := sendable("refund", req.Amount, req.AttemptRef); err != nil {
		return providers.Result{}, err
	}
	if req.OriginalRef == "" {
		return providers.Result{}, unsent("refund", domain.ReasonInvalidRequest, "the sale's guid is missing")
	}
	res, err := a.post(ctx, "refund", "refund", refundRequest{
		OriginalGUID: req.OriginalRef, Amount: motoRefundUnit.write(req.Amount), Currency: req.Amount.Currency().Code(),
		TransactionReference: req.AttemptRef,
	}, req.AttemptRef, "")
	if err == nil && strings.EqualFold(res.ProviderRef, req.OriginalRef) {
		return providers.Result{}, &providers.Error{
			Provider: Name, Op: "refund", Kind: providers.KindGarbage, Text: "the answer is about the sale", Raw: res.Raw,
		}
	}
	return res, err
}

// maxMinor is the document's bound of an amount (README, Amounts).
const maxMinor = 999_999_999_999

func sendable(op string, amount money.Amount, ref string) error {
	switch {
	case !hasRule(amount.Currency()):
		e := unsent(op, domain.ReasonNotAllowed, "no rule for this currency")
		e.Kind = providers.KindUnsupported
		return e
	case !amount.IsPositive() || amount.Minor() > maxMinor:
		return unsent(op, domain.ReasonInvalidRequest, "the amount cannot be written in the provider's form")
	case ref == "":
		return unsent(op, domain.ReasonInvalidRequest, "the attempt's reference is missing")
	}
	return nil
}

func unsent(op string, reason domain.Reason, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, NotDone: true, Reason: reason, Text: text}
}

func (a *Adapter) post(ctx context.Context, op, tail string, body any, ref, token string) (providers.Result, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
	}
	resp, err := a.http.Do(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: at(a.base, "moto", tail), Header: a.header(), Body: raw, Secrets: []string{token},
	})
	if err != nil {
		return providers.Result{}, err
	}
	return a.readMoto(op, resp, ref, token)
}

// FindStatus asks for an attempt by its transactionReference (seed 004,
// "/transactions/{transactionReference}/status"). A refund that is not found
// under its own reference is looked for among the sale's transactions. Its
// errors never say NotDone: a question that failed says nothing of the
// attempt.
func (a *Adapter) FindStatus(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	res, err := a.findStatus(ctx, q)
	if e, ok := providers.AsError(err); ok {
		e.NotDone, e.Reason = false, domain.ReasonNone
	}
	return res, err
}

func (a *Adapter) findStatus(ctx context.Context, q providers.Lookup) (providers.Result, error) {
	if q.AttemptRef == "" {
		return providers.Result{}, &providers.Error{Provider: Name, Op: "status", Kind: providers.KindRefused, Text: "there is nothing to ask by"}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := a.ask(ctx, q.AttemptRef, "status")
	if err != nil {
		return providers.Result{}, err
	}
	res, err := a.readStatus(resp, q)
	if err != nil || res.Outcome != providers.Absent || q.Type != domain.Refund || q.OriginalAttempt == "" {
		return res, err
	}
	resp, err = a.ask(ctx, q.OriginalAttempt, "status", "all")
	if err != nil {
		return providers.Result{}, err
	}
	return a.readLinked(resp, q, res)
}

func (a *Adapter) ask(ctx context.Context, ref string, tail ...string) (*httpclient.Response, error) {
	return a.http.Do(ctx, httpclient.Call{
		Op: "status", Method: http.MethodGet, URL: at(a.status, append([]string{"transactions", ref}, tail...)...), Header: a.header(),
	})
}

// garbage is an answer that cannot be read; the outcome stays unknown.
func (a *Adapter) garbage(op string, resp *httpclient.Response, secret, format string, args ...any) *providers.Error {
	return &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindGarbage, Code: strconv.Itoa(resp.Status),
		Text: fmt.Sprintf(format, args...), Raw: a.http.Scrub(resp.Body, secret),
	}
}

func atMost(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
