package handpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var _ kit.Acting = (*Server)(nil)

// maxSeconds is how long a person can make an operation last.
const maxSeconds = 3600

// Actions are the controls of Controls for a person: what happens to a
// terminal.
func (s *Server) Actions() []kit.Action {
	terminal := kit.ActionField{Name: "serial", Label: "Terminal", Kind: kit.FieldChoice, Required: true, Options: s.terminalOptions()}
	cards := []kit.Option{{Label: "as it is"}}
	for _, token := range slices.Sorted(maps.Keys(s.cards)) {
		cards = append(cards, kit.Option{Value: token, Label: s.cards[token].words()})
	}
	choice := func(name, label string, options ...kit.Option) kit.ActionField {
		return kit.ActionField{Name: name, Label: label, Kind: kit.FieldChoice, Options: append([]kit.Option{{Label: "as it is"}}, options...)}
	}
	return []kit.Action{
		{Name: "device", Label: "Change the terminal",
			Effect: "The terminal behaves so from its next operation on. Off line it takes none, and busy it refuses them.",
			Done:   "The terminal was changed.",
			Fields: []kit.ActionField{terminal,
				choice("online", "Connection", kit.Option{Value: "yes", Label: "on line"}, kit.Option{Value: "no", Label: "off line"}),
				choice("busy", "Occupied", kit.Option{Value: "yes", Label: "busy with something else"}, kit.Option{Value: "no", Label: "free"}),
				{Name: "seconds", Label: "Seconds that an operation takes", Kind: kit.FieldNumber, Low: 0, High: maxSeconds, Empty: "as it is"},
				{Name: "card", Label: "Card that customers show", Kind: kit.FieldChoice, Options: cards},
				{Name: "battery", Label: "Battery in percent", Kind: kit.FieldNumber, Low: 0, High: 100, Empty: "as it is"},
				choice("charging", "Power", kit.Option{Value: "yes", Label: "charging"}, kit.Option{Value: "no", Label: "not charging"}),
				{Name: "app", Label: "Version of its application", Kind: kit.FieldText, Max: 40, Empty: "as it is"},
				choice("integrated", "Integrated Mode", kit.Option{Value: "yes", Label: "on"}, kit.Option{Value: "no", Label: "off: it takes nothing from the cloud"}),
				choice("twice", "Results are delivered", kit.Option{Value: "no", Label: "once"}, kit.Option{Value: "yes", Label: "twice"}),
				choice("delivers", "What it delivers", kit.Option{Value: "yes", Label: "arrives"}, kit.Option{Value: "no", Label: "is lost on the way"}),
				choice("receipts", "Receipts come as", kit.Option{Value: "url", Label: "an address"}, kit.Option{Value: "html", Label: "text"}),
				choice("signature", "A signature comes as", kit.Option{Value: "none", Label: "nothing: it is not asked for"},
					kit.Option{Value: "url", Label: "an address"}, kit.Option{Value: "image", Label: "a picture"}),
			},
			Do: func(_ string, in map[string]string) (bool, error) {
				set := Setting{Serial: in["serial"], Online: yesNo(in["online"]), Busy: yesNo(in["busy"]), Card: in["card"], Receipts: in["receipts"], Signature: in["signature"],
					Charging: yesNo(in["charging"]), App: in["app"], Integrated: yesNo(in["integrated"]), Twice: yesNo(in["twice"]), Delivers: yesNo(in["delivers"])}
				if text := in["battery"]; text != "" {
					n, err := strconv.Atoi(text)
					if err != nil {
						return false, err
					}
					set.Battery = &n
				}
				if text := in["seconds"]; text != "" {
					n, err := strconv.Atoi(text)
					if err != nil {
						return false, err
					}
					set.Seconds = &n
				}
				return false, s.Set(set)
			}},
		{Name: "restart", Label: "Restart the terminal",
			Effect: "Its application begins anew: the results that it could not deliver yet are sent again, from the beginning of the loop.",
			Done:   "The terminal was restarted.", Fields: []kit.ActionField{terminal},
			Do: func(_ string, in map[string]string) (bool, error) { return false, s.Restart(in["serial"]) }},
	}
}

// ActionsOn is kit.Acting: nothing here is about a line of the ledger.
func (s *Server) ActionsOn(kit.Charge) []string { return nil }

// terminalOptions lists each serial number once, with how its device is now.
func (s *Server) terminalOptions() []kit.Option {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []kit.Option
	for _, key := range s.deviceKeys() {
		if len(out) > 0 && out[len(out)-1].Value == key.serial {
			continue
		}
		out = append(out, kit.Option{Value: key.serial, Label: key.serial + ": " + s.devices[key].words(s.cards)})
	}
	return out
}

// words says how the device is.
func (t *terminal) words(cards map[string]Card) string {
	connection, occupied := "on line", "free"
	if t.offline {
		connection = "off line"
	}
	if t.busy {
		occupied = "busy"
	}
	words := fmt.Sprintf("%s, %s, takes %d s, %s", connection, occupied, t.takes/time.Second, cards[t.card].words())
	for _, odd := range []struct {
		is   bool
		says string
	}{{t.standalone, "not in Integrated Mode"}, {t.battery != 80, fmt.Sprintf("battery %d%%", t.battery)}, {t.twice, "delivers twice"}, {t.unheard, "its results are lost"}} {
		if odd.is {
			words += ", " + odd.says
		}
	}
	return words
}

// words names the card and how it ends, without its token.
func (c Card) words() string {
	if c.Last4 == "" {
		return "no card"
	}
	end := "approved"
	switch {
	case c.GatewayCode != "":
		end = "refused with " + c.GatewayCode
	case c.IssuerCode != "00":
		end = "declined with " + c.IssuerCode
	}
	return strings.ToUpper(c.Scheme[:min(1, len(c.Scheme))]) + strings.ToLower(c.Scheme[min(1, len(c.Scheme)):]) + " ending " + c.Last4 + " (" + end + ")"
}

// yesNo is nil for what stays as it is.
func yesNo(value string) *bool {
	if value == "" {
		return nil
	}
	yes := value == "yes"
	return &yes
}
