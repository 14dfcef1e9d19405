package devices

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// MaxName is how long the name of a terminal or of a place may be.
const MaxName = 60

// cleaned is a name as it is kept, or a sentence why it is none.
func cleaned(s string) (name, why string) {
	name = strings.Join(strings.Fields(s), " ")
	switch {
	case utf8.RuneCountInString(name) > MaxName:
		return "", "At most 60 characters."
	case strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name):
		return "", "There is a sign in it that cannot be shown."
	case domain.LooksLikeCardNumber(name):
		return "", "This looks like a card number. Card numbers are never kept here."
	}
	return name, ""
}

// Edit names a terminal and says where it stands. It needs devices:manage;
// Invalid with a sentence for each field. A place that is new is made.
func (s *Service) Edit(ctx context.Context, actor domain.Actor, id domain.DeviceID, in EditInput) error {
	if err := actor.Require(domain.DevicesManage); err != nil {
		return err
	}
	fields := map[string]string{}
	name, why := cleaned(in.Name)
	if why != "" {
		fields["name"] = why
	}
	place, why := cleaned(in.Location)
	if why != "" {
		fields["location"] = why
	}
	if len(fields) > 0 {
		return domain.InvalidFields(fields)
	}
	now := s.now()
	return s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		d, err := tx.LockDevice(ctx, id)
		if err != nil || d.Name == name && d.Location == place {
			return err
		}
		detail := map[string]any{"serial": d.Serial, "name": name, "location": place, "name_was": d.Name, "location_was": d.Location}
		d.Name, d.LocationID = name, domain.LocationID{}
		if place != "" {
			if d.LocationID, err = tx.EnsureLocation(ctx, place, now); err != nil {
				return err
			}
		}
		tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "device.edited", ObjectType: "device", ObjectID: id.String(), Result: "ok", Detail: detail})
		return tx.SaveDevice(ctx, d, now)
	})
}
