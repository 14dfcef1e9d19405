package cardflo

import (
	"net/http"
	"strconv"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// statusReply is the answer to a status request. Its errors use other names
// than those of a transaction's answer, and its card sits one level deeper
// (seed 003, section Status Request).
type statusReply struct {
	Success           bool                `json:"success"`
	TransactionStatus string              `json:"transactionStatus"`
	UUID              string              `json:"uuid"`
	ReferenceUUID     string              `json:"referenceUuid,omitempty"`
	MerchantID        string              `json:"merchantTransactionId"`
	PurchaseID        string              `json:"purchaseId"`
	TransactionType   string              `json:"transactionType"`
	PaymentMethod     string              `json:"paymentMethod"`
	Amount            string              `json:"amount,omitempty"`
	Currency          string              `json:"currency,omitempty"`
	Schedules         []scheduleData      `json:"schedules,omitempty"`
	Errors            []queriedError      `json:"errors,omitempty"`
	ChargebackData    *chargebackData     `json:"chargebackData,omitempty"`
	ReversalData      *chargebackReversal `json:"chargebackReversalData,omitempty"`
	Customer          map[string]any      `json:"customer,omitempty"`
	ExtraData         map[string]any      `json:"extraData,omitempty"`
	MerchantMetaData  string              `json:"merchantMetaData,omitempty"`
	ReturnData        map[string]any      `json:"returnData,omitempty"`
}

type queriedError struct {
	Message        string `json:"message"`
	Code           string `json:"code"`
	AdapterMessage string `json:"adapterMessage,omitempty"`
	AdapterCode    string `json:"adapterCode,omitempty"`
}

func (s *Server) statusByUUID(w http.ResponseWriter, r *http.Request, c Connector, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	s.status(w, s.byUUID(c, r.PathValue("id")))
}

func (s *Server) statusByMerchantID(w http.ResponseWriter, r *http.Request, c Connector, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	s.status(w, s.byMerchantID(c, r.PathValue("id")))
}

// status answers 200 in every case; only that status is declared for the
// operation.
func (s *Server) status(w http.ResponseWriter, t *transaction) {
	if t == nil {
		kit.WriteJSON(w, http.StatusOK, systemError{Message: "Transaction not found", Code: codeUnknownStatusID})
		return
	}
	out := statusReply{
		Success: true, TransactionStatus: t.status, UUID: t.uuid, ReferenceUUID: t.referenceUUID, MerchantID: t.merchantID,
		PurchaseID: t.purchaseID, TransactionType: t.typ, PaymentMethod: t.method(), Amount: t.amount(), Currency: t.currency,
		Customer: t.request.object("customer"), ExtraData: t.request.object("extraData"), MerchantMetaData: t.request.text("merchantMetaData"),
		ChargebackData: t.chargeback(false), ReversalData: t.chargebackReversal(),
	}
	for _, series := range s.schedules {
		if series.registration == t {
			out.Schedules = append(out.Schedules, *series.data())
		}
	}
	if t.code != 0 {
		out.Errors = []queriedError{{Message: t.reason.message, Code: strconv.Itoa(t.code),
			AdapterMessage: t.reason.adapterMessage, AdapterCode: t.reason.adapterCode}}
	}
	if data := t.returnData(false, false); data != nil {
		name := "creditcardData"
		if t.card.payer != nil {
			name = t.card.payer["_TYPE"]
		}
		out.ReturnData = map[string]any{name: data}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}
