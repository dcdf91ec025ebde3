package site

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots/sweep"
)

// errMoved means that the site's state has changed since the warrant was verified: verify again.
var errMoved = errors.New("site: changed meanwhile")

// Advance implements Site. Whatever is stored as the state, the evidence is verified again from its first byte, with the
// newest charter and log, and the permit is minted under the lock, in the transaction that uses it.
func (p *Primary) Advance(ctx context.Context, request string) (Receipt, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	w, err := p.load(ctx, request)
	if err != nil {
		return Receipt{}, err
	}
	if w.State.Final() {
		return p.waiting(w.Receipt), nil
	}
	if w.State == Erasing {
		return p.finish(ctx, w)
	}
	if err := p.followNewest(ctx); err != nil {
		w.Waiting, w.Detail = "log", err.Error()
		return p.waiting(w.Receipt), err
	}
	for try := 1; ; try++ {
		w, err = p.advance(ctx, request)
		if !errors.Is(err, errMoved) || try == maxTries {
			break
		}
	}
	if err != nil {
		return p.refusal(ctx, w, err)
	}
	if err := p.say(ctx); err != nil {
		return p.waiting(w.Receipt), err
	}
	if w.State == Erasing {
		return p.finish(ctx, w)
	}
	return p.waiting(w.Receipt), nil
}

func (p *Primary) load(ctx context.Context, request string) (w row, err error) {
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		w, err = rowOf(ctx, tx, request)
		return err
	})
	return w, err
}

// advance takes the one step that is due.
func (p *Primary) advance(ctx context.Context, request string) (w row, err error) {
	var generation int64
	if err := p.read(ctx, func(tx *sqldb.Tx) error {
		g, err := readGate(ctx, tx)
		if err != nil {
			return err
		}
		generation = g.generation
		w, err = rowOf(ctx, tx, request)
		return err
	}); err != nil {
		return w, err
	}
	if w.State.Final() {
		return w, nil
	}
	if _, err := statementOf(w); err != nil {
		return w, err
	}
	v, err := p.verify(ctx, w.warrant)
	if err != nil {
		return w, err
	}
	if v.Digest() != w.Statement || v.Statement().Request != w.Request {
		return w, fmt.Errorf("%w: %w", ErrConflict, warrant.ErrDigest)
	}
	reading, err := p.c.Clock.Read(ctx)
	if err != nil {
		return w, fmt.Errorf("%w: %w", warrant.ErrClock, err)
	}
	held := w
	err = p.change(ctx, false, func(tx *sqldb.Tx, g *gate) error {
		if g.generation != generation {
			return errMoved
		}
		if g.suspended != "" {
			return fmt.Errorf("%w: %s", ErrSuspended, g.suspended)
		}
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		if w, err = rowOf(ctx, tx, request); err != nil {
			return err
		}
		if err := p.fresh(g.clock, reading, newest.c.Clocks); err != nil {
			return err
		}
		return p.due(ctx, tx, g, newest.c, &w, v, reading)
	})
	if err != nil {
		return held, err
	}
	return w, nil
}

// fresh refuses to act on clocks that were not looked at just now, or that contradict the last look.
func (p *Primary) fresh(t clock.Timer, r clock.Reading, clocks int) error {
	if t.Last.BootID == "" || t.Suspended {
		return fmt.Errorf("%w: no tick of the clocks yet, or a jump", warrant.ErrClock)
	}
	if _, v := t.Tick(r, clock.Rule{Clocks: clocks}); v == clock.Jump {
		return fmt.Errorf("%w: a jump", warrant.ErrClock)
	}
	if r.Wall.Sub(t.Last.Wall) > maxStale {
		return fmt.Errorf("%w: the last tick is too old", warrant.ErrClock)
	}
	return nil
}

// due does what is due in one transaction, or changes nothing but what it has to ask for first.
func (p *Primary) due(ctx context.Context, tx *sqldb.Tx, g *gate, c *charter.Charter, w *row, v warrant.Verified, r clock.Reading) error {
	st := v.Statement()
	stage := warrant.StageApply
	switch {
	case w.State == Tombstoned:
		stage = warrant.StageErase
	case st.Action == statement.DeleteCopies, st.Action == statement.DestroyKey:
		stage = warrant.StageTombstone
	}
	if asked, err := p.ask(ctx, tx, c, w, st, stage); err != nil || asked {
		return err
	}
	f, err := p.facts(ctx, tx, *g, c, *w, v, stage, r.Wall)
	if err != nil {
		return err
	}
	permit, err := warrant.Authorise(v, f, r)
	if err != nil {
		return err
	}
	if err := p.step(stage.String()); err != nil {
		return err
	}
	list, err := targetsOf(*w, p.c.Name)
	if err != nil {
		return err
	}
	switch stage {
	case warrant.StageTombstone:
		if err := p.hide(ctx, tx, permit, st); err != nil {
			return err
		}
		if err := g.spend(ctx, tx, *w, r.Wall); err != nil {
			return err
		}
		_, grace, err := v.Cooling(p.c.Name)
		if err != nil {
			return err
		}
		w.State, w.TombstonedAt, w.GraceLeft = Tombstoned, r.Wall.UTC(), grace
		w.grace, _ = clock.NewTimer(grace).Tick(r, clock.Rule{Clocks: c.Clocks})
		if err := p.speak(ctx, tx, *w, audit.KindRequestTombstoned, "", list); err != nil {
			return err
		}
	case warrant.StageErase:
		if err := p.drop(ctx, tx, permit, st); err != nil {
			return err
		}
		w.State = Erasing
	case warrant.StageApply:
		if err := p.applied(ctx, tx, c, permit, st); err != nil {
			return err
		}
		if err := g.spend(ctx, tx, *w, r.Wall); err != nil {
			return err
		}
		w.State, w.FinishedAt = Applied, r.Wall.UTC()
	}
	return w.store(ctx, tx)
}

// hide tombstones what the permit names: copies, or a key set.
func (p *Primary) hide(ctx context.Context, tx *sqldb.Tx, permit warrant.Permit, st statement.Statement) error {
	if st.Action != statement.DestroyKey {
		return p.c.Sweep.Tombstone(ctx, tx, permit)
	}
	commitment, _ := st.Hash("commitment")
	tx.AfterCommit(func() { p.c.Sweep.ForgetKeys(st.Tenant.ID) })
	return p.c.Sweep.DisableKey(ctx, tx, permit, commitment)
}

// drop decides the erasure of what was hidden.
func (p *Primary) drop(ctx context.Context, tx *sqldb.Tx, permit warrant.Permit, st statement.Statement) error {
	if st.Action != statement.DestroyKey {
		return p.c.Sweep.Drop(ctx, tx, permit)
	}
	commitment, _ := st.Hash("commitment")
	return p.c.Sweep.DropKey(ctx, tx, permit, commitment)
}

// ask announces the tombstone in the log, and makes the nonce that an independent site wants answered, once the
// cooling-off has ended. It reports whether it asked for something just now: the answer comes with a later call.
func (p *Primary) ask(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, w *row, st statement.Statement, stage warrant.Stage) (bool, error) {
	if w.State != Cooling || !w.cooling.Done() || w.CoolingEndedAt.IsZero() {
		return false, nil
	}
	asked := false
	if line, _ := c.Site(p.c.Name); line.Role == charter.Independent && w.nonce == ([32]byte{}) {
		w.nonce = freshNonce()
		w.ReleaseNonce = w.nonce[:]
		asked = true
	}
	if stage == warrant.StageTombstone {
		var n int64
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM gate_events WHERE request = $1 AND kind = $2`, w.Request, string(audit.KindRequestIntent)).Scan(&n); err != nil {
			return false, err
		}
		if n == 0 {
			list, err := targetsOf(*w, p.c.Name)
			if err != nil {
				return false, err
			}
			if err := p.speak(ctx, tx, *w, audit.KindRequestIntent, stage.String(), list); err != nil {
				return false, err
			}
			asked = true
		}
	}
	if !asked {
		return false, nil
	}
	w.Waiting = "intent"
	return true, w.store(ctx, tx)
}

// applied does a gated action that has no tombstone. The permit's subjects are what people signed.
func (p *Primary) applied(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, permit warrant.Permit, st statement.Statement) error {
	if err := permit.Check(p.c.Name, warrant.StageApply, p.now()); err != nil {
		return err
	}
	kind, subject := "", ""
	switch st.Action {
	case statement.ShortenRetention:
		return p.shortenRetention(ctx, tx, permit, st)
	case statement.ShortenUndo:
		return p.shortenUndo(ctx, tx, c, permit, st)
	case statement.CloseTenant:
		return p.closeTenant(ctx, tx, permit, st)
	case statement.DetachSite:
		return p.detachSite(ctx, tx, c, permit, st)
	case statement.ReleaseHold:
		kind, subject = "hold", "hold"
	case statement.LiftFreeze:
		kind, subject = "freeze", "freeze"
	case statement.EndSuspension:
		kind, subject = "suspend", "suspension"
	default:
		return fmt.Errorf("%w: %s", ErrUnsupported, st.Action)
	}
	// A statement without a tenant is about everywhere; a tenant's warrant ends nothing of another's.
	tenant := st.Tenant.ID
	if tenant == "" && kind == "freeze" {
		tenant = warrant.Everywhere
	}
	u, ok := st.Subject(subject)
	if !ok {
		return fmt.Errorf("%w: no %s", ErrUnsupported, subject)
	}
	n, err := tx.Exec(ctx, `UPDATE gate_stops SET ended_by = $1, ended_at = $2 WHERE id = $3 AND kind = $4 AND ended_by = '' AND tenant = $5`,
		permit.Request(), sqldb.Micros(p.now()), u.ID, kind, tenant)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: no %s %s is in force here", warrant.ErrInventory, kind, u.ID)
	}
	return err
}

// finish completes an erasure that was decided. Nothing can stop it any more, and nothing else is touched by it.
func (p *Primary) finish(ctx context.Context, w row) (Receipt, error) {
	result, err := p.c.Sweep.Finish(ctx, w.Request)
	if err != nil {
		w.Waiting, w.Detail = "retry", err.Error()
		if errors.Is(err, sweep.ErrBusy) || errors.Is(err, sweep.ErrSuspended) {
			err = nil
		}
		return p.waiting(w.Receipt), err
	}
	err = p.change(ctx, false, func(tx *sqldb.Tx, g *gate) (err error) {
		if w, err = rowOf(ctx, tx, w.Request); err != nil || w.State != Erasing {
			return err
		}
		w.State, w.FinishedAt, w.ErasedBytes = Erased, p.now(), uint64(max(0, result.Bytes))
		list, err := targetsOf(w, p.c.Name)
		if err != nil {
			return err
		}
		if err := p.speak(ctx, tx, w, audit.KindRequestErased, "", list); err != nil {
			return err
		}
		return w.store(ctx, tx)
	})
	if err != nil {
		return p.waiting(w.Receipt), err
	}
	return p.waiting(w.Receipt), p.say(ctx)
}

// refusal says what a request waits for. What time or people will bring is no error; everything else is one, and alarms.
func (p *Primary) refusal(ctx context.Context, w row, err error) (Receipt, error) {
	words := []struct {
		err  error
		word string
		wait bool
	}{
		{warrant.ErrStopped, "stopped", true}, {warrant.ErrHeld, "hold", true}, {warrant.ErrFrozen, "freeze", true},
		{warrant.ErrWitnesses, "witnesses", true}, {warrant.ErrRelease, "release", true}, {warrant.ErrClock, "clock", true},
		{warrant.ErrNotDue, "log", true}, {warrant.ErrCaps, "caps", false}, {warrant.ErrLastCopy, "last-copy", false},
		{warrant.ErrInventory, "inventory", false}, {sweep.ErrRefused, "inventory", false}, {warrant.ErrLate, "late", false},
		{warrant.ErrSpent, "spent", false}, {warrant.ErrCharter, "charter", false}, {warrant.ErrQuorum, "votes", false},
		{ErrMarks, "marks", false}, {ErrSuspended, "clock", false}, {errMoved, "retry", true},
	}
	w.Waiting, w.Detail = "evidence", err.Error()
	for _, x := range words {
		if !errors.Is(err, x.err) {
			continue
		}
		w.Waiting = x.word
		if x.wait {
			if x.word == "log" && w.State == Cooling && w.CoolingEndedAt.IsZero() {
				w.Waiting = "cooling"
			}
			if x.word == "log" && w.State == Tombstoned && w.GraceEndedAt.IsZero() {
				w.Waiting = "grace"
			}
			if w.nonce != ([32]byte{}) && w.person == "" {
				w.ReleaseNonce = w.nonce[:]
			}
			return p.waiting(w.Receipt), nil
		}
		break
	}
	return p.waiting(w.Receipt), errors.Join(err, p.refused(ctx, "request "+w.Request+" is refused", err))
}
