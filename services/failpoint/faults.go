//go:build faults

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// armedEnv holds "what point" and optionally "#n" for its n-th passage.
	armedEnv = "COUNTERFOIL_TEST_FAILPOINT"
	// offsetEnv is how far the rules' clock is ahead, as a Go duration.
	offsetEnv = "COUNTERFOIL_TEST_CLOCK_OFFSET"
	// pollEnv is how often the queue is looked at, as a Go duration.
	pollEnv = "COUNTERFOIL_TEST_POLL"
)

var (
	armed, passage = parseArmed(os.Getenv(armedEnv))
	offset         = parseDuration(offsetEnv)
	poll           = parseDuration(pollEnv)
	passed         atomic.Int64
)

func parseArmed(s string) (string, int64) {
	name, n, numbered := strings.Cut(s, "#")
	if !numbered {
		return name, 1
	}
	nth, err := strconv.ParseInt(n, 10, 64)
	if err != nil || nth < 1 {
		panic(fmt.Sprintf("%s: %q is no passage", armedEnv, n))
	}
	return name, nth
}

func parseDuration(env string) time.Duration {
	s := os.Getenv(env)
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", env, err))
	}
	return d
}

// Hit ends the process with SIGKILL, which it cannot notice or answer, when the
// environment has armed this point. It does not return then.
func Hit(what, point string) {
	if armed == "" || armed != what+" "+point || passed.Add(1) != passage {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("failpoint %s: %v", armed, err))
	}
	select {} // the signal is on its way; nothing more may happen here
}

// Inside is Hit right before the transaction's commit.
func Inside(what string, at Transaction) {
	if at == Second {
		Hit(what, Settling)
	} else {
		Hit(what, Opening)
	}
}

// Behind is Hit right after the transaction's commit.
func Behind(what string, at Transaction) {
	if at == Second {
		Hit(what, Settled)
	} else {
		Hit(what, Opened)
	}
}

// Now is the time that the rules go by.
func Now(t time.Time) time.Time { return t.Add(offset) }

// Poll is how often the queue is looked at; zero is the product's own pace.
func Poll() time.Duration { return poll }
