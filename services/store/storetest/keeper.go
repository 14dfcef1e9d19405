package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/lib/pq"

	"github.com/counterfoil/counterfoil/services/embeddedpg"
)

// The cluster must outlive the test process that happens to start it, and end when no test process needs it. So it
// belongs to a keeper: this same test binary, started again in the background with keeperEnv set. Every test process
// holds a shared lock on users.lock for its whole life, which the kernel takes back even from a killed one; the keeper
// stops the cluster when it can have that lock for itself, and holds it while it stops.
const keeperEnv = "COUNTERFOIL_TEST_KEEPER"

// idleEnv is how long the keeper waits for another user before it stops the cluster, as a Go duration. The default
// spans the compilation of the next package.
const (
	idleEnv     = "COUNTERFOIL_TEST_IDLE"
	idleDefault = 15 * time.Second
)

func init() {
	dir := os.Getenv(keeperEnv)
	if dir == "" {
		return
	}
	if err := keep(dir); err != nil {
		fmt.Fprintln(os.Stderr, "keeper:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// folder returns the cluster's folder: the same for all processes of a checkout and a user, and nobody else's.
func folder(root string) (string, error) {
	uid := os.Geteuid()
	sum := sha256.Sum256([]byte(root + "\x00" + strconv.Itoa(uid)))
	dir := filepath.Join(os.TempDir(), "counterfoil-test-"+hex.EncodeToString(sum[:6]))
	mode := os.FileMode(0o700)
	if uid == 0 {
		mode = 0o711 // the server then runs as another user, who must get through
	}
	if err := os.Mkdir(dir, mode); err == nil {
		return dir, os.Chmod(dir, mode)
	} else if !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(st.Uid) != uid || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s exists and is not a folder of user %d alone: remove it", dir, uid)
	}
	return dir, nil
}

// held keeps the shared lock's file open until the process ends.
var held []*os.File

// join returns the address of the checkout's cluster and starts it when it does not run.
func join(ctx context.Context, root string) (string, error) {
	dir, err := folder(root)
	if err != nil {
		return "", err
	}
	users, err := lock(filepath.Join(dir, "users.lock"), syscall.LOCK_SH)
	if err != nil {
		return "", err
	}
	held = append(held, users)
	starting, err := lock(filepath.Join(dir, "start.lock"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { _ = starting.Close() }()
	if address, err := running(ctx, dir); err == nil {
		return address, nil
	}
	return startKeeper(ctx, dir)
}

func startKeeper(ctx context.Context, dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	logPath := filepath.Join(dir, "keeper.log")
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	keeper := exec.Command(self)
	keeper.Dir = "/"
	keeper.Env = append(os.Environ(), keeperEnv+"="+dir)
	if bin, err := embeddedpg.FindBinaries(""); err == nil {
		// Found from here, because the keeper neither has this working directory nor lies in the checkout.
		keeper.Env = append(keeper.Env, "COUNTERFOIL_PG_BIN="+bin)
	} else {
		return "", err
	}
	keeper.Stdout, keeper.Stderr = log, log // go test would wait for a child that holds its own output
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := keeper.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		_ = keeper.Wait()
		close(ended)
	}()
	for {
		address, err := running(ctx, dir)
		if err == nil {
			return address, nil
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(logPath)
			return "", fmt.Errorf("the test database did not start: %s", bytes.TrimSpace(text))
		default:
		}
		if waited := pause(ctx); waited != nil {
			return "", fmt.Errorf("the test database did not start in time, see %s: %w", logPath, errors.Join(waited, err))
		}
	}
}

// running returns the address that the keeper wrote if a server answers there.
func running(ctx context.Context, dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "address"))
	if err != nil {
		return "", err
	}
	c, err := newCluster(string(text))
	if err != nil {
		return "", err
	}
	defer func() { _ = c.admin.Close() }()
	return string(text), c.admin.PingContext(ctx)
}

func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// keep is the keeper's life.
func keep(dir string) error {
	ctx := context.Background()
	idle := idleDefault
	if text := os.Getenv(idleEnv); text != "" {
		var err error
		if idle, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s: %w", idleEnv, err)
		}
	}
	addressFile := filepath.Join(dir, "address")
	if err := os.Remove(addressFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	begin, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// A keeper that was killed leaves a server which the start stops first.
	server, err := embeddedpg.Start(begin, embeddedpg.Config{
		DataDir: filepath.Join(dir, "cluster"), Fast: true, Log: os.Stderr,
		Settings: map[string]string{
			"max_connections": "300",
			"shared_buffers":  "64MB",
			// A clone is a file copy: nothing is gained by a background checkpoint in the middle of it.
			"checkpoint_timeout": "1h",
			"max_wal_size":       "4GB",
			"autovacuum":         "off",
		},
	})
	if err != nil {
		return err
	}
	stop := func() error {
		end, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return errors.Join(os.RemoveAll(addressFile), server.Stop(end))
	}
	address := server.URL("postgres")
	if err := announce(begin, addressFile, address); err != nil {
		return errors.Join(err, stop())
	}

	lastUsed := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-server.Done():
			return errors.Join(server.Err(), stop())
		case <-tick.C:
		}
		alone, err := lock(filepath.Join(dir, "users.lock"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			lastUsed = time.Now()
			continue
		}
		if time.Since(lastUsed) < idle {
			_ = alone.Close()
			continue
		}
		// The lock is held until this process has ended: whoever comes next waits and then starts a server of its own,
		// instead of meeting one that is going down.
		return stop()
	}
}

// announce tidies the server up while nobody knows it, then tells where it is.
func announce(ctx context.Context, addressFile, address string) error {
	if err := sweep(ctx, address); err != nil {
		return err
	}
	if err := os.WriteFile(addressFile+".new", []byte(address), 0o600); err != nil {
		return err
	}
	return os.Rename(addressFile+".new", addressFile)
}

// sweep removes what killed tests left, before anybody uses the server, and all but the newest templates.
func sweep(ctx context.Context, address string) error {
	c, err := newCluster(address)
	if err != nil {
		return err
	}
	defer func() { _ = c.admin.Close() }()
	rows, err := c.admin.QueryContext(ctx, `
		select datname from pg_database where starts_with(datname, $1)
		union all
		(select datname from pg_database where starts_with(datname, $2) order by oid desc offset 4)`,
		databasePrefix, templatePrefix)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := c.admin.ExecContext(ctx, `alter database `+pq.QuoteIdentifier(name)+` with is_template false`); err != nil {
			return err
		}
		if _, err := c.admin.ExecContext(ctx, `drop database `+pq.QuoteIdentifier(name)+` with (force)`); err != nil {
			return err
		}
	}
	return nil
}
