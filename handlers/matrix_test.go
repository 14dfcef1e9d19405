package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/web"
)

// access is one line of the table of who may call a route.
type access struct {
	// path is a concrete address; empty when the route's pattern is one.
	path string
	// roles may; everyBody means each role, public means without a session too.
	roles []domain.Role
	// anonymous is the status without a session; 0 means what follows from
	// public: a redirect to the sign-in page for reads, 401 for forms.
	anonymous int
	public    bool
	// ends says that the call ends the session, so each role signs in anew.
	ends bool
	// stream says that the answer has no end: its head is looked at.
	stream bool
}

var everybody = domain.Roles

// checkMatrix walks every route of the server as every role and as nobody. A
// route that the table does not name fails, and so does a line without a route.
func checkMatrix(t *testing.T, s *site, table map[string]access) {
	t.Helper()
	browsers := map[domain.Role]*browser{}
	for _, role := range domain.Roles {
		s.addUser(string(role)+"@matrix.example.com", role)
		browsers[role] = s.browser().signIn(string(role) + "@matrix.example.com")
	}
	seen := map[string]bool{}
	for _, r := range s.web.Routes() {
		name := r.Method + " " + r.Path
		seen[name] = true
		row, ok := table[name]
		if !ok {
			t.Errorf("%s is not in the table of who may call what", name)
			continue
		}
		path := row.path
		if path == "" {
			path = r.Path
		}
		wantAnonymous := row.anonymous
		if wantAnonymous == 0 && !row.public {
			wantAnonymous = http.StatusSeeOther
			if r.Method != http.MethodGet {
				wantAnonymous = http.StatusUnauthorized
			}
		}
		nobody := s.browser()
		got := nobody.call(r, path, "")
		if wantAnonymous != 0 && got.StatusCode != wantAnonymous {
			t.Errorf("%s without a session: %d, want %d", name, got.StatusCode, wantAnonymous)
		}
		if got.StatusCode == http.StatusSeeOther && !row.public && !strings.HasPrefix(got.Header.Get("Location"), "/signin") {
			t.Errorf("%s without a session leads to %q", name, got.Header.Get("Location"))
		}
		for _, role := range domain.Roles {
			b := browsers[role]
			token := b.token("/account")
			status := 0
			if row.stream {
				status = b.listen(path).res.StatusCode
			} else {
				status = b.call(r, path, token).StatusCode
			}
			if may := row.public || slices.Contains(row.roles, role); !may && status != http.StatusForbidden {
				t.Errorf("%s as %s: %d, want 403", name, role, status)
			} else if may && (status == http.StatusForbidden || status == http.StatusUnauthorized || status >= 500) {
				t.Errorf("%s as %s: %d, should be let in", name, role, status)
			}
			if row.ends {
				browsers[role] = s.browser().signIn(string(role) + "@matrix.example.com")
			}
		}
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("the table names %s, which no route answers", name)
		}
	}
}

func (b *browser) call(r web.Route, path, csrf string) answer {
	if r.Method == http.MethodGet {
		return b.get(path)
	}
	return b.post(path, url.Values{web.FieldCSRF: {csrf}})
}

// platformRoutes are the routes that every server has.
var platformRoutes = map[string]access{
	"GET /static/*":            {path: "/static/none.css", public: true, anonymous: http.StatusNotFound},
	"POST /csp-report":         {public: true, anonymous: http.StatusNoContent},
	"GET /healthz":             {public: true, anonymous: http.StatusOK},
	"GET /readyz":              {public: true, anonymous: http.StatusOK},
	"GET /signin":              {public: true, anonymous: http.StatusOK},
	"GET /signin/totp":         {public: true, anonymous: http.StatusSeeOther},
	"GET /setup/:token":        {path: "/setup/none", public: true, anonymous: http.StatusNotFound},
	"GET /setup/:token/qr.png": {path: "/setup/none/qr.png", public: true, anonymous: http.StatusNotFound},
	"POST /setup/:token":       {path: "/setup/none", public: true, anonymous: http.StatusForbidden},
	"POST /signin":             {public: true, anonymous: http.StatusForbidden, ends: true},
	"POST /signin/totp":        {public: true, anonymous: http.StatusForbidden},
	"POST /signout":            {roles: everybody, anonymous: http.StatusSeeOther, ends: true},
	"GET /account":             {roles: everybody},
	"POST /account/theme":      {roles: everybody},
}

func TestEveryRouteAsEveryRole(t *testing.T) {
	checkMatrix(t, newSite(t), platformRoutes)
}
