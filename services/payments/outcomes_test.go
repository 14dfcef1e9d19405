package payments_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/store"

	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxcashflows "github.com/counterfoil/counterfoil/services/sandbox/cashflows"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// system is one way in which a connection answers.
type system struct {
	name     string
	emulator func(*house) kit.Emulator
	// sale and hold take money, and hold it, with a card that is approved.
	sale func(h *house, minor int64) payments.TakeInput
	hold func(h *house, minor int64) domain.PaymentID
	// blind are the operations that the system's document lets nobody ask for
	// after these endings (all that are unknown, when none is named), so that a
	// person has the last word.
	blind map[domain.TransactionType][]string
	// setUp makes what sale and hold need.
	setUp func(h *house)
}

func (s system) newHouse(t *testing.T) *house {
	h := newHouse(t)
	if s.setUp != nil {
		s.setUp(h)
	}
	return h
}

func byCard(h *house, minor int64, kind domain.TransactionType) payments.TakeInput {
	return payments.TakeInput{Key: payments.NewKey(), Kind: kind, ConnectionID: h.also, Method: domain.MethodCard, Amount: money.FromMinor(minor, gbp),
		OrderReference: h.order(), CardID: h.alsoCard}
}

// systems are the connections of the table.
var systems = []system{
	{name: "Cardflo", emulator: func(h *house) kit.Emulator { return h.sandbox.Cardflo },
		sale: func(h *house, minor int64) payments.TakeInput { return h.tokenSale(minor, sandboxcardflo.TokenApprove) },
		hold: func(h *house, minor int64) domain.PaymentID { return h.take(h.hold(minor)).PaymentID }},
	{name: "Handpoint", emulator: func(h *house) kit.Emulator { return h.sandbox.Handpoint },
		setUp: func(h *house) {
			h.also = h.connect(connections.NewConnection{Provider: "handpoint", Name: "With tips",
				Settings: map[string]string{handpoint.SettingAcquirer: "TSYS", handpoint.SettingPreauthorizations: "yes"},
				Secrets:  map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}}, sandboxhandpoint.BasePath)
			h.alsoCard = h.storeCard(h.also, sandboxhandpoint.TokenVisa)
		},
		sale: func(h *house, minor int64) payments.TakeInput { return byCard(h, minor, domain.Sale) },
		hold: onTerminal,
		// What follows a hold up, and a tip, carries no reference of ours.
		blind: map[domain.TransactionType][]string{domain.TipAdjustment: {"request lost"}, domain.Capture: {"request lost"}, domain.Increment: nil, domain.Decrement: nil}},
	{name: "Cashflows", emulator: func(h *house) kit.Emulator { return h.sandbox.Cashflows },
		setUp: func(h *house) {
			h.also = h.connect(connections.NewConnection{Provider: "cashflows", Name: "Paid at once",
				Settings: map[string]string{cashflows.SettingConfigurationID: sandboxcashflows.ConfigurationID},
				Secrets:  map[string]string{cashflows.SecretAPIKey: sandboxcashflows.APIKey}}, sandboxcashflows.BasePath)
			h.alsoCard = h.storeCard(h.also, sandboxcashflows.TokenApprove)
		},
		sale:  func(h *house, minor int64) payments.TakeInput { return byCard(h, minor, domain.Sale) },
		blind: map[domain.TransactionType][]string{domain.Sale: nil, domain.Refund: {"request lost"}, domain.Void: {"request lost"}}},
	{name: "Cashflows reserving", emulator: func(h *house) kit.Emulator { return h.sandbox.Cashflows },
		setUp: func(h *house) {
			h.also = h.connect(connections.NewConnection{Provider: "cashflows", Name: "Reserved",
				Settings: map[string]string{cashflows.SettingConfigurationID: sandboxcashflows.ReservingConfigurationID, cashflows.SettingAutoCapture: cashflows.AutoCaptureOff},
				Secrets:  map[string]string{cashflows.SecretAPIKey: sandboxcashflows.ReservingAPIKey}}, sandboxcashflows.BasePath)
			h.alsoCard = h.storeCard(h.also, sandboxcashflows.TokenApprove)
		},
		hold: func(h *house, minor int64) domain.PaymentID {
			return h.take(byCard(h, minor, domain.Preauth)).PaymentID
		},
		// A capture has no number of ours.
		blind: map[domain.TransactionType][]string{domain.Preauth: nil, domain.Capture: nil, domain.Void: {"request lost"}}},
}

// onTerminal holds an amount on Handpoint's terminal, whose result the product is
// told as a callback would tell it.
func onTerminal(h *house, minor int64) domain.PaymentID {
	h.t.Helper()
	ctx := h.t.Context()
	var p providers.Provider
	err := h.store.ReadTenant(ctx, h.merchant.ID, func(tx *store.Tx) error {
		conn, err := tx.Connection(ctx, h.also)
		if err != nil {
			return err
		}
		p, err = h.svc.Provider(ctx, tx, conn)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	device := providers.DeviceRef{Serial: sandboxhandpoint.TerminalSerial, Type: sandboxhandpoint.TerminalType}
	amount, attempt := money.FromMinor(minor, gbp), uuid.NewString()
	terminal := p.(providers.TerminalOperator)
	start, err := terminal.StartOnTerminal(ctx, providers.TerminalRequest{Device: device, Operation: "preAuthorization", Amount: amount, AttemptRef: attempt})
	if err != nil {
		h.t.Fatal(err)
	}
	var res providers.TerminalResult
	for done := false; !done; h.clock.advance(time.Second) {
		if res, done, err = terminal.TerminalResult(ctx, start); err != nil {
			h.t.Fatal(err)
		}
	}
	told, err := h.svc.Apply(ctx, h.merchant.ID, h.also, time.Time{}, nil, []providers.Event{{Kind: providers.EventOutcome, Type: domain.Preauth, AttemptRef: attempt,
		ProviderRef: res.ProviderRef, Device: device, Result: res.Result}}, nil)
	if err != nil || told.Status != domain.CallbackApplied {
		h.t.Fatalf("%+v, %v", told, err)
	}
	var id domain.PaymentID
	if err := h.owner.QueryRow(`select payment_id from transactions where id = $1`, told.TransactionID).Scan(&id); err != nil {
		h.t.Fatal(err)
	}
	return id
}

// act is one thing that is done to a payment of the table.
type act struct {
	name   string
	action domain.Action // empty: it begins the payment
	typ    domain.TransactionType
	hold   bool  // it is done to a hold of 50.00, else to a sale of 50.00
	minor  int64 // its amount
	final  bool
	// books are captured, refunded, authorised and tip afterwards, if it went
	// through.
	books  [4]int64
	status domain.PaymentStatus
}

var acts = []act{
	{name: "sale", typ: domain.Sale, minor: 5000, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentApproved},
	{name: "refund in part", action: domain.ActRefund, typ: domain.Refund, minor: 2000, books: [4]int64{5000, 2000, 0, 0}, status: domain.PaymentPartRefunded},
	{name: "refund of all", action: domain.ActRefund, typ: domain.Refund, minor: 5000, books: [4]int64{5000, 5000, 0, 0}, status: domain.PaymentRefunded},
	{name: "void of a sale", action: domain.ActVoid, typ: domain.Void, minor: 0, books: [4]int64{0, 0, 0, 0}, status: domain.PaymentVoided},
	{name: "tip", action: domain.ActTip, typ: domain.TipAdjustment, minor: 500, books: [4]int64{5500, 0, 0, 500}, status: domain.PaymentApproved},
	{name: "hold", typ: domain.Preauth, hold: true, minor: 5000, books: [4]int64{0, 0, 5000, 0}, status: domain.PaymentAuthorised},
	{name: "capture of all", action: domain.ActCapture, typ: domain.Capture, hold: true, minor: 5000, books: [4]int64{5000, 0, 0, 0}, status: domain.PaymentCaptured},
	{name: "final capture in part", action: domain.ActCapture, typ: domain.Capture, hold: true, minor: 3000, final: true, books: [4]int64{3000, 0, 0, 0}, status: domain.PaymentCaptured},
	{name: "increase", action: domain.ActIncrease, typ: domain.Increment, hold: true, minor: 1000, books: [4]int64{0, 0, 6000, 0}, status: domain.PaymentAuthorised},
	{name: "decrease", action: domain.ActDecrease, typ: domain.Decrement, hold: true, minor: 1000, books: [4]int64{0, 0, 4000, 0}, status: domain.PaymentAuthorised},
	{name: "void of a hold", action: domain.ActVoid, typ: domain.Void, hold: true, minor: 0, books: [4]int64{0, 0, 0, 0}, status: domain.PaymentVoided},
}

// before are the books of a payment to which nothing was done yet.
func (a act) before() [4]int64 {
	switch {
	case a.action == "":
		return [4]int64{}
	case a.hold:
		return [4]int64{0, 0, 5000, 0}
	}
	return [4]int64{5000, 0, 0, 0}
}

// ending is how the provider, or the line to it, answers.
type ending struct {
	name string
	make func(k *kit.Kit) error
	// at once, and once every window has passed: did the money move?
	at    domain.TransactionStatus
	moved bool
}

var endings = []ending{
	{"approved", func(*kit.Kit) error { return nil }, domain.TxApproved, true},
	{"declined", func(k *kit.Kit) error { return k.Outcomes.Push(kit.Outcome{Result: kit.Decline}) }, domain.TxDeclined, false},
	{"answer lost", func(k *kit.Kit) error { return k.Faults.Push(kit.Fault{Kind: kit.FaultDropAfter}) }, domain.TxUnknown, true},
	{"answer is garbage", func(k *kit.Kit) error { return k.Faults.Push(kit.Fault{Kind: kit.FaultGarbage}) }, domain.TxUnknown, true},
	{"500 after it was done", func(k *kit.Kit) error {
		return k.Faults.Push(kit.Fault{Kind: kit.FaultStatusAfter, Status: 500})
	}, domain.TxUnknown, true},
	{"request lost", func(k *kit.Kit) error { return k.Faults.Push(kit.Fault{Kind: kit.FaultDropBefore}) }, domain.TxUnknown, false},
}

func booksOf(p domain.Payment) [4]int64 {
	return [4]int64{p.Captured.Minor(), p.Refunded.Minor(), p.Authorised.Minor(), p.Tip.Minor()}
}

// movements counts what took effect at the provider.
func movements(e kit.Emulator) (n int) {
	for _, c := range e.State().Charges {
		if c.Approved {
			n++
		}
	}
	return n
}

// TestEveryActionAtEverySystemEndsAsItsProviderSays is the table of actions,
// systems and endings: at once, unknown is never called failed and locks the
// payment; in the end both ledgers say the same, or a person is asked. Its
// subtests are the table of docs/actions.md.
func TestEveryActionAtEverySystemEndsAsItsProviderSays(t *testing.T) {
	t.Parallel()
	book := &actionsBook{rows: map[string]map[string]string{}}
	t.Cleanup(func() { book.compare(t) })
	for _, s := range systems {
		for _, a := range acts {
			if a.hold && s.hold == nil || !a.hold && s.sale == nil {
				continue
			}
			if a.action == "" && a.hold && s.name == "Handpoint" {
				continue // a hold begins on the terminal
			}
			t.Run(s.name+"/"+a.name, func(t *testing.T) {
				h := s.newHouse(t)
				if a.action != "" {
					if why := h.get(s.begin(h, a)).Why[a.action]; why == domain.DeniedCapability {
						refusedEverywhere(t, h, s, a)
						book.note(s, a, "", "not offered")
						return
					}
				}
				for _, e := range endings {
					if e.at == domain.TxDeclined && a.typ == domain.TipAdjustment {
						continue // the document has no decline of a tip
					}
					t.Run(e.name, func(t *testing.T) { book.note(s, a, e.name, string(s.ends(t, h, a, e))) })
				}
			})
		}
	}
}

// begin takes or holds 50.00.
func (s system) begin(h *house, a act) domain.PaymentID {
	if a.hold {
		return s.hold(h, 5000)
	}
	return h.take(s.sale(h, 5000)).PaymentID
}

// refusedEverywhere: what a system lacks is refused with its reason, and nothing
// is sent.
func refusedEverywhere(t *testing.T, h *house, s system, a act) {
	id := s.begin(h, a)
	moved := movements(s.emulator(h))
	d := h.get(id)
	_, err := h.svc.Act(t.Context(), h.actor, payments.ActInput{Key: d.Keys[a.action], PaymentID: id, Action: a.action, Amount: minor(max(a.minor, 1)), Reason: reasonFor(a)})
	if domain.CodeOf(err) != domain.Conflict || domain.FieldsOf(err)["amount"] != domain.DeniedCapability.Words() {
		t.Errorf("%v %v; want the reason that the page gives", err, domain.FieldsOf(err))
	}
	if movements(s.emulator(h)) != moved || booksOf(h.get(id).Payment) != a.before() {
		t.Error("something moved")
	}
}

func reasonFor(a act) string {
	if a.action == domain.ActRefund {
		return "returned"
	}
	return ""
}

// ends leads one action to one ending and gives its last status.
func (s system) ends(t *testing.T, h *house, a act, e ending) domain.TransactionStatus {
	k := s.emulator(h)
	var id domain.PaymentID
	var key string
	if a.action != "" {
		id = s.begin(h, a)
		key = h.get(id).Keys[a.action]
	}
	moved := movements(k)
	if err := e.make(kitOf(k)); err != nil {
		t.Fatal(err)
	}
	post := func() (status domain.TransactionStatus, x domain.TransactionID) {
		in := payments.ActInput{Key: key, PaymentID: id, Action: a.action, Amount: minor(a.minor), Final: a.final, Reason: reasonFor(a)}
		done, err := h.svc.Act(t.Context(), h.actor, in)
		if err != nil {
			t.Fatalf("%v %v", err, domain.FieldsOf(err))
		}
		return done.Status, done.TransactionID
	}
	if a.action == "" {
		in := s.opening(h, a)
		post = func() (domain.TransactionStatus, domain.TransactionID) {
			taken := h.take(in)
			id = taken.PaymentID
			return taken.Status, taken.TransactionID
		}
	}
	status, x := post()
	if status != e.at {
		t.Fatalf("at once: %s, want %s", status, e.at)
	}
	if again, same := post(); same != x || again != status {
		t.Errorf("the same form again: %s %s, want %s %s", again, same, status, x)
	}
	d := h.get(id)
	switch e.at {
	case domain.TxDeclined:
		if got := d.Transactions[0]; got.Reason == domain.ReasonNone || booksOf(d.Payment) != a.before() {
			t.Errorf("declined without a reason (%q) or with money: %v", got.Reason, booksOf(d.Payment))
		}
	case domain.TxUnknown:
		if d.Payment.Status != domain.PaymentUnknown {
			t.Errorf("the payment says %s", d.Payment.Status)
		}
		for _, other := range []domain.Action{domain.ActVoid, domain.ActCapture, domain.ActIncrease, domain.ActDecrease, domain.ActTip} {
			if d.Why[other] == domain.Possible {
				t.Errorf("the page still offers to %s", other)
			}
		}
	}
	// Every window passes; a mended line is a new one.
	for _, pause := range []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute, 25 * time.Hour} {
		h.clock.advance(pause)
		h.resolve(x)
	}
	d = h.get(id)
	end := d.Transactions[slices.IndexFunc(d.Transactions, func(t domain.Transaction) bool { return t.ID == x })]
	wants := []domain.TransactionStatus{domain.TxApproved}
	books := a.books
	if !e.moved {
		wants, books = []domain.TransactionStatus{domain.TxFailed, domain.TxDeclined}, a.before()
	}
	if only, blind := s.blind[a.typ]; end.Status == domain.TxNeedsPerson && e.at == domain.TxUnknown && blind && (only == nil || slices.Contains(only, e.name)) {
		wants, books = append(wants, domain.TxNeedsPerson), booksOf(d.Payment)
	}
	if !slices.Contains(wants, end.Status) {
		t.Errorf("in the end: %s (%s %s), want one of %v", end.Status, end.ProviderCode, end.ProviderText, wants)
	}
	if got := booksOf(d.Payment); got != books {
		t.Errorf("books %v, want %v", got, books)
	}
	if end.Status == domain.TxApproved && d.Payment.Status != a.status {
		t.Errorf("the payment says %s, want %s", d.Payment.Status, a.status)
	}
	want := moved
	if e.moved {
		want++
	}
	if got := movements(k); got != want {
		t.Errorf("the provider's ledger has %d movements, want %d", got, want)
	}
	return end.Status
}

func (s system) opening(h *house, a act) payments.TakeInput {
	if !a.hold {
		return s.sale(h, a.minor)
	}
	if s.name == "Cardflo" {
		return h.hold(a.minor)
	}
	return byCard(h, a.minor, domain.Preauth)
}

func kitOf(e kit.Emulator) *kit.Kit { return e.(interface{ Kit() *kit.Kit }).Kit() }

// actionsBook collects what the table shows, for docs/actions.md.
type actionsBook struct {
	mu   sync.Mutex
	rows map[string]map[string]string
}

func (b *actionsBook) note(s system, a act, ending, end string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	row := s.name + " | " + a.name
	if b.rows[row] == nil {
		b.rows[row] = map[string]string{}
	}
	b.rows[row][ending] = end
}

var writeBook = flag.Bool("update", false, "write docs/actions.md anew")

const bookPath = "../../docs/actions.md"

// compare holds the table in the documents to what just happened.
func (b *actionsBook) compare(t *testing.T) {
	if t.Failed() {
		return
	}
	words := map[string]string{"approved": "approved", "declined": "declined", "failed": "not done", "needs_person": "needs a person", "": "–"}
	var table strings.Builder
	table.WriteString("| system | action |")
	for _, e := range endings {
		table.WriteString(" " + e.name + " |")
	}
	table.WriteString("\n|---|---|" + strings.Repeat("---|", len(endings)) + "\n")
	for _, s := range systems {
		for _, a := range acts {
			row, ok := b.rows[s.name+" | "+a.name]
			if !ok {
				continue
			}
			table.WriteString("| " + s.name + " | " + a.name + " |")
			for _, e := range endings {
				cell := row[""]
				if cell == "" {
					cell = words[row[e.name]]
				}
				table.WriteString(" " + cell + " |")
			}
			table.WriteString("\n")
		}
	}
	raw, err := os.ReadFile(bookPath)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table -->\n", "<!-- end of table -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", bookPath)
	}
	if old == table.String() {
		return
	}
	if !*writeBook {
		t.Errorf("%s does not say what happened; run this test with -update", bookPath)
		return
	}
	if err := os.WriteFile(bookPath, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
