package devices

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// The patience of a command.
const (
	// firstFollow is when the terminal is asked for a sign of life after a command.
	firstFollow = 5 * time.Second
	// FollowFor is how long a sign of life may take to confirm a command, CheckFor
	// how long a check may take.
	FollowFor = 10 * time.Minute
	CheckFor  = 2 * time.Minute
	// lostAfter is when a command that was being sent counts as lost.
	lostAfter = 2 * time.Minute
	// queuedTooLong is when a job that should have sent a command is put back.
	queuedTooLong = 5 * time.Minute
	// settleTimeout bounds the writing down of an answer.
	settleTimeout = 10 * time.Second
)

// asker is who a command's later events are written for: its maker.
func asker(m domain.MerchantID, k domain.DeviceCommand) domain.Actor {
	return domain.Actor{MerchantID: m, UserID: k.CreatedBy, Name: k.CreatedName}
}

// sending is a command that is held.
type sending struct{ domain.DeviceCommand }

func (k *sending) end(status domain.CommandStatus, why string, at time.Time) {
	k.Status, k.Why, k.EndedAt = status, why, at
}

// hold locks a command and its terminal, the terminal first.
func (s *Service) hold(ctx context.Context, tx *store.Tx, id domain.CommandID) (domain.Device, sending, error) {
	k, err := tx.Command(ctx, id)
	if err != nil {
		return domain.Device{}, sending{}, err
	}
	d, err := tx.LockDevice(ctx, k.DeviceID)
	if err != nil {
		return d, sending{}, err
	}
	k, err = tx.LockCommand(ctx, id)
	return d, sending{k}, err
}

// Send sends a queued command, once: it is marked as being sent before anything
// leaves, so that a second run finds nothing to do. A positive time says when a
// check is to be tried again whose provider asked for patience.
func (s *Service) Send(ctx context.Context, m domain.MerchantID, id domain.CommandID) (time.Duration, error) {
	var d domain.Device
	var k sending
	var l link
	var receipt string
	ready := false
	err := s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		var err error
		if d, k, err = s.hold(ctx, tx, id); err != nil || k.Status != domain.CommandQueued {
			return err
		}
		if l, err = s.linkOf(ctx, tx, d.ConnectionID); err != nil {
			return err
		}
		why, _ := s.judge(l, d, k.DeviceCommand)
		if why == "" {
			why = breaksOff(d, k.DeviceCommand)
		}
		switch {
		case why != "":
		case k.Name == domain.CommandStop && (d.Running.IsZero() || d.RunningPayment != k.PaymentID):
			why = "The payment no longer runs on this terminal, so there is nothing to stop."
		case k.Name == domain.CommandPrint:
			if _, receipt, err = tx.Receipt(ctx, k.PaymentID, k.Text); err != nil && domain.CodeOf(err) != domain.NotFound {
				return err
			} else if err != nil {
				why = domain.MessageOf(err)
			}
		}
		now := s.now()
		if why != "" {
			k.end(domain.CommandRefused, why, now)
			tx.Audit(s.entry(asker(m, k.DeviceCommand), d, k.DeviceCommand, "settled"))
			return tx.SaveCommand(ctx, k.DeviceCommand)
		}
		k.Status, k.SentAt = domain.CommandSending, now
		ready = true
		return tx.SaveCommand(ctx, k.DeviceCommand)
	})
	if err != nil || !ready {
		return 0, err
	}
	var start providers.TerminalStart
	var told *heard
	switch op, isOperation := operations[k.Name]; {
	case k.Name == domain.CommandPing && l.how(d.Virtual) == byCheck:
		h := s.ask(ctx, l, d)
		if h.err == nil {
			told = &h
		}
		err = h.err
	case k.Name == domain.CommandPing:
		start, err = l.start(ctx, d, providers.OpPing, "")
	case isOperation:
		start, err = l.start(ctx, d, op, receipt)
	default:
		commander, _ := providers.As[providers.DeviceCommander](l.provider)
		callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
		err = commander.CommandDevice(callCtx, ref(d), providers.DeviceCommand{Name: string(k.Name), On: k.On, Text: k.Text, Low: k.Low, High: k.High})
		cancel()
	}
	// The answer is written down even while the house is closing.
	writeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return s.answered(writeCtx, m, id, l, start, told, err)
}

// answered writes down what a command's provider said.
func (s *Service) answered(ctx context.Context, m domain.MerchantID, id domain.CommandID, l link, start providers.TerminalStart, told *heard, fault error) (again time.Duration, err error) {
	err = s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		d, k, err := s.hold(ctx, tx, id)
		// The sweep may have given it up meanwhile; a late answer is better.
		if err != nil || k.Status != domain.CommandSending && k.Status != domain.CommandUnknown {
			return err
		}
		now := s.now()
		k.EndedAt = time.Time{}
		switch {
		case fault != nil:
			s.Log.WarnContext(ctx, "a terminal's command was not accepted", "command", k.ID.String(), "name", string(k.Name), "error", fault)
			h := l.notHeard(fault)
			k.Code = h.code
			if e, ok := providers.AsError(fault); ok {
				k.Said = e.Text
			}
			if h.reach != domain.ReachUnknown || k.Name == domain.CommandPing {
				h.apply(&d, now)
				if err := tx.SaveDevice(ctx, d, now); err != nil {
					return err
				}
			}
			e, _ := providers.AsError(fault)
			switch {
			case h.later && k.Name == domain.CommandPing && now.Sub(k.CreatedAt) < FollowFor:
				// A question may be put again; anything else is not.
				again = later(now.Sub(k.CreatedAt), h.wait)
				k.Status, k.SentAt, k.Why = domain.CommandQueued, time.Time{}, h.said+" It is asked again by itself."
				return tx.SaveCommand(ctx, k.DeviceCommand)
			case e != nil && (e.NotDone || h.later):
				k.end(domain.CommandRefused, h.said, now)
			case k.Name == domain.CommandPing:
				k.end(domain.CommandUnconfirmed, h.said, now)
			default:
				k.end(domain.CommandUnknown, "No certain answer came, so it may have been carried out. It is not sent again.", now)
			}
		case told != nil:
			told.apply(&d, now)
			if err := tx.SaveDevice(ctx, d, now); err != nil {
				return err
			}
			k.Code = told.code
			if told.alive {
				at, err := s.clock(ctx, tx, now)
				if err != nil {
					return err
				}
				k.end(domain.CommandConfirmed, fmt.Sprintf("The terminal was connected at %s.", at), now)
			} else {
				k.end(domain.CommandRefused, told.said, now)
			}
		default:
			k.Status, k.ResultRef, k.Said = domain.CommandSent, start.ResultRef, start.Said
			wait := firstFollow
			if ownResult(k.Name) || k.Name == domain.CommandStop {
				wait = askEvery
			}
			if err := tx.Enqueue(ctx, args.FollowDeviceCommand{MerchantID: m, CommandID: id}, now.Add(wait)); err != nil {
				return err
			}
		}
		tx.Audit(s.entry(asker(m, k.DeviceCommand), d, k.DeviceCommand, "settled"))
		return tx.SaveCommand(ctx, k.DeviceCommand)
	})
	return again, err
}

// later is when a question is put again whose provider asked for patience, by
// how long it has been tried.
func later(tried, asked time.Duration) time.Duration {
	wait := 15 * time.Second
	for wait < tried && wait < 4*time.Minute {
		wait *= 2
	}
	return max(wait, asked)
}

// clock is a time of day as the merchant's clocks show it.
func (s *Service) clock(ctx context.Context, tx *store.Tx, at time.Time) (string, error) {
	m, err := tx.MerchantRow(ctx)
	if err != nil {
		return "", err
	}
	return at.In(m.Location()).Format("15:04"), nil
}

// ownResult says that a command's own result tells how it ended.
func ownResult(name domain.DeviceCommandName) bool {
	return name == domain.CommandPing || name == domain.CommandPrint || name == domain.CommandUpdate
}

// Follow looks for what confirms a command that was accepted: its own result,
// the end of the payment that it stops, or a sign of life of the terminal. A
// positive time says when to look again.
func (s *Service) Follow(ctx context.Context, m domain.MerchantID, id domain.CommandID) (time.Duration, error) {
	var d domain.Device
	var k domain.DeviceCommand
	var l link
	running := false
	err := s.Store.ReadTenant(ctx, m, func(tx *store.Tx) error {
		var err error
		if k, err = tx.Command(ctx, id); err != nil || k.Status != domain.CommandSent {
			return err
		}
		if d, err = tx.Device(ctx, k.DeviceID); err != nil {
			return err
		}
		if k.Name == domain.CommandStop {
			txs, err := tx.Transactions(ctx, k.PaymentID)
			for _, x := range txs {
				running = running || x.Status.Open() && (x.ID == d.Running || x.DeviceID == d.ID)
			}
			return err
		}
		l, err = s.linkOf(ctx, tx, d.ConnectionID)
		return err
	})
	if err != nil || k.Status != domain.CommandSent {
		return 0, err
	}
	age := s.now().Sub(k.SentAt)
	again := 2 * time.Second
	if age > time.Minute {
		again = 15 * time.Second
	}
	patience := FollowFor
	if k.Name == domain.CommandPing {
		patience = CheckFor
	}
	late := age >= patience
	switch {
	case k.Name == domain.CommandStop:
		if !running {
			return 0, s.followed(ctx, m, id, domain.CommandConfirmed, nil, "The terminal has ended the payment. Its page says how.")
		}
		if late {
			return 0, s.followed(ctx, m, id, domain.CommandUnconfirmed, nil, "The payment has not ended since.")
		}
		return again, nil
	case ownResult(k.Name):
		res, done, err := l.result(ctx, k.ResultRef)
		if err != nil {
			s.Log.WarnContext(ctx, "a command's result cannot be asked for", "command", k.ID.String(), "error", err)
		}
		if !done {
			if !late {
				return again, nil
			}
			h := heard{reach: domain.ReachOffline, code: codeNoAnswer, said: "It took a check and did not answer it."}
			if k.Name != domain.CommandPing {
				return 0, s.followed(ctx, m, id, domain.CommandUnconfirmed, nil, "The terminal has not said within 10 minutes what became of it.")
			}
			return 0, s.followed(ctx, m, id, domain.CommandUnconfirmed, &h, "The terminal took the check and has not answered within 2 minutes.")
		}
		h := heard{alive: true, report: res.Report, code: res.Code}
		switch {
		case k.Name == domain.CommandPing:
			return 0, s.followed(ctx, m, id, domain.CommandConfirmed, &h, "The terminal answered at %s.")
		case k.Name == domain.CommandPrint && res.Outcome == providers.Approved:
			return 0, s.followed(ctx, m, id, domain.CommandConfirmed, &h, "The terminal said at %s that it was printed.")
		case res.Outcome == providers.Declined:
			return 0, s.followed(ctx, m, id, domain.CommandRefused, &h, "The terminal said at %s that it did not do it.")
		}
		return 0, s.followed(ctx, m, id, domain.CommandConfirmed, &h, sentAnswered(l))
	}
	h := s.ask(ctx, l, d)
	if h.alive {
		return 0, s.followed(ctx, m, id, domain.CommandConfirmed, &h, sentAnswered(l))
	}
	if late {
		return 0, s.followed(ctx, m, id, domain.CommandUnconfirmed, &h, "It was accepted, and the terminal has not answered within 10 minutes. Nobody knows whether it carried the command out.")
	}
	return max(15*time.Second, h.wait), s.followed(ctx, m, id, domain.CommandSent, &h, k.Why)
}

func sentAnswered(l link) string {
	return "The terminal has answered since, at %s. " + l.label() + " does not tell whether it carried the command out."
}

// followed writes down what following a command up told. A status of
// domain.CommandSent leaves it open and notes what was learned of the terminal.
// A why with %s gets the time of day.
func (s *Service) followed(ctx context.Context, m domain.MerchantID, id domain.CommandID, status domain.CommandStatus, h *heard, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		d, k, err := s.hold(ctx, tx, id)
		if err != nil || k.Status != domain.CommandSent {
			return err
		}
		now := s.now()
		if h != nil {
			h.apply(&d, now)
			if err := tx.SaveDevice(ctx, d, now); err != nil {
				return err
			}
		}
		if status == domain.CommandSent {
			return nil
		}
		if h != nil && h.alive && strings.Contains(why, "%s") {
			at, err := s.clock(ctx, tx, now)
			if err != nil {
				return err
			}
			why = fmt.Sprintf(why, at)
		}
		if h != nil && h.code != "" {
			k.Code = h.code
		}
		k.end(status, why, now)
		tx.Audit(s.entry(asker(m, k.DeviceCommand), d, k.DeviceCommand, "settled"))
		return tx.SaveCommand(ctx, k.DeviceCommand)
	})
}

// Sweep is the net under the jobs: a command that was being sent when its
// process died has an unknown end, since it may have left, and a job that was
// lost is put back.
func (s *Service) Sweep(ctx context.Context, m domain.MerchantID) error {
	var late []domain.DeviceCommand
	err := s.Store.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
		late, err = tx.LateCommands(ctx, s.now().Add(-lostAfter), 200)
		return err
	})
	if err != nil {
		return err
	}
	for _, one := range late {
		err := s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
			d, k, err := s.hold(ctx, tx, one.ID)
			if err != nil {
				return err
			}
			now := s.now()
			switch {
			case k.Status == domain.CommandSending && now.Sub(k.SentAt) >= lostAfter:
				k.end(domain.CommandUnknown, "Counterfoil was interrupted while it was being sent, so it may have been carried out. It is not sent again.", now)
				tx.Audit(s.entry(asker(m, k.DeviceCommand), d, k.DeviceCommand, "settled"))
				return tx.SaveCommand(ctx, k.DeviceCommand)
			case k.Status == domain.CommandQueued && now.Sub(k.CreatedAt) >= queuedTooLong:
				return tx.Enqueue(ctx, args.SendDeviceCommand{MerchantID: m, CommandID: k.ID}, now)
			case k.Status == domain.CommandSent && now.Sub(k.SentAt) >= queuedTooLong:
				return tx.Enqueue(ctx, args.FollowDeviceCommand{MerchantID: m, CommandID: k.ID}, now)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
