// Package cardflo emulates the Cardflo gateway (IXOPAY Transaction API v3):
// every transaction, status, schedule and options request of the document,
// notifications, pay-by-link, the hosted card page, the page of the cardholder
// check, and a frame that turns a card into a token.
//
// It exists so that an adapter can be tested, and the product shown, against a
// server that keeps state and refuses what the real one refuses. It is written
// from the provider's document and imports services/sandbox/kit only; sharing a
// wire type with the adapter would let one misreading pass on both sides.
package cardflo

import (
	"net/http"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Name is the emulator's name in the control API.
const Name = "cardflo"

// BasePath is where the API is mounted; an adapter's base URL is the sandbox's
// address plus BasePath. It is part of the signed request URI.
const BasePath = "/cardflo/api/v3"

const (
	payPath    = "/cardflo/pay/"
	framePath  = "/cardflo/frame/"
	assetsPath = "/cardflo/assets/"
)

// Published connectors of the default configuration.
const (
	SandboxKey      = "cf-sandbox-key"
	SandboxUser     = "cf-sandbox-user"
	SandboxPassword = "cf-sandbox-password"
	SandboxSecret   = "cf-sandbox-shared-secret"

	SignedKey      = "cf-sandbox-signed-key"
	SignedUser     = "cf-sandbox-signed-user"
	SignedPassword = "cf-sandbox-signed-password"
	SignedSecret   = "cf-sandbox-signed-shared-secret"

	// The basic connector's acquirer offers no schedules, links, payouts,
	// incremental authorizations and parts of amounts.
	BasicKey      = "cf-sandbox-basic-key"
	BasicUser     = "cf-sandbox-basic-user"
	BasicPassword = "cf-sandbox-basic-password"
	BasicSecret   = "cf-sandbox-basic-shared-secret"
)

// Config is the emulator's fixed data. The zero value means DefaultConfig.
type Config struct {
	Connectors []Connector
	// PublicURL is the address that redirectUrl begins with, without a slash
	// at its end. Empty means the host that the request was sent to.
	PublicURL string
	// ErrorsAs200 answers the errors 1002, 1006 and 3004 with HTTP 200. The
	// provider's own documents disagree about it; the default is 400.
	ErrorsAs200 bool
	// LegacySignatures also accepts signatures over an MD5 of the body, which
	// older clients of the provider send.
	LegacySignatures bool
	// StrictDate, if positive, refuses a signed request whose Date is further
	// away than this.
	StrictDate time.Duration
	// PerMinute, if positive, answers 429 to what a connector asks above it.
	PerMinute int
	// PageTTL is how long a card page waits for a card; 0 means 30 minutes.
	PageTTL time.Duration
}

// Connector is an account at the gateway with its credentials.
type Connector struct {
	APIKey   string
	User     string
	Password string
	// SharedSecret signs requests and callbacks.
	SharedSecret     string
	RequireSignature bool
	// Currencies maps each accepted currency to its number of decimals.
	Currencies map[string]int
	// RedirectType is iframe or fullpage.
	RedirectType string
	// Basic says that its acquirer offers no schedules (7003), pay-by-link,
	// payouts, incremental authorizations, and captures, voids and refunds of a
	// part (ASSUMPTION: 3002).
	Basic bool
}

// DefaultConfig is what the sandbox publishes: three connectors. The second
// demands signatures, the third offers little.
func DefaultConfig() Config {
	return Config{Connectors: []Connector{
		{APIKey: SandboxKey, User: SandboxUser, Password: SandboxPassword, SharedSecret: SandboxSecret,
			Currencies: DefaultCurrencies(), RedirectType: "iframe"},
		{APIKey: SignedKey, User: SignedUser, Password: SignedPassword, SharedSecret: SignedSecret, RequireSignature: true,
			Currencies: DefaultCurrencies(), RedirectType: "fullpage"},
		{APIKey: BasicKey, User: BasicUser, Password: BasicPassword, SharedSecret: BasicSecret,
			Currencies: DefaultCurrencies(), RedirectType: "iframe", Basic: true},
	}}
}

// DefaultCurrencies are the currencies of the published connectors with their
// number of decimals.
func DefaultCurrencies() map[string]int {
	return map[string]int{
		"AUD": 2, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "NOK": 2, "NZD": 2, "PLN": 2, "SEK": 2, "USD": 2, "ZAR": 2,
		"JPY": 0, "KRW": 0, "ISK": 0,
		"KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3,
	}
}

// Server is one emulator with its ledger in memory.
type Server struct {
	cfg        Config
	kit        *kit.Kit
	connectors map[string]Connector
	handler    http.Handler

	mu           sync.Mutex
	transactions []*transaction
	schedules    []*schedule
	tokens       map[string]*storedToken
	requests     map[string][]time.Time // of the last minute, by connector
}

var _ kit.Emulator = (*Server)(nil)

// New returns an emulator. A nil kit means a new one on the system clock.
func New(cfg Config, k *kit.Kit) *Server {
	if cfg.Connectors == nil {
		cfg.Connectors = DefaultConfig().Connectors
	}
	if cfg.PageTTL == 0 {
		cfg.PageTTL = 30 * time.Minute
	}
	if k == nil {
		k = kit.New(nil)
	}
	s := &Server{cfg: cfg, kit: k, connectors: map[string]Connector{}, tokens: map[string]*storedToken{}, requests: map[string][]time.Time{}}
	for _, c := range cfg.Connectors {
		if c.Currencies == nil {
			c.Currencies = DefaultCurrencies()
		}
		if c.RedirectType == "" {
			c.RedirectType = "iframe"
		}
		s.connectors[c.APIKey] = c
	}
	s.handler = k.Serve(s.routes(), faultBody)
	return s
}

// Handler serves the absolute paths below /cardflo/.
func (s *Server) Handler() http.Handler { return s.handler }

// Kit returns the emulator's controls.
func (s *Server) Kit() *kit.Kit { return s.kit }

// Reset empties the ledger and the tokens and resets the kit.
func (s *Server) Reset() {
	s.kit.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transactions, s.schedules = nil, nil
	s.requests = map[string][]time.Time{}
	s.tokens = map[string]*storedToken{}
}

// State returns the ledger, oldest first.
func (s *Server) State() kit.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	charges := make([]kit.Charge, 0, len(s.transactions))
	for _, t := range s.transactions {
		charges = append(charges, kit.Charge{
			Reference: t.merchantID, ID: t.uuid, OriginalID: t.referenceUUID, Kind: t.kind(),
			AmountMinor: t.minor, Currency: t.currency, Status: t.status, Approved: t.status == statusSuccess,
			Card: t.card.masked(), At: t.at,
		})
	}
	return kit.NewState(charges)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+BasePath+"/transaction/{apiKey}/{operation}", s.api(s.transact))
	mux.HandleFunc("POST "+BasePath+"/schedule/{apiKey}/start", s.api(s.startSchedule))
	mux.HandleFunc("POST "+BasePath+"/schedule/{apiKey}/{scheduleId}/{action}", s.api(s.changeSchedule))
	mux.HandleFunc("GET "+BasePath+"/schedule/{apiKey}/{scheduleId}/get", s.api(s.getSchedule))
	mux.HandleFunc("POST "+BasePath+"/options/{apiKey}/{optionsName}", s.api(s.options))
	mux.HandleFunc("POST "+BasePath+"/payByLink/{id}/cancel", s.api(s.cancelLink))
	mux.HandleFunc("GET "+BasePath+"/status/{apiKey}/getByUuid/{id}", s.api(s.statusByUUID))
	mux.HandleFunc("GET "+BasePath+"/status/{apiKey}/getByMerchantTransactionId/{id}", s.api(s.statusByMerchantID))
	mux.HandleFunc(BasePath+"/", func(w http.ResponseWriter, _ *http.Request) { notFound(w) })
	mux.HandleFunc("GET "+payPath+"{page}", s.payPage)
	mux.HandleFunc("POST "+payPath+"{page}", s.pay)
	mux.HandleFunc("GET "+framePath+"{apiKey}", s.framePage)
	mux.HandleFunc("POST "+framePath+"{apiKey}/tokens", s.tokenize)
	mux.HandleFunc("GET "+assetsPath+"{file}", serveAsset)
	return mux
}
