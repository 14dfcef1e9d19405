package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/pages"
	"github.com/counterfoil/counterfoil/web"
)

// terminalRoutes are what is done to a terminal from a payment's page.
func (h *Payments) terminalRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodPost, Path: "/payments/:id/stop", Permission: domain.PaymentsTake, Handler: h.stop},
		{Method: http.MethodPost, Path: "/payments/:id/print", Permission: domain.DevicesCheck, Handler: h.print},
	}
}

// terminalFields are what a form may say of a payment on a terminal.
var terminalFields = []string{"terminal", "tip_percents", "tip_amount", "tip_skip", "metadata", "skip_signature", "skip_pin", "no_duplicate_check", "store_card", "customer"}

// terminalCookie remembers, per browser, which terminal it last sent a payment
// to: a till's computer stands beside its terminal. It holds no secret.
const terminalCookie = "__Host-counterfoil-terminal"

// lastTerminal is the terminal that this browser last sent a payment to; empty
// when there is none.
func lastTerminal(c echo.Context) string {
	if cookie, err := c.Request().Cookie(terminalCookie); err == nil {
		if id, err := domain.ParseDeviceID(cookie.Value); err == nil {
			return id.String()
		}
	}
	return ""
}

// rememberTerminal keeps where a payment was sent.
func rememberTerminal(c echo.Context, id domain.DeviceID) {
	if id.IsZero() {
		return
	}
	c.SetCookie(&http.Cookie{Name: terminalCookie, Value: id.String(), Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
}

// readTerminal reads how a payment runs on a terminal; errs holds one sentence
// for each field that cannot be read. A terminal that is none is left zero, and
// the use case asks for one.
func readTerminal(form web.Values, errs map[string]string) domain.OnTerminal {
	o := domain.OnTerminal{TipAmount: form.Get("tip_amount") == yes, TipSkip: form.Get("tip_skip") == yes, SkipSignature: form.Get("skip_signature") == yes,
		SkipPIN: form.Get("skip_pin") == yes, NoDuplicateCheck: form.Get("no_duplicate_check") == yes, StoreCard: form.Get("store_card") == yes}
	o.DeviceID, _ = domain.ParseDeviceID(form.Get("terminal"))
	for _, s := range strings.FieldsFunc(form.Get("tip_percents"), func(r rune) bool { return strings.ContainsRune(" ,;%\t\r\n", r) }) {
		n, err := strconv.Atoi(s)
		if err != nil {
			errs["tip_percents"] = "A percentage is a whole number from 0 to 100."
			break
		}
		o.TipPercents = append(o.TipPercents, n)
	}
	for _, line := range strings.Split(strings.ReplaceAll(form.Get("metadata"), "\r\n", "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			o.Metadata = append(o.Metadata, line)
		}
	}
	return o
}

// terminalForm is what a form offers of terminals, with what was typed.
func terminalForm(c echo.Context, all []domain.Device, typed web.Values) pages.TerminalForm {
	return pages.TerminalForm{Terminals: all, Chosen: typed.Get("terminal"), Last: lastTerminal(c), TipPercents: typed.Get("tip_percents"), Metadata: typed.Get("metadata"), Customer: typed.Get("customer"),
		TipAmount: typed.Get("tip_amount") == yes, TipSkip: typed.Get("tip_skip") == yes, SkipSignature: typed.Get("skip_signature") == yes, SkipPIN: typed.Get("skip_pin") == yes,
		NoDuplicateCheck: typed.Get("no_duplicate_check") == yes, StoreCard: typed.Get("store_card") == yes}
}

// whereForm is where a change of a payment can be done; empty when no terminal
// does it.
func whereForm(d payments.Detail, act domain.Action, typed web.Values) pages.TerminalForm {
	if d.OnTerminal[act] != domain.Possible {
		return pages.TerminalForm{}
	}
	return pages.TerminalForm{Terminals: d.Terminals, Only: d.NeedsTerminal[act], Chosen: typed.Get("terminal")}
}

// stop asks the terminal to give up the payment that runs on it. What comes of it
// is said by the payment.
func (h *Payments) stop(c echo.Context) error {
	if _, err := web.Form(c); err != nil {
		return err
	}
	id, err := paymentID(c)
	if err != nil {
		return err
	}
	return h.sentToTerminal(c, id, "The terminal was asked to stop. What comes of it stands here.", func() error {
		_, err := h.Devices.Stop(c.Request().Context(), web.Actor(c), id)
		return err
	})
}

// print sends a payment's receipt to a terminal again.
func (h *Payments) print(c echo.Context) error {
	form, err := web.Form(c, "terminal", "copy")
	if err != nil {
		return err
	}
	id, err := paymentID(c)
	if err != nil {
		return err
	}
	device, err := domain.ParseDeviceID(form.Get("terminal"))
	if err != nil {
		return domain.Errorf(domain.NotFound, "There is no terminal with that id.")
	}
	return h.sentToTerminal(c, id, "The receipt was sent to the terminal. Whether it prints, it says by itself.", func() error {
		_, err := h.Devices.Print(c.Request().Context(), web.Actor(c), id, device, form.Get("copy"))
		return err
	})
}

// sentToTerminal leads back to the payment with a sentence, or shows it with the
// reason why nothing was sent.
func (h *Payments) sentToTerminal(c echo.Context, id domain.PaymentID, sentence string, send func() error) error {
	err := send()
	switch domain.CodeOf(err) {
	case "":
		web.Flash(c, "info", sentence)
		return web.Redirect(c, "/payments/"+id.String())
	case domain.Conflict, domain.NotFound:
		// Such as a receipt that no terminal has brought. A payment that is not there
		// is said to be so by reading it.
		d, lost := h.get(c)
		if lost != nil {
			return lost
		}
		v := h.detailView(c, d)
		v.Layout.Flash = &components.Flash{Tone: "warn", Text: domain.MessageOf(err)}
		return web.Render(c, http.StatusConflict, pages.Payment(v))
	}
	return err
}
