package cloudflow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// The words that GET /token's answer must have (the Client API's reference).
const (
	connectionWebsocket = "websocket"
	tokenJWT            = "jwt"
)

// codeOK stands in a state or a probe that has no code of the provider's.
const codeOK = "200"

// maxRef bounds a terminal's reference in a path.
const maxRef = 200

var deviceFields = []string{"clientAccountId", "referenceId", "serialNumber", "model", "name", "location"}

func (a *Adapter) get(ctx context.Context, op, address string) (*httpclient.Response, error) {
	return a.http.Do(ctx, httpclient.Call{Op: op, Method: http.MethodGet, URL: address, Header: a.header()})
}

// Token asks for a websocket token (GET /token) to see that the credentials
// work. The token itself is not kept: what is spoken on the websocket is not
// public. An *Error tells a refusal.
func (a *Adapter) Token(ctx context.Context) error {
	const op = "token"
	resp, err := a.get(ctx, op, providers.Endpoint(a.base, "token"))
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return a.fault(op, resp)
	}
	var ans tokenAnswer
	if !resp.IsJSON() || exact(resp.Body, &ans, "connectionType", "connectionUrl", "tokenType", "accessToken") != nil ||
		ans.ConnectionType != connectionWebsocket || ans.TokenType != tokenJWT || !bool(ans.ConnectionURL) || !bool(ans.AccessToken) {
		return a.garbage(op, resp, "the answer is not the document’s JSON")
	}
	return nil
}

// DeviceFilter narrows GET /devices; an empty field narrows nothing.
type DeviceFilter struct{ Model, SerialNumber, Location string }

// Devices lists the account's terminals (GET /devices).
func (a *Adapter) Devices(ctx context.Context) ([]providers.Device, error) {
	return a.FindDevices(ctx, DeviceFilter{})
}

// FindDevices lists the account's terminals that match a filter.
func (a *Adapter) FindDevices(ctx context.Context, f DeviceFilter) ([]providers.Device, error) {
	const op = "devices"
	address := providers.Endpoint(a.base, "devices")
	query := url.Values{}
	for name, value := range map[string]string{"model": f.Model, "serialNumber": f.SerialNumber, "location": f.Location} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	resp, err := a.get(ctx, op, address)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, a.fault(op, resp)
	}
	var list []json.RawMessage
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &list) != nil || list == nil {
		return nil, a.garbage(op, resp, "the answer is not the document’s JSON")
	}
	devices := make([]providers.Device, 0, len(list))
	for _, raw := range list {
		d, err := a.device(op, resp, raw)
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// Device reads one terminal by its reference (GET /devices/{referenceId}).
func (a *Adapter) Device(ctx context.Context, ref string) (providers.Device, error) {
	const op = "device"
	if !isRef(ref) {
		return providers.Device{}, unsent(op, providers.KindRefused, domain.ReasonInvalidRequest, "the terminal’s reference is missing or cannot be one")
	}
	resp, err := a.get(ctx, op, providers.Endpoint(a.base, "devices", ref))
	if err != nil {
		return providers.Device{}, err
	}
	if resp.Status != http.StatusOK {
		return providers.Device{}, a.fault(op, resp)
	}
	if !resp.IsJSON() {
		return providers.Device{}, a.garbage(op, resp, "the answer is not the document’s JSON")
	}
	d, err := a.device(op, resp, resp.Body)
	if err == nil && d.Ref != ref {
		return providers.Device{}, a.garbage(op, resp, "the answer is about another terminal")
	}
	return d, err
}

func (a *Adapter) device(op string, resp *httpclient.Response, raw []byte) (providers.Device, error) {
	var ans deviceAnswer
	if exact(raw, &ans, deviceFields...) != nil || !isRef(ans.ReferenceID) {
		return providers.Device{}, a.garbage(op, resp, "the answer is not the document’s JSON")
	}
	return providers.Device{
		Ref: ans.ReferenceID, Serial: a.http.Words(ans.SerialNumber), Type: a.http.Words(ans.Model), Name: a.http.Words(ans.Name),
		Location: a.http.Words(ans.Location), Merchant: a.http.Words(ans.ClientAccountID),
	}, nil
}

// Connected asks whether a terminal is connected now (GET
// /devices/{referenceId}/connected, of version 1.1). The reference page lists
// 404 and the seed's table has 410 for a target that is not available: both are
// "not connected", and Code tells a terminal that CloudFlow does not know
// (notFound) from one that is offline (connectionLost).
func (a *Adapter) Connected(ctx context.Context, d providers.DeviceRef) (providers.DeviceState, error) {
	const op = "connected"
	if !isRef(d.Ref) {
		return providers.DeviceState{}, unsent(op, providers.KindRefused, domain.ReasonInvalidRequest, "the terminal’s reference is missing or cannot be one")
	}
	resp, err := a.get(ctx, op, providers.Endpoint(a.base, "devices", d.Ref, "connected"))
	if err != nil {
		return providers.DeviceState{}, err
	}
	if resp.Status == http.StatusOK {
		var none struct{}
		if !resp.IsJSON() || exact(resp.Body, &none) != nil {
			return providers.DeviceState{}, a.garbage(op, resp, "the answer is not the document’s JSON")
		}
		return providers.DeviceState{Connected: true, Code: codeOK}, nil
	}
	f := a.fault(op, resp)
	if (resp.Status == http.StatusNotFound || resp.Status == http.StatusGone) && (f.Code == codeNotFound || f.Code == codeConnectionLost) {
		meaning := "CloudFlow does not know this terminal."
		if f.Code == codeConnectionLost {
			meaning = refusals[codeConnectionLost].meaning
		}
		return providers.DeviceState{Code: f.Code, Said: f.Text, Meaning: meaning}, nil
	}
	return providers.DeviceState{}, f
}

// isRef: a reference goes into a path, so it may not be one of the two that a
// path means something else by.
func isRef(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxRef && !slices.ContainsFunc([]rune(s), func(r rune) bool { return r < ' ' || r == 0x7f })
}

// TestConnection asks for a token and for the list of terminals; neither
// changes anything.
func (a *Adapter) TestConnection(ctx context.Context) (providers.Probe, error) {
	if err := a.Token(ctx); err != nil {
		return probe(err)
	}
	devices, err := a.Devices(ctx)
	if err != nil {
		return probe(err)
	}
	p := providers.Probe{OK: true, Code: codeOK, Meaning: fmt.Sprintf("CloudFlow accepts the account, which has %d terminals.", len(devices))}
	if len(devices) == 1 {
		p.Meaning = "CloudFlow accepts the account, which has one terminal."
	}
	return p, nil
}

// probe turns an answer with a listed code into words; a fault without one
// stays a fault, and so does "slow down", which says nothing of the connection.
func probe(err error) (providers.Probe, error) {
	e, ok := providers.AsError(err)
	if !ok {
		return providers.Probe{}, err
	}
	line, listed := refusals[e.Code]
	if !listed && e.Kind == providers.KindCredentials {
		line, listed = refusals["unauthorized"], true
	}
	if !listed || (e.Kind != providers.KindRefused && e.Kind != providers.KindCredentials) {
		return providers.Probe{}, err
	}
	return providers.Probe{Code: e.Code, Said: e.Text, Meaning: line.meaning, ToDo: line.todo}, nil
}
