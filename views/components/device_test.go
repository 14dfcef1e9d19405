package components

import (
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
)

func TestACodeStandsBehindItsWords(t *testing.T) {
	for _, c := range []struct{ code, said, want string }{
		{"1002", "Device offline", "The terminal does not answer (1002)"},
		{"connectionLost", "", "The terminal is not connected (connectionLost)"},
		{"77", "Out of paper.", "Out of paper (77)"},
		{"77", " ", "The provider gave the code 77 and no words"},
		{"", "Operation Accepted", "Operation Accepted"},
		{"", "", ""},
	} {
		if got := DeviceCode(c.code, c.said); got != c.want {
			t.Errorf("%q %q is %q, want %q", c.code, c.said, got, c.want)
		}
	}
}

// Every state and every status of a command has its own word and an icon, and
// only what has been confirmed is green.
func TestEveryStateOfATerminalAndACommandHasItsWord(t *testing.T) {
	words := map[string]bool{}
	for _, s := range domain.DeviceStates {
		st := DeviceStatus(s)
		if st.Word == string(s) || st.Icon == "" || words[st.Word] || (st.Tone == "good") != (s == domain.DeviceOnline) {
			t.Errorf("%s is shown as %+v", s, st)
		}
		words[st.Word] = true
	}
	for _, s := range []domain.CommandStatus{domain.CommandQueued, domain.CommandSending, domain.CommandSent, domain.CommandConfirmed, domain.CommandUnconfirmed, domain.CommandRefused, domain.CommandUnknown} {
		st := CommandStatus(s)
		if st.Word == string(s) || st.Icon == "" || words[st.Word] || (st.Tone == "good") != (s == domain.CommandConfirmed) {
			t.Errorf("%s is shown as %+v", s, st)
		}
		words[st.Word] = true
	}
}
