package sandbox_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/counterfoil/counterfoil/services/sandbox"
	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	"github.com/counterfoil/counterfoil/services/sandbox/cloudpayments"
	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// visitor is a person with a browser that has no JavaScript.
type visitor struct {
	t    *testing.T
	box  *sandbox.Sandbox
	base string
	// client follows redirects, as a browser does.
	client *http.Client
}

func visit(t *testing.T) visitor {
	t.Helper()
	box := sandbox.New(sandbox.Config{})
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(box.Reset)
	return visitor{t, box, srv.URL, &http.Client{}}
}

func (v visitor) open(path string) (*http.Response, *goquery.Document) {
	v.t.Helper()
	res, err := v.client.Get(v.base + path)
	if err != nil {
		v.t.Fatal(err)
	}
	return res, v.read(res)
}

func (v visitor) read(res *http.Response) *goquery.Document {
	v.t.Helper()
	defer func() { _ = res.Body.Close() }()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return doc
}

// post sends a form as the page's own.
func (v visitor) post(action string, form url.Values, header ...string) (*http.Response, *goquery.Document) {
	v.t.Helper()
	req, err := http.NewRequest(http.MethodPost, v.base+action, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	return res, v.read(res)
}

// click finds the button by its words on the emulator's page, fills the form as
// it stands, with the changes, and sends it.
func (v visitor) click(provider, words string, change url.Values) *goquery.Document {
	v.t.Helper()
	res, doc := v.press(provider, "", words, change)
	if res.StatusCode != http.StatusOK || res.Request.Method != http.MethodGet || doc.Find("[role=status]").Length() != 1 {
		v.t.Fatalf("%q: %d %s %s", words, res.StatusCode, res.Request.Method, doc.Find("[role=alert]").Text())
	}
	return doc
}

// press is click on a button of the line of the ledger with that ID, or of none,
// without an opinion of the answer.
func (v visitor) press(provider, line, words string, change url.Values) (*http.Response, *goquery.Document) {
	v.t.Helper()
	_, doc := v.open("/_sandbox/" + provider + "/")
	button := doc.Find("button").FilterFunction(func(_ int, s *goquery.Selection) bool {
		return strings.TrimSpace(s.Text()) == words && s.Closest("form").Find("input[name=line]").AttrOr("value", "") == line
	})
	if button.Length() != 1 {
		v.t.Fatalf("%s has %d buttons %q of the line %q", provider, button.Length(), words, line)
	}
	form := button.Closest("form")
	values := url.Values{}
	form.Find("input, select").Each(func(_ int, s *goquery.Selection) {
		value := s.AttrOr("value", "")
		if goquery.NodeName(s) == "select" {
			value = s.Find("option").First().AttrOr("value", "")
		}
		values.Set(s.AttrOr("name", ""), value)
	})
	if name, ok := button.Attr("name"); ok {
		values.Set(name, button.AttrOr("value", ""))
	}
	for k := range change {
		values.Set(k, change.Get(k))
	}
	if form.AttrOr("method", "") != "post" {
		v.t.Fatalf("%q is no POST", words)
	}
	return v.post(form.AttrOr("action", ""), values)
}

// devices asks Handpoint's emulator for its terminals: the shortest call.
func (v visitor) devices() (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, v.base+handpoint.BasePath+"/devices", nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("ApiKeyCloud", handpoint.SandboxKey)
	// On a used connection net/http would ask again by itself.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header.Get("Content-Type") + " " + res.Header.Get("Retry-After") + " " + string(body), err
}

func TestTheAddressLeadsToThePages(t *testing.T) {
	v := visit(t)
	res, doc := v.open("/")
	if res.Request.URL.Path != "/_sandbox/" || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %d", res.Request.URL, res.StatusCode)
	}
	links := doc.Find("main h2 a")
	if links.Length() < 4 {
		t.Fatalf("%d emulators", links.Length())
	}
	links.Each(func(_ int, s *goquery.Selection) {
		res, doc := v.open(s.AttrOr("href", ""))
		if res.StatusCode != http.StatusOK || strings.TrimSpace(doc.Find("h1").Text()) != s.Text() || doc.Find(`nav [aria-current="page"]`).Text() != s.Text() {
			t.Errorf("%s: %d", s.Text(), res.StatusCode)
		}
	})
	for _, name := range []string{handpoint.Name, cardflo.Name, cloudflow.Name, cloudpayments.Name} {
		if doc.Find(`main a[href="/_sandbox/`+name+`/"]`).Length() != 1 {
			t.Errorf("%s is not there", name)
		}
	}
	if res, _ := v.open("/_sandbox/nobody/"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an emulator that is none: %d", res.StatusCode)
	}
}

func TestPagesHoldNothingThatThePolicyForbids(t *testing.T) {
	v := visit(t)
	handler := regexp.MustCompile(`(?i)\son[a-z]+\s*=|javascript:|\sstyle\s*=|<script|<style`)
	for _, path := range []string{"/_sandbox/", "/_sandbox/handpoint/", "/_sandbox/cloudpayments/", "/_sandbox/cardflo/?did=reset", "/_sandbox/cardflo/?did=action_chargeback"} {
		res, err := http.Get(v.base + path)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if found := handler.FindString(string(raw)); found != "" {
			t.Errorf("%s: %q", path, found)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8",
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s: %s", path, name, got)
			}
		}
	}
	_, doc := v.open("/_sandbox/")
	res, err := http.Get(v.base + doc.Find("link[rel=stylesheet]").AttrOr("href", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("the style: %d %v", res.StatusCode, res.Header)
	}
	css, err := io.ReadAll(res.Body)
	if err != nil || regexp.MustCompile(`url\(|@import`).Match(css) {
		t.Errorf("the style loads something: %v", err)
	}
}

func TestControlsAreLabelledAndDescribed(t *testing.T) {
	v := visit(t)
	cardfloSale(t, v.base, "one")
	for _, provider := range []string{"cardflo", "handpoint", "cloudflow", "cloudpayments"} {
		t.Run(provider, func(t *testing.T) { labelled(t, v, provider) })
	}
}

func labelled(t *testing.T, v visitor, provider string) {
	_, doc := v.open("/_sandbox/" + provider + "/")
	if doc.Find("html").AttrOr("lang", "") != "en" || doc.Find("h1").Length() != 1 || doc.Find("main#main").Length() != 1 || doc.Find("a.skip").AttrOr("href", "") != "#main" {
		t.Error("the page has no skeleton")
	}
	ids := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		if id := s.AttrOr("id", ""); ids[id] {
			t.Errorf("the id %s is there twice", id)
		} else {
			ids[id] = true
		}
	})
	doc.Find("[aria-describedby], [aria-labelledby]").Each(func(_ int, s *goquery.Selection) {
		for _, name := range []string{"aria-describedby", "aria-labelledby"} {
			if id, ok := s.Attr(name); ok && !ids[id] {
				t.Errorf("%s names %s, which is not there", name, id)
			}
		}
	})
	doc.Find("input:not([type=hidden]), select").Each(func(_ int, s *goquery.Selection) {
		if label := s.Closest("label"); label.Length() != 1 || strings.TrimSpace(label.Contents().First().Text()) == "" {
			t.Errorf("%s has no label", s.AttrOr("name", ""))
		}
	})
	doc.Find(".menu button, .doings button").Each(func(_ int, s *goquery.Selection) {
		says := doc.Find("#" + s.AttrOr("aria-describedby", "none")).Text()
		if len(says) < 15 || strings.ContainsAny(says, "!") || strings.Contains(strings.ToLower(says), "please") {
			t.Errorf("%s: %q", s.Text(), says)
		}
	})
	doc.Find("form").Each(func(_ int, s *goquery.Selection) {
		if s.AttrOr("method", "") != "post" || s.Find("button").Length() == 0 {
			t.Errorf("%s is no form that can be sent", s.AttrOr("action", ""))
		}
	})
}

// TestAClickOnEachFaultChangesTheFateOfTheNextRequest holds the whole menu: a
// button that is not in the table fails.
func TestAClickOnEachFaultChangesTheFateOfTheNextRequest(t *testing.T) {
	const held = -1
	fates := map[string]struct {
		kind      string
		status    int // 0: the line is cut; held: it waits for the release
		has       string
		processed bool
	}{
		"Cut the line before":          {kit.FaultDropBefore, 0, "", false},
		"Cut the line after":           {kit.FaultDropAfter, 0, "", true},
		"Hold the request":             {kit.FaultDelay, held, "serial_number", true},
		"Hold the answer":              {kit.FaultDelayReply, held, "serial_number", true},
		"Be ten seconds late":          {kit.FaultDelayReply, held, "serial_number", true},
		"Answer half a sentence":       {kit.FaultGarbage, 200, `{"success": tru`, true},
		"Answer a web page":            {kit.FaultWrongContentType, 200, "text/html", true},
		"Answer far too much":          {kit.FaultOversize, 200, "padding", true},
		"Fail after charging (500)":    {kit.FaultStatusAfter, 500, "Internal Server Error", true},
		"Fail before charging (500)":   {kit.FaultStatus, 500, "Internal Server Error", false},
		"Be closed (503)":              {kit.FaultStatus, 503, " 30 ", false},
		"Ask to slow down (429)":       {kit.FaultStatus, 429, " 30 ", false},
		"Refuse the credentials (401)": {kit.FaultStatus, 401, "Unauthorized", false},
		"Forbid it (403)":              {kit.FaultStatus, 403, "Forbidden", false},
	}
	_, doc := visit(t).open("/_sandbox/handpoint/")
	kinds := map[string]bool{}
	doc.Find(`form[action$="/fault"] button`).Each(func(_ int, s *goquery.Selection) {
		words := strings.TrimSpace(s.Text())
		fate, ok := fates[words]
		if !ok {
			t.Errorf("nothing is known of %q", words)
			return
		}
		kinds[fate.kind] = true
		t.Run(words, func(t *testing.T) {
			v := visit(t)
			page := v.click("handpoint", words, nil)
			if got := page.Find("main .stub li").Text(); got != words {
				t.Errorf("the page says that %q waits", got)
			}
			type answer struct {
				status int
				text   string
				err    error
			}
			answers := make(chan answer, 1)
			go func() {
				status, text, err := v.devices()
				answers <- answer{status, text, err}
			}()
			if fate.status == held {
				for v.box.Handpoint.Kit().Faults.Held() == 0 {
					if len(answers) > 0 {
						t.Fatalf("it was not held: %+v", <-answers)
					}
					runtime.Gosched()
				}
				if _, doc := v.open("/_sandbox/handpoint/"); !strings.Contains(doc.Find(".stub form p").Text(), "One request is held") {
					t.Errorf("the page says %q", doc.Find(".stub form p").Text())
				}
				v.click("handpoint", "Release what is held", nil)
			}
			got := <-answers
			switch {
			case fate.status == 0:
				if got.err == nil {
					t.Errorf("the line was not cut: %d %s", got.status, got.text)
				}
			case fate.status == held:
				if got.err != nil || got.status != 200 || !strings.Contains(got.text, fate.has) {
					t.Errorf("%+v", got)
				}
			default:
				if got.err != nil || got.status != fate.status || !strings.Contains(got.text, fate.has) {
					t.Errorf("%d %.200s %v", got.status, got.text, got.err)
				}
			}
			_, after := v.open("/_sandbox/handpoint/")
			entry := after.Find("details").First()
			if !strings.Contains(entry.Find("summary").Text(), "fault: "+strings.ReplaceAll(fate.kind, "_", " ")) ||
				strings.Contains(entry.Find("summary").Text(), "not carried out") == fate.processed {
				t.Errorf("the journal says %q", entry.Find("summary").Text())
			}
			if after.Find(".stub li").Length() != 0 {
				t.Error("it still waits")
			}
			if status, _, err := v.devices(); err != nil || status != 200 {
				t.Errorf("the one after it: %d %v", status, err)
			}
		})
	})
	for _, kind := range []string{
		kit.FaultDelay, kit.FaultDelayReply, kit.FaultDropBefore, kit.FaultDropAfter, kit.FaultStatus, kit.FaultStatusAfter, kit.FaultGarbage, kit.FaultWrongContentType, kit.FaultOversize,
	} {
		if !kinds[kind] {
			t.Errorf("the menu has no %s", kind)
		}
	}
}

func TestAFaultIsLimitedAsTheFormSays(t *testing.T) {
	v := visit(t)
	page := v.click("handpoint", "Forbid it (403)", url.Values{"times": {"2"}, "method": {"POST"}, "path": {"/moto/"}})
	if got := page.Find(".stub li").Text(); got != "Forbid it (403), 2 times, only POST, where the path contains /moto/" {
		t.Error(got)
	}
	if status, _, err := v.devices(); err != nil || status != 200 {
		t.Errorf("another request: %d %v", status, err)
	}
	for range 2 {
		if got := handpointSale(t, v.base); got["error"] == nil {
			t.Errorf("%v", got)
		}
	}
	if got := handpointSale(t, v.base); got["issuerResponseCode"] != "00" {
		t.Errorf("%v", got)
	}
}

func TestAClickOnEachOutcomeDecidesTheNextOperation(t *testing.T) {
	_, doc := visit(t).open("/_sandbox/cardflo/")
	wants := map[string]string{
		"Approve it": "SUCCESS", "Decline it": "ERROR", "Leave it open, then approve": "PENDING", "Leave it open, then decline": "PENDING", "Refuse the request": "",
	}
	seen := 0
	doc.Find(`form[action$="/outcome"] button`).Each(func(_ int, s *goquery.Selection) {
		words := strings.TrimSpace(s.Text())
		want, ok := wants[words]
		if !ok {
			t.Errorf("nothing is known of %q", words)
			return
		}
		seen++
		v := visit(t)
		v.click("cardflo", words, url.Values{"code": {"1002"}})
		cardfloSale(t, v.base, "one")
		state := v.box.Cardflo.State()
		if want == "" {
			if len(state.Charges) != 0 {
				t.Errorf("%s: %+v", words, state.Charges)
			}
			return
		}
		if len(state.Charges) != 1 || !strings.HasPrefix(state.Charges[0].Status, want) {
			t.Errorf("%s: %+v", words, state.Charges)
			return
		}
		_, page := v.open("/_sandbox/cardflo/")
		row := page.Find("#ledger").Parent().Find("tbody tr").First().Text()
		if !strings.Contains(row, "one") || !strings.Contains(row, "9.99 EUR") {
			t.Errorf("%s: the ledger says %q", words, row)
		}
		if want == "PENDING" {
			v.click("cardflo", "1 minute", nil)
			if c := v.box.Cardflo.State().Charges[0]; c.Approved != strings.Contains(words, "approve") || strings.HasPrefix(c.Status, "PENDING") {
				t.Errorf("%s, a minute later: %+v", words, c)
			}
		}
	})
	if seen != len(wants) {
		t.Errorf("%d of %d outcomes are there", seen, len(wants))
	}
}

func TestTheClockIsMovedAndPutBack(t *testing.T) {
	v := visit(t)
	clock := v.box.Cardflo.Kit().Clock
	var sum time.Duration
	for words, by := range map[string]time.Duration{"1 minute": time.Minute, "90 seconds": 90 * time.Second, "1 hour": time.Hour, "1 day": 24 * time.Hour} {
		v.click("cardflo", words, nil)
		if sum += by; clock.Ahead() != sum {
			t.Errorf("%s: %s ahead", words, clock.Ahead())
		}
	}
	cardfloSale(t, v.base, "one")
	page := v.click("cardflo", "Reset Cardflo", nil)
	if clock.Ahead() != 0 || len(v.box.Cardflo.State().Charges) != 0 || page.Find("details, tbody tr").Length() != 0 {
		t.Errorf("%s ahead, %d charges", clock.Ahead(), len(v.box.Cardflo.State().Charges))
	}
	if v.box.Handpoint.Kit().Clock.Ahead() != 0 {
		t.Error("another emulator's clock moved")
	}
}

func TestCallbacksAreSwitchedAndTheirDeliveriesShown(t *testing.T) {
	v := visit(t)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no") }))
	t.Cleanup(shop.Close)
	v.click("cardflo", "Turn callbacks on", nil)
	callbacks := v.box.Cardflo.Kit().Callbacks
	if !callbacks.Enabled() {
		t.Fatal("they are off")
	}
	callbacks.Send(kit.Callback{
		URL: shop.URL + "/hook", Build: func(time.Time) (http.Header, []byte) { return http.Header{}, []byte("x") },
		Accepted: func(_ int, body []byte) bool { return string(body) == "OK" },
	})
	callbacks.Wait()
	_, page := v.open("/_sandbox/cardflo/")
	if row := page.Find("#callbacks").Parent().Find("tbody tr").Text(); !strings.Contains(row, shop.URL+"/hook") || !strings.Contains(row, "not taken (200)") {
		t.Errorf("%q", row)
	}
	v.click("cardflo", "Turn callbacks off", nil)
	if callbacks.Enabled() {
		t.Error("they are on")
	}
}

func TestAFormOfAForeignPageIsRefused(t *testing.T) {
	v := visit(t)
	form := url.Values{"choose": {"drop_after"}}
	for name, header := range map[string][]string{
		"cross-site":        {"Sec-Fetch-Site", "cross-site"},
		"same-site":         {"Sec-Fetch-Site", "same-site"},
		"an old browser":    {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"another port":      {"Sec-Fetch-Site", "", "Origin", "http://127.0.0.1:1"},
		"an origin of null": {"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		for _, action := range []string{"fault", "outcome", "clock", "callbacks", "release", "reset", "act"} {
			res, _ := v.post("/_sandbox/handpoint/page/"+action, form, header...)
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %d", name, action, res.StatusCode)
			}
		}
	}
	if n := len(v.box.Handpoint.Kit().Faults.Queued()); n != 0 {
		t.Errorf("%d faults were queued", n)
	}
	// And a question changes nothing.
	for _, action := range []string{"fault", "outcome", "clock", "callbacks", "release", "reset", "act"} {
		if res, _ := v.open("/_sandbox/handpoint/page/" + action + "?choose=drop_after"); res.StatusCode == http.StatusOK {
			t.Errorf("GET %s: %d", action, res.StatusCode)
		}
	}
	if n := len(v.box.Handpoint.Kit().Faults.Queued()); n != 0 {
		t.Errorf("%d faults were queued", n)
	}
}

func TestAFormThatThePageDoesNotHaveChangesNothing(t *testing.T) {
	v := visit(t)
	for _, tt := range []struct {
		action string
		form   url.Values
		status int
	}{
		{"fault", url.Values{"choose": {"no-such"}}, 404},
		{"fault", url.Values{}, 404},
		{"fault", url.Values{"choose": {"drop_after"}, "times": {"0"}}, 422},
		{"fault", url.Values{"choose": {"drop_after"}, "times": {"101"}}, 422},
		{"fault", url.Values{"choose": {"drop_after"}, "times": {"x"}}, 422},
		{"fault", url.Values{"choose": {"drop_after"}, "method": {"TRACE"}}, 422},
		{"outcome", url.Values{"choose": {"no-such"}}, 404},
		{"outcome", url.Values{"choose": {"reject"}}, 422},
		{"outcome", url.Values{"choose": {"approve"}, "times": {"-1"}}, 422},
		{"clock", url.Values{"choose": {"-1h"}}, 404},
		{"callbacks", url.Values{"choose": {"maybe"}}, 404},
		{"anything", url.Values{}, 404},
		{"fault", url.Values{"choose": {"drop_after"}, "path": {strings.Repeat("x", 9000)}}, 400},
	} {
		res, doc := v.post("/_sandbox/handpoint/page/"+tt.action, tt.form)
		if res.StatusCode != tt.status || doc.Find("[role=alert]").Length() != 1 || doc.Find("[role=status]").Length() != 0 {
			t.Errorf("%s %.60v: %d", tt.action, tt.form, res.StatusCode)
		}
	}
	k := v.box.Handpoint.Kit()
	if len(k.Faults.Queued())+len(k.Outcomes.Queued()) != 0 || k.Clock.Ahead() != 0 || k.Callbacks.Enabled() {
		t.Error("something changed")
	}
	if _, doc := v.open("/_sandbox/handpoint/?did=%3Cb%3Enot-ours"); doc.Find("[role=status]").Length() != 0 {
		t.Error("the address put words on the page")
	}
}

func TestWhatOthersSendIsShownAsText(t *testing.T) {
	v := visit(t)
	const planted = `<script>alert(1)</script><img src=x onerror=alert(1)>`
	send(t, v.base+cardflo.BasePath+"/transaction/"+url.PathEscape(planted)+"/debit?x="+url.QueryEscape(planted), `{"merchantTransactionId":"`+planted+`"}`,
		map[string]string{"X-Planted": planted, "Authorization": "Basic c2VjcmV0LXVzZXI6c2VjcmV0"})
	v.click("cardflo", "Forbid it (403)", url.Values{"path": {planted}})
	_, doc := v.open("/_sandbox/cardflo/")
	if doc.Find("script, img, [onerror]").Length() != 0 {
		t.Error("it became markup")
	}
	text := doc.Find("main").Text()
	if strings.Count(text, planted) < 3 {
		t.Errorf("it is not shown: %s", text)
	}
	if strings.Contains(text, "c2VjcmV0") || !strings.Contains(text, "Authorization: [redacted]") {
		t.Error("the journal shows a credential")
	}
}

func TestAmountsAreShownWithTheirCurrencysDecimals(t *testing.T) {
	s := &ledger{Server: handpoint.New(handpoint.Config{}, nil)}
	for i, c := range []struct {
		minor    int64
		currency string
		want     string
	}{{999, "EUR", "9.99 EUR"}, {5, "GBP", "0.05 GBP"}, {1500, "JPY", "1500 JPY"}, {14200, "KWD", "14.200 KWD"}, {7, "BHD", "0.007 BHD"}, {0, "EUR", "0.00 EUR"}, {-250, "EUR", "−2.50 EUR"}} {
		s.charges = append(s.charges, kit.Charge{Reference: strconv.Itoa(i), AmountMinor: c.minor, Currency: c.currency, Card: c.want})
	}
	for i := range 300 {
		s.charges = append([]kit.Charge{{Reference: fmt.Sprint("old-", i)}}, s.charges...)
	}
	srv := httptest.NewServer(sandbox.Pages(map[string]kit.Emulator{"ledger": s}))
	t.Cleanup(srv.Close)
	v := visitor{t, nil, srv.URL, http.DefaultClient}
	_, doc := v.open("/_sandbox/ledger/")
	if doc.Find("h1").Text() != "ledger" {
		t.Error("an emulator without a name of its own")
	}
	rows := doc.Find("#ledger").Parent().Find("tbody tr")
	if rows.Length() != 50 || !strings.Contains(doc.Find("main").Text(), "Lines 1 to 50 of 307, the newest first.") {
		t.Errorf("%d rows", rows.Length())
	}
	seen := 0
	rows.Each(func(i int, s *goquery.Selection) {
		if want := s.Find("td").Eq(4).Text(); want != "" {
			seen++
			if got := s.Find("td.number").Text(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
	if seen != 7 || rows.First().Find("code").Text() != "6" {
		t.Errorf("%d amounts, first %s", seen, rows.First().Find("code").Text())
	}
}

// ledger is an emulator that holds whatever a test wants.
type ledger struct {
	*handpoint.Server
	charges []kit.Charge
}

func (l *ledger) State() kit.State { return kit.NewState(l.charges) }

func TestFaultsOfTheControlAPIAreShownInWords(t *testing.T) {
	v := visit(t)
	control := kit.Control{BaseURL: v.base, Provider: "handpoint"}
	for _, f := range []kit.Fault{
		{Kind: kit.FaultStatus, Status: 418}, {Kind: kit.FaultStatusAfter, Status: 502, Count: 3}, {Kind: kit.FaultDelay, DelayMS: 1500}, {Kind: kit.FaultGarbage, Body: "?"}, {Kind: kit.FaultOversize, Size: 5},
	} {
		if err := control.Fault(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []kit.Outcome{{Result: kit.Decline, Code: "51"}, {Result: kit.InProgress, Then: kit.Decline, AfterSeconds: 90, Path: "/moto/"}} {
		if err := control.Outcome(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	_, doc := v.open("/_sandbox/handpoint/")
	var got []string
	doc.Find(".stub li").Each(func(_ int, s *goquery.Selection) { got = append(got, s.Text()) })
	want := []string{
		"Answer without carrying it out, with status 418", "Carry it out, then answer with status 502, 3 times", "Hold the request for 1.5s", "Garbage", "Answer far too much",
		"Decline with code 51", "Leave it open for 1m30s, then decline, where the path contains /moto/",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
}
