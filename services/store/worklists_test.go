package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

// Each worklist is read in the order of its own index, from the beginning and
// from a place in it, both ways: no page sorts what lies before it.
func TestEachWorklistIsReadInTheOrderOfItsIndex(t *testing.T) {
	db := storetest.New(t)
	s := open(t, db, 2)
	sh := newShop(t, s, db, "worklists")
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	at := domain.Place{At: day, ID: uuid.New()}
	back := at
	back.Back = true
	var sql []string
	s.OnStatement(func(q string) { sql = append(sql, q) })
	index := map[string]string{}
	err := s.ReadTenant(t.Context(), sh.id, func(tx *store.Tx) error {
		note := func(name string, err error) {
			t.Helper()
			if err != nil {
				t.Error(name, err)
			}
			index[sql[len(sql)-1]] = name
		}
		for _, place := range []domain.Place{{}, at, back} {
			_, _, _, err := tx.TipSales(t.Context(), domain.TipFilter{From: day, To: day.AddDate(0, 0, 1), After: place})
			note("payments_receipts", err)
			_, _, _, err = tx.ListHolds(t.Context(), domain.HoldFilter{After: place})
			note("payments_on_hold", err)
			_, _, _, err = tx.ListHolds(t.Context(), domain.HoldFilter{After: place, Before: day})
			note("payments_on_hold", err)
			_, _, _, err = tx.ListOpen(t.Context(), place, 0)
			note("transactions_without_end", err)
			_, _, _, err = tx.ListReviews(t.Context(), place, 0)
			note("payments_to_review", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := owner(t, db).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `set enable_seqscan = off; set enable_bitmapscan = off`); err != nil {
		t.Fatal(err)
	}
	for q, name := range index {
		rows, err := conn.QueryContext(t.Context(), `explain (generic_plan) `+q)
		if err != nil {
			t.Fatal(err, q)
		}
		var plan []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if p := strings.Join(plan, "\n"); !strings.Contains(p, name) || strings.Contains(p, "Sort") {
			t.Errorf("%s is not what orders\n%s\n%s", name, q, p)
		}
	}
}
