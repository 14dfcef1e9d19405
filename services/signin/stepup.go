package signin

import (
	"context"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// WrongStepUp does not say which of the two was wrong: a stolen session must not
// be able to try them one by one.
const WrongStepUp = "The password or the code is not right, or the code was used before. After 10 wrong tries in a row an account is locked for 30 minutes."

// StepUp asks somebody who is signed in for both factors once more, for one
// purpose, which the audit row names. It obeys the rules of signing in: the same
// limit, exactly one Argon2 hash, the same count of failures and the same lock,
// and a code works once, here or at the door. Invalid when one of the two is not
// right or the account is locked, with a sentence per field for one that is
// missing; TooMany when this address tries too often.
func (s *Service) StepUp(ctx context.Context, actor domain.Actor, password, code, purpose string) (domain.Proof, error) {
	missing := map[string]string{}
	if password == "" {
		missing["password"] = "Enter your password."
	}
	if strings.TrimSpace(code) == "" {
		missing["code"] = "Enter the 6 digits of your authenticator app."
	}
	if len(missing) > 0 {
		return domain.Proof{}, domain.InvalidFields(missing)
	}
	if err := s.limit(From{IP: actor.IP}); err != nil {
		return domain.Proof{}, err
	}
	u, err := s.store.UserByID(ctx, actor.UserID)
	if err != nil {
		return domain.Proof{}, err
	}
	usable := u.DisabledAt == nil && u.Enrolled()
	hash := s.dummy
	if usable {
		hash = u.PasswordHash
	}
	match, err := s.compare(ctx, password, hash)
	if err != nil {
		return domain.Proof{}, err
	}
	now, right := s.now(), false
	step, codeMatch, err := s.matchingStep(u, code, now)
	if err != nil {
		return domain.Proof{}, err
	}
	entry := store.AuditEntry{At: now, Actor: actor, Action: "signin.stepped_up", ObjectType: "user", ObjectID: u.ID.String(), Result: "denied", Detail: map[string]any{"for": purpose}}
	err = s.store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if match && codeMatch && usable {
			accepted, err := tx.AcceptStep(ctx, u.ID, step, now)
			if err != nil {
				return err
			}
			if right = accepted; right {
				entry.Result = "ok"
				tx.Audit(entry)
				return nil
			}
		}
		return s.countFailure(ctx, tx, u.ID, entry)
	})
	if err != nil {
		return domain.Proof{}, err
	}
	if !right {
		return domain.Proof{}, domain.Errorf(domain.Invalid, WrongStepUp)
	}
	return domain.Proof{UserID: u.ID, Purpose: purpose, At: now}, nil
}
