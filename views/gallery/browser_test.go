package gallery

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/static"
)

// root is the checkout, seen from this package.
const root = "../.."

// browser starts one Chromium for the package, or skips and says why.
var browser = sync.OnceValues(func() (playwright.Browser, error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, fmt.Errorf("no Chromium on the PATH")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("no node on the PATH: %w", err)
	}
	driver, err := filepath.Abs(root + "/node_modules/playwright-core")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(driver); err != nil {
		return nil, fmt.Errorf("the browser driver is not installed: %w", err)
	}
	dir, err := os.MkdirTemp("", "counterfoil-driver")
	if err != nil {
		return nil, err
	}
	driverDir = dir
	if err := os.Symlink(driver, filepath.Join(dir, "package")); err != nil {
		return nil, err
	}
	if err := os.Setenv("PLAYWRIGHT_NODEJS_PATH", node); err != nil {
		return nil, err
	}
	pw, err := playwright.Run(&playwright.RunOptions{DriverDirectory: dir, SkipInstallBrowsers: true})
	if err != nil {
		return nil, err
	}
	return pw.Chromium.Launch(playwright.BrowserTypeLaunchOptions{
		ExecutablePath: playwright.String(path),
		Args:           []string{"--no-sandbox", "--disable-gpu", "--disable-background-networking"},
	})
})

var driverDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if driverDir != "" {
		if b, err := browser(); err == nil {
			_ = b.Close()
		}
		_ = os.RemoveAll(driverDir)
	}
	os.Exit(code)
}

func needBrowser(t *testing.T) playwright.Browser {
	t.Helper()
	b, err := browser()
	if err != nil {
		if os.Getenv("CI") != "" || os.Getenv("COUNTERFOIL_TEST_NEED_BROWSER") != "" {
			t.Fatal(err)
		}
		t.Skip("no browser: ", err)
	}
	return b
}

// cardBox stands in for the provider: another origin, with a box that answers
// with a token, or with whatever its query says.
const cardBox = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Card box</title><style>body{font:14px sans-serif;margin:0;padding:12px;color-scheme:light dark}label{display:block}input{width:100%%;box-sizing:border-box}</style></head>
<body><main><h1 style="font-size:16px">Card details</h1><label>Card number <input id="pan"></label></main><script>
const reply = %s;
addEventListener("message", (e) => { const m = e.data; if (m.type !== "cardflo.tokenize") return; window.asked = (window.asked || 0) + 1; reply(m, e); });
parent.postMessage({type: "cardflo.ready"}, "*");
</script></body></html>`

var cardReplies = map[string]string{
	"token":       `(m, e) => e.source.postMessage({type: "cardflo.token", id: m.id, token: "ix::one", brand: "Visa", last4: "1111", expiry: "12/30"}, e.origin)`,
	"error":       `(m, e) => e.source.postMessage({type: "cardflo.error", id: m.id, message: "The security code is missing."}, e.origin)`,
	"wrong-id":    `(m, e) => e.source.postMessage({type: "cardflo.token", id: "other", token: "ix::one", brand: "Visa", last4: "1111", expiry: "12/30"}, e.origin)`,
	"wrong-shape": `(m, e) => { for (const bad of [{token: 7}, {token: ""}, {token: "x".repeat(500)}, {last4: "11111"}, {last4: ["1111"]}, {expiry: "13/30"}, {brand: {}}, {pan: "4111111111111111"}]) e.source.postMessage({type: "cardflo.token", id: m.id, token: "ix::one", brand: "Visa", last4: "1111", expiry: "12/30", ...bad}, e.origin); e.source.postMessage("cardflo.token", e.origin); e.source.postMessage(null, e.origin); }`,
	"silent":      `() => {}`,
}

type site struct {
	url, provider string
	posts         chan string // bodies of forms that arrived
	polls         chan http.Header
	events        chan string   // to the open stream
	fragment      func() []byte // answer to a poll
	reswap        string        // its HX-Reswap
	answer        []byte        // answer to a form
	answerStatus  int
}

// serve gives every sample under /g/, the assets, and a place for forms.
func serve(t *testing.T, reply string) *site {
	t.Helper()
	s := &site{posts: make(chan string, 100), polls: make(chan http.Header, 1000), events: make(chan string)}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/return" {
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>r</title><body><h1>r</h1><script>location.href = %q</script>`, s.url+"/g/card-return")
			return
		}
		fmt.Fprintf(w, cardBox, cardReplies[reply])
	}))
	t.Cleanup(other.Close)
	// Another site as in life: a name and an address are cross-site, two ports
	// of one name are not.
	s.provider = strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	all := map[string]sample{}
	for _, sm := range samples(s.provider+"/box", s.provider) {
		all[sm.name] = sm
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", static.Handler())
	mux.HandleFunc("GET /g/{name}", func(w http.ResponseWriter, r *http.Request) {
		sm, ok := all[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		var buf bytes.Buffer
		if err := sm.page.Render(r.Context(), &buf); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'self' "+s.provider+"; frame-src 'self' "+s.provider)
		_, _ = w.Write(buf.Bytes())
	})
	qr := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="10" height="10" fill="#fff"/><path d="M1 1h3v3H1zM6 1h3v3H6zM1 6h3v3H1zM6 6h1v3H6zM8 7h1v2H8z"/></svg>`))
	}
	mux.HandleFunc("GET /qr.png", qr)
	mux.HandleFunc("GET /payments/{id}/link.png", qr)
	mux.HandleFunc("GET /payments/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.polls <- r.Header.Clone()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if s.reswap != "" {
			w.Header().Set("HX-Reswap", s.reswap)
		}
		if s.fragment != nil {
			_, _ = w.Write(s.fragment())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	ended := make(chan struct{})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-ended:
				return
			case text := <-s.events:
				_, _ = io.WriteString(w, text)
			}
		}
	})
	mux.HandleFunc("GET /devices/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		s.polls <- r.Header.Clone()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if s.fragment == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = w.Write(s.fragment())
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.posts <- r.PostForm.Encode()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if s.answer != nil {
			w.WriteHeader(s.answerStatus)
			_, _ = w.Write(s.answer)
			return
		}
		fmt.Fprintf(w, "<!doctype html><html lang=en><title>got</title><h1>%s</h1>", html.EscapeString(r.URL.Path))
	})
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	t.Cleanup(func() { close(ended) })
	s.url = front.URL
	return s
}

// look opens a sample in a context of its own and fails on any policy
// violation, uncaught error or foreign request.
func look(t *testing.T, s *site, path string, o playwright.BrowserNewContextOptions) playwright.Page {
	t.Helper()
	ctx, err := needBrowser(t).NewContext(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ctx.Close() })
	page, err := ctx.NewPage()
	if err != nil {
		t.Fatal(err)
	}
	page.OnPageError(func(err error) { t.Errorf("%s: uncaught: %v", path, err) })
	page.OnConsole(func(m playwright.ConsoleMessage) {
		if m.Type() == "error" && !strings.Contains(m.Text(), "Failed to load resource") {
			t.Errorf("%s: console: %s", path, m.Text())
		}
	})
	page.OnRequest(func(r playwright.Request) {
		if u := r.URL(); !strings.HasPrefix(u, s.url) && !strings.HasPrefix(u, s.provider) && !strings.HasPrefix(u, "data:") {
			t.Errorf("%s: a foreign request to %s", path, u)
		}
	})
	if _, err := page.Goto(s.url + path); err != nil {
		t.Fatal(err)
	}
	return page
}
