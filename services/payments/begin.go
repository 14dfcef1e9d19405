package payments

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
)

// beginning is a payment that does not exist yet, with the operation that begins
// it: a sale, a hold, a link, a payout, or the storing of a card.
type beginning struct {
	key   string
	hash  []byte
	audit map[string]any
	p     domain.Payment
	x     domain.Transaction
	// name is held first, where beginnings like this one must come one after the
	// other; empty: they need not.
	name string
	// may is asked in the same unit of work, before anything is written.
	may func(context.Context, *store.Tx) error
}

// newBeginning is a payment of one operation, before it has a reference.
func (s *Service) newBeginning(actor domain.Actor, l link, typ domain.TransactionType, amount money.Amount) beginning {
	now, zero := s.now(), money.Zero(amount.Currency())
	b := beginning{p: domain.Payment{
		ID: domain.NewPaymentID(), MerchantID: actor.MerchantID, ConnectionID: l.conn.ID, Kind: typ, Status: domain.PaymentProcessing, Method: domain.MethodCard,
		Amount: amount, Captured: zero, Refunded: zero, Held: zero, CreatedBy: actor.UserID, CreatedByName: actor.Name, CreatedAt: now,
	}}
	b.x = s.newTransaction(actor, typ, b.p, amount, l, now)
	return b
}

// begin is transaction 1 of everything that makes a payment: the rows exist
// before anything leaves. The same key with the same content gives what it made
// the first time, to the same person; somebody else's key is a Conflict.
func (s *Service) begin(ctx context.Context, actor domain.Actor, b beginning) (domain.Transaction, Taken, error) {
	for try := 0; ; try++ {
		taken := Taken{PaymentID: b.p.ID, TransactionID: b.x.ID, Status: b.x.Status}
		b.p.Reference = domain.NewReference()
		b.x.Reference = b.p.Reference
		clash := false
		err := s.write(ctx, actor.MerchantID, opening, string(b.x.Type), func(tx *store.Tx) error {
			if b.name != "" {
				if err := tx.LockName(ctx, b.name); err != nil {
					return err
				}
			}
			first, fresh, err := tx.ClaimKey(ctx, b.key, b.hash, store.KeyClaim{PaymentID: b.p.ID, TransactionID: b.x.ID}, b.p.CreatedAt)
			if err != nil {
				return err
			}
			if !fresh {
				was, err := tx.Transaction(ctx, first.TransactionID)
				if err == nil && was.CreatedBy != actor.UserID {
					return domain.Errorf(domain.Conflict, "This form was used by somebody else. Nothing more was done. Look over the new one below.")
				}
				taken = Taken{PaymentID: first.PaymentID, TransactionID: first.TransactionID, Status: was.Status, Replayed: true}
				return err
			}
			// Somebody may have paused or removed it since it was looked at.
			if active, _, err := tx.HoldConnection(ctx, b.p.ConnectionID); err != nil || !active {
				if err == nil {
					err = domain.InvalidFields(map[string]string{"connection": notInUse})
				}
				return err
			}
			if b.may != nil {
				if err := b.may(ctx, tx); err != nil {
					return err
				}
			}
			if err := tx.InsertPayment(ctx, b.p); err != nil {
				clash = domain.CodeOf(err) == domain.Conflict
				return err
			}
			if err := tx.InsertTransaction(ctx, b.x); err != nil {
				return err
			}
			if err := s.occupy(ctx, tx, b.x); err != nil {
				return err
			}
			tx.Audit(s.entry(actor, b.x, "requested", "ok", b.audit))
			return tx.Enqueue(ctx, resolveJob(b.x), b.p.CreatedAt.Add(FirstAsk))
		})
		if clash && try < 3 {
			continue // the eight characters were taken; nothing was written
		}
		return b.x, taken, err
	}
}

// Attempt says which payment a form's key made, for the person who used it: Back
// and a reload of the form lead there. fresh is true when the key can still be
// used; a key that somebody else used is neither.
func (s *Service) Attempt(ctx context.Context, actor domain.Actor, key string) (made domain.PaymentID, fresh bool, err error) {
	if !validKey(key) {
		return made, false, nil
	}
	err = s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		used, by, err := tx.UsedKey(ctx, key)
		switch {
		case domain.CodeOf(err) == domain.NotFound:
			fresh = true
			return nil
		case err == nil && by == actor.UserID:
			made = used.PaymentID
		}
		return err
	})
	return made, fresh, err
}

// GivesUpAt is when a person takes over a transaction that has no outcome: a day
// after it began, and for a link an hour after it ends, since until then it may
// be paid.
func GivesUpAt(x domain.Transaction) time.Time {
	if x.Link() {
		return x.ExpiresAt.Add(linkGrace)
	}
	return x.CreatedAt.Add(GiveUpAfter)
}

// linkGrace is how long after a link's end its provider may take to say so.
const linkGrace = time.Hour
