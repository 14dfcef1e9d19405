package faults

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	_ "github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/sandbox"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

const (
	password = "killed and started again"
	factor   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	email    = "till@example.com"
	// patience is how long anything may take before a test gives up. The
	// machine may be busy with other packages' tests.
	patience = time.Minute
	// givenUp moves it behind the day after which a person takes over.
	givenUp = 25 * time.Hour
	// windowsOver moves the rules' clock behind every provider's window: five
	// minutes after the last possible send at the longest.
	windowsOver = 7 * time.Minute
	// pageTTL is more than the emulator's card page waits for a card.
	pageTTL = 31 * time.Minute
)

// house is a database, the emulators, and the product when it lives, as one
// merchant's person sees it.
type house struct {
	*building
	merchant  domain.MerchantID
	handpoint domain.ConnectionID
	cardflo   domain.ConnectionID
	card      domain.CardID
	device    domain.DeviceID // a terminal of handpoint's
	virtual   bool            // it is one without hardware
	cookie    string
}

// building is what the merchants of a house share.
type building struct {
	owner    *sql.DB
	env      []string
	sandbox  string
	hp, cf   sandbox.Control
	product  *process
	base     atomic.Value      // string: where the product answers now
	serial   atomic.Int64      // amounts and orders that nothing else uses
	answered tally             // forms that were answered with a redirect
	broken   tally             // pages that were answered with 500
	patient  bool              // the queue keeps its own pace, rescue and all
	crossed  map[string]string // see crossings
	// furnish makes a merchant with a person, its connections and a card.
	furnish func(t testing.TB, name, email, handpointKey string) *house
}

// site is what a house is built on, for those who want something else between
// the product and the world.
type site struct {
	app, owner string // the database's addresses; empty: a clone of the shared cluster's template
	// provider gives the address at which the product reaches the sandbox.
	provider func(sandbox string) string
	settings map[string]string // of both connections
	patient  bool
}

// tally remembers by a key: of the forms that were answered with a redirect their
// types, so that a form that is sent again counts once.
type tally struct {
	mu    sync.Mutex
	forms map[string]string
}

func (c *tally) add(f form) { c.note(f.key(), f.typ) }

func (c *tally) note(key, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forms == nil {
		c.forms = map[string]string{}
	}
	c.forms[key] = what
}

func (c *tally) all() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.forms)
}

// client has no connection to reuse: each may be to a process that is gone.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until looks again and again until ok says yes.
func until(t testing.TB, what string, every time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-tick.C
	}
}

// process is a program of ours that runs.
type process struct {
	cmd   *exec.Cmd
	mu    sync.Mutex
	out   bytes.Buffer
	ended chan struct{}
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func launch(t testing.TB, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(binaries, name), args...), ended: make(chan struct{})}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "COUNTERFOIL_") && !strings.HasPrefix(kv, "DATABASE_URL=") {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	_, err := p.cmd.StdinPipe() // the sandbox ends with whoever holds it
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// line waits until the process has written prefix at the start of a line, and
// gives the rest of that line.
func (p *process) line(t testing.TB, prefix string) string {
	t.Helper()
	want := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(prefix) + `(.*)\n`)
	var found []string
	until(t, "a line that begins with "+prefix, 5*time.Millisecond, func() bool {
		if found = want.FindStringSubmatch(p.text()); found != nil {
			return true
		}
		if !p.alive() {
			t.Fatalf("ended before it wrote %q:\n%s", prefix, p.text())
		}
		return false
	})
	return found[1]
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// wasKilled says that the process ended by SIGKILL and by nothing else.
func (p *process) wasKilled() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// newHouse makes a house with one merchant, one person who has signed in, a
// connection to each provider and one stored card. It ends with owner.
func newHouse(owner testing.TB, on site) *house {
	owner.Helper()
	ctx := context.Background()
	if on.app == "" {
		db := storetest.New(owner)
		on.app, on.owner = db.AppURL, db.OwnerURL
	}
	b := &building{patient: on.patient}
	var err error
	b.owner, err = sql.Open("postgres", on.owner)
	must(owner, err)
	owner.Cleanup(func() { _ = b.owner.Close() })

	box := launch(owner, []string{"COUNTERFOIL_SANDBOX_ADDR=127.0.0.1:0", "COUNTERFOIL_SANDBOX_STDIN=1"}, "sandbox")
	owner.Cleanup(box.kill)
	b.sandbox = box.line(owner, "sandbox on ")
	b.hp = sandbox.Control{BaseURL: b.sandbox, Provider: sandboxhandpoint.Name}
	b.cf = sandbox.Control{BaseURL: b.sandbox, Provider: sandboxcardflo.Name}
	provider := b.sandbox
	if on.provider != nil {
		provider = on.provider(b.sandbox)
	}

	keyset, err := secrets.Generate()
	must(owner, err)
	keyfile := filepath.Join(owner.TempDir(), "keyset.json")
	must(owner, os.WriteFile(keyfile, keyset, 0o600))
	sealer, err := secrets.FromJSON(keyset)
	must(owner, err)
	b.furnish = func(t testing.TB, name, email, handpointKey string) *house {
		t.Helper()
		// A house is furnished over the plain road, whatever is between later.
		st, err := store.Open(ctx, store.Config{URL: on.owner})
		must(t, err)
		defer func() { must(t, st.Close()) }()
		people, err := signin.New(signin.Options{Store: st, Sealer: sealer})
		must(t, err)
		h := &house{building: b}
		h.merchant, _, err = people.CreateMerchant(ctx, domain.Merchant{Name: name, TimeZone: "Europe/London", Mode: domain.Test, Currencies: []money.Currency{money.MustCurrency("GBP")}},
			signin.NewPerson{Email: "owner-" + email, Name: "Owner"})
		must(t, err)
		_, err = people.CreateUserWithPassword(ctx, h.merchant, signin.NewPerson{Email: email, Name: "Till", Role: domain.Manager}, password, factor)
		must(t, err)
		conns := &connections.Service{Store: st, Registry: providers.NewRegistry(cardflo.Registration(), handpoint.Registration()), Secrets: sealer, Now: time.Now}
		actor := domain.Actor{MerchantID: h.merchant}
		hp, err := conns.Create(ctx, actor, connections.NewConnection{Provider: "handpoint", Name: "Saved cards", BaseURL: provider + sandboxhandpoint.BasePath, Settings: with(on.settings, handpoint.SettingAcquirer, "TSYS", handpoint.SettingPreauthorizations, "yes"),
			Secrets: map[string]string{handpoint.SecretAPIKey: handpointKey}})
		must(t, err)
		cf, err := conns.Create(ctx, actor, connections.NewConnection{Provider: "cardflo", Name: "Card by phone", BaseURL: provider + sandboxcardflo.BasePath,
			Settings: with(on.settings, cardflo.SettingCardFrame, b.sandbox+"/cardflo/frame/"+sandboxcardflo.SandboxKey, cardflo.SettingIncrements, "yes", cardflo.SettingPartialVoid, "yes",
				cardflo.SettingPartialCapture, "yes", cardflo.SettingCaptureAgain, "yes", cardflo.SettingPartialRefund, "yes", cardflo.SettingPayout, "yes", cardflo.SettingPayByLink, "yes"),
			Secrets: map[string]string{cardflo.SecretAPIKey: sandboxcardflo.SandboxKey, cardflo.SecretUsername: sandboxcardflo.SandboxUser,
				cardflo.SecretPassword: sandboxcardflo.SandboxPassword, cardflo.SecretSharedSecret: sandboxcardflo.SandboxSecret}})
		must(t, err)
		card, err := conns.AddCard(ctx, actor, hp.ID, sandboxhandpoint.TokenVisa, domain.Card{Brand: "Visa", Last4: "0936", Expiry: "10/30"}, "Imogen Ware")
		must(t, err)
		h.handpoint, h.cardflo, h.card = hp.ID, cf.ID, card.ID
		device := domain.Device{ID: domain.NewDeviceID(), ConnectionID: hp.ID, Serial: sandboxhandpoint.TerminalSerial, Type: sandboxhandpoint.TerminalType, FirstListedAt: time.Now()}
		if handpointKey == sandboxhandpoint.OtherSandboxKey {
			device.Serial, device.Type, device.Virtual = "9000000002", sandboxhandpoint.VirtualType, true
		}
		must(t, st.InTenant(ctx, h.merchant, func(tx *store.Tx) error { return tx.InsertDevice(ctx, device) }))
		// Its customers have their card at hand.
		must(t, b.hp.Command(ctx, "device", map[string]any{"serial": device.Serial, "seconds": 0}, nil))
		h.device, h.virtual = device.ID, device.Virtual
		return h
	}
	h := b.furnish(owner, "Kill Lane", email, sandboxhandpoint.SandboxKey)

	hosts := []string{strings.TrimPrefix(b.sandbox, "http://"), strings.TrimPrefix(provider, "http://")}
	b.env = []string{"DATABASE_URL=" + on.app, "COUNTERFOIL_KEYSET=" + keyfile, "COUNTERFOIL_ADDR=127.0.0.1:0", "COUNTERFOIL_PUBLIC_URL=http://localhost",
		"COUNTERFOIL_ALLOW_HOSTS=" + strings.Join(hosts, ","), "COUNTERFOIL_LOG=warn"}
	if !on.patient {
		b.env = append(b.env, pollEnv+"=250ms")
	}
	owner.Cleanup(func() {
		if b.product != nil {
			b.product.kill()
		}
	})
	h.start(owner, "", 0)
	h.signIn(owner, email)
	return h
}

// with is a copy of settings with more of them, names and values in turns.
func with(settings map[string]string, more ...string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, settings)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// neighbour is a second merchant in the same house, with an account of its own.
func (h *house) neighbour(t testing.TB) *house {
	t.Helper()
	n := h.furnish(t, "Next Door", "next@example.com", sandboxhandpoint.OtherSandboxKey)
	n.signIn(t, "next@example.com")
	return n
}

// start brings the product up, after its predecessor is gone. armed names the
// line that kills it; ahead is how far its rules' clock runs ahead.
func (h *house) start(t testing.TB, armed string, ahead time.Duration) {
	t.Helper()
	if h.product != nil {
		h.product.kill()
		// A statement of its that is on its way may still take a job.
		until(t, "the dead product's sessions end", 5*time.Millisecond, func() bool {
			return !h.found(t, `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and usename = $1 limit 1`, store.AppRole)
		})
	}
	h.forgetTheDead(t)
	h.product = h.launch(t, armed, ahead)
	if armed != "" {
		// A line of the resolver may kill it before it listens.
		until(t, "the product listens or dies", 5*time.Millisecond, func() bool {
			return strings.Contains(h.product.text(), "listening on ") || !h.product.alive()
		})
		if !h.product.alive() && h.product.wasKilled() {
			return
		}
	}
	h.base.Store(h.product.line(t, "listening on "))
}

// launch starts a product over the house's database.
func (h *house) launch(t testing.TB, armed string, ahead time.Duration) *process {
	t.Helper()
	return launch(t, append([]string{armedEnv + "=" + armed, offsetEnv + "=" + ahead.String()}, h.env...), "counterfoil", "serve")
}

// forgetTheDead lets the time pass that the queue gives a process that is gone:
// its leadership ends after some seconds, its running jobs count as stuck after
// two minutes. Only the times are moved; what is then done about them is the
// queue's own work.
func (h *house) forgetTheDead(t testing.TB) {
	t.Helper()
	for _, q := range []string{
		`update river.river_leader set elected_at = elected_at - interval '1 hour', expires_at = expires_at - interval '1 hour'`,
		`update river.river_job set attempted_at = attempted_at - interval '1 hour' where state = 'running'`,
	} {
		_, err := h.owner.Exec(q)
		must(t, err)
	}
	h.hurry(t)
}

// hurry lets the time until the next planned question pass.
func (h *house) hurry(t testing.TB) {
	t.Helper()
	_, err := h.owner.Exec(hurries[h.patient])
	must(t, err)
}

// hurries are what hurry does, by whether the house is patient: a patient one
// leaves it to the queue to notice, which it does every five seconds.
var hurries = map[bool]string{
	true:  `update river.river_job set scheduled_at = now() - interval '1 second' where state in ('available', 'scheduled', 'retryable') and scheduled_at > now()`,
	false: `update river.river_job set scheduled_at = least(scheduled_at, now() - interval '1 second'), state = 'available' where state in ('scheduled', 'retryable') or state = 'available' and scheduled_at > now()`,
}

// request sends what a browser would. An error is a line that broke.
func (h *house) request(method, path string, form url.Values) (*http.Response, string, error) {
	return h.requestAt(h.base.Load().(string), method, path, form)
}

func (h *house) requestAt(base, method, path string, form url.Values) (*http.Response, string, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, base+path, body)
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Cookie", h.cookie)
	res, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if res.StatusCode == http.StatusInternalServerError {
		h.broken.note(method+" "+path, string(text))
	}
	return res, string(text), err
}

// signIn walks the two steps. The cookie is Secure, which a jar would keep to
// itself on http, so it is carried by hand.
func (h *house) signIn(t testing.TB, email string) {
	t.Helper()
	jar := map[string]string{}
	step := func(method, path string, form url.Values) string {
		res, text, err := h.request(method, path, form)
		must(t, err)
		if form != nil && res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s answered %s", path, res.Status)
		}
		for _, c := range res.Cookies() {
			jar[c.Name] = c.Value
		}
		h.cookie = ""
		for k, v := range jar {
			h.cookie += k + "=" + v + "; "
		}
		return hidden(text, "_csrf")
	}
	csrf := step(http.MethodGet, "/signin", nil)
	step(http.MethodPost, "/signin", url.Values{"_csrf": {csrf}, "email": {email}, "password": {password}})
	csrf = step(http.MethodGet, "/signin/totp", nil)
	code, err := signin.CodeAt(factor, time.Now())
	must(t, err)
	step(http.MethodPost, "/signin/totp", url.Values{"_csrf": {csrf}, "code": {code}})
}

func hidden(page, name string) string {
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
	if err != nil {
		return ""
	}
	v, _ := doc.Find(`input[name="` + name + `"]`).First().Attr("value")
	return v
}

// form is a form that a person has filled in and may send more than once.
type form struct {
	typ    string // of the transaction that it makes
	path   string
	fields url.Values
	order  string // of a form that begins a payment
	// keyless is the payment of a form that is told from others by what it is
	// about, and has no key.
	keyless string
}

func (f form) key() string {
	if f.keyless != "" {
		return f.typ + " " + f.keyless
	}
	return f.fields.Get("_key")
}

// done says of an answer that what the form asks for was done: it leads on, or
// what the form is about is gone, which is how one without a key tells it.
func (h *house) done(f form, status int) bool {
	if f.keyless != "" && status == http.StatusNotFound {
		h.answered.add(f)
		return true
	}
	return status == http.StatusSeeOther
}

// errNotOffered says that the page came and has no such form now, for example
// because the outcome of the sale is not known.
var errNotOffered = errors.New("the page does not offer the form")

// open loads the page of a form for its hidden fields.
func (h *house) open(page string, f form) (form, error) {
	res, text, err := h.request(http.MethodGet, page, nil)
	if err == nil && res.StatusCode == http.StatusSeeOther { // to the same page with an attempt of its own
		res, text, err = h.request(http.MethodGet, res.Header.Get("Location"), nil)
	}
	if err != nil {
		return f, err
	}
	f.fields.Set("_csrf", hidden(text, "_csrf"))
	if f.keyless == "" {
		f.fields.Set("_key", hidden(text, "_key"))
	}
	if res.StatusCode != http.StatusOK {
		if f.keyless != "" && res.StatusCode == http.StatusNotFound {
			// What it is about is gone, or is about to be.
			return f, errNotOffered
		}
		return f, fmt.Errorf("%s answered %s", page, res.Status)
	}
	if f.key() == "" {
		return f, fmt.Errorf("%s: %w", page, errNotOffered)
	}
	return f, nil
}

func major(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// post sends a form and gives the id of the payment that it leads to.
func (h *house) post(f form) (status int, payment string, err error) {
	return h.postAt(h.base.Load().(string), f)
}

func (h *house) postAt(base string, f form) (status int, payment string, err error) {
	res, text, err := h.requestAt(base, http.MethodPost, f.path, f.fields)
	if err != nil {
		return 0, "", err
	}
	to := res.Header.Get("Location")
	payment, _, _ = strings.Cut(strings.TrimPrefix(to, "/payments/"), "?")
	if res.StatusCode != http.StatusSeeOther {
		return res.StatusCode, "", nil
	}
	if f.keyless != "" { // it may lead to a list
		payment = f.keyless
	}
	if _, err := domain.ParsePaymentID(payment); err != nil {
		return res.StatusCode, "", fmt.Errorf("led to %q: %s", to, text)
	}
	h.answered.add(f)
	return res.StatusCode, payment, nil
}

// typeCards does what customers do who see the provider's page: those whose
// order is like the given one.
func (h *house) typeCards(which string) error {
	pages, err := h.pagesOf(which)
	// The database may be down on purpose.
	for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); pages, err = h.pagesOf(which) {
		time.Sleep(20 * time.Millisecond) // a person's patience, not a wait for something
	}
	if err != nil {
		return err
	}
	for _, page := range pages {
		res, err := client.PostForm(page, url.Values{"card_number": {sandboxcardflo.CardApprove}, "expiry": {"12/30"}, "security_code": {"123"}})
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusSeeOther {
			return fmt.Errorf("the provider's page answered %s", res.Status)
		}
	}
	return nil
}

// pagesOf are the provider's pages that wait for a card.
func (h *house) pagesOf(which string) ([]string, error) {
	rows, err := h.owner.Query(`select t.redirect_url from transactions t join payments p on p.id = t.payment_id where t.redirect_url <> '' and (p.order_reference like $1 or t.note like $1)`, which)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var pages []string
	for rows.Next() {
		var page string
		if err := rows.Scan(&page); err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, rows.Err()
}

// follow waits until every outcome is known. Customers who were sent to the
// provider's page use it; a page whose address was lost with a killed process
// ends by the provider's own clock, and what a provider cannot tell goes to a
// person after a day.
func (h *house) follow(t testing.TB) {
	t.Helper()
	open, advanced, aged := 0, false, false
	defer func() {
		if t.Failed() {
			t.Logf("%d open; the product wrote:\n%s\n%s", open, h.product.text(), h.dump())
		}
	}()
	until(t, "every outcome is known", 150*time.Millisecond, func() bool {
		lost, silent := 0, 0
		must(t, h.owner.QueryRow(`select count(*), count(*) filter (where t.status = 'processing' and t.redirect_url = '' and p.method in ('page', 'link')), count(*) filter (where t.type = 'tip_adjustment' and t.asked > 2)
			from transactions t join payments p on p.id = t.payment_id where t.status not in ('approved', 'declined', 'failed', 'needs_person')`).Scan(&open, &lost, &silent))
		if open == 0 {
			return true
		}
		must(t, h.typeCards("%"))
		if lost > 0 && !advanced {
			advanced = true
			_, err := h.cf.Advance(t.Context(), pageTTL)
			must(t, err)
		}
		if open == silent && !aged {
			aged = true
			h.start(t, "", givenUp)
		}
		h.hurry(t)
		return false
	})
}

// dump tells what is open and what the queue means to do about it.
func (h *house) dump() string {
	var b strings.Builder
	for _, q := range []string{
		`select concat_ws(' ', t.id, t.type, t.status, 'asked', t.asked, 'absent', t.absent, 'last', t.last_asked_at, 'next', t.next_ask_at) from transactions t where t.status not in ('approved', 'declined', 'failed')`,
		`select concat_ws(' ', j.id, j.kind, j.state, 'at', j.scheduled_at, 'tried', j.attempt, j.attempted_at, j.args) from river.river_job j where j.state not in ('completed')`,
		`select concat_ws(' ', 'now', now(), 'leader', l.leader_id, l.expires_at) from river.river_leader l`,
	} {
		rows, err := h.owner.Query(q)
		if err != nil {
			return err.Error()
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				line = err.Error()
			}
			b.WriteString(line + "\n")
		}
		_ = rows.Close()
	}
	return b.String()
}
