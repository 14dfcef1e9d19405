package devices

import (
	"context"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/store"
)

// The bounds of a round of checks.
const (
	// perRound is how many terminals of one connection are asked in a round.
	perRound = 20
	// atOnce is how many of them at the same time.
	atOnce = 5
	// roundFor is how long a round goes on to begin checks.
	roundFor = 30 * time.Second
	// callsOfACheck is what a check costs, and checksShare the part of a
	// connection's own bound on calls that checks may use: the rest is for payments.
	callsOfACheck = 3
	checksShare   = 4
	// quietFor: what gave a sign of life so lately is not asked.
	quietFor = CheckEvery / 2
	// patienceMost is the longest pause after a provider asked for patience.
	patienceMost = time.Hour
)

// CheckDue asks the terminals of a merchant whose check is due for a sign of
// life, at most 20 of a connection and no more than a quarter of the calls that the
// connection may make in a minute, and says how many it asked. It moves nothing
// and may run as often as it likes. What runs a payment, or was heard of within
// five minutes, is left alone. When a provider asks for patience, its others wait
// too, twice as long each time.
func (s *Service) CheckDue(ctx context.Context, m domain.MerchantID) (int, error) {
	begun := s.now()
	var due []domain.Device
	links := map[domain.ConnectionID]link{}
	err := s.Store.InTenant(ctx, m, func(tx *store.Tx) (err error) {
		if due, err = tx.ClaimDevicesToCheck(ctx, begun, begun.Add(CheckEvery), perRound); err != nil {
			return err
		}
		for _, d := range due {
			if _, ok := links[d.ConnectionID]; ok {
				continue
			}
			if links[d.ConnectionID], err = s.linkOf(ctx, tx, d.ConnectionID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex
	asked := 0
	patience := map[domain.ConnectionID]time.Duration{}
	begunOf := map[domain.ConnectionID]int{}
	var failed error
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, d := range due {
		l := links[d.ConnectionID]
		if l.unusable != nil || l.how(d.Virtual) == cannotAsk || !d.Running.IsZero() || begun.Sub(d.SeenAt) < quietFor && d.Reach == domain.ReachOnline {
			continue
		}
		if begunOf[d.ConnectionID] >= l.checksARound() {
			err := s.checkLater(ctx, m, d.ID, nil, time.Minute)
			mu.Lock()
			failed = firstError(failed, err)
			mu.Unlock()
			continue
		}
		begunOf[d.ConnectionID]++
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-slots; wg.Done() }()
			mu.Lock()
			wait, waits := patience[d.ConnectionID]
			mu.Unlock()
			if waits || s.now().Sub(begun) > roundFor || ctx.Err() != nil {
				err := s.checkLater(ctx, m, d.ID, nil, max(wait, time.Minute))
				mu.Lock()
				defer mu.Unlock()
				failed = firstError(failed, err)
				return
			}
			h := s.ask(ctx, l, d)
			next := CheckEvery
			if h.later {
				next = max(2*time.Minute, h.wait)
				if d.Code == h.code {
					next = min(max(2*begun.Sub(d.CheckedAt), next), patienceMost)
				}
			}
			err := s.checkLater(ctx, m, d.ID, &h, next)
			mu.Lock()
			defer mu.Unlock()
			asked++
			failed = firstError(failed, err)
			if h.later {
				patience[d.ConnectionID] = next
			}
		}()
	}
	wg.Wait()
	return asked, failed
}

// checksARound is how many checks of a connection a round, which is a minute,
// may begin.
func (l link) checksARound() int {
	_, perMinute := providers.Limits(l.reg, l.conn.Settings)
	if perMinute == 0 {
		return perRound
	}
	return min(perRound, max(1, perMinute/callsOfACheck/checksShare))
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// checkLater writes down what a check told, and when the next one is.
func (s *Service) checkLater(ctx context.Context, m domain.MerchantID, id domain.DeviceID, h *heard, next time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return s.Store.InTenant(ctx, m, func(tx *store.Tx) error {
		d, err := tx.LockDevice(ctx, id)
		if err != nil || d.Removed() {
			return err
		}
		now := s.now()
		if h != nil {
			h.apply(&d, now)
		}
		d.CheckAt = now.Add(next)
		return tx.SaveDevice(ctx, d, now)
	})
}
