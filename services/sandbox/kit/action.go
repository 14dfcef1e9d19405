package kit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Acting is an emulator whose provider does things by itself when a person asks
// for them, such as a chargeback. The pages offer them without knowing what they
// are.
type Acting interface {
	// Actions are all that there are, in the page's order, with what can be
	// chosen at this moment.
	Actions() []Action
	// ActionsOn names those actions of OnLine that can be done now about a
	// line of the ledger, in the page's order.
	ActionsOn(line Charge) []string
}

// Action is one button with its fields.
type Action struct {
	// Name is the button's in a form: lower case and hyphens.
	Name string
	// Label is what the button says, Effect in whole sentences what it will
	// do, Done what is said once it was done.
	Label, Effect, Done string
	// OnLine says that it is about a line of the ledger.
	OnLine bool
	// Tells says that it makes a callback.
	Tells  bool
	Fields []ActionField
	// Do does it. The line is the ID of a charge, empty unless OnLine; in holds
	// every field by its name, as Read checked it, empty where nothing was
	// given. It answers whether somebody was called. With an error nothing was
	// changed; the error is a clause in words, without a capital and a stop.
	Do func(line string, in map[string]string) (told bool, err error)
}

// FieldKind is what may be typed into a field.
type FieldKind string

// The kinds of field.
const (
	FieldText   FieldKind = "text"
	FieldNumber FieldKind = "number" // a whole number
	FieldAmount FieldKind = "amount" // in major units of the line's currency
	FieldChoice FieldKind = "choice"
)

// maxFieldText is how long a text may be, in characters.
const maxFieldText = 200

// ActionField is one field of an action.
type ActionField struct {
	Name, Label string
	Kind        FieldKind
	Required    bool
	// Empty says in a few words what an empty field means.
	Empty string
	// Max is how long a text may be; 0 means 200.
	Max int
	// Low and High bound a number; both count.
	Low, High int
	// Options are what a choice offers. A required choice without any takes its
	// whole action off the page.
	Options []Option
}

// Option is one line of a choice.
type Option struct{ Value, Label string }

// FieldError says what is wrong with one field, as a clause in words.
type FieldError struct{ Field, Says string }

func (e *FieldError) Error() string { return e.Says }

// Offered says whether the action can be chosen at all at this moment.
func (a Action) Offered() bool {
	for _, f := range a.Fields {
		if f.Kind == FieldChoice && f.Required && len(f.Options) == 0 {
			return false
		}
	}
	return true
}

// Read takes the fields of the action out of a form, without spaces around
// them. It checks their kind only: what the values mean is the emulator's to
// judge. Its error is a *FieldError.
func (a Action) Read(get func(name string) string) (map[string]string, error) {
	in := make(map[string]string, len(a.Fields))
	for _, f := range a.Fields {
		value := strings.TrimSpace(get(f.Name))
		if says := f.wrong(value); says != "" {
			return nil, &FieldError{Field: f.Name, Says: says}
		}
		in[f.Name] = value
	}
	return in, nil
}

var amountShape = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,3})?$`)

// wrong says what is wrong with a value; empty: nothing is.
func (f ActionField) wrong(value string) string {
	if value == "" {
		if f.Required {
			return fmt.Sprintf("“%s” is empty", f.Label)
		}
		return ""
	}
	switch f.Kind {
	case FieldNumber:
		if n, err := strconv.Atoi(value); err != nil || n < f.Low || n > f.High {
			return fmt.Sprintf("“%s” must be a whole number between %d and %d", f.Label, f.Low, f.High)
		}
	case FieldAmount:
		if !amountShape.MatchString(value) {
			return fmt.Sprintf("“%s” must be an amount, such as 9.50", f.Label)
		}
	case FieldChoice:
		for _, o := range f.Options {
			if o.Value == value {
				return ""
			}
		}
		return fmt.Sprintf("“%s” is not one of the list", f.Label)
	default:
		longest := f.Max
		if longest == 0 {
			longest = maxFieldText
		}
		if utf8.RuneCountInString(value) > longest || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
			return fmt.Sprintf("“%s” must be one line of at most %d characters", f.Label, longest)
		}
	}
	return ""
}
