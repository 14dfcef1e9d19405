package cloudpayments

import (
	"errors"

	"github.com/counterfoil/counterfoil/services/providers"
)

// The answer that says that a key works, word for word (seed 002, "Sample
// Request/Response").
const (
	statusOK   = "OK"
	messageKey = "Your APP Key is valid"
)

// statusAnswer is what GET /dummyapi/status answers.
type statusAnswer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// errorAnswer is the body of every error of the key (seed 002, "Key related
// errors") and of a refused sign-in (RFC 6749, 5.2).
type errorAnswer struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// tokenAnswer is what POST /auth/oauth/token answers, as far as it is used. The
// fields are those of a client of the vendor's own; the seed names only the
// address.
type tokenAnswer struct {
	AccessToken  string         `json:"access_token"`
	RefreshToken string         `json:"refresh_token"`
	TokenType    string         `json:"token_type"`
	ExpiresIn    providers.Text `json:"expires_in"` // seconds
	TenantName   string         `json:"tenant_name"`
	UUID         string         `json:"uuid"`
	// NeedChangePassword keeps a person from going on before they changed it.
	NeedChangePassword yesNo `json:"need_change_password"`
}

// yesNo is a boolean that may be written as a text.
type yesNo bool

// UnmarshalJSON takes true, false, either as a text, and null for no.
func (y *yesNo) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `true`, `"true"`:
		*y = true
	case `false`, `"false"`, `null`:
		*y = false
	default:
		return errors.New("neither true nor false")
	}
	return nil
}
