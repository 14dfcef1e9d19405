package kit

import (
	"net/http"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"
)

// maxEntries bounds the journal; the oldest entry goes first.
const maxEntries = 5000

// maxJournalBody is how much of a body the journal keeps, in bytes.
const maxJournalBody = 16 << 10

// Entry is one request with its answer, scrubbed of secrets and card data
// before it is stored.
type Entry struct {
	At      time.Time         `json:"at"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body,omitempty"`
	// Status is the HTTP status that was sent, 0 when the connection was cut.
	Status int    `json:"status"`
	Reply  string `json:"reply,omitempty"`
	// Fault is the kind of the fault that was applied, if any.
	Fault string `json:"fault,omitempty"`
	// Processed is false when a fault kept the request from being handled.
	Processed bool `json:"processed"`
}

// Journal keeps what was received and what was answered.
type Journal struct {
	mu      sync.Mutex
	entries []Entry
}

// Add stores an entry; what it may not hold is removed here, so that no caller
// can forget to.
func (j *Journal) Add(e Entry) {
	e.URL = Scrub(e.URL)
	e.Body = clip(Scrub(e.Body))
	e.Reply = clip(Scrub(e.Reply))
	for name, value := range e.Headers {
		e.Headers[name] = Scrub(value)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) >= maxEntries {
		j.entries = append(j.entries[:0], j.entries[1:]...)
	}
	j.entries = append(j.entries, e)
}

// Entries returns a copy of the journal, oldest first.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Entry{}, j.entries...)
}

// Reset empties the journal.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}

const redacted = "[redacted]"

// secretHeaders never enter the journal with their value.
var secretHeaders = map[string]bool{
	"Authorization": true,
	"Apikeycloud":   true,
	"X-Signature":   true,
	"Cookie":        true,
	"Set-Cookie":    true,
	"Auth-Token":    true,
	"Hash":          true,
	"Api-Key":       true,
}

func scrubHeaders(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if secretHeaders[http.CanonicalHeaderKey(name)] {
			out[name] = redacted
			continue
		}
		out[name] = strings.Join(h[name], ", ")
	}
	return out
}

var (
	// A card's security code has no shape of its own: three digits are also a
	// price. It is recognised by the name of its field, and so is a card number
	// that was typed in an unusual grouping.
	secretJSONField = regexp.MustCompile(`(?i)("(?:card_?num(?:ber)?|pan|security_?code|cvv2?|cvc2?|card_?cvc|password|shared_?secret|ssk|token|access_?token|refresh_?token|api_?token)"\s*:\s*)("(?:[^"\\]|\\.)*"|[0-9]+)`)
	secretFormField = regexp.MustCompile(`(?i)((?:^|[?&])(?:card_?num(?:ber)?|pan|security_?code|cvv2?|cvc2?|card_?cvc|password|auth_?pass|card_?token|access_?token|refresh_?token|api_?token)=)[^&\s]*`)

	digitRun     = regexp.MustCompile(`[0-9]{13,19}`)
	cardGrouping = regexp.MustCompile(`\b([0-9]{4})(?:[ +.-]|%20)([0-9]{4})(?:[ +.-]|%20)([0-9]{4})(?:[ +.-]|%20)([0-9]{1,7})\b|\b(3[0-9]{3})(?:[ +.-]|%20)([0-9]{6})(?:[ +.-]|%20)([0-9]{4,5})\b`)
)

// Scrub removes security codes, passwords and whatever looks like a card
// number; of a card number the last four digits stay.
func Scrub(s string) string {
	s = secretJSONField.ReplaceAllString(s, `${1}"`+redacted+`"`)
	s = secretFormField.ReplaceAllString(s, `${1}`+redacted)
	s = cardGrouping.ReplaceAllStringFunc(s, func(match string) string {
		return maskDigits(onlyDigits(strings.ReplaceAll(match, "%20", " ")))
	})
	return scrubRuns(s)
}

// scrubRuns masks unbroken runs of 13 to 19 digits that begin like a card
// number, whether or not the check digit is right. Of the runs that begin with 2
// only those of 16 digits with a right check digit are masked: the others are
// timestamps. A longer run is no card number.
func scrubRuns(s string) string {
	var b strings.Builder
	last := 0
	for _, span := range digitRun.FindAllStringIndex(s, -1) {
		from, to := span[0], span[1]
		if from > 0 && isDigit(s[from-1]) || to < len(s) && isDigit(s[to]) {
			continue
		}
		run := s[from:to]
		if likely := run[0] >= '3' && run[0] <= '6'; !likely && (run[0] != '2' || len(run) != 16 || !Luhn(run)) {
			continue
		}
		b.WriteString(s[last:from])
		b.WriteString(maskDigits(run))
		last = to
	}
	b.WriteString(s[last:])
	return b.String()
}

func maskDigits(digits string) string {
	return "[card ending " + digits[len(digits)-4:] + "]"
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Luhn says whether a string of digits carries a right check digit.
func Luhn(digits string) bool {
	sum, double := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		if !isDigit(digits[i]) {
			return false
		}
		d := int(digits[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return len(digits) > 0 && sum%10 == 0
}

func clip(s string) string {
	if len(s) <= maxJournalBody {
		return s
	}
	return s[:maxJournalBody] + "[cut]"
}
