package kit

import (
	"strconv"
	"strings"
	"time"
)

// TypedCard is a card as it was typed on an emulator's page, checked. Its number
// leaves memory with the request.
type TypedCard struct {
	Number string
	Month  int // 1 to 12
	Year   int // four digits
}

// ReadCard checks what was typed, by the emulator's date. The sentences are
// those of the fields number, expiry and code that are wrong.
func ReadCard(number, expiry, code string, now time.Time) (TypedCard, map[string]string) {
	errs := map[string]string{}
	in := TypedCard{Number: strings.NewReplacer(" ", "", "-", "").Replace(number)}
	if len(in.Number) < 13 || len(in.Number) > 19 || !Luhn(in.Number) {
		errs["number"] = "Check the card number."
	}
	var ok bool
	if in.Month, in.Year, ok = ReadExpiry(expiry); !ok {
		errs["expiry"] = "Write the expiry as MM/YY."
	} else if !now.Before(time.Date(in.Year, time.Month(in.Month)+1, 1, 0, 0, 0, 0, time.UTC)) {
		errs["expiry"] = "This card has expired."
	}
	if n := len(code); n < 3 || n > 4 || strings.Trim(code, "0123456789") != "" {
		errs["code"] = "Write the 3 or 4 digits of the security code."
	}
	return in, errs
}

// ReadExpiry reads MM/YY; the year has four digits.
func ReadExpiry(s string) (month, year int, ok bool) {
	s = strings.NewReplacer(" ", "", "/", "", "-", "").Replace(s)
	if len(s) != 4 || strings.Trim(s, "0123456789") != "" {
		return 0, 0, false
	}
	month, _ = strconv.Atoi(s[:2])
	year, _ = strconv.Atoi(s[2:])
	return month, 2000 + year, month >= 1 && month <= 12
}
