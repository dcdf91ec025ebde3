package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// A charter is sealed with a signature by every key that it adds, so that a key
// that nobody has is never named. Founding and later charters are signed the same way.

// Ceremony says how far the founding ceremony has come, or for a change-charter
// request which keys that the next charter adds have signed it.
func (c *Control) Ceremony(ctx context.Context, who Caller, request string) (out wire.Ceremony, err error) {
	if request != "" {
		return c.proposalState(ctx, who, request)
	}
	if who.Principal.System != SystemOperator {
		if err := c.decide(who, authz.CharterView, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
			return out, err
		}
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		s, ch, err := inForce(ctx, tx)
		if err == nil {
			out = wire.Ceremony{State: "sealed", Text: string(s.Text), Hash: digestText(charter.Hash(s.Text)), Signed: actors(ch.Approvers)}
			return nil
		}
		if !errors.Is(err, errCharterMissing) {
			return err
		}
		p, err := c.proposed(ctx, tx, "")
		if errors.Is(err, quorum.ErrNotFound) {
			out = wire.Ceremony{State: "none"}
			return nil
		}
		if err == nil {
			out = p.state()
		}
		return err
	})
	return out, err
}

// BeginSignCharter returns the options for signing a proposed charter with one of
// the caller's passkeys that has not signed it yet: the founding one, or the next
// one that a change-charter request proposes.
func (c *Control) BeginSignCharter(ctx context.Context, who Caller, request string) (out wire.VoteOptions, err error) {
	if err := c.mayVote(who); err != nil {
		return out, err
	}
	var p proposedCharter
	if err := c.read(ctx, func(tx *sqldb.Tx) (err error) {
		p, err = c.proposed(ctx, tx, request)
		return err
	}); err != nil {
		return out, err
	}
	return c.beginPossession(ctx, who, p.charter, charter.Hash([]byte(p.Text)), func(key string) bool {
		return p.Proofs[key] == nil && slices.ContainsFunc(p.wanted, func(k charter.SigningKey) bool { return k.ID == key })
	})
}

// SignCharter adds one signature. The last one seals a founding charter; a next
// one waits for its votes and its delay.
func (c *Control) SignCharter(ctx context.Context, who Caller, request string, in wire.PasskeyAnswer) (out wire.Ceremony, err error) {
	if err := c.mayVote(who); err != nil {
		return out, err
	}
	assertion, f, nonce, hash, err := c.finishPossession(ctx, who, in)
	if err != nil {
		return out, err
	}
	text, err := evidence(assertion, nonce).Render()
	if err != nil {
		return out, wrap(err)
	}
	at := c.now()
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		p, err := c.proposed(ctx, tx, request)
		if err != nil {
			return err
		}
		if charter.Hash([]byte(p.Text)) != hash {
			return newError(wire.TypeConflict, nil, "Another charter was proposed meanwhile. Read it and sign that.")
		}
		if err := c.advance(ctx, tx, f, assertion); err != nil {
			return err
		}
		p.Proofs[charter.PasskeyID(assertion.CredentialID)] = []byte(text)
		out = p.state()
		if request != "" {
			return c.keepProposal(ctx, tx, request, p.genesis)
		}
		if _, err := quorumsql.TakeDraft(ctx, tx, genesisTenant, genesisDraft); err != nil {
			return err
		}
		if len(out.Missing) > 0 {
			return keepGenesis(ctx, tx, p.genesis, who.ID(), at)
		}
		signed := charter.Signed{Text: []byte(p.Text), Proofs: proofsOf(p.Proofs)}
		if _, err := charter.VerifyGenesis(signed, warrant.CharterVerifier{}, charter.Options{Now: at}); err != nil {
			return refusedCharter(err)
		}
		out.State = "sealed"
		return c.sealCharter(ctx, tx, signed, p.charter, who.ID(), at)
	})
	return out, err
}

// proposedCharter is a proposal with the keys that have to sign it.
type proposedCharter struct {
	genesis
	charter *charter.Charter
	wanted  []charter.SigningKey
}

// proposed finds a proposal: the founding one, or that of a request.
func (c *Control) proposed(ctx context.Context, tx *sqldb.Tx, request string) (p proposedCharter, err error) {
	if request == "" {
		p.genesis, p.charter, err = proposedGenesis(ctx, tx)
		if err == nil {
			p.wanted = charter.Added(nil, p.charter)
		}
		return p, err
	}
	if p.genesis, err = c.proposal(ctx, tx, request); err != nil {
		return p, err
	}
	if p.charter, err = charter.Parse([]byte(p.Text)); err != nil {
		return p, err
	}
	_, before, err := inForce(ctx, tx)
	if err == nil {
		p.wanted = charter.Added(before, p.charter)
	}
	return p, err
}

// unsigned says that a change of the charter waits for keys that it adds to sign it.
func (c *Control) unsigned(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request) (bool, error) {
	if r.State.Action != statement.ChangeCharter || r.State.Phase.Ended() {
		return false, nil
	}
	p, err := c.proposed(ctx, tx, r.ID())
	return err == nil && len(p.state().Missing) > 0, err
}

// state says who has signed with every key that has to, and who has not.
func (p proposedCharter) state() wire.Ceremony {
	out := wire.Ceremony{State: "signing", Text: p.Text, Hash: digestText(charter.Hash([]byte(p.Text)))}
	for _, a := range p.charter.Approvers {
		wanted, missing := false, false
		for _, k := range p.wanted {
			if k.Person != a.ID {
				continue
			}
			wanted = true
			missing = missing || p.Proofs[k.ID] == nil
		}
		switch {
		case missing:
			out.Missing = append(out.Missing, approverActor(a))
		case wanted:
			out.Signed = append(out.Signed, approverActor(a))
		}
	}
	return out
}

func (c *Control) proposalState(ctx context.Context, who Caller, request string) (out wire.Ceremony, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := c.visible(ctx, tx, who, request); err != nil {
			return err
		}
		p, err := c.proposed(ctx, tx, request)
		out = p.state()
		return err
	})
	return out, err
}

// mayVote refuses who is no approver, whatever the charter says of them.
func (c *Control) mayVote(who Caller) error {
	return c.decide(who, authz.RequestVote, authz.Resource{Kind: authz.ResourceRequest, ID: genesisDraft}, "")
}

// beginPossession asks for a signature over a charter's hash by a key of the
// caller's that the charter names and that want still misses.
func (c *Control) beginPossession(ctx context.Context, who Caller, ch *charter.Charter, hash [32]byte, want func(key string) bool) (out wire.VoteOptions, err error) {
	party, user, _, err := c.passkeyParty(ctx, who)
	if err != nil {
		return out, err
	}
	user.Credentials = slices.DeleteFunc(user.Credentials, func(k passkey.Credential) bool {
		owner, _, ok := ch.Key(k.ID)
		return !ok || owner.ID != who.ID() || !want(charter.PasskeyID(k.ID))
	})
	if len(user.Credentials) == 0 {
		return out, newError(wire.TypeConflict, nil, "The charter asks for no further signature of yours.")
	}
	var nonce warrant.Nonce
	rand.Read(nonce[:])
	options, state, err := party.BeginAssertion(user, passkey.Challenge(warrant.PossessionChallenge(nonce, hash)))
	if err != nil {
		return out, wrap(err)
	}
	begun, err := c.begun(ctx, ceremonyPossession, who.Session.Handle, slices.Concat(nonce[:], hash[:], state), options)
	return wire.VoteOptions{PasskeyOptions: begun, Nonce: fmt.Sprintf("%x", nonce), Digest: digestText(hash)}, err
}

func (c *Control) finishPossession(ctx context.Context, who Caller, in wire.PasskeyAnswer) (a passkey.Assertion, f authz.Factor, nonce warrant.Nonce, hash [32]byte, err error) {
	kept, response, err := c.finished(ctx, ceremonyPossession, who.Session.Handle, in)
	if err != nil {
		return a, f, nonce, hash, err
	}
	if len(kept) < len(nonce)+len(hash) {
		return a, f, nonce, hash, wrap(authz.ErrInvalid)
	}
	copy(nonce[:], kept)
	copy(hash[:], kept[len(nonce):])
	a, f, err = c.assert(ctx, who, passkey.Challenge(warrant.PossessionChallenge(nonce, hash)), kept[len(nonce)+len(hash):], response)
	return a, f, nonce, hash, err
}

func proofsOf(byKey map[string][]byte) (out []charter.Proof) {
	for key, evidence := range byKey {
		out = append(out, charter.Proof{Key: key, Evidence: evidence})
	}
	slices.SortFunc(out, func(a, b charter.Proof) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func approverActor(a charter.Approver) wire.Actor {
	return wire.Actor{Kind: "staff", ID: a.ID, Name: a.Name, Team: a.Team}
}

func actors(approvers []charter.Approver) (out []wire.Actor) {
	for _, a := range approvers {
		out = append(out, approverActor(a))
	}
	return out
}

// refusedCharter names the case in which a charter is refused.
func refusedCharter(err error) error {
	var invalid *charter.InvalidError
	if errors.As(err, &invalid) {
		return newError(wire.TypeCharterRefused, err, "%s: %s", invalid.Case, invalid.Detail)
	}
	if errors.Is(err, charter.ErrMalformed) || errors.Is(err, charter.ErrVersion) {
		return newError(wire.TypeCharterRefused, err, "This is no charter's text: %v.", err)
	}
	return wrap(err)
}
