package providers

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// The interfaces below follow one rule: a method that takes an AttemptRef may
// move money or change something at the provider, is sent at most once, and
// answers like SellByToken: a decline is a Result, a fault is an *Error whose
// NotDone says whether it certainly did not happen. Every other method reads.

// TokenPreauthorizer holds an amount on a card token without taking it.
type TokenPreauthorizer interface {
	PreauthorizeByToken(ctx context.Context, req SaleRequest) (Result, error)
}

// PagePreauthorizer holds an amount on a card that is typed on the provider's
// own page.
type PagePreauthorizer interface {
	PreauthorizeByPage(ctx context.Context, req SaleRequest) (Result, error)
}

// SurchargeTaker says that SaleRequest.Surcharge is sent (seed 003, "Debit",
// surchargeAmount).
type SurchargeTaker interface{ TakesSurcharge() }

// AutoCapturer says that SaleRequest.CaptureAfter is sent with a
// preauthorization (seed 003, "Preauthorize", captureInMinutes).
type AutoCapturer interface{ CapturesByItself() }

// HoldKeeper says how long a preauthorization is held at most, for the alert
// before it lapses; an answer that tells its own time counts more.
type HoldKeeper interface{ HoldsFor() time.Duration }

// Capturer takes a held amount, or a part of it.
type Capturer interface {
	Capture(ctx context.Context, req CaptureRequest) (Result, error)
}

// CaptureRequest is what a capture needs. OriginalRef is the provider's id of
// the first preauthorization, whatever was added to it (seed 003).
type CaptureRequest struct {
	Amount      money.Amount // the whole sum to take, tip included
	Tip         money.Amount // the part of Amount that is a tip; zero value: none
	AttemptRef  string
	OriginalRef string
	// Final gives back what is left of the hold.
	Final bool
}

// PreauthVoider releases a held amount.
type PreauthVoider interface {
	VoidPreauth(ctx context.Context, req FollowUp) (Result, error)
}

// SaleVoider undoes a sale or a refund before it is settled: the whole of it.
type SaleVoider interface {
	VoidSale(ctx context.Context, req FollowUp) (Result, error)
}

// FollowUp names an operation that an earlier one is followed up by. Amount is
// the original's whole amount.
type FollowUp struct {
	Amount       money.Amount
	AttemptRef   string
	OriginalRef  string
	OriginalType domain.TransactionType
}

// Increaser adds to a held amount.
type Increaser interface {
	Increase(ctx context.Context, req ChangeRequest) (Result, error)
}

// Decreaser takes away from a held amount.
type Decreaser interface {
	Decrease(ctx context.Context, req ChangeRequest) (Result, error)
}

// ChangeRequest is by how much a hold changes; By is positive both ways.
type ChangeRequest struct {
	By          money.Amount
	AttemptRef  string
	OriginalRef string
}

// TipAdjuster sets the tip of a sale. The last one wins; there is none after
// the batch has closed.
type TipAdjuster interface {
	AdjustTip(ctx context.Context, req TipRequest) (Result, error)
}

// TipRequest is a tip in place of whatever it was.
type TipRequest struct {
	Tip         money.Amount // may be zero
	AttemptRef  string
	OriginalRef string
}

// PayoutMaker sends money to a card without an earlier sale, or beyond one.
type PayoutMaker interface {
	Payout(ctx context.Context, req PayoutRequest) (Result, error)
}

// PayoutRequest names the card by exactly one of Token and OriginalRef.
type PayoutRequest struct {
	Amount      money.Amount
	AttemptRef  string
	Token       string
	OriginalRef string
	Note        string
}

// CardRegistrar stores a card at the provider without taking money: with a
// one-use token, or on the provider's page when Token is empty. Result.Token is
// what SellByToken takes afterwards.
type CardRegistrar interface {
	Register(ctx context.Context, req RegisterRequest) (Result, error)
}

// RegisterRequest is what storing a card needs.
type RegisterRequest struct {
	AttemptRef     string
	Token          string
	OrderReference string
	Email          string
	ReturnURL      string
}

// CardForgetter makes the provider forget a stored card.
type CardForgetter interface {
	Deregister(ctx context.Context, req DeregisterRequest) (Result, error)
}

// DeregisterRequest names the stored card by the token that Register gave.
type DeregisterRequest struct{ AttemptRef, Token string }

// PastTokenFinder gives the card token of an earlier transaction.
type PastTokenFinder interface {
	TokenOf(ctx context.Context, providerRef string) (Result, error)
}

// LinkMaker makes a page that the customer pays on, later and elsewhere.
type LinkMaker interface {
	CreateLink(ctx context.Context, req LinkRequest) (Link, error)
	// CancelLink ends it. Nothing can be paid on it afterwards.
	CancelLink(ctx context.Context, link Link) (Result, error)
}

// LinkRequest is what a link needs.
type LinkRequest struct {
	SaleRequest
	Expires time.Duration // whole minutes; zero: the provider's own
	// SendByEmail asks the provider to write to SaleRequest.Email.
	SendByEmail bool
}

// Link is a pay-by-link page: Result.RedirectURL is its address, ExpiresAt when
// it ends, and CancelRef what CancelLink needs.
type Link struct{ Result }

// LinkMailer says that LinkRequest.SendByEmail is honoured: the provider writes
// to the customer.
type LinkMailer interface{ MailsLinks() }

// OptionsReader asks for a provider's lists of choices, such as issuers.
type OptionsReader interface {
	Options(ctx context.Context, name string, parameters map[string]string) (map[string]string, error)
}

// ConnectionTester asks the provider a harmless question to see whether the
// connection's address and credentials work.
type ConnectionTester interface {
	TestConnection(ctx context.Context) (Probe, error)
}

// Probe is what the provider said to a test. A refusal of the credentials is a
// Probe; an *Error means that no answer could be had.
type Probe struct {
	OK   bool
	Code string // the provider's own, or the HTTP status
	Said string // the provider's own words, scrubbed
	// Meaning is what that means, and ToDo what to do about it, each a sentence
	// for the person at the page; ToDo is empty when OK.
	Meaning, ToDo string
}

// SignIner signs a person of the provider's in, where the API beyond the key
// check needs that (seed 002).
type SignIner interface {
	SignIn(ctx context.Context, username, password string) (ProviderSession, error)
	RefreshSession(ctx context.Context, refreshToken string) (ProviderSession, error)
}

// ProviderSession holds bearer tokens; it is sealed before it is stored and
// never logged.
type ProviderSession struct {
	AccessToken, RefreshToken, TokenType string
	ExpiresAt                            time.Time
	Tenant, User                         string
	MustChangePassword                   bool
}

// Scheduler charges a stored card at intervals (seed 003, "Schedule API").
type Scheduler interface {
	StartSchedule(ctx context.Context, req ScheduleRequest) (Schedule, error)
	UpdateSchedule(ctx context.Context, scheduleRef string, req ScheduleRequest) (Schedule, error)
	GetSchedule(ctx context.Context, scheduleRef string) (Schedule, error)
	PauseSchedule(ctx context.Context, scheduleRef string) (Schedule, error)
	ContinueSchedule(ctx context.Context, scheduleRef string, at time.Time) (Schedule, error)
	CancelSchedule(ctx context.Context, scheduleRef string) (Schedule, error)
}

// ScheduleRequest is a series. In an update, zero values stay as they are.
type ScheduleRequest struct {
	RegistrationRef string
	Amount          money.Amount
	Every           int    // periods of Unit, at least 1
	Unit            string // DAY, WEEK, MONTH or YEAR
	StartAt         time.Time
	Note            string
}

// Schedule is a series as the provider tells it.
type Schedule struct {
	Ref, RegistrationRef string
	Status, Before       string // the provider's words: ACTIVE, PAUSED, CANCELLED, ERROR, CREATE-PENDING
	NextAt               time.Time
	Note                 string
	Raw                  []byte
}
