package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Setup is /setup/{token}, where a one-time link leads.
type Setup struct {
	Service *signin.Service
}

// Routes are the addresses of a one-time link. They are public: the link is
// what proves that somebody may.
func (h Setup) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/setup/:token", Permission: domain.Public, Handler: h.show},
		{Method: http.MethodGet, Path: "/setup/:token/qr.png", Permission: domain.Public, Handler: h.qr},
		{Method: http.MethodPost, Path: "/setup/:token", Permission: domain.Public, Handler: h.save},
	}
}

func (h Setup) show(c echo.Context) error { return h.page(c, http.StatusOK, "") }

func (h Setup) page(c echo.Context, status int, problem string) error {
	token := c.Param("token")
	s, err := h.Service.Setup(c.Request().Context(), token)
	if domain.CodeOf(err) == domain.NotFound {
		return h.gone(c)
	}
	if err != nil {
		return err
	}
	return web.Render(c, status, pages.Setup(pages.SetupView{
		Layout: signedOut(c, "Set up your sign-in"), Token: token, Step: pages.SetupStep(s.Step),
		Name: s.Name, Email: s.Email, Merchant: s.Merchant, MinPassword: signin.MinPassword,
		Error: problem, Secret: s.Secret, QRURL: "/setup/" + token + "/qr.png",
	}))
}

func (h Setup) gone(c echo.Context) error {
	return web.Render(c, http.StatusNotFound, pages.SetupGone(signedOut(c, "This link no longer works")))
}

func (h Setup) qr(c echo.Context) error {
	png, err := h.Service.QR(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "image/png", png)
}

func (h Setup) save(c echo.Context) error {
	// username is there for password managers and is not read.
	f, err := web.Form(c, "step", "password", "code", "username")
	if err != nil {
		return err
	}
	token, ctx := c.Param("token"), c.Request().Context()
	done := "/setup/" + token
	switch signin.Step(f.Get("step")) {
	case signin.StepPassword:
		err = h.Service.ChoosePassword(ctx, token, f.Get("password"), from(c))
	case signin.StepFactor:
		err = h.Service.ConfirmFactor(ctx, token, f.Get("code"), from(c))
		done = web.SignInURL("", string(pages.NoticeReady))
	default:
		return web.BadRequest("The form did not say which step it is.")
	}
	switch domain.CodeOf(err) {
	case "":
		return web.Redirect(c, done)
	case domain.NotFound:
		return h.gone(c)
	case domain.Invalid:
		fields := domain.FieldsOf(err)
		return h.page(c, http.StatusUnprocessableEntity, fields["password"]+fields["code"])
	case domain.TooMany:
		return h.page(c, http.StatusTooManyRequests, domain.MessageOf(err))
	}
	return err
}
