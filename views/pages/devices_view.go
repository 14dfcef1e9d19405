package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// DevicesHead is what the wall says of the whole fleet: fragment
// /devices/head, answered with the filter of its page.
type DevicesHead struct {
	Layout layouts.Model
	States []StateChip
	Total  int // of this filter, without the removed ones
	// SelfURL is the fragment's own address.
	SelfURL string
}

// StateChip is one state with how many terminals are in it.
type StateChip struct {
	State  domain.DeviceState // empty: all but the removed ones
	Count  int
	URL    string
	Active bool
}

// DevicesView is /devices, the wall. Its filter is a plain GET with the fields
// q, location, connection and state.
type DevicesView struct {
	Layout layouts.Model
	Head   DevicesHead
	State  ListState
	Rows   []domain.Device
	Silent []domain.Device // used daily, and silent
	// The filter as typed, with one sentence per field in Errors.
	Q           string
	Narrow      string // the chosen state, kept when the form is sent
	Locations   []components.Option
	Connections []components.Option
	Errors      map[string]string
	Narrowed    bool
	SelfURL     string // of this page
	Steps       Steps
	ExportURL   string
	CanSelect   bool // somebody who may do something with what is selected
	CanManage   bool
}

// DeviceRow is one terminal of the wall: fragment /devices/{id}/row.
type DeviceRow struct {
	Layout layouts.Model
	Device domain.Device
}

// CommandOffer is one command of a terminal's page.
type CommandOffer struct {
	Name domain.DeviceCommandName
	URL  string
	Why  string // why it is not offered; empty: it is
	Hint string // what makes it doubtful
}

// DeviceView is /devices/{id}.
type DeviceView struct {
	Layout    layouts.Model
	Device    domain.Device
	Provider  string // its provider's name
	Offers    []CommandOffer
	Commands  []domain.DeviceCommand
	Payments  []domain.Payment
	Locations []domain.Location
	// CanCheck and Check belong to "Check now": the key of its press, and why it
	// is off.
	CanCheck bool
	CheckKey string
	CheckWhy string
	// The form for the name and the place, as typed.
	CanManage   bool
	Name, Place string
	Errors      map[string]string
	Problem     string
}

// CommandForm is /devices/command: one command for one terminal or several.
// Without a command it offers the choice.
type CommandForm struct {
	Layout  layouts.Model
	Devices []domain.Device
	// Choices are the commands that this person may send; the chosen one is
	// Command.
	Choices []components.Option
	Command domain.DeviceCommandName
	Key     string
	// As typed.
	On, Locale, Low, High, Hour string
	Errors                      map[string]string
	Problem                     string
	BackURL                     string
}

// SheetView is /devices/commands/{sheet}: what one press did, a row per
// terminal.
type SheetView struct {
	Layout  layouts.Model
	SelfURL string
	Rows    []SheetRow
}

// SheetRow is what one press did to one terminal.
type SheetRow struct {
	Command domain.DeviceCommand
	Device  domain.Device
}

// CommandFormFields are the fields of the form of a command, apart from its
// rows, which are the terminals: "device.<id>".
var CommandFormFields = []string{"command", "on", "locale", "low", "high", "hour"}

// openCommand says that a sheet may still change.
func (v SheetView) open() bool {
	for _, r := range v.Rows {
		if r.Command.Status.Open() {
			return true
		}
	}
	return false
}

// first is when the press was.
func (v SheetView) first() time.Time {
	if len(v.Rows) == 0 {
		return time.Time{}
	}
	return v.Rows[0].Command.CreatedAt
}
