package handlers

import (
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// SignIn is /signin, /signin/totp and /signout.
type SignIn struct {
	Service *signin.Service
	// Demo gives the note with published accounts, and with the current code of
	// the person whose e-mail it is told. It is nil unless the demo sets it.
	Demo func(email string, now time.Time) *pages.DemoNote
}

// Routes are the addresses of signing in and out.
func (h SignIn) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/signin", Permission: domain.Public, Handler: h.form},
		{Method: http.MethodPost, Path: "/signin", Permission: domain.Public, Handler: h.password},
		{Method: http.MethodGet, Path: "/signin/totp", Permission: domain.Public, Handler: h.codeForm},
		{Method: http.MethodPost, Path: "/signin/totp", Permission: domain.Public, Handler: h.code},
		{Method: http.MethodPost, Path: "/signout", Permission: domain.SignedIn, Handler: h.signOut},
	}
}

func (h SignIn) demo(c echo.Context, email string) *pages.DemoNote {
	if h.Demo == nil {
		return nil
	}
	return h.Demo(email, web.Now(c))
}

// afterwards is where somebody wanted to go before signing in.
func afterwards(next string) string {
	if n := web.SafeNext(next); n != "" {
		return n
	}
	return "/"
}

func (h SignIn) form(c echo.Context) error {
	if web.SignedIn(c) {
		return web.Redirect(c, afterwards(c.QueryParam("next")))
	}
	v := pages.SignInView{Next: web.SafeNext(c.QueryParam("next"))}
	switch n := pages.Notice(c.QueryParam("why")); n {
	case pages.NoticeSignedOut, pages.NoticeIdle, pages.NoticeEnded, pages.NoticeReady:
		v.Notice = n
	}
	return h.showForm(c, http.StatusOK, v)
}

func (h SignIn) showForm(c echo.Context, status int, v pages.SignInView) error {
	v.Layout = signedOut(c, "Sign in")
	v.Demo = h.demo(c, "")
	return web.Render(c, status, pages.SignIn(v))
}

// signedOut is the layout of the pages before sign-in, even for a browser that
// is signed in already.
func signedOut(c echo.Context, title string) layouts.Model {
	return layouts.Model{Title: title, Now: web.Now(c), CSRF: web.CSRF(c)}
}

func (h SignIn) password(c echo.Context) error {
	f, err := web.Form(c, "email", "password", "next")
	if err != nil {
		return err
	}
	next := web.SafeNext(f.Get("next"))
	who, err := h.Service.Password(c.Request().Context(), f.Get("email"), f.Get("password"), from(c))
	switch domain.CodeOf(err) {
	case "":
	case domain.Unauthorized:
		return h.showForm(c, http.StatusUnprocessableEntity, pages.SignInView{Email: f.Get("email"), Next: next, Error: domain.MessageOf(err)})
	case domain.TooMany:
		return h.showForm(c, http.StatusTooManyRequests, pages.SignInView{Email: f.Get("email"), Next: next, Error: domain.MessageOf(err)})
	default:
		return err
	}
	if err := web.FirstFactor(c, who.UserID, who.MerchantID); err != nil {
		return err
	}
	return web.Redirect(c, withNext("/signin/totp", next))
}

func withNext(path, next string) string {
	if next == "" || next == "/" {
		return path
	}
	return path + "?" + url.Values{"next": {next}}.Encode()
}

func (h SignIn) codeForm(c echo.Context) error {
	if web.SignedIn(c) {
		return web.Redirect(c, afterwards(c.QueryParam("next")))
	}
	actor, ok := web.Pending(c)
	if !ok {
		return web.SendToSignIn(c, c.QueryParam("next"))
	}
	return h.showCode(c, http.StatusOK, actor, web.SafeNext(c.QueryParam("next")), "")
}

func (h SignIn) showCode(c echo.Context, status int, actor domain.Actor, next, problem string) error {
	return web.Render(c, status, pages.TOTP(pages.TOTPView{
		Layout: signedOut(c, "Enter your code"), Email: actor.Email, Next: next, Error: problem, Demo: h.demo(c, actor.Email),
	}))
}

func (h SignIn) code(c echo.Context) error {
	f, err := web.Form(c, "code", "next")
	if err != nil {
		return err
	}
	next := web.SafeNext(f.Get("next"))
	actor, ok := web.Pending(c)
	if !ok {
		return web.SendToSignIn(c, next)
	}
	who := signin.Who{UserID: actor.UserID, MerchantID: actor.MerchantID}
	err = h.Service.Code(c.Request().Context(), who, f.Get("code"), from(c))
	switch domain.CodeOf(err) {
	case "":
	case domain.Unauthorized:
		return h.showCode(c, http.StatusUnprocessableEntity, actor, next, domain.MessageOf(err))
	case domain.TooMany:
		return h.showCode(c, http.StatusTooManyRequests, actor, next, domain.MessageOf(err))
	default:
		return err
	}
	if err := web.SecondFactor(c); err != nil {
		return err
	}
	return web.Redirect(c, afterwards(next))
}

func (h SignIn) signOut(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	// The session ends even if the audit row cannot be written; a person who
	// leaves must be gone.
	audited := h.Service.SignedOut(c.Request().Context(), web.Actor(c))
	if err := web.SignOut(c); err != nil {
		return err
	}
	if audited != nil {
		return audited
	}
	return web.Redirect(c, web.SignInURL("", string(pages.NoticeSignedOut)))
}

// from is where a request comes from, for limits and audit rows.
func from(c echo.Context) signin.From {
	return signin.From{IP: c.RealIP(), RequestID: web.RequestID(c)}
}
