package pages

import (
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// ListState says what stands where the rows would be.
type ListState string

// The states of a list.
const (
	ListRows     ListState = ""
	ListFirstDay ListState = "first_day" // nothing was ever taken
	ListNoMatch  ListState = "no_match"  // the filter finds nothing
	ListFailed   ListState = "failed"    // the list could not be read
)

// PaymentsListView is /payments. The filter form is a plain GET to /payments;
// PaymentsResults is its fragment (answered when HX-Target is
// "section#results").
type PaymentsListView struct {
	Layout layouts.Model
	Tabs   []components.Tab
	Filter PaymentsFilter
	State  ListState
	Rows   []domain.Payment
	Pager  components.Pager
	// ExportURL is the CSV of the same filter; empty when the person may not.
	ExportURL string
	ErrorRef  string // the request id, with ListFailed
}

// PaymentsFilter is the filter as typed: values come back even when they are
// wrong, with one sentence per field in Errors (keys are field names).
type PaymentsFilter struct {
	Q           string
	From        string // YYYY-MM-DD
	To          string
	Min         string
	Max         string
	Statuses    []components.Option // field status, several
	Device      string              // a terminal, from the address
	Methods     []components.Option // field method, several
	Type        string              // field type, kept when the form is sent again
	Currencies  []components.Option // field currency, several; fewer than two: not shown
	Connections []components.Option // field connection, several; fewer than two: not shown
	Chips       []components.Chip   // the active ones
	ClearURL    string              // everything off
	Errors      map[string]string
}

// StatusOptions lists the statuses for the filter menu with the chosen ones
// marked.
func StatusOptions(chosen []domain.PaymentStatus) []components.Option {
	opts := make([]components.Option, 0, len(domain.PaymentStatuses))
	for _, s := range domain.PaymentStatuses {
		st := components.PaymentStatus(s)
		o := components.Option{Value: string(s), Label: st.Word, Tone: st.Tone, IconRef: st.Icon}
		for _, c := range chosen {
			o.Chosen = o.Chosen || c == s
		}
		opts = append(opts, o)
	}
	return opts
}

// MethodOptions lists the methods for the filter menu with the chosen ones
// marked.
func MethodOptions(chosen []domain.Method) []components.Option {
	var opts []components.Option
	for _, m := range domain.Methods {
		o := components.Option{Value: string(m), Label: m.Label()}
		for _, c := range chosen {
			o.Chosen = o.Chosen || c == m
		}
		opts = append(opts, o)
	}
	return opts
}
