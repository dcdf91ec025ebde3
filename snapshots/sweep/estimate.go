package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/sweep/internal/index"
)

// Doomed is a copy that may be erased.
type Doomed struct {
	Snapshot snapshots.SnapshotID
	Digest   [32]byte
}

// Estimate answers, for each of the copies, how many stored bytes would be freed if the copies up to it were erased, without
// changing anything: their catalogues, and what only they keep of files that were changed or deleted before the undo window.
// Versions within the window and other snapshots keep what they need. undo is the charter's window.
//
// Where there are more than maxEstimate frames or maxEstimateVersions versions it is the sum of those that were looked at,
// and whole is false: at least that much would be freed.
func (s *Sweeper) Estimate(ctx context.Context, tenant string, undo time.Duration, copies []Doomed) (frees []uint64, whole bool, err error) {
	e := estimate{r: run{s: s, tenant: tenant}, at: map[snapshots.ChunkKey]*dropped{}, freed: make([]uint64, len(copies))}
	digests := make([][32]byte, len(copies))
	for i, d := range copies {
		digests[i] = d.Digest
	}
	var roots map[[32]byte]snapshots.ChunkKey
	if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		roots, err = index.RootsOf(ctx, tx, tenant, digests)
		return err
	}); err != nil {
		return nil, false, err
	}
	for i, d := range digests {
		k, ok := roots[d]
		if !ok {
			return nil, false, fmt.Errorf("estimate: %w: no root of %x", index.ErrMissing, d)
		}
		e.edges = append(e.edges, edge{k, i})
	}
	cut, err := e.versions(ctx, undo, copies)
	if err != nil {
		return nil, false, fmt.Errorf("estimate: %w", err)
	}
	for len(e.edges) > 0 && e.seen < maxEstimate {
		if err := e.step(ctx); err != nil {
			return nil, false, fmt.Errorf("estimate: %w", err)
		}
	}
	for i := 1; i < len(e.freed); i++ {
		e.freed[i] += e.freed[i-1]
	}
	return e.freed, len(e.edges) == 0 && !cut, nil
}

// estimate drops edges, of all snapshots at once, so that many frames are looked up by one statement.
type estimate struct {
	r     run
	edges []edge // to be dropped
	at    map[snapshots.ChunkKey]*dropped
	freed []uint64 // by the snapshot with which a frame's last edge goes
	seen  int
}

// edge is an edge to a frame that goes when the snapshot of this number goes, and those before it.
type edge struct {
	to   snapshots.ChunkKey
	with int
}

// dropped is a frame of whose edges some are dropped: left are not, and the latest goes with a snapshot.
type dropped struct {
	index.Dead
	left int64
	with int
}

// step drops as many edges as one transaction looks up, and takes up those of the frames that have none left.
func (e *estimate) step(ctx context.Context) error {
	part := e.edges[max(0, len(e.edges)-batchEstimate):]
	e.edges = e.edges[:len(e.edges)-len(part)]
	var unknown []snapshots.ChunkKey
	for _, x := range part {
		if e.at[x.to] == nil {
			e.at[x.to] = &dropped{}
			unknown = append(unknown, x.to)
		}
	}
	if err := e.r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		places, err := index.CountedOf(ctx, tx, e.r.tenant, unknown)
		for _, k := range unknown {
			p, ok := places[k]
			if err == nil && !ok {
				err = fmt.Errorf("%w: frame", index.ErrMissing)
			}
			*e.at[k] = dropped{Dead: p.Dead, left: p.Refs}
		}
		return err
	}); err != nil {
		return err
	}
	for _, x := range slices.Clone(part) { // its room is used again below
		f := e.at[x.to]
		f.with = max(f.with, x.with)
		if f.left--; f.left != 0 {
			continue
		}
		e.seen++
		e.freed[f.with] += uint64(f.Len)
		if f.Kind == chunk.KindData || f.Kind == chunk.KindJournal {
			continue
		}
		children, err := e.r.children(ctx, f.Dead)
		if err != nil {
			return err
		}
		distinct := map[snapshots.ChunkKey]int64{}
		count(distinct, children)
		for k := range distinct {
			e.edges = append(e.edges, edge{k, f.with})
		}
	}
	return nil
}
