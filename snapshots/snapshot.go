package snapshots

import (
	"context"
	"errors"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
)

// TakeSnapshot captures a volume as it is: one row under the volume's lock, whatever the volume's size. From then on
// nothing that it shows is destroyed without a permit. Sealing follows.
func (e *Engine) TakeSnapshot(ctx context.Context, tenant string, v VolumeID, by, note string) (Snapshot, error) {
	if err := errors.Join(checkNote(by), checkNote(note)); err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{ID: id.New[snapshotKind](e.c.Now())}
	if err := e.change(ctx, tenant, v, nil, Mutation{Op: OpSnapshot, Snapshot: s.ID, By: by, Note: note}); err != nil {
		return Snapshot{}, err
	}
	return e.Snapshot(ctx, tenant, s.ID)
}

// Snapshot answers a snapshot of the tenant.
func (e *Engine) Snapshot(ctx context.Context, tenant string, s SnapshotID) (out Snapshot, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Snapshot(ctx, tx, tenant, s)
		return err
	})
	return out, err
}

// Snapshots lists snapshots, newest first, of one volume or (zero) all of the tenant.
func (e *Engine) Snapshots(ctx context.Context, tenant string, v VolumeID, before SnapshotID, limit int) (out []Snapshot, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Snapshots(ctx, tx, tenant, v, before, pageSize(limit))
		return err
	})
	return out, err
}

// Standing lists the newest snapshots of a volume that protect it: up to limit that
// are neither hidden nor erased. If a hidden one is newer than all of them, it comes
// first, since it can still be brought back; one that is erased protects nothing and
// is never among them.
func (e *Engine) Standing(ctx context.Context, tenant string, v VolumeID, limit int) (out []Snapshot, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if out, err = e.c.Store.Newest(ctx, tx, tenant, v, pageSize(limit), Tombstoned, Erased); err != nil {
			return err
		}
		newest, err := e.c.Store.Newest(ctx, tx, tenant, v, 1, Erased)
		if err == nil && len(newest) > 0 && (len(out) == 0 || newest[0].ID != out[0].ID) {
			out = append(newest, out...)
		}
		return err
	})
	return out, err
}

// Unsealed lists snapshots that wait for their seal, oldest first, of all tenants.
func (e *Engine) Unsealed(ctx context.Context, limit int) (out []Snapshot, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Unsealed(ctx, tx, pageSize(limit))
		return err
	})
	return out, err
}

// Copies lists the copies of a snapshot that this site knows of.
func (e *Engine) Copies(ctx context.Context, tenant string, s SnapshotID) (out []Copy, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Snapshot(ctx, tx, tenant, s); err != nil {
			return err
		}
		out, err = e.c.Store.Copies(ctx, tx, tenant, s)
		return err
	})
	return out, err
}

// Unproven lists held copies of this site that were not proven since the given time.
func (e *Engine) Unproven(ctx context.Context, since time.Time, limit int) (out []Copy, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Unproven(ctx, tx, e.c.Site, sqldb.Micros(since), pageSize(limit))
		return err
	})
	return out, err
}

// Pin protects a snapshot by name from being proposed by a keep rule.
func (e *Engine) Pin(ctx context.Context, tenant string, s SnapshotID, name, by string) error {
	if err := errors.Join(checkName(name, MaxNote), checkNote(by)); err != nil {
		return err
	}
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Snapshot(ctx, tx, tenant, s); err != nil {
			return err
		}
		return e.c.Store.InsertPin(ctx, tx, s, name, by, sqldb.Micros(e.c.Now()))
	})
}

// Unpin takes a pin away. The snapshot stays: it can then be proposed, and a proposal still needs the quorum.
func (e *Engine) Unpin(ctx context.Context, tenant string, s SnapshotID, name string) error {
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Snapshot(ctx, tx, tenant, s); err != nil {
			return err
		}
		return e.c.Store.DeletePin(ctx, tx, s, name)
	})
}

// Suspect flags a copy of this site, so that it does not count as a restore point.
func (e *Engine) Suspect(ctx context.Context, tenant string, s SnapshotID, reason string) error {
	if err := checkName(reason, MaxNote); err != nil {
		return err
	}
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Snapshot(ctx, tx, tenant, s); err != nil {
			return err
		}
		return e.c.Store.InsertSuspect(ctx, tx, s, e.c.Site, sqldb.Micros(e.c.Now()), false, reason)
	})
}

// Reclaimable lists what a sweep would look at now: versions of a tenant that died before the undo window and that no
// snapshot needs, from after the given one. It decides nothing: the sweep asks the store itself, and holds, freezes, clocks
// and caps under its locks.
func (e *Engine) Reclaimable(ctx context.Context, tenant string, after Version, limit int) (out []Version, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		undo, err := e.undo(ctx, tx, tenant)
		if err != nil {
			return err
		}
		out, err = e.c.Store.Reclaimable(ctx, tx, tenant, sqldb.Micros(e.c.Now().Add(-undo)), undo.Microseconds(), after, pageSize(limit))
		return err
	})
	return out, err
}
