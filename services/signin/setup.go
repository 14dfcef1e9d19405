package signin

import (
	"context"
	"net/mail"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// LinkFor is how long a one-time link works.
const LinkFor = 24 * time.Hour

// Step is what a one-time link asks for next.
type Step string

// The steps, in order.
const (
	StepPassword Step = "password"
	StepFactor   Step = "factor"
)

// Setup is what the page of a one-time link shows.
type Setup struct {
	Step     Step
	Name     string
	Email    string
	Merchant string
	Secret   string // in groups of four; only in StepFactor
}

var errGone = domain.Errorf(domain.NotFound, "This link was used, is too old, or was never given.")

// NewPerson is who is to sign in at a merchant.
type NewPerson struct {
	Email string
	Name  string
	Role  domain.Role
}

// check trims, and gives Invalid with a sentence per field.
func (p *NewPerson) check() error {
	fields := map[string]string{}
	p.Email, p.Name = strings.TrimSpace(p.Email), strings.TrimSpace(p.Name)
	if a, err := mail.ParseAddress(p.Email); err != nil || a.Address != p.Email || len(p.Email) > 254 {
		fields["email"] = "Write an e-mail address, such as ada@example.com."
	}
	if p.Name == "" || len(p.Name) > 100 {
		fields["name"] = "Write a name of at most 100 letters."
	}
	if _, err := domain.ParseRole(string(p.Role)); err != nil {
		fields["role"] = domain.MessageOf(err)
	}
	if len(fields) > 0 {
		return domain.InvalidFields(fields)
	}
	return nil
}

// CreateMerchant adds a merchant with its owner and gives the token of the
// owner's one-time link. It is for the operator's commands: nobody is asked for
// a permission. Invalid when a value is wrong, Duplicate when the owner's
// e-mail is taken; then nothing was added.
func (s *Service) CreateMerchant(ctx context.Context, m domain.Merchant, owner NewPerson) (domain.MerchantID, string, error) {
	owner.Role = domain.Owner
	if err := owner.check(); err != nil {
		return domain.MerchantID{}, "", err
	}
	if err := checkMerchant(&m); err != nil {
		return domain.MerchantID{}, "", err
	}
	m.ID, m.CreatedAt = domain.NewMerchantID(), s.now()
	token := ""
	err := s.store.InTenant(ctx, m.ID, func(tx *store.Tx) error {
		if err := tx.InsertMerchant(ctx, m); err != nil {
			return err
		}
		tx.Audit(store.AuditEntry{At: s.now(), Action: "merchant.created", ObjectType: "merchant", ObjectID: m.ID.String(), Result: "ok"})
		var err error
		_, token, err = s.addPerson(ctx, tx, owner)
		return err
	})
	return m.ID, token, err
}

func checkMerchant(m *domain.Merchant) error {
	fields := map[string]string{}
	m.Name = strings.TrimSpace(m.Name)
	if m.Name == "" || len(m.Name) > 200 {
		fields["name"] = "Write the merchant's name, of at most 200 letters."
	}
	if _, err := time.LoadLocation(m.TimeZone); err != nil || m.TimeZone == "" {
		fields["time-zone"] = "Name a time zone such as Europe/London."
	}
	if m.Mode != domain.Live && m.Mode != domain.Test {
		fields["mode"] = "The mode is live or test."
	}
	if len(m.Currencies) == 0 {
		fields["currency"] = "Name at least one currency."
	}
	if len(fields) > 0 {
		return domain.InvalidFields(fields)
	}
	return nil
}

// CreateUser adds a person to a merchant and gives the token of a one-time
// link. It is for the operator's commands: nobody is asked for a permission.
// Invalid when a value is wrong, Duplicate when the e-mail is taken.
func (s *Service) CreateUser(ctx context.Context, merchant domain.MerchantID, p NewPerson) (domain.UserID, string, error) {
	if err := p.check(); err != nil {
		return domain.UserID{}, "", err
	}
	var id domain.UserID
	token := ""
	err := s.store.InTenant(ctx, merchant, func(tx *store.Tx) (err error) {
		if _, err = tx.MerchantRow(ctx); err != nil {
			return err
		}
		id, token, err = s.addPerson(ctx, tx, p)
		return err
	})
	return id, token, err
}

func (s *Service) addPerson(ctx context.Context, tx *store.Tx, p NewPerson) (domain.UserID, string, error) {
	u := store.User{ID: domain.NewUserID(), Email: p.Email, Name: p.Name}
	if err := tx.InsertUser(ctx, u, p.Role, s.now()); err != nil {
		return u.ID, "", err
	}
	tx.Audit(store.AuditEntry{At: s.now(), Action: "user.created", ObjectType: "user", ObjectID: u.ID.String(), Result: "ok",
		Detail: map[string]any{"role": string(p.Role)}})
	token, err := s.addLink(ctx, tx, u.ID)
	return u.ID, token, err
}

// CreateUserWithPassword adds a person who can sign in at once, with a password
// that somebody else knows. It exists for the demo, whose accounts are
// published; the password is not held to the rules. totpSecret is base32.
func (s *Service) CreateUserWithPassword(ctx context.Context, merchant domain.MerchantID, p NewPerson, password, totpSecret string) (domain.UserID, error) {
	if err := p.check(); err != nil {
		return domain.UserID{}, err
	}
	if _, err := CodeAt(totpSecret, s.now()); err != nil {
		return domain.UserID{}, domain.Wrap(err, domain.Invalid, "The second factor's secret is not base32.")
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return domain.UserID{}, err
	}
	u := store.User{ID: domain.NewUserID(), Email: p.Email, Name: p.Name, PasswordHash: hash, TOTPLastStep: 1}
	if u.TOTPSealed, err = s.sealSecret(u, totpSecret); err != nil {
		return domain.UserID{}, err
	}
	err = s.store.InTenant(ctx, merchant, func(tx *store.Tx) error {
		if err := tx.InsertUser(ctx, u, p.Role, s.now()); err != nil {
			return err
		}
		tx.Audit(store.AuditEntry{At: s.now(), Action: "user.created", ObjectType: "user", ObjectID: u.ID.String(), Result: "ok",
			Detail: map[string]any{"role": string(p.Role), "published": true}})
		return nil
	})
	return u.ID, err
}

// Purpose is what a one-time link is for.
type Purpose string

// The purposes.
const (
	// NewSignIn starts from nothing: the old password and second factor stop
	// working at once.
	NewSignIn Purpose = "sign_in"
	// NewFactor keeps the password and asks for a new second factor.
	NewFactor Purpose = "second_factor"
)

// CreateSetupLink gives the token of a link for a member of the merchant, ends
// links given before and all of the person's sessions. It is for the operator's
// commands: nobody is asked for a permission. NotFound when the person is not a
// member.
func (s *Service) CreateSetupLink(ctx context.Context, merchant domain.MerchantID, user domain.UserID, purpose Purpose) (string, error) {
	token := ""
	err := s.store.InTenant(ctx, merchant, func(tx *store.Tx) error {
		u := store.User{ID: user}
		sealed, err := s.sealSecret(u, newSecret())
		if err != nil {
			return err
		}
		if err := tx.ResetSecondFactor(ctx, user, sealed); err != nil {
			return err
		}
		if purpose != NewFactor {
			if err := tx.SetPassword(ctx, user, "", nil); err != nil {
				return err
			}
		}
		if _, err := tx.EndSessionsOf(ctx, user); err != nil {
			return err
		}
		tx.Audit(store.AuditEntry{At: s.now(), Action: "user.reset", ObjectType: "user", ObjectID: user.String(), Result: "ok",
			Detail: map[string]any{"purpose": string(purpose)}})
		token, err = s.addLink(ctx, tx, user)
		return err
	})
	return token, err
}

// ResetSecondFactor gives the token of a link with which the person of this
// e-mail enrols a new second factor; the old one stops working at once.
// NotFound when there is no such person.
func (s *Service) ResetSecondFactor(ctx context.Context, email string) (string, error) {
	return s.reset(ctx, email, NewFactor)
}

// ResetSignIn is ResetSecondFactor for the password as well.
func (s *Service) ResetSignIn(ctx context.Context, email string) (string, error) {
	return s.reset(ctx, email, NewSignIn)
}

func (s *Service) reset(ctx context.Context, email string, purpose Purpose) (string, error) {
	u, err := s.store.UserByEmail(ctx, strings.TrimSpace(email))
	if err != nil {
		return "", err
	}
	if u.PasswordHash == "" {
		purpose = NewSignIn
	}
	return s.CreateSetupLink(ctx, u.MerchantID, u.ID, purpose)
}

func (s *Service) addLink(ctx context.Context, tx *store.Tx, user domain.UserID) (string, error) {
	token, hash := newToken()
	if err := tx.InsertSetupLink(ctx, hash, user, s.now(), s.now().Add(LinkFor)); err != nil {
		return "", err
	}
	tx.Audit(store.AuditEntry{At: s.now(), Action: "setup_link.created", ObjectType: "user", ObjectID: user.String(), Result: "ok"})
	return token, nil
}

// works says whether a link can still be used, and gives its step.
func (s *Service) works(l store.SetupLink) (Step, error) {
	if l.UsedAt != nil || !s.now().Before(l.ExpiresAt) || l.User.DisabledAt != nil {
		return "", errGone
	}
	if l.User.PasswordHash == "" {
		return StepPassword, nil
	}
	return StepFactor, nil
}

// Setup reads a one-time link. NotFound, always with the same words, when it
// was used, is too old or was never given. It changes nothing.
func (s *Service) Setup(ctx context.Context, token string) (Setup, error) {
	l, step, err := s.link(ctx, token)
	if err != nil {
		return Setup{}, err
	}
	out := Setup{Step: step, Name: l.User.Name, Email: l.User.Email, Merchant: l.Merchant.Name}
	if step == StepFactor {
		secret, err := s.openSecret(l.User)
		if err != nil {
			return Setup{}, err
		}
		out.Secret = groups(secret)
	}
	return out, nil
}

func (s *Service) link(ctx context.Context, token string) (store.SetupLink, Step, error) {
	hash := tokenHash(token)
	m, err := s.merchantOf(ctx, hash)
	if err != nil {
		return store.SetupLink{}, "", err
	}
	var l store.SetupLink
	err = s.store.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
		l, err = tx.SetupLink(ctx, hash)
		return err
	})
	if err != nil {
		return l, "", err
	}
	step, err := s.works(l)
	return l, step, err
}

func (s *Service) merchantOf(ctx context.Context, hash []byte) (domain.MerchantID, error) {
	m, err := s.store.MerchantOfSetupLink(ctx, hash)
	if domain.CodeOf(err) == domain.NotFound {
		return m, errGone
	}
	return m, err
}

// QR is the PNG of the second factor that the link's page shows as text.
// NotFound when the link does not ask for a second factor.
func (s *Service) QR(ctx context.Context, token string) ([]byte, error) {
	l, step, err := s.link(ctx, token)
	if err != nil {
		return nil, err
	}
	if step != StepFactor {
		return nil, errGone
	}
	secret, err := s.openSecret(l.User)
	if err != nil {
		return nil, err
	}
	return qr(l.User.Email, secret)
}

// ChoosePassword takes the first step of a link. Invalid with a sentence for
// the field "password" when the rules refuse it; NotFound when the link does
// not work or this step is behind it; TooMany when this address tries too often.
func (s *Service) ChoosePassword(ctx context.Context, token, password string, from From) error {
	if err := s.limit(from); err != nil {
		return err
	}
	l, step, err := s.link(ctx, token)
	if err != nil {
		return err
	}
	if step != StepPassword {
		return errGone
	}
	if err := CheckPassword(password, l.User.Name, l.User.Email, l.Merchant.Name); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	sealed, err := s.sealSecret(l.User, newSecret())
	if err != nil {
		return err
	}
	return s.withLink(ctx, l.Merchant.ID, token, StepPassword, func(tx *store.Tx, l store.SetupLink, _ []byte) error {
		tx.Audit(s.setupEntry(l, from, "setup.password"))
		return tx.SetPassword(ctx, l.User.ID, hash, sealed)
	})
}

// ConfirmFactor takes the second step of a link, which ends it: from now on the
// person can sign in. Invalid with a sentence for the field "code" when the
// code is not the factor's; NotFound and TooMany as for ChoosePassword.
func (s *Service) ConfirmFactor(ctx context.Context, token, code string, from From) error {
	if err := s.limit(from); err != nil {
		return err
	}
	m, err := s.merchantOf(ctx, tokenHash(token))
	if err != nil {
		return err
	}
	return s.withLink(ctx, m, token, StepFactor, func(tx *store.Tx, l store.SetupLink, hash []byte) error {
		step, match, err := s.matchingStep(l.User, code, s.now())
		if err != nil {
			return err
		}
		if !match {
			return domain.InvalidFields(map[string]string{"code": "That code is not right. Wait for the next one and check the clock of your phone."})
		}
		if err := tx.ConfirmSecondFactor(ctx, l.User.ID, step); err != nil {
			return err
		}
		if _, err := tx.EndSessionsOf(ctx, l.User.ID); err != nil {
			return err
		}
		tx.Audit(s.setupEntry(l, from, "setup.completed"))
		return tx.UseSetupLink(ctx, hash, s.now())
	})
}

// withLink runs f with the rows of the person and the link held, after judging
// the link again: of twenty requests with one link, one gets through each step.
func (s *Service) withLink(ctx context.Context, m domain.MerchantID, token string, want Step, f func(*store.Tx, store.SetupLink, []byte) error) error {
	hash := tokenHash(token)
	return s.store.InTenant(ctx, m, func(tx *store.Tx) error {
		l, err := tx.LockSetupLink(ctx, hash)
		if err != nil {
			return err
		}
		step, err := s.works(l)
		if err != nil {
			return err
		}
		if step != want {
			return errGone
		}
		return f(tx, l, hash)
	})
}

func (s *Service) setupEntry(l store.SetupLink, from From, action string) store.AuditEntry {
	actor := from.actor()
	actor.UserID, actor.Name = l.User.ID, l.User.Name
	return store.AuditEntry{At: s.now(), Actor: actor, Action: action, ObjectType: "user", ObjectID: l.User.ID.String(), Result: "ok"}
}

func groups(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
