package cardflo

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// callbackRetries are the waits after the first attempt: minutes first, then
// every 24 hours for 7 days (seed 003, section Asynchronous Status
// Notification).
var callbackRetries = func() []time.Duration {
	var out []time.Duration
	for _, minutes := range []int{1, 5, 15, 60, 120, 180, 720} {
		out = append(out, time.Duration(minutes)*time.Minute)
	}
	for range 7 {
		out = append(out, 24*time.Hour)
	}
	return out
}()

// callbackBody is the status notification (seed 003, section Callback Data).
type callbackBody struct {
	Result             string              `json:"result"`
	Message            string              `json:"message,omitempty"`
	Code               string              `json:"code,omitempty"`
	AdapterMessage     string              `json:"adapterMessage,omitempty"`
	AdapterCode        string              `json:"adapterCode,omitempty"`
	UUID               string              `json:"uuid"`
	MerchantID         string              `json:"merchantTransactionId"`
	ReferenceUUID      string              `json:"referenceUuid,omitempty"`
	PurchaseID         string              `json:"purchaseId"`
	TransactionType    string              `json:"transactionType"`
	PaymentMethod      string              `json:"paymentMethod"`
	Amount             any                 `json:"amount,omitempty"`
	Currency           string              `json:"currency,omitempty"`
	ScheduleData       *scheduleData       `json:"scheduleData,omitempty"`
	NotificationSource string              `json:"notificationSource,omitempty"`
	OriginalAmount     string              `json:"originalAmount,omitempty"`
	OriginalCurrency   string              `json:"originalCurrency,omitempty"`
	ChargebackData     *chargebackData     `json:"chargebackData,omitempty"`
	ReversalData       *chargebackReversal `json:"chargebackReversalData,omitempty"`
	Customer           map[string]any      `json:"customer,omitempty"`
	ExtraData          map[string]any      `json:"extraData,omitempty"`
	MerchantMetaData   string              `json:"merchantMetaData,omitempty"`
	ReturnData         any                 `json:"returnData,omitempty"`
}

// chargebackData is seed 003's section Status Data. Its sample writes amounts as
// JSON numbers in notifications.
type chargebackData struct {
	OriginalUUID       string `json:"originalUuid"`
	OriginalMerchantID string `json:"originalMerchantTransactionId"`
	Amount             any    `json:"amount"`
	Currency           string `json:"currency"`
	Reason             string `json:"reason"`
	At                 string `json:"chargebackDateTime"`
}

type chargebackReversal struct {
	OriginalUUID       string `json:"originalUuid"`
	OriginalMerchantID string `json:"originalMerchantTransactionId"`
	ChargebackUUID     string `json:"chargebackUuid"`
	Amount             string `json:"amount"`
	Currency           string `json:"currency"`
	Reason             string `json:"reason"`
	At                 string `json:"reversalDateTime"`
}

// chargeback tells of a chargeback, with its amount as a number or as a text;
// nil for other transactions.
func (t *transaction) chargeback(asNumber bool) *chargebackData {
	if t.typ != typeChargeback || t.original == nil {
		return nil
	}
	d := &chargebackData{OriginalUUID: t.original.uuid, OriginalMerchantID: t.original.merchantID, Amount: t.amount(),
		Currency: t.currency, Reason: t.words, At: t.at.Format(time.RFC3339)}
	if asNumber {
		d.Amount = json.RawMessage(t.amount())
	}
	return d
}

func (t *transaction) chargebackReversal() *chargebackReversal {
	if t.typ != typeChargebackReversal || t.original == nil || t.original.original == nil {
		return nil
	}
	sale := t.original.original
	return &chargebackReversal{OriginalUUID: sale.uuid, OriginalMerchantID: sale.merchantID, ChargebackUUID: t.original.uuid,
		Amount: t.amount(), Currency: t.currency, Reason: t.words, At: t.at.Format(time.RFC3339)}
}

// customer as notifications show it: every value a text, emailVerified too.
func (t *transaction) customer() map[string]any {
	given := t.request.object("customer")
	if given == nil {
		return nil
	}
	out := map[string]any{}
	for name, v := range given {
		switch v := v.(type) {
		case bool:
			out[name] = strconv.FormatBool(v)
		case string:
			out[name] = v
		}
	}
	return out
}

// notification is the body about a transaction as it is now.
func (t *transaction) notification() callbackBody {
	out := callbackBody{
		Result: "OK", UUID: t.uuid, MerchantID: t.merchantID, PurchaseID: t.purchaseID, TransactionType: t.typ,
		PaymentMethod: t.method(), Currency: t.currency, ScheduleData: t.schedule.data(), ChargebackData: t.chargeback(true),
		ReversalData: t.chargebackReversal(), Customer: t.customer(), ExtraData: t.request.object("extraData"),
		MerchantMetaData: t.request.text("merchantMetaData"), ReturnData: t.returnData(true, true),
	}
	if t.typ == typeCapture && strings.HasPrefix(t.merchantID, "auto-") {
		// ASSUMPTION: a capture that the gateway makes by itself names its hold.
		// The document's list has no such field, and nothing else could tell.
		out.ReferenceUUID = t.referenceUUID
	}
	if t.currency != "" {
		out.Amount = t.amount()
	}
	if t.typ == typeChargeback {
		out.Amount = json.RawMessage(t.amount())
	}
	switch t.status {
	case statusSuccess:
	case statusPending, statusRedirect:
		out.Result = "PENDING"
	default:
		out.Result = "ERROR"
		out.Message, out.Code = t.reason.message, strconv.Itoa(t.code)
		out.AdapterMessage, out.AdapterCode = t.reason.adapterMessage, t.reason.adapterCode
	}
	return out
}

// notify owes the merchant a notification of a transaction that has ended. It
// does nothing while callbacks are off or no callbackUrl was given, and answers
// whether it did something.
func (s *Server) notify(t *transaction) bool {
	if t.status == statusPending || t.status == statusRedirect {
		return false
	}
	return s.send(t, t.callbackURL, t.notification())
}

// send owes the merchant one notification, and answers whether it does.
// ASSUMPTION: loopback addresses are allowed, which the real gateway refuses.
func (s *Server) send(t *transaction, target string, out callbackBody) bool {
	if target == "" || !s.kit.Callbacks.Enabled() {
		return false
	}
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	body, secret, uri := kit.Encode(out), t.connector.SharedSecret, u.RequestURI()
	s.kit.Callbacks.Send(kit.Callback{
		URL:   target,
		Retry: callbackRetries,
		Build: func(now time.Time) (http.Header, []byte) {
			const contentType = "application/json; charset=utf-8"
			date := now.Format(http.TimeFormat)
			sum := sha512.Sum512(body)
			return http.Header{
				"Content-Type": {contentType},
				"Date":         {date},
				"X-Date":       {date},
				"X-Signature":  {sign(secret, http.MethodPost, hex.EncodeToString(sum[:]), contentType, date, uri)},
			}, body
		},
		// Only status 200 with the two letters confirms.
		Accepted: func(status int, body []byte) bool {
			return status == http.StatusOK && strings.TrimSpace(string(body)) == "OK"
		},
	})
	return true
}
