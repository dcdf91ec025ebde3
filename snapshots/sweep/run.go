package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/node"
	"holdfast/snapshots/sweep/internal/index"
)

// Finish completes the erasures of a request that Drop decided. ErrBusy means that something is in the way for now: a
// lease that may know a frame, a pack that is still written to. What is done stays done.
func (s *Sweeper) Finish(ctx context.Context, request string) (Result, error) {
	if s.guard == nil {
		return Result{}, ErrSuspended
	}
	var e index.Erasure
	var ok bool
	err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		e, ok, err = index.Decided(ctx, tx, request)
		return err
	})
	switch {
	case err != nil:
		return Result{}, err
	case !ok:
		return Result{}, fmt.Errorf("%w: no erasure of %s was decided", ErrRefused, request)
	case e.Finished:
		return Result{Copies: int(e.Copies), Bytes: e.Bytes}, nil
	}
	give := s.turns.take(e.Tenant)
	defer give()
	r := run{s: s, tenant: e.Tenant, request: request}
	if err := r.all(ctx); err != nil {
		return r.result, err
	}
	if err := r.testify(ctx); err != nil {
		return r.result, err
	}
	err = s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := index.LockTenant(ctx, tx, e.Tenant); err != nil {
			return err
		}
		frames, packs, err := index.Waiting(ctx, tx, e.Tenant)
		if err != nil {
			return err
		}
		if frames > 0 || packs > 0 {
			return fmt.Errorf("%w: %d frames and %d packs wait", ErrBusy, frames, packs)
		}
		if err := index.Finish(ctx, tx, request, sqldb.Micros(s.c.Now())); err != nil {
			return err
		}
		e, _, err = index.Decided(ctx, tx, request)
		return err
	})
	r.result.Copies, r.result.Bytes = int(e.Copies), e.Bytes
	return r.result, err
}

// Unfinished lists the requests whose erasure was decided and is not finished.
func (s *Sweeper) Unfinished(ctx context.Context) (out []string, err error) {
	err = s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		out, err = index.Unfinished(ctx, tx)
		return err
	})
	return out, err
}

// Reclaim takes what nothing needs of one tenant: versions that died before the undo window and that no snapshot with a
// copy here shows, frames that no edge points at and no lease may know, and packs that hold mostly such. It stops where
// the guard or the day's cap says so, and leaves what is in use to the next call.
func (s *Sweeper) Reclaim(ctx context.Context, tenant string) (Result, error) {
	if s.guard == nil {
		return Result{}, ErrSuspended
	}
	give := s.turns.take(tenant)
	defer give()
	r := run{s: s, tenant: tenant}
	err := r.all(ctx)
	if errors.Is(err, errCap) {
		err = nil
	}
	return r.result, err
}

// errCap ends a Reclaim whose day's cap is used up.
var errCap = errors.New("sweep: the day's cap is used up")

// run is one call. request is empty for Reclaim.
type run struct {
	s       *Sweeper
	tenant  string
	request string
	result  Result
	owner   snapshots.LeaseID
	quiet   bool
}

func (r *run) all(ctx context.Context) error {
	if err := r.clean(ctx); err != nil {
		return err
	}
	if err := r.versions(ctx); err != nil {
		return err
	}
	if r.request == "" {
		if err := r.partials(ctx); err != nil {
			return err
		}
		if err := r.orphans(ctx); err != nil {
			return err
		}
	}
	damaged := r.frames(ctx)
	if damaged != nil && !errors.Is(damaged, ErrCorrupt) {
		return damaged
	}
	return errors.Join(damaged, r.packs(ctx))
}

// write runs one transaction under the tenant's lock, with the guard's leave.
func (r *run) write(ctx context.Context, f func(tx *sqldb.Tx, l Leave) error) error {
	return r.s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := index.LockTenant(ctx, tx, r.tenant); err != nil {
			return err
		}
		l, err := r.s.guard.MaySweep(ctx, tx, r.tenant)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSuspended, err)
		}
		return f(tx, l)
	})
}

// quiesce asks the data path, once a call, to let go of what nobody uses.
func (r *run) quiesce(ctx context.Context) error {
	if r.quiet || r.s.c.Writers == nil {
		return nil
	}
	owner, err := r.s.c.Writers.Quiesce(ctx, r.tenant)
	r.owner, r.quiet = owner, err == nil
	return err
}

// clean finishes what a killed run has left: packs that a rewrite was making, files of packs that left the index.
func (r *run) clean(ctx context.Context) error {
	if err := r.write(ctx, func(tx *sqldb.Tx, _ Leave) error {
		return index.Abandon(ctx, tx, r.tenant, sqldb.Micros(r.s.c.Now()))
	}); err != nil {
		return err
	}
	return r.removals(ctx)
}

func (r *run) removals(ctx context.Context) error {
	for {
		var list []snapshots.PackID
		if err := r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			list, err = index.Removals(ctx, tx, r.tenant, batchPacks)
			return err
		}); err != nil {
			return err
		}
		for _, p := range list {
			if err := r.s.remove.Pack(ctx, snapshots.PackBlob(r.tenant, p)); err != nil {
				return err
			}
			if err := r.s.step("removed"); err != nil {
				return err
			}
			if err := r.s.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return index.Removed(ctx, tx, p) }); err != nil {
				return err
			}
		}
		if len(list) < batchPacks {
			return nil
		}
	}
}

// versions takes versions that no undo moment, snapshot or hold needs.
func (r *run) versions(ctx context.Context) error {
	var after snapshots.Version
	for {
		var list []snapshots.Version
		taken := int64(0)
		if err := r.write(ctx, func(tx *sqldb.Tx, l Leave) error {
			taken = 0
			t, err := r.s.c.Store.Tenant(ctx, tx, r.tenant)
			if err != nil || l.HeldAll {
				return err
			}
			undo := max(l.Undo, t.Undo)
			cutoff := sqldb.Micros(l.Now.Add(-undo))
			if list, err = r.s.c.Store.Reclaimable(ctx, tx, r.tenant, cutoff, undo.Microseconds(), after, batchVersions); err != nil {
				return err
			}
			edges := map[snapshots.ChunkKey]int64{}
			for _, v := range list {
				if slices.Contains(l.HeldVolumes, v.Volume.String()) {
					continue
				}
				if err := index.TakeVersion(ctx, tx, v); err != nil {
					return err
				}
				count(edges, v.Recipe.Children())
				taken++
			}
			return r.unedge(ctx, tx, edges)
		}); err != nil {
			return err
		}
		r.result.Versions += taken
		if err := r.s.step("versions"); err != nil {
			return err
		}
		if len(list) < batchVersions {
			return nil
		}
		after = list[len(list)-1]
	}
}

// unedge takes edges away and condemns what none points at any more: not before any lease that lives now was taken.
func (r *run) unedge(ctx context.Context, tx *sqldb.Tx, edges map[snapshots.ChunkKey]int64) error {
	zero, err := index.Unedge(ctx, tx, r.tenant, edges)
	if err != nil {
		return err
	}
	return r.condemn(ctx, tx, zero)
}

func (r *run) condemn(ctx context.Context, tx *sqldb.Tx, keys []snapshots.ChunkKey) error {
	if len(keys) == 0 {
		return nil
	}
	_, last, err := index.ExpireLeases(ctx, tx, r.tenant, r.s.leaseLimit())
	if err != nil {
		return err
	}
	return index.Condemn(ctx, tx, r.tenant, keys, max(sqldb.Micros(r.s.c.Now()), last))
}

// count counts one edge for each distinct child.
func count(edges map[snapshots.ChunkKey]int64, children []node.Child) {
	seen := make(map[snapshots.ChunkKey]bool, len(children))
	for _, c := range children {
		k := snapshots.ChunkKey{ID: c.ID, Hash: c.Hash}
		if !seen[k] {
			seen[k] = true
			edges[k]++
		}
	}
}

// orphans condemns frames that came into the index with an operation which then failed.
func (r *run) orphans(ctx context.Context) error {
	var after snapshots.ChunkKey
	for {
		var last snapshots.ChunkKey
		if err := r.write(ctx, func(tx *sqldb.Tx, _ Leave) error {
			found, l, err := index.Orphans(ctx, tx, r.tenant, after, batchOrphans)
			last = l
			if err != nil {
				return err
			}
			return r.condemn(ctx, tx, found)
		}); err != nil {
			return err
		}
		if last == (snapshots.ChunkKey{}) {
			return nil
		}
		after = last
	}
}
