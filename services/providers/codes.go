package providers

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/counterfoil/counterfoil/services/domain"
)

// Code is one code or word of a provider's document, and the reason that it
// becomes. Every adapter lists its own: docs/decline-reasons.md is made of them.
type Code struct {
	// List is where the code stands, for example "payment" or "issuer": the same
	// code can mean two things in two lists.
	List string
	// Code is written as the document writes it; for a provider that has texts
	// instead of codes it is the text.
	Code string
	// Reason is ReasonUnmapped where the provider's own words are shown: the code
	// says no reason, or nothing is decided by it and it is a reason only if the
	// provider says elsewhere that the transaction has ended.
	Reason domain.Reason
}

// CodesOf lists a table of reasons. ReasonNone in it, of a code that leaves the
// outcome open, is listed as ReasonUnmapped.
func CodesOf[M ~map[string]V, V any](list string, table M, reason func(V) domain.Reason) []Code {
	out := make([]Code, 0, len(table))
	for code, v := range table {
		r := reason(v)
		if r == domain.ReasonNone {
			r = domain.ReasonUnmapped
		}
		out = append(out, Code{List: list, Code: code, Reason: r})
	}
	slices.SortFunc(out, func(a, b Code) int { return cmp.Compare(a.Code, b.Code) })
	return out
}

// StatusCodes lists the HTTP statuses that are told by themselves, where no code
// of the provider's stands behind them: those that the whole house takes for a
// certain no, those that the adapter does, and the open ones, after which nothing
// is decided.
func StatusCodes(refused, open []int) []Code {
	reasons := map[string]domain.Reason{
		strconv.Itoa(http.StatusUnauthorized): domain.ReasonCredentials, strconv.Itoa(http.StatusForbidden): domain.ReasonCredentials,
		strconv.Itoa(http.StatusTooManyRequests): domain.ReasonRateLimited,
	}
	for _, status := range refused {
		reasons[strconv.Itoa(status)] = domain.ReasonInvalidRequest
	}
	for _, status := range open {
		reasons[strconv.Itoa(status)] = domain.ReasonUnmapped
	}
	return CodesOf("HTTP status", reasons, ReasonItself)
}

// ReasonItself is CodesOf's reading of a table that holds reasons.
func ReasonItself(r domain.Reason) domain.Reason { return r }

// NoReason is CodesOf's reading of a set of codes that give no reason.
func NoReason(bool) domain.Reason { return domain.ReasonUnmapped }
