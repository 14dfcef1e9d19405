package domain

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/money"
)

func TestAPlaceReadsBackAsItWas(t *testing.T) {
	id := uuid.MustParse("01934a2b-1000-7000-8000-000000000001")
	for _, p := range []Place{{}, {ID: id}, {ID: id, At: time.Date(2026, 11, 20, 9, 0, 0, 123456000, time.UTC), Rank: 1}, {ID: id, Back: true}} {
		got, err := ParsePlace(p.String())
		if err != nil || got != p {
			t.Errorf("%+v is read as %+v (%v)", p, got, err)
		}
		if got.At.IsZero() != p.At.IsZero() {
			t.Errorf("%+v: whether the time is known is lost", p)
		}
	}
	for _, s := range []string{"x", "zzz!", Cursor{ID: id, At: time.Unix(0, 0)}.String(), Place{ID: id, Rank: 2}.String(), Place{ID: id, At: time.Date(30000, 1, 1, 0, 0, 0, 0, time.UTC)}.String()} {
		if _, err := ParsePlace(s); CodeOf(err) != Invalid {
			t.Errorf("%q is taken: %v", s, err)
		}
	}
}

func TestATipIsLargeAboveAFifthOfItsSale(t *testing.T) {
	gbp := money.MustCurrency("GBP")
	for _, tt := range []struct {
		sale, tip int64
		large     bool
	}{{4000, 800, false}, {4000, 801, true}, {4999, 999, false}, {4999, 1000, true}, {4, 0, false}, {4, 1, true}, {0, 0, false}, {0, 1, true}, {9223372036854775807, 1844674407370955161, false}, {9223372036854775807, 1844674407370955162, true}} {
		if got := LargeTip(money.FromMinor(tt.sale, gbp), money.FromMinor(tt.tip, gbp)); got != tt.large {
			t.Errorf("%d on %d: %v", tt.tip, tt.sale, got)
		}
	}
}
