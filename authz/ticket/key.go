package ticket

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrKey means an unusable key or key set.
var ErrKey = errors.New("ticket: invalid key")

// KeyID is the id under which a public key stands in a ticket's header: the
// first 16 hexadecimal digits of its SHA-256. It is computed, never chosen, so
// two keys do not meet under one name.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// KeySet holds the public keys whose tickets are accepted. Rotation: publish
// the new key in every verifier's set, then sign with it, then drop the old one
// after MaxLifetime. The zero set accepts nothing.
type KeySet struct{ keys map[string]ed25519.PublicKey }

// NewKeySet makes a set of 1 to MaxKeys different keys. ErrKey.
func NewKeySet(keys ...ed25519.PublicKey) (KeySet, error) {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return KeySet{}, ErrKey
	}
	set := KeySet{keys: make(map[string]ed25519.PublicKey, len(keys))}
	for _, k := range keys {
		if len(k) != ed25519.PublicKeySize {
			return KeySet{}, ErrKey
		}
		id := KeyID(k)
		if _, ok := set.keys[id]; ok {
			return KeySet{}, ErrKey
		}
		set.keys[id] = append(ed25519.PublicKey(nil), k...)
	}
	return set, nil
}
