package control

import (
	"context"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// Restore brings a snapshot, or a moment of the undo window, back as live primary
// data of the same or another volume. What it overwrites stays in the undo window,
// and no snapshot changes by it (T38). A deleted volume that is restored into
// itself comes back first. One call compares MaxRestore paths and says in Next
// where the next one goes on, so that no volume is too large for a connection.
func (c *Control) Restore(ctx context.Context, who Caller, ref string, in wire.Restore) (wire.Restored, error) {
	if (in.Snapshot == "") == (in.At == nil) {
		return wire.Restored{}, newError(wire.TypeInvalid, nil, "Name either a snapshot or a moment.")
	}
	if in.Exact && in.Missing {
		return wire.Restored{}, newError(wire.TypeInvalid, nil, "Either exact or missing: the one deletes what the point has not, the other changes nothing that is there.")
	}
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotRestore)
	}
	if err != nil {
		return wire.Restored{}, err
	}
	req := snapshots.RestoreRequest{Tenant: v.Tenant, From: v.ID, To: v.ID, Prefix: in.Prefix, Exact: in.Exact, Missing: in.Missing, Cursor: in.Cursor, Most: MaxRestore}
	if in.Snapshot != "" {
		s, from, err := c.snapshot(ctx, who, in.Snapshot)
		if err == nil {
			err = c.reach(who, from, authz.SnapshotRestore)
		}
		if err == nil && from.Tenant != v.Tenant {
			err = wrap(snapshots.ErrNotFound)
		}
		if err != nil {
			return wire.Restored{}, err
		}
		req.From, req.Moment = from.ID, snapshots.Moment{Snapshot: s.ID}
	} else {
		req.Moment = snapshots.Moment{Time: *in.At}
	}
	to := v
	if in.Into != "" {
		if to, err = c.volume(ctx, who, in.Into, false); err == nil {
			err = c.reach(who, to, authz.SnapshotRestore)
		}
		if err != nil {
			return wire.Restored{}, err
		}
		req.To = to.ID
	}
	if !to.DeletedAt.IsZero() {
		if err := c.Data.UndeleteVolume(ctx, to.Tenant, to.ID, who.ID()); err != nil {
			return wire.Restored{}, wrap(err)
		}
	}
	sum, err := c.Data.Restore(ctx, req)
	if isAny(err, snapshots.ErrFormat) {
		return wire.Restored{}, newError(wire.TypeInvalid, err, "The cursor is not the next of an answer before.")
	}
	if err != nil {
		return wire.Restored{}, wrap(err)
	}
	if to, err = c.Data.Volume(ctx, to.Tenant, to.ID); err != nil {
		return wire.Restored{}, wrap(err)
	}
	return wire.Restored{Volume: to.ID.String(), Files: sum.Restored, Unchanged: sum.Unchanged, Deleted: sum.Deleted, Seq: to.Head, Next: sum.Next}, nil
}
