package sweep

import (
	"context"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/sweep/internal/index"
)

// Tombstone hides the copies that a permit of stage tombstone names, within the site's transaction. Their chunks still
// count as referenced. Doing it again for the same request does nothing.
func (s *Sweeper) Tombstone(ctx context.Context, tx *sqldb.Tx, p warrant.Permit) error {
	targets, err := s.targets(ctx, tx, p, warrant.StageTombstone)
	if err != nil {
		return err
	}
	at := sqldb.Micros(s.c.Now())
	for _, t := range targets {
		switch {
		case t.done == "tombstoned" && t.copy.State == snapshots.Tombstoned:
			continue
		case t.done != "" || t.copy.State != snapshots.Held && t.copy.State != snapshots.Proven:
			return fmt.Errorf("%w: %s is %s", ErrRefused, t.copy.Snapshot, t.copy.State)
		}
		if err := index.Hide(ctx, tx, p.Request(), t.copy, t.digest[:], at); err != nil {
			return err
		}
	}
	return nil
}

// Restore brings the tombstoned copies of a request back, or the key set that it has disabled, within the site's
// transaction, and answers how many. It only strengthens, hence needs no permit.
func (s *Sweeper) Restore(ctx context.Context, tx *sqldb.Tx, request string) (int, error) {
	if request == "" {
		return 0, ErrRefused
	}
	now := sqldb.Micros(s.c.Now())
	keys, err := index.Enable(ctx, tx, request, now)
	if err != nil {
		return 0, err
	}
	copies, err := index.Show(ctx, tx, request, s.c.Site, now)
	return copies + int(keys), err
}

// Drop decides the erasure that a permit of stage erase names, within the site's transaction: from its commit on the
// copies are gone, and Finish takes away what nothing else needs. Before it nothing is lost.
func (s *Sweeper) Drop(ctx context.Context, tx *sqldb.Tx, p warrant.Permit) error {
	targets, err := s.targets(ctx, tx, p, warrant.StageErase)
	if err != nil {
		return err
	}
	now := sqldb.Micros(s.c.Now())
	_, last, err := index.ExpireLeases(ctx, tx, p.Tenant(), s.leaseLimit())
	if err != nil {
		return err
	}
	roots := map[snapshots.ChunkKey]int64{}
	dropped := int64(0)
	for _, t := range targets {
		switch {
		case t.done == "dropped" && t.copy.State == snapshots.Erased:
			continue
		case t.done != "tombstoned" || t.copy.State != snapshots.Tombstoned:
			return fmt.Errorf("%w: %s is %s", ErrRefused, t.copy.Snapshot, t.copy.State)
		}
		if err := index.Drop(ctx, tx, p.Request(), t.copy, t.digest[:], now); err != nil {
			return err
		}
		roots[t.root]++
		dropped++
	}
	zero, err := index.Unedge(ctx, tx, p.Tenant(), roots)
	if err != nil {
		return err
	}
	if err := index.Condemn(ctx, tx, p.Tenant(), zero, max(now, last)); err != nil {
		return err
	}
	return index.Decide(ctx, tx, index.Erasure{Request: p.Request(), Tenant: p.Tenant(), Copies: dropped}, now)
}

// Erase implements Eraser: Drop in a transaction of its own, and Finish.
func (s *Sweeper) Erase(ctx context.Context, p warrant.Permit) (Result, error) {
	if err := p.Check(s.c.Site, warrant.StageErase, s.c.Now()); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if s.guard == nil {
		return Result{}, ErrSuspended
	}
	if err := s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := s.Drop(ctx, tx, p); err != nil {
			return err
		}
		return s.step("drop")
	}); err != nil {
		return Result{}, err
	}
	if err := s.step("dropped"); err != nil {
		return Result{}, err
	}
	return s.Finish(ctx, p.Request())
}

// target is a copy that a permit names, as the site has it.
type target struct {
	copy   snapshots.Copy
	digest [32]byte
	root   snapshots.ChunkKey
	done   string
}

// targets checks a permit against the site's own rows, under the tenant's lock. Any difference refuses all of it.
func (s *Sweeper) targets(ctx context.Context, tx *sqldb.Tx, p warrant.Permit, stage warrant.Stage) ([]target, error) {
	if err := p.Check(s.c.Site, stage, s.c.Now()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if p.Action() != string(statement.DeleteCopies) || p.Request() == "" || p.Tenant() == "" {
		return nil, fmt.Errorf("%w: a permit to %s", ErrRefused, p.Action())
	}
	copies := p.Copies()
	if len(copies) == 0 || len(copies) > statement.MaxByRule {
		return nil, fmt.Errorf("%w: a permit for %d copies", ErrRefused, len(copies))
	}
	if err := index.LockTenant(ctx, tx, p.Tenant()); err != nil {
		return nil, fmt.Errorf("%w: tenant: %w", ErrRefused, err)
	}
	out := make([]target, 0, len(copies))
	for _, want := range copies {
		t, err := s.target(ctx, tx, p, want)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (s *Sweeper) target(ctx context.Context, tx *sqldb.Tx, p warrant.Permit, want warrant.Target) (t target, err error) {
	id, err := snapshots.ParseSnapshotID(want.Snapshot)
	if err != nil {
		return t, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	snap, err := s.c.Store.Snapshot(ctx, tx, p.Tenant(), id)
	if err != nil {
		return t, fmt.Errorf("%w: %s: %w", ErrRefused, want.Snapshot, err)
	}
	if t.copy, err = s.c.Store.Copy(ctx, tx, id, s.c.Site); err != nil {
		return t, fmt.Errorf("%w: %s: %w", ErrRefused, want.Snapshot, err)
	}
	if snap.Seal == nil || snap.Seal.Digest != want.Digest || snap.Volume.String() != want.Volume ||
		!p.Names(want.Volume, want.Snapshot, want.Digest) || t.copy.Tenant != p.Tenant() || t.copy.Volume != snap.Volume {
		return t, fmt.Errorf("%w: %s is not what the permit names", ErrRefused, want.Snapshot)
	}
	t.digest, t.root = snap.Seal.Digest, snapshots.ChunkKey{ID: snap.Seal.Root.ID, Hash: snap.Seal.Digest}
	t.done, err = index.Done(ctx, tx, p.Request(), want.Snapshot)
	return t, err
}

func (s *Sweeper) leaseLimit() int64 { return sqldb.Micros(s.c.Now().Add(-snapshots.LeaseExpiry)) }

func (s *Sweeper) step(name string) error {
	if s.stall == nil {
		return nil
	}
	return s.stall(name)
}
