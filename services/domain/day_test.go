package domain_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestADayStartsAtItsFirstInstant(t *testing.T) {
	for _, tt := range []struct {
		zone    string
		y, m, d int
		want    string
	}{
		{"UTC", 2026, 11, 20, "2026-11-20T00:00:00Z"},
		{"Europe/London", 2026, 6, 1, "2026-06-01T00:00:00+01:00"},
		{"Europe/London", 2026, 3, 29, "2026-03-29T00:00:00Z"},
		{"Europe/London", 2026, 12, 32, "2027-01-01T00:00:00Z"},
		{"Asia/Kathmandu", 2026, 1, 1, "2026-01-01T00:00:00+05:45"},
		// Midnight does not exist: the clock goes from 24:00 to 01:00.
		{"America/Santiago", 2026, 9, 6, "2026-09-06T01:00:00-03:00"},
		{"America/Havana", 2026, 3, 8, "2026-03-08T01:00:00-04:00"},
		{"America/Asuncion", 2023, 10, 1, "2023-10-01T01:00:00-03:00"},
		{"Asia/Beirut", 2026, 3, 29, "2026-03-29T01:00:00+03:00"},
		// Midnight comes twice: the clock goes from 01:00 back to 00:00.
		{"America/Havana", 2026, 11, 1, "2026-11-01T00:00:00-04:00"},
		// The last hour of the day before comes twice.
		{"America/Santiago", 2026, 4, 5, "2026-04-05T00:00:00-04:00"},
		// A minute of the day comes before the hour that is repeated.
		{"America/St_Johns", 2006, 10, 29, "2006-10-29T00:00:00-02:30"},
		// A day that a whole country left out starts with the next one.
		{"Pacific/Apia", 2011, 12, 30, "2011-12-31T00:00:00+14:00"},
	} {
		got := domain.StartOfDay(tt.y, time.Month(tt.m), tt.d, zone(t, tt.zone))
		if s := got.Format(time.RFC3339); s != tt.want {
			t.Errorf("%d-%d-%d in %s starts at %s, want %s", tt.y, tt.m, tt.d, tt.zone, s, tt.want)
		}
	}
}

func TestDaysFollowEachOtherWithoutGapOrOverlap(t *testing.T) {
	zones := []string{"UTC", "Europe/London", "America/Santiago", "America/Havana", "America/Asuncion", "America/Sao_Paulo", "Asia/Beirut", "Asia/Tehran", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia"}
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		at := time.Unix(rapid.Int64Range(time.Date(2012, 1, 2, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC).Unix()).Draw(rt, "at"), 0).In(loc)
		if _, change := at.ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(rt, "around a change") {
			at = change.Add(time.Duration(rapid.Int64Range(int64(-30*time.Hour), int64(30*time.Hour)).Draw(rt, "from it")))
		}
		y, m, d := at.Date()
		from, to := domain.StartOfDay(y, m, d, loc), domain.StartOfDay(y, m, d+1, loc)
		if at.Before(from) || !at.Before(to) {
			rt.Fatalf("%s is not within its day, from %s to %s", at, from, to)
		}
		for _, inside := range []time.Time{from, to.Add(-time.Nanosecond)} {
			if gy, gm, gd := inside.Date(); gy != y || gm != m || gd != d {
				rt.Fatalf("%s is within the day %d-%d-%d", inside, y, m, d)
			}
		}
		if gy, gm, gd := from.Add(-time.Nanosecond).Date(); gy == y && gm == m && gd == d {
			rt.Fatalf("%s is of the day too, before its start %s", from.Add(-time.Nanosecond), from)
		}
	})
}
