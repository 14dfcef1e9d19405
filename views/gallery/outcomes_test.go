package gallery

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/pages"
)

// held is an authorised hold with its actions.
func held(left time.Duration) pages.PaymentView {
	m := layout()
	p := payment(50, "H4M8Q2ZT", domain.PaymentAuthorised, 9260, 52*time.Hour)
	p.Kind, p.Authorised, p.Tip, p.ExpiresAt, p.AuthCode = domain.Preauth, p.Amount, pounds(0), now.Add(left), "0Z81K4"
	t := sale(p, domain.TxApproved)
	t.Type, t.ProviderRef, t.ExpiresAt = domain.Preauth, "20261118-ng7f31c0a9d2", p.ExpiresAt
	v := pages.PaymentView{Layout: m, Payment: p, Transactions: []domain.Transaction{t}, Check: domain.DeniedNothingToAsk, MayAsk: true,
		Actions: []pages.ActionButton{{Action: domain.ActCapture}, {Action: domain.ActVoid}, {Action: domain.ActIncrease}, {Action: domain.ActDecrease}}}
	for _, b := range v.Actions {
		v.Forms = append(v.Forms, action(p, b.Action))
	}
	v.Receipt = receipt(m, p)
	return v
}

func action(p domain.Payment, a domain.Action) pages.ActionFormView {
	f := pages.ActionFormView{Action: a, Payment: p, CSRF: "csrf-value", Key: "key-value", Sum: p.Authorised, Again: true, Dialog: true}
	if p.Kind != domain.Preauth {
		f.Sum = p.Captured
	}
	if a == domain.ActCapture {
		f.Amount = f.Sum.Major()
	}
	return f
}

func actionPage(f pages.ActionFormView) pages.ActionPageView {
	f.Dialog = false
	return pages.ActionPageView{Layout: layout(), Form: f}
}

// unknownOn is a sale without an outcome whose provider can say in a moment that
// it never arrived.
func unknownOn(provider string, rule pages.Deciding) pages.PaymentView {
	v := open(domain.PaymentUnknown, domain.TxUnknown)
	v.Payment.Provider, v.Payment.ConnectionName = provider, "Quay Street till"
	v.Decides = map[domain.TransactionID]pages.Deciding{v.Transactions[0].ID: rule}
	v.MayAsk = true
	return v
}

func said(v pages.PaymentView, s domain.Said) pages.PaymentView {
	s.At, s.Op = now.Add(-time.Minute), "status"
	v.Transactions[0].Said = s
	v.MayAsk = true
	return v
}

func minor(n int64) *int64 { return &n }

// differing says less than we do, of less money.
func differing() pages.PaymentView {
	return said(approved(), domain.Said{Verdict: domain.SaidApproved, Amount: minor(9000), Currency: "GBP", Ref: "20261120-ng7f31c0a9d2", AuthCode: "0Z81K4", Brand: "VISA", Last4: "4417",
		Code: "0000", Text: "Transaction successful"})
}

func waiting() pages.PaymentView {
	v := open(domain.PaymentNeedsPerson, domain.TxNeedsPerson)
	v.Live = false
	v.Transactions[0].Asked, v.Transactions[0].NextAskAt = 96, now.Add(19*time.Hour)
	v.ForPerson = map[domain.TransactionID]bool{v.Transactions[0].ID: true}
	v.MaySettle = true
	return v
}

func settleForm() pages.SettleFormView {
	v := waiting()
	return pages.SettleFormView{Layout: layout(), Payment: v.Payment, Open: v.Transactions}
}

func tipForm() (pages.PaymentView, pages.ActionFormView) {
	v := approved()
	v.Payment.Kind, v.Payment.Tip = domain.Sale, pounds(300)
	v.Payment.Captured = pounds(9560)
	first := sale(v.Payment, domain.TxApproved)
	first.ID, first.Reference, first.Type, first.Amount, first.CreatedAt, first.AuthCode = domain.TransactionID{UUID: uuidOf(201)}, "T1P0000A", domain.TipAdjustment, pounds(200), now.Add(-30*time.Minute), ""
	second := first
	second.ID, second.Reference, second.Amount, second.CreatedAt = domain.TransactionID{UUID: uuidOf(202)}, "T1P0000B", pounds(300), now.Add(-20*time.Minute)
	v.Transactions = append([]domain.Transaction{second, first}, v.Transactions...)
	v.Actions = []pages.ActionButton{{Action: domain.ActRefund}, {Action: domain.ActVoid}, {Action: domain.ActTip}}
	v.Forms = []pages.ActionFormView{action(v.Payment, domain.ActVoid), action(v.Payment, domain.ActTip)}
	v.Receipt = receipt(v.Layout, v.Payment)
	return v, v.Forms[1]
}

func late() pages.PaymentView {
	v := approved()
	v.Transactions[0].Before = domain.Overturned{Status: domain.TxFailed, Reason: domain.ReasonNeverArrived, At: now.Add(-50 * time.Minute)}
	v.Transactions[0].SettledAt = now.Add(-10 * time.Minute)
	return v
}

func byHandYes() pages.PaymentView {
	v := said(approved(), domain.Said{Verdict: domain.SaidDeclined, Reason: domain.ReasonInsufficientFunds, Code: "2006", Text: "Insufficient funds"})
	v.Transactions[0].Reason = domain.ReasonByHand
	v.Transactions[0].Hand = domain.ByHand{Status: domain.TxApproved, ByName: "Tom Birch", At: now.Add(-30 * time.Minute), Note: "Called them, they see it as paid"}
	return v
}

func outcomeSamples(add func(sample)) {
	page := func(name string, v pages.PaymentView) { add(sample{name: name, page: pages.Payment(v)}) }
	page("unknown-handpoint", unknownOn("Handpoint", pages.Deciding{At: now.Add(61 * time.Second), Wants: 1}))
	page("unknown-cardflo", unknownOn("Cardflo", pages.Deciding{At: now.Add(269 * time.Second), Wants: 2, Has: 0}))
	page("hold", held(5*24*time.Hour+time.Hour))
	page("hold-lapsing", held(49*time.Hour))
	for _, a := range []domain.Action{domain.ActCapture, domain.ActIncrease, domain.ActVoid} {
		add(sample{name: "hold-" + string(a) + "-dialog", page: pages.Payment(held(5 * 24 * time.Hour)), open: string(a) + "-dialog"})
	}
	captured := held(5 * 24 * time.Hour)
	captured.Payment.Status, captured.Payment.Captured, captured.Payment.Authorised, captured.Payment.Tip = domain.PaymentCaptured, pounds(7000), pounds(2260), pounds(500)
	c := captured.Transactions[0]
	c.ID, c.Reference, c.Type, c.Amount, c.Tip, c.CreatedAt = domain.TransactionID{UUID: uuidOf(203)}, "CAPT0001", domain.Capture, pounds(7000), pounds(500), now.Add(-time.Hour)
	captured.Transactions = append([]domain.Transaction{c}, captured.Transactions...)
	captured.Actions = []pages.ActionButton{{Action: domain.ActCapture}, {Action: domain.ActRefund}, {Action: domain.ActVoid, Denied: domain.DeniedCaptured},
		{Action: domain.ActIncrease, Denied: domain.DeniedCaptured}, {Action: domain.ActDecrease, Denied: domain.DeniedCaptured}}
	captured.Forms = []pages.ActionFormView{action(captured.Payment, domain.ActCapture)}
	captured.Receipt = receipt(captured.Layout, captured.Payment)
	page("hold-captured", captured)
	voided := held(5 * 24 * time.Hour)
	voided.Payment.Status, voided.Payment.Authorised, voided.Actions, voided.Forms = domain.PaymentVoided, pounds(0), nil, nil
	voided.Receipt = receipt(voided.Layout, voided.Payment)
	page("hold-voided", voided)
	tipped, tip := tipForm()
	page("sale-with-tip", tipped)
	tip.Amount, tip.AskTip = "25.00", "£25.00 is more than 20 % of the £92.60 that it is given on."
	tip.Errors = map[string]string{"confirm_tip": "Tick this if the tip is right, or change it."}
	add(sample{name: "tip-asks", page: pages.ActionPage(actionPage(tip))})
	over := action(held(0).Payment, domain.ActCapture)
	over.Amount, over.Tip, over.FormError, over.Errors = "95.00", "5.00", "Nothing was captured.", map[string]string{"amount": "At most £92.60 is held. Increase the hold first."}
	add(sample{name: "capture-too-much", page: pages.ActionPage(actionPage(over))})
	whole := action(held(0).Payment, domain.ActCapture)
	whole.WholeOnly, whole.Again = domain.DeniedPartCapture.Words(), false
	add(sample{name: "capture-whole", page: pages.ActionPage(actionPage(whole))})
	dead := actionPage(action(held(0).Payment, domain.ActVoid))
	dead.Denied = domain.DeniedReleased
	add(sample{name: "void-denied", page: pages.ActionPage(dead)})
	page("difference", differing())
	d := differing()
	add(sample{name: "truth", page: pages.TruthPage(pages.TruthPageView{Layout: layout(), Payment: d.Payment, Transactions: d.Transactions, MayAsk: true, CSRF: "csrf-value"})})
	page("late-approval", late())
	page("by-hand-contradicted", byHandYes())
	page("needs-person", waiting())
	f := settleForm()
	add(sample{name: "settle", page: pages.SettlePage(f)})
	f.Happened, f.Note, f.Errors = pages.HappenedNo, "Called them", map[string]string{"note": "Say how you know, in 15 characters or more."}
	add(sample{name: "settle-short", page: pages.SettlePage(f)})
	f.Denied = domain.DeniedNoPerson.Words()
	add(sample{name: "settle-denied", page: pages.SettlePage(f)})
}

func TestAnUnknownOutcomeSaysWhenTheProviderCanDecide(t *testing.T) {
	doc := render(t, pages.Payment(unknownOn("Handpoint", pages.Deciding{At: now.Add(61 * time.Second), Wants: 1})))
	words := text(doc.Find(".note.unknown"))
	for _, want := range []string{"We do not know yet whether £42.00 was taken", "Handpoint can say so from 14:33:12 on. Before that, “not known” means nothing. 1 min 1 s left", "Our reference there7f31c0a9", "Quay Street till · Handpoint"} {
		if !strings.Contains(words, want) {
			t.Errorf("the note does not say %q: %s", want, words)
		}
	}
	left := doc.Find("[data-until]")
	if left.AttrOr("data-left", "") != "61" || left.Closest("[role=status], [aria-live]").Length() > 0 {
		t.Error("the countdown has no seconds, or stands in a region that is read out")
	}
	words = text(render(t, pages.Payment(unknownOn("Cardflo", pages.Deciding{At: now.Add(269 * time.Second), Wants: 2}))).Find(".note.unknown"))
	if want := "From 14:36:40 on, 2 answers “not known” in a row mean that Cardflo never charged it. There were 0 so far."; !strings.Contains(words, want) {
		t.Errorf("the note does not say %q: %s", want, words)
	}
}

func TestNoButtonIsDeadWithoutItsReason(t *testing.T) {
	for _, sm := range samples(provider+"/box", provider) {
		doc := render(t, sm.page)
		for _, n := range doc.Find("#payment-live button[disabled]").EachIter() {
			if text(doc.Find("#"+n.AttrOr("aria-describedby", "none"))) == "" {
				t.Errorf("%s: %q is dead and says nothing", sm.name, text(n))
			}
		}
	}
}

func TestTheButtonReadsTheAmountBack(t *testing.T) {
	hold, sum := held(0).Payment, approved().Payment
	sum.Kind = domain.Sale
	for _, tt := range []struct {
		p      domain.Payment
		a      domain.Action
		amount string
		want   string
	}{
		{hold, domain.ActCapture, "92.60", "Capture £92.60"}, {hold, domain.ActIncrease, "20.00", "Increase hold by £20.00"}, {hold, domain.ActIncrease, "", "Increase hold"},
		{hold, domain.ActDecrease, "1.00", "Decrease hold by £1.00"}, {hold, domain.ActVoid, "", "Void £92.60"}, {sum, domain.ActVoid, "", "Void £92.60"},
		{sum, domain.ActTip, "5.00", "Set tip of £5.00"}, {sum, domain.ActTip, "0.00", "Set tip of £0.00"}, {sum, domain.ActTip, "x", "Set tip"},
	} {
		f := action(tt.p, tt.a)
		f.Amount = tt.amount
		go_ := render(t, pages.ActionForm(f)).Find("#" + string(tt.a) + "-go")
		if text(go_) != tt.want || go_.HasClass("btn-bad") != (tt.a == domain.ActVoid) {
			t.Errorf("%s of %q says %q, want %q (or is red where it should not be)", tt.a, tt.amount, text(go_), tt.want)
		}
	}
}

func TestADifferenceIsMarkedByMoreThanColour(t *testing.T) {
	doc := render(t, pages.Payment(differing()))
	rows := doc.Find("tr.diff")
	if rows.Length() != 2 || text(rows.First()) != "Amount Differs£92.60£90.00" || rows.Find("svg").Length() != 2 {
		t.Errorf("%d rows differ, the first: %s", rows.Length(), text(rows.First()))
	}
	if words := text(doc.Find(".note.bad")); !strings.Contains(words, "Our record and cardflo’s differ") || !strings.Contains(words, "another amount and card’s last four") {
		t.Errorf("the note says: %s", words)
	}
}

func TestLateTruthAndContradictionsAreSaidInFull(t *testing.T) {
	for _, tt := range []struct {
		v    pages.PaymentView
		want []string
	}{
		{late(), []string{"The provider said later that it did go through", "At 13:42:11 the sale of £92.60 counted as “not charged”", "At 14:22:11 cardflo approved it", "refund one of the two"}},
		{byHandYes(), []string{"A person said yes and the provider says no", "Tom Birch wrote down at 14:02:11", "answered “declined”", "a person must find out who is right"}},
		{waiting(), []string{"A person must find out whether £42.00 was taken", "96 times", "once a day, next at 21 Nov 2026, 09:32:11", "Do not charge again until then.", "Write down what you found"}},
	} {
		words := text(render(t, pages.Payment(tt.v)).Find(".note"))
		for _, want := range tt.want {
			if !strings.Contains(words, want) {
				t.Errorf("the page does not say %q: %s", want, words)
			}
		}
	}
}

func TestReceiptsSayWhatTheyAreNot(t *testing.T) {
	voided := held(0)
	voided.Payment.Status, voided.Payment.Authorised = domain.PaymentVoided, pounds(0)
	tipped, _ := tipForm()
	paid, account := held(0), held(0)
	paid.Payment.Kind, paid.Payment.Status, paid.Payment.Authorised = domain.Payout, domain.PaymentApproved, pounds(0)
	account.Payment.Card = domain.Card{Brand: "Bank account", Last4: "5678"}
	if !pages.HasReceipt(paid.Payment) {
		t.Error("a payout has no receipt")
	}
	for _, tt := range []struct {
		v    pages.PaymentView
		want []string
	}{
		{held(0), []string{"Authorised£92.60", "HELD£92.60", "AUTHORISED, NOT CHARGED"}},
		{voided, []string{"VOID The hold was released", "VOIDED£0.00"}},
		{paid, []string{"Payout", "PAID OUT£92.60", "Sent to the card"}},
		{account, []string{"Bank accountending 5678"}},
		{tipped, []string{"Sale£92.60", "Tip£3.00", "TOTAL£95.60"}},
	} {
		words := text(render(t, pages.Receipt(pages.ReceiptView{Layout: layout(), PaymentID: tt.v.Payment.ID, Receipt: receipt(layout(), tt.v.Payment)})).Find(".receipt").First())
		for _, want := range tt.want {
			if !strings.Contains(words, want) {
				t.Errorf("the receipt does not say %q: %s", want, words)
			}
		}
	}
}

func TestTheCountdownTicksInPlace(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/unknown-handpoint", playwright.BrowserNewContextOptions{})
	left := page.Locator("[data-until]")
	before, err := left.BoundingBox()
	must(t, err)
	must(t, playwright.NewPlaywrightAssertions().Locator(left).ToHaveText(regexp.MustCompile(`^[0-9]+ s left$`), playwright.LocatorAssertionsToHaveTextOptions{Timeout: playwright.Float(15000)}))
	after, err := left.BoundingBox()
	must(t, err)
	if *before != *after {
		t.Errorf("it moved: %+v, then %+v", *before, *after)
	}
}

func TestALargeTipIsAskedAboutWhileItIsTyped(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/sale-with-tip", playwright.BrowserNewContextOptions{})
	must(t, page.Locator("#tip-open").Click())
	field, ask, button := page.Locator("#tip-amount"), page.Locator("#tip-ask"), page.Locator("#tip-go")
	expect := playwright.NewPlaywrightAssertions()
	must(t, field.Fill("18.52"))
	must(t, expect.Locator(ask).ToBeHidden())
	must(t, expect.Locator(button).ToHaveText("Set tip of £18.52"))
	must(t, field.Fill("18.53"))
	must(t, expect.Locator(ask).ToBeVisible())
	must(t, field.Fill("0.00"))
	must(t, expect.Locator(ask).ToBeHidden())
	must(t, expect.Locator(button).ToHaveText("Set tip of £0.00"))
}

func TestTheMenuOfActionsStaysOnThePage(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/hold-captured", playwright.BrowserNewContextOptions{})
	for _, width := range []int{360, 480, 768, 1024, 1440} {
		must(t, page.SetViewportSize(width, 800))
		must(t, page.Locator("#more-actions > summary").Click())
		box, err := page.Locator("#more-actions > ul").BoundingBox()
		must(t, err)
		if over := eval(t, page, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over != 0 || box.X < 0 || box.X+box.Width > float64(width) {
			t.Errorf("at %d px the menu lies at %+v and the page is %v px too wide", width, *box, over)
		}
		if width == 360 {
			if folder := os.Getenv("COUNTERFOIL_GALLERY"); folder != "" {
				_, err := page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(folder + "/menu-open-360.png")})
				must(t, err)
			}
		}
		must(t, page.Keyboard().Press("Escape"))
	}
}
