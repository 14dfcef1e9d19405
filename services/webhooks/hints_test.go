package webhooks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	sandboxcashflows "github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/webhooks"
)

// hinted is a call as Cashflows makes it; anybody can.
func (h *house) hinted(job, payment string) webhooks.Call {
	return h.call(fmt.Sprintf(`{"paymentJobReference":%q,"paymentReference":%q}`, job, payment))
}

func (h *house) call(body string) webhooks.Call {
	return webhooks.Call{Method: http.MethodPost, URI: domain.CallbackPath("cashflows", h.cashflows), Header: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(body)}
}

// follow does what the jobs of hints do.
func (h *house) follow() {
	h.t.Helper()
	rows, err := h.owner.Query(`select args->>'provider_ref' from river.river_job where kind = 'follow_hint' and state in ('available', 'scheduled')`)
	must(h.t, err)
	var refs []string
	for rows.Next() {
		var ref string
		must(h.t, rows.Scan(&ref))
		refs = append(refs, ref)
	}
	must(h.t, rows.Err())
	_ = rows.Close()
	for _, ref := range refs {
		_ = h.hooks.Follow(h.t.Context(), h.merchant, h.cashflows, ref)
	}
	_, err = h.owner.Exec(`delete from river.river_job where kind = 'follow_hint'`)
	must(h.t, err)
}

// pageSale begins a sale on Cashflows' page; lost loses the answer to it.
func (h *house) cardOnFile(minor int64, lost bool) domain.Transaction {
	h.t.Helper()
	card, err := h.conns.AddCard(h.t.Context(), h.actor, h.cashflows, sandboxcashflows.TokenApprove, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}, "Imogen Ware")
	must(h.t, err)
	if lost {
		must(h.t, h.sandbox.Cashflows.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter, Method: http.MethodPost}))
	}
	taken, err := h.payments.Take(h.t.Context(), h.actor, payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cashflows, Method: domain.MethodCard,
		Amount: money.FromMinor(minor, gbp), OrderReference: h.order(), CardID: card.ID})
	must(h.t, err)
	return h.get(taken.PaymentID).Sale()
}

func (h *house) chargeAtCashflows(attempt string) kit.Charge {
	h.t.Helper()
	for _, c := range h.sandbox.Cashflows.State().Charges {
		if c.Reference == attempt {
			return c
		}
	}
	h.t.Fatalf("Cashflows does not know %s", attempt)
	return kit.Charge{}
}

func TestAHintEndsASaleWhoseAnswerWasLostByAsking(t *testing.T) {
	h := newHouse(t)
	x := h.cardOnFile(1250, true)
	if x.Status != domain.TxUnknown {
		t.Fatalf("the sale is %s", x.Status)
	}
	// There is no question by our own reference: time alone ends nothing.
	h.advance(23 * time.Hour)
	if _, err := h.payments.Resolve(t.Context(), h.merchant, x.ID); err != nil {
		t.Fatal(err)
	}
	if d := h.get(x.PaymentID); d.Payment.Status != domain.PaymentUnknown {
		t.Fatalf("without news the sale became %s", d.Payment.Status)
	}
	job, payment, _ := strings.Cut(h.chargeAtCashflows(x.AttemptRef).ID, "/")
	reply, err := h.hooks.Receive(t.Context(), "cashflows", h.cashflows.String(), h.hinted(job, payment))
	must(t, err)
	var echoed map[string]string
	if err := json.Unmarshal([]byte(reply.Body), &echoed); err != nil || !reply.JSON || echoed["paymentJobReference"] != job || echoed["paymentReference"] != payment {
		t.Errorf("the reply is %+v", reply)
	}
	h.follow()
	d := h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentApproved || d.Payment.Captured != x.Amount || d.Sale().ProviderRef != job+"/"+payment {
		t.Errorf("%s, captured %s, %q", d.Payment.Status, d.Payment.Captured, d.Sale().ProviderRef)
	}
	if n := h.count(`select count(*) from callbacks`); n != 0 {
		t.Errorf("%d calls wait for a person, want none", n)
	}
}

// Whoever knows the address can send anything: it makes us ask, and the
// provider's own answer is all that counts.
func TestForgedHintsChangeNothing(t *testing.T) {
	h := newHouse(t)
	open := h.cardOnFile(1250, true)
	done := h.cardOnFile(990, false)
	job, payment, _ := strings.Cut(done.ProviderRef, "/")
	before := h.money()
	forged := map[string]webhooks.Call{
		"no body":                       h.call(``),
		"no JSON":                       h.call(`<p>paid`),
		"a list":                        h.call(`[1]`),
		"null":                          h.call(`null`),
		"no references":                 h.call(`{}`),
		"empty references":              h.hinted("", ""),
		"a payment that nobody has":     h.hinted("123456789012345678", "876543210987654321"),
		"another payment of a real job": h.hinted(job, "876543210987654321"),
		"a real payment of another job": h.hinted("123456789012345678", payment),
		"our own attempt":               h.hinted(open.AttemptRef, open.AttemptRef),
		"a path":                        h.hinted("../payment-jobs", "../../cancel"),
		"a very long reference":         h.hinted(strings.Repeat("1", 5000), payment),
		"control characters":            h.hinted("1\x00\r\n2", payment),
		"words of approval":             h.call(fmt.Sprintf(`{"paymentJobReference":"1","paymentReference":"2","status":"Paid","amount":"12.50","orderNumber":%q}`, open.AttemptRef)),
		"what we know already":          h.hinted(job, payment),
	}
	for name, call := range forged {
		err := h.receive("cashflows", h.cashflows, call)
		if code := domain.CodeOf(err); code != "" && code != domain.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		h.advance(time.Second)
		h.follow()
		if now := h.money(); now != before {
			t.Fatalf("%s changed the books:\n%s\nbefore:\n%s", name, now, before)
		}
	}
	if n := h.count(`select count(*) from callbacks`); n != 0 {
		t.Errorf("%d calls were kept, want none", n)
	}
	for _, e := range h.sandbox.Cashflows.Kit().Journal.Entries() {
		if strings.Contains(e.URL, "..") || e.Method == http.MethodPatch {
			t.Errorf("a hint made us send %s %s", e.Method, e.URL)
		}
	}
}

func TestTheSameHintFiftyTimesIsOneQuestionAndAFloodIsRefused(t *testing.T) {
	h := newHouse(t)
	x := h.cardOnFile(1250, true)
	job, payment, _ := strings.Cut(h.chargeAtCashflows(x.AttemptRef).ID, "/")
	var mu sync.Mutex
	refused := 0
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := h.receive("cashflows", h.cashflows, h.hinted(job, payment))
			mu.Lock()
			defer mu.Unlock()
			switch domain.CodeOf(err) {
			case "":
			case domain.TooMany:
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.count(`select count(*) from river.river_job where kind = 'follow_hint'`); n != 1 {
		t.Errorf("%d questions are planned, want 1", n)
	}
	if refused == 0 || refused == 50 {
		t.Errorf("%d of 50 were refused", refused)
	}
	h.follow()
	if n := h.count(`select count(*) from audit_log where action = 'payment.sale.settled' and result = 'approved'`); n != 1 {
		t.Errorf("%d settlements, want 1", n)
	}
}

// The question that a hint led to may have been put a moment before the news.
func TestAHintThatComesWhileItsQuestionIsPutLeadsToAnother(t *testing.T) {
	h := newHouse(t)
	x := h.cardOnFile(1250, true)
	job, payment, _ := strings.Cut(h.chargeAtCashflows(x.AttemptRef).ID, "/")
	must(t, h.receive("cashflows", h.cashflows, h.hinted(job, payment)))
	var planned time.Time
	must(t, h.owner.QueryRow(`select scheduled_at from river.river_job where kind = 'follow_hint'`).Scan(&planned))
	// No hint that comes before the question is put is answered by it too early.
	h.advance(planned.Sub(h.now()))
	_, err := h.owner.Exec(`update river.river_job set state = 'running', attempted_at = now() where kind = 'follow_hint'`)
	must(t, err)
	must(t, h.receive("cashflows", h.cashflows, h.hinted(job, payment)))
	if n := h.count(`select count(*) from river.river_job where kind = 'follow_hint' and state <> 'running'`); n != 1 {
		t.Errorf("%d more questions are planned, want 1", n)
	}
}

func TestACardThatItsNetworkRenewedIsBroughtUpToDate(t *testing.T) {
	h := newHouse(t)
	const registration = "reg45reg45reg45reg45"
	card, err := h.conns.AddCard(t.Context(), h.actor, h.cardflo, "register:"+registration, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/26"}, "Imogen Ware")
	must(t, err)
	update := func(uuid, last4, month, year string) map[string]any {
		return notice(map[string]any{"uuid": uuid, "transactionType": "REGISTER", "amount": nil, "currency": nil,
			"extraData":  map[string]any{"lastCardUpdateResult": "NEW_CARD", "lastCardUpdateDate": "2026-11-25"},
			"returnData": map[string]any{"_TYPE": "cardData", "type": "visa", "lastFourDigits": last4, "expiryMonth": month, "expiryYear": year}})
	}
	h.tell(update(registration, "4242", "11", "2031"))
	var last4, expiry string
	must(t, h.owner.QueryRow(`select last4, expiry from cards where id = $1`, card.ID).Scan(&last4, &expiry))
	if last4 != "4242" || expiry != "11/31" {
		t.Errorf("the card ends %s and expires %s", last4, expiry)
	}
	h.tell(update("reg00reg00reg00reg00", "9999", "01", "2040"))
	if n := h.count(`select count(*) from cards where last4 = '9999'`); n != 0 {
		t.Error("a card that is not stored here changed another one")
	}
	if n := h.count(`select count(*) from callbacks where status = 'quarantined'`); n != 0 {
		t.Errorf("%d calls wait for a person, want none", n)
	}
}

func TestASettlementThatChangedTheAmountIsBookedBesideTheOriginal(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	changed := h.about(x, map[string]any{"notificationSource": "settlement", "amount": "97.50", "originalAmount": "100.00", "originalCurrency": "GBP"})
	h.tell(changed)
	h.tell(changed)
	d := h.get(x.PaymentID)
	if d.Payment.Captured != money.FromMinor(9750, gbp) || d.Payment.Amount != x.Amount || d.Payment.Refundable() != money.FromMinor(9750, gbp) || len(d.Transactions) != 2 {
		t.Errorf("captured %s of %s, refundable %s, %d transactions", d.Payment.Captured, d.Payment.Amount, d.Payment.Refundable(), len(d.Transactions))
	}
	// The provider repeats the original news, and a second, different change needs a person.
	h.tell(h.about(x, nil))
	h.tell(h.about(x, map[string]any{"notificationSource": "settlement", "amount": "95.00", "originalAmount": "100.00", "originalCurrency": "GBP"}))
	if d := h.get(x.PaymentID); d.Payment.Captured != money.FromMinor(9750, gbp) {
		t.Errorf("captured %s", d.Payment.Captured)
	}
	if n := h.count(`select count(*) from callbacks where status = 'quarantined'`); n != 1 {
		t.Errorf("%d calls wait for a person, want 1", n)
	}
}

// Whatever a provider writes into its calls and answers, no card number and no
// credential of ours is anywhere in the database.
func TestNoSecretAndNoCardNumberOfACallIsKept(t *testing.T) {
	h := newHouse(t)
	const pan, spaced = "4111111111111111", "4111 1111 1111 1111"
	planted := []string{pan, spaced, sandboxcashflows.APIKey, deviceToken}
	x := h.lostSale(1250)
	words := "card " + pan + " or " + spaced + " with the code 123"
	h.tell(h.about(x, map[string]any{"result": "ERROR", "message": words, "code": "2003", "adapterMessage": words, "customer": map[string]any{"firstName": pan, "extraData": map[string]any{"cvv": "123", "pan": pan}},
		"merchantMetaData": words, "extraData": map[string]any{"note": words, pan: "as a name"}}))
	h.tell(h.about(x, map[string]any{"transactionType": pan}))
	must(t, h.receive("handpoint", h.handpoint, h.result(map[string]any{"statusMessage": words, "ssk": "a-terminals-shared-secret", "merchantAuth": []any{map[string]any{"ssk": "a-terminals-shared-secret"}},
		"errorMessage": words, "deviceStatus": map[string]any{"ssk": "a-terminals-shared-secret", "note": spaced}, "cardToken": "a-card-token-of-the-terminal"})))
	h.handle()
	must(t, h.sandbox.Cashflows.Kit().Outcomes.Push(kit.Outcome{Result: kit.Decline, Message: words + " " + sandboxcashflows.APIKey}))
	h.cardOnFile(1250, false)
	planted = append(planted, "a-terminals-shared-secret", "a-card-token-of-the-terminal")
	tables, err := h.owner.Query(`select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname in ('public', 'river')`)
	must(t, err)
	defer tables.Close()
	seen := 0
	for tables.Next() {
		var name string
		must(t, tables.Scan(&name))
		seen++
		for _, secret := range planted {
			if n := h.count(`select count(*) from `+name+` r where r::text like '%' || $1 || '%'`, secret); n != 0 {
				t.Errorf("%d rows of %s hold %q", n, name, secret)
			}
		}
	}
	must(t, tables.Err())
	if seen < 15 {
		t.Errorf("only %d tables were searched", seen)
	}
	if n := h.count(`select count(*) from callbacks`); n < 3 {
		t.Errorf("only %d calls were kept", n)
	}
}

// What a hint led to and does not fit needs a person like any other news.
func TestARefundThatAHintLedToAndThatDoesNotFitNeedsAPerson(t *testing.T) {
	h := newHouse(t)
	x := h.cardOnFile(1250, false)
	for _, minor := range []int64{500, 600} {
		_, err := h.payments.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: x.PaymentID, Amount: money.FromMinor(minor, gbp), Reason: domain.RefundReasons[0].Value})
		must(t, err)
	}
	// As if it had been made in the provider's portal, after a chargeback.
	for _, q := range []string{`delete from provider_messages m using transactions t where t.id = m.transaction_id and t.type = 'refund'`, `delete from transactions where type = 'refund'`,
		`update payments set refunded_minor = 0, charged_back_minor = 1000`} {
		_, err := h.owner.Exec(q)
		must(t, err)
	}
	job, payment, _ := strings.Cut(x.ProviderRef, "/")
	must(t, h.receive("cashflows", h.cashflows, h.hinted(job, payment)))
	h.follow()
	if n := h.count(`select count(*) from callbacks where status = 'quarantined' and why like 'It refunds %'`); n != 2 {
		t.Errorf("%d calls wait for a person, want one for each refund", n)
	}
	// Asked again, the provider says the same: nobody is told twice.
	h.advance(time.Minute)
	must(t, h.receive("cashflows", h.cashflows, h.hinted(job, payment)))
	h.follow()
	if n := h.count(`select count(*) from callbacks`); n != 2 {
		t.Errorf("%d calls are kept after another hint, want 2", n)
	}
}
