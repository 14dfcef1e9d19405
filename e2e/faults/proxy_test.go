package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// toxiproxy is one server for the whole run; it ends with the run's folder.
var toxiproxy = sync.OnceValues(func() (string, error) {
	program := filepath.Join(binaries, "toxiproxy")
	// Its module is that of the tools, so that the product's go.mod does not list
	// what only tests it.
	if err := build(filepath.Join(".ci", "tools"), program, "github.com/Shopify/toxiproxy/v2/cmd/server"); err != nil {
		return "", err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err == nil {
		err = free.Close()
	}
	if err != nil {
		return "", err
	}
	cmd := exec.Command(program, "-host", "127.0.0.1", "-port", port)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	atEnd = append(atEnd, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := "http://127.0.0.1:" + port
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		res, err := client.Get(address + "/version")
		if err == nil {
			return address, res.Body.Close()
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("toxiproxy does not answer: %w", err)
		}
	}
})

// line is a proxied way from the product to something else.
type line struct {
	api, name string
	address   string // host:port to dial
}

// lines numbers the lines, so that each has a name of its own.
var lines atomic.Int64

// newLine opens a line to an upstream, host:port.
func newLine(t testing.TB, upstream string) *line {
	t.Helper()
	api, err := toxiproxy()
	must(t, err)
	l := &line{api: api, name: fmt.Sprintf("line%d", lines.Add(1))}
	var made struct {
		Listen string `json:"listen"`
	}
	l.call(t, http.MethodPost, "/proxies", map[string]any{"name": l.name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &made)
	l.address = made.Listen
	return l
}

func (l *line) call(t testing.TB, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	must(t, err)
	req, err := http.NewRequest(method, l.api+path, bytes.NewReader(body))
	must(t, err)
	res, err := client.Do(req)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode/100 != 2 {
		t.Fatalf("toxiproxy %s %s: %s: %s", method, path, res.Status, text)
	}
	if out != nil {
		must(t, json.Unmarshal(text, out))
	}
}

// toxic is one thing that is wrong with a line.
type toxic struct {
	name   string
	kind   string // empty: the line is down
	stream string // "upstream" is from the product
	with   map[string]any
}

// poison makes the line toxic, and cure makes it a line again.
func (l *line) poison(t testing.TB, x toxic) {
	t.Helper()
	if x.kind == "" {
		l.call(t, http.MethodPost, "/proxies/"+l.name, map[string]any{"enabled": false}, nil)
		return
	}
	l.call(t, http.MethodPost, "/proxies/"+l.name+"/toxics", map[string]any{"name": "toxic", "type": x.kind, "stream": x.stream, "toxicity": 1, "attributes": x.with}, nil)
}

func (l *line) cure(t testing.TB, x toxic) {
	t.Helper()
	if x.kind == "" {
		l.call(t, http.MethodPost, "/proxies/"+l.name, map[string]any{"enabled": true}, nil)
		return
	}
	l.call(t, http.MethodDelete, "/proxies/"+l.name+"/toxics/toxic", nil, nil)
}

// bothWays gives a toxic for each direction.
func bothWays(name, kind string, with map[string]any) []toxic {
	return []toxic{{name + ", from us", kind, "upstream", with}, {name + ", to us", kind, "downstream", with}}
}
