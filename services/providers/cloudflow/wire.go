package cloudflow

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/counterfoil/counterfoil/services/money"
)

// present says that a field was there and held a text, without keeping it.
type present bool

// UnmarshalJSON takes a text.
func (p *present) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return errors.New("not a text")
	}
	*p = len(b) > len(`""`)
	return nil
}

// tokenAnswer is what GET /token answers (the Client API's reference). The
// access token opens a websocket, which this adapter does not do: it is not
// kept.
type tokenAnswer struct {
	ConnectionType string  `json:"connectionType"`
	ConnectionURL  present `json:"connectionUrl"`
	TokenType      string  `json:"tokenType"`
	AccessToken    present `json:"accessToken"`
}

// deviceAnswer is one terminal of GET /devices and GET /devices/{referenceId}.
type deviceAnswer struct {
	ClientAccountID string `json:"clientAccountId"`
	ReferenceID     string `json:"referenceId"`
	SerialNumber    string `json:"serialNumber"`
	Model           string `json:"model"`
	Name            string `json:"name"`
	Location        string `json:"location"`
}

// errorAnswer is every error's body (seed 000, "HTTP error codes").
type errorAnswer struct {
	ErrorMessage string `json:"errorMessage"`
	ErrorCode    string `json:"errorCode"`
}

// startRequest is the body of a request to a terminal. ASSUMPTION as a whole
// (README, "Requests to a terminal"): no public document has it.
type startRequest struct {
	RequestID   string  `json:"requestId"`
	ReferenceID string  `json:"referenceId"`
	FlowType    string  `json:"flowType"`
	Amounts     amounts `json:"amounts"`
}

type amounts struct {
	Base baseAmount `json:"base"`
}

// baseAmount has its value in minor units. ASSUMPTION: AppFlow, the payment
// application of the same maker, writes them so.
type baseAmount struct {
	Value    int64  `json:"value"`
	Currency string `json:"currency"`
}

func writeAmount(a money.Amount) amounts {
	return amounts{Base: baseAmount{Value: a.Minor(), Currency: a.Currency().Code()}}
}

// startAnswer is the body of the 202. ASSUMPTION.
type startAnswer struct {
	RequestID string `json:"requestId"`
}

// exact decodes JSON into v and minds the case of field names, which
// encoding/json does not: "all fields … are case sensitive" (seed 000).
func exact(b []byte, v any, fields ...string) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if raw == nil {
		return errors.New("not an object")
	}
	kept := map[string]json.RawMessage{}
	for _, f := range fields {
		if value, ok := raw[f]; ok && !bytes.Equal(value, []byte("null")) {
			kept[f] = value
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
