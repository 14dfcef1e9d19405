package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

// script answers status questions one after the other.
type script struct {
	mu      sync.Mutex
	answers []answer
	asked   []domain.TransactionID
	done    chan struct{}
	alerted chan domain.MerchantID // nil: nobody looks
}

type answer struct {
	r   payments.Resolved
	err error
}

func (s *script) Resolve(_ context.Context, _ domain.MerchantID, id domain.TransactionID) (payments.Resolved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, id)
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	} else {
		close(s.done)
	}
	return a.r, a.err
}

func (s *script) AlertHolds(_ context.Context, m domain.MerchantID) (int, error) {
	if s.alerted != nil {
		s.alerted <- m
	}
	return 0, nil
}

// Handle and Follow are not what these tests are about.
func (s *script) Handle(context.Context, domain.MerchantID, domain.CallbackID) (time.Duration, error) {
	return 0, nil
}

func (s *script) Follow(context.Context, domain.MerchantID, domain.ConnectionID, string) error {
	return nil
}

func start(t *testing.T, s *script, merchants ...domain.MerchantID) *store.Store {
	t.Helper()
	db := storetest.New(t)
	st, err := store.Open(t.Context(), store.Config{URL: db.AppURL})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range merchants {
		if err := st.InsertMerchant(t.Context(), domain.Merchant{ID: m, Name: "Quay Street Books", TimeZone: "UTC", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	runner, err := jobs.New(st, s, s, slog.New(slog.DiscardHandler), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := runner.Stop(ctx); err != nil {
			t.Error(err)
		}
		_ = st.Close()
	})
	return st
}

func enqueue(t *testing.T, st *store.Store, m domain.MerchantID, id domain.TransactionID) {
	t.Helper()
	err := st.InTenant(t.Context(), m, func(tx *store.Tx) error {
		return tx.Enqueue(t.Context(), args.ResolveTransaction{MerchantID: m, TransactionID: id}, time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, s *script) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the job did not ask to the end within 20 s")
	}
}

func TestTheResolverAsksUntilTheOutcomeIsKnown(t *testing.T) {
	s := &script{done: make(chan struct{}), answers: []answer{
		{r: payments.Resolved{Status: domain.TxUnknown, Again: 10 * time.Millisecond}},
		{r: payments.Resolved{Status: domain.TxUnknown, Again: 10 * time.Millisecond}},
		{r: payments.Resolved{Status: domain.TxApproved}},
	}}
	st := start(t, s)
	m, id := domain.NewMerchantID(), domain.NewTransactionID()
	enqueue(t, st, m, id)
	enqueue(t, st, m, id) // one transaction has one job
	wait(t, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) != 3 || s.asked[0] != id {
		t.Errorf("asked %d times, want 3", len(s.asked))
	}
}

func TestATransactionThatIsGoneIsNotAskedForAgain(t *testing.T) {
	s := &script{done: make(chan struct{}), answers: []answer{{err: errors.Join(domain.Errorf(domain.NotFound, "Gone."))}}}
	st := start(t, s)
	enqueue(t, st, domain.NewMerchantID(), domain.NewTransactionID())
	wait(t, s)
	var state string
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && state != "cancelled"; <-look.C {
		if err := st.SQLDB().QueryRow(`select state from river.river_job where kind = $1`, args.ResolveTransaction{}.Kind()).Scan(&state); err != nil {
			t.Fatal(err)
		}
	}
	if state != "cancelled" {
		t.Errorf("the job is %s, want cancelled", state)
	}
}

// The queue of the periodic jobs is worked: each merchant's holds are looked at
// as soon as the runner starts.
func TestTheHoldsOfEachMerchantAreLookedAt(t *testing.T) {
	s := &script{alerted: make(chan domain.MerchantID, 10)}
	want := map[domain.MerchantID]bool{domain.NewMerchantID(): true, domain.NewMerchantID(): true}
	var ids []domain.MerchantID
	for m := range want {
		ids = append(ids, m)
	}
	start(t, s, ids...)
	for range ids {
		select {
		case m := <-s.alerted:
			if !want[m] {
				t.Errorf("%s was looked at twice, or is no merchant", m)
			}
			delete(want, m)
		case <-time.After(15 * time.Second):
			t.Fatal("nobody looked at the holds")
		}
	}
}

// fleet writes down what the jobs about terminals call.
type fleet struct {
	mu    sync.Mutex
	sends int
	heard chan string
}

func (f *fleet) note(what string) {
	select {
	case f.heard <- what:
	default:
	}
}

func (f *fleet) SyncMerchant(context.Context, domain.MerchantID) error {
	f.note("sync")
	return nil
}

func (f *fleet) CheckDue(context.Context, domain.MerchantID) (int, error) {
	f.note("check")
	return 1, nil
}

// Send asks to be called again once, as a check does whose provider asks for
// patience.
func (f *fleet) Send(context.Context, domain.MerchantID, domain.CommandID) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sends++; f.sends == 1 {
		return 10 * time.Millisecond, nil
	}
	f.note("sent")
	return 0, nil
}

func (f *fleet) Follow(context.Context, domain.MerchantID, domain.CommandID) (time.Duration, error) {
	f.note("followed")
	return 0, nil
}

func (f *fleet) Sweep(context.Context, domain.MerchantID) error {
	f.note("swept")
	return nil
}

func (f *fleet) AlertSilent(context.Context, domain.MerchantID) (int, error) {
	f.note("alerted")
	return 0, nil
}

func TestTheFleetsJobsAreWorkedFromTheStart(t *testing.T) {
	db := storetest.New(t)
	st := db.Open(t)
	m := domain.Merchant{ID: domain.NewMerchantID(), Name: "Quay Street Books", TimeZone: "UTC", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: time.Now()}
	if err := st.InsertMerchant(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Minute)
	err := st.InTenant(t.Context(), m.ID, func(tx *store.Tx) error {
		conn := domain.Connection{ID: domain.NewConnectionID(), MerchantID: m.ID, Provider: "handpoint", Name: "Terminals", Mode: domain.Test, BaseURL: "https://example.com", Active: true, CreatedAt: at}
		if err := tx.InsertConnection(t.Context(), conn); err != nil {
			return err
		}
		if err := tx.InsertDevice(t.Context(), domain.Device{ID: domain.NewDeviceID(), ConnectionID: conn.ID, Serial: "1", Type: "PAXA920", FirstListedAt: at, CheckAt: at}); err != nil {
			return err
		}
		k := domain.NewCommandID()
		if err := tx.Enqueue(t.Context(), args.SendDeviceCommand{MerchantID: m.ID, CommandID: k}, at); err != nil {
			return err
		}
		return tx.Enqueue(t.Context(), args.FollowDeviceCommand{MerchantID: m.ID, CommandID: k}, at)
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{heard: make(chan string, 100)}
	s := &script{done: make(chan struct{})}
	runner, err := jobs.New(st, s, s, slog.New(slog.DiscardHandler), 50*time.Millisecond, jobs.WithFleet(f))
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := runner.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	missing := map[string]bool{"sync": true, "check": true, "sent": true, "followed": true, "swept": true, "alerted": true}
	for late := time.After(20 * time.Second); len(missing) > 0; {
		select {
		case what := <-f.heard:
			delete(missing, what)
		case <-late:
			t.Fatalf("not called: %v", missing)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sends != 2 {
		t.Errorf("a command that asked to wait was sent %d times", f.sends)
	}
}
