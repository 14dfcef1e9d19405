package cardflo

import (
	"crypto/sha512"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// The inputs are those of seed 003, section Signature. The document prints the
// body only as its hash and the key as {apiKey}; the literal my-api-key is what
// reproduces the printed signature.
func TestTheSignatureOfTheDocumentIsReproduced(t *testing.T) {
	got := sign("my-shared-secret", "POST",
		"efe0b7cd39d6904dc90924b1a89629b14f11082ed2178cff562364ca0172318e1535bb8766fbe66e8cc44d311eba806349bfe185607eca12d9d0f377a03ee617",
		"application/json; charset=utf-8", "Tue, 21 Jul 2020 13:15:03 UTC", "/api/v3/transaction/my-api-key/debit")
	const want = "nL+8FBKWx4/pahYScKs/dRYPBEWjiBalRaWKHGtxLpELmLrgJ/+dSWjt6dZNuu6oF18NyWEU8tXLEVm2mtEapg=="
	if got != want {
		t.Errorf("sign = %s, want %s", got, want)
	}
}

func TestTheHashOfAnEmptyBodyIsThatOfTheEmptyString(t *testing.T) {
	sum := sha512.Sum512(nil)
	const want = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("%s", got)
	}
}

func TestDatesOfBothZoneNamesAreRead(t *testing.T) {
	for _, s := range []string{"Mon, 01 Jan 2018 11:01:36 GMT", "Tue, 21 Jul 2020 13:15:03 UTC"} {
		if _, err := parseDate(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "yesterday", "2020-07-21T13:15:03Z", "Tue, 21 Jul 2020 13:15:03 +0200"} {
		if _, err := parseDate(s); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

func TestMinorUnitsRoundTripForEveryExponent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decimals := rapid.SampledFrom([]int{0, 2, 3}).Draw(t, "decimals")
		minor := rapid.Int64Range(1, 9_999_999_999).Draw(t, "minor")
		text := majorUnits(minor, decimals)
		if !amountShape.MatchString(text) {
			t.Fatalf("%s is no amount", text)
		}
		back, err := minorUnits(text, decimals)
		if err != nil || back != minor {
			t.Fatalf("%d -> %s -> %d, %v", minor, text, back, err)
		}
	})
}

func TestAmountsInTheCurrencysOwnDecimals(t *testing.T) {
	for _, tc := range []struct {
		text     string
		decimals int
		minor    int64
		ok       bool
	}{
		{"1500", 0, 1500, true}, {"1500.0", 0, 0, false}, {"14.200", 3, 14200, true}, {"14.2", 3, 14200, true},
		{"9.99", 2, 999, true}, {"9", 2, 900, true}, {"9.999", 2, 0, false}, {"0", 2, 0, false}, {"0.00", 2, 0, false}, {"0.01", 2, 1, true},
	} {
		minor, err := minorUnits(tc.text, tc.decimals)
		if (err == nil) != tc.ok || tc.ok && minor != tc.minor {
			t.Errorf("%s with %d decimals = %d, %v", tc.text, tc.decimals, minor, err)
		}
	}
}
