package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

func TestListenHearsWhatIsCommittedAndSaysWhenItMayHaveMissedSomething(t *testing.T) {
	t.Parallel()
	for _, as := range []string{"the application's role", "a login that is narrowed"} {
		t.Run(as, func(t *testing.T) {
			t.Parallel()
			db := storetest.New(t)
			s := db.Open(t)
			url := db.AppURL
			if as != "the application's role" {
				url = db.OwnerURL
			}
			ctx, stop := context.WithCancel(context.Background())
			heard, lost, ended := make(chan store.Change, 8), make(chan struct{}, 8), make(chan error, 1)
			go func() {
				ended <- s.Listen(ctx, url, func(c store.Change) { heard <- c }, func() { lost <- struct{}{} })
			}()
			await(t, lost)
			m, id := domain.NewMerchantID(), domain.NewPaymentID()
			tell := func() {
				t.Helper()
				must(t, s.InTenant(context.Background(), m, func(tx *store.Tx) error { return tx.Notify(context.Background(), "payment", id.String()) }))
			}
			tell()
			want := store.Change{Merchant: m, Object: "payment", ID: id.String()}
			if got := await(t, heard); got != want {
				t.Fatalf("heard %v, want %v", got, want)
			}
			owner := db.Owner(t)
			// What is not ours is not heard.
			for _, odd := range []string{"", "x", m.String(), m.String() + " payment", m.String() + " payment 1", "a b c"} {
				_, err := owner.Exec(`select pg_notify('counterfoil', $1)`, odd)
				must(t, err)
			}
			_, err := owner.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`)
			must(t, err)
			await(t, lost)
			tell()
			if got := await(t, heard); got != want {
				t.Fatalf("heard %v after the line was cut, want %v", got, want)
			}
			stop()
			if err := await(t, ended); err != context.Canceled { //nolint:errorlint // it is ctx's own
				t.Errorf("Listen ended with %v", err)
			}
		})
	}
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came within 20 s")
		panic("unreachable")
	}
}
