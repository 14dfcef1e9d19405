package payments

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// ProviderLabel is a provider's name on pages.
func (s *Service) ProviderLabel(name string) string {
	if reg, ok := s.Registry.Get(name); ok {
		return reg.Label
	}
	return name
}

// Detail is everything that a payment's page shows.
type Detail struct {
	Payment      domain.Payment
	Transactions []domain.Transaction // newest first
	Messages     []store.Message      // newest first
	Connection   domain.Connection
	Caps         domain.Capabilities
	PartRefund   bool
	// Open says that an outcome is still to come, so that the page keeps asking.
	Open bool
	// FrameOrigin is the only origin whose pages the payment's page may frame,
	// while a card is to be typed there.
	FrameOrigin string
	// Why says of each action that it is Possible, or why not.
	Why map[domain.Action]domain.Denial
	// Terminals are those that something can be done on, in the order of their
	// names; empty where the connection offers none.
	Terminals []domain.Device
	// OnTerminal says of each action that it is Possible on one of Terminals, or
	// why not. NeedsTerminal are those that are possible on one only.
	OnTerminal    map[domain.Action]domain.Denial
	NeedsTerminal map[domain.Action]bool
	// Devices are the terminals that its transactions ran on, removed ones
	// included.
	Devices map[domain.DeviceID]domain.Device
	// Keys are the attempt keys of the actions' forms.
	Keys map[domain.Action]string
	// Verdicts say per open transaction when "not known" begins to count.
	Verdicts map[domain.TransactionID]Verdict
	// ForPerson says which transactions a person may settle by hand.
	ForPerson map[domain.TransactionID]bool
	// Requests wait for another person's approval, the oldest first; for whoever
	// may see them.
	Requests []domain.Approval
	acts     []domain.Action // what Terminals can do
}

// Asking says that the resolver still asks, so that the page may change by
// itself.
func (d Detail) Asking() bool {
	for _, t := range d.Transactions {
		if t.Status.Asking() {
			return true
		}
	}
	return false
}

// followFor is how long the page of a payment on a terminal listens for what
// comes late: as long as the terminal is asked after “never arrived”, and the
// first steps of its own recovery.
const followFor = 2 * lateFor

// MayComeLate says that a terminal may still tell of something on the payment,
// whatever stands here: a result that it recovers, or an approval after “never
// arrived”.
func (d Detail) MayComeLate(now time.Time) bool {
	return slices.ContainsFunc(d.Transactions, func(x domain.Transaction) bool { return x.OnTerminal() && now.Before(x.CreatedAt.Add(followFor)) })
}

// Sale is the transaction that began the payment.
func (d Detail) Sale() domain.Transaction {
	sale, _ := domain.Root(d.Transactions)
	return sale
}

// maxMessages bounds what the page shows of the talk with the provider.
const maxMessages = 100

// maxRequests bounds the requests that a payment's page shows.
const maxRequests = 10

// Get reads a payment with its life. It needs payments:read; NotFound covers
// another merchant's payment too. It sends five statements, and one each for
// whoever may see requests, for the terminals of a connection that has them, and
// for those of the payment's that are not among them.
func (s *Service) Get(ctx context.Context, actor domain.Actor, id domain.PaymentID) (Detail, error) {
	if err := actor.Require(domain.PaymentsRead); err != nil {
		return Detail{}, err
	}
	d := Detail{Verdicts: map[domain.TransactionID]Verdict{}, ForPerson: map[domain.TransactionID]bool{}}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if d.Payment, err = tx.Payment(ctx, id); err != nil {
			return err
		}
		if d.Transactions, err = tx.Transactions(ctx, id); err != nil {
			return err
		}
		if d.Messages, err = tx.Messages(ctx, id, maxMessages); err != nil {
			return err
		}
		if d.Connection, err = tx.Connection(ctx, d.Payment.ConnectionID); err != nil {
			return err
		}
		if actor.Role.May(domain.ApprovalsRead) {
			if d.Requests, err = tx.WaitingOf(ctx, id, s.now(), maxRequests); err != nil {
				return err
			}
		}
		l, err := s.link(ctx, tx, d.Connection)
		if err != nil {
			if domain.CodeOf(err) != domain.Unavailable {
				return err
			}
			// A connection that is not set up completely can do nothing, but its
			// payments can still be looked at.
			return nil
		}
		d.Caps = l.caps
		if err := s.terminals(ctx, tx, l, &d); err != nil {
			return err
		}
		for _, t := range d.Transactions {
			if v := verdictOf(l, t); !v.At.IsZero() {
				d.Verdicts[t.ID] = v
			}
		}
		if o, ok := l.provider.(providers.PageOrigin); ok && d.Sale().RedirectURL != "" && !d.Sale().Link() {
			d.FrameOrigin = o.CardPageOrigin()
		}
		return nil
	})
	if err != nil {
		return Detail{}, err
	}
	d.PartRefund = d.Caps.Has(domain.CanPartRefund)
	for _, t := range d.Transactions {
		d.Open = d.Open || t.Status.Open()
	}
	d.Payment.ConnectionName, d.Payment.Provider = d.Connection.Name, s.ProviderLabel(d.Connection.Provider)
	st := s.standing(d.Payment, d.Transactions, d.Caps, d.Connection)
	st.OnTerminal = d.acts
	d.OnTerminal, d.NeedsTerminal = map[domain.Action]domain.Denial{}, map[domain.Action]bool{}
	d.Why, d.Keys = map[domain.Action]domain.Denial{}, map[domain.Action]string{}
	for _, t := range d.Transactions {
		if st.WaitsForPerson(t) && !s.now().Before(t.LastSendAt) {
			d.ForPerson[t.ID] = true
		}
	}
	for _, act := range domain.Actions {
		d.Why[act] = domain.Allowed(actor, st, act)
		d.OnTerminal[act] = domain.AllowedOnTerminal(actor, st, act)
		d.NeedsTerminal[act] = st.NeedsTerminal(act)
		d.Keys[act] = ActionKey(actor, d.Payment.ID, act, d.Transactions)
	}
	return d, nil
}

// terminals fills in what a payment's page shows of terminals.
func (s *Service) terminals(ctx context.Context, tx *store.Tx, l link, d *Detail) error {
	var err error
	if d.Terminals, err = s.usableTerminals(ctx, tx, l); err != nil {
		return err
	}
	d.acts = actsOn(l, d.Sale().Type, d.Terminals)
	d.Devices = map[domain.DeviceID]domain.Device{}
	var more []domain.DeviceID
	for _, x := range d.Transactions {
		if i := slices.IndexFunc(d.Terminals, func(t domain.Device) bool { return t.ID == x.DeviceID }); i >= 0 {
			d.Devices[x.DeviceID] = d.Terminals[i]
		} else if !x.DeviceID.IsZero() {
			more = append(more, x.DeviceID)
		}
	}
	if len(more) == 0 {
		return nil
	}
	gone, err := tx.DevicesByID(ctx, more)
	for _, t := range gone {
		d.Devices[t.ID] = t
	}
	return err
}

// Listing is a page of payments with what its filter menu offers.
type Listing struct {
	domain.PaymentPage
	Connections []domain.Connection
	// FirstDay says that the merchant has no payment at all, not merely none
	// that matches.
	FirstDay bool
	// Device is the terminal that the filter names; zero when there is none.
	Device domain.Device
	// Jump is set when the query is the reference of exactly one payment.
	Jump domain.PaymentID
}

// List reads a page of payments. It needs payments:read. It sends two
// statements, three for a query that can be a reference, one more for a terminal
// and one when the page is empty.
func (s *Service) List(ctx context.Context, actor domain.Actor, merchant domain.Merchant, f domain.PaymentFilter) (Listing, error) {
	if err := actor.Require(domain.PaymentsRead); err != nil {
		return Listing{}, err
	}
	f = withQueryAmounts(f, merchant)
	var out Listing
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if ref, ok := domain.CanonicalReference(f.Query); ok {
			id, err := tx.PaymentIDByReference(ctx, ref)
			if err == nil {
				out.Jump = id
				return nil
			}
			if domain.CodeOf(err) != domain.NotFound {
				return err
			}
		}
		if out.PaymentPage, err = tx.ListPayments(ctx, f); err != nil {
			return err
		}
		if out.Connections, err = tx.Connections(ctx); err != nil {
			return err
		}
		if !f.Device.IsZero() {
			if out.Device, err = tx.Device(ctx, f.Device); err != nil && domain.CodeOf(err) != domain.NotFound {
				return err
			}
		}
		if len(out.Payments) == 0 {
			any, err := tx.ListPayments(ctx, domain.PaymentFilter{Limit: 1})
			out.FirstDay = len(any.Payments) == 0
			return err
		}
		return nil
	})
	s.nameConnections(out.Payments, out.Connections)
	return out, err
}

// nameConnections fills in what a row shows of its connection.
func (s *Service) nameConnections(ps []domain.Payment, conns []domain.Connection) {
	byID := map[domain.ConnectionID]domain.Connection{}
	for _, c := range conns {
		byID[c.ID] = c
	}
	for i := range ps {
		c := byID[ps[i].ConnectionID]
		ps[i].ConnectionName, ps[i].Provider = c.Name, s.ProviderLabel(c.Provider)
	}
}

// Export hands the payments of a filter to yield in pages, newest first. It
// needs payments:export and leaves one audit row before the first byte.
// TooMany when other downloads use up their share.
func (s *Service) Export(ctx context.Context, actor domain.Actor, merchant domain.Merchant, f domain.PaymentFilter, yield func([]domain.Payment) error) error {
	if err := actor.Require(domain.PaymentsExport); err != nil {
		return err
	}
	f = withQueryAmounts(f, merchant)
	err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		tx.Audit(store.AuditEntry{At: s.now(), Actor: actor, Action: "payments.exported", ObjectType: "list", ObjectID: "payments", Result: "ok",
			Detail: map[string]any{"from": f.From, "to": f.To, "narrowed": !f.Empty()}})
		return nil
	})
	if err != nil {
		return err
	}
	var conns []domain.Connection
	return s.Store.ExportPayments(ctx, actor.MerchantID, f, func(ps []domain.Payment) error {
		if conns == nil {
			err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
				conns, err = tx.Connections(ctx)
				return err
			})
			if err != nil {
				return err
			}
		}
		s.nameConnections(ps, conns)
		return yield(ps)
	})
}

// withQueryAmounts reads the typed query as an amount in each of the merchant's
// currencies.
func withQueryAmounts(f domain.PaymentFilter, m domain.Merchant) domain.PaymentFilter {
	f.QueryAmounts = nil
	q := strings.ReplaceAll(strings.TrimLeft(strings.TrimSpace(f.Query), "£€$¥"), ",", "")
	if q == "" {
		return f
	}
	for _, c := range m.Currencies {
		if a, err := money.ParseMajor(q, c); err == nil && a.IsPositive() {
			f.QueryAmounts = append(f.QueryAmounts, a)
		}
	}
	return f
}

// shownSilent is how many silent terminals the overview tells of.
const shownSilent = 20

// Overview is the first page's figures.
type Overview struct {
	Today     []domain.DayTotals
	Waiting   []domain.Payment // unknown or needing a person, newest first
	Uncertain int              // how many those are in all, at most UncertainCap+1
	Latest    []domain.Payment
	// Calls are providers' own calls that need a person, for whoever may see
	// connections.
	Calls []CallsWaiting
	// Approvals are requests that wait for this person, by operation, at most
	// UncertainCap+1 in all; for whoever may decide.
	Approvals map[domain.TransactionType]int
	// Holds are how many open holds lapse soon and nobody has noted it, Reviews
	// how many payments a risk check left for a person; each at most
	// UncertainCap+1.
	Holds, Reviews int
	// Silent are terminals that are used daily and were not heard, for whoever may
	// see terminals.
	Silent []domain.Device
}

// CallsWaiting is how many of a connection's callbacks need a person; More says
// that there may be more than were counted.
type CallsWaiting struct {
	ConnectionID domain.ConnectionID
	Name         string
	Count        int
	More         bool
}

// UncertainCap bounds the counter: beyond it the page says "more than".
const UncertainCap = 100

// Overview reads today's figures in the merchant's own day. It needs
// overview:read and sends five statements, at most eight.
func (s *Service) Overview(ctx context.Context, actor domain.Actor, merchant domain.Merchant) (Overview, error) {
	if err := actor.Require(domain.OverviewRead); err != nil {
		return Overview{}, err
	}
	y, m, d := s.now().In(merchant.Location()).Date()
	from, to := domain.StartOfDay(y, m, d, merchant.Location()), domain.StartOfDay(y, m, d+1, merchant.Location())
	var o Overview
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if o.Today, err = tx.Totals(ctx, from, to); err != nil {
			return err
		}
		waiting, err := tx.ListPayments(ctx, domain.PaymentFilter{Statuses: []domain.PaymentStatus{domain.PaymentUnknown, domain.PaymentNeedsPerson}, Limit: 5})
		if err != nil {
			return err
		}
		o.Waiting, o.Uncertain = waiting.Payments, len(waiting.Payments)
		if !waiting.Older.IsZero() {
			if o.Uncertain, err = tx.CountUncertain(ctx, UncertainCap+1); err != nil {
				return err
			}
		}
		latest, err := tx.ListPayments(ctx, domain.PaymentFilter{Limit: 6})
		if err != nil {
			return err
		}
		o.Latest = latest.Payments
		w, err := tx.Waiting(ctx, s.now(), UncertainCap+1)
		if err != nil {
			return err
		}
		o.Holds, o.Reviews = w.Holds, w.Reviews
		var calls map[domain.ConnectionID]int
		if actor.Role.May(domain.ConnectionsRead) {
			if calls, err = tx.CountQuarantined(ctx); err != nil {
				return err
			}
		}
		if w.Silent > 0 && actor.Role.May(domain.DevicesRead) {
			if o.Silent, err = tx.SilentDevices(ctx, shownSilent); err != nil {
				return err
			}
		}
		if actor.Role.May(domain.ApprovalsDecide) {
			if o.Approvals, err = tx.CountWaiting(ctx, actor.UserID, s.now(), UncertainCap+1); err != nil {
				return err
			}
		}
		if len(o.Waiting)+len(calls) == 0 {
			return nil
		}
		conns, err := tx.Connections(ctx)
		s.nameConnections(o.Waiting, conns)
		for _, c := range conns {
			if n := calls[c.ID]; n > 0 {
				o.Calls = append(o.Calls, CallsWaiting{c.ID, c.Name, n, n >= store.QuarantinedCap})
			}
		}
		return err
	})
	return o, err
}
