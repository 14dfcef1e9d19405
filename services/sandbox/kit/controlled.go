package kit

import "net/http"

// Controlled is an emulator with controls of its own, beyond those that every
// emulator has. They are mounted below its part of the control API and the
// names may hold a slash; a name that the control API has already is a
// programming error.
type Controlled interface {
	// Controls are the handlers by name: "device" is served at
	// /_sandbox/<provider>/device.
	Controls() map[string]http.Handler
}

// Command makes a handler for a control of an emulator's own: a POST whose
// strict JSON body is T, answered like the control API's calls.
func Command[T any](do func(T) error) http.Handler {
	h := control(func(in T) (any, error) { return nil, do(in) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			writeJSON(w, http.StatusMethodNotAllowed, controlError{Error: "send a POST"})
			return
		}
		h.ServeHTTP(w, r)
	})
}
