package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Limits answers /settings/limits: above which sums a second look is needed.
type Limits struct {
	Service *payments.Service
	SignIn  *signin.Service // asks for the password again
}

// Routes lists the pages with what each asks of who calls it.
func (h *Limits) Routes() []web.Route {
	route := func(method, path string, f echo.HandlerFunc) web.Route {
		return web.Route{Method: method, Path: path, Permission: domain.LimitsManage, Handler: f}
	}
	return []web.Route{
		route(http.MethodGet, "/settings/limits", h.list),
		route(http.MethodGet, "/settings/limits/new", h.newForm),
		route(http.MethodPost, "/settings/limits", h.add),
		route(http.MethodGet, "/settings/limits/:id", h.editForm),
		route(http.MethodPost, "/settings/limits/:id", h.edit),
		route(http.MethodPost, "/settings/limits/:id/remove", h.remove),
	}
}

func (h *Limits) list(c echo.Context) error {
	v, err := h.Service.Limits(c.Request().Context(), web.Actor(c))
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.Limits(pages.LimitsView{Layout: layout(c, layouts.NavNone, "Limits"), Rows: v.Limits}))
}

func (h *Limits) newForm(c echo.Context) error {
	return h.newPage(c, http.StatusOK, web.Values{web.FieldKey: domain.NewLimitID().String()}, nil, "")
}

func (h *Limits) newPage(c echo.Context, status int, typed web.Values, errs map[string]string, sentence string) error {
	all, err := h.Service.Limits(c.Request().Context(), web.Actor(c))
	if err != nil {
		return err
	}
	v := pages.LimitFormView{Layout: layout(c, layouts.NavNone, "Add a limit"), Key: typed.Key(), StepUp: typed.Get("step_up"), Approval: typed.Get("approval"), Errors: errs, FormError: sentence}
	option := func(field, value, label string) components.Option {
		return components.Option{Value: value, Label: label, Chosen: typed.Get(field) == value}
	}
	for _, r := range domain.Roles {
		if limitable(r) {
			v.Roles = append(v.Roles, option("who", "role:"+string(r), r.Label()))
		}
	}
	for _, m := range all.Members {
		if limitable(m.Role) {
			v.People = append(v.People, option("who", "user:"+m.ID.String(), m.Name+", "+strings.ToLower(m.Role.Label())))
		}
	}
	for _, t := range domain.Limited {
		label := t.Label()
		if t == domain.Void {
			label = "Void of a sale"
		}
		v.Actions = append(v.Actions, option("action", string(t), label))
	}
	for _, cur := range web.Merchant(c).Currencies {
		v.Currencies = append(v.Currencies, option("currency", cur.Code(), cur.Code()))
	}
	for _, p := range domain.Pers {
		v.Pers = append(v.Pers, option("per", string(p), p.Label()))
	}
	return web.Render(c, status, pages.LimitForm(v))
}

// limitable says that a role may do something that can have a limit.
func limitable(r domain.Role) bool {
	for _, t := range domain.Limited {
		if r.May(domain.LimitedPermission(t)) {
			return true
		}
	}
	return false
}

func (h *Limits) add(c echo.Context) error {
	form, err := web.Form(c, "who", "action", "currency", "per", "step_up", "approval", "password")
	if err != nil {
		return err
	}
	errs := map[string]string{}
	l := domain.Limit{Action: domain.TransactionType(form.Get("action")), Per: domain.Per(form.Get("per"))}
	if l.ID, err = domain.ParseLimitID(form.Key()); err != nil {
		form[web.FieldKey] = domain.NewLimitID().String()
		return h.newPage(c, http.StatusConflict, form, nil, "This form is too old to use. Nothing was changed. Look at it, then send it again.")
	}
	kind, who, _ := strings.Cut(form.Get("who"), ":")
	switch kind {
	case "role":
		l.Role = domain.Role(who)
	case "user":
		l.UserID, _ = domain.ParseUserID(who)
	}
	if l.Currency, err = money.ParseCurrency(form.Get("currency")); err != nil {
		errs["currency"] = "Choose a currency."
		l.Currency = web.Merchant(c).Currencies[0]
	}
	thresholds(form, &l, errs)
	if len(errs) > 0 {
		return h.newPage(c, http.StatusUnprocessableEntity, form, errs, "")
	}
	return h.save(c, form.Get("password"), "Added.", func() error { return h.Service.AddLimit(c.Request().Context(), web.Actor(c), l) },
		func(status int, errs map[string]string, sentence string) error {
			return h.newPage(c, status, form, errs, sentence)
		})
}

// thresholds reads the two amounts; an empty one is none.
func thresholds(form web.Values, l *domain.Limit, errs map[string]string) {
	for name, to := range map[string]*domain.Threshold{"step_up": &l.StepUpAbove, "approval": &l.ApprovalAbove} {
		text := strings.TrimSpace(form.Get(name))
		if text == "" {
			continue
		}
		a, err := money.ParseMajor(text, l.Currency)
		if err != nil {
			errs[name] = err.Error()
			continue
		}
		*to = domain.Above(a.Minor())
	}
}

// save asks for the password, then changes.
func (h *Limits) save(c echo.Context, password, done string, change func() error, again func(int, map[string]string, string) error) error {
	err := h.SignIn.ConfirmPassword(c.Request().Context(), web.Actor(c), password)
	if err == nil {
		err = change()
	}
	switch code := domain.CodeOf(err); code {
	case "":
		web.Flash(c, "good", done)
		return web.Redirect(c, "/settings/limits")
	case domain.Invalid, domain.Conflict, domain.Duplicate, domain.Forbidden, domain.TooMany:
		fields, sentence := domain.FieldsOf(err), ""
		if len(fields) == 0 {
			sentence = domain.MessageOf(err)
		}
		return again(web.StatusOf(code), fields, sentence)
	}
	return err
}

func (h *Limits) editForm(c echo.Context) error { return h.editPage(c, http.StatusOK, nil) }

// editPage shows the limit, with what a refused form brought.
func (h *Limits) editPage(c echo.Context, status int, edit func(*pages.LimitFormView)) error {
	all, err := h.Service.Limits(c.Request().Context(), web.Actor(c))
	if err != nil {
		return err
	}
	for _, l := range all.Limits {
		if l.ID.String() != c.Param("id") {
			continue
		}
		v := pages.LimitFormView{Layout: layout(c, layouts.NavNone, "Change a limit"), Limit: l}
		if l.StepUpAbove.Set {
			v.StepUp = l.Amount(l.StepUpAbove).Major()
		}
		if l.ApprovalAbove.Set {
			v.Approval = l.Amount(l.ApprovalAbove).Major()
		}
		if edit != nil {
			edit(&v)
		}
		return web.Render(c, status, pages.LimitForm(v))
	}
	return domain.Errorf(domain.NotFound, "There is no limit with that id.")
}

func (h *Limits) edit(c echo.Context) error {
	form, err := web.Form(c, "step_up", "approval", "password")
	if err != nil {
		return err
	}
	all, err := h.Service.Limits(c.Request().Context(), web.Actor(c))
	if err != nil {
		return err
	}
	var l domain.Limit
	for _, one := range all.Limits {
		if one.ID.String() == c.Param("id") {
			l = one
		}
	}
	if l.ID.IsZero() {
		return domain.Errorf(domain.NotFound, "There is no limit with that id.")
	}
	again := func(status int, errs map[string]string, sentence string) error {
		return h.editPage(c, status, func(v *pages.LimitFormView) {
			v.StepUp, v.Approval, v.Errors, v.FormError = form.Get("step_up"), form.Get("approval"), errs, sentence
		})
	}
	errs := map[string]string{}
	l.StepUpAbove, l.ApprovalAbove = domain.Threshold{}, domain.Threshold{}
	if thresholds(form, &l, errs); len(errs) > 0 {
		return again(http.StatusUnprocessableEntity, errs, "")
	}
	return h.save(c, form.Get("password"), "Saved.", func() error { return h.Service.ChangeLimit(c.Request().Context(), web.Actor(c), l) }, again)
}

func (h *Limits) remove(c echo.Context) error {
	form, err := web.Form(c, "password")
	if err != nil {
		return err
	}
	id, err := domain.ParseLimitID(c.Param("id"))
	if err != nil {
		return domain.Errorf(domain.NotFound, "There is no limit with that id.")
	}
	return h.save(c, form.Get("password"), "Removed.", func() error { return h.Service.RemoveLimit(c.Request().Context(), web.Actor(c), id) },
		func(status int, errs map[string]string, sentence string) error {
			return h.editPage(c, status, func(v *pages.LimitFormView) { v.RemoveError, v.FormError = errs["password"], sentence })
		})
}
