package cloudpayments_test

import (
	"net/http"
	"testing"

	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers/cloudpayments"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cloudpayments"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func TestBehaviour(t *testing.T) {
	providertest.Run(t, providertest.Subject{
		Registration: cloudpayments.Registration(),
		Emulator:     func() kit.Emulator { return emulator.New(emulator.Config{}, nil) },
		BasePath:     emulator.BasePath,
		Transport: func(host string, record func(string)) http.RoundTripper {
			return httpclient.Transport(httpclient.Options{
				AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) { record(x.String()) },
			})
		},
		Settings:     map[string]string{cloudpayments.SettingTenantID: emulator.TenantID},
		Secrets:      map[string]string{cloudpayments.SecretAPIKey: emulator.KeyValid},
		WrongSecrets: map[string]map[string]string{"key": {cloudpayments.SecretAPIKey: "no-such-key"}},
		Currency:     money.MustCurrency("EUR"),
		Other:        money.MustCurrency("GBP"),
	})
}
