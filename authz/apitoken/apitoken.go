// Package apitoken owns the text and the rights of API tokens: their format
// with a prefix and a checksum, so that secret scanners find leaked ones; their
// hash, which is all that is ever stored; and the closed list of scopes. A
// token is never a person: there is deliberately no scope that destroys a copy,
// votes, confirms, stops, enrols a factor or mints a token, so no combination
// of scopes can grant it (T09). This package must never store or print a secret.
package apitoken

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
)

// Prefix starts every token. Secret scanners match
// hft_[0-9a-hjkmnp-tv-z]{26}_[0-9a-hjkmnp-tv-z]{52}_[0-9a-hjkmnp-tv-z]{7}.
const Prefix = "hft_"

var (
	// ErrMalformed means that a text is not a token: wrong shape or checksum.
	ErrMalformed = errors.New("apitoken: not a token")
	// ErrMismatch means that a token is not the stored one.
	ErrMismatch = errors.New("apitoken: does not match")
)

// crockford is the alphabet of the project's ids.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const (
	secretText = (secretLen*8 + 4) / 5
	sumText    = 7 // 32 bits
	tokenLen   = len(Prefix) + idLen + 1 + secretText + 1 + sumText
)

// Hash is what the store keeps of a token: SHA-256 over a label and the whole
// text. The secret has 256 bits, so no slow hash and no key is needed.
type Hash [sha256.Size]byte

// Token is a token's plaintext. It prints as its id only: call Reveal, once,
// to show it to the person who minted it. The zero Token is no token.
type Token struct {
	id     string
	secret [secretLen]byte
}

// Mint makes a new token for the id, which is the text of a token id: "tok_"
// and 26 characters of lower-case Crockford base32. ErrMalformed otherwise.
func Mint(id string) (Token, error) { return mint(id, rand.Reader) }

func mint(id string, random io.Reader) (Token, error) {
	if !validID(id) {
		return Token{}, ErrMalformed
	}
	t := Token{id: id}
	if _, err := io.ReadFull(random, t.secret[:]); err != nil {
		return Token{}, err
	}
	return t, nil
}

// ID is the token's id, by which its record is found. It is not secret.
func (t Token) ID() string { return t.id }

// String is the token's id, so that a token in a log line leaks nothing.
func (t Token) String() string { return t.id }

// GoString is String.
func (t Token) GoString() string { return t.id }

// Reveal is the token's plaintext: hft_<id>_<secret>_<checksum>. The checksum is
// the CRC-32 (IEEE) of everything before its underscore. It finds typing
// mistakes and false alarms of scanners; it protects nothing.
func (t Token) Reveal() string {
	head := Prefix + strings.TrimPrefix(t.id, idPrefix) + "_" + crockford.EncodeToString(t.secret[:])
	return head + "_" + checksum(head)
}

// Hash is what to store and to look for.
func (t Token) Hash() Hash {
	return sha256.Sum256([]byte("holdfast api token v1\n" + t.Reveal()))
}

// Matches compares the token with a stored hash in constant time. ErrMismatch.
func (t Token) Matches(stored Hash) error {
	got := t.Hash()
	if t.id == "" || subtle.ConstantTimeCompare(got[:], stored[:]) != 1 {
		return ErrMismatch
	}
	return nil
}

// Parse reads a token's plaintext, strictly: Parse and Reveal round-trip to the
// same bytes. ErrMalformed.
func Parse(s string) (Token, error) {
	if len(s) != tokenLen || !strings.HasPrefix(s, Prefix) {
		return Token{}, ErrMalformed
	}
	parts := strings.Split(s[len(Prefix):], "_")
	if len(parts) != 3 {
		return Token{}, ErrMalformed
	}
	t := Token{id: idPrefix + parts[0]}
	if !validID(t.id) {
		return Token{}, ErrMalformed
	}
	raw, err := crockford.DecodeString(parts[1])
	if err != nil || len(raw) != secretLen {
		return Token{}, ErrMalformed
	}
	copy(t.secret[:], raw)
	// Rendering again checks the checksum and the spelling: the last character
	// of the secret carries unused bits, and only their zero form counts.
	if t.Reveal() != s {
		return Token{}, ErrMalformed
	}
	return t, nil
}

// LooksLike reports whether a text starts like a token, so that it can be
// redacted wherever it turns up. It does not check the rest.
func LooksLike(s string) bool { return strings.HasPrefix(s, Prefix) }

func checksum(head string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(head)))
	return crockford.EncodeToString(sum[:])
}

func validID(id string) bool {
	body, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(body) != idLen {
		return false
	}
	for i := range len(body) {
		if !strings.ContainsRune("0123456789abcdefghjkmnpqrstvwxyz", rune(body[i])) {
			return false
		}
	}
	return true
}
