package cloudflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Everything in this file is the emulator's own (ASSUMPTION as a whole): seed
// 000 says that there is an asynchronous request, and nothing public says what
// it looks like. It lives below ExtensionPath for that reason.

// The words of a request's end, which are AppFlow's.
const (
	statusRunning  = "RUNNING"
	statusApproved = "APPROVED"
	statusDeclined = "DECLINED"
)

// flows are the flow types that are taken, with the kind of their ledger line.
var flows = map[string]string{
	"sale": "sale", "motoSale": "sale", "preAuthorisation": "preauth", "refund": "refund", "motoRefund": "refund",
}

// currencies are those that are taken: all of two decimals.
var currencies = map[string]bool{
	"AUD": true, "CAD": true, "CHF": true, "CZK": true, "DKK": true, "EUR": true, "GBP": true,
	"NOK": true, "NZD": true, "PLN": true, "SEK": true, "USD": true, "ZAR": true,
}

const (
	maxMinor  = 999_999_999_999
	maxLength = 64
)

type request struct {
	account, id, device, flow, currency string
	minor                               int64
	at, ends                            time.Time
	end                                 string
}

// status is the word at a moment.
func (q *request) status(now time.Time) string {
	if now.Before(q.ends) {
		return statusRunning
	}
	return q.end
}

// startBody is what a request must be, with pointers for what must be there.
type startBody struct {
	RequestID   *string `json:"requestId"`
	ReferenceID *string `json:"referenceId"`
	FlowType    *string `json:"flowType"`
	Amounts     *struct {
		Base *struct {
			Value    *json.RawMessage `json:"value"`
			Currency *string          `json:"currency"`
		} `json:"base"`
	} `json:"amounts"`
}

func (s *Server) start(w http.ResponseWriter, r *http.Request, a Account) {
	in, minor, fault := readStart(r)
	if fault != "" {
		refuse(w, "invalidData", fault)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	d, known := a.find(*in.ReferenceID)
	for _, q := range s.requests {
		if q.account == a.ID && q.id == *in.RequestID {
			refuse(w, "duplicateItem", "")
			return
		}
	}
	switch {
	case !known:
		refuse(w, "notFound", "")
		return
	case s.offline[d.ReferenceID]:
		refuse(w, "connectionLost", "")
		return
	}
	for _, q := range s.requests {
		if q.device == d.ReferenceID && q.status(now) == statusRunning {
			refuse(w, "preconditionFailed", "The terminal is busy.")
			return
		}
	}
	q := &request{
		account: a.ID, id: *in.RequestID, device: d.ReferenceID, flow: *in.FlowType, currency: *in.Amounts.Base.Currency,
		minor: minor, at: now, ends: now, end: statusApproved,
	}
	if o, ok := s.kit.Outcomes.Take(r.URL.Path); ok {
		switch o.Result {
		case kit.Reject:
			refuse(w, o.Code, o.Message)
			return
		case kit.Decline:
			q.end = statusDeclined
		case kit.InProgress:
			q.ends = now.Add(time.Duration(o.AfterSeconds) * time.Second)
			if o.Then == kit.Decline {
				q.end = statusDeclined
			}
		}
	}
	s.requests = append(s.requests, q)
	kit.WriteJSON(w, http.StatusAccepted, map[string]string{"requestId": q.id})
}

// readStart reads a request strictly; the third answer says what is wrong.
func readStart(r *http.Request) (startBody, int64, string) {
	var in startBody
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return in, 0, "The content type must be application/json."
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return in, 0, "The body broke off."
	}
	if fault := wrongCase(body, "", map[string][]string{
		"": {"requestId", "referenceId", "flowType", "amounts"}, "amounts": {"base"}, "base": {"value", "currency"},
	}); fault != "" {
		return in, 0, fault
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&in); err != nil {
		return in, 0, "The body is not what the sandbox documents: " + err.Error() + "."
	}
	if _, err := dec.Token(); err != io.EOF {
		return in, 0, "There is something behind the body."
	}
	switch {
	case in.RequestID == nil || *in.RequestID == "" || len(*in.RequestID) > maxLength:
		return in, 0, "requestId is missing or too long."
	case in.ReferenceID == nil || *in.ReferenceID == "":
		return in, 0, "referenceId is missing."
	case in.FlowType == nil || flows[*in.FlowType] == "":
		return in, 0, "flowType is missing or not known."
	case in.Amounts == nil || in.Amounts.Base == nil || in.Amounts.Base.Value == nil || in.Amounts.Base.Currency == nil:
		return in, 0, "amounts.base is missing or not whole."
	case !currencies[*in.Amounts.Base.Currency]:
		return in, 0, "The currency is not taken."
	}
	// json.Number would take a quoted number too.
	minor, err := strconv.ParseInt(string(*in.Amounts.Base.Value), 10, 64)
	if err != nil || minor <= 0 || minor > maxMinor {
		return in, 0, "amounts.base.value must be a whole number of minor units above 0."
	}
	return in, minor, ""
}

// wrongCase finds a field that is not one of the known ones, letter by letter:
// encoding/json would take "RequestId" for requestId.
func wrongCase(raw []byte, object string, known map[string][]string) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return fmt.Sprintf("%q must be an object.", object)
	}
	for name, value := range fields {
		found := false
		for _, k := range known[object] {
			found = found || k == name
		}
		if !found {
			return fmt.Sprintf("The field %q is not known.", name)
		}
		if known[name] != nil {
			if fault := wrongCase(value, name, known); fault != "" {
				return fault
			}
		}
	}
	return ""
}

// result tells how a request ended. The real service tells it by a callback
// whose form is not public.
func (s *Server) result(w http.ResponseWriter, r *http.Request, a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.requests {
		if q.account == a.ID && q.id == r.PathValue("requestId") {
			kit.WriteJSON(w, http.StatusOK, map[string]string{
				"requestId": q.id, "referenceId": q.device, "flowType": q.flow, "status": q.status(s.kit.Clock.Now()),
			})
			return
		}
	}
	refuse(w, "notFound", "")
}

// State returns the ledger, oldest first.
func (s *Server) State() kit.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.kit.Clock.Now()
	charges := make([]kit.Charge, 0, len(s.requests))
	for _, q := range s.requests {
		charges = append(charges, kit.Charge{
			Reference: q.id, ID: q.device + "/" + q.id, Kind: flows[q.flow], AmountMinor: q.minor, Currency: q.currency,
			Status: q.status(now), Approved: q.status(now) == statusApproved, At: q.at,
		})
	}
	return kit.NewState(charges)
}
