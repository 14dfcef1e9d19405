package storetest_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/store/storetest"
)

func open(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestTheApplicationsRoleOwnsNothingAndCannotBypassRowLevelSecurity(t *testing.T) {
	db := storetest.New(t)
	var session, current string
	var super, bypass bool
	var owned int
	err := open(t, db.AppURL).QueryRow(`
		select session_user, current_user, rolsuper, rolbypassrls,
			(select count(*) from pg_class where relowner = r.oid)
		from pg_roles r where rolname = session_user`).Scan(&session, &current, &super, &bypass, &owned)
	if err != nil {
		t.Fatal(err)
	}
	if session != store.AppRole || current != store.AppRole || super || bypass || owned != 0 {
		t.Errorf("session %s, current %s, superuser %t, bypass %t, owns %d", session, current, super, bypass, owned)
	}
}

func TestAStoreOpensOnTheMigratedClone(t *testing.T) {
	if err := storetest.New(t).Open(t).Ready(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestTwoDatabasesShareNothing(t *testing.T) {
	first, second := storetest.New(t), storetest.New(t)
	if _, err := first.Owner(t).Exec(`create table only_here (n int)`); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := second.Owner(t).QueryRow(`select to_regclass('only_here') is not null`).Scan(&there); err != nil || there {
		t.Errorf("the second database sees the first one's table: %t, %v", there, err)
	}
}

func TestADatabaseIsDroppedWithItsTestWhoeverIsConnected(t *testing.T) {
	var dropped *storetest.DB
	t.Run("user", func(t *testing.T) {
		dropped = storetest.New(t)
		leaked, err := sql.Open("postgres", dropped.OwnerURL)
		if err != nil {
			t.Fatal(err)
		}
		if err := leaked.Ping(); err != nil {
			t.Fatal(err)
		}
	})
	var there bool
	err := storetest.New(t).Owner(t).QueryRow(`select exists (select from pg_database where datname = $1)`, dropped.Name).Scan(&there)
	if err != nil || there {
		t.Errorf("the database is still there: %t, %v", there, err)
	}
}

func TestAnEmptyDatabaseHasNoSchemaUntilItIsMigrated(t *testing.T) {
	db := storetest.NewEmpty(t)
	var tables int
	count := `select count(*) from pg_tables where schemaname in ('public', 'river')`
	if err := db.Owner(t).QueryRow(count).Scan(&tables); err != nil || tables != 0 {
		t.Fatalf("%d tables, %v", tables, err)
	}
	if err := store.Migrate(context.Background(), db.OwnerURL); err != nil {
		t.Fatal(err)
	}
	if err := db.Owner(t).QueryRow(count).Scan(&tables); err != nil || tables == 0 {
		t.Fatalf("%d tables, %v", tables, err)
	}
}

// childEnv makes this test binary a test process of its own, which clones some databases and tells where.
const childEnv = "STORETEST_TEST_CHILD"

func TestChildProcess(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		return // it does its work only when TestProcessesShareOneServerThatEndsAfterThem starts it
	}
	db := storetest.New(t)
	storetest.New(t)
	var server string
	err := db.Owner(t).QueryRow(`select current_setting('data_directory') || ' ' || extract(epoch from pg_postmaster_start_time())`).Scan(&server)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("server:", server)
	if os.Getenv(childEnv) == "hang" {
		select {}
	}
}

func TestProcessesShareOneServerThatEndsAfterThem(t *testing.T) {
	temp, err := os.MkdirTemp("", "storetest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	if err := os.Chmod(temp, 0o711); err != nil {
		t.Fatal(err)
	}
	type child struct {
		cmd    *exec.Cmd
		server chan string
	}
	begin := func(mode string) child {
		c := child{exec.Command(os.Args[0], "-test.run=^TestChildProcess$"), make(chan string, 1)}
		c.cmd.Env = append(os.Environ(), childEnv+"="+mode, "TMPDIR="+temp, "COUNTERFOIL_TEST_IDLE=1s", "COUNTERFOIL_TEST_DATABASE_URL=")
		out, err := c.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.cmd.Stderr = os.Stderr
		if err := c.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				if _, server, ok := strings.Cut(lines.Text(), "server: "); ok {
					c.server <- server
				} else if strings.HasPrefix(lines.Text(), "    ") {
					c.server <- "failed: " + lines.Text()
				}
			}
			close(c.server)
		}()
		return c
	}

	killed := begin("hang")
	children := []child{begin("end"), begin("end"), begin("end")}
	server := <-killed.server
	for _, c := range children {
		if got := <-c.server; got != server || server == "" {
			t.Errorf("one process has the server %q, another %q", server, got)
		}
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("a process failed: %v", err)
		}
	}
	_ = killed.cmd.Process.Kill()
	_ = killed.cmd.Wait()

	gone := func() bool {
		left, err := filepath.Glob(filepath.Join(temp, "counterfoil-test-*", "cluster", "postgres", "postmaster.pid"))
		return err == nil && len(left) == 0
	}
	for end := time.Now().Add(20 * time.Second); !gone(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server outlives its users, one of which was killed")
		}
	}

	last := begin("end")
	again := <-last.server
	if err := last.cmd.Wait(); err != nil {
		t.Error(err)
	}
	folder, _, _ := strings.Cut(server, " ")
	if again == server || !strings.HasPrefix(again, folder+" ") {
		t.Errorf("after the end the next process should start the same cluster again: %q, then %q", server, again)
	}
	for end := time.Now().Add(20 * time.Second); !gone(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the second server outlives its user")
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		storetest.New(b)
	}
}
