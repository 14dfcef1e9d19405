// Package events tells open pages that something which they show has changed.
// A Hub hears every change that any process commits (store.Listen) and hands its
// name, never its content, to the streams of the merchant that it belongs to;
// the page then asks for the part again, and the ordinary GET authorises. It
// imports store and domain.
package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// The limits of streams.
const (
	// PerUser is how many streams one person may hold open in one process.
	PerUser = 20
	// PerProcess is how many streams a process holds open in all.
	PerProcess = 2000
	// CheckEvery is how often it is asked whether those who hold streams may still
	// have them: a sign-out ends a stream within five seconds.
	CheckEvery = 4 * time.Second

	mostPending = 64   // names that wait for one stream; more become one Resync
	remembered  = 4096 // changes that a stream which was away can be told of
	checkWithin = 4 * time.Second
)

// Resync is the name of the event that says: more has changed than can be told,
// ask for everything that you show.
const Resync = "resync"

// Options is what a Hub is made from.
type Options struct {
	Store *store.Store
	// DirectURL is the database without a pooler.
	DirectURL string
	// Idle ends a session, and so its streams.
	Idle time.Duration
	Now  func() time.Time
	Log  *slog.Logger
}

// Hub hands changes to streams. It is safe for use by many goroutines, and no
// stream, however slow, holds it up.
type Hub struct {
	opt Options

	mu      sync.Mutex
	closed  bool
	unsure  bool // the last check could not be made
	epoch   string
	seq     uint64
	changes [remembered]store.Change // the change n at n modulo remembered, from oldest on
	oldest  uint64                   // nothing at or before it is remembered
	streams map[domain.MerchantID]map[*Stream]struct{}
	users   map[domain.UserID]int
	open    int
}

// New makes a hub. It tells of nothing until it is Run.
func New(opt Options) *Hub {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	return &Hub{opt: opt, epoch: newEpoch(), streams: map[domain.MerchantID]map[*Stream]struct{}{}, users: map[domain.UserID]int{}}
}

func newEpoch() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// Run listens, and checks the open streams, until ctx ends; then it closes them
// all. A database that is away is waited for.
func (h *Hub) Run(ctx context.Context) {
	defer h.Close()
	var listening sync.WaitGroup
	listening.Go(func() { h.listen(ctx) })
	tick := time.NewTicker(CheckEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			h.Check(ctx)
		}
	}
	listening.Wait()
}

func (h *Hub) listen(ctx context.Context) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		err := h.opt.Store.Listen(ctx, h.opt.DirectURL, h.publish, h.lost)
		if ctx.Err() != nil {
			return
		}
		h.opt.Log.Warn("live pages: the database cannot be listened to", "error", err)
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// Close ends every stream at once and lets no new one in.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, of := range h.streams {
		for s := range of {
			h.drop(s)
		}
	}
}

// Open is how many streams there are.
func (h *Hub) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// Position is where the hub is now. A page that was made after it was read, and
// opens a stream with it, misses nothing.
func (h *Hub) Position() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.position()
}

func (h *Hub) position() string { return h.epoch + "-" + strconv.FormatUint(h.seq, 10) }

// Who opens a stream: who is signed in where, by which session, and which
// objects they may see.
type Who struct {
	Actor   domain.Actor
	Session string // the session's token; only its hash is kept
	Objects []string
}

// Stream is the changes for one open page. Wait for Changed, then Take.
type Stream struct {
	hub      *Hub
	standing store.Standing
	objects  []string
	names    []Event
	known    map[string]struct{}
	resync   bool
	changed  chan struct{}
	done     chan struct{}
	dropped  bool
}

// Event is one thing to tell a page.
type Event struct {
	Name string // "payment-<id>", "device-<id>", "devices", or Resync
	ID   string // the object's; empty where the name is of no single one
}

// Subscribe opens a stream that begins behind a Position; one that is not known
// any more, or none, begins with Resync. Close it when it ends. TooMany when the
// person or the process has as many as allowed, Unavailable after Close.
func (h *Hub) Subscribe(who Who, after string) (*Stream, error) {
	s := &Stream{
		hub: h, objects: who.Objects, known: map[string]struct{}{}, changed: make(chan struct{}, 1), done: make(chan struct{}),
		standing: store.Standing{Session: store.SessionKey(who.Session), Merchant: who.Actor.MerchantID, User: who.Actor.UserID, Role: who.Actor.Role},
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, domain.Errorf(domain.Unavailable, "The server is stopping. Reload the page in a moment.")
	case h.users[who.Actor.UserID] >= PerUser:
		return nil, domain.Errorf(domain.TooMany, "You have too many live pages open. Close some, then reload this one.")
	case h.open >= PerProcess:
		return nil, domain.Errorf(domain.TooMany, "Too many live pages are open at the moment. Reload to see changes.")
	}
	of := h.streams[who.Actor.MerchantID]
	if of == nil {
		of = map[*Stream]struct{}{}
		h.streams[who.Actor.MerchantID] = of
	}
	of[s] = struct{}{}
	h.users[who.Actor.UserID]++
	h.open++
	epoch, number, _ := strings.Cut(after, "-")
	from, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != h.epoch || from < h.oldest || from > h.seq {
		s.everything()
		return s, nil
	}
	for n := from + 1; n <= h.seq; n++ {
		if c := h.changes[n%remembered]; c.Merchant == who.Actor.MerchantID {
			s.add(c)
		}
	}
	return s, nil
}

// Close ends the stream. It may be called more than once.
func (s *Stream) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.drop(s)
}

// drop takes a stream out; the lock is held.
func (h *Hub) drop(s *Stream) {
	if s.dropped {
		return
	}
	s.dropped = true
	close(s.done)
	of := h.streams[s.standing.Merchant]
	delete(of, s)
	if len(of) == 0 {
		delete(h.streams, s.standing.Merchant)
	}
	if h.users[s.standing.User]--; h.users[s.standing.User] == 0 {
		delete(h.users, s.standing.User)
	}
	h.open--
}

// Changed delivers when there is something to Take.
func (s *Stream) Changed() <-chan struct{} { return s.changed }

// Done is closed when the stream has ended: its session did, or the process
// stops.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Take gives what has changed since the last Take, each name once, and the
// position that is reached when all of it is told; empty while there may be more
// that must not be told yet.
func (s *Stream) Take() ([]Event, string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	// While it is not known who may hear, nobody hears anything.
	if s.dropped || s.hub.unsure {
		return nil, ""
	}
	at := s.hub.position()
	names := s.names
	if s.resync {
		names = []Event{{Name: Resync}}
	}
	s.names, s.resync = nil, false
	clear(s.known)
	return names, at
}

// add notes a change; the lock is held.
func (s *Stream) add(c store.Change) {
	if !slices.Contains(s.objects, c.Object) {
		return
	}
	s.note(Event{Name: c.Object + "-" + c.ID, ID: c.ID})
	if c.Object == "device" {
		s.note(Event{Name: "devices"})
	}
}

func (s *Stream) note(e Event) {
	if _, ok := s.known[e.Name]; ok || s.resync {
		return
	}
	if len(s.names) == mostPending {
		s.everything()
		return
	}
	s.known[e.Name] = struct{}{}
	s.names = append(s.names, e)
	s.wake()
}

func (s *Stream) everything() {
	s.names, s.resync = nil, true
	clear(s.known)
	s.wake()
}

func (s *Stream) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// publish hands a change to the streams of its merchant.
func (h *Hub) publish(c store.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	h.changes[h.seq%remembered] = c
	if h.seq-h.oldest > remembered {
		h.oldest = h.seq - remembered
	}
	for s := range h.streams[c.Merchant] {
		s.add(c)
	}
}

// lost says that changes may have gone by unheard.
func (h *Hub) lost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch, h.oldest = newEpoch(), h.seq
	for _, of := range h.streams {
		for s := range of {
			s.everything()
		}
	}
}

// Check asks, by one statement, whether all who hold streams may still have
// them, and ends the others'. Without an answer the streams fall silent until
// there is one. Run calls it every CheckEvery.
func (h *Hub) Check(ctx context.Context) {
	h.mu.Lock()
	asked := map[store.Standing]struct{}{}
	for _, of := range h.streams {
		for s := range of {
			asked[s.standing] = struct{}{}
		}
	}
	h.mu.Unlock()
	if len(asked) == 0 {
		return
	}
	all := make([]store.Standing, 0, len(asked))
	for w := range asked {
		all = append(all, w)
	}
	within, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	stands, err := h.opt.Store.StillStanding(within, all, h.opt.Now(), h.opt.Idle)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		if !errors.Is(err, context.Canceled) && !h.unsure {
			h.opt.Log.Warn("live pages: it cannot be checked who may have them", "error", err)
		}
		h.unsure = true
		return
	}
	was := h.unsure
	h.unsure = false
	for _, of := range h.streams {
		for s := range of {
			if _, ok := asked[s.standing]; ok && !stands[s.standing] {
				h.drop(s)
			} else if was {
				s.wake()
			}
		}
	}
}
