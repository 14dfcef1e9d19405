package handpoint

import (
	"fmt"

	"github.com/counterfoil/counterfoil/services/providers"
)

var _ providers.CommandAdviser = (*Adapter)(nil)

// deviceMeanings are the codes of seed 004, "Transactions", for staff.
var deviceMeanings = map[string]string{
	"1001": "The terminal is busy with something else.",
	"1002": "The terminal does not respond: it is switched off or has no connection.",
	"1003": "It cannot be stopped any more: the card is being authorised.",
}

// commandSDK is the version that the commands need (seed 004, "Device Control
// Commands").
const commandSDK = "7.1006.0"

// CommandAdvice gives the document's conditions of its six commands (seed 004,
// "Device Control Commands"). The SDK's version is nowhere told: a result names
// the version of the payment application, so that nothing is refused for it.
func (a *Adapter) CommandAdvice(name string, f providers.CommandFacts) (why, hint string) {
	if name == "set-reboot-time" && !f.Live {
		return "Handpoint carries this out on production terminals only, and this connection is for tests.", ""
	}
	hint = fmt.Sprintf("Handpoint asks for SDK %s or later, which terminals do not report.", commandSDK)
	if f.AppVersion != "" {
		hint = fmt.Sprintf("Handpoint asks for SDK %s or later. The terminal reports the version of its application only, %s.", commandSDK, f.AppVersion)
	}
	if !f.Answered {
		hint = "No check in the last 24 hours showed that the terminal is in Integrated Mode, so this may do nothing. " + hint
	}
	return "", hint
}
