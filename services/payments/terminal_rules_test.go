package payments_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	sandboxcloudflow "github.com/counterfoil/counterfoil/services/sandbox/cloudflow"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

// like is a result with other fields than the terminal told.
func like(t *testing.T, raw []byte, change map[string]any) []byte {
	t.Helper()
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil {
		t.Fatal(err)
	}
	maps.Copy(object, change)
	out, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// altered answers questions about a path with another body than the provider's.
type altered struct {
	inner http.RoundTripper
	mu    sync.Mutex
	paths map[string]func([]byte) (int, []byte)
}

func (a *altered) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.inner.RoundTrip(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	for part, f := range a.paths {
		if err != nil || !strings.Contains(r.URL.Path, part) || r.Method != http.MethodGet || res.StatusCode != http.StatusOK {
			continue
		}
		raw, rerr := io.ReadAll(res.Body)
		res.Body.Close()
		if rerr != nil {
			return nil, rerr
		}
		res.StatusCode, raw = f(raw)
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	}
	return res, err
}

func (a *altered) set(paths map[string]func([]byte) (int, []byte)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths = paths
}

func TestWhatTheGatewayDoesNotKnowIsDecidedAfterNinetySeconds(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(600)})
	x := c.take(c.sale(4250)).TransactionID
	if got := c.after(89*time.Second, x); got.Status != domain.TxProcessing || got.Phase != domain.PhaseCard {
		t.Errorf("a second before: %s %s", got.Status, got.Phase)
	}
	if got := c.after(2*time.Second, x); got.Status != domain.TxFailed || got.Reason != domain.ReasonNeverArrived || got.Phase != domain.PhaseNone {
		t.Errorf("a second after: %s %s %s", got.Status, got.Reason, got.Phase)
	}
	if p := c.get(c.transaction(x).PaymentID).Payment; p.Status != domain.PaymentNotCharged || p.Captured.IsPositive() {
		t.Errorf("the payment: %s %s", p.Status, p.Captured)
	}
	if r := c.resolve(x); r.Again == 0 {
		t.Error("the terminal, which may still deliver it, is not asked any more")
	}
	c.clock.advance(20 * time.Minute)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Online: new(false)})
	if r := c.resolve(x); r.Again != 0 {
		t.Error("it is asked for ever")
	}
}

func TestALateApprovalIsFoundThoughTheAnswerWasLost(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(400)})
	c.fault(c.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter})
	x := c.take(c.sale(4250)).TransactionID
	if got := c.after(95*time.Second, x); got.ResultRef != "" || got.Status != domain.TxFailed || got.Reason != domain.ReasonNeverArrived {
		t.Fatalf("%q %s %s", got.ResultRef, got.Status, got.Reason)
	}
	if r := c.resolve(x); r.Again == 0 || r.Status != domain.TxFailed {
		t.Errorf("%+v", r)
	}
	if got := c.after(310*time.Second, x); got.Status != domain.TxApproved || got.Before.Reason != domain.ReasonNeverArrived {
		t.Errorf("%s, before %+v", got.Status, got.Before)
	}
}

func TestAPaymentOnATerminalIsAskedForEveryTwoSecondsForThreeMinutes(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(3600)})
	c.push(kit.Outcome{Result: kit.InProgress, AfterSeconds: 3600, Then: kit.Approve})
	x := c.take(c.sale(4250)).TransactionID
	for _, tt := range []struct{ pause, again time.Duration }{{time.Second, 2 * time.Second}, {2 * time.Minute, 2 * time.Second}, {58 * time.Second, 2 * time.Second}, {2 * time.Second, 30 * time.Second}} {
		c.clock.advance(tt.pause)
		if r := c.resolve(x); r.Again != tt.again || r.Status != domain.TxProcessing {
			t.Errorf("%s later: %s, again after %s, want %s", tt.pause, r.Status, r.Again, tt.again)
		}
	}
	if got := c.transaction(x); got.Phase != domain.PhaseBank {
		t.Errorf("while the bank is asked: %s", got.Phase)
	}
}

func TestAResultThatATerminalRecoversIsBookedHoweverLateAndCountedOnce(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(400)})
	x := c.take(c.sale(4250)).TransactionID
	c.neverArrived(x)
	c.clock.advance(3 * time.Hour)
	raw := c.body(x, true)
	if told := c.tell(raw); told.Status != domain.CallbackApplied {
		t.Errorf("%+v", told)
	}
	got := c.transaction(x)
	if got.Status != domain.TxApproved || !got.Recovered || got.Before.Status != domain.TxFailed || got.Before.Reason != domain.ReasonNeverArrived {
		t.Errorf("%+v", got)
	}
	if told := c.tell(raw); told.Status != domain.CallbackNothingNew {
		t.Errorf("the second time: %+v", told)
	}
	if d := c.row(c.device); d.Recovered != 1 || !d.RecoveredAt.Equal(c.clock.now()) || d.Last.Status != domain.TxApproved {
		t.Errorf("the terminal's row: %d %s %+v", d.Recovered, d.RecoveredAt, d.Last)
	}
	if n := c.number(`select count(*) from audit_log where action = 'payment.sale.settled' and result = 'approved' and detail ->> 'was' = 'failed' and (detail ->> 'recovered')::boolean`); n != 1 {
		t.Errorf("%d audit rows tell what it was before", n)
	}
	// One that was known by then is noted as recovered, and booked no second time.
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(1)})
	y := c.take(c.sale(1000)).TransactionID
	if got := c.after(3*time.Second, y); got.Status != domain.TxApproved || got.Recovered {
		t.Fatalf("%s %t", got.Status, got.Recovered)
	}
	if told := c.deliver(y, true); told.Status != domain.CallbackNothingNew {
		t.Errorf("%+v", told)
	}
	if d := c.row(c.device); d.Recovered != 2 || !c.transaction(y).Recovered || c.settled(y) != 1 {
		t.Errorf("recovered %d, settled %d", d.Recovered, c.settled(y))
	}
}

func TestWhatWasStoppedAndGoesThroughAllTheSameIsApprovedWithANote(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	x := c.take(c.sale(4250)).TransactionID
	c.stop(x)
	got := c.after(time.Second, x)
	if got.Status != domain.TxFailed || got.Reason != domain.ReasonCustomerCancelled {
		t.Fatalf("stopped: %s %s", got.Status, got.Reason)
	}
	cancelled := c.body(x, false)
	approved := like(t, cancelled, map[string]any{"finStatus": "AUTHORISED", "type": "SALE", "totalAmount": 4250, "efttransactionID": "11111111-2222-3333-4444-555555555555", "transactionID": "11111111-2222-3333-4444-555555555555"})
	c.clock.advance(2 * time.Second)
	if told := c.tell(approved); told.Status != domain.CallbackApplied {
		t.Errorf("approved after all: %+v", told)
	}
	got = c.transaction(x)
	if got.Status != domain.TxApproved || got.Before.Status != domain.TxFailed || got.Before.Reason != domain.ReasonCustomerCancelled {
		t.Errorf("%s, before %+v", got.Status, got.Before)
	}
	// And the other way round: a cancellation undoes no approval.
	if told := c.tell(cancelled); told.Status == domain.CallbackApplied {
		t.Errorf("cancelled after it was approved: %+v", told)
	}
	if p := c.get(got.PaymentID).Payment; p.Captured.Minor() != 4250 || p.Status != domain.PaymentApproved {
		t.Errorf("the payment: %s %s", p.Status, p.Captured)
	}
}

func TestAResultThatDoesNotSayWhatItIsOfApprovesNothing(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	line := &altered{inner: c.transport.inner}
	c.transport.inner = line
	for name, change := range map[string]map[string]any{
		"no type":              {"type": ""},
		"type UNDEFINED":       {"type": "UNDEFINED"},
		"another type":         {"type": "REFUND"},
		"printed, of nothing":  {"type": "UNDEFINED", "finStatus": "PROCESSED", "totalAmount": 0, "transactionReference": ""},
		"empty, as of a ping":  {"type": "UNDEFINED", "finStatus": "", "totalAmount": 0, "transactionReference": ""},
		"UNDEFINED altogether": {"type": "UNDEFINED", "finStatus": "UNDEFINED"},
		"no amount":            {"totalAmount": ""},
		"another payment's":    {"transactionReference": "7d6b2c9e-3d0f-4a0c-9c5e-2f8d0c8b7a61", "customerReference": "7d6b2c9e-3d0f-4a0c-9c5e-2f8d0c8b7a61"},
	} {
		t.Run(name, func(t *testing.T) {
			c.t, c.house.t = t, t
			line.set(nil)
			for _, in := range []struct {
				of   string
				post func() domain.TransactionID
			}{
				{"sale", func() domain.TransactionID { return c.take(c.sale(4250)).TransactionID }},
				{"void", func() domain.TransactionID {
					line.set(nil)
					sold := c.take(c.sale(4300))
					c.after(2*time.Second, sold.TransactionID)
					done, err := c.svc.Act(t.Context(), c.actor, payments.ActInput{Key: payments.NewKey(), PaymentID: sold.PaymentID, Action: domain.ActVoid, Amount: minor(0), Terminal: domain.OnTerminal{DeviceID: c.device}})
					if err != nil {
						t.Fatal(err)
					}
					return done.TransactionID
				}},
			} {
				x := in.post()
				line.set(map[string]func([]byte) (int, []byte){
					"/transaction-result/": func(raw []byte) (int, []byte) { return http.StatusOK, like(t, raw, change) },
					"/status":              func([]byte) (int, []byte) { return http.StatusInternalServerError, nil },
				})
				got := c.after(3*time.Second, x)
				if name == "no amount" && in.of == "void" {
					if got.Status != domain.TxApproved { // a void tells none
						t.Errorf("a void: %s", got.Status)
					}
					continue
				}
				if !got.Status.Open() {
					t.Errorf("a %s by poll: %s %s %s", in.of, got.Status, got.ProviderCode, got.ProviderText)
				}
				line.set(nil)
				raw := like(t, c.body(x, false), change)
				// One that names another operation of ours is that one's news.
				if name != "another payment's" && (name != "another type" || in.of == "sale") {
					_ = c.tellQuietly(raw) // it may be refused as unreadable
					if got := c.transaction(x); !got.Status.Open() {
						t.Errorf("a %s by callback: %s", in.of, got.Status)
					}
				}
				// The gateway's status knows.
				if got := c.after(3*time.Second, x); got.Status != domain.TxApproved {
					t.Errorf("a %s in the end: %s", in.of, got.Status)
				}
			}
		})
	}
}

func TestATipThatTheTerminalAskedForIsBookedWithItsSale(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	line := &altered{inner: c.transport.inner}
	c.transport.inner = line
	for _, tt := range []struct {
		name     string
		percents []int
		change   map[string]any
		status   domain.TransactionStatus
		captured int64
		tip      int64
		byPoll   bool
	}{
		{name: "by poll", percents: []int{10, 20}, status: domain.TxApproved, captured: 5500, tip: 500, byPoll: true},
		{name: "by callback", percents: []int{10, 20}, status: domain.TxApproved, captured: 5500, tip: 500},
		{name: "none was given", percents: []int{0}, status: domain.TxApproved, captured: 5000, byPoll: true},
		{name: "total is not the sum, by poll", percents: []int{10}, change: map[string]any{"totalAmount": 5600}, status: domain.TxNeedsPerson, byPoll: true},
		{name: "total is not the sum, by callback", percents: []int{10}, change: map[string]any{"totalAmount": 5600}, status: domain.TxProcessing},
		{name: "nobody was asked for a tip", change: map[string]any{"totalAmount": 5500, "tipAmount": 500}, status: domain.TxNeedsPerson, byPoll: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.t, c.house.t = t, t
			line.set(nil)
			taken := c.take(c.sale(5000, func(in *payments.TakeInput) { in.Terminal.TipPercents = tt.percents }))
			if tt.byPoll {
				if tt.change != nil {
					line.set(map[string]func([]byte) (int, []byte){"/transaction-result/": func(raw []byte) (int, []byte) { return http.StatusOK, like(t, raw, tt.change) }})
				}
				c.after(2*time.Second, taken.TransactionID)
			} else {
				c.clock.advance(2 * time.Second)
				c.tell(like(t, c.body(taken.TransactionID, false), tt.change))
			}
			x := c.transaction(taken.TransactionID)
			d := c.get(taken.PaymentID)
			if x.Status != tt.status || d.Payment.Captured.Minor() != tt.captured || d.Payment.Tip.Minor() != tt.tip {
				t.Fatalf("%s, captured %s with a tip of %s; said %q", x.Status, d.Payment.Captured, d.Payment.Tip, x.ProviderText)
			}
			if d.Payment.Amount.Minor() != 5000 {
				t.Errorf("what was asked for became %s", d.Payment.Amount)
			}
			if tt.tip == 0 {
				return
			}
			if got := domain.Differences(d.Payment, d.Transactions, x); len(got) > 0 {
				t.Errorf("the page says that these differ: %v", got)
			}
			c.clock.advance(time.Minute)
			if err := c.svc.Ask(t.Context(), c.actor, taken.PaymentID); err != nil {
				t.Fatal(err)
			}
			if d := c.get(taken.PaymentID); d.Payment.Captured.Minor() != tt.captured || len(domain.Differences(d.Payment, d.Transactions, d.Sale())) > 0 {
				t.Errorf("asked again: %s", d.Payment.Captured)
			}
			// All of it can be given back, and voided.
			done, err := c.svc.Act(t.Context(), c.actor, payments.ActInput{Key: payments.NewKey(), PaymentID: taken.PaymentID, Action: domain.ActVoid, Amount: minor(0), Shown: minor(5500), Terminal: domain.OnTerminal{DeviceID: c.device}})
			if err != nil {
				t.Fatal(err, domain.FieldsOf(err))
			}
			if x := c.after(2*time.Second, done.TransactionID); x.Status != domain.TxApproved {
				t.Errorf("the void: %s %s", x.Status, x.ProviderText)
			}
			if p := c.get(taken.PaymentID).Payment; p.Captured.Minor() != 0 || p.Tip.Minor() != 0 || p.Status != domain.PaymentVoided {
				t.Errorf("voided: %s, captured %s, tip %s", p.Status, p.Captured, p.Tip)
			}
		})
	}
}

func TestAnApprovalOfAPartNeedsAPerson(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	taken := c.take(c.sale(3757))
	if x := c.after(3*time.Second, taken.TransactionID); x.Status != domain.TxProcessing {
		t.Fatalf("%s %s", x.Status, x.ProviderText)
	}
	if told := c.deliver(taken.TransactionID, false); told.Status != domain.CallbackQuarantined {
		t.Errorf("%+v", told)
	}
	if x := c.after(25*time.Hour, taken.TransactionID); x.Status != domain.TxNeedsPerson {
		t.Errorf("a day later: %s", x.Status)
	}
	if p := c.get(taken.PaymentID).Payment; p.Captured.IsPositive() || p.Status != domain.PaymentNeedsPerson {
		t.Errorf("%s, captured %s", p.Status, p.Captured)
	}
}

func TestPollAndCallbackAtOnceBookOnce(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for range 5 {
		x := c.take(c.sale(5000, withTenth)).TransactionID
		c.clock.advance(2 * time.Second)
		raw, late := c.body(x, false), c.body(x, true)
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				var err error
				switch i % 3 {
				case 0:
					_, err = c.svc.Resolve(t.Context(), c.merchant.ID, x)
				case 1:
					err = c.tellQuietly(raw)
				default:
					err = c.tellQuietly(late)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := c.transaction(x)
		if n := c.settled(x); got.Status != domain.TxApproved || n != 1 {
			t.Errorf("%s, settled %d times", got.Status, n)
		}
		if p := c.get(got.PaymentID).Payment; p.Captured.Minor() != 5500 || p.Tip.Minor() != 500 {
			t.Errorf("captured %s, tip %s", p.Captured, p.Tip)
		}
		if n := c.number(`select count(*) from receipts where transaction_id = $1`, x); n != 2 {
			t.Errorf("%d receipts", n)
		}
	}
	if d := c.row(c.device); d.Recovered != 5 {
		t.Errorf("%d results were recovered, want 5", d.Recovered)
	}
}

// tellQuietly is tell for goroutines, and for bodies that may be none.
func (c *counter) tellQuietly(raw []byte) error {
	p, _ := c.provider()
	receiver := p.(providers.CallbackReceiver)
	kept, err := receiver.CleanCallback(raw)
	if err != nil {
		return err
	}
	events, err := receiver.TranslateCallback(kept)
	if err != nil {
		return err
	}
	_, err = c.svc.Apply(c.t.Context(), c.merchant.ID, c.also, time.Time{}, kept, events, nil)
	return err
}

func TestACallbackThatOvertakesTheAnswerIsBookedOnce(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(0)})
	// A first one shows what a result looks like.
	first := c.take(c.sale(5000)).TransactionID
	sample := c.body(first, false)
	c.after(time.Second, first)
	c.transport.before = func(r *http.Request) {
		var ref string
		if err := c.owner.QueryRow(`select attempt_ref from transactions where status = 'pending'`).Scan(&ref); err != nil {
			t.Error(err)
		}
		told := c.tell(like(t, sample, map[string]any{"transactionReference": ref, "efttransactionID": "11111111-2222-3333-4444-555555555556", "transactionID": "11111111-2222-3333-4444-555555555556"}))
		if told.Status != domain.CallbackApplied {
			t.Errorf("%+v", told)
		}
	}
	taken := c.take(c.sale(5000))
	if taken.Status != domain.TxApproved || c.settled(taken.TransactionID) != 1 {
		t.Errorf("%s, settled %d times", taken.Status, c.settled(taken.TransactionID))
	}
	if d := c.row(c.device); !d.Running.IsZero() {
		t.Error("the terminal still says that it runs it")
	}
}

func TestACardThatATerminalStoresCanBeCharged(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	sold := c.take(c.sale(5000, storingCard))
	c.after(2*time.Second, sold.TransactionID)
	cards := c.stored(c.also)
	if len(cards) != 1 || cards[0].Customer != "Imogen Ware" || cards[0].Card.Last4 == "" {
		t.Fatalf("after the sale: %+v", cards)
	}
	registered, err := tokenize(c, payments.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if x := c.after(2*time.Second, registered.TransactionID); x.Status != domain.TxApproved || x.Phase != domain.PhaseNone {
		t.Errorf("%s", x.Status)
	}
	if again := c.stored(c.also); len(again) != 1 || again[0].ID != cards[0].ID {
		t.Errorf("the same card is kept twice: %+v", again)
	}
	in := c.sale(900)
	in.Method, in.Terminal, in.CardID = domain.MethodCard, domain.OnTerminal{}, cards[0].ID
	if taken := c.take(in); taken.Status != domain.TxApproved {
		t.Errorf("a sale with it: %s", taken.Status)
	}
	var named string
	if err := c.owner.QueryRow(`select coalesce(string_agg(body, ' '), '') from provider_messages`).Scan(&named); err != nil || strings.Contains(named, sandboxhandpoint.TokenVisa) {
		t.Errorf("the token is kept in the clear (%v)", err)
	}
}

func TestWhatCannotRunOnATerminalIsRefusedInWordsAndNothingIsSent(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	gone := c.list("1850029999", sandboxhandpoint.TerminalType, false)
	c.exec(`update devices set removed_at = now(), state = 'removed' where id = $1`, gone)
	elsewhere := &counter{house: c.house}
	was := c.also
	c.also = c.handpoint
	other := elsewhere.list("1850027777", sandboxhandpoint.TerminalType, false)
	c.also = was
	pan := "4111 1111 1111 1111"
	for _, tt := range []struct {
		name   string
		change func(*payments.TakeInput)
		fields []string
	}{
		{"no terminal", func(in *payments.TakeInput) { in.Terminal.DeviceID = domain.DeviceID{} }, []string{"terminal"}},
		{"nobody's terminal", func(in *payments.TakeInput) { in.Terminal.DeviceID = domain.NewDeviceID() }, []string{"terminal"}},
		{"a removed one", func(in *payments.TakeInput) { in.Terminal.DeviceID = gone }, []string{"terminal"}},
		{"another connection's", func(in *payments.TakeInput) { in.Terminal.DeviceID = other }, []string{"terminal"}},
		{"a terminal without its method", func(in *payments.TakeInput) {
			in.Method, in.ConnectionID, in.CardID = domain.MethodCard, c.handpoint, c.cards[sandboxhandpoint.TokenVisa]
		}, []string{"terminal"}},
		{"a connection without terminals", func(in *payments.TakeInput) { in.ConnectionID = c.cardflo }, []string{"method"}},
		{"six percentages", func(in *payments.TakeInput) { in.Terminal.TipPercents = []int{1, 2, 3, 4, 5, 6} }, []string{"tip_percents"}},
		{"a percentage above 100", func(in *payments.TakeInput) { in.Terminal.TipPercents = []int{101} }, []string{"tip_percents"}},
		{"a percentage below zero", func(in *payments.TakeInput) { in.Terminal.TipPercents = []int{-1} }, []string{"tip_percents"}},
		{"a tip without a percentage", func(in *payments.TakeInput) { in.Terminal.TipAmount = true }, []string{"tip_percents"}},
		{"a tip with a hold", func(in *payments.TakeInput) { in.Kind, in.Terminal.TipPercents = domain.Preauth, []int{10} }, []string{"tip_percents"}},
		{"a tip by telephone", func(in *payments.TakeInput) {
			in.Terminal.DeviceID, in.Terminal.TipPercents = c.virtual, []int{10}
		}, []string{"tip_percents"}},
		{"no PIN by telephone", func(in *payments.TakeInput) { in.Terminal.DeviceID, in.Terminal.SkipPIN = c.virtual, true }, []string{"skip_signature"}},
		{"six lines of metadata", func(in *payments.TakeInput) { in.Terminal.Metadata = []string{"1", "2", "3", "4", "5", "6"} }, []string{"metadata"}},
		{"long metadata", func(in *payments.TakeInput) { in.Terminal.Metadata = []string{strings.Repeat("x", 251)} }, []string{"metadata"}},
		{"metadata with a sign that is not taken", func(in *payments.TakeInput) { in.Terminal.Metadata = []string{"50 €"} }, []string{"metadata"}},
		{"a card number in metadata", func(in *payments.TakeInput) { in.Terminal.Metadata = []string{pan} }, []string{"metadata"}},
		{"no PIN with a hold", func(in *payments.TakeInput) { in.Kind, in.Terminal.SkipPIN = domain.Preauth, true }, []string{"skip_signature"}},
		{"a card stored with a hold", func(in *payments.TakeInput) { in.Kind, in.Terminal.StoreCard = domain.Preauth, true }, []string{"store_card"}},
		{"a card stored by telephone", func(in *payments.TakeInput) { in.Terminal.DeviceID, in.Terminal.StoreCard = c.virtual, true }, []string{"terminal"}},
		{"a card number as the customer", func(in *payments.TakeInput) { in.Terminal.StoreCard, in.Customer = true, pan }, []string{"customer"}},
		{"a surcharge", func(in *payments.TakeInput) { in.Surcharge = minor(10) }, []string{"surcharge"}},
		{"a capture by itself", func(in *payments.TakeInput) { in.Kind, in.CaptureAfter = domain.Preauth, time.Hour }, []string{"capture_after"}},
		{"a currency without a rule", func(in *payments.TakeInput) { in.Amount = money.FromMinor(500, jpy) }, []string{"currency"}},
		{"nothing", func(in *payments.TakeInput) { in.Amount = minor(0) }, []string{"amount"}},
	} {
		_, err := c.svc.Take(t.Context(), c.actor, c.sale(5000, tt.change))
		fields := domain.FieldsOf(err)
		if domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, f := range tt.fields {
			if fields[f] == "" {
				t.Errorf("%s: %v, want a sentence for %s", tt.name, fields, f)
			}
		}
	}
	// The limits themselves are taken.
	good := c.sale(5000, func(in *payments.TakeInput) {
		in.Terminal.TipPercents, in.Terminal.Metadata = []int{0, 5, 10, 15, 100}, []string{strings.Repeat("x", 250), "table 4", "a", "b", "c"}
		in.Terminal.SkipPIN, in.Terminal.SkipSignature, in.Terminal.NoDuplicateCheck = true, true, true
	})
	taken := c.take(good)
	if x := c.transaction(taken.TransactionID); taken.Status != domain.TxProcessing || len(x.Terminal.Metadata) != 5 || !x.Terminal.SkipPIN {
		t.Errorf("%s %+v", taken.Status, x.Terminal)
	}
	good.Terminal.NoDuplicateCheck = false
	if _, err := c.svc.Take(t.Context(), c.actor, good); domain.CodeOf(err) != domain.Duplicate {
		t.Errorf("the same key with other options: %v", err)
	}
	x := c.after(2*time.Second, taken.TransactionID)
	for _, tt := range []struct {
		name string
		in   payments.ActInput
		code domain.Code
	}{
		{"a tip on a terminal", payments.ActInput{Action: domain.ActTip, Amount: minor(100), Terminal: domain.OnTerminal{DeviceID: c.device}}, domain.Invalid},
		{"a refund on nobody's terminal", payments.ActInput{Action: domain.ActRefund, Amount: minor(100), Reason: "returned", Terminal: domain.OnTerminal{DeviceID: domain.NewDeviceID()}}, domain.Invalid},
		{"a refund that asks for a tip", payments.ActInput{Action: domain.ActRefund, Amount: minor(100), Reason: "returned", Terminal: domain.OnTerminal{DeviceID: c.device, TipPercents: []int{5}}}, domain.Invalid},
		{"the void of no refund", payments.ActInput{Action: domain.ActVoidRefund, Amount: minor(0), Terminal: domain.OnTerminal{DeviceID: c.device}}, domain.Conflict},
		{"the void of a refund without a terminal", payments.ActInput{Action: domain.ActVoidRefund, Amount: minor(0)}, domain.Conflict},
		{"more than was taken", payments.ActInput{Action: domain.ActRefund, Amount: minor(900_000), Reason: "returned", Terminal: domain.OnTerminal{DeviceID: c.device}}, domain.Conflict},
	} {
		tt.in.Key, tt.in.PaymentID = payments.NewKey(), x.PaymentID
		if _, err := c.svc.Act(t.Context(), c.actor, tt.in); domain.CodeOf(err) != tt.code {
			t.Errorf("%s: %v %v", tt.name, err, domain.FieldsOf(err))
		}
	}
	for _, in := range []payments.PayoutInput{
		{Amount: minor(100), Note: "Prize", Terminal: domain.OnTerminal{DeviceID: c.device}, To: x.PaymentID},
		{Amount: minor(100), Note: "Prize", Terminal: domain.OnTerminal{DeviceID: gone}},
		{Amount: minor(0), Note: "Prize", Terminal: domain.OnTerminal{DeviceID: c.device}},
		{Amount: minor(100), Terminal: domain.OnTerminal{DeviceID: c.device}},
	} {
		in.Key, in.ConnectionID = payments.NewKey(), c.also
		if _, err := c.svc.Payout(t.Context(), c.actor, in); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if n := c.number(`select count(*) from transactions`); n != 1 || movements(c.sandbox.Handpoint) != 1 {
		t.Errorf("%d transactions, %d movements", n, movements(c.sandbox.Handpoint))
	}
}

func TestARefundOnATerminalAboveTheThresholdRunsThereOnceItIsApproved(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	mara := c.person("Mara Quill", domain.Manager)
	c.join(c.actor)
	c.limit(domain.Refund, domain.PerItem, none, domain.Above(1000))
	sold := c.take(c.sale(5000))
	c.after(2*time.Second, sold.TransactionID)
	in := payments.ActInput{Key: payments.NewKey(), PaymentID: sold.PaymentID, Action: domain.ActRefund, Amount: minor(2000), Reason: "returned",
		Terminal: domain.OnTerminal{DeviceID: c.device, SkipSignature: true}}
	_, err := c.svc.Act(t.Context(), c.actor, in)
	var beyond *payments.Beyond
	if domain.CodeOf(err) != domain.NeedsApproval || !errors.As(err, &beyond) {
		t.Fatalf("%v", err)
	}
	id, err := c.svc.AskApproval(t.Context(), c.actor, beyond.Wanted, why)
	if err != nil {
		t.Fatal(err)
	}
	detail, err := c.svc.Approval(t.Context(), mara, id)
	if err != nil || detail.Impossible != "" {
		t.Fatalf("%q %v", detail.Impossible, err)
	}
	taken, err := c.svc.Approve(t.Context(), mara, c.approval(mara, id))
	if err != nil || taken.Status != domain.TxProcessing {
		t.Fatalf("%s %v", taken.Status, err)
	}
	x := c.after(2*time.Second, taken.TransactionID)
	if x.Status != domain.TxApproved || x.DeviceID != c.device || !x.Terminal.SkipSignature || x.CreatedBy != c.actor.UserID {
		t.Errorf("%+v", x)
	}
}

func TestCloudFlowIsAskedWhetherTheTerminalIsThereBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	c := counterIn(newHouse(t))
	c.also = c.connect(connections.NewConnection{Provider: "cloudflow", Name: "CloudFlow",
		Settings: map[string]string{cloudflow.SettingAccountID: sandboxcloudflow.SandboxAccountID, cloudflow.SettingAsyncRequests: sandboxcloudflow.RequestsPath, cloudflow.SettingAsyncForm: "yes"},
		Secrets:  map[string]string{cloudflow.SecretAPIToken: sandboxcloudflow.SandboxAPIToken}}, sandboxcloudflow.BasePath)
	add := func(ref, serial string) domain.DeviceID {
		d := domain.Device{ID: domain.NewDeviceID(), ConnectionID: c.also, Ref: ref, Serial: serial, Type: "Albert", FirstListedAt: c.clock.now()}
		if err := c.store.InTenant(t.Context(), c.merchant.ID, func(tx *store.Tx) error { return tx.InsertDevice(t.Context(), d) }); err != nil {
			t.Fatal(err)
		}
		return d.ID
	}
	online, offline, unknown := add(sandboxcloudflow.DeviceOnline, "SN-0001"), add(sandboxcloudflow.DeviceOffline, "SN-0002"), add("dev-unheard-of", "SN-0009")
	k := c.sandbox.CloudFlow.Kit()
	requests := func() (n int) {
		for _, r := range k.Journal.Entries() {
			if r.Method == http.MethodPost {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct {
		name   string
		device domain.DeviceID
		make   func() error
		status domain.TransactionStatus
		reason domain.Reason
		code   string
		sent   int
	}{
		{"not connected", offline, nil, domain.TxFailed, domain.ReasonDeviceOffline, "connectionLost", 0},
		{"not known there", unknown, nil, domain.TxFailed, domain.ReasonDeviceOffline, "notFound", 0},
		{"too many connections", online, func() error {
			return k.Faults.Push(kit.Fault{Kind: kit.FaultStatus, Status: 429, Path: "/connected", Body: `{"errorMessage":"Too many connections","errorCode":"tooManyConnections"}`})
		}, domain.TxFailed, domain.ReasonRateLimited, "tooManyConnections", 0},
		{"lost between the question and the request", online, func() error {
			return k.Outcomes.Push(kit.Outcome{Result: kit.Reject, Code: "connectionLost"})
		}, domain.TxFailed, domain.ReasonDeviceOffline, "connectionLost", 1},
		{"it may have been stored", online, func() error { return k.Outcomes.Push(kit.Outcome{Result: kit.Reject, Code: "storageFailed"}) }, domain.TxUnknown, domain.ReasonNone, "storageFailed", 1},
		{"accepted", online, nil, domain.TxProcessing, domain.ReasonNone, "", 1},
	} {
		before := requests()
		if tt.make != nil {
			if err := tt.make(); err != nil {
				t.Fatal(err)
			}
		}
		taken := c.take(c.sale(4250, func(in *payments.TakeInput) { in.Terminal.DeviceID = tt.device }))
		x := c.transaction(taken.TransactionID)
		if taken.Status != tt.status || x.Reason != tt.reason || x.ProviderCode != tt.code {
			t.Errorf("%s: %s %s %s (%s)", tt.name, taken.Status, x.Reason, x.ProviderCode, x.ProviderText)
		}
		if n := requests() - before; n != tt.sent {
			t.Errorf("%s: %d requests were sent, want %d", tt.name, n, tt.sent)
		}
		d := c.row(tt.device)
		if wants := tt.reason == domain.ReasonDeviceOffline; wants != (d.Reach == domain.ReachOffline && d.Code == tt.code) && wants {
			t.Errorf("%s: the terminal's row says %s %s", tt.name, d.Reach, d.Code)
		}
		if detail := c.get(taken.PaymentID); tt.status.Open() != detail.ForPerson[x.ID] && tt.status == domain.TxProcessing {
			c.clock.advance(time.Minute)
			if !c.get(taken.PaymentID).ForPerson[x.ID] {
				t.Errorf("%s: nobody can write down what its screen says", tt.name)
			}
		}
	}
	if got, _ := domain.ReasonDeviceOffline.Words(); got != "The terminal is not connected, and nothing was sent to it." {
		t.Errorf("the page says %q", got)
	}
}

func TestAResultThatIsSentToACallbackIsAlsoFoundByTheGatewaysStatus(t *testing.T) {
	t.Parallel()
	c := newCounter(t, "a-callback-token-of-ours")
	c.sandbox.Handpoint.Kit().Callbacks.Enable(false)
	c.set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(20)})
	x := c.take(c.sale(5000, withTenth)).TransactionID
	if got := c.transaction(x); got.ResultRef != "" || got.Phase != domain.PhaseSent {
		t.Fatalf("%q %s", got.ResultRef, got.Phase)
	}
	for _, tt := range []struct {
		pause time.Duration
		phase domain.Phase
	}{{4 * time.Second, domain.PhaseCard}, {8 * time.Second, domain.PhaseBank}, {10 * time.Second, domain.PhaseNone}} {
		if got := c.after(tt.pause, x); got.Phase != tt.phase {
			t.Errorf("%s later: %s %s, want %s", tt.pause, got.Status, got.Phase, tt.phase)
		}
	}
	if got := c.transaction(x); got.Status != domain.TxApproved || got.Amount.Minor() != 5500 {
		t.Errorf("%s %s", got.Status, got.Amount)
	}
	// What brings a token is asked for all the same: a call's body is kept.
	registered, err := tokenize(c, payments.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.transaction(registered.TransactionID); got.ResultRef == "" {
		t.Error("a token is sent to the callback")
	}
	if got := c.after(21*time.Second, registered.TransactionID); got.Status != domain.TxApproved || len(c.stored(c.also)) != 1 {
		t.Errorf("%s, %d cards", got.Status, len(c.stored(c.also)))
	}
}

func TestAPayoutOnATerminalKeepsWithinTheLimits(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	mara := c.person("Mara Quill", domain.Manager)
	c.join(c.actor)
	c.limit(domain.Payout, domain.PerItem, domain.Above(100), domain.Above(1000))
	in := payments.PayoutInput{Key: payments.NewKey(), ConnectionID: c.also, Amount: minor(500), Note: "Prize", Terminal: domain.OnTerminal{DeviceID: c.device}}
	if _, err := c.svc.Payout(t.Context(), c.actor, in); domain.CodeOf(err) != domain.NeedsStepUp {
		t.Errorf("above the first threshold: %v", err)
	}
	in.Amount = minor(2000)
	_, err := c.svc.Payout(t.Context(), c.actor, in)
	var beyond *payments.Beyond
	if domain.CodeOf(err) != domain.NeedsApproval || !errors.As(err, &beyond) {
		t.Fatalf("above the second: %v", err)
	}
	if n := c.number(`select count(*) from transactions`); n != 0 || !c.row(c.device).Running.IsZero() {
		t.Errorf("%d transactions, and the terminal runs %s", n, c.row(c.device).Running)
	}
	id, err := c.svc.AskApproval(t.Context(), c.actor, beyond.Wanted, why)
	if err != nil {
		t.Fatal(err, domain.FieldsOf(err))
	}
	taken, err := c.svc.Approve(t.Context(), mara, c.approval(mara, id))
	if err != nil || taken.Status != domain.TxProcessing {
		t.Fatalf("%s %v", taken.Status, err)
	}
	if x := c.after(2*time.Second, taken.TransactionID); x.Status != domain.TxApproved || x.DeviceID != c.device || x.Type != domain.Payout {
		t.Errorf("%+v", x)
	}
}

func TestNobodyUsesAnotherMerchantsTerminal(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	other := c.actor
	other.MerchantID = domain.NewMerchantID()
	if err := c.store.InsertMerchant(t.Context(), domain.Merchant{ID: other.MerchantID, Name: "Next Door", TimeZone: "UTC", Mode: domain.Test, Currencies: []money.Currency{gbp}, CreatedAt: c.clock.now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.svc.Take(t.Context(), other, c.sale(5000)); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("%v", err)
	}
	cashier := c.actor
	cashier.Role = domain.Cashier
	if taken, err := c.svc.Take(t.Context(), cashier, c.sale(5000)); err != nil || taken.Status != domain.TxProcessing {
		t.Errorf("a cashier: %s %v", taken.Status, err)
	}
	analyst := c.actor
	analyst.Role = domain.Analyst
	if _, err := c.svc.Take(t.Context(), analyst, c.sale(5000)); domain.CodeOf(err) != domain.Forbidden {
		t.Errorf("an analyst: %v", err)
	}
}
