package signin

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

const (
	rightPassword = "tangerine rowing boat"
	secret        = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

var here = From{IP: "192.0.2.1", RequestID: "r1"}

type fixture struct {
	*Service
	db       *storetest.DB
	merchant domain.MerchantID
	at       time.Time
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{db: storetest.New(t), at: time.Date(2026, 11, 20, 9, 0, 10, 0, time.UTC)}
	raw, err := secrets.Generate()
	must(t, err)
	sealer, err := secrets.FromJSON(raw)
	must(t, err)
	f.Service, err = New(Options{Store: f.db.Open(t), Sealer: sealer, Now: func() time.Time { return f.at }, PerMinute: 6000, Burst: 6000})
	must(t, err)
	m := domain.Merchant{ID: domain.NewMerchantID(), Name: "Quay Street Books", TimeZone: "Europe/London", Mode: domain.Test,
		Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: f.at}
	must(t, f.store.InsertMerchant(t.Context(), m))
	f.merchant = m.ID
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) person(t *testing.T, email string) Who {
	t.Helper()
	id, err := f.CreateUserWithPassword(t.Context(), f.merchant, NewPerson{Email: email, Name: "Ada Marsh", Role: domain.Owner}, rightPassword, secret)
	must(t, err)
	return Who{UserID: id, MerchantID: f.merchant, Email: email}
}

func (f *fixture) code(t *testing.T, steps int) string {
	t.Helper()
	c, err := CodeAt(secret, f.at.Add(time.Duration(steps)*stepSeconds*time.Second))
	must(t, err)
	return c
}

func TestEveryPathOfThePasswordStepCostsTheSame(t *testing.T) {
	f := setUp(t)
	f.person(t, "ada@example.com")
	f.person(t, "locked@example.com")
	f.person(t, "off@example.com")
	_, _, err := f.CreateUser(t.Context(), f.merchant, NewPerson{Email: "new@example.com", Name: "New", Role: domain.Cashier})
	must(t, err)
	for range MaxFailures {
		if _, err := f.Password(t.Context(), "locked@example.com", "wrong", here); err == nil {
			t.Fatal("a wrong password is accepted")
		}
	}
	_, err = f.db.Owner(t).Exec(`update users set disabled_at = now() where email = 'off@example.com'`)
	must(t, err)

	var statements int
	f.store.OnStatement(func(string) { statements++ })
	want := 0
	for _, c := range []struct{ name, email, password string }{
		{"known, wrong", "ada@example.com", "wrong"},
		{"unknown", "nobody@example.com", "wrong"},
		{"unknown, empty", "", ""},
		{"unknown, very long", strings.Repeat("a", 300), strings.Repeat("b", 1000)},
		{"locked, right", "locked@example.com", rightPassword},
		{"locked, wrong", "locked@example.com", "wrong"},
		{"disabled, right", "off@example.com", rightPassword},
		{"not set up", "new@example.com", rightPassword},
		{"known, right", "ada@example.com", rightPassword},
	} {
		before := f.hashed.Load()
		statements = 0
		_, err := f.Password(t.Context(), c.email, c.password, here)
		if ok := strings.HasPrefix(c.name, "known, right"); ok != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		} else if !ok && (domain.CodeOf(err) != domain.Unauthorized || domain.MessageOf(err) != WrongPassword) {
			t.Errorf("%s says %v", c.name, err)
		}
		if n := f.hashed.Load() - before; n != 1 {
			t.Errorf("%s: %d Argon2 computations", c.name, n)
		}
		if want == 0 {
			want = statements
		}
		if statements != want {
			t.Errorf("%s: %d statements, the first path %d", c.name, statements, want)
		}
	}
}

func TestPasswordIsHashedAtTheAgreedCost(t *testing.T) {
	f := setUp(t)
	w := f.person(t, "ada@example.com")
	u, err := f.store.UserByID(t.Context(), w.UserID)
	must(t, err)
	for name, stored := range map[string]string{"a password": u.PasswordHash, "the stand-in": f.dummy} {
		p, salt, key, err := argon2id.DecodeHash(stored)
		must(t, err)
		if !strings.HasPrefix(stored, "$argon2id$v=19$") || p.Memory < 19*1024 || p.Iterations < 2 || p.Parallelism != 1 || len(salt) < 16 || len(key) < 32 {
			t.Errorf("%s is stored as %q", name, stored)
		}
	}
}

func TestPasswordsAreComparedWhole(t *testing.T) {
	f := setUp(t)
	long := strings.Repeat("a long and winding passphrase ", 8) // 240
	id, err := f.CreateUserWithPassword(t.Context(), f.merchant, NewPerson{Email: "l@example.com", Name: "L", Role: domain.Owner}, long, secret)
	must(t, err)
	if _, err := f.Password(t.Context(), "l@example.com", long[:len(long)-1]+"x", here); err == nil {
		t.Error("the last character does not count")
	}
	if _, err := f.Password(t.Context(), "l@example.com", long[:72], here); err == nil {
		t.Error("only the first 72 bytes count")
	}
	who, err := f.Password(t.Context(), "l@example.com", long, here)
	must(t, err)
	if who.UserID != id {
		t.Error("somebody else")
	}
}

func TestGuessesSentTogetherAreCountedOneByOne(t *testing.T) {
	f := setUp(t)
	f.person(t, "ada@example.com")
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, _ = f.Password(context.Background(), "ada@example.com", "wrong", here)
		})
	}
	wg.Wait()
	var n int
	var locked bool
	must(t, f.db.Owner(t).QueryRow(`select failed_attempts, locked_until is not null from users where email = 'ada@example.com'`).Scan(&n, &locked))
	if n != MaxFailures || !locked {
		t.Errorf("%d failures counted, locked %v", n, locked)
	}
}

func TestAtMostFourHashesAtOnce(t *testing.T) {
	f := setUp(t)
	for range parallelHashes {
		if _, err := f.hashSlot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.hashSlot(ctx); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("a fifth gets %v", err)
	}
}

func TestCodeWorksOnceAndWithinOneStep(t *testing.T) {
	f := setUp(t)
	w := f.person(t, "ada@example.com")
	for _, c := range []struct {
		name  string
		steps int
		want  bool
	}{
		{"two steps old", -2, false},
		{"two steps early", 2, false},
		{"one step old", -1, true},
		{"the same again", -1, false},
		{"now", 0, true},
		{"one step early", 1, true},
		{"now, after a later one", 0, false},
	} {
		err := f.Code(t.Context(), w, f.code(t, c.steps), here)
		if (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	f.at = f.at.Add(5 * time.Minute)
	spaced := f.code(t, 0)
	if err := f.Code(t.Context(), w, " "+spaced[:3]+" "+spaced[3:]+" ", here); err != nil {
		t.Errorf("with spaces: %v", err)
	}
	for _, bad := range []string{"", "12345", "1234567", "abcdef", "１２３４５６"} {
		if err := f.Code(t.Context(), w, bad, here); domain.MessageOf(err) != WrongCode {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSecondFactorIsSealedForItsPerson(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada@example.com")
	bob := f.person(t, "bob@example.com")
	var found bool
	must(t, f.db.Owner(t).QueryRow(`select bool_or(position(convert_to($1, 'UTF8') in totp_sealed) > 0) from users`, secret).Scan(&found))
	if found {
		t.Error("the secret is stored in clear")
	}
	_, err := f.db.Owner(t).Exec(`update users set totp_sealed = (select totp_sealed from users where id = $1) where id = $2`, ada.UserID, bob.UserID)
	must(t, err)
	if err := f.Code(t.Context(), bob, f.code(t, 0), here); domain.CodeOf(err) != domain.Internal {
		t.Errorf("another person's factor: %v", err)
	}
}

func TestLinkSentTwentyTimesTogetherIsUsedOnce(t *testing.T) {
	f := setUp(t)
	_, token, err := f.CreateUser(t.Context(), f.merchant, NewPerson{Email: "new@example.com", Name: "New", Role: domain.Cashier})
	must(t, err)
	count := func(attempt func() error) (ok, gone int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := attempt()
				mu.Lock()
				defer mu.Unlock()
				switch domain.CodeOf(err) {
				case "":
					ok++
				case domain.NotFound:
					gone++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return ok, gone
	}
	if ok, gone := count(func() error { return f.ChoosePassword(context.Background(), token, rightPassword, here) }); ok != 1 || gone != 19 {
		t.Errorf("password: %d, %d", ok, gone)
	}
	s, err := f.Setup(t.Context(), token)
	must(t, err)
	code, err := CodeAt(strings.ReplaceAll(s.Secret, " ", ""), f.at)
	must(t, err)
	if ok, gone := count(func() error { return f.ConfirmFactor(context.Background(), token, code, here) }); ok != 1 || gone != 19 {
		t.Errorf("factor: %d, %d", ok, gone)
	}
}

func TestMerchantComesWithItsOwnerOrNotAtAll(t *testing.T) {
	f := setUp(t)
	f.person(t, "taken@example.com")
	m := domain.Merchant{Name: "Kiosk", TimeZone: "Asia/Tokyo", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("JPY")}}
	before := merchants(t, f)
	if _, _, err := f.CreateMerchant(t.Context(), m, NewPerson{Email: "Taken@example.com", Name: "T"}); domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("taken e-mail: %v", err)
	}
	for name, bad := range map[string]domain.Merchant{
		"no name":     {TimeZone: m.TimeZone, Mode: m.Mode, Currencies: m.Currencies},
		"no zone":     {Name: "x", Mode: m.Mode, Currencies: m.Currencies},
		"wrong zone":  {Name: "x", TimeZone: "Mars/Base", Mode: m.Mode, Currencies: m.Currencies},
		"no mode":     {Name: "x", TimeZone: m.TimeZone, Currencies: m.Currencies},
		"no currency": {Name: "x", TimeZone: m.TimeZone, Mode: m.Mode},
	} {
		if _, _, err := f.CreateMerchant(t.Context(), bad, NewPerson{Email: "o@example.com", Name: "O"}); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, email := range []string{"", "nobody", "a b@example.com", "Ada <ada@example.com>", "a@example.com\r\nBcc: x@example.com"} {
		if _, _, err := f.CreateMerchant(t.Context(), m, NewPerson{Email: email, Name: "O"}); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%q: %v", email, err)
		}
	}
	if after := merchants(t, f); after != before {
		t.Errorf("%d merchants were left behind", after-before)
	}
	id, token, err := f.CreateMerchant(t.Context(), m, NewPerson{Email: "owner@example.com", Name: "O"})
	must(t, err)
	s, err := f.Setup(t.Context(), token)
	must(t, err)
	if s.Merchant != "Kiosk" || s.Email != "owner@example.com" || s.Step != StepPassword || len(token) < 43 {
		t.Errorf("%+v", s)
	}
	p, err := f.store.PersonOf(t.Context(), userOf(t, f, "owner@example.com"), id)
	must(t, err)
	if p.Actor.Role != domain.Owner || p.Merchant.Name != "Kiosk" {
		t.Errorf("%+v", p)
	}
	must(t, f.store.ReadTenant(t.Context(), id, func(tx *store.Tx) error {
		broken, n, err := tx.VerifyAudit(t.Context())
		if broken != nil || n != 3 {
			t.Errorf("audit chain: %v, %d rows", broken, n)
		}
		return err
	}))
	// The token is nowhere in the database.
	var found int
	must(t, f.db.Owner(t).QueryRow(`select count(*) from setup_links where token_hash = convert_to($1, 'UTF8')`, token).Scan(&found))
	if found != 0 {
		t.Error("the link's token is stored in clear")
	}
}

func merchants(t *testing.T, f *fixture) int {
	t.Helper()
	var n int
	must(t, f.db.Owner(t).QueryRow(`select count(*) from merchants`).Scan(&n))
	return n
}

func userOf(t *testing.T, f *fixture, email string) domain.UserID {
	t.Helper()
	u, err := f.store.UserByEmail(t.Context(), email)
	must(t, err)
	return u.ID
}

// TestANewLinkAndTheUseOfTheOldOneDoNotDeadlock: whoever gives a new link holds
// the person and then wants the links; whoever uses one must not hold the link
// while waiting for the person.
func TestANewLinkAndTheUseOfTheOldOneDoNotDeadlock(t *testing.T) {
	f := setUp(t)
	id, token, err := f.CreateUser(t.Context(), f.merchant, NewPerson{Email: "new@example.com", Name: "New", Role: domain.Cashier})
	must(t, err)
	owner := f.db.Owner(t)
	used := make(chan error, 1)
	var once sync.Once
	f.store.OnStatement(func(sql string) {
		if !strings.HasPrefix(sql, "update setup_links set used_at = $3 where merchant_id = $1 and user_id = $2") {
			return
		}
		once.Do(func() {
			go func() { used <- f.ChoosePassword(context.Background(), token, rightPassword, here) }()
			for waiting, end := 0, time.Now().Add(20*time.Second); waiting == 0; time.Sleep(5 * time.Millisecond) {
				if err := owner.QueryRow(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting); err != nil || time.Now().After(end) {
					t.Errorf("the use of the old link does not wait for the person: %v", err)
					return
				}
			}
		})
	})
	fresh, err := f.CreateSetupLink(t.Context(), f.merchant, id, NewSignIn)
	if err != nil {
		t.Errorf("the new link: %v", err)
	}
	once.Do(func() { used <- errors.New("not tried") })
	if err := <-used; domain.CodeOf(err) != domain.NotFound {
		t.Errorf("the use of the old link: %v, want NotFound", err)
	}
	if s, err := f.Setup(t.Context(), fresh); err != nil || s.Step != StepPassword {
		t.Errorf("the new link does not work: %+v, %v", s, err)
	}
}
