package main

import (
	"io"
	"strings"
	"testing"
)

func summarise(t *testing.T, commandFailed bool, lines ...string) (*summary, string) {
	t.Helper()
	var out strings.Builder
	s := newSummary(&out)
	if err := s.read(strings.NewReader(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	s.close(commandFailed)
	return s, out.String()
}

func TestLeavesAreCountedAndReasonsAreShown(t *testing.T) {
	s, out := summarise(t, true,
		`{"Action":"run","Package":"p","Test":"TestA"}`,
		`{"Action":"run","Package":"p","Test":"TestA/one"}`,
		`{"Action":"run","Package":"p","Test":"TestA/two"}`,
		`{"Action":"output","Package":"p","Test":"TestA/two","Output":"    a_test.go:9: it broke\n"}`,
		`{"Action":"pass","Package":"p","Test":"TestA/one","Elapsed":0.5}`,
		`{"Action":"fail","Package":"p","Test":"TestA/two","Elapsed":1.5}`,
		`{"Action":"fail","Package":"p","Test":"TestA","Elapsed":2}`,
		`{"Action":"run","Package":"p","Test":"TestB"}`,
		`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: no browser here\n"}`,
		`{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}`,
		`{"Action":"fail","Package":"p","Elapsed":3}`,
	)
	if s.passed != 1 || s.failed != 1 || s.skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped", s.passed, s.failed, s.skipped)
	}
	for _, want := range []string{"it broke", "skip  p TestB: no browser here", "1.50s  p TestA/two", "\n1 passed, 1 failed, 1 skipped\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
}

func TestASkippedBrowserTestIsAFailureWhereABrowserIsNeeded(t *testing.T) {
	for _, needed := range []bool{false, true} {
		s := newSummary(io.Discard)
		s.needBrowser = needed
		for _, line := range []string{
			`{"Action":"run","Package":"p","Test":"TestB"}`,
			`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: there is no Chromium\n"}`,
			`{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}`,
		} {
			if err := s.read(strings.NewReader(line)); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.failed == 1; got != needed || s.failed+s.skipped != 1 {
			t.Errorf("needed %t: %d failed, %d skipped", needed, s.failed, s.skipped)
		}
	}
}

func TestAPackageThatDoesNotCompileIsAFailure(t *testing.T) {
	s, out := summarise(t, true,
		`{"ImportPath":"p [p.test]","Action":"build-output","Output":"p.go:1: undefined: x\n"}`,
		`{"ImportPath":"p [p.test]","Action":"build-fail"}`,
		`{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p [p.test]"}`,
	)
	if s.failed != 1 || !strings.Contains(out, "undefined: x") {
		t.Errorf("%d failed:\n%s", s.failed, out)
	}
}

func TestACommandThatFailsSilentlyIsAFailure(t *testing.T) {
	if s, _ := summarise(t, true); s.failed != 1 {
		t.Errorf("%d failed", s.failed)
	}
	if s, _ := summarise(t, false); s.failed != 0 {
		t.Errorf("%d failed", s.failed)
	}
}

func TestAPanicOutsideATestIsShown(t *testing.T) {
	s, out := summarise(t, true,
		`{"Action":"output","Package":"p","Output":"panic: in TestMain\n"}`,
		`{"Action":"fail","Package":"p","Elapsed":0}`,
	)
	if s.failed != 1 || !strings.Contains(out, "panic: in TestMain") {
		t.Errorf("%d failed:\n%s", s.failed, out)
	}
}
