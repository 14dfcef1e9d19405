package handpoint

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// issuerReasons translates issuerResponseCode, the response code of ISO 8583
// field 39 with the schemes' additions.
var issuerReasons = map[string]domain.Reason{
	"01": domain.ReasonCallBank,
	"02": domain.ReasonCallBank,
	"03": domain.ReasonNotAllowed,
	"04": domain.ReasonLostOrStolen,
	"05": domain.ReasonDeclined,
	"07": domain.ReasonLostOrStolen,
	"12": domain.ReasonNotAllowed,
	"13": domain.ReasonInvalidRequest,
	"14": domain.ReasonInvalidCard,
	"15": domain.ReasonInvalidCard,
	"30": domain.ReasonInvalidRequest,
	"33": domain.ReasonExpiredCard,
	"34": domain.ReasonSuspectedFraud,
	"36": domain.ReasonLostOrStolen,
	"41": domain.ReasonLostOrStolen,
	"43": domain.ReasonLostOrStolen,
	"51": domain.ReasonInsufficientFunds,
	"54": domain.ReasonExpiredCard,
	"57": domain.ReasonUnsupportedCard,
	"58": domain.ReasonNotAllowed,
	"59": domain.ReasonSuspectedFraud,
	"61": domain.ReasonLimitExceeded,
	"62": domain.ReasonUnsupportedCard,
	"63": domain.ReasonSuspectedFraud,
	"65": domain.ReasonLimitExceeded,
	"1A": domain.ReasonAuthentication,
	"N7": domain.ReasonSecurityCode,
}

// approvedInPart are response codes that ISO 8583 calls approvals of some
// kind (10: of a part of the amount). The provider's document names only "00";
// for these neither yes nor no is said until its status service tells.
var approvedInPart = map[string]bool{"08": true, "10": true, "11": true, "16": true, "85": true, "87": true}

func issuerReason(code string) domain.Reason {
	if r, ok := issuerReasons[strings.ToUpper(code)]; ok {
		return r
	}
	return domain.ReasonDeclined
}

// gatewayReasons translates the gateway's codes behind a 400 (seed 004,
// "/moto/sale", "/moto/refund"): the operation was not run.
var gatewayReasons = map[string]domain.Reason{
	"3107": domain.ReasonSecurityCode,
	"3112": domain.ReasonCardToken,
	"3153": domain.ReasonInvalidRequest,
	"3209": domain.ReasonRefundTooLarge,
	"3210": domain.ReasonCurrencyMismatch,
	"3211": domain.ReasonNotAllowed,
	"5252": domain.ReasonCardToken,
}

// readMoto classes the answer of /moto/sale and /moto/refund.
func (a *Adapter) readMoto(op string, resp *httpclient.Response, ref, secret string) (providers.Result, error) {
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
	case code == "":
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
	// The gateway's own code comes first: it is the one that the verdict turns on.
	gateway := string(ans.Error.Details.ErrorCode)
	for _, code := range []string{gateway, string(ans.Error.Code), ans.Error.Message.Code, strconv.Itoa(resp.Status)} {
		if e.Code == "" {
			e.Code = a.http.Words(code, secret)
		}
	}
	inner, _ := strconv.Atoi(string(ans.Error.Details.HTTPStatus))
	reason, known := gatewayReasons[e.Code]
	switch {
	case known && resp.Status == http.StatusBadRequest:
		e.NotDone, e.Reason = true, reason
	case inner >= 500 || inner == http.StatusRequestTimeout:
		// A 400 of the cloud may wrap a failure of the gateway behind it.
		e.Kind = providers.KindServer
	case gateway != "" && !known && resp.Status != http.StatusUnprocessableEntity:
		// The gateway was reached and says something that is not listed: only a
		// listed code is a no.
	case resp.Status == http.StatusBadRequest, resp.Status == http.StatusNotFound, resp.Status == http.StatusMethodNotAllowed,
		resp.Status == http.StatusUnsupportedMediaType, resp.Status == http.StatusUnprocessableEntity:
		e.NotDone, e.Reason = true, domain.ReasonInvalidRequest
	}
	return e
}

// readStatus classes the answer of the status service about the attempt.
func (a *Adapter) readStatus(resp *httpclient.Response, q providers.Lookup) (providers.Result, error) {
	const op = "status"
	if resp.Status != http.StatusOK {
		return providers.Result{}, a.readFault(op, resp, "")
	}
	var ans statusAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || ans.FinStatus == "" || !httpclient.Reference(string(ans.ref())) {
		return providers.Result{}, a.garbage(op, resp, "", "the answer is not the document's JSON")
	}
	if ans.TransactionReference != "" && !strings.EqualFold(string(ans.TransactionReference), q.AttemptRef) {
		return providers.Result{}, a.garbage(op, resp, "", "the answer is about another transaction")
	}
	if ans.TransactionReference == "" && q.ProviderRef != "" && ans.ref() != "" && !strings.EqualFold(string(ans.ref()), q.ProviderRef) {
		return providers.Result{}, a.garbage(op, resp, "", "the answer has neither our reference nor the known one of the provider")
	}
	return a.record(resp, ans, q)
}

// readLinked looks for a refund among the transactions of its sale (seed 004,
// "/transactions/{transactionReference}/status/{selector}"), where linked ones
// may be listed under the sale's reference. One of the same amount that cannot
// be told from ours is neither a yes nor an absence.
func (a *Adapter) readLinked(resp *httpclient.Response, q providers.Lookup, absent providers.Result) (providers.Result, error) {
	const op = "status"
	if resp.Status == http.StatusNotFound {
		return absent, nil
	}
	if resp.Status != http.StatusOK {
		return providers.Result{}, a.readFault(op, resp, "")
	}
	var list []statusAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &list) != nil {
		return providers.Result{}, a.garbage(op, resp, "", "the answer is not the document's JSON")
	}
	twin := false
	for _, ans := range list {
		if !httpclient.Reference(string(ans.ref())) {
			return providers.Result{}, a.garbage(op, resp, "", "the answer's references cannot be read")
		}
		if strings.EqualFold(string(ans.TransactionReference), q.AttemptRef) ||
			(q.ProviderRef != "" && string(ans.ref()) == q.ProviderRef) {
			return a.record(resp, ans, q)
		}
		if !strings.Contains(string(ans.Type), "REFUND") || strings.HasPrefix(string(ans.Type), "VOID") {
			continue
		}
		amount, err := readAmount(statusUnit, ans.TotalAmount, ans.Currency)
		if err != nil || *amount == q.Amount {
			twin = true
		}
	}
	if twin {
		return providers.Result{
			Outcome: providers.Pending, Raw: a.http.Scrub(resp.Body),
			Text: "the sale lists a refund of this amount that cannot be told from another",
		}, nil
	}
	return absent, nil
}

func (s statusAnswer) ref() text {
	if s.EFTTransactionID != "" {
		return s.EFTTransactionID
	}
	return s.TransactionID
}

// ofType says that a record's type does not contradict what was asked for:
// SALE, MOTO_SALE and SALE_AND_TOKENIZE_CARD are sales, REFUND and MOTO_REFUND
// refunds, and what undoes one is neither. No type and UNDEFINED say nothing.
func ofType(word string, t domain.TransactionType) bool {
	wanted := map[domain.TransactionType]string{domain.Sale: "SALE", domain.Refund: "REFUND"}[t]
	if word == "" || word == "UNDEFINED" || wanted == "" {
		return true
	}
	undoes := strings.HasPrefix(word, "VOID") || strings.HasPrefix(word, "CANCEL")
	return strings.Contains(word, wanted) && !undoes
}

// record translates a record of the status service, unless it is about
// something else than was asked, or is final about nothing that it names.
func (a *Adapter) record(resp *httpclient.Response, ans statusAnswer, q providers.Lookup) (providers.Result, error) {
	if !ofType(string(ans.Type), q.Type) {
		return providers.Result{}, a.garbage("status", resp, "", "the answer is about a transaction of another type")
	}
	if q.OriginalRef != "" && strings.EqualFold(string(ans.ref()), q.OriginalRef) {
		return providers.Result{}, a.garbage("status", resp, "", "the answer is about the sale")
	}
	res := providers.Result{
		ProviderRef: string(ans.ref()),
		Code:        a.http.Words(string(ans.FinStatus)),
		Text:        a.http.Words(strings.TrimSpace(string(ans.StatusMessage) + " " + string(ans.ErrorMessage))),
		AuthCode:    a.http.Words(string(ans.AuthorisationCode)),
		Card:        card(ans.MaskedCardNumber, ans.CardSchemeName, ans.ExpiryDateMMYY),
		Raw:         a.http.Scrub(resp.Body),
	}
	// The outcome is finStatus's alone: samples are AUTHORISED with an empty
	// issuerResponseCode (README, Status).
	switch ans.FinStatus {
	case "AUTHORISED", "CAPTURED":
		res.Outcome = providers.Approved
	case "REFUNDED":
		// The first record's word is live: the sale was approved and refunded
		// later.
		res.Outcome = providers.Approved
	case "DECLINED":
		res.Outcome, res.Reason = providers.Declined, issuerReason(string(ans.IssuerResponseCode))
	case "FAILED":
		res.Outcome, res.Reason = providers.Declined, domain.ReasonDeclined
	case "CANCELLED":
		res.Outcome, res.Reason = providers.Declined, domain.ReasonCustomerCancelled
	case "UNDEFINED":
		res.Outcome, res.ProviderRef = providers.Absent, ""
		return res, nil
	case "PARTIAL_APPROVAL":
		res.Text = strings.TrimSpace(res.Text + " approved for another amount; a person must look")
	}
	switch {
	case res.Outcome == providers.Approved && res.ProviderRef == "":
		return providers.Result{}, a.garbage("status", resp, "", "the answer approves without the provider's reference")
	case res.Outcome == providers.Declined && res.ProviderRef == "" && ans.TransactionReference == "":
		return providers.Result{}, a.garbage("status", resp, "", "the answer names no transaction")
	}
	if ans.TotalAmount != "" {
		amount, err := readAmount(statusUnit, ans.TotalAmount, ans.Currency)
		if err != nil {
			return providers.Result{}, a.garbage("status", resp, "", "the answer's amount cannot be read")
		}
		res.Amount = amount
	}
	return res, nil
}

func readAmount(u unit, s, currency text) (*money.Amount, error) {
	c, err := money.ParseCurrency(string(currency))
	if err != nil {
		return nil, err
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
