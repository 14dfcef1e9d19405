package cardflo

import (
	"encoding/json"

	"github.com/counterfoil/counterfoil/services/providers"
)

// transactionRequest is the body of every transaction (seed 003, "Debit" and
// following). The document's schemas refuse fields that they do not list
// (README, Answers), so each call fills only those of its own.
type transactionRequest struct {
	MerchantTransactionID string     `json:"merchantTransactionId"`
	Amount                string     `json:"amount,omitempty"`
	Currency              string     `json:"currency,omitempty"`
	ReferenceUUID         string     `json:"referenceUuid,omitempty"`
	SuccessURL            string     `json:"successUrl,omitempty"`
	CancelURL             string     `json:"cancelUrl,omitempty"`
	ErrorURL              string     `json:"errorUrl,omitempty"`
	CallbackURL           string     `json:"callbackUrl,omitempty"`
	TransactionToken      string     `json:"transactionToken,omitempty"`
	Description           string     `json:"description,omitempty"`
	TransactionIndicator  string     `json:"transactionIndicator,omitempty"`
	IsFinalCapture        bool       `json:"isFinalCapture,omitempty"`
	PayByLink             *payByLink `json:"payByLink,omitempty"`
	Details
}

// payByLink asks for a link; without sendByEmail there is none (seed 003,
// "PayByLink").
type payByLink struct {
	SendByEmail        bool `json:"sendByEmail"`
	ExpirationInMinute int  `json:"expirationInMinute,omitempty"`
}

// answer is every reply that we read: to a transaction, to a status question,
// and the envelope of a system error. extraData is not read: the document
// shows it as an object and as an array.
type answer struct {
	Success      *bool          `json:"success"`
	UUID         providers.Text `json:"uuid"`
	ReturnType   providers.Text `json:"returnType"`
	RedirectURL  providers.Text `json:"redirectUrl"`
	ReturnData   returnData     `json:"returnData"`
	RiskCheck    risk           `json:"riskCheckData"`
	Errors       wireErrors     `json:"errors"`
	ErrorMessage providers.Text `json:"errorMessage"`
	ErrorCode    providers.Text `json:"errorCode"`
	PayByLink    linkData       `json:"payByLinkData"`
	ExpiresAt    providers.Text `json:"expiresAt"` // deprecated in favour of payByLinkData

	// Of status answers.
	TransactionStatus     providers.Text `json:"transactionStatus"`
	TransactionType       providers.Text `json:"transactionType"`
	MerchantTransactionID providers.Text `json:"merchantTransactionId"`
	Amount                providers.Text `json:"amount"`
	Currency              providers.Text `json:"currency"`
}

// wireError has both spellings: errorMessage and errorCode in a transaction's
// answer ("TransactionResponseError"), message and code in a status answer
// ("TransactionError").
type wireError struct {
	ErrorMessage   providers.Text `json:"errorMessage"`
	ErrorCode      providers.Text `json:"errorCode"`
	Message        providers.Text `json:"message"`
	Code           providers.Text `json:"code"`
	AdapterMessage providers.Text `json:"adapterMessage"`
	AdapterCode    providers.Text `json:"adapterCode"`
}

func (e wireError) code() string { return string(either(e.ErrorCode, e.Code)) }
func (e wireError) text() string {
	return string(either(e.ErrorMessage, either(e.Message, e.AdapterMessage)))
}

func either(a, b providers.Text) providers.Text {
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

// returnData is what the customer paid with: one of cardData, ibanData,
// phoneData and walletData (seed 003, "ReturnData"); flat with _TYPE in
// transactions, nested under creditcardData in status samples. A card's number
// is no field of it.
type returnData struct {
	Type        providers.Text `json:"type"`
	BinBrand    providers.Text `json:"binBrand"`
	LastFour    providers.Text `json:"lastFourDigits"`
	ExpiryMonth providers.Text `json:"expiryMonth"`
	ExpiryYear  providers.Text `json:"expiryYear"`
	// Advice of the scheme to whom it may concern after a decline.
	Advice       providers.Text `json:"merchantAdviceCode"`
	ParsedAdvice providers.Text `json:"parsedMerchantAdviceCode"`

	IBAN       providers.Text `json:"iban"`
	IBANEnding providers.Text `json:"ibanEnding"` // of a cleaned callback, in place of iban
	BankName   providers.Text `json:"bankName"`

	PhoneNumber providers.Text `json:"phoneNumber"`
	Operator    providers.Text `json:"operator"`

	WalletType  providers.Text `json:"walletType"`
	WalletOwner providers.Text `json:"walletOwner"`
	WalletID    providers.Text `json:"walletReferenceId"`
}

// UnmarshalJSON reads every shape and never fails: the means of payment is an
// ornament of the answer.
func (d *returnData) UnmarshalJSON(b []byte) error {
	type plain returnData
	var nested map[string]json.RawMessage
	_ = json.Unmarshal(b, &nested)
	for _, kind := range []string{"creditcardData", "cardData", "ibanData", "phoneData", "walletData"} {
		if inner, ok := nested[kind]; ok {
			b = inner
			break
		}
	}
	_ = json.Unmarshal(b, (*plain)(d))
	return nil
}

// ending is the last four characters, enough to tell accounts apart.
func ending(s string) string {
	if len(s) <= 4 {
		return s
	}
	return s[len(s)-4:]
}

// payer says in words what was paid with where that is no card; empty for a
// card. Account and telephone numbers are told by their last four characters.
func (d returnData) payer() string {
	with := func(s string, more providers.Text) string {
		if more == "" {
			return s + "."
		}
		return s + ", " + string(more) + "."
	}
	switch {
	case d.IBANEnding != "":
		return with("Paid from the bank account ending "+string(d.IBANEnding), d.BankName)
	case d.IBAN != "":
		return with("Paid from the bank account ending "+ending(string(d.IBAN)), d.BankName)
	case d.PhoneNumber != "":
		return with("Paid by the telephone ending "+ending(string(d.PhoneNumber)), d.Operator)
	case d.WalletType != "" || d.WalletID != "":
		return with("Paid from a wallet", either(d.WalletType, d.WalletOwner))
	}
	return ""
}

// risk is the risk check's verdict (seed 003, "RiskCheckData"). It never fails
// to read: an oddity beside the verdict does not make the verdict unreadable.
type risk struct {
	Result providers.Text `json:"riskCheckResult"`
}

// UnmarshalJSON reads an object; anything else is no risk check.
func (r *risk) UnmarshalJSON(b []byte) error {
	type plain risk
	_ = json.Unmarshal(b, (*plain)(r))
	return nil
}

// extra is extraData: an object of texts, which the document's error samples
// show as a list of objects. What is no text is left out.
type extra map[string]string

// UnmarshalJSON reads both shapes and never fails.
func (e *extra) UnmarshalJSON(b []byte) error {
	*e = extra{}
	var list []map[string]json.RawMessage
	var one map[string]json.RawMessage
	if json.Unmarshal(b, &list) != nil && json.Unmarshal(b, &one) == nil {
		list = append(list, one)
	}
	for _, o := range list {
		for k, v := range o {
			var t providers.Text
			if json.Unmarshal(v, &t) == nil {
				(*e)[k] = string(t)
			}
		}
	}
	return nil
}

// linkData is the pay-by-link part of an answer (seed 003, "PayByLinkData").
type linkData struct {
	ExpiresAt providers.Text `json:"expiresAt"`
	CancelURL providers.Text `json:"cancelUrl"`
}

// scheduleRequest is the body of a start or an update (seed 003,
// "startSchedule", "updateSchedule").
type scheduleRequest struct {
	RegistrationUUID string `json:"registrationUuid,omitempty"`
	Amount           string `json:"amount,omitempty"`
	Currency         string `json:"currency,omitempty"`
	PeriodLength     int    `json:"periodLength,omitempty"`
	PeriodUnit       string `json:"periodUnit,omitempty"`
	StartDateTime    string `json:"startDateTime,omitempty"`
	MerchantMetaData string `json:"merchantMetaData,omitempty"`
	CallbackURL      string `json:"callbackUrl,omitempty"`
}

// scheduleAnswer is the answer to every schedule request.
type scheduleAnswer struct {
	Success          *bool          `json:"success"`
	ScheduleID       providers.Text `json:"scheduleId"`
	RegistrationUUID providers.Text `json:"registrationUuid"`
	OldStatus        providers.Text `json:"oldStatus"`
	NewStatus        providers.Text `json:"newStatus"`
	ScheduledAt      providers.Text `json:"scheduledAt"`
	ErrorMessage     providers.Text `json:"errorMessage"`
	ErrorCode        providers.Text `json:"errorCode"`
}

// optionsAnswer is the answer to an options request (seed 003, "Options
// Request").
type optionsAnswer struct {
	Success      *bool                     `json:"success"`
	Options      map[string]providers.Text `json:"options"`
	ErrorMessage providers.Text            `json:"errorMessage"`
	ErrorCode    providers.Text            `json:"errorCode"`
}
