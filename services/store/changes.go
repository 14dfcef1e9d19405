package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
)

// The channel that Tx.Notify tells of changes on, and how a listener keeps its
// line: a question every pingEvery makes a living server say something, so a
// line that is silent for lineSilence is dead.
const (
	changesChannel = "counterfoil"
	pingEvery      = 20 * time.Second
	lineSilence    = 50 * time.Second
	soonestAgain   = 500 * time.Millisecond
	latestAgain    = 30 * time.Second
)

// Change is an object of a merchant that changed, as Tx.Notify told of it. It
// carries no data: whoever shows the object reads it again.
type Change struct {
	Merchant domain.MerchantID
	Object   string // "payment", "device"
	ID       string
}

// Listen calls changed for every change that any process commits, until ctx
// ends. It uses one connection of its own to directURL, which must not be a
// pooler: in transaction mode those deliver nothing. lost is called whenever the
// line stands, the first time too, because what was told before was not heard.
// A line that breaks is opened again, the sooner the shorter it was down. Both
// functions run on Listen's goroutine and must not wait.
//
// The error is ctx's, or says why the first connection could not be prepared.
func (s *Store) Listen(ctx context.Context, directURL string, changed func(Change), lost func()) error {
	dsn, err := narrowedURL(ctx, directURL)
	if err != nil {
		return err
	}
	if !strings.Contains(dsn, "connect_timeout") {
		if dsn, err = withParam(dsn, "connect_timeout", "5"); err != nil {
			return err
		}
	}
	line := pq.NewDialListener(bounded{silence: lineSilence}, dsn, soonestAgain, latestAgain, nil)
	done := make(chan struct{})
	defer func() {
		close(done)
		// lib/pq ends only when nobody is kept waiting by its channel.
		go func() {
			for range line.Notify {
			}
		}()
		go func() { _ = line.Close() }()
	}()
	listening := make(chan error, 1)
	go func() { listening <- line.Listen(changesChannel) }()
	go func() {
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_ = line.Ping() // what is wrong with the line ends it, and lib/pq opens another
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-listening:
			if err != nil {
				return dbError("listen", err)
			}
			listening = nil
			lost()
		case n, ok := <-line.Notify:
			switch {
			case !ok:
				return errors.New("store: listen: the line was closed")
			case n == nil: // the line was down
				lost()
			default:
				if c, ok := parseChange(n.Extra); ok {
					changed(c)
				}
			}
		}
	}
}

// parseChange reads the payload of Tx.Notify.
func parseChange(payload string) (Change, bool) {
	merchant, rest, _ := strings.Cut(payload, " ")
	object, id, ok := strings.Cut(rest, " ")
	m, err := domain.ParseMerchantID(merchant)
	if !ok || err != nil || object == "" || uuid.Validate(id) != nil {
		return Change{}, false
	}
	return Change{Merchant: m, Object: object, ID: id}, true
}

// SessionKey is what a session is known by where its token must not be kept.
func SessionKey(token string) string { return string(sessionHash(token)) }

// Standing is what an open stream was let in with.
type Standing struct {
	Session  string // SessionKey of its session's token
	Merchant domain.MerchantID
	User     domain.UserID
	Role     domain.Role
}

// StillStanding says, by one statement for all of them, which of these still
// hold: the session was neither ended nor idle for that long, and its user is
// neither disabled nor in another role at that merchant. It moves no idle clock.
func (s *Store) StillStanding(ctx context.Context, all []Standing, now time.Time, idle time.Duration) (map[Standing]bool, error) {
	hashes, merchants, users, roles := make(pq.ByteaArray, len(all)), make(pq.StringArray, len(all)), make(pq.StringArray, len(all)), make(pq.StringArray, len(all))
	for i, w := range all {
		hashes[i], merchants[i], users[i], roles[i] = []byte(w.Session), w.Merchant.String(), w.User.String(), string(w.Role)
	}
	rows, err := s.counted(s.db).QueryContext(ctx, `
		select w.n from unnest($1::bytea[], $2::uuid[], $3::uuid[], $4::text[]) with ordinality as w (token_hash, merchant_id, user_id, role, n)
		join sessions s on s.token_hash = w.token_hash and s.user_id = w.user_id
		join users u on u.id = w.user_id
		join memberships m on m.user_id = w.user_id and m.merchant_id = w.merchant_id
		where s.expires_at > $5 and s.last_seen_at > $6 and u.disabled_at is null and m.role = w.role`,
		hashes, merchants, users, roles, now, now.Add(-idle))
	if err != nil {
		return nil, dbError("who still stands", err)
	}
	defer rows.Close()
	out := make(map[Standing]bool, len(all))
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, dbError("who still stands", err)
		}
		out[all[n-1]] = true
	}
	return out, dbError("who still stands", rows.Err())
}
