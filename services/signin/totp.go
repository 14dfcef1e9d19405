package signin

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"image/png"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/counterfoil/counterfoil/services/store"
)

// Issuer is the name under which authenticator apps keep our codes.
const Issuer = "Counterfoil"

const stepSeconds = 30

var codeOptions = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// CodeAt is the code that an authenticator app with this secret shows at t.
// The demo's sign-in page shows it; nothing else should.
func CodeAt(secret string, t time.Time) (string, error) {
	code, err := hotp.GenerateCodeCustom(secret, uint64(t.Unix()/stepSeconds), codeOptions)
	if err != nil {
		return "", fmt.Errorf("signin: code: %w", err)
	}
	return code, nil
}

// newSecret makes 160 random bits as authenticator apps read them.
func newSecret() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
}

func (s *Service) sealSecret(u store.User, secret string) ([]byte, error) {
	return s.sealer.Seal([]byte(secret), "user", u.ID.String(), "totp")
}

func (s *Service) openSecret(u store.User) (string, error) {
	if u.TOTPSealed == nil {
		return "", nil
	}
	plain, err := s.sealer.Open(u.TOTPSealed, "user", u.ID.String(), "totp")
	return string(plain), err
}

// matchingStep finds the time step, at most one away from ours and later than
// the last used, whose code this is.
func (s *Service) matchingStep(u store.User, code string, now time.Time) (int64, bool, error) {
	secret, err := s.openSecret(u)
	if err != nil || secret == "" {
		return 0, false, err
	}
	code = strings.Join(strings.Fields(code), "")
	at := now.Unix() / stepSeconds
	found, match := int64(0), false
	for step := at - 1; step <= at+1; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), codeOptions)
		if err != nil {
			return 0, false, fmt.Errorf("signin: code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > u.TOTPLastStep && !match {
			found, match = step, true
		}
	}
	return found, match, nil
}

// qr draws the secret for an authenticator app's camera.
func qr(email, secret string) ([]byte, error) {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return nil, fmt.Errorf("signin: secret: %w", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: Issuer, AccountName: email, Secret: raw})
	if err != nil {
		return nil, fmt.Errorf("signin: key: %w", err)
	}
	img, err := key.Image(352, 352)
	if err != nil {
		return nil, fmt.Errorf("signin: QR code: %w", err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("signin: QR code: %w", err)
	}
	return out.Bytes(), nil
}
