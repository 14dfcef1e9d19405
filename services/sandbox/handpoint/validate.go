package handpoint

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

// The error shapes are LoopBack's and the details Ajv's, which is what the
// samples of seed 004 show.

type envelope struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	StatusCode int    `json:"statusCode"`
	Name       string `json:"name"`
	Message    string `json:"message"`
	Code       string `json:"code,omitempty"`
	Details    any    `json:"details,omitempty"`
}

// gatewayDetail is error.details of a business error. Its httpStatus may differ
// from the outer one (seed 004: 404 within 400).
type gatewayDetail struct {
	Description string `json:"description"`
	ErrorCode   string `json:"errorCode"`
	ErrorGUID   string `json:"errorGuid"`
	HTTPStatus  int    `json:"httpStatus"`
}

type violation struct {
	Path    string         `json:"path"`
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Info    map[string]any `json:"info"`
}

var errorNames = map[int]string{
	400: "BadRequestError", 401: "UnauthorizedError", 403: "ForbiddenError", 404: "NotFoundError",
	413: "PayloadTooLargeError", 415: "UnsupportedMediaTypeError", 422: "UnprocessableEntityError",
	429: "TooManyRequestsError", 500: "InternalServerError", 502: "BadGatewayError",
	503: "ServiceUnavailableError", 504: "GatewayTimeoutError",
}

func errorEnvelope(status int, message string) envelope {
	name, ok := errorNames[status]
	if !ok {
		name = "Error"
	}
	return envelope{Error: errorBody{StatusCode: status, Name: name, Message: message}}
}

func gatewayError(code, message string, inner int) envelope {
	e := errorEnvelope(http.StatusBadRequest, message)
	e.Error.Code = code
	e.Error.Details = gatewayDetail{Description: message, ErrorCode: code, ErrorGUID: newGUID(), HTTPStatus: inner}
	return e
}

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		// Every value passed here is a plain struct of this package.
		panic(err)
	}
	return body
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v))
}

func writeError(w http.ResponseWriter, e envelope) { writeJSON(w, e.Error.StatusCode, e) }

const amountPattern = `^[1-9]\d*$`

var (
	amountShape = regexp.MustCompile(`^[1-9][0-9]*$`)
	uuidPattern = `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`
	uuidShape   = regexp.MustCompile(uuidPattern)
)

// field is one property of a request schema. All properties are strings.
type field struct {
	required bool
	min, max int
	pattern  string
	shape    *regexp.Regexp
}

// The twelve digits of maxLength are the bound that seed 004 gives for
// refundReversal (999999999999), applied to all (ASSUMPTION).
var (
	amountField   = field{required: true, pattern: amountPattern, shape: amountShape, max: 12}
	currencyField = field{min: 3, max: 3}
	textField     = field{max: 255}
	// ASSUMPTION: the document asks for a UUID and refuses nothing else in
	// words; the emulator refuses what has not the shape of one.
	referenceField = field{pattern: uuidPattern, shape: uuidShape}
)

func needed(f field) field { f.required = true; return f }

var (
	saleSchema = map[string]field{
		"amount": amountField, "currency": needed(currencyField), "cardToken": {required: true, min: 1, max: 255},
		"customerReference": textField, "transactionReference": referenceField,
	}
	refundSchema = map[string]field{
		"originalGuid": {required: true, min: 1, max: 64}, "amount": amountField, "currency": needed(currencyField),
		"customerReference": textField, "transactionReference": referenceField,
	}
	reversalSchema = map[string]field{
		"originalGuid": {required: true, min: 1, max: 64}, "amount": amountField, "currency": currencyField,
		"customerReference": textField, "transactionReference": referenceField,
	}
)

// readBody checks content type, JSON and schema, and answers the request itself
// when one of them is wrong. Property names are compared exactly, case included.
func readBody(w http.ResponseWriter, r *http.Request, schema map[string]field) (map[string]string, bool) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		writeError(w, errorEnvelope(http.StatusUnsupportedMediaType, fmt.Sprintf("Content-type %s does not match [application/json].", media)))
		return nil, false
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		writeError(w, errorEnvelope(http.StatusBadRequest, "request aborted"))
		return nil, false
	}
	var any any
	if err := json.Unmarshal(raw, &any); err != nil {
		e := errorEnvelope(http.StatusBadRequest, "The request body is not valid JSON.")
		e.Error.Name = "SyntaxError"
		writeError(w, e)
		return nil, false
	}
	values, violations := check(any, schema)
	if len(violations) > 0 {
		e := errorEnvelope(http.StatusUnprocessableEntity, "The request body is invalid. See error object `details` property for more info.")
		e.Error.Code = "VALIDATION_FAILED"
		e.Error.Details = violations
		writeError(w, e)
		return nil, false
	}
	return values, true
}

func check(body any, schema map[string]field) (map[string]string, []violation) {
	object, ok := body.(map[string]any)
	if !ok {
		return nil, []violation{{Code: "type", Message: "must be object", Info: map[string]any{"type": "object"}}}
	}
	var out []violation
	values := map[string]string{}
	for _, name := range sortedKeys(schema) {
		if _, ok := object[name]; !ok && schema[name].required {
			out = append(out, violation{Code: "required", Message: fmt.Sprintf("must have required property '%s'", name),
				Info: map[string]any{"missingProperty": name}})
		}
	}
	for _, name := range sortedKeys(object) {
		f, known := schema[name]
		if !known {
			out = append(out, violation{Code: "additionalProperties", Message: "must NOT have additional properties",
				Info: map[string]any{"additionalProperty": name}})
			continue
		}
		value, isString := object[name].(string)
		if !isString {
			out = append(out, violation{Path: "/" + name, Code: "type", Message: "must be string", Info: map[string]any{"type": "string"}})
			continue
		}
		values[name] = value
		length := utf8.RuneCountInString(value)
		switch {
		case length < f.min:
			out = append(out, violation{Path: "/" + name, Code: "minLength",
				Message: fmt.Sprintf("must NOT have fewer than %d characters", f.min), Info: map[string]any{"limit": f.min}})
		case f.max > 0 && length > f.max:
			out = append(out, violation{Path: "/" + name, Code: "maxLength",
				Message: fmt.Sprintf("must NOT have more than %d characters", f.max), Info: map[string]any{"limit": f.max}})
		case f.shape != nil && !f.shape.MatchString(value):
			out = append(out, violation{Path: "/" + name, Code: "pattern",
				Message: fmt.Sprintf("must match pattern %q", strings.ReplaceAll(f.pattern, `"`, "")), Info: map[string]any{"pattern": f.pattern}})
		}
	}
	return values, out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
