package handpoint

import (
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// result is what GET /transaction-result/{id} has: nothing while it runs.
type result struct {
	merchant string
	body     *terminalResult
}

// terminalResult is the TransactionResult of a terminal (seed 004,
// "/transaction-result/{transactionResultId}"). Amounts are minor units.
type terminalResult struct {
	InternalMessage  string            `json:"_statusMessage"`
	AccountType      string            `json:"accountType"`
	AID              string            `json:"aid"`
	ApplicationLabel string            `json:"applicationLabel"`
	ARC              string            `json:"arc"`
	AuthCode         string            `json:"authorisationCode"`
	Balance          any               `json:"balance"`
	BatchNumber      string            `json:"batchNumber"`
	BudgetNumber     string            `json:"budgetNumber"`
	CardEntryType    string            `json:"cardEntryType"`
	CardHolderName   string            `json:"cardHolderName"`
	CardLanguage     string            `json:"cardLanguagePreference"`
	CardSchemeName   string            `json:"cardSchemeName"`
	CardToken        string            `json:"cardToken"`
	CardTypeID       string            `json:"cardTypeId"`
	ChipReport       string            `json:"chipTransactionReport"`
	Currency         string            `json:"currency"`
	CustomData       string            `json:"customData"`
	CustomerReceipt  string            `json:"customerReceipt"`
	CustomerRef      string            `json:"customerReference"`
	DeviceStatus     deviceStatus      `json:"deviceStatus"`
	DueAmount        int64             `json:"dueAmount"`
	ErrorMessage     string            `json:"errorMessage"`
	ExpiryDateMMYY   string            `json:"expiryDateMMYY"`
	FinStatus        string            `json:"finStatus"`
	IAD              string            `json:"iad"`
	IssuerCode       string            `json:"issuerResponseCode"`
	MaskedCardNumber string            `json:"maskedCardNumber"`
	MerchantAddress  string            `json:"merchantAddress"`
	MerchantName     string            `json:"merchantName"`
	MerchantReceipt  string            `json:"merchantReceipt"`
	Metadata         any               `json:"metadata"`
	MID              string            `json:"mid"`
	Remittance       any               `json:"moneyRemittanceOptions"`
	ErrorMessages    map[string]string `json:"multiLanguageErrorMessages"`
	StatusMessages   map[string]string `json:"multiLanguageStatusMessages"`
	OriginalEFT      string            `json:"originalEFTTransactionID"`
	PaymentScenario  string            `json:"paymentScenario"`
	RequestedAmount  int64             `json:"requestedAmount"`
	RRN              string            `json:"rrn"`
	SignatureURL     string            `json:"signatureUrl"`
	StatusMessage    string            `json:"statusMessage"`
	TenderType       string            `json:"tenderType"`
	TID              string            `json:"tid"`
	TipAmount        int64             `json:"tipAmount"`
	TotalAmount      int64             `json:"totalAmount"`
	TransactionID    string            `json:"transactionID"`
	Origin           string            `json:"transactionOrigin"`

	TransactionReference string `json:"transactionReference"`

	TSI                string `json:"tsi"`
	TVR                string `json:"tvr"`
	Type               string `json:"type"`
	UnMaskedPan        string `json:"unMaskedPan"`
	VerificationMethod string `json:"verificationMethod"`
	EFTTimestamp       int64  `json:"efttimestamp"`
	EFTTransactionID   string `json:"efttransactionID"`
	TipPercentage      int64  `json:"tipPercentage"`
	Recovered          bool   `json:"recoveredTransaction"`
}

type deviceStatus struct {
	ApplicationName    string `json:"applicationName"`
	ApplicationVersion string `json:"applicationVersion"`
	BatteryCharging    string `json:"batteryCharging"`
	BatteryStatus      string `json:"batteryStatus"`
	BatteryMV          string `json:"batterymV"`
	BluetoothName      string `json:"bluetoothName"`
	ExternalPower      string `json:"externalPower"`
	SerialNumber       string `json:"serialNumber"`
	StatusMessage      string `json:"statusMessage"`
}

// blank is the result before anything is known of it.
func (run *running) blank() *terminalResult {
	charging := "Not Charging"
	if run.terminal.charging {
		charging = "Charging"
	}
	return &terminalResult{
		CardEntryType: "UNDEFINED", PaymentScenario: "UNKNOWN", VerificationMethod: "UNDEFINED", TenderType: "NOT_SET", Origin: "CLOUD",
		Type: run.op.word, Currency: run.body.text("currency"), CustomerRef: run.body.text("customerReference"), Metadata: run.body["metadata"],
		TransactionReference: run.body.text("transactionReference"), OriginalEFT: run.body.text("originalTransactionId"),
		EFTTimestamp: run.ends.UnixMilli(), MerchantName: run.merchant, TID: run.terminal.Serial,
		ErrorMessages: map[string]string{}, StatusMessages: map[string]string{},
		DeviceStatus: deviceStatus{ApplicationName: "Payments", ApplicationVersion: run.terminal.app, BatteryCharging: charging, BatteryStatus: strconv.Itoa(run.terminal.battery),
			BatteryMV: "3922", BluetoothName: run.terminal.Type, ExternalPower: "USB", SerialNumber: run.terminal.Serial},
	}
}

// show fills in the card. The full number is the field that seed 004 names and
// nobody may keep: it is a test number, and it is there so that dropping it is
// tested (ASSUMPTION: in life it is filled for loyalty cards only).
func (out *terminalResult) show(c Card) {
	out.CardSchemeName, out.MaskedCardNumber, out.CardTypeID, out.ExpiryDateMMYY = c.Scheme, c.masked(), c.masked(), c.ExpiryMMYY
	out.UnMaskedPan = UnmaskedPAN(c.Last4)
}

// UnmaskedPAN is a test card number with a right check digit that ends with the
// four digits.
func UnmaskedPAN(last4 string) string {
	for d := '0'; d <= '9'; d++ {
		if pan := "40000000000" + string(d) + last4; kit.Luhn(pan) {
			return pan
		}
	}
	return ""
}

// tell describes a record that was made.
func (s *Server) tell(run *running, rec *record, out *terminalResult) {
	now := s.kit.Clock.Now()
	fin := s.finStatus(rec, now)
	out.FinStatus, out.StatusMessage, out.IssuerCode = fin, rec.issuerText, rec.issuerCode
	if fin == "FAILED" {
		out.IssuerCode, out.ErrorMessage = "", "Request timeout"
	}
	out.show(rec.card)
	if rec.description != nil {
		out.PaymentScenario, out.CardEntryType, out.VerificationMethod = rec.description.scenario, rec.description.entry, rec.description.verification
	} else {
		out.PaymentScenario, out.CardEntryType, out.VerificationMethod = "MOTO", "CNP", "NOT_REQUIRED"
	}
	out.TenderType, out.AuthCode, out.RRN, out.Currency = "CREDIT", rec.approvalCode, rec.rrn, rec.currency
	out.TransactionID, out.EFTTransactionID, out.OriginalEFT = rec.guid, rec.guid, rec.originalGUID
	out.TransactionReference, out.BatchNumber = rec.reference, fmt.Sprint(rec.batch)
	out.RequestedAmount, out.TipAmount = rec.requestedMinor, rec.tipMinor
	out.TotalAmount = max(rec.approvedMinor, -rec.approvedMinor)
	out.DueAmount = max(rec.requestedMinor+rec.tipMinor-rec.approvedMinor, 0)
	if run.op.token && rec.approved(now) {
		out.CardToken = rec.card.Token
	}
	for _, side := range []struct {
		name string
		to   *string
	}{{"customer", &out.CustomerReceipt}, {"merchant", &out.MerchantReceipt}} {
		*side.to = receiptBase + rec.guid + "/" + side.name + ".html"
		if run.terminal.inlineReceipts {
			*side.to = fmt.Sprintf("<html><body><h1>%s copy</h1><p>%s %s %s</p><p>%s %s</p></body></html>",
				side.name, rec.word, rec.currency, major(out.TotalAmount), rec.card.masked(), fin)
		}
	}
	switch run.terminal.signature {
	case "url":
		out.SignatureURL = receiptBase + rec.guid + "/signature.png"
	case "image":
		out.SignatureURL = signatureImage
	}
}

// receiptBase stands for the provider's receipt server; nothing answers there.
const receiptBase = "https://receipts.sandbox.invalid/receipts/"

// signatureImage is a picture of one point.
const signatureImage = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// transactionResult is 200 with the result, 204 while there is none, 404 for an
// id that was not given out.
func (s *Server) transactionResult(w http.ResponseWriter, r *http.Request, m Merchant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res := s.results[r.PathValue("id")]
	switch {
	case res == nil || res.merchant != m.ID:
		writeError(w, errorEnvelope(http.StatusNotFound, "The transactionResultId was not found in the database."))
	case res.body == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		kit.WriteJSON(w, http.StatusOK, res.body)
	}
}

// debt is a result that a terminal owes to a callback address (seed 004,
// "TransactionResultRecovery").
type debt struct {
	url, token string
	terminal   *terminal
	body       *terminalResult
	first      time.Time // since when this loop runs
	next       time.Time
	attempts   int
	doublings  int
	late       bool // the loop was started anew
	idle       bool // given up, or callbacks are off
	delivered  bool
}

const (
	recoverEvery = 5 * time.Second
	recoverFor   = 100 * time.Second
	recoverFrom  = 8 * time.Second
)

func (s *Server) owe(run *running, out *terminalResult) {
	now := s.kit.Clock.Now()
	s.owed = append(s.owed, &debt{url: run.body.text("callbackUrl"), token: run.body.text("token"), terminal: run.terminal,
		body: out, first: now, next: now})
}

// deliver makes the attempts that are due: every 5 s for 100 s, then after 8,
// 16, 32 s and so on. The caller holds the lock.
func (s *Server) deliver(now time.Time) {
	keep := s.owed[:0]
	for _, d := range s.owed {
		if d.delivered {
			continue
		}
		keep = append(keep, d)
		if d.idle || d.terminal.offline || now.Before(d.next) {
			continue
		}
		if !s.kit.Callbacks.Enabled() || now.Sub(d.first) > s.recoverFor {
			d.idle = true
			continue
		}
		s.send(d)
		wait := recoverEvery
		if now.Sub(d.first) >= recoverFor {
			wait = recoverFrom << d.doublings
			d.doublings++
		}
		d.next = now.Add(wait)
	}
	clear(s.owed[len(keep):])
	s.owed = keep
}

func (s *Server) send(d *debt) {
	body := *d.body
	body.Recovered = d.late || d.attempts > 0
	raw := kit.Encode(body)
	first := d.attempts == 0
	d.attempts++
	if d.terminal.unheard {
		return
	}
	callback := kit.Callback{
		URL: d.url, Attempt: d.attempts - 1,
		Build: func(time.Time) (http.Header, []byte) {
			return http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Auth-Token": {d.token}}, raw
		},
		Accepted: func(status int, _ []byte) bool {
			if status/100 != 2 {
				return false
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			d.delivered = true
			return true
		},
	}
	s.kit.Callbacks.Send(callback)
	if first && d.terminal.twice {
		s.kit.Callbacks.Send(callback)
	}
}

// restart is what a restart of the terminal's application does: the recovery
// loop begins anew. The caller holds the lock.
func (s *Server) restart(t *terminal) {
	now := s.kit.Clock.Now()
	for _, d := range s.owed {
		if d.terminal == t {
			d.first, d.next, d.doublings, d.idle, d.late = now, now, 0, false, true
		}
	}
}

func (s *Server) deviceKeys() []deviceKey {
	keys := make([]deviceKey, 0, len(s.devices))
	for k := range s.devices {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].serial < keys[j].serial })
	return keys
}
