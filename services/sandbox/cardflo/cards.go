package cardflo

import (
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Published transaction tokens. They can be used again and again, unlike those
// that the token frame makes (ASSUMPTION: the provider publishes no tokens).
const (
	TokenApprove           = "ix::sandbox-approve"
	TokenDecline           = "ix::sandbox-decline"
	TokenInsufficientFunds = "ix::sandbox-insufficient-funds"
	TokenExpired           = "ix::sandbox-expired"
	TokenStolen            = "ix::sandbox-stolen"
	TokenPending           = "ix::sandbox-pending"
	// Token3DS is answered with the page of the cardholder check, TokenHTML with
	// HTML to show, TokenReview with a risk check that wants a person to look.
	Token3DS    = "ix::sandbox-3ds"
	TokenHTML   = "ix::sandbox-html"
	TokenReview = "ix::sandbox-review"
	// TokenIBAN, TokenPhone and TokenWallet pay with something else than a card.
	TokenIBAN   = "ix::sandbox-iban"
	TokenPhone  = "ix::sandbox-phone"
	TokenWallet = "ix::sandbox-wallet"
)

// Test card numbers of the hosted page and the token frame. The first two are
// the provider's; the others are ASSUMPTION.
const (
	CardApprove           = "4111111111111111"
	CardDecline           = "4000300011112220"
	CardMastercard        = "5555555555554444"
	CardInsufficientFunds = "4000000000009995"
	CardExpired           = "4000000000000069"
	CardStolen            = "4000000000009979"
	CardPending           = "4000000000003220"
)

// pendingFor is how long a pending transaction takes to end.
const pendingFor = time.Minute

// tokenTTL is how long a token of the frame can be used (ASSUMPTION).
const tokenTTL = 15 * time.Minute

// card is what the emulator keeps of a card: never its number.
type card struct {
	brand  string
	last4  string
	holder string
	month  int
	year   int
	// outcome is how a debit with the card ends.
	outcome kit.Outcome

	threeDS, html, review bool
	// payer is the returnData of what is no card, method its payment method.
	payer  map[string]string
	method string
}

// riskCheck is the risk check's verdict, nil where there was none.
func (c card) riskCheck() *riskCheckData {
	if !c.review {
		return nil
	}
	return &riskCheckData{Result: "REVIEW", Score: 70}
}

func (c card) masked() string {
	if c.last4 == "" {
		return ""
	}
	return "************" + c.last4
}

// storedToken is a token of the frame, good for one debit.
type storedToken struct {
	connector string
	card      card
	expires   time.Time
}

func approve() kit.Outcome { return kit.Outcome{Result: kit.Approve} }

func decline(code string) kit.Outcome { return kit.Outcome{Result: kit.Decline, Code: code} }

func pendingThenApprove() kit.Outcome {
	return kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: int(pendingFor / time.Second)}
}

var publishedTokens = map[string]card{
	TokenApprove:           {brand: "VISA", last4: "1111", month: 12, year: 2030, outcome: approve()},
	TokenDecline:           {brand: "VISA", last4: "2220", month: 12, year: 2030, outcome: decline("2003")},
	TokenInsufficientFunds: {brand: "VISA", last4: "9995", month: 12, year: 2030, outcome: decline("2006")},
	TokenExpired:           {brand: "VISA", last4: "0069", month: 1, year: 2024, outcome: decline("2009")},
	TokenStolen:            {brand: "VISA", last4: "9979", month: 12, year: 2030, outcome: decline("2016")},
	TokenPending:           {brand: "VISA", last4: "3220", month: 12, year: 2030, outcome: pendingThenApprove()},
	Token3DS:               {brand: "VISA", last4: "1111", month: 12, year: 2030, outcome: approve(), threeDS: true},
	TokenHTML:              {brand: "VISA", last4: "1111", month: 12, year: 2030, outcome: pendingThenApprove(), html: true},
	TokenReview:            {brand: "VISA", last4: "1111", month: 12, year: 2030, outcome: approve(), review: true},
	// The account, telephone and wallet are those of seed 003's section
	// ReturnData.
	TokenIBAN: {outcome: approve(), method: "DirectDebit", payer: map[string]string{"_TYPE": "ibanData", "accountOwner": "John Doe",
		"iban": "AT123456789012345678", "bic": "ABC", "bankName": "ABC Bank", "country": "US"}},
	TokenPhone: {outcome: approve(), method: "Phone", payer: map[string]string{"_TYPE": "phoneData", "phoneNumber": "1234567890", "country": "US", "operator": "OperatorXy"}},
	TokenWallet: {outcome: approve(), method: "Wallet", payer: map[string]string{"_TYPE": "walletData", "walletReferenceId": "1234567890", "walletOwner": "John Doe",
		"walletType": "someType", "walletOwnerFirstName": "Max", "walletOwnerLastName": "Mustermann", "walletOwnerCountryCode": "DE", "walletRegistrationId": "reg157ra710N1D"}},
}

// outcomeOf decides by the card number. ASSUMPTION: a number that is well
// formed but not published is declined as an invalid card.
func outcomeOf(number string) kit.Outcome {
	switch number {
	case CardApprove, CardMastercard:
		return approve()
	case CardDecline:
		return decline("2003")
	case CardInsufficientFunds:
		return decline("2006")
	case CardExpired:
		return decline("2009")
	case CardStolen:
		return decline("2016")
	case CardPending:
		return pendingThenApprove()
	}
	return decline("2008")
}

// reason is the pair of messages that goes with an error code.
type reason struct {
	message        string
	adapterMessage string
	adapterCode    string
}

// reasons of declines. Those of 2003 are the provider's, the adapter's parts of
// the others are ASSUMPTION.
var reasons = map[int]reason{
	2002: {"The transaction was cancelled by the user", "Cancelled on the card page", "user_cancelled"},
	2003: {"The transaction was declined", "Test decline", "transaction_declined"},
	2005: {"The transaction has expired", "No card was entered in time", "page_expired"},
	2006: {"Insufficient funds", "Test decline", "insufficient_funds"},
	2008: {"Invalid card", "This is not a test card", "invalid_card"},
	2009: {"Expired card", "Test decline", "expired_card"},
	2012: {"The transaction was cancelled", "The link was cancelled", "link_cancelled"},
	2021: {"3D-Secure authentication failed", "The cardholder refused", "3ds_failed"},
	2016: {"STOLEN_CARD", "Transaction was rejected", "stolen_card"},
}

// keep returns what may be remembered of the card.
func keep(in kit.TypedCard) card {
	return card{
		brand: brandOf(in.Number), last4: in.Number[len(in.Number)-4:], month: in.Month, year: in.Year,
		outcome: outcomeOf(in.Number),
	}
}

func brandOf(number string) string {
	switch {
	case strings.HasPrefix(number, "4"):
		return "VISA"
	case strings.HasPrefix(number, "5"), strings.HasPrefix(number, "2"):
		return "MASTERCARD"
	case strings.HasPrefix(number, "34"), strings.HasPrefix(number, "37"):
		return "AMEX"
	}
	return "UNKNOWN"
}
