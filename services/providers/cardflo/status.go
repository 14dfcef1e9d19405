package cardflo

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
)

// The codes that the classification turns on (README, Errors; 1004 and 8001 are
// in seed 003 itself).
const (
	codeInvalidRequest   = "1002"
	codeInvalidSignature = "1004"
	codeInvalidXML       = "1005"
	codeLogical          = "1006"
	codeConfiguration    = "1007"
	codeDuplicate        = "3004"
	codeNotFound         = "8001"
)

// declines are the codes with which a transaction ends for the card's or the
// payer's reason.
var declines = map[string]domain.Reason{
	"2001": domain.ReasonCustomerCancelled,
	"2002": domain.ReasonCustomerCancelled,
	"2003": domain.ReasonDeclined,
	"2004": domain.ReasonLimitExceeded,
	"2005": domain.ReasonLinkExpired,
	"2006": domain.ReasonInsufficientFunds,
	"2007": domain.ReasonCardDetails,
	"2008": domain.ReasonInvalidCard,
	"2009": domain.ReasonExpiredCard,
	"2010": domain.ReasonSuspectedFraud,
	"2011": domain.ReasonUnsupportedCard,
	"2012": domain.ReasonCustomerCancelled,
	"2013": domain.ReasonSuspectedFraud,
	"2014": domain.ReasonPickUp,
	"2015": domain.ReasonLostOrStolen,
	"2016": domain.ReasonLostOrStolen,
	"2017": domain.ReasonBankAccount,
	"2018": domain.ReasonBankAccount,
	"2019": domain.ReasonCustomerDetails,
	"2020": domain.ReasonSecurityCode,
	"2021": domain.ReasonAuthentication,
	"3002": domain.ReasonNotAllowed,
}

// refusals are the codes of a request that was refused as such, so that no
// transaction ran.
var refusals = map[string]domain.Reason{
	codeInvalidRequest:   domain.ReasonInvalidRequest,
	codeInvalidSignature: domain.ReasonCredentials,
	codeInvalidXML:       domain.ReasonInvalidRequest,
	codeLogical:          domain.ReasonNotAllowed,
	codeConfiguration:    domain.ReasonNotAllowed,
	codeNotFound:         domain.ReasonInvalidRequest,
}

// open are the listed codes that decide nothing: the gateway or the line behind
// it failed, a reference is there already, or it is about what was taken before
// (README, Errors; 1000 stands in the samples of seed 003). Where the gateway
// says besides that the transaction has ended, its words tell why.
var open = map[string]bool{
	"1000": true, "1001": true, "1003": true, "1008": true, "1010": true, "3001": true, "3003": true, codeDuplicate: true, "3005": true,
	"4001": true, "4002": true, "7002": true, "9999": true,
}

// certainStatuses are those under which an answer without a code and a
// transaction was none at all.
var certainStatuses = []int{
	http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
	http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
}

// Codes lists the codes of seed 003 and the README, and their reasons.
func Codes() []providers.Code {
	return slices.Concat(
		providers.CodesOf("payment", declines, providers.ReasonItself),
		providers.CodesOf("request", refusals, providers.ReasonItself),
		providers.CodesOf("schedule", scheduleRefusals, providers.ReasonItself),
		providers.CodesOf("undecided", open, providers.NoReason),
		providers.StatusCodes(certainStatuses, []int{http.StatusInternalServerError, http.StatusServiceUnavailable}),
	)
}

// reasonOf is the reason of a transaction that the gateway says has failed. A
// code that is not a listed decline gives none of ours.
func reasonOf(code string) domain.Reason {
	if r, ok := declines[code]; ok {
		return r
	}
	return domain.ReasonUnmapped
}

// decode reads the body. The document asks readers to tolerate fields and
// words that they do not know (seed 003, "Forward Compatibility").
func (a *Adapter) decode(op string, resp *httpclient.Response, secret string) (answer, error) {
	var ans answer
	if !resp.IsJSON() || json.Unmarshal(resp.Body, &ans) != nil || ans.Success == nil || !httpclient.Reference(string(ans.UUID)) {
		if f := a.http.StatusFault(op, resp); f != nil {
			f.Raw = a.http.Scrub(resp.Body, secret)
			return ans, f
		}
		return ans, a.garbage(op, resp, secret, "the answer is not the document's JSON")
	}
	return ans, nil
}

// readTransaction classes the answer to a transaction, by its body: the
// published examples disagree about HTTP statuses (README, Errors). Only
// FINISHED is a yes, only a listed code is a no.
func (a *Adapter) readTransaction(op string, resp *httpclient.Response, secret string) (providers.Result, answer, error) {
	if resp.Status == http.StatusTooManyRequests {
		f := a.http.StatusFault(op, resp)
		f.Raw = a.http.Scrub(resp.Body, secret)
		return providers.Result{}, answer{}, f
	}
	ans, err := a.decode(op, resp, secret)
	if err != nil {
		return providers.Result{}, ans, err
	}
	if !*ans.Success {
		res, err := a.readRefusal(op, resp, ans, secret)
		return res, ans, err
	}
	if resp.Status/100 != 2 {
		return providers.Result{}, ans, a.garbage(op, resp, secret, "the answer says success under an HTTP error")
	}
	res := a.result(ans, resp, secret)
	switch ans.ReturnType {
	case "FINISHED":
		if res.ProviderRef == "" {
			return providers.Result{}, ans, a.garbage(op, resp, secret, "the answer says finished without a uuid")
		}
		res.Outcome = providers.Approved
	case "REDIRECT":
		a.redirect(&res, string(ans.RedirectURL))
	case "HTML":
		res.Text = "the provider wants its own HTML shown, which is never done"
	}
	return res, ans, nil
}

// maxURL is the longest page address that is opened.
const maxURL = 2048

// redirect takes the page's address only from the page's origin: it goes into
// a frame of ours.
func (a *Adapter) redirect(res *providers.Result, to string) {
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Host == "" || providers.OriginOf(u) != a.pageOrigin || len(to) > maxURL {
		res.Text = "the provider's page is not an address on " + a.pageOrigin + ", so it is not opened"
		return
	}
	res.RedirectURL = to
}

// saysNo says that nothing of a refusal leaves the outcome open: its returnType
// is ERROR, if it has one, and every code behind the first is a listed no.
func (ans answer) saysNo() bool {
	if ans.ReturnType != "" && ans.ReturnType != "ERROR" {
		return false
	}
	for _, e := range ans.Errors[min(1, len(ans.Errors)):] {
		_, declined := declines[e.code()]
		_, refused := refusals[e.code()]
		if e.code() != "" && !declined && !refused {
			return false
		}
	}
	return true
}

func (a *Adapter) readRefusal(op string, resp *httpclient.Response, ans answer, secret string) (providers.Result, error) {
	code, words := string(ans.ErrorCode), string(ans.ErrorMessage)
	ran := ans.UUID != "" || len(ans.Errors) > 0
	if len(ans.Errors) > 0 {
		code, words = ans.Errors[0].code(), ans.Errors[0].text()
	}
	e := &providers.Error{
		Provider: Name, Op: op, Kind: providers.KindServer, Code: a.http.Words(code, secret),
		Text: a.http.Words(words, secret), Raw: a.http.Scrub(resp.Body, secret),
	}
	byStatus := a.http.StatusFault(op, resp)
	reason, refused := refusals[code]
	decline, declined := declines[code]
	switch {
	case resp.Status >= 500:
		// Whatever the body says: the gateway itself failed while it worked. That
		// holds for a 503 with 1010, "maintenance", too: it may have begun after the
		// request came in.
	case !ans.saysNo():
		// It contradicts itself: a no beside a word that is none, or beside an
		// error that is none.
	case declined:
		res := a.result(ans, resp, secret)
		res.Outcome, res.Reason = providers.Declined, decline
		return res, nil
	case code == codeDuplicate:
		// Our own reference is there already: the first sending may have gone
		// through, so this is a reason to ask, not a no.
		e.Kind = providers.KindRefused
	case refused:
		e.Kind, e.NotDone, e.Reason = providers.KindRefused, true, reason
		if code == codeInvalidSignature {
			e.Kind = providers.KindCredentials
		}
	case byStatus != nil && !ran:
		// Wrong Basic credentials have no published code (README, Access), so a
		// system error of that kind is read by its status.
		byStatus.Text, byStatus.Raw = e.Text, e.Raw
		return providers.Result{}, byStatus
	case code == "" && !ran:
		e.Kind = providers.KindGarbage
		if slices.Contains(certainStatuses, resp.Status) {
			e.Kind, e.NotDone, e.Reason = providers.KindRefused, true, domain.ReasonInvalidRequest
		}
	}
	if e.Code == "" {
		e.Code = strconv.Itoa(resp.Status)
	}
	return providers.Result{}, e
}

// readStatus classes the answer to a status question.
func (a *Adapter) readStatus(resp *httpclient.Response, q providers.Lookup) (providers.Result, error) {
	const op = "status"
	if resp.Status == http.StatusTooManyRequests {
		return providers.Result{}, a.http.StatusFault(op, resp)
	}
	ans, err := a.decode(op, resp, "")
	if err != nil {
		return providers.Result{}, err
	}
	if !*ans.Success {
		if ans.ErrorCode == codeNotFound && resp.Status < 500 {
			return providers.Result{
				Outcome: providers.Absent, Code: codeNotFound,
				Text: a.http.Words(string(ans.ErrorMessage)), Raw: a.http.Scrub(resp.Body),
			}, nil
		}
		_, err := a.readRefusal(op, resp, ans, "")
		if err == nil {
			err = a.garbage(op, resp, "", "a question was answered with a decline")
		}
		return providers.Result{}, err
	}
	if resp.Status/100 != 2 {
		return providers.Result{}, a.garbage(op, resp, "", "the answer says success under an HTTP error")
	}
	if err := a.about(resp, ans, q); err != nil {
		return providers.Result{}, err
	}
	res := a.result(ans, resp, "")
	if ans.Amount != "" && (ans.Currency != "" || !storesOrForgets(ans.TransactionType)) {
		c, err := money.ParseCurrency(string(ans.Currency))
		if err != nil {
			return providers.Result{}, a.garbage(op, resp, "", "the answer's currency is not one")
		}
		amount, err := providers.Decimal(string(ans.Amount), c)
		if err != nil {
			return providers.Result{}, a.garbage(op, resp, "", "the answer's amount cannot be read")
		}
		res.Amount = &amount
	}
	switch ans.TransactionStatus {
	case "SUCCESS":
		res.Outcome = providers.Approved
		if typ, _ := typeOf(ans.TransactionType); typ == domain.Register {
			res.Token = storedCard(res.ProviderRef)
		}
	case "ERROR":
		res.Outcome, res.Reason = providers.Declined, reasonOf(res.Code)
	case "CANCELLED":
		res.Outcome, res.Reason = providers.Declined, domain.ReasonCustomerCancelled
		if r, ok := declines[res.Code]; ok {
			res.Reason = r
		}
	case "REDIRECT":
		if ans.RedirectURL != "" {
			a.redirect(&res, string(ans.RedirectURL))
		}
	}
	switch {
	case res.Outcome == providers.Approved && ans.UUID == "":
		return providers.Result{}, a.garbage(op, resp, "", "the answer says success without a uuid")
	case res.Outcome == providers.Declined && ans.UUID == "" && ans.MerchantTransactionID == "":
		return providers.Result{}, a.garbage(op, resp, "", "the answer names no transaction")
	}
	return res, nil
}

// storesOrForgets says that no amount belongs to a type, so that one without a
// currency is not read.
func storesOrForgets(word providers.Text) bool {
	typ, _ := typeOf(word)
	return typ == domain.Register || typ == domain.Deregister
}

// gatewaysOwn begins the merchantTransactionId of what the gateway makes by
// itself, such as a chargeback (seed 003, "Chargeback Notification").
const gatewaysOwn = "auto-"

// about refuses an answer that is about something else than was asked.
func (a *Adapter) about(resp *httpclient.Response, ans answer, q providers.Lookup) error {
	wanted := q.Type
	if wanted == domain.Decrement {
		// A part of a hold is released by a void with an amount.
		wanted = domain.Void
	}
	typ, known := typeOf(ans.TransactionType)
	// What the gateway makes by itself has an id of its own beside the uuid that
	// we know it by.
	itsOwn := strings.HasPrefix(string(ans.MerchantTransactionID), gatewaysOwn) && ans.UUID != "" && string(ans.UUID) == q.ProviderRef
	switch {
	case ans.MerchantTransactionID != "" && q.AttemptRef != "" && string(ans.MerchantTransactionID) != q.AttemptRef && !itsOwn:
		return a.garbage("status", resp, "", "the answer is about another transaction")
	case ans.TransactionType != "" && wanted != "" && (!known || typ != wanted):
		return a.garbage("status", resp, "", "the answer is about a transaction of another type")
	case ans.UUID != "" && q.ProviderRef != "" && string(ans.UUID) != q.ProviderRef:
		return a.garbage("status", resp, "", "the answer has another uuid than the one asked by")
	case q.OriginalRef != "" && string(ans.UUID) == q.OriginalRef:
		return a.garbage("status", resp, "", "the answer is about the transaction that this one follows")
	}
	return nil
}

func (a *Adapter) result(ans answer, resp *httpclient.Response, secret string) providers.Result {
	res := providers.Result{
		ProviderRef: string(ans.UUID),
		Card:        ans.ReturnData.card(),
		Code:        string(ans.ErrorCode),
		Text:        string(ans.ErrorMessage),
		Raw:         a.http.Scrub(resp.Body, secret),
	}
	if len(ans.Errors) > 0 {
		res.Code, res.Text = ans.Errors[0].code(), ans.Errors[0].text()
	}
	return a.finish(res, ans.ReturnData, ans.RiskCheck, secret)
}

// finish adds what the answer says beside its verdict, and makes the
// provider's words fit to be kept.
func (a *Adapter) finish(res providers.Result, with returnData, check risk, secret string) providers.Result {
	// The other words, APPROVED and DECLINED, speak through the verdict.
	res.Review = check.Result == "REVIEW"
	if res.Text == "" {
		res.Text = with.payer()
	}
	if advice := either(with.ParsedAdvice, with.Advice); advice != "" {
		res.Text = strings.TrimSpace(res.Text + " (advice of the card scheme: " + string(advice) + ")")
	}
	res.Code, res.Text = a.http.Words(res.Code, secret), a.http.Words(res.Text, secret)
	return res
}

// brands are the schemes' own spellings of what the provider calls a card.
var brands = map[string]string{
	"visa": "Visa", "mastercard": "Mastercard", "master": "Mastercard", "maestro": "Maestro", "amex": "American Express",
	"americanexpress": "American Express", "diners": "Diners Club", "dinersclub": "Diners Club", "discover": "Discover",
	"jcb": "JCB", "unionpay": "UnionPay", "cup": "UnionPay", "dankort": "Dankort", "cartebancaire": "Cartes Bancaires",
}

func (d returnData) card() domain.Card {
	var c domain.Card
	if !fourDigits(string(d.LastFour)) {
		return d.instrument()
	}
	c.Last4 = string(d.LastFour)
	for _, name := range []providers.Text{d.Type, d.BinBrand} {
		if b, ok := brands[strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(string(name)))]; ok {
			c.Brand = b
			break
		}
	}
	month, errM := strconv.Atoi(string(d.ExpiryMonth))
	year, errY := strconv.Atoi(string(d.ExpiryYear))
	if errM == nil && errY == nil && month >= 1 && month <= 12 && year >= 0 {
		c.Expiry = string([]byte{'0' + byte(month/10), '0' + byte(month%10), '/', '0' + byte(year/10%10), '0' + byte(year%10)})
	}
	return c
}

func fourDigits(s string) bool { return len(s) == 4 && strings.Trim(s, "0123456789") == "" }

// instrument is what was paid with where that is no card (seed 003,
// "ReturnData": ibanData, phoneData, walletData): its kind, and the end of its
// number where that is four digits.
func (d returnData) instrument() domain.Card {
	of := func(kind, number string) domain.Card {
		c := domain.Card{Brand: kind}
		if end := ending(number); fourDigits(end) {
			c.Last4 = end
		}
		return c
	}
	switch {
	case d.IBANEnding != "":
		return of("Bank account", string(d.IBANEnding))
	case d.IBAN != "":
		return of("Bank account", string(d.IBAN))
	case d.PhoneNumber != "":
		return of("Telephone", string(d.PhoneNumber))
	case d.WalletType != "" || d.WalletID != "":
		return of("Wallet", "")
	}
	return domain.Card{}
}
