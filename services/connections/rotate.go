package connections

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// Rotate puts new credentials beside those in use, the first step of replacing
// them. A credential that is left empty stays as it is. It needs
// connections:manage and leaves one audit row; the caller has asked for the
// password. Invalid names the values that are refused, Conflict says which
// rotation is still under way.
func (s *Service) Rotate(ctx context.Context, actor domain.Actor, id domain.ConnectionID, secrets map[string]string) error {
	if err := actor.Require(domain.ConnectionsManage); err != nil {
		return err
	}
	secrets = trimAll(secrets)
	return s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		reg, ok := s.Registry.Get(st.Provider)
		if !ok {
			return domain.Errorf(domain.Unavailable, "This copy of Counterfoil does not know the system %q.", st.Provider)
		}
		rows, err := tx.SecretRows(ctx, id)
		if err != nil {
			return err
		}
		switch rotationOf(st, rows) {
		case Beside, Confirmed:
			return domain.Errorf(domain.Conflict, "New credentials are kept beside these already. Switch to them or cancel, then start again.")
		case Switched:
			return domain.Errorf(domain.Conflict, "The credentials of before are not retired yet. Retire them, then start again.")
		}
		fields, replaced := map[string]string{}, []string{}
		for _, f := range reg.Fields {
			if !f.Secret {
				continue
			}
			if why := s.checkField(reg, st.Mode, f, secrets[f.Name]); why != "" {
				fields[f.Name] = why
			}
			if secrets[f.Name] != "" {
				replaced = append(replaced, f.Name)
			}
		}
		for name := range secrets {
			if !slices.Contains(reg.Secrets(), name) {
				fields[name] = reg.Label + " has no such credential."
			}
		}
		if len(replaced) == 0 && len(fields) == 0 {
			if names := reg.Secrets(); len(names) > 0 {
				fields[names[0]] = "Enter at least one new credential."
			}
		}
		if len(fields) > 0 {
			return domain.InvalidFields(fields)
		}
		now, err := s.open(st.Connection, rows, store.SlotCurrent)
		if err != nil {
			return err
		}
		next := map[string]string{}
		for _, f := range reg.Secrets() {
			if next[f] = secrets[f]; next[f] == "" {
				next[f] = now[f]
			}
		}
		if _, err := reg.New(providers.Config{BaseURL: st.BaseURL, Settings: st.Settings, Secrets: next, Now: s.Now}); err != nil {
			return notAccepted(reg, err)
		}
		if err := s.put(ctx, tx, store.SlotNext, id, secrets, at); err != nil {
			return err
		}
		// What stays goes along as it was sealed, with its own date.
		for _, r := range rows {
			if r.Slot == store.SlotCurrent && secrets[r.Field] == "" {
				if err := tx.PutSecretIn(ctx, store.SlotNext, id, r.Field, r.Sealed, r.Last4, r.SetAt); err != nil {
					return err
				}
			}
		}
		e := entry(at, actor, "connection.rotation.started", st.Connection, "ok")
		e.Detail["credentials"] = replaced
		tx.Audit(e)
		return nil
	})
}

// Confirm is the second step: the provider is asked with the new credentials.
// Where a system has no question to ask, a person confirms that the credentials
// were checked there (byHand). A refusal is a Verdict and leaves everything as
// it is. It needs connections:manage and leaves one audit row.
func (s *Service) Confirm(ctx context.Context, actor domain.Actor, id domain.ConnectionID, byHand bool) (Verdict, error) {
	if err := actor.Require(domain.ConnectionsManage); err != nil {
		return Verdict{}, err
	}
	st, rows, err := s.read(ctx, actor.MerchantID, id)
	switch {
	case err != nil:
		return Verdict{}, err
	case st.Removed():
		return Verdict{}, errRemoved
	}
	switch rotationOf(st, rows) {
	case Confirmed:
		return Verdict{OK: true, At: st.NextConfirmedAt}, nil
	case Beside:
	default:
		return Verdict{}, domain.Errorf(domain.Conflict, "There are no new credentials to confirm.")
	}
	asked := s.shown(st, rows, nil).CanTest()
	var v Verdict
	switch {
	case asked:
		if v, err = s.ask(ctx, st, rows, store.SlotNext); err != nil {
			return v, err
		}
	case byHand:
		v = Verdict{OK: true, At: s.now(), Meaning: "Confirmed by hand."}
	default:
		return v, domain.InvalidFields(map[string]string{"checked": "Tick that you have checked them: this system cannot be asked."})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	settings := st.Settings
	err = s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		now, err := tx.SecretRows(ctx, id)
		if err != nil {
			return err
		}
		// What was asked with must be what is confirmed.
		if !sameSet(rows, now, store.SlotNext) || !maps.Equal(settings, st.Settings) {
			return domain.Errorf(domain.Conflict, "The new credentials were changed meanwhile. Look at them, then confirm again.")
		}
		e := entry(at, actor, "connection.rotation.confirmed", st.Connection, result(v))
		e.Detail["by"] = map[bool]string{true: "test", false: "person"}[asked]
		tx.Audit(e)
		if !v.OK {
			return nil
		}
		return tx.ConfirmNext(ctx, id, at)
	})
	return v, err
}

func sameSet(a, b []store.SecretRow, slot store.Slot) bool {
	set := func(rows []store.SecretRow) map[string]string {
		out := map[string]string{}
		for _, r := range rows {
			if r.Slot == slot {
				out[r.Field] = string(r.Sealed)
			}
		}
		return out
	}
	return maps.Equal(set(a), set(b))
}

// Switch is the third step: the confirmed credentials are in use from now on,
// and those of before still prove callbacks. All of it happens or none. It needs
// connections:manage and leaves one audit row; Conflict when nothing is
// confirmed.
func (s *Service) Switch(ctx context.Context, actor domain.Actor, id domain.ConnectionID) error {
	return s.step(ctx, actor, id, "connection.rotation.switched", func(tx *store.Tx, st store.ConnectionState, r Rotation) error {
		switch r {
		case Switched:
			return errDone
		case Beside:
			return domain.Errorf(domain.Conflict, "The new credentials are not confirmed yet. Confirm them first.")
		case NotRotating:
			return domain.Errorf(domain.Conflict, "There are no new credentials to switch to.")
		}
		if err := tx.SwitchSecrets(ctx, id); err != nil {
			return err
		}
		return tx.SaveTest(ctx, id, st.NextConfirmedAt, true, "", "The credentials in use were confirmed before they were switched to.")
	})
}

// CancelRotation forgets the new credentials; those in use stay. It needs
// connections:manage and leaves one audit row.
func (s *Service) CancelRotation(ctx context.Context, actor domain.Actor, id domain.ConnectionID) error {
	return s.step(ctx, actor, id, "connection.rotation.cancelled", func(tx *store.Tx, _ store.ConnectionState, r Rotation) error {
		switch r {
		case NotRotating:
			return errDone
		case Switched:
			return domain.Errorf(domain.Conflict, "The new credentials are in use already. They can only be replaced by others.")
		}
		return tx.DropSecrets(ctx, id, store.SlotNext)
	})
}

// Retire is the last step: the credentials of before are deleted and prove
// nothing any more. It needs connections:manage and leaves one audit row.
func (s *Service) Retire(ctx context.Context, actor domain.Actor, id domain.ConnectionID) error {
	return s.step(ctx, actor, id, "connection.rotation.retired", func(tx *store.Tx, _ store.ConnectionState, r Rotation) error {
		switch r {
		case NotRotating:
			return errDone
		case Beside, Confirmed:
			return domain.Errorf(domain.Conflict, "Switch to the new credentials first, or cancel.")
		}
		return tx.DropSecrets(ctx, id, store.SlotPrevious)
	})
}

// errDone says that a step was taken before: the form was sent twice.
var errDone = errors.New("connections: done before")

func (s *Service) step(ctx context.Context, actor domain.Actor, id domain.ConnectionID, action string, f func(*store.Tx, store.ConnectionState, Rotation) error) error {
	err := s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		rows, err := tx.SecretRows(ctx, id)
		if err != nil {
			return err
		}
		if err := f(tx, st, rotationOf(st, rows)); err != nil {
			return err
		}
		tx.Audit(entry(at, actor, action, st.Connection, "ok"))
		return nil
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}
