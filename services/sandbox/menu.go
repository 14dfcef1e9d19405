package sandbox

import (
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// choice is one button of the menu: what it is called, and what it does to the
// request that comes next.
type choice struct{ Key, Label, Effect string }

type faultChoice struct {
	choice
	fault kit.Fault
}

// faultMenu holds every kind of fault that the kit knows, in the order in which
// a person learns them: nothing arrived, it arrived and the answer is lost, the
// answer is wrong, the provider said no.
var faultMenu = []faultChoice{
	{choice{"drop_before", "Cut the line before", "The request is thrown away and the line is cut. Nothing is charged, and the caller cannot know that."}, kit.Fault{Kind: kit.FaultDropBefore}},
	{choice{"drop_after", "Cut the line after", "The request is carried out, and the line is cut before the answer. It is charged, and the caller cannot know that."}, kit.Fault{Kind: kit.FaultDropAfter}},
	{choice{"delay", "Hold the request", "The request waits here, not carried out, until you release it. It is carried out then, even when the caller has gone away."}, kit.Fault{Kind: kit.FaultDelay}},
	{choice{"delay_reply", "Hold the answer", "The request is carried out, and its answer waits here until you release it."}, kit.Fault{Kind: kit.FaultDelayReply}},
	{choice{"slow", "Be ten seconds late", "The request is carried out at once and answered ten seconds later."}, kit.Fault{Kind: kit.FaultDelayReply, DelayMS: 10_000}},
	{choice{"garbage", "Answer half a sentence", "The request is carried out, and the answer breaks off in the middle."}, kit.Fault{Kind: kit.FaultGarbage}},
	{choice{"wrong_content_type", "Answer a web page", "The request is carried out, and the answer is the sign-in page of somebody’s network."}, kit.Fault{Kind: kit.FaultWrongContentType}},
	{choice{"oversize", "Answer far too much", "The request is carried out, and the answer is 16 MiB long."}, kit.Fault{Kind: kit.FaultOversize}},
	{choice{"status_after_500", "Fail after charging (500)", "The request is carried out, and the answer says that the provider broke."}, kit.Fault{Kind: kit.FaultStatusAfter, Status: 500}},
	{choice{"status_500", "Fail before charging (500)", "The request is not carried out. The answer is the same as after charging, so the caller cannot tell the two apart."}, kit.Fault{Kind: kit.FaultStatus, Status: 500}},
	{choice{"status_503", "Be closed (503)", "The request is not carried out. The answer asks to come back in 30 seconds."}, kit.Fault{Kind: kit.FaultStatus, Status: 503, RetryAfter: 30}},
	{choice{"status_429", "Ask to slow down (429)", "The request is not carried out. The answer asks to wait for 30 seconds."}, kit.Fault{Kind: kit.FaultStatus, Status: 429, RetryAfter: 30}},
	{choice{"status_401", "Refuse the credentials (401)", "The request is not carried out, as if the key were wrong."}, kit.Fault{Kind: kit.FaultStatus, Status: 401}},
	{choice{"status_403", "Forbid it (403)", "The request is not carried out, as if the key were not allowed to."}, kit.Fault{Kind: kit.FaultStatus, Status: 403}},
}

type outcomeChoice struct {
	choice
	outcome kit.Outcome
}

// outcomeMenu holds the usual ends of an operation.
var outcomeMenu = []outcomeChoice{
	{choice{"approve", "Approve it", "It goes through, whatever card or amount it has."}, kit.Outcome{Result: kit.Approve}},
	{choice{"decline", "Decline it", "The bank says no. With a code above, it says that code."}, kit.Outcome{Result: kit.Decline}},
	{choice{"pending_approve", "Leave it open, then approve", "It stays undecided for a minute of this clock and goes through then."}, kit.Outcome{Result: kit.InProgress, Then: kit.Approve, AfterSeconds: 60}},
	{choice{"pending_decline", "Leave it open, then decline", "It stays undecided for a minute of this clock and is declined then."}, kit.Outcome{Result: kit.InProgress, Then: kit.Decline, AfterSeconds: 60}},
	{choice{"reject", "Refuse the request", "It is not carried out. The answer is the provider’s error with the code above."}, kit.Outcome{Result: kit.Reject}},
}

// clockMenu holds by how much the clock is moved.
var clockMenu = []struct {
	choice
	by time.Duration
}{
	{choice{"1m", "1 minute", "What waits for a minute ends."}, time.Minute},
	{choice{"90s", "90 seconds", "A provider that cannot say yet may say after this long."}, 90 * time.Second},
	{choice{"1h", "1 hour", "Callbacks that were not taken are sent again."}, time.Hour},
	{choice{"1d", "1 day", "Days of settlement pass, and keys and pages expire."}, 24 * time.Hour},
}

// methods is which requests a fault is for.
var methods = []choice{
	{"", "any request", ""},
	{"POST", "only requests that change something (POST)", ""},
	{"GET", "only questions (GET)", ""},
}

// maxTimes bounds for how many requests one click holds.
const maxTimes = 100

// describeFault says in words what a waiting fault will do, whoever queued it.
func describeFault(f kit.Fault) string {
	said := f.Kind
	for _, c := range faultMenu {
		if like(c.fault, f) {
			said = c.Label
			break
		}
	}
	if said == f.Kind {
		said = strings.ToUpper(said[:1]) + strings.ReplaceAll(said[1:], "_", " ")
		switch {
		case f.Status != 0:
			said = fmt.Sprintf("%s with status %d", map[string]string{kit.FaultStatus: "Answer without carrying it out,", kit.FaultStatusAfter: "Carry it out, then answer"}[f.Kind], f.Status)
		case f.DelayMS != 0:
			said = fmt.Sprintf("%s for %s", map[string]string{kit.FaultDelay: "Hold the request", kit.FaultDelayReply: "Hold the answer"}[f.Kind], time.Duration(f.DelayMS)*time.Millisecond)
		}
	}
	return said + limits(f.Method, f.Path, f.Count)
}

// like says that a waiting fault is the menu's; the kit fills in the size, and
// where and how often it holds is said beside it.
func like(menu, f kit.Fault) bool {
	f.Method, f.Path, f.Count, f.Size = "", "", 0, 0
	return menu == f
}

// describeOutcome says in words how the next operation will end.
func describeOutcome(o kit.Outcome) string {
	said := map[string]string{kit.Approve: "Approve", kit.Decline: "Decline", kit.Reject: "Refuse the request", kit.InProgress: "Leave it open"}[o.Result]
	if o.Code != "" {
		said += " with code " + o.Code
	}
	if o.Result == kit.InProgress {
		said += fmt.Sprintf(" for %s, then %s", time.Duration(o.AfterSeconds)*time.Second, o.Then)
	}
	return said + limits("", o.Path, o.Count)
}

func limits(method, path string, count int) string {
	var said strings.Builder
	if count > 1 {
		fmt.Fprintf(&said, ", %d times", count)
	}
	if method != "" {
		said.WriteString(", only " + method)
	}
	if path != "" {
		said.WriteString(", where the path contains " + path)
	}
	return said.String()
}

// exponents are the currencies that have not two decimals. The page only shows
// amounts; nothing is computed with them.
var exponents = map[string]int{"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "VND": 0, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3}

// amount writes minor units with the currency's decimals.
func amount(minor int64, currency string) string {
	if currency == "" {
		return ""
	}
	places, ok := exponents[currency]
	if !ok {
		places = 2
	}
	sign, digits := "", fmt.Sprint(minor)
	if minor < 0 {
		sign, digits = "−", digits[1:]
	}
	if places > 0 {
		if short := places + 1 - len(digits); short > 0 {
			digits = strings.Repeat("0", short) + digits
		}
		digits = digits[:len(digits)-places] + "." + digits[len(digits)-places:]
	}
	return sign + digits + " " + currency
}
