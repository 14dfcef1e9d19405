package cashflows

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// The words of a payment's status (README, Statuses). Commissioned is listed there
// and explained nowhere, so it stays pending like Pending and every word to
// come.
const (
	statusReserved  = "Reserved"
	statusPaid      = "Paid"
	statusCancelled = "Cancelled"
)

// ended are the words with which a payment ended badly. Failed, Rejected and
// Blocked are explained nowhere, so that they are shown as they are.
var ended = map[string]domain.Reason{
	statusCancelled: domain.ReasonCustomerCancelled,
	"Failed":        domain.ReasonUnmapped,
	"Rejected":      domain.ReasonUnmapped,
	"Expired":       domain.ReasonLinkExpired,
	"Blocked":       domain.ReasonUnmapped,
	"Declined":      domain.ReasonDeclined,
}

// paid is the word with which an operation went through. A payment that is
// Reserved is no sale, and one that is Paid is no hold: then the configuration's
// Auto Capture is not what the connection says, and a person must look.
var paid = map[domain.TransactionType]string{
	domain.Sale: statusPaid, domain.Preauth: statusReserved, domain.Payout: statusPaid,
}

// The words of a capture's and a refund's status; any other is pending.
const (
	partCompleted = "Completed"
	partFailed    = "Failed"
)

// class is what an error message says of the operation.
type class int

const (
	// unlisted: not one of the document's, so it is no verdict.
	unlisted class = iota
	// declined: it was tried, and somebody said no.
	declined
	// refused: it was not tried.
	refused
	// limited: it was not tried, since too much was tried before.
	limited
	// duplicate: our own order number is there already, so an earlier sending may
	// have gone through; a reason to ask, not a no.
	duplicate
	// lost: the provider itself does not know.
	lost
)

type meaning struct {
	class  class
	reason domain.Reason
}

// byMessage is what each of the document's messages means (seed 001, "Cashflows
// Gateway Error Responses"): most of them have no published code.
var byMessage = map[string]meaning{
	"Cannot recur on a non recurring parent.":                                       {refused, domain.ReasonNotAllowed},
	"The total capture amount exceeds original authorised amount.":                  {refused, domain.ReasonCaptureTooLarge},
	"Payment has been refused.":                                                     {declined, domain.ReasonDeclined},
	"Refund has been refused.":                                                      {declined, domain.ReasonDeclined},
	"Credit payment has been refused.":                                              {declined, domain.ReasonDeclined},
	"Capture has an invalid status.":                                                {refused, domain.ReasonWrongState},
	"Unable to refund this payment.":                                                {refused, domain.ReasonNotAllowed},
	"Unable to perform credit payment.":                                             {refused, domain.ReasonNotAllowed},
	"Payment has an invalid status.":                                                {refused, domain.ReasonWrongState},
	"Refund has an invalid status.":                                                 {refused, domain.ReasonWrongState},
	"Card payments without 3D Secure are not allowed.":                              {refused, domain.ReasonNotAllowed},
	"No payment method selected.":                                                   {refused, domain.ReasonInvalidRequest},
	"The supplied order reference is not unique.":                                   {duplicate, domain.ReasonNone},
	"Payment has already been fully refunded.":                                      {refused, domain.ReasonRefundTooLarge},
	"Payment job is already final.":                                                 {refused, domain.ReasonWrongState},
	"Payment job can not be cancelled.":                                             {refused, domain.ReasonWrongState},
	"Error while communicating.":                                                    {lost, domain.ReasonNone},
	"Payment method not allowed.":                                                   {refused, domain.ReasonNotAllowed},
	"The payment method rejected the request.":                                      {declined, domain.ReasonDeclined},
	"Invalid amount for payment method.":                                            {refused, domain.ReasonAmount},
	"The validation for recipient detail fields failed.":                            {refused, domain.ReasonCustomerDetails},
	"The total refund amount exceeds original paid amount.":                         {refused, domain.ReasonRefundTooLarge},
	"3DSecure Authentication Failed - Payment cannot proceed.":                      {declined, domain.ReasonAuthentication},
	"3DSecure Authentication Unavailable - Payment cannot proceed.":                 {declined, domain.ReasonAuthentication},
	"Invalid customer reference provided.":                                          {refused, domain.ReasonInvalidRequest},
	"Direct card payments are not allowed.":                                         {refused, domain.ReasonNotAllowed},
	"Too many attempts.":                                                            {limited, domain.ReasonRateLimited},
	"It is not allowed to set parent frame domains for embedding the payment page.": {refused, domain.ReasonInvalidRequest},
	"Unable to create paymentjob without payment methods available.":                {refused, domain.ReasonNotAllowed},
}

// byCode holds the codes that are recovered (README, Errors) with the
// messages that they belong to.
var byCode = map[string]meaning{
	"CaptureAmountExceedsOriginalAuthorisation": byMessage["The total capture amount exceeds original authorised amount."],
	"GenericRejectionOfRefund":                  byMessage["Refund has been refused."],
	"InvalidCaptureStatus":                      byMessage["Capture has an invalid status."],
	"InvalidPaymentForRefund":                   byMessage["Unable to refund this payment."],
	"InvalidPaymentForCredit":                   byMessage["Unable to perform credit payment."],
	"InvalidPaymentStatus":                      byMessage["Payment has an invalid status."],
	"InvalidRefundStatus":                       byMessage["Refund has an invalid status."],
	"NonThreeDSecureNotAllowed":                 byMessage["Card payments without 3D Secure are not allowed."],
	"PaymentAlreadyFullyRefunded":               byMessage["Payment has already been fully refunded."],
	"RefundAmountExceedsOriginalAmount":         byMessage["The total refund amount exceeds original paid amount."],
	"ThreeDSecureFailed":                        byMessage["3DSecure Authentication Failed - Payment cannot proceed."],
	"ThreeDSecureUnavailable":                   byMessage["3DSecure Authentication Unavailable - Payment cannot proceed."],
	"ThreeDSecureMethodPostCallbackConflict":    byMessage["3DSecure Authentication Unavailable - Payment cannot proceed."],
	"InvalidCustomerReference":                  byMessage["Invalid customer reference provided."],
}

// normal compares messages without case, spaces around and a full stop.
func normal(s string) string {
	return strings.TrimSuffix(strings.ToLower(strings.Join(strings.Fields(s), " ")), ".")
}

var byNormalMessage = func() map[string]meaning {
	m := map[string]meaning{}
	for text, v := range byMessage {
		m[normal(text)] = v
	}
	return m
}()

// meaning of one error, by its code where that is known and by its words
// otherwise.
func (r reported) meaning() meaning {
	if m, ok := byCode[r.name()]; ok {
		return m
	}
	return byNormalMessage[normal(string(r.Message))]
}

// meaning of all errors together: an unlisted or lost one leaves the outcome
// open, whatever stands beside it.
func (r errorReport) meaning() meaning {
	var all meaning
	for i, e := range r.Errors {
		m := e.meaning()
		if m.class == unlisted || m.class == lost {
			return m
		}
		if i == 0 || (m.class == duplicate && all.class != duplicate) {
			all = m
		}
	}
	return all
}

// reason of something that ended badly: that of the listed errors, the one of its
// status where no error is told, and none of ours where the errors are not
// listed.
func (r errorReport) reason(ofStatus domain.Reason) domain.Reason {
	m := r.meaning()
	switch {
	case (m.class == declined || m.class == refused) && m.reason != domain.ReasonDeclined:
		return m.reason
	case len(r.Errors) == 0, m.class == declined:
		return ofStatus
	}
	return domain.ReasonUnmapped
}

// Codes lists the words, messages and codes of seed 001 and the README, and their
// reasons. A Remote code stands without its internal digit's value, as the
// document writes it: Dx02.
func Codes() []providers.Code {
	of := func(m meaning) domain.Reason { return m.reason }
	remote := map[string]meaning{}
	for code, m := range remoteCodes {
		remote[code[:1]+"x"+code[1:]] = m
	}
	return slices.Concat(
		providers.CodesOf("payment status", ended, providers.ReasonItself),
		providers.CodesOf("capture and refund status", map[string]domain.Reason{partFailed: domain.ReasonUnmapped}, providers.ReasonItself),
		providers.CodesOf("message", byMessage, of),
		providers.CodesOf("error code", byCode, of),
		providers.CodesOf("Remote", remote, of),
		providers.StatusCodes([]int{http.StatusNotFound}, []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}),
	)
}

// decode reads an answer that calls itself JSON and is one object.
func decode[T any](g *gateway, op string, resp *httpclient.Response, secret string) (answer[T], *providers.Error) {
	var ans answer[T]
	if !resp.IsJSON() {
		return ans, garbage(g.http, op, resp, secret, "the answer does not call itself JSON")
	}
	if err := json.Unmarshal(resp.Body, &ans); err != nil {
		return ans, garbage(g.http, op, resp, secret, "the answer cannot be read")
	}
	return ans, nil
}

// read gives the data of a 2xx answer. Anything else is a decline or a fault,
// told by the status where that is certain and by the listed errors otherwise.
func read[T any](g *gateway, op string, resp *httpclient.Response, secret string) (answer[T], *providers.Result, error) {
	if f := g.http.StatusFault(op, resp); f != nil {
		// Under 5xx no body is believed: the gateway itself failed at its work.
		var ans answer[T]
		if json.Unmarshal(resp.Body, &ans) == nil {
			f.Text = g.http.Words(ans.ErrorReport.words(), secret)
			if f.Kind == providers.KindCredentials && ans.ErrorReport.meaning().class == limited {
				f.Reason = domain.ReasonAccountLocked
			}
		}
		f.Raw = g.http.Scrub(resp.Body, secret)
		return ans, nil, f
	}
	ans, fault := decode[T](g, op, resp, secret)
	if fault != nil {
		return ans, nil, fault
	}
	if resp.Status/100 == 2 && ans.Data != nil {
		return ans, nil, nil
	}
	if resp.Status/100 == 2 && len(ans.ErrorReport.Errors) == 0 {
		return ans, nil, garbage(g.http, op, resp, secret, "the answer holds no data")
	}
	res, err := g.refusal(op, resp, ans.ErrorReport, secret)
	return ans, res, err
}

// refusal reads an answer without data.
func (g *gateway) refusal(op string, resp *httpclient.Response, report errorReport, secret string) (*providers.Result, error) {
	e := &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindRefused, Code: g.http.Words(report.code(), secret),
		Text: g.http.Words(report.words(), secret), Raw: g.http.Scrub(resp.Body, secret),
	}
	if e.Code == "" {
		e.Code = strconv.Itoa(resp.Status)
	}
	switch m := report.meaning(); {
	case m.class == declined:
		return &providers.Result{Outcome: providers.Declined, Reason: m.reason, Code: e.Code, Text: e.Text, Raw: e.Raw}, nil
	case m.class == refused:
		e.NotDone, e.Reason = true, m.reason
	case m.class == limited:
		e.Kind, e.NotDone, e.Reason = providers.KindRateLimited, true, m.reason
	case m.class == lost:
		e.Kind = providers.KindServer
	case m.class == duplicate:
	case resp.Status == http.StatusNotFound:
		// "Resource not found" (seed 001, "Response Codes"): there was nothing to
		// work on.
		e.NotDone, e.Reason = true, domain.ReasonInvalidRequest
	case len(report.Errors) == 0:
		e.Kind = providers.KindGarbage
	}
	return nil, e
}

// garbage is an answer that cannot be read; the outcome stays unknown.
func garbage(c *httpclient.Client, op string, resp *httpclient.Response, secret, format string, args ...any) *providers.Error {
	return &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindGarbage, Code: strconv.Itoa(resp.Status),
		Text: fmt.Sprintf(format, args...), Raw: c.Scrub(resp.Body, secret),
	}
}

// question makes a fault of a question one that says nothing of the attempt.
func question(err error) error {
	if e, ok := providers.AsError(err); ok {
		e.NotDone, e.Reason = false, domain.ReasonNone
	}
	return err
}

// ref is what a provider's reference of ours is made of: the job's reference,
// the payment's, and that of a capture or refund or the word cancel. The first
// two are needed for every path of the Gateway.
type ref struct{ job, payment, part string }

// cancelled stands for a void, which has no reference of its own.
const cancelled = "cancel"

func (r ref) String() string {
	out := r.job
	for _, s := range []string{r.payment, r.part} {
		if s != "" {
			out += "/" + s
		}
	}
	return out
}

// digits: references have 18 of them (README, References); two more are tolerated.
func digits(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

func parseRef(s string) (ref, bool) {
	parts := append(strings.Split(s, "/"), "", "")
	r := ref{parts[0], parts[1], parts[2]}
	ok := len(parts) <= 5 && digits(r.job) && (r.payment == "" || digits(r.payment)) && (r.part == "" || r.part == cancelled || digits(r.part))
	return r, ok && r.String() == s
}

// wanted is what an answer about a job must be about.
type wanted struct {
	typ     domain.TransactionType
	job     string // known already
	payment string
	order   string // our order number
	// currency is that of an answer that names none.
	currency money.Currency
	// asked says that this answers a question, which must name the order: only
	// then is it known to be about our attempt.
	asked  bool
	secret string
}

// jobResult classes an answer about a job by its payment's status.
func (g *gateway) jobResult(op string, resp *httpclient.Response, ans answer[jobData], w wanted) (providers.Result, error) {
	d := ans.Data
	bad := func(format string, args ...any) (providers.Result, error) {
		return providers.Result{}, garbage(g.http, op, resp, w.secret, format, args...)
	}
	job, number := string(d.Reference), string(d.Order.OrderNumber)
	switch {
	case !digits(job):
		return bad("the answer names no payment job")
	case w.job != "" && job != w.job:
		return bad("the answer is about another payment job")
	case w.order != "" && number != w.order && (w.asked || number != ""):
		return bad("the answer is about another order")
	case d.Type == typeCredit && w.typ != domain.Payout, d.Type == typePayment && w.typ == domain.Payout:
		return bad("the answer is about a job of another type")
	}
	for _, p := range d.Payments {
		if !digits(string(p.Reference)) {
			return bad("the answer holds a payment without a reference")
		}
	}
	currency, known, err := g.currencyIn(d)
	if err != nil {
		return bad("the answer's currency is not one")
	}
	if !known {
		currency, known = w.currency, !w.currency.IsZero()
	}
	word, p := pick(d, w.payment)
	res := providers.Result{ProviderRef: job, Code: word, Raw: g.http.Scrub(resp.Body, w.secret)}
	report := ans.ErrorReport
	if p != nil {
		res.ProviderRef = ref{job: job, payment: string(p.Reference)}.String()
		res.Card = p.Attributes.card()
		if len(report.Errors) == 0 {
			report.Errors = p.LastErrorReport.Errors
		}
		if g.tokens && string(p.Attributes.Token) != w.secret {
			res.Token = token(p.Attributes)
		}
	}
	if c := report.code(); c != "" {
		res.Code = c
	}
	res.Code, res.Text = g.http.Words(res.Code, w.secret), g.http.Words(report.words(), w.secret)
	if told := amountOf(d, p, word); told != "" && known {
		amount, err := providers.Decimal(told, currency)
		if err != nil {
			return bad("the answer's amount cannot be read")
		}
		res.Amount = &amount
	}
	reason, bust := ended[word]
	switch {
	case word == paid[w.typ]:
		if p == nil && len(d.Payments) == 0 {
			return bad("the answer says %s without a payment", word)
		}
		if p == nil || string(p.Status) != word {
			res.Text = "The provider’s job and its payment do not have the same status."
			break
		}
		res.Outcome = providers.Approved
	case word == statusReserved && w.typ == domain.Sale:
		res.Text = "The provider holds the amount instead of taking it: Auto Capture is off in this configuration."
	case word == statusPaid && w.typ == domain.Preauth:
		res.Text = "The provider has taken this amount, so it does not hold it: Auto Capture may be on in this configuration."
	case bust && open(d.Payments):
		res.Text = "The provider’s job has ended, but one of its payments has not."
	case bust:
		m := report.meaning()
		if m.class == lost {
			break
		}
		res.Outcome, res.Reason = providers.Declined, report.reason(reason)
	default:
		g.redirect(&res, string(ans.Links.Action.URL))
	}
	return res, nil
}

// pick gives the job's status and the payment that it is about: a job on the
// provider's page can have several, of which one is paid.
func pick(d *jobData, known string) (word string, p *paymentData) {
	word = string(d.PaymentStatus)
	if word == "" && len(d.Payments) == 1 {
		word = string(d.Payments[0].Status)
	}
	for i := range d.Payments {
		one := &d.Payments[i]
		same, kept := string(one.Status) == word, p != nil && string(p.Status) == word
		switch {
		case p == nil, same && !kept, same == kept && string(p.Reference) != known:
			p = one
		}
	}
	return word, p
}

// open says that a payment of a job may still be or become a charge.
func open(payments []paymentData) bool {
	for _, p := range payments {
		if _, bust := ended[string(p.Status)]; !bust {
			return true
		}
	}
	return false
}

// amountOf is what was paid where the answer tells that, and what was to be
// collected otherwise.
func amountOf(d *jobData, p *paymentData, word string) string {
	switch {
	case p != nil && word == statusPaid && strings.Trim(string(p.PaidAmount), "0.") != "":
		return string(p.PaidAmount)
	case p != nil && p.AmountToCollect != "":
		return string(p.AmountToCollect)
	}
	return string(d.AmountToCollect)
}

// currencyIn reads a job's currency and remembers it.
func (g *gateway) currencyIn(d *jobData) (money.Currency, bool, error) {
	if d.Currency == "" {
		return money.Currency{}, false, nil
	}
	c, err := money.ParseCurrency(string(d.Currency))
	if err != nil {
		return c, false, err
	}
	const most = 1000
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.currencies) >= most {
		clear(g.currencies)
	}
	g.currencies[string(d.Reference)] = c
	return c, true, nil
}

// maxURL is the longest page address that is opened.
const maxURL = 2048

// redirect takes the page's address only from the page's origin: it goes into a
// frame of ours.
func (g *gateway) redirect(res *providers.Result, to string) {
	if to == "" {
		return
	}
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Host == "" || providers.OriginOf(u) != g.pageOrigin || len(to) > maxURL {
		res.Text = "the provider's page is not an address on " + g.pageOrigin + ", so it is not opened"
		return
	}
	res.RedirectURL = to
}

// token is a card token as it may be kept: short and printable.
func token(a attributes) string {
	if t := string(a.Token); httpclient.Reference(t) {
		return t
	}
	return ""
}

// card reads what is told of a card: six digits, a mask and the last four.
func (a attributes) card() domain.Card {
	var c domain.Card
	n := string(a.Truncated)
	if len(n) < 8 || strings.Trim(n[len(n)-4:], "0123456789") != "" || !strings.ContainsAny(n, "*xX") {
		return c
	}
	c.Last4 = n[len(n)-4:]
	switch {
	case n[0] == '4':
		c.Brand = "Visa"
	case n[0] == '5', n[0] == '2':
		c.Brand = "Mastercard"
	case strings.HasPrefix(n, "34"), strings.HasPrefix(n, "37"):
		c.Brand = "American Express"
	}
	month, errM := strconv.Atoi(string(a.Month))
	year, errY := strconv.Atoi(string(a.Year))
	if errM == nil && errY == nil && month >= 1 && month <= 12 && year >= 0 {
		c.Expiry = fmt.Sprintf("%02d/%02d", month, year%100)
	}
	return c
}

// partResult classes a capture or a refund.
func (g *gateway) partResult(op string, resp *httpclient.Response, parent ref, p partData, told providers.Text, c money.Currency, report errorReport) (providers.Result, error) {
	if !digits(string(p.Reference)) || string(p.Reference) == parent.payment || string(p.Reference) == parent.job {
		return providers.Result{}, garbage(g.http, op, resp, "", "the answer names no %s", op)
	}
	res := providers.Result{
		ProviderRef: ref{parent.job, parent.payment, string(p.Reference)}.String(), Code: string(p.Status), Raw: g.http.Scrub(resp.Body),
	}
	if code := report.code(); code != "" {
		res.Code = code
	}
	res.Code, res.Text = g.http.Words(res.Code), g.http.Words(report.words())
	if told != "" {
		amount, err := providers.Decimal(string(told), c)
		if err != nil {
			return providers.Result{}, garbage(g.http, op, resp, "", "the answer's amount cannot be read")
		}
		res.Amount = &amount
	}
	switch p.Status {
	case partCompleted:
		res.Outcome = providers.Approved
	case partFailed:
		m := report.meaning()
		if m.class == lost {
			break
		}
		res.Outcome, res.Reason = providers.Declined, report.reason(domain.ReasonUnmapped)
	}
	return res, nil
}
