package domain_test

import (
	"slices"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

func minorOf(n int64) *int64 { return &n }

func TestOnlyAFinalRecordCanDifferAndOnlyInWhatWasTold(t *testing.T) {
	gbp := money.MustCurrency("GBP")
	at := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	p := domain.Payment{Amount: money.FromMinor(4200, gbp), Card: domain.Card{Brand: "Amex", Last4: "0936"}}
	sale := domain.Transaction{ID: domain.NewTransactionID(), Type: domain.Sale, Status: domain.TxApproved, Amount: p.Amount, ProviderRef: "ref-1", AuthCode: "A1"}
	same := domain.Said{At: at, Verdict: domain.SaidApproved, Amount: minorOf(4200), Currency: "GBP", Ref: "REF-1", AuthCode: "A1", Last4: "0936", Brand: "American Express", Code: "another endpoint's"}
	follow := func(typ domain.TransactionType, minor int64) domain.Transaction {
		return domain.Transaction{ID: domain.NewTransactionID(), Type: typ, Status: domain.TxApproved, Amount: money.FromMinor(minor, gbp), OriginalRef: "ref-1"}
	}
	for _, tt := range []struct {
		name  string
		x     func(*domain.Transaction)
		said  func(*domain.Said)
		with  []domain.Transaction
		wants []string
	}{
		{name: "the same"},
		{name: "nothing said", said: func(s *domain.Said) { *s = domain.Said{} }},
		{name: "yes and nothing more", said: func(s *domain.Said) { *s = domain.Said{At: at, Verdict: domain.SaidApproved} }},
		{name: "another amount", said: func(s *domain.Said) { s.Amount = minorOf(4199) }, wants: []string{"Amount"}},
		{name: "another currency", said: func(s *domain.Said) { s.Currency = "EUR" }, wants: []string{"Amount", "Currency"}},
		{name: "everything about another payment", said: func(s *domain.Said) { s.Ref, s.AuthCode, s.Last4, s.Brand = "ref-2", "B2", "1111", "visa" }, wants: []string{"Their reference", "Auth code", "Card’s last four", "Card brand"}},
		{name: "no", said: func(s *domain.Said) { s.Verdict = domain.SaidDeclined }, wants: []string{"Outcome"}},
		{name: "not known there", said: func(s *domain.Said) { s.Verdict = domain.SaidAbsent }, wants: []string{"Outcome"}},
		{name: "not final there", said: func(s *domain.Said) { s.Verdict = domain.SaidPending }},
		{name: "no, of what was voided here", said: func(s *domain.Said) { s.Verdict = domain.SaidDeclined }, with: []domain.Transaction{follow(domain.Void, 4200)}},
		{name: "our no and their no", x: func(x *domain.Transaction) { x.Status, x.Reason = domain.TxFailed, domain.ReasonNeverArrived }, said: func(s *domain.Said) { *s = domain.Said{At: at, Verdict: domain.SaidAbsent} }},
		{name: "our no and their yes", x: func(x *domain.Transaction) { x.Status = domain.TxDeclined }, wants: []string{"Outcome"}},
		{name: "two reasons for a no", x: func(x *domain.Transaction) { x.Status, x.Reason = domain.TxDeclined, domain.ReasonExpiredCard },
			said: func(s *domain.Said) { s.Verdict, s.Reason = domain.SaidDeclined, domain.ReasonInsufficientFunds }, wants: []string{"Reason"}},
		{name: "open here", x: func(x *domain.Transaction) { x.Status = domain.TxUnknown }, said: func(s *domain.Said) { s.Amount = minorOf(1) }},
		{name: "the amount after an adjustment", said: func(s *domain.Said) { s.Amount = minorOf(4000) }, with: []domain.Transaction{follow(domain.Adjustment, -200)}},
		{name: "the amount before it", with: []domain.Transaction{follow(domain.Adjustment, -200)}},
		{name: "the amount with its tip", said: func(s *domain.Said) { s.Amount, s.Tip = minorOf(4700), minorOf(500) }, with: []domain.Transaction{follow(domain.TipAdjustment, 500), follow(domain.TipAdjustment, 300)}},
		{name: "an older tip", said: func(s *domain.Said) { s.Tip = minorOf(300) }, with: []domain.Transaction{follow(domain.TipAdjustment, 500), follow(domain.TipAdjustment, 300)}, wants: []string{"Tip"}},
	} {
		x, said := sale, same
		if tt.said != nil {
			tt.said(&said)
		}
		x.Said = said
		if tt.x != nil {
			tt.x(&x)
		}
		if got := domain.Differences(p, append(slices.Clone(tt.with), x), x); !slices.Equal(got, tt.wants) {
			t.Errorf("%s: differs in %q, want %q", tt.name, got, tt.wants)
		}
	}
}

func TestAPersonIsNeededWhereNothingCanBeAskedBy(t *testing.T) {
	lookUp, none := domain.Capabilities{domain.CanLookUp, domain.CanRefund}, domain.Capabilities{domain.CanRefund}
	for _, tt := range []struct {
		name    string
		caps    domain.Capabilities
		removed bool
		status  domain.TransactionStatus
		ref     string
		want    bool
	}{
		{"needs a person", lookUp, false, domain.TxNeedsPerson, "", true},
		{"unknown, can be asked", lookUp, false, domain.TxUnknown, "", false},
		{"unknown, no lookup by our reference", none, false, domain.TxUnknown, "", true},
		{"unknown, no lookup but theirs is known", none, false, domain.TxProcessing, "x", false},
		{"unknown, the connection is gone", none, true, domain.TxProcessing, "x", true},
		{"unknown, the connection cannot be used", nil, false, domain.TxProcessing, "x", true},
		{"known", nil, true, domain.TxApproved, "", false},
	} {
		s := domain.Standing{Caps: tt.caps, Removed: tt.removed}
		if got := s.WaitsForPerson(domain.Transaction{Status: tt.status, ProviderRef: tt.ref}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestATipAboveAFifthIsLarge(t *testing.T) {
	gbp := money.MustCurrency("GBP")
	for _, tt := range []struct {
		bare, tip int64
		want      bool
	}{{4200, 840, false}, {4200, 841, true}, {4199, 839, false}, {4199, 840, true}, {0, 1, true}, {4200, 0, false}, {1<<62 - 1, 1 << 61, true}} {
		if got := domain.LargeTip(money.FromMinor(tt.bare, gbp), money.FromMinor(tt.tip, gbp)); got != tt.want {
			t.Errorf("%d on %d is large: %v", tt.tip, tt.bare, got)
		}
	}
}
