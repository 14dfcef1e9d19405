package payments

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// TakeInput is a telephone sale, a hold or a payment link as the form sends it.
// It is plain data, so that a form and a JSON body lead to the same call.
type TakeInput struct {
	Key          string // minted with the form
	ConnectionID domain.ConnectionID
	// Kind is Sale or Preauth; empty means Sale. A link is a Sale.
	Kind   domain.TransactionType
	Method domain.Method
	// Amount is the whole sum, the surcharge included.
	Amount    money.Amount
	Surcharge money.Amount // the part of Amount that is added for the way of paying; zero value: none
	// CaptureAfter asks the provider to capture a hold by itself, after whole
	// minutes; zero: a person captures it. Preauth only.
	CaptureAfter time.Duration
	// Expires is how long a link can be paid on, in whole minutes. MethodLink
	// only, and needed there.
	Expires        time.Duration
	SendByEmail    bool // MethodLink: the provider writes to Email
	OrderReference string
	Email          string
	CardToken      string      // MethodFrame: one-use token from the provider's frame
	Card           domain.Card // MethodFrame: what the frame told of the card
	CardID         domain.CardID
	// Terminal is how it runs on a terminal: MethodTerminal only, and needed there.
	Terminal domain.OnTerminal
	// Customer is whose card a terminal stores (Terminal.StoreCard); empty: it is
	// called after the order.
	Customer string
	// ConfirmDuplicate names the payment like this one that the person was shown
	// and wants another of.
	ConfirmDuplicate domain.PaymentID
}

// kind is Kind with its default.
func (in TakeInput) kind() domain.TransactionType {
	if in.Kind == "" {
		return domain.Sale
	}
	return in.Kind
}

// The bounds of a link's and a hold's own time.
const (
	MinLinkTime  = 5 * time.Minute
	MaxLinkTime  = 30 * 24 * time.Hour
	maxHoldsTime = 30 * 24 * time.Hour
)

// CheckTake is every rule of the sale form that needs no database, one sentence
// per field, for a handler that already knows that another field is wrong.
func (s *Service) CheckTake(in TakeInput) map[string]string { return checkTake(&in) }

// checkTake is every rule of the sale form that needs no database.
func checkTake(in *TakeInput) map[string]string {
	fields := map[string]string{}
	in.OrderReference = strings.TrimSpace(in.OrderReference)
	in.Email = strings.TrimSpace(in.Email)
	if !in.Amount.IsPositive() {
		fields["amount"] = "Enter an amount above " + money.Zero(in.Amount.Currency()).Format() + "."
	}
	checkSurcharge(in, fields)
	checkTimes(in, fields)
	switch {
	case in.OrderReference == "":
		fields["order_reference"] = "Enter the order reference, for example “Hamper 2261”."
	case len([]rune(in.OrderReference)) > 50:
		fields["order_reference"] = "Use at most 50 characters."
	case domain.LooksLikeCardNumber(in.OrderReference):
		fields["order_reference"] = "This looks like a card number. Type it only into the provider’s box."
	}
	checkEmail(in.Email, fields)
	if in.SendByEmail && in.Email == "" {
		fields["email"] = "Enter the address that the link is sent to."
	}
	if in.Kind != "" && in.Kind != domain.Sale && in.Kind != domain.Preauth {
		fields["kind"] = "Choose what to do: a sale, a pre-authorisation or a payment link."
	}
	if in.Method == domain.MethodFrame {
		if why := badToken(in.CardToken); why != "" {
			fields["method"] = why + " Nothing was charged."
		}
	}
	if in.Method == domain.MethodCard && in.CardID.IsZero() {
		fields["card"] = "Choose a stored card."
	}
	checkOnTerminal(in, fields)
	return fields
}

func checkOnTerminal(in *TakeInput, fields map[string]string) {
	if in.Method != domain.MethodTerminal {
		if !in.Terminal.IsZero() {
			fields["terminal"] = "Only a payment on a terminal names one."
		}
		return
	}
	if in.Terminal.IsZero() {
		fields["terminal"] = "Choose a terminal."
	}
	checkTerminal(in.Terminal, takeOp(in.kind(), in.Terminal.StoreCard), fields)
	if in.kind() == domain.Preauth && in.Terminal.StoreCard {
		fields["store_card"] = "A card is stored with a sale only."
	}
	if in.Customer = strings.TrimSpace(in.Customer); in.Customer != "" {
		in.Customer = checkCustomer(in.Customer, fields)
	}
	if in.Surcharge.IsPositive() {
		fields["surcharge"] = "A terminal takes no surcharge from here."
	}
	if in.CaptureAfter != 0 {
		fields["capture_after"] = "What a terminal holds is captured by a person."
	}
}

func checkEmail(email string, fields map[string]string) {
	if email == "" {
		return
	}
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 254 {
		fields["email"] = "Enter an e-mail address, for example name@example.com, or leave it empty."
	}
}

// badToken says what is wrong with a token of the provider's frame.
func badToken(token string) string {
	switch {
	case token == "":
		return "The provider’s box has not given us the card yet. Fill it in, then go on."
	case len(token) > 512 || domain.LooksLikeCardNumber(token):
		return "The provider’s box gave something that is not a card token."
	}
	return ""
}

func checkSurcharge(in *TakeInput, fields map[string]string) {
	if in.Surcharge == (money.Amount{}) {
		in.Surcharge = money.Zero(in.Amount.Currency())
	}
	switch {
	case in.Surcharge.Currency() != in.Amount.Currency():
		fields["surcharge"] = "The surcharge is in another currency than the amount."
	case in.Surcharge.IsNegative():
		fields["surcharge"] = "A surcharge cannot be below zero. Leave it empty when there is none."
	case in.Surcharge.IsPositive() && in.Surcharge.Minor() >= in.Amount.Minor():
		fields["surcharge"] = "The surcharge is a part of the whole sum and cannot be all of it."
	}
}

func checkTimes(in *TakeInput, fields map[string]string) {
	switch after := in.CaptureAfter; {
	case after == 0:
	case in.kind() != domain.Preauth:
		fields["capture_after"] = "Only a pre-authorisation is captured later."
	case after < time.Minute || after%time.Minute != 0 || after > maxHoldsTime:
		fields["capture_after"] = "Choose after how long the provider captures it, in whole minutes."
	}
	switch link := in.Method == domain.MethodLink; {
	case !link && (in.Expires != 0 || in.SendByEmail):
		fields["expires"] = "Only a payment link ends by itself."
	case link && in.kind() != domain.Sale:
		fields["kind"] = "A payment link takes a sale, not a pre-authorisation."
	case link && (in.Expires < MinLinkTime || in.Expires > MaxLinkTime || in.Expires%time.Minute != 0):
		fields["expires"] = "Choose how long the link can be paid on: 5 minutes to 30 days."
	}
}

// saneCard keeps of a frame's message only what may be shown.
func saneCard(c domain.Card) domain.Card {
	if len(c.Last4) != 4 || strings.Trim(c.Last4, "0123456789") != "" {
		return domain.Card{}
	}
	c.Brand = domain.CardBrand(c.Brand)
	if len(c.Expiry) != 5 || c.Expiry[2] != '/' {
		c.Expiry = ""
	}
	return c
}

// Take charges a card by telephone, holds an amount on it, or makes a link that
// the customer pays on. It needs payments:take. It writes the pending payment,
// its audit row and the resolve job, then calls the provider, then settles. The
// same key with the same content gives the first result; with another content
// Duplicate. Invalid carries one sentence per field. A payment like one of the
// last minutes is an *Alike, a Conflict, unless ConfirmDuplicate names it. A
// decline is a Taken, not an error. It moves money at the provider.
func (s *Service) Take(ctx context.Context, actor domain.Actor, in TakeInput) (Taken, error) {
	if err := actor.Require(domain.PaymentsTake); err != nil {
		return Taken{}, err
	}
	if !validKey(in.Key) {
		return Taken{}, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was charged. Open a new one.")
	}
	fields := checkTake(&in)
	var l link
	var token string
	var on terminal
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		conn, err := tx.Connection(ctx, in.ConnectionID)
		if err != nil {
			return err
		}
		merchant, err := tx.MerchantRow(ctx)
		if err != nil {
			return err
		}
		if l, err = s.link(ctx, tx, conn); err != nil {
			return err
		}
		for k, v := range s.checkConnection(l, merchant, in) {
			fields[k] = v
		}
		if in.Method == domain.MethodTerminal && fields["method"] == "" && fields["terminal"] == "" {
			var why string
			if on, why, err = s.findTerminal(ctx, tx, l, in.Terminal.DeviceID, takeOp(in.kind(), in.Terminal.StoreCard)); why != "" {
				fields["terminal"] = why
			}
			checkVirtual(on, in.Terminal, fields)
			return err
		}
		if in.Method != domain.MethodCard || in.CardID.IsZero() {
			return nil
		}
		token, in.Card, err = s.openCard(ctx, tx, conn.ID, in.CardID)
		return err
	})
	if err != nil {
		return Taken{}, err
	}
	if len(fields) > 0 {
		return Taken{}, domain.InvalidFields(fields)
	}
	if in.Method == domain.MethodFrame {
		token, in.Card = in.CardToken, saneCard(in.Card)
	}
	failpoint.Hit(string(in.kind()), failpoint.Checked)
	b := s.taking(actor, l, in)
	if in.Method == domain.MethodTerminal {
		onDevice(&b.x, in.Terminal, on)
		b.audit["device"] = on.device.ID.String()
		if in.Terminal.StoreCard {
			if b.x.Note = in.Customer; b.x.Note == "" {
				b.x.Note = in.OrderReference
			}
		}
	}
	x, taken, err := s.begin(ctx, actor, b)
	if err != nil || taken.Replayed {
		return taken, err
	}
	if in.Method == domain.MethodTerminal {
		taken.Status, err = s.sendToTerminal(ctx, actor, l, x, on, in.OrderReference)
		return taken, err
	}
	req := providers.SaleRequest{Amount: in.Amount, AttemptRef: x.AttemptRef, Token: token, OrderReference: in.OrderReference, Email: in.Email,
		ReturnURL: s.PublicURL + "/payments/card-entry", Surcharge: in.Surcharge, CaptureAfter: in.CaptureAfter}
	taken.Status, err = s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) { return take(ctx, l, in, req) })
	return taken, err
}

// openCard reads a stored card that may be charged, with its token.
func (s *Service) openCard(ctx context.Context, tx *store.Tx, conn domain.ConnectionID, id domain.CardID) (string, domain.Card, error) {
	card, sealed, err := tx.Card(ctx, conn, id)
	if err != nil {
		return "", domain.Card{}, err
	}
	plain, err := s.Secrets.Open(sealed, domain.CardContext(tx.Merchant(), card.ID)...)
	if err != nil {
		return "", domain.Card{}, fmt.Errorf("payments: token of card %s: %w", card.ID, err)
	}
	return string(plain), card.Card, nil
}

// take calls the provider. checkConnection asked for what is asserted here.
func take(ctx context.Context, l link, in TakeInput, req providers.SaleRequest) (providers.Result, error) {
	hold := in.kind() == domain.Preauth
	switch in.Method {
	case domain.MethodLink:
		if p, ok := providers.As[providers.LinkMaker](l.provider); ok {
			made, err := p.CreateLink(ctx, providers.LinkRequest{SaleRequest: req, Expires: in.Expires, SendByEmail: in.SendByEmail})
			return made.Result, err
		}
	case domain.MethodPage:
		if p, ok := providers.As[providers.PagePreauthorizer](l.provider); ok && hold {
			return p.PreauthorizeByPage(ctx, req)
		}
		if p, ok := providers.As[providers.PageSeller](l.provider); ok && !hold {
			return p.SellByPage(ctx, req)
		}
	default:
		if p, ok := providers.As[providers.TokenPreauthorizer](l.provider); ok && hold {
			return p.PreauthorizeByToken(ctx, req)
		}
		if p, ok := providers.As[providers.TokenSeller](l.provider); ok && !hold {
			return p.SellByToken(ctx, req)
		}
	}
	return providers.Result{}, notOffered(l, string(in.kind()))
}

// notOffered is a call that was not made because the connection has it no more.
func notOffered(l link, op string) error {
	return &providers.Error{Provider: l.reg.Name, Op: op, Kind: providers.KindUnsupported, NotDone: true,
		Reason: domain.ReasonNotAllowed, Text: "The connection no longer offers it."}
}

const notInUse = "This connection is not in use. Choose another one."

// ways lists what each way to take a payment asks of a connection, by its kind.
var needs = map[domain.TransactionType]map[domain.Method][]domain.Capability{
	domain.Sale: {
		domain.MethodFrame:    {domain.CanSellByToken, domain.CanTokenizeInFrame},
		domain.MethodPage:     {domain.CanSellByPage},
		domain.MethodCard:     {domain.CanSellByToken},
		domain.MethodLink:     {domain.CanPayByLink},
		domain.MethodTerminal: {domain.CanUseTerminal},
	},
	domain.Preauth: {
		domain.MethodFrame:    {domain.CanPreauthByToken, domain.CanTokenizeInFrame},
		domain.MethodPage:     {domain.CanPreauthByPage},
		domain.MethodCard:     {domain.CanPreauthByToken},
		domain.MethodTerminal: {domain.CanUseTerminal},
	},
}

// whyNot says why a connection does not offer a way to take a payment; empty: it
// does.
func (s *Service) whyNot(l link, kind domain.TransactionType, how domain.Method) string {
	asked, known := needs[kind][how]
	if !known {
		return "This connection does not offer that way to pay."
	}
	for _, c := range asked {
		if why := s.missing(l, c); why != "" {
			return why
		}
	}
	if how == domain.MethodTerminal {
		op := takeOp(kind, false)
		if operationName(l, op, false) == "" && operationName(l, op, true) == "" {
			if _, captures := providers.As[providers.Capturer](l.provider); op == providers.OpPreauth && captures {
				if why := s.missing(l, domain.CanCapture); why != "" {
					return why
				}
			}
			return l.reg.Label + " does not offer it on a terminal."
		}
	}
	return ""
}

// missing says why a connection does not offer a capability; empty: it does.
func (s *Service) missing(l link, c domain.Capability) string {
	if l.caps.Has(c) {
		return ""
	}
	for _, o := range providers.Offers(l.provider, l.reg, l.conn.Settings, s.PublicURL) {
		if o.Capability == c && o.Why != "" {
			return o.Why
		}
	}
	return l.reg.Label + " does not offer it."
}

// checkConnection is every rule of the sale form that the connection decides.
func (s *Service) checkConnection(l link, merchant domain.Merchant, in TakeInput) map[string]string {
	fields := s.checkUse(l, merchant, in.Amount.Currency())
	if _, known := fields["kind"]; in.Method != "" && !known {
		if why := s.whyNot(l, in.kind(), in.Method); why != "" {
			field := "method"
			if in.Method == domain.MethodLink {
				field = "kind"
			}
			fields[field] = why
		}
	} else if in.Method == "" {
		fields["method"] = "Choose how the card is taken."
	}
	if in.Surcharge.IsPositive() {
		if why := s.missing(l, domain.CanSurcharge); why != "" {
			fields["surcharge"] = why
		}
	}
	if in.CaptureAfter != 0 {
		if why := s.missing(l, domain.CanAutoCapture); why != "" {
			fields["capture_after"] = why
		} else if k, ok := providers.As[providers.HoldKeeper](l.provider); ok && in.CaptureAfter >= k.HoldsFor() {
			fields["capture_after"] = "The hold lapses before that: " + l.reg.Label + " keeps it for " + inDays(k.HoldsFor()) + "."
		}
	}
	if _, mails := providers.As[providers.LinkMailer](l.provider); in.SendByEmail && !mails {
		fields["send_by_email"] = l.reg.Label + " sends no mail with a link. Send it yourself once it is made."
	}
	return fields
}

func inDays(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n != 1 {
		return fmt.Sprintf("%d days", n)
	}
	return "a day"
}

// checkUse is what every new payment asks of its connection.
func (s *Service) checkUse(l link, merchant domain.Merchant, currency money.Currency) map[string]string {
	fields := map[string]string{}
	if !l.conn.Active || l.conn.Mode != merchant.Mode {
		fields["connection"] = notInUse
	}
	if !slices.Contains(providers.Currencies(l.reg, l.conn, merchant.Currencies), currency) {
		fields["currency"] = fmt.Sprintf("%s cannot be charged through %s.", currency.Code(), l.conn.Name)
	}
	return fields
}

// taking is the sale, the hold or the link that a form asks for.
func (s *Service) taking(actor domain.Actor, l link, in TakeInput) beginning {
	b := s.newBeginning(actor, l, in.kind(), in.Amount)
	b.key = in.Key
	b.hash = requestHash(string(in.kind()), l.conn.ID.String(), string(in.Method), in.Amount.String(), in.Surcharge.String(), in.CaptureAfter.String(), in.Expires.String(),
		fmt.Sprint(in.SendByEmail), in.OrderReference, in.Email, in.CardToken, in.CardID.String())
	if in.Method == domain.MethodTerminal {
		b.hash = requestHash(string(b.hash), terminalHash(in.Terminal), in.Customer)
	}
	b.audit = map[string]any{"method": string(in.Method), "order_reference": in.OrderReference}
	b.p.Method, b.p.OrderReference, b.p.Email, b.p.Card = in.Method, in.OrderReference, in.Email, in.Card
	b.x.Surcharge = in.Surcharge
	if b.x.ExpiresAt = holdUntil(l, in.kind(), b.p.CreatedAt); in.Method == domain.MethodLink {
		b.x.ExpiresAt = b.p.CreatedAt.Add(in.Expires)
	}
	if in.CaptureAfter > 0 {
		b.x.CapturesAt = b.p.CreatedAt.Add(in.CaptureAfter)
	}
	b.p.ExpiresAt = b.x.ExpiresAt
	b.name = alikeName(in)
	b.may = func(ctx context.Context, tx *store.Tx) error {
		first, err := s.alike(ctx, tx, in, b.p.CreatedAt)
		if err == nil && !first.ID.IsZero() {
			if first.ID != in.ConfirmDuplicate {
				return &Alike{First: first}
			}
			b.audit["like"] = first.Reference
		}
		return err
	}
	return b
}
