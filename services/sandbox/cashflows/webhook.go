package cashflows

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// webhookRetries are the waits after the first attempt: each minute, then daily,
// then weekly, up to a month (a digest of the portal). ASSUMPTION: ten, seven and three of
// them; the counts are not published.
var webhookRetries = func() []time.Duration {
	var out []time.Duration
	for range 10 {
		out = append(out, time.Minute)
	}
	for range 7 {
		out = append(out, 24*time.Hour)
	}
	for range 3 {
		out = append(out, 7*24*time.Hour)
	}
	return out
}()

type webhook struct {
	Job     string `json:"paymentJobReference"`
	Payment string `json:"paymentReference"`
}

// notify tells the merchant that a payment's status changed: which payment, not
// what. It is not signed, and it is confirmed by 200 with both references. A
// recurring job uses its parent's address.
func (s *Server) notify(j *job) {
	if j.webhookURL == "" {
		return
	}
	told := webhook{Job: j.ref, Payment: j.payment.ref}
	body := kit.Encode(told)
	s.kit.Callbacks.Send(kit.Callback{
		URL:   j.webhookURL,
		Retry: webhookRetries,
		Build: func(time.Time) (http.Header, []byte) {
			return http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body
		},
		Accepted: func(status int, body []byte) bool {
			var echo webhook
			return status == http.StatusOK && json.Unmarshal(body, &echo) == nil && echo == told
		},
	})
}
