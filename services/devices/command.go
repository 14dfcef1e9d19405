package devices

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// MaxCommanded is how many terminals one press may be for.
const MaxCommanded = 50

// answeredWithin is how old a check may be that shows that a terminal takes
// commands from afar.
const answeredWithin = 24 * time.Hour

// Commands lists what a form offers, in its order. What prints a receipt or stops
// a payment belongs to a payment and is not among them.
var Commands = []domain.DeviceCommandName{domain.CommandPing, domain.CommandReboot, domain.CommandUpdate, domain.CommandLocale, domain.CommandBrightness,
	domain.CommandUnattended, domain.CommandPassword, domain.CommandRebootHour}

// operations are the commands that run as an operation on the terminal.
var operations = map[domain.DeviceCommandName]providers.TerminalOp{
	domain.CommandUpdate: providers.OpUpdate, domain.CommandPrint: providers.OpPrint, domain.CommandStop: providers.OpStop,
}

var localeShape = regexp.MustCompile(`^[a-z]{2}_[A-Z]{2}$`)

// values checks what a command is sent with; nil: it is right. What the command
// does not take is left out.
func (in *CommandInput) values() map[string]string {
	clean := CommandInput{Key: in.Key, Devices: in.Devices, Name: in.Name}
	fields := map[string]string{}
	switch in.Name {
	case domain.CommandUnattended, domain.CommandPassword, domain.CommandReboot:
		clean.On = in.On
	case domain.CommandLocale:
		if clean.Text = in.Text; !localeShape.MatchString(in.Text) {
			fields["text"] = "Write it as two small letters, an underscore and two capital letters, for example en_US."
		}
	case domain.CommandBrightness:
		clean.Low, clean.High = in.Low, in.High
		if in.Low < 0 || in.Low > 100 {
			fields["low"] = "From 0 to 100 percent."
		}
		if in.High < 0 || in.High > 100 {
			fields["high"] = "From 0 to 100 percent."
		} else if in.High < in.Low {
			fields["high"] = "Not below the lowest brightness."
		}
	case domain.CommandRebootHour:
		if clean.Low = in.Low; in.Low < 0 || in.Low > 23 {
			fields["low"] = "An hour from 0 to 23."
		}
	}
	if !slices.Contains(Commands, in.Name) {
		fields["name"] = "Choose a command."
	}
	switch n := len(in.Devices); {
	case n == 0:
		fields["devices"] = "Choose a terminal."
	case n > MaxCommanded:
		fields["devices"] = fmt.Sprintf("At most %d terminals at once.", MaxCommanded)
	}
	*in = clean
	return fields
}

// judge says why a command cannot be sent to a terminal, or what makes it
// doubtful. It knows nothing of a payment that runs there; see breaksOff.
func (s *Service) judge(l link, d domain.Device, k domain.DeviceCommand) (why, hint string) {
	op, isOperation := operations[k.Name]
	switch {
	case d.Removed():
		return l.label() + " lists this terminal no more.", ""
	case l.unusable != nil:
		return domain.MessageOf(l.unusable), ""
	case k.Name == domain.CommandPing && d.Virtual:
		return "A virtual terminal has nothing that could answer.", ""
	case k.Name == domain.CommandPing && l.how(d.Virtual) == cannotAsk:
		return l.label() + " does not say whether a terminal is there.", ""
	case k.Name == domain.CommandPing:
		return "", ""
	case d.Virtual && k.Name != domain.CommandStop:
		return "A virtual terminal is no device that could do this.", ""
	case isOperation && l.operation(op, d.Virtual) == "":
		return l.label() + " does not offer this.", ""
	case isOperation:
		return "", ""
	}
	if _, ok := providers.As[providers.DeviceCommander](l.provider); !ok || !l.caps.Has(domain.CanCommandDevice) {
		return l.label() + " does not offer this.", ""
	}
	if adviser, ok := providers.As[providers.CommandAdviser](l.provider); ok {
		return adviser.CommandAdvice(string(k.Name), providers.CommandFacts{
			Live: l.conn.Mode == domain.Live, AppVersion: d.Report.AppVersion,
			Answered: !d.PingedAt.IsZero() && s.now().Sub(d.PingedAt) <= answeredWithin,
		})
	}
	return "", ""
}

// breaksOff says why a forced restart is not sent now; empty: nothing is known
// to run there.
func breaksOff(d domain.Device, k domain.DeviceCommand) string {
	switch {
	case k.Name != domain.CommandReboot || !k.On:
		return ""
	case !d.Running.IsZero():
		return "A payment runs on this terminal, and a forced restart would break it off. Wait until it has ended."
	case d.Reach == domain.ReachBusy:
		return "The terminal is busy, perhaps with a payment that a forced restart would break off. Check it again first."
	}
	return ""
}

// sheetOf names one press of one person: the same press again is the same sheet.
func sheetOf(actor domain.Actor, key string) domain.SheetID {
	return domain.SheetID{UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte("sheet "+actor.MerchantID.String()+" "+actor.UserID.String()+" "+key))}
}

// made says that these commands are what the press asks for.
func (in CommandInput) made(sent []domain.DeviceCommand) bool {
	return len(sent) == len(in.Devices) && !slices.ContainsFunc(sent, func(k domain.DeviceCommand) bool {
		return k.Name != in.Name || k.On != in.On || k.Text != in.Text || k.Low != in.Low || k.High != in.High || !slices.Contains(in.Devices, k.DeviceID)
	})
}

// Command sends a command to one terminal or several and gives the sheet with one
// row for each. It needs devices:command; a check alone devices:check. What
// cannot be sent is refused in its row, with the reason; the others are sent by a
// job, once. The same key of the same person sends nothing again; with another
// content it is a Duplicate. NotFound when
// one of the terminals is not the merchant's; Invalid with a sentence for each
// value.
func (s *Service) Command(ctx context.Context, actor domain.Actor, in CommandInput) (domain.SheetID, error) {
	need := domain.DevicesCommand
	if in.Name == domain.CommandPing {
		need = domain.DevicesCheck
	}
	if err := actor.Require(need); err != nil {
		return domain.SheetID{}, err
	}
	if _, err := uuid.Parse(in.Key); err != nil || len(in.Key) != 36 {
		return domain.SheetID{}, domain.Errorf(domain.Invalid, "This form is not complete. Open it again.")
	}
	var ids []domain.DeviceID
	for _, id := range in.Devices {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	in.Devices = ids
	if fields := in.values(); len(fields) > 0 {
		return domain.SheetID{}, domain.InvalidFields(fields)
	}
	sheet := sheetOf(actor, in.Key)
	now := s.now()
	err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if err := tx.LockName(ctx, "sheet "+sheet.String()); err != nil {
			return err
		}
		sent, err := tx.CommandsOfSheet(ctx, sheet)
		if err == nil && len(sent) > 0 && !in.made(sent) {
			err = domain.Errorf(domain.Duplicate, "This form was already used for something else. Nothing more was sent. Open a new form.")
		}
		if err != nil || len(sent) > 0 {
			return err
		}
		found, err := tx.DevicesByID(ctx, ids)
		if err != nil {
			return err
		}
		byID := map[domain.DeviceID]domain.Device{}
		for _, d := range found {
			byID[d.ID] = d
		}
		links := map[domain.ConnectionID]link{}
		for _, id := range ids {
			d, ok := byID[id]
			if !ok {
				return domain.Errorf(domain.NotFound, "There is no terminal with that id.")
			}
			l, bound := links[d.ConnectionID]
			if !bound {
				if l, err = s.linkOf(ctx, tx, d.ConnectionID); err != nil {
					return err
				}
				links[d.ConnectionID] = l
			}
			k := domain.DeviceCommand{ID: domain.NewCommandID(), SheetID: sheet, DeviceID: id, Name: in.Name, On: in.On, Text: in.Text, Low: in.Low, High: in.High,
				CreatedBy: actor.UserID, CreatedName: actor.Name, CreatedAt: now}
			if err := s.write(ctx, tx, actor, l, d, k); err != nil {
				return err
			}
		}
		return nil
	})
	return sheet, err
}

// write writes one command down, refused or with the job that sends it.
func (s *Service) write(ctx context.Context, tx *store.Tx, actor domain.Actor, l link, d domain.Device, k domain.DeviceCommand) error {
	why, hint := s.judge(l, d, k)
	if why == "" {
		why = breaksOff(d, k)
	}
	k.Status, k.Why = domain.CommandQueued, hint
	if why != "" {
		k.Status, k.Why, k.EndedAt = domain.CommandRefused, why, k.CreatedAt
	}
	if err := tx.InsertCommand(ctx, k); err != nil {
		return err
	}
	tx.Audit(s.entry(actor, d, k, "requested"))
	if k.Status == domain.CommandRefused {
		return nil
	}
	if err := tx.Notify(ctx, "device", d.ID.String()); err != nil {
		return err
	}
	return tx.Enqueue(ctx, args.SendDeviceCommand{MerchantID: actor.MerchantID, CommandID: k.ID}, k.CreatedAt)
}

// entry is the audit row of a command's event.
func (s *Service) entry(actor domain.Actor, d domain.Device, k domain.DeviceCommand, event string) store.AuditEntry {
	detail := map[string]any{"command": k.ID.String(), "serial": d.Serial, "why": k.Why, "code": k.Code}
	switch k.Name {
	case domain.CommandUnattended, domain.CommandPassword:
		detail["on"] = k.On
	case domain.CommandReboot:
		detail["force"] = k.On
	case domain.CommandLocale:
		detail["locale"] = k.Text
	case domain.CommandBrightness:
		detail["low"], detail["high"] = k.Low, k.High
	case domain.CommandRebootHour:
		detail["hour"] = k.Low
	case domain.CommandPrint:
		detail["copy"], detail["payment"] = k.Text, k.PaymentID.String()
	case domain.CommandStop:
		detail["payment"] = k.PaymentID.String()
	}
	return store.AuditEntry{At: s.now(), Actor: actor, Action: "device." + string(k.Name) + "." + event, ObjectType: "device", ObjectID: d.ID.String(), Result: string(k.Status), Detail: detail}
}

// Sheet reads what one press did, a row for each terminal in the order in which
// they were chosen. It needs devices:read; NotFound when there is no such sheet.
func (s *Service) Sheet(ctx context.Context, actor domain.Actor, sheet domain.SheetID) ([]SheetRow, error) {
	if err := actor.Require(domain.DevicesRead); err != nil {
		return nil, err
	}
	var out []SheetRow
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		ks, err := tx.CommandsOfSheet(ctx, sheet)
		if err != nil {
			return err
		}
		if len(ks) == 0 {
			return domain.Errorf(domain.NotFound, "There is nothing here with that id.")
		}
		var ids []domain.DeviceID
		for _, k := range ks {
			ids = append(ids, k.DeviceID)
		}
		ds, err := tx.DevicesByID(ctx, ids)
		if err != nil {
			return err
		}
		byID := map[domain.DeviceID]domain.Device{}
		for _, d := range ds {
			byID[d.ID] = d
		}
		for _, k := range ks {
			out = append(out, SheetRow{Command: k, Device: byID[k.DeviceID]})
		}
		return nil
	})
	return out, err
}

// The copies of a receipt.
var copies = []string{"customer", "merchant"}

// Print prints a receipt that a terminal brought again, on a terminal of the
// payment's connection. It needs devices:check. NotFound when there is no such
// receipt or terminal; Conflict when the terminal cannot print it now. While the
// same copy waits to be printed there, nothing is sent again.
func (s *Service) Print(ctx context.Context, actor domain.Actor, payment domain.PaymentID, device domain.DeviceID, copy string) (domain.SheetID, error) {
	if err := actor.Require(domain.DevicesCheck); err != nil {
		return domain.SheetID{}, err
	}
	if !slices.Contains(copies, copy) {
		return domain.SheetID{}, domain.InvalidFields(map[string]string{"copy": "Choose whose copy it is."})
	}
	return s.forPayment(ctx, actor, payment, domain.CommandPrint, copy, func(tx *store.Tx, p domain.Payment) (domain.Device, error) {
		d, err := tx.LockDevice(ctx, device)
		if err != nil {
			return d, err
		}
		if d.ConnectionID != p.ConnectionID {
			return d, domain.Errorf(domain.Conflict, "This terminal belongs to another connection than the payment.")
		}
		_, _, err = tx.Receipt(ctx, payment, copy)
		return d, err
	})
}

// Stop asks a terminal to give up the payment that runs on it. It needs
// payments:take. The payment itself says how it ended. Conflict when no terminal
// runs it.
func (s *Service) Stop(ctx context.Context, actor domain.Actor, payment domain.PaymentID) (domain.SheetID, error) {
	if err := actor.Require(domain.PaymentsTake); err != nil {
		return domain.SheetID{}, err
	}
	return s.forPayment(ctx, actor, payment, domain.CommandStop, "", func(tx *store.Tx, _ domain.Payment) (domain.Device, error) {
		d, err := tx.DeviceRunning(ctx, payment)
		if domain.CodeOf(err) == domain.NotFound {
			return d, domain.Errorf(domain.Conflict, "No terminal runs this payment at the moment, so there is nothing to stop.")
		}
		if err != nil {
			return d, err
		}
		return tx.LockDevice(ctx, d.ID)
	})
}

func (s *Service) forPayment(ctx context.Context, actor domain.Actor, payment domain.PaymentID, name domain.DeviceCommandName, text string, find func(*store.Tx, domain.Payment) (domain.Device, error)) (domain.SheetID, error) {
	sheet := domain.NewSheetID()
	now := s.now()
	err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		p, err := tx.Payment(ctx, payment)
		if err != nil {
			return err
		}
		d, err := find(tx, p)
		if err != nil {
			return err
		}
		open, err := tx.OpenCommands(ctx, d.ID)
		if err != nil {
			return err
		}
		for _, k := range open {
			if k.Name == name && k.PaymentID == payment && k.Text == text {
				sheet = k.SheetID
				return nil
			}
		}
		l, err := s.linkOf(ctx, tx, d.ConnectionID)
		if err != nil {
			return err
		}
		k := domain.DeviceCommand{ID: domain.NewCommandID(), SheetID: sheet, DeviceID: d.ID, Name: name, Text: text, PaymentID: payment,
			CreatedBy: actor.UserID, CreatedName: actor.Name, CreatedAt: now}
		if why, _ := s.judge(l, d, k); why != "" {
			return domain.Errorf(domain.Conflict, "%s", why)
		}
		return s.write(ctx, tx, actor, l, d, k)
	})
	return sheet, err
}
