package domain_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
)

func TestACardNumberIsSeenBesideOtherDigits(t *testing.T) {
	for _, in := range []string{
		"4111 1111 1111 1111 12/30",
		"4111 1111 1111 1111 12/30 123",
		"4111111111111111 123",
		"4111111111111111,12/30",
		"2261 4111 1111 1111 1111",
		"2261: 4111111111111111",
		"4111.1111.1111.1111",
		"4111\u00a01111\u00a01111\u00a01111",
		"4111\u20091111\u20091111\u20091111 exp 12/30",
		"4111\u200b1111\u200b1111\u200b1111",
		"4111 - 1111 - 1111 - 1111", "4111    1111 -- 1111 -- 1111",
		"4111/1111/1111/1111",
		"4111_1111_1111_1111",
		"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"４１１１ １１１１ １１１１ １１１１",
		"card4111111111111111x",
		"3782 822463 10005 1234",
		"30569309025904",
		"6304 0000 0000 00",
		"2223003122003222",
		"2200 7700 0000 0002",
		"6200 0000 0000 0000 000",
	} {
		if !domain.LooksLikeCardNumber(in) {
			t.Errorf("%q is not seen", in)
		}
	}
}

// TestOrdinaryTextIsNotTakenForACardNumber: most of these pass the Luhn check.
func TestOrdinaryTextIsNotTakenForACardNumber(t *testing.T) {
	for _, in := range []string{
		"Hamper 2261", "2261", "INV-2026-000418", "PO 4500012345", "20261120-2278", "2026-11-20 14:32:05", "20.11.2026, 14:32 to 15:00",
		"20261120143205", "1795184000002", "+44 20 7946 0956", "+44 7700 900122", "020 7946 0958", "+1 (555) 010-9999", "+353 20 912 5015",
		"call +44 20 7946 0956 on 2026-11-20 at 12:30", "boxes 12, 14, 16, 18, 20, 22",
		"5f2c4111-1111-4111-8111-111111111111", // a UUID
		"4111 1111 and 1111 1111",
	} {
		if domain.LooksLikeCardNumber(in) {
			t.Errorf("%q is taken for a card number", in)
		}
	}
}

// TestACardNumberIsSeenHoweverItIsDivided: whatever stands before and after it,
// and however its digits are grouped.
func TestACardNumberIsSeenHoweverItIsDivided(t *testing.T) {
	cards := []string{"4111111111111111", "5555555555554444", "378282246310005", "30569309025904", "6011111111111117", "3530111333300000", "2223003122003222", "4222222222222", "6304000000000000"}
	between := rapid.SampledFrom([]string{" ", "-", ".", "\u00a0", " - ", "/", "\t", "\r\n", "–"})
	beside := rapid.SampledFrom([]string{"", "Hamper 2261 ", " 12/30", "12/30 ", "\u00a0123 ", " 0-", ", 42.00 ", "x"})
	rapid.Check(t, func(t *rapid.T) {
		card := rapid.SampledFrom(cards).Draw(t, "card")
		var b strings.Builder
		b.WriteString(beside.Draw(t, "before"))
		if s := b.String(); s != "" && s[len(s)-1] >= '0' && s[len(s)-1] <= '9' {
			b.WriteByte(' ')
		}
		for i := range len(card) {
			if i > 0 && rapid.Bool().Draw(t, "divided") {
				b.WriteString(between.Draw(t, "between"))
			}
			b.WriteByte(card[i])
		}
		after := beside.Draw(t, "after")
		if after != "" && after[0] >= '0' && after[0] <= '9' {
			b.WriteByte(' ')
		}
		b.WriteString(after)
		if text := b.String(); !domain.LooksLikeCardNumber(text) {
			t.Fatalf("%q is not seen", text)
		}
	})
}
