package handpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// virtualType is the type of a virtual terminal (seed 004, "Batch Operations").
const virtualType = "VT"

// device is one of GET /devices. Its shared secret, ssk, is left out on purpose:
// what is not read cannot be kept.
type device struct {
	Merchant text `json:"merchant_id_alpha"`
	Serial   text `json:"serial_number"`
	Type     text `json:"terminal_type"`
}

// Devices lists the merchant's terminals, the virtual one included when MOTO is
// switched on (seed 004, "List Devices").
func (a *Adapter) Devices(ctx context.Context) ([]providers.Device, error) {
	const op = "devices"
	resp, err := a.get(ctx, op, "devices")
	if err != nil {
		return nil, asked(err)
	}
	return a.readDevices(op, resp)
}

func (a *Adapter) readDevices(op string, resp *httpclient.Response) ([]providers.Device, error) {
	if resp.Status != http.StatusOK {
		return nil, asked(a.readFault(op, resp, ""))
	}
	var list []device
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &list) != nil || list == nil {
		return nil, a.unreadable(op, resp, "the answer is not the document's JSON")
	}
	out := make([]providers.Device, 0, len(list))
	for _, d := range list {
		if d.Serial == "" || d.Type == "" {
			return nil, a.unreadable(op, resp, "a terminal has no serial number or no type")
		}
		out = append(out, providers.Device{
			Serial: a.http.Words(string(d.Serial)), Type: a.http.Words(string(d.Type)), Merchant: a.http.Words(string(d.Merchant)),
			Virtual: d.Type == virtualType,
		})
	}
	return out, nil
}

// unreadable is garbage whose body is not kept: it may hold what we may not.
func (a *Adapter) unreadable(op string, resp *httpclient.Response, words string) *providers.Error {
	e := a.garbage(op, resp, "", "%s", words)
	e.Raw = nil
	return e
}

// TestConnection asks for the list of terminals, which changes nothing.
func (a *Adapter) TestConnection(ctx context.Context) (providers.Probe, error) {
	const op = "test"
	resp, err := a.get(ctx, op, "devices")
	if err != nil {
		return providers.Probe{}, asked(err)
	}
	p := providers.Probe{Code: strconv.Itoa(resp.Status)}
	if resp.Status == http.StatusUnauthorized || resp.Status == http.StatusForbidden {
		p.Said = a.readFault(op, resp, "").Text
		p.Meaning = "Handpoint refused the key."
		p.ToDo = "Copy the Cloud API key anew from Handpoint, and check that the address is the one that the key is for: keys of debug terminals work at cloud.handpoint.io only."
		return p, nil
	}
	devices, err := a.readDevices(op, resp)
	if err != nil {
		return providers.Probe{}, err
	}
	virtual := 0
	for _, d := range devices {
		if d.Virtual {
			virtual++
		}
	}
	p.OK = true
	switch n := len(devices) - virtual; {
	case len(devices) == 0:
		p.Meaning = "The key works. Handpoint lists no terminal for it."
	case virtual == 0:
		p.Meaning = fmt.Sprintf("The key works. Handpoint lists %s, and no virtual one: payments by telephone are not switched on.", terminals(n))
	case n == 0:
		p.Meaning = "The key works. Handpoint lists the virtual terminal, for payments by telephone, and no other."
	default:
		p.Meaning = fmt.Sprintf("The key works. Handpoint lists %s and the virtual terminal, for payments by telephone.", terminals(n))
	}
	return p, nil
}

func terminals(n int) string {
	if n == 1 {
		return "one terminal"
	}
	return fmt.Sprintf("%d terminals", n)
}

type (
	statusCommand struct {
		Status bool `json:"status"`
	}
	localeCommand struct {
		Locale string `json:"locale"`
	}
	rebootCommand struct {
		Force bool `json:"force"`
	}
	brightnessCommand struct {
		Minimum int `json:"minimumBrightnessLevel"`
		Maximum int `json:"maximumBrightnessLevel"`
	}
	rebootTimeCommand struct {
		Hour int `json:"hour"`
	}
)

// localeShape is en_US: the document calls it a BCP 47 tag and writes it with an
// underscore (seed 004, "Set Locale").
var localeShape = regexp.MustCompile(`^[a-z]{2}_[A-Z]{2}$`)

// CommandDevice sends one of the six commands (seed 004, "Device Control
// Commands"). No error means that it was accepted: a terminal that is off line,
// or not in integrated mode, does nothing and nobody is told. set-reboot-time
// works on production devices only.
func (a *Adapter) CommandDevice(ctx context.Context, d providers.DeviceRef, c providers.DeviceCommand) error {
	op := "command"
	var body any
	valid := true
	switch c.Name {
	case "set-unattended-mode", "set-password-protected":
		body = statusCommand{c.On}
	case "set-locale":
		body, valid = localeCommand{c.Text}, localeShape.MatchString(c.Text)
	case "reboot":
		body = rebootCommand{c.On}
	case "set-screen-brightness":
		body, valid = brightnessCommand{c.Low, c.High}, c.Low >= 0 && c.Low <= c.High && c.High <= 100
	case "set-reboot-time":
		body, valid = rebootTimeCommand{c.Low}, c.Low >= 0 && c.Low <= 23
	default:
		return unsupported(op, "there is no such command")
	}
	op = c.Name
	switch {
	case !valid:
		return unsent(op, domain.ReasonInvalidRequest, "the value lies outside the command's range")
	case d.Serial == "" || d.Type == "":
		return unsent(op, domain.ReasonInvalidRequest, "the terminal's serial number or type is missing")
	}
	resp, err := a.send(ctx, op, body, nil, "devices", d.Type, d.Serial, c.Name)
	switch {
	case err != nil:
		return err
	case resp.Status != http.StatusAccepted:
		return a.readFault(op, resp, "")
	case len(resp.Body) > 0 && !json.Valid(resp.Body):
		// "No response body is returned": a piece of something is not the answer.
		return a.garbage(op, resp, "", "the answer is not the document's")
	}
	return nil
}
