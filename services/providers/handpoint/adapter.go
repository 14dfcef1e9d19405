// Package handpoint is the adapter for Handpoint's Cloud API (seed 004): the
// telephone endpoints, which need no terminal, and the status service. Of ours
// it may import providers, providers/httpclient, domain and money.
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

	// SettingStatusBase is the status service's address, which is another host
	// than the cloud's (seed 004, "/transactions/{transactionReference}/status").
	// Empty: derived from the base URL.
	SettingStatusBase = "statusBaseURL"
)

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
}

var (
	_ providers.Provider     = (*Adapter)(nil)
	_ providers.TokenSeller  = (*Adapter)(nil)
	_ providers.Refunder     = (*Adapter)(nil)
	_ providers.StatusFinder = (*Adapter)(nil)
)

// Registration is the adapter as the product knows it.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  Name,
		Label: "Handpoint",
		New:   func(c providers.Config) (providers.Provider, error) { return New(c) },
		Fields: []providers.Field{
			{Name: SecretAPIKey, Label: "Cloud API key", Kind: providers.FieldText, Secret: true, Required: true},
			{Name: SettingStatusBase, Label: "Status service’s address", Hint: "Leave it empty unless Handpoint gave you another one.", Kind: providers.FieldURL},
		},
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

// New makes an adapter. It refuses addresses that are none and a missing key;
// the error names the value and never repeats it.
func New(c providers.Config) (*Adapter, error) {
	base, err := webURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("handpoint: the base URL is not one")
	}
	status := base
	if host, ok := statusHosts[strings.ToLower(base.Host)]; ok {
		status = &url.URL{Scheme: base.Scheme, Host: host, Path: base.Path}
	}
	if s := c.Settings[SettingStatusBase]; s != "" {
		if status, err = webURL(s); err != nil {
			return nil, fmt.Errorf("handpoint: %s is not a web address", SettingStatusBase)
		}
	}
	key := c.Secrets[SecretAPIKey]
	if key == "" {
		return nil, fmt.Errorf("handpoint: %s is missing", SecretAPIKey)
	}
	return &Adapter{
		base: base, status: status, apiKey: key,
		http: httpclient.New(httpclient.ClientOptions{
			Provider: Name, Connection: []string{base.String(), key}, HTTP: c.HTTP, Timeout: timeout,
			Secrets: []string{key}, Now: c.Now,
		}),
	}, nil
}

// Name is the registration's name.
func (a *Adapter) Name() string { return Name }

// hasRule: the endpoints write minor units in requests and major units in
// answers, and the document shows only currencies of two decimals. What "20.00"
// or "2000" would be in JPY or KWD is nowhere said, so they are refused.
func hasRule(c money.Currency) bool { return !c.IsZero() && c.Exponent() == 2 }

func webURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("not a web address")
	}
	return u, nil
}

func at(base *url.URL, parts ...string) string {
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = url.PathEscape(p)
	}
	return base.String() + "/" + strings.Join(escaped, "/")
}

func (a *Adapter) header() http.Header {
	// Built by hand: Header.Set would spell it Apikeycloud, which is the same
	// to HTTP but not to a reader who compares with the document.
	return http.Header{
		"Accept":       {"application/json"},
		"Content-Type": {"application/json"},
		"ApiKeyCloud":  {a.apiKey},
	}
}
