package cardflo

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The request bodies. The document's schemas refuse unknown fields (README,
// Answers), so nothing is sent that is not needed.
type (
	debitRequest struct {
		MerchantTransactionID string    `json:"merchantTransactionId"`
		Amount                string    `json:"amount"`
		Currency              string    `json:"currency"`
		SuccessURL            string    `json:"successUrl,omitempty"`
		CancelURL             string    `json:"cancelUrl,omitempty"`
		ErrorURL              string    `json:"errorUrl,omitempty"`
		TransactionToken      string    `json:"transactionToken,omitempty"`
		Description           string    `json:"description,omitempty"`
		TransactionIndicator  string    `json:"transactionIndicator"`
		Customer              *customer `json:"customer,omitempty"`
	}
	customer struct {
		Email string `json:"email,omitempty"`
	}
	refundRequest struct {
		MerchantTransactionID string `json:"merchantTransactionId"`
		Amount                string `json:"amount"`
		Currency              string `json:"currency"`
		ReferenceUUID         string `json:"referenceUuid"`
		Description           string `json:"description,omitempty"`
	}
)

// answer is every reply that we read: to a transaction, to a status question,
// and the envelope of a system error. extraData is not read: the document
// shows it as an object and as an array.
type answer struct {
	Success      *bool      `json:"success"`
	UUID         text       `json:"uuid"`
	ReturnType   text       `json:"returnType"`
	RedirectURL  text       `json:"redirectUrl"`
	ReturnData   returnData `json:"returnData"`
	Errors       wireErrors `json:"errors"`
	ErrorMessage text       `json:"errorMessage"`
	ErrorCode    text       `json:"errorCode"`

	// Of status answers.
	TransactionStatus     text `json:"transactionStatus"`
	TransactionType       text `json:"transactionType"`
	MerchantTransactionID text `json:"merchantTransactionId"`
	Amount                text `json:"amount"`
	Currency              text `json:"currency"`
}

// text is a string that some samples write as a number: error codes, expiry
// dates, amounts (README, Amounts). Numbers keep their digits as written.
type text string

// UnmarshalJSON takes a string, a number or null.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case b[0] == '-' || (b[0] >= '0' && b[0] <= '9'):
		*t = text(b)
		return nil
	}
	return fmt.Errorf("neither a text nor a number")
}

// wireError has both spellings: errorMessage and errorCode in a transaction's
// answer ("TransactionResponseError"), message and code in a status answer
// ("TransactionError").
type wireError struct {
	ErrorMessage   text `json:"errorMessage"`
	ErrorCode      text `json:"errorCode"`
	Message        text `json:"message"`
	Code           text `json:"code"`
	AdapterMessage text `json:"adapterMessage"`
	AdapterCode    text `json:"adapterCode"`
}

func (e wireError) code() string { return string(either(e.ErrorCode, e.Code)) }
func (e wireError) text() string {
	return string(either(e.ErrorMessage, either(e.Message, e.AdapterMessage)))
}

func either(a, b text) text {
	if a != "" {
		return a
	}
	return b
}

// wireErrors is a list of errors; anything else is read as none, so that an
// oddity beside the verdict does not make the verdict unreadable.
type wireErrors []wireError

// UnmarshalJSON reads a list or a single object.
func (e *wireErrors) UnmarshalJSON(b []byte) error {
	var list []wireError
	if json.Unmarshal(b, &list) == nil {
		*e = list
		return nil
	}
	var one wireError
	if json.Unmarshal(b, &one) == nil {
		*e = wireErrors{one}
	}
	return nil
}

// returnData is a card's data: flat with _TYPE cardData in transactions,
// nested under creditcardData in status samples (README, Answers).
type returnData struct {
	Type        text `json:"type"`
	BinBrand    text `json:"binBrand"`
	LastFour    text `json:"lastFourDigits"`
	ExpiryMonth text `json:"expiryMonth"`
	ExpiryYear  text `json:"expiryYear"`
}

// UnmarshalJSON reads both shapes and never fails: the card is an ornament of
// the answer.
func (d *returnData) UnmarshalJSON(b []byte) error {
	type plain returnData
	var nested struct {
		CreditCard *plain `json:"creditcardData"`
		Card       *plain `json:"cardData"`
	}
	_ = json.Unmarshal(b, &nested)
	switch {
	case nested.CreditCard != nil:
		*d = returnData(*nested.CreditCard)
	case nested.Card != nil:
		*d = returnData(*nested.Card)
	default:
		_ = json.Unmarshal(b, (*plain)(d))
	}
	return nil
}
