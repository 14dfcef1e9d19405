package providers

import (
	"github.com/counterfoil/counterfoil/services/domain"
)

// implements says, per capability, whether an adapter's type has it. It is the
// only list, and each line is a type assertion: what is not implemented cannot
// be claimed.
var implements = map[domain.Capability]func(Provider) bool{
	domain.CanSellByToken:      has[TokenSeller],
	domain.CanSellByPage:       has[PageSeller],
	domain.CanPreauthByToken:   has[TokenPreauthorizer],
	domain.CanPreauthByPage:    has[PagePreauthorizer],
	domain.CanCapture:          has[Capturer],
	domain.CanPartCapture:      has[Capturer],
	domain.CanCaptureAgain:     has[Capturer],
	domain.CanVoidPreauth:      has[PreauthVoider],
	domain.CanVoidSale:         has[SaleVoider],
	domain.CanIncrease:         has[Increaser],
	domain.CanDecrease:         has[Decreaser],
	domain.CanRefund:           has[Refunder],
	domain.CanPartRefund:       has[Refunder],
	domain.CanAdjustTip:        has[TipAdjuster],
	domain.CanPayout:           has[PayoutMaker],
	domain.CanRegisterCard:     has[CardRegistrar],
	domain.CanForgetCard:       has[CardForgetter],
	domain.CanTokenFromPast:    has[PastTokenFinder],
	domain.CanPayByLink:        has[LinkMaker],
	domain.CanSurcharge:        has[SurchargeTaker],
	domain.CanAutoCapture:      has[AutoCapturer],
	domain.CanSchedule:         has[Scheduler],
	domain.CanReadOptions:      has[OptionsReader],
	domain.CanListDevices:      has[DeviceLister],
	domain.CanCheckDevice:      has[DeviceChecker],
	domain.CanCommandDevice:    has[DeviceCommander],
	domain.CanUseTerminal:      has[TerminalOperator],
	domain.CanKeepBatches:      has[BatchKeeper],
	domain.CanLookUp:           has[StatusFinder],
	domain.CanReceiveCallbacks: has[CallbackReceiver],
	domain.CanReceiveHints:     has[HintReceiver],
	domain.CanTestConnection:   has[ConnectionTester],
	domain.CanSignIn:           has[SignIner],
}

func has[T any](p Provider) bool {
	_, ok := p.(T)
	return ok
}

// As gives the adapter as one of the interfaces above.
func As[T any](p Provider) (T, bool) {
	t, ok := p.(T)
	return t, ok
}

// Offer is one capability of a connection: offered, or why not.
type Offer struct {
	Capability domain.Capability
	Offered    bool
	Why        string // a sentence when not offered
}

// Offers computes for every capability whether a connection offers it: from
// what the adapter implements, narrowed by the registration and the
// connection's settings. origin is the page that would hold a frame; empty when
// none is asked for.
func Offers(p Provider, reg Registration, settings map[string]string, origin string) []Offer {
	out := make([]Offer, 0, len(domain.AllCapabilities))
	for _, c := range domain.AllCapabilities {
		o := Offer{Capability: c}
		switch {
		case c == domain.CanTokenizeInFrame:
			f, ok := p.(FrameTokenizer)
			if ok {
				_, ok = f.CardFrame(origin)
				o.Why = "This connection names no card frame."
			}
			o.Offered = ok && has[TokenSeller](p)
		case implements[c] != nil:
			o.Offered = implements[c](p)
			if prover, ok := p.(CallbackProver); ok && c == domain.CanReceiveCallbacks && !prover.ProvesCallbacks() {
				o.Offered, o.Why = false, "This connection has no secret that proves the provider’s calls, so each is refused."
			}
		}
		switch {
		case !o.Offered && o.Why == "":
			o.Why = reg.Label + " does not offer it."
		case o.Offered && c == domain.CanPartRefund && !reg.PartRefund:
			o.Offered, o.Why = false, reg.Label+" refunds only the whole amount."
		case o.Offered && c == domain.CanLookUp && !reg.Idempotency.Lookup:
			o.Offered, o.Why = false, reg.Label+" cannot be asked by our own reference."
		case o.Offered && reg.Narrow != nil:
			o.Why = reg.Narrow(settings, c)
			o.Offered = o.Why == ""
		}
		if o.Offered {
			o.Why = ""
		}
		out = append(out, o)
	}
	return out
}

// CapabilitiesOf is the set of what Offers offers.
func CapabilitiesOf(p Provider, reg Registration, settings map[string]string, origin string) domain.Capabilities {
	var caps domain.Capabilities
	for _, o := range Offers(p, reg, settings, origin) {
		if o.Offered {
			caps = append(caps, o.Capability)
		}
	}
	return caps
}
