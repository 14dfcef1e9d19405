// Package handpoint is the adapter for Handpoint's Cloud API (seed 004): its
// terminals and what is done on them, the endpoints that need no terminal, the
// callbacks and the status service. Of ours it may import providers,
// providers/httpclient, domain and money.
package handpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// Name is the registration's name.
const Name = "handpoint"

// The names of a connection's values.
const (
	SecretAPIKey = "apiKey" // sent as ApiKeyCloud
	// SecretCallbackToken is what a terminal sends back as AUTH-TOKEN with a
	// result (public document of the provider, Transaction Request Object).
	SecretCallbackToken = "callbackToken"

	// SettingStatusBase is the status service's address, which is another host
	// than the cloud's (seed 004, "/transactions/{transactionReference}/status").
	// Empty: derived from the base URL.
	SettingStatusBase = "statusBaseURL"
	// SettingAcquirer decides whether tips can be adjusted, and is named in
	// merchantAuth.
	SettingAcquirer = "acquirer"
	// SettingPreauthorizations and SettingBatches say "yes" when the acquirer has
	// them: seed 004 sends the merchant to Handpoint to ask.
	SettingPreauthorizations = "preauthorizations"
	SettingBatches           = "batches"
	// SettingPartnerKey says "yes" when the key is a partner's.
	SettingPartnerKey = "partnerKey"
	// The merchantAuth of terminal operations, for a terminal that merchants
	// share.
	SettingExternalID = "merchantExternalId"
	SettingMID        = "merchantMid"
	SettingTID        = "merchantTid"
	SettingMCC        = "merchantMcc"
)

// yes is the value of a FieldYesNo that is switched on.
const yes = "yes"

// minCallbackToken is how short a callback token may be: the body of a callback
// is not signed, so that the token alone proves it.
const minCallbackToken = 16

// absentAfter: UNDEFINED 90 s or more after the request means that it never
// arrived and will not be charged (seed 004, same section). One such answer
// is enough, being the provider's word.
const (
	absentAfter = 90 * time.Second
	absentAsks  = 1
)

// timeout bounds one call.
const timeout = 30 * time.Second

// Adapter is Handpoint bound to one connection. It is safe for concurrent use.
type Adapter struct {
	base, status *url.URL
	apiKey       string
	http         *httpclient.Client
	timeout      time.Duration
	// callbackURL and callbackToken are sent together or not at all.
	callbackURL, callbackToken string
	tokens                     []string // that VerifyCallback takes
	auth                       []merchantAuth
}

var (
	_ providers.Provider         = (*Adapter)(nil)
	_ providers.TokenSeller      = (*Adapter)(nil)
	_ providers.Refunder         = (*Adapter)(nil)
	_ providers.SaleVoider       = (*Adapter)(nil)
	_ providers.Increaser        = (*Adapter)(nil)
	_ providers.Decreaser        = (*Adapter)(nil)
	_ providers.Capturer         = (*Adapter)(nil)
	_ providers.TipAdjuster      = (*Adapter)(nil)
	_ providers.PastTokenFinder  = (*Adapter)(nil)
	_ providers.DeviceLister     = (*Adapter)(nil)
	_ providers.DeviceCommander  = (*Adapter)(nil)
	_ providers.TerminalOperator = (*Adapter)(nil)
	_ providers.TerminalNamer    = (*Adapter)(nil)
	_ providers.BatchKeeper      = (*Adapter)(nil)
	_ providers.StatusFinder     = (*Adapter)(nil)
	_ providers.CallbackReceiver = (*Adapter)(nil)
	_ providers.ConnectionTester = (*Adapter)(nil)
)

// Registration is the adapter as the product knows it.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  Name,
		Label: "Handpoint",
		New:   func(c providers.Config) (providers.Provider, error) { return New(c) },
		Fields: []providers.Field{
			{Name: SecretAPIKey, Label: "Cloud API key", Kind: providers.FieldText, Secret: true, Required: true},
			{Name: SecretCallbackToken, Label: "Callback token", Hint: "A random text of at least 16 characters that you choose; without it, terminals do not send us their results.", Kind: providers.FieldText, Secret: true},
			{Name: SettingAcquirer, Label: "Acquirer", Hint: "Handpoint can tell you; tips can be adjusted with TSYS and VANTIV only.", Kind: providers.FieldChoice, Options: acquirers},
			{Name: SettingPreauthorizations, Label: "The acquirer takes pre-authorisations", Hint: "Ask your relationship manager at Handpoint.", Kind: providers.FieldYesNo},
			{Name: SettingBatches, Label: "Batches can be closed and read", Hint: "A beta of Handpoint’s that not every acquirer has; ask your relationship manager there.", Kind: providers.FieldYesNo},
			{Name: SettingPartnerKey, Label: "The key is a partner’s", Hint: "Handpoint refuses a partner’s key for pre-authorisations.", Kind: providers.FieldYesNo},
			{Name: SettingExternalID, Label: "Merchant’s external id", Hint: "Only for a terminal that several merchants share.", Kind: providers.FieldText},
			{Name: SettingMID, Label: "Merchant id (MID)", Hint: "Only for a shared terminal without an external id.", Kind: providers.FieldText},
			{Name: SettingTID, Label: "Terminal id (TID)", Hint: "Only for a shared terminal without an external id.", Kind: providers.FieldText},
			{Name: SettingMCC, Label: "Merchant category code (MCC)", Hint: "Only for a shared terminal without an external id.", Kind: providers.FieldText},
			{Name: SettingStatusBase, Label: "Status service’s address", Hint: "Leave it empty unless Handpoint gave you another one.", Kind: providers.FieldURL},
		},
		Narrow: narrow,
		Addresses: []providers.Address{
			{URL: "https://cloud.handpoint.com", Label: "Production and demo terminals", Mode: domain.Live},
			{URL: "https://cloud.handpoint.io", Label: "Debug terminals", Mode: domain.Test},
		},
		Currency:   hasRule,
		PartRefund: true,
		Absence:    providers.Absence{After: absentAfter, Asks: absentAsks},
		// "Handpoint does not verify that the transactionReference values are
		// UNIQUE" (seed 004): a repeated request charges again.
		Idempotency: providers.Idempotency{Lookup: true},
		Timeout:     timeout,
	}
}

// statusHosts are the status services of the two clouds.
var statusHosts = map[string]string{
	"cloud.handpoint.com": "transactions.handpoint.com",
	"cloud.handpoint.io":  "transactions.handpoint.io",
}

// acquirers are the public document's (Acquirer), without those of its tests.
var acquirers = []providers.Option{
	{Value: "", Label: "Not known"}, {Value: "AMEX", Label: "American Express"}, {Value: "BORGUN", Label: "Borgun"}, {Value: "OMNIPAY", Label: "Omnipay"},
	{Value: "POSTBRIDGE", Label: "Postbridge"}, {Value: acquirerTSYS, Label: "TSYS"}, {Value: acquirerVANTIV, Label: "Vantiv"},
}

// The acquirers that adjust tips (seed 004, "/transactions/{guid}/tip-adjustment").
const (
	acquirerTSYS   = "TSYS"
	acquirerVANTIV = "VANTIV"
)

// narrow says what the connection's acquirer and key leave of the adapter.
func narrow(settings map[string]string, c domain.Capability) string {
	switch c {
	case domain.CanAdjustTip:
		if a := settings[SettingAcquirer]; a != acquirerTSYS && a != acquirerVANTIV {
			return "Handpoint adjusts tips with the acquirers TSYS and Vantiv only; choose yours in the connection’s settings."
		}
	case domain.CanCapture, domain.CanPartCapture, domain.CanIncrease, domain.CanDecrease:
		if settings[SettingPartnerKey] == yes {
			return "Handpoint refuses a partner’s key for pre-authorisations; use the merchant’s own."
		}
		if settings[SettingPreauthorizations] != yes {
			return "Not every acquirer of Handpoint’s takes pre-authorisations; ask Handpoint, then switch them on in the connection’s settings."
		}
	case domain.CanCaptureAgain:
		return "Handpoint captures a pre-authorisation once only."
	case domain.CanKeepBatches:
		if settings[SettingBatches] != yes {
			return "Batches are a beta of Handpoint’s that not every acquirer has; ask Handpoint, then switch them on in the connection’s settings."
		}
	}
	return ""
}

// New makes an adapter. It refuses addresses that are none, a missing key and a
// callback token that can be guessed; the error names the value and never
// repeats it.
func New(c providers.Config) (*Adapter, error) {
	base, err := providers.WebURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("handpoint: the base URL is not one")
	}
	status := base
	if host, ok := statusHosts[strings.ToLower(base.Host)]; ok {
		status = &url.URL{Scheme: base.Scheme, Host: host, Path: base.Path}
	}
	if s := c.Settings[SettingStatusBase]; s != "" {
		if status, err = providers.WebURL(s); err != nil {
			return nil, fmt.Errorf("handpoint: %s is not a web address", SettingStatusBase)
		}
	}
	key := c.Secrets[SecretAPIKey]
	if key == "" {
		return nil, fmt.Errorf("handpoint: %s is missing", SecretAPIKey)
	}
	a := &Adapter{base: base, status: status, apiKey: key, timeout: c.Timeout}
	if a.timeout <= 0 {
		a.timeout = timeout
	}
	hidden := []string{key}
	for _, set := range append([]map[string]string{c.Secrets}, c.Also...) {
		token := set[SecretCallbackToken]
		if token == "" {
			continue
		}
		// It travels in a header, which takes no other signs and trims its ends.
		if len(token) < minCallbackToken || token != strings.TrimSpace(token) || strings.IndexFunc(token, func(r rune) bool { return r < ' ' || r >= 0x7f }) >= 0 {
			return nil, fmt.Errorf("handpoint: %s must have at least %d letters, digits or signs, and no space at its ends", SecretCallbackToken, minCallbackToken)
		}
		a.tokens, hidden = append(a.tokens, token), append(hidden, token)
	}
	if token := c.Secrets[SecretCallbackToken]; token != "" && c.CallbackURL != "" {
		a.callbackURL, a.callbackToken = c.CallbackURL, token
	}
	auth := merchantAuth{MID: c.Settings[SettingMID], TID: c.Settings[SettingTID], MCC: c.Settings[SettingMCC], ExternalID: c.Settings[SettingExternalID]}
	if auth != (merchantAuth{}) {
		auth.Acquirer = c.Settings[SettingAcquirer]
		a.auth = []merchantAuth{auth}
	}
	a.http = httpclient.New(httpclient.ClientOptions{
		Provider: Name, Connection: []string{base.String(), key}, HTTP: c.HTTP, Timeout: a.timeout, PerMinute: c.PerMinute,
		Secrets: hidden, Now: c.Now,
	})
	return a, nil
}

// Name is the registration's name.
func (a *Adapter) Name() string { return Name }

// hasRule: some endpoints write minor units and some major units, and the
// document shows only currencies of two decimals. What "20.00" or "2000" would
// be in JPY or KWD is nowhere said, so they are refused everywhere.
func hasRule(c money.Currency) bool { return !c.IsZero() && c.Exponent() == 2 }

func (a *Adapter) header() http.Header {
	// Built by hand: Header.Set would spell it Apikeycloud, which is the same
	// to HTTP but not to a reader who compares with the document.
	return http.Header{
		"Accept":       {"application/json"},
		"Content-Type": {"application/json"},
		"ApiKeyCloud":  {a.apiKey},
	}
}
