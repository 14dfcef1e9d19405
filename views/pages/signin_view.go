package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// DemoNote is shown on the sign-in pages of demo mode only; nil otherwise.
type DemoNote struct {
	SignIns []DemoSignIn
	// Code is the current six-digit code of the person who signs in, for the
	// second step; empty on the first.
	Code string
}

// DemoSignIn is one published demo account.
type DemoSignIn struct {
	Merchant string
	Name     string
	Role     string
	Email    string
	Password string
}

// Notice says why somebody sees the sign-in page.
type Notice string

// The notices. NoticeNone is an ordinary visit.
const (
	NoticeNone      Notice = ""
	NoticeSignedOut Notice = "signed_out" // pressed Sign out
	NoticeIdle      Notice = "idle"       // was away too long
	NoticeEnded     Notice = "ended"      // the session reached its twelve hours, or was ended elsewhere
	NoticeReady     Notice = "ready"      // set-up is complete
)

// SignInView is the first step: e-mail and password, posted to /signin as
// email, password, next and _csrf. Status 200, or 422/429 with Error.
type SignInView struct {
	Layout    layouts.Model
	Email     string
	Next      string // a local path to go to afterwards
	Error     string // one sentence, the same for an unknown e-mail
	LockedFor time.Duration
	Notice    Notice
	Demo      *DemoNote
}

// TOTPView is the second step: code, posted to /signin/totp with next and
// _csrf.
type TOTPView struct {
	Layout    layouts.Model
	Email     string
	Next      string
	Error     string
	LockedFor time.Duration
	Demo      *DemoNote
}

// SetupStep is a step of a new person's set-up.
type SetupStep string

// The steps, in order.
const (
	SetupPassword SetupStep = "password"
	SetupFactor   SetupStep = "factor"
)

// SetupView is a one-time link's page, posted to /setup/{Token} with the
// hidden field step and then password, or code. SetupGone is the page for a
// link that is used up or too old.
type SetupView struct {
	Layout      layouts.Model
	Token       string
	Step        SetupStep
	Name        string
	Email       string
	Merchant    string
	MinPassword int    // least length
	Error       string // of the step's one field
	Secret      string // the factor's secret as text, in groups of four
	QRURL       string // same-origin image of the secret
}

// ExpiredView answers a form that came after its session had ended. The status
// is 401; Kept are the typed values, never a password, a code or card data.
type ExpiredView struct {
	Layout    layouts.Model
	Nothing   string // "Nothing was charged.", "Nothing was refunded."; empty when no money was meant
	Kept      []components.Line
	SignInURL string // /signin?next=…
}
