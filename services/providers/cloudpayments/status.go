package cloudpayments

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// verdict is one error of the key, read for a person.
type verdict struct {
	status        int
	reason        domain.Reason
	meaning, todo string
}

// keyErrors are the texts of errors that are about the key. The first four are
// the document's (seed 002, "Key related errors").
//
// INFERENCE: the others are not in the document. All four texts and statuses of
// it are those of the open-source gateway Tyk, so what Tyk says besides is
// listed too. Tyk also answers a key that it does not know with "Access to this
// API has been disallowed", and a 429 with "Rate Limit Exceeded", which is about
// the moment and not about the key.
var keyErrors = map[string]verdict{
	"Key has expired, please renew": {
		http.StatusUnauthorized, domain.ReasonCredentials,
		"The APP key has expired.", "Ask the Cloud Payments platform admin for a new key, then enter it here.",
	},
	"Access to this API has been disallowed": {
		http.StatusForbidden, domain.ReasonCredentials,
		"This APP key may not use this part of Cloud Payments, or Cloud Payments does not know the key.",
		"Check that the key was copied whole and is the right one; if it is, ask the Cloud Payments platform admin for access.",
	},
	"Requested endpoint is forbidden": {
		http.StatusForbidden, domain.ReasonNotAllowed,
		"Cloud Payments has closed this part of its service, whatever the key.",
		"Ask Cloud Payments whether there is a newer version of it.",
	},
	"Authorization field missing": {
		http.StatusUnauthorized, domain.ReasonCredentials,
		"The APP key did not arrive at Cloud Payments.",
		"Enter the key again; if it stays, something between here and Cloud Payments takes the header away.",
	},

	"Key is inactive, please renew": {
		http.StatusForbidden, domain.ReasonCredentials,
		"The APP key has been switched off.", "Ask the Cloud Payments platform admin for a new key, then enter it here.",
	},
	"Quota exceeded": {
		http.StatusForbidden, domain.ReasonRateLimited,
		"The APP key has used up what it may ask.", "Wait until the quota begins anew, or ask Cloud Payments sales for a higher limit.",
	},
}

// otherKeyError is a 401 or 403 with a text that is not listed.
var otherKeyError = verdict{
	meaning: "Cloud Payments refused the APP key and gave a reason that its document does not list.",
	todo:    "Check the key in the developer portal; if it is right, ask Cloud Payments.",
}

// oauthReasons are the error codes of RFC 6749, 5.2: what a refused sign-in
// says is not in the document (ASSUMPTION).
var oauthReasons = map[string]domain.Reason{
	"invalid_request":        domain.ReasonInvalidRequest,
	"invalid_client":         domain.ReasonCredentials,
	"invalid_grant":          domain.ReasonCredentials,
	"unauthorized_client":    domain.ReasonNotAllowed,
	"unsupported_grant_type": domain.ReasonNotAllowed,
	"invalid_scope":          domain.ReasonInvalidRequest,
}

// Codes lists the texts of seed 002 and the codes of RFC 6749, and their reasons.
func Codes() []providers.Code {
	return slices.Concat(
		providers.CodesOf("key", keyErrors, func(v verdict) domain.Reason { return v.reason }),
		[]providers.Code{{List: "key", Code: "Rate Limit Exceeded", Reason: domain.ReasonRateLimited}},
		providers.CodesOf("sign-in", oauthReasons, providers.ReasonItself),
	)
}

// fault reads every answer but the asked one. Signing in moves no money;
// NotDone says only that no session was made.
func (a *Adapter) fault(op string, resp *httpclient.Response, secrets ...string) *providers.Error {
	var ans errorAnswer
	readable := resp.IsJSON() && json.Unmarshal(resp.Body, &ans) == nil && ans.Error != ""
	said := a.http.Words(ans.Error, secrets...)
	if f := a.http.StatusFault(op, resp); f != nil {
		f.Raw = a.http.Scrub(resp.Body, secrets...)
		if readable {
			f.Text = said
		}
		if v, ok := keyErrors[f.Text]; ok && v.status == resp.Status {
			f.Reason = v.reason
		}
		return f
	}
	if !readable {
		return a.garbage(op, resp, "the answer is not the document’s JSON", secrets...)
	}
	f := &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindRefused, Code: strconv.Itoa(resp.Status), Text: said, Raw: a.http.Scrub(resp.Body, secrets...),
	}
	if reason, ok := oauthReasons[ans.Error]; ok && resp.Status == http.StatusBadRequest {
		f.Code, f.Text = ans.Error, a.http.Words(ans.Description, secrets...)
		f.NotDone, f.Reason = true, reason
		if reason == domain.ReasonCredentials {
			f.Kind = providers.KindCredentials
		}
	}
	return f
}

// garbage is an answer that cannot be read.
func (a *Adapter) garbage(op string, resp *httpclient.Response, text string, secrets ...string) *providers.Error {
	return &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindGarbage, Code: strconv.Itoa(resp.Status), Text: text, Raw: a.http.Scrub(resp.Body, secrets...),
	}
}

// probe turns a refusal into words; what is no refusal of the key stays a
// fault, and so does "slow down".
func (a *Adapter) probe(resp *httpclient.Response) (providers.Probe, error) {
	const op = "status"
	f := a.fault(op, resp)
	switch {
	case f.Kind == providers.KindCredentials:
		v, ok := keyErrors[f.Text]
		if !ok || v.status != resp.Status {
			v = otherKeyError
		}
		return providers.Probe{Code: f.Code, Said: f.Text, Meaning: v.meaning, ToDo: v.todo}, nil
	case resp.Status == http.StatusNotFound:
		return providers.Probe{
			Code: strconv.Itoa(resp.Status), Said: f.Text, Meaning: "There is no check of the APP key at this address.",
			ToDo: "Check the address; production is https://api.cloudpayments.com.",
		}, nil
	}
	return providers.Probe{}, f
}

// unlike is a 200 that does not say what the document says.
func (a *Adapter) unlike(ans statusAnswer) providers.Probe {
	return providers.Probe{
		Code: strconv.Itoa(http.StatusOK), Said: a.http.Words(fmt.Sprint(ans.Status, " ", ans.Message)),
		Meaning: "Cloud Payments answered, but did not say that the key is valid.",
		ToDo:    "Check the address and the key, then test again; if it stays, ask Cloud Payments.",
	}
}
