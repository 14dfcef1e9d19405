// Package signin says who somebody is: password, second factor, lock-out, and
// the one-time links by which people come to have both. It exists apart from
// the web so that the operator's commands obey the same rules. Of ours it
// imports store, secrets and domain.
package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
)

// The limits of signing in.
const (
	// MaxFailures wrong passwords and codes in a row lock an account.
	MaxFailures = 10
	// LockFor is how long an account stays locked.
	LockFor = 30 * time.Minute
	// parallelHashes bounds the memory of password hashing: four times 19 MiB.
	parallelHashes = 4
)

// hashParams are OWASP's for Argon2id: 19 MiB, two passes, one lane.
var hashParams = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// The sentences of a refusal. They always name the rule and are the same for an
// e-mail that nobody has, so that nothing can be learnt from them.
const (
	WrongPassword = "That e-mail and password do not go together. After 10 wrong tries in a row an account is locked for 30 minutes."
	// WrongOwnPassword answers somebody who is signed in and was asked again.
	WrongOwnPassword = "That is not your password. After 10 wrong tries in a row an account is locked for 30 minutes."
	WrongCode        = "That code is not right, or was used before. After 10 wrong tries in a row an account is locked for 30 minutes."
)

// Options is what a Service needs. Store and Sealer are required.
type Options struct {
	Store  *store.Store
	Sealer *secrets.Sealer
	// Now is the clock of codes, locks and links; time.Now when nil.
	Now func() time.Time
	// PerMinute attempts from one address are let through, Burst at once;
	// 30 and 60 when 0. Beside the lock of an account it is what stands
	// against guessing, and a whole shop may share one address.
	PerMinute, Burst int
}

// Service signs people in. It is safe for use by many goroutines.
type Service struct {
	store   *store.Store
	sealer  *secrets.Sealer
	now     func() time.Time
	limiter *limiter
	hashing chan struct{}
	dummy   string // compared with when there is no hash, so that it takes as long
	hashed  atomic.Int64
}

// New makes a Service. It hashes one password, which takes a moment.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PerMinute == 0 {
		o.PerMinute = 30
	}
	if o.Burst == 0 {
		o.Burst = 60
	}
	s := &Service{
		store: o.Store, sealer: o.Sealer, now: o.Now,
		limiter: newLimiter(o.PerMinute, o.Burst),
		hashing: make(chan struct{}, parallelHashes),
	}
	var err error
	if s.dummy, err = argon2id.CreateHash(rand.Text(), hashParams); err != nil {
		return nil, fmt.Errorf("signin: hash: %w", err)
	}
	return s, nil
}

// From is where an attempt comes from, for the limit and the audit row.
type From struct {
	IP        string // from trusted proxies only
	RequestID string
}

func (f From) actor() domain.Actor { return domain.Actor{IP: f.IP, RequestID: f.RequestID} }

// Who is a person at a merchant.
type Who struct {
	UserID     domain.UserID
	MerchantID domain.MerchantID
	Email      string
}

// Password checks the first factor and says who it is. Whoever belongs to
// several merchants works at the one joined last.
//
// Every path computes exactly one Argon2 hash and one audit row, whether or not
// the e-mail is anybody's. Unauthorized with WrongPassword when it is not right
// or the account is locked; TooMany when this address tries too often.
func (s *Service) Password(ctx context.Context, email, password string, from From) (Who, error) {
	if err := s.limit(from); err != nil {
		return Who{}, err
	}
	u, err := s.store.UserByEmail(ctx, strings.TrimSpace(email))
	if err != nil && domain.CodeOf(err) != domain.NotFound {
		return Who{}, err
	}
	known := err == nil
	usable := known && u.DisabledAt == nil && u.Enrolled() && !u.MerchantID.IsZero()
	hash := s.dummy
	if usable {
		hash = u.PasswordHash
	}
	match, err := s.compare(ctx, password, hash)
	if err != nil {
		return Who{}, err
	}
	now, right := s.now(), false
	entry := store.AuditEntry{At: now, Actor: from.actor(), Anonymous: true, Action: "signin.password", ObjectType: "user", Result: "denied"}
	chain := store.PlatformChain
	if known {
		chain, entry.ObjectID = u.MerchantID, u.ID.String()
	} else {
		entry.Detail = map[string]any{"email_hash": emailHash(email)}
	}
	err = s.store.InTenant(ctx, chain, func(tx *store.Tx) error {
		if match && usable {
			may, err := tx.MaySignIn(ctx, u.ID, now)
			if err != nil {
				return err
			}
			if right = may; right {
				entry.Result, entry.Anonymous = "ok", false
				entry.Actor.UserID, entry.Actor.Name = u.ID, u.Name
			} else {
				entry.Result = "locked"
			}
			tx.Audit(entry)
			return nil
		}
		return s.countFailure(ctx, tx, u.ID, entry)
	})
	if err != nil {
		return Who{}, err
	}
	if !right {
		return Who{}, domain.Errorf(domain.Unauthorized, WrongPassword)
	}
	return Who{UserID: u.ID, MerchantID: u.MerchantID, Email: u.Email}, nil
}

// ConfirmPassword asks somebody who is signed in for the password once more,
// before something that a stolen session must not do. It obeys the rules of
// signing in: the same limit, one hash at most four at a time, the same count of
// failures and the same lock, and one audit row. Invalid, with a sentence for the
// field "password", when it is not right or the account is locked; TooMany when
// this address tries too often.
func (s *Service) ConfirmPassword(ctx context.Context, actor domain.Actor, password string) error {
	if password == "" {
		return domain.InvalidFields(map[string]string{"password": "Enter your password."})
	}
	if err := s.limit(From{IP: actor.IP}); err != nil {
		return err
	}
	u, err := s.store.UserByID(ctx, actor.UserID)
	if err != nil {
		return err
	}
	usable := u.DisabledAt == nil && u.Enrolled()
	hash := s.dummy
	if usable {
		hash = u.PasswordHash
	}
	match, err := s.compare(ctx, password, hash)
	if err != nil {
		return err
	}
	now, right := s.now(), false
	entry := store.AuditEntry{At: now, Actor: actor, Action: "signin.confirmed", ObjectType: "user", ObjectID: u.ID.String(), Result: "denied"}
	err = s.store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if !match || !usable {
			return s.countFailure(ctx, tx, u.ID, entry)
		}
		may, err := tx.MaySignIn(ctx, u.ID, now)
		if err != nil {
			return err
		}
		if right = may; right {
			entry.Result = "ok"
		} else {
			entry.Result = "locked"
		}
		tx.Audit(entry)
		return nil
	})
	if err != nil {
		return err
	}
	if !right {
		return domain.InvalidFields(map[string]string{"password": WrongOwnPassword})
	}
	return nil
}

// countFailure counts, writes the entry, and a second one when this failure
// locks the account.
func (s *Service) countFailure(ctx context.Context, tx *store.Tx, user domain.UserID, entry store.AuditEntry) error {
	locked, err := tx.CountFailure(ctx, user, entry.At, MaxFailures, entry.At.Add(LockFor))
	if err != nil {
		return err
	}
	tx.Audit(entry)
	if locked {
		entry.Action, entry.Result = "signin.lockout", "locked"
		tx.Audit(entry)
	}
	return nil
}

// Code checks the second factor of who gave a right password. A code works
// once, within the step before to the step after ours. Unauthorized with
// WrongCode when it does not, or the account is locked or disabled; TooMany
// when this address tries too often.
func (s *Service) Code(ctx context.Context, who Who, code string, from From) error {
	if err := s.limit(from); err != nil {
		return err
	}
	u, err := s.store.UserByID(ctx, who.UserID)
	if err != nil {
		return err
	}
	now, right := s.now(), false
	step, match, err := s.matchingStep(u, code, now)
	if err != nil {
		return err
	}
	entry := store.AuditEntry{At: now, Actor: from.actor(), Anonymous: true, Action: "signin.code", ObjectType: "user", ObjectID: u.ID.String(), Result: "denied"}
	err = s.store.InTenant(ctx, who.MerchantID, func(tx *store.Tx) error {
		if match && u.Enrolled() {
			accepted, err := tx.AcceptStep(ctx, u.ID, step, now)
			if err != nil {
				return err
			}
			if right = accepted; right {
				entry.Result, entry.Anonymous = "ok", false
				entry.Actor.UserID, entry.Actor.Name = u.ID, u.Name
				tx.Audit(entry)
				return nil
			}
		}
		return s.countFailure(ctx, tx, u.ID, entry)
	})
	if err != nil {
		return err
	}
	if !right {
		return domain.Errorf(domain.Unauthorized, WrongCode)
	}
	return nil
}

// SignedOut writes the audit row of a sign-out.
func (s *Service) SignedOut(ctx context.Context, actor domain.Actor) error {
	return s.store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		tx.Audit(store.AuditEntry{At: s.now(), Actor: actor, Action: "signin.out", ObjectType: "user", ObjectID: actor.UserID.String(), Result: "ok"})
		return nil
	})
}

// SetTheme keeps how pages look to the actor: "system", "light" or "dark".
// Invalid for anything else.
func (s *Service) SetTheme(ctx context.Context, actor domain.Actor, theme string) error {
	switch theme {
	case "system", "light", "dark":
	default:
		return domain.InvalidFields(map[string]string{"theme": "Choose one of the themes."})
	}
	return s.store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		return tx.SetTheme(ctx, actor.UserID, theme)
	})
}

func (s *Service) limit(from From) error {
	if s.limiter.allow(from.IP, s.now()) {
		return nil
	}
	return domain.Errorf(domain.TooMany, "There were too many attempts from your network. Wait a minute, then try again.")
}

// compare computes one Argon2 hash, at most four at a time.
func (s *Service) compare(ctx context.Context, password, hash string) (bool, error) {
	release, err := s.hashSlot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("signin: compare: %w", err)
	}
	return match, nil
}

func (s *Service) hash(ctx context.Context, password string) (string, error) {
	release, err := s.hashSlot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	h, err := argon2id.CreateHash(password, hashParams)
	if err != nil {
		return "", fmt.Errorf("signin: hash: %w", err)
	}
	return h, nil
}

func (s *Service) hashSlot(ctx context.Context) (release func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		s.hashed.Add(1)
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, domain.Wrap(ctx.Err(), domain.Unavailable, "The server is busy. Try again in a moment.")
	}
}

// emailHash tells attempts for the same unknown e-mail apart from others
// without keeping what was typed, which may be a password in the wrong field.
func emailHash(email string) string {
	h := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(email))))
	return hex.EncodeToString(h[:6])
}

func newToken() (token string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, tokenHash(token)
}

func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
