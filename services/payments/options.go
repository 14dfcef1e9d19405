package payments

import (
	"context"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// Purpose is what a form that begins a payment is for.
type Purpose string

// The purposes.
const (
	ForPayment Purpose = "payment" // a sale, a hold or a link
	ForPayout  Purpose = "payout"
	ForCard    Purpose = "card" // to store one
)

// offered says that a connection can serve a purpose at all.
func (p Purpose) offered(c domain.Capabilities) bool {
	var any []domain.Capability
	switch p {
	case ForPayment:
		any = []domain.Capability{domain.CanSellByToken, domain.CanSellByPage, domain.CanPreauthByToken, domain.CanPreauthByPage, domain.CanPayByLink, domain.CanUseTerminal}
	case ForPayout:
		any = []domain.Capability{domain.CanPayout, domain.CanUseTerminal}
	case ForCard:
		any = []domain.Capability{domain.CanRegisterCard, domain.CanUseTerminal}
	}
	for _, one := range any {
		if c.Has(one) {
			return true
		}
	}
	return false
}

// op is what serves the purpose on a terminal.
func (p Purpose) op(kind string) providers.TerminalOp {
	switch {
	case p == ForPayout:
		return providers.OpRefund
	case p == ForCard:
		return providers.OpStoreCard
	case kind == KindPreauth:
		return providers.OpPreauth
	}
	return providers.OpSale
}

func (p Purpose) permission() domain.Permission {
	switch p {
	case ForPayout:
		return domain.PaymentsPayout
	case ForCard:
		return domain.CardsManage
	}
	return domain.PaymentsTake
}

// Options is what a form that begins a payment offers for one connection.
type Options struct {
	Connections []domain.Connection // those in use, in the merchant's mode
	Chosen      domain.Connection   // zero when there are several and none was asked for
	Caps        domain.Capabilities
	Currencies  []money.Currency
	Cards       []domain.StoredCard
	Frame       providers.Frame // zero unless the connection has a token frame
	Label       string          // the provider's name
	MailsLinks  bool            // the provider writes to the customer of a link
	// Terminals are those of the chosen connection that the purpose can be served
	// on, in the order of their names.
	Terminals []domain.Device
	// Why says of each kind of payment, and of each way to pay of the kind asked
	// for, why the connection does not offer it; empty where it does.
	Why struct {
		Kinds map[string]string // "sale", "preauth", "link"
		Ways  map[domain.Method]string
	}
	// How says per connection, in a few words, which ways to pay it offers.
	How map[domain.ConnectionID]string
	// To is the earlier payment whose card is to be paid out to; zero: none.
	To domain.Payment
}

// The kinds of payment that the form offers. A link is a sale.
const (
	KindSale    = "sale"
	KindPreauth = "preauth"
	KindLink    = "link"
)

// Asked is what a form's address asks for; each may be zero.
type Asked struct {
	Connection domain.ConnectionID
	Card       domain.CardID    // shown even when it is not among the newest
	Payment    domain.PaymentID // the earlier payment of a payout
	Kind       string
}

// maxCards bounds the stored cards that the form lists.
const maxCards = 50

// FormOptions reads what a form that begins a payment offers. It needs
// the purpose's permission. A single connection is chosen by itself. It sends at
// most five statements, one more for a connection with terminals.
func (s *Service) FormOptions(ctx context.Context, actor domain.Actor, merchant domain.Merchant, purpose Purpose, asked Asked) (Options, error) {
	if err := actor.Require(purpose.permission()); err != nil {
		return Options{}, err
	}
	var o Options
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if !asked.Payment.IsZero() {
			var err error
			if o.To, err = tx.Payment(ctx, asked.Payment); err != nil {
				return err
			}
			asked.Connection = o.To.ConnectionID
		}
		links, all, unusable, err := s.linksInUse(ctx, tx, merchant)
		if err != nil {
			return err
		}
		for _, c := range all {
			l, usable := links[c.ID]
			// One that cannot be used is listed, so that somebody wonders; a list of
			// terminals takes no telephone sale.
			if unusable[c.ID] == nil && (!usable || !purpose.offered(l.caps)) {
				continue
			}
			o.Connections = append(o.Connections, c)
			if c.ID == asked.Connection {
				o.Chosen = c
			}
		}
		switch {
		case !asked.Connection.IsZero() && o.Chosen.ID.IsZero():
			return domain.Errorf(domain.NotFound, "There is no connection with that id in use.")
		case o.Chosen.ID.IsZero() && len(o.Connections) == 1:
			o.Chosen = o.Connections[0]
		case o.Chosen.ID.IsZero():
			o.How = map[domain.ConnectionID]string{}
			for _, c := range o.Connections {
				o.How[c.ID] = ways(links[c.ID])
			}
			return nil
		}
		if err := unusable[o.Chosen.ID]; err != nil {
			return err
		}
		return s.chosen(ctx, tx, merchant, links[o.Chosen.ID], purpose, asked, &o)
	})
	return o, err
}

// chosen fills in what one connection offers.
func (s *Service) chosen(ctx context.Context, tx *store.Tx, merchant domain.Merchant, l link, purpose Purpose, asked Asked, o *Options) error {
	o.Label = l.reg.Label
	o.Caps = l.caps
	o.Currencies = providers.Currencies(l.reg, l.conn, merchant.Currencies)
	_, o.MailsLinks = providers.As[providers.LinkMailer](l.provider)
	if f, ok := l.provider.(providers.FrameTokenizer); ok {
		o.Frame, _ = f.CardFrame(s.PublicURL)
	}
	s.why(l, asked.Kind, o)
	var err error
	if o.Terminals, err = s.usableTerminals(ctx, tx, l); err != nil {
		return err
	}
	o.Terminals = slices.DeleteFunc(o.Terminals, func(d domain.Device) bool { return operationName(l, purpose.op(asked.Kind), d.Virtual) == "" })
	if !l.caps.Has(domain.CanSellByToken) && !l.caps.Has(domain.CanPreauthByToken) && purpose == ForPayment || purpose == ForCard {
		return nil
	}
	if o.Cards, err = tx.Cards(ctx, l.conn.ID, maxCards); err != nil || asked.Card.IsZero() {
		return err
	}
	for _, c := range o.Cards {
		if c.ID == asked.Card {
			return nil
		}
	}
	card, _, err := tx.Card(ctx, l.conn.ID, asked.Card)
	if domain.CodeOf(err) == domain.NotFound {
		return nil
	}
	o.Cards = append([]domain.StoredCard{card}, o.Cards...)
	return err
}

func (s *Service) why(l link, kind string, o *Options) {
	of := domain.Sale
	if kind == KindPreauth {
		of = domain.Preauth
	}
	o.Why.Ways = map[domain.Method]string{}
	for how := range needs[of] {
		o.Why.Ways[how] = s.whyNot(l, of, how)
	}
	any := func(typ domain.TransactionType, hows ...domain.Method) string {
		first := ""
		for _, how := range hows {
			why := s.whyNot(l, typ, how)
			if why == "" {
				return ""
			}
			if first == "" {
				first = why
			}
		}
		return first
	}
	o.Why.Kinds = map[string]string{
		KindSale:    any(domain.Sale, domain.MethodCard, domain.MethodPage, domain.MethodTerminal),
		KindPreauth: any(domain.Preauth, domain.MethodCard, domain.MethodPage, domain.MethodTerminal),
		KindLink:    any(domain.Sale, domain.MethodLink),
	}
}

// ways is what a connection offers, in a few words.
func ways(l link) string {
	var w []string
	if l.caps.Has(domain.CanTokenizeInFrame) || l.caps.Has(domain.CanSellByPage) {
		w = append(w, "card by phone")
	}
	if l.caps.Has(domain.CanSellByToken) && !l.caps.Has(domain.CanTokenizeInFrame) {
		w = append(w, "saved cards")
	}
	if l.caps.Has(domain.CanPreauthByToken) || l.caps.Has(domain.CanPreauthByPage) {
		w = append(w, "pre-authorisations")
	}
	if l.caps.Has(domain.CanUseTerminal) {
		w = append(w, "terminals")
	}
	if l.caps.Has(domain.CanPayByLink) {
		w = append(w, "payment links")
	}
	if len(w) == 0 {
		return "Not set up completely"
	}
	s := strings.Join(w, ", ")
	return strings.ToUpper(s[:1]) + s[1:]
}
