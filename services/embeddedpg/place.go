package embeddedpg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

const socketPort = "5432" // a part of the socket file's name, no network port

// account is whom the server runs as.
type account struct {
	uid, gid uint32
	switched bool // another account than ours, because ours is root
}

// serverAccount returns nobody for root and the caller's own account for everybody else.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return account{}, fmt.Errorf("root cannot run Postgres, and there is no user nobody to run it as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, err
	}
	return account{uid: uint32(uid), gid: uint32(gid), switched: true}, nil
}

// attributes puts the server into a process group of its own, so that the terminal's Ctrl-C reaches it only through
// its owner, and into the account.
func (a account) attributes(dieWithOwner bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if dieWithOwner {
		setParentDeathSignal(attr)
	}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: []uint32{}}
	}
	return attr
}

// mkdir makes a folder that only the account can enter.
func (a account) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if a.switched {
		return os.Lchown(dir, int(a.uid), int(a.gid))
	}
	return nil
}

// own makes dir as mkdir does, or makes sure that the one which is there is a real folder of the account's that nobody
// else can enter: its name can be guessed, and temporary folders are open to everyone.
func (a account) own(dir string) error {
	err := a.mkdir(dir)
	if err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	return mustBelongTo(dir, a.uid, 0o700)
}

func mustBelongTo(dir string, uid uint32, mode os.FileMode) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || st.Uid != uid || info.Mode().Perm() != mode {
		return fmt.Errorf("%s is not a folder of user %d with mode %o: remove it", dir, uid, mode)
	}
	return nil
}

// makeFolder makes the folder that the caller named. Below root it must let the server's account through.
func makeFolder(dir string, who account) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if who.switched {
		return os.Chmod(dir, 0o711)
	}
	return nil
}

// lockFolder takes the folder for as long as the returned file is open; the kernel lets go of it when we are killed.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return nil, err
	}
	return f, nil
}

type layout struct{ bin, data, socket string }

// place decides where binaries, data and socket are. Usually that is where the caller said; but nobody cannot pass
// through root's home or a private temporary folder, so for it the binaries are copied and the data is put below the
// system's temporary folder. The socket always goes there, because its path may have about a hundred bytes only.
func place(dir, bin string, who account, log io.Writer) (layout, error) {
	at := layout{bin: bin, data: filepath.Join(dir, "postgres")}
	sum := sha256.Sum256([]byte(dir + "\x00" + strconv.Itoa(int(who.uid))))
	name := "counterfoil-pg-" + hex.EncodeToString(sum[:6])
	temp, err := openTemp(who)
	if err != nil {
		return layout{}, err
	}

	at.socket = filepath.Join(temp, name+"-socket")
	if len(at.socket)+len("/.s.PGSQL."+socketPort) > 103 {
		return layout{}, fmt.Errorf("%s is too long for a unix socket: set TMPDIR to a shorter one", at.socket)
	}
	if err := who.own(at.socket); err != nil {
		return layout{}, err
	}
	if !who.switched {
		return at, nil
	}

	if blocked := unreachable(filepath.Join(bin, "postgres"), who); blocked != "" {
		at.bin, err = copyNative(bin, temp)
		if err != nil {
			return layout{}, err
		}
		_, _ = fmt.Fprintf(log, "Postgres runs as nobody, who cannot enter %s: its binaries are copied to %s\n", blocked, at.bin)
	}
	if blocked := unreachable(dir, who); blocked != "" {
		home := filepath.Join(temp, name)
		if err := os.Mkdir(home, 0o711); err == nil {
			err = os.Chmod(home, 0o711)
			if err != nil {
				return layout{}, err
			}
		} else if !errors.Is(err, os.ErrExist) {
			return layout{}, err
		}
		if err := mustBelongTo(home, 0, 0o711); err != nil {
			return layout{}, err
		}
		at.data = filepath.Join(home, "postgres")
		_, _ = fmt.Fprintf(log, "Postgres runs as nobody, who cannot enter %s: its data is in %s\n", blocked, at.data)
	}
	return at, nil
}

// openTemp returns the system's temporary folder, or the usual ones when the account cannot enter that.
func openTemp(who account) (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		abs, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		if info, err := os.Stat(abs); err == nil && info.IsDir() && (!who.switched || unreachable(abs, who) == "") {
			return abs, nil
		}
	}
	return "", fmt.Errorf("no temporary folder that user %d can enter was found: set TMPDIR", who.uid)
}

// unreachable returns the first folder on the way to path, path included, that the account may not enter, or "".
func unreachable(path string, who account) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	blocked := ""
	for dir := real; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return dir
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return dir
		}
		need := os.FileMode(0o001)
		switch {
		case st.Uid == who.uid:
			need = 0o100
		case st.Gid == who.gid:
			need = 0o010
		}
		if info.Mode()&need == 0 {
			blocked = dir
		}
		if dir == filepath.Dir(dir) {
			return blocked
		}
	}
}

// copyNative copies a self-contained installation (bin, lib and share side by side) to a folder that everyone may read
// and only root may write, once per version of the source.
func copyNative(bin, temp string) (string, error) {
	native := filepath.Dir(bin)
	info, err := os.Stat(filepath.Join(bin, "postgres"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(native, "share")); err != nil {
		return "", fmt.Errorf("user nobody cannot reach %s, and it is not a self-contained installation that could be copied", bin)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", native, info.Size(), info.ModTime().UnixNano()))
	to := filepath.Join(temp, "counterfoil-pg-bin-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Lstat(to); err == nil {
		return filepath.Join(to, "bin"), mustBelongTo(to, uint32(os.Geteuid()), 0o755)
	}
	fresh, err := os.MkdirTemp(temp, "counterfoil-pg-bin-new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := copyTree(native, fresh); err != nil {
		return "", err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, to); err != nil {
		if mustBelongTo(to, uint32(os.Geteuid()), 0o755) != nil {
			return "", err
		}
		// Another start made the same copy meanwhile.
	}
	return filepath.Join(to, "bin"), nil
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || rel == "." {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			if err := os.Mkdir(target, 0o755); err != nil {
				return err
			}
			return os.Chmod(target, 0o755)
		case entry.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		return copyFile(path, target, mode)
	})
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}
