package store

import (
	"context"
	"net"
	"time"
)

// mostSilence is the longest that a server may leave us without a byte while we
// wait for one. A statement ends after statementTimeout by itself, so a server
// that is silent for longer is not there any more, or the line to it is not:
// neither lib/pq nor the kernel would notice within a quarter of an hour, and a
// request would hold its connection for that long.
const mostSilence = 20 * time.Second

// bounded is a dialer whose connections do not wait for ever. It is for the
// product's own statements; migrations may take their time.
type bounded struct {
	net.Dialer
	silence time.Duration
}

// DialTimeout is for lib/pq's interface.
func (d bounded) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// Dial is for lib/pq's interface.
func (d bounded) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext opens the connection.
func (d bounded) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &boundedConn{Conn: conn, silence: d.silence}, nil
}

// boundedConn is used by one goroutine at a time, as database/sql promises.
type boundedConn struct {
	net.Conn
	silence time.Duration
	fixed   bool // lib/pq has set an end of its own, while it connects
}

// SetDeadline keeps lib/pq's own end, until it takes it back.
func (c *boundedConn) SetDeadline(at time.Time) error {
	c.fixed = !at.IsZero()
	return c.Conn.SetDeadline(at)
}

// Read waits for mostSilence at most.
func (c *boundedConn) Read(b []byte) (int, error) {
	if !c.fixed {
		if err := c.Conn.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

// Write waits for mostSilence at most.
func (c *boundedConn) Write(b []byte) (int, error) {
	if !c.fixed {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}
