package payments_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/store"
)

// terminalOp is one operation of seed 004's /transactions that moves money or
// stores a card, as the product makes it.
type terminalOp struct {
	name    string // the document's
	does    string
	virtual bool
	// on is what it follows up: "sale", "hold" or "refund" of 50.00; empty: it
	// begins a payment.
	on     string
	action domain.Action
	minor  int64
	begin  func(c *counter, key string) (payments.Taken, error)
	books  [4]int64 // as of act
	status domain.PaymentStatus
	typ    domain.TransactionType
}

func take(change ...func(*payments.TakeInput)) func(*counter, string) (payments.Taken, error) {
	return func(c *counter, key string) (payments.Taken, error) {
		in := c.sale(5000, change...)
		in.Key, in.OrderReference = key, "Hamper "+key[:8]
		return c.svc.Take(c.t.Context(), c.actor, in)
	}
}

func aHold(in *payments.TakeInput) { in.Kind = domain.Preauth }
func withTenth(in *payments.TakeInput) {
	in.Terminal.TipPercents, in.Terminal.TipSkip = []int{10, 15}, true
}
func storingCard(in *payments.TakeInput) { in.Terminal.StoreCard, in.Customer = true, "Imogen Ware" }

func payout(c *counter, key string) (payments.Taken, error) {
	return c.svc.Payout(c.t.Context(), c.actor, payments.PayoutInput{Key: key, ConnectionID: c.also, Amount: minor(5000), Note: "Prize",
		Terminal: domain.OnTerminal{DeviceID: c.device}})
}

func tokenize(c *counter, key string) (payments.Taken, error) {
	return c.svc.RegisterCard(c.t.Context(), c.actor, payments.RegisterInput{Key: key, ConnectionID: c.also, Method: domain.MethodTerminal, Customer: "Imogen Ware",
		Terminal: domain.OnTerminal{DeviceID: c.device}})
}

var terminalOps = []terminalOp{
	{name: "sale", does: "sale", begin: take(), typ: domain.Sale, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentApproved},
	{name: "sale", does: "sale with a tip of 10 %", begin: take(withTenth), typ: domain.Sale, books: [4]int64{5500, 0, 0, 500}, status: domain.PaymentApproved},
	{name: "saleAndTokenizeCard", does: "sale that stores the card", begin: take(storingCard), typ: domain.Sale, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentApproved},
	{name: "tokenizeCard", does: "store a card", begin: tokenize, typ: domain.Register, status: domain.PaymentApproved},
	{name: "refund", does: "refund of no payment", begin: payout, typ: domain.Payout, status: domain.PaymentApproved},
	{name: "refund", does: "refund in part", on: "sale", action: domain.ActRefund, minor: 2000, typ: domain.Refund, books: [4]int64{5000, 2000, 0, 0}, status: domain.PaymentPartRefunded},
	{name: "refund", does: "refund of all", on: "sale", action: domain.ActRefund, minor: 5000, typ: domain.Refund, books: [4]int64{5000, 5000, 0, 0}, status: domain.PaymentRefunded},
	{name: "saleReversal", does: "void of a sale", on: "sale", action: domain.ActVoid, typ: domain.Void, status: domain.PaymentVoided},
	{name: "refundReversal", does: "void of a refund", on: "refund", action: domain.ActVoidRefund, typ: domain.Void, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentApproved},
	{name: "preAuthorization", does: "hold", begin: take(aHold), typ: domain.Preauth, books: [4]int64{0, 0, 5000, 0}, status: domain.PaymentAuthorised},
	{name: "preAuthorizationIncrease", does: "increase", on: "hold", action: domain.ActIncrease, minor: 1000, typ: domain.Increment, books: [4]int64{0, 0, 6000, 0}, status: domain.PaymentAuthorised},
	{name: "preAuthorizationIncrease", does: "decrease", on: "hold", action: domain.ActDecrease, minor: 1000, typ: domain.Decrement, books: [4]int64{0, 0, 4000, 0}, status: domain.PaymentAuthorised},
	{name: "preAuthorizationCapture", does: "capture", on: "hold", action: domain.ActCapture, minor: 5000, typ: domain.Capture, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentCaptured},
	{name: "preAuthorizationReversal", does: "void of a hold", on: "hold", action: domain.ActVoid, typ: domain.Void, status: domain.PaymentVoided},
	{name: "moToSale", does: "sale by telephone", virtual: true, begin: take(), typ: domain.Sale, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentApproved},
	{name: "moToPreAuthorization", does: "hold by telephone", virtual: true, begin: take(aHold), typ: domain.Preauth, books: [4]int64{0, 0, 5000, 0}, status: domain.PaymentAuthorised},
	{name: "moToRefund", does: "refund in part", virtual: true, on: "sale", action: domain.ActRefund, minor: 2000, typ: domain.Refund, books: [4]int64{5000, 2000, 0, 0}, status: domain.PaymentPartRefunded},
	{name: "moToRefund", does: "refund of no payment", virtual: true, begin: payout, typ: domain.Payout, status: domain.PaymentApproved},
	{name: "moToReversal", does: "void of a sale", virtual: true, on: "sale", action: domain.ActVoid, typ: domain.Void, status: domain.PaymentVoided},
	{name: "moToReversal", does: "void of a refund", virtual: true, on: "refund", action: domain.ActVoidRefund, typ: domain.Void, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentApproved},
}

func (o terminalOp) serial() string {
	if o.virtual {
		return sandboxhandpoint.VirtualSerial
	}
	return sandboxhandpoint.TerminalSerial
}

func (o terminalOp) before() [4]int64 {
	return map[string][4]int64{"sale": {5000, 0, 0, 0}, "refund": {5000, 2000, 0, 0}, "hold": {0, 0, 5000, 0}}[o.on]
}

// terminalEnding is how the terminal, its provider or the line to it answers.
type terminalEnding struct {
	name string
	// before is done before it is sent, then once it was, when it is accepted.
	before func(c *counter, o terminalOp)
	then   func(c *counter, x domain.TransactionID)
	at     domain.TransactionStatus // at once
	reason domain.Reason            // at once
	end    domain.TransactionStatus
	moved  bool
}

func (c *counter) set(s sandboxhandpoint.Setting) {
	c.t.Helper()
	if err := c.sandbox.Handpoint.Set(s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *counter) push(o kit.Outcome) {
	c.t.Helper()
	if err := c.sandbox.Handpoint.Kit().Outcomes.Push(o); err != nil {
		c.t.Fatal(err)
	}
}

var terminalEndings = []terminalEnding{
	{name: "approved", at: domain.TxProcessing, end: domain.TxApproved, moved: true},
	{name: "declined", before: func(c *counter, _ terminalOp) { c.push(kit.Outcome{Result: kit.Decline}) }, at: domain.TxProcessing, end: domain.TxDeclined},
	{name: "stopped", then: func(c *counter, x domain.TransactionID) { c.stop(x) }, at: domain.TxProcessing, end: domain.TxFailed},
	{name: "busy (1001)", before: func(c *counter, o terminalOp) { c.set(sandboxhandpoint.Setting{Serial: o.serial(), Busy: new(true)}) },
		at: domain.TxFailed, reason: domain.ReasonDeviceBusy, end: domain.TxFailed},
	{name: "offline (1002)", before: func(c *counter, o terminalOp) {
		c.set(sandboxhandpoint.Setting{Serial: o.serial(), Online: new(false)})
	},
		at: domain.TxFailed, reason: domain.ReasonDeviceOffline, end: domain.TxFailed},
	{name: "answer lost", before: func(c *counter, _ terminalOp) { c.fault(c.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropAfter}) },
		at: domain.TxUnknown, end: domain.TxApproved, moved: true},
	{name: "request lost", before: func(c *counter, _ terminalOp) { c.fault(c.sandbox.Handpoint, kit.Fault{Kind: kit.FaultDropBefore}) },
		at: domain.TxUnknown, end: domain.TxFailed},
	{name: "late", before: func(c *counter, o terminalOp) { c.set(sandboxhandpoint.Setting{Serial: o.serial(), Seconds: new(400)}) },
		then: (*counter).neverArrived, at: domain.TxProcessing, end: domain.TxApproved, moved: true},
	{name: "double", then: func(c *counter, x domain.TransactionID) {
		c.clock.advance(2 * time.Second)
		c.deliver(x, false)
		c.deliver(x, true)
	}, at: domain.TxProcessing, end: domain.TxApproved, moved: true},
}

// provider is the adapter of the counter's connection, and its address.
func (c *counter) provider() (p providers.Provider, address string) {
	c.t.Helper()
	err := c.store.ReadTenant(c.t.Context(), c.merchant.ID, func(tx *store.Tx) error {
		conn, err := tx.Connection(c.t.Context(), c.also)
		if err != nil {
			return err
		}
		address = conn.BaseURL
		p, err = c.svc.Provider(c.t.Context(), tx, conn)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return p, address
}

// stop ends what runs on the terminal of a transaction, as a person there does.
func (c *counter) stop(x domain.TransactionID) {
	c.t.Helper()
	d := c.row(c.transaction(x).DeviceID)
	p, _ := c.provider()
	if _, err := p.(providers.TerminalOperator).StartOnTerminal(c.t.Context(), providers.TerminalRequest{Operation: "stopCurrentTransaction",
		Device: providers.DeviceRef{Serial: d.Serial, Type: d.Type}}); err != nil {
		c.t.Fatal(err)
	}
}

// neverArrived waits until the gateway does not know it in time.
func (c *counter) neverArrived(id domain.TransactionID) {
	c.t.Helper()
	if x := c.after(95*time.Second, id); x.Type != domain.Register && (x.Status != domain.TxFailed || x.Reason != domain.ReasonNeverArrived) {
		c.t.Errorf("95 seconds later: %s %s", x.Status, x.Reason)
	}
	if x := c.after(4*time.Minute, id); x.Type != domain.Register && x.Status != domain.TxFailed {
		c.t.Errorf("while it still runs: %s", x.Status)
	}
	c.clock.advance(3 * time.Minute)
}

// body is the result as the terminal would post it to our callback; nil while
// there is none.
func (c *counter) body(id domain.TransactionID, recovered bool) []byte {
	c.t.Helper()
	_, address := c.provider()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, address+"/transaction-result/"+c.transaction(id).ResultRef, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = http.Header{"ApiKeyCloud": {sandboxhandpoint.SandboxKey}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("%d %s %v", res.StatusCode, raw, err)
	}
	if recovered {
		var object map[string]any
		if err := json.Unmarshal(raw, &object); err != nil {
			c.t.Fatal(err)
		}
		object["recoveredTransaction"] = true
		raw, _ = json.Marshal(object)
	}
	return raw
}

// deliver tells the result as a callback.
func (c *counter) deliver(id domain.TransactionID, recovered bool) payments.Told {
	c.t.Helper()
	return c.tell(c.body(id, recovered))
}

func (c *counter) tell(raw []byte) payments.Told {
	c.t.Helper()
	p, _ := c.provider()
	receiver := p.(providers.CallbackReceiver)
	kept, err := receiver.CleanCallback(raw)
	if err != nil {
		c.t.Fatal(err)
	}
	events, err := receiver.TranslateCallback(kept)
	if err != nil {
		c.t.Fatal(err)
	}
	told, err := c.svc.Apply(c.t.Context(), c.merchant.ID, c.also, time.Time{}, kept, events, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return told
}

// prepare makes what an operation follows up.
func (c *counter) prepare(o terminalOp) (id domain.PaymentID) {
	c.t.Helper()
	if o.on == "" {
		return id
	}
	change := []func(*payments.TakeInput){}
	if o.on == "hold" {
		change = append(change, aHold)
	}
	taken := c.take(c.sale(5000, change...))
	if x := c.after(2*time.Second, taken.TransactionID); x.Status != domain.TxApproved {
		c.t.Fatalf("the %s that it follows: %s", o.on, x.Status)
	}
	if o.on == "refund" {
		done, err := c.svc.Act(c.t.Context(), c.actor, payments.ActInput{Key: c.get(taken.PaymentID).Keys[domain.ActRefund], PaymentID: taken.PaymentID,
			Action: domain.ActRefund, Amount: minor(2000), Reason: "returned", Terminal: domain.OnTerminal{DeviceID: c.device}})
		if err != nil {
			c.t.Fatal(err, domain.FieldsOf(err))
		}
		if x := c.after(2*time.Second, done.TransactionID); x.Status != domain.TxApproved {
			c.t.Fatalf("the refund that it follows: %s", x.Status)
		}
	}
	return taken.PaymentID
}

// TestEveryOperationOnATerminalEndsAsItsTerminalSays is the table of terminal
// operations and endings: nothing is called failed that may have happened, what
// the terminal tells late is booked, and told twice is booked once. Its subtests
// are the second table of docs/actions.md.
func TestEveryOperationOnATerminalEndsAsItsTerminalSays(t *testing.T) {
	t.Parallel()
	book := &terminalBook{rows: map[string]map[string]string{}}
	t.Cleanup(func() { book.compare(t) })
	for _, o := range terminalOps {
		t.Run(o.name+" for a "+o.does, func(t *testing.T) {
			t.Parallel()
			c := newCounter(t)
			for _, e := range terminalEndings {
				if e.name == "declined" && o.typ == domain.Register {
					continue // no bank is asked
				}
				t.Run(e.name, func(t *testing.T) {
					c.t, c.house.t = t, t
					book.note(o, e.name, string(c.ends(o, e)))
				})
			}
		})
	}
}

func (c *counter) ends(o terminalOp, e terminalEnding) domain.TransactionStatus {
	t := c.t
	c.set(sandboxhandpoint.Setting{Serial: o.serial(), Seconds: new(1), Busy: new(false), Online: new(true)})
	device := c.device
	if o.virtual {
		device = c.virtual
	}
	id := c.prepare(o)
	key := payments.NewKey()
	if o.on != "" {
		d := c.get(id)
		if d.OnTerminal[o.action] != domain.Possible || d.Why[o.action] != domain.Possible {
			t.Fatalf("the page does not offer it: %q", d.OnTerminal[o.action])
		}
		key = d.Keys[o.action]
	}
	moved := movements(c.sandbox.Handpoint)
	if e.before != nil {
		e.before(c, o)
	}
	post := func() (domain.TransactionStatus, domain.TransactionID) {
		t.Helper()
		if o.begin != nil {
			on := *c
			on.device = device
			taken, err := o.begin(&on, key)
			if err != nil {
				t.Fatalf("%v %v", err, domain.FieldsOf(err))
			}
			id = taken.PaymentID
			return taken.Status, taken.TransactionID
		}
		reason := ""
		if o.action == domain.ActRefund {
			reason = "returned"
		}
		done, err := c.svc.Act(t.Context(), c.actor, payments.ActInput{Key: key, PaymentID: id, Action: o.action, Amount: minor(o.minor), Reason: reason,
			Terminal: domain.OnTerminal{DeviceID: device}})
		if err != nil {
			t.Fatalf("%v %v", err, domain.FieldsOf(err))
		}
		return done.Status, done.TransactionID
	}
	status, x := post()
	if status != e.at {
		t.Fatalf("at once: %s, want %s", status, e.at)
	}
	if again, same := post(); same != x || again != status {
		t.Errorf("the same form again: %s %s, want %s %s", again, same, status, x)
	}
	if got := c.transaction(x); got.Type != o.typ || got.DeviceID != device || e.reason != domain.ReasonNone && got.Reason != e.reason {
		t.Errorf("the row: %+v", got)
	}
	if row := c.row(device); e.at == domain.TxFailed && (!row.Running.IsZero() || row.Reach == domain.ReachOnline || row.Code == "") {
		t.Errorf("the terminal's row after it was refused: %+v", row)
	}
	if d := c.get(id); e.at == domain.TxUnknown && d.Payment.Status != domain.PaymentUnknown {
		t.Errorf("the payment says %s", d.Payment.Status)
	}
	if e.then != nil {
		e.then(c, x)
	}
	for _, pause := range []time.Duration{3 * time.Second, time.Minute, 10 * time.Minute, 10 * time.Minute, 25 * time.Hour} {
		if e.name == "late" && pause > 20*time.Minute {
			continue
		}
		c.after(pause, x)
	}
	got := c.transaction(x)
	end, books := e.end, o.before()
	if e.moved {
		books = o.books
	}
	if o.typ == domain.Register && (e.name == "answer lost" || e.name == "request lost") {
		// It carries no reference of ours that its gateway could be asked by.
		end = domain.TxNeedsPerson
	}
	if got.Status != end {
		t.Errorf("in the end: %s (%s %s %s), want %s", got.Status, got.Reason, got.ProviderCode, got.ProviderText, end)
	}
	d := c.get(id)
	if booksOf(d.Payment) != books {
		t.Errorf("books %v, want %v", booksOf(d.Payment), books)
	}
	if end == domain.TxApproved && d.Payment.Status != o.status {
		t.Errorf("the payment says %s, want %s", d.Payment.Status, o.status)
	}
	if e.moved && o.typ != domain.Register {
		moved++
	}
	if n := movements(c.sandbox.Handpoint); n != moved {
		t.Errorf("the provider's ledger has %d movements, want %d", n, moved)
	}
	if n := c.settled(x); n > 2 || n != 1 && e.at != domain.TxUnknown && e.name != "late" && e.at != domain.TxProcessing {
		t.Errorf("%d settled audit rows", n)
	}
	if e.name == "late" && o.typ != domain.Register && (got.Before.Status != domain.TxFailed || got.Before.Reason != domain.ReasonNeverArrived) {
		t.Errorf("what it was before is not told: %+v", got.Before)
	}
	if row := c.row(device); !row.Running.IsZero() {
		t.Errorf("the terminal still says that it runs %s", row.Running)
	}
	return got.Status
}

// settled counts the audit rows that gave a transaction its end.
func (c *counter) settled(id domain.TransactionID) (n int) {
	c.t.Helper()
	if err := c.owner.QueryRow(`select count(*) from audit_log where action like '%.settled' and result in ('approved', 'declined', 'failed') and detail ->> 'transaction' = $1`, id.String()).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// terminalBook collects what the table shows, for docs/actions.md.
type terminalBook struct {
	mu   sync.Mutex
	rows map[string]map[string]string
}

func (b *terminalBook) note(o terminalOp, ending, end string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	row := o.name + " | " + o.does
	if b.rows[row] == nil {
		b.rows[row] = map[string]string{}
	}
	b.rows[row][ending] = end
}

// compare holds the table in the documents to what just happened.
func (b *terminalBook) compare(t *testing.T) {
	if t.Failed() || len(b.rows) < len(terminalOps) {
		return
	}
	words := map[string]string{"approved": "approved", "declined": "declined", "failed": "not done", "needs_person": "needs a person", "": "–"}
	var table strings.Builder
	table.WriteString("| operation of seed 004 | does |")
	for _, e := range terminalEndings {
		table.WriteString(" " + e.name + " |")
	}
	table.WriteString("\n|---|---|" + strings.Repeat("---|", len(terminalEndings)) + "\n")
	for _, o := range terminalOps {
		table.WriteString("| " + o.name + " | " + o.does + " |")
		for _, e := range terminalEndings {
			table.WriteString(" " + words[b.rows[o.name+" | "+o.does][e.name]] + " |")
		}
		table.WriteString("\n")
	}
	raw, err := os.ReadFile(bookPath)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table of terminals -->\n", "<!-- end of table of terminals -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	old, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no place for the table of terminals", bookPath)
	case old == table.String():
	case !*writeBook:
		t.Errorf("%s does not say what happened; run this test with -update", bookPath)
	default:
		if err := os.WriteFile(bookPath, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
