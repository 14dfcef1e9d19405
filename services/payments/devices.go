package payments

import (
	"context"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// Bind gives a connection's adapter, its registration and what the connection
// offers, for the use case of the terminals. It sends one statement and calls
// nobody. Unavailable when its credentials do not open or it is not set up.
func (s *Service) Bind(ctx context.Context, tx *store.Tx, conn domain.Connection) (providers.Provider, providers.Registration, domain.Capabilities, error) {
	l, err := s.link(ctx, tx, conn)
	return l.provider, l.reg, l.caps, err
}

// Offering lists the merchant's connections that were not removed and offer a
// capability, oldest first, in two statements.
func (s *Service) Offering(ctx context.Context, tx *store.Tx, c domain.Capability) ([]domain.Connection, error) {
	conns, caps, err := s.offers(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []domain.Connection
	for _, conn := range conns {
		if !conn.Removed() && caps[conn.ID].Has(c) {
			out = append(out, conn)
		}
	}
	return out, nil
}
