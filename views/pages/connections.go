package pages

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

func connectionURL(id domain.ConnectionID, tail string) templ.SafeURL {
	return templ.SafeURL("/connections/" + id.String() + tail)
}

func newConnectionURL(system string) templ.SafeURL {
	return templ.SafeURL("/connections/new?provider=" + url.QueryEscape(system))
}

func connectionStatus(s ConnectionState) components.Status {
	switch s {
	case ConnectionActive:
		return components.Status{Word: "Active", Tone: "good", Icon: "circle-check"}
	case ConnectionPaused:
		return components.Status{Word: "Paused", Tone: "quiet", Icon: "pause"}
	case ConnectionRemoved:
		return components.Status{Word: "Removed", Tone: "quiet", Icon: "ban"}
	}
	return components.Status{Word: "Needs attention", Tone: "warn", Icon: "triangle-alert", Loud: true}
}

func offerStatus(offered bool) components.Status {
	if offered {
		return components.Status{Word: "Yes", Tone: "good", Icon: "check"}
	}
	return components.Status{Word: "No", Tone: "quiet", Icon: "x"}
}

func testStatus(ok bool) components.Status {
	if ok {
		return components.Status{Word: "Accepted", Tone: "good", Icon: "circle-check"}
	}
	return components.Status{Word: "Failed", Tone: "bad", Icon: "circle-x"}
}

func modeWord(m domain.Mode) string {
	if m == domain.Test {
		return "Test"
	}
	return "Live"
}

// fieldID is a field's id and the name that it is posted under.
func fieldID(f ConnectionField) string { return FieldPrefix + f.Name }

func fieldErrors(fields []ConnectionField, errs map[string]string) []components.FieldError {
	var out []components.FieldError
	for _, f := range fields {
		if text := errs[f.Name]; text != "" {
			out = append(out, components.FieldError{Field: fieldID(f), Text: f.Label + ": " + text})
		}
	}
	return out
}

func summaryTitle(n int, nothing string) string {
	if n == 1 {
		return "One thing to fix. " + nothing
	}
	return strconv.Itoa(n) + " things to fix. " + nothing
}

// connectionSummary is the summary above the form: nothing for a form that is
// shown for the first time.
func connectionSummary(v ConnectionFormView) (title string, errs []components.FieldError) {
	for _, name := range []string{"name", "base_url"} {
		if text := v.Errors[name]; text != "" {
			errs = append(errs, components.FieldError{Field: name, Text: text})
		}
	}
	errs = append(errs, fieldErrors(v.Fields, v.Errors)...)
	if v.PasswordError != "" {
		errs = append(errs, components.FieldError{Field: "password", Text: v.PasswordError})
	}
	nothing := "Nothing was added."
	if !v.ID.IsZero() {
		nothing = "Nothing was changed."
	}
	switch {
	case v.FormError != "":
		return v.FormError, errs
	case len(errs) > 0:
		return summaryTitle(len(errs), nothing), errs
	}
	return "", nil
}

func rotationFields(v ConnectionView) []ConnectionField {
	var out []ConnectionField
	for _, c := range v.Credentials {
		f := c.Field
		f.Required = false // what is left empty stays as it is
		out = append(out, f)
	}
	return out
}

// rotationSummary is the summary above the replacing of credentials.
func rotationSummary(v ConnectionView) (title string, errs []components.FieldError) {
	errs = fieldErrors(rotationFields(v), v.Errors)
	for _, e := range []components.FieldError{{Field: "password", Text: v.PasswordError}, {Field: "checked", Text: v.CheckedError}} {
		if e.Text != "" {
			errs = append(errs, e)
		}
	}
	switch {
	case v.FormError != "":
		return v.FormError, errs
	case len(errs) > 0:
		return summaryTitle(len(errs), "Nothing was changed."), errs
	}
	return "", nil
}

// credentialWords is what a page says of a credential.
func credentialWords(m layouts.Model, c CredentialShown) string {
	if !c.Set {
		return "Not set"
	}
	return "Set " + m.Zone().Full(c.At)
}

func endsWith(c CredentialShown) string {
	if c.Last4 == "" {
		return "••••"
	}
	return "•••• " + c.Last4
}

func currencyList(v ConnectionView) string {
	var codes []string
	for _, c := range v.Currencies {
		codes = append(codes, c.Code())
	}
	if len(codes) == 0 {
		return "None of yours"
	}
	return strings.Join(codes, ", ")
}

func offeredCount(v ConnectionView) string {
	n := 0
	for _, o := range v.Offers {
		if o.Offered {
			n++
		}
	}
	return strconv.Itoa(n) + " of " + strconv.Itoa(len(v.Offers))
}

// stepState says of a step of the rotation whether it is done, now, or later.
func stepState(r RotationStep, step int) string {
	at := map[RotationStep]int{RotationNone: 1, RotationBeside: 2, RotationConfirmed: 3, RotationSwitched: 4}[r]
	switch {
	case step < at:
		return "done"
	case step == at:
		return "now"
	}
	return "later"
}

func stepCurrent(r RotationStep, step int) templ.Attributes {
	if stepState(r, step) == "now" {
		return templ.Attributes{"aria-current": "step"}
	}
	return nil
}

func requiredWords(f ConnectionField) bool { return !f.Required && f.Kind != "yes_no" }

func describes(f ConnectionField) string {
	id := fieldID(f)
	if f.Hint != "" {
		return id + "-hint " + id + "-err"
	}
	return id + "-err"
}

func inputType(f ConnectionField) string {
	switch {
	case f.Secret:
		return "password"
	case f.Kind == "url":
		return "url"
	}
	return "text"
}

// hasEmptyOption says that a system has words of its own for "not chosen".
func hasEmptyOption(f ConnectionField) bool {
	return slices.ContainsFunc(f.Options, func(o FieldOption) bool { return o.Value == "" })
}
