package store_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

var nine = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

func noErr(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shopWithAda is a merchant with one person in an opened store.
func shopWithAda(t *testing.T) (*storetest.DB, *store.Store, domain.MerchantID, domain.UserID) {
	t.Helper()
	db := storetest.New(t)
	s := db.Open(t)
	m, u := domain.NewMerchantID(), domain.NewUserID()
	noErr(t, s.InTenant(t.Context(), m, func(tx *store.Tx) error {
		if err := tx.InsertMerchant(t.Context(), domain.Merchant{ID: m, Name: "Quay Street Books", TimeZone: "Europe/London", Mode: domain.Test,
			Currencies: []money.Currency{money.MustCurrency("GBP"), money.MustCurrency("JPY")}, CreatedAt: nine}); err != nil {
			return err
		}
		return tx.InsertUser(t.Context(), store.User{ID: u, Email: "Ada@example.com", Name: "Ada", PasswordHash: "hash", TOTPSealed: []byte("sealed"), TOTPLastStep: 1}, domain.Manager, nine)
	}))
	return db, s, m, u
}

func TestSessionIsFoundByItsTokenAndStoredByItsHash(t *testing.T) {
	db, s, _, u := shopWithAda(t)
	ctx := t.Context()
	if _, found, err := s.FindSession(ctx, "none"); found || err != nil {
		t.Fatal(found, err)
	}
	noErr(t, s.InsertSession(ctx, "token", store.Session{Data: []byte("data"), UserID: u, LastSeenAt: nine, ExpiresAt: nine.Add(12 * time.Hour)}))
	noErr(t, s.InsertSession(ctx, "nobody's", store.Session{Data: []byte("data"), LastSeenAt: nine, ExpiresAt: nine.Add(12 * time.Hour)}))
	got, found, err := s.FindSession(ctx, "token")
	noErr(t, err)
	if !found || string(got.Data) != "data" || got.UserID != u || !got.LastSeenAt.Equal(nine) || !got.ExpiresAt.Equal(nine.Add(12*time.Hour)) {
		t.Errorf("%+v", got)
	}
	if got, _, err := s.FindSession(ctx, "nobody's"); err != nil || !got.UserID.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	var hash []byte
	noErr(t, db.Owner(t).QueryRow(`select token_hash from sessions where user_id = $1`, u).Scan(&hash))
	if want := sha256.Sum256([]byte("token")); string(hash) != string(want[:]) {
		t.Error("not the token's hash")
	}
}

func TestEndedSessionIsNotBroughtBackByALateWrite(t *testing.T) {
	_, s, _, u := shopWithAda(t)
	ctx := t.Context()
	noErr(t, s.InsertSession(ctx, "token", store.Session{Data: []byte("a"), UserID: u, LastSeenAt: nine, ExpiresAt: nine.Add(time.Hour)}))
	noErr(t, s.UpdateSession(ctx, "token", []byte("b")))
	if got, _, _ := s.FindSession(ctx, "token"); string(got.Data) != "b" {
		t.Errorf("%q", got.Data)
	}
	noErr(t, s.DeleteSession(ctx, "token"))
	noErr(t, s.UpdateSession(ctx, "token", []byte("c")))
	noErr(t, s.TouchSession(ctx, "token", nine.Add(time.Minute)))
	noErr(t, s.DeleteSession(ctx, "token"))
	if _, found, err := s.FindSession(ctx, "token"); found || err != nil {
		t.Error("it is back", err)
	}
}

func TestIdleClockMovesForwardOnly(t *testing.T) {
	_, s, _, u := shopWithAda(t)
	ctx := t.Context()
	noErr(t, s.InsertSession(ctx, "token", store.Session{UserID: u, Data: []byte{}, LastSeenAt: nine, ExpiresAt: nine.Add(time.Hour)}))
	for _, at := range []time.Duration{2 * time.Minute, time.Minute} {
		noErr(t, s.TouchSession(ctx, "token", nine.Add(at)))
	}
	if got, _, _ := s.FindSession(ctx, "token"); !got.LastSeenAt.Equal(nine.Add(2 * time.Minute)) {
		t.Errorf("last seen %s", got.LastSeenAt)
	}
}

func TestNewSessionsClearAwayOldOnes(t *testing.T) {
	db, s, _, _ := shopWithAda(t)
	ctx := t.Context()
	for _, token := range []string{"a", "b", "c"} {
		noErr(t, s.InsertSession(ctx, token, store.Session{Data: []byte{}, LastSeenAt: nine, ExpiresAt: nine.Add(time.Hour)}))
	}
	noErr(t, s.InsertSession(ctx, "later", store.Session{Data: []byte{}, LastSeenAt: nine.Add(2 * time.Hour), ExpiresAt: nine.Add(14 * time.Hour)}))
	var n int
	noErr(t, db.Owner(t).QueryRow(`select count(*) from sessions`).Scan(&n))
	if n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestAllSessionsOfAPersonEndInOneStatement(t *testing.T) {
	db, s, m, u := shopWithAda(t)
	ctx := t.Context()
	for _, token := range []string{"a", "b", "c"} {
		noErr(t, s.InsertSession(ctx, token, store.Session{UserID: u, Data: []byte{}, LastSeenAt: nine, ExpiresAt: nine.Add(time.Hour)}))
	}
	noErr(t, s.InsertSession(ctx, "other", store.Session{Data: []byte{}, LastSeenAt: nine, ExpiresAt: nine.Add(time.Hour)}))
	noErr(t, s.InTenant(ctx, m, func(tx *store.Tx) error {
		n, err := tx.EndSessionsOf(ctx, u)
		if n != 3 {
			t.Errorf("%d ended", n)
		}
		return err
	}))
	var n int
	noErr(t, db.Owner(t).QueryRow(`select count(*) from sessions`).Scan(&n))
	if n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}
