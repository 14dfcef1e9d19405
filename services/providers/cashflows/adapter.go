// Package cashflows is the adapter for Cashflows: the Gateway API and Remote
// Authentication (seed 001). It exists to turn the port's requests into that
// document's and its answers into the port's. Of ours it may import providers,
// providers/httpclient, domain and money. What it relies on is in README.md.
package cashflows

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// Name is the registration's name.
const Name = "cashflows"

// The names of a connection's values.
const (
	// SettingProduct chooses between the two products, which share no
	// credentials, references or tokens (README, Products).
	SettingProduct = "product"
	// SettingAutoCapture tells how the configuration's "Auto Capture" is set in
	// the provider's portal. No request can choose it (README, Holds).
	SettingAutoCapture     = "autoCapture"
	SettingConfigurationID = "configurationId" // the header of that name
	// SettingGenerateToken asks for a card token with each payment on the
	// provider's page.
	SettingGenerateToken = "generateToken"
	// SettingPageOrigin is the origin of the hosted pages, where it is not the
	// one of the base URL.
	SettingPageOrigin = "pageOrigin"
	// SettingRemoteBaseURL is the address of Remote Authentication, where it is
	// not the one that belongs to the base URL.
	SettingRemoteBaseURL = "remoteBaseURL"

	SecretAPIKey             = "apiKey"             // of the request's hash
	SecretRemoteAuthID       = "remoteAuthId"       // the profile, seven digits
	SecretRemoteAuthPassword = "remoteAuthPassword" // its password
)

// The choices of SettingProduct and SettingAutoCapture. Empty means the first.
const (
	ProductGateway = "gateway"
	ProductRemote  = "remote"

	AutoCaptureOn  = "on"
	AutoCaptureOff = "off"
)

// The addresses that the document names (README, Access; seed 001, "Base URLS",
// lost them).
const (
	liveURL, testURL             = "https://gateway.cashflows.com", "https://gateway-int.cashflows.com"
	liveRemoteURL, testRemoteURL = "https://secure.cashflows.com", "https://secure-int.cashflows.com"
)

// timeout bounds one operation.
const timeout = 30 * time.Second

// gateway is what both kinds of Gateway connection have. It is safe for
// concurrent use.
type gateway struct {
	base          *url.URL
	configuration string
	apiKey        string
	pageOrigin    string
	callbackURL   string
	tokens        bool
	// sale is what a payment of this configuration is: a sale, or a hold.
	sale domain.TransactionType
	now  func() time.Time
	http *httpclient.Client

	// currencies remembers which currency a job has, so that it is asked for
	// once; a job never changes it.
	mu         sync.Mutex
	currencies map[string]money.Currency
}

// Gateway is a Gateway connection whose configuration takes payments at once.
type Gateway struct{ *gateway }

// Reserving is a Gateway connection whose configuration reserves payments until
// they are captured.
type Reserving struct{ *gateway }

var (
	_ providers.TokenSeller      = Gateway{}
	_ providers.PageSeller       = Gateway{}
	_ providers.SaleVoider       = Gateway{}
	_ providers.LinkMaker        = Gateway{}
	_ providers.Refunder         = Gateway{}
	_ providers.PayoutMaker      = Gateway{}
	_ providers.PastTokenFinder  = Gateway{}
	_ providers.StatusFinder     = Gateway{}
	_ providers.OrderFinder      = Gateway{}
	_ providers.HintReceiver     = Gateway{}
	_ providers.ConnectionTester = Gateway{}
	_ providers.PageOrigin       = Gateway{}

	_ providers.TokenPreauthorizer = Reserving{}
	_ providers.PagePreauthorizer  = Reserving{}
	_ providers.Capturer           = Reserving{}
	_ providers.PreauthVoider      = Reserving{}
	_ providers.Refunder           = Reserving{}
	_ providers.StatusFinder       = Reserving{}
	_ providers.HintReceiver       = Reserving{}
)

// Registration is the adapter as the product knows it.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  Name,
		Label: "Cashflows",
		New:   New,
		Fields: []providers.Field{
			{Name: SettingProduct, Label: "Product", Hint: "Which of Cashflows’ two interfaces this connection uses.", Kind: providers.FieldChoice, Options: []providers.Option{
				{Value: ProductGateway, Label: "Gateway"}, {Value: ProductRemote, Label: "Remote Authentication"},
			}},
			{Name: SettingConfigurationID, Label: "Configuration ID", Hint: "In the portal under Configuration, API Data; the Gateway needs it.", Kind: providers.FieldText},
			{Name: SecretAPIKey, Label: "Current API key", Hint: "In the portal under Configuration, API Data; the Gateway needs it.", Kind: providers.FieldText, Secret: true},
			{Name: SettingAutoCapture, Label: "Auto Capture", Hint: "As it is set for cards in the portal: on takes a payment at once, off holds it until it is captured.", Kind: providers.FieldChoice, Options: []providers.Option{
				{Value: AutoCaptureOn, Label: "On: payments are taken at once"}, {Value: AutoCaptureOff, Label: "Off: payments are held until captured"},
			}},
			{Name: SettingGenerateToken, Label: "Keep a card token of payments on Cashflows’ page", Hint: "Lets the card be used again without typing it.", Kind: providers.FieldYesNo},
			{Name: SettingPageOrigin, Label: "Payment page’s origin", Hint: "Leave it empty unless payment pages are on another host than the Gateway.", Kind: providers.FieldURL},
			{Name: SecretRemoteAuthID, Label: "Profile ID", Hint: "Seven digits; Remote Authentication needs it.", Kind: providers.FieldText, Secret: true},
			{Name: SecretRemoteAuthPassword, Label: "Remote password", Hint: "In the portal’s settings under Remote; Remote Authentication needs it.", Kind: providers.FieldText, Secret: true},
			{Name: SettingRemoteBaseURL, Label: "Remote Authentication’s address", Hint: "Leave it empty unless Cashflows gave you another one.", Kind: providers.FieldURL},
		},
		Addresses: []providers.Address{
			{URL: liveURL, Label: "Cashflows", Mode: domain.Live},
			{URL: testURL, Label: "Cashflows integration environment", Mode: domain.Test},
		},
		Narrow:     narrow,
		Currency:   hasRule,
		PartRefund: true,
		// A repeated order number or tran_ref is refused, and there is no question
		// by it that would tell how it ended (README, Lost answers).
		Idempotency: providers.Idempotency{Key: true},
		Timeout:     timeout,
	}
}

// narrow: of Remote Authentication's captures nothing is known but that they
// exist, so only one of the whole amount is offered (README, Remote
// Authentication).
func narrow(settings map[string]string, c domain.Capability) string {
	if settings[SettingProduct] == ProductRemote && (c == domain.CanPartCapture || c == domain.CanCaptureAgain) {
		return "Remote Authentication’s document has no rule for capturing a part."
	}
	return ""
}

// New makes an adapter of the type that the settings ask for: Gateway,
// Reserving or Remote. It refuses an address that cannot be one, and missing
// credentials; the error names the value and never repeats it.
func New(c providers.Config) (providers.Provider, error) {
	base, err := providers.WebURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("cashflows: the base URL is not one")
	}
	switch c.Settings[SettingProduct] {
	case "", ProductGateway:
	case ProductRemote:
		return newRemote(c, base)
	default:
		return nil, fmt.Errorf("cashflows: %s is neither %s nor %s", SettingProduct, ProductGateway, ProductRemote)
	}
	g := &gateway{
		base: base, configuration: c.Settings[SettingConfigurationID], apiKey: c.Secrets[SecretAPIKey], pageOrigin: providers.OriginOf(base),
		callbackURL: c.CallbackURL, tokens: c.Settings[SettingGenerateToken] == "yes", sale: domain.Sale, now: c.Now, currencies: map[string]money.Currency{},
	}
	if g.now == nil {
		g.now = time.Now
	}
	switch {
	case g.configuration == "" || !httpclient.Reference(g.configuration):
		return nil, fmt.Errorf("cashflows: %s is missing or cannot be one", SettingConfigurationID)
	case g.apiKey == "":
		return nil, fmt.Errorf("cashflows: %s is missing", SecretAPIKey)
	}
	if s := c.Settings[SettingPageOrigin]; s != "" {
		u, err := providers.WebURL(s)
		if err != nil {
			return nil, fmt.Errorf("cashflows: %s is not an origin", SettingPageOrigin)
		}
		g.pageOrigin = providers.OriginOf(u)
	}
	g.http = httpclient.New(options(c, []string{base.String(), g.configuration, g.apiKey}, []string{g.apiKey}))
	switch c.Settings[SettingAutoCapture] {
	case "", AutoCaptureOn:
		return Gateway{g}, nil
	case AutoCaptureOff:
		g.sale = domain.Preauth
		return Reserving{g}, nil
	}
	return nil, fmt.Errorf("cashflows: %s is neither %s nor %s", SettingAutoCapture, AutoCaptureOn, AutoCaptureOff)
}

func options(c providers.Config, connection, secrets []string) httpclient.ClientOptions {
	limit := timeout
	if c.Timeout > 0 {
		limit = c.Timeout
	}
	return httpclient.ClientOptions{
		Provider: Name, Connection: connection, HTTP: c.HTTP, Timeout: limit, PerMinute: c.PerMinute, Secrets: secrets, Now: c.Now,
	}
}

// Name is the registration's name.
func (g *gateway) Name() string { return Name }

// CardPageOrigin is the only origin that the page of a job may have.
func (g *gateway) CardPageOrigin() string { return g.pageOrigin }

// decimals is what every amount of the document has (README, Amounts).
// There is no rule for another exponent.
const decimals = 2

func hasRule(c money.Currency) bool { return !c.IsZero() && c.Exponent() == decimals }

// largest is the most that is sent, 9,999,999,999.99. ASSUMPTION: no limit is
// documented; this one is ours.
const largest = 999_999_999_999

// longest is how long an order number may be. ASSUMPTION: no limit is
// documented; ours are UUIDs.
const longest = 50

// sendable refuses, before anything is sent, what the document has no form for.
func sendable(op string, amount money.Amount, ref string) *providers.Error {
	switch {
	case !hasRule(amount.Currency()):
		e := unsent(op, domain.ReasonNotAllowed, "no rule for this currency")
		e.Kind = providers.KindUnsupported
		return e
	case !amount.IsPositive() || amount.Minor() > largest:
		return unsent(op, domain.ReasonInvalidRequest, "the amount cannot be written in the provider's form")
	case ref == "" || len(ref) > longest || strings.TrimSpace(ref) != ref:
		return unsent(op, domain.ReasonInvalidRequest, "the attempt's reference cannot be written in the provider's form")
	}
	return nil
}

func unsent(op string, reason domain.Reason, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, NotDone: true, Reason: reason, Text: text}
}

func unsupported(op, text string) *providers.Error {
	e := unsent(op, domain.ReasonNotAllowed, text)
	e.Kind = providers.KindUnsupported
	return e
}
