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
func Scrub(b []byte) []byte {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	if json.Valid(b) {
		if out, err := scrubJSON(b); err == nil {
			return out
		}
	}
	return []byte(ScrubText(string(b)))
}

func scrubJSON(b []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out bytes.Buffer
	if err := copyValue(d, &out, false); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return out.Bytes(), nil
}

// copyValue copies the next JSON value; hide replaces it as a whole.
func copyValue(d *json.Decoder, out *bytes.Buffer, hide bool) error {
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
				writeString(out, ScrubText(key))
				out.WriteByte(':')
			}
			if err := copyValue(d, out, hidden); err != nil {
				return err
			}
		}
		end, err := d.Token()
		if err != nil {
			return err
		}
		out.WriteRune(rune(end.(json.Delim)))
	case string:
		writeString(out, ScrubText(v))
	case json.Number:
		if s := hidePAN(v.String()); s != v.String() {
			writeString(out, s)
		} else {
			out.WriteString(s)
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
	// fieldText finds name=value, name: value and "name":"value" in text.
	fieldText = regexp.MustCompile(`(?i)([a-z0-9][a-z0-9_-]*)(\\?["']?\s*[:=]\s*)(\\?"[^"]*"?|'[^']*'?|(?:basic|bearer)\s+[^\s,;&}\])<]+|[^\s,;&}\])<"']+)`)
	// elementText finds <name>value<, as of XML.
	elementText = regexp.MustCompile(`(?i)<([a-z0-9][a-z0-9_:-]*)[^<>]*>([^<]+)`)
	digits      = regexp.MustCompile(`[0-9](?:[ -]?[0-9])*`)
)

// ScrubText takes secrets and card numbers out of a text that is not JSON.
func ScrubText(s string) string {
	s = fieldText.ReplaceAllStringFunc(s, func(m string) string {
		p := fieldText.FindStringSubmatch(m)
		if !isSecretName(p[1]) {
			return m
		}
		return p[1] + p[2] + Redacted
	})
	s = elementText.ReplaceAllStringFunc(s, func(m string) string {
		p := elementText.FindStringSubmatch(m)
		if !isSecretName(p[1]) {
			return m
		}
		return strings.TrimSuffix(m, p[2]) + Redacted
	})
	return hidePAN(s)
}

// hidePAN replaces digit runs that can be a card number: 12 to 19 digits with a
// right Luhn digit, together or in groups divided by single spaces or hyphens.
func hidePAN(s string) string {
	return digits.ReplaceAllStringFunc(s, func(run string) string {
		if luhn(strings.NewReplacer(" ", "", "-", "").Replace(run)) {
			return Redacted
		}
		// Groups of digits that together are none may still hold one.
		parts := strings.FieldsFunc(run, func(r rune) bool { return r == ' ' || r == '-' })
		for _, p := range parts {
			if luhn(p) {
				run = strings.Replace(run, p, Redacted, 1)
			}
		}
		return run
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

// without takes literal secret values out, the longest first, in their plain
// and their JSON-escaped form. Values too short to be secrets would only
// shred the text and are left.
func without(b []byte, lists ...[]string) []byte {
	secrets := slices.Concat(lists...)
	slices.SortFunc(secrets, func(a, c string) int { return len(c) - len(a) })
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		b = bytes.ReplaceAll(b, []byte(s), []byte(Redacted))
		var quoted bytes.Buffer
		writeString(&quoted, s)
		if q := bytes.Trim(quoted.Bytes(), `"`); string(q) != s && len(q) >= 4 {
			b = bytes.ReplaceAll(b, q, []byte(Redacted))
		}
	}
	return b
}
