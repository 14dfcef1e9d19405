package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
)

// Session is one stored session. It has no name of its own so that it is the
// very type that web's Store asks for: neither package may import the other.
type Session = struct {
	Data       []byte
	UserID     domain.UserID // zero before the password step
	LastSeenAt time.Time
	ExpiresAt  time.Time
}

// A token is as good as a password, so only its hash is kept: a copy of the
// table opens no session.
func sessionHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// FindSession reads a session whatever its age; false when there is none.
func (s *Store) FindSession(ctx context.Context, token string) (Session, bool, error) {
	var out Session
	var user uuid.NullUUID
	err := s.counted(s.db).QueryRowxContext(ctx, `select data, user_id, last_seen_at, expires_at from sessions where token_hash = $1`, sessionHash(token)).
		Scan(&out.Data, &user, &out.LastSeenAt, &out.ExpiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return out, false, nil
	}
	if err != nil {
		return out, false, dbError("find session", err)
	}
	out.UserID.UUID = user.UUID
	return out, true, nil
}

// InsertSession adds a session that was created when it was last seen. A few
// sessions past their end are cleared away by the same statement.
func (s *Store) InsertSession(ctx context.Context, token string, row Session) error {
	_, err := s.counted(s.db).ExecContext(ctx, `
		with gone as (
			delete from sessions where token_hash in (
				select token_hash from sessions where expires_at < $4 order by expires_at limit 20 for update skip locked))
		insert into sessions (token_hash, data, user_id, created_at, last_seen_at, expires_at) values ($1, $2, $3, $4, $4, $5)`,
		sessionHash(token), row.Data, uuid.NullUUID{UUID: row.UserID.UUID, Valid: !row.UserID.IsZero()}, row.LastSeenAt, row.ExpiresAt)
	return dbError("insert session", err)
}

// UpdateSession changes the data of a session that is still there. One that was
// ended meanwhile stays ended, and that is no error.
func (s *Store) UpdateSession(ctx context.Context, token string, data []byte) error {
	_, err := s.counted(s.db).ExecContext(ctx, `update sessions set data = $2 where token_hash = $1`, sessionHash(token), data)
	return dbError("update session", err)
}

// TouchSession moves the idle clock forward, never back.
func (s *Store) TouchSession(ctx context.Context, token string, at time.Time) error {
	_, err := s.counted(s.db).ExecContext(ctx, `update sessions set last_seen_at = $2 where token_hash = $1 and last_seen_at < $2`, sessionHash(token), at)
	return dbError("touch session", err)
}

// DeleteSession ends a session; one that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, token string) error {
	_, err := s.counted(s.db).ExecContext(ctx, `delete from sessions where token_hash = $1`, sessionHash(token))
	return dbError("delete session", err)
}

// EndSessionsOf ends every session of a user in this unit of work and says how
// many there were.
func (t *Tx) EndSessionsOf(ctx context.Context, user domain.UserID) (int64, error) {
	res, err := t.q.ExecContext(ctx, `delete from sessions where user_id = $1`, user)
	if err != nil {
		return 0, dbError("end sessions", err)
	}
	return res.RowsAffected()
}
