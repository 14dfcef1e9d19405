package handpoint

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// issuerReasons translates issuerResponseCode, the response code of ISO 8583
// field 39 with the schemes' additions (1A, N7, R0, R1 and R3 are theirs). Seed
// 004 has only 00, the public document 01, 04 and 05; the others, and what may be
// tried again (domain.RetryAdvice), are the card schemes' practice: never again
// are 04, 07, 12, 14, 15, 41, 43, 46, 57, R0, R1 and R3, on another day 51, 61
// and 65, in a few minutes 91, 92 and 96, once 05, and what was wrong when it is
// put right. Codes that the schemes use for different things (06, 63, 78, 82, 86)
// are not here.
var issuerReasons = map[string]domain.Reason{
	"01": domain.ReasonCallBank,
	"02": domain.ReasonCallBank,
	"03": domain.ReasonNotAllowed,
	"04": domain.ReasonPickUp,
	"05": domain.ReasonDeclined,
	"07": domain.ReasonPickUp,
	"12": domain.ReasonNotAllowed,
	"13": domain.ReasonAmount,
	"14": domain.ReasonInvalidCard,
	"15": domain.ReasonInvalidCard,
	"30": domain.ReasonInvalidRequest,
	"31": domain.ReasonUnsupportedCard,
	"33": domain.ReasonPickUp, // expired, and to be kept
	"34": domain.ReasonSuspectedFraud,
	"35": domain.ReasonPickUp,
	"36": domain.ReasonPickUp,
	"37": domain.ReasonPickUp,
	"38": domain.ReasonPINLocked,
	"40": domain.ReasonNotAllowed,
	"41": domain.ReasonLostOrStolen,
	"43": domain.ReasonLostOrStolen,
	"46": domain.ReasonClosedAccount,
	"51": domain.ReasonInsufficientFunds,
	"54": domain.ReasonExpiredCard,
	"55": domain.ReasonWrongPIN,
	"56": domain.ReasonInvalidCard,
	"57": domain.ReasonUnsupportedCard,
	"58": domain.ReasonNotAllowed,
	"59": domain.ReasonSuspectedFraud,
	"61": domain.ReasonLimitExceeded,
	"62": domain.ReasonUnsupportedCard,
	"65": domain.ReasonLimitExceeded,
	"67": domain.ReasonPickUp,
	"75": domain.ReasonPINLocked,
	"91": domain.ReasonBankUnavailable,
	"92": domain.ReasonBankUnavailable,
	"93": domain.ReasonNotAllowed,
	"94": domain.ReasonDuplicate,
	"96": domain.ReasonBankUnavailable,
	"1A": domain.ReasonConfirmation,
	"N7": domain.ReasonSecurityCode,
	"R0": domain.ReasonPaymentsStopped,
	"R1": domain.ReasonPaymentsStopped,
	"R3": domain.ReasonPaymentsStopped,
}

// approvedInPart are response codes that ISO 8583 calls approvals of some
// kind (10: of a part of the amount). The provider's document names only "00";
// for these neither yes nor no is said until its status service tells.
var approvedInPart = map[string]bool{"08": true, "10": true, "11": true, "16": true, "85": true, "87": true}

// undecided are response codes that tell of no decision: 09, the request is in
// progress, 68, the answer came too late, and 94, the host has it already. Money
// may have moved.
var undecided = map[string]bool{"09": true, "68": true, "94": true}

// issuerCode is the form of a response code. What has another form is none of
// ISO 8583's, so that it is no verdict.
var issuerCode = regexp.MustCompile(`^[0-9A-Za-z]{2}$`)

func issuerReason(code string) domain.Reason {
	if r, ok := issuerReasons[strings.ToUpper(code)]; ok {
		return r
	}
	return domain.ReasonUnmapped
}

// Codes lists the codes and words of seed 004 and the README, and their reasons.
func Codes() []providers.Code {
	open := map[string]bool{}
	for code := range approvedInPart {
		open[code] = true
	}
	for code := range undecided {
		if _, ok := issuerReasons[code]; !ok {
			open[code] = true
		}
	}
	return slices.Concat(
		providers.CodesOf("issuer", issuerReasons, providers.ReasonItself),
		providers.CodesOf("issuer, undecided", open, providers.NoReason),
		providers.CodesOf("finStatus", endedBadly, providers.ReasonItself),
		providers.CodesOf("gateway", gatewayReasons, providers.ReasonItself),
		[]providers.Code{{List: "gateway", Code: codeValidation, Reason: domain.ReasonInvalidRequest}},
		providers.StatusCodes(certainStatuses, []int{http.StatusInternalServerError}),
	)
}

// endedBadly are the words of finStatus with which a transaction ended badly
// (seed 004, "FinancialStatus"). DECLINED is the issuer's no, whose code says more
// where there is one; FAILED says no reason.
var endedBadly = map[string]domain.Reason{
	"DECLINED":  domain.ReasonDeclined,
	"FAILED":    domain.ReasonUnmapped,
	"CANCELLED": domain.ReasonCustomerCancelled,
}

// gatewayReasons translates the codes behind a 400 (seed 004): the operation was
// not run. 1001 to 1003 are of the terminal ("Transactions"), the others of the
// gateway.
var gatewayReasons = map[string]domain.Reason{
	"1001": domain.ReasonDeviceBusy,
	"1002": domain.ReasonDeviceOffline,
	"1003": domain.ReasonNotCancellable,
	"3107": domain.ReasonSecurityCode,     // CVV required
	"3112": domain.ReasonNotAllowed,       // not eligible for deferred tokenization
	"3153": domain.ReasonWrongState,       // unable to find message to reverse
	"3209": domain.ReasonRefundTooLarge,   // more than the initial sale
	"3210": domain.ReasonCurrencyMismatch, // of the original and the linked one
	"3211": domain.ReasonWrongState,       // voided, not approved or already captured
	"5252": domain.ReasonCardToken,        // card token failure
}

// codeValidation is the schema's code, of a request that the gateway never saw
// (seed 004, "/moto/sale", 422).
const codeValidation = "VALIDATION_FAILED"

// gatewayFailed says that the gateway behind the cloud was reached, and no more
// (seed 004, "/transactions/{guid}/token").
const gatewayFailed = "Viscus operation failed"

// certainStatuses are those under which nothing was run where no code says more.
var certainStatuses = []int{
	http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
}

// readMoto classes the answer of /moto/sale, /moto/refund and /moto/reversal.
func (a *Adapter) readMoto(op string, resp *httpclient.Response, ref, original, secret string) (providers.Result, error) {
	if resp.Status != http.StatusOK {
		return providers.Result{}, a.readFault(op, resp, secret)
	}
	var ans motoAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || (ans.GUID == "" && ans.IssuerResponseCode == "") || !httpclient.Reference(string(ans.GUID)) ||
		(ans.HTTPStatus != "" && ans.HTTPStatus != "200") {
		return providers.Result{}, a.garbage(op, resp, secret, "the answer is not the document's JSON")
	}
	if ans.TransactionReference != "" && !strings.EqualFold(string(ans.TransactionReference), ref) {
		return providers.Result{}, a.garbage(op, resp, secret, "the answer is about another transaction")
	}
	if ans.OriginalGUID != "" && original != "" && !strings.EqualFold(string(ans.OriginalGUID), original) {
		return providers.Result{}, a.garbage(op, resp, secret, "the answer follows up another transaction")
	}
	res := providers.Result{
		ProviderRef: string(ans.GUID),
		Code:        a.http.Words(string(ans.IssuerResponseCode), secret),
		Text:        a.http.Words(string(ans.IssuerResponseText), secret),
		AuthCode:    a.http.Words(string(ans.ApprovalCode), secret),
		Card:        card(ans.MaskedCardNumber, ans.CardTypeName, ans.ExpiryDateMMYY),
		Raw:         a.http.Scrub(resp.Body, secret),
	}
	if ans.Amount != "" {
		amount, err := readAmount(motoAnswerUnit, ans.Amount, ans.Currency)
		if err != nil {
			return providers.Result{}, a.garbage(op, resp, secret, "the answer's amount cannot be read")
		}
		res.Amount = amount
	}
	switch code := string(ans.IssuerResponseCode); {
	case code == "00":
		if res.ProviderRef == "" {
			return providers.Result{}, a.garbage(op, resp, secret, "the answer approves without a guid")
		}
		res.Outcome = providers.Approved
	case undecided[code], !issuerCode.MatchString(code):
		// Neither a yes nor a no: the status service decides.
	case approvedInPart[code]:
		res.Text = strings.TrimSpace(res.Text + " (the amount or the terms may differ; asking the provider)")
	default:
		// Whether a decline is a 200 is not said in so many words; "200 …
		// authorization result (approved/declined)" implies it (seed 004,
		// "/moto/sale", Returns).
		res.Outcome, res.Reason = providers.Declined, issuerReason(code)
	}
	return res, nil
}

// readFault classes every answer but 200.
func (a *Adapter) readFault(op string, resp *httpclient.Response, secret string) *providers.Error {
	var ans errorAnswer
	readable := resp.IsJSON() && json.Unmarshal(resp.Body, &ans) == nil && ans.Error != nil
	if f := a.http.StatusFault(op, resp); f != nil {
		f.Raw = a.http.Scrub(resp.Body, secret)
		if readable {
			f.Text = a.http.Words(ans.Error.Message.Text, secret)
		}
		return f
	}
	if !readable {
		return a.garbage(op, resp, secret, "the answer is not the document's JSON")
	}
	e := &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindRefused,
		Text: a.http.Words(ans.Error.Message.Text, secret), Raw: a.http.Scrub(resp.Body, secret),
	}
	if e.Text == gatewayFailed || e.Text == "" {
		// The token endpoint's message says nothing; its details do.
		if reason := a.http.Words(string(ans.Error.Details.Reason), secret); reason != "" {
			e.Text = reason
		}
	}
	// The gateway's own code comes first: it is the one that the verdict turns on.
	for _, code := range []string{string(ans.Error.Details.ErrorCode), string(ans.Error.Code), ans.Error.Message.Code} {
		if e.Code == "" {
			e.Code = a.http.Words(code, secret)
		}
	}
	reason, known := gatewayReasons[e.Code]
	unlisted := e.Code != "" && e.Code != codeValidation && !known || e.Code == "" && e.Text == gatewayFailed
	if e.Code == "" {
		e.Code = strconv.Itoa(resp.Status)
	}
	inner, _ := strconv.Atoi(string(ans.Error.Details.HTTPStatus))
	if inner == 0 {
		inner, _ = strconv.Atoi(string(ans.Error.Details.Status))
	}
	switch {
	case known && resp.Status == http.StatusBadRequest:
		e.NotDone, e.Reason, e.Meaning = true, reason, deviceMeanings[e.Code]
	case inner >= 500 || inner == http.StatusRequestTimeout:
		// A 400 of the cloud may wrap a failure of the gateway behind it.
		e.Kind = providers.KindServer
	case unlisted && resp.Status != http.StatusUnprocessableEntity:
		// Whoever was reached says something that is not listed, wherever in the
		// answer the code stands: only a listed code is a no.
	case slices.Contains(certainStatuses, resp.Status):
		e.NotDone, e.Reason = true, domain.ReasonInvalidRequest
	}
	return e
}

// readStatus classes the answer of the status service about the attempt.
func (a *Adapter) readStatus(resp *httpclient.Response, q providers.Lookup) (providers.Result, error) {
	ans, err := a.readFirst(resp)
	if err != nil {
		return providers.Result{}, err
	}
	if ans.TransactionReference != "" && !strings.EqualFold(string(ans.TransactionReference), q.AttemptRef) {
		return providers.Result{}, a.garbage(opStatus, resp, "", "the answer is about another transaction")
	}
	if ans.TransactionReference == "" && q.ProviderRef != "" && ans.ref() != "" && !strings.EqualFold(string(ans.ref()), q.ProviderRef) {
		return providers.Result{}, a.garbage(opStatus, resp, "", "the answer has neither our reference nor the known one of the provider")
	}
	return a.record(resp, ans, q)
}

// readFirst reads a record of the status service.
func (a *Adapter) readFirst(resp *httpclient.Response) (statusAnswer, error) {
	if resp.Status != http.StatusOK {
		return statusAnswer{}, a.readFault(opStatus, resp, "")
	}
	var ans statusAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || ans.FinStatus == "" || !httpclient.Reference(string(ans.ref())) {
		return statusAnswer{}, a.garbage(opStatus, resp, "", "the answer is not the document's JSON")
	}
	return ans, nil
}

// readLinked looks for a linked operation among the transactions of its
// original (seed 004, "/transactions/{transactionReference}/status/{selector}"),
// under whose reference linked ones are logged. One that cannot be told from
// ours is neither a yes nor an absence.
func (a *Adapter) readLinked(resp *httpclient.Response, q providers.Lookup, absent *providers.Result) (providers.Result, error) {
	if resp.Status == http.StatusNotFound && absent != nil {
		// The original is there by another reference than we have, and so may be
		// what follows it.
		return providers.Result{Text: "the provider does not know the original by our reference, so that it cannot list what follows it", Raw: a.http.Scrub(resp.Body)}, nil
	}
	if resp.Status != http.StatusOK {
		return providers.Result{}, a.readFault(opStatus, resp, "")
	}
	var list []statusAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &list) != nil {
		return providers.Result{}, a.garbage(opStatus, resp, "", "the answer is not the document's JSON")
	}
	original := slices.ContainsFunc(list, func(ans statusAnswer) bool {
		return strings.EqualFold(string(ans.TransactionReference), q.OriginalAttempt) || q.OriginalRef != "" && strings.EqualFold(string(ans.ref()), q.OriginalRef)
	})
	twin := ""
	listed := false // a change of the hold that is certainly another attempt's
	for _, ans := range list {
		if !httpclient.Reference(string(ans.ref())) {
			return providers.Result{}, a.garbage(opStatus, resp, "", "the answer's references cannot be read")
		}
		if a.isOurs(ans, q) {
			return a.record(resp, ans, q)
		}
		typ := typeOf(ans)
		change := typ == domain.Increment || typ == domain.Decrement
		switch {
		case typ == "" && holds(q.Type):
			// The words of what is done to a hold are not in the seed.
			twin = "the list has an operation whose type is not known"
		case typ != q.Type && !(change && q.Type != domain.Capture && holds(q.Type)):
		case q.ProviderRef != "" && ans.ref() != "" && holds(q.Type):
			// Not the known one, then another.
		case q.Type == domain.Void:
			if q.OriginalRef == "" || !strings.EqualFold(string(ans.OriginalEFT), q.OriginalRef) {
				continue
			}
			if approving(ans.FinStatus) && unclaimed(ans, q) {
				// What is voided once cannot be voided again.
				return a.record(resp, ans, q)
			}
			twin = "the list has a reversal of it that cannot be told from another"
		case q.Type == domain.Capture:
			amount, err := readAmount(statusUnit, ans.TotalAmount, ans.Currency)
			if err == nil && *amount == q.Amount && approving(ans.FinStatus) && unclaimed(ans, q) {
				// "A pre-authorization can only be captured ONCE."
				return a.record(resp, ans, q)
			}
			twin = "the list has another capture, and there can be only one"
		case another(ans, q):
			listed = true
		case change:
			// Its amount may be the change or the new whole.
			twin = "the list has a change of the hold that cannot be told from another"
		default:
			amount, err := readAmount(statusUnit, ans.TotalAmount, ans.Currency)
			if err != nil || *amount == q.Amount {
				twin = "the sale lists a refund of this amount that cannot be told from another"
			}
		}
	}
	if twin == "" && len(list) > 0 && holds(q.Type) {
		first := list[0]
		if !isZero(first.CapturedAmount) || (q.Type != domain.Capture && !listed && !isZero(first.IncreaseAmount)) {
			twin = "the hold was changed, and by whom is not told"
		}
	}
	switch {
	case twin != "":
		return providers.Result{Outcome: providers.Pending, Raw: a.http.Scrub(resp.Body), Text: twin}, nil
	case !original:
		return providers.Result{}, a.garbage(opStatus, resp, "", "the list does not hold the original")
	case absent != nil:
		return *absent, nil
	}
	return providers.Result{Outcome: providers.Absent, Raw: a.http.Scrub(resp.Body)}, nil
}

// isOurs says that a record of a list is the attempt's own: by our reference,
// which linked operations carry as customerReference, or by the provider's.
func (a *Adapter) isOurs(ans statusAnswer, q providers.Lookup) bool {
	return (q.AttemptRef != "" && (strings.EqualFold(string(ans.TransactionReference), q.AttemptRef) || strings.EqualFold(string(ans.CustomerReference), q.AttemptRef))) ||
		(q.ProviderRef != "" && string(ans.ref()) == q.ProviderRef)
}

// another says that a record certainly is another attempt's: it carries a
// reference of its own, or one of ours in customerReference.
func another(ans statusAnswer, q providers.Lookup) bool {
	own := ans.TransactionReference != "" && !strings.EqualFold(string(ans.TransactionReference), q.OriginalAttempt)
	return own || uuidShape.MatchString(string(ans.CustomerReference))
}

// unclaimed says that nothing in a record hints at somebody else's attempt.
func unclaimed(ans statusAnswer, q providers.Lookup) bool {
	return !another(ans, q) && ans.CustomerReference == ""
}

func isZero(t text) bool { return strings.Trim(string(t), "0") == "" }

// holds says that a type changes or takes a hold, and so has no reference of its
// own in the cloud's endpoints.
func holds(t domain.TransactionType) bool {
	return t == domain.Increment || t == domain.Decrement || t == domain.Capture
}

// takesOrGives says that an approval of a type is of its totalAmount. A hold and
// a capture have fields of their own beside it, so that nothing there may be
// nothing told.
func takesOrGives(t domain.TransactionType) bool { return t == domain.Sale || t == domain.Refund }

func (s statusAnswer) ref() text {
	if s.EFTTransactionID != "" {
		return s.EFTTransactionID
	}
	return s.TransactionID
}

// typeOf translates a type's word; empty: it says nothing that we know. The
// words are the public document's (Transaction Type), REVERSAL the status
// samples', and those of preauthorizations from newer guides (ASSUMPTION). CANCEL_
// words name what was cancelled.
func typeOf(ans statusAnswer) domain.TransactionType {
	word := string(ans.Type)
	switch {
	case strings.HasPrefix(word, "VOID_"), strings.HasSuffix(word, "REVERSAL"):
		return domain.Void
	case strings.Contains(word, "INCREASE"):
		if strings.HasPrefix(string(ans.RequestedAmount), "-") {
			return domain.Decrement
		}
		return domain.Increment
	case strings.Contains(word, "CAPTURE"):
		return domain.Capture
	case strings.HasSuffix(word, "PRE_AUTHORIZATION"):
		return domain.Preauth
	case strings.HasSuffix(word, "REFUND"):
		return domain.Refund
	case word == "TOKENIZE_CARD":
		return domain.Register
	case strings.HasSuffix(word, "SALE"), word == "SALE_AND_TOKENIZE_CARD":
		return domain.Sale
	}
	return ""
}

// approving says that a financial status is a yes.
func approving(fin text) bool { return fin == "AUTHORISED" || fin == "CAPTURED" || fin == "REFUNDED" }

// cancels says that the word names a cancellation, which approves nothing.
func (s statusAnswer) cancels() bool { return strings.HasPrefix(string(s.Type), "CANCEL") }

// linked says that a record follows another one up, so that its
// transactionReference is the original's.
func (s statusAnswer) linked() bool {
	switch typeOf(s) {
	case domain.Void, domain.Increment, domain.Decrement, domain.Capture:
		return true
	case domain.Refund:
		return s.OriginalEFT != ""
	}
	return false
}

// ofType says that a record's type does not contradict what was asked for. No
// type and UNDEFINED say nothing; a cancellation that calls itself approved is
// believed of nothing.
func ofType(ans statusAnswer, t domain.TransactionType) bool {
	got := typeOf(ans)
	if t == "" || ans.Type == "" || ans.Type == "UNDEFINED" {
		return true
	}
	if ans.cancels() && approving(ans.FinStatus) {
		return false
	}
	return got == t || (t == domain.Decrement && got == domain.Increment)
}

// record translates a record of the status service, unless it is about
// something else than was asked, or is final about nothing that it names.
func (a *Adapter) record(resp *httpclient.Response, ans statusAnswer, q providers.Lookup) (providers.Result, error) {
	if !ofType(ans, q.Type) {
		return providers.Result{}, a.garbage(opStatus, resp, "", "the answer is about a transaction of another type")
	}
	if q.OriginalRef != "" && strings.EqualFold(string(ans.ref()), q.OriginalRef) {
		return providers.Result{}, a.garbage(opStatus, resp, "", "the answer is about the sale")
	}
	res, why := a.describe(ans, resp.Body)
	if why != "" {
		return providers.Result{}, a.garbage(opStatus, resp, "", "%s", why)
	}
	if ans.FinStatus == "UNDEFINED" {
		res.Outcome, res.ProviderRef = providers.Absent, ""
	}
	return res, nil
}

// describe translates a TransactionResult. The outcome is finStatus's alone:
// samples are AUTHORISED with an empty issuerResponseCode (README, Status). why
// says what cannot be believed.
func (a *Adapter) describe(ans statusAnswer, raw []byte) (res providers.Result, why string) {
	res = providers.Result{
		ProviderRef: string(ans.ref()),
		Code:        a.http.Words(string(ans.FinStatus)),
		Text:        a.http.Words(strings.TrimSpace(string(ans.StatusMessage) + " " + string(ans.ErrorMessage))),
		AuthCode:    a.http.Words(string(ans.AuthorisationCode)),
		Card:        card(ans.MaskedCardNumber, ans.CardSchemeName, ans.ExpiryDateMMYY),
		Token:       string(ans.CardToken),
		Receipts:    a.receipts(ans),
		Raw:         a.http.Scrub(raw),
	}
	switch ans.FinStatus {
	case "AUTHORISED", "CAPTURED":
		res.Outcome = providers.Approved
	case "REFUNDED":
		// The first record's word is live: the sale was approved and refunded
		// later.
		res.Outcome = providers.Approved
	case "DECLINED", "FAILED", "CANCELLED":
		res.Outcome, res.Reason = providers.Declined, endedBadly[string(ans.FinStatus)]
		if ans.FinStatus == "DECLINED" {
			a.whoDeclined(&res, ans)
		}
	case "UNDEFINED":
		return res, ""
	case "PARTIAL_APPROVAL":
		res.Text = strings.TrimSpace(res.Text + " approved for another amount; a person must look")
	}
	switch {
	case res.Outcome == providers.Approved && ans.cancels():
		res.Outcome, res.Text = providers.Pending, strings.TrimSpace(res.Text+" a cancellation that calls itself approved; a person must look")
	case res.Outcome == providers.Approved && res.ProviderRef == "":
		return res, "the answer approves without the provider's reference"
	case res.Outcome == providers.Declined && res.ProviderRef == "" && ans.TransactionReference == "" && ans.CustomerReference == "":
		return res, "the answer names no transaction"
	}
	// Nothing is an amount too, of an approval that moves money.
	if !isZero(ans.TotalAmount) || ans.TotalAmount != "" && res.Outcome == providers.Approved && takesOrGives(typeOf(ans)) {
		amount, err := readAmount(statusUnit, ans.TotalAmount, ans.Currency)
		if err != nil {
			return res, "the answer's amount cannot be read"
		}
		res.Amount = amount
	}
	if !isZero(ans.TipAmount) {
		tip, err := readAmount(statusUnit, ans.TipAmount, ans.Currency)
		if err != nil {
			return res, "the answer's tip cannot be read"
		}
		res.Tip = tip
	}
	return res, ""
}

// whoDeclined looks behind the word DECLINED. The issuer's code is kept instead of
// it where the page has to quote it.
func (a *Adapter) whoDeclined(res *providers.Result, ans statusAnswer) {
	code := a.http.Words(string(ans.IssuerResponseCode))
	switch {
	case code != "":
		if res.Reason = issuerReason(code); res.Reason == domain.ReasonUnmapped {
			res.Code = code
		}
	case res.Text != "":
		res.Reason = domain.ReasonUnmapped
	}
}

// receipts gives the provider's own, which come as addresses or inline, and the
// signature, an address or a picture in base64 (seed 004,
// "/transaction-result/{transactionResultId}"). Markup is without card numbers.
func (a *Adapter) receipts(ans statusAnswer) []providers.Receipt {
	var out []providers.Receipt
	for _, r := range []struct {
		copy   string
		body   text
		inline string
	}{
		{"customer", ans.CustomerReceipt, "html"}, {"merchant", ans.MerchantReceipt, "html"}, {"signature", ans.SignatureURL, "image"},
	} {
		kind, body := r.inline, string(r.body)
		switch {
		case body == "":
			continue
		case isAddress(body):
			kind = "url"
		case kind == "image" && !isPicture(body):
			continue
		case kind == "html":
			body = a.http.ScrubText(body)
		}
		out = append(out, providers.Receipt{Copy: r.copy, Kind: kind, Body: body})
	}
	return out
}

// isAddress says that a receipt is told by its address.
func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, " <>\n")
}

// isPicture says that a text can be a picture in base64, which digits alone,
// such as a card's, cannot.
func isPicture(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil && !isDigits(s)
}

func readAmount(u unit, s, currency text) (*money.Amount, error) {
	c, err := money.ParseCurrency(string(currency))
	if err != nil {
		return nil, err
	}
	if !hasRule(c) {
		return nil, fmt.Errorf("there is no rule for %s", c)
	}
	amount, err := u.read(string(s), c)
	if err != nil {
		return nil, err
	}
	return &amount, nil
}

// brands are the schemes' own spellings of what the provider calls a card.
var brands = map[string]string{
	"visa": "Visa", "mastercard": "Mastercard", "maestro": "Maestro", "amex": "American Express",
	"americanexpress": "American Express", "diners": "Diners Club", "dinersclub": "Diners Club", "discover": "Discover",
	"jcb": "JCB", "unionpay": "UnionPay",
}

// card keeps the last four digits of the masked number, the scheme and the
// expiry, each only in the shape that it must have.
func card(masked, scheme, mmyy text) domain.Card {
	var c domain.Card
	n := len(masked)
	if n < 4 || !isDigits(string(masked[n-4:])) || (n > 4 && isDigits(string(masked))) {
		return c
	}
	c.Last4 = string(masked[n-4:])
	c.Brand = brands[strings.ReplaceAll(strings.ToLower(string(scheme)), " ", "")]
	if len(mmyy) == 4 && isDigits(string(mmyy)) {
		c.Expiry = string(mmyy[:2] + "/" + mmyy[2:])
	}
	return c
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
