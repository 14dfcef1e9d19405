package providers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// COVERAGE.md names, for each endpoint, code and word of the providers'
// documents, the tests that show it. This test keeps it from rotting: each
// named test exists, each system has its section, and every route of an
// emulator is named.
func TestCoverageNamesTestsThatExist(t *testing.T) {
	raw, err := os.ReadFile("COVERAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]int{}
	covered := map[string]string{} // by section
	section := ""
	for n, line := range strings.Split(string(raw), "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section, _, _ = strings.Cut(title, ":")
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.Trim(line, "|-: ") == "" || strings.TrimSpace(cells[0]) == "what" {
			continue
		}
		sections[section]++
		covered[section] += cells[0] + "\n"
		tests := strings.TrimSpace(cells[2])
		if why, ok := strings.CutPrefix(tests, "not built:"); ok {
			if strings.TrimSpace(why) == "" {
				t.Errorf("line %d: not built, without a reason", n+1)
			}
			continue
		}
		names := testName.FindAllStringSubmatch(tests, -1)
		if len(names) == 0 {
			t.Errorf("line %d names no test: %s", n+1, line)
		}
		for _, m := range names {
			if !testsOf(t, filepath.Join("..", m[1]))[m[2]] {
				t.Errorf("line %d names %s.%s, which is not there", n+1, m[1], m[2])
			}
		}
	}
	for system, least := range map[string]int{"cardflo": 70, "handpoint": 50, "cashflows": 60, "cloudflow": 14, "cloudpayments": 7} {
		if sections[system] < least {
			t.Errorf("%s has %d rows, expected at least %d", system, sections[system], least)
		}
		routes := routesOf(t, filepath.Join("..", "sandbox", system))
		if len(routes) < 2 {
			t.Errorf("only %d routes of the emulator of %s were found", len(routes), system)
		}
		for _, route := range routes {
			if !strings.Contains(covered[system], route) {
				t.Errorf("the emulator of %s answers %s, which COVERAGE.md does not name", system, route)
			}
		}
	}
}

var (
	testName = regexp.MustCompile(`((?:providers|sandbox)/[a-z]+|providers|webhooks|payments|connections)\.(Test[A-Za-z0-9_]+)`)
	// A route of an emulator's table: "POST "+BasePath+"/moto/sale"; its path may
	// stand in a constant.
	routed  = regexp.MustCompile(`Handle.*"(?:GET|POST|PATCH|HEAD) `)
	literal = regexp.MustCompile(`"(/[a-zA-Z0-9_{}/.-]+)"`)
	named   = regexp.MustCompile(`^\s*[A-Z][a-zA-Z]*Path\s*=\s*"(/[a-z0-9/-]+)"`)
	scanned = map[string]map[string]bool{}
)

func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	if got, ok := scanned[dir]; ok {
		return got
	}
	got := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				got[fn.Name.Name] = true
			}
		}
	}
	scanned[dir] = got
	return got
}

// routesOf lists the distinguishing ends of an emulator's routes: what follows
// the last variable part.
func routesOf(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(src), "\n") {
			found := named.FindAllStringSubmatch(line, -1)
			if routed.MatchString(line) {
				found = literal.FindAllStringSubmatch(line, -1)
			}
			for _, m := range found {
				path := m[1]
				if i := strings.LastIndex(path, "}"); i >= 0 && i < len(path)-1 {
					path = path[i+1:]
				} else if i >= 0 {
					path = path[:strings.IndexByte(path, '{')]
				}
				if path = strings.Trim(path, "/"); path != "" {
					out = append(out, path)
				}
			}
		}
	}
	return out
}
