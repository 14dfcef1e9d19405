package providers

import (
	"fmt"
	"strings"

	"github.com/counterfoil/counterfoil/services/money"
)

// Decimal reads an amount that a provider wrote in major units: digits and at
// most one point. Unlike a person's typing, "9.9" and "9.990" are both 9.90
// EUR; a digit that the currency cannot hold is an error, never rounded.
func Decimal(s string, c money.Currency) (money.Amount, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || (point && part == "") || strings.Trim(whole+part, "0123456789") != "" || c.IsZero() {
		return money.Amount{}, fmt.Errorf("%q is not a decimal amount", s)
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	for len(part) > c.Exponent() && part[len(part)-1] == '0' {
		part = part[:len(part)-1]
	}
	if len(part) > c.Exponent() {
		return money.Amount{}, fmt.Errorf("%q has more decimals than %s", s, c)
	}
	part += strings.Repeat("0", c.Exponent()-len(part))
	if part != "" {
		whole += "." + part
	}
	return money.ParseMajor(whole, c)
}
