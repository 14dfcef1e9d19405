package kit

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// MaxBody is the largest request body that an emulator reads, in bytes.
const MaxBody = 1 << 20

// ErrorBody renders the provider's own answer to an HTTP error status.
type ErrorBody func(status int) []byte

// Serve wraps an emulator: it reads the body (413 above MaxBody), applies the
// next fault, buffers the answer and writes both to the journal. The request
// that next sees has its whole body in memory.
func (k *Kit) Serve(next http.Handler, errorBody ErrorBody) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Entry{
			At:      k.Clock.Now(),
			Method:  r.Method,
			URL:     r.RequestURI,
			Headers: scrubHeaders(r.Header),
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			status := http.StatusBadRequest
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			k.answer(w, &entry, statusAnswer(Fault{Status: status}, errorBody))
			return
		}
		entry.Body = string(body)

		fault, faulty := k.Faults.Take(r.Method, r.URL.Path)
		entry.Fault = fault.Kind
		switch fault.Kind {
		case FaultDropBefore:
			k.Journal.Add(entry)
			panic(http.ErrAbortHandler)
		case FaultStatus:
			k.answer(w, &entry, statusAnswer(fault, errorBody))
			return
		case FaultDelay:
			k.Faults.wait(fault)
		}

		reply := &recorder{header: http.Header{}, status: http.StatusOK}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(reply, r)
		entry.Processed = true

		if faulty {
			switch fault.Kind {
			case FaultDropAfter:
				k.Journal.Add(entry)
				panic(http.ErrAbortHandler)
			case FaultDelayReply:
				k.Faults.wait(fault)
			case FaultStatusAfter:
				reply = statusAnswer(fault, errorBody)
			case FaultGarbage:
				garbage := fault.Body
				if garbage == "" {
					garbage = `{"success": tru`
				}
				reply.body.Reset()
				reply.body.WriteString(garbage)
			case FaultWrongContentType:
				reply = &recorder{header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, status: http.StatusOK}
				reply.body.WriteString("<!doctype html><title>Welcome</title><p>Please sign in to the network.</p>")
			case FaultOversize:
				reply.body.Reset()
				reply.body.WriteString(`{"padding":"`)
				reply.body.WriteString(strings.Repeat("x", max(0, fault.Size-14)))
				reply.body.WriteString(`"}`)
			}
		}
		k.answer(w, &entry, reply)
	})
}

func (k *Kit) answer(w http.ResponseWriter, entry *Entry, reply *recorder) {
	entry.Status = reply.status
	entry.Reply = string(reply.body.Bytes()[:min(reply.body.Len(), maxJournalBody)])
	k.Journal.Add(*entry)
	for name, values := range reply.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(reply.body.Len()))
	w.WriteHeader(reply.status)
	// An error here means that the caller has gone away, which is its right.
	_, _ = w.Write(reply.body.Bytes())
}

func statusAnswer(f Fault, errorBody ErrorBody) *recorder {
	reply := &recorder{header: http.Header{}, status: f.Status}
	reply.header.Set("Content-Type", "application/json; charset=utf-8")
	if f.RetryAfter > 0 {
		reply.header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	switch {
	case f.Body != "":
		reply.body.WriteString(f.Body)
	case errorBody != nil:
		reply.body.Write(errorBody(f.Status))
	}
	return reply
}

// recorder holds an answer back until the fault menu has had its say.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}
