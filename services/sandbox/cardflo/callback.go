package cardflo

import (
	"crypto/sha512"
	"encoding/hex"
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
	Result           string         `json:"result"`
	Message          string         `json:"message,omitempty"`
	Code             string         `json:"code,omitempty"`
	AdapterMessage   string         `json:"adapterMessage,omitempty"`
	AdapterCode      string         `json:"adapterCode,omitempty"`
	UUID             string         `json:"uuid"`
	MerchantID       string         `json:"merchantTransactionId"`
	PurchaseID       string         `json:"purchaseId"`
	TransactionType  string         `json:"transactionType"`
	PaymentMethod    string         `json:"paymentMethod"`
	Amount           string         `json:"amount"`
	Currency         string         `json:"currency"`
	ExtraData        map[string]any `json:"extraData,omitempty"`
	MerchantMetaData string         `json:"merchantMetaData,omitempty"`
	ReturnData       *cardData      `json:"returnData,omitempty"`
}

// notify owes the merchant a notification of a transaction that has ended. It
// does nothing while callbacks are off or no callbackUrl was given. ASSUMPTION:
// loopback addresses are allowed, which the real gateway refuses.
func (s *Server) notify(t *transaction) {
	target := t.request.text("callbackUrl")
	if target == "" || t.status == statusPending || t.status == statusRedirect {
		return
	}
	u, err := url.Parse(target)
	if err != nil {
		return
	}
	out := callbackBody{
		Result: "OK", UUID: t.uuid, MerchantID: t.merchantID, PurchaseID: t.purchaseID, TransactionType: t.typ,
		PaymentMethod: paymentMethod, Amount: t.amount(), Currency: t.currency, ExtraData: t.request.object("extraData"),
		MerchantMetaData: t.request.text("merchantMetaData"), ReturnData: t.cardData(true, true),
	}
	if t.status != statusSuccess {
		out.Result = "ERROR"
		out.Message, out.Code = t.reason.message, strconv.Itoa(t.code)
		out.AdapterMessage, out.AdapterCode = t.reason.adapterMessage, t.reason.adapterCode
	}
	body, secret, uri := encode(out), t.connector.SharedSecret, u.RequestURI()
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
}
