package payments

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// CardListing is a page of stored cards with what its filter offers.
type CardListing struct {
	domain.CardPage
	Connections []domain.Connection
	// Stores are the connections in use that can store a card, Pays those that can
	// pay out, and Charges those that can charge a stored one.
	Stores, Pays, Charges map[domain.ConnectionID]bool
	// None says that the merchant has no stored card at all.
	None bool
}

// Cards lists stored cards. It needs cards:read. It sends three statements, one
// more when the page is empty.
func (s *Service) Cards(ctx context.Context, actor domain.Actor, merchant domain.Merchant, f domain.CardFilter) (CardListing, error) {
	out := CardListing{Stores: map[domain.ConnectionID]bool{}, Pays: map[domain.ConnectionID]bool{}, Charges: map[domain.ConnectionID]bool{}}
	if err := actor.Require(domain.CardsRead); err != nil {
		return out, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var err error
		if out.CardPage, err = tx.ListCards(ctx, f); err != nil {
			return err
		}
		links, conns, _, err := s.linksInUse(ctx, tx, merchant)
		if err != nil {
			return err
		}
		out.Connections = conns
		for id, l := range links {
			out.Stores[id], out.Pays[id], out.Charges[id] = l.caps.Has(domain.CanRegisterCard), l.caps.Has(domain.CanPayout), l.caps.Has(domain.CanSellByToken) || l.caps.Has(domain.CanPreauthByToken)
		}
		if len(out.CardPage.Cards) == 0 {
			any, err := tx.ListCards(ctx, domain.CardFilter{Limit: 1})
			out.None = len(any.Cards) == 0
			return err
		}
		return nil
	})
	names := map[domain.ConnectionID]string{}
	for _, c := range out.Connections {
		names[c.ID] = c.Name
	}
	for i := range out.CardPage.Cards {
		out.CardPage.Cards[i].ConnectionName = names[out.CardPage.Cards[i].ConnectionID]
	}
	return out, err
}

// linksInUse binds the connections that may be used now; all are listed. Those
// that cannot be used for want of their credentials are told apart.
func (s *Service) linksInUse(ctx context.Context, tx *store.Tx, merchant domain.Merchant) (links map[domain.ConnectionID]link, all []domain.Connection, unusable map[domain.ConnectionID]error, err error) {
	if all, err = tx.Connections(ctx); err != nil {
		return nil, nil, nil, err
	}
	secrets, err := tx.AllSecretRows(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	slots := map[domain.ConnectionID]map[string]map[string][]byte{}
	for _, r := range secrets {
		if slots[r.ConnectionID] == nil {
			slots[r.ConnectionID] = map[string]map[string][]byte{}
		}
		if slots[r.ConnectionID][string(r.Slot)] == nil {
			slots[r.ConnectionID][string(r.Slot)] = map[string][]byte{}
		}
		slots[r.ConnectionID][string(r.Slot)][r.Field] = r.Sealed
	}
	links, unusable = map[domain.ConnectionID]link{}, map[domain.ConnectionID]error{}
	for _, c := range all {
		if !c.Active || c.Mode != merchant.Mode {
			continue
		}
		l, err := s.bind(c, slots[c.ID])
		switch {
		case domain.CodeOf(err) == domain.Unavailable:
			unusable[c.ID] = err
			continue
		case err != nil:
			return nil, nil, nil, err
		}
		links[c.ID] = l
	}
	return links, all, unusable, nil
}

// RegisterInput is the form that stores a card at a provider.
type RegisterInput struct {
	Key          string // minted with the form
	ConnectionID domain.ConnectionID
	Method       domain.Method // MethodFrame, MethodPage or MethodTerminal
	Terminal     domain.OnTerminal
	CardToken    string      // MethodFrame: one-use token from the provider's frame
	Card         domain.Card // MethodFrame: what the frame told of the card
	Customer     string      // whose card it is; needed
	Email        string
}

// CheckRegister is every rule of the form that needs no database, one sentence
// per field.
func (s *Service) CheckRegister(in RegisterInput) map[string]string { return checkRegister(&in) }

func checkRegister(in *RegisterInput) map[string]string {
	fields := map[string]string{}
	in.Email = strings.TrimSpace(in.Email)
	in.Customer = checkCustomer(in.Customer, fields)
	checkEmail(in.Email, fields)
	if in.Method == domain.MethodFrame {
		if why := badToken(in.CardToken); why != "" {
			fields["method"] = why + " Nothing was stored."
		}
	}
	switch on := in.Method == domain.MethodTerminal; {
	case on && in.Terminal.IsZero():
		fields["terminal"] = "Choose a terminal."
	case on:
		checkTerminal(in.Terminal, providers.OpStoreCard, fields)
	case !in.Terminal.IsZero():
		fields["terminal"] = "Only a card that is shown at a terminal names one."
	}
	return fields
}

// checkCustomer judges the name that stands beside a stored card.
func checkCustomer(name string, fields map[string]string) string {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		fields["customer"] = "Enter whose card it is, for example “Imogen Ware”."
	case len([]rune(name)) > 100:
		fields["customer"] = "Use at most 100 characters."
	case domain.LooksLikeCardNumber(name):
		fields["customer"] = "This looks like a card number. Type it only into the provider’s box."
	}
	return name
}

// RegisterCard stores a card at the provider without taking money: with the token
// of its frame, or on its page. It needs cards:manage. It is written down, sent
// and settled like a sale, as a payment of nothing; the card is kept in the same
// unit of work as the provider's yes. The same key gives the first result.
func (s *Service) RegisterCard(ctx context.Context, actor domain.Actor, in RegisterInput) (Taken, error) {
	if err := actor.Require(domain.CardsManage); err != nil {
		return Taken{}, err
	}
	if !validKey(in.Key) {
		return Taken{}, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was stored. Open a new one.")
	}
	fields := checkRegister(&in)
	var l link
	var merchant domain.Merchant
	var on terminal
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		conn, err := tx.Connection(ctx, in.ConnectionID)
		if err != nil {
			return err
		}
		if merchant, err = tx.MerchantRow(ctx); err != nil {
			return err
		}
		if l, err = s.link(ctx, tx, conn); err != nil || in.Method != domain.MethodTerminal || in.Terminal.IsZero() {
			return err
		}
		var why string
		if on, why, err = s.findTerminal(ctx, tx, l, in.Terminal.DeviceID, providers.OpStoreCard); why != "" {
			fields["terminal"] = why
		}
		return err
	})
	if err != nil {
		return Taken{}, err
	}
	currencies := providers.Currencies(l.reg, l.conn, merchant.Currencies)
	if len(currencies) == 0 {
		fields["connection"] = "This connection takes none of your currencies."
		currencies = merchant.Currencies
	}
	for k, v := range s.checkUse(l, merchant, currencies[0]) {
		fields[k] = v
	}
	if why := s.missing(l, domain.CanRegisterCard); why != "" && in.Method != domain.MethodTerminal {
		fields["connection"] = why
	}
	switch in.Method {
	case domain.MethodPage, domain.MethodTerminal:
	case domain.MethodFrame:
		if why := s.missing(l, domain.CanTokenizeInFrame); why != "" {
			fields["method"] = why
		}
	default:
		fields["method"] = "Choose how the card is taken."
	}
	if len(fields) > 0 {
		return Taken{}, domain.InvalidFields(fields)
	}
	failpoint.Hit(string(domain.Register), failpoint.Checked)
	b := s.newBeginning(actor, l, domain.Register, money.Zero(currencies[0]))
	b.key = in.Key
	b.hash = requestHash("register", l.conn.ID.String(), string(in.Method), in.CardToken, in.Customer, in.Email)
	b.p.Method, b.p.Email, b.x.Note = in.Method, in.Email, in.Customer
	req := providers.RegisterRequest{Email: in.Email, ReturnURL: s.PublicURL + "/payments/card-entry"}
	if in.Method == domain.MethodFrame {
		req.Token, b.p.Card = in.CardToken, saneCard(in.Card)
	}
	if in.Method == domain.MethodTerminal {
		b.hash = requestHash(string(b.hash), terminalHash(in.Terminal))
		b.audit = map[string]any{"device": on.device.ID.String()}
		onDevice(&b.x, in.Terminal, on)
	}
	x, taken, err := s.begin(ctx, actor, b)
	if err != nil || taken.Replayed {
		return taken, err
	}
	if in.Method == domain.MethodTerminal {
		taken.Status, err = s.sendToTerminal(ctx, actor, l, x, on, x.Reference)
		return taken, err
	}
	req.AttemptRef, req.OrderReference = x.AttemptRef, x.Reference
	taken.Status, err = s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) {
		if p, ok := providers.As[providers.CardRegistrar](l.provider); ok {
			return p.Register(ctx, req)
		}
		return providers.Result{}, notOffered(l, string(domain.Register))
	})
	return taken, err
}

// afterSettled does what an outcome brings with it, in the same unit of work: a
// stored card is kept, a forgotten one is thrown away.
func (s *Service) afterSettled(ctx context.Context, tx *store.Tx, actor domain.Actor, x domain.Transaction, a answer) error {
	switch {
	case x.Type == domain.Sale && x.Terminal.StoreCard && a.token == "":
		return nil
	case (x.Type == domain.Register || x.Type == domain.Sale && x.Terminal.StoreCard) && a.to == domain.TxApproved:
		p, err := tx.Payment(ctx, x.PaymentID)
		if err != nil {
			return err
		}
		if a.token == "" {
			s.Log.ErrorContext(ctx, "a card was stored and its token was not told", "transaction", x.ID.String())
			return nil
		}
		_, err = s.keepCard(ctx, tx, actor, domain.StoredCard{ConnectionID: x.ConnectionID, Card: p.Card, Customer: x.Note, PaymentID: p.ID}, a.token)
		return err
	case x.Type == domain.Deregister && !a.to.Open():
		card, err := tx.CardOfPayment(ctx, x.PaymentID)
		if domain.CodeOf(err) == domain.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if a.to == domain.TxApproved {
			tx.Audit(store.AuditEntry{At: a.set.At, Actor: actor, Action: "card.forgotten", ObjectType: "card", ObjectID: card.ID.String(), Result: "ok"})
			return tx.ForgetCard(ctx, card.ID, x.CreatedName, a.set.At)
		}
		return tx.NoteForgetting(ctx, card.ID, time.Time{})
	}
	return nil
}

// keepCard stores a card's token, sealed. A token that is stored already keeps
// its row; what is new of the customer's name and the card is lost on purpose:
// the first name is the one that somebody chose.
func (s *Service) keepCard(ctx context.Context, tx *store.Tx, actor domain.Actor, c domain.StoredCard, token string) (domain.StoredCard, error) {
	if domain.LooksLikeCardNumber(token) {
		return c, domain.Errorf(domain.Invalid, "The provider gave something that is not a card token. Nothing was stored.")
	}
	hash := domain.TokenHash(token)
	was, err := tx.CardByToken(ctx, c.ConnectionID, hash)
	if domain.CodeOf(err) != domain.NotFound {
		return was, err
	}
	c.ID, c.CreatedAt = domain.NewCardID(), s.now()
	sealed, err := s.Secrets.Seal([]byte(token), domain.CardContext(tx.Merchant(), c.ID)...)
	if err != nil {
		return c, fmt.Errorf("payments: seal a card's token: %w", err)
	}
	tx.Audit(store.AuditEntry{At: c.CreatedAt, Actor: actor, Action: "card.stored", ObjectType: "card", ObjectID: c.ID.String(), Result: "ok"})
	return c, tx.InsertCard(ctx, c, sealed, hash)
}

// StoreCard asks the provider for the token of the card that paid a payment and
// keeps it. It needs cards:manage; Conflict says why it cannot be. Storing the
// same card again changes nothing. It moves no money and changes nothing at the
// provider.
func (s *Service) StoreCard(ctx context.Context, actor domain.Actor, id domain.PaymentID, customer string) (domain.StoredCard, error) {
	var none domain.StoredCard
	if err := actor.Require(domain.ActStoreCard.Permission()); err != nil {
		return none, err
	}
	fields := map[string]string{}
	customer = checkCustomer(customer, fields)
	var st domain.Standing
	var l link
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		st, l, err = s.readStanding(ctx, tx, id)
		return err
	})
	if err != nil {
		return none, err
	}
	if d := domain.Allowed(actor, st, domain.ActStoreCard); d != domain.Possible {
		return none, domain.Errorf(domain.Conflict, "%s", d.Words())
	}
	if len(fields) > 0 {
		return none, domain.InvalidFields(fields)
	}
	finder, ok := providers.As[providers.PastTokenFinder](l.provider)
	if !ok {
		return none, domain.Errorf(domain.Conflict, "%s", domain.DeniedCapability.Words())
	}
	callCtx, cancel := context.WithTimeout(ctx, l.reg.Timeout)
	res, err := finder.TokenOf(callCtx, st.Charge().ProviderRef)
	cancel()
	if e, is := providers.AsError(err); is {
		s.Log.WarnContext(ctx, "the token of a past payment was not told", "provider", l.reg.Name, "payment", id.String(), "error", err)
		if e.Kind == providers.KindRefused || e.Reason != domain.ReasonNone {
			return none, domain.Errorf(domain.Conflict, "The provider gives no token for this card. Nothing was stored.")
		}
		return none, domain.Errorf(domain.Unavailable, "The provider did not answer. Nothing was stored. Try again in a moment.")
	}
	if err != nil {
		return none, err
	}
	if res.Outcome != providers.Approved || res.Token == "" {
		return none, domain.Errorf(domain.Conflict, "The provider keeps no token of this card. Nothing was stored.")
	}
	card := st.Payment.Card
	if res.Card.Known() {
		card = res.Card
	}
	if card.Brand == "" && card.Last4 == st.Payment.Card.Last4 {
		card.Brand = st.Payment.Card.Brand
	}
	var kept domain.StoredCard
	err = s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		// Two people may do it at once.
		if err := tx.LockName(ctx, "token "+l.conn.ID.String()+" "+fmt.Sprintf("%x", domain.TokenHash(res.Token))); err != nil {
			return err
		}
		var err error
		kept, err = s.keepCard(ctx, tx, actor, domain.StoredCard{ConnectionID: l.conn.ID, Card: card, Customer: customer}, res.Token)
		return err
	})
	return kept, err
}

// Forgetting is what forgetting a card will do, for the page that asks.
type Forgetting struct {
	Card domain.StoredCard
	// AtProvider says that the provider is told to forget it too. Otherwise Why
	// says why it is forgotten here only.
	AtProvider bool
	Why        string
}

// ForgetWords reads what forgetting a card would do. It needs cards:manage.
func (s *Service) ForgetWords(ctx context.Context, actor domain.Actor, id domain.CardID) (Forgetting, error) {
	var f Forgetting
	if err := actor.Require(domain.CardsManage); err != nil {
		return f, err
	}
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		f, _, _, err = s.forgetting(ctx, tx, id)
		return err
	})
	return f, err
}

func (s *Service) forgetting(ctx context.Context, tx *store.Tx, id domain.CardID) (Forgetting, link, []byte, error) {
	var f Forgetting
	var sealed []byte
	var err error
	if f.Card, sealed, err = tx.StoredCard(ctx, id); err != nil {
		return f, link{}, nil, err
	}
	conn, err := tx.Connection(ctx, f.Card.ConnectionID)
	if err != nil {
		return f, link{}, nil, err
	}
	f.Card.ConnectionName = conn.Name
	l, err := s.link(ctx, tx, conn)
	switch {
	case conn.Removed():
		f.Why = "Its connection was removed, so the provider cannot be told. It keeps its token."
		err = nil
	case domain.CodeOf(err) == domain.Unavailable:
		f.Why = "Its connection cannot be used, so the provider cannot be told. It keeps its token."
		err = nil
	case err != nil:
	case !l.caps.Has(domain.CanForgetCard):
		f.Why = l.reg.Label + " cannot be told to forget a card. It keeps its token; Counterfoil throws its own copy away."
	case f.Card.PaymentID.IsZero():
		f.Why = "Counterfoil did not store this card at " + l.reg.Label + ", so it does not tell it to forget it. It keeps its token."
	default:
		f.AtProvider = true
	}
	return f, l, sealed, err
}

// ForgetCard forgets a stored card: at the provider where it offers that and the
// card was stored there by us, else here only. It needs cards:manage. At the
// provider it is an operation like any other: its outcome may be unknown, and the
// card is not charged meanwhile. Forgetting a card that is being forgotten
// changes nothing; NotFound when it is not there any more. The payment is the one
// whose page shows the outcome; zero when there is none.
func (s *Service) ForgetCard(ctx context.Context, actor domain.Actor, id domain.CardID) (domain.PaymentID, domain.TransactionStatus, error) {
	var none domain.PaymentID
	if err := actor.Require(domain.CardsManage); err != nil {
		return none, "", err
	}
	var f Forgetting
	var l link
	var token string
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		var sealed []byte
		var err error
		if f, l, sealed, err = s.forgetting(ctx, tx, id); err != nil || !f.AtProvider {
			return err
		}
		plain, err := s.Secrets.Open(sealed, domain.CardContext(actor.MerchantID, id)...)
		if err != nil {
			return fmt.Errorf("payments: token of card %s: %w", id, err)
		}
		token = string(plain)
		return nil
	})
	if err != nil {
		return none, "", err
	}
	if !f.AtProvider {
		return none, domain.TxApproved, s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
			if _, _, err := tx.LockCard(ctx, id); err != nil {
				return err
			}
			now := s.now()
			tx.Audit(store.AuditEntry{At: now, Actor: actor, Action: "card.forgotten", ObjectType: "card", ObjectID: id.String(), Result: "here only"})
			return tx.ForgetCard(ctx, id, actor.Name, now)
		})
	}
	failpoint.Hit(string(domain.Deregister), failpoint.Checked)
	var x domain.Transaction
	var busy bool
	err = s.write(ctx, actor.MerchantID, opening, string(domain.Deregister), func(tx *store.Tx) error {
		// The payment's lock comes first, as in settle.
		p, err := tx.LockPayment(ctx, f.Card.PaymentID)
		if err != nil {
			return err
		}
		card, _, err := tx.LockCard(ctx, id)
		if err != nil {
			return err
		}
		if _, removed, err := tx.HoldConnection(ctx, card.ConnectionID); err != nil || removed {
			if err == nil {
				err = domain.Errorf(domain.Conflict, "%s Nothing was forgotten.", domain.DeniedRemoved.Words())
			}
			return err
		}
		if busy = !card.Usable(); busy {
			return nil
		}
		txs, err := tx.Transactions(ctx, p.ID)
		if err != nil {
			return err
		}
		root, _ := domain.Root(txs)
		now := s.now()
		x = s.newTransaction(actor, domain.Deregister, p, money.Zero(p.Amount.Currency()), l, now)
		x.OriginalRef, x.OriginalType = root.ProviderRef, root.Type
		if err := tx.InsertTransaction(ctx, x); err != nil {
			return err
		}
		if err := tx.NoteForgetting(ctx, id, now); err != nil {
			return err
		}
		if err := tx.KeepBooks(ctx, p.ID, now); err != nil {
			return err
		}
		tx.Audit(s.entry(actor, x, "requested", "ok", map[string]any{"card": id.String()}))
		return tx.Enqueue(ctx, resolveJob(x), now.Add(FirstAsk))
	})
	if err != nil || busy {
		return f.Card.PaymentID, domain.TxPending, err
	}
	status, err := s.send(ctx, actor, l, x, func(ctx context.Context) (providers.Result, error) {
		if p, ok := providers.As[providers.CardForgetter](l.provider); ok {
			return p.Deregister(ctx, providers.DeregisterRequest{AttemptRef: x.AttemptRef, Token: token})
		}
		return providers.Result{}, notOffered(l, string(domain.Deregister))
	})
	return f.Card.PaymentID, status, err
}
