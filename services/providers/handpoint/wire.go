package handpoint

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
)

// unit is how an endpoint writes an amount. The document has more than one way
// and its revisions disagree, which is a hazard of a factor of 100: each
// endpoint's unit is one named constant below, and nothing else decides.
type unit int

const (
	minorInteger unit = iota // "2000" is 20.00
	majorDecimal             // "20.00" is 20.00
)

// The units.
//
// CONFLICT (README, Amounts): seed 004 says of the requests of /moto/sale and
// /moto/refund "must be a positive integer string in minor units", "2000" for
// 20.00. Every public revision of the request objects says major units,
// "20.00". The seed is the later text of the endpoints and wins; a provider
// that held to the other reading would refuse nothing and charge a hundredfold,
// so the amount in its answer is always handed to the caller for comparison.
const (
	motoSaleUnit     = minorInteger // request of /moto/sale
	motoRefundUnit   = minorInteger // request of /moto/refund
	motoReversalUnit = minorInteger // request of /moto/reversal
	motoAnswerUnit   = majorDecimal // answers of /moto/*: "20.00" (seed 004, "/moto/reversal")
	terminalUnit     = minorInteger // request of /transactions: "10000" is 100.00
	statusUnit       = minorInteger // amounts of the status service and of a terminal's result, numbers
	preauthUnit      = majorDecimal // /preauthorization/*, both ways: "10.00"
	batchUnit        = majorDecimal // answers of /batch/*: "245.00"
	// CONFLICT: seed 004, "/transactions/{guid}/tip-adjustment", says "a String in
	// minor units, e.g. "525" for $5.25"; older and newer public texts say a
	// number in major units, 5.25. The seed stands. A provider that held to the
	// other reading would add a hundredfold tip, so a tip is compared with what
	// the status tells, when it tells.
	tipUnit = minorInteger
)

func (u unit) write(a money.Amount) string {
	if u == majorDecimal {
		return a.Major()
	}
	return strconv.FormatInt(a.Minor(), 10)
}

func (u unit) read(s string, c money.Currency) (money.Amount, error) {
	if u == majorDecimal {
		return providers.Decimal(s, c)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return money.Amount{}, fmt.Errorf("%q is not a whole number of minor units", s)
	}
	return money.FromMinor(n, c), nil
}

type (
	saleRequest struct {
		Amount               string `json:"amount"`
		Currency             string `json:"currency"`
		CardToken            string `json:"cardToken"`
		CustomerReference    string `json:"customerReference,omitempty"`
		TransactionReference string `json:"transactionReference"`
	}
	reversalRequest struct {
		OriginalGUID         string `json:"originalGuid"`
		Amount               string `json:"amount"`
		Currency             string `json:"currency"`
		CustomerReference    string `json:"customerReference"`
		TransactionReference string `json:"transactionReference"`
	}
	refundRequest struct {
		OriginalGUID         string `json:"originalGuid"`
		Amount               string `json:"amount"`
		Currency             string `json:"currency"`
		CustomerReference    string `json:"customerReference"`
		TransactionReference string `json:"transactionReference"`
	}

	// motoAnswer is a motoSaleResponse or motoRefundResponse.
	motoAnswer struct {
		HTTPStatus           text `json:"httpStatus"`
		GUID                 text `json:"guid"`
		OriginalGUID         text `json:"originalGuid"`
		Amount               text `json:"amount"`
		Currency             text `json:"currency"`
		IssuerResponseCode   text `json:"issuerResponseCode"`
		IssuerResponseText   text `json:"issuerResponseText"`
		ApprovalCode         text `json:"approvalCode"`
		MaskedCardNumber     text `json:"maskedCardNumber"`
		CardTypeName         text `json:"cardTypeName"`
		ExpiryDateMMYY       text `json:"expiryDateMMYY"`
		TransactionReference text `json:"transactionReference"`
	}

	// statusAnswer is a TransactionResult: of the status service, of a terminal,
	// or of a callback. unMaskedPan, among others, is left out on purpose: what
	// is not read cannot be kept. keptNames lists what of it is kept.
	statusAnswer struct {
		FinStatus            text `json:"finStatus"`
		Type                 text `json:"type"`
		Currency             text `json:"currency"`
		TotalAmount          text `json:"totalAmount"`
		RequestedAmount      text `json:"requestedAmount"`
		TipAmount            text `json:"tipAmount"`
		IncreaseAmount       text `json:"increaseAmount"`
		CapturedAmount       text `json:"capturedAmount"`
		TransactionID        text `json:"transactionID"`
		EFTTransactionID     text `json:"efttransactionID"`
		OriginalEFT          text `json:"originalEFTTransactionID"`
		EFTTimestamp         text `json:"efttimestamp"`
		TransactionReference text `json:"transactionReference"`
		CustomerReference    text `json:"customerReference"`
		AuthorisationCode    text `json:"authorisationCode"`
		CardSchemeName       text `json:"cardSchemeName"`
		CardToken            text `json:"cardToken"`
		MaskedCardNumber     text `json:"maskedCardNumber"`
		ExpiryDateMMYY       text `json:"expiryDateMMYY"`
		IssuerResponseCode   text `json:"issuerResponseCode"`
		StatusMessage        text `json:"statusMessage"`
		ErrorMessage         text `json:"errorMessage"`
		CustomerReceipt      text `json:"customerReceipt"`
		MerchantReceipt      text `json:"merchantReceipt"`
		SignatureURL         text `json:"signatureUrl"`
		Recovered            bool `json:"recoveredTransaction"`

		DeviceStatus struct {
			SerialNumber text `json:"serialNumber"`
			// The sample has the terminal's type here (ASSUMPTION).
			BluetoothName      text `json:"bluetoothName"`
			BatteryStatus      text `json:"batteryStatus"` // percent
			BatteryCharging    text `json:"batteryCharging"`
			ExternalPower      text `json:"externalPower"`
			ApplicationName    text `json:"applicationName"`
			ApplicationVersion text `json:"applicationVersion"`
		} `json:"deviceStatus"`
	}

	// errorAnswer is the envelope of refusals. message is a text, or an object
	// in the family of a busy terminal (README, Answers).
	errorAnswer struct {
		Error *struct {
			StatusCode text      `json:"statusCode"`
			Name       text      `json:"name"`
			Message    message   `json:"message"`
			Code       text      `json:"code"`
			Details    errDetail `json:"details"`
		} `json:"error"`
	}
	message struct{ Code, Text string }
	// errDetail is the gateway's own error behind a 400; a 422 has a list
	// there, which is read as none.
	errDetail struct {
		ErrorCode   text `json:"errorCode"`
		Description text `json:"description"`
		Reason      text `json:"reason"`
		HTTPStatus  text `json:"httpStatus"`
		Status      text `json:"status"` // of the wrapped answer as a whole
	}
)

// text is a string that some answers write as a number, such as httpStatus.
type text = providers.Text

// UnmarshalJSON reads both shapes and never fails.
func (m *message) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &m.Text) == nil {
		return nil
	}
	var object struct {
		Error   text `json:"error"`
		Message text `json:"message"`
	}
	_ = json.Unmarshal(b, &object)
	m.Code, m.Text = string(object.Error), string(object.Message)
	return nil
}

// UnmarshalJSON reads an object and never fails. The token endpoint wraps the
// gateway's own in body.error (seed 004, "/transactions/{guid}/token").
func (d *errDetail) UnmarshalJSON(b []byte) error {
	type plain errDetail
	_ = json.Unmarshal(b, (*plain)(d))
	var wrapped struct {
		Body struct {
			Error plain `json:"error"`
		} `json:"body"`
	}
	if json.Unmarshal(b, &wrapped) == nil && wrapped.Body.Error.ErrorCode != "" {
		*d = errDetail(wrapped.Body.Error)
	}
	return nil
}
