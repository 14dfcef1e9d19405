package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
)

const cardColumns = `c.id, c.connection_id, c.brand, c.last4, c.expiry, c.customer, c.created_at, coalesce(c.payment_id, '00000000-0000-0000-0000-000000000000'), c.forgetting_at`

func scanCard(row interface{ Scan(...any) error }, more ...any) (domain.StoredCard, error) {
	var c domain.StoredCard
	var forgetting sql.NullTime
	err := row.Scan(append([]any{&c.ID, &c.ConnectionID, &c.Card.Brand, &c.Card.Last4, &c.Card.Expiry, &c.Customer, &c.CreatedAt, &c.PaymentID, &forgetting}, more...)...)
	c.ForgettingAt = forgetting.Time
	return c, err
}

// InsertCard stores a card token, sealed, with its hash and what may be shown of
// the card.
func (t *Tx) InsertCard(ctx context.Context, c domain.StoredCard, sealed, tokenHash []byte) error {
	_, err := t.q.ExecContext(ctx, `insert into cards (merchant_id, id, connection_id, token_sealed, token_hash, brand, last4, expiry, customer, created_at, payment_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, t.m, c.ID, c.ConnectionID, sealed, tokenHash, c.Card.Brand, c.Card.Last4, c.Card.Expiry, c.Customer, c.CreatedAt,
		uuid.NullUUID{UUID: c.PaymentID.UUID, Valid: !c.PaymentID.IsZero()})
	return dbError("insert card", err)
}

// Cards lists a connection's newest stored cards that may be charged, at most
// limit of them.
func (t *Tx) Cards(ctx context.Context, connection domain.ConnectionID, limit int) ([]domain.StoredCard, error) {
	rows, err := t.q.QueryContext(ctx, `select `+cardColumns+` from cards c
		where c.merchant_id = $1 and c.connection_id = $2 and c.forgotten_at is null and c.forgetting_at is null order by c.created_at desc, c.id desc limit $3`, t.m, connection, limit)
	return collect("list cards", rows, err, func() (domain.StoredCard, error) { return scanCard(rows) })
}

var noCard = domain.Errorf(domain.NotFound, "There is no stored card with that id.")

// Card reads one stored card that may be charged, and its sealed token; NotFound
// when the merchant has none of that id at that connection.
func (t *Tx) Card(ctx context.Context, connection domain.ConnectionID, id domain.CardID) (domain.StoredCard, []byte, error) {
	var sealed []byte
	c, err := scanCard(t.q.QueryRowxContext(ctx, `select `+cardColumns+`, c.token_sealed from cards c
		where c.merchant_id = $1 and c.id = $2 and c.connection_id = $3 and c.forgotten_at is null and c.forgetting_at is null`, t.m, id, connection), &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil, noCard
	}
	return c, sealed, dbError("get card", err)
}

// StoredCard reads one stored card whatever its state, with its sealed token;
// NotFound when the merchant has none of that id, or it was forgotten.
func (t *Tx) StoredCard(ctx context.Context, id domain.CardID) (domain.StoredCard, []byte, error) {
	return t.storedCard(ctx, id, "")
}

// LockCard is StoredCard that holds the row until the unit of work ends.
func (t *Tx) LockCard(ctx context.Context, id domain.CardID) (domain.StoredCard, []byte, error) {
	return t.storedCard(ctx, id, " for no key update of c")
}

func (t *Tx) storedCard(ctx context.Context, id domain.CardID, lock string) (domain.StoredCard, []byte, error) {
	var sealed []byte
	c, err := scanCard(t.q.QueryRowxContext(ctx, `select `+cardColumns+`, c.token_sealed from cards c
		where c.merchant_id = $1 and c.id = $2 and c.forgotten_at is null`+lock, t.m, id), &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil, noCard
	}
	return c, sealed, dbError("get card", err)
}

// CardByToken finds a connection's stored card by the SHA-256 of its token;
// NotFound when none is stored.
func (t *Tx) CardByToken(ctx context.Context, connection domain.ConnectionID, tokenHash []byte) (domain.StoredCard, error) {
	c, err := scanCard(t.q.QueryRowxContext(ctx, `select `+cardColumns+` from cards c
		where c.merchant_id = $1 and c.connection_id = $2 and c.token_hash = $3 and c.forgotten_at is null order by c.created_at limit 1`, t.m, connection, tokenHash))
	if errors.Is(err, sql.ErrNoRows) {
		return c, noCard
	}
	return c, dbError("card by token", err)
}

// CardOfPayment finds the card that a payment stored; NotFound when there is
// none any more.
func (t *Tx) CardOfPayment(ctx context.Context, payment domain.PaymentID) (domain.StoredCard, error) {
	c, err := scanCard(t.q.QueryRowxContext(ctx, `select `+cardColumns+` from cards c
		where c.merchant_id = $1 and c.payment_id = $2 and c.forgotten_at is null order by c.created_at desc limit 1`, t.m, payment))
	if errors.Is(err, sql.ErrNoRows) {
		return c, noCard
	}
	return c, dbError("card of payment", err)
}

// NoteForgetting says that the provider was asked to forget a card (at), or that
// it will not (zero): the card may be charged again then.
func (t *Tx) NoteForgetting(ctx context.Context, id domain.CardID, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `update cards set forgetting_at = $3 where merchant_id = $1 and id = $2 and forgotten_at is null`, t.m, id, nullTime(at))
	return dbError("note forgetting", err)
}

// ForgetCard throws a card's token away. The row stays without it, because
// payments were made with it.
func (t *Tx) ForgetCard(ctx context.Context, id domain.CardID, by string, at time.Time) error {
	_, err := t.q.ExecContext(ctx, `update cards set token_sealed = ''::bytea, token_hash = null, forgetting_at = null, forgotten_at = $3, forgotten_by = $4
		where merchant_id = $1 and id = $2 and forgotten_at is null`, t.m, id, at, by)
	return dbError("forget card", err)
}

// ListCards reads one page of stored cards, newest first, by keyset, in one
// statement.
func (t *Tx) ListCards(ctx context.Context, f domain.CardFilter) (domain.CardPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = domain.DefaultPage
	}
	limit = min(limit, domain.MaxPage)
	c := &conditions{}
	c.add("c.merchant_id = %s", t.m)
	c.sql = append(c.sql, "c.forgotten_at is null")
	if !f.Connection.IsZero() {
		c.add("c.connection_id = %s", f.Connection)
	}
	if q := strings.TrimSpace(f.Query); q != "" {
		if len(q) == 4 && strings.Trim(q, "0123456789") == "" {
			c.add("c.last4 = %s", q)
		} else {
			c.add("lower(c.customer) like %s", likePrefix(q))
		}
	}
	order := "c.created_at desc, c.id desc"
	if !f.After.IsZero() {
		if f.After.Newer {
			c.add("(c.created_at, c.id) > (%s, %s)", f.After.At, f.After.ID)
			order = "c.created_at, c.id"
		} else {
			c.add("(c.created_at, c.id) < (%s, %s)", f.After.At, f.After.ID)
		}
	}
	c.args = append(c.args, limit+1)
	rows, err := t.q.QueryContext(ctx, `select `+cardColumns+` from cards c where `+strings.Join(c.sql, " and ")+` order by `+order+` limit $`+strconv.Itoa(len(c.args)), c.args...)
	cards, err := collect("list cards", rows, err, func() (domain.StoredCard, error) { return scanCard(rows) })
	if err != nil {
		return domain.CardPage{}, err
	}
	more := len(cards) > limit
	if more {
		cards = cards[:limit]
	}
	if f.After.Newer {
		for i, j := 0, len(cards)-1; i < j; i, j = i+1, j-1 {
			cards[i], cards[j] = cards[j], cards[i]
		}
	}
	page := domain.CardPage{Cards: cards}
	if len(cards) == 0 {
		return page, nil
	}
	first, last := cards[0], cards[len(cards)-1]
	if f.After.Newer && more || !f.After.Newer && !f.After.IsZero() {
		page.Newer = domain.Cursor{At: first.CreatedAt, ID: first.ID.UUID, Newer: true}
	}
	if !f.After.Newer && more || f.After.Newer {
		page.Older = domain.Cursor{At: last.CreatedAt, ID: last.ID.UUID}
	}
	return page, nil
}
