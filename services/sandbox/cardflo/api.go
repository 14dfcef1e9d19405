package cardflo

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Error codes of the gateway, as far as the emulator answers them.
const (
	codeInvalidRequest  = 1002
	codeSignature       = 1004
	codeLogical         = 1006
	codeUnexpected      = 1008
	codeMaintenance     = 1010
	codeDuplicateID     = 3004
	codeNotAllowed      = 3002
	codeNoScheduler     = 7003
	codeUnknownStatusID = 8001

	codeScheduleInvalid        = 7001
	codeScheduleAction         = 7005
	codeScheduleNoRegistration = 7010
	codeScheduleRegistration   = 7020
	codeScheduleNotRegister    = 7030
	codeScheduleNotRegistered  = 7035
	codeScheduleTooSoon        = 7036
	codeScheduleDeregistered   = 7037
	codeScheduleID             = 7040
	codeScheduleStart          = 7050
	codeScheduleContinue       = 7060
	codeScheduleStatus         = 7070
)

// systemError is the envelope of an error that made no transaction (seed 003,
// section Error handling). The code is left out where none is published.
type systemError struct {
	Success bool   `json:"success"`
	Message string `json:"errorMessage"`
	Code    int    `json:"errorCode,omitempty"`
}

// faultBody is the gateway's answer to an HTTP error that a fault asked for.
func faultBody(status int) []byte {
	switch {
	case status == http.StatusUnauthorized:
		return kit.Encode(systemError{Message: "Unauthorized"})
	case status == http.StatusServiceUnavailable:
		return kit.Encode(systemError{Message: "The system is under maintenance", Code: codeMaintenance})
	case status >= 500:
		return kit.Encode(systemError{Message: "System Error occurred", Code: codeUnexpected})
	}
	return kit.Encode(systemError{Message: http.StatusText(status)})
}

// refuse answers an error that makes no transaction.
func (s *Server) refuse(w http.ResponseWriter, code int, format string, args ...any) {
	status := http.StatusBadRequest
	if s.cfg.ErrorsAs200 {
		status = http.StatusOK
	}
	kit.WriteJSON(w, status, systemError{Message: fmt.Sprintf(format, args...), Code: code})
}

type apiHandler func(w http.ResponseWriter, r *http.Request, c Connector, body []byte)

// api authenticates a call and checks its signature where the connector
// demands one. ASSUMPTION: wrong credentials and an unknown key are answered
// 401 without a code, since no published code means them.
func (s *Server) api(next apiHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := r.PathValue("apiKey")
		c, known := s.connectors[key]
		if key == "" {
			c, known = s.byLink(r.PathValue("id"))
		}
		user, password, ok := r.BasicAuth()
		if !known || !ok || !equal(user, c.User) || !equal(password, c.Password) {
			kit.WriteJSON(w, http.StatusUnauthorized, systemError{Message: "Unauthorized"})
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			kit.WriteJSON(w, http.StatusBadRequest, systemError{Message: "The request broke off", Code: codeInvalidRequest})
			return
		}
		if c.RequireSignature && !s.signatureHolds(r, c, body) {
			kit.WriteJSON(w, http.StatusUnauthorized, systemError{Message: "Signature invalid", Code: codeSignature})
			return
		}
		if wait := s.tooMany(c); wait > 0 {
			w.Header().Set("X-RateLimit-Limit", strconv.Itoa(s.cfg.PerMinute))
			w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			kit.WriteJSON(w, http.StatusTooManyRequests, systemError{Message: http.StatusText(http.StatusTooManyRequests)})
			return
		}
		if r.Method == http.MethodPost {
			media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if err != nil || media != "application/json" {
				s.refuse(w, codeInvalidRequest, "Content-Type must be application/json")
				return
			}
		}
		next(w, r, c, body)
	}
}

// tooMany says how long a connector must wait before its next request, and
// counts this one if it need not. ASSUMPTION: it counts every request of the
// last minute.
func (s *Server) tooMany(c Connector) time.Duration {
	if s.cfg.PerMinute <= 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	var recent []time.Time
	for _, at := range s.requests[c.APIKey] {
		if now.Sub(at) < time.Minute {
			recent = append(recent, at)
		}
	}
	s.requests[c.APIKey] = recent
	if len(recent) >= s.cfg.PerMinute {
		return time.Minute - now.Sub(recent[0])
	}
	s.requests[c.APIKey] = append(recent, now)
	return 0
}

// notFound answers an unknown path. ASSUMPTION: no body is documented for it.
func notFound(w http.ResponseWriter) {
	kit.WriteJSON(w, http.StatusNotFound, systemError{Message: "Not found"})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// signatureHolds verifies X-Signature over exactly what was sent (seed 003,
// section Signature). Older clients put the date in X-Date.
func (s *Server) signatureHolds(r *http.Request, c Connector, body []byte) bool {
	date := r.Header.Get("Date")
	if date == "" {
		date = r.Header.Get("X-Date")
	}
	sent, err := parseDate(date)
	if err != nil {
		return false
	}
	if s.cfg.StrictDate > 0 {
		if age := s.kit.Clock.Now().Sub(sent); age > s.cfg.StrictDate || age < -s.cfg.StrictDate {
			return false
		}
	}
	given := r.Header.Get("X-Signature")
	contentType := r.Header.Get("Content-Type")
	sum := sha512.Sum512(body)
	if equal(given, sign(c.SharedSecret, r.Method, hex.EncodeToString(sum[:]), contentType, date, r.RequestURI)) {
		return true
	}
	if !s.cfg.LegacySignatures {
		return false
	}
	legacy := md5.Sum(body)
	return equal(given, sign(c.SharedSecret, r.Method, hex.EncodeToString(legacy[:]), contentType, date, r.RequestURI))
}

// sign returns the base64 of the raw HMAC-SHA512 over the five lines.
func sign(secret, method, bodyHash, contentType, date, requestURI string) string {
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{method, bodyHash, contentType, date, requestURI}, "\n")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseDate accepts the HTTP date with the zone GMT, and UTC, which the samples
// of seed 003 print.
func parseDate(s string) (time.Time, error) {
	if t, err := time.Parse(http.TimeFormat, s); err == nil {
		return t, nil
	}
	return time.Parse("Mon, 02 Jan 2006 15:04:05 UTC", s)
}
