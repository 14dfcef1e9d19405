package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

func (sh shop) transaction(p domain.Payment, typ domain.TransactionType, amount money.Amount) domain.Transaction {
	return domain.Transaction{ID: domain.NewTransactionID(), PaymentID: p.ID, ConnectionID: sh.conn, Reference: domain.NewReference(), Type: typ, Status: domain.TxPending,
		Amount: amount, AttemptRef: uuid.NewString(), CreatedBy: sh.user, CreatedName: "Maya", CreatedAt: p.CreatedAt, LastSendAt: p.CreatedAt}
}

// sale writes a payment with its pending sale.
func (sh shop) sale(t testing.TB, s *store.Store, amount money.Amount) (domain.Payment, domain.Transaction) {
	t.Helper()
	p := sh.payment(amount, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	x := sh.transaction(p, domain.Sale, amount)
	err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		return errors.Join(tx.InsertPayment(t.Context(), p), tx.InsertTransaction(t.Context(), x))
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, x
}

func settle(t testing.TB, s *store.Store, sh shop, p domain.Payment, x domain.Transaction, set store.Settlement) bool {
	t.Helper()
	var changed bool
	set.At = p.CreatedAt.Add(time.Second)
	err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) (err error) {
		changed, err = tx.Settle(t.Context(), p.ID, x.ID, set)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestAReplayedAnswerChangesNothing(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 8)
	sh := newShop(t, s, db, "alpha")
	p, x := sh.sale(t, s, money.FromMinor(4200, gbp))
	var wg sync.WaitGroup
	var mu sync.Mutex
	changes := 0
	for range 50 {
		wg.Go(func() {
			if settle(t, s, sh, p, x, store.Settlement{To: domain.TxApproved, ProviderRef: "ref-1"}) {
				mu.Lock()
				changes++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if changes != 1 {
		t.Errorf("the same answer took effect %d times, want 1", changes)
	}
	for _, to := range []domain.TransactionStatus{domain.TxDeclined, domain.TxFailed, domain.TxUnknown, domain.TxProcessing, domain.TxNeedsPerson} {
		if settle(t, s, sh, p, x, store.Settlement{To: to}) {
			t.Errorf("an approved sale became %s", to)
		}
	}
	err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		got, err := tx.Payment(t.Context(), p.ID)
		if got.Captured != money.FromMinor(4200, gbp) || got.Status != domain.PaymentApproved {
			t.Errorf("captured %s, %s", got.Captured, got.Status)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestALateApprovalWinsOverAnEarlierNo(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	for _, no := range []domain.TransactionStatus{domain.TxDeclined, domain.TxFailed} {
		p, x := sh.sale(t, s, money.FromMinor(4200, gbp))
		settle(t, s, sh, p, x, store.Settlement{To: no, Reason: domain.ReasonNeverArrived})
		if !settle(t, s, sh, p, x, store.Settlement{To: domain.TxApproved, ProviderRef: "late-" + string(no)}) {
			t.Errorf("%s did not become approved", no)
		}
	}
}

func TestAProviderReferenceBelongsToOneTransaction(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	p1, x1 := sh.sale(t, s, money.FromMinor(4200, gbp))
	settle(t, s, sh, p1, x1, store.Settlement{To: domain.TxApproved, ProviderRef: "same"})
	p2, x2 := sh.sale(t, s, money.FromMinor(4200, gbp))
	err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		_, err := tx.Settle(t.Context(), p2.ID, x2.ID, store.Settlement{To: domain.TxApproved, ProviderRef: "same", At: p2.CreatedAt})
		return err
	})
	if domain.CodeOf(err) != domain.Conflict {
		t.Errorf("error %v, want Conflict", err)
	}
}

func TestARefundDoesNotChangeTheCardThatPaid(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	p, x := sh.sale(t, s, money.FromMinor(4200, gbp))
	paid := domain.Card{Brand: "Visa", Last4: "1881", Expiry: "10/30"}
	settle(t, s, sh, p, x, store.Settlement{To: domain.TxApproved, ProviderRef: "sale", Card: paid})
	r := sh.transaction(p, domain.Refund, money.FromMinor(100, gbp))
	r.CreatedAt = r.CreatedAt.Add(time.Minute)
	must(t, s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error { return tx.InsertTransaction(t.Context(), r) }))
	settle(t, s, sh, p, r, store.Settlement{To: domain.TxApproved, ProviderRef: "refund", Card: domain.Card{Brand: "Mastercard", Last4: "4444", Expiry: "01/29"}})
	must(t, s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		got, err := tx.Payment(t.Context(), p.ID)
		if got.Card != paid || got.Refunded != money.FromMinor(100, gbp) {
			t.Errorf("card %+v, refunded %s; want %+v and 1.00", got.Card, got.Refunded, paid)
		}
		return err
	}))
}

func TestAKeyIsClaimedOnce(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 8)
	sh := newShop(t, s, db, "alpha")
	p, x := sh.sale(t, s, money.FromMinor(4200, gbp))
	claim := func(hash string) (bool, error) {
		var fresh bool
		err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) (err error) {
			_, fresh, err = tx.ClaimKey(t.Context(), "key", []byte(hash), store.KeyClaim{PaymentID: p.ID, TransactionID: x.ID}, p.CreatedAt)
			return err
		})
		return fresh, err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 20 {
		wg.Go(func() {
			fresh, err := claim("a")
			if err != nil {
				t.Error(err)
			}
			if fresh {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 1 {
		t.Errorf("%d fresh claims, want 1", n)
	}
	if _, err := claim("b"); domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("another content: %v, want Duplicate", err)
	}
}

func TestAJobExistsIfAndOnlyIfTheCommitDoes(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	_, x := sh.sale(t, s, money.FromMinor(4200, gbp))
	broken := errors.New("broken")
	for _, fail := range []error{broken, nil} {
		err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
			tx.Audit(store.AuditEntry{At: x.CreatedAt, Action: "payment.sale.requested", Result: "ok"})
			return errors.Join(tx.Enqueue(t.Context(), args.ResolveTransaction{MerchantID: sh.id, TransactionID: x.ID}, x.CreatedAt), fail)
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
		var jobs, audits int
		if err := owner(t, db).QueryRow(`select (select count(*) from river.river_job), (select count(*) from audit_log where action = 'payment.sale.requested')`).Scan(&jobs, &audits); err != nil {
			t.Fatal(err)
		}
		want := 1
		if fail != nil {
			want = 0
		}
		if jobs != want || audits != want {
			t.Errorf("after %v: %d jobs and %d audit rows, want %d of each", fail, jobs, audits, want)
		}
	}
}

func TestPagesOfAListMeetWithoutGapOrRepeat(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	var want []domain.PaymentID
	for _, p := range sh.addPayments(t, s, 23) {
		want = append([]domain.PaymentID{p.ID}, want...)
	}
	read := func(after domain.Cursor) domain.PaymentPage {
		var page domain.PaymentPage
		err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) (err error) {
			page, err = tx.ListPayments(t.Context(), domain.PaymentFilter{After: after, Limit: 5})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	var got []domain.PaymentID
	var pages []domain.PaymentPage
	for at := (domain.Cursor{}); ; {
		page := read(at)
		pages = append(pages, page)
		for _, p := range page.Payments {
			got = append(got, p.ID)
		}
		if at = page.Older; at.IsZero() {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read %d payments, want the %d in their order", len(got), len(want))
	}
	if !pages[0].Newer.IsZero() {
		t.Error("the newest page has a newer one")
	}
	for i := len(pages) - 1; i > 0; i-- {
		back := read(pages[i].Newer)
		if fmt.Sprint(ids(back)) != fmt.Sprint(ids(pages[i-1])) {
			t.Errorf("newer than page %d is not page %d", i, i-1)
		}
	}
}

func ids(p domain.PaymentPage) []string {
	var out []string
	for _, x := range p.Payments {
		out = append(out, x.ID.String())
	}
	return out
}

func TestAFilterFindsWhatItSays(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	make := func(minor int64, cur money.Currency, edit func(*domain.Payment)) domain.Payment {
		p := sh.payment(money.FromMinor(minor, cur), at)
		at = at.Add(time.Minute)
		edit(&p)
		if err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error { return tx.InsertPayment(t.Context(), p) }); err != nil {
			t.Fatal(err)
		}
		return p
	}
	a := make(1250, gbp, func(p *domain.Payment) {
		p.Status, p.OrderReference, p.Card.Last4 = domain.PaymentApproved, "Hamper 100%", "1881"
	})
	b := make(1250, eur, func(p *domain.Payment) {
		p.Status, p.Method, p.OrderReference = domain.PaymentDeclined, domain.MethodPage, "Box"
	})
	c := make(99000, gbp, func(p *domain.Payment) {
		p.Status, p.OrderReference = domain.PaymentUnknown, "hamper_2"
		p.Refunded = money.FromMinor(1, gbp)
	})
	for _, tt := range []struct {
		name string
		f    domain.PaymentFilter
		want []domain.Payment
	}{
		{"nothing", domain.PaymentFilter{}, []domain.Payment{c, b, a}},
		{"one status", domain.PaymentFilter{Statuses: []domain.PaymentStatus{domain.PaymentDeclined}}, []domain.Payment{b}},
		{"two statuses", domain.PaymentFilter{Statuses: []domain.PaymentStatus{domain.PaymentDeclined, domain.PaymentUnknown}}, []domain.Payment{c, b}},
		{"a method", domain.PaymentFilter{Methods: []domain.Method{domain.MethodPage}}, []domain.Payment{b}},
		{"a currency", domain.PaymentFilter{Currencies: []money.Currency{gbp}}, []domain.Payment{c, a}},
		{"a connection", domain.PaymentFilter{Connections: []domain.ConnectionID{sh.conn}}, []domain.Payment{c, b, a}},
		{"connections that are not there", domain.PaymentFilter{Connections: []domain.ConnectionID{domain.NewConnectionID(), domain.NewConnectionID()}}, nil},
		{"refunds", domain.PaymentFilter{Type: domain.Refund}, []domain.Payment{c}},
		{"an amount range", domain.PaymentFilter{MinMinor: 1250, MaxMinor: 1250}, []domain.Payment{b, a}},
		{"a time range, the end excluded", domain.PaymentFilter{From: a.CreatedAt, To: b.CreatedAt}, []domain.Payment{a}},
		{"last four digits", domain.PaymentFilter{Query: "1881"}, []domain.Payment{a}},
		{"a reference typed in lower case", domain.PaymentFilter{Query: strings.ToLower(b.Reference)}, []domain.Payment{b}},
		{"the beginning of an order reference", domain.PaymentFilter{Query: "HAMPER"}, []domain.Payment{c, a}},
		{"a percent sign is no wildcard", domain.PaymentFilter{Query: "hamper 100%"}, []domain.Payment{a}},
		{"an underscore is no wildcard", domain.PaymentFilter{Query: "hamper_"}, []domain.Payment{c}},
		{"an amount", domain.PaymentFilter{Query: "12.50", QueryAmounts: []money.Amount{money.FromMinor(1250, gbp)}}, []domain.Payment{a}},
		{"a quote is only a character", domain.PaymentFilter{Query: "' or 1=1 --"}, nil},
	} {
		var got domain.PaymentPage
		var exported []domain.Payment
		err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) (err error) {
			got, err = tx.ListPayments(t.Context(), tt.f)
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		err = s.ExportPayments(t.Context(), sh.id, tt.f, func(ps []domain.Payment) error { exported = append(exported, ps...); return nil })
		if err != nil {
			t.Errorf("%s: export: %v", tt.name, err)
		}
		if w := ids(domain.PaymentPage{Payments: tt.want}); fmt.Sprint(ids(got)) != fmt.Sprint(w) || fmt.Sprint(ids(domain.PaymentPage{Payments: exported})) != fmt.Sprint(w) {
			t.Errorf("%s: %d listed and %d exported, want %d", tt.name, len(got.Payments), len(exported), len(w))
		}
	}
}

func TestOneExportTooManyIsTurnedAwayAndHoldsUpNobody(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 1)
	sh := newShop(t, s, db, "alpha")
	sh.addPayments(t, s, 3)
	inside, release := make(chan struct{}, 2), make(chan struct{})
	done := make(chan error, 2)
	for range 2 {
		go func() {
			done <- s.ExportPayments(context.Background(), sh.id, domain.PaymentFilter{}, func([]domain.Payment) error {
				inside <- struct{}{}
				<-release
				return nil
			})
		}()
	}
	<-inside
	<-inside
	if err := s.ExportPayments(t.Context(), sh.id, domain.PaymentFilter{}, func([]domain.Payment) error { return nil }); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("a third export: %v, want TooMany", err)
	}
	// The only connection of the other pool is free: a sale does not wait.
	sh.sale(t, s, money.FromMinor(100, gbp))
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTheAuditChainNamesTheFirstBrokenRow(t *testing.T) {
	for _, tt := range []struct {
		name, tamper string
		seq          int64
	}{
		{"whole", ``, 0},
		{"a row was edited", `update audit_log set result = 'denied' where seq = 3`, 3},
		{"a row was removed", `delete from audit_log where seq = 4`, 4},
		{"two rows changed places", `update audit_log set seq = 100 where seq = 2; update audit_log set seq = 2 where seq = 3; update audit_log set seq = 3 where seq = 100`, 2},
		{"the tail was cut", `delete from audit_log where seq = 6`, 6},
		{"the whole chain was cut", `delete from audit_log`, 1},
		{"the last row was edited and hashed again", rehash(6, 6), 6},
		{"the rows up to the last were edited and hashed again", rehash(2, 6), 6},
		{"a row was added behind the head", `insert into audit_log select (jsonb_populate_record(a, '{"seq": 7}')).* from audit_log a where seq = 6`, 7},
		{"a row was added behind the head with its right hash", `insert into audit_log select (jsonb_populate_record(a, jsonb_build_object('seq', 7, 'prev_hash', a.hash))).* from audit_log a where seq = 6;` + rehash(7, 7), 7},
		{"the head was moved back", `update audit_heads set seq = 5, hash = (select hash from audit_log where seq = 5)`, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := storetest.New(t)
			s := open(t, db, 4)
			sh := newShop(t, s, db, "alpha")
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
						tx.Audit(store.AuditEntry{At: time.Now(), Actor: domain.Actor{UserID: sh.user, Name: "Maya"}, Action: "test", Result: "ok", Detail: map[string]any{"n": i, "b": "x", "a": nil}})
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if tt.tamper != "" {
				if _, err := owner(t, db).Exec(tt.tamper); err != nil {
					t.Fatal(err)
				}
			}
			err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
				bad, n, err := tx.VerifyAudit(t.Context())
				switch {
				case err != nil:
				case tt.seq == 0 && (bad != nil || n != 6):
					t.Errorf("a whole chain of 6: %+v after %d rows", bad, n)
				case tt.seq != 0 && (bad == nil || bad.Seq != tt.seq):
					t.Errorf("named %+v, want row %d", bad, tt.seq)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAChainThatGrowsMeanwhileIsWhole: verifying belongs to no quiet hour.
func TestAChainThatGrowsMeanwhileIsWhole(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 6)
	sh := newShop(t, s, db, "alpha")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := s.InTenant(context.Background(), sh.id, func(tx *store.Tx) error {
					tx.Audit(store.AuditEntry{At: time.Now(), Actor: domain.Actor{UserID: sh.user, Name: "Maya"}, Action: "test", Result: "ok"})
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer close(done)
	first, last := int64(-1), int64(0)
	for reads, deadline := 0, time.Now().Add(time.Minute); (reads < 40 || last-first < 20) && time.Now().Before(deadline); reads++ {
		err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
			bad, n, err := tx.VerifyAudit(t.Context())
			if bad != nil {
				t.Errorf("a whole chain is called broken after %d rows: %+v", n, bad)
			}
			if first < 0 {
				first = n
			}
			last = n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if last-first < 20 {
		t.Errorf("the chain grew by %d rows only", last-first)
	}
}

// rehash edits the rows from one to another and gives each the hash that it
// then ought to have, as somebody would who owns the table.
func rehash(from, to int) string {
	sql := ""
	for seq := from; seq <= to; seq++ {
		sql += fmt.Sprintf(`update audit_log set result = 'denied', prev_hash = (select hash from audit_log where seq = %d) where seq = %d;
			update audit_log a set hash = audit_hash(a) where seq = %d;`, seq-1, seq, seq)
	}
	return sql
}

func TestADatabaseThatGoesAwayIsUnavailableAndNotInternal(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	if _, err := owner(t, db).Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		_, err := tx.Connections(t.Context())
		if err == nil {
			_, err = owner(t, db).Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
			if err != nil {
				return err
			}
			_, err = tx.Connections(t.Context())
		}
		return err
	})
	if domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
	// And it is back without anybody's help.
	if err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error { _, err := tx.Connections(t.Context()); return err }); err != nil {
		if err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error { _, err := tx.Connections(t.Context()); return err }); err != nil {
			t.Errorf("after the database is back: %v", err)
		}
	}
}

// Of two that lock each other out one must go, and it may simply try again.
func TestADeadlockIsUnavailableAndNotInternal(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 4)
	sh := newShop(t, s, db, "alpha")
	one, _ := sh.sale(t, s, money.FromMinor(100, gbp))
	two, _ := sh.sale(t, s, money.FromMinor(200, gbp))
	var both, done sync.WaitGroup
	both.Add(2)
	var mu sync.Mutex
	var errs []error
	for _, order := range [][2]domain.PaymentID{{one.ID, two.ID}, {two.ID, one.ID}} {
		done.Go(func() {
			err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
				_, err := tx.LockPayment(t.Context(), order[0])
				both.Done()
				both.Wait()
				if err == nil {
					_, err = tx.LockPayment(t.Context(), order[1])
				}
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	done.Wait()
	if len(errs) != 1 || domain.CodeOf(errs[0]) != domain.Unavailable {
		t.Errorf("errors %v, want one that is Unavailable", errs)
	}
}

// Whatever happened to its payments, a day's figures are their sums.
func TestTheDaysFiguresAreThePaymentsSums(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 4)
	sh := newShop(t, s, db, "alpha")
	gone := func(p domain.Payment, typ domain.TransactionType, minor int64, of string, to domain.TransactionStatus) string {
		t.Helper()
		x := sh.transaction(p, typ, money.FromMinor(minor, gbp))
		x.OriginalRef = of
		if err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error { return tx.InsertTransaction(t.Context(), x) }); err != nil {
			t.Fatal(err)
		}
		settle(t, s, sh, p, x, store.Settlement{To: to, ProviderRef: "p-" + x.Reference})
		return "p-" + x.Reference
	}
	sale := func(minor int64, to domain.TransactionStatus) (domain.Payment, string) {
		p, x := sh.sale(t, s, money.FromMinor(minor, gbp))
		settle(t, s, sh, p, x, store.Settlement{To: to, ProviderRef: "p-" + x.Reference})
		return p, "p-" + x.Reference
	}
	p, ref := sale(10000, domain.TxApproved)
	refund := gone(p, domain.Refund, 3000, ref, domain.TxApproved)
	gone(p, domain.Adjustment, -500, refund, domain.TxApproved)
	gone(p, domain.Adjustment, -100, ref, domain.TxApproved)
	gone(p, domain.Chargeback, 2000, ref, domain.TxApproved)
	gone(p, domain.ChargebackReversal, 700, ref, domain.TxApproved)
	p, ref = sale(5000, domain.TxApproved)
	refund = gone(p, domain.Refund, 1000, ref, domain.TxApproved)
	gone(p, domain.Void, 1000, refund, domain.TxApproved)
	gone(p, domain.Void, 5000, ref, domain.TxApproved)
	p, ref = sale(7000, domain.TxUnknown)
	gone(p, domain.Void, 7000, ref, domain.TxApproved)
	p, ref = sale(900, domain.TxApproved)
	gone(p, domain.Void, 900, ref, domain.TxUnknown)
	sale(800, domain.TxDeclined)

	err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		days, err := tx.Totals(t.Context(), p.CreatedAt.Add(-time.Hour), p.CreatedAt.Add(time.Hour))
		if err != nil || len(days) != 1 {
			return fmt.Errorf("%d days: %w", len(days), err)
		}
		page, err := tx.ListPayments(t.Context(), domain.PaymentFilter{})
		var sum int64
		for _, p := range page.Payments {
			sum += p.Captured.Minor() - p.Refunded.Minor() - p.ChargedBack.Minor()
		}
		if got := days[0].Taken.Minor() - days[0].Refunded.Minor() + days[0].Otherwise.Minor(); got != sum || sum != 10000-100-2500-1300+900 {
			t.Errorf("the day says %d, its payments %d", got, sum)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Another shop on the same account can make as many calls that fit nothing as it
// has customers; the first page must not count them all.
func TestQuarantinedCallsAreCountedUpToACap(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	_, err := owner(t, db).Exec(`insert into callbacks (merchant_id, id, connection_id, body_hash, body, received_at, last_at, status)
		select $1, gen_random_uuid(), $2, sha256(n::text::bytea), '{}', now(), now(), 'quarantined' from generate_series(1, 150) n`, sh.id, sh.conn)
	if err != nil {
		t.Fatal(err)
	}
	err = s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		counts, err := tx.CountQuarantined(t.Context())
		if len(counts) != 1 || counts[sh.conn] != store.QuarantinedCap {
			t.Errorf("%v, want %d", counts, store.QuarantinedCap)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
