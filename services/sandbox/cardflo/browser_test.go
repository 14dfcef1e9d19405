package cardflo_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

// browser starts the system's Chromium. Where it or the npm packages are
// missing the test is skipped and says which; in CI it fails.
func browser(t *testing.T) (playwright.Browser, string) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join(root, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		missing(t, "axe-core is not installed (npm ci)")
	}
	driver := filepath.Join(root, "node_modules/playwright-core")
	if _, err := os.Stat(driver); err != nil {
		missing(t, "playwright-core is not installed (npm ci)")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node, which drives the browser, is not installed")
	}
	chromium := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		missing(t, "Chromium is not installed")
	}
	folder := t.TempDir()
	if err := os.Symlink(driver, filepath.Join(folder, "package")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PLAYWRIGHT_NODEJS_PATH", node)
	pw, err := playwright.Run(&playwright.RunOptions{DriverDirectory: folder, SkipInstallBrowsers: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pw.Stop() })
	b, err := pw.Chromium.Launch(playwright.BrowserTypeLaunchOptions{
		ExecutablePath: playwright.String(chromium),
		Args:           []string{"--no-sandbox", "--disable-gpu", "--disable-background-networking"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b, string(axe)
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type evaluator interface {
	Evaluate(expression string, arg ...any) (any, error)
}

// axeClean runs axe in a page or frame and reports each violation.
func axeClean(t *testing.T, where string, in evaluator, axe string) {
	t.Helper()
	must[any](t)(in.Evaluate(axe + ";0"))
	found := must[any](t)(in.Evaluate(`axe.run(document, {iframes: false}).then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ")).join(", ")))`))
	for _, violation := range found.([]any) {
		t.Errorf("%s: axe: %v", where, violation)
	}
}

func screenshot(t *testing.T, page playwright.Page, name string) {
	t.Helper()
	must[[]byte](t)(page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(filepath.Join(t.ArtifactDir(), name+".png"))}))
}

// scenes are the looks that each page is checked in.
var scenes = []struct {
	name   string
	scheme *playwright.ColorScheme
	width  int
}{
	{"light-320", playwright.ColorSchemeLight, 320},
	{"dark-320", playwright.ColorSchemeDark, 320},
	{"light-1280", playwright.ColorSchemeLight, 1280},
}

// TestPagesInABrowser drives the emulator's own pages with one Chromium.
func TestPagesInABrowser(t *testing.T) {
	b, axe := browser(t)
	t.Run("the hosted page takes a card, says what is wrong and is accessible", func(t *testing.T) { testHostedPage(t, b, axe) })
	t.Run("the hosted page works without JavaScript", func(t *testing.T) { testHostedPageWithoutJavaScript(t, b) })
	t.Run("the cardholder check and the page that stores a card are accessible", func(t *testing.T) { testOtherPages(t, b, axe) })
	t.Run("the token frame tells its page a token and nothing else", func(t *testing.T) { testTokenFrame(t, b, axe) })
	t.Run("the token frame ignores other windows and is not shown to other origins", func(t *testing.T) { testTokenFrameRefusals(t, b) })
}

func testHostedPage(t *testing.T, b playwright.Browser, axe string) {
	f := newFixture(t, cardflo.Config{})
	for _, scene := range scenes {
		page := must[playwright.Page](t)(b.NewPage(playwright.BrowserNewPageOptions{
			ColorScheme: scene.scheme, Viewport: &playwright.Size{Width: scene.width, Height: 640}}))
		page.OnConsole(func(m playwright.ConsoleMessage) {
			if strings.Contains(m.Text(), "Content Security Policy") {
				t.Errorf("%s: %s", scene.name, m.Text())
			}
		})
		must[playwright.Response](t)(page.Goto(f.redirect(t, "b-"+scene.name, "")))
		axeClean(t, scene.name+" form", page, axe)
		screenshot(t, page, "pay-"+scene.name)

		check(t, page.GetByLabel("Card number").Fill("4111 1111 1111 1112"))
		check(t, page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Pay GBP 12.50"}).Click())
		check(t, page.GetByText("Check the card number.").WaitFor())
		axeClean(t, scene.name+" errors", page, axe)
		screenshot(t, page, "pay-errors-"+scene.name)
		if wide := must[any](t)(page.Evaluate(`document.documentElement.scrollWidth > innerWidth`)); wide == true {
			t.Errorf("%s: the page is wider than its window", scene.name)
		}

		check(t, page.GetByLabel("Card number").Fill(cardflo.CardApprove))
		check(t, page.GetByLabel("Expiry (MM/YY)").Fill("12/30"))
		check(t, page.GetByLabel("Security code").Fill("123"))
		check(t, page.Keyboard().Press("Enter"))
		check(t, page.GetByRole("heading", playwright.PageGetByRoleOptions{Name: "Payment approved"}).WaitFor())
		axeClean(t, scene.name+" end", page, axe)
		check(t, page.Close())
		want(t, f.do(t, status("/getByMerchantTransactionId/b-"+scene.name)), map[string]any{"transactionStatus": "SUCCESS"})
	}
}

func testHostedPageWithoutJavaScript(t *testing.T, b playwright.Browser) {
	f := newFixture(t, cardflo.Config{})
	page := must[playwright.Page](t)(b.NewPage(playwright.BrowserNewPageOptions{JavaScriptEnabled: playwright.Bool(false)}))
	must[playwright.Response](t)(page.Goto(f.redirect(t, "nojs", "")))
	check(t, page.GetByLabel("Card number").Fill(cardflo.CardDecline))
	check(t, page.GetByLabel("Expiry (MM/YY)").Fill("12/30"))
	check(t, page.GetByLabel("Security code").Fill("123"))
	check(t, page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Pay GBP 12.50"}).Click())
	check(t, page.GetByRole("heading", playwright.PageGetByRoleOptions{Name: "Payment declined"}).WaitFor())
	want(t, f.do(t, status("/getByMerchantTransactionId/nojs")), map[string]any{"transactionStatus": "ERROR"})
}

func testOtherPages(t *testing.T, b playwright.Browser, axe string) {
	f := newFixture(t, cardflo.Config{})
	for _, scene := range scenes {
		page := must[playwright.Page](t)(b.NewPage(playwright.BrowserNewPageOptions{
			ColorScheme: scene.scheme, Viewport: &playwright.Size{Width: scene.width, Height: 640}}))
		open := func(op, body string) {
			t.Helper()
			link, _ := f.do(t, transact(op, body)).json["redirectUrl"].(string)
			must[playwright.Response](t)(page.Goto(link))
			axeClean(t, scene.name+" "+op, page, axe)
			if wide := must[any](t)(page.Evaluate(`document.documentElement.scrollWidth > innerWidth`)); wide == true {
				t.Errorf("%s %s: the page is wider than its window", scene.name, op)
			}
		}
		open("register", `{"merchantTransactionId":"store-`+scene.name+`"}`)
		screenshot(t, page, "store-"+scene.name)
		open("debit", sale("check-"+scene.name, "5.00", "EUR", cardflo.Token3DS))
		screenshot(t, page, "check-"+scene.name)
		check(t, page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Confirm"}).Click())
		check(t, page.GetByRole("heading", playwright.PageGetByRoleOptions{Name: "Payment approved"}).WaitFor())
		check(t, page.Close())
		want(t, f.do(t, status("/getByMerchantTransactionId/check-"+scene.name)), map[string]any{"transactionStatus": "SUCCESS"})
	}
}

// merchantPage is a page of another origin that holds the frame and keeps the
// messages it gets.
const merchantPage = `<!doctype html><html lang="en"><title>Merchant</title>
<body style="margin:0"><iframe id="f" title="Card details" src="%s" style="width:320px;height:11rem;border:0"></iframe>
<script>
window.messages = [];
addEventListener("message", e => messages.push({origin: e.origin, data: e.data}));
</script></body></html>`

func merchant(t *testing.T, f fixture, key, frameOrigin string) string {
	t.Helper()
	var self string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		origin := frameOrigin
		if origin == "" {
			origin = self
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, merchantPage, f.root+"/cardflo/frame/"+key+"?origin="+url.QueryEscape(origin))
	}))
	t.Cleanup(srv.Close)
	self = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	return self
}

func testTokenFrame(t *testing.T, b playwright.Browser, axe string) {
	f := newFixture(t, cardflo.Config{})
	origin := merchant(t, f, cardflo.SandboxKey, "")
	for _, scene := range scenes[:2] {
		page := must[playwright.Page](t)(b.NewPage(playwright.BrowserNewPageOptions{
			ColorScheme: scene.scheme, Viewport: &playwright.Size{Width: scene.width, Height: 240}}))
		page.OnConsole(func(m playwright.ConsoleMessage) {
			if strings.Contains(m.Text(), "Content Security Policy") {
				t.Errorf("%s: %s", scene.name, m.Text())
			}
		})
		must[playwright.Response](t)(page.Goto(origin))
		message := func(i int) map[string]any {
			t.Helper()
			must[playwright.JSHandle](t)(page.WaitForFunction(fmt.Sprintf("messages.length > %d", i), nil))
			got := must[any](t)(page.Evaluate(fmt.Sprintf("messages[%d]", i))).(map[string]any)
			if got["origin"] != f.root {
				t.Errorf("message %d comes from %v", i, got["origin"])
			}
			return got["data"].(map[string]any)
		}
		if got := message(0); got["type"] != "cardflo.ready" {
			t.Errorf("first message: %v", got)
		}
		frame := page.Frames()[1]
		fits := func(when string) {
			t.Helper()
			if over := must[any](t)(frame.Evaluate(`document.documentElement.scrollHeight - innerHeight`)); fmt.Sprint(over) != "0" {
				t.Errorf("%s: the frame overflows by %v px %s", scene.name, over, when)
			}
		}
		axeClean(t, scene.name+" frame", frame, axe)
		fits("at rest")
		screenshot(t, page, "frame-"+scene.name)

		check(t, frame.GetByLabel("Card number").Fill("4111 1111 1111 1112"))
		must[any](t)(page.Evaluate(`f.contentWindow.postMessage({type: "cardflo.tokenize", id: "one"}, "*")`))
		if got := message(1); got["type"] != "cardflo.error" || got["id"] != "one" || got["message"] != "Check the card number." {
			t.Errorf("wrong card: %v", got)
		}
		if got := must[any](t)(frame.Evaluate(`document.activeElement.id`)); got != "card-number" {
			t.Errorf("the focus is on %v", got)
		}
		axeClean(t, scene.name+" frame with an error", frame, axe)
		fits("with an error")
		screenshot(t, page, "frame-error-"+scene.name)

		check(t, frame.GetByLabel("Card number").Fill("4111 1111 1111 1111"))
		check(t, frame.GetByLabel("Expiry (MM/YY)").Fill("12/30"))
		check(t, frame.GetByLabel("Security code").Fill("987"))
		// A message that is none of the frame's is passed over, so the token
		// is the next thing heard.
		must[any](t)(page.Evaluate(`["x", null, {type: "cardflo.tokenize"}, {type: "other", id: "x"}].forEach(m => f.contentWindow.postMessage(m, "*"))`))
		must[any](t)(page.Evaluate(`f.contentWindow.postMessage({type: "cardflo.tokenize", id: "two"}, "*")`))
		got := message(2)
		token, _ := got["token"].(string)
		delete(got, "token")
		if text := fmt.Sprint(got); text != "map[brand:VISA expiry:12/30 id:two last4:1111 type:cardflo.token]" || !strings.HasPrefix(token, "ix::") {
			t.Errorf("token message: %v %s", text, token)
		}
		check(t, page.Close())
		want(t, f.do(t, debit(sale("f-"+scene.name, "5.00", "EUR", token))), map[string]any{"returnType": "FINISHED"})
	}
}

func testTokenFrameRefusals(t *testing.T, b playwright.Browser) {
	f := newFixture(t, cardflo.Config{})

	page := must[playwright.Page](t)(b.NewPage())
	must[playwright.Response](t)(page.Goto(merchant(t, f, cardflo.SandboxKey, "http://shop.example")))
	if shown := must[any](t)(page.Evaluate(`messages.length`)); fmt.Sprint(shown) != "0" {
		t.Error("a frame opened for another origin speaks")
	}
	if n := must[int](t)(page.Frames()[1].Locator("#card-number").Count()); n != 0 {
		t.Error("a frame opened for another origin is shown")
	}

	// A frame beside the token frame has the right origin and is not the parent.
	origin := merchant(t, f, cardflo.SandboxKey, "")
	other := must[playwright.Page](t)(b.NewPage())
	must[playwright.Response](t)(other.Goto(origin))
	must[playwright.JSHandle](t)(other.WaitForFunction("messages.length > 0", nil))
	must[any](t)(other.Evaluate(`new Promise(done => {
		const g = document.createElement("iframe");
		g.srcdoc = "<script>parent.frames[0].postMessage({type: 'cardflo.tokenize', id: 'thief'}, '*'); parent.sent = true<\/script>";
		g.onload = () => done(window.sent);
		document.body.append(g);
	})`))
	// Two whole round trips of the page's own follow the neighbour's message, so
	// an answer to it would have arrived.
	for i, id := range []string{"page", "again"} {
		must[any](t)(other.Evaluate(fmt.Sprintf(`f.contentWindow.postMessage({type: "cardflo.tokenize", id: %q}, "*")`, id)))
		must[playwright.JSHandle](t)(other.WaitForFunction(fmt.Sprintf(`messages.filter(m => m.data.id !== "thief").length > %d`, i+1), nil))
	}
	if got := must[any](t)(other.Evaluate(`messages.map(m => m.data.id || "").join()`)); got != ",page,again" {
		t.Errorf("it answered %v", got)
	}
}

// missing skips the test with its reason, or fails it where a browser is a
// must.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("COUNTERFOIL_TEST_NEED_BROWSER") != "" {
		t.Fatal(what)
	}
	t.Skip("skipped: " + what)
}
