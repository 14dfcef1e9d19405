package components

import (
	"math"
	"testing"

	"github.com/counterfoil/counterfoil/services/money"
)

func TestAmountsInWords(t *testing.T) {
	for _, c := range []struct {
		code  string
		minor int64
		want  string
	}{
		{"GBP", 48000, "four hundred and eighty pounds"},
		{"GBP", 101, "one pound and one penny"},
		{"GBP", 50, "zero pounds and fifty pence"},
		{"GBP", 100005, "one thousand pounds and five pence"},
		{"GBP", 100100, "one thousand and one pounds"},
		{"GBP", 123456789, "one million two hundred and thirty-four thousand five hundred and sixty-seven pounds and eighty-nine pence"},
		{"JPY", 15000, "fifteen thousand yen"},
		{"KWD", 12345, "twelve Kuwaiti dinars and three hundred and forty-five fils"},
		{"USD", 1999, "nineteen US dollars and ninety-nine cents"},
		{"CHF", 4250, "forty-two CHF, 50 of the parts"},
		{"EUR", -2100, "minus twenty-one euros"},
		{"JPY", math.MaxInt64, "nine quintillion two hundred and twenty-three quadrillion three hundred and seventy-two trillion thirty-six billion eight hundred and fifty-four million seven hundred and seventy-five thousand eight hundred and seven yen"},
	} {
		if got := Words(money.FromMinor(c.minor, money.MustCurrency(c.code))); got != c.want {
			t.Errorf("%d %s: %q, want %q", c.minor, c.code, got, c.want)
		}
	}
}
