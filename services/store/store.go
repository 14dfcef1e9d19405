// Package store holds all SQL of the product. Nothing outside it writes a
// query; every tenant's work happens inside a Tx that has the merchant set, so
// that row-level security stands behind each statement. It imports domain,
// money, migrations and jobs/args.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/counterfoil/counterfoil/migrations"
	"github.com/counterfoil/counterfoil/services/domain"
)

// AppRole is the role that the product works as: it owns nothing and does not
// bypass row-level security.
const AppRole = "counterfoil_app"

// RiverSchema is where the job tables live.
const RiverSchema = "river"

// Config says how to reach the database.
type Config struct {
	URL string
	// MaxOpen connections for requests and jobs (default 8: measured, more gave nothing).
	MaxOpen int
	// Pooled says that URL leads to a pooler in transaction mode, so that no
	// statement may be prepared.
	Pooled bool
	// ExportOpen connections are kept apart for exports, so that a slow
	// download never holds up a sale (default 2).
	ExportOpen int
}

// Store is the open database. It is safe for use by many goroutines.
type Store struct {
	db          *sqlx.DB
	exports     *sqlx.DB
	jobs        *river.Client[*sql.Tx] // insert only
	exportSlots chan struct{}
	url         string
	onStatement func(string) // tests count statements with it
}

// Open connects, makes sure that the role it works as is bound by row-level
// security, and pings. A login that is a superuser, bypasses row-level security
// or owns the tables is narrowed to AppRole for each connection; when that is
// not possible Open refuses.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = 8
	}
	if cfg.ExportOpen == 0 {
		cfg.ExportOpen = 2
	}
	dsn, err := narrowedURL(ctx, cfg.URL)
	if err != nil {
		return nil, err
	}
	db, err := openWith(dsn, cfg.MaxOpen, !cfg.Pooled, mostSilence)
	if err != nil {
		return nil, err
	}
	exports, err := openWith(dsn, cfg.ExportOpen, false, mostSilence)
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		_ = exports.Close()
		return nil, fmt.Errorf("store: the database does not answer: %w", err)
	}
	jobs, err := river.NewClient(riverdatabasesql.New(db.DB), &river.Config{Schema: RiverSchema, Logger: quietLogger()})
	if err != nil {
		return nil, fmt.Errorf("store: job queue: %w", err)
	}
	return &Store{db: db, exports: exports, jobs: jobs, exportSlots: make(chan struct{}, cfg.ExportOpen), url: dsn}, nil
}

// Close ends all connections.
func (s *Store) Close() error {
	return errors.Join(s.db.Close(), s.exports.Close())
}

// Ready says whether the database answers and its schema is the one that this
// binary was built with.
func (s *Store) Ready(ctx context.Context) error {
	var version int64
	err := s.db.GetContext(ctx, &version, `select coalesce(max(version_id), 0) from goose_db_version where is_applied`)
	var pe *pq.Error
	if errors.As(err, &pe) && pe.Code == "42P01" {
		return errors.New("store: the database has no tables yet: run counterfoil migrate")
	}
	if err != nil {
		return fmt.Errorf("store: not ready: %w", err)
	}
	want, err := latestMigration()
	if err != nil {
		return err
	}
	if version < want {
		return fmt.Errorf("store: the database is at migration %d, this binary needs %d: run counterfoil migrate", version, want)
	}
	return nil
}

// SQLDB is the pool for River's worker, which speaks its own SQL to its own
// schema. Nothing else may use it.
func (s *Store) SQLDB() *sql.DB { return s.db.DB }

// openPool opens a pool whose parametrised queries take one round trip and need
// no prepared statement on the server, which is also what PgBouncer's
// transaction mode asks for. jsonb parameters must then be strings.
func openPool(dsn string, open int) (*sqlx.DB, error) { return openWith(dsn, open, false, 0) }

// openWith opens a pool. A silence of zero waits for the server for ever.
func openWith(dsn string, open int, keepPlans bool, silence time.Duration) (*sqlx.DB, error) {
	dsn, err := withParam(dsn, "binary_parameters", "yes")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(dsn, "connect_timeout") {
		if dsn, err = withParam(dsn, "connect_timeout", "5"); err != nil {
			return nil, err
		}
	}
	made, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, errors.New("store: DATABASE_URL cannot be read (its text is not shown, it may hold a password)")
	}
	if silence > 0 {
		made.Dialer(bounded{silence: silence})
	}
	var connector driver.Connector = made
	if keepPlans {
		connector = preparing{connector}
	}
	db := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	db.SetMaxOpenConns(open)
	db.SetMaxIdleConns(open)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// narrowedURL gives the URL whose connections are bound by row-level security.
// The role goes in as a start-up parameter, so that it cannot leak between the
// clients of a pooler; behind PgBouncer the login itself must be narrow.
func narrowedURL(ctx context.Context, raw string) (string, error) {
	safe, err := boundByRLS(ctx, raw)
	if err != nil {
		return "", err
	}
	if safe {
		return raw, nil
	}
	narrowed, err := withParam(raw, "role", AppRole)
	if err != nil {
		return "", err
	}
	safe, err = boundByRLS(ctx, narrowed)
	if err != nil {
		return "", fmt.Errorf("store: the login may bypass row-level security and cannot take the role %s: %w", AppRole, err)
	}
	if !safe {
		return "", fmt.Errorf("store: the role %s owns tables or bypasses row-level security; refusing to start", AppRole)
	}
	return narrowed, nil
}

func boundByRLS(ctx context.Context, dsn string) (bool, error) {
	db, err := openPool(dsn, 1)
	if err != nil {
		return false, err
	}
	defer db.Close()
	var loose bool
	err = db.GetContext(ctx, &loose, `
		select r.rolsuper or r.rolbypassrls or exists (
			select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = 'public' and c.relkind = 'r' and pg_has_role(current_user, c.relowner, 'usage'))
		from pg_roles r where r.rolname = current_user`)
	if err != nil {
		return false, fmt.Errorf("store: the database does not answer: %w", err)
	}
	return !loose, nil
}

// withParam adds a parameter to a DSN of either form that lib/pq reads.
func withParam(dsn, key, value string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " " + key + "=" + value, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("store: DATABASE_URL cannot be read (its text is not shown, it may hold a password)")
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// CheckTransport refuses a DSN that would send the database's password and the
// merchants' data over a network without a verified TLS connection. A unix
// socket and a loopback address need none.
func CheckTransport(dsn string) error {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return errors.New("DATABASE_URL cannot be read (its text is not shown, it may hold a password)")
	}
	hosts := []string{cfg.Host}
	for _, m := range cfg.Multi {
		hosts = append(hosts, m.Host)
	}
	for _, host := range hosts {
		if host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
			continue
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
			continue
		}
		if string(cfg.SSLMode) != "verify-full" {
			return errors.New("DATABASE_URL goes over a network: add sslmode=verify-full, so that nobody between can read or change anything")
		}
	}
	return nil
}

// Migrate applies the migrations as the role of ownerURL and makes River's
// tables. It may run at the same time from several processes: one waits for the
// other.
func Migrate(ctx context.Context, ownerURL string) error {
	db, err := openPool(ownerURL, 3)
	if err != nil {
		return err
	}
	defer db.Close()
	lock, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: the database does not answer: %w", err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(ctx, `select pg_advisory_lock(7241002)`); err != nil {
		return fmt.Errorf("store: migration lock: %w", err)
	}
	defer lock.ExecContext(context.WithoutCancel(ctx), `select pg_advisory_unlock(7241002)`) //nolint:errcheck // the connection closes next
	provider, err := goose.NewProvider(goose.DialectPostgres, db.DB, migrations.FS)
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	rm, err := rivermigrate.New(riverdatabasesql.New(db.DB), &rivermigrate.Config{Schema: RiverSchema, Logger: quietLogger()})
	if err != nil {
		return fmt.Errorf("store: job tables: %w", err)
	}
	if _, err := rm.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("store: job tables: %w", err)
	}
	return nil
}

func latestMigration() (int64, error) {
	entries, err := migrations.FS.ReadDir(".")
	if err != nil {
		return 0, err
	}
	var latest int64
	for _, e := range entries {
		v, err := goose.NumericComponent(e.Name())
		if err != nil {
			return 0, err
		}
		latest = max(latest, v)
	}
	return latest, nil
}

func quietLogger() *slog.Logger {
	return slog.New(slog.DiscardHandler)
}

// dbError turns a driver's error into one of ours where a person can act on
// it: a database that does not answer is Unavailable, everything else stays
// internal. Codes are compared, never texts.
func dbError(op string, err error) error {
	if err == nil {
		return nil
	}
	var pe *pq.Error
	if errors.As(err, &pe) {
		switch pe.Code.Class() {
		case "08", "40", "53", "55", "57": // connection, a deadlock, resources, a lock not had in time, operator intervention or a statement too slow
			return domain.Wrap(err, domain.Unavailable, "The database does not answer at the moment.")
		}
		return fmt.Errorf("store: %s: %w", op, err)
	}
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("store: %s: %w", op, err)
	}
	// What is neither the server's answer nor "no rows" came from the line to it.
	return domain.Wrap(fmt.Errorf("store: %s: %w", op, err), domain.Unavailable, "The database does not answer at the moment.")
}

// isUnique says that a statement ran into the named unique constraint.
func isUnique(err error, constraint string) bool {
	var pe *pq.Error
	return errors.As(err, &pe) && pe.Code == "23505" && pe.Constraint == constraint
}

// CreateDatabase makes a database of that name if there is none. adminURL is
// another database of the same server.
func CreateDatabase(ctx context.Context, adminURL, name string) error {
	db, err := openPool(adminURL, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	var there bool
	if err := db.QueryRowContext(ctx, `select exists (select 1 from pg_database where datname = $1)`, name).Scan(&there); err != nil || there {
		return dbError("find database", err)
	}
	_, err = db.ExecContext(ctx, `create database `+pq.QuoteIdentifier(name))
	return dbError("create database", err)
}
