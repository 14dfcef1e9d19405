package components

import "time"

// Zone is how a page writes times: the merchant's time zone, named once per
// page, and the moment at which the page was made.
type Zone struct {
	Location *time.Location // nil means UTC
	Now      time.Time      // from the injected clock; decides what "today" is
}

func (z Zone) in(t time.Time) time.Time {
	if z.Location == nil {
		return t.UTC()
	}
	return t.In(z.Location)
}

// IsToday says whether t falls on the page's own day.
func (z Zone) IsToday(t time.Time) bool {
	y, m, d := z.in(t).Date()
	ny, nm, nd := z.in(z.Now).Date()
	return y == ny && m == nm && d == nd
}

// Full is "20 Nov 2026, 14:32".
func (z Zone) Full(t time.Time) string { return z.in(t).Format("2 Jan 2006, 15:04") }

// Clock is "14:32:11".
func (z Zone) Clock(t time.Time) string { return z.in(t).Format("15:04:05") }

// Row is how a table writes a time: only the clock for today, the date and the
// minute for any other day.
func (z Zone) Row(t time.Time) string {
	if z.IsToday(t) {
		return z.Clock(t)
	}
	return z.Full(t)
}

// Minute is "14:32".
func (z Zone) Minute(t time.Time) string { return z.in(t).Format("15:04") }

// Event is the clock for today, and the date with seconds for another day.
func (z Zone) Event(t time.Time) string {
	if z.IsToday(t) {
		return z.Clock(t)
	}
	return z.in(t).Format("2 Jan 2006, 15:04:05")
}

// Day is "20 Nov 2026".
func (z Zone) Day(t time.Time) string { return z.in(t).Format("2 Jan 2006") }

// Weekday is "Friday 20 November".
func (z Zone) Weekday(t time.Time) string { return z.in(t).Format("Monday 2 January") }

// Machine is the value of a <time datetime>.
func (z Zone) Machine(t time.Time) string { return z.in(t).Format(time.RFC3339) }

// Name is the zone in words: "London time", "UTC".
func (z Zone) Name() string {
	if z.Location == nil || z.Location == time.UTC {
		return "UTC"
	}
	name := z.Location.String()
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			name = name[i+1:]
			break
		}
	}
	if name == "UTC" {
		return name
	}
	spaced := []byte(name)
	for i := range spaced {
		if spaced[i] == '_' {
			spaced[i] = ' '
		}
	}
	return string(spaced) + " time"
}
