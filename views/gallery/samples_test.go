// Package gallery renders every page in every state with made-up values: for
// the rules that all pages keep, for axe, and for looking at screenshots.
package gallery

import (
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
)

type sample struct {
	name string
	page templ.Component
	open string // id of a dialog to open before looking
}

var (
	gbp = money.MustCurrency("GBP")
	jpy = money.MustCurrency("JPY")
	kwd = money.MustCurrency("KWD")

	london = mustZone("Europe/London")
	now    = time.Date(2026, 11, 20, 14, 32, 11, 0, london)
)

func mustZone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

func pounds(minor int64) money.Amount { return money.FromMinor(minor, gbp) }

func uuidOf(n byte) uuid.UUID {
	return uuid.UUID{0x01, 0x93, 0x4a, 0x2b, 0x10, 0x00, 0x70, 0x00, 0x80, 0, 0, 0, 0, 0, 0, n}
}

func layout() layouts.Model {
	return layouts.Model{
		SignedIn: true, Merchant: "Harbour & Rye", Place: "Quay Street, Bristol", Mode: domain.Live,
		UserName: "Maya Okafor", Can: layouts.CanOf(domain.Manager), CSRF: "csrf-value", Shortcuts: true,
		Location: london, Now: now,
	}
}

func testMode() layouts.Model {
	m := layout()
	m.Mode = domain.Test
	return m
}

func signedOut() layouts.Model {
	return layouts.Model{CSRF: "csrf-value", Location: london, Now: now}
}

func payment(n byte, ref string, s domain.PaymentStatus, minor int64, ago time.Duration) domain.Payment {
	p := domain.Payment{
		ID: domain.PaymentID{UUID: uuidOf(n)}, ConnectionID: domain.ConnectionID{UUID: uuidOf(1)}, Reference: ref, Status: s,
		Method: domain.MethodFrame, Amount: pounds(minor), Captured: pounds(0), Refunded: pounds(0), Held: pounds(0),
		OrderReference: "Hamper 2261", Card: domain.Card{Brand: "Visa", Last4: "1881", Expiry: "08/28"}, CreatedByName: "Maya Okafor",
		ConnectionName: "Northgate Payments", Provider: "cardflo", CreatedAt: now.Add(-ago),
	}
	switch s {
	case domain.PaymentApproved, domain.PaymentPartRefunded, domain.PaymentRefunded:
		p.Captured, p.AuthCode = p.Amount, "0Z81K4"
	case domain.PaymentProcessing:
		p.Card = domain.Card{}
	}
	return p
}

func rows() []domain.Payment {
	list := []domain.Payment{
		payment(11, "5H8QW2TN", domain.PaymentProcessing, 3600, 67*time.Second),
		payment(12, "WGCNG4FW", domain.PaymentApproved, 4840, 5*time.Minute),
		payment(13, "R4D0XJ6B", domain.PaymentUnknown, 1250, 6*time.Minute),
		payment(14, "PQJ5CFRX", domain.PaymentApproved, 3990, 7*time.Minute),
		payment(15, "TE2Y96PJ", domain.PaymentPartRefunded, 9260, 8*time.Minute),
		payment(16, "9TQ3MC7K", domain.PaymentDeclined, 1840, 20*time.Minute),
		payment(17, "R54W4VDM", domain.PaymentNotCharged, 3300, 21*time.Minute),
		payment(18, "6A7TRXXC", domain.PaymentRefunded, 3200, 28*time.Minute),
		payment(19, "Q9J8Y8HG", domain.PaymentNeedsPerson, 1500, 26*time.Hour),
		payment(20, "F7GGR633", domain.PaymentApproved, 123456789, 27*time.Hour),
	}
	list[3].Held = pounds(1000)
	list[4].Refunded = pounds(1250)
	list[7].Refunded = pounds(3200)
	list[1].Card.Brand, list[1].Method = "Mastercard", domain.MethodCard
	list[9].OrderReference, list[9].Method = "Wedding of Imogen & Theodore Warrington-Smythe, second instalment", domain.MethodPage
	list[9].CreatedByName = "Tom Birch"
	return list
}

func manyTabs() []components.Tab {
	return []components.Tab{
		{Label: "Today", URL: "/payments?from=2026-11-20", Active: true},
		{Label: "All", URL: "/payments"},
		{Label: "Needs review", URL: "/payments?status=unknown&status=needs_person", Count: 3},
		{Label: "Declined", URL: "/payments?status=declined"},
		{Label: "Refunded", URL: "/payments?status=refunded&status=part_refunded"},
	}
}

func list() pages.PaymentsListView {
	return pages.PaymentsListView{
		Layout: layout(), Tabs: manyTabs(), Rows: rows(), ExportURL: "/payments.csv?from=2026-11-20",
		Filter: pages.PaymentsFilter{
			From: "2026-11-20", Statuses: pages.StatusOptions(nil), Methods: pages.MethodOptions(nil),
			Connections: []components.Option{{Value: "a", Label: "Northgate Payments"}, {Value: "b", Label: "Handpoint till"}},
			Chips:       []components.Chip{{Label: "From 20 Nov 2026", RemoveURL: "/payments"}},
			ClearURL:    "/payments",
		},
		Pager: components.Pager{OlderURL: "/payments?after=opaque", Words: "14:31 back to 19 Nov 2026, 11:32.", Total: "£2,124.70 approved in this filter"},
	}
}

func sale(p domain.Payment, s domain.TransactionStatus) domain.Transaction {
	return domain.Transaction{
		ID: domain.TransactionID{UUID: uuidOf(p.ID.UUID[15] + 100)}, PaymentID: p.ID, Reference: p.Reference, Type: domain.Sale, Status: s, Amount: p.Amount,
		AttemptRef: "7f31c0a9-d2a4-4f0e-9a53-0c1de0a4b8aa", CreatedName: p.CreatedByName, CreatedAt: p.CreatedAt, SettledAt: p.CreatedAt.Add(time.Second), AuthCode: p.AuthCode,
	}
}

func refund(p domain.Payment, ref string, s domain.TransactionStatus, minor int64, ago time.Duration) domain.Transaction {
	t := sale(p, s)
	t.ID, t.Reference, t.Type, t.Amount, t.Note, t.AuthCode = domain.TransactionID{UUID: uuidOf(200)}, ref, domain.Refund, pounds(minor), "Charged in error", ""
	t.CreatedAt, t.SettledAt = now.Add(-ago), now.Add(-ago)
	return t
}

func receipt(m layouts.Model, p domain.Payment) components.Receipt {
	return pages.ReceiptOf(m, domain.Merchant{Name: "HARBOUR & RYE", Address: "Quay Street, Bristol BS1 4DJ\nMerchant 8841 2207", Mode: m.Mode}, p)
}

func form(p domain.Payment) pages.RefundFormView {
	return pages.RefundFormView{PaymentID: p.ID, CSRF: "csrf-value", Key: "key-value", Refundable: p.Refundable(), Held: p.Held, Card: p.Card, Dialog: true}
}

func saleActions(refund domain.Denial) []pages.ActionButton {
	return []pages.ActionButton{{Action: domain.ActRefund, Denied: refund}, {Action: domain.ActVoid, Denied: domain.DeniedCapability}, {Action: domain.ActTip, Denied: domain.DeniedCapability}}
}

func approved() pages.PaymentView {
	m := layout()
	p := payment(30, "7K2M04Q9", domain.PaymentApproved, 9260, 111*time.Minute)
	s := sale(p, domain.TxApproved)
	s.ProviderRef, s.ProviderCode = "20261120-ng7f31c0a9d2", "0000"
	f := form(p)
	return pages.PaymentView{
		Layout: m, Payment: p, Transactions: []domain.Transaction{s}, Actions: saleActions(domain.Possible), Check: domain.DeniedNothingToAsk, RefundForm: &f, Receipt: receipt(m, p),
		Messages: map[domain.TransactionID][]pages.ProviderMessage{s.ID: {
			{At: p.CreatedAt, Text: `POST /transaction/…/debit  merchantTransactionId=7f31c0a9 amount="92.60" currency=GBP`},
			{At: p.CreatedAt.Add(time.Second), Text: `200  {"success":true,"returnType":"FINISHED"}`},
		}},
	}
}

func refundUnknown() pages.PaymentView {
	v := approved()
	v.Payment.Held = pounds(1250)
	r := refund(v.Payment, "R4D0XJ6B", domain.TxUnknown, 1250, 270*time.Second)
	r.Asked, r.LastAskedAt, r.NextAskAt, r.SettledAt = 9, now, now.Add(30*time.Second), time.Time{}
	v.Transactions = append([]domain.Transaction{r}, v.Transactions...)
	v.GivesUpAt = map[domain.TransactionID]time.Time{r.ID: now.Add(25 * time.Minute)}
	v.Check, v.Live = domain.Possible, true
	v.Actions = []pages.ActionButton{{Action: domain.ActRefund}, {Action: domain.ActVoid, Denied: domain.DeniedBusy}, {Action: domain.ActTip, Denied: domain.DeniedBusy}}
	f := form(v.Payment)
	v.RefundForm = &f
	return v
}

func open(s domain.PaymentStatus, t domain.TransactionStatus) pages.PaymentView {
	m := layout()
	p := payment(31, "Q6T1ZB4M", s, 4200, 40*time.Second)
	tx := sale(p, t)
	tx.SettledAt = time.Time{}
	v := pages.PaymentView{Layout: m, Payment: p, Actions: saleActions(domain.DeniedOutcomeOpen), Check: domain.Possible, Live: true, JustTaken: true}
	if t == domain.TxUnknown || t == domain.TxNeedsPerson {
		tx.Asked, tx.LastAskedAt, tx.NextAskAt = 2, now, now.Add(30*time.Second)
	}
	if !t.Open() {
		tx.Reason, v.Actions, v.Check, v.Live = domain.ReasonInsufficientFunds, nil, domain.DeniedNothingToAsk, false
		if t == domain.TxFailed {
			tx.Reason = domain.ReasonNeverArrived
		}
	}
	v.Transactions = []domain.Transaction{tx}
	v.GivesUpAt = map[domain.TransactionID]time.Time{tx.ID: now.Add(time.Hour)}
	return v
}

// declinedFor is a declined sale with the provider's own words.
func declinedFor(r domain.Reason, words, code string) pages.PaymentView {
	v := open(domain.PaymentDeclined, domain.TxDeclined)
	v.Payment.Reason = r
	v.Transactions[0].Reason, v.Transactions[0].ProviderText, v.Transactions[0].ProviderCode = r, words, code
	return v
}

func cards() []pages.CardChoice {
	return []pages.CardChoice{
		{Card: domain.StoredCard{ID: domain.CardID{UUID: uuidOf(41)}, Card: domain.Card{Brand: "Visa", Last4: "4417", Expiry: "03/28"}, Customer: "Imogen Ware"}, Chosen: true},
		{Card: domain.StoredCard{ID: domain.CardID{UUID: uuidOf(42)}, Card: domain.Card{Brand: "Mastercard", Last4: "0352", Expiry: "11/26"}, Customer: "Theo Adeyemi"}, Note: "expires this month"},
		{Card: domain.StoredCard{ID: domain.CardID{UUID: uuidOf(43)}, Card: domain.Card{Brand: "Amex", Last4: "8804", Expiry: "02/26"}, Customer: "Ana Reis"}, Reason: "has expired"},
	}
}

func take(frameURL, origin string) pages.TakePaymentView {
	return pages.TakePaymentView{
		Layout: layout(), Connections: connections(), ConnectionID: domain.ConnectionID{UUID: uuidOf(1)}, ConnectionName: "Northgate Payments", ProviderName: "Northgate Payments",
		Key: "key-value", Currency: gbp, Currencies: []pages.CurrencyChoice{{Currency: gbp, Limit: pounds(500000)}}, OrderRequired: true,
		Frame: &pages.CardFrame{URL: frameURL, Origin: origin}, Page: true, Cards: cards(), CardsOffered: true,
	}
}

func connections() []pages.ConnectionChoice {
	return []pages.ConnectionChoice{
		{ID: domain.ConnectionID{UUID: uuidOf(1)}, Name: "Northgate Payments", Provider: "Cardflo", How: "Card by phone, provider’s page"},
		{ID: domain.ConnectionID{UUID: uuidOf(2)}, Name: "Handpoint till", Provider: "Handpoint", How: "Saved cards"},
		{ID: domain.ConnectionID{UUID: uuidOf(3)}, Name: "Old account", Provider: "Cardflo", Reason: "Switched off by an administrator"},
	}
}

func demo(code string) *pages.DemoNote {
	return &pages.DemoNote{Code: code, SignIns: []pages.DemoSignIn{
		{Merchant: "Harbour & Rye", Name: "Maya Okafor", Role: "Owner", Email: "maya@harbourandrye.example", Password: "demo-harbour-owner"},
		{Merchant: "Kaito Tea", Name: "Kaito Mori", Role: "Cashier", Email: "kaito@kaitotea.example", Password: "demo-kaito-cashier"},
	}}
}

func overview() pages.OverviewView {
	return pages.OverviewView{
		Layout: layout(), Waiting: rows()[2:4], More: 1, Latest: rows()[:5],
		Days: []pages.OverviewDay{{Currency: gbp, Sales: 88, Taken: pounds(208380), Refunds: 2, Refunded: pounds(2490), Net: pounds(205890), Declined: 2, OpenSales: 1, OpenSale: pounds(3600), OpenRefunds: 1, OpenRefund: pounds(1250)}},
	}
}

// samples lists every page and state. frameURL and origin are a stand-in for
// the provider's card box.
func samples(frameURL, origin string) []sample {
	var out []sample
	add := func(name string, page templ.Component) { out = append(out, sample{name: name, page: page}) }

	add("signin", pages.SignIn(pages.SignInView{Layout: signedOut()}))
	add("signin-wrong", pages.SignIn(pages.SignInView{Layout: signedOut(), Email: "maya@harbourandrye.example", Error: "The email or password is not right."}))
	add("signin-locked", pages.SignIn(pages.SignInView{Layout: signedOut(), Email: "maya@harbourandrye.example", Error: "Too many tries. Wait 15 minutes, then try again.", LockedFor: 15 * time.Minute}))
	add("signin-demo", pages.SignIn(pages.SignInView{Layout: signedOut(), Notice: pages.NoticeSignedOut, Demo: demo("")}))
	add("totp", pages.TOTP(pages.TOTPView{Layout: signedOut(), Email: "maya@harbourandrye.example", Demo: demo("402817")}))
	add("totp-wrong", pages.TOTP(pages.TOTPView{Layout: signedOut(), Error: "That code did not match. Check that your phone’s clock is set automatically, then try the next code."}))
	add("setup-password", pages.Setup(pages.SetupView{Layout: signedOut(), Token: "t", Step: pages.SetupPassword, Name: "Maya Okafor", Email: "maya@harbourandrye.example", Merchant: "Harbour & Rye", MinPassword: 12}))
	add("setup-factor", pages.Setup(pages.SetupView{Layout: signedOut(), Token: "t", Step: pages.SetupFactor, Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", QRURL: "/qr.png", Error: "That code did not match."}))
	add("setup-gone", pages.SetupGone(signedOut()))
	add("expired", pages.Expired(pages.ExpiredView{Layout: signedOut(), Nothing: "Nothing was charged.", SignInURL: "/signin?next=%2Fpayments%2Fnew", Kept: []components.Line{{Label: "Amount", Value: "42.00 GBP"}, {Label: "Order reference", Value: "Hamper 2261"}}}))

	add("overview", pages.Overview(overview()))
	first := pages.OverviewView{Layout: testMode(), FirstDay: true}
	add("overview-first-day", pages.Overview(first))
	many := overview()
	many.Layout.ManyCurrencies, many.Waiting, many.More = true, nil, 0
	many.Days = append(many.Days, pages.OverviewDay{Currency: jpy, Sales: 3, Taken: money.FromMinor(15000, jpy), Refunded: money.Zero(jpy), Net: money.FromMinor(15000, jpy), OpenSale: money.Zero(jpy), OpenRefund: money.Zero(jpy)},
		pages.OverviewDay{Currency: kwd, Sales: 1, Taken: money.FromMinor(14200, kwd), Refunded: money.Zero(kwd), Net: money.FromMinor(14200, kwd), OpenSale: money.Zero(kwd), OpenRefund: money.Zero(kwd)})
	add("overview-many-currencies", pages.Overview(many))

	add("payments", pages.PaymentsList(list()))
	withTest := list()
	withTest.Layout = testMode()
	withTest.Layout.Flash = &components.Flash{Tone: "good", Text: "Appearance saved."}
	add("payments-test-mode", pages.PaymentsList(withTest))
	none := list()
	none.State, none.Rows, none.Filter.Q = pages.ListNoMatch, nil, "<b>1881</b>"
	add("payments-no-match", pages.PaymentsList(none))
	wrong := list()
	wrong.State, wrong.Rows = pages.ListNoMatch, nil
	wrong.Filter.Min, wrong.Filter.Errors = "1,5", map[string]string{"min": "Write the amount with digits and a point, without commas or spaces, for example 12.50."}
	add("payments-bad-filter", pages.PaymentsList(wrong))
	day1 := list()
	day1.State, day1.Rows, day1.Tabs, day1.Filter.Chips = pages.ListFirstDay, nil, nil, nil
	add("payments-first-day", pages.PaymentsList(day1))
	failed := list()
	failed.State, failed.Rows, failed.ErrorRef = pages.ListFailed, nil, "req-5f0c1a"
	add("payments-failed", pages.PaymentsList(failed))
	analyst := list()
	analyst.Layout.Can = layouts.CanOf(domain.Analyst)
	add("payments-analyst", pages.PaymentsList(analyst))

	out = append(out, beginningSamples(frameURL, origin)...)
	add("take-choose", pages.TakePayment(pages.TakePaymentView{Layout: layout(), Connections: connections()}))
	add("take-none", pages.TakePayment(pages.TakePaymentView{Layout: layout()}))
	add("take", pages.TakePayment(take(frameURL, origin)))
	bad := take(frameURL, origin)
	bad.Amount, bad.Method = "0", domain.MethodPage
	bad.Errors = map[string]string{"amount": "Enter an amount above £0.00.", "order_reference": "Enter the order reference, for example “Hamper 2261”."}
	add("take-invalid", pages.TakePayment(bad))
	saved := take(frameURL, origin)
	saved.Frame, saved.Page, saved.Method, saved.Amount = nil, false, domain.MethodCard, "42.00"
	saved.Unavailable = map[domain.Method]string{domain.MethodFrame: "Not offered by Handpoint", domain.MethodPage: "Not offered by Handpoint"}
	saved.ConnectionName, saved.ProviderName = "Handpoint till", "Handpoint"
	add("take-saved-card", pages.TakePayment(saved))
	multi := take(frameURL, origin)
	multi.Layout.ManyCurrencies, multi.Currency, multi.OrderRequired = true, jpy, false
	multi.Currencies = []pages.CurrencyChoice{{Currency: gbp, Limit: pounds(500000)}, {Currency: jpy, Limit: money.Zero(jpy)}, {Currency: kwd, Limit: money.Zero(kwd)}}
	add("take-many-currencies", pages.TakePayment(multi))
	frameOnly := take(frameURL, origin)
	frameOnly.Page, frameOnly.CardsOffered, frameOnly.Cards = false, false, nil
	add("take-frame-only", pages.TakePayment(frameOnly))
	nothing := take(frameURL, origin)
	nothing.Frame, nothing.Page, nothing.Cards = nil, false, nil
	add("take-nothing-possible", pages.TakePayment(nothing))

	just := approved()
	just.JustTaken = true
	just.Layout.Mode = domain.Test
	just.Receipt.Test = true
	add("payment-approved", pages.Payment(just))
	add("payment-refund-unknown", pages.Payment(refundUnknown()))
	dialog := refundUnknown()
	out = append(out, sample{name: "payment-refund-dialog", page: pages.Payment(dialog), open: "refund"})
	out = append(out, sample{name: "keys-dialog", page: pages.Payment(approved()), open: "keys"})
	add("payment-unknown", pages.Payment(open(domain.PaymentUnknown, domain.TxUnknown)))
	person := open(domain.PaymentNeedsPerson, domain.TxNeedsPerson)
	person.Live = false
	add("payment-needs-person", pages.Payment(person))
	add("payment-processing", pages.Payment(open(domain.PaymentProcessing, domain.TxPending)))
	entry := open(domain.PaymentProcessing, domain.TxProcessing)
	entry.FrameURL, entry.FrameNow, entry.Transactions[0].RedirectURL = frameURL, true, frameURL
	add("payment-card-entry", pages.Payment(entry))
	add("payment-declined", pages.Payment(open(domain.PaymentDeclined, domain.TxDeclined)))
	add("payment-declined-stopped", pages.Payment(declinedFor(domain.ReasonLostOrStolen, "Stolen card", "43")))
	add("payment-declined-own-words", pages.Payment(declinedFor(domain.ReasonUnmapped, "Try again on Friday", "ZZ")))
	add("payment-not-charged", pages.Payment(open(domain.PaymentNotCharged, domain.TxFailed)))
	part := approved()
	part.Payment.Status, part.Payment.Refunded = domain.PaymentPartRefunded, pounds(1250)
	part.Transactions = append([]domain.Transaction{refund(part.Payment, "R4D0XJ6B", domain.TxApproved, 1250, 5*time.Minute)}, part.Transactions...)
	part.JustTaken = true
	part.Receipt = receipt(part.Layout, part.Payment)
	add("payment-part-refunded", pages.Payment(part))
	refused := approved()
	declined := refund(refused.Payment, "R4D0XJ6B", domain.TxDeclined, 1250, 5*time.Minute)
	declined.Reason = domain.ReasonNotAllowed
	refused.Transactions = append([]domain.Transaction{declined}, refused.Transactions...)
	add("payment-refund-declined", pages.Payment(refused))
	cannot := approved()
	cannot.Actions, cannot.RefundForm = saleActions(domain.DeniedRemoved), nil
	add("payment-refund-impossible", pages.Payment(cannot))

	p := approved().Payment
	f := form(p)
	f.Dialog = false
	add("refund", pages.RefundPage(pages.RefundPageView{Layout: layout(), Payment: p, Form: f}))
	f.Kind, f.Amount, f.Errors = pages.RefundPart, "95.00", map[string]string{"amount": "That is more than the £92.60 that can be refunded now."}
	add("refund-too-much", pages.RefundPage(pages.RefundPageView{Layout: layout(), Payment: p, Form: f}))
	add("refund-denied", pages.RefundPage(pages.RefundPageView{Layout: layout(), Payment: p, Denied: domain.DeniedNothingLeft}))

	add("receipt", pages.Receipt(pages.ReceiptView{Layout: layout(), PaymentID: p.ID, Receipt: receipt(layout(), p)}))
	add("receipt-test", pages.Receipt(pages.ReceiptView{Layout: testMode(), PaymentID: p.ID, Receipt: receipt(testMode(), p)}))
	add("receipt-none", pages.Receipt(pages.ReceiptView{Layout: layout(), PaymentID: p.ID, Note: "There is no receipt: nothing was taken."}))

	for _, status := range []int{400, 401, 403, 404, 409, 422, 429, 500, 503} {
		v := pages.ErrorView{Layout: layout(), Status: status, RequestID: "req-5f0c1a"}
		if status == 401 {
			v.Layout = signedOut()
		}
		if status == 503 {
			v.Money, v.RetryURL = "Nothing was charged.", "/payments"
		}
		add("error-"+time.Duration(status).String()[:3], pages.ErrorPage(v))
	}
	connectionSamples(add)
	outcomeSamples(func(sm sample) { out = append(out, sm) })
	approvalSamples(add)
	worklistSamples(add)
	deviceSamples(add)
	onTerminalSamples(add)
	add("account", pages.Account(pages.AccountView{Layout: layout(), Name: "Maya Okafor", Email: "maya@harbourandrye.example", Role: "Owner", SignedInAt: now.Add(-time.Hour), EndsAt: now.Add(11 * time.Hour), IdleFor: 15 * time.Minute}))
	add("card-return", pages.CardReturn(pages.CardReturnView{Outcome: "success"}))
	return out
}
