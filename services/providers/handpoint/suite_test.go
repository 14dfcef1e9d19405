package handpoint_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// suited is the registration without the three operations of which the suite
// asks what the document does not have: a capture and an increase in another
// currency, which their requests do not name, and the decline of a tip, which is
// a 400 there and so an error. TestOperationsThatTheSuiteCannotDrive drives them.
func suited() providers.Registration {
	reg := handpoint.Registration()
	narrow := reg.Narrow
	reg.Narrow = func(settings map[string]string, c domain.Capability) string {
		switch c {
		case domain.CanCapture, domain.CanIncrease, domain.CanAdjustTip:
			return "It has a test of its own."
		}
		return narrow(settings, c)
	}
	return reg
}

func TestBehaviour(t *testing.T) {
	providertest.Run(t, providertest.Subject{
		Registration: suited(),
		Emulator:     func() kit.Emulator { return emulator.New(emulator.Config{OperationTakes: -1}, nil) },
		BasePath:     emulator.BasePath,
		Transport: func(host string, record func(string)) http.RoundTripper {
			return httpclient.Transport(httpclient.Options{
				AllowHosts: []string{host}, BreakAfter: 1000, Transcript: func(x httpclient.Exchange) { record(x.String()) },
			})
		},
		Settings:     map[string]string{handpoint.SettingPreauthorizations: "yes", handpoint.SettingBatches: "yes"},
		Secrets:      map[string]string{handpoint.SecretAPIKey: emulator.SandboxKey, handpoint.SecretCallbackToken: callbackToken},
		WrongSecrets: map[string]map[string]string{"key": {handpoint.SecretAPIKey: "no-such-key"}},
		Token:        emulator.TokenVisa,
		Declines: []providertest.Decline{
			{Token: emulator.TokenInsufficientFunds, Code: "51", Reason: domain.ReasonInsufficientFunds},
			{Token: emulator.TokenDoNotHonour, Code: "05", Reason: domain.ReasonDeclined},
			{Token: emulator.TokenExpired, Code: "54", Reason: domain.ReasonExpiredCard},
			{Token: emulator.TokenStolen, Code: "43", Reason: domain.ReasonLostOrStolen},
		},
		Currency: money.MustCurrency("EUR"),
		Other:    money.MustCurrency("GBP"),
		Hold: func(t *testing.T, p providers.Provider, a money.Amount) string {
			t.Helper()
			started, err := p.(providers.TerminalOperator).StartOnTerminal(t.Context(),
				providers.TerminalRequest{Device: terminal, Operation: "preAuthorization", Amount: a, AttemptRef: uuid.NewString()})
			if err != nil {
				t.Fatal(err)
			}
			res, done, err := p.(providers.TerminalOperator).TerminalResult(t.Context(), started)
			if err != nil || !done || res.Outcome != providers.Approved {
				t.Fatalf("%+v, %v, %v", res, done, err)
			}
			return res.ProviderRef
		},
		Trigger: func(t *testing.T, p providers.Provider, a money.Amount) string {
			t.Helper()
			ref := uuid.NewString()
			if _, err := p.(providers.TerminalOperator).StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: a, AttemptRef: ref}); err != nil {
				t.Fatal(err)
			}
			return ref
		},
		// The endpoints of preauthorizations take no reference of ours; with the
		// first one's attempt they are found (TestALostChangeOfAHoldIsFoundUnderIt).
		Blind:          []domain.TransactionType{domain.Increment, domain.Decrement, domain.Capture},
		Device:         terminal,
		Batch:          providers.BatchRequest{Device: virtual, Number: "1", Currency: money.MustCurrency("EUR")},
		CallbackSecret: handpoint.SecretCallbackToken,
		StatusWord:     regexp.MustCompile(`"finStatus":"([A-Z_]+)"`),
	})
}
