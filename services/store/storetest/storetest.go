// Package storetest gives each test a migrated Postgres database of its own, so that rules that live in SQL (locks,
// unique keys, row-level security) are tested where they hold and nothing is mocked.
//
// All test processes of one checkout share one cluster, which the first of them starts and which ends by itself some
// seconds after the last one. $COUNTERFOIL_TEST_DATABASE_URL, the address of a superuser, takes its place. The schema is
// migrated once into a template database and cloned for every test.
//
// It is for _test.go files. It imports store, migrations and embeddedpg.
package storetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/migrations"
	"github.com/counterfoil/counterfoil/services/store"
)

// DB is the database of one test. It is dropped when the test ends, whoever is still connected.
type DB struct {
	// Name is the database's name.
	Name string
	// AppURL connects as the application's own role, which owns nothing and is bound by row-level security.
	AppURL string
	// OwnerURL connects as a superuser, for preparing what the application itself may not write.
	OwnerURL string
}

// New clones a freshly migrated database for the test. It fails the test when there is no Postgres to be had.
func New(t testing.TB) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := shared(ctx)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	db, err := c.clone(ctx, c.template)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	c.dropAfter(t, db)
	return db
}

// NewEmpty makes a database without a schema, for tests of the migrations themselves. Its AppURL works once the
// migrations have granted something.
func NewEmpty(t testing.TB) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := shared(ctx)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	db, err := c.clone(ctx, "template0")
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	c.dropAfter(t, db)
	return db
}

// Open opens a store on the database as the application's role and closes it when the test ends.
func (db *DB) Open(t testing.TB) *store.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, store.Config{URL: db.AppURL})
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("storetest: %v", err)
		}
	})
	return s
}

// Owner opens a plain connection pool as the superuser and closes it when the test ends.
func (db *DB) Owner(t testing.TB) *sql.DB {
	t.Helper()
	pool, err := sql.Open("postgres", db.OwnerURL)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

// cluster is the server that this process's tests share.
type cluster struct {
	address  *url.URL
	admin    *sql.DB
	template string
}

var (
	sharedOnce    sync.Once
	sharedCluster *cluster
	sharedErr     error
)

func shared(ctx context.Context) (*cluster, error) {
	sharedOnce.Do(func() { sharedCluster, sharedErr = connect(ctx) })
	return sharedCluster, sharedErr
}

func connect(ctx context.Context) (*cluster, error) {
	root, err := checkout()
	if err != nil {
		return nil, err
	}
	address := os.Getenv("COUNTERFOIL_TEST_DATABASE_URL")
	if address == "" {
		if address, err = join(ctx, root); err != nil {
			return nil, err
		}
	}
	c, err := newCluster(address)
	if err != nil {
		return nil, err
	}
	hash, err := schemaHash(root)
	if err != nil {
		return nil, err
	}
	c.template = templatePrefix + hash
	if err := c.ensureTemplate(ctx, store.Migrate); err != nil {
		return nil, err
	}
	return c, nil
}

func newCluster(address string) (*cluster, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, errors.New("COUNTERFOIL_TEST_DATABASE_URL is not a postgres:// address")
	}
	admin, err := sql.Open("postgres", address)
	if err != nil {
		return nil, err
	}
	admin.SetMaxOpenConns(4)
	return &cluster{address: u, admin: admin}, nil
}

// checkout returns the folder of go.mod above the working directory, which go test sets to the package's folder.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.EvalSymlinks(dir)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the test does not run inside the checkout")
		}
		dir = parent
	}
}

const (
	templatePrefix = "tmpl_"
	databasePrefix = "t_"
)

// schemaHash names everything that decides what store.Migrate makes: the SQL files, the code around them, and go.mod,
// whose version of River brings the job tables.
func schemaHash(root string) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(migrations.FS, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.FS, path)
		_, _ = fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(root, "services", "store", "*.go"))
	if err != nil {
		return "", err
	}
	sort.Strings(files)
	for _, path := range append(files, filepath.Join(root, "go.mod")) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		_ = f.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// lockTemplates serialises the making of templates over all processes of the server.
const lockTemplates = 0x636f756e746572

// ensureTemplate migrates the template database unless it is there. It gets its name only when it is complete, so a
// process that is killed half-way leaves nothing that would be taken for it.
func (c *cluster) ensureTemplate(ctx context.Context, migrate func(context.Context, string) error) error {
	conn, err := c.admin.Conn(ctx)
	if err != nil {
		return fmt.Errorf("the test database does not answer: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, `select pg_advisory_lock($1)`, lockTemplates); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `select pg_advisory_unlock($1)`, lockTemplates)
	}()

	var there bool
	if err := conn.QueryRowContext(ctx, `select exists (select from pg_database where datname = $1)`, c.template).Scan(&there); err != nil {
		return err
	}
	if there {
		return nil
	}
	making := c.template + "_making"
	if _, err := conn.ExecContext(ctx, `drop database if exists `+pq.QuoteIdentifier(making)+` with (force)`); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `create database `+pq.QuoteIdentifier(making)+` template template0`); err != nil {
		return err
	}
	if err := migrate(ctx, c.url(making, nil)); err != nil {
		return fmt.Errorf("the migrations: %w", err)
	}
	// The product's role cannot sign in by itself: an operator gives that right to a login of their own. Here it may, so
	// that a test is not merely narrowed from a superuser and cannot widen itself again.
	for _, statement := range []string{
		`alter role ` + pq.QuoteIdentifier(store.AppRole) + ` login password ` + pq.QuoteLiteral(store.AppRole),
		`alter database ` + pq.QuoteIdentifier(making) + ` with is_template true allow_connections false`,
		`select pg_terminate_backend(pid) from pg_stat_activity where datname = ` + pq.QuoteLiteral(making),
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return c.rename(ctx, conn, making, c.template)
}

// rename waits for the sessions that were told to end: a database that somebody is connected to keeps its name.
func (c *cluster) rename(ctx context.Context, conn *sql.Conn, from, to string) error {
	for {
		_, err := conn.ExecContext(ctx, `alter database `+pq.QuoteIdentifier(from)+` rename to `+pq.QuoteIdentifier(to))
		if !isInUse(err) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// isInUse recognises SQLSTATE 55006, object_in_use.
func isInUse(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == "55006"
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(10 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cluster) clone(ctx context.Context, template string) (*DB, error) {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	name := databasePrefix + hex.EncodeToString(random)
	for {
		_, err := c.admin.ExecContext(ctx, `create database `+pq.QuoteIdentifier(name)+` template `+pq.QuoteIdentifier(template))
		if err == nil {
			break
		}
		// A server's housekeeping may look into template0 for a moment.
		if !isInUse(err) {
			return nil, fmt.Errorf("cloning the template: %w", err)
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
	return &DB{
		Name:     name,
		AppURL:   c.url(name, url.UserPassword(store.AppRole, store.AppRole)),
		OwnerURL: c.url(name, nil),
	}, nil
}

func (c *cluster) dropAfter(t testing.TB, db *DB) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := c.admin.ExecContext(ctx, `drop database `+pq.QuoteIdentifier(db.Name)+` with (force)`); err != nil {
			t.Errorf("storetest: dropping the database: %v", err)
		}
	})
}

// url returns the address of a database of the cluster, as the superuser unless another user is given.
func (c *cluster) url(name string, as *url.Userinfo) string {
	u := *c.address
	u.Path = "/" + name
	if as != nil {
		u.User = as
	}
	return u.String()
}
