package cloudpayments

import "github.com/counterfoil/counterfoil/services/sandbox/kit"

var _ kit.Acting = (*Server)(nil)

// Actions are the control of Controls for a person. The keys are the sandbox's
// own, which its README publishes.
func (s *Server) Actions() []kit.Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []kit.Option
	for _, k := range s.cfg.Keys {
		if !s.revoked[k.Value] {
			keys = append(keys, kit.Option{Value: k.Value, Label: k.Value})
		}
	}
	return []kit.Action{{Name: "revoke", Label: "Revoke the key",
		Effect: "The platform’s administrator takes the key away, and every call with it is refused from now on. Only starting again gives it back.",
		Done:   "The key was revoked.",
		Fields: []kit.ActionField{{Name: "key", Label: "APP key", Kind: kit.FieldChoice, Required: true, Options: keys}},
		Do:     func(_ string, in map[string]string) (bool, error) { return false, s.Revoke(in["key"]) },
	}}
}

// ActionsOn is kit.Acting: nothing here is about a line of the ledger.
func (s *Server) ActionsOn(kit.Charge) []string { return nil }
