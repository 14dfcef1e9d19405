package handpoint

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Kinds of record in the ledger.
const (
	kindSale     = "sale"
	kindRefund   = "refund"
	kindReversal = "reversal"
	kindPreauth  = "preauth"
	kindIncrease = "increase" // a decrease is one below zero
	kindCapture  = "capture"
)

const (
	issuerApproved = "00"
	issuerPartial  = "10"
	// issuerSilent marks a transaction whose outcome the gateway waits for.
	issuerSilent = ""
)

// issuerTexts are the texts beside the issuer's code. The document shows only
// "Successful" for 00; the others are the customary words (ASSUMPTION).
var issuerTexts = map[string]string{
	issuerApproved: "Successful", "01": "Refer to card issuer", "04": "Pick up card", "05": "Do not honour",
	issuerPartial: "Approved for partial amount", "12": "Invalid transaction", "14": "Invalid card number",
	"41": "Lost card", "43": "Stolen card", "51": "Insufficient funds", "54": "Expired card",
	"57": "Transaction not permitted to cardholder", "61": "Exceeds withdrawal amount limit", "91": "Issuer unavailable",
}

// schemeWithoutRRN is the scheme whose transactions have no retrieval reference
// number here, as the first line of the document's batch detail (ASSUMPTION).
const schemeWithoutRRN = "AMEX"

// triggers are the sale amounts, in minor units, that decide the issuer's
// answer (public document of the provider, restprocessingpayments).
var triggers = map[int64]string{3779: "01", 3784: "05", 3793: "04", 3757: issuerPartial}

// triggerTimeout is the sale amount whose request times out.
const triggerTimeout = 3768

// record is one transaction of the ledger.
type record struct {
	merchant       string
	kind           string
	guid           string
	reference      string
	customer       string
	originalGUID   string
	requestedMinor int64
	approvedMinor  int64
	currency       string
	card           Card
	issuerCode     string
	issuerText     string
	approvalCode   string
	rrn            string
	at             time.Time

	// settles is when a silent transaction gets finalCode.
	settles   time.Time
	finalCode string

	refundedMinor int64
	reversed      bool

	// word is the type that the status tells, as MOTO_SALE.
	word string
	// borrowed says that the reference is the original's.
	borrowed bool
	tipMinor int64
	failed   bool // the terminal could not carry it out
	// A preauthorization's: what is held, added and taken.
	holdMinor, increasedMinor, capturedMinor int64
	captured                                 bool
	// where its batch is.
	terminal    deviceKey
	batch       int
	description *onTerminal
}

// onTerminal is what only a terminal knows of a transaction.
type onTerminal struct {
	scenario, entry, verification string
}

func (c Card) masked() string {
	if c.Last4 == "" {
		return ""
	}
	return "************" + c.Last4
}

// code is the issuer's answer as far as it is known at the given moment.
func (r *record) code(now time.Time) string {
	if r.issuerCode == issuerSilent && !now.Before(r.settles) {
		return r.finalCode
	}
	return r.issuerCode
}

func (r *record) approved(now time.Time) bool {
	if r.failed {
		return false
	}
	code := r.code(now)
	return code == issuerApproved || code == issuerPartial
}

// motoResponse is the MotoTransactionResponse object. Amounts are strings in
// major units, unlike those of the request.
type motoResponse struct {
	Type                 string `json:"type"`
	HTTPStatus           int    `json:"httpStatus"`
	GUID                 string `json:"guid"`
	OriginalGUID         string `json:"originalGuid,omitempty"`
	Amount               string `json:"amount"`
	Currency             string `json:"currency"`
	IssuerResponseCode   string `json:"issuerResponseCode"`
	IssuerResponseText   string `json:"issuerResponseText"`
	ApprovalCode         string `json:"approvalCode,omitempty"`
	MaskedCardNumber     string `json:"maskedCardNumber"`
	CardTypeName         string `json:"cardTypeName"`
	ExpiryDateMMYY       string `json:"expiryDateMMYY"`
	AcquirerTID          string `json:"acquirerTid"`
	TransactionReference string `json:"transactionReference,omitempty"`
	ServerDateTime       string `json:"serverDateTime"`
	TerminalDateTime     string `json:"terminalDateTime"`
	F25                  string `json:"f25"`
}

func (s *Server) sale(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, saleSchema)
	if !ok {
		return
	}
	minor, ok := s.amount(w, body)
	if !ok {
		return
	}
	card, known := s.cards[body.text("cardToken")]
	if !known {
		writeError(w, gatewayError("5252", "Card token failure", http.StatusNotFound))
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		if card.GatewayCode != "" {
			writeError(w, gatewayError(card.GatewayCode, gatewayText(card.GatewayCode), http.StatusBadRequest))
			return
		}
		outcome = decided(minor, card)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := &record{merchant: m.ID, kind: kindSale, word: "MOTO_SALE", terminal: s.virtual(m), requestedMinor: minor, currency: body.text("currency"), card: card,
		reference: body.text("transactionReference"), customer: body.text("customerReference")}
	s.finish(w, rec, outcome)
}

// decided is how a sale ends by its amount or its card.
func decided(minor int64, card Card) kit.Outcome {
	outcome := kit.Outcome{Result: kit.Approve}
	if card.IssuerCode != issuerApproved {
		outcome = kit.Outcome{Result: kit.Decline, Code: card.IssuerCode}
	}
	if code, trigger := triggers[minor]; trigger {
		outcome = kit.Outcome{Result: kit.Decline, Code: code}
	}
	if minor == triggerTimeout {
		// ASSUMPTION: the gateway has the sale and never hears from the
		// issuer. It answers 504 at once instead of keeping the caller
		// waiting, the status is IN_PROGRESS for 90 s and FAILED after.
		outcome = kit.Outcome{Result: kit.InProgress, Then: kit.Decline, AfterSeconds: int(inDoubt / time.Second)}
	}
	return outcome
}

func (s *Server) refund(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, refundSchema)
	if !ok {
		return
	}
	minor, ok := s.amount(w, body)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	original := s.byGUID(m.ID, body.text("originalGuid"))
	switch {
	case original == nil:
		// ASSUMPTION: no numeric code is documented for this case.
		writeError(w, errorEnvelope(http.StatusBadRequest, "Original transaction not found"))
		return
	case !original.refundable(now):
		writeError(w, errorEnvelope(http.StatusBadRequest, "Original transaction cannot be refunded"))
		return
	case original.currency != body.text("currency"):
		writeError(w, gatewayError("3210", "Original and linked currency do not match", http.StatusBadRequest))
		return
	case minor > original.approvedMinor-original.refundedMinor:
		// ASSUMPTION: the rule counts what was refunded before.
		writeError(w, gatewayError("3209", "The requested refund amount is greater than the initial sale amount", http.StatusBadRequest))
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		outcome = kit.Outcome{Result: kit.Approve}
	}
	rec := &record{merchant: m.ID, kind: kindRefund, word: "MOTO_REFUND", terminal: original.terminal, requestedMinor: minor, currency: original.currency, card: original.card,
		originalGUID: original.guid, customer: body.text("customerReference"), reference: body.text("transactionReference")}
	rec.borrow(original)
	s.finish(w, rec, outcome)
}

func (s *Server) reversal(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, reversalSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	original := s.byGUID(m.ID, body.text("originalGuid"))
	if original == nil || !s.reversible(original, now) {
		writeError(w, gatewayError("3153", "Unable to find message to reverse.", http.StatusNotFound))
		return
	}
	if currency := body.text("currency"); currency != "" && currency != original.currency {
		writeError(w, gatewayError("3210", "Original and linked currency do not match", http.StatusBadRequest))
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		outcome = kit.Outcome{Result: kit.Approve}
	}
	// The full original amount is reversed whatever amount was sent, as seed
	// 004 says of acquirers without partial reversals.
	rec := &record{merchant: m.ID, kind: kindReversal, word: "MOTO_REVERSAL", terminal: original.terminal, requestedMinor: original.approvedMinor, currency: original.currency,
		card: original.card, originalGUID: original.guid, customer: body.text("customerReference"), reference: body.text("transactionReference")}
	rec.borrow(original)
	s.finish(w, rec, outcome)
}

// finish writes a record in the ledger and answers. The caller holds the lock.
func (s *Server) finish(w http.ResponseWriter, rec *record, outcome kit.Outcome) {
	if e := s.book(rec, outcome); e != nil {
		writeError(w, *e)
		return
	}
	stamp := cloudTime(rec.at)
	kit.WriteJSON(w, http.StatusOK, motoResponse{
		Type: map[string]string{kindSale: "motoSaleResponse", kindRefund: "motoRefundResponse", kindReversal: "motoReversalResponse"}[rec.kind],
		// The response of a decline is 200 too, with another issuer code.
		HTTPStatus: http.StatusOK, GUID: rec.guid, OriginalGUID: rec.originalGUID,
		Amount: major(rec.approvedMinor), Currency: rec.currency,
		IssuerResponseCode: rec.issuerCode, IssuerResponseText: rec.issuerText, ApprovalCode: rec.approvalCode,
		MaskedCardNumber: rec.card.masked(), CardTypeName: rec.card.Scheme, ExpiryDateMMYY: rec.card.ExpiryMMYY,
		AcquirerTID: acquirerTID, TransactionReference: rec.reference, ServerDateTime: stamp, TerminalDateTime: stamp, F25: "4000",
	})
}

const acquirerTID = "50025030"

// book decides a record by an outcome and writes it in the ledger. It returns
// the error to answer with: of a rejection, which writes nothing, and of a
// gateway that does not hear from the acquirer. The caller holds the lock.
func (s *Server) book(rec *record, outcome kit.Outcome) *envelope {
	now := s.kit.Clock.Now()
	rec.at, rec.guid = now, newGUID()
	if rec.reference == "" {
		rec.reference = newReference()
	}
	rec.approvedMinor = rec.requestedMinor + rec.tipMinor
	rec.approvalCode, rec.rrn = randomDigits(6), randomDigits(12)
	if rec.card.Scheme == schemeWithoutRRN {
		rec.rrn = ""
	}

	switch outcome.Result {
	case kit.Reject:
		message := outcome.Message
		if message == "" {
			message = gatewayText(outcome.Code)
		}
		e := gatewayError(outcome.Code, message, http.StatusBadRequest)
		return &e
	case kit.InProgress:
		rec.issuerCode, rec.finalCode = issuerSilent, issuerApproved
		if outcome.Then == kit.Decline {
			rec.finalCode = "91"
		}
		rec.settles = now.Add(time.Duration(outcome.AfterSeconds) * time.Second)
		s.enter(rec)
		if rec.finalCode == issuerApproved {
			s.apply(rec)
		}
		e := errorEnvelope(http.StatusGatewayTimeout, "The acquirer did not answer in time")
		return &e
	case kit.Decline:
		rec.issuerCode = outcome.Code
		if rec.issuerCode == "" {
			rec.issuerCode = "05"
		}
		if rec.issuerCode == issuerPartial {
			// ASSUMPTION: half of the amount is approved.
			rec.approvedMinor = (rec.requestedMinor + 1) / 2
		} else {
			rec.approvalCode = ""
		}
	default:
		rec.issuerCode = issuerApproved
	}
	rec.issuerText = outcome.Message
	if rec.issuerText == "" {
		rec.issuerText = issuerTexts[rec.issuerCode]
	}
	s.enter(rec)
	if rec.approved(now) {
		s.apply(rec)
	}
	return nil
}

// enter puts a record in the ledger and in the open batch of its terminal.
func (s *Server) enter(rec *record) {
	if t := s.devices[rec.terminal]; t != nil {
		rec.batch = t.batch
	}
	s.records = append(s.records, rec)
}

// borrow gives a linked record the reference of its original, under which the
// document logs it, when it has none.
func (r *record) borrow(original *record) {
	if r.reference == "" && original != nil {
		r.reference, r.borrowed = original.reference, true
	}
}

// refundable says that money can be given back of it: of a sale, or of a
// capture.
func (r *record) refundable(now time.Time) bool {
	return (r.kind == kindSale || r.kind == kindCapture) && r.approved(now) && !r.reversed
}

// reversible says that it can be undone: within a day, before its batch closes.
func (s *Server) reversible(r *record, now time.Time) bool {
	return r.kind != kindReversal && r.kind != kindPreauth && r.kind != kindIncrease && !r.reversed && r.refundedMinor == 0 &&
		r.approved(now) && now.Sub(r.at) <= reversalWindow && s.batchOpen(r)
}

// apply moves the totals of the original that a refund or reversal belongs to.
// A refund whose outcome is not known yet is applied at once, so that the
// amount cannot be given back twice.
func (s *Server) apply(rec *record) {
	original := s.byGUID(rec.merchant, rec.originalGUID)
	if original == nil {
		return
	}
	switch rec.kind {
	case kindRefund:
		original.refundedMinor += rec.approvedMinor
	case kindReversal:
		original.reversed = true
		before := s.byGUID(rec.merchant, original.originalGUID)
		switch {
		case before == nil:
		case original.kind == kindCapture:
			// A reversed capture brings the hold back (public document of the
			// provider).
			before.captured, before.capturedMinor = false, 0
		default:
			before.refundedMinor -= original.approvedMinor
		}
	case kindIncrease:
		original.holdMinor += rec.approvedMinor
		original.increasedMinor += rec.approvedMinor
	case kindCapture:
		original.captured, original.capturedMinor = true, rec.approvedMinor
	}
}

func (s *Server) byGUID(merchant, guid string) *record {
	if guid == "" {
		return nil
	}
	for _, r := range s.records {
		if r.merchant == merchant && r.guid == guid {
			return r
		}
	}
	return nil
}

// amount parses the checked amount and refuses a currency without two decimals
// (ASSUMPTION: the document gives no rule for other exponents).
func (s *Server) amount(w http.ResponseWriter, body fields) (int64, bool) {
	if !s.currencies[body.text("currency")] {
		writeError(w, errorEnvelope(http.StatusBadRequest, fmt.Sprintf("Currency %s is not supported", body.text("currency"))))
		return 0, false
	}
	minor, err := strconv.ParseInt(body.text("amount"), 10, 64)
	if err != nil {
		writeError(w, errorEnvelope(http.StatusBadRequest, "The amount is out of range"))
		return 0, false
	}
	return minor, true
}

func gatewayText(code string) string {
	switch code {
	case "3107":
		return "CVV required"
	case "5252":
		return "Card token failure"
	case "3209":
		return "The requested refund amount is greater than the initial sale amount"
	case "3210":
		return "Original and linked currency do not match"
	case "3211":
		return "Original pre-auth is voided, not approved or already captured"
	case "3112":
		return "Transaction type is not eligible for deferred tokenization"
	case "3153":
		return "Unable to find message to reverse."
	}
	return "Viscus operation failed"
}

// major prints minor units of a currency with two decimals.
func major(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// cloudTime is the format YYYYMMDDHHmmssSSS of the cloud endpoints.
func cloudTime(t time.Time) string {
	return strings.ReplaceAll(t.UTC().Format("20060102150405.000"), ".", "")
}

func newGUID() string      { return randomUUID(0x10) }
func newReference() string { return randomUUID(0x40) }

// randomUUID returns a random UUID that carries the given version: guids look
// like version 1, references like version 4.
func randomUUID(version byte) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | version
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func randomDigits(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}
