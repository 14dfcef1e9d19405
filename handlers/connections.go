package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Connections answers the pages of a merchant's accounts at payment systems.
type Connections struct {
	Service *connections.Service
	SignIn  *signin.Service // asks for the password again
}

// Routes lists the connection pages with what each asks of who calls it.
func (h *Connections) Routes() []web.Route {
	manage := func(path string, f echo.HandlerFunc) web.Route {
		return web.Route{Method: http.MethodPost, Path: path, Permission: domain.ConnectionsManage, Handler: f}
	}
	return []web.Route{
		{Method: http.MethodGet, Path: "/connections", Permission: domain.ConnectionsRead, Handler: h.list},
		{Method: http.MethodGet, Path: "/connections/new", Permission: domain.ConnectionsManage, Handler: h.newForm},
		{Method: http.MethodGet, Path: "/connections/:id", Permission: domain.ConnectionsRead, Handler: h.detail},
		{Method: http.MethodGet, Path: "/connections/:id/edit", Permission: domain.ConnectionsManage, Handler: h.editForm},
		manage("/connections", h.add),
		manage("/connections/:id/edit", h.edit),
		manage("/connections/:id/test", h.test),
		manage("/connections/:id/rotate", h.rotate),
		manage("/connections/:id/rotate/confirm", h.confirm),
		manage("/connections/:id/rotate/switch", h.step(func(c echo.Context, id domain.ConnectionID) (string, error) {
			return "The new credentials are in use.", h.Service.Switch(c.Request().Context(), web.Actor(c), id)
		})),
		manage("/connections/:id/rotate/cancel", h.step(func(c echo.Context, id domain.ConnectionID) (string, error) {
			return "The new credentials are forgotten; those in use stay.", h.Service.CancelRotation(c.Request().Context(), web.Actor(c), id)
		})),
		manage("/connections/:id/rotate/retire", h.step(func(c echo.Context, id domain.ConnectionID) (string, error) {
			return "The credentials of before are deleted.", h.Service.Retire(c.Request().Context(), web.Actor(c), id)
		})),
		manage("/connections/:id/pause", h.step(func(c echo.Context, id domain.ConnectionID) (string, error) {
			return "Paused. No new payment is taken through it.", h.Service.Pause(c.Request().Context(), web.Actor(c), id)
		})),
		manage("/connections/:id/resume", h.step(func(c echo.Context, id domain.ConnectionID) (string, error) {
			return "In use again.", h.Service.Resume(c.Request().Context(), web.Actor(c), id)
		})),
		manage("/connections/:id/remove", h.remove),
	}
}

// connectionPage is the page that a form below it belongs to.
func connectionPage(path string) string {
	parts := strings.SplitN(path, "/", 4)
	return "/connections/" + parts[2]
}

func connectionID(c echo.Context) (domain.ConnectionID, error) {
	id, err := domain.ParseConnectionID(c.Param("id"))
	if err != nil {
		return id, domain.Errorf(domain.NotFound, "There is no connection with that id.")
	}
	return id, nil
}

func (h *Connections) list(c echo.Context) error {
	list, err := h.Service.List(c.Request().Context(), web.Actor(c), web.Merchant(c))
	if err != nil {
		return err
	}
	v := pages.ConnectionsView{Layout: layout(c, layouts.NavConnections, "Connections")}
	for _, conn := range list {
		v.Rows = append(v.Rows, pages.ConnectionRow{ID: conn.ID, Name: conn.Name, System: conn.Label, Mode: conn.Mode, State: pages.ConnectionState(conn.State), Why: conn.Why,
			Offers: conn.Summary, TestedAt: conn.TestedAt, TestOK: conn.TestOK, CanTest: conn.CanTest(),
			Rotating: conn.Rotation != connections.NotRotating})
	}
	return web.Render(c, http.StatusOK, pages.Connections(v))
}

// newForm chooses the system by a GET, because each has fields of its own, and
// shows that system's form.
func (h *Connections) newForm(c echo.Context) error {
	q := c.QueryParams()
	provider := q.Get("provider")
	if provider == "" {
		return h.chooseSystem(c)
	}
	// An expired session leads back here with what was typed.
	typed := web.Values{"name": clip(q.Get("name")), "base_url": withoutUser(clip(q.Get("base_url")))}
	return h.formPage(c, http.StatusOK, provider, domain.NewConnectionID().String(), typed, nil, "")
}

func (h *Connections) chooseSystem(c echo.Context) error {
	v := pages.ConnectionFormView{Layout: layout(c, layouts.NavConnections, "Add a connection")}
	for _, s := range h.Service.Forms(web.Merchant(c).Mode) {
		v.Systems = append(v.Systems, pages.SystemChoice{Name: s.Provider, Label: s.Label, Where: s.Summary})
	}
	return web.Render(c, http.StatusOK, pages.NewConnection(v))
}

func (h *Connections) formPage(c echo.Context, status int, provider, key string, typed web.Values, errs map[string]string, sentence string) error {
	form, ok := h.Service.Form(provider, web.Merchant(c).Mode)
	if !ok {
		return domain.Errorf(domain.NotFound, "There is no system called so.")
	}
	v := pages.ConnectionFormView{Layout: layout(c, layouts.NavConnections, "Connect "+form.Label), Provider: provider, Label: form.Label, Key: key,
		Name: typed.Get("name"), BaseURL: withoutUser(typed.Get("base_url")), Errors: errs, FormError: sentence}
	if _, posted := typed["base_url"]; (!posted || typed.Get("base_url") == "") && len(errs) == 0 && len(form.Addresses) == 1 {
		v.BaseURL = form.Addresses[0].URL
	}
	for _, a := range form.Addresses {
		v.Addresses = append(v.Addresses, a.URL+" – "+a.Label)
	}
	for _, f := range form.Fields {
		shown := fieldView(f)
		if !shown.Secret {
			if shown.Value = typed.Get(pages.FieldPrefix + shown.Name); shown.Kind == "url" {
				shown.Value = withoutUser(shown.Value)
			}
		}
		v.Fields = append(v.Fields, shown)
	}
	return web.Render(c, status, pages.NewConnection(v))
}

func fieldView(f connections.Field) pages.ConnectionField {
	out := pages.ConnectionField{Name: f.Name, Label: f.Label, Hint: f.Hint, Kind: string(f.Kind), Secret: f.Secret, Required: f.Required}
	for _, o := range f.Options {
		out.Options = append(out.Options, pages.FieldOption{Value: o.Value, Label: o.Label})
	}
	return out
}

// withoutUser takes a name and a password out of an address, which is refused
// with them, so that no page repeats a secret.
func withoutUser(address string) string {
	at := strings.LastIndex(address, "@")
	if at < 0 {
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "" // it cannot be told which part is a secret
	}
	if u.User == nil {
		return address
	}
	u.User = nil
	return u.String()
}

func (h *Connections) add(c echo.Context) error {
	provider := web.Typed(c, "provider").Get("provider")
	form, ok := h.Service.Form(provider, web.Merchant(c).Mode)
	if !ok {
		return domain.Errorf(domain.Invalid, "Choose the system that the connection is to. Nothing was added.")
	}
	names := []string{"provider", "name", "base_url"}
	for _, f := range form.Fields {
		names = append(names, pages.FieldPrefix+f.Name)
	}
	typed, err := web.Form(c, names...)
	if err != nil {
		return err
	}
	id, err := domain.ParseConnectionID(typed.Key())
	if err != nil {
		return h.formPage(c, http.StatusConflict, provider, domain.NewConnectionID().String(), typed, nil, "This form is too old to use. Nothing was added. Look at it, then send it again.")
	}
	in := connections.NewConnection{ID: id, Provider: provider, Name: typed.Get("name"), BaseURL: typed.Get("base_url"), Settings: map[string]string{}, Secrets: map[string]string{}}
	for _, f := range form.Fields {
		value := typed.Get(pages.FieldPrefix + f.Name)
		if f.Secret {
			in.Secrets[f.Name] = value
		} else {
			in.Settings[f.Name] = value
		}
	}
	conn, err := h.Service.Add(c.Request().Context(), web.Actor(c), in)
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "good", "Added. Test it before you take a payment through it.")
		return web.Redirect(c, "/connections/"+conn.ID.String())
	case domain.Invalid:
		sentence := ""
		if len(domain.FieldsOf(err)) == 0 {
			sentence = domain.MessageOf(err)
		}
		return h.formPage(c, http.StatusUnprocessableEntity, provider, id.String(), typed, domain.FieldsOf(err), sentence)
	case domain.Conflict, domain.Duplicate:
		return h.formPage(c, http.StatusConflict, provider, domain.NewConnectionID().String(), typed, nil, domain.MessageOf(err))
	}
	return err
}

func (h *Connections) detail(c echo.Context) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	return h.page(c, http.StatusOK, id, nil)
}

// page shows a connection, with what a refused form brought.
func (h *Connections) page(c echo.Context, status int, id domain.ConnectionID, edit func(*pages.ConnectionView)) error {
	conn, err := h.Service.Get(c.Request().Context(), web.Actor(c), web.Merchant(c), id)
	if err != nil {
		return err
	}
	v := pages.ConnectionView{Layout: layout(c, layouts.NavConnections, conn.Name), ID: conn.ID, Name: conn.Name, System: conn.Label, Mode: conn.Mode,
		State: pages.ConnectionState(conn.State), Why: conn.Why, CreatedAt: conn.CreatedAt, RemovedAt: conn.RemovedAt, Currencies: conn.Currencies,
		CanTest: conn.CanTest(), TestedAt: conn.TestedAt, TestOK: conn.TestOK, TestSaid: conn.TestSaid, TestMeaning: conn.TestMeaning,
		Rotation: pages.RotationStep(conn.Rotation), ConfirmedAt: conn.NextConfirmedAt, CallbackURL: conn.CallbackURL, HintsOnly: conn.HintsOnly}
	for _, l := range conn.Values {
		v.Values = append(v.Values, [2]string{l.Label, l.Value})
	}
	for _, s := range conn.Credentials {
		v.Credentials = append(v.Credentials, pages.CredentialRow{Field: fieldView(s.Field), Current: pages.CredentialShown(s.Current), Next: pages.CredentialShown(s.Next), Previous: pages.CredentialShown(s.Previous)})
	}
	for _, o := range conn.Offers {
		v.Offers = append(v.Offers, pages.OfferRow{Capability: o.Capability, Offered: o.Offered, Why: o.Why})
		if o.Capability == domain.CanTestConnection {
			v.WhyNoTest = "It cannot be tested: " + o.Why
		}
	}
	switch n := conn.Quarantined; {
	case n >= connections.QuarantinedCap:
		v.Quarantined = strconv.Itoa(n) + " or more callbacks"
	case n == 1:
		v.Quarantined = "One callback"
	case n > 1:
		v.Quarantined = strconv.Itoa(n) + " callbacks"
	}
	if edit != nil {
		edit(&v)
	}
	return web.Render(c, status, pages.Connection(v))
}

// refusal shows the page again with why its form was refused; errors that no
// form of the page explains go on to the error page.
func (h *Connections) refusal(c echo.Context, id domain.ConnectionID, err error) error {
	switch code := domain.CodeOf(err); code {
	case domain.Invalid, domain.Conflict, domain.TooMany:
		return h.page(c, web.StatusOf(code), id, func(v *pages.ConnectionView) {
			if v.Errors = domain.FieldsOf(err); len(v.Errors) == 0 {
				v.FormError = domain.MessageOf(err)
			}
		})
	}
	return err
}

// editForm is the form of a connection's name and settings.
func (h *Connections) editForm(c echo.Context) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	return h.editPage(c, http.StatusOK, id, nil, nil, "", "")
}

// editPage shows what was typed, or what is kept when nothing was.
func (h *Connections) editPage(c echo.Context, status int, id domain.ConnectionID, typed web.Values, errs map[string]string, passwordError, sentence string) error {
	conn, err := h.Service.Get(c.Request().Context(), web.Actor(c), web.Merchant(c), id)
	if err != nil {
		return err
	}
	form, ok := h.Service.Form(conn.Provider, conn.Mode)
	if !ok || conn.State == connections.Removed {
		return domain.Errorf(domain.Conflict, "The settings of this connection can no longer be changed.")
	}
	v := pages.ConnectionFormView{Layout: layout(c, layouts.NavConnections, "Change "+conn.Name), ID: id, Provider: conn.Provider, Label: conn.Label, Name: conn.Name,
		BaseURL: conn.BaseURL, Errors: errs, PasswordError: passwordError, FormError: sentence}
	if typed != nil {
		v.Name = typed.Get("name")
	}
	for _, f := range form.Fields {
		if f.Secret {
			continue
		}
		shown := fieldView(f)
		shown.Value = conn.Settings[f.Name]
		if typed != nil {
			shown.Value = typed.Get(pages.FieldPrefix + f.Name)
		}
		if shown.Kind == "url" {
			shown.Value = withoutUser(shown.Value)
		}
		v.Fields = append(v.Fields, shown)
	}
	return web.Render(c, status, pages.EditConnection(v))
}

func (h *Connections) edit(c echo.Context) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	conn, err := h.Service.Get(c.Request().Context(), web.Actor(c), web.Merchant(c), id)
	if err != nil {
		return err
	}
	form, _ := h.Service.Form(conn.Provider, conn.Mode)
	names := []string{"name", "password"}
	for _, f := range form.Fields {
		if !f.Secret {
			names = append(names, pages.FieldPrefix+f.Name)
		}
	}
	typed, err := web.Form(c, names...)
	if err != nil {
		return err
	}
	ctx, actor := c.Request().Context(), web.Actor(c)
	err = h.SignIn.ConfirmPassword(ctx, actor, typed.Get("password"))
	switch why := domain.FieldsOf(err)["password"]; {
	case why != "":
		return h.editPage(c, http.StatusUnprocessableEntity, id, typed, nil, why, "")
	case domain.CodeOf(err) == domain.TooMany:
		return h.editPage(c, http.StatusTooManyRequests, id, typed, nil, "", domain.MessageOf(err))
	case err != nil:
		return err
	}
	settings := map[string]string{}
	for _, f := range form.Fields {
		if !f.Secret {
			settings[f.Name] = typed.Get(pages.FieldPrefix + f.Name)
		}
	}
	err = h.Service.Change(ctx, actor, id, typed.Get("name"), settings)
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "good", "Changed. Test it before you take a payment through it.")
		return web.Redirect(c, "/connections/"+id.String())
	case domain.Invalid:
		sentence := ""
		if len(domain.FieldsOf(err)) == 0 {
			sentence = domain.MessageOf(err)
		}
		return h.editPage(c, http.StatusUnprocessableEntity, id, typed, domain.FieldsOf(err), "", sentence)
	}
	return err
}

func (h *Connections) test(c echo.Context) error {
	id, err := h.posted(c)
	if err != nil {
		return err
	}
	v, err := h.Service.Test(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return h.refusal(c, id, err)
	}
	if v.OK {
		web.Flash(c, "good", "Tested: the provider accepts this connection.")
	} else {
		web.Flash(c, "bad", "Tested: this connection does not work. What the provider said is below.")
	}
	return web.Redirect(c, "/connections/"+id.String())
}

// posted reads a form without fields and the connection that it is about.
func (h *Connections) posted(c echo.Context, fields ...string) (domain.ConnectionID, error) {
	if _, err := web.Form(c, fields...); err != nil {
		return domain.ConnectionID{}, err
	}
	return connectionID(c)
}

// step is a form that only says which connection it is about.
func (h *Connections) step(do func(echo.Context, domain.ConnectionID) (string, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := h.posted(c)
		if err != nil {
			return err
		}
		said, err := do(c, id)
		if err != nil {
			return h.refusal(c, id, err)
		}
		web.Flash(c, "good", said)
		return web.Redirect(c, "/connections/"+id.String())
	}
}

func (h *Connections) rotate(c echo.Context) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	conn, err := h.Service.Get(c.Request().Context(), web.Actor(c), web.Merchant(c), id)
	if err != nil {
		return err
	}
	names := []string{"password"}
	for _, s := range conn.Credentials {
		names = append(names, pages.FieldPrefix+s.Field.Name)
	}
	typed, err := web.Form(c, names...)
	if err != nil {
		return err
	}
	err = h.SignIn.ConfirmPassword(c.Request().Context(), web.Actor(c), typed.Get("password"))
	if why := domain.FieldsOf(err)["password"]; why != "" {
		return h.page(c, http.StatusUnprocessableEntity, id, func(v *pages.ConnectionView) { v.PasswordError = why })
	}
	if err != nil {
		return h.refusal(c, id, err)
	}
	secrets := map[string]string{}
	for _, s := range conn.Credentials {
		secrets[s.Field.Name] = typed.Get(pages.FieldPrefix + s.Field.Name)
	}
	if err := h.Service.Rotate(c.Request().Context(), web.Actor(c), id, secrets); err != nil {
		return h.refusal(c, id, err)
	}
	web.Flash(c, "good", "The new credentials are kept beside those in use. Confirm them next.")
	return web.Redirect(c, "/connections/"+id.String())
}

func (h *Connections) confirm(c echo.Context) error {
	typed, err := web.Form(c, "checked")
	if err != nil {
		return err
	}
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	verdict, err := h.Service.Confirm(c.Request().Context(), web.Actor(c), id, typed.Get("checked") == "yes")
	if why := domain.FieldsOf(err)["checked"]; why != "" {
		return h.page(c, http.StatusUnprocessableEntity, id, func(v *pages.ConnectionView) { v.CheckedError = why })
	}
	if err != nil {
		return h.refusal(c, id, err)
	}
	if !verdict.OK {
		return h.page(c, http.StatusUnprocessableEntity, id, func(v *pages.ConnectionView) {
			v.ConfirmSaid, v.ConfirmMeaning = verdict.Said, verdict.Meaning
		})
	}
	web.Flash(c, "good", "The new credentials are confirmed. Switch to them next.")
	return web.Redirect(c, "/connections/"+id.String())
}

func (h *Connections) remove(c echo.Context) error {
	id, err := h.posted(c)
	if err != nil {
		return err
	}
	if err := h.Service.Remove(c.Request().Context(), web.Actor(c), id); err != nil {
		return h.refusal(c, id, err)
	}
	web.Flash(c, "good", "Removed. Its credentials are deleted; its payments stay.")
	return web.Redirect(c, "/connections")
}
