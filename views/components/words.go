package components

import (
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/money"
)

var small = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
	"fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}

var tens = []string{"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}

var groups = []struct {
	size int64
	name string
}{{1_000_000_000_000_000_000, "quintillion"}, {1_000_000_000_000_000, "quadrillion"}, {1_000_000_000_000, "trillion"}, {1_000_000_000, "billion"}, {1_000_000, "million"}, {1000, "thousand"}}

// numberWords is a number that is not negative: "four hundred and eighty".
func numberWords(n int64) string {
	switch {
	case n < 20:
		return small[n]
	case n < 100:
		s := tens[n/10]
		if n%10 != 0 {
			s += "-" + small[n%10]
		}
		return s
	case n < 1000:
		s := small[n/100] + " hundred"
		if n%100 != 0 {
			s += " and " + numberWords(n%100)
		}
		return s
	}
	var parts []string
	for _, g := range groups {
		if n >= g.size {
			parts = append(parts, numberWords(n/g.size)+" "+g.name)
			n %= g.size
		}
	}
	s := strings.Join(parts, " ")
	switch {
	case n == 0:
	case n < 100:
		s += " and " + numberWords(n)
	default:
		s += " " + numberWords(n)
	}
	return s
}

// units are the names of a currency's whole and part, one and many.
var units = map[string][4]string{
	"GBP": {"pound", "pounds", "penny", "pence"},
	"EUR": {"euro", "euros", "cent", "cents"},
	"USD": {"US dollar", "US dollars", "cent", "cents"},
	"JPY": {"yen", "yen", "", ""},
	"KWD": {"Kuwaiti dinar", "Kuwaiti dinars", "fils", "fils"},
}

// Words is an amount in words, for whoever must be sure that no digit was
// misread: "four hundred and eighty pounds and fifty pence". A currency without
// a name here is written by its code and with its part in digits.
func Words(a money.Amount) string {
	whole, part, _ := strings.Cut(strings.TrimPrefix(a.Major(), "-"), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return a.FormatCode()
	}
	cents, _ := strconv.ParseInt("0"+part, 10, 64)
	u, named := units[a.Currency().Code()]
	if !named {
		u = [4]string{a.Currency().Code(), a.Currency().Code(), "", ""}
	}
	s := numberWords(n) + " " + u[one(n)]
	switch {
	case cents == 0:
	case named:
		s += " and " + numberWords(cents) + " " + u[2+one(cents)]
	default:
		s += ", " + part + " of the parts"
	}
	if a.IsNegative() {
		s = "minus " + s
	}
	return s
}

func one(n int64) int {
	if n == 1 {
		return 0
	}
	return 1
}
