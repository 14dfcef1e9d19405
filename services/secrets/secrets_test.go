package secrets

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/domain"
)

func generated(t *testing.T) []byte {
	t.Helper()
	raw, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sealer(t *testing.T, raw []byte) *Sealer {
	t.Helper()
	s, err := FromJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedValueOpensOnlyWithItsOwnParts(t *testing.T) {
	s := sealer(t, generated(t))
	sealed, err := s.Seal([]byte("token"), "a", "bc")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("token")) {
		t.Fatal("the sealed value shows its content")
	}
	plain, err := s.Open(sealed, "a", "bc")
	if err != nil || string(plain) != "token" {
		t.Fatalf("got %q, %v", plain, err)
	}
	for _, other := range [][]string{{"ab", "c"}, {"abc"}, {"bc", "a"}, {"a", "bc", ""}, {}, {"a"}} {
		if _, err := s.Open(sealed, other...); err == nil {
			t.Errorf("opens with %q", other)
		}
	}
}

func TestSwappedRowsDoNotOpen(t *testing.T) {
	s := sealer(t, generated(t))
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.String())
		mine, theirs := parts.Draw(t, "mine"), parts.Draw(t, "theirs")
		secret := rapid.SliceOf(rapid.Byte()).Draw(t, "secret")
		sealed, err := s.Seal(secret, mine...)
		if err != nil {
			t.Fatal(err)
		}
		same := slices.Equal(mine, theirs)
		plain, err := s.Open(sealed, theirs...)
		if same && (err != nil || !bytes.Equal(plain, secret)) {
			t.Fatalf("does not open with its own parts: %v", err)
		}
		if !same && err == nil {
			t.Fatalf("%q opens with %q", mine, theirs)
		}
	})
}

func TestRotationKeepsOldValuesReadableAndSealsWithTheNewKey(t *testing.T) {
	first := generated(t)
	old, err := sealer(t, first).Seal([]byte("old"), "x")
	if err != nil {
		t.Fatal(err)
	}
	// Everywhere first, primary second.
	spread, err := Rotate(first, false)
	if err != nil {
		t.Fatal(err)
	}
	between, err := sealer(t, spread).Seal([]byte("between"), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealer(t, first).Open(between, "x"); err != nil {
		t.Fatal("a process that has the old keyset cannot open what was sealed before the new key became primary")
	}
	second, err := Rotate(spread, true)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := sealer(t, second).Seal([]byte("new"), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealer(t, spread).Open(fresh, "x"); err != nil {
		t.Fatal("a process that already has the new key, not yet primary, cannot open")
	}
	for want, sealed := range map[string][]byte{"old": old, "between": between, "new": fresh} {
		if got, err := sealer(t, second).Open(sealed, "x"); err != nil || string(got) != want {
			t.Fatalf("%s: got %q, %v", want, got, err)
		}
	}
	if _, err := sealer(t, first).Open(fresh, "x"); err == nil {
		t.Fatal("the new value was sealed with the old key")
	}
}

func TestLoadReadsAFileOrBase64(t *testing.T) {
	raw := generated(t)
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := a.Seal([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(sealed); err != nil {
		t.Fatal(err)
	}
}

func TestBadKeysetIsRefusedWithoutQuotingIt(t *testing.T) {
	weak, err := keyset.NewHandle(aead.AES128GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	weakJSON, err := marshal(weak)
	if err != nil {
		t.Fatal(err)
	}
	const canary = "CANARY7Q"
	for name, spec := range map[string]string{
		"nothing":     "",
		"words":       canary + " is not a keyset!",
		"not JSON":    base64.StdEncoding.EncodeToString([]byte(canary)),
		"no keys":     base64.StdEncoding.EncodeToString([]byte(`{"primaryKeyId":1,"key":[]}`)),
		"bad key":     base64.StdEncoding.EncodeToString([]byte(`{"primaryKeyId":1,"key":["` + canary + `"]}`)),
		"128 bits":    base64.StdEncoding.EncodeToString(weakJSON),
		"a directory": t.TempDir(),
	} {
		_, err := Load(spec)
		if domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error quotes what was read: %v", name, err)
		}
	}
}
