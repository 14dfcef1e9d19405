// Package embeddedpg starts, supervises and stops a Postgres of our own for the demo and for the tests, so that a fresh
// machine needs no database. Production never uses it: there DATABASE_URL names a server that somebody looks after.
//
// It imports the standard library only. cmd/counterfoil (for demo) and services/store/storetest may import it and
// nothing else may; docs/adr/0007 says why.
package embeddedpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Superuser is the database role that owns the cluster. It needs no password: whoever reaches the socket is trusted,
// and the socket lies in a folder that only the server's own account (and root) can enter.
const Superuser = "postgres"

// ErrInUse is wrapped by Start's error when another living process holds the data folder.
var ErrInUse = errors.New("the database folder is in use by another process")

// Config says where the cluster lives and how it is run.
type Config struct {
	// DataDir is the folder of the cluster; it is made when missing. Required.
	DataDir string
	// BinDir holds initdb and postgres. When empty, $COUNTERFOIL_PG_BIN counts, then the usual places; see FindBinaries.
	BinDir string
	// Fast turns off fsync and full-page writes. A killed process, the server's own included, loses nothing by it: every
	// acknowledged commit has been handed to the kernel. A machine that loses power may lose all.
	Fast bool
	// Settings are further server settings (name to value), for example max_connections.
	Settings map[string]string
	// Log receives the server's own log and one line for everything that Start decides by itself. Nil discards it.
	Log io.Writer

	// outlive leaves out the signal that the kernel sends to the server when its owner dies, which only Linux has; the
	// tests use it to see the other systems' road.
	outlive bool
}

// Server is a running Postgres that belongs to this process.
type Server struct {
	bin, data, socket string
	cmd               *exec.Cmd
	lock              *os.File
	tail              *tailWriter
	done              chan struct{}
	err               error // set before done is closed
	stopping          sync.Once
}

// Start makes the cluster when it is missing, starts Postgres on a unix socket and returns when it accepts
// connections. A server left behind on the same folder by a killed owner is stopped first; its data is kept. Without
// root the server runs as the caller; with root, which Postgres refuses, as nobody. Cancelling ctx gives up the start
// and does not stop a started server: that is Stop's work.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s, err := start(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("embedded Postgres: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.DataDir == "" {
		return nil, errors.New("no data folder is named")
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	bin, err := FindBinaries(cfg.BinDir)
	if err != nil {
		return nil, err
	}
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if err := makeFolder(dir, who); err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, done: make(chan struct{}), tail: &tailWriter{to: cfg.Log}}
	if err := s.bringUp(ctx, cfg, dir, bin, who); err != nil {
		s.removeSocket()
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) bringUp(ctx context.Context, cfg Config, dir, bin string, who account) error {
	at, err := place(dir, bin, who, cfg.Log)
	if err != nil {
		return err
	}
	s.bin, s.data, s.socket = at.bin, at.data, at.socket
	if err := stopLeftBehind(ctx, s.data, cfg.Log); err != nil {
		return err
	}
	if err := s.initialise(ctx, who); err != nil {
		return err
	}
	return s.run(ctx, cfg, who)
}

// initialise makes the cluster in a folder beside its final place and renames it, so that a start that is killed
// half-way leaves nothing that looks like a cluster.
func (s *Server) initialise(ctx context.Context, who account) error {
	version, err := majorVersion(ctx, s.bin)
	if err != nil {
		return err
	}
	switch made, err := os.ReadFile(filepath.Join(s.data, "PG_VERSION")); {
	case err == nil:
		if have := strings.TrimSpace(string(made)); have != strconv.Itoa(version) {
			return fmt.Errorf("%s was made by Postgres %s and %s is Postgres %d: "+
				"name the folder of the older binaries in COUNTERFOIL_PG_BIN, or move the data away", s.data, have, s.bin, version)
		}
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if version < 15 {
		return fmt.Errorf("%s is Postgres %d; 15 or newer is needed", s.bin, version)
	}

	fresh := s.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := who.mkdir(fresh); err != nil {
		return err
	}
	locale := []string{"--locale-provider=builtin", "--locale=C.UTF-8", "--builtin-locale=C.UTF-8"}
	if version < 17 {
		locale = []string{"--locale=C"} // the builtin provider came with 17
	}
	args := append([]string{"-D", fresh, "-U", Superuser, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"}, locale...)
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", serverEnv(), who.attributes(true)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	// Rename needs the target absent or empty; a folder with anything else in it is not ours to replace.
	if err := os.Remove(s.data); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s holds something that is not a Postgres cluster: %w", s.data, err)
	}
	return os.Rename(fresh, s.data)
}

// run starts postgres. A server that was killed a moment ago may hold its lock file or its shared memory for a little
// while, so a start that ends at once is tried again for some seconds.
func (s *Server) run(ctx context.Context, cfg Config, who account) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		exited, err := s.runOnce(ctx, cfg, who)
		if err == nil {
			return nil
		}
		if !exited || ctx.Err() != nil || time.Now().After(deadline) || !s.tail.contains("lock file", "shared memory block") {
			return err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *Server) runOnce(ctx context.Context, cfg Config, who account) (exited bool, err error) {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": s.socket,
		"unix_socket_permissions": "0700",
		"port":                    socketPort,
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_timezone":            "UTC",
		"timezone":                "UTC",
	}
	if cfg.Fast {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	for name, value := range cfg.Settings {
		settings[name] = value
	}
	args := []string{"-D", s.data}
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		args = append(args, "-c", name+"="+settings[name])
	}

	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", serverEnv(), who.attributes(!cfg.outlive)
	cmd.Stdout, cmd.Stderr = s.tail, s.tail
	cmd.WaitDelay = 5 * time.Second // children of a killed server hold the log's pipe a little longer
	s.tail.reset()
	started := make(chan error, 1)
	gone := make(chan struct{})
	var waitErr error
	go func() {
		// The kernel's parent-death signal is tied to the thread that forked, so this one may not end before the server.
		runtime.LockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		waitErr = cmd.Wait()
		close(gone)
	}()
	if err := <-started; err != nil {
		return false, err
	}

	ready := time.NewTicker(2 * time.Millisecond)
	defer ready.Stop()
	slow := time.NewTimer(60 * time.Second)
	defer slow.Stop()
	giveUp := func(err error) (bool, error) {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
		return false, err
	}
	for {
		select {
		case <-gone:
			return true, fmt.Errorf("postgres ended at once (%v): %s", waitErr, s.tail)
		case <-ctx.Done():
			return giveUp(ctx.Err())
		case <-slow.C:
			return giveUp(fmt.Errorf("postgres was not ready within a minute: %s", s.tail))
		case <-ready.C:
			if f, err := readPIDFile(s.data); err != nil || f.pid != cmd.Process.Pid || !f.ready {
				continue
			}
			s.cmd = cmd
			go func() {
				<-gone
				s.err = waitErr
				if s.err == nil {
					s.err = errors.New("postgres ended")
				}
				close(s.done)
			}()
			return false, nil
		}
	}
}

// URL returns the address of a database of this server, for lib/pq, as the superuser.
func (s *Server) URL(dbname string) string { return s.URLAs(Superuser, dbname) }

// URLAs returns the address of a database of this server, for lib/pq, as the given role.
func (s *Server) URLAs(role, dbname string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + dbname}
	u.RawQuery = url.Values{"host": {s.socket}, "port": {socketPort}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// PID returns the process id of the server's first process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// DataDir returns where the cluster really is: below Config.DataDir, or, when root started it below a folder that the
// server's account cannot reach, in a folder of its own under the system's temporary folder.
func (s *Server) DataDir() string { return s.data }

// Done is closed when the server has ended, asked or not.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the server ended, with the end of its log, and nil while it runs.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return fmt.Errorf("embedded Postgres: %w: %s", s.err, s.tail)
	default:
		return nil
	}
}

// Stop ends the server cleanly: open sessions are cut, everything committed is written. When ctx ends first it is cut
// short, which costs the next start a recovery and no data. Stopping twice does no harm.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Do(func() { _ = s.cmd.Process.Signal(syscall.SIGINT) })
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		err = ctx.Err()
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-s.done:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			<-s.done
		}
	}
	s.removeSocket()
	_ = s.lock.Close()
	if err != nil {
		return fmt.Errorf("embedded Postgres: stopped hard: %w", err)
	}
	return nil
}

// removeSocket tidies up the socket's folder, in which a server that was killed leaves its files.
func (s *Server) removeSocket() {
	if s.socket != "" {
		_ = os.RemoveAll(s.socket)
	}
}

func serverEnv() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C"} }

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tailWriter passes the server's log on and keeps its end for error messages.
type tailWriter struct {
	mu  sync.Mutex
	to  io.Writer
	end []byte
}

const tailLength = 4096

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = append(w.end, p...)
	if n := len(w.end) - tailLength; n > 0 {
		w.end = append(w.end[:0], w.end[n:]...)
	}
	// The server must not stop because its log could not be kept.
	_, _ = w.to.Write(p)
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(bytes.TrimSpace(w.end))
}

func (w *tailWriter) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = nil
}

func (w *tailWriter) contains(any ...string) bool {
	text := w.String()
	for _, s := range any {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
