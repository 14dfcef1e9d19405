package gallery

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/pages"
)

// tills are the terminals of a counter, one in each state.
func tills() []domain.Device {
	till := func(n byte, name string, state domain.DeviceState, place string) domain.Device {
		return domain.Device{ID: deviceID(n), ConnectionID: domain.ConnectionID{UUID: uuidOf(2)}, Serial: "16222803140" + string('0'+n%10), Type: "PAXA920", Name: name, State: state, Location: place}
	}
	telephone := till(75, "Back office", domain.DeviceOnline, "")
	telephone.Virtual, telephone.Type = true, "VirtualTerminal"
	return []domain.Device{till(71, "Till 1", domain.DeviceOnline, "Quay Street"), till(72, "Till 2", domain.DeviceBusy, "Quay Street"),
		till(73, "Kitchen bar", domain.DeviceOffline, "Harbour kiosk"), till(74, "Spare", domain.DeviceUnchecked, ""), telephone}
}

// onTill is a sale on Till 2 in one of its phases or with its end.
func onTill(ps domain.PaymentStatus, ts domain.TransactionStatus, phase domain.Phase) pages.PaymentView {
	v := open(ps, ts)
	v.Payment.Method, v.Payment.Provider, v.Payment.ConnectionName = domain.MethodTerminal, "Handpoint", "Handpoint till"
	d := tills()[1]
	d.RunningPayment = v.Payment.ID
	t := &v.Transactions[0]
	t.DeviceID, t.DeviceRef, t.Phase, t.LastSendAt = d.ID, d.Serial, phase, v.Payment.CreatedAt
	v.Devices, v.MayPrint = map[domain.DeviceID]domain.Device{d.ID: d}, true
	v.MayStop = ts == domain.TxProcessing || ts == domain.TxPending
	if ts == domain.TxProcessing || ts == domain.TxPending {
		t.Asked, t.LastAskedAt, t.NextAskAt = 3, now, now.Add(2*time.Second)
	}
	if ts == domain.TxApproved {
		t.SettledAt, t.Reason, t.AuthCode, t.ProviderRef = v.Payment.CreatedAt.Add(21*time.Second), "", "0Z81K4", "11f1a5b0-9d2e-11ee-8c90-0242ac120002"
		v.Payment.AuthCode, v.Payment.Captured = t.AuthCode, v.Payment.Amount
		v.Actions = []pages.ActionButton{{Action: domain.ActRefund}, {Action: domain.ActVoid}, {Action: domain.ActTip, Denied: domain.DeniedCapability}}
		v.Receipt = receipt(v.Layout, v.Payment)
		f := form(v.Payment)
		f.Where = pages.TerminalForm{Terminals: tills()}
		v.RefundForm = &f
		v.Forms = []pages.ActionFormView{{Action: domain.ActVoid, Payment: v.Payment, CSRF: "csrf-value", Key: "key-value", Sum: v.Payment.Amount, Dialog: true, Where: pages.TerminalForm{Terminals: tills()}}}
	}
	return v
}

func onTerminalSamples(add func(string, templ.Component)) {
	form := func() pages.TakePaymentView {
		v := take("", "")
		v.Frame, v.Page, v.ConnectionName, v.ProviderName = nil, false, "Handpoint till", "Handpoint"
		v.Terminal = pages.TerminalForm{Terminals: tills(), Asks: true, Last: tills()[0].ID.String()}
		v.Amount, v.OrderReference, v.Method = "42.00", "Table 12", domain.MethodTerminal
		return v
	}
	add("take-terminal", pages.TakePayment(form()))
	v := form()
	v.CardsOffered, v.Cards, v.Amount, v.Terminal.Last = false, nil, "", ""
	add("take-terminal-only", pages.TakePayment(v))
	v = form()
	v.Terminal.Chosen, v.Terminal.TipPercents, v.Terminal.TipAmount, v.Terminal.StoreCard, v.Terminal.Metadata = tills()[2].ID.String(), "10, 15, 200", true, true, "table 12\nserver Tom"
	v.Errors = map[string]string{"tip_percents": "A percentage is a whole number from 0 to 100.", "terminal": "The provider lists this terminal no more. Choose another one."}
	add("take-terminal-invalid", pages.TakePayment(v))
	v = form()
	v.CardsOffered, v.Cards, v.Terminal = false, nil, pages.TerminalForm{}
	v.Unavailable = map[domain.Method]string{domain.MethodTerminal: "No terminal of this connection is listed yet. Read the list anew under Devices."}
	add("take-terminal-none", pages.TakePayment(v))

	add("till-sending", pages.Payment(onTill(domain.PaymentProcessing, domain.TxPending, domain.PhaseNone)))
	add("till-sent", pages.Payment(onTill(domain.PaymentProcessing, domain.TxProcessing, domain.PhaseSent)))
	add("till-card", pages.Payment(onTill(domain.PaymentProcessing, domain.TxProcessing, domain.PhaseCard)))
	add("till-bank", pages.Payment(onTill(domain.PaymentProcessing, domain.TxProcessing, domain.PhaseBank)))
	add("till-approved", pages.Payment(onTill(domain.PaymentApproved, domain.TxApproved, "")))
	add("till-declined", pages.Payment(onTill(domain.PaymentDeclined, domain.TxDeclined, "")))
	for name, reason := range map[string]domain.Reason{"till-cancelled": domain.ReasonCustomerCancelled, "till-offline": domain.ReasonDeviceOffline, "till-busy": domain.ReasonDeviceBusy} {
		status, ts := domain.PaymentNotCharged, domain.TxFailed
		if reason == domain.ReasonCustomerCancelled {
			status, ts = domain.PaymentDeclined, domain.TxDeclined
		}
		p := onTill(status, ts, "")
		p.Transactions[0].Reason = reason
		add(name, pages.Payment(p))
	}
	never := onTill(domain.PaymentNotCharged, domain.TxFailed, "")
	never.Transactions[0].Reason, never.MayComeLate = domain.ReasonNeverArrived, true
	add("till-never-arrived", pages.Payment(never))
	add("till-unknown", pages.Payment(onTill(domain.PaymentUnknown, domain.TxUnknown, domain.PhaseCard)))
	late := onTill(domain.PaymentApproved, domain.TxApproved, "")
	late.JustTaken, late.Transactions[0].Recovered, late.Transactions[0].SettledAt = false, true, now.Add(-5*time.Second)
	add("till-late", pages.Payment(late))
	turned := onTill(domain.PaymentApproved, domain.TxApproved, "")
	turned.JustTaken, turned.Transactions[0].Recovered, turned.Transactions[0].SettledAt = false, true, now.Add(-5*time.Second)
	turned.Transactions[0].Before = domain.Overturned{Status: domain.TxDeclined, Reason: domain.ReasonCustomerCancelled, At: now.Add(-30 * time.Second)}
	add("till-overturned", pages.Payment(turned))
	back := onTill(domain.PaymentApproved, domain.TxApproved, "")
	r := refund(back.Payment, "R4D0XJ6B", domain.TxProcessing, 1250, 9*time.Second)
	r.SettledAt, r.DeviceID, r.Phase, r.LastSendAt = time.Time{}, tills()[1].ID, domain.PhaseCard, r.CreatedAt
	back.Transactions, back.JustTaken, back.Live, back.MayStop = append([]domain.Transaction{r}, back.Transactions...), false, true, true
	add("till-refund", pages.Payment(back))

	p := onTill(domain.PaymentApproved, domain.TxApproved, "")
	add("void-where", pages.ActionPage(pages.ActionPageView{Layout: layout(), Form: pages.ActionFormView{Action: domain.ActVoidRefund, Payment: p.Payment, CSRF: "csrf-value", Key: "key-value", Sum: pounds(1250),
		Where: pages.TerminalForm{Terminals: tills(), Only: true}, Errors: map[string]string{"terminal": "Choose a terminal of this connection."}}}))
	add("payout-terminal", pages.Payout(pages.PayoutView{Layout: layout(), ConnectionID: domain.ConnectionID{UUID: uuidOf(2)}, ConnectionName: "Handpoint till", ProviderName: "Handpoint", Key: "key-value",
		Cards: cards(), Currency: gbp, Currencies: []pages.CurrencyChoice{{Currency: gbp, Limit: pounds(0)}}, Terminal: pages.TerminalForm{Terminals: tills(), Chosen: tills()[0].ID.String()}}))
	add("card-terminal", pages.NewCard(pages.NewCardView{Layout: layout(), ConnectionID: domain.ConnectionID{UUID: uuidOf(2)}, ConnectionName: "Handpoint till", ProviderName: "Handpoint", Key: "key-value",
		Method: domain.MethodTerminal, Terminal: pages.TerminalForm{Terminals: tills()}}))
}

func TestWhatNeverArrivedSaysThatItsTerminalMayStillAskForTheCard(t *testing.T) {
	v := onTill(domain.PaymentNotCharged, domain.TxFailed, "")
	v.Transactions[0].Reason, v.MayComeLate = domain.ReasonNeverArrived, true
	if text := text(render(t, pages.Payment(v)).Find("main")); !strings.Contains(text, "Look at Till 2 before you try again") || !strings.Contains(text, "cancel it there first") {
		t.Errorf("the page says %q", text)
	}
	for name, change := range map[string]func(){
		"long ago": func() { v.MayComeLate = false },
		"was busy": func() { v.MayComeLate, v.Transactions[0].Reason = true, domain.ReasonDeviceBusy },
		"on virtual": func() {
			v.Transactions[0].Reason = domain.ReasonNeverArrived
			d := v.Devices[v.Transactions[0].DeviceID]
			d.Virtual = true
			v.Devices[d.ID] = d
		},
	} {
		change()
		if text := text(render(t, pages.Payment(v)).Find("main")); strings.Contains(text, "before you try again") {
			t.Errorf("%s: the page says %q", name, text)
		}
	}
}
