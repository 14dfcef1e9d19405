package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
)

// MaxValue is the most characters that one value of a form may have.
const MaxValue = 1024

// Values are the fields of one form, each given at most once.
type Values map[string]string

// Get is the value of a field; "" when the form did not carry it.
func (v Values) Get(field string) string { return v[field] }

// Key is the form's idempotency key.
func (v Values) Key() string { return v[FieldKey] }

// Form reads the posted form, which may have these fields, the form token and
// the idempotency key. A field given twice, a field that is not named, or a
// value that is too long or not text is a bad request (400): a form of ours
// never sends it.
func Form(c echo.Context, fields ...string) (Values, error) {
	if err := parseForm(c); err != nil {
		return nil, err
	}
	out := Values{}
	for name, values := range c.Request().PostForm {
		if name != FieldCSRF && name != FieldKey && !slices.Contains(fields, name) {
			return nil, BadRequest("The form had a field that does not belong to it. Nothing was done.")
		}
		if len(values) != 1 {
			return nil, BadRequest("The form gave a field more than once. Nothing was done.")
		}
		if !IsText(values[0]) || utf8.RuneCountInString(values[0]) > MaxValue {
			return nil, BadRequest("The form had a value that is too long or cannot be read. Nothing was done.")
		}
		out[name] = values[0]
	}
	return out, nil
}

// IsText says that a value from outside can be stored and shown: valid UTF-8
// without control characters other than tabs and line ends. The database
// refuses a NUL, and nobody types the others.
func IsText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\n'
	})
}

// parseForm reads the body once. Values in the address do not count: only
// PostForm is ever looked at.
func parseForm(c echo.Context) error {
	r := c.Request()
	if r.PostForm != nil {
		return nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.ContentLength != 0 && (err != nil || kind != "application/x-www-form-urlencoded") {
		return problem(http.StatusUnsupportedMediaType, "Forms are sent as application/x-www-form-urlencoded.")
	}
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return problem(http.StatusRequestEntityTooLarge, "The form is too large.")
		}
		return BadRequest("The form cannot be read.")
	}
	return nil
}

// Problem is an error with a status that no domain code stands for.
type Problem struct {
	Status int
	err    *domain.Error
}

// Error gives status and message, for logs.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s", p.Status, p.err.Message) }

// Unwrap gives the domain error that carries the sentence.
func (p *Problem) Unwrap() error { return p.err }

// BadRequest is a 400 with a sentence that a person may read: the request was
// not one that our pages make.
func BadRequest(message string) error { return problem(http.StatusBadRequest, message) }

func problem(status int, message string) error {
	return &Problem{Status: status, err: domain.Errorf(domain.Invalid, "%s", message)}
}

// Typed gives the posted values of the named fields, for a page that repeats
// what was typed. A form that cannot be read gives none, and a value that is
// too long or not text is left out: repeating is a kindness and never an error.
func Typed(c echo.Context, fields ...string) Values {
	out := Values{}
	if parseForm(c) != nil {
		return out
	}
	for _, f := range fields {
		values := c.Request().PostForm[f]
		if len(values) == 1 && IsText(values[0]) && utf8.RuneCountInString(values[0]) <= MaxValue {
			out[f] = values[0]
		}
	}
	return out
}
