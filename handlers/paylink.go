package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// beginningView is what the payment's page shows of how the payment began.
func beginningView(c echo.Context, d payments.Detail) pages.BeginningView {
	root := d.Sale()
	v := pages.BeginningView{Root: root, CancelLink: d.Why[domain.ActCancelLink], StoreCard: d.Why[domain.ActStoreCard]}
	if root.Link() && root.Status.Open() {
		v.LinkURL = root.RedirectURL
	}
	standing := domain.Standing{Payment: d.Payment, Transactions: d.Transactions, Caps: d.Caps, Removed: d.Connection.Removed()}
	v.Payout = domain.Allowed(web.Actor(c), standing, domain.ActPayout) == domain.Possible && d.Connection.Active && d.Payment.Kind != domain.Payout
	return v
}

// linkQR is the link as a picture for a telephone's camera.
func (h *Payments) linkQR(c echo.Context) error {
	id, err := paymentID(c)
	if err != nil {
		return err
	}
	picture, err := h.Service.LinkQR(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "image/png", picture)
}

func paymentID(c echo.Context) (domain.PaymentID, error) {
	id, err := domain.ParsePaymentID(c.Param("id"))
	if err != nil {
		return id, domain.Errorf(domain.NotFound, "There is no payment with that id.")
	}
	return id, nil
}

func (h *Payments) cancelLinkForm(c echo.Context) error {
	return h.cancelLinkPage(c, http.StatusOK, "")
}

func (h *Payments) cancelLinkPage(c echo.Context, status int, sentence string) error {
	d, err := h.get(c)
	if err != nil {
		return err
	}
	return web.Render(c, status, pages.CancelLink(pages.CancelLinkView{Layout: layout(c, layouts.NavPayments, "Cancel link "+d.Payment.Reference),
		Payment: d.Payment, Root: d.Sale(), Denied: d.Why[domain.ActCancelLink], FormError: sentence}))
}

// cancelLink ends a link and shows the payment; a doubt is shown over the form.
func (h *Payments) cancelLink(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	id, err := paymentID(c)
	if err != nil {
		return err
	}
	err = h.Service.CancelLink(c.Request().Context(), web.Actor(c), id)
	switch domain.CodeOf(err) {
	case "":
		return web.Redirect(c, "/payments/"+id.String())
	case domain.Conflict, domain.Unavailable:
		return h.cancelLinkPage(c, http.StatusConflict, domain.MessageOf(err))
	}
	return err
}
