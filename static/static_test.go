package static

import (
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, path, encoding string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryAssetIsServedForeverUnderItsHash(t *testing.T) {
	want := map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "htmx.min.js": "text/javascript; charset=utf-8",
		"return.js": "text/javascript; charset=utf-8", "icons.svg": "image/svg+xml; charset=utf-8", "favicon.svg": "image/svg+xml; charset=utf-8",
		"hanken-grotesk-latin-wght-normal.woff2": "font/woff2", "NOTICE.txt": "text/plain; charset=utf-8",
	}
	for name, contentType := range want {
		u := URL(name)
		if !regexp.MustCompile(`^/static/[a-z.A-Z0-9-]+\.[0-9a-f]{12}\.[a-z0-9]+$`).MatchString(u) {
			t.Errorf("%s has the path %q, want a content hash in it", name, u)
		}
		res := get(t, http.MethodGet, u, "")
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != contentType {
			t.Errorf("%s: %d %q, want 200 %q", u, res.StatusCode, res.Header.Get("Content-Type"), contentType)
		}
		if cc := res.Header.Get("Cache-Control"); cc != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", u, cc)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", u)
		}
	}
}

func TestEveryFontOfTheStyleSheetIsServed(t *testing.T) {
	css := body(t, get(t, http.MethodGet, URL("app.css"), ""))
	found := regexp.MustCompile(`url\(([^)]+)\)`).FindAllStringSubmatch(css, -1)
	if len(found) != 3 {
		t.Fatalf("the style sheet has %d addresses, want the three fonts", len(found))
	}
	for _, m := range found {
		if res := get(t, http.MethodGet, m[1], ""); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "font/woff2" {
			t.Errorf("%s: %d %s", m[1], res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}

func TestTextIsCompressedOnlyForWhoAsks(t *testing.T) {
	plain := get(t, http.MethodGet, URL("app.js"), "")
	if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("without Accept-Encoding: %v", plain.Header)
	}
	for _, refused := range []string{"br", "gzip;q=0", "identity"} {
		if res := get(t, http.MethodGet, URL("app.js"), refused); res.Header.Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding %q got %q", refused, res.Header.Get("Content-Encoding"))
		}
	}
	zipped := get(t, http.MethodGet, URL("app.js"), "br, gzip;q=0.8")
	if zipped.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v, want gzip", zipped.Header)
	}
	r, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != body(t, plain) {
		t.Error("the compressed script differs from the plain one")
	}
}

func TestAnythingElseIsNotFound(t *testing.T) {
	for _, path := range []string{"/static/", "/static/app.css", "/static/app.000000000000.css", "/static/../static.go", "/static/src/app.js", "/static/fonts/", "/other"} {
		res := get(t, http.MethodGet, path, "")
		if res.StatusCode != http.StatusNotFound || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, Cache-Control %q", path, res.StatusCode, res.Header.Get("Cache-Control"))
		}
	}
	if res := get(t, http.MethodPost, URL("app.css"), ""); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", res.StatusCode)
	}
	if res := get(t, http.MethodHead, URL("app.css"), ""); res.StatusCode != http.StatusOK || body(t, res) != "" {
		t.Errorf("HEAD: %d with a body", res.StatusCode)
	}
}

func TestInventoryNamesEveryScriptWithItsHashAndReason(t *testing.T) {
	served := 0
	for name := range urls {
		if strings.HasSuffix(name, ".js") {
			served++
		}
	}
	if len(Scripts()) != served {
		t.Fatalf("the inventory names %d scripts, %d are served", len(Scripts()), served)
	}
	for _, s := range Scripts() {
		sum := sha512.Sum384([]byte(body(t, get(t, http.MethodGet, s.URL, ""))))
		if s.SHA384 != base64.StdEncoding.EncodeToString(sum[:]) || s.Reason == "" {
			t.Errorf("%s: wrong hash or no reason", s.Name)
		}
	}
}

func TestScriptsUseNothingThatTheContentPolicyForbids(t *testing.T) {
	for _, name := range []string{"app.js", "return.js"} {
		js := body(t, get(t, http.MethodGet, URL(name), ""))
		for _, bad := range []string{"eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "parseFloat", "localStorage", ".style", "javascript:", `"*"`} {
			if strings.Contains(js, bad) {
				t.Errorf("%s contains %q", name, bad)
			}
		}
	}
}
