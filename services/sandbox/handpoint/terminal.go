package handpoint

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// need says whether an operation takes a field.
type need int

const (
	never need = iota
	may
	must
)

// operation is one of those that POST /transactions takes (public document of
// the provider, Operation Type; the fields from its Transaction Request Object).
type operation struct {
	name string
	kind string // of the record that it makes; empty: none
	word string // TransactionResult.type
	// amount counts for the currency too.
	amount, original, receipt need
	// starts says that it takes a transactionReference: an original operation,
	// as long as no originalTransactionId is given.
	starts bool
	tip    bool
	bypass bool
	auth   bool
	check  bool // duplicate_check
	// signed amounts: an increase below zero decreases.
	signed bool
	token  bool // the result carries a card token
}

var operations = func() map[string]operation {
	m := map[string]operation{}
	for _, o := range []operation{
		{name: "sale", kind: kindSale, word: "SALE", amount: must, starts: true, tip: true, bypass: true, auth: true, check: true},
		{name: "saleAndTokenizeCard", kind: kindSale, word: "SALE", amount: must, starts: true, tip: true, bypass: true, auth: true, check: true, token: true},
		{name: "refund", kind: kindRefund, word: "REFUND", amount: must, original: may, starts: true, bypass: true, auth: true, check: true},
		{name: "saleReversal", kind: kindReversal, word: "VOID_SALE", amount: must, original: must, check: true},
		{name: "refundReversal", kind: kindReversal, word: "VOID_REFUND", amount: must, original: must, check: true},
		{name: "tokenizeCard", word: "TOKENIZE_CARD", token: true},
		{name: "printReceipt", word: "UNDEFINED", receipt: must},
		{name: "update", word: "UNDEFINED"},
		{name: "pingDevice", word: "UNDEFINED"},
		{name: "stopCurrentTransaction", word: "CANCEL_TRX"},
		{name: "moToSale", kind: kindSale, word: "MOTO_SALE", amount: must, starts: true, check: true},
		{name: "moToRefund", kind: kindRefund, word: "MOTO_REFUND", amount: must, original: may, starts: true, check: true},
		{name: "moToReversal", kind: kindReversal, word: "MOTO_REVERSAL", original: must, check: true},
		// The words of preauthorizations are not in the public enum; newer
		// guides of the provider show them (ASSUMPTION).
		{name: "preAuthorization", kind: kindPreauth, word: "PRE_AUTHORIZATION", amount: must, starts: true},
		{name: "moToPreAuthorization", kind: kindPreauth, word: "PRE_AUTHORIZATION", amount: must, starts: true},
		{name: "preAuthorizationIncrease", kind: kindIncrease, word: "PRE_AUTHORIZATION_INCREASE", amount: must, original: must, signed: true},
		{name: "preAuthorizationCapture", kind: kindCapture, word: "PRE_AUTHORIZATION_CAPTURE", amount: must, original: must},
		{name: "preAuthorizationReversal", kind: kindReversal, word: "REVERSAL", original: must},
	} {
		m[o.name] = o
	}
	return m
}()

const (
	signedPattern = `^-?[1-9]\d*$`
	// metadataPattern is the public document's list of valid characters.
	metadataPattern = `^[a-zA-Z0-9()@:%_\\+.~#?&/={}"', -]*$`
	numberPattern   = `^\d+$`
)

var (
	metadataField = field{max: 250, pattern: metadataPattern, shape: regexp.MustCompile(metadataPattern)}
	tipSchema     = schema{
		"baseAmount": {pattern: numberPattern, shape: regexp.MustCompile(`^[0-9]+$`), max: 12}, "headerName": textField, "footer": textField,
		"tipPercentages":     {kind: isArray, required: true, items: &field{kind: isInteger}},
		"enterAmountEnabled": {kind: isBoolean}, "skipEnabled": {kind: isBoolean},
	}
	bypassSchema   = schema{"signatureBypass": {kind: isBoolean}, "pinBypass": {kind: isBoolean}}
	authSchema     = schema{"acquirer": textField, "mid": textField, "tid": textField, "mcc": textField, "externalId": textField}
	metadataSchema = schema{"metadata1": metadataField, "metadata2": metadataField, "metadata3": metadataField, "metadata4": metadataField, "metadata5": metadataField}
)

// schemaOf is what a body of the operation may hold. A linked operation takes
// no transactionReference (seed 004, "Transactions": "should not include").
func (o operation) schemaOf(linked bool) schema {
	sc := schema{
		"operation": {required: true}, "serial_number": {required: true, min: 1, max: 64}, "terminal_type": {required: true, min: 1, max: 64},
		"callbackUrl": {min: 1, max: 2048, pattern: `^https?://`, shape: regexp.MustCompile(`^https?://[^\s]+$`)}, "token": {min: 1, max: 255},
		"customerReference": textField,
		"metadata":          {kind: isObject, object: metadataSchema},
	}
	if o.amount != never {
		amount := amountField
		if o.signed {
			amount.pattern, amount.shape, amount.max = signedPattern, regexp.MustCompile(`^-?[1-9][0-9]*$`), 13
		}
		sc["amount"], sc["currency"] = amount, needed(currencyField)
	}
	if o.original != never {
		sc["originalTransactionId"] = field{required: o.original == must, min: 1, max: 64}
	}
	if o.receipt != never {
		sc["receipt"] = field{required: true, min: 1}
	}
	if o.starts && !linked {
		sc["transactionReference"] = referenceField
	}
	if o.tip {
		sc["tipConfiguration"] = field{kind: isObject, object: tipSchema}
	}
	if o.bypass {
		sc["bypassOptions"] = field{kind: isObject, object: bypassSchema}
	}
	if o.auth {
		sc["merchantAuth"] = field{kind: isArray, min: 1, items: &field{kind: isObject, object: authSchema}}
	}
	if o.check {
		sc["duplicate_check"] = field{kind: isBoolean}
	}
	return sc
}

// running is an operation on a terminal.
type running struct {
	op       operation
	body     fields
	merchant string
	terminal *terminal
	// Until reading it waits for the card and can be stopped; until ends the
	// gateway works on it.
	reading, ends time.Time
	outcome       kit.Outcome
	forced        bool
	resultID      string
	stopped, fail bool
	card          Card
}

// The codes of seed 004, "Transactions".
const (
	codeBusy           = 1001
	codeNotResponding  = 1002
	codeNotCancellable = 1003
)

// deviceError is the family whose message is an object.
func deviceError(w http.ResponseWriter, code int, message string) {
	type inner struct {
		Error   int    `json:"error"`
		Message string `json:"message"`
	}
	type body struct {
		StatusCode int    `json:"statusCode"`
		Name       string `json:"name"`
		Message    inner  `json:"message"`
	}
	kit.WriteJSON(w, http.StatusBadRequest, map[string]body{"error": {http.StatusBadRequest, "BadRequestError", inner{code, message}}})
}

type accepted struct {
	TransactionResultID  string `json:"transactionResultId,omitempty"`
	StatusMessage        string `json:"statusMessage"`
	TransactionReference string `json:"transactionReference,omitempty"`
}

// transaction starts an operation on a terminal (seed 004, "Transactions").
func (s *Server) transaction(w http.ResponseWriter, r *http.Request, m Merchant) {
	raw, ok := readJSON(w, r)
	if !ok {
		return
	}
	object, _ := raw.(map[string]any)
	name, _ := object["operation"].(string)
	op, known := operations[name]
	var further []violation
	if !known && object["operation"] != nil {
		further = append(further, violation{Path: "/operation", Code: "enum", Message: "must be equal to one of the allowed values",
			Info: map[string]any{"allowedValues": slices.Sorted(maps.Keys(operations))}})
	}
	// A callback needs its token, and a token without an address says nothing.
	for with, without := range map[string]string{"callbackUrl": "token", "token": "callbackUrl"} {
		if object[with] != nil && object[without] == nil {
			further = append(further, missing("", without))
		}
	}
	_, linked := object["originalTransactionId"]
	body, ok := judge(w, raw, op.schemaOf(linked), further...)
	if !ok {
		return
	}
	if op.amount == must && !s.currencies[body.text("currency")] {
		writeError(w, errorEnvelope(http.StatusBadRequest, fmt.Sprintf("Currency %s is not supported", body.text("currency"))))
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	t := s.devices[deviceKey{m.ID, body.text("terminal_type"), body.text("serial_number")}]
	switch {
	case t == nil || t.offline || t.standalone:
		// ASSUMPTION: a device that is not the merchant's does not respond, nor does
		// one that is not in Integrated Mode, which is how pingDevice shows that it
		// is (seed 004, "Device Control Commands").
		deviceError(w, codeNotResponding, "The device is not responding")
		return
	case op.name == "stopCurrentTransaction":
		s.stop(w, t, now)
		return
	case t.busy || t.running != nil:
		deviceError(w, codeBusy, "The device is busy")
		return
	}
	run := &running{op: op, body: body, merchant: m.ID, terminal: t, card: s.cards[t.card],
		reading: now.Add(t.takes / 2), ends: now.Add(t.takes)}
	run.outcome, run.forced = s.kit.Outcomes.Take(r.URL.Path)
	switch {
	case run.outcome.Result == kit.Reject:
		if code, err := strconv.Atoi(run.outcome.Code); err == nil && code <= codeNotCancellable && code >= codeBusy {
			deviceError(w, code, map[int]string{codeBusy: "The device is busy", codeNotResponding: "The device is not responding",
				codeNotCancellable: "The operation cannot be cancelled"}[code])
			return
		}
		writeError(w, gatewayError(run.outcome.Code, gatewayText(run.outcome.Code), http.StatusBadRequest))
		return
	case run.outcome.Result == kit.InProgress:
		run.reading, run.ends = now, now.Add(time.Duration(run.outcome.AfterSeconds)*time.Second)
		run.outcome = kit.Outcome{Result: run.outcome.Then}
	}
	out := accepted{StatusMessage: "Operation Accepted", TransactionReference: body.text("transactionReference")}
	if op.starts && !linked && out.TransactionReference == "" {
		out.TransactionReference = newReference()
		run.body["transactionReference"] = out.TransactionReference
	}
	if body.text("callbackUrl") == "" {
		for at := now.UnixMilli(); ; at++ {
			if run.resultID = fmt.Sprintf("%s-%d", t.Serial, at); s.results[run.resultID] == nil {
				break
			}
		}
		s.results[run.resultID] = &result{merchant: m.ID}
		out.TransactionResultID = run.resultID
	}
	t.running = run
	kit.WriteJSON(w, http.StatusAccepted, out)
	s.settle()
}

// stop ends what runs on a terminal while it still waits for the card.
// ASSUMPTION: with nothing to stop it is refused in the same way, and the
// answer names no result of its own.
func (s *Server) stop(w http.ResponseWriter, t *terminal, now time.Time) {
	if t.running == nil || !now.Before(t.running.reading) {
		deviceError(w, codeNotCancellable, "The operation cannot be cancelled")
		return
	}
	t.running.stopped, t.running.ends = true, now
	kit.WriteJSON(w, http.StatusAccepted, accepted{StatusMessage: "Operation Accepted"})
	s.settle()
}

// reaching is the operation of a reference that the gateway works on.
func (s *Server) reaching(merchant, reference string) *running {
	for _, t := range s.devices {
		if run := t.running; run != nil && run.merchant == merchant && run.body.text("transactionReference") == reference &&
			!s.kit.Clock.Now().Before(run.reading) {
			return run
		}
	}
	return nil
}

// settle ends what the clock has ended and sends what is owed. The caller holds
// the lock.
func (s *Server) settle() {
	now := s.kit.Clock.Now()
	for _, key := range s.deviceKeys() {
		t := s.devices[key]
		if run := t.running; run != nil && !now.Before(run.ends) {
			t.running = nil
			s.complete(run)
		}
	}
	s.deliver(s.kit.Clock.Now())
}

// complete carries an operation out and tells its result.
func (s *Server) complete(run *running) {
	out := run.blank()
	switch {
	case run.stopped:
		out.FinStatus, out.StatusMessage = "CANCELLED", "Operation cancelled"
		// ASSUMPTION: which of the CANCEL_ words goes with which operation.
		out.Type = map[string]string{kindSale: "CANCEL_SALE", kindRefund: "CANCEL_REFUND"}[run.op.kind]
		if out.Type == "" {
			out.Type = "CANCEL_TRX"
		}
	case run.fail:
		out.FinStatus, out.ErrorMessage = "FAILED", "The terminal was restarted"
	case run.op.name == "pingDevice":
		// ASSUMPTION: finStatus is empty, the device's own status tells.
		out.Currency = ""
	case run.op.kind == "" && run.op.token:
		out.FinStatus, out.StatusMessage, out.CardToken = "AUTHORISED", "Card tokenized", run.card.Token
		out.show(run.card)
		out.EFTTransactionID = newGUID()
		out.TransactionID = out.EFTTransactionID
	case run.op.kind == "":
		out.FinStatus = "PROCESSED"
	default:
		s.carryOut(run, out)
	}
	out.DeviceStatus.StatusMessage = out.StatusMessage
	if run.resultID != "" {
		s.results[run.resultID].body = out
		return
	}
	s.owe(run, out)
}

// carryOut makes the record of a financial operation and describes it.
func (s *Server) carryOut(run *running, out *terminalResult) {
	now := s.kit.Clock.Now()
	var minor int64
	if run.op.amount == must {
		minor, _ = strconv.ParseInt(run.body.text("amount"), 10, 64)
	}
	rec := &record{merchant: run.merchant, kind: run.op.kind, word: run.op.word, terminal: run.terminal.key, requestedMinor: minor,
		currency: run.body.text("currency"), card: run.card, reference: run.body.text("transactionReference"),
		customer: run.body.text("customerReference"), description: &onTerminal{"CHIPCONTACTLESS", "ICC", "NOT_REQUIRED"}}
	if run.op.word == "MOTO_SALE" || run.op.word == "MOTO_REFUND" || run.op.word == "MOTO_REVERSAL" || run.op.name == "moToPreAuthorization" {
		rec.description = nil
	}
	if run.terminal.signature != "" && rec.kind == kindSale && rec.description != nil {
		rec.description.verification = "SIGNATURE"
	}
	if id := run.body.text("originalTransactionId"); id != "" {
		original := s.byGUID(run.merchant, id)
		if refusal := s.linked(run.op, original, rec, now); refusal != "" {
			out.FinStatus, out.ErrorMessage, out.OriginalEFT = "FAILED", refusal, id
			if original != nil {
				out.TransactionReference = original.reference
			}
			return
		}
		rec.originalGUID, rec.card, rec.currency = original.guid, original.card, original.currency
		rec.borrow(original)
	}
	outcome := run.outcome
	if !run.forced {
		outcome = kit.Outcome{Result: kit.Approve}
		if rec.kind == kindSale || rec.kind == kindPreauth {
			outcome = decided(minor, run.card)
		}
	}
	if rec.kind == kindSale {
		rec.tipMinor = tipOf(run.body, minor)
	}
	if outcome.Result == kit.InProgress {
		// 37.68: the terminal hears nothing in time and says so (ASSUMPTION).
		rec.failed, outcome = true, kit.Outcome{Result: kit.Decline, Code: "91"}
	}
	if e := s.book(rec, outcome); e != nil {
		out.FinStatus, out.ErrorMessage = "FAILED", e.Error.Message
		return
	}
	if rec.kind == kindPreauth && rec.approved(now) {
		rec.holdMinor = rec.approvedMinor
	}
	s.tell(run, rec, out)
}

// tipOf is the tip that the customer gives: the first percentage that is
// offered, of the base amount, rounded down (ASSUMPTION).
func tipOf(body fields, minor int64) int64 {
	tip, _ := body["tipConfiguration"].(map[string]any)
	offered, _ := tip["tipPercentages"].([]any)
	if len(offered) == 0 {
		return 0
	}
	percent, ok := fields{"n": offered[0]}.number("n")
	if base, err := strconv.ParseInt(fields(tip).text("baseAmount"), 10, 64); err == nil {
		minor = base
	}
	if !ok || percent < 0 || percent > 100 {
		return 0
	}
	return minor * int64(percent) / 100
}

// linked says why an operation on an earlier one fails at the gateway; empty:
// it does not. It completes the record.
func (s *Server) linked(op operation, original, rec *record, now time.Time) string {
	switch {
	case original == nil:
		return "Original transaction not found"
	case rec.currency != "" && rec.currency != original.currency:
		return "Original and linked currency do not match"
	}
	switch op.kind {
	case kindRefund:
		if !original.refundable(now) {
			return "Original transaction cannot be refunded"
		}
		if rec.requestedMinor > original.approvedMinor-original.refundedMinor {
			return "The requested refund amount is greater than the initial sale amount"
		}
	case kindReversal:
		wanted := map[string]bool{"saleReversal": original.kind == kindSale, "refundReversal": original.kind == kindRefund,
			"moToReversal":             original.kind == kindSale || original.kind == kindRefund,
			"preAuthorizationReversal": original.kind == kindPreauth || original.kind == kindCapture}[op.name]
		open := s.reversible(original, now)
		if original.kind == kindPreauth {
			open = original.holds(now)
		}
		if !wanted || !open {
			return "Unable to find message to reverse."
		}
		// The whole amount, whatever was sent.
		rec.requestedMinor = original.approvedMinor
		if original.kind == kindPreauth {
			rec.requestedMinor = original.holdMinor
		}
	default:
		if !original.holds(now) {
			return "Original pre-auth is voided, not approved or already captured"
		}
		if op.kind == kindCapture && rec.requestedMinor > original.holdMinor || op.kind == kindIncrease && original.holdMinor+rec.requestedMinor <= 0 {
			return "The amount exceeds the authorized amount"
		}
	}
	return ""
}

// holds says that it is a preauthorization that can still be changed.
func (r *record) holds(now time.Time) bool {
	return r.kind == kindPreauth && r.approved(now) && !r.reversed && !r.captured
}
