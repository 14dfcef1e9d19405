package cardflo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// TestConnection asks for the status of a transaction that nobody made. That it
// is not found (8001) shows that address, credentials and signature are right.
// A connector that asks for no signature does not look at the shared secret, so
// that one is not proved.
func (a *Adapter) TestConnection(ctx context.Context) (providers.Probe, error) {
	const op = "test"
	b := make([]byte, 10)
	_, _ = rand.Read(b)
	id := hex.EncodeToString(b)
	resp, err := a.call(ctx, httpclient.Call{
		Op: op, Method: http.MethodGet, URL: providers.Endpoint(a.base, "status", a.apiKey, "getByUuid", id),
		LogPath: a.base.Path + "/status/{apiKey}/getByUuid/" + id,
	})
	if err != nil {
		return providers.Probe{}, err
	}
	if resp.Status == http.StatusTooManyRequests || resp.Status >= 500 {
		f := a.http.StatusFault(op, resp)
		f.Raw = a.http.Scrub(resp.Body)
		return providers.Probe{}, f
	}
	var ans struct {
		Success      *bool          `json:"success"`
		ErrorMessage providers.Text `json:"errorMessage"`
		ErrorCode    providers.Text `json:"errorCode"`
	}
	read := resp.IsJSON() && json.Unmarshal(resp.Body, &ans) == nil && ans.Success != nil
	p := providers.Probe{Code: a.http.Words(string(ans.ErrorCode)), Said: a.http.Words(string(ans.ErrorMessage))}
	if p.Code == "" {
		p.Code = strconv.Itoa(resp.Status)
	}
	switch {
	case read && ans.ErrorCode == codeNotFound:
		p.OK, p.Meaning = true, "The address and the credentials are right."
		if a.shared == "" {
			p.Meaning += " Without a shared secret no callback is believed."
		}
	case read && ans.ErrorCode == codeInvalidSignature && a.shared == "":
		p.Meaning = "This connector asks for a signature, and the connection has no shared secret."
		p.ToDo = "Copy the connector’s shared secret from the provider’s portal."
	case read && ans.ErrorCode == codeInvalidSignature:
		p.Meaning = "The provider refused the signature."
		p.ToDo = "Copy the connector’s shared secret and API key again, and check that this server’s clock is right."
	case resp.Status == http.StatusUnauthorized, resp.Status == http.StatusForbidden:
		p.Meaning = "The provider refused the credentials."
		p.ToDo = "Copy the API user, the API password and the API key again; the password is not the one of the portal."
	case read && *ans.Success, read && resp.Status/100 == 2, read && ans.ErrorCode != "":
		p.Meaning = "The provider answered something else than expected."
		p.ToDo = "Ask the provider what this answer means for this connector."
	case resp.Status == http.StatusNotFound, resp.Status/100 == 3:
		p.Meaning = "There is no such interface at this address."
		p.ToDo = "Check the address; it ends in /api/v3."
	default:
		return providers.Probe{}, a.garbage(op, resp, "", "the answer is not the document's JSON")
	}
	return p, nil
}
