// Command testsum runs "go test -json" and tells its result briefly: one line per package, the whole output of what
// failed, the reason of what was skipped, the ten slowest tests, and a closing line of totals. Its exit status is not
// zero when anything failed, a package that does not compile included. With COUNTERFOIL_TEST_NEED_BROWSER=1 a test
// that is skipped for want of a browser has failed too.
//
// Usage: testsum [arguments of go test]
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		fail(err)
	}
	if err := cmd.Start(); err != nil {
		fail(err)
	}
	s := newSummary(os.Stdout)
	s.needBrowser = os.Getenv("COUNTERFOIL_TEST_NEED_BROWSER") == "1"
	if err := s.read(out); err != nil {
		fail(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fail(err)
	}
	s.close(err != nil)
	if s.failed > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "testsum:", err)
	os.Exit(1)
}

// event is a line of go test -json; see go doc cmd/test2json and go help buildjson.
type event struct {
	Action      string
	ImportPath  string // of build events
	Package     string
	Test        string
	Elapsed     json.Number
	Output      string
	FailedBuild string
}

type test struct {
	pkg, name string
	took      time.Duration
}

type summary struct {
	to                      io.Writer
	needBrowser             bool
	passed, failed, skipped int
	tests                   []test
	output                  map[[2]string]*strings.Builder // by package and test; "" is the package's own output
	parents                 map[[2]string]bool             // tests with subtests: those count, not the test
	badChild                map[[2]string]bool             // ... and one of those failed
	failedIn                map[string]int                 // failed tests by package
	build                   map[string]*strings.Builder    // compiler output by import path
}

func newSummary(to io.Writer) *summary {
	return &summary{
		to:       to,
		output:   map[[2]string]*strings.Builder{},
		parents:  map[[2]string]bool{},
		badChild: map[[2]string]bool{},
		failedIn: map[string]int{},
		build:    map[string]*strings.Builder{},
	}
}

func (s *summary) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.to, format, args...) }

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				s.printf("%s", line)
			} else {
				s.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		if s.build[e.ImportPath] == nil {
			s.build[e.ImportPath] = &strings.Builder{}
		}
		s.build[e.ImportPath].WriteString(e.Output)
	case "run":
		if parent, _, ok := cutLast(e.Test); ok {
			s.parents[[2]string{e.Package, parent}] = true
		}
	case "output":
		if s.output[key] == nil {
			s.output[key] = &strings.Builder{}
		}
		s.output[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.endTest(e, key)
		}
	}
}

func (s *summary) endTest(e event, key [2]string) {
	took, _ := time.ParseDuration(e.Elapsed.String() + "s")
	leaf := !s.parents[key]
	if leaf {
		s.tests = append(s.tests, test{e.Package, e.Test, took})
	}
	switch e.Action {
	case "pass":
		if leaf {
			s.passed++
		}
	case "skip":
		why := reason(s.output[key])
		if s.needBrowser && aboutBrowser.MatchString(why) {
			s.failed++
			s.printf("FAIL  %s %s was skipped: %s\n", e.Package, e.Test, why)
			break
		}
		if leaf {
			s.skipped++
		}
		s.printf("skip  %s %s: %s\n", e.Package, e.Test, why)
	case "fail":
		if parent, _, ok := cutLast(e.Test); ok {
			s.badChild[[2]string{e.Package, parent}] = true
		}
		s.failedIn[e.Package]++
		// A test that fails only because a subtest did is the same failure.
		if leaf || !s.badChild[key] {
			s.failed++
		}
		s.printf("\nFAIL  %s %s\n%s\n", e.Package, e.Test, text(s.output[key]))
	}
	delete(s.output, key)
}

func (s *summary) endPackage(e event) {
	switch e.Action {
	case "pass":
		s.printf("ok    %s  %ss\n", e.Package, e.Elapsed)
	case "skip":
		// No test files.
	case "fail":
		if s.failedIn[e.Package] == 0 {
			// It did not compile, or died outside any test's own failure.
			s.failed++
			s.printf("\nFAIL  %s\n", e.Package)
			if b := s.build[e.FailedBuild]; b != nil {
				s.printf("%s", b)
			}
			for key, b := range s.output {
				if key[0] == e.Package {
					s.printf("%s", b)
				}
			}
			s.printf("\n")
		} else {
			s.printf("FAIL  %s  %ss\n", e.Package, e.Elapsed)
		}
	}
	for key := range s.output {
		if key[0] == e.Package {
			delete(s.output, key)
		}
	}
}

// close prints the slowest tests and the totals. A go test that failed without saying where counts as one failure.
func (s *summary) close(commandFailed bool) {
	if commandFailed && s.failed == 0 {
		s.failed++
		for path, b := range s.build {
			s.printf("\nFAIL  %s\n%s", path, b)
		}
	}
	slices.SortStableFunc(s.tests, func(a, b test) int { return cmp.Compare(b.took, a.took) })
	s.printf("\nThe slowest tests:\n")
	for i, t := range s.tests {
		if i == 10 || t.took == 0 {
			break
		}
		s.printf("%7.2fs  %s %s\n", t.took.Seconds(), t.pkg, t.name)
	}
	s.printf("\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
}

// aboutBrowser recognises the reason of a skip that lacks a part of the browser tests.
var aboutBrowser = regexp.MustCompile(`(?i)browser|chrom|playwright|\baxe\b`)

// cutLast splits a subtest's name into its parent and itself.
func cutLast(name string) (parent, last string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}

// reason takes what t.Skip printed out of a test's output.
func reason(b *strings.Builder) string {
	var lines []string
	for line := range strings.Lines(text(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		// "file_test.go:12: why"
		if where, why, ok := strings.Cut(line, ": "); ok && strings.Contains(where, ".go:") {
			line = why
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return "no reason was given"
	}
	return strings.Join(lines, " ")
}
