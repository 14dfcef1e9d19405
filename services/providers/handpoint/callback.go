package handpoint

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// tokenHeader carries the request's token back (public document, Transaction
// Request Object). The body is not signed.
const tokenHeader = "AUTH-TOKEN"

// ProvesCallbacks says that there is a token, without which every callback is
// refused.
func (a *Adapter) ProvesCallbacks() bool { return len(a.tokens) > 0 }

// VerifyCallback compares the token of a terminal's call with the connection's,
// and with those that a rotation still lets count, in constant time. A
// connection without one believes no call.
func (a *Adapter) VerifyCallback(call providers.Callback) error {
	if len(a.tokens) == 0 {
		return fmt.Errorf("handpoint: the connection has no callback token: %w", providers.ErrNotVerified)
	}
	values := call.Header.Values(tokenHeader)
	if len(values) != 1 {
		return fmt.Errorf("handpoint: the call has %d tokens: %w", len(values), providers.ErrNotVerified)
	}
	// Hashes have one length, so that the comparison tells nothing of the token's.
	got, equal := sha256.Sum256([]byte(values[0])), 0
	for _, token := range a.tokens {
		want := sha256.Sum256([]byte(token))
		equal |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	if equal != 1 {
		return fmt.Errorf("handpoint: the token is another one: %w", providers.ErrNotVerified)
	}
	return nil
}

// keep is how a field of a callback is kept.
type keep int

const (
	keepScrubbed keep = iota // as a text without card numbers and secrets
	keepAmount               // a whole number as it is: twelve digits can look like a card's
	keepReceipt              // an address as it is, markup scrubbed
	keepPicture              // an address or base64
)

// amountShape is a number of minor units within the document's bound.
var amountShape = regexp.MustCompile(`^-?[0-9]{1,12}$`)

// keptNames are the fields that statusAnswer reads, without cardToken: a kept
// body is no place for it, and TokenOf gives it again. unMaskedPan is not among
// them, nor is whatever a later revision may add.
var keptNames = map[string]keep{
	"finStatus": keepScrubbed, "type": keepScrubbed, "currency": keepScrubbed, "totalAmount": keepAmount, "requestedAmount": keepAmount,
	"tipAmount": keepAmount, "increaseAmount": keepAmount, "capturedAmount": keepAmount, "transactionID": keepScrubbed,
	"efttransactionID": keepScrubbed, "originalEFTTransactionID": keepScrubbed, "efttimestamp": keepScrubbed, "transactionReference": keepScrubbed,
	"customerReference": keepScrubbed, "authorisationCode": keepScrubbed, "cardSchemeName": keepScrubbed, "maskedCardNumber": keepScrubbed,
	"expiryDateMMYY": keepScrubbed, "issuerResponseCode": keepScrubbed, "statusMessage": keepScrubbed, "errorMessage": keepScrubbed,
	"customerReceipt": keepReceipt, "merchantReceipt": keepReceipt, "signatureUrl": keepPicture,
}

var keptDeviceNames = map[string]keep{"serialNumber": keepScrubbed, "bluetoothName": keepScrubbed, "batteryStatus": keepScrubbed, "batteryCharging": keepScrubbed,
	"externalPower": keepScrubbed, "applicationName": keepScrubbed, "applicationVersion": keepScrubbed}

// CleanCallback keeps the fields that are read, each as a text, and drops all
// others at every depth: an unmasked card number, a card token and a terminal's
// shared secret among them. Its result is sorted by name.
func (a *Adapter) CleanCallback(body []byte) ([]byte, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return nil, errors.New("handpoint: the callback is not a JSON object")
	}
	out := map[string]any{}
	for name, value := range a.kept(object, keptNames) {
		out[name] = value
	}
	if bytes.Equal(bytes.TrimSpace(object["recoveredTransaction"]), []byte("true")) {
		out["recoveredTransaction"] = true
	}
	var device map[string]json.RawMessage
	if json.Unmarshal(object["deviceStatus"], &device) == nil {
		if kept := a.kept(device, keptDeviceNames); len(kept) > 0 {
			out["deviceStatus"] = kept
		}
	}
	var clean bytes.Buffer
	enc := json.NewEncoder(&clean)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, errors.New("handpoint: the callback cannot be written")
	}
	return bytes.TrimSpace(clean.Bytes()), nil
}

func (a *Adapter) kept(object map[string]json.RawMessage, names map[string]keep) map[string]string {
	out := map[string]string{}
	for name, how := range names {
		var value text
		if object[name] == nil || json.Unmarshal(object[name], &value) != nil || value == "" {
			continue
		}
		s := string(value)
		scrubbed := a.http.ScrubText(s)
		switch how {
		case keepScrubbed:
			s = scrubbed
		case keepAmount:
			if !amountShape.MatchString(s) {
				s = scrubbed
			}
		case keepReceipt:
			if !isAddress(s) {
				s = scrubbed
			}
		case keepPicture:
			if !isAddress(s) && !isPicture(s) {
				continue
			}
		}
		out[name] = s
	}
	return out
}

// uuidShape is what our references look like (UUID version 4).
var uuidShape = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// TranslateCallback reads a TransactionResult that a terminal sent (seed 004,
// "TransactionResultRecovery"). Its transactionReference is our reference of an
// original operation; of a linked one it is the original's, and ours is in
// customerReference. A result that names nothing, as of a ping, tells nothing.
func (a *Adapter) TranslateCallback(kept []byte) ([]providers.Event, error) {
	var ans statusAnswer
	if json.Unmarshal(kept, &ans) != nil || !httpclient.Reference(string(ans.ref())) || !httpclient.Reference(string(ans.OriginalEFT)) {
		return nil, errors.New("handpoint: the callback is not the document's JSON")
	}
	res, why := a.terminalOutcome(ans, kept)
	if why != "" {
		return nil, fmt.Errorf("handpoint: %s", why)
	}
	e := providers.Event{
		Kind: providers.EventOutcome, Type: typeOf(ans), ProviderRef: res.ProviderRef, OriginalRef: string(ans.OriginalEFT),
		Device: ans.device(), Report: a.report(ans), Result: res, Recovered: ans.Recovered, At: at(ans.EFTTimestamp),
	}
	switch {
	case !ans.linked() && ans.TransactionReference != "":
		e.AttemptRef = string(ans.TransactionReference)
	case uuidShape.MatchString(string(ans.CustomerReference)):
		e.AttemptRef = string(ans.CustomerReference)
	}
	if e.AttemptRef == "" && e.ProviderRef == "" {
		if e.Type == "" {
			return nil, nil
		}
		return nil, errors.New("handpoint: the callback names no transaction")
	}
	if e.Type != domain.Refund && !ans.linked() {
		// A sale has no original; the auto-reversal of one that was declined in
		// part names itself here.
		e.OriginalRef = ""
	}
	return []providers.Event{e}, nil
}

// at reads milliseconds since 1970; anything else is no time.
func at(t text) time.Time {
	ms, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// CallbackReply acknowledges: every 2xx does (seed 004,
// "TransactionResultRecovery").
func (a *Adapter) CallbackReply() (int, string) { return http.StatusOK, "OK" }
