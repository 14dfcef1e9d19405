package cloudpayments

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// The grants of RFC 6749 that the vendor's own client uses.
const (
	grantPassword = "password"
	grantRefresh  = "refresh_token"
)

// tokenBearer is the only type of token that is understood; its case does not
// count (RFC 6749, 5.1).
const tokenBearer = "Bearer"

// maxLifetime bounds what an answer may say of a token.
const maxLifetime = 366 * 24 * time.Hour

// TestConnection asks whether the APP key is valid (GET /dummyapi/status, seed
// 002, "Make a test API request"). It changes nothing.
func (a *Adapter) TestConnection(ctx context.Context) (providers.Probe, error) {
	const op = "status"
	resp, err := a.http.Do(ctx, httpclient.Call{
		Op: op, Method: http.MethodGet, URL: providers.Endpoint(a.base, "dummyapi", "status"), Header: a.header(),
	})
	if err != nil {
		return providers.Probe{}, err
	}
	if resp.Status != http.StatusOK {
		return a.probe(resp)
	}
	var ans statusAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil {
		return providers.Probe{}, a.garbage(op, resp, "the answer is not the document’s JSON")
	}
	if ans.Status != statusOK || ans.Message != messageKey {
		return a.unlike(ans), nil
	}
	return providers.Probe{
		OK: true, Code: ans.Status, Said: ans.Message,
		Meaning: "Cloud Payments accepts the APP key. It can sign people in; its public document has no payments.",
	}, nil
}

// SignIn opens a session of a person (POST /auth/oauth/token with the password
// grant). The password is sent once and kept nowhere. A refusal is an *Error of
// KindCredentials with the provider's code, for example invalid_grant.
func (a *Adapter) SignIn(ctx context.Context, username, password string) (providers.ProviderSession, error) {
	if username == "" || password == "" {
		return providers.ProviderSession{}, unsent("sign_in", "the user name or the password is missing")
	}
	return a.token(ctx, "sign_in", url.Values{"grant_type": {grantPassword}, "username": {username}, "password": {password}}, password)
}

// RefreshSession opens a session with the refresh token of an earlier one. The
// earlier refresh token may be used up by it, whatever the answer.
func (a *Adapter) RefreshSession(ctx context.Context, refreshToken string) (providers.ProviderSession, error) {
	if refreshToken == "" {
		return providers.ProviderSession{}, unsent("refresh_session", "the refresh token is missing")
	}
	return a.token(ctx, "refresh_session", url.Values{"grant_type": {grantRefresh}, "refresh_token": {refreshToken}}, refreshToken)
}

func unsent(op, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: providers.KindRefused, NotDone: true, Reason: domain.ReasonInvalidRequest, Text: text}
}

// token asks for a session. secret is what the form holds and nobody may see,
// as it is and as a form writes it.
func (a *Adapter) token(ctx context.Context, op string, form url.Values, secret string) (providers.ProviderSession, error) {
	secrets := []string{secret, url.QueryEscape(secret)}
	header := a.header()
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.tenant != "" {
		// ASSUMPTION: the vendor's own client sends tenantName; that it is the
		// tenant ID of the portal is not said.
		header["tenantName"] = []string{a.tenant}
	}
	asked := a.now()
	resp, err := a.http.Do(ctx, httpclient.Call{
		Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, "auth", "oauth", "token"), Header: header,
		Body: []byte(form.Encode()), Secrets: secrets,
	})
	if err != nil {
		return providers.ProviderSession{}, err
	}
	if resp.Status != http.StatusOK {
		return providers.ProviderSession{}, a.fault(op, resp, secrets...)
	}
	var ans tokenAnswer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || ans.AccessToken == "" || !strings.EqualFold(ans.TokenType, tokenBearer) {
		return providers.ProviderSession{}, a.garbage(op, resp, "the answer holds no session", secrets...)
	}
	seconds, err := strconv.ParseInt(string(ans.ExpiresIn), 10, 32)
	if err != nil || seconds <= 0 {
		return providers.ProviderSession{}, a.garbage(op, resp, "the answer does not say how long the session lasts", secrets...)
	}
	return providers.ProviderSession{
		AccessToken: ans.AccessToken, RefreshToken: ans.RefreshToken, TokenType: tokenBearer,
		ExpiresAt: asked.Add(min(time.Duration(seconds)*time.Second, maxLifetime)),
		Tenant:    a.http.Words(ans.TenantName, secrets...), User: a.http.Words(ans.UUID, secrets...),
		MustChangePassword: bool(ans.NeedChangePassword),
	}, nil
}
