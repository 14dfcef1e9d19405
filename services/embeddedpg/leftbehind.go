package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pidFile is what Postgres writes into postmaster.pid.
type pidFile struct {
	pid   int
	ready bool
}

func readPIDFile(data string) (pidFile, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return pidFile{}, fmt.Errorf("postmaster.pid: %w", err)
	}
	// Line 8 is the server's state.
	return pidFile{pid: pid, ready: len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"}, nil
}

// stopLeftBehind stops a server that runs on the data folder although nobody owns it: the caller holds the folder's
// lock, so its owner is dead. A process that merely has the number that a dead server had is left alone, and then the
// stale file goes, because Postgres would take the number for a living server.
func stopLeftBehind(ctx context.Context, data string, log io.Writer) error {
	f, err := readPIDFile(data)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		// A file that was cut off by a crash; Postgres itself decides about it.
		return nil
	}
	switch {
	case !alive(f.pid):
		return nil
	case !isServerOn(f.pid, data):
		_, _ = fmt.Fprintf(log, "Process %d is not the Postgres of %s: its stale postmaster.pid is removed\n", f.pid, data)
		return os.Remove(filepath.Join(data, "postmaster.pid"))
	}
	_, _ = fmt.Fprintf(log, "A Postgres without an owner (process %d) runs on %s: it is stopped first\n", f.pid, data)
	for _, step := range []struct {
		signal syscall.Signal
		within time.Duration
	}{{syscall.SIGINT, 10 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := syscall.Kill(f.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d cannot be stopped: %w", f.pid, err)
		}
		for end := time.Now().Add(step.within); time.Now().Before(end); {
			if !alive(f.pid) || !isServerOn(f.pid, data) {
				return nil
			}
			if err := wait(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("process %d does not end", f.pid)
}

// alive reports whether there is such a process; one that has ended and waits to be collected counts as dead.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	return !isZombie(pid)
}

// isServerOn reports whether the process is a postgres that was started on the data folder: by its executable where the
// system lets us see it, and by its command line.
func isServerOn(pid int, data string) bool {
	if exe := executable(pid); exe != "" && filepath.Base(exe) != "postgres" {
		return false
	}
	args := commandLine(pid)
	if len(args) == 0 || filepath.Base(args[0]) != "postgres" {
		return false
	}
	at := slices.Index(args, "-D")
	return at >= 0 && at+1 < len(args) && args[at+1] == data
}
