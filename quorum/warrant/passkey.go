package warrant

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// The flags of authenticator data (WebAuthn Level 3, §6.1).
const (
	flagUserPresent    = 0x01
	flagUserVerified   = 0x04
	flagBackupEligible = 0x08
	flagBackupState    = 0x10
	flagAttestedData   = 0x40
	flagExtensions     = 0x80
	authDataMin        = 37
)

// Origin is a web origin that a charter allows, such as `https://console.example`.
type Origin struct {
	// URL is scheme, host and port. An independent loopback origin without a port stands for every port, because the
	// installed CLI takes a free one.
	URL string
	// RP is the RP id that pages of this origin use.
	RP string
	// Independent marks a page that the control plane does not serve.
	Independent bool
}

// RelyingParty is what a charter says about where passkeys may be used.
type RelyingParty struct {
	// Origins are the allowed origins.
	Origins []Origin
}

// PublicKey is one passkey of one person.
type PublicKey struct {
	// CredentialID is compared when set.
	CredentialID []byte
	// RP is the RP id for which the key was made; compared when set.
	RP string
	// COSE is the COSE_Key (RFC 9052 §7).
	COSE []byte
	// DeviceBound says that the key cannot leave its authenticator, by the charter's word.
	DeviceBound bool
}

// Presence is what a verified assertion shows.
type Presence struct {
	// Origin is the allowed origin as the client stated it.
	Origin string
	// Independent says that the page was not served by the control plane.
	Independent bool
	// Hardware says that charter and this assertion agree that the key is bound to a device.
	Hardware bool
	// Count is the signature counter; zero when the authenticator has none.
	Count uint32
}

type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
	TopOrigin   string `json:"topOrigin"`
}

// Verify re-verifies the assertion offline against one key and one challenge (WebAuthn Level 3, §7.2): type, challenge,
// origin, RP id hash, user presence and user verification in this very assertion, backup flags, signature. It refuses
// assertions made inside a frame of another origin.
func (p *Passkey) Verify(key PublicKey, rp RelyingParty, challenge Digest) (Presence, error) {
	if p == nil {
		return Presence{}, fmt.Errorf("%w: no passkey", ErrAssertion)
	}
	if err := p.bounds(); err != nil {
		return Presence{}, err
	}
	if len(key.CredentialID) > 0 && subtle.ConstantTimeCompare(key.CredentialID, p.CredentialID) != 1 {
		return Presence{}, fmt.Errorf("%w: credential id", ErrUnknownKey)
	}
	var cd clientData
	dec := json.NewDecoder(bytes.NewReader(p.ClientDataJSON))
	if err := dec.Decode(&cd); err != nil || dec.More() {
		return Presence{}, fmt.Errorf("%w: client data", ErrAssertion)
	}
	if cd.Type != "webauthn.get" {
		return Presence{}, fmt.Errorf("%w: type %q", ErrAssertion, clip(cd.Type))
	}
	got, err := base64.RawURLEncoding.Strict().DecodeString(cd.Challenge)
	if err != nil || subtle.ConstantTimeCompare(got, challenge[:]) != 1 {
		return Presence{}, fmt.Errorf("%w: challenge is for another text, decision or ceremony", ErrDigest)
	}
	if cd.CrossOrigin || cd.TopOrigin != "" {
		return Presence{}, fmt.Errorf("%w: made in a frame of another origin", ErrAssertion)
	}
	origin, ok := rp.find(cd.Origin)
	if !ok {
		return Presence{}, fmt.Errorf("%w: origin %q", ErrAssertion, clip(cd.Origin))
	}
	if key.RP != "" && key.RP != origin.RP {
		return Presence{}, fmt.Errorf("%w: a key of RP id %q from origin %q", ErrAssertion, key.RP, clip(cd.Origin))
	}
	flags, count, err := checkAuthenticatorData(p.AuthenticatorData, origin.RP, cd.Origin)
	if err != nil {
		return Presence{}, err
	}
	pub, err := webauthncose.ParsePublicKey(key.COSE)
	if err != nil {
		return Presence{}, fmt.Errorf("%w: COSE key", ErrUnknownKey)
	}
	sum := sha256.Sum256(p.ClientDataJSON)
	signed := append(bytes.Clone(p.AuthenticatorData), sum[:]...)
	if good, err := webauthncose.VerifySignature(pub, signed, p.Signature); err != nil || !good {
		return Presence{}, fmt.Errorf("%w: passkey", ErrSignature)
	}
	return Presence{
		Origin:      cd.Origin,
		Independent: origin.Independent,
		Hardware:    key.DeviceBound && flags&flagBackupEligible == 0,
		Count:       count,
	}, nil
}

func checkAuthenticatorData(b []byte, rp, origin string) (flags byte, count uint32, err error) {
	if len(b) < authDataMin {
		return 0, 0, fmt.Errorf("%w: authenticator data of %d bytes", ErrAssertion, len(b))
	}
	flags, count = b[32], binary.BigEndian.Uint32(b[33:37])
	switch {
	case flags&flagUserPresent == 0:
		return 0, 0, fmt.Errorf("%w: user was not present", ErrAssertion)
	case flags&flagUserVerified == 0:
		return 0, 0, fmt.Errorf("%w: user was not verified", ErrAssertion)
	case flags&flagBackupState != 0 && flags&flagBackupEligible == 0:
		return 0, 0, fmt.Errorf("%w: backed up without being eligible", ErrAssertion)
	case flags&flagAttestedData != 0:
		return 0, 0, fmt.Errorf("%w: attested data in an assertion", ErrAssertion)
	case (flags&flagExtensions != 0) != (len(b) > authDataMin):
		return 0, 0, fmt.Errorf("%w: authenticator data of %d bytes", ErrAssertion, len(b))
	}
	// A browser lets a page use an RP id only if it is the page's host or a parent domain of it.
	if host := originHost(origin); rp == "" || host != rp && !strings.HasSuffix(host, "."+rp) {
		return 0, 0, fmt.Errorf("%w: RP id %q from origin %q", ErrAssertion, rp, clip(origin))
	}
	h := sha256.Sum256([]byte(rp))
	if subtle.ConstantTimeCompare(h[:], b[:32]) != 1 {
		return 0, 0, fmt.Errorf("%w: RP id hash", ErrAssertion)
	}
	return flags, count, nil
}

// find compares origins as text, for browsers write them in one form; only an independent loopback origin may leave
// the port open.
func (rp RelyingParty) find(got string) (Origin, bool) {
	for _, o := range rp.Origins {
		if o.URL == got {
			return o, true
		}
		if !o.Independent {
			continue
		}
		want, err := url.Parse(o.URL)
		if err != nil || want.Port() != "" || !isLoopback(want.Hostname()) {
			continue
		}
		u, err := url.Parse(got)
		if err == nil && u.Scheme == want.Scheme && u.Hostname() == want.Hostname() && got == u.Scheme+"://"+u.Host {
			return o, true
		}
	}
	return Origin{}, false
}

func isLoopback(h string) bool { return h == "localhost" || h == "127.0.0.1" || h == "::1" }

func originHost(o string) string {
	u, err := url.Parse(o)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
