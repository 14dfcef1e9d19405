package cardflo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// cancelPath finds a link's id in its cancelUrl (seed 003, "PayByLinkData").
// Only the id is kept: the cancellation goes to the connection's own address,
// never to one that an answer names.
var cancelPath = regexp.MustCompile(`/payByLink/([A-Za-z0-9-]{1,64})/cancel$`)

// linkTime is the form of expiresAt (seed 003, "PayByLinkData").
const linkTime = "2006-01-02 15:04:05 UTC"

// CreateLink opens a debit that the customer pays on the provider's page, later
// and elsewhere (seed 003, "PayByLink"). Money moves when it is paid.
func (a *Adapter) CreateLink(ctx context.Context, req providers.LinkRequest) (providers.Link, error) {
	const op = "link"
	if err := a.sendable(op, req.Amount, req.AttemptRef); err != nil {
		return providers.Link{}, err
	}
	switch {
	case req.Expires < 0 || req.Expires%time.Minute != 0:
		return providers.Link{}, a.unsent(op, domain.ReasonInvalidRequest, "a link expires after whole minutes")
	case req.SendByEmail && req.Email == "":
		return providers.Link{}, a.unsent(op, domain.ReasonInvalidRequest, "there is no address to send the link to")
	}
	req.Token = ""
	body, err := a.sale(op, req.SaleRequest, indicatorSingle)
	if err != nil {
		return providers.Link{}, err
	}
	body.PayByLink = &payByLink{SendByEmail: req.SendByEmail, ExpirationInMinute: int(req.Expires / time.Minute)}
	res, ans, err := a.transact(ctx, op, "debit", body)
	if err != nil {
		return providers.Link{}, err
	}
	link := providers.Link{Result: res}
	for _, at := range []providers.Text{ans.PayByLink.ExpiresAt, ans.ExpiresAt} {
		if t, err := time.Parse(linkTime, string(at)); err == nil {
			link.ExpiresAt = t
			break
		}
	}
	if u, err := url.Parse(string(ans.PayByLink.CancelURL)); err == nil {
		if m := cancelPath.FindStringSubmatch(u.Path); m != nil {
			link.CancelRef = m[1]
		}
	}
	return link, nil
}

// CancelLink ends a link; an approved result means that it is ended. ASSUMPTION:
// the document gives the cancelUrl and neither its method nor its answer: it is
// a POST without a body, answered with success.
func (a *Adapter) CancelLink(ctx context.Context, link providers.Link) (providers.Result, error) {
	const op = "link_cancel"
	if link.CancelRef == "" || !httpclient.Reference(link.CancelRef) {
		return providers.Result{}, a.unsent(op, domain.ReasonNotAllowed, "the provider gave no way to cancel this link")
	}
	resp, err := a.call(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, "payByLink", link.CancelRef, "cancel"),
	})
	if err != nil {
		return providers.Result{}, err
	}
	var ans struct {
		Success      *bool          `json:"success"`
		ErrorMessage providers.Text `json:"errorMessage"`
		ErrorCode    providers.Text `json:"errorCode"`
	}
	if err := a.envelope(op, resp, &ans); err != nil {
		return providers.Result{}, err
	}
	switch {
	case ans.Success == nil:
		return providers.Result{}, a.garbage(op, resp, "", "the answer does not say whether it succeeded")
	case !*ans.Success:
		return providers.Result{}, a.refusedBy(op, resp, ans.ErrorCode, ans.ErrorMessage, nil)
	case resp.Status/100 != 2:
		return providers.Result{}, a.garbage(op, resp, "", "the answer says success under an HTTP error")
	}
	return providers.Result{Outcome: providers.Approved, ProviderRef: link.ProviderRef, Raw: a.http.Scrub(resp.Body)}, nil
}

// Options asks for a list of choices by its name, such as the banks of a payment
// method (seed 003, "Options Request"). It changes nothing.
func (a *Adapter) Options(ctx context.Context, name string, parameters map[string]string) (map[string]string, error) {
	const op = "options"
	if name == "" || !httpclient.Reference(name) {
		return nil, a.unsent(op, domain.ReasonInvalidRequest, "the list's name is missing or cannot be one")
	}
	body, err := json.Marshal(struct {
		Parameters map[string]string `json:"parameters,omitempty"`
	}{parameters})
	if err != nil {
		return nil, a.unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
	}
	resp, err := a.call(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, "options", a.apiKey, name),
		LogPath: a.base.Path + "/options/{apiKey}/" + name, Body: body,
	})
	if err != nil {
		return nil, err
	}
	var ans optionsAnswer
	if err := a.envelope(op, resp, &ans); err != nil {
		return nil, err
	}
	switch {
	case ans.Success == nil:
		return nil, a.garbage(op, resp, "", "the answer does not say whether it succeeded")
	case !*ans.Success && ans.ErrorCode == "" && resp.Status/100 == 2:
		// The document's error sample of this request has a message alone.
		e := a.unsent(op, domain.ReasonInvalidRequest, a.http.Words(string(ans.ErrorMessage)))
		e.Raw = a.http.Scrub(resp.Body)
		return nil, e
	case !*ans.Success:
		return nil, a.refusedBy(op, resp, ans.ErrorCode, ans.ErrorMessage, nil)
	case resp.Status/100 != 2 || ans.Options == nil:
		return nil, a.garbage(op, resp, "", "the answer holds no options")
	}
	out := make(map[string]string, len(ans.Options))
	for key, label := range ans.Options {
		out[a.http.Words(key)] = a.http.Words(string(label))
	}
	return out, nil
}

// envelope decodes an answer that is no transaction's.
func (a *Adapter) envelope(op string, resp *httpclient.Response, into any) error {
	if resp.Status == http.StatusTooManyRequests {
		f := a.http.StatusFault(op, resp)
		f.Raw = a.http.Scrub(resp.Body)
		return f
	}
	if !resp.IsJSON() || json.Unmarshal(resp.Body, into) != nil {
		if f := a.http.StatusFault(op, resp); f != nil {
			f.Raw = a.http.Scrub(resp.Body)
			return f
		}
		return a.garbage(op, resp, "", "the answer is not the document's JSON")
	}
	return nil
}

// refusedBy classes a refusal of what is no transaction: more are codes that are
// certain noes of this request alone.
func (a *Adapter) refusedBy(op string, resp *httpclient.Response, code, words providers.Text, more map[string]domain.Reason) error {
	_, err := a.readRefusal(op, resp, answer{ErrorCode: code, ErrorMessage: words}, "")
	var e *providers.Error
	if !errors.As(err, &e) {
		return a.garbage(op, resp, "", "a request that moves no money was answered with a decline")
	}
	if reason, ok := more[string(code)]; ok && resp.Status < 500 {
		e.Kind, e.NotDone, e.Reason = providers.KindRefused, true, reason
	}
	return e
}
