package cardflo

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
	"unicode/utf8"
)

type kind int

const (
	text kind = iota
	boolean
	number
	object
	array
	objectOrArray
)

// property is one field of a request (seed 003, section Debit and following).
type property struct {
	kind     kind
	required bool
	min, max int
	shape    *regexp.Regexp
	oneOf    []string
	isURL    bool
	fields   map[string]property
	// flat says that an object holds strings only.
	flat bool
	// whole says that a number has no decimals.
	whole bool
	items map[string]property // of each entry of an array
	one   bool                // an object has exactly one field
}

var (
	amountShape   = regexp.MustCompile(`^(([0-9]{1,10})|([0-9]{1,10}\.[0-9]{1,3}))$`)
	currencyShape = regexp.MustCompile(`^[A-Z]{3}$`)
	languageShape = regexp.MustCompile(`^[a-z]{2}$`)
	countryShape  = regexp.MustCompile(`^[A-Z]{2}$`)
	dayShape      = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	minutesShape  = regexp.MustCompile(`^[0-9]{1,6}$`)
	dayTimeShape  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(:[0-9]{2})?$`)
	uiTypesShape  = regexp.MustCompile(`^0[1-5](,0[1-5])*$`)
	// dateTimeShape is YYYY-MM-DDTHH:MM:SS+00:00; newer material allows only an
	// offset that begins with a plus.
	dateTimeShape = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+[0-9]{2}:[0-9]{2}$`)
)

var (
	id50     = property{min: 1, max: 50}
	text50   = property{max: 50}
	text255  = property{max: 255}
	anyURL   = property{isURL: true, max: 2048}
	flatMap  = property{kind: object, flat: true}
	aNumber  = property{kind: number}
	country  = property{shape: countryShape}
	amount   = property{required: true, shape: amountShape}
	currency = property{required: true, shape: currencyShape}
)

func required(p property) property { p.required = true; return p }

var customerFields = map[string]property{
	"identification": {max: 36}, "firstName": text50, "lastName": text50, "birthDate": {shape: dayShape},
	"gender":          {oneOf: []string{"M", "F"}},
	"billingAddress1": text50, "billingAddress2": text50, "billingCity": text50, "billingPostcode": {max: 16},
	"billingState": {max: 30}, "billingCountry": country, "billingPhone": {max: 20},
	"shippingFirstName": text50, "shippingLastName": text50, "shippingCompany": text50, "shippingAddress1": text50,
	"shippingAddress2": text50, "shippingCity": text50, "shippingPostcode": {max: 16}, "shippingState": {max: 30},
	"shippingCountry": country, "shippingPhone": {max: 20},
	"company": text50, "email": text255, "emailVerified": {kind: boolean}, "ipAddress": text50, "nationalId": {max: 14},
	"extraData": flatMap, "paymentData": {kind: object, one: true, fields: paymentDataFields},
}

// paymentDataFields: customer.paymentData is one of them (seed 003, section
// PaymentData).
var paymentDataFields = map[string]property{
	"ibanData":   {kind: object, fields: map[string]property{"iban": {max: 34}, "bic": {max: 11}, "mandateId": text50, "mandateDate": {shape: dayShape}}},
	"walletData": {kind: object, fields: map[string]property{"walletType": text50, "walletOwner": text50, "walletReferenceId": text50}},
}

var taxDetails = property{kind: array, items: map[string]property{
	"type": {}, "amount": aNumber, "rate": aNumber, "code": {}, "applied": {}, "exemptionCode": {},
}}

var l2l3Fields = map[string]property{
	"taxAmount": aNumber, "vatRegistrationNumber": {}, "nationalTaxIncluded": {}, "discountAmount": aNumber, "commodityCode": {},
	"freightAmount": aNumber, "freightTaxAmount": aNumber, "dutyAmount": aNumber, "taxDetails": taxDetails,
}

var itemFields = map[string]property{
	"identification": {}, "name": {}, "description": {}, "quantity": aNumber, "price": aNumber, "currency": {shape: currencyShape}, "extraData": flatMap,
	"l2l3Data": {kind: object, fields: map[string]property{
		"type": {}, "commodityCode": {}, "unit": {}, "unitPrice": aNumber, "discount": aNumber, "shippingAmount": {kind: number, whole: true},
		"taxAmount": aNumber, "taxRate": aNumber, "taxDetails": taxDetails,
	}},
}

var (
	anItems    = property{kind: objectOrArray, items: itemFields}
	anL2L3     = property{kind: object, fields: l2l3Fields}
	aCustomer  = property{kind: object, fields: customerFields}
	aProfile   = property{kind: object, fields: map[string]property{"profileGuid": text50, "customerIdentification": text50, "markAsPreferred": {kind: boolean}}}
	aThreeDS   = property{kind: object, fields: threeDSecureFields}
	anOptional = property{shape: amountShape}
	aLanguage  = property{shape: languageShape}
	aToken     = property{min: 1, max: 255}
	units      = []string{"DAY", "WEEK", "MONTH", "YEAR"}
	aSchedule  = property{kind: object, fields: map[string]property{
		"amount": amount, "currency": currency, "periodLength": required(property{kind: number, whole: true}),
		"periodUnit": required(property{oneOf: units}), "startDateTime": {min: 1, max: 40},
	}}
	aPayByLink = property{kind: object, fields: map[string]property{
		"sendByEmail": required(property{kind: boolean}), "expirationInMinute": {kind: number, whole: true},
	}}
	anIndicator = property{oneOf: []string{"SINGLE", "INITIAL", "RECURRING", "CARDONFILE", "CARDONFILE-MERCHANT-INITIATED", "MOTO"}}
)

// with joins the fields that requests share with a request's own.
func with(sets ...map[string]property) map[string]property {
	out := map[string]property{}
	for _, set := range sets {
		for name, p := range set {
			out[name] = p
		}
	}
	return out
}

var (
	everyRequest = map[string]property{
		"merchantTransactionId": required(id50), "additionalId1": id50, "additionalId2": id50, "extraData": flatMap, "merchantMetaData": text255,
	}
	itsMoney   = map[string]property{"amount": amount, "currency": currency}
	itsURLs    = map[string]property{"successUrl": anyURL, "cancelUrl": anyURL, "errorUrl": anyURL, "callbackUrl": anyURL}
	itsCard    = map[string]property{"transactionToken": aToken, "description": text255, "customer": aCustomer, "language": aLanguage}
	itsObjects = map[string]property{"schedule": aSchedule, "customerProfileData": aProfile, "threeDSecureData": aThreeDS, "l2l3Data": anL2L3}
	aReference = map[string]property{"referenceUuid": required(id50)}
)

var (
	debitSchema = with(everyRequest, itsMoney, itsURLs, itsCard, itsObjects, map[string]property{
		"surchargeAmount": anOptional, "referenceUuid": id50, "items": anItems, "withRegister": {kind: boolean}, "transactionIndicator": anIndicator,
		"payByLink": aPayByLink,
	})
	preauthorizeSchema = with(debitSchema, map[string]property{"captureInMinutes": {shape: minutesShape}})
	// isFinalCapture is of newer material.
	captureSchema = with(everyRequest, itsMoney, aReference, map[string]property{
		"description": text255, "items": anItems, "l2l3Data": anL2L3, "isFinalCapture": {kind: boolean},
	})
	voidSchema       = with(everyRequest, aReference, map[string]property{"amount": anOptional, "currency": {shape: currencyShape}})
	registerSchema   = with(everyRequest, itsURLs, itsCard, itsObjects)
	deregisterSchema = with(everyRequest, aReference, map[string]property{"tokenType": {oneOf: []string{"ALL", "PAN", "NT"}}})
	refundSchema     = with(everyRequest, itsMoney, aReference, map[string]property{
		"callbackUrl": anyURL, "transactionToken": aToken, "description": text255, "items": anItems,
	})
	payoutSchema    = with(everyRequest, itsMoney, itsURLs, itsCard, map[string]property{"referenceUuid": id50, "items": anItems})
	incrementSchema = with(everyRequest, itsMoney, itsURLs, aReference, map[string]property{
		"transactionToken": aToken, "description": text255, "items": anItems, "l2l3Data": anL2L3, "language": aLanguage,
	})
)

// The schemas of schedules. A missing registrationUuid has a code of its own, and
// so has a date that cannot be read.
var (
	updateScheduleSchema = map[string]property{
		"registrationUuid": {max: 50}, "amount": anOptional, "currency": {shape: currencyShape}, "periodLength": {kind: number, whole: true},
		"periodUnit": {oneOf: units}, "startDateTime": {min: 1, max: 40}, "callbackUrl": anyURL,
	}
	startScheduleSchema = with(updateScheduleSchema, itsMoney, map[string]property{
		"periodLength": required(property{kind: number, whole: true}), "periodUnit": required(property{oneOf: units}),
		"startDateTime": required(property{max: 40}), "merchantMetaData": text255,
	})
	continueScheduleSchema = map[string]property{"continueDateTime": {max: 40}}
	optionsSchema          = map[string]property{"parameters": flatMap}
)

// request is a checked body.
type request map[string]any

func (r request) text(name string) string {
	s, _ := r[name].(string)
	return s
}

func (r request) flag(name string) bool {
	b, _ := r[name].(bool)
	return b
}

func (r request) object(name string) map[string]any {
	o, _ := r[name].(map[string]any)
	return o
}

// parse decodes and checks a body. The returned error is the text of a 1002;
// the wording "root: 'amount' is required" is the provider's, the others follow
// it (ASSUMPTION). Names are compared exactly, case included.
func parse(body []byte, schema map[string]property) (request, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("root: the body is not valid JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("root: the body is not valid JSON")
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("root: must be an object")
	}
	if err := checkObject("root", fields, schema); err != nil {
		return nil, err
	}
	return fields, nil
}

func checkObject(path string, fields map[string]any, schema map[string]property) error {
	for _, name := range slices.Sorted(maps.Keys(schema)) {
		if _, ok := fields[name]; !ok && schema[name].required {
			return fmt.Errorf("%s: '%s' is required", path, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p, known := schema[name]
		if !known {
			return fmt.Errorf("%s: additional property '%s' is not allowed", path, name)
		}
		if err := checkValue(name, fields[name], p); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(name string, value any, p property) error {
	switch p.kind {
	case boolean:
		if _, ok := value.(bool); !ok {
			return fmt.Errorf("%s: must be a boolean", name)
		}
	case number:
		n, ok := value.(json.Number)
		if !ok {
			return fmt.Errorf("%s: must be a number", name)
		}
		if _, err := n.Int64(); p.whole && err != nil {
			return fmt.Errorf("%s: must be a whole number", name)
		}
	case array:
		entries, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s: must be an array", name)
		}
		return checkEntries(name, entries, p.items)
	case objectOrArray:
		// The table says object, and a list is meant: both are taken.
		switch v := value.(type) {
		case []any:
			return checkEntries(name, v, p.items)
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				if err := checkEntries(name, []any{v[key]}, p.items); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s: must be an object", name)
		}
	case object:
		fields, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: must be an object", name)
		}
		if p.one && len(fields) != 1 {
			return fmt.Errorf("%s: must have exactly one property", name)
		}
		if p.fields != nil {
			return checkObject(name, fields, p.fields)
		}
		if p.flat {
			for _, key := range slices.Sorted(maps.Keys(fields)) {
				if _, ok := fields[key].(string); !ok {
					return fmt.Errorf("%s.%s: must be a string", name, key)
				}
			}
		}
	default:
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s: must be a string", name)
		}
		return checkText(name, s, p)
	}
	return nil
}

func checkEntries(name string, entries []any, fields map[string]property) error {
	for _, entry := range entries {
		o, ok := entry.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: must hold objects", name)
		}
		if err := checkObject(name, o, fields); err != nil {
			return err
		}
	}
	return nil
}

func checkText(name, s string, p property) error {
	length := utf8.RuneCountInString(s)
	switch {
	case length < p.min:
		return fmt.Errorf("%s: must be at least %d characters long", name, p.min)
	case p.max > 0 && length > p.max:
		return fmt.Errorf("%s: must be at most %d characters long", name, p.max)
	case p.shape != nil && !p.shape.MatchString(s):
		return fmt.Errorf("%s: does not match the pattern %s", name, p.shape)
	case p.isURL && !isHTTPURL(s):
		return fmt.Errorf("%s: must be an http or https URL", name)
	}
	if p.oneOf == nil {
		return nil
	}
	for _, allowed := range p.oneOf {
		if s == allowed {
			return nil
		}
	}
	return fmt.Errorf("%s: must be one of %s", name, strings.Join(p.oneOf, ", "))
}

func isHTTPURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// minorUnits converts a checked amount to minor units of a currency with the
// given number of decimals. ASSUMPTION: zero and more decimals than the
// currency has are refused.
func minorUnits(amount string, decimals int) (int64, error) {
	whole, fraction, _ := strings.Cut(amount, ".")
	if len(fraction) > decimals {
		return 0, fmt.Errorf("amount: the currency has %d decimals", decimals)
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount: out of range")
	}
	if minor == 0 {
		return 0, fmt.Errorf("amount: must be above 0")
	}
	return minor, nil
}

// majorUnits prints minor units with the currency's decimals.
func majorUnits(minor int64, decimals int) string {
	digits := strconv.FormatInt(minor, 10)
	if decimals == 0 {
		return digits
	}
	if missing := decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
}
