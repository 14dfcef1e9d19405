package money

import (
	"fmt"
	"math"
	"strings"
)

// Reason says which rule a typed amount broke.
type Reason string

// The reasons of a ParseError.
const (
	// ReasonEmpty: nothing was typed.
	ReasonEmpty Reason = "empty"
	// ReasonSigned: a plus or a minus was typed; the action decides the direction of the money, never the field.
	ReasonSigned Reason = "signed"
	// ReasonSeparator: a comma, an apostrophe or an inner space, which mean thousands to some and decimals to others.
	ReasonSeparator Reason = "separator"
	// ReasonDecimals: the wrong number of decimals for the currency.
	ReasonDecimals Reason = "decimals"
	// ReasonLeadingZero: digits begin with a needless zero, as an amount typed in cents would.
	ReasonLeadingZero Reason = "leading_zero"
	// ReasonFormat: anything else that is not digits with at most one point.
	ReasonFormat Reason = "format"
	// ReasonTooLarge: more than 64 bits of minor units.
	ReasonTooLarge Reason = "too_large"
)

// ParseError says why a typed amount was refused. It never repeats what was typed beyond its digits.
type ParseError struct {
	// Reason is for programs.
	Reason Reason
	// Message is one sentence for the person who typed, telling what to write.
	Message string
}

// Error returns the message.
func (e *ParseError) Error() string { return e.Message }

// ParseMajor reads an amount that a person typed in major units. The grammar is strict, because a misread separator is
// a factor of a thousand: ASCII digits without needless zeros in front, then either nothing or a point and exactly as
// many decimals as the currency has. ASCII spaces around it are ignored. "12" is 12.00; "1.5" in EUR is refused, since
// it is as likely a slip for 1.05 or 15 as it is 1.50. Every error is a *ParseError.
func ParseMajor(s string, c Currency) (Amount, error) {
	s = strings.Trim(s, " ")
	whole, decimals, hasPoint := strings.Cut(s, ".")
	exponent := c.Exponent()
	switch {
	case s == "":
		return refuse(ReasonEmpty, "Write an amount, for example %s.", example(c))
	case s[0] == '-' || s[0] == '+' || strings.HasPrefix(s, minus):
		return refuse(ReasonSigned, "Write the amount without a sign, for example %s.", example(c))
	case isDigits(whole+decimals) && (whole != "" || decimals != ""):
		// Only digits and at most one point: what follows is about their number.
	case onlyDigitsAnd(s, ".,' "):
		return refuse(ReasonSeparator,
			"Write the amount with digits%s, without commas or spaces, for example %s.", pointHint(c), example(c))
	default:
		return refuse(ReasonFormat, "Write the amount with digits%s, for example %s.", pointHint(c), example(c))
	}

	if exponent == 0 && hasPoint {
		return refuse(ReasonDecimals, "%s has no decimals. Write whole units, for example %s.", c.code, example(c))
	}
	if len(decimals) > exponent {
		return refuse(ReasonDecimals, "%s has %d decimals. Write, for example, %s.", c.code, exponent, example(c))
	}
	trimmed := strings.TrimLeft(whole, "0")
	if trimmed == "" {
		trimmed = "0"
	}
	padded := decimals + strings.Repeat("0", exponent-len(decimals))
	minor, ok := parseDigits(trimmed + padded)
	if !ok {
		return refuse(ReasonTooLarge, "This amount is too large.")
	}
	amount := FromMinor(minor, c)
	if whole == "" || (hasPoint && len(decimals) < exponent) {
		return refuse(ReasonDecimals, "Write %s.", amount.Major())
	}
	if whole != trimmed {
		return refuse(ReasonLeadingZero, "Write %s, without zeros in front.", amount.Major())
	}
	return amount, nil
}

func refuse(reason Reason, format string, args ...any) (Amount, error) {
	return Amount{}, &ParseError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// example returns a well-formed amount of the currency: 12, 12.50 or 12.500.
func example(c Currency) string {
	if c.Exponent() == 0 {
		return "12"
	}
	return "12.5" + strings.Repeat("0", c.Exponent()-1)
}

func pointHint(c Currency) string {
	if c.Exponent() == 0 {
		return ""
	}
	return " and a point"
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func onlyDigitsAnd(s, others string) bool {
	digits := 0
	for i := range len(s) {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			digits++
		case strings.IndexByte(others, s[i]) < 0:
			return false
		}
	}
	return digits > 0
}

// parseDigits reads ASCII digits and reports whether they fit.
func parseDigits(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
