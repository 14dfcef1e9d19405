package money_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/money"
)

var (
	eur = money.MustCurrency("EUR")
	gbp = money.MustCurrency("GBP")
	jpy = money.MustCurrency("JPY")
	kwd = money.MustCurrency("KWD")
)

func TestParseMajorAcceptsOnlyTheExactForm(t *testing.T) {
	for _, tt := range []struct {
		in   string
		c    money.Currency
		want int64
	}{
		{"12.50", eur, 1250},
		{"  12.50 ", eur, 1250},
		{"12", eur, 1200},
		{"0", eur, 0},
		{"0.00", eur, 0},
		{"0.01", eur, 1},
		{"92233720368547758.07", eur, math.MaxInt64},
		{"1200", jpy, 1200},
		{"1.250", kwd, 1250},
		{"1", kwd, 1000},
	} {
		got, err := money.ParseMajor(tt.in, tt.c)
		if err != nil || got != money.FromMinor(tt.want, tt.c) {
			t.Errorf("ParseMajor(%q, %s) = %v, %v; want %d minor units", tt.in, tt.c, got.Minor(), err, tt.want)
		}
	}
}

func TestParseMajorRefusesWithASentence(t *testing.T) {
	for _, tt := range []struct {
		in      string
		c       money.Currency
		reason  money.Reason
		message string
	}{
		{"", eur, money.ReasonEmpty, "Write an amount, for example 12.50."},
		{"   ", jpy, money.ReasonEmpty, "Write an amount, for example 12."},
		{"1.5", eur, money.ReasonDecimals, "Write 1.50."},
		{"1.", eur, money.ReasonDecimals, "Write 1.00."},
		{".5", eur, money.ReasonDecimals, "Write 0.50."},
		{".50", eur, money.ReasonDecimals, "Write 0.50."},
		{"1.5", kwd, money.ReasonDecimals, "Write 1.500."},
		{"1.234", eur, money.ReasonDecimals, "EUR has 2 decimals. Write, for example, 12.50."},
		{"1.00", jpy, money.ReasonDecimals, "JPY has no decimals. Write whole units, for example 12."},
		{"1.", jpy, money.ReasonDecimals, "JPY has no decimals. Write whole units, for example 12."},
		{"1,5", eur, money.ReasonSeparator, "Write the amount with digits and a point, without commas or spaces, for example 12.50."},
		{"1,234", jpy, money.ReasonSeparator, "Write the amount with digits, without commas or spaces, for example 12."},
		{"1,234.56", eur, money.ReasonSeparator, ""},
		{"1.234,56", eur, money.ReasonSeparator, ""},
		{"1.234.56", eur, money.ReasonSeparator, ""},
		{"1'234", eur, money.ReasonSeparator, ""},
		{"1 234", eur, money.ReasonSeparator, ""},
		{"-1.00", eur, money.ReasonSigned, "Write the amount without a sign, for example 12.50."},
		{"−1.00", eur, money.ReasonSigned, ""},
		{"+1.00", eur, money.ReasonSigned, ""},
		{"1e3", eur, money.ReasonFormat, "Write the amount with digits and a point, for example 12.50."},
		{"0x10", eur, money.ReasonFormat, ""},
		{"1_000", eur, money.ReasonFormat, ""},
		{"\uff11\uff12.\uff15\uff10", eur, money.ReasonFormat, ""},
		{"١٢", eur, money.ReasonFormat, ""},
		{"12.50 EUR", eur, money.ReasonFormat, ""},
		{"£12.50", gbp, money.ReasonFormat, ""},
		{"12.50\n", eur, money.ReasonFormat, ""},
		{"\u00a012.50", eur, money.ReasonFormat, ""},
		{"NaN", eur, money.ReasonFormat, ""},
		{"Inf", eur, money.ReasonFormat, ""},
		{".", eur, money.ReasonFormat, ""},
		{",", eur, money.ReasonFormat, ""},
		{"007", eur, money.ReasonLeadingZero, "Write 7.00, without zeros in front."},
		{"00", eur, money.ReasonLeadingZero, "Write 0.00, without zeros in front."},
		{"92233720368547758.08", eur, money.ReasonTooLarge, "This amount is too large."},
		{"9223372036854775808", jpy, money.ReasonTooLarge, ""},
		{strings.Repeat("9", 400), eur, money.ReasonTooLarge, ""},
	} {
		got, err := money.ParseMajor(tt.in, tt.c)
		var refused *money.ParseError
		if !errors.As(err, &refused) {
			t.Errorf("ParseMajor(%q, %s) = %v, %v; want a ParseError", tt.in, tt.c, got, err)
			continue
		}
		if refused.Reason != tt.reason {
			t.Errorf("ParseMajor(%q, %s): reason %q, want %q", tt.in, tt.c, refused.Reason, tt.reason)
		}
		if tt.message != "" && refused.Message != tt.message {
			t.Errorf("ParseMajor(%q, %s): message %q, want %q", tt.in, tt.c, refused.Message, tt.message)
		}
		if got != (money.Amount{}) {
			t.Errorf("ParseMajor(%q, %s) returned %v beside its error", tt.in, tt.c, got)
		}
	}
}

func TestEverySentenceThatNamesAnAmountNamesOneThatIsAccepted(t *testing.T) {
	for _, c := range []money.Currency{eur, jpy, kwd} {
		for _, in := range []string{"", "1.5", ".5", "1,5", "-1", "x", "007"} {
			_, err := money.ParseMajor(in, c)
			if err == nil {
				continue
			}
			words := regexp.MustCompile(`\d[\d.]*`).FindAllString(strings.TrimSuffix(err.Error(), "."), -1)
			last := strings.TrimSuffix(words[len(words)-1], ".")
			if _, err := money.ParseMajor(last, c); err != nil {
				t.Errorf("ParseMajor(%q, %s) recommends %q, which is refused: %v", in, c, last, err)
			}
		}
	}
}

func TestFormatIsWhatPeopleRead(t *testing.T) {
	for _, tt := range []struct {
		minor               int64
		c                   money.Currency
		major, format, code string
	}{
		{123456, gbp, "1234.56", "£1,234.56", "1,234.56 GBP"},
		{-1250, gbp, "-12.50", "−£12.50", "−12.50 GBP"},
		{123456, eur, "1234.56", "€1,234.56", "1,234.56 EUR"},
		{0, eur, "0.00", "€0.00", "0.00 EUR"},
		{5, eur, "0.05", "€0.05", "0.05 EUR"},
		{-5, kwd, "-0.005", "−KWD\u00a00.005", "−0.005 KWD"},
		{1000, jpy, "1000", "¥1,000", "1,000 JPY"},
		{999, jpy, "999", "¥999", "999 JPY"},
		{math.MaxInt64, eur, "92233720368547758.07", "€92,233,720,368,547,758.07", "92,233,720,368,547,758.07 EUR"},
		{math.MinInt64, eur, "-92233720368547758.08", "−€92,233,720,368,547,758.08", "−92,233,720,368,547,758.08 EUR"},
	} {
		a := money.FromMinor(tt.minor, tt.c)
		if a.Major() != tt.major || a.Format() != tt.format || a.FormatCode() != tt.code {
			t.Errorf("%d %s: got %q %q %q, want %q %q %q",
				tt.minor, tt.c, a.Major(), a.Format(), a.FormatCode(), tt.major, tt.format, tt.code)
		}
	}
}

func TestTheZeroAmountMixesWithNothing(t *testing.T) {
	var none money.Amount
	if none.Format() != "0" || none.FormatCode() != "0" || none.Major() != "0" || !none.Currency().IsZero() {
		t.Errorf("the zero amount reads %q, %q, %q", none.Format(), none.FormatCode(), none.Major())
	}
	if _, err := none.Add(money.Zero(eur)); !errors.Is(err, money.ErrCurrencyMismatch) {
		t.Errorf("adding euros to no currency: %v", err)
	}
}

func TestTwoCurrenciesNeverMix(t *testing.T) {
	a, b := money.FromMinor(1, eur), money.FromMinor(1, gbp)
	_, addErr := a.Add(b)
	_, subErr := a.Sub(b)
	_, cmpErr := a.Cmp(b)
	for _, err := range []error{addErr, subErr, cmpErr} {
		if !errors.Is(err, money.ErrCurrencyMismatch) {
			t.Errorf("got %v, want ErrCurrencyMismatch", err)
		}
	}
}

var (
	currencies = rapid.SampledFrom([]money.Currency{jpy, eur, gbp, kwd})
	edges      = rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1})
	minors     = rapid.OneOf(rapid.Int64(), edges, rapid.Int64Range(-100_000, 100_000))
)

func TestMajorAndParseMajorAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := currencies.Draw(t, "currency")
		a := money.FromMinor(rapid.OneOf(rapid.Int64Min(0), rapid.Int64Range(0, 100_000)).Draw(t, "minor"), c)
		got, err := money.ParseMajor(a.Major(), c)
		if err != nil || got != a {
			t.Fatalf("ParseMajor(%q) = %v, %v", a.Major(), got, err)
		}
	})
}

func TestArithmeticAgreesWithUnboundedIntegersOrOverflows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := currencies.Draw(t, "currency")
		x, y := minors.Draw(t, "x"), minors.Draw(t, "y")
		a, b := money.FromMinor(x, c), money.FromMinor(y, c)
		check := func(op string, got money.Amount, err error, want *big.Int) {
			if !want.IsInt64() {
				if !errors.Is(err, money.ErrOverflow) || got != (money.Amount{}) {
					t.Fatalf("%s: got %v, %v, want ErrOverflow", op, got, err)
				}
				return
			}
			if err != nil || got != money.FromMinor(want.Int64(), c) {
				t.Fatalf("%s: got %v, %v, want %v", op, got, err, want)
			}
		}
		bx, by := big.NewInt(x), big.NewInt(y)
		sum, err := a.Add(b)
		check("add", sum, err, new(big.Int).Add(bx, by))
		difference, err := a.Sub(b)
		check("sub", difference, err, new(big.Int).Sub(bx, by))
		negated, err := a.Neg()
		check("neg", negated, err, new(big.Int).Neg(bx))
		if got, err := a.Cmp(b); err != nil || got != bx.Cmp(by) {
			t.Fatalf("cmp: got %d, %v, want %d", got, err, bx.Cmp(by))
		}
	})
}

func TestFormatsNeverLoseADigit(t *testing.T) {
	noise := regexp.MustCompile(`[^0-9]`)
	rapid.Check(t, func(t *rapid.T) {
		c, minor := currencies.Draw(t, "currency"), minors.Draw(t, "minor")
		a := money.FromMinor(minor, c)
		want := new(big.Int).Abs(big.NewInt(minor))
		for _, text := range []string{a.Major(), a.Format(), a.FormatCode()} {
			got, ok := new(big.Int).SetString(noise.ReplaceAllString(text, ""), 10)
			if !ok || got.Cmp(want) != 0 {
				t.Fatalf("%q does not hold the digits of %d", text, minor)
			}
			if negative := strings.ContainsAny(text, "-−"); negative != (minor < 0) {
				t.Fatalf("%q has the wrong sign for %d", text, minor)
			}
		}
	})
}

func TestParseMajorRefusesEverythingOutsideTheGrammar(t *testing.T) {
	typed := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ ]{0,2}[0-9]{0,6}[.]?[0-9]{0,4}[ ]{0,2}`),
		rapid.StringMatching(`[-+ 0-9.,'eExX_\x{0663}\x{ff13}€]{0,12}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		c := currencies.Draw(t, "currency")
		s := typed.Draw(t, "typed")
		decimals := ""
		if c.Exponent() > 0 {
			decimals = fmt.Sprintf(`(\.[0-9]{%d})?`, c.Exponent())
		}
		grammar := regexp.MustCompile(`\A *(0|[1-9][0-9]*)` + decimals + ` *\z`)
		a, err := money.ParseMajor(s, c)
		var refused *money.ParseError
		switch {
		case err == nil && !grammar.MatchString(s):
			t.Fatalf("ParseMajor(%q, %s) accepted %v", s, c, a)
		case err != nil && !errors.As(err, &refused):
			t.Fatalf("ParseMajor(%q, %s): %T is not a ParseError", s, c, err)
		case err != nil && grammar.MatchString(s) && refused.Reason != money.ReasonTooLarge:
			t.Fatalf("ParseMajor(%q, %s) refused a good amount: %v", s, c, err)
		case err != nil && (!strings.HasSuffix(refused.Message, ".") || strings.Contains(refused.Message, "%!")):
			t.Fatalf("%q is not a sentence", refused.Message)
		}
	})
}

func TestJSONKeepsTheExactInteger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := money.FromMinor(minors.Draw(t, "minor"), currencies.Draw(t, "currency"))
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back money.Amount
		if err := json.Unmarshal(b, &back); err != nil || back != a {
			t.Fatalf("%s came back as %v, %v", b, back, err)
		}
	})
	for _, bad := range []string{`{"minor":1.5,"currency":"EUR"}`, `{"currency":"EUR"}`, `{"minor":1,"currency":"eur"}`, `{"minor":1}`, `12`} {
		var a money.Amount
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			t.Errorf("%s was read as %v", bad, a)
		}
	}
}
