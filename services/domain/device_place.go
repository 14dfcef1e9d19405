package domain

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// IsZero says that the place is the beginning of the list.
func (p DevicePlace) IsZero() bool { return p.ID.IsZero() }

// String is the opaque form for a query string; empty for the zero place.
func (p DevicePlace) String() string {
	if p.IsZero() {
		return ""
	}
	b := make([]byte, 1, 17+len(p.Name))
	if p.Back {
		b[0] = 1
	}
	return base64.RawURLEncoding.EncodeToString(append(append(b, p.ID.UUID[:]...), p.Name...))
}

// maxPlaceName is the most bytes of a name in a place.
const maxPlaceName = 1000

// ParseDevicePlace reads the opaque form; Invalid for anything else.
func ParseDevicePlace(s string) (DevicePlace, error) {
	if s == "" {
		return DevicePlace{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 17 || len(b) > 17+maxPlaceName || b[0] > 1 || !utf8.Valid(b[17:]) || strings.ContainsRune(string(b[17:]), 0) {
		return DevicePlace{}, Errorf(Invalid, "This page of the list does not exist any more. Start from the beginning.")
	}
	p := DevicePlace{Name: string(b[17:]), ID: DeviceID{uuid.UUID(b[1:17])}, Back: b[0] == 1}
	if p.ID.IsZero() {
		return DevicePlace{}, Errorf(Invalid, "This page of the list does not exist any more. Start from the beginning.")
	}
	return p, nil
}
