package pages

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// TerminalForm is what a form offers of terminals, and what was chosen and typed.
type TerminalForm struct {
	Terminals []domain.Device // usable ones, in the order of their names
	// Only says that there is no way without a terminal.
	Only   bool
	Chosen string // a terminal's id; empty: none
	// Last is the terminal that this browser last sent a payment to; empty: none.
	Last string

	// The details of a payment on a terminal, as typed.
	TipPercents, Metadata, Customer                                         string
	TipAmount, TipSkip, SkipSignature, SkipPIN, NoDuplicateCheck, StoreCard bool
	// Asks says that the customer can be asked for a tip and the card be stored:
	// with a sale only.
	Asks bool
}

// Offered says that there is a terminal to choose.
func (t TerminalForm) Offered() bool { return len(t.Terminals) > 0 }

// terminalName is a terminal on a form; a virtual one has no card reader.
func terminalName(d domain.Device) string {
	if d.Virtual {
		return d.Label() + " (by telephone)"
	}
	return d.Label()
}

// terminalPlace is where it stands.
func terminalPlace(d domain.Device) string {
	if d.Location != "" {
		return d.Location
	}
	return d.ProviderPlace
}

// terminalHint is where a terminal stands, its serial number's last digits, by
// which staff know it, and the doubt about it.
func terminalHint(d domain.Device) string {
	ending := ""
	if !d.Virtual && !strings.Contains(d.Label(), d.Serial) {
		ending = "ending " + serialTail(d.Serial)
	}
	return join(join(terminalPlace(d), ending), terminalDoubt(d))
}

// terminalsWords is the line under the way to pay: "2 of 4 ready".
func terminalsWords(all []domain.Device) string {
	ready := 0
	for _, d := range all {
		if d.State == domain.DeviceOnline || d.State == domain.DeviceAttention {
			ready++
		}
	}
	return strconv.Itoa(ready) + " of " + strconv.Itoa(len(all)) + " ready"
}

// terminalDoubt is the sentence under a terminal that was not ready when it was
// last heard of. It can be chosen all the same: the state may be old.
func terminalDoubt(d domain.Device) string {
	switch d.State {
	case domain.DeviceBusy:
		return "It ran something when it was last heard of. If it still does, nothing is sent."
	case domain.DeviceOffline:
		return "It did not answer when it was last asked. If it is still away, nothing is sent."
	case domain.DeviceUnchecked:
		if !d.Virtual {
			return "Nobody has asked it yet."
		}
	}
	return ""
}

// chosenTerminal says which radio is checked: the chosen one, the one that this
// browser last sent a payment to, or the only real one. Of several none is
// guessed: a payment would go to another counter.
func chosenTerminal(t TerminalForm) string {
	if t.Chosen != "" {
		return t.Chosen
	}
	var real []string
	for _, d := range t.Terminals {
		id := d.ID.String()
		if id == t.Last {
			return id
		}
		if !d.Virtual {
			real = append(real, id)
		}
	}
	switch {
	case len(real) == 1:
		return real[0]
	case len(t.Terminals) == 1:
		return t.Terminals[0].ID.String()
	}
	return ""
}

// detailsTyped says that something was typed under "More", so that it is open.
func detailsTyped(t TerminalForm, errs map[string]string) bool {
	for _, f := range []string{"tip_percents", "metadata", "skip_signature", "store_card", "customer"} {
		if errs[f] != "" {
			return true
		}
	}
	return t.TipPercents != "" || t.Metadata != "" || t.Customer != "" || t.TipAmount || t.TipSkip || t.SkipSignature || t.SkipPIN || t.NoDuplicateCheck || t.StoreCard
}

// whereWords is a terminal in a menu: "On Till 2 (online)".
func whereWords(d domain.Device) string {
	return "On " + terminalName(d) + ", " + strings.ToLower(d.State.Label())
}

// deviceOf is the terminal that an operation ran on; false when it ran on none,
// or on one that the page does not know.
func deviceOf(v PaymentView, t domain.Transaction) (domain.Device, bool) {
	d, ok := v.Devices[t.DeviceID]
	return d, ok && !t.DeviceID.IsZero()
}

// onDevice is where an operation runs, in a sentence.
func onDevice(v PaymentView, t domain.Transaction) string {
	if d, ok := deviceOf(v, t); ok {
		return d.Label()
	}
	if t.DeviceRef != "" {
		return "terminal " + t.DeviceRef
	}
	return "the terminal"
}

// running is what runs on a terminal now and is followed step by step.
func running(v PaymentView) (domain.Transaction, bool) {
	for _, t := range v.Transactions {
		if !t.DeviceID.IsZero() && (t.Status == domain.TxPending || t.Status == domain.TxProcessing) {
			return t, true
		}
	}
	return domain.Transaction{}, false
}

// step is one step of a payment on a terminal.
type step struct {
	word      string
	done, now bool
}

// stepsOf are the steps of what runs on a terminal. Its provider tells no
// difference between the card and the PIN.
func stepsOf(t domain.Transaction) []step {
	at := map[domain.Phase]int{domain.PhaseSent: 1, domain.PhaseCard: 1, domain.PhaseBank: 2}[t.Phase]
	steps := []step{{word: "Sent"}, {word: "Waiting for card or PIN"}, {word: "At the bank"}, {word: "Result"}}
	for i := range steps {
		steps[i].done, steps[i].now = i < at, i == at
	}
	return steps
}

// progressWords is the title of the progress.
func progressWords(v PaymentView, t domain.Transaction) string {
	switch t.Phase {
	case domain.PhaseSent, domain.PhaseCard:
		if d, ok := deviceOf(v, t); ok && d.Virtual {
			return "Waiting for the result of " + d.Label()
		}
		return "Waiting for card or PIN on " + onDevice(v, t)
	case domain.PhaseBank:
		return "Asking the bank"
	}
	return "Sending to " + onDevice(v, t)
}

// progressLead is the sentence under it.
func progressLead(v PaymentView, t domain.Transaction) string {
	amount := v.Layout.Money(t.Amount)
	switch t.Phase {
	case domain.PhaseSent, domain.PhaseCard:
		switch {
		case t.Type == domain.Register:
			return "The customer can tap, insert or swipe the card that is to be stored. Nothing is taken."
		case t.Type == domain.Refund || t.Type == domain.Payout:
			return "The customer can tap, insert or swipe the card that " + amount + " goes back to."
		}
		return "The customer can tap, insert or swipe for " + amount + "."
	case domain.PhaseBank:
		if t.Type == domain.Register {
			return "The card was read, and the bank is being asked. It can no longer be stopped."
		}
		return "The card was read, and the bank is being asked for " + amount + ". It can no longer be stopped."
	}
	return amount + " is on its way to " + providerWord(v.Payment) + "."
}

// elapsed is how long ago it was sent, as the script writes it too.
func elapsed(v PaymentView, t domain.Transaction) time.Duration {
	return max(0, v.Layout.Now.Sub(sentAt(t)))
}

func sentAt(t domain.Transaction) time.Time {
	if !t.LastSendAt.IsZero() && t.LastSendAt.After(t.CreatedAt) {
		return t.LastSendAt
	}
	return t.CreatedAt
}

func elapsedSeconds(v PaymentView, t domain.Transaction) string {
	return strconv.Itoa(int(elapsed(v, t) / time.Second))
}

// sinceWords is "12 s ago" or "2 min 5 s ago".
func sinceWords(d time.Duration) string {
	s := int(d / time.Second)
	if s < 60 {
		return strconv.Itoa(s) + " s ago"
	}
	return strconv.Itoa(s/60) + " min " + strconv.Itoa(s%60) + " s ago"
}

// stoppable says that what runs on a terminal may still be stopped: not once the
// bank is asked.
func stoppable(v PaymentView, t domain.Transaction) bool {
	return v.MayStop && t.Phase != domain.PhaseBank
}

// recoveredNote says that a terminal delivered a result late.
func recoveredNote(v PaymentView, t domain.Transaction, _ bool) (note, bool) {
	if !t.Recovered || t.DeviceID.IsZero() {
		return note{}, false
	}
	n := note{tone: "info", icon: "clock", title: "The terminal delivered this result late"}
	n.text = "It could not tell the result of the " + lowerLabel(t.Type) + " of " + v.Layout.Money(t.Amount) + " in time, and sent it from its own memory once it could. The result counts like any other."
	return n, true
}

// stillAskingNote says, of what the provider never heard of, that its terminal may
// still ask for the card: the verdict is the gateway's and not the terminal's.
func stillAskingNote(v PaymentView, t domain.Transaction, _ bool) (note, bool) {
	d, known := deviceOf(v, t)
	if t.Status != domain.TxFailed || t.Reason != domain.ReasonNeverArrived || t.DeviceID.IsZero() || d.Virtual || !v.MayComeLate {
		return note{}, false
	}
	where := onDevice(v, t)
	n := note{tone: "warn", icon: "triangle-alert", title: "Look at " + where + " before you try again"}
	n.text = "If " + where + " still asks for a card, cancel it there first: a card that is shown now would still go through. This page listens for it."
	if known && d.State == domain.DeviceOffline {
		n.text = "It does not answer at the moment. " + n.text
	}
	return n, true
}

// printable is where a payment's receipt can be printed again: the terminal that
// it was taken on.
func printable(v PaymentView) (domain.Device, bool) {
	for i := len(v.Transactions) - 1; i >= 0; i-- {
		t := v.Transactions[i]
		if t.Type.Begins() {
			d, ok := deviceOf(v, t)
			return d, ok && v.MayPrint && t.Status == domain.TxApproved && !d.Virtual && !d.Removed()
		}
	}
	return domain.Device{}, false
}

// terminalFact names the terminal of the payment.
func terminalFact(v PaymentView, t domain.Transaction) components.Line {
	if d, ok := deviceOf(v, t); ok {
		return components.Line{Label: "Terminal", Value: join(terminalName(d), terminalPlace(d))}
	}
	return components.Line{Label: "Terminal", Value: t.DeviceRef, Mono: true}
}

func stopURL(id domain.PaymentID) templ.SafeURL  { return paymentURL(id) + "/stop" }
func printURL(id domain.PaymentID) templ.SafeURL { return paymentURL(id) + "/print" }

// live opens the stream for a page that something may still change.
func live(m layouts.Model, is bool) layouts.Model {
	m.Live = m.Live || is
	return m
}
