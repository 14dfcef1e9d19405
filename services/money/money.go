// Package money holds amounts of money exactly: an integer number of minor units (cents) and the currency that gives
// the number its meaning. It exists so that no other package parses, formats or adds money by itself.
//
// It imports nothing of this module and nothing but the standard library, and holds no floating point anywhere; tests
// check both.
package money

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
)

// ErrOverflow is wrapped by the error of every operation whose result does not fit into 64 bits.
var ErrOverflow = errors.New("money: the result is too large")

// ErrCurrencyMismatch is wrapped by the error of every operation on amounts of two currencies.
var ErrCurrencyMismatch = errors.New("money: the currencies differ")

// Amount is a signed number of minor units of one currency. It is comparable with ==. The zero Amount has no currency
// and mixes with no other.
type Amount struct {
	minor    int64
	currency Currency
}

// FromMinor returns the amount of so many minor units: FromMinor(1250, EUR) is 12.50 EUR.
func FromMinor(minor int64, c Currency) Amount { return Amount{minor: minor, currency: c} }

// Zero returns nothing, in the currency c.
func Zero(c Currency) Amount { return Amount{currency: c} }

// Minor returns the number of minor units.
func (a Amount) Minor() int64 { return a.minor }

// Currency returns the currency.
func (a Amount) Currency() Currency { return a.currency }

// IsZero reports whether the number of minor units is zero, whatever the currency.
func (a Amount) IsZero() bool { return a.minor == 0 }

// IsNegative reports whether the amount is below zero.
func (a Amount) IsNegative() bool { return a.minor < 0 }

// IsPositive reports whether the amount is above zero.
func (a Amount) IsPositive() bool { return a.minor > 0 }

// Add returns a+b. It fails with ErrCurrencyMismatch or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if err := a.sameCurrency(b); err != nil {
		return Amount{}, err
	}
	if (b.minor > 0 && a.minor > math.MaxInt64-b.minor) || (b.minor < 0 && a.minor < math.MinInt64-b.minor) {
		return Amount{}, fmt.Errorf("%w: %d + %d", ErrOverflow, a.minor, b.minor)
	}
	return Amount{minor: a.minor + b.minor, currency: a.currency}, nil
}

// Sub returns a-b. It fails with ErrCurrencyMismatch or ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := a.sameCurrency(b); err != nil {
		return Amount{}, err
	}
	if (b.minor < 0 && a.minor > math.MaxInt64+b.minor) || (b.minor > 0 && a.minor < math.MinInt64+b.minor) {
		return Amount{}, fmt.Errorf("%w: %d - %d", ErrOverflow, a.minor, b.minor)
	}
	return Amount{minor: a.minor - b.minor, currency: a.currency}, nil
}

// Neg returns -a. It fails with ErrOverflow for the one number that has no opposite.
func (a Amount) Neg() (Amount, error) {
	if a.minor == math.MinInt64 {
		return Amount{}, fmt.Errorf("%w: -(%d)", ErrOverflow, a.minor)
	}
	return Amount{minor: -a.minor, currency: a.currency}, nil
}

// Cmp returns -1, 0 or 1 as a is less than, equal to or greater than b. It fails with ErrCurrencyMismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	if err := a.sameCurrency(b); err != nil {
		return 0, err
	}
	switch {
	case a.minor < b.minor:
		return -1, nil
	case a.minor > b.minor:
		return 1, nil
	}
	return 0, nil
}

func (a Amount) sameCurrency(b Amount) error {
	if a.currency != b.currency {
		return fmt.Errorf("%w: %q and %q", ErrCurrencyMismatch, a.currency.code, b.currency.code)
	}
	return nil
}

// Major returns the amount in major units with exactly the currency's decimals, in ASCII and without grouping:
// "12.50", "-0.005", "1200". It is what an input field holds, and ParseMajor reads it back when it is not negative.
func (a Amount) Major() string {
	whole, decimals := a.digits()
	if a.minor < 0 {
		whole = "-" + whole
	}
	if decimals == "" {
		return whole
	}
	return whole + "." + decimals
}

// minus is U+2212 MINUS SIGN: as wide as the digits, and never broken from them at the end of a line.
const minus = "−"

// noBreakSpace is U+00A0: it keeps a code and its number on one line.
const noBreakSpace = "\u00a0"

// Format returns the amount for people, with the currency's sign and grouped thousands: "£1,234.56", "−£12.50". A
// currency without a sign of its own is written with its code: "KWD 1.250", joined by a no-break space.
func (a Amount) Format() string {
	sign := ""
	if a.minor < 0 {
		sign = minus
	}
	symbol := a.currency.Symbol()
	if symbol != "" && symbol == a.currency.code {
		symbol += noBreakSpace
	}
	return sign + symbol + a.grouped()
}

// FormatCode returns the amount for people with the code behind it, for places where two currencies could be taken for
// each other: "1,234.56 EUR", "−12.50 USD".
func (a Amount) FormatCode() string {
	s := a.grouped()
	if a.minor < 0 {
		s = minus + s
	}
	if a.currency.code == "" {
		return s
	}
	return s + " " + a.currency.code
}

// String returns FormatCode, so that a log line or a test failure is never ambiguous.
func (a Amount) String() string { return a.FormatCode() }

// LogValue makes structured logs carry the exact integer beside the currency.
func (a Amount) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("minor", a.minor), slog.String("currency", a.currency.code))
}

// digits returns the digits before and after the decimal point, without a sign.
func (a Amount) digits() (whole, decimals string) {
	// The negation wraps for the smallest int64 and the conversion then yields its true magnitude.
	magnitude := uint64(a.minor)
	if a.minor < 0 {
		magnitude = -magnitude
	}
	s := strconv.FormatUint(magnitude, 10)
	exponent := a.currency.Exponent()
	if missing := exponent + 1 - len(s); missing > 0 {
		s = strings.Repeat("0", missing) + s
	}
	return s[:len(s)-exponent], s[len(s)-exponent:]
}

func (a Amount) grouped() string {
	whole, decimals := a.digits()
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	if decimals != "" {
		b.WriteByte('.')
		b.WriteString(decimals)
	}
	return b.String()
}

type jsonAmount struct {
	Minor    *int64 `json:"minor"`
	Currency string `json:"currency"`
}

// MarshalJSON writes {"minor":1250,"currency":"EUR"}.
func (a Amount) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonAmount{Minor: &a.minor, Currency: a.currency.code})
}

// UnmarshalJSON reads what MarshalJSON writes. A fraction, a missing number or an unknown currency is an error.
func (a *Amount) UnmarshalJSON(b []byte) error {
	var j jsonAmount
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("money: %w", err)
	}
	if j.Minor == nil {
		return errors.New("money: the number of minor units is missing")
	}
	if j.Currency == "" && *j.Minor == 0 {
		*a = Amount{}
		return nil
	}
	c, err := ParseCurrency(j.Currency)
	if err != nil {
		return err
	}
	*a = FromMinor(*j.Minor, c)
	return nil
}
