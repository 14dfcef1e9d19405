package pages

import (
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// CallbacksView is /connections/{id}/callbacks.
type CallbacksView struct {
	Layout    layouts.Model
	ID        domain.ConnectionID
	Name      string // the connection's
	System    string
	Rows      []CallbackRow
	Older     domain.CallbackID // zero: no further page
	First     bool              // this is the newest page
	CanManage bool
}

// CallbackRow is one call of the provider's.
type CallbackRow struct {
	ID        domain.CallbackID
	At        time.Time
	LastAt    time.Time
	Times     int
	Status    domain.CallbackStatus
	Why       string
	PaymentID domain.PaymentID // zero: it led to none
	Body      string           // only for whoever may manage connections
	DealtBy   string
	DealtAt   time.Time
	Note      string

	Typed, Error string // a note that was refused
}

func (v CallbacksView) url() string { return "/connections/" + v.ID.String() + "/callbacks" }

func callbackStatus(s domain.CallbackStatus) components.Status {
	st := components.Status{Word: s.Label()}
	switch s {
	case domain.CallbackApplied:
		st.Tone, st.Icon = "good", "circle-check"
	case domain.CallbackQuarantined:
		st.Tone, st.Icon, st.Loud = "warn", "user-round-search", true
	case domain.CallbackReceived:
		st.Tone, st.Icon = "info", "loader-circle"
	default:
		st.Tone, st.Icon = "quiet", "circle-dot"
	}
	return st
}

func deliveries(r CallbackRow) string {
	if r.Times == 1 {
		return ""
	}
	return fmt.Sprintf("came %d times", r.Times)
}
