package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// visitor is one person at one browser. It watches what the browser says while the test does its work, and the test
// fails at its end when something was said that should not be.
type visitor struct {
	t    *testing.T
	site *product
	ctx  playwright.BrowserContext
	page playwright.Page
	noJS bool

	mu       sync.Mutex
	statuses []string          // status codes that the test brings about on purpose
	odd      []string          // what was said
	methods  map[string]string // by path, how the browser last went there
	seen     int               // pictures so far
}

type options struct {
	as            string // e-mail of somebody who is signed in already, "" for nobody
	width, height int
	dark          bool
	noJS          bool
}

// visit opens a browser window of its own.
func visit(t *testing.T, site *product, o options) *visitor {
	t.Helper()
	if o.width == 0 {
		o.width, o.height = 1280, 900
	}
	scheme := playwright.ColorSchemeLight
	if o.dark {
		scheme = playwright.ColorSchemeDark
	}
	settings := playwright.BrowserNewContextOptions{
		BaseURL: playwright.String(site.url), Viewport: &playwright.Size{Width: o.width, Height: o.height}, ColorScheme: scheme,
		ReducedMotion: playwright.ReducedMotionReduce, Locale: playwright.String("en-GB"), JavaScriptEnabled: playwright.Bool(!o.noJS),
	}
	if o.as != "" {
		settings.StorageState = signedIn(t, site, o.as)
	}
	ctx, err := browser.NewContext(settings)
	must(t, err)
	v := &visitor{t: t, site: site, ctx: ctx, noJS: o.noJS, methods: map[string]string{}}
	t.Cleanup(func() {
		if t.Failed() && v.page != nil && !v.page.IsClosed() {
			v.picture("failed")
		}
		_ = ctx.Close()
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, o := range v.odd {
			t.Error(o)
		}
	})
	ctx.SetDefaultTimeout(float64(patience.Milliseconds()))
	must(t, ctx.AddInitScript(playwright.Script{Content: playwright.String(
		`addEventListener("securitypolicyviolation", (e) => console.error("policy violated: " + [e.effectiveDirective, e.blockedURI, e.sourceFile, e.lineNumber, e.columnNumber, e.sample].join(" ") + " on " + location.href));`)}))
	ctx.OnConsole(v.heard)
	ctx.OnWebError(func(e playwright.WebError) { v.note("uncaught: " + e.Error().Error()) })
	ctx.OnRequest(v.asked)
	v.page, err = ctx.NewPage()
	must(t, err)
	return v
}

func (v *visitor) note(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.odd = append(v.odd, what)
}

// brings says that the test brings about answers with these status codes, which the browser writes down as errors.
func (v *visitor) brings(statuses ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.statuses = append(v.statuses, statuses...)
}

var statusLine = regexp.MustCompile(`^Failed to load resource: the server responded with a status of (\d+)`)

func (v *visitor) heard(m playwright.ConsoleMessage) {
	if m.Type() != "error" {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := statusLine.FindStringSubmatch(m.Text()); s != nil && slices.Contains(v.statuses, s[1]) {
		return
	}
	v.odd = append(v.odd, "the console says: "+m.Text())
}

// cardPages are the only pages from which a browser may ask the provider; the sale form that was sent back is one more.
var cardPages = regexp.MustCompile(`^/payments/(new|[0-9a-f-]{36})$`)

// asked checks where a request goes. The page's address is the one that the browser had when it asked.
func (v *visitor) asked(r playwright.Request) {
	to, err := url.Parse(r.URL())
	if err != nil {
		v.note("a request to an address that cannot be read: " + r.URL())
		return
	}
	origin := to.Scheme + "://" + to.Host
	if origin == v.site.url && r.IsNavigationRequest() {
		v.mu.Lock()
		v.methods[to.Path] = r.Method()
		v.mu.Unlock()
	}
	if origin == v.site.url || to.Scheme == "data" || to.Scheme == "blob" {
		return
	}
	for _, p := range v.ctx.Pages() {
		at, err := url.Parse(p.URL())
		if origin != v.site.sandbox || err != nil {
			continue
		}
		v.mu.Lock()
		returned := at.Path == "/payments" && v.methods[at.Path] == "POST"
		v.mu.Unlock()
		// A tab that the card page opened begins at about:blank.
		if at.Scheme+"://"+at.Host == v.site.sandbox || at.Scheme+"://"+at.Host == v.site.url && (returned || cardPages.MatchString(at.Path)) {
			return
		}
	}
	v.note("a request to a stranger: " + r.Method() + " " + origin + to.Path)
}

// ---- Who is signed in. A code of the second factor is good once, so everybody signs in once and the cookie is shared.

var (
	statesMu sync.Mutex
	states   = map[string]func() (*playwright.OptionalStorageState, error){}
)

func signedIn(t *testing.T, site *product, email string) *playwright.OptionalStorageState {
	t.Helper()
	key := site.url + " " + email
	statesMu.Lock()
	state, ok := states[key]
	if !ok {
		state = sync.OnceValues(func() (*playwright.OptionalStorageState, error) { return signInOnce(t, site, email) })
		states[key] = state
	}
	statesMu.Unlock()
	s, err := state()
	must(t, err)
	return s
}

func signInOnce(t *testing.T, site *product, email string) (*playwright.OptionalStorageState, error) {
	ctx, err := browser.NewContext(playwright.BrowserNewContextOptions{BaseURL: playwright.String(site.url)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = ctx.Close() }()
	page, err := ctx.NewPage()
	if err != nil {
		return nil, err
	}
	who := site.person(t, email)
	if _, err := page.Goto("/signin"); err != nil {
		return nil, err
	}
	for _, do := range []func() error{
		func() error { return page.GetByLabel("Email").Fill(who.Email) },
		func() error { return page.GetByLabel("Password", exactly).Fill(who.Password) },
		func() error {
			return page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Continue"}).Click()
		},
		func() error { return page.GetByLabel("6 digit code").Fill(site.person(t, email).Code) },
		func() error {
			return page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Sign in"}).Click()
		},
		func() error {
			return expect.Page(page).ToHaveURL(regexp.MustCompile("^" + regexp.QuoteMeta(site.url) + "/$"))
		},
	} {
		if err := do(); err != nil {
			return nil, fmt.Errorf("sign in as %s: %w", email, err)
		}
	}
	state, err := ctx.StorageState()
	if err != nil {
		return nil, err
	}
	return state.ToOptionalStorageState(), nil
}

var exactly = playwright.PageGetByLabelOptions{Exact: playwright.Bool(true)}

// ---- What a person does and sees.

func (v *visitor) goTo(path string) playwright.Response {
	v.t.Helper()
	res, err := v.page.Goto(path)
	must(v.t, err)
	return res
}

func (v *visitor) role(role, name string) playwright.Locator {
	return v.page.GetByRole(playwright.AriaRole(role), playwright.PageGetByRoleOptions{Name: name, Exact: playwright.Bool(true)})
}

// roleLike finds a role by a pattern of its name.
func (v *visitor) roleLike(role, pattern string) playwright.Locator {
	return v.page.GetByRole(playwright.AriaRole(role), playwright.PageGetByRoleOptions{Name: regexp.MustCompile(pattern)})
}

func (v *visitor) label(text string) playwright.Locator { return v.page.GetByLabel(text, exactly) }

func (v *visitor) labelLike(pattern string) playwright.Locator {
	return v.page.GetByLabel(regexp.MustCompile(pattern))
}

func (v *visitor) click(l playwright.Locator) {
	v.t.Helper()
	must(v.t, l.Click())
}

func (v *visitor) press(name string) {
	v.t.Helper()
	v.click(v.role("button", name))
}

func (v *visitor) follow(name string) {
	v.t.Helper()
	v.click(v.role("link", name))
}

func (v *visitor) fill(l playwright.Locator, text string) {
	v.t.Helper()
	must(v.t, l.Fill(text))
}

func (v *visitor) key(keys ...string) {
	v.t.Helper()
	for _, k := range keys {
		must(v.t, v.page.Keyboard().Press(k))
	}
}

// sees waits for a text anywhere on the page's visible part.
func (v *visitor) sees(texts ...string) {
	v.t.Helper()
	for _, text := range texts {
		if err := expect.Locator(v.page.Locator("body")).ToContainText(text, playwright.LocatorAssertionsToContainTextOptions{UseInnerText: playwright.Bool(true)}); err != nil {
			body, _ := v.page.Locator("body").InnerText()
			v.t.Fatalf("the page does not say %q:\n%s", text, body)
		}
	}
}

// hides checks that a text is nowhere on the page as it is now.
func (v *visitor) hides(texts ...string) {
	v.t.Helper()
	body, err := v.page.Locator("body").InnerText()
	must(v.t, err)
	for _, text := range texts {
		if strings.Contains(body, text) {
			v.t.Fatalf("the page says %q:\n%s", text, body)
		}
	}
}

func (v *visitor) shows(l playwright.Locator) {
	v.t.Helper()
	must(v.t, expect.Locator(l).ToBeVisible())
}

// has waits until exactly n of it are there.
func (v *visitor) has(l playwright.Locator, n int) {
	v.t.Helper()
	must(v.t, expect.Locator(l).ToHaveCount(n))
}

func (v *visitor) focused(l playwright.Locator) {
	v.t.Helper()
	must(v.t, expect.Locator(l).ToBeFocused())
}

func (v *visitor) value(l playwright.Locator, want string) {
	v.t.Helper()
	must(v.t, expect.Locator(l).ToHaveValue(want))
}

// at waits for an address, given as a pattern of path and query.
func (v *visitor) at(pattern string) {
	v.t.Helper()
	must(v.t, expect.Page(v.page).ToHaveURL(regexp.MustCompile("^"+regexp.QuoteMeta(v.site.url)+pattern+"$")))
}

// path is the page's path now.
func (v *visitor) path() string {
	v.t.Helper()
	u, err := url.Parse(v.page.URL())
	must(v.t, err)
	return u.Path
}

func (v *visitor) run(script string) any {
	v.t.Helper()
	out, err := v.page.Evaluate(script)
	must(v.t, err)
	return out
}

// ---- What is checked on every page.

// visited is one line of the table at the end of the run.
type visited struct{ test, page, result string }

var (
	visitsMu sync.Mutex
	visits   []visited
)

var identifiers = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9_-]{32,}`)

// look checks the page as it is now for accessibility, keeps a picture of it, and remembers both.
func (v *visitor) look(name string) {
	v.t.Helper()
	v.picture(name)
	v.axe(name)
}

func (v *visitor) axe(name string) {
	v.t.Helper()
	page := v.page
	if v.noJS {
		twin := v.twin()
		defer func() { _ = twin.Context().Close() }()
		page = twin
	}
	if styled, err := page.Evaluate(`document.querySelectorAll("[style]").length`); err != nil || styled != 0 {
		v.t.Errorf("%s: %v elements have a style of their own (%v)", name, styled, err)
	}
	// The checker tries colours on elements and leaves empty style attributes, which the page's policy would then be told of.
	defer func() {
		_, err := page.Evaluate(`document.querySelectorAll("[style='']").forEach((e) => e.removeAttribute("style"))`)
		must(v.t, err)
	}()
	found := check(v.t, page)
	result := "0 violations"
	if len(found) > 0 {
		result = fmt.Sprintf("%d VIOLATIONS", len(found))
	}
	for _, f := range found {
		for _, n := range f.Nodes {
			v.t.Errorf("%s, %s: axe %s: %s\n  %s\n  %s", name, v.path(), f.ID, f.Help, n.HTML, n.Summary)
		}
	}
	visitsMu.Lock()
	defer visitsMu.Unlock()
	visits = append(visits, visited{v.t.Name(), identifiers.ReplaceAllString(v.path(), "…") + " (" + name + ")", result})
}

type fault struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func check(t *testing.T, page playwright.Page) []fault {
	t.Helper()
	_, err := page.Evaluate(axe)
	must(t, err)
	raw, err := page.Evaluate(`async () => JSON.stringify((await axe.run(document, {iframes: false, resultTypes: ["violations"],
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})).violations)`)
	must(t, err)
	var found []fault
	must(t, json.Unmarshal([]byte(raw.(string)), &found))
	return found
}

// stranger is a host that nothing asks but one test.
const stranger = "stranger.example"

// What never finds anything may be blind.
func TestTheWatchOnEveryPageSeesWhatItIsFor(t *testing.T) {
	t.Parallel()
	ctx, err := browser.NewContext()
	must(t, err)
	defer func() { _ = ctx.Close() }()
	page, err := ctx.NewPage()
	must(t, err)
	_, err = page.Goto(shop.url + "/signin")
	must(t, err)
	v := &visitor{t: t, site: shop, ctx: ctx, page: page, methods: map[string]string{}}
	ctx.OnConsole(v.heard)
	ctx.OnRequest(v.asked)
	_, err = page.Evaluate(`document.querySelector("main").append(document.createElement("input")); fetch("http://` + stranger + `/").catch(() => {}); 0`)
	must(t, err)
	var ids []string
	for _, f := range check(t, page) {
		ids = append(ids, f.ID)
	}
	if !slices.Contains(ids, "label") {
		t.Errorf("a field without a label was not seen, only %v", ids)
	}
	// The page's own policy stops the request; the browser says so aloud.
	eventually(t, "the refused request is heard of", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return strings.Contains(strings.Join(v.odd, "\n"), stranger)
	})
	eventually(t, "the server is told of it", func() bool {
		return strings.Contains(shop.out.String(), `"content security policy violated"`) && strings.Contains(shop.out.String(), stranger)
	})
}

var (
	scripts   = regexp.MustCompile(`(?s)<script\b.*?</script>`)
	noscripts = regexp.MustCompile(`</?noscript\b[^>]*>`)
)

// twin shows what a browser without script shows to one with script, which axe needs: our scripts are taken out, and what
// stands there for want of them is laid open.
func (v *visitor) twin() playwright.Page {
	v.t.Helper()
	html, err := v.page.Content()
	must(v.t, err)
	html = noscripts.ReplaceAllString(scripts.ReplaceAllString(html, ""), "")
	size := v.page.ViewportSize()
	ctx, err := browser.NewContext(playwright.BrowserNewContextOptions{Viewport: size})
	must(v.t, err)
	page, err := ctx.NewPage()
	must(v.t, err)
	at := v.page.URL()
	must(v.t, page.Route(func(u string) bool { return u == at }, func(r playwright.Route) {
		_ = r.Fulfill(playwright.RouteFulfillOptions{Body: html, ContentType: playwright.String("text/html; charset=utf-8")})
	}))
	_, err = page.Goto(at)
	must(v.t, err)
	return page
}

var humps = regexp.MustCompile(`([A-Z])`)

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

func (v *visitor) picture(name string) {
	v.t.Helper()
	v.seen++
	folder := filepath.Join(artefacts, strings.Trim(unfit.ReplaceAllString(strings.ToLower(humps.ReplaceAllString(strings.TrimPrefix(v.t.Name(), "Test"), "-$1")), "-"), "-"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		v.t.Error(err)
		return
	}
	file := filepath.Join(folder, fmt.Sprintf("%02d-%s.png", v.seen, strings.Trim(unfit.ReplaceAllString(strings.ToLower(name), "-"), "-")))
	if _, err := v.page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(file), FullPage: playwright.Bool(true), Caret: playwright.ScreenshotCaretInitial}); err != nil {
		v.t.Error(err)
	}
}

func printVisits() {
	visitsMu.Lock()
	defer visitsMu.Unlock()
	if len(visits) == 0 {
		return
	}
	slices.SortStableFunc(visits, func(a, b visited) int { return strings.Compare(a.page, b.page) })
	type line struct{ page, result string }
	count, order := map[line]int{}, []line{}
	for _, w := range visits {
		l := line{w.page, w.result}
		if count[l] == 0 {
			order = append(order, l)
		}
		count[l]++
	}
	width := 0
	for _, l := range order {
		width = max(width, len([]rune(l.page)))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "axe, %d looks at %d pages:\n", len(visits), len(order))
	for _, l := range order {
		fmt.Fprintf(&table, "  %-*s  %3d×  %s\n", width, l.page, count[l], l.result)
	}
	fmt.Print("\n" + table.String())
	if err := os.WriteFile(filepath.Join(artefacts, "axe.txt"), []byte(table.String()), 0o644); err != nil {
		fmt.Println(err)
	}
}
