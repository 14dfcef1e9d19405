// Package faults breaks the real product in every way that a house breaks: it
// is killed with SIGKILL between any two steps of an operation, its lines to the
// provider and to Postgres are cut, Postgres is killed, and two products work on
// one database. Then it asks whether a penny was lost or doubled. The provider's
// side of the question is answered by the emulators, which run as processes of
// their own and outlive every crash.
//
// FAULT_RUNS is how many crashes there are at least; without it each happens
// once. FAULT_SEED repeats the order of a run that printed it.
package faults

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/counterfoil/counterfoil/services/failpoint"
)

const (
	armedEnv  = "COUNTERFOIL_TEST_FAILPOINT"
	offsetEnv = "COUNTERFOIL_TEST_CLOCK_OFFSET"
	pollEnv   = "COUNTERFOIL_TEST_POLL"
	// houses is how many products run at the same time. They mostly wait: for
	// the queue's next look, for a provider.
	houses = 10
)

var (
	// binaries is the folder with the product that can be killed, and the sandbox.
	binaries string
	// runs is how many crashes there are at least.
	runs int
	seed uint64
	// atEnd is what the run has to clean up behind it.
	atEnd []func()
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := flag.Set("test.parallel", fmt.Sprint(houses)); err != nil {
		return fail(err)
	}
	seed = uint64(time.Now().UnixNano())
	for name, set := range map[string]func(uint64){"FAULT_RUNS": func(n uint64) { runs = int(n) }, "FAULT_SEED": func(n uint64) { seed = n }} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 63)
			if err != nil {
				return fail(fmt.Errorf("%s: %w", name, err))
			}
			set(n)
		}
	}
	dir, err := os.MkdirTemp("", "counterfoil-faults-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries = dir
	for _, args := range [][]string{{"-tags", "faults", "./cmd/counterfoil"}, {"./cmd/sandbox"}} {
		if err := build(".", dir+string(filepath.Separator), args...); err != nil {
			return fail(err)
		}
	}
	defer func() {
		for _, f := range atEnd {
			f()
		}
	}()
	began := time.Now()
	code := m.Run()
	scores.print(os.Stdout, time.Since(began))
	return code
}

// build compiles a program of the module in a folder of the checkout.
func build(module, out string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	cmd.Dir = filepath.Join("..", "..", module)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", args, err, text)
	}
	return nil
}

// random is the run's luck; each use has a stream of its own.
func random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// board counts the runs and those that broke a rule, by what was done and what
// went wrong meanwhile.
type board struct {
	mu    sync.Mutex
	cells map[[2]string]*cell
	order []string // of the rows
}

type cell struct{ runs, violations int }

var scores = board{cells: map[[2]string]*cell{}}

// count is called once for each run, when it is over.
func (b *board) count(t testing.TB, action, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{action, fault}
	if b.cells[key] == nil {
		b.cells[key] = &cell{}
	}
	if !slices.Contains(b.order, action) {
		b.order = append(b.order, action)
	}
	b.cells[key].runs++
	if t.Failed() {
		b.cells[key].violations++
	}
}

// print writes the table: a line for each action, and in it each fault with its
// runs and, where there were any, its violations.
func (b *board) print(w io.Writer, took time.Duration) {
	if len(b.cells) == 0 {
		return
	}
	var keys [][2]string
	for key := range b.cells {
		keys = append(keys, key)
	}
	slices.Sort(b.order)
	slices.SortFunc(keys, func(a, c [2]string) int {
		return cmp.Or(cmp.Compare(slices.Index(b.order, a[0]), slices.Index(b.order, c[0])), cmp.Compare(a[1], c[1]))
	})
	total := cell{}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tab, "action\tfault\truns\tviolations")
	for _, key := range keys {
		c := b.cells[key]
		total.runs += c.runs
		total.violations += c.violations
		_, _ = fmt.Fprintf(tab, "%s\t%s\t%d\t%d\n", key[0], key[1], c.runs, c.violations)
	}
	_ = tab.Flush()
	_, _ = fmt.Fprintf(w, "%d runs, %d violations, %s, seed %d\n", total.runs, total.violations, took.Round(time.Second), seed)
}

func TestReleasedBinaryCannotBeKilledByName(t *testing.T) {
	t.Parallel()
	released := filepath.Join(t.TempDir(), "counterfoil")
	if err := build(".", released, "./cmd/counterfoil"); err != nil {
		t.Fatal(err)
	}
	// No name of a line, no variable that arms one, moves the clock or hurries
	// the queue, and no function of the package.
	markers := []string{armedEnv, offsetEnv, pollEnv, "services/failpoint",
		failpoint.Checked, failpoint.Opening, failpoint.Opened, failpoint.Sending, failpoint.Answered, failpoint.Judged,
		failpoint.Settling, failpoint.Settled, failpoint.Asking, failpoint.Told}
	for path, want := range map[string]bool{released: false, filepath.Join(binaries, "counterfoil"): true} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, marker := range markers {
			if got := bytes.Contains(text, []byte(marker)); got != want {
				t.Errorf("%s holds %q: %t, want %t", path, marker, got, want)
			}
		}
	}
}

// word is a point as a table shows it.
func word(point string) string { return strings.TrimPrefix(point, "line:") }
