package control

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/quorum/audit"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

// volumeBody is the private body of a volume's leaves.
type volumeBody struct {
	Tenant string    `json:"tenant"`
	Volume string    `json:"volume"`
	Name   string    `json:"name"`
	Kind   string    `json:"kind"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Volumes lists the volumes that the caller may see, deleted ones too: their
// snapshots and their undo window are still there.
func (c *Control) Volumes(ctx context.Context, who Caller) ([]wire.Volume, error) {
	restricted := who.Principal.Kind == authz.KindToken && !who.Principal.AllVolumes
	if !restricted {
		if err := c.decide(who, authz.VolumeView, ownTenant(who), ""); err != nil {
			return nil, err
		}
	}
	undo, still, err := c.undoOf(ctx, who.tenantID())
	if err != nil {
		return nil, err
	}
	found := []snapshots.Volume{}
	var denied error
	err = c.eachVolume(ctx, who.tenantID(), func(v snapshots.Volume) error {
		if restricted {
			if err := c.reach(who, v, authz.VolumeView); err != nil {
				if AsError(err).Type != wire.TypeNotFound {
					denied = err
				}
				return nil
			}
		}
		found = append(found, v)
		return nil
	})
	if err == nil && len(found) == 0 {
		err = denied
	}
	if err != nil {
		return []wire.Volume{}, wrap(err)
	}
	own, err := c.Data.OwnUndos(ctx, who.tenantID())
	out := make([]wire.Volume, len(found))
	for i, v := range found {
		out[i] = c.showVolume(v, max(undo, own[v.ID]), still.Of(v.ID))
	}
	return out, wrap(err)
}

// eachVolume visits the tenant's volumes, deleted ones too.
func (c *Control) eachVolume(ctx context.Context, tenant string, visit func(snapshots.Volume) error) error {
	var after snapshots.VolumeID
	for {
		page, err := c.Data.Volumes(ctx, tenant, true, after, snapshots.MaxPage)
		if err != nil {
			return err
		}
		for _, v := range page {
			if err := visit(v); err != nil {
				return err
			}
			after = v.ID
		}
		if len(page) < snapshots.MaxPage {
			return nil
		}
	}
}

// CreateVolume makes a volume, and at the tenant's first one its keys.
func (c *Control) CreateVolume(ctx context.Context, who Caller, in wire.CreateVolume) (wire.Volume, error) {
	if err := c.decide(who, authz.VolumeCreate, ownTenant(who), ""); err != nil {
		return wire.Volume{}, err
	}
	if reserved(in.Name) {
		return wire.Volume{}, newError(wire.TypeInvalid, nil, "A volume's name has no slash, does not begin with vol_ or snp_, and is not \"snapshots\".")
	}
	n := snapshots.NewVolume{Tenant: who.tenantID(), Name: in.Name, Kind: snapshots.Kind(in.Kind), By: who.ID()}
	if !n.Kind.Valid() {
		return wire.Volume{}, newError(wire.TypeInvalid, nil, "A volume is of kind files or stream.")
	}
	switch {
	case in.Profile != "":
		p, err := chunk.ParseProfile(in.Profile)
		if err != nil {
			return wire.Volume{}, wrap(err)
		}
		n.Profile = p
	case n.Kind == snapshots.Stream:
		n.Profile = chunk.ProfileDisk
	}
	if in.Compression != "" {
		var err error
		if n.Compression, err = frame.ParseCompression(in.Compression); err != nil {
			return wire.Volume{}, newError(wire.TypeInvalid, err, "A volume's compression is zstd, s2 or none.")
		}
	}
	if err := c.tenantKeys(ctx, n.Tenant); err != nil {
		return wire.Volume{}, err
	}
	v, err := c.Data.CreateVolume(ctx, n)
	if err != nil {
		return wire.Volume{}, wrap(err)
	}
	if err := c.enterCreated(ctx, v); err != nil {
		return wire.Volume{}, err
	}
	return c.shown(ctx, v)
}

// tenantKeys makes the tenant's keys at first use, wrapped for the primary and
// the charter's recovery recipients.
func (c *Control) tenantKeys(ctx context.Context, tenant string) error {
	if err := c.Data.CreateTenant(ctx, snapshots.NewTenant{Tenant: tenant, QuotaBytes: DefaultQuota}); err != nil {
		return wrap(err)
	}
	return c.rewrap(ctx, tenant)
}

func (c *Control) enterCreated(ctx context.Context, v snapshots.Volume) error {
	return c.enter(ctx, v.ID.String(), entry{kind: audit.KindVolumeCreated, tenant: v.Tenant, subject: v.ID.String(),
		body: volumeBody{v.Tenant, v.ID.String(), v.Name, string(v.Kind), v.CreatedBy, v.CreatedAt}})
}

func (c *Control) enterDeleted(ctx context.Context, v snapshots.Volume, by string) error {
	return c.enter(ctx, deedAt(v.ID.String(), v.DeletedAt), entry{kind: audit.KindVolumeDeleted, tenant: v.Tenant, subject: v.ID.String(),
		body: volumeBody{v.Tenant, v.ID.String(), v.Name, string(v.Kind), by, v.DeletedAt}})
}

// Volume shows a volume.
func (c *Control) Volume(ctx context.Context, who Caller, ref string) (wire.Volume, error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.VolumeView)
	}
	if err != nil {
		return wire.Volume{}, err
	}
	return c.shown(ctx, v)
}

// DeleteVolume deletes a volume's primary data. Nobody is asked (I11); its
// snapshots stay until the gate lets them go (T31), and for the undo window a
// restore brings the volume back.
func (c *Control) DeleteVolume(ctx context.Context, who Caller, ref string) (wire.Removed, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.VolumeDelete)
	}
	if err != nil {
		return wire.Removed{}, err
	}
	files := v.LiveFiles
	if err := c.Data.DeleteVolume(ctx, v.Tenant, v.ID, who.ID()); err != nil {
		return wire.Removed{}, wrap(err)
	}
	if v, err = c.Data.Volume(ctx, v.Tenant, v.ID); err != nil {
		return wire.Removed{}, wrap(err)
	}
	if !v.DeletedAt.IsZero() { // unless somebody has brought it back already
		if err := c.enterDeleted(ctx, v, who.ID()); err != nil {
			return wire.Removed{}, err
		}
	}
	return c.removed(ctx, v, files)
}

// removed says until when what was deleted can be brought back.
func (c *Control) removed(ctx context.Context, v snapshots.Volume, files int64) (wire.Removed, error) {
	undo, _, err := c.Data.VolumeUndo(ctx, v.Tenant, v.ID)
	if err != nil {
		return wire.Removed{}, wrap(err)
	}
	return wire.Removed{Files: files, Recoverable: v.HeadAt.Add(undo), Seq: v.Head}, nil
}

func (c *Control) shown(ctx context.Context, v snapshots.Volume) (wire.Volume, error) {
	undo, _, err := c.Data.VolumeUndo(ctx, v.Tenant, v.ID)
	if err != nil {
		return wire.Volume{}, wrap(err)
	}
	still, err := c.Data.Stillness(ctx, v.Tenant)
	return c.showVolume(v, undo, still.Of(v.ID)), wrap(err)
}

// undoOf is the tenant's undo window, and what keeps its beginning where it is. A
// tenant without keys has no volumes, and so no window.
func (c *Control) undoOf(ctx context.Context, tenant string) (time.Duration, snapshots.Stillness, error) {
	undo, err := c.Data.UndoWindow(ctx, tenant)
	if err != nil && !errors.Is(err, snapshots.ErrNotFound) {
		return 0, snapshots.Stillness{}, wrap(err)
	}
	still, err := c.Data.Stillness(ctx, tenant)
	return undo, still, wrap(err)
}

func (c *Control) showVolume(v snapshots.Volume, window time.Duration, still snapshots.Still) wire.Volume {
	undo := still.Begins(c.now(), window)
	if undo.Before(v.CreatedAt) {
		undo = v.CreatedAt
	}
	out := wire.Volume{
		ID: v.ID.String(), Tenant: v.Tenant, Name: v.Name, Kind: string(v.Kind), Profile: v.Profile.String(), Compression: v.Compression.String(), CreatedAt: v.CreatedAt,
		Deleted: !v.DeletedAt.IsZero(), Head: v.Head, Files: v.LiveFiles, Bytes: v.LiveBytes, UndoFrom: undo,
	}
	if out.Deleted {
		out.DeletedAt = &v.DeletedAt
	}
	if !still.Since.IsZero() {
		out.UndoHeldSince, out.UndoHeldBy = &still.Since, still.By
	}
	return out
}
