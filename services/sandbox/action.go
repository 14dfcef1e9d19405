package sandbox

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// What an emulator's own actions look like in the address and in a form: the
// names of fields have a beginning of their own, so that they cannot be taken for the
// page's.
const (
	didAction   = "action_"
	didUntold   = "untold_"
	fieldPrefix = "in_"
)

// actionView is one action with its form.
type actionView struct {
	Name, Label, Effect string
	// ID is unique on the page.
	ID, Line string
	Page     int
	Fields   []fieldView
	// Wrong is why it was refused a moment ago.
	Wrong string
}

type fieldView struct {
	Name, Label, Kind, Value, Empty string
	Required, Bad, Focus            bool
	Max, Low, High                  int
	Options                         []optionView
}

type optionView struct {
	Value, Label string
	Chosen       bool
}

// attempt is an action that was refused, with what was typed.
type attempt struct {
	action, line, field, wrong string
	form                       url.Values
}

func actionsOf(e kit.Emulator) []kit.Action {
	if a, ok := e.(kit.Acting); ok {
		return a.Actions()
	}
	return nil
}

// ownActions are those that belong to no line and can be chosen now.
func ownActions(actions []kit.Action, failed *attempt) []actionView {
	var out []actionView
	for _, a := range actions {
		if !a.OnLine && a.Offered() {
			out = append(out, viewOf(a, kit.Charge{}, "own", 0, failed))
		}
	}
	return out
}

// lineActions are those that can be done about a line now.
func lineActions(e kit.Emulator, actions []kit.Action, line kit.Charge, id string, page int, failed *attempt) []actionView {
	acting, ok := e.(kit.Acting)
	if !ok || line.ID == "" {
		return nil
	}
	names := acting.ActionsOn(line)
	var out []actionView
	for _, a := range actions {
		if a.OnLine && a.Offered() && slices.Contains(names, a.Name) {
			out = append(out, viewOf(a, line, id, page, failed))
		}
	}
	return out
}

func viewOf(a kit.Action, line kit.Charge, id string, page int, failed *attempt) actionView {
	v := actionView{Name: a.Name, Label: a.Label, Effect: a.Effect, ID: id + "-" + a.Name, Line: line.ID, Page: page}
	if failed != nil && (failed.action != a.Name || failed.line != line.ID) {
		failed = nil
	}
	if failed != nil {
		v.Wrong = "Nothing was changed: " + failed.wrong + "."
	}
	for i, f := range a.Fields {
		shown := fieldView{Name: fieldPrefix + f.Name, Label: f.Label, Kind: string(f.Kind), Empty: f.Empty, Required: f.Required, Max: f.Max, Low: f.Low, High: f.High}
		if f.Kind == kit.FieldAmount && line.Currency != "" {
			shown.Label += " (" + line.Currency + ")"
		}
		if failed != nil {
			shown.Value, shown.Bad = failed.form.Get(shown.Name), failed.field == f.Name
			shown.Focus = shown.Bad || (failed.field == "" && i == 0)
		}
		for _, o := range f.Options {
			shown.Options = append(shown.Options, optionView{Value: o.Value, Label: o.Label, Chosen: failed != nil && o.Value == shown.Value})
		}
		v.Fields = append(v.Fields, shown)
	}
	return v
}

// doAction does what the form of an action asks for and says which it was. The
// attempt is not nil when it was refused in a way that can be put right.
func doAction(e kit.Emulator, form url.Values) (string, *attempt, error) {
	name, line := form.Get("choose"), form.Get("line")
	actions := actionsOf(e)
	i := slices.IndexFunc(actions, func(a kit.Action) bool { return a.Name == name && a.Offered() })
	if i < 0 || (line != "") != actions[i].OnLine {
		return "", nil, errNoAction
	}
	a := actions[i]
	if a.OnLine && !slices.ContainsFunc(e.State().Charges, func(c kit.Charge) bool { return c.ID == line }) {
		return "", nil, errors.New("the ledger has no such line")
	}
	in, err := a.Read(func(field string) string { return form.Get(fieldPrefix + field) })
	told := false
	if err == nil {
		told, err = a.Do(line, in)
	}
	if err != nil {
		failed := &attempt{action: name, line: line, wrong: err.Error(), form: form}
		if bad, ok := errors.AsType[*kit.FieldError](err); ok {
			failed.field = bad.Field
		}
		return "", failed, err
	}
	if a.Tells && !told {
		return didUntold + name, nil, nil
	}
	return didAction + name, nil, nil
}

// doneAction is the sentence that a page opens with after an action; the address
// only chooses one of the emulator's.
func doneAction(e kit.Emulator, key string) string {
	name, told := strings.CutPrefix(key, didAction)
	if !told {
		var ok bool
		if name, ok = strings.CutPrefix(key, didUntold); !ok {
			return ""
		}
	}
	for _, a := range actionsOf(e) {
		if a.Name != name {
			continue
		}
		switch {
		case told:
			return a.Done
		case !e.Kit().Callbacks.Enabled():
			return a.Done + " Nobody was called, because callbacks are off."
		}
		return a.Done + " Nobody was called, because no address for it is known."
	}
	return ""
}

// counted writes a number with its thousands apart.
func counted(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return counted(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
