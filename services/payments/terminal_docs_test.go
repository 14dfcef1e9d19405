package payments_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documentOperations are those of POST /transactions (seed 004, "Transactions",
// and the provider's public document, Operation Type).
var documentOperations = []string{"sale", "saleAndTokenizeCard", "tokenizeCard", "refund", "saleReversal", "refundReversal", "preAuthorization", "preAuthorizationIncrease",
	"preAuthorizationCapture", "preAuthorizationReversal", "moToSale", "moToRefund", "moToReversal", "moToPreAuthorization", "stopCurrentTransaction", "printReceipt",
	"pingDevice", "update", "cardPan"}

func TestTheTableOfOperationsNamesTestsThatExist(t *testing.T) {
	raw, err := os.ReadFile("../../docs/terminals.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(raw), "## Operations\n")
	if !found {
		t.Fatal("docs/terminals.md has no section of operations")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	named := regexp.MustCompile(`([a-z]+(?:/[a-z]+)?)\.(Test[A-Za-z0-9_]+)`)
	var rows []string
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) == 3 && strings.HasPrefix(strings.TrimSpace(cells[0]), "`") {
			rows = append(rows, strings.Trim(strings.TrimSpace(cells[0]), "`"))
			if !named.MatchString(cells[2]) {
				t.Errorf("%s names no test", cells[0])
			}
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			if !testIsThere(t, filepath.Join("..", m[1]), m[2]) {
				t.Errorf("%s.%s is not there", m[1], m[2])
			}
		}
	}
	slices.Sort(rows)
	want := slices.Sorted(slices.Values(documentOperations))
	if !slices.Equal(rows, want) {
		t.Errorf("the table has %v, want %v", rows, want)
	}
	for _, o := range terminalOps {
		if !slices.Contains(documentOperations, o.name) {
			t.Errorf("%s is no operation of the document", o.name)
		}
	}
}

func testIsThere(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
				return true
			}
		}
	}
	return false
}
