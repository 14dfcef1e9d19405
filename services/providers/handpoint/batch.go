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

type (
	batchRequest struct {
		DeviceType   string `json:"deviceType"`
		SerialNumber string `json:"serialNumber"`
		BatchNumber  string `json:"batchNumber"`
		RRN          string `json:"rrn,omitempty"`
	}
	// batchAnswer is of all three. customerReference, an object here, is not
	// read.
	batchAnswer struct {
		HTTPStatus   text     `json:"httpStatus"` // a string, unlike elsewhere
		BatchNumber  text     `json:"batchNumber"`
		BatchStatus  text     `json:"batchStatus"`
		IssuerCode   text     `json:"issuerResponseCode"`
		IssuerText   text     `json:"issuerResponseText"`
		NetAmount    text     `json:"netAmount"`
		Transactions text     `json:"transactionCount"`
		CustomFields entries  `json:"customFields"`
		Details      lineList `json:"details"`
	}
	entries   []struct{ Key, Value text }
	lineList  []batchLine
	batchLine struct {
		Type   text `json:"transactionType"`
		RRN    text `json:"retrievalReferenceNumber"`
		Amount text `json:"amount"`
		GUID   text `json:"batchDetailElementGuid"`
		Tip    text `json:"tipAmount"`
	}
)

// UnmarshalJSON reads {"entry":[…]} and never fails: it is "optional,
// acquirer-specific" (seed 004, "/batch/summary").
func (e *entries) UnmarshalJSON(b []byte) error {
	var object struct {
		Entry []struct{ Key, Value text } `json:"entry"`
	}
	_ = json.Unmarshal(b, &object)
	*e = object.Entry
	return nil
}

// UnmarshalJSON reads a list, as in the sample, or the "details.entry" of the
// words below it (seed 004, "/batch/detail").
func (l *lineList) UnmarshalJSON(b []byte) error {
	var plain []batchLine
	if err := json.Unmarshal(b, &plain); err == nil {
		*l = plain
		return nil
	}
	var object struct {
		Entry []batchLine `json:"entry"`
	}
	err := json.Unmarshal(b, &object)
	*l = object.Entry
	return err
}

// CloseBatch closes a batch of a terminal (seed 004, "/batch/close"; a beta that
// not every acquirer has). It settles money. No error means that the request was
// accepted. Nothing can be asked by our reference afterwards: after a fault the
// summary tells whether the batch is closed.
func (a *Adapter) CloseBatch(ctx context.Context, req providers.BatchRequest) (providers.Batch, error) {
	const op = "batch-close"
	if req.AttemptRef == "" {
		return providers.Batch{}, unsent(op, domain.ReasonInvalidRequest, "the attempt's reference is missing")
	}
	ans, resp, err := a.batch(ctx, op, "close", req, "")
	if err != nil {
		return providers.Batch{}, err
	}
	return a.batchOf(op, resp, ans, req)
}

// BatchSummary reads a batch's totals (seed 004, "/batch/summary").
func (a *Adapter) BatchSummary(ctx context.Context, req providers.BatchRequest) (providers.Batch, error) {
	const op = "batch-summary"
	ans, resp, err := a.batch(ctx, op, "summary", req, "")
	if err != nil {
		return providers.Batch{}, asked(err)
	}
	return a.batchOf(op, resp, ans, req)
}

// BatchDetail reads a batch's transactions (seed 004, "/batch/detail"). That rrn
// continues behind the line that has it is an ASSUMPTION: the document only
// lists it as optional. An answer to a continuing question that repeats that
// line is not a continuation, and is told as the end.
func (a *Adapter) BatchDetail(ctx context.Context, req providers.BatchRequest) (providers.Batch, error) {
	const op = "batch-detail"
	ans, resp, err := a.batch(ctx, op, "detail", req, req.After)
	if err != nil {
		return providers.Batch{}, asked(err)
	}
	b, err := a.batchOf(op, resp, ans, req)
	if err != nil {
		return b, err
	}
	for _, l := range ans.Details {
		if req.After != "" && string(l.RRN) == req.After {
			return b, nil
		}
	}
	for _, l := range ans.Details {
		amount, err := batchUnit.read(string(l.Amount), req.Currency)
		if err != nil || !httpclient.Reference(string(l.GUID)) || !httpclient.Reference(string(l.RRN)) {
			return providers.Batch{}, a.garbage(op, resp, "", "a line cannot be read")
		}
		line := providers.BatchLine{Type: a.http.Words(string(l.Type)), ProviderRef: string(l.GUID), Retrieval: string(l.RRN), Amount: amount}
		if l.Tip != "" {
			tip, err := batchUnit.read(string(l.Tip), req.Currency)
			if err != nil {
				return providers.Batch{}, a.garbage(op, resp, "", "a line's tip cannot be read")
			}
			line.Tip = &tip
		}
		b.Lines = append(b.Lines, line)
	}
	// The answer does not say whether there is more: one that ends with a
	// retrieval reference number can be asked to continue.
	b.More = len(b.Lines) > 0 && b.Lines[len(b.Lines)-1].Retrieval != ""
	return b, nil
}

func (a *Adapter) batch(ctx context.Context, op, tail string, req providers.BatchRequest, after string) (batchAnswer, *httpclient.Response, error) {
	switch {
	case !hasRule(req.Currency):
		return batchAnswer{}, nil, unsupported(op, "no rule for this currency")
	case req.Device.Serial == "" || req.Device.Type == "" || req.Number == "":
		return batchAnswer{}, nil, unsent(op, domain.ReasonInvalidRequest, "the terminal's serial number or type, or the batch's number, is missing")
	}
	resp, err := a.send(ctx, op, batchRequest{DeviceType: req.Device.Type, SerialNumber: req.Device.Serial, BatchNumber: req.Number, RRN: after}, nil, "batch", tail)
	if err != nil {
		return batchAnswer{}, nil, err
	}
	if resp.Status != http.StatusOK {
		e := a.readFault(op, resp, "")
		if tail == "close" && e.Code == strconv.Itoa(http.StatusBadRequest) {
			// "Business rule error or generic gateway error": without a code it can
			// be the second, after which the batch may be closed.
			e.NotDone, e.Reason = false, domain.ReasonNone
		}
		return batchAnswer{}, nil, e
	}
	var ans batchAnswer
	switch {
	case !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || (ans.HTTPStatus != "" && ans.HTTPStatus != "200") || ans.IssuerCode == "":
		return ans, nil, a.garbage(op, resp, "", "the answer is not the document's JSON")
	case string(ans.BatchNumber) != req.Number:
		return ans, nil, a.garbage(op, resp, "", "the answer is about another batch")
	case ans.IssuerCode != "00":
		// Only 00 is shown; what another code leaves behind is nowhere said.
		return ans, nil, &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, Code: a.http.Words(string(ans.IssuerCode)),
			Text: a.http.Words(string(ans.IssuerText)), Raw: a.http.Scrub(resp.Body)}
	}
	return ans, resp, nil
}

func (a *Adapter) batchOf(op string, resp *httpclient.Response, ans batchAnswer, req providers.BatchRequest) (providers.Batch, error) {
	b := providers.Batch{
		Number: string(ans.BatchNumber), Status: a.http.Words(string(ans.BatchStatus)), Said: a.http.Words(string(ans.IssuerText)),
		Counts: map[string]int{}, Totals: map[string]money.Amount{}, Raw: a.http.Scrub(resp.Body),
	}
	if ans.NetAmount != "" {
		net, err := signed(string(ans.NetAmount), req.Currency)
		if err != nil {
			return providers.Batch{}, a.garbage(op, resp, "", "the net amount cannot be read")
		}
		b.Totals["netAmount"] = net
	}
	if ans.Transactions != "" {
		n, err := strconv.Atoi(string(ans.Transactions))
		if err != nil || n < 0 {
			return providers.Batch{}, a.garbage(op, resp, "", "the number of transactions cannot be read")
		}
		b.Counts["transactionCount"] = n
	}
	for _, e := range ans.CustomFields {
		// What the acquirer adds by names of its own is read as far as its name
		// says what it is.
		if n, err := strconv.Atoi(string(e.Value)); err == nil && n >= 0 && strings.HasSuffix(string(e.Key), "Count") {
			b.Counts[a.http.Words(string(e.Key))] = n
		}
		if total, err := signed(string(e.Value), req.Currency); err == nil && strings.HasSuffix(string(e.Key), "Amount") {
			b.Totals[a.http.Words(string(e.Key))] = total
		}
	}
	return b, nil
}

// signed reads a total, which refunds can bring below zero.
func signed(s string, c money.Currency) (money.Amount, error) {
	rest, negative := strings.CutPrefix(s, "-")
	amount, err := batchUnit.read(rest, c)
	if err != nil {
		return money.Amount{}, fmt.Errorf("not a total: %w", err)
	}
	if negative {
		return amount.Neg()
	}
	return amount, nil
}
