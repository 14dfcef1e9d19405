package handpoint_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/providers"
)

func TestAPingIsPolledEvenWhereResultsAreCalledBack(t *testing.T) {
	l := start(t, options{callbacks: true})
	begun, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "pingDevice", Polled: true})
	if err != nil || begun.ResultRef == "" {
		t.Fatalf("%+v, %v", begun, err)
	}
	sent := (*l.requests)[len(*l.requests)-1]
	if strings.Contains(sent, "callbackUrl") || strings.Contains(sent, "token") {
		t.Errorf("sent %s", sent)
	}
	l.pass(time.Second)
	res, done, err := l.TerminalResult(t.Context(), begun)
	if err != nil || !done || res.Outcome != providers.Approved || res.Report.Battery == nil || res.Report.AppVersion == "" {
		t.Errorf("%+v, %v, %v", res, done, err)
	}
}

func TestACommandsConditionsAreToldBeforeItIsSent(t *testing.T) {
	l := start(t, options{})
	for _, tt := range []struct {
		name, command string
		facts         providers.CommandFacts
		why, hint     string
	}{
		{"the daily restart on a test connection", "set-reboot-time", providers.CommandFacts{Answered: true}, "production terminals only", ""},
		{"the daily restart on a live one", "set-reboot-time", providers.CommandFacts{Live: true, Answered: true}, "", "7.1006.0"},
		{"a terminal that no check has reached", "reboot", providers.CommandFacts{}, "", "Integrated Mode"},
		{"the SDK's version is not the application's", "set-locale", providers.CommandFacts{Answered: true, AppVersion: "20.4.12.1"}, "", "version of its application only, 20.4.12.1"},
	} {
		why, hint := l.CommandAdvice(tt.command, tt.facts)
		if !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") || !strings.Contains(hint, tt.hint) {
			t.Errorf("%s: %q, %q", tt.name, why, hint)
		}
	}
	if len(*l.requests) != 0 {
		t.Error("advice sent something")
	}
}
