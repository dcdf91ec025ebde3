// Package passkey owns WebAuthn ceremonies (https://www.w3.org/TR/webauthn-3/):
// enrolling a passkey, signing in with one, and asserting over a challenge that
// the caller computed from what is being voted on, confirmed or stopped. Every
// ceremony demands user verification. It returns the raw evidence of an
// assertion, so that strangers can verify it again. It must never store
// anything, choose what a challenge means, or let the library's verdict stand
// alone: type, challenge, origin, RP id and user verification are checked here
// as well, from this ceremony's own bytes (T06).
package passkey

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Relying is the relying party: who asks authenticators.
type Relying struct {
	// RPID is a domain: the origins' host or a parent of it.
	RPID string
	// DisplayName is shown by the browser while enrolling.
	DisplayName string
	// Origins are the pages that may ask, in the spelling of browsers:
	// https://host[:port], or http://localhost[:port]. At most MaxOrigins.
	Origins []string
	// StateKey authenticates ceremony states: StateKeyLen random bytes, the
	// same on every node.
	StateKey []byte
}

// Party runs the ceremonies of one relying party. It is safe for concurrent use.
type Party struct {
	rp  Relying
	lib *webauthn.WebAuthn
	now func() time.Time
}

// New makes a Party. ErrConfig.
func New(rp Relying, now func() time.Time) (*Party, error) {
	if now == nil || len(rp.StateKey) != StateKeyLen || rp.DisplayName == "" || len(rp.DisplayName) > MaxName ||
		len(rp.Origins) == 0 || len(rp.Origins) > MaxOrigins {
		return nil, ErrConfig
	}
	for _, o := range rp.Origins {
		if !validOrigin(o, rp.RPID) {
			return nil, ErrConfig
		}
	}
	rp.Origins, rp.StateKey = slices.Clone(rp.Origins), slices.Clone(rp.StateKey)
	// Expiry is enforced by the authenticated ceremony state with the injected
	// clock; the library would use its own.
	timeout := webauthn.TimeoutConfig{Timeout: CeremonyLifetime, TimeoutUVD: CeremonyLifetime}
	lib, err := webauthn.New(&webauthn.Config{
		RPID: rp.RPID, RPDisplayName: rp.DisplayName, RPOrigins: rp.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey:      protocol.ResidentKeyRequirementPreferred,
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Password managers return credProps without being asked. No extension
		// output is ever read here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, ErrConfig
	}
	return &Party{rp: rp, lib: lib, now: now}, nil
}

// validOrigin reports whether an origin is one that a browser can send for the RP id.
func validOrigin(origin, rpID string) bool {
	u, err := url.Parse(origin)
	if err != nil || rpID == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin {
		return false
	}
	host := u.Hostname()
	if u.Scheme != "https" && !(u.Scheme == "http" && host == "localhost") {
		return false
	}
	if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return false
	}
	return host == rpID || strings.HasSuffix(host, "."+rpID)
}

// BeginRegistration starts enrolling a passkey for the user. Options is the
// JSON for navigator.credentials.create ({"publicKey": …}); credentials that
// the user has are excluded. ErrUser.
func (p *Party) BeginRegistration(u User) (options []byte, c Ceremony, err error) {
	if !u.valid() || u.Name == "" || len(u.Credentials) == MaxCredentials {
		return nil, nil, ErrUser
	}
	user := webauthnUser{u}
	creation, session, err := p.lib.BeginRegistration(user,
		webauthn.WithExclusions(user.descriptors()),
		webauthn.WithCredentialParameters(algorithms))
	if err != nil {
		return nil, nil, ErrUser
	}
	return p.begun(registering, creation, session)
}

// algorithms are those of the world's authenticators that this project's
// verifiers know: ES256, EdDSA, RS256 (RFC 8812, RFC 9053).
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// FinishRegistration checks the browser's response (JSON of
// PublicKeyCredential.toJSON) and returns the new passkey. Attestation "none"
// and direct formats are accepted; a statement that is there must verify. The
// caller must still hold that neither the credential id nor the key (KeyDigest)
// belongs to anyone else. Errors: those under ErrRefused, ErrUser.
func (p *Party) FinishRegistration(u User, c Ceremony, response []byte) (Credential, error) {
	session, err := p.open(c, registering)
	if err != nil {
		return Credential{}, err
	}
	if !u.valid() || !bytes.Equal(session.UserID, u.Handle) {
		return Credential{}, ErrCeremony
	}
	if len(response) > MaxResponse {
		return Credential{}, ErrMalformed
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Credential{}, ErrMalformed
	}
	auth := parsed.Response.AttestationObject.AuthData
	if err := p.check(parsed.Response.CollectedClientData, auth, protocol.CreateCeremony, session.Challenge); err != nil {
		return Credential{}, err
	}
	made, err := p.lib.CreateCredential(webauthnUser{u}, session, parsed)
	if err != nil {
		return Credential{}, ErrSignature
	}
	out := Credential{
		ID: made.ID, PublicKey: made.PublicKey, SignCount: auth.Counter,
		BackupEligible: auth.Flags.HasBackupEligible(), AttestationFormat: made.AttestationFormat,
	}
	// rawId is the browser's word, the attested id is the authenticator's.
	if len(made.ID) == 0 || len(made.ID) > MaxCredentialID || !bytes.Equal(made.ID, parsed.RawID) {
		return Credential{}, ErrMalformed
	}
	if copy(out.AAGUID[:], made.Authenticator.AAGUID) != len(out.AAGUID) {
		return Credential{}, ErrMalformed
	}
	digest, err := KeyDigest(made.PublicKey)
	if err != nil {
		return Credential{}, ErrMalformed
	}
	for _, have := range u.Credentials {
		other, err := have.KeyDigest()
		if err != nil || other == digest || bytes.Equal(have.ID, made.ID) {
			return Credential{}, ErrKnownCredential
		}
	}
	for _, t := range made.Transport {
		if len(out.Transports) < MaxTransports && knownTransport(string(t)) {
			out.Transports = append(out.Transports, string(t))
		}
	}
	return out, nil
}

// knownTransport keeps the browser from storing text of its own with us.
func knownTransport(t string) bool {
	return slices.Contains([]string{"usb", "nfc", "ble", "smart-card", "hybrid", "internal"}, t)
}

// begun renders the options and seals the state.
func (p *Party) begun(why purpose, options any, session *webauthn.SessionData) ([]byte, Ceremony, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, nil, ErrUser
	}
	c, err := p.seal(why, session)
	if err != nil {
		return nil, nil, err
	}
	return text, c, nil
}

// check is what must hold in every ceremony, from this ceremony's bytes.
func (p *Party) check(client protocol.CollectedClientData, auth protocol.AuthenticatorData, kind protocol.CeremonyType, challenge string) error {
	if client.Type != kind {
		return ErrMalformed
	}
	if challenge == "" || subtle.ConstantTimeCompare([]byte(challenge), []byte(client.Challenge)) != 1 {
		return ErrChallenge
	}
	// Browsers write origins in one spelling, so bytes are compared.
	if !slices.Contains(p.rp.Origins, client.Origin) || client.CrossOrigin || client.TopOrigin != "" {
		return ErrOrigin
	}
	rpHash := sha256.Sum256([]byte(p.rp.RPID))
	if subtle.ConstantTimeCompare(rpHash[:], auth.RPIDHash) != 1 {
		return ErrRelyingParty
	}
	if !auth.Flags.HasUserPresent() || !auth.Flags.HasUserVerified() {
		return ErrUserVerification
	}
	return nil
}

// refusal translates the library's verdict on an assertion that passed check.
func refusal(err error) error {
	var protocolErr *protocol.Error
	if errors.As(err, &protocolErr) && protocolErr.Type == protocol.ErrAssertionSignature.Type {
		return ErrSignature
	}
	return ErrRefused
}
