package site

import (
	"context"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum/charter"
	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
)

const clockWord = "clock: clocks contradicted each other"

// rule is what holds for the timers of a warrant: a freeze or a hold stops them.
func (p *Primary) rule(ctx context.Context, tx *sqldb.Tx, clocks int, w row) (clock.Rule, error) {
	r := clock.Rule{Clocks: clocks}
	switch statement.Action(w.Action) {
	case statement.ReleaseHold, statement.LiftFreeze, statement.EndSuspension:
		return r, nil // these end holds and freezes
	}
	over, err := stopsOver(ctx, tx, w.Tenant)
	if err != nil {
		return r, err
	}
	if r.Frozen = over.frozen || over.all; r.Frozen || len(over.volumes) == 0 {
		return r, nil
	}
	st, err := statementOf(w)
	for _, v := range over.volumes {
		for _, c := range st.At(p.c.Name) {
			r.Frozen = r.Frozen || c.Volume == v
		}
		for _, u := range st.Subjects {
			r.Frozen = r.Frozen || u.ID == v
		}
	}
	return r, err
}

// accrue brings every timer to a reading. A jump of the clocks suspends destruction until ResumeClock.
func (p *Primary) accrue(ctx context.Context, tx *sqldb.Tx, g *gate, c *charter.Charter, r clock.Reading) (matured []string, jump bool, err error) {
	tick := func(t clock.Timer, rule clock.Rule) clock.Timer {
		t, v := t.Tick(r, rule)
		jump = jump || v == clock.Jump
		return t
	}
	g.clock = tick(g.clock, clock.Rule{Clocks: c.Clocks})
	list, err := rowsIn(ctx, tx, `WHERE state IN ('cooling', 'tombstoned') ORDER BY request`)
	if err != nil {
		return nil, false, err
	}
	for _, w := range list {
		rule, err := p.rule(ctx, tx, c.Clocks, w)
		if err != nil {
			return nil, false, err
		}
		switch {
		case w.State == Cooling:
			w.cooling = tick(w.cooling, rule)
			if w.cooling.Done() && w.CoolingEndedAt.IsZero() {
				w.CoolingEndedAt = r.Wall.UTC()
				matured = append(matured, w.Request)
			}
		case w.State == Tombstoned:
			w.cooling, w.grace = tick(w.cooling, rule), tick(w.grace, rule)
			if w.grace.Done() && w.GraceEndedAt.IsZero() {
				w.GraceEndedAt = r.Wall.UTC()
				matured = append(matured, w.Request)
			}
		}
		if err := w.store(ctx, tx); err != nil {
			return nil, false, err
		}
	}
	if jump && g.suspended == "" {
		g.suspended = clockWord
		err = alarm(ctx, tx, p.now(), "clock", "clocks contradicted each other; destruction is suspended")
	}
	return matured, jump, err
}

// Tick implements Site.
func (p *Primary) Tick(ctx context.Context) (TickReport, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	reading, err := p.c.Clock.Read(ctx) // in turn: an erasure may have kept the turn for long
	if err != nil {
		return TickReport{}, err
	}
	var out TickReport
	err = p.change(ctx, true, func(tx *sqldb.Tx, g *gate) (err error) {
		out = TickReport{}
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		out.Matured, out.Jump, err = p.accrue(ctx, tx, g, newest.c, reading)
		out.Suspended = g.suspended
		return err
	})
	return out, err
}

// ResumeClock ends a suspension that contradicting clocks caused, if they agree again as the charter demands. It never
// credits time. Who stands at the site's keyboard calls it.
func (p *Primary) ResumeClock(ctx context.Context) error {
	reading, err := p.c.Clock.Read(ctx)
	if err != nil {
		return err
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	return p.change(ctx, false, func(tx *sqldb.Tx, g *gate) error {
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		if g.suspended != "" && g.suspended != clockWord {
			return fmt.Errorf("%w: %s", ErrSuspended, g.suspended)
		}
		resume := func(t clock.Timer, rule clock.Rule) (clock.Timer, error) {
			t, ok := t.Resume(reading, rule)
			if !ok {
				return t, fmt.Errorf("%w: the clocks do not agree", ErrSuspended)
			}
			return t, nil
		}
		if g.clock, err = resume(g.clock, clock.Rule{Clocks: newest.c.Clocks}); err != nil {
			return err
		}
		list, err := rowsIn(ctx, tx, `WHERE state IN ('cooling', 'tombstoned') ORDER BY request`)
		if err != nil {
			return err
		}
		for _, w := range list {
			rule, err := p.rule(ctx, tx, newest.c.Clocks, w)
			if err != nil {
				return err
			}
			if w.cooling, err = resume(w.cooling, rule); err != nil {
				return err
			}
			if w.grace.Need > 0 {
				if w.grace, err = resume(w.grace, rule); err != nil {
					return err
				}
			}
			if err := w.store(ctx, tx); err != nil {
				return err
			}
		}
		g.suspended = ""
		return nil
	})
}
