package totp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrSealKey means an unusable key-encryption key or set of them.
	ErrSealKey = errors.New("totp: invalid key-encryption key")
	// ErrSealed means that a sealed secret does not open: damaged, moved to
	// another person or factor, or sealed with a key that is not at hand.
	ErrSealed = errors.New("totp: sealed secret does not open")
)

// Key is a key-encryption key with the id under which sealed secrets name it.
type Key struct {
	// ID is 1 to MaxKeyID bytes of printable ASCII.
	ID string
	// Bytes are 32 random bytes (AES-256).
	Bytes []byte
}

// Sealer encrypts secrets at rest with AES-256-GCM. What it seals is bound to
// one person and one factor, so that whoever can write the table cannot give a
// person another one's secret.
type Sealer struct {
	active string
	aeads  map[string]cipher.AEAD
}

// NewSealer makes a Sealer that seals with the active key and opens with the
// active and the older ones. Rotation: add a new active key, reseal what Open
// reports as stale, drop the old key. ErrSealKey.
func NewSealer(active Key, older ...Key) (*Sealer, error) {
	s := &Sealer{active: active.ID, aeads: map[string]cipher.AEAD{}}
	for _, k := range append([]Key{active}, older...) {
		if _, ok := s.aeads[k.ID]; ok || len(k.Bytes) != 32 || !printable(k.ID, MaxKeyID) {
			return nil, ErrSealKey
		}
		block, err := aes.NewCipher(k.Bytes)
		if err != nil {
			return nil, ErrSealKey
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, ErrSealKey
		}
		s.aeads[k.ID] = aead
	}
	return s, nil
}

const sealVersion = 1

// Seal encrypts the secret for a person and a factor, both given by id. The
// form is: version 1, length and bytes of the key id, 12 random bytes of nonce,
// ciphertext and tag. Errors: ErrSecret, ErrSealed for ids out of bounds.
func (s *Sealer) Seal(secret Secret, person, factor string) ([]byte, error) {
	if secret.IsZero() {
		return nil, ErrSecret
	}
	if !printable(person, MaxName) || !printable(factor, MaxName) {
		return nil, ErrSealed
	}
	out := append([]byte{sealVersion, byte(len(s.active))}, s.active...)
	nonce := make([]byte, 12)
	if _, err := io.ReadFull(rand.Reader, nonce); err != nil {
		return nil, fmt.Errorf("totp: %w", err)
	}
	out = append(out, nonce...)
	return s.aeads[s.active].Seal(out, nonce, []byte(secret.raw), binding(s.active, person, factor)), nil
}

// Open decrypts a sealed secret of that person and factor. Stale says that it
// was sealed with an older key and should be sealed again. ErrSealed.
func (s *Sealer) Open(sealed []byte, person, factor string) (secret Secret, stale bool, err error) {
	if len(sealed) < 2 || len(sealed) > maxSealed || sealed[0] != sealVersion || len(sealed) < 2+int(sealed[1])+12 {
		return Secret{}, false, ErrSealed
	}
	keyID, rest := string(sealed[2:2+int(sealed[1])]), sealed[2+int(sealed[1]):]
	aead, ok := s.aeads[keyID]
	if !ok {
		return Secret{}, false, ErrSealed
	}
	raw, err := aead.Open(nil, rest[:12], rest[12:], binding(keyID, person, factor))
	if err != nil {
		return Secret{}, false, ErrSealed
	}
	secret, err = SecretFrom(raw)
	if err != nil {
		return Secret{}, false, ErrSealed
	}
	return secret, keyID != s.active, nil
}

// binding is the associated data: a label and each value with its length, so
// that no two different triples give the same bytes.
func binding(values ...string) []byte {
	out := []byte("holdfast totp seal v1\n")
	for _, v := range values {
		out = binary.BigEndian.AppendUint16(out, uint16(len(v)))
		out = append(out, v...)
	}
	return out
}

func printable(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
