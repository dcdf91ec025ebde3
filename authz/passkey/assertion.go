package passkey

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Challenge is what an authenticator signs over: a hash with fresh random bytes
// inside, or random bytes.
type Challenge [ChallengeLen]byte

// Evidence is an assertion as the browser sent it: with the credential's public
// key, anyone can verify it again, without this package and offline.
type Evidence struct {
	CredentialID      []byte
	ClientDataJSON    []byte
	AuthenticatorData []byte
	Signature         []byte
}

// Assertion is a verified proof of presence with user verification.
type Assertion struct {
	Evidence
	// Challenge is the one that was signed.
	Challenge Challenge
	// Credential is the passkey that signed, with its new SignCount. Store the
	// counter in the same transaction, and only if the stored one is still what
	// was given to Finish.
	Credential Credential
}

// NewChallenge makes a random challenge.
func NewChallenge() (Challenge, error) {
	var c Challenge
	if _, err := io.ReadFull(rand.Reader, c[:]); err != nil {
		return Challenge{}, fmt.Errorf("passkey: %w", err)
	}
	return c, nil
}

// BeginAssertion asks the user to sign the caller's challenge with one of the
// user's passkeys. The challenge must be a hash over what the assertion means
// and 32 fresh random bytes. Options is the JSON for navigator.credentials.get.
// ErrUser if there is no credential.
func (p *Party) BeginAssertion(u User, challenge Challenge) (options []byte, c Ceremony, err error) {
	return p.beginFor(asserting, u, challenge)
}

// FinishAssertion checks the response to BeginAssertion. The caller gives the
// challenge again, computed from its own records: the ceremony state alone does
// not say what is being signed. Errors: those under ErrRefused.
func (p *Party) FinishAssertion(u User, challenge Challenge, c Ceremony, response []byte) (Assertion, error) {
	session, err := p.open(c, asserting)
	if err != nil {
		return Assertion{}, err
	}
	if session.Challenge != encode(challenge) {
		return Assertion{}, ErrChallenge
	}
	return p.finishFor(u, session, response)
}

// BeginSignInAs asks a known user to sign in. Its options list the user's
// credentials, so call it only after another factor of the user was right:
// otherwise it tells which accounts exist (T14). ErrUser if there is none.
func (p *Party) BeginSignInAs(u User) (options []byte, c Ceremony, err error) {
	challenge, err := NewChallenge()
	if err != nil {
		return nil, nil, err
	}
	return p.beginFor(signingInAs, u, challenge)
}

// FinishSignInAs checks the response to BeginSignInAs. Errors: those under ErrRefused.
func (p *Party) FinishSignInAs(u User, c Ceremony, response []byte) (Assertion, error) {
	session, err := p.open(c, signingInAs)
	if err != nil {
		return Assertion{}, err
	}
	return p.finishFor(u, session, response)
}

// BeginSignIn asks for any passkey that the browser has for this relying party.
// It is the same for everyone and tells nothing.
func (p *Party) BeginSignIn() (options []byte, c Ceremony, err error) {
	challenge, err := NewChallenge()
	if err != nil {
		return nil, nil, err
	}
	assertion, session, err := p.lib.BeginDiscoverableLogin(
		webauthn.WithChallenge(challenge[:]), webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, nil, ErrConfig
	}
	return p.begun(signingIn, assertion, session)
}

// FinishSignIn checks the response to BeginSignIn. Lookup finds the user by the
// credential id and handle that the authenticator gave, both still unproved; it
// returns ErrUnknownCredential if there is none, and its other errors are
// passed on. Errors: those under ErrRefused, lookup's.
func (p *Party) FinishSignIn(c Ceremony, response []byte, lookup func(credentialID, handle []byte) (User, error)) (User, Assertion, error) {
	session, err := p.open(c, signingIn)
	if err != nil {
		return User{}, Assertion{}, err
	}
	parsed, err := p.parse(session, response)
	if err != nil {
		return User{}, Assertion{}, err
	}
	handle := parsed.Response.UserHandle
	if len(handle) == 0 || len(handle) > MaxHandle || len(parsed.RawID) > MaxCredentialID {
		return User{}, Assertion{}, ErrMalformed
	}
	u, err := lookup(bytes.Clone(parsed.RawID), bytes.Clone(handle))
	if err != nil {
		return User{}, Assertion{}, err
	}
	if !u.valid() || !bytes.Equal(u.Handle, handle) {
		return User{}, Assertion{}, ErrUnknownCredential
	}
	out, err := p.conclude(u, session, parsed, func() (*webauthn.Credential, error) {
		return p.lib.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) {
			return webauthnUser{u}, nil
		}, session, parsed)
	})
	if err != nil {
		return User{}, Assertion{}, err
	}
	return u, out, nil
}

func (p *Party) beginFor(why purpose, u User, challenge Challenge) ([]byte, Ceremony, error) {
	if !u.valid() || len(u.Credentials) == 0 || challenge == (Challenge{}) {
		return nil, nil, ErrUser
	}
	assertion, session, err := p.lib.BeginLogin(webauthnUser{u},
		webauthn.WithChallenge(challenge[:]), webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, nil, ErrUser
	}
	return p.begun(why, assertion, session)
}

func (p *Party) finishFor(u User, session webauthn.SessionData, response []byte) (Assertion, error) {
	if !u.valid() || !bytes.Equal(session.UserID, u.Handle) {
		return Assertion{}, ErrCeremony
	}
	parsed, err := p.parse(session, response)
	if err != nil {
		return Assertion{}, err
	}
	// A passkey that was removed since Begin is gone; the library would call
	// the whole ceremony inconsistent.
	var allowed [][]byte
	for _, id := range session.AllowedCredentialIDs {
		if find(u, id) != nil {
			allowed = append(allowed, id)
		}
	}
	if len(allowed) == 0 {
		return Assertion{}, ErrUnknownCredential
	}
	session.AllowedCredentialIDs = allowed
	return p.conclude(u, session, parsed, func() (*webauthn.Credential, error) {
		return p.lib.ValidateLogin(webauthnUser{u}, session, parsed)
	})
}

// parse reads a response and checks what needs no user.
func (p *Party) parse(session webauthn.SessionData, response []byte) (*protocol.ParsedCredentialAssertionData, error) {
	if session.UserVerification != protocol.VerificationRequired {
		return nil, ErrCeremony
	}
	if len(response) > MaxResponse {
		return nil, ErrMalformed
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, ErrMalformed
	}
	if err := p.check(parsed.Response.CollectedClientData, parsed.Response.AuthenticatorData, protocol.AssertCeremony, session.Challenge); err != nil {
		return nil, err
	}
	return parsed, nil
}

// conclude lets the library validate and then judges what it leaves open.
func (p *Party) conclude(u User, session webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData, validate func() (*webauthn.Credential, error)) (Assertion, error) {
	have := find(u, parsed.RawID)
	if have == nil {
		return Assertion{}, ErrUnknownCredential
	}
	validated, err := validate()
	auth := parsed.Response.AuthenticatorData
	if err != nil {
		var unknown *protocol.ErrorUnknownCredential
		switch {
		case errors.As(err, &unknown):
			return Assertion{}, ErrUnknownCredential
		case auth.Flags.HasBackupEligible() != have.BackupEligible:
			return Assertion{}, ErrBackupFlags
		}
		return Assertion{}, refusal(err)
	}
	// The library only warns. The signature is good here, so a counter that did
	// not advance is a real second copy of the key, or a replay.
	if validated.Authenticator.CloneWarning || (auth.Counter <= have.SignCount && (auth.Counter != 0 || have.SignCount != 0)) {
		return Assertion{}, &CounterError{CredentialID: bytes.Clone(have.ID), Stored: have.SignCount, Seen: auth.Counter}
	}
	raw := parsed.Raw.AssertionResponse
	out := Assertion{
		Evidence: Evidence{
			CredentialID: bytes.Clone(parsed.RawID), ClientDataJSON: bytes.Clone(raw.ClientDataJSON),
			AuthenticatorData: bytes.Clone(raw.AuthenticatorData), Signature: bytes.Clone(raw.Signature),
		},
		Credential: *have,
	}
	out.Credential.SignCount = auth.Counter
	if out.Challenge, err = decode(session.Challenge); err != nil {
		return Assertion{}, err
	}
	return out, nil
}

func find(u User, id []byte) *Credential {
	for i := range u.Credentials {
		if bytes.Equal(u.Credentials[i].ID, id) {
			return &u.Credentials[i]
		}
	}
	return nil
}
