package cashflows

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"path"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

//go:embed assets
var files embed.FS

var templates = template.Must(template.ParseFS(files, "assets/*.html"))

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	body, err := files.ReadFile("assets/" + name)
	if path.Ext(name) != ".css" || err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body)
}

// page renders one of the emulator's pages. Any site may frame it, and it has
// no script.
func page(w http.ResponseWriter, status int, name string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'")
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
	Title, Amount, Ref, Holder, Expiry string
	Errors                             map[string]string
}

type doneView struct{ Title, Message string }

// payPage shows the card form of a job, its challenge, or how it ended.
func (s *Server) payPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.byPage(r.URL.Query().Get("ref"))
	switch {
	case j == nil:
		nobody(w)
	case j.payment.status != statusPending || !j.payment.settles.IsZero():
		s.showEnd(w, j)
	case j.challenge:
		page(w, http.StatusOK, "challenge.html", j.view(nil, "", ""))
	default:
		page(w, http.StatusOK, "pay.html", j.view(nil, "", ""))
	}
}

func nobody(w http.ResponseWriter) {
	page(w, http.StatusNotFound, "done.html", doneView{Title: "No such payment", Message: "This address belongs to no payment. Ask the merchant for a new one."})
}

// pay takes the card, or the answer to the challenge. The number is used to
// choose the outcome and dropped.
func (s *Server) pay(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		page(w, http.StatusBadRequest, "done.html", doneView{Title: "Not understood", Message: "The form could not be read. Go back and try again."})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.byPage(r.URL.Query().Get("ref"))
	if j == nil {
		nobody(w)
		return
	}
	// A second post of the same page, by an impatient click, changes nothing.
	if j.payment.status == statusPending && j.payment.settles.IsZero() && !s.typed(w, r, j) {
		return
	}
	if next := j.returnURL(); next != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.showEnd(w, j)
}

// typed carries out what was posted; false when the page has to be shown again.
func (s *Server) typed(w http.ResponseWriter, r *http.Request, j *job) bool {
	f := r.PostForm
	switch action := f.Get("action"); {
	case action == "cancel":
		j.challenge = false
		j.payment.status = statusCancelled
		s.ledger(j)
		s.notify(j)
		return true
	case j.challenge:
		j.challenge = false
		if action == "pass" {
			s.charge(r, j)
		} else {
			s.conclude(j, kit.Outcome{Result: kit.Decline, Code: threeDSFailed.code})
		}
		return true
	}
	in, errs := readCard(f.Get("card_holder"), f.Get("card_number"), f.Get("expiry"), f.Get("security_code"), s.kit.Clock.Now())
	if len(errs) > 0 {
		page(w, http.StatusUnprocessableEntity, "pay.html", j.view(errs, f.Get("card_holder"), f.Get("expiry")))
		return false
	}
	j.payment.card = in.keep()
	// ASSUMPTION: the test names count for telephone payments too, though 3DS
	// does not.
	switch in.holder {
	case HolderChallenge:
		j.challenge = true
		page(w, http.StatusOK, "challenge.html", j.view(nil, "", ""))
		return false
	case HolderDecoupled:
		s.conclude(j, pendingThenApprove())
	case HolderFailed:
		s.conclude(j, kit.Outcome{Result: kit.Decline, Code: threeDSFailed.code})
	case HolderUnavailable:
		s.conclude(j, kit.Outcome{Result: kit.Decline, Code: threeDSUnavailable.code})
	default:
		s.charge(r, j)
	}
	return true
}

func (s *Server) charge(r *http.Request, j *job) {
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced || outcome.Result == kit.Reject {
		outcome = j.payment.card.outcome
	}
	s.conclude(j, outcome)
}

func (s *Server) byPage(ref string) *job {
	if ref == "" {
		return nil
	}
	return s.find(func(j *job) bool { return j.page == ref })
}

func (j *job) view(errs map[string]string, holder, expiry string) payView {
	v := payView{Title: "Card details", Amount: j.currency + " " + decimals(j.minor), Ref: j.page, Holder: holder, Expiry: expiry, Errors: errs}
	if len(errs) > 0 {
		v.Title = "Error: card details"
	}
	return v
}

// returnURL is where the payer goes after the page, with the references that
// the provider adds to it.
func (j *job) returnURL() string {
	name, status := "returnUrlFailed", "failed"
	switch j.payment.status {
	case statusPaid, statusReserved, statusVerified, statusPending:
		name, status = "returnUrlSuccess", "success"
	case statusCancelled:
		name, status = "returnUrlCancelled", "cancelled"
	}
	u, err := url.Parse(j.request.object("parameters").text(name))
	if err != nil || u.Host == "" {
		return ""
	}
	q := u.Query()
	q.Set("status", status)
	q.Set("paymentjobref", j.ref)
	q.Set("paymentref", j.payment.ref)
	if number := j.request.object("order").text("orderNumber"); number != "" {
		q.Set("ordernumber", number)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *Server) showEnd(w http.ResponseWriter, j *job) {
	v := doneView{Title: "Payment declined", Message: "Nothing was charged. You can close this page."}
	switch j.payment.status {
	case statusPaid, statusReserved, statusVerified:
		v = doneView{Title: "Payment approved", Message: "You can close this page. The merchant has been told."}
	case statusPending:
		v = doneView{Title: "Payment in progress", Message: "You can close this page. The merchant will be told when it is done."}
	case statusCancelled:
		v = doneView{Title: "Payment cancelled", Message: "Nothing was charged. You can close this page."}
	case statusExpired:
		v = doneView{Title: "Payment expired", Message: "Nothing was charged. Ask the merchant for a new page."}
	}
	page(w, http.StatusOK, "done.html", v)
}
