// Command counterfoil is the product: the server, its background worker, its
// migrations, the operator's commands, and the demo. It only wires the rooms
// together; the rules live in them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // a merchant's days must not depend on what the machine has installed

	"github.com/alecthomas/kong"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/store"
)

// version is set by the linker for releases.
var version = "development"

// cli is the whole command line. Each flag that has an environment variable
// names it; the flag wins.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Serve the back office. Needs a migrated database (DATABASE_URL) and a sealing keyset (COUNTERFOIL_KEYSET)."`
	Demo    demoCmd    `cmd:"" help:"Serve a demonstration with its own Postgres, the provider emulators and sample merchants."`
	Migrate migrateCmd `cmd:"" help:"Apply the migrations and exit."`
	Worker  workerCmd  `cmd:"" help:"Run the background jobs alone."`
	Admin   adminCmd   `cmd:"" help:"The operator's commands: merchants, people, connections, keys, the audit chain."`

	Capabilities capabilitiesCmd  `cmd:"" help:"Print which system offers what; with --merchant, what each of its connections offers."`
	Version      kong.VersionFlag `help:"Print the version and exit."`
}

// databaseFlags are how a command reaches the database.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" help:"Postgres to work on." placeholder:"URL"`
	DirectURL   string `name:"database-direct-url" env:"COUNTERFOIL_DATABASE_DIRECT_URL" help:"The same database without a pooler, for migrations; its role may own the tables." placeholder:"URL"`
}

func (f databaseFlags) check() error {
	if f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is missing: name the Postgres database to work on")
	}
	for _, dsn := range []string{f.DatabaseURL, f.direct()} {
		if err := store.CheckTransport(dsn); err != nil {
			return err
		}
	}
	return nil
}

// pooled says that DATABASE_URL is a pooler: that is what the direct address is
// for.
func (f databaseFlags) pooled() bool { return f.DirectURL != "" && f.DirectURL != f.DatabaseURL }

// direct is where migrations go.
func (f databaseFlags) direct() string {
	if f.DirectURL != "" {
		return f.DirectURL
	}
	return f.DatabaseURL
}

// known are the variables with our prefix that a command reads itself. A
// variable that is not known is refused: a typing mistake must not become a
// quiet default.
var known = []string{
	"COUNTERFOIL_ADDR", "COUNTERFOIL_ALLOW_HOSTS", "COUNTERFOIL_DATA", "COUNTERFOIL_DATABASE_DIRECT_URL", "COUNTERFOIL_KEYSET",
	"COUNTERFOIL_LOG", "COUNTERFOIL_PG_BIN", "COUNTERFOIL_PUBLIC_URL", "COUNTERFOIL_SANDBOX_ADDR", "COUNTERFOIL_TRUSTED_PROXIES",
}

// reserved are the names of parts that this release does not
// have yet: they are accepted and have no effect.
var reserved = []string{"COUNTERFOIL_MAIL_FROM", "COUNTERFOIL_METRICS_ADDR", "COUNTERFOIL_SMTP_URL"}

// ours are variables of the tests' own.
var ours = []string{"COUNTERFOIL_TEST_", "COUNTERFOIL_SANDBOX_STDIN", "COUNTERFOIL_E2E_"}

func unknownVariables(environ []string) []string {
	var odd []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "COUNTERFOIL_") || slices.Contains(known, name) || slices.Contains(reserved, name) {
			continue
		}
		if !slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(name, p) }) {
			odd = append(odd, name)
		}
	}
	slices.Sort(odd)
	return odd
}

func main() {
	if odd := unknownVariables(os.Environ()); len(odd) > 0 {
		fail(fmt.Errorf("there is no setting %s: check its spelling or unset it", strings.Join(odd, ", ")))
	}
	var c cli
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks to end, a second one ends at once.
	context.AfterFunc(ctx, stop)
	k, err := kong.New(&c, kong.Name("counterfoil"), kong.Description("The back office for merchants who take card payments."),
		kong.Vars{"version": version}, kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fail(err)
	}
	run, err := k.Parse(os.Args[1:])
	k.FatalIfErrorf(err)
	if err := run.Run(); err != nil {
		stop()
		fail(err)
	}
}

// fail ends the process with one sentence. Fields of an Invalid error follow,
// one a line.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "counterfoil:", sentence(err))
	fields := domain.FieldsOf(err)
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "  %s: %s\n", name, fields[name])
	}
	os.Exit(1)
}

// sentence is the error for an operator, who may read more than staff may.
func sentence(err error) string {
	if domain.CodeOf(err) == domain.Internal {
		return err.Error()
	}
	var e *domain.Error
	if errors.As(err, &e) && e.Unwrap() != nil {
		return e.Message + " (" + e.Unwrap().Error() + ")"
	}
	return domain.MessageOf(err)
}
