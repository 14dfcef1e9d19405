// Package counterfoil_test checks the walls of the house: which package may import which, where SQL may stand, and what
// templates may not contain. It reads sources and go list only, so it belongs to "make check".
package counterfoil_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/counterfoil/counterfoil"

// useCases are the rooms with the product's rules. None may import another: they meet in the store.
var useCases = []string{
	"services/payments", "services/devices", "services/batches", "services/schedules", "services/chargebacks",
	"services/receipts", "services/reports", "services/connections", "services/apikeys", "services/team",
	"services/signin", "services/support", "services/audit", "services/notify", "services/analytics",
}

// ruleNeeds is what the rooms with rules may import.
var ruleNeeds = []string{"services/store", "services/providers", "services/providers/httpclient", "services/secrets", "services/jobs/args", "services/domain", "services/money"}

// adapters are the provider systems that the product speaks with.
var adapters = []string{"handpoint", "cardflo", "cashflows", "cloudflow", "cloudpayments"}

// door says what the packages that match from may import of this module. "x/*" stands for the packages one level below
// x, "x/..." for x and everything below.
type door struct {
	from     []string
	to       []string
	not      []string // taken away from to
	stdlib   bool     // and nothing from other modules either
	noServer bool     // net/http for the type of a transport only: calls leave through providers/httpclient
}

// doors is the plan. The first row that matches a package counts, and a package without a row fails: a new room is a
// decision, and a new door is one too (docs/adr).
var doors = []door{
	{from: []string{"cmd/counterfoil"}, to: []string{"..."},
		not: []string{"services/sandbox/...", "e2e/...", "services/store/storetest", "services/providers/providertest"}},
	{from: []string{"cmd/sandbox"}, to: []string{"services/sandbox/..."}},
	{from: []string{"e2e/..."}},
	{from: []string{"handlers/..."},
		to: slices.Concat(useCases, []string{"services/webhooks", "services/events", "services/domain", "services/money", "views/...", "web"})},
	{from: []string{"views/..."}, to: []string{"views/...", "services/domain", "services/money", "static"}},
	{from: []string{"web"}, to: []string{"services/domain", "static"}},

	{from: []string{"services/payments"}, noServer: true, to: slices.Concat(ruleNeeds, []string{"services/failpoint"})},
	{from: useCases, noServer: true, to: ruleNeeds},
	{from: []string{"services/webhooks"}, noServer: true,
		to: slices.Concat(useCases, []string{"services/store", "services/providers", "services/jobs/args", "services/domain", "services/money", "services/failpoint"})},
	{from: []string{"services/jobs"}, noServer: true,
		to: slices.Concat(useCases, []string{"services/store", "services/providers", "services/secrets", "services/jobs/args", "services/domain", "services/money"})},
	{from: []string{"services/jobs/args"}, to: []string{"services/domain"}},
	{from: []string{"services/events"}, to: []string{"services/store", "services/domain"}},
	{from: []string{"services/secrets"}, to: []string{"services/domain"}},

	{from: []string{"services/providers"}, to: []string{"services/domain", "services/money"}},
	{from: []string{"services/providers/httpclient"}, to: []string{"services/providers", "services/domain"}},
	{from: []string{"services/providers/providertest"},
		to: []string{"services/providers", "services/domain", "services/money", "services/sandbox/..."}},
	{from: prefixed("services/providers/", adapters),
		to: []string{"services/providers", "services/providers/httpclient", "services/domain", "services/money"}},

	{from: []string{"services/store"}, to: []string{"services/domain", "services/money", "migrations", "services/jobs/args"}},
	{from: []string{"services/store/storetest"}, to: []string{"services/store", "migrations", "services/embeddedpg"}},
	{from: []string{"services/domain"}, to: []string{"services/money"}},

	{from: []string{"services/sandbox"}, to: []string{"services/sandbox/*"}},
	{from: []string{"services/sandbox/kit"}},
	{from: prefixed("services/sandbox/", adapters), to: []string{"services/sandbox/kit"}},

	{from: []string{"services/money", "services/embeddedpg", "services/failpoint", "migrations", "static"}, stdlib: true},
}

func prefixed(prefix string, names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, prefix+name)
	}
	return out
}

func matches(patterns []string, pkg string) bool {
	for _, p := range patterns {
		switch {
		case p == "...", p == pkg:
			return true
		case strings.HasSuffix(p, "/..."):
			if base := strings.TrimSuffix(p, "/..."); pkg == base || strings.HasPrefix(pkg, base+"/") {
				return true
			}
		case strings.HasSuffix(p, "/*"):
			if rest, ok := strings.CutPrefix(pkg, strings.TrimSuffix(p, "*")); ok && rest != "" && !strings.Contains(rest, "/") {
				return true
			}
		}
	}
	return false
}

// judge returns what is wrong with one package's imports, which are paths inside the module ("web") or outside it.
func judge(pkg string, imports []string) []string {
	at := slices.IndexFunc(doors, func(d door) bool { return matches(d.from, pkg) })
	if at < 0 {
		return []string{pkg + " has no row in the table of doors"}
	}
	d := doors[at]
	var wrong []string
	for _, to := range imports {
		ours, isOurs := strings.CutPrefix(to, module+"/")
		switch {
		case isOurs && ours == pkg:
		case isOurs && (!matches(d.to, ours) || matches(d.not, ours)):
			wrong = append(wrong, fmt.Sprintf("%s may not import %s", pkg, ours))
		case !isOurs && d.stdlib && strings.Contains(strings.Split(to, "/")[0], "."):
			wrong = append(wrong, fmt.Sprintf("%s may import the standard library only, not %s", pkg, to))
		}
	}
	return wrong
}

type listed struct {
	Dir        string
	ImportPath string
	GoFiles    []string
	Imports    []string
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=Dir,ImportPath,GoFiles,Imports"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

func (p listed) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func TestNoDoorIsOpenThatThePlanDoesNotHave(t *testing.T) {
	seen := 0
	for _, p := range goList(t, "./...") {
		if len(p.GoFiles) == 0 {
			continue // tests only, as here
		}
		seen++
		for _, wrong := range judge(p.name(), p.Imports) {
			t.Error(wrong)
		}
	}
	if seen < 5 {
		t.Errorf("only %d packages were found", seen)
	}
}

func TestTheTableOfDoorsRefusesWhatItShould(t *testing.T) {
	for _, tt := range []struct {
		pkg, imports string
		allowed      bool
	}{
		{"services/payments", "services/store", true},
		{"services/payments", "services/failpoint", true},
		{"services/connections", "services/failpoint", false},
		{"services/payments", "services/receipts", false},
		{"services/payments", "services/providers/cardflo", false},
		{"services/providers/cardflo", "services/providers/httpclient", true},
		{"services/providers/cardflo", "services/providers/handpoint", false},
		{"services/providers/cardflo", "services/store", false},
		{"services/providers/cardflo", "services/sandbox/cardflo", false},
		{"services/sandbox/cardflo", "services/sandbox/kit", true},
		{"services/sandbox/cardflo", "services/money", false},
		{"services/sandbox/cardflo", "services/sandbox/handpoint", false},
		{"services/domain", "services/store", false},
		{"views/pages", "views/components", true},
		{"views/pages", "web", false},
		{"views/pages", "services/payments", false},
		{"web", "services/money", false},
		{"handlers", "services/store", false},
		{"handlers", "services/providers", false},
		{"handlers/demo", "services/signin", true},
		{"cmd/counterfoil", "services/embeddedpg", true},
		{"cmd/counterfoil", "services/sandbox", false},
		{"cmd/counterfoil", "services/sandbox/kit", false},
		{"cmd/sandbox", "services/money", false},
		{"services/store", "services/embeddedpg", false},
		{"services/jobs", "services/embeddedpg", false},
		{"services/newroom", "services/money", false},
		{"services", "services/money", false},
	} {
		wrong := judge(tt.pkg, []string{"fmt", module + "/" + tt.imports})
		if (len(wrong) == 0) != tt.allowed {
			t.Errorf("%s -> %s: allowed should be %t, got %v", tt.pkg, tt.imports, tt.allowed, wrong)
		}
	}
	if wrong := judge("services/money", []string{"math", "golang.org/x/text/currency"}); len(wrong) != 1 {
		t.Errorf("money and another module: %v", wrong)
	}
}

func TestReleaseBinaryHoldsNoEmulator(t *testing.T) {
	for _, p := range goList(t, "-deps", "./cmd/counterfoil") {
		if matches([]string{"services/sandbox/...", "e2e/...", "services/store/storetest", "services/providers/providertest"}, p.name()) ||
			strings.HasPrefix(p.ImportPath, "github.com/playwright-community/") {
			t.Errorf("cmd/counterfoil holds %s", p.ImportPath)
		}
	}
}

func TestRulesReachProvidersOnlyThroughTheClient(t *testing.T) {
	for _, p := range goList(t, "./services/...") {
		at := slices.IndexFunc(doors, func(d door) bool { return matches(d.from, p.name()) })
		if at < 0 || !doors[at].noServer || !slices.Contains(p.Imports, "net/http") {
			continue
		}
		for _, file := range p.GoFiles {
			set, parsed := parse(t, filepath.Join(p.Dir, file))
			ast.Inspect(parsed, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "http" && sel.Sel.Name != "RoundTripper" {
					t.Errorf("%s: http.%s; here only the type http.RoundTripper may be named", set.Position(n.Pos()), sel.Sel.Name)
				}
				return true
			})
		}
	}
}

func parse(t *testing.T, path string) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return set, file
}

// sqlText recognises a statement by its shape. Keywords are all small or all capital letters, which tells them from a
// sentence such as "Select a card from the list".
var sqlText = regexp.MustCompile(`(?s)^\s*(` +
	`(select|SELECT)\s.+\s(from|FROM)\s|(select|SELECT)\s+\w+\(|` +
	`(insert|INSERT)\s+(into|INTO)\s|(delete|DELETE)\s+(from|FROM)\s|(update|UPDATE)\s+[\w."]+\s+(set|SET)\s|` +
	`(with|WITH)\s+\w+\s+(as|AS)\s*\(|(create|CREATE|alter|ALTER|drop|DROP)\s+(table|TABLE|role|ROLE|database|DATABASE|schema|SCHEMA|index|INDEX|policy|POLICY)\s|` +
	`(truncate|TRUNCATE|listen|LISTEN|notify|NOTIFY)\s+[\w."]+\s*$|(set|SET)\s+(local|LOCAL|role|ROLE)\s)`)

func TestSQLTextIsRecognised(t *testing.T) {
	for text, want := range map[string]bool{
		"select id from payments where id = $1":       true,
		"\n\tSELECT a,\n b\nFROM t":                   true,
		"select set_config('app.merchant_id', $1)":    true,
		"insert into payments (id) values ($1)":       true,
		"update payments set status = $1":             true,
		"delete from sessions":                        true,
		"with x as (select 1) select * from x":        true,
		"drop table payments":                         true,
		"set local app.merchant_id = 'x'":             true,
		"Select a card from the list.":                false,
		"The update of the payments set failed.":      false,
		"update your password":                        false,
		"select":                                      false,
		"create account":                              false,
		"Insert the card into the terminal and wait.": false,
	} {
		if got := sqlText.MatchString(text); got != want {
			t.Errorf("%q: SQL should be %t", text, want)
		}
	}
}

func TestSQLStandsOnlyInTheStoreAndTheMigrations(t *testing.T) {
	for _, p := range goList(t, "./...") {
		if matches([]string{"services/store/...", "migrations"}, p.name()) {
			continue
		}
		for _, driver := range []string{"github.com/jmoiron/sqlx", "github.com/lib/pq"} {
			if slices.Contains(p.Imports, driver) {
				t.Errorf("%s imports %s, which is the store's", p.name(), driver)
			}
		}
		for _, file := range p.GoFiles {
			set, parsed := parse(t, filepath.Join(p.Dir, file))
			ast.Inspect(parsed, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				if text, err := strconv.Unquote(lit.Value); err == nil && sqlText.MatchString(text) {
					t.Errorf("%s: SQL outside the store: %.60q", set.Position(n.Pos()), text)
				}
				return true
			})
		}
	}
}

// banned is what a template may not hold: unescaped output, and everything that the content security policy makes the
// browser ignore in silence.
var banned = map[string]*regexp.Regexp{
	"templ.Raw":               regexp.MustCompile(`templ\.Raw\b`),
	"hx-on":                   regexp.MustCompile(`\bhx-on\b`),
	"js: in an attribute":     regexp.MustCompile(`\b(js|javascript):`),
	"a trigger's [filter]":    regexp.MustCompile(`hx-trigger="[^"]*\[`),
	"an inline event handler": regexp.MustCompile(`\son[a-z]+=["{]`),
	"an inline style":         regexp.MustCompile(`\sstyle=["{]`),
	"an inline script":        regexp.MustCompile(`<script>|<script\s+(type="[^"]*"\s*)?>`),
}

func TestWhatTemplatesMayNotHoldIsRecognised(t *testing.T) {
	for text, want := range map[string]string{
		`@templ.Raw(v.HTML)`:                         "templ.Raw",
		`<a hx-on:click="x()">`:                      "hx-on",
		`<a hx-vals="js:{x}">`:                       "js: in an attribute",
		`<a href="javascript:x()">`:                  "js: in an attribute",
		`<a hx-trigger="keyup[ctrlKey]">`:            "a trigger's [filter]",
		`<a onclick="x()">`:                          "an inline event handler",
		`<a style="color: red">`:                     "an inline style",
		`<script>x()</script>`:                       "an inline script",
		`<script src={ url } defer></script>`:        "",
		`<a hx-get="/x" hx-trigger="load, sse:on">`:  "",
		`<option value="x" selected?={ v.Is("x") }>`: "",
	} {
		var found []string
		for what, pattern := range banned {
			if pattern.MatchString(text) {
				found = append(found, what)
			}
		}
		if got := strings.Join(found, ", "); got != want {
			t.Errorf("%s: found %q, want %q", text, got, want)
		}
	}
}

func TestTemplatesHoldNothingThatThePolicyForbids(t *testing.T) {
	seen := 0
	for _, dir := range []string{"views", "handlers", "web"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".templ" {
				return err
			}
			seen++
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i, line := range strings.Split(string(text), "\n") {
				for what, pattern := range banned {
					if pattern.MatchString(line) {
						t.Errorf("%s:%d: %s: %s", path, i+1, what, strings.TrimSpace(line))
					}
				}
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Error("no template was found")
	}
}
