package pages

import (
	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// connectionURLs gives each connection its address of a form.
type connectionURLs func(domain.ConnectionID) templ.SafeURL

// CardsView is /cards, the stored cards, newest first.
type CardsView struct {
	Layout      layouts.Model
	Q           string
	Connection  string
	Connections []components.Option
	Rows        []CardRow
	Pager       components.Pager
	FirstDay    bool // no card is stored at all
	Manage      bool // the person may store and forget cards
	CanStore    bool // some connection stores cards
	CanPayOut   bool // some connection pays out, and the person may
}

// CardRow is one stored card with what can be done with it; an empty address
// means that it cannot.
type CardRow struct {
	Card      domain.StoredCard
	ChargeURL string
	PayoutURL string
}

// NewCardView is /cards/new, posted to /cards as _csrf, _key, connection,
// customer, email, method, card_token, card_brand, card_last4, card_expiry and
// terminal.
type NewCardView struct {
	Layout      layouts.Model
	Connections []ConnectionChoice

	ConnectionID   domain.ConnectionID // zero: the page only chooses the connection
	ConnectionName string
	ProviderName   string
	Key            string
	Customer       string
	Email          string
	Method         domain.Method
	Frame          *CardFrame
	Page           bool // the provider's own page is possible
	Terminal       TerminalForm

	Errors    map[string]string
	FormError string
}

// ForgetCardView is /cards/{id}/forget.
type ForgetCardView struct {
	Layout     layouts.Model
	Card       domain.StoredCard
	AtProvider bool
	Why        string // why it is forgotten here only
	FormError  string
}

func newCardURL(id domain.ConnectionID) templ.SafeURL {
	return templ.SafeURL("/cards/new?connection=" + id.String())
}

func forgetURL(id domain.CardID) templ.SafeURL {
	return templ.SafeURL("/cards/" + id.String() + "/forget")
}

func newCardSummary(v NewCardView) (string, []components.FieldError) {
	return formSummary(v.FormError, v.Errors, "Nothing was stored.", "connection", "customer", "email", "method", "terminal")
}

// newCardFirst lets the script check the frame's radio unless another was chosen.
func newCardFirst(v NewCardView) templ.Attributes {
	if v.Method == domain.MethodFrame || v.Method == "" {
		return templ.Attributes{"data-first": true}
	}
	return nil
}

// newCardFirstPlain is the way that is checked where no script runs.
func newCardFirstPlain(v NewCardView) domain.Method {
	if v.Terminal.Offered() && (v.Method == domain.MethodTerminal || !v.Page) {
		return domain.MethodTerminal
	}
	return domain.MethodPage
}

func orWord(s, none string) string {
	if s == "" {
		return none
	}
	return s
}
