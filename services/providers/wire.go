package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Text is a string that some answers write as a number: the digits are kept as
// they came, never through a float.
type Text string

// UnmarshalJSON takes a string, a number or null.
func (t *Text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case b[0] == '-' || (b[0] >= '0' && b[0] <= '9'):
		*t = Text(b)
		return nil
	}
	return errors.New("neither a text nor a number")
}

// WebURL reads an http or https address without a user, a query or a fragment;
// slashes at its end are dropped. Which addresses may be called is the
// transport's to judge, when it dials.
func WebURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("not a web address")
	}
	return u, nil
}

// OriginOf gives scheme://host[:port] as a browser compares it: in small
// letters and without the scheme's own port.
func OriginOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// Endpoint joins a base address and path segments, each escaped.
func Endpoint(base *url.URL, segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return base.String() + "/" + strings.Join(escaped, "/")
}

// AtMost cuts a text between characters.
func AtMost(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
