package gallery

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/static"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
)

const provider = "https://cards.provider.example"

func render(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var buf bytes.Buffer
	if err := c.Render(context.Background(), &buf); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func each(t *testing.T, check func(t *testing.T, doc *goquery.Document)) {
	t.Helper()
	for _, sm := range samples(provider+"/box", provider) {
		t.Run(sm.name, func(t *testing.T) { check(t, render(t, sm.page)) })
	}
}

func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestNoPageCarriesInlineStyleScriptOrHandler(t *testing.T) {
	known := map[string]bool{}
	for _, s := range static.Scripts() {
		known[s.URL] = true
	}
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("*").Each(func(_ int, el *goquery.Selection) {
			for _, a := range el.Nodes[0].Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.Contains(a.Val, "javascript:") || strings.Contains(a.Val, "js:") {
					t.Errorf("%s=%q on <%s>", a.Key, a.Val, goquery.NodeName(el))
				}
				if a.Key == "hx-trigger" && strings.Contains(a.Val, "[") {
					t.Errorf("a trigger filter needs eval: %q", a.Val)
				}
			}
		})
		if n := doc.Find("style").Length(); n > 0 {
			t.Errorf("%d <style> elements", n)
		}
		doc.Find("script").Each(func(_ int, el *goquery.Selection) {
			if src := el.AttrOr("src", ""); !known[src] || text(el) != "" {
				t.Errorf("script %q is not in the inventory, or has a body", src)
			}
		})
		doc.Find("link[href], img[src], use[href]").Each(func(_ int, el *goquery.Selection) {
			ref := el.AttrOr("href", el.AttrOr("src", ""))
			if !strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "//") {
				t.Errorf("%s loads %q from elsewhere", goquery.NodeName(el), ref)
			}
		})
	})
}

func TestEveryReferenceInsideAPageLeadsSomewhere(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		ids := map[string]int{}
		doc.Find("[id]").Each(func(_ int, el *goquery.Selection) { ids[el.AttrOr("id", "")]++ })
		for id, n := range ids {
			if n > 1 {
				t.Errorf("id %q occurs %d times", id, n)
			}
		}
		for _, attr := range []string{"aria-describedby", "aria-labelledby", "for", "commandfor", "popovertarget", "data-amount-for", "data-currency-select", "data-needs-script", "data-copy", "data-reveal", "data-fixed-for", "data-wakes", "data-dialog"} {
			doc.Find("[" + attr + "]").Each(func(_ int, el *goquery.Selection) {
				for _, id := range strings.Fields(el.AttrOr(attr, "")) {
					if ids[id] == 0 {
						t.Errorf("%s=%q on <%s> leads nowhere", attr, id, goquery.NodeName(el))
					}
				}
			})
		}
		doc.Find(`a[href^="#"]`).Each(func(_ int, el *goquery.Selection) {
			if ids[el.AttrOr("href", "")[1:]] == 0 {
				t.Errorf("a link to %q leads nowhere", el.AttrOr("href", ""))
			}
		})
		doc.Find("use").Each(func(_ int, el *goquery.Selection) {
			sprite, symbol, _ := strings.Cut(el.AttrOr("href", ""), "#")
			if sprite != static.URL("icons.svg") || !sprites(t)[symbol] {
				t.Errorf("no icon %q", el.AttrOr("href", ""))
			}
		})
	})
}

func sprites(t *testing.T) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(root + "/static/dist/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, m := range regexp.MustCompile(`<symbol id="([^"]+)"`).FindAllStringSubmatch(string(raw), -1) {
		have[m[1]] = true
	}
	return have
}

func TestEveryFieldHasALabelAndEveryInvalidFieldItsSentence(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, el *goquery.Selection) {
			id := el.AttrOr("id", "")
			if el.Closest("label").Length() == 0 && (id == "" || doc.Find(`label[for="`+id+`"]`).Length() == 0) {
				t.Errorf("field %q has no label", el.AttrOr("name", ""))
			}
		})
		doc.Find(`[aria-invalid="true"]`).Each(func(_ int, el *goquery.Selection) {
			if doc.Find("[data-error-summary]").Length() > 0 && el.AttrOr("id", "") == "" {
				t.Errorf("invalid field %q has no id to link to", el.AttrOr("name", ""))
			}
			told := doc.Find(`[role="alert"]`).Length() > 0
			for _, ref := range strings.Fields(el.AttrOr("aria-describedby", "")) {
				p := doc.Find("#" + ref)
				if _, hidden := p.Attr("hidden"); p.HasClass("err") && !hidden && text(p) != "" {
					told = true
				}
			}
			if !told {
				t.Errorf("invalid field %q says nothing", el.AttrOr("name", ""))
			}
		})
	})
}

func TestEveryPostFormCarriesTheToken(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("form").Each(func(_ int, form *goquery.Selection) {
			method := form.AttrOr("method", "")
			if method == "" {
				t.Errorf("a form to %q has no method", form.AttrOr("action", ""))
			}
			if method == "post" && form.Find(`input[name="_csrf"]`).AttrOr("value", "") != "csrf-value" {
				t.Errorf("the form to %q has no token", form.AttrOr("action", ""))
			}
		})
	})
}

func TestEveryPageHasOneHeadingOneMainAndASkipLink(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		if n := doc.Find("h1").Length(); n != 1 {
			t.Errorf("%d headings of the first level", n)
		}
		if n := doc.Find("main#main").Length(); n != 1 {
			t.Errorf("%d <main>", n)
		}
		if doc.Find("html").AttrOr("lang", "") != "en-GB" || !strings.HasSuffix(doc.Find("title").Text(), "Counterfoil") {
			t.Error("no language or no title")
		}
		if doc.Find("body.framed").Length() == 0 && doc.Find("body > a.skip").Length() != 1 {
			t.Error("no skip link")
		}
	})
}

// The addresses of limits, approvals and what else asks for both factors again.
var (
	limitLinks   = regexp.MustCompile(`^(/approvals(\?.*)?|/approvals/[0-9a-f-]{36}|/settings/limits|/settings/limits/(new|[0-9a-f-]{36})|/payments/[0-9a-f-]{36}/refund\?amount=.*)$`)
	limitActions = regexp.MustCompile(`^(/confirm|/approvals|/approvals/[0-9a-f-]{36}/(approve|refuse|withdraw)|/settings/limits|/settings/limits/[0-9a-f-]{36}(/remove)?)$`)
)

// A page links to nothing that is not there.
func TestPagesLinkOnlyToWhatExists(t *testing.T) {
	exists := regexp.MustCompile(`^(/|/account|/connections|/connections/new(\?provider=[a-z]+)?|/connections/[0-9a-f-]{36}(/callbacks|/edit)?|/signin(\?.*)?|/payments(\?.*)?(#q)?|/payments\.csv(\?.*)?|/payments/new(\?.*)?|/payments/[0-9a-f-]{36}(/refund|/receipt|/capture|/increase|/decrease|/void|/void-refund|/tip|/provider|/settle(\?transaction=[0-9a-f-]{36})?|/link-cancel|/store-card|\?(frame=1|new=1|frame=1&new=1))?|/payouts/new(\?.*)?|/cards(\?.*)?|/cards/new(\?.*)?|/cards/[0-9a-f-]{36}/forget)$`)
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("a[href], [hx-get]").Each(func(_ int, el *goquery.Selection) {
			for _, attr := range []string{"href", "hx-get"} {
				ref, ok := el.Attr(attr)
				if ok && !strings.HasPrefix(ref, "#") && !strings.HasPrefix(ref, provider) && !exists.MatchString(ref) && !worklistLinks.MatchString(ref) && !deviceLinks.MatchString(ref) && !limitLinks.MatchString(ref) {
					t.Errorf("%s=%q", attr, ref)
				}
			}
		})
		actions := regexp.MustCompile(`^(/payments|/signin|/signin/totp|/signout|/setup/t|/account/theme|/connections|/connections/[0-9a-f-]{36}/(edit|test|pause|resume|remove|rotate(/(confirm|switch|cancel|retire))?)|/payments/[0-9a-f-]{36}/(refunds|capture|increase|decrease|void|void-refund|stop|print|tip|provider|settle|link-cancel|store-card|check(\?frame=1)?)|/payouts|/cards|/cards/[0-9a-f-]{36}/forget)$`)
		doc.Find("form[action], [hx-post]").Each(func(_ int, el *goquery.Selection) {
			for _, attr := range []string{"action", "hx-post"} {
				if ref, ok := el.Attr(attr); ok && !actions.MatchString(ref) && !worklistActions.MatchString(ref) && !deviceActions.MatchString(ref) && !limitActions.MatchString(ref) {
					t.Errorf("%s=%q", attr, ref)
				}
			}
		})
	})
}

func TestTextOfOthersIsEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script><b hx-get=/x onclick=x>`
	v := open(domain.PaymentUnknown, domain.TxUnknown)
	v.Layout.Merchant, v.Layout.UserName = evil, evil
	v.Payment.OrderReference, v.Payment.Email, v.Payment.Card.Brand, v.Payment.ConnectionName, v.Payment.CreatedByName = evil, evil, evil, evil, evil
	v.Transactions[0].ProviderText, v.Transactions[0].Note, v.Transactions[0].CreatedName, v.Transactions[0].ProviderRef = evil, evil, evil, evil
	v.Messages = map[domain.TransactionID][]pages.ProviderMessage{v.Transactions[0].ID: {{At: now, Text: evil}}}
	v.FrameURL = "javascript:alert(1)"
	l := list()
	l.Filter.Q, l.Rows[0].OrderReference, l.Filter.Chips[0].Label = evil, evil, evil
	form := take(provider, provider)
	form.Amount, form.OrderReference, form.Email, form.ConnectionName = evil, evil, evil, evil
	form.Cards[0].Card.Customer = evil
	for _, page := range []templ.Component{pages.Payment(v), pages.PaymentsList(l), pages.TakePayment(form)} {
		doc := render(t, page)
		if n := doc.Find("script:not([src]), b, [onclick], [hx-get='/x']").Length(); n > 0 {
			t.Errorf("%d elements came out of text", n)
		}
		if html, err := doc.Html(); err != nil || strings.Contains(html, `"javascript:`) {
			t.Error("an address that is a script got through", err)
		}
	}
	if got := render(t, pages.PaymentsList(l)).Find("#q").AttrOr("value", ""); got != evil {
		t.Errorf("the typed value came back as %q", got)
	}
}

func TestTypedValuesComeBackButNeverTheCard(t *testing.T) {
	v := take(provider, provider)
	v.Amount, v.OrderReference, v.Email, v.Method = "0", "Hamper 2261", "i@ware.example", domain.MethodFrame
	v.Errors = map[string]string{"amount": "Enter an amount above £0.00.", "card_token": "Type the card again."}
	doc := render(t, pages.TakePayment(v))
	for id, want := range map[string]string{"amount": "0", "order_reference": "Hamper 2261", "email": "i@ware.example"} {
		if got := doc.Find("#"+id).AttrOr("value", ""); got != want {
			t.Errorf("%s came back as %q, want %q", id, got, want)
		}
	}
	for _, name := range []string{"card_token", "card_brand", "card_last4", "card_expiry"} {
		if got := doc.Find(`input[name="`+name+`"]`).AttrOr("value", "missing"); got != "" {
			t.Errorf("%s came back as %q", name, got)
		}
	}
	if got := text(doc.Find("[data-error-summary] h2")); got != "2 things to fix. Nothing was charged." {
		t.Errorf("the summary says %q", got)
	}
}

func TestAnUnknownOutcomeForbidsTheRepeatAndSaysWhatHappensNext(t *testing.T) {
	v := open(domain.PaymentUnknown, domain.TxUnknown)
	doc := render(t, pages.Payment(v))
	words := text(doc.Find(".note.unknown"))
	for _, want := range []string{"Do not charge again.", "14:31:31", "next check is at 14:32:41", "£42.00 stays out of every total", "by 15:32:11, a person takes over"} {
		if !strings.Contains(words, want) {
			t.Errorf("the note does not say %q: %s", want, words)
		}
	}
	if strings.Contains(text(doc.Selection), "Retry") || strings.Contains(text(doc.Selection), "Try again") {
		t.Error("something offers to repeat it")
	}
	if got := text(doc.Find(".sum .total dd")); got != "£0.00" {
		t.Errorf("can be refunded now: %s", got)
	}
	live := doc.Find("#payment-live")
	if !strings.HasPrefix(live.AttrOr("hx-trigger", ""), "every 3s, refresh, payment-") || live.AttrOr("hx-headers", "") != `{"X-Background":"1"}` {
		t.Error("the page does not follow the outcome as a background request")
	}
}

func TestASettledPaymentDoesNotPoll(t *testing.T) {
	if doc := render(t, pages.Payment(approved())); doc.Find("#payment-live[hx-get]").Length() != 0 {
		t.Error("a settled payment polls")
	}
}

func TestADeclineSaysThatNothingWasTakenAndWhatToDo(t *testing.T) {
	words := text(render(t, pages.Payment(open(domain.PaymentDeclined, domain.TxDeclined))).Find(".note.bad"))
	for _, want := range []string{"Declined. Nothing was taken.", "insufficient funds", "What to do: Ask for another card",
		"Say to the customer: “Your bank did not approve the payment today.", "on another day, not today"} {
		if !strings.Contains(words, want) {
			t.Errorf("the note does not say %q: %s", want, words)
		}
	}
}

func TestEveryReasonIsToldWithWordsForTheCustomerAndAnAdvice(t *testing.T) {
	have := sprites(t)
	for _, r := range domain.Reasons() {
		page := render(t, pages.Payment(declinedFor(r, "Try again on Friday", "ZZ")))
		note := page.Find(".note.bad")
		e := r.Explain()
		if r == domain.ReasonUnmapped {
			e.What = "The provider said “Try again on Friday” (code “ZZ”)."
		}
		for _, want := range []string{e.What, "What to do: " + e.Do, "Say to the customer: “" + e.Say + "”", e.Advice.Words()} {
			if !strings.Contains(text(note), want) {
				t.Errorf("%s: the note does not say %q: %s", r, want, text(note))
			}
		}
		if !strings.Contains(text(page.Find(".timeline li").First()), e.What) {
			t.Errorf("%s: the timeline does not say what happened", r)
		}
		if icon := note.Find("p .i use").AttrOr("href", ""); !have[icon[strings.Index(icon, "#")+1:]] {
			t.Errorf("%s: the advice has the icon %q", r, icon)
		}
		if again := note.Find("a.btn").Length() > 0; again == (e.Advice == domain.FindOutFirst) {
			t.Errorf("%s: a new payment is offered: %v", r, again)
		}
	}
}

// A code that no table has is quoted; no reason of ours stands beside it.
func TestAnUnmappedCodeShowsTheProvidersWordsAndNoReasonOfOurs(t *testing.T) {
	for code, want := range map[string]string{"ZZ": "The provider gave the code “ZZ” and no words.", "": "The provider gave neither a code nor words."} {
		page := text(render(t, pages.Payment(declinedFor(domain.ReasonUnmapped, "", code))).Find("main"))
		if !strings.Contains(page, want) || !strings.Contains(page, "We do not know whether it may be tried again.") {
			t.Errorf("the page does not say %q: %s", want, page)
		}
		for _, r := range domain.Reasons() {
			if what, _ := r.Words(); r != domain.ReasonUnmapped && strings.Contains(page, what) {
				t.Errorf("the page invents %s", r)
			}
		}
	}
}

func TestEveryStatusHasAWordAnIconAndATone(t *testing.T) {
	have := sprites(t)
	check := func(s components.Status) {
		if s.Word == "" || !have["i-"+s.Icon] || s.Icon == "circle-dot" || !strings.Contains(" good info warn bad unknown quiet ", " "+s.Tone+" ") {
			t.Errorf("%+v is not a status of the vocabulary", s)
		}
	}
	for _, s := range domain.PaymentStatuses {
		check(components.PaymentStatus(s))
	}
	for _, s := range domain.TransactionStatuses {
		check(components.TransactionStatus(s))
	}
}

func TestNavigationHidesWhatARoleMayNotDo(t *testing.T) {
	for _, role := range domain.Roles {
		v := list()
		v.Layout.Can = layouts.CanOf(role)
		doc := render(t, pages.PaymentsList(v))
		if got := doc.Find(`a[href="/payments/new"]`).Length() > 0; got != role.May(domain.PaymentsTake) {
			t.Errorf("%s sees Take a payment: %v", role, got)
		}
	}
}

func TestAmountsCarryTheirCodeWhenThereAreSeveralCurrencies(t *testing.T) {
	v := list()
	v.Layout.ManyCurrencies = true
	v.Rows = v.Rows[:2]
	v.Rows[0].Amount = money.FromMinor(1500, jpy)
	v.Rows[1].Amount = money.FromMinor(14200, kwd)
	doc := render(t, pages.PaymentsList(v))
	var got []string
	doc.Find("td.amt > span:first-child").Each(func(_ int, s *goquery.Selection) { got = append(got, text(s)) })
	if strings.Join(got, " | ") != "1,500 JPY | 14.200 KWD" {
		t.Errorf("amounts %v", got)
	}
}

func TestTestReceiptsSayTestAcrossTheTotal(t *testing.T) {
	p := approved().Payment
	doc := render(t, pages.Receipt(pages.ReceiptView{Layout: testMode(), PaymentID: p.ID, Receipt: receipt(testMode(), p)}))
	if n := doc.Find(".receipt .test-box .total").Length(); n != 2 {
		t.Errorf("%d copies are marked", n)
	}
	if doc.Find(".banner-test").Length() != 1 || !strings.HasPrefix(doc.Find("title").Text(), "[Test] ") {
		t.Error("no banner or no mark in the title")
	}
}

func TestDemoWordsAppearOnlyWithADemoNote(t *testing.T) {
	for _, page := range []templ.Component{pages.SignIn(pages.SignInView{Layout: signedOut()}), pages.TOTP(pages.TOTPView{Layout: signedOut()})} {
		if html, err := render(t, page).Html(); err != nil || strings.Contains(strings.ToLower(html), "demo") {
			t.Error("the page speaks of a demo", err)
		}
	}
}

func TestErrorNoteIsOutOfBandAndQuotesTheRequest(t *testing.T) {
	doc := render(t, pages.ErrorNote(pages.ErrorView{Status: 500, RequestID: "req-5f0c1a"}))
	flash := doc.Find(`#flash[hx-swap-oob="true"]`)
	if !strings.Contains(text(flash), "req-5f0c1a") {
		t.Errorf("the note says %q", text(flash))
	}
}

func TestTemplatesInsertNothingRaw(t *testing.T) {
	files, err := filepath.Glob(root + "/views/*/*.templ")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates found", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"templ.Raw", "hx-on", "js:", "style=", "onclick", "<script>"} {
			if bytes.Contains(src, []byte(bad)) {
				t.Errorf("%s contains %q", f, bad)
			}
		}
	}
}
