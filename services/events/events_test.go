package events

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

var both = []string{"payment", "device"}

func someone(m domain.MerchantID) Who {
	return Who{Actor: domain.Actor{MerchantID: m, UserID: domain.NewUserID(), Role: domain.Cashier}, Session: "token", Objects: both}
}

func open(t *testing.T, h *Hub, who Who, after string) *Stream {
	t.Helper()
	s, err := h.Subscribe(who, after)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(s *Stream) []string {
	var out []string
	told, _ := s.Take()
	for _, e := range told {
		out = append(out, e.Name)
	}
	return out
}

func wants(t *testing.T, s *Stream, want ...string) {
	t.Helper()
	if got := names(s); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

func payment(m domain.MerchantID) store.Change {
	return store.Change{Merchant: m, Object: "payment", ID: uuid.NewString()}
}

func TestAStreamIsToldEachNameOnceAndOnlyWhatItMaySee(t *testing.T) {
	t.Parallel()
	h, m := New(Options{}), domain.NewMerchantID()
	all := open(t, h, someone(m), h.Position())
	few := someone(m)
	few.Objects = []string{"payment"}
	some := open(t, h, few, h.Position())
	p, d := payment(m), store.Change{Merchant: m, Object: "device", ID: uuid.NewString()}
	for _, c := range []store.Change{p, d, p, d, p} {
		h.publish(c)
	}
	wants(t, all, "payment-"+p.ID, "device-"+d.ID, "devices")
	wants(t, some, "payment-"+p.ID)
	wants(t, all)
	h.publish(d)
	wants(t, all, "device-"+d.ID, "devices")
}

func TestASlowStreamIsToldToAskForEverythingOnce(t *testing.T) {
	t.Parallel()
	h, m := New(Options{}), domain.NewMerchantID()
	s := open(t, h, someone(m), h.Position())
	for range 100 * mostPending {
		h.publish(payment(m))
	}
	wants(t, s, Resync)
	last := payment(m)
	h.publish(last)
	wants(t, s, "payment-"+last.ID)
}

func TestAStreamThatComesBackHearsWhatItMissed(t *testing.T) {
	t.Parallel()
	h, m, other := New(Options{}), domain.NewMerchantID(), domain.NewMerchantID()
	h.publish(payment(m))
	at := h.Position()
	missed := payment(m)
	h.publish(payment(other))
	h.publish(missed)
	wants(t, open(t, h, someone(m), at), "payment-"+missed.ID)
	wants(t, open(t, h, someone(m), h.Position()))
	for _, unknown := range []string{"", "nonsense", "0-0", h.epoch + "-", h.epoch + "-99", h.epoch + "--1"} {
		wants(t, open(t, h, someone(m), unknown), Resync)
	}
	for range remembered {
		h.publish(payment(other))
	}
	wants(t, open(t, h, someone(m), at), Resync)
	at = h.Position()
	h.publish(missed)
	for range remembered - 1 {
		h.publish(payment(other))
	}
	wants(t, open(t, h, someone(m), at), "payment-"+missed.ID)
	// The line was down: nobody knows what was said meanwhile.
	at = h.Position()
	s := open(t, h, someone(m), at)
	h.lost()
	wants(t, s, Resync)
	wants(t, open(t, h, someone(m), at), Resync)
}

func TestOneMerchantsChangesNeverReachAnothersStream(t *testing.T) {
	t.Parallel()
	h := New(Options{})
	const shops, changes = 5, 10_000
	var merchants []domain.MerchantID
	streams := map[domain.MerchantID][]*Stream{}
	for range shops {
		m := domain.NewMerchantID()
		merchants = append(merchants, m)
		streams[m] = []*Stream{open(t, h, someone(m), h.Position()), open(t, h, someone(m), h.Position())}
	}
	owner, heard := map[string]domain.MerchantID{}, map[*Stream]int{}
	for n := range changes {
		c := payment(merchants[n*7%shops])
		owner["payment-"+c.ID] = c.Merchant
		h.publish(c)
		if n%40 != 39 {
			continue
		}
		for m, of := range streams {
			for _, s := range of {
				for _, name := range names(s) {
					if owner[name] != m {
						t.Fatalf("%s is told to a stream of another merchant, or is none", name)
					}
					heard[s]++
				}
			}
		}
	}
	for _, of := range streams {
		for _, s := range of {
			if heard[s] != changes/shops {
				t.Errorf("a stream heard %d of its merchant's %d changes", heard[s], changes/shops)
			}
		}
	}
}

func TestStreamsAreLimitedPerPersonAndInAll(t *testing.T) {
	t.Parallel()
	h, m := New(Options{}), domain.NewMerchantID()
	me := someone(m)
	var mine []*Stream
	for range PerUser {
		mine = append(mine, open(t, h, me, ""))
	}
	if _, err := h.Subscribe(me, ""); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("stream %d of one person: %v", PerUser+1, err)
	}
	mine[3].Close()
	mine[3].Close()
	open(t, h, me, "")
	for h.Open() < PerProcess {
		open(t, h, someone(m), "")
	}
	if _, err := h.Subscribe(someone(m), ""); domain.CodeOf(err) != domain.TooMany {
		t.Errorf("stream %d of the process: %v", PerProcess+1, err)
	}
	h.Close()
	for _, s := range mine {
		<-s.Done()
	}
	if h.Open() != 0 || len(h.streams) != 0 || len(h.users) != 0 {
		t.Errorf("%d streams are left after Close", h.Open())
	}
	if _, err := h.Subscribe(someone(m), ""); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("a stream after Close: %v", err)
	}
}

// One statement asks for all streams of the process, and what it does not find
// standing ends.
func TestOneStatementEndsTheStreamsOfWhoeverMayHaveThemNoMore(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	s := db.Open(t)
	statements := 0
	s.OnStatement(func(string) { statements++ })
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	h := New(Options{Store: s, Idle: 15 * time.Minute, Now: func() time.Time { return now }})
	m := domain.NewMerchantID()
	must(t, s.InTenant(t.Context(), m, func(tx *store.Tx) error {
		return tx.InsertMerchant(t.Context(), domain.Merchant{ID: m, Name: "Quay Street Books", TimeZone: "Europe/London", Mode: domain.Test,
			Currencies: []money.Currency{money.MustCurrency("GBP")}, CreatedAt: now})
	}))
	const people, each = 25, 20
	var who []Who
	streams := map[int][]*Stream{}
	for n := range people {
		w := Who{Actor: domain.Actor{MerchantID: m, UserID: domain.NewUserID(), Role: domain.Cashier}, Session: "token " + strconv.Itoa(n), Objects: both}
		must(t, s.InTenant(t.Context(), m, func(tx *store.Tx) error {
			return tx.InsertUser(t.Context(), store.User{ID: w.Actor.UserID, Email: strconv.Itoa(n) + "@example.com", Name: "Somebody"}, w.Actor.Role, now)
		}))
		must(t, s.InsertSession(t.Context(), w.Session, store.Session{Data: []byte{1}, UserID: w.Actor.UserID, LastSeenAt: now, ExpiresAt: now.Add(12 * time.Hour)}))
		who = append(who, w)
		for range each {
			streams[n] = append(streams[n], open(t, h, w, h.Position()))
		}
	}
	check := func(want string, ended ...int) {
		t.Helper()
		statements = 0
		h.Check(t.Context())
		if statements != 1 {
			t.Errorf("%s: %d statements for %d streams", want, statements, h.Open())
		}
		for n, of := range streams {
			for _, x := range of {
				select {
				case <-x.Done():
					if !slices.Contains(ended, n) {
						t.Fatalf("%s: the stream of person %d ended", want, n)
					}
				default:
					if slices.Contains(ended, n) {
						t.Fatalf("%s: the stream of person %d goes on", want, n)
					}
				}
			}
		}
	}
	exec := func(q string, args ...any) {
		t.Helper()
		_, err := db.Owner(t).Exec(q, args...)
		must(t, err)
	}
	check("all stand")
	must(t, s.DeleteSession(t.Context(), who[0].Session))
	check("signed out", 0)
	exec(`update users set disabled_at = now() where id = $1`, who[1].Actor.UserID)
	check("disabled", 0, 1)
	exec(`update memberships set role = 'analyst' where user_id = $1`, who[2].Actor.UserID)
	check("another role", 0, 1, 2)
	exec(`delete from memberships where user_id = $1`, who[3].Actor.UserID)
	check("no member", 0, 1, 2, 3)
	exec(`update sessions set expires_at = $2 where user_id = $1`, who[4].Actor.UserID, now)
	check("past its end", 0, 1, 2, 3, 4)
	// An open stream moves no idle clock: who does nothing loses it.
	now = now.Add(14 * time.Minute)
	must(t, s.TouchSession(t.Context(), who[5].Session, now))
	check("nearly idle", 0, 1, 2, 3, 4)
	now = now.Add(time.Minute)
	idle := []int{0, 1, 2, 3, 4}
	for n := 6; n < people; n++ {
		idle = append(idle, n)
	}
	check("idle", idle...)
	if h.Open() != each {
		t.Errorf("%d streams are left, want %d", h.Open(), each)
	}

	// Nothing is told while it is not known who may hear it.
	p := payment(m)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	h.Check(gone)
	h.publish(p)
	mine := streams[5][0]
	if told, at := mine.Take(); told != nil || at != "" {
		t.Errorf("unchecked: told %v up to %q", told, at)
	}
	for len(mine.changed) > 0 {
		<-mine.changed
	}
	h.Check(t.Context())
	<-mine.Changed()
	wants(t, mine, "payment-"+p.ID)

	for _, x := range streams[5] {
		x.Close()
	}
	statements = 0
	h.Check(t.Context())
	if statements != 0 {
		t.Errorf("%d statements without a stream", statements)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
