package cardflo

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Words of scheduleStatus. NON-EXISTING is only the old status of a start (seed
// 003, section startSchedule); CREATE-PENDING and ERROR are of newer material.
const (
	scheduleNone          = "NON-EXISTING"
	scheduleCreatePending = "CREATE-PENDING"
	scheduleActive        = "ACTIVE"
	schedulePaused        = "PAUSED"
	scheduleCancelled     = "CANCELLED"
	scheduleError         = "ERROR"
)

// schedulePath is what an outcome's path is compared with for a run.
const schedulePath = "/schedule/run"

// oldest is how far back a date of a schedule may lie, and soonest how long after
// its registration it may begin: 24 hours each.
const (
	oldest  = 24 * time.Hour
	soonest = 24 * time.Hour
)

// schedule is a series of debits of a stored card.
type schedule struct {
	id           string
	registration *transaction
	minor        int64
	decimals     int
	currency     string
	length       int
	unit         string
	// anchor is the date that runs are counted from, so that the 31st stays the
	// 31st behind a shorter month; runs is how many there were since.
	anchor      time.Time
	runs        int
	next        time.Time
	status      string
	callbackURL string
	metaData    string
}

// scheduleData is seed 003's section ScheduleData.
type scheduleData struct {
	ID          string `json:"scheduleId"`
	Status      string `json:"scheduleStatus"`
	ScheduledAt string `json:"scheduledAt"`
}

func (c *schedule) data() *scheduleData {
	if c == nil {
		return nil
	}
	return &scheduleData{ID: c.id, Status: c.status, ScheduledAt: offsetTime(c.next)}
}

// offsetTime writes a time as the document does. ASSUMPTION: always in UTC.
func offsetTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }

// due is the date of a run. ASSUMPTION: behind the end of a month it is the
// month's last day, and the day of the anchor comes back in a longer one.
func (c *schedule) due(run int) time.Time {
	n := c.length * run
	months := 0
	switch c.unit {
	case "DAY":
		return c.anchor.AddDate(0, 0, n)
	case "WEEK":
		return c.anchor.AddDate(0, 0, 7*n)
	case "MONTH":
		months = n
	case "YEAR":
		months = 12 * n
	}
	first := time.Date(c.anchor.Year(), c.anchor.Month()+time.Month(months), 1, c.anchor.Hour(), c.anchor.Minute(), c.anchor.Second(), 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(c.anchor.Day(), last)-1)
}

func (c *schedule) begin(at time.Time) { c.anchor, c.next, c.runs = at.UTC(), at.UTC(), 0 }

// scheduleReply is the answer of every schedule request (seed 003, section
// Schedule Request).
type scheduleReply struct {
	Success          bool   `json:"success"`
	ScheduleID       string `json:"scheduleId,omitempty"`
	RegistrationUUID string `json:"registrationUuid,omitempty"`
	OldStatus        string `json:"oldStatus,omitempty"`
	NewStatus        string `json:"newStatus,omitempty"`
	ScheduledAt      string `json:"scheduledAt,omitempty"`
	ErrorMessage     string `json:"errorMessage,omitempty"`
	ErrorCode        int    `json:"errorCode,omitempty"`
}

// runSchedules makes every debit whose date has come, each at its own date. The
// caller holds the lock.
func (s *Server) runSchedules() {
	now := s.kit.Clock.Now()
	for _, c := range s.schedules {
		for c.status == scheduleActive && !c.next.After(now) {
			s.runSchedule(c)
		}
	}
}

func (s *Server) runSchedule(c *schedule) {
	t := s.make(c.registration.connector, typeDebit, "")
	t.merchantID, t.at = "auto-"+t.uuid, c.next
	t.minor, t.decimals, t.currency = c.minor, c.decimals, c.currency
	t.referenceUUID, t.card, t.schedule, t.callbackURL = c.registration.uuid, c.registration.card, c, c.callbackURL
	if t.callbackURL == "" {
		t.callbackURL = c.registration.callbackURL
	}
	if c.metaData != "" {
		t.request = request{"merchantMetaData": c.metaData}
	}
	outcome, forced := s.kit.Outcomes.Take(schedulePath)
	if !forced {
		outcome = t.card.outcome
	}
	s.conclude(t, outcome)
	c.runs++
	c.next = c.due(c.runs)
	if t.status == statusError {
		// ASSUMPTION: a run that is declined stops the series.
		c.status = scheduleError
	}
	s.record(t)
	s.notify(t)
}

// prepareSchedule reads the schedule object of a debit, a preauthorization or a
// registration. It begins with the transaction's success.
func (s *Server) prepareSchedule(t *transaction) *refusal {
	in := request(t.request.object("schedule"))
	if in == nil {
		return nil
	}
	if t.connector.Basic {
		return refuse(codeNoScheduler, "The connector is not available for schedules")
	}
	if !t.registered {
		return refuse(codeScheduleInvalid, "A schedule needs the card to be registered")
	}
	c := &schedule{id: s.scheduleID(), registration: t, status: scheduleCreatePending}
	if no := s.fillSchedule(c, in); no != nil {
		return no
	}
	if c.anchor.IsZero() {
		// ASSUMPTION: without a date the first run comes a period after the
		// transaction.
		c.anchor = t.at
		c.begin(c.due(1))
	}
	t.schedule = c
	return nil
}

// concludeSchedule begins the series that a transaction carried, once that is
// final. A run is not its series' beginning.
func (s *Server) concludeSchedule(t *transaction) {
	c := t.schedule
	if c == nil || c.registration != t || c.status != scheduleCreatePending {
		return
	}
	switch t.status {
	case statusSuccess:
		c.status = scheduleActive
	case statusError, statusCancelled:
		c.status = scheduleError
	}
}

// scheduleID has the form of the document's samples.
func (s *Server) scheduleID() string {
	id := randomHex(12)
	return "SC-" + strings.ToUpper(strings.Join([]string{id[0:4], id[4:8], id[8:12], id[12:16], id[16:20], id[20:24]}, "-"))
}

// fillSchedule takes over the fields that a request names.
func (s *Server) fillSchedule(c *schedule, in request) *refusal {
	connector := c.registration.connector
	_, newAmount := in["amount"]
	_, newCurrency := in["currency"]
	if newAmount || newCurrency {
		code, amount := c.currency, ""
		if newCurrency {
			code = in.text("currency")
		}
		decimals, ok := connector.Currencies[code]
		if !ok {
			return refuse(codeScheduleInvalid, "currency: %s is not enabled for the connector", code)
		}
		if amount = in.text("amount"); !newAmount {
			amount = majorUnits(c.minor, c.decimals)
		}
		minor, err := minorUnits(amount, decimals)
		if err != nil {
			return refuse(codeScheduleInvalid, "%v", err)
		}
		c.minor, c.decimals, c.currency = minor, decimals, code
	}
	if n, ok := in["periodLength"].(json.Number); ok {
		length, err := n.Int64()
		if err != nil || length < 1 || length > 1000 {
			// ASSUMPTION: a period is 1 to 1000 units.
			return refuse(codeScheduleInvalid, "periodLength: must be at least 1")
		}
		c.length = int(length)
	}
	if unit := in.text("periodUnit"); unit != "" {
		c.unit = unit
	}
	_, newLength := in["periodLength"]
	_, newUnit := in["periodUnit"]
	if (newLength || newUnit) && !c.anchor.IsZero() {
		// A new period counts from the run that comes next.
		c.begin(c.next)
	}
	if url := in.text("callbackUrl"); url != "" {
		c.callbackURL = url
	}
	date := in.text("startDateTime")
	if date == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, date)
	switch now := s.kit.Clock.Now(); {
	case err != nil || !dateTimeShape.MatchString(date) || now.Sub(at) > oldest:
		return refuse(codeScheduleStart, "The startDateTime is not valid or older than 24 hours")
	case at.Sub(c.registration.at) < soonest:
		return refuse(codeScheduleTooSoon, "There must be at least 24 hours between the initial and the second transaction")
	}
	c.begin(at)
	return nil
}

// register finds the registration of a schedule.
func (s *Server) registration(c Connector, uuid string) (*transaction, *refusal) {
	if uuid == "" {
		return nil, refuse(codeScheduleNoRegistration, "The registrationUuid is required")
	}
	t := s.byUUID(c, uuid)
	switch {
	case t == nil:
		return nil, refuse(codeScheduleRegistration, "The registrationUuid is not valid or does not match to the connector")
	case t.typ != typeRegister && t.typ != typeDebit && t.typ != typePreauthorize:
		return nil, refuse(codeScheduleNotRegister, "The transaction is not a register")
	case !t.registered || t.status != statusSuccess:
		return nil, refuse(codeScheduleNotRegistered, "The transaction is not a successful register, debit-with-register or preauthorize-with-register")
	case t.deregistered:
		return nil, refuse(codeScheduleDeregistered, "The registration was deregistered already")
	}
	return t, nil
}

func (s *Server) startSchedule(w http.ResponseWriter, _ *http.Request, c Connector, body []byte) {
	in, err := parse(body, startScheduleSchema)
	if err != nil {
		s.refuse(w, codeScheduleInvalid, "%v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	if c.Basic {
		s.refuse(w, codeNoScheduler, "The connector is not available for schedules")
		return
	}
	registration, no := s.registration(c, in.text("registrationUuid"))
	var series *schedule
	if no == nil {
		series = &schedule{id: s.scheduleID(), registration: registration, status: scheduleActive, metaData: in.text("merchantMetaData")}
		no = s.fillSchedule(series, in)
	}
	if no != nil {
		s.refuse(w, no.code, "%s", no.message)
		return
	}
	if outcome, forced := s.kit.Outcomes.Take(BasePath + "/schedule/" + c.APIKey + "/start"); forced && s.rejected(w, outcome) {
		return
	}
	s.schedules = append(s.schedules, series)
	kit.WriteJSON(w, http.StatusOK, series.reply(scheduleNone))
	s.runSchedules()
}

func (c *schedule) reply(old string) scheduleReply {
	return scheduleReply{Success: true, ScheduleID: c.id, RegistrationUUID: c.registration.uuid, OldStatus: old, NewStatus: c.status, ScheduledAt: offsetTime(c.next)}
}

// emptyBody: the calls without a body also take an empty object, as newer
// material has it.
func emptyBody(body []byte) bool {
	b := bytes.TrimSpace(body)
	return len(b) == 0 || string(b) == "{}"
}

// changeSchedule serves POST /schedule/{apiKey}/{scheduleId}/{action}.
func (s *Server) changeSchedule(w http.ResponseWriter, r *http.Request, c Connector, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	series := s.scheduleOf(c, r.PathValue("scheduleId"))
	action := r.PathValue("action")
	if action != "update" && action != "pause" && action != "continue" && action != "cancel" {
		s.refuse(w, codeScheduleAction, "The action '%s' is not valid", action)
		return
	}
	if series == nil {
		s.refuse(w, codeScheduleID, "The scheduleId is not valid or does not match to the connector")
		return
	}
	var in request
	var err error
	switch action {
	case "update":
		in, err = parse(body, updateScheduleSchema)
	case "continue":
		in, err = parse(body, continueScheduleSchema)
	default:
		if !emptyBody(body) {
			_, err = parse(body, map[string]property{})
		}
	}
	if err != nil {
		s.refuse(w, codeScheduleInvalid, "%v", err)
		return
	}
	old := series.status
	allowed := map[string][]string{
		"update": {scheduleActive, schedulePaused}, "pause": {scheduleActive}, "continue": {schedulePaused},
		// ASSUMPTION: what is paused or stopped by an error can be cancelled.
		"cancel": {scheduleActive, schedulePaused, scheduleError},
	}[action]
	ok := false
	for _, status := range allowed {
		ok = ok || status == old
	}
	if !ok {
		status := http.StatusBadRequest
		if s.cfg.ErrorsAs200 {
			status = http.StatusOK
		}
		kit.WriteJSON(w, status, scheduleReply{ScheduleID: series.id, OldStatus: old, NewStatus: old,
			ErrorMessage: "The status of the schedule is not valid for the requested operation", ErrorCode: codeScheduleStatus})
		return
	}
	switch action {
	case "update":
		changed := *series
		if uuid := in.text("registrationUuid"); uuid != "" {
			registration, no := s.registration(c, uuid)
			if no != nil {
				s.refuse(w, no.code, "%s", no.message)
				return
			}
			changed.registration = registration
		}
		if no := s.fillSchedule(&changed, in); no != nil {
			s.refuse(w, no.code, "%s", no.message)
			return
		}
		*series = changed
	case "pause":
		series.status = schedulePaused
	case "continue":
		date := in.text("continueDateTime")
		at, err := time.Parse(time.RFC3339, date)
		if err != nil || !dateTimeShape.MatchString(date) || s.kit.Clock.Now().Sub(at) > oldest {
			s.refuse(w, codeScheduleContinue, "The continueDateTime is not valid or older than 24 hours")
			return
		}
		series.status = scheduleActive
		series.begin(at)
	case "cancel":
		series.status = scheduleCancelled
	}
	reply := series.reply(old)
	if action == "pause" || action == "cancel" {
		// The document's samples tell no date where there is none to come.
		reply.ScheduledAt = ""
	}
	kit.WriteJSON(w, http.StatusOK, reply)
	s.runSchedules()
}

func (s *Server) getSchedule(w http.ResponseWriter, r *http.Request, c Connector, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	series := s.scheduleOf(c, r.PathValue("scheduleId"))
	if series == nil {
		s.refuse(w, codeScheduleID, "The scheduleId is not valid or does not match to the connector")
		return
	}
	kit.WriteJSON(w, http.StatusOK, series.reply(series.status))
}

func (s *Server) scheduleOf(c Connector, id string) *schedule {
	for _, series := range s.schedules {
		if series.id == id && series.registration.connector.APIKey == c.APIKey {
			return series
		}
	}
	return nil
}
