// Package softkey is a WebAuthn authenticator in software, for demonstrations,
// automation of tests and nothing else. It is never a person's factor: its keys
// lie in memory or in a file, it "verifies" a user who is not there, and it
// says what it is told to say about itself. Only server/demo, server/bench and
// tests may import it. It can also misbehave on request, so that the refusals of
// the verifiers can be shown (T06).
package softkey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"holdfast/authz/passkey"
)

// AAGUID is the model that every software key reports: "holdfast softkey".
var AAGUID = [16]byte([]byte("holdfast softkey"))

const (
	// MaxKeys is the most credentials of one device.
	MaxKeys = 1000
	// MaxState is the longest saved device in bytes.
	MaxState = 4 << 20
)

var (
	// ErrNoCredential means that the device has no credential for a ceremony.
	ErrNoCredential = errors.New("softkey: no credential")
	// ErrExcluded means that the device has a credential that the relying
	// party excludes: it is enrolled already.
	ErrExcluded = errors.New("softkey: already enrolled")
	// ErrOptions means options that are not those of a ceremony.
	ErrOptions = errors.New("softkey: malformed options")
	// ErrState means a saved device that cannot be read.
	ErrState = errors.New("softkey: malformed state")
)

// Behaviour is how a device lies. The zero Behaviour is an honest one.
type Behaviour struct {
	// NoUserVerification leaves the UV flag out.
	NoUserVerification bool
	// NoUserPresence leaves the UP flag out.
	NoUserPresence bool
	// Synced claims backup eligibility, as passkeys that are synced do.
	Synced bool
	// RPID is signed for in place of the relying party's, if not empty.
	RPID string
	// CrossOrigin says that the page was framed by another origin.
	CrossOrigin bool
	// SelfAttest makes new credentials come with packed self attestation, as
	// many security keys do, in place of none.
	SelfAttest bool
	// FrozenCounter keeps the signature counter where it is.
	FrozenCounter bool
}

// Device holds credentials (ES256) and answers ceremonies like a browser with
// an authenticator. It is safe for concurrent use; do not copy it.
type Device struct {
	mu        sync.Mutex
	behaviour Behaviour
	keys      []*key
}

type key struct {
	id      []byte
	rpID    string
	handle  []byte
	private *ecdsa.PrivateKey
	counter uint32
}

// New makes an honest device without credentials.
func New() *Device { return &Device{} }

// Behave sets how the device lies from now on.
func (d *Device) Behave(b Behaviour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.behaviour = b
}

// Credentials are the public halves, in the order of enrolment.
func (d *Device) Credentials() []passkey.Credential {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]passkey.Credential, len(d.keys))
	for i, k := range d.keys {
		out[i] = d.public(k)
	}
	return out
}

func (d *Device) public(k *key) passkey.Credential {
	return passkey.Credential{
		ID: bytes.Clone(k.id), PublicKey: k.cose(), AAGUID: AAGUID, SignCount: k.counter,
		BackupEligible: d.behaviour.Synced, AttestationFormat: "none", Transports: []string{"internal"},
	}
}

// SetCounter sets the signature counter of a credential; the next signature
// carries one more, or this value under FrozenCounter. ErrNoCredential.
func (d *Device) SetCounter(credentialID []byte, value uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		if bytes.Equal(k.id, credentialID) {
			k.counter = value
			return nil
		}
	}
	return ErrNoCredential
}

// Enrol makes a credential without a ceremony, for fixtures that need a key in
// a charter. ErrOptions if the device is full or the names are out of bounds.
func (d *Device) Enrol(rpID string, handle []byte) (passkey.Credential, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, err := d.enrol(rpID, handle)
	if err != nil {
		return passkey.Credential{}, err
	}
	return d.public(k), nil
}

func (d *Device) enrol(rpID string, handle []byte) (*key, error) {
	if len(d.keys) >= MaxKeys || rpID == "" || len(rpID) > passkey.MaxName || len(handle) == 0 || len(handle) > passkey.MaxHandle {
		return nil, ErrOptions
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("softkey: %w", err)
	}
	k := &key{id: make([]byte, 32), rpID: rpID, handle: bytes.Clone(handle), private: private}
	rand.Read(k.id)
	d.keys = append(d.keys, k)
	return k, nil
}

// Sign makes an assertion over a challenge with the credential, without a
// browser's options. ErrNoCredential.
func (d *Device) Sign(origin string, credentialID []byte, challenge passkey.Challenge) (passkey.Evidence, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		if bytes.Equal(k.id, credentialID) {
			return d.sign(k, origin, b64.EncodeToString(challenge[:]))
		}
	}
	return passkey.Evidence{}, ErrNoCredential
}

func (d *Device) sign(k *key, origin, challenge string) (passkey.Evidence, error) {
	client, err := d.clientData("webauthn.get", origin, challenge)
	if err != nil {
		return passkey.Evidence{}, err
	}
	if !d.behaviour.FrozenCounter {
		k.counter++
	}
	auth := d.authData(k, nil)
	signature, err := k.over(auth, client)
	if err != nil {
		return passkey.Evidence{}, err
	}
	return passkey.Evidence{CredentialID: bytes.Clone(k.id), ClientDataJSON: client, AuthenticatorData: auth, Signature: signature}, nil
}

// over signs authenticator data and the hash of client data.
func (k *key) over(auth, client []byte) ([]byte, error) {
	clientHash := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(auth), clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, digest[:])
	if err != nil {
		return nil, fmt.Errorf("softkey: %w", err)
	}
	return signature, nil
}

// clientData is CollectedClientData (WebAuthn section 5.8.1).
func (d *Device) clientData(kind, origin, challenge string) ([]byte, error) {
	return json.Marshal(struct {
		Type        string `json:"type"`
		Challenge   string `json:"challenge"`
		Origin      string `json:"origin"`
		CrossOrigin bool   `json:"crossOrigin"`
	}{kind, challenge, origin, d.behaviour.CrossOrigin})
}

// authData is authenticator data (WebAuthn section 6.1).
func (d *Device) authData(k *key, attested []byte) []byte {
	rpID := k.rpID
	if d.behaviour.RPID != "" {
		rpID = d.behaviour.RPID
	}
	var flags byte
	if !d.behaviour.NoUserPresence {
		flags |= 0x01
	}
	if !d.behaviour.NoUserVerification {
		flags |= 0x04
	}
	if d.behaviour.Synced {
		flags |= 0x08
	}
	if attested != nil {
		flags |= 0x40
	}
	hash := sha256.Sum256([]byte(rpID))
	out := append(hash[:], flags)
	out = binary.BigEndian.AppendUint32(out, k.counter)
	return append(out, attested...)
}

// cose is the public key as COSE_Key in CTAP2 canonical CBOR.
func (k *key) cose() []byte {
	// Bytes of a P-256 key are 0x04, X, Y; it is never the point at infinity.
	point, err := k.private.PublicKey.Bytes()
	if err != nil {
		panic("softkey: invalid own key")
	}
	out, err := canonical.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		panic("softkey: own key does not encode")
	}
	return out
}

var canonical = func() cbor.EncMode {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

var b64 = base64.RawURLEncoding.Strict()

type savedKey struct {
	ID      []byte `json:"id"`
	RPID    string `json:"rp"`
	Handle  []byte `json:"handle"`
	Private []byte `json:"pkcs8"`
	Counter uint32 `json:"counter"`
}

type saved struct {
	Version int        `json:"v"`
	Keys    []savedKey `json:"keys"`
}

// MarshalBinary saves the device, private keys included and in the clear, so
// that a demonstration can go on after a restart. Behaviour is not saved.
func (d *Device) MarshalBinary() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := saved{Version: 1, Keys: []savedKey{}}
	for _, k := range d.keys {
		der, err := x509.MarshalPKCS8PrivateKey(k.private)
		if err != nil {
			return nil, fmt.Errorf("softkey: %w", err)
		}
		out.Keys = append(out.Keys, savedKey{ID: k.id, RPID: k.rpID, Handle: k.handle, Private: der, Counter: k.counter})
	}
	return json.Marshal(out)
}

// Parse reads a saved device. ErrState.
func Parse(data []byte) (*Device, error) {
	if len(data) > MaxState {
		return nil, ErrState
	}
	var in saved
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil || decoder.More() || in.Version != 1 || len(in.Keys) > MaxKeys {
		return nil, ErrState
	}
	d := New()
	for _, k := range in.Keys {
		parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
		private, ok := parsed.(*ecdsa.PrivateKey)
		if err != nil || !ok || private.Curve != elliptic.P256() || k.RPID == "" || len(k.Handle) == 0 ||
			len(k.ID) == 0 || len(k.ID) > passkey.MaxCredentialID {
			return nil, ErrState
		}
		d.keys = append(d.keys, &key{id: k.ID, rpID: k.RPID, handle: k.Handle, private: private, counter: k.Counter})
	}
	return d, nil
}
