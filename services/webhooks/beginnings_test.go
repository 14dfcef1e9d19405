package webhooks_test

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/sandbox/cardflo"
)

func TestACaptureThatTheGatewayMakesByItselfIsBooked(t *testing.T) {
	h := newHouse(t)
	taken, err := h.payments.Take(t.Context(), h.actor, payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Kind: domain.Preauth, Method: domain.MethodFrame,
		Amount: money.FromMinor(4200, gbp), OrderReference: h.order(), CardToken: cardflo.TokenApprove, CaptureAfter: time.Hour})
	must(t, err)
	hold := h.get(taken.PaymentID).Sale()
	h.advance(time.Hour)
	made := h.sandbox.Cardflo.State().Charges[1]
	h.tell(notice(map[string]any{"transactionType": "CAPTURE", "uuid": made.ID, "merchantTransactionId": made.Reference, "referenceUuid": hold.ProviderRef, "amount": "42.00"}))
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentCaptured || p.Captured.Minor() != 4200 || !p.Authorised.IsZero() {
		t.Errorf("%s, captured %s, held %s", p.Status, p.Captured, p.Authorised)
	}
}

func TestANotificationOfARegistrationKeepsItsCardOnce(t *testing.T) {
	h := newHouse(t)
	taken, err := h.payments.RegisterCard(t.Context(), h.actor, payments.RegisterInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodPage, Customer: "Imogen Ware"})
	must(t, err)
	x := h.get(taken.PaymentID).Sale()
	if x.Status != domain.TxProcessing {
		t.Fatalf("it is %s", x.Status)
	}
	news := notice(map[string]any{"transactionType": "REGISTER", "uuid": x.ProviderRef, "merchantTransactionId": x.AttemptRef, "amount": nil, "currency": nil,
		"returnData": map[string]any{"_TYPE": "cardData", "type": "visa", "lastFourDigits": "1111", "expiryMonth": "12", "expiryYear": "2030"}})
	h.tell(news)
	h.advance(time.Second)
	h.tell(news)
	if n := h.count(`select count(*) from cards where connection_id = $1 and last4 = '1111' and customer = 'Imogen Ware' and payment_id = $2`, h.cardflo, taken.PaymentID); n != 1 {
		t.Errorf("%d cards are stored, want 1", n)
	}
}

func TestANotificationOfAPaidLinkWinsOverItsCancellation(t *testing.T) {
	h := newHouse(t)
	taken, err := h.payments.Take(t.Context(), h.actor, payments.TakeInput{Key: payments.NewKey(), ConnectionID: h.cardflo, Method: domain.MethodLink,
		Amount: money.FromMinor(4200, gbp), OrderReference: h.order(), Expires: time.Hour})
	must(t, err)
	x := h.get(taken.PaymentID).Sale()
	must(t, h.payments.CancelLink(t.Context(), h.actor, taken.PaymentID))
	h.tell(h.about(x, nil))
	if p := h.get(taken.PaymentID).Payment; p.Status != domain.PaymentApproved || p.Captured.Minor() != 4200 {
		t.Errorf("%s, captured %s", p.Status, p.Captured)
	}
}
