package e2e_test

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// demoPaths are the addresses that only the demo answers.
var demoPaths = []string{"/demo", "/demo/", "/demo/signins.json"}

// ends runs a command to its end and gives what it wrote and whether it succeeded.
func ends(t *testing.T, env []string, args ...string) (string, bool) {
	t.Helper()
	p, err := launch(env, args...)
	must(t, err)
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		p.stop()
		t.Fatalf("%v does not end:\n%s", args, p.out.String())
	}
	return p.out.String(), p.cmd.ProcessState.Success()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestServeRefusesToStartWithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	if out, ok := ends(t, nil, "admin", "new-keyset", keyset); !ok {
		t.Fatal(out)
	}
	demo, err := shop.databaseURL("counterfoil")
	must(t, err)
	for _, c := range []struct {
		name string
		env  []string
		says string
	}{
		{"no database", []string{"COUNTERFOIL_KEYSET=" + keyset, "COUNTERFOIL_PUBLIC_URL=https://pay.example.com"}, "DATABASE_URL is missing"},
		{"no keyset", []string{"DATABASE_URL=" + demo, "COUNTERFOIL_PUBLIC_URL=https://pay.example.com"}, "COUNTERFOIL_KEYSET is missing"},
		{"no public address", []string{"DATABASE_URL=" + demo, "COUNTERFOIL_KEYSET=" + keyset}, "COUNTERFOIL_PUBLIC_URL is missing"},
		{"public address in clear", []string{"DATABASE_URL=" + demo, "COUNTERFOIL_KEYSET=" + keyset, "COUNTERFOIL_PUBLIC_URL=http://pay.example.com"}, "must begin with https://"},
		{"the demo's database", []string{"DATABASE_URL=" + demo, "COUNTERFOIL_KEYSET=" + keyset, "COUNTERFOIL_PUBLIC_URL=https://pay.example.com"}, "made by the demo"},
		{"a setting that does not exist", []string{"COUNTERFOIL_KEYSETT=x"}, "there is no setting COUNTERFOIL_KEYSETT"},
	} {
		out, ok := ends(t, append(c.env, "COUNTERFOIL_ADDR=127.0.0.1:0"), "serve")
		if ok || !strings.Contains(out, c.says) {
			t.Errorf("%s: it should refuse and say %q, and wrote:\n%s", c.name, c.says, out)
		}
	}
	if out, ok := ends(t, nil, "admin", "new-keyset", keyset); ok {
		t.Errorf("a keyset was written over another: %s", out)
	}
}

func TestFreshServerHasOneOwnerByOneTimeLinkAndNothingOfTheDemo(t *testing.T) {
	t.Parallel()
	_, err := shop.database(t, "postgres").Exec("create database fresh")
	must(t, err)
	fresh, err := shop.databaseURL("fresh")
	must(t, err)
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	port := freePort(t)
	env := []string{"DATABASE_URL=" + fresh, "COUNTERFOIL_KEYSET=" + keyset, fmt.Sprintf("COUNTERFOIL_ADDR=127.0.0.1:%d", port),
		fmt.Sprintf("COUNTERFOIL_PUBLIC_URL=http://localhost:%d", port)}
	if out, ok := ends(t, nil, "admin", "new-keyset", keyset); !ok {
		t.Fatal(out)
	}
	if out, ok := ends(t, env, "serve"); ok || strings.Contains(out, "listening") {
		t.Errorf("serve starts on an empty database:\n%s", out)
	}
	if out, ok := ends(t, env, "migrate"); !ok {
		t.Fatal(out)
	}
	out, ok := ends(t, env, "admin", "create-merchant", "--name", "Mill & Weir", "--owner-email", "greta@mill.example", "--owner-name", "Greta Lund")
	link := regexp.MustCompile(`http://localhost:\d+(/setup/\S+)`).FindStringSubmatch(out)
	if !ok || link == nil {
		t.Fatalf("no one-time link:\n%s", out)
	}
	p, err := launch(env, "serve")
	must(t, err)
	t.Cleanup(p.stop)
	server := &product{process: p}
	server.url, err = p.line("listening on ")
	must(t, err)

	for _, path := range demoPaths {
		if code, _ := get(t, server.url+path); code != 404 {
			t.Errorf("%s is answered %d", path, code)
		}
	}
	v := visit(t, server, options{})
	v.brings("404", "422")
	v.goTo("/")
	v.at("/signin.*")
	v.hides("Demo", "demo", "Fill in")
	v.look("sign in without a demo")

	v.goTo(link[1])
	v.sees("Choose a password", "Greta Lund")
	v.everyWidth("choose a password")
	for _, weak := range []string{"short", "password1234", "greta@mill.example"} {
		v.fill(v.label("Password"), weak)
		v.press("Continue")
		v.shows(v.page.GetByRole("alert"))
		v.sees("Choose a password")
	}
	v.look("weak password")
	const password = "lantern orbit quince 41"
	v.fill(v.label("Password"), password)
	v.press("Continue")
	v.sees("Add your authenticator app")
	v.everyWidth("second factor")
	secret, err := v.page.Locator("#secret").InnerText()
	must(t, err)
	secret = strings.ReplaceAll(secret, " ", "")
	v.fill(v.label("6 digit code"), "000000")
	v.press("Finish")
	v.shows(v.page.GetByRole("alert"))
	now := time.Now()
	code, err := totp.GenerateCode(secret, now)
	must(t, err)
	v.fill(v.label("6 digit code"), code)
	v.press("Finish")
	v.at("/signin.*")
	v.look("ready to sign in")

	v.fill(v.label("Email"), "greta@mill.example")
	v.fill(v.label("Password"), password)
	v.press("Continue")
	// The code of the enrolment is used up; the next one is taken already, for clocks that differ a little.
	v.fill(v.label("6 digit code"), code)
	v.press("Sign in")
	v.shows(v.page.GetByRole("alert"))
	if code, err = totp.GenerateCode(secret, now.Add(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	v.fill(v.label("6 digit code"), code)
	v.press("Sign in")
	v.at("/")
	v.sees("Mill & Weir", "No payments yet")
	v.hides("Test mode.")
	v.everyWidth("first day")
	v.goTo("/payments")
	v.everyWidth("first day, payments")
	v.goTo("/payments/new")
	v.sees("No payment can be taken yet")
	v.look("no connection")
	for _, path := range demoPaths {
		if res := v.goTo(path); res.Status() != 404 {
			t.Errorf("%s is answered %d to the owner", path, res.Status())
		}
	}
	v.look("not found")

	other := visit(t, server, options{})
	other.brings("404")
	if res := other.goTo(link[1]); res.Status() != 404 {
		t.Errorf("the link works a second time: %d", res.Status())
	}
	other.sees("This link no longer works")
	other.look("used link")
	if strings.Contains(p.out.String(), strings.TrimPrefix(link[1], "/setup/")) || strings.Contains(p.out.String(), secret) {
		t.Error("the log holds the link or the secret of the second factor")
	}
}
