package pages

import (
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

func callsWords(w CallsWaiting) string {
	if w.More {
		return strconv.Itoa(w.Count) + " or more calls"
	}
	return components.Count(w.Count, "call", "calls")
}

func waitingTitle(m layouts.Model, p domain.Payment) string {
	switch {
	case p.Status == domain.PaymentNeedsPerson:
		return "Payment of " + m.Money(p.Amount) + " needs a person"
	case p.Status == domain.PaymentUnknown:
		return "Payment of " + m.Money(p.Amount) + " has no outcome yet"
	case p.Held.IsPositive():
		return "Refund of " + m.Money(p.Held) + " has no outcome yet"
	}
	return "Payment of " + m.Money(p.Amount) + " is in progress"
}

func waitingWords(m layouts.Model, p domain.Payment) string {
	since := m.Zone().Row(p.CreatedAt)
	switch {
	case p.Status == domain.PaymentNeedsPerson:
		return "Sent at " + since + ". We ask " + providerWord(p) + " once a day now; find out there, and do not charge again."
	case p.Status == domain.PaymentUnknown:
		return providerWord(p) + " did not answer at " + since + ". We are checking; do not charge again."
	case p.Held.IsPositive():
		return "We are checking with " + providerWord(p) + "; do not refund again or give cash."
	}
	return "Begun at " + since + " through " + providerWord(p) + "."
}

func latestLine(m layouts.Model, p domain.Payment) string {
	at := m.Zone().Full(p.CreatedAt)
	if m.Zone().IsToday(p.CreatedAt) {
		at = m.Zone().Minute(p.CreatedAt)
	}
	if p.OrderReference != "" {
		return at + " · " + p.OrderReference
	}
	return at + " · " + howListed(p)
}

// notCountedWords names what the day's totals leave out.
func notCountedWords(m layouts.Model, d OverviewDay) string {
	var parts []string
	if d.OpenRefunds > 0 {
		parts = append(parts, components.Count(d.OpenRefunds, "refund", "refunds")+" of "+m.Money(d.OpenRefund)+" with no outcome yet")
	}
	if d.OpenPayouts > 0 {
		parts = append(parts, components.Count(d.OpenPayouts, "payout", "payouts")+" of "+m.Money(d.OpenPayout)+" with no outcome yet")
	}
	if d.OpenSales > 0 {
		parts = append(parts, components.Count(d.OpenSales, "sale", "sales")+" of "+m.Money(d.OpenSale)+" with no outcome yet")
	}
	if d.Declined > 0 {
		parts = append(parts, components.Count(d.Declined, "declined sale", "declined sales"))
	}
	if len(parts) == 0 {
		return ""
	}
	last := parts[len(parts)-1]
	if len(parts) > 1 {
		last = strings.Join(parts[:len(parts)-1], ", ") + " and " + last
	}
	return "Not counted: " + last + "."
}
