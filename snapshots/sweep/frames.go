package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
	"holdfast/snapshots/sweep/internal/index"
)

// frames takes condemned frames out of the index, down the tree of nodes, until nothing more can be taken. What a lease
// may still know stays condemned and is left to a later call.
func (r *run) frames(ctx context.Context) error {
	skip := map[snapshots.ChunkKey]bool{}
	var damaged error
	for pass := 0; ; pass++ {
		progress := false
		var after snapshots.ChunkKey
		for {
			var list []index.Dead
			if err := r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
				list, err = index.Condemned(ctx, tx, r.tenant, after, batchFrames)
				return err
			}); err != nil {
				return err
			}
			if len(list) == 0 {
				break
			}
			if pass == 0 && after == (snapshots.ChunkKey{}) {
				if err := r.quiesce(ctx); err != nil {
					return err
				}
			}
			after = list[len(list)-1].Key
			for len(list) > 0 {
				part, err := r.read(ctx, &list, skip)
				if err != nil {
					damaged = errors.Join(damaged, err)
				}
				taken, err := r.take(ctx, part)
				if err != nil {
					return err
				}
				progress = progress || taken > 0
			}
		}
		if !progress {
			return damaged
		}
	}
}

// doomed is a condemned frame with the edges that go with it.
type doomed struct {
	index.Dead
	children []node.Child
}

// read takes as many frames from the list as fit one transaction and reads the edges of the nodes among them. A node that
// is damaged is skipped: nobody knows what it points at.
func (r *run) read(ctx context.Context, list *[]index.Dead, skip map[snapshots.ChunkKey]bool) (out []doomed, err error) {
	edges := 0
	for len(*list) > 0 && edges < batchEdges {
		d := (*list)[0]
		*list = (*list)[1:]
		if skip[d.Key] {
			continue
		}
		x := doomed{Dead: d}
		if d.Kind != chunk.KindData && d.Kind != chunk.KindJournal {
			children, problem := r.children(ctx, d)
			if problem != nil {
				skip[d.Key] = true
				err = errors.Join(err, problem)
				continue
			}
			x.children = children
			edges += len(children)
		}
		out = append(out, x)
	}
	return out, err
}

func (r *run) children(ctx context.Context, d index.Dead) ([]node.Child, error) {
	if d.Len <= 0 || d.Len > stream.MaxStored {
		return nil, fmt.Errorf("%w: a node of %d bytes", ErrCorrupt, d.Len)
	}
	buf := make([]byte, d.Len)
	n, err := r.s.c.Blobs.ReadAt(ctx, snapshots.PackBlob(r.tenant, d.Pack), buf, d.Pos)
	if n != len(buf) || err != nil && !errors.Is(err, io.EOF) {
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("%w: %s in %s", ErrCorrupt, d.Key.ID, d.Pack)
		}
		return nil, err
	}
	if frame.HashOf(buf) != d.Key.Hash {
		return nil, fmt.Errorf("%w: %s in %s", ErrCorrupt, d.Key.ID, d.Pack)
	}
	kind, children, err := node.Children(buf)
	if err != nil || kind != d.Kind {
		return nil, fmt.Errorf("%w: %s in %s: %w", ErrCorrupt, d.Key.ID, d.Pack, err)
	}
	return children, nil
}

// take takes frames out of the index in one transaction, each only if it is still condemned, has no edge, and was
// condemned before every living lease was taken, all under the tenant's lock.
func (r *run) take(ctx context.Context, list []doomed) (taken int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	if err := r.s.step("take"); err != nil {
		return 0, err
	}
	err = r.write(ctx, func(tx *sqldb.Tx, l Leave) error {
		taken = 0
		first, _, err := index.ExpireLeases(ctx, tx, r.tenant, r.s.leaseLimit())
		if err != nil {
			return err
		}
		room := int64(-1)
		if r.request == "" {
			if room, err = r.room(ctx, tx, l); err != nil {
				return err
			}
		}
		edges := map[snapshots.ChunkKey]int64{}
		bytes := int64(0)
		for _, d := range list {
			if first != 0 && d.At >= first {
				continue
			}
			if r.request == "" && bytes+d.Len > room {
				if taken == 0 {
					return errCap
				}
				break
			}
			ok, err := index.Take(ctx, tx, r.tenant, d.Dead, r.request != "")
			if err != nil {
				return err
			}
			if ok {
				taken++
				bytes += d.Len
				count(edges, d.children)
			}
		}
		if taken == 0 {
			return nil
		}
		if r.request == "" {
			now := sqldb.Micros(l.Now)
			if err := index.Reclaimed(ctx, tx, r.tenant, bytes, now, now-2*capWindow.Microseconds()); err != nil {
				return err
			}
		}
		if err := r.unedge(ctx, tx, edges); err != nil {
			return err
		}
		return r.s.step("taking")
	})
	if err != nil {
		return 0, err
	}
	r.result.Frames += int64(taken)
	return taken, r.s.step("taken")
}

// room is what the day's cap leaves for Reclaim.
func (r *run) room(ctx context.Context, tx *sqldb.Tx, l Leave) (int64, error) {
	used, err := index.ReclaimedSince(ctx, tx, sqldb.Micros(l.Now.Add(-capWindow)))
	if err != nil {
		return 0, err
	}
	limit := int64(min(l.DayBytes, 1<<62))
	return max(0, limit-used), nil
}
