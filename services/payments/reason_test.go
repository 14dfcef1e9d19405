package payments

import (
	"log/slog"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
)

// What a provider's no becomes when its adapter has no reason of ours for it: its
// own words, and a bare no only where it said nothing at all.
func TestANoWithoutAReasonIsTheProvidersOwnWords(t *testing.T) {
	s := &Service{Config: Config{Log: slog.New(slog.DiscardHandler)}}
	refused := func(code, text string, r domain.Reason) error {
		return &providers.Error{Provider: "p", Op: "sale", Kind: providers.KindRefused, NotDone: true, Code: code, Text: text, Reason: r}
	}
	declined := func(code, text string, r domain.Reason) providers.Result {
		return providers.Result{Outcome: providers.Declined, Code: code, Text: text, Reason: r}
	}
	for name, c := range map[string]struct {
		res  providers.Result
		err  error
		to   domain.TransactionStatus
		want domain.Reason
	}{
		"declined with a code":           {declined("ZZ", "", domain.ReasonNone), nil, domain.TxDeclined, domain.ReasonUnmapped},
		"declined with words":            {declined("", "on Friday", domain.ReasonNone), nil, domain.TxDeclined, domain.ReasonUnmapped},
		"declined and no more":           {declined("", "", domain.ReasonNone), nil, domain.TxDeclined, domain.ReasonDeclined},
		"unmapped with a code":           {declined("ZZ", "", domain.ReasonUnmapped), nil, domain.TxDeclined, domain.ReasonUnmapped},
		"unmapped, and there is no code": {declined("", "", domain.ReasonUnmapped), nil, domain.TxDeclined, domain.ReasonDeclined},
		"a listed bare no":               {declined("05", "Do not honour", domain.ReasonDeclined), nil, domain.TxDeclined, domain.ReasonDeclined},
		"a translated one":               {declined("54", "", domain.ReasonExpiredCard), nil, domain.TxDeclined, domain.ReasonExpiredCard},
		"cancelled":                      {declined("2002", "", domain.ReasonCustomerCancelled), nil, domain.TxFailed, domain.ReasonCustomerCancelled},
		"refused with a code":            {providers.Result{}, refused("ZZ", "", domain.ReasonNone), domain.TxFailed, domain.ReasonUnmapped},
		"refused and no more":            {providers.Result{}, refused("", "", domain.ReasonNone), domain.TxFailed, domain.ReasonInvalidRequest},
		"a translated refusal":           {providers.Result{}, refused("3107", "", domain.ReasonSecurityCode), domain.TxFailed, domain.ReasonSecurityCode},
	} {
		if a := s.translate(link{}, domain.Transaction{Type: domain.Sale}, c.res, c.err, time.Now()); a.to != c.to || a.set.Reason != c.want {
			t.Errorf("%s: %s because %q, want %s because %q", name, a.to, a.set.Reason, c.to, c.want)
		}
	}
}
