package handpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// takes is which fields an operation takes: the amount with its currency, an
// original's id, or may take one, a receipt; a tip prompt, the skipping of
// signature and PIN with a shared terminal's merchant, and the duplicate check.
type takes struct {
	amount, original, mayLink, receipt bool
	// starts: an original operation, which carries our transactionReference as
	// long as it is not linked (seed 004, "Transactions": only Sale, Pre-Auth,
	// MOTO Sale and an unlinked refund).
	starts                  bool
	tip, bypass, duplicates bool
	signed                  bool // an amount below zero decreases
	noResult                bool
	// token: the result carries a card token. It is asked for and never sent to a
	// callback, whose body is kept before it is read.
	token bool
}

// operations are those of the document (public document, Operation Type and
// Transaction Request Object; "update" of an older one). cardPan is left out
// and refused: it would return a card number.
var operations = map[string]takes{
	"sale":                     {amount: true, starts: true, tip: true, bypass: true, duplicates: true},
	"saleAndTokenizeCard":      {amount: true, starts: true, tip: true, bypass: true, duplicates: true, token: true},
	"refund":                   {amount: true, mayLink: true, starts: true, bypass: true, duplicates: true},
	"saleReversal":             {amount: true, original: true, duplicates: true},
	"refundReversal":           {amount: true, original: true, duplicates: true},
	"tokenizeCard":             {token: true},
	"printReceipt":             {receipt: true},
	"update":                   {},
	"pingDevice":               {},
	"stopCurrentTransaction":   {noResult: true},
	"moToSale":                 {amount: true, starts: true, duplicates: true},
	"moToRefund":               {amount: true, mayLink: true, starts: true, duplicates: true},
	"moToReversal":             {original: true, duplicates: true},
	"moToPreAuthorization":     {amount: true, starts: true},
	"preAuthorization":         {amount: true, starts: true},
	"preAuthorizationIncrease": {amount: true, original: true, signed: true},
	"preAuthorizationCapture":  {amount: true, original: true},
	"preAuthorizationReversal": {original: true},
}

type (
	terminalRequest struct {
		Operation             string            `json:"operation"`
		Amount                string            `json:"amount,omitempty"`
		Currency              string            `json:"currency,omitempty"`
		TerminalType          string            `json:"terminal_type"`
		SerialNumber          string            `json:"serial_number"`
		OriginalTransactionID string            `json:"originalTransactionId,omitempty"`
		CustomerReference     string            `json:"customerReference,omitempty"`
		CallbackURL           string            `json:"callbackUrl,omitempty"`
		Token                 string            `json:"token,omitempty"`
		TransactionReference  string            `json:"transactionReference,omitempty"`
		Receipt               string            `json:"receipt,omitempty"`
		TipConfiguration      *tipConfiguration `json:"tipConfiguration,omitempty"`
		BypassOptions         *bypassOptions    `json:"bypassOptions,omitempty"`
		MerchantAuth          []merchantAuth    `json:"merchantAuth,omitempty"`
		DuplicateCheck        *bool             `json:"duplicate_check,omitempty"`
		Metadata              map[string]string `json:"metadata,omitempty"`
	}
	tipConfiguration struct {
		BaseAmount         string `json:"baseAmount,omitempty"`
		HeaderName         string `json:"headerName,omitempty"`
		TipPercentages     []int  `json:"tipPercentages"`
		EnterAmountEnabled bool   `json:"enterAmountEnabled"`
		SkipEnabled        bool   `json:"skipEnabled"`
		Footer             string `json:"footer,omitempty"`
	}
	bypassOptions struct {
		SignatureBypass bool `json:"signatureBypass"`
		PINBypass       bool `json:"pinBypass"`
	}
	merchantAuth struct {
		Acquirer   string `json:"acquirer,omitempty"`
		MID        string `json:"mid,omitempty"`
		TID        string `json:"tid,omitempty"`
		MCC        string `json:"mcc,omitempty"`
		ExternalID string `json:"externalId,omitempty"`
	}
	acceptedAnswer struct {
		TransactionResultID  text `json:"transactionResultId"`
		StatusMessage        text `json:"statusMessage"`
		TransactionReference text `json:"transactionReference"`
	}
)

// The bounds of metadata (public document, Metadata).
const (
	maxMetadata       = 5
	maxMetadataLength = 250
)

var metadataShape = regexp.MustCompile(`^[a-zA-Z0-9()@:%_\\+.~#?&/={}"', -]*$`)

// StartOnTerminal sends an operation to a terminal (seed 004, "Transactions"). A
// financial one moves money once the customer has shown the card. A callback
// address is sent with its token when the connection has both; the result then
// comes by callback only, save one that carries a card token or that is asked for
// as polled. Linked operations carry no transactionReference: the
// attempt's reference goes as customerReference, which a result echoes.
func (a *Adapter) StartOnTerminal(ctx context.Context, req providers.TerminalRequest) (providers.TerminalStart, error) {
	body, op, err := a.terminalRequest(req)
	if err != nil {
		return providers.TerminalStart{}, err
	}
	resp, err := a.send(ctx, req.Operation, body, []string{a.callbackToken}, "transactions")
	if err != nil {
		return providers.TerminalStart{}, err
	}
	if resp.Status != http.StatusAccepted {
		return providers.TerminalStart{}, a.readFault(req.Operation, resp, a.callbackToken)
	}
	var ans acceptedAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || !httpclient.Reference(string(ans.TransactionResultID)) {
		return providers.TerminalStart{}, a.garbage(req.Operation, resp, a.callbackToken, "accepted, but the answer is not the document's JSON")
	}
	ref := string(ans.TransactionReference)
	if body.TransactionReference != "" && ref != "" && !strings.EqualFold(ref, body.TransactionReference) && strings.Trim(ref, "0-") != "" {
		// The sample's is all zeros.
		return providers.TerminalStart{}, a.garbage(req.Operation, resp, a.callbackToken, "the answer is about another transaction")
	}
	if ans.TransactionResultID == "" && body.CallbackURL == "" && !op.noResult {
		return providers.TerminalStart{}, a.garbage(req.Operation, resp, a.callbackToken, "accepted, but there is nothing to ask for the result by")
	}
	return providers.TerminalStart{
		ResultRef: string(ans.TransactionResultID), AttemptRef: req.AttemptRef, Said: a.http.Words(string(ans.StatusMessage)),
	}, nil
}

// terminalRequest checks what an operation needs and writes what it takes.
func (a *Adapter) terminalRequest(req providers.TerminalRequest) (terminalRequest, takes, error) {
	name := req.Operation
	op, known := operations[name]
	refuse := func(words string) (terminalRequest, takes, error) {
		return terminalRequest{}, op, unsent(name, domain.ReasonInvalidRequest, words)
	}
	switch {
	case name == "cardPan":
		return terminalRequest{}, op, unsupported(name, "it would return a card number, which never comes here")
	case !known:
		return terminalRequest{}, op, unsupported("transactions", "there is no such operation")
	case req.Device.Serial == "" || req.Device.Type == "":
		return refuse("the terminal's serial number or type is missing")
	}
	body := terminalRequest{Operation: name, TerminalType: req.Device.Type, SerialNumber: req.Device.Serial,
		CustomerReference: providers.AtMost(req.OrderReference, maxReference), CallbackURL: a.callbackURL, Token: a.callbackToken}
	if op.noResult || op.token || req.Polled {
		body.CallbackURL, body.Token = "", ""
	}
	linked := op.original || (op.mayLink && req.OriginalRef != "")
	switch {
	case linked && (req.OriginalRef == "" || !httpclient.Reference(req.OriginalRef)):
		return refuse("the original's id is missing")
	case linked:
		body.OriginalTransactionID = req.OriginalRef
	case op.starts && req.AttemptRef == "":
		return refuse("the attempt's reference is missing")
	case op.starts:
		body.TransactionReference = req.AttemptRef
	}
	if body.TransactionReference == "" && req.AttemptRef != "" {
		body.CustomerReference = providers.AtMost(req.AttemptRef, maxReference)
	}
	if op.amount {
		amount := req.Amount
		if op.signed && amount.IsNegative() {
			amount = money.FromMinor(-amount.Minor(), amount.Currency())
		}
		if err := sendable(name, amount, "any"); err != nil {
			return terminalRequest{}, op, err
		}
		body.Amount, body.Currency = terminalUnit.write(req.Amount), req.Amount.Currency().Code()
	}
	if op.receipt {
		if req.Receipt == "" {
			return refuse("the receipt is missing")
		}
		body.Receipt = req.Receipt
	}
	if op.tip && req.Tip != nil {
		tip, words := tipPrompt(*req.Tip, req.Amount.Currency())
		if words != "" {
			return refuse(words)
		}
		body.TipConfiguration = tip
	}
	if op.bypass {
		body.MerchantAuth = a.auth
		if req.SkipSignature || req.SkipPIN {
			body.BypassOptions = &bypassOptions{req.SkipSignature, req.SkipPIN}
		}
	}
	if op.duplicates && req.NoDuplicateCheck {
		body.DuplicateCheck = new(bool)
	}
	if len(req.Metadata) > maxMetadata {
		return refuse("there are more than five metadata")
	}
	for i, m := range req.Metadata {
		if utf8.RuneCountInString(m) > maxMetadataLength || !metadataShape.MatchString(m) {
			return refuse("a metadata is too long or has a sign that the provider does not take")
		}
		if body.Metadata == nil {
			body.Metadata = map[string]string{}
		}
		body.Metadata["metadata"+string(rune('1'+i))] = m
	}
	return body, op, nil
}

func tipPrompt(t providers.TipPrompt, c money.Currency) (*tipConfiguration, string) {
	if len(t.Percentages) == 0 {
		return nil, "the tip prompt offers no percentages"
	}
	for _, p := range t.Percentages {
		if p < 0 || p > 100 {
			return nil, "a percentage of the tip prompt is none"
		}
	}
	out := &tipConfiguration{HeaderName: t.Header, Footer: t.Footer, TipPercentages: t.Percentages, EnterAmountEnabled: t.EnterAmount, SkipEnabled: t.Skip}
	if !t.Base.IsZero() {
		if t.Base.Currency() != c || !t.Base.IsPositive() || t.Base.Minor() > maxMinor {
			return nil, "the tip prompt's base cannot be written in the provider's form"
		}
		out.BaseAmount = terminalUnit.write(t.Base)
	}
	return out, ""
}

// TerminalResult asks for the result of a started operation (seed 004,
// "/transaction-result/{transactionResultId}"). It changes nothing. One that
// comes by callback is never done here.
func (a *Adapter) TerminalResult(ctx context.Context, start providers.TerminalStart) (providers.TerminalResult, bool, error) {
	const op = "transaction-result"
	if start.ResultRef == "" {
		return providers.TerminalResult{}, false, nil
	}
	resp, err := a.get(ctx, op, "transaction-result", start.ResultRef)
	if err != nil {
		return providers.TerminalResult{}, false, asked(err)
	}
	switch resp.Status {
	case http.StatusNoContent:
		return providers.TerminalResult{}, false, nil
	case http.StatusOK:
	default:
		return providers.TerminalResult{}, false, asked(a.readFault(op, resp, ""))
	}
	var ans statusAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || !httpclient.Reference(string(ans.ref())) || (ans.FinStatus == "" && ans.DeviceStatus.SerialNumber == "") {
		return providers.TerminalResult{}, false, a.garbage(op, resp, "", "the answer is not the document's JSON")
	}
	if start.AttemptRef != "" && !ans.linked() && ans.TransactionReference != "" &&
		!strings.EqualFold(string(ans.TransactionReference), start.AttemptRef) && !strings.EqualFold(string(ans.CustomerReference), start.AttemptRef) {
		return providers.TerminalResult{}, false, a.garbage(op, resp, "", "the answer is about another transaction")
	}
	if start.AttemptRef != "" && ans.linked() && uuidShape.MatchString(string(ans.CustomerReference)) && !strings.EqualFold(string(ans.CustomerReference), start.AttemptRef) {
		return providers.TerminalResult{}, false, a.garbage(op, resp, "", "the answer is about another transaction")
	}
	res, why := a.terminalOutcome(ans, resp.Body)
	if why != "" {
		return providers.TerminalResult{}, false, a.garbage(op, resp, "", "%s", why)
	}
	return providers.TerminalResult{Result: res, Operation: string(ans.Type), Type: typeOf(ans), Device: ans.device(), Report: a.report(ans), Recovered: ans.Recovered}, true, nil
}

// terminalOutcome is describe for what a terminal itself tells, who also knows
// words for what moves no money: PROCESSED of a receipt that was printed, and
// (ASSUMPTION) an empty one with the device's own status of a ping. Neither
// carries a transactionReference, which original operations do.
func (a *Adapter) terminalOutcome(ans statusAnswer, raw []byte) (providers.Result, string) {
	res, why := a.describe(ans, raw)
	if why != "" {
		return res, why
	}
	moves := typeOf(ans) != "" || !isZero(ans.TotalAmount) || strings.Trim(string(ans.TransactionReference), "0-") != ""
	switch {
	case moves:
	case ans.FinStatus == "PROCESSED", ans.FinStatus == "" && ans.DeviceStatus.SerialNumber != "":
		res.Outcome = providers.Approved
	}
	return res, ""
}

func (s statusAnswer) device() providers.DeviceRef {
	return providers.DeviceRef{Serial: string(s.DeviceStatus.SerialNumber), Type: string(s.DeviceStatus.BluetoothName)}
}

// notCharging are the words for a battery without power (the sample has "Not
// Charging"); ASSUMPTION: every other word that is told means that it charges.
var notCharging = map[string]bool{"not charging": true, "discharging": true, "unknown": true}

// report is what the terminal tells of itself (seed 004, the sample of
// "/transaction-result"). It carries no time of its own.
func (a *Adapter) report(ans statusAnswer) domain.DeviceReport {
	d := ans.DeviceStatus
	r := domain.DeviceReport{Power: a.http.Words(string(d.ExternalPower)), AppName: a.http.Words(string(d.ApplicationName)), AppVersion: a.http.Words(string(d.ApplicationVersion))}
	if n, err := strconv.Atoi(strings.TrimSpace(string(d.BatteryStatus))); err == nil && n >= 0 && n <= 100 {
		r.Battery = &n
	}
	switch word := strings.ToLower(strings.TrimSpace(string(d.BatteryCharging))); {
	case word == "":
	case notCharging[word]:
		r.Charging = "no"
	default:
		r.Charging = "yes"
	}
	return r
}

// names are the document's names of what the product asks of a terminal, on a
// real one and on a virtual one (seed 004, "Transactions"; public document,
// Operation Type). What a virtual one does not have is empty.
var names = map[providers.TerminalOp][2]string{
	providers.OpSale:         {"sale", "moToSale"},
	providers.OpSaleAndStore: {"saleAndTokenizeCard", ""},
	providers.OpStoreCard:    {"tokenizeCard", ""},
	providers.OpRefund:       {"refund", "moToRefund"},
	providers.OpLinkedRefund: {"refund", "moToRefund"},
	providers.OpVoidSale:     {"saleReversal", "moToReversal"},
	providers.OpVoidRefund:   {"refundReversal", "moToReversal"},
	providers.OpPreauth:      {"preAuthorization", "moToPreAuthorization"},
	providers.OpIncrease:     {"preAuthorizationIncrease", "preAuthorizationIncrease"},
	providers.OpCapture:      {"preAuthorizationCapture", "preAuthorizationCapture"},
	providers.OpVoidPreauth:  {"preAuthorizationReversal", "preAuthorizationReversal"},
	providers.OpPrint:        {"printReceipt", ""},
	providers.OpPing:         {"pingDevice", ""},
	providers.OpUpdate:       {"update", ""},
	providers.OpStop:         {"stopCurrentTransaction", "stopCurrentTransaction"},
}

// TerminalOperation gives the document's name of an operation.
func (a *Adapter) TerminalOperation(op providers.TerminalOp, virtual bool) string {
	if virtual {
		return names[op][1]
	}
	return names[op][0]
}
