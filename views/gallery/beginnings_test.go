package gallery

import (
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/pages"
)

// began is a payment's page right after it began as something else than a sale.
func began(kind domain.TransactionType, how domain.Method, status domain.PaymentStatus, t domain.TransactionStatus) pages.PaymentView {
	v := open(status, t)
	v.Payment.Kind, v.Payment.Method = kind, how
	v.Transactions[0].Type = kind
	v.Transactions[0].Reason = domain.ReasonNone
	v.Begin = pages.BeginningView{Root: v.Transactions[0], StoreCard: domain.DeniedCapability}
	return v
}

// kinds are the three of the form; of a connection without holds and links the
// last two say why.
func kinds(why string) []pages.KindChoice {
	var out []pages.KindChoice
	for _, k := range []string{pages.KindSale, pages.KindPreauth, pages.KindLink} {
		c := pages.KindChoice{Kind: k, URL: "/payments/new?kind=" + k}
		if k != pages.KindSale {
			c.Reason = why
		}
		out = append(out, c)
	}
	return out
}

func storedCards() []pages.CardRow {
	var out []pages.CardRow
	for i, c := range cards() {
		card := c.Card
		card.ConnectionName, card.CreatedAt = "Northgate Payments", now.Add(-time.Duration(i*300)*time.Hour)
		out = append(out, pages.CardRow{Card: card, ChargeURL: "/payments/new?card=" + card.ID.String(), PayoutURL: "/payouts/new?card=" + card.ID.String()})
	}
	out[1].Card.ForgettingAt, out[1].ChargeURL, out[1].PayoutURL, out[1].Card.PaymentID = now, "", "", domain.PaymentID{UUID: uuidOf(31)}
	out[2].Card.Customer, out[2].ChargeURL = "", ""
	return out
}

// beginningSamples are the pages that begin a payment, and what they lead to.
func beginningSamples(frameURL, origin string) []sample {
	var out []sample
	form := func(kind string) pages.TakePaymentView {
		v := take(frameURL, origin)
		v.Kind, v.Kinds, v.CanSurcharge, v.CanAutoCapture, v.MailsLinks = kind, kinds(""), true, true, true
		v.Amount, v.Surcharge, v.OrderReference = "42.00", "0.60", "Hamper 2261"
		return v
	}
	sale := form(pages.KindSale)
	out = append(out, sample{name: "take-sale", page: pages.TakePayment(sale)}, sample{name: "take-preauth", page: pages.TakePayment(form(pages.KindPreauth))})
	link := form(pages.KindLink)
	link.Frame, link.Page, link.CardsOffered = nil, false, false
	out = append(out, sample{name: "take-link", page: pages.TakePayment(link)})
	bad := link
	bad.Errors = map[string]string{"email": "Enter the address that the link is sent to.", "expires": "Choose how long the link can be paid on: 5 minutes to 30 days.", "surcharge": "The surcharge is a part of the whole sum and cannot be all of it."}
	out = append(out, sample{name: "take-link-invalid", page: pages.TakePayment(bad)})
	few := form(pages.KindSale)
	few.Frame, few.Page, few.CanSurcharge, few.Kinds, few.Method = nil, false, false, kinds("Handpoint does not offer it."), domain.MethodCard
	out = append(out, sample{name: "take-few-kinds", page: pages.TakePayment(few)})
	again := form(pages.KindSale)
	again.FormError = "There is a payment like this already. Nothing was charged."
	first := payment(30, "7K2M04Q9", domain.PaymentApproved, 4200, time.Minute)
	again.Duplicate = &pages.DuplicateView{Payment: first, Words: pages.DuplicateWords(layout(), first)}
	out = append(out, sample{name: "take-duplicate", page: pages.TakePayment(again)})

	sent := began(domain.Sale, domain.MethodLink, domain.PaymentLinkSent, domain.TxProcessing)
	sent.Payment.Card = domain.Card{}
	sent.Transactions[0].ExpiresAt, sent.Transactions[0].Surcharge = now.Add(24*time.Hour), pounds(60)
	sent.Transactions[0].RedirectURL = "https://gateway.northgate.example/pay/6ba2b0e0d02ac342cc4134a57a8c1d0e"
	sent.Begin.Root, sent.Begin.LinkURL = sent.Transactions[0], sent.Transactions[0].RedirectURL
	out = append(out, sample{name: "payment-link", page: pages.Payment(sent)})
	still := sent
	still.Begin.CancelLink = domain.DeniedNoCancel
	out = append(out, sample{name: "payment-link-stays", page: pages.Payment(still)})
	out = append(out, sample{name: "link-cancel", page: pages.CancelLink(pages.CancelLinkView{Layout: layout(), Payment: sent.Payment, Root: sent.Begin.Root})})
	out = append(out, sample{name: "link-cancel-doubt", page: pages.CancelLink(pages.CancelLinkView{Layout: layout(), Payment: sent.Payment, Root: sent.Begin.Root,
		FormError: "The provider did not confirm it, so the link may still be paid. Try again in a moment, and tell the customer not to pay on it."})})
	out = append(out, sample{name: "link-cancel-denied", page: pages.CancelLink(pages.CancelLinkView{Layout: layout(), Payment: sent.Payment, Root: sent.Begin.Root, Denied: domain.DeniedLinkEnded})})

	for _, s := range []struct {
		name   string
		kind   domain.TransactionType
		status domain.PaymentStatus
		tx     domain.TransactionStatus
	}{
		{"payment-hold", domain.Preauth, domain.PaymentAuthorised, domain.TxApproved},
		{"payment-hold-unknown", domain.Preauth, domain.PaymentUnknown, domain.TxUnknown},
		{"payment-payout", domain.Payout, domain.PaymentApproved, domain.TxApproved},
		{"payment-payout-person", domain.Payout, domain.PaymentNeedsPerson, domain.TxNeedsPerson},
		{"payment-card-stored", domain.Register, domain.PaymentApproved, domain.TxApproved},
		{"payment-card-refused", domain.Register, domain.PaymentDeclined, domain.TxDeclined},
	} {
		v := began(s.kind, domain.MethodFrame, s.status, s.tx)
		v.Transactions[0].Note = map[domain.TransactionType]string{domain.Payout: "Raffle, first prize", domain.Register: "Imogen Ware"}[s.kind]
		if s.kind == domain.Register {
			v.Payment.Amount, v.Transactions[0].Amount = pounds(0), pounds(0)
		}
		if s.kind == domain.Preauth {
			v.Payment.Authorised, v.Payment.ExpiresAt, v.Transactions[0].CapturesAt = v.Payment.Amount, now.Add(7*24*time.Hour), now.Add(24*time.Hour)
		}
		if s.tx == domain.TxDeclined {
			v.Transactions[0].Reason = domain.ReasonExpiredCard
		}
		v.Begin.Root = v.Transactions[0]
		if s.tx == domain.TxApproved && s.kind != domain.Register {
			v.Begin.StoreCard, v.Begin.Payout = domain.Possible, s.kind != domain.Payout
		}
		out = append(out, sample{name: s.name, page: pages.Payment(v)})
	}

	forgetting := began(domain.Register, domain.MethodFrame, domain.PaymentUnknown, domain.TxApproved)
	forgetting.Payment.Amount, forgetting.Transactions[0].Amount = pounds(0), pounds(0)
	gone := forgetting.Transactions[0]
	gone.ID, gone.Type, gone.Status, gone.Reference = domain.TransactionID{UUID: uuidOf(201)}, domain.Deregister, domain.TxUnknown, "R4D0XJ6B"
	forgetting.Transactions = append([]domain.Transaction{gone}, forgetting.Transactions...)
	forgetting.Begin.Root = forgetting.Transactions[1]
	out = append(out, sample{name: "payment-card-forgetting", page: pages.Payment(forgetting)})

	list := pages.CardsView{Layout: layout(), Rows: storedCards(), Manage: true, CanStore: true, CanPayOut: true, Pager: components.Pager{Words: "20 Nov 2026 back to 2 Nov 2026", OlderURL: "/cards?after=x"},
		Connections: []components.Option{{Value: "a", Label: "Northgate Payments"}, {Value: "b", Label: "Handpoint till"}}}
	out = append(out, sample{name: "cards", page: pages.Cards(list)})
	none := list
	none.Rows, none.FirstDay = nil, true
	out = append(out, sample{name: "cards-first-day", page: pages.Cards(none)})
	none.FirstDay, none.Q = false, "<b>Theo"
	out = append(out, sample{name: "cards-no-match", page: pages.Cards(none)})

	out = append(out, sample{name: "card-new", page: pages.NewCard(pages.NewCardView{Layout: layout(), Connections: connections()[:2], ConnectionID: domain.ConnectionID{UUID: uuidOf(1)}, ConnectionName: "Northgate Payments",
		ProviderName: "Northgate Payments", Key: "key-value", Frame: &pages.CardFrame{URL: frameURL, Origin: origin}})})
	out = append(out, sample{name: "card-new-invalid", page: pages.NewCard(pages.NewCardView{Layout: layout(), ConnectionID: domain.ConnectionID{UUID: uuidOf(1)}, ConnectionName: "Northgate Payments", ProviderName: "Northgate Payments",
		Key: "key-value", Errors: map[string]string{"customer": "Enter whose card it is, for example “Imogen Ware”."}})})
	out = append(out, sample{name: "card-new-choose", page: pages.NewCard(pages.NewCardView{Layout: layout(), Connections: connections()[:2]})})
	out = append(out, sample{name: "card-new-none", page: pages.NewCard(pages.NewCardView{Layout: layout()})})
	out = append(out, sample{name: "card-forget", page: pages.ForgetCard(pages.ForgetCardView{Layout: layout(), Card: cards()[0].Card, AtProvider: true})})
	out = append(out, sample{name: "card-forget-here", page: pages.ForgetCard(pages.ForgetCardView{Layout: layout(), Card: cards()[0].Card, Why: "Handpoint cannot be told to forget a card. It keeps its token; Counterfoil throws its own copy away."})})
	store := pages.StoreCardView{Layout: layout(), Payment: approved().Payment}
	out = append(out, sample{name: "card-store", page: pages.StoreCard(store)})
	store.Denied = domain.DeniedTooOld
	out = append(out, sample{name: "card-store-denied", page: pages.StoreCard(store)})

	pay := pages.PayoutView{Layout: layout(), Connections: connections()[:2], ConnectionID: domain.ConnectionID{UUID: uuidOf(1)}, ConnectionName: "Northgate Payments", ProviderName: "Northgate Payments", Key: "key-value",
		Cards: cards()[:2], Amount: "50.00", Currency: gbp, Currencies: []pages.CurrencyChoice{{Currency: gbp, Limit: pounds(0)}}}
	out = append(out, sample{name: "payout", page: pages.Payout(pay)})
	wrong := pay
	wrong.Errors = map[string]string{"amount": "Enter an amount above £0.00.", "note": "Say why the money is paid out, in a few words."}
	wrong.Amount = "0"
	wrong.Currencies = append(wrong.Currencies, pages.CurrencyChoice{Currency: jpy, Limit: money.Zero(jpy)})
	wrong.Layout.ManyCurrencies = true
	out = append(out, sample{name: "payout-invalid", page: pages.Payout(wrong)})
	back := pay
	back.To, back.Cards = approved().Payment, nil
	out = append(out, sample{name: "payout-to-payment", page: pages.Payout(back)})
	back.To = domain.Payment{}
	out = append(out, sample{name: "payout-no-card", page: pages.Payout(back)})
	out = append(out, sample{name: "payout-none", page: pages.Payout(pages.PayoutView{Layout: layout()})})
	return out
}

// The label of the button reads back what will be charged, whatever is typed
// last, and another kind of payment keeps what was typed.
func TestTheButtonReadsTheWholeSumBack(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/take-sale", playwright.BrowserNewContextOptions{})
	says := func(button, line, surcharge string) {
		t.Helper()
		got := eval(t, page, `() => ["go", "total", "line", "surcharge-line"].map((id) => document.getElementById(id).textContent).join("|")`)
		want := "Charge " + button + "|" + button + "|" + line + "|" + surcharge
		if button == "" {
			want = "Charge|–|" + line + "|" + surcharge
		}
		if got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	}
	says("£42.60", "£42.00", "£0.60")
	must(t, page.Locator("#surcharge").Fill("1.00"))
	says("£43.00", "£42.00", "£1.00")
	must(t, page.Locator("#amount").Fill("1000.00"))
	says("£1,001.00", "£1,000.00", "£1.00")
	must(t, page.Locator("#surcharge").Fill(""))
	says("£1,000.00", "£1,000.00", "–")
	must(t, page.Locator("#surcharge").Fill("x"))
	says("", "£1,000.00", "–")
	href := eval(t, page, `() => {
		document.addEventListener("click", (e) => e.preventDefault(), {once: true, capture: true});
		const link = document.querySelector(".kinds a[href*=preauth]");
		link.click();
		return link.getAttribute("href");
	}`)
	if !strings.Contains(href.(string), "amount=1000.00") || !strings.Contains(href.(string), "order_reference=Hamper+2261") || !strings.Contains(href.(string), "kind=preauth") {
		t.Errorf("another kind is at %s", href)
	}
}
