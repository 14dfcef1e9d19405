package pages

import (
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// TakePaymentView is /payments/new. With an empty ConnectionID the page only
// chooses the connection (by links that are GETs); otherwise it is the form of
// that connection, posted to /payments as _csrf, _key, connection, amount,
// kind, surcharge, capture_after, expires, send_by_email, currency,
// order_reference, email, method, card, card_token, card_brand, card_last4,
// card_expiry, confirm_duplicate and, for a payment on a terminal, terminal,
// tip_percents, tip_amount, tip_skip, metadata, skip_signature, skip_pin,
// no_duplicate_check, store_card and customer. On 422 the values come back in it, never card
// data.
type TakePaymentView struct {
	Layout      layouts.Model
	Connections []ConnectionChoice
	// None says why there is no connection to choose, when there is none.
	None string

	ConnectionID   domain.ConnectionID
	ConnectionName string
	ProviderName   string
	Key            string // idempotency key, minted when the page is rendered
	Amount         string
	Currency       money.Currency // the chosen one
	Currencies     []CurrencyChoice
	OrderReference string
	OrderRequired  bool
	Email          string
	Method         domain.Method // the chosen one; empty: the first possible
	Frame          *CardFrame    // nil: this connection has none
	Page           bool          // the provider's own page is possible
	Cards          []CardChoice
	CardsOffered   bool // the connection takes stored cards, even if none is stored
	Terminal       TerminalForm
	// Unavailable says, per method that is not possible, why.
	Unavailable map[domain.Method]string

	// Kind is what the form does: "sale", "preauth" or "link"; Kinds are the
	// choices, each a link to this form for that kind.
	Kind  string
	Kinds []KindChoice
	// What the connection takes beside the amount, and what was typed.
	CanSurcharge   bool
	Surcharge      string
	CanAutoCapture bool
	CaptureAfter   string // minutes; empty: a person captures it
	Expires        string // minutes
	MailsLinks     bool   // the provider writes to the customer of a link
	SendByEmail    bool
	// Duplicate is the payment like this one that is there already; nil: none.
	Duplicate *DuplicateView

	Errors    map[string]string // by field name
	FormError string            // one sentence for the whole form
}

// The kinds of payment.
const (
	KindSale    = "sale"
	KindPreauth = "preauth"
	KindLink    = "link"
)

// KindChoice is one kind of payment; Reason is why it cannot be chosen.
type KindChoice struct {
	Kind, Reason, URL string
}

// DuplicateView is the first of two payments that look alike.
type DuplicateView struct {
	Payment domain.Payment
	Words   string // "£42.00 · Hamper 2261 · approved at 14:31 by Maya, reference 7K2M04Q9"
}

// ConnectionChoice is one connection to take the payment through.
type ConnectionChoice struct {
	ID       domain.ConnectionID
	Name     string
	Provider string
	How      string // "Card by phone, saved cards"
	Reason   string // why it cannot be used now; empty when it can
}

// CurrencyChoice is a currency of the connection, with the most that may be
// charged at once; a zero Limit means that none is set.
type CurrencyChoice struct {
	Currency money.Currency
	Limit    money.Amount
}

// CardFrame is the provider's frame that posts a token back.
type CardFrame struct {
	URL    string
	Origin string // scheme://host:port, exactly; the page's frame-src names it too
}

// CardChoice is one stored card.
type CardChoice struct {
	Card   domain.StoredCard
	Chosen bool
	Note   string // "expires this month"
	Reason string // why it cannot be used; empty when it can
}
