package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

var (
	eur = money.MustCurrency("EUR")
	gbp = money.MustCurrency("GBP")
	jpy = money.MustCurrency("JPY")
)

func open(t testing.TB, db *storetest.DB, max int) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: db.AppURL, MaxOpen: max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func owner(t testing.TB, db *storetest.DB) *sql.DB {
	t.Helper()
	o, err := sql.Open("postgres", db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func app(t testing.TB, db *storetest.DB) *sql.DB {
	t.Helper()
	o, err := sql.Open("postgres", db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// shop is a merchant with a user and a connection.
type shop struct {
	id   domain.MerchantID
	user domain.UserID
	conn domain.ConnectionID
}

func newShop(t testing.TB, s *store.Store, db *storetest.DB, name string) shop {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	sh := shop{domain.NewMerchantID(), domain.NewUserID(), domain.NewConnectionID()}
	err := s.InsertMerchant(t.Context(), domain.Merchant{ID: sh.id, Name: name, TimeZone: "Europe/London", Mode: domain.Test, Currencies: []money.Currency{gbp, eur, jpy}, CreatedAt: at})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner(t, db).Exec(`insert into users (id, email, name, created_at) values ($1, $2, $3, $4)`, sh.user, name+"@example.com", name, at); err != nil {
		t.Fatal(err)
	}
	err = s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		return tx.InsertConnection(t.Context(), domain.Connection{ID: sh.conn, Provider: "handpoint", Name: "Main", Mode: domain.Test, BaseURL: "https://example.com", Active: true, CreatedAt: at})
	})
	if err != nil {
		t.Fatal(err)
	}
	return sh
}

func (sh shop) payment(amount money.Amount, at time.Time) domain.Payment {
	return domain.Payment{ID: domain.NewPaymentID(), ConnectionID: sh.conn, Reference: domain.NewReference(), Status: domain.PaymentProcessing, Method: domain.MethodCard,
		Amount: amount, Captured: money.Zero(amount.Currency()), Refunded: money.Zero(amount.Currency()), Held: money.Zero(amount.Currency()),
		OrderReference: "Hamper", CreatedBy: sh.user, CreatedByName: "Maya", CreatedAt: at.UTC().Truncate(time.Microsecond)}
}

func (sh shop) addPayments(t testing.TB, s *store.Store, n int) []domain.Payment {
	t.Helper()
	var out []domain.Payment
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	err := s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		for i := range n {
			p := sh.payment(money.FromMinor(int64(100+i), gbp), start.Add(time.Duration(i)*time.Second))
			out = append(out, p)
			if err := tx.InsertPayment(t.Context(), p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTablesWithoutAMerchantAreTheClosedList is the other half of ADR 0005: a
// new table either has merchant_id first in its keys and forced row-level
// security, or it is named here.
func TestTablesWithoutAMerchantAreTheClosedList(t *testing.T) {
	db := storetest.New(t)
	o := owner(t, db)
	closed := []string{"directory", "goose_db_version", "memberships", "merchants", "sessions", "users"}
	rows, err := o.Query(`select c.relname, c.relrowsecurity and c.relforcerowsecurity,
			coalesce((select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] where i.indrelid = c.oid and i.indisprimary), '')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind in ('r', 'p') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var without []string
	tenants := 0
	for rows.Next() {
		var name, first string
		var forced bool
		if err := rows.Scan(&name, &forced, &first); err != nil {
			t.Fatal(err)
		}
		if !forced {
			without = append(without, name)
			continue
		}
		tenants++
		if first != "merchant_id" {
			t.Errorf("the primary key of %s begins with %q, want merchant_id", name, first)
		}
	}
	if !slices.Equal(without, closed) {
		t.Errorf("tables without forced row-level security: %v, want the closed list %v", without, closed)
	}
	if tenants < 10 {
		t.Errorf("found %d tenant tables, want at least 10: is this the right schema?", tenants)
	}
	// Every other index of a tenant table begins with merchant_id too.
	var odd string
	err = o.QueryRow(`select coalesce(string_agg(ic.relname, ', '), '') from pg_index i join pg_class c on c.oid = i.indrelid join pg_class ic on ic.oid = i.indexrelid
		join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
		where n.nspname = 'public' and c.relrowsecurity and a.attname <> 'merchant_id'`).Scan(&odd)
	if err != nil || odd != "" {
		t.Errorf("indexes of tenant tables that do not begin with merchant_id: %q (%v)", odd, err)
	}
}

func TestApplicationRoleOwnsNothingAndBypassesNothing(t *testing.T) {
	db := storetest.New(t)
	a := app(t, db)
	var super, bypass bool
	var owned int
	err := a.QueryRow(`select rolsuper, rolbypassrls, (select count(*) from pg_class c where c.relowner = r.oid) from pg_roles r where rolname = current_user`).Scan(&super, &bypass, &owned)
	if err != nil {
		t.Fatal(err)
	}
	if super || bypass || owned > 0 {
		t.Errorf("superuser %v, bypassrls %v, owns %d relations; want none of it", super, bypass, owned)
	}
	for _, stmt := range []string{`delete from audit_log`, `update audit_log set result = 'ok'`, `update audit_heads set seq = 0`, `insert into audit_heads values (gen_random_uuid(), 1, '')`,
		`delete from payments`, `delete from transactions`, `truncate payments`, `alter table payments disable row level security`, `drop table payments`} {
		if _, err := a.Exec(stmt); err == nil {
			t.Errorf("the application role may %q", stmt)
		}
	}
}

func TestASuperuserLoginIsNarrowedToTheApplicationRole(t *testing.T) {
	db := storetest.New(t)
	s, err := store.Open(t.Context(), store.Config{URL: db.OwnerURL})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var who string
	if err := s.SQLDB().QueryRow(`select current_user`).Scan(&who); err != nil || who != store.AppRole {
		t.Errorf("works as %q (%v), want %s", who, err, store.AppRole)
	}
}

func TestNoMerchantSetSeesZeroRowsAndInsertsNothing(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	sh.addPayments(t, s, 3)
	a := app(t, db)
	a.SetMaxOpenConns(1)
	for _, when := range []string{"on a fresh connection", "on a connection that had a merchant before"} {
		var n int
		if err := a.QueryRow(`select count(*) from payments`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d rows (%v), want 0 and no error", when, n, err)
		}
		if _, err := a.Exec(`insert into idempotency_keys values ($1, 'k', '', $2, $2, now())`, sh.id, uuid.New()); err == nil {
			t.Errorf("%s: an insert went through", when)
		}
		tx, err := a.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`select set_config('app.merchant_id', $1, true)`, sh.id.String()); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(`select count(*) from payments`).Scan(&n); err != nil || n != 3 {
			t.Errorf("with the merchant set: %d rows (%v), want 3", n, err)
		}
		_ = tx.Commit()
	}
}

func TestAnotherMerchantsRowCannotBeWrittenOrRead(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 4)
	alpha, beta := newShop(t, s, db, "alpha"), newShop(t, s, db, "beta")
	theirs := beta.addPayments(t, s, 1)[0]
	a := app(t, db)
	tx, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`select set_config('app.merchant_id', $1, true)`, alpha.id.String()); err != nil {
		t.Fatal(err)
	}
	res, err := tx.Exec(`update payments set order_reference = 'mine' where id = $1`, theirs.ID)
	if n, _ := res.RowsAffected(); err != nil || n != 0 {
		t.Errorf("updated %d rows of another merchant (%v)", n, err)
	}
	if _, err := tx.Exec(`insert into idempotency_keys values ($1, 'k', '', $2, $2, now())`, beta.id, uuid.New()); err == nil {
		t.Error("inserted a row of another merchant")
	}
	err = s.ReadTenant(t.Context(), alpha.id, func(tx *store.Tx) error {
		_, err := tx.Payment(t.Context(), theirs.ID)
		return err
	})
	if domain.CodeOf(err) != domain.NotFound {
		t.Errorf("reading another merchant's payment gives %v, want NotFound", err)
	}
}

// TestTwoHundredReadersOverFourConnectionsNeverSeeTheOthersRows:
// the setting of one unit of work must never be seen by the next user
// of its connection.
func TestTwoHundredReadersOverFourConnectionsNeverSeeTheOthersRows(t *testing.T) {
	const readers, reads = 200, 50 // 10,000 in all
	db := storetest.New(t)
	s := open(t, db, 4)
	shops := []shop{newShop(t, s, db, "alpha"), newShop(t, s, db, "beta")}
	mine := []map[domain.PaymentID]bool{{}, {}}
	for i, sh := range shops {
		for _, p := range sh.addPayments(t, s, 5) {
			mine[i][p.ID] = true
		}
	}
	var done, foreign atomic.Int64
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for i := range reads {
				which := (r + i) % 2
				ctx := context.Background()
				var cancel context.CancelFunc = func() {}
				if i%10 == 9 { // some readers go away in the middle
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*20*time.Microsecond)
				}
				read := func(tx *store.Tx) error {
					page, err := tx.ListPayments(ctx, domain.PaymentFilter{})
					for _, p := range page.Payments {
						if !mine[which][p.ID] {
							foreign.Add(1)
						}
					}
					if err == nil && len(page.Payments) != 5 {
						return fmt.Errorf("read %d rows, want 5", len(page.Payments))
					}
					return err
				}
				var err error
				if i%2 == 0 {
					err = s.ReadTenant(ctx, shops[which].id, read)
				} else {
					err = s.InTenant(ctx, shops[which].id, read)
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				cancel()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if done.Load() != readers*reads || foreign.Load() != 0 {
		t.Errorf("%d reads, %d foreign rows; want %d and 0", done.Load(), foreign.Load(), readers*reads)
	}
}

func TestMigratingTwiceAtOnceIsHarmless(t *testing.T) {
	db := storetest.NewEmpty(t)
	errs := make(chan error, 3)
	for range 3 {
		go func() { errs <- store.Migrate(t.Context(), db.OwnerURL) }()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s := open(t, db, 2)
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADatabaseURLThatCannotBeReadIsNotRepeated(t *testing.T) {
	_, err := store.Open(t.Context(), store.Config{URL: "postgres://shop:hunter2secret@%zz/x"})
	if err == nil || strings.Contains(err.Error(), "hunter2secret") {
		t.Errorf("error %v: want one without the password", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseOverANetworkNeedsVerifiedTLS(t *testing.T) {
	for dsn, ok := range map[string]bool{
		"postgres://u:p@localhost/x":                              true,
		"postgres://u:p@127.0.0.1:5432/x?sslmode=disable":         true,
		"postgres://u@/x?host=/run/postgresql":                    true,
		"host=/run/pg dbname=x":                                   true,
		"postgres://u:p@db.example.com/x?sslmode=verify-full":     true,
		"postgres://u:p@db.example.com/x":                         false,
		"postgres://u:p@db.example.com/x?sslmode=require":         false,
		"postgres://u:p@10.0.0.7/x?sslmode=disable":               false,
		"postgres://u:p@localhost,db.example.com/x?sslmode=allow": false,
		"host=db.example.com dbname=x sslmode=prefer":             false,
	} {
		err := store.CheckTransport(dsn)
		if (err == nil) != ok {
			t.Errorf("%s: %v, want accepted %v", dsn, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the refusal repeats the password: %v", err)
		}
	}
}

func TestTheDemoLeavesADatabaseThatIsNotItsOwnAsItIs(t *testing.T) {
	db := storetest.NewEmpty(t)
	state := func(want store.DemoState, when string) {
		t.Helper()
		if got, err := store.DemoStateBefore(t.Context(), db.OwnerURL); err != nil || got != want {
			t.Errorf("%s: %q (%v), want %q", when, got, err, want)
		}
	}
	state(store.DemoEmpty, "empty")
	o := owner(t, db)
	must(t, func() error { _, err := o.Exec(`create schema other; create table other.things (n int)`); return err }())
	state(store.DemoForeign, "with another application's table")
	must(t, func() error { _, err := o.Exec(`drop schema other cascade`); return err }())
	must(t, store.Migrate(t.Context(), db.OwnerURL))
	state(store.DemoForeign, "migrated for a real server, without a merchant yet")
	s := open(t, db, 2)
	sh := newShop(t, s, db, "alpha")
	state(store.DemoForeign, "with a real merchant")
	must(t, s.InTenant(t.Context(), sh.id, func(tx *store.Tx) error { return tx.MarkDemo(t.Context()) }))
	state(store.DemoMade, "with the demo's mark")
}
