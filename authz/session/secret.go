package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// Secret is the 256-bit random value in a session's cookie. It prints as a
// placeholder, so that it cannot slip into a log.
type Secret struct{ b [32]byte }

func newSecret() Secret {
	var s Secret
	rand.Read(s.b[:]) // never fails: the runtime ends the program instead
	return s
}

// ParseSecret reads what Secret.Reveal writes; anything else is ErrNone.
func ParseSecret(text string) (Secret, error) {
	var s Secret
	if len(text) != base64.RawURLEncoding.EncodedLen(len(s.b)) {
		return Secret{}, ErrNone
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(s.b) {
		return Secret{}, ErrNone
	}
	copy(s.b[:], b)
	if base64.RawURLEncoding.EncodeToString(b) != text {
		return Secret{}, ErrNone
	}
	return s, nil
}

// Reveal returns the text for the cookie: 43 characters of unpadded base64url.
func (s Secret) Reveal() string { return base64.RawURLEncoding.EncodeToString(s.b[:]) }

// Key returns what the store knows the session by.
func (s Secret) Key() Key {
	h := sha256.Sum256(s.b[:])
	return Key(hex.EncodeToString(h[:]))
}

// String hides the secret.
func (s Secret) String() string { return "session.Secret(…)" }

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }
