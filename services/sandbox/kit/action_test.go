package kit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

func TestAnActionTakesOnlyWhatItsFieldsAllow(t *testing.T) {
	a := kit.Action{Fields: []kit.ActionField{
		{Name: "text", Label: "Text", Kind: kit.FieldText, Max: 4},
		{Name: "number", Label: "Number", Kind: kit.FieldNumber, Low: -1, High: 5},
		{Name: "amount", Label: "Amount", Kind: kit.FieldAmount},
		{Name: "choice", Label: "Choice", Kind: kit.FieldChoice, Options: []kit.Option{{}, {Value: "a"}}},
	}}
	for _, tt := range []struct{ field, value, says string }{
		{"text", "", ""}, {"text", " näht ", ""}, {"text", "12345", "“Text” must be one line of at most 4 characters"}, {"text", "a\nb", "“Text” must be one line of at most 4 characters"},
		{"number", "-1", ""}, {"number", "5", ""}, {"number", "6", "“Number” must be a whole number between -1 and 5"}, {"number", "1.0", "“Number” must be a whole number between -1 and 5"},
		{"amount", "9", ""}, {"amount", "9.500", ""}, {"amount", "9.", "“Amount” must be an amount, such as 9.50"}, {"amount", "9,50", "“Amount” must be an amount, such as 9.50"},
		{"amount", "+9", "“Amount” must be an amount, such as 9.50"}, {"amount", "9.5000", "“Amount” must be an amount, such as 9.50"}, {"amount", "٣", "“Amount” must be an amount, such as 9.50"},
		{"choice", "", ""}, {"choice", "a", ""}, {"choice", "A", "“Choice” is not one of the list"},
	} {
		in, err := a.Read(func(name string) string {
			if name == tt.field {
				return tt.value
			}
			return ""
		})
		var wrong *kit.FieldError
		switch {
		case tt.says == "":
			if err != nil || in[tt.field] != strings.TrimSpace(tt.value) || len(in) != 4 {
				t.Errorf("%s %q: %v %v", tt.field, tt.value, in, err)
			}
		case !errors.As(err, &wrong) || wrong.Field != tt.field || wrong.Error() != tt.says || in != nil:
			t.Errorf("%s %q: %v %v", tt.field, tt.value, in, err)
		}
	}
	a.Fields[0].Required = true
	if _, err := a.Read(func(string) string { return " " }); err == nil || err.Error() != "“Text” is empty" {
		t.Error(err)
	}
}

func TestAnActionWithNothingToChooseIsNotOffered(t *testing.T) {
	choice := kit.ActionField{Kind: kit.FieldChoice, Required: true}
	if (kit.Action{Fields: []kit.ActionField{choice}}).Offered() {
		t.Error("it is offered")
	}
	for _, f := range []kit.ActionField{{Kind: kit.FieldChoice}, {Kind: kit.FieldText, Required: true}, {Kind: kit.FieldChoice, Required: true, Options: []kit.Option{{Value: "a"}}}} {
		if !(kit.Action{Fields: []kit.ActionField{f}}).Offered() {
			t.Errorf("%+v is not offered", f)
		}
	}
}
