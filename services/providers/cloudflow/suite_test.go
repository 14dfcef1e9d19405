package cloudflow_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// TestBehaviour spoils of the asynchronous request the request itself;
// TestFaultsOfTheLine spoils the question before it too.
func TestBehaviour(t *testing.T) {
	providertest.Run(t, providertest.Subject{
		Registration: cloudflow.Registration(),
		Emulator:     func() kit.Emulator { return emulator.New(emulator.Config{}, nil) },
		BasePath:     emulator.BasePath,
		Transport: func(host string, record func(string)) http.RoundTripper {
			return httpclient.Transport(httpclient.Options{
				AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) { record(x.String()) },
			})
		},
		Settings: map[string]string{cloudflow.SettingAccountID: emulator.SandboxAccountID,
			cloudflow.SettingAsyncRequests: emulator.ExtensionPath + "/requests", cloudflow.SettingAsyncForm: "yes"},
		Secrets: map[string]string{cloudflow.SecretAPIToken: emulator.SandboxAPIToken},
		WrongSecrets: map[string]map[string]string{
			"token": {cloudflow.SecretAPIToken: "No-Such-Token"},
			"case":  {cloudflow.SecretAPIToken: strings.ToLower(emulator.SandboxAPIToken)},
		},
		Currency: money.MustCurrency("EUR"),
		Other:    money.MustCurrency("GBP"),
		Device:   providers.DeviceRef{Ref: emulator.DeviceOnline},
	})
}
