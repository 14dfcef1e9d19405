package faults

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// twins is how many posts arrive at the same time.
const twins = 50

// pair is a house in which two products work on one database.
type pair struct {
	*house
	second *process
	other  string // the second's address
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{house: newHouse(t, site{})}
	p.restart(t)
	t.Cleanup(func() { p.second.kill() })
	return p
}

// restart brings the second product up anew, beside the first.
func (p *pair) restart(t testing.TB) {
	t.Helper()
	if p.second != nil {
		p.second.kill()
	}
	p.second = p.launch(t, "", 0)
	p.other = p.second.line(t, "listening on ")
}

// answerOf is what one of many posts came back with.
type answerOf struct {
	status  int
	payment string
	err     error
}

// postAll sends forms at the same moment, every other one to the other product.
func (p *pair) postAll(forms []form) []answerOf {
	out := make([]answerOf, len(forms))
	bases := []string{p.base.Load().(string), p.other}
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, f := range forms {
		all.Go(func() {
			<-start
			out[i].status, out[i].payment, out[i].err = p.postAt(bases[i%2], f)
		})
	}
	close(start)
	all.Wait()
	return out
}

// withKey is the same form as another attempt.
func (f form) withKey(key string) form {
	fields := url.Values{}
	maps.Copy(fields, f.fields)
	fields.Set("_key", key)
	f.fields = fields
	return f
}

// rounds is how often each race is run.
func rounds() int {
	if runs > 0 {
		return 5
	}
	return 1
}

// twinActions are those that are posted fifty times: what changes a payment and a
// sale, or all when there is time.
func twinActions() []*action {
	if runs > 0 {
		return actions
	}
	return slices.DeleteFunc(slices.Clone(actions), func(a *action) bool { return a.after == nil && a != sellCard })
}

func TestTwoProductsOnOneDatabaseDoEachThingOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, a := range twinActions() {
		for range rounds() {
			t.Run(strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(a.name), func(t *testing.T) {
				t.Run("one-key", func(t *testing.T) {
					defer scores.count(t, a.name, "50 posts with one key at two products")
					p.oneKey(t, a, false)
				})
				if a.share != nil {
					t.Run("many-keys", func(t *testing.T) {
						defer scores.count(t, a.name, "50 posts with keys of their own at two products")
						p.manyKeys(t, a)
					})
				}
				t.Run("one-key-and-a-death", func(t *testing.T) {
					defer scores.count(t, a.name, "50 posts with one key, one of two products killed")
					p.oneKey(t, a, true)
				})
			})
		}
	}
	p.verifyAudit(t)
}

// oneKey posts one form fifty times at once.
func (p *pair) oneKey(t *testing.T, a *action, death bool) {
	payment, err := p.prepare(a)
	must(t, err)
	f, err := a.fill(p.house, payment)
	must(t, err)
	forms := make([]form, twins)
	for i := range forms {
		forms[i] = f
	}
	killed := make(chan struct{})
	if death {
		must(t, a.control(p.house).Fault(t.Context(), kit.Fault{Kind: kit.FaultDelayReply, Method: http.MethodPost, Path: a.path}))
		go func() {
			defer close(killed)
			for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				if n, err := a.control(p.house).Held(t.Context()); err != nil || n > 0 {
					break
				}
			}
			p.second.kill()
			if err := a.control(p.house).Release(t.Context()); err != nil {
				t.Error(err)
			}
		}()
	}
	led := map[string]int{}
	for i, got := range p.postAll(forms) {
		switch {
		case got.err == nil && got.status == http.StatusSeeOther:
			led[got.payment]++
		case got.err == nil && p.done(f, got.status): // after it was done
		case got.err == nil && got.status == http.StatusConflict:
		case death && i%2 == 1 && got.err != nil: // to the one that died
		default:
			t.Errorf("a post was answered %d, %v", got.status, got.err)
		}
	}
	if death {
		<-killed
		p.forgetTheDead(t)
		p.restart(t)
		// Whoever got no answer asks the one that lives.
		status, payment, err := p.post(f)
		must(t, err)
		if !p.done(f, status) {
			t.Errorf("the form sent again was answered %d", status)
		}
		if payment != "" {
			led[payment]++
		}
	}
	if len(led) != 1 {
		t.Errorf("one form led to %v", led)
	}
	p.follow(t)
	p.check(t)
}

// manyKeys takes a tenth of what there is, fifty times at once.
func (p *pair) manyKeys(t *testing.T, a *action) {
	payment, err := p.prepare(a)
	must(t, err)
	f, err := a.share(p.house, payment)
	must(t, err)
	forms := make([]form, twins)
	for i := range forms {
		forms[i] = f.withKey(uuid.NewString())
	}
	went := 0
	for _, got := range p.postAll(forms) {
		switch {
		case got.err == nil && got.status == http.StatusSeeOther:
			went++
		case got.err == nil && got.status == http.StatusConflict:
		default:
			t.Errorf("a post was answered %d, %v", got.status, got.err)
		}
	}
	if went == 0 || a.most > 0 && went > a.most {
		t.Errorf("%d of %d went, want 1 to %d", went, twins, a.most)
	}
	p.follow(t)
	p.check(t)
}
