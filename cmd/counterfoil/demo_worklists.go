package main

import (
	"context"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
)

// demoWork is one payment that waits for somebody on a worklist.
type demoWork struct {
	provider string
	kind     domain.TransactionType
	status   domain.TransactionStatus
	minor    int64
	tip      int64         // set afterwards; 0: none
	ago      time.Duration // when it was made
	lapses   time.Duration // of a hold: from now; 0: it does not say
	order    string
	review   bool
}

// demoWorklists show each worklist with something on it: today's sales with and
// without tips, holds of every age, one outcome that nobody found out, and one
// payment that a risk check left.
var demoWorklists = []demoWork{
	{provider: "handpoint", kind: domain.Sale, status: domain.TxApproved, minor: 4650, tip: 500, ago: 150 * time.Minute, order: "Table 4"},
	{provider: "handpoint", kind: domain.Sale, status: domain.TxApproved, minor: 8820, tip: 900, ago: 130 * time.Minute, order: "Table 7"},
	{provider: "handpoint", kind: domain.Sale, status: domain.TxApproved, minor: 2375, ago: 95 * time.Minute, order: "Table 2"},
	{provider: "handpoint", kind: domain.Sale, status: domain.TxApproved, minor: 11940, ago: 70 * time.Minute, order: "Table 9"},
	{provider: "handpoint", kind: domain.Sale, status: domain.TxApproved, minor: 3180, ago: 45 * time.Minute, order: "Table 1"},
	{provider: "cardflo", kind: domain.Preauth, status: domain.TxApproved, minor: 25000, ago: 6 * 24 * time.Hour, lapses: 20 * time.Hour, order: "Room 12 deposit"},
	{provider: "cardflo", kind: domain.Preauth, status: domain.TxApproved, minor: 18000, ago: 4 * 24 * time.Hour, lapses: 60 * time.Hour, order: "Room 3 deposit"},
	{provider: "cardflo", kind: domain.Preauth, status: domain.TxApproved, minor: 9500, ago: 2 * 24 * time.Hour, lapses: 12 * 24 * time.Hour, order: "Boat hire"},
	{provider: "cardflo", kind: domain.Preauth, status: domain.TxApproved, minor: 40000, ago: 3 * time.Hour, lapses: 27 * 24 * time.Hour, order: "Wedding deposit"},
	{provider: "cardflo", kind: domain.Sale, status: domain.TxNeedsPerson, minor: 6120, ago: 29 * time.Hour, order: "Catering 4410"},
	{provider: "cardflo", kind: domain.Sale, status: domain.TxApproved, minor: 34900, ago: 40 * time.Minute, order: "Wine case 8812", review: true},
}

// seedWorklists writes them, for the systems that the merchant has.
func seedWorklists(ctx context.Context, st *store.Store, m domain.Merchant, conns []domain.Connection, by domain.UserID, name string, now time.Time) error {
	cur := m.Currencies[0]
	y, mo, d := now.In(m.Location()).Date()
	midnight := domain.StartOfDay(y, mo, d, m.Location())
	return st.InTenant(ctx, m.ID, func(tx *store.Tx) error {
		for i, w := range demoWorklists {
			for _, c := range conns {
				if c.Provider != w.provider {
					continue
				}
				at := now.Add(-w.ago)
				if w.ago < 24*time.Hour && at.Before(midnight) {
					at = midnight.Add(time.Duration(i) * time.Second).UTC() // the worksheet is of today, at any hour
				}
				if err := w.seed(ctx, tx, c, cur, by, name, i, at, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w demoWork) seed(ctx context.Context, tx *store.Tx, c domain.Connection, cur money.Currency, by domain.UserID, name string, i int, at, now time.Time) error {
	minor := w.minor
	for range cur.Exponent() - 2 {
		minor *= 10
	}
	amount := money.FromMinor(minor, cur)
	p := domain.Payment{
		ID: domain.NewPaymentID(), MerchantID: c.MerchantID, ConnectionID: c.ID, Reference: domain.NewReference(), Kind: w.kind, Status: domain.PaymentProcessing, Method: domain.MethodFrame,
		Amount: amount, Captured: money.Zero(cur), Refunded: money.Zero(cur), Held: money.Zero(cur), OrderReference: w.order,
		Card: domain.Card{Brand: "Visa", Last4: fmt.Sprintf("%04d", 1881+i*37), Expiry: "08/30"}, CreatedBy: by, CreatedByName: name, CreatedAt: at,
	}
	if c.Provider == "handpoint" {
		p.Method = domain.MethodCard
	}
	x := seedTransaction(p, w.kind, amount, at)
	x.Reference, x.Status = p.Reference, w.status
	if w.lapses != 0 {
		x.ExpiresAt = now.Add(w.lapses)
		p.ExpiresAt = x.ExpiresAt
	}
	switch {
	case w.status == domain.TxNeedsPerson:
		x.ProviderRef, x.SettledAt = "", time.Time{}
	case w.review:
		x.Status, x.SettledAt = domain.TxPending, time.Time{}
	default:
		x.AuthCode = domain.NewReference()[:6]
	}
	if err := tx.InsertPayment(ctx, p); err != nil {
		return err
	}
	if err := tx.InsertTransaction(ctx, x); err != nil {
		return err
	}
	if w.tip > 0 {
		tip := seedTransaction(p, domain.TipAdjustment, money.FromMinor(w.tip, cur), at.Add(10*time.Minute))
		tip.OriginalRef = x.ProviderRef
		if err := tx.InsertTransaction(ctx, tip); err != nil {
			return err
		}
	}
	if w.review {
		_, err := tx.Settle(ctx, p.ID, x.ID, store.Settlement{To: domain.TxApproved, AuthCode: domain.NewReference()[:6], Review: true, At: at})
		return err
	}
	return tx.KeepBooks(ctx, p.ID, at)
}
