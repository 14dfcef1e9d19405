// Package cloudflow is the adapter for AEVI's CloudFlow Client API (seed 000):
// the terminals of an account, whether one is connected, and, where a
// connection says that it is offered, a request to one. Of ours it may import
// providers, providers/httpclient, domain and money.
package cloudflow

import (
	"encoding/base64"
	"encoding/json"
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
const Name = "cloudflow"

// The names of a connection's values.
const (
	SecretAPIToken   = "apiToken"
	SettingAccountID = "accountId"

	// SettingAsyncRequests is the path of the asynchronous request, as CloudFlow
	// told it to the merchant: the seed says that there is one ("a new REST API
	// endpoint in the Client API") and no public document says where. Empty: the
	// connection does not offer it.
	SettingAsyncRequests = "asyncRequests"
	// SettingAsyncForm is formConfirmed once a person has compared the body in
	// README.md with what CloudFlow told them. Without it nothing is sent to the
	// path.
	SettingAsyncForm = "asyncFormConfirmed"
)

// formConfirmed is the value of a yes (providers.FieldYesNo).
const formConfirmed = "yes"

// timeout bounds one call.
const timeout = 30 * time.Second

// Adapter is CloudFlow bound to one connection. It is safe for concurrent use.
type Adapter struct {
	base         *url.URL
	bearer       string
	requestsPath string // empty: not offered
	timeout      time.Duration
	http         *httpclient.Client
}

var (
	_ providers.Provider         = (*Adapter)(nil)
	_ providers.DeviceLister     = (*Adapter)(nil)
	_ providers.DeviceChecker    = (*Adapter)(nil)
	_ providers.ConnectionTester = (*Adapter)(nil)
	_ providers.TerminalOperator = (*Adapter)(nil)
	_ providers.TerminalNamer    = (*Adapter)(nil)
)

// Registration is the adapter as the product knows it.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  Name,
		Label: "CloudFlow",
		New:   func(c providers.Config) (providers.Provider, error) { return New(c) },
		Fields: []providers.Field{
			{Name: SettingAccountID, Label: "Account id", Hint: "Capital and small letters count.", Kind: providers.FieldText, Required: true},
			{Name: SecretAPIToken, Label: "API token", Hint: "Capital and small letters count.", Kind: providers.FieldText, Secret: true, Required: true},
			{Name: SettingAsyncRequests, Label: "Path for requests to a terminal", Hint: "Leave it empty unless CloudFlow gave you the path of its asynchronous request.", Kind: providers.FieldText},
			{Name: SettingAsyncForm, Label: "CloudFlow confirmed the form of these requests", Hint: "CloudFlow does not publish it, so compare the adapter’s README with what they gave you.", Kind: providers.FieldYesNo},
		},
		Narrow:     narrow,
		Currency:   hasRule,
		PartRefund: false,
		// Nothing can be asked for by our reference, so no absence is ever
		// believed and no key is known to be honoured.
		Idempotency: providers.Idempotency{},
		Timeout:     timeout,
	}
}

// narrow says why a connection does not offer requests to a terminal.
func narrow(settings map[string]string, c domain.Capability) string {
	switch {
	case c != domain.CanUseTerminal:
		return ""
	case settings[SettingAsyncRequests] == "":
		return "CloudFlow does not publish where requests to a terminal go, and this connection names no path."
	case settings[SettingAsyncForm] != formConfirmed:
		return "CloudFlow does not publish the form of requests to a terminal, and nobody has confirmed it for this connection."
	}
	return ""
}

// New makes an adapter. There is no default address: no public document names
// one. The error names the value and never repeats it.
func New(c providers.Config) (*Adapter, error) {
	base, err := providers.WebURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("cloudflow: the base URL is not one")
	}
	account, token := c.Settings[SettingAccountID], c.Secrets[SecretAPIToken]
	if account == "" {
		return nil, fmt.Errorf("cloudflow: %s is missing", SettingAccountID)
	}
	if token == "" {
		return nil, fmt.Errorf("cloudflow: %s is missing", SecretAPIToken)
	}
	a := &Adapter{base: base, timeout: timeout}
	if c.Timeout > 0 {
		a.timeout = c.Timeout
	}
	if path := c.Settings[SettingAsyncRequests]; path != "" {
		if !isPath(path) {
			return nil, fmt.Errorf("cloudflow: %s is not a path such as /requests", SettingAsyncRequests)
		}
		if c.Settings[SettingAsyncForm] == formConfirmed {
			a.requestsPath = path
		}
	}
	credentials, err := json.Marshal(struct {
		AccountID string `json:"accountId"`
		APIToken  string `json:"apiToken"`
	}{account, token})
	if err != nil {
		return nil, fmt.Errorf("cloudflow: the credentials cannot be written")
	}
	a.bearer = base64.StdEncoding.EncodeToString(credentials)
	a.http = httpclient.New(httpclient.ClientOptions{
		Provider: Name, Connection: []string{base.String(), account, token}, HTTP: c.HTTP, Timeout: a.timeout,
		PerMinute: c.PerMinute, Secrets: []string{token, a.bearer}, Now: c.Now,
	})
	return a, nil
}

// Name is the registration's name.
func (a *Adapter) Name() string { return Name }

// hasRule: the form of a request has amounts in "sub-units" with examples of two
// decimals (README, "Requests to a terminal"). What that is in JPY or KWD is
// nowhere said, so they are refused.
func hasRule(c money.Currency) bool { return !c.IsZero() && c.Exponent() == 2 }

// isPath: below the base URL and nowhere else.
func isPath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.HasPrefix(s, "/") && len(s) <= 200 && u.Host == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" &&
		u.EscapedPath() == s && u.Path == s && !strings.ContainsAny(s, `\#?%`) && !strings.Contains(s, "//") && !strings.Contains(s, "/.")
}

func (a *Adapter) header() http.Header {
	return http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + a.bearer}}
}
