package cashflows

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// The words of a payment's status (the generated client).
const (
	statusPending   = "Pending"
	statusReserved  = "Reserved"
	statusPaid      = "Paid"
	statusVerified  = "Verified"
	statusCancelled = "Cancelled"
	statusFailed    = "Failed"
	statusRejected  = "Rejected"
	statusExpired   = "Expired"
	statusBlocked   = "Blocked"
	statusDeclined  = "Declined"

	// statusCommissioned is reached by simulatedStatus only.
	statusCommissioned = "Commissioned"
)

var statusWords = []string{
	statusPending, statusReserved, statusCommissioned, statusPaid, statusVerified, statusCancelled, statusFailed, statusRejected,
	statusExpired, statusBlocked, statusDeclined,
}

// The words of a capture's and a refund's status.
const (
	partPending   = "Pending"
	partCompleted = "Completed"
	partFailed    = "Failed"
)

// job is a payment job with its one payment. ASSUMPTION: a payer gets one try.
type job struct {
	account    *account
	ref, typ   string
	currency   string
	minor      int64
	request    request
	parent     *job
	created    time.Time
	expires    time.Time
	page       string // of the hosted page; empty when there is none
	challenge  bool   // the page waits for a 3DS challenge
	warnings   []item
	webhookURL string
	payment    *payment
}

type payment struct {
	ref      string
	status   string
	card     card
	token    string
	errors   []item
	captures []*part
	refunds  []*part
	paid     int64 // what is captured

	// settles is when a pending payment ends as then says.
	settles time.Time
	then    string
}

// part is a capture or a refund.
type part struct {
	ref, number, status string
	minor               int64
	final               bool
	created             time.Time
	settles             time.Time
	then                string
}

func (j *job) path() string { return j.ref + "/" + j.payment.ref }

func (s *Server) createJob(w http.ResponseWriter, r *http.Request, a *account, body []byte) {
	in, err := parse(body, jobSchema)
	if err != nil {
		invalid(w, err)
		return
	}
	j, m, ok := s.begin(a, in)
	if !ok {
		refuse(w, m)
		return
	}
	params := in.object("parameters")
	token, parent := params.text("token"), in.text("parentPaymentJobReference")
	switch {
	case token != "":
		c, known := s.card(a, token)
		if !known {
			// ASSUMPTION: a token that is not stored selects no payment method.
			refuse(w, noMethodSelected)
			return
		}
		if j.typ == "Payment" && !in.has("options", "IsMoto") {
			refuse(w, threeDSNeeded)
			return
		}
		j.payment.card, j.payment.token = c, token
	case parent != "":
		if j.parent = s.jobOf(a, parent); j.parent == nil {
			kit.WriteJSON(w, http.StatusNotFound, failure("", "The parent payment job does not exist."))
			return
		}
		switch paid := j.parent.payment.status == statusPaid || j.parent.payment.status == statusVerified; {
		case j.typ == "Credit" && (!paid || j.parent.typ != "Payment" || j.parent.currency != j.currency):
			refuse(w, cannotCredit)
			return
		case j.typ == "Payment" && (!paid || !j.parent.request.has("options", "IsRecurringPaymentJobParent")):
			refuse(w, cannotRecur)
			return
		}
		j.payment.card, j.webhookURL = j.parent.payment.card, j.parent.webhookURL
	case j.typ == "Credit":
		refuse(w, noMethodSelected)
		return
	default:
		// A queued outcome is left for the page.
		j.page = randomHex(24)
		s.jobs = append(s.jobs, j)
		s.reply(w, r, http.StatusCreated, j)
		return
	}
	outcome, forced := s.kit.Outcomes.Take(r.URL.Path)
	if !forced {
		outcome = j.payment.card.outcome
	}
	if word := params.text("simulatedStatus"); word != "" && !forced {
		outcome = kit.Outcome{Result: kit.Approve, Code: word}
	}
	if outcome.Result == kit.Reject {
		refuse(w, worded(outcome.Code, outcome.Message, methodRejected))
		return
	}
	s.jobs = append(s.jobs, j)
	s.conclude(j, outcome)
	if j.payment.card.lost {
		// The worst case of the document's "Error while communicating.": the
		// payment is made all the same.
		refuse(w, communicating)
		return
	}
	s.reply(w, r, http.StatusCreated, j)
}

// begin makes a job from a checked request, or gives the message why it cannot.
// The caller records it.
func (s *Server) begin(a *account, in request) (*job, message, bool) {
	params, order := in.object("parameters"), in.object("order")
	for _, name := range cardParameters {
		if params.text(name) != "" {
			return nil, directCardsNotAllowed, false
		}
	}
	methods, named := in["paymentMethodsToUse"].([]any)
	for _, m := range methods {
		if word, _ := m.(string); !strings.EqualFold(word, "creditcard") && !strings.EqualFold(word, "card") {
			return nil, methodNotAllowed, false
		}
	}
	number, currency := order.text("orderNumber"), in.text("currency")
	value := minor(in.text("amountToCollect"))
	free := in.has("options", "IsRecurringPaymentJobParent")
	switch {
	case !a.takes(currency), named && len(methods) == 0:
		return nil, noMethodsAvailable, false
	case params.text("allowedParentFrameDomains") != "":
		return nil, frameDomains, false
	case params.text("recipientDetails") != "" && !strings.HasPrefix(params.text("recipientDetails"), "{"):
		// ASSUMPTION: recipient details are a JSON object in a text.
		return nil, recipientDetails, false
	case order.text("customerReference") != "" && !s.customers[order.text("customerReference")]:
		return nil, customerReference, false
	case in["amountToCollect"] == nil, value == 0 && !free:
		return nil, invalidAmount, false
	case number != "" && s.orderOf(a, number) != nil:
		return nil, orderNotUnique, false
	}
	now := s.kit.Clock.Now()
	j := &job{
		account: a, ref: s.reference(), typ: "Payment", currency: currency, minor: value, request: in, created: now,
		expires: now.AddDate(0, 6, 0), webhookURL: a.WebhookURL, payment: &payment{ref: s.reference(), status: statusPending},
	}
	if t := in.text("type"); t != "" {
		j.typ = t
	}
	if at, err := time.Parse(time.RFC3339, in.text("expirationDateTimeUtc")); err == nil {
		j.expires = at
	}
	if u := params.text("webhookUrl"); u != "" {
		j.webhookURL = u
	}
	if params.text("paymentPageReference") != "" {
		j.warn(pageReference)
	}
	if in.has("options", "StoreCustomerInformation") && order.text("customerReference") == "" {
		ref := s.reference()
		s.customers[ref] = true
		if order == nil {
			order = request{}
			in["order"] = map[string]any(order)
		}
		order["customerReference"] = ref
	}
	return j, message{}, true
}

func (j *job) warn(m message) { j.warnings = append(j.warnings, entryOf(m.code, m.text)) }

// conclude gives a payment its status, and the ledger its entry.
func (s *Server) conclude(j *job, o kit.Outcome) {
	p := j.payment
	switch o.Result {
	case kit.InProgress:
		p.status, p.then = statusPending, o.Then
		p.settles = s.kit.Clock.Now().Add(time.Duration(o.AfterSeconds) * time.Second)
	case kit.Decline:
		s.fail(j, o.Code, o.Message)
	default:
		if w, ok := find(warnings, "", o.Message); ok {
			j.warn(w)
		}
		s.succeed(j, o.Code)
	}
	s.ledger(j)
	s.notify(j)
}

// succeed ends a payment well; word is a status of simulatedStatus.
func (s *Server) succeed(j *job, word string) {
	p := j.payment
	switch {
	case slices.Contains(statusWords, word):
		p.status = word
	case j.minor == 0:
		p.status = statusVerified
	case j.typ == "Payment" && !j.account.AutoCapture:
		p.status = statusReserved
	default:
		p.status = statusPaid
	}
	if p.status == statusPaid {
		p.paid = j.minor
	}
	if !j.request.has("options", "GenerateToken") || p.token != "" || p.card.last4 == "" {
		return
	}
	if j.account.tokens >= s.cfg.MaxTokens {
		j.warn(maximumTokens)
		return
	}
	j.account.tokens++
	p.token = "cftok_" + randomHex(12)
	c := p.card
	c.owner = j.account.ConfigurationID
	s.tokens[p.token] = c
}

// declineWords are what a failed payment says by its status.
var declineWords = map[string]message{statusRejected: methodRejected}

// fail ends a payment with a status: code is a status word, a code of the
// document, or nothing.
func (s *Server) fail(j *job, code, words string) {
	p, usual := j.payment, paymentRefused
	if j.typ == "Credit" {
		usual = creditRefused
	}
	p.status = statusDeclined
	if slices.Contains(statusWords, code) {
		p.status, code = code, ""
		if m, ok := declineWords[p.status]; ok {
			usual = m
		}
	}
	m := worded(code, words, usual)
	p.errors = []item{entryOf(m.code, m.text)}
}

// ledger writes the payment down. It moves money once it is paid, reserved or
// verified, whatever is done to it later.
func (s *Server) ledger(j *job) {
	kind := "sale"
	switch {
	case j.typ == "Credit":
		kind = "payout"
	case !j.account.AutoCapture:
		kind = "preauth"
	case j.minor == 0:
		kind = "register"
	}
	e := &entry{Charge: kit.Charge{
		Reference: j.request.object("order").text("orderNumber"), ID: j.path(), Kind: kind, AmountMinor: j.minor, Currency: j.currency,
		Card: j.payment.card.masked(), At: j.created,
	}}
	if j.parent != nil {
		e.OriginalID = j.parent.path()
	}
	e.live = func(c *kit.Charge) {
		c.Status = j.payment.status
		switch c.Status {
		case statusPaid, statusReserved, statusVerified, statusCommissioned:
			e.Approved = true
		}
		c.Approved = e.Approved
	}
	e.live(&e.Charge)
	s.entries = append(s.entries, e)
}

// settle brings a job up to the emulator's time: what was pending ends, and a
// job whose time has run out expires. The caller holds the lock.
func (s *Server) settle(j *job) {
	now, p := s.kit.Clock.Now(), j.payment
	switch {
	case p.status == statusPending && !p.settles.IsZero() && !now.Before(p.settles):
		p.settles = time.Time{}
		if p.then == kit.Approve {
			s.succeed(j, "")
		} else {
			s.fail(j, "", "")
		}
		s.notify(j)
	case p.status == statusPending && p.settles.IsZero() && j.page != "" && !now.Before(j.expires):
		p.status = statusExpired
		s.notify(j)
	}
	for _, c := range p.captures {
		if c.status == partPending && !now.Before(c.settles) {
			c.status = partFailed
			if c.then == kit.Approve {
				c.status = partCompleted
				s.captured(j, c)
			}
		}
	}
	for _, r := range p.refunds {
		if r.status == partPending && !now.Before(r.settles) {
			r.status = partFailed
			if r.then == kit.Approve {
				r.status = partCompleted
			}
		}
	}
}

func (s *Server) jobOf(a *account, ref string) *job {
	return s.find(func(j *job) bool { return j.account == a && j.ref == ref })
}

func (s *Server) orderOf(a *account, number string) *job {
	return s.find(func(j *job) bool { return j.account == a && j.request.object("order").text("orderNumber") == number })
}

// find returns the first match, brought up to date.
func (s *Server) find(match func(*job) bool) *job {
	for _, j := range s.jobs {
		if match(j) {
			s.settle(j)
			return j
		}
	}
	return nil
}

// The answer's data (the models of the generated client).
type (
	jobData struct {
		Reference     string          `json:"reference"`
		Created       string          `json:"createDateTimeUtc"`
		Type          string          `json:"type"`
		Configuration string          `json:"configurationId"`
		Order         map[string]any  `json:"order,omitempty"`
		Parent        string          `json:"parentPaymentJobReference,omitempty"`
		Currency      string          `json:"currency"`
		Amount        any             `json:"amountToCollect"`
		PaidAmount    any             `json:"paidAmount,omitempty"`
		Expires       string          `json:"expirationDateTimeUtc"`
		Updated       string          `json:"lastUpdateTimeUtc"`
		Attributes    map[string]any  `json:"attributes"`
		PaymentStatus string          `json:"paymentStatus"`
		Payments      []paymentData   `json:"payments"`
		Flags         map[string]bool `json:"flags"`
	}
	paymentData struct {
		Reference  string         `json:"reference"`
		Created    string         `json:"createDateTimeUtc"`
		Methods    []string       `json:"paymentMethods"`
		Status     string         `json:"status"`
		LastErrors *report        `json:"lastErrorReport,omitempty"`
		Amount     any            `json:"amountToCollect"`
		PaidAmount any            `json:"paidAmount,omitempty"`
		Attributes map[string]any `json:"attributes"`
		Refunds    []refundData   `json:"refunds"`
		Captures   []captureData  `json:"captures"`
	}
	refundData struct {
		Reference string `json:"reference"`
		Created   string `json:"createDateTimeUtc"`
		Number    string `json:"refundNumber,omitempty"`
		Status    string `json:"status"`
		Amount    any    `json:"amountToRefund"`
		Steps     []any  `json:"steps"`
	}
	captureData struct {
		Reference string `json:"reference"`
		Created   string `json:"createDateTimeUtc"`
		Status    string `json:"status"`
		Amount    any    `json:"amountToCapture"`
		Final     bool   `json:"isFinalCapture"`
	}
)

func utc(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Server) data(j *job) jobData {
	d := jobData{
		Reference: j.ref, Created: utc(j.created), Type: j.typ, Configuration: j.account.ConfigurationID, Order: j.request.object("order"),
		Currency: j.currency, Amount: s.amount(j.minor), Expires: utc(j.expires), Updated: utc(s.kit.Clock.Now()),
		Attributes: map[string]any{}, PaymentStatus: j.payment.status, Payments: []paymentData{s.paymentData(j)},
		Flags: map[string]bool{"moto": j.request.has("options", "IsMoto"), "generateToken": j.request.has("options", "GenerateToken")},
	}
	if j.webhookURL != "" {
		d.Attributes["webhookUrl"] = j.webhookURL
	}
	if j.parent != nil {
		d.Parent = j.parent.ref
	}
	if j.payment.paid > 0 {
		d.PaidAmount = s.amount(j.payment.paid)
	}
	return d
}

// paymentData renders a payment. ASSUMPTION: the card is told among the
// attributes, under the names that the document's token answers have.
func (s *Server) paymentData(j *job) paymentData {
	p := j.payment
	d := paymentData{
		Reference: p.ref, Created: utc(j.created), Methods: []string{"Card"}, Status: p.status, Amount: s.amount(j.minor),
		Attributes: map[string]any{}, Refunds: []refundData{}, Captures: []captureData{},
	}
	if len(p.errors) > 0 {
		d.LastErrors = &report{Errors: p.errors, Language: "en_GB"}
	}
	if p.paid > 0 {
		d.PaidAmount = s.amount(p.paid)
	}
	if p.card.last4 != "" {
		d.Attributes["truncatedCardNumber"] = p.card.truncated()
		d.Attributes["cardExpiryMonth"], d.Attributes["cardExpiryYear"] = p.card.month, p.card.year
	}
	if p.token != "" {
		d.Attributes["token"] = p.token
	}
	for _, r := range p.refunds {
		d.Refunds = append(d.Refunds, s.refundData(r))
	}
	for _, c := range p.captures {
		d.Captures = append(d.Captures, s.captureData(c))
	}
	return d
}

func (s *Server) refundData(r *part) refundData {
	return refundData{Reference: r.ref, Created: utc(r.created), Number: r.number, Status: r.status, Amount: s.amount(r.minor), Steps: []any{}}
}

func (s *Server) captureData(c *part) captureData {
	return captureData{Reference: c.ref, Created: utc(c.created), Status: c.status, Amount: s.amount(c.minor), Final: c.final}
}

func (j *job) report() *report {
	if len(j.payment.errors) == 0 && len(j.warnings) == 0 {
		return nil
	}
	return &report{Errors: j.payment.errors, Warnings: j.warnings, Language: "en_GB"}
}

// reply answers with the job; the page's address is told while it waits for a
// card.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, status int, j *job) {
	out := envelope{Data: s.data(j), ErrorReport: j.report(), Links: links{
		Data: &link{URL: s.publicURL(r) + apiPath + "/payment-jobs/" + j.ref, Type: "application/json"},
	}}
	if j.page != "" && j.payment.status == statusPending {
		out.Links.Action = &link{URL: s.publicURL(r) + payPath + "?ref=" + j.page, Type: "text/html"}
	}
	kit.WriteJSON(w, status, out)
}

func (s *Server) getJob(w http.ResponseWriter, r *http.Request, a *account, _ []byte) {
	j := s.jobOf(a, r.PathValue("job"))
	if j == nil {
		kit.WriteJSON(w, http.StatusNotFound, failure("", "The payment job does not exist."))
		return
	}
	s.reply(w, r, http.StatusOK, j)
}

// of finds the job and payment of a path, or answers 404.
func (s *Server) of(w http.ResponseWriter, r *http.Request, a *account) *job {
	j := s.jobOf(a, r.PathValue("job"))
	if j == nil || j.payment.ref != r.PathValue("payment") {
		kit.WriteJSON(w, http.StatusNotFound, failure("", "The payment does not exist."))
		return nil
	}
	return j
}

func (s *Server) getPayment(w http.ResponseWriter, r *http.Request, a *account, _ []byte) {
	if j := s.of(w, r, a); j != nil {
		kit.WriteJSON(w, http.StatusOK, envelope{Data: s.paymentData(j), ErrorReport: j.report()})
	}
}

// headOrder tells only whether an order exists.
func (s *Server) headOrder(w http.ResponseWriter, r *http.Request, a *account, _ []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if s.orderOf(a, r.PathValue("order")) == nil {
		w.WriteHeader(http.StatusNotFound)
	}
}

type methodData struct {
	Method       string   `json:"paymentMethod"`
	Tokenisation bool     `json:"supportsTokenisation"`
	Currencies   []string `json:"currencies"`
	Description  string   `json:"description"`
}

func (s *Server) paymentMethods(w http.ResponseWriter, _ *http.Request, a *account, _ []byte) {
	kit.WriteJSON(w, http.StatusOK, envelope{Data: []methodData{{Method: "Card", Tokenisation: true, Currencies: a.Currencies, Description: "Credit and debit cards"}}})
}
