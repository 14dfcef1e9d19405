// Package domain holds the words of the trade: payments, transactions,
// connections, actors, what may become what, and who may do what. It is pure:
// no SQL, no HTTP, no clock. Of ours it imports only money.
package domain

import (
	"crypto/rand"
	"strings"

	"github.com/google/uuid"
)

// ID is a UUID that knows what it names, so that a payment's id cannot be
// passed where a merchant's is wanted. The zero ID is "none".
type ID[kind any] struct{ uuid.UUID }

// IsZero says that the id names nothing.
func (id ID[kind]) IsZero() bool { return id.UUID == uuid.Nil }

type (
	merchantKind    struct{}
	userKind        struct{}
	connectionKind  struct{}
	paymentKind     struct{}
	transactionKind struct{}
	cardKind        struct{}
	callbackKind    struct{}
	limitKind       struct{}
	approvalKind    struct{}
	deviceKind      struct{}
	locationKind    struct{}
	commandKind     struct{}
	sheetKind       struct{}

	// MerchantID names a merchant, the tenant of every other row.
	MerchantID = ID[merchantKind]
	// UserID names a person who signs in.
	UserID = ID[userKind]
	// ConnectionID names a merchant's account at a provider.
	ConnectionID = ID[connectionKind]
	// PaymentID names a payment.
	PaymentID = ID[paymentKind]
	// TransactionID names one operation on a payment.
	TransactionID = ID[transactionKind]
	// CardID names a stored card token.
	CardID = ID[cardKind]
	// CallbackID names a provider's own call to us.
	CallbackID = ID[callbackKind]
	// LimitID names a limit of a role or of one person.
	LimitID = ID[limitKind]
	// ApprovalID names a request that another person approves an operation. It is
	// that operation's idempotency key too.
	ApprovalID = ID[approvalKind]
	// DeviceID names a terminal.
	DeviceID = ID[deviceKind]
	// LocationID names a place of the merchant's.
	LocationID = ID[locationKind]
	// CommandID names something sent to a terminal that is no payment.
	CommandID = ID[commandKind]
	// SheetID names one press that sends a command to several terminals.
	SheetID = ID[sheetKind]
)

// NewID makes a fresh id. It is a UUID version 7: rows created together lie
// together, which keeps the keyset indexes narrow.
func NewID[kind any]() ID[kind] {
	id, err := uuid.NewV7()
	if err != nil {
		panic("domain: the system's random source failed: " + err.Error())
	}
	return ID[kind]{id}
}

// ParseID reads the canonical text of an id. Anything else is NotFound: an id
// that cannot exist is answered exactly as one that does not.
func ParseID[kind any](s string) (ID[kind], error) {
	if len(s) != 36 {
		return ID[kind]{}, Errorf(NotFound, "There is nothing here with that id.")
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return ID[kind]{}, Errorf(NotFound, "There is nothing here with that id.")
	}
	return ID[kind]{id}, nil
}

// NewMerchantID makes a merchant's id.
func NewMerchantID() MerchantID { return NewID[merchantKind]() }

// NewUserID makes a user's id.
func NewUserID() UserID { return NewID[userKind]() }

// NewConnectionID makes a connection's id.
func NewConnectionID() ConnectionID { return NewID[connectionKind]() }

// NewPaymentID makes a payment's id.
func NewPaymentID() PaymentID { return NewID[paymentKind]() }

// NewTransactionID makes a transaction's id.
func NewTransactionID() TransactionID { return NewID[transactionKind]() }

// NewCardID makes a stored card's id.
func NewCardID() CardID { return NewID[cardKind]() }

// NewCallbackID makes a callback's id.
func NewCallbackID() CallbackID { return NewID[callbackKind]() }

// ParseMerchantID reads a merchant's id; NotFound for anything else.
func ParseMerchantID(s string) (MerchantID, error) { return ParseID[merchantKind](s) }

// ParsePaymentID reads a payment's id; NotFound for anything else.
func ParsePaymentID(s string) (PaymentID, error) { return ParseID[paymentKind](s) }

// ParseConnectionID reads a connection's id; NotFound for anything else.
func ParseConnectionID(s string) (ConnectionID, error) { return ParseID[connectionKind](s) }

// ParseTransactionID reads a transaction's id; NotFound for anything else.
func ParseTransactionID(s string) (TransactionID, error) { return ParseID[transactionKind](s) }

// ParseCallbackID reads a callback's id; NotFound for anything else.
func ParseCallbackID(s string) (CallbackID, error) { return ParseID[callbackKind](s) }

// ParseCardID reads a stored card's id; NotFound for anything else.
func ParseCardID(s string) (CardID, error) { return ParseID[cardKind](s) }

// NewLimitID makes a limit's id.
func NewLimitID() LimitID { return NewID[limitKind]() }

// NewApprovalID makes an approval request's id.
func NewApprovalID() ApprovalID { return NewID[approvalKind]() }

// ParseUserID reads a user's id; NotFound for anything else.
func ParseUserID(s string) (UserID, error) { return ParseID[userKind](s) }

// ParseLimitID reads a limit's id; NotFound for anything else.
func ParseLimitID(s string) (LimitID, error) { return ParseID[limitKind](s) }

// ParseApprovalID reads an approval request's id; NotFound for anything else.
func ParseApprovalID(s string) (ApprovalID, error) { return ParseID[approvalKind](s) }

// NewDeviceID makes a terminal's id.
func NewDeviceID() DeviceID { return NewID[deviceKind]() }

// NewLocationID makes a location's id.
func NewLocationID() LocationID { return NewID[locationKind]() }

// NewCommandID makes a command's id.
func NewCommandID() CommandID { return NewID[commandKind]() }

// NewSheetID makes the id of one press.
func NewSheetID() SheetID { return NewID[sheetKind]() }

// ParseDeviceID reads a terminal's id; NotFound for anything else.
func ParseDeviceID(s string) (DeviceID, error) { return ParseID[deviceKind](s) }

// ParseLocationID reads a location's id; NotFound for anything else.
func ParseLocationID(s string) (LocationID, error) { return ParseID[locationKind](s) }

// ParseSheetID reads the id of one press; NotFound for anything else.
func ParseSheetID(s string) (SheetID, error) { return ParseID[sheetKind](s) }

// serialAlphabet is Crockford's base 32: no I, L, O or U, so that a reference
// can be read out over the telephone.
const serialAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewReference makes the eight-character serial that staff read out and type,
// for example 7K2M04Q9. It is 40 random bits: a name, never a secret; the
// store's unique key is what makes it unique.
func NewReference() string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("domain: the system's random source failed: " + err.Error())
	}
	for i := range b {
		b[i] = serialAlphabet[b[i]&31]
	}
	return string(b[:])
}

// CanonicalReference reads a serial as a person types it (lower case, O for 0,
// I or L for 1, spaces) and says whether it can be one.
func CanonicalReference(s string) (string, bool) {
	s = strings.ToUpper(strings.Join(strings.Fields(s), ""))
	s = strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(s)
	if len(s) != 8 {
		return "", false
	}
	for i := range len(s) {
		if strings.IndexByte(serialAlphabet, s[i]) < 0 {
			return "", false
		}
	}
	return s, true
}
