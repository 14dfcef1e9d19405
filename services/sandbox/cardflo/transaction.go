package cardflo

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
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

// Words of transactionType (seed 003, section Callback Data;
// INCREMENTAL-AUTHORIZATION is of newer material).
const (
	typeDebit              = "DEBIT"
	typePreauthorize       = "PREAUTHORIZE"
	typeCapture            = "CAPTURE"
	typeVoid               = "VOID"
	typeRegister           = "REGISTER"
	typeDeregister         = "DEREGISTER"
	typeRefund             = "REFUND"
	typePayout             = "PAYOUT"
	typeIncrement          = "INCREMENTAL-AUTHORIZATION"
	typeChargeback         = "CHARGEBACK"
	typeChargebackReversal = "CHARGEBACK-REVERSAL"
)

// holdFor is how long a preauthorization can be captured: "up to 7 days" (seed
// 003, section Preauthorize).
const holdFor = 7 * 24 * time.Hour

// transaction is one entry of the ledger.
type transaction struct {
	connector     Connector
	typ           string
	uuid          string
	purchaseID    string
	merchantID    string
	referenceUUID string
	original      *transaction
	minor         int64
	decimals      int
	currency      string // empty where no amount belongs to it
	status        string
	card          card
	request       request
	at            time.Time
	callbackURL   string

	// registered says that its card is stored, deregistered that it was
	// forgotten again.
	registered, deregistered bool

	// code and reason tell why it failed.
	code   int
	reason reason

	// page names the page of a redirect, threeDS says that it is the
	// cardholder check's; expires is when nobody can use it any more.
	page    string
	threeDS bool
	expires time.Time
	link    *payLink

	// settles is when a pending transaction ends as then says.
	settles time.Time
	then    string

	// schedule is the series that it started or that made it.
	schedule *schedule

	refundedMinor, chargedBackMinor int64

	// Of a preauthorization: what is held in all, what of it was captured,
	// whether nothing more can be done with it, and when it captures itself.
	heldMinor, capturedMinor int64
	closed                   bool
	captureAt                time.Time
	partialVoid              bool

	// apply does what its success does to the transaction that it follows.
	apply func(*transaction)

	// reversed says that a chargeback was taken back; words are the bank's.
	reversed bool
	words    string

	// adopted names the changes of its amount that were adopted.
	adopted map[string]bool
}

// kind is the transaction's kind in the words of the control API.
func (t *transaction) kind() string {
	if t.partialVoid {
		return "decrement"
	}
	return map[string]string{
		typeDebit: "sale", typePreauthorize: "preauth", typeCapture: "capture", typeVoid: "void", typeRegister: "register",
		typeDeregister: "deregister", typeRefund: "refund", typePayout: "payout", typeIncrement: "increment",
		typeChargeback: "chargeback", typeChargebackReversal: "chargeback_reversal",
	}[t.typ]
}

// amount is in major units, empty where no amount belongs to the transaction.
func (t *transaction) amount() string {
	if t.currency == "" {
		return ""
	}
	return majorUnits(t.minor, t.decimals)
}

// transactionReply is the answer to every transaction (seed 003, section
// Response).
type transactionReply struct {
	Success       bool              `json:"success"`
	UUID          string            `json:"uuid"`
	PurchaseID    string            `json:"purchaseId"`
	ReturnType    string            `json:"returnType"`
	RedirectType  string            `json:"redirectType,omitempty"`
	RedirectURL   string            `json:"redirectUrl,omitempty"`
	HTMLContent   string            `json:"htmlContent,omitempty"`
	PaymentMethod string            `json:"paymentMethod"`
	ReturnData    any               `json:"returnData,omitempty"`
	ScheduleData  *scheduleData     `json:"scheduleData,omitempty"`
	RiskCheckData *riskCheckData    `json:"riskCheckData,omitempty"`
	ExtraData     map[string]string `json:"extraData,omitempty"`
	Errors        []replyError      `json:"errors,omitempty"`
	PayByLinkData *payByLinkData    `json:"payByLinkData,omitempty"`
}

type replyError struct {
	Message        string `json:"errorMessage"`
	Code           int    `json:"errorCode"`
	AdapterMessage string `json:"adapterMessage,omitempty"`
	AdapterCode    string `json:"adapterCode,omitempty"`
}

// riskCheckData is seed 003's section RiskCheckData.
type riskCheckData struct {
	Result   string `json:"riskCheckResult"`
	Score    int    `json:"riskScore"`
	Required bool   `json:"threeDSecureRequired"`
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

// moneyRule says whether an amount belongs to an operation.
type moneyRule int

const (
	withAmount moneyRule = iota
	maybeAmount
	withoutAmount
)

// refusal is an error that makes no transaction.
type refusal struct {
	code    int
	message string
}

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code: code, message: fmt.Sprintf(format, args...)}
}

// operation is one kind of transaction request.
type operation struct {
	typ    string
	schema map[string]property
	money  moneyRule
	// prepare finds the card, or the transaction that this one follows, and
	// refuses what cannot be. It gives t a page where a card is to be typed.
	prepare func(s *Server, t *transaction) *refusal
	apply   func(t *transaction)
}

var operations = map[string]operation{
	"debit":                    {typeDebit, debitSchema, withAmount, (*Server).prepareCard, nil},
	"preauthorize":             {typePreauthorize, preauthorizeSchema, withAmount, (*Server).prepareCard, func(t *transaction) { t.heldMinor = t.minor }},
	"register":                 {typeRegister, registerSchema, withoutAmount, (*Server).prepareCard, nil},
	"payout":                   {typePayout, payoutSchema, withAmount, (*Server).preparePayout, nil},
	"capture":                  {typeCapture, captureSchema, withAmount, (*Server).prepareCapture, applyCapture},
	"void":                     {typeVoid, voidSchema, maybeAmount, (*Server).prepareVoid, applyVoid},
	"incrementalAuthorization": {typeIncrement, incrementSchema, withAmount, (*Server).prepareIncrement, func(t *transaction) { t.original.heldMinor += t.minor }},
	"refund":                   {typeRefund, refundSchema, withAmount, (*Server).prepareRefund, func(t *transaction) { t.original.refundedMinor += t.minor }},
	"deregister":               {typeDeregister, deregisterSchema, withoutAmount, (*Server).prepareDeregister, applyDeregister},
}

// transact serves POST /transaction/{apiKey}/{operation}.
func (s *Server) transact(w http.ResponseWriter, r *http.Request, c Connector, body []byte) {
	op, known := operations[r.PathValue("operation")]
	if !known {
		notFound(w)
		return
	}
	in, err := parse(body, op.schema)
	if err != nil {
		s.refuse(w, codeInvalidRequest, "%v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	t := s.begin(w, c, op, in)
	if t == nil {
		return
	}
	no := op.prepare(s, t)
	if no == nil {
		no = s.prepareSchedule(t)
	}
	if no != nil {
		s.refuse(w, no.code, "%s", no.message)
		return
	}
	if t.page != "" {
		// A queued outcome is left for the page.
		t.status = statusRedirect
		s.record(t)
		s.reply(w, r, t)
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
	s.reply(w, r, t)
}

// prepareCard finds the card of a debit, a preauthorization or a registration:
// by a token, by an earlier transaction that stored it, or else by a page.
func (s *Server) prepareCard(t *transaction) *refusal {
	t.registered = t.typ == typeRegister || t.request.flag("withRegister")
	if minutes := t.request.text("captureInMinutes"); minutes != "" {
		n, _ := strconv.Atoi(minutes) // the schema allows six digits and no more
		t.captureAt = t.at.Add(time.Duration(n) * time.Minute)
	}
	link := t.request.object("payByLink")
	reference := t.request.text("referenceUuid")
	switch token, withToken := t.request["transactionToken"].(string); {
	case link != nil:
		if t.connector.Basic {
			return refuse(codeNotAllowed, "The connector offers no pay-by-link")
		}
		return s.openLink(t, link)
	case withToken:
		if no := s.takeToken(t, token); no != nil {
			return no
		}
	case reference != "" && t.typ != typeRegister:
		initial := s.byUUID(t.connector, reference)
		if initial == nil {
			return refuse(codeInvalidRequest, "Referenced Transaction with 'uuid' not found")
		}
		if initial.status != statusSuccess || !initial.registered || initial.deregistered {
			return refuse(codeLogical, "The referenced transaction holds no registered card")
		}
		t.card, t.referenceUUID = initial.card, initial.uuid
		return nil
	default:
		t.page, t.expires = randomHex(16), t.at.Add(s.cfg.PageTTL)
		return nil
	}
	// ASSUMPTION: a telephone sale is never checked with the cardholder, since
	// there is none at the screen.
	wanted, _ := t.request.object("threeDSecureData")["3dsecure"].(string)
	if t.card.threeDS || (wanted == "MANDATORY" && t.request.text("transactionIndicator") != "MOTO") {
		t.page, t.threeDS, t.expires = randomHex(16), true, t.at.Add(s.cfg.PageTTL)
	}
	return nil
}

func (s *Server) takeToken(t *transaction, token string) *refusal {
	used, ok := s.useToken(t.connector, token)
	if !ok {
		// ASSUMPTION: a token that is unknown, used or out of date makes no
		// transaction.
		return refuse(codeInvalidRequest, "transactionToken: not found, used or expired")
	}
	t.card = used
	return nil
}

// preparePayout: "either referenceUuid or cardData will be required" (seed 003,
// section Payout). ASSUMPTION: the reference is any successful transaction with
// a card.
func (s *Server) preparePayout(t *transaction) *refusal {
	if t.connector.Basic {
		return refuse(codeNotAllowed, "The connector offers no payouts")
	}
	token, reference := t.request.text("transactionToken"), t.request.text("referenceUuid")
	switch {
	case (token == "") == (reference == ""):
		return refuse(codeInvalidRequest, "root: one of 'transactionToken' and 'referenceUuid' is required")
	case token != "":
		return s.takeToken(t, token)
	}
	initial := s.byUUID(t.connector, reference)
	switch {
	case initial == nil:
		return refuse(codeInvalidRequest, "Referenced Transaction with 'uuid' not found")
	case initial.status != statusSuccess || initial.card.last4 == "" || initial.deregistered:
		return refuse(codeLogical, "The referenced transaction holds no card")
	}
	t.card, t.referenceUUID = initial.card, initial.uuid
	t.card.outcome = approve()
	return nil
}

// follow finds the transaction that t refers to, which must be a successful one
// of the types.
func (s *Server) follow(t *transaction, what string, types ...string) *refusal {
	original := s.byUUID(t.connector, t.request.text("referenceUuid"))
	if original == nil {
		return refuse(codeInvalidRequest, "Referenced Transaction with 'uuid' not found")
	}
	right := false
	for _, typ := range types {
		right = right || original.typ == typ
	}
	switch {
	case !right:
		return refuse(codeLogical, "The referenced transaction is not a %s", what)
	case original.status != statusSuccess:
		return refuse(codeLogical, "The referenced transaction was not successful")
	case t.currency != "" && original.currency != t.currency:
		return refuse(codeInvalidRequest, "currency: differs from the referenced transaction")
	}
	t.original, t.referenceUUID, t.card = original, original.uuid, original.card
	t.card.outcome = approve()
	if t.callbackURL == "" {
		// ASSUMPTION: captures, voids and deregistrations have no callbackUrl of
		// their own; they are told where the first transaction was.
		t.callbackURL = original.callbackURL
	}
	return nil
}

// followHold is follow for a preauthorization that is still open.
func (s *Server) followHold(t *transaction) *refusal {
	if no := s.follow(t, "preauthorize", typePreauthorize); no != nil {
		return no
	}
	switch {
	case t.original.closed:
		return refuse(codeLogical, "The referenced transaction was captured or voided already")
	case !s.kit.Clock.Now().Before(t.original.at.Add(holdFor)):
		return refuse(codeLogical, "The authorization has expired")
	}
	return nil
}

func (s *Server) prepareCapture(t *transaction) *refusal {
	if no := s.followHold(t); no != nil {
		return no
	}
	left := t.original.heldMinor - t.original.capturedMinor
	switch {
	case t.minor > left:
		return refuse(codeLogical, "The capture is greater than the remaining amount")
	case t.minor < left && t.connector.Basic:
		return refuse(codeNotAllowed, "The connector captures only the whole amount")
	}
	return nil
}

func applyCapture(t *transaction) {
	p := t.original
	p.capturedMinor += t.minor
	p.closed = p.capturedMinor == p.heldMinor || t.request.flag("isFinalCapture")
}

// prepareVoid. ASSUMPTION: after a capture nothing can be voided, and an amount
// that is the whole hold voids it.
func (s *Server) prepareVoid(t *transaction) *refusal {
	if no := s.followHold(t); no != nil {
		return no
	}
	p := t.original
	t.purchaseID = p.purchaseID
	switch {
	case p.capturedMinor > 0:
		return refuse(codeLogical, "The referenced transaction was captured already")
	case t.currency == "":
		return nil
	case t.minor > p.heldMinor:
		return refuse(codeLogical, "The void is greater than the remaining amount")
	case t.minor < p.heldMinor && t.connector.Basic:
		return refuse(codeNotAllowed, "The connector voids only the whole amount")
	}
	t.partialVoid = t.minor < p.heldMinor
	return nil
}

func applyVoid(t *transaction) {
	if t.partialVoid {
		t.original.heldMinor -= t.minor
		return
	}
	t.original.closed = true
}

func (s *Server) prepareIncrement(t *transaction) *refusal {
	if t.connector.Basic {
		return refuse(codeNotAllowed, "The connector offers no incremental authorization")
	}
	return s.followHold(t)
}

func (s *Server) prepareRefund(t *transaction) *refusal {
	if no := s.follow(t, "debit or capture", typeDebit, typeCapture); no != nil {
		return no
	}
	// ASSUMPTION: a refund keeps the purchase id of its sale, as samples of the
	// same engine's older interface show.
	t.purchaseID = t.original.purchaseID
	left := t.original.minor - t.original.refundedMinor - t.original.chargedBackMinor
	switch {
	case t.minor > left:
		return refuse(codeLogical, "The refund is greater than the remaining amount")
	case t.minor < left && t.connector.Basic:
		return refuse(codeNotAllowed, "The connector refunds only the whole amount")
	}
	return nil
}

func (s *Server) prepareDeregister(t *transaction) *refusal {
	if no := s.follow(t, "register, debit-with-register or preauthorize-with-register", typeRegister, typeDebit, typePreauthorize); no != nil {
		return no
	}
	if !t.original.registered || t.original.deregistered {
		return refuse(codeLogical, "The referenced transaction holds no registered card")
	}
	return nil
}

// applyDeregister: forgetting the network token alone leaves the card usable
// (seed 003, section Deregister, tokenType).
func applyDeregister(t *transaction) {
	if t.request.text("tokenType") != "NT" {
		t.original.deregistered = true
	}
}

// begin makes a transaction from a checked request, or answers why it cannot.
// The caller holds the lock and records the transaction itself.
func (s *Server) begin(w http.ResponseWriter, c Connector, op operation, in request) *transaction {
	merchantID, code := in.text("merchantTransactionId"), in.text("currency")
	var minor int64
	decimals := 0
	_, told := in["amount"]
	if _, too := in["currency"]; op.money == maybeAmount && told != too {
		s.refuse(w, codeInvalidRequest, "root: 'amount' and 'currency' go together")
		return nil
	}
	if op.money == withAmount || told {
		var ok bool
		if decimals, ok = c.Currencies[code]; !ok {
			s.refuse(w, codeInvalidRequest, "currency: %s is not enabled for the connector", code)
			return nil
		}
		var err error
		if minor, err = minorUnits(in.text("amount"), decimals); err != nil {
			s.refuse(w, codeInvalidRequest, "%v", err)
			return nil
		}
	}
	if s.byMerchantID(c, merchantID) != nil {
		s.refuse(w, codeDuplicateID, "The transaction ID '%s' already exists!", merchantID)
		return nil
	}
	t := s.make(c, op.typ, merchantID)
	t.minor, t.decimals, t.currency, t.request, t.callbackURL = minor, decimals, code, in, in.text("callbackUrl")
	t.apply = op.apply
	return t
}

// make makes a transaction with an id of its own.
func (s *Server) make(c Connector, typ, merchantID string) *transaction {
	now, uuid := s.kit.Clock.Now(), randomHex(10)
	return &transaction{connector: c, typ: typ, uuid: uuid, purchaseID: now.Format("20060102") + "-" + uuid, merchantID: merchantID, at: now}
}

// record puts a transaction into the ledger, with the series that it begins.
func (s *Server) record(t *transaction) {
	s.transactions = append(s.transactions, t)
	if t.schedule != nil && t.schedule.registration == t {
		s.schedules = append(s.schedules, t.schedule)
	}
}

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

// conclude gives a transaction its status. A page uses it too.
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
	// What will succeed takes its amount at once, so that it cannot be taken
	// twice meanwhile.
	if t.status == statusSuccess || (t.status == statusPending && t.then == statusSuccess) {
		if t.apply != nil {
			t.apply(t)
		}
	}
	s.concludeSchedule(t)
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

// catchUp brings the whole emulator up to its time. The caller holds the lock.
func (s *Server) catchUp() {
	s.runSchedules()
	for i := 0; i < len(s.transactions); i++ {
		s.settle(s.transactions[i])
	}
}

// settle brings a transaction up to the emulator's time: what was pending ends,
// a page that nobody used expires, and a hold that captures itself does so. The
// caller holds the lock.
func (s *Server) settle(t *transaction) {
	now := s.kit.Clock.Now()
	switch {
	case t.status == statusPending && !now.Before(t.settles):
		if t.then == statusSuccess {
			t.status = statusSuccess
		} else {
			t.fail(statusError, 2003, "")
		}
		s.concludeSchedule(t)
		s.notify(t)
	case t.status == statusRedirect && !now.Before(t.expires):
		t.fail(statusError, 2005, "")
		s.concludeSchedule(t)
		s.notify(t)
	}
	if t.typ == typePreauthorize && t.status == statusSuccess && !t.closed && !t.captureAt.IsZero() && !now.Before(t.captureAt) {
		// ASSUMPTION: it captures what is left, under an id of its own.
		c := s.make(t.connector, typeCapture, "")
		c.merchantID = "auto-" + c.uuid
		c.minor, c.decimals, c.currency = t.heldMinor-t.capturedMinor, t.decimals, t.currency
		c.original, c.referenceUUID, c.card, c.callbackURL, c.at, c.apply = t, t.uuid, t.card, t.callbackURL, t.captureAt, applyCapture
		s.conclude(c, approve())
		s.record(c)
		s.notify(c)
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
func (s *Server) reply(w http.ResponseWriter, r *http.Request, t *transaction) {
	out := transactionReply{UUID: t.uuid, PurchaseID: t.purchaseID, PaymentMethod: t.method(), ScheduleData: t.schedule.data()}
	switch t.status {
	case statusSuccess:
		out.Success, out.ReturnType = true, "FINISHED"
		out.ReturnData, out.RiskCheckData = t.returnData(true, false), t.card.riskCheck()
		switch {
		case t.typ == typeRefund && t.original != nil:
			out.ExtraData = map[string]string{"remainingAmount": majorUnits(t.original.minor-t.original.refundedMinor, t.decimals)}
		case t.typ == typeCapture && t.original != nil:
			out.ExtraData = map[string]string{"remainingAmount": majorUnits(t.original.heldMinor-t.original.capturedMinor, t.decimals)}
		}
	case statusPending:
		out.Success, out.ReturnType = true, "PENDING"
		if t.card.html {
			out.ReturnType, out.HTMLContent = "HTML", "<form method=\"post\" action=\"https://bank.example/\"></form><script>document.forms[0].submit()</script>"
		}
	case statusRedirect:
		out.Success, out.ReturnType, out.RedirectType = true, "REDIRECT", t.connector.RedirectType
		out.RedirectURL = s.publicURL(r) + payPath + t.page
		if t.threeDS {
			out.RedirectType = "3ds"
		}
		if t.link != nil {
			out.RedirectType = ""
			out.PayByLinkData = t.link.data(s.publicURL(r))
		}
	default:
		out.ReturnType = "ERROR"
		out.ReturnData = t.returnData(true, false)
		out.Errors = []replyError{{Message: t.reason.message, Code: t.code, AdapterMessage: t.reason.adapterMessage, AdapterCode: t.reason.adapterCode}}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}

// method is the payment method's name.
func (t *transaction) method() string {
	if t.card.payer != nil {
		return t.card.method
	}
	return paymentMethod
}

// returnData renders what was paid with, nil when that is not known. Expiry
// parts are numbers in answers and strings in notifications (seed 003).
func (t *transaction) returnData(typed, asText bool) any {
	if t.card.payer != nil {
		out := map[string]string{}
		for k, v := range t.card.payer {
			if k != "_TYPE" || typed {
				out[k] = v
			}
		}
		return out
	}
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
		d.ExpiryMonth, d.ExpiryYear = fmt.Sprintf("%02d", t.card.month), strconv.Itoa(t.card.year)
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
