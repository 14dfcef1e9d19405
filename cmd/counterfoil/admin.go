package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
)

type adminCmd struct {
	NewKeyset        newKeysetCmd        `cmd:"" help:"Make a sealing keyset and write it to a new file."`
	CreateMerchant   createMerchantCmd   `cmd:"" help:"Add a merchant and print its owner's one-time link."`
	CreateUser       createUserCmd       `cmd:"" help:"Add a person to a merchant and print the one-time link."`
	ResetFactor      resetFactorCmd      `cmd:"" help:"Take a person's second factor away and print a one-time link to enrol a new one."`
	ResetSignIn      resetSignInCmd      `cmd:"" name:"reset-sign-in" help:"Take a person's password and second factor away and print a one-time link."`
	CreateConnection createConnectionCmd `cmd:"" help:"Add a merchant's account at a provider; credentials are read from standard input."`
	StoreCard        storeCardCmd        `cmd:"" help:"Keep a card token of a provider's; the token is read from standard input."`
	VerifyAudit      verifyAuditCmd      `cmd:"" help:"Check the audit chains and name the first broken row."`
}

// adminFlags are what the operator's commands share.
type adminFlags struct {
	databaseFlags
	commonFlags
	Keyset    string `env:"COUNTERFOIL_KEYSET" help:"File or base64 of the keyset that seals credentials." placeholder:"FILE"`
	PublicURL string `name:"public-url" env:"COUNTERFOIL_PUBLIC_URL" default:"http://localhost:8080" help:"The address that one-time links begin with." placeholder:"URL"`
}

func (f adminFlags) open(ctx context.Context) (*house, error) {
	if err := f.databaseFlags.check(); err != nil {
		return nil, err
	}
	if f.Keyset == "" {
		return nil, errors.New("COUNTERFOIL_KEYSET is missing: make one with “counterfoil admin new-keyset”")
	}
	h, err := openHouse(ctx, houseConfig{databaseURL: f.DatabaseURL, pooled: f.pooled(), keyset: f.Keyset, publicURL: f.PublicURL, allowHosts: f.AllowHosts, log: f.logger()})
	if err != nil {
		return nil, err
	}
	if err := h.store.Ready(ctx); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (f adminFlags) printLink(token string) {
	fmt.Printf("one-time link, good for 24 hours: %s/setup/%s\n", strings.TrimSuffix(f.PublicURL, "/"), token)
}

func currencies(codes []string) ([]money.Currency, error) {
	var out []money.Currency
	for _, code := range codes {
		c, err := money.ParseCurrency(code)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

type newKeysetCmd struct {
	File string `arg:"" help:"The file to write; it must not exist."`
}

func (c *newKeysetCmd) Run() error { return writeKeyset(c.File) }

// writeKeyset makes a keyset in a file that only its owner can read. It never
// replaces one: what is sealed under a lost keyset is lost.
func writeKeyset(file string) error {
	keyset, err := secrets.Generate()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keyset: %w", err)
	}
	if _, err := f.Write(keyset); err != nil {
		_ = f.Close()
		return fmt.Errorf("keyset: %w", err)
	}
	return f.Close()
}

type createMerchantCmd struct {
	adminFlags
	Name       string   `required:"" help:"The merchant's name, as on receipts."`
	Place      string   `help:"Where it is, for example “Quay Street, Bristol”."`
	Address    string   `help:"The address on receipts; \\n separates lines."`
	TimeZone   string   `name:"time-zone" default:"Europe/London" help:"The time zone of its pages and receipts."`
	Mode       string   `default:"live" enum:"live,test" help:"${enum}: a merchant's connections are all of its mode."`
	Currency   []string `default:"GBP" help:"Its currencies; the first is preselected."`
	OwnerEmail string   `name:"owner-email" required:"" help:"The owner's e-mail address."`
	OwnerName  string   `name:"owner-name" required:"" help:"The owner's name."`
}

func (c *createMerchantCmd) Run(ctx context.Context) error {
	cur, err := currencies(c.Currency)
	if err != nil {
		return err
	}
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	m := domain.Merchant{Name: c.Name, Place: c.Place, Address: strings.ReplaceAll(c.Address, `\n`, "\n"), TimeZone: c.TimeZone, Mode: domain.Mode(c.Mode), Currencies: cur}
	id, token, err := h.signin.CreateMerchant(ctx, m, signin.NewPerson{Email: c.OwnerEmail, Name: c.OwnerName})
	if err != nil {
		return err
	}
	fmt.Printf("merchant %s\n", id)
	c.printLink(token)
	return nil
}

type createUserCmd struct {
	adminFlags
	Merchant string `required:"" help:"The merchant's id."`
	Email    string `required:"" help:"The person's e-mail address."`
	Name     string `required:"" help:"The person's name."`
	Role     string `required:"" help:"owner, admin, manager, cashier, developer or analyst."`
}

func (c *createUserCmd) Run(ctx context.Context) error {
	m, err := domain.ParseMerchantID(c.Merchant)
	if err != nil {
		return errors.New("--merchant is not a merchant's id")
	}
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	_, token, err := h.signin.CreateUser(ctx, m, signin.NewPerson{Email: c.Email, Name: c.Name, Role: domain.Role(c.Role)})
	if err != nil {
		return err
	}
	c.printLink(token)
	return nil
}

type resetFactorCmd struct {
	adminFlags
	Email string `arg:"" help:"Whose second factor."`
}

func (c *resetFactorCmd) Run(ctx context.Context) error {
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	token, err := h.signin.ResetSecondFactor(ctx, c.Email)
	if err != nil {
		return err
	}
	c.printLink(token)
	return nil
}

type resetSignInCmd struct {
	adminFlags
	Email string `arg:"" help:"Whose sign-in."`
}

func (c *resetSignInCmd) Run(ctx context.Context) error {
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	token, err := h.signin.ResetSignIn(ctx, c.Email)
	if err != nil {
		return err
	}
	c.printLink(token)
	return nil
}

type createConnectionCmd struct {
	adminFlags
	Merchant string            `required:"" help:"The merchant's id."`
	Provider string            `required:"" help:"A system's name, for example cardflo; “counterfoil capabilities” lists them."`
	Name     string            `required:"" help:"What staff see."`
	BaseURL  string            `name:"base-url" required:"" help:"The provider's address, for example https://gateway.cardflo.io/api/v3."`
	Setting  map[string]string `help:"Public values, as name=value."`
	Currency []string          `help:"Narrow to these currencies."`
}

// Run reads the credentials as name=value lines, so that they are in no process
// list and no shell history.
func (c *createConnectionCmd) Run(ctx context.Context) error {
	m, err := domain.ParseMerchantID(c.Merchant)
	if err != nil {
		return errors.New("--merchant is not a merchant's id")
	}
	cur, err := currencies(c.Currency)
	if err != nil {
		return err
	}
	credentials, err := readPairs(os.Stdin)
	if err != nil {
		return err
	}
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	conn, err := h.connections.Create(ctx, domain.Actor{MerchantID: m}, connections.NewConnection{Provider: c.Provider, Name: c.Name, BaseURL: c.BaseURL,
		Settings: c.Setting, Secrets: credentials, Currencies: cur})
	if err != nil {
		return err
	}
	fmt.Printf("connection %s\n", conn.ID)
	return nil
}

// readPairs reads name=value lines. A line that is none is not repeated in the
// error: it may be a secret.
func readPairs(r io.Reader) (map[string]string, error) {
	out := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("standard input: line %d is not name=value", n)
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out, lines.Err()
}

type storeCardCmd struct {
	adminFlags
	Merchant   string `required:"" help:"The merchant's id."`
	Connection string `required:"" help:"The connection's id."`
	Brand      string `help:"For example Visa."`
	Last4      string `required:"" help:"The card's last four digits."`
	Expiry     string `help:"MM/YY."`
	Customer   string `help:"Whose card."`
}

func (c *storeCardCmd) Run(ctx context.Context) error {
	m, err := domain.ParseMerchantID(c.Merchant)
	if err != nil {
		return errors.New("--merchant is not a merchant's id")
	}
	conn, err := domain.ParseConnectionID(c.Connection)
	if err != nil {
		return errors.New("--connection is not a connection's id")
	}
	token, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("standard input: %w", err)
	}
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	card, err := h.connections.AddCard(ctx, domain.Actor{MerchantID: m}, conn, strings.TrimSpace(token), domain.Card{Brand: c.Brand, Last4: c.Last4, Expiry: c.Expiry}, c.Customer)
	if err != nil {
		return err
	}
	fmt.Printf("card %s\n", card.ID)
	return nil
}

type verifyAuditCmd struct {
	databaseFlags
}

// Run walks every chain, the platform's first.
func (c *verifyAuditCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	st, err := store.Open(ctx, store.Config{URL: c.DatabaseURL, Pooled: c.pooled()})
	if err != nil {
		return err
	}
	defer st.Close()
	began := time.Now()
	broken, rows := 0, int64(0)
	verify := func(m domain.MerchantID) error {
		return st.ReadTenant(ctx, m, func(tx *store.Tx) error {
			bad, n, err := tx.VerifyAudit(ctx)
			rows += n
			if bad != nil {
				broken++
				fmt.Printf("chain %s: row %d %s\n", m, bad.Seq, bad.Why)
			}
			return err
		})
	}
	if err := verify(store.PlatformChain); err != nil {
		return err
	}
	for after := (domain.MerchantID{}); ; {
		ids, err := st.MerchantIDs(ctx, after, 500)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := verify(id); err != nil {
				return err
			}
			after = id
		}
		if len(ids) == 0 {
			break
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d chains are not as they were written", broken)
	}
	fmt.Printf("%d audit rows are as they were written (%s)\n", rows, time.Since(began).Round(time.Millisecond))
	return nil
}
