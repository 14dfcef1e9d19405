package connections

import (
	"context"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// callbackPage is how many of a provider's calls a page lists.
const callbackPage = 50

// Callbacks is a page of a provider's calls about one connection.
type Callbacks struct {
	Connection store.ConnectionState
	Label      string // the system's name
	List       []store.Callback
	Older      domain.CallbackID // where the next page begins; zero: there is none
}

// ListCallbacks lists a provider's calls about a connection, newest first, those
// before the given one. It needs connections:read; NotFound covers another
// merchant's connection. It sends two statements.
func (s *Service) ListCallbacks(ctx context.Context, actor domain.Actor, id domain.ConnectionID, before domain.CallbackID) (Callbacks, error) {
	if err := actor.Require(domain.ConnectionsRead); err != nil {
		return Callbacks{}, err
	}
	var out Callbacks
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		if out.Connection, err = tx.ConnectionState(ctx, id); err != nil {
			return err
		}
		out.List, err = tx.ListCallbacks(ctx, id, before, callbackPage+1)
		return err
	})
	if len(out.List) > callbackPage {
		out.List = out.List[:callbackPage]
		out.Older = out.List[callbackPage-1].ID
	}
	out.Label = out.Connection.Provider
	if reg, ok := s.Registry.Get(out.Connection.Provider); ok {
		out.Label = reg.Label
	}
	return out, err
}

// DealWith ends a quarantined callback with what a person found out. It changes
// no payment. It needs connections:manage and leaves one audit row. Invalid: the
// note is missing or too long; Conflict: it is not waiting for a person.
func (s *Service) DealWith(ctx context.Context, actor domain.Actor, id domain.ConnectionID, callback domain.CallbackID, note string) error {
	if err := actor.Require(domain.ConnectionsManage); err != nil {
		return err
	}
	switch note = strings.TrimSpace(note); {
	case note == "":
		return domain.InvalidFields(map[string]string{"note": "Write what you found out, in a few words."})
	case len([]rune(note)) > 200:
		return domain.InvalidFields(map[string]string{"note": "Use at most 200 characters."})
	case domain.LooksLikeCardNumber(note):
		return domain.InvalidFields(map[string]string{"note": "This looks like a card number. Do not write card numbers here."})
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if _, err := tx.ConnectionState(ctx, id); err != nil {
			return err
		}
		if _, err := tx.Callback(ctx, callback); err != nil {
			return err
		}
		changed, err := tx.DealWithCallback(ctx, id, callback, actor.Name, note, now)
		if err != nil {
			return err
		}
		if !changed {
			return domain.Errorf(domain.Conflict, "This call is not waiting for a person any more. Nothing was changed.")
		}
		tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "callback.dealt_with", ObjectType: "connection", ObjectID: id.String(), Result: "ok",
			Detail: map[string]any{"callback": callback.String(), "note": note}})
		return nil
	})
}
