package components

import (
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
)

// DeviceStatus is the entry of a terminal's state.
func DeviceStatus(s domain.DeviceState) Status {
	st := Status{Word: s.Label(), Tone: "quiet", Icon: "circle-dashed"}
	switch s {
	case domain.DeviceOffline:
		st.Tone, st.Icon, st.Loud = "bad", "wifi-off", true
	case domain.DeviceAttention:
		st.Tone, st.Icon, st.Loud = "warn", "triangle-alert", true
	case domain.DeviceBusy:
		st.Tone, st.Icon, st.Spin = "info", "loader-circle", true
	case domain.DeviceOnline:
		st.Tone, st.Icon = "good", "wifi"
	case domain.DeviceRemoved:
		st.Icon = "ban"
	}
	return st
}

// CommandStatus is the entry of a command's status. "Sent" is not "done", so it
// is never green.
func CommandStatus(s domain.CommandStatus) Status {
	st := Status{Word: s.Label(), Tone: "quiet", Icon: "clock"}
	switch s {
	case domain.CommandSending:
		st.Tone, st.Icon, st.Spin = "info", "loader-circle", true
	case domain.CommandSent:
		st.Tone, st.Icon = "info", "send"
	case domain.CommandConfirmed:
		st.Tone, st.Icon = "good", "circle-check"
	case domain.CommandUnconfirmed:
		st.Tone, st.Icon, st.Loud = "warn", "triangle-alert", true
	case domain.CommandRefused:
		st.Tone, st.Icon, st.Loud = "bad", "circle-x", true
	case domain.CommandUnknown:
		st.Tone, st.Icon, st.Loud = "unknown", "circle-question-mark", true
	}
	return st
}

// deviceCodes are the providers' codes about a terminal in our words: seed 004,
// "Transactions", and seed 000, "HTTP error codes".
var deviceCodes = map[string]string{
	"1001":               "The terminal is busy with something else",
	"1002":               "The terminal does not answer",
	"1003":               "What runs on the terminal can no longer be stopped",
	"connectionLost":     "The terminal is not connected",
	"notFound":           "The provider does not know this terminal",
	"tooManyConnections": "The account has as many connections as it may have",
	"preconditionFailed": "The provider cannot do this in the present state",
	"unauthorized":       "The provider does not accept the connection’s credentials",
	"forbidden":          "The provider does not allow this account to do that",
}

// KnownDeviceCode says that a code has words of ours.
func KnownDeviceCode(code string) bool { return deviceCodes[code] != "" }

// DeviceCode is a provider's code about a terminal in words, with the code
// behind them: "The terminal does not answer (1002)". A code without words of
// ours has the provider's own; empty without a code and without words.
func DeviceCode(code, said string) string {
	words := deviceCodes[code]
	if words == "" {
		words = strings.TrimSuffix(strings.TrimSpace(said), ".")
	}
	switch {
	case code == "":
		return words
	case words == "":
		return "The provider gave the code " + code + " and no words"
	}
	return words + " (" + code + ")"
}
