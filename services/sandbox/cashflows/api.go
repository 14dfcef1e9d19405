package cashflows

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// item is one error or warning (ErrorReport of the generated client). The code is left out
// where none is recovered.
type item struct {
	Code              string   `json:"code,omitempty"`
	Message           string   `json:"message"`
	Parameters        []string `json:"parameters"`
	TranslatedMessage string   `json:"translatedMessage,omitempty"`
}

type report struct {
	Errors       []item `json:"errors,omitempty"`
	Warnings     []item `json:"warnings,omitempty"`
	Language     string `json:"language"`
	IsFatalError bool   `json:"isFatalError"`
}

type link struct {
	URL  string `json:"url"`
	Type string `json:"type"`
}

type links struct {
	Data          *link `json:"data,omitempty"`
	Action        *link `json:"action,omitempty"`
	Documentation *link `json:"documentation,omitempty"`
}

// envelope is every answer of the Gateway.
type envelope struct {
	Data        any     `json:"data,omitempty"`
	ErrorReport *report `json:"errorReport,omitempty"`
	Links       links   `json:"links"`
}

func entryOf(code, message string) item {
	return item{Code: code, Message: message, Parameters: []string{}, TranslatedMessage: message}
}

// failure is an answer with one error and no data. ASSUMPTION: isFatalError is
// true when nothing was made.
func failure(code, message string) envelope {
	return envelope{
		ErrorReport: &report{Errors: []item{entryOf(code, message)}, Language: "en_GB", IsFatalError: true},
		Links:       links{Documentation: &link{URL: "https://developer.cashflows.com/", Type: "text/html"}},
	}
}

// refuse answers one of the documented messages as 400.
func refuse(w http.ResponseWriter, m message) {
	kit.WriteJSON(w, http.StatusBadRequest, failure(m.code, m.text))
}

// invalid answers a body that has the wrong form. ASSUMPTION: the document has
// no message for it, so the words are the emulator's and there is no code.
func invalid(w http.ResponseWriter, err error) {
	kit.WriteJSON(w, http.StatusBadRequest, failure("", err.Error()))
}

// faultBody is the gateway's answer to an HTTP error that a fault asked for.
func faultBody(status int) []byte { return kit.Encode(failure("", http.StatusText(status))) }

type apiHandler func(w http.ResponseWriter, r *http.Request, a *account, body []byte)

// api checks the configuration, its lock, the signature and the content type,
// and holds the lock while the handler works. ASSUMPTIONS: a missing
// configuration and a wrong signature are 401, an unknown configuration 404
// (as a digest of the portal has it), a locked one 403 with the document's "Too many
// attempts.".
func (s *Server) api(next apiHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			kit.WriteJSON(w, http.StatusBadRequest, failure("", "The request broke off."))
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		id := r.Header.Get("ConfigurationId")
		a, known := s.accounts[id]
		switch {
		case id == "":
			kit.WriteJSON(w, http.StatusUnauthorized, failure("", "The ConfigurationId header is missing."))
			return
		case !known:
			kit.WriteJSON(w, http.StatusNotFound, failure("", "The configuration does not exist."))
			return
		case a.wrong >= LockAfter:
			kit.WriteJSON(w, http.StatusForbidden, failure("", tooManyAttempts.text))
			return
		case !signed(a.APIKey, body, r.Header.Get("Hash")):
			a.wrong++
			kit.WriteJSON(w, http.StatusUnauthorized, failure("", "The hash of the request is not valid."))
			return
		}
		a.wrong = 0
		if r.Method == http.MethodPost {
			if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
				kit.WriteJSON(w, http.StatusBadRequest, failure("", "The content type must be application/json."))
				return
			}
		}
		next(w, r, a, body)
	}
}

// signed says whether hash is the hex SHA-512 of the key followed by exactly the
// body, or of the key alone when there is none (the generated client's own words). ASSUMPTION:
// capital and small letters are both right.
func signed(key string, body []byte, hash string) bool {
	sum := sha512.Sum512(append([]byte(key), body...))
	return subtle.ConstantTimeCompare([]byte(strings.ToLower(hash)), []byte(hex.EncodeToString(sum[:]))) == 1
}

// reference makes an 18-digit reference of the day. It never passes for a card
// number in a journal.
func (s *Server) reference() string {
	for {
		b := make([]byte, 12)
		_, _ = rand.Read(b)
		ref := s.kit.Clock.Now().Format("060102")
		for _, c := range b {
			ref += string('0' + c%10)
		}
		if !kit.Luhn(ref) {
			return ref
		}
	}
}

func randomHex(n int) string {
	b := make([]byte, n)
	for {
		_, _ = rand.Read(b)
		if s := hex.EncodeToString(b); kit.Scrub(s) == s {
			return s
		}
	}
}

func (s *Server) publicURL(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return s.cfg.PublicURL
	}
	return "http://" + r.Host
}

// amount renders minor units of a currency with two decimals.
func (s *Server) amount(minor int64) any {
	if s.cfg.NumberAmounts {
		return json.Number(decimals(minor))
	}
	return decimals(minor)
}

func decimals(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }
