package connections

import (
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// Field is one value that a system asks for.
type Field = providers.Field

// QuarantinedCap is the most that Connection.Quarantined counts.
const QuarantinedCap = store.QuarantinedCap

// Form is what the form of a new connection asks for.
type Form struct {
	Provider, Label string
	Fields          []Field
	Addresses       []providers.Address // of the merchant's mode
	// Summary is what the system can offer, in a few words.
	Summary string
}

// Form gives the form of one system for a merchant's mode; false when this build
// has no such system.
func (s *Service) Form(provider string, mode domain.Mode) (Form, bool) {
	reg, ok := s.Registry.Get(provider)
	if !ok {
		return Form{}, false
	}
	f := Form{Provider: reg.Name, Label: reg.Label, Fields: reg.AllFields()}
	for _, a := range reg.Addresses {
		if a.Mode == mode {
			f.Addresses = append(f.Addresses, a)
		}
	}
	return f, true
}

// Forms gives the form of every system, by name, with what each can offer.
func (s *Service) Forms(mode domain.Mode) []Form {
	s.once.Do(func() {
		s.summaries = map[string]string{}
		for _, reg := range s.Registry.All() {
			if systems, err := Systems(providers.NewRegistry(reg)); err == nil {
				s.summaries[reg.Name] = systems[0].summary()
			}
		}
	})
	var out []Form
	for _, reg := range s.Registry.All() {
		f, _ := s.Form(reg.Name, mode)
		f.Summary = s.summaries[reg.Name]
		out = append(out, f)
	}
	return out
}

func (s System) summary() string {
	var offers []providers.Offer
	for _, c := range domain.AllCapabilities {
		offers = append(offers, providers.Offer{Capability: c, Offered: s.Reach[c] != Never})
	}
	return summary(offers)
}
