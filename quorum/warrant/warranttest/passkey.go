// Package warranttest owns software passkeys and an attestation signer for tests: real WebAuthn assertions, made in
// memory. It must never be imported by anything but tests.
package warranttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"holdfast/quorum/warrant"
)

// Passkey is an authenticator with one credential. Change its fields to make it misbehave.
type Passkey struct {
	ID     []byte
	RP     string
	Origin string
	// Flags of the authenticator data: user present and verified unless changed; 0x08 marks a synced key.
	Flags byte
	// Count is the last signature counter; it grows with every assertion. An authenticator without counter has NoCount.
	Count   uint32
	NoCount bool
	// CrossOrigin makes the client data say so.
	CrossOrigin bool
	// Type is the ceremony; webauthn.get unless changed.
	Type string

	signer crypto.Signer
	cose   []byte
}

// NewES256 makes a passkey with a P-256 key.
func NewES256(rp, origin string) *Passkey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	raw, err := k.PublicKey.Bytes()
	must(err)
	return fresh(rp, origin, k, map[int]any{1: 2, 3: -7, -1: 1, -2: raw[1:33], -3: raw[33:]})
}

// NewEdDSA makes a passkey with an Ed25519 key.
func NewEdDSA(rp, origin string) *Passkey {
	pub, k, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return fresh(rp, origin, k, map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(pub)})
}

func fresh(rp, origin string, k crypto.Signer, cose map[int]any) *Passkey {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	must(err)
	b, err := mode.Marshal(cose)
	must(err)
	id := make([]byte, 16)
	rand.Read(id)
	return &Passkey{ID: id, RP: rp, Origin: origin, Flags: 0x05, Type: "webauthn.get", signer: k, cose: b}
}

// FromECDSA wraps a P-256 key that a charter names already.
func FromECDSA(id, cose []byte, rp, origin string, k *ecdsa.PrivateKey) *Passkey {
	return &Passkey{ID: id, RP: rp, Origin: origin, Flags: 0x05, Type: "webauthn.get", signer: k, cose: cose}
}

// COSE is the public key as charters and enrolments carry it.
func (p *Passkey) COSE() []byte { return p.cose }

// Key is the public key as the verifier takes it.
func (p *Passkey) Key(deviceBound bool) warrant.PublicKey {
	return warrant.PublicKey{CredentialID: p.ID, RP: p.RP, COSE: p.cose, DeviceBound: deviceBound}
}

// Assert answers a challenge.
func (p *Passkey) Assert(n warrant.Nonce, challenge [32]byte) warrant.Passkey {
	if !p.NoCount {
		p.Count++
	}
	cd, err := json.Marshal(map[string]any{"type": p.Type, "challenge": base64.RawURLEncoding.EncodeToString(challenge[:]),
		"origin": p.Origin, "crossOrigin": p.CrossOrigin})
	must(err)
	rp := sha256.Sum256([]byte(p.RP))
	ad := append(rp[:], p.Flags)
	ad = binary.BigEndian.AppendUint32(ad, p.Count)
	sum := sha256.Sum256(cd)
	signed := append(append([]byte{}, ad...), sum[:]...)
	var sig []byte
	if _, ok := p.signer.(ed25519.PrivateKey); ok {
		sig, err = p.signer.Sign(rand.Reader, signed, crypto.Hash(0))
	} else {
		h := sha256.Sum256(signed)
		sig, err = p.signer.Sign(rand.Reader, h[:], crypto.SHA256)
	}
	must(err)
	return warrant.Passkey{CredentialID: p.ID, ClientDataJSON: cd, AuthenticatorData: ad, Signature: sig, Nonce: n}
}

// Vote votes on a statement's digest with a fresh nonce.
func (p *Passkey) Vote(d warrant.Decision, digest [32]byte) warrant.Proof {
	n := Nonce()
	c, err := warrant.VoteChallenge(n, d, digest)
	must(err)
	a := p.Assert(n, c)
	return warrant.Proof{Passkey: &a}
}

// Confirm is the requester's proof.
func (p *Passkey) Confirm(digest [32]byte) warrant.Proof {
	n := Nonce()
	a := p.Assert(n, warrant.ConfirmChallenge(n, digest))
	return warrant.Proof{Passkey: &a}
}

// Stop signs a stop.
func (p *Passkey) Stop(s warrant.Stop) warrant.Stop {
	d, err := s.Digest()
	must(err)
	n := Nonce()
	a := p.Assert(n, warrant.StopChallenge(n, d))
	s.Proof = warrant.Proof{Passkey: &a}
	return s
}

// Release answers a site's nonce.
func (p *Passkey) Release(site warrant.Nonce, digest [32]byte) warrant.Passkey {
	return p.Assert(site, warrant.ReleaseChallenge(site, digest))
}

// Possession proves a key for a charter.
func (p *Passkey) Possession(hash [32]byte) []byte {
	n := Nonce()
	a := p.Assert(n, warrant.PossessionChallenge(n, hash))
	s, err := warrant.Proof{Passkey: &a}.Render()
	must(err)
	return []byte(s)
}

// Attester signs attestations.
type Attester struct {
	Name string
	Key  ed25519.PrivateKey
}

// NewAttester makes one with a fresh key.
func NewAttester(name string) *Attester {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return &Attester{Name: name, Key: k}
}

// Public is the key that a charter names.
func (a *Attester) Public() [32]byte { return [32]byte(a.Key.Public().(ed25519.PublicKey)) }

// Attest signs for a person.
func (a *Attester) Attest(person string, m warrant.Method, p warrant.Purpose, digest [32]byte, at time.Time) warrant.Proof {
	s, err := warrant.Attestation{Key: a.Name, Person: person, Method: m, Purpose: p, Digest: digest, Nonce: Nonce(), At: at}.Sign(a.Key)
	must(err)
	return warrant.Proof{Attested: &s}
}

// Nonce is 32 fresh random bytes.
func Nonce() (n warrant.Nonce) {
	rand.Read(n[:])
	return n
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("warranttest: %v", err))
	}
}
