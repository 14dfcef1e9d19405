package signin

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/services/domain"
)

// The lengths of a password, in characters. There is no rule about which
// characters, and no forced change.
const (
	MinPassword = 12
	MaxPassword = 256
)

// common.txt is our own list of the words that weak passwords are built from:
// the ones that head every published list of leaked passwords, keyboard walks,
// and what people fall back on (months, seasons, football clubs, first names).
// It is not a list of leaked passwords. A password is refused when it is
// nothing but such words, years, runs of digits and a few characters more,
// which covers the long variants that people make of short words.
//
//go:embed common.txt
var commonText string

var commonWords = func() []string {
	var words []string
	for _, line := range strings.Split(commonText, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return words
}()

// leftOver is how many characters a password must have beside what can be
// guessed.
const leftOver = 5

var (
	leet    = strings.NewReplacer("@", "a", "4", "a", "0", "o", "1", "i", "3", "e", "5", "s", "$", "s", "7", "t", "!", "i")
	guessed = regexp.MustCompile(`(19|20)[0-9]{2}|0?123456789?0?|12345|1234|123|987654321|4321|321|000+|111+|222+|333+|444+|555+|666+|777+|888+|999+`)
)

// CheckPassword says whether a password may be chosen by a person with these
// names: their own, their e-mail, the merchant's. Invalid, with a sentence for
// the field "password", when it may not.
func CheckPassword(password string, names ...string) error {
	refuse := func(why string) error { return domain.InvalidFields(map[string]string{"password": why}) }
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return refuse("That password has characters that cannot be read.")
	case n < MinPassword:
		return refuse("Use at least 12 characters. A few words that do not belong together are good.")
	case n > MaxPassword:
		return refuse("Use at most 256 characters.")
	}
	lower := strings.ToLower(password)
	if repeats(lower) {
		return refuse("That password repeats itself. Choose one that is harder to guess.")
	}
	own := ownWords(names)
	if n, any := rest(lower, own); any && n < leftOver {
		return refuse("That password is your name, e-mail or shop with little more. Choose one that is harder to guess.")
	}
	if n, _ := rest(lower, commonWords); n < leftOver {
		return refuse("That password is one that many people use. Choose one that is harder to guess.")
	}
	return nil
}

// repeats says that a password is one short piece over and over.
func repeats(s string) bool {
	runes := []rune(s)
	for size := 1; size <= 4; size++ {
		same := true
		for i := size; i < len(runes) && same; i++ {
			same = runes[i] == runes[i-size]
		}
		if same {
			return true
		}
	}
	return false
}

func ownWords(names []string) []string {
	words := []string{"counterfoil"}
	for _, n := range names {
		n = strings.ToLower(n)
		words = append(words, squeeze(n))
		for _, w := range strings.FieldsFunc(n, func(r rune) bool { return strings.ContainsRune(" @.,-_'’&+", r) }) {
			if utf8.RuneCountInString(w) >= 4 {
				words = append(words, w)
			}
		}
	}
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 4 })
}

func squeeze(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" @.,-_'’&+", r) }), "")
}

// rest counts the characters beside the words, years and runs of digits, and
// says whether any of the words is there at all. A word counts also with
// digits and signs in the place of letters.
func rest(s string, words []string) (n int, any bool) {
	plain := squeeze(s)
	covered := []byte(plain)
	for _, form := range []string{plain, leet.Replace(plain)} { // byte for byte as long
		for _, w := range words {
			for from := 0; ; {
				at := strings.Index(form[from:], w)
				if at < 0 {
					break
				}
				any = true
				at += from
				clear(covered[at : at+len(w)])
				from = at + 1
			}
		}
	}
	left := guessed.ReplaceAllString(string(covered), "")
	return utf8.RuneCountInString(strings.ReplaceAll(left, "\x00", "")), any
}
