package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestKilledProductKeepsTheSaleAndLeavesNoServerBehind(t *testing.T) {
	t.Parallel()
	first, err := startDemo("crash")
	must(t, err)
	v := visit(t, first, options{as: owner})
	payment := v.saleByCard("28.13", "KILLED-1")
	v.sees("28.13 GBP taken")
	before := first.postgresPID(t)
	must(t, first.cmd.Process.Kill())
	<-first.done

	second, err := startDemo("crash")
	must(t, err)
	t.Cleanup(second.stop)
	after := second.postgresPID(t)
	if before == after {
		t.Errorf("Postgres is the old one, %d", before)
	}
	eventually(t, "the old Postgres is gone", func() bool { return !alive(before) })
	// The session lives in the database too: nobody has to sign in again.
	state, err := v.ctx.StorageState()
	must(t, err)
	w := visit(t, second, options{})
	must(t, w.ctx.AddCookies(state.ToOptionalStorageState().Cookies))
	w.goTo(payment)
	w.sees("28.13 GBP", "KILLED-1", "Sale approved")
	w.look("after the kill")
	w.follow("Refund…")
	w.click(w.refundButton())
	w.sees("Refund approved")

	// Now the database goes away under the running product.
	w.brings("503")
	must(t, syscall.Kill(after, syscall.SIGKILL))
	eventually(t, "the database is away", func() bool {
		code, _ := get(t, second.url+"/readyz")
		return code == http.StatusServiceUnavailable
	})
	if code, _ := get(t, second.url+"/healthz"); code != 200 {
		t.Errorf("/healthz is answered %d", code)
	}
	for _, path := range []string{"/", "/payments", payment, "/signin"} {
		res := w.goTo(path)
		if path == "/signin" && res.Status() == 200 {
			continue // it needs no database until somebody signs in
		}
		if res.Status() != 503 {
			t.Errorf("%s is answered %d", path, res.Status())
		}
		w.sees("We are not ready", "Quote this if you ask for help")
		body, err := w.page.Locator("body").InnerText()
		must(t, err)
		if id := regexp.MustCompile(`Quote this if you ask for help: (\S+)`).FindStringSubmatch(body); id == nil || !strings.Contains(second.out.String(), id[1]) {
			t.Errorf("%s: the page's request id %v is not in the log", path, id)
		}
		for _, inner := range []string{"pq:", "dial", "socket", "connection refused", "SQL"} {
			if strings.Contains(body, inner) {
				t.Errorf("%s tells %q to everybody", path, inner)
			}
		}
	}
	w.everyWidth("the database is away")
}
