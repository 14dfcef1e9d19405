package providertest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
)

// delivered makes a sale of 12.50 and gives our reference of it with the callback
// that the emulator sends, as it came over the wire.
func (h *harness) delivered() (string, providers.Callback) {
	h.t.Helper()
	got := make(chan providers.Callback, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- providers.Callback{Method: r.Method, URI: r.RequestURI, Header: r.Header.Clone(), Body: body, At: time.Now()}
		_, _ = io.WriteString(w, "OK")
	}))
	h.t.Cleanup(receiver.Close)
	h.callbackURL = receiver.URL + "/webhooks/" + h.s.Registration.Name + "/0190a1b2-c3d4-7000-8000-000000000001"
	h.provider = h.connect(h.server.URL, h.s.Secrets)
	h.emulator.Kit().Callbacks.Enable(true)
	ref := ""
	if h.s.Trigger != nil {
		ref = h.s.Trigger(h.t, h.provider, h.amount(1250))
	} else {
		req, _ := h.sold(1250)
		ref = req.AttemptRef
	}
	select {
	case call := <-got:
		return ref, call
	case <-time.After(10 * time.Second):
		h.t.Fatal("the emulator sent no callback")
		return ref, providers.Callback{}
	}
}

// callbacks: the provider's own calls are believed, and nothing else is.
func (s Subject) callbacks(t *testing.T) {
	receiver := s.start(t).provider.(providers.CallbackReceiver)
	if status, body := receiver.CallbackReply(); status/100 != 2 || body == "" {
		t.Errorf("the reply %d %q acknowledges nothing", status, body)
	}
	t.Run("a callback of the provider's is believed and read", func(t *testing.T) {
		h := s.start(t)
		ref, call := h.delivered()
		r := h.provider.(providers.CallbackReceiver)
		if err := r.VerifyCallback(call); err != nil {
			t.Fatal(err)
		}
		kept, err := r.CleanCallback(call.Body)
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.CleanCallback(call.Body)
		if err != nil || !bytes.Equal(kept, again) {
			t.Errorf("two cleanings differ: %s and %s", kept, again)
		}
		events, err := r.TranslateCallback(kept)
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v, %v", events, err)
		}
		e := events[0]
		if e.Kind != providers.EventOutcome || e.Type != domain.Sale || e.AttemptRef != ref || e.ProviderRef == "" ||
			e.Result.Outcome != providers.Approved || e.Result.Amount == nil || *e.Result.Amount != h.amount(1250) {
			t.Errorf("%+v", e)
		}
	})
	t.Run("while credentials rotate, either secret proves it", func(t *testing.T) {
		h := s.start(t)
		_, call := h.delivered()
		other := maps.Clone(s.Secrets)
		other[s.CallbackSecret] = "a new secret that the provider does not use yet"
		for name, c := range map[string]providers.Config{
			"the old one beside a new":     {Secrets: other, Also: []map[string]string{s.Secrets}},
			"the only one":                 {Secrets: s.Secrets},
			"the new one, the old retired": {Secrets: other},
		} {
			c.BaseURL, c.Settings, c.Now = h.server.URL+s.BasePath, s.Settings, time.Now
			p, err := s.Registration.New(c)
			if err != nil {
				t.Fatal(err)
			}
			err = p.(providers.CallbackReceiver).VerifyCallback(call)
			if want := !strings.Contains(name, "retired"); (err == nil) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	forged := Forgeries(s.CallbackSecret)
	for _, name := range slices.Sorted(maps.Keys(forged)) {
		t.Run("forged: "+name, func(t *testing.T) {
			h := s.start(t)
			_, call := h.delivered()
			call, secrets := forged[name](call, s.Secrets)
			p, err := s.Registration.New(providers.Config{BaseURL: h.server.URL + s.BasePath, Settings: s.Settings, Secrets: secrets, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			err = p.(providers.CallbackReceiver).VerifyCallback(call)
			if SignsBody(h.provider) || !bodyOnly[name] {
				if !errors.Is(err, providers.ErrNotVerified) {
					t.Errorf("error = %v, want ErrNotVerified", err)
				}
			}
		})
	}
}

// BodyOnly says that a forgery can only be told by a proof that covers the
// message.
func BodyOnly(name string) bool { return bodyOnly[name] }

// bodyOnly are the forgeries that only a signature over the message can show. A
// provider that proves itself by a token alone (seed 004) cannot tell them, so
// there the amount and the account are what protects.
var bodyOnly = map[string]bool{
	"another body": true, "a space after the body": true, "another address": true, "another method": true, "an old date": true, "a date ahead": true, "no date": true,
}

// SignsBody says whether the provider's proof covers the message, found by
// trying: it is what the emulator's own call shows.
func SignsBody(p providers.Provider) bool {
	s, ok := p.(interface{ SignsCallbacks() bool })
	return ok && s.SignsCallbacks()
}

// Forgeries are twelve ways in which somebody else's call differs from the
// provider's, by name. Each gives the call and the credentials that the
// connection has.
func Forgeries(secret string) map[string]func(providers.Callback, map[string]string) (providers.Callback, map[string]string) {
	type forge = func(providers.Callback, map[string]string) (providers.Callback, map[string]string)
	header := func(change func(name, value string) string) forge {
		return func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			c.Header = c.Header.Clone()
			for name, values := range c.Header {
				if !proof(name) {
					continue
				}
				if v := change(name, values[0]); v == "" {
					delete(c.Header, name)
				} else {
					c.Header[name] = []string{v}
				}
			}
			return c, s
		}
	}
	dated := func(d time.Duration) forge {
		return func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			c.At = c.At.Add(d)
			return c, s
		}
	}
	return map[string]forge{
		"no proof":          header(func(string, string) string { return "" }),
		"an empty proof":    header(func(string, string) string { return " " }),
		"a shortened proof": header(func(_, v string) string { return v[:len(v)-2] }),
		"a changed proof":   header(func(_, v string) string { return flip(v) }),
		"a proof twice":     header(func(_, v string) string { return v + "," + v }),
		"another body": func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			c.Body = bytes.Replace(c.Body, []byte("1"), []byte("2"), 1)
			return c, s
		},
		"a space after the body": func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			c.Body = append(slices.Clone(c.Body), ' ')
			return c, s
		},
		"another address": func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			c.URI += "?a=1"
			return c, s
		},
		"another method": func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			c.Method = http.MethodPut
			return c, s
		},
		"an old date":  dated(time.Hour),
		"a date ahead": dated(-time.Hour),
		"another merchant's secret": func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			s = maps.Clone(s)
			s[secret] = "another merchant's secret, just as long"
			return c, s
		},
		"a connection without a secret": func(c providers.Callback, s map[string]string) (providers.Callback, map[string]string) {
			s = maps.Clone(s)
			delete(s, secret)
			return c, s
		},
	}
}

func proof(header string) bool {
	return strings.EqualFold(header, "X-Signature") || strings.EqualFold(header, "Auth-Token")
}

func flip(v string) string {
	b := []byte(v)
	if b[0] == 'A' {
		b[0] = 'B'
	} else {
		b[0] = 'A'
	}
	return string(b)
}
