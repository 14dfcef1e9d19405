package domain

// LooksLikeCardNumber says that a text holds a run of 12 to 19 digits, spaces
// and dashes between them allowed, that passes the Luhn check. Free-text fields
// refuse such a text, so that a card number typed into the wrong box is never
// kept.
func LooksLikeCardNumber(s string) bool {
	var digits []byte
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] >= '0' && s[i] <= '9' {
			digits = append(digits, s[i]-'0')
			continue
		}
		if i < len(s) && (s[i] == ' ' || s[i] == '-') && len(digits) > 0 {
			continue
		}
		if len(digits) >= 12 && len(digits) <= 19 && luhn(digits) {
			return true
		}
		digits = digits[:0]
	}
	return false
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
