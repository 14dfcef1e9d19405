package domain

// CallbackStatus is what became of a provider's own call.
type CallbackStatus string

// The statuses. A verified, stored callback is always acknowledged, whatever
// becomes of it.
const (
	CallbackReceived    CallbackStatus = "received" // stored, not handled yet
	CallbackApplied     CallbackStatus = "applied"
	CallbackNothingNew  CallbackStatus = "nothing_new" // it said what we knew
	CallbackQuarantined CallbackStatus = "quarantined" // a person must look
	CallbackDealtWith   CallbackStatus = "dealt_with"  // a person looked, and wrote what came of it
)

// Label is the status in words.
func (s CallbackStatus) Label() string {
	switch s {
	case CallbackReceived:
		return "Waiting"
	case CallbackApplied:
		return "Applied"
	case CallbackNothingNew:
		return "Nothing new"
	case CallbackQuarantined:
		return "Needs a person"
	case CallbackDealtWith:
		return "Dealt with"
	}
	return string(s)
}

// CallbackPath is the address at which a provider may call about a connection,
// below the public address.
func CallbackPath(provider string, c ConnectionID) string {
	return "/webhooks/" + provider + "/" + c.String()
}
