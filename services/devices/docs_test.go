package devices_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/domain"
)

func TestTheTableOfCommandsNamesTestsThatExist(t *testing.T) {
	raw, err := os.ReadFile("../../docs/terminals.md")
	must(t, err)
	_, section, found := strings.Cut(string(raw), "\n## Commands\n")
	if !found {
		t.Fatal("docs/terminals.md has no section on commands")
	}
	section, _, _ = strings.Cut(section, "\n## Operations")
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		all.Write(text)
	}
	named := 0
	for _, m := range regexp.MustCompile(`devices\.(Test\w+)`).FindAllStringSubmatch(section, -1) {
		named++
		if !strings.Contains(all.String(), "func "+m[1]+"(t *testing.T)") {
			t.Errorf("the table names %s, which is not there", m[1])
		}
	}
	if named < 20 {
		t.Errorf("only %d tests are named", named)
	}
	for _, name := range append([]domain.DeviceCommandName{domain.CommandPrint, domain.CommandStop}, devices.Commands...) {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(string(name)) + "` \\|.*devices\\.Test").FindString(section)
		if row == "" {
			t.Errorf("%s has no row with a test", name)
		}
	}
}
