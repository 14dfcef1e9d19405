package connections

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// offers is the one place where a connection's capabilities are computed: pages,
// the operator's command and tests show what it gives. p is nil when the adapter
// could not be made, for the reason err; nothing is offered then.
func (s *Service) offers(c domain.Connection, reg providers.Registration, p providers.Provider, err error) []providers.Offer {
	if err == nil {
		return providers.Offers(p, reg, c.Settings, s.PublicURL)
	}
	out := make([]providers.Offer, 0, len(domain.AllCapabilities))
	for _, capability := range domain.AllCapabilities {
		out = append(out, providers.Offer{Capability: capability, Why: domain.MessageOf(err)})
	}
	return out
}

// whyNot says why a connection does not offer a capability; empty: it does.
func (s *Service) whyNot(c domain.Connection, reg providers.Registration, p providers.Provider, want domain.Capability) string {
	for _, o := range s.offers(c, reg, p, nil) {
		if o.Capability == want && !o.Offered {
			return o.Why
		}
	}
	return ""
}

// summary is what a connection offers in a few words, for a row of a list.
func summary(offers []providers.Offer) string {
	has := func(any ...domain.Capability) bool {
		for _, o := range offers {
			for _, c := range any {
				if o.Capability == c && o.Offered {
					return true
				}
			}
		}
		return false
	}
	var words []string
	if has(domain.CanListDevices) && !has(domain.CanUseTerminal) {
		words = append(words, "list of terminals")
	}
	for _, w := range []struct {
		word string
		any  []domain.Capability
	}{
		{"card by phone", []domain.Capability{domain.CanTokenizeInFrame, domain.CanSellByPage}},
		{"saved cards", []domain.Capability{domain.CanSellByToken}},
		{"terminals", []domain.Capability{domain.CanUseTerminal}},
		{"pre-authorisations", []domain.Capability{domain.CanPreauthByToken, domain.CanPreauthByPage}},
		{"refunds", []domain.Capability{domain.CanRefund}},
		{"pay-by-link", []domain.Capability{domain.CanPayByLink}},
		{"schedules", []domain.Capability{domain.CanSchedule}},
		{"batches", []domain.Capability{domain.CanKeepBatches}},
	} {
		if has(w.any...) {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		if has(domain.CanTestConnection) {
			return "A test of its key only"
		}
		return "Nothing at the moment"
	}
	line := strings.Join(words, ", ")
	return strings.ToUpper(line[:1]) + line[1:]
}

// Connections lists what List does for the operator's command, which is asked
// for no permission.
func (s *Service) Connections(ctx context.Context, m domain.MerchantID) ([]Connection, error) {
	var merchant domain.Merchant
	err := s.Store.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
		merchant, err = tx.MerchantRow(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.list(ctx, m, merchant.Currencies)
}

// WriteOffers prints what each connection offers, one capability a line, with
// the reason where it does not.
func WriteOffers(w io.Writer, connections []Connection) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, c := range connections {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s (%s, %s) %s\n", c.Name, c.Label, c.Mode, c.ID)
		for _, o := range c.Offers {
			word := "no"
			if o.Offered {
				word = "yes"
			}
			fmt.Fprintf(out, "  %s\t%s\t%s\n", o.Capability.Label(), word, o.Why)
		}
	}
	return out.Flush()
}

// Reach says how far a system offers a capability.
type Reach string

// The reaches.
const (
	Always    Reach = "yes"
	Sometimes Reach = "some" // with some values of a connection, not with others
	Never     Reach = "no"
)

// System is a registered system with what its connections can offer.
type System struct {
	Name, Label string
	Reach       map[domain.Capability]Reach
}

// Systems computes for every registered system what its connections can offer,
// from adapters that are made with harmless values: the least that the system
// needs, and everything, with each choice once. Nothing is sent. An error says
// for which system no adapter could be made.
func Systems(reg *providers.Registry) ([]System, error) {
	var out []System
	for _, r := range reg.All() {
		system := System{Name: r.Name, Label: r.Label, Reach: map[domain.Capability]Reach{}}
		made, offered := 0, map[domain.Capability]int{}
		var failed error
		for _, v := range variants(r) {
			for _, stand := range harmless {
				p, settings, err := makeHarmless(r, v, stand)
				if err != nil {
					failed = err
					continue
				}
				made++
				for _, o := range providers.Offers(p, r, settings, "https://counterfoil.example") {
					if o.Offered {
						offered[o.Capability]++
					}
				}
			}
		}
		if made == 0 {
			return nil, fmt.Errorf("connections: no adapter for %s: %w", r.Label, failed)
		}
		for _, c := range domain.AllCapabilities {
			switch offered[c] {
			case made:
				system.Reach[c] = Always
			case 0:
				system.Reach[c] = Never
			default:
				system.Reach[c] = Sometimes
			}
		}
		out = append(out, system)
	}
	return out, nil
}

// text stands for a value that is put in later, since adapters ask different
// forms of one.
const text = "\x00"

// variants are the sets of values that a system is judged with.
func variants(r providers.Registration) []map[string]string {
	value := func(f providers.Field) string {
		switch f.Kind {
		case providers.FieldURL:
			return "https://provider.example"
		case providers.FieldYesNo:
			return "yes"
		case providers.FieldChoice:
			if len(f.Options) > 0 {
				return f.Options[0].Value
			}
		}
		return text
	}
	least, all := map[string]string{}, map[string]string{}
	for _, f := range r.Fields {
		all[f.Name] = value(f)
		if f.Required {
			least[f.Name] = all[f.Name]
		}
	}
	out := []map[string]string{least, all}
	for _, f := range r.Fields {
		options := f.Options
		if f.Kind == providers.FieldYesNo {
			options = []providers.Option{{Value: "yes"}, {Value: ""}}
		}
		for _, o := range options {
			for _, base := range []map[string]string{least, all} {
				one := map[string]string{f.Name: o.Value}
				for k, v := range base {
					if k != f.Name {
						one[k] = v
					}
				}
				out = append(out, one)
			}
		}
	}
	return out
}

// harmless are texts of the forms that adapters ask for. A value in a form that
// an adapter refuses makes none, and is not counted.
var harmless = []string{"placeholder", "placeholder-of-thirty-two-letters", "1234567", "12345678", "/placeholder", "00000000-0000-4000-8000-000000000000", "user@counterfoil.example"}

func pick(names []string, values map[string]string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		if v := values[n]; v != "" {
			out[n] = v
		}
	}
	return out
}

// makeHarmless makes an adapter with stand in the place of every text.
func makeHarmless(r providers.Registration, v map[string]string, stand string) (providers.Provider, map[string]string, error) {
	address := "https://provider.example"
	if len(r.Addresses) > 0 {
		address = r.Addresses[0].URL
	}
	filled := map[string]string{}
	for k, value := range v {
		filled[k] = strings.ReplaceAll(value, text, stand)
	}
	settings := pick(r.Settings(), filled)
	p, err := r.New(providers.Config{BaseURL: address, Settings: settings, Secrets: pick(r.Secrets(), filled)})
	return p, settings, err
}

// WriteSystems prints the matrix: one line a capability, one column a system.
func WriteSystems(w io.Writer, systems []System) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(out, "Capability")
	for _, s := range systems {
		fmt.Fprintf(out, "\t%s", s.Label)
	}
	fmt.Fprintln(out)
	for _, c := range domain.AllCapabilities {
		fmt.Fprint(out, c.Label())
		for _, s := range systems {
			fmt.Fprintf(out, "\t%s", s.Reach[c])
		}
		fmt.Fprintln(out)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nyes: every connection of the system; some: with some of its values; no: not offered")
	return err
}
