package httpclient

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestScrubTakesSecretsAndCardNumbers(t *testing.T) {
	const pan = "4111111111111111"
	for name, c := range map[string]struct{ in, want string }{
		"a named field":            {`{"password":"hunter22","amount":"9.99"}`, `{"password":"[redacted]","amount":"9.99"}`},
		"any spelling of the name": {`{"Api_Key":"k","API-KEY":"k"}`, `{"Api_Key":"[redacted]","API-KEY":"[redacted]"}`},
		"a named object whole":     {`{"token":{"a":[1,2]},"b":1}`, `{"token":"[redacted]","b":1}`},
		"an empty one stays":       {`{"unMaskedPan":"","ssk":null}`, `{"unMaskedPan":"","ssk":null}`},
		"a number in a text":       {`{"m":"card ` + pan + `!"}`, `{"m":"card [redacted]!"}`},
		"a bare number":            {`[4111111111111111,7]`, `["[redacted]",7]`},
		"a number as a key":        {`{"4111111111111111":1}`, `{"[redacted]":1}`},
		"groups of four":           {`{"m":"4111 1111 1111 1111 12/30"}`, `{"m":"[redacted] 12/30"}`},
		"hyphens":                  {`{"m":"4111-1111-1111-1111"}`, `{"m":"[redacted]"}`},
		"a scheme of groups":       {`{"m":"3782 822463 10005"}`, `{"m":"[redacted]"}`},
		"a wrong check digit":      {`{"m":"4111111111111112"}`, `{"m":"4111111111111112"}`},
		"times":                    {`{"a":"20251204064010277","b":1795188233666}`, `{"a":"20251204064010277","b":1795188233666}`},
		"a UUID":                   {`{"m":"11111111-1111-4111-8111-111111111111"}`, `{"m":"11111111-1111-4111-8111-111111111111"}`},
		"nested":                   {`{"a":[{"b":{"cardToken":"x","c":true}}]}`, `{"a":[{"b":{"cardToken":"[redacted]","c":true}}]}`},
		"twice the same name":      {`{"cvv":"1","cvv":"2"}`, `{"cvv":"[redacted]","cvv":"[redacted]"}`},
		"not JSON":                 {`oops "password": "hunter22", pan ` + pan, `oops "password": [redacted], pan [redacted]`},
		"a query":                  {`/x?transactionToken=ix::abc&a=1`, `/x?transactionToken=[redacted]&a=1`},
		"a header":                 {"Authorization: Basic YWJjOmRlZg==\nA: b", "Authorization: [redacted]\nA: b"},
		"XML":                      {`<r><password>hunter22</password><a>b</a></r>`, `<r><password>[redacted]</password><a>b</a></r>`},
		"cut JSON":                 {`{"a":1,"sharedSecret":"hunter2`, `{"a":1,"sharedSecret":[redacted]`},
		"nothing":                  {"  ", ""},
	} {
		if got := string(Scrub([]byte(c.in))); got != c.want {
			t.Errorf("%s: Scrub(%s) = %s, want %s", name, c.in, got, c.want)
		}
	}
}

// What is kept is scrubbed again whenever it is shown: nothing may grow.
func TestScrubbingTwiceIsScrubbingOnce(t *testing.T) {
	c := New(ClientOptions{Provider: "x", Secrets: []string{"tok_12345"}})
	for _, in := range []string{
		"ssk=A1B2C3, x=1", "ssk=[redacted]", "Authorization: Basic YWJjOmRlZg==", `"password": "hunter22", pan 4111111111111111`,
		"token=ab" + "tok_12345" + "cd&a=1", "<password>hunter22</password>", `{"m":"ssk=A1B2C3","token":"x"}`, `{"a":1,"sharedSecret":"hunter2`,
	} {
		once := c.ScrubText(in)
		if twice := c.ScrubText(once); twice != once {
			t.Errorf("%s: %s, then %s", in, once, twice)
		}
		body := c.Scrub([]byte(in))
		if twice := c.Scrub(body); string(twice) != string(body) {
			t.Errorf("%s: %s, then %s", in, body, twice)
		}
	}
	if got, want := c.ScrubText("token=abtok_12345cd&a=1"), "token=[redacted]&a=1"; got != want {
		t.Errorf("a secret inside a hidden value: %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]string{"ssk", "token", "x", "cvv", "Authorization", "password"})
		in := names.Draw(t, "name") + rapid.SampledFrom([]string{"=", ": ", ` : `}).Draw(t, "sep") + rapid.StringMatching(`[a-z0-9\[\] <>&;,=]{0,30}`).Draw(t, "value")
		once := ScrubText(in)
		if twice := ScrubText(once); twice != once {
			t.Fatalf("%q: %q, then %q", in, once, twice)
		}
	})
}

func TestTheTimesOfTheScrubTestHaveARightCheckDigit(t *testing.T) {
	for _, s := range []string{"20251204064010277", "1795188233666"} {
		if !luhn(s) {
			t.Errorf("%s would be left alone anyhow", s)
		}
	}
}

func TestKnownSecretsGoWhereverTheyStand(t *testing.T) {
	c := New(ClientOptions{Provider: "x", Secrets: []string{"665630867", `qu"ote`, "abc"}})
	got := string(c.Scrub([]byte(`{"echo":"you sent qu\"ote","n":665630867,"short":"abc"}`)))
	if want := `{"echo":"you sent [redacted]","n":"[redacted]","short":"abc"}`; got != want {
		t.Errorf("Scrub = %s, want %s", got, want)
	}
	if got := c.ScrubText("token tok_1 of 665630867", "tok_1"); got != "token [redacted] of [redacted]" {
		t.Errorf("ScrubText = %q", got)
	}
}

func TestScrubbedJSONStaysJSONAndHoldsNoCardNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pan := drawPAN(t)
		value := map[string]any{
			rapid.String().Draw(t, "key"): rapid.String().Draw(t, "before") + " " + pan + " " + rapid.String().Draw(t, "after"),
			"n":                           json.Number(pan),
			"list":                        []any{pan, true, nil, map[string]any{"deep": "x" + pan}},
		}
		in, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out := Scrub(in)
		if !json.Valid(out) {
			t.Fatalf("not JSON any more: %s", out)
		}
		if strings.Contains(string(out), pan) {
			t.Fatalf("%s still holds %s", out, pan)
		}
	})
}

func drawPAN(t *rapid.T) string {
	// The first digit is not 0: a JSON number has no leading zero.
	body := fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "first"))
	for range rapid.IntRange(10, 17).Draw(t, "length") {
		body += fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "digit"))
	}
	for d := range 10 {
		if p := body + fmt.Sprint(d); luhn(p) && !timeShape.MatchString(p) {
			return p
		}
	}
	return "4111111111111111"
}
