package cardflo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	text kind = iota
	boolean
	object
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
}

var (
	amountShape   = regexp.MustCompile(`^(([0-9]{1,10})|([0-9]{1,10}\.[0-9]{1,3}))$`)
	currencyShape = regexp.MustCompile(`^[A-Z]{3}$`)
	languageShape = regexp.MustCompile(`^[a-z]{2}$`)
	countryShape  = regexp.MustCompile(`^[A-Z]{2}$`)
	dayShape      = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

var (
	id50     = property{min: 1, max: 50}
	text50   = property{max: 50}
	text255  = property{max: 255}
	anyURL   = property{isURL: true, max: 2048}
	flatMap  = property{kind: object, flat: true}
	opaque   = property{kind: object}
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
	"extraData": flatMap, "paymentData": opaque,
}

var debitSchema = map[string]property{
	"merchantTransactionId": required(id50), "amount": amount, "currency": currency,
	"surchargeAmount": {shape: amountShape},
	"additionalId1":   id50, "additionalId2": id50, "extraData": flatMap, "merchantMetaData": text255,
	"referenceUuid": id50, "successUrl": anyURL, "cancelUrl": anyURL, "errorUrl": anyURL, "callbackUrl": anyURL,
	"transactionToken": {min: 1, max: 255}, "description": text255, "items": {kind: objectOrArray},
	"withRegister":         {kind: boolean},
	"transactionIndicator": {oneOf: []string{"SINGLE", "INITIAL", "RECURRING", "CARDONFILE", "CARDONFILE-MERCHANT-INITIATED", "MOTO"}},
	"customer":             {kind: object, fields: customerFields}, "schedule": opaque, "customerProfileData": opaque,
	"threeDSecureData": opaque, "l2l3Data": opaque, "language": {shape: languageShape},
}

var refundSchema = map[string]property{
	"merchantTransactionId": required(id50), "amount": amount, "currency": currency, "referenceUuid": required(id50),
	"additionalId1": id50, "additionalId2": id50, "extraData": flatMap, "merchantMetaData": text255, "callbackUrl": anyURL,
	"transactionToken": {min: 1, max: 255}, "description": text255, "items": {kind: objectOrArray},
}

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
	for _, name := range sortedKeys(schema) {
		if _, ok := fields[name]; !ok && schema[name].required {
			return fmt.Errorf("%s: '%s' is required", path, name)
		}
	}
	for _, name := range sortedKeys(fields) {
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
	case objectOrArray:
		_, isObject := value.(map[string]any)
		_, isArray := value.([]any)
		if !isObject && !isArray {
			return fmt.Errorf("%s: must be an object", name)
		}
	case object:
		fields, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: must be an object", name)
		}
		if p.fields != nil {
			return checkObject(name, fields, p.fields)
		}
		if p.flat {
			for _, key := range sortedKeys(fields) {
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

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
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
