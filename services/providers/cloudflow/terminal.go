package cloudflow

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// operations are the flow types of AppFlow that are told by an amount alone.
// What follows up an earlier payment needs fields that nothing public names, so
// it is not sent.
var operations = map[string]bool{"sale": true, "refund": true, "motoSale": true, "motoRefund": true, "preAuthorisation": true}

// maxMinor bounds an amount to what fits twelve digits.
const maxMinor = 999_999_999_999

// StartOnTerminal sends a request to a terminal, if this connection says where
// to (SettingAsyncRequests) and that its form was confirmed. It may move money.
// Whether the terminal is connected is asked first; when it is not, nothing is
// sent. The result comes by CloudFlow's callback, whose proof is not public: it
// cannot be received, and the attempt ends by a person (README).
func (a *Adapter) StartOnTerminal(ctx context.Context, req providers.TerminalRequest) (providers.TerminalStart, error) {
	const op = "start"
	switch {
	case a.requestsPath == "":
		return providers.TerminalStart{}, unsent(op, providers.KindUnsupported, domain.ReasonNotAllowed, "this connection offers no requests to a terminal")
	case !operations[req.Operation] || req.OriginalRef != "" || req.Receipt != "" || req.Tip != nil || len(req.Metadata) > 0 ||
		req.SkipSignature || req.SkipPIN || req.NoDuplicateCheck:
		return providers.TerminalStart{}, unsent(op, providers.KindUnsupported, domain.ReasonNotAllowed, "no form is known for this operation")
	case !hasRule(req.Amount.Currency()):
		return providers.TerminalStart{}, unsent(op, providers.KindUnsupported, domain.ReasonNotAllowed, "no rule for this currency")
	case !req.Amount.IsPositive() || req.Amount.Minor() > maxMinor:
		return providers.TerminalStart{}, unsent(op, providers.KindRefused, domain.ReasonInvalidRequest, "the amount cannot be written in the provider’s form")
	case req.AttemptRef == "":
		return providers.TerminalStart{}, unsent(op, providers.KindRefused, domain.ReasonInvalidRequest, "the attempt’s reference is missing")
	}
	body, err := json.Marshal(startRequest{
		RequestID: req.AttemptRef, ReferenceID: req.Device.Ref, FlowType: req.Operation, Amounts: writeAmount(req.Amount),
	})
	if err != nil {
		return providers.TerminalStart{}, unsent(op, providers.KindRefused, domain.ReasonInvalidRequest, "the request cannot be written")
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	state, err := a.Connected(ctx, req.Device)
	if err != nil {
		return providers.TerminalStart{}, beforeSending(err)
	}
	if !state.Connected {
		f := unsent(op, providers.KindRefused, domain.ReasonDeviceOffline, state.Said)
		f.Code, f.Meaning = state.Code, state.Meaning
		return providers.TerminalStart{}, f
	}
	header := a.header()
	header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(ctx, httpclient.Call{Op: op, Method: http.MethodPost, URL: a.base.String() + a.requestsPath, Header: header, Body: body})
	if err != nil {
		return providers.TerminalStart{}, err
	}
	if resp.Status != http.StatusAccepted {
		return providers.TerminalStart{}, a.fault(op, resp)
	}
	var ans startAnswer
	if !resp.IsJSON() || exact(resp.Body, &ans, "requestId") != nil || ans.RequestID != req.AttemptRef {
		return providers.TerminalStart{}, a.garbage(op, resp, "the answer does not say that it accepted this request")
	}
	return providers.TerminalStart{AttemptRef: req.AttemptRef, Said: "CloudFlow accepted the request."}, nil
}

// beforeSending marks a fault of the question that comes first: whatever it
// was, the request itself had not left.
func beforeSending(err error) error {
	e, ok := providers.AsError(err)
	if !ok {
		return err
	}
	e.NotDone = true
	if e.Reason == domain.ReasonNone {
		e.Reason = domain.ReasonUnreachable
	}
	return e
}

// TerminalResult has nothing to ask: CloudFlow tells results by callback only.
// It sends nothing and never says done.
func (a *Adapter) TerminalResult(context.Context, providers.TerminalStart) (providers.TerminalResult, bool, error) {
	return providers.TerminalResult{}, false, nil
}

// names are AppFlow's flow types of what the product asks of a terminal (README,
// "Requests to a terminal").
var names = map[providers.TerminalOp]string{providers.OpSale: "sale", providers.OpRefund: "refund", providers.OpPreauth: "preAuthorisation"}

// TerminalOperation gives AppFlow's name of an operation that is told by an
// amount alone. CloudFlow has no virtual terminal.
func (a *Adapter) TerminalOperation(op providers.TerminalOp, virtual bool) string {
	if virtual {
		return ""
	}
	return names[op]
}
