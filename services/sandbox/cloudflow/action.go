package cloudflow

import "github.com/counterfoil/counterfoil/services/sandbox/kit"

var _ kit.Acting = (*Server)(nil)

// Actions are the control of Controls for a person, one for each direction.
func (s *Server) Actions() []kit.Action {
	connected, offline := s.terminals()
	one := func(name, label, effect, done string, options []kit.Option, to bool) kit.Action {
		return kit.Action{Name: name, Label: label, Effect: effect, Done: done,
			Fields: []kit.ActionField{{Name: "device", Label: "Terminal", Kind: kit.FieldChoice, Required: true, Options: options}},
			Do:     func(_ string, in map[string]string) (bool, error) { return false, s.SetConnected(in["device"], to) }}
	}
	return []kit.Action{
		one("disconnect", "Take the terminal off line", "The terminal loses its connection: it can be seen, and nothing reaches it.", "The terminal is off line.", connected, false),
		one("connect", "Connect the terminal", "The terminal has its connection again.", "The terminal is connected.", offline, true),
	}
}

// ActionsOn is kit.Acting: nothing here is about a line of the ledger.
func (s *Server) ActionsOn(kit.Charge) []string { return nil }

// terminals lists the terminals of all accounts by whether they are connected.
func (s *Server) terminals() (connected, offline []kit.Option) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.cfg.Accounts {
		for _, d := range a.Devices {
			o := kit.Option{Value: d.ReferenceID, Label: d.Name + ", " + d.Location + " (" + d.ReferenceID + ")"}
			if s.offline[d.ReferenceID] {
				offline = append(offline, o)
			} else {
				connected = append(connected, o)
			}
		}
	}
	return connected, offline
}
