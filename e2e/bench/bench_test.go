// Package bench measures the product's own pages against Postgres alone, side
// by side in one run, as ratios: absolutes depend on the machine and its
// neighbours. `make bench` runs it. It builds and drives the real binary.
package bench

import (
	"bufio"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

const (
	clients   = 8
	rounds    = 3
	perRound  = 4 * time.Second
	password  = "a bench of two cores"
	factor    = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	merchants = 1000
)

// size is how many payments there are; a smaller number is for trying the
// benchmark itself.
func size(b *testing.B) int {
	s := os.Getenv("COUNTERFOIL_TEST_BENCH_PAYMENTS")
	if s == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 10_000 {
		b.Fatal("COUNTERFOIL_TEST_BENCH_PAYMENTS must be a number from 10000")
	}
	return n
}

// BenchmarkPagesAgainstPostgresAlone prints the figures of issue line "First
// figures". It makes its measurements once, whatever b.N is.
func BenchmarkPagesAgainstPostgresAlone(b *testing.B) {
	h := open(b, size(b))
	report := func(what string, product, alone []float64, unit string) {
		p, a := median(product), median(alone)
		fmt.Printf("%-26s Postgres alone %9.0f %s   product %9.0f %s   ratio %.1f\n", what, a, unit, p, unit, a/p)
		b.ReportMetric(a/p, strings.ReplaceAll(what, " ", "-")+"-ratio")
	}
	listSQL, detailSQL := h.statements(b)
	var list, listAlone, detail, detailAlone []float64
	for range rounds {
		listAlone = append(listAlone, h.postgres(b, listSQL, func() []any { return []any{h.big.String()} }))
		list = append(list, h.pages(b, func() string { return "/payments" }))
		i := atomic.Int64{}
		next := func() string { return h.ids[int(i.Add(1))%len(h.ids)] }
		detailAlone = append(detailAlone, h.postgres(b, detailSQL, func() []any { return []any{h.big.String(), next()} }))
		detail = append(detail, h.pages(b, func() string { return "/payments/" + next() }))
	}
	report("list page", list, listAlone, "/s")
	report("detail page", detail, detailAlone, "/s")
	h.export(b)
	h.firstView(b)
	b.ReportMetric(0, "ns/op")
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}

type house struct {
	owner  *sql.DB
	appURL string
	big    domain.MerchantID // a tenth of all payments
	rows   int               // of the big merchant
	ids    []string
	base   string
	cookie string
	pid    int
	client *http.Client
}

// open makes the database with that many payments, the binary and a signed-in
// session.
func open(b *testing.B, payments int, flags ...string) *house {
	ctx := context.Background()
	db := storetest.New(b)
	owner, err := sql.Open("postgres", db.OwnerURL)
	must(b, err)
	b.Cleanup(func() { _ = owner.Close() })
	h := &house{owner: owner, appURL: db.AppURL, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	h.seed(b, payments)

	dir := b.TempDir()
	keyset, err := secrets.Generate()
	must(b, err)
	keyfile := filepath.Join(dir, "keyset.json")
	must(b, os.WriteFile(keyfile, keyset, 0o600))
	sealer, err := secrets.FromJSON(keyset)
	must(b, err)
	st, err := store.Open(ctx, store.Config{URL: db.AppURL})
	must(b, err)
	people, err := signin.New(signin.Options{Store: st, Sealer: sealer})
	must(b, err)
	_, err = people.CreateUserWithPassword(ctx, h.big, signin.NewPerson{Email: "bench@example.com", Name: "Bench", Role: domain.Owner}, password, factor)
	must(b, err)
	must(b, st.Close())

	binary := filepath.Join(dir, "counterfoil")
	build := exec.Command("go", "build", "-o", binary, "github.com/counterfoil/counterfoil/cmd/counterfoil")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--public-url", "http://localhost", "--keyset", keyfile)
	cmd.Args = append(cmd.Args, flags...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+db.AppURL, "COUNTERFOIL_LOG=error")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	must(b, err)
	h.base, h.pid = strings.TrimPrefix(strings.TrimSpace(line), "listening on "), cmd.Process.Pid
	h.signIn(b)
	return h
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// seed writes the payments with the server's own generator: a tenth belongs to
// the first merchant, the rest is spread over the others.
func (h *house) seed(b *testing.B, n int) {
	began := time.Now()
	h.big = domain.NewMerchantID()
	h.rows = n / 10
	for _, q := range []string{
		`insert into merchants select case when i = 1 then $1::uuid else gen_random_uuid() end, 'Shop ' || i, '', '', 'Europe/London', 'live', '{GBP,EUR}', now() from generate_series(1, ` + strconv.Itoa(merchants) + `) i`,
		`insert into users (id, email, name, created_at) values ($1, 'seed@example.com', 'Seed', now())`,
		`insert into connections select m.id, m.id, 'handpoint', 'Main', 'live', 'https://cloud.handpoint.com', '{}', '{}', true, now() from merchants m where $1::uuid is not null`,
	} {
		_, err := h.owner.Exec(q, h.big.String())
		must(b, err)
	}
	_, err := h.owner.Exec(`
		with m as (select array_agg(id order by name = 'Shop 1' desc, id) as ids from merchants)
		insert into payments (merchant_id, id, connection_id, reference, status, method, currency, amount_minor, captured_minor, order_reference, card_brand, card_last4, card_expiry, auth_code, created_by, created_by_name, created_at, updated_at)
		select s, gen_random_uuid(), s, upper(lpad(to_hex(i), 8, '0')), case when i % 12 = 0 then 'declined' else 'approved' end, 'card', case when i % 9 = 0 then 'EUR' else 'GBP' end,
			100 + i % 9000, case when i % 12 = 0 then 0 else 100 + i % 9000 end, 'Hamper ' || i, 'Visa', lpad((i % 10000)::text, 4, '0'), '10/30', 'A1B2C3', $1, 'Seed', at, at
		from (select i, case when i % 10 = 0 then ids[1] else ids[2 + i % (array_length(ids, 1) - 1)] end as s, now() - i * interval '31 seconds' as at from m, generate_series(1, $2::int) i) x`, h.big.String(), n)
	must(b, err)
	_, err = h.owner.Exec(`insert into transactions (merchant_id, id, payment_id, connection_id, reference, type, status, currency, amount_minor, attempt_ref, provider_ref, created_by, created_by_name, created_at, last_send_at, settled_at)
		select merchant_id, gen_random_uuid(), id, connection_id, reference, 'sale', case when status = 'approved' then 'approved' else 'declined' end, currency, amount_minor, gen_random_uuid(), id::text, created_by, created_by_name, created_at, created_at, created_at from payments`)
	must(b, err)
	_, err = h.owner.Exec(`vacuum analyze payments, transactions, connections, merchants`)
	must(b, err)
	rows, err := h.owner.Query(`select id from payments where merchant_id = $1 order by md5(id::text) limit 1000`, h.big.String())
	must(b, err)
	defer rows.Close()
	for rows.Next() {
		var id string
		must(b, rows.Scan(&id))
		h.ids = append(h.ids, id)
	}
	fmt.Printf("%d payments of %d merchants, the biggest has %d, written in %s\n", n, merchants, h.rows, time.Since(began).Round(time.Second))
}

// statements asks the store itself for the text of its two queries.
func (h *house) statements(b *testing.B) (list, detail string) {
	st, err := store.Open(context.Background(), store.Config{URL: h.appURL})
	must(b, err)
	defer st.Close()
	var last string
	st.OnStatement(func(q string) { last = q })
	must(b, st.ReadTenant(context.Background(), h.big, func(tx *store.Tx) error {
		if _, err := tx.ListPayments(context.Background(), domain.PaymentFilter{}); err != nil {
			return err
		}
		list = last
		id, err := domain.ParsePaymentID(h.ids[0])
		if err != nil {
			return err
		}
		_, err = tx.Payment(context.Background(), id)
		detail = last
		return err
	}))
	return list, detail
}

// rate runs f on every client until the round is over and gives calls a second.
func rate(b *testing.B, f func(client int) error) float64 {
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for c := range clients {
		wg.Go(func() {
			for time.Since(began) < perRound {
				if err := f(c); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}

// postgres runs the prepared statement alone, as a superuser whom no policy
// slows, and throws the rows away.
func (h *house) postgres(b *testing.B, query string, args func() []any) float64 {
	h.owner.SetMaxOpenConns(clients)
	h.owner.SetMaxIdleConns(clients)
	stmt, err := h.owner.Prepare(query)
	must(b, err)
	defer stmt.Close()
	return rate(b, func(int) error {
		rows, err := stmt.Query(args()...)
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		if n == 0 {
			return errors.New("no rows")
		}
		return rows.Err()
	})
}

func (h *house) get(path, encoding string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, h.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Cookie", h.cookie)
	if encoding != "" {
		req.Header.Set("Accept-Encoding", encoding)
	}
	return h.client.Do(req)
}

// pages loads full pages without compression, which PERFORMANCE names as a
// cost of its own.
func (h *house) pages(b *testing.B, path func() string) float64 {
	return rate(b, func(int) error {
		res, err := h.get(path(), "")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", res.Status)
		}
		_, err = io.Copy(io.Discard, res.Body)
		return err
	})
}

// export compares the CSV with psql's COPY of the same columns, or with the
// same SELECT read raw where there is no psql, and watches the memory.
func (h *house) export(b *testing.B) {
	columns := `reference, created_at, status, method, currency, amount_minor, captured_minor, refunded_minor, held_minor, order_reference, card_brand, card_last4, auth_code, connection_id, created_by_name, id`
	query := `select ` + columns + ` from payments where merchant_id = '` + h.big.String() + `' order by created_at desc, id desc`
	alone, how := func() error {
		rows, err := h.owner.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		raw := make([]sql.RawBytes, 16)
		into := make([]any, len(raw))
		for i := range raw {
			into[i] = &raw[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
		}
		return rows.Err()
	}, "the same SELECT read raw"
	var socket, database string
	if err := h.owner.QueryRow(`select current_setting('unix_socket_directories'), current_database()`).Scan(&socket, &database); err == nil {
		if psql, err := exec.LookPath("psql"); err == nil {
			how = "psql COPY"
			alone = func() error {
				cmd := exec.Command(psql, "-X", "-q", "-h", socket, "-U", "postgres", "-d", database, "-c", `\copy (`+query+`) to /dev/null csv`)
				cmd.Stderr = os.Stderr
				return cmd.Run()
			}
		}
	}
	timed := func(f func() error) float64 {
		began := time.Now()
		must(b, f())
		return time.Since(began).Seconds()
	}
	before := h.memory(b, "VmRSS")
	var product, postgres []float64
	for range rounds {
		postgres = append(postgres, timed(alone))
		product = append(product, timed(func() error {
			res, err := h.get("/payments.csv", "")
			if err != nil {
				return err
			}
			defer res.Body.Close()
			lines := 0
			in := bufio.NewScanner(res.Body)
			for in.Scan() {
				lines++
			}
			if lines != h.rows+1 {
				return fmt.Errorf("the CSV has %d lines, want %d", lines, h.rows+1)
			}
			return in.Err()
		}))
	}
	p, a := median(product), median(postgres)
	fmt.Printf("%-26s %s %.2f s   product %.2f s   ratio %.2f\n", fmt.Sprintf("CSV of %d rows", h.rows), how, a, p, p/a)
	fmt.Printf("%-26s resident before the exports %.1f MiB, peak of the whole run %.1f MiB\n", "memory", before, h.memory(b, "VmHWM"))
	b.ReportMetric(p/a, "csv-ratio")
}

// memory reads a line of the server's status, in MiB; zero where there is none.
func (h *house) memory(b *testing.B, line string) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(line + `:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		b.Fatalf("no %s in the process's status", line)
	}
	kb, err := strconv.Atoi(string(m[1]))
	must(b, err)
	return float64(kb) / 1024
}

var assets = regexp.MustCompile(`(?:href|src|url)\s*[=(]\s*["']?(/static/[^"'#)\s]+|fonts/[^"'#)\s]+)`)

// firstView adds up what a browser with an empty cache loads for the list.
func (h *house) firstView(b *testing.B) {
	total, fonts := 0, 0
	load := func(path string) string {
		res, err := h.get(path, "gzip")
		must(b, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		must(b, err)
		if res.StatusCode != http.StatusOK {
			b.Fatalf("%s answered %s", path, res.Status)
		}
		if strings.Contains(path, ".woff2") {
			fonts += len(body)
		} else {
			total += len(body)
		}
		if res.Header.Get("Content-Encoding") != "gzip" {
			return string(body)
		}
		z, err := gzip.NewReader(strings.NewReader(string(body)))
		must(b, err)
		plain, err := io.ReadAll(z)
		must(b, err)
		return string(plain)
	}
	seen := map[string]bool{}
	var follow func(from, text string)
	follow = func(from, text string) {
		for _, m := range assets.FindAllStringSubmatch(text, -1) {
			at, err := url.Parse(from)
			must(b, err)
			ref, err := at.Parse(m[1])
			must(b, err)
			if path := ref.Path; !seen[path] && !strings.Contains(path, "latin-ext") {
				seen[path] = true
				follow(path, load(path))
			}
		}
	}
	follow("/payments", load("/payments"))
	fmt.Printf("%-26s %.1f KB compressed without fonts, %.1f KB with the Latin ones, %d requests\n", "first view of the list", float64(total)/1000, float64(total+fonts)/1000, len(seen)+1)
	b.ReportMetric(float64(total)/1000, "first-view-KB")
}

var hidden = regexp.MustCompile(`name="_csrf"[^>]*value="([^"]+)"`)

// signIn walks the two steps over HTTP. The cookie is Secure, which a plain
// jar keeps to itself on http, so it is carried by hand.
func (h *house) signIn(b *testing.B) {
	jar := map[string]string{}
	step := func(method, path string, form url.Values) string {
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
		}
		req, err := http.NewRequest(method, h.base+path, body)
		must(b, err)
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		var cookies []string
		for k, v := range jar {
			cookies = append(cookies, k+"="+v)
		}
		req.Header.Set("Cookie", strings.Join(cookies, "; "))
		res, err := h.client.Do(req)
		must(b, err)
		defer res.Body.Close()
		for _, c := range res.Cookies() {
			jar[c.Name] = c.Value
		}
		h.cookie = ""
		for k, v := range jar {
			h.cookie += k + "=" + v + "; "
		}
		raw, err := io.ReadAll(res.Body)
		must(b, err)
		if form != nil && res.StatusCode != http.StatusSeeOther {
			b.Fatalf("%s answered %s", path, res.Status)
		}
		if m := hidden.FindSubmatch(raw); m != nil {
			return string(m[1])
		}
		return ""
	}
	csrf := step(http.MethodGet, "/signin", nil)
	step(http.MethodPost, "/signin", url.Values{"_csrf": {csrf}, "email": {"bench@example.com"}, "password": {password}})
	csrf = step(http.MethodGet, "/signin/totp", nil)
	code, err := signin.CodeAt(factor, time.Now())
	must(b, err)
	step(http.MethodPost, "/signin/totp", url.Values{"_csrf": {csrf}, "code": {code}})
}
