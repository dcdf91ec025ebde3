package control

import (
	"context"
	"crypto/rand"
	"errors"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/throttle"
	"holdfast/internal/sqldb"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// A step-up proves presence for one digest: of a statement, or of an
// operation's text. The two kinds of text begin differently, so that a proof for
// one is never one for the other. What it is worth is decided where it is used.

// BeginStepUp returns passkey options whose challenge binds a fresh nonce and
// the digest.
func (c *Control) BeginStepUp(ctx context.Context, who Caller, in wire.StepUpBegin) (wire.PasskeyOptions, error) {
	if err := c.decide(who, authz.SessionView, own(who), ""); err != nil {
		return wire.PasskeyOptions{}, err
	}
	digest, err := parseDigest(in.Digest)
	if err != nil {
		return wire.PasskeyOptions{}, err
	}
	party, user, _, err := c.passkeyParty(ctx, who)
	if err != nil {
		return wire.PasskeyOptions{}, err
	}
	var nonce warrant.Nonce
	rand.Read(nonce[:])
	options, state, err := party.BeginAssertion(user, passkey.Challenge(warrant.ConfirmChallenge(nonce, digest)))
	if err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	kept := append(append(append([]byte{}, nonce[:]...), digest[:]...), state...)
	return c.begun(ctx, ceremonyStepUp, who.Session.Handle, kept, options)
}

// StepUp records that the caller has used a factor for the digest, and rotates
// the session's secret.
func (c *Control) StepUp(ctx context.Context, who Caller, in wire.StepUp) (Opened, error) {
	if err := c.decide(who, authz.SessionView, own(who), ""); err != nil {
		return Opened{}, err
	}
	digest, err := parseDigest(in.Digest)
	if err != nil {
		return Opened{}, err
	}
	var proof warrant.Proof
	var factor authz.Factor
	method := authz.MethodTOTP
	switch {
	case in.Passkey != nil && in.Code == "":
		method = authz.MethodPasskey
		proof, factor, err = c.stepUpPasskey(ctx, who, digest, *in.Passkey)
	case in.Passkey == nil && in.Code != "":
		proof, factor, err = c.stepUpTOTP(ctx, who, digest, in.Code)
	default:
		err = newError(wire.TypeInvalid, nil, "Send a code or a passkey's answer, not both and not neither.")
	}
	if err != nil {
		return Opened{}, err
	}
	text, err := proof.Render()
	if err != nil {
		return Opened{}, wrap(err)
	}
	now := c.now()
	secret, s, err := c.Sessions.StepUp(ctx, who.secret, who.Face, authz.StepUp{
		Digest: digest, Method: method, Factor: factor.ID, Quarantined: factor.Quarantined(now), First: factor.First, Evidence: text,
	})
	if err != nil {
		return Opened{}, wrap(err)
	}
	return c.opened(ctx, who, secret, s)
}

// stepUpTOTP burns the code and attests its use in one transaction.
func (c *Control) stepUpTOTP(ctx context.Context, who Caller, digest [32]byte, code string) (proof warrant.Proof, f authz.Factor, err error) {
	if err := c.throttledCode(ctx, who); err != nil {
		return proof, f, wrap(err)
	}
	at := c.now()
	err = c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		used, err := c.burnTOTP(ctx, tx, who.Person.ID, code, at)
		if err != nil {
			return err
		}
		f = used.factor
		proof, err = c.attest(ctx, tx, who, warrant.MethodTOTP, warrant.PurposeConfirm, digest, at)
		return err
	})
	if err != nil {
		return proof, f, c.codeFailed(ctx, who, err)
	}
	return proof, f, wrap(c.Throttle.Succeeded(ctx, throttle.TOTP, who.Person.ID.String()))
}

func (c *Control) stepUpPasskey(ctx context.Context, who Caller, digest [32]byte, in wire.PasskeyAnswer) (proof warrant.Proof, f authz.Factor, err error) {
	if err := c.Throttle.Attempt(ctx, throttle.Passkey, "", address(who.Address)); err != nil {
		return proof, f, wrap(err)
	}
	kept, response, err := c.finished(ctx, ceremonyStepUp, who.Session.Handle, in)
	if err != nil {
		return proof, f, err
	}
	var nonce warrant.Nonce
	if len(kept) < len(nonce)+len(digest) || [32]byte(kept[len(nonce):len(nonce)+len(digest)]) != digest {
		return proof, f, newError(wire.TypeBadCredentials, errors.New("other digest"), "This ceremony was begun for something else. Begin again.")
	}
	copy(nonce[:], kept)
	assertion, f, err := c.assert(ctx, who, passkey.Challenge(warrant.ConfirmChallenge(nonce, digest)), kept[len(nonce)+len(digest):], response)
	if err != nil {
		return proof, f, err
	}
	if err := c.DB.Write(ctx, func(tx *sqldb.Tx) error { return c.advance(ctx, tx, f, assertion) }); err != nil {
		return proof, f, c.passkeyFailed(ctx, who, err)
	}
	return evidence(assertion, nonce), f, nil
}

// assert verifies a passkey's answer over the caller's own challenge. The
// counter is not stored yet: the transaction that relies on it does that.
func (c *Control) assert(ctx context.Context, who Caller, challenge passkey.Challenge, state passkey.Ceremony, response []byte) (passkey.Assertion, authz.Factor, error) {
	party, user, factors, err := c.passkeyParty(ctx, who)
	if err != nil {
		return passkey.Assertion{}, authz.Factor{}, err
	}
	assertion, err := party.FinishAssertion(user, challenge, state, response)
	if err != nil {
		return passkey.Assertion{}, authz.Factor{}, c.passkeyFailed(ctx, who, err)
	}
	return assertion, factors[string(assertion.CredentialID)], nil
}
