package connections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// State is a connection's state in one word of the pages.
type State string

// The states.
const (
	Active    State = "active"
	Paused    State = "paused"
	Attention State = "attention" // in use, but something is wrong with it
	Removed   State = "removed"
)

// Rotation is how far the replacing of a connection's credentials has come. The
// steps are those of seed 001, "API credentials": a new key beside the old one,
// confirmed, then switched to.
type Rotation string

// The steps.
const (
	NotRotating Rotation = ""
	Beside      Rotation = "beside"    // the new credentials are kept beside those in use
	Confirmed   Rotation = "confirmed" // and were confirmed
	Switched    Rotation = "switched"  // they are in use; the old ones still prove callbacks
)

// Shown is what pages may show of a credential.
type Shown struct {
	Set   bool
	Last4 string // empty for a short one
	At    time.Time
}

// Credential is one sealed value of a connection, by slot.
type Credential struct {
	Field                   providers.Field
	Current, Next, Previous Shown
}

// Value is one public value of a connection.
type Value struct{ Label, Value string }

// Connection is a connection as its pages show it. It holds no secret.
type Connection struct {
	store.ConnectionState
	Label  string // the system's name
	Known  bool   // this build has an adapter for it
	State  State
	Why    string // why it needs attention, as a sentence
	Offers []providers.Offer
	// Summary is what it offers in a few words.
	Summary     string
	Currencies  []money.Currency // of the merchant's, those that it takes
	Values      []Value
	Credentials []Credential
	Rotation    Rotation
	// CallbackURL is where the provider may call; empty when it does not.
	CallbackURL string
	// HintsOnly says that its callbacks cannot be verified.
	HintsOnly bool
}

// Offered says whether the connection offers a capability.
func (c Connection) Offered(want domain.Capability) bool {
	return slices.ContainsFunc(c.Offers, func(o providers.Offer) bool { return o.Capability == want && o.Offered })
}

// CanTest says whether the provider can be asked a harmless question.
func (c Connection) CanTest() bool { return c.Offered(domain.CanTestConnection) }

// List gives the merchant's connections that were not removed. It needs
// connections:read and sends two statements.
func (s *Service) List(ctx context.Context, actor domain.Actor, merchant domain.Merchant) ([]Connection, error) {
	if err := actor.Require(domain.ConnectionsRead); err != nil {
		return nil, err
	}
	return s.list(ctx, actor.MerchantID, merchant.Currencies)
}

func (s *Service) list(ctx context.Context, m domain.MerchantID, currencies []money.Currency) ([]Connection, error) {
	var states []store.ConnectionState
	var rows []store.SecretRow
	err := s.Store.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
		if states, err = tx.ConnectionStates(ctx); err != nil {
			return err
		}
		rows, err = tx.AllSecretRows(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Connection
	for _, st := range states {
		out = append(out, s.shown(st, rows, currencies))
	}
	return out, nil
}

// Get gives one connection, a removed one too. It needs connections:read;
// NotFound covers another merchant's. It sends two statements.
func (s *Service) Get(ctx context.Context, actor domain.Actor, merchant domain.Merchant, id domain.ConnectionID) (Connection, error) {
	if err := actor.Require(domain.ConnectionsRead); err != nil {
		return Connection{}, err
	}
	st, rows, err := s.read(ctx, actor.MerchantID, id)
	if err != nil {
		return Connection{}, err
	}
	return s.shown(st, rows, merchant.Currencies), nil
}

func (s *Service) read(ctx context.Context, m domain.MerchantID, id domain.ConnectionID) (st store.ConnectionState, rows []store.SecretRow, err error) {
	err = s.Store.ReadTenant(ctx, m, func(tx *store.Tx) error {
		if st, err = tx.ConnectionState(ctx, id); err != nil {
			return err
		}
		rows, err = tx.SecretRows(ctx, id)
		return err
	})
	return st, rows, err
}

// shown makes of rows what pages show.
func (s *Service) shown(st store.ConnectionState, rows []store.SecretRow, currencies []money.Currency) Connection {
	c := Connection{ConnectionState: st, Label: st.Provider}
	reg, known := s.Registry.Get(st.Provider)
	if known {
		c.Label, c.Known = reg.Label, true
		c.Currencies = providers.Currencies(reg, st.Connection, currencies)
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r store.SecretRow) bool { return r.ConnectionID != st.ID })
	c.Rotation = rotationOf(st, rows)
	c.Values, c.Credentials = values(reg, st.Connection), credentials(reg, rows)
	s.redact(c.Values, st.Connection, rows)
	provider, err := s.bind(st.Connection, rows, store.SlotCurrent)
	c.Offers = s.offers(st.Connection, reg, provider, err)
	c.Summary = summary(c.Offers)
	switch {
	case st.Removed():
		c.State = Removed
	case !st.Active:
		c.State = Paused
	case err != nil:
		c.State, c.Why = Attention, domain.MessageOf(err)
	case !st.TestedAt.IsZero() && !st.TestOK:
		c.State, c.Why = Attention, "The last test failed."
	case st.Quarantined > 0:
		c.State, c.Why = Attention, "Some of its callbacks could not be applied."
	default:
		c.State = Active
	}
	c.HintsOnly = c.Offered(domain.CanReceiveHints)
	if c.HintsOnly || c.Offered(domain.CanReceiveCallbacks) {
		c.CallbackURL = s.callbackURL(st.Connection)
	}
	return c
}

func (s *Service) callbackURL(c domain.Connection) string {
	if s.PublicURL == "" {
		return ""
	}
	return s.PublicURL + domain.CallbackPath(c.Provider, c.ID)
}

// bind makes the connection's adapter with the credentials of one slot. The
// error, Unavailable, says in a sentence what is wrong with the connection.
func (s *Service) bind(c domain.Connection, rows []store.SecretRow, slot store.Slot) (providers.Provider, error) {
	reg, ok := s.Registry.Get(c.Provider)
	if !ok {
		return nil, domain.Errorf(domain.Unavailable, "This copy of Counterfoil does not know the system %q.", c.Provider)
	}
	if c.Removed() {
		return nil, errRemoved
	}
	secrets, err := s.open(c, rows, slot)
	if err != nil {
		return nil, err
	}
	for _, f := range reg.Fields {
		if f.Required && secrets[f.Name] == "" && c.Settings[f.Name] == "" {
			return nil, domain.Errorf(domain.Unavailable, "The connection is not set up completely: “%s” is missing.", f.Label)
		}
	}
	cfg := providers.Config{BaseURL: c.BaseURL, Settings: c.Settings, Secrets: secrets, CallbackURL: s.callbackURL(c), Now: s.Now}
	for _, other := range []store.Slot{store.SlotCurrent, store.SlotNext, store.SlotPrevious} {
		if other == slot {
			continue
		}
		set, err := s.open(c, rows, other)
		if err != nil {
			return nil, err
		}
		if len(set) > 0 {
			cfg.Also = append(cfg.Also, set)
		}
	}
	cfg.Timeout, cfg.PerMinute = providers.Limits(reg, c.Settings)
	if s.Transport != nil {
		cfg.HTTP = s.Transport
	}
	p, err := reg.New(cfg)
	if err != nil {
		_, words := plain(reg, err)
		return nil, domain.Wrap(err, domain.Unavailable, "The connection is not set up completely: %s", words)
	}
	return p, nil
}

func rotationOf(st store.ConnectionState, rows []store.SecretRow) Rotation {
	in := func(slot store.Slot) bool {
		return slices.ContainsFunc(rows, func(r store.SecretRow) bool { return r.Slot == slot && r.ConnectionID == st.ID })
	}
	switch {
	case in(store.SlotNext) && !st.NextConfirmedAt.IsZero():
		return Confirmed
	case in(store.SlotNext):
		return Beside
	case in(store.SlotPrevious):
		return Switched
	}
	return NotRotating
}

func values(reg providers.Registration, c domain.Connection) []Value {
	out := []Value{{"Address", c.BaseURL}}
	for _, f := range reg.AllFields() {
		v, ok := c.Settings[f.Name]
		if f.Secret || !ok || v == "" {
			continue
		}
		for _, o := range f.Options {
			if f.Kind == providers.FieldChoice && o.Value == v {
				v = o.Label
			}
		}
		if f.Kind == providers.FieldYesNo {
			v = "Yes"
		}
		out = append(out, Value{f.Label, v})
	}
	return out
}

// redact takes the credentials out of public values: an address may hold a key
// as a part of its path, and it is a secret there too.
func (s *Service) redact(values []Value, c domain.Connection, rows []store.SecretRow) {
	for _, slot := range []store.Slot{store.SlotCurrent, store.SlotNext, store.SlotPrevious} {
		secrets, err := s.open(c, rows, slot)
		if err != nil {
			continue // what does not open is not known here, nor to whoever typed the value
		}
		for i := range values {
			for _, secret := range secrets {
				if len(secret) >= minSecret {
					values[i].Value = strings.ReplaceAll(values[i].Value, secret, "••••")
				}
			}
		}
	}
}

func credentials(reg providers.Registration, rows []store.SecretRow) []Credential {
	var out []Credential
	for _, f := range reg.Fields {
		if !f.Secret {
			continue
		}
		c := Credential{Field: f}
		for _, r := range rows {
			if r.Field != f.Name {
				continue
			}
			shown := Shown{Set: true, Last4: r.Last4, At: r.SetAt}
			switch r.Slot {
			case store.SlotCurrent:
				c.Current = shown
			case store.SlotNext:
				c.Next = shown
			case store.SlotPrevious:
				c.Previous = shown
			}
		}
		out = append(out, c)
	}
	return out
}

// Change gives a connection another name and other settings; its address and
// its credentials stay. It needs connections:manage and leaves one audit row; the
// caller has asked for the password, since an address among the settings is
// where credentials are sent. Other settings take the confirmation of new
// credentials back. Invalid carries one sentence per field.
func (s *Service) Change(ctx context.Context, actor domain.Actor, id domain.ConnectionID, name string, settings map[string]string) error {
	return s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		reg, ok := s.Registry.Get(st.Provider)
		if !ok {
			return domain.Errorf(domain.Unavailable, "This copy of Counterfoil does not know the system %q.", st.Provider)
		}
		rows, err := tx.SecretRows(ctx, id)
		if err != nil {
			return err
		}
		secrets, err := s.open(st.Connection, rows, store.SlotCurrent)
		if err != nil {
			return err
		}
		in := trimmed(NewConnection{Name: name, BaseURL: st.BaseURL, Settings: settings, Secrets: secrets})
		fields := s.check(reg, st.Mode, in, true)
		delete(fields, FieldBaseURL) // it is not what is changed here
		there, err := tx.Connections(ctx)
		if err != nil {
			return err
		}
		for _, c := range there {
			if c.ID != id && !c.Removed() && strings.EqualFold(c.Name, in.Name) {
				fields[FieldName] = "There is already a connection with this name."
			}
		}
		if len(fields) > 0 {
			return domain.InvalidFields(fields)
		}
		if _, err := reg.New(providers.Config{BaseURL: st.BaseURL, Settings: in.Settings, Secrets: secrets, Now: s.Now}); err != nil {
			return notAccepted(reg, err)
		}
		var changed []string
		for _, f := range reg.Settings() {
			if in.Settings[f] != st.Settings[f] {
				changed = append(changed, f)
			}
		}
		if len(changed) > 0 {
			// The last test, and the confirmation of new credentials, were of the
			// settings of before.
			if err := tx.SaveTest(ctx, id, time.Time{}, false, "", ""); err != nil {
				return err
			}
			if err := tx.ConfirmNext(ctx, id, time.Time{}); err != nil {
				return err
			}
		}
		if in.Name != st.Name {
			changed = append([]string{FieldName}, changed...)
		}
		if len(changed) == 0 {
			return nil
		}
		e := entry(at, actor, "connection.changed", st.Connection, "ok")
		e.Detail["changed"] = changed
		tx.Audit(e)
		return tx.ChangeConnection(ctx, id, in.Name, in.Settings)
	})
}

// Pause takes a connection out of use for new payments: what was taken through
// it can still be followed up. It needs connections:manage and leaves one audit
// row; pausing one that is paused changes nothing.
func (s *Service) Pause(ctx context.Context, actor domain.Actor, id domain.ConnectionID) error {
	return s.setActive(ctx, actor, id, false, "connection.paused")
}

// Resume takes a paused connection into use again, as Pause.
func (s *Service) Resume(ctx context.Context, actor domain.Actor, id domain.ConnectionID) error {
	return s.setActive(ctx, actor, id, true, "connection.resumed")
}

func (s *Service) setActive(ctx context.Context, actor domain.Actor, id domain.ConnectionID, active bool, action string) error {
	return s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		if st.Active == active {
			return nil
		}
		tx.Audit(entry(at, actor, action, st.Connection, "ok"))
		return tx.SetConnectionActive(ctx, id, active)
	})
}

// Remove takes a connection away for good: its credentials are deleted, its
// payments keep its name. It needs connections:manage and leaves one audit row.
// Conflict, in words, while the outcome of one of its payments is open, since
// only these credentials can ask for it. Removing one that is removed changes
// nothing.
func (s *Service) Remove(ctx context.Context, actor domain.Actor, id domain.ConnectionID) error {
	err := s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		open, err := tx.CountOpenAt(ctx, id)
		if err != nil {
			return err
		}
		if open > 0 {
			what := fmt.Sprintf("%d payments or refunds taken through it have", open)
			if open == 1 {
				what = "a payment or refund taken through it has"
			}
			return domain.Errorf(domain.Conflict, "“%s” cannot be removed yet: %s no outcome, and only its credentials can ask for it. Pause it, and remove it when the outcome is known.", st.Name, what)
		}
		tx.Audit(entry(at, actor, "connection.removed", st.Connection, "ok"))
		return tx.RemoveConnection(ctx, id, at)
	})
	if errors.Is(err, errRemoved) {
		return nil
	}
	return err
}

// change runs f with the connection locked. It needs connections:manage;
// Conflict for one that was removed.
func (s *Service) change(ctx context.Context, actor domain.Actor, id domain.ConnectionID, f func(*store.Tx, store.ConnectionState, time.Time) error) error {
	if err := actor.Require(domain.ConnectionsManage); err != nil {
		return err
	}
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		st, err := tx.LockConnection(ctx, id)
		if err != nil {
			return err
		}
		if st.Removed() {
			return errRemoved
		}
		return f(tx, st, s.now())
	})
}
