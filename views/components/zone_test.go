package components

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/money"
)

func TestTimesAreWrittenInTheMerchantsZone(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 7, 20, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name              string
		zone              Zone
		at                time.Time
		full, row, zoneAs string
		today             bool
	}{
		{"summer time, already tomorrow", Zone{Location: london, Now: now}, now, "21 Jul 2026, 00:30", "00:30:00", "London time", true},
		{"yesterday by the merchant's clock", Zone{Location: london, Now: now}, now.Add(-time.Hour), "20 Jul 2026, 23:30", "20 Jul 2026, 23:30", "London time", false},
		{"west of Greenwich", Zone{Location: newYork, Now: now}, now, "20 Jul 2026, 19:30", "19:30:00", "New York time", true},
		{"no zone", Zone{Now: now}, now, "20 Jul 2026, 23:30", "23:30:00", "UTC", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.zone.Full(c.at); got != c.full {
				t.Errorf("Full: %q, want %q", got, c.full)
			}
			if got := c.zone.Row(c.at); got != c.row {
				t.Errorf("Row: %q, want %q", got, c.row)
			}
			if got := c.zone.Name(); got != c.zoneAs {
				t.Errorf("Name: %q, want %q", got, c.zoneAs)
			}
			if got := c.zone.IsToday(c.at); got != c.today {
				t.Errorf("IsToday: %v", got)
			}
			if back, err := time.Parse(time.RFC3339, c.zone.Machine(c.at)); err != nil || !back.Equal(c.at) {
				t.Errorf("Machine: %q (%v)", c.zone.Machine(c.at), err)
			}
		})
	}
}

func TestAmountsCarryASignOrACode(t *testing.T) {
	a := money.FromMinor(-1250, money.MustCurrency("GBP"))
	if got := Format(a, false); got != "−£12.50" {
		t.Errorf("with a sign: %q", got)
	}
	if got := Format(a, true); got != "−12.50 GBP" {
		t.Errorf("with a code: %q", got)
	}
}
