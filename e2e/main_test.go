// Package e2e_test builds the real binaries and drives them as a black box, with a real browser, a real database and the
// provider emulators. It imports nothing of ours: whatever it knows of the product, a person or an operator could know
// too. Every page that a test comes to is checked for accessibility, for the page's own policy, for uncaught errors and
// for requests to strangers; pictures of them go to e2e/artefacts.
package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"
)

// patience is how long anything may take before a test gives up. The machine may be busy with other packages' tests.
const patience = time.Minute

var (
	rootDir   string // the checkout
	workDir   string // everything that a run leaves on the disk, removed at its end
	artefacts string // pictures, kept

	browser playwright.Browser
	expect  playwright.PlaywrightAssertions
	axe     string // its source

	shop *product // the demo that most tests share
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// needed says that a missing browser is an error and not a reason to skip.
func needed() bool {
	return os.Getenv("CI") != "" || os.Getenv("COUNTERFOIL_TEST_NEED_BROWSER") == "1"
}

func run(m *testing.M) int {
	began := time.Now()
	// Much of the time goes into waiting for pages, also on a small machine.
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", "4"); err != nil {
			fmt.Fprintln(os.Stderr, "browser tests:", err)
			return 1
		}
	}
	err := prepare()
	defer tidy()
	var none *noBrowser
	switch {
	case errors.As(err, &none) && !needed():
		fmt.Println("the browser tests are skipped:", none)
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		return 1
	}
	// The go command's own limit would leave our processes behind.
	limit := time.AfterFunc(9*time.Minute, func() {
		fmt.Fprintln(os.Stderr, "browser tests: not done after nine minutes")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		stopAll()
		os.Exit(1)
	})
	code := m.Run()
	limit.Stop()
	if code == 0 && !theWholeRunWasClean() {
		code = 1
	}
	shop.stop()
	printVisits()
	fmt.Printf("browser tests took %s\n", time.Since(began).Round(100*time.Millisecond))
	return code
}

// noBrowser is why there is no browser.
type noBrowser struct{ why string }

func (e *noBrowser) Error() string { return e.why }

func prepare() error {
	var err error
	if rootDir, err = filepath.Abs(".."); err != nil {
		return err
	}
	artefacts = filepath.Join(rootDir, "e2e", "artefacts")
	if err := os.RemoveAll(artefacts); err != nil {
		return err
	}
	if err := os.MkdirAll(artefacts, 0o755); err != nil {
		return err
	}
	// Postgres of root runs as nobody, who must be able to come here.
	if workDir, err = os.MkdirTemp("", "cf-e2e-"); err != nil {
		return err
	}
	if err := os.Chmod(workDir, 0o755); err != nil {
		return err
	}
	if err := startBrowser(); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(workDir, "bin"), 0o755); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(workDir, "bin")+"/", "./cmd/counterfoil", "./cmd/sandbox")
	build.Dir = rootDir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	shop, err = startDemo("shop")
	return err
}

var driver *playwright.Playwright

func startBrowser() error {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return &noBrowser{"no Chromium was found: install chromium or google-chrome so that it is on the PATH"}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return &noBrowser{"no node was found, which drives the browser"}
	}
	core := filepath.Join(rootDir, "node_modules", "playwright-core")
	source, err := os.ReadFile(filepath.Join(rootDir, "node_modules", "axe-core", "axe.min.js"))
	if _, missing := os.Stat(core); err != nil || missing != nil {
		return &noBrowser{"the browser's driver is not installed: npm ci"}
	}
	axe = string(source) + ";0"
	folder := filepath.Join(workDir, "driver")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(core, filepath.Join(folder, "package")); err != nil {
		return err
	}
	if err := os.Setenv("PLAYWRIGHT_NODEJS_PATH", node); err != nil {
		return err
	}
	if driver, err = playwright.Run(&playwright.RunOptions{DriverDirectory: folder, SkipInstallBrowsers: true}); err != nil {
		return fmt.Errorf("browser driver: %w", err)
	}
	browser, err = driver.Chromium.Launch(playwright.BrowserTypeLaunchOptions{
		ExecutablePath: playwright.String(path),
		Args:           []string{"--no-sandbox", "--disable-gpu", "--disable-background-networking"},
	})
	if err != nil {
		return fmt.Errorf("%s does not start: %w", path, err)
	}
	expect = playwright.NewPlaywrightAssertions(float64(patience.Milliseconds()))
	return nil
}

func tidy() {
	if browser != nil {
		_ = browser.Close()
	}
	if driver != nil {
		_ = driver.Stop()
	}
	stopAll()
	if workDir != "" && strings.Contains(workDir, "cf-e2e-") {
		_ = os.RemoveAll(workDir)
	}
}

// theWholeRunWasClean asks what only the end of the run can tell: the server was told of no violated policy and wrote
// down no failure of its own.
func theWholeRunWasClean() bool {
	clean := true
	for _, line := range shop.logLines() {
		// Both are brought about by a test.
		if strings.Contains(line, stranger) || strings.Contains(line, "a callback needs a person") {
			continue
		}
		for _, bad := range []string{"content security policy violated", `"level":"ERROR"`, "panic"} {
			if strings.Contains(line, bad) {
				fmt.Println("the product's log has:", line)
				clean = false
			}
		}
	}
	return clean
}
