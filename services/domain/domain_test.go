package domain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

var gbp = money.MustCurrency("GBP")

func TestTransitionsAreThisTableAndNoOther(t *testing.T) {
	allowed := map[domain.TransactionStatus]string{
		domain.TxPending:     "processing unknown approved declined failed needs_person",
		domain.TxProcessing:  "unknown approved declined failed needs_person",
		domain.TxUnknown:     "processing approved declined failed needs_person",
		domain.TxNeedsPerson: "approved declined failed",
		domain.TxFailed:      "approved",
		domain.TxDeclined:    "approved",
		domain.TxApproved:    "",
	}
	for _, from := range domain.TransactionStatuses {
		want, known := allowed[from]
		if !known {
			t.Errorf("status %s is missing from this table", from)
		}
		for _, to := range domain.TransactionStatuses {
			if got := from.CanBecome(to); got != slices.Contains(strings.Fields(want), string(to)) {
				t.Errorf("%s may become %s: %v", from, to, got)
			}
			if from.CanBecome(to) != slices.Contains(to.Before(), from) {
				t.Errorf("Before of %s and CanBecome of %s disagree", to, from)
			}
		}
	}
}

// TestTenThousandRandomLivesNeverBreakTheBooks drives a payment through random
// answers and random actions, with the rules that the use case and the store
// apply, and holds the sums to their promises after each step.
func TestTenThousandRandomLivesNeverBreakTheBooks(t *testing.T) {
	lives := 0
	actor := domain.Actor{Role: domain.Owner}
	all := domain.Capabilities(domain.AllCapabilities)
	making := []domain.Action{domain.ActRefund, domain.ActCapture, domain.ActIncrease, domain.ActDecrease, domain.ActVoid, domain.ActTip}
	life := func(t *rapid.T) {
		lives++
		clock := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
		total := rapid.Int64Range(1, 1_000).Draw(t, "total")
		zero := money.Zero(gbp)
		root := domain.Transaction{ID: domain.NewTransactionID(), ProviderRef: "root", Type: rapid.SampledFrom([]domain.TransactionType{domain.Sale, domain.Preauth, domain.Payout}).Draw(t, "root"),
			Status: domain.TxPending, Amount: money.FromMinor(total, gbp), CreatedAt: clock}
		st := domain.Standing{Payment: domain.Payment{Kind: root.Type, Amount: root.Amount, Captured: zero, Refunded: zero, Held: zero, ChargedBack: zero, Authorised: zero, Tip: zero},
			Transactions: []domain.Transaction{root}, Caps: all}
		if rapid.Bool().Draw(t, "one capture only") {
			st.Caps = slices.DeleteFunc(slices.Clone(all), func(c domain.Capability) bool { return c == domain.CanCaptureAgain })
		}
		late := false // something that was settled as "no" was approved after all
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			clock = clock.Add(time.Second)
			if rapid.IntRange(0, 2).Draw(t, "act") > 0 {
				act := rapid.SampledFrom(making).Draw(t, "action")
				amount := money.FromMinor(rapid.Int64Range(-1, total+1).Draw(t, "amount"), gbp)
				if domain.Allowed(actor, st, act) != domain.Possible || domain.AllowedAmount(st, act, amount, money.Amount{}) != domain.Possible {
					continue
				}
				x := domain.Transaction{ID: domain.NewTransactionID(), Type: act.Makes(), Status: domain.TxPending, Amount: amount, OriginalRef: "root", CreatedAt: clock}
				x.ProviderRef = x.ID.String()
				switch act {
				case domain.ActRefund:
					x.OriginalRef = st.Charge().ProviderRef
				case domain.ActVoid:
					if x.Amount = st.Authorised; root.Type == domain.Sale {
						x.Amount = root.Amount
					}
				case domain.ActCapture:
					x.Final = rapid.Bool().Draw(t, "final") || !st.Caps.Has(domain.CanCaptureAgain)
				}
				st.Transactions = append([]domain.Transaction{x}, st.Transactions...)
			} else {
				i := rapid.IntRange(0, len(st.Transactions)-1).Draw(t, "which")
				to := rapid.SampledFrom(domain.TransactionStatuses).Draw(t, "to")
				if x := &st.Transactions[i]; x.Status.CanBecome(to) {
					late = late || !x.Status.Open()
					x.Status = to
				}
			}
			b, err := domain.BooksOf(gbp, st.Transactions)
			if late && errors.Is(err, domain.ErrBooks) {
				return // the store keeps such an answer for a person
			}
			if err != nil {
				t.Fatal(err)
			}
			st.Status, st.Captured, st.Refunded, st.Held, st.Authorised, st.Tip = b.Status, b.Captured, b.Refunded, b.Held, b.Authorised, b.Tip
			sum := func(want domain.TransactionStatus, types ...domain.TransactionType) (minor int64) {
				for _, x := range st.Transactions {
					if x.Status == want && slices.Contains(types, x.Type) {
						minor += x.Amount.Minor()
					}
				}
				return minor
			}
			held := sum(domain.TxApproved, domain.Preauth, domain.Increment) - sum(domain.TxApproved, domain.Decrement)
			switch {
			case st.Refundable().IsNegative() || st.Authorised.IsNegative() || st.Captured.IsNegative():
				t.Fatalf("something is negative: %+v", b)
			case late:
			case st.Refunded.Minor()+st.Held.Minor() > st.Captured.Minor():
				t.Fatalf("refunded %s and held %s of %s", st.Refunded, st.Held, st.Captured)
			case root.Type == domain.Preauth && sum(domain.TxApproved, domain.Capture) > held:
				t.Fatalf("captured %d of %d held", sum(domain.TxApproved, domain.Capture), held)
			case root.Type == domain.Preauth && st.Authorised.Minor()+sum(domain.TxApproved, domain.Capture) > held:
				t.Fatalf("%s is still held, %d was captured, of %d", st.Authorised, sum(domain.TxApproved, domain.Capture), held)
			}
			rootNow := st.Root()
			if rootNow.Status != domain.TxApproved && !st.Captured.IsZero() && !late {
				t.Fatalf("captured %s while the %s is %s", st.Captured, root.Type, rootNow.Status)
			}
			if st.Status == domain.PaymentApproved && rootNow.Status != domain.TxApproved {
				t.Fatalf("approved while the %s is %s", root.Type, rootNow.Status)
			}
			for _, x := range st.Transactions {
				if x.Status == domain.TxUnknown && st.Status != domain.PaymentUnknown && st.Status != domain.PaymentNeedsPerson {
					t.Fatalf("an unknown %s hides behind %s", x.Type, st.Status)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 100 {
			life(t)
		}
	})
	if lives < 10_000 {
		t.Errorf("only %d lives were led", lives)
	}
}

func TestAVoidTakesOutOnlyWhatItsOriginalBroughtIn(t *testing.T) {
	x := func(typ domain.TransactionType, ref, of string, minor int64) domain.Transaction {
		return domain.Transaction{ID: domain.NewTransactionID(), Type: typ, Status: domain.TxApproved, ProviderRef: ref, OriginalRef: of, Amount: money.FromMinor(minor, gbp)}
	}
	hold, more, capture := x(domain.Preauth, "p", "", 100), x(domain.Increment, "i", "p", 20), x(domain.Capture, "c", "p", 120)
	for name, c := range map[string]struct {
		txs                []domain.Transaction
		captured, refunded int64
		status             domain.PaymentStatus
	}{
		"of a hold":                    {[]domain.Transaction{hold, x(domain.Void, "v", "p", 100)}, 0, 0, domain.PaymentVoided},
		"of a hold's increase":         {[]domain.Transaction{hold, more, x(domain.Void, "v", "i", 20)}, 0, 0, domain.PaymentAuthorised},
		"of an increase after capture": {[]domain.Transaction{hold, more, capture, x(domain.Void, "v", "i", 20)}, 120, 0, domain.PaymentCaptured},
		"of a capture":                 {[]domain.Transaction{hold, capture, x(domain.Void, "v", "c", 120)}, 0, 0, domain.PaymentVoided},
		"of a refund":                  {[]domain.Transaction{hold, capture, x(domain.Refund, "r", "c", 50), x(domain.Void, "v", "r", 50)}, 120, 0, domain.PaymentCaptured},
	} {
		b, err := domain.BooksOf(gbp, c.txs)
		if err != nil || b.Captured.Minor() != c.captured || b.Refunded.Minor() != c.refunded || b.Status != c.status {
			t.Errorf("%s: %+v (%v)", name, b, err)
		}
	}
	for name, txs := range map[string][]domain.Transaction{
		"a capture voided twice":   {hold, capture, x(domain.Void, "v", "c", 120), x(domain.Void, "w", "c", 120)},
		"a refund voided twice":    {hold, capture, x(domain.Refund, "r", "c", 50), x(domain.Void, "v", "r", 50), x(domain.Void, "w", "r", 50)},
		"more given than taken":    {hold, capture, x(domain.ChargebackReversal, "cr", "c", 1)},
		"adjusted to below nought": {hold, capture, x(domain.Adjustment, "a", "c", -121)},
	} {
		if b, err := domain.BooksOf(gbp, txs); !errors.Is(err, domain.ErrBooks) {
			t.Errorf("%s: %+v (%v), want ErrBooks", name, b, err)
		}
	}
}

func TestEveryStatusAndReasonHasWords(t *testing.T) {
	for _, s := range domain.PaymentStatuses {
		if s.Label() == string(s) {
			t.Errorf("payment status %s has no word", s)
		}
	}
	for _, s := range domain.TransactionStatuses {
		if s.Label() == string(s) {
			t.Errorf("transaction status %s has no word", s)
		}
	}
	for _, a := range domain.RetryAdvices {
		if w := a.Words(); !strings.HasSuffix(w, ".") || strings.ContainsAny(w, "!_") {
			t.Errorf("advice %s: %q is not a calm sentence", a, w)
		}
	}
	labels := map[string]domain.Reason{}
	for _, r := range domain.Reasons() {
		e := r.Explain()
		for _, w := range []string{e.What, e.Do, e.Say} {
			if !strings.HasSuffix(w, ".") && !strings.HasSuffix(w, "?") || strings.ContainsAny(w, "!_") || strings.Contains(strings.ToLower(w), "please") {
				t.Errorf("reason %s: %q is not a calm sentence", r, w)
			}
		}
		if strings.HasSuffix(e.What, "?") || strings.Count(e.What, ". ") > 0 {
			t.Errorf("reason %s: what happened is not one sentence: %q", r, e.What)
		}
		if what, do := r.Words(); what != e.What || do != e.Do {
			t.Errorf("reason %s is told in two ways", r)
		}
		if !slices.Contains(domain.RetryAdvices, e.Advice) || e.Advice != r.Advice() {
			t.Errorf("reason %s has the advice %q", r, e.Advice)
		}
		label := r.Label()
		if label == "" || strings.Contains(label, "_") || labels[label] != "" {
			t.Errorf("reason %s has the label %q, as %q", r, label, labels[label])
		}
		labels[label] = r
	}
	if domain.ReasonNone.Label() != "" {
		t.Errorf("no reason has the label %q", domain.ReasonNone.Label())
	}
}

// What a person reads out accuses nobody: of a stopped card the customer hears
// that it was declined.
func TestTheCustomerIsNeverToldOfTheftOrSuspicion(t *testing.T) {
	for _, r := range domain.Reasons() {
		for _, typ := range []domain.TransactionType{domain.Sale, domain.Refund, domain.Payout, domain.Register} {
			say := strings.ToLower(domain.Transaction{Type: typ, Status: domain.TxDeclined, Reason: r}.Explain().Say)
			if say == "" {
				t.Errorf("%s of a %s has no words for the customer", r, typ)
			}
			for _, never := range []string{"stolen", "steal", "lost", "fraud", "risk", "suspici", "suspect", "black", "police", "pick", "insufficient", "funds", "limit"} {
				if strings.Contains(say, never) {
					t.Errorf("%s of a %s tells the customer %q", r, typ, say)
				}
			}
		}
	}
}

// The card schemes' practice: what the issuer will never approve is not sent
// again, what it cannot approve now may be on another day.
func TestWhatMayBeTriedAgainFollowsTheCardSchemes(t *testing.T) {
	for advice, reasons := range map[domain.RetryAdvice][]domain.Reason{
		domain.MustNotRetryCard: {domain.ReasonLostOrStolen, domain.ReasonPickUp, domain.ReasonInvalidCard, domain.ReasonClosedAccount, domain.ReasonSuspectedFraud,
			domain.ReasonUnsupportedCard, domain.ReasonPaymentsStopped},
		domain.RetryAnotherDay: {domain.ReasonInsufficientFunds, domain.ReasonLimitExceeded, domain.ReasonTooManyAttempts},
		domain.MayRetryOnce:    {domain.ReasonDeclined},
		domain.RetryAfterFix:   {domain.ReasonExpiredCard, domain.ReasonSecurityCode, domain.ReasonConfirmation},
		domain.RetrySoon:       {domain.ReasonBankUnavailable},
		domain.FindOutFirst:    {domain.ReasonDuplicate, domain.ReasonConcurrent},
		domain.RetryNotKnown:   {domain.ReasonUnmapped, "a reason of a later version"},
	} {
		for _, r := range reasons {
			if got := r.Advice(); got != advice {
				t.Errorf("%s: %s, want %s", r, got, advice)
			}
		}
	}
	for a, allows := range map[domain.RetryAdvice]bool{
		domain.MayRetry: true, domain.MayRetryOnce: true, domain.RetrySoon: true, domain.RetryAnotherDay: true, domain.RetryAfterFix: true,
		domain.FindOutFirst: false, domain.MustNotRetry: false, domain.MustNotRetryCard: false, domain.RetryNotKnown: false, "": false,
	} {
		if a.Allows() != allows || allows && strings.Contains(a.Words(), "must not") {
			t.Errorf("%q allows: %v, and says %q", a, a.Allows(), a.Words())
		}
	}
}

func TestWhatNoTableTranslatesIsTheProvidersOwnWords(t *testing.T) {
	for want, x := range map[string]domain.Transaction{
		"The provider said “Ask again on Friday” (code “ZZ”).": {ProviderText: "Ask again on Friday", ProviderCode: "ZZ"},
		"The provider said “Ask again on Friday”.":             {ProviderText: "Ask again on Friday"},
		"The provider gave the code “ZZ” and no words.":        {ProviderCode: "ZZ"},
		"The provider gave neither a code nor words.":          {},
	} {
		for _, r := range []domain.Reason{domain.ReasonUnmapped, "a reason of a later version"} {
			x.Type, x.Status, x.Reason = domain.Sale, domain.TxDeclined, r
			if got := x.Explain().What; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	// A translated reason is told in our words, whatever the provider's were.
	x := domain.Transaction{Type: domain.Sale, Status: domain.TxDeclined, Reason: domain.ReasonExpiredCard, ProviderText: "54 EXP", ProviderCode: "54"}
	if got := x.Explain().What; got != "The card has expired." {
		t.Error(got)
	}
}

func TestOnlyWhatDidNotGoThroughIsExplained(t *testing.T) {
	for _, s := range domain.TransactionStatuses {
		e := domain.Transaction{Type: domain.Sale, Status: s, Reason: domain.ReasonDeclined}.Explain()
		if ended := s == domain.TxDeclined || s == domain.TxFailed; (e == domain.Explanation{}) == ended {
			t.Errorf("%s: %+v", s, e)
		}
	}
}

func TestARefundIsExplainedForWhatItIs(t *testing.T) {
	explain := func(typ domain.TransactionType, r domain.Reason) domain.Explanation {
		return domain.Transaction{Type: typ, Status: domain.TxDeclined, Reason: r}.Explain()
	}
	for _, typ := range []domain.TransactionType{domain.Refund, domain.Payout} {
		for _, r := range domain.Reasons() {
			e := explain(typ, r)
			if strings.Contains(e.Do, "another card") || strings.Contains(e.Do, "another one") || strings.Contains(e.Say, "another card") {
				t.Errorf("%s for %s: money cannot go back to another card: %+v", typ, r, e)
			}
		}
	}
	if e := explain(domain.Capture, domain.ReasonInsufficientFunds); e.Say != "" || e.Do == "" {
		t.Errorf("nobody waits for a capture: %+v", e)
	}
}

func TestRolesMayWhatTheTableSays(t *testing.T) {
	for _, tt := range []struct {
		p   domain.Permission
		may string
	}{
		{domain.OverviewRead, "owner admin manager cashier developer analyst"},
		{domain.PaymentsRead, "owner admin manager cashier developer analyst"},
		{domain.PaymentsTake, "owner admin manager cashier"},
		{domain.PaymentsCheck, "owner admin manager cashier"},
		{domain.PaymentsRefund, "owner admin manager"},
		{domain.PaymentsExport, "owner admin manager analyst"},
		{"", ""},
		{"payments:delete", ""},
	} {
		for _, r := range domain.Roles {
			if got, want := r.May(tt.p), slices.Contains(strings.Fields(tt.may), string(r)); got != want {
				t.Errorf("%s holds %q: %v, want %v", r, tt.p, got, want)
			}
		}
		if domain.Role("stranger").May(tt.p) {
			t.Errorf("an unknown role holds %q", tt.p)
		}
	}
}

func TestCursorsRoundTripAndRefuseEverythingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := domain.Cursor{At: time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "at")).UTC(), ID: domain.NewPaymentID().UUID, Newer: rapid.Bool().Draw(t, "newer")}
		got, err := domain.ParseCursor(c.String())
		if err != nil || got != c {
			t.Fatalf("%+v becomes %+v (%v)", c, got, err)
		}
		if s := rapid.String().Draw(t, "other"); s != "" {
			if _, err := domain.ParseCursor(s); err == nil && len(s) != 34 {
				t.Fatalf("%q is taken for a cursor", s)
			}
		}
	})
}

func TestReferencesAreReadAsPeopleTypeThem(t *testing.T) {
	for in, want := range map[string]string{"7K2M04Q9": "7K2M04Q9", "7k2m o4q9": "7K2M04Q9", "7KZMO4QI": "7KZM04Q1", " 7k2m04q9 ": "7K2M04Q9"} {
		if got, ok := domain.CanonicalReference(in); !ok || got != want {
			t.Errorf("%q is read as %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "7K2M04Q", "7K2M04Q99", "7K2M-4Q9", "12.50", "Hamper 2261"} {
		if got, ok := domain.CanonicalReference(in); ok {
			t.Errorf("%q is read as the reference %q", in, got)
		}
	}
}

func TestCardNumbersAreSeenInFreeText(t *testing.T) {
	for in, want := range map[string]bool{
		"4111111111111111": true, "4111 1111 1111 1111": true, "4111-1111-1111-1111": true, "card 4000300011112220 please": true, "378282246310005": true,
		"Hamper 2261": false, "4111111111111112": false, "7K2M04Q9": false, "01234567890": false, "0000000000000000": false, "": false,
	} {
		if got := domain.LooksLikeCardNumber(in); got != want {
			t.Errorf("%q looks like a card number: %v, want %v", in, got, want)
		}
	}
}

func TestAnIDThatCannotBeIsAnsweredLikeOneThatIsNotThere(t *testing.T) {
	for _, in := range []string{"", "1", "../../etc/passwd", strings.Repeat("a", 36), "{01a1f999-bcc7-78f3-8c52-f8500b0fecd3}", "01A1F999BCC778F38C52F8500B0FECD3"} {
		if _, err := domain.ParsePaymentID(in); domain.CodeOf(err) != domain.NotFound {
			t.Errorf("%q: %v, want NotFound", in, err)
		}
	}
}

func TestAnAmountIsJudgedByWhatIsLeftAndWhatTheProviderOffers(t *testing.T) {
	part := domain.Capabilities{domain.CanPartRefund, domain.CanPartCapture}
	st := func(caps domain.Capabilities) domain.Standing {
		return domain.Standing{Payment: domain.Payment{Amount: money.FromMinor(100, gbp), Captured: money.FromMinor(100, gbp), Refunded: money.FromMinor(20, gbp), Held: money.FromMinor(10, gbp),
			ChargedBack: money.Zero(gbp), Authorised: money.FromMinor(50, gbp)}, Caps: caps}
	}
	eur := money.MustCurrency("EUR")
	for _, tt := range []struct {
		name   string
		act    domain.Action
		amount money.Amount
		tip    money.Amount
		caps   domain.Capabilities
		want   domain.Denial
	}{
		{"refund of what is left", domain.ActRefund, money.FromMinor(70, gbp), money.Amount{}, part, domain.Possible},
		{"refund of more", domain.ActRefund, money.FromMinor(71, gbp), money.Amount{}, part, domain.DeniedTooMuch},
		{"refund of a part where only all is offered", domain.ActRefund, money.FromMinor(70, gbp), money.Amount{}, nil, domain.DeniedPartRefund},
		{"capture of all", domain.ActCapture, money.FromMinor(50, gbp), money.Amount{}, nil, domain.Possible},
		{"capture of a part", domain.ActCapture, money.FromMinor(49, gbp), money.Amount{}, part, domain.Possible},
		{"capture of a part where only all is offered", domain.ActCapture, money.FromMinor(49, gbp), money.Amount{}, nil, domain.DeniedPartCapture},
		{"capture of more than is held", domain.ActCapture, money.FromMinor(51, gbp), money.Amount{}, part, domain.DeniedOverHold},
		{"a tip that is all of it", domain.ActCapture, money.FromMinor(10, gbp), money.FromMinor(10, gbp), part, domain.Possible},
		{"a tip above it", domain.ActCapture, money.FromMinor(10, gbp), money.FromMinor(11, gbp), part, domain.DeniedTipTooLarge},
		{"a tip in another currency", domain.ActCapture, money.FromMinor(10, gbp), money.FromMinor(1, eur), part, domain.DeniedCurrency},
		{"a tip below zero", domain.ActCapture, money.FromMinor(10, gbp), money.FromMinor(-1, gbp), part, domain.DeniedAmount},
		{"decrease of a part", domain.ActDecrease, money.FromMinor(49, gbp), money.Amount{}, part, domain.Possible},
		{"decrease of all", domain.ActDecrease, money.FromMinor(50, gbp), money.Amount{}, part, domain.DeniedWholeHold},
		{"decrease of more", domain.ActDecrease, money.FromMinor(51, gbp), money.Amount{}, part, domain.DeniedOverHold},
		{"no tip", domain.ActTip, money.Zero(gbp), money.Amount{}, part, domain.Possible},
		{"increase by nothing", domain.ActIncrease, money.Zero(gbp), money.Amount{}, part, domain.DeniedAmount},
		{"increase in another currency", domain.ActIncrease, money.FromMinor(1, eur), money.Amount{}, part, domain.DeniedCurrency},
	} {
		if got := domain.AllowedAmount(st(tt.caps), tt.act, tt.amount, tt.tip); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEveryDenialHasASentence(t *testing.T) {
	for _, d := range domain.Denials() {
		if w := d.Words(); !strings.HasSuffix(w, ".") || strings.ToUpper(w[:1]) != w[:1] {
			t.Errorf("%s says %q", d, w)
		}
	}
}
