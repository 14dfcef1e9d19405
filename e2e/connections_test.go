package e2e_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// The emulator's published keys (services/sandbox/README.md).
const (
	handpointKey    = "hp-sandbox-key"
	handpointNewKey = "hp-sandbox-other-key"
	demoPassword    = "counterfoil-demo-tour"
	connectionPage  = `/connections/[0-9a-f-]{36}`
)

func (v *visitor) id(id string) playwright.Locator { return v.page.Locator("#" + id) }

func (v *visitor) summary(text string) playwright.Locator {
	return v.page.Locator("main summary").Filter(playwright.LocatorFilterOptions{HasText: text})
}

// there says whether something is on the page as it is now.
func (v *visitor) there(l playwright.Locator) bool {
	v.t.Helper()
	n, err := l.Count()
	must(v.t, err)
	return n > 0
}

// Several tests share the owner's session, and with it the sentence that is shown
// once: what a step did is looked for in the page itself.

// addConnection fills the form of a Handpoint account at the emulators.
func (v *visitor) addConnection(name string) {
	v.t.Helper()
	v.goTo("/connections")
	v.follow("Add a connection")
	v.at("/connections/new")
	v.click(v.roleLike("link", "^Handpoint"))
	v.at(`/connections/new\?provider=handpoint`)
	v.fill(v.id("name"), name)
	v.fill(v.id("base_url"), v.site.sandbox+"/handpoint")
	v.fill(v.id("f-apiKey"), handpointKey)
	v.press("Add connection")
	v.at(connectionPage)
	v.sees(name, "Active", "What it can do")
}

// confirmNew takes the second step, with the provider's word where it can be
// asked and by hand where it cannot.
func (v *visitor) confirmNew() {
	v.t.Helper()
	if v.there(v.id("checked")) {
		v.choose("I have checked the new credentials at Handpoint")
	}
	v.press("Confirm the new credentials")
	v.shows(v.role("button", "Switch to the new credentials"))
}

func (v *visitor) removeConnection(name string) {
	v.t.Helper()
	v.click(v.summary("Remove this connection"))
	v.press("Remove connection")
	v.at("/connections")
	v.has(v.role("link", name), 0)
}

func TestAConnectionIsAddedTestedReplacedPausedAndRemoved(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.brings("422", "429")
	v.goTo("/connections")
	v.sees("Card by phone", "Saved cards", "Cardflo", "Handpoint", "Test mode.")
	v.everyWidth("connections")
	v.goTo("/connections/new")
	v.everyWidth("which system")
	v.click(v.roleLike("link", "^Cardflo"))
	v.everyWidth("form of a connection")
	v.fill(v.id("base_url"), "https://192.168.1.1/api")
	v.press("Add connection")
	v.sees("Nothing was added.", "not a public one")
	v.value(v.id("base_url"), "https://192.168.1.1/api")
	v.everyWidth("form of a connection, things to fix")

	v.addConnection("Browser account")
	at := v.path()
	v.everyWidth("connection")
	if test := v.role("button", "Test the connection"); v.there(test) {
		v.click(test)
		v.sees("Accepted")
		v.look("tested")
	} else {
		v.sees("It cannot be tested: ")
	}
	v.capabilitiesAsPrinted(at)
	v.follow("Change")
	v.at(connectionPage + "/edit")
	v.everyWidth("change of a connection")
	v.fill(v.id("name"), "Browser account, renamed")
	v.fill(v.id("password"), demoPassword)
	v.press("Save the changes")
	v.at(connectionPage)
	v.sees("Browser account, renamed")

	v.click(v.summary("Replace the credentials"))
	v.fill(v.id("f-apiKey"), handpointNewKey)
	v.fill(v.id("password"), "not the password")
	v.press("Keep the new credentials beside the old")
	v.sees("One thing to fix. Nothing was changed.", "That is not your password.")
	v.value(v.id("f-apiKey"), "")
	v.value(v.id("password"), "")
	v.everyWidth("wrong password of ours")
	v.fill(v.id("f-apiKey"), handpointNewKey)
	v.fill(v.id("password"), demoPassword)
	v.press("Keep the new credentials beside the old")
	v.sees("kept beside those in use")
	v.everyWidth("new beside old")
	if v.there(v.role("button", "Test the connection")) {
		// One question in five seconds.
		eventually(t, "the new credentials are confirmed", func() bool {
			v.press("Confirm the new credentials")
			must(t, v.page.WaitForLoadState())
			return v.there(v.role("button", "Switch to the new credentials"))
		})
	} else {
		v.confirmNew()
	}
	v.everyWidth("confirmed")
	v.press("Switch to the new credentials")
	v.sees("The new ones are in use.")
	v.everyWidth("switched")
	v.press("Retire the old credentials")
	v.shows(v.summary("Replace the credentials"))
	v.press("Pause")
	v.sees("Paused", "No new payment is taken through it.")
	v.everyWidth("paused")
	v.press("Resume")
	v.shows(v.role("button", "Pause"))
	v.removeConnection("Browser account, renamed")
	v.goTo(at)
	v.sees("This connection was removed")
	v.everyWidth("removed")
}

// capabilitiesAsPrinted holds the page against what the operator's command
// prints about the same connection.
func (v *visitor) capabilitiesAsPrinted(at string) {
	v.t.Helper()
	var merchant string
	must(v.t, v.site.database(v.t, "counterfoil").QueryRow(`select merchant_id from connections where id = $1`, strings.TrimPrefix(at, "/connections/")).Scan(&merchant))
	database, err := v.site.databaseURL("counterfoil")
	must(v.t, err)
	cmd := exec.Command(filepath.Join(workDir, "bin", "counterfoil"), "capabilities", "--merchant", merchant)
	cmd.Env = environment("DATABASE_URL="+database, "COUNTERFOIL_KEYSET="+filepath.Join(v.site.dir, "keyset.json"), "COUNTERFOIL_PUBLIC_URL="+v.site.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		v.t.Fatalf("counterfoil capabilities: %v\n%s", err, out)
	}
	var printed, shown []string
	of := ""
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasSuffix(line, " "+strings.TrimPrefix(at, "/connections/")) {
			of = line
		} else if !strings.HasPrefix(line, "  ") {
			of = ""
		} else if of != "" {
			printed = append(printed, strings.Join(strings.Fields(line), " "))
		}
	}
	rows, err := v.page.Locator("#offers tbody tr").All()
	must(v.t, err)
	for _, row := range rows {
		text, err := row.InnerText()
		must(v.t, err)
		cells := strings.Split(text, "\t")
		if len(cells) > 1 {
			cells[1] = strings.ToLower(cells[1])
		}
		shown = append(shown, strings.Join(strings.Fields(strings.Join(cells, " ")), " "))
	}
	if len(printed) < 20 || !slices.Equal(printed, shown) {
		v.t.Errorf("the command prints\n%s\nthe page shows\n%s", strings.Join(printed, "\n"), strings.Join(shown, "\n"))
	}
}

func TestAConnectionWithoutScript(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner, noJS: true})
	v.addConnection("Account without script")
	v.look("connection")
	v.click(v.summary("Replace the credentials"))
	v.fill(v.id("f-apiKey"), handpointNewKey)
	v.fill(v.id("password"), demoPassword)
	v.press("Keep the new credentials beside the old")
	v.sees("kept beside those in use")
	v.look("new beside old")
	v.confirmNew()
	v.press("Switch to the new credentials")
	v.sees("The new ones are in use.")
	v.press("Retire the old credentials")
	v.shows(v.summary("Replace the credentials"))
	v.press("Pause")
	v.sees("No new payment is taken through it.")
	v.press("Resume")
	v.shows(v.role("button", "Pause"))
	v.removeConnection("Account without script")
	v.look("removed from the list")
}

func TestAConnectionByKeyboardAlone(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: owner})
	v.goTo("/")
	v.key("g", "c")
	v.at("/connections")
	v.tabTo(v.role("link", "Add a connection"))
	v.key("Enter")
	v.at("/connections/new")
	v.tabTo(v.roleLike("link", "^Handpoint"))
	v.key("Enter")
	v.focused(v.id("name"))
	v.types("Account by keyboard")
	v.tabTo(v.id("base_url"))
	v.key("Control+A")
	v.types(v.site.sandbox + "/handpoint")
	v.tabTo(v.id("f-apiKey"))
	v.types(handpointKey)
	v.look("form filled")
	v.key("Enter")
	v.at(connectionPage)
	v.tabTo(v.summary("Replace the credentials"))
	v.key("Enter")
	v.tabTo(v.id("f-apiKey"))
	v.types(handpointNewKey)
	v.tabTo(v.id("password"))
	v.types(demoPassword)
	v.tabTo(v.role("button", "Keep the new credentials beside the old"))
	v.look("about to replace")
	v.key("Enter")
	v.sees("kept beside those in use")
	v.tabTo(v.role("button", "Cancel the replacement"))
	v.key("Enter")
	v.shows(v.summary("Replace the credentials"))
	v.tabTo(v.summary("Remove this connection"))
	v.key("Enter")
	v.tabTo(v.role("button", "Remove connection"))
	v.look("about to remove")
	v.key("Enter")
	v.at("/connections")
	v.has(v.role("link", "Account by keyboard"), 0)
}

func TestAReaderOfConnectionsChangesNothing(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{as: "hind@dune.example"})
	v.goTo("/connections")
	v.has(v.role("link", "Add a connection"), 0)
	v.follow("Card by phone")
	v.at(connectionPage)
	v.has(v.page.Locator("main form"), 0)
	v.hides("cf-sandbox")
	v.look("connection of a reader")
	v.brings("403")
	if res := v.goTo("/connections/new"); res.Status() != 403 {
		t.Errorf("the form of a new connection answers %d", res.Status())
	}
}
