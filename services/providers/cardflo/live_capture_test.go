package cardflo_test

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	emulator "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

// TestASurchargeAndATimeOfCaptureAreAccepted: the gateway takes both, captures
// the hold when its time has come, and tells of it as something that follows the
// hold.
func TestASurchargeAndATimeOfCaptureAreAccepted(t *testing.T) {
	l := listen(t, signed())
	sale := byToken(10_60, emulator.TokenApprove)
	sale.Surcharge = euros(60)
	sold := l.must(l.adapter.SellByToken(t.Context(), sale))
	l.outcome(domain.Sale, sale.AttemptRef, sold.ProviderRef, providers.Approved)
	req := byToken(10_60, emulator.TokenApprove)
	req.Surcharge, req.CaptureAfter = euros(60), 90*time.Minute
	hold := l.must(l.adapter.PreauthorizeByToken(t.Context(), req))
	l.outcome(domain.Preauth, req.AttemptRef, hold.ProviderRef, providers.Approved)
	l.emulator.Kit().Clock.Advance(89 * time.Minute)
	if n := len(l.emulator.State().Charges); n != 2 {
		t.Errorf("%d charges a minute before its time", n)
	}
	l.emulator.Kit().Clock.Advance(time.Minute)
	if n := len(l.emulator.State().Charges); n != 3 {
		t.Fatalf("%d charges when its time has come", n)
	}
	e := l.told()
	if e.Type != domain.Capture || e.OriginalRef != hold.ProviderRef || e.Result.Outcome != providers.Approved || e.Result.Amount == nil || *e.Result.Amount != euros(10_60) {
		t.Errorf("%+v", e)
	}
}
