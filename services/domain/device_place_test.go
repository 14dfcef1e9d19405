package domain

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestADevicePlaceSurvivesItsAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := DevicePlace{Name: strings.ReplaceAll(rapid.StringN(0, 80, 240).Draw(t, "name"), "\x00", ""), ID: NewDeviceID(), Back: rapid.Bool().Draw(t, "back")}
		p.Name = strings.ToValidUTF8(p.Name, "")
		if got, err := ParseDevicePlace(p.String()); err != nil || got != p {
			t.Fatalf("%+v became %+v, %v", p, got, err)
		}
	})
}

func TestAPlaceThatNoPageGaveIsRefused(t *testing.T) {
	for _, s := range []string{"zzz", "!", strings.Repeat("A", 22), strings.Repeat("A", 23), strings.Repeat("_", 24), strings.Repeat("A", 2000), DevicePlace{Name: "a\x00b", ID: NewDeviceID()}.String(), DevicePlace{Name: "a\xff", ID: NewDeviceID()}.String()} {
		if p, err := ParseDevicePlace(s); CodeOf(err) != Invalid {
			t.Errorf("%q is read as %+v, %v", s, p, err)
		}
	}
	if p, err := ParseDevicePlace(""); err != nil || !p.IsZero() || p.String() != "" {
		t.Errorf("no place is %+v, %v", p, err)
	}
}
