// Package secrets seals what must not be readable in a copy of the database:
// provider credentials, stored card tokens, second factors. It exists so that
// there is one place that knows how, and so that a key can be rotated without
// anyone else noticing. Of ours it imports domain only.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/counterfoil/counterfoil/services/domain"
)

const aesGCM = "type.googleapis.com/google.crypto.tink.AesGcmKey"

// aes256KeyMaterial is the serialised length of a 256-bit key: two bytes of
// framing and the key.
const aes256KeyMaterial = 2 + 32

// Sealer seals and opens with AES-256-GCM. It is safe for use by many
// goroutines.
type Sealer struct {
	aead tink.AEAD
}

// Generate makes the JSON of a fresh keyset with one AES-256-GCM key. The
// caller stores it where only the operator can read it.
func Generate() ([]byte, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("secrets: generate: %w", err)
	}
	return marshal(h)
}

// Rotate adds a fresh key to a keyset and makes it the primary one; what was
// sealed before still opens. With several processes the new key must be
// everywhere before it is primary: call it with primary false first, deploy,
// then with true on the result, which promotes the newest key.
func Rotate(keysetJSON []byte, primary bool) ([]byte, error) {
	h, err := parse(keysetJSON)
	if err != nil {
		return nil, err
	}
	m := keyset.NewManagerFromHandle(h)
	var id uint32
	keys := h.KeysetInfo().GetKeyInfo()
	last := keys[len(keys)-1].GetKeyId()
	if primary && last != h.KeysetInfo().GetPrimaryKeyId() {
		id = last
	} else if id, err = m.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, fmt.Errorf("secrets: add key: %w", err)
	}
	if primary {
		if err := m.SetPrimary(id); err != nil {
			return nil, fmt.Errorf("secrets: set primary key: %w", err)
		}
	}
	if h, err = m.Handle(); err != nil {
		return nil, fmt.Errorf("secrets: rotate: %w", err)
	}
	return marshal(h)
}

// Load reads the keyset that spec names: the path of a file with its JSON, or
// the base64 of that JSON. Its errors are Invalid and say what is wrong without
// a byte of what was read.
func Load(spec string) (*Sealer, error) {
	spec = strings.TrimSpace(spec)
	if spec == "" {
		return nil, domain.Errorf(domain.Invalid, "COUNTERFOIL_KEYSET is not set. It is the path of the sealing keyset, or its base64.")
	}
	raw, err := read(spec)
	if err != nil {
		return nil, err
	}
	return FromJSON(raw)
}

// FromJSON makes a Sealer of a keyset's JSON. Its errors are like Load's.
func FromJSON(keysetJSON []byte) (*Sealer, error) {
	h, err := parse(keysetJSON)
	if err != nil {
		return nil, err
	}
	a, err := aead.New(h)
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "The sealing keyset cannot be used for sealing.")
	}
	return &Sealer{aead: a}, nil
}

// read tells a path from base64 by what exists: a path is tried first.
func read(spec string) ([]byte, error) {
	raw, err := os.ReadFile(spec)
	if err == nil {
		return raw, nil
	}
	if !errors.Is(err, os.ErrNotExist) && len(spec) < 256 {
		return nil, domain.Errorf(domain.Invalid, "The file that COUNTERFOIL_KEYSET names cannot be read.")
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if raw, err := enc.DecodeString(spec); err == nil {
			return raw, nil
		}
	}
	return nil, domain.Errorf(domain.Invalid, "COUNTERFOIL_KEYSET is neither a file that is there nor base64.")
}

// parse reads a keyset and refuses one that is weaker than AES-256-GCM. The
// library's own errors are dropped: they may quote what they read.
func parse(raw []byte) (*keyset.Handle, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "The sealing keyset is not a keyset in JSON form.")
	}
	for _, k := range insecurecleartextkeyset.KeysetMaterial(h).GetKey() {
		if k.GetKeyData().GetTypeUrl() != aesGCM || len(k.GetKeyData().GetValue()) < aes256KeyMaterial {
			return nil, domain.Errorf(domain.Invalid, "The sealing keyset has a key that is not AES-256-GCM.")
		}
	}
	return h, nil
}

func marshal(h *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("secrets: write keyset: %w", err)
	}
	return out.Bytes(), nil
}

// Seal encrypts plain and binds it to the associated parts, in their order:
// the same parts are needed to open it. Name the owner and the field, so that a
// sealed value copied into another row does not open there.
func (s *Sealer) Seal(plain []byte, associated ...string) ([]byte, error) {
	sealed, err := s.aead.Encrypt(plain, bind(associated))
	if err != nil {
		return nil, errors.New("secrets: sealing failed")
	}
	return sealed, nil
}

// Open gives back what Seal was given. It fails, without saying more, when the
// bytes were changed, the associated parts differ or the key is gone.
func (s *Sealer) Open(sealed []byte, associated ...string) ([]byte, error) {
	plain, err := s.aead.Decrypt(sealed, bind(associated))
	if err != nil {
		return nil, errors.New("secrets: a sealed value does not open with this keyset and owner")
	}
	return plain, nil
}

// bind writes each part after its length, so that ("a", "bc") and ("ab", "c")
// are not the same.
func bind(parts []string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
