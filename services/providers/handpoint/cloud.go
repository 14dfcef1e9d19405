package handpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

type (
	increaseRequest struct {
		OriginalGUID      string `json:"originalGuid"`
		IncreaseAmount    string `json:"increaseAmount"`
		Subtract          string `json:"subtract,omitempty"`
		CustomerReference string `json:"customerReference,omitempty"`
	}
	captureRequest struct {
		OriginalGUID      string `json:"originalGuid"`
		CapturedAmount    string `json:"capturedAmount"`
		TipAmount         string `json:"tipAmount,omitempty"`
		CustomerReference string `json:"customerReference,omitempty"`
	}
	tipRequest struct {
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}

	// holdAnswer is the "parsed gateway object" of both endpoints. customFields
	// has an issuerResponseCode of its own, "200", which is not the issuer's and
	// is not read.
	holdAnswer struct {
		HTTPStatus     text `json:"httpStatus"`
		ApprovalCode   text `json:"approvalCode"`
		CardTypeName   text `json:"cardTypeName"`
		Currency       text `json:"currency"`
		ExpiryDateMMYY text `json:"expiryDateMMYY"`
		IssuerCode     text `json:"issuerResponseCode"`
		IssuerText     text `json:"issuerResponseText"`
		Masked         text `json:"maskedCardNumber"`
		PreauthGUID    text `json:"preAuthorizationGuid"`
		IncreaseAmount text `json:"increaseAmount"`
		IncreaseGUID   text `json:"preAuthorizationIncreaseGuid"`
		CapturedAmount text `json:"capturedAmount"`
		CaptureGUID    text `json:"preAuthorizationCaptureGuid"`
		TipAmount      text `json:"tipAmount"`
	}

	tipAnswer struct {
		StatusMessage text `json:"statusMessage"`
	}

	tokenAnswer struct {
		HTTPStatus           text `json:"httpStatus"`
		CardToken            text `json:"cardToken"`
		GUID                 text `json:"cardTokenizationGuid"`
		ExpiryDateMMYY       text `json:"expiryDateMMYY"`
		MaskedCardNumber     text `json:"maskedCardNumber"`
		TransactionReference text `json:"transactionReference"`
	}
)

// Increase adds to an open preauthorization (seed 004,
// "/preauthorization/increase"). The endpoint takes no transactionReference; the
// attempt's goes as customerReference.
func (a *Adapter) Increase(ctx context.Context, req providers.ChangeRequest) (providers.Result, error) {
	return a.change(ctx, "increase", "", req)
}

// Decrease takes away from one, with subtract "1" (same section).
func (a *Adapter) Decrease(ctx context.Context, req providers.ChangeRequest) (providers.Result, error) {
	return a.change(ctx, "decrease", "1", req)
}

func (a *Adapter) change(ctx context.Context, op, subtract string, req providers.ChangeRequest) (providers.Result, error) {
	if err := linkable(op, req.By, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	resp, err := a.send(ctx, op, increaseRequest{
		OriginalGUID: req.OriginalRef, IncreaseAmount: preauthUnit.write(req.By), Subtract: subtract, CustomerReference: req.AttemptRef,
	}, nil, "preauthorization", "increase")
	if err != nil {
		return providers.Result{}, err
	}
	return a.readHold(op, resp, req.OriginalRef, func(h holdAnswer) (guid, amount text) { return h.IncreaseGUID, h.IncreaseAmount })
}

// Capture takes a preauthorized amount, once only (seed 004,
// "/preauthorization/capture"; the public document says that there are no
// further captures, whatever Final is). It moves money. The tip is a part of
// the captured amount: "Tip amount to include in the captured total".
func (a *Adapter) Capture(ctx context.Context, req providers.CaptureRequest) (providers.Result, error) {
	const op = "capture"
	if err := linkable(op, req.Amount, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	body := captureRequest{OriginalGUID: req.OriginalRef, CapturedAmount: preauthUnit.write(req.Amount), CustomerReference: req.AttemptRef}
	if req.Tip != (money.Amount{}) && !req.Tip.IsZero() {
		if req.Tip.Currency() != req.Amount.Currency() || req.Tip.IsNegative() || req.Tip.Minor() > req.Amount.Minor() {
			return providers.Result{}, unsent(op, domain.ReasonInvalidRequest, "the tip is no part of the amount")
		}
		body.TipAmount = preauthUnit.write(req.Tip)
	}
	resp, err := a.send(ctx, op, body, nil, "preauthorization", "capture")
	if err != nil {
		return providers.Result{}, err
	}
	return a.readHold(op, resp, req.OriginalRef, func(h holdAnswer) (guid, amount text) { return h.CaptureGUID, h.CapturedAmount })
}

// readHold classes the answer of a preauthorization endpoint.
func (a *Adapter) readHold(op string, resp *httpclient.Response, original string, of func(holdAnswer) (guid, amount text)) (providers.Result, error) {
	if resp.Status != http.StatusOK {
		e := a.readFault(op, resp, "")
		if resp.Status == http.StatusForbidden {
			e.Text = strings.TrimSpace(e.Text + " (a partner's key may not do this)")
		}
		return providers.Result{}, e
	}
	var ans holdAnswer
	unread := !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil
	guid, amount := of(ans)
	switch {
	case unread || (guid == "" && ans.IssuerCode == "") || !httpclient.Reference(string(guid)) || (ans.HTTPStatus != "" && ans.HTTPStatus != "200"):
		return providers.Result{}, a.garbage(op, resp, "", "the answer is not the document's JSON")
	case ans.PreauthGUID != "" && !strings.EqualFold(string(ans.PreauthGUID), original), strings.EqualFold(string(guid), original):
		return providers.Result{}, a.garbage(op, resp, "", "the answer is about another transaction")
	}
	res := providers.Result{
		ProviderRef: string(guid), Code: a.http.Words(string(ans.IssuerCode)), Text: a.http.Words(string(ans.IssuerText)),
		AuthCode: a.http.Words(string(ans.ApprovalCode)), Card: card(ans.Masked, ans.CardTypeName, ans.ExpiryDateMMYY), Raw: a.http.Scrub(resp.Body),
	}
	if amount != "" {
		read, err := readAmount(preauthUnit, amount, ans.Currency)
		if err != nil {
			return providers.Result{}, a.garbage(op, resp, "", "the answer's amount cannot be read")
		}
		res.Amount = read
	}
	if ans.TipAmount != "" {
		read, err := readAmount(preauthUnit, ans.TipAmount, ans.Currency)
		if err != nil {
			return providers.Result{}, a.garbage(op, resp, "", "the answer's tip cannot be read")
		}
		res.Tip = read
	}
	switch code := string(ans.IssuerCode); {
	case code == "00" && res.ProviderRef == "":
		return providers.Result{}, a.garbage(op, resp, "", "the answer approves without a guid")
	case code == "00":
		res.Outcome = providers.Approved
	case undecided[code], approvedInPart[code], !issuerCode.MatchString(code):
		// Neither a yes nor a no: the status service decides.
	default:
		res.Outcome, res.Reason = providers.Declined, issuerReason(code)
	}
	return res, nil
}

// AdjustTip sets the tip of a sale before its batch is settled (seed 004,
// "/transactions/{guid}/tip-adjustment"): the last one wins. It moves money. The
// answer names no transaction of its own. Only with TSYS and VANTIV.
func (a *Adapter) AdjustTip(ctx context.Context, req providers.TipRequest) (providers.Result, error) {
	const op = "tip-adjustment"
	amount := req.Tip
	if amount.IsZero() && hasRule(amount.Currency()) {
		amount = money.FromMinor(1, amount.Currency()) // A tip may be taken away again.
	}
	if err := linkable(op, amount, req.AttemptRef, req.OriginalRef); err != nil {
		return providers.Result{}, err
	}
	resp, err := a.send(ctx, op, tipRequest{Amount: tipUnit.write(req.Tip), Currency: req.Tip.Currency().Code()}, nil,
		"transactions", req.OriginalRef, "tip-adjustment")
	if err != nil {
		return providers.Result{}, err
	}
	if resp.Status != http.StatusOK {
		return providers.Result{}, a.readFault(op, resp, "")
	}
	var ans tipAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || ans.StatusMessage == "" {
		return providers.Result{}, a.garbage(op, resp, "", "the answer is not the document's JSON")
	}
	res := providers.Result{Text: a.http.Words(string(ans.StatusMessage)), Raw: a.http.Scrub(resp.Body)}
	if strings.EqualFold(string(ans.StatusMessage), "tip adjusted") {
		res.Outcome = providers.Approved
	}
	return res, nil
}

// TokenOf gives the card token of a sale, refund or capture of the last twelve
// months (seed 004, "/transactions/{guid}/token"). It charges nothing.
func (a *Adapter) TokenOf(ctx context.Context, providerRef string) (providers.Result, error) {
	const op = "token"
	if providerRef == "" || !httpclient.Reference(providerRef) {
		return providers.Result{}, asked(unsent(op, domain.ReasonInvalidRequest, "the transaction's guid is missing"))
	}
	resp, err := a.get(ctx, op, "transactions", providerRef, "token")
	if err != nil {
		return providers.Result{}, asked(err)
	}
	if resp.Status != http.StatusOK {
		e := a.readFault(op, resp, "")
		reason := e.Reason
		_ = asked(e)
		e.Reason = reason
		return providers.Result{}, e
	}
	var ans tokenAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || ans.CardToken == "" || !httpclient.Reference(string(ans.GUID)) ||
		(ans.HTTPStatus != "" && ans.HTTPStatus != "200") {
		return providers.Result{}, a.garbage(op, resp, string(ans.CardToken), "the answer is not the document's JSON")
	}
	if ans.TransactionReference != "" && !strings.EqualFold(string(ans.TransactionReference), providerRef) {
		return providers.Result{}, a.garbage(op, resp, string(ans.CardToken), "the answer is about another transaction")
	}
	return providers.Result{
		Outcome: providers.Approved, ProviderRef: string(ans.GUID), Token: string(ans.CardToken),
		Card: card(ans.MaskedCardNumber, "", ans.ExpiryDateMMYY), Raw: a.http.Scrub(resp.Body, string(ans.CardToken)),
	}, nil
}
