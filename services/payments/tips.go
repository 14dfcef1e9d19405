package payments

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
)

// TipRow is one sale of the worksheet.
type TipRow struct {
	Payment domain.Payment
	Denied  domain.Denial // why its tip cannot be set; Possible: it can
	Key     string        // the attempt key of its field
	// Last is the newest change of its tip; zero when there is none.
	Last domain.Transaction
}

// Tips is one page of the worksheet.
type Tips struct {
	Rows           []TipRow
	Before, Behind domain.Place
	Connections    []domain.Connection
	Devices        []string // terminals that the day's sales were made on
	// Sheet is what became of the rows of one press, by payment.
	Sheet map[domain.PaymentID]store.TipRow
}

// ListTips reads a page of the tip worksheet: a day's sales, oldest first, each
// with whether its tip may be set. sheet may be empty; with it comes what became
// of that press. It needs payments:tip and sends five statements, six with a
// sheet.
func (s *Service) ListTips(ctx context.Context, actor domain.Actor, f domain.TipFilter, sheet string) (Tips, error) {
	if err := actor.Require(domain.PaymentsTip); err != nil {
		return Tips{}, err
	}
	var out Tips
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		ps, before, behind, err := tx.TipSales(ctx, f)
		if err != nil {
			return err
		}
		st, conns, err := s.standings(ctx, tx, ps)
		if err != nil {
			return err
		}
		out.Before, out.Behind, out.Connections = before, behind, conns
		for _, p := range ps {
			row := TipRow{Payment: p, Denied: domain.Allowed(actor, st[p.ID], domain.ActTip)}
			for _, x := range st[p.ID].Transactions {
				if x.Type == domain.TipAdjustment {
					row.Last = x
					break
				}
			}
			if row.Denied == domain.Possible {
				row.Key = ActionKey(actor, p.ID, domain.ActTip, st[p.ID].Transactions)
			}
			out.Rows = append(out.Rows, row)
		}
		if out.Devices, err = tx.SaleDevices(ctx, f.From, f.To); err != nil || sheet == "" {
			return err
		}
		out.Sheet, err = tx.TipSheet(ctx, sheet)
		return err
	})
	return out, err
}

// TipInput is one row of a press on the worksheet.
type TipInput struct {
	PaymentID domain.PaymentID
	Key       string // the row's own attempt key
	Tip       money.Amount
	Confirmed bool // a tip above a fifth of its sale is meant
}

// What bounds one press on the worksheet: how many rows are on the line at the
// same time, and after how long no further one is begun, so that the page is
// answered in time.
const (
	tipsAtOnce = 2
	tipsFor    = 75 * time.Second
)

// notSentYet is the sentence of a row whose turn did not come.
const notSentYet = "Not sent: the others took too long. Send it again."

// SetTips sets the tips of several sales, each as Act does with ActTip and with
// its own attempt key, two at a time. It needs payments:tip. Invalid carries one
// sentence per payment id in Fields, and then nothing was sent; otherwise what
// became of each row is read with ListTips and the same sheet, whose rows are
// written before anything is sent. The same press again makes nothing twice. It
// moves money at the provider.
func (s *Service) SetTips(ctx context.Context, actor domain.Actor, sheet string, rows []TipInput) error {
	if err := actor.Require(domain.PaymentsTip); err != nil {
		return err
	}
	if !validKey(sheet) {
		return domain.Errorf(domain.Conflict, "This worksheet is too old to use. Nothing was sent. Open a new one.")
	}
	if len(rows) > domain.MaxTips {
		return domain.Errorf(domain.Invalid, "At most %d tips can be sent at once. Nothing was sent.", domain.MaxTips)
	}
	ids := make([]domain.PaymentID, len(rows))
	saved := make([]store.TipRow, len(rows))
	fields := map[string]string{}
	for i, r := range rows {
		ids[i], saved[i] = r.PaymentID, store.TipRow{PaymentID: r.PaymentID, Tip: r.Tip, Key: r.Key}
		if !validKey(r.Key) {
			fields[r.PaymentID.String()] = "This row is too old to use. Open the worksheet anew."
		}
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		ps, err := tx.PaymentsOf(ctx, ids)
		if err != nil {
			return err
		}
		byID := map[domain.PaymentID]domain.Payment{}
		for _, p := range ps {
			byID[p.ID] = p
		}
		for _, r := range rows {
			p, known := byID[r.PaymentID]
			switch {
			case !known:
				return domain.Errorf(domain.NotFound, "There is no payment with that id.")
			case r.Tip.Currency() != p.Amount.Currency():
				fields[r.PaymentID.String()] = domain.DeniedCurrency.Words()
			case domain.LargeTip(p.WithoutTip(), r.Tip) && !r.Confirmed:
				fields[r.PaymentID.String()] = "Tick that it is meant, or change it."
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		return domain.InvalidFields(fields)
	}
	now := s.now()
	err = s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "tips.sent", ObjectType: "tip_sheet", ObjectID: sheet, Result: "ok", Detail: map[string]any{"rows": len(rows)}})
		return tx.SaveTipSheet(ctx, sheet, actor, saved, now)
	})
	if err != nil {
		return err
	}
	refused := s.sendTips(ctx, actor, rows)
	if len(refused) == 0 {
		return nil
	}
	return s.Store.InTenant(context.WithoutCancel(ctx), actor.MerchantID, func(tx *store.Tx) error {
		return tx.RefuseTips(ctx, sheet, refused)
	})
}

// sendTips sends each row and gives the sentences of those that were not.
func (s *Service) sendTips(ctx context.Context, actor domain.Actor, rows []TipInput) map[domain.PaymentID]string {
	// A closed tab must not leave half of what a person pressed for undone.
	ctx = context.WithoutCancel(ctx)
	until := time.Now().Add(tipsFor)
	refused := map[domain.PaymentID]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan TipInput)
	for range tipsAtOnce {
		wg.Go(func() {
			for r := range next {
				words := ""
				if time.Now().After(until) {
					words = notSentYet
				} else if _, err := s.Act(ctx, actor, ActInput{Key: r.Key, PaymentID: r.PaymentID, Action: domain.ActTip, Amount: r.Tip}); err != nil {
					words = tipRefused(err)
					if domain.CodeOf(err) == domain.Internal {
						s.Log.ErrorContext(ctx, "a tip could not be sent", "payment", r.PaymentID.String(), "error", err)
					}
				}
				if words != "" {
					mu.Lock()
					refused[r.PaymentID] = words
					mu.Unlock()
				}
			}
		})
	}
	for _, r := range rows {
		next <- r
	}
	close(next)
	wg.Wait()
	return refused
}

// tipRefused is why a row was not sent, as a sentence of its own.
func tipRefused(err error) string {
	fields := domain.FieldsOf(err)
	if w := fields["amount"]; w != "" {
		return w
	}
	for _, w := range maps.All(fields) {
		return w
	}
	return domain.MessageOf(err)
}

// LargeTipWords says that a tip is more than a fifth of its sale.
func LargeTipWords(m domain.Merchant, sale, tip money.Amount) string {
	return m.Format(tip) + " is more than 20 % of " + m.Format(sale) + "."
}

// NewSheet mints the id of one press on the worksheet.
func NewSheet() string { return uuid.NewString() }
