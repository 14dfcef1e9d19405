// Package handpoint emulates the Handpoint Cloud API (seed 004): devices and
// their commands, operations on a terminal with their results, callbacks and
// recovery, the endpoints that need no terminal, and the transaction status.
//
// It exists so that an adapter can be tested, and the product shown, against a
// server that keeps state and refuses what the real one refuses. It is written
// from the provider's document and imports services/sandbox/kit only; sharing a
// wire type with the adapter would let one misreading pass on both sides.
package handpoint

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Name is the emulator's name in the control API.
const Name = "handpoint"

// BasePath is where both hosts of the real service (cloud and transactions)
// are mounted; an adapter's base URL is the sandbox's address plus BasePath.
const BasePath = "/handpoint"

// Published keys of the default configuration.
const (
	SandboxKey      = "hp-sandbox-key"
	OtherSandboxKey = "hp-sandbox-other-key"
	// PartnerSandboxKey is a partner's, for the merchant of SandboxKey: the
	// preauthorization endpoints do not take it.
	PartnerSandboxKey = "hp-sandbox-partner-key"
)

// The published devices of the merchant of SandboxKey. OtherTerminals are its
// further ones, serial number and type.
const (
	TerminalSerial = "1850025030"
	TerminalType   = "PAXA920PRO"
	VirtualSerial  = "9000000001"
	VirtualType    = "VT"
)

// OtherTerminals are the further devices of the merchant of SandboxKey, in the
// order in which they are listed.
var OtherTerminals = []Device{
	{Serial: "1850025041", Type: "PAXA920PRO", SSK: "SANDBOX-SSK-1850025041"},
	{Serial: "2740013262", Type: "PAXA920MAX", SSK: "SANDBOX-SSK-2740013262"},
	{Serial: "1640013848", Type: "PAXIM30", SSK: "SANDBOX-SSK-1640013848"},
	{Serial: "0821032398", Type: "PAXA80", SSK: "SANDBOX-SSK-0821032398"},
}

// Published card tokens of the default configuration. A token decides how a
// sale ends; see DefaultCards.
const (
	TokenVisa              = "hp_tok_visa_0936"
	TokenMastercard        = "hp_tok_mastercard_4444"
	TokenAmex              = "hp_tok_amex_0005"
	TokenDocumentSample    = "665630867"
	TokenInsufficientFunds = "hp_tok_visa_insufficient_funds_9995"
	TokenDoNotHonour       = "hp_tok_mastercard_do_not_honour_0002"
	TokenExpired           = "hp_tok_visa_expired_0069"
	TokenStolen            = "hp_tok_visa_stolen_9979"
	TokenCVVRequired       = "hp_tok_visa_cvv_required_0101"
)

// inDoubt is how long a reference may stay without a final state (seed 004,
// section /transactions/{transactionReference}/status).
const inDoubt = 90 * time.Second

// reversalWindow is how long a MOTO operation can be reversed (public document
// of the provider: 24 hours or until the daily batch).
const reversalWindow = 24 * time.Hour

// Config is the emulator's fixed data. The zero value means DefaultConfig.
type Config struct {
	Merchants []Merchant
	Cards     []Card
	// Currencies are the accepted currencies; all have two decimals, since
	// the document gives no rule for the others.
	Currencies []string
	// OperationTakes is how long an operation lasts on a terminal, by the
	// emulator's clock; zero means one second, a negative one no time at all.
	// The first half of it can be stopped.
	OperationTakes time.Duration
	// RecoverFor is when a terminal gives up to deliver a result; zero means
	// one hour (ASSUMPTION: the document names no end).
	RecoverFor time.Duration
	// BatchPage is how many lines a batch detail has; zero means 100.
	BatchPage int
	// MoreDevices is how many terminals more the first merchant has, for tests of
	// a large fleet: 3000000000 and so on, of the type PAXA920.
	MoreDevices int
}

// Merchant is an account with one of its keys; several may have one ID.
type Merchant struct {
	APIKey  string
	ID      string
	Devices []Device
	// Acquirer decides whether tips can be adjusted: TSYS and VANTIV.
	Acquirer string
	// Partner marks the key of a partner.
	Partner bool
}

// Device is a terminal as GET /devices lists it.
type Device struct {
	Serial string
	Type   string
	SSK    string
}

// Card is a stored card that a token stands for.
type Card struct {
	Token  string
	Scheme string
	Last4  string
	// ExpiryMMYY is four digits.
	ExpiryMMYY string
	// IssuerCode is how a sale with this card ends: "00" approves.
	IssuerCode string
	// GatewayCode, when set, is a business error of the gateway in place of an
	// answer of the issuer.
	GatewayCode string
}

// DefaultCards are the published tokens.
func DefaultCards() []Card {
	return []Card{
		{Token: TokenVisa, Scheme: "VISA", Last4: "0936", ExpiryMMYY: "1030", IssuerCode: "00"},
		{Token: TokenMastercard, Scheme: "MASTERCARD", Last4: "4444", ExpiryMMYY: "1230", IssuerCode: "00"},
		{Token: TokenAmex, Scheme: "AMEX", Last4: "0005", ExpiryMMYY: "0631", IssuerCode: "00"},
		{Token: TokenDocumentSample, Scheme: "VISA", Last4: "3555", ExpiryMMYY: "0930", IssuerCode: "00"},
		{Token: TokenInsufficientFunds, Scheme: "VISA", Last4: "9995", ExpiryMMYY: "0330", IssuerCode: "51"},
		{Token: TokenDoNotHonour, Scheme: "MASTERCARD", Last4: "0002", ExpiryMMYY: "0430", IssuerCode: "05"},
		{Token: TokenExpired, Scheme: "VISA", Last4: "0069", ExpiryMMYY: "0124", IssuerCode: "54"},
		{Token: TokenStolen, Scheme: "VISA", Last4: "9979", ExpiryMMYY: "0530", IssuerCode: "43"},
		{Token: TokenCVVRequired, Scheme: "VISA", Last4: "0101", ExpiryMMYY: "0730", GatewayCode: "3107"},
	}
}

// DefaultConfig is what the sandbox publishes: two merchants, the first with five
// terminals and its virtual terminal, the other with a virtual one, and the cards
// of DefaultCards.
func DefaultConfig() Config {
	devices := append([]Device{{Serial: TerminalSerial, Type: TerminalType, SSK: "SANDBOX-SSK-1850025030"}}, OtherTerminals...)
	devices = append(devices, Device{Serial: VirtualSerial, Type: VirtualType, SSK: "SANDBOX-SSK-9000000001"})
	return Config{
		Merchants: []Merchant{
			{APIKey: SandboxKey, ID: "sandboxmerchant", Acquirer: "TSYS", Devices: devices},
			{APIKey: PartnerSandboxKey, ID: "sandboxmerchant", Acquirer: "TSYS", Partner: true, Devices: devices},
			{APIKey: OtherSandboxKey, ID: "othermerchant", Acquirer: "OMNIPAY", Devices: []Device{
				{Serial: "9000000002", Type: VirtualType, SSK: "SANDBOX-SSK-9000000002"},
			}},
		},
		Cards:      DefaultCards(),
		Currencies: []string{"AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "NOK", "NZD", "PLN", "SEK", "USD", "ZAR"},
	}
}

// Server is one emulator with its ledger in memory.
type Server struct {
	kit        *kit.Kit
	merchants  map[string]Merchant
	cards      map[string]Card
	currencies map[string]bool
	takes      time.Duration
	recoverFor time.Duration
	batchPage  int
	handler    http.Handler

	mu       sync.Mutex
	records  []*record
	devices  map[deviceKey]*terminal
	results  map[string]*result
	owed     []*debt
	commands []Command
	tips     []kit.Charge // what was adjusted, which has no id of its own
}

var (
	_ kit.Emulator   = (*Server)(nil)
	_ kit.Controlled = (*Server)(nil)
)

// New returns an emulator. A nil kit means a new one on the system clock.
func New(cfg Config, k *kit.Kit) *Server {
	def := DefaultConfig()
	if cfg.Merchants == nil {
		cfg.Merchants = def.Merchants
	}
	if cfg.Cards == nil {
		cfg.Cards = def.Cards
	}
	if cfg.Currencies == nil {
		cfg.Currencies = def.Currencies
	}
	if k == nil {
		k = kit.New(nil)
	}
	if cfg.OperationTakes == 0 {
		cfg.OperationTakes = time.Second
	}
	if cfg.RecoverFor == 0 {
		cfg.RecoverFor = time.Hour
	}
	if cfg.BatchPage == 0 {
		cfg.BatchPage = 100
	}
	s := &Server{kit: k, merchants: map[string]Merchant{}, cards: map[string]Card{}, currencies: map[string]bool{},
		takes: max(cfg.OperationTakes, 0), recoverFor: cfg.RecoverFor, batchPage: cfg.BatchPage}
	var more []Device
	for i := range cfg.MoreDevices {
		serial := strconv.Itoa(3_000_000_000 + i)
		more = append(more, Device{Serial: serial, Type: "PAXA920", SSK: "SANDBOX-SSK-" + serial})
	}
	for _, m := range cfg.Merchants {
		if m.ID == cfg.Merchants[0].ID {
			m.Devices = slices.Concat(m.Devices, more)
		}
		s.merchants[m.APIKey] = m
	}
	for _, c := range cfg.Cards {
		s.cards[c.Token] = c
	}
	for _, c := range cfg.Currencies {
		s.currencies[c] = true
	}
	s.empty()
	s.handler = k.Serve(s.routes(), func(status int) []byte { return kit.Encode(errorEnvelope(status, http.StatusText(status))) })
	return s
}

// Handler serves the absolute paths below BasePath.
func (s *Server) Handler() http.Handler { return s.handler }

// Kit returns the emulator's controls.
func (s *Server) Kit() *kit.Kit { return s.kit }

// Reset empties the ledger and resets the kit.
func (s *Server) Reset() {
	s.kit.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty()
}

// empty forgets what happened. The caller holds the lock, or the server is new.
func (s *Server) empty() {
	s.records, s.results, s.owed, s.commands, s.tips = nil, map[string]*result{}, nil, nil, nil
	s.devices = map[deviceKey]*terminal{}
	for _, m := range s.merchants {
		for _, d := range m.Devices {
			key := deviceKey{m.ID, d.Type, d.Serial}
			s.devices[key] = &terminal{Device: d, key: key, takes: s.takes, card: TokenVisa, batch: 1, batches: map[int]*batch{1: {}},
				battery: 80, app: "20.4.12.1"}
		}
	}
}

// State returns the ledger, oldest first.
func (s *Server) State() kit.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	now := s.kit.Clock.Now()
	charges := make([]kit.Charge, 0, len(s.records))
	for _, r := range s.records {
		reference := r.reference
		if r.borrowed && r.customer != "" {
			// A linked operation has no transactionReference of its own.
			reference = r.customer
		}
		kind := r.kind
		if kind == kindIncrease {
			kind = "increment"
			if r.approvedMinor < 0 {
				kind = "decrement"
			}
		}
		charges = append(charges, kit.Charge{
			Reference: reference, ID: r.guid, OriginalID: r.originalGUID, Kind: kind,
			AmountMinor: max(r.approvedMinor, -r.approvedMinor), Currency: r.currency, Status: s.finStatus(r, now),
			Approved: r.approved(now), Card: r.card.masked(), At: r.at,
		})
	}
	charges = append(charges, s.tips...)
	slices.SortStableFunc(charges, func(a, b kit.Charge) int { return a.At.Compare(b.At) })
	return kit.NewState(charges)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+BasePath+"/devices", s.authenticated(s.listDevices))
	mux.Handle("GET "+BasePath+"/initialize", s.authenticated(s.listDevices))
	mux.Handle("POST "+BasePath+"/devices/{type}/{serial}/{command}", s.authenticated(s.command))
	mux.Handle("POST "+BasePath+"/transactions", s.authenticated(s.transaction))
	mux.Handle("GET "+BasePath+"/transaction-result/{id}", s.authenticated(s.transactionResult))
	mux.Handle("POST "+BasePath+"/transactions/{guid}/tip-adjustment", s.authenticated(s.tipAdjustment))
	mux.Handle("GET "+BasePath+"/transactions/{guid}/token", s.authenticated(s.token))
	mux.Handle("POST "+BasePath+"/preauthorization/increase", s.authenticated(s.preauthIncrease))
	mux.Handle("POST "+BasePath+"/preauthorization/capture", s.authenticated(s.preauthCapture))
	mux.Handle("POST "+BasePath+"/batch/close", s.authenticated(s.batchClose))
	mux.Handle("POST "+BasePath+"/batch/summary", s.authenticated(s.batchSummary))
	mux.Handle("POST "+BasePath+"/batch/detail", s.authenticated(s.batchDetail))
	mux.Handle("POST "+BasePath+"/moto/sale", s.authenticated(s.sale))
	mux.Handle("POST "+BasePath+"/moto/refund", s.authenticated(s.refund))
	mux.Handle("POST "+BasePath+"/moto/reversal", s.authenticated(s.reversal))
	mux.Handle("GET "+BasePath+"/transactions/{reference}/status", s.authenticated(s.status))
	mux.Handle("GET "+BasePath+"/transactions/{reference}/status/{selector}", s.authenticated(s.statusSelected))
	// LoopBack answers a wrong method like a wrong path.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			writeError(w, errorEnvelope(http.StatusNotFound, fmt.Sprintf("Endpoint %q not found.", r.Method+" "+r.URL.Path)))
			return
		}
		s.mu.Lock()
		s.settle()
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
}

type authenticatedHandler func(w http.ResponseWriter, r *http.Request, m Merchant)

// authenticated checks the key first, as a gateway does: a missing and an
// unknown key are both 403 (seed 004; for a missing key ASSUMPTION).
func (s *Server) authenticated(next authenticatedHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, ok := s.merchants[r.Header.Get("ApiKeyCloud")]
		if !ok {
			writeError(w, errorEnvelope(http.StatusForbidden, "Forbidden"))
			return
		}
		next(w, r, m)
	})
}
