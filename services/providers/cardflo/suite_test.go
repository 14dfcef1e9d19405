package cardflo_test

import (
	"maps"
	"net/http"
	"regexp"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func signed() map[string]string {
	return map[string]string{
		cardflo.SecretAPIKey: emulator.SignedKey, cardflo.SecretUsername: emulator.SignedUser,
		cardflo.SecretPassword: emulator.SignedPassword, cardflo.SecretSharedSecret: emulator.SignedSecret,
	}
}

// unsigned is a connector that looks at no signature; its shared secret proves
// callbacks.
func unsigned() map[string]string {
	return map[string]string{
		cardflo.SecretAPIKey: emulator.SandboxKey, cardflo.SecretUsername: emulator.SandboxUser, cardflo.SecretPassword: emulator.SandboxPassword,
		cardflo.SecretSharedSecret: emulator.SandboxSecret,
	}
}

func with(m map[string]string, name, value string) map[string]string {
	m = maps.Clone(m)
	m[name] = value
	return m
}

func subject() providertest.Subject {
	return providertest.Subject{
		Settings:     map[string]string{cardflo.SettingPartialVoid: "yes"},
		Registration: cardflo.Registration(),
		Emulator:     func() kit.Emulator { return emulator.New(emulator.Config{}, nil) },
		BasePath:     emulator.BasePath,
		Transport: func(host string, record func(string)) http.RoundTripper {
			return httpclient.Transport(httpclient.Options{
				AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) { record(x.String()) },
			})
		},
		Secrets: signed(),
		WrongSecrets: map[string]map[string]string{
			"shared secret": with(signed(), cardflo.SecretSharedSecret, "another secret"),
			"no signature":  with(signed(), cardflo.SecretSharedSecret, ""),
			"password":      with(signed(), cardflo.SecretPassword, "another password"),
			"key":           with(signed(), cardflo.SecretAPIKey, "another-key"),
		},
		Token: emulator.TokenApprove,
		Declines: []providertest.Decline{
			{Token: emulator.TokenDecline, Code: "2003", Reason: domain.ReasonDeclined},
			{Token: emulator.TokenInsufficientFunds, Code: "2006", Reason: domain.ReasonInsufficientFunds},
			{Token: emulator.TokenExpired, Code: "2009", Reason: domain.ReasonExpiredCard},
			{Token: emulator.TokenStolen, Code: "2016", Reason: domain.ReasonLostOrStolen},
		},
		Currency:       money.MustCurrency("EUR"),
		Other:          money.MustCurrency("GBP"),
		CallbackSecret: cardflo.SecretSharedSecret,
		StatusWord:     regexp.MustCompile(`"transactionStatus":"([A-Z_]+)"`),
	}
}

func TestBehaviourSigned(t *testing.T) { providertest.Run(t, subject()) }

func TestBehaviourUnsigned(t *testing.T) {
	s := subject()
	s.Secrets, s.WrongSecrets = unsigned(), nil
	providertest.Run(t, s)
}

// The provider's documents disagree about the HTTP status of refusals, so both
// readings must lead to the same verdicts.
func TestBehaviourWithErrorsAs200(t *testing.T) {
	s := subject()
	s.Emulator = func() kit.Emulator { return emulator.New(emulator.Config{ErrorsAs200: true}, nil) }
	providertest.Run(t, s)
}
