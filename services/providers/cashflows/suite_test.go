package cashflows_test

import (
	"maps"
	"net/http"
	"regexp"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func with(m map[string]string, name, value string) map[string]string {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	m[name] = value
	return m
}

func subject() providertest.Subject {
	return providertest.Subject{
		Registration: cashflows.Registration(),
		Emulator:     func() kit.Emulator { return emulator.New(emulator.Config{}, nil) },
		BasePath:     emulator.BasePath,
		Transport: func(host string, record func(string)) http.RoundTripper {
			return httpclient.Transport(httpclient.Options{
				AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) { record(x.String()) },
			})
		},
		Settings:     map[string]string{cashflows.SettingConfigurationID: emulator.ConfigurationID},
		Secrets:      map[string]string{cashflows.SecretAPIKey: emulator.APIKey},
		WrongSecrets: map[string]map[string]string{"API key": {cashflows.SecretAPIKey: "another key"}},
		Token:        emulator.TokenApprove,
		Declines: []providertest.Decline{
			{Token: emulator.TokenDecline, Code: "Declined", Reason: domain.ReasonDeclined},
			{Token: emulator.TokenBlocked, Code: "Blocked", Reason: domain.ReasonUnmapped},
			{Token: emulator.TokenFailed, Code: "Failed", Reason: domain.ReasonUnmapped},
			{Token: emulator.TokenRejected, Code: "Rejected", Reason: domain.ReasonUnmapped},
		},
		Currency:    money.MustCurrency("EUR"),
		Other:       money.MustCurrency("GBP"),
		StatusWord:  regexp.MustCompile(`"paymentStatus":"([A-Za-z]+)"`),
		AmountField: "amountToCollect|paidAmount|amount",
		// A lost refund is found in its payment's list by our number, and a lost
		// void by its payment's status: better than what the suite expects of an
		// adapter without lookup. Tests of this package hold them to it.
		Blind: []domain.TransactionType{domain.Refund, domain.Void},
	}
}

func TestBehaviourGateway(t *testing.T) { providertest.Run(t, subject()) }

// An older client of the provider's types amounts as numbers.
func TestBehaviourGatewayWithNumberAmounts(t *testing.T) {
	s := subject()
	s.Emulator = func() kit.Emulator { return emulator.New(emulator.Config{NumberAmounts: true}, nil) }
	providertest.Run(t, s)
}

func reserving() providertest.Subject {
	s := subject()
	s.Settings = map[string]string{cashflows.SettingConfigurationID: emulator.ReservingConfigurationID, cashflows.SettingAutoCapture: cashflows.AutoCaptureOff}
	s.Secrets = map[string]string{cashflows.SecretAPIKey: emulator.ReservingAPIKey}
	return s
}

func TestBehaviourReserving(t *testing.T) { providertest.Run(t, reserving()) }

func remote() providertest.Subject {
	s := subject()
	s.Settings = map[string]string{cashflows.SettingProduct: cashflows.ProductRemote}
	s.Secrets = map[string]string{cashflows.SecretRemoteAuthID: emulator.RemoteID, cashflows.SecretRemoteAuthPassword: emulator.RemotePassword}
	s.WrongSecrets = map[string]map[string]string{
		"password": with(s.Secrets, cashflows.SecretRemoteAuthPassword, "another password"),
		"profile":  with(s.Secrets, cashflows.SecretRemoteAuthID, "7654321"),
	}
	s.Token, s.NoCard = emulator.RemoteTokenApprove, true
	s.Declines = []providertest.Decline{
		{Token: emulator.RemoteTokenPrefix + "Dx01", Code: "D001", Reason: domain.ReasonDeclined},
		{Token: emulator.RemoteTokenPrefix + "Dx02", Code: "D002", Reason: domain.ReasonInsufficientFunds},
		{Token: emulator.RemoteTokenPrefix + "Rx01", Code: "R001", Reason: domain.ReasonCallBank},
	}
	return s
}

func TestBehaviourRemote(t *testing.T) { providertest.Run(t, remote()) }
