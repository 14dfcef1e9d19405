package connections

import (
	"context"
	"maps"
	"strings"
	"time"
	"unicode"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

const (
	// testEvery is the least time between two tests of one connection.
	testEvery = 5 * time.Second
	// testTimeout bounds a test whose registration names no time-out.
	testTimeout = 30 * time.Second
	// minSecret is the length from which a credential is looked for in texts:
	// shorter ones would be found in every other word.
	minSecret = 4
	// maxSaid bounds what is kept of a provider's words, in characters.
	maxSaid = 300
	// maxTested bounds the memory of who was tested when.
	maxTested = 10_000
)

// Verdict is what a provider said to a test, in words that may be shown.
type Verdict struct {
	OK      bool
	Said    string // the provider's own words and code; empty when it said nothing
	Meaning string // what that means, and what to do about it
	At      time.Time
}

// Test asks the provider a harmless question with the credentials in use, keeps
// the answer and leaves one audit row. It needs connections:manage. A refusal of
// the credentials is a Verdict. TooMany when the connection was tested a moment
// ago; Invalid when the system has no such question; Conflict when settings or
// credentials were changed while it was asked, and then nothing is kept.
func (s *Service) Test(ctx context.Context, actor domain.Actor, id domain.ConnectionID) (Verdict, error) {
	if err := actor.Require(domain.ConnectionsManage); err != nil {
		return Verdict{}, err
	}
	st, rows, err := s.read(ctx, actor.MerchantID, id)
	if err != nil {
		return Verdict{}, err
	}
	if st.Removed() {
		return Verdict{}, errRemoved
	}
	v, err := s.ask(ctx, st, rows, store.SlotCurrent)
	if err != nil {
		return v, err
	}
	// The answer is written down even when the browser has gone meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	settings := st.Settings
	err = s.change(ctx, actor, id, func(tx *store.Tx, st store.ConnectionState, at time.Time) error {
		now, err := tx.SecretRows(ctx, id)
		if err != nil {
			return err
		}
		if !sameSet(rows, now, store.SlotCurrent) || !maps.Equal(settings, st.Settings) {
			return domain.Errorf(domain.Conflict, "The connection was changed while it was tested. Test it again.")
		}
		tx.Audit(entry(at, actor, "connection.tested", st.Connection, result(v)))
		return tx.SaveTest(ctx, id, v.At, v.OK, v.Said, v.Meaning)
	})
	return v, err
}

func result(v Verdict) string {
	if v.OK {
		return "ok"
	}
	return "failed"
}

// ask puts the question with the credentials of one slot, outside any database
// transaction.
func (s *Service) ask(ctx context.Context, st store.ConnectionState, rows []store.SecretRow, slot store.Slot) (Verdict, error) {
	reg, _ := s.Registry.Get(st.Provider)
	p, err := s.bind(st.Connection, rows, slot)
	if err != nil {
		return Verdict{Meaning: domain.MessageOf(err), At: s.now()}, nil
	}
	tester, ok := p.(providers.ConnectionTester)
	if !ok || s.whyNot(st.Connection, reg, p, domain.CanTestConnection) != "" {
		return Verdict{}, domain.Errorf(domain.Invalid, "%s has no question that is safe to ask.", reg.Label)
	}
	if !s.mayAsk(st.ID, st.TestedAt) {
		return Verdict{}, domain.Errorf(domain.TooMany, "This connection was tested a moment ago. Wait %d seconds, then test it again.", int(testEvery/time.Second))
	}
	timeout, _ := providers.Limits(reg, st.Settings)
	if timeout <= 0 {
		timeout = testTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	probe, err := tester.TestConnection(ctx)
	v := Verdict{OK: err == nil && probe.OK, Said: probe.Said, Meaning: join(probe.Meaning, probe.ToDo), At: s.now()}
	code := probe.Code
	if err != nil {
		v.Said, v.Meaning = "", meaningOf(reg, err)
		if e, ok := providers.AsError(err); ok {
			v.Said, code = e.Text, e.Code
		}
	}
	if v.Meaning == "" {
		v.Meaning = map[bool]string{true: reg.Label + " accepts these credentials.", false: reg.Label + " does not accept this connection."}[v.OK]
	}
	secrets, err := s.open(st.Connection, rows, slot)
	if err != nil {
		return v, err
	}
	v.Said, v.Meaning = safe(v.Said, secrets), safe(v.Meaning, secrets)
	switch code = safe(code, secrets); {
	case code == "" || strings.Contains(v.Said, code):
	case v.Said != "":
		v.Said += " (" + code + ")"
	case !v.OK:
		v.Said = "code " + code
	}
	return v, nil
}

func join(sentences ...string) string {
	return strings.TrimSpace(strings.Join(sentences, " "))
}

// meaningOf says what it means that a provider gave no answer that counts.
func meaningOf(reg providers.Registration, err error) string {
	e, ok := providers.AsError(err)
	if !ok {
		return "No answer could be had from " + reg.Label + ". Test again in a minute."
	}
	switch e.Kind {
	case providers.KindUnreachable:
		return reg.Label + " could not be reached at this address. Check the address, or test again in a minute."
	case providers.KindNoAnswer:
		return reg.Label + " did not answer in time. Test again in a minute."
	case providers.KindCredentials:
		return reg.Label + " refused these credentials. Check them in its portal, then replace them here."
	case providers.KindRateLimited:
		return reg.Label + " asked us to slow down. Test again in a minute."
	case providers.KindServer:
		return reg.Label + " had an error of its own. Test again later; if it stays, ask its support."
	case providers.KindGarbage:
		return "What answered at this address does not speak like " + reg.Label + ". Check the address."
	case providers.KindRefused, providers.KindUnsupported:
		return reg.Label + " refused the question itself. Check the address and the values of the connection."
	}
	return "No answer could be had from " + reg.Label + ". Test again in a minute."
}

// safe makes foreign words fit to be kept and shown: no credential, no card
// number, no control characters, not too long. Adapters scrub what they give;
// this is the last door.
func safe(words string, secrets map[string]string) string {
	words = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words, "\uFFFD"))
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			words = strings.ReplaceAll(words, secret, "[redacted]")
		}
	}
	if domain.LooksLikeCardNumber(words) {
		return "[redacted]"
	}
	return providers.AtMost(strings.TrimSpace(words), maxSaid)
}

// mayAsk says whether a connection may be tested now, and remembers that it was.
// last is what the database knows, for a server beside this one.
func (s *Service) mayAsk(id domain.ConnectionID, last time.Time) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tested[id]; t.After(last) {
		last = t
	}
	if !last.IsZero() && now.Sub(last) < testEvery && !last.After(now) {
		return false
	}
	if s.tested == nil || len(s.tested) >= maxTested {
		s.tested = map[domain.ConnectionID]time.Time{}
	}
	s.tested[id] = now
	return true
}
