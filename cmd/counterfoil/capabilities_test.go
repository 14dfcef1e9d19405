package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
)

func TestCapabilitiesPrintsEverySystemOfThisBuild(t *testing.T) {
	reg := registry()
	systems, err := connections.Systems(reg)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := connections.WriteSystems(&out, systems); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, r := range reg.All() {
		if systems[i].Name != r.Name || !strings.Contains(lines[0], r.Label) {
			t.Errorf("the matrix has no column for %s: %s", r.Label, lines[0])
		}
		if !slices.ContainsFunc(domain.AllCapabilities, func(c domain.Capability) bool { return systems[i].Reach[c] != connections.Never }) {
			t.Errorf("%s offers nothing", r.Label)
		}
	}
	for i, c := range domain.AllCapabilities {
		fields := strings.Fields(strings.TrimPrefix(lines[i+1], c.Label()))
		if !strings.HasPrefix(lines[i+1], c.Label()) || len(fields) != len(systems) {
			t.Errorf("line %d: %s", i+1, lines[i+1])
		}
		for j, word := range fields {
			if word != string(systems[j].Reach[c]) {
				t.Errorf("%s, %s: %s", systems[j].Label, c, word)
			}
		}
	}
}

// The connections page names a system's fields in its own forms and errors.
func TestNoSystemHasAFieldThatTheFormHasToo(t *testing.T) {
	for _, r := range registry().All() {
		seen := map[string]bool{connections.FieldName: true, connections.FieldBaseURL: true}
		for _, f := range r.Fields {
			if seen[f.Name] {
				t.Errorf("%s has a second field %q", r.Label, f.Name)
			}
			seen[f.Name] = true
			if f.Label == "" || f.Kind == "" {
				t.Errorf("%s: the field %q has no label or no kind", r.Label, f.Name)
			}
		}
	}
}
