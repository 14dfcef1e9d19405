package handpoint_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func TestBehaviour(t *testing.T) {
	providertest.Run(t, providertest.Subject{
		Registration: handpoint.Registration(),
		Emulator:     func() kit.Emulator { return emulator.New(emulator.Config{}, nil) },
		BasePath:     emulator.BasePath,
		Transport: func(host string, record func(string)) http.RoundTripper {
			return httpclient.Transport(httpclient.Options{
				AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) { record(x.String()) },
			})
		},
		Secrets:      map[string]string{handpoint.SecretAPIKey: emulator.SandboxKey},
		WrongSecrets: map[string]map[string]string{"key": {handpoint.SecretAPIKey: "no-such-key"}},
		Token:        emulator.TokenVisa,
		Declines: []providertest.Decline{
			{Token: emulator.TokenInsufficientFunds, Code: "51", Reason: domain.ReasonInsufficientFunds},
			{Token: emulator.TokenDoNotHonour, Code: "05", Reason: domain.ReasonDeclined},
			{Token: emulator.TokenExpired, Code: "54", Reason: domain.ReasonExpiredCard},
			{Token: emulator.TokenStolen, Code: "43", Reason: domain.ReasonLostOrStolen},
		},
		Currency:   money.MustCurrency("EUR"),
		Other:      money.MustCurrency("GBP"),
		StatusWord: regexp.MustCompile(`"finStatus":"([A-Z_]+)"`),
	})
}
