package gallery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
)

type axeResult struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Every page in every state: no axe violation, no sideways scroll. With
// COUNTERFOIL_GALLERY set to a folder it also takes pictures, at every width
// and in both schemes.
func TestEveryPageIsAccessibleAndFits(t *testing.T) {
	needBrowser(t)
	axe, err := os.ReadFile(root + "/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal("axe is not installed (npm ci): ", err)
	}
	s := serve(t, "token")
	shots := os.Getenv("COUNTERFOIL_GALLERY")
	only := os.Getenv("COUNTERFOIL_GALLERY_ONLY")
	type view struct {
		name   string
		width  int
		height int
		scheme *playwright.ColorScheme
	}
	views := []view{{"360-light", 360, 740, playwright.ColorSchemeLight}, {"1440-dark", 1440, 900, playwright.ColorSchemeDark}}
	if shots != "" {
		views = append(views, view{"360-dark", 360, 740, playwright.ColorSchemeDark}, view{"768-light", 768, 1024, playwright.ColorSchemeLight}, view{"1440-light", 1440, 900, playwright.ColorSchemeLight})
	}
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			ctx, err := needBrowser(t).NewContext(playwright.BrowserNewContextOptions{
				Viewport: &playwright.Size{Width: v.width, Height: v.height}, ColorScheme: v.scheme, ReducedMotion: playwright.ReducedMotionReduce,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ctx.Close() }()
			page, err := ctx.NewPage()
			if err != nil {
				t.Fatal(err)
			}
			page.OnConsole(func(m playwright.ConsoleMessage) {
				if m.Type() == "error" {
					t.Errorf("%s: console: %s", page.URL(), m.Text())
				}
			})
			for _, sm := range samples("", "") {
				if only != "" && !strings.Contains(","+only+",", ","+sm.name+",") {
					continue
				}
				if _, err := page.Goto(s.url + "/g/" + sm.name); err != nil {
					t.Fatal(err)
				}
				if sm.open != "" {
					if _, err := page.Evaluate("id => document.getElementById(id).showModal()", sm.open); err != nil {
						t.Fatal(err)
					}
				}
				wide, err := page.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
				if err != nil {
					t.Fatal(err)
				}
				if wide != 0 {
					t.Errorf("%s: scrolls sideways by %v px", sm.name, wide)
				}
				if shots != "" {
					if _, err := page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(filepath.Join(shots, sm.name+"-"+v.name+".png")), FullPage: playwright.Bool(true)}); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := page.Evaluate(string(axe) + ";0"); err != nil {
					t.Fatal(err)
				}
				raw, err := page.Evaluate(`async () => JSON.stringify((await axe.run(document, {runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"], iframes: false, preload: false, resultTypes: ["violations"]})).violations)`)
				if err != nil {
					t.Fatal(err)
				}
				var found []axeResult
				if err := json.Unmarshal([]byte(raw.(string)), &found); err != nil {
					t.Fatal(err)
				}
				for _, f := range found {
					for _, n := range f.Nodes {
						t.Errorf("%s: axe %s: %s\n  %s\n  %s", sm.name, f.ID, f.Help, n.HTML, strings.ReplaceAll(n.Summary, "\n", "\n  "))
					}
				}
			}
		})
	}
}

// Columns have priorities so that the ledger never scrolls inside its sheet at
// an ordinary width.
func TestTheLedgerFitsItsSheetAtEveryWidth(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/payments", playwright.BrowserNewContextOptions{})
	for _, width := range []int{360, 480, 767, 768, 1023, 1024, 1151, 1152, 1199, 1200, 1279, 1280, 1440, 1535, 1536, 1920} {
		must(t, page.SetViewportSize(width, 800))
		over := eval(t, page, `() => { const s = document.querySelector("#results .scroll"); return Math.max(s.scrollWidth - s.clientWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth); }`)
		if over != 0 {
			t.Errorf("at %d px it is %v px too wide", width, over)
		}
	}
}
