package payments

import (
	"context"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// PayoutInput is money that goes to a card without being the refund of a
// payment. The card is named by exactly one of CardID and To, or shown at a
// terminal.
type PayoutInput struct {
	Key          string // minted with the form
	ConnectionID domain.ConnectionID
	Amount       money.Amount
	CardID       domain.CardID    // a stored card
	To           domain.PaymentID // the card of an earlier payment of the connection
	Terminal     domain.OnTerminal
	Note         string // why; needed, at most 200 characters
	// approval is set when another person approved this very operation.
	approval *granted
}

// CheckPayout is every rule of a payout that needs no database, one sentence per
// field.
func (s *Service) CheckPayout(in PayoutInput) map[string]string { return checkPayout(&in) }

func checkPayout(in *PayoutInput) map[string]string {
	fields := map[string]string{}
	in.Note = strings.TrimSpace(in.Note)
	if !in.Amount.IsPositive() {
		fields["amount"] = "Enter an amount above " + money.Zero(in.Amount.Currency()).Format() + "."
	}
	switch on := !in.Terminal.IsZero(); {
	case on:
		checkTerminal(in.Terminal, providers.OpRefund, fields)
		if !in.CardID.IsZero() || !in.To.IsZero() {
			fields["card"] = "The card is shown at the terminal, so none is chosen here."
		}
	case in.CardID.IsZero() == in.To.IsZero():
		fields["card"] = "Choose the card that the money goes to."
	}
	switch {
	case in.Note == "":
		fields["note"] = "Say why the money is paid out, in a few words."
	case len([]rune(in.Note)) > 200:
		fields["note"] = "Use at most 200 characters."
	case domain.LooksLikeCardNumber(in.Note):
		fields["note"] = "This looks like a card number. Do not write card numbers here."
	}
	return fields
}

// Payout sends money to a card. It needs payments:payout, and above the
// thresholds what Act needs. It is written down, sent and settled like a sale;
// the same key with the same content gives the first result. Invalid carries one
// sentence per field. It moves money at the provider, away from the merchant.
func (s *Service) Payout(ctx context.Context, actor domain.Actor, in PayoutInput) (Taken, error) {
	if err := actor.Require(domain.PaymentsPayout); err != nil {
		return Taken{}, err
	}
	if !validKey(in.Key) {
		return Taken{}, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was paid out. Open a new one.")
	}
	var to payoutTo
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		to, err = s.payoutTo(ctx, tx, &in)
		return err
	})
	if err != nil {
		return Taken{}, err
	}
	l, req, card, fields := to.link, to.req, to.card, to.fields
	onTerminal := !in.Terminal.IsZero()
	if len(fields) > 0 {
		return Taken{}, domain.InvalidFields(fields)
	}
	failpoint.Hit(string(domain.Payout), failpoint.Checked)
	b := s.newBeginning(actor, l, domain.Payout, in.Amount)
	b.key = in.Key
	b.hash = requestHash("payout", l.conn.ID.String(), in.Amount.String(), in.CardID.String(), in.To.String(), in.Note)
	b.audit = in.approval.detail(map[string]any{"note": in.Note})
	b.p.Card = card
	b.x.Note, b.x.OriginalRef = in.Note, req.OriginalRef
	if onTerminal {
		b.hash = requestHash(string(b.hash), terminalHash(in.Terminal))
		b.audit["device"] = to.on.device.ID.String()
		b.p.Method = domain.MethodTerminal
		onDevice(&b.x, in.Terminal, to.on)
	}
	asked := in
	act := ActInput{Key: in.Key, Action: domain.ActPayout, Amount: in.Amount, Note: in.Note, Payout: &asked, approval: in.approval}
	b.may = func(ctx context.Context, tx *store.Tx) error {
		return s.withinLimits(ctx, tx, actor, act, b.x, b.p.CreatedAt)
	}
	x, taken, err := s.begin(ctx, actor, b)
	if err != nil || taken.Replayed {
		return taken, err
	}
	if onTerminal {
		taken.Status, err = s.sendToTerminal(ctx, actor, l, x, to.on, x.Reference)
		return taken, err
	}
	req.AttemptRef = x.AttemptRef
	taken.Status, err = s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) {
		if p, ok := providers.As[providers.PayoutMaker](l.provider); ok {
			return p.Payout(ctx, req)
		}
		return providers.Result{}, notOffered(l, string(domain.Payout))
	})
	return taken, err
}

// payoutTo is where a payout goes, and what is wrong with it, by field.
type payoutTo struct {
	link   link
	req    providers.PayoutRequest
	card   domain.Card
	on     terminal // zero: it is made without one
	fields map[string]string
}

// payoutTo asks every rule of a payout that can be asked before it is written.
func (s *Service) payoutTo(ctx context.Context, tx *store.Tx, in *PayoutInput) (payoutTo, error) {
	out := payoutTo{fields: checkPayout(in)}
	out.req = providers.PayoutRequest{Amount: in.Amount, Note: in.Note}
	conn, err := tx.Connection(ctx, in.ConnectionID)
	if err != nil {
		return out, err
	}
	merchant, err := tx.MerchantRow(ctx)
	if err != nil {
		return out, err
	}
	if out.link, err = s.link(ctx, tx, conn); err != nil {
		return out, err
	}
	for k, v := range s.checkUse(out.link, merchant, in.Amount.Currency()) {
		out.fields[k] = v
	}
	if !in.Terminal.IsZero() {
		var why string
		if out.on, why, err = s.findTerminal(ctx, tx, out.link, in.Terminal.DeviceID, providers.OpRefund); why != "" {
			out.fields["terminal"] = why
		}
		checkVirtual(out.on, in.Terminal, out.fields)
		return out, err
	}
	if why := s.missing(out.link, domain.CanPayout); why != "" {
		out.fields["connection"] = why
	}
	switch {
	case out.fields["card"] != "":
	case !in.CardID.IsZero():
		out.req.Token, out.card, err = s.openCard(ctx, tx, conn.ID, in.CardID)
	default:
		out.card, out.req.OriginalRef, err = s.cardOf(ctx, tx, conn, in.To)
		if err == nil && out.req.OriginalRef == "" {
			out.fields["card"] = "The provider knows no card of that payment. Choose another card."
		}
	}
	return out, err
}

// cardOf is the card that an earlier payment of the connection was paid with, and
// what its provider knows it by; no reference when there is none.
func (s *Service) cardOf(ctx context.Context, tx *store.Tx, conn domain.Connection, id domain.PaymentID) (domain.Card, string, error) {
	p, err := tx.Payment(ctx, id)
	if err != nil || p.ConnectionID != conn.ID {
		return domain.Card{}, "", err
	}
	txs, err := tx.Transactions(ctx, id)
	charge := domain.Standing{Payment: p, Transactions: txs}.Charge()
	if charge.Status != domain.TxApproved {
		return domain.Card{}, "", err
	}
	return p.Card, charge.ProviderRef, err
}
