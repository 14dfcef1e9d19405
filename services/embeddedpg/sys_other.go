//go:build unix && !linux

package embeddedpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// setParentDeathSignal does nothing: only Linux has such a signal. Elsewhere the next Start stops what is left behind.
func setParentDeathSignal(*syscall.SysProcAttr) {}

func executable(pid int) string { return ps(pid, "comm=") }

// commandLine splits at spaces, so a data folder with a space in its name is never recognised as ours; Postgres's own
// lock file then keeps the second server from starting.
func commandLine(pid int) []string { return strings.Fields(ps(pid, "command=")) }

func isZombie(pid int) bool { return strings.HasPrefix(ps(pid, "stat="), "Z") }

func ps(pid int, field string) string {
	out, err := exec.Command("ps", "-ww", "-o", field, "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
