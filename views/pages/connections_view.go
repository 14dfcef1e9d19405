package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// ConnectionState is a connection's state as pages name it.
type ConnectionState string

// The states.
const (
	ConnectionActive    ConnectionState = "active"
	ConnectionPaused    ConnectionState = "paused"
	ConnectionAttention ConnectionState = "attention"
	ConnectionRemoved   ConnectionState = "removed"
)

// ConnectionsView is /connections.
type ConnectionsView struct {
	Layout layouts.Model
	Rows   []ConnectionRow
}

// ConnectionRow is one connection of the list.
type ConnectionRow struct {
	ID       domain.ConnectionID
	Name     string
	System   string
	Mode     domain.Mode
	State    ConnectionState
	Why      string // why it needs attention
	Offers   string // in a few words
	Rotating bool
	TestedAt time.Time // zero: never
	TestOK   bool
	CanTest  bool
}

// SystemChoice is one system that a connection can be made to.
type SystemChoice struct{ Name, Label, Where string }

// ConnectionFormView is /connections/new, and with an ID /connections/:id/edit,
// which has no credentials and asks for the password instead. With an empty
// Provider the page only chooses the system, by links that are GETs. Otherwise it is that system's
// form, posted to /connections as _csrf, _key, provider, name, base_url and, for
// each of Fields, FieldPrefix and its name. On 422 the values come back in it,
// never a secret.
type ConnectionFormView struct {
	Layout    layouts.Model
	ID        domain.ConnectionID // the one that is changed
	Systems   []SystemChoice
	Provider  string
	Label     string
	Key       string // the new connection's id, minted when the page is rendered
	Name      string
	BaseURL   string
	Addresses []string // what the document names for this mode, with what for
	Fields    []ConnectionField
	Errors    map[string]string // by field name
	FormError string            // one sentence for the whole form

	PasswordError string
}

// FieldPrefix stands before a system's own field names in forms.
const FieldPrefix = "f-"

// ConnectionField is one value that a system asks for.
type ConnectionField struct {
	Name     string
	Label    string
	Hint     string
	Kind     string // text, url, choice or yes_no
	Secret   bool
	Required bool
	Options  []FieldOption
	Value    string // never of a secret
}

// FieldOption is one choice of a field.
type FieldOption struct{ Value, Label string }

// RotationStep is how far the replacing of credentials has come.
type RotationStep string

// The steps.
const (
	RotationNone      RotationStep = ""
	RotationBeside    RotationStep = "beside"
	RotationConfirmed RotationStep = "confirmed"
	RotationSwitched  RotationStep = "switched"
)

// CredentialShown is what a page may know of a credential.
type CredentialShown struct {
	Set   bool
	Last4 string // empty for a short one
	At    time.Time
}

// CredentialRow is one credential in its slots.
type CredentialRow struct {
	Field                   ConnectionField
	Current, Next, Previous CredentialShown
}

// OfferRow is one capability of a connection.
type OfferRow struct {
	Capability domain.Capability
	Offered    bool
	Why        string
}

// ConnectionView is /connections/:id. It holds no secret. Its forms are posted
// to the addresses below it: test, pause, resume, remove, and rotate with
// rotate/confirm, rotate/switch, rotate/cancel and rotate/retire. The first of
// the rotation takes each credential as FieldPrefix and its name, and password;
// confirm takes checked where CanTest is false.
type ConnectionView struct {
	Layout      layouts.Model
	ID          domain.ConnectionID
	Name        string
	System      string
	Mode        domain.Mode
	State       ConnectionState
	Why         string
	CreatedAt   time.Time
	RemovedAt   time.Time
	Currencies  []money.Currency
	Values      [][2]string
	Credentials []CredentialRow
	Offers      []OfferRow
	CanTest     bool
	WhyNoTest   string

	TestedAt              time.Time
	TestOK                bool
	TestSaid, TestMeaning string

	Rotation    RotationStep
	ConfirmedAt time.Time

	CallbackURL string
	HintsOnly   bool
	Quarantined string // "3 callbacks", or empty

	// What a refused form brought: Errors by the system's own field names, of
	// which one may be called password too.
	Errors                      map[string]string
	PasswordError, CheckedError string
	FormError                   string
	// ConfirmSaid and ConfirmMeaning are what the provider answered to a
	// confirmation that it refused.
	ConfirmSaid, ConfirmMeaning string
}
