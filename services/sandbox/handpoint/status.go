package handpoint

import (
	"net/http"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// statusObject is the transaction result of the status endpoints. Its amounts
// are integers in minor units; empty strings are what the real one sends.
type statusObject struct {
	AID                   string `json:"aid"`
	ARC                   string `json:"arc"`
	IAD                   string `json:"iad"`
	TSI                   string `json:"tsi"`
	TVR                   string `json:"tvr"`
	CardEntryType         string `json:"cardEntryType"`
	CardLanguage          string `json:"cardLanguagePreference"`
	Currency              string `json:"currency"`
	Type                  string `json:"type"`
	TipAmount             int64  `json:"tipAmount"`
	TotalAmount           int64  `json:"totalAmount"`
	RequestedAmount       int64  `json:"requestedAmount"`
	DueAmount             int64  `json:"dueAmount"`
	TipPercentage         int64  `json:"tipPercentage"`
	EFTTimestamp          int64  `json:"efttimestamp"`
	OriginalTransactionID string `json:"originalEFTTransactionID"`
	PaymentScenario       string `json:"paymentScenario"`
	VerificationMethod    string `json:"verificationMethod"`
	AuthorisationCode     string `json:"authorisationCode"`
	CardSchemeName        string `json:"cardSchemeName"`
	CardToken             string `json:"cardToken"`
	MaskedCardNumber      string `json:"maskedCardNumber"`
	CardTypeID            string `json:"cardTypeId"`
	CustomerReference     string `json:"customerReference"`
	EFTTransactionID      string `json:"efttransactionID"`
	TransactionID         string `json:"transactionID"`
	ErrorMessage          string `json:"errorMessage"`
	ExpiryDateMMYY        string `json:"expiryDateMMYY"`
	IssuerResponseCode    string `json:"issuerResponseCode"`
	BatchNumber           string `json:"batchNumber"`
	RRN                   string `json:"rrn"`
	TenderType            string `json:"tenderType"`
	UnMaskedPan           string `json:"unMaskedPan"`
	HoldAmount            int64  `json:"holdAmount"`
	IncreaseAmount        int64  `json:"increaseAmount"`
	CapturedAmount        int64  `json:"capturedAmount"`
	MerchantAddress       string `json:"merchantAddress"`
	MerchantName          string `json:"merchantName"`
	MID                   string `json:"mid"`
	CardHolderName        string `json:"cardHolderName"`
	ChipTransactionReport string `json:"chipTransactionReport"`
	CustomerReceipt       string `json:"customerReceipt"`
	MerchantReceipt       string `json:"merchantReceipt"`
	SignatureURL          string `json:"signatureUrl"`
	StatusMessage         string `json:"statusMessage"`
	TID                   string `json:"tid"`
	TransactionReference  string `json:"transactionReference"`
	TransactionOrigin     string `json:"transactionOrigin"`
	FinStatus             string `json:"finStatus"`
}

// status answers 200 for a good key whatever the reference: an unknown one is
// UNDEFINED (seed 004, section /transactions/{transactionReference}/status).
func (s *Server) status(w http.ResponseWriter, r *http.Request, m Merchant) {
	reference := r.PathValue("reference")
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.byReference(m.ID, reference)
	if len(mine) == 0 {
		if run := s.reaching(m.ID, reference); run != nil {
			kit.WriteJSON(w, http.StatusOK, statusObject{
				CardEntryType: "UNDEFINED", Type: run.op.word, Currency: run.body.text("currency"), PaymentScenario: "UNKNOWN", VerificationMethod: "UNDEFINED",
				TenderType: "NOT_SET", TransactionReference: reference, FinStatus: "IN_PROGRESS",
			})
			return
		}
		for _, rec := range s.records {
			if rec.reference == reference {
				writeError(w, errorEnvelope(http.StatusUnauthorized, "Unauthorized"))
				return
			}
		}
		kit.WriteJSON(w, http.StatusOK, statusObject{
			CardEntryType: "UNDEFINED", Type: "UNDEFINED", PaymentScenario: "UNKNOWN", VerificationMethod: "UNDEFINED",
			TenderType: "NOT_SET", TransactionReference: reference, FinStatus: "UNDEFINED",
		})
		return
	}
	kit.WriteJSON(w, http.StatusOK, s.object(mine[0], true))
}

// statusSelected answers all, first, last or a 1-based index; 404 for whatever
// does not exist (seed 004). The reference of another merchant does not exist
// here (ASSUMPTION).
func (s *Server) statusSelected(w http.ResponseWriter, r *http.Request, m Merchant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.byReference(m.ID, r.PathValue("reference"))
	notFound := errorEnvelope(http.StatusNotFound, "The specified transactionReference or selector does not exist.")
	if len(mine) == 0 {
		writeError(w, notFound)
		return
	}
	index := 0
	switch selector := r.PathValue("selector"); selector {
	case "all":
		objects := make([]statusObject, 0, len(mine))
		for i, rec := range mine {
			objects = append(objects, s.object(rec, i == 0))
		}
		kit.WriteJSON(w, http.StatusOK, objects)
		return
	case "first":
	case "last":
		index = len(mine) - 1
	default:
		n, err := strconv.Atoi(selector)
		if err != nil || n < 1 || n > len(mine) {
			writeError(w, notFound)
			return
		}
		index = n - 1
	}
	kit.WriteJSON(w, http.StatusOK, s.object(mine[index], index == 0))
}

// byReference returns the transactions logged under a reference, oldest first:
// those that were sent with it, and the linked ones of each such sale, since
// the document logs linked operations under the original's reference while its
// samples of /moto/refund carry one of their own (ASSUMPTION: both hold).
// References are not checked for uniqueness, as the document says.
func (s *Server) byReference(merchant, reference string) []*record {
	own := map[string]bool{}
	var out []*record
	for _, r := range s.records {
		if r.merchant != merchant {
			continue
		}
		if r.reference == reference || own[r.originalGUID] {
			own[r.guid] = true
			out = append(out, r)
		}
	}
	return out
}

// finStatus is the live financial status of a record.
func (s *Server) finStatus(r *record, now time.Time) string {
	if r.failed {
		return "FAILED"
	}
	switch r.code(now) {
	case issuerSilent:
		return "IN_PROGRESS"
	case issuerApproved, issuerPartial:
	case "91":
		if r.issuerCode == issuerSilent {
			return "FAILED"
		}
		return "DECLINED"
	default:
		return "DECLINED"
	}
	switch {
	case r.reversed:
		// ASSUMPTION: the document names no status for a reversed original.
		return "CANCELLED"
	case r.captured || r.kind == kindCapture && r.refundedMinor < r.approvedMinor:
		return "CAPTURED"
	case r.refundable(now) && r.refundedMinor >= r.approvedMinor:
		// ASSUMPTION: REFUNDED means wholly refunded.
		return "REFUNDED"
	case r.code(now) == issuerPartial:
		return "PARTIAL_APPROVAL"
	}
	return "AUTHORISED"
}

// object renders a record; only the first of a reference shows its live
// status, later ones keep that of their processing (seed 004, Important Note).
func (s *Server) object(r *record, live bool) statusObject {
	now := s.kit.Clock.Now()
	fin := s.finStatus(r, now)
	if !live && (fin == "CANCELLED" || fin == "REFUNDED") {
		fin = "AUTHORISED"
		if r.kind == kindCapture {
			fin = "CAPTURED"
		}
	}
	seen := onTerminal{scenario: "MOTO", entry: "CNP", verification: "NOT_REQUIRED"}
	if r.description != nil {
		seen = *r.description
	}
	word := r.word
	if word == "VOID_SALE" || word == "VOID_REFUND" {
		// The samples of the status say so, the terminal's own enum does not.
		word = "REVERSAL"
	}
	total := r.approvedMinor
	if r.kind == kindIncrease {
		total = max(total, -total)
	}
	return statusObject{
		CardEntryType: seen.entry, Currency: r.currency, Type: word,
		HoldAmount: r.holdMinor, IncreaseAmount: r.increasedMinor, CapturedAmount: r.capturedMinor,
		TotalAmount: total, RequestedAmount: r.requestedMinor, DueAmount: max(r.requestedMinor+r.tipMinor-r.approvedMinor, 0), TipAmount: r.tipMinor,
		EFTTimestamp: r.at.UnixMilli(), OriginalTransactionID: r.originalGUID,
		PaymentScenario: seen.scenario, VerificationMethod: seen.verification, AuthorisationCode: r.approvalCode,
		CardSchemeName: r.card.Scheme, MaskedCardNumber: r.card.masked(), CustomerReference: r.customer,
		EFTTransactionID: r.guid, TransactionID: r.guid, ExpiryDateMMYY: r.card.ExpiryMMYY,
		IssuerResponseCode: r.code(now), RRN: r.rrn, TenderType: "CREDIT", StatusMessage: r.issuerText,
		TransactionReference: r.reference, FinStatus: fin,
	}
}
