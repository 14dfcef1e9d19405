package cardflo

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// callbackSkew is how far a notification's date may be from its arrival, both
// ways: "e.g. 60 seconds" (seed 003, "Data Verification"). A redelivery is
// signed anew.
const callbackSkew = 60 * time.Second

// SignsCallbacks says that a notification's proof covers its whole message
// (seed 003, "Data Verification").
func (a *Adapter) SignsCallbacks() bool { return true }

// ProvesCallbacks says that there is a shared secret, without which every
// notification is refused.
func (a *Adapter) ProvesCallbacks() bool { return len(a.proofs) > 0 }

// VerifyCallback checks X-Signature over the notification as it came: its
// method, body, content type, date and request URI, with the shared secret of
// the connection or of any set that counts beside it (seed 003, "Signature" and
// "Data Verification"). A connection without a shared secret refuses every
// notification. Every error wraps providers.ErrNotVerified.
func (a *Adapter) VerifyCallback(call providers.Callback) error {
	no := func(why string) error { return fmt.Errorf("cardflo: %s: %w", why, providers.ErrNotVerified) }
	if len(a.proofs) == 0 {
		return no("the connection has no shared secret")
	}
	given := call.Header.Values("X-Signature")
	if len(given) != 1 || given[0] == "" {
		return no("there is not exactly one signature")
	}
	// Older senders of the same system put the signed date into X-Date.
	date := call.Header.Get("Date")
	if date == "" {
		date = call.Header.Get("X-Date")
	}
	sent, err := parseDate(date)
	if err != nil {
		return no("the date cannot be read")
	}
	if skew := call.At.Sub(sent); skew > callbackSkew || skew < -callbackSkew {
		return no("the date is too far from now")
	}
	hash, contentType := bodyHash(call.Body), call.Header.Get("Content-Type")
	proved := false
	for _, secret := range a.proofs {
		want := sign(secret, call.Method, hash, contentType, date, call.URI)
		// Every secret is tried, whichever fits.
		proved = hmac.Equal([]byte(given[0]), []byte(want)) || proved
	}
	if !proved {
		return no("the signature does not fit")
	}
	return nil
}

// parseDate reads an HTTP date; the document's samples write the zone as UTC.
func parseDate(s string) (time.Time, error) {
	if t, err := time.Parse(http.TimeFormat, s); err == nil {
		return t, nil
	}
	return time.Parse("Mon, 02 Jan 2006 15:04:05 UTC", s)
}

// CallbackReply is what the gateway takes for "received": status 200 with the
// content OK (seed 003, "No Confirmed Response").
func (a *Adapter) CallbackReply() (status int, body string) { return http.StatusOK, "OK" }

// references are the fields that name a transaction or a schedule. Nothing can
// be applied without them, so the search for card numbers passes them over
// unless they can be nothing else.
var references = map[string]bool{
	"uuid": true, "merchantTransactionId": true, "purchaseId": true, "referenceUuid": true, "originalUuid": true,
	"originalMerchantTransactionId": true, "chargebackUuid": true, "scheduleId": true, "registrationUuid": true,
}

// CleanCallback gives the notification without card numbers, account numbers
// and the values of secret fields; of an IBAN its last four characters stay, as
// ibanEnding. Card art is left out. The result is the same for the same input,
// and cleaning it again changes nothing.
func (a *Adapter) CleanCallback(body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var all map[string]any
	if err := d.Decode(&all); err != nil || all == nil {
		return nil, errors.New("cardflo: the notification is not a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("cardflo: there is something behind the notification")
	}
	cleaned, err := json.Marshal(a.clean(all))
	if err != nil {
		return nil, errors.New("cardflo: the notification cannot be written again")
	}
	return cleaned, nil
}

// clean scrubs a decoded value, leaf by leaf under its name.
func (a *Adapter) clean(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		// In order, because two names can become one.
		for _, name := range slices.Sorted(maps.Keys(v)) {
			value := v[name]
			text, isText := value.(string)
			switch {
			case strings.EqualFold(name, "iban") && isText && text != "":
				out["ibanEnding"] = a.text(ending(text))
			case name == "networkTokenMetadata":
			case references[name] && isText && isReference(text):
				out[name] = text
			default:
				if kept, keep := a.cleanField(name, value); keep {
					out[a.text(name)] = kept
				}
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = a.clean(v[i])
		}
		return v
	case string:
		return a.text(v)
	case json.Number:
		if kept := a.text(string(v)); kept != string(v) {
			return kept
		}
	}
	return v
}

// cleanField is the value of a field as it may be kept. A secret field that holds
// more than a text goes as a whole.
func (a *Adapter) cleanField(name string, v any) (kept any, keep bool) {
	switch v := v.(type) {
	case map[string]any, []any:
		return a.clean(v), a.hidden(name, "x") == "x"
	case string:
		return a.hidden(name, v), true
	case json.Number:
		if s := a.hidden(name, string(v)); s != string(v) {
			return s, true
		}
	}
	return v, true
}

// text scrubs a text by itself.
func (a *Adapter) text(s string) string { return a.hidden("", s) }

// hidden scrubs a text as the value of a field of that name.
func (a *Adapter) hidden(name, s string) string {
	b, err := json.Marshal(map[string]string{name: s})
	if err != nil {
		return httpclient.Redacted
	}
	var out map[string]string
	if json.Unmarshal(a.http.Scrub(b), &out) != nil || len(out) != 1 {
		return httpclient.Redacted
	}
	for _, kept := range out {
		return kept
	}
	return httpclient.Redacted
}

// isReference says that a text has the form of a reference and is no card
// number: that has no letter in it.
func isReference(s string) bool {
	letters := strings.ContainsFunc(s, func(r rune) bool { return r != '-' && (r < '0' || r > '9') })
	return httpclient.Reference(s) && (letters || !domain.LooksLikeCardNumber(s))
}

// notification is a status notification (seed 003, "Callback Data").
type notification struct {
	Result                providers.Text `json:"result"`
	UUID                  providers.Text `json:"uuid"`
	MerchantTransactionID providers.Text `json:"merchantTransactionId"`
	ReferenceUUID         providers.Text `json:"referenceUuid"` // not in the document's list; read where it is sent
	TransactionType       providers.Text `json:"transactionType"`
	Amount                providers.Text `json:"amount"`
	Currency              providers.Text `json:"currency"`

	// Errors: message and code in the document's sample, errorMessage and
	// errorCode elsewhere, or a list of them.
	wireError
	Errors wireErrors `json:"errors"`

	ScheduleData struct {
		ScheduleID providers.Text `json:"scheduleId"`
	} `json:"scheduleData"`
	NotificationSource providers.Text `json:"notificationSource"`
	OriginalAmount     providers.Text `json:"originalAmount"`
	OriginalCurrency   providers.Text `json:"originalCurrency"`

	Chargeback struct {
		disputed
		At providers.Text `json:"chargebackDateTime"`
	} `json:"chargebackData"`
	Reversal struct {
		disputed
		ChargebackUUID providers.Text `json:"chargebackUuid"`
		At             providers.Text `json:"reversalDateTime"`
	} `json:"chargebackReversalData"`

	Extra      extra      `json:"extraData"`
	ReturnData returnData `json:"returnData"`
	RiskCheck  risk       `json:"riskCheckData"`
}

// disputed is what a chargeback and its reversal tell alike (seed 003, "Status
// Data").
type disputed struct {
	OriginalUUID providers.Text `json:"originalUuid"`
	Amount       providers.Text `json:"amount"`
	Currency     providers.Text `json:"currency"`
	Reason       providers.Text `json:"reason"`
}

// transactionTypes are the types of notifications and status answers, in
// capitals and without the mark between words: the document writes "debit" and
// "DEBIT". INCREMENTAL-AUTHORIZATION, DISPUTE and DISPUTE-REVERSAL are of newer
// material; ASSUMPTION: a dispute takes the money back as a chargeback does.
var transactionTypes = map[string]domain.TransactionType{
	"DEBIT": domain.Sale, "PREAUTHORIZE": domain.Preauth, "CAPTURE": domain.Capture, "VOID": domain.Void, "REFUND": domain.Refund,
	"REGISTER": domain.Register, "DEREGISTER": domain.Deregister, "PAYOUT": domain.Payout, "INCREMENTALAUTHORIZATION": domain.Increment,
	"CHARGEBACK": domain.Chargeback, "CHARGEBACKREVERSAL": domain.ChargebackReversal,
	"DISPUTE": domain.Chargeback, "DISPUTEREVERSAL": domain.ChargebackReversal,
}

func typeOf(word providers.Text) (domain.TransactionType, bool) {
	t, ok := transactionTypes[strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToUpper(string(word)))]
	return t, ok
}

// TranslateCallback reads a cleaned notification. An unknown type, an amount
// that cannot be read and a notification about nothing are errors; an unknown
// result word is a pending outcome. One notification can tell two things: an
// outcome, and the network token that came with it.
func (a *Adapter) TranslateCallback(kept []byte) ([]providers.Event, error) {
	no := func(format string, args ...any) ([]providers.Event, error) {
		return nil, errors.New("cardflo: " + a.http.Words(fmt.Sprintf(format, args...)))
	}
	var n notification
	if err := json.Unmarshal(kept, &n); err != nil {
		return no("the notification cannot be read")
	}
	typ, ok := typeOf(n.TransactionType)
	if !ok {
		return no("the notification is about a transaction of the type %q", n.TransactionType)
	}
	for _, ref := range []providers.Text{n.UUID, n.MerchantTransactionID, n.ReferenceUUID, n.ScheduleData.ScheduleID, n.Chargeback.OriginalUUID, n.Reversal.OriginalUUID, n.Reversal.ChargebackUUID} {
		if !httpclient.Reference(string(ref)) {
			return no("a reference of the notification cannot be one")
		}
	}
	if n.UUID == "" && n.MerchantTransactionID == "" {
		return no("the notification names no transaction")
	}
	e := providers.Event{
		Kind: providers.EventOutcome, Type: typ, ProviderRef: named(n.UUID), AttemptRef: named(n.MerchantTransactionID),
		OriginalRef: named(n.ReferenceUUID), ScheduleRef: named(n.ScheduleData.ScheduleID),
		Result: a.notified(n, kept),
	}
	if typ == domain.Register && e.Result.Outcome == providers.Approved {
		e.Result.Token = storedCard(e.ProviderRef)
	}
	if n.Currency == "" && storesOrForgets(n.TransactionType) {
		n.Amount = ""
	}
	var err error
	if e.Result.Amount, err = amountOf(n.Amount, n.Currency); err != nil {
		return no("%v", err)
	}
	switch typ {
	case domain.Chargeback:
		e.Kind, e.At = providers.EventChargeback, timeOf(n.Chargeback.At)
		err = disputeOf(&e, n.Chargeback.disputed)
	case domain.ChargebackReversal:
		e.Kind, e.At = providers.EventChargebackReversal, timeOf(n.Reversal.At)
		err = disputeOf(&e, n.Reversal.disputed)
		if n.Reversal.ChargebackUUID != "" {
			e.OriginalRef = named(n.Reversal.ChargebackUUID)
		}
	}
	if err != nil {
		return no("%v", err)
	}
	if n.OriginalAmount != "" || n.OriginalCurrency != "" {
		if err := adjusted(&e, n); err != nil {
			return no("%v", err)
		}
		return []providers.Event{e}, nil
	}
	update, token := cardNote(n.Extra)
	if update == "" && token == "" || typ != domain.Register && typ != domain.Sale && typ != domain.Preauth {
		// Only these three store a card; beside a chargeback, say, what is told of
		// one is no news of ours.
		return []providers.Event{e}, nil
	}
	card := e
	// A sale or a hold can have stored the card as well as a registration.
	card.Result.Token = storedCard(card.ProviderRef)
	card.Kind, card.Note = providers.EventCard, a.http.Words(strings.TrimSpace(update+" "+token))
	if update != "" {
		// An update repeats the transaction that stored the card; it is news of
		// the card alone.
		return []providers.Event{card}, nil
	}
	return []providers.Event{e, card}, nil
}

// named is a reference that was left whole by the cleaning.
func named(t providers.Text) string {
	if strings.Contains(string(t), httpclient.Redacted) {
		return ""
	}
	return string(t)
}

// notified reads the result's word: OK is a yes, ERROR a no, everything else is
// not final (seed 003, "Success Notification", "Error Notification").
func (a *Adapter) notified(n notification, kept []byte) providers.Result {
	res := providers.Result{ProviderRef: named(n.UUID), Card: n.ReturnData.card(), Code: n.code(), Text: n.wireError.text(), Raw: a.http.Scrub(kept)}
	if len(n.Errors) > 0 && res.Code == "" {
		res.Code, res.Text = n.Errors[0].code(), n.Errors[0].text()
	}
	switch n.Result {
	case "OK":
		res.Outcome = providers.Approved
	case "ERROR":
		res.Outcome, res.Reason = providers.Declined, reasonOf(res.Code)
	}
	return a.finish(res, n.ReturnData, n.RiskCheck, "")
}

// amountOf reads an amount that may be left out; the document writes it as a
// text and as a JSON number.
func amountOf(amount, currency providers.Text) (*money.Amount, error) {
	if amount == "" {
		return nil, nil
	}
	c, err := money.ParseCurrency(string(currency))
	if err != nil {
		return nil, errors.New("the currency is not one")
	}
	a, err := providers.Decimal(string(amount), c)
	if err != nil {
		return nil, errors.New("the amount cannot be read")
	}
	return &a, nil
}

// disputeOf adds what was charged back. Two different amounts for one
// chargeback have no rule in the document, so neither is taken.
func disputeOf(e *providers.Event, d disputed) error {
	amount, err := amountOf(d.Amount, d.Currency)
	switch {
	case err != nil:
		return err
	case amount != nil && e.Result.Amount != nil && *amount != *e.Result.Amount:
		return errors.New("the chargeback names two amounts")
	case e.Result.Amount == nil:
		e.Result.Amount = amount
	}
	e.Note = httpclient.ScrubText(providers.AtMost(string(d.Reason), 500))
	// Its own merchantTransactionId is the gateway's ("auto-…"), never ours.
	e.AttemptRef = ""
	if d.OriginalUUID != "" {
		e.OriginalRef = named(d.OriginalUUID)
	}
	if e.OriginalRef == "" {
		return errors.New("the chargeback names no transaction that it is about")
	}
	return nil
}

// adjusted makes an event of an amount that was changed afterwards (seed 003,
// "Callback Data", notificationSource).
func adjusted(e *providers.Event, n notification) error {
	if s := strings.ToLower(string(n.NotificationSource)); s != "reconciliation" && s != "settlement" {
		return errors.New("the amount was changed by something that the document does not know")
	}
	was, err := amountOf(either(n.OriginalAmount, n.Amount), either(n.OriginalCurrency, n.Currency))
	if err != nil {
		return err
	}
	if was == nil || e.Result.Amount == nil {
		return errors.New("the amount was changed, and one of the two is missing")
	}
	e.Kind, e.OriginalAmount = providers.EventAdjustment, was
	e.Note = "Changed by " + strings.ToLower(string(n.NotificationSource)) + "."
	return nil
}

// timeOf reads a time with its offset; zero when it is none.
func timeOf(t providers.Text) time.Time {
	at, err := time.Parse(time.RFC3339, string(t))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// cardUpdates are the results of the account updater (seed 003, "Account
// Updater Notification").
var cardUpdates = map[string]string{
	"updated":    "The card has a new number and expiry date.",
	"closed":     "The card is closed and no longer valid.",
	"new_expiry": "The card has a new expiry date.",
	"contact":    "Ask the cardholder for the card’s new data.",
}

// tokenStates are the states of a network token, and what can change of one
// (seed 003, "Network Token Notification").
var tokenStates = map[string]string{
	"active":               "The network token can be used.",
	"inactive":             "The network token is not active yet.",
	"suspended":            "The network token is suspended and cannot be used now.",
	"deactivated":          "The network token can no longer be used.",
	"pending":              "The network token is being made.",
	"error":                "The network token could not be made.",
	"pan_changed":          "The card behind the network token has a new number.",
	"pan_expiry_changed":   "The card behind the network token has a new expiry date.",
	"token_expiry_changed": "The network token has a new expiry date.",
}

// cardNote says what a notification tells of a stored card: an update by itself,
// or the network token that came with a transaction.
func cardNote(x extra) (update, token string) {
	say := func(known map[string]string, word, otherwise string) string {
		if word == "" {
			return ""
		}
		if s, ok := known[word]; ok {
			return s
		}
		return otherwise + word + "."
	}
	update = say(cardUpdates, x["lastCardUpdateResult"], "The card was updated: ")
	if changed := say(tokenStates, x["lastNetworkTokenUpdateResult"], "The network token was updated: "); changed != "" {
		update = strings.TrimSpace(update + " " + changed)
	}
	if update == "" && x["lastNetworkTokenUpdateDate"] != "" {
		update = "The network token was updated."
	}
	return update, say(tokenStates, x["networkTokenStatus"], "The network token’s state is ")
}
