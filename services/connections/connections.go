// Package connections is the use case that keeps a merchant's accounts at the
// providers: their public values, and their credentials, which are sealed
// before they reach the database and never shown again. It imports store,
// providers, domain and money.
package connections

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// Sealer seals under associated parts.
type Sealer interface {
	Seal(plain []byte, associated ...string) ([]byte, error)
}

// Service is the use case. It is safe for use by many goroutines.
type Service struct {
	Store    *store.Store
	Registry *providers.Registry
	Secrets  Sealer
	Now      func() time.Time
}

// NewConnection is what a connection is made from.
type NewConnection struct {
	Provider   string
	Name       string
	BaseURL    string
	Settings   map[string]string
	Secrets    map[string]string
	Currencies []money.Currency
}

// Create adds a connection in the merchant's own mode, with its credentials
// sealed. Invalid says which value the adapter refuses; no value is repeated.
// The operator's command calls it (the actor is the system); it leaves one
// audit row.
func (s *Service) Create(ctx context.Context, actor domain.Actor, in NewConnection) (domain.Connection, error) {
	reg, ok := s.Registry.Get(in.Provider)
	if !ok {
		return domain.Connection{}, domain.Errorf(domain.Invalid, "There is no provider %q.", in.Provider)
	}
	fields := map[string]string{}
	if strings.TrimSpace(in.Name) == "" {
		fields["name"] = "Give the connection a name."
	}
	if u, err := url.Parse(in.BaseURL); err != nil || u.Host == "" {
		fields["base_url"] = "Enter the provider’s address, beginning with https://."
	}
	for k := range in.Settings {
		if !slices.Contains(reg.Settings(), k) {
			fields[k] = reg.Label + " has no such setting."
		}
	}
	for k := range in.Secrets {
		if !slices.Contains(reg.Secrets(), k) {
			fields[k] = reg.Label + " has no such credential."
		}
	}
	if len(fields) > 0 {
		return domain.Connection{}, domain.InvalidFields(fields)
	}
	if _, err := reg.New(providers.Config{BaseURL: in.BaseURL, Settings: in.Settings, Secrets: in.Secrets, Now: s.Now}); err != nil {
		return domain.Connection{}, domain.Wrap(err, domain.Invalid, "%s does not accept these values: %s.", reg.Label, strings.TrimPrefix(err.Error(), reg.Name+": "))
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	c := domain.Connection{ID: domain.NewConnectionID(), MerchantID: actor.MerchantID, Provider: in.Provider, Name: in.Name, BaseURL: in.BaseURL,
		Settings: in.Settings, Currencies: in.Currencies, Active: true, CreatedAt: now}
	err := s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		m, err := tx.MerchantRow(ctx)
		if err != nil {
			return err
		}
		c.Mode = m.Mode
		if err := tx.InsertConnection(ctx, c); err != nil {
			return err
		}
		for field, value := range in.Secrets {
			if value == "" {
				continue
			}
			sealed, err := s.Secrets.Seal([]byte(value), domain.SecretContext(actor.MerchantID, c.ID, field)...)
			if err != nil {
				return fmt.Errorf("connections: seal %s: %w", field, err)
			}
			if err := tx.PutSecret(ctx, c.ID, field, sealed, last4(value), now); err != nil {
				return err
			}
		}
		tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "connection.created", ObjectType: "connection", ObjectID: c.ID.String(), Result: "ok",
			Detail: map[string]any{"provider": c.Provider, "name": c.Name}})
		return nil
	})
	return c, err
}

// last4 is what pages may show of a credential: the end of one that is long
// enough for four characters to give nothing away.
func last4(secret string) string {
	if len(secret) < 12 {
		return ""
	}
	return secret[len(secret)-4:]
}

// AddCard keeps a card token of the provider's under a connection, sealed. The
// token may not be a card number.
func (s *Service) AddCard(ctx context.Context, actor domain.Actor, c domain.ConnectionID, token string, card domain.Card, customer string) (domain.StoredCard, error) {
	if token == "" || domain.LooksLikeCardNumber(token) || domain.LooksLikeCardNumber(customer) {
		return domain.StoredCard{}, domain.Errorf(domain.Invalid, "That is not a card token. Card numbers are never kept.")
	}
	stored := domain.StoredCard{ID: domain.NewCardID(), ConnectionID: c, Card: card, Customer: customer, CreatedAt: s.Now().UTC().Truncate(time.Microsecond)}
	sealed, err := s.Secrets.Seal([]byte(token), domain.CardContext(actor.MerchantID, stored.ID)...)
	if err != nil {
		return stored, fmt.Errorf("connections: seal token: %w", err)
	}
	err = s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if _, err := tx.Connection(ctx, c); err != nil {
			return err
		}
		tx.Audit(store.AuditEntry{At: stored.CreatedAt, Actor: actor, Action: "card.stored", ObjectType: "card", ObjectID: stored.ID.String(), Result: "ok"})
		return tx.InsertCard(ctx, stored, sealed)
	})
	return stored, err
}
