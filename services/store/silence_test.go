package store

import (
	"net"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
)

// A server that takes the question and never answers is a database that is away,
// after a bound, and not a request that hangs.
func TestASilentServerIsUnavailableWithinTheBound(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveHandshakeOnly(conn)
		}
	}()
	const silence = 50 * time.Millisecond
	db, err := openWith("postgres://nobody@"+l.Addr().String()+"/none?sslmode=disable", 1, true, silence)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	began := time.Now()
	_, err = db.ExecContext(t.Context(), `select 1`)
	if got := domain.CodeOf(dbError("ask", err)); got != domain.Unavailable {
		t.Errorf("the question ended with %v (%s), want unavailable", err, got)
	}
	if took := time.Since(began); took < silence || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// serveHandshakeOnly lets a client in and then says nothing more.
func serveHandshakeOnly(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4096)
	if _, err := conn.Read(buf); err != nil {
		return
	}
	// AuthenticationOk, ReadyForQuery (idle).
	if _, err := conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'}); err != nil {
		return
	}
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
