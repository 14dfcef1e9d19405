package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/web"
)

// Health is /healthz and /readyz, for whoever runs the process.
type Health struct {
	// Ready says whether the database answers and has this binary's schema.
	Ready func(context.Context) error
}

// Routes are public and tell nothing but yes or no.
func (h Health) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/healthz", Permission: domain.Public, Sessionless: true, Handler: h.live},
		{Method: http.MethodGet, Path: "/readyz", Permission: domain.Public, Sessionless: true, Handler: h.ready},
	}
}

func (h Health) live(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

func (h Health) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 2*time.Second)
	defer cancel()
	if err := h.Ready(ctx); err != nil {
		return domain.Wrap(err, domain.Unavailable, "Not ready.")
	}
	return c.String(http.StatusOK, "ok\n")
}
