package bench

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	streamUsers   = 25
	streamsOfEach = 20
	devices       = 10 // that change in a second
	watchFor      = 20 * time.Second
	streamsMiB    = 256
	settle        = 12 * time.Second // a session of Postgres that has become idle adds up what it did after ten
)

// BenchmarkStreams opens 500 streams as 25 people of one merchant against the
// real binary and prints its memory and what it asks of Postgres: before, while
// nothing happens, and while ten terminals change in a second, each of which is
// told to all 500. No jobs run, so that what is counted is the streams' own.
func BenchmarkStreams(b *testing.B) {
	h := open(b, 10_000, "--no-jobs")
	tokens := h.people(b)
	must(b, h.warm())
	before := h.memory(b, "VmRSS")
	quiet := h.watch(b, "before", nil)

	ctx, stop := context.WithCancel(context.Background())
	var open, told atomic.Int64
	var streams sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxConnsPerHost: 0}}
	for _, token := range tokens {
		for range streamsOfEach {
			streams.Go(func() {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/events", nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Cookie", "__Host-counterfoil="+token)
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				defer res.Body.Close()
				if res.StatusCode != http.StatusOK {
					b.Errorf("a stream was answered %s", res.Status)
					return
				}
				open.Add(1)
				for lines := bufio.NewScanner(res.Body); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "event: device-") {
						told.Add(1)
					}
				}
				if ctx.Err() == nil {
					b.Error("a stream ended by itself")
				}
			})
		}
	}
	for end := time.Now().Add(time.Minute); open.Load() < streamUsers*streamsOfEach; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) || b.Failed() {
			b.Fatalf("%d streams are open", open.Load())
		}
	}
	idle := h.watch(b, "open, nothing happens", nil)
	opened := h.memory(b, "VmRSS")
	told.Store(0)
	var ids []string
	for range devices {
		ids = append(ids, uuid.NewString())
	}
	changes := 0
	busy := h.watch(b, "ten terminals change in a second", func() {
		id := ids[changes%devices]
		changes++
		// Without parameters it is one transaction and not two.
		_, err := h.owner.Exec(`select pg_notify('counterfoil', '` + h.big.String() + ` device ` + id + `')`)
		must(b, err)
	})
	time.Sleep(500 * time.Millisecond)
	after := h.memory(b, "VmRSS")
	fmt.Printf("%-26s %d streams of %d people: resident %.1f MiB before, %.1f with them, %.1f after %d changes, told %d times (%d each); peak %.1f\n", "streams",
		open.Load(), streamUsers, before, opened, after, changes, told.Load(), told.Load()/open.Load(), h.memory(b, "VmHWM"))
	fmt.Printf("%-26s Postgres transactions in a second: %.2f before, %.2f while nothing happens, %.2f while %d terminals change (their own taken off)\n", "", quiet, idle, busy, devices)
	if after > streamsMiB {
		b.Errorf("%.1f MiB with %d streams, the limit is %d", after, open.Load(), streamsMiB)
	}
	b.ReportMetric(after, "MiB")
	b.ReportMetric(busy, "statements/s")
	b.ReportMetric(0, "ns/op")
	stop()
	streams.Wait()
}

// people adds the 25 with a session each, which is the signed-in one's copied.
func (h *house) people(b *testing.B) []string {
	_, token, _ := strings.Cut(h.cookie, "__Host-counterfoil=")
	token, _, _ = strings.Cut(token, ";")
	hash := func(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }
	var tokens []string
	for n := range streamUsers {
		id, own := uuid.NewString(), "stream-"+uuid.NewString()
		_, err := h.owner.Exec(`insert into users (id, email, name, created_at) values ($1, $2, 'Stream', now())`, id, "stream"+strconv.Itoa(n)+"@example.com")
		must(b, err)
		_, err = h.owner.Exec(`insert into memberships (merchant_id, user_id, role, created_at) values ($1, $2, 'cashier', now())`, h.big.String(), id)
		must(b, err)
		_, err = h.owner.Exec(`insert into sessions (token_hash, data, user_id, created_at, last_seen_at, expires_at) select $1, data, $2, created_at, last_seen_at, expires_at from sessions where token_hash = $3`, hash(own), id, hash(token))
		must(b, err)
		tokens = append(tokens, own)
	}
	return tokens
}

// warm loads some pages, so that what comes later is not the first of its kind.
func (h *house) warm() error {
	for range 50 {
		res, err := h.get("/payments", "")
		if err != nil {
			return err
		}
		_ = res.Body.Close()
	}
	return nil
}

// watch counts the transactions of the database in a second and the processor
// time of the server, while tick runs as often as terminals change.
func (h *house) watch(b *testing.B, what string, tick func()) float64 {
	count := func() int64 {
		var n int64
		must(b, h.owner.QueryRow(`select xact_commit + xact_rollback from pg_stat_database where datname = current_database()`).Scan(&n))
		return n
	}
	time.Sleep(settle)
	began, from, cpu, own := time.Now(), count(), h.cpu(b), int64(1)
	every := time.NewTicker(time.Second / devices)
	defer every.Stop()
	for time.Since(began) < watchFor {
		<-every.C
		if tick != nil {
			tick()
			own++
		}
	}
	took := time.Since(began).Seconds()
	used := (h.cpu(b) - cpu) / took
	time.Sleep(settle)
	rate := float64(count()-from-own) / took
	fmt.Printf("%-26s %s: %.2f transactions/s, %.1f %% of one core\n", "", what, rate, 100*used)
	return rate
}

// cpu is the server's processor time in seconds; zero where it is not told.
func (h *house) cpu(b *testing.B) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	var ticks float64
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		must(b, err)
		ticks += float64(n)
	}
	return ticks / 100
}
