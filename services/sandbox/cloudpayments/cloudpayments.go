// Package cloudpayments emulates Cloud Payments (api.cloudpayments.com) as far
// as seed 002 has it: the check of the APP key, the sign-in, and the errors of
// the key.
//
// It exists so that an adapter can be tested, and the product shown, against a
// server that keeps state and refuses what the real one refuses. It is written
// from the provider's document and imports services/sandbox/kit only; sharing a
// wire type with the adapter would let one misreading pass on both sides.
package cloudpayments

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Name is the emulator's name in the control API.
const Name = "cloudpayments"

// BasePath is where the API is mounted; an adapter's base URL is the sandbox's
// address plus BasePath.
const BasePath = "/cloudpayments"

// Published APP keys of the default configuration.
const (
	KeyValid      = "cp-sandbox-key-valid"
	KeyExpiring   = "cp-sandbox-key-expiring" // ends a day after the start, by the emulator's clock
	KeyExpired    = "cp-sandbox-key-expired"
	KeyRevoked    = "cp-sandbox-key-revoked"
	KeyDisallowed = "cp-sandbox-key-disallowed"
	KeyCheckOnly  = "cp-sandbox-key-check-only" // may check itself and not sign in
	KeyInactive   = "cp-sandbox-key-inactive"
	KeyNoQuota    = "cp-sandbox-key-no-quota"
	KeyLowLimit   = "cp-sandbox-key-low-limit" // two calls a minute
)

// Published people of the default configuration.
const (
	Username           = "sandbox-admin"
	Password           = "sandbox-admin-password"
	NewcomerUsername   = "sandbox-newcomer"
	NewcomerPassword   = "sandbox-newcomer-password"
	TenantID           = "sandbox-tenant"
	accessTokenSeconds = 1800
	refreshTokenMonths = 3
	expiringKeyLasts   = 24 * time.Hour
)

// The paths of the API, below BasePath.
const (
	StatusPath = "/dummyapi/status"
	TokenPath  = "/auth/oauth/token"
)

// Config is the emulator's fixed data. The zero value means DefaultConfig.
type Config struct {
	Keys   []Key
	People []Person
	// Closed are the paths that nobody may use ("API Access prohibited").
	Closed []string
}

// Key is an APP key.
type Key struct {
	Value string
	// Lasts is how long after the start of the emulator the key works; 0: for
	// ever, negative: it has expired.
	Lasts    time.Duration
	Inactive bool
	NoQuota  bool
	// Revoked and unknown keys are told apart by nobody.
	Revoked bool
	// Allowed are the paths that the key may use.
	Allowed []string
	// PerMinute bounds the calls in one minute of the clock; 0: no bound.
	PerMinute int
}

// Person is somebody who can sign in.
type Person struct {
	Username, Password, UUID, Tenant string
	MustChangePassword               bool
}

// DefaultConfig is what the sandbox publishes.
func DefaultConfig() Config {
	all := []string{StatusPath, TokenPath}
	return Config{
		Keys: []Key{
			{Value: KeyValid, Allowed: all},
			{Value: KeyExpiring, Allowed: all, Lasts: expiringKeyLasts},
			{Value: KeyExpired, Allowed: all, Lasts: -1},
			{Value: KeyRevoked, Allowed: all, Revoked: true},
			{Value: KeyDisallowed},
			{Value: KeyCheckOnly, Allowed: []string{StatusPath}},
			{Value: KeyInactive, Allowed: all, Inactive: true},
			{Value: KeyNoQuota, Allowed: all, NoQuota: true},
			{Value: KeyLowLimit, Allowed: all, PerMinute: 2},
		},
		People: []Person{
			{Username: Username, Password: Password, UUID: "5f0c6a52-0c1e-4d3e-9f51-6f1d0a4be001", Tenant: TenantID},
			{Username: NewcomerUsername, Password: NewcomerPassword, UUID: "5f0c6a52-0c1e-4d3e-9f51-6f1d0a4be002", Tenant: TenantID, MustChangePassword: true},
		},
	}
}

// Server is one emulator with its state in memory.
type Server struct {
	kit     *kit.Kit
	cfg     Config
	handler http.Handler

	mu      sync.Mutex
	started time.Time
	revoked map[string]bool
	refresh map[string]session
	calls   map[string][]time.Time
}

type session struct {
	person Person
	until  time.Time
}

var (
	_ kit.Emulator   = (*Server)(nil)
	_ kit.Controlled = (*Server)(nil)
)

// New returns an emulator. A nil kit means a new one on the system clock.
func New(cfg Config, k *kit.Kit) *Server {
	def := DefaultConfig()
	if cfg.Keys == nil {
		cfg.Keys = def.Keys
	}
	if cfg.People == nil {
		cfg.People = def.People
	}
	if k == nil {
		k = kit.New(nil)
	}
	s := &Server{kit: k, cfg: cfg}
	s.clear()
	s.handler = k.Serve(s.routes(), func(status int) []byte { return kit.Encode(errorBody{http.StatusText(status)}) })
	return s
}

// Handler serves the absolute paths below BasePath.
func (s *Server) Handler() http.Handler { return s.handler }

// Kit returns the emulator's controls.
func (s *Server) Kit() *kit.Kit { return s.kit }

// State returns an empty ledger: nothing here moves money.
func (s *Server) State() kit.State { return kit.NewState(nil) }

// Reset forgets the sessions, takes revocations back and resets the kit.
func (s *Server) Reset() {
	s.kit.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// clear makes the first state. The caller holds the lock, or is New.
func (s *Server) clear() {
	s.started = s.kit.Clock.Now()
	s.revoked, s.refresh, s.calls = map[string]bool{}, map[string]session{}, map[string][]time.Time{}
	for _, k := range s.cfg.Keys {
		s.revoked[k.Value] = k.Revoked
	}
}

// Revoke takes a key away, as the platform's admin would ("Revoking keys").
func (s *Server) Revoke(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.revoked[key]; !ok {
		return fmt.Errorf("there is no such key")
	}
	s.revoked[key] = true
	return nil
}

// Controls is kit.Controlled: POST revoke {"key"}.
func (s *Server) Controls() map[string]http.Handler {
	type command struct {
		Key string `json:"key"`
	}
	return map[string]http.Handler{"revoke": kit.Command(func(c command) (any, error) { return nil, s.Revoke(c.Key) })}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+BasePath+StatusPath, s.keyed(s.status))
	mux.HandleFunc("POST "+BasePath+TokenPath, s.keyed(s.token))
	// What is not public is not there, and a wrong method is a wrong path
	// (ASSUMPTION: the text).
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "Not found") })
	return mux
}

// errorBody is the document's body of every error of the key.
type errorBody struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, status int, text string) {
	kit.WriteJSON(w, status, errorBody{text})
}

// keyed checks the APP key before anything else. The first four texts are seed
// 002's, "Key related errors"; the others are what the gateway Tyk says, from
// which those four are (inference).
func (s *Server) keyed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, BasePath)
		if status, text := s.judge(path, r.Header.Values("Api-Key")); status != 0 {
			refuse(w, status, text)
			return
		}
		next(w, r)
	}
}

func (s *Server) judge(path string, keys []string) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const (
		missing    = "Authorization field missing"
		expired    = "Key has expired, please renew"
		disallowed = "Access to this API has been disallowed"
		closed     = "Requested endpoint is forbidden"
		inactive   = "Key is inactive, please renew"
		quota      = "Quota exceeded"
		rate       = "Rate Limit Exceeded"
	)
	if slices.Contains(s.cfg.Closed, path) {
		return http.StatusForbidden, closed
	}
	if len(keys) != 1 || keys[0] == "" {
		return http.StatusUnauthorized, missing
	}
	at := slices.IndexFunc(s.cfg.Keys, func(k Key) bool { return k.Value == keys[0] })
	if at < 0 || s.revoked[keys[0]] {
		return http.StatusForbidden, disallowed
	}
	k, now := s.cfg.Keys[at], s.kit.Clock.Now()
	switch {
	case k.Inactive:
		return http.StatusForbidden, inactive
	case k.Lasts < 0, k.Lasts > 0 && !now.Before(s.started.Add(k.Lasts)):
		return http.StatusUnauthorized, expired
	case !slices.Contains(k.Allowed, path):
		return http.StatusForbidden, disallowed
	case k.NoQuota:
		return http.StatusForbidden, quota
	}
	if k.PerMinute > 0 {
		recent := slices.DeleteFunc(s.calls[k.Value], func(t time.Time) bool { return !t.After(now.Add(-time.Minute)) })
		if len(recent) >= k.PerMinute {
			s.calls[k.Value] = recent
			return http.StatusTooManyRequests, rate
		}
		s.calls[k.Value] = append(recent, now)
	}
	return 0, ""
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	kit.WriteJSON(w, http.StatusOK, struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}{"OK", "Your APP Key is valid"})
}

// tokenBody is the shape that a client of the vendor's own reads.
type tokenBody struct {
	AccessToken         string `json:"access_token"`
	ExpiresIn           int    `json:"expires_in"`
	JTI                 string `json:"jti"`
	AppName             string `json:"appName"`
	LastSignonTimestamp string `json:"last_signon_timestamp"`
	RefreshToken        string `json:"refresh_token"`
	Scope               string `json:"scope"`
	TenantName          string `json:"tenant_name"`
	TokenType           string `json:"token_type"`
	UserType            string `json:"user_type"`
	UUID                string `json:"uuid"`
	NeedChangePassword  bool   `json:"need_change_password"`
}

// token is the sign-in. Its errors are RFC 6749's, 5.2 (ASSUMPTION).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	form, ok := readForm(r)
	if !ok {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	var person Person
	var fields []string
	switch form.Get("grant_type") {
	case "":
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	case "password":
		fields = []string{"grant_type", "username", "password"}
	case "refresh_token":
		fields = []string{"grant_type", "refresh_token"}
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	for _, f := range fields {
		if len(form[f]) != 1 || form.Get(f) == "" {
			refuse(w, http.StatusBadRequest, "invalid_request")
			return
		}
	}
	if len(form) != len(fields) {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	found := false
	if form.Get("grant_type") == "password" {
		for _, p := range s.cfg.People {
			if p.Username == form.Get("username") && p.Password == form.Get("password") {
				person, found = p, true
			}
		}
	} else if held, ok := s.refresh[form.Get("refresh_token")]; ok && now.Before(held.until) {
		person, found = held.person, true
	}
	if tenant := r.Header.Values("Tenantname"); found && len(tenant) > 0 && !slices.Equal(tenant, []string{person.Tenant}) {
		found = false
	}
	if !found {
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	// A refresh token is good for one use (ASSUMPTION).
	delete(s.refresh, form.Get("refresh_token"))
	refresh := random()
	s.refresh[refresh] = session{person, now.AddDate(0, refreshTokenMonths, 0)}
	kit.WriteJSON(w, http.StatusOK, tokenBody{
		AccessToken: random(), ExpiresIn: accessTokenSeconds, JTI: random(), AppName: "sandbox",
		LastSignonTimestamp: now.Format("2006-01-02T15:04:05Z"), RefreshToken: refresh, Scope: "read write", TenantName: person.Tenant,
		TokenType: "Bearer", UserType: "ADMIN", UUID: person.UUID, NeedChangePassword: person.MustChangePassword,
	})
}

// readForm reads a form from the body and nowhere else: secrets do not belong
// in an address.
func readForm(r *http.Request) (url.Values, bool) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" || r.ParseForm() != nil {
		return nil, false
	}
	return r.PostForm, true
}

func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
