package domain

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/money"
)

// MaxPage is the longest page of a list; DefaultPage is what a screen shows.
const (
	MaxPage     = 200
	DefaultPage = 50
)

// PaymentFilter is what a list, its CSV and its saved view have in common. The
// zero filter is every payment, newest first.
type PaymentFilter struct {
	// Query as typed: a reference, the last four digits, an amount, or the
	// beginning of an order reference. The store decides which of them it can be.
	Query string
	// Each of these lists is "any of them"; empty is no condition.
	Statuses    []PaymentStatus
	Methods     []Method
	Connections []ConnectionID
	Currencies  []money.Currency
	Device      DeviceID        // payments with an operation on that terminal
	Type        TransactionType // Refund: payments with refunds
	// MinMinor and MaxMinor bound the amount, inclusive, in minor units; zero is
	// no bound. They make sense for currencies of one exponent.
	MinMinor, MaxMinor int64
	// From is inclusive, To exclusive; zero is no bound.
	From, To time.Time
	After    Cursor
	Limit    int
	// QueryAmounts are the amounts that Query can mean, one per currency of the
	// merchant.
	QueryAmounts []money.Amount
}

// Empty says that no condition narrows the list.
func (f PaymentFilter) Empty() bool {
	return f.Query == "" && len(f.Statuses) == 0 && f.Type == "" && len(f.Methods) == 0 && len(f.Connections) == 0 && len(f.Currencies) == 0 &&
		f.Device.IsZero() && f.MinMinor == 0 && f.MaxMinor == 0 && f.From.IsZero() && f.To.IsZero()
}

// Cursor is a place in a list ordered by time and id, newest first. The zero
// cursor is the newest end.
type Cursor struct {
	At    time.Time
	ID    uuid.UUID
	Newer bool // read towards newer rows instead of older ones
}

// IsZero says that the cursor is the newest end.
func (c Cursor) IsZero() bool { return c.ID == uuid.Nil }

// String is the opaque form for a query string; empty for the zero cursor.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	var b [25]byte
	if c.Newer {
		b[0] = 1
	}
	binary.BigEndian.PutUint64(b[1:], uint64(c.At.UnixMicro()))
	copy(b[9:], c.ID[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ParseCursor reads the opaque form; Invalid for anything else.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 25 || b[0] > 1 {
		return Cursor{}, Errorf(Invalid, "This page of the list does not exist any more. Start from the newest.")
	}
	c := Cursor{Newer: b[0] == 1, At: time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:]))).UTC()}
	copy(c.ID[:], b[9:])
	return c, nil
}

// PaymentPage is one page of a list.
type PaymentPage struct {
	Payments     []Payment
	Older, Newer Cursor // zero: there are none
}

// DayTotals are one currency's figures of one day. Only approved transactions
// are in Taken and Refunded; open ones are named beside them and in no sum.
// Otherwise is what providers and banks changed by themselves or undid: voids
// of what was taken, adjustments, chargebacks and their reversals, signed.
type DayTotals struct {
	Currency    money.Currency
	Sales       int
	Taken       money.Amount
	Refunds     int
	Refunded    money.Amount
	Others      int
	Otherwise   money.Amount
	Declined    int
	OpenSales   int
	OpenSale    money.Amount
	OpenRefunds int
	OpenRefund  money.Amount
	// Payouts are money that went to cards without being a refund: never taken,
	// never refunded, and named apart.
	Payouts     int
	PaidOut     money.Amount
	OpenPayouts int
	OpenPayout  money.Amount
}

// CardFilter is what narrows the list of stored cards. The zero filter is every
// card, newest first.
type CardFilter struct {
	// Query as typed: the last four digits, or the beginning of the customer's
	// name.
	Query      string
	Connection ConnectionID
	After      Cursor
	Limit      int
}

// CardPage is one page of the list of stored cards.
type CardPage struct {
	Cards        []StoredCard
	Older, Newer Cursor // zero: there are none
}
