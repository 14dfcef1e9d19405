package payments

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/qr"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// What a cancellation is called beside the operations.
const linkCancel = "link_cancel"

// CancelLink ends a payment link at its provider, so that nobody can pay on it.
// It needs payments:take. The provider's yes settles the payment as not charged;
// a doubt changes nothing and is an Unavailable that says that the link may still
// be paid; a no, or a payment that came first, is a Conflict. It moves no money.
func (s *Service) CancelLink(ctx context.Context, actor domain.Actor, id domain.PaymentID) error {
	if err := actor.Require(domain.ActCancelLink.Permission()); err != nil {
		return err
	}
	var x domain.Transaction
	var l link
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		st, got, err := s.readStanding(ctx, tx, id)
		if err != nil {
			return err
		}
		l, x = got, st.Root()
		if x.Reason == domain.ReasonLinkCancelled {
			return nil // a second press: it is done
		}
		if d := domain.Allowed(actor, st, domain.ActCancelLink); d != domain.Possible {
			return domain.Errorf(domain.Conflict, "%s", d.Words())
		}
		return nil
	})
	if err != nil || x.Reason == domain.ReasonLinkCancelled {
		return err
	}
	maker, ok := providers.As[providers.LinkMaker](l.provider)
	if !ok {
		return domain.Errorf(domain.Conflict, "%s", domain.DeniedCapability.Words())
	}
	// What was asked for is on record before it leaves.
	if err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		tx.Audit(s.entry(actor, x, "cancel_requested", "ok", nil))
		return nil
	}); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	ended := providers.Link{Result: providers.Result{ProviderRef: x.ProviderRef, CancelRef: x.CancelRef}}
	res, err := maker.CancelLink(callCtx, ended)
	cancel()
	now := s.now()
	e, _ := providers.AsError(err)
	switch {
	case err == nil && res.Outcome == providers.Approved:
		return s.settleCancelled(ctx, actor, x, res)
	case err == nil && res.Outcome == providers.Declined, e != nil && e.NotDone:
		s.noteCancel(ctx, actor, x, res, e, "refused")
		// Paid, ended or gone: the provider knows, and is asked.
		if _, err := s.resolve(ctx, actor, x.ID); err != nil {
			s.Log.WarnContext(ctx, "the state of a link could not be asked for", "transaction", x.ID.String(), "error", err)
		}
		return domain.Errorf(domain.Conflict, "The provider did not cancel the link. The payment’s page shows what it says about it.")
	}
	s.Log.WarnContext(ctx, "cancelling a link had no certain answer", "transaction", x.ID.String(), "at", now, "error", err)
	s.noteCancel(ctx, actor, x, res, e, "unknown")
	return domain.Errorf(domain.Unavailable, "The provider did not confirm it, so the link may still be paid. Try again in a moment, and tell the customer not to pay on it.")
}

// readStanding reads what Allowed judges a payment by. It sends four statements.
func (s *Service) readStanding(ctx context.Context, tx *store.Tx, id domain.PaymentID) (domain.Standing, link, error) {
	p, err := tx.Payment(ctx, id)
	if err != nil {
		return domain.Standing{}, link{}, err
	}
	txs, err := tx.Transactions(ctx, id)
	if err != nil {
		return domain.Standing{}, link{}, err
	}
	conn, err := tx.Connection(ctx, p.ConnectionID)
	if err != nil {
		return domain.Standing{}, link{}, err
	}
	l, err := s.link(ctx, tx, conn)
	return s.standing(p, txs, l.caps, conn), l, err
}

// settleCancelled writes down that the provider ended a link. A payment that
// arrived meanwhile wins.
func (s *Service) settleCancelled(ctx context.Context, actor domain.Actor, x domain.Transaction, res providers.Result) error {
	now := s.now()
	a := answer{to: domain.TxFailed, outcome: "cancelled", raw: res.Raw}
	a.set.To, a.set.Reason, a.set.At = domain.TxFailed, domain.ReasonLinkCancelled, now
	var status domain.TransactionStatus
	err := s.write(ctx, x.MerchantID, settling, linkCancel, func(tx *store.Tx) error {
		var err error
		if status, err = s.settle(ctx, tx, actor, x, a, linkCancel); err != nil || status != domain.TxFailed {
			return err
		}
		// The provider's own news of it may have come first, in other words.
		return tx.NameLinkCancelled(ctx, x.PaymentID, x.ID, now)
	})
	switch {
	case err != nil:
		return domain.Wrap(err, domain.Unavailable, "The link was cancelled, but that could not be written down. Counterfoil asks the provider and shows it in Payments.")
	case status != domain.TxFailed:
		return domain.Errorf(domain.Conflict, "The link was paid before it could be cancelled. The payment’s page shows it.")
	}
	return nil
}

// noteCancel keeps what the provider said to a cancellation that did not go
// through.
func (s *Service) noteCancel(ctx context.Context, actor domain.Actor, x domain.Transaction, res providers.Result, e *providers.Error, result string) {
	raw := res.Raw
	if e != nil {
		raw = e.Raw
	}
	err := s.Store.InTenant(ctx, x.MerchantID, func(tx *store.Tx) error {
		tx.Audit(s.entry(actor, x, "cancel_answered", result, nil))
		return tx.AddMessage(ctx, store.Message{TransactionID: x.ID, At: s.now(), Op: linkCancel, Outcome: result, Body: string(raw)})
	})
	if err != nil {
		s.Log.ErrorContext(ctx, "the answer to a cancellation could not be kept", "transaction", x.ID.String(), "error", err)
	}
}

// qrModule and qrQuiet are a module's pixels and the free margin in modules that
// a reader needs around the code.
const (
	qrModule = 6
	qrQuiet  = 4
)

// LinkQR draws the address of a payment's link as a PNG. It needs payments:read;
// NotFound when the payment has no link that can be paid.
func (s *Service) LinkQR(ctx context.Context, actor domain.Actor, id domain.PaymentID) ([]byte, error) {
	if err := actor.Require(domain.PaymentsRead); err != nil {
		return nil, err
	}
	var x domain.Transaction
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if _, err := tx.Payment(ctx, id); err != nil {
			return err
		}
		txs, err := tx.Transactions(ctx, id)
		x, _ = domain.Root(txs)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !x.Link() || x.RedirectURL == "" {
		return nil, domain.Errorf(domain.NotFound, "This payment has no link that could be paid.")
	}
	return drawQR(x.RedirectURL)
}

func drawQR(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("payments: QR code: %w", err)
	}
	n := code.Bounds().Dx()
	side := (n + 2*qrQuiet) * qrModule
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			mx, my := x/qrModule-qrQuiet, y/qrModule-qrQuiet
			if mx < 0 || my < 0 || mx >= n || my >= n {
				continue
			}
			if r, _, _, _ := code.At(mx, my).RGBA(); r == 0 {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("payments: QR code: %w", err)
	}
	return out.Bytes(), nil
}
