package httpclient

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// secretNames are field and header names, in small letters without marks, whose
// whole value goes.
var secretNames = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(`
		authorization proxyauthorization apikeycloud apikey xapikey xsignature signature cookie setcookie
		password passwd passphrase secret sharedsecret clientsecret token transactiontoken cardtoken accesstoken
		refreshtoken authtoken ssk unmaskedpan pan cardnumber accountnumber cvv cvc cvv2 cvc2 csc
		cardsecuritycode securitycode track1 track2 track1data track2data pin pinblock iban`) {
		m[n] = true
	}
	return m
}()

func isSecretName(name string) bool {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			b.WriteRune(r)
		}
	}
	return secretNames[b.String()]
}

// Scrub takes secrets and card data out of a body: the values of secret fields,
// and every run of 12 to 19 digits with a right check digit. Of JSON it keeps
// the order of the fields and gives valid JSON back; anything else is treated
// as text.
func Scrub(b []byte) []byte { return scrubber{}.body(b) }

// ScrubText takes secrets and card numbers out of a text that is not JSON.
func ScrubText(s string) string { return scrubber{}.text(s) }

// scrubber scrubs; secrets are values that go wherever they stand.
type scrubber struct{ secrets []string }

// scrubberOf keeps the values that are long enough to be secrets, the longest
// first; shorter ones would only shred the text.
func scrubberOf(lists ...[]string) scrubber {
	secrets := slices.DeleteFunc(slices.Concat(lists...), func(s string) bool { return len(s) < 4 })
	slices.SortStableFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return scrubber{secrets}
}

func (s scrubber) body(b []byte) []byte {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	if json.Valid(b) {
		if out, err := s.json(b); err == nil {
			return out
		}
	}
	return []byte(s.text(string(b)))
}

func (s scrubber) json(b []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out bytes.Buffer
	if err := s.copyValue(d, &out, false); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return out.Bytes(), nil
}

// copyValue copies the next JSON value; hide replaces it as a whole.
func (s scrubber) copyValue(d *json.Decoder, out *bytes.Buffer, hide bool) error {
	if hide {
		var gone json.RawMessage
		if err := d.Decode(&gone); err != nil {
			return err
		}
		switch string(gone) {
		case `""`, "null":
			out.Write(gone)
		default:
			writeString(out, Redacted)
		}
		return nil
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case json.Delim:
		object := v == '{'
		out.WriteRune(rune(v))
		for first := true; d.More(); first = false {
			if !first {
				out.WriteByte(',')
			}
			hidden := false
			if object {
				name, err := d.Token()
				if err != nil {
					return err
				}
				key, _ := name.(string)
				hidden = isSecretName(key)
				writeString(out, s.text(key))
				out.WriteByte(':')
			}
			if err := s.copyValue(d, out, hidden); err != nil {
				return err
			}
		}
		end, err := d.Token()
		if err != nil {
			return err
		}
		out.WriteRune(rune(end.(json.Delim)))
	case string:
		writeString(out, s.text(v))
	case json.Number:
		if kept := hidePAN(s.literal(v.String())); kept != v.String() {
			writeString(out, kept)
		} else {
			out.WriteString(kept)
		}
	case bool:
		if v {
			out.WriteString("true")
		} else {
			out.WriteString("false")
		}
	case nil:
		out.WriteString("null")
	}
	return nil
}

func writeString(out *bytes.Buffer, s string) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	// A string always encodes; the encoder's line end is taken off again.
	_ = e.Encode(s)
	out.Truncate(out.Len() - 1)
}

var (
	// fieldText finds name=value, name: value and "name":"value" in text. What
	// is redacted already is a part of the value, so that scrubbing again changes
	// nothing and what stands behind a known secret goes with it.
	fieldText = regexp.MustCompile(`(?i)([a-z0-9][a-z0-9_-]*)(\\?["']?\s*[:=]\s*)(\\?"[^"]*"?|'[^']*'?|(?:basic|bearer)\s+(?:\[redacted\]|[^\s,;&}\])<])+|(?:\[redacted\]|[^\s,;&}\])<"'])+)`)
	// elementText finds <name>value<, as of XML.
	elementText = regexp.MustCompile(`(?i)<([a-z0-9][a-z0-9_:-]*)[^<>]*>([^<]+)`)
	digitGroups = regexp.MustCompile(`[0-9]+(?:[ -][0-9]+)*`)
	uuidShape   = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
)

// literal takes the known secret values out.
func (s scrubber) literal(t string) string {
	for _, secret := range s.secrets {
		t = strings.ReplaceAll(t, secret, Redacted)
	}
	return t
}

// text scrubs a text and makes it storable: valid UTF-8 without NUL, which a
// database refuses. An answer that cannot be stored could never be settled.
func (s scrubber) text(t string) string {
	t = strings.ReplaceAll(strings.ToValidUTF8(t, "\uFFFD"), "\x00", "\uFFFD")
	t = s.literal(t)
	t = fieldText.ReplaceAllStringFunc(t, func(m string) string {
		p := fieldText.FindStringSubmatch(m)
		if !isSecretName(p[1]) {
			return m
		}
		return p[1] + p[2] + Redacted
	})
	t = elementText.ReplaceAllStringFunc(t, func(m string) string {
		p := elementText.FindStringSubmatch(m)
		if !isSecretName(p[1]) {
			return m
		}
		return strings.TrimSuffix(m, p[2]) + Redacted
	})
	return hidePAN(t)
}

// timeShape is a time of the form YYYYMMDDhhmmssSSS or in milliseconds of the
// Unix epoch. Neither can be a card: no scheme has 17 digits beginning with
// 20, nor 13 beginning with 1. Without it one time in ten would be hidden.
var timeShape = regexp.MustCompile(`^(20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9][0-9]{3}|1[5-9][0-9]{11})$`)

// hidePAN replaces digit runs that can be a card number: 12 to 19 digits with a
// right check digit, together or in groups divided by single spaces or
// hyphens. A UUID is left whole: its groups are no card's.
func hidePAN(t string) string {
	var out strings.Builder
	last := 0
	for _, u := range uuidShape.FindAllStringIndex(t, -1) {
		out.WriteString(hideGroups(t[last:u[0]]))
		out.WriteString(t[u[0]:u[1]])
		last = u[1]
	}
	out.WriteString(hideGroups(t[last:]))
	return out.String()
}

func hideGroups(t string) string {
	return digitGroups.ReplaceAllStringFunc(t, func(run string) string {
		if timeShape.MatchString(run) {
			return run
		}
		groups := strings.FieldsFunc(run, func(r rune) bool { return r == ' ' || r == '-' })
		var out strings.Builder
		at := 0 // where the next group begins in run
		for i := 0; i < len(groups); {
			taken, length, joined, width := 0, 0, "", -1
			for j := i; j < len(groups) && len(joined)+len(groups[j]) <= 19; j++ {
				joined += groups[j]
				width += 1 + len(groups[j])
				if luhn(joined) {
					taken, length = j-i+1, width
				}
			}
			if taken > 0 {
				out.WriteString(Redacted)
			} else {
				taken, length = 1, len(groups[i])
				out.WriteString(groups[i])
			}
			at += length
			i += taken
			if i < len(groups) {
				out.WriteByte(run[at])
				at++
			}
		}
		return out.String()
	})
}

func luhn(d string) bool {
	if len(d) < 12 || len(d) > 19 {
		return false
	}
	sum := 0
	for i := range len(d) {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}
