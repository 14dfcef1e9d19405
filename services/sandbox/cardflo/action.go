package cardflo

import (
	"slices"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Acting = (*Server)(nil)

// Actions are the controls of Controls for a person. What they offer is about a
// line of the ledger; an adjustment is two of them.
func (s *Server) Actions() []kit.Action {
	const toldOf = " It is told by callback."
	reason := kit.ActionField{Name: "reason", Label: "The bank’s reason", Kind: kit.FieldText, Empty: "the usual one", Max: 100}
	last4 := kit.ActionField{Name: "last4", Label: "New last four digits", Kind: kit.FieldText, Empty: "as they are", Max: 4}
	expiry := kit.ActionField{Name: "expiry", Label: "New expiry, MM/YY", Kind: kit.FieldText, Empty: "as it is", Max: 5}
	adjusted := []kit.ActionField{{Name: "amount", Label: "New amount", Kind: kit.FieldAmount, Required: true}}
	return []kit.Action{
		{Name: "chargeback", Label: "Charge back", OnLine: true, Tells: true,
			Effect: "The cardholder’s bank takes the money back, and a chargeback comes into the ledger." + toldOf,
			Done:   "The sale was charged back. The chargeback is the newest line of the ledger.",
			Fields: []kit.ActionField{{Name: "amount", Label: "Amount", Kind: kit.FieldAmount, Empty: "all that is left"}, reason},
			Do: s.doer(s.chargeBack, func(in map[string]string) Event {
				return Event{Amount: in["amount"], Reason: in["reason"]}
			})},
		{Name: "chargeback-reversal", Label: "Reverse it", OnLine: true, Tells: true,
			Effect: "The bank gives the money of this chargeback back, once, and a reversal comes into the ledger." + toldOf,
			Done:   "The chargeback was reversed. The reversal is the newest line of the ledger.",
			Fields: []kit.ActionField{reason},
			Do:     s.doer(s.reverseChargeback, func(in map[string]string) Event { return Event{Reason: in["reason"]} })},
		{Name: "settle", Label: "Settle another amount", OnLine: true, Tells: true,
			Effect: "The acquirer settles another amount than was asked for, and the line gets that amount." + toldOf,
			Done:   "The line has the amount that was settled.", Fields: adjusted,
			Do: s.doer(s.adjust, func(in map[string]string) Event { return Event{Amount: in["amount"], Source: "settlement"} })},
		{Name: "reconcile", Label: "Reconcile another amount", OnLine: true, Tells: true,
			Effect: "The gateway finds another amount when it compares its books with the acquirer’s, and the line gets that amount." + toldOf,
			Done:   "The line has the amount that was found.", Fields: adjusted,
			Do: s.doer(s.adjust, func(in map[string]string) Event { return Event{Amount: in["amount"], Source: "reconciliation"} })},
		{Name: "account-update", Label: "Update the card", OnLine: true, Tells: true,
			Effect: "The card’s bank has news of the stored card." + toldOf,
			Done:   "The card’s news is known.",
			Fields: []kit.ActionField{{Name: "result", Label: "News", Kind: kit.FieldChoice, Required: true, Options: []kit.Option{
				{Value: "new_expiry", Label: "the card has a new expiry"}, {Value: "updated", Label: "the card has a new number and expiry"},
				{Value: "closed", Label: "the card is closed"}, {Value: "contact", Label: "the cardholder has to be asked"},
			}}, last4, expiry},
			Do: s.doer(s.updateAccount, func(in map[string]string) Event {
				return Event{Result: in["result"], Last4: in["last4"], Expiry: in["expiry"]}
			})},
		{Name: "network-token", Label: "Change the network token", OnLine: true, Tells: true,
			Effect: "The card scheme changes the token that stands for the stored card." + toldOf,
			Done:   "The network token’s state is known.",
			Fields: []kit.ActionField{{Name: "status", Label: "The token is", Kind: kit.FieldChoice, Required: true, Options: []kit.Option{
				{Value: "active", Label: "active"}, {Value: "inactive", Label: "not yet active"}, {Value: "suspended", Label: "suspended"},
				{Value: "deactivated", Label: "deactivated"}, {Value: "pending", Label: "being made"}, {Value: "error", Label: "not made, by an error"},
			}}, {Name: "result", Label: "What changed", Kind: kit.FieldChoice, Options: []kit.Option{
				{Value: "", Label: "is not told"}, {Value: "pan_changed", Label: "the card’s number"},
				{Value: "pan_expiry_changed", Label: "the card’s expiry"}, {Value: "token_expiry_changed", Label: "the token’s expiry"},
			}}, last4, expiry},
			Do: s.doer(s.updateToken, func(in map[string]string) Event {
				return Event{Status: in["status"], Result: in["result"], Last4: in["last4"], Expiry: in["expiry"]}
			})},
		{Name: "notify", Label: "Tell it again", OnLine: true, Tells: true,
			Effect: "The callback about this line as it is now is sent once more.",
			Done:   "The line’s present state was told again.",
			Do:     s.doer(s.tellAgain, func(map[string]string) Event { return Event{} })},
	}
}

// doer makes an action out of a control.
func (s *Server) doer(do doing, read func(in map[string]string) Event) func(string, map[string]string) (bool, error) {
	return func(line string, in map[string]string) (bool, error) {
		e := read(in)
		e.UUID = line
		_, told, err := s.happen(do, e)
		return told, err
	}
}

// ActionsOn is kit.Acting: what can happen to a transaction as it is now.
func (s *Server) ActionsOn(line kit.Charge) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.transactions, func(t *transaction) bool { return t.uuid == line.ID })
	if i < 0 {
		return nil
	}
	t := s.transactions[i]
	paid := (t.typ == typeDebit || t.typ == typeCapture) && t.status == statusSuccess
	var out []string
	if paid && t.minor > t.chargedBackMinor {
		out = append(out, "chargeback")
	}
	if t.typ == typeChargeback && t.original != nil && !t.reversed {
		out = append(out, "chargeback-reversal")
	}
	if paid {
		out = append(out, "settle", "reconcile")
	}
	if t.registered && !t.deregistered && t.status == statusSuccess {
		out = append(out, "account-update", "network-token")
	}
	if t.callbackURL != "" && t.status != statusPending && t.status != statusRedirect {
		out = append(out, "notify")
	}
	return out
}
