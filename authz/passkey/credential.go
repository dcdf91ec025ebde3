package passkey

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Credential is an enrolled passkey: public facts only.
type Credential struct {
	// ID is what the authenticator calls it, unique in the whole installation.
	ID []byte
	// PublicKey is the COSE_Key (RFC 9052) in CTAP2 canonical CBOR.
	PublicKey []byte
	// AAGUID is the authenticator's model, all zero where it does not say.
	AAGUID [16]byte
	// SignCount is the highest signature counter seen. Store the one of each
	// Assertion, in the transaction that relies on it.
	SignCount uint32
	// BackupEligible says that the key can be synced to other devices. It never
	// changes in the life of a credential.
	BackupEligible bool
	// AttestationFormat is how the authenticator vouched for itself: "none",
	// "packed", … It is recorded, and proves no model: no roots are checked.
	AttestationFormat string
	// Transports are hints for the browser: "usb", "internal", …
	Transports []string
}

// DeviceBound reports whether the key cannot leave its device, as charters
// demand of hardware votes.
func (c Credential) DeviceBound() bool { return !c.BackupEligible }

// KeyDigest is SHA-256 over the normal form (SubjectPublicKeyInfo) of the
// credential's key; see KeyDigest.
func (c Credential) KeyDigest() ([32]byte, error) { return KeyDigest(c.PublicKey) }

// KeyDigest is SHA-256 over the DER SubjectPublicKeyInfo of a COSE key. Compare
// it, not the COSE bytes, to hold that a public key belongs to one person (I2):
// one key has many COSE spellings. ErrKey.
func KeyDigest(cose []byte) ([32]byte, error) {
	if len(cose) == 0 || len(cose) > MaxPublicKey {
		return [32]byte{}, ErrKey
	}
	parsed, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return [32]byte{}, ErrKey
	}
	var public any
	switch k := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		public, err = k.ToECDSA()
	case webauthncose.OKPPublicKeyData:
		public = ed25519.PublicKey(k.XCoord)
	case webauthncose.RSAPublicKeyData:
		var e int
		e, err = webauthncose.ParseRSAPublicKeyDataExponent(&k)
		public = &rsa.PublicKey{N: new(big.Int).SetBytes(k.Modulus), E: e}
	default:
		return [32]byte{}, ErrKey
	}
	if err != nil {
		return [32]byte{}, ErrKey
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return [32]byte{}, ErrKey
	}
	return sha256.Sum256(der), nil
}

// User is the person of a ceremony.
type User struct {
	// Handle is the opaque id that authenticators store, 1 to MaxHandle bytes,
	// the same for the person's whole life, and nothing personal.
	Handle []byte
	// Name and DisplayName are shown by the browser while enrolling.
	Name, DisplayName string
	// Credentials are all of the person's usable passkeys.
	Credentials []Credential
}

func (u User) valid() bool {
	return len(u.Handle) > 0 && len(u.Handle) <= MaxHandle && len(u.Credentials) <= MaxCredentials &&
		len(u.Name) <= MaxName && len(u.DisplayName) <= MaxName
}

// webauthnUser is a User as the library wants it.
type webauthnUser struct{ User }

func (u webauthnUser) WebAuthnID() []byte          { return u.Handle }
func (u webauthnUser) WebAuthnName() string        { return u.Name }
func (u webauthnUser) WebAuthnDisplayName() string { return u.DisplayName }

func (u webauthnUser) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, len(u.Credentials))
	for i, c := range u.Credentials {
		out[i] = webauthn.Credential{
			ID: c.ID, PublicKey: c.PublicKey, AttestationFormat: c.AttestationFormat,
			// UserVerified is latched by the library; it is never read here.
			Flags:         webauthn.CredentialFlags{BackupEligible: c.BackupEligible},
			Authenticator: webauthn.Authenticator{AAGUID: c.AAGUID[:], SignCount: c.SignCount},
		}
		for _, t := range c.Transports {
			out[i].Transport = append(out[i].Transport, protocol.AuthenticatorTransport(t))
		}
	}
	return out
}

func (u webauthnUser) descriptors() []protocol.CredentialDescriptor {
	var out []protocol.CredentialDescriptor
	for _, c := range u.WebAuthnCredentials() {
		out = append(out, c.Descriptor())
	}
	return out
}
