// Package cardflo is the adapter for Cardflo, a white-label of IXOPAY's
// Transaction API v3 (seed 003). It exists to turn the port's requests into
// that document's and its answers into the port's. Of ours it may import
// providers, providers/httpclient, domain and money.
package cardflo

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// Name is the registration's name.
const Name = "cardflo"

// The names of a connection's values.
const (
	SecretAPIKey       = "apiKey"       // the connector's key, a part of every path
	SecretUsername     = "username"     // of HTTP Basic
	SecretPassword     = "password"     // of HTTP Basic
	SecretSharedSecret = "sharedSecret" // of the signature; empty: the connector asks for none

	// SettingCardFrame is the address of a frame that turns a card into a token.
	// ASSUMPTION: the document has payment.js only; without this setting no
	// frame is offered.
	SettingCardFrame = "cardFrameURL"
	// SettingPageOrigin is the origin of the pages that a debit redirects to,
	// where it is not the one of the base URL.
	SettingPageOrigin = "pageOrigin"

	// The settings below say what the connection's acquirer offers, each "yes"
	// or "no"; empty is yes, but for voids of a part. The document leaves these to the acquirer: "is only
	// supported by a few adapters", "if supported by the adapter", "depending on
	// the payment method".
	SettingSchedules      = "schedules"
	SettingIncrements     = "incrementalAuthorization"
	SettingPartialCapture = "partialCapture"
	SettingCaptureAgain   = "severalCaptures"
	SettingPartialVoid    = "partialVoid"
	SettingPartialRefund  = "partialRefund"
	SettingPayByLink      = "payByLink"
	SettingPayout         = "payout"
)

// offered maps a capability to the setting that narrows it and to what is said
// where it does.
var offered = []struct {
	setting, label string
	capability     domain.Capability
	why            string
}{
	{SettingPartialCapture, "Captures of a part", domain.CanPartCapture, "This connection’s acquirer captures only the whole amount."},
	{SettingCaptureAgain, "Several captures of one hold", domain.CanCaptureAgain, "This connection’s acquirer captures a hold only once."},
	{SettingIncrements, "Incremental authorizations", domain.CanIncrease, "This connection’s acquirer does not increase holds."},
	{SettingPartialVoid, "Voids of a part", domain.CanDecrease, "This connection’s acquirer does not release a part of a hold."},
	{SettingPartialRefund, "Refunds of a part", domain.CanPartRefund, "This connection’s acquirer refunds only the whole amount."},
	{SettingPayout, "Payouts", domain.CanPayout, "This connection’s acquirer makes no payouts."},
	{SettingPayByLink, "Pay-by-link", domain.CanPayByLink, "This connection’s connector makes no payment links."},
	{SettingSchedules, "Schedules", domain.CanSchedule, "This connection’s connector is not available for schedules."},
}

// asked says that a capability is offered only where a person said yes: an
// acquirer that ignores the amount of a void would release the whole hold.
func asked(c domain.Capability) bool { return c == domain.CanDecrease }

// narrow says why a connection does not offer a capability.
func narrow(settings map[string]string, c domain.Capability) string {
	for _, o := range offered {
		switch {
		case o.capability != c:
		case settings[o.setting] == "no":
			return o.why
		case asked(c) && settings[o.setting] != "yes":
			return "Not known of this connection’s acquirer; choose Yes in its settings when the acquirer says so."
		}
	}
	return ""
}

// fields are the values of a connection's form.
func fields() []providers.Field {
	out := []providers.Field{
		{Name: SecretAPIKey, Label: "API key", Hint: "The connector’s key, a part of every address.", Kind: providers.FieldText, Secret: true, Required: true},
		{Name: SecretUsername, Label: "API user", Kind: providers.FieldText, Secret: true, Required: true},
		{Name: SecretPassword, Label: "API password", Kind: providers.FieldText, Secret: true, Required: true},
		{Name: SecretSharedSecret, Label: "Shared secret", Hint: "It signs requests and proves callbacks; without it no callback is believed.", Kind: providers.FieldText, Secret: true},
		{Name: SettingCardFrame, Label: "Card frame’s address", Hint: "Leave it empty unless the provider gave you one.", Kind: providers.FieldURL},
		{Name: SettingPageOrigin, Label: "Payment page’s origin", Hint: "Leave it empty unless payment pages are on another host than the API.", Kind: providers.FieldURL},
	}
	for _, o := range offered {
		hint := "Choose No if the connection’s acquirer does not offer it."
		if asked(o.capability) {
			hint = "Choose Yes only if the acquirer says that it honours the amount; one that ignores it would release the whole hold."
		}
		out = append(out, providers.Field{Name: o.setting, Label: o.label, Hint: hint, Kind: providers.FieldChoice,
			Options: []providers.Option{{Value: "yes", Label: "Yes"}, {Value: "no", Label: "No"}}})
	}
	return out
}

// absentAfter and absentAsks say when "Transaction not found" (8001) may be
// believed. ASSUMPTION: the document names no window (README, Status).
const (
	absentAfter = 5 * time.Minute
	absentAsks  = 2
)

// timeout bounds one call.
const timeout = 30 * time.Second

// Adapter is Cardflo bound to one connection. It is safe for concurrent use.
type Adapter struct {
	base     *url.URL
	apiKey   string
	username string
	password string
	shared   string
	// proofs are the shared secrets that a notification may be signed with.
	proofs      []string
	callbackURL string
	cardFrame   *url.URL
	pageOrigin  string
	now         func() time.Time
	timeout     time.Duration
	details     Details
	http        *httpclient.Client
}

var (
	_ providers.Provider           = (*Adapter)(nil)
	_ providers.TokenSeller        = (*Adapter)(nil)
	_ providers.PageSeller         = (*Adapter)(nil)
	_ providers.TokenPreauthorizer = (*Adapter)(nil)
	_ providers.PagePreauthorizer  = (*Adapter)(nil)
	_ providers.Capturer           = (*Adapter)(nil)
	_ providers.PreauthVoider      = (*Adapter)(nil)
	_ providers.Increaser          = (*Adapter)(nil)
	_ providers.Decreaser          = (*Adapter)(nil)
	_ providers.Refunder           = (*Adapter)(nil)
	_ providers.PayoutMaker        = (*Adapter)(nil)
	_ providers.CardRegistrar      = (*Adapter)(nil)
	_ providers.CardForgetter      = (*Adapter)(nil)
	_ providers.LinkMaker          = (*Adapter)(nil)
	_ providers.Scheduler          = (*Adapter)(nil)
	_ providers.OptionsReader      = (*Adapter)(nil)
	_ providers.StatusFinder       = (*Adapter)(nil)
	_ providers.FrameTokenizer     = (*Adapter)(nil)
	_ providers.PageOrigin         = (*Adapter)(nil)
	_ providers.CallbackReceiver   = (*Adapter)(nil)
	_ providers.ConnectionTester   = (*Adapter)(nil)
)

// Registration is the adapter as the product knows it.
func Registration() providers.Registration {
	return providers.Registration{
		Name:       Name,
		Label:      "Cardflo",
		New:        func(c providers.Config) (providers.Provider, error) { return New(c) },
		Fields:     fields(),
		Narrow:     narrow,
		Addresses:  []providers.Address{{URL: "https://gateway.cardflo.io/api/v3", Label: "Cardflo gateway", Mode: domain.Live}},
		Currency:   hasRule,
		PartRefund: true,
		Absence:    providers.Absence{After: absentAfter, Asks: absentAsks},
		// A reused merchantTransactionId is refused with 3004; no end of that is
		// documented, and the refusal is not a replay (README, Status).
		Idempotency: providers.Idempotency{Key: true, Lookup: true},
		Timeout:     timeout,
	}
}

// New makes an adapter. It refuses a base URL or an origin that cannot be one,
// and missing credentials; the error names the value and never repeats it.
func New(c providers.Config) (*Adapter, error) {
	base, err := providers.WebURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("cardflo: the base URL is not one")
	}
	a := &Adapter{
		base: base, apiKey: c.Secrets[SecretAPIKey], username: c.Secrets[SecretUsername],
		password: c.Secrets[SecretPassword], shared: c.Secrets[SecretSharedSecret],
		pageOrigin: providers.OriginOf(base), now: c.Now, callbackURL: c.CallbackURL,
	}
	if a.now == nil {
		a.now = time.Now
	}
	for name, v := range map[string]string{SecretAPIKey: a.apiKey, SecretUsername: a.username, SecretPassword: a.password} {
		if v == "" {
			return nil, fmt.Errorf("cardflo: %s is missing", name)
		}
	}
	if s := c.Settings[SettingPageOrigin]; s != "" {
		u, err := providers.WebURL(s)
		if err != nil {
			return nil, fmt.Errorf("cardflo: %s is not an origin", SettingPageOrigin)
		}
		a.pageOrigin = providers.OriginOf(u)
	}
	if s := c.Settings[SettingCardFrame]; s != "" {
		// Unlike a base URL it may carry a query.
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
			return nil, fmt.Errorf("cardflo: %s is not a web address", SettingCardFrame)
		}
		a.cardFrame = u
	}
	secrets := []string{a.apiKey, a.username, a.password, a.shared, basicAuth(a.username, a.password)}
	for _, set := range append([]map[string]string{c.Secrets}, c.Also...) {
		if s := set[SecretSharedSecret]; s != "" {
			a.proofs = append(a.proofs, s)
		}
		for _, s := range set {
			secrets = append(secrets, s)
		}
	}
	limit := c.Timeout
	if limit <= 0 {
		limit = timeout
	}
	a.timeout = limit
	a.http = httpclient.New(httpclient.ClientOptions{
		Provider:   Name,
		Connection: []string{base.String(), a.apiKey, a.username},
		HTTP:       c.HTTP,
		Timeout:    limit,
		PerMinute:  c.PerMinute,
		Secrets:    secrets,
		Now:        a.now,
	})
	return a, nil
}

// Name is the registration's name.
func (a *Adapter) Name() string { return Name }

// CardFrame is the frame of the connection's cardFrameURL, told who holds it;
// false when the connection has none.
func (a *Adapter) CardFrame(parentOrigin string) (providers.Frame, bool) {
	if a.cardFrame == nil {
		return providers.Frame{}, false
	}
	u := *a.cardFrame
	q := u.Query()
	q.Set("origin", parentOrigin)
	u.RawQuery = q.Encode()
	return providers.Frame{URL: u.String(), Origin: providers.OriginOf(&u)}, true
}

// CardPageOrigin is the only origin that a redirectUrl may have.
func (a *Adapter) CardPageOrigin() string { return a.pageOrigin }

// hasRule: "decimals separated by ., max. 3 decimals" (seed 003, "Debit").
func hasRule(c money.Currency) bool { return !c.IsZero() && c.Exponent() <= 3 }

func (a *Adapter) header(method, rawURL string, body []byte) (http.Header, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	date := a.now().UTC().Format(http.TimeFormat)
	h := http.Header{
		"Accept":        {"application/json"},
		"Content-Type":  {contentType},
		"Date":          {date},
		"Authorization": {"Basic " + basicAuth(a.username, a.password)},
	}
	if a.shared != "" {
		h.Set("X-Signature", sign(a.shared, method, bodyHash(body), contentType, date, u.RequestURI()))
	}
	return h, nil
}
