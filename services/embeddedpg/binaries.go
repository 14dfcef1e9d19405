package embeddedpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
)

// FindBinaries returns the folder that holds initdb and postgres. It takes the named folder and nothing else when one
// is named, by the argument or by $COUNTERFOIL_PG_BIN. Otherwise it looks into the npm platform package below
// node_modules of the working directory, of the running program and of their parents, then asks pg_config, then looks
// into Debian's and Homebrew's places. The error tells every place that was looked at and what was wrong with it.
func FindBinaries(named string) (string, error) {
	if named == "" {
		named = os.Getenv("COUNTERFOIL_PG_BIN")
	}
	if named != "" {
		dir, err := filepath.Abs(named)
		if err == nil {
			err = usable(dir)
		}
		if err != nil {
			return "", fmt.Errorf("COUNTERFOIL_PG_BIN: %w", err)
		}
		return dir, nil
	}
	var looked []string
	for _, dir := range candidates() {
		err := usable(dir)
		if err == nil {
			return dir, nil
		}
		looked = append(looked, "  "+err.Error())
	}
	return "", fmt.Errorf("no Postgres was found. Run npm ci, or install Postgres, or name the folder of initdb and postgres "+
		"in COUNTERFOIL_PG_BIN, or name a server in DATABASE_URL. Looked at:\n%s", strings.Join(looked, "\n"))
}

// platformPackage is the npm package of this machine's binaries.
func platformPackage() string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	return filepath.Join("@embedded-postgres", runtime.GOOS+"-"+arch)
}

// systemPlaces are where Debian and Homebrew (on both its processors) put Postgres.
var systemPlaces = []string{
	"/usr/lib/postgresql/*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

func candidates() []string {
	var dirs []string
	add := func(dir string) {
		for _, d := range dirs {
			if d == dir {
				return
			}
		}
		dirs = append(dirs, dir)
	}
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			modules := filepath.Join(dir, "node_modules")
			if _, err := os.Stat(modules); err == nil {
				add(filepath.Join(modules, platformPackage(), "native", "bin"))
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	if len(dirs) == 0 && len(starts) > 0 {
		// Nothing to look into, but the message should name the place that npm ci would fill.
		add(filepath.Join(starts[0], "node_modules", platformPackage(), "native", "bin"))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		add(strings.TrimSpace(string(out)))
	}
	for _, pattern := range systemPlaces {
		found, _ := filepath.Glob(pattern)
		sort.Slice(found, func(i, j int) bool { return versionIn(found[i]) > versionIn(found[j]) })
		for _, dir := range found {
			add(dir)
		}
		if len(found) == 0 {
			add(pattern)
		}
	}
	return dirs
}

// versionIn reads the number in .../postgresql/15/bin or .../postgresql@15/bin, so that 9 sorts before 15.
func versionIn(path string) int {
	part := filepath.Base(filepath.Dir(path))
	if _, after, ok := strings.Cut(part, "@"); ok {
		part = after
	}
	n, _ := strconv.Atoi(part)
	return n
}

// usable reports what keeps the binaries of a folder from running here, a binary for another C library for example.
func usable(dir string) error {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%s: no %s there", dir, name)
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("%s: %s is not a program", dir, name)
		}
	}
	if err := makeLinks(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if _, err := majorVersion(context.Background(), dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// makeLinks makes the symbolic links that an npm package cannot carry. The package lists them in pg-symlinks.json and
// makes them in an install script; where install scripts are turned off they are missing and postgres does not load
// its libraries. Nothing happens when there is no such list.
func makeLinks(native string) error {
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		return nil
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		// The list's paths begin with "native", the folder's name in the package; a copy has another.
		inside, err := filepath.Rel("native", l.Target)
		if err != nil || !filepath.IsLocal(inside) || !filepath.IsLocal(l.Source) {
			return fmt.Errorf("pg-symlinks.json: %q leaves the package", l.Target)
		}
		target := filepath.Join(native, inside)
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		// Another process may be making the same links.
		if err := os.Symlink(to, target); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("its libraries lack their links: %w", err)
		}
	}
	return nil
}

// majorVersion asks the binary, which also shows that it runs on this machine.
func majorVersion(ctx context.Context, bin string) (int, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version")
	cmd.Env = serverEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("postgres --version: %w %s", err, strings.TrimSpace(string(out)))
	}
	fields := strings.Fields(string(out))
	if len(fields) >= 3 {
		digits := fields[2]
		for i, r := range digits {
			if r < '0' || r > '9' {
				digits = digits[:i]
				break
			}
		}
		if n, err := strconv.Atoi(digits); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("postgres --version answered %q", strings.TrimSpace(string(out)))
}
