package payments_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

// A failing day is told by its seed; a file of it is not left behind, and it is
// made shorter for a few seconds only.
func init() {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "5s"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// town is what many simulated shops have in common: a database.
type town struct {
	store  *store.Store
	owner  *sql.DB
	sealer *secrets.Sealer
	people []domain.UserID
}

// newTown opens the database through address, which is the application's own
// unless a mutant sits on the wire.
func newTown(t *testing.T, db *storetest.DB, address string) *town {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{URL: address, MaxOpen: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	keyset, err := secrets.Generate()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secrets.FromJSON(keyset)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{store: st, owner: db.Owner(t), sealer: sealer}
	for i := range 3 {
		id := domain.NewUserID()
		if _, err := w.owner.Exec(`insert into users (id, email, name, created_at) values ($1, $2, $2, now())`, id, fmt.Sprintf("person%d@example.com", i)); err != nil {
			t.Fatal(err)
		}
		w.people = append(w.people, id)
	}
	return w
}

// shop is one simulated merchant with emulators and a clock of its own.
type shop struct {
	*town
	svc      *payments.Service
	sandbox  *sandbox.Sandbox
	clock    *clock
	merchant domain.MerchantID
	hp, cf   domain.ConnectionID
	card     domain.CardID
	device   domain.DeviceID
	address  string // of the emulators
	close    func()
	// restart is a new process: it knows what the database knows. A line that was
	// cut for too many faults stays cut by the real clock, and is whole again.
	restart func()

	serial   int64
	payments []domain.PaymentID
	forms    []form
	accepted map[string]domain.TransactionID // by key
}

// form is something that was posted and may be posted again.
type form struct {
	actor domain.Actor
	take  *payments.TakeInput
	act   *payments.ActInput
}

func (f form) key() string {
	if f.take != nil {
		return f.take.Key
	}
	return f.act.Key
}

func newShop(t *rapid.T, w *town) *shop {
	s := &shop{town: w, clock: &clock{at: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)}, accepted: map[string]domain.TransactionID{}}
	s.sandbox = sandbox.New(sandbox.Config{Now: s.clock.now})
	server := httptest.NewServer(s.sandbox.Handler())
	host, _ := url.Parse(server.URL)
	registry := providers.NewRegistry(cardflo.Registration(), handpoint.Registration())
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	m := domain.Merchant{ID: domain.NewMerchantID(), Name: "Simulated", TimeZone: "Europe/London", Mode: domain.Test, Currencies: []money.Currency{gbp}, CreatedAt: s.clock.now()}
	ctx := context.Background()
	must(s.store.InsertMerchant(ctx, m))
	s.merchant = m.ID
	conns := &connections.Service{Store: s.store, Registry: registry, Secrets: s.sealer, Now: s.clock.now}
	boss := s.actor(domain.Owner)
	hp, err := conns.Create(ctx, boss, connections.NewConnection{Provider: "handpoint", Name: "Tokens", BaseURL: server.URL + sandboxhandpoint.BasePath,
		Settings: map[string]string{handpoint.SettingAcquirer: "TSYS"}, Secrets: map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}})
	must(err)
	cf, err := conns.Create(ctx, boss, connections.NewConnection{Provider: "cardflo", Name: "Cards", BaseURL: server.URL + sandboxcardflo.BasePath,
		Settings: map[string]string{cardflo.SettingCardFrame: server.URL + "/cardflo/frame/" + sandboxcardflo.SignedKey},
		Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SignedKey, cardflo.SecretUsername: sandboxcardflo.SignedUser,
			cardflo.SecretPassword: sandboxcardflo.SignedPassword, cardflo.SecretSharedSecret: sandboxcardflo.SignedSecret}})
	must(err)
	card, err := conns.AddCard(ctx, boss, hp.ID, sandboxhandpoint.TokenVisa, domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}, "Imogen Ware")
	must(err)
	s.hp, s.cf, s.card, s.address = hp.ID, cf.ID, card.ID, server.URL
	s.device = domain.NewDeviceID()
	must(s.store.InTenant(ctx, s.merchant, func(tx *store.Tx) error {
		return tx.InsertDevice(ctx, domain.Device{ID: s.device, ConnectionID: hp.ID, Serial: sandboxhandpoint.TerminalSerial, Type: sandboxhandpoint.TerminalType, FirstListedAt: s.clock.now()})
	}))
	s.restart = func() {
		transport := httpclient.Transport(httpclient.Options{AllowHosts: []string{host.Host}})
		s.svc = payments.New(payments.Config{Store: s.store, Registry: registry, Secrets: s.sealer, Transport: transport, Now: s.clock.now,
			Log: slog.New(slog.DiscardHandler), PublicURL: "http://localhost:8080"})
	}
	s.restart()
	s.close = func() {
		s.sandbox.Reset()
		server.Close()
	}
	return s
}

func (s *shop) actor(r domain.Role) domain.Actor {
	return domain.Actor{UserID: s.people[slices.Index(domain.Roles, r)%len(s.people)], Name: string(r), MerchantID: s.merchant, Role: r}
}

func minor(n int64) money.Amount { return money.FromMinor(n, gbp) }

// simulate leads one shop through a random day and judges what is left.
func simulate(w *town) func(*rapid.T) {
	return func(t *rapid.T) {
		s := newShop(t, w)
		defer s.close()
		for range rapid.IntRange(4, 24).Draw(t, "steps") {
			s.step(t)
		}
		s.settleDown(t)
		s.judge(t)
	}
}

// step is one thing that somebody does, or that goes wrong.
func (s *shop) step(t *rapid.T) {
	actor := s.actor(rapid.SampledFrom(domain.Roles).Draw(t, "role"))
	switch rapid.SampledFrom([]string{"sell", "sell", "hold", "terminal", "terminal", "device", "deliver", "act", "act", "act", "act", "again", "again", "fault", "fault", "outcome", "wait", "ask", "restart", "steal"}).Draw(t, "step") {
	case "sell":
		s.serial++
		in := payments.TakeInput{Key: payments.NewKey(), ConnectionID: s.hp, Method: domain.MethodCard, Amount: minor(10_000 * s.serial), OrderReference: fmt.Sprintf("Order %d", s.serial), CardID: s.card}
		if rapid.Bool().Draw(t, "cardflo") {
			in.ConnectionID, in.Method, in.CardID = s.cf, domain.MethodFrame, domain.CardID{}
			in.CardToken = rapid.SampledFrom([]string{sandboxcardflo.TokenApprove, sandboxcardflo.TokenApprove, sandboxcardflo.TokenDecline}).Draw(t, "token")
		}
		s.post(t, form{actor: actor, take: &in})
	case "terminal":
		s.serial++
		in := payments.TakeInput{Key: payments.NewKey(), ConnectionID: s.hp, Method: domain.MethodTerminal, Amount: minor(10_000 * s.serial), OrderReference: fmt.Sprintf("Counter %d", s.serial),
			Terminal: domain.OnTerminal{DeviceID: s.device}}
		if rapid.Bool().Draw(t, "tip") {
			in.Terminal.TipPercents = []int{1}
		}
		s.post(t, form{actor: actor, take: &in})
	case "device":
		set := sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Online: new(rapid.IntRange(0, 4).Draw(t, "online") > 0), Busy: new(rapid.IntRange(0, 4).Draw(t, "busy") == 0),
			Seconds: new(rapid.SampledFrom([]int{0, 1, 30, 120, 400}).Draw(t, "seconds"))}
		if err := s.sandbox.Handpoint.Set(set); err != nil {
			t.Fatal(err)
		}
	case "deliver":
		s.deliver(t)
	case "hold":
		s.serial++
		in := payments.TakeInput{Key: payments.NewKey(), Kind: domain.Preauth, ConnectionID: s.cf, Method: domain.MethodFrame, CardToken: sandboxcardflo.TokenApprove,
			Amount: minor(10_000 * s.serial), OrderReference: fmt.Sprintf("Room %d", s.serial)}
		s.post(t, form{actor: actor, take: &in})
	case "act":
		s.act(t, actor)
	case "again":
		if len(s.forms) > 0 {
			s.post(t, rapid.SampledFrom(s.forms).Draw(t, "form"))
		}
	case "fault":
		f := kit.Fault{Kind: rapid.SampledFrom([]string{kit.FaultDropBefore, kit.FaultDropAfter, kit.FaultGarbage, kit.FaultStatus, kit.FaultStatusAfter, kit.FaultWrongContentType}).Draw(t, "fault"),
			Count: rapid.IntRange(1, 3).Draw(t, "count")}
		if f.Kind == kit.FaultStatus || f.Kind == kit.FaultStatusAfter {
			f.Status = rapid.SampledFrom([]int{500, 502, 503, 504}).Draw(t, "status")
		}
		s.push(t, func(k *kit.Kit) error { return k.Faults.Push(f) })
	case "outcome":
		o := kit.Outcome{Result: rapid.SampledFrom([]string{kit.Approve, kit.Decline, kit.InProgress}).Draw(t, "outcome")}
		if o.Result == kit.InProgress {
			o.Then, o.AfterSeconds = rapid.SampledFrom([]string{kit.Approve, kit.Decline}).Draw(t, "then"), rapid.IntRange(1, 600).Draw(t, "after")
		}
		s.push(t, func(k *kit.Kit) error { return k.Outcomes.Push(o) })
	case "wait":
		s.wait(t, rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 2 * time.Minute, 10 * time.Minute, 3 * time.Hour}).Draw(t, "time"))
	case "ask":
		s.askAll(t)
	case "restart":
		s.restart()
	case "steal":
		if len(s.payments) == 0 {
			return
		}
		id := rapid.SampledFrom(s.payments).Draw(t, "payment")
		thief := domain.Actor{UserID: s.people[0], MerchantID: domain.NewMerchantID(), Role: domain.Owner}
		_, err := s.svc.Get(context.Background(), thief, id)
		_, acted := s.svc.Act(context.Background(), thief, payments.ActInput{Key: payments.NewKey(), PaymentID: id, Action: domain.ActRefund, Amount: minor(1), Reason: "error"})
		if domain.CodeOf(err) != domain.NotFound || domain.CodeOf(acted) != domain.NotFound {
			t.Fatalf("another merchant sees the payment: %v, %v", err, acted)
		}
	}
}

// wait lets time pass. What a gateway said would never arrive is asked for
// meanwhile, as its job does: its terminal may deliver it yet.
func (s *shop) wait(t *rapid.T, d time.Duration) {
	for ; d > 0; d -= 30 * time.Second {
		late := s.late(t)
		if len(late) == 0 {
			s.clock.advance(d)
			return
		}
		s.clock.advance(min(d, 30*time.Second))
		s.restart() // a line that was cut is whole again
		for _, id := range late {
			if _, err := s.svc.Resolve(context.Background(), s.merchant, id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// late lists what never arrived by its gateway's word, while its terminal is
// still asked for it.
func (s *shop) late(t *rapid.T) (ids []domain.TransactionID) {
	rows, err := s.owner.Query(`select id from transactions where merchant_id = $1 and status = 'failed' and reason = 'never_arrived' and device_id is not null and last_send_at > $2 order by created_at, id`,
		s.merchant, s.clock.now().Add(-15*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id domain.TransactionID
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// deliver posts a terminal's result to us, once or again, recovered or not.
func (s *shop) deliver(t *rapid.T) {
	rows, err := s.owner.Query(`select result_ref from transactions where merchant_id = $1 and result_ref <> '' order by created_at, id`, s.merchant)
	if err != nil {
		t.Fatal(err)
	}
	var refs []string
	for rows.Next() {
		var ref string
		if err := rows.Scan(&ref); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	_ = rows.Close()
	if len(refs) == 0 {
		return
	}
	req, _ := http.NewRequest(http.MethodGet, s.address+sandboxhandpoint.BasePath+"/transaction-result/"+rapid.SampledFrom(refs).Draw(t, "result"), nil)
	req.Header = http.Header{"ApiKeyCloud": {sandboxhandpoint.SandboxKey}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the line was cut
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return
	}
	var p providers.Provider
	if err := s.store.ReadTenant(context.Background(), s.merchant, func(tx *store.Tx) error {
		conn, err := tx.Connection(context.Background(), s.hp)
		if err == nil {
			p, err = s.svc.Provider(context.Background(), tx, conn)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	receiver := p.(providers.CallbackReceiver)
	kept, err := receiver.CleanCallback(raw)
	if err != nil {
		return // the line told nonsense
	}
	events, err := receiver.TranslateCallback(kept)
	if err != nil {
		return
	}
	for i := range events {
		events[i].Recovered = rapid.Bool().Draw(t, "recovered")
	}
	if _, err := s.svc.Apply(context.Background(), s.merchant, s.hp, time.Time{}, kept, events, nil); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) push(t *rapid.T, f func(*kit.Kit) error) {
	k := s.sandbox.Handpoint.Kit()
	if rapid.Bool().Draw(t, "at cardflo") {
		k = s.sandbox.Cardflo.Kit()
	}
	if err := f(k); err != nil {
		t.Fatal(err)
	}
}

// act does something to a payment, and holds what the page says to what the use
// case does.
func (s *shop) act(t *rapid.T, actor domain.Actor) {
	if len(s.payments) == 0 {
		return
	}
	id := rapid.SampledFrom(s.payments).Draw(t, "payment")
	act := rapid.SampledFrom([]domain.Action{domain.ActRefund, domain.ActRefund, domain.ActVoid, domain.ActVoidRefund, domain.ActTip, domain.ActCapture, domain.ActIncrease, domain.ActDecrease}).Draw(t, "action")
	d, err := s.svc.Get(context.Background(), s.actor(domain.Owner), id)
	if err != nil {
		t.Fatal(err)
	}
	most := d.Payment.Refundable()
	if act == domain.ActCapture || act == domain.ActDecrease {
		most = d.Payment.Authorised
	}
	in := payments.ActInput{Key: payments.ActionKey(actor, id, act, d.Transactions), PaymentID: id, Action: act, Reason: "returned",
		Amount: minor(rapid.Int64Range(0, max(most.Minor(), 1)+1).Draw(t, "amount")), Final: rapid.Bool().Draw(t, "final")}
	if act == domain.ActIncrease || act == domain.ActTip {
		in.Amount = minor(rapid.Int64Range(0, 3_000).Draw(t, "sum"))
	}
	if act != domain.ActRefund {
		in.Reason = ""
	}
	offered := d.Why
	if d.Payment.ConnectionID == s.hp && rapid.Bool().Draw(t, "on terminal") {
		in.Terminal.DeviceID, offered = s.device, d.OnTerminal
	}
	err = s.post(t, form{actor: actor, act: &in})
	may, amount := offered[act] == domain.Possible && (!in.Terminal.IsZero() || !d.NeedsTerminal[act]), domain.AllowedAmount(domain.Standing{Payment: d.Payment, Transactions: d.Transactions, Caps: d.Caps}, act, in.Amount, in.Tip)
	switch code := domain.CodeOf(err); {
	case !actor.Role.May(act.Permission()):
		if code != domain.Forbidden {
			t.Fatalf("a %s may not %s, and was answered %v", actor.Role, act, err)
		}
	case code == domain.Duplicate:
	case may && amount == domain.Possible && code != "":
		t.Fatalf("the page offers to %s %s, the use case says %v %v", act, in.Amount, err, domain.FieldsOf(err))
	case !(may && amount == domain.Possible) && code == "":
		t.Fatalf("the page refuses to %s %s (%q, %q), the use case does it", act, in.Amount, offered[act], amount)
	}
}

// post sends a form and notes what came of its key.
func (s *shop) post(t *rapid.T, f form) error {
	var id domain.TransactionID
	var payment domain.PaymentID
	var err error
	if f.take != nil {
		var taken payments.Taken
		taken, err = s.svc.Take(context.Background(), f.actor, *f.take)
		id, payment = taken.TransactionID, taken.PaymentID
	} else {
		var acted payments.Acted
		acted, err = s.svc.Act(context.Background(), f.actor, *f.act)
		id = acted.TransactionID
	}
	s.forms = append(s.forms, f)
	if err != nil {
		if domain.CodeOf(err) == domain.Internal || domain.CodeOf(err) == domain.Unavailable {
			t.Fatalf("the house failed: %v", err)
		}
		return err
	}
	if before, ok := s.accepted[f.key()]; ok && before != id {
		t.Fatalf("one form made two transactions: %s and %s", before, id)
	}
	s.accepted[f.key()] = id
	if f.take != nil && !slices.Contains(s.payments, payment) {
		s.payments = append(s.payments, payment)
	}
	return nil
}

// open lists the transactions without an outcome.
func (s *shop) open(t *rapid.T, statuses string) (ids []domain.TransactionID) {
	rows, err := s.owner.Query(`select id from transactions where merchant_id = $1 and status = any(string_to_array($2, ' ')) order by created_at, id`, s.merchant, statuses)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id domain.TransactionID
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

const asking = "pending processing unknown"

func (s *shop) askAll(t *rapid.T) {
	for _, id := range s.open(t, asking) {
		if _, err := s.svc.Resolve(context.Background(), s.merchant, id); err != nil {
			t.Fatal(err)
		}
	}
}

// settleDown mends every line and lets all windows pass.
func (s *shop) settleDown(t *rapid.T) {
	for _, k := range []*kit.Kit{s.sandbox.Handpoint.Kit(), s.sandbox.Cardflo.Kit()} {
		k.Faults.Reset()
		k.Outcomes.Reset()
	}
	if err := s.sandbox.Handpoint.Set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Online: new(true), Busy: new(false)}); err != nil {
		t.Fatal(err)
	}
	s.restart()
	for _, pause := range []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 25 * time.Hour} {
		s.wait(t, pause)
		s.askAll(t)
	}
	if left := s.open(t, asking); len(left) > 0 {
		t.Fatalf("I6: after a day %d operations have neither an end nor a person", len(left))
	}
}

// judge holds our books against the providers' ledgers (SECURITY.md, part 3,
// which names the rules I1 to I7). It computes everything anew.
func (s *shop) judge(t *rapid.T) {
	type ours struct {
		typ, status, original, provider, text string
		minor                                 int64
	}
	known := map[string]ours{}
	rows, err := s.owner.Query(`select attempt_ref, type, status, original_ref, coalesce(provider_ref, ''), amount_minor, provider_text from transactions where merchant_id = $1`, s.merchant)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var ref string
		var o ours
		if err := rows.Scan(&ref, &o.typ, &o.status, &o.original, &o.provider, &o.minor, &o.text); err != nil {
			t.Fatal(err)
		}
		known[ref] = o
	}
	if len(known) != len(s.accepted) {
		t.Fatalf("%d forms were accepted, %d transactions are written", len(s.accepted), len(known))
	}
	kinds := map[string]string{"sale": "sale", "refund": "refund", "preauth": "preauth", "increment": "increment", "decrement": "decrement", "capture": "capture", "void": "void", "reversal": "void"}
	moved := map[string]bool{}
	sums := map[string]map[string]int64{} // per original, per kind
	sold := map[string]int64{}
	refunded := map[string]string{} // what each refund gave back of
	tips, lastTip := map[string]int{}, map[string]int64{}
	forms := map[int64]int{}
	for _, state := range []kit.State{s.sandbox.Handpoint.State(), s.sandbox.Cardflo.State()} {
		for ref, n := range state.Approved {
			if n > 1 && ref != "" {
				t.Fatalf("I1: the provider moved money %d times for one attempt", n)
			}
		}
		for _, c := range state.Charges {
			if c.Kind == "tip" { // carries no reference of ours
				if c.Approved {
					tips[c.OriginalID]++
					lastTip[c.OriginalID] = c.AmountMinor
				}
				continue
			}
			o, ok := known[c.Reference]
			switch {
			case !ok:
				t.Fatalf("I2: the provider has a %s of %d that we know nothing of", c.Kind, c.AmountMinor)
			case kinds[c.Kind] != o.typ:
				t.Fatalf("the provider has a %s where we have a %s", c.Kind, o.typ)
			case c.Approved != (o.status == "approved") && o.status != "needs_person":
				t.Fatalf("I3: the provider says approved=%t of our %s, we say %s", c.Approved, o.typ, o.status)
			}
			if !c.Approved {
				continue
			}
			moved[c.Reference] = true
			if sums[c.OriginalID] == nil {
				sums[c.OriginalID] = map[string]int64{}
			}
			switch sale, ofRefund := refunded[c.OriginalID]; {
			case o.typ == "void" && ofRefund:
				sums[sale]["refund"] -= o.minor
			default:
				sums[c.OriginalID][o.typ] += o.minor
			}
			if o.typ == "refund" {
				refunded[c.ID] = c.OriginalID
			}
			if o.typ == "sale" || o.typ == "preauth" {
				sold[c.ID] = c.AmountMinor
				// A ledger counts a tip into its sale.
				if form := c.AmountMinor / 10_000; forms[form] > 0 {
					t.Fatalf("I1: one form took %d twice", c.AmountMinor)
				} else {
					forms[form]++
				}
			}
			if o.typ == "capture" {
				sold[c.ID] = c.AmountMinor
			}
		}
	}
	for ref, o := range known {
		switch {
		case o.typ == "tip_adjustment":
		case o.status == "approved" && !moved[ref]:
			t.Fatalf("I3: our %s is approved, the provider moved nothing", o.typ)
		case o.status == "needs_person":
			t.Fatalf("I6: a %s needs a person although its provider can be asked: %s", o.typ, o.text)
		}
	}
	for id, sum := range sums {
		if id == "" {
			continue
		}
		if sum["refund"] > sold[id] && tips[id] == 0 {
			t.Fatalf("I4: %d were given back of %d", sum["refund"], sold[id])
		}
		if held := sold[id] + sum["increment"] - sum["decrement"]; sum["capture"] > held {
			t.Fatalf("I4: %d were captured of %d held", sum["capture"], held)
		}
		if sum["void"] > 0 && (sum["refund"] > 0 || sum["capture"] > 0) {
			t.Fatal("I4: something was voided and given back or captured too")
		}
	}
	s.judgeTips(t, tips, lastTip)
	for what, query := range map[string]string{
		"I5: a request is not audited once": `select count(*) from transactions t where t.merchant_id = $1 and 1 <> (select count(*) from audit_log a where a.merchant_id = $1
			and a.action = 'payment.' || t.type || '.requested' and a.detail ->> 'transaction' = t.id::text)`,
		"I5: the last outcome is not audited": `select count(*) from transactions t where t.merchant_id = $1 and t.status <> (select a.result from audit_log a where a.merchant_id = $1
			and a.action = 'payment.' || t.type || '.settled' and a.detail ->> 'transaction' = t.id::text order by a.seq desc limit 1)`,
		"I4: more is refunded than captured": `select count(*) from payments where merchant_id = $1 and refunded_minor + held_minor > captured_minor`,
		"the books are not the sum of the rows": `select count(*) from payments p, lateral (select
				coalesce(sum(t.amount_minor - t.tip_minor) filter (where t.type in ('sale', 'capture')), 0) - coalesce(sum(t.amount_minor - o.tip_minor) filter (where t.type = 'void' and o.type = 'sale'), 0) taken,
				coalesce(sum(t.amount_minor) filter (where t.type = 'refund'), 0) - coalesce(sum(t.amount_minor) filter (where t.type = 'void' and o.type = 'refund'), 0) refunded
				from transactions t left join transactions o on o.merchant_id = $1 and o.payment_id = p.id and o.provider_ref = t.original_ref and t.type = 'void' where t.merchant_id = $1 and t.payment_id = p.id and t.status = 'approved') x
			where p.merchant_id = $1 and (p.captured_minor - p.tip_minor <> x.taken or p.refunded_minor <> x.refunded)`,
	} {
		var n int
		if err := s.owner.QueryRow(query, s.merchant).Scan(&n); err != nil || n > 0 {
			t.Fatalf("%s: %d (%v)", what, n, err)
		}
	}
}

// judgeTips: a tip carries no reference of ours, so that only counts and the
// last one can be held against each other.
func (s *shop) judgeTips(t *rapid.T, there map[string]int, last map[string]int64) {
	rows, err := s.owner.Query(`select coalesce(root.provider_ref, ''), p.tip_minor, root.tip_minor, p.status, count(x.id), count(x.id) filter (where x.status = 'approved'), count(x.id) filter (where x.status = 'needs_person')
		from payments p join transactions root on root.merchant_id = p.merchant_id and root.payment_id = p.id and root.type = 'sale'
		left join transactions x on x.merchant_id = p.merchant_id and x.payment_id = p.id and x.type = 'tip_adjustment'
		where p.merchant_id = $1 group by 1, 2, 3, 4`, s.merchant)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var ref, status string
		var tip, atTerminal int64
		var sent, approved, person int
		if err := rows.Scan(&ref, &tip, &atTerminal, &status, &sent, &approved, &person); err != nil {
			t.Fatal(err)
		}
		want := last[ref]
		if there[ref] == 0 && status != "declined" && status != "not_charged" {
			want = atTerminal
		}
		switch {
		case there[ref] > sent:
			t.Fatalf("I1: %d tips were set at the provider, %d were asked for", there[ref], sent)
		case approved > there[ref]:
			t.Fatalf("I3: %d tips are approved here, %d at the provider", approved, there[ref])
		case person == 0 && status != "voided" && tip != want:
			t.Fatalf("I3: the tip is %d here and %d at the provider", tip, want)
		}
	}
}

// TestRandomDaysKeepBothLedgersTheSame is the simulation: random people, actions,
// faults and times over the real use cases, the real database and the emulators.
// A failure names its seed; -rapid.checks=1000 looks longer.
func TestRandomDaysKeepBothLedgersTheSame(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	rapid.Check(t, simulate(newTown(t, db, db.AppURL)))
}

// verdict stands in for the test when the simulation is expected to fail.
type verdict struct {
	mu     sync.Mutex
	failed bool
	said   strings.Builder
}

func (v *verdict) note(args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintln(&v.said, args...)
}

func (v *verdict) Helper()                  {}
func (v *verdict) Name() string             { return "mutant" }
func (v *verdict) Logf(f string, a ...any)  { v.note(fmt.Sprintf(f, a...)) }
func (v *verdict) Log(a ...any)             { v.note(a...) }
func (v *verdict) Skipf(f string, a ...any) { v.SkipNow() }
func (v *verdict) Skip(a ...any)            { v.SkipNow() }
func (v *verdict) SkipNow()                 { panic(errors.New("nothing is skipped here")) }
func (v *verdict) Errorf(f string, a ...any) {
	v.note(fmt.Sprintf(f, a...))
	v.Fail()
}
func (v *verdict) Error(a ...any) {
	v.note(a...)
	v.Fail()
}
func (v *verdict) Fatalf(f string, a ...any) {
	v.note(fmt.Sprintf(f, a...))
	v.FailNow()
}
func (v *verdict) Fatal(a ...any) {
	v.note(a...)
	v.FailNow()
}
func (v *verdict) FailNow() {
	v.Fail()
	panic(v)
}
func (v *verdict) Fail() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failed = true
}
func (v *verdict) Failed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failed
}

// finds says what the simulation found, if it found anything.
func finds(w *town) (said string, found bool) {
	v := &verdict{}
	defer func() {
		if r := recover(); r != nil && r != any(v) {
			panic(r)
		}
		said, found = v.said.String(), v.failed
	}()
	rapid.Check(v, simulate(w))
	return "", false
}
