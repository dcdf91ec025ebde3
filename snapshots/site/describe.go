package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/statement"
	"holdfast/snapshots"
	"holdfast/snapshots/sweep"
)

// Inventory implements Site.
func (p *Primary) Inventory(ctx context.Context, tenant, after string, limit int) (out []CopyFacts, err error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		out, err = copiesIn(ctx, tx, `WHERE c.site = $1 AND c.tenant = $2 AND c.snapshot > $3 ORDER BY c.snapshot LIMIT $4`, p.c.Name, tenant, after, limit)
		if err != nil {
			return err
		}
		over, err := stopsOver(ctx, tx, tenant)
		for i := range out {
			out[i].Site, out[i].Last = p.c.Name, statement.NotLast
			out[i].Held = over.all || slices.Contains(over.volumes, out[i].Volume)
		}
		return err
	})
	return out, err
}

// Describe implements Site.
func (p *Primary) Describe(ctx context.Context, q Query) (Description, error) {
	if len(q.Snapshots) > statement.MaxByRule {
		return Description{}, fmt.Errorf("%w: %d snapshots", ErrBound, len(q.Snapshots))
	}
	var d Description
	var doomed []sweep.Doomed // of the copies whose bytes are here
	var rooted []int
	var undo time.Duration
	err := p.read(ctx, func(tx *sqldb.Tx) error {
		d, doomed, rooted = Description{}, nil, nil
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		over, err := stopsOver(ctx, tx, q.Tenant)
		if err != nil {
			return err
		}
		here, err := copiesOf(ctx, tx, p.c.Name, q.Tenant, q.Snapshots)
		if err != nil {
			return err
		}
		targets := map[string]bool{}
		for _, s := range q.Snapshots {
			c, ok := here[s]
			if !ok || targets[s] {
				continue
			}
			c.Site, targets[s] = p.c.Name, true
			c.Held = over.all || slices.Contains(over.volumes, c.Volume)
			d.Copies = append(d.Copies, c)
			if c.Digest != ([32]byte{}) && c.State != "erased" {
				id, err := snapshots.ParseSnapshotID(c.Snapshot)
				if err != nil {
					return err
				}
				doomed, rooted = append(doomed, sweep.Doomed{Snapshot: id, Digest: c.Digest}), append(rooted, len(d.Copies)-1)
			}
		}
		undo = newest.c.Undo
		for i := range d.Copies {
			c := &d.Copies[i]
			v, err := p.volumeFacts(ctx, tx, *c, targets, undo, &d)
			if err != nil {
				return err
			}
			elsewhere := false
			if newest.c.MultiSite() { // else there is nothing to ask for
				if elsewhere, _, err = others(ctx, tx, c.Snapshot); err != nil {
					return err
				}
			}
			c.Last = last(newest.c.MultiSite() && !elsewhere, v.NewestLeft == "")
		}
		return nil
	})
	if err != nil {
		return Description{}, err
	}
	frees, whole, err := p.c.Sweep.Estimate(ctx, q.Tenant, undo, doomed)
	if err != nil && !errors.Is(err, sweep.ErrCorrupt) {
		return Description{}, err
	}
	for i := range frees {
		d.Copies[rooted[i]].Frees = frees[i]
		d.Frees = frees[i]
	}
	d.FreesMore = err == nil && !whole
	return d, nil
}

func last(copied, point bool) statement.Last {
	switch {
	case copied && point:
		return statement.LastBoth
	case copied:
		return statement.LastCopy
	case point:
		return statement.LastPoint
	}
	return statement.NotLast
}

// volumeFacts answers what is left of a copy's volume, computing it once a volume.
func (p *Primary) volumeFacts(ctx context.Context, tx *sqldb.Tx, c CopyFacts, targets map[string]bool, undo time.Duration, d *Description) (VolumeFacts, error) {
	for _, v := range d.Volumes {
		if v.Volume == c.Volume {
			return v, nil
		}
	}
	v := VolumeFacts{Volume: c.Volume, Name: c.VolumeName}
	now := p.now()
	if err := eachHeld(ctx, tx, p.c.Name, c.Tenant, c.Volume, func(x Point) bool {
		if x := restorePoint(c.Volume, x); !targets[x.Snapshot] && x.Counts(now, undo) {
			v.NewestLeft, v.NewestLeftAt = x.Snapshot, x.TakenAt
		}
		return v.NewestLeft == ""
	}); err != nil {
		return v, err
	}
	d.Volumes = append(d.Volumes, v)
	return v, nil
}
