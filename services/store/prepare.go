package store

import (
	"context"
	"database/sql/driver"
	"strings"
)

// preparing is a connector whose connections keep the plans of the product's
// own statements: parsing and planning cost Postgres more than running them
// (measured on the detail page). It must not be used behind a pooler in
// transaction mode, where a prepared statement stays on another server
// connection.
type preparing struct{ driver.Connector }

// Connect wraps the connection if it offers all that database/sql asks of a
// modern driver, and gives it as it is otherwise.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(fullConn)
	if !ok {
		return conn, nil
	}
	return &preparingConn{fullConn: full, kept: map[string]keptStmt{}}, nil
}

// fullConn is what lib/pq's connection offers.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type keptStmt interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

// preparingConn is used by one goroutine at a time, as database/sql promises.
type preparingConn struct {
	fullConn
	kept map[string]keptStmt
}

// keepAtMost bounds the statements of a connection. Lists have as many texts as
// people use combinations of filters; what comes after the first ones is run
// as before.
const keepAtMost = 100

// worthKeeping leaves out statements without parameters (BEGIN with its
// settings, whose text changes), the queue's own, and prefix searches, whose
// index needs the value when the plan is made.
func worthKeeping(query string, args []driver.NamedValue) bool {
	return len(args) > 0 && !strings.Contains(query, " like ") && !strings.Contains(query, "river_")
}

func (c *preparingConn) stmt(ctx context.Context, query string, args []driver.NamedValue) (keptStmt, error) {
	if s, ok := c.kept[query]; ok {
		return s, nil
	}
	if len(c.kept) >= keepAtMost || !worthKeeping(query, args) {
		return nil, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(keptStmt)
	if !ok {
		return nil, prepared.Close()
	}
	c.kept[query] = s
	return s, nil
}

func (c *preparingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.stmt(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	return s.QueryContext(ctx, args)
}

func (c *preparingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.stmt(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}
