package site

import (
	"context"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/sweep"
)

var _ sweep.Guard = (*Primary)(nil)

// MaySweep implements sweep.Guard: nothing is taken without a charter, under a freeze, while destruction is suspended,
// while the marks disagree, or when the clocks were not looked at just now.
func (p *Primary) MaySweep(ctx context.Context, tx *sqldb.Tx, tenant string) (sweep.Leave, error) {
	g, err := readGate(ctx, tx)
	if err != nil {
		return sweep.Leave{}, err
	}
	if g.suspended != "" {
		return sweep.Leave{}, fmt.Errorf("%w: %s", ErrSuspended, g.suspended)
	}
	if err := p.compare(ctx, tx, g); err != nil {
		return sweep.Leave{}, err
	}
	newest, err := charterAt(ctx, tx, 0)
	if err != nil {
		return sweep.Leave{}, err
	}
	line, ok := newest.c.Site(p.c.Name)
	if !ok {
		return sweep.Leave{}, fmt.Errorf("%w: it does not name this site", ErrCharter)
	}
	reading, err := p.c.Clock.Read(ctx)
	if err != nil {
		return sweep.Leave{}, err
	}
	if err := p.fresh(g.clock, reading, newest.c.Clocks); err != nil {
		return sweep.Leave{}, err
	}
	if !reading.Agrees(newest.c.Clocks) {
		return sweep.Leave{}, fmt.Errorf("%w: too few outside clocks agree", ErrSuspended)
	}
	over, err := stopsOver(ctx, tx, tenant)
	if err != nil {
		return sweep.Leave{}, err
	}
	if over.frozen {
		return sweep.Leave{}, fmt.Errorf("%w: frozen", ErrSuspended)
	}
	return sweep.Leave{Now: reading.Wall.UTC(), Undo: newest.c.Undo, HeldAll: over.all, HeldVolumes: over.volumes, DayBytes: line.Caps.DayBytes}, nil
}

// Reclaim takes what nothing needs of one tenant, with this site as the guard.
func (p *Primary) Reclaim(ctx context.Context, tenant string) (sweep.Result, error) {
	return p.c.Sweep.Reclaim(ctx, tenant)
}

// Resume completes erasures that were decided before the process ended. Call it at the start and from time to time.
func (p *Primary) Resume(ctx context.Context) error {
	list, err := p.Pending(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.State == Erasing {
			if _, err := p.Advance(ctx, r.Request); err != nil {
				return err
			}
		}
	}
	return nil
}
