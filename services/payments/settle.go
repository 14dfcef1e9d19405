package payments

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

func resolveJob(x domain.Transaction) args.ResolveTransaction {
	return args.ResolveTransaction{MerchantID: x.MerchantID, TransactionID: x.ID}
}

// send calls the provider outside any database transaction and settles what it
// said. The call outlives the browser's request: a closed tab must not cut a
// charge in half.
func (s *Service) send(ctx context.Context, actor domain.Actor, l link, x domain.Transaction, call func(context.Context) (providers.Result, error)) (domain.TransactionStatus, error) {
	return s.sendWith(ctx, actor, l, x, call, func(*answer) {})
}

// sendWith is send, with what else the answer tells.
func (s *Service) sendWith(ctx context.Context, actor domain.Actor, l link, x domain.Transaction, call func(context.Context) (providers.Result, error), more func(*answer)) (domain.TransactionStatus, error) {
	ctx = context.WithoutCancel(ctx)
	failpoint.Hit(string(x.Type), failpoint.Sending)
	res, err := s.callInTime(ctx, l, x, call)
	failpoint.Hit(string(x.Type), failpoint.Answered)
	sent := s.now()
	a := s.translate(l, x, res, err, sent)
	more(&a)
	// Should the resolver have believed "never arrived" while this call was on
	// the line (a clock that jumped), a doubt opens the question again.
	a.set.Reopen = a.to == domain.TxUnknown
	failpoint.Hit(string(x.Type), failpoint.Judged)
	var status domain.TransactionStatus
	write := func() error {
		ctx, cancel := context.WithTimeout(ctx, settleTimeout)
		defer cancel()
		return s.write(ctx, x.MerchantID, settling, string(x.Type), func(tx *store.Tx) error {
			var err error
			if status, err = s.settle(ctx, tx, actor, x, a, string(x.Type)); err != nil {
				return err
			}
			return tx.NoteSent(ctx, x.ID, sent)
		})
	}
	err = write()
	// The provider's answer is worth a few tries; if the database stays away the
	// row stays pending and the resolver will ask again.
	for try := 0; domain.CodeOf(err) == domain.Unavailable && try < 3; try++ {
		time.Sleep(time.Duration(100<<try) * time.Millisecond)
		err = write()
	}
	if err != nil {
		s.Log.ErrorContext(ctx, "the provider's answer could not be written down", "transaction", x.ID.String(), "outcome", string(a.to), "error", err)
		words := unwritten[x.Type]
		if words == "" {
			words = "This was sent but its answer could not be written down. Do not do it again: Counterfoil asks the provider and shows the outcome in Payments."
		}
		return domain.TxPending, domain.Wrap(err, domain.Unavailable, "%s", words)
	}
	return status, nil
}

// unwritten is said when the provider's answer could not be kept.
var unwritten = map[domain.TransactionType]string{
	domain.Sale:   "The payment was sent but its answer could not be written down. Do not charge again: Counterfoil asks the provider and shows the outcome in Payments.",
	domain.Refund: "The refund was sent but its answer could not be written down. Do not refund again or give cash: Counterfoil asks the provider and shows the outcome in Payments.",
}

// callInTime makes the call unless it comes too late: "never arrived" is judged
// by LastSendAt, so no request may be on its way after it.
func (s *Service) callInTime(ctx context.Context, l link, x domain.Transaction, call func(context.Context) (providers.Result, error)) (providers.Result, error) {
	if x.LastSendAt.Sub(s.now()) < l.reg.Timeout {
		return providers.Result{}, &providers.Error{Provider: l.reg.Name, Op: string(x.Type), Kind: providers.KindUnreachable, NotDone: true,
			Reason: domain.ReasonUnreachable, Text: "Nothing was sent: the database took too long."}
	}
	ctx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	defer cancel()
	return call(ctx)
}

// answer is what a provider's words do to a transaction, before the row's own
// status is looked at.
type answer struct {
	to      domain.TransactionStatus
	set     store.Settlement
	outcome string // for the message kept beside the transaction
	raw     []byte
	// detail goes into the audit row beside what each has.
	detail map[string]any
	token  string // of the card that was stored
	// What only an operation on a terminal has: that it was accepted, that it
	// certainly did not begin, what the terminal told of itself (nil: it told
	// nothing) or its provider of it, and its receipts.
	accepted, notDone bool
	heard             *domain.DeviceReport
	fault             *deviceFault
	receipts          []store.Receipt
}

// translate turns a result or an error of a money call into an answer. It is
// pure but for the clock it is given. Only a fault that certainly did nothing
// fails; everything else that is not a plain yes or no is unknown.
func (s *Service) translate(l link, x domain.Transaction, res providers.Result, err error, at time.Time) answer {
	a := answer{set: store.Settlement{At: at, NextAskAt: at.Add(askDelay(x, 0))}}
	if err != nil {
		a.to, a.outcome = domain.TxUnknown, "no certain answer"
		if e, ok := providers.AsError(err); ok {
			a.raw = e.Raw
			a.set.ProviderCode, a.set.ProviderText = e.Code, e.Text
			a.outcome = string(e.Kind)
			if e.NotDone {
				a.to = domain.TxFailed
				a.notDone = true
				a.set.Reason = reasonOf(e)
				switch a.set.Reason {
				case domain.ReasonDeviceBusy:
					a.fault = &deviceFault{domain.ReachBusy, e.Code, cmp.Or(e.Meaning, e.Text)}
				case domain.ReasonDeviceOffline:
					a.fault = &deviceFault{domain.ReachOffline, e.Code, cmp.Or(e.Meaning, e.Text)}
				}
				if e.Kind != providers.KindUnreachable && len(e.Raw) > 0 {
					a.set.Said = &domain.Said{At: at, Verdict: domain.SaidRefused, Reason: a.set.Reason, Code: e.Code, Text: e.Text}
				}
			}
		}
		a.set.To = a.to
		s.Log.Warn("provider fault", "provider", l.reg.Name, "transaction", x.ID.String(), "status", string(a.to), "error", err)
		return a
	}
	a.raw = res.Raw
	a.outcome = res.Outcome.String()
	a.set.Said = saidOf(res, at)
	a.set.ProviderRef, a.set.ProviderCode, a.set.ProviderText = res.ProviderRef, res.Code, res.Text
	a.set.AuthCode, a.set.Card, a.set.RedirectURL = res.AuthCode, res.Card, res.RedirectURL
	a.set.Review = res.Review
	a.set.ExpiresAt, a.set.CancelRef, a.token = res.ExpiresAt, res.CancelRef, res.Token
	if x.Type == domain.Sale || x.Type == domain.Capture {
		a.set.Tip = res.Tip
	}
	if x.DeviceRef != "" {
		a.receipts = receiptsOf(res)
	}
	switch res.Outcome {
	case providers.Approved:
		a.to = domain.TxApproved
		switch {
		case !hasAmount(x.Type) || res.Amount == nil || *res.Amount == x.Amount:
		case withTip(x, res):
			a.set.Amount = res.Amount
		default:
			// Money moved, but not the money we asked for: a person must look.
			a.to = domain.TxNeedsPerson
			a.outcome = "approved with another amount"
			a.set.ProviderText = "The provider approved " + res.Amount.FormatCode() + " instead of " + x.Amount.FormatCode() + "."
		}
	case providers.Declined:
		a.to = domain.TxDeclined
		a.set.Reason = res.Reason
		switch res.Reason {
		case domain.ReasonCustomerCancelled, domain.ReasonLinkExpired:
			// Nobody's bank said no: the card was never typed.
			a.to = domain.TxFailed
		}
		if a.set.Reason == domain.ReasonNone || a.set.Reason == domain.ReasonUnmapped {
			a.set.Reason = unmapped(res.Code, res.Text, domain.ReasonDeclined)
		}
	case providers.Pending, providers.Absent:
		// "Absent" is no verdict on a call that was just answered; Resolve
		// judges it by the provider's window.
		a.to = domain.TxProcessing
	}
	a.set.To = a.to
	if a.to == domain.TxNeedsPerson {
		a.set.NextAskAt = at.Add(AskPersonEvery)
	}
	return a
}

// reasonOf gives a certain fault its words.
func reasonOf(e *providers.Error) domain.Reason {
	if e.Reason != domain.ReasonNone {
		return e.Reason
	}
	switch e.Kind {
	case providers.KindUnreachable:
		return domain.ReasonUnreachable
	case providers.KindCredentials:
		return domain.ReasonCredentials
	case providers.KindRateLimited:
		return domain.ReasonRateLimited
	case providers.KindUnsupported:
		return domain.ReasonNotAllowed
	}
	return unmapped(e.Code, e.Text, domain.ReasonInvalidRequest)
}

// unmapped is the reason of a no that no table translates: the provider's own
// words, unless it gave none at all.
func unmapped(code, text string, bare domain.Reason) domain.Reason {
	if code == "" && text == "" {
		return bare
	}
	return domain.ReasonUnmapped
}

// settle is the one function in which the sale, the refund, the poller, the
// resolver and the provider's own calls end. It applies the answer if the row's
// status allows it, keeps the provider's words, and audits a change. It returns
// the status as it then is.
func (s *Service) settle(ctx context.Context, tx *store.Tx, actor domain.Actor, x domain.Transaction, a answer, op string) (domain.TransactionStatus, error) {
	status, _, err := s.settleChanged(ctx, tx, actor, x, a, op)
	return status, err
}

// settleChanged is settle that also says whether anything changed.
func (s *Service) settleChanged(ctx context.Context, tx *store.Tx, actor domain.Actor, x domain.Transaction, a answer, op string) (domain.TransactionStatus, bool, error) {
	if a.set.Said != nil && a.set.Said.Op == "" {
		a.set.Said.Op = op
	}
	recovered := false
	if a.set.Recovered && !a.to.Open() {
		if _, err := tx.LockPayment(ctx, x.PaymentID); err != nil {
			return "", false, err
		}
		var err error
		if recovered, err = tx.NoteRecovered(ctx, x); err != nil {
			return "", false, err
		}
	}
	changed, err := tx.Settle(ctx, x.PaymentID, x.ID, a.set)
	if changed && a.set.Reopen {
		if err := tx.Enqueue(ctx, resolveJob(x), a.set.NextAskAt); err != nil {
			return "", false, err
		}
	}
	if domain.CodeOf(err) == domain.Conflict {
		// The provider's id belongs to another transaction. Whatever that means,
		// it is not for a machine to book.
		a.set.To, a.to = domain.TxNeedsPerson, domain.TxNeedsPerson
		a.set.ProviderText = err.Error()
		a.set.ProviderRef = ""
		a.set.NextAskAt = a.set.At.Add(AskPersonEvery)
		a.outcome = "reference of another transaction"
		changed, err = tx.Settle(ctx, x.PaymentID, x.ID, a.set)
	}
	if err != nil {
		return "", false, err
	}
	if !changed && a.set.Said != nil {
		if err := tx.NoteSaid(ctx, x.ID, *a.set.Said); err != nil {
			return "", false, err
		}
	}
	if changed || len(a.raw) > 0 {
		if err := tx.AddMessage(ctx, store.Message{TransactionID: x.ID, At: a.set.At, Op: op, Outcome: a.outcome, Body: string(a.raw)}); err != nil {
			return "", false, err
		}
	}
	if changed {
		if err := s.afterSettled(ctx, tx, actor, x, a); err != nil {
			return "", false, err
		}
	}
	if !a.to.Open() {
		if err := tx.AddReceipts(ctx, x.ID, a.receipts, a.set.At); err != nil {
			return "", false, err
		}
	}
	if err := s.followDevice(ctx, tx, x, a, changed, recovered); err != nil {
		return "", false, err
	}
	if changed {
		detail := map[string]any{"reason": string(a.set.Reason), "provider_code": a.set.ProviderCode, "provider_ref": a.set.ProviderRef, "by": op}
		if x.Status == domain.TxFailed || x.Status == domain.TxDeclined {
			detail["was"] = string(x.Status)
		}
		if !x.DeviceID.IsZero() {
			detail["device"] = x.DeviceID.String()
		}
		if a.set.Recovered {
			detail["recovered"] = true
		}
		maps.Copy(detail, a.detail)
		tx.Audit(s.entry(actor, x, "settled", string(a.to), detail))
		return a.to, true, nil
	}
	now, err := tx.Transaction(ctx, x.ID)
	return now.Status, false, err
}

// question is what a status question is called beside the operations.
const question = "status"

// Resolved is what a status question led to.
type Resolved struct {
	Status domain.TransactionStatus
	// Again is when to ask again; zero when the outcome is known or a person
	// has taken over.
	Again time.Duration
}

// Resolve asks the provider for the truth about a transaction whose outcome is
// open and settles it when the answer is final. It never sends money. The job
// calls it as the system; Check calls it for a person.
func (s *Service) Resolve(ctx context.Context, m domain.MerchantID, id domain.TransactionID) (Resolved, error) {
	return s.resolve(ctx, domain.Actor{MerchantID: m}, id)
}

func (s *Service) resolve(ctx context.Context, actor domain.Actor, id domain.TransactionID) (Resolved, error) {
	var x, sale domain.Transaction
	var l link
	var unusable error
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if x, err = tx.Transaction(ctx, id); err != nil || !x.Status.Open() && !s.lateOnTerminal(x) {
			return err
		}
		if !x.Type.Begins() {
			txs, err := tx.Transactions(ctx, x.PaymentID)
			if err != nil {
				return err
			}
			sale, _ = domain.Root(txs)
		}
		conn, err := tx.Connection(ctx, x.ConnectionID)
		if err != nil {
			return err
		}
		if l, err = s.link(ctx, tx, conn); domain.CodeOf(err) == domain.Unavailable {
			unusable, err = err, nil
		}
		return err
	})
	late := s.lateOnTerminal(x)
	if err != nil || !x.Status.Open() && (!late || unusable != nil) {
		return Resolved{Status: x.Status}, err
	}
	if unusable != nil {
		s.Log.ErrorContext(ctx, "a connection cannot be used, its open outcomes cannot be asked for", "connection", x.ConnectionID.String(), "transaction", x.ID.String(), "error", unusable)
		return s.noAnswer(ctx, actor, x, "the connection cannot be used", nil)
	}
	a, final, running := s.askResult(ctx, l, x)
	switch {
	case final:
		status, err := s.settleAnswered(ctx, actor, x, a)
		return Resolved{Status: status}, err
	case running && !late:
		if err := s.notePhase(ctx, x, domain.PhaseCard); err != nil {
			return Resolved{}, err
		}
		if x.Type == domain.Register {
			// It carries no reference of ours: there is nothing else to ask by.
			return s.wait(ctx, actor, x, "not final", nil, false, nil)
		}
	}
	finder, can := l.provider.(providers.StatusFinder)
	if late && (running || !can) {
		return Resolved{Status: x.Status, Again: lateEvery}, nil
	}
	if !can {
		return s.noAnswer(ctx, actor, x, "the provider offers no status question", nil)
	}
	callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	failpoint.Hit(question, failpoint.Asking)
	res, err := finder.FindStatus(callCtx, lookup(x, sale))
	failpoint.Hit(question, failpoint.Told)
	cancel()
	if late && (err != nil || res.Outcome != providers.Approved) {
		return Resolved{Status: x.Status, Again: lateEvery}, nil
	}
	if err != nil {
		// A question that failed tells nothing about the money.
		var raw []byte
		outcome := "no answer to the status question"
		if e, ok := providers.AsError(err); ok {
			raw, outcome = e.Raw, "status question: "+string(e.Kind)
		}
		s.Log.WarnContext(ctx, "status question failed", "provider", l.reg.Name, "transaction", x.ID.String(), "error", err)
		return s.noAnswer(ctx, actor, x, outcome, raw)
	}
	switch res.Outcome {
	case providers.Approved, providers.Declined:
		status, err := s.settleAnswered(ctx, actor, x, s.translate(l, x, res, nil, s.now()))
		return Resolved{Status: status}, err
	}
	if err := s.notePhase(ctx, x, phaseOf(x, res, running)); err != nil {
		return Resolved{}, err
	}
	if res.Outcome == providers.Absent {
		return s.absent(ctx, actor, x, l, res)
	}
	return s.notFinal(ctx, actor, x, res)
}

// settleAnswered settles x with the final answer to a question.
func (s *Service) settleAnswered(ctx context.Context, actor domain.Actor, x domain.Transaction, a answer) (domain.TransactionStatus, error) {
	var status domain.TransactionStatus
	err := s.write(ctx, x.MerchantID, settling, question, func(tx *store.Tx) error {
		var err error
		if status, err = s.settle(ctx, tx, actor, x, a, question); err != nil {
			return err
		}
		return tx.NoteAsk(ctx, x.ID, a.set.At, askPersonAt(status, a.set.At), false)
	})
	return status, err
}

// absent judges "the provider does not know it": a verdict only after the
// provider's own window and in as many asks as its rule wants.
func (s *Service) absent(ctx context.Context, actor domain.Actor, x domain.Transaction, l link, res providers.Result) (Resolved, error) {
	now := s.now()
	// What the provider told of did arrive there; it is asked by a reference that
	// it need not know.
	counts := !x.Told() && !now.Before(x.LastSendAt.Add(l.reg.Absence.After))
	if !counts && x.OnTerminal() {
		// So it is with every payment until the card is read: nothing to keep.
		res.Raw = nil
	}
	if !counts || x.Absent+1 < l.reg.Absence.Asks {
		return s.wait(ctx, actor, x, "not known there", res.Raw, counts, saidOf(res, now))
	}
	a := answer{to: domain.TxFailed, outcome: "never charged", raw: res.Raw,
		set: store.Settlement{To: domain.TxFailed, Reason: domain.ReasonNeverArrived, ProviderCode: res.Code, ProviderText: res.Text, At: now, Said: saidOf(res, now)}}
	var status domain.TransactionStatus
	err := s.write(ctx, x.MerchantID, settling, question, func(tx *store.Tx) error {
		var err error
		if status, err = s.settle(ctx, tx, actor, x, a, question); err != nil {
			return err
		}
		return tx.NoteAsk(ctx, x.ID, now, time.Time{}, true)
	})
	if x.OnTerminal() && status == domain.TxFailed {
		return Resolved{Status: status, Again: lateEvery}, err
	}
	return Resolved{Status: status}, err
}

// notFinal keeps a transaction open that the provider knows but has not ended.
func (s *Service) notFinal(ctx context.Context, actor domain.Actor, x domain.Transaction, res providers.Result) (Resolved, error) {
	now := s.now()
	if res.ProviderRef == "" && res.RedirectURL == "" || x.Status == domain.TxNeedsPerson {
		return s.wait(ctx, actor, x, "not final", nil, false, saidOf(res, now))
	}
	if !now.Before(GivesUpAt(x)) {
		return s.giveUp(ctx, actor, x)
	}
	again := askDelay(x, now.Sub(x.CreatedAt))
	err := s.write(ctx, x.MerchantID, settling, question, func(tx *store.Tx) error {
		if x.Status == domain.TxProcessing && x.ProviderRef != "" {
			if err := tx.NoteSaid(ctx, x.ID, *saidOf(res, now)); err != nil {
				return err
			}
			return tx.NoteAsk(ctx, x.ID, now, now.Add(again), false)
		}
		a := answer{to: domain.TxProcessing, outcome: "not final", raw: res.Raw, set: store.Settlement{To: domain.TxProcessing, ProviderRef: res.ProviderRef,
			ProviderCode: res.Code, ProviderText: res.Text, RedirectURL: res.RedirectURL, NextAskAt: now.Add(again), At: now, Said: saidOf(res, now)}}
		if _, err := s.settle(ctx, tx, actor, x, a, question); err != nil {
			return err
		}
		return tx.NoteAsk(ctx, x.ID, now, now.Add(again), false)
	})
	return Resolved{Status: domain.TxProcessing, Again: again}, err
}

// noAnswer is wait for a question that was not answered.
func (s *Service) noAnswer(ctx context.Context, actor domain.Actor, x domain.Transaction, outcome string, raw []byte) (Resolved, error) {
	return s.wait(ctx, actor, x, outcome, raw, false, nil)
}

// wait notes the question and plans the next one. A transaction that is still
// "pending" after its request can have left is a process that died between two
// lines: from then on its outcome is unknown. At GivesUpAt a person takes over.
func (s *Service) wait(ctx context.Context, actor domain.Actor, x domain.Transaction, outcome string, raw []byte, absent bool, said *domain.Said) (Resolved, error) {
	now := s.now()
	if said != nil {
		said.Op = question
	}
	age := now.Sub(x.CreatedAt)
	if !now.Before(GivesUpAt(x)) && x.Status.Asking() {
		return s.giveUp(ctx, actor, x)
	}
	again := askDelay(x, age)
	next := now.Add(again)
	status := x.Status
	if !x.Status.Asking() {
		again, next = 0, now.Add(AskPersonEvery)
	}
	err := s.write(ctx, x.MerchantID, settling, question, func(tx *store.Tx) error {
		if x.Status == domain.TxPending && now.After(x.LastSendAt) {
			var err error
			status, err = s.settle(ctx, tx, actor, x, answer{to: domain.TxUnknown, outcome: outcome, raw: raw,
				set: store.Settlement{To: domain.TxUnknown, NextAskAt: next, At: now, Said: said}}, question)
			if err != nil {
				return err
			}
			return tx.NoteAsk(ctx, x.ID, now, next, absent)
		}
		if err := tx.NoteAsk(ctx, x.ID, now, next, absent); err != nil {
			return err
		}
		if said != nil {
			if err := tx.NoteSaid(ctx, x.ID, *said); err != nil {
				return err
			}
		}
		if len(raw) == 0 {
			return nil
		}
		return tx.AddMessage(ctx, store.Message{TransactionID: x.ID, At: now, Op: question, Outcome: outcome, Body: string(raw)})
	})
	return Resolved{Status: status, Again: again}, err
}

// giveUp hands an outcome that stayed open until GivesUpAt to a person.
func (s *Service) giveUp(ctx context.Context, actor domain.Actor, x domain.Transaction) (Resolved, error) {
	now := s.now()
	status := domain.TxNeedsPerson
	err := s.write(ctx, x.MerchantID, settling, question, func(tx *store.Tx) error {
		var err error
		status, err = s.settle(ctx, tx, actor, x, answer{to: domain.TxNeedsPerson, outcome: "no outcome in time",
			set: store.Settlement{To: domain.TxNeedsPerson, At: now, NextAskAt: now.Add(AskPersonEvery)}}, question)
		if err != nil {
			return err
		}
		return tx.NoteAsk(ctx, x.ID, now, now.Add(AskPersonEvery), false)
	})
	return Resolved{Status: status}, err
}

// Check asks the provider now, for a person who does not want to wait. It needs
// payments:check and sends no money. It returns the payment's status words via
// the page; NotFound when the payment is not the merchant's.
func (s *Service) Check(ctx context.Context, actor domain.Actor, id domain.PaymentID) error {
	if err := actor.Require(domain.PaymentsCheck); err != nil {
		return err
	}
	var open []domain.TransactionID
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if _, err := tx.Payment(ctx, id); err != nil {
			return err
		}
		txs, err := tx.Transactions(ctx, id)
		for _, x := range txs {
			// A second press right after the first would learn nothing new, and two
			// answers "not known" are only worth two when time lies between them.
			if x.Status.Open() && s.now().Sub(x.LastAskedAt) >= checkEvery {
				open = append(open, x.ID)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range open {
		_, err := s.resolve(ctx, actor, x)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
