package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
)

// FieldCSRF is the hidden field that every form of ours carries.
const FieldCSRF = "_csrf"

// FieldKey is the hidden field with the idempotency key of a form that moves
// money.
const FieldKey = "_key"

const csrfNonce = 16

// CSRF is the token for the forms of this page. It is bound to the session and
// looks different on every page, so that compression gives nothing away. A
// visitor who has not signed in gets a cookie for it and nothing is stored.
func CSRF(c echo.Context) string {
	v := visitOf(c)
	if v == nil {
		return ""
	}
	secret := formSecret(c)
	if len(secret) == 0 {
		v.visitor, v.minted = visitorPrefix+rand.Text(), true
		secret = v.visitorSecret()
	}
	token := make([]byte, csrfNonce, csrfNonce+sha256.Size)
	_, _ = rand.Read(token) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(csrfMAC(secret, token))
}

// formSecret is the session's own, or a visitor's; none when there is neither.
func formSecret(c echo.Context) []byte {
	if secret := serverOf(c).sessions.scs.GetBytes(c.Request().Context(), valueCSRF); len(secret) > 0 {
		return secret
	}
	if v := visitOf(c); v.visitor != "" {
		return v.visitorSecret()
	}
	return nil
}

// csrfMAC appends the nonce's authentication code to it.
func csrfMAC(secret, nonce []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("counterfoil form token\x00"))
	mac.Write(nonce)
	return mac.Sum(nonce)
}

// ErrStaleForm answers a form without a token of this session: it is older than
// the session, or not ours.
var ErrStaleForm = domain.Errorf(domain.Forbidden, "This form is too old, or it did not come from this page. Nothing was done. Reload the page and send it again.")

// checkCSRF is the second wall behind checkOrigin.
func checkCSRF(c echo.Context) error {
	secret := formSecret(c)
	if err := parseForm(c); err != nil {
		return err
	}
	token, err := base64.RawURLEncoding.DecodeString(c.Request().PostForm.Get(FieldCSRF))
	if err != nil || len(secret) == 0 || len(token) != csrfNonce+sha256.Size {
		return ErrStaleForm
	}
	if !hmac.Equal(token, csrfMAC(secret, token[:csrfNonce:csrfNonce])) {
		return ErrStaleForm
	}
	return nil
}

// checkOrigin refuses what a browser sends on behalf of another site.
func (s *Server) checkOrigin(r *http.Request) error {
	if err := s.cross.Check(r); err != nil {
		return domain.Wrap(err, domain.Forbidden, "This request came from another site. Nothing was done.")
	}
	// The standard check compares hosts; a page of the same host over plain
	// http is another site too.
	if s.https && !isSafe(r.Method) && strings.HasPrefix(r.Header.Get("Origin"), "http:") {
		return domain.Errorf(domain.Forbidden, "This request came from another site. Nothing was done.")
	}
	return nil
}
