package money_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/currency"

	"github.com/counterfoil/counterfoil/services/money"
)

// isoMinorUnits is ISO 4217 list one, column "minor unit", for the countries' currencies, as read from the standard's
// published table; kept apart from the package's own table so that a slip in one shows.
const isoMinorUnits = `
AED 2 AFN 2 ALL 2 AMD 2 AOA 2 ARS 2 AUD 2 AWG 2 AZN 2 BAM 2 BBD 2 BDT 2 BHD 3 BIF 0 BMD 2 BND 2 BOB 2 BRL 2 BSD 2
BTN 2 BWP 2 BYN 2 BZD 2 CAD 2 CDF 2 CHF 2 CLP 0 CNY 2 COP 2 CRC 2 CUP 2 CVE 2 CZK 2 DJF 0 DKK 2 DOP 2 DZD 2 EGP 2
ERN 2 ETB 2 EUR 2 FJD 2 FKP 2 GBP 2 GEL 2 GHS 2 GIP 2 GMD 2 GNF 0 GTQ 2 GYD 2 HKD 2 HNL 2 HTG 2 HUF 2 IDR 2 ILS 2
INR 2 IQD 3 IRR 2 ISK 0 JMD 2 JOD 3 JPY 0 KES 2 KGS 2 KHR 2 KMF 0 KPW 2 KRW 0 KWD 3 KYD 2 KZT 2 LAK 2 LBP 2 LKR 2
LRD 2 LSL 2 LYD 3 MAD 2 MDL 2 MGA 2 MKD 2 MMK 2 MNT 2 MOP 2 MRU 2 MUR 2 MVR 2 MWK 2 MXN 2 MYR 2 MZN 2 NAD 2 NGN 2
NIO 2 NOK 2 NPR 2 NZD 2 OMR 3 PAB 2 PEN 2 PGK 2 PHP 2 PKR 2 PLN 2 PYG 0 QAR 2 RON 2 RSD 2 RUB 2 RWF 0 SAR 2 SBD 2
SCR 2 SDG 2 SEK 2 SGD 2 SHP 2 SLE 2 SOS 2 SRD 2 SSP 2 STN 2 SVC 2 SYP 2 SZL 2 THB 2 TJS 2 TMT 2 TND 3 TOP 2 TRY 2
TTD 2 TWD 2 TZS 2 UAH 2 UGX 0 USD 2 UYU 2 UZS 2 VED 2 VES 2 VND 0 VUV 0 WST 2 XAF 0 XCD 2 XCG 2 XOF 0 XPF 0 YER 2
ZAR 2 ZMW 2 ZWG 2`

func isoTable(t *testing.T) map[string]int {
	t.Helper()
	fields := strings.Fields(isoMinorUnits)
	table := make(map[string]int)
	for i := 0; i < len(fields); i += 2 {
		table[fields[i]] = int(fields[i+1][0] - '0')
	}
	return table
}

func TestExponentsAreThoseOfISO4217(t *testing.T) {
	known := 0
	iso := isoTable(t)
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				got, err := money.ParseCurrency(code)
				want, listed := iso[code]
				if listed != (err == nil) || (listed && got.Exponent() != want) {
					t.Errorf("%s: got exponent %d, %v; ISO 4217 lists it: %t, %d", code, got.Exponent(), err, listed, want)
				}
				if err == nil {
					known++
				}
			}
		}
	}
	if known != len(iso) {
		t.Errorf("%d currencies are known, ISO 4217 has %d", known, len(iso))
	}
}

// TestDifferencesFromCLDRAreTheKnownOnes compares with golang.org/x/text/currency, whose data is CLDR's customary
// display digits. Anything that is not in the table below is a slip on one side.
func TestDifferencesFromCLDRAreTheKnownOnes(t *testing.T) {
	cldr := map[string]int{
		"AFN": 0, "ALL": 0, "AMD": 0, "COP": 0, "GYD": 0, "IDR": 0, "IQD": 0, "IRR": 0, "KPW": 0, "LAK": 0, "LBP": 0,
		"MGA": 0, "MMK": 0, "MNT": 0, "MUR": 0, "PKR": 0, "RSD": 0, "SOS": 0, "SYP": 0, "TZS": 0, "UZS": 0, "YER": 0,
	}
	newer := map[string]bool{"MRU": true, "SLE": true, "VED": true, "VES": true, "XCG": true, "ZWG": true}
	for code, iso := range isoTable(t) {
		unit, err := currency.ParseISO(code)
		if err != nil {
			if !newer[code] {
				t.Errorf("%s is unknown to x/text: %v", code, err)
			}
			continue
		}
		want, differs := cldr[code]
		if !differs {
			want = iso
		}
		if digits, _ := currency.Standard.Rounding(unit); digits != want {
			t.Errorf("%s: x/text has %d digits, expected %d (ISO 4217 says %d)", code, digits, want, iso)
		}
	}
}

func TestParseCurrencyRefusesWhatIsNotACurrencyInUse(t *testing.T) {
	for _, code := range []string{"", "eur", "EU", "EURO", "DEM", "HRK", "BGN", "XAU", "XTS", "XXX", "CLF", "€", "EUR "} {
		c, err := money.ParseCurrency(code)
		var refused *money.CurrencyError
		if !errors.As(err, &refused) || refused.Code != code || !c.IsZero() || !strings.HasSuffix(err.Error(), ".") {
			t.Errorf("ParseCurrency(%q) = %v, %v", code, c, err)
		}
	}
}

func TestEverySymbolNamesOneCurrency(t *testing.T) {
	owner := map[string]string{}
	for code := range isoTable(t) {
		symbol := money.MustCurrency(code).Symbol()
		if symbol == "" || owner[symbol] != "" {
			t.Errorf("%s and %s are both written %q", code, owner[symbol], symbol)
		}
		owner[symbol] = code
	}
	for code, want := range map[string]string{"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥", "KWD": "KWD", "CHF": "CHF"} {
		if got := money.MustCurrency(code).Symbol(); got != want {
			t.Errorf("%s is written %q, want %q", code, got, want)
		}
	}
}

func TestMustCurrencyPanicsOnAnUnknownCode(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	money.MustCurrency("ZZZ")
}
