package payments

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// The patience with a payment on a terminal, whose page is looked at by somebody
// who stands before it.
const (
	terminalEvery = 2 * time.Second
	terminalFor   = 3 * time.Minute
	// What ran on a terminal is asked for so long after "never arrived", and so
	// often: the customer may show the card later than the provider expects, and
	// the verdict is its gateway's, not the terminal's.
	lateEvery = 30 * time.Second
	lateFor   = 15 * time.Minute
)

// askDelay is AskDelay, shorter while a payment runs on a terminal.
func askDelay(x domain.Transaction, age time.Duration) time.Duration {
	if x.OnTerminal() && age < terminalFor {
		return terminalEvery
	}
	return AskDelay(age)
}

// The bounds of what goes to a terminal (seed 004 and its public document,
// "Transaction Request Object").
const (
	maxTipPercents    = 5
	maxMetadata       = 5
	maxMetadataLength = 250
)

// metadataSigns are the signs that metadata may have.
var metadataSigns = regexp.MustCompile(`^[a-zA-Z0-9()@:%_\\+.~#?&/={}"', -]*$`)

// checkTerminal is every rule of how an operation runs on a terminal that needs
// no database. Its fields are terminal, tip_percents, metadata, skip_signature
// and store_card.
func checkTerminal(o domain.OnTerminal, op providers.TerminalOp, fields map[string]string) {
	sale := op == providers.OpSale || op == providers.OpSaleAndStore
	switch {
	case len(o.TipPercents) > maxTipPercents:
		fields["tip_percents"] = "Offer at most five percentages."
	case slices.ContainsFunc(o.TipPercents, func(p int) bool { return p < 0 || p > 100 }):
		fields["tip_percents"] = "A percentage is a whole number from 0 to 100."
	case len(o.TipPercents) > 0 && !sale:
		fields["tip_percents"] = "A terminal asks for a tip with a sale only."
	case len(o.TipPercents) == 0 && (o.TipAmount || o.TipSkip):
		fields["tip_percents"] = "Enter at least one percentage, or do not ask for a tip."
	}
	if len(o.Metadata) > maxMetadata {
		fields["metadata"] = "Use at most five lines."
	}
	for _, m := range o.Metadata {
		switch {
		case len([]rune(m)) > maxMetadataLength:
			fields["metadata"] = "Use at most 250 characters in each line."
		case domain.LooksLikeCardNumber(m):
			fields["metadata"] = "This looks like a card number. Do not write card numbers here."
		case !metadataSigns.MatchString(m):
			fields["metadata"] = "The provider takes letters without accents, digits and the signs ( ) @ : % _ \\ + . ~ # ? & / = { } \" ' , - here."
		}
	}
	if (o.SkipSignature || o.SkipPIN) && !sale && op != providers.OpRefund && op != providers.OpLinkedRefund {
		fields["skip_signature"] = "Signature and PIN can be skipped with a sale or a refund only."
	}
	if o.StoreCard && !sale {
		fields["store_card"] = "A card is stored with a sale only."
	}
}

// checkVirtual is what a virtual terminal does not do: there is nobody before it.
func checkVirtual(t terminal, o domain.OnTerminal, fields map[string]string) {
	if !t.device.Virtual {
		return
	}
	if len(o.TipPercents) > 0 {
		fields["tip_percents"] = "A virtual terminal asks nobody for a tip."
	}
	if o.SkipSignature || o.SkipPIN {
		fields["skip_signature"] = "A virtual terminal asks for neither signature nor PIN."
	}
}

// terminal is where an operation runs, and what its provider calls it.
type terminal struct {
	device domain.Device
	name   string
}

func (t terminal) ref() providers.DeviceRef {
	return providers.DeviceRef{Ref: t.device.Ref, Serial: t.device.Serial, Type: t.device.Type}
}

// The sentences about a terminal that cannot be used.
const (
	noSuchTerminal  = "Choose a terminal of this connection."
	terminalRemoved = "The provider lists this terminal no more. Choose another one."
	notOnTerminal   = "This terminal does not offer it. Choose another one."
)

// findTerminal says where an operation runs; why is a sentence when it cannot.
func (s *Service) findTerminal(ctx context.Context, tx *store.Tx, l link, id domain.DeviceID, op providers.TerminalOp) (t terminal, why string, err error) {
	if why := s.missing(l, domain.CanUseTerminal); why != "" {
		return t, why, nil
	}
	if id.IsZero() {
		return t, noSuchTerminal, nil
	}
	t.device, err = tx.Device(ctx, id)
	switch {
	case domain.CodeOf(err) == domain.NotFound:
		return t, noSuchTerminal, nil
	case err != nil:
		return t, "", err
	case t.device.ConnectionID != l.conn.ID:
		return t, noSuchTerminal, nil
	case t.device.Removed():
		return t, terminalRemoved, nil
	}
	if t.name = operationName(l, op, t.device.Virtual); t.name == "" {
		return t, notOnTerminal, nil
	}
	return t, "", nil
}

// operationName is the provider's name of an operation on a terminal; empty: it
// has none, or the connection does not offer it.
func operationName(l link, op providers.TerminalOp, virtual bool) string {
	n, ok := providers.As[providers.TerminalNamer](l.provider)
	if !ok || !l.caps.Has(domain.CanUseTerminal) {
		return ""
	}
	switch op {
	case providers.OpPreauth, providers.OpCapture, providers.OpIncrease, providers.OpVoidPreauth:
		// Whether the acquirer takes pre-authorisations is told of captures.
		if _, captures := providers.As[providers.Capturer](l.provider); captures && !l.caps.Has(domain.CanCapture) {
			return ""
		}
	}
	return n.TerminalOperation(op, virtual)
}

// takeOp is what begins a payment on a terminal.
func takeOp(kind domain.TransactionType, store bool) providers.TerminalOp {
	switch {
	case kind == domain.Preauth:
		return providers.OpPreauth
	case store:
		return providers.OpSaleAndStore
	}
	return providers.OpSale
}

// onDevice writes into a transaction where it runs.
func onDevice(x *domain.Transaction, o domain.OnTerminal, t terminal) {
	x.DeviceID, x.DeviceRef, x.Terminal = t.device.ID, t.device.Serial, o
	x.Terminal.DeviceID = t.device.ID
}

// terminalHash is how an operation runs on a terminal as a part of a form's
// content.
func terminalHash(o domain.OnTerminal) string {
	if o.IsZero() {
		return ""
	}
	raw, _ := json.Marshal(o) // plain data
	return o.DeviceID.String() + " " + string(raw)
}

// occupy marks a terminal as running what is about to be sent to it, in the unit
// of work that writes it down. The payment's lock comes first.
func (s *Service) occupy(ctx context.Context, tx *store.Tx, x domain.Transaction) error {
	if x.DeviceID.IsZero() {
		return nil
	}
	d, err := tx.LockDevice(ctx, x.DeviceID)
	switch {
	case domain.CodeOf(err) == domain.NotFound || err == nil && d.ConnectionID != x.ConnectionID:
		return domain.InvalidFields(map[string]string{"terminal": noSuchTerminal})
	case err != nil:
		return err
	case d.Removed():
		return domain.InvalidFields(map[string]string{"terminal": terminalRemoved})
	case !d.Running.IsZero():
		// The terminal says itself that it is busy; what runs on it keeps its place
		// until the provider accepts this.
		return nil
	}
	d.Running, d.RunningPayment = x.ID, x.PaymentID
	return tx.SaveDevice(ctx, d, x.CreatedAt)
}

// sendToTerminal starts an operation on a terminal and writes down whether it was
// accepted: the outcome comes later. It may move money.
func (s *Service) sendToTerminal(ctx context.Context, actor domain.Actor, l link, x domain.Transaction, t terminal, order string) (domain.TransactionStatus, error) {
	req := providers.TerminalRequest{Device: t.ref(), Operation: t.name, Amount: x.Amount, AttemptRef: x.AttemptRef, OriginalRef: x.OriginalRef, OrderReference: order,
		Metadata: x.Terminal.Metadata, SkipSignature: x.Terminal.SkipSignature, SkipPIN: x.Terminal.SkipPIN, NoDuplicateCheck: x.Terminal.NoDuplicateCheck}
	if x.Type == domain.Decrement {
		// An increase below zero takes away.
		req.Amount = money.FromMinor(-x.Amount.Minor(), x.Amount.Currency())
	}
	if asksTip(x) {
		req.Tip = &providers.TipPrompt{Percentages: x.Terminal.TipPercents, EnterAmount: x.Terminal.TipAmount, Skip: x.Terminal.TipSkip}
	}
	var start providers.TerminalStart
	return s.sendWith(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) {
		p, ok := providers.As[providers.TerminalOperator](l.provider)
		if !ok {
			return providers.Result{}, notOffered(l, t.name)
		}
		var err error
		start, err = p.StartOnTerminal(ctx, req)
		return providers.Result{Text: start.Said}, err
	}, func(a *answer) {
		if a.to == domain.TxProcessing {
			a.set.ResultRef, a.set.Phase = start.ResultRef, domain.PhaseSent
			a.accepted = true
		}
	})
}

// asksTip says that the terminal asks the customer for a tip.
func asksTip(x domain.Transaction) bool {
	return x.Type == domain.Sale && !x.DeviceID.IsZero() && len(x.Terminal.TipPercents) > 0
}

// withTip says that an amount other than the one that was asked for is that one
// with the tip that the terminal asked the customer for.
func withTip(x domain.Transaction, res providers.Result) bool {
	if !asksTip(x) || res.Amount == nil || res.Tip == nil || !res.Tip.IsPositive() {
		return false
	}
	asked := x.Amount
	if x.Tip.IsPositive() {
		var err error
		if asked, err = asked.Sub(x.Tip); err != nil {
			return false
		}
	}
	total, err := asked.Add(*res.Tip)
	return err == nil && total == *res.Amount
}

// askResult asks for the result of what runs on a terminal. final is false for
// what settles nothing: no result yet, a question that failed, or a result that
// says too little to be believed.
func (s *Service) askResult(ctx context.Context, l link, x domain.Transaction) (a answer, final, running bool) {
	p, ok := providers.As[providers.TerminalOperator](l.provider)
	if !ok || x.ResultRef == "" {
		return a, false, false
	}
	callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	failpoint.Hit(question, failpoint.Asking)
	res, done, err := p.TerminalResult(callCtx, providers.TerminalStart{ResultRef: x.ResultRef, AttemptRef: x.AttemptRef})
	failpoint.Hit(question, failpoint.Told)
	cancel()
	switch {
	case err != nil:
		s.Log.WarnContext(ctx, "a terminal's result could not be asked for", "provider", l.reg.Name, "transaction", x.ID.String(), "error", err)
		return a, false, false
	case !done:
		return a, false, true
	case !believable(x, res.Type, res.Result):
		s.Log.WarnContext(ctx, "a terminal's result does not say what it is of", "provider", l.reg.Name, "transaction", x.ID.String(), "operation", res.Operation)
		return a, false, false
	}
	a = s.translate(l, x, res.Result, nil, s.now())
	a.heard, a.set.Recovered = &res.Report, res.Recovered
	return a, true, false
}

// believable says that a terminal's result is a final one about x. A yes has to
// say of what, and of how much.
func believable(x domain.Transaction, typ domain.TransactionType, res providers.Result) bool {
	switch res.Outcome {
	case providers.Declined:
		// What was stopped or never began may have no type.
		return typ == "" || sameType(typ, x.Type)
	case providers.Approved:
		return typ != "" && sameType(typ, x.Type) && (!hasAmount(x.Type) || res.Amount != nil)
	}
	return false
}

// lateOnTerminal says that a terminal may still deliver what its provider's
// gateway said would never arrive.
func (s *Service) lateOnTerminal(x domain.Transaction) bool {
	return x.Status == domain.TxFailed && x.Reason == domain.ReasonNeverArrived && x.OnTerminal() && s.now().Before(x.LastSendAt.Add(lateFor))
}

// notePhase notes how far a payment on a terminal is. It never goes back.
func (s *Service) notePhase(ctx context.Context, x domain.Transaction, phase domain.Phase) error {
	rank := map[domain.Phase]int{domain.PhaseNone: 0, domain.PhaseSent: 1, domain.PhaseCard: 2, domain.PhaseBank: 3}
	if rank[phase] <= rank[x.Phase] {
		return nil
	}
	return s.Store.InTenant(ctx, x.MerchantID, func(tx *store.Tx) error { return tx.NotePhase(ctx, x, phase) })
}

// phaseOf is how far the provider's gateway says that it is.
func phaseOf(x domain.Transaction, res providers.Result, running bool) domain.Phase {
	switch {
	case !x.OnTerminal():
		return domain.PhaseNone
	case res.Outcome == providers.Pending && x.Type.Begins():
		return domain.PhaseBank
	case res.Outcome == providers.Absent || running:
		return domain.PhaseCard
	}
	return domain.PhaseNone
}

// deviceFault is what an answer says of the terminal itself.
type deviceFault struct {
	reach      domain.Reach
	code, said string
}

// followDevice brings the row of a terminal in step with an answer about what
// runs on it, under the payment's lock. changed says that the answer settled
// something, recovered that the terminal delivered it late for the first time.
func (s *Service) followDevice(ctx context.Context, tx *store.Tx, x domain.Transaction, a answer, changed, recovered bool) error {
	if x.DeviceID.IsZero() || !changed && !recovered && a.heard == nil {
		return nil
	}
	d, err := tx.LockDevice(ctx, x.DeviceID)
	if err != nil {
		if domain.CodeOf(err) == domain.NotFound {
			err = nil
		}
		return err
	}
	at := a.set.At
	switch {
	case a.fault != nil:
		d.Reach, d.Code, d.Said, d.CheckedAt = a.fault.reach, a.fault.code, a.fault.said, at
		if a.fault.reach == domain.ReachBusy {
			d.SeenAt = at
		}
	case a.heard != nil:
		r := *a.heard
		if r != (domain.DeviceReport{}) {
			r.At = at
		}
		d.Hear(r, at)
	}
	if recovered {
		d.Recovered, d.RecoveredAt = d.Recovered+1, at
	}
	if changed {
		switch {
		case a.accepted:
			// It would have been refused while anything else runs.
			d.Running, d.RunningPayment = x.ID, x.PaymentID
		case (!a.to.Open() || a.to == domain.TxNeedsPerson) && d.Running == x.ID:
			d.Running, d.RunningPayment = domain.TransactionID{}, domain.PaymentID{}
		}
		if !a.to.Open() && !a.notDone {
			amount := x.Amount
			if a.set.Amount != nil {
				amount = *a.set.Amount
			}
			d.Last = domain.DeviceLast{PaymentID: x.PaymentID, Type: x.Type, Status: a.to, Amount: amount, At: at}
		}
	}
	return tx.SaveDevice(ctx, d, at)
}

// receiptsOf are the receipts of a terminal's result that are kept.
func receiptsOf(res providers.Result) []store.Receipt {
	var out []store.Receipt
	for _, r := range res.Receipts {
		out = append(out, store.Receipt{Copy: r.Copy, Kind: r.Kind, Body: r.Body})
	}
	return out
}

// usableTerminals lists the terminals that a connection's operations can run on.
func (s *Service) usableTerminals(ctx context.Context, tx *store.Tx, l link) ([]domain.Device, error) {
	if !l.caps.Has(domain.CanUseTerminal) {
		return nil, nil
	}
	return tx.UsableDevices(ctx, l.conn.ID)
}

// actOps is what an action is on a terminal, by what it follows up.
func actOp(act domain.Action, original domain.TransactionType) providers.TerminalOp {
	switch act {
	case domain.ActRefund:
		return providers.OpLinkedRefund
	case domain.ActCapture:
		return providers.OpCapture
	case domain.ActIncrease, domain.ActDecrease:
		return providers.OpIncrease
	case domain.ActVoidRefund:
		return providers.OpVoidRefund
	case domain.ActVoid:
		if original == domain.Preauth {
			return providers.OpVoidPreauth
		}
		return providers.OpVoidSale
	}
	return ""
}

// actsOn lists what can be done to a payment of the given kind on any of the
// terminals.
func actsOn(l link, kind domain.TransactionType, devices []domain.Device) []domain.Action {
	var out []domain.Action
	for _, act := range domain.Actions {
		op := actOp(act, kind)
		if op != "" && slices.ContainsFunc(devices, func(d domain.Device) bool { return operationName(l, op, d.Virtual) != "" }) {
			out = append(out, act)
		}
	}
	return out
}
