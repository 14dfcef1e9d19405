package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
)

// demoPassword and the secrets below are published in README; the demo refuses
// a database that it did not make, and serve refuses the demo's.
const demoPassword = "counterfoil-demo-tour"

type demoPerson struct {
	name, email, secret string
	role                domain.Role
}

type demoConnection struct {
	provider, name, basePath string
	settings                 map[string]string // {sandbox} stands for the emulators' address
	secrets                  map[string]string
}

type demoMerchant struct {
	name, place, address, zone string
	currencies                 []string
	people                     []demoPerson
	connections                []demoConnection
	perDay                     int // sample payments
}

func demoPeople(domainName string, names ...string) []demoPerson {
	var out []demoPerson
	for i, n := range names {
		first, _, _ := strings.Cut(n, " ")
		email := strings.ToLower(first) + "@" + domainName
		// A secret of the right form, made from the e-mail: published anyway.
		sum := sha256.Sum256([]byte("counterfoil demo second factor " + email))
		const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
		var secret strings.Builder
		for _, b := range sum[:] {
			secret.WriteByte(base32[b&31])
		}
		out = append(out, demoPerson{name: n, email: email, role: domain.Roles[i], secret: secret.String()})
	}
	return out
}

// The emulators' published credentials (services/sandbox/README.md).
var demoMerchants = []demoMerchant{
	{
		name: "Harbour & Rye", place: "Quay Street, Bristol", address: "Quay Street\nBristol BS1 4DJ", zone: "Europe/London",
		currencies: []string{"GBP", "EUR", "JPY"}, perDay: 3,
		people: demoPeople("harbour.example", "Olive Mercer", "Adam Frost", "Maya Okafor", "Tom Birch", "Dee Lindqvist", "Ana Reis"),
		connections: []demoConnection{
			{provider: "cardflo", name: "Card by phone", basePath: "/cardflo/api/v3",
				settings: map[string]string{"cardFrameURL": "{sandbox}/cardflo/frame/cf-sandbox-signed-key", "partialVoid": "yes"},
				secrets:  map[string]string{"apiKey": "cf-sandbox-signed-key", "username": "cf-sandbox-signed-user", "password": "cf-sandbox-signed-password", "sharedSecret": "cf-sandbox-signed-shared-secret"}},
			{provider: "handpoint", name: "Saved cards", basePath: "/handpoint", settings: map[string]string{"acquirer": "TSYS"}, secrets: map[string]string{"apiKey": "hp-sandbox-key", "callbackToken": "hp-sandbox-callback-token"}},
			{provider: "cashflows", name: "Web and phone", basePath: "/cashflows", settings: map[string]string{"configurationId": "c0ffee00-0000-4000-8000-000000000001"},
				secrets: map[string]string{"apiKey": "cashflows-sandbox-api-key"}},
			{provider: "cloudflow", name: "Counter terminals", basePath: "/cloudflow", settings: map[string]string{"accountId": "Sandbox-Account"}, secrets: map[string]string{"apiToken": "Sandbox-Api-Token"}},
			{provider: "cloudpayments", name: "Loyalty partner", basePath: "/cloudpayments", settings: map[string]string{"tenantId": "sandbox-tenant"}, secrets: map[string]string{"apiKey": "cp-sandbox-key-valid"}},
		},
	},
	{
		name: "Dune Supply", place: "Salmiya, Kuwait", address: "Salem Al Mubarak Street\nSalmiya", zone: "Asia/Kuwait",
		currencies: []string{"KWD", "USD"}, perDay: 1,
		people: demoPeople("dune.example", "Noura Salem", "Bader Karim", "Hind Aziz", "Yusuf Amin", "Rami Haddad", "Lulwa Nasser"),
		connections: []demoConnection{
			{provider: "cardflo", name: "Card by phone", basePath: "/cardflo/api/v3",
				settings: map[string]string{"cardFrameURL": "{sandbox}/cardflo/frame/cf-sandbox-key"},
				secrets:  map[string]string{"apiKey": "cf-sandbox-key", "username": "cf-sandbox-user", "password": "cf-sandbox-password", "sharedSecret": "cf-sandbox-shared-secret"}},
		},
	},
}

// demoCards are the emulator's published card tokens (services/sandbox/README.md).
var demoCards = []struct {
	token, customer string
	card            domain.Card
}{
	{"hp_tok_visa_0936", "Imogen Ware", domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}},
	{"hp_tok_mastercard_4444", "Sam Doyle", domain.Card{Brand: "Mastercard", Last4: "4444", Expiry: "12/30"}},
	{"hp_tok_visa_insufficient_funds_9995", "Priya Nair", domain.Card{Brand: "Visa", Last4: "9995", Expiry: "03/30"}},
}

func settingsAt(settings map[string]string, sandbox string) map[string]string {
	out := map[string]string{}
	for k, v := range settings {
		out[k] = strings.ReplaceAll(v, "{sandbox}", sandbox)
	}
	return out
}

// seedDemo makes the sample merchants. Merchant and mark are written together,
// so that a start that was cut short is still the demo's own database.
func seedDemo(ctx context.Context, h *house, sandbox string, now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	for i, dm := range demoMerchants {
		cur, err := currencies(dm.currencies)
		if err != nil {
			return err
		}
		m := domain.Merchant{ID: domain.NewMerchantID(), Name: dm.name, Place: dm.place, Address: dm.address, TimeZone: dm.zone, Mode: domain.Test, Currencies: cur, CreatedAt: now.AddDate(-1, 0, 0)}
		err = h.store.InTenant(ctx, m.ID, func(tx *store.Tx) error {
			if err := tx.InsertMerchant(ctx, m); err != nil {
				return err
			}
			return tx.MarkDemo(ctx)
		})
		if err != nil {
			return err
		}
		staff := map[domain.UserID]string{}
		var order []domain.UserID
		var owner domain.UserID
		for _, p := range dm.people {
			id, err := h.signin.CreateUserWithPassword(ctx, m.ID, signin.NewPerson{Email: p.email, Name: p.name, Role: p.role}, demoPassword, p.secret)
			if err != nil {
				return err
			}
			staff[id] = p.name
			if p.role == domain.Owner {
				owner = id
			}
			if p.role.May(domain.PaymentsTake) {
				order = append(order, id)
			}
		}
		if err := seedLimits(ctx, h.store, m, domain.Actor{UserID: owner, Name: dm.people[0].name}, now); err != nil {
			return err
		}
		var conns []domain.Connection
		for _, dc := range dm.connections {
			c, err := h.connections.Create(ctx, domain.Actor{MerchantID: m.ID}, connections.NewConnection{Provider: dc.provider, Name: dc.name,
				BaseURL: sandbox + dc.basePath, Settings: settingsAt(dc.settings, sandbox), Secrets: dc.secrets})
			if err != nil {
				return err
			}
			// The history is of the two systems whose emulators can adopt it.
			if dc.provider == "cardflo" || dc.provider == "handpoint" {
				conns = append(conns, c)
			}
			if dc.provider != "handpoint" {
				continue
			}
			for _, card := range demoCards {
				if _, err := h.connections.AddCard(ctx, domain.Actor{MerchantID: m.ID}, c.ID, card.token, card.card, card.customer); err != nil {
					return err
				}
			}
		}
		if err := seedPayments(ctx, h.store, m, conns, order, staff, dm.perDay, rand.New(rand.NewPCG(20261120, uint64(i))), now); err != nil {
			return err
		}
		if err := seedWorklists(ctx, h.store, m, conns, order[0], staff[order[0]], now); err != nil {
			return err
		}
		if err := seedFleet(ctx, h, m, domain.Actor{UserID: owner, Name: dm.people[0].name, MerchantID: m.ID, Role: domain.Owner}, order, staff, now); err != nil {
			return err
		}
	}
	return nil
}

// seedLimits gives managers limits in the shop's first currency: a refund above
// 100 needs a step-up, above 400 another person, and so does all of a day above
// 1,000.
func seedLimits(ctx context.Context, st *store.Store, m domain.Merchant, owner domain.Actor, now time.Time) error {
	cur := m.Currencies[0]
	major := int64(1)
	for range cur.Exponent() {
		major *= 10
	}
	row := domain.Limit{Role: domain.Manager, Action: domain.Refund, Currency: cur, ChangedAt: now}
	each, day := row, row
	each.ID, each.Per, each.StepUpAbove, each.ApprovalAbove = domain.NewLimitID(), domain.PerItem, domain.Above(100*major), domain.Above(400*major)
	day.ID, day.Per, day.ApprovalAbove = domain.NewLimitID(), domain.PerDay, domain.Above(1000*major)
	return st.InTenant(ctx, m.ID, func(tx *store.Tx) error {
		if err := tx.PutLimit(ctx, each, owner); err != nil {
			return err
		}
		return tx.PutLimit(ctx, day, owner)
	})
}

// moveDemo points the sample connections at where the emulators are this time.
func moveDemo(ctx context.Context, h *house, sandbox string) error {
	ids, err := h.store.DemoMerchants(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := h.store.InTenant(ctx, id, func(tx *store.Tx) error {
			m, err := tx.MerchantRow(ctx)
			if err != nil {
				return err
			}
			conns, err := tx.Connections(ctx)
			if err != nil {
				return err
			}
			for _, dm := range demoMerchants {
				for _, dc := range dm.connections {
					for _, c := range conns {
						if dm.name != m.Name || c.Name != dc.name {
							continue
						}
						if err := tx.MoveConnection(ctx, c.ID, sandbox+dc.basePath, settingsAt(dc.settings, sandbox)); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	demoOrders = []string{"Hamper", "Wine case", "Table deposit", "Gift card", "Tasting", "Oyster box", "Catering", "Cheese board"}
	demoBrands = []string{"Visa", "Visa", "Visa", "Mastercard", "Mastercard", "Amex"}
	demoNoes   = []domain.Reason{domain.ReasonInsufficientFunds, domain.ReasonInsufficientFunds, domain.ReasonDeclined, domain.ReasonExpiredCard, domain.ReasonSecurityCode, domain.ReasonLimitExceeded}
)

// seedPayments writes a year of history, newest last, with a fixed seed: every
// start from nothing shows the same shop.
func seedPayments(ctx context.Context, st *store.Store, m domain.Merchant, conns []domain.Connection, order []domain.UserID, staff map[domain.UserID]string, perDay int, r *rand.Rand, now time.Time) error {
	loc := m.Location()
	today := now.In(loc)
	for day := 365; day >= 0; day-- {
		date := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, loc).AddDate(0, 0, -day)
		err := st.InTenant(ctx, m.ID, func(tx *store.Tx) error {
			for range 1 + r.IntN(2*perDay) {
				at := date.Add(9*time.Hour + time.Duration(r.IntN(9*3600))*time.Second)
				if !at.Before(now.Add(-10 * time.Minute)) {
					continue
				}
				by := order[r.IntN(len(order))]
				if err := seedPayment(ctx, tx, m, conns[r.IntN(len(conns))], by, staff[by], r, at.UTC()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func seedPayment(ctx context.Context, tx *store.Tx, m domain.Merchant, c domain.Connection, by domain.UserID, name string, r *rand.Rand, at time.Time) error {
	cur := m.Currencies[0]
	if c.Provider == "cardflo" && r.IntN(8) == 0 {
		cur = m.Currencies[r.IntN(len(m.Currencies))]
	}
	amount := money.FromMinor(demoMinor(r, cur), cur)
	method := domain.MethodFrame
	if c.Provider == "handpoint" {
		method = domain.MethodCard
	}
	p := domain.Payment{
		ID: domain.NewPaymentID(), MerchantID: m.ID, ConnectionID: c.ID, Reference: domain.NewReference(), Method: method, Amount: amount,
		Captured: money.Zero(cur), Refunded: money.Zero(cur), Held: money.Zero(cur), OrderReference: fmt.Sprintf("%s %d", demoOrders[r.IntN(len(demoOrders))], 1000+r.IntN(9000)),
		Card:      domain.Card{Brand: demoBrands[r.IntN(len(demoBrands))], Last4: fmt.Sprintf("%04d", r.IntN(10000)), Expiry: fmt.Sprintf("%02d/%02d", 1+r.IntN(12), 27+r.IntN(4))},
		CreatedBy: by, CreatedByName: name, CreatedAt: at,
	}
	sale := seedTransaction(p, domain.Sale, amount, at)
	sale.Reference = p.Reference
	var refund *domain.Transaction
	switch n := r.IntN(100); {
	case n < 8:
		sale.Status, sale.Reason, sale.ProviderRef = domain.TxDeclined, demoNoes[r.IntN(len(demoNoes))], ""
	case n < 9 && at.After(time.Now().AddDate(0, 0, -4)):
		// What was never found out: a person must look.
		sale.Status, sale.ProviderRef = domain.TxNeedsPerson, ""
	case n < 9:
		sale.Status, sale.Reason, sale.ProviderRef = domain.TxFailed, domain.ReasonNeverArrived, ""
	case n < 13:
		x := seedTransaction(p, domain.Refund, amount, at.Add(time.Duration(5+r.IntN(200))*time.Minute))
		x.Note = "Item returned"
		refund = &x
	case n < 18:
		x := seedTransaction(p, domain.Refund, money.FromMinor(max(1, amount.Minor()/4), cur), at.Add(time.Duration(5+r.IntN(200))*time.Minute))
		x.Note = "Goodwill"
		refund = &x
	}
	if sale.Status == domain.TxApproved {
		sale.AuthCode = domain.NewReference()[:6]
	}
	txs := []domain.Transaction{sale}
	if refund != nil {
		refund.OriginalRef = sale.ProviderRef
		txs = append(txs, *refund)
	}
	books, err := domain.BooksOf(cur, txs)
	if err != nil {
		return err
	}
	p.Status, p.Captured, p.Refunded, p.Held = books.Status, books.Captured, books.Refunded, books.Held
	p.Reason, p.AuthCode = sale.Reason, sale.AuthCode
	if err := tx.InsertPayment(ctx, p); err != nil {
		return err
	}
	for _, x := range txs {
		if err := tx.InsertTransaction(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// seedTransaction is an approved transaction with an id in its provider's form.
func seedTransaction(p domain.Payment, typ domain.TransactionType, amount money.Amount, at time.Time) domain.Transaction {
	id := uuid.New()
	ref := id.String()
	if p.Method == domain.MethodFrame {
		ref = hex.EncodeToString(id[:])[:20]
	}
	return domain.Transaction{
		ID: domain.NewTransactionID(), PaymentID: p.ID, ConnectionID: p.ConnectionID, Reference: domain.NewReference(), Type: typ, Status: domain.TxApproved,
		Amount: amount, AttemptRef: uuid.NewString(), ProviderRef: ref, CreatedBy: p.CreatedBy, CreatedName: p.CreatedByName, CreatedAt: at, LastSendAt: at, SettledAt: at,
	}
}

// demoMinor is an amount that a shop would write: mostly small, in steps that
// the currency has.
func demoMinor(r *rand.Rand, c money.Currency) int64 {
	major := int64(5 + r.IntN(60))
	if r.IntN(10) == 0 {
		major += int64(r.IntN(400))
	}
	switch c.Exponent() {
	case 0:
		return major * 150
	case 3:
		return major*1000/2 + int64(r.IntN(20))*50
	}
	return major*100 + int64(r.IntN(20))*5
}
