package signin

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

func TestAStepUpNeedsBothFactorsAndCostsTheSameOnEveryPath(t *testing.T) {
	f := setUp(t)
	ada := f.actor(f.person(t, "ada@example.com"))
	var statements, want int
	f.store.OnStatement(func(string) { statements++ })
	for _, c := range []struct {
		name, password, code string
		ok                   bool
	}{
		{"both wrong", "wrong", "000000", false},
		{"the password wrong", "wrong", f.code(t, 0), false},
		{"the code wrong", rightPassword, "000000", false},
		{"the code of long ago", rightPassword, f.code(t, -2), false},
		{"both right", rightPassword, f.code(t, 0), true},
		{"the same code again", rightPassword, f.code(t, 0), false},
	} {
		before := f.hashed.Load()
		statements = 0
		proof, err := f.StepUp(t.Context(), ada, c.password, c.code, "a test")
		if c.ok != (err == nil) || !c.ok && (domain.CodeOf(err) != domain.Invalid || domain.MessageOf(err) != WrongStepUp || len(domain.FieldsOf(err)) > 0) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.ok && (proof != domain.Proof{UserID: ada.UserID, Purpose: "a test", At: f.at}) || !c.ok && proof != (domain.Proof{}) {
			t.Errorf("%s: proof %+v", c.name, proof)
		}
		if n := f.hashed.Load() - before; n != 1 {
			t.Errorf("%s: %d Argon2 computations", c.name, n)
		}
		if c.name == "both wrong" {
			want = statements
		} else if statements > want+1 {
			t.Errorf("%s: %d statements, the first path %d", c.name, statements, want)
		}
	}
	for name, missing := range map[string][2]string{"password": {"", f.code(t, 1)}, "code": {rightPassword, " "}} {
		if _, err := f.StepUp(t.Context(), ada, missing[0], missing[1], "a test"); domain.FieldsOf(err)[name] == "" {
			t.Errorf("without the %s: %v", name, err)
		}
	}
	for result, n := range map[string]int{"ok": 1, "denied": 5} {
		var got int
		must(t, f.db.Owner(t).QueryRow(`select count(*) from audit_log where action = 'signin.stepped_up' and result = $1 and actor = $2 and detail->>'for' = 'a test'`, result, ada.UserID.String()).Scan(&got))
		if got != n {
			t.Errorf("%s: %d audit rows, want %d", result, got, n)
		}
	}
}

func TestACodeWorksOnceAtTheDoorAndForAStepUpTogether(t *testing.T) {
	f := setUp(t)
	who := f.person(t, "ada@example.com")
	ada := f.actor(who)
	code := f.code(t, 0)
	var wg sync.WaitGroup
	var right atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = f.StepUp(t.Context(), ada, rightPassword, code, "a test")
			} else {
				err = f.Code(t.Context(), who, code, here)
			}
			if err == nil {
				right.Add(1)
			}
		})
	}
	wg.Wait()
	if right.Load() != 1 {
		t.Errorf("one code was accepted %d times", right.Load())
	}
}

func TestWrongStepUpsLockTheAccountLikeWrongSignIns(t *testing.T) {
	f := setUp(t)
	ada := f.actor(f.person(t, "ada@example.com"))
	for i := range MaxFailures {
		var err error
		if i%2 == 0 {
			_, err = f.StepUp(t.Context(), ada, rightPassword, "000000", "a test")
		} else {
			_, err = f.Password(t.Context(), ada.Email, "wrong", here)
		}
		if err == nil {
			t.Fatal("something wrong is accepted")
		}
	}
	if _, err := f.StepUp(t.Context(), ada, rightPassword, f.code(t, 0), "a test"); domain.MessageOf(err) != WrongStepUp {
		t.Errorf("a locked account steps up: %v", err)
	}
	if _, err := f.Password(t.Context(), ada.Email, rightPassword, here); err == nil {
		t.Error("a locked account signs in")
	}
	f.at = f.at.Add(LockFor + time.Second)
	if _, err := f.StepUp(t.Context(), ada, rightPassword, f.code(t, 0), "a test"); err != nil {
		t.Error(err)
	}
	f.limiter = newLimiter(1, 1)
	_, _ = f.StepUp(t.Context(), ada, rightPassword, "000000", "a test")
	if _, err := f.StepUp(t.Context(), ada, rightPassword, f.code(t, 1), "a test"); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("past the limit of an address: %v", err)
	}
}
