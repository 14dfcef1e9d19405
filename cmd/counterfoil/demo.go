package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/handlers"
	"github.com/counterfoil/counterfoil/handlers/demo"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/embeddedpg"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/views/pages"
)

type demoCmd struct {
	commonFlags
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" help:"An empty database to use instead of an own one." placeholder:"URL"`
	Addr        string `env:"COUNTERFOIL_ADDR" default:"127.0.0.1:8080" help:"Where to listen; port 0 chooses one."`
	Data        string `env:"COUNTERFOIL_DATA" default:".data" help:"The demo's folder."`
	PGBin       string `name:"pg-bin" env:"COUNTERFOIL_PG_BIN" help:"Folder with initdb and postgres." placeholder:"DIR"`
	SandboxAddr string `name:"sandbox-addr" env:"COUNTERFOIL_SANDBOX_ADDR" default:"127.0.0.1:9090" help:"Where the emulators listen; port 0 chooses one."`
}

// Run starts Postgres, the emulators and the server, and stops all of it when a
// signal comes.
func (c *demoCmd) Run(ctx context.Context) error {
	// What the server logs line by line would hide the addresses that a person
	// looks for.
	if os.Getenv("COUNTERFOIL_LOG") == "" {
		c.Log = "warn"
	}
	log := c.logger()
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	dbURL := c.DatabaseURL
	if dbURL != "" {
		// Before a single table is made: a database that somebody else uses, or is
		// about to use, is left as it is.
		state, err := store.DemoStateBefore(ctx, dbURL)
		if err != nil {
			return err
		}
		if state == store.DemoForeign {
			return errors.New("the database that DATABASE_URL names is not empty and was not made by the demo: unset DATABASE_URL, or name an empty one")
		}
	} else {
		server, err := embeddedpg.Start(ctx, embeddedpg.Config{DataDir: filepath.Join(data, "postgres"), BinDir: c.PGBin, Fast: true})
		if err != nil {
			return err
		}
		if dir := server.DataDir(); !strings.HasPrefix(dir, data) {
			fmt.Printf("the database's files are in %s: its own account cannot enter %s\n", filepath.Dir(dir), data)
		}
		defer func() {
			stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := server.Stop(stop); err != nil {
				log.Error("the demo's Postgres did not stop", "error", err)
			}
		}()
		dbURL = server.URL("counterfoil")
		if err := store.CreateDatabase(ctx, server.URL("postgres"), "counterfoil"); err != nil {
			return err
		}
	}
	if err := store.Migrate(ctx, dbURL); err != nil {
		return err
	}
	keyset := filepath.Join(data, "keyset.json")
	if err := writeKeyset(keyset); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	box, err := startSandbox(ctx, c.SandboxAddr)
	if err != nil {
		return err
	}
	defer box.stop()
	h, err := openHouse(ctx, houseConfig{databaseURL: dbURL, keyset: keyset, publicURL: "http://localhost", allowHosts: append(c.AllowHosts, box.host()), log: log, jobPoll: 250 * time.Millisecond})
	if err != nil {
		return err
	}
	defer h.close()
	state, err := h.store.DemoState(ctx)
	if err != nil {
		return err
	}
	switch state {
	case store.DemoForeign:
		return errors.New("this database holds a real merchant: the demo only works on one that it made itself")
	case store.DemoEmpty:
		fmt.Println("making the sample merchants, this takes a few seconds")
		if err := seedDemo(ctx, h, box.address, time.Now()); err != nil {
			return fmt.Errorf("demo: sample data: %w", err)
		}
	case store.DemoMade:
		if err := moveDemo(ctx, h, box.address); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	watch, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-box.done:
			cancel(errors.New("the emulators ended by themselves"))
		case <-watch.Done():
		}
	}()
	s := serving{addr: c.Addr, jobs: true, signin: handlers.SignIn{Demo: demoNote}, more: demo.Routes(demoNote)}
	s.ready = func(publicURL string) error {
		// Nothing is served yet and no job runs, so nothing is asked of the
		// emulators before they have their ledger.
		if err := tellSandbox(ctx, h, box.address, publicURL); err != nil {
			return fmt.Errorf("demo: emulators: %w", err)
		}
		if err := callUs(ctx, box.address); err != nil {
			return err
		}
		if err := setFleet(ctx, box.address); err != nil {
			return err
		}
		printSignIns(publicURL, box.address)
		return nil
	}
	if err := h.serve(watch, s); err != nil {
		return err
	}
	if cause := context.Cause(watch); cause != nil && ctx.Err() == nil {
		return cause
	}
	return nil
}

// sandboxProcess is the emulators' process. It ends with ours, however ours
// ends: its standard input is our pipe.
type sandboxProcess struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
	done    chan struct{}
	once    sync.Once
}

func startSandbox(ctx context.Context, addr string) (*sandboxProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(filepath.Dir(self), "sandbox")
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("the emulators are missing: %s was not built (make build)", filepath.Base(binary))
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "COUNTERFOIL_SANDBOX_ADDR="+addr, "COUNTERFOIL_SANDBOX_STDIN=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the emulators did not start: %w", err)
	}
	p := &sandboxProcess{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		first, _ := r.ReadString('\n')
		line <- strings.TrimSpace(first)
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait()
		close(p.done)
	}()
	select {
	case first := <-line:
		address, ok := strings.CutPrefix(first, "sandbox on ")
		if !ok {
			p.stop()
			return nil, errors.New("the emulators did not start; is another copy running on their port?")
		}
		p.address = address
		return p, nil
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	case <-time.After(10 * time.Second):
		p.stop()
		return nil, errors.New("the emulators did not start in ten seconds")
	}
}

func (p *sandboxProcess) host() string {
	u, err := url.Parse(p.address)
	if err != nil {
		return ""
	}
	return u.Host
}

func (p *sandboxProcess) stop() {
	p.once.Do(func() {
		_ = p.stdin.Close()
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	})
}

// demoNote is the note on the sign-in pages: the published accounts, and the
// current code of the person who is half signed in.
func demoNote(email string, now time.Time) *pages.DemoNote {
	n := &pages.DemoNote{}
	for _, m := range demoMerchants {
		for _, p := range m.people {
			n.SignIns = append(n.SignIns, pages.DemoSignIn{Merchant: m.name, Name: p.name, Role: p.role.Label(), Email: p.email, Password: demoPassword})
			if email != "" && strings.EqualFold(email, p.email) {
				if code, err := signin.CodeAt(p.secret, now); err == nil {
					n.Code = code
				}
			}
		}
	}
	return n
}

func printSignIns(publicURL, sandbox string) {
	fmt.Printf("\nCounterfoil demo: %s\nProvider emulators: %s\nEverybody's password is %q; the sign-in page shows the current code.\n\n", publicURL, sandbox, demoPassword)
	for _, m := range demoMerchants {
		fmt.Println(m.name)
		for _, p := range m.people {
			fmt.Printf("  %-14s %-16s %s\n", p.role.Label(), p.name, p.email)
		}
	}
	fmt.Println("\nOnly processes' crashes are survived by the demo's data, not a power cut. Ctrl-C stops everything.")
}

// callUs has the emulators call the demo about what ends, as providers do: now
// there is an address that listens.
func callUs(ctx context.Context, address string) error {
	for _, provider := range []string{"cardflo", "handpoint", "cashflows"} {
		if err := command(ctx, address+"/_sandbox/"+provider+"/callbacks", map[string]any{"enabled": true}); err != nil {
			return fmt.Errorf("demo: callbacks of %s: %w", provider, err)
		}
	}
	return nil
}

// tellSandbox gives the emulators the ledger that the sample payments assume:
// they keep nothing on disk, and a refund needs its sale. They also learn where
// to call about each, at our public address.
func tellSandbox(ctx context.Context, h *house, address, publicURL string) error {
	merchants, err := h.store.DemoMerchants(ctx)
	if err != nil {
		return err
	}
	for _, m := range merchants {
		known := map[string]map[string][]adoptedCharge{}
		err := h.store.ReadTenant(ctx, m, func(tx *store.Tx) error {
			conns, err := tx.Connections(ctx)
			if err != nil {
				return err
			}
			for _, c := range conns {
				account, err := demoAccount(h, tx, ctx, c)
				if err != nil {
					return err
				}
				if account == "" { // removed, or a system without such a key
					continue
				}
				charges, err := tx.Ledger(ctx, c.ID)
				if err != nil {
					return err
				}
				for _, x := range charges {
					if !adoptable(c.Provider, x.Type) {
						continue
					}
					if known[c.Provider] == nil {
						known[c.Provider] = map[string][]adoptedCharge{}
					}
					known[c.Provider][account] = append(known[c.Provider][account], adoptedCharge{
						Reference: x.AttemptRef, ID: x.ProviderRef, OriginalID: x.OriginalRef, Kind: string(x.Type), AmountMinor: x.Amount.Minor(),
						Currency: x.Amount.Currency().Code(), At: x.CreatedAt, CallbackURL: publicURL + domain.CallbackPath(c.Provider, c.ID),
					})
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for provider, accounts := range known {
			for account, charges := range accounts {
				if err := adopt(ctx, address, provider, account, charges); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// adoptable says what the emulators can be told of: all know sales and their
// refunds, Cardflo's knows holds, and Handpoint's the tips of its sales.
func adoptable(provider string, typ domain.TransactionType) bool {
	switch typ {
	case domain.Sale, domain.Refund:
		return true
	case domain.Preauth, domain.Increment, domain.Decrement, domain.Capture, domain.Void:
		return provider == "cardflo"
	case domain.TipAdjustment:
		return provider == "handpoint"
	}
	return false
}

// adoptedCharge is one line of the emulators' control call "adopt".
type adoptedCharge struct {
	Reference   string    `json:"reference"`
	ID          string    `json:"id"`
	OriginalID  string    `json:"original_id,omitempty"`
	Kind        string    `json:"kind"`
	AmountMinor int64     `json:"amount_minor"`
	Currency    string    `json:"currency"`
	At          time.Time `json:"at"`
	CallbackURL string    `json:"callback_url,omitempty"`
}

func demoAccount(h *house, tx *store.Tx, ctx context.Context, c domain.Connection) (string, error) {
	if c.Provider == "cashflows" {
		return c.Settings["configurationId"], nil
	}
	sealed, err := tx.Secrets(ctx, c.ID)
	if err != nil || sealed["apiKey"] == nil {
		return "", err
	}
	plain, err := h.sealer.Open(sealed["apiKey"], domain.SecretContext(c.MerchantID, c.ID, "apiKey")...)
	return string(plain), err
}

func adopt(ctx context.Context, address, provider, account string, charges []adoptedCharge) error {
	const page = 200
	for len(charges) > 0 {
		n := min(page, len(charges))
		if err := command(ctx, address+"/_sandbox/"+provider+"/adopt", map[string]any{"account": account, "charges": charges[:n]}); err != nil {
			return fmt.Errorf("%s does not adopt the ledger: %w", provider, err)
		}
		charges = charges[n:]
	}
	return nil
}

// command posts to the emulators' control API.
func command(ctx context.Context, url string, body map[string]any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1024))
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s", res.Status, answer)
	}
	return nil
}
