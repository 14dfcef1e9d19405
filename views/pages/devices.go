package pages

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

// DeviceURL is a terminal's page.
func DeviceURL(id domain.DeviceID) string { return "/devices/" + id.String() }

func deviceURL(id domain.DeviceID) templ.SafeURL { return templ.SafeURL(DeviceURL(id)) }

// CommandURL is the form of one command, or of the choice, for these terminals.
func CommandURL(name domain.DeviceCommandName, ids ...domain.DeviceID) string {
	q := url.Values{}
	for _, id := range ids {
		q.Add("device", id.String())
	}
	if name != "" {
		q.Set("command", string(name))
	}
	return "/devices/command?" + q.Encode()
}

// SheetURL is the page of what one press did.
func SheetURL(id domain.SheetID) string { return "/devices/commands/" + id.String() }

// background marks a request that nobody made: it does not keep a session alive.
const background = `{"X-Background":"1"}`

// rowAttributes make a terminal's card follow the terminal.
func rowAttributes(r DeviceRow) templ.Attributes {
	if !r.Layout.Live {
		return nil
	}
	id := r.Device.ID.String()
	return templ.Attributes{
		"hx-get":          "/devices/" + id + "/row",
		"hx-trigger":      "device-" + id + " from:#stream",
		"hx-swap":         "outerMorph",
		"hx-headers":      background,
		"data-background": true,
	}
}

// cardsAttributes make all cards of a page come anew when the page has missed
// what changed. What was ticked stays.
func cardsAttributes(v DevicesView) templ.Attributes {
	if !v.Layout.Live {
		return nil
	}
	return templ.Attributes{
		"hx-get":          v.SelfURL,
		"hx-trigger":      "resync from:#stream",
		"hx-select":       "#cards",
		"hx-swap":         "outerMorph",
		"hx-headers":      background,
		"data-background": true,
	}
}

// headAttributes make the counts follow the fleet: not more often than every two
// seconds, however many terminals change.
func headAttributes(h DevicesHead) templ.Attributes {
	if !h.Layout.Live {
		return nil
	}
	return templ.Attributes{
		"hx-get":          h.SelfURL,
		"hx-trigger":      "devices from:#stream throttle:2s, resync from:#stream",
		"hx-swap":         "outerMorph",
		"hx-headers":      background,
		"data-background": true,
	}
}

// detailAttributes make a terminal's page follow the terminal.
func detailAttributes(v DeviceView) templ.Attributes {
	if !v.Layout.Live {
		return nil
	}
	return templ.Attributes{
		"hx-get":          DeviceURL(v.Device.ID),
		"hx-trigger":      "device-" + v.Device.ID.String() + " from:#stream throttle:1s, resync from:#stream",
		"hx-select":       "#device-live",
		"hx-swap":         "outerMorph",
		"hx-headers":      background,
		"data-background": true,
	}
}

// sheetAttributes make the results follow while one is still to come: by asking,
// and at once where the page is told of changes.
func sheetAttributes(v SheetView) templ.Attributes {
	if !v.open() {
		return nil
	}
	trigger := "every 3s"
	if v.Layout.Live {
		trigger += ", devices from:#stream throttle:1s, resync from:#stream"
	}
	return templ.Attributes{
		"hx-get":          v.SelfURL,
		"hx-trigger":      trigger,
		"hx-select":       "#sheet",
		"hx-swap":         "outerMorph",
		"hx-headers":      background,
		"data-background": true,
	}
}

// ago is "14:09 (23 minutes ago)": the relative time never stands alone.
func ago(m layouts.Model, at time.Time) string {
	return deviceWhen(m, at) + " (" + agoWords(m.Now.Sub(at)) + ")"
}

func agoWords(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return AgeWords(d) + " ago"
}

// deviceWhen is the minute for today, date and minute for another day.
func deviceWhen(m layouts.Model, at time.Time) string {
	if m.Zone().IsToday(at) {
		return m.Zone().Minute(at)
	}
	return m.Zone().Full(at)
}

// serialHead and serialTail are a serial number in two parts: staff know a
// terminal by its last four digits.
func serialHead(s string) string {
	r := []rune(s)
	return string(r[:max(0, len(r)-4)])
}

func serialTail(s string) string {
	r := []rune(s)
	return string(r[max(0, len(r)-4):])
}

// phaseWords is how far a payment on a terminal is.
func phaseWords(p domain.Phase) string {
	switch p {
	case domain.PhaseSent:
		return "sent to the terminal"
	case domain.PhaseCard:
		return "waiting for card or PIN"
	case domain.PhaseBank:
		return "asking the bank"
	}
	return "being sent"
}

// doingLabel is what runs on a terminal, as the link to its payment has it:
// "Sale of £36.00".
func doingLabel(m layouts.Model, d domain.Device) string {
	if d.Doing.Type == "" {
		return "A payment"
	}
	if !d.Doing.Amount.IsPositive() {
		return d.Doing.Type.Label()
	}
	return d.Doing.Type.Label() + " of " + m.Money(d.Doing.Amount)
}

// deviceFact says of a state what is behind it, apart from a payment of ours.
func deviceFact(d domain.Device) string {
	switch d.State {
	case domain.DeviceRemoved:
		return "Not in the list of " + orThe(d.ConnectionName) + " any more"
	case domain.DeviceAttention:
		return batteryWords(d.Report)
	case domain.DeviceBusy:
		return "It runs something that was not sent from here"
	case domain.DeviceOnline:
		if d.Virtual {
			return "For payments by telephone; there is no hardware"
		}
		return "Ready"
	case domain.DeviceUnchecked:
		return "Nobody has asked it yet"
	}
	return ""
}

func orThe(name string) string {
	if name == "" {
		return "the provider"
	}
	return name
}

// batteryWords is "Battery 8%, not charging"; empty when it is not told.
func batteryWords(r domain.DeviceReport) string {
	if r.Battery == nil {
		return ""
	}
	words := "Battery " + strconv.Itoa(*r.Battery) + "%"
	switch r.Charging {
	case "yes":
		words += ", charging"
	case "no":
		words += ", not charging"
	}
	return words
}

// appWords is the payment application with its version; empty when it is not
// told.
func appWords(r domain.DeviceReport) string {
	return strings.TrimSpace(r.AppName + " " + r.AppVersion)
}

// lateWords are the results that a terminal delivered late; empty: none.
func lateWords(m layouts.Model, d domain.Device) string {
	if d.Recovered == 0 {
		return ""
	}
	words := components.Count(d.Recovered, "result", "results") + " came late"
	if !d.RecoveredAt.IsZero() {
		words += ", last " + m.Zone().Full(d.RecoveredAt)
	}
	return words
}

func deviceStatus(d domain.Device) components.Status { return components.DeviceStatus(d.State) }

func stateWord(s domain.DeviceState) string {
	if s == "" {
		return "All"
	}
	return s.Label()
}

// headWords is the line under the wall's heading, without its time.
func fleetWords(h DevicesHead) string {
	if h.Total == 0 {
		return "No terminals"
	}
	return components.Count(h.Total, "terminal", "terminals")
}

// liveFleet is what a reader is told when the counts change.
func liveFleet(h DevicesHead) string {
	var words []string
	for _, s := range h.States {
		if s.State != "" && s.State != domain.DeviceRemoved && s.Count > 0 {
			words = append(words, strconv.Itoa(s.Count)+" "+strings.ToLower(s.State.Label()))
		}
	}
	return strings.Join(words, ", ")
}

// silentTitle heads the note of a terminal that is used daily and is silent.
func silentTitle(m layouts.Model, ds []domain.Device) string {
	if len(ds) == 1 {
		if ds[0].SeenAt.IsZero() {
			return ds[0].Label() + " is used daily and has not been heard"
		}
		return ds[0].Label() + " is used daily and has been silent for " + AgeWords(m.Now.Sub(ds[0].SeenAt))
	}
	return components.Count(len(ds), "terminal", "terminals") + " that are used daily have been silent"
}

// commandWhat says what a command will do.
func commandWhat(name domain.DeviceCommandName) string {
	switch name {
	case domain.CommandPing:
		return "The terminal is asked for a sign of life. It changes nothing on it."
	case domain.CommandUnattended:
		return "In unattended mode the terminal shows only the payment screen: home, back, settings and history cannot be reached on it."
	case domain.CommandLocale:
		return "The terminal’s payment application changes to this language."
	case domain.CommandPassword:
		return "With password protection on, the terminal asks for its password before its settings open."
	case domain.CommandReboot:
		return "The terminal restarts, which takes it out of use for some minutes. A payment that runs on it is respected: the terminal looks first."
	case domain.CommandBrightness:
		return "The screen stays between these two levels."
	case domain.CommandRebootHour:
		return "The terminal restarts by itself every day in this hour, on its own clock. The provider does this on production terminals only."
	case domain.CommandUpdate:
		return "The terminal looks for a newer payment application and installs it, which takes it out of use for some minutes."
	}
	return ""
}

// commandAccepted says what an accepted command proves.
func commandAccepted(name domain.DeviceCommandName) string {
	if name == domain.CommandPing {
		return "Its answer shows on the next page."
	}
	return "“Sent” means that the provider accepted it. It is done when the terminal says so itself: the next page shows its next sign of life."
}

// commandDo is the button of a command: what it does, and to how many.
func commandDo(v CommandForm, forced bool) string {
	to := " " + components.Count(len(v.Devices), "terminal", "terminals")
	if len(v.Devices) == 1 {
		to = " " + v.Devices[0].Label()
	}
	switch v.Command {
	case domain.CommandPing:
		return "Check" + to
	case domain.CommandReboot:
		if forced {
			return "Force" + to + " to restart"
		}
		return "Restart" + to
	case domain.CommandUpdate:
		return "Update" + to
	}
	return "Send to" + to
}

func commandBusy(name domain.DeviceCommandName) string {
	if name == domain.CommandPing {
		return "Checking"
	}
	return "Sending"
}

// commandErrors are the lines of the summary above the form of a command.
func commandErrors(v CommandForm) []components.FieldError {
	var out []components.FieldError
	for _, name := range CommandFormFields {
		if text := v.Errors[name]; text != "" {
			out = append(out, components.FieldError{Field: name, Text: text})
		}
	}
	return out
}

// commandValue is what a command sends, in words: "on", "en_GB", "20% to 90%".
func commandValue(k domain.DeviceCommand) string {
	switch k.Name {
	case domain.CommandUnattended, domain.CommandPassword:
		if k.On {
			return "on"
		}
		return "off"
	case domain.CommandLocale:
		return k.Text
	case domain.CommandBrightness:
		return strconv.Itoa(k.Low) + "% to " + strconv.Itoa(k.High) + "%"
	case domain.CommandRebootHour:
		return hourWords(k.Low)
	case domain.CommandReboot:
		if k.On {
			return "forced"
		}
	}
	return ""
}

// commandTitle is a command with its value: "Restart, forced".
func commandTitle(k domain.DeviceCommand) string {
	if v := commandValue(k); v != "" {
		return k.Name.Label() + ", " + v
	}
	return k.Name.Label()
}

func hourWords(h int) string {
	if h < 10 {
		return "0" + strconv.Itoa(h) + ":00"
	}
	return strconv.Itoa(h) + ":00"
}

// commandWords is what became of a command, one sentence per line.
func commandWords(m layouts.Model, k domain.DeviceCommand) []string {
	var out []string
	add := func(s string) {
		if s != "" {
			out = append(out, s)
		}
	}
	switch k.Status {
	case domain.CommandQueued, domain.CommandSending:
		add("Nothing has left yet.")
	case domain.CommandSent:
		add("The provider accepted it at " + m.Zone().Event(k.SentAt) + ". The terminal has not confirmed it yet.")
	}
	// Of a refusal our sentence says what the code says: once is enough.
	why, code := k.Why, ""
	switch {
	case k.Code == "":
	case why != "" && k.Status == domain.CommandRefused && components.KnownDeviceCode(k.Code):
		why = strings.TrimSuffix(why, ".") + " (" + k.Code + ")."
	default:
		code = components.DeviceCode(k.Code, k.Said) + "."
	}
	if add(why); why == "" {
		switch k.Status {
		case domain.CommandConfirmed:
			add("The terminal answered at " + m.Zone().Event(k.EndedAt) + ".")
		case domain.CommandUnconfirmed:
			add("The provider accepted it, and the terminal has not answered since.")
		case domain.CommandRefused:
			add("It was not done.")
		case domain.CommandUnknown:
			add("The provider did not answer. It may have been done.")
		}
	}
	add(code)
	return out
}

// sheetTitle is what was pressed, for how many.
func sheetTitle(v SheetView) string {
	if len(v.Rows) == 0 {
		return "Command"
	}
	title := commandTitle(v.Rows[0].Command)
	if len(v.Rows) == 1 {
		return title + ": " + v.Rows[0].Device.Label()
	}
	return title + ": " + strconv.Itoa(len(v.Rows)) + " terminals"
}

// sheetCounts says how many of a sheet are how far: "1 confirmed, 1 refused".
func sheetCounts(v SheetView) string {
	n := map[domain.CommandStatus]int{}
	for _, r := range v.Rows {
		n[r.Command.Status]++
	}
	var words []string
	for _, s := range []domain.CommandStatus{domain.CommandRefused, domain.CommandUnknown, domain.CommandUnconfirmed, domain.CommandQueued, domain.CommandSending, domain.CommandSent, domain.CommandConfirmed} {
		if n[s] > 0 {
			words = append(words, strconv.Itoa(n[s])+" "+strings.ToLower(s.Label()))
		}
	}
	return strings.Join(words, ", ")
}

// deviceFacts is everything that is known of a terminal and is not its state.
func deviceFacts(v DeviceView) []components.Line {
	d, z := v.Device, v.Layout.Zone()
	lines := []components.Line{{Label: "Serial number", Value: d.Serial, Mono: true}, {Label: "Model", Value: d.Type}}
	add := func(label, value string, mono bool) {
		if value != "" {
			lines = append(lines, components.Line{Label: label, Value: value, Mono: mono})
		}
	}
	add("Through", join(d.ConnectionName, v.Provider), false)
	add("Account", d.Account, true)
	add("Their id", d.Ref, true)
	add("Their name", d.ProviderName, false)
	add("Their place", d.ProviderPlace, false)
	add("Application", appWords(d.Report), false)
	add("Battery", strings.TrimPrefix(batteryWords(d.Report), "Battery "), false)
	add("Power", d.Report.Power, false)
	if !d.Report.At.IsZero() {
		add("Told at", z.Full(d.Report.At), false)
	}
	add("Results", lateWords(v.Layout, d), false)
	add("First listed", z.Full(d.FirstListedAt), false)
	if !d.ListedAt.IsZero() {
		add("Last listed", z.Full(d.ListedAt), false)
	}
	return lines
}

// checkFacts is when a terminal was heard, asked, and is asked next.
func checkFacts(v DeviceView) []components.Line {
	d, m := v.Device, v.Layout
	seen, asked, next := "Never", "Never", "Not by itself"
	if !d.SeenAt.IsZero() {
		seen = ago(m, d.SeenAt)
	}
	if !d.CheckedAt.IsZero() {
		asked = ago(m, d.CheckedAt)
	}
	if !d.CheckAt.IsZero() && !d.Removed() {
		next = deviceWhen(m, d.CheckAt)
		if d.CheckAt.Before(m.Now) {
			next = "Now"
		}
	}
	lines := []components.Line{{Label: "Last sign of life", Value: seen}, {Label: "Last asked", Value: asked}, {Label: "Asked next", Value: next}}
	if code := components.DeviceCode(d.Code, d.Said); code != "" {
		lines = append(lines, components.Line{Label: "The provider said", Value: code})
	}
	return lines
}

func deviceErrors(errs map[string]string) []components.FieldError {
	var out []components.FieldError
	for _, name := range []string{"device_name", "place"} {
		if errs[name] != "" {
			out = append(out, components.FieldError{Field: name, Text: errs[name]})
		}
	}
	return out
}

func chipTone(s StateChip) string {
	if s.Count == 0 {
		return "quiet"
	}
	return components.DeviceStatus(s.State).Tone
}

// providerLabel is what a terminal is called when nobody named it.
func providerLabel(d domain.Device) string {
	d.Name = ""
	return d.Label()
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// commandHeading is the title of the form.
func commandHeading(v CommandForm) string {
	if v.Command == "" {
		return "Send a command"
	}
	return v.Command.Label()
}

func backLabel(v CommandForm) string {
	if len(v.Devices) == 1 {
		return v.Devices[0].Label()
	}
	return "Devices"
}

// deviceRest is what follows the serial number: place, battery, version.
func deviceRest(d domain.Device) string {
	var s string
	if d.Location != "" {
		s += " · " + d.Location
	}
	if d.Report.Battery != nil && d.State != domain.DeviceAttention {
		s += " · battery " + strconv.Itoa(*d.Report.Battery) + "%"
		if d.Report.Charging == "yes" {
			s += ", charging"
		}
	}
	if d.Report.AppVersion != "" {
		s += " · version " + d.Report.AppVersion
	}
	return s
}

// lastKind names a last result that is no sale.
func lastKind(l domain.DeviceLast) string {
	if l.Type == domain.Sale || l.Type == "" {
		return ""
	}
	return " (" + lowerFirst(l.Type.Label()) + ")"
}

func pressedBy(v SheetView) string {
	if len(v.Rows) == 0 || v.Rows[0].Command.CreatedName == "" {
		return ""
	}
	return " by " + v.Rows[0].Command.CreatedName
}

// offersOf are the commands that are offered, in their order.
func offersOf(offers []CommandOffer) []CommandOffer {
	var out []CommandOffer
	for _, o := range offers {
		if o.Why == "" {
			out = append(out, o)
		}
	}
	return out
}

// folded says each sentence about commands once, after the names of all that it
// is true of: "Restart, update, language: CloudFlow does not offer this."
func folded(offers []CommandOffer, sentence func(CommandOffer) string) []string {
	var order []string
	of := map[string][]string{}
	for _, o := range offers {
		words := sentence(o)
		if words == "" {
			continue
		}
		name := o.Name.Label()
		if of[words] == nil {
			order = append(order, words)
		} else {
			name = lowerFirst(name)
		}
		of[words] = append(of[words], name)
	}
	var out []string
	for _, words := range order {
		out = append(out, strings.Join(of[words], ", ")+": "+words)
	}
	return out
}

func whyNot(o CommandOffer) string { return o.Why }

func doubt(o CommandOffer) string {
	if o.Why != "" {
		return ""
	}
	return o.Hint
}

// silentWords names the silent terminals with their last sign of life.
func silentWords(m layouts.Model, ds []domain.Device) string {
	var words []string
	for i, d := range ds {
		if i == 3 {
			words = append(words, strconv.Itoa(len(ds)-3)+" more")
			break
		}
		one := "not heard yet"
		if !d.SeenAt.IsZero() {
			one = "last heard " + m.Zone().Full(d.SeenAt)
		}
		if len(ds) > 1 {
			one = d.Label() + ", " + one
		}
		words = append(words, one)
	}
	return upperFirst(strings.Join(words, "; ")) + "."
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
