package payments

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// offers reads the merchant's connections and what each of them offers, in two
// statements. One that is not set up completely offers nothing.
func (s *Service) offers(ctx context.Context, tx *store.Tx) ([]domain.Connection, map[domain.ConnectionID]domain.Capabilities, error) {
	conns, err := tx.Connections(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := tx.AllSecretRows(ctx)
	if err != nil {
		return nil, nil, err
	}
	slots := map[domain.ConnectionID]map[string]map[string][]byte{}
	for _, r := range rows {
		if slots[r.ConnectionID] == nil {
			slots[r.ConnectionID] = map[string]map[string][]byte{}
		}
		if slots[r.ConnectionID][string(r.Slot)] == nil {
			slots[r.ConnectionID][string(r.Slot)] = map[string][]byte{}
		}
		slots[r.ConnectionID][string(r.Slot)][r.Field] = r.Sealed
	}
	caps := map[domain.ConnectionID]domain.Capabilities{}
	for _, c := range conns {
		l, err := s.bind(c, slots[c.ID])
		if domain.CodeOf(err) == domain.Unavailable {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		caps[c.ID] = l.caps
	}
	return conns, caps, nil
}

// standings gathers what Allowed asks of several payments, in three statements.
func (s *Service) standings(ctx context.Context, tx *store.Tx, ps []domain.Payment) (map[domain.PaymentID]domain.Standing, []domain.Connection, error) {
	ids := make([]domain.PaymentID, len(ps))
	for i, p := range ps {
		ids[i] = p.ID
	}
	txs, err := tx.TransactionsOf(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	conns, caps, err := s.offers(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	s.nameConnections(ps, conns)
	byID := map[domain.ConnectionID]domain.Connection{}
	for _, c := range conns {
		byID[c.ID] = c
	}
	out := make(map[domain.PaymentID]domain.Standing, len(ps))
	for _, p := range ps {
		out[p.ID] = s.standing(p, txs[p.ID], caps[p.ConnectionID], byID[p.ConnectionID])
	}
	return out, conns, nil
}

// Worked is a payment on a worklist with what can be done to it.
type Worked struct {
	Payment domain.Payment
	Root    domain.Transaction
	Why     map[domain.Action]domain.Denial
}

func (s *Service) worked(actor domain.Actor, ps []domain.Payment, st map[domain.PaymentID]domain.Standing, acts ...domain.Action) []Worked {
	out := make([]Worked, len(ps))
	for i, p := range ps {
		out[i] = Worked{Payment: p, Root: st[p.ID].Root(), Why: map[domain.Action]domain.Denial{}}
		for _, act := range acts {
			out[i].Why[act] = domain.Allowed(actor, st[p.ID], act)
		}
	}
	return out
}

// Holds is one page of the open holds with their totals.
type Holds struct {
	Rows           []Worked
	Before, Behind domain.Place // zero: there are none
	Totals         []domain.HoldTotals
	Connections    []domain.Connection
	// Alerts says how many holds somebody was not told of yet, at most
	// UncertainCap.
	Alerts int
}

// HoldActions are what can be done to a hold, in the order of its row.
var HoldActions = []domain.Action{domain.ActCapture, domain.ActIncrease, domain.ActDecrease, domain.ActVoid}

// ListHolds reads a page of the open holds, the one that lapses first at the
// top. It needs payments:read and sends six statements.
func (s *Service) ListHolds(ctx context.Context, actor domain.Actor, f domain.HoldFilter) (Holds, error) {
	if err := actor.Require(domain.PaymentsRead); err != nil {
		return Holds{}, err
	}
	var out Holds
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		ps, before, behind, err := tx.ListHolds(ctx, f)
		if err != nil {
			return err
		}
		st, conns, err := s.standings(ctx, tx, ps)
		if err != nil {
			return err
		}
		out.Rows, out.Before, out.Behind, out.Connections = s.worked(actor, ps, st, HoldActions...), before, behind, conns
		if out.Totals, err = tx.HoldTotals(ctx, f, s.now()); err != nil {
			return err
		}
		w, err := tx.Waiting(ctx, s.now(), UncertainCap)
		out.Alerts = w.Holds
		return err
	})
	return out, err
}

// ExportHolds hands the holds of a filter to yield, as Export does. It needs
// payments:export and leaves one audit row before the first byte.
func (s *Service) ExportHolds(ctx context.Context, actor domain.Actor, f domain.HoldFilter, yield func([]domain.Payment) error) error {
	if err := actor.Require(domain.PaymentsExport); err != nil {
		return err
	}
	var conns []domain.Connection
	err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		tx.Audit(store.AuditEntry{At: s.now(), Actor: actor, Action: "holds.exported", ObjectType: "list", ObjectID: "preauths", Result: "ok",
			Detail: map[string]any{"before": f.Before, "narrowed": !f.Empty()}})
		conns, err = tx.Connections(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.Store.ExportHolds(ctx, actor.MerchantID, f, func(ps []domain.Payment) error {
		s.nameConnections(ps, conns)
		return yield(ps)
	})
}

// SeeAlerts notes that somebody has seen what the alerts told so far. It needs
// payments:capture.
func (s *Service) SeeAlerts(ctx context.Context, actor domain.Actor) error {
	if err := actor.Require(domain.PaymentsCapture); err != nil {
		return err
	}
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		n, err := tx.SeeAlerts(ctx, actor.Name, s.now())
		if err == nil && n > 0 {
			tx.Audit(store.AuditEntry{At: s.now(), Actor: actor, Action: "alerts.seen", ObjectType: "list", ObjectID: "preauths", Result: "ok", Detail: map[string]any{"alerts": n}})
		}
		return err
	})
}

// AlertHolds writes the alerts of a merchant's holds that lapse soon, each once.
// The periodic job calls it; it moves nothing.
func (s *Service) AlertHolds(ctx context.Context, m domain.MerchantID) (int, error) {
	var n int
	err := s.Store.InTenant(ctx, m, func(tx *store.Tx) (err error) {
		n, err = tx.WriteHoldAlerts(ctx, s.now())
		return err
	})
	return n, err
}

// Unended is a transaction without an outcome, with its payment.
type Unended struct {
	Transaction domain.Transaction
	Payment     domain.Payment
	// CanAsk says that its provider can be asked for the outcome at all.
	CanAsk bool
	// GivesUpAt is when a person takes over; zero when one has.
	GivesUpAt time.Time
}

// UnendedPage is one page of the operations without an end.
type UnendedPage struct {
	Rows           []Unended
	Before, Behind domain.Place
	Counts         map[domain.TransactionStatus]int
}

// ListUnended reads a page of the transactions without an outcome: what needs a
// person first, then the oldest. It needs payments:read and sends five
// statements.
func (s *Service) ListUnended(ctx context.Context, actor domain.Actor, after domain.Place, limit int) (UnendedPage, error) {
	if err := actor.Require(domain.PaymentsRead); err != nil {
		return UnendedPage{}, err
	}
	var out UnendedPage
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		xs, before, behind, err := tx.ListOpen(ctx, after, limit)
		if err != nil {
			return err
		}
		out.Before, out.Behind = before, behind
		var ids []domain.PaymentID
		for _, x := range xs {
			if !slices.Contains(ids, x.PaymentID) {
				ids = append(ids, x.PaymentID)
			}
		}
		ps, err := tx.PaymentsOf(ctx, ids)
		if err != nil {
			return err
		}
		conns, caps, err := s.offers(ctx, tx)
		if err != nil {
			return err
		}
		s.nameConnections(ps, conns)
		byID := map[domain.PaymentID]domain.Payment{}
		for _, p := range ps {
			byID[p.ID] = p
		}
		for _, x := range xs {
			row := Unended{Transaction: x, Payment: byID[x.PaymentID], CanAsk: caps[x.ConnectionID].Has(domain.CanLookUp)}
			if x.Status.Asking() {
				row.GivesUpAt = x.CreatedAt.Add(GiveUpAfter)
			}
			out.Rows = append(out.Rows, row)
		}
		out.Counts, err = tx.CountOpen(ctx)
		return err
	})
	return out, err
}

// Reviews is one page of the payments whose risk check waits for a person.
type Reviews struct {
	Rows           []Worked
	Before, Behind domain.Place
}

// ListReviews reads a page of the payments whose risk check waits for a person,
// newest first. It needs payments:review and sends four statements.
func (s *Service) ListReviews(ctx context.Context, actor domain.Actor, after domain.Place, limit int) (Reviews, error) {
	if err := actor.Require(domain.PaymentsReview); err != nil {
		return Reviews{}, err
	}
	var out Reviews
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		ps, before, behind, err := tx.ListReviews(ctx, after, limit)
		if err != nil {
			return err
		}
		st, _, err := s.standings(ctx, tx, ps)
		if err != nil {
			return err
		}
		out.Rows, out.Before, out.Behind = s.worked(actor, ps, st, domain.ActReview, domain.ActVoid, domain.ActRefund), before, behind
		return nil
	})
	return out, err
}

// leastReviewNote is how long the reason for keeping a payment must be.
const leastReviewNote = 10

// ClearReview keeps a payment that its risk check wanted a person to look at. It
// needs payments:review and a note of ten characters or more, and leaves an
// audit row. Conflict says that nothing waits here. It moves no money.
func (s *Service) ClearReview(ctx context.Context, actor domain.Actor, id domain.PaymentID, note string) error {
	if err := actor.Require(domain.PaymentsReview); err != nil {
		return err
	}
	note = strings.TrimSpace(note)
	words := ""
	switch n := len([]rune(note)); {
	case n < leastReviewNote:
		words = "Say in ten characters or more why you keep it."
	case n > 500:
		words = "Use at most 500 characters."
	case domain.LooksLikeCardNumber(note):
		words = "This looks like a card number. Do not write card numbers here."
	}
	now := s.now()
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		p, err := tx.LockPayment(ctx, id)
		if err != nil {
			return err
		}
		if d := domain.Allowed(actor, domain.Standing{Payment: p}, domain.ActReview); d != domain.Possible {
			return &domain.Error{Code: domain.Conflict, Message: "Nothing was changed. " + d.Words()}
		}
		if words != "" {
			return domain.InvalidFields(map[string]string{"note": words})
		}
		if _, err := tx.ClearReview(ctx, id, actor.Name, note, now); err != nil {
			return err
		}
		tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "payment.review.cleared", ObjectType: "payment", ObjectID: id.String(), Result: "ok",
			Detail: map[string]any{"reference": p.Reference, "note": note}})
		return nil
	})
}
