package cloudflow

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// The error codes that a decision hangs on.
const (
	codeNotFound       = "notFound"
	codeConnectionLost = "connectionLost"
)

// refusal is one line of the document's table of errors, read for a person.
type refusal struct {
	status int
	kind   providers.ErrorKind
	// notDone: what the line says excludes that a request reached a terminal.
	notDone       bool
	reason        domain.Reason
	meaning, todo string
}

// refusals is seed 000, "HTTP error codes". Three lines leave open whether a
// request reached its terminal: failed ("unexpected failure"), storageFailed
// (what could not be persisted may have been delivered) and duplicateItem (the
// one that exists already may be running).
var refusals = map[string]refusal{
	"failed": {
		status: http.StatusBadRequest, kind: providers.KindServer,
		meaning: "CloudFlow had a failure that it did not expect.", todo: "Try again in a few minutes; if it stays, ask CloudFlow.",
	},
	"unauthorized": {
		status: http.StatusUnauthorized, kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials,
		meaning: "CloudFlow does not accept the account id and API token.", todo: "Check both, and that capital and small letters are the same.",
	},
	"forbidden": {
		status: http.StatusForbidden, kind: providers.KindCredentials, notDone: true, reason: domain.ReasonNotAllowed,
		meaning: "CloudFlow does not allow this account to do that.", todo: "Ask CloudFlow what the account may do.",
	},
	codeNotFound: {
		status: http.StatusNotFound, kind: providers.KindRefused, notDone: true, reason: domain.ReasonInvalidRequest,
		meaning: "CloudFlow does not know what was asked for.", todo: "Check the address and the terminal’s reference.",
	},
	"duplicateItem": {
		status: http.StatusConflict, kind: providers.KindRefused,
		meaning: "CloudFlow has this already, so it did not make it again.", todo: "Look at the one that exists before you try again.",
	},
	codeConnectionLost: {
		status: http.StatusGone, kind: providers.KindRefused, notDone: true, reason: domain.ReasonDeviceOffline,
		meaning: "The terminal is not connected, and nothing was sent to it.", todo: "Check that it is switched on and connected, then try again.",
	},
	"preconditionFailed": {
		status: http.StatusPreconditionFailed, kind: providers.KindRefused, notDone: true, reason: domain.ReasonWrongState,
		meaning: "CloudFlow cannot do this in the present state.", todo: "Finish what is running on the terminal, then try again.",
	},
	"storageFailed": {
		status: http.StatusExpectationFailed, kind: providers.KindServer,
		meaning: "CloudFlow could not store this.", todo: "Try again in a few minutes; if it stays, ask CloudFlow.",
	},
	"invalidData": {
		status: http.StatusUnprocessableEntity, kind: providers.KindRefused, notDone: true, reason: domain.ReasonInvalidRequest,
		meaning: "CloudFlow says that something is missing or wrong in what was sent.", todo: "Check this connection’s values; if they are right, tell whoever looks after Counterfoil.",
	},
	"tooManyConnections": {
		status: http.StatusTooManyRequests, kind: providers.KindRateLimited, notDone: true, reason: domain.ReasonRateLimited,
		meaning: "The account has as many connections to CloudFlow as it may have.", todo: "Wait a minute, then try again; if it stays, ask CloudFlow for more.",
	},
}

// Codes lists the codes of seed 000, "HTTP error codes", and their reasons.
func Codes() []providers.Code {
	return providers.CodesOf("error", refusals, func(r refusal) domain.Reason { return r.reason })
}

// fault reads every answer that is not the asked one. Only a line of the table
// with its own status is a certain no, and the three statuses that the whole
// house takes for one (401, 403, 429).
func (a *Adapter) fault(op string, resp *httpclient.Response) *providers.Error {
	var ans errorAnswer
	readable := resp.IsJSON() && exact(resp.Body, &ans, "errorMessage", "errorCode") == nil && ans.ErrorCode != ""
	line, listed := refusals[ans.ErrorCode]
	if f := a.http.StatusFault(op, resp); f != nil {
		f.Raw = a.http.Scrub(resp.Body)
		if readable {
			f.Code, f.Text = a.http.Words(ans.ErrorCode), a.http.Words(ans.ErrorMessage)
		}
		if listed && line.status == resp.Status {
			f.Reason, f.Meaning = line.reason, line.meaning
		}
		return f
	}
	if !readable {
		return a.garbage(op, resp, "the answer is not the document’s JSON")
	}
	f := &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindRefused, Code: a.http.Words(ans.ErrorCode), Text: a.http.Words(ans.ErrorMessage),
		Raw: a.http.Scrub(resp.Body),
	}
	if listed && line.status == resp.Status {
		f.Kind, f.NotDone, f.Reason, f.Meaning = line.kind, line.notDone, line.reason, line.meaning
	}
	return f
}

// garbage is an answer that cannot be read; the outcome stays unknown.
func (a *Adapter) garbage(op string, resp *httpclient.Response, format string, args ...any) *providers.Error {
	return &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindGarbage, Code: strconv.Itoa(resp.Status),
		Text: fmt.Sprintf(format, args...), Raw: a.http.Scrub(resp.Body),
	}
}

func unsent(op string, kind providers.ErrorKind, reason domain.Reason, text string) *providers.Error {
	return &providers.Error{Provider: Name, Op: op, Kind: kind, NotDone: true, Reason: reason, Text: text}
}
