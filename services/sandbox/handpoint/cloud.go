package handpoint

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// The endpoints that need no terminal, besides /moto/*: preauthorizations, tips
// and tokens (seed 004, "Endpoints Not Requiring a Payment Terminal").

// majorPattern: the document shows "10.00"; that no other form is taken is an
// ASSUMPTION, which stops whoever writes minor units.
const majorPattern = `^\d{1,10}\.\d{2}$`

var (
	majorField     = field{pattern: majorPattern, shape: regexp.MustCompile(`^[0-9]{1,10}\.[0-9]{2}$`), max: 32}
	originalField  = field{required: true, min: 1, max: 64}
	increaseSchema = schema{"originalGuid": originalField, "increaseAmount": needed(majorField), "tipAmount": majorField,
		"subtract": {pattern: `^[01]$`, shape: regexp.MustCompile(`^[01]$`)}, "customerReference": textField}
	captureSchema = schema{"originalGuid": originalField, "capturedAmount": needed(majorField), "tipAmount": majorField, "customerReference": textField}
	tipAmount     = field{required: true, pattern: `^\d+$`, shape: regexp.MustCompile(`^(0|[1-9][0-9]*)$`), max: 12}
	adjustSchema  = schema{"amount": tipAmount, "currency": currencyField}
)

// gatewayObject is what the preauthorization endpoints answer. Its
// customFields.issuerResponseCode is not the issuer's.
type gatewayObject struct {
	HTTPStatus   int               `json:"httpStatus"`
	CustomFields map[string]string `json:"customFields"`
	AcquirerTID  string            `json:"acquirerTid"`
	ActionCode   string            `json:"actionCode"`
	Agreement    string            `json:"agreementNumber"`
	ApprovalCode string            `json:"approvalCode,omitempty"`
	BatchNumber  string            `json:"batchNumber"`
	CardTypeName string            `json:"cardTypeName"`
	Currency     string            `json:"currency"`
	Expiry       string            `json:"expiryDateMMYY"`
	HoldAmount   string            `json:"holdAmount"`
	IssuerCode   string            `json:"issuerResponseCode"`
	IssuerText   string            `json:"issuerResponseText"`
	Masked       string            `json:"maskedCardNumber"`
	Nonce        string            `json:"nonce"`
	Original     string            `json:"originalAmount"`
	PreauthGUID  string            `json:"preAuthorizationGuid"`
	ServerTime   string            `json:"serverDateTime"`
	TerminalTime string            `json:"terminalDateTime"`
	TransNumber  string            `json:"transNumber"`

	IncreaseAmount string `json:"increaseAmount,omitempty"`
	IncreaseGUID   string `json:"preAuthorizationIncreaseGuid,omitempty"`
	CapturedAmount string `json:"capturedAmount,omitempty"`
	CaptureGUID    string `json:"preAuthorizationCaptureGuid,omitempty"`
	TipAmount      string `json:"tipAmount,omitempty"`
}

const agreementNumber = "123456789010102"

// minorOf reads an amount of majorPattern.
func minorOf(s string) int64 {
	n, _ := strconv.ParseInt(strings.Replace(s, ".", "", 1), 10, 64)
	return n
}

// hold finds the open preauthorization that a body names, and answers the
// request itself when there is none. The caller holds the lock.
func (s *Server) hold(w http.ResponseWriter, m Merchant, guid string) *record {
	original := s.byGUID(m.ID, guid)
	switch {
	case original == nil:
		// ASSUMPTION: no numeric code is documented for this case.
		writeError(w, errorEnvelope(http.StatusBadRequest, "Original transaction not found"))
		return nil
	case !original.holds(s.kit.Clock.Now()):
		writeError(w, reasonError("3211", gatewayText("3211"), http.StatusForbidden))
		return nil
	}
	return original
}

// merchantOnly refuses a partner's key.
func merchantOnly(w http.ResponseWriter, m Merchant) bool {
	if m.Partner {
		writeError(w, errorEnvelope(http.StatusForbidden, "Forbidden"))
	}
	return !m.Partner
}

func (s *Server) preauthIncrease(w http.ResponseWriter, r *http.Request, m Merchant) {
	if !merchantOnly(w, m) {
		return
	}
	body, ok := readBody(w, r, increaseSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	original := s.hold(w, m, body.text("originalGuid"))
	if original == nil {
		return
	}
	// ASSUMPTION: a tip is added to the amount.
	tip := minorOf(body.text("tipAmount"))
	by := minorOf(body.text("increaseAmount")) + tip
	if body.text("subtract") == "1" {
		by = -by
	}
	if by == 0 || original.holdMinor+by <= 0 {
		writeError(w, errorEnvelope(http.StatusBadRequest, "The amount is not below what is held"))
		return
	}
	rec := original.follow(kindIncrease, "PRE_AUTHORIZATION_INCREASE", by, body.text("customerReference"))
	s.answerHold(w, r, original, rec, func(out *gatewayObject) {
		out.IncreaseAmount, out.IncreaseGUID = body.text("increaseAmount"), rec.guid
		if tip != 0 {
			out.TipAmount = major(tip)
		}
	})
}

func (s *Server) preauthCapture(w http.ResponseWriter, r *http.Request, m Merchant) {
	if !merchantOnly(w, m) {
		return
	}
	body, ok := readBody(w, r, captureSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	original := s.hold(w, m, body.text("originalGuid"))
	if original == nil {
		return
	}
	// ASSUMPTION: the tip is a part of the captured amount ("Tip amount to
	// include in the captured total").
	amount, tip := minorOf(body.text("capturedAmount")), minorOf(body.text("tipAmount"))
	if amount == 0 || amount > original.holdMinor || tip > amount {
		writeError(w, errorEnvelope(http.StatusBadRequest, "The captured amount exceeds the authorized amount"))
		return
	}
	rec := original.follow(kindCapture, "PRE_AUTHORIZATION_CAPTURE", amount-tip, body.text("customerReference"))
	rec.tipMinor = tip
	s.answerHold(w, r, original, rec, func(out *gatewayObject) {
		out.CapturedAmount, out.CaptureGUID = major(rec.approvedMinor), rec.guid
		if tip != 0 {
			out.TipAmount = major(tip)
		}
	})
}

// follow is the record of something done to a preauthorization.
func (r *record) follow(kind, word string, minor int64, customer string) *record {
	rec := &record{merchant: r.merchant, kind: kind, word: word, terminal: r.terminal, requestedMinor: minor, currency: r.currency,
		card: r.card, originalGUID: r.guid, customer: customer}
	rec.borrow(r)
	return rec
}

func (s *Server) answerHold(w http.ResponseWriter, r *http.Request, original, rec *record, more func(*gatewayObject)) {
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		outcome = kit.Outcome{Result: kit.Approve}
	}
	if e := s.book(rec, outcome); e != nil {
		writeError(w, *e)
		return
	}
	text := rec.issuerText
	if rec.issuerCode == issuerApproved {
		text = "COMPLETED"
	}
	stamp := cloudTime(rec.at)
	out := gatewayObject{
		HTTPStatus: http.StatusOK, CustomFields: map[string]string{"tenderType": "Credit", "issuerResponseCode": "200"},
		AcquirerTID: acquirerTID, ActionCode: "0000", Agreement: agreementNumber, ApprovalCode: rec.approvalCode,
		BatchNumber: fmt.Sprint(rec.batch), CardTypeName: rec.card.Scheme, Currency: rec.currency, Expiry: rec.card.ExpiryMMYY,
		HoldAmount: major(original.holdMinor), IssuerCode: rec.issuerCode, IssuerText: text, Masked: rec.card.masked(),
		Nonce: fmt.Sprint(rec.at.UnixMilli()), Original: major(original.approvedMinor), PreauthGUID: original.guid,
		ServerTime: stamp, TerminalTime: stamp, TransNumber: "000001",
	}
	more(&out)
	kit.WriteJSON(w, http.StatusOK, out)
}

// tipAdjustment sets the tip of a sale; the last one counts, and none after its
// batch has closed.
func (s *Server) tipAdjustment(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, adjustSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	guid := r.PathValue("guid")
	now := s.kit.Clock.Now()
	rec := s.byGUID(m.ID, guid)
	refuse := func(message string) { writeError(w, errorEnvelope(http.StatusBadRequest, message)) }
	switch {
	case rec == nil || rec.kind != kindSale:
		refuse(fmt.Sprintf("Invalid guid [%s]", guid))
		return
	// The texts below are an ASSUMPTION.
	case m.Acquirer != "TSYS" && m.Acquirer != "VANTIV":
		refuse("Tip adjustment is not supported by the acquirer")
		return
	case !rec.approved(now) || rec.reversed || rec.refundedMinor > 0 || !s.batchOpen(rec):
		refuse("The transaction can no longer be adjusted")
		return
	case body.text("currency") != "" && body.text("currency") != rec.currency:
		writeError(w, gatewayError("3210", gatewayText("3210"), http.StatusBadRequest))
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if forced && outcome.Result != kit.Approve {
		if outcome.Result == kit.InProgress {
			writeError(w, errorEnvelope(http.StatusGatewayTimeout, "The acquirer did not answer in time"))
			return
		}
		writeError(w, gatewayError(outcome.Code, gatewayText(outcome.Code), http.StatusBadRequest))
		return
	}
	tip, err := strconv.ParseInt(body.text("amount"), 10, 64)
	if err != nil {
		refuse("The amount is out of range")
		return
	}
	rec.approvedMinor += tip - rec.tipMinor
	rec.tipMinor = tip
	s.tips = append(s.tips, kit.Charge{OriginalID: rec.guid, Kind: "tip", AmountMinor: tip, Currency: rec.currency, Status: "tip adjusted", Approved: true,
		Card: rec.card.masked(), At: now})
	kit.WriteJSON(w, http.StatusOK, map[string]string{"statusMessage": "tip adjusted"})
}

// tokenWindow is how long a token can be had (seed 004: within 12 months).
func tokenWindow(at time.Time) time.Time { return at.AddDate(1, 0, 0) }

// token is deferred tokenization.
func (s *Server) token(w http.ResponseWriter, r *http.Request, m Merchant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	guid, now := r.PathValue("guid"), s.kit.Clock.Now()
	rec := s.byGUID(m.ID, guid)
	switch {
	case rec == nil:
		writeError(w, errorEnvelope(http.StatusBadRequest, fmt.Sprintf("Invalid guid [%s]", guid)))
		return
	case rec.kind != kindSale && rec.kind != kindRefund && rec.kind != kindCapture:
		e := errorEnvelope(http.StatusBadRequest, "Viscus operation failed")
		e.Error.Details = map[string]any{"status": http.StatusForbidden, "body": map[string]any{"error": map[string]string{
			"errorCode": "3112", "errorGuid": newGUID(), "httpStatus": "403", "reason": gatewayText("3112"),
		}}}
		writeError(w, e)
		return
	case now.After(tokenWindow(rec.at)):
		writeError(w, errorEnvelope(http.StatusBadRequest, "The transaction is older than 12 months"))
		return
	}
	kit.WriteJSON(w, http.StatusOK, map[string]string{
		"agreementNumber": agreementNumber, "cardToken": rec.card.Token, "cardTokenizationGuid": newGUID(), "expiryDateMMYY": rec.card.ExpiryMMYY,
		"httpStatus": "200", "maskedCardNumber": rec.card.masked(), "serverDateTime": cloudTime(now), "transactionReference": guid,
	})
}
