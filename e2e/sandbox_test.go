package e2e_test

import (
	"regexp"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// startSandbox starts the emulators alone, so that what is clicked there spoils nobody else's test.
func startSandbox(t *testing.T) *product {
	t.Helper()
	p, err := launchOf("sandbox", []string{"COUNTERFOIL_SANDBOX_ADDR=127.0.0.1:0"})
	must(t, err)
	t.Cleanup(p.stop)
	url, err := p.line("sandbox on ")
	must(t, err)
	return &product{process: p, url: url, sandbox: url}
}

func TestTheSandboxsPagesFitEveryWidthAndScheme(t *testing.T) {
	t.Parallel()
	v := visit(t, startSandbox(t), options{})
	v.brings("422")
	v.goTo("/")
	v.at("/_sandbox/")
	v.sees("Cardflo", "Handpoint", "Cashflows", "CloudFlow", "Cloud Payments")
	v.everyWidth("emulators")
	for _, name := range []string{"Cardflo", "Cloud Payments", "Handpoint"} {
		v.click(v.page.Locator("nav").GetByRole("link", playwright.LocatorGetByRoleOptions{Name: name, Exact: playwright.Bool(true)}))
		v.sees("What happens next", "Spoil the next request")
		v.everyWidth("emulator of " + name)
	}
}

// A person in training loses a reply with one click, and sees it happen.
func TestAFaultIsClickedAndSeenWithoutScript(t *testing.T) {
	t.Parallel()
	box := startSandbox(t)
	v := visit(t, box, options{noJS: true})
	v.goTo("/_sandbox/handpoint/")
	v.sees("Nothing waits.")
	v.click(v.roleLike("button", "^Refuse the credentials"))
	v.at(`/_sandbox/handpoint/.*`)
	v.hides("Nothing waits.")
	v.look("a fault waits")
	status, _ := get(t, box.url+"/handpoint/devices")
	if status != 401 {
		t.Errorf("the next request is answered %d, want 401", status)
	}
	v.goTo("/_sandbox/handpoint/")
	v.sees("Nothing waits.")
	v.shows(v.page.Locator("main").GetByText(regexp.MustCompile(`/handpoint/devices`)).First())
	v.look("the journal has it")
}
