package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/throttle"
	"holdfast/authz/totp"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/warrant"
)

// This file shows that a person is present, by whichever factor, for sign-in,
// step-up and votes alike.

// burned is a one-time code that was right and is used up.
type burned struct {
	factor authz.Factor
}

// burnTOTP checks a code against the person's TOTP factors and uses it up in tx.
// A factor in quarantine counts too: what it may do is the policy's business.
// Errors: totp.ErrMismatch, totp.ErrReplayed.
func (c *Control) burnTOTP(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, code string, at time.Time) (burned, error) {
	factors, err := c.Accounts.Factors(ctx, tx, person)
	if err != nil {
		return burned{}, err
	}
	answer := error(totp.ErrMismatch)
	for _, f := range factors {
		if f.Mechanism != authz.MechanismTOTP {
			continue
		}
		err := c.Accounts.BurnTOTP(ctx, tx, f.ID, func(f authz.Factor) ([]byte, error) {
			secret, _, err := c.Secrets.Open(f.TOTP.Sealed, person.String(), f.ID.String())
			if err != nil {
				return nil, err
			}
			state, err := totp.ParseState(f.TOTP.State)
			if err != nil {
				return nil, err
			}
			next, err := totp.Verify(secret, code, at, state)
			if err != nil {
				return nil, err
			}
			return next.MarshalBinary()
		})
		switch {
		case err == nil:
			return burned{f}, nil
		case errors.Is(err, totp.ErrReplayed):
			answer = err
		case !errors.Is(err, totp.ErrMismatch):
			return burned{}, err
		}
	}
	return burned{}, answer
}

// throttledCode counts an attempt at a code before anything is verified.
func (c *Control) throttledCode(ctx context.Context, who Caller) error {
	return c.Throttle.Attempt(ctx, throttle.TOTP, who.Person.ID.String(), address(who.Address))
}

// codeFailed records a code that was used before: somebody watches or replays.
func (c *Control) codeFailed(ctx context.Context, who Caller, cause error) error {
	if errors.Is(cause, totp.ErrReplayed) {
		c.replayed(ctx, who, "a one-time code was used again")
	}
	return wrap(cause)
}

func (c *Control) replayed(ctx context.Context, who Caller, detail string) {
	at := c.now()
	err := c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.Post(ctx, tx, who.Person.ID, "credential-replayed", detail, at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, entry{
			kind: audit.KindCredentialReplayed, tenant: who.tenantID(), subject: who.ID(),
			body: map[string]string{"tenant": who.tenantID(), "person": who.ID(), "detail": detail, "address": who.Address},
		})
		return err
	})
	if err != nil {
		c.Log.ErrorContext(ctx, "a replay could not be recorded", "error", err)
	}
}

// attestation signs that the person has used a factor for one digest.
func (c *Control) attestation(who Caller, method warrant.Method, purpose warrant.Purpose, digest [32]byte, at time.Time) (warrant.Proof, error) {
	a := warrant.Attestation{Key: c.AttestationKey, Person: who.ID(), Method: method, Purpose: purpose, Digest: digest, At: at}
	rand.Read(a.Nonce[:])
	a, err := a.Sign(c.Attestation)
	return warrant.Proof{Attested: &a}, err
}

// attest is attestation with its leaf, in tx.
func (c *Control) attest(ctx context.Context, tx *sqldb.Tx, who Caller, method warrant.Method, purpose warrant.Purpose, digest [32]byte, at time.Time) (warrant.Proof, error) {
	proof, err := c.attestation(who, method, purpose, digest, at)
	if err != nil {
		return proof, err
	}
	text, err := proof.Attested.Text()
	if err != nil {
		return proof, err
	}
	_, err = c.record(ctx, tx, at, entry{
		kind: audit.KindAttestation, tenant: who.tenantID(), subject: who.ID(),
		body: map[string]string{"tenant": who.tenantID(), "attestation": string(text)},
	})
	return proof, err
}

// passkeyParty is the relying party of the caller's face, the caller as its user
// with the passkeys that live, and the factor behind each credential id.
func (c *Control) passkeyParty(ctx context.Context, who Caller) (*passkey.Party, passkey.User, map[string]authz.Factor, error) {
	party := c.Passkeys[who.Face]
	if party == nil {
		return nil, passkey.User{}, nil, wrap(fmt.Errorf("control: no relying party for face %q", who.Face))
	}
	user, factors, err := c.passkeyUser(ctx, who.Person)
	return party, user, factors, wrap(err)
}

// passkeyUser is the person as a WebAuthn user, with the passkeys that live.
func (c *Control) passkeyUser(ctx context.Context, person authz.Person) (passkey.User, map[string]authz.Factor, error) {
	u := passkey.User{Handle: []byte(person.ID.String()), Name: person.Email, DisplayName: person.Name}
	byID := map[string]authz.Factor{}
	err := c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		u.Credentials, byID = nil, map[string]authz.Factor{}
		factors, err := c.Accounts.Factors(ctx, tx, person.ID)
		if err != nil {
			return err
		}
		for _, f := range factors {
			if f.Mechanism != authz.MechanismPasskey {
				continue
			}
			credential, err := credentialOf(f)
			if err != nil {
				return err
			}
			u.Credentials = append(u.Credentials, credential)
			byID[string(f.Passkey.Credential)] = f
		}
		return nil
	})
	return u, byID, err
}

// advance stores the counter of an accepted assertion in tx. A counter that does
// not advance although there is one is refused and alarms.
func (c *Control) advance(ctx context.Context, tx *sqldb.Tx, f authz.Factor, a passkey.Assertion) error {
	record, err := recordOf(a.Credential)
	if err != nil {
		return err
	}
	return c.Accounts.AdvancePasskey(ctx, tx, f.ID, a.Credential.SignCount, record)
}

// passkeyFailed records a rewound counter: there may be a clone.
func (c *Control) passkeyFailed(ctx context.Context, who Caller, cause error) error {
	if errors.Is(cause, passkey.ErrCounterRewound) || errors.Is(cause, authz.ErrReplayed) {
		c.replayed(ctx, who, "a passkey's counter went back: there may be a clone of it")
	}
	return wrap(cause)
}

// evidence is an assertion in the form that a warrant carries.
func evidence(a passkey.Assertion, nonce warrant.Nonce) warrant.Proof {
	return warrant.Proof{Passkey: &warrant.Passkey{
		CredentialID: a.CredentialID, ClientDataJSON: a.ClientDataJSON,
		AuthenticatorData: a.AuthenticatorData, Signature: a.Signature, Nonce: nonce,
	}}
}
