package components

import (
	"strconv"

	"github.com/a-h/templ"
)

func number(n int) string { return strconv.Itoa(n) }

func tabCurrent(t Tab) templ.Attributes {
	if t.Active {
		return templ.Attributes{"aria-current": "page"}
	}
	return nil
}

// Count is a number with its noun: "1 payment", "3 payments".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
