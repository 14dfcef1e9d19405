package domain_test

import (
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

func tx(typ domain.TransactionType, status domain.TransactionStatus, minor int64, ref, original string) domain.Transaction {
	return domain.Transaction{ID: domain.NewTransactionID(), Type: typ, Status: status, Amount: money.FromMinor(minor, gbp), ProviderRef: ref, OriginalRef: original}
}

// standingOf is a payment with its books, newest transaction first.
func standingOf(t *testing.T, onTerminal []domain.Action, caps domain.Capabilities, txs ...domain.Transaction) domain.Standing {
	t.Helper()
	root, _ := domain.Root(txs)
	b, err := domain.BooksOf(root.Amount.Currency(), txs)
	if err != nil {
		t.Fatal(err)
	}
	return domain.Standing{Payment: domain.Payment{Kind: root.Type, Status: b.Status, Amount: root.Amount, Captured: b.Captured, Refunded: b.Refunded, Held: b.Held,
		ChargedBack: b.ChargedBack, Authorised: b.Authorised, Tip: b.Tip}, Transactions: txs, Caps: caps, OnTerminal: onTerminal}
}

var manager = domain.Actor{Role: domain.Manager}

func TestWhatOnlyATerminalCanDoIsPossibleOnOneAndSaysSo(t *testing.T) {
	hold := tx(domain.Preauth, domain.TxApproved, 5000, "p", "")
	for _, tt := range []struct {
		name       string
		onTerminal []domain.Action
		caps       domain.Capabilities
		want       domain.Denial
		onOne      domain.Denial
		needs      bool
	}{
		{"neither", nil, nil, domain.DeniedCapability, domain.DeniedCapability, false},
		{"on a terminal only", []domain.Action{domain.ActVoid}, nil, domain.Possible, domain.Possible, true},
		{"without one only", nil, domain.Capabilities{domain.CanVoidPreauth}, domain.Possible, domain.DeniedCapability, false},
		{"both", []domain.Action{domain.ActVoid}, domain.Capabilities{domain.CanVoidPreauth}, domain.Possible, domain.Possible, false},
	} {
		st := standingOf(t, tt.onTerminal, tt.caps, hold)
		if got := domain.Allowed(manager, st, domain.ActVoid); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := domain.AllowedOnTerminal(manager, st, domain.ActVoid); got != tt.onOne {
			t.Errorf("%s, on a terminal: %q, want %q", tt.name, got, tt.onOne)
		}
		if got := st.NeedsTerminal(domain.ActVoid); got != tt.needs {
			t.Errorf("%s: needs a terminal: %t", tt.name, got)
		}
	}
	if got := domain.Allowed(domain.Actor{Role: domain.Analyst}, standingOf(t, []domain.Action{domain.ActVoid}, nil, hold), domain.ActVoid); got != domain.DeniedRole {
		t.Errorf("a terminal gives nobody a permission: %q", got)
	}
}

func TestTheVoidOfARefundIsOfTheNewestAndOnATerminalOnly(t *testing.T) {
	on := []domain.Action{domain.ActVoidRefund}
	sale := tx(domain.Sale, domain.TxApproved, 5000, "s", "")
	first := tx(domain.Refund, domain.TxApproved, 1000, "r1", "s")
	second := tx(domain.Refund, domain.TxApproved, 2000, "r2", "s")
	voided := tx(domain.Void, domain.TxApproved, 2000, "v", "r2")
	open := tx(domain.Refund, domain.TxUnknown, 100, "", "s")
	for _, tt := range []struct {
		name string
		on   []domain.Action
		txs  []domain.Transaction
		want domain.Denial
		last string
	}{
		{"no refund", on, []domain.Transaction{sale}, domain.DeniedNoRefund, ""},
		{"two", on, []domain.Transaction{second, first, sale}, domain.Possible, "r2"},
		{"the newest is voided", on, []domain.Transaction{voided, second, first, sale}, domain.Possible, "r1"},
		{"all are voided", on, []domain.Transaction{voided, second, sale}, domain.DeniedNoRefund, ""},
		{"another change has no outcome", on, []domain.Transaction{open, first, sale}, domain.DeniedBusy, "r1"},
		{"no terminal", nil, []domain.Transaction{first, sale}, domain.DeniedCapability, "r1"},
	} {
		st := standingOf(t, tt.on, domain.Capabilities{domain.CanRefund, domain.CanVoidSale}, tt.txs...)
		if got := domain.Allowed(manager, st, domain.ActVoidRefund); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := st.LastRefund().ProviderRef; got != tt.last {
			t.Errorf("%s: the newest is %q, want %q", tt.name, got, tt.last)
		}
	}
	// Its amount can be refunded again, and the sale does not count as voided.
	st := standingOf(t, on, domain.Capabilities{domain.CanRefund, domain.CanVoidSale, domain.CanAdjustTip}, voided, second, sale)
	if st.Refundable().Minor() != 5000 || domain.Allowed(manager, st, domain.ActRefund) != domain.Possible || st.Status != domain.PaymentApproved {
		t.Errorf("%s, %s can be refunded", st.Status, st.Refundable())
	}
	if got := domain.Allowed(manager, st, domain.ActVoid); got != domain.DeniedRefunded {
		t.Errorf("the void of its sale: %q", got)
	}
}
