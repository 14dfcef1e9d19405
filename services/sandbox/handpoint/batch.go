package handpoint

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// batch is one of a terminal's; the one with the highest number is open.
type batch struct {
	closed bool
	at     time.Time // when it was closed
}

var (
	batchField  = field{required: true, min: 1, max: 64}
	batchSchema = schema{"deviceType": batchField, "serialNumber": batchField, "batchNumber": batchField, "customerReference": textField}
	rrnSchema   = schema{"deviceType": batchField, "serialNumber": batchField, "batchNumber": batchField, "rrn": {min: 1, max: 64}, "customerReference": textField}
)

// batchOpen says that a record's batch has not been closed. One without a
// terminal has none.
func (s *Server) batchOpen(r *record) bool {
	t := s.devices[r.terminal]
	return t == nil || t.batches[r.batch] == nil || !t.batches[r.batch].closed
}

// batchLine is a transaction of a batch. Its amount is in major units and
// without a sign (seed 004, "/batch/detail").
type batchLine struct {
	Type   string `json:"transactionType"`
	RRN    string `json:"retrievalReferenceNumber,omitempty"`
	Amount string `json:"amount"`
	GUID   string `json:"batchDetailElementGuid"`
	minor  int64  // with a sign
}

// lines are the transactions that a batch settles: what was reversed in time
// is in none.
func (s *Server) lines(t *terminal, number int) []batchLine {
	now := s.kit.Clock.Now()
	out := []batchLine{}
	for _, r := range s.records {
		if r.terminal != t.key || r.batch != number || !r.approved(now) || r.reversed {
			continue
		}
		switch r.kind {
		case kindSale, kindCapture:
			out = append(out, batchLine{"SALE", r.rrn, major(r.approvedMinor), r.guid, r.approvedMinor})
		case kindRefund:
			out = append(out, batchLine{"REFUND", r.rrn, major(r.approvedMinor), r.guid, -r.approvedMinor})
		}
	}
	return out
}

// named finds the batch that a body names, and answers the request itself when
// there is none. The caller holds the lock.
func (s *Server) named(w http.ResponseWriter, r *http.Request, m Merchant, body fields) (*terminal, int) {
	t := s.devices[deviceKey{m.ID, body.text("deviceType"), body.text("serialNumber")}]
	number, err := strconv.Atoi(body.text("batchNumber"))
	if t == nil || err != nil || t.batches[number] == nil {
		// ASSUMPTION: the text, and that there is no numeric code.
		writeError(w, errorEnvelope(http.StatusBadRequest, "Batch not found"))
		return nil, 0
	}
	if outcome, forced := s.kit.Outcomes.Take(r.URL.Path); forced && outcome.Result != kit.Approve {
		if outcome.Result == kit.InProgress {
			if outcome.Then == kit.Approve {
				s.closeBatch(t, number, r)
			}
			writeError(w, errorEnvelope(http.StatusGatewayTimeout, "The acquirer did not answer in time"))
			return nil, 0
		}
		writeError(w, gatewayError(outcome.Code, gatewayText(outcome.Code), http.StatusBadRequest))
		return nil, 0
	}
	return t, number
}

func (s *Server) closeBatch(t *terminal, number int, r *http.Request) {
	if r.URL.Path != BasePath+"/batch/close" || t.batches[number].closed {
		return
	}
	t.batches[number] = &batch{closed: true, at: s.kit.Clock.Now()}
	t.batch++
	t.batches[t.batch] = &batch{}
}

func (t *terminal) status(number int) string {
	if t.batches[number].closed {
		return "CLOSED"
	}
	return "OPEN"
}

func (s *Server) batchClose(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, batchSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, number := s.named(w, r, m, body)
	if t == nil {
		return
	}
	if t.batches[number].closed {
		writeError(w, errorEnvelope(http.StatusBadRequest, "Batch already closed"))
		return
	}
	s.closeBatch(t, number, r)
	kit.WriteJSON(w, http.StatusOK, map[string]any{
		"batchNumber": fmt.Sprint(number), "closeBatchGuid": newGUID(), "closedAt": cloudTime(t.batches[number].at),
		// An object and a string, as the sample has them.
		"customerReference": map[string]any{}, "httpStatus": "200",
		"issuerResponseCode": issuerApproved, "issuerResponseText": "ACCEPTED",
	})
}

func (s *Server) batchSummary(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, batchSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, number := s.named(w, r, m, body)
	if t == nil {
		return
	}
	type entry struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	var net int64
	sales, refunds := 0, 0
	lines := s.lines(t, number)
	for _, l := range lines {
		net += l.minor
		if l.minor < 0 {
			refunds++
		} else {
			sales++
		}
	}
	amount := major(max(net, -net))
	if net < 0 {
		amount = "-" + amount
	}
	entries := []entry{{"salesCount", strconv.Itoa(sales)}, {"refundsCount", strconv.Itoa(refunds)}}
	if t.batches[number].closed {
		entries = append(entries, entry{"issuerBatchCloseLocalTimestamp", t.batches[number].at.Format("2006-01-02T15:04:05")})
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{
		"batchNumber": fmt.Sprint(number), "batchStatus": t.status(number), "batchSummaryGuid": newGUID(),
		"customFields": map[string]any{"entry": entries}, "httpStatus": "200", "issuerResponseCode": issuerApproved,
		"issuerResponseText": "DATA RETRIEVED", "netAmount": amount, "transactionCount": strconv.Itoa(len(lines)),
	})
}

// batchDetail answers a page of lines. ASSUMPTION: rrn continues behind the line
// with that retrieval reference number, and a page ends behind a line that has
// one, so that there is always something to continue from.
func (s *Server) batchDetail(w http.ResponseWriter, r *http.Request, m Merchant) {
	body, ok := readBody(w, r, rrnSchema)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, number := s.named(w, r, m, body)
	if t == nil {
		return
	}
	lines := s.lines(t, number)
	if after := body.text("rrn"); after != "" {
		from := -1
		for i, l := range lines {
			if l.RRN == after {
				from = i + 1
			}
		}
		if from < 0 {
			writeError(w, errorEnvelope(http.StatusBadRequest, "Transaction not found in the batch"))
			return
		}
		lines = lines[from:]
	}
	for end := s.batchPage; end < len(lines); end++ {
		if lines[end-1].RRN != "" {
			lines = lines[:end]
			break
		}
	}
	out := map[string]any{
		"httpStatus": "200", "batchNumber": fmt.Sprint(number), "issuerResponseCode": issuerApproved,
		"issuerResponseText": "Batch detail retrieved", "details": lines, "batchDetailGuid": newGUID(), "batchStatus": t.status(number),
	}
	if t.batches[number].closed {
		out["closedAt"] = cloudTime(t.batches[number].at)
	}
	kit.WriteJSON(w, http.StatusOK, out)
}
