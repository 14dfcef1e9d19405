package faults

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/embeddedpg"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

// healthyWithin is how soon after the database the product must be ready.
const healthyWithin = 5 * time.Second

// cluster is a Postgres of a test's own, which it may kill, on a TCP port, so
// that a line to it can be cut.
type cluster struct {
	dir, port string
	server    *embeddedpg.Server
	made      int
}

const furnished = "furnished" // the database that houses are cloned from

func newCluster(t testing.TB) *cluster {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	must(t, err)
	must(t, free.Close())
	c := &cluster{dir: filepath.Join(t.TempDir(), "cluster"), port: port}
	c.start(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = c.server.Stop(ctx)
		_ = os.RemoveAll(c.server.DataDir())
	})
	c.exec(t, `create database `+furnished)
	must(t, store.Migrate(context.Background(), c.url("postgres", furnished)))
	c.exec(t, `alter role `+store.AppRole+` login`)
	return c
}

func (c *cluster) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	c.server, err = embeddedpg.Start(ctx, embeddedpg.Config{DataDir: c.dir, Fast: true,
		Settings: map[string]string{"listen_addresses": "127.0.0.1", "port": c.port, "max_connections": "200", "shared_buffers": "64MB"}})
	must(t, err)
}

func (c *cluster) url(role, database string) string {
	return c.urlAt("127.0.0.1:"+c.port, role, database)
}

func (c *cluster) urlAt(address, role, database string) string {
	return "postgres://" + role + "@" + address + "/" + database + "?sslmode=disable"
}

func (c *cluster) exec(t testing.TB, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", c.url("postgres", "postgres"))
	must(t, err)
	defer func() { _ = db.Close() }()
	_, err = db.Exec(statement)
	must(t, err)
}

// clone makes a database and gives its name.
func (c *cluster) clone(t testing.TB) string {
	t.Helper()
	c.made++
	name := "house" + strconv.Itoa(c.made)
	c.exec(t, `create database `+name+` template `+furnished)
	return name
}

// kill ends the server as a crash would: the postmaster alone, whose children
// then notice by themselves, or all of them at once.
func (c *cluster) kill(t testing.TB, all bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.server.DataDir(), "postmaster.pid"))
	must(t, err)
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	must(t, err)
	if all {
		pid = -pid
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	<-c.server.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = c.server.Stop(ctx) // gives the folder free
}

// ready waits until the product says that it can work, and says how long it took.
func (h *house) ready(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	until(t, "the product is ready", 20*time.Millisecond, func() bool {
		res, _, err := h.request(http.MethodGet, "/readyz", nil)
		return err == nil && res.StatusCode == http.StatusOK
	})
	return time.Since(began)
}

func TestPostgresKilledUnderLoadLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	name := c.clone(t)
	h := newHouse(t, site{app: c.url(store.AppRole, name), owner: c.url("postgres", name), patient: true})
	defer scores.count(t, "all actions, under load", "Postgres killed, its sessions ended")
	slow := kit.Fault{Kind: kit.FaultDelayReply, Method: http.MethodPost, DelayMS: 60, Count: tills * formsEach}
	must(t, h.hp.Fault(t.Context(), slow))
	must(t, h.cf.Fault(t.Context(), slow))
	stop := make(chan struct{})
	var people sync.WaitGroup
	for i := range tills {
		people.Go(func() { h.work(t, random(uint64(200+i)), stop) })
	}
	luck := random(199)
	pause := func(most int) { time.Sleep(time.Duration(luck.IntN(most)) * time.Millisecond) }
	ended := 0
	for n := range 4 {
		for range 6 {
			pause(250)
			killed, err := h.owner.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 order by random() limit 1`, store.AppRole)
			if err == nil {
				if rows, err := killed.RowsAffected(); err == nil {
					ended += int(rows)
				}
			}
		}
		c.kill(t, n%2 == 1)
		pause(600)
		c.start(t)
		if took := h.ready(t); took > healthyWithin {
			t.Errorf("ready %s after the database", took)
		}
	}
	close(stop)
	people.Wait()
	if !h.product.alive() {
		t.Fatalf("the product ended:\n%s", h.product.text())
	}
	h.start(t, "", windowsOver)
	h.follow(t)
	h.check(t)
	h.verifyAudit(t)
	forms := len(h.answered.all())
	t.Logf("%d forms, 4 crashes, %d sessions ended, seed %d", forms, ended, seed)
	if forms < 2*tills || ended < 4 {
		t.Error("too few forms or ended sessions to show anything")
	}
}

// cutter is a line to Postgres that breaks at one COMMIT: the one of the first
// transaction that carries the marker. Toxiproxy knows no protocols.
type cutter struct {
	listener net.Listener
	upstream string
	marker   atomic.Value // string; empty: nothing is cut
	lost     atomic.Bool  // the COMMIT itself is lost, not its answer
	cuts     atomic.Int64
}

func newCutter(t testing.TB, upstream string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cutter{listener: l, upstream: upstream}
	c.marker.Store("")
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	return c
}

func (c *cutter) carry(product net.Conn) {
	defer func() { _ = product.Close() }()
	server, err := net.Dial("tcp", c.upstream)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var cutting atomic.Bool
	go func() {
		defer func() { _, _ = server.Close(), product.Close() }()
		marked := false
		buf := make([]byte, 64<<10)
		for {
			n, err := product.Read(buf)
			if err != nil {
				return
			}
			data := buf[:n]
			if bytes.Contains(data, []byte("BEGIN")) {
				marked = false
			}
			marker := c.marker.Load().(string)
			marked = marked || marker != "" && bytes.Contains(data, []byte(marker))
			if marked && bytes.Contains(data, []byte("COMMIT\x00")) && c.marker.CompareAndSwap(marker, "") {
				c.cuts.Add(1)
				if c.lost.Load() {
					return
				}
				cutting.Store(true)
			}
			if _, err := server.Write(data); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || cutting.Load() {
			return // the answer of the COMMIT goes no further
		}
		if _, err := product.Write(buf[:n]); err != nil {
			return
		}
	}
}

// commitActions are those whose COMMITs are lost: a few, or all when there is
// time. What a customer has to type is in the crashes.
func commitActions() []*action {
	if runs > 0 {
		return slices.DeleteFunc(slices.Clone(actions), func(a *action) bool { return a.page })
	}
	return []*action{sellCard, forget, refundCardflo, capturePart, tip}
}

// A COMMIT whose answer never comes may have taken effect or not. Whoever got
// no answer sends the form again and is led to what was done.
func TestACommitWithoutAnAnswerIsReadAgainByItsKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cut := newCutter(t, "127.0.0.1:"+c.port)
	name := c.clone(t)
	h := newHouse(t, site{app: c.urlAt(cut.listener.Addr().String(), store.AppRole, name), owner: c.url("postgres", name)})
	for _, a := range commitActions() {
		for _, event := range []string{"requested", "settled"} {
			for _, lost := range []bool{true, false} {
				what := map[bool]string{true: "the COMMIT is lost", false: "the answer to the COMMIT is lost"}[lost] + ", " + event
				t.Run(strings.NewReplacer(" ", "-", ",", "").Replace(a.name+"/"+what), func(t *testing.T) {
					defer scores.count(t, a.name, what)
					payment, err := h.prepare(a)
					must(t, err)
					f, err := a.fill(h, payment)
					must(t, err)
					before := cut.cuts.Load()
					cut.lost.Store(lost)
					cut.marker.Store("payment." + a.typ + "." + event)
					status, _, err := h.post(f)
					must(t, err)
					if cut.cuts.Load() != before+1 {
						t.Fatal("no COMMIT was cut")
					}
					// The second transaction is tried again at once, the first is not.
					if want := map[string]int{"requested": http.StatusServiceUnavailable, "settled": http.StatusSeeOther}[event]; status != want {
						t.Errorf("answered %d, want %d", status, want)
					}
					if there := h.written(t, f); event == "requested" && there == lost {
						t.Errorf("what was committed is there: %t", there)
					}
					status, _, err = h.post(f)
					must(t, err)
					if !h.done(f, status) {
						t.Fatalf("the form sent again was answered %d", status)
					}
					if event == "requested" && !lost {
						// It is written down and was never sent.
						h.start(t, "", a.over())
					}
					h.follow(t)
					h.check(t)
					if got, want := h.status(t, f), map[bool]string{true: a.lost(), false: "approved"}[event == "requested" && !lost]; got != want {
						t.Errorf("the %s ends %s, want %s", a.typ, got, want)
					}
					h.start(t, "", 0)
				})
			}
		}
	}
	h.verifyAudit(t)
}

// written says whether a form has made its transaction.
func (h *house) written(t testing.TB, f form) bool {
	t.Helper()
	if f.keyless != "" {
		return h.found(t, `select 1 from transactions where payment_id = $1 and type = $2`, f.keyless, f.typ)
	}
	return h.found(t, `select 1 from idempotency_keys where key = $1`, f.key())
}

// pgToxics are what may be wrong with the line to Postgres.
func pgToxics() []toxic {
	var cuts []toxic
	places := []int{400, 3_000}
	if runs > 0 {
		places = []int{200, 400, 900, 1_500, 3_000, 5_000, 9_000}
	}
	for _, n := range places {
		cuts = append(cuts, bothWays(fmt.Sprintf("cut after %d bytes", n), "limit_data", map[string]any{"bytes": n})...)
	}
	return slices.Concat(cuts,
		bothWays("slow", "latency", map[string]any{"latency": 60}),
		bothWays("silent", "timeout", map[string]any{"timeout": 0}),
		bothWays("reset", "reset_peer", map[string]any{"timeout": 0}),
		[]toxic{{name: "down"}})
}

func TestALineToPostgresThatBreaksInEitherDirectionLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var making sync.Mutex
	free := make(chan *lined, houses)
	for range houses {
		free <- nil
	}
	t.Run("toxic", func(owner *testing.T) {
		for _, x := range pgToxics() {
			for _, a := range cutActions() {
				for _, during := range []bool{false, true} {
					what := x.name + map[bool]string{true: ", during the provider's call"}[during]
					owner.Run(strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(a.name+"/"+what), func(t *testing.T) {
						t.Parallel()
						h := <-free
						defer func() {
							scores.count(t, a.name, "line to Postgres: "+what)
							if t.Failed() {
								h = nil
							}
							free <- h
						}()
						if h == nil {
							making.Lock()
							name := c.clone(owner)
							making.Unlock()
							h = &lined{line: newLine(owner, "127.0.0.1:"+c.port)}
							h.house = newHouse(owner, site{app: c.urlAt(h.line.address, store.AppRole, name), owner: c.url("postgres", name)})
						}
						h.cutFromPostgres(t, a, x, during)
					})
				}
			}
		}
	})
}

// cutFromPostgres takes an action while the line to Postgres is toxic.
func (h *lined) cutFromPostgres(t *testing.T, a *action, x toxic, during bool) {
	h.start(t, "", 0)
	payment, err := h.prepare(a)
	must(t, err)
	f, err := a.fill(h.house, payment)
	must(t, err)
	if during {
		must(t, a.control(h.house).Fault(t.Context(), kit.Fault{Kind: kit.FaultDelayReply, Method: http.MethodPost, Path: a.path}))
	}
	cured := false
	cure := func() {
		if !cured {
			cured = true
			h.line.cure(t, x)
		}
	}
	defer cure()
	if !during {
		h.line.poison(t, x)
	}
	type answer struct {
		status int
		err    error
	}
	first := make(chan answer, 1)
	go func() {
		status, _, err := h.post(f)
		first <- answer{status, err}
	}()
	if during {
		until(t, "the provider holds the request", 10*time.Millisecond, func() bool {
			n, err := a.control(h.house).Held(context.Background())
			must(t, err)
			return n == 1
		})
		h.line.poison(t, x)
		must(t, a.control(h.house).Release(context.Background()))
	}
	var got answer
	select {
	case got = <-first:
	case <-time.After(1500 * time.Millisecond): // as long as the line is ill
		cure()
		got = <-first
	}
	cure()
	must(t, got.err)
	if got.status != http.StatusSeeOther && got.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want that it went or that the database is away", got.status)
	}
	if took := h.ready(t); took > healthyWithin {
		t.Errorf("ready %s after the line", took)
	}
	until(t, "the form sent again is answered", 20*time.Millisecond, func() bool {
		status, _, err := h.post(f)
		must(t, err)
		if !h.done(f, status) && status != http.StatusServiceUnavailable {
			t.Fatalf("the form sent again was answered %d", status)
		}
		return h.done(f, status)
	})
	h.start(t, "", a.over())
	h.follow(t)
	h.check(t)
}

// A line that stays silent is a database that is away, and not a page that never
// comes: a statement ends after fifteen seconds, and so does the wait for one.
func TestALineToPostgresThatStaysSilentIsADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, x := range bothWays("silent", "timeout", map[string]any{"timeout": 0}) {
		name := c.clone(t)
		t.Run(strings.NewReplacer(" ", "-", ",", "").Replace(x.name), func(t *testing.T) {
			t.Parallel()
			defer scores.count(t, sellCard.name, "line to Postgres stays "+x.name)
			h := &lined{line: newLine(t, "127.0.0.1:"+c.port)}
			h.house = newHouse(t, site{app: c.urlAt(h.line.address, store.AppRole, name), owner: c.url("postgres", name)})
			f, err := sellCard.fill(h.house, "")
			must(t, err)
			h.line.poison(t, x)
			began := time.Now()
			status, _, err := h.post(f)
			must(t, err)
			if took := time.Since(began); status != http.StatusServiceUnavailable || took > 40*time.Second {
				t.Errorf("answered %d after %s", status, took)
			}
			h.line.cure(t, x)
			h.ready(t)
			status, _, err = h.post(f)
			must(t, err)
			if status != http.StatusSeeOther {
				t.Errorf("the form sent again was answered %d", status)
			}
			h.start(t, "", windowsOver)
			h.follow(t)
			h.check(t)
		})
	}
}
