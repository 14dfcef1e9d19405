package handpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
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
	Description string `json:"description,omitempty"`
	Reason      string `json:"reason,omitempty"`
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

// reasonError is the shape of the preauthorization endpoints, whose details say
// reason in place of description.
func reasonError(code, message string, inner int) envelope {
	e := gatewayError(code, message, inner)
	e.Error.Details = gatewayDetail{Reason: message, ErrorCode: code, ErrorGUID: newGUID(), HTTPStatus: inner}
	return e
}

func writeError(w http.ResponseWriter, e envelope) { kit.WriteJSON(w, e.Error.StatusCode, e) }

const amountPattern = `^[1-9]\d*$`

var (
	amountShape = regexp.MustCompile(`^[1-9][0-9]*$`)
	uuidPattern = `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`
	uuidShape   = regexp.MustCompile(uuidPattern)
)

// Kinds of a property; the empty kind is a string.
const (
	isBoolean = "boolean"
	isInteger = "integer"
	isObject  = "object"
	isArray   = "array"
)

// field is one property of a request schema.
type field struct {
	kind     string
	required bool
	min, max int // characters of a string, items of an array
	pattern  string
	shape    *regexp.Regexp
	object   schema // of an object
	items    *field // of an array
}

type schema map[string]field

// fields are the checked values of a body.
type fields map[string]any

// text is a string property; empty when it is absent.
func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

// number is an integer property, and whether it is given.
func (f fields) number(name string) (int, bool) {
	n, ok := f[name].(json.Number)
	v, err := strconv.Atoi(n.String())
	return v, ok && err == nil
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
	saleSchema = schema{
		"amount": amountField, "currency": needed(currencyField), "cardToken": {required: true, min: 1, max: 255},
		"customerReference": textField, "transactionReference": referenceField,
	}
	refundSchema = schema{
		"originalGuid": {required: true, min: 1, max: 64}, "amount": amountField, "currency": needed(currencyField),
		"customerReference": textField, "transactionReference": referenceField,
	}
	reversalSchema = schema{
		"originalGuid": {required: true, min: 1, max: 64}, "amount": amountField, "currency": currencyField,
		"customerReference": textField, "transactionReference": referenceField,
	}
)

// readBody checks content type, JSON and schema, and answers the request itself
// when one of them is wrong. Property names are compared exactly, case included.
func readBody(w http.ResponseWriter, r *http.Request, sc schema) (fields, bool) {
	body, ok := readJSON(w, r)
	if !ok {
		return nil, false
	}
	return judge(w, body, sc)
}

// judge checks a body by its schema, and answers the request itself when it
// does not fit. Further violations come from what a schema cannot say.
func judge(w http.ResponseWriter, body any, sc schema, further ...violation) (fields, bool) {
	violations := append(checkObject(body, sc, ""), further...)
	if len(violations) > 0 {
		e := errorEnvelope(http.StatusUnprocessableEntity, "The request body is invalid. See error object `details` property for more info.")
		e.Error.Code = "VALIDATION_FAILED"
		e.Error.Details = violations
		writeError(w, e)
		return nil, false
	}
	object, _ := body.(map[string]any)
	return fields(object), true
}

func readJSON(w http.ResponseWriter, r *http.Request) (any, bool) {
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
	var body any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&body); err != nil || !json.Valid(raw) {
		e := errorEnvelope(http.StatusBadRequest, "The request body is not valid JSON.")
		e.Error.Name = "SyntaxError"
		writeError(w, e)
		return nil, false
	}
	return body, true
}

func checkObject(body any, sc schema, path string) []violation {
	object, ok := body.(map[string]any)
	if !ok {
		return []violation{wrongType(path, isObject)}
	}
	var out []violation
	for _, name := range slices.Sorted(maps.Keys(sc)) {
		if _, ok := object[name]; !ok && sc[name].required {
			out = append(out, missing(path, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		f, known := sc[name]
		if !known {
			out = append(out, violation{Path: path, Code: "additionalProperties", Message: "must NOT have additional properties",
				Info: map[string]any{"additionalProperty": name}})
			continue
		}
		out = append(out, checkValue(object[name], f, path+"/"+name)...)
	}
	return out
}

func missing(path, name string) violation {
	return violation{Path: path, Code: "required", Message: fmt.Sprintf("must have required property '%s'", name),
		Info: map[string]any{"missingProperty": name}}
}

func wrongType(path, kind string) violation {
	return violation{Path: path, Code: "type", Message: "must be " + kind, Info: map[string]any{"type": kind}}
}

func checkValue(value any, f field, path string) []violation {
	switch f.kind {
	case isBoolean:
		if _, ok := value.(bool); !ok {
			return []violation{wrongType(path, isBoolean)}
		}
	case isInteger:
		if n, ok := value.(json.Number); !ok || strings.ContainsAny(n.String(), ".eE") {
			return []violation{wrongType(path, isInteger)}
		}
	case isObject:
		return checkObject(value, f.object, path)
	case isArray:
		list, ok := value.([]any)
		if !ok {
			return []violation{wrongType(path, isArray)}
		}
		if len(list) < f.min {
			return []violation{{Path: path, Code: "minItems", Message: fmt.Sprintf("must NOT have fewer than %d items", f.min), Info: map[string]any{"limit": f.min}}}
		}
		var out []violation
		for i, item := range list {
			out = append(out, checkValue(item, *f.items, fmt.Sprintf("%s/%d", path, i))...)
		}
		return out
	default:
		return checkString(value, f, path)
	}
	return nil
}

func checkString(v any, f field, path string) []violation {
	value, ok := v.(string)
	if !ok {
		return []violation{wrongType(path, "string")}
	}
	length := utf8.RuneCountInString(value)
	switch {
	case length < f.min:
		return []violation{{Path: path, Code: "minLength",
			Message: fmt.Sprintf("must NOT have fewer than %d characters", f.min), Info: map[string]any{"limit": f.min}}}
	case f.max > 0 && length > f.max:
		return []violation{{Path: path, Code: "maxLength",
			Message: fmt.Sprintf("must NOT have more than %d characters", f.max), Info: map[string]any{"limit": f.max}}}
	case f.shape != nil && !f.shape.MatchString(value):
		return []violation{{Path: path, Code: "pattern",
			Message: fmt.Sprintf("must match pattern %q", strings.ReplaceAll(f.pattern, `"`, "")), Info: map[string]any{"pattern": f.pattern}}}
	}
	return nil
}
