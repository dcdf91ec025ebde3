package sweep

import (
	"context"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/sweep/internal/index"
)

// Estimate answers, for each of the snapshots by their digests, how many stored bytes would be freed if the copies up to
// it were erased, without changing anything. Versions within the undo window and other snapshots keep what they need.
func (s *Sweeper) Estimate(ctx context.Context, tenant string, digests [][32]byte) ([]uint64, error) {
	out := make([]uint64, 0, len(digests))
	e := estimate{r: run{s: s, tenant: tenant}, left: map[snapshots.ChunkKey]int64{}}
	for _, d := range digests {
		var root snapshots.ChunkKey
		if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			root, err = index.RootOf(ctx, tx, tenant, d)
			return err
		}); err != nil {
			return nil, err
		}
		if err := e.drop(ctx, root); err != nil {
			return nil, err
		}
		out = append(out, e.bytes)
	}
	return out, nil
}

type estimate struct {
	r     run
	left  map[snapshots.ChunkKey]int64 // edges that would be left
	bytes uint64
	seen  int
}

func (e *estimate) drop(ctx context.Context, root snapshots.ChunkKey) error {
	edges := []snapshots.ChunkKey{root}
	for len(edges) > 0 && e.seen < maxEstimate {
		part := edges[max(0, len(edges)-batchFrames):]
		edges = edges[:len(edges)-len(part)]
		var places []index.Dead
		if err := e.r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
			places = nil
			for _, k := range part {
				d, refs, err := index.RefsOf(ctx, tx, e.r.tenant, k)
				if err != nil {
					return err
				}
				if _, ok := e.left[k]; !ok {
					e.left[k] = refs
				}
				if e.left[k]--; e.left[k] == 0 {
					places = append(places, d)
				}
			}
			return nil
		}); err != nil {
			return err
		}
		for _, d := range places {
			e.seen++
			e.bytes += uint64(d.Len)
			if d.Kind == chunk.KindData || d.Kind == chunk.KindJournal {
				continue
			}
			children, err := e.r.children(ctx, d)
			if err != nil {
				return fmt.Errorf("estimate: %w", err)
			}
			distinct := map[snapshots.ChunkKey]int64{}
			count(distinct, children)
			for k := range distinct {
				edges = append(edges, k)
			}
		}
	}
	return nil
}
