package payments_test

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/store"
)

// counter is a house with a real and a virtual terminal of Handpoint's.
type counter struct {
	*house
	device, virtual domain.DeviceID
}

func newCounter(t *testing.T, secrets ...string) *counter {
	return counterIn(newHouse(t), secrets...)
}

// counterIn adds to a house a connection with both terminals. secrets may be the
// callback token.
func counterIn(h *house, secrets ...string) *counter {
	h.t.Helper()
	in := connections.NewConnection{Provider: "handpoint", Name: "Terminals",
		Settings: map[string]string{handpoint.SettingAcquirer: "TSYS", handpoint.SettingPreauthorizations: "yes"},
		Secrets:  map[string]string{handpoint.SecretAPIKey: sandboxhandpoint.SandboxKey}}
	if len(secrets) > 0 {
		in.Secrets[handpoint.SecretCallbackToken] = secrets[0]
	}
	h.also = h.connect(in, sandboxhandpoint.BasePath)
	c := &counter{house: h}
	c.device = c.list(sandboxhandpoint.TerminalSerial, sandboxhandpoint.TerminalType, false)
	c.virtual = c.list(sandboxhandpoint.VirtualSerial, sandboxhandpoint.VirtualType, true)
	return c
}

// list writes a terminal down as reading the provider's list does.
func (c *counter) list(serial, typ string, virtual bool) domain.DeviceID {
	c.t.Helper()
	d := domain.Device{ID: domain.NewDeviceID(), ConnectionID: c.also, Serial: serial, Type: typ, Virtual: virtual, FirstListedAt: c.clock.now()}
	if err := c.store.InTenant(c.t.Context(), c.merchant.ID, func(tx *store.Tx) error { return tx.InsertDevice(c.t.Context(), d) }); err != nil {
		c.t.Fatal(err)
	}
	return d.ID
}

func (c *counter) row(id domain.DeviceID) (d domain.Device) {
	c.t.Helper()
	if err := c.store.ReadTenant(c.t.Context(), c.merchant.ID, func(tx *store.Tx) (err error) {
		d, err = tx.Device(c.t.Context(), id)
		return err
	}); err != nil {
		c.t.Fatal(err)
	}
	return d
}

// sale is a sale on the terminal as its form sends it.
func (c *counter) sale(minor int64, change ...func(*payments.TakeInput)) payments.TakeInput {
	in := payments.TakeInput{Key: payments.NewKey(), ConnectionID: c.also, Method: domain.MethodTerminal, Amount: money.FromMinor(minor, gbp),
		OrderReference: c.order(), Terminal: domain.OnTerminal{DeviceID: c.device}}
	for _, f := range change {
		f(&in)
	}
	return in
}

// after lets time pass and asks once.
func (c *counter) after(d time.Duration, x domain.TransactionID) domain.Transaction {
	c.t.Helper()
	c.clock.advance(d)
	c.resolve(x)
	return c.transaction(x)
}

func (c *counter) transaction(id domain.TransactionID) (x domain.Transaction) {
	c.t.Helper()
	if err := c.store.ReadTenant(c.t.Context(), c.merchant.ID, func(tx *store.Tx) (err error) {
		x, err = tx.Transaction(c.t.Context(), id)
		return err
	}); err != nil {
		c.t.Fatal(err)
	}
	return x
}

func TestASaleOnATerminalIsSentWaitsForTheCardAndEndsWithItsResult(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	if err := c.sandbox.Handpoint.Set(sandboxhandpoint.Setting{Serial: sandboxhandpoint.TerminalSerial, Seconds: new(20)}); err != nil {
		t.Fatal(err)
	}
	taken := c.take(c.sale(4250))
	x := c.transaction(taken.TransactionID)
	if taken.Status != domain.TxProcessing || x.Phase != domain.PhaseSent || x.ResultRef == "" || x.DeviceID != c.device || x.DeviceRef != sandboxhandpoint.TerminalSerial {
		t.Fatalf("%s, %+v", taken.Status, x)
	}
	if d := c.row(c.device); d.Running != x.ID || d.RunningPayment != x.PaymentID || d.State != domain.DeviceBusy {
		t.Errorf("the terminal's row: %+v", d)
	}
	for range 3 {
		c.after(time.Second, x.ID)
	}
	if x = c.after(2*time.Second, x.ID); x.Phase != domain.PhaseCard || x.Status != domain.TxProcessing {
		t.Errorf("while it waits for the card: %s %s", x.Status, x.Phase)
	}
	if x = c.after(8*time.Second, x.ID); x.Phase != domain.PhaseBank {
		t.Errorf("while the bank is asked: %s %s", x.Status, x.Phase)
	}
	x = c.after(10*time.Second, x.ID)
	if x.Status != domain.TxApproved || x.Phase != domain.PhaseNone || x.ProviderRef == "" {
		t.Fatalf("in the end: %+v", x)
	}
	detail := c.get(x.PaymentID)
	if n := len(detail.Messages); n != 2 {
		t.Errorf("%d answers are kept, want that it was accepted and its result", n)
	}
	if p := detail.Payment; p.Captured.Minor() != 4250 || p.Method != domain.MethodTerminal || p.Card.Last4 == "" || p.Status != domain.PaymentApproved {
		t.Errorf("the payment: %+v", p)
	}
	if len(detail.Terminals) != 2 || detail.Devices[c.device].Serial != sandboxhandpoint.TerminalSerial {
		t.Errorf("terminals of the page: %+v, %+v", detail.Terminals, detail.Devices)
	}
	d := c.row(c.device)
	if !d.Running.IsZero() || d.Last.PaymentID != x.PaymentID || d.Last.Status != domain.TxApproved || d.Last.Amount.Minor() != 4250 ||
		d.Report.Battery == nil || *d.Report.Battery != 80 || d.Reach != domain.ReachOnline || !d.SeenAt.Equal(c.clock.now()) {
		t.Errorf("the terminal's row afterwards: %+v", d)
	}
	err := c.store.ReadTenant(t.Context(), c.merchant.ID, func(tx *store.Tx) error {
		for _, copy := range []string{"customer", "merchant"} {
			if kind, body, err := tx.Receipt(t.Context(), x.PaymentID, copy); err != nil || kind != "url" || body == "" {
				t.Errorf("the %s receipt: %s %q, %v", copy, kind, body, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
