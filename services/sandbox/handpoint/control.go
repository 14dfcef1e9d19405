package handpoint

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Setting is how a device of SandboxKey's merchant behaves from now on; what is
// left out stays as it is.
type Setting struct {
	Serial string `json:"serial"`
	Online *bool  `json:"online,omitempty"`
	Busy   *bool  `json:"busy,omitempty"`
	// Seconds is how long an operation takes on it.
	Seconds *int `json:"seconds,omitempty"`
	// Card is the token of the card that customers show.
	Card string `json:"card,omitempty"`
	// Receipts come as url or html, a signature as none, url or image.
	Receipts  string `json:"receipts,omitempty"`
	Signature string `json:"signature,omitempty"`
	// Battery is in percent; what a result tells of the device.
	Battery  *int   `json:"battery,omitempty"`
	Charging *bool  `json:"charging,omitempty"`
	App      string `json:"app,omitempty"` // version of the payment application
	// Integrated false takes the application out of Integrated Mode: operations
	// are answered with 1002, and commands are accepted and not done.
	Integrated *bool `json:"integrated,omitempty"`
	// Twice has each result delivered twice.
	Twice *bool `json:"twice,omitempty"`
	// Delivers false keeps what the device sends to callback addresses from
	// arriving; the loop goes on, and what arrives later says that it was
	// recovered.
	Delivers *bool `json:"delivers,omitempty"`
}

// Set changes a device, of whichever merchant has the serial number.
func (s *Server) Set(in Setting) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.bySerial(in.Serial)
	_, known := s.cards[in.Card]
	switch {
	case t == nil:
		return fmt.Errorf("there is no device %q", in.Serial)
	case in.Card != "" && !known:
		return fmt.Errorf("there is no card %q", in.Card)
	case in.Receipts != "" && in.Receipts != "url" && in.Receipts != "html":
		return errors.New("receipts must be url or html")
	case in.Signature != "" && in.Signature != "none" && in.Signature != "url" && in.Signature != "image":
		return errors.New("signature must be none, url or image")
	case in.Seconds != nil && *in.Seconds < 0:
		return errors.New("seconds cannot be negative")
	case in.Battery != nil && (*in.Battery < 0 || *in.Battery > 100):
		return errors.New("battery must lie between 0 and 100")
	case len(in.App) > 40:
		return errors.New("app must have at most 40 characters")
	}
	if in.Battery != nil {
		t.battery = *in.Battery
	}
	if in.Charging != nil {
		t.charging = *in.Charging
	}
	if in.App != "" {
		t.app = in.App
	}
	if in.Integrated != nil {
		t.standalone = !*in.Integrated
	}
	if in.Twice != nil {
		t.twice = *in.Twice
	}
	if in.Delivers != nil {
		t.unheard = !*in.Delivers
	}
	if in.Online != nil {
		t.offline = !*in.Online
	}
	if in.Busy != nil {
		t.busy = *in.Busy
	}
	if in.Seconds != nil {
		t.takes = time.Duration(*in.Seconds) * time.Second
	}
	if in.Card != "" {
		t.card = in.Card
	}
	if in.Receipts != "" {
		t.inlineReceipts = in.Receipts == "html"
	}
	if in.Signature != "" {
		t.signature = map[string]string{"url": "url", "image": "image"}[in.Signature]
	}
	return nil
}

// Restart restarts the application of a terminal: results that it still owes
// are sent again, from the beginning of the recovery loop.
func (s *Server) Restart(serial string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.bySerial(serial)
	if t == nil {
		return fmt.Errorf("there is no device %q", serial)
	}
	s.restart(t)
	s.settle()
	return nil
}

func (s *Server) bySerial(serial string) *terminal {
	for _, key := range s.deviceKeys() {
		if key.serial == serial {
			return s.devices[key]
		}
	}
	return nil
}

// Controls are the emulator's own: POST device with a Setting, POST restart with
// {"serial"}.
func (s *Server) Controls() map[string]http.Handler {
	return map[string]http.Handler{
		"device": kit.Command(func(in Setting) (any, error) { return nil, s.Set(in) }),
		"restart": kit.Command(func(in struct {
			Serial string `json:"serial"`
		}) (any, error) {
			return nil, s.Restart(in.Serial)
		}),
	}
}
