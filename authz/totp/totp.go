// Package totp owns time-based one-time passwords (RFC 6238): secrets, the
// check of a code, the memory that makes every code work once, and the sealing
// of secrets at rest. Verify is a pure function from state to state, so that
// the store burns a code in the transaction that relies on it: state kept in
// memory or in Redis would let a code in again after a restart, on another
// node, or after a flush (T04). This package must never do I/O or print a
// secret.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

var (
	// ErrMismatch means that a code is not the one of any step in the window,
	// or not a code at all.
	ErrMismatch = errors.New("totp: does not match")
	// ErrReplayed means that a code is right but used up: its step, a later
	// step, or the code itself was accepted before. Tell the person to wait for
	// the next code; tell an attacker nothing more than that.
	ErrReplayed = errors.New("totp: already used")
	// ErrSecret means an unusable secret.
	ErrSecret = errors.New("totp: invalid secret")
)

// b32 is the spelling of secrets that authenticator apps take.
var b32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// Secret is a person's shared secret. It prints as a placeholder. The zero
// Secret is invalid and matches nothing.
type Secret struct{ raw string }

// NewSecret makes a random secret of SecretLen bytes.
func NewSecret() (Secret, error) {
	raw := make([]byte, SecretLen)
	if _, err := io.ReadFull(rand.Reader, raw); err != nil {
		return Secret{}, fmt.Errorf("totp: %w", err)
	}
	return Secret{raw: string(raw)}, nil
}

// SecretFrom reads raw bytes, SecretLen to MaxSecretLen of them. ErrSecret.
func SecretFrom(raw []byte) (Secret, error) {
	if len(raw) < SecretLen || len(raw) > MaxSecretLen {
		return Secret{}, ErrSecret
	}
	return Secret{raw: string(raw)}, nil
}

// ParseSecret reads what Reveal writes, and only that. ErrSecret.
func ParseSecret(text string) (Secret, error) {
	if len(text) > 2*MaxSecretLen {
		return Secret{}, ErrSecret
	}
	raw, err := b32.DecodeString(text)
	if err != nil || b32.EncodeToString(raw) != text {
		return Secret{}, ErrSecret
	}
	return SecretFrom(raw)
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.raw == "" }

// Reveal is the secret in base32, for typing into an app while it is enrolled.
func (s Secret) Reveal() string { return b32.EncodeToString([]byte(s.raw)) }

// String hides the secret.
func (s Secret) String() string { return "totp secret (hidden)" }

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// Step is the number of the time step of an instant (RFC 6238 T, T0 = 0).
func Step(at time.Time) int64 {
	seconds := int64(Period / time.Second)
	n := at.Unix() / seconds
	if at.Unix()%seconds < 0 {
		n--
	}
	return n
}

// Code is the code of the step that holds the instant: what an app would show.
// It is for demonstrations and tests; the service only ever checks codes.
func Code(s Secret, at time.Time) (string, error) {
	if s.IsZero() {
		return "", ErrSecret
	}
	return code(s, Step(at))
}

func code(s Secret, step int64) (string, error) {
	if step < 0 {
		return "", ErrSecret
	}
	out, err := hotp.GenerateCodeCustom(s.Reveal(), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return "", ErrSecret
	}
	return out, nil
}

// Verify checks a code at an instant against what was used before, and returns
// the state to store. The caller reads the state under a lock, stores the new
// one in the same transaction in which it acts on the answer, and on any error
// keeps the old one. Spaces within the code are ignored, as people type them.
//
// A code can belong to two steps of the window by chance. The highest of them
// is burned: every step up to it is used up. That alone would let the same code
// in again when it recurs at a step that was out of the window before, so the
// code itself is remembered as well, for Remembered steps.
//
// Errors: ErrMismatch, ErrReplayed, ErrSecret.
func Verify(s Secret, submitted string, now time.Time, state State) (State, error) {
	if s.IsZero() {
		return State{}, ErrSecret
	}
	submitted, ok := digits(submitted)
	if !ok {
		return State{}, ErrMismatch
	}
	// Every step of the window is computed and compared, whatever matches, so
	// that time tells nothing about which one did.
	current, highest, matched := Step(now), int64(0), 0
	for step := current - Skew; step <= current+Skew; step++ {
		want, err := code(s, step)
		if err != nil {
			return State{}, err
		}
		hit := subtle.ConstantTimeCompare([]byte(want), []byte(submitted))
		matched |= hit
		// Steps ascend, so the last hit is the highest.
		highest = int64(subtle.ConstantTimeSelect(hit, int(step), int(highest)))
	}
	if matched != 1 {
		return State{}, ErrMismatch
	}
	mac := mark(s, submitted)
	if highest <= state.highest || state.remembers(mac, highest) {
		return State{}, ErrReplayed
	}
	return state.burn(highest, mac), nil
}

// mark is how a used code is remembered: an HMAC under the secret, since a bare
// hash of six digits is no secret at all.
func mark(s Secret, code string) [sha256.Size]byte {
	h := hmac.New(sha256.New, []byte(s.raw))
	io.WriteString(h, "holdfast totp burn v1\n"+code)
	return [sha256.Size]byte(h.Sum(nil))
}

// digits strips spaces and reports whether Digits digits are left.
func digits(s string) (string, bool) {
	if len(s) > 4*Digits {
		return "", false
	}
	s = strings.ReplaceAll(s, " ", "")
	if len(s) != Digits {
		return "", false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", false
		}
	}
	return s, true
}
