// Package authztest has what tests of authz and of its users share: suites that
// every store must pass, and accounts to try things with. It is for tests only
// and must never be imported by a program.
package authztest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"holdfast/authz"
	"holdfast/internal/id"
)

// Start is when the tests' clocks begin.
var Start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Clock is a clock that tests move.
type Clock struct{ T time.Time }

// NewClock returns a clock at Start.
func NewClock() *Clock { return &Clock{Start} }

// Now returns the time.
func (c *Clock) Now() time.Time { return c.T }

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) { c.T = c.T.Add(d) }

// NewPerson returns a fresh person's id.
func NewPerson() authz.PersonID { return id.New[authz.PersonKind](Start) }

// NewTenant returns a fresh tenant's id.
func NewTenant() authz.TenantID { return id.New[authz.TenantKind](Start) }

// PublicKey returns a fresh P-256 public key in COSE form (RFC 9053 §7.1.1).
func PublicKey(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 0x04 ‖ x ‖ y
	if err != nil {
		t.Fatal(err)
	}
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		t.Fatal(err)
	}
	return cose
}

// Passkey returns a fresh passkey that is not enrolled yet.
func Passkey(t testing.TB, person authz.PersonID, label string) authz.Factor {
	t.Helper()
	key := PublicKey(t)
	credential := sha256.Sum256(key)
	return authz.Factor{
		ID: id.New[authz.FactorKind](Start), Person: person, Mechanism: authz.MechanismPasskey, Label: label,
		Passkey: &authz.PasskeyRecord{Credential: credential[:16], PublicKey: key, DeviceBound: true},
	}
}
