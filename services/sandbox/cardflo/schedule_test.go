package cardflo

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestARunIsOnTheAnchorsDayOrTheMonthsLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anchor := time.Date(rapid.IntRange(2020, 2040).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 1, 2, 3, 0, time.UTC).
			AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "more"))
		c := &schedule{anchor: anchor, length: rapid.IntRange(1, 30).Draw(t, "length"), unit: rapid.SampledFrom([]string{"MONTH", "YEAR"}).Draw(t, "unit")}
		run := rapid.IntRange(0, 40).Draw(t, "run")
		months := c.length * run
		if c.unit == "YEAR" {
			months *= 12
		}
		at := c.due(run)
		if got := (at.Year()-anchor.Year())*12 + int(at.Month()-anchor.Month()); got != months {
			t.Fatalf("%s is %d months after %s, want %d", at, got, anchor, months)
		}
		last := at.AddDate(0, 0, 1).Month() != at.Month()
		if at.Day() != anchor.Day() && (!last || at.Day() > anchor.Day()) {
			t.Fatalf("%s for the day of %s", at, anchor)
		}
		if at.Hour() != 1 || at.Minute() != 2 || at.Second() != 3 {
			t.Fatalf("%s is at another time of day", at)
		}
	})
	for unit, days := range map[string]int{"DAY": 1, "WEEK": 7} {
		c := &schedule{anchor: time.Date(2026, 1, 31, 1, 0, 0, 0, time.UTC), length: 3, unit: unit}
		if got := c.due(4).Sub(c.anchor); got != time.Duration(12*days)*24*time.Hour {
			t.Errorf("%s: %v", unit, got)
		}
	}
}
