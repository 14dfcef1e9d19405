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
