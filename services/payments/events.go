package payments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// tellsFor is how long an event may wait for what it is about to become known:
// a chargeback can overtake its sale's outcome, and a refund the answer that
// names its sale. Afterwards a person must look.
const tellsFor = 10 * time.Minute

// told is what provider's words are called that came by themselves.
const told = "callback"

// Told is what a provider's event led to.
type Told struct {
	Status        domain.CallbackStatus
	Why           string
	TransactionID domain.TransactionID
	// Again is when to look at it anew; zero when Status is final.
	Again time.Duration
	// Foreign: it is about nothing that is known here.
	Foreign bool
}

func quarantined(why string, args ...any) Told {
	return Told{Status: domain.CallbackQuarantined, Why: fmt.Sprintf(why, args...)}
}

// Provider binds a connection's adapter, for the receiver of callbacks.
func (s *Service) Provider(ctx context.Context, tx *store.Tx, conn domain.Connection) (providers.Provider, error) {
	l, err := s.link(ctx, tx, conn)
	return l.provider, err
}

// Apply books what a provider told by itself, in one unit of work: each event
// ends in settle, like an answer to our own question. since is when it arrived,
// or zero when nothing may wait for what it is about; kept is the body as it is
// kept. end, when it is not nil, runs in the same unit of work with what was
// decided, so that the decision and its record commit together. Applying the
// same event again changes nothing.
func (s *Service) Apply(ctx context.Context, m domain.MerchantID, conn domain.ConnectionID, since time.Time, kept []byte, events []providers.Event, end func(*store.Tx, Told) error) (Told, error) {
	var out Told
	impossible := false
	work := func(tx *store.Tx) error {
		if out = quarantined("It undoes more than was done."); impossible {
			if end == nil {
				return nil
			}
			return end(tx, out)
		}
		out = Told{Status: domain.CallbackNothingNew, Why: "It told nothing new."}
		c, err := tx.Connection(ctx, conn)
		if err != nil {
			return err
		}
		l, err := s.link(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, e := range events {
			t, err := s.apply(ctx, tx, l, e, since, kept)
			if err != nil {
				return err
			}
			out = worst(out, t)
		}
		if end == nil {
			return nil
		}
		return end(tx, out)
	}
	for try := 0; ; try++ {
		err := s.write(ctx, m, settling, told, work)
		// Two events about one new object met, or a reference of eight letters was
		// taken: nothing was written, and the second look finds the first one's row.
		if domain.CodeOf(err) == domain.Conflict && try < 3 {
			continue
		}
		// Nothing was written, and another try would end the same.
		if errors.Is(err, domain.ErrBooks) && !impossible {
			impossible = true
			continue
		}
		return out, err
	}
}

// worst keeps of two decisions the one that needs more attention.
func worst(a, b Told) Told {
	rank := map[domain.CallbackStatus]int{domain.CallbackNothingNew: 0, domain.CallbackApplied: 1, domain.CallbackReceived: 2, domain.CallbackQuarantined: 3}
	if rank[b.Status] > rank[a.Status] || a.TransactionID.IsZero() && rank[b.Status] == rank[a.Status] {
		return b
	}
	return a
}

func (s *Service) apply(ctx context.Context, tx *store.Tx, l link, e providers.Event, since time.Time, kept []byte) (Told, error) {
	if e.Account != "" {
		if a, ok := l.provider.(providers.AccountChecker); ok && !a.IsAccount(e.Account) {
			return quarantined("It names another account than this connection’s."), nil
		}
	}
	if e.Kind == providers.EventCard {
		return s.applyCard(ctx, tx, l, e)
	}
	v := &telling{s: s, tx: tx, l: l, e: e, kept: kept, now: s.now(), actor: domain.Actor{MerchantID: l.conn.MerchantID}}
	v.late = v.now.Sub(since) >= tellsFor
	// Events about one object come one after the other: each sees what the one
	// before it made.
	if err := tx.LockName(ctx, l.conn.ID.String()+" "+e.ProviderRef); err != nil {
		return Told{}, err
	}
	if err := v.find(ctx); err != nil {
		return Told{}, err
	}
	if v.elsewhere {
		return quarantined("It is about an attempt that was made through another connection."), nil
	}
	switch e.Kind {
	case providers.EventOutcome:
		return v.outcome(ctx)
	case providers.EventAdjustment:
		return v.adjustment(ctx)
	case providers.EventChargeback:
		return v.chargeback(ctx)
	case providers.EventChargebackReversal:
		return v.reversal(ctx)
	}
	return quarantined("It tells a kind of event that is not known here: %s.", string(e.Kind)), nil
}

// telling is one event on its way into the books.
type telling struct {
	s     *Service
	tx    *store.Tx
	l     link
	e     providers.Event
	kept  []byte
	now   time.Time
	late  bool
	taken bool // the event's own reference stands for another operation of ours
	// elsewhere: the event's own reference is an attempt's of another connection.
	elsewhere bool
	actor     domain.Actor

	x     domain.Transaction // what the event is about
	found bool
	// origin is what the event follows up.
	origin      domain.Transaction
	originFound bool
}

// find looks for the event's own transaction and for the one that it follows up.
func (v *telling) find(ctx context.Context) error {
	conn := v.l.conn.ID
	try := func(into *domain.Transaction, found *bool, f func() (domain.Transaction, error)) error {
		x, err := f()
		if domain.CodeOf(err) == domain.NotFound {
			return nil
		}
		*into, *found = x, err == nil
		return err
	}
	if v.e.ProviderRef != "" {
		if err := try(&v.x, &v.found, func() (domain.Transaction, error) { return v.tx.TransactionByProviderRef(ctx, conn, v.e.ProviderRef) }); err != nil {
			return err
		}
	}
	if _, err := uuid.Parse(v.e.AttemptRef); !v.found && err == nil {
		var x domain.Transaction
		var found bool
		if err := try(&x, &found, func() (domain.Transaction, error) { return v.tx.TransactionByAttempt(ctx, conn, v.e.AttemptRef) }); err != nil {
			return err
		}
		switch {
		case found && (v.e.Type == "" || sameType(v.e.Type, x.Type)):
			v.x, v.found = x, true
		case found:
			v.taken = true
			if v.e.OriginalRef == "" {
				// A linked operation carries its original's reference (seed 004).
				v.e.OriginalRef = x.ProviderRef
			}
		default:
			if v.elsewhere, err = v.tx.AttemptElsewhere(ctx, conn, v.e.AttemptRef); err != nil {
				return err
			}
		}
	}
	if v.e.OriginalRef == "" {
		return nil
	}
	return try(&v.origin, &v.originFound, func() (domain.Transaction, error) { return v.tx.TransactionByProviderRef(ctx, conn, v.e.OriginalRef) })
}

// wait leaves an event for later, until it is too late for that.
func (v *telling) wait(why string, args ...any) Told {
	if v.late {
		return quarantined(why, args...)
	}
	return Told{Status: domain.CallbackReceived, Why: fmt.Sprintf(why, args...), Again: 15 * time.Second}
}

// foreign is wait for what is about nothing that is known here.
func (v *telling) foreign(why string) Told {
	t := v.wait("%s", why)
	t.Foreign = true
	return t
}

// settle applies the event's answer to x.
func (v *telling) settle(ctx context.Context, x domain.Transaction, res providers.Result) (Told, error) {
	a := v.s.translate(v.l, x, res, nil, v.now)
	a.raw = v.kept
	a.set.Recovered = v.e.Recovered
	if v.e.Device.Serial != "" {
		a.heard = &v.e.Report
	}
	status, changed, err := v.s.settleChanged(ctx, v.tx, v.actor, x, a, told)
	out := Told{Status: domain.CallbackNothingNew, Why: "We knew it already.", TransactionID: x.ID}
	if changed {
		out.Status, out.Why = domain.CallbackApplied, x.Type.Label()+": "+status.Label()+"."
		switch x.Type {
		case domain.Chargeback, domain.ChargebackReversal, domain.Adjustment:
			out.Why = x.Type.Label() + " booked."
		}
	}
	return out, err
}

// matches says why an amount that the event tells cannot be x's; empty when it
// can.
func matches(a money.Amount, want money.Amount) string {
	switch {
	case a.Currency() != want.Currency():
		return fmt.Sprintf("It is in %s; the payment is in %s.", a.Currency().Code(), want.Currency().Code())
	case a != want:
		return fmt.Sprintf("It tells %s; the payment is of %s.", a.FormatCode(), want.FormatCode())
	}
	return ""
}

func (v *telling) outcome(ctx context.Context) (Told, error) {
	e, x := v.e, v.x
	if !v.found {
		return v.unknownObject(ctx)
	}
	switch {
	case e.Type != "" && !sameType(e.Type, x.Type):
		return quarantined("It calls our %s a %s.", lower(x.Type), lower(e.Type)), nil
	case x.ProviderRef != "" && e.ProviderRef != "" && x.ProviderRef != e.ProviderRef:
		return quarantined("It gives our attempt another reference than the provider gave before."), nil
	}
	if x.OnTerminal() && e.Type == "" && e.Result.Outcome == providers.Approved && x.Status != domain.TxApproved {
		return quarantined("It says approved and not of what."), nil
	}
	if a := e.Result.Amount; a != nil && hasAmount(x.Type) {
		if why := matches(*a, x.Amount); why != "" && !withTip(x, e.Result) {
			steps, err := v.amounts(ctx, x)
			if err != nil {
				return Told{}, err
			}
			if slices.Contains(steps, *a) {
				return Told{Status: domain.CallbackNothingNew, Why: "We knew it already.", TransactionID: x.ID}, nil
			}
			if !x.Status.Open() {
				if err := v.keepSaid(ctx, x); err != nil {
					return Told{}, err
				}
			}
			return quarantined("%s", why), nil
		}
	} else if a == nil && hasAmount(x.Type) && e.Result.Outcome == providers.Approved && x.Status != domain.TxApproved {
		return quarantined("It says approved and tells no amount."), nil
	}
	if x.Status == domain.TxApproved && e.Result.Outcome == providers.Declined {
		return v.contradicted(ctx, x)
	}
	return v.settle(ctx, x, e.Result)
}

// contradicted judges a "no" about what is approved here: the approval stands,
// but unless it was voided here somebody should know.
func (v *telling) contradicted(ctx context.Context, x domain.Transaction) (Told, error) {
	txs, err := v.tx.Transactions(ctx, x.PaymentID)
	if err != nil {
		return Told{}, err
	}
	for _, t := range txs {
		if t.Type == domain.Void && t.Status == domain.TxApproved && (t.OriginalRef == x.ProviderRef || t.OriginalRef == "") {
			return Told{Status: domain.CallbackNothingNew, Why: "It was voided here.", TransactionID: x.ID}, nil
		}
	}
	out := quarantined("It calls cancelled or declined what is approved here.")
	out.TransactionID = x.ID
	return out, v.keepSaid(ctx, x)
}

// keepSaid keeps an answer that settles nothing, so that the payment's page
// shows it beside our record, and audits that it differs.
func (v *telling) keepSaid(ctx context.Context, x domain.Transaction) error {
	said := saidOf(v.e.Result, v.now)
	if said.Op = told; said.Ref == "" {
		said.Ref = v.e.ProviderRef
	}
	if _, err := v.tx.LockPayment(ctx, x.PaymentID); err != nil {
		return err
	}
	if err := v.tx.NoteSaid(ctx, x.ID, *said); err != nil {
		return err
	}
	return v.s.auditDifference(ctx, v.tx, v.actor, x, told)
}

// sameType says that an event of one type can be about our transaction of
// another: a part of a hold is released by a void too, and a provider does not
// say which it was (seed 003, "Void"); and on a terminal a payout is a refund of
// nothing (seed 004).
func sameType(told, ours domain.TransactionType) bool {
	return told == ours || told == domain.Void && ours == domain.Decrement || told == domain.Refund && ours == domain.Payout
}

// held is what is held on a pre-authorisation now.
func (v *telling) held(ctx context.Context, hold domain.Transaction) (money.Amount, error) {
	txs, err := v.tx.Transactions(ctx, hold.PaymentID)
	if err != nil {
		return hold.Amount, err
	}
	sum := hold.Amount
	for _, t := range txs {
		switch {
		case t.Status != domain.TxApproved:
		case t.Type == domain.Increment:
			sum, err = sum.Add(t.Amount)
		case t.Type == domain.Decrement:
			sum, err = sum.Sub(t.Amount)
		}
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func lower(t domain.TransactionType) string { return strings.ReplaceAll(string(t), "_", " ") }

// hasAmount says that an operation of this type has an amount that an event
// must agree with.
func hasAmount(t domain.TransactionType) bool {
	switch t {
	case domain.Void, domain.Register, domain.Deregister, domain.TipAdjustment:
		return false
	}
	return true
}

// unknownObject books an attempt that was not ours: a follow-up made at the
// provider, a run of a schedule, a payment on a terminal.
func (v *telling) unknownObject(ctx context.Context) (Told, error) {
	e := v.e
	switch {
	// A run of a schedule may name what began it, which it does not follow up.
	case e.ScheduleRef != "" && e.Type == domain.Sale && !v.taken:
		return v.newPayment(ctx, domain.MethodSchedule)
	case v.originFound:
		return v.followUp(ctx)
	case e.Device.Serial != "" && (e.Type == domain.Sale || e.Type == domain.Preauth):
		return v.newPayment(ctx, domain.MethodTerminal)
	case e.OriginalRef != "":
		return v.foreign("It follows up something that is not known here."), nil
	}
	return v.foreign("It is about something that is not known here."), nil
}

// followed lists what each type of a follow-up can follow. A capture of what was
// captured already, for one, would count the money twice.
var followed = map[domain.TransactionType][]domain.TransactionType{
	domain.Capture:       {domain.Preauth, domain.Increment, domain.Decrement},
	domain.Increment:     {domain.Preauth, domain.Increment, domain.Decrement},
	domain.Decrement:     {domain.Preauth, domain.Increment, domain.Decrement},
	domain.Void:          {domain.Sale, domain.Preauth, domain.Capture, domain.Refund, domain.Increment, domain.Decrement},
	domain.Refund:        {domain.Sale, domain.Preauth, domain.Capture},
	domain.TipAdjustment: {domain.Sale, domain.Preauth, domain.Capture},
}

func (v *telling) followUp(ctx context.Context) (Told, error) {
	e, o := v.e, v.origin
	switch {
	case e.Type == "":
		return quarantined("It follows up a %s and does not say what it does to it.", lower(o.Type)), nil
	case !slices.Contains(followed[e.Type], o.Type):
		return quarantined("A %s cannot follow up a %s.", lower(e.Type), lower(o.Type)), nil
	case e.Result.Amount == nil && e.Type != domain.Void:
		return quarantined("It tells no amount."), nil
	}
	p, err := v.tx.LockPayment(ctx, o.PaymentID)
	if err != nil {
		return Told{}, err
	}
	// A void that tells no amount takes out all that there is.
	steps, err := v.amounts(ctx, o)
	if err != nil {
		return Told{}, err
	}
	amount := steps[len(steps)-1]
	if e.Result.Amount != nil {
		amount = *e.Result.Amount
	}
	if !amount.IsPositive() {
		return quarantined("It tells of a %s of %s.", lower(e.Type), amount.FormatCode()), nil
	}
	if amount.Currency() != o.Amount.Currency() {
		return quarantined("%s", matches(amount, o.Amount)), nil
	}
	if o.Status != domain.TxApproved && e.Result.Outcome == providers.Approved {
		return v.wait("It follows up a %s that has no approval here.", lower(o.Type)), nil
	}
	if e.Type == domain.Refund && e.Result.Outcome == providers.Approved {
		if c, err := amount.Cmp(p.Refundable()); err != nil || c > 0 {
			return v.wait("It refunds %s; at most %s can be refunded.", amount.FormatCode(), p.Refundable().FormatCode()), nil
		}
	}
	typ := e.Type
	if typ == domain.Void && o.Type == domain.Preauth {
		held, err := v.held(ctx, o)
		if err != nil {
			return Told{}, err
		}
		if c, err := amount.Cmp(held); err == nil && c < 0 && e.Result.Amount != nil {
			typ = domain.Decrement
		}
	}
	x := v.newTransaction(p.ID, typ, amount)
	x.OriginalRef = o.ProviderRef
	if err := v.insert(ctx, &x); err != nil {
		return Told{}, err
	}
	return v.settle(ctx, x, e.Result)
}

// newTransaction is a row for what the provider told of. It stands as pending
// until it is settled, in the same unit of work.
func (v *telling) newTransaction(p domain.PaymentID, t domain.TransactionType, amount money.Amount) domain.Transaction {
	x := domain.Transaction{
		ID: domain.NewTransactionID(), MerchantID: v.l.conn.MerchantID, PaymentID: p, ConnectionID: v.l.conn.ID, Reference: domain.NewReference(),
		Type: t, Status: domain.TxPending, Amount: amount, AttemptRef: uuid.NewString(), CreatedName: v.l.reg.Label,
		CreatedAt: v.now, LastSendAt: v.now, NextAskAt: v.now.Add(FirstAsk), ScheduleRef: v.e.ScheduleRef, DeviceRef: v.e.Device.Serial,
	}
	if id, err := uuid.Parse(v.e.AttemptRef); err == nil && v.e.Kind == providers.EventOutcome && !v.taken {
		x.AttemptRef = id.String()
	}
	return x
}

// insert writes a row for what was told of, with the terminal that it ran on
// where that is listed here. The payment's lock is held.
func (v *telling) insert(ctx context.Context, x *domain.Transaction) error {
	if x.DeviceRef != "" {
		d, err := v.tx.LockDeviceBySerial(ctx, v.l.conn.ID, x.DeviceRef)
		if err != nil && domain.CodeOf(err) != domain.NotFound {
			return err
		}
		x.DeviceID, x.Terminal.DeviceID = d.ID, d.ID
	}
	if err := v.tx.InsertTransaction(ctx, *x); err != nil {
		return err
	}
	v.tx.Audit(v.s.entry(v.actor, *x, "told", "ok", map[string]any{"by": v.l.reg.Name}))
	if v.e.Result.Outcome == providers.Pending && v.e.Kind == providers.EventOutcome {
		return v.tx.Enqueue(ctx, resolveJob(*x), x.NextAskAt)
	}
	return nil
}

func (v *telling) newPayment(ctx context.Context, how domain.Method) (Told, error) {
	e := v.e
	if e.Result.Amount == nil || !e.Result.Amount.IsPositive() || e.ProviderRef == "" {
		return quarantined("It tells no amount or no reference."), nil
	}
	merchant, err := v.tx.MerchantRow(ctx)
	if err != nil {
		return Told{}, err
	}
	cur, known := e.Result.Amount.Currency(), false
	for _, c := range providers.Currencies(v.l.reg, v.l.conn, merchant.Currencies) {
		known = known || c == cur
	}
	if !known {
		return quarantined("It is in %s, which this connection does not use.", cur.Code()), nil
	}
	zero := money.Zero(cur)
	at := v.now
	if !e.At.IsZero() && e.At.Before(at) {
		at = e.At
	}
	p := domain.Payment{ID: domain.NewPaymentID(), MerchantID: v.l.conn.MerchantID, ConnectionID: v.l.conn.ID, Reference: domain.NewReference(),
		Status: domain.PaymentProcessing, Method: how, Amount: *e.Result.Amount, Captured: zero, Refunded: zero, Held: zero, ChargedBack: zero,
		Kind: e.Type, Card: e.Result.Card, CreatedByName: v.l.reg.Label, CreatedAt: at}
	if how == domain.MethodSchedule {
		p.OrderReference = "Schedule"
	}
	if err := v.tx.InsertPayment(ctx, p); err != nil {
		return Told{}, err
	}
	x := v.newTransaction(p.ID, e.Type, p.Amount)
	x.Reference, x.CreatedAt = p.Reference, at
	x.ExpiresAt = holdUntil(v.l, e.Type, at)
	if err := v.insert(ctx, &x); err != nil {
		return Told{}, err
	}
	return v.settle(ctx, x, e.Result)
}

// amounts are what x's amount was at first and after each adjustment that is
// booked, in their order; the last is what it is now.
func (v *telling) amounts(ctx context.Context, x domain.Transaction) ([]money.Amount, error) {
	txs, err := v.tx.Transactions(ctx, x.PaymentID)
	if err != nil {
		return nil, err
	}
	steps := []money.Amount{x.Amount}
	for _, t := range slices.Backward(txs) {
		if t.Type == domain.Adjustment && t.Status == domain.TxApproved && t.OriginalRef == x.ProviderRef {
			next, err := steps[len(steps)-1].Add(t.Amount)
			if err != nil {
				return nil, err
			}
			steps = append(steps, next)
		}
	}
	return steps, nil
}

// adjustment books an amount that the provider changed after the fact
// (notificationSource, seed 003): the original must match, and the change is a
// transaction of its own.
func (v *telling) adjustment(ctx context.Context) (Told, error) {
	e := v.e
	switch {
	case !v.found:
		return v.foreign("It changes the amount of something that is not known here."), nil
	case e.Type != "" && e.Type != v.x.Type:
		return quarantined("It calls our %s a %s.", lower(v.x.Type), lower(e.Type)), nil
	case v.x.Type != domain.Sale && v.x.Type != domain.Capture && v.x.Type != domain.Refund:
		return quarantined("It changes the amount of a %s.", lower(v.x.Type)), nil
	case e.ProviderRef == "" && v.x.ProviderRef == "":
		return quarantined("It tells no reference."), nil
	case v.x.ProviderRef != "" && e.ProviderRef != "" && v.x.ProviderRef != e.ProviderRef:
		return quarantined("It gives our attempt another reference than the provider gave before."), nil
	case e.Result.Amount == nil || e.OriginalAmount == nil:
		return quarantined("It changes an amount without telling both."), nil
	case e.Result.Outcome != providers.Approved:
		return quarantined("It changes the amount of something that it does not call successful."), nil
	}
	for _, a := range []money.Amount{*e.OriginalAmount, *e.Result.Amount} {
		if a.Currency() != v.x.Amount.Currency() || a.IsNegative() {
			return quarantined("%s", matches(a, v.x.Amount)), nil
		}
	}
	if _, err := v.tx.LockPayment(ctx, v.x.PaymentID); err != nil {
		return Told{}, err
	}
	steps, err := v.amounts(ctx, v.x)
	if err != nil {
		return Told{}, err
	}
	now := steps[len(steps)-1]
	for i := range steps[1:] {
		if steps[i] == *e.OriginalAmount && steps[i+1] == *e.Result.Amount {
			return Told{Status: domain.CallbackNothingNew, Why: "We knew it already.", TransactionID: v.x.ID}, nil
		}
	}
	switch {
	case *e.OriginalAmount == now:
	case slices.Contains(steps, *e.OriginalAmount):
		// Two different changes of one amount: which came first is not told.
		return quarantined("It changes an amount that was changed before."), nil
	default:
		return v.wait("It changes %s; here the amount is %s.", e.OriginalAmount.FormatCode(), now.FormatCode()), nil
	}
	// A change says that the original went through; it can overtake that news.
	original := e.Result
	original.Amount = &v.x.Amount
	if v.x.ProviderRef == "" {
		v.x.ProviderRef = e.ProviderRef
	}
	if _, err := v.settle(ctx, v.x, original); err != nil {
		return Told{}, err
	}
	by, err := e.Result.Amount.Sub(now)
	if err != nil {
		return Told{}, err
	}
	if by.IsZero() {
		return Told{Status: domain.CallbackNothingNew, Why: "We knew it already.", TransactionID: v.x.ID}, nil
	}
	x := v.newTransaction(v.x.PaymentID, domain.Adjustment, by)
	x.OriginalRef = v.x.ProviderRef
	if err := v.insert(ctx, &x); err != nil {
		return Told{}, err
	}
	return v.settle(ctx, x, providers.Result{Outcome: providers.Approved, Text: e.Note})
}

// known judges a chargeback or a reversal whose own reference is booked: it is
// nothing new only when it tells the same.
func (v *telling) known(t domain.TransactionType) Told {
	out, a := Told{Status: domain.CallbackNothingNew, Why: "We knew it already."}, v.e.Result.Amount
	switch {
	case v.x.Type != t:
		out = quarantined("It gives the reference of a %s to a %s.", lower(v.x.Type), lower(t))
	case a != nil && *a != v.x.Amount:
		out = quarantined("It tells %s; %s is booked.", a.FormatCode(), v.x.Amount.FormatCode())
	case v.e.Result.Outcome == providers.Declined:
		out = quarantined("It calls cancelled or declined what is booked here.")
	}
	out.TransactionID = v.x.ID
	return out
}

// chargeback books money that a bank took back: at most what was captured.
func (v *telling) chargeback(ctx context.Context) (Told, error) {
	e := v.e
	switch {
	case v.found:
		return v.known(domain.Chargeback), nil
	case e.Result.Amount == nil || !e.Result.Amount.IsPositive() || e.ProviderRef == "":
		return quarantined("It tells no amount or no reference."), nil
	case e.Result.Outcome != providers.Approved:
		return quarantined("It does not say that the money was taken back."), nil
	case !v.originFound:
		return v.foreign("It is about a payment that is not known here."), nil
	}
	p, err := v.tx.LockPayment(ctx, v.origin.PaymentID)
	if err != nil {
		return Told{}, err
	}
	if e.Result.Amount.Currency() != p.Amount.Currency() {
		return quarantined("%s", matches(*e.Result.Amount, p.Amount)), nil
	}
	switch v.origin.Type {
	case domain.Sale, domain.Capture, domain.Preauth:
	default:
		return quarantined("It takes back a %s.", lower(v.origin.Type)), nil
	}
	if v.origin.Status != domain.TxApproved {
		return v.wait("Its payment has no approval here yet."), nil
	}
	left, err := p.Captured.Sub(p.ChargedBack)
	if err != nil {
		return Told{}, err
	}
	if c, err := e.Result.Amount.Cmp(left); err != nil || c > 0 {
		return v.wait("It takes back %s; at most %s was captured.", e.Result.Amount.FormatCode(), left.FormatCode()), nil
	}
	return v.book(ctx, domain.Chargeback, v.origin)
}

// reversal books that a bank gave charged-back money again.
func (v *telling) reversal(ctx context.Context) (Told, error) {
	e := v.e
	switch {
	case v.found:
		return v.known(domain.ChargebackReversal), nil
	case e.Result.Amount == nil || !e.Result.Amount.IsPositive() || e.ProviderRef == "":
		return quarantined("It tells no amount or no reference."), nil
	case e.Result.Outcome != providers.Approved:
		return quarantined("It does not say that the money was given again."), nil
	case !v.originFound:
		return v.foreign("It reverses a chargeback that is not known here."), nil
	}
	p, err := v.tx.LockPayment(ctx, v.origin.PaymentID)
	if err != nil {
		return Told{}, err
	}
	if e.Result.Amount.Currency() != p.Amount.Currency() {
		return quarantined("%s", matches(*e.Result.Amount, p.Amount)), nil
	}
	if c, err := e.Result.Amount.Cmp(p.ChargedBack); err != nil || c > 0 {
		return v.wait("It gives back %s; %s is charged back.", e.Result.Amount.FormatCode(), p.ChargedBack.FormatCode()), nil
	}
	return v.book(ctx, domain.ChargebackReversal, v.origin)
}

func (v *telling) book(ctx context.Context, t domain.TransactionType, origin domain.Transaction) (Told, error) {
	x := v.newTransaction(origin.PaymentID, t, *v.e.Result.Amount)
	x.OriginalRef, x.Note = origin.ProviderRef, v.e.Note
	if err := v.insert(ctx, &x); err != nil {
		return Told{}, err
	}
	res := v.e.Result
	res.ProviderRef, res.Card = v.e.ProviderRef, domain.Card{}
	return v.settle(ctx, x, res)
}

// applyCard brings a stored card in step with what its network says.
func (s *Service) applyCard(ctx context.Context, tx *store.Tx, l link, e providers.Event) (Told, error) {
	if e.Result.Token == "" {
		return Told{Status: domain.CallbackNothingNew, Why: "It is about no card that is stored here."}, nil
	}
	changed, err := tx.UpdateCardByToken(ctx, l.conn.ID, domain.TokenHash(e.Result.Token), e.Result.Card)
	if err != nil || !changed {
		return Told{Status: domain.CallbackNothingNew, Why: "It is about no card that is stored here, or tells nothing new."}, err
	}
	tx.Audit(store.AuditEntry{At: s.now(), Actor: domain.Actor{MerchantID: l.conn.MerchantID}, Action: "card.updated", ObjectType: "connection", ObjectID: l.conn.ID.String(), Result: "ok",
		Detail: map[string]any{"by": l.reg.Name, "why": e.Note}})
	return Told{Status: domain.CallbackApplied, Why: "A stored card was brought up to date."}, nil
}
