package cardflo

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
)

var arrived = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// receiver is an adapter that is called, and calls nobody.
func receiver(t *testing.T, change ...func(*providers.Config)) *Adapter {
	t.Helper()
	c := providers.Config{BaseURL: "https://gateway.example/api/v3", Secrets: map[string]string{
		SecretAPIKey: "my-api-key", SecretUsername: "anyApiUser", SecretPassword: "myPassword", SecretSharedSecret: "my-shared-secret",
	}}
	for _, f := range change {
		f(&c)
	}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sent is a notification as the gateway signs it, at a time.
func sent(secret string, at time.Time, body string) providers.Callback {
	date := at.UTC().Format(http.TimeFormat)
	return providers.Callback{
		Method: http.MethodPost, URI: "/webhooks/cardflo/7?someKey=someValue", Body: []byte(body), At: arrived,
		Header: http.Header{"Content-Type": {contentType}, "Date": {date},
			"X-Signature": {sign(secret, "POST", bodyHash([]byte(body)), contentType, date, "/webhooks/cardflo/7?someKey=someValue")}},
	}
}

func TestOnlyTheGatewaysNotificationIsVerified(t *testing.T) {
	const body = `{"result":"OK"}`
	good := func() providers.Callback { return sent("my-shared-secret", arrived, body) }
	for _, c := range []struct {
		name   string
		change func(*providers.Callback)
		ok     bool
	}{
		{"as it was sent", func(*providers.Callback) {}, true},
		{"the zone written as UTC", func(c *providers.Callback) {
			date := "Sun, 01 Mar 2026 12:00:00 UTC"
			c.Header.Set("Date", date)
			c.Header.Set("X-Signature", sign("my-shared-secret", "POST", bodyHash(c.Body), contentType, date, c.URI))
		}, true},
		{"the date in X-Date", func(c *providers.Callback) { c.Header["X-Date"] = c.Header["Date"]; delete(c.Header, "Date") }, true},
		{"a minute old", func(c *providers.Callback) { c.At = arrived.Add(callbackSkew) }, true},
		{"a minute ahead", func(c *providers.Callback) { c.At = arrived.Add(-callbackSkew) }, true},
		{"older than a minute", func(c *providers.Callback) { c.At = arrived.Add(callbackSkew + time.Second) }, false},
		{"further ahead than a minute", func(c *providers.Callback) { c.At = arrived.Add(-callbackSkew - time.Second) }, false},
		{"no date", func(c *providers.Callback) { c.Header.Del("Date") }, false},
		{"an unreadable date", func(c *providers.Callback) { c.Header.Set("Date", "now") }, false},
		{"no signature", func(c *providers.Callback) { c.Header.Del("X-Signature") }, false},
		{"two signatures", func(c *providers.Callback) { c.Header.Add("X-Signature", c.Header.Get("X-Signature")) }, false},
		{"a signature in small letters", func(c *providers.Callback) {
			c.Header.Set("X-Signature", strings.ToLower(c.Header.Get("X-Signature")))
		}, false},
		{"another content type", func(c *providers.Callback) { c.Header.Set("Content-Type", "application/json") }, false},
		{"another address", func(c *providers.Callback) { c.URI = "/webhooks/cardflo/7" }, false},
		{"another method", func(c *providers.Callback) { c.Method = http.MethodGet }, false},
		{"another body", func(c *providers.Callback) { c.Body = []byte(`{"result":"OK" }`) }, false},
	} {
		call := good()
		c.change(&call)
		err := receiver(t).VerifyCallback(call)
		if (err == nil) != c.ok || (err != nil && !errors.Is(err, providers.ErrNotVerified)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "my-shared-secret") {
			t.Errorf("%s: %v tells the secret", c.name, err)
		}
	}
}

func TestTheToleranceOfANotificationsDateIsTheDocuments(t *testing.T) {
	if callbackSkew != 60*time.Second {
		t.Errorf("%v", callbackSkew)
	}
}

func TestEverySecretThatCountsProvesANotification(t *testing.T) {
	a := receiver(t, func(c *providers.Config) {
		c.Secrets[SecretSharedSecret] = "first"
		c.Also = []map[string]string{{SecretSharedSecret: "second"}, {}, {SecretSharedSecret: ""}, {SecretSharedSecret: "third"}}
	})
	for secret, ok := range map[string]bool{"first": true, "second": true, "third": true, "fourth": false, "": false} {
		if err := a.VerifyCallback(sent(secret, arrived, "{}")); (err == nil) != ok {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestWithoutASharedSecretNoNotificationIsVerified(t *testing.T) {
	a := receiver(t, func(c *providers.Config) { delete(c.Secrets, SecretSharedSecret) })
	if err := a.VerifyCallback(sent("", arrived, "{}")); !errors.Is(err, providers.ErrNotVerified) {
		t.Error(err)
	}
}

// read cleans and translates.
func read(t *testing.T, body []byte) ([]providers.Event, error) {
	t.Helper()
	a := receiver(t)
	kept, err := a.CleanCallback(body)
	if err != nil {
		t.Fatal(err)
	}
	return a.TranslateCallback(kept)
}

func amount(minor int64, currency string) *money.Amount {
	a := money.FromMinor(minor, money.MustCurrency(currency))
	return &a
}

// The samples are those that the document prints.
func TestTheDocumentsNotifications(t *testing.T) {
	visa := domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/22"}
	later := domain.Card{Brand: "Visa", Last4: "1111", Expiry: "02/25"}
	const uuid = "abcde12345abcde12345"
	token := func(kind providers.EventKind, note string) providers.Event {
		stored := ""
		if kind == providers.EventCard {
			stored = "register:7e59391c9a939c1be763"
		}
		return providers.Event{Kind: kind, Type: domain.Sale, AttemptRef: "20230523141348", ProviderRef: "7e59391c9a939c1be763", Note: note,
			Result: providers.Result{Outcome: providers.Approved, ProviderRef: "7e59391c9a939c1be763", Amount: amount(999, "EUR"), Card: later, Token: stored}}
	}
	for file, want := range map[string][]providers.Event{
		"callback_success.json": {{Kind: providers.EventOutcome, Type: domain.Sale, AttemptRef: "2019-09-02-0007", ProviderRef: uuid,
			Result: providers.Result{Outcome: providers.Approved, ProviderRef: uuid, Amount: amount(999, "EUR"), Card: visa}}},
		"callback_error.json": {{Kind: providers.EventOutcome, Type: domain.Sale, AttemptRef: "2019-09-02-0008", ProviderRef: uuid,
			Result: providers.Result{Outcome: providers.Declined, Reason: domain.ReasonLostOrStolen, Code: "2016", Text: "STOLEN_CARD", ProviderRef: uuid, Amount: amount(999, "EUR"), Card: visa}}},
		"callback_chargeback.json": {{Kind: providers.EventChargeback, Type: domain.Chargeback, ProviderRef: uuid, OriginalRef: "0r1gIN4luU1D",
			Note: "Unauthorized payment", At: time.Date(2019, 10, 10, 15, 6, 47, 0, time.UTC),
			Result: providers.Result{Outcome: providers.Approved, ProviderRef: uuid, Amount: amount(999, "EUR")}}},
		"callback_chargeback_reversal.json": {{Kind: providers.EventChargebackReversal, Type: domain.ChargebackReversal, ProviderRef: uuid, OriginalRef: "Ch4rG3baCkUu1D",
			Note: "Chargeback reversed", At: time.Date(2019, 10, 15, 16, 22, 12, 0, time.UTC),
			Result: providers.Result{Outcome: providers.Approved, ProviderRef: uuid, Amount: amount(999, "EUR")}}},
		"callback_account_update.json": {{Kind: providers.EventCard, Type: domain.Register, AttemptRef: "2019-09-02-0012", ProviderRef: uuid,
			Note: "The card has a new number and expiry date.",
			Result: providers.Result{Outcome: providers.Approved, ProviderRef: uuid, Token: "register:" + uuid,
				Card: domain.Card{Brand: "Mastercard", Last4: "4444", Expiry: "12/50"}}}},
		"callback_network_token_active.json":    {token(providers.EventOutcome, ""), token(providers.EventCard, "The network token can be used.")},
		"callback_network_token_suspended.json": {token(providers.EventOutcome, ""), token(providers.EventCard, "The network token is suspended and cannot be used now.")},
	} {
		t.Run(file, func(t *testing.T) {
			got, err := read(t, golden(t, file))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if len(got[i].Result.Raw) == 0 {
					t.Error("the body is not kept")
				}
				got[i].Result.Raw = nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

// about is a notification about one transaction, with more fields.
func about(typ, result, more string) string {
	return `{"result":"` + result + `","uuid":"abcde12345abcde12345","merchantTransactionId":"ours","transactionType":"` + typ + `","amount":"9.99","currency":"EUR"` + more + `}`
}

func TestEveryTypeOfNotification(t *testing.T) {
	for word, typ := range map[string]domain.TransactionType{
		"DEBIT": domain.Sale, "debit": domain.Sale, "PREAUTHORIZE": domain.Preauth, "CAPTURE": domain.Capture,
		"REFUND": domain.Refund, "REGISTER": domain.Register, "DEREGISTER": domain.Deregister, "PAYOUT": domain.Payout,
		"INCREMENTAL-AUTHORIZATION": domain.Increment, "incrementalAuthorization": domain.Increment,
	} {
		got, err := read(t, []byte(about(word, "OK", "")))
		if err != nil || len(got) != 1 || got[0].Type != typ || got[0].Kind != providers.EventOutcome || got[0].Result.Outcome != providers.Approved || got[0].AttemptRef != "ours" {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
		if token := got[0].Result.Token; (token != "") != (typ == domain.Register) {
			t.Errorf("%s: token %q", word, token)
		}
	}
	const dispute = `,"chargebackData":{"originalUuid":"sale"},"chargebackReversalData":{"originalUuid":"sale"}`
	for word, kind := range map[string]providers.EventKind{
		"CHARGEBACK": providers.EventChargeback, "CHARGEBACK-REVERSAL": providers.EventChargebackReversal,
		"DISPUTE": providers.EventChargeback, "DISPUTE-REVERSAL": providers.EventChargebackReversal,
	} {
		got, err := read(t, []byte(about(word, "OK", dispute)))
		if err != nil || len(got) != 1 || got[0].Kind != kind || got[0].OriginalRef != "sale" || got[0].AttemptRef != "" {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "TIP", "DEBITS"} {
		if got, err := read(t, []byte(about(word, "OK", ""))); err == nil {
			t.Errorf("%q is read as %+v", word, got)
		}
	}
}

// Whether a void with an amount was of a part, only what is held can tell.
func TestAVoidIsAVoidWithAnAmountAndWithout(t *testing.T) {
	for body, typ := range map[string]domain.TransactionType{
		about("VOID", "OK", ""): domain.Void,
		`{"result":"OK","uuid":"abcde12345abcde12345","merchantTransactionId":"ours","transactionType":"VOID"}`: domain.Void,
	} {
		got, err := read(t, []byte(body))
		if err != nil || len(got) != 1 || got[0].Type != typ || got[0].AttemptRef != "ours" || got[0].Result.Outcome != providers.Approved {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestARegistrationsAmountWithoutACurrencyIsNotRead(t *testing.T) {
	for _, word := range []string{"REGISTER", "DEREGISTER"} {
		got, err := read(t, []byte(`{"result":"OK","uuid":"u","transactionType":"`+word+`","amount":"0"}`))
		if err != nil || len(got) != 1 || got[0].Result.Outcome != providers.Approved || got[0].Result.Amount != nil {
			t.Errorf("%+v, %v", got, err)
		}
		res, err := serve(t, 200, `{"success":true,"transactionStatus":"SUCCESS","uuid":"u","transactionType":"`+word+`","amount":"0"}`).adapter(t).FindStatus(t.Context(), providers.Lookup{AttemptRef: "ours"})
		if err != nil || res.Outcome != providers.Approved || res.Amount != nil {
			t.Errorf("%+v, %v", res, err)
		}
	}
}

func TestARegistrationWithoutAUUIDStoresNothing(t *testing.T) {
	got, err := read(t, []byte(`{"result":"OK","merchantTransactionId":"ours","transactionType":"REGISTER"}`))
	if err != nil || len(got) != 1 || got[0].Result.Token != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEveryResultOfANotification(t *testing.T) {
	for result, want := range map[string]providers.Outcome{
		"OK": providers.Approved, "ERROR": providers.Declined, "PENDING": providers.Pending, "INVALID_REQUEST": providers.Pending,
		"ok": providers.Pending, "": providers.Pending, "A-WORD-TO-COME": providers.Pending,
	} {
		got, err := read(t, []byte(about("DEBIT", result, "")))
		if err != nil || len(got) != 1 || got[0].Result.Outcome != want {
			t.Errorf("%q: %+v, %v", result, got, err)
		}
	}
}

func TestBothSpellingsOfANotificationsErrors(t *testing.T) {
	for _, more := range []string{
		`,"message":"m","code":"2006"`, `,"message":"m","code":2006`, `,"errorMessage":"m","errorCode":2006`,
		`,"errors":[{"errorMessage":"m","errorCode":"2006"}]`, `,"errors":[{"message":"m","code":2006}]`, `,"errors":{"message":"m","code":2006}`,
	} {
		got, err := read(t, []byte(about("REFUND", "ERROR", more)))
		if err != nil || len(got) != 1 || got[0].Result.Reason != domain.ReasonInsufficientFunds || got[0].Result.Code != "2006" || got[0].Result.Text != "m" {
			t.Errorf("%s: %+v, %v", more, got, err)
		}
	}
}

func TestAmountsOfNotificationsAreReadExactly(t *testing.T) {
	for in, want := range map[string]*money.Amount{
		`"9.99","currency":"EUR"`: amount(999, "EUR"), `9.99,"currency":"EUR"`: amount(999, "EUR"), `9.9,"currency":"EUR"`: amount(990, "EUR"),
		`1250,"currency":"JPY"`: amount(1250, "JPY"), `"1250","currency":"JPY"`: amount(1250, "JPY"), `1.250,"currency":"KWD"`: amount(1250, "KWD"),
		`9007199254740993.01,"currency":"EUR"`: amount(900719925474099301, "EUR"),
		`9.999,"currency":"EUR"`:               nil, `1e2,"currency":"EUR"`: nil, `"9,99","currency":"EUR"`: nil, `"9.99","currency":"eur"`: nil,
		`"9.99"`: nil, `-1,"currency":"EUR"`: nil, `true,"currency":"EUR"`: nil,
	} {
		body := `{"result":"OK","uuid":"u","transactionType":"DEBIT","amount":` + in + `}`
		got, err := read(t, []byte(body))
		switch {
		case want == nil && err == nil:
			t.Errorf("%s is read as %v", in, got[0].Result.Amount)
		case want != nil && (err != nil || *got[0].Result.Amount != *want):
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
}

func TestAnAmountThatWasChangedAfterwardsIsAnAdjustment(t *testing.T) {
	for _, c := range []struct {
		more string
		was  *money.Amount
		ok   bool
	}{
		{`,"notificationSource":"settlement","originalAmount":"12.50","originalCurrency":"EUR"`, amount(1250, "EUR"), true},
		{`,"notificationSource":"reconciliation","originalAmount":12.5,"originalCurrency":"EUR"`, amount(1250, "EUR"), true},
		{`,"notificationSource":"RECONCILIATION","originalAmount":"12.50"`, amount(1250, "EUR"), true},
		{`,"notificationSource":"settlement","originalCurrency":"USD"`, amount(999, "USD"), true},
		{`,"notificationSource":"a hunch","originalAmount":"12.50","originalCurrency":"EUR"`, nil, false},
		{`,"originalAmount":"12.50","originalCurrency":"EUR"`, nil, false},
		{`,"notificationSource":"settlement","originalAmount":"12,50"`, nil, false},
		{`,"notificationSource":"settlement","originalAmount":"12.50","originalCurrency":"XXXX"`, nil, false},
	} {
		got, err := read(t, []byte(about("DEBIT", "OK", c.more)))
		if !c.ok {
			if err == nil {
				t.Errorf("%s is read as %+v", c.more, got)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Kind != providers.EventAdjustment || *got[0].OriginalAmount != *c.was || *got[0].Result.Amount != *amount(999, "EUR") || got[0].Note == "" {
			t.Errorf("%s: %+v, %v", c.more, got, err)
		}
	}
	// A changed status alone is an outcome.
	got, err := read(t, []byte(about("DEBIT", "ERROR", `,"notificationSource":"reconciliation"`)))
	if err != nil || len(got) != 1 || got[0].Kind != providers.EventOutcome || got[0].Result.Outcome != providers.Declined {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestARunOfAScheduleNamesItsSchedule(t *testing.T) {
	got, err := read(t, []byte(about("DEBIT", "OK", `,"scheduleData":{"scheduleId":"SC-1234-1234-1234-1234-1234-1234","scheduleStatus":"ACTIVE","scheduledAt":"2019-09-30T12:00:00+00:00"}`)))
	if err != nil || len(got) != 1 || got[0].ScheduleRef != "SC-1234-1234-1234-1234-1234-1234" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatANotificationTellsOfACard(t *testing.T) {
	card := func(extra string) (kinds []providers.EventKind, note string) {
		t.Helper()
		got, err := read(t, []byte(about("REGISTER", "OK", `,"extraData":`+extra)))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			kinds = append(kinds, e.Kind)
		}
		return kinds, got[len(got)-1].Note
	}
	for word, note := range cardUpdates {
		kinds, got := card(`{"lastCardUpdateDate":"2022-08-19","lastCardUpdateResult":"` + word + `"}`)
		if !reflect.DeepEqual(kinds, []providers.EventKind{providers.EventCard}) || got != note {
			t.Errorf("%s: %v %q", word, kinds, got)
		}
	}
	for word, note := range tokenStates {
		kinds, got := card(`[{"networkTokenStatus":"` + word + `"}]`)
		if !reflect.DeepEqual(kinds, []providers.EventKind{providers.EventOutcome, providers.EventCard}) || got != note {
			t.Errorf("%s: %v %q", word, kinds, got)
		}
		kinds, got = card(`{"lastNetworkTokenUpdateDate":"2023-05-23","lastNetworkTokenUpdateResult":"` + word + `"}`)
		if !reflect.DeepEqual(kinds, []providers.EventKind{providers.EventCard}) || got != note {
			t.Errorf("update %s: %v %q", word, kinds, got)
		}
	}
	if kinds, got := card(`{"lastNetworkTokenUpdateDate":"2023-05-23","networkTokenStatus":"a-word"}`); len(kinds) != 1 || got != "The network token was updated. The network token’s state is a-word." {
		t.Errorf("%v %q", kinds, got)
	}
	// What stores no card tells its own news, whatever is said of a card beside it.
	const beside = `,"extraData":{"lastCardUpdateResult":"updated","networkTokenStatus":"active"},"chargebackData":{"originalUuid":"sale"},"chargebackReversalData":{"originalUuid":"sale"}`
	for word, kind := range map[string]providers.EventKind{
		"CHARGEBACK": providers.EventChargeback, "CHARGEBACK-REVERSAL": providers.EventChargebackReversal, "REFUND": providers.EventOutcome, "CAPTURE": providers.EventOutcome,
	} {
		got, err := read(t, []byte(about(word, "OK", beside)))
		if err != nil || len(got) != 1 || got[0].Kind != kind {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
}

func TestWhatIsNoNotificationIsQuarantined(t *testing.T) {
	for name, body := range map[string]string{
		"names nothing":                `{"result":"OK","transactionType":"DEBIT"}`,
		"a reference with spaces":      `{"result":"OK","transactionType":"DEBIT","uuid":"a b"}`,
		"a chargeback of nothing":      about("CHARGEBACK", "OK", ""),
		"a chargeback of two amounts":  about("CHARGEBACK", "OK", `,"chargebackData":{"originalUuid":"sale","amount":9.98,"currency":"EUR"}`),
		"a chargeback's bad amount":    about("CHARGEBACK", "OK", `,"chargebackData":{"originalUuid":"sale","amount":"x","currency":"EUR"}`),
		"a type that is a number":      `{"result":"OK","transactionType":7,"uuid":"u"}`,
		"a schedule that is no object": about("DEBIT", "OK", `,"scheduleData":"x"`),
	} {
		if got, err := read(t, []byte(body)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, body := range []string{"", "x", "[]", "null", "7", `{"a":1}{"b":2}`, `{"a":1}]`, `{"a":`} {
		if kept, err := receiver(t).CleanCallback([]byte(body)); err == nil {
			t.Errorf("%q is kept as %s", body, kept)
		}
	}
}

func TestACleanedNotificationHoldsNoCardNumber(t *testing.T) {
	const pan = "4111111111111111"
	body := `{"result":"OK","uuid":"12345678901234567890","merchantTransactionId":"4111-1111-1111-1111","transactionType":"DEBIT","pan":"` + pan + `","cvv":123,
		"merchantMetaData":"card 4111 1111 1111 1111","returnData":{"_TYPE":"ibanData","iban":"AT123456789012345678","bankName":"ABC Bank","track2":{"a":"b"}},
		"customer":{"paymentData":{"ibanData":{"iban":"AT123456789012345678"}}},"extraData":{"` + pan + `":"x","a":` + pan + `,"list":["` + pan + `",` + pan + `]}}`
	a := receiver(t)
	kept, err := a.CleanCallback([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{pan, "4111-1111", "4111 1111", "AT1234567890", ":123", "track2"} {
		if bytes.Contains(kept, []byte(gone)) {
			t.Errorf("%q is kept in %s", gone, kept)
		}
	}
	got, err := a.TranslateCallback(kept)
	if err != nil || len(got) != 1 || got[0].ProviderRef != "12345678901234567890" || got[0].AttemptRef != "" || got[0].Result.Text != "Paid from the bank account ending 5678, ABC Bank." {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCleaningIsDeterministicAndKeepsWhatIsRead(t *testing.T) {
	a := receiver(t)
	hex := rapid.StringMatching(`[0-9a-f]{20}`)
	rapid.Check(t, func(t *rapid.T) {
		n := map[string]any{
			"result": "OK", "uuid": hex.Draw(t, "uuid") + "a", "merchantTransactionId": rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}`).Draw(t, "ours"),
			"transactionType": "CHARGEBACK", "amount": money.FromMinor(rapid.Int64Range(1, 999_999_999).Draw(t, "minor"), eur).Major(), "currency": "EUR",
			"chargebackData": map[string]any{"originalUuid": hex.Draw(t, "original") + "b", "reason": rapid.String().Draw(t, "reason")},
		}
		body, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		first, err := a.CleanCallback(body)
		if err != nil {
			t.Fatal(err)
		}
		second, err := a.CleanCallback(first)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s, then %s, %v", first, second, err)
		}
		got, err := a.TranslateCallback(first)
		if err != nil || len(got) != 1 || got[0].ProviderRef != n["uuid"] || got[0].OriginalRef != n["chargebackData"].(map[string]any)["originalUuid"] || got[0].Result.Amount.Major() != n["amount"] {
			t.Fatalf("%+v, %v from %s", got, err, first)
		}
	})
}

// A database takes neither NUL nor broken UTF-8.
func TestWhatIsKeptCanBeStored(t *testing.T) {
	for _, bad := range []string{`\u0000`, "\xff", `\ud800`} {
		kept, err := receiver(t).CleanCallback([]byte(`{"uuid":"u` + bad + `","` + bad + `":"` + bad + `","returnData":{"iban":"12` + bad + `34"},"list":["` + bad + `"],"scheduleId":"` + bad + `"}`))
		if err != nil || !utf8.Valid(kept) || bytes.Contains(kept, []byte(`\u0000`)) || bytes.Contains(kept, []byte{0}) {
			t.Errorf("%q: %q, %v", bad, kept, err)
		}
	}
}

func TestTwoNamesThatBecomeOneAreCleanedAlikeEachTime(t *testing.T) {
	const body = `{"4111111111111111":"a","4000300011112220":"b","5555555555554444":"c","iban":"AT123456789012345678","ibanEnding":"1234"}`
	a := receiver(t)
	first, err := a.CleanCallback([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, err := a.CleanCallback([]byte(body)); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%s, then %s, %v", first, again, err)
		}
	}
}

func TestTheReplyIsTheDocuments(t *testing.T) {
	if status, body := receiver(t).CallbackReply(); status != 200 || body != "OK" {
		t.Errorf("%d %q", status, body)
	}
}

func TestWhatWasPaidWithIsTold(t *testing.T) {
	for in, want := range map[string]string{
		`{"_TYPE":"ibanData","accountOwner":"John Doe","iban":"AT123456789012345678","bic":"ABC","bankName":"ABC Bank","country":"US"}`: "Paid from the bank account ending 5678, ABC Bank.",
		`{"_TYPE":"phoneData","phoneNumber":"1234567890","country":"US","operator":"OperatorXy"}`:                                       "Paid by the telephone ending 7890, OperatorXy.",
		`{"_TYPE":"walletData","walletReferenceId":"1234567890","walletOwner":"John Doe","walletType":"someType"}`:                      "Paid from a wallet, someType.",
		`{"ibanData":{"iban":"AT123456789012345678"}}`:                                                                                  "Paid from the bank account ending 5678.",
		`{"_TYPE":"cardData","type":"visa","lastFourDigits":"4321"}`:                                                                    "", `[]`: "", `7`: "",
	} {
		res := mustSell(t, strings.TrimSuffix(finished, "}")+`,"returnData":`+in+`}`)
		if res.Outcome != providers.Approved || res.Text != want || bytes.Contains(res.Raw, []byte("AT123456789012345678")) {
			t.Errorf("%s: %+v", in, res)
		}
		shown := map[string]string{"ibanData": "Bank account ending 5678", "phoneData": "Telephone ending 7890", "walletData": "Wallet", "cardData": "Visa ending 4321", "": "Card not known yet"}
		for kind, prose := range shown {
			if (kind == "" && len(in) < 3 || kind != "" && strings.Contains(in, kind)) && res.Card.Prose() != prose {
				t.Errorf("%s is shown as %q, want %q", in, res.Card.Prose(), prose)
			}
		}
	}
}

func TestAReviewIsToldAndNothingElseIsOne(t *testing.T) {
	for in, want := range map[string]bool{
		`{"riskCheckResult":"REVIEW","riskScore":70,"threeDSecureRequired":true}`: true, `{"riskCheckResult":"APPROVED"}`: false,
		`{"riskCheckResult":"DECLINED"}`: false, `{"riskCheckResult":"review"}`: false, `[]`: false, `"REVIEW"`: false, `{"riskCheckResult":{}}`: false,
	} {
		if res := mustSell(t, strings.TrimSuffix(finished, "}")+`,"riskCheckData":`+in+`}`); res.Outcome != providers.Approved || res.Review != want {
			t.Errorf("%s: %+v", in, res)
		}
	}
}
