// Package failpoint names the lines at which a test may kill the product, to
// prove that a crash between any two steps of a payment loses nothing and
// doubles nothing (ADR 11). Only a build with the tag "faults" can be killed,
// have its clock moved or its queue hurried; in every other build the functions
// are empty and leave nothing in the binary. It imports the standard library
// only.
package failpoint

// The points, in the order in which an operation passes them. What passes is
// the transaction's type for a person's request, "status" for the resolver and
// "callback" for a provider's own call. The words look like nothing else, so
// that a test can search a binary for each.
const (
	Checked  = "line:checked"  // the form is right; nothing is written yet
	Opening  = "line:opening"  // inside the first database transaction, before its commit
	Opened   = "line:opened"   // after that commit; nothing has left the building
	Sending  = "line:sending"  // right before the call to the provider
	Answered = "line:answered" // the call has come back; its answer is in memory only
	Judged   = "line:judged"   // the answer is understood; the second transaction has not begun
	Settling = "line:settling" // inside the second transaction, before its commit
	Settled  = "line:settled"  // after that commit, before the browser or the queue is told

	Asking = "line:asking" // the resolver is about to ask the provider
	Told   = "line:told"   // the provider has answered the resolver
)

// Transaction is one of the two database transactions of an operation. A place
// that is passed in both names the transaction and not the line, so that no
// line's name is left in a build that cannot be killed.
type Transaction bool

// The two transactions.
const (
	First  Transaction = false // writes down what will be done
	Second Transaction = true  // writes down what came of it
)
