package e2e_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
)

// output keeps everything that a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a program of ours that runs.
type process struct {
	cmd  *exec.Cmd
	out  output // stdout and stderr
	done chan struct{}
	once sync.Once
}

var (
	runningMu sync.Mutex
	running   []*process // all that were started
)

func stopAll() {
	runningMu.Lock()
	defer runningMu.Unlock()
	for _, p := range running {
		p.stop()
	}
}

// environment is the caller's without anything that would steer the product.
func environment(more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "COUNTERFOIL_") && !strings.HasPrefix(kv, "DATABASE_URL=") && !strings.HasPrefix(kv, "TMPDIR=") {
			env = append(env, kv)
		}
	}
	return append(env, more...)
}

func launch(env []string, args ...string) (*process, error) {
	return launchOf("counterfoil", env, args...)
}

func launchOf(binary string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(filepath.Join(workDir, "bin", binary), args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = workDir, environment(env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	// Children that outlive a killed product may hold its pipes.
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	runningMu.Lock()
	running = append(running, p)
	runningMu.Unlock()
	return p, nil
}

// line waits until the process has written prefix at the start of a line, and gives the rest of that line.
func (p *process) line(prefix string) (string, error) {
	want := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(prefix) + `(.*)\n`)
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if m := want.FindStringSubmatch(p.out.String()); m != nil {
			return m[1], nil
		}
		select {
		case <-p.done:
			return "", fmt.Errorf("ended before it wrote %q:\n%s", prefix, p.out.String())
		case <-deadline.C:
			return "", fmt.Errorf("did not write %q in a minute:\n%s", prefix, p.out.String())
		case <-tick.C:
		}
	}
}

func (p *process) stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			fmt.Println("did not end in 30 s after SIGTERM, killing it; its output:\n" + p.out.String())
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	})
}

func (p *process) logLines() []string { return strings.Split(p.out.String(), "\n") }

// product is a counterfoil that answers.
type product struct {
	*process
	url     string // http://localhost:…
	sandbox string // http://127.0.0.1:…, the demo's only
	dir     string // data of the demo
	temp    string // its temporary folder, with Postgres' socket
}

func demoEnvironment(dir, temp string) []string {
	return []string{"COUNTERFOIL_ADDR=127.0.0.1:0", "COUNTERFOIL_SANDBOX_ADDR=127.0.0.1:0", "COUNTERFOIL_DATA=" + dir, "TMPDIR=" + temp, "COUNTERFOIL_LOG=info",
		"COUNTERFOIL_PG_BIN=" + os.Getenv("COUNTERFOIL_PG_BIN"), "PATH=" + os.Getenv("PATH")}
}

// startDemo starts a demo with a folder of its own; the same name again starts it on the same data.
func startDemo(name string) (*product, error) {
	dir, temp := filepath.Join(workDir, name), filepath.Join(workDir, "t-"+name)
	for _, d := range []string{dir, temp} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := linkBinaries(); err != nil {
		return nil, err
	}
	var env []string
	for _, kv := range demoEnvironment(dir, temp) {
		if kv != "COUNTERFOIL_PG_BIN=" {
			env = append(env, kv)
		}
	}
	p, err := launch(env, "demo")
	if err != nil {
		return nil, err
	}
	d := &product{process: p, dir: dir, temp: temp}
	if d.sandbox, err = p.line("Provider emulators: "); err == nil {
		d.url, err = p.line("listening on ")
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("demo: %w", err)
	}
	return d, nil
}

// linkBinaries lets the product find node_modules beside its own folder, as in the checkout.
func linkBinaries() error {
	link := filepath.Join(workDir, "node_modules")
	if err := os.Symlink(filepath.Join(rootDir, "node_modules"), link); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// databaseURL reaches a database of the demo's own Postgres as its superuser.
func (d *product) databaseURL(name string) (string, error) {
	sockets, err := filepath.Glob(filepath.Join(d.temp, "*-socket"))
	if err != nil || len(sockets) != 1 {
		return "", fmt.Errorf("the demo's socket was not found below %s: %v %v", d.temp, sockets, err)
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + name,
		RawQuery: url.Values{"host": {sockets[0]}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()}
	return u.String(), nil
}

func (d *product) database(t *testing.T, name string) *sql.DB {
	t.Helper()
	u, err := d.databaseURL(name)
	must(t, err)
	db, err := sql.Open("postgres", u)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// postgresPID is the first process of the demo's Postgres.
func (d *product) postgresPID(t *testing.T) int {
	t.Helper()
	for _, pattern := range []string{filepath.Join(d.dir, "postgres", "postgres", "postmaster.pid"), filepath.Join(d.temp, "counterfoil-pg-*", "postgres", "postmaster.pid")} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, f := range files {
			raw, err := os.ReadFile(f)
			must(t, err)
			first, _, _ := strings.Cut(string(raw), "\n")
			pid, err := strconv.Atoi(first)
			must(t, err)
			return pid
		}
	}
	t.Fatal("the demo's Postgres was not found")
	return 0
}

// account is one of the demo's published sign-ins.
type account struct{ Merchant, Name, Role, Email, Password, Code string }

// person gives a demo account with its current code.
func (d *product) person(t *testing.T, email string) account {
	t.Helper()
	var all []account
	getJSON(t, d.url+"/demo/signins.json", &all)
	for _, a := range all {
		if a.Email == email {
			return a
		}
	}
	t.Fatalf("the demo has nobody called %s", email)
	return account{}
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	res, err := client.Get(url)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
	must(t, json.NewDecoder(res.Body).Decode(into))
}

// client follows no redirect, so that an answer is what was answered.
var client = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := client.Get(url)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(body)
}

// emulator steers one provider's emulator.
type emulator struct{ url string }

func (d *product) emulator(provider string) emulator {
	return emulator{d.sandbox + "/_sandbox/" + provider + "/"}
}

func (e emulator) post(t *testing.T, call string, body any) {
	t.Helper()
	raw, err := json.Marshal(body)
	must(t, err)
	res, err := client.Post(e.url+call, "application/json", bytes.NewReader(raw))
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		answer, _ := io.ReadAll(res.Body)
		t.Fatalf("emulator %s: %s %s", call, res.Status, answer)
	}
}

// charge is one line of an emulator's ledger, which is the truth about money here.
type charge struct {
	Reference   string `json:"reference"`
	ID          string `json:"id"`
	OriginalID  string `json:"original_id"`
	Kind        string `json:"kind"`
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
	Approved    bool   `json:"approved"`
}

// charges gives the ledger's approved lines of one amount. Tests use amounts that nothing else uses.
func (e emulator) charges(t *testing.T, kind string, minor int64) []charge {
	t.Helper()
	var state struct {
		Charges []charge `json:"charges"`
	}
	getJSON(t, e.url+"state", &state)
	var found []charge
	for _, c := range state.Charges {
		if strings.EqualFold(c.Kind, kind) && c.AmountMinor == minor && c.Approved {
			found = append(found, c)
		}
	}
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-tick.C
	}
}
