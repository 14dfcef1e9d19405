package cashflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type kind int

const (
	text      kind = iota
	amount         // "10.00", or the number 10.00
	reference      // a reference of the provider's, a string of digits
	boolean
	object
	list // of strings
	any_ // not looked at
)

// property is one field of a request (the models of a client generated from
// the provider's description).
type property struct {
	kind     kind
	required bool
	max      int
	oneOf    []string
	isURL    bool
	isTime   bool
	fields   map[string]property
}

var (
	anything = property{kind: any_}
	webURL   = property{isURL: true, max: 2048}
	text255  = property{max: 255}
)

var addressFields = map[string]property{
	"title": text255, "firstName": text255, "middleName": text255, "lastName": text255, "addressLine1": text255, "addressLine2": text255,
	"zipCode": text255, "city": text255, "stateProvince": text255, "countryIso3166Alpha2": {max: 2}, "phoneNumber1": text255,
	"phoneNumber1Type": text255, "phoneNumber2": text255, "phoneNumber2Type": text255, "organisation": text255,
}

var identityFields = map[string]property{
	"debtorId": text255, "emailAddress": text255, "gender": text255, "dateOfBirth": text255, "socialSecurityNumber": text255,
	"chamberOfCommerceNumber": text255, "vatNumber": text255,
}

var orderFields = map[string]property{
	"orderNumber": {max: 50}, "note": text255, "customerReference": {kind: reference},
	"billingAddress": {kind: object, fields: addressFields}, "billingIdentity": {kind: object, fields: identityFields},
	"shippingAddress": {kind: object, fields: addressFields}, "orderLines": anything,
}

// cardParameters are those that carry a card. The emulator's configurations do
// not take direct card payments.
var cardParameters = []string{"cardNumber", "cardCvc", "cardExpiryMonth", "cardExpiryYear"}

var parameterFields = func() map[string]property {
	m := map[string]property{
		"webhookUrl": webURL, "returnUrlSuccess": webURL, "returnUrlFailed": webURL, "returnUrlCancelled": webURL,
		"token": {max: 50}, "recipientDetails": {max: 1000},
	}
	for _, name := range strings.Fields(`cardHolderName originatingIpAddress originHeader userAgent threeDSecureChallengeAcceptHeader
		threeDSecureV2ChallengeWindowSize browserLanguage browserTimeZoneOffset browserJavaEnabled browserJavaScriptEnabled
		browserScreenHeight browserScreenWidth browserScreenColorDepth paymentPageReference simulatedStatus idealBic
		selectedPaymentMethod mcc paRes md rReq cRes threeDsSessionData threeDsMethodData threeDSecureXid threeDSecureCavv
		threeDSecureEci threeDSecureVersion threeDSecureDsTransId payerId googleAnalyticsClientId allowedParentFrameDomains
		descriptor eWalletType applePayTransactionIdentifier`) {
		m[name] = text255
	}
	for _, name := range cardParameters {
		m[name] = text255
	}
	return m
}()

var optionWords = []string{"IsRecurringPaymentJobParent", "IsMoto", "StoreCustomerInformation", "StoreCardDetails", "GenerateToken", "Frictionless"}

var jobSchema = map[string]property{
	"currency": {required: true, max: 3}, "type": {oneOf: []string{"Payment", "Credit"}}, "amountToCollect": {kind: amount},
	"paymentMethodsToUse": {kind: list}, "parameters": {kind: object, fields: parameterFields}, "order": {kind: object, fields: orderFields},
	"options": {kind: list, oneOf: optionWords}, "parentPaymentJobReference": {kind: reference}, "recurrenceCriteria": anything,
	"expirationDateTimeUtc": {isTime: true}, "displayUrl": webURL, "locale": {max: 5}, "timeZone": text255, "preparationIds": {kind: list},
}

var captureSchema = map[string]property{
	"amountToCapture": {kind: amount}, "isFinalCapture": {kind: boolean}, "parameters": {kind: object, fields: parameterFields},
}

var refundSchema = map[string]property{
	"amountToRefund": {kind: amount}, "refundNumber": {max: 50}, "parameters": {kind: object, fields: parameterFields},
}

// request is a checked body.
type request map[string]any

func (r request) text(name string) string {
	switch v := r[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (r request) object(name string) request {
	o, _ := r[name].(map[string]any)
	return o
}

func (r request) has(list, word string) bool {
	words, _ := r[list].([]any)
	return slices.Contains(words, any(word))
}

// sentence is an error whose words are an answer's.
type sentence string

func (s sentence) Error() string { return string(s) }

const errNotJSON = sentence("The request is not valid JSON.")

// parse decodes and checks a body. Names are compared exactly, case included.
func parse(body []byte, schema map[string]property) (request, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, errNotJSON
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errNotJSON
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, errNotJSON
	}
	if fields["Request"] != nil || fields["Hash"] != nil {
		// Seed 001 shows an envelope of an older interface; ASSUMPTION: the
		// Gateway takes the bare request with its hash in a header.
		return nil, sentence("Send the request itself, with ConfigurationId and Hash as headers.")
	}
	return fields, checkFields("", fields, schema)
}

func checkFields(path string, fields map[string]any, schema map[string]property) error {
	for _, name := range slices.Sorted(maps.Keys(schema)) {
		if _, ok := fields[name]; !ok && schema[name].required {
			return sentence(fmt.Sprintf("The field '%s' is required.", path+name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p, known := schema[name]
		if !known {
			return sentence(fmt.Sprintf("The field '%s' is not known.", path+name))
		}
		if err := check(path+name, fields[name], p); err != nil {
			return err
		}
	}
	return nil
}

var (
	amountShape    = regexp.MustCompile(`^[0-9]{1,10}(\.[0-9]{1,2})?$`)
	referenceShape = regexp.MustCompile(`^[0-9]{18}$`)
)

func check(name string, value any, p property) error {
	var wrong error = sentence(fmt.Sprintf("The field '%s' is not valid.", name))
	s, isText := value.(string)
	switch p.kind {
	case any_:
		return nil
	case amount:
		if n, ok := value.(json.Number); ok {
			s, isText = n.String(), true
		}
		if !isText || !amountShape.MatchString(s) {
			return wrong
		}
	case reference:
		if !isText || !referenceShape.MatchString(s) {
			return wrong
		}
	case boolean:
		if _, ok := value.(bool); !ok {
			return wrong
		}
	case object:
		fields, ok := value.(map[string]any)
		if !ok {
			return wrong
		}
		return checkFields(name+".", fields, p.fields)
	case list:
		words, ok := value.([]any)
		if !ok {
			return wrong
		}
		for _, w := range words {
			if s, ok := w.(string); !ok || (p.oneOf != nil && !slices.Contains(p.oneOf, s)) {
				return wrong
			}
		}
	default:
		if !isText || s == "" || (p.max > 0 && utf8.RuneCountInString(s) > p.max) || (p.oneOf != nil && !slices.Contains(p.oneOf, s)) {
			return wrong
		}
		if u, err := url.Parse(s); p.isURL && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
			return wrong
		}
		if _, err := time.Parse(time.RFC3339, s); p.isTime && err != nil {
			return wrong
		}
	}
	return nil
}

// minor reads a checked amount as minor units of a currency with two decimals.
func minor(s string) int64 {
	whole, fraction, _ := strings.Cut(s, ".")
	n, _ := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
	return n
}
