package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func TestFormRefusesControlCharactersButTabsAndLineEnds(t *testing.T) {
	srv, _, _ := serve(t, Options{}, public(http.MethodPost, "/form", func(c echo.Context) error {
		typed := Typed(c, "note")
		v, err := Form(c, "note")
		if err != nil {
			c.Response().Header().Set("Typed", url.QueryEscape(typed.Get("note")))
			return err
		}
		return c.String(200, v.Get("note"))
	}))
	for value, want := range map[string]int{
		"two\tjars\r\nwere broken\n": 200, "Zoë’s jars\u00a0🫙": 200,
		"a\x00b": 400, "\x00": 400, "a\x1bb": 400, "a\x08": 400, "a\x7f": 400, "a\u0085b": 400, "a\u009b": 400,
	} {
		for _, field := range []string{"note", "_key"} {
			res, got := ask(t, http.MethodPost, srv.URL+"/form", formHeader, strings.NewReader(url.Values{field: {value}}.Encode()))
			if res.StatusCode != want || want == 200 && field == "note" && got != value {
				t.Errorf("%s %q: %d %q, want %d", field, value, res.StatusCode, got, want)
			}
			if typed := res.Header.Get("Typed"); typed != "" {
				t.Errorf("%q is repeated as %s", value, typed)
			}
		}
	}
}
