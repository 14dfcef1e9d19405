package webhooks_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/lib/pq"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/providers/providertest"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxcashflows "github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
	"github.com/counterfoil/counterfoil/services/webhooks"
)

var (
	gbp = money.MustCurrency("GBP")
	eur = money.MustCurrency("EUR")
)

const deviceToken = "a-token-that-the-terminal-repeats"

// house is a shop with the receiver of callbacks on a real Postgres, and the
// emulators behind real HTTP.
type house struct {
	t        *testing.T
	owner    *sql.DB
	store    *store.Store
	payments *payments.Service
	hooks    *webhooks.Service
	sandbox  *sandbox.Sandbox
	merchant domain.MerchantID
	actor    domain.Actor
	conns    *connections.Service

	handpoint, cardflo, cashflows domain.ConnectionID

	mu     sync.Mutex
	at     time.Time
	orders int // sales: each has a reference of its own
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db := storetest.New(t)
	st, err := store.Open(t.Context(), store.Config{URL: db.AppURL, MaxOpen: 16})
	must(t, err)
	t.Cleanup(func() { _ = st.Close() })
	h := &house{t: t, store: st, owner: db.Owner(t), at: time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)}
	h.sandbox = sandbox.New(sandbox.Config{Now: h.now})
	server := httptest.NewServer(h.sandbox.Handler())
	t.Cleanup(func() { h.sandbox.Reset(); server.Close() })
	base, err := url.Parse(server.URL)
	must(t, err)
	keyset, err := secrets.Generate()
	must(t, err)
	sealer, err := secrets.FromJSON(keyset)
	must(t, err)
	registry := providers.NewRegistry(cardflo.Registration(), handpoint.Registration(), cashflows.Registration())
	m := domain.Merchant{ID: domain.NewMerchantID(), Name: "Harbour & Rye", TimeZone: "Europe/London", Mode: domain.Test, Currencies: []money.Currency{gbp, eur}, CreatedAt: h.now()}
	must(t, st.InsertMerchant(t.Context(), m))
	h.merchant = m.ID
	h.actor = domain.Actor{UserID: domain.NewUserID(), Name: "Maya Okafor", MerchantID: m.ID, Role: domain.Owner}
	_, err = h.owner.Exec(`insert into users (id, email, name, created_at) values ($1, 'maya@example.com', 'Maya Okafor', now())`, h.actor.UserID)
	must(t, err)
	transport := httpclient.Transport(httpclient.Options{AllowHosts: []string{base.Host}, BreakAfter: 1_000_000})
	t.Cleanup(transport.CloseIdle)
	h.conns = &connections.Service{Store: st, Registry: registry, Secrets: sealer, Transport: transport, Now: h.now}
	add := func(in connections.NewConnection) domain.ConnectionID {
		c, err := h.conns.Create(t.Context(), h.actor, in)
		must(t, err)
		return c.ID
	}
	h.cardflo = add(connections.NewConnection{Provider: "cardflo", Name: "Phone cards", BaseURL: server.URL + sandboxcardflo.BasePath,
		Settings: map[string]string{cardflo.SettingCardFrame: server.URL + "/cardflo/frame/" + sandboxcardflo.SignedKey},
		Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SignedKey, cardflo.SecretUsername: sandboxcardflo.SignedUser,
			cardflo.SecretPassword: sandboxcardflo.SignedPassword, cardflo.SecretSharedSecret: sandboxcardflo.SignedSecret}})
	h.handpoint = add(connections.NewConnection{Provider: "handpoint", Name: "Terminals", BaseURL: server.URL + sandboxhandpoint.BasePath,
		Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey, handpoint.SecretCallbackToken: deviceToken}})
	h.cashflows = add(connections.NewConnection{Provider: "cashflows", Name: "Web and phone", BaseURL: server.URL + sandboxcashflows.BasePath,
		Settings: map[string]string{cashflows.SettingConfigurationID: sandboxcashflows.ConfigurationID}, Secrets: map[string]string{cashflows.SecretAPIKey: sandboxcashflows.APIKey}})
	h.payments = payments.New(payments.Config{Store: st, Registry: registry, Secrets: sealer, Transport: transport, Now: h.now,
		Log: slog.New(slog.DiscardHandler), PublicURL: "http://localhost:8080"})
	h.hooks = webhooks.New(st, h.payments, h.now, slog.New(slog.DiscardHandler))
	return h
}

func (h *house) order() string {
	h.orders++
	return fmt.Sprintf("Hamper %d", 2260+h.orders)
}

// sale takes a telephone sale on Cardflo and gives its transaction.
func (h *house) sale(minor int64) domain.Transaction {
	h.t.Helper()
	taken, err := h.payments.Take(h.t.Context(), h.actor, payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodFrame,
		Amount: money.FromMinor(minor, gbp), OrderReference: h.order(), CardToken: sandboxcardflo.TokenApprove, Card: domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/30"}})
	must(h.t, err)
	return h.get(taken.PaymentID).Sale()
}

// lostSale is a sale whose answer was lost after the card was charged.
func (h *house) lostSale(minor int64) domain.Transaction {
	h.t.Helper()
	must(h.t, h.sandbox.Cardflo.Kit().Faults.Push(kit.Fault{Kind: kit.FaultDropAfter}))
	x := h.sale(minor)
	if x.Status != domain.TxUnknown {
		h.t.Fatalf("the sale is %s", x.Status)
	}
	return x
}

func (h *house) get(id domain.PaymentID) payments.Detail {
	h.t.Helper()
	d, err := h.payments.Get(h.t.Context(), h.actor, id)
	must(h.t, err)
	return d
}

// notice is a Cardflo notification as the document prints it, with changes.
func notice(change map[string]any) map[string]any {
	n := map[string]any{"result": "OK", "uuid": "abcde12345abcde12345", "merchantTransactionId": "2020-03-26-01", "purchaseId": "20200326-abcde12345abcde12345",
		"transactionType": "DEBIT", "paymentMethod": "Creditcard", "amount": "12.50", "currency": "GBP"}
	for k, v := range change {
		if v == nil {
			delete(n, k)
			continue
		}
		n[k] = v
	}
	return n
}

func (h *house) about(x domain.Transaction, change map[string]any) map[string]any {
	ref := x.ProviderRef
	if ref == "" {
		ref = h.uuidOf(x)
	}
	n := notice(map[string]any{"uuid": ref, "merchantTransactionId": x.AttemptRef, "amount": x.Amount.Major(), "currency": x.Amount.Currency().Code()})
	maps.Copy(n, change)
	return n
}

// uuidOf is what the provider calls an attempt.
func (h *house) uuidOf(x domain.Transaction) string {
	h.t.Helper()
	for _, c := range h.sandbox.Cardflo.State().Charges {
		if c.Reference == x.AttemptRef {
			return c.ID
		}
	}
	h.t.Fatalf("the provider does not know %s", x.AttemptRef)
	return ""
}

// signed is a call that the gateway would make, signed as the document says.
func (h *house) signed(body any) webhooks.Call {
	h.t.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		raw, err = json.Marshal(body)
		must(h.t, err)
	}
	const contentType = "application/json; charset=utf-8"
	uri, date := domain.CallbackPath("cardflo", h.cardflo), h.now().UTC().Format(http.TimeFormat)
	sum := sha512.Sum512(raw)
	mac := hmac.New(sha512.New, []byte(sandboxcardflo.SignedSecret))
	_, _ = io.WriteString(mac, strings.Join([]string{"POST", hex.EncodeToString(sum[:]), contentType, date, uri}, "\n"))
	return webhooks.Call{Method: http.MethodPost, URI: uri, Body: raw, Header: map[string][]string{
		"Content-Type": {contentType}, "Date": {date}, "X-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}}
}

// result is a Handpoint transaction result, with changes, as a terminal posts it.
func (h *house) result(change map[string]any) webhooks.Call {
	h.t.Helper()
	n := map[string]any{"finStatus": "AUTHORISED", "type": "SALE", "currency": "GBP", "requestedAmount": 1250, "totalAmount": 1250, "tipAmount": 0,
		"transactionID": "01236fc0-8192-11eb-9aca-ad4b0e95f241", "efttransactionID": "01236fc0-8192-11eb-9aca-ad4b0e95f241",
		"transactionReference": "5a6f8ff9-6d2f-4a9a-bd35-6f1b0a5a1f10", "cardSchemeName": "Visa", "maskedCardNumber": "************0936",
		"unMaskedPan": "4111111111111111", "expiryDateMMYY": "1030", "serialNumber": "0821032398", "terminalType": "PAXA920", "deviceStatus": map[string]any{"serialNumber": "0821032398"}}
	for k, v := range change {
		n[k] = v
	}
	raw, err := json.Marshal(n)
	must(h.t, err)
	return webhooks.Call{Method: http.MethodPost, URI: domain.CallbackPath("handpoint", h.handpoint), Body: raw,
		Header: map[string][]string{"Content-Type": {"application/json"}, "Auth-Token": {deviceToken}}}
}

func (h *house) receive(provider string, id domain.ConnectionID, call webhooks.Call) error {
	_, err := h.hooks.Receive(h.t.Context(), provider, id.String(), call)
	return err
}

// tell delivers a notification and handles everything that is stored.
func (h *house) tell(body any) {
	h.t.Helper()
	must(h.t, h.receive("cardflo", h.cardflo, h.signed(body)))
	h.handle()
}

// handle does what the job does, until nothing more can be said.
func (h *house) handle() {
	h.t.Helper()
	for range 5 {
		waiting := false
		for _, id := range h.unhandled() {
			again, err := h.hooks.Handle(h.t.Context(), h.merchant, id)
			must(h.t, err)
			waiting = waiting || again > 0
		}
		if !waiting {
			return
		}
	}
}

func (h *house) unhandled() []domain.CallbackID {
	h.t.Helper()
	var ids []domain.CallbackID
	must(h.t, h.store.ReadTenant(h.t.Context(), h.merchant, func(tx *store.Tx) (err error) {
		ids, err = tx.UnhandledCallbacks(h.t.Context(), h.now().Add(time.Hour), 100)
		return err
	}))
	return ids
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	must(h.t, h.owner.QueryRow(query, args...).Scan(&n))
	return n
}

// rows is the content of every table but the audit chain's, as one text.
func (h *house) rows() string {
	h.t.Helper()
	names, err := h.owner.Query(`select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'r' and n.nspname in ('public', 'river') and c.relname not in ('audit_log', 'audit_heads', 'river_leader', 'goose_db_version') order by 1`)
	must(h.t, err)
	defer names.Close()
	var all strings.Builder
	for names.Next() {
		var name string
		must(h.t, names.Scan(&name))
		var sum string
		must(h.t, h.owner.QueryRow(`select count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' order by r::text)), '') from `+name+` r`).Scan(&sum))
		fmt.Fprintln(&all, name, sum)
	}
	must(h.t, names.Err())
	return all.String()
}

func (h *house) callbacks() []store.Callback {
	h.t.Helper()
	var out []store.Callback
	must(h.t, h.store.ReadTenant(h.t.Context(), h.merchant, func(tx *store.Tx) error {
		for _, id := range []domain.ConnectionID{h.cardflo, h.handpoint, h.cashflows} {
			cs, err := tx.ListCallbacks(h.t.Context(), id, domain.CallbackID{}, 100)
			if err != nil {
				return err
			}
			out = append(out, cs...)
		}
		return nil
	}))
	return out
}

func TestACallbackEndsAnOutcomeThatWasUnknown(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	h.tell(h.about(x, nil))
	d := h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentApproved || d.Payment.Captured != x.Amount || d.Sale().ProviderRef != h.uuidOf(x) {
		t.Errorf("%s, captured %s, %q", d.Payment.Status, d.Payment.Captured, d.Sale().ProviderRef)
	}
	cs := h.callbacks()
	if len(cs) != 1 || cs[0].Status != domain.CallbackApplied || cs[0].TransactionID != x.ID {
		t.Errorf("%+v", cs)
	}
}

func TestAnErrorNotificationDeclinesWithItsReason(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	h.tell(h.about(x, map[string]any{"result": "ERROR", "message": "Insufficient funds", "code": "2006"}))
	if d := h.get(x.PaymentID); d.Payment.Status != domain.PaymentDeclined || d.Payment.Reason != domain.ReasonInsufficientFunds {
		t.Errorf("%s because %s", d.Payment.Status, d.Payment.Reason)
	}
}

func TestALateApprovalWinsOverADecline(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	h.tell(h.about(x, map[string]any{"result": "ERROR", "message": "declined", "code": "2003"}))
	h.tell(h.about(x, nil))
	d := h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentApproved {
		t.Errorf("%s", d.Payment.Status)
	}
	if was := d.Sale().Before; was.Status != domain.TxDeclined || was.Reason == "" || was.At.IsZero() {
		t.Errorf("the earlier no is not kept: %+v", was)
	}
	// And nothing takes an approval back.
	h.tell(h.about(x, map[string]any{"result": "ERROR", "message": "declined again", "code": "2003"}))
	if d := h.get(x.PaymentID); d.Payment.Status != domain.PaymentApproved {
		t.Errorf("%s", d.Payment.Status)
	}
	// But it is kept beside the record, and somebody is told that the provider says
	// otherwise now.
	d = h.get(x.PaymentID)
	if diff := domain.Differences(d.Payment, d.Transactions, d.Sale()); d.Sale().Said.Verdict != domain.SaidDeclined || len(diff) == 0 || diff[0] != "Outcome" {
		t.Errorf("the provider said %+v, which differs in %v", d.Sale().Said, diff)
	}
	if n := h.count(`select count(*) from audit_log where action = 'payment.sale.differs' and result = 'declined'`); n != 1 {
		t.Errorf("%d audit rows for the difference, want 1", n)
	}
	if n := h.count(`select count(*) from callbacks where status = 'quarantined'`); n != 1 {
		t.Errorf("%d callbacks wait for a person, want 1", n)
	}
}

func TestOneUUIDReturnsWithNewContentAndIsAppliedEachTime(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	for _, step := range []struct {
		change map[string]any
		want   domain.TransactionStatus
	}{
		{map[string]any{"result": "PENDING"}, domain.TxProcessing},
		{map[string]any{"result": "SOMETHING_NEW"}, domain.TxProcessing},
		{map[string]any{"result": "OK"}, domain.TxApproved},
	} {
		h.tell(h.about(x, step.change))
		if d := h.get(x.PaymentID); d.Sale().Status != step.want {
			t.Errorf("after %v: %s, want %s", step.change, d.Sale().Status, step.want)
		}
	}
}

func TestTheSameEventFiftyTimesInParallelHasOneEffect(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	back := notice(map[string]any{"uuid": "cb0000000000000000ab", "merchantTransactionId": "auto-2026-1", "transactionType": "CHARGEBACK", "amount": "30.00",
		"chargebackData": map[string]any{"originalUuid": x.ProviderRef, "originalMerchantTransactionId": x.AttemptRef, "amount": 30.00, "currency": "GBP", "reason": "Unauthorized payment", "chargebackDateTime": "2026-11-25T10:00:00+00:00"}})
	call := h.signed(back)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := h.receive("cardflo", h.cardflo, call); err != nil {
				t.Error(err)
			}
			for _, id := range h.unhandled() {
				if _, err := h.hooks.Handle(t.Context(), h.merchant, id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	h.handle()
	cs := h.callbacks()
	if len(cs) != 1 || cs[0].Times != 50 || cs[0].Status != domain.CallbackApplied {
		t.Errorf("%+v", cs)
	}
	d := h.get(x.PaymentID)
	if d.Payment.ChargedBack != money.FromMinor(3000, gbp) || len(d.Transactions) != 2 || d.Payment.Status != domain.PaymentDisputed {
		t.Errorf("%d transactions, charged back %s, %s", len(d.Transactions), d.Payment.ChargedBack, d.Payment.Status)
	}
	if n := h.count(`select count(*) from audit_log where action = 'payment.chargeback.settled'`); n != 1 {
		t.Errorf("%d audit rows of the chargeback, want 1", n)
	}
}

func TestFiftyBodiesAboutOneNewObjectMakeItOnce(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := h.receive("handpoint", h.handpoint, h.result(map[string]any{"statusMessage": fmt.Sprint("delivery ", i)})); err != nil {
				t.Error(err)
			}
			for _, id := range h.unhandled() {
				if _, err := h.hooks.Handle(t.Context(), h.merchant, id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	h.handle()
	if n := h.count(`select count(*) from payments where method = 'terminal' and status = 'approved'`); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
	if n := h.count(`select count(*) from payments`); n != 1 {
		t.Errorf("%d payments in all, want 1", n)
	}
}

// A sale is charged back in part, that is reversed, a part is refunded at the
// provider and the settlement takes five off and then five more: in whatever order the news
// arrives, and however often, the books end the same.
func TestAnyOrderOfEventsEndsInTheSameBooks(t *testing.T) {
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		x := h.lostSale(10000)
		id := h.uuidOf(x)
		tail := strings.ReplaceAll(uuid.NewString(), "-", "")[:18]
		events := []map[string]any{
			h.about(x, map[string]any{"result": "PENDING"}),
			h.about(x, nil),
			h.about(x, map[string]any{"notificationSource": "settlement", "amount": "95.00", "originalAmount": "100.00", "originalCurrency": "GBP"}),
			h.about(x, map[string]any{"notificationSource": "reconciliation", "amount": "90.00", "originalAmount": "95.00", "originalCurrency": "GBP"}),
			notice(map[string]any{"uuid": "cb" + tail, "merchantTransactionId": "auto-" + tail, "transactionType": "CHARGEBACK", "amount": "30.00",
				"chargebackData": map[string]any{"originalUuid": id, "amount": 30.00, "currency": "GBP", "reason": "Unauthorized payment"}}),
			notice(map[string]any{"uuid": "cr" + tail, "merchantTransactionId": "auto-r" + tail, "transactionType": "CHARGEBACK-REVERSAL", "amount": "30.00",
				"chargebackReversalData": map[string]any{"originalUuid": id, "chargebackUuid": "cb" + tail, "amount": 30.00, "currency": "GBP"}}),
			notice(map[string]any{"uuid": "rf" + tail, "merchantTransactionId": "portal-" + tail, "transactionType": "REFUND", "amount": "20.00", "referenceUuid": id}),
		}
		order := rapid.Permutation(append(slices.Clone(events), events[rapid.IntRange(0, len(events)-1).Draw(rt, "twice")])).Draw(rt, "order")
		for _, e := range order {
			must(t, h.receive("cardflo", h.cardflo, h.signed(e)))
			if rapid.Bool().Draw(rt, "handled at once") {
				h.handle()
			}
		}
		h.handle()
		d := h.get(x.PaymentID)
		got := fmt.Sprint(d.Payment.Status, d.Payment.Captured, d.Payment.Refunded, d.Payment.ChargedBack, d.Payment.Held, len(d.Transactions))
		want := fmt.Sprint(domain.PaymentPartRefunded, money.FromMinor(9000, gbp), money.FromMinor(2000, gbp), money.Zero(gbp), money.Zero(gbp), 6)
		if got != want {
			rt.Errorf("books %s, want %s", got, want)
		}
		if ids := h.unhandled(); len(ids) != 0 {
			rt.Errorf("%d callbacks wait for ever", len(ids))
		}
	})
}

func TestWhatDoesNotFitIsAcknowledgedAndQuarantined(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	id := x.ProviderRef
	open := h.lostSale(1250)
	chargeback := func(amount, currency string) map[string]any {
		return notice(map[string]any{"uuid": "cb0000000000000000ff", "merchantTransactionId": "auto-9", "transactionType": "CHARGEBACK", "amount": amount, "currency": currency,
			"chargebackData": map[string]any{"originalUuid": id, "amount": amount, "currency": currency}})
	}
	before := h.money()
	for name, body := range map[string]any{
		"another amount":                     h.about(open, map[string]any{"amount": "12.51"}),
		"another currency":                   h.about(open, map[string]any{"currency": "EUR"}),
		"an approval without an amount":      h.about(open, map[string]any{"amount": nil, "currency": nil}),
		"another type":                       h.about(open, map[string]any{"transactionType": "REFUND"}),
		"an unknown type":                    h.about(open, map[string]any{"transactionType": "LEVITATION"}),
		"another reference":                  h.about(x, map[string]any{"uuid": "00000000000000000abc"}),
		"more charged back than captured":    chargeback("100.01", "GBP"),
		"a chargeback in another currency":   chargeback("10.00", "EUR"),
		"a change of another amount":         h.about(x, map[string]any{"notificationSource": "settlement", "amount": "90.00", "originalAmount": "99.00", "originalCurrency": "GBP"}),
		"a change into another currency":     h.about(x, map[string]any{"notificationSource": "settlement", "amount": "90.00", "currency": "EUR", "originalAmount": "100.00", "originalCurrency": "GBP"}),
		"a refund above what is left":        notice(map[string]any{"uuid": "rf0000000000000000ff", "transactionType": "REFUND", "amount": "100.01", "referenceUuid": id}),
		"a refund in another currency":       notice(map[string]any{"uuid": "rf0000000000000000fe", "transactionType": "REFUND", "amount": "1.00", "currency": "EUR", "referenceUuid": id}),
		"a run in a currency nobody uses":    notice(map[string]any{"uuid": "sc0000000000000000ff", "currency": "USD", "scheduleData": map[string]any{"scheduleId": "SC-1234"}}),
		"something that nobody knows":        notice(map[string]any{"uuid": "no0000000000000000ff"}),
		"a chargeback of nothing we know":    notice(map[string]any{"uuid": "cb0000000000000000fe", "transactionType": "CHARGEBACK", "chargebackData": map[string]any{"originalUuid": "no0000000000000000fe", "amount": 1, "currency": "GBP"}}),
		"a reversal of nothing charged back": notice(map[string]any{"uuid": "cr0000000000000000fe", "transactionType": "CHARGEBACK-REVERSAL", "amount": "5.00", "chargebackReversalData": map[string]any{"originalUuid": id, "amount": 5, "currency": "GBP"}}),
		"no JSON":                            []byte("<p>hello"),
		"an amount that cannot be read":      h.about(open, map[string]any{"amount": "12.505"}),
	} {
		must(t, h.receive("cardflo", h.cardflo, h.signed(body)))
		h.handle()
		h.advance(11 * time.Minute) // what waits for its payment waits no longer
		h.handle()
		cs := h.callbacks()
		i := slices.IndexFunc(cs, func(c store.Callback) bool { return c.Status != domain.CallbackQuarantined })
		if i >= 0 {
			t.Errorf("%s: %s, %s", name, cs[i].Status, cs[i].Why)
		}
		if now := h.money(); now != before {
			t.Errorf("%s changed the books:\n%s\nbefore:\n%s", name, now, before)
		}
	}
	cs := h.callbacks()
	if n := h.count(`select count(*) from audit_log where action = 'callback.quarantined'`); n != len(cs) {
		t.Errorf("%d audit rows for %d quarantined callbacks", n, len(cs))
	}
	for _, c := range cs {
		if c.Why == "" || strings.Contains(c.Why, "%!") {
			t.Errorf("reason %q", c.Why)
		}
	}
}

// money is every payment and transaction as the database has them, but for what
// the provider last said, which decides nothing.
func (h *house) money() string {
	h.t.Helper()
	var s string
	must(h.t, h.owner.QueryRow(`select (select string_agg(p::text, e'\n' order by p.id) from payments p) || (select string_agg((to_jsonb(t) - 'said')::text, e'\n' order by t.id) from transactions t)`).Scan(&s))
	return s
}

func TestObjectsThatAProviderTellsOfAreMadeAndLinked(t *testing.T) {
	h := newHouse(t)
	h.tell(notice(map[string]any{"uuid": "sc0000000000000000ab", "merchantTransactionId": "auto-run-1", "amount": "9.90", "scheduleData": map[string]any{"scheduleId": "SC-1234-1234", "scheduleStatus": "ACTIVE"}}))
	var schedule, method, status string
	must(t, h.owner.QueryRow(`select t.schedule_ref, p.method, p.status from transactions t join payments p on p.id = t.payment_id where t.provider_ref = 'sc0000000000000000ab'`).Scan(&schedule, &method, &status))
	if schedule != "SC-1234-1234" || method != "schedule" || status != "approved" {
		t.Errorf("run: %s %s %s", schedule, method, status)
	}
	must(t, h.receive("handpoint", h.handpoint, h.result(nil)))
	h.handle()
	var device, last4, by string
	must(t, h.owner.QueryRow(`select t.device_ref, p.card_last4, p.created_by_name from transactions t join payments p on p.id = t.payment_id where p.method = 'terminal'`).Scan(&device, &last4, &by))
	if device != "0821032398" || last4 != "0936" || by != "Handpoint" {
		t.Errorf("terminal sale: %s %s %s", device, last4, by)
	}
	if n := h.count(`select count(*) from callbacks where body like '%4111111111111111%'`); n != 0 {
		t.Error("a card number was kept")
	}
}

func TestAChargebackTakesAwayWhatCanBeRefundedUntilItIsReversed(t *testing.T) {
	h := newHouse(t)
	x := h.sale(10000)
	h.tell(notice(map[string]any{"uuid": "cb0000000000000000ab", "merchantTransactionId": "auto-1", "transactionType": "CHARGEBACK", "amount": "100.00",
		"chargebackData": map[string]any{"originalUuid": x.ProviderRef, "amount": 100, "currency": "GBP", "reason": "Unauthorized payment"}}))
	d := h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentDisputed || !d.Payment.Refundable().IsZero() || d.Why[domain.ActRefund] != domain.DeniedDisputed {
		t.Errorf("%s, refundable %s, refund %q", d.Payment.Status, d.Payment.Refundable(), d.Why[domain.ActRefund])
	}
	h.tell(notice(map[string]any{"uuid": "cr0000000000000000ab", "merchantTransactionId": "auto-2", "transactionType": "CHARGEBACK-REVERSAL", "amount": "100.00",
		"chargebackReversalData": map[string]any{"originalUuid": x.ProviderRef, "chargebackUuid": "cb0000000000000000ab", "amount": 100, "currency": "GBP"}}))
	d = h.get(x.PaymentID)
	if d.Payment.Status != domain.PaymentApproved || d.Payment.Refundable() != x.Amount || d.Why[domain.ActRefund] != domain.Possible {
		t.Errorf("%s, refundable %s, refund %q", d.Payment.Status, d.Payment.Refundable(), d.Why[domain.ActRefund])
	}
}

func TestForgedCallbacksChangeNothingButTheAudit(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	genuine := map[string]struct {
		id   domain.ConnectionID
		call func() webhooks.Call
		body bool // the proof covers the body
	}{
		"cardflo":   {h.cardflo, func() webhooks.Call { return h.signed(h.about(x, nil)) }, true},
		"handpoint": {h.handpoint, func() webhooks.Call { return h.result(nil) }, false},
	}
	secretOf := map[string]string{"cardflo": cardflo.SecretSharedSecret, "handpoint": handpoint.SecretCallbackToken}
	for provider, g := range genuine {
		forgeries := providertest.Forgeries(secretOf[provider])
		tried := 0
		for name, forge := range forgeries {
			base := g.call()
			c, secrets := forge(providers.Callback{Method: base.Method, URI: base.URI, Header: base.Header, Body: base.Body, At: h.now()}, map[string]string{secretOf[provider]: "x"})
			call := webhooks.Call{Method: c.Method, URI: c.URI, Header: c.Header, Body: c.Body}
			switch {
			case secrets[secretOf[provider]] != "x":
				// Somebody else's secret: signed by nobody that this connection knows.
				call.Header = maps.Clone(call.Header)
				for _, n := range []string{"X-Signature", "Auth-Token"} {
					if _, ok := call.Header[n]; ok {
						call.Header[n] = []string{base64.StdEncoding.EncodeToString([]byte("another merchant's proof"))}
					}
				}
			case !c.At.Equal(h.now()):
				if !g.body {
					continue
				}
				old := c.At.Sub(h.now())
				call.Header = maps.Clone(call.Header)
				call.Header["Date"] = []string{h.now().Add(-old).UTC().Format(http.TimeFormat)}
			case providertest.BodyOnly(name) && !g.body:
				continue
			}
			tried++
			before := h.rows()
			err := h.receive(provider, g.id, call)
			if domain.CodeOf(err) != domain.Unauthorized {
				t.Errorf("%s, %s: %v, want unauthorized", provider, name, err)
			}
			if after := h.rows(); after != before {
				t.Errorf("%s, %s changed:\n%s\nbefore:\n%s", provider, name, after, before)
			}
		}
		// The other connection's address, another merchant's provider name, nobody's.
		for name, err := range map[string]error{
			"the other connection's address": h.receive(provider, map[domain.ConnectionID]domain.ConnectionID{h.cardflo: h.handpoint, h.handpoint: h.cardflo}[g.id], g.call()),
			"an address that nobody has":     h.receive(provider, domain.NewConnectionID(), g.call()),
			"another provider's name":        h.receive("cashflows", g.id, g.call()),
			"a mock":                         h.receive("mock", g.id, g.call()),
			"a test":                         h.receive("test", g.id, g.call()),
		} {
			tried++
			if domain.CodeOf(err) != domain.NotFound {
				t.Errorf("%s, %s: %v, want not found", provider, name, err)
			}
		}
		if tried < 12 {
			t.Errorf("%s: only %d forgeries were tried", provider, tried)
		}
	}
	if d := h.get(x.PaymentID); d.Payment.Status != domain.PaymentUnknown {
		t.Errorf("a forgery settled the payment: %s", d.Payment.Status)
	}
}

func TestRefusalsLeaveOneAuditRowPerConnectionAndMinute(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	flood := func() {
		for range 30 {
			wg.Go(func() {
				call := h.result(nil)
				call.Header["Auth-Token"] = []string{"wrong"}
				if err := h.receive("handpoint", h.handpoint, call); domain.CodeOf(err) != domain.Unauthorized {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	rows := func() int { return h.count(`select count(*) from audit_log where action = 'callback.refused'`) }
	flood()
	if n := rows(); n != 1 {
		t.Errorf("%d rows after the first flood, want 1", n)
	}
	h.advance(61 * time.Second)
	flood()
	if n := rows(); n != 2 {
		t.Errorf("%d rows a minute later, want 2", n)
	}
}

func TestACallbackIsCommittedBeforeItIsAcknowledged(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	call := h.signed(h.about(x, nil))
	reply, err := h.hooks.Receive(t.Context(), "cardflo", h.cardflo.String(), call)
	must(t, err)
	if reply.Status != http.StatusOK || reply.Body != "OK" {
		t.Errorf("the reply is %+v", reply)
	}
	if n := h.count(`select count(*) from callbacks where status = 'received'`); n != 1 {
		t.Errorf("%d callbacks are stored, want 1", n)
	}
	if n := h.count(`select count(*) from river.river_job where kind = 'handle_callback'`); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
	// The process died before the provider heard "OK": it sends again.
	_, err = h.hooks.Receive(t.Context(), "cardflo", h.cardflo.String(), call)
	must(t, err)
	h.handle()
	_, err = h.hooks.Receive(t.Context(), "cardflo", h.cardflo.String(), call)
	must(t, err)
	h.handle()
	if cs := h.callbacks(); len(cs) != 1 || cs[0].Times != 3 || cs[0].Status != domain.CallbackApplied {
		t.Errorf("%+v", cs)
	}
	if n := h.count(`select count(*) from audit_log where action = 'payment.sale.settled' and result = 'approved'`); n != 1 {
		t.Errorf("%d settlements, want 1", n)
	}
}

func TestNoCallbackIsSeenByAnotherMerchant(t *testing.T) {
	h := newHouse(t)
	x := h.lostSale(1250)
	h.tell(h.about(x, nil))
	other := domain.Merchant{ID: domain.NewMerchantID(), Name: "Dune Supply", TimeZone: "Asia/Kuwait", Mode: domain.Test, Currencies: []money.Currency{gbp}, CreatedAt: h.now()}
	must(t, h.store.InsertMerchant(t.Context(), other))
	mine := h.callbacks()[0].ID
	err := h.store.ReadTenant(t.Context(), other.ID, func(tx *store.Tx) error { _, err := tx.Callback(t.Context(), mine); return err })
	if domain.CodeOf(err) != domain.NotFound {
		t.Errorf("error %v, want not found", err)
	}
}
