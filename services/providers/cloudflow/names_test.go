package cloudflow

import (
	"testing"

	"github.com/counterfoil/counterfoil/services/providers"
)

func TestOnlyOperationsThatAnAmountAloneTellsHaveAName(t *testing.T) {
	var a Adapter
	for op, name := range names {
		if got := a.TerminalOperation(op, false); got != name || !operations[name] {
			t.Errorf("%s is called %q, and is sent: %v", op, got, operations[name])
		}
		if got := a.TerminalOperation(op, true); got != "" {
			t.Errorf("%s on a virtual terminal, which CloudFlow does not have, is called %q", op, got)
		}
	}
	for _, op := range []providers.TerminalOp{providers.OpVoidSale, providers.OpCapture, providers.OpPing, providers.OpStop, providers.OpPrint, providers.OpStoreCard} {
		if got := a.TerminalOperation(op, false); got != "" {
			t.Errorf("%s is called %q, though no form of it is public", op, got)
		}
	}
}
