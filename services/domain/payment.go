package domain

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/money"
)

// Mode keeps test and live apart for ever.
type Mode string

// The two modes.
const (
	Live Mode = "live"
	Test Mode = "test"
)

// Merchant is the tenant: a shop.
type Merchant struct {
	ID         MerchantID
	Name       string
	Place      string // shown under the name, for example "Quay Street, Bristol"
	Address    string // printed on receipts
	TimeZone   string // IANA name; pages, CSV and receipts use it
	Mode       Mode
	Currencies []money.Currency // the first is the one that forms preselect
	CreatedAt  time.Time
}

// Location is the merchant's time zone, UTC when the name is not known here.
func (m Merchant) Location() *time.Location {
	if loc, err := time.LoadLocation(m.TimeZone); err == nil {
		return loc
	}
	return time.UTC
}

// Format writes an amount as this merchant's pages do: with the currency's sign,
// or with its code when the merchant has more than one currency.
func (m Merchant) Format(a money.Amount) string {
	if len(m.Currencies) > 1 {
		return a.FormatCode()
	}
	return a.Format()
}

// Method is how the card reaches the provider.
type Method string

// The methods of a telephone sale.
const (
	MethodFrame Method = "frame" // typed into the provider's frame on our page, which posts a token
	MethodPage  Method = "page"  // typed on the provider's own page (REDIRECT)
	MethodCard  Method = "card"  // a stored card token

	MethodTerminal Method = "terminal" // on a terminal, from our form or by itself

	// The two below are told by a provider, never chosen on our form.
	MethodSchedule Method = "schedule" // a run of a schedule
	MethodProvider Method = "provider" // made at the provider, in its own portal

	// MethodLink is paid by the customer on the provider's page, later and
	// elsewhere.
	MethodLink Method = "link"
)

// Methods lists them in the order of the filter menu.
var Methods = []Method{MethodFrame, MethodPage, MethodCard, MethodTerminal, MethodSchedule, MethodProvider, MethodLink}

// ParseMethod reads a form's or a filter's value.
func ParseMethod(s string) (Method, bool) {
	m := Method(s)
	return m, slices.Contains(Methods, m)
}

// Label is the method's word on a page.
func (m Method) Label() string {
	switch m {
	case MethodFrame:
		return "Phone"
	case MethodPage:
		return "Phone, provider’s page"
	case MethodCard:
		return "Saved card"
	case MethodTerminal:
		return "Terminal"
	case MethodSchedule:
		return "Schedule"
	case MethodProvider:
		return "At the provider"
	case MethodLink:
		return "Payment link"
	}
	return string(m)
}

// Card is what we may know of a card: never more than its last four digits.
type Card struct {
	// Brand is "Visa"; empty while unknown. What is paid with and is no card is
	// named here too: "Bank account", "Telephone", "Wallet".
	Brand  string
	Last4  string
	Expiry string // MM/YY
}

// CardBrand is a brand's name as pages write it, from what providers call it:
// "VISA" and "visa" are "Visa". What is no name is dropped.
func CardBrand(s string) string {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "visa":
		return "Visa"
	case "mastercard", "master", "mc":
		return "Mastercard"
	case "amex", "american express", "americanexpress":
		return "Amex"
	case "diners", "diners club", "dinersclub":
		return "Diners Club"
	case "jcb":
		return "JCB"
	case "unionpay", "cup", "china unionpay":
		return "UnionPay"
	case "maestro":
		return "Maestro"
	case "discover":
		return "Discover"
	}
	if len(s) > 20 || strings.ContainsAny(s, "0123456789<>") {
		return ""
	}
	return s
}

// Known says that there is something to show.
func (c Card) Known() bool { return c.Last4 != "" || c.Brand != "" }

// Prose is the card in a sentence: "Visa ending 1881".
func (c Card) Prose() string {
	switch {
	case !c.Known():
		return "Card not known yet"
	case c.Brand == "":
		return "Card ending " + c.Last4
	case c.Last4 == "":
		return c.Brand
	}
	return c.Brand + " ending " + c.Last4
}

// Short is the card in a table: "Visa ·· 1881".
func (c Card) Short() string {
	if !c.Known() {
		return "–"
	}
	if c.Brand == "" {
		return "·· " + c.Last4
	}
	if c.Last4 == "" {
		return c.Brand
	}
	return c.Brand + " ·· " + c.Last4
}

// Payment is what the customer owes or has paid. Its totals are kept by the
// store in step with its transactions; all are minor units of one currency.
type Payment struct {
	ID             PaymentID
	MerchantID     MerchantID
	ConnectionID   ConnectionID
	Reference      string          // the serial that staff read out
	Kind           TransactionType // what began it: Sale, Preauth, Payout or Register
	Status         PaymentStatus
	Method         Method
	Amount         money.Amount // what was asked for
	Captured       money.Amount // approved sales
	Refunded       money.Amount // approved refunds
	Held           money.Amount // refunds whose outcome is open
	ChargedBack    money.Amount // what banks took back and have not given again
	Authorised     money.Amount // held on the card and not taken
	Tip            money.Amount // the part of Captured that is a tip
	OrderReference string
	Email          string
	Card           Card
	AuthCode       string
	Reason         Reason
	CreatedBy      UserID
	CreatedByName  string
	ConnectionName string
	Provider       string
	CreatedAt      time.Time
	ExpiresAt      time.Time // when its hold lapses or its link ends; zero: not known
	// BatchClosedAt is when the batch that it belongs to was closed; zero: it is
	// open, or none is known. The use case that closes batches sets it.
	BatchClosedAt time.Time
	Review        Review
}

// Review is what the provider's risk check left for a person (seed 003,
// "riskCheckResult" REVIEW).
type Review struct {
	State  ReviewState
	ByName string
	At     time.Time // when a person cleared it
	Note   string
}

// ReviewState says whether somebody still has to look.
type ReviewState string

// The states of a review.
const (
	ReviewNone    ReviewState = ""
	ReviewWaiting ReviewState = "waiting"
	ReviewCleared ReviewState = "cleared"
)

// Refundable is captured minus refunded, held and charged back: pending and
// unknown refunds count as used. It is never negative, even when the provider
// approved more than we allowed.
func (p Payment) Refundable() money.Amount {
	left, err := p.Captured.Sub(p.Refunded)
	for _, used := range []money.Amount{p.Held, p.ChargedBack} {
		if err == nil && !used.IsZero() {
			left, err = left.Sub(used)
		}
	}
	if err != nil || left.IsNegative() {
		return money.Zero(p.Amount.Currency())
	}
	return left
}

// Transaction is one operation on a payment.
type Transaction struct {
	ID           TransactionID
	MerchantID   MerchantID
	PaymentID    PaymentID
	ConnectionID ConnectionID
	Reference    string // our serial
	Type         TransactionType
	Status       TransactionStatus
	Amount       money.Amount
	// Tip is the part of Amount that is a tip; zero where none is known. A tip
	// adjustment's Amount is the tip itself.
	Tip money.Amount
	// Surcharge is the part of Amount that was added for the way of paying; zero
	// where there is none.
	Surcharge money.Amount
	// Final says of a capture that what is left of the hold is given back.
	Final  bool
	Reason Reason
	// AttemptRef is what the provider knows this attempt by: a UUID version 4,
	// sent as merchantTransactionId (seed 003) or transactionReference (seed 004).
	AttemptRef string
	// OriginalRef is the provider's own id of the operation that this one
	// follows up; empty on a sale.
	OriginalRef string
	// OriginalType is the type of what OriginalRef names. It is known while the
	// operation is sent and is not stored.
	OriginalType TransactionType
	ProviderRef  string   // the provider's own id, empty until it answers
	ScheduleRef  string   // the provider's id of the series that made it
	DeviceRef    string   // the terminal's serial number
	DeviceID     DeviceID // the terminal that it runs on; zero: none, or one that is not listed here
	ResultRef    string   // what the terminal's result is asked by
	Phase        Phase
	Recovered    bool       // the terminal delivered the result late, from its own memory
	Terminal     OnTerminal // how it runs on the terminal
	ProviderCode string     // the provider's code as it came
	ProviderText string     // the provider's words as they came
	AuthCode     string
	RedirectURL  string    // the provider's page, while a card is to be typed
	ExpiresAt    time.Time // when its hold lapses or its link ends; zero: not known
	CancelRef    string    // what ends a link at its provider; opaque
	CapturesAt   time.Time // when the provider captures a hold by itself; zero: it does not
	Note         string    // why a refund was made
	CreatedBy    UserID
	CreatedName  string
	ApprovedBy   string // who approved it, where another person had to
	CreatedAt    time.Time
	LastSendAt   time.Time // the last moment at which the request can have left
	Asked        int       // status questions so far
	Absent       int       // "not known" answers after the provider's window
	LastAskedAt  time.Time
	NextAskAt    time.Time
	SettledAt    time.Time
	Said         Said       // the provider's last answer about it
	Before       Overturned // the "no" that it was before
	Hand         ByHand     // what a person wrote down about it
}

// Told says that nobody here made the transaction: its provider told of it.
func (t Transaction) Told() bool { return t.CreatedBy.IsZero() }

// OnTerminal says that somebody here started it on a terminal.
func (t Transaction) OnTerminal() bool { return !t.DeviceID.IsZero() && !t.Told() }

// Connection is a merchant's account at a provider, without its secrets.
type Connection struct {
	ID         ConnectionID
	MerchantID MerchantID
	Provider   string // "cardflo", "handpoint"
	Name       string
	Mode       Mode
	BaseURL    string
	// Settings are the connection's public values, by the adapter's names.
	Settings   map[string]string
	Currencies []money.Currency // narrowed by the merchant's contract; empty: all that the adapter knows
	// Active says that new payments may be taken through it; false while it is
	// paused, and once it was removed.
	Active    bool
	CreatedAt time.Time
	// RemovedAt is when it was taken away; zero: it was not. Its payments keep
	// its name, its credentials are gone.
	RemovedAt time.Time
}

// Removed says that the connection is kept for its payments' sake only.
func (c Connection) Removed() bool { return !c.RemovedAt.IsZero() }

// StoredCard is a card token at a provider, without the token itself.
type StoredCard struct {
	ID           CardID
	ConnectionID ConnectionID
	Card         Card
	Customer     string
	CreatedAt    time.Time
	// PaymentID is the payment that stored it at the provider; zero where its
	// token came another way, so that the provider cannot be told to forget it.
	PaymentID PaymentID
	// ForgettingAt is when the provider was asked to forget it, while that has no
	// outcome; the card is not used meanwhile.
	ForgettingAt   time.Time
	ConnectionName string
}

// Usable says that the card may be charged.
func (c StoredCard) Usable() bool { return c.ForgettingAt.IsZero() }

// SecretContext is the associated data under which a connection's credential is
// sealed: a row copied to another place does not open.
func SecretContext(m MerchantID, c ConnectionID, field string) []string {
	return []string{"connection", m.String(), c.String(), field}
}

// TokenHash is how a stored card is found by its token without opening it. A
// token is random, so its hash gives nothing away.
func TokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// CardContext is the associated data of a stored card's token.
func CardContext(m MerchantID, c CardID) []string {
	return []string{"card", m.String(), c.String()}
}
