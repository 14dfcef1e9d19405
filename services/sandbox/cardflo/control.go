package cardflo

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Controlled = (*Server)(nil)

// Event is the body of the emulator's own controls: what the gateway tells by
// itself about the transaction UUID.
type Event struct {
	UUID string `json:"uuid"`
	// CallbackURL is where to tell it, in place of the transaction's own.
	CallbackURL string `json:"callback_url,omitempty"`
	// Amount is in major units: what was charged back (empty: all that is
	// left), or what the amount becomes.
	Amount string `json:"amount,omitempty"`
	// Source is reconciliation or settlement, of an adjustment.
	Source string `json:"source,omitempty"`
	// Reason is the bank's word, of a chargeback or its reversal.
	Reason string `json:"reason,omitempty"`
	// Result is lastCardUpdateResult or lastNetworkTokenUpdateResult.
	Result string `json:"result,omitempty"`
	// Status is networkTokenStatus.
	Status string `json:"status,omitempty"`
	// Last4 and Expiry (MM/YY) are the card's new ones.
	Last4  string `json:"last4,omitempty"`
	Expiry string `json:"expiry,omitempty"`
}

// Told names the transaction that a control made or told of.
type Told struct {
	UUID string `json:"uuid"`
}

// doings are what the gateway does by itself, by the name of its control.
func (s *Server) doings() map[string]doing {
	return map[string]doing{
		"chargeback": s.chargeBack, "chargeback-reversal": s.reverseChargeback, "adjustment": s.adjust,
		"account-update": s.updateAccount, "network-token": s.updateToken, "notify": s.tellAgain,
	}
}

// doing answers the transaction that was made or told of, and whether somebody
// was called. With an error nothing was changed. The caller holds the lock.
type doing func(*transaction, Event) (about *transaction, told bool, err error)

// Controls are the gateway's own doings: chargeback, chargeback-reversal,
// adjustment, account-update and network-token, each with an Event as its body,
// and notify, which tells a transaction's present state again. All answer Told.
func (s *Server) Controls() map[string]http.Handler {
	out := map[string]http.Handler{}
	for name, do := range s.doings() {
		out[name] = kit.Command(func(e Event) (any, error) {
			about, _, err := s.happen(do, e)
			if err != nil {
				return nil, err
			}
			return Told{UUID: about}, nil
		})
	}
	return out
}

// happen does one thing and answers the uuid of what was made or told of, and
// whether somebody was called.
func (s *Server) happen(do doing, e Event) (about string, told bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	t := s.find(func(t *transaction) bool { return t.uuid == e.UUID })
	if t == nil {
		return "", false, errors.New("there is no transaction with that uuid")
	}
	made, told, err := do(t, e)
	if err != nil {
		return "", false, err
	}
	return made.uuid, told, nil
}

// minor reads the event's amount, which nobody checked yet.
func (e Event) minor(t *transaction) (int64, error) {
	if !amountShape.MatchString(e.Amount) {
		return 0, errors.New("the amount must look like 9.50")
	}
	if _, fraction, _ := strings.Cut(e.Amount, "."); len(fraction) > t.decimals {
		return 0, fmt.Errorf("the amount has more decimals than %s", t.currency)
	}
	minor, err := minorUnits(e.Amount, t.decimals)
	if err != nil {
		return 0, errors.New("the amount must be above 0 and not too large")
	}
	return minor, nil
}

func (e Event) target(t *transaction) string {
	if e.CallbackURL != "" {
		return e.CallbackURL
	}
	return t.callbackURL
}

func (s *Server) chargeBack(t *transaction, e Event) (*transaction, bool, error) {
	if (t.typ != typeDebit && t.typ != typeCapture) || t.status != statusSuccess {
		return nil, false, errors.New("only a successful debit or capture can be charged back")
	}
	left := t.minor - t.chargedBackMinor
	minor := left
	if e.Amount != "" {
		var err error
		if minor, err = e.minor(t); err != nil {
			return nil, false, err
		}
	}
	if minor <= 0 || minor > left {
		return nil, false, errors.New("that is more than can be charged back")
	}
	c := s.make(t.connector, typeChargeback, "")
	c.merchantID, c.purchaseID = "auto-"+c.uuid, t.purchaseID
	c.minor, c.decimals, c.currency, c.status = minor, t.decimals, t.currency, statusSuccess
	c.original, c.referenceUUID, c.callbackURL, c.words = t, t.uuid, e.target(t), e.Reason
	if c.words == "" {
		c.words = "Unauthorized payment"
	}
	t.chargedBackMinor += minor
	s.record(c)
	return c, s.notify(c), nil
}

func (s *Server) reverseChargeback(t *transaction, e Event) (*transaction, bool, error) {
	if t.typ != typeChargeback || t.original == nil || t.reversed {
		return nil, false, errors.New("only a chargeback can be reversed, and only once")
	}
	c := s.make(t.connector, typeChargebackReversal, "")
	c.merchantID, c.purchaseID = "auto-"+c.uuid, t.purchaseID
	c.minor, c.decimals, c.currency, c.status = t.minor, t.decimals, t.currency, statusSuccess
	c.original, c.referenceUUID, c.callbackURL, c.words = t, t.uuid, e.target(t), e.Reason
	if c.words == "" {
		c.words = "Chargeback reversed"
	}
	t.reversed = true
	t.original.chargedBackMinor -= t.minor
	s.record(c)
	return c, s.notify(c), nil
}

// adjust changes an amount after the fact (seed 003, section Callback Data,
// notificationSource).
func (s *Server) adjust(t *transaction, e Event) (*transaction, bool, error) {
	if t.status != statusSuccess || t.currency == "" {
		return nil, false, errors.New("only a successful transaction with an amount can be adjusted")
	}
	if e.Source != "reconciliation" && e.Source != "settlement" {
		return nil, false, fmt.Errorf("source must be reconciliation or settlement, not %q", e.Source)
	}
	minor, err := e.minor(t)
	if err != nil {
		return nil, false, err
	}
	was := t.amount()
	t.minor = minor
	out := t.notification()
	out.NotificationSource, out.OriginalAmount, out.OriginalCurrency = e.Source, was, t.currency
	return t, s.send(t, e.target(t), out), nil
}

func (s *Server) updateAccount(t *transaction, e Event) (*transaction, bool, error) {
	if !t.registered || t.status != statusSuccess {
		return nil, false, errors.New("only a stored card can be updated")
	}
	switch e.Result {
	case "updated", "closed", "new_expiry", "contact":
	default:
		return nil, false, errors.New("result must be updated, closed, new_expiry or contact")
	}
	if err := t.card.renew(e); err != nil {
		return nil, false, err
	}
	out := t.notification()
	out.ExtraData = map[string]any{"lastCardUpdateDate": s.kit.Clock.Now().Format("2006-01-02"), "lastCardUpdateResult": e.Result}
	return t, s.send(t, e.target(t), out), nil
}

// renew takes over what an event says of the card, all of it or nothing.
func (c *card) renew(e Event) error {
	if e.Last4 != "" && !fourDigits.MatchString(e.Last4) {
		return errors.New("last4 must be four digits")
	}
	if e.Expiry != "" {
		month, year, ok := kit.ReadExpiry(e.Expiry)
		if !ok {
			return errors.New("expiry must be MM/YY")
		}
		c.month, c.year = month, year
	}
	if e.Last4 != "" {
		c.last4 = e.Last4
	}
	return nil
}

var fourDigits = regexp.MustCompile(`^[0-9]{4}$`)

func (s *Server) updateToken(t *transaction, e Event) (*transaction, bool, error) {
	if t.card.last4 == "" || t.status != statusSuccess {
		return nil, false, errors.New("only a card has a network token")
	}
	if e.Status == "" {
		return nil, false, errors.New("status is missing")
	}
	if err := t.card.renew(e); err != nil {
		return nil, false, err
	}
	out := t.notification()
	out.ExtraData = map[string]any{"networkTokenStatus": e.Status}
	if e.Result != "" {
		out.ExtraData["lastNetworkTokenUpdateDate"] = s.kit.Clock.Now().Format("2006-01-02")
		out.ExtraData["lastNetworkTokenUpdateResult"] = e.Result
	}
	return t, s.send(t, e.target(t), out), nil
}

func (s *Server) tellAgain(t *transaction, e Event) (*transaction, bool, error) {
	return t, s.send(t, e.target(t), t.notification()), nil
}
