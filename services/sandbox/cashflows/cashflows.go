// Package cashflows emulates the Cashflows Gateway API (payment jobs, captures,
// refunds, cancellation, the hosted payment page) and Remote Authentication.
//
// It exists so that an adapter can be tested, and the product shown, against a
// server that keeps state and refuses what the real one refuses. It is written
// from the provider's document and imports services/sandbox/kit only; sharing a
// wire type with the adapter would let one misreading pass on both sides. What
// takes a card number (card-tokenisation, payment-intents, direct card jobs) is
// not here.
package cashflows

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Name is the emulator's name in the control API.
const Name = "cashflows"

// BasePath is what stands for both hosts: an adapter's base URL is the
// sandbox's address plus BasePath, the Gateway below it at /api/gateway and
// Remote Authentication at /gateway/remote_auth.
const BasePath = "/cashflows"

const (
	apiPath    = BasePath + "/api/gateway"
	remotePath = BasePath + "/gateway/remote_auth"
	payPath    = BasePath + "/payment"
	assetsPath = BasePath + "/assets/"
)

// Published accounts of the default configuration.
const (
	// ConfigurationID is a configuration with Auto Capture on: a sale is paid at
	// once.
	ConfigurationID = "c0ffee00-0000-4000-8000-000000000001"
	APIKey          = "cashflows-sandbox-api-key"

	// ReservingConfigurationID has Auto Capture off: a payment is reserved until
	// it is captured.
	ReservingConfigurationID = "c0ffee00-0000-4000-8000-000000000002"
	ReservingAPIKey          = "cashflows-sandbox-reserving-key"

	// RemoteID and RemotePassword are the profile of Remote Authentication.
	RemoteID       = "1234567"
	RemotePassword = "cashflows-sandbox-remote-password"
)

// LockAfter is how many wrong signatures in a row lock a configuration until
// the emulator is reset. ASSUMPTION: the document says "repeated failures".
const LockAfter = 10

// captureWithin is how long a reserved payment can be captured (the
// provider's portal).
const captureWithin = 7 * 24 * time.Hour

// Config is the emulator's fixed data. The zero value means DefaultConfig.
type Config struct {
	Accounts []Account
	Remote   []RemoteAccount
	// PublicURL is the address that a page's address begins with, without a
	// slash at its end. Empty means the host that the request was sent to.
	PublicURL string
	// MaxTokens is how many tokens a configuration may store; 0 means 100.
	MaxTokens int
	// NumberAmounts answers amounts as JSON numbers, as older clients of the
	// provider type them, in place of strings.
	NumberAmounts bool
}

// Account is one configuration of the Gateway.
type Account struct {
	ConfigurationID, APIKey string
	// AutoCapture takes a payment at once in place of reserving it.
	AutoCapture bool
	Currencies  []string
	// WebhookURL is called where a job names none; empty: nobody is.
	WebhookURL string
}

// RemoteAccount is one profile of Remote Authentication.
type RemoteAccount struct{ ID, Password string }

// DefaultCurrencies are those of the published accounts. The document shows
// amounts with two decimals and gives no rule for others.
var DefaultCurrencies = []string{"AUD", "CAD", "CHF", "DKK", "EUR", "GBP", "NOK", "NZD", "PLN", "SEK", "USD", "ZAR"}

// DefaultConfig is what the sandbox publishes.
func DefaultConfig() Config {
	return Config{
		Accounts: []Account{
			{ConfigurationID: ConfigurationID, APIKey: APIKey, AutoCapture: true},
			{ConfigurationID: ReservingConfigurationID, APIKey: ReservingAPIKey},
		},
		Remote: []RemoteAccount{{ID: RemoteID, Password: RemotePassword}},
	}
}

// Server is one emulator with its ledger in memory.
type Server struct {
	cfg     Config
	kit     *kit.Kit
	handler http.Handler

	mu        sync.Mutex
	accounts  map[string]*account
	remote    map[string]RemoteAccount
	jobs      []*job
	tokens    map[string]card
	customers map[string]bool
	entries   []*entry
	trans     []*tran
}

// account is a configuration with what the emulator counts of it.
type account struct {
	Account
	wrong  int // signatures in a row
	tokens int
}

// entry is one line of the ledger: something that moved money or held it.
type entry struct {
	kit.Charge
	// live gives the entry's present state; nil: it does not change.
	live func(*kit.Charge)
}

var _ kit.Emulator = (*Server)(nil)

// New returns an emulator. A nil kit means a new one on the system clock.
func New(cfg Config, k *kit.Kit) *Server {
	if cfg.Accounts == nil {
		cfg.Accounts = DefaultConfig().Accounts
	}
	if cfg.Remote == nil {
		cfg.Remote = DefaultConfig().Remote
	}
	if cfg.MaxTokens == 0 {
		cfg.MaxTokens = 100
	}
	if k == nil {
		k = kit.New(nil)
	}
	s := &Server{cfg: cfg, kit: k}
	s.empty()
	s.handler = k.Serve(s.routes(), faultBody)
	return s
}

func (s *Server) empty() {
	s.accounts, s.remote = map[string]*account{}, map[string]RemoteAccount{}
	for _, a := range s.cfg.Accounts {
		if a.Currencies == nil {
			a.Currencies = DefaultCurrencies
		}
		s.accounts[a.ConfigurationID] = &account{Account: a}
	}
	for _, r := range s.cfg.Remote {
		s.remote[r.ID] = r
	}
	s.jobs, s.entries, s.trans = nil, nil, nil
	s.tokens, s.customers = map[string]card{}, map[string]bool{}
}

// Handler serves the absolute paths below /cashflows/.
func (s *Server) Handler() http.Handler { return s.handler }

// Kit returns the emulator's controls.
func (s *Server) Kit() *kit.Kit { return s.kit }

// Reset empties the ledger and the tokens, unlocks the configurations and resets
// the kit.
func (s *Server) Reset() {
	s.kit.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty()
}

// State returns the ledger, oldest first. A payment's ID is its path below
// payment-jobs without the word payments: "job/payment".
func (s *Server) State() kit.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		s.settle(j)
	}
	charges := make([]kit.Charge, 0, len(s.entries))
	for _, e := range s.entries {
		c := e.Charge
		if e.live != nil {
			e.live(&c)
		}
		charges = append(charges, c)
	}
	return kit.NewState(charges)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+apiPath+"/payment-jobs", s.api(s.createJob))
	mux.HandleFunc("GET "+apiPath+"/payment-jobs/{job}", s.api(s.getJob))
	mux.HandleFunc("PATCH "+apiPath+"/payment-jobs/{job}/cancel", s.api(s.cancelJob))
	mux.HandleFunc("GET "+apiPath+"/payment-jobs/{job}/payments/{payment}", s.api(s.getPayment))
	mux.HandleFunc("PATCH "+apiPath+"/payment-jobs/{job}/payments/{payment}/cancel", s.api(s.cancelPayment))
	mux.HandleFunc("POST "+apiPath+"/payment-jobs/{job}/payments/{payment}/captures", s.api(s.capture))
	mux.HandleFunc("POST "+apiPath+"/payment-jobs/{job}/payments/{payment}/refunds", s.api(s.refund))
	mux.HandleFunc("GET "+apiPath+"/supported-payment-methods", s.api(s.paymentMethods))
	mux.HandleFunc("HEAD "+apiPath+"/orders/{order}", s.api(s.headOrder))
	mux.HandleFunc(apiPath+"/", s.api(func(w http.ResponseWriter, _ *http.Request, _ *account, _ []byte) {
		kit.WriteJSON(w, http.StatusNotFound, failure("", "There is no such resource."))
	}))
	mux.HandleFunc("POST "+remotePath, s.remoteAuth)
	mux.HandleFunc("GET "+payPath, s.payPage)
	mux.HandleFunc("POST "+payPath, s.pay)
	mux.HandleFunc("GET "+assetsPath+"{file}", serveAsset)
	return mux
}

func (a *account) takes(currency string) bool { return slices.Contains(a.Currencies, currency) }
