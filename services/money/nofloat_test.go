package money_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestNoFloatInThePackage reads the syntax of every file, tests included: no floating-point type, no floating-point
// literal, and no import whose business is floating point.
func TestNoFloatInThePackage(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		read++
		src, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range floats(t, f.Name(), src) {
			t.Error(found)
		}
	}
	if read < 4 {
		t.Fatalf("only %d files were read", read)
	}
}

func TestTheFloatCheckFindsFloats(t *testing.T) {
	src := []byte("package p\nimport \"math/cmplx\"\nvar a float64\nvar b = 1.5\nfunc c(x float32) complex128 { return 0 }\nvar _ = cmplx.Inf\nvar d = x.ParseFloat\n")
	if got := floats(t, "sample.go", src); len(got) != 6 {
		t.Errorf("found %d of 6: %v", len(got), got)
	}
}

func floats(t *testing.T, name string, src []byte) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	report := func(n ast.Node, what string) { found = append(found, set.Position(n.Pos()).String()+": "+what) }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			switch n.Name {
			case "float32", "float64", "complex64", "complex128", "ParseFloat", "FormatFloat", "AppendFloat", "Float64", "Float32":
				report(n, n.Name)
			}
		case *ast.BasicLit:
			if n.Kind == token.FLOAT || n.Kind == token.IMAG {
				report(n, n.Value)
			}
		case *ast.ImportSpec:
			if path, _ := strconv.Unquote(n.Path.Value); path == "math/cmplx" {
				report(n, path)
			}
		}
		return true
	})
	return found
}
