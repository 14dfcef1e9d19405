package domain

import (
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/money"
)

// SaidOutcome is what a provider's answer says of one operation.
type SaidOutcome string

// The outcomes that a provider can name.
const (
	SaidApproved SaidOutcome = "approved"
	SaidDeclined SaidOutcome = "declined"
	SaidPending  SaidOutcome = "pending" // known there and not final
	SaidAbsent   SaidOutcome = "absent"  // not known there
	SaidRefused  SaidOutcome = "refused" // the request was refused as such
)

// Label is the outcome's word on a page.
func (v SaidOutcome) Label() string {
	switch v {
	case SaidApproved:
		return "Approved"
	case SaidDeclined:
		return "Declined"
	case SaidPending:
		return "Not final"
	case SaidAbsent:
		return "Not known there"
	case SaidRefused:
		return "Refused"
	}
	return string(v)
}

// Said is a provider's last answer about a transaction, field by field, to be
// held against our own record. Amounts are minor units of Currency; what it did
// not tell is empty. It never decides anything: that is settle's.
type Said struct {
	At       time.Time   `json:"at"`
	Op       string      `json:"op"` // what was sent or asked: "sale", "status", "callback"
	Verdict  SaidOutcome `json:"verdict"`
	Amount   *int64      `json:"amount_minor,omitempty"`
	Currency string      `json:"currency,omitempty"`
	Tip      *int64      `json:"tip_minor,omitempty"`
	Ref      string      `json:"ref,omitempty"`
	AuthCode string      `json:"auth_code,omitempty"`
	Brand    string      `json:"brand,omitempty"`
	Last4    string      `json:"last4,omitempty"`
	Reason   Reason      `json:"reason,omitempty"`
	Code     string      `json:"code,omitempty"`
	Text     string      `json:"text,omitempty"`
}

// Known says that there is an answer.
func (s Said) Known() bool { return !s.At.IsZero() }

// Overturned is an earlier "no" of a transaction that became something else.
type Overturned struct {
	Status TransactionStatus // TxDeclined or TxFailed; empty: there was none
	Reason Reason
	At     time.Time // when that "no" was written down
}

// ByHand is what a person wrote down about a transaction's outcome.
type ByHand struct {
	Status TransactionStatus // TxApproved or TxFailed; empty: nobody did
	ByName string
	At     time.Time
	Note   string // what the person found out, in their own words
}

// TruthRow is one field of our record beside the provider's answer. Texts are as
// a page shows them; empty means that nothing is known.
type TruthRow struct {
	Field, Ours, Theirs string
	Differs             bool
}

// Truth holds a transaction against what its provider last said of it. write
// formats an amount. Only what is final here can differ: an open outcome is no
// claim. It is empty while the provider has said nothing.
func Truth(p Payment, txs []Transaction, x Transaction, write func(money.Amount) string) []TruthRow {
	said := x.Said
	if !said.Known() {
		return nil
	}
	final := !x.Status.Open()
	yes := x.Status == TxApproved
	row := func(field, ours, theirs string, differs bool) TruthRow {
		return TruthRow{Field: field, Ours: ours, Theirs: theirs, Differs: differs && final}
	}
	minor := func(m *int64) string {
		c, err := money.ParseCurrency(said.Currency)
		if m == nil || err != nil {
			return ""
		}
		return write(money.FromMinor(*m, c))
	}
	rows := []TruthRow{row("Outcome", x.Status.Label(), said.Verdict.Label(), contradicts(txs, x))}
	amounts := amountsOf(txs, x)
	ours := amounts[len(amounts)-1]
	if namesAmount(x.Type) {
		differs := said.Amount != nil && yes && !slices.ContainsFunc(amounts, func(a money.Amount) bool {
			return a.Minor() == *said.Amount && a.Currency().Code() == said.Currency
		})
		rows = append(rows, row("Amount", write(ours), minor(said.Amount), differs))
	}
	rows = append(rows, row("Currency", x.Amount.Currency().Code(), said.Currency, said.Currency != "" && said.Currency != x.Amount.Currency().Code()))
	if x.Type == Sale || x.Type == Capture || x.Type == TipAdjustment {
		tip := tipOf(txs, x)
		rows = append(rows, row("Tip", write(tip), minor(said.Tip), yes && said.Tip != nil && *said.Tip != tip.Minor()))
	}
	unlike := func(a, b string) bool { return a != "" && b != "" && !strings.EqualFold(a, b) }
	rows = append(rows,
		row("Their reference", x.ProviderRef, said.Ref, unlike(x.ProviderRef, said.Ref)),
		row("Auth code", x.AuthCode, said.AuthCode, unlike(x.AuthCode, said.AuthCode)))
	if x.Type.Begins() {
		rows = append(rows,
			row("Card’s last four", p.Card.Last4, said.Last4, unlike(p.Card.Last4, said.Last4)),
			row("Card brand", p.Card.Brand, CardBrand(said.Brand), unlike(CardBrand(p.Card.Brand), CardBrand(said.Brand))))
	}
	// A code is an endpoint's own: the same outcome has another one in a status
	// than in the answer to the operation. So it is shown and not compared.
	return append(rows,
		row("Reason", x.Reason.Label(), said.Reason.Label(), x.Reason != ReasonByHand && unlike(string(x.Reason), string(said.Reason))),
		row("Code", x.ProviderCode, said.Code, false))
}

// Differences names the fields in which a final record and the provider's last
// answer differ, in the order of Truth.
func Differences(p Payment, txs []Transaction, x Transaction) []string {
	var out []string
	for _, r := range Truth(p, txs, x, money.Amount.FormatCode) {
		if r.Differs {
			out = append(out, r.Field)
		}
	}
	return out
}

// contradicts says that one of us says that it happened and the other that it
// did not. What is not final there contradicts nothing, and neither does "no"
// about what was voided here.
func contradicts(txs []Transaction, x Transaction) bool {
	switch x.Said.Verdict {
	case SaidApproved:
		return x.Status != TxApproved
	case SaidDeclined, SaidAbsent, SaidRefused:
		return x.Status == TxApproved && !slices.ContainsFunc(txs, func(t Transaction) bool {
			return t.Type == Void && t.Status == TxApproved && (t.OriginalRef == x.ProviderRef || t.OriginalRef == "") && t.ID != x.ID
		})
	}
	return false
}

// namesAmount says that an operation has an amount that an answer can be held
// against.
func namesAmount(t TransactionType) bool {
	switch t {
	case Void, Register, Deregister, TipAdjustment:
		return false
	}
	return true
}

// amountsOf are the amounts that x has had, oldest first: a provider may tell
// the first one or the present one.
func amountsOf(txs []Transaction, x Transaction) []money.Amount {
	out := []money.Amount{x.Amount}
	now := x.Amount
	step := func(a money.Amount, err error) {
		if err == nil {
			now = a
			out = append(out, a)
		}
	}
	for _, t := range slices.Backward(txs) {
		if t.Status != TxApproved || t.ID == x.ID {
			continue
		}
		switch {
		case t.Type == Adjustment && t.OriginalRef == x.ProviderRef, x.Type == Preauth && t.Type == Increment:
			step(now.Add(t.Amount))
		case x.Type == Preauth && t.Type == Decrement:
			step(now.Sub(t.Amount))
		case x.Type == Sale && t.Type == TipAdjustment:
			bare, err := x.Amount.Sub(x.tip(x.Amount.Currency()))
			if err == nil {
				step(bare.Add(t.Amount))
			}
		}
	}
	return out
}

// tipOf is x's tip now: of a sale the newest one that was set.
func tipOf(txs []Transaction, x Transaction) money.Amount {
	if x.Type == TipAdjustment {
		return x.Amount
	}
	if x.Type == Sale {
		for _, t := range txs { // newest first
			if t.Type == TipAdjustment && t.Status == TxApproved {
				return t.Amount
			}
		}
	}
	return x.tip(x.Amount.Currency())
}

// WaitsForPerson says that nobody but a person can find out what became of one
// of the payment's transactions: we stopped asking often, or there is nothing to
// ask by. A provider that cannot be asked by our reference can still be by its
// own, once it gave one.
func (s Standing) WaitsForPerson(t Transaction) bool {
	if t.Status == TxNeedsPerson || !t.Status.Open() {
		return t.Status == TxNeedsPerson
	}
	return !s.Caps.Has(CanLookUp) && (t.ProviderRef == "" || s.Removed || len(s.Caps) == 0)
}

// Fits says whether an action can ever be done to a payment that began like
// this.
func (a Action) Fits(kind TransactionType) bool {
	switch a {
	case ActCapture, ActIncrease, ActDecrease:
		return kind == Preauth
	case ActTip:
		return kind == Sale
	case ActVoid, ActRefund, ActVoidRefund:
		return kind == Sale || kind == Preauth
	}
	return true
}
