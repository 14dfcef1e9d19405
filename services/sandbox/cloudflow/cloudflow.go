// Package cloudflow emulates AEVI's CloudFlow: the GETs of its Client API, the
// enrolment of its Device API, and the table of errors of seed 000.
//
// It exists so that an adapter can be tested, and the product shown, against a
// server that keeps state and refuses what the real one refuses. It is written
// from the provider's document and imports services/sandbox/kit only; sharing a
// wire type with the adapter would let one misreading pass on both sides.
package cloudflow

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Name is the emulator's name in the control API.
const Name = "cloudflow"

// BasePath is where the API is mounted; an adapter's base URL is the sandbox's
// address plus BasePath.
const BasePath = "/cloudflow"

// ExtensionPath is below BasePath and holds what no public document has: it is
// the emulator's own and nobody may take it for CloudFlow's.
const ExtensionPath = "/x-emulator"

// RequestsPath is the emulator's stand-in for the asynchronous request.
const RequestsPath = ExtensionPath + "/requests"

// Published credentials of the default configuration. Capital and small letters
// count (seed 000, "Case sensitivity").
const (
	SandboxAccountID   = "Sandbox-Account"
	SandboxAPIToken    = "Sandbox-Api-Token"
	OtherAccountID     = "Other-Account"
	OtherAPIToken      = "Other-Api-Token"
	ForbiddenAccountID = "Forbidden-Account"
	ForbiddenAPIToken  = "Forbidden-Api-Token"
	DeviceAPIToken     = "Device-Api-Token"
)

// Published terminals of the first account.
const (
	DeviceOnline  = "dev-online-0001"
	DeviceOffline = "dev-offline-0002"
	DeviceSecond  = "dev-online-0003"
	OtherDevice   = "dev-other-0001"
)

// Config is the emulator's fixed data. The zero value means DefaultConfig.
type Config struct{ Accounts []Account }

// Account is a client of CloudFlow with its terminals.
type Account struct {
	ID, APIToken string
	// Forbidden accounts are known and may do nothing.
	Forbidden bool
	Devices   []Device
}

// Device is a terminal.
type Device struct {
	ReferenceID, SerialNumber, Model, Name, Location string
	// APIToken is the terminal's own, for the Device API.
	APIToken string
	// Offline terminals are known and not connected.
	Offline bool
}

// DefaultConfig is what the sandbox publishes.
func DefaultConfig() Config {
	return Config{Accounts: []Account{
		{ID: SandboxAccountID, APIToken: SandboxAPIToken, Devices: []Device{
			{ReferenceID: DeviceOnline, SerialNumber: "SN-0001", Model: "Albert", Name: "Counter", Location: "Shop", APIToken: DeviceAPIToken},
			{ReferenceID: DeviceOffline, SerialNumber: "SN-0002", Model: "Albert", Name: "Terrace", Location: "Garden", APIToken: DeviceAPIToken, Offline: true},
			{ReferenceID: DeviceSecond, SerialNumber: "SN-0003", Model: "A920", Name: "Back office", Location: "Shop", APIToken: DeviceAPIToken},
		}},
		{ID: OtherAccountID, APIToken: OtherAPIToken, Devices: []Device{
			{ReferenceID: OtherDevice, SerialNumber: "SN-0004", Model: "A920", Name: "Kiosk", Location: "Station", APIToken: DeviceAPIToken},
		}},
		{ID: ForbiddenAccountID, APIToken: ForbiddenAPIToken, Forbidden: true},
	}}
}

// Server is one emulator with its state in memory.
type Server struct {
	kit     *kit.Kit
	cfg     Config
	handler http.Handler

	mu       sync.Mutex
	offline  map[string]bool
	requests []*request
}

var (
	_ kit.Emulator   = (*Server)(nil)
	_ kit.Controlled = (*Server)(nil)
)

// New returns an emulator. A nil kit means a new one on the system clock.
func New(cfg Config, k *kit.Kit) *Server {
	if cfg.Accounts == nil {
		cfg = DefaultConfig()
	}
	if k == nil {
		k = kit.New(nil)
	}
	s := &Server{kit: k, cfg: cfg}
	s.clear()
	s.handler = k.Serve(s.routes(), func(status int) []byte {
		for _, e := range table {
			if e.status == status {
				return kit.Encode(errorBody{ErrorMessage: e.description, ErrorCode: e.code})
			}
		}
		// The document's table ends at 429.
		return []byte("<html><body>" + http.StatusText(status) + "</body></html>")
	})
	return s
}

// Handler serves the absolute paths below BasePath.
func (s *Server) Handler() http.Handler { return s.handler }

// Kit returns the emulator's controls.
func (s *Server) Kit() *kit.Kit { return s.kit }

// Reset forgets the requests, puts the terminals back and resets the kit.
func (s *Server) Reset() {
	s.kit.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// clear makes the first state. The caller holds the lock, or is New.
func (s *Server) clear() {
	s.requests, s.offline = nil, map[string]bool{}
	for _, a := range s.cfg.Accounts {
		for _, d := range a.Devices {
			s.offline[d.ReferenceID] = d.Offline
		}
	}
}

// SetConnected connects a terminal or takes it off.
func (s *Server) SetConnected(referenceID string, connected bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.offline[referenceID]; !ok {
		return fmt.Errorf("no terminal has the reference %q", referenceID)
	}
	s.offline[referenceID] = !connected
	return nil
}

// Controls is kit.Controlled: POST device {"reference_id", "connected"}.
func (s *Server) Controls() map[string]http.Handler {
	type command struct {
		ReferenceID string `json:"reference_id"`
		Connected   *bool  `json:"connected"`
	}
	return map[string]http.Handler{
		"device": kit.Command(func(c command) (any, error) {
			if c.Connected == nil {
				return nil, errors.New("connected must be true or false")
			}
			return nil, s.SetConnected(c.ReferenceID, *c.Connected)
		}),
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+BasePath+"/token", s.client(s.token))
	mux.HandleFunc("GET "+BasePath+"/devices", s.client(s.devices))
	mux.HandleFunc("GET "+BasePath+"/devices/{referenceId}", s.client(s.device))
	mux.HandleFunc("GET "+BasePath+"/devices/{referenceId}/connected", s.client(s.connected))
	mux.HandleFunc("GET "+BasePath+"/devices/enrol", s.enrol)
	mux.HandleFunc("POST "+BasePath+RequestsPath, s.client(s.start))
	mux.HandleFunc("GET "+BasePath+RequestsPath+"/{requestId}", s.client(s.result))
	// A wrong method is answered like a wrong path (ASSUMPTION).
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			refuse(w, "notFound", "There is no "+r.Method+" "+r.URL.Path+".")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// table is seed 000, "HTTP error codes", word for word.
var table = []struct {
	status            int
	code, description string
}{
	{400, "failed", "Unexpected failure"},
	{401, "unauthorized", "Missing or invalid Authorization bearer token"},
	{403, "forbidden", "The operation attempted is not allowed"},
	{404, "notFound", "The item requested or referenced does not exist"},
	{409, "duplicateItem", "The item can not be created as it already exists"},
	{410, "connectionLost", "The target the request was intended for is not available"},
	{412, "preconditionFailed", "The operation attempted can not be carried out due to existing preconditions"},
	{417, "storageFailed", "The item could not be persisted"},
	{422, "invalidData", "The request is missing required data or the data defined is invalid"},
	{429, "tooManyConnections", "The number of websocket connections have exceeded the account limit"},
}

// errorBody is the document's body of every error.
type errorBody struct {
	ErrorMessage string `json:"errorMessage"`
	ErrorCode    string `json:"errorCode"`
}

// refuse answers a line of the table; an empty message is the table's.
func refuse(w http.ResponseWriter, code, message string) {
	for _, e := range table {
		if e.code == code {
			if message == "" {
				message = e.description
			}
			kit.WriteJSON(w, e.status, errorBody{ErrorMessage: message, ErrorCode: code})
			return
		}
	}
	kit.WriteJSON(w, http.StatusBadRequest, errorBody{ErrorMessage: "The sandbox was asked for an error that the document does not list: " + code, ErrorCode: "failed"})
}

// bearer reads the bearer token: base64 of a JSON object with exactly these
// names, each a text. The order and the spaces do not count (ASSUMPTION).
func bearer(r *http.Request, names ...string) (map[string]string, bool) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || len(r.Header.Values("Authorization")) != 1 {
		return nil, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, false
	}
	var got map[string]string
	dec := json.NewDecoder(bytes.NewReader(raw))
	if dec.Decode(&got) != nil || len(got) != len(names) {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	for _, name := range names {
		if got[name] == "" {
			return nil, false
		}
	}
	return got, true
}

type clientHandler func(w http.ResponseWriter, r *http.Request, a Account)

// client checks a client's bearer token before anything else.
func (s *Server) client(next clientHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got, ok := bearer(r, "accountId", "apiToken")
		if !ok {
			refuse(w, "unauthorized", "")
			return
		}
		for _, a := range s.cfg.Accounts {
			if a.ID != got["accountId"] || a.APIToken != got["apiToken"] {
				continue
			}
			if a.Forbidden {
				refuse(w, "forbidden", "")
				return
			}
			next(w, r, a)
			return
		}
		refuse(w, "unauthorized", "")
	}
}

type credentials struct {
	ConnectionType string `json:"connectionType"`
	ConnectionURL  string `json:"connectionUrl"`
	TokenType      string `json:"tokenType"`
	AccessToken    string `json:"accessToken"`
}

// websocket is what GET /token and GET /devices/enrol answer. Nothing listens
// at the address: what is spoken there is not public.
func websocket(r *http.Request, subject string) credentials {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return credentials{
		ConnectionType: "websocket",
		ConnectionURL:  "wss://" + r.Host + BasePath + ExtensionPath + "/websocket",
		TokenType:      "jwt",
		AccessToken:    part(`{"alg":"none"}`) + "." + part(string(kit.Encode(map[string]string{"sub": subject}))) + ".sandbox",
	}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request, a Account) {
	if !noQuery(w, r) {
		return
	}
	kit.WriteJSON(w, http.StatusOK, websocket(r, a.ID))
}

func (s *Server) enrol(w http.ResponseWriter, r *http.Request) {
	got, ok := bearer(r, "model", "serialNumber", "apiToken")
	if ok {
		for _, a := range s.cfg.Accounts {
			for _, d := range a.Devices {
				if d.Model == got["model"] && d.SerialNumber == got["serialNumber"] && d.APIToken != "" && d.APIToken == got["apiToken"] {
					if noQuery(w, r) {
						kit.WriteJSON(w, http.StatusOK, websocket(r, d.ReferenceID))
					}
					return
				}
			}
		}
	}
	refuse(w, "unauthorized", "")
}

type deviceBody struct {
	ClientAccountID string `json:"clientAccountId"`
	ReferenceID     string `json:"referenceId"`
	SerialNumber    string `json:"serialNumber"`
	Model           string `json:"model"`
	Name            string `json:"name"`
	Location        string `json:"location"`
}

func (d Device) body(a Account) deviceBody {
	return deviceBody{a.ID, d.ReferenceID, d.SerialNumber, d.Model, d.Name, d.Location}
}

func (s *Server) devices(w http.ResponseWriter, r *http.Request, a Account) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, "invalidData", "The query cannot be read.")
		return
	}
	for name, values := range query {
		if (name != "model" && name != "serialNumber" && name != "location") || len(values) != 1 {
			refuse(w, "invalidData", "The parameter "+name+" is not known or is given twice.")
			return
		}
	}
	wanted := func(name, value string) bool { return !query.Has(name) || query.Get(name) == value }
	out := []deviceBody{}
	for _, d := range a.Devices {
		if wanted("model", d.Model) && wanted("serialNumber", d.SerialNumber) && wanted("location", d.Location) {
			out = append(out, d.body(a))
		}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}

// find gives the account's own terminal; another account's does not exist.
func (a Account) find(referenceID string) (Device, bool) {
	for _, d := range a.Devices {
		if d.ReferenceID == referenceID {
			return d, true
		}
	}
	return Device{}, false
}

func (s *Server) device(w http.ResponseWriter, r *http.Request, a Account) {
	d, ok := a.find(r.PathValue("referenceId"))
	switch {
	case !noQuery(w, r):
	case !ok:
		refuse(w, "notFound", "")
	default:
		kit.WriteJSON(w, http.StatusOK, d.body(a))
	}
}

// connected: whether the real service says 404 or 410 for a known terminal
// that is offline is not public; 410 is the seed's word for it (ASSUMPTION).
func (s *Server) connected(w http.ResponseWriter, r *http.Request, a Account) {
	d, ok := a.find(r.PathValue("referenceId"))
	switch {
	case !noQuery(w, r):
	case !ok:
		refuse(w, "notFound", "")
	case s.isOffline(d):
		refuse(w, "connectionLost", "")
	default:
		kit.WriteJSON(w, http.StatusOK, struct{}{})
	}
}

func (s *Server) isOffline(d Device) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offline[d.ReferenceID]
}

// noQuery refuses parameters where the document has none.
func noQuery(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.RawQuery != "" {
		refuse(w, "invalidData", "There are no parameters here.")
		return false
	}
	return true
}
