package cardflo

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// linkTTL is how long a pay-by-link page waits where the request names no time
// (ASSUMPTION).
const linkTTL = 7 * 24 * time.Hour

// payLink is what makes a card page a pay-by-link page.
type payLink struct {
	id      string
	expires time.Time
}

// payByLinkData is seed 003's section PayByLinkData.
type payByLinkData struct {
	ExpiresAt string `json:"expiresAt"`
	CancelURL string `json:"cancelUrl"`
}

func (l *payLink) data(root string) *payByLinkData {
	return &payByLinkData{ExpiresAt: l.expires.Format("2006-01-02 15:04:05") + " UTC", CancelURL: root + BasePath + "/payByLink/" + l.id + "/cancel"}
}

// openLink gives a transaction its pay-by-link page. Nothing is sent to anybody.
func (s *Server) openLink(t *transaction, in map[string]any) *refusal {
	if byEmail, _ := in["sendByEmail"].(bool); byEmail && request(t.request.object("customer")).text("email") == "" {
		return refuse(codeInvalidRequest, "customer.email: is required to send the link")
	}
	lives := linkTTL
	if n, ok := in["expirationInMinute"].(json.Number); ok {
		minutes, err := n.Int64()
		if err != nil || minutes < 1 || minutes > 525_600 {
			return refuse(codeInvalidRequest, "payByLink.expirationInMinute: must be at least 1")
		}
		lives = time.Duration(minutes) * time.Minute
	}
	t.page, t.expires = randomHex(16), t.at.Add(lives)
	t.link = &payLink{id: randomHex(10), expires: t.expires}
	return nil
}

// cancelLink serves the cancelUrl. ASSUMPTION: it is a POST with the credentials
// and the signature of any other request, answered {"success":true}.
func (s *Server) cancelLink(w http.ResponseWriter, r *http.Request, c Connector, body []byte) {
	if !emptyBody(body) {
		s.refuse(w, codeInvalidRequest, "root: no property is allowed")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	t := s.find(func(t *transaction) bool {
		return t.link != nil && t.link.id == r.PathValue("id") && t.connector.APIKey == c.APIKey
	})
	switch {
	case t == nil:
		s.refuse(w, codeUnknownStatusID, "Transaction not found")
	case t.status == statusCancelled:
		kit.WriteJSON(w, http.StatusOK, systemSuccess{Success: true})
	case t.status != statusRedirect:
		s.refuse(w, codeLogical, "The transaction can no longer be cancelled")
	default:
		t.fail(statusCancelled, 2012, "")
		s.notify(t)
		kit.WriteJSON(w, http.StatusOK, systemSuccess{Success: true})
	}
}

type systemSuccess struct {
	Success bool `json:"success"`
}

// byLink finds the connector of a pay-by-link page: its cancelUrl has no key.
func (s *Server) byLink(id string) (Connector, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.transactions {
		if t.link != nil && t.link.id == id {
			return t.connector, true
		}
	}
	return Connector{}, false
}

// optionLists are what the emulator's connectors can be asked for (ASSUMPTION:
// the document names none; "banks" is its sample).
var optionLists = map[string]map[string]string{
	"banks":   {"bank1": "Bank One", "bank2": "Bank Two", "bank3": "Bank Three", "bank4": "Bank Four"},
	"issuers": {"ing": "ING", "rabobank": "Rabobank"},
}

type optionsReply struct {
	Success bool              `json:"success"`
	Options map[string]string `json:"options"`
}

func (s *Server) options(w http.ResponseWriter, r *http.Request, _ Connector, body []byte) {
	if _, err := parse(body, optionsSchema); err != nil {
		s.refuse(w, codeInvalidRequest, "%v", err)
		return
	}
	list, known := optionLists[r.PathValue("optionsName")]
	if !known {
		kit.WriteJSON(w, http.StatusOK, systemError{Message: "Given identifier '" + r.PathValue("optionsName") + "' is invalid."})
		return
	}
	kit.WriteJSON(w, http.StatusOK, optionsReply{Success: true, Options: list})
}
