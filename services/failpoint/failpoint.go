// Package failpoint names the lines at which a test may kill the product, to
// prove that a crash between any two steps of a payment loses nothing and
// doubles nothing (ADR 11). Only a build with the tag "faults" can be killed or
// have its clock moved; in every other build the functions are empty and leave
// nothing in the binary. It imports the standard library only.
package failpoint

// The points, in the order in which an operation passes them. What passes is
// "sale" or "refund" for a person's request, "status" for the resolver and
// "callback" for a provider's own call.
const (
	Checked  = "checked"  // the form is right; nothing is written yet
	Opening  = "opening"  // inside the first database transaction, before its commit
	Opened   = "opened"   // after that commit; nothing has left the building
	Sending  = "sending"  // right before the call to the provider
	Answered = "answered" // the call has come back; its answer is in memory only
	Judged   = "judged"   // the answer is understood; the second transaction has not begun
	Settling = "settling" // inside the second transaction, before its commit
	Settled  = "settled"  // after that commit, before the browser or the queue is told

	Asking = "asking" // the resolver is about to ask the provider
	Told   = "told"   // the provider has answered the resolver
)
