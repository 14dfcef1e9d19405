// Package demo answers the pages that only the demo has. Nothing but the demo
// command mounts it, so that no release answers on these addresses.
package demo

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Paths are the demo's own addresses, for the test that asks a real server for
// each of them.
var Paths = []string{"/demo", "/demo/signins.json"}

// Note gives the published accounts, and with an e-mail its current code.
type Note func(email string, now time.Time) *pages.DemoNote

// Routes lists the demo's pages.
func Routes(note Note) []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/demo", Permission: domain.Public, Handler: func(c echo.Context) error { return web.Redirect(c, "/signin") }},
		{Method: http.MethodGet, Path: "/demo/signins.json", Permission: domain.Public, Sessionless: true, Handler: func(c echo.Context) error { return signIns(c, note) }},
	}
}

type account struct {
	Merchant string `json:"merchant"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Email    string `json:"email"`
	Password string `json:"password"`
	Code     string `json:"code"`
}

// signIns is the published accounts with their current codes, for scripts that
// drive the demo.
func signIns(c echo.Context, note Note) error {
	now := web.Now(c)
	out := []account{}
	for _, s := range note("", now).SignIns {
		out = append(out, account{s.Merchant, s.Name, s.Role, s.Email, s.Password, note(s.Email, now).Code})
	}
	return c.JSON(http.StatusOK, out)
}
