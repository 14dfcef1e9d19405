package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// bound is the longest wait for a provider in these tests: the least that a
// connection can be set to.
const bound = 5 * time.Second

// toxics are what may be wrong with the line to a provider.
func toxics() []toxic {
	return slices.Concat(
		bothWays("slow", "latency", map[string]any{"latency": 700}),
		bothWays("slower than we wait", "latency", map[string]any{"latency": 8_000}),
		bothWays("silent", "timeout", map[string]any{"timeout": 0}),
		bothWays("cut at once", "timeout", map[string]any{"timeout": 1}),
		bothWays("reset", "reset_peer", map[string]any{"timeout": 0}),
		bothWays("reset after a moment", "reset_peer", map[string]any{"timeout": 200}),
		bothWays("cut after 150 bytes", "limit_data", map[string]any{"bytes": 150}),
		bothWays("cut before the last bytes", "limit_data", map[string]any{"bytes": 330}),
		bothWays("closed late", "slow_close", map[string]any{"delay": 1_500}),
		bothWays("narrow", "bandwidth", map[string]any{"rate": 1}),
		bothWays("in slices", "slicer", map[string]any{"average_size": 40, "size_variation": 20, "delay": 2_000}),
		[]toxic{{name: "down"}},
	)
}

// cutActions are those that every toxic is tried on: a few, or all when there is
// time.
func cutActions() []*action {
	if runs > 0 {
		return actions
	}
	return []*action{sellCard, refundCardflo, capturePart}
}

// lined is a house one of whose lines can be made toxic.
type lined struct {
	*house
	line *line
}

func TestALineToTheProviderThatBreaksInEitherDirectionLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	free := make(chan *lined, houses)
	for range houses {
		free <- nil
	}
	t.Run("toxic", func(owner *testing.T) {
		for _, x := range toxics() {
			for _, a := range cutActions() {
				owner.Run(strings.NewReplacer(" ", "-", ",", "").Replace(a.name+"/"+x.name), func(t *testing.T) {
					t.Parallel()
					h := <-free
					defer func() {
						scores.count(t, a.name, "line to the provider: "+x.name)
						if t.Failed() {
							h = nil
						}
						free <- h
					}()
					if h == nil {
						h = newLined(owner)
					}
					h.cut(t, a, x)
				})
			}
		}
	})
}

func newLined(owner testing.TB) *lined {
	h := &lined{}
	h.house = newHouse(owner, site{settings: map[string]string{providers.SettingTimeout: fmt.Sprint(int(bound / time.Second))}, provider: func(sandbox string) string {
		upstream := strings.TrimPrefix(sandbox, "http://")
		h.line = newLine(owner, upstream)
		return "http://" + h.line.address
	}})
	return h
}

// cut takes an action over a toxic line and judges what is left.
func (h *lined) cut(t *testing.T, a *action, x toxic) {
	h.start(t, "", 0) // with no memory of the line's last illness
	payment, err := h.prepare(a)
	must(t, err)
	f, err := a.fill(h.house, payment)
	must(t, err)
	h.line.poison(t, x)
	cured := false
	cure := func() {
		if !cured {
			cured = true
			h.line.cure(t, x)
		}
	}
	defer cure()

	began := time.Now()
	status, payment, err := h.post(f)
	took := time.Since(began)
	must(t, err)
	if status != http.StatusSeeOther {
		t.Fatalf("answered %d", status)
	}
	// The rest is what a machine that all tests share may take.
	if took > bound+3*time.Second {
		t.Errorf("the request held a worker for %s, and the provider's bound is %s", took, bound)
	}
	now := h.status(t, f)
	t.Logf("%s at once, after %s", now, took.Round(10*time.Millisecond))
	switch now {
	case "approved", "failed", "declined":
		// A verdict must be true at the moment at which it is given.
		if did := h.did(t, a, f); did != (now == "approved") {
			t.Errorf("called %s at once; the provider did it: %t", now, did)
		}
	default:
		h.saysThatItIsChecked(t, payment)
		h.askedInTime(t, f)
	}
	cure()

	// What is not there yet never arrived, once the provider's window is over.
	for range 3 {
		if !open(h.status(t, f)) {
			break
		}
		asked := h.asked(t, f)
		until(t, "the resolver asks", 50*time.Millisecond, func() bool { h.hurry(t); return h.asked(t, f) > asked || !open(h.status(t, f)) })
	}
	if open(h.status(t, f)) {
		if h.did(t, a, f) {
			// Questions that went out over the sick line may have been counted, and
			// the adapter may still hold back after them.
			until(t, "what the provider did is known", 50*time.Millisecond, func() bool { h.hurry(t); return !open(h.status(t, f)) })
		} else {
			h.start(t, "", a.over())
		}
	}
	h.follow(t)
	h.check(t)
	if again, want := h.status(t, f), now; !open(want) && again != want {
		t.Errorf("the outcome was %s, now it is %s", want, again)
	}
}

// did says whether the provider's ledger has the attempt of a form, in effect.
func (h *house) did(t testing.TB, a *action, f form) bool {
	t.Helper()
	_, attempt, original, minor, _ := h.made(t, f)
	return slices.ContainsFunc(ledger(t, a.control(h)), func(c kit.Charge) bool {
		if c.Kind == "tip" { // carries no reference of ours
			return a.typ == "tip_adjustment" && c.OriginalID == original && c.AmountMinor == minor
		}
		return c.Reference == attempt && c.Approved
	})
}

// saysThatItIsChecked looks at what a person is shown meanwhile.
func (h *house) saysThatItIsChecked(t testing.TB, payment string) {
	t.Helper()
	res, text, err := h.request(http.MethodGet, "/payments/"+payment, nil)
	must(t, err)
	if res.StatusCode != http.StatusOK || !strings.Contains(text, "Outcome unknown") && !strings.Contains(text, "Processing") {
		t.Errorf("the payment's page (%s) does not say that the outcome is not known", res.Status)
	}
	if !strings.Contains(text, `"/payments/`+payment+`/check"`) {
		t.Error("the payment's page does not offer to ask the provider now")
	}
}

// askedInTime sees that a status question over the same line holds a worker no
// longer than the provider's bound and a second.
func (h *house) askedInTime(t testing.TB, f form) {
	t.Helper()
	before := h.asked(t, f)
	h.hurry(t)
	began := time.Now()
	until(t, "the resolver asks over the toxic line", 50*time.Millisecond, func() bool { return h.asked(t, f) > before || !open(h.status(t, f)) })
	if took := time.Since(began); took > bound+time.Second {
		t.Errorf("a status question held a worker for %s", took)
	}
}
