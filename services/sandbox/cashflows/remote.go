package cashflows

import (
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// Tokens of Remote Authentication. Any code of the document is chosen by the
// token RemoteTokenPrefix followed by it, for example cfremote_Dx02. ASSUMPTION:
// the provider publishes no tokens.
const (
	RemoteTokenApprove = "cfremote_approve"
	RemoteTokenPrefix  = "cfremote_"
)

// remoteReasons is the document's table (seed 001, "Acquirer Response Codes -
// Remote Auth"), without the internal digit that it writes as x.
var remoteReasons = map[string]string{
	"D01": "Non-specific decline", "D02": "Declined due to funds (insufficient/limit exceeded)", "D03": "Retain card response",
	"D05": "On our blacklist", "D07": "Live/test mismatch", "D08": "Refund: Insufficient merchant funds in account",
	"D10": "Card authorisation attempt limit reached", "D11": "Monthly Scheme Decline Rate limit reached",
	"D40": "Continuous Authority cancelled for the transaction", "D41": "Continuous Authorities cancelled for the merchant",
	"D43": "Continuous Authorities cancelled for the card", "D49": "Additional customer authentication required",
	"D90": "Pre-Authorisation anti-fraud block", "D91": "Post-Authorisation anti-fraud block",
	"R01": "Not Authorised", "E01": "Transaction error", "C01": "Transaction cancelled", "C02": "Transaction expired",
	"S00": "Invalid transaction Request", "S01": "Connection failure", "S02": "Invalid response", "S03": "Response timeout",
	"S04": "Server error", "S05": "Server error", "S06": "No response from issuer", "S07": "Service not available", "S99": "Unknown Error",
	"V01": "Invalid merchant details", "V02": "Invalid expiry date", "V03": "Invalid start date", "V04": "Invalid issue number",
	"V05": "Invalid CVV", "V06": "Invalid card number", "V07": "Card holder name not set", "V08": "Insufficient address details",
	"V09": "Invalid country code", "V10": "Invalid cart ID", "V11": "Invalid email address", "V12": "Invalid phone number",
	"V13": "Invalid amount", "V14": "Invalid currency code", "V15": "Invalid customer IP", "V16": "Original trans not found",
	"V17": "Invalid merchant IP", "V18": "Unknown transaction type", "V19": "Card number changed", "V20": "Currency changed",
	"V21": "Original trans ref required", "V22": "Amount exceeds original", "V23": "Can not refund this type of transaction",
	"V24": "Amount changed", "V25": "User account details required", "V26": "Invalid request", "V27": "Original trans not pre-auth",
	"V28": "Transaction mode changed", "V29": "Card/Currency combination not supported", "V30": "Unknown card type",
	"V31": "Issue number required", "V32": "Issue number not required", "V33": "Duplicate transaction",
	"V34": "Unable to void transaction", "V35": "Original trans was not authorised", "V36": "Invalid PIN",
	"V37": "Unknown transaction class", "V38": "Original transaction type does not match", "V39": "Card expired", "V40": "CVV Required",
	"V41": "Original transaction already settled", "V42": "Original transaction already cancelled",
	"V43": "This card does not support the required transaction type", "V44": "Transaction details do not match original",
	"V48": "User Details not valid", "V52": "3DS Not Enabled", "V53": "3DS Data Invalid", "V54": "Concurrent Authorisations",
	"V55": "Invalid Funds Recipient Date (MCC 6012, 6051 or 7299 merchants)", "V56": "Terminal mismatch",
	"V57": "Transaction not allowed on this card", "V58": "Original transaction requires 3DS attempt/auth",
	"V59": "ECOM transactions require 3DS attempt/auth", "V60": "Verify for Amex card not supported", "V61": "Recurrence Flag usage invalid",
	"V62": "Initial Sale/Verify ARN missing for subsequent sale", "V63": "Initial Sale/Verify for subsequent sale not approved",
	"V64": "Initial transaction on card expired",
}

// chargedAllTheSame are the system errors after which the emulator holds the
// charge: the worst case of an outcome that nobody was told (ASSUMPTION).
var chargedAllTheSame = map[string]bool{"S02": true, "S03": true, "S06": true, "S99": true}

// tran is one transaction of Remote Authentication.
type tran struct {
	profile, id, ref, kind string
	original               *tran
	minor                  int64
	currency               string
	approved, voided       bool
	taken                  int64 // refunded of a sale or capture, captured of a hold
	at                     time.Time
}

// remoteFields are the fields of a request (the provider's portal). Those of a card
// number are not taken here.
var remoteFields = strings.Fields(`auth_id auth_pass card_token cust_name cust_address cust_postcode cust_country cust_ip cust_email
	cust_tel tran_ref tran_desc tran_amount tran_currency tran_testmode tran_type tran_class tran_orig_id`)

var (
	remoteAmount = regexp.MustCompile(`^[0-9]{1,10}\.[0-9]{2}$`)
	remoteID     = regexp.MustCompile(`^[0-9]{7}$`)
	remoteKinds  = map[string]string{"sale": "sale", "hold": "preauth", "verify": "verify", "refund": "refund", "void": "void", "capture": "capture"}
)

// remoteAuth is the one endpoint. ASSUMPTIONS: the answer is plain text with
// HTTP 200 whatever it says; the internal digit is 0; an approval has six
// fields, everything else five.
func (s *Server) remoteAuth(w http.ResponseWriter, r *http.Request) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	err := r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	id := s.remoteTranID()
	code, words := "", ""
	var t *tran
	if media != "application/x-www-form-urlencoded" || err != nil || len(r.URL.RawQuery) > 0 {
		code = "V26"
	} else {
		t, code, words = s.remoteTran(r.URL.Path, r.PostForm, id)
	}
	if code == "" {
		_, _ = fmt.Fprintf(w, "A|%s|200|AUTHOK|Authorised|MCC%s", t.id, strings.ToUpper(randomHex(5)))
		return
	}
	if words == "" {
		words = remoteReasons[strings.Replace(code, "B", "E", 1)]
	}
	_, _ = fmt.Fprintf(w, "%s|%s|000|%s0%s|%s", code[:1], id, code[:1], code[1:], strings.NewReplacer("|", " ", "\r", " ", "\n", " ").Replace(words))
}

func (s *Server) remoteTranID() string {
	const alphabet = "0123456789ABCDEF"
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	out := "01S"
	for _, c := range b {
		out += string(alphabet[c%16])
	}
	return out
}

// remoteTran checks and carries out a request; code is why not.
func (s *Server) remoteTran(path string, f url.Values, id string) (t *tran, code, words string) {
	for name, values := range f {
		if !slices.Contains(remoteFields, name) || len(values) != 1 {
			return nil, "V26", ""
		}
	}
	profile, known := s.remote[f.Get("auth_id")]
	kind, typed := remoteKinds[f.Get("tran_type")]
	currencyKnown := slices.Contains(DefaultCurrencies, f.Get("tran_currency"))
	original := s.remoteOriginal(f.Get("auth_id"), f.Get("tran_orig_id"))
	follows := kind == "refund" || kind == "void" || kind == "capture"
	switch {
	case !remoteID.MatchString(f.Get("auth_id")) || !known || f.Get("auth_pass") != profile.Password:
		return nil, "V01", ""
	case f.Get("tran_testmode") != "0":
		return nil, "D07", ""
	case !typed:
		return nil, "V18", ""
	case f.Get("tran_class") != "moto" && f.Get("tran_class") != "ecom":
		return nil, "V37", ""
	case f.Get("tran_class") == "ecom" && !follows:
		// ASSUMPTION: no 3DS data can be sent here, so an internet sale has none.
		return nil, "V59", ""
	case f.Get("tran_ref") == "" || len(f.Get("tran_desc")) > 99:
		return nil, "V10", ""
	case !remoteAmount.MatchString(f.Get("tran_amount")), minor(f.Get("tran_amount")) == 0 && kind != "verify":
		return nil, "V13", ""
	case !currencyKnown:
		return nil, "V14", ""
	case slices.ContainsFunc(s.trans, func(t *tran) bool { return t.profile == profile.ID && t.ref == f.Get("tran_ref") }):
		return nil, "V33", ""
	case follows && f.Get("tran_orig_id") == "":
		return nil, "V21", ""
	case follows && original == nil:
		return nil, "V16", ""
	}
	t = &tran{
		profile: profile.ID, id: id, ref: f.Get("tran_ref"), kind: kind, original: original, minor: minor(f.Get("tran_amount")),
		currency: f.Get("tran_currency"), at: s.kit.Clock.Now(),
	}
	if follows {
		if code := t.follow(); code != "" {
			return nil, code, ""
		}
	} else if code := remoteToken(f.Get("card_token")); code != "" {
		if code != "V06" {
			s.remoteKeep(t, code)
		}
		return nil, code, ""
	}
	if o, forced := s.kit.Outcomes.Take(path); forced && o.Result != kit.Approve {
		code := remoteCode(o.Code)
		switch {
		case code == "" && o.Result == kit.Reject:
			code = "V26"
		case code == "" && o.Result == kit.InProgress:
			code = "S03"
		case code == "":
			code = "D01"
		}
		s.remoteKeep(t, code)
		return nil, code, o.Message
	}
	s.remoteKeep(t, "")
	return t, "", ""
}

// remoteKeep records a transaction under its reference, and in the ledger when
// it moves money.
func (s *Server) remoteKeep(t *tran, code string) {
	t.approved = code == "" || chargedAllTheSame[code]
	s.trans = append(s.trans, t)
	if !t.approved || t.kind == "verify" {
		return
	}
	if t.original != nil {
		switch t.kind {
		case "void":
			t.original.voided = true
		default:
			t.original.taken += t.minor
		}
	}
	e := &entry{Charge: kit.Charge{Reference: t.ref, ID: t.id, Kind: t.kind, AmountMinor: t.minor, Currency: t.currency, Status: "A", Approved: true, At: t.at}}
	if t.original != nil {
		e.OriginalID = t.original.id
	}
	s.entries = append(s.entries, e)
}

func (s *Server) remoteOriginal(profile, id string) *tran {
	for _, t := range s.trans {
		if id != "" && t.profile == profile && t.id == id {
			return t
		}
	}
	return nil
}

// follow says why a follow-up is refused. ASSUMPTION: the rules beyond the words
// of the codes; a transaction is settled once its day (UTC) is over, a hold when
// it is captured.
func (t *tran) follow() string {
	o := t.original
	switch {
	case !o.approved:
		return "V35"
	case o.currency != t.currency:
		return "V20"
	case o.voided:
		return "V42"
	}
	switch t.kind {
	case "refund":
		switch {
		case o.kind != "sale" && o.kind != "capture":
			return "V23"
		case t.minor > o.minor-o.taken:
			return "V22"
		}
	case "capture":
		switch {
		case o.kind != "preauth":
			return "V27"
		case o.taken > 0:
			return "V41"
		case t.minor > o.minor:
			return "V22"
		}
	case "void":
		switch {
		case o.kind != "sale" && o.kind != "preauth":
			return "V34"
		case o.taken > 0, t.at.Format(time.DateOnly) != o.at.Format(time.DateOnly):
			return "V41"
		case t.minor != o.minor:
			return "V24"
		}
	}
	return ""
}

// remoteToken gives the code that a card token asks for; V06 for one that is
// not known.
func remoteToken(token string) string {
	if token == RemoteTokenApprove {
		return ""
	}
	name, ok := strings.CutPrefix(token, RemoteTokenPrefix)
	if code := remoteCode(name); ok && code != "" {
		return code
	}
	return "V06"
}

// remoteCode reads a code with or without its internal digit: Dx02, D002, D02.
// B01 stands for E01 too: the document's legend has B and its table E.
func remoteCode(s string) string {
	if len(s) == 4 {
		s = s[:1] + s[2:]
	}
	if _, ok := remoteReasons[s]; ok {
		return s
	}
	if s == "B01" {
		return s
	}
	return ""
}
