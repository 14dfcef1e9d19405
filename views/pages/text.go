package pages

import (
	"fmt"
	"strings"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// titled gives the layout a title where the handler gave none.
func titled(m layouts.Model, title string) layouts.Model {
	if m.Title == "" {
		m.Title = title
	}
	return m
}

func placed(m layouts.Model, title string, active layouts.Nav) layouts.Model {
	m = titled(m, title)
	if m.Active == layouts.NavNone {
		m.Active = active
	}
	return m
}

func invalid(err string) templ.Attributes {
	if err == "" {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true"}
}

func describedBy(on bool, ids string) templ.Attributes {
	if !on {
		return nil
	}
	return templ.Attributes{"aria-describedby": ids}
}

func autofocus(on bool) templ.Attributes {
	if !on {
		return nil
	}
	return templ.Attributes{"autofocus": true}
}

// appAccount is how an authenticator app lists the account.
func appAccount(email string) string {
	if email == "" {
		return "Counterfoil"
	}
	return "Counterfoil, " + email
}

// possessive is a name's own: "Cardflo’s", "Northgate Payments’".
func possessive(name string) string {
	if strings.HasSuffix(name, "s") {
		return name + "’"
	}
	return name + "’s"
}

func noticeWords(n Notice) string {
	switch n {
	case NoticeSignedOut:
		return "You are signed out."
	case NoticeIdle:
		return "You were away for a while, so we signed you out."
	case NoticeEnded:
		return "Your session has ended. Sign in to go on."
	case NoticeReady:
		return "Your sign-in is ready. Use it now."
	}
	return ""
}

func passwordHint(least int) string {
	if least <= 0 {
		return "A long one: a sentence of your own is good."
	}
	return fmt.Sprintf("%d characters or more. A sentence of your own is good.", least)
}

// inWords names a currency after "in": "pounds", or its code.
func inWords(c money.Currency) string {
	switch c.Code() {
	case "GBP":
		return "pounds"
	case "EUR":
		return "euros"
	case "USD":
		return "US dollars"
	case "JPY":
		return "yen"
	case "KWD":
		return "Kuwaiti dinars"
	}
	return c.Code()
}

// sign is what stands before an amount of a field: the currency's sign, or
// nothing when pages write codes.
func sign(c money.Currency, many bool) string {
	if many || c.Symbol() == c.Code() {
		return ""
	}
	return c.Symbol()
}

func signOrCode(c money.Currency, many bool) string {
	if s := sign(c, many); s != "" {
		return s
	}
	return c.Code()
}
