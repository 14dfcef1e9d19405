package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

func approvalURL(id domain.ApprovalID, tail string) templ.SafeURL {
	return templ.SafeURL("/approvals/" + id.String() + tail)
}

func limitURL(id domain.LimitID, tail string) templ.SafeURL {
	return templ.SafeURL("/settings/limits/" + id.String() + tail)
}

func approvalStatus(s domain.ApprovalStatus) components.Status {
	st := components.Status{Word: s.Label(), Tone: "quiet", Icon: "ban"}
	switch s {
	case domain.ApprovalWaiting:
		st.Tone, st.Icon, st.Loud = "warn", "hourglass", true
	case domain.ApprovalApproved:
		st.Tone, st.Icon = "good", "circle-check"
	case domain.ApprovalRefused:
		st.Tone, st.Icon = "bad", "circle-x"
	case domain.ApprovalWithdrawn:
		st.Icon = "undo-2"
	case domain.ApprovalExpired:
		st.Icon = "clock"
	}
	return st
}

// approvalVerb is the button's verb for an operation.
func approvalVerb(t domain.TransactionType) string {
	switch t {
	case domain.Refund:
		return "refund"
	case domain.Void:
		return "void"
	case domain.Payout:
		return "payout"
	}
	return strings.ToLower(t.Label())
}

// approvalTitle is what is asked for: "Refund of £480.00".
func approvalTitle(m layouts.Model, a domain.Approval) string {
	return a.Action.Label() + " of " + m.Money(a.Amount)
}

// span is a time that passes, roughly: "3 h 20 min", "5 min".
func span(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	d = d.Truncate(time.Minute)
	h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
	switch {
	case h == 0:
		return fmt.Sprintf("%d min", m)
	case m == 0 || h >= 24:
		return fmt.Sprintf("%d h", h)
	}
	return fmt.Sprintf("%d h %d min", h, m)
}

// duration is a whole time in prose: "5 minutes", "24 hours".
func duration(d time.Duration) string {
	if d >= 2*time.Hour {
		return components.Count(int(d/time.Hour), "hour", "hours")
	}
	return components.Count(int(d/time.Minute), "minute", "minutes")
}

// approvalAge says how long it waits and how long it still can.
func approvalAge(m layouts.Model, a domain.Approval) string {
	if a.At(m.Now) == domain.ApprovalExpired {
		return "Asked " + span(m.Now.Sub(a.RequestedAt)) + " ago; its time is over"
	}
	return "Asked " + span(m.Now.Sub(a.RequestedAt)) + " ago, " + span(a.ExpiresAt.Sub(m.Now)) + " left"
}

func decidedBy(a domain.Approval) string {
	if a.DecidedByName == "" {
		return "Nobody"
	}
	return a.DecidedByName
}

func askErrors(v AskView) []components.FieldError {
	var out []components.FieldError
	for _, f := range []string{"why", "amount", "currency", "connection", "card", "reason", "note"} {
		if text := v.Errors[f]; text != "" {
			field := ""
			if f == "why" {
				field = "why"
			}
			out = append(out, components.FieldError{Field: field, Text: text})
		}
	}
	return out
}

func fieldList(errs map[string]string, ids ...string) []components.FieldError {
	var out []components.FieldError
	for _, id := range ids {
		if text := errs[id]; text != "" {
			out = append(out, components.FieldError{Field: id, Text: text})
		}
	}
	return out
}

// limitWho is whose a limit is.
func limitWho(l domain.Limit) string {
	if l.OfOnePerson() {
		return l.UserName
	}
	return "Every " + strings.ToLower(l.Role.Label())
}

// limitWhat is what a limit is for: "Refunds in GBP, each one".
func limitWhat(l domain.Limit) string {
	return l.Action.Label() + " in " + l.Currency.Code() + ", " + strings.ToLower(l.Per.Label())
}

func thresholdWords(m layouts.Model, l domain.Limit, t domain.Threshold) string {
	if !t.Set {
		return "Never"
	}
	return "Above " + m.Money(l.Amount(t))
}

func transactionsAtMost(txs []domain.Transaction, n int) []domain.Transaction {
	if len(txs) > n {
		return txs[:n]
	}
	return txs
}

// byWhom is who made a transaction, and who approved it where another person had
// to; empty where the provider told of it.
func byWhom(t domain.Transaction) string {
	if t.CreatedName == "" {
		return ""
	}
	s := " by " + t.CreatedName
	if t.ApprovedBy != "" {
		s += ", approved by " + t.ApprovedBy
	}
	return s
}
