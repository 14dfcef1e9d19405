package cardflo_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// post is a request of the unsigned connector.
func post(tail, body string) call {
	c := debit(body)
	c.path = tail
	return c
}

func transact(op, body string) call {
	return post("/transaction/"+cardflo.SandboxKey+"/"+op, body)
}

func basic(op, body string) call {
	c := post("/transaction/"+cardflo.BasicKey+"/"+op, body)
	c.user, c.password = cardflo.BasicUser, cardflo.BasicPassword
	return c
}

// approvedAs makes a successful transaction and gives its uuid.
func (f fixture) approvedAs(t *testing.T, op, body string) string {
	t.Helper()
	a := f.do(t, transact(op, body))
	want(t, a, map[string]any{"success": true, "returnType": "FINISHED"})
	return uuid(t, a)
}

func hold(id, amount string) string { return sale(id, amount, "EUR", cardflo.TokenApprove) }

func registration(id string) string {
	return fmt.Sprintf(`{"merchantTransactionId":%q,"transactionToken":%q}`, id, cardflo.TokenApprove)
}

func after(id, reference string) string {
	return fmt.Sprintf(`{"merchantTransactionId":%q,"referenceUuid":%q}`, id, reference)
}

func TestEveryOperationIsFinishedAndFoundUnderItsType(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	h := f.approvedAs(t, "preauthorize", hold("h", "10.00"))
	card := f.approvedAs(t, "register", registration("g"))
	for _, tc := range []struct{ op, body, typ string }{
		{"incrementalAuthorization", back("i", h, "5.00", "EUR"), "INCREMENTAL-AUTHORIZATION"},
		{"capture", back("c", h, "4.00", "EUR"), "CAPTURE"},
		{"payout", `{"merchantTransactionId":"p","amount":"1.00","currency":"EUR","referenceUuid":"` + card + `"}`, "PAYOUT"},
		{"deregister", after("d", card), "DEREGISTER"},
	} {
		id := f.approvedAs(t, tc.op, tc.body)
		want(t, f.do(t, status("/getByUuid/"+id)), map[string]any{"transactionStatus": "SUCCESS", "transactionType": tc.typ})
	}
	want(t, f.do(t, status("/getByUuid/"+h)), map[string]any{"transactionType": "PREAUTHORIZE", "amount": "10.00"})
	want(t, f.do(t, status("/getByUuid/"+card)), map[string]any{"transactionType": "REGISTER", "amount": nil, "currency": nil})
	kinds := map[string]bool{}
	for _, c := range f.State().Charges {
		kinds[c.Kind] = c.Approved
	}
	for _, kind := range []string{"preauth", "register", "increment", "capture", "payout", "deregister"} {
		if !kinds[kind] {
			t.Errorf("%s is not in the ledger", kind)
		}
	}
}

func TestAHoldIsCapturedUpToItsSumAndNoFurther(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	h := f.approvedAs(t, "preauthorize", hold("h", "10.00"))
	f.approvedAs(t, "incrementalAuthorization", back("up", h, "5.00", "EUR"))
	f.approvedAs(t, "void", back("down", h, "3.00", "EUR"))
	first := f.do(t, transact("capture", back("c-1", h, "4.00", "EUR")))
	if extra, _ := first.json["extraData"].(map[string]any); extra["remainingAmount"] != "8.00" {
		t.Error(first.raw)
	}
	if first.json["purchaseId"] != "20260301-"+uuid(t, first) {
		t.Error("a capture has a purchase id of its own")
	}
	refused(t, "too much", f.do(t, transact("capture", back("c-x", h, "8.01", "EUR"))), 400, 1006.0, "greater than the remaining")
	refused(t, "another currency", f.do(t, transact("capture", back("c-x", h, "1.00", "USD"))), 400, 1002.0, "currency")
	refused(t, "void after a capture", f.do(t, transact("void", after("v-x", h))), 400, 1006.0, "captured already")
	final := strings.TrimSuffix(back("c-2", h, "2.00", "EUR"), "}") + `,"isFinalCapture":true}`
	f.approvedAs(t, "capture", final)
	refused(t, "after the last", f.do(t, transact("capture", back("c-x", h, "1.00", "EUR"))), 400, 1006.0, "captured or voided already")
	refused(t, "increase after the last", f.do(t, transact("incrementalAuthorization", back("c-x", h, "1.00", "EUR"))), 400, 1006.0, "already")
	f.approvedAs(t, "refund", back("r", uuid(t, first), "4.00", "EUR"))
	refused(t, "refund of the hold", f.do(t, transact("refund", back("r-x", h, "1.00", "EUR"))), 400, 1006.0, "not a debit or capture")
}

func TestWhatFollowsNothingIsRefused(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	paid := f.approvedAs(t, "debit", hold("s", "10.00"))
	declined := uuid(t, f.do(t, transact("preauthorize", sale("d", "10.00", "EUR", cardflo.TokenDecline))))
	voided := f.approvedAs(t, "preauthorize", hold("v", "10.00"))
	f.approvedAs(t, "void", after("v-1", voided))
	card := f.approvedAs(t, "register", registration("g"))
	f.approvedAs(t, "deregister", after("g-1", card))
	for _, tc := range []struct {
		op, body string
		code     float64
		message  string
	}{
		{"capture", back("x", "nope", "1.00", "EUR"), 1002, "not found"},
		{"void", after("x", "nope"), 1002, "not found"},
		{"incrementalAuthorization", back("x", "nope", "1.00", "EUR"), 1002, "not found"},
		{"deregister", after("x", "nope"), 1002, "not found"},
		{"payout", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","referenceUuid":"nope"}`, 1002, "not found"},
		{"capture", back("x", paid, "1.00", "EUR"), 1006, "not a preauthorize"},
		{"void", after("x", paid), 1006, "not a preauthorize"},
		{"incrementalAuthorization", back("x", paid, "1.00", "EUR"), 1006, "not a preauthorize"},
		{"capture", back("x", declined, "1.00", "EUR"), 1006, "not successful"},
		{"capture", back("x", voided, "1.00", "EUR"), 1006, "voided already"},
		{"void", after("x", voided), 1006, "voided already"},
		{"void", back("x", f.approvedAs(t, "preauthorize", hold("v-2", "10.00")), "10.01", "EUR"), 1006, "greater than"},
		{"deregister", after("x", paid), 1006, "no registered card"},
		{"deregister", after("x", card), 1006, "no registered card"},
		{"deregister", after("x", declined), 1006, "not successful"},
		{"debit", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","referenceUuid":"` + card + `"}`, 1006, "no registered card"},
		{"payout", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","referenceUuid":"` + card + `"}`, 1006, "holds no card"},
		{"payout", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR"}`, 1002, "one of"},
		{"payout", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","referenceUuid":"` + paid + `","transactionToken":"t"}`, 1002, "one of"},
		{"void", `{"merchantTransactionId":"x","referenceUuid":"` + voided + `","amount":"1.00"}`, 1002, "go together"},
		{"register", `{"merchantTransactionId":"x","transactionToken":"ix::nope"}`, 1002, "transactionToken"},
		{"capture", back("s", voided, "1.00", "EUR"), 3004, "already exists"},
		{"register", registration("s"), 3004, "already exists"},
		{"void", after("s", voided), 3004, "already exists"},
	} {
		refused(t, tc.op+" "+tc.message, f.do(t, transact(tc.op, tc.body)), 400, tc.code, tc.message)
	}
	if a := f.do(t, transact("reserve", `{}`)); a.status != 404 {
		t.Errorf("an unknown operation: %d", a.status)
	}
}

func TestAHoldEndsAfterSevenDays(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	h := f.approvedAs(t, "preauthorize", hold("h", "10.00"))
	f.Kit().Clock.Advance(7*24*time.Hour - time.Second)
	f.approvedAs(t, "capture", back("c-1", h, "1.00", "EUR"))
	f.Kit().Clock.Advance(time.Second)
	refused(t, "a week later", f.do(t, transact("capture", back("c-2", h, "1.00", "EUR"))), 400, 1006.0, "expired")
}

func TestAHoldCapturesItselfWhereItIsAskedTo(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	h := f.approvedAs(t, "preauthorize", strings.TrimSuffix(hold("h", "10.00"), "}")+`,"captureInMinutes":"60"}`)
	f.Kit().Clock.Advance(time.Hour)
	found := false
	for _, c := range f.State().Charges {
		found = found || (c.Kind == "capture" && c.OriginalID == h && c.AmountMinor == 1000 && c.Approved)
	}
	if !found {
		t.Errorf("%+v", f.State().Charges)
	}
}

func TestForgettingTheNetworkTokenLeavesTheCard(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	card := f.approvedAs(t, "register", registration("g"))
	f.approvedAs(t, "deregister", strings.TrimSuffix(after("g-1", card), "}")+`,"tokenType":"NT"}`)
	f.approvedAs(t, "debit", `{"merchantTransactionId":"s","amount":"1.00","currency":"EUR","transactionIndicator":"CARDONFILE","referenceUuid":"`+card+`"}`)
	f.approvedAs(t, "deregister", strings.TrimSuffix(after("g-2", card), "}")+`,"tokenType":"PAN"}`)
	refused(t, "forgotten", f.do(t, transact("debit", `{"merchantTransactionId":"s-2","amount":"1.00","currency":"EUR","referenceUuid":"`+card+`"}`)), 400, 1006.0, "no registered card")
}

func TestAQueuedDeclineDeclinesWhateverComesNext(t *testing.T) {
	for op, body := range map[string]func(f fixture) string{
		"preauthorize": func(fixture) string { return hold("x", "1.00") },
		"register":     func(fixture) string { return registration("x") },
		"capture": func(f fixture) string {
			return back("x", f.approvedAs(t, "preauthorize", hold("h", "10.00")), "1.00", "EUR")
		},
		"void": func(f fixture) string { return after("x", f.approvedAs(t, "preauthorize", hold("h", "10.00"))) },
		"incrementalAuthorization": func(f fixture) string {
			return back("x", f.approvedAs(t, "preauthorize", hold("h", "10.00")), "1.00", "EUR")
		},
		"deregister": func(f fixture) string { return after("x", f.approvedAs(t, "register", registration("h"))) },
		"payout": func(fixture) string {
			return sale("x", "1.00", "EUR", cardflo.TokenApprove)[:0] + `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","transactionToken":"` + cardflo.TokenApprove + `"}`
		},
		"refund": func(f fixture) string { return back("x", f.approvedAs(t, "debit", hold("h", "10.00")), "1.00", "EUR") },
	} {
		f := newFixture(t, cardflo.Config{})
		request := body(f)
		if err := f.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "2013"}); err != nil {
			t.Fatal(err)
		}
		a := f.do(t, transact(op, request))
		if a.status != 200 || !strings.Contains(a.raw, `"returnType":"ERROR"`) || !strings.Contains(a.raw, `"errorCode":2013`) {
			t.Errorf("%s: %s", op, a.raw)
		}
		// Nothing was taken from the original.
		if op == "capture" || op == "void" {
			h := ""
			for _, c := range f.State().Charges {
				if c.Kind == "preauth" {
					h = c.ID
				}
			}
			f.approvedAs(t, "capture", back("y", h, "10.00", "EUR"))
		}
	}
}

func TestAnAcquirerThatOffersLittleRefusesTheRest(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	h := uuid(t, f.do(t, basic("preauthorize", hold("h", "10.00"))))
	s := uuid(t, f.do(t, basic("debit", hold("s", "10.00"))))
	for _, tc := range []struct {
		op, body string
		code     float64
	}{
		{"incrementalAuthorization", back("x", h, "1.00", "EUR"), 3002},
		{"capture", back("x", h, "1.00", "EUR"), 3002},
		{"void", back("x", h, "1.00", "EUR"), 3002},
		{"refund", back("x", s, "1.00", "EUR"), 3002},
		{"payout", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","referenceUuid":"` + s + `"}`, 3002},
		{"debit", `{"merchantTransactionId":"x","amount":"1.00","currency":"EUR","payByLink":{"sendByEmail":false}}`, 3002},
		{"register", strings.TrimSuffix(registration("x"), "}") + `,"schedule":{"amount":"1.00","currency":"EUR","periodLength":1,"periodUnit":"DAY"}}`, 7003},
	} {
		refused(t, tc.op, f.do(t, basic(tc.op, tc.body)), 400, tc.code, "")
	}
	want(t, f.do(t, basic("capture", back("c", h, "10.00", "EUR"))), map[string]any{"success": true})
	want(t, f.do(t, basic("refund", back("r", s, "10.00", "EUR"))), map[string]any{"success": true})
}

func TestOptionalObjectsAreCheckedFieldByField(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	n := 0
	request := func(field, value string) call {
		n++
		return transact("debit", strings.TrimSuffix(hold(fmt.Sprintf("o-%d", n), "1.00"), "}")+`,"`+field+`":`+value+`}`)
	}
	for _, tc := range []struct{ field, value, wrong string }{
		{"items", `[{"identification":"a","quantity":2,"price":4.5,"currency":"EUR","extraData":{"a":"b"},"l2l3Data":{"unitPrice":4.5,"shippingAmount":3,"taxDetails":[{"rate":19}]}}]`, ""},
		{"items", `{"first":{"name":"a"}}`, ""},
		{"items", `[{"quantity":"2"}]`, "quantity: must be a number"},
		{"items", `[{"sku":"2"}]`, "additional property 'sku'"},
		{"items", `[2]`, "items: must hold objects"},
		{"items", `7`, "items: must be an object"},
		{"items", `[{"l2l3Data":{"shippingAmount":3.5}}]`, "shippingAmount: must be a whole number"},
		{"items", `[{"l2l3Data":{"taxDetails":{}}}]`, "taxDetails: must be an array"},
		{"l2l3Data", `{"taxAmount":10.10,"nationalTaxIncluded":"Y","taxDetails":[{"type":"VAT","amount":1.9,"exemptionCode":"E"}]}`, ""},
		{"l2l3Data", `{"taxAmount":"10.10"}`, "taxAmount: must be a number"},
		{"l2l3Data", `{"tax":1}`, "additional property 'tax'"},
		{"customer", `{"paymentData":{"ibanData":{"iban":"AT123456789012345678","bic":"ABC","mandateId":"1234","mandateDate":"2019-09-29"}}}`, ""},
		{"customer", `{"paymentData":{"walletData":{"walletType":"paypal"}}}`, ""},
		{"customer", `{"paymentData":{}}`, "exactly one"},
		{"customer", `{"paymentData":{"cardData":{"pan":"1"}}}`, "additional property 'cardData'"},
		{"customer", `{"birthDate":"10.10.1990"}`, "birthDate"},
		{"customer", `{"gender":"X"}`, "gender"},
		{"customer", `{"billingCountry":"CAN"}`, "billingCountry"},
		{"customer", `{"emailVerified":"false"}`, "emailVerified: must be a boolean"},
		{"customer", `{"nationalId":"123456789012345"}`, "nationalId"},
		{"customerProfileData", `{"profileGuid":"p","markAsPreferred":true}`, ""},
		{"customerProfileData", `{"guid":"p"}`, "additional property 'guid'"},
		{"threeDSecureData", `{"3dsecure":"OPTIONAL","channel":"02","browserTimezone":-60,"browserJavaEnabled":false,"sdkUiType":"01,02,05","cardholderAuthenticationDateTime":"2020-01-01 12:00","purchaseDate":"2020-01-01 12:00:01","authenticationIndicator":"06"}`, ""},
		{"threeDSecureData", `{"3dsecure":"YES"}`, "3dsecure"},
		{"threeDSecureData", `{"browserScreenHeight":"1080"}`, "browserScreenHeight: must be a number"},
		{"threeDSecureData", `{"browserColorDepth":"25"}`, "browserColorDepth"},
		{"threeDSecureData", `{"threeRIIndicator":"13"}`, "threeRIIndicator"},
		{"threeDSecureData", `{"cavv":"x"}`, "additional property 'cavv'"},
		{"schedule", `{"amount":"1.00","currency":"EUR","periodLength":"1","periodUnit":"DAY"}`, "periodLength: must be a number"},
		{"schedule", `{"amount":"1.00","currency":"EUR","periodLength":1,"periodUnit":"HOUR"}`, "periodUnit"},
		{"payByLink", `{"expirationInMinute":5}`, "'sendByEmail' is required"},
		{"payByLink", `{"sendByEmail":true}`, "customer.email"},
		{"payByLink", `{"sendByEmail":false,"expirationInMinute":0}`, "at least 1"},
		{"payByLink", `{"sendByEmail":"false"}`, "sendByEmail: must be a boolean"},
		{"surchargeAmount", `"0.9"`, ""},
		{"surchargeAmount", `0.9`, "surchargeAmount: must be a string"},
		{"language", `"EN"`, "language"},
		{"additionalId1", `""`, "additionalId1"},
		{"captureInMinutes", `"5"`, "additional property 'captureInMinutes'"},
	} {
		a := f.do(t, request(tc.field, tc.value))
		switch {
		case tc.wrong == "" && a.json["success"] != true:
			t.Errorf("%s %s: %s", tc.field, tc.value, a.raw)
		case tc.wrong != "":
			refused(t, tc.field+" "+tc.value, a, 400, 1002.0, tc.wrong)
		}
	}
	for op, field := range map[string]string{
		"capture": "callbackUrl", "void": "callbackUrl", "deregister": "callbackUrl", "register": "amount", "refund": "customer",
		"payout": "withRegister", "incrementalAuthorization": "customer",
	} {
		a := f.do(t, transact(op, `{"merchantTransactionId":"z","amount":"1.00","currency":"EUR","referenceUuid":"r","`+field+`":"x"}`))
		refused(t, op+" "+field, a, 400, 1002.0, "additional property '")
	}
}

const month = `"periodLength":1,"periodUnit":"MONTH"`

// plan starts a schedule and gives its id.
func (f fixture) plan(t *testing.T, registration, start, period string) string {
	t.Helper()
	a := f.do(t, f.planned(registration, start, period))
	want(t, a, map[string]any{"success": true, "oldStatus": "NON-EXISTING", "newStatus": "ACTIVE", "registrationUuid": registration, "scheduledAt": start})
	id, _ := a.json["scheduleId"].(string)
	if !strings.HasPrefix(id, "SC-") {
		t.Fatal(a.raw)
	}
	return id
}

func (f fixture) planned(registration, start, period string) call {
	return post("/schedule/"+cardflo.SandboxKey+"/start", `{"registrationUuid":"`+registration+`","amount":"9.99","currency":"EUR",`+period+`,"startDateTime":"`+start+`"}`)
}

func (f fixture) change(id, action, body string) call {
	return post("/schedule/"+cardflo.SandboxKey+"/"+id+"/"+action, body)
}

func (f fixture) get(id string) call {
	return call{method: http.MethodGet, path: "/schedule/" + cardflo.SandboxKey + "/" + id + "/get", user: cardflo.SandboxUser, password: cardflo.SandboxPassword}
}

// runs are the dates of the debits that schedules made.
func (f fixture) runs() []string {
	var out []string
	for _, c := range f.State().Charges {
		if c.Kind == "sale" {
			out = append(out, c.At.Format("2006-01-02"))
		}
	}
	return out
}

func TestASeriesKeepsItsDayBehindShorterMonths(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	card := f.approvedAs(t, "register", registration("g"))
	f.plan(t, card, "2026-03-31T01:00:00+00:00", month)
	f.Kit().Clock.Advance(150 * 24 * time.Hour)
	if got := strings.Join(f.runs(), " "); got != "2026-03-31 2026-04-30 2026-05-31 2026-06-30" {
		t.Errorf("runs %s", got)
	}
}

func TestEveryUnitOfAPeriod(t *testing.T) {
	for period, want := range map[string]string{
		`"periodLength":40,"periodUnit":"DAY"`: "2026-03-04 2026-04-13 2026-05-23", `"periodLength":6,"periodUnit":"WEEK"`: "2026-03-04 2026-04-15 2026-05-27",
		`"periodLength":2,"periodUnit":"MONTH"`: "2026-03-04 2026-05-04", `"periodLength":1,"periodUnit":"YEAR"`: "2026-03-04",
	} {
		f := newFixture(t, cardflo.Config{})
		f.plan(t, f.approvedAs(t, "register", registration("g")), "2026-03-04T01:00:00+00:00", period)
		f.Kit().Clock.Advance(90 * 24 * time.Hour)
		if got := strings.Join(f.runs(), " "); got != want {
			t.Errorf("%s: %s, want %s", period, got, want)
		}
	}
}

func TestAScheduleGoesThroughItsStates(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	id := f.plan(t, f.approvedAs(t, "register", registration("g")), "2026-03-10T01:00:00+00:00", month)
	want(t, f.do(t, f.get(id)), map[string]any{"success": true, "scheduleId": id, "oldStatus": "ACTIVE", "newStatus": "ACTIVE", "scheduledAt": "2026-03-10T01:00:00+00:00"})
	want(t, f.do(t, f.change(id, "update", `{"amount":"5.00","periodUnit":"YEAR"}`)), map[string]any{"success": true, "oldStatus": "ACTIVE", "newStatus": "ACTIVE"})
	bad := func(what string, c call) {
		t.Helper()
		a := f.do(t, c)
		refused(t, what, a, 400, 7070.0, "status of the schedule is not valid")
		if a.json["scheduleId"] != id || a.json["oldStatus"] != a.json["newStatus"] {
			t.Error(a.raw)
		}
	}
	bad("continue what runs", f.change(id, "continue", `{"continueDateTime":"2026-03-20T01:00:00+00:00"}`))
	want(t, f.do(t, f.change(id, "pause", ``)), map[string]any{"success": true, "oldStatus": "ACTIVE", "newStatus": "PAUSED", "scheduledAt": nil})
	bad("pause what rests", f.change(id, "pause", `{}`))
	f.Kit().Clock.Advance(30 * 24 * time.Hour)
	if n := len(f.runs()); n != 0 {
		t.Errorf("%d runs while it rested", n)
	}
	want(t, f.do(t, f.change(id, "continue", `{"continueDateTime":"2026-04-05T01:00:00+00:00"}`)), map[string]any{"success": true, "oldStatus": "PAUSED", "newStatus": "ACTIVE", "scheduledAt": "2026-04-05T01:00:00+00:00"})
	f.Kit().Clock.Advance(10 * 24 * time.Hour)
	if got := strings.Join(f.runs(), " "); got != "2026-04-05" {
		t.Errorf("runs %s", got)
	}
	want(t, f.do(t, f.change(id, "cancel", ``)), map[string]any{"success": true, "oldStatus": "ACTIVE", "newStatus": "CANCELLED"})
	bad("cancel twice", f.change(id, "cancel", ``))
	bad("update what ended", f.change(id, "update", `{"amount":"1.00"}`))
}

func TestADeclinedRunStopsItsSeries(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	id := f.plan(t, f.approvedAs(t, "register", registration("g")), "2026-03-10T01:00:00+00:00", month)
	if err := f.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Code: "2006", Path: "/schedule/run"}); err != nil {
		t.Fatal(err)
	}
	f.Kit().Clock.Advance(60 * 24 * time.Hour)
	if n := len(f.runs()); n != 1 {
		t.Errorf("%d runs", n)
	}
	want(t, f.do(t, f.get(id)), map[string]any{"newStatus": "ERROR"})
	refused(t, "continue", f.do(t, f.change(id, "continue", `{"continueDateTime":"2026-05-20T01:00:00+00:00"}`)), 400, 7070.0, "status")
	want(t, f.do(t, f.change(id, "cancel", ``)), map[string]any{"oldStatus": "ERROR", "newStatus": "CANCELLED"})
}

func TestEveryErrorOfASchedule(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	card := f.approvedAs(t, "register", registration("g"))
	forgotten := f.approvedAs(t, "register", registration("g-2"))
	f.approvedAs(t, "deregister", after("g-3", forgotten))
	h := f.approvedAs(t, "preauthorize", hold("h", "1.00"))
	capture := f.approvedAs(t, "capture", back("c", h, "1.00", "EUR"))
	const start = "2026-03-10T01:00:00+00:00"
	id := f.plan(t, card, start, month)
	basicStart := f.planned(card, start, month)
	basicStart.path = "/schedule/" + cardflo.BasicKey + "/start"
	basicStart.user, basicStart.password = cardflo.BasicUser, cardflo.BasicPassword
	raw := func(body string) call { return post("/schedule/"+cardflo.SandboxKey+"/start", body) }
	for _, tc := range []struct {
		name string
		call call
		code float64
	}{
		{"no amount", raw(`{"registrationUuid":"` + card + `"}`), 7001},
		{"an unknown field", raw(`{"tip":1}`), 7001},
		{"no JSON", raw(`{`), 7001},
		{"no period", f.planned(card, start, `"periodLength":0,"periodUnit":"DAY"`), 7001},
		{"by the hour", f.planned(card, start, `"periodLength":1,"periodUnit":"HOUR"`), 7001},
		{"a basic connector", basicStart, 7003},
		{"an unknown action", f.change(id, "retry", ``), 7005},
		{"no registration", f.planned("", start, month), 7010},
		{"an unknown registration", f.planned("nope", start, month), 7020},
		{"a capture", f.planned(capture, start, month), 7030},
		{"a hold without a stored card", f.planned(h, start, month), 7035},
		{"too soon", f.planned(card, "2026-03-02T11:59:59+00:00", month), 7036},
		{"a forgotten card", f.planned(forgotten, start, month), 7037},
		{"an unknown schedule", f.get("SC-none"), 7040},
		{"an update of none", f.change("SC-none", "update", `{}`), 7040},
		{"an old start", f.planned(card, "2026-02-20T01:00:00+00:00", month), 7050},
		{"a start that is none", f.planned(card, "tomorrow", month), 7050},
		{"a start in Zulu time", f.planned(card, "2026-03-10T01:00:00Z", month), 7050},
		{"an update that is none", f.change(id, "update", `{"periodUnit":"month"}`), 7001},
		{"an update to nobody's card", f.change(id, "update", `{"registrationUuid":"nope"}`), 7020},
		{"a pause with a body", f.change(id, "pause", `{"a":1}`), 7001},
	} {
		refused(t, tc.name, f.do(t, tc.call), 400, tc.code, "")
	}
	f.do(t, f.change(id, "pause", ``))
	for _, date := range []string{"", "soon", "2026-02-20T01:00:00+00:00", "2026-03-20T01:00:00Z"} {
		refused(t, "continue "+date, f.do(t, f.change(id, "continue", `{"continueDateTime":"`+date+`"}`)), 400, 7060.0, "continueDateTime")
	}
}

func TestAScheduleCanBeginWithItsTransaction(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	terms := `,"withRegister":true,"schedule":{"amount":"5.00","currency":"EUR","periodLength":1,"periodUnit":"MONTH"}}`
	a := f.do(t, transact("debit", strings.TrimSuffix(hold("s", "1.00"), "}")+terms))
	data, _ := a.json["scheduleData"].(map[string]any)
	if data["scheduleStatus"] != "ACTIVE" || data["scheduledAt"] != "2026-04-01T12:00:00+00:00" {
		t.Error(a.raw)
	}
	s := f.do(t, status("/getByMerchantTransactionId/s"))
	list, _ := s.json["schedules"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["scheduleId"] != data["scheduleId"] {
		t.Error(s.raw)
	}
	declined := f.do(t, transact("debit", strings.TrimSuffix(sale("d", "1.00", "EUR", cardflo.TokenDecline), "}")+terms))
	if data, _ := declined.json["scheduleData"].(map[string]any); data["scheduleStatus"] != "ERROR" {
		t.Error(declined.raw)
	}
	refused(t, "without a stored card", f.do(t, transact("debit", strings.TrimSuffix(hold("x", "1.00"), "}")+strings.Replace(terms, `"withRegister":true,`, "", 1))), 400, 7001.0, "registered")
	pending := f.do(t, transact("debit", strings.TrimSuffix(sale("p", "1.00", "EUR", cardflo.TokenPending), "}")+terms))
	data, _ = pending.json["scheduleData"].(map[string]any)
	if data["scheduleStatus"] != "CREATE-PENDING" {
		t.Error(pending.raw)
	}
	f.Kit().Clock.Advance(time.Minute)
	want(t, f.do(t, f.get(data["scheduleId"].(string))), map[string]any{"newStatus": "ACTIVE"})
}

func TestOptionsAreListed(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	a := f.do(t, post("/options/"+cardflo.SandboxKey+"/banks", `{"parameters":{"a":"b"}}`))
	if list, _ := a.json["options"].(map[string]any); a.json["success"] != true || list["bank1"] != "Bank One" {
		t.Error(a.raw)
	}
	refused(t, "an unknown list", f.do(t, post("/options/"+cardflo.SandboxKey+"/someIdentifier", `{}`)), 200, nil, "Given identifier 'someIdentifier' is invalid.")
	refused(t, "a number", f.do(t, post("/options/"+cardflo.SandboxKey+"/banks", `{"parameters":{"a":1}}`)), 400, 1002.0, "parameters.a")
}

func TestALinkIsPaidCancelledOrExpires(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	link := func(id string) (string, call) {
		t.Helper()
		a := f.do(t, transact("debit", `{"merchantTransactionId":"`+id+`","amount":"12.50","currency":"GBP","payByLink":{"sendByEmail":false,"expirationInMinute":5}}`))
		data, _ := a.json["payByLinkData"].(map[string]any)
		if a.json["returnType"] != "REDIRECT" || data["expiresAt"] != f.Kit().Clock.Now().Add(5*time.Minute).Format("2006-01-02 15:04:05")+" UTC" {
			t.Fatal(a.raw)
		}
		cancel, _ := data["cancelUrl"].(string)
		return a.json["redirectUrl"].(string), post(strings.TrimPrefix(cancel, f.root+cardflo.BasePath), "")
	}
	page, cancel := link("l-1")
	f.fill(t, page, cardflo.CardApprove, "12/30", "123", "pay")
	want(t, f.do(t, status("/getByMerchantTransactionId/l-1")), map[string]any{"transactionStatus": "SUCCESS"})
	refused(t, "cancel what is paid", f.do(t, cancel), 400, 1006.0, "no longer")
	page, cancel = link("l-2")
	wrong := cancel
	wrong.password = "wrong"
	refused(t, "cancel without the password", f.do(t, wrong), 401, nil, "Unauthorized")
	want(t, f.do(t, cancel), map[string]any{"success": true})
	want(t, f.do(t, cancel), map[string]any{"success": true})
	if _, doc := f.page(t, page); doc.Find("form").Length() != 0 {
		t.Error("a cancelled link can be paid")
	}
	want(t, f.do(t, status("/getByMerchantTransactionId/l-2")), map[string]any{"transactionStatus": "CANCELLED"})
	page, _ = link("l-3")
	f.Kit().Clock.Advance(5 * time.Minute)
	if _, doc := f.page(t, page); doc.Find("form").Length() != 0 {
		t.Error("an old link can be paid")
	}
	want(t, f.do(t, status("/getByMerchantTransactionId/l-3")), map[string]any{"transactionStatus": "ERROR"})
	refused(t, "a link of nobody", f.do(t, post("/payByLink/nope/cancel", "")), 401, nil, "Unauthorized")
}

func TestACardholderCheckIsAPageOfItsOwn(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	checked := func(id, body string) string {
		t.Helper()
		a := f.do(t, transact("debit", body))
		want(t, a, map[string]any{"success": true, "returnType": "REDIRECT", "redirectType": "3ds"})
		return a.json["redirectUrl"].(string)
	}
	for i, tc := range []struct{ action, status, code string }{{"confirm", "SUCCESS", ""}, {"refuse", "ERROR", "2021"}, {"cancel", "CANCELLED", "2002"}} {
		id := fmt.Sprintf("c-%d", i)
		page := checked(id, sale(id, "5.00", "EUR", cardflo.Token3DS))
		if _, doc := f.page(t, page); doc.Find("h1").Text() != "Confirm the payment" || doc.Find("input").Length() != 0 || doc.Find("button").Length() != 3 {
			t.Error("the page is another one")
		}
		f.fill(t, page, "", "", "", tc.action)
		s := f.do(t, status("/getByMerchantTransactionId/"+id))
		want(t, s, map[string]any{"transactionStatus": tc.status})
		if tc.code != "" && !strings.Contains(s.raw, `"code":"`+tc.code+`"`) {
			t.Error(s.raw)
		}
	}
	mandatory := `,"threeDSecureData":{"3dsecure":"MANDATORY"}}`
	checked("m-1", strings.Replace(strings.TrimSuffix(sale("m-1", "5.00", "EUR", cardflo.TokenApprove), "}")+mandatory, "MOTO", "SINGLE", 1))
	want(t, f.do(t, transact("debit", strings.TrimSuffix(sale("m-2", "5.00", "EUR", cardflo.TokenApprove), "}")+mandatory)), map[string]any{"returnType": "FINISHED"})
}

func TestAPageThatStoresACardShowsNoAmount(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	a := f.do(t, transact("register", `{"merchantTransactionId":"g"}`))
	page, _ := a.json["redirectUrl"].(string)
	if _, doc := f.page(t, page); strings.Contains(doc.Text(), "To pay") || doc.Find("button[value=pay]").Text() != "Store card" {
		t.Error(doc.Text())
	}
	f.fill(t, page, cardflo.CardApprove, "12/30", "123", "pay")
	f.approvedAs(t, "debit", `{"merchantTransactionId":"s","amount":"1.00","currency":"EUR","referenceUuid":"`+uuid(t, a)+`"}`)
}

func TestAnswersBesideFinished(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	html := f.do(t, debit(sale("t-1", "5.00", "EUR", cardflo.TokenHTML)))
	want(t, html, map[string]any{"success": true, "returnType": "HTML"})
	if s, _ := html.json["htmlContent"].(string); !strings.Contains(s, "<form") {
		t.Error(html.raw)
	}
	want(t, f.do(t, status("/getByMerchantTransactionId/t-1")), map[string]any{"transactionStatus": "PENDING"})
	review := f.do(t, debit(sale("t-2", "5.00", "EUR", cardflo.TokenReview)))
	if risk, _ := review.json["riskCheckData"].(map[string]any); risk["riskCheckResult"] != "REVIEW" {
		t.Error(review.raw)
	}
	for token, kind := range map[string]string{cardflo.TokenIBAN: "ibanData", cardflo.TokenPhone: "phoneData", cardflo.TokenWallet: "walletData"} {
		a := f.do(t, debit(sale("t-"+kind, "5.00", "EUR", token)))
		if data, _ := a.json["returnData"].(map[string]any); data["_TYPE"] != kind {
			t.Error(a.raw)
		}
		s := f.do(t, status("/getByMerchantTransactionId/t-"+kind))
		if data, _ := s.json["returnData"].(map[string]any); data[kind] == nil {
			t.Error(s.raw)
		}
	}
}

func TestTooManyRequestsAre429(t *testing.T) {
	cfg := cardflo.DefaultConfig()
	cfg.PerMinute = 2
	f := newFixture(t, cfg)
	for range 2 {
		f.do(t, status("/getByUuid/nope"))
	}
	a := f.do(t, status("/getByUuid/nope"))
	if a.status != 429 || a.header.Get("Retry-After") != "60" || a.header.Get("X-RateLimit-Limit") != "2" {
		t.Errorf("%d %v %s", a.status, a.header, a.raw)
	}
	f.Kit().Clock.Advance(time.Minute)
	refused(t, "a minute later", f.do(t, status("/getByUuid/nope")), 200, 8001.0, "not found")
}

// inbox is the merchant's server; it confirms once it is open.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	open   bool
	bodies []map[string]any
	raw    []string
}

func receive(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{open: true}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var decoded map[string]any
		if err := json.Unmarshal(body, &decoded); err != nil {
			t.Error(err)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.bodies, in.raw = append(in.bodies, decoded), append(in.raw, string(body))
		if in.open {
			_, _ = io.WriteString(w, "OK")
		}
	}))
	t.Cleanup(in.Close)
	return in
}

func (f fixture) last(t *testing.T, in *inbox) (map[string]any, string) {
	t.Helper()
	f.Kit().Callbacks.Wait()
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.raw) == 0 {
		t.Fatal("nothing was told")
	}
	return in.bodies[len(in.bodies)-1], in.raw[len(in.raw)-1]
}

func (f fixture) fire(t *testing.T, name string, e cardflo.Event) (string, int) {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(kit.ControlHandler(map[string]kit.Emulator{cardflo.Name: f.Server}))
	defer srv.Close()
	res, err := http.Post(srv.URL+kit.ControlPrefix+"cardflo/"+name, "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var told cardflo.Told
	_ = json.NewDecoder(res.Body).Decode(&told)
	return told.UUID, res.StatusCode
}

func TestTheGatewayTellsWhatItDoesByItself(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	f.Kit().Callbacks.Enable(true)
	in := receive(t)
	paid := f.approvedAs(t, "debit", strings.TrimSuffix(hold("s", "9.99"), "}")+`,"callbackUrl":"`+in.URL+`/hook"}`)
	f.last(t, in) // Two that are on their way at once may arrive in either order.
	back, _ := f.fire(t, "chargeback", cardflo.Event{UUID: paid})
	body, raw := f.last(t, in)
	data, _ := body["chargebackData"].(map[string]any)
	if body["transactionType"] != "CHARGEBACK" || body["uuid"] != back || data["originalUuid"] != paid || data["originalMerchantTransactionId"] != "s" || !strings.Contains(raw, `"amount":9.99`) || !strings.HasPrefix(body["merchantTransactionId"].(string), "auto-") {
		t.Error(raw)
	}
	refused(t, "refund of what was charged back", f.do(t, refund(fmt.Sprintf(`{"merchantTransactionId":"r","referenceUuid":%q,"amount":"0.01","currency":"EUR"}`, paid))), 400, 1006.0, "remaining")
	reversal, _ := f.fire(t, "chargeback-reversal", cardflo.Event{UUID: back, Reason: "Chargeback reversed"})
	body, raw = f.last(t, in)
	data, _ = body["chargebackReversalData"].(map[string]any)
	if body["transactionType"] != "CHARGEBACK-REVERSAL" || body["uuid"] != reversal || data["chargebackUuid"] != back || data["originalUuid"] != paid || data["amount"] != "9.99" {
		t.Error(raw)
	}
	s := f.do(t, status("/getByUuid/"+back))
	if data, _ := s.json["chargebackData"].(map[string]any); data["amount"] != "9.99" || s.json["transactionType"] != "CHARGEBACK" {
		t.Error(s.raw)
	}
	f.fire(t, "adjustment", cardflo.Event{UUID: paid, Amount: "9.50", Source: "settlement"})
	if body, raw := f.last(t, in); body["notificationSource"] != "settlement" || body["originalAmount"] != "9.99" || body["originalCurrency"] != "EUR" || body["amount"] != "9.50" || body["uuid"] != paid {
		t.Error(raw)
	}
	card := f.approvedAs(t, "register", registration("g"))
	f.fire(t, "account-update", cardflo.Event{UUID: card, CallbackURL: in.URL + "/hook", Result: "new_expiry", Expiry: "01/33"})
	body, raw = f.last(t, in)
	extra, _ := body["extraData"].(map[string]any)
	data, _ = body["returnData"].(map[string]any)
	if body["transactionType"] != "REGISTER" || extra["lastCardUpdateResult"] != "new_expiry" || extra["lastCardUpdateDate"] != "2026-03-01" || data["expiryMonth"] != "01" || data["expiryYear"] != "2033" || body["amount"] != nil {
		t.Error(raw)
	}
	f.fire(t, "network-token", cardflo.Event{UUID: paid, Status: "active"})
	if body, raw := f.last(t, in); body["extraData"].(map[string]any)["networkTokenStatus"] != "active" || body["transactionType"] != "DEBIT" {
		t.Error(raw)
	}
	f.fire(t, "notify", cardflo.Event{UUID: paid})
	if body, raw := f.last(t, in); body["result"] != "OK" || body["uuid"] != paid || body["amount"] != "9.50" {
		t.Error(raw)
	}
	for name, e := range map[string]cardflo.Event{
		"chargeback": {UUID: "nope"}, "chargeback-reversal": {UUID: paid}, "adjustment": {UUID: paid, Amount: "1.00", Source: "whim"},
		"account-update": {UUID: paid, Result: "updated"}, "network-token": {UUID: paid}, "notify": {},
	} {
		if _, code := f.fire(t, name, e); code != 400 {
			t.Errorf("%s %+v: %d", name, e, code)
		}
	}
}

func TestEveryKindOfTransactionIsTold(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	f.Kit().Callbacks.Enable(true)
	in := receive(t)
	hook := `,"callbackUrl":"` + in.URL + `/hook"}`
	told := func(typ, result string) {
		t.Helper()
		if body, raw := f.last(t, in); body["transactionType"] != typ || body["result"] != result {
			t.Errorf("want %s %s: %s", typ, result, raw)
		}
	}
	h := f.approvedAs(t, "preauthorize", strings.TrimSuffix(hold("h", "10.00"), "}")+hook)
	told("PREAUTHORIZE", "OK")
	f.approvedAs(t, "incrementalAuthorization", strings.TrimSuffix(back("i", h, "1.00", "EUR"), "}")+hook)
	told("INCREMENTAL-AUTHORIZATION", "OK")
	f.approvedAs(t, "void", back("v", h, "1.00", "EUR"))
	told("VOID", "OK")
	c := f.approvedAs(t, "capture", back("c", h, "2.00", "EUR"))
	told("CAPTURE", "OK")
	f.approvedAs(t, "refund", back("r", c, "2.00", "EUR"))
	told("REFUND", "OK")
	card := f.approvedAs(t, "register", strings.TrimSuffix(registration("g"), "}")+hook)
	told("REGISTER", "OK")
	f.approvedAs(t, "payout", `{"merchantTransactionId":"p","amount":"1.00","currency":"EUR","referenceUuid":"`+card+`"`+hook)
	told("PAYOUT", "OK")
	f.plan(t, card, "2026-03-03T12:00:00+00:00", month)
	f.Kit().Clock.Advance(48 * time.Hour)
	kit.Pump(f.Server)
	if body, raw := f.last(t, in); body["transactionType"] != "DEBIT" || body["scheduleData"] == nil || !strings.Contains(raw, `"scheduledAt":"2026-04-03T12:00:00+00:00"`) {
		t.Error(raw)
	}
	f.approvedAs(t, "deregister", after("d", card))
	told("DEREGISTER", "OK")
	f.do(t, debit(strings.TrimSuffix(sale("e", "1.00", "EUR", cardflo.TokenStolen), "}")+`,"customer":{"firstName":"John","emailVerified":false}`+hook))
	body, raw := f.last(t, in)
	customer, _ := body["customer"].(map[string]any)
	if body["result"] != "ERROR" || body["code"] != "2016" || body["message"] != "STOLEN_CARD" || body["adapterMessage"] != "Transaction was rejected" || customer["emailVerified"] != "false" {
		t.Error(raw)
	}
	page := f.redirect(t, "w", strings.TrimSuffix(hook, "}"))
	f.fill(t, page, cardflo.CardPending, "12/30", "123", "pay")
	told("DEBIT", "PENDING")
}

func TestANotificationIsTriedAtTheDocumentsTimes(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	f.Kit().Callbacks.Enable(true)
	in := receive(t)
	in.open = false
	f.do(t, debit(strings.TrimSuffix(hold("s", "9.99"), "}")+`,"callbackUrl":"`+in.URL+`/hook"}`))
	var minutes []int
	wait := func() {
		f.Kit().Callbacks.Wait()
		all := f.Kit().Callbacks.Deliveries()
		minutes = minutes[:0]
		for _, d := range all {
			minutes = append(minutes, int(d.At.Sub(start)/time.Minute))
		}
	}
	wait()
	for _, d := range []int{1, 5, 15, 60, 120, 180, 720, 1440, 1440, 1440, 1440, 1440, 1440, 1440, 1440, 1440} {
		f.Kit().Clock.Advance(time.Duration(d) * time.Minute)
		kit.Pump(f.Server)
		wait()
	}
	if got := fmt.Sprint(minutes); got != "[0 1 6 21 81 201 381 1101 2541 3981 5421 6861 8301 9741 11181]" {
		t.Errorf("attempts after %s minutes", got)
	}
}

func TestTheConnectorDecidesHowItsPageIsOpened(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	body := `{"merchantTransactionId":"w-1","amount":"5.00","currency":"EUR"}`
	want(t, f.do(t, debit(body)), map[string]any{"returnType": "REDIRECT", "redirectType": "iframe"})
	want(t, f.do(t, signed(http.MethodPost, "/transaction/"+cardflo.SignedKey+"/debit", body)), map[string]any{"returnType": "REDIRECT", "redirectType": "fullpage"})
}

func TestEveryKindOfChargeIsAdoptedOnce(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	charge := func(kind, id, original string, minor int64) kit.Charge {
		c := kit.Charge{Kind: kind, ID: id, Reference: "ref-" + id, OriginalID: original, AmountMinor: minor, Currency: "EUR", At: start}
		if minor == 0 {
			c.Currency = ""
		}
		return c
	}
	ledger := []kit.Charge{
		charge("sale", "s", "", 1000), charge("refund", "r", "s", 200), charge("chargeback", "b", "s", 300), charge("chargeback_reversal", "v", "b", 300),
		charge("adjustment", "s", "s", -100),
		charge("preauth", "h", "", 1000), charge("increment", "i", "h", 500), charge("decrement", "d", "h", 300), charge("capture", "c", "h", 200),
		charge("preauth", "h2", "", 1000), charge("void", "w", "h2", 1000), charge("preauth", "h3", "", 1000), charge("void", "w3", "h3", 0),
		charge("register", "g", "", 0), charge("register", "g2", "", 0), charge("deregister", "x", "g2", 0), charge("payout", "p", "", 100),
		charge("capture", "lost", "nobody", 100),
	}
	for range 2 {
		if err := f.Adopt(cardflo.SandboxKey, ledger); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.State().Charges); n != len(ledger)-1 {
		t.Errorf("%d charges", n)
	}
	// Of the sale 10.00 - 1.00 - 2.00 is left, of the hold 10.00 + 5.00 - 3.00 - 2.00.
	refused(t, "refund", f.do(t, refund(back("r-x", "s", "7.01", "EUR"))), 400, 1006.0, "remaining")
	want(t, f.do(t, refund(back("r-1", "s", "7.00", "EUR"))), map[string]any{"success": true})
	refused(t, "capture", f.do(t, transact("capture", back("c-x", "h", "10.01", "EUR"))), 400, 1006.0, "remaining")
	f.approvedAs(t, "capture", back("c-1", "h", "10.00", "EUR"))
	refused(t, "capture of what was voided", f.do(t, transact("capture", back("c-x", "h2", "1.00", "EUR"))), 400, 1006.0, "voided")
	f.approvedAs(t, "debit", `{"merchantTransactionId":"n","amount":"1.00","currency":"EUR","referenceUuid":"g"}`)
	refused(t, "a forgotten card", f.do(t, transact("debit", `{"merchantTransactionId":"n-x","amount":"1.00","currency":"EUR","referenceUuid":"g2"}`)), 400, 1006.0, "registered")
	for _, id := range []string{"s", "b", "v", "h", "c", "g", "lost", "p"} {
		want(t, f.do(t, status("/getByUuid/"+id)), map[string]any{"transactionStatus": "SUCCESS"})
	}
	for _, bad := range []kit.Charge{charge("tip", "t", "s", 1), charge("sale", "", "", 1), charge("sale", "z", "", 0)} {
		if err := f.Adopt(cardflo.SandboxKey, []kit.Charge{bad}); err == nil {
			t.Errorf("%+v was adopted", bad)
		}
	}
	if err := f.Adopt("nobody", nil); err == nil {
		t.Error("nobody's ledger was adopted")
	}
}

func TestARejectedTransactionBeginsNoSchedule(t *testing.T) {
	f := newFixture(t, cardflo.Config{})
	if err := f.Kit().Outcomes.Push(kit.Outcome{Result: kit.Reject, Code: "1000"}); err != nil {
		t.Fatal(err)
	}
	terms := `,"schedule":{"amount":"5.00","currency":"EUR","periodLength":1,"periodUnit":"DAY"}}`
	refused(t, "rejected", f.do(t, transact("register", strings.TrimSuffix(registration("g"), "}")+terms)), 400, 1000.0, "")
	f.Kit().Clock.Advance(72 * time.Hour)
	if n := len(f.State().Charges); n != 0 {
		t.Errorf("%d charges", n)
	}
}
