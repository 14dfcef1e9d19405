// Package handlers holds one file per resource: its routes, what each form may
// carry, the one use case it calls and the one view model it renders. It
// decides nothing about money. Of ours it imports the use cases, webhooks,
// events, domain, money, views and web.
package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// shortcutsCookie remembers, per browser, that somebody switched the keyboard
// shortcuts off. It holds no secret.
const shortcutsCookie = "__Host-counterfoil-shortcuts"

// layout is what the shell of every page needs: who is signed in, where, what
// they may do, the form token, and the sentence that the last page left. Call
// it once per page and not for fragments, since it uses up that sentence.
func layout(c echo.Context, active layouts.Nav, title string) layouts.Model {
	m := fragmentLayout(c, title)
	m.Active = active
	m.CSRF = web.CSRF(c)
	if kind, text := web.PopFlash(c); text != "" {
		m.Flash = &components.Flash{Tone: kind, Text: text}
	}
	return m
}

// fragmentLayout is layout for a part of a page. It changes nothing in the
// session of somebody who is signed in.
func fragmentLayout(c echo.Context, title string) layouts.Model {
	m := layouts.Model{Title: title, Now: web.Now(c), Shortcuts: shortcutsOn(c), Since: web.MarkOf(c)}
	if !web.SignedIn(c) {
		return m
	}
	actor, merchant := web.Actor(c), web.Merchant(c)
	m.SignedIn = true
	m.Merchant = merchant.Name
	m.Place = merchant.Place
	m.Mode = merchant.Mode
	m.UserName = actor.Name
	m.Can = layouts.CanOf(actor.Role)
	m.CSRF = web.CSRF(c)
	m.Theme = web.Theme(c)
	m.Location = merchant.Location()
	m.ManyCurrencies = len(merchant.Currencies) > 1
	return m
}

func shortcutsOn(c echo.Context) bool {
	cookie, err := c.Request().Cookie(shortcutsCookie)
	return err != nil || cookie.Value != "off"
}

// ErrorPage answers an error: the note beside the page for htmx, a page of its
// own otherwise. It is the server's web.Options.ErrorPage.
func ErrorPage(c echo.Context, status int, err error) error {
	if done, err := needsMore(c, err); done {
		return err
	}
	v := pages.ErrorView{
		Layout:    fragmentLayout(c, http.StatusText(status)),
		Status:    status,
		RequestID: web.RequestID(c),
	}
	// The view has its own words for what is ours to mend.
	if domain.CodeOf(err) != domain.Internal {
		v.Message = domain.MessageOf(err)
	}
	if r := c.Request(); r.Method == http.MethodGet && status >= 500 {
		v.RetryURL = web.SafeNext(r.URL.RequestURI())
	}
	// Somebody signed in again in another tab and came back to a form of
	// before: it is offered anew with what was typed.
	if errors.Is(err, web.ErrStaleForm) {
		form := refused(c)
		v.RetryURL, v.Money = form.back, form.nothing
	}
	if web.IsFragment(c) {
		c.Response().Header().Set("HX-Reswap", "none")
		return web.Render(c, status, pages.ErrorNote(v))
	}
	return web.Render(c, status, pages.ErrorPage(v))
}

// keptFields are the fields whose values survive an expired session, with the
// words that stand before them. Whatever is not here is never repeated: no
// password, code, card token or form token.
var keptFields = []struct{ name, label string }{
	{"amount", "Amount"},
	{"tip", "Tip"},
	{"currency", "Currency"},
	{"order_reference", "Order reference"},
	{"connection", ""}, // an id: carried on, not shown
	{"method", ""},
	{"kind", ""},
	{"reason", ""},
	{"note", "Note"},
	{"provider", ""},
	{"card", ""},
	{"payment", ""},
	{"surcharge", "Surcharge"},
	{"capture_after", ""},
	{"expires", ""},
	{"terminal", ""},
	{"tip_percents", "Tip percentages"},
	{"metadata", "Notes for the terminal"},
	{"send_by_email", ""},
	{"name", "Name"},
	{"device_name", "Name"},
	{"place", "Place"},
	{"command", ""},
	{"on", ""},
	{"locale", ""},
	{"low", ""},
	{"high", ""},
	{"hour", ""},
	{"base_url", "Address"},
}

// returnForms leads from the address that a form was posted to, back to the
// page with the form, and to what can be said about money. The first match
// counts.
var returnForms = []struct {
	matches func(path string) bool
	form    func(path string) string
	nothing string
}{
	{func(p string) bool { return p == "/payments" }, func(string) string { return "/payments/new" }, "Nothing was charged."},
	{func(p string) bool { return strings.HasPrefix(p, "/payments/") && strings.HasSuffix(p, "/refunds") },
		func(p string) string { return strings.TrimSuffix(p, "s") }, "Nothing was refunded."},
	{samePath("/payments/", "/void"), asItIs, "Nothing was voided."},
	{samePath("/payments/", "/"+pages.ActionPath(domain.ActVoidRefund)), asItIs, payments.Nothing(domain.ActVoidRefund)},
	{samePath("/payments/", "/stop"), func(p string) string { return strings.TrimSuffix(p, "/stop") }, "The terminal was not asked to stop."},
	{samePath("/payments/", "/print"), func(p string) string { return strings.TrimSuffix(p, "/print") }, "Nothing was printed."},
	{func(p string) bool { return p == "/approvals" }, func(string) string { return "/approvals" }, "Nothing was asked for."},
	{func(p string) bool { return strings.HasPrefix(p, "/approvals/") }, approvalPage, "Nothing was decided."},
	{func(p string) bool { return p == "/confirm" }, func(string) string { return "/confirm" }, ""},
	{func(p string) bool { return strings.HasPrefix(p, "/settings/limits") }, func(string) string { return "/settings/limits" }, "Nothing was changed."},
	{func(p string) bool { return p == "/payouts" }, func(string) string { return "/payouts/new" }, "Nothing was paid out."},
	{func(p string) bool { return p == "/cards" }, func(string) string { return "/cards/new" }, "Nothing was stored."},
	{samePath("/payments/", "/link-cancel"), asItIs, "The link was not cancelled."},
	{samePath("/payments/", "/store-card"), asItIs, "Nothing was stored."},
	{samePath("/cards/", "/forget"), asItIs, "Nothing was forgotten."},
	{func(p string) bool { return strings.HasPrefix(p, "/payments/") && strings.HasSuffix(p, "/check") },
		func(p string) string { return strings.TrimSuffix(p, "/check") }, ""},
	{samePath("/payments/", "/capture"), asItIs, payments.Nothing(domain.ActCapture)},
	{samePath("/payments/", "/increase"), asItIs, payments.Nothing(domain.ActIncrease)},
	{samePath("/payments/", "/decrease"), asItIs, payments.Nothing(domain.ActDecrease)},
	{samePath("/payments/", "/void"), asItIs, payments.Nothing(domain.ActVoid)},
	{samePath("/payments/", "/tip"), asItIs, payments.Nothing(domain.ActTip)},
	{samePath("/payments/", "/settle"), asItIs, "Nothing was written down."},
	{samePath("/payments/", "/provider"), asItIs, ""},
	{func(p string) bool { return strings.HasPrefix(p, "/payments/") && strings.HasSuffix(p, "/review") }, func(p string) string { return p }, "Nothing was changed."},
	{func(p string) bool { return p == "/tips" }, func(p string) string { return p }, "No tip was set."},
	{func(p string) bool { return strings.HasPrefix(p, "/preauths") }, func(string) string { return "/preauths" }, ""},
	{func(p string) bool { return p == "/connections" }, func(string) string { return "/connections/new" }, "Nothing was added."},
	{func(p string) bool { return strings.HasPrefix(p, "/connections/") }, connectionPage, "Nothing was changed."},
	{func(p string) bool { return p == "/devices/command" }, asItIs, "Nothing was sent."},
	{func(p string) bool { return p == "/devices/sync" }, func(string) string { return "/devices" }, "Nothing was read."},
	{func(p string) bool { return strings.HasPrefix(p, "/devices/") }, asItIs, "Nothing was changed."},
	{func(p string) bool { return strings.HasPrefix(p, "/account") }, func(string) string { return "/account" }, ""},
	{func(p string) bool { return strings.HasPrefix(p, "/signin") }, func(string) string { return "/signin" }, ""},
}

func samePath(prefix, suffix string) func(string) bool {
	return func(p string) bool { return strings.HasPrefix(p, prefix) && strings.HasSuffix(p, suffix) }
}

func asItIs(p string) string { return p }

// keyed are the pages whose form has its attempt key from its own address.
var keyed = []string{"/payments/new", "/payouts/new", "/cards/new"}

// refusedForm is what is known of a posted form that was not acted upon.
type refusedForm struct {
	back    string // the page with the form, with what was typed in its query; "" when there is none
	nothing string // "Nothing was charged.", or empty
	kept    []components.Line
}

func refused(c echo.Context) refusedForm {
	var out refusedForm
	path := c.Request().URL.Path
	for _, f := range returnForms {
		if f.matches(path) {
			out.back, out.nothing = f.form(path), f.nothing
			break
		}
	}
	if out.back == "" {
		return out
	}
	names := make([]string, len(keptFields))
	for i, f := range keptFields {
		names[i] = f.name
	}
	typed, q := web.Typed(c, append(names, web.FieldKey)...), url.Values{}
	// The key goes along: should the form have gone through all the same, it
	// leads to what it made and not to a second one.
	if key := typed.Get(web.FieldKey); slices.Contains(keyed, out.back) && uuid.Validate(key) == nil {
		q.Set("attempt", key)
	}
	for _, f := range keptFields {
		value := typed.Get(f.name)
		if value == "" || domain.LooksLikeCardNumber(value) {
			continue
		}
		q.Set(f.name, value)
		if f.label != "" {
			out.kept = append(out.kept, components.Line{Label: f.label, Value: value})
		}
	}
	if path == "/devices/command" {
		// The terminals are the form's rows: "device.<id>".
		for name := range c.Request().PostForm {
			if id, ok := strings.CutPrefix(name, "device."); ok && uuid.Validate(id) == nil && len(q["device"]) < devices.MaxCommanded {
				q.Add("device", id)
			}
		}
	}
	if len(q) > 0 {
		out.back += "?" + q.Encode()
	}
	return out
}

// Expired answers a form whose session had ended: nothing was done, what was
// typed is shown, and the link leads through sign-in back to the form with it.
// It is the server's web.Options.Expired.
func Expired(c echo.Context) error {
	if c.Request().URL.Path == "/signout" {
		return web.Redirect(c, web.SignInURL("", string(pages.NoticeSignedOut)))
	}
	form := refused(c)
	// A dialog cannot hold the page: the browser goes to the sign-in page,
	// which leads back to the form with its values.
	if web.IsFragment(c) {
		return web.SendToSignIn(c, form.back)
	}
	return web.Render(c, http.StatusUnauthorized, pages.Expired(pages.ExpiredView{
		Layout:  layouts.Model{Title: "Signed out", Now: web.Now(c)},
		Nothing: form.nothing, Kept: form.kept, SignInURL: web.SignInURL(form.back, ""),
	}))
}

// now is the server's clock in the merchant's time zone.
func now(c echo.Context) time.Time {
	return web.Now(c).In(web.Merchant(c).Location())
}
