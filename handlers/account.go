package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Account is /account: a person's own sign-in and how pages look to them.
type Account struct {
	Service *signin.Service
}

// Routes are the addresses of a person's own account.
func (h Account) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/account", Permission: domain.SignedIn, Handler: h.show},
		{Method: http.MethodPost, Path: "/account/theme", Permission: domain.SignedIn, Handler: h.theme},
	}
}

func (h Account) show(c echo.Context) error {
	actor := web.Actor(c)
	since, until := web.SessionTimes(c)
	return web.Render(c, http.StatusOK, pages.Account(pages.AccountView{
		Layout: layout(c, layouts.NavAccount, "Account"),
		Name:   actor.Name, Email: actor.Email, Role: actor.Role.Label(),
		SignedInAt: since, EndsAt: until, IdleFor: web.Idle,
	}))
}

func (h Account) theme(c echo.Context) error {
	f, err := web.Form(c, "theme", "shortcuts")
	if err != nil {
		return err
	}
	if err := h.Service.SetTheme(c.Request().Context(), web.Actor(c), f.Get("theme")); err != nil {
		return err
	}
	cookie := &http.Cookie{
		Name: shortcutsCookie, Value: "off", Path: "/", MaxAge: 365 * 24 * 3600,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if f.Get("shortcuts") == "on" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	c.SetCookie(cookie)
	web.Flash(c, "good", "Saved.")
	return web.Redirect(c, "/account")
}
