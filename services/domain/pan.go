package domain

import (
	"regexp"
	"unicode"
)

// uuidShape is no card number, whatever its digits are: tokens have this shape.
var uuidShape = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

// LooksLikeCardNumber says that a text holds a card number: whole groups of
// digits, divided by anything but letters, that together have the length and
// the first digits of a payment card and pass the Luhn check. Free-text fields
// refuse such a text, so that a card number typed into the wrong box is never
// kept.
//
// Every sequence of neighbouring groups is tried, since a number is typed with
// its expiry, its security code or an order number beside it. The price is a
// false alarm for one in ten of the texts whose digits happen to have a card's
// length and beginning, such as a German or Brazilian telephone number in full;
// whoever typed it is asked to write it in another way. Dates, times, other
// telephone numbers and short references are no such texts. A card number inside
// a longer group is not looked for: nearly every long number would have one.
func LooksLikeCardNumber(s string) bool {
	var digits []byte // since the last letter
	var starts []int  // where each group begins in digits
	inGroup := false
	for _, r := range uuidShape.ReplaceAllLiteralString(s, "x") {
		if r >= '０' && r <= '９' { // as an input method for Chinese or Japanese writes them
			r += '0' - '０'
		}
		switch {
		case r >= '0' && r <= '9':
			if !inGroup {
				starts = append(starts, len(digits))
			}
			digits, inGroup = append(digits, byte(r-'0')), true
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if holdsCard(digits, starts) {
				return true
			}
			digits, starts, inGroup = digits[:0], starts[:0], false
		default:
			inGroup = false
		}
	}
	return holdsCard(digits, starts)
}

// holdsCard tries every sequence of neighbouring groups.
func holdsCard(digits []byte, starts []int) bool {
	for i, from := range starts {
		for j := i + 1; j <= len(starts); j++ {
			to := len(digits)
			if j < len(starts) {
				to = starts[j]
			}
			if to-from > 19 {
				break
			}
			if hasCardShape(digits[from:to]) && luhn(digits[from:to]) {
				return true
			}
		}
	}
	return false
}

// hasCardShape says whether a payment scheme gives out numbers of this length
// and beginning (ISO/IEC 7812). It is wider than the schemes' own ranges, which
// grow, and leaves out what dates and most telephone numbers look like.
func hasCardShape(d []byte) bool {
	n := len(d)
	if n < 12 || n > 19 {
		return false
	}
	switch d[0] {
	case 2: // Mastercard 2221 to 2720, Mir 2200 to 2204; a date begins with 20
		return n >= 16 && d[1] >= 2
	case 3: // Diners from 14, American Express 15, JCB from 16
		return n >= 14
	case 4: // Visa
		return n == 13 || n == 16 || n == 19
	case 5, 6: // Mastercard 16; Maestro from 12; Discover, UnionPay and RuPay from 16
		return true
	case 8, 9: // national schemes: RuPay, Troy, Uzcard, Humo
		return n == 16
	}
	return false // no payment cards: airlines, fuel, health
}

func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0 && sum > 0
}
