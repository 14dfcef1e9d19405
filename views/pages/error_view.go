package pages

import "github.com/counterfoil/counterfoil/views/layouts"

// ErrorView is every error page, 400 to 503. With Layout.SignedIn it stands in
// the ordinary shell. ErrorNote is the same as an out-of-band note for htmx:
// answer with HX-Reswap: none.
type ErrorView struct {
	Layout    layouts.Model
	Status    int
	Message   string // a sentence a person may read; empty: the status's own
	Money     string // what is known about money: "Nothing was charged."; empty when none was meant
	RequestID string
	BackURL   string // where "Go back" leads; empty: the overview
	RetryURL  string // a GET that may be tried again; empty: none
}
