package static

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// token reads a colour of tokens.css in one scheme: 0 light, 1 dark.
func token(t *testing.T, css, name string, scheme int) [3]float64 {
	t.Helper()
	m := regexp.MustCompile(`--cf-` + name + `:\s*(?:light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)|(#[0-9a-f]{6}))`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("tokens.css has no colour %s", name)
	}
	hex := m[3]
	if hex == "" {
		hex = m[1+scheme]
	}
	var c [3]float64
	for i := range c {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c[i] = float64(n) / 255
	}
	return c
}

func luminance(c [3]float64) float64 {
	for i, v := range c {
		if v <= 0.04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}

func ratio(a, b [3]float64) float64 {
	la, lb := luminance(a), luminance(b)
	return (math.Max(la, lb) + 0.05) / (math.Min(la, lb) + 0.05)
}

// WCAG 2.2: 4.5 to 1 for text, 3 to 1 for the edges of controls and for focus.
func TestEveryPairOfTokensHasEnoughContrast(t *testing.T) {
	raw, err := os.ReadFile("src/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	css := string(raw)
	type pair struct {
		ink, ground string
		least       float64
	}
	var pairs []pair
	for _, ground := range []string{"desk", "sheet", "sheet-2", "sheet-hover", "raised"} {
		for _, ink := range []string{"ink", "ink-2", "ink-3", "accent", "good", "info", "warn", "bad", "unknown", "quiet"} {
			pairs = append(pairs, pair{ink, ground, 4.5})
		}
		pairs = append(pairs, pair{"line-strong", ground, 3}, pair{"focus", ground, 3})
	}
	for _, tone := range []string{"good", "info", "warn", "bad", "unknown", "quiet"} {
		pairs = append(pairs, pair{tone, tone + "-soft", 4.5}, pair{"ink", tone + "-soft", 4.5}, pair{"ink-2", tone + "-soft", 4.5})
	}
	pairs = append(pairs,
		pair{"on-accent", "accent", 4.5}, pair{"on-accent", "accent-hover", 4.5}, pair{"ink", "accent-soft", 4.5}, pair{"ink-2", "accent-soft", 4.5},
		pair{"on-bad", "bad-fill", 4.5}, pair{"on-bad", "bad-fill-hover", 4.5}, pair{"ink-3", "unknown-soft", 4.5}, pair{"accent", "unknown-soft", 4.5},
		pair{"stub-ink", "stub", 4.5}, pair{"stub-ink", "stub-2", 4.5}, pair{"stub-ink-2", "stub", 4.5}, pair{"stub-ink-2", "stub-2", 4.5},
		pair{"canary-ink", "canary", 4.5}, pair{"canary-ink-2", "canary", 4.5}, pair{"on-test", "test", 4.5}, pair{"on-test", "test-2", 4.5}, pair{"on-acting", "acting", 4.5},
	)
	for scheme, name := range []string{"light", "dark"} {
		for _, p := range pairs {
			if r := ratio(token(t, css, p.ink, scheme), token(t, css, p.ground, scheme)); r < p.least {
				t.Errorf("%s: %s on %s is %.2f to 1, want %.1f", name, p.ink, p.ground, r, p.least)
			}
		}
	}
}
