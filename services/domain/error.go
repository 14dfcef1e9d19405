package domain

import (
	"errors"
	"fmt"
)

// Code classes an error for whoever must answer it. The HTTP layer owns the
// one table from codes to statuses.
type Code string

// The codes. Everything that is not one of these is Internal: logged whole,
// shown as one calm sentence with a request id.
const (
	Invalid      Code = "invalidData"        // a value is wrong; Fields says which
	Unauthorized Code = "unauthorized"       // nobody is signed in
	Forbidden    Code = "forbidden"          // signed in, but may not
	NotFound     Code = "notFound"           // not there, or another merchant's
	Conflict     Code = "preconditionFailed" // it was possible a moment ago
	Duplicate    Code = "duplicateItem"      // the same key with another content
	TooMany      Code = "tooManyConnections" // slow down
	Unavailable  Code = "connectionLost"     // a part we need does not answer
	Internal     Code = "failed"             // our fault

	NeedsStepUp   Code = "stepUpNeeded"   // both factors must be proven again first
	NeedsApproval Code = "approvalNeeded" // another person must approve it
)

// Error is the one error whose words a person may read. Message is a whole
// sentence; Fields holds one sentence per form field.
type Error struct {
	Code    Code
	Message string
	Fields  map[string]string
	cause   error
}

// Error gives the code and the message, for logs.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap gives what caused it, which is for logs and never shown.
func (e *Error) Unwrap() error { return e.cause }

// Errorf makes an Error whose formatted message a person may read.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with a cause that only the log sees.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), cause: cause}
}

// InvalidFields makes an Invalid error with one sentence per field.
func InvalidFields(fields map[string]string) *Error {
	return &Error{Code: Invalid, Message: "Some values need another look.", Fields: fields}
}

// CodeOf gives the code of the first Error in the chain; Internal for an error
// that is not one of ours, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// MessageOf gives the sentence that a person may read. An error that is not
// one of ours says nothing of its inside.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Something went wrong on our side."
}

// FieldsOf gives the per-field sentences, nil when there are none.
func FieldsOf(err error) map[string]string {
	var e *Error
	if errors.As(err, &e) {
		return e.Fields
	}
	return nil
}
