package cardflo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

// live is the emulator with an adapter bound to it.
type live struct {
	emulator *emulator.Server
	adapter  *cardflo.Adapter
	url      string
}

func start(t *testing.T, settings func(url string) map[string]string) live {
	t.Helper()
	e := emulator.New(emulator.Config{}, nil)
	srv := httptest.NewServer(e.Handler())
	t.Cleanup(srv.Close)
	tr := httpclient.Transport(httpclient.Options{AllowHosts: []string{srv.Listener.Addr().String()}})
	t.Cleanup(tr.CloseIdle)
	c := providers.Config{BaseURL: srv.URL + emulator.BasePath, Secrets: signed(), HTTP: tr}
	if settings != nil {
		c.Settings = settings(srv.URL)
	}
	a, err := cardflo.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return live{e, a, srv.URL}
}

// A page sale gets its outcome from the status alone: nothing is read from the
// browser's way back.
func TestAPageSaleEndsAsItsPageDoes(t *testing.T) {
	card := func(number string) url.Values {
		return url.Values{"card_number": {number}, "expiry": {"12/40"}, "security_code": {"123"}}
	}
	for _, c := range []struct {
		name    string
		form    url.Values
		outcome providers.Outcome
		reason  domain.Reason
		card    domain.Card
	}{
		{"approved", card(emulator.CardApprove), providers.Approved, domain.ReasonNone, domain.Card{Brand: "Visa", Last4: "1111", Expiry: "12/40"}},
		{"another scheme", card(emulator.CardMastercard), providers.Approved, domain.ReasonNone, domain.Card{Brand: "Mastercard", Last4: "4444", Expiry: "12/40"}},
		{"declined", card(emulator.CardInsufficientFunds), providers.Declined, domain.ReasonInsufficientFunds, domain.Card{Brand: "Visa", Last4: "9995", Expiry: "12/40"}},
		{"pending", card(emulator.CardPending), providers.Pending, domain.ReasonNone, domain.Card{Brand: "Visa", Last4: "3220", Expiry: "12/40"}},
		{"cancelled", url.Values{"action": {"cancel"}}, providers.Declined, domain.ReasonCustomerCancelled, domain.Card{}},
		{"left alone", nil, providers.Declined, domain.ReasonLinkExpired, domain.Card{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, nil)
			req := providers.SaleRequest{Amount: money.FromMinor(1250, money.MustCurrency("EUR")), AttemptRef: uuid.NewString(), ReturnURL: "https://shop.example/back"}
			opened, err := l.adapter.SellByPage(t.Context(), req)
			if err != nil || opened.Outcome != providers.Pending || opened.RedirectURL == "" {
				t.Fatalf("%+v, %v", opened, err)
			}
			if c.form == nil {
				l.emulator.Kit().Clock.Advance(time.Hour)
			} else {
				browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				resp, err := browser.PostForm(opened.RedirectURL, c.form)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if back := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || back != req.ReturnURL {
					t.Errorf("the page leads to %d %s", resp.StatusCode, back)
				}
			}
			found, err := l.adapter.FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: req.AttemptRef, ProviderRef: opened.ProviderRef, Amount: req.Amount})
			if err != nil || found.Outcome != c.outcome || found.Reason != c.reason || found.Card != c.card || found.ProviderRef != opened.ProviderRef {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestTheFrameOpensForItsParent(t *testing.T) {
	l := start(t, func(u string) map[string]string {
		return map[string]string{cardflo.SettingCardFrame: u + "/cardflo/frame/" + emulator.SignedKey}
	})
	const parent = "http://localhost:8080"
	frame, ok := l.adapter.CardFrame(parent)
	if !ok || frame.Origin != l.url {
		t.Fatalf("%+v", frame)
	}
	resp, err := http.Get(frame.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d, %v", resp.StatusCode, err)
	}
}
