package cardflo

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Words of transactionStatus.
const (
	statusSuccess   = "SUCCESS"
	statusPending   = "PENDING"
	statusRedirect  = "REDIRECT"
	statusCancelled = "CANCELLED"
	statusError     = "ERROR"
)

const (
	typeDebit  = "DEBIT"
	typeRefund = "REFUND"
)

// transaction is one entry of the ledger.
type transaction struct {
	connector     Connector
	typ           string
	uuid          string
	purchaseID    string
	merchantID    string
	referenceUUID string
	minor         int64
	decimals      int
	currency      string
	status        string
	card          card
	registered    bool
	request       request
	at            time.Time

	// code and reason tell why it failed.
	code   int
	reason reason

	// page names the card page of a redirect.
	page string

	// settles is when a pending transaction ends as then says.
	settles time.Time
	then    string

	refundedMinor int64
}

func (t *transaction) kind() string {
	if t.typ == typeRefund {
		return "refund"
	}
	return "sale"
}

func (t *transaction) amount() string { return majorUnits(t.minor, t.decimals) }

// transactionReply is the answer to debit and refund (seed 003, section
// Response).
type transactionReply struct {
	Success       bool              `json:"success"`
	UUID          string            `json:"uuid"`
	PurchaseID    string            `json:"purchaseId"`
	ReturnType    string            `json:"returnType"`
	RedirectType  string            `json:"redirectType,omitempty"`
	RedirectURL   string            `json:"redirectUrl,omitempty"`
	PaymentMethod string            `json:"paymentMethod"`
	ReturnData    *cardData         `json:"returnData,omitempty"`
	ExtraData     map[string]string `json:"extraData,omitempty"`
	Errors        []replyError      `json:"errors,omitempty"`
}

type replyError struct {
	Message        string `json:"errorMessage"`
	Code           int    `json:"errorCode"`
	AdapterMessage string `json:"adapterMessage,omitempty"`
	AdapterCode    string `json:"adapterCode,omitempty"`
}

// cardData is the card part of returnData. The real one also tells the first
// six digits; the emulator keeps only the last four.
type cardData struct {
	Type           string `json:"_TYPE,omitempty"`
	Brand          string `json:"type"`
	CardHolder     string `json:"cardHolder"`
	ExpiryMonth    any    `json:"expiryMonth"`
	ExpiryYear     any    `json:"expiryYear"`
	LastFourDigits string `json:"lastFourDigits"`
	ThreeDSecure   string `json:"threeDSecure"`
	BinBrand       string `json:"binBrand"`
}

const paymentMethod = "Creditcard"

func (s *Server) debit(w http.ResponseWriter, r *http.Request, c Connector, body []byte) {
	in, err := parse(body, debitSchema)
	if err != nil {
		s.refuse(w, codeInvalidRequest, "%v", err)
		return
	}
	if in["schedule"] != nil {
		s.refuse(w, codeNoScheduler, "The connector is not available for schedules")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.begin(w, c, typeDebit, in)
	if t == nil {
		return
	}
	t.registered = in.flag("withRegister")
	token, withToken := in["transactionToken"].(string)
	reference := in.text("referenceUuid")
	switch {
	case withToken:
		used, ok := s.useToken(c, token)
		if !ok {
			// ASSUMPTION: a token that is unknown, used or out of date makes
			// no transaction.
			s.refuse(w, codeInvalidRequest, "transactionToken: not found, used or expired")
			return
		}
		t.card = used
	case reference != "":
		initial := s.byUUID(c, reference)
		if initial == nil {
			s.refuse(w, codeInvalidRequest, "Referenced Transaction with 'uuid' not found")
			return
		}
		if initial.status != statusSuccess || !initial.registered {
			s.refuse(w, codeLogical, "The referenced transaction holds no registered card")
			return
		}
		t.card, t.referenceUUID = initial.card, initial.uuid
	default:
		// A queued outcome is left for the card page.
		t.status, t.page = statusRedirect, randomHex(16)
		s.record(t)
		writeJSON(w, http.StatusOK, transactionReply{
			Success: true, UUID: t.uuid, PurchaseID: t.purchaseID, ReturnType: "REDIRECT", RedirectType: c.RedirectType,
			RedirectURL: s.publicURL(r) + payPath + t.page, PaymentMethod: paymentMethod,
		})
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		outcome = t.card.outcome
	}
	if s.rejected(w, outcome) {
		return
	}
	s.conclude(t, outcome)
	s.record(t)
	s.notify(t)
	s.reply(w, t)
}

func (s *Server) refund(w http.ResponseWriter, r *http.Request, c Connector, body []byte) {
	in, err := parse(body, refundSchema)
	if err != nil {
		s.refuse(w, codeInvalidRequest, "%v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.begin(w, c, typeRefund, in)
	if t == nil {
		return
	}
	original := s.byUUID(c, in.text("referenceUuid"))
	switch {
	case original == nil:
		s.refuse(w, codeInvalidRequest, "Referenced Transaction with 'uuid' not found")
		return
	case original.typ != typeDebit:
		s.refuse(w, codeLogical, "The referenced transaction is not a debit or capture")
		return
	case original.status != statusSuccess:
		s.refuse(w, codeLogical, "The referenced transaction was not successful")
		return
	case original.currency != t.currency:
		s.refuse(w, codeInvalidRequest, "currency: differs from the referenced transaction")
		return
	case t.minor > original.minor-original.refundedMinor:
		s.refuse(w, codeLogical, "The refund is greater than the remaining amount")
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		outcome = approve()
	}
	if s.rejected(w, outcome) {
		return
	}
	t.card, t.referenceUUID = original.card, original.uuid
	// ASSUMPTION: a refund keeps the purchase id of its sale, as samples of
	// the same engine's older interface show.
	t.purchaseID = original.purchaseID
	s.conclude(t, outcome)
	if t.status == statusSuccess || t.then == statusSuccess {
		original.refundedMinor += t.minor
	}
	s.record(t)
	s.notify(t)
	s.reply(w, t)
}

// begin makes a transaction from a checked request, or answers why it cannot.
// The caller holds the lock and records the transaction itself.
func (s *Server) begin(w http.ResponseWriter, c Connector, typ string, in request) *transaction {
	merchantID, code := in.text("merchantTransactionId"), in.text("currency")
	decimals, ok := c.Currencies[code]
	if !ok {
		s.refuse(w, codeInvalidRequest, "currency: %s is not enabled for the connector", code)
		return nil
	}
	minor, err := minorUnits(in.text("amount"), decimals)
	if err != nil {
		s.refuse(w, codeInvalidRequest, "%v", err)
		return nil
	}
	if s.byMerchantID(c, merchantID) != nil {
		s.refuse(w, codeDuplicateID, "The transaction ID '%s' already exists!", merchantID)
		return nil
	}
	now := s.kit.Clock.Now()
	uuid := randomHex(10)
	return &transaction{
		connector: c, typ: typ, uuid: uuid, purchaseID: now.Format("20060102") + "-" + uuid, merchantID: merchantID,
		minor: minor, decimals: decimals, currency: code, request: in, at: now,
	}
}

func (s *Server) record(t *transaction) { s.transactions = append(s.transactions, t) }

// rejected answers an outcome that makes no transaction.
func (s *Server) rejected(w http.ResponseWriter, o kit.Outcome) bool {
	if o.Result != kit.Reject {
		return false
	}
	code, err := strconv.Atoi(o.Code)
	if err != nil {
		code = codeInvalidRequest
	}
	message := o.Message
	if message == "" {
		message = "The request was rejected"
	}
	s.refuse(w, code, "%s", message)
	return true
}

// conclude gives a transaction its status. A card page uses it too.
func (s *Server) conclude(t *transaction, o kit.Outcome) {
	switch o.Result {
	case kit.InProgress:
		t.status, t.then = statusPending, statusSuccess
		if o.Then == kit.Decline {
			t.then = statusError
		}
		t.settles = s.kit.Clock.Now().Add(time.Duration(o.AfterSeconds) * time.Second)
	case kit.Decline:
		code, err := strconv.Atoi(o.Code)
		if err != nil {
			code = 2003
		}
		t.fail(statusError, code, o.Message)
	default:
		t.status = statusSuccess
	}
}

func (t *transaction) fail(status string, code int, message string) {
	t.status, t.code = status, code
	t.reason = reasons[code]
	if message != "" {
		t.reason.message = message
	}
	if t.reason.message == "" {
		t.reason = reason{message: "The transaction was declined", adapterMessage: "Test decline", adapterCode: strconv.Itoa(code)}
	}
}

// settle brings a transaction up to the emulator's time: what was pending ends,
// and a card page that nobody used expires. The caller holds the lock.
func (s *Server) settle(t *transaction) {
	now := s.kit.Clock.Now()
	switch {
	case t.status == statusPending && !now.Before(t.settles):
		if t.then == statusSuccess {
			t.status = statusSuccess
		} else {
			t.fail(statusError, 2003, "")
		}
		s.notify(t)
	case t.status == statusRedirect && now.Sub(t.at) >= s.cfg.PageTTL:
		t.fail(statusError, 2005, "")
		s.notify(t)
	}
}

func (s *Server) byUUID(c Connector, uuid string) *transaction {
	return s.find(func(t *transaction) bool { return t.connector.APIKey == c.APIKey && t.uuid == uuid })
}

func (s *Server) byMerchantID(c Connector, id string) *transaction {
	return s.find(func(t *transaction) bool { return t.connector.APIKey == c.APIKey && t.merchantID == id })
}

// find returns the first match, brought up to date.
func (s *Server) find(match func(*transaction) bool) *transaction {
	for _, t := range s.transactions {
		if match(t) {
			s.settle(t)
			return t
		}
	}
	return nil
}

// useToken returns the card of a token and uses the token up, if it is one of
// the frame's.
func (s *Server) useToken(c Connector, token string) (card, bool) {
	if published, ok := publishedTokens[token]; ok {
		return published, true
	}
	stored, ok := s.tokens[token]
	if !ok || stored.connector != c.APIKey || s.kit.Clock.Now().After(stored.expires) {
		return card{}, false
	}
	delete(s.tokens, token)
	return stored.card, true
}

// reply answers with the transaction's present state.
func (s *Server) reply(w http.ResponseWriter, t *transaction) {
	out := transactionReply{UUID: t.uuid, PurchaseID: t.purchaseID, PaymentMethod: paymentMethod}
	switch t.status {
	case statusSuccess:
		out.Success, out.ReturnType = true, "FINISHED"
		out.ReturnData = t.cardData(true, false)
		if original := s.byUUID(t.connector, t.referenceUUID); t.typ == typeRefund && original != nil {
			out.ExtraData = map[string]string{"remainingAmount": majorUnits(original.minor-original.refundedMinor, t.decimals)}
		}
	case statusPending:
		out.Success, out.ReturnType = true, "PENDING"
	default:
		out.ReturnType = "ERROR"
		out.ReturnData = t.cardData(true, false)
		out.Errors = []replyError{{Message: t.reason.message, Code: t.code, AdapterMessage: t.reason.adapterMessage, AdapterCode: t.reason.adapterCode}}
	}
	writeJSON(w, http.StatusOK, out)
}

// cardData renders the card. Expiry parts are numbers in answers and strings in
// notifications (seed 003).
func (t *transaction) cardData(typed, asText bool) *cardData {
	if t.card.last4 == "" {
		return nil
	}
	d := &cardData{
		Brand: strings.ToLower(t.card.brand), CardHolder: t.card.holder, ExpiryMonth: t.card.month, ExpiryYear: t.card.year,
		LastFourDigits: t.card.last4, ThreeDSecure: "OFF", BinBrand: t.card.brand,
	}
	if typed {
		d.Type = "cardData"
	}
	if asText {
		d.ExpiryMonth, d.ExpiryYear = strconv.Itoa(t.card.month), strconv.Itoa(t.card.year)
	}
	return d
}

func (s *Server) publicURL(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return s.cfg.PublicURL
	}
	return "http://" + r.Host
}

// randomHex returns n random bytes as lower-case hex, never with a run of digits
// that the journal would take for a card number.
func randomHex(n int) string {
	b := make([]byte, n)
	for {
		_, _ = rand.Read(b)
		if s := hex.EncodeToString(b); kit.Scrub(s) == s {
			return s
		}
	}
}
