package signin

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

func (f *fixture) actor(who Who) domain.Actor {
	return domain.Actor{UserID: who.UserID, MerchantID: who.MerchantID, Email: who.Email, Name: "Ada Marsh", Role: domain.Owner, IP: here.IP, RequestID: here.RequestID}
}

func TestConfirmingThePasswordObeysTheRulesOfSigningIn(t *testing.T) {
	f := setUp(t)
	ada := f.actor(f.person(t, "ada@example.com"))
	before := f.hashed.Load()
	must(t, f.ConfirmPassword(t.Context(), ada, rightPassword))
	if err := f.ConfirmPassword(t.Context(), ada, ""); domain.FieldsOf(err)["password"] == "" {
		t.Errorf("no password: %v", err)
	}
	if n := f.hashed.Load() - before; n != 1 {
		t.Errorf("%d Argon2 computations", n)
	}
	for _, password := range []string{"wrong", strings.Repeat("b", 1000)} {
		if err := f.ConfirmPassword(t.Context(), ada, password); domain.FieldsOf(err)["password"] != WrongOwnPassword {
			t.Errorf("%.10q: %v", password, err)
		}
	}
	// Two wrong ones here and eight at the door are ten.
	for range MaxFailures - 2 {
		if _, err := f.Password(t.Context(), ada.Email, "wrong", here); err == nil {
			t.Fatal("a wrong password is accepted")
		}
	}
	if err := f.ConfirmPassword(t.Context(), ada, rightPassword); domain.FieldsOf(err)["password"] != WrongOwnPassword {
		t.Errorf("a locked account confirms: %v", err)
	}
	f.at = f.at.Add(LockFor + time.Second)
	must(t, f.ConfirmPassword(t.Context(), ada, rightPassword))
	for result, want := range map[string]int{"ok": 2, "denied": 2, "locked": 1} {
		var n int
		must(t, f.db.Owner(t).QueryRow(`select count(*) from audit_log where action = 'signin.confirmed' and result = $1 and actor = $2`, result, ada.UserID.String()).Scan(&n))
		if n != want {
			t.Errorf("%s: %d audit rows, want %d", result, n, want)
		}
	}
}

func TestGuessesAtOnceAreCountedOneByOneWhenConfirming(t *testing.T) {
	f := setUp(t)
	ada := f.actor(f.person(t, "ada@example.com"))
	var wg sync.WaitGroup
	for range 3 * MaxFailures {
		wg.Go(func() {
			if f.ConfirmPassword(t.Context(), ada, "wrong") == nil {
				t.Error("a wrong password is accepted")
			}
		})
	}
	wg.Wait()
	var locked bool
	must(t, f.db.Owner(t).QueryRow(`select locked_until is not null from users where id = $1`, ada.UserID).Scan(&locked))
	if !locked || f.ConfirmPassword(t.Context(), ada, rightPassword) == nil {
		t.Error("the account is not locked")
	}
}

func TestConfirmingIsLimitedByAddressToo(t *testing.T) {
	f := setUp(t)
	ada := f.actor(f.person(t, "ada@example.com"))
	f.limiter = newLimiter(1, 1)
	must(t, f.ConfirmPassword(t.Context(), ada, rightPassword))
	if err := f.ConfirmPassword(t.Context(), ada, rightPassword); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("a second one at once: %v", err)
	}
	if _, err := f.Password(t.Context(), ada.Email, rightPassword, here); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("at the door: %v", err)
	}
}
