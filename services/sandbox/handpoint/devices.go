package handpoint

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// deviceKey names a device of a merchant.
type deviceKey struct{ merchant, typ, serial string }

// terminal is a device with what happens on it.
type terminal struct {
	Device
	key     deviceKey
	offline bool
	busy    bool // kept busy by a control call
	// standalone: the application is not in Integrated Mode, so that it takes
	// nothing from the cloud.
	standalone bool
	battery    int // percent
	charging   bool
	app        string // version of the payment application
	twice      bool   // each result is delivered twice
	unheard    bool   // what it delivers reaches nobody
	takes      time.Duration
	// card is the token of the card that the next customer shows.
	card string
	// inlineReceipts: the receipts come as HTML, not as addresses.
	inlineReceipts bool
	signature      string // how a signature comes: empty, url or image
	running        *running
	batch          int
	batches        map[int]*batch
}

// virtual is the merchant's virtual terminal, which the endpoints without a
// reader count for.
func (s *Server) virtual(m Merchant) deviceKey {
	for _, d := range m.Devices {
		if d.Type == VirtualType {
			return deviceKey{m.ID, d.Type, d.Serial}
		}
	}
	return deviceKey{}
}

// listDevices is GET /devices and its older name, GET /initialize.
func (s *Server) listDevices(w http.ResponseWriter, _ *http.Request, m Merchant) {
	type device struct {
		MerchantID   string `json:"merchant_id_alpha"`
		SerialNumber string `json:"serial_number"`
		SSK          string `json:"ssk"`
		TerminalType string `json:"terminal_type"`
	}
	out := make([]device, 0, len(m.Devices))
	for _, d := range m.Devices {
		out = append(out, device{MerchantID: m.ID, SerialNumber: d.Serial, SSK: d.SSK, TerminalType: d.Type})
	}
	kit.WriteJSON(w, http.StatusOK, out)
}

// Command is a device command that was accepted.
type Command struct {
	Serial, Type, Name string
	Values             map[string]any
	// Done is false when the device could not carry it out: it is off line or not
	// in Integrated Mode, and nobody is told.
	Done bool
}

// Commands returns the accepted device commands, oldest first.
func (s *Server) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Command{}, s.commands...)
}

const localePattern = `^[a-z]{2}_[A-Z]{2}$`

// commandSchemas are the six commands of seed 004, "Device Control Commands".
var commandSchemas = map[string]schema{
	"set-unattended-mode":    {"status": {kind: isBoolean, required: true}},
	"set-locale":             {"locale": {required: true, pattern: localePattern, shape: regexp.MustCompile(localePattern)}},
	"set-password-protected": {"status": {kind: isBoolean, required: true}},
	"reboot":                 {"force": {kind: isBoolean, required: true}},
	"set-screen-brightness": {
		"minimumBrightnessLevel": {kind: isInteger, required: true},
		"maximumBrightnessLevel": {kind: isInteger, required: true},
	},
	"set-reboot-time": {"hour": {kind: isInteger, required: true}},
}

// commandRanges are the values that are refused with 400 when they lie outside.
var commandRanges = map[string][2]int{"minimumBrightnessLevel": {0, 100}, "maximumBrightnessLevel": {0, 100}, "hour": {0, 23}}

// command accepts a device command. 202 says nothing of whether it is done.
func (s *Server) command(w http.ResponseWriter, r *http.Request, m Merchant) {
	name := r.PathValue("command")
	sc, known := commandSchemas[name]
	if !known {
		writeError(w, errorEnvelope(http.StatusNotFound, fmt.Sprintf("Endpoint %q not found.", r.Method+" "+r.URL.Path)))
		return
	}
	body, ok := readBody(w, r, sc)
	if !ok {
		return
	}
	for _, field := range slices.Sorted(maps.Keys(body)) {
		if bounds, bounded := commandRanges[field]; bounded {
			if n, ok := body.number(field); !ok || n < bounds[0] || n > bounds[1] {
				writeError(w, errorEnvelope(http.StatusBadRequest, fmt.Sprintf("%s must be between %d and %d", field, bounds[0], bounds[1])))
				return
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.devices[deviceKey{m.ID, r.PathValue("type"), r.PathValue("serial")}]
	if t == nil {
		// ASSUMPTION: no answer for an unknown device is documented.
		writeError(w, errorEnvelope(http.StatusNotFound, "Device not found"))
		return
	}
	done := !t.offline && !t.standalone
	if name == "reboot" && done {
		force, _ := body["force"].(bool)
		if t.running != nil && !force {
			done = false // "false to check status first"
		} else {
			if t.running != nil {
				t.running.fail, t.running.ends = true, s.kit.Clock.Now()
			}
			s.restart(t)
		}
	}
	s.commands = append(s.commands, Command{Serial: t.Serial, Type: t.Type, Name: name, Values: body, Done: done})
	w.WriteHeader(http.StatusAccepted)
}
