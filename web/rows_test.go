package web

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func TestAFormWithRowsCarriesNothingElse(t *testing.T) {
	rules := RowForm{Fields: []string{"do", "paste"}, Row: []string{"tip", "key"}, Max: 3, Long: map[string]int{"paste": 2000}}
	read := func(body string) (Values, []Row, error) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return FormRows(echo.New().NewContext(r, httptest.NewRecorder()), rules)
	}
	form := url.Values{"_csrf": {"c"}, "_key": {"k"}, "do": {"set"}, "paste": {strings.Repeat("x", 2000)}, "tip.B": {"2.00"}, "key.B": {"kb"}, "tip.A": {"1.00"}}
	values, rows, err := read(form.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if values.Get("do") != "set" || values.Key() != "k" || len(values.Get("paste")) != 2000 {
		t.Errorf("the form's own fields came as %v", values)
	}
	if got := fmt.Sprint(rows); got != "[{A map[tip:1.00]} {B map[key:kb tip:2.00]}]" {
		t.Errorf("the rows came as %s", got)
	}
	for name, add := range map[string]string{
		"a field of no row": "&other.A=1", "a row's field without a row": "&tip=1", "a row without a name": "&tip.=1", "a name with a dot": "&tip.A.B=1",
		"a name with a space": "&tip.A+B=1", "a long name": "&tip." + strings.Repeat("a", 41) + "=1", "an unknown field": "&amount=1", "a doubled field": "&tip.A=2",
		"too many rows": "&tip.C=1&tip.D=1", "a long value": "&key.A=" + strings.Repeat("x", 1025), "a NUL": "&key.A=%00", "too much of a long field": "x",
	} {
		body := form.Encode() + add
		if add == "x" {
			more := url.Values{}
			for k, v := range form {
				more[k] = slices.Clone(v)
			}
			more.Set("paste", strings.Repeat("x", 2001))
			body = more.Encode()
		}
		if _, _, err := read(body); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
