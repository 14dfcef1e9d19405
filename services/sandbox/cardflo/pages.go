package cardflo

import (
	"embed"
	"errors"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

//go:embed assets
var files embed.FS

var templates = template.Must(template.ParseFS(files, "assets/*.html"))

// serveAsset serves the pages' own stylesheet and script.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
	name := r.PathValue("file")
	contentType, ok := types[path.Ext(name)]
	body, err := files.ReadFile("assets/" + name)
	if !ok || err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body)
}

// page renders one of the emulator's pages. A frameAncestors of "" lets any
// site frame it.
func page(w http.ResponseWriter, status int, name, frameAncestors string, data any) {
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'"
	if frameAncestors != "" {
		policy += "; frame-ancestors " + frameAncestors
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := templates.ExecuteTemplate(w, name, data); err != nil {
		// The templates are embedded and fed with plain values.
		panic(err)
	}
}

type payView struct {
	Title  string
	Amount string // empty where the card is only stored
	Action string
	Expiry string
	Errors map[string]string
}

type doneView struct {
	Title   string
	Message string
}

// payPage shows the card form of a redirect, or how the transaction ended.
func (s *Server) payPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byPage(r.PathValue("page"))
	if t == nil {
		page(w, http.StatusNotFound, "done.html", "", doneView{Title: "No such payment", Message: "This address belongs to no payment. Ask the merchant for a new one."})
		return
	}
	if t.status != statusRedirect {
		s.showEnd(w, t)
		return
	}
	page(w, http.StatusOK, t.template(), "", t.view(nil, ""))
}

// template is the page that a redirect leads to.
func (t *transaction) template() string {
	if t.threeDS {
		return "check.html"
	}
	return "pay.html"
}

// pay takes the card. The number is used to choose the outcome and dropped.
func (s *Server) pay(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		page(w, http.StatusBadRequest, "done.html", "", doneView{Title: "Not understood", Message: "The form could not be read. Go back and try again."})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byPage(r.PathValue("page"))
	if t == nil {
		page(w, http.StatusNotFound, "done.html", "", doneView{Title: "No such payment", Message: "This address belongs to no payment. Ask the merchant for a new one."})
		return
	}
	// A second post of the same page, by an impatient click, changes nothing.
	if t.status == statusRedirect {
		action := r.PostForm.Get("action")
		switch {
		case action == "cancel":
			t.fail(statusCancelled, 2002, "")
			s.concludeSchedule(t)
		case t.threeDS && action == "refuse":
			t.fail(statusError, 2021, "")
			s.concludeSchedule(t)
		case t.threeDS:
			outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
			if !forced || outcome.Result == kit.Reject {
				outcome = t.card.outcome
			}
			s.conclude(t, outcome)
		default:
			in, errs := kit.ReadCard(r.PostForm.Get("card_number"), r.PostForm.Get("expiry"), r.PostForm.Get("security_code"), s.kit.Clock.Now())
			if len(errs) > 0 {
				page(w, http.StatusUnprocessableEntity, "pay.html", "", t.view(errs, r.PostForm.Get("expiry")))
				return
			}
			t.card = keep(in)
			outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
			if !forced || outcome.Result == kit.Reject {
				outcome = t.card.outcome
			}
			s.conclude(t, outcome)
		}
		if t.status == statusPending {
			// ASSUMPTION: a page that ends in PENDING is told, since nobody
			// waits for an answer any more.
			s.send(t, t.callbackURL, t.notification())
		}
		s.notify(t)
	}
	if next := t.returnURL(); next != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.showEnd(w, t)
}

func (s *Server) byPage(id string) *transaction {
	if id == "" {
		return nil
	}
	return s.find(func(t *transaction) bool { return t.page == id })
}

func (t *transaction) view(errs map[string]string, expiry string) payView {
	v := payView{Title: "Card details", Action: payPath + t.page, Expiry: expiry, Errors: errs}
	if t.currency != "" {
		v.Amount = t.currency + " " + t.amount()
	}
	if t.threeDS {
		v.Title = "Confirm the payment"
	}
	if len(errs) > 0 {
		v.Title = "Error: card details"
	}
	return v
}

// returnURL is where the customer goes after the page: success also stands for
// pending (seed 003, section Debit).
func (t *transaction) returnURL() string {
	switch t.status {
	case statusSuccess, statusPending:
		return t.request.text("successUrl")
	case statusCancelled:
		return t.request.text("cancelUrl")
	}
	return t.request.text("errorUrl")
}

func (s *Server) showEnd(w http.ResponseWriter, t *transaction) {
	v := doneView{Title: "Payment declined", Message: t.reason.message}
	switch t.status {
	case statusSuccess:
		v = doneView{Title: "Payment approved", Message: "You can close this page. The merchant has been told."}
		if t.currency == "" {
			v.Title = "Card stored"
		}
	case statusPending:
		v = doneView{Title: "Payment in progress", Message: "You can close this page. The merchant will be told when it is done."}
	case statusCancelled:
		v = doneView{Title: "Payment cancelled", Message: "Nothing was charged. You can close this page."}
	}
	page(w, http.StatusOK, "done.html", "", v)
}

type frameView struct {
	Origin string
	Tokens string
}

// framePage is the token frame (ASSUMPTION as a whole; the README describes
// the messages). Only the origin that it was opened for may frame it.
func (s *Server) framePage(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("apiKey")
	if _, known := s.connectors[key]; !known {
		page(w, http.StatusNotFound, "done.html", "", doneView{Title: "Not available", Message: "This card form is not available."})
		return
	}
	origin := r.URL.Query().Get("origin")
	if !isOrigin(origin) {
		page(w, http.StatusBadRequest, "done.html", "", doneView{Title: "Not available", Message: "This card form was opened without the address of its page."})
		return
	}
	page(w, http.StatusOK, "frame.html", origin, frameView{Origin: origin, Tokens: framePath + url.PathEscape(key) + "/tokens"})
}

// isOrigin says whether s is scheme://host[:port] and nothing more.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		s == u.Scheme+"://"+u.Host && !strings.ContainsAny(s, "*;, '\"")
}

type tokenRequest struct {
	number, expiry, code string
}

type tokenReply struct {
	Token  string `json:"token"`
	Brand  string `json:"brand"`
	Last4  string `json:"last4"`
	Expiry string `json:"expiry"`
}

type tokenErrors struct {
	Errors map[string]string `json:"errors"`
}

var tokenSchema = map[string]property{
	"cardNumber": {required: true, max: 40}, "expiry": {required: true, max: 10}, "securityCode": {required: true, max: 10},
}

// tokenize turns a typed card into a token for one debit. The frame's own
// script calls it, from the frame's own origin.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("apiKey")
	if _, known := s.connectors[key]; !known {
		kit.WriteJSON(w, http.StatusNotFound, systemError{Message: "Not found"})
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != s.publicURL(r) {
		kit.WriteJSON(w, http.StatusForbidden, systemError{Message: "Forbidden"})
		return
	}
	request, err := readTokenRequest(r)
	if err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, systemError{Message: err.Error(), Code: codeInvalidRequest})
		return
	}
	now := s.kit.Clock.Now()
	in, errs := kit.ReadCard(request.number, request.expiry, request.code, now)
	if len(errs) > 0 {
		kit.WriteJSON(w, http.StatusUnprocessableEntity, tokenErrors{Errors: errs})
		return
	}
	stored := &storedToken{connector: key, card: keep(in), expires: now.Add(tokenTTL)}
	token := "ix::" + randomHex(12)
	s.mu.Lock()
	s.tokens[token] = stored
	s.mu.Unlock()
	kit.WriteJSON(w, http.StatusOK, tokenReply{
		Token: token, Brand: stored.card.brand, Last4: stored.card.last4,
		Expiry: time.Date(stored.card.year, time.Month(stored.card.month), 1, 0, 0, 0, 0, time.UTC).Format("01/06"),
	})
}

func readTokenRequest(r *http.Request) (tokenRequest, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return tokenRequest{}, errors.New("Content-Type must be application/json")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return tokenRequest{}, errors.New("the request broke off")
	}
	fields, err := parse(body, tokenSchema)
	if err != nil {
		return tokenRequest{}, err
	}
	return tokenRequest{number: fields.text("cardNumber"), expiry: fields.text("expiry"), code: fields.text("securityCode")}, nil
}
