// Package static holds the assets that pages load, embedded in the binary and
// served under names that carry a hash of their content, so that a browser may
// keep them for ever and never shows an old one. It imports the standard
// library only.
//
// What is in dist is built from src by src/build.mjs and committed, so that
// building the product needs no Node.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Prefix is the path under which Handler answers.
const Prefix = "/static/"

//go:embed dist fonts/*.woff2 js img NOTICE.txt
var files embed.FS

// Script is one line of the inventory of scripts that our pages load.
type Script struct {
	Name   string // "app.js"
	URL    string // its path with the hash
	SHA384 string // base64, as in a subresource integrity value
	Reason string // why it is there
}

type asset struct {
	body        []byte
	gzipped     func() []byte // made when first asked for; nil when it would not be smaller
	contentType string
}

var (
	assets  = map[string]asset{}  // by hashed name: "app.0f1e2d3c4b5a.css"
	urls    = map[string]string{} // by plain name: "app.css"
	scripts []Script
)

var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml; charset=utf-8",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

var reasons = map[string]string{
	"htmx.min.js":   "htmx 4.0.1, unchanged: replaces parts of a page with what the server answers",
	"hx-sse.min.js": "htmx 4.0.1's extension, unchanged: on pages that are live, hears from the server what changed",
	"app.js":        "ours: keyboard shortcuts, amounts in buttons, first press wins, the card frame's messages",
	"worksheet.js":  "ours: on the tip worksheet, keys between the rows, sums that follow the typing, paste",
	"return.js":     "ours: inside the card-entry frame, tells our own page around it that the card was typed",
}

func init() {
	// Fonts first: the style sheet is hashed after their names are written
	// into it.
	for _, dir := range []string{"fonts", "img", "js", "."} {
		for _, name := range list(dir) {
			add(name, read(path.Join(dir, name)))
		}
	}
	for _, name := range list("dist") {
		body := read("dist/" + name)
		if path.Ext(name) == ".css" {
			body = withFontURLs(body)
		}
		add(name, body)
	}
	for name := range reasons {
		body := assets[strings.TrimPrefix(urls[name], Prefix)].body
		sum := sha512.Sum384(body)
		scripts = append(scripts, Script{Name: name, URL: urls[name], SHA384: base64.StdEncoding.EncodeToString(sum[:]), Reason: reasons[name]})
	}
}

func list(dir string) []string {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		panic("static: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func read(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("static: " + err.Error())
	}
	return b
}

func add(name string, body []byte) {
	ext := path.Ext(name)
	ct, ok := contentTypes[ext]
	if !ok {
		panic("static: no content type for " + name)
	}
	sum := sha256.Sum256(body)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	if _, double := urls[name]; double {
		panic("static: two files are named " + name)
	}
	assets[hashed] = asset{body: body, gzipped: sync.OnceValue(func() []byte { return compressed(ext, body) }), contentType: ct}
	urls[name] = Prefix + hashed
}

// compressed gives nil for what is compressed already.
func compressed(ext string, body []byte) []byte {
	if ext == ".woff2" {
		return nil
	}
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		panic("static: " + err.Error())
	}
	if _, err := w.Write(body); err != nil {
		panic("static: " + err.Error())
	}
	if err := w.Close(); err != nil {
		panic("static: " + err.Error())
	}
	if buf.Len() >= len(body) {
		return nil
	}
	return buf.Bytes()
}

func withFontURLs(css []byte) []byte {
	for _, name := range list("fonts") {
		for _, quote := range []string{`"`, ``} {
			css = bytes.ReplaceAll(css, []byte("url("+quote+"fonts/"+name+quote+")"), []byte("url("+urls[name]+")"))
		}
	}
	if bytes.Contains(css, []byte("fonts/")) && !bytes.Contains(css, []byte(Prefix)) {
		panic("static: the style sheet names a font that is not here")
	}
	return css
}

// URL gives the path of an asset with its content hash, for example
// "/static/app.0f1e2d3c4b5a.css" for "app.css". It panics for a name that is
// not embedded: that is a misspelling in a template, found by its first test.
func URL(name string) string {
	u, ok := urls[name]
	if !ok {
		panic(fmt.Sprintf("static: there is no asset %q", name))
	}
	return u
}

// Scripts lists every script that our pages may load, with the hash of its
// content and the reason for it.
func Scripts() []Script { return append([]Script(nil), scripts...) }

// Handler answers GET and HEAD below Prefix with headers that let a browser
// keep the asset for a year; 404 for any name that is not exactly one of ours.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name, under := strings.CutPrefix(r.URL.Path, Prefix)
		a, ok := assets[name]
		if !under || !ok {
			h.Set("Cache-Control", "no-store")
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", a.contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		body := a.body
		if gzipped := a.gzipped(); gzipped != nil {
			h.Add("Vary", "Accept-Encoding")
			if acceptsGzip(r.Header.Get("Accept-Encoding")) {
				h.Set("Content-Encoding", "gzip")
				body = gzipped
			}
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return
		}
		_, _ = w.Write(body) // a reader that went away is nobody's error
	})
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(coding) != "gzip" && strings.TrimSpace(coding) != "*" {
			continue
		}
		q := strings.ReplaceAll(params, " ", "")
		return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
	}
	return false
}
