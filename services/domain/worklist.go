package domain

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/money"
)

// Place is a place in a worklist, whose order is a rank, then a time, then an
// id. The zero Place is the beginning. A zero At stands for a time that is not
// known, which comes last.
type Place struct {
	Rank byte
	At   time.Time
	ID   uuid.UUID
	Back bool // read towards the beginning
}

// IsZero says that the place is the beginning of the list.
func (p Place) IsZero() bool { return p.ID == uuid.Nil }

// String is the opaque form for a query string; empty for the zero Place.
func (p Place) String() string {
	if p.IsZero() {
		return ""
	}
	b := [26]byte{1: p.Rank}
	if p.Back {
		b[0] = 1
	}
	binary.BigEndian.PutUint64(b[2:], uint64(p.At.UnixMicro()))
	copy(b[10:], p.ID[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ParsePlace reads the opaque form; Invalid for anything else.
func ParsePlace(s string) (Place, error) {
	if s == "" {
		return Place{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 26 || b[0] > 1 || b[1] > 1 {
		return Place{}, Errorf(Invalid, "This page of the list does not exist any more. Start from the beginning.")
	}
	p := Place{Rank: b[1], Back: b[0] == 1, At: time.UnixMicro(int64(binary.BigEndian.Uint64(b[2:]))).UTC()}
	if year := p.At.Year(); year < 1 || year > 9999 {
		return Place{}, Errorf(Invalid, "This page of the list does not exist any more. Start from the beginning.")
	}
	copy(p.ID[:], b[10:])
	return p, nil
}

// TipFilter is which sales a tip worksheet holds.
type TipFilter struct {
	// From is inclusive, To exclusive: a day of the merchant's own calendar.
	From, To    time.Time
	Connections []ConnectionID // any of them; empty is no condition
	Device      string         // a terminal's serial number; empty is no condition
	After       Place
	Limit       int // MaxTips when zero
}

// MaxTips is how many rows a worksheet, and one press on it, may have.
const MaxTips = 200

// LargeTip says that a tip is more than a fifth of its sale, so that a person
// must say that it is meant. Both are of one currency, the sale without its tip.
func LargeTip(sale, tip money.Amount) bool { return tip.Minor() > sale.Minor()/5 }

// WithoutTip is what was sold: what was captured, less the tip that is in it.
func (p Payment) WithoutTip() money.Amount {
	left, err := p.Captured.Sub(p.Tip)
	if err != nil || left.IsNegative() {
		return money.Zero(p.Amount.Currency())
	}
	return left
}

// HoldFilter is which open holds a list shows.
type HoldFilter struct {
	Connections []ConnectionID   // any of them; empty is no condition
	Currencies  []money.Currency // any of them; empty is no condition
	Before      time.Time        // lapses before; zero is no bound
	After       Place
	Limit       int
}

// Empty says that no condition narrows the list.
func (f HoldFilter) Empty() bool {
	return len(f.Connections) == 0 && len(f.Currencies) == 0 && f.Before.IsZero()
}

// HoldTotals are one currency's open holds. Only Held is certain; what has
// lapsed, and what has no outcome, is named beside it and in no sum.
type HoldTotals struct {
	Currency  money.Currency
	Holds     int
	Held      money.Amount
	Lapsed    int
	LapsedSum money.Amount
	Open      int
	OpenSum   money.Amount
}

// AlertKind is what an alert tells.
type AlertKind string

// The alerts. A hold has each at most once.
const (
	HoldLapsesIn3Days AlertKind = "hold_lapses_3d"
	HoldLapsesIn1Day  AlertKind = "hold_lapses_1d"
)

// HoldWarning is how long before it lapses a hold takes the warning colour, and
// HoldLastCall how long before it is told of a second time.
const (
	HoldWarning  = 3 * 24 * time.Hour
	HoldLastCall = 24 * time.Hour
)
