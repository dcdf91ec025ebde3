package control

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
)

// apply carries out, in tx, a gated action that hides no copy, after the site has
// verified its warrant and applied its own part. The stored evidence, not the
// folded state, was what the site verified.
func (c *Control) apply(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	r, err := quorumsql.Record(ctx, tx, r, quorum.ActionApplied{Digest: r.State.Digest, At: at})
	if err != nil {
		return err
	}
	switch s.Action {
	case statement.ChangeCharter:
		return c.applyCharter(ctx, tx, r, s, at)
	case statement.ReleaseHold:
		return c.applyReleaseHold(ctx, tx, r, s, at)
	case statement.LiftFreeze:
		return c.applyLiftFreeze(ctx, tx, r, s, at)
	case statement.EndSuspension:
		return c.applyEndSuspension(ctx, tx, r, s, at)
	case statement.ResetFactor:
		return c.applyResetFactor(ctx, tx, r, s, at)
	case statement.ShortenRetention, statement.ShortenUndo:
		return c.applyShortened(ctx, tx, r, s, at)
	case statement.DetachSite:
		return c.applyDetachSite(ctx, tx, r, s, at)
	case statement.CloseTenant:
		tenant := mustTenant(s.Tenant.ID)
		if err := c.Accounts.CloseTenant(ctx, tx, tenant, r.ID(), at); err != nil {
			return err
		}
		return c.logTransition(ctx, tx, audit.KindTenantClosed, r, at, nil)
	}
	return fmt.Errorf("control: nothing applies %s", s.Action)
}

// applyHere carries out an action in which no site has a part. What the site
// would do is done here: the evidence is verified from its first byte.
func (c *Control) applyHere(ctx context.Context, request string, s statement.Statement) error {
	text, err := c.warrant(ctx, request)
	if err != nil {
		return err
	}
	w, err := warrant.Parse(text)
	if err != nil {
		return err
	}
	at := c.now()
	return c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		r, err := quorumsql.LockRequest(ctx, tx, request)
		if err != nil || r.State.Phase.Ended() {
			return err
		}
		if err := r.State.Ready(at); err != nil {
			return err
		}
		_, newest, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		_, named, err := quorumsql.CharterAt(ctx, tx, s.Charter.Number)
		if err != nil {
			return err
		}
		suspended, err := quorumsql.Suspended(ctx, tx)
		if err != nil {
			return err
		}
		verified, err := warrant.Verify(w, warrant.Charters{Named: named, Newest: newest}, warrant.LogView{Suspended: suspended})
		if err != nil {
			return err
		}
		if verified.Digest() != r.State.Digest {
			return quorum.ErrDigest
		}
		return c.apply(ctx, tx, r, s, at)
	})
}

// applyCharter verifies the succession again, from the votes themselves, and puts
// the next charter in force.
func (c *Control) applyCharter(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	g, err := c.proposal(ctx, tx, r.ID())
	if err != nil {
		return err
	}
	next, err := c.succession(ctx, tx, r, g)
	if err != nil {
		return err
	}
	suspended, err := quorumsql.Suspended(ctx, tx)
	if err != nil {
		return err
	}
	verified, err := charter.VerifySuccession(ch, next, warrant.CharterVerifier{}, charter.Options{Now: at, Suspended: suspended})
	if err != nil {
		return refusedCharter(err)
	}
	return c.sealCharter(ctx, tx, next, verified, r.ID(), at)
}

// succession is a proposed charter with the votes that were cast on it.
func (c *Control) succession(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, g genesis) (charter.Signed, error) {
	next := charter.Signed{Text: []byte(g.Text), Statement: r.Statement, Proofs: proofsOf(g.Proofs)}
	ballots, err := quorumsql.Ballots(ctx, tx, r.ID())
	if err != nil {
		return next, err
	}
	for _, b := range ballots {
		if b.Decision != quorum.Approve || b.Proof.Passkey == nil {
			continue
		}
		vote, err := warrant.EncodeVote(b.Person, warrant.Approve, *b.Proof.Passkey)
		if err != nil {
			return next, err
		}
		next.Votes = append(next.Votes, vote)
	}
	return next, nil
}

func (c *Control) applyReleaseHold(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	hold := s.Subjects[0].ID
	if err := quorumsql.ReleaseHold(ctx, tx, hold, r.ID(), at); err != nil {
		return err
	}
	if err := c.eachLive(ctx, tx, s.Tenant.ID, func(other quorumsql.Request) error {
		_, err := quorumsql.Record(ctx, tx, other, quorum.HoldReleased{Hold: hold, At: at})
		if isAny(err, quorum.ErrPhase) {
			return nil // the hold did not concern it
		}
		return err
	}); err != nil {
		return err
	}
	return c.logTransition(ctx, tx, audit.KindHoldReleased, r, at, map[string]string{"hold": hold})
}

func (c *Control) applyLiftFreeze(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	freeze := s.Subjects[0].ID
	if err := quorumsql.EndStop(ctx, tx, freeze, r.ID(), at); err != nil {
		return err
	}
	if err := c.eachLive(ctx, tx, s.Tenant.ID, func(other quorumsql.Request) error {
		_, err := quorumsql.Record(ctx, tx, other, quorum.FreezeLifted{Stop: freeze, At: at})
		if isAny(err, quorum.ErrPhase) {
			return nil
		}
		return err
	}); err != nil {
		return err
	}
	e := entry{kind: audit.KindThaw, tenant: s.Tenant.ID, subject: r.ID(), body: map[string]string{
		"request": r.ID(), "tenant": s.Tenant.ID, "freeze": freeze, "statement": digestText(r.State.Digest),
	}}
	if s.Tenant.ID == "" {
		e.facts = audit.EverywhereFacts()
	}
	_, err := c.record(ctx, tx, at, e)
	return err
}

func (c *Control) applyEndSuspension(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	if err := quorumsql.EndStop(ctx, tx, s.Subjects[0].ID, r.ID(), at); err != nil {
		return err
	}
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	if err := c.tighten(ctx, tx, ch, at); err != nil {
		return err
	}
	return c.logTransition(ctx, tx, audit.KindApproverReinstate, r, at, map[string]string{"suspension": s.Subjects[0].ID})
}

// applyResetFactor takes every factor of a person away. The ticket to enrol again
// is shown to whoever asks for it with the operator's credential: its secret is
// never stored.
func (c *Control) applyResetFactor(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	personID, err := parsePerson(s.Subjects[0].ID)
	if err != nil {
		return err
	}
	p, err := c.Accounts.Person(ctx, tx, personID)
	if err != nil {
		return err
	}
	if err := c.Accounts.ResetFactors(ctx, tx, personID, r.ID(), at); err != nil {
		return err
	}
	if err := c.Accounts.Post(ctx, tx, personID, "factors-reset", "every second factor was reset by "+r.ID(), at); err != nil {
		return err
	}
	_, err = c.record(ctx, tx, at, c.accountEntry(Caller{Principal: authz.Principal{Kind: authz.KindSystem, System: "request " + r.ID()}},
		audit.KindFactorReset, p, map[string]string{"request": r.ID(), "event": strconv.FormatInt(int64(r.State.Events), 10)}))
	return err
}
