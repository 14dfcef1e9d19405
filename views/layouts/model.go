// Package layouts holds the shells that every page stands in: the signed-in
// page, the sign-in ticket, the receipt and the error page. Of ours it imports
// only views/components, domain, money and static.
package layouts

import (
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
)

// Nav names the navigation item that is current.
type Nav string

// The navigation items of this release.
const (
	NavNone        Nav = ""
	NavOverview    Nav = "overview"
	NavPayments    Nav = "payments"
	NavTake        Nav = "take"
	NavApprovals   Nav = "approvals"
	NavHolds       Nav = "holds"
	NavTips        Nav = "tips"
	NavCards       Nav = "cards"
	NavConnections Nav = "connections"
	NavDevices     Nav = "devices"
	NavAccount     Nav = "account"
)

// Can is what the signed-in person may do, so that no page offers a door that
// answers 403.
type Can struct {
	SeeOverview  bool
	SeePayments  bool
	TakePayment  bool
	Refund       bool
	CheckOutcome bool
	Export       bool
	SetTips      bool
	Review       bool

	SeeCards    bool
	ManageCards bool
	PayOut      bool

	SeeDevices     bool
	CheckDevices   bool
	CommandDevices bool
	ManageDevices  bool

	SeeConnections    bool
	ManageConnections bool

	SeeApprovals bool
	ManageLimits bool
}

// CanOf computes Can from a role.
func CanOf(r domain.Role) Can {
	return Can{
		SeeOverview:  r.May(domain.OverviewRead),
		SeePayments:  r.May(domain.PaymentsRead),
		TakePayment:  r.May(domain.PaymentsTake),
		Refund:       r.May(domain.PaymentsRefund),
		CheckOutcome: r.May(domain.PaymentsCheck),
		Export:       r.May(domain.PaymentsExport),
		SetTips:      r.May(domain.PaymentsTip),
		Review:       r.May(domain.PaymentsReview),

		SeeCards:    r.May(domain.CardsRead),
		ManageCards: r.May(domain.CardsManage),
		PayOut:      r.May(domain.PaymentsPayout),

		SeeDevices:     r.May(domain.DevicesRead),
		CheckDevices:   r.May(domain.DevicesCheck),
		CommandDevices: r.May(domain.DevicesCommand),
		ManageDevices:  r.May(domain.DevicesManage),

		SeeConnections:    r.May(domain.ConnectionsRead),
		ManageConnections: r.May(domain.ConnectionsManage),

		SeeApprovals: r.May(domain.ApprovalsRead),
		ManageLimits: r.May(domain.LimitsManage),
	}
}

// The themes. System follows the device.
const (
	ThemeSystem = ""
	ThemeLight  = "light"
	ThemeDark   = "dark"
)

// Model is what every shell needs to know. Handlers fill it in one place.
type Model struct {
	Title     string // of this page, without the product's name
	Active    Nav
	SignedIn  bool // false: the signed-out shell, without navigation
	Merchant  string
	Place     string // "Quay Street, Bristol"
	Mode      domain.Mode
	UserName  string
	Can       Can
	CSRF      string // value of every form's _csrf field
	Flash     *components.Flash
	Theme     string // ThemeSystem, ThemeLight or ThemeDark
	Shortcuts bool   // keyboard shortcuts are on

	// Live opens the stream of changes, #stream, for parts that ask for themselves
	// when an event names them: hx-trigger="payment-<id> from:#stream, resync
	// from:#stream". Since is where the stream was before the page read anything.
	Live  bool
	Since string

	Location       *time.Location // the merchant's; nil means UTC
	Now            time.Time      // from the injected clock
	ManyCurrencies bool           // amounts carry their code instead of a sign
}

// Zone is how this page writes times.
func (m Model) Zone() components.Zone { return components.Zone{Location: m.Location, Now: m.Now} }

// Money writes an amount the way this merchant's pages do.
func (m Model) Money(a money.Amount) string { return components.Format(a, m.ManyCurrencies) }

// IsTest says that no real card is charged here.
func (m Model) IsTest() bool { return m.Mode == domain.Test }

// Initials are the first letters of the first and the last name.
func (m Model) Initials() string {
	words := strings.Fields(m.UserName)
	switch len(words) {
	case 0:
		return "?"
	case 1:
		return strings.ToUpper(string([]rune(words[0])[:1]))
	}
	return strings.ToUpper(string([]rune(words[0])[:1]) + string([]rune(words[len(words)-1])[:1]))
}

// documentTitle is the text of <title>: the mode is said first, because it
// survives in a row of browser tabs.
func (m Model) documentTitle() string {
	t := m.Title + " · Counterfoil"
	if m.SignedIn && m.IsTest() {
		return "[Test] " + t
	}
	return t
}

func (m Model) theme() string {
	switch m.Theme {
	case ThemeLight, ThemeDark:
		return m.Theme
	}
	return ""
}
