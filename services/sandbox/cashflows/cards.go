package cashflows

import (
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Published card tokens of the Gateway, good for every configuration and as
// often as wanted. ASSUMPTION: the provider publishes no tokens.
const (
	TokenApprove    = "cftok_sandbox_approve"
	TokenMastercard = "cftok_sandbox_mastercard"
	TokenDecline    = "cftok_sandbox_declined"
	TokenBlocked    = "cftok_sandbox_blocked"
	TokenFailed     = "cftok_sandbox_failed"
	TokenRejected   = "cftok_sandbox_rejected"
	TokenPending    = "cftok_sandbox_pending"
	// TokenLost is paid, and answered with "Error while communicating.".
	TokenLost = "cftok_sandbox_lost"
)

// Test card numbers of the hosted page. ASSUMPTION: seed 001 lost the thirteen
// that the provider publishes.
const (
	CardApprove    = "4111111111111111"
	CardMastercard = "5555555555554444"
	CardAmex       = "378282246310005"
	CardDecline    = "4000000000000002"
	CardBlocked    = "4000000000009979"
	CardRejected   = "4000000000000069"
	CardPending    = "4000000000003220"
)

// Test names of the card's holder on the hosted page (the provider's portal, "Testing").
// Another name is like the first.
const (
	HolderSuccess   = "Luke Skywalker"
	HolderChallenge = "Han Solo"
	HolderDecoupled = "Leia Skywalker"
	HolderFailed    = "Lando Calrissian"
	// HolderUnavailable: ASSUMPTION, the document says "not authenticated" of
	// both; this one gets the message "Unavailable".
	HolderUnavailable = "Darth Maul"
)

// pendingFor is how long a pending payment and a decoupled challenge take.
const pendingFor = time.Minute

// card is what the emulator keeps of a card: never its number.
type card struct {
	bin, last4  string
	month, year string // MM, YY
	owner       string // of a token; empty: published
	lost        bool
	outcome     kit.Outcome
}

func (c card) masked() string {
	if c.last4 == "" {
		return ""
	}
	return "************" + c.last4
}

func (c card) truncated() string { return c.bin + "****" + c.last4 }

func approve() kit.Outcome { return kit.Outcome{Result: kit.Approve} }

func decline(code string) kit.Outcome { return kit.Outcome{Result: kit.Decline, Code: code} }

func pendingThenApprove() kit.Outcome {
	return kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: int(pendingFor / time.Second)}
}

func visa(last4 string, o kit.Outcome) card {
	return card{bin: "400000", last4: last4, month: "12", year: "30", outcome: o}
}

var publishedTokens = map[string]card{
	TokenApprove:    {bin: "411111", last4: "1111", month: "12", year: "30", outcome: approve()},
	TokenMastercard: {bin: "555555", last4: "4444", month: "12", year: "30", outcome: approve()},
	TokenDecline:    visa("0002", decline("")),
	TokenBlocked:    visa("9979", decline(statusBlocked)),
	TokenFailed:     visa("0119", decline(statusFailed)),
	TokenRejected:   visa("0069", decline(statusRejected)),
	TokenPending:    visa("3220", pendingThenApprove()),
	TokenLost:       {bin: "400000", last4: "0341", month: "12", year: "30", outcome: approve(), lost: true},
}

// card finds a token's card.
func (s *Server) card(a *account, token string) (card, bool) {
	if c, ok := publishedTokens[token]; ok {
		return c, true
	}
	c, ok := s.tokens[token]
	return c, ok && c.owner == a.ConfigurationID
}

// outcomeOf decides by the card number. ASSUMPTION: a number that is well formed
// but not published is declined.
func outcomeOf(number string) kit.Outcome {
	switch number {
	case CardApprove, CardMastercard, CardAmex:
		return approve()
	case CardBlocked:
		return decline(statusBlocked)
	case CardRejected:
		return decline(statusRejected)
	case CardPending:
		return pendingThenApprove()
	}
	return decline("")
}

// typed is a card as it was typed, with the name on it.
type typed struct {
	kit.TypedCard
	holder string
}

// readCard checks what was typed, by the emulator's date. The sentences are
// those of the fields holder, number, expiry and code that are wrong.
func readCard(holder, number, expiry, code string, now time.Time) (typed, map[string]string) {
	c, errs := kit.ReadCard(number, expiry, code, now)
	in := typed{TypedCard: c, holder: strings.TrimSpace(holder)}
	if in.holder == "" {
		errs["holder"] = "Write the name on the card."
	}
	return in, errs
}

// keep returns what may be remembered of the card.
func (in typed) keep() card {
	return card{
		bin: in.Number[:6], last4: in.Number[len(in.Number)-4:], month: fmt.Sprintf("%02d", in.Month), year: fmt.Sprintf("%02d", in.Year%100),
		outcome: outcomeOf(in.Number),
	}
}
