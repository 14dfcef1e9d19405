// Package cloudpayments is the adapter for Cloud Payments (seed 002,
// api.cloudpayments.com): the check of the APP key and the sign-in. No public
// document has more, so it takes no payment. Of ours it may import providers,
// providers/httpclient, domain and money.
package cloudpayments

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
const Name = "cloudpayments"

// The names of a connection's values. A person's name and password are not
// among them: they are given to SignIn and kept nowhere.
const (
	SecretAPIKey        = "apiKey"       // sent as api-key (seed 002, "HTTP Headers")
	SettingTenantID     = "tenantId"     // "your system-assigned unique tenant ID"
	SettingBusinessCode = "businessCode" // kept: no public call takes it
)

// timeout bounds one call.
const timeout = 30 * time.Second

// Adapter is Cloud Payments bound to one connection. It is safe for concurrent
// use.
type Adapter struct {
	base           *url.URL
	apiKey, tenant string
	now            func() time.Time
	http           *httpclient.Client
}

var (
	_ providers.Provider         = (*Adapter)(nil)
	_ providers.ConnectionTester = (*Adapter)(nil)
	_ providers.SignIner         = (*Adapter)(nil)
)

// Registration is the adapter as the product knows it.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  Name,
		Label: "Cloud Payments",
		New:   func(c providers.Config) (providers.Provider, error) { return New(c) },
		Fields: []providers.Field{
			{Name: SecretAPIKey, Label: "APP key", Hint: "In the developer portal: Dashboard, Settings; it asks for your password there.", Kind: providers.FieldText, Secret: true, Required: true},
			{Name: SettingTenantID, Label: "Tenant ID", Hint: "In the developer portal, under Settings, once a business profile exists.", Kind: providers.FieldText},
			{Name: SettingBusinessCode, Label: "Business code", Hint: "Beside the tenant ID.", Kind: providers.FieldText},
		},
		// The seed says that a sandbox has another address and does not name it.
		Addresses: []providers.Address{{URL: "https://api.cloudpayments.com", Label: "Production", Mode: domain.Live}},
		// Nothing here has an amount, so there is no rule for any currency.
		Currency: func(money.Currency) bool { return false },
		Timeout:  timeout,
	}
}

// New makes an adapter. It refuses addresses that are none and a missing key;
// the error names the value and never repeats it.
func New(c providers.Config) (*Adapter, error) {
	base, err := providers.WebURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("cloudpayments: the base URL is not one")
	}
	key := c.Secrets[SecretAPIKey]
	if key == "" {
		return nil, fmt.Errorf("cloudpayments: %s is missing", SecretAPIKey)
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	bound := timeout
	if c.Timeout > 0 {
		bound = c.Timeout
	}
	return &Adapter{
		base: base, apiKey: key, tenant: c.Settings[SettingTenantID], now: now,
		http: httpclient.New(httpclient.ClientOptions{
			Provider: Name, Connection: []string{base.String(), key}, HTTP: c.HTTP, Timeout: bound,
			PerMinute: c.PerMinute, Secrets: []string{key}, Now: c.Now,
		}),
	}, nil
}

// Name is the registration's name.
func (a *Adapter) Name() string { return Name }

func (a *Adapter) header() http.Header {
	// Built by hand, so that the name reads as in the document.
	return http.Header{"Accept": {"application/json"}, "api-key": {a.apiKey}}
}
