package control

import (
	"context"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// beside says of an impact what its statement has no line for and people ask first: what
// the one snapshot is called that goes, and which proven ones stay where none is left
// that counts, for a restore point counts only once it is older than the undo window
// (T26). None of it is signed. Where it cannot be found out, nothing is said.
func (c *Control) beside(ctx context.Context, s statement.Statement, i *wire.Impact) {
	if i == nil || s.Action != statement.DeleteCopies {
		return
	}
	going := map[string]bool{}
	for _, k := range s.Copies {
		going[k.Snapshot] = true
	}
	// What an impact shares with a kept draft stays as it is.
	i.Volumes = slices.Clone(i.Volumes)
	for n := range i.Volumes[:min(len(i.Volumes), maxBriefVolumes)] {
		v := &i.Volumes[n]
		if v.Copies == 1 {
			c.nameOne(ctx, s, v)
		}
		if v.NewestLeft == nil {
			c.younger(ctx, s.Tenant.ID, going, v)
		}
	}
}

func (c *Control) nameOne(ctx context.Context, s statement.Statement, v *wire.VolumeImpact) {
	at := slices.IndexFunc(s.Copies, func(k statement.Copy) bool { return k.Volume == v.Volume })
	if at < 0 {
		return
	}
	v.Snapshot, v.TakenAt = s.Copies[at].Snapshot, &s.Copies[at].TakenAt
	snapshotID, err := snapshots.ParseSnapshotID(v.Snapshot)
	if err != nil {
		return
	}
	if found, err := c.Data.Snapshot(ctx, s.Tenant.ID, snapshotID); err == nil {
		v.SnapshotName = found.Note
	}
}

func (c *Control) younger(ctx context.Context, tenant string, going map[string]bool, v *wire.VolumeImpact) {
	volumeID, err := snapshots.ParseVolumeID(v.Volume)
	if err != nil {
		return
	}
	undo, _, err := c.Data.VolumeUndo(ctx, tenant, volumeID)
	if err != nil {
		return
	}
	v.UndoSeconds = undo.Seconds()
	list, err := c.Data.Snapshots(ctx, tenant, volumeID, snapshots.SnapshotID{}, maxBriefPoints)
	if err != nil {
		return
	}
	for _, snap := range list {
		if going[snap.ID.String()] {
			continue
		}
		copies, err := c.Data.Copies(ctx, tenant, snap.ID)
		if err != nil {
			return
		}
		if pointState(copies, c.Site, "") != "proven" {
			continue
		}
		if v.Younger++; v.YoungerAt == nil {
			v.YoungerAt = &snap.TakenAt
		}
	}
}

// Foresee says what a request for a deletion would come to, and what the charter in force
// would demand for it of a member who confirms it with a passkey; it drafts nothing.
func (c *Control) Foresee(ctx context.Context, who Caller, ask wire.AskRequest) (out wire.Foreseen, err error) {
	tenant, err := c.mayDraft(ctx, who, ask)
	if err != nil {
		return out, err
	}
	s, impact, err := c.compose(ctx, who, "", draft{Ask: ask, Tenant: tenant, OpenedBy: party(who)}, c.now())
	if err != nil || impact == nil {
		return out, err
	}
	c.beside(ctx, *s, impact)
	out.Impact = *impact
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		need, err := strictest(ch, s.Action, circumstanceOf(*s), []string{c.Gate.Name()})
		out.Approvals, out.Teams = need.Approvals, need.Teams
		out.Cooling, out.Grace = need.Cooling.Seconds(), need.Grace.Seconds()
		return err
	})
	return out, wrap(err)
}
