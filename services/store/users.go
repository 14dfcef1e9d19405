package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
)

// User is a person who signs in, with what signing in needs.
type User struct {
	ID           domain.UserID
	Email        string
	Name         string
	PasswordHash string // empty until the first set-up
	TOTPSealed   []byte // nil until the first set-up
	TOTPLastStep int64  // zero until a first code has confirmed the factor
	DisabledAt   *time.Time
	// MerchantID is the merchant of the most recent membership; zero without
	// one.
	MerchantID domain.MerchantID
}

// Enrolled says that password and second factor are set up.
func (u User) Enrolled() bool {
	return u.PasswordHash != "" && u.TOTPSealed != nil && u.TOTPLastStep > 0
}

const userColumns = `u.id, u.email, u.name, u.password_hash, u.totp_sealed, u.totp_last_step, u.disabled_at, coalesce((
	select m.merchant_id from memberships m where m.user_id = u.id order by m.created_at desc, m.merchant_id desc limit 1),
	'00000000-0000-0000-0000-000000000000')`

func scanUser(row interface{ Scan(...any) error }) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.Email, &u.Name, &u.PasswordHash, &u.TOTPSealed, &u.TOTPLastStep, &u.DisabledAt, &u.MerchantID)
	if errors.Is(err, sql.ErrNoRows) {
		return u, domain.Errorf(domain.NotFound, "There is no such person.")
	}
	return u, dbError("get user", err)
}

// UserByEmail finds a person by e-mail, whatever its case; NotFound otherwise.
func (s *Store) UserByEmail(ctx context.Context, email string) (User, error) {
	return scanUser(s.counted(s.db).QueryRowxContext(ctx, `select `+userColumns+` from users u where lower(u.email) = lower($1)`, email))
}

// UserByID finds a person; NotFound otherwise.
func (s *Store) UserByID(ctx context.Context, id domain.UserID) (User, error) {
	return scanUser(s.counted(s.db).QueryRowxContext(ctx, `select `+userColumns+` from users u where u.id = $1`, id))
}

// Person is who a session belongs to, as the database says now. It has no name
// of its own for the same reason as Session.
type Person = struct {
	Actor    domain.Actor
	Merchant domain.Merchant
	Theme    string // "", "light" or "dark"
}

// PersonOf reads user, membership and merchant in one statement, so that
// disabling a user or changing a role counts from the next request on. NotFound
// when the user is disabled or not a member.
func (s *Store) PersonOf(ctx context.Context, user domain.UserID, merchant domain.MerchantID) (Person, error) {
	var p Person
	var currencies pq.StringArray
	m := &p.Merchant
	err := s.counted(s.db).QueryRowxContext(ctx, `
		select u.id, u.name, u.email, case u.theme when 'system' then '' else u.theme end, s.role,
			m.id, m.name, m.place, m.address, m.time_zone, m.mode, m.currencies, m.created_at
		from users u
		join memberships s on s.user_id = u.id
		join merchants m on m.id = s.merchant_id
		where u.id = $1 and s.merchant_id = $2 and u.disabled_at is null`, user, merchant).
		Scan(&p.Actor.UserID, &p.Actor.Name, &p.Actor.Email, &p.Theme, &p.Actor.Role,
			&m.ID, &m.Name, &m.Place, &m.Address, &m.TimeZone, &m.Mode, &currencies, &m.CreatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return p, domain.Errorf(domain.NotFound, "There is no such person.")
	}
	if err != nil {
		return p, dbError("get person", err)
	}
	p.Actor.MerchantID = m.ID
	m.Currencies, err = parseCurrencies(currencies)
	return p, err
}

// InsertMerchant adds the tenant of this unit of work.
func (t *Tx) InsertMerchant(ctx context.Context, m domain.Merchant) error {
	_, err := t.q.ExecContext(ctx, `insert into merchants (id, name, place, address, time_zone, mode, currencies, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		m.ID, m.Name, m.Place, m.Address, m.TimeZone, m.Mode, currencyCodes(m.Currencies), m.CreatedAt)
	return dbError("insert merchant", err)
}

// InsertUser adds a person who is a member of this merchant. Duplicate when the
// e-mail is taken.
func (t *Tx) InsertUser(ctx context.Context, u User, role domain.Role, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `insert into users (id, email, name, password_hash, totp_sealed, totp_last_step, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		u.ID, u.Email, u.Name, u.PasswordHash, u.TOTPSealed, u.TOTPLastStep, at)
	if isUnique(err, "users_email") {
		return domain.Errorf(domain.Duplicate, "There is already a person with this e-mail.")
	}
	if err != nil {
		return dbError("insert user", err)
	}
	_, err = t.q.ExecContext(ctx, `insert into memberships (merchant_id, user_id, role, created_at) values ($1, $2, $3, $4)`, t.m, u.ID, role, at)
	return dbError("insert membership", err)
}

// SetTheme keeps how pages look to a person: "system", "light" or "dark".
func (t *Tx) SetTheme(ctx context.Context, user domain.UserID, theme string) error {
	_, err := t.q.ExecContext(ctx, `update users set theme = $2 where id = $1`, user, theme)
	return dbError("set theme", err)
}

// CountFailure counts one wrong password or code. The failure that reaches most
// locks the account until the given time, which it says. While an account is
// locked nothing is counted; after that the count begins anew. An id that names
// nobody changes nothing and costs the same.
func (t *Tx) CountFailure(ctx context.Context, user domain.UserID, at time.Time, most int, until time.Time) (locked bool, err error) {
	err = t.q.QueryRowxContext(ctx, `
		with now_failed as (
			select id, case when locked_until <= $2 then 1 else failed_attempts + 1 end as n
			from users where id = $1 and (locked_until is null or locked_until <= $2) for update)
		update users u set failed_attempts = f.n, locked_until = case when f.n >= $3 then $4::timestamptz end
		from now_failed f where u.id = f.id
		returning u.locked_until is not null`, user, at, most, until).Scan(&locked)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return locked, dbError("count failure", err)
}

// MaySignIn says, holding the person's row until the end of this unit of work,
// that the account is neither locked nor disabled. Asked after the password was
// compared, so that guesses sent at the same moment are counted one by one.
func (t *Tx) MaySignIn(ctx context.Context, user domain.UserID, at time.Time) (bool, error) {
	var may bool
	err := t.q.QueryRowxContext(ctx, `
		select disabled_at is null and (locked_until is null or locked_until <= $2) from users where id = $1 for update`, user, at).Scan(&may)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return may, dbError("may sign in", err)
}

// AcceptStep takes a time step of the second factor if it is later than every
// one before: a code works once, however many arrive together. It ends the
// count of failures.
func (t *Tx) AcceptStep(ctx context.Context, user domain.UserID, step int64, at time.Time) (bool, error) {
	res, err := t.q.ExecContext(ctx, `
		update users set totp_last_step = $2, failed_attempts = 0, locked_until = null, last_sign_in_at = $3
		where id = $1 and totp_last_step > 0 and totp_last_step < $2 and disabled_at is null and (locked_until is null or locked_until <= $3)`, user, step, at)
	if err != nil {
		return false, dbError("accept code", err)
	}
	n, err := res.RowsAffected()
	return n == 1, dbError("accept code", err)
}

// SetPassword stores a password's hash together with a second factor that still
// waits for its first code.
func (t *Tx) SetPassword(ctx context.Context, user domain.UserID, hash string, totpSealed []byte) error {
	_, err := t.q.ExecContext(ctx, `update users set password_hash = $2, totp_sealed = $3, totp_last_step = 0 where id = $1`, user, hash, totpSealed)
	return dbError("set password", err)
}

// ResetSecondFactor replaces a person's second factor by one that still waits
// for its first code, and forgets failures: the account opens again with the
// password it has and the new factor. Only of a member of this merchant;
// NotFound otherwise.
func (t *Tx) ResetSecondFactor(ctx context.Context, user domain.UserID, totpSealed []byte) error {
	res, err := t.q.ExecContext(ctx, `
		update users set totp_sealed = $3, totp_last_step = 0, failed_attempts = 0, locked_until = null
		where id = $2 and exists (select 1 from memberships where merchant_id = $1 and user_id = $2)`, t.m, user, totpSealed)
	if err != nil {
		return dbError("reset second factor", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(domain.Errorf(domain.NotFound, "There is no such person."), err)
	}
	return nil
}

// ConfirmSecondFactor records the first right code of a factor.
func (t *Tx) ConfirmSecondFactor(ctx context.Context, user domain.UserID, step int64) error {
	_, err := t.q.ExecContext(ctx, `update users set totp_last_step = $2, failed_attempts = 0, locked_until = null where id = $1`, user, step)
	return dbError("confirm second factor", err)
}

// SetupLink is a one-time link without its token, and whom it is for.
type SetupLink struct {
	User      User
	Merchant  domain.Merchant
	ExpiresAt time.Time
	UsedAt    *time.Time
}

const setupLinkKind = "setup_link"

// InsertSetupLink keeps a link's hash here and in the directory. Links of the
// same person that were not used stop working.
func (t *Tx) InsertSetupLink(ctx context.Context, tokenHash []byte, user domain.UserID, at, expires time.Time) error {
	if _, err := t.q.ExecContext(ctx, `update setup_links set used_at = $3 where merchant_id = $1 and user_id = $2 and used_at is null`, t.m, user, at); err != nil {
		return dbError("end set-up links", err)
	}
	if _, err := t.q.ExecContext(ctx, `insert into setup_links (merchant_id, token_hash, user_id, expires_at, created_at) values ($1, $2, $3, $4, $5)`,
		t.m, tokenHash, user, expires, at); err != nil {
		return dbError("insert set-up link", err)
	}
	_, err := t.q.ExecContext(ctx, `insert into directory (kind, key_hash, merchant_id) values ($1, $2, $3)`, setupLinkKind, tokenHash, t.m)
	return dbError("insert set-up link", err)
}

// MerchantOfSetupLink is what somebody with a link, and without a merchant,
// may learn; NotFound when the link was never given.
func (s *Store) MerchantOfSetupLink(ctx context.Context, tokenHash []byte) (domain.MerchantID, error) {
	var m domain.MerchantID
	err := s.counted(s.db).QueryRowxContext(ctx, `select merchant_id from directory where kind = $1 and key_hash = $2`, setupLinkKind, tokenHash).Scan(&m)
	if errors.Is(err, sql.ErrNoRows) {
		return m, domain.Errorf(domain.NotFound, "There is no such link.")
	}
	return m, dbError("find set-up link", err)
}

// SetupLink reads a link with its person and merchant; NotFound when it is not
// this merchant's. Whether it still works is the caller's to judge.
func (t *Tx) SetupLink(ctx context.Context, tokenHash []byte) (SetupLink, error) {
	var l SetupLink
	var user domain.UserID
	err := t.q.QueryRowxContext(ctx, `select user_id, expires_at, used_at from setup_links where merchant_id = $1 and token_hash = $2`, t.m, tokenHash).
		Scan(&user, &l.ExpiresAt, &l.UsedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return l, domain.Errorf(domain.NotFound, "There is no such link.")
	}
	if err != nil {
		return l, dbError("get set-up link", err)
	}
	if l.User, err = scanUser(t.q.QueryRowxContext(ctx, `select `+userColumns+` from users u where u.id = $1`, user)); err != nil {
		return l, err
	}
	l.Merchant, err = t.MerchantRow(ctx)
	return l, err
}

// LockSetupLink is SetupLink with the rows of the person and of the link held
// until the end of this unit of work, so that a link is used by one request at a
// time. The person comes first, as wherever a link is given: the other order
// would be a deadlock.
func (t *Tx) LockSetupLink(ctx context.Context, tokenHash []byte) (SetupLink, error) {
	if _, err := t.q.ExecContext(ctx, `select 1 from users where id = (select user_id from setup_links where merchant_id = $1 and token_hash = $2) for update`, t.m, tokenHash); err != nil {
		return SetupLink{}, dbError("lock person of set-up link", err)
	}
	if _, err := t.q.ExecContext(ctx, `select 1 from setup_links where merchant_id = $1 and token_hash = $2 for update`, t.m, tokenHash); err != nil {
		return SetupLink{}, dbError("lock set-up link", err)
	}
	return t.SetupLink(ctx, tokenHash)
}

// UseSetupLink ends a link for good.
func (t *Tx) UseSetupLink(ctx context.Context, tokenHash []byte, at time.Time) error {
	if _, err := t.q.ExecContext(ctx, `update setup_links set used_at = $3 where merchant_id = $1 and token_hash = $2`, t.m, tokenHash, at); err != nil {
		return dbError("use set-up link", err)
	}
	_, err := t.q.ExecContext(ctx, `delete from directory where kind = $1 and key_hash = $2`, setupLinkKind, tokenHash)
	return dbError("use set-up link", err)
}
