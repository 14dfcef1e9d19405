package handlers

import (
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/webhooks"
	"github.com/counterfoil/counterfoil/web"
)

// Webhooks answers the calls that providers make to us.
type Webhooks struct {
	Service *webhooks.Service
}

// callbackLimit is the longest callback that is read, in bytes.
const callbackLimit = 256 << 10

// Routes is the one address. It has no session, and its caller proves itself
// with a signature or a token, or is not believed.
func (h *Webhooks) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodPost, Path: "/webhooks/:provider/:connection", Permission: domain.Public, Sessionless: true, BodyLimit: callbackLimit, Handler: h.receive},
	}
}

func (h *Webhooks) receive(c echo.Context) error {
	r := c.Request()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return echo.NewHTTPError(http.StatusRequestEntityTooLarge)
	}
	reply, err := h.Service.Receive(r.Context(), c.Param("provider"), c.Param("connection"), webhooks.Call{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: body})
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	switch domain.CodeOf(err) {
	case "":
		if reply.JSON {
			return c.JSONBlob(reply.Status, []byte(reply.Body))
		}
		return c.String(reply.Status, reply.Body)
	case domain.NotFound:
		return c.String(http.StatusNotFound, "not found")
	case domain.Unauthorized:
		return c.String(http.StatusUnauthorized, "not verified")
	case domain.Invalid:
		return c.String(http.StatusBadRequest, "not understood")
	case domain.TooMany:
		c.Response().Header().Set("Retry-After", "30")
		return c.String(http.StatusTooManyRequests, "too many")
	}
	return err
}
