package handlers

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/webhooks"
)

// hooked is a shop whose Cardflo connection signs, with the receiver mounted.
func hooked(t *testing.T) (*shop, domain.ConnectionID) {
	t.Helper()
	sh := newShop(t)
	conns := &connections.Service{Store: sh.store, Registry: providers.NewRegistry(cardflo.Registration()), Secrets: sh.sealer, Now: sh.clock.Now}
	c, err := conns.Create(t.Context(), domain.Actor{MerchantID: sh.merchant}, connections.NewConnection{Provider: "cardflo", Name: "Signed", BaseURL: sh.origin + sandboxcardflo.BasePath,
		Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SignedKey, cardflo.SecretUsername: sandboxcardflo.SignedUser,
			cardflo.SecretPassword: sandboxcardflo.SignedPassword, cardflo.SecretSharedSecret: sandboxcardflo.SignedSecret}})
	must(t, err)
	sh.web.Add((&Webhooks{Service: webhooks.New(sh.store, sh.svc, sh.clock.Now, slog.New(slog.DiscardHandler))}).Routes()...)
	return sh, c.ID
}

func (sh *shop) notify(path, body, secret string) answer {
	const contentType = "application/json; charset=utf-8"
	date := sh.clock.Now().UTC().Format(http.TimeFormat)
	sum := sha512.Sum512([]byte(body))
	mac := hmac.New(sha512.New, []byte(secret))
	_, _ = io.WriteString(mac, strings.Join([]string{"POST", hex.EncodeToString(sum[:]), contentType, date, path}, "\n"))
	b := sh.browser().with("Date", date).with("X-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return b.do(http.MethodPost, path, strings.NewReader(body), contentType)
}

const aNotice = `{"result":"OK","uuid":"abcde12345abcde12345","merchantTransactionId":"x-1","purchaseId":"20200326-abcde12345abcde12345","transactionType":"DEBIT","paymentMethod":"Creditcard","amount":"9.99","currency":"GBP"}`

func TestAProvidersCallIsAnsweredAsItExpects(t *testing.T) {
	sh, id := hooked(t)
	path := domain.CallbackPath("cardflo", id)
	if a := sh.notify(path, aNotice, sandboxcardflo.SignedSecret).wants(t, http.StatusOK); a.body != "OK" {
		t.Errorf("the reply is %q", a.body)
	}
	if n := sh.count(`select count(*) from callbacks`); n != 1 {
		t.Errorf("%d callbacks are stored, want 1", n)
	}
	sh.notify(path, aNotice, "another secret").wants(t, http.StatusUnauthorized)
	sh.notify(domain.CallbackPath("handpoint", id), aNotice, sandboxcardflo.SignedSecret).wants(t, http.StatusNotFound)
	sh.notify(domain.CallbackPath("cardflo", domain.NewConnectionID()), aNotice, sandboxcardflo.SignedSecret).wants(t, http.StatusNotFound)
	sh.notify("/webhooks/cardflo/none", aNotice, sandboxcardflo.SignedSecret).wants(t, http.StatusNotFound)
	sh.notify(path, strings.Repeat("a", callbackLimit+1), sandboxcardflo.SignedSecret).wants(t, http.StatusRequestEntityTooLarge)
	sh.browser().get(path).wants(t, http.StatusMethodNotAllowed)
	if n := sh.count(`select count(*) from callbacks`); n != 1 {
		t.Errorf("%d callbacks are stored, want 1", n)
	}
}

func TestAProvidersCallCarriesNoSessionAndNeedsNoFormToken(t *testing.T) {
	sh, id := hooked(t)
	before := sh.count(`select count(*) from sessions`)
	a := sh.notify(domain.CallbackPath("cardflo", id), aNotice, sandboxcardflo.SignedSecret).wants(t, http.StatusOK)
	if len(a.Cookies()) != 0 {
		t.Errorf("cookies: %v", a.Cookies())
	}
	if n := sh.count(`select count(*) from sessions`); n != before {
		t.Errorf("%d sessions, want %d", n, before)
	}
	table := maps.Clone(platformRoutes)
	maps.Copy(table, map[string]access{"POST /webhooks/:provider/:connection": {path: "/webhooks/cardflo/none", public: true, anonymous: http.StatusNotFound}})
	rows := maps.Clone(paymentRoutes)
	maps.Copy(rows, worklistRoutes)
	for name, row := range rows {
		row.path = strings.Replace(strings.TrimPrefix(strings.TrimPrefix(name, "GET "), "POST "), ":id", domain.NewPaymentID().String(), 1)
		table[name] = row
	}
	checkMatrix(t, sh.site, table)
}
