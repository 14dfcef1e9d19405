package components

import "github.com/counterfoil/counterfoil/services/money"

// Flash is one sentence shown once at the top of a page. It never carries the
// result of moving money: that is on the payment's own page.
type Flash struct {
	Tone string // good info warn bad; info when empty
	Text string
}

// Option is one choice of a select, a set of radios or a set of checkboxes.
type Option struct {
	Value   string
	Label   string
	Chosen  bool
	Count   int    // shown beside the label when above zero
	Reason  string // why it cannot be chosen; not empty means disabled
	Tone    string // with Icon: the option is a status
	IconRef string
}

// Chip is one active filter, removable by its link.
type Chip struct {
	Label     string // "Status: Approved"
	RemoveURL string
}

// Tab is one saved view of a list.
type Tab struct {
	Label  string
	URL    string
	Active bool
	Count  int // shown when above zero
}

// Pager goes to newer and older rows. An empty URL means there is no such page.
type Pager struct {
	NewerURL string
	OlderURL string
	Words    string // "14:31 back to 13:52"
	Total    string // "£2,124.70 approved in this filter", empty when not counted
}

// FieldError is one line of the summary above a form.
type FieldError struct {
	Field string // the input's id, without #
	Text  string
}

// Line is one label and value of a receipt or a list of facts.
type Line struct {
	Label string
	Value string
	Mono  bool
}

// Receipt is what both copies of a paper receipt say.
type Receipt struct {
	Merchant string
	Address  []string
	Facts    []Line // sale, card, authorisation code, reference
	Amounts  []Line // parts of the total, then what was refunded
	Total    string
	// TotalWord stands before the total; empty: "TOTAL".
	TotalWord string
	Outcome   string // "APPROVED"
	Words     string // one more sentence, for example "Card not present"
	Test      bool   // prints TEST across the total
}

// Format writes an amount the way a page does: with the sign of its currency,
// or with its code when the merchant has more than one currency.
func Format(a money.Amount, manyCurrencies bool) string {
	if manyCurrencies {
		return a.FormatCode()
	}
	return a.Format()
}
