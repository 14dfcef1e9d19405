package money

import (
	"fmt"
	"strings"
)

// Currency is an ISO 4217 currency: its alphabetic code and the number of decimal digits between its major and its
// minor unit. It is comparable with ==. The zero Currency is no currency at all; get one from ParseCurrency.
type Currency struct {
	code     string
	exponent uint8
}

// CurrencyError says that a text is not the code of a currency in use. Its message is fit for a user.
type CurrencyError struct {
	// Code is the text as it came.
	Code string
}

// Error returns one sentence for the user.
func (e *CurrencyError) Error() string {
	if e.Code == "" {
		return "The currency is missing."
	}
	return fmt.Sprintf("%q is not the code of a currency.", e.Code)
}

// ParseCurrency returns the currency of an ISO 4217 alphabetic code in capital letters. Codes that are withdrawn, that
// stand for metals, funds and testing, or that are written in small letters are refused with a *CurrencyError.
func ParseCurrency(code string) (Currency, error) {
	exponent, ok := exponents[code]
	if !ok {
		return Currency{}, &CurrencyError{Code: code}
	}
	return Currency{code: code, exponent: exponent}, nil
}

// MustCurrency is ParseCurrency for codes written in the program itself. It panics on a code that is none.
func MustCurrency(code string) Currency {
	c, err := ParseCurrency(code)
	if err != nil {
		panic("money: " + err.Error())
	}
	return c
}

// Code returns the ISO 4217 alphabetic code, and "" for the zero Currency.
func (c Currency) Code() string { return c.code }

// Exponent returns how many decimal digits the minor unit has: 0 for JPY, 2 for EUR, 3 for KWD.
func (c Currency) Exponent() int { return int(c.exponent) }

// IsZero reports whether c is the zero Currency, that is, none.
func (c Currency) IsZero() bool { return c.code == "" }

// String returns the code.
func (c Currency) String() string { return c.code }

// Symbol returns the sign that stands before an amount. Only signs that name one currency are used (a bare $ is the
// United States dollar and nothing else); every other currency answers with its code.
func (c Currency) Symbol() string {
	if s, ok := symbols[c.code]; ok {
		return s
	}
	return c.code
}

var symbols = map[string]string{
	"AUD": "A$",
	"BRL": "R$",
	"CAD": "CA$",
	"CNY": "CN¥",
	"CRC": "₡",
	"EUR": "€",
	"GBP": "£",
	"GEL": "₾",
	"HKD": "HK$",
	"ILS": "₪",
	"INR": "₹",
	"JPY": "¥",
	"KRW": "₩",
	"KZT": "₸",
	"MXN": "MX$",
	"NGN": "₦",
	"NZD": "NZ$",
	"PHP": "₱",
	"PYG": "₲",
	"SGD": "S$",
	"THB": "฿",
	"TRY": "₺",
	"TWD": "NT$",
	"UAH": "₴",
	"USD": "$",
	"VND": "₫",
}

// exponents holds the currencies of ISO 4217 list one that a card payment can be made in, with the minor units that
// the standard gives them. It is a table of our own because the exponent gives every stored integer its meaning: it
// must never change with a library's upgrade. CLDR, which golang.org/x/text carries, records customary display digits
// instead (COP 0 and IQD 0, where the standard says 2 and 3); a test lists each difference.
var exponents = func() map[string]uint8 {
	m := make(map[string]uint8, 160)
	for digits, codes := range map[uint8]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
		2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD " +
			"CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD " +
			"HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL " +
			"MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN " +
			"QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL " +
			"THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
		3: "BHD IQD JOD KWD LYD OMR TND",
	} {
		for _, code := range strings.Fields(codes) {
			m[code] = digits
		}
	}
	return m
}()
