package gallery

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/pages"
)

var expect = playwright.NewPlaywrightAssertions(5000)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eval(t *testing.T, page playwright.Page, script string) any {
	t.Helper()
	v, err := page.Evaluate(script)
	must(t, err)
	return v
}

// posted waits for one form.
func (s *site) posted(t *testing.T) url.Values {
	t.Helper()
	select {
	case body := <-s.posts:
		v, err := url.ParseQuery(body)
		must(t, err)
		return v
	case <-time.After(5 * time.Second):
		t.Fatal("no form arrived")
		return nil
	}
}

func TestAmountInTheButtonFollowsTheFieldExactly(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/take-many-currencies", playwright.BrowserNewContextOptions{})
	for _, c := range []struct{ currency, typed, button string }{
		{"JPY", "1500", "Charge 1,500 JPY"},
		{"JPY", "15.00", "Charge"},
		{"KWD", "14.200", "Charge 14.200 KWD"},
		{"KWD", "14.2", "Charge"},
		{"GBP", "1234.56", "Charge 1,234.56 GBP"},
		{"GBP", "0.1", "Charge"},
		{"GBP", "90071992547409.93", "Charge 90,071,992,547,409.93 GBP"},
		{"GBP", "1e3", "Charge"},
		{"GBP", "１２", "Charge"},
		{"GBP", "-5", "Charge"},
		{"GBP", "12", "Charge 12.00 GBP"},
	} {
		_, err := page.Locator("#currency").SelectOption(playwright.SelectOptionValues{Values: &[]string{c.currency}})
		must(t, err)
		must(t, page.Locator("#amount").Fill(c.typed))
		if got, err := page.Locator("#go").TextContent(); err != nil || got != c.button {
			t.Errorf("%s %q: the button says %q, want %q (%v)", c.currency, c.typed, got, c.button, err)
		}
	}
	must(t, page.Locator("#amount").Blur())
	must(t, expect.Locator(page.Locator("#amount")).ToHaveValue("12.00"))
	must(t, page.Locator("#amount").Fill("5000.01"))
	must(t, expect.Locator(page.Locator("#amount-err")).ToContainText("The most that can be charged at once is 5,000.00 GBP."))
	must(t, page.Locator("#amount").Fill("4999"))
	must(t, expect.Locator(page.Locator("#amount-err")).ToBeHidden())
}

func TestFirstPressWins(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/take-saved-card", playwright.BrowserNewContextOptions{})
	must(t, page.Locator("#order_reference").Fill("Hamper 2261"))
	// Both presses in one turn, and the label is read before the page goes.
	got := eval(t, page, `() => { const b = document.getElementById("go"); b.click(); const seen = [b.textContent, b.getAttribute("aria-busy"), b.getAttribute("aria-disabled")]; b.click(); b.form.requestSubmit(b); return seen.join("|"); }`)
	if got != "Charging £42.00…|true|true" {
		t.Errorf("the pressed button says %v", got)
	}
	form := s.posted(t)
	if form.Get("method") != "card" || form.Get("_key") != "key-value" || form.Get("amount") != "42.00" {
		t.Errorf("the form came as %v", form)
	}
	must(t, expect.Locator(page.Locator("h1")).ToHaveText("/payments"))
	select {
	case again := <-s.posts:
		t.Errorf("a second form arrived: %s", again)
	default:
	}
}

func TestCardFrameTokenIsSentWithTheForm(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/take", playwright.BrowserNewContextOptions{})
	must(t, expect.Locator(page.Locator("[name=method][value=frame]")).ToBeChecked())
	must(t, page.FrameLocator("iframe").Locator("#pan").WaitFor())
	must(t, page.Locator("#amount").Fill("42"))
	must(t, page.Locator("#order_reference").Fill("Hamper 2261"))
	must(t, page.Locator("#go").Click())
	form := s.posted(t)
	for name, want := range map[string]string{"method": "frame", "card_token": "ix::one", "card_brand": "Visa", "card_last4": "1111", "card_expiry": "12/30", "amount": "42.00"} {
		if form.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, form.Get(name), want)
		}
	}
}

func TestCardFrameErrorIsShownAndNothingIsSent(t *testing.T) {
	t.Parallel()
	s := serve(t, "error")
	page := look(t, s, "/g/take", playwright.BrowserNewContextOptions{})
	must(t, page.FrameLocator("iframe").Locator("#pan").WaitFor())
	must(t, page.Locator("#amount").Fill("42.00"))
	must(t, page.Locator("#order_reference").Fill("Hamper 2261"))
	must(t, page.Locator("#go").Click())
	must(t, expect.Locator(page.Locator("[data-card-message]")).ToContainText("The security code is missing. Nothing was charged."))
	must(t, expect.Locator(page.Locator("#go")).ToHaveText("Charge £42.00"))
	nothingPosted(t, s)
}

func nothingPosted(t *testing.T, s *site) {
	t.Helper()
	select {
	case body := <-s.posts:
		t.Errorf("a form arrived: %s", body)
	default:
	}
}

func TestForeignAndMalformedMessagesAreDropped(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"wrong-id", "wrong-shape", "silent"} {
		t.Run(reply, func(t *testing.T) {
			s := serve(t, reply)
			page := look(t, s, "/g/take", playwright.BrowserNewContextOptions{})
			must(t, page.FrameLocator("iframe").Locator("#pan").WaitFor())
			must(t, page.Clock().Install())
			must(t, page.Locator("#amount").Fill("42.00"))
			must(t, page.Locator("#order_reference").Fill("Hamper 2261"))
			must(t, page.Locator("#go").Click())
			// The right shape from the wrong window and the wrong origin.
			eval(t, page, `() => { for (const type of ["cardflo.token", "cardflo.error"]) window.postMessage({type, id: "x", token: "ix::two", brand: "Visa", last4: "1111", expiry: "12/30", message: "no"}, "*"); }`)
			box := page.Frames()[1]
			_, err := box.WaitForFunction("() => window.asked === 1", nil)
			must(t, err)
			if got := eval(t, page, `() => document.querySelector("[name=card_token]").value`); got != "" {
				t.Errorf("a token was taken: %v", got)
			}
			must(t, expect.Locator(page.Locator("#go")).ToHaveAttribute("aria-busy", "true"))
			must(t, page.Clock().RunFor(21000))
			must(t, expect.Locator(page.Locator("[data-card-message]")).ToContainText("did not answer within 20 seconds. Nothing was charged."))
			nothingPosted(t, s)
		})
	}
}

func TestABadAmountIsToldBeforeTheCardIsAskedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/take", playwright.BrowserNewContextOptions{})
	must(t, page.FrameLocator("iframe").Locator("#pan").WaitFor())
	must(t, page.Locator("#amount").Fill("1,5"))
	must(t, page.Locator("#go").Click())
	must(t, expect.Locator(page.Locator("#amount-err")).ToContainText("Write the amount like 42.00"))
	must(t, expect.Locator(page.Locator("#amount")).ToBeFocused())
	asked, err := page.Frames()[1].Evaluate("window.asked || 0")
	must(t, err)
	if asked != 0 {
		t.Errorf("the card box was asked %v times", asked)
	}
	nothingPosted(t, s)
}

func TestWithoutScriptTheNextWayToPayIsOffered(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/take", playwright.BrowserNewContextOptions{JavaScriptEnabled: playwright.Bool(false)})
	must(t, expect.Locator(page.Locator("[name=method][value=frame]")).ToBeDisabled())
	must(t, expect.Locator(page.Locator("[name=method][value=page]")).ToBeChecked())
	must(t, expect.Locator(page.Locator("iframe")).ToBeHidden())
	must(t, page.Locator("#amount").Fill("42.00"))
	must(t, page.Locator("#go").Click())
	if form := s.posted(t); form.Get("method") != "page" || form.Get("card_token") != "" {
		t.Errorf("the form came as %v", form)
	}
}

func TestRefundDialogAndItsPageWithoutScript(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/payment-refund-unknown", playwright.BrowserNewContextOptions{})
	must(t, page.Locator("#refund-open").Click())
	must(t, expect.Locator(page.Locator("#refund")).ToBeVisible())
	must(t, expect.Locator(page.Locator("#refund-go")).ToHaveText("Refund £80.10"))
	must(t, page.GetByText("A part of it").Click())
	must(t, expect.Locator(page.Locator("#refund-amount")).ToBeFocused())
	must(t, page.Keyboard().Type("12.50"))
	must(t, expect.Locator(page.Locator("#refund-go")).ToHaveText("Refund £12.50"))
	// Enter moves to the red button and confirms nothing.
	must(t, page.Keyboard().Press("Enter"))
	must(t, expect.Locator(page.Locator("#refund-go")).ToBeFocused())
	nothingPosted(t, s)
	must(t, page.GetByText("All that is left").Click())
	must(t, expect.Locator(page.Locator("#refund-go")).ToHaveText("Refund £80.10"))
	must(t, page.Keyboard().Press("Escape"))
	must(t, expect.Locator(page.Locator("#refund")).ToBeHidden())

	plain := look(t, s, "/g/payment-approved", playwright.BrowserNewContextOptions{JavaScriptEnabled: playwright.Bool(false)})
	if href, err := plain.Locator("#refund-open").GetAttribute("href"); err != nil || !strings.HasSuffix(href, "/refund") {
		t.Errorf("without script Refund leads to %q (%v)", href, err)
	}
	must(t, expect.Locator(plain.Locator("#refund")).ToBeHidden())
}

// The page follows an outcome: in the background, without taking the focus or
// closing what was opened, and it stops when it knows.
func TestThePageFollowsTheOutcomeQuietly(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	v := refundUnknown()
	answer := func(v pages.PaymentView) []byte {
		var buf bytes.Buffer
		must(t, pages.PaymentLive(v).Render(context.Background(), &buf))
		return buf.Bytes()
	}
	still, known := answer(v), answer(approved())
	answers := make(chan []byte, 10)
	answers <- still
	s.fragment = func() []byte {
		select {
		case b := <-answers:
			return b
		default:
			return known
		}
	}
	page := look(t, s, "/g/payment-refund-unknown", playwright.BrowserNewContextOptions{})
	must(t, page.GetByText("Provider messages").Last().Click())
	must(t, page.Locator("#refund-open").Focus())
	s.events <- "event: payment-" + v.Payment.ID.String() + "\ndata: 1\n\n"
	select {
	case h := <-s.polls:
		if h.Get("X-Background") != "1" || h.Get("HX-Request") != "true" {
			t.Errorf("the poll came with %v", h)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no poll came")
	}
	s.events <- "event: resync\ndata: \n\n"
	must(t, expect.Locator(page.Locator(".note.unknown")).ToBeHidden())
	must(t, expect.Locator(page.Locator("#refund-open")).ToBeFocused())
	if got := eval(t, page, `() => document.querySelectorAll("#payment-live details[open]").length`); got != 1 {
		t.Errorf("%v opened details are left, want 1", got)
	}
	for len(s.polls) > 0 {
		<-s.polls
	}
	// It asks neither for what it hears nor by its timer, which has one interval.
	s.events <- "event: payment-" + v.Payment.ID.String() + "\ndata: 1\n\n"
	select {
	case <-s.polls:
		t.Error("it still polls after the outcome is known")
	case <-time.After(4 * time.Second):
	}
}

func TestTheProvidersFrameStaysWhileThePagePolls(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	entry := open(domain.PaymentProcessing, domain.TxProcessing)
	entry.FrameURL, entry.FrameNow = s.provider+"/box", true
	s.fragment = func() []byte {
		var buf bytes.Buffer
		must(t, pages.PaymentLive(entry).Render(context.Background(), &buf))
		return buf.Bytes()
	}
	page := look(t, s, "/g/payment-card-entry", playwright.BrowserNewContextOptions{})
	must(t, page.FrameLocator("iframe").Locator("#pan").Fill("4111"))
	for range 2 {
		s.events <- "event: payment-" + entry.Payment.ID.String() + "\ndata: 1\n\n"
		select {
		case <-s.polls:
		case <-time.After(10 * time.Second):
			t.Fatal("no poll came")
		}
	}
	must(t, expect.Locator(page.FrameLocator("iframe").Locator("#pan")).ToHaveValue("4111"))

	// The provider leads back to our own page in its frame: ask it at once.
	s.answer, s.answerStatus = s.fragment(), http.StatusOK
	_, err := page.Frames()[1].Evaluate("location.href = '/return'; 0")
	must(t, err)
	must(t, expect.Locator(page.FrameLocator("iframe").Locator("h1")).ToHaveText("Card details received"))
	select {
	case <-s.posts:
	case <-time.After(5 * time.Second):
		t.Error("the page did not ask for the outcome at once")
	}
}

func TestKeyboardShortcuts(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/payments", playwright.BrowserNewContextOptions{})
	press := func(keys ...string) {
		for _, k := range keys {
			must(t, page.Keyboard().Press(k))
		}
	}
	press("j", "j")
	must(t, expect.Locator(page.Locator("tbody .rowlink").Nth(1)).ToBeFocused())
	press("k")
	must(t, expect.Locator(page.Locator("tbody .rowlink").Nth(0)).ToBeFocused())
	press("/")
	must(t, expect.Locator(page.Locator("#q")).ToBeFocused())
	press("n", "?")
	must(t, expect.Locator(page.Locator("#q")).ToHaveValue("n?"))
	must(t, page.Locator("#q").Blur())
	press("?")
	must(t, expect.Locator(page.Locator("#keys")).ToBeVisible())
	press("n", "Escape")
	must(t, expect.Locator(page.Locator("#keys")).ToBeHidden())
	must(t, page.GetByText("Status").First().Click())
	must(t, expect.Locator(page.Locator("details.menu[open]")).ToHaveCount(1))
	press("Escape")
	must(t, expect.Locator(page.Locator("details.menu[open]")).ToHaveCount(0))
	press("g", "a")
	must(t, page.WaitForURL(s.url+"/account"))
}

func TestFiltersWorkAsAPlainFormAndLeaveEmptyOnesOut(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/payments", playwright.BrowserNewContextOptions{})
	asked := make(chan string, 10)
	page.OnRequest(func(r playwright.Request) {
		if strings.Contains(r.URL(), "/payments?") {
			asked <- r.URL()
		}
	})
	must(t, page.Locator("summary.chip", playwright.PageLocatorOptions{HasText: "Status"}).Click())
	must(t, page.GetByLabel("Declined").Check())
	must(t, page.Locator("details[open]").GetByText("Apply").Click())
	select {
	case u := <-asked:
		if want := s.url + "/payments?status=declined&from=2026-11-20"; u != want {
			t.Errorf("asked for %s, want %s", u, want)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was asked for")
	}
}

// A poll may be answered by something else: an error's note, or a whole other
// page. What is on the screen stays.
func TestAnAnswerWithoutThePaymentWipesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, note string }{
		"error note":   {"", "req-5f0c1a"},
		"another page": {"<!doctype html><title>Sign in</title><main id=\"main\"><h1>Sign in</h1></main>", "could not be brought up to date"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "token")
			s.fragment = func() []byte { return []byte(c.answer) }
			if c.answer == "" {
				var buf bytes.Buffer
				must(t, pages.ErrorNote(pages.ErrorView{Status: 500, RequestID: "req-5f0c1a"}).Render(context.Background(), &buf))
				s.fragment, s.reswap = buf.Bytes, "none"
			}
			page := look(t, s, "/g/payment-unknown", playwright.BrowserNewContextOptions{})
			s.events <- "event: resync\ndata: \n\n"
			must(t, expect.Locator(page.Locator("#flash")).ToContainText(c.note))
			must(t, expect.Locator(page.Locator(".note.unknown")).ToContainText("Do not charge again."))
		})
	}
}

// A refund that is refused comes back into the open dialog, with what was
// typed, and the focus on what is wrong.
func TestARefusedRefundKeepsTheDialog(t *testing.T) {
	t.Parallel()
	s := serve(t, "token")
	page := look(t, s, "/g/payment-approved", playwright.BrowserNewContextOptions{})
	f := form(approved().Payment)
	f.Kind, f.Amount, f.Note, f.Errors = pages.RefundPart, "95.00", "half of it", map[string]string{"amount": "That is more than the £92.60 that can be refunded now."}
	var buf bytes.Buffer
	must(t, pages.RefundForm(f).Render(context.Background(), &buf))
	s.answer, s.answerStatus = buf.Bytes(), 422
	must(t, page.Locator("#refund-open").Click())
	must(t, page.GetByText("A part of it").Click())
	must(t, page.Locator("#refund-amount").Fill("95.00"))
	must(t, page.Locator("#refund-go").Click())
	must(t, expect.Locator(page.Locator("#refund [data-error-summary]")).ToBeFocused())
	must(t, expect.Locator(page.Locator("#refund")).ToBeVisible())
	must(t, expect.Locator(page.Locator("#refund-amount")).ToHaveValue("95.00"))
	must(t, expect.Locator(page.Locator("#refund-go")).ToHaveText("Refund £95.00"))
	if sent := s.posted(t); sent.Get("kind") != "part" || sent.Get("_csrf") != "csrf-value" {
		t.Errorf("the form came as %v", sent)
	}
	// The next press works.
	must(t, page.Locator("#refund-amount").Fill("12.50"))
	must(t, page.Locator("#refund-go").Click())
	if sent := s.posted(t); sent.Get("amount") != "12.50" {
		t.Errorf("the second form came as %v", sent)
	}
}
