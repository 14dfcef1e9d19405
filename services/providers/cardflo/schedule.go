package cardflo

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// scheduleRefusals are the codes with which a schedule request is certainly
// refused (README, Errors; 7040 and 7070 are in seed 003 itself). 7002 says only
// "failed", so it is not among them.
var scheduleRefusals = map[string]domain.Reason{
	"7001": domain.ReasonInvalidRequest,
	"7003": domain.ReasonNotAllowed,
	"7005": domain.ReasonInvalidRequest,
	"7010": domain.ReasonSchedule,
	"7020": domain.ReasonCardToken,
	"7030": domain.ReasonCardToken,
	"7035": domain.ReasonCardToken,
	"7036": domain.ReasonSchedule,
	"7037": domain.ReasonCardToken,
	"7040": domain.ReasonSchedule,
	"7050": domain.ReasonSchedule,
	"7060": domain.ReasonSchedule,
	"7070": domain.ReasonWrongState,
}

// periodUnits are the units of a period (seed 003, "Schedule").
var periodUnits = map[string]bool{"DAY": true, "WEEK": true, "MONTH": true, "YEAR": true}

// dateTime writes a time as schedules take it: with a numeric offset, never Z
// (seed 003, "startSchedule").
func dateTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }

// StartSchedule charges a registered card at intervals (seed 003,
// "startSchedule"). The gateway itself makes the charges. The request has no
// reference of ours: after a lost answer only the gateway's portal knows.
func (a *Adapter) StartSchedule(ctx context.Context, req providers.ScheduleRequest) (providers.Schedule, error) {
	const op = "schedule_start"
	switch {
	case req.RegistrationRef == "":
		return providers.Schedule{}, a.unsent(op, domain.ReasonCardToken, "the registration is missing")
	case req.Every < 1 || req.Unit == "" || req.StartAt.IsZero():
		return providers.Schedule{}, a.unsent(op, domain.ReasonInvalidRequest, "the period or the start is missing")
	case req.Amount.Currency().IsZero():
		return providers.Schedule{}, a.unsent(op, domain.ReasonInvalidRequest, "the amount is missing")
	}
	body, err := a.schedule(op, req)
	if err != nil {
		return providers.Schedule{}, err
	}
	body.MerchantMetaData = providers.AtMost(req.Note, 255)
	s, err := a.changeSchedule(ctx, op, body, "", "start")
	if err == nil && s.RegistrationRef != "" && s.RegistrationRef != body.RegistrationUUID {
		return providers.Schedule{}, &providers.Error{Provider: Name, Op: op, Kind: providers.KindGarbage, Text: "the answer is about another card's schedule", Raw: s.Raw}
	}
	return s, err
}

// UpdateSchedule changes the fields that have a value (seed 003,
// "updateSchedule"). The document has no way to change the note.
func (a *Adapter) UpdateSchedule(ctx context.Context, scheduleRef string, req providers.ScheduleRequest) (providers.Schedule, error) {
	const op = "schedule_update"
	if req.Note != "" {
		return providers.Schedule{}, a.unsent(op, domain.ReasonInvalidRequest, "the provider cannot change a schedule's note")
	}
	body, err := a.schedule(op, req)
	if err != nil {
		return providers.Schedule{}, err
	}
	if body == (scheduleRequest{CallbackURL: body.CallbackURL}) {
		return providers.Schedule{}, a.unsent(op, domain.ReasonInvalidRequest, "there is nothing to change")
	}
	return a.changeSchedule(ctx, op, body, scheduleRef, "update")
}

// GetSchedule reads a schedule (seed 003, "getSchedule").
func (a *Adapter) GetSchedule(ctx context.Context, scheduleRef string) (providers.Schedule, error) {
	return a.changeSchedule(ctx, "schedule_get", nil, scheduleRef, "get")
}

// PauseSchedule stops the charges until ContinueSchedule (seed 003,
// "pauseSchedule").
func (a *Adapter) PauseSchedule(ctx context.Context, scheduleRef string) (providers.Schedule, error) {
	return a.changeSchedule(ctx, "schedule_pause", nil, scheduleRef, "pause")
}

// ContinueSchedule goes on with a paused schedule from a date (seed 003,
// "continueSchedule").
func (a *Adapter) ContinueSchedule(ctx context.Context, scheduleRef string, at time.Time) (providers.Schedule, error) {
	const op = "schedule_continue"
	if at.IsZero() {
		return providers.Schedule{}, a.unsent(op, domain.ReasonInvalidRequest, "the date to go on from is missing")
	}
	body := struct {
		ContinueDateTime string `json:"continueDateTime"`
	}{dateTime(at)}
	return a.changeSchedule(ctx, op, body, scheduleRef, "continue")
}

// CancelSchedule ends a schedule for good (seed 003, "cancelSchedule").
func (a *Adapter) CancelSchedule(ctx context.Context, scheduleRef string) (providers.Schedule, error) {
	return a.changeSchedule(ctx, "schedule_cancel", nil, scheduleRef, "cancel")
}

// schedule writes the fields that have a value.
func (a *Adapter) schedule(op string, req providers.ScheduleRequest) (scheduleRequest, error) {
	body := scheduleRequest{RegistrationUUID: strings.TrimPrefix(req.RegistrationRef, storedPrefix), PeriodLength: req.Every, PeriodUnit: req.Unit, CallbackURL: a.callbackURL}
	switch {
	case len(body.RegistrationUUID) > 50 || !httpclient.Reference(body.RegistrationUUID):
		return body, a.unsent(op, domain.ReasonCardToken, "the registration's reference cannot be one")
	case req.Every < 0:
		return body, a.unsent(op, domain.ReasonInvalidRequest, "the period is negative")
	case req.Unit != "" && !periodUnits[req.Unit]:
		return body, a.unsent(op, domain.ReasonInvalidRequest, "the period's unit is not one of DAY, WEEK, MONTH and YEAR")
	}
	if !req.StartAt.IsZero() {
		body.StartDateTime = dateTime(req.StartAt)
	}
	if !req.Amount.Currency().IsZero() {
		if err := a.payable(op, req.Amount); err != nil {
			return body, err
		}
		body.Amount, body.Currency = req.Amount.Major(), req.Amount.Currency().Code()
	}
	return body, nil
}

// changeSchedule makes one of the six calls and reads its answer. A nil body is
// none: pause and cancel have none in the document.
func (a *Adapter) changeSchedule(ctx context.Context, op string, body any, ref, action string) (providers.Schedule, error) {
	segments, logged := []string{"schedule", a.apiKey, ref, action}, "/schedule/{apiKey}/"+ref+"/"+action
	if action == "start" {
		segments, logged = []string{"schedule", a.apiKey, action}, "/schedule/{apiKey}/start"
	} else if ref == "" || !httpclient.Reference(ref) {
		return providers.Schedule{}, a.unsent(op, domain.ReasonSchedule, "the schedule's reference is missing or cannot be one")
	}
	c := httpclient.Call{Op: op, Method: http.MethodPost, URL: providers.Endpoint(a.base, segments...), LogPath: a.base.Path + logged}
	if action == "get" {
		c.Method = http.MethodGet
	}
	if body != nil {
		var err error
		if c.Body, err = json.Marshal(body); err != nil {
			return providers.Schedule{}, a.unsent(op, domain.ReasonInvalidRequest, "the request cannot be written")
		}
	}
	resp, err := a.call(ctx, c)
	if err != nil {
		return providers.Schedule{}, err
	}
	s, err := a.readSchedule(op, resp, ref)
	if e, ok := providers.AsError(err); ok && action == "get" {
		e.NotDone, e.Reason = false, domain.ReasonNone
	}
	return s, err
}

func (a *Adapter) readSchedule(op string, resp *httpclient.Response, ref string) (providers.Schedule, error) {
	var ans scheduleAnswer
	if err := a.envelope(op, resp, &ans); err != nil {
		return providers.Schedule{}, err
	}
	switch {
	case ans.Success == nil:
		return providers.Schedule{}, a.garbage(op, resp, "", "the answer does not say whether it succeeded")
	case !*ans.Success:
		return providers.Schedule{}, a.refusedBy(op, resp, ans.ErrorCode, ans.ErrorMessage, scheduleRefusals)
	case resp.Status/100 != 2:
		return providers.Schedule{}, a.garbage(op, resp, "", "the answer says success under an HTTP error")
	case ans.ScheduleID == "" || !httpclient.Reference(string(ans.ScheduleID)) || !httpclient.Reference(string(ans.RegistrationUUID)):
		return providers.Schedule{}, a.garbage(op, resp, "", "the answer names no schedule")
	case ref != "" && string(ans.ScheduleID) != ref:
		return providers.Schedule{}, a.garbage(op, resp, "", "the answer is about another schedule")
	}
	return providers.Schedule{
		Ref: string(ans.ScheduleID), RegistrationRef: string(ans.RegistrationUUID),
		Status: a.http.Words(string(ans.NewStatus)), Before: a.http.Words(string(ans.OldStatus)),
		NextAt: timeOf(ans.ScheduledAt), Raw: a.http.Scrub(resp.Body),
	}, nil
}
