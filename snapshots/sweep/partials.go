package sweep

import (
	"context"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/sweep/internal/index"
)

// partials releases what pushes had sent of files that are finished since, or that nobody went on with for a day. What a
// hold keeps it leaves.
func (r *run) partials(ctx context.Context) error {
	for {
		taken, more := 0, false
		if err := r.write(ctx, func(tx *sqldb.Tx, l Leave) error {
			taken, more = 0, false
			if l.HeldAll {
				return nil
			}
			list, err := r.s.c.Store.OldPartials(ctx, tx, r.tenant, sqldb.Micros(l.Now.Add(-snapshots.PartialLife)), batchVersions)
			if err != nil {
				return err
			}
			edges := map[snapshots.ChunkKey]int64{}
			for _, p := range list {
				if slices.Contains(l.HeldVolumes, p.Volume.String()) {
					continue
				}
				if err := index.TakePartial(ctx, tx, p); err != nil {
					return err
				}
				count(edges, p.Recipe.Children())
				taken++
			}
			more = len(list) == batchVersions
			return r.unedge(ctx, tx, edges)
		}); err != nil {
			return err
		}
		if err := r.s.step("partials"); err != nil {
			return err
		}
		if taken == 0 || !more {
			return nil
		}
	}
}
