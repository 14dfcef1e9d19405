package cloudflow_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*cloudflow.Server
	origin, base string
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	s := cloudflow.New(cloudflow.Config{}, kit.New(func() time.Time { return start }))
	mux := http.NewServeMux()
	mux.Handle(cloudflow.BasePath+"/", s.Handler())
	mux.Handle(kit.ControlPrefix, kit.ControlHandler(map[string]kit.Emulator{cloudflow.Name: s}))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return fixture{s, srv.URL, srv.URL + cloudflow.BasePath}
}

func bearer(jsonText string) string {
	return "Bearer " + base64.StdEncoding.EncodeToString([]byte(jsonText))
}

var (
	sandboxBearer = bearer(`{"accountId":"Sandbox-Account","apiToken":"Sandbox-Api-Token"}`)
	otherBearer   = bearer(`{"accountId":"Other-Account","apiToken":"Other-Api-Token"}`)
)

// do gives the status and the body.
func (f fixture) do(t *testing.T, method, path, authorization, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, f.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func (f fixture) get(t *testing.T, path string) (int, string) {
	t.Helper()
	return f.do(t, http.MethodGet, path, sandboxBearer, "", "")
}

func (f fixture) post(t *testing.T, body string) (int, string) {
	t.Helper()
	return f.do(t, http.MethodPost, cloudflow.RequestsPath, sandboxBearer, "application/json", body)
}

func request(id, device string) string {
	return fmt.Sprintf(`{"requestId":%q,"referenceId":%q,"flowType":"sale","amounts":{"base":{"value":2000,"currency":"EUR"}}}`, id, device)
}

func code(body string) string {
	var e struct {
		ErrorCode    string `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(body), &e) != nil || e.ErrorMessage == "" {
		return "?"
	}
	return e.ErrorCode
}

func TestTheBearerIsReadStrictly(t *testing.T) {
	f := newFixture(t)
	for name, tt := range map[string]struct {
		authorization string
		status        int
	}{
		"right":                   {sandboxBearer, 200},
		"another order":           {bearer(`{"apiToken":"Sandbox-Api-Token","accountId":"Sandbox-Account"}`), 200},
		"with spaces":             {bearer("{ \"accountId\" : \"Sandbox-Account\",\n \"apiToken\" : \"Sandbox-Api-Token\" }"), 200},
		"none":                    {"", 401},
		"basic":                   {strings.Replace(sandboxBearer, "Bearer", "Basic", 1), 401},
		"small bearer":            {strings.Replace(sandboxBearer, "Bearer", "bearer", 1), 401},
		"no base64":               {`Bearer {"accountId":"Sandbox-Account","apiToken":"Sandbox-Api-Token"}`, 401},
		"unpadded":                {strings.TrimRight(bearer(`{"accountId":"Sandbox-Account", "apiToken":"Sandbox-Api-Token"}`), "=") + "x", 401},
		"no JSON":                 {bearer("Sandbox-Account:Sandbox-Api-Token"), 401},
		"a list":                  {bearer(`["Sandbox-Account","Sandbox-Api-Token"]`), 401},
		"account in small":        {bearer(`{"accountId":"sandbox-account","apiToken":"Sandbox-Api-Token"}`), 401},
		"token in small":          {bearer(`{"accountId":"Sandbox-Account","apiToken":"sandbox-api-token"}`), 401},
		"name in another case":    {bearer(`{"accountID":"Sandbox-Account","apiToken":"Sandbox-Api-Token"}`), 401},
		"one field more":          {bearer(`{"accountId":"Sandbox-Account","apiToken":"Sandbox-Api-Token","x":"y"}`), 401},
		"one field less":          {bearer(`{"accountId":"Sandbox-Account"}`), 401},
		"a number":                {bearer(`{"accountId":1,"apiToken":"Sandbox-Api-Token"}`), 401},
		"something behind":        {bearer(`{"accountId":"Sandbox-Account","apiToken":"Sandbox-Api-Token"} {}`), 401},
		"another account's":       {bearer(`{"accountId":"Other-Account","apiToken":"Sandbox-Api-Token"}`), 401},
		"a terminal's":            {bearer(`{"model":"Albert","serialNumber":"SN-0001","apiToken":"Device-Api-Token"}`), 401},
		"an account that may not": {bearer(`{"accountId":"Forbidden-Account","apiToken":"Forbidden-Api-Token"}`), 403},
	} {
		for _, path := range []string{"/token", "/devices", "/devices/" + cloudflow.DeviceOnline, "/devices/" + cloudflow.DeviceOnline + "/connected"} {
			status, body := f.do(t, http.MethodGet, path, tt.authorization, "", "")
			want := map[int]string{200: "", 401: "unauthorized", 403: "forbidden"}[tt.status]
			if status != tt.status || (want != "" && code(body) != want) {
				t.Errorf("%s, %s: %d %s", name, path, status, body)
			}
		}
	}
}

func TestToken(t *testing.T) {
	f := newFixture(t)
	status, body := f.get(t, "/token")
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got) != 4 ||
		got["connectionType"] != "websocket" || got["tokenType"] != "jwt" || got["accessToken"] == "" ||
		!strings.Contains(got["connectionUrl"], cloudflow.ExtensionPath) {
		t.Errorf("%d %s", status, body)
	}
}

func TestEnrolIsForTerminals(t *testing.T) {
	f := newFixture(t)
	device := bearer(`{"model":"Albert","serialNumber":"SN-0001","apiToken":"Device-Api-Token"}`)
	if status, body := f.do(t, http.MethodGet, "/devices/enrol", device, "", ""); status != 200 || !strings.Contains(body, `"tokenType":"jwt"`) {
		t.Errorf("%d %s", status, body)
	}
	for name, authorization := range map[string]string{
		"a client": sandboxBearer, "none": "", "another model": bearer(`{"model":"A920","serialNumber":"SN-0001","apiToken":"Device-Api-Token"}`),
		"another case": bearer(`{"model":"albert","serialNumber":"SN-0001","apiToken":"Device-Api-Token"}`),
	} {
		if status, body := f.do(t, http.MethodGet, "/devices/enrol", authorization, "", ""); status != 401 || code(body) != "unauthorized" {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestDevicesAreTheAccountsOwnAndFiltersAreExact(t *testing.T) {
	f := newFixture(t)
	for query, want := range map[string]int{
		"": 3, "?model=Albert": 2, "?serialNumber=SN-0003": 1, "?location=Shop&model=Albert": 1, "?model=albert": 0, "?location=": 0, "?serialNumber=SN-0004": 0,
	} {
		status, body := f.get(t, "/devices"+query)
		var list []map[string]string
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 || len(list) != want {
			t.Errorf("%s: %d %s", query, status, body)
		}
		for _, d := range list {
			if len(d) != 6 || d["clientAccountId"] != cloudflow.SandboxAccountID || d["referenceId"] == "" {
				t.Errorf("%v", d)
			}
		}
	}
	for _, query := range []string{"?Model=Albert", "?x=1", "?model=a&model=b", "?model=%zz"} {
		if status, body := f.get(t, "/devices"+query); status != 422 || code(body) != "invalidData" {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

func TestADeviceAndWhetherItIsConnected(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]string{
		"/devices/" + cloudflow.DeviceOnline:                 `200 {"clientAccountId":"Sandbox-Account","referenceId":"dev-online-0001","serialNumber":"SN-0001","model":"Albert","name":"Counter","location":"Shop"}`,
		"/devices/" + cloudflow.OtherDevice:                  `404 {"errorMessage":"The item requested or referenced does not exist","errorCode":"notFound"}`,
		"/devices/DEV-ONLINE-0001":                           `404 {"errorMessage":"The item requested or referenced does not exist","errorCode":"notFound"}`,
		"/devices/" + cloudflow.DeviceOnline + "/connected":  `200 {}`,
		"/devices/" + cloudflow.DeviceOffline + "/connected": `410 {"errorMessage":"The target the request was intended for is not available","errorCode":"connectionLost"}`,
		"/devices/" + cloudflow.OtherDevice + "/connected":   `404 {"errorMessage":"The item requested or referenced does not exist","errorCode":"notFound"}`,
	} {
		if status, body := f.get(t, path); fmt.Sprintf("%d %s", status, body) != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]int{"/token?x=1": 422, "/devices/" + cloudflow.DeviceOnline + "?x=1": 422, "/nothing": 404, "/Token": 404} {
		if status, body := f.get(t, path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := f.do(t, http.MethodDelete, "/devices/"+cloudflow.DeviceOnline, sandboxBearer, "", ""); status != 404 || code(body) != "notFound" {
		t.Errorf("%d %s", status, body)
	}
}

func TestATerminalIsTakenOffAndPutBackByControl(t *testing.T) {
	f := newFixture(t)
	control := kit.Control{BaseURL: f.origin, Provider: cloudflow.Name}
	path := "/devices/" + cloudflow.DeviceOnline + "/connected"
	for _, connected := range []bool{false, true, false} {
		if err := control.Command(t.Context(), "device", map[string]any{"reference_id": cloudflow.DeviceOnline, "connected": connected}, nil); err != nil {
			t.Fatal(err)
		}
		if status, _ := f.get(t, path); (status == 200) != connected {
			t.Errorf("%t: %d", connected, status)
		}
	}
	if err := control.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, _ := f.get(t, path); status != 200 {
		t.Errorf("after a reset: %d", status)
	}
	for _, bad := range []any{
		map[string]any{"reference_id": "no-such", "connected": true}, map[string]any{"reference_id": cloudflow.DeviceOnline}, map[string]any{"x": 1}, nil,
	} {
		if err := control.Command(t.Context(), "device", bad, nil); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// TestErrorCodes holds the table of seed 000 word for word.
func TestErrorCodes(t *testing.T) {
	f := newFixture(t)
	for status, want := range map[int]string{
		400: `{"errorMessage":"Unexpected failure","errorCode":"failed"}`,
		401: `{"errorMessage":"Missing or invalid Authorization bearer token","errorCode":"unauthorized"}`,
		403: `{"errorMessage":"The operation attempted is not allowed","errorCode":"forbidden"}`,
		404: `{"errorMessage":"The item requested or referenced does not exist","errorCode":"notFound"}`,
		409: `{"errorMessage":"The item can not be created as it already exists","errorCode":"duplicateItem"}`,
		410: `{"errorMessage":"The target the request was intended for is not available","errorCode":"connectionLost"}`,
		412: `{"errorMessage":"The operation attempted can not be carried out due to existing preconditions","errorCode":"preconditionFailed"}`,
		417: `{"errorMessage":"The item could not be persisted","errorCode":"storageFailed"}`,
		422: `{"errorMessage":"The request is missing required data or the data defined is invalid","errorCode":"invalidData"}`,
		429: `{"errorMessage":"The number of websocket connections have exceeded the account limit","errorCode":"tooManyConnections"}`,
	} {
		if err := f.Kit().Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: status}); err != nil {
			t.Fatal(err)
		}
		if got, body := f.get(t, "/token"); got != status || body != want {
			t.Errorf("%d: %d %s", status, got, body)
		}
		// As an outcome of a request to a terminal.
		if err := f.Kit().Outcomes.Push(kit.Outcome{Result: kit.Reject, Code: code(want)}); err != nil {
			t.Fatal(err)
		}
		if got, body := f.post(t, request(fmt.Sprint("r", status), cloudflow.DeviceOnline)); got != status || body != want {
			t.Errorf("%d as an outcome: %d %s", status, got, body)
		}
	}
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d requests were taken", n)
	}
}

func TestRequestsAreTheEmulatorsOwn(t *testing.T) {
	f := newFixture(t)
	if status, body := f.post(t, request("one", cloudflow.DeviceOnline)); status != 202 || body != `{"requestId":"one"}` {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := f.get(t, cloudflow.RequestsPath+"/one"); status != 200 || !strings.Contains(body, `"status":"APPROVED"`) {
		t.Errorf("%d %s", status, body)
	}
	for name, tt := range map[string]struct{ id, device, code string }{
		"again":               {"one", cloudflow.DeviceOnline, "duplicateItem"},
		"an unknown terminal": {"two", "no-such", "notFound"},
		"another's terminal":  {"two", cloudflow.OtherDevice, "notFound"},
		"an offline terminal": {"two", cloudflow.DeviceOffline, "connectionLost"},
	} {
		if _, body := f.post(t, request(tt.id, tt.device)); code(body) != tt.code {
			t.Errorf("%s: %s", name, body)
		}
	}
	if status, _ := f.do(t, http.MethodGet, cloudflow.RequestsPath+"/one", otherBearer, "", ""); status != 404 {
		t.Errorf("another account reads it: %d", status)
	}
	if s := f.State(); len(s.Charges) != 1 || s.Approved["one"] != 1 || s.Charges[0].AmountMinor != 2000 {
		t.Errorf("%+v", s)
	}
}

func TestOutcomesOfRequests(t *testing.T) {
	f := newFixture(t)
	push := func(o kit.Outcome) {
		t.Helper()
		if err := f.Kit().Outcomes.Push(o); err != nil {
			t.Fatal(err)
		}
	}
	push(kit.Outcome{Result: kit.Decline})
	if status, _ := f.post(t, request("declined", cloudflow.DeviceOnline)); status != 202 {
		t.Fatal(status)
	}
	push(kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: 60})
	if status, _ := f.post(t, request("slow", cloudflow.DeviceOnline)); status != 202 {
		t.Fatal(status)
	}
	if _, body := f.post(t, request("busy", cloudflow.DeviceOnline)); code(body) != "preconditionFailed" {
		t.Errorf("a busy terminal: %s", body)
	}
	if s := f.State(); s.Charges[0].Status != "DECLINED" || s.Charges[1].Status != "RUNNING" || len(s.Approved) != 0 {
		t.Errorf("%+v", s)
	}
	f.Kit().Clock.Advance(time.Minute)
	if s := f.State(); s.Charges[1].Status != "APPROVED" || s.Approved["slow"] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestARequestIsReadStrictly(t *testing.T) {
	f := newFixture(t)
	good := request("x", cloudflow.DeviceOnline)
	for name, body := range map[string]string{
		"no JSON": "x", "a list": "[]", "empty": "", "a field more": strings.Replace(good, "{", `{"a":1,`, 1),
		"a name in another case": strings.Replace(good, "requestId", "requestID", 1), "a flow in another case": strings.Replace(good, `"sale"`, `"Sale"`, 1),
		"no request id": strings.Replace(good, `"requestId":"x",`, "", 1), "an empty one": strings.Replace(good, `"x"`, `""`, 1),
		"amount as text": strings.Replace(good, "2000", `"2000"`, 1), "with decimals": strings.Replace(good, "2000", "20.00", 1),
		"zero": strings.Replace(good, "2000", "0", 1), "negative": strings.Replace(good, "2000", "-1", 1), "exponent": strings.Replace(good, "2000", "2e3", 1),
		"too large": strings.Replace(good, "2000", "1000000000000", 1), "no amount": strings.Replace(good, `"value":2000,`, "", 1), "null": strings.Replace(good, "2000", "null", 1),
		"JPY": strings.Replace(good, "EUR", "JPY", 1), "small currency": strings.Replace(good, "EUR", "eur", 1),
		"amounts as text": strings.Replace(good, `{"base":{"value":2000,"currency":"EUR"}}`, `"20 EUR"`, 1), "something behind": good + "{}",
		"a field more inside": strings.Replace(good, `"value"`, `"tip":1,"value"`, 1),
	} {
		if status, answer := f.post(t, body); status != 422 || code(answer) != "invalidData" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, body := f.do(t, http.MethodPost, cloudflow.RequestsPath, sandboxBearer, "text/plain", good); status != 422 {
		t.Errorf("text/plain: %d %s", status, body)
	}
	if status, body := f.do(t, http.MethodPost, cloudflow.RequestsPath, "", "application/json", good); status != 401 {
		t.Errorf("no bearer: %d %s", status, body)
	}
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d requests were taken", n)
	}
}

func TestTheJournalHoldsNoToken(t *testing.T) {
	f := newFixture(t)
	f.get(t, "/token")
	for _, e := range f.Kit().Journal.Entries() {
		if strings.Contains(e.Reply, "eyJ") || strings.Contains(fmt.Sprint(e.Headers), "eyJ") {
			t.Errorf("%+v", e)
		}
	}
}
