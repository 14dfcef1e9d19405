package payments

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// byHand is what a person's word is called beside the providers'.
const byHand = "person"

// The length of a person's note, in characters.
const (
	MinHandNote = 15
	MaxHandNote = 500
	maxHandRef  = 100
)

// ByHandInput is what a person found out about an operation whose outcome nobody
// else could tell.
type ByHandInput struct {
	PaymentID     domain.PaymentID
	TransactionID domain.TransactionID
	// Happened says that it went through. Known says that the form said one or
	// the other.
	Happened, Known bool
	// ProviderRef is the provider's own reference, if the person found one: a
	// follow-up such as a refund names it.
	ProviderRef string
	Note        string // how the person knows; MinHandNote characters or more
}

// checkByHand is every rule that needs no database, one sentence per field.
func checkByHand(in *ByHandInput) map[string]string {
	fields := map[string]string{}
	in.Note, in.ProviderRef = strings.TrimSpace(in.Note), strings.TrimSpace(in.ProviderRef)
	if !in.Known {
		fields["happened"] = "Say whether it went through."
	}
	switch n := len([]rune(in.Note)); {
	case domain.LooksLikeCardNumber(in.Note):
		fields["note"] = "This looks like a card number. Do not write card numbers here."
	case n < MinHandNote:
		fields["note"] = "Say how you know, in 15 characters or more."
	case n > MaxHandNote:
		fields["note"] = "Use at most 500 characters."
	}
	switch {
	case domain.LooksLikeCardNumber(in.ProviderRef):
		fields["provider_ref"] = "This looks like a card number. Do not write card numbers here."
	case len(in.ProviderRef) > maxHandRef || strings.ContainsFunc(in.ProviderRef, func(r rune) bool { return unicode.IsSpace(r) || r > unicode.MaxASCII }):
		fields["provider_ref"] = "Copy the reference as the provider writes it, without spaces."
	}
	return fields
}

// SettleByHand writes down what a person found out about an operation that waits
// for one, or that its provider cannot be asked about. It needs payments:settle,
// sends nothing, and ends in the same settle function as a provider's word; a
// later approval of the provider's still wins over a "no". Invalid carries one
// sentence per field. Conflict says that nothing waits for a person, that the
// request may still be on its way, or that somebody was quicker.
func (s *Service) SettleByHand(ctx context.Context, actor domain.Actor, in ByHandInput) (domain.TransactionStatus, error) {
	if err := actor.Require(domain.PaymentsSettle); err != nil {
		return "", err
	}
	fields := checkByHand(&in)
	var status domain.TransactionStatus
	err := s.write(ctx, actor.MerchantID, settling, byHand, func(tx *store.Tx) error {
		p, err := tx.LockPayment(ctx, in.PaymentID)
		if err != nil {
			return err
		}
		txs, err := tx.Transactions(ctx, p.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(txs, func(t domain.Transaction) bool { return t.ID == in.TransactionID })
		if i < 0 {
			return domain.Errorf(domain.NotFound, "There is no operation with that id.")
		}
		if len(fields) > 0 {
			return domain.InvalidFields(fields)
		}
		conn, err := tx.Connection(ctx, p.ConnectionID)
		if err != nil {
			return err
		}
		l, err := s.link(ctx, tx, conn)
		if err != nil && domain.CodeOf(err) != domain.Unavailable {
			return err
		}
		x, st := txs[i], s.standing(p, txs, l.caps, conn)
		now := s.now()
		switch d := domain.Allowed(actor, st, domain.ActSettle); {
		case d != domain.Possible:
			return refusedHand(d.Words())
		case !st.WaitsForPerson(x):
			return refusedHand("This operation does not wait for a person.")
		case now.Before(x.LastSendAt):
			return refusedHand("It may still be on its way to the provider. Wait a minute, then look again.")
		}
		a := answer{to: domain.TxFailed, outcome: "written down by a person", detail: map[string]any{"note": in.Note}}
		if in.Happened {
			a.to = domain.TxApproved
		}
		a.set = store.Settlement{To: a.to, Reason: domain.ReasonByHand, ProviderRef: in.ProviderRef, At: now,
			Hand: &domain.ByHand{Status: a.to, ByName: actor.Name, Note: in.Note}}
		if in.ProviderRef != "" {
			switch other, err := tx.TransactionByProviderRef(ctx, p.ConnectionID, in.ProviderRef); {
			case err == nil && other.ID != x.ID:
				return domain.InvalidFields(map[string]string{"provider_ref": "This reference belongs to another operation, " + other.Reference + "."})
			case err != nil && domain.CodeOf(err) != domain.NotFound:
				return err
			}
			if x.ProviderRef != "" && x.ProviderRef != in.ProviderRef {
				return domain.InvalidFields(map[string]string{"provider_ref": "The provider already gave another reference: " + x.ProviderRef + "."})
			}
		}
		status, err = s.settle(ctx, tx, actor, x, a, byHand)
		return err
	})
	return status, err
}

func refusedHand(words string) error {
	return &domain.Error{Code: domain.Conflict, Message: "Nothing was written down.", Fields: map[string]string{"transaction": words}}
}
