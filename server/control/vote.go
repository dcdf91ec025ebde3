package control

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/throttle"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// BeginVote returns the passkey options for one decision on one request: the
// challenge binds a fresh nonce, the decision and the statement's digest.
func (c *Control) BeginVote(ctx context.Context, who Caller, request, decision string) (out wire.VoteOptions, err error) {
	d, err := parseDecision(decision)
	if err != nil {
		return out, err
	}
	r, ch, err := c.ballot(ctx, who, request, d)
	if err != nil {
		return out, err
	}
	party, user, _, err := c.passkeyParty(ctx, who)
	if err != nil {
		return out, err
	}
	user.Credentials = slices.DeleteFunc(user.Credentials, func(k passkey.Credential) bool {
		owner, _, ok := ch.Key(k.ID)
		return !ok || owner.ID != who.ID()
	})
	if len(user.Credentials) == 0 {
		return out, wrap(warrant.ErrUnknownKey)
	}
	if d == warrant.Approve && !r.State.OpenedAt.IsZero() {
		rules, err := c.rulesOf(ctx, r)
		if err != nil {
			return out, err
		}
		user.Credentials = slices.DeleteFunc(user.Credentials, func(k passkey.Credential) bool { return !rules.approves(who.ID(), k.ID, c.now()) })
		if len(user.Credentials) == 0 {
			return out, wrap(quorum.ErrQuarantine)
		}
	}
	var nonce warrant.Nonce
	rand.Read(nonce[:])
	challenge, err := warrant.VoteChallenge(nonce, d, r.State.Digest)
	if err != nil {
		return out, wrap(err)
	}
	options, state, err := party.BeginAssertion(user, passkey.Challenge(challenge))
	if err != nil {
		return out, wrap(err)
	}
	kept := slices.Concat(nonce[:], []byte{byte(d)}, r.State.Digest[:], state)
	begun, err := c.begun(ctx, ceremonyVote, bindVote(who, request), kept, options)
	return wire.VoteOptions{PasskeyOptions: begun, Nonce: fmt.Sprintf("%x", nonce), Digest: digestText(r.State.Digest)}, err
}

// CastVote decides on a request, by a passkey that the charter names or, where
// the charter admits it, by a one-time code. Of two racing final votes exactly
// one completes the quorum.
func (c *Control) CastVote(ctx context.Context, who Caller, request string, in wire.CastVote) (wire.Request, error) {
	d, err := parseDecision(in.Decision)
	if err != nil {
		return wire.Request{}, err
	}
	if d == warrant.Deny && in.Reason == "" {
		return wire.Request{}, newError(wire.TypeInvalid, nil, "Say why you deny it: whoever asked should understand.")
	}
	r, ch, err := c.ballot(ctx, who, request, d)
	if err != nil {
		return wire.Request{}, err
	}
	switch {
	case in.Passkey != nil && in.Code == "":
		err = c.votePasskey(ctx, who, r, ch, d, in)
	case in.Code != "" && in.Passkey == nil:
		err = c.voteTOTP(ctx, who, r, d, in)
	default:
		err = newError(wire.TypeInvalid, nil, "Send a code or a passkey's answer, not both and not neither.")
	}
	if err != nil {
		c.refused(ctx, who, r.State.Tenant, request, "vote "+in.Decision, err)
		return wire.Request{}, err
	}
	return c.Request(ctx, who, request)
}

// ballot finds the request that the caller may vote on, and the charter in force.
func (c *Control) ballot(ctx context.Context, who Caller, request string, d warrant.Decision) (r quorumsql.Request, ch *charter.Charter, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		if r, err = c.visible(ctx, tx, who, request); err != nil {
			return err
		}
		_, ch, err = inForce(ctx, tx)
		return err
	})
	if err != nil {
		c.tampered(ctx, request, "", err)
		return r, ch, err
	}
	power := authz.RequestVote
	if d == warrant.Deny {
		power = authz.RequestDeny
	}
	return r, ch, c.decide(who, power, c.requestResource(request, r.State.Tenant, [32]byte{}), "")
}

func (c *Control) votePasskey(ctx context.Context, who Caller, r quorumsql.Request, ch *charter.Charter, d warrant.Decision, in wire.CastVote) error {
	if err := c.Throttle.Attempt(ctx, throttle.Passkey, "", address(who.Address)); err != nil {
		return wrap(err)
	}
	kept, response, err := c.finished(ctx, ceremonyVote, bindVote(who, r.ID()), *in.Passkey)
	if err != nil {
		return err
	}
	var nonce warrant.Nonce
	digest := r.State.Digest
	head := len(nonce) + 1 + len(digest)
	if len(kept) < head || kept[len(nonce)] != byte(d) || [32]byte(kept[len(nonce)+1:head]) != digest {
		return newError(wire.TypeBadCredentials, nil, "This ceremony was begun for another decision or text. Begin again.")
	}
	copy(nonce[:], kept)
	challenge, err := warrant.VoteChallenge(nonce, d, digest)
	if err != nil {
		return wrap(err)
	}
	assertion, f, err := c.assert(ctx, who, passkey.Challenge(challenge), kept[head:], response)
	if err != nil {
		return err
	}
	proof := evidence(assertion, nonce)
	presence, err := warrant.CheckVote(ch, who.ID(), *proof.Passkey, d, digest)
	if err != nil {
		return wrap(err)
	}
	at := c.now()
	if d == warrant.Approve {
		// An approval that no site takes would void the whole warrant.
		rules, err := c.rulesOf(ctx, r)
		if err != nil {
			return err
		}
		if !rules.approves(who.ID(), assertion.CredentialID, at) {
			return wrap(quorum.ErrQuarantine)
		}
	}
	event := quorum.VoteCast{
		Person: who.ID(), Decision: quorum.Decision(d.String()), Digest: digest, Method: quorum.Passkey,
		Key: charter.PasskeyID(assertion.CredentialID), Hardware: presence.Hardware, Independent: presence.Independent, At: at,
	}
	err = c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return c.cast(ctx, tx, who, r.ID(), event, in.Reason, func(quorumsql.Request) (warrant.Proof, error) {
			return proof, c.advance(ctx, tx, f, assertion)
		})
	})
	return c.passkeyFailed(ctx, who, err)
}

// voteTOTP burns the code, attests its use and counts the vote in one
// transaction, under the request's lock.
func (c *Control) voteTOTP(ctx context.Context, who Caller, r quorumsql.Request, d warrant.Decision, in wire.CastVote) error {
	if err := c.throttledCode(ctx, who); err != nil {
		return wrap(err)
	}
	at := c.now()
	event := quorum.VoteCast{
		Person: who.ID(), Decision: quorum.Decision(d.String()), Digest: r.State.Digest, Method: quorum.TOTP, Key: "totp:" + who.ID(), At: at,
	}
	purpose := warrant.PurposeApprove
	if d == warrant.Deny {
		purpose = warrant.PurposeDeny
	}
	err := c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return c.cast(ctx, tx, who, r.ID(), event, in.Reason, func(locked quorumsql.Request) (warrant.Proof, error) {
			used, err := c.burnTOTP(ctx, tx, who.Person.ID, in.Code, at)
			if err != nil {
				return warrant.Proof{}, err
			}
			if d == warrant.Approve && used.factor.Quarantined(at) {
				return warrant.Proof{}, authz.ErrQuarantined
			}
			return c.attestation(who, warrant.MethodTOTP, purpose, locked.State.Digest, at)
		})
	})
	if err != nil {
		return c.codeFailed(ctx, who, err)
	}
	return wrap(c.Throttle.Succeeded(ctx, throttle.TOTP, who.Person.ID.String()))
}

// cast locks the request, lets prove use up the factor, counts the vote and logs
// it with what follows from it.
func (c *Control) cast(ctx context.Context, tx *sqldb.Tx, who Caller, request string, e quorum.VoteCast, reason string, prove func(quorumsql.Request) (warrant.Proof, error)) error {
	if err := quorumsql.LockCharter(ctx, tx); err != nil {
		return err
	}
	locked, err := quorumsql.LockRequest(ctx, tx, request)
	if err != nil {
		return err
	}
	proof, err := prove(locked)
	if err != nil {
		return err
	}
	after, err := quorumsql.CastVote(ctx, tx, locked.ID(), e, proof)
	if err != nil {
		return err
	}
	if after.State.Phase == quorum.Denied {
		// The site may have seen the warrant already: the deny goes there as a stop.
		stop, err := c.sign(who, warrant.Stop{
			Kind: warrant.StopDeny, Request: request, Statement: e.Digest, Tenant: after.State.Tenant, Reason: reason,
		}, e.At)
		if err != nil {
			return err
		}
		if err := c.keepStop(ctx, tx, stop, e.At); err != nil {
			return err
		}
		if err := c.logVote(ctx, tx, locked, after, e, reason, proof); err != nil {
			return err
		}
		return c.recordStop(ctx, tx, stop, e.At)
	}
	return c.logVote(ctx, tx, locked, after, e, reason, proof)
}

// logVote appends the leaves of a vote: the vote itself in the bytes that a
// warrant rebuilds, and the transition that it made.
func (c *Control) logVote(ctx context.Context, tx *sqldb.Tx, before, after quorumsql.Request, e quorum.VoteCast, reason string, proof warrant.Proof) error {
	decision, err := warrant.ParseDecision(string(e.Decision))
	if err != nil {
		return err
	}
	body, err := warrant.VoteBody(after.ID(), e.Digest, warrant.Ballot{Person: e.Person, Decision: decision, Proof: proof})
	if err != nil {
		return err
	}
	tenant := after.State.Tenant
	if after.State.Phase == quorum.Cooling && after.State.Met() && !before.State.Met() { // for the first time, or again
		job := quorumsql.Job{ID: fmt.Sprintf("deliver %s %d", after.ID(), after.State.Events), Topic: topicDeliver, Body: []byte(after.ID()), DueAt: e.At}
		if err := quorumsql.Enqueue(ctx, tx, job); err != nil {
			return err
		}
	}
	if after.State.Phase == quorum.Denied {
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		if err := c.tellConcerned(ctx, tx, ch, tenant, "request-denied", fmt.Sprintf("%s was denied: %s", after.ID(), reason), e.At); err != nil {
			return err
		}
	}
	if _, err := c.record(ctx, tx, e.At, entry{kind: audit.KindRequestVoted, tenant: tenant, subject: after.ID(), raw: body}); err != nil {
		return err
	}
	switch {
	case after.State.Phase == quorum.Cooling && before.State.Phase == quorum.Open:
		return c.logTransition(ctx, tx, audit.KindRequestCooling, after, e.At, map[string]string{"by": e.Person})
	case after.State.Phase == quorum.Denied:
		return c.logTransition(ctx, tx, audit.KindRequestDenied, after, e.At, map[string]string{"by": e.Person, "reason": reason})
	}
	return nil
}

// logTransition appends the leaf of a request's transition.
func (c *Control) logTransition(ctx context.Context, tx *sqldb.Tx, kind audit.Kind, r quorumsql.Request, at time.Time, more map[string]string) error {
	body := map[string]string{"request": r.ID(), "tenant": r.State.Tenant, "statement": digestText(r.State.Digest), "state": r.State.Phase.String()}
	for k, v := range more {
		body[k] = v
	}
	_, err := c.record(ctx, tx, at, entry{kind: kind, tenant: r.State.Tenant, subject: r.ID(), body: body})
	return err
}

// bindVote ties a vote's ceremony to the session and the request (T21).
func bindVote(who Caller, request string) string { return who.Session.Handle + " " + request }

func parseDecision(text string) (warrant.Decision, error) {
	d, err := warrant.ParseDecision(text)
	if err != nil {
		return 0, newError(wire.TypeInvalid, err, "A decision is approve or deny.")
	}
	return d, nil
}
