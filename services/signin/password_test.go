package signin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
)

func TestGuessablePasswordsAreRefusedAndOthersAreNot(t *testing.T) {
	names := []string{"Ada Marsh", "ada.marsh@quaystreet.example", "Quay Street Books"}
	for _, bad := range []string{
		"", "short", "elevenchars", strings.Repeat("a", 257), "a long one\xff that is not text",
		"aaaaaaaaaaaa", "abcabcabcabc", "121212121212",
		"passwordpassword", "Password1234!", "P@ssw0rd2026!", "qwertyuiop123", "123456789012", "1q2w3e4r5t6y", "welcome2welcome", "Liverpool2025!",
		"letmeinletmein", "iloveyou12345", "Summer2026Summer", "adminadmin123", "football football", "changeme-changeme",
		"counterfoil1234", "Counterfoil!2026", "quaystreetbooks", "QuayStreet2026", "Quay Street Books", "adamarsh123456", "ada.marsh@quaystreet.example", "Marsh-Quay-2026",
	} {
		err := CheckPassword(bad, names...)
		if domain.CodeOf(err) != domain.Invalid || domain.FieldsOf(err)["password"] == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{
		"tangerine rowing boat", "correct horse battery staple", "xK7#mQp2vL9w", "только для меня", "839201746520", "ein langes Wort mehr",
		strings.Repeat("é", 1) + "tangerine boat", "password is a weak word to build upon", strings.Repeat("lantern copper ", 18)[:256], "🦊🦉🐢🦔🦩🦥🦦🦨🦘🐿️🦡",
	} {
		if err := CheckPassword(good, names...); err != nil {
			t.Errorf("%q: %v", good, domain.FieldsOf(err))
		}
	}
}

func TestAnyCommonWordTwiceOrWithAYearIsRefused(t *testing.T) {
	for _, w := range commonWords {
		for _, p := range []string{w + w + w + w + w + w, w + "2026" + w, strings.ToUpper(w) + "-" + w + "-1999!"} {
			if len(p) >= MinPassword && len(p) <= MaxPassword && CheckPassword(p) == nil {
				t.Errorf("%q is accepted", p)
			}
		}
	}
	if len(commonWords) < 200 {
		t.Errorf("only %d words", len(commonWords))
	}
}

func TestRandomPasswordsAreNeverRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringMatching(`[b-df-hj-np-tv-z]{16,40}`).Draw(t, "password")
		if distinct(p) < 8 {
			return
		}
		if err := CheckPassword(p, "Ada Marsh", "Quay Street Books"); err != nil {
			t.Fatalf("%q: %v", p, domain.FieldsOf(err))
		}
	})
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

func TestLimiterForgetsTheQuietestAndHasABound(t *testing.T) {
	l := newLimiter(60, 2)
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for i := range limiterSize + 500 {
		l.allow(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if len(l.known) != limiterSize || l.order.Len() != limiterSize {
		t.Errorf("%d and %d addresses are kept", len(l.known), l.order.Len())
	}
	for range 2 {
		if !l.allow("192.0.2.1", now) {
			t.Error("the burst is refused")
		}
	}
	if l.allow("192.0.2.1", now) {
		t.Error("a third at once is let through")
	}
	if !l.allow("192.0.2.1", now.Add(time.Second)) {
		t.Error("a second later is refused")
	}
	if network("2001:db8::1") != network("2001:db8::ffff") || network("2001:db8::1") == network("2001:db8:0:1::1") {
		t.Error("an IPv6 line is not one network")
	}
	if network("::ffff:192.0.2.1") != "192.0.2.1" {
		t.Error("a mapped address is another network")
	}
}
