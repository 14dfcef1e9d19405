package cashflows

import (
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// taken sums what is captured or refunded, or is being.
func taken(parts []*part) int64 {
	var sum int64
	for _, p := range parts {
		if p.status != partFailed {
			sum += p.minor
		}
	}
	return sum
}

func waiting(parts []*part) bool {
	for _, p := range parts {
		if p.status == partPending {
			return true
		}
	}
	return false
}

// newPart makes a capture or refund as an outcome says, with its entry.
func (s *Server) newPart(j *job, kind, number string, value int64, o kit.Outcome) *part {
	p := &part{ref: s.reference(), number: number, status: partCompleted, minor: value, created: s.kit.Clock.Now()}
	switch o.Result {
	case kit.InProgress:
		p.status, p.then = partPending, o.Then
		p.settles = p.created.Add(time.Duration(o.AfterSeconds) * time.Second)
	case kit.Decline:
		p.status = partFailed
	}
	e := &entry{Charge: kit.Charge{
		Reference: number, ID: j.path() + "/" + p.ref, OriginalID: j.path(), Kind: kind, AmountMinor: value, Currency: j.currency,
		Card: j.payment.card.masked(), At: p.created,
	}}
	e.live = func(c *kit.Charge) { c.Status, c.Approved = p.status, p.status == partCompleted }
	s.entries = append(s.entries, e)
	return p
}

// capture takes a reserved amount, or a part of it (the portal: within seven
// days). The request carries no reference of the merchant's.
func (s *Server) capture(w http.ResponseWriter, r *http.Request, a *account, body []byte) {
	in, err := parse(body, captureSchema)
	if err != nil {
		invalid(w, err)
		return
	}
	j := s.of(w, r, a)
	if j == nil {
		return
	}
	p := j.payment
	left := j.minor - taken(p.captures)
	value := left
	if in["amountToCapture"] != nil {
		value = minor(in.text("amountToCapture"))
	}
	final, told := in["isFinalCapture"].(bool)
	if !told {
		// ASSUMPTION: a capture that does not say it is final, is.
		final = true
	}
	switch {
	case p.status == statusPaid:
		refuse(w, jobFinal)
		return
	case p.status != statusReserved:
		refuse(w, paymentStatus)
		return
	case waiting(p.captures), s.kit.Clock.Now().Sub(j.created) > captureWithin:
		// ASSUMPTION: one capture at a time, and none after the seven days.
		refuse(w, captureStatus)
		return
	case value == 0:
		refuse(w, invalidAmount)
		return
	case value > left:
		refuse(w, captureTooLarge)
		return
	}
	outcome, _ := s.kit.Outcomes.Take(r.URL.Path)
	if s.refused(w, outcome) {
		return
	}
	c := s.newPart(j, "capture", "", value, outcome)
	c.final = final
	p.captures = append(p.captures, c)
	if c.status == partCompleted {
		s.captured(j, c)
	}
	out := envelope{Data: s.captureData(c)}
	if c.status == partFailed {
		m := worded(outcome.Code, outcome.Message, methodRejected)
		out.ErrorReport = &report{Errors: []item{entryOf(m.code, m.text)}, Language: "en_GB"}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}

// captured applies a capture that went through: the last one makes the payment
// paid and gives back what is left.
func (s *Server) captured(j *job, c *part) {
	p := j.payment
	p.paid += c.minor
	if c.final || p.paid == j.minor {
		p.status = statusPaid
		s.notify(j)
	}
}

// refund gives a part or the whole of a paid amount back. The currency is the
// job's: the request names none. ASSUMPTION: refundNumber need not be unique.
func (s *Server) refund(w http.ResponseWriter, r *http.Request, a *account, body []byte) {
	in, err := parse(body, refundSchema)
	if err != nil {
		invalid(w, err)
		return
	}
	j := s.of(w, r, a)
	if j == nil {
		return
	}
	p := j.payment
	left := p.paid - taken(p.refunds)
	value := left
	if in["amountToRefund"] != nil {
		value = minor(in.text("amountToRefund"))
	}
	switch {
	case p.status != statusPaid || j.typ != "Payment":
		refuse(w, cannotRefund)
		return
	case left == 0:
		refuse(w, fullyRefunded)
		return
	case waiting(p.refunds):
		// ASSUMPTION: one refund at a time.
		refuse(w, refundStatus)
		return
	case value == 0:
		refuse(w, invalidAmount)
		return
	case value > left:
		refuse(w, refundTooLarge)
		return
	}
	outcome, _ := s.kit.Outcomes.Take(r.URL.Path)
	if s.refused(w, outcome) {
		return
	}
	back := s.newPart(j, "refund", in.text("refundNumber"), value, outcome)
	p.refunds = append(p.refunds, back)
	out := envelope{Data: s.refundData(back)}
	if back.status == partFailed {
		m := worded(outcome.Code, outcome.Message, refundRefused)
		out.ErrorReport = &report{Errors: []item{entryOf(m.code, m.text)}, Language: "en_GB"}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}

// refused answers an outcome that makes nothing.
func (s *Server) refused(w http.ResponseWriter, o kit.Outcome) bool {
	if o.Result != kit.Reject {
		return false
	}
	refuse(w, worded(o.Code, o.Message, methodRejected))
	return true
}

// cancelPayment undoes a payment as a whole, until midnight of its day
// (the portal; ASSUMPTION: midnight UTC). What was captured in parts or
// refunded can no longer be cancelled.
func (s *Server) cancelPayment(w http.ResponseWriter, r *http.Request, a *account, _ []byte) {
	j := s.of(w, r, a)
	if j == nil {
		return
	}
	p := j.payment
	now := s.kit.Clock.Now()
	switch {
	case p.status != statusPaid && p.status != statusReserved && p.status != statusVerified:
		refuse(w, paymentStatus)
		return
	case now.Format(time.DateOnly) != j.created.Format(time.DateOnly), len(p.captures) > 0, len(p.refunds) > 0, j.typ != "Payment":
		refuse(w, jobNotCancellable)
		return
	}
	outcome, _ := s.kit.Outcomes.Take(r.URL.Path)
	if s.refused(w, outcome) {
		return
	}
	if outcome.Result == kit.Decline {
		// ASSUMPTION: a cancellation that the acquirer refuses leaves the payment
		// as it was and says why.
		m := worded(outcome.Code, outcome.Message, methodRejected)
		kit.WriteJSON(w, http.StatusOK, envelope{Data: s.paymentData(j), ErrorReport: &report{Errors: []item{entryOf(m.code, m.text)}, Language: "en_GB"}})
		return
	}
	p.status = statusCancelled
	s.entries = append(s.entries, &entry{Charge: kit.Charge{
		ID: j.path() + "/cancel", OriginalID: j.path(), Kind: "void", AmountMinor: j.minor, Currency: j.currency, Status: statusCancelled,
		Approved: true, Card: p.card.masked(), At: now,
	}})
	s.notify(j)
	kit.WriteJSON(w, http.StatusOK, envelope{Data: s.paymentData(j), ErrorReport: j.report()})
}

// cancelJob ends a job that nobody has paid. A paid one is undone by its
// payment.
func (s *Server) cancelJob(w http.ResponseWriter, r *http.Request, a *account, _ []byte) {
	j := s.jobOf(a, r.PathValue("job"))
	if j == nil {
		kit.WriteJSON(w, http.StatusNotFound, failure("", "The payment job does not exist."))
		return
	}
	switch p := j.payment; {
	case p.status != statusPending:
		refuse(w, jobFinal)
		return
	case !p.settles.IsZero() || j.challenge:
		refuse(w, jobNotCancellable)
		return
	}
	outcome, _ := s.kit.Outcomes.Take(r.URL.Path)
	if s.refused(w, outcome) {
		return
	}
	j.payment.status = statusCancelled
	s.notify(j)
	s.reply(w, r, http.StatusOK, j)
}
