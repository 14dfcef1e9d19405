package payments_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/payments"
	sandboxhandpoint "github.com/counterfoil/counterfoil/services/sandbox/handpoint"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

// The mutants are made in the database and on the wire to it, so that the
// product needs no hook for them: what runs is the very code that ships.

// exec makes a mutant of a database.
func exec(t *testing.T, db *storetest.DB, sql string) {
	t.Helper()
	if _, err := db.Owner(t).Exec(sql); err != nil {
		t.Fatal(err)
	}
}

// withoutTheCheck lets every claim of an idempotency key be the first.
const withoutTheCheck = `alter table idempotency_keys drop constraint idempotency_keys_pkey`

// unknownIsFailed settles every doubt as a failure.
const unknownIsFailed = `
	create function unknown_is_failed() returns trigger language plpgsql as $$
	begin
		new.status := 'failed';
		new.reason := 'unreachable';
		new.settled_at := now();
		return new;
	end $$;
	create trigger unknown_is_failed before update on transactions for each row when (new.status = 'unknown') execute function unknown_is_failed()`

// TestTheSimulationFindsWhatItIsFor: a simulation that finds nothing proves
// nothing. Each mutant must be found within the seeds of one run.
func TestTheSimulationFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ mutant, finds string }{
		"no idempotency check":      {withoutTheCheck, "one form made two transactions"},
		"unknown settled as failed": {unknownIsFailed, "I[35]: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.New(t)
			exec(t, db, c.mutant)
			said, found := finds(newTown(t, db, db.AppURL))
			if !found || !regexp.MustCompile(c.finds).MatchString(said) {
				t.Errorf("found %t, want a failure that says %q:\n%s", found, c.finds, said)
			}
		})
	}
}

// wire is a line to the database on which every occurrence of a text is blanked
// out: the same length, so that no message changes its size.
func wire(t *testing.T, db *storetest.DB, blank string) string {
	t.Helper()
	u, err := url.Parse(db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	socket := u.Query().Get("host") + "/.s.PGSQL." + u.Query().Get("port")
	if u.Query().Get("port") == "" {
		socket = u.Query().Get("host") + "/.s.PGSQL.5432"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", socket)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() {
				defer func() { _, _ = client.Close(), server.Close() }()
				_, _ = io.Copy(client, server)
			}()
			go func() {
				defer func() { _, _ = client.Close(), server.Close() }()
				buf := make([]byte, 1<<20) // a statement is sent in one piece
				for {
					n, err := client.Read(buf)
					if n > 0 {
						out := bytes.ReplaceAll(buf[:n], []byte(blank), bytes.Repeat([]byte(" "), len(blank)))
						if _, err := server.Write(out); err != nil {
							return
						}
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = l.Addr().String(), q.Encode()
	return u.String()
}

// storm posts fifty forms at once and says what is wrong afterwards; empty when
// nothing is.
type storm func(h *house) string

// refundStorm: fifty different forms, each for a third of the payment.
func refundStorm(h *house) string {
	id := h.take(h.cardSale(900)).PaymentID
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _ = h.svc.Refund(h.t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: minor(300), Reason: "returned"})
		})
	}
	wg.Wait()
	var sum int64
	for _, c := range h.sandbox.Handpoint.State().Charges {
		if c.Kind == "refund" && c.Approved {
			sum += c.AmountMinor
		}
	}
	var asked int
	if err := h.owner.QueryRow(`select count(*) from transactions where payment_id = $1 and type = 'refund'`, id).Scan(&asked); err != nil {
		return err.Error()
	}
	if sum > 900 || asked > 3 {
		return fmt.Sprintf("%d were given back of 900, in %d refunds", sum, asked)
	}
	return ""
}

// formStorm: one form, fifty times. (A sale's form would meet the guard against
// a second payment alike, which stands behind the index.)
func formStorm(h *house) string {
	id := h.take(h.cardSale(900)).PaymentID
	before := approved(h.sandbox.Handpoint)
	key := payments.NewKey()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _ = h.svc.Refund(h.t.Context(), h.actor, payments.RefundInput{Key: key, PaymentID: id, Amount: minor(100), Reason: "returned"})
		})
	}
	wg.Wait()
	if n := approved(h.sandbox.Handpoint) - before; n != 1 {
		return fmt.Sprintf("one form gave money back %d times", n)
	}
	return ""
}

// TestFiftyPostsAtOnceFindWhatTheyAreFor: the storms pass on the product, and
// find a missing row lock and a missing unique index within 200 rounds.
func TestFiftyPostsAtOnceFindWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		storm  storm
		mutant string // of the database
		blank  string // on the wire
	}{
		"no row lock":     {storm: refundStorm, blank: " for no key update of p"},
		"no unique index": {storm: formStorm, mutant: withoutTheCheck},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if why := c.storm(newHouse(t)); why != "" {
				t.Fatalf("the product itself: %s", why)
			}
			db := storetest.New(t)
			address := db.AppURL
			if c.mutant != "" {
				exec(t, db, c.mutant)
			}
			if c.blank != "" {
				address = wire(t, db, c.blank)
			}
			h := houseOn(t, db, address)
			for round := 1; round <= 200; round++ {
				if why := c.storm(h); why != "" {
					t.Logf("found in round %d: %s", round, why)
					return
				}
			}
			t.Error("not found in 200 rounds")
		})
	}
}

// TestAPaymentsLockIsWrittenAsTheMutantExpects: blanking out a text that is not
// there would make a mutant of nothing.
func TestAPaymentsLockIsWrittenAsTheMutantExpects(t *testing.T) {
	h := newHouse(t)
	var locks int
	h.store.OnStatement(func(sql string) {
		if strings.Contains(sql, " for no key update of p") {
			locks++
		}
	})
	id := h.take(h.cardSale(900)).PaymentID
	if _, err := h.svc.Refund(t.Context(), h.actor, payments.RefundInput{Key: payments.NewKey(), PaymentID: id, Amount: minor(300), Reason: "returned"}); err != nil {
		t.Fatal(err)
	}
	if locks == 0 {
		t.Error("a refund sent no statement that locks its payment")
	}
	if d := h.get(id); d.Payment.Refunded != minor(300) || h.cards[sandboxhandpoint.TokenVisa].IsZero() || d.Payment.Status != domain.PaymentPartRefunded {
		t.Errorf("refunded %s, %s", d.Payment.Refunded, d.Payment.Status)
	}
}
