package site

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
)

// supported are the actions that a site does itself. Everything else is the control plane's.
func supported(a statement.Action) bool {
	switch a {
	case statement.DeleteCopies, statement.DestroyKey, statement.ReleaseHold, statement.LiftFreeze, statement.EndSuspension,
		statement.ShortenUndo, statement.ShortenRetention, statement.CloseTenant, statement.DetachSite:
		return true
	}
	return false
}

func statementOf(w row) (statement.Statement, error) {
	x, err := warrant.Parse(w.warrant)
	if err != nil {
		return statement.Statement{}, err
	}
	if sha256.Sum256(x.Statement) != w.Statement {
		return statement.Statement{}, fmt.Errorf("%w: the stored warrant is not what was seen first", ErrConflict)
	}
	return statement.Parse(x.Statement)
}

func targetsOf(w row, site string) (out []string, err error) {
	st, err := statementOf(w)
	for _, c := range st.At(site) {
		out = append(out, c.Snapshot)
	}
	return out, err
}

// verify is the stranger's check with this site's charters and log. The log was followed just before.
func (p *Primary) verify(ctx context.Context, text []byte) (warrant.Verified, error) {
	w, err := warrant.Parse(text)
	if err != nil {
		return warrant.Verified{}, err
	}
	var cs warrant.Charters
	var view warrant.LogView
	var mine audit.Checkpoint
	counters := map[string]uint32{}
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		g, err := readGate(ctx, tx)
		if err != nil {
			return err
		}
		if !g.followed {
			return fmt.Errorf("%w: nothing was read of it", ErrLog)
		}
		mine = g.replay.Checkpoint()
		all, err := allCharters(ctx, tx)
		if err != nil {
			return err
		}
		cs.Newest = all[len(all)-1].c
		named, err := charterAt(ctx, tx, w.CharterNumber)
		if err != nil || w.CharterNumber == 0 {
			return errors.Join(err, ErrCharter)
		}
		cs.Named = named.c
		view.InForceAt = func(person string, id []byte) time.Time { return inForceAt(all, person, id) }
		if view.Suspended, err = suspendedPeople(ctx, tx); err != nil {
			return err
		}
		for _, b := range w.Votes {
			if b.Proof.Passkey == nil {
				continue
			}
			var count int64
			if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(count), 0) FROM gate_counters WHERE credential = $1 AND leaf < $2`,
				b.Proof.Passkey.CredentialID, b.Record.Index).Scan(&count); err != nil {
				return err
			}
			counters[fmt.Sprintf("%x %d", b.Proof.Passkey.CredentialID, b.Record.Index)] = uint32(count)
		}
		return nil
	})
	if err != nil {
		return warrant.Verified{}, err
	}
	view.Counter = func(id []byte, before int64) uint32 { return counters[fmt.Sprintf("%x %d", id, before)] }
	view.Consistent = func(c audit.Checkpoint) error { return p.consistent(ctx, mine, c) }
	return warrant.Verify(w, cs, view)
}

// consistent proves that a warrant's checkpoint is of the log that this site has replayed.
func (p *Primary) consistent(ctx context.Context, mine, theirs audit.Checkpoint) error {
	if theirs.Size > mine.Size || theirs.Origin != mine.Origin {
		return fmt.Errorf("%w: the warrant is ahead of what was read", ErrLog)
	}
	proof, err := audit.ProveConsistency(ctx, mine.Size, theirs.Size, audit.SourceHashes(p.c.Log, mine))
	if err != nil {
		return err
	}
	return audit.VerifyConsistency(theirs, mine, proof)
}

// Deliver implements Site.
func (p *Primary) Deliver(ctx context.Context, text []byte) (Receipt, error) {
	if len(text) > warrant.MaxWarrantBytes {
		return Receipt{}, fmt.Errorf("%w: a warrant of %d bytes", ErrBound, len(text))
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	if err := p.followNewest(ctx); err != nil {
		return Receipt{}, err
	}
	v, err := p.verify(ctx, text)
	if err != nil {
		return Receipt{}, errors.Join(err, p.refused(ctx, "a warrant was refused", err))
	}
	st := v.Statement()
	if !supported(st.Action) {
		return Receipt{}, fmt.Errorf("%w: %s", ErrUnsupported, st.Action)
	}
	if st.Action == statement.DeleteCopies && len(st.At(p.c.Name)) == 0 {
		return Receipt{}, fmt.Errorf("%w: the statement names no copy here", ErrUnsupported)
	}
	cooling, _, err := v.Cooling(p.c.Name)
	if err != nil {
		return Receipt{}, err
	}
	reading, err := p.c.Clock.Read(ctx)
	if err != nil {
		return Receipt{}, err
	}
	lost := p.lostQuorum(ctx, st.Request)
	var out row
	err = p.change(ctx, false, func(tx *sqldb.Tx, g *gate) error {
		old, err := rowOf(ctx, tx, st.Request)
		if err == nil {
			if out = old; old.Statement != v.Digest() {
				return errors.Join(ErrConflict, alarm(ctx, tx, p.now(), "warrant", "another statement for request "+st.Request))
			}
			if !lost || old.State != Cooling {
				return nil
			}
			// A quorum that was lost and found again waits in full.
			out.warrant, out.CoolingEndedAt, out.CoolingLeft = text, time.Time{}, cooling
			out.cooling, _ = clock.NewTimer(cooling).Tick(reading, clock.Rule{Frozen: true})
			if _, err := tx.Exec(ctx, `UPDATE gate_warrants SET warrant = $1 WHERE request = $2`, text, out.Request); err != nil {
				return err
			}
			return out.store(ctx, tx)
		}
		if !errors.Is(err, ErrUnknownRequest) {
			return err
		}
		if spent, err := isSpent(ctx, tx, st.Request); err != nil || spent {
			return errors.Join(err, ErrTooLate)
		}
		out = row{Receipt: Receipt{Request: st.Request, Tenant: st.Tenant.ID, Action: string(st.Action), Statement: v.Digest(), State: Cooling,
			FirstSeenAt: reading.Wall.UTC().Truncate(time.Microsecond), CoolingLeft: cooling}, warrant: text, cooling: clock.NewTimer(cooling)}
		for _, c := range st.At(p.c.Name) {
			out.Copies++
			out.Bytes += c.Bytes
		}
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		rule, err := p.rule(ctx, tx, newest.c.Clocks, out)
		if err != nil {
			return err
		}
		out.cooling, _ = out.cooling.Tick(reading, rule)
		if err := out.insert(ctx, tx); err != nil {
			return err
		}
		if err := p.speak(ctx, tx, out, audit.KindRequestSeen, "", nil); err != nil {
			return err
		}
		// Stops may have come before the warrant.
		stops, err := p.stopsOf(ctx, tx, newest.c, st.Request)
		if err != nil {
			return err
		}
		for _, s := range stops {
			if s.Concerns(out.Request, out.Tenant, out.Statement) {
				if err := p.apply(ctx, tx, &out, s, false); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	out.Site = p.c.Name
	return p.waiting(out.Receipt), p.say(ctx)
}

// lostQuorum says whether the votes of the warrant that was seen first are no quorum any more: people were removed or
// suspended since. Only then does another warrant of the same statement take its place.
func (p *Primary) lostQuorum(ctx context.Context, request string) bool {
	old, err := p.load(ctx, request)
	if err != nil || old.State != Cooling {
		return false
	}
	_, err = p.verify(ctx, old.warrant)
	return errors.Is(err, warrant.ErrQuorum)
}

// refused keeps an alarm of something that should not have come this far.
func (p *Primary) refused(ctx context.Context, what string, cause error) error {
	p.c.Logger.Warn(what, "error", cause)
	return p.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return alarm(ctx, tx, p.now(), "refused", what+": "+cause.Error()) })
}

func (p *Primary) waiting(r Receipt) Receipt {
	r.Site = p.c.Name
	switch {
	case r.Waiting != "":
	case r.State == Cooling && r.CoolingEndedAt.IsZero():
		r.Waiting = "cooling"
	case r.State == Tombstoned && r.GraceEndedAt.IsZero():
		r.Waiting = "grace"
	case r.State == Erasing:
		r.Waiting = "retry"
	case !r.State.Final():
		r.Waiting = "log"
	}
	return r
}

// Status implements Site.
func (p *Primary) Status(ctx context.Context, request string) (Receipt, error) {
	var w row
	err := p.read(ctx, func(tx *sqldb.Tx) (err error) {
		w, err = rowOf(ctx, tx, request)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	if w.nonce != ([32]byte{}) && w.person == "" {
		w.ReleaseNonce = w.nonce[:]
	}
	return p.waiting(w.Receipt), nil
}

// Pending implements Site.
func (p *Primary) Pending(ctx context.Context) (out []Receipt, err error) {
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		list, err := rowsIn(ctx, tx, `WHERE state IN ('cooling', 'tombstoned', 'erasing') ORDER BY first_seen, request`)
		for _, w := range list {
			out = append(out, p.waiting(w.Receipt))
		}
		return err
	})
	return out, err
}

// Release implements Site. The proof is verified when the permit is minted, over the nonce that was shown.
func (p *Primary) Release(ctx context.Context, request, person, proof string) (Receipt, error) {
	parsed, err := warrant.ParseProof(proof)
	if err != nil || parsed.Passkey == nil {
		return Receipt{}, errors.Join(warrant.ErrRelease, err)
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	var w row
	err = p.change(ctx, false, func(tx *sqldb.Tx, g *gate) (err error) {
		if w, err = rowOf(ctx, tx, request); err != nil {
			return err
		}
		if w.State != Cooling || w.nonce == ([32]byte{}) {
			return fmt.Errorf("%w: nothing was asked for", warrant.ErrRelease)
		}
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		owner, _, ok := newest.c.Key(parsed.Passkey.CredentialID)
		if !ok || owner.ID != person {
			return fmt.Errorf("%w: %w", warrant.ErrRelease, warrant.ErrUnknownKey)
		}
		w.person, w.proof = person, proof
		return w.store(ctx, tx)
	})
	return p.waiting(w.Receipt), err
}

func freshNonce() (n [32]byte) {
	rand.Read(n[:])
	return n
}
