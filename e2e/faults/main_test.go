// Package faults kills the real product with SIGKILL between any two steps of a
// payment, starts it again over the same database, and asks whether a penny was
// lost or doubled. The provider's side of the question is answered by the
// emulators, which run as processes of their own and outlive every crash.
package faults

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	armedEnv  = "COUNTERFOIL_TEST_FAILPOINT"
	offsetEnv = "COUNTERFOIL_TEST_CLOCK_OFFSET"
	// houses is how many products run at the same time. They mostly wait: for
	// the queue's next look, for a provider.
	houses = 10
)

// binaries is the folder with the product that can be killed, and the sandbox.
var binaries string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(houses)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "counterfoil-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries = dir
	for _, args := range [][]string{{"-tags", "faults", "./cmd/counterfoil"}, {"./cmd/sandbox"}} {
		if err := build(dir+string(filepath.Separator), args...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

func build(out string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", args, err, text)
	}
	return nil
}

func TestReleasedBinaryCannotBeKilledByName(t *testing.T) {
	released := filepath.Join(t.TempDir(), "counterfoil")
	if err := build(released, "./cmd/counterfoil"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{released: false, filepath.Join(binaries, "counterfoil"): true} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, marker := range []string{armedEnv, offsetEnv} {
			if got := bytes.Contains(text, []byte(marker)); got != want {
				t.Errorf("%s holds %s: %t, want %t", path, marker, got, want)
			}
		}
	}
}
