package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/sandbox"
	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	"github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	"github.com/counterfoil/counterfoil/services/sandbox/cloudpayments"
	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// shop is a merchant's server that keeps what it is told.
type shop struct {
	*httptest.Server
	mu   sync.Mutex
	told []told
}

type told struct {
	body map[string]any
	// signed says that the signature is the one of the connector's secret.
	signed bool
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body := map[string]any{}
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Error(err)
		}
		sum := sha512.Sum512(raw)
		mac := hmac.New(sha512.New, []byte(cardflo.SandboxSecret))
		mac.Write([]byte(strings.Join([]string{r.Method, hex.EncodeToString(sum[:]), r.Header.Get("Content-Type"), r.Header.Get("Date"), r.RequestURI}, "\n")))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, told{body, r.Header.Get("X-Signature") == base64.StdEncoding.EncodeToString(mac.Sum(nil))})
		_, _ = io.WriteString(w, "OK")
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) last(t *testing.T) told {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.told) == 0 {
		t.Fatal("nothing was told")
	}
	return s.told[len(s.told)-1]
}

// gateway sends Cardflo's emulator a transaction and answers its uuid.
func (v visitor) gateway(operation, body string) string {
	v.t.Helper()
	answer := send(v.t, v.base+cardflo.BasePath+"/transaction/"+cardflo.SandboxKey+"/"+operation, body, map[string]string{
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(cardflo.SandboxUser+":"+cardflo.SandboxPassword))})
	uuid, _ := answer["uuid"].(string)
	if uuid == "" {
		v.t.Fatal(answer)
	}
	return uuid
}

func (v visitor) debit(id, currency, amount, callback string) string {
	v.t.Helper()
	return v.gateway("debit", fmt.Sprintf(`{"merchantTransactionId":%q,"amount":%q,"currency":%q,"transactionToken":%q%s}`, id, amount, currency, cardflo.TokenApprove, hook(callback)))
}

func hook(address string) string {
	if address == "" {
		return ""
	}
	return fmt.Sprintf(`,"callbackUrl":%q`, address)
}

func (v visitor) charge(id string) kit.Charge {
	v.t.Helper()
	for _, c := range v.box.Cardflo.State().Charges {
		if c.ID == id {
			return c
		}
	}
	v.t.Fatalf("no charge %s", id)
	return kit.Charge{}
}

// TestAClickOnEachLinesActionChangesTheLedgerAndIsToldSigned holds every action
// of a line: one that is not in the table fails.
func TestAClickOnEachLinesActionChangesTheLedgerAndIsToldSigned(t *testing.T) {
	tests := map[string]struct {
		// on makes the line that the action is about.
		on    func(v visitor, hook string) string
		words string
		form  url.Values
		check func(t *testing.T, v visitor, line string, body map[string]any)
	}{
		"chargeback": {on: sold, words: "Charge back", form: url.Values{"in_amount": {"4.00"}, "in_reason": {"Fraud"}}, check: func(t *testing.T, v visitor, line string, body map[string]any) {
			newest := v.box.Cardflo.State().Charges[1]
			if newest.Kind != "chargeback" || newest.OriginalID != line || newest.AmountMinor != 400 || body["transactionType"] != "CHARGEBACK" || body["uuid"] != newest.ID {
				t.Errorf("%+v %v", newest, body)
			}
			if data, _ := body["chargebackData"].(map[string]any); data["reason"] != "Fraud" {
				t.Errorf("%v", body)
			}
		}},
		"chargeback-reversal": {on: func(v visitor, hook string) string {
			v.press("cardflo", sold(v, hook), "Charge back", nil)
			return v.box.Cardflo.State().Charges[1].ID
		}, words: "Reverse it", check: func(t *testing.T, v visitor, line string, body map[string]any) {
			newest := v.box.Cardflo.State().Charges[2]
			if newest.Kind != "chargeback_reversal" || newest.OriginalID != line || newest.AmountMinor != 999 || body["transactionType"] != "CHARGEBACK-REVERSAL" {
				t.Errorf("%+v %v", newest, body)
			}
		}},
		"settle": {on: sold, words: "Settle another amount", form: url.Values{"in_amount": {"9.50"}}, check: adjusted("settlement")},
		"reconcile": {on: sold, words: "Reconcile another amount", form: url.Values{"in_amount": {"9.5"}},
			check: adjusted("reconciliation")},
		"account-update": {on: stored, words: "Update the card", form: url.Values{"in_result": {"new_expiry"}, "in_expiry": {"01/33"}, "in_last4": {"4242"}}, check: func(t *testing.T, v visitor, line string, body map[string]any) {
			extra, _ := body["extraData"].(map[string]any)
			card, _ := body["returnData"].(map[string]any)
			if extra["lastCardUpdateResult"] != "new_expiry" || card["expiryYear"] != "2033" || !strings.HasSuffix(v.charge(line).Card, "4242") {
				t.Errorf("%v %+v", body, v.charge(line))
			}
		}},
		"network-token": {on: stored, words: "Change the network token", form: url.Values{"in_status": {"suspended"}, "in_result": {"pan_changed"}, "in_last4": {"4243"}}, check: func(t *testing.T, v visitor, line string, body map[string]any) {
			extra, _ := body["extraData"].(map[string]any)
			if extra["networkTokenStatus"] != "suspended" || extra["lastNetworkTokenUpdateResult"] != "pan_changed" || !strings.HasSuffix(v.charge(line).Card, "4243") {
				t.Errorf("%v %+v", body, v.charge(line))
			}
		}},
		"notify": {on: sold, words: "Tell it again", check: func(t *testing.T, v visitor, line string, body map[string]any) {
			if n := len(v.box.Cardflo.Kit().Callbacks.Deliveries()); n != 2 || body["uuid"] != line || body["result"] != "OK" {
				t.Errorf("%d deliveries, %v", n, body)
			}
		}},
	}
	for _, a := range cardflo.New(cardflo.Config{}, nil).Actions() {
		tt, ok := tests[a.Name]
		if !ok || !a.OnLine || !a.Tells || tt.words != a.Label {
			t.Errorf("%s, %q, is not in the table", a.Name, a.Label)
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			v, in := visit(t), openShop(t)
			v.box.Cardflo.Kit().Callbacks.Enable(true)
			line := tt.on(v, in.URL+"/hook?x=1")
			v.box.Cardflo.Kit().Callbacks.Wait()
			res, doc := v.press("cardflo", line, tt.words, tt.form)
			if said := doc.Find("[role=status]").Text(); res.StatusCode != http.StatusOK || res.Request.Method != http.MethodGet || said != "Done. "+a.Done {
				t.Fatalf("%d %s: %q %q", res.StatusCode, res.Request.Method, said, doc.Find("[role=alert]").Text())
			}
			v.box.Cardflo.Kit().Callbacks.Wait()
			got := in.last(t)
			if !got.signed {
				t.Error("it is not signed")
			}
			tt.check(t, v, line, got.body)
		})
	}
}

func sold(v visitor, hook string) string { return v.debit("sale", "EUR", "9.99", hook) }

func stored(v visitor, address string) string {
	return v.gateway("register", fmt.Sprintf(`{"merchantTransactionId":"card","transactionToken":%q%s}`, cardflo.TokenApprove, hook(address)))
}

func adjusted(source string) func(*testing.T, visitor, string, map[string]any) {
	return func(t *testing.T, v visitor, line string, body map[string]any) {
		if c := v.charge(line); c.AmountMinor != 950 || body["notificationSource"] != source || body["originalAmount"] != "9.99" || body["amount"] != "9.50" {
			t.Errorf("%+v %v", c, body)
		}
	}
}

func TestAnAdoptedSaleIsToldWhereItsAdopterSaid(t *testing.T) {
	v, in := visit(t), openShop(t)
	v.box.Cardflo.Kit().Callbacks.Enable(true)
	sale := kit.Charge{Kind: "sale", ID: "s", Reference: "ref-s", AmountMinor: 999, Currency: "EUR"}
	sale.CallbackURL = in.URL + "/hook"
	if err := v.box.Cardflo.Adopt(cardflo.SandboxKey, []kit.Charge{sale}); err != nil {
		t.Fatal(err)
	}
	v.press("cardflo", "s", "Charge back", nil)
	v.box.Cardflo.Kit().Callbacks.Wait()
	if got := in.last(t); !got.signed || got.body["transactionType"] != "CHARGEBACK" {
		t.Errorf("%+v", got)
	}
	if c := v.charge("s"); c.CallbackURL != "" {
		t.Errorf("the ledger tells %s", c.CallbackURL)
	}
	sale.CallbackURL = "nowhere"
	if err := v.box.Cardflo.Adopt(cardflo.SandboxKey, []kit.Charge{sale}); err == nil {
		t.Error("an address that is none was taken")
	}
}

func TestALineOffersOnlyWhatCanBeDoneAboutIt(t *testing.T) {
	v := visit(t)
	sale := v.debit("sale", "EUR", "9.99", "http://127.0.0.1:1/hook")
	v.gateway("debit", `{"merchantTransactionId":"no","amount":"1.00","currency":"EUR","transactionToken":"`+cardflo.TokenDecline+`"}`)
	offers := func(id string) string {
		var found []string
		_, doc := v.open("/_sandbox/cardflo/")
		doc.Find(".acts form").Each(func(_ int, s *goquery.Selection) {
			if s.Find("input[name=line]").AttrOr("value", "") == id {
				found = append(found, s.Find("button").Text())
			}
		})
		return strings.Join(found, ", ")
	}
	if got := offers(sale); got != "Charge back, Settle another amount, Reconcile another amount, Tell it again" {
		t.Error(got)
	}
	v.press("cardflo", sale, "Charge back", nil)
	if got := offers(sale); got != "Settle another amount, Reconcile another amount, Tell it again" {
		t.Errorf("what was charged back wholly: %s", got)
	}
	back := v.box.Cardflo.State().Charges[2].ID
	if got := offers(back); got != "Reverse it, Tell it again" {
		t.Error(got)
	}
	v.press("cardflo", back, "Reverse it", nil)
	if got := offers(back); got != "Tell it again" {
		t.Errorf("what was reversed: %s", got)
	}
	if got := offers(v.box.Cardflo.State().Charges[1].ID); got != "" {
		t.Errorf("a declined sale: %s", got)
	}
	_, doc := v.open("/_sandbox/cardflo/")
	if doc.Find(".acts summary").Length() != 3 || doc.Find("#actions").Length() != 0 {
		t.Errorf("%d lines open; actions of no line: %d", doc.Find(".acts summary").Length(), doc.Find("#actions").Length())
	}
}

func TestThePageSaysWhenNobodyWasCalled(t *testing.T) {
	v := visit(t)
	sale := v.debit("sale", "EUR", "9.99", "")
	_, doc := v.press("cardflo", sale, "Settle another amount", url.Values{"in_amount": {"9.00"}})
	if said := doc.Find("[role=status]").Text(); !strings.HasSuffix(said, "Nobody was called, because callbacks are off.") {
		t.Error(said)
	}
	v.click("cardflo", "Turn callbacks on", nil)
	_, doc = v.press("cardflo", sale, "Settle another amount", url.Values{"in_amount": {"8.00"}})
	if said := doc.Find("[role=status]").Text(); !strings.HasSuffix(said, "Nobody was called, because no address for it is known.") {
		t.Error(said)
	}
	for _, words := range []string{"action_nothing", "untold_<b>", "action_", "chargeback"} {
		if _, doc := v.open("/_sandbox/cardflo/?did=" + url.QueryEscape(words)); doc.Find("[role=status]").Length() != 0 {
			t.Errorf("%s put words on the page", words)
		}
	}
}

func TestATerminalOfHandpointIsChangedAndRestarted(t *testing.T) {
	v, in := visit(t), openShop(t)
	hp := v.box.Handpoint
	operate := func(more string) map[string]any {
		return send(t, v.base+handpoint.BasePath+"/transactions",
			`{"operation":"sale","serial_number":"`+handpoint.TerminalSerial+`","terminal_type":"`+handpoint.TerminalType+`","amount":"1000","currency":"EUR"`+more+`}`,
			map[string]string{"ApiKeyCloud": handpoint.SandboxKey})
	}
	page := v.click("handpoint", "Change the terminal", url.Values{"in_serial": {handpoint.TerminalSerial}, "in_online": {"no"}})
	if text := page.Find(`#actions`).Parent().Find(`option[value="` + handpoint.TerminalSerial + `"]`).First().Text(); !strings.HasPrefix(text, handpoint.TerminalSerial+": off line, free, takes 1 s, Visa ending 0936") {
		t.Errorf("the choice says %q", text)
	}
	if got := operate(""); got["error"] == nil {
		t.Errorf("off line: %v", got)
	}
	page = v.click("handpoint", "Change the terminal", url.Values{"in_serial": {handpoint.TerminalSerial}, "in_online": {"yes"}, "in_busy": {"yes"},
		"in_seconds": {"30"}, "in_card": {handpoint.TokenStolen}, "in_receipts": {"html"}, "in_signature": {"image"}})
	if text := page.Find(`#actions`).Parent().Find(`option[value="` + handpoint.TerminalSerial + `"]`).First().Text(); text != handpoint.TerminalSerial+": on line, busy, takes 30 s, Visa ending 9979 (declined with 43)" {
		t.Errorf("the choice says %q", text)
	}
	if got := operate(""); got["error"] == nil {
		t.Errorf("busy: %v", got)
	}
	v.click("handpoint", "Change the terminal", url.Values{"in_serial": {handpoint.TerminalSerial}, "in_busy": {"no"}})
	// What ends while callbacks are off waits for the restart.
	operate(`,"callbackUrl":"` + in.URL + `/hook","token":"t"`)
	v.click("handpoint", "1 minute", nil)
	v.click("handpoint", "Turn callbacks on", nil)
	v.click("handpoint", "1 minute", nil)
	hp.Kit().Callbacks.Wait()
	if n := len(hp.Kit().Callbacks.Deliveries()); n != 0 {
		t.Fatalf("%d were delivered before the restart", n)
	}
	v.click("handpoint", "Restart the terminal", url.Values{"in_serial": {handpoint.TerminalSerial}})
	hp.Kit().Callbacks.Wait()
	if got := in.last(t).body; got["finStatus"] != "DECLINED" || got["recoveredTransaction"] != true {
		t.Errorf("%v", got)
	}
}

func TestATerminalOfCloudFlowIsTakenOffLineAndConnected(t *testing.T) {
	v := visit(t)
	status := func() int {
		req, err := http.NewRequest(http.MethodGet, v.base+cloudflow.BasePath+"/devices/"+cloudflow.DeviceOnline+"/connected", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+base64.StdEncoding.EncodeToString([]byte(`{"accountId":"`+cloudflow.SandboxAccountID+`","apiToken":"`+cloudflow.SandboxAPIToken+`"}`)))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	for _, step := range []struct {
		words  string
		status int
	}{{"Take the terminal off line", 410}, {"Connect the terminal", 200}} {
		if v.click("cloudflow", step.words, url.Values{"in_device": {cloudflow.DeviceOnline}}); status() != step.status {
			t.Errorf("%s: %d", step.words, status())
		}
	}
}

func TestAKeyOfCloudPaymentsIsRevoked(t *testing.T) {
	v := visit(t)
	status := func() int {
		req, err := http.NewRequest(http.MethodGet, v.base+cloudpayments.BasePath+cloudpayments.StatusPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("api-key", cloudpayments.KeyValid)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if status() != 200 {
		t.Fatal(status())
	}
	page := v.click("cloudpayments", "Revoke the key", url.Values{"in_key": {cloudpayments.KeyValid}})
	if status() != 403 || strings.Contains(page.Find("#actions").Parent().Text(), cloudpayments.KeyValid) {
		t.Errorf("%d %s", status(), page.Find("#actions").Parent().Text())
	}
	// With no key left there is nothing to choose, and no section.
	for _, k := range cloudpayments.DefaultConfig().Keys {
		if err := v.box.CloudPayments.Revoke(k.Value); err != nil {
			t.Fatal(err)
		}
	}
	if _, doc := v.open("/_sandbox/cloudpayments/"); doc.Find("#actions, .doings").Length() != 0 {
		t.Error("a section without an action")
	}
}

// TestEveryControlOfAnEmulatorCanBeClicked holds the pages to the control API: a
// control without a button fails.
func TestEveryControlOfAnEmulatorCanBeClicked(t *testing.T) {
	buttons := map[string][]string{
		"cardflo/adjustment": {"settle", "reconcile"}, "cloudflow/device": {"connect", "disconnect"},
	}
	for name, e := range map[string]kit.Emulator{
		cardflo.Name: cardflo.New(cardflo.Config{}, nil), handpoint.Name: handpoint.New(handpoint.Config{}, nil), cashflows.Name: cashflows.New(cashflows.Config{}, nil),
		cloudflow.Name: cloudflow.New(cloudflow.Config{}, nil), cloudpayments.Name: cloudpayments.New(cloudpayments.Config{}, nil),
	} {
		controlled, ok := e.(kit.Controlled)
		if !ok {
			continue
		}
		acting, ok := e.(kit.Acting)
		if !ok {
			t.Errorf("%s has controls and no actions", name)
			continue
		}
		var names []string
		for _, a := range acting.Actions() {
			names = append(names, a.Name)
		}
		for control := range controlled.Controls() {
			wanted := buttons[name+"/"+control]
			if wanted == nil {
				wanted = []string{control}
			}
			for _, w := range wanted {
				if !slices.Contains(names, w) {
					t.Errorf("%s: no button for %s", name, w)
				}
			}
		}
	}
}

// bare hides everything of an emulator but what all have.
type bare struct{ kit.Emulator }

func TestAnEmulatorWithoutActionsShowsNoEmptySection(t *testing.T) {
	e := cardflo.New(cardflo.Config{}, nil)
	if err := e.Adopt(cardflo.SandboxKey, []kit.Charge{{Kind: "sale", ID: "s", Reference: "s", AmountMinor: 1, Currency: "EUR"}}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sandbox.Pages(map[string]kit.Emulator{"bare": bare{e}, "cashflows": cashflows.New(cashflows.Config{}, nil)}))
	t.Cleanup(srv.Close)
	v := visitor{t, nil, srv.URL, http.DefaultClient}
	for _, name := range []string{"bare", "cashflows"} {
		_, doc := v.open("/_sandbox/" + name + "/")
		if doc.Find("#ledger").Length() != 1 || doc.Find("#actions, .doings, .acts").Length() != 0 || strings.Contains(doc.Find("main").Text(), "by itself") {
			t.Errorf("%s: %s", name, doc.Find("main").Text())
		}
		if res, doc := v.post("/_sandbox/"+name+"/page/act", url.Values{"choose": {"chargeback"}, "line": {"s"}}); res.StatusCode != 404 || doc.Find("[role=alert]").Length() != 1 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

func TestAnActionThatIsRefusedSaysWhyAndChangesNothing(t *testing.T) {
	v, in := visit(t), openShop(t)
	v.box.Cardflo.Kit().Callbacks.Enable(true)
	sale := v.debit("sale", "EUR", "9.99", in.URL)
	yen := v.debit("yen", "JPY", "1500", in.URL)
	card := stored(v, in.URL)
	v.box.Cardflo.Kit().Callbacks.Wait()
	before := fmt.Sprint(v.box.Cardflo.State().Charges)
	deliveries := len(v.box.Cardflo.Kit().Callbacks.Deliveries())
	const long = "00000000000000000000"
	for _, tt := range []struct {
		line, action string
		form         url.Values
		status       int
		says         string
	}{
		{sale, "settle", url.Values{}, 422, "“New amount” is empty"},
		{sale, "settle", url.Values{"in_amount": {"nine"}}, 422, "“New amount” must be an amount, such as 9.50"},
		{sale, "settle", url.Values{"in_amount": {"-5"}}, 422, "“New amount” must be an amount, such as 9.50"},
		{sale, "settle", url.Values{"in_amount": {"1e3"}}, 422, "“New amount” must be an amount, such as 9.50"},
		{sale, "settle", url.Values{"in_amount": {"1" + long}}, 422, "“New amount” must be an amount, such as 9.50"},
		{sale, "settle", url.Values{"in_amount": {"0.00"}}, 422, "the amount must be above 0 and not too large"},
		{sale, "reconcile", url.Values{"in_amount": {"9.505"}}, 422, "the amount has more decimals than EUR"},
		{yen, "settle", url.Values{"in_amount": {"9.5"}}, 422, "the amount has more decimals than JPY"},
		{sale, "chargeback", url.Values{"in_amount": {"10.00"}}, 422, "that is more than can be charged back"},
		{sale, "chargeback", url.Values{"in_reason": {strings.Repeat("x", 101)}}, 422, "“The bank’s reason” must be one line of at most 100 characters"},
		{sale, "chargeback-reversal", url.Values{}, 422, "only a chargeback can be reversed, and only once"},
		{sale, "account-update", url.Values{"in_result": {"closed"}}, 422, "only a stored card can be updated"},
		{card, "account-update", url.Values{"in_result": {"stolen"}}, 422, "“News” is not one of the list"},
		{card, "account-update", url.Values{"in_result": {"updated"}, "in_expiry": {"01/33"}, "in_last4": {"42x2"}}, 422, "last4 must be four digits"},
		{card, "account-update", url.Values{"in_result": {"updated"}, "in_expiry": {"13/33"}, "in_last4": {"4242"}}, 422, "expiry must be MM/YY"},
		{card, "settle", url.Values{"in_amount": {"1.00"}}, 422, "only a successful transaction with an amount can be adjusted"},
		{"nobody", "settle", url.Values{"in_amount": {"1.00"}}, 422, "the ledger has no such line"},
		{"", "settle", url.Values{"in_amount": {"1.00"}}, 404, "This page has no such button"},
		{sale, "no-such", url.Values{}, 404, "This page has no such button"},
	} {
		form := url.Values{"choose": {tt.action}, "line": {tt.line}}
		for name, values := range tt.form {
			form[name] = values
		}
		res, doc := v.post("/_sandbox/cardflo/page/act", form)
		if said := doc.Find("[role=alert]").Text(); res.StatusCode != tt.status || !strings.Contains(said, tt.says) || doc.Find("[role=status]").Length() != 0 {
			t.Errorf("%s %v: %d %q", tt.action, tt.form, res.StatusCode, said)
		}
		v.box.Cardflo.Kit().Callbacks.Wait()
		if after := fmt.Sprint(v.box.Cardflo.State().Charges); after != before || len(v.box.Cardflo.Kit().Callbacks.Deliveries()) != deliveries {
			t.Fatalf("%s %v: something changed", tt.action, tt.form)
		}
	}
	for provider, tests := range map[string]map[string]url.Values{
		"handpoint": {
			"“Seconds that an operation takes” must be a whole number between 0 and 3600": {"choose": {"device"}, "in_serial": {handpoint.TerminalSerial}, "in_seconds": {"-1"}},
			"“Terminal” is empty":                 {"choose": {"restart"}},
			"“Terminal” is not one of the list":   {"choose": {"device"}, "in_serial": {"42"}},
			"“Connection” is not one of the list": {"choose": {"device"}, "in_serial": {handpoint.TerminalSerial}, "in_online": {"maybe"}},
		},
		"cloudflow":     {"“Terminal” is not one of the list": {"choose": {"disconnect"}, "in_device": {cloudflow.DeviceOffline}}},
		"cloudpayments": {"“APP key” is not one of the list": {"choose": {"revoke"}, "in_key": {cloudpayments.KeyRevoked}}},
	} {
		for says, form := range tests {
			res, doc := v.post("/_sandbox/"+provider+"/page/act", form)
			if said := doc.Find("[role=alert]").Text(); res.StatusCode != 422 || !strings.Contains(said, says) {
				t.Errorf("%s %v: %d %q", provider, form, res.StatusCode, said)
			}
		}
	}
}

func TestARefusedActionKeepsWhatWasTypedBesideItsReason(t *testing.T) {
	v := visit(t)
	sale := v.debit("sale", "EUR", "9.99", "")
	for i := range 60 {
		v.debit(fmt.Sprint("later-", i), "EUR", "1.00", "")
	}
	res, doc := v.post("/_sandbox/cardflo/page/act", url.Values{"choose": {"settle"}, "line": {sale}, "in_amount": {"nine <b>"}})
	open := doc.Find(".acts details[open]")
	field := open.Find("input[name=in_amount][aria-invalid=true][autofocus]")
	if res.StatusCode != 422 || open.Length() != 1 || field.Length() != 1 || field.AttrOr("value", "") != "nine <b>" {
		t.Fatalf("%d, %d open, %d fields", res.StatusCode, open.Length(), field.Length())
	}
	if field.Closest("form").Find("input[name=line]").AttrOr("value", "") != sale {
		t.Error("another line is open")
	}
	if why := doc.Find("#" + field.AttrOr("aria-describedby", "none")).Text(); why != "Nothing was changed: “New amount” must be an amount, such as 9.50." {
		t.Error(why)
	}
	// What the emulator refuses is not one field's fault.
	_, doc = v.post("/_sandbox/cardflo/page/act", url.Values{"choose": {"chargeback"}, "line": {sale}, "in_amount": {"10.00"}, "in_reason": {"Fraud"}})
	form := doc.Find(".acts details[open] form").First()
	if form.Find("[aria-invalid]").Length() != 0 || form.Find("[autofocus]").Length() != 1 || form.Find("[name=in_reason]").AttrOr("value", "") != "Fraud" || !strings.Contains(form.Find(".wrong").Text(), "more than can be charged back") {
		html, _ := form.Html()
		t.Error(html)
	}
	_, doc = v.post("/_sandbox/handpoint/page/act", url.Values{"choose": {"device"}, "in_serial": {handpoint.VirtualSerial}, "in_seconds": {"x"}})
	if chosen := doc.Find("select[name=in_serial] option[selected]"); chosen.Length() != 1 || chosen.AttrOr("value", "") != handpoint.VirtualSerial || doc.Find(`.doings [aria-invalid]`).Length() != 1 {
		t.Errorf("%d chosen", chosen.Length())
	}
}

func TestALongLedgerHasPages(t *testing.T) {
	v := visit(t)
	charges := make([]kit.Charge, 0, 1200)
	for i := range 1200 {
		charges = append(charges, kit.Charge{Kind: "sale", ID: fmt.Sprint("id-", i), Reference: fmt.Sprint("ref-", i), AmountMinor: 100, Currency: "EUR", At: time.Now()})
	}
	if err := v.box.Cardflo.Adopt(cardflo.SandboxKey, charges); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":               "Lines 1 to 50 of 1,200, the newest first. ref-1199 ref-1150 Older lines: ?page=2#ledger",
		"?page=2":        "Lines 51 to 100 of 1,200, the newest first. ref-1149 ref-1100 Newer lines: ?page=1#ledger Older lines: ?page=3#ledger",
		"?page=24":       "Lines 1,151 to 1,200 of 1,200, the newest first. ref-49 ref-0 Newer lines: ?page=23#ledger",
		"?page=99999999": "Lines 1,151 to 1,200 of 1,200, the newest first. ref-49 ref-0 Newer lines: ?page=23#ledger",
		"?page=-1":       "Lines 1 to 50 of 1,200, the newest first. ref-1199 ref-1150 Older lines: ?page=2#ledger",
		"?page=x":        "Lines 1 to 50 of 1,200, the newest first. ref-1199 ref-1150 Older lines: ?page=2#ledger",
	} {
		_, doc := v.open("/_sandbox/cardflo/" + path)
		rows := doc.Find("#ledger").Parent().Find("tbody th code")
		got := []string{doc.Find(".pager p").Text(), rows.First().Text(), rows.Last().Text()}
		doc.Find(".pager a").Each(func(_ int, s *goquery.Selection) {
			got = append(got, s.Text()+": "+strings.TrimPrefix(s.AttrOr("href", ""), "/_sandbox/cardflo/"))
		})
		if strings.Join(got, " ") != want || rows.Length() != 50 {
			t.Errorf("%s: %d rows, %q", path, rows.Length(), got)
		}
	}
	// A click on a page comes back to it.
	res, doc := v.post("/_sandbox/cardflo/page/act", url.Values{"choose": {"settle"}, "line": {"id-1120"}, "page": {"2"}, "in_amount": {"2.00"}})
	if res.StatusCode != 200 || res.Request.URL.RawQuery != "did=untold_settle&page=2" || !strings.Contains(doc.Find("#ledger").Parent().Text(), "ref-1120") {
		t.Errorf("%d %s", res.StatusCode, res.Request.URL)
	}
}
