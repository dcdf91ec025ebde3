package warrant

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// NonceSize is the length in bytes of the fresh random value inside every challenge.
const NonceSize = 32

// Nonce is the random value that makes two ceremonies over one statement differ.
type Nonce [NonceSize]byte

// Digest is the SHA-256 of a text that people sign.
type Digest = [sha256.Size]byte

// Decision is what a vote says. The zero value is invalid.
type Decision uint8

const (
	// Approve is 0x01 in the challenge.
	Approve Decision = 1
	// Deny is 0x02 in the challenge.
	Deny Decision = 2
)

// String returns `approve`, `deny` or `invalid`.
func (d Decision) String() string {
	switch d {
	case Approve:
		return "approve"
	case Deny:
		return "deny"
	}
	return "invalid"
}

// ParseDecision reads what String wrote.
func ParseDecision(s string) (Decision, error) {
	switch s {
	case "approve":
		return Approve, nil
	case "deny":
		return Deny, nil
	}
	return 0, fmt.Errorf("%w: decision %q", ErrSyntax, clip(s))
}

// The four challenges differ in their first line, so that a signature for one purpose is never one for another; the
// nonce and the decision have fixed lengths, so that no two inputs collide.

// VoteChallenge is SHA-256("holdfast vote v1\n" ‖ nonce ‖ 0x01 approve or 0x02 deny ‖ statement digest). It returns
// an error for any other decision.
func VoteChallenge(n Nonce, d Decision, statement Digest) (Digest, error) {
	if d != Approve && d != Deny {
		return Digest{}, fmt.Errorf("%w: decision %d", ErrSyntax, d)
	}
	return hashAll("holdfast vote v1\n", n[:], []byte{byte(d)}, statement[:]), nil
}

// ConfirmChallenge is the requester's: SHA-256("holdfast confirm v1\n" ‖ nonce ‖ statement digest).
func ConfirmChallenge(n Nonce, statement Digest) Digest {
	return hashAll("holdfast confirm v1\n", n[:], statement[:])
}

// StopChallenge is SHA-256("holdfast stop v1\n" ‖ nonce ‖ digest of the stop's text).
func StopChallenge(n Nonce, stop Digest) Digest {
	return hashAll("holdfast stop v1\n", n[:], stop[:])
}

// ReleaseChallenge is SHA-256("holdfast release v1\n" ‖ the site's nonce ‖ statement digest).
func ReleaseChallenge(site Nonce, statement Digest) Digest {
	return hashAll("holdfast release v1\n", site[:], statement[:])
}

func hashAll(first string, parts ...[]byte) Digest {
	h := sha256.New()
	h.Write([]byte(first))
	for _, p := range parts {
		h.Write(p)
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

// Proof is how a person proved presence for one text: exactly one of the two is set.
type Proof struct {
	// Passkey is a WebAuthn assertion over the purpose's challenge.
	Passkey *Passkey
	// Attested is a signed `holdfast attestation v1`: the control plane's word.
	Attested *Attestation
}

// Passkey is a WebAuthn assertion kept whole, so that anyone re-verifies it offline (WebAuthn Level 3, §7.2).
type Passkey struct {
	CredentialID      []byte
	ClientDataJSON    []byte
	AuthenticatorData []byte
	Signature         []byte
	// Nonce is the random part of the challenge that ClientDataJSON carries.
	Nonce Nonce
}

// IsZero says that nothing is proved.
func (p Proof) IsZero() bool { return p.Passkey == nil && p.Attested == nil }

// Nonce returns the random value of the ceremony; a store keeps it unique, so that no proof is spent twice.
func (p Proof) Nonce() Nonce {
	switch {
	case p.Passkey != nil:
		return p.Passkey.Nonce
	case p.Attested != nil:
		return p.Attested.Nonce
	}
	return Nonce{}
}

// Render writes the proof as the rest of one line, without line feed: `passkey` or `attested` and base64url fields.
func (p Proof) Render() (string, error) {
	switch {
	case p.Passkey != nil && p.Attested == nil:
		k := p.Passkey
		if err := k.bounds(); err != nil {
			return "", err
		}
		return strings.Join([]string{"passkey", b64(k.CredentialID), b64(k.Nonce[:]), b64(k.AuthenticatorData),
			b64(k.Signature), b64(k.ClientDataJSON)}, " "), nil
	case p.Attested != nil && p.Passkey == nil:
		t, err := p.Attested.Render()
		if err != nil {
			return "", err
		}
		return "attested " + b64(t), nil
	}
	return "", fmt.Errorf("%w: a proof is one passkey assertion or one attestation", ErrSyntax)
}

// ParseProof reads what Render wrote and nothing else: rendering the result gives the same bytes.
func ParseProof(s string) (Proof, error) {
	f := strings.Split(s, " ")
	switch {
	case f[0] == "passkey" && len(f) == 6:
		k := &Passkey{}
		var nonce []byte
		for i, dst := range []*[]byte{&k.CredentialID, &nonce, &k.AuthenticatorData, &k.Signature, &k.ClientDataJSON} {
			b, err := unb64(f[i+1])
			if err != nil {
				return Proof{}, err
			}
			*dst = b
		}
		if len(nonce) != NonceSize {
			return Proof{}, fmt.Errorf("%w: nonce of %d bytes", ErrSyntax, len(nonce))
		}
		copy(k.Nonce[:], nonce)
		if err := k.bounds(); err != nil {
			return Proof{}, err
		}
		return Proof{Passkey: k}, nil
	case f[0] == "attested" && len(f) == 2:
		b, err := unb64(f[1])
		if err != nil {
			return Proof{}, err
		}
		a, err := ParseAttestation(b)
		if err != nil {
			return Proof{}, err
		}
		return Proof{Attested: &a}, nil
	}
	return Proof{}, fmt.Errorf("%w: proof", ErrSyntax)
}

func (k *Passkey) bounds() error {
	for _, b := range []struct {
		name string
		b    []byte
		max  int
	}{
		{"credential id", k.CredentialID, MaxCredentialIDBytes},
		{"client data", k.ClientDataJSON, MaxClientDataBytes},
		{"authenticator data", k.AuthenticatorData, MaxAuthenticatorDataBytes},
		{"signature", k.Signature, MaxSignatureBytes},
	} {
		if len(b.b) == 0 || len(b.b) > b.max {
			return fmt.Errorf("%w: %s of %d bytes", ErrSyntax, b.name, len(b.b))
		}
	}
	return nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// unb64 refuses line feeds and trailing bits, which the plain decoder forgives: one value has one text.
func unb64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w: base64", ErrSyntax)
	}
	return b, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40]
	}
	return s
}
