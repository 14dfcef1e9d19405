package signin

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiterSize bounds the memory that strangers can make us use. When it is
// full, the address that was quiet for longest is forgotten.
const limiterSize = 10_000

type limiter struct {
	every rate.Limit
	burst int

	mu    sync.Mutex
	order *list.List // of *visitor, most recent first
	known map[string]*list.Element
}

type visitor struct {
	key   string
	limit *rate.Limiter
}

func newLimiter(perMinute, burst int) *limiter {
	return &limiter{every: rate.Limit(float64(perMinute) / 60), burst: burst, order: list.New(), known: map[string]*list.Element{}}
}

func (l *limiter) allow(ip string, now time.Time) bool {
	key := network(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.known[key]
	if !ok {
		if l.order.Len() >= limiterSize {
			oldest := l.order.Back()
			delete(l.known, oldest.Value.(*visitor).key)
			l.order.Remove(oldest)
		}
		e = l.order.PushFront(&visitor{key: key, limit: rate.NewLimiter(l.every, l.burst)})
		l.known[key] = e
	}
	l.order.MoveToFront(e)
	return e.Value.(*visitor).limit.AllowN(now, 1)
}

// network is the address itself, or the /64 of an IPv6 address: one customer
// line has all of it.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if a.Is4() || a.Is4In6() {
		return a.Unmap().String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}
