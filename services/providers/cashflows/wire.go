package cashflows

import (
	"encoding/json"
	"strings"

	"github.com/counterfoil/counterfoil/services/providers"
)

// paymentMethod is the only one that is asked for. Seed 001, "Generate your
// Gateway API signature", writes it so; a client of the provider's model has
// "Card" in answers.
const paymentMethod = "creditcard"

// The options of a job (README, Pages, links, tokens).
const (
	optionMOTO          = "IsMoto"
	optionGenerateToken = "GenerateToken"
)

// The types of a job.
const (
	typePayment = "Payment"
	typeCredit  = "Credit"
)

// The request bodies. Amounts are texts with two decimals, as in seed 001's
// sample. There is no field for a card number.
type (
	jobRequest struct {
		Type                      string     `json:"type"`
		Currency                  string     `json:"currency"`
		AmountToCollect           string     `json:"amountToCollect"`
		PaymentMethodsToUse       []string   `json:"paymentMethodsToUse"`
		Parameters                parameters `json:"parameters"`
		Order                     order      `json:"order"`
		Options                   []string   `json:"options,omitempty"`
		ParentPaymentJobReference string     `json:"parentPaymentJobReference,omitempty"`
		ExpirationDateTimeUTC     string     `json:"expirationDateTimeUtc,omitempty"`
	}
	parameters struct {
		Token              string `json:"token,omitempty"`
		WebhookURL         string `json:"webhookUrl,omitempty"`
		ReturnURLSuccess   string `json:"returnUrlSuccess,omitempty"`
		ReturnURLFailed    string `json:"returnUrlFailed,omitempty"`
		ReturnURLCancelled string `json:"returnUrlCancelled,omitempty"`
	}
	order struct {
		OrderNumber     string    `json:"orderNumber"`
		Note            string    `json:"note,omitempty"`
		BillingIdentity *identity `json:"billingIdentity,omitempty"`
	}
	identity struct {
		EmailAddress string `json:"emailAddress"`
	}
	captureRequest struct {
		AmountToCapture string `json:"amountToCapture"`
		IsFinalCapture  bool   `json:"isFinalCapture"`
	}
	refundRequest struct {
		AmountToRefund string `json:"amountToRefund"`
		RefundNumber   string `json:"refundNumber"`
	}
)

// answer is every reply of the Gateway; T is what its data is. Names are read in
// any case: samples of the document have both.
type answer[T any] struct {
	Data        *T          `json:"data"`
	ErrorReport errorReport `json:"errorReport"`
	Links       struct {
		Action struct {
			URL providers.Text `json:"url"`
		} `json:"action"`
	} `json:"links"`
}

// Data of the answers. References are digits, as texts or as numbers; the
// digits are kept as they came.
type (
	jobData struct {
		Reference             providers.Text `json:"reference"`
		Type                  providers.Text `json:"type"`
		Currency              providers.Text `json:"currency"`
		AmountToCollect       providers.Text `json:"amountToCollect"`
		PaymentStatus         providers.Text `json:"paymentStatus"`
		ExpirationDateTimeUTC providers.Text `json:"expirationDateTimeUtc"`
		Order                 struct {
			OrderNumber providers.Text `json:"orderNumber"`
		} `json:"order"`
		Payments []paymentData `json:"payments"`
	}
	paymentData struct {
		Reference       providers.Text `json:"reference"`
		Status          providers.Text `json:"status"`
		AmountToCollect providers.Text `json:"amountToCollect"`
		PaidAmount      providers.Text `json:"paidAmount"`
		LastErrorReport errorReport    `json:"lastErrorReport"`
		Attributes      attributes     `json:"attributes"`
		Refunds         []partData     `json:"refunds"`
		Captures        []partData     `json:"captures"`
	}
	// partData is a capture or a refund.
	partData struct {
		Reference       providers.Text `json:"reference"`
		Status          providers.Text `json:"status"`
		RefundNumber    providers.Text `json:"refundNumber"`
		AmountToRefund  providers.Text `json:"amountToRefund"`
		AmountToCapture providers.Text `json:"amountToCapture"`
	}
	// attributes hold the token (the client's model of a payment), and,
	// ASSUMPTION, the card under the names that token answers have.
	attributes struct {
		Token     providers.Text `json:"token"`
		Truncated providers.Text `json:"truncatedCardNumber"`
		Month     providers.Text `json:"cardExpiryMonth"`
		Year      providers.Text `json:"cardExpiryYear"`
	}
	methodData struct {
		PaymentMethod providers.Text `json:"paymentMethod"`
	}
)

// UnmarshalJSON never fails: the card is an ornament of the answer.
func (a *attributes) UnmarshalJSON(b []byte) error {
	type plain attributes
	_ = json.Unmarshal(b, (*plain)(a))
	return nil
}

// errorReport is what went wrong and what is only a warning.
type errorReport struct {
	Errors   []reported `json:"errors"`
	Warnings []reported `json:"warnings"`
}

type reported struct {
	Code    providers.Text `json:"code"`
	Message providers.Text `json:"message"`
}

// UnmarshalJSON reads a report; anything else is read as none, so that an oddity
// beside the verdict does not make the verdict unreadable.
func (r *errorReport) UnmarshalJSON(b []byte) error {
	type plain errorReport
	var p plain
	if json.Unmarshal(b, &p) == nil {
		*r = errorReport(p)
	}
	return nil
}

// name is the code without the number that the provider puts behind it
// ("InvalidCustomerReference_1").
func (r reported) name() string {
	code := string(r.Code)
	if at := strings.LastIndexByte(code, '_'); at > 0 && strings.Trim(code[at+1:], "0123456789") == "" {
		return code[:at]
	}
	return code
}

// words joins what the answer says, errors first.
func (r errorReport) words() string {
	var out []string
	for _, list := range [][]reported{r.Errors, r.Warnings} {
		for _, e := range list {
			if m := strings.TrimSpace(string(e.Message)); m != "" {
				out = append(out, m)
			}
		}
	}
	return strings.Join(out, " ")
}

func (r errorReport) code() string {
	if len(r.Errors) > 0 {
		return r.Errors[0].name()
	}
	return ""
}
