package domain

import "time"

// StartOfDay is the first instant of a calendar day in a time zone. Where the
// clock goes forward at midnight that is not 00:00, and time.Date may then give
// an instant of the day before. The day's values may lie outside their range, as
// for time.Date: the end of a day is the start of day d+1. A day that the zone
// left out starts, and ends, where the next one does.
func StartOfDay(y int, m time.Month, d int, loc *time.Location) time.Time {
	midnight := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	// No zone is a whole day away from UTC, so this is still some day before.
	at := midnight.Add(-26 * time.Hour).In(loc)
	for {
		_, offset := at.Zone()
		start := midnight.Add(-time.Duration(offset) * time.Second)
		if start.Before(at) {
			start = at // the clock went forward over midnight
		}
		_, change := at.ZoneBounds()
		if change.IsZero() || start.Before(change) {
			return start.In(loc)
		}
		at = change
	}
}
