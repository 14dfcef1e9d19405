package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
)

func TestPersonIsReadInOneStatementWithRoleAndMerchant(t *testing.T) {
	db, s, m, u := shopWithAda(t)
	ctx := t.Context()
	n := 0
	s.OnStatement(func(string) { n++ })
	p, err := s.PersonOf(ctx, u, m)
	noErr(t, err)
	if n != 1 {
		t.Errorf("%d statements", n)
	}
	if p.Actor.UserID != u || p.Actor.MerchantID != m || p.Actor.Role != domain.Manager || p.Actor.Name != "Ada" || p.Actor.Email != "Ada@example.com" || p.Theme != "" {
		t.Errorf("%+v", p.Actor)
	}
	if p.Merchant.Name != "Quay Street Books" || len(p.Merchant.Currencies) != 2 || p.Merchant.Currencies[1].Code() != "JPY" || p.Merchant.Mode != domain.Test {
		t.Errorf("%+v", p.Merchant)
	}
	noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) error { return tx.SetTheme(ctx, u, "dark") }))
	if p, err := s.PersonOf(ctx, u, m); err != nil || p.Theme != "dark" {
		t.Errorf("theme %q, %v", p.Theme, err)
	}
	if _, err := s.PersonOf(ctx, u, domain.NewMerchantID()); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("at another merchant: %v", err)
	}
	_, err = db.Owner(t).Exec(`update users set disabled_at = now()`)
	noErr(t, err)
	if _, err := s.PersonOf(ctx, u, m); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("disabled: %v", err)
	}
}

func TestEmailsAreOneWhateverTheirCase(t *testing.T) {
	_, s, m, u := shopWithAda(t)
	ctx := t.Context()
	got, err := s.UserByEmail(ctx, "aDA@EXAMPLE.COM")
	noErr(t, err)
	if got.ID != u || got.MerchantID != m || !got.Enrolled() {
		t.Errorf("%+v", got)
	}
	err = s.InTenant(ctx, m, func(tx *store.Tx) error {
		return tx.InsertUser(ctx, store.User{ID: domain.NewUserID(), Email: "ada@EXAMPLE.com", Name: "Another"}, domain.Owner, nine)
	})
	if domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("the same e-mail again: %v", err)
	}
	if _, err := s.UserByEmail(ctx, "nobody@example.com"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("nobody: %v", err)
	}
}

func TestTheMerchantJoinedLastIsTheOneToWorkAt(t *testing.T) {
	db, s, _, u := shopWithAda(t)
	ctx := t.Context()
	later := domain.NewMerchantID()
	noErr(t, s.InsertMerchant(ctx, domain.Merchant{ID: later, Name: "Kiosk", TimeZone: "UTC", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: nine}))
	_, err := db.Owner(t).Exec(`insert into memberships (merchant_id, user_id, role, created_at) values ($1, $2, 'analyst', $3)`, later, u, nine.Add(time.Hour))
	noErr(t, err)
	got, err := s.UserByID(ctx, u)
	noErr(t, err)
	if got.MerchantID != later {
		t.Error("the first one")
	}
}

func TestFailuresLockAndTheLockEnds(t *testing.T) {
	_, s, m, u := shopWithAda(t)
	ctx := t.Context()
	fail := func(user domain.UserID, at time.Time) (locked bool) {
		t.Helper()
		noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) (err error) {
			locked, err = tx.CountFailure(ctx, user, at, 3, at.Add(30*time.Minute))
			return err
		}))
		return locked
	}
	may := func(at time.Time) (may bool) {
		t.Helper()
		noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) (err error) {
			may, err = tx.MaySignIn(ctx, u, at)
			return err
		}))
		return may
	}
	for range 2 {
		if fail(u, nine) || !may(nine) {
			t.Error("locked too early")
		}
	}
	if fail(domain.NewUserID(), nine) {
		t.Error("nobody is locked")
	}
	if !fail(u, nine) || may(nine) {
		t.Error("not locked at the third")
	}
	if fail(u, nine.Add(29*time.Minute)) {
		t.Error("a failure while locked locks anew")
	}
	if may(nine.Add(30*time.Minute - time.Microsecond)) {
		t.Error("the lock ends early")
	}
	if !may(nine.Add(30 * time.Minute)) {
		t.Error("the lock does not end")
	}
	after := nine.Add(31 * time.Minute)
	for range 2 {
		if fail(u, after) || !may(after) {
			t.Error("the count does not begin anew")
		}
	}
	if !fail(u, after) {
		t.Error("it does not lock a second time")
	}
}

func TestAStepOfTheSecondFactorIsTakenOnceInParallel(t *testing.T) {
	_, s, m, u := shopWithAda(t)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := s.InTenant(context.Background(), m, func(tx *store.Tx) error {
				accepted, err := tx.AcceptStep(context.Background(), u, 1000, nine)
				if accepted {
					taken.Add(1)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times", taken.Load())
	}
	noErr(t, s.InTenant(t.Context(), m, func(tx *store.Tx) error {
		accepted, err := tx.AcceptStep(t.Context(), u, 999, nine)
		if accepted {
			t.Error("an earlier step is taken afterwards")
		}
		return err
	}))
}

func TestUnconfirmedFactorAcceptsNoStep(t *testing.T) {
	_, s, m, u := shopWithAda(t)
	ctx := t.Context()
	noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) error {
		if err := tx.ResetSecondFactor(ctx, u, []byte("new")); err != nil {
			return err
		}
		if accepted, err := tx.AcceptStep(ctx, u, 1000, nine); err != nil || accepted {
			t.Errorf("%v, %v", accepted, err)
		}
		return tx.ConfirmSecondFactor(ctx, u, 1000)
	}))
	noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) error {
		for step, want := range map[int64]bool{1000: false, 999: false} {
			if accepted, err := tx.AcceptStep(ctx, u, step, nine); err != nil || accepted != want {
				t.Errorf("step %d: %v, %v", step, accepted, err)
			}
		}
		accepted, err := tx.AcceptStep(ctx, u, 1001, nine)
		if !accepted {
			t.Error("the next step is refused")
		}
		return err
	}))
}

func TestOnlyAMembersFactorCanBeReset(t *testing.T) {
	_, s, _, u := shopWithAda(t)
	ctx := t.Context()
	other := domain.NewMerchantID()
	noErr(t, s.InsertMerchant(ctx, domain.Merchant{ID: other, Name: "Kiosk", TimeZone: "UTC", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: nine}))
	err := s.InTenant(ctx, other, func(tx *store.Tx) error { return tx.ResetSecondFactor(ctx, u, []byte("mine")) })
	if domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another merchant: %v", err)
	}
}

func TestSetupLinkBelongsToItsMerchant(t *testing.T) {
	_, s, m, u := shopWithAda(t)
	ctx := t.Context()
	hash := []byte("hash of a token")
	noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) error { return tx.InsertSetupLink(ctx, hash, u, nine, nine.Add(time.Hour)) }))
	found, err := s.MerchantOfSetupLink(ctx, hash)
	noErr(t, err)
	if found != m {
		t.Error("another merchant's")
	}
	noErr(t, s.ReadTenant(ctx, m, func(tx *store.Tx) error {
		l, err := tx.SetupLink(ctx, hash)
		if l.User.ID != u || l.Merchant.ID != m || l.UsedAt != nil || !l.ExpiresAt.Equal(nine.Add(time.Hour)) {
			t.Errorf("%+v", l)
		}
		return err
	}))
	err = s.ReadTenant(ctx, domain.NewMerchantID(), func(tx *store.Tx) error {
		_, err := tx.SetupLink(ctx, hash)
		return err
	})
	if domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another merchant: %v", err)
	}
	noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) error { return tx.UseSetupLink(ctx, hash, nine) }))
	if _, err := s.MerchantOfSetupLink(ctx, hash); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("used: %v", err)
	}
}
