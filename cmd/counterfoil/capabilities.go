package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
)

type capabilitiesCmd struct {
	adminFlags
	Merchant string `help:"The merchant's id: print what each of its connections offers, from the database." placeholder:"ID"`
}

// Run prints the matrix of this build's systems, which needs no database, or
// what a merchant's connections offer, by the function that the pages use.
func (c *capabilitiesCmd) Run(ctx context.Context) error {
	if c.Merchant == "" {
		systems, err := connections.Systems(registry())
		if err != nil {
			return err
		}
		return connections.WriteSystems(os.Stdout, systems)
	}
	m, err := domain.ParseMerchantID(c.Merchant)
	if err != nil {
		return errors.New("--merchant is not a merchant's id")
	}
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	list, err := h.connections.Connections(ctx, m)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Println("this merchant has no connection")
	}
	return connections.WriteOffers(os.Stdout, list)
}
