package providers

import "github.com/counterfoil/counterfoil/services/domain"

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

// Settings names the public values of a connection.
func (r Registration) Settings() []string { return r.names(false) }

// Secrets names the sealed values of a connection.
func (r Registration) Secrets() []string { return r.names(true) }

func (r Registration) names(secret bool) []string {
	var out []string
	for _, f := range r.Fields {
		if f.Secret == secret {
			out = append(out, f.Name)
		}
	}
	return out
}
