package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// Callbacks answers the pages of what providers told by themselves.
type Callbacks struct {
	Service *connections.Service
}

// Routes lists the callback pages with what each asks of who calls it.
func (h *Callbacks) Routes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/connections/:id/callbacks", Permission: domain.ConnectionsRead, Handler: h.list},
		{Method: http.MethodPost, Path: "/connections/:id/callbacks/:callback", Permission: domain.ConnectionsManage, Handler: h.dealWith},
	}
}

func (h *Callbacks) list(c echo.Context) error {
	return h.page(c, http.StatusOK, domain.CallbackID{}, "", "")
}

func (h *Callbacks) page(c echo.Context, status int, wrong domain.CallbackID, note, sentence string) error {
	id, err := domain.ParseConnectionID(c.Param("id"))
	if err != nil {
		return err
	}
	var before domain.CallbackID
	if s := c.QueryParam("after"); s != "" {
		if before, err = domain.ParseCallbackID(s); err != nil {
			return err
		}
	}
	l, err := h.Service.ListCallbacks(c.Request().Context(), web.Actor(c), id, before)
	if err != nil {
		return err
	}
	v := pages.CallbacksView{Layout: layout(c, layouts.NavConnections, "Calls from "+l.Label), ID: id, Name: l.Connection.Name, System: l.Label,
		Older: l.Older, First: before.IsZero(), CanManage: web.Actor(c).Role.May(domain.ConnectionsManage)}
	for _, cb := range l.List {
		row := pages.CallbackRow{ID: cb.ID, At: cb.ReceivedAt, LastAt: cb.LastAt, Times: cb.Times, Status: cb.Status, Why: cb.Why, PaymentID: cb.PaymentID,
			DealtBy: cb.DealtBy, DealtAt: cb.DealtAt, Note: cb.Note}
		if v.CanManage {
			row.Body = cb.Body
		}
		if cb.ID == wrong {
			row.Typed, row.Error = note, sentence
		}
		v.Rows = append(v.Rows, row)
	}
	return web.Render(c, status, pages.Callbacks(v))
}

func (h *Callbacks) dealWith(c echo.Context) error {
	f, err := web.Form(c, "note")
	if err != nil {
		return err
	}
	id, err := domain.ParseConnectionID(c.Param("id"))
	if err != nil {
		return err
	}
	callback, err := domain.ParseCallbackID(c.Param("callback"))
	if err != nil {
		return err
	}
	err = h.Service.DealWith(c.Request().Context(), web.Actor(c), id, callback, f.Get("note"))
	if domain.CodeOf(err) == domain.Invalid {
		return h.page(c, http.StatusUnprocessableEntity, callback, f.Get("note"), domain.FieldsOf(err)["note"])
	}
	if err != nil {
		return err
	}
	web.Flash(c, "good", "Noted. The call no longer waits for a person.")
	return web.Redirect(c, "/connections/"+id.String()+"/callbacks")
}
