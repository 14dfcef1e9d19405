package providers

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

// FieldKind is how a form shows a connection's value.
type FieldKind string

// The kinds.
const (
	FieldText   FieldKind = "text"
	FieldURL    FieldKind = "url"
	FieldChoice FieldKind = "choice" // one of Options
	FieldYesNo  FieldKind = "yes_no" // "yes" or empty
)

// Field is one value that a connection of a system needs or may have.
type Field struct {
	Name     string // the adapter's name, for example "sharedSecret"
	Label    string // on the form, in the words of the provider's own portal
	Hint     string // where to find it, one sentence; may be empty
	Kind     FieldKind
	Secret   bool // sealed, write-only, rotated
	Required bool
	Options  []Option
}

// Option is one choice of a FieldChoice.
type Option struct{ Value, Label string }

// Address is a base URL that a provider's document names.
type Address struct {
	URL   string
	Label string
	Mode  domain.Mode
}

// The settings that every connection may have.
const (
	SettingTimeout   = "timeoutSeconds"
	SettingPerMinute = "callsPerMinute"
)

// CommonFields are the values of every connection, behind the system's own.
var CommonFields = []Field{
	{Name: SettingTimeout, Label: "Longest wait for an answer, in seconds", Hint: "Leave it empty unless this connection needs a shorter one; 5 to 30.", Kind: FieldText},
	{Name: SettingPerMinute, Label: "Most calls in a minute", Hint: "Leave it empty unless the provider set a limit.", Kind: FieldText},
}

// AllFields is Fields with CommonFields behind them.
func (r Registration) AllFields() []Field { return append(slices.Clone(r.Fields), CommonFields...) }

// CheckCommon says what is wrong with the common settings, per field.
func CheckCommon(reg Registration, settings map[string]string) map[string]string {
	wrong := map[string]string{}
	if s := settings[SettingTimeout]; s != "" {
		if n, err := strconv.Atoi(s); err != nil || n < 5 || time.Duration(n)*time.Second > reg.Timeout {
			wrong[SettingTimeout] = fmt.Sprintf("Enter whole seconds from 5 to %d, or leave it empty.", int(reg.Timeout/time.Second))
		}
	}
	if s := settings[SettingPerMinute]; s != "" {
		if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 100_000 {
			wrong[SettingPerMinute] = "Enter a whole number from 1 to 100000, or leave it empty."
		}
	}
	return wrong
}

// Limits reads the common settings. What cannot be read is as if it were not
// there: the registration's own bound holds, and a connection can only shorten
// it, because "never arrived" is judged by that bound.
func Limits(reg Registration, settings map[string]string) (timeout time.Duration, perMinute int) {
	timeout = reg.Timeout
	wrong := CheckCommon(reg, settings)
	if n, err := strconv.Atoi(settings[SettingTimeout]); err == nil && wrong[SettingTimeout] == "" {
		timeout = time.Duration(n) * time.Second
	}
	if n, err := strconv.Atoi(settings[SettingPerMinute]); err == nil && wrong[SettingPerMinute] == "" {
		perMinute = n
	}
	return timeout, perMinute
}

// Settings names the public values of a connection.
func (r Registration) Settings() []string { return r.names(false) }

// Secrets names the sealed values of a connection.
func (r Registration) Secrets() []string { return r.names(true) }

func (r Registration) names(secret bool) []string {
	var out []string
	for _, f := range r.AllFields() {
		if f.Secret == secret {
			out = append(out, f.Name)
		}
	}
	return out
}
