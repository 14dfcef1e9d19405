package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
)

// The limits of a session.
const (
	// SessionCookie is the session cookie's name. The prefix makes browsers
	// insist on Secure, Path=/ and no Domain.
	SessionCookie = "__Host-counterfoil"
	// Idle ends the session of a person who does nothing for so long.
	Idle = 15 * time.Minute
	// Lifetime ends every session, however busy.
	Lifetime = 12 * time.Hour
	// FirstFactorFor is how long a right password waits for its second factor.
	FirstFactorFor = 10 * time.Minute
	// touchEvery is how often the idle clock is written at most.
	touchEvery = time.Minute
)

// Why a session ended, as the sign-in page is told by its query.
const (
	EndedIdle = "idle"
	Ended     = "ended"
)

// Session is a stored session. Data is opaque to the store. It is an unnamed
// type, and Person too, so that the store gives the very same without either
// package importing the other.
type Session = struct {
	Data       []byte
	UserID     domain.UserID // zero before the password step
	LastSeenAt time.Time
	ExpiresAt  time.Time
}

// Person is who a session belongs to, as the database says now.
type Person = struct {
	Actor    domain.Actor
	Merchant domain.Merchant
	Theme    string // "", "light" or "dark"
}

// Store is what sessions need of the database. Tokens come in clear and must
// be kept as a hash only.
type Store interface {
	// FindSession reads a session; false when there is none.
	FindSession(ctx context.Context, token string) (Session, bool, error)
	// InsertSession adds a session that was created and last seen now.
	InsertSession(ctx context.Context, token string, s Session) error
	// UpdateSession changes the data of a session that is still there; one that
	// was ended meanwhile stays ended.
	UpdateSession(ctx context.Context, token string, data []byte) error
	// TouchSession moves the idle clock.
	TouchSession(ctx context.Context, token string, at time.Time) error
	// DeleteSession ends a session.
	DeleteSession(ctx context.Context, token string) error
	// PersonOf reads user, membership and merchant in one statement; NotFound
	// when the user is disabled or not (or no longer) a member.
	PersonOf(ctx context.Context, user domain.UserID, merchant domain.MerchantID) (Person, error)
}

// The values of a session.
const (
	valueMerchant = "merchant"
	valueComplete = "complete" // both factors were right
	valueSince    = "since"    // Unix time of the last step of sign-in
	valueCSRF     = "csrf"
	valueFlash    = "flash"
	valueStepUp   = "step-up" // Unix time in microseconds at which both factors were proven again
)

type sessions struct {
	store Store
	now   func() time.Time
	scs   *scs.SessionManager
}

// visit is what one request knows of its session.
type visit struct {
	token    string // as loaded; "" when there was none
	user     domain.UserID
	lastSeen time.Time
	expires  time.Time
	ended    string // why the session that the cookie names is not there
	visitor  string // cookie of somebody who has not signed in; nothing is stored for it
	minted   bool   // visitor is new: the browser does not have it yet
	person   *Person
	saved    bool
	keepEnd  bool // a new token keeps the old one's end
}

type visitKey struct{}

func newSessions(store Store, now func() time.Time) *sessions {
	s := &sessions{store: store, now: now, scs: scs.New()}
	s.scs.Store = scsStore{s}
	s.scs.Lifetime = Lifetime
	s.scs.Cookie = scs.SessionCookie{
		Name: SessionCookie, Path: "/", HttpOnly: true, Secure: true,
		SameSite: http.SameSiteLaxMode, // Strict loses the session on the way back from a provider's page
	}
	return s
}

// load reads the session that the cookie names, and who it belongs to.
func (s *sessions) load(c echo.Context) error {
	v := &visit{}
	token := ""
	if cookie, err := c.Request().Cookie(SessionCookie); err == nil && len(cookie.Value) <= 100 {
		token = cookie.Value
	}
	if strings.HasPrefix(token, visitorPrefix) {
		v.visitor, token = token, ""
	}
	ctx := context.WithValue(c.Request().Context(), visitKey{}, v)
	ctx, err := s.scs.Load(ctx, token)
	if err != nil {
		return err
	}
	c.SetRequest(c.Request().WithContext(ctx))
	c.Set(keySession, v)
	if v.user.IsZero() {
		return nil
	}
	merchant, err := domain.ParseMerchantID(s.scs.GetString(ctx, valueMerchant))
	if err != nil {
		return nil
	}
	p, err := s.store.PersonOf(ctx, v.user, merchant)
	if domain.CodeOf(err) == domain.NotFound {
		// Disabled, or no longer a member: the session dies here, at once.
		v.user, v.ended = domain.UserID{}, Ended
		return s.scs.Destroy(ctx)
	}
	if err != nil {
		return err
	}
	p.Actor.IP = c.RealIP()
	p.Actor.RequestID = RequestID(c)
	if at := s.scs.GetInt64(ctx, valueStepUp); at != 0 {
		p.Actor.SteppedUpAt = time.UnixMicro(at).UTC()
	}
	v.person = &p
	return nil
}

// touch moves the idle clock at most once a minute, and never for a request
// that no person made.
func (s *sessions) touch(c echo.Context) error {
	v := visitOf(c)
	now := s.now()
	if v == nil || v.token == "" || v.user.IsZero() || Background(c) || now.Sub(v.lastSeen) < touchEvery {
		return nil
	}
	v.lastSeen = now
	return s.store.TouchSession(c.Request().Context(), v.token, now)
}

// commit saves what changed and sets the cookie. It runs before the first byte
// of an answer, so that a session that could not be saved is an error and not
// a page.
func (s *sessions) commit(c echo.Context) error {
	v := visitOf(c)
	if v == nil || v.saved || c.Response().Committed {
		return nil
	}
	// The browser may have gone, but what was decided is kept.
	ctx, cancel := detached(c.Request().Context())
	defer cancel()
	switch s.scs.Status(ctx) {
	case scs.Modified:
		token, _, err := s.scs.Commit(ctx)
		if err != nil {
			return err
		}
		s.writeCookie(c, token)
	case scs.Destroyed:
		s.writeCookie(c, v.visitor)
	case scs.Unmodified:
		if v.minted {
			s.writeCookie(c, v.visitor)
		}
	}
	v.saved = true
	return nil
}

// writeCookie gives the browser a token to keep until it is closed, or takes
// the one that it has with "".
func (s *sessions) writeCookie(c echo.Context, token string) {
	k := s.scs.Cookie
	cookie := &http.Cookie{Name: k.Name, Value: token, Path: k.Path, HttpOnly: k.HttpOnly, Secure: k.Secure, SameSite: k.SameSite}
	if token == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

// visitorPrefix marks the cookie of somebody who has not signed in. It only
// ties a form to the browser that it was given to, so it is not in the
// database: strangers who load the sign-in page write nothing.
const visitorPrefix = "visitor."

// visitorSecret is what the form tokens of a visitor are made with. Only we and
// the visitor's browser know the cookie, and its name keeps other hosts from
// planting one.
func (v *visit) visitorSecret() []byte {
	h := sha256.Sum256([]byte("counterfoil visitor\x00" + v.visitor))
	return h[:]
}

// SessionToken is the token of this request's session; empty when there is none.
// It is as good as a password: nothing may write or keep it.
func SessionToken(c echo.Context) string {
	if v := visitOf(c); v != nil {
		return v.token
	}
	return ""
}

func visitOf(c echo.Context) *visit {
	v, _ := c.Get(keySession).(*visit)
	return v
}

// scsStore lets scs keep its sessions in our store. What scs does not know, who
// the session belongs to and by which clock it ends, travels in the context.
type scsStore struct{ s *sessions }

var errNoContext = errors.New("web: sessions need a context")

func (a scsStore) Find(string) ([]byte, bool, error)      { return nil, false, errNoContext }
func (a scsStore) Commit(string, []byte, time.Time) error { return errNoContext }
func (a scsStore) Delete(string) error                    { return errNoContext }

// FindCtx judges by our clock whether the session still counts; one that does
// not is deleted, so that no clock brings it back.
func (a scsStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	v, _ := ctx.Value(visitKey{}).(*visit)
	if v == nil {
		return nil, false, errNoContext
	}
	row, found, err := a.s.store.FindSession(ctx, token)
	if err != nil {
		return nil, false, err
	}
	if !found {
		v.ended = Ended
		return nil, false, nil
	}
	now := a.s.now()
	switch {
	case !now.Before(row.ExpiresAt):
		v.ended = Ended
	case !row.UserID.IsZero() && now.Sub(row.LastSeenAt) >= Idle:
		v.ended = EndedIdle
	}
	if v.ended != "" {
		return nil, false, a.s.store.DeleteSession(ctx, token)
	}
	v.token, v.user, v.lastSeen, v.expires = token, row.UserID, row.LastSeenAt, row.ExpiresAt
	return row.Data, true, nil
}

// CommitCtx never brings back a session that another request has ended: what
// was loaded is only ever updated, and only a new token is inserted. The expiry
// that scs gives is by the wall clock and is not used.
func (a scsStore) CommitCtx(ctx context.Context, token string, data []byte, _ time.Time) error {
	v, _ := ctx.Value(visitKey{}).(*visit)
	if v == nil {
		return errNoContext
	}
	if token == v.token {
		return a.s.store.UpdateSession(ctx, token, data)
	}
	now := a.s.now()
	v.lastSeen = now
	if !v.keepEnd {
		v.expires = now.Add(Lifetime)
	}
	if err := a.s.store.InsertSession(ctx, token, Session{Data: data, UserID: v.user, LastSeenAt: now, ExpiresAt: v.expires}); err != nil {
		return err
	}
	v.token = token
	return nil
}

// DeleteCtx ends a session.
func (a scsStore) DeleteCtx(ctx context.Context, token string) error {
	if token == "" {
		return nil
	}
	return a.s.store.DeleteSession(ctx, token)
}

// Actor is who made this request; the zero Actor when nobody is signed in with
// both factors.
func Actor(c echo.Context) domain.Actor {
	if !SignedIn(c) {
		return domain.Actor{}
	}
	return visitOf(c).person.Actor
}

// Merchant is the merchant that the person works at; the zero Merchant when
// nobody is signed in.
func Merchant(c echo.Context) domain.Merchant {
	if !SignedIn(c) {
		return domain.Merchant{}
	}
	return visitOf(c).person.Merchant
}

// Theme is the person's choice: "light", "dark", or "" for the device's.
func Theme(c echo.Context) string {
	if !SignedIn(c) {
		return ""
	}
	return visitOf(c).person.Theme
}

// SignedIn says that the session has both factors and its user is still a
// member.
func SignedIn(c echo.Context) bool {
	v := visitOf(c)
	return v != nil && v.person != nil && serverOf(c).sessions.scs.GetBool(c.Request().Context(), valueComplete)
}

// SessionTimes says when the person signed in and when the session ends at the
// latest.
func SessionTimes(c echo.Context) (since, until time.Time) {
	if v := visitOf(c); v != nil && SignedIn(c) {
		return time.Unix(serverOf(c).sessions.scs.GetInt64(c.Request().Context(), valueSince), 0).UTC(), v.expires
	}
	return time.Time{}, time.Time{}
}

// FirstFactor records a right password: the session gets a new token and
// everything it held is forgotten. It is not signed in yet.
func FirstFactor(c echo.Context, user domain.UserID, merchant domain.MerchantID) error {
	s := serverOf(c).sessions
	ctx := c.Request().Context()
	if err := s.scs.Clear(ctx); err != nil {
		return err
	}
	if err := s.scs.RenewToken(ctx); err != nil {
		return err
	}
	visitOf(c).user = user
	visitOf(c).person = nil
	s.scs.Put(ctx, valueMerchant, merchant.String())
	s.scs.Put(ctx, valueSince, s.now().Unix())
	s.scs.Put(ctx, valueCSRF, newSecret())
	return nil
}

// Pending is who gave a right password a little while ago and still owes the
// second factor.
func Pending(c echo.Context) (domain.Actor, bool) {
	v := visitOf(c)
	if v == nil || v.person == nil || SignedIn(c) {
		return domain.Actor{}, false
	}
	s := serverOf(c).sessions
	since := time.Unix(s.scs.GetInt64(c.Request().Context(), valueSince), 0)
	if s.now().Sub(since) >= FirstFactorFor {
		return domain.Actor{}, false
	}
	return v.person.Actor, true
}

// SecondFactor completes the sign-in of who is Pending, under a new token.
func SecondFactor(c echo.Context) error {
	s := serverOf(c).sessions
	ctx := c.Request().Context()
	if _, ok := Pending(c); !ok {
		return domain.Errorf(domain.Unauthorized, "Sign in with your password first.")
	}
	if err := s.scs.RenewToken(ctx); err != nil {
		return err
	}
	s.scs.Put(ctx, valueComplete, true)
	s.scs.Put(ctx, valueSince, s.now().Unix())
	s.scs.Put(ctx, valueCSRF, newSecret())
	return nil
}

// SteppedUp records that who is signed in proved both factors again, under a new
// token. The session ends when it would have ended, and forms of other tabs stay
// good.
func SteppedUp(c echo.Context, at time.Time) error {
	s := serverOf(c).sessions
	ctx := c.Request().Context()
	if !SignedIn(c) {
		return domain.Errorf(domain.Unauthorized, "Sign in first.")
	}
	visitOf(c).keepEnd = true
	if err := s.scs.RenewToken(ctx); err != nil {
		return err
	}
	s.scs.Put(ctx, valueStepUp, at.UnixMicro())
	return nil
}

// SignOut ends the session on the server and tells the browser to forget it
// and every page of it.
func SignOut(c echo.Context) error {
	s := serverOf(c).sessions
	if err := s.scs.Destroy(c.Request().Context()); err != nil {
		return err
	}
	v := visitOf(c)
	v.person, v.user, v.token = nil, domain.UserID{}, ""
	c.Response().Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return nil
}

// Flash keeps one sentence for the next page. kind is a tone: good, info, warn
// or bad.
func Flash(c echo.Context, kind, text string) {
	serverOf(c).sessions.scs.Put(c.Request().Context(), valueFlash, kind+"\x00"+text)
}

func newSecret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

func endedBecause(c echo.Context) string {
	if v := visitOf(c); v != nil {
		return v.ended
	}
	return ""
}
