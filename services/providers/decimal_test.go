package providers

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/money"
)

func TestDecimalIsExact(t *testing.T) {
	eur, jpy, kwd := money.MustCurrency("EUR"), money.MustCurrency("JPY"), money.MustCurrency("KWD")
	for _, c := range []struct {
		in    string
		c     money.Currency
		minor int64
		ok    bool
	}{
		{"9.99", eur, 999, true}, {"9.9", eur, 990, true}, {"9", eur, 900, true}, {"9.990", eur, 999, true}, {"009.99", eur, 999, true},
		{"0.00", eur, 0, true}, {"100", jpy, 100, true}, {"100.00", jpy, 100, true}, {"14.200", kwd, 14200, true}, {"0.005", kwd, 5, true},
		{"9.999", eur, 0, false}, {"100.5", jpy, 0, false}, {"1,5", eur, 0, false}, {"-1", eur, 0, false}, {"+1", eur, 0, false},
		{"1e3", eur, 0, false}, {"", eur, 0, false}, {".5", eur, 0, false}, {"1.", eur, 0, false}, {"1.2.3", eur, 0, false}, {" 1", eur, 0, false},
		{"99999999999999999999", eur, 0, false}, {"１", eur, 0, false}, {"1", money.Currency{}, 0, false},
	} {
		got, err := Decimal(c.in, c.c)
		if (err == nil) != c.ok || (c.ok && got != money.FromMinor(c.minor, c.c)) {
			t.Errorf("Decimal(%q, %s) = %v, %v; want %d, ok %v", c.in, c.c, got, err, c.minor, c.ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := money.FromMinor(rapid.Int64Range(0, 1<<62).Draw(t, "minor"), rapid.SampledFrom([]money.Currency{eur, jpy, kwd}).Draw(t, "currency"))
		if got, err := Decimal(a.Major(), a.Currency()); err != nil || got != a {
			t.Fatalf("Decimal(%s) = %v, %v", a.Major(), got, err)
		}
	})
}
