package domain

import (
	"slices"
	"time"
)

// Role is what a person is at one merchant.
type Role string

// The roles, from most to least.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Manager   Role = "manager"
	Cashier   Role = "cashier"
	Developer Role = "developer"
	Analyst   Role = "analyst"
)

// Roles lists every role in the order in which forms show them.
var Roles = []Role{Owner, Admin, Manager, Cashier, Developer, Analyst}

// ParseRole reads a role's name; Invalid for anything else.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(Roles, r) {
		return r, nil
	}
	return "", Errorf(Invalid, "There is no role %q.", s)
}

// Label is the role's name on a page.
func (r Role) Label() string {
	switch r {
	case Owner:
		return "Owner"
	case Admin:
		return "Administrator"
	case Manager:
		return "Manager"
	case Cashier:
		return "Cashier"
	case Developer:
		return "Developer"
	case Analyst:
		return "Analyst"
	}
	return string(r)
}

// Permission is one thing that a route asks for. A route that asks for none is
// answered 403.
type Permission string

// The permissions of today's routes. Public and SignedIn are declarations too:
// a route says so on purpose.
const (
	Public         Permission = "public"          // no session needed
	SignedIn       Permission = "signed-in"       // any session with both factors
	PaymentsRead   Permission = "payments:read"   // lists, details, receipts
	PaymentsTake   Permission = "payments:take"   // charge a card
	PaymentsRefund Permission = "payments:refund" // give money back
	PaymentsCheck  Permission = "payments:check"  // ask the provider for an outcome now
	PaymentsExport Permission = "payments:export" // CSV
	OverviewRead   Permission = "overview:read"   // today's figures

	PaymentsVoid    Permission = "payments:void"    // undo a sale, release a hold
	PaymentsCapture Permission = "payments:capture" // take what is held, change a hold
	PaymentsTip     Permission = "payments:tip"     // set a tip
	PaymentsPayout  Permission = "payments:payout"  // send money to a card without an earlier sale
	PaymentsSettle  Permission = "payments:settle"  // write down by hand what became of an operation
	PaymentsReview  Permission = "payments:review"  // clear what a risk check left for a person
	CardsRead       Permission = "cards:read"       // which cards are stored
	CardsManage     Permission = "cards:manage"     // store and forget cards

	ApprovalsRead   Permission = "approvals:read"   // see what waits for another person, and ask for it
	ApprovalsDecide Permission = "approvals:decide" // approve or refuse what another person asked for
	LimitsManage    Permission = "limits:manage"    // above which sums a second look is needed

	DevicesRead    Permission = "devices:read"    // the terminal wall
	DevicesCheck   Permission = "devices:check"   // ask a terminal for a sign of life, print a receipt again
	DevicesCommand Permission = "devices:command" // restart, lock, set up terminals from afar
	DevicesManage  Permission = "devices:manage"  // name them, place them, read the list anew

	ConnectionsRead   Permission = "connections:read"   // which systems, what they offer, last four characters of keys
	ConnectionsManage Permission = "connections:manage" // add, test, rotate, pause, remove
)

// manager is what a manager may, and so everybody above.
var manager = []Permission{PaymentsRead, PaymentsTake, PaymentsRefund, PaymentsCheck, PaymentsExport, OverviewRead, ConnectionsRead,
	PaymentsVoid, PaymentsCapture, PaymentsTip, PaymentsPayout, PaymentsSettle, PaymentsReview, CardsRead, CardsManage, ApprovalsRead, ApprovalsDecide,
	DevicesRead, DevicesCheck, DevicesCommand, DevicesManage}

// grants is the whole table of who may do what. Public and SignedIn are not in
// it: they are the same for every role.
var grants = map[Role][]Permission{
	Owner:     append(manager[:len(manager):len(manager)], ConnectionsManage, LimitsManage),
	Admin:     append(manager[:len(manager):len(manager)], ConnectionsManage, LimitsManage),
	Manager:   manager,
	Cashier:   {PaymentsRead, PaymentsTake, PaymentsCheck, PaymentsCapture, PaymentsTip, OverviewRead, CardsRead, CardsManage, DevicesRead, DevicesCheck},
	Developer: {PaymentsRead, OverviewRead, ConnectionsRead, DevicesRead},
	Analyst:   {PaymentsRead, PaymentsExport, OverviewRead, DevicesRead},
}

// May says whether a role holds a permission.
func (r Role) May(p Permission) bool {
	switch p {
	case Public:
		return true
	case SignedIn:
		_, known := grants[r]
		return known
	}
	return slices.Contains(grants[r], p)
}

// Actor is who does something: for the permission check, and for the audit row.
type Actor struct {
	UserID     UserID
	Name       string // shown in timelines
	Email      string
	MerchantID MerchantID
	Role       Role
	OnBehalfOf UserID // set while a support agent acts for this user
	// SteppedUpAt is when this session last proved both factors again; zero:
	// never. It opens five minutes for what is above the first threshold.
	SteppedUpAt time.Time
	IP          string // from trusted proxies only
	RequestID   string
}

// Require gives Forbidden, in words that name what is missing, unless the
// actor holds the permission.
func (a Actor) Require(p Permission) error {
	if a.Role.May(p) {
		return nil
	}
	return Errorf(Forbidden, "Your role, %s, does not allow this. It needs the permission %s; an owner or administrator can change your role.", a.Role.Label(), p)
}
