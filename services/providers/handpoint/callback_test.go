package handpoint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
)

func receiver(t *testing.T, token string, also ...string) *handpoint.Adapter {
	t.Helper()
	c := providers.Config{BaseURL: "https://cloud.handpoint.com", Secrets: map[string]string{handpoint.SecretAPIKey: "a-key", handpoint.SecretCallbackToken: token}}
	for _, a := range also {
		c.Also = append(c.Also, map[string]string{handpoint.SecretCallbackToken: a})
	}
	a, err := handpoint.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestACallbackIsProvedByItsTokenAlone(t *testing.T) {
	const former, next = "the-token-of-before-the-rotation", "the-token-that-is-still-to-come"
	for _, c := range []struct {
		name   string
		a      *handpoint.Adapter
		tokens []string
		ok     bool
	}{
		{"the token", receiver(t, callbackToken), []string{callbackToken}, true},
		{"one of a rotation", receiver(t, callbackToken, former, next), []string{former}, true},
		{"the last of a rotation", receiver(t, callbackToken, former, next), []string{next}, true},
		{"only another set has one", receiver(t, "", former), []string{former}, true},
		{"another token", receiver(t, callbackToken), []string{former}, false},
		{"a beginning of it", receiver(t, callbackToken), []string{callbackToken[:20]}, false},
		{"more than it", receiver(t, callbackToken), []string{callbackToken + "x"}, false},
		{"in capitals", receiver(t, callbackToken), []string{strings.ToUpper(callbackToken)}, false},
		{"with a space", receiver(t, callbackToken), []string{callbackToken + " "}, false},
		{"an empty one", receiver(t, callbackToken), []string{""}, false},
		{"none", receiver(t, callbackToken), nil, false},
		{"two", receiver(t, callbackToken), []string{callbackToken, callbackToken}, false},
		{"none is configured", receiver(t, ""), []string{""}, false},
		{"none is configured, one is sent", receiver(t, ""), []string{callbackToken}, false},
		{"the key in its place", receiver(t, callbackToken), []string{"a-key"}, false},
	} {
		h := http.Header{}
		for _, token := range c.tokens {
			h.Add("AUTH-TOKEN", token)
		}
		err := c.a.VerifyCallback(providers.Callback{Method: http.MethodPost, Header: h, Body: []byte("not even JSON")})
		if (err == nil) != c.ok || (err != nil && !errors.Is(err, providers.ErrNotVerified)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), callbackToken) {
			t.Errorf("%s: the error gives the token away", c.name)
		}
	}
}

func TestATokenThatCanBeGuessedIsRefused(t *testing.T) {
	for _, token := range []string{"short", "fifteen-letters", " with-a-space-before-it", "with-a-space-after-it ", "with-a\nline-break-in-it", "with-an-umlaut-ä-in-it"} {
		_, err := handpoint.New(providers.Config{BaseURL: "https://cloud.handpoint.com",
			Secrets: map[string]string{handpoint.SecretAPIKey: "a-key", handpoint.SecretCallbackToken: token}})
		if err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// result is the document's sample of a TransactionResult with some fields
// changed.
func result(t *testing.T, change map[string]any) []byte {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(goldenFile(t, "transaction_result.json")), &body); err != nil {
		t.Fatal(err)
	}
	for name, value := range change {
		body[name] = value
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func translated(t *testing.T, a *handpoint.Adapter, body []byte) ([]providers.Event, error) {
	t.Helper()
	kept, err := a.CleanCallback(body)
	if err != nil {
		return nil, err
	}
	return a.TranslateCallback(kept)
}

func TestTheDocumentsResultIsTranslated(t *testing.T) {
	events, err := translated(t, receiver(t, callbackToken), []byte(goldenFile(t, "transaction_result.json")))
	if err != nil || len(events) != 1 {
		t.Fatalf("%+v, %v", events, err)
	}
	e := events[0]
	if e.Kind != providers.EventOutcome || e.Type != domain.Sale || e.AttemptRef != "f147c2e7-f445-4af8-9e11-ae035320ade3" || e.OriginalRef != "" ||
		e.ProviderRef != "1abe8dc0-389e-11f1-8672-a1e0852a3198" || e.Device != (providers.DeviceRef{Serial: "1850025030", Type: "PAXA920PRO"}) ||
		!e.At.Equal(time.UnixMilli(1776238711000)) || e.Recovered {
		t.Errorf("%+v", e)
	}
	r := e.Result
	if r.Outcome != providers.Approved || *r.Amount != euros(300) || r.Tip != nil || r.AuthCode != "123456" || r.Code != "AUTHORISED" ||
		r.Card != (domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/27"}) || len(r.Receipts) != 2 ||
		r.Receipts[1] != (providers.Receipt{Copy: "merchant", Kind: "url", Body: "https://receipts.handpoint.com/receipts/1abe8dc0-389e-11f1-8672-a1e0852a3198/merchant.html"}) {
		t.Errorf("%+v", r)
	}
}

func TestACallbackIsKeptWithoutWhatNobodyMayHold(t *testing.T) {
	const pan = "4111111111111111"
	a := receiver(t, callbackToken)
	body := result(t, map[string]any{
		"unMaskedPan": pan, "ssk": "PLANTED-SSK", "UNMASKEDPAN": pan, "track2": pan + "=2712", "maskedCardNumber": pan,
		"deviceStatus":  map[string]any{"serialNumber": "1850025030", "bluetoothName": "PAXA920PRO", "ssk": "PLANTED-SSK", "unMaskedPan": pan, "deeper": map[string]any{"ssk": "PLANTED-SSK"}},
		"statusMessage": "card " + pan, "errorMessage": "ssk=PLANTED-SSK", "customerReceipt": "<p>" + pan + "</p>",
		"metadata": map[string]any{"metadata1": pan}, "cardToken": pan, "signatureUrl": "not base64 " + pan, "newField": []any{pan},
		"multiLanguageErrorMessages": map[string]any{"en": pan},
	})
	kept, err := a.CleanCallback(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, planted := range []string{pan, "PLANTED-SSK", "unMaskedPan", "ssk\":", "metadata", "newField"} {
		if bytes.Contains(kept, []byte(planted)) {
			t.Errorf("%s is kept: %s", planted, kept)
		}
	}
	events, err := a.TranslateCallback(kept)
	if err != nil || events[0].Result.Card != (domain.Card{}) || events[0].Result.Outcome != providers.Approved {
		t.Errorf("%+v, %v", events, err)
	}
	// Sixteen digits are base64 as well.
	if kept, err = a.CleanCallback(result(t, map[string]any{"signatureUrl": pan})); err != nil || bytes.Contains(kept, []byte(pan)) {
		t.Errorf("a signature: %s, %v", kept, err)
	}
	once, err := a.CleanCallback([]byte(goldenFile(t, "transaction_result.json")))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := a.CleanCallback(once)
	if err != nil || !bytes.Equal(once, twice) {
		t.Errorf("cleaned twice:\n%s\n%s, %v", once, twice, err)
	}
}

func TestCleaningIsDeterministicAndKeepsNothingElse(t *testing.T) {
	a := receiver(t, callbackToken)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"finStatus", "type", "currency", "totalAmount", "transactionReference", "ssk", "unMaskedPan", "pan", "x", "deviceStatus"}), rapid.ID[string]).Draw(t, "names")
		values := rapid.SampledFrom([]string{`"4000000000000936936"`, `"PLANTED"`, `12`, `null`, `true`, `{"ssk":"PLANTED"}`, `["PLANTED"]`})
		var parts, reversed []string
		for _, n := range names {
			part := fmt.Sprintf("%q:%s", n, values.Draw(t, n))
			parts, reversed = append(parts, part), append([]string{part}, reversed...)
		}
		one, err := a.CleanCallback([]byte("{" + strings.Join(parts, ",") + "}"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := a.CleanCallback([]byte("{ " + strings.Join(reversed, " , ") + " }"))
		if err != nil || !bytes.Equal(one, two) {
			t.Fatalf("%s\n%s, %v", one, two, err)
		}
		var kept map[string]any
		if err := json.Unmarshal(one, &kept); err != nil {
			t.Fatal(err)
		}
		for _, gone := range []string{"ssk", "unMaskedPan", "pan", "x"} {
			if kept[gone] != nil {
				t.Fatalf("%s is kept", gone)
			}
		}
	})
}

func TestWhatIsNoObjectIsNotKept(t *testing.T) {
	a := receiver(t, callbackToken)
	for _, body := range []string{"", "null", "[]", `"x"`, "12", "{", "<p>"} {
		if kept, err := a.CleanCallback([]byte(body)); err == nil {
			t.Errorf("%q is kept as %s", body, kept)
		}
	}
}

func TestEveryTypeOfResultIsAnEventOfItsOwn(t *testing.T) {
	const guid, original, sale = "11111111-38ad-11f1-909c-f50efeae2190", "22222222-38ad-11f1-909c-f50efeae2190", "f147c2e7-f445-4af8-9e11-ae035320ade3"
	ours := uuid.NewString()
	a := receiver(t, callbackToken)
	for _, c := range []struct {
		word                       string
		change                     map[string]any
		typ                        domain.TransactionType
		outcome                    providers.Outcome
		attempt, original, comment string
	}{
		{word: "SALE", typ: domain.Sale, outcome: providers.Approved, attempt: sale},
		{word: "MOTO_SALE", typ: domain.Sale, outcome: providers.Approved, attempt: sale},
		{word: "VOID_SALE", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours}, typ: domain.Void, outcome: providers.Approved, attempt: ours, original: original},
		{word: "VOID_SALE", change: map[string]any{"originalEFTTransactionID": original}, typ: domain.Void, outcome: providers.Approved, original: original},
		{word: "REFUND", typ: domain.Refund, outcome: providers.Approved, attempt: sale, comment: "unlinked"},
		{word: "REFUND", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours}, typ: domain.Refund, outcome: providers.Approved, attempt: ours, original: original},
		{word: "REFUND", change: map[string]any{"originalEFTTransactionID": original, "customerReference": "table 7"}, typ: domain.Refund, outcome: providers.Approved, original: original},
		{word: "VOID_REFUND", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours}, typ: domain.Void, outcome: providers.Approved, attempt: ours, original: original},
		{word: "MOTO_REFUND", typ: domain.Refund, outcome: providers.Approved, attempt: sale},
		{word: "MOTO_REVERSAL", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours}, typ: domain.Void, outcome: providers.Approved, attempt: ours, original: original},
		{word: "REVERSAL", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours}, typ: domain.Void, outcome: providers.Approved, attempt: ours, original: original},
		{word: "CANCEL_SALE", change: map[string]any{"finStatus": "CANCELLED"}, typ: domain.Sale, outcome: providers.Declined, attempt: sale},
		{word: "CANCEL_SALE", typ: domain.Sale, outcome: providers.Pending, attempt: sale, comment: "an approved cancellation approves nothing"},
		{word: "CANCEL_REFUND", change: map[string]any{"finStatus": "CANCELLED"}, typ: domain.Refund, outcome: providers.Declined, attempt: sale},
		{word: "CANCEL_TRX", change: map[string]any{"finStatus": "CANCELLED"}, outcome: providers.Declined, attempt: sale},
		{word: "TOKENIZE_CARD", change: map[string]any{"transactionReference": "", "customerReference": ours, "cardToken": "665630867", "totalAmount": 0}, typ: domain.Register, outcome: providers.Approved, attempt: ours},
		{word: "PRE_AUTHORIZATION", typ: domain.Preauth, outcome: providers.Approved, attempt: sale},
		{word: "PRE_AUTHORIZATION_INCREASE", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours}, typ: domain.Increment, outcome: providers.Approved, attempt: ours, original: original},
		{word: "PRE_AUTHORIZATION_INCREASE", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours, "requestedAmount": -300}, typ: domain.Decrement, outcome: providers.Approved, attempt: ours, original: original},
		{word: "PRE_AUTHORIZATION_CAPTURE", change: map[string]any{"originalEFTTransactionID": original, "customerReference": ours, "finStatus": "CAPTURED"}, typ: domain.Capture, outcome: providers.Approved, attempt: ours, original: original},
		{word: "CARD_PAN", typ: "", outcome: providers.Approved, attempt: sale, comment: "nothing of it is kept but its outcome"},
		{word: "UNDEFINED", change: map[string]any{"finStatus": "PROCESSED", "totalAmount": 0, "transactionReference": "", "customerReference": ours}, typ: "", outcome: providers.Approved, attempt: ours, comment: "a printed receipt"},
		{word: "A_WORD_TO_COME", typ: "", outcome: providers.Approved, attempt: sale},
	} {
		change := map[string]any{"type": c.word, "efttransactionID": guid, "transactionID": guid}
		for name, value := range c.change {
			change[name] = value
		}
		events, err := translated(t, a, result(t, change))
		if err != nil || len(events) != 1 {
			t.Errorf("%s: %+v, %v", c.word, events, err)
			continue
		}
		if e := events[0]; e.Type != c.typ || e.Result.Outcome != c.outcome || e.AttemptRef != c.attempt || e.OriginalRef != c.original || e.ProviderRef != guid {
			t.Errorf("%s %s: %+v", c.word, c.comment, e)
		}
		if events[0].Result.Token != "" {
			t.Errorf("%s: the kept body holds a card token", c.word)
		}
	}
}

func TestEveryFinStatusOfACallback(t *testing.T) {
	a := receiver(t, callbackToken)
	for word, want := range map[string]providers.Outcome{
		"AUTHORISED": providers.Approved, "CAPTURED": providers.Approved, "REFUNDED": providers.Approved, "DECLINED": providers.Declined,
		"FAILED": providers.Declined, "CANCELLED": providers.Declined, "PARTIAL_APPROVAL": providers.Pending, "IN_PROGRESS": providers.Pending,
		"UNDEFINED": providers.Pending, "PROCESSED": providers.Pending, "A_WORD_TO_COME": providers.Pending,
	} {
		events, err := translated(t, a, result(t, map[string]any{"finStatus": word}))
		if err != nil || len(events) != 1 || events[0].Result.Outcome != want {
			t.Errorf("%s: %+v, %v", word, events, err)
		}
	}
}

func TestACallbackThatCannotBeBelievedIsAnError(t *testing.T) {
	a := receiver(t, callbackToken)
	for name, change := range map[string]map[string]any{
		"names nothing":                   {"transactionReference": "", "efttransactionID": "", "transactionID": "", "finStatus": "DECLINED"},
		"approves without a guid":         {"efttransactionID": "", "transactionID": ""},
		"an amount with a fraction":       {"totalAmount": json.RawMessage("3.00")},
		"an exponent":                     {"totalAmount": json.RawMessage("3e2")},
		"a negative amount":               {"totalAmount": -300},
		"no currency":                     {"currency": ""},
		"yen, for which there is no rule": {"currency": "JPY"},
		"dinars":                          {"currency": "KWD"},
		"a tip that cannot be read":       {"tipAmount": json.RawMessage("0.5")},
		"a reference with spaces":         {"efttransactionID": "a b"},
	} {
		if events, err := translated(t, a, result(t, change)); err == nil {
			t.Errorf("%s: %+v", name, events)
		}
	}
	if _, err := a.TranslateCallback([]byte(`[]`)); err == nil {
		t.Error("a list is read")
	}
	if events, err := a.TranslateCallback([]byte(`{"type":"UNDEFINED","finStatus":"","deviceStatus":{"serialNumber":"1"}}`)); err != nil || len(events) != 0 {
		t.Errorf("a ping: %+v, %v", events, err)
	}
}

// Only what moves no money is done without a word for it: a result that carries
// the reference of a sale is not.
func TestAResultWithoutAWordApprovesNoSale(t *testing.T) {
	a := receiver(t, callbackToken)
	for _, word := range []string{"", "PROCESSED"} {
		events, err := translated(t, a, result(t, map[string]any{"finStatus": word, "type": "UNDEFINED", "totalAmount": 0}))
		if err != nil || len(events) != 1 || events[0].Result.Outcome != providers.Pending {
			t.Errorf("%q: %+v, %v", word, events, err)
		}
	}
}

// 137720382464 has the check digit of a card number, and is an amount.
func TestAmountsOfACallbackAreMinorUnits(t *testing.T) {
	a := receiver(t, callbackToken)
	if events, err := translated(t, a, result(t, map[string]any{"totalAmount": json.RawMessage("137720382464")})); err != nil || events[0].Result.Amount.Minor() != 137720382464 {
		t.Errorf("%+v, %v", events, err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		minor := rapid.Int64Range(1, 999_999_999_999).Draw(rt, "minor")
		tip := rapid.Int64Range(0, minor).Draw(rt, "tip")
		events, err := translated(t, a, result(t, map[string]any{"totalAmount": json.RawMessage(fmt.Sprint(minor)), "tipAmount": json.RawMessage(fmt.Sprint(tip)), "currency": "USD"}))
		usd := money.MustCurrency("USD")
		if err != nil || *events[0].Result.Amount != money.FromMinor(minor, usd) || (tip > 0) != (events[0].Result.Tip != nil) ||
			(tip > 0 && *events[0].Result.Tip != money.FromMinor(tip, usd)) {
			rt.Fatalf("%d, %d: %+v, %v", minor, tip, events, err)
		}
	})
}

func TestATerminalSendsItsResultWithTheToken(t *testing.T) {
	l := start(t, options{callbacks: true})
	ref := uuid.NewString()
	begun, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(10000), AttemptRef: ref})
	if err != nil || begun.ResultRef != "" {
		t.Fatalf("%+v, %v", begun, err)
	}
	if res, done, err := l.TerminalResult(t.Context(), begun); done || err != nil {
		t.Errorf("%+v, %v, %v", res, done, err)
	}
	l.pass(time.Second)
	calls := l.callback.got()
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	if err := l.VerifyCallback(calls[0]); err != nil {
		t.Error(err)
	}
	pan := emulator.UnmaskedPAN("0936")
	if !bytes.Contains(calls[0].Body, []byte(pan)) {
		t.Error("the emulator sends no unmasked number, so that dropping it is not tested")
	}
	kept, err := l.CleanCallback(calls[0].Body)
	if err != nil || bytes.Contains(kept, []byte(pan)) {
		t.Errorf("%s, %v", kept, err)
	}
	events, err := l.TranslateCallback(kept)
	if err != nil || len(events) != 1 || events[0].AttemptRef != ref || events[0].Result.Outcome != providers.Approved || *events[0].Result.Amount != euros(10000) ||
		events[0].Device != terminal || events[0].Recovered {
		t.Errorf("%+v, %v", events, err)
	}
	if strings.Contains(l.log.String(), callbackToken) {
		t.Error("the transcript holds the callback token")
	}
	l.pass(time.Hour)
	if n := len(l.callback.got()); n != 1 {
		t.Errorf("an acknowledged result came %d times", n)
	}
}

func TestALateResultCallsItselfRecovered(t *testing.T) {
	l := start(t, options{callbacks: true})
	l.callback.answer(http.StatusServiceUnavailable)
	if _, err := l.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(100), AttemptRef: uuid.NewString()}); err != nil {
		t.Fatal(err)
	}
	l.pass(time.Second)
	l.callback.answer(http.StatusNoContent)
	l.pass(5 * time.Second)
	calls := l.callback.got()
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	for i, recovered := range []bool{false, true} {
		events, err := translated(t, l.Adapter, calls[i].Body)
		if err != nil || events[0].Recovered != recovered || events[0].Result.Outcome != providers.Approved {
			t.Errorf("%d: %+v, %v", i, events, err)
		}
	}
}

func TestEveryKindOfOperationCanEndByCallback(t *testing.T) {
	l := start(t, options{callbacks: true})
	run := func(req providers.TerminalRequest) providers.Event {
		t.Helper()
		req.Device = terminal
		before := len(l.callback.got())
		if _, err := l.StartOnTerminal(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		l.pass(time.Second)
		calls := l.callback.got()
		if len(calls) != before+1 {
			t.Fatalf("%s: %d calls", req.Operation, len(calls)-before)
		}
		events, err := translated(t, l.Adapter, calls[before].Body)
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: %+v, %v", req.Operation, events, err)
		}
		if req.AttemptRef != events[0].AttemptRef {
			t.Errorf("%s: %+v", req.Operation, events[0])
		}
		return events[0]
	}
	saleRef := uuid.NewString()
	sale := run(providers.TerminalRequest{Operation: "sale", Amount: euros(1000), AttemptRef: saleRef})
	refund := run(providers.TerminalRequest{Operation: "refund", Amount: euros(400), OriginalRef: sale.ProviderRef, AttemptRef: uuid.NewString(), OrderReference: "table 7"})
	if refund.Type != domain.Refund || refund.OriginalRef != sale.ProviderRef {
		t.Errorf("%+v", refund)
	}
	void := run(providers.TerminalRequest{Operation: "refundReversal", Amount: euros(400), OriginalRef: refund.ProviderRef, AttemptRef: uuid.NewString()})
	if void.Type != domain.Void || void.OriginalRef != refund.ProviderRef {
		t.Errorf("%+v", void)
	}
	if failed := run(providers.TerminalRequest{Operation: "refund", Amount: euros(99999), OriginalRef: sale.ProviderRef, AttemptRef: uuid.NewString()}); failed.Result.Outcome != providers.Declined {
		t.Errorf("%+v", failed)
	}
	if ping := run(providers.TerminalRequest{Operation: "pingDevice", AttemptRef: uuid.NewString()}); ping.Result.Outcome != providers.Approved || ping.Type != "" {
		t.Errorf("%+v", ping)
	}
}

// A kept body is no place for a card token, so its result is asked for.
func TestACardTokenNeverComesByCallback(t *testing.T) {
	l := start(t, options{callbacks: true})
	for _, req := range []providers.TerminalRequest{{Operation: "tokenizeCard"}, {Operation: "saleAndTokenizeCard", Amount: euros(100)}} {
		req.AttemptRef = uuid.NewString()
		if res := l.run(req); res.Outcome != providers.Approved || res.Token != emulator.TokenVisa {
			t.Errorf("%+v", res)
		}
	}
	if n := len(l.callback.got()); n != 0 {
		t.Errorf("%d callbacks", n)
	}
	kept, err := l.CleanCallback(result(t, map[string]any{"cardToken": "665630867"}))
	if err != nil || bytes.Contains(kept, []byte("665630867")) {
		t.Errorf("%s, %v", kept, err)
	}
}

func TestAnyReplyOf2xxAcknowledges(t *testing.T) {
	if status, body := receiver(t, callbackToken).CallbackReply(); status != 200 || body != "OK" {
		t.Errorf("%d %q", status, body)
	}
}

func TestACallbackAddressIsSentWithItsTokenOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		url, token string
		both       bool
	}{
		{"https://shop.example/callbacks/1", callbackToken, true},
		{"https://shop.example/callbacks/1", "", false},
		{"", callbackToken, false},
	} {
		l := start(t, options{})
		a, err := handpoint.New(providers.Config{BaseURL: "https://cloud.handpoint.com", CallbackURL: c.url, HTTP: forward{l.t, l},
			Secrets: map[string]string{handpoint.SecretAPIKey: emulator.SandboxKey, handpoint.SecretCallbackToken: c.token}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.StartOnTerminal(t.Context(), providers.TerminalRequest{Device: terminal, Operation: "sale", Amount: euros(1), AttemptRef: uuid.NewString()}); err != nil {
			t.Fatal(err)
		}
		sent := (*l.requests)[0]
		if strings.Contains(sent, `"callbackUrl":"https://shop.example/callbacks/1"`) != c.both || strings.Contains(sent, `"token":"`+callbackToken) != c.both {
			t.Errorf("%s", sent)
		}
	}
}
